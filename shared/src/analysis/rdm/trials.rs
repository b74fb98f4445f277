//! Rows as measurements of conditions in folds.

use faer::Mat;

use super::Spec;
use super::patterns::Patterns;
use crate::Error;
use crate::dataset::Inputs;
use crate::labels::Classes;
use crate::stats::count;

/// Which condition, and in which fold, each row measures.
#[derive(Debug)]
pub(super) struct Trials {
    pub(super) conditions: Classes,
    pub(super) folds: Option<Classes>,
}

impl Trials {
    /// `None` when every row is a condition of its own.
    pub(super) fn of(spec: &Spec, inputs: &Inputs, n_rows: usize) -> Result<Option<Self>, Error> {
        let Some(labels) = &spec.conditions else {
            if spec.measure.is_cross_validated() {
                let message = "cross-validated distances need repeated measurements; name the condition of each row";
                return Err(Error::parameter("conditions", message));
            }
            return Ok(None);
        };
        let conditions = labels.classes(inputs, &spec.input, n_rows)?;
        conditions.require(labels, 1)?;
        let folds = match (&spec.folds, spec.measure.is_cross_validated()) {
            (Some(labels), true) => {
                let folds = labels.classes(inputs, &spec.input, n_rows)?;
                folds.require(labels, 1)?;
                Some(folds)
            }
            (None, true) => Some(repetitions(&conditions, spec)?),
            (_, false) => None,
        };
        Ok(Some(Self { conditions, folds }))
    }

    /// Number of conditions.
    pub(super) fn n(&self) -> usize {
        self.conditions.names.len()
    }

    /// The mean pattern of each condition, channels x conditions.
    pub(super) fn means(&self, patterns: &Patterns) -> Mat<f64> {
        means(patterns, &self.conditions.codes, self.n(), |_| true)
    }

    /// The mean patterns of each fold.
    ///
    /// # Errors
    /// [`Error::Input`] that names a condition and a fold that it is missing from.
    pub(super) fn fold_means(&self, patterns: &Patterns, spec: &Spec) -> Result<Vec<Mat<f64>>, Error> {
        let Some(folds) = &self.folds else { return Ok(Vec::new()) };
        self.require_balance(folds, spec)?;
        let of = |fold: usize| means(patterns, &self.conditions.codes, self.n(), |row| folds.codes[row] == fold);
        Ok((0..folds.names.len()).map(of).collect())
    }

    /// The mean patterns of the rows outside each fold.
    pub(super) fn means_without(&self, patterns: &Patterns, fold: usize) -> Mat<f64> {
        let codes = self.folds.as_ref().map_or(&[][..], |folds| &folds.codes);
        means(patterns, &self.conditions.codes, self.n(), |row| codes[row] != fold)
    }

    fn require_balance(&self, folds: &Classes, spec: &Spec) -> Result<(), Error> {
        let mut seen = vec![false; self.n() * folds.names.len()];
        self.conditions.codes.iter().zip(&folds.codes).for_each(|(&c, &f)| seen[f * self.n() + c] = true);
        let Some(at) = seen.iter().position(|seen| !seen) else { return Ok(()) };
        let (fold, condition) = (&folds.names[at / self.n()], &self.conditions.names[at % self.n()]);
        let message = format!(
            "condition \"{condition}\" has no row in fold \"{fold}\"; use row_pairs for designs in which conditions are missing from folds"
        );
        Err(Error::input(&spec.input, message))
    }
}

fn means(patterns: &Patterns, codes: &[usize], n: usize, used: impl Fn(usize) -> bool) -> Mat<f64> {
    let p = patterns.channels();
    let mut out = Mat::<f64>::zeros(p, n);
    let mut sizes = vec![0.0; n];
    for (row, &code) in codes.iter().enumerate().filter(|(row, _)| used(*row)) {
        sizes[code] += 1.0;
        out.col_as_slice_mut(code).iter_mut().zip(patterns.row(row)).for_each(|(to, v)| *to += v);
    }
    for (code, size) in sizes.into_iter().enumerate() {
        out.col_as_slice_mut(code).iter_mut().for_each(|v| *v /= size);
    }
    out
}

/// The r-th row of each condition is in fold r.
fn repetitions(conditions: &Classes, spec: &Spec) -> Result<Classes, Error> {
    let mut seen = vec![0usize; conditions.names.len()];
    let codes: Vec<usize> = conditions
        .codes
        .iter()
        .map(|&code| {
            seen[code] += 1;
            seen[code] - 1
        })
        .collect();
    let (most, least) = (seen.iter().max().copied().unwrap_or(0), seen.iter().min().copied().unwrap_or(0));
    let name = |n: usize| seen.iter().position(|&s| s == n).map_or("", |at| conditions.names[at].as_str());
    if most != least {
        let message = format!(
            "condition \"{}\" has {least} rows and condition \"{}\" has {most}; without folds all need as many, name the fold of each row",
            name(least),
            name(most)
        );
        return Err(Error::input(&spec.input, message));
    }
    if most < 2 {
        let message = "every condition has a single row; cross-validated distances need at least 2 folds";
        return Err(Error::input(&spec.input, message));
    }
    Ok(Classes { names: (1..=most).map(|r| r.to_string()).collect(), codes })
}

/// The rows of a matrix that may have gaps: values with 0 for them, and 1 where there is a value, channels x rows.
pub(super) fn with_gaps(matrix: &[f64], n: usize, p: usize) -> (Mat<f64>, Mat<f64>) {
    let at = |i: usize, j: usize| matrix[i * p + j];
    let values = Mat::from_fn(p, n, |j, i| if at(i, j).is_nan() { 0.0 } else { at(i, j) });
    let present = Mat::from_fn(p, n, |j, i| if at(i, j).is_nan() { 0.0 } else { 1.0 });
    (values, present)
}

/// Condition covariance: how the means of conditions vary together over folds.
///
/// # Definition
/// With `U_f` the (whitened) means of fold f (K x P) and Ubar their mean: sum over f of `(U_f - Ubar)(U_f - Ubar)'` / ((M - 1) P).
pub(super) async fn condition_covariance(folds: &[Mat<f64>]) -> Result<Mat<f64>, Error> {
    let (p, k, m) = (folds[0].nrows(), folds[0].ncols(), folds.len());
    let mut mean = Mat::<f64>::zeros(p, k);
    folds.iter().for_each(|fold| mean += fold);
    mean /= faer::Scale(count(m));
    let mut out = Mat::<f64>::zeros(k, k);
    for fold in folds {
        let deviation = fold - &mean;
        out += crate::compute::Device::cpu().gram_columns(deviation.as_ref()).await?;
    }
    out /= faer::Scale(count(m - 1) * count(p));
    Ok(out)
}
