//! Eigenspectrum and effective dimensionality.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs; one spectrum each.
    pub inputs: Vec<String>,
    /// How inputs with more than two axes (n x C x H x W) become matrices.
    pub pool: Pool,
    /// What is centered before the spectrum.
    pub centering: Centering,
    /// Which power-law exponent.
    pub alpha: AlphaFit,
    /// Seed of the random projection of `pool: none`.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self { inputs: Vec::new(), pool: Pool::Avg, centering: Centering::Column, alpha: AlphaFit::Logspaced, seed: 0 }
    }
}

/// Reduction of n x C x H x W activations to a matrix. Two-dimensional inputs pass unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Mean over the trailing axes.
    #[default]
    Avg,
    /// Maximum over the trailing axes.
    Max,
    /// No pooling: flattened and projected to 1,024 values by a seeded Gaussian matrix.
    None,
    /// No pooling: flattened.
    Flatten,
}

/// What is subtracted (and divided) before the spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centering {
    /// Column means.
    #[default]
    Column,
    /// Nothing.
    None,
    /// Column means, then row means.
    Both,
    /// Column means, then division by column standard deviations (ddof 0).
    Z,
}

/// Definition of the power-law exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphaFit {
    /// Ordinary least squares at 50 log-spaced indices.
    #[default]
    Logspaced,
    /// All indices up to 95 % of the log range.
    TailCut,
    /// Indices 11 to min(500, N) weighted by 1/n.
    Range,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// One per input, in the order of the spec.
    pub spectra: Vec<Spectrum>,
}

/// The spectrum of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// Name of the input.
    pub input: String,
    /// Rows.
    pub n_samples: u32,
    /// Columns after pooling.
    pub n_features: u32,
    /// Participation ratio of the eigenvalues; `None` for zero total variance.
    pub effective_dimensionality: Option<f64>,
    /// Bias-corrected participation ratio (rows and columns); `None` for fewer than 4 samples or 2 features.
    pub effective_dimensionality_unbiased: Option<f64>,
    /// Smallest number of components with at least 80 % of the variance; `None` for zero total variance.
    pub variance_80_count: Option<u32>,
    /// Power-law exponent; `None` with fewer than 3 usable eigenvalues.
    pub power_law_alpha: Option<f64>,
    /// Intercept of the same fit, in the logarithm that the fit uses (log10 for `logspaced`, else natural).
    pub power_law_intercept: Option<f64>,
    /// Eigenvalues of the covariance (ddof 1), descending, min(n, p) of them.
    pub eigenvalues: Array,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.clone()
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
