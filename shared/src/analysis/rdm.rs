//! Representational dissimilarity matrices.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
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
    /// Name of the noise precision matrix (channels x channels) of `mahalanobis`.
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
        vec![self.input.clone()]
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, _shapes: &Shapes) -> Estimate {
        Estimate { flops: 0.0, peak_bytes: 0.0 }
    }
}

/// Runs the analysis.
///
/// # Errors
/// Always, until it is written.
pub async fn run(_spec: &Spec, _inputs: &Inputs, _context: &Context<'_>) -> Result<Output, Error> {
    Err(Error::internal("not written yet"))
}
