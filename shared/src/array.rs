//! Arrays in results: shape and f64 values, NaN for "undefined".

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// A dense array of f64 in C order. Undefined entries are NaN in memory and in binary form, `null` in JSON.
///
/// In JSON it is a nested list, as scripts expect. Inside [`wire`](crate::wire) envelopes the values travel as
/// little-endian binary beside the JSON.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Array {
    /// Lengths of the axes; 1 to 3 of them.
    pub shape: Vec<u32>,
    /// Values in C order.
    pub values: Vec<f64>,
}

impl Array {
    /// A one-dimensional array.
    #[must_use]
    pub fn vector(values: Vec<f64>) -> Self {
        Self { shape: vec![axis(values.len())], values }
    }

    /// A two-dimensional array from values in C order.
    ///
    /// # Panics
    /// If `values.len() != rows * columns`: a defect of the caller.
    #[must_use]
    pub fn matrix(rows: usize, columns: usize, values: Vec<f64>) -> Self {
        assert_eq!(values.len(), rows * columns, "array values must fill its shape");
        Self { shape: vec![axis(rows), axis(columns)], values }
    }

    /// A two-dimensional array from a faer matrix.
    #[must_use]
    pub fn from_mat(mat: faer::MatRef<'_, f64>) -> Self {
        let mut values = Vec::with_capacity(mat.nrows() * mat.ncols());
        for i in 0..mat.nrows() {
            for j in 0..mat.ncols() {
                values.push(mat[(i, j)]);
            }
        }
        Self { shape: vec![axis(mat.nrows()), axis(mat.ncols())], values }
    }

    /// Length of the first axis (0 for an array without axes).
    #[must_use]
    pub fn rows(&self) -> usize {
        self.shape.first().map_or(0, |&n| n as usize)
    }

    /// Length of the second axis (1 for a vector).
    #[must_use]
    pub fn columns(&self) -> usize {
        self.shape.get(1).map_or(1, |&n| n as usize)
    }

    /// Row `i` of a two-dimensional array.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f64] {
        let n = self.columns();
        &self.values[i * n..(i + 1) * n]
    }
}

fn axis(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Where the values of an array are: the first of them, counted in values, and how many.
pub(crate) type Place = (u64, usize);

/// An envelope that is being read.
enum Reading {
    /// Arrays say where their values are, and have none.
    Places(Vec<Place>),
    /// Arrays take their values by the first place.
    Values(BTreeMap<u64, Vec<f64>>),
}

thread_local! {
    /// While an envelope is written, array values go here instead of into JSON.
    static BUFFER: RefCell<Option<Vec<f64>>> = const { RefCell::new(None) };
    /// While an envelope is read.
    static READING: RefCell<Option<Reading>> = const { RefCell::new(None) };
}

/// Serializes with array values collected into one buffer; returns what `write` gives and the buffer.
pub(crate) fn collecting<T>(write: impl FnOnce() -> T) -> (T, Vec<f64>) {
    BUFFER.with(|cell| *cell.borrow_mut() = Some(Vec::new()));
    let out = write();
    let buffer = BUFFER.with(|cell| cell.borrow_mut().take()).unwrap_or_default();
    (out, buffer)
}

/// Deserializes without values; returns what `read` gives and where the values of arrays are.
pub(crate) fn places<T>(read: impl FnOnce() -> T) -> (T, Vec<Place>) {
    READING.with(|cell| *cell.borrow_mut() = Some(Reading::Places(Vec::new())));
    let out = read();
    match READING.with(|cell| cell.borrow_mut().take()) {
        Some(Reading::Places(places)) => (out, places),
        _ => (out, Vec::new()),
    }
}

/// Deserializes; arrays take their values by their first place.
pub(crate) fn providing<T>(values: BTreeMap<u64, Vec<f64>>, read: impl FnOnce() -> T) -> T {
    READING.with(|cell| *cell.borrow_mut() = Some(Reading::Values(values)));
    let out = read();
    READING.with(|cell| cell.borrow_mut().take());
    out
}

struct Nested<'a> {
    shape: &'a [u32],
    values: &'a [f64],
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let n = self.shape.first().map_or(0, |&n| n as usize);
        let mut seq = serializer.serialize_seq(Some(n))?;
        if self.shape.len() <= 1 {
            for &value in self.values {
                seq.serialize_element(&value.is_finite().then_some(value))?;
            }
        } else {
            let step = self.values.len().checked_div(n).unwrap_or(0);
            for i in 0..n {
                seq.serialize_element(&Nested { shape: &self.shape[1..], values: &self.values[i * step..(i + 1) * step] })?;
            }
        }
        seq.end()
    }
}

impl Serialize for Array {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = BUFFER.with(|cell| {
            cell.borrow_mut().as_mut().map(|buffer| {
                let at = buffer.len();
                buffer.extend_from_slice(&self.values);
                at
            })
        });
        match at {
            Some(at) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("shape", &self.shape)?;
                map.serialize_entry("at", &(at as u64))?;
                map.end()
            }
            None => Nested { shape: &self.shape, values: &self.values }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArrayVisitor)
    }
}

struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Array;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a nested list of numbers or a reference into a binary buffer")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Array, A::Error> {
        let mut out = Array { shape: vec![0], values: Vec::new() };
        let mut inner: Option<Vec<u32>> = None;
        while let Some(item) = seq.next_element::<Item>()? {
            out.shape[0] += 1;
            let shape = match item {
                Item::Value(value) => {
                    out.values.push(value.unwrap_or(f64::NAN));
                    Vec::new()
                }
                Item::List(array) => {
                    out.values.extend_from_slice(&array.values);
                    array.shape
                }
            };
            if inner.get_or_insert_with(|| shape.clone()) != &shape {
                return Err(de::Error::custom("a nested list is ragged"));
            }
        }
        out.shape.extend(inner.unwrap_or_default());
        Ok(out)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Array, A::Error> {
        let (mut shape, mut at) = (None::<Vec<u32>>, None::<u64>);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "shape" => shape = Some(map.next_value()?),
                "at" => at = Some(map.next_value()?),
                other => return Err(de::Error::unknown_field(other, &["shape", "at"])),
            }
        }
        let shape = shape.ok_or_else(|| de::Error::missing_field("shape"))?;
        let at = at.ok_or_else(|| de::Error::missing_field("at"))?;
        let length = shape.iter().try_fold(1usize, |n, &k| n.checked_mul(k as usize));
        let length = length.ok_or_else(|| de::Error::custom("the size of an array overflows"))?;
        let values = READING.with(|cell| match &mut *cell.borrow_mut() {
            // No place of its own: the next array may begin there.
            Some(_) if length == 0 => Some(Vec::new()),
            Some(Reading::Places(places)) => {
                places.push((at, length));
                Some(Vec::new())
            }
            Some(Reading::Values(values)) => values.remove(&at).filter(|values| values.len() == length),
            None => None,
        });
        let values = values.ok_or_else(|| de::Error::custom("an array has no values in its envelope"))?;
        Ok(Array { shape, values })
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Item {
    Value(Option<f64>),
    List(Array),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_round_trip_with_null_for_nan() {
        let array = Array::matrix(2, 2, vec![0.5, f64::NAN, -1.0, 2.0]);
        let text = serde_json::to_string(&array).expect("serializes");
        assert_eq!(text, "[[0.5,null],[-1.0,2.0]]");
        let back: Array = serde_json::from_str(&text).expect("reads back");
        assert_eq!(back.shape, [2, 2]);
        assert!(back.values[1].is_nan(), "null reads back as NaN");
    }

    #[test]
    fn ragged_lists_are_refused() {
        assert!(serde_json::from_str::<Array>("[[1.0],[1.0,2.0]]").is_err(), "rows of different length");
    }
}
