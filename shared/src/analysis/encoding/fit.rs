//! Split by split: fit, predict, score.

use std::ops::Range;

use faer::Mat;

use super::banded::Bands;
use super::columns::{about_means, count, means, subtract, take_centered, take_rows};
use super::products::{Products, Rows};
use super::ridge::{self, System};
use super::score::{self, Scores};
use super::selection::{self, Training};
use super::{Checked, Model, Output, Selection, Spec, Split, best_unit, intercept, kernel, ols, pls};
use crate::analysis::Context;
use crate::compute::on_cpu;
use crate::linalg::pca::Pca;
use crate::{Array, Error, parallel};

/// Fits the targets of some blocks, one block after the other, and gives their means too.
pub(super) async fn fit(
    spec: &Spec,
    checked: &Checked<'_>,
    context: &Context<'_>,
    blocks: &[Range<usize>],
) -> Result<(Fitted, Vec<f64>), Error> {
    // Sums about the means of all rows keep their digits; each split centers by its own training means.
    let (mut x, x_origin) = origin(spec, checked.features.to_mat(), "features", &spec.features)?;
    let run = Run { spec, checked, context, n_steps: blocks.len() * checked.splits.len() };
    let (mut fitted, mut origin) = (Vec::new(), Vec::new());
    match (&spec.pca, &checked.reference) {
        // Components of each split: fitted once, so that splits come first and blocks of targets second.
        (Some(pca), None) => {
            for (i, split) in checked.splits.iter().enumerate() {
                let scores = Pca::fit(take_rows(&x, &split.train), pca.components as usize)?.transform(x.clone());
                for (b, block) in blocks.iter().enumerate() {
                    let (y, means) = run.targets(block)?;
                    if i == 0 {
                        fitted.push(run.fitted(&y));
                        origin.extend(means);
                    }
                    let data = Rows { x: &scores, y: &y, device: context.device };
                    run.add_splits(&mut fitted[b], std::slice::from_ref(split), &data, &[], i * blocks.len() + b).await?;
                }
            }
        }
        (pca, reference) => {
            let mut x_origin = x_origin;
            if let (Some(pca), Some(reference)) = (pca, reference) {
                let mut reference = reference.to_mat();
                subtract(&mut reference, &x_origin);
                x = Pca::fit(reference, pca.components as usize)?.transform(x);
                x_origin.clear();
            }
            for (b, block) in blocks.iter().enumerate() {
                let (y, means) = run.targets(block)?;
                let mut of_block = run.fitted(&y);
                let data = Rows { x: &x, y: &y, device: context.device };
                run.add_splits(&mut of_block, &checked.splits, &data, &x_origin, b * checked.splits.len()).await?;
                fitted.push(of_block);
                origin.extend(means);
            }
        }
    }
    Ok((fitted.into_iter().reduce(Fitted::append).unwrap_or_default(), origin))
}

/// A matrix about its means, and these; as it is, about zeros, when the intercept is penalized and so the origin counts.
fn origin(spec: &Spec, x: Mat<f64>, field: &str, name: &str) -> Result<(Mat<f64>, Vec<f64>), Error> {
    let zeros = vec![0.0; x.ncols()];
    if spec.penalize_intercept { Ok((x, zeros)) } else { about_means(x, field, name) }
}

/// The output of what was fitted, with warnings. `origin` are the means of the targets.
pub(super) fn finish(fitted: Fitted, spec: &Spec, checked: &Checked<'_>, origin: &[f64], context: &Context<'_>) -> Result<Output, Error> {
    let output = fitted.finish(spec, checked, origin, context);
    let observed =
        if spec.keep_predictions { Some(Array::from_mat(checked.targets.rows(0..checked.targets.n_samples())?.as_ref())) } else { None };
    Ok(Output { observed, ..output })
}

/// Values of the targets that are fitted at a time, about: what is made of the features is made again for each block, so that blocks should
/// be wide, and some five copies of a block are held.
pub(super) const BLOCK_VALUES: usize = 32 << 20;

/// Ranges of about equal length that are fitted together and cover `targets`.
pub(super) fn target_blocks(spec: &Spec, checked: &Checked<'_>, targets: Range<usize>) -> Vec<Range<usize>> {
    let n = targets.len();
    // The components of partial least squares are those of all targets together.
    let at_once = if matches!(spec.model, Model::Pls { .. }) { n } else { BLOCK_VALUES / checked.targets.n_samples() };
    let width = n.div_ceil(n.div_ceil(at_once.max(1)).max(1)).max(1);
    targets.clone().step_by(width).map(|start| start..targets.end.min(start + width)).collect()
}

/// One run of a checked spec.
struct Run<'a> {
    spec: &'a Spec,
    checked: &'a Checked<'a>,
    context: &'a Context<'a>,
    /// Splits times blocks of targets.
    n_steps: usize,
}

/// What a split says of the bands.
#[derive(Debug)]
pub(super) struct BandsOfSplit {
    /// Targets x bands.
    pub(super) weights: Vec<Vec<f64>>,
    /// Targets x bands.
    pub(super) parts: Vec<Vec<f64>>,
}

/// What the splits have given so far.
#[derive(Debug, Default)]
pub(super) struct Fitted {
    pub(super) scores: Scores,
    /// Penalties of the targets, a list for each split.
    pub(super) alpha: Vec<Vec<f64>>,
    /// What each split says of the bands.
    pub(super) bands: Vec<BandsOfSplit>,
    /// Fewest components of PLS in a split.
    pub(super) fewest: Option<usize>,
}

impl Run<'_> {
    /// A block of targets about the means of all rows, and those.
    fn targets(&self, block: &Range<usize>) -> Result<(Mat<f64>, Vec<f64>), Error> {
        origin(self.spec, self.checked.targets.columns(block.clone())?, "targets", &self.spec.targets)
    }

    fn fitted(&self, y: &Mat<f64>) -> Fitted {
        Fitted { scores: Scores::new(y.nrows(), y.ncols(), self.spec.keep_predictions), ..Fitted::default() }
    }

    /// Fits and scores some splits on the same features; `origin` is what was taken from the columns of the features, `done` the steps before.
    async fn add_splits(&self, to: &mut Fitted, splits: &[Split], data: &Rows<'_>, origin: &[f64], done: usize) -> Result<(), Error> {
        let Run { spec, checked, context, n_steps } = self;
        let products = match &spec.model {
            Model::Ridge { .. } if spec.penalize_intercept => None,
            Model::Ridge { .. } => {
                let n_train = splits.iter().map(|split| split.train.len()).sum::<usize>() / splits.len();
                Some(Products::of(data, n_train).await?)
            }
            Model::KernelRidge { kernel, .. } => Some(kernel::of_rows(kernel, data, origin).await?),
            Model::Ols | Model::BestUnit | Model::BandedRidge { .. } | Model::Pls { .. } => None,
        };
        let bands = match &spec.model {
            Model::BandedRidge { candidates, seed, .. } => {
                let mut features = vec![data.x.clone()];
                for band in &checked.bands {
                    features.push(about_means(band.to_mat(), "model.bands", band.name())?.0);
                }
                Some(Bands::new(&features, data, *candidates as usize, *seed).await?)
            }
            Model::Ols | Model::BestUnit | Model::Ridge { .. } | Model::KernelRidge { .. } | Model::Pls { .. } => None,
        };
        let longest = |of: fn(&Split) -> &Vec<usize>| splits.iter().map(|split| of(split).len()).max().unwrap_or(0);
        let at_once = at_once(longest(|s| &s.train), longest(|s| &s.test), data, SPLITS_BYTES);
        for (i, some) in splits.chunks(at_once).enumerate() {
            step(context, done + i * at_once, *n_steps)?;
            let fits = match some {
                [split] => vec![fit_split(spec, split, data, products.as_ref(), bands.as_ref()).await],
                _ => parallel::map(some.len(), |i| on_cpu(fit_split(spec, &some[i], data, products.as_ref(), bands.as_ref()))),
            };
            for (split, fit) in some.iter().zip(fits) {
                let fit = fit?;
                to.scores.add(split, data.y, &fit.predicted, &means(data.y, &split.train));
                to.alpha.extend(fit.alpha);
                to.bands.extend(fit.bands);
                to.fewest = to.fewest.into_iter().chain(fit.n_components).min();
            }
        }
        Ok(())
    }
}

/// Memory for splits that are fitted at the same time.
pub(super) const SPLITS_BYTES: f64 = (512 << 20) as f64;

/// Bytes that the fit of a split works in, about: five matrices of its smaller side, its own rows and predictions.
pub(super) fn split_bytes(n_train: f64, n_test: f64, p: f64, t: f64) -> f64 {
    let side = n_train.min(p);
    8.0 * (5.0 * side * side + (n_train + n_test) * (p + 2.0 * t))
}

/// On the CPU as many splits as there are threads, when they are small: the decompositions of one split leave threads idle.
pub(super) fn at_once(n_train: usize, n_test: usize, data: &Rows<'_>, within_bytes: f64) -> usize {
    if !data.device.is_cpu() {
        return 1;
    }
    let bytes = split_bytes(count(n_train), count(n_test), count(data.x.ncols()), count(data.y.ncols()));
    (1..=parallel::threads()).rev().find(|&k| count(k) * bytes <= within_bytes).unwrap_or(1)
}

/// What the fit of one split gives.
struct OfSplit {
    /// Of the held-out rows, about the training means.
    predicted: Mat<f64>,
    /// Penalty of each target.
    alpha: Option<Vec<f64>>,
    bands: Option<BandsOfSplit>,
    n_components: Option<usize>,
}

async fn fit_split(
    spec: &Spec,
    split: &Split,
    data: &Rows<'_>,
    products: Option<&Products>,
    bands: Option<&Bands>,
) -> Result<OfSplit, Error> {
    let plain = |predicted| OfSplit { predicted, alpha: None, bands: None, n_components: None };
    match (&spec.model, products, bands) {
        (Model::Ridge { alphas, .. }, ..) if spec.penalize_intercept => {
            let alpha = alphas.first().copied().unwrap_or_default();
            Ok(OfSplit { alpha: Some(vec![alpha; data.y.ncols()]), ..plain(intercept::predict(split, alpha, data).await?) })
        }
        (Model::Ridge { alphas, selection } | Model::KernelRidge { alphas, selection, .. }, Some(products), _) => {
            let penalties = Penalties { alphas, selection: *selection, scaled: spec.scaled_penalties };
            let (predicted, used) = ridge_regression(split, penalties, products, data).await?;
            Ok(OfSplit { alpha: Some(used), ..plain(predicted) })
        }
        (Model::BandedRidge { alphas, k, .. }, _, Some(bands)) => {
            let fit = bands.fit(split, alphas, *k as usize, data).await?;
            let of_bands = BandsOfSplit { weights: fit.weights, parts: fit.parts };
            Ok(OfSplit { alpha: Some(fit.alpha), bands: Some(of_bands), ..plain(fit.predicted) })
        }
        (Model::Pls { components }, ..) => {
            let (predicted, used) = partial_least_squares(split, *components as usize, data).await?;
            Ok(OfSplit { n_components: Some(used), ..plain(predicted) })
        }
        (Model::Ols, ..) => Ok(plain(least_squares(split, data).await?)),
        (Model::BestUnit, ..) => {
            let (x, y, held_out) = centered(split, data);
            Ok(plain(best_unit::fit(&x, &y, data.device).await?.predict(&held_out, data.device).await?))
        }
        (Model::Ridge { .. } | Model::KernelRidge { .. } | Model::BandedRidge { .. }, ..) => {
            Err(Error::internal("a ridge model without its products"))
        }
    }
}

impl Fitted {
    /// The same splits with further targets.
    pub(super) fn append(mut self, other: Self) -> Self {
        self.scores.append(other.scores);
        self.alpha.iter_mut().zip(other.alpha).for_each(|(alpha, further)| alpha.extend(further));
        for (split, further) in self.bands.iter_mut().zip(other.bands) {
            split.weights.extend(further.weights);
            split.parts.extend(further.parts);
        }
        self.fewest = self.fewest.into_iter().chain(other.fewest).min();
        self
    }

    /// The output, with warnings.
    fn finish(self, spec: &Spec, checked: &Checked<'_>, origin: &[f64], context: &Context<'_>) -> Output {
        let t = origin.len();
        let mut at_edge = false;
        if let (Model::Pls { components }, Some(fewest)) = (&spec.model, self.fewest)
            && fewest < *components as usize
        {
            context.warn(
                "fewer_components",
                format!("{components} components were asked for but the data have fewer: as few as {fewest} were used in a split"),
            );
        }
        if let Model::Ridge { alphas, .. } | Model::KernelRidge { alphas, .. } | Model::BandedRidge { alphas, .. } = &spec.model {
            at_edge = warn_at_edge(alphas, &self.alpha.concat(), t, context);
        }
        let output = self.scores.finish(spec, checked, origin, context);
        let alpha = (!self.alpha.is_empty()).then(|| Array::matrix(self.alpha.len(), t, self.alpha.concat()));
        let bands = (!self.bands.is_empty()).then(|| band_means(&self.bands, spec));
        Output { alpha, bands, alpha_at_edge: at_edge, ..output }
    }
}

/// Means over splits of what each target has of each band.
fn band_means(splits: &[BandsOfSplit], spec: &Spec) -> super::Bands {
    let mut names = vec![spec.features.clone()];
    if let Model::BandedRidge { bands, .. } = &spec.model {
        names.extend(bands.iter().cloned());
    }
    let (t, width) = (splits[0].weights.len(), names.len());
    let mean = |of: fn(&BandsOfSplit) -> &Vec<Vec<f64>>| -> Vec<f64> {
        (0..t * width).map(|cell| score::mean(splits.iter().map(|split| of(split)[cell / width][cell % width]))).collect()
    };
    let over_targets = |cells: &[f64]| -> Vec<Option<f64>> {
        (0..width).map(|b| Some(score::mean(cells.iter().skip(b).step_by(width).copied())).filter(|m| m.is_finite())).collect()
    };
    let (parts, weights) = (mean(|s| &s.parts), mean(|s| &s.weights));
    super::Bands {
        mean_parts: over_targets(&parts),
        mean_weights: over_targets(&weights),
        parts: Array::matrix(t, width, parts),
        weights: Array::matrix(t, width, weights),
        names,
    }
}

fn step(context: &Context<'_>, done: usize, n_steps: usize) -> Result<(), Error> {
    context.step(0.02 + 0.97 * count(done) / count(n_steps), &format!("split {} of {n_steps}", done + 1))
}

/// Training features and targets and held-out features, all about training means.
pub(super) fn centered(split: &Split, data: &Rows<'_>) -> (Mat<f64>, Mat<f64>, Mat<f64>) {
    let center = means(data.x, &split.train);
    (
        take_centered(data.x, &split.train, &center),
        take_centered(data.y, &split.train, &means(data.y, &split.train)),
        take_centered(data.x, &split.test, &center),
    )
}

pub(super) async fn least_squares(split: &Split, data: &Rows<'_>) -> Result<Mat<f64>, Error> {
    let (x, y, held_out) = centered(split, data);
    ols::fit(x.as_ref(), y.as_ref())?.predict(&held_out, data.device).await
}

pub(super) async fn partial_least_squares(split: &Split, components: usize, data: &Rows<'_>) -> Result<(Mat<f64>, usize), Error> {
    let (x, y, held_out) = centered(split, data);
    let fit = pls::fit(&x, &y, components, data.device).await?;
    Ok((fit.linear.predict(&held_out, data.device).await?, fit.n_components))
}

/// The penalties of a ridge model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Penalties<'a> {
    /// The grid.
    pub(super) alphas: &'a [f64],
    /// How each target chooses.
    pub(super) selection: Selection,
    /// In units of the mean eigenvalue of the training rows.
    pub(super) scaled: bool,
}

/// Predictions of a split and the penalty of each target, in the units of the grid.
pub(super) async fn ridge_regression(
    split: &Split,
    penalties: Penalties<'_>,
    products: &Products,
    data: &Rows<'_>,
) -> Result<(Mat<f64>, Vec<f64>), Error> {
    let Penalties { alphas: grid, selection, scaled } = penalties;
    let sums = products.sums(&split.train, &split.test, data).await?;
    let gram = products.gram(sums.clone(), &split.train, data).await?;
    let unit = if scaled { ridge::unit(&gram.matrix, data.x.ncols()) } else { 1.0 };
    let alphas: Vec<f64> = grid.iter().map(|alpha| alpha * unit).collect();
    if let [only] = alphas[..]
        && let Some(solved) = ridge::solve(&gram, only, data.device)
    {
        let held_out = gram.side.bring(&split.test, products, data).await?;
        let predicted = data.device.matmul(held_out.as_ref(), solved.as_ref()).await?;
        return Ok((predicted, vec![grid[0]; data.y.ncols()]));
    }
    let system = System::new(gram, split.train.len(), data).await?;
    let alpha = match alphas[..] {
        [only] => vec![only; data.y.ncols()],
        _ => selection::choose(Training { rows: &split.train, sums, system: &system, products, data }, &alphas, selection).await?.alpha,
    };
    let projected = system.project(&split.test, products, data).await?;
    let predicted = system.predict(&projected, &alpha, data).await?;
    let in_grid = |used: &f64| alphas.iter().position(|a| a.to_bits() == used.to_bits()).map_or(*used, |i| grid[i]);
    Ok((predicted, alpha.iter().map(in_grid).collect()))
}

/// Warns, and says, when the grid may be too narrow. A smallest penalty of 0 is no edge: there is nothing below it.
pub(super) fn warn_at_edge(alphas: &[f64], chosen: &[f64], n_targets: usize, context: &Context<'_>) -> bool {
    let (low, high) = alphas.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &a| (low.min(a), high.max(a)));
    if low >= high {
        return false;
    }
    let at_edge = |a: f64| a >= high || (a <= low && low > 0.0);
    let n = (0..n_targets).filter(|&k| chosen.iter().skip(k).step_by(n_targets).any(|&a| at_edge(a))).count();
    if n > 0 {
        context.warn(
            "alpha_at_edge",
            format!("for {n} of {n_targets} targets the best penalty is at an edge of the grid ({low} to {high}) in at least one split; widen the grid"),
        );
    }
    n > 0
}
