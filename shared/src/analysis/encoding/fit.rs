//! Split by split: fit, predict, score.

use faer::Mat;

use super::banded::Bands;
use super::columns::{about_means, means, subtract, take_centered, take_rows};
use super::products::{Products, Rows};
use super::ridge::{self, System};
use super::score::{self, Scores};
use super::selection::{self, Training};
use super::{Checked, Model, Output, Selection, Spec, Split, best_unit, kernel, ols, pls};
use crate::analysis::Context;
use crate::linalg::pca::Pca;
use crate::{Array, Error};

/// Runs a checked spec.
pub(super) async fn run(spec: &Spec, checked: &Checked, context: &Context<'_>) -> Result<Output, Error> {
    // Sums about the means of all rows keep their digits; each split centers by its own training means.
    let (mut x, x_origin) = about_means(checked.features.to_mat(), "features", &spec.features)?;
    let (y, origin) = about_means(checked.targets.to_mat(), "targets", &spec.targets)?;
    let (n, t) = y.shape();
    let mut fitted = Fitted { scores: Scores::new(n, t, spec.keep_predictions), ..Fitted::default() };
    let splits = &checked.splits;
    match (&spec.pca, &checked.reference) {
        (Some(pca), Some(reference)) => {
            let mut reference = reference.to_mat();
            subtract(&mut reference, &x_origin);
            x = Pca::fit(reference, pca.components as usize)?.transform(x);
            let data = Rows { x: &x, y: &y, device: context.device };
            fitted.add_splits(spec, checked, splits, &data, &[], context).await?;
        }
        (Some(pca), None) => {
            for split in splits {
                let scores = Pca::fit(take_rows(&x, &split.train), pca.components as usize)?.transform(x.clone());
                let data = Rows { x: &scores, y: &y, device: context.device };
                fitted.add_splits(spec, checked, std::slice::from_ref(split), &data, &[], context).await?;
            }
        }
        (None, _) => {
            let data = Rows { x: &x, y: &y, device: context.device };
            fitted.add_splits(spec, checked, splits, &data, &x_origin, context).await?;
        }
    }
    Ok(fitted.finish(spec, checked, &origin, context))
}

/// What a split says of the bands.
#[derive(Debug)]
struct BandsOfSplit {
    /// Targets x bands.
    weights: Vec<Vec<f64>>,
    /// Targets x bands.
    parts: Vec<Vec<f64>>,
}

/// What the splits have given so far.
#[derive(Debug, Default)]
struct Fitted {
    scores: Scores,
    /// Splits done.
    n_done: usize,
    /// Penalties, splits x targets.
    alpha: Vec<f64>,
    /// What each split says of the bands.
    bands: Vec<BandsOfSplit>,
    /// Fewest components of PLS in a split.
    fewest: Option<usize>,
}

impl Fitted {
    /// Fits and scores some splits on the same features; `origin` is what was taken from the columns of the features.
    async fn add_splits(
        &mut self,
        spec: &Spec,
        checked: &Checked,
        splits: &[Split],
        data: &Rows<'_>,
        origin: &[f64],
        context: &Context<'_>,
    ) -> Result<(), Error> {
        let products = match &spec.model {
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
        for split in splits {
            step(context, self.n_done, checked.splits.len())?;
            let predicted = match (&spec.model, &products, &bands) {
                (Model::Ridge { alphas, selection } | Model::KernelRidge { alphas, selection, .. }, Some(products), _) => {
                    let (predicted, used) = ridge_regression(split, alphas, *selection, products, data).await?;
                    self.alpha.extend(used);
                    predicted
                }
                (Model::BandedRidge { alphas, k, .. }, _, Some(bands)) => {
                    let fit = bands.fit(split, alphas, *k as usize, data).await?;
                    self.alpha.extend(fit.alpha);
                    self.bands.push(BandsOfSplit { weights: fit.weights, parts: fit.parts });
                    fit.predicted
                }
                (Model::Pls { components }, ..) => {
                    let (predicted, used) = partial_least_squares(split, *components as usize, data).await?;
                    self.fewest = Some(self.fewest.map_or(used, |fewest| fewest.min(used)));
                    predicted
                }
                (Model::Ols, ..) => least_squares(split, data).await?,
                (Model::BestUnit, ..) => {
                    let (x, y, held_out) = centered(split, data);
                    best_unit::fit(&x, &y, data.device).await?.predict(&held_out, data.device).await?
                }
                (Model::Ridge { .. } | Model::KernelRidge { .. } | Model::BandedRidge { .. }, ..) => {
                    return Err(Error::internal("a ridge model without its products"));
                }
            };
            self.scores.add(split, data.y, &predicted, &means(data.y, &split.train));
            self.n_done += 1;
        }
        Ok(())
    }

    /// The output, with warnings.
    fn finish(self, spec: &Spec, checked: &Checked, origin: &[f64], context: &Context<'_>) -> Output {
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
            at_edge = warn_at_edge(alphas, &self.alpha, t, context);
        }
        let output = self.scores.finish(spec, checked, origin, context);
        let alpha = (!self.alpha.is_empty()).then(|| Array::matrix(self.n_done, t, self.alpha));
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

fn step(context: &Context<'_>, split: usize, n_splits: usize) -> Result<(), Error> {
    use super::columns::count;
    context.step(0.02 + 0.97 * count(split) / count(n_splits), &format!("split {} of {n_splits}", split + 1))
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

/// Predictions of a split and the penalty of each target.
pub(super) async fn ridge_regression(
    split: &Split,
    alphas: &[f64],
    selection: Selection,
    products: &Products,
    data: &Rows<'_>,
) -> Result<(Mat<f64>, Vec<f64>), Error> {
    let sums = products.sums(&split.train, &split.test, data).await?;
    let gram = products.gram(sums.clone(), &split.train, data).await?;
    if let [only] = alphas
        && let Some(solved) = ridge::solve(&gram, *only, data.device)
    {
        let held_out = gram.side.bring(&split.test, products, data).await?;
        let predicted = data.device.matmul(held_out.as_ref(), solved.as_ref()).await?;
        return Ok((predicted, vec![*only; data.y.ncols()]));
    }
    let system = System::new(gram, split.train.len(), data).await?;
    let alpha = match alphas {
        [only] => vec![*only; data.y.ncols()],
        _ => selection::choose(Training { rows: &split.train, sums, system: &system, products, data }, alphas, selection).await?.alpha,
    };
    let projected = system.project(&split.test, products, data).await?;
    let predicted = system.predict(&projected, &alpha, data).await?;
    Ok((predicted, alpha))
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
