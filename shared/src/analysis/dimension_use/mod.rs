//! Dimension use: how well targets are predicted from the first principal components of the features, by their number.

mod check;
mod nested;
#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::Context;
use super::dimensionality::pooling::{self, Pooling};
use super::dimensionality::{Generator, Pool};
use super::encoding::columns::{about_means, count, subtract, take_rows};
use super::encoding::regression::{self, Predicted, Regression};
use super::encoding::score::Scores;
use super::encoding::{self, Cv, Model, Split};
use crate::dataset::{Inputs, Shapes};
use crate::linalg::pca::Pca;
use crate::{Array, Error, Estimate};
pub use check::Checked;

/// Share of the best score that counts as having reached it.
const ENOUGH_FRAC: f64 = 0.95;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the features (n x p, or with more axes).
    pub features: String,
    /// Name of the targets (n x t), the same rows.
    pub targets: String,
    /// Name of the rows that the principal components are fitted on, with the axes of the features; without, the training rows of each split.
    pub reference: Option<String>,
    /// The estimator: `ols`, `ridge` or `pls`, the last with at most as many components as there are PCs.
    pub model: Model,
    /// How rows are split into training and test sets.
    pub cv: Cv,
    /// Numbers of components, each at least 1; larger ones than the data have are left out.
    pub num_pcs: Vec<u32>,
    /// How features with more than two axes (n x C x H x W) become a matrix.
    pub pool: Pool,
    /// Seed of the random projection of `pool: none`.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            features: String::new(),
            targets: String::new(),
            reference: None,
            model: Model::Ols,
            cv: Cv::default(),
            num_pcs: default_counts(),
            pool: Pool::Max,
            seed: 0,
        }
    }
}

/// `unique(floor(2048^(j / 20)))` for j = 0 to 20: 1, 2, 3, 4, 6, 9, 14, 21, 30, 45, 66, 97, 142, 207, 304, 445, 652, 955, 1398, 2048.
#[must_use]
pub fn default_counts() -> Vec<u32> {
    vec![1, 2, 3, 4, 6, 9, 14, 21, 30, 45, 66, 97, 142, 207, 304, 445, 652, 955, 1398, 2048]
}

/// What came out: entry i belongs to `num_pcs[i]` components.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the features.
    pub features: String,
    /// Name of the targets.
    pub targets: String,
    /// Features there are, after pooling.
    pub ambient_dim: u32,
    /// Numbers of components, ascending.
    pub num_pcs: Vec<u32>,
    /// Median over targets of the held-out Pearson r, mean over splits; `None` where undefined.
    pub scores: Vec<Option<f64>>,
    /// Standard error over splits; `None` for a single split.
    pub sems: Vec<Option<f64>>,
    /// Mean over targets of the held-out R2, mean over splits.
    pub r2: Vec<Option<f64>>,
    /// Standard error over splits.
    pub r2_sems: Vec<Option<f64>>,
    /// Median r of each split: numbers x splits (NaN where undefined).
    pub per_split_r: Array,
    /// Mean R2 of each split: numbers x splits.
    pub per_split_r2: Array,
    /// r of each target, mean over splits: numbers x t.
    pub per_target_r: Array,
    /// R2 of each target, mean over splits: numbers x t.
    pub per_target_r2: Array,
    /// Where r is best and where it is nearly so; `None` without a score above 0.
    pub reach: Option<Reach>,
    /// The same of R2.
    pub r2_reach: Option<Reach>,
}

/// How many components it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    /// The best score, above 0.
    pub best: f64,
    /// Fewest components that give it.
    pub best_num_pcs: u32,
    /// Fewest components that give at least 95 % of it.
    pub enough_num_pcs: u32,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let mut names = vec![self.features.clone(), self.targets.clone()];
        names.extend(self.reference.clone());
        names.extend(self.cv.input().map(Into::into));
        names
    }

    /// What the run will cost: a decomposition a split, and the fits that cannot share it.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let shape = shapes.0.get(&self.features).cloned().unwrap_or_default();
        let (n, width) = (shape.first().copied().unwrap_or(0), pooling::width(&shape, self.pool));
        let cost = |model: &Model, k: usize| {
            let mut shapes = shapes.clone();
            shapes.0.insert(self.features.clone(), vec![n, k]);
            let (features, targets, model, cv) = (self.features.clone(), self.targets.clone(), model.clone(), self.cv.clone());
            encoding::Spec { features, targets, model, cv, ..encoding::Spec::default() }.estimate(&shapes)
        };
        let counts: Vec<usize> = self.num_pcs.iter().map(|&k| k as usize).filter(|&k| k <= width).collect();
        // A singular value decomposition is about twice a least-squares fit.
        let whole = cost(&Model::Ols, width);
        let fits: f64 = match nested::applies(&self.model) && self.reference.is_none() {
            true => cost(&self.model, counts.last().copied().unwrap_or(0)).flops,
            false => counts.iter().map(|&k| cost(&self.model, k).flops).sum(),
        };
        let kept = 8.0 * count(counts.len()) * count(n) * shapes.of(&self.targets).1;
        Estimate { flops: 2.0 * whole.flops + fits, peak_bytes: whole.peak_bytes + kept }
    }
}

/// Encoding scores against the number of principal components.
///
/// # Definition
/// Principal components of the reference, or of the training rows of the split; for each number k the targets are regressed on the scores of
/// the first k by the model of the spec (`pls` with `min(components, k)` components) and predicted on the held-out rows. Score: median over
/// targets of Pearson r, mean over splits; beside it the mean over targets of R2. Numbers above the width or the rank that the fitted rows can
/// have are left out. `enough_num_pcs` is the smallest number that reaches 95 % of the best score.
///
/// # Shapes
/// features: (n, p), targets: (n, t), reference: (m, p) → K numbers of components, splits and t targets for each.
///
/// # Degenerate
/// Constant targets and predictions as in [`encoding::run`]. Where rows have a smaller rank than k the curve stays flat.
///
/// # Accuracy
/// f64 on the host: 1e-9 of the plain definition. Ridge by folds, ridge on a reference and PLS run as in [`encoding::run`].
///
/// # Cost
/// One singular value decomposition of the training rows a split serves least squares and ridge at all k: scores on the rows that the
/// components are fitted on are orthogonal, so that the coefficients of the first k do not change with k and predictions are prefix sums.
/// On a reference one QR serves least squares. Otherwise one fit for each k.
///
/// # Errors
/// Those of [`Spec::check`]; [`Error::Numerical`], [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024 (PC usage).
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    let (x, origin) = about_means(matrix(spec, "features", &spec.features, inputs, context).await?, "features", &spec.features)?;
    let (y, _) = about_means(checked.targets.to_mat(), "targets", &spec.targets)?;
    let mut curve = Curve::new(&checked, y.ncols());
    match &spec.reference {
        Some(name) => {
            let mut reference = matrix(spec, "reference", name, inputs, context).await?;
            subtract(&mut reference, &origin);
            let scores = Pca::fit(reference, checked.most())?.transform(x);
            on_reference(spec, &checked, &scores, &y, &mut curve, context).await?;
        }
        None => {
            for (i, split) in checked.splits.iter().enumerate() {
                context
                    .step(0.02 + 0.97 * count(i) / count(checked.splits.len()), &format!("split {} of {}", i + 1, checked.splits.len()))?;
                on_training_rows(spec, &checked, split, &x, &y, &mut curve, context).await?;
            }
        }
    }
    Ok(curve.finish(spec, &checked, context))
}

/// An input as a matrix, pooled where it has more axes.
async fn matrix(spec: &Spec, field: &str, name: &str, inputs: &Inputs, context: &Context<'_>) -> Result<Mat<f64>, Error> {
    let dataset = inputs.get(field, name)?;
    if dataset.shape().len() < 3 {
        return Ok(dataset.matrix()?.to_mat());
    }
    Pooling::new(spec.pool, Generator::Pcg64, spec.seed)?.apply(dataset, context.device, context.progress).await
}

/// Components of the training rows of the split.
async fn on_training_rows(
    spec: &Spec,
    checked: &Checked,
    split: &Split,
    x: &Mat<f64>,
    y: &Mat<f64>,
    curve: &mut Curve,
    context: &Context<'_>,
) -> Result<(), Error> {
    let (pca, unit) = Pca::fit_with_scores(take_rows(x, &split.train), checked.most())?;
    if nested::applies(&spec.model) {
        let degrees = count(split.train.len() - 1);
        let components = nested::Components {
            lengths: pca.variances.iter().map(|v| (v * degrees).sqrt()).collect(),
            held_out: pca.transform(take_rows(x, &split.test)),
            unit,
        };
        for (i, predicted) in components.predict(&spec.model, split, y, &checked.num_pcs, context.device).await?.into_iter().enumerate() {
            curve.add(i, split, y, &predicted);
        }
        return Ok(());
    }
    let scores = pca.transform(x.clone());
    for (i, &k) in checked.num_pcs.iter().enumerate() {
        let (model, first) = (at_most(&spec.model, k), first_columns(&scores, k));
        let fit = Regression::of_columns(&model, &first, y, split.train.len(), context.device).await?;
        curve.add(i, split, y, &fit.predict(&model, split).await?);
    }
    Ok(())
}

/// Components of other rows: scores of all rows are the same for all splits.
async fn on_reference(
    spec: &Spec,
    checked: &Checked,
    scores: &Mat<f64>,
    y: &Mat<f64>,
    curve: &mut Curve,
    context: &Context<'_>,
) -> Result<(), Error> {
    let (splits, n_counts) = (&checked.splits, checked.num_pcs.len());
    // Least squares on fewer components than training rows are prefixes of one factorization.
    let n_train = splits.iter().map(|s| s.train.len()).min().unwrap_or(0);
    let n_nested = if spec.model == Model::Ols { checked.num_pcs.iter().filter(|&&k| (k as usize) < n_train).count() } else { 0 };
    let mut n_shared = n_nested;
    for (i, split) in splits.iter().enumerate() {
        context.step(0.02 + 0.3 * count(i) / count(splits.len()), &format!("split {} of {}", i + 1, splits.len()))?;
        match nested::least_squares(scores, split, y, &checked.num_pcs[..n_shared], context.device).await? {
            Some(all) => all.into_iter().enumerate().for_each(|(k, predicted)| curve.add(k, split, y, &predicted)),
            None => {
                // Scores that depend on each other on the training rows: start again, one fit for each number.
                *curve = Curve::new(checked, y.ncols());
                n_shared = 0;
                break;
            }
        }
    }
    for (i, &k) in checked.num_pcs.iter().enumerate().skip(n_shared) {
        context.step(0.32 + 0.66 * count(i) / count(n_counts), &format!("{k} components"))?;
        let (model, first) = (at_most(&spec.model, k), first_columns(scores, k));
        let fit = Regression::of_columns(&model, &first, y, n_train, context.device).await?;
        for split in splits {
            curve.add(i, split, y, &fit.predict(&model, split).await?);
        }
    }
    Ok(())
}

/// The model for the first `k` components.
fn at_most(model: &Model, k: u32) -> Model {
    if let Model::Pls { components } = model { Model::Pls { components: (*components).min(k) } } else { model.clone() }
}

fn first_columns(x: &Mat<f64>, k: u32) -> Mat<f64> {
    if x.ncols() == 0 {
        // Rows without variance: a column of zeros predicts the training mean.
        return Mat::zeros(x.nrows(), 1);
    }
    x.subcols(0, x.ncols().min(k as usize)).to_owned()
}

/// Scores for each number of components.
#[derive(Debug)]
struct Curve {
    scores: Vec<Scores>,
    alpha: Vec<f64>,
}

impl Curve {
    fn new(checked: &Checked, n_targets: usize) -> Self {
        let n = checked.targets.n_samples();
        Self { scores: checked.num_pcs.iter().map(|_| Scores::new(n, n_targets, false)).collect(), alpha: Vec::new() }
    }

    fn add(&mut self, i: usize, split: &Split, y: &Mat<f64>, predicted: &Predicted) {
        self.scores[i].add(split, y, &predicted.values, &regression::training_means(y, split));
        self.alpha.extend(&predicted.alpha);
    }

    fn finish(self, spec: &Spec, checked: &Checked, context: &Context<'_>) -> Output {
        let (n_targets, n_splits, n_counts) = (checked.targets.n_features(), checked.splits.len(), self.scores.len());
        if let Some(last) = self.scores.last() {
            last.warn(checked.target_names.as_deref(), context);
        }
        regression::warn_of_edges(&spec.model, &self.alpha, n_targets, context);
        let (r, r2): (Vec<_>, Vec<_>) = self.scores.iter().map(|s| (s.split_r(), s.split_r2())).unzip();
        let summaries = |all: &[Vec<Option<f64>>]| -> (Vec<Option<f64>>, Vec<Option<f64>>) { all.iter().map(|v| summary(v)).unzip() };
        let flat = |all: Vec<Vec<Option<f64>>>| {
            Array::matrix(n_counts, n_splits, all.into_iter().flatten().map(|v| v.unwrap_or(f64::NAN)).collect())
        };
        let targets = |of: fn(&Scores) -> Vec<f64>| Array::matrix(n_counts, n_targets, self.scores.iter().flat_map(of).collect());
        let ((scores, sems), (r2_means, r2_sems)) = (summaries(&r), summaries(&r2));
        Output {
            features: spec.features.clone(),
            targets: spec.targets.clone(),
            ambient_dim: u32::try_from(checked.ambient_dim).unwrap_or(u32::MAX),
            reach: reach(&checked.num_pcs, &scores),
            r2_reach: reach(&checked.num_pcs, &r2_means),
            num_pcs: checked.num_pcs.clone(),
            scores,
            sems,
            r2: r2_means,
            r2_sems,
            per_split_r: flat(r),
            per_split_r2: flat(r2),
            per_target_r: targets(Scores::target_r),
            per_target_r2: targets(Scores::target_r2),
        }
    }
}

/// Mean and standard error of the splits that have a score.
fn summary(splits: &[Option<f64>]) -> (Option<f64>, Option<f64>) {
    let defined: Vec<f64> = splits.iter().copied().flatten().collect();
    let some = |v: f64| Some(v).filter(|v| v.is_finite());
    match defined.len() {
        0 => (None, None),
        1 => (some(defined[0]), None),
        _ => (some(crate::stats::mean(&defined)), some(crate::stats::sem(&defined))),
    }
}

fn reach(num_pcs: &[u32], scores: &[Option<f64>]) -> Option<Reach> {
    let best = scores.iter().copied().flatten().fold(0.0, f64::max);
    let first = |least: f64| num_pcs.iter().zip(scores).find(|(_, s)| s.is_some_and(|s| s >= least)).map(|(&k, _)| k);
    if best <= 0.0 {
        return None;
    }
    Some(Reach { best, best_num_pcs: first(best)?, enough_num_pcs: first(ENOUGH_FRAC * best)? })
}
