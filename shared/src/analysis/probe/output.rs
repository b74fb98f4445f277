//! What came out, and what is gathered on the way there.

use serde::{Deserialize, Serialize};

use super::behavior::Behavior;
use super::fold::{Outcome, Problem};
use super::layer::Activation;
use super::model::Models;
use super::{Estimator, Iterate, Map, Spec};
use crate::analysis::Context;
use crate::analysis::encoding::Split;
use crate::progress::Part;
use crate::stats::{mean, sem, small};
use crate::{Array, stats};

/// Counts of confusion matrices that a layer may hold.
const MAX_COUNTS: usize = 4_000_000;

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// What was fitted.
    pub estimator: Estimator,
    /// All units or the best one.
    pub map: Map,
    /// Over what the probe was repeated.
    pub iterate: Iterate,
    /// What scores are: `accuracy`, `r2`, `explained_variance` or `correlation`.
    pub metric: String,
    /// Whether units were chosen on training rows.
    pub nested: bool,
    /// Names of what was predicted: the labels, or columns of the targets.
    pub behaviors: Vec<String>,
    /// Classes, sorted; none for regressors.
    pub classes: Vec<String>,
    /// Share of the most frequent class: what always naming it reaches; `None` for regressors.
    pub chance: Option<f64>,
    /// Rows.
    pub n_samples: u32,
    /// Splits; 0 for correlations.
    pub n_folds: u32,
    /// One for each layer.
    pub layers: Vec<Layer>,
}

/// The probe of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Channels, rows and columns.
    pub shape: [u32; 3],
    /// Rows and columns of the grid of iterations: 1 x 1, channels x 1, or rows x columns.
    pub grid: [u32; 2],
    /// Units of an iteration.
    pub n_units: u32,
    /// Features that a fit saw at most: units or components.
    pub n_features: u32,
    /// Mean score over splits, iterations x behaviors; correlations themselves. NaN where no split has a score.
    pub mean: Array,
    /// Standard error over splits (ddof 1), iterations x behaviors; NaN for fewer than two scores.
    pub sem: Array,
    /// Scores, iterations x behaviors x splits; `None` for correlations.
    pub scores: Option<Array>,
    /// Held-out rows over all splits, iterations x true classes x predicted classes; `None` for regressors and where there are too many.
    pub confusion: Option<Array>,
    /// The same of each split, the splits of an iteration together: (iterations splits) x true x predicted.
    pub fold_confusions: Option<Array>,
    /// Channel, row and column of the best unit, counted from 1: iterations x behaviors x 3; `None` for all units.
    pub location: Option<Array>,
    /// The same for each split, where units were chosen on training rows: (iterations behaviors) x splits x 3.
    pub fold_locations: Option<Array>,
    /// Fits on all rows, where they were asked for.
    pub models: Option<Models>,
    /// Fits that stopped before they were exact.
    pub n_unfinished: u32,
}

/// The numbers of a single layer by short names, for scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flat {
    /// Mean accuracy; `None` for regressors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_mean: Option<Scores>,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_sem: Option<Scores>,
    /// Mean score; `None` for classifiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_mean: Option<Scores>,
    /// Its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_sem: Option<Scores>,
    /// Scores of the splits; `None` for correlations.
    pub per_fold: Option<Array>,
    /// Held-out rows over all splits, true classes x predicted classes; `None` for regressors.
    pub confusion: Option<Array>,
}

/// One number where there is one iteration and one behavior, else all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Scores {
    /// A number, `None` where undefined.
    One(Option<f64>),
    /// Iterations x behaviors.
    All(Array),
}

/// The short names of the only layer; `None` for several.
#[must_use]
pub fn flat(output: &Output) -> Option<Flat> {
    let [layer] = &output.layers[..] else { return None };
    let scores = |array: &Array| match array.values[..] {
        [value] => Scores::One(value.is_finite().then_some(value)),
        _ => Scores::All(array.clone()),
    };
    // Axes of length 1 in front say nothing.
    let squeezed = |array: &Array| {
        let skip = array.shape.iter().take(array.shape.len() - 1).take_while(|&&n| n == 1).count();
        Array { shape: array.shape[skip..].to_vec(), values: array.values.clone() }
    };
    let (accuracy, score) = if output.classes.is_empty() { (None, Some(layer)) } else { (Some(layer), None) };
    Some(Flat {
        accuracy_mean: accuracy.map(|l| scores(&l.mean)),
        accuracy_sem: accuracy.map(|l| scores(&l.sem)),
        score_mean: score.map(|l| scores(&l.mean)),
        score_sem: score.map(|l| scores(&l.sem)),
        per_fold: layer.scores.as_ref().map(squeezed),
        confusion: layer
            .confusion
            .as_ref()
            .map(|c| if layer.grid == [1, 1] { Array { shape: c.shape[1..].to_vec(), values: c.values.clone() } } else { c.clone() }),
    })
}

/// What the run of a layer is given.
pub(super) struct Run<'a> {
    pub spec: &'a Spec,
    pub problem: &'a Problem<'a>,
    pub splits: &'a [Split],
    pub progress: &'a Part<'a>,
    pub context: &'a Context<'a>,
}

/// What the run of a layer has found.
#[derive(Default)]
pub(super) struct Found {
    /// Iterations x behaviors x splits (one split for correlations).
    pub scores: Vec<f64>,
    /// Confusions, iterations x splits x true x predicted, or summed over splits, or none.
    pub counts: Vec<f64>,
    /// Best units, iterations x behaviors.
    pub units: Vec<usize>,
    /// Those of each split.
    pub fold_units: Vec<usize>,
    pub n_features: usize,
    pub n_unfinished: u32,
}

/// Which counts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    EachSplit,
    Sums,
    Nothing,
}

impl Run<'_> {
    /// What fits into [`MAX_COUNTS`].
    pub(super) fn keeps(&self, n_iterations: usize) -> Keep {
        let k = self.problem.behavior.n_classes();
        let sums = n_iterations.saturating_mul(k * k);
        match () {
            () if sums.saturating_mul(self.splits.len()) <= MAX_COUNTS => Keep::EachSplit,
            () if sums <= MAX_COUNTS => Keep::Sums,
            () => Keep::Nothing,
        }
    }
}

impl Found {
    /// Adds the splits of one iteration.
    pub(super) fn add(&mut self, outcomes: &[Outcome], keep: Keep) {
        let n_behaviors = outcomes.first().map_or(0, |o| o.scores.len());
        for k in 0..n_behaviors {
            self.scores.extend(outcomes.iter().map(|o| o.scores[k]));
        }
        self.add_counts(outcomes, keep);
        self.n_features = outcomes.iter().map(|o| o.n_features).fold(self.n_features, usize::max);
        self.n_unfinished += outcomes.iter().map(|o| u32::from(!o.converged)).sum::<u32>();
    }

    pub(super) fn add_counts(&mut self, outcomes: &[Outcome], keep: Keep) {
        match keep {
            Keep::EachSplit => outcomes.iter().for_each(|o| self.counts.extend(&o.counts)),
            Keep::Sums => {
                let n = outcomes.first().map_or(0, |o| o.counts.len());
                self.counts.extend((0..n).map(|i| outcomes.iter().map(|o| o.counts[i]).sum::<f64>()));
            }
            Keep::Nothing => {}
        }
    }

    /// The result of the layer.
    pub(super) fn layer(self, run: &Run<'_>, activation: &Activation<'_>) -> Layer {
        let iterate = run.spec.iterate;
        let grid = activation.grid(iterate);
        let (n_iterations, n_behaviors, n_splits) = (grid[0] * grid[1], run.problem.behavior.len(), run.splits.len());
        let defined: Vec<Vec<f64>> =
            self.scores.chunks(n_splits.max(1)).map(|scores| scores.iter().copied().filter(|v| v.is_finite()).collect()).collect();
        let over = |of: fn(&[f64]) -> f64| Array::matrix(n_iterations, n_behaviors, defined.iter().map(|scores| of(scores)).collect());
        let cube = |a: usize, b: usize, c: usize, values: Vec<f64>| Array { shape: vec![small(a), small(b), small(c)], values };
        let k = run.problem.behavior.n_classes();
        let keep = run.keeps(n_iterations);
        if k > 0 && keep == Keep::Nothing {
            let message = format!("{n_iterations} confusion matrices of {k} classes are too many to keep; probe fewer iterations for them");
            run.context.warn("no_confusions", message);
        }
        let sums = || match keep {
            Keep::EachSplit => {
                let add = |all: &[f64]| (0..k * k).map(|i| all.iter().skip(i).step_by(k * k).sum::<f64>()).collect::<Vec<_>>();
                self.counts.chunks(n_splits.max(1) * k * k).flat_map(add).collect()
            }
            Keep::Sums | Keep::Nothing => self.counts.clone(),
        };
        let confusion = (k > 0 && keep != Keep::Nothing).then(|| cube(n_iterations, k, k, sums()));
        let located = |units: &[usize]| units.iter().flat_map(|&unit| activation.location(unit)).map(stats::count).collect::<Vec<_>>();
        let (units, fold_units) = (located(&self.units), located(&self.fold_units));
        Layer {
            name: activation.name.into(),
            shape: [activation.channels, activation.rows, activation.columns].map(small),
            grid: grid.map(small),
            n_units: small(activation.width(iterate)),
            n_features: small(self.n_features),
            mean: over(mean),
            sem: over(sem),
            scores: (n_splits > 0).then(|| cube(n_iterations, n_behaviors, n_splits, self.scores.clone())),
            confusion,
            fold_confusions: (k > 0 && keep == Keep::EachSplit).then(|| cube(n_iterations * n_splits, k, k, self.counts.clone())),
            location: (!units.is_empty()).then(|| cube(n_iterations, n_behaviors, 3, units)),
            fold_locations: (!fold_units.is_empty()).then(|| cube(n_iterations * n_behaviors, n_splits, 3, fold_units)),
            models: None,
            n_unfinished: self.n_unfinished,
        }
    }
}

pub(super) fn output(spec: &Spec, behavior: &Behavior, n_samples: usize, n_splits: usize, layers: Vec<Layer>) -> Output {
    let classes = if let Behavior::Classes { names, .. } = behavior { names.clone() } else { Vec::new() };
    Output {
        estimator: spec.estimator,
        map: spec.map,
        iterate: spec.iterate,
        metric: spec.estimator.metric(spec.score).into(),
        nested: spec.nested,
        behaviors: behavior.names(),
        classes,
        chance: behavior.chance(),
        n_samples: small(n_samples),
        n_folds: small(n_splits),
        layers,
    }
}
