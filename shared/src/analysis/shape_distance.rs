//! Generalized shape distances between representations.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs (at least two), rows = the same samples in the same order.
    pub inputs: Vec<String>,
    /// Regularization between full whitening (0, CCA-like) and none (1, Procrustes).
    pub alpha: f64,
    /// Which distance.
    pub score: Score,
    /// Subtract column means.
    pub center_columns: bool,
    /// Append zero columns to the narrower input; otherwise different widths are an error.
    pub zero_pad: bool,
    /// Fraction of the rows (seeded random choice) that the alignment is fitted on; the rest gives held-out distances.
    pub train_fraction: Option<f64>,
    /// Seed of that choice.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self { inputs: Vec::new(), alpha: 1.0, score: Score::Angular, center_columns: true, zero_pad: true, train_fraction: None, seed: 0 }
    }
}

/// Distance after alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Angle between the aligned matrices, in radians.
    #[default]
    Angular,
    /// Frobenius norm of their difference.
    Euclidean,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the inputs.
    pub names: Vec<String>,
    /// Distances on the rows fitted on, K x K, symmetric, zero diagonal.
    pub distances: Array,
    /// Distances on the held-out rows, when there are any.
    pub test_distances: Option<Array>,
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
