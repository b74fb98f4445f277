//! Representational dissimilarity matrices.
//!
//! Quadratic measures (correlation, cosine, Euclidean kinds, Mahalanobis, Gaussian, Poisson) are one contraction on the device;
//! the others are loops over pairs of rows on the host.

mod pairwise;
mod patterns;
mod precision;
mod quadratic;
#[cfg(test)]
pub(super) mod tests;

use serde::{Deserialize, Serialize};

use self::pairwise::Kind;
use self::patterns::Patterns;
pub(super) use self::precision::{asymmetric_entry, cholesky, nonzero_diagonal};
use super::Context;
use crate::dataset::{Inputs, Matrix, Shapes};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the input: rows = conditions, columns = channels.
    pub input: String,
    /// Dissimilarity measure.
    pub measure: Measure,
    /// Subtract each row's mean over channels first.
    pub remove_mean: bool,
    /// Divide `sqeuclidean` by the number of channels (rsatoolbox convention).
    pub normalize: bool,
    /// Width of `gaussian`, in units of the data; > 0.
    pub sigma: f64,
    /// Exponent of `minkowski`; >= 1.
    pub minkowski_p: f64,
    /// Prior rate of `poisson`; > 0.
    pub prior_lambda: f64,
    /// Weight of the prior of `poisson`; >= 0.
    pub prior_weight: f64,
    /// Name of the noise precision matrix (channels x channels, symmetric, positive definite) of `mahalanobis`.
    pub precision: Option<String>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            input: String::new(),
            measure: Measure::Correlation,
            remove_mean: false,
            normalize: true,
            sigma: 1.0,
            minkowski_p: 3.0,
            prior_lambda: 1.0,
            prior_weight: 0.1,
            precision: None,
        }
    }
}

/// Dissimilarity between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 - Pearson r over channels.
    #[default]
    Correlation,
    /// Euclidean distance.
    Euclidean,
    /// Squared Euclidean distance, by default per channel.
    Sqeuclidean,
    /// 1 - cosine.
    Cosine,
    /// Squared Mahalanobis distance per channel, with a given noise precision.
    Mahalanobis,
    /// Symmetrized Kullback-Leibler divergence of Poisson rates.
    Poisson,
    /// 1 - exp(-d^2 / (2 sigma^2)).
    Gaussian,
    /// Minkowski distance.
    Minkowski,
    /// Sum of absolute differences.
    Cityblock,
    /// Largest absolute difference.
    Chebyshev,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the input.
    pub input: String,
    /// The measure.
    pub measure: Measure,
    /// Number of conditions.
    pub n: u32,
    /// Dissimilarities, n x n, symmetric with a zero diagonal; NaN where undefined (constant rows).
    pub rdm: Array,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let precision = self.precision.iter().filter(|_| self.measure == Measure::Mahalanobis);
        std::iter::once(&self.input).chain(precision).cloned().collect()
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n, p) = shapes.of(&self.input);
        // Patterns, the contraction and the result.
        let bytes = 8.0 * (n * p + 2.0 * n * n);
        let pairs = n * n / 2.0;
        let (flops, extra) = match self.measure {
            Measure::Correlation | Measure::Cosine | Measure::Euclidean | Measure::Sqeuclidean | Measure::Gaussian => (n * n * p, 0.0),
            Measure::Mahalanobis => (n * n * p + 2.0 * n * p * p + p * p * p / 3.0, 8.0 * (n * p + 2.0 * p * p)),
            Measure::Poisson => (2.0 * n * n * p + 40.0 * n * p, 8.0 * n * p),
            Measure::Cityblock | Measure::Chebyshev => (3.0 * pairs * p, 0.0),
            // A power costs about 100 flops unless it is a small whole number.
            Measure::Minkowski => (pairs * p * if self.minkowski_p.fract() == 0.0 && self.minkowski_p <= 4.0 { 5.0 } else { 100.0 }, 0.0),
        };
        Estimate { flops: flops + 6.0 * n * p, peak_bytes: bytes + extra }
    }

    fn check(&self, inputs: &Inputs) -> Result<Checked, Error> {
        let positive = |field: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::parameter(field, format!("must be a positive number, got {value}"))),
        };
        match self.measure {
            Measure::Gaussian => positive("sigma", self.sigma)?,
            Measure::Minkowski if !(self.minkowski_p >= 1.0 && self.minkowski_p.is_finite()) => {
                return Err(Error::parameter("minkowski_p", format!("must be at least 1 and finite, got {}", self.minkowski_p)));
            }
            Measure::Poisson => {
                positive("prior_lambda", self.prior_lambda)?;
                if !(self.prior_weight >= 0.0 && self.prior_weight.is_finite()) {
                    return Err(Error::parameter("prior_weight", format!("must be 0 or a positive number, got {}", self.prior_weight)));
                }
            }
            Measure::Correlation
            | Measure::Euclidean
            | Measure::Sqeuclidean
            | Measure::Cosine
            | Measure::Mahalanobis
            | Measure::Minkowski
            | Measure::Cityblock
            | Measure::Chebyshev => {}
        }
        let matrix = inputs.matrix("input", &self.input)?;
        let (n, p) = (matrix.n_samples(), matrix.n_features());
        let shape = |expected: &str, got: String| Err(Error::Shape { what: self.input.clone(), expected: expected.into(), got });
        if n < 2 {
            return shape("at least 2 rows (conditions) for an RDM", format!("{n} row"));
        }
        if p < 2 && self.measure == Measure::Correlation {
            return shape("at least 2 columns (channels) for correlations between rows", format!("{p} column"));
        }
        let needed_bytes = 8 * (2 * n as u64 + p as u64).saturating_mul(n as u64);
        let limit_bytes = isize::MAX as u64;
        if needed_bytes > limit_bytes {
            // Reached in a browser, where memory ends at 2 GiB.
            return Err(Error::TooLarge { what: format!("an RDM of {n} rows"), needed_bytes, limit_bytes });
        }
        let precision = match (self.measure, &self.precision) {
            (Measure::Mahalanobis, Some(name)) => Some(inputs.matrix("precision", name)?),
            (Measure::Mahalanobis, None) => {
                let message = "mahalanobis needs a noise precision matrix (channels x channels); without one use sqeuclidean";
                return Err(Error::parameter("precision", message));
            }
            _ => None,
        };
        Ok(Checked { matrix, precision })
    }
}

/// Inputs that passed the checks.
struct Checked {
    matrix: Matrix,
    precision: Option<Matrix>,
}

/// Computes a representational dissimilarity matrix.
///
/// # Definition
/// `b_i` is row i with P channels, minus its mean over channels if `remove_mean`.
/// - `correlation`: 1 - Pearson r; `cosine`: 1 - cosine; both 0..2.
/// - `euclidean`: `|b_i - b_j|`; `sqeuclidean`: `|b_i - b_j|^2`, divided by P if `normalize`.
/// - `mahalanobis`: `(b_i - b_j)' W (b_i - b_j) / P` with the given precision W.
/// - `poisson`: `(1 / P) sum (m_i - m_j)(ln m_i - ln m_j)`, `m = (b + lambda w) / (1 + w)`: the sum of both Kullback-Leibler divergences.
/// - `gaussian`: `1 - exp(-|b_i - b_j|^2 / (2 sigma^2))`.
/// - `minkowski`: `(sum |b_i - b_j|^p)^(1/p)`; `cityblock`: p = 1; `chebyshev`: p = infinity.
///
/// # Shapes
/// (n conditions, P channels) → (n, n), symmetric, zero diagonal.
///
/// # Degenerate
/// Constant rows (`correlation`) and zero rows (`cosine`) have NaN rows and columns, zero diagonals, and a warning
/// `constant_rows` or `zero_rows`.
///
/// # Accuracy
/// On the CPU 1e-9 relative or better for every entry, also between near-duplicate rows: entries in which the contraction cancels are
/// recomputed from the rows. On a GPU 1e-4 relative by the same rule. `mahalanobis` adds the condition of W.
///
/// # Cost
/// O(n^2 P) time as one Gram, O(n P + n^2) memory.
///
/// # Errors
/// [`Error::Shape`] for fewer than 2 rows or a precision of the wrong size; [`Error::Parameter`] for parameters out of range and
/// negative rates; [`Error::Numerical`] when W is not positive definite or distances overflow; [`Error::Canceled`].
///
/// # Source
/// rsatoolbox 0.3.2 (names, division by P, Poisson prior); Nili et al. 2014, doi:10.1371/journal.pcbi.1003553.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    if spec.precision.is_some() && checked.precision.is_none() {
        context.warn("unused_parameter", "the precision matrix is only used by mahalanobis");
    }
    context.step(0.02, "preparing the patterns")?;
    let mut patterns = Patterns::new(&checked.matrix);
    let mut undefined = Vec::new();
    if spec.measure == Measure::Correlation {
        undefined = patterns.constant();
        warn_undefined(context, "constant_rows", "constant, so their correlations are", &undefined);
    }
    if spec.remove_mean || spec.measure == Measure::Correlation {
        patterns.remove_means();
    }
    if spec.measure == Measure::Cosine {
        undefined = patterns.zero();
        warn_undefined(context, "zero_rows", "zero, so their cosines are", &undefined);
    }
    let n = patterns.n();
    let mut rdm = dissimilarities(spec, patterns, checked.precision.as_ref(), context).await?;
    if let Some(at) = rdm.iter().position(|d| !d.is_finite()) {
        let message =
            format!("the dissimilarity of rows {} and {} is {}: the values are too large, rescale them", at / n + 1, at % n + 1, rdm[at]);
        return Err(Error::Numerical { what: format!("the RDM of {}", spec.input), message });
    }
    for &i in &undefined {
        for j in (0..n).filter(|&j| j != i) {
            rdm[i * n + j] = f64::NAN;
            rdm[j * n + i] = f64::NAN;
        }
    }
    let rdm = Array::matrix(n, n, rdm);
    Ok(Output { input: spec.input.clone(), measure: spec.measure, n: rdm.shape[0], rdm })
}

async fn dissimilarities(
    spec: &Spec,
    mut patterns: Patterns,
    precision: Option<&Matrix>,
    context: &Context<'_>,
) -> Result<Vec<f64>, Error> {
    let channels = crate::stats::count(patterns.channels());
    match spec.measure {
        Measure::Correlation | Measure::Cosine => {
            patterns.scale_to_unit();
            // |z_i - z_j|^2 / 2 = 1 - z_i'z_j for unit vectors.
            quadratic::squared_distances(patterns, |d| (0.5 * d).clamp(0.0, 2.0), context).await
        }
        Measure::Euclidean => quadratic::squared_distances(patterns, f64::sqrt, context).await,
        Measure::Sqeuclidean => {
            let divisor = if spec.normalize { channels } else { 1.0 };
            quadratic::squared_distances(patterns, |d| d / divisor, context).await
        }
        Measure::Gaussian => {
            let width = 2.0 * spec.sigma * spec.sigma;
            quadratic::squared_distances(patterns, |d| -(-d / width).exp_m1(), context).await
        }
        Measure::Mahalanobis => {
            if let Some(precision) = precision {
                patterns.center_channels();
                patterns.whiten(precision).await?;
            }
            quadratic::squared_distances(patterns, |d| d / channels, context).await
        }
        Measure::Poisson => {
            let (rates, logs) = patterns.into_rates(spec)?;
            quadratic::rate_divergences(rates, logs, |d| d / channels, context).await
        }
        Measure::Minkowski => pairwise::distances(&patterns, Kind::Minkowski(spec.minkowski_p), context),
        Measure::Cityblock => pairwise::distances(&patterns, Kind::Minkowski(1.0), context),
        Measure::Chebyshev => pairwise::distances(&patterns, Kind::Chebyshev, context),
    }
}

fn warn_undefined(context: &Context<'_>, code: &str, what: &str, rows: &[usize]) {
    const SHOWN: usize = 5;
    if rows.is_empty() {
        return;
    }
    let first = rows.iter().take(SHOWN).map(|i| (i + 1).to_string()).collect::<Vec<_>>().join(", ");
    let more = if rows.len() > SHOWN { ", …" } else { "" };
    let (noun, verb) = if rows.len() == 1 { ("row", "is") } else { ("rows", "are") };
    context.warn(code, format!("{} {noun} (counted from 1: {first}{more}) {verb} {what} undefined (NaN)", rows.len()));
}
