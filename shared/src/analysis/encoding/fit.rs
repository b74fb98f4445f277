//! Split by split: fit, predict, score.

use faer::Mat;

use super::columns::{means, subtract, take_centered};
use super::products::{Products, Rows};
use super::ridge::System;
use super::score::Scores;
use super::selection::{self, Training};
use super::{Checked, Model, Output, Selection, Spec, Split, ols, pls};
use crate::analysis::Context;
use crate::{Array, Error};

/// Runs a checked spec.
pub(super) async fn run(spec: &Spec, checked: &Checked, context: &Context<'_>) -> Result<Output, Error> {
    let (mut x, mut y) = (checked.features.to_mat(), checked.targets.to_mat());
    let (n, t) = y.shape();
    let all: Vec<usize> = (0..n).collect();
    // Sums about the means of all rows keep their digits; each split centers by its own training means.
    let (x_origin, origin) = (means(&x, &all), means(&y, &all));
    subtract(&mut x, &x_origin);
    subtract(&mut y, &origin);
    for (field, name, centered) in [("features", &spec.features, &x), ("targets", &spec.targets, &y)] {
        if !(0..centered.ncols()).map(|j| centered.col_as_slice(j).iter().map(|v| v * v).sum::<f64>()).sum::<f64>().is_finite() {
            return Err(Error::input(
                field,
                format!("the values of \"{name}\" are so large that their squares overflow; rescale them first"),
            ));
        }
    }
    let data = Rows { x: &x, y: &y, device: context.device };
    let splits = &checked.splits;
    let mut scores = Scores::new(n, t, spec.keep_predictions);
    let mut add = |split: &Split, predicted: &Mat<f64>| scores.add(split, &y, predicted, &means(&y, &split.train));
    let mut alpha = None;
    match &spec.model {
        Model::Ols => {
            for (i, split) in splits.iter().enumerate() {
                step(context, i, splits.len())?;
                add(split, &least_squares(split, &data).await?);
            }
        }
        Model::Ridge { alphas, selection } => {
            let n_train = splits.iter().map(|split| split.train.len()).sum::<usize>() / splits.len();
            let products = Products::of(&data, n_train).await?;
            let mut chosen = Vec::with_capacity(splits.len() * t);
            for (i, split) in splits.iter().enumerate() {
                step(context, i, splits.len())?;
                let (predicted, used) = ridge(split, alphas, *selection, &products, &data).await?;
                add(split, &predicted);
                chosen.extend(used);
            }
            warn_at_edge(alphas, &chosen, t, context);
            alpha = Some(Array::matrix(splits.len(), t, chosen));
        }
        Model::Pls { components } => {
            let mut fewest = *components as usize;
            for (i, split) in splits.iter().enumerate() {
                step(context, i, splits.len())?;
                let (predicted, used) = partial_least_squares(split, *components as usize, &data).await?;
                add(split, &predicted);
                fewest = fewest.min(used);
            }
            if fewest < *components as usize {
                context.warn(
                    "fewer_components",
                    format!("{components} components were asked for but the data have fewer: as few as {fewest} were used in a split"),
                );
            }
        }
    }
    let output = scores.finish(spec, &checked.targets, &origin, checked.target_names.as_deref(), context);
    Ok(Output { alpha, ..output })
}

fn step(context: &Context<'_>, split: usize, n_splits: usize) -> Result<(), Error> {
    use super::columns::count;
    context.step(0.02 + 0.97 * count(split) / count(n_splits), &format!("split {} of {n_splits}", split + 1))
}

/// Training features and targets and held-out features, all about training means.
fn centered(split: &Split, data: &Rows<'_>) -> (Mat<f64>, Mat<f64>, Mat<f64>) {
    let center = means(data.x, &split.train);
    (
        take_centered(data.x, &split.train, &center),
        take_centered(data.y, &split.train, &means(data.y, &split.train)),
        take_centered(data.x, &split.test, &center),
    )
}

async fn least_squares(split: &Split, data: &Rows<'_>) -> Result<Mat<f64>, Error> {
    let (x, y, held_out) = centered(split, data);
    ols::fit(x.as_ref(), y.as_ref())?.predict(&held_out, data.device).await
}

async fn partial_least_squares(split: &Split, components: usize, data: &Rows<'_>) -> Result<(Mat<f64>, usize), Error> {
    let (x, y, held_out) = centered(split, data);
    let fit = pls::fit(&x, &y, components, data.device).await?;
    Ok((fit.linear.predict(&held_out, data.device).await?, fit.n_components))
}

/// Predictions of a split and the penalty of each target.
async fn ridge(
    split: &Split,
    alphas: &[f64],
    selection: Selection,
    products: &Products,
    data: &Rows<'_>,
) -> Result<(Mat<f64>, Vec<f64>), Error> {
    let sums = products.sums(&split.train, &split.test, data).await?;
    let system = System::new(products.gram(sums.clone(), &split.train, data).await?, split.train.len(), data).await?;
    let alpha = match alphas {
        [only] => vec![*only; data.y.ncols()],
        _ => selection::choose(Training { rows: &split.train, sums, system: &system, products, data }, alphas, selection).await?,
    };
    let projected = system.project(&split.test, products, data).await?;
    let predicted = system.predict(&projected, &alpha, data).await?;
    Ok((predicted, alpha))
}

/// Warns when the grid may be too narrow. A smallest penalty of 0 is no edge: there is nothing below it.
fn warn_at_edge(alphas: &[f64], chosen: &[f64], n_targets: usize, context: &Context<'_>) {
    let (low, high) = alphas.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &a| (low.min(a), high.max(a)));
    if low >= high {
        return;
    }
    let at_edge = |a: f64| a >= high || (a <= low && low > 0.0);
    let n = (0..n_targets).filter(|&k| chosen.iter().skip(k).step_by(n_targets).any(|&a| at_edge(a))).count();
    if n > 0 {
        context.warn(
            "alpha_at_edge",
            format!("for {n} of {n_targets} targets the best penalty is at an edge of the grid ({low} to {high}) in at least one split; widen the grid"),
        );
    }
}
