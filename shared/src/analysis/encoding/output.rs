//! What comes out.

use serde::{Deserialize, Serialize};

use crate::Array;

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of features and targets.
    pub features: String,
    /// Name of the targets.
    pub targets: String,
    /// The final score by the convention of the spec; `None` when it is undefined or needs a ceiling that is not there.
    pub score: Option<f64>,
    /// Its error by the same convention; `None` where the convention has none or there is a single split.
    pub score_error: Option<f64>,
    /// Split-half ceiling of the targets: median over targets, mean over halvings. `None` without repetitions.
    pub ceiling: Option<f64>,
    /// `median_r / ceiling`; above 1 is kept. Beside the raw score, never instead.
    pub ceiled: Option<f64>,
    /// Ceiling of each target (NaN where undefined); absent without repetitions.
    pub per_target_ceiling: Option<Array>,
    /// Median over targets of the held-out Pearson r, then mean over splits; `None` when undefined for all targets.
    pub median_r: Option<f64>,
    /// Mean over targets of the held-out Pearson r, then mean over splits.
    pub mean_r: Option<f64>,
    /// Uniform average over targets of the held-out R2, then mean over splits.
    pub r2_uniform: Option<f64>,
    /// `1 - sum SSE / sum SST` over targets, mean over splits: targets that vary more count more.
    #[serde(default)]
    pub r2_weighted: Option<f64>,
    /// `1 - Var(y - yhat) / Var(y)`, mean over targets and splits: R2 that an offset does not change.
    #[serde(default)]
    pub explained_variance: Option<f64>,
    /// Median over targets of one Pearson r over the held-out rows of all splits together; not the mean over splits of `median_r`.
    #[serde(default)]
    pub pooled_r: Option<f64>,
    /// That r of each target (NaN where undefined).
    #[serde(default)]
    pub per_target_pooled_r: Option<Array>,
    /// Explained variance of each target, mean over splits (NaN where undefined).
    #[serde(default)]
    pub per_target_explained_variance: Option<Array>,
    /// Whether a target chose a penalty at an edge of the grid in a split.
    #[serde(default)]
    pub alpha_at_edge: bool,
    /// Held-out Pearson r of each target, mean over splits (t values; NaN where undefined).
    pub per_target_r: Array,
    /// Held-out R2 of each target, mean over splits.
    pub per_target_r2: Array,
    /// One per split.
    pub per_split: Vec<SplitScore>,
    /// Penalty used, splits x targets; absent unless the model has penalties.
    pub alpha: Option<Array>,
    /// What each feature space contributes; absent unless the model is banded ridge.
    pub bands: Option<Bands>,
    /// Held-out predictions, n x t (NaN for rows never held out); absent unless asked for.
    pub predictions: Option<Array>,
    /// The targets beside them, n x t.
    pub observed: Option<Array>,
}

/// Contributions of feature spaces, mean over splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bands {
    /// Names of the spaces.
    pub names: Vec<String>,
    /// Part of the explained variance, targets x spaces (NaN where undefined); a row adds up to the explained variance of the target.
    pub parts: Array,
    /// Weights chosen, targets x spaces; a row adds up to 1.
    pub weights: Array,
    /// Mean part over targets of each space; `None` where undefined for all.
    pub mean_parts: Vec<Option<f64>>,
    /// Mean weight over targets of each space.
    pub mean_weights: Vec<Option<f64>>,
}

/// Scores of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitScore {
    /// Training rows.
    pub n_train: u32,
    /// Held-out rows.
    pub n_test: u32,
    /// Median over targets of Pearson r.
    pub median_r: Option<f64>,
    /// Mean over targets of Pearson r.
    pub mean_r: Option<f64>,
    /// Uniform average of R2.
    pub r2_uniform: Option<f64>,
    /// R2 weighted by the variance of the targets.
    #[serde(default)]
    pub r2_weighted: Option<f64>,
    /// Uniform average of the explained variance.
    #[serde(default)]
    pub explained_variance: Option<f64>,
}
