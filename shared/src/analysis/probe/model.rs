//! Models of all rows, as weights of units.

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::behavior::Behavior;
use super::layer::Activation;
use super::output::Run;
use super::{Estimator, Map};
use crate::linalg::pca::Pca;
use crate::progress::Progress as _;
use crate::stats::{count, small};
use crate::{Array, Error, parallel};

/// Weights that a layer may keep: 160 MB.
const MAX_WEIGHTS: usize = 20_000_000;

/// Linear models whose scores are weights times units plus intercepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Models {
    /// What each score is for: a behavior, a class, the second of two classes, or the first of a pair (`a / b`).
    pub outputs: Vec<String>,
    /// Iterations x units x scores; for the best units iterations x 1 x scores, each of its own unit.
    pub weights: Array,
    /// Iterations x scores.
    pub intercepts: Array,
}

/// Fits on all rows; `best`: the best units, iterations x behaviors.
pub(super) fn fit(run: &Run<'_>, layer: &Activation<'_>, best: &[usize]) -> Result<Models, Error> {
    let outputs = outputs(run.problem.estimator, run.problem.behavior);
    let [rows, columns] = layer.grid(run.spec.iterate);
    let n_iterations = rows * columns;
    let width = if run.spec.map == Map::Uv { 1 } else { layer.width(run.spec.iterate) };
    let n_weights = n_iterations.saturating_mul(width).saturating_mul(outputs.len());
    if n_weights > MAX_WEIGHTS {
        let message = format!("{n_weights} weights of \"{}\" are too many to keep (at most {MAX_WEIGHTS}); leave it out", layer.name);
        return Err(Error::parameter("models", message));
    }
    let (mut weights, mut intercepts) = (Vec::with_capacity(n_weights), Vec::with_capacity(n_iterations * outputs.len()));
    let n_behaviors = run.problem.behavior.len();
    for i in 0..n_iterations {
        if i % (16 * parallel::threads()) == 0 {
            run.progress.step(0.95 + 0.05 * count(i) / count(n_iterations), &format!("{}: models of all rows", layer.name))?;
        }
        if run.spec.map == Map::Mv {
            let x = layer.iterations(run.spec.iterate, i..i + 1)?.remove(0);
            let (w, b) = all_units(run, x)?;
            (0..w.nrows()).for_each(|j| weights.extend(w.row(j).iter()));
            intercepts.extend(b);
            continue;
        }
        for (k, &unit) in best[i * n_behaviors..(i + 1) * n_behaviors].iter().enumerate() {
            let (w, b) = all_units(run, layer.blocks.columns(unit..unit + 1)?)?;
            // Of several behaviors each has a unit of its own.
            let own = if matches!(run.problem.behavior, Behavior::Values { .. }) { k..k + 1 } else { 0..b.len() };
            weights.extend(own.clone().map(|t| w[(0, t)]));
            intercepts.extend(&b[own]);
        }
    }
    let shape = vec![small(n_iterations), small(width), small(outputs.len())];
    let intercepts = Array::matrix(n_iterations, outputs.len(), intercepts);
    Ok(Models { outputs, weights: Array { shape, values: weights }, intercepts })
}

/// Weights (units x scores) and intercepts.
fn all_units(run: &Run<'_>, x: Mat<f64>) -> Result<(Mat<f64>, Vec<f64>), Error> {
    let problem = run.problem;
    let (n, p) = x.shape();
    let rows: Vec<usize> = (0..n).collect();
    // With more units than rows all components stand for the units, as in the splits.
    let k = if run.spec.map == Map::Uv { None } else { problem.pca.or((problem.by_products() && p > n).then_some(usize::MAX)) };
    let Some(k) = k else {
        let linear = problem.fit(x.as_ref(), &rows)?.linear;
        return Ok((linear.weights, linear.intercepts));
    };
    let pca = Pca::fit(x.clone(), k)?;
    if pca.components.ncols() == 0 {
        let linear = problem.fit(Mat::zeros(n, 1).as_ref(), &rows)?.linear;
        return Ok((Mat::zeros(p, linear.intercepts.len()), linear.intercepts));
    }
    let linear = problem.fit(pca.transform(x).as_ref(), &rows)?.linear;
    let weights = &pca.components * &linear.weights;
    let shift = |(j, b): (usize, &f64)| b - pca.means.iter().zip(weights.col_as_slice(j)).map(|(mean, w)| mean * w).sum::<f64>();
    let intercepts = linear.intercepts.iter().enumerate().map(shift).collect();
    Ok((weights, intercepts))
}

fn outputs(estimator: Estimator, behavior: &Behavior) -> Vec<String> {
    match behavior {
        Behavior::Values { names, .. } => names.clone(),
        Behavior::Classes { names, .. } if estimator == Estimator::Svc => {
            let pairs = (0..names.len()).flat_map(|i| (i + 1..names.len()).map(move |j| (i, j)));
            pairs.map(|(i, j)| format!("{} / {}", names[i], names[j])).collect()
        }
        Behavior::Classes { names, .. } if names.len() == 2 => names[1..].to_vec(),
        Behavior::Classes { names, .. } => names.clone(),
    }
}
