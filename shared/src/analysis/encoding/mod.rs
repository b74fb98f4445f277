//! Encoding models: predict targets (neurons, voxels) from features, scored on held-out rows.

use serde::{Deserialize, Serialize};

mod banded;
mod ceiling;
mod columns;
mod convention;
pub mod cv;
mod dominant;
mod estimate;
mod fit;
mod kernel;
pub mod linear;
pub mod ols;
pub mod pls;
mod products;
mod ridge;
mod score;
mod selection;
mod stratified;
#[cfg(test)]
mod tests;

use super::Context;

use crate::dataset::{Inputs, Matrix, Shapes};
use crate::labels::Labels;
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
    /// Principal components of the features before the model.
    pub pca: Option<Components>,
    /// How rows are split into training and test sets.
    pub cv: Cv,
    /// Return the held-out prediction of every row and target (mean over the splits that held it out).
    pub keep_predictions: bool,
    /// Name of single repetitions of the targets (repetitions x n x t): they give the ceiling.
    pub repetitions: Option<String>,
    /// How the one final score is made of the scores of targets and splits.
    pub convention: Convention,
}

/// Principal components as a front end of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Components {
    /// How many at most, at least 1.
    pub components: u32,
    /// Name of the rows that they are fitted on, with the same columns as the features; without, the training rows of each split.
    #[serde(default)]
    pub reference: Option<String>,
}

/// How the final score and its error are made. Definitions stand with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// Median r over targets, mean over splits; standard error over splits.
    #[default]
    Raw,
    /// Square of the median r divided by the ceiling, with the sign of r.
    Elmoznino,
    /// Square of the median r, divided by the ceiling.
    Brainscore,
    /// Median over targets of the squared r divided by the ceiling of the target.
    BrainscoreNeuroid,
    /// Mean R2 over targets.
    Warping,
    /// Mean R2 over targets and folds, standard error over folds.
    Dnnbrain,
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
    /// Ridge regression on a kernel of the features; each target chooses its penalty as in `ridge`.
    KernelRidge {
        /// The kernel.
        #[serde(default)]
        kernel: Kernel,
        /// Penalties to choose from, each >= 0.
        alphas: Vec<f64>,
        /// How alphas are chosen.
        #[serde(default)]
        selection: Selection,
    },
    /// Ridge regression over several feature spaces; each target chooses the weights of the spaces and its penalty.
    BandedRidge {
        /// Names of the further feature spaces, the same rows.
        bands: Vec<String>,
        /// Penalties to choose from, each > 0.
        alphas: Vec<f64>,
        /// Mixtures to try, the vertices and the center included.
        candidates: u32,
        /// Contiguous inner folds that choose, at least 2.
        k: u32,
        /// Seed of the mixtures.
        #[serde(default)]
        seed: u64,
    },
    /// Partial least squares (mode A, no scaling).
    Pls {
        /// Number of components, at least 1.
        components: u32,
    },
}

/// A similarity of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kernel {
    /// x'y.
    Linear,
    /// exp(-gamma |x - y|^2).
    Rbf {
        /// Inverse squared width, > 0; absent: 1 / number of features.
        #[serde(default)]
        gamma: Option<f64>,
    },
    /// (gamma x'y + coef0)^degree.
    Polynomial {
        /// Degree, at least 1.
        degree: u32,
        /// Scale, > 0; absent: 1 / number of features.
        #[serde(default)]
        gamma: Option<f64>,
        /// Offset.
        #[serde(default)]
        coef0: f64,
    },
}

impl Default for Kernel {
    fn default() -> Self {
        Self::Rbf { gamma: None }
    }
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
    /// Folds that hold out about the same share of every class.
    StratifiedKfold {
        /// Number of folds, at least 2.
        k: u32,
        /// The class of each row.
        labels: Labels,
    },
    /// Random splits that hold out about the same share of every class.
    StratifiedShuffle {
        /// Number of splits, at least 1.
        n_splits: u32,
        /// Fraction of the rows to train on, between 0 and 1.
        train_fraction: f64,
        /// Seed.
        #[serde(default)]
        seed: u32,
        /// The class of each row.
        labels: Labels,
    },
    /// Folds that keep all rows of a group together.
    Group {
        /// Number of folds, at least 2; absent: one for each group.
        #[serde(default)]
        k: Option<u32>,
        /// The group of each row.
        labels: Labels,
    },
    /// One split in the order of the rows: the first to train on, then some for validation (not used here), the rest held out.
    Contiguous {
        /// Fraction of the rows to train on, above 0.
        train_fraction: f64,
        /// Fraction of the rows between, at least 0.
        validation_fraction: f64,
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
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let mut names = vec![self.features.clone(), self.targets.clone()];
        match &self.cv {
            Cv::Folds { input } => names.push(input.clone()),
            Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } => {
                names.push(labels.input.clone());
            }
            Cv::Kfold { .. } | Cv::ShuffleSplit { .. } | Cv::Contiguous { .. } => {}
        }
        if let Model::BandedRidge { bands, .. } = &self.model {
            names.extend(bands.iter().cloned());
        }
        names.extend(self.pca.iter().filter_map(|pca| pca.reference.clone()));
        names.extend(self.repetitions.clone());
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
        let splits = cv::splits(&self.cv, features.name(), features.n_samples(), inputs)?;
        let n_train = splits.iter().map(|split| split.train.len()).min().unwrap_or(0);
        let mut width = features.n_features();
        let mut reference = None;
        if let Some(pca) = &self.pca {
            if pca.components == 0 {
                return Err(Error::parameter("pca.components", "0 components were asked for; at least 1 is needed"));
            }
            if matches!(self.model, Model::BandedRidge { .. }) {
                return Err(Error::parameter(
                    "pca",
                    "banded ridge takes its feature spaces as they are; remove pca or choose another model",
                ));
            }
            reference = pca.reference.as_ref().map(|name| reference_rows(inputs, name, &features)).transpose()?;
            let rows = reference.as_ref().map_or(n_train, Matrix::n_samples);
            width = width.min(pca.components as usize).min(rows.saturating_sub(1));
        }
        self.model.check(n_train, width)?;
        let mut bands = Vec::new();
        if let Model::BandedRidge { bands: names, .. } = &self.model {
            for name in names {
                let band = inputs.matrix("model.bands", name)?;
                features.same_rows(&band)?;
                bands.push(band);
            }
        }
        let ceiling = match &self.repetitions {
            Some(name) => {
                Some(ceiling::split_half(inputs.get("repetitions", name)?, targets.n_samples(), targets.n_features(), CEILING_SEED)?)
            }
            None => None,
        };
        let target_names = inputs.get("targets", &self.targets)?.column_names.clone();
        Ok(Checked { features, targets, target_names, splits, reference, bands, ceiling })
    }
}

/// Seed of the random halves that make the ceiling.
const CEILING_SEED: u64 = 0;

fn reference_rows(inputs: &Inputs, name: &str, features: &Matrix) -> Result<Matrix, Error> {
    let reference = inputs.matrix("pca.reference", name)?;
    if reference.n_features() != features.n_features() || reference.n_samples() < 2 {
        return Err(Error::Shape {
            what: name.into(),
            expected: format!("at least 2 rows of {} columns as in {}", features.n_features(), features.name()),
            got: format!("{} x {}", reference.n_samples(), reference.n_features()),
        });
    }
    Ok(reference)
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
    /// Rows that the principal components are fitted on.
    pub reference: Option<Matrix>,
    /// Further feature spaces.
    pub bands: Vec<Matrix>,
    /// Reliability of the targets.
    ceiling: Option<ceiling::Ceiling>,
}

impl Model {
    /// Checks the model against the smallest training set.
    fn check(&self, n_train: usize, p: usize) -> Result<(), Error> {
        match self {
            Self::Ols => Ok(()),
            Self::Ridge { alphas, selection } => check_penalties(alphas, *selection, n_train),
            Self::KernelRidge { kernel, alphas, selection } => {
                kernel.check()?;
                check_penalties(alphas, *selection, n_train)
            }
            Self::BandedRidge { bands, alphas, candidates, k, .. } => {
                if bands.is_empty() {
                    return Err(Error::parameter("model.bands", "name at least one further feature space; for a single one use ridge"));
                }
                if alphas.contains(&0.0) {
                    return Err(Error::parameter("model.alphas", "0 is among the penalties; those of banded ridge are above 0"));
                }
                let fewest = bands.len() + 2;
                if (*candidates as usize) < fewest {
                    let message =
                        format!("{candidates} mixtures were asked for; {} feature spaces need at least {fewest}", bands.len() + 1);
                    return Err(Error::parameter("model.candidates", message));
                }
                cv::check_folds("model.k", *k, n_train)?;
                check_penalties(alphas, Selection::LeaveOneOut, n_train)
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

fn check_penalties(alphas: &[f64], selection: Selection, n_train: usize) -> Result<(), Error> {
    if alphas.is_empty() {
        return Err(Error::parameter("model.alphas", "the list of penalties is empty; give at least one value >= 0"));
    }
    if let Some((i, alpha)) = alphas.iter().enumerate().find(|(_, a)| !(**a >= 0.0 && a.is_finite())) {
        return Err(Error::parameter("model.alphas", format!("value {} is {alpha}; penalties are finite and at least 0", i + 1)));
    }
    match selection {
        Selection::Kfold { k } if alphas.len() > 1 => cv::check_folds("model.selection.k", k, n_train).map(drop),
        Selection::Kfold { .. } | Selection::LeaveOneOut | Selection::Gcv => Ok(()),
    }
}

impl Kernel {
    fn check(self) -> Result<(), Error> {
        let (gamma, degree) = match self {
            Self::Linear => (None, 1),
            Self::Rbf { gamma } => (gamma, 1),
            Self::Polynomial { degree, gamma, coef0 } => {
                if !coef0.is_finite() {
                    return Err(Error::parameter("model.kernel.coef0", format!("{coef0} is not a finite number")));
                }
                (gamma, degree)
            }
        };
        if let Some(gamma) = gamma.filter(|g| !(*g > 0.0 && g.is_finite())) {
            return Err(Error::parameter("model.kernel.gamma", format!("{gamma} is not a finite number above 0")));
        }
        if degree == 0 {
            return Err(Error::parameter("model.kernel.degree", "degree 0 makes all rows equal; give at least 1"));
        }
        Ok(())
    }
}

/// Fits and scores an encoding model on every split.
///
/// # Definition
/// Features and targets are centered by their training means, the model is fitted on the training rows and predicts the held-out ones.
/// `median_r` = mean over splits of the median over targets of Pearson r; `r2_uniform` = mean over splits of the mean over targets of
/// `R2 = 1 - SSE / SST`, SST about the mean of the held-out rows. Estimators: [`ols::fit`], [`pls::fit`], and ridge
/// `beta = (Xc'Xc + alpha)^-1 Xc'Yc`, the penalty of each target chosen on the training rows of the split; kernel ridge puts another
/// [`Kernel`] in the place of `Xc Xc'`, banded ridge a mixture `sum_b gamma_b X_b X_b'` chosen per target from the vertices and the center of
/// the simplex and Dirichlet draws. With `pca` the features are scores of principal components (means of the rows that those are fitted on).
/// The ceiling is the split-half consistency of the targets' repetitions (ten random halvings, Spearman-Brown).
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
/// Hoerl & Kennard 1970; Dupré la Tour et al. 2022 (banded ridge, himalaya); leave-one-out and GCV as in Golub, Heath & Wahba 1979; score conventions of Brain-Score and scikit-learn.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    fit::run(spec, &checked, context).await
}
