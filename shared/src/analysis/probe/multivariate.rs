//! Probes that see all units of a layer, a channel or a position at once.

use faer::Mat;

use super::Iterate;
use super::design::Units;
use super::fold::Outcome;
use super::layer::Activation;
use super::output::{Found, Run};
use crate::progress::Progress as _;
use crate::stats::count;
use crate::{Error, parallel};

/// Bytes of the units of the iterations that run at the same time, about.
const BATCH_BYTES: usize = 128 << 20;

pub(super) async fn run(run: &Run<'_>, layer: &Activation<'_>) -> Result<Found, Error> {
    match run.spec.iterate {
        Iterate::None => whole(run, layer).await,
        Iterate::Channel | Iterate::Position => iterations(run, layer),
    }
}

/// One fit for each split, some at the same time.
async fn whole(run: &Run<'_>, layer: &Activation<'_>) -> Result<Found, Error> {
    let (problem, splits) = (run.problem, run.splits);
    let reading = crate::progress::Part::new(run.progress, 0.0, 0.4);
    let units = Units::of_layer(layer, problem.by_products(), run.context.device, &reading).await?;
    let mut outcomes = Vec::with_capacity(splits.len());
    while outcomes.len() < splits.len() {
        let done = outcomes.len();
        run.progress
            .step(0.4 + 0.6 * count(done) / count(splits.len()), &format!("{}: split {} of {}", layer.name, done + 1, splits.len()))?;
        let fit = |i: usize| {
            let split = &splits[done + i];
            problem.outcome(&units.design(split, problem.pca)?, split, false)
        };
        for outcome in parallel::map(parallel::threads().min(splits.len() - done), fit) {
            outcomes.push(outcome?);
        }
    }
    let mut found = Found::default();
    found.add(&outcomes, run.keeps(1));
    Ok(found)
}

/// All splits of each channel or position, some of these at the same time.
fn iterations(run: &Run<'_>, layer: &Activation<'_>) -> Result<Found, Error> {
    let (problem, splits, iterate) = (run.problem, run.splits, run.spec.iterate);
    let [rows, columns] = layer.grid(iterate);
    let n_iterations = rows * columns;
    let bytes = 8 * layer.n * layer.width(iterate).max(layer.n);
    let batch = (BATCH_BYTES / bytes).clamp(parallel::threads(), 64 * parallel::threads());
    let keep = run.keeps(n_iterations);
    let mut found = Found::default();
    for start in (0..n_iterations).step_by(batch) {
        run.progress.step(count(start) / count(n_iterations), &format!("{}: iteration {} of {n_iterations}", layer.name, start + 1))?;
        let units = layer.iterations(iterate, start..n_iterations.min(start + batch))?;
        let probe = |i: usize| -> Result<Vec<Outcome>, Error> {
            let units = Units::of(Mat::clone(&units[i]), problem.by_products());
            splits.iter().map(|split| problem.outcome(&units.design(split, problem.pca)?, split, false)).collect()
        };
        for outcomes in parallel::map(units.len(), probe) {
            found.add(&outcomes?, keep);
        }
    }
    Ok(found)
}
