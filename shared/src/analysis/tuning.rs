//! Tuning curves: the mean response of each unit to each stimulus value.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::stats::{count, sem, small};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the responses: rows = trials, columns = units.
    pub input: String,
    /// The stimulus value of each row, a number.
    pub stimuli: Labels,
    /// After how much the stimulus repeats itself, in its units (180 for orientations in degrees); absent for stimuli along a line.
    pub period: Option<f64>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { input: String::new(), stimuli: Labels::default(), period: Some(180.0) }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the responses.
    pub input: String,
    /// Number of units.
    pub n_units: u32,
    /// Distinct stimulus values, ascending.
    pub values: Vec<f64>,
    /// Rows of each value.
    pub n_trials: Vec<u32>,
    /// Mean responses, units x values.
    pub means: Array,
    /// Standard errors over rows (ddof 1), units x values; NaN for a single row.
    pub sems: Array,
    /// Preferred value of each unit, NaN where undefined; absent without a period.
    pub preferred: Option<Array>,
    /// Selectivity of each unit from 0 to 1, NaN where undefined; absent without a period.
    pub selectivity: Option<Array>,
    /// The period.
    pub period: Option<f64>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.input.clone(), self.stimuli.input.clone()]
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n, p) = shapes.of(&self.input);
        Estimate { flops: 10.0 * n * p, peak_bytes: 8.0 * 2.0 * n * p }
    }
}

/// Tuning curves and their circular summaries.
///
/// # Definition
/// With r(v) the mean response to value v and theta = 2 pi v / period: `preferred` = period / (2 pi) times the angle of
/// `sum r(v) exp(i theta)`, from -period / 2 to period / 2; `selectivity` = `|sum r(v) exp(i theta)| / sum r(v)`. For orientations in degrees
/// (period 180) these are half the angle of `sum r exp(2 i theta)` and the orientation selectivity index.
///
/// # Shapes
/// (n trials, P units) with n stimulus values, V of them distinct → (P, V) means and standard errors, P preferred values.
///
/// # Degenerate
/// Units with a negative mean response, or none at all, have no circular summary (NaN, warning `no_preference`). A value with a single
/// row has no standard error. Values that are a whole period apart (-90 and 90 degrees) are the same stimulus shown twice and both count.
///
/// # Accuracy
/// 1e-12; deterministic.
///
/// # Cost
/// O(n P).
///
/// # Errors
/// [`Error::Input`] for stimulus values that are not numbers or missing; those of the responses; [`Error::Parameter`] for a period that
/// is not positive.
///
/// # Source
/// Neuromatch Academy W1D5 (tuning curves); Ringach et al. 2002 (circular variance = 1 - selectivity).
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    if let Some(period) = spec.period.filter(|p| !(*p > 0.0 && p.is_finite())) {
        return Err(Error::parameter("period", format!("must be a positive number, got {period}")));
    }
    let matrix = inputs.matrix("input", &spec.input)?;
    let classes = spec.stimuli.classes(inputs, &spec.input, matrix.n_samples())?;
    let mut values: Vec<(f64, usize)> = Vec::with_capacity(classes.names.len());
    for (code, name) in classes.names.iter().enumerate() {
        let value = name.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        let Some(value) = value else {
            return Err(Error::input(&*spec.stimuli.input, format!("the stimulus value \"{name}\" is not a number")));
        };
        values.push((value, code));
    }
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows = classes.rows();
    let x = matrix.to_mat();
    let p = matrix.n_features();
    context.step(0.3, "averaging responses")?;
    let curves = crate::parallel::map(p, |unit| {
        let column = x.col_as_slice(unit);
        let of = |(_, code): &(f64, usize)| {
            let responses: Vec<f64> = rows[*code].iter().map(|&row| column[row]).collect();
            (crate::stats::mean(&responses), sem(&responses))
        };
        values.iter().map(of).collect::<Vec<_>>()
    });
    let table = |look: fn(&(f64, f64)) -> f64| Array::matrix(p, values.len(), curves.iter().flatten().map(look).collect());
    let means = table(|c| c.0);
    let summaries = spec.period.map(|period| {
        let one = |unit: usize| circular(means.row(unit), &values, period);
        (0..p).map(one).collect::<Vec<_>>()
    });
    if let Some(summaries) = &summaries {
        let none = summaries.iter().filter(|s| s.1.is_nan()).count();
        if none > 0 {
            context.warn("no_preference", format!("{none} of {p} units have negative or no mean responses and no preferred value"));
        }
    }
    Ok(Output {
        input: spec.input.clone(),
        n_units: small(p),
        n_trials: values.iter().map(|(_, code)| small(rows[*code].len())).collect(),
        sems: table(|c| c.1),
        means,
        preferred: summaries.as_ref().map(|s| Array::vector(s.iter().map(|s| s.0).collect())),
        selectivity: summaries.map(|s| Array::vector(s.iter().map(|s| s.1).collect())),
        values: values.into_iter().map(|v| v.0).collect(),
        period: spec.period,
    })
}

/// Preferred value and selectivity of a curve; NaN where they are undefined.
fn circular(means: &[f64], values: &[(f64, usize)], period: f64) -> (f64, f64) {
    let total: f64 = means.iter().sum();
    if means.iter().any(|m| *m < 0.0) || total <= 0.0 {
        return (f64::NAN, f64::NAN);
    }
    let turn = std::f64::consts::TAU / period;
    let part = |of: fn(f64) -> f64| means.iter().zip(values).map(|(m, (v, _))| m * of(turn * v)).sum::<f64>();
    let (real, imaginary) = (part(f64::cos), part(f64::sin));
    let length = real.hypot(imaginary);
    // A flat curve has no direction but rounding.
    let preferred = if length > 1e-12 * total * count(means.len()) { imaginary.atan2(real) / turn } else { f64::NAN };
    (preferred, (length / total).min(1.0))
}
