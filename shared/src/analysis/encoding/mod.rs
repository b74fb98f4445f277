//! Encoding models: predict targets (neurons, voxels) from features, scored on held-out rows.

use serde::{Deserialize, Serialize};

mod columns;
pub mod cv;
mod dominant;
mod estimate;
mod fit;
pub mod linear;
pub mod ols;
pub mod pls;
mod products;
mod ridge;
mod score;
mod selection;
#[cfg(test)]
mod tests;

use super::Context;
use crate::dataset::{Inputs, Matrix, Shapes};
use crate::{Array, Error, Estimate};
pub use cv::Split;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Selection {
    /// Largest leave-one-out R2.
    #[default]
    LeaveOneOut,
    /// Smallest generalized cross-validation score.
    Gcv,
    /// Largest mean R2 over contiguous folds.
    Kfold {
        /// Number of folds, at least 2.
        k: u32,
    },
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
        let mut names = vec![self.features.clone(), self.targets.clone()];
        if let Cv::Folds { input } = &self.cv {
            names.push(input.clone());
        }
        names
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        estimate::estimate(self, shapes)
    }

    /// Checks the spec against the inputs and makes the splits.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Shape`], [`Error::NonFinite`] and [`Error::RowMismatch`] for inputs that do not fit;
    /// [`Error::Parameter`] for fields of the spec out of range.
    pub fn check(&self, inputs: &Inputs) -> Result<Checked, Error> {
        let features = inputs.matrix("features", &self.features)?;
        let targets = inputs.matrix("targets", &self.targets)?;
        features.same_rows(&targets)?;
        let splits = cv::splits(&self.cv, features.n_samples(), inputs)?;
        let n_train = splits.iter().map(|split| split.train.len()).min().unwrap_or(0);
        self.model.check(n_train, features.n_features())?;
        let target_names = inputs.get("targets", &self.targets)?.column_names.clone();
        Ok(Checked { features, targets, target_names, splits })
    }
}

/// Inputs that fit the spec and each other.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Features, n x p.
    pub features: Matrix,
    /// Targets, n x t.
    pub targets: Matrix,
    /// Names of the targets, when their file has them.
    pub target_names: Option<Vec<String>>,
    /// The splits.
    pub splits: Vec<Split>,
}

impl Model {
    /// Checks the model against the smallest training set.
    fn check(&self, n_train: usize, p: usize) -> Result<(), Error> {
        match self {
            Self::Ols => Ok(()),
            Self::Ridge { alphas, selection } => {
                if alphas.is_empty() {
                    return Err(Error::parameter("model.alphas", "the list of penalties is empty; give at least one value >= 0"));
                }
                if let Some((i, alpha)) = alphas.iter().enumerate().find(|(_, a)| !(**a >= 0.0 && a.is_finite())) {
                    return Err(Error::parameter(
                        "model.alphas",
                        format!("value {} is {alpha}; penalties are finite and at least 0", i + 1),
                    ));
                }
                match selection {
                    Selection::Kfold { k } if alphas.len() > 1 => cv::check_folds("model.selection.k", *k, n_train).map(drop),
                    Selection::Kfold { .. } | Selection::LeaveOneOut | Selection::Gcv => Ok(()),
                }
            }
            Self::Pls { components } => {
                let most = n_train.min(p);
                if *components == 0 || *components as usize > most {
                    return Err(Error::parameter(
                        "model.components",
                        format!(
                            "{components} components were asked for; between 1 and {most} fit {n_train} training rows and {p} features"
                        ),
                    ));
                }
                Ok(())
            }
        }
    }
}

/// Fits and scores an encoding model on every split.
///
/// # Definition
/// Features and targets are centered by their training means, the model is fitted on the training rows and predicts the held-out ones.
/// `median_r` = mean over splits of the median over targets of Pearson r; `r2_uniform` = mean over splits of the mean over targets of
/// `R2 = 1 - SSE / SST`, SST about the mean of the held-out rows. Estimators: [`ols::fit`], [`pls::fit`], and ridge
/// `beta = (Xc'Xc + alpha)^-1 Xc'Yc`, the penalty of each target chosen on the training rows of the split.
///
/// # Shapes
/// features: (n, p), targets: (n, t) → t scores a split.
///
/// # Degenerate
/// Constant targets (on the held-out rows) and constant predictions have no r; they are left out of medians and means and named in a warning.
/// A split without any defined score has `None`. Features without variance predict the training mean.
///
/// # Accuracy
/// f64 on the CPU: 1e-9 for least squares and ridge, 1e-6 for PLS. On a GPU contractions carry a relative error of 1e-6; directions of
/// ridge below that are dropped, least squares decomposes on the host. Deterministic.
///
/// # Cost
/// Least squares: a QR or SVD a split. Ridge: the Gram matrices of all splits for the price of two, one eigendecomposition of side
/// `min(n, p)` a split. PLS: `4 n p` flops a component. Memory: a few copies of the inputs plus Gram matrices of the smaller side.
///
/// # Errors
/// Those of [`Spec::check`]; [`Error::Numerical`], [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Hoerl & Kennard 1970; leave-one-out and GCV as in Golub, Heath & Wahba 1979; score conventions of Brain-Score and scikit-learn.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    fit::run(spec, &checked, context).await
}
