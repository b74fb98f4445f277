//! Reads RDMs from inputs: square matrices, stacks of them, or vectors of pairs.

use std::ops::Range;

use ndarray::{ArrayD, ArrayView2, ArrayViewD, Ix2, ShapeError};

use super::Spec;
use crate::Error;
use crate::analysis::rdm::{asymmetric_entry, nonzero_diagonal};
use crate::dataset::{Dataset, Inputs, Values, shape_text};

/// One RDM: the strict upper triangle in row-major order, NaN where a pair is missing.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct Rdm {
    /// Name of the input, with `[i]` (from 0) for a stack.
    pub(in crate::analysis) name: String,
    /// Dissimilarities of the pairs (0, 1), (0, 2), …, (1, 2), …
    pub(in crate::analysis) pairs: Vec<f64>,
    /// Positions of missing pairs.
    pub(super) missing: Vec<usize>,
}

impl Rdm {
    /// An RDM from its pairs, NaN where missing.
    pub(in crate::analysis) fn new(name: String, pairs: Vec<f64>) -> Self {
        Self { name, missing: (0..pairs.len()).filter(|&at| pairs[at].is_nan()).collect(), pairs }
    }
}

/// Data and model RDMs over the same conditions.
#[derive(Debug)]
pub(super) struct Rdms {
    pub(super) n_conditions: usize,
    pub(super) data: Vec<Rdm>,
    pub(super) models: Vec<Rdm>,
    /// The RDMs of each model with parameters.
    pub(super) parts: Vec<Vec<Rdm>>,
}

impl Rdms {
    /// # Errors
    /// [`Error::Input`] and [`Error::Shape`] that name the input.
    pub(super) fn read(spec: &Spec, inputs: &Inputs) -> Result<Self, Error> {
        let mut seen: Option<(String, usize)> = None;
        let mut read = |field: &str, names: &[String]| read(inputs, field, names, &mut seen);
        let data = read("data", &spec.data)?;
        // Models with parameters can stand alone.
        let models = if spec.flexible.is_empty() || !spec.models.is_empty() { read("models", &spec.models)? } else { Vec::new() };
        let parts = spec.flexible.iter().map(|model| read("flexible", &model.rdms)).collect::<Result<_, _>>()?;
        Ok(Self { n_conditions: seen.map_or(0, |s| s.1), data, models, parts })
    }

    /// Models, the RDMs of models with parameters, data.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rdm> {
        self.models.iter().chain(self.parts.iter().flatten()).chain(&self.data)
    }

    /// Where the RDMs of each model with parameters are among all of them.
    pub(super) fn parts(&self) -> Vec<Range<usize>> {
        let mut start = self.models.len();
        self.parts
            .iter()
            .map(|part| {
                let own = start..start + part.len();
                start = own.end;
                own
            })
            .collect()
    }
}

/// The RDMs of some inputs. `seen` is the first input of all, with its number of conditions, which the others must have.
///
/// # Errors
/// [`Error::Input`] and [`Error::Shape`] that name the input.
pub(in crate::analysis) fn read(
    inputs: &Inputs,
    field: &str,
    names: &[String],
    seen: &mut Option<(String, usize)>,
) -> Result<Vec<Rdm>, Error> {
    if names.is_empty() {
        return Err(Error::parameter(field, "name at least one input with RDMs"));
    }
    let mut out = Vec::new();
    for name in names {
        let (k, stack) = rdms_of(inputs.get(field, name)?)?;
        match seen {
            Some((first, k_first)) if *k_first != k => {
                let message = format!("has {k} conditions but {first} has {k_first}; RDMs that are compared share their conditions");
                return Err(Error::input(name, message));
            }
            Some(_) => {}
            None => *seen = Some((name.clone(), k)),
        }
        let single = stack.len() == 1;
        let rdm = |(i, pairs)| Rdm::new(if single { name.clone() } else { format!("{name}[{i}]") }, pairs);
        out.extend(stack.into_iter().enumerate().map(rdm));
    }
    Ok(out)
}

/// Number of conditions of an RDM with `pairs` pairs.
pub(super) fn conditions_of(pairs: usize) -> Option<usize> {
    let k = (1 + 8 * pairs).isqrt().div_ceil(2);
    (k * (k - 1) / 2 == pairs && pairs > 0).then_some(k)
}

/// The RDMs of a dataset with their number of conditions, at least 3.
///
/// # Errors
/// [`Error::Input`] and [`Error::Shape`] that name the dataset.
pub(in crate::analysis) fn rdms_of(dataset: &Dataset) -> Result<(usize, Vec<Vec<f64>>), Error> {
    let (k, rdms) = match &*dataset.values {
        Values::F32(a) => stack_of(&dataset.name, a, f64::from),
        Values::F64(a) => stack_of(&dataset.name, a, |v| v),
    }?;
    if k < 3 {
        return Err(Error::input(&dataset.name, format!("has {k} conditions; an RDM that is compared needs at least 3")));
    }
    Ok((k, rdms))
}

fn stack_of<T: Copy>(name: &str, values: &ArrayD<T>, wide: impl Fn(T) -> f64 + Copy) -> Result<(usize, Vec<Vec<f64>>), Error> {
    if let Some((at, value)) = values.iter().map(|&v| wide(v)).enumerate().find(|(_, v)| v.is_infinite()) {
        return Err(Error::input(name, format!("value {} (in C order, counted from 1) is {value}; write NaN for a missing pair", at + 1)));
    }
    let shape = values.shape().to_vec();
    let wrong = || Error::Shape {
        what: name.into(),
        expected: "RDMs as K x K (symmetric, zero diagonal), R x K x K, or R x K(K-1)/2 for K conditions".into(),
        got: shape_text(&shape),
    };
    let copy = |row: ArrayViewD<'_, T>| row.iter().map(|&v| wide(v)).collect::<Vec<_>>();
    match *shape.as_slice() {
        [] | [0, ..] | [_, 0, ..] => Err(wrong()),
        [m] => Ok((conditions_of(m).ok_or_else(wrong)?, vec![copy(values.view())])),
        [r, m] => {
            let rows = plane(values.view()).map_err(|_e| wrong())?;
            let at = |i: usize, j: usize| wide(rows[(i, j)]);
            // A single number is one pair.
            if r == m && m > 1 && is_rdm(name, m, at)? {
                return Ok((m, vec![upper_triangle(m, at)]));
            }
            Ok((conditions_of(m).ok_or_else(wrong)?, values.outer_iter().map(copy).collect()))
        }
        [_, k, width] if k == width => {
            let one = |(r, rdm): (usize, ArrayViewD<'_, T>)| {
                let rdm = plane(rdm).map_err(|_e| wrong())?;
                let at = |i: usize, j: usize| wide(rdm[(i, j)]);
                refuse_asymmetric(&format!("RDM {} of the stack: ", r + 1), name, k, at)?;
                Ok(upper_triangle(k, at))
            };
            Ok((k, values.outer_iter().enumerate().map(one).collect::<Result<_, Error>>()?))
        }
        _ => Err(wrong()),
    }
}

fn plane<T>(view: ArrayViewD<'_, T>) -> Result<ArrayView2<'_, T>, ShapeError> {
    view.into_dimensionality::<Ix2>()
}

/// Whether a square matrix is one RDM; otherwise its rows may be vectors of pairs.
fn is_rdm(name: &str, k: usize, at: impl Fn(usize, usize) -> f64 + Copy) -> Result<bool, Error> {
    let vectors = conditions_of(k).is_some() && asymmetric_entry(k, at).is_some() && nonzero_diagonal(k, at).is_some();
    if vectors {
        return Ok(false);
    }
    refuse_asymmetric("", name, k, at)?;
    Ok(true)
}

fn refuse_asymmetric(place: &str, name: &str, k: usize, at: impl Fn(usize, usize) -> f64 + Copy) -> Result<(), Error> {
    if let Some(i) = nonzero_diagonal(k, at) {
        let message = format!(
            "{place}the diagonal of an RDM must be zero, but entry ({0}, {0}) is {1} (counted from 1); is it a similarity matrix?",
            i + 1,
            at(i, i)
        );
        return Err(Error::input(name, message));
    }
    if let Some((i, j)) = asymmetric_entry(k, at) {
        let message = format!(
            "{place}an RDM must be symmetric, but entry ({0}, {1}) is {2} and entry ({1}, {0}) is {3} (counted from 1)",
            i + 1,
            j + 1,
            at(i, j),
            at(j, i)
        );
        return Err(Error::input(name, message));
    }
    Ok(())
}

fn upper_triangle(k: usize, at: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut out = Vec::with_capacity(k * (k - 1) / 2);
    for i in 0..k {
        out.extend((i + 1..k).map(|j| at(i, j)));
    }
    out
}
