//! Probes of single units, and the best of them.

use faer::Mat;

use super::behavior::Behavior;
use super::design::Design;
use super::fold::Outcome;
use super::layer::Activation;
use super::output::{Found, Run};
use super::{Estimator, Rank, Score};
use crate::analysis::encoding::Split;
use crate::analysis::encoding::columns::{constant, means, take_centered};
use crate::progress::Progress as _;
use crate::stats::{centered_unit, count, dot, mean};
use crate::{Error, parallel};

/// Units between two looks at the clock.
const BLOCK: usize = 256;

/// The scores of a unit: behaviors x splits.
struct Scored {
    held_out: Vec<f64>,
    /// On the training rows, for nested choices.
    training: Vec<f64>,
    n_unfinished: u32,
}

/// The best unit so far.
#[derive(Clone, Copy)]
struct Best {
    unit: usize,
    value: f64,
}

impl Best {
    const NONE: Self = Self { unit: usize::MAX, value: f64::NEG_INFINITY };

    /// Whether the unit is better, of equals the first.
    fn offer(&mut self, unit: usize, value: f64) -> bool {
        let better = value > self.value || (self.unit == usize::MAX && value == f64::NEG_INFINITY);
        if better {
            *self = Self { unit, value };
        }
        better
    }
}

pub(super) fn run(run: &Run<'_>, layer: &Activation<'_>) -> Result<Found, Error> {
    let [rows, columns] = layer.grid(run.spec.iterate);
    let (n_iterations, n_behaviors) = (rows * columns, run.problem.behavior.len());
    // Correlations have one "split".
    let n_splits = run.splits.len().max(1);
    let scorer = Scorer::new(run, layer.n);
    let mut best = vec![Best::NONE; n_iterations * n_behaviors];
    let mut of_splits = vec![Best::NONE; if run.spec.nested { best.len() * n_splits } else { 0 }];
    let mut found = Found { scores: vec![f64::NAN; best.len() * n_splits], n_features: 1, ..Found::default() };
    let p = layer.n_units();
    for part in layer.blocks.column_parts(0..p) {
        let x = layer.blocks.columns(part.clone())?;
        for start in (0..part.len()).step_by(BLOCK) {
            let first = part.start + start;
            run.progress.step(0.95 * count(first) / count(p), &format!("{}: unit {} of {p}", layer.name, first + 1))?;
            let width = BLOCK.min(part.len() - start);
            for (i, scored) in parallel::map(width, |i| scorer.score(x.col_as_slice(start + i))).into_iter().enumerate() {
                let (scored, unit) = (scored?, first + i);
                found.n_unfinished += scored.n_unfinished;
                let iteration = layer.iteration_of(unit, run.spec.iterate);
                for k in 0..n_behaviors {
                    let at = iteration * n_behaviors + k;
                    let scores = &scored.held_out[k * n_splits..(k + 1) * n_splits];
                    let defined: Vec<f64> = scores.iter().copied().filter(|v| !v.is_nan()).collect();
                    let won = best[at].offer(unit, scorer.value(mean(&defined)));
                    if run.spec.nested {
                        for s in 0..n_splits {
                            if of_splits[at * n_splits + s].offer(unit, scored.training[k * n_splits + s]) {
                                found.scores[at * n_splits + s] = scores[s];
                            }
                        }
                    } else if won {
                        found.scores[at * n_splits..(at + 1) * n_splits].copy_from_slice(scores);
                    }
                }
            }
        }
    }
    if let Some(at) = best.iter().position(|b| b.unit == usize::MAX) {
        let (iteration, behavior) = (at / n_behaviors + 1, &run.problem.behavior.names()[at % n_behaviors]);
        let message = format!(
            "no unit of iteration {iteration} of {n_iterations} has a score for \"{behavior}\": units or behavior are constant; leave them out"
        );
        return Err(Error::input(layer.name, message));
    }
    found.units = best.iter().map(|b| b.unit).collect();
    // Where no unit has a score on the training rows of a split, the best of all stands in; its score is undefined too.
    found.fold_units =
        of_splits.iter().enumerate().map(|(i, b)| if b.unit == usize::MAX { best[i / n_splits].unit } else { b.unit }).collect();
    if matches!(run.problem.behavior, Behavior::Classes { .. }) {
        confusions(run, layer, &mut found)?;
    }
    Ok(found)
}

/// The confusion matrices of the chosen units, which are fitted once more.
fn confusions(run: &Run<'_>, layer: &Activation<'_>, found: &mut Found) -> Result<(), Error> {
    let n_iterations = found.units.len();
    let keep = run.keeps(n_iterations);
    let n_splits = run.splits.len();
    for i in 0..n_iterations {
        let outcome = |s: usize| -> Result<Outcome, Error> {
            let unit = if found.fold_units.is_empty() { found.units[i] } else { found.fold_units[i * n_splits + s] };
            let x = layer.blocks.columns(unit..unit + 1)?;
            run.problem.outcome(&alone(x.col_as_slice(0), &run.splits[s]), &run.splits[s], false)
        };
        let outcomes = (0..n_splits).map(outcome).collect::<Result<Vec<_>, _>>()?;
        found.add_counts(&outcomes, keep);
    }
    Ok(())
}

/// The design of one unit.
fn alone(x: &[f64], split: &Split) -> Design {
    let take = |rows: &[usize]| Mat::from_fn(rows.len(), 1, |i, _| x[rows[i]]);
    Design { train: take(&split.train), test: take(&split.test) }
}

/// What is the same for all units.
struct Scorer<'a> {
    problem: &'a super::fold::Problem<'a>,
    splits: &'a [Split],
    nested: bool,
    rank: Rank,
    /// Targets about their means over the training rows of each split, and which are constant on its rows: training, held out.
    targets: Vec<Centered>,
    /// Centered targets of unit length, for correlations; `None` for a constant one.
    units: Vec<Option<Vec<f64>>>,
}

struct Centered {
    train: Side,
    test: Side,
}

struct Side {
    y: Mat<f64>,
    flat: Vec<bool>,
}

impl<'a> Scorer<'a> {
    fn new(run: &Run<'a>, n: usize) -> Self {
        let (mut targets, mut units) = (Vec::new(), Vec::new());
        if let Behavior::Values { y, names } = run.problem.behavior {
            let side = |rows: &[usize], center: &[f64]| Side { y: take_centered(y, rows, center), flat: constant(y, rows) };
            let centered = |split: &Split| {
                let center = means(y, &split.train);
                Centered { train: side(&split.train, &center), test: side(&split.test, &center) }
            };
            targets = run.splits.iter().map(centered).collect();
            units = (0..names.len()).map(|k| centered_unit(&y.col_as_slice(k)[..n])).collect();
        }
        Self { problem: run.problem, splits: run.splits, nested: run.spec.nested, rank: run.spec.rank, targets, units }
    }

    /// By what units are ranked.
    fn value(&self, score: f64) -> f64 {
        if self.problem.estimator == Estimator::Corr && self.rank == Rank::Abs { score.abs() } else { score }
    }

    fn score(&self, x: &[f64]) -> Result<Scored, Error> {
        match self.problem.estimator {
            Estimator::Corr => {
                let x = centered_unit(x);
                let r = |y: &Option<Vec<f64>>| match (&x, y) {
                    (Some(x), Some(y)) => dot(x, y).clamp(-1.0, 1.0),
                    _ => f64::NAN,
                };
                Ok(Scored { held_out: self.units.iter().map(r).collect(), training: Vec::new(), n_unfinished: 0 })
            }
            Estimator::Ridge | Estimator::Glm | Estimator::Lasso => Ok(self.by_moments(x)),
            Estimator::Logistic | Estimator::Svc | Estimator::RidgeClassifier => self.by_fits(x),
        }
    }

    fn by_fits(&self, x: &[f64]) -> Result<Scored, Error> {
        let mut scored = Scored { held_out: Vec::new(), training: Vec::new(), n_unfinished: 0 };
        for split in self.splits {
            let design = alone(x, split);
            let outcome = self.problem.outcome(&design, split, false)?;
            scored.n_unfinished += u32::from(!outcome.converged);
            scored.held_out.extend(outcome.scores);
            if self.nested {
                scored.training.extend(self.problem.outcome(&design, split, true)?.scores);
            }
        }
        Ok(scored)
    }

    /// Regression on one unit from sums of squares and products; no predictions are made.
    ///
    /// # Definition
    /// With x and y about their training means, weight w = `Sxy / (Sxx + alpha)` (`lasso`: `soft(Sxy / n, alpha) / (Sxx / n)`); on any rows
    /// the errors are those of w x about y.
    fn by_moments(&self, x: &[f64]) -> Scored {
        let n_behaviors = self.problem.behavior.len();
        let n_splits = self.splits.len();
        let mut held_out = vec![f64::NAN; n_behaviors * n_splits];
        let mut training = vec![f64::NAN; if self.nested { held_out.len() } else { 0 }];
        for (s, (split, targets)) in self.splits.iter().zip(&self.targets).enumerate() {
            let first = split.train.first().map_or(0.0, |&row| x[row]);
            let center = first + mean(&split.train.iter().map(|&row| x[row] - first).collect::<Vec<_>>());
            let about = |rows: &[usize]| rows.iter().map(|&row| x[row] - center).collect::<Vec<f64>>();
            let (train, test) = (about(&split.train), about(&split.test));
            let size = dot(&train, &train);
            for k in 0..n_behaviors {
                let weight = self.weight(size, dot(&train, targets.train.y.col_as_slice(k)), count(train.len()));
                held_out[k * n_splits + s] = self.score_of(&test, &targets.test, k, weight);
                if self.nested {
                    training[k * n_splits + s] = self.score_of(&train, &targets.train, k, weight);
                }
            }
        }
        Scored { held_out, training, n_unfinished: 0 }
    }

    fn weight(&self, xx: f64, xy: f64, n: f64) -> f64 {
        let alpha = self.problem.strength;
        match self.problem.estimator {
            _ if xx == 0.0 => 0.0,
            Estimator::Lasso => (xy.abs() / n - alpha).max(0.0).copysign(xy) / (xx / n),
            Estimator::Ridge | Estimator::Glm | Estimator::Logistic | Estimator::Svc | Estimator::RidgeClassifier | Estimator::Corr => {
                xy / (xx + alpha)
            }
        }
    }

    fn score_of(&self, x: &[f64], side: &Side, k: usize, weight: f64) -> f64 {
        if side.flat[k] {
            return f64::NAN;
        }
        let y = side.y.col_as_slice(k);
        let n = count(x.len());
        let (x_mean, y_mean) = (mean(x), mean(y));
        let yy = y.iter().map(|v| (v - y_mean) * (v - y_mean)).sum::<f64>();
        let error = |shift: f64| x.iter().zip(y).map(|(x, y)| y - weight * x - shift).map(|e| e * e).sum::<f64>();
        match self.problem.score {
            Score::R2 => 1.0 - error(0.0) / yy,
            Score::ExplainedVariance => 1.0 - error(y_mean - weight * x_mean) / yy,
            Score::Correlation => {
                let xx = x.iter().map(|v| (v - x_mean) * (v - x_mean)).sum::<f64>();
                let xy = x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>();
                let varies = weight != 0.0 && xx > n * (8.0 * f64::EPSILON * x.iter().fold(0.0, |m: f64, v| m.max(v.abs()))).powi(2);
                if varies { weight.signum() * (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0) } else { f64::NAN }
            }
        }
    }
}
