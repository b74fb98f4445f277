//! Encoding models: predict targets (neurons, voxels) from features, scored on held-out rows.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the features (n x p).
    pub features: String,
    /// Name of the targets (n x t), the same rows.
    pub targets: String,
    /// The estimator.
    pub model: Model,
    /// How rows are split into training and test sets.
    pub cv: Cv,
    /// Return the held-out prediction of every row and target (mean over the splits that held it out).
    pub keep_predictions: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self { features: String::new(), targets: String::new(), model: Model::default(), cv: Cv::default(), keep_predictions: false }
    }
}

/// A linear estimator with an unpenalized intercept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Model {
    /// Minimum-norm least squares.
    Ols,
    /// Ridge regression; with several alphas each target chooses its own on the training rows.
    Ridge {
        /// Penalties to choose from, each >= 0.
        alphas: Vec<f64>,
        /// How alphas are chosen.
        #[serde(default)]
        selection: Selection,
    },
    /// Partial least squares (mode A, no scaling).
    Pls {
        /// Number of components, at least 1.
        components: u32,
    },
}

impl Default for Model {
    fn default() -> Self {
        Self::Ridge { alphas: default_alphas(), selection: Selection::default() }
    }
}

/// The default grid: 20 log-spaced values from 1e-2 to 1e7.
#[must_use]
pub fn default_alphas() -> Vec<f64> {
    (0..20u32).map(|i| 10f64.powf(-2.0 + 9.0 * f64::from(i) / 19.0)).collect()
}

/// How a ridge penalty is chosen per target on the training rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Selection {
    /// Largest leave-one-out R2.
    LeaveOneOut,
    /// Smallest generalized cross-validation score.
    Gcv,
    /// Largest mean R2 over contiguous folds.
    Kfold {
        /// Number of folds, at least 2.
        k: u32,
    },
}

impl Default for Selection {
    fn default() -> Self {
        Self::LeaveOneOut
    }
}

/// How rows are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Cv {
    /// Contiguous (or seeded, shuffled) folds; the first n mod k get one extra row.
    Kfold {
        /// Number of folds, at least 2.
        k: u32,
        /// Permute rows first (numpy's legacy generator, so that scripts can repeat it).
        #[serde(default)]
        shuffle: bool,
        /// Seed of the permutation.
        #[serde(default)]
        seed: u32,
    },
    /// Independent random splits.
    ShuffleSplit {
        /// Number of splits, at least 1.
        n_splits: u32,
        /// Fraction of the rows to train on, between 0 and 1.
        train_fraction: f64,
        /// Seed.
        #[serde(default)]
        seed: u32,
    },
    /// Folds given as an input: one integer per row, the fold that holds it out.
    Folds {
        /// Name of the input with one value per row.
        input: String,
    },
}

impl Default for Cv {
    fn default() -> Self {
        Self::Kfold { k: 10, shuffle: false, seed: 0 }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of features and targets.
    pub features: String,
    /// Name of the targets.
    pub targets: String,
    /// Median over targets of the held-out Pearson r, then mean over splits; `None` when undefined for all targets.
    pub median_r: Option<f64>,
    /// Mean over targets of the held-out Pearson r, then mean over splits.
    pub mean_r: Option<f64>,
    /// Uniform average over targets of the held-out R2, then mean over splits.
    pub r2_uniform: Option<f64>,
    /// Held-out Pearson r of each target, mean over splits (t values; NaN where undefined).
    pub per_target_r: Array,
    /// Held-out R2 of each target, mean over splits.
    pub per_target_r2: Array,
    /// One per split.
    pub per_split: Vec<SplitScore>,
    /// Penalty used, splits x targets; absent unless the model is ridge.
    pub alpha: Option<Array>,
    /// Held-out predictions, n x t (NaN for rows never held out); absent unless asked for.
    pub predictions: Option<Array>,
    /// The targets beside them, n x t.
    pub observed: Option<Array>,
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
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.features.clone(), self.targets.clone()]
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
