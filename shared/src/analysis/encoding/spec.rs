//! The spec: features, targets, estimator, splits.

use serde::{Deserialize, Serialize};

use super::estimate;
use crate::Estimate;
use crate::dataset::Shapes;
use crate::labels::Labels;

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
    /// Penalties of ridge are multiples of the mean eigenvalue `tr(Xc'Xc) / p` of the training rows.
    pub scaled_penalties: bool,
    /// Ridge with a single penalty also shrinks its intercept, as codes do that append a column of ones; the result then depends on the origin.
    pub penalize_intercept: bool,
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
    /// The single feature with the largest training correlation, chosen per target.
    BestUnit,
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

impl Model {
    /// Its name in specs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ols => "ols",
            Self::BestUnit => "best_unit",
            Self::Ridge { .. } => "ridge",
            Self::KernelRidge { .. } => "kernel_ridge",
            Self::BandedRidge { .. } => "banded_ridge",
            Self::Pls { .. } => "pls",
        }
    }
}

impl Cv {
    /// The input that the scheme reads: labels or folds.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        match self {
            Self::Folds { input } => Some(input),
            Self::StratifiedKfold { labels, .. } | Self::StratifiedShuffle { labels, .. } | Self::Group { labels, .. } => {
                Some(&labels.input)
            }
            Self::Kfold { .. } | Self::ShuffleSplit { .. } | Self::Contiguous { .. } => None,
        }
    }

    /// The same, to give it another name.
    pub fn input_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Folds { input } => Some(input),
            Self::StratifiedKfold { labels, .. } | Self::StratifiedShuffle { labels, .. } | Self::Group { labels, .. } => {
                Some(&mut labels.input)
            }
            Self::Kfold { .. } | Self::ShuffleSplit { .. } | Self::Contiguous { .. } => None,
        }
    }

    /// Where the scheme has one, its seed.
    pub fn seed_mut(&mut self) -> Option<&mut u32> {
        match self {
            Self::Kfold { seed, .. } | Self::ShuffleSplit { seed, .. } | Self::StratifiedShuffle { seed, .. } => Some(seed),
            Self::StratifiedKfold { .. } | Self::Group { .. } | Self::Contiguous { .. } | Self::Folds { .. } => None,
        }
    }
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let mut names = vec![self.features.clone(), self.targets.clone()];
        names.extend(self.cv.input().map(Into::into));
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
}
