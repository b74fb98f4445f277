//! Probing: what can be read out of the layers of a network by linear models or by its best single unit.

mod behavior;
mod design;
mod estimate;
mod fold;
mod layer;
mod model;
mod multivariate;
mod output;
#[cfg(test)]
mod tests;
mod univariate;

use serde::{Deserialize, Serialize};

use self::behavior::Behavior;
use self::fold::Problem;
use self::layer::Activation;
pub use self::model::Models;
pub use self::output::{Flat, Layer, Output, Scores, flat};
use super::Context;
use super::encoding::Cv;
use super::encoding::cv::{self, Split};
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::progress::{Part, Progress as _};
use crate::stats::count;
use crate::{Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the activations, one for each layer, the same rows: n x units, or n x channels x rows x columns. At least one.
    pub layers: Vec<String>,
    /// The class of each row, which classifiers predict.
    pub labels: Labels,
    /// Name of the numbers that regressors predict: n, or n x behaviors. Empty for classifiers.
    pub targets: String,
    /// Which columns of the targets, by name (`column 1`, … where they have none); empty: all.
    pub columns: Vec<String>,
    /// What is fitted.
    pub estimator: Estimator,
    /// Weight of the losses of `logistic` (absent: 1) and `svc` (absent: 0.025), > 0.
    pub c: Option<f64>,
    /// Penalty of `ridge_classifier`, `ridge` and `lasso`, >= 0 (lasso > 0); absent: 1.
    pub alpha: Option<f64>,
    /// Principal components that a fit on all units sees, fitted on its training rows, at least 1; absent: the units as they are.
    pub pca: Option<u32>,
    /// All units at once or the best single one.
    pub map: Map,
    /// With `uv` and folds: choose the unit of each fold on its training rows.
    pub nested: bool,
    /// With `corr`: which unit is the best.
    pub rank: Rank,
    /// Over what the probe is repeated.
    pub iterate: Iterate,
    /// What regressors are scored by.
    pub score: Score,
    /// Folds, at least 2: stratified by the labels for classifiers, contiguous for regressors, not shuffled. Not used with `cv`.
    pub folds: u32,
    /// Other splits than these.
    pub cv: Option<Cv>,
    /// Also fit on all rows and keep the weights; not with `corr`.
    pub models: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            labels: Labels::default(),
            targets: String::new(),
            columns: Vec::new(),
            estimator: Estimator::default(),
            c: None,
            alpha: None,
            pca: Some(100),
            map: Map::default(),
            nested: false,
            rank: Rank::default(),
            iterate: Iterate::default(),
            score: Score::default(),
            folds: 10,
            cv: None,
            models: false,
        }
    }
}

/// A linear model with a free intercept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Multinomial logistic regression with an L2 penalty; two classes have one sigmoid.
    #[default]
    #[serde(alias = "lrc")]
    Logistic,
    /// One-against-one support vector machines with a hinge.
    Svc,
    /// Ridge regression of 1 (the class) and -1 (the others); the largest prediction is the class.
    RidgeClassifier,
    /// Ridge regression.
    Ridge,
    /// Minimum-norm least squares.
    #[serde(alias = "ols")]
    Glm,
    /// Least squares with an absolute penalty.
    Lasso,
    /// Correlation of single units over all rows; nothing is held out.
    Corr,
}

impl Estimator {
    /// Whether it predicts classes.
    #[must_use]
    pub fn is_classifier(self) -> bool {
        matches!(self, Self::Logistic | Self::Svc | Self::RidgeClassifier)
    }

    /// Its weight of the losses where the spec does not say.
    #[must_use]
    pub fn default_c(self) -> Option<f64> {
        match self {
            Self::Logistic => Some(1.0),
            Self::Svc => Some(0.025),
            Self::RidgeClassifier | Self::Ridge | Self::Glm | Self::Lasso | Self::Corr => None,
        }
    }

    /// Its penalty where the spec does not say.
    #[must_use]
    pub fn default_alpha(self) -> Option<f64> {
        matches!(self, Self::RidgeClassifier | Self::Ridge | Self::Lasso).then_some(1.0)
    }
}

/// What a model sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Map {
    /// All units.
    #[default]
    Mv,
    /// A single unit, the best one for each behavior.
    Uv,
}

/// Which correlation is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The largest absolute value.
    #[default]
    Abs,
    /// The largest value.
    Signed,
}

/// Over what a probe is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Iterate {
    /// Nothing: all units of the layer.
    #[default]
    None,
    /// Channels: the units are the positions of one.
    Channel,
    /// Positions: the units are the channels at one.
    #[serde(alias = "row_col")]
    Position,
}

/// What regressors are scored by on held-out rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// 1 - SSE / SST.
    #[default]
    R2,
    /// 1 - Var(error) / Var(target).
    ExplainedVariance,
    /// Pearson correlation of targets and predictions.
    Correlation,
}

/// What a run needs besides the spec.
struct Checked {
    behavior: Behavior,
    /// Rows.
    n: usize,
    /// Empty for correlations.
    splits: Vec<Split>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let mut names = self.layers.clone();
        names.push(if self.estimator.is_classifier() { self.labels.input.clone() } else { self.targets.clone() });
        if let Some(input) = self.cv.as_ref().and_then(Cv::input).filter(|_| self.estimator != Estimator::Corr) {
            names.push(input.into());
        }
        names
    }

    /// What the run will cost: fits by their usual number of steps.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        estimate::estimate(self, shapes)
    }

    /// Checks the spec against the inputs and splits the rows.
    fn check(&self, inputs: &Inputs) -> Result<Checked, Error> {
        let Some(first) = self.layers.first() else {
            return Err(Error::parameter("layers", "the list is empty; name the activations of at least one layer"));
        };
        if let Some(i) = (1..self.layers.len()).find(|&i| self.layers[..i].contains(&self.layers[i])) {
            return Err(Error::parameter("layers", format!("\"{}\" is named twice; name each layer once", self.layers[i])));
        }
        self.check_numbers()?;
        let n = Activation::open(inputs, first)?.n;
        for name in &self.layers[1..] {
            let other = Activation::open(inputs, name)?.n;
            if other != n {
                return Err(Error::RowMismatch { a: first.clone(), n_a: n as u64, b: name.clone(), n_b: other as u64 });
            }
        }
        let behavior = Behavior::read(self, inputs, first, n)?;
        if self.estimator == Estimator::Corr {
            if n < 2 {
                return Err(Error::input(&**first, format!("{n} row has no correlation; at least 2 are needed")));
            }
            return Ok(Checked { behavior, n, splits: Vec::new() });
        }
        let splits = cv::splits(&self.splits(), first, n, inputs).map_err(|error| {
            // The spec has a number of its own for the folds that it chooses.
            if let Error::Parameter { message, .. } = &error
                && self.cv.is_none()
                && error.field() == Some("cv.k")
            {
                return Error::parameter("folds", message.clone());
            }
            error
        })?;
        Ok(Checked { behavior, n, splits })
    }

    /// The splits that the spec means.
    fn splits(&self) -> Cv {
        match &self.cv {
            Some(cv) => cv.clone(),
            None if self.estimator.is_classifier() => Cv::StratifiedKfold { k: self.folds, labels: self.labels.clone() },
            None => Cv::Kfold { k: self.folds, shuffle: false, seed: 0 },
        }
    }

    fn check_numbers(&self) -> Result<(), Error> {
        let estimator = self.estimator;
        let refuse = |field: &str, message: String| Err(Error::parameter(field, message));
        match self.c {
            Some(c) if !(c > 0.0 && c.is_finite()) => return refuse("c", format!("{c} was given; a number above 0 is needed")),
            Some(_) if estimator.default_c().is_none() => {
                return refuse("c", "belongs to logistic and svc; leave it out or use alpha".into());
            }
            _ => {}
        }
        let least = if estimator == Estimator::Lasso { "above 0" } else { "of at least 0" };
        match self.alpha {
            Some(alpha) if !(alpha >= 0.0 && alpha.is_finite()) || (estimator == Estimator::Lasso && alpha == 0.0) => {
                return refuse("alpha", format!("{alpha} was given; a number {least} is needed"));
            }
            Some(_) if estimator.default_alpha().is_none() => {
                return refuse("alpha", "belongs to ridge_classifier, ridge and lasso; leave it out or use c".into());
            }
            _ => {}
        }
        if self.pca == Some(0) {
            return refuse("pca", "0 components were asked for; at least 1 is needed".into());
        }
        if estimator == Estimator::Corr && self.map == Map::Mv {
            return refuse("map", "a correlation is that of a single unit; choose uv, or another estimator".into());
        }
        if self.nested && (self.map == Map::Mv || estimator == Estimator::Corr) {
            return refuse(
                "nested",
                "there is no unit to choose on training rows; leave it out, or choose uv and an estimator with folds".into(),
            );
        }
        if self.models && estimator == Estimator::Corr {
            return refuse("models", "a correlation has no model; leave it out or choose another estimator".into());
        }
        Ok(())
    }

    fn problem<'a>(&self, behavior: &'a Behavior) -> Problem<'a> {
        let strength = self.c.or(self.alpha).or(self.estimator.default_c()).or(self.estimator.default_alpha()).unwrap_or(0.0);
        Problem { estimator: self.estimator, strength, pca: self.pca.map(|k| k as usize), score: self.score, behavior }
    }
}

/// How well behavior is read out of each layer, on held-out rows.
///
/// # Definition
/// In each split a model is fitted on the training rows and scored on the others. `mv`: on all units of an iteration, or on their first
/// `min(pca, training rows, units)` principal components, which are those of the training rows: centered, full decomposition, not scaled.
/// `uv`: on each unit alone; the best unit has the largest mean score over splits (NaN left out, the first of equals), and its scores are
/// reported. They are too high, because the same rows chose the unit: with `nested` each split takes the unit that scores best on its own
/// training rows, while `location` stays that of the mean.
/// `logistic`: [`logistic::fit`](crate::learn::logistic::fit). `svc`: [`hinge::fit`](crate::learn::hinge::fit) and a vote. `ridge`:
/// `|Y - XW|^2 + alpha |W|^2`. `glm`: [`ols::fit`](super::encoding::ols::fit). `lasso`: [`lasso::fit`](crate::learn::lasso::fit).
/// `corr`: Pearson correlation over all rows, no splits. Intercepts are free.
/// Classifiers are scored by their accuracy, the trace of the confusion matrix over its sum; regressors by [`Score`], per behavior.
/// Mean and standard error (ddof 1, divided by the root of the number of splits) are over splits with a defined score.
/// `models`: the same fits on all rows, given by weights of units. Classes are the sorted union of all labels. Chance is the share of the most frequent class.
///
/// # Shapes
/// layers: (n, p), or (n, channels, rows, columns) of which unit v has channel `v / (rows columns)`, row and column by C order → scores
/// (iterations, behaviors, splits): one iteration, one for each channel, or one for each position (rows x columns, C order).
///
/// # Degenerate
/// A class without training rows in a split is never predicted there; a single class there is an error. A target that is constant on held-out
/// rows, or a single held-out row, has no score. Constant units have no correlation; when no unit has a score, that is an error. Equal
/// predictions go to the first class.
///
/// # Accuracy
/// Fits to a gradient of 1e-8, a violation of 1e-8 or a relative gap of 1e-12, or a warning; least squares as they say. With more units than
/// rows all fits but the lasso of all units work on one Gram matrix of the layer, centered anew for each split: directions below some 1e-7 of the
/// largest singular value are lost, and on a GPU those below some 3e-3. Deterministic.
///
/// # Cost
/// `mv`: one Gram matrix (n^2 p) when p > n, and for each split a decomposition of side n or p and the fit on what is left, at most n
/// features. `uv`: regressors 6 n a unit, split and behavior; classifiers a fit for each unit and split. Memory: a Gram matrix, or the units of
/// a few iterations.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Input`], [`Error::Shape`], [`Error::RowMismatch`], [`Error::NonFinite`] for what does not fit, those of
/// [`cv::splits`] and [`Labels::classes`], [`Error::Numerical`] on overflow, [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// `dnnbrain` 1.0a (`DnnProbe`; its confusion matrices cover the classes of a split only); scikit-learn 1.x for estimators and splits.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let Checked { behavior, n, splits } = spec.check(inputs)?;
    let problem = spec.problem(&behavior);
    let mut layers = Vec::with_capacity(spec.layers.len());
    let n_layers = count(spec.layers.len());
    let mut n_undefined = 0;
    for (i, name) in spec.layers.iter().enumerate() {
        let progress = Part::new(context.progress, count(i) / n_layers, count(i + 1) / n_layers);
        progress.step(0.0, &format!("layer {name}"))?;
        let activation = Activation::open(inputs, name)?;
        let run = output::Run { spec, problem: &problem, splits: &splits, progress: &progress, context };
        let found = match spec.map {
            Map::Mv => multivariate::run(&run, &activation).await?,
            Map::Uv => univariate::run(&run, &activation)?,
        };
        n_undefined += found.scores.iter().filter(|v| v.is_nan()).count();
        let models = if spec.models { Some(model::fit(&run, &activation, &found.units)?) } else { None };
        layers.push(Layer { models, ..found.layer(&run, &activation) });
    }
    warn(spec, &layers, n_undefined, context);
    Ok(output::output(spec, &behavior, n, splits.len(), layers))
}

fn warn(spec: &Spec, layers: &[Layer], n_undefined: usize, context: &Context<'_>) {
    if spec.map == Map::Uv && !spec.nested {
        let message = if spec.estimator == Estimator::Corr {
            "the best of many units is reported, whose correlation is too high by that choice"
        } else {
            "the best unit was chosen by the held-out rows that its score is of, which makes the score too high; nested selection does not"
        };
        context.warn("optimistic", message);
    }
    let unfinished: u32 = layers.iter().map(|layer| layer.n_unfinished).sum();
    if unfinished > 0 {
        context.warn("not_converged", format!("{unfinished} fits stopped before they were exact; scale the features"));
    }
    if n_undefined > 0 {
        let message =
            format!("{n_undefined} scores are undefined (a constant target or prediction on held-out rows) and left out of means");
        context.warn("undefined_scores", message);
    }
}
