//! Comparison of data RDMs with model RDMs.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of inputs with data RDMs: K x K, R x K x K, or R x K(K-1)/2 each; all are stacked.
    pub data: Vec<String>,
    /// Names of inputs with model RDMs, likewise.
    pub models: Vec<String>,
    /// How two RDMs are compared.
    pub compare: Compare,
    /// Name of the covariance of the conditions (K x K) for the whitened measures; identity if absent.
    pub sigma_k: Option<String>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { data: Vec::new(), models: Vec::new(), compare: Compare::Corr, sigma_k: None }
    }
}

/// Similarity of two RDM vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compare {
    /// Cosine.
    #[serde(rename = "cosine")]
    Cosine,
    /// Pearson correlation.
    #[default]
    #[serde(rename = "corr")]
    Corr,
    /// Spearman correlation.
    #[serde(rename = "spearman")]
    Spearman,
    /// Expected Spearman correlation under random tie breaking.
    #[serde(rename = "rho-a")]
    RhoA,
    /// Kendall's tau-a.
    #[serde(rename = "tau-a")]
    TauA,
    /// Kendall's tau-b.
    #[serde(rename = "tau-b")]
    TauB,
    /// Whitened cosine.
    #[serde(rename = "cosine_cov")]
    CosineCov,
    /// Whitened Pearson correlation.
    #[serde(rename = "corr_cov")]
    CorrCov,
    /// Normalized Bures similarity of the centered Gram matrices.
    #[serde(rename = "bures")]
    Bures,
    /// Bures distance of the centered Gram matrices.
    #[serde(rename = "bures_metric")]
    BuresMetric,
    /// Negative Riemannian distance of second moments.
    #[serde(rename = "neg_riem_dist")]
    NegRiemDist,
    /// Euclidean distance.
    #[serde(rename = "euclidean")]
    Euclidean,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The measure.
    pub compare: Compare,
    /// Number of conditions.
    pub n_conditions: u32,
    /// Number of data RDMs.
    pub n_data: u32,
    /// One per model RDM.
    pub models: Vec<ModelScore>,
    /// Lower and upper noise ceiling; absent for a single data RDM and for distances.
    pub noise_ceiling: Option<[f64; 2]>,
    /// Whether the ceiling is a bound or a heuristic (tau, bures).
    pub noise_ceiling_is_heuristic: bool,
    /// Scores, models x data RDMs.
    pub scores: Array,
    /// Names of the data RDMs.
    pub data_names: Vec<String>,
}

/// The score of one model over all data RDMs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelScore {
    /// Name of the model RDM.
    pub name: String,
    /// Mean over data RDMs; `None` when undefined for all.
    pub mean: Option<f64>,
    /// Standard error over data RDMs (ddof 1); `None` for a single one.
    pub sem: Option<f64>,
    /// One-sided t-test against zero over data RDMs; `None` for a single one.
    pub p_vs_0: Option<f64>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.data.iter().chain(&self.models).cloned().collect()
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
