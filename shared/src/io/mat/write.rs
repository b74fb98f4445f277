//! MATLAB 5, written: little-endian, not compressed, values in MATLAB's order.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use ndarray::ArrayD;

use super::MATRIX;
use crate::dataset::Values;
use crate::{Dataset, Error};

/// Letters of a name.
const MAX_NAME: usize = 63;
/// Sizes of elements have 32 bits.
const MAX_BYTES: u64 = u32::MAX as u64;
/// Words that are no names of variables in MATLAB.
const KEYWORDS: [&str; 20] = [
    "break",
    "case",
    "catch",
    "classdef",
    "continue",
    "else",
    "elseif",
    "end",
    "for",
    "function",
    "global",
    "if",
    "otherwise",
    "parfor",
    "persistent",
    "return",
    "spmd",
    "switch",
    "try",
    "while",
];

/// Names that MATLAB takes for variables: other letters become underscores, `x` comes before what begins with none, and repeats are numbered.
pub(in crate::io) fn names<'a>(wanted: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<&str> = wanted.collect();
    // Names that are good stay as they are, whatever comes before them.
    let mut taken: BTreeSet<String> = wanted.iter().copied().filter(|name| changed(name) == *name).map(str::to_owned).collect();
    let mut seen = BTreeSet::new();
    let unique = |name: &str| {
        let base = changed(name);
        let is_own = base == name && seen.insert(base.clone());
        if is_own || taken.insert(base.clone()) {
            return base;
        }
        let numbered = |i: u32| {
            let end = format!("_{i}");
            format!("{}{end}", &base[..base.len().min(MAX_NAME - end.len())])
        };
        (2..).map(numbered).find(|name| taken.insert(name.clone())).unwrap_or(base)
    };
    wanted.iter().copied().map(unique).collect()
}

fn changed(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut out: String = name.chars().map(plain).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) || KEYWORDS.contains(&out.as_str()) {
        out.insert(0, 'x');
    }
    out.truncate(MAX_NAME);
    out
}

/// Every array of MATLAB, and every table, has at least two axes: a vector is a column, as rows are samples.
pub(in crate::io) fn shape(shape: &[u64]) -> Vec<u64> {
    let mut out = shape.to_vec();
    out.resize(out.len().max(2), 1);
    out
}

/// Writes arrays under names of [`names`].
///
/// # Errors
/// [`Error::TooLarge`] for arrays of 4 GB and axes of 2^31; [`Error::Input`] when `out` fails.
pub(in crate::io) fn write(arrays: &[(&str, &Dataset)], out: impl Write) -> Result<(), Error> {
    let parts = arrays.iter().map(|(name, array)| Part::of(name, array)).collect::<Result<Vec<_>, _>>()?;
    let mut out = BufWriter::new(out);
    let mut all = || -> io::Result<()> {
        let mut head = b"MATLAB 5.0 MAT-file, written by Eigenscope".to_vec();
        head.resize(116, b' ');
        head.extend([0; 8]);
        head.extend(b"\x00\x01IM");
        out.write_all(&head)?;
        parts.iter().try_for_each(|part| part.write(&mut out))?;
        out.flush()
    };
    all().map_err(|e| Error::input("output", format!("the file cannot be written: {e}")))
}

/// An array before it is written.
struct Part<'a> {
    array: &'a Dataset,
    /// Flags, sizes and name.
    head: Vec<u8>,
    value_bytes: u32,
    /// All of it behind its own tag.
    length: u32,
}

impl<'a> Part<'a> {
    fn of(name: &str, array: &'a Dataset) -> Result<Self, Error> {
        // Classes double and single, types double and single.
        let (width, class) = match &*array.values {
            Values::F64(_) => (8u64, 6u32),
            Values::F32(_) => (4, 7),
        };
        let bytes = (array.values.len() as u64).saturating_mul(width);
        let what = || format!("the array \"{name}\" in a file of MATLAB 5 (write .h5 instead)");
        let refuse = |needed_bytes| Error::TooLarge { what: what(), needed_bytes, limit_bytes: MAX_BYTES };
        let sizes = array.shape().iter().map(|&n| i32::try_from(n)).collect::<Result<Vec<_>, _>>().map_err(|_long| refuse(bytes))?;
        let mut sizes: Vec<u32> = sizes.into_iter().map(i32::cast_unsigned).collect();
        sizes.resize(sizes.len().max(2), 1);
        let mut head = Vec::new();
        element(&mut head, 6, &[class.to_le_bytes(), [0; 4]].concat());
        element(&mut head, 5, &sizes.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>());
        element(&mut head, 1, name.as_bytes());
        let length = head.len() as u64 + 8 + bytes.next_multiple_of(8);
        match (u32::try_from(bytes), u32::try_from(length)) {
            (Ok(value_bytes), Ok(length)) => Ok(Self { array, head, value_bytes, length }),
            _ => Err(refuse(length)),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let tag = |kind: u32, length: u32| [kind.to_le_bytes(), length.to_le_bytes()].concat();
        out.write_all(&tag(MATRIX, self.length))?;
        out.write_all(&self.head)?;
        match &*self.array.values {
            Values::F64(a) => {
                out.write_all(&tag(9, self.value_bytes))?;
                values(a, out, f64::to_le_bytes)?;
            }
            Values::F32(a) => {
                out.write_all(&tag(7, self.value_bytes))?;
                values(a, out, f32::to_le_bytes)?;
            }
        }
        let padding = (8 - self.value_bytes % 8) % 8;
        out.write_all(&[0; 8][..padding as usize])
    }
}

/// A tag, its bytes, and zeros up to a multiple of 8.
fn element(out: &mut Vec<u8>, kind: u32, bytes: &[u8]) {
    out.extend(kind.to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// The first axis runs fastest.
fn values<T: Copy, const N: usize>(array: &ArrayD<T>, out: &mut impl Write, bytes: fn(T) -> [u8; N]) -> io::Result<()> {
    array.t().iter().try_for_each(|&v| out.write_all(&bytes(v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_variables_of_matlab_and_stay_apart() {
        let of = |wanted: &[&str]| names(wanted.iter().copied());
        assert_eq!(of(&["X", "layer1.0/relu", "1a", "end", "größe", "", "_"]), ["X", "layer1_0_relu", "x1a", "xend", "gr__e", "x", "x_"]);
        assert_eq!(of(&["a.b", "a-b", "a_b", "a b"]), ["a_b_2", "a_b_3", "a_b", "a_b_4"], "a good name keeps its own");
        assert_eq!(of(&["a", "a"]), ["a", "a_2"]);
        let long = "n".repeat(70);
        let cut = of(&[&long, &format!("{long}!")]);
        assert_eq!((cut[0].len(), cut[1].len(), cut[1].ends_with("n_2")), (63, 63, true), "{cut:?}");
    }

    #[test]
    fn more_than_sizes_can_count_is_refused_before_it_is_written() {
        // Views of one value: nothing of this size is in memory.
        let huge = |n: usize| {
            let one = ArrayD::<f32>::zeros(ndarray::IxDyn(&[n, 0]));
            Dataset::from_f32("x", one)
        };
        let mut out = Vec::new();
        let error = write(&[("x", &huge(1 << 31))], &mut out).expect_err("an axis of 2^31");
        assert!(matches!(error, Error::TooLarge { .. }) && error.to_string().contains("write .h5 instead"), "{error}");
        assert!(out.is_empty(), "nothing was written");
    }
}
