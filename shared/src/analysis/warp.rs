//! Warping networks to responses, classes or RDMs along few dimensions.

#[cfg(feature = "network")]
mod network;
#[cfg(all(test, feature = "network"))]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Context, extraction};
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::stats::{count, small};
use crate::warp::sweep::{self, Needed, Target, dimensions};
use crate::warp::{Group, Split, Training};
use crate::{Error, Estimate};

/// Resampled sweeps of an interval.
const RESAMPLES: u32 = 1000;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Networks, each with the layers that are read out.
    pub models: Vec<Model>,
    /// What they are warped to.
    pub objectives: Vec<Objective>,
    /// Numbers of dimensions, 0 for the read-out alone.
    pub dims: Vec<u32>,
    /// Also train all parameters by themselves, as a reference.
    pub full: bool,
    /// One sweep for each.
    pub seeds: Vec<u32>,
    /// Which samples train, validate and test.
    pub split: Split,
    /// How it is trained.
    pub training: Training,
    /// What score counts as reached.
    pub target: Target,
    /// What it is measured by.
    pub reference: Reference,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            objectives: Vec::new(),
            dims: dimensions(10, 10_000),
            full: false,
            seeds: vec![0],
            split: Split::default(),
            training: Training::default(),
            target: Target::Gain(0.9),
            reference: Reference::Best,
        }
    }
}

/// A network that is warped.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// The network, the images and the layers that are read out together; `reading` is `full` or `avg`.
    pub extraction: extraction::Spec,
    /// Groups of parameters with a scaler each (SAID); without any there are no scalers (DID).
    pub groups: Vec<Group>,
}

/// What a network is warped to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Responses to the images, by name: n x targets.
    Encoding(String),
    /// A class for each image.
    Classes(Labels),
    /// An RDM of the images, by name: n x n, or the vector of its pairs.
    Rsa(String),
}

/// What a sweep is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The best score of the sweep.
    #[default]
    Best,
    /// That of training all parameters.
    Full,
    /// This score.
    Score(f64),
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// One for each model, objective, number of dimensions and seed.
    pub points: Vec<Point>,
    /// One for each model and objective.
    pub curves: Vec<Curve>,
}

/// One trained warp.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Number of the model in the spec.
    pub model: u32,
    /// Number of the objective in the spec.
    pub objective: u32,
    /// Dimensions; nothing where all parameters are trained.
    pub d: Option<u32>,
    /// Its seed.
    pub seed: u32,
    /// Its scores.
    #[serde(flatten)]
    pub scores: Scores,
    /// Epochs that were trained.
    pub epochs: u32,
    /// The epoch that validated best, from 1; 0 where nothing was trained.
    pub best_epoch: u32,
    /// Time, where there was a clock.
    pub seconds: Option<f64>,
    /// Mean training loss of each epoch.
    pub losses: Vec<f64>,
    /// Validation score after each epoch; nothing where there is none.
    pub validations: Vec<Option<f64>>,
}

/// Scores on validation and test samples, by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scores {
    /// Explained variance, the mean over targets.
    R2 {
        /// Of the validation samples at the best epoch.
        val_r2: Option<f64>,
        /// Of the test samples.
        test_r2: Option<f64>,
    },
    /// Share of samples whose class is found.
    Accuracy {
        /// Of the validation samples at the best epoch.
        val_accuracy: Option<f64>,
        /// Of the test samples.
        test_accuracy: Option<f64>,
    },
    /// Pearson correlation of the RDM of the features with the given one.
    Rsa {
        /// Of the validation samples at the best epoch.
        val_rsa: Option<f64>,
        /// Of the test samples.
        test_rsa: Option<f64>,
    },
}

impl Scores {
    /// The score of the test samples.
    #[must_use]
    pub fn test(&self) -> Option<f64> {
        match *self {
            Self::R2 { test_r2: test, .. } | Self::Accuracy { test_accuracy: test, .. } | Self::Rsa { test_rsa: test, .. } => test,
        }
    }

    /// The score of the validation samples.
    #[must_use]
    pub fn validation(&self) -> Option<f64> {
        match *self {
            Self::R2 { val_r2: val, .. } | Self::Accuracy { val_accuracy: val, .. } | Self::Rsa { val_rsa: val, .. } => val,
        }
    }
}

/// A sweep of one model for one objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Number of the model in the spec.
    pub model: u32,
    /// Number of the objective in the spec.
    pub objective: u32,
    /// Name of the network.
    pub network: String,
    /// Layers that are read out.
    pub layers: Vec<String>,
    /// Name of what it is warped to.
    pub target: String,
    /// Dimensions that all seeds have.
    pub dims: Vec<u32>,
    /// Mean test score over seeds, for each of them.
    pub mean: Vec<f64>,
    /// Standard error of that mean; nothing with one seed.
    pub sem: Option<Vec<f64>>,
    /// Mean test score of training all parameters.
    pub full: Option<f64>,
    /// Dimensions that reach the target score, along the running maximum; nothing while the sweep goes on.
    pub d_warp: Option<Needed>,
    /// Where the curve stays above the target score.
    pub d_warp_last: Option<Needed>,
    /// Interval of 95 % by resampling seeds; the ends of what is censored are 0 and nothing.
    pub interval: Option<[Option<f64>; 2]>,
}

/// One point of a sweep, as a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Number of the model in the spec.
    pub model: u32,
    /// Number of the objective in the spec.
    pub objective: u32,
    /// Dimensions; nothing where all parameters are trained.
    pub d: Option<u32>,
    /// Its seed.
    pub seed: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.d {
            Some(d) => write!(f, "d = {d}, seed {}", self.seed),
            None => write!(f, "all parameters, seed {}", self.seed),
        }
    }
}

impl Point {
    /// Where it is in the sweep.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { model: self.model, objective: self.objective, d: self.d, seed: self.seed }
    }
}

/// The points as a table: the columns of `encoder_warping` and ours, one row for each.
#[must_use]
pub fn results_csv(output: &Output) -> String {
    let score = match output.points.first().map(|p| p.scores) {
        Some(Scores::Accuracy { .. }) => "accuracy",
        Some(Scores::Rsa { .. }) => "rsa",
        Some(Scores::R2 { .. }) | None => "r2",
    };
    let mut out = format!("run,test_{score},low_dim,val_{score},seed,best_epoch,epochs,seconds\n");
    let text = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    for point in &output.points {
        let of = |curve: &&Curve| (curve.model, curve.objective) == (point.model, point.objective);
        let run = output.curves.iter().find(of).map_or_else(String::new, |curve| {
            format!("neural-data={}_arch={}_layer={}", curve.target, curve.network, curve.layers.join("+"))
        });
        let d = point.d.map_or_else(|| "full".into(), |d| d.to_string());
        let (test, validation) = (text(point.scores.test()), text(point.scores.validation()));
        let quoted = if run.contains([',', '"']) { format!("\"{}\"", run.replace('"', "\"\"")) } else { run };
        out.push_str(&format!(
            "{quoted},{test},{d},{validation},{},{},{},{}\n",
            point.seed,
            point.best_epoch,
            point.epochs,
            text(point.seconds)
        ));
    }
    out
}

impl Objective {
    /// Name of the input.
    #[must_use]
    pub fn input(&self) -> &str {
        match self {
            Self::Encoding(name) | Self::Rsa(name) => name,
            Self::Classes(labels) => &labels.input,
        }
    }

    /// What its scores are called.
    #[must_use]
    pub fn score(&self) -> &'static str {
        match self {
            Self::Encoding(_) => "R²",
            Self::Classes(_) => "accuracy",
            Self::Rsa(_) => "RDM correlation",
        }
    }
}

impl Spec {
    pub(super) fn inputs(&self) -> Vec<String> {
        let models = self.models.iter().flat_map(|model| model.extraction.inputs());
        let parts = if let Split::Given(name) = &self.split { Some(name.clone()) } else { None };
        models.chain(self.objectives.iter().map(|objective| objective.input().to_owned())).chain(parts).collect()
    }

    pub(super) fn estimate(&self, shapes: &Shapes) -> Estimate {
        let points = count(self.places().len());
        let mut total = Estimate { flops: 0.0, peak_bytes: 0.0 };
        for model in &self.models {
            let once = model.extraction.estimate(shapes);
            let (n_weights, _) = shapes.of(&model.extraction.network);
            // Forward and back is three times forward; sweeps mostly end after a fifth of their epochs.
            let epochs = (f64::from(self.training.epochs) / 5.0).max(1.0);
            total.flops += once.flops * 3.0 * epochs * points / count(self.models.len());
            // Parameters, gradients, random maps; some tens of values for each weight and image stay until the way back.
            let values = 0.3 * n_weights * f64::from(self.training.batch) * 4.0;
            total.peak_bytes = total.peak_bytes.max(once.peak_bytes + 40.0 * n_weights + values);
        }
        total
    }

    /// All points, in the order in which they are trained.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let dims = || self.dims.iter().copied().collect::<BTreeSet<_>>().into_iter().map(Some).chain(self.full.then_some(None));
        let mut out = Vec::new();
        for model in 0..small(self.models.len()) {
            for objective in 0..small(self.objectives.len()) {
                for seed in &self.seeds {
                    out.extend(dims().map(|d| Place { model, objective, d, seed: *seed }));
                }
            }
        }
        out
    }

    fn check(&self) -> Result<(), Error> {
        for (is_empty, what, message) in [
            (self.models.is_empty(), "models", "name a network, its images and its layers"),
            (self.objectives.is_empty(), "objectives", "name responses, classes or an RDM"),
            (self.dims.is_empty() && !self.full, "dims", "name numbers of dimensions, for example 0, 10, 100, 1000"),
            (self.seeds.is_empty(), "seeds", "name at least one seed"),
        ] {
            if is_empty {
                return Err(Error::parameter(what, message));
            }
        }
        let (Target::Gain(share) | Target::Absolute(share)) = self.target;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::parameter("target", format!("a share of {share}; it is above 0 and at most 1")));
        }
        if self.reference == Reference::Full && !self.full {
            return Err(Error::parameter("reference", "training all parameters is the reference but is not asked for; set `full`"));
        }
        Ok(())
    }

    /// Curves of the points there are.
    fn curves(&self, points: &[Point], layers: &dyn Fn(u32) -> Vec<String>) -> Result<Vec<Curve>, Error> {
        let mut out = Vec::new();
        for model in 0..small(self.models.len()) {
            for objective in 0..small(self.objectives.len()) {
                let own: Vec<&Point> = points.iter().filter(|p| (p.model, p.objective) == (model, objective)).collect();
                if own.is_empty() {
                    continue;
                }
                out.push(self.curve(model, objective, &own, layers(model))?);
            }
        }
        Ok(out)
    }

    fn curve(&self, model: u32, objective: u32, points: &[&Point], layers: Vec<String>) -> Result<Curve, Error> {
        let score = |d: Option<u32>, seed: u32| points.iter().find(|p| p.d == d && p.seed == seed).and_then(|p| p.scores.test());
        let wanted: BTreeSet<u32> = self.dims.iter().copied().collect();
        // Dimensions that every seed has.
        let of_seeds = |d: Option<u32>| self.seeds.iter().map(|seed| score(d, *seed)).collect::<Option<Vec<f64>>>();
        let table: Vec<(u32, Vec<f64>)> = wanted.iter().filter_map(|d| Some((*d, of_seeds(Some(*d))?))).collect();
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / count(scores.len());
        let means: Vec<f64> = table.iter().map(|(_, scores)| mean(scores)).collect();
        let dims: Vec<u32> = table.iter().map(|(d, _)| *d).collect();
        let sem = |(_, scores): &(u32, Vec<f64>)| crate::stats::sem(scores);
        let full = of_seeds(None).map(|scores| mean(&scores));
        let reference = match self.reference {
            Reference::Best => Some(None),
            Reference::Full => full.map(Some),
            Reference::Score(score) => Some(Some(score)),
        };
        let is_done = dims.len() == wanted.len() && dims.len() > 1 && dims[0] == 0;
        let (mut d_warp, mut d_warp_last, mut interval) = (None, None, None);
        if let (true, Some(reference)) = (is_done, reference) {
            d_warp = Some(sweep::needed(&dims, &means, self.target, reference)?);
            d_warp_last = Some(sweep::last(&dims, &means, self.target, reference)?);
            if self.seeds.len() > 1 {
                let by_seed = |s: usize| table.iter().map(|(_, scores)| scores[s]).collect();
                let scores: Vec<Vec<f64>> = (0..self.seeds.len()).map(by_seed).collect();
                let ends = sweep::interval(&dims, &scores, self.target, reference, (RESAMPLES, 0.95, 0))?;
                interval = Some(ends.map(|end| Some(end).filter(|end| end.is_finite())));
            }
        }
        let extraction = &self.models[model as usize].extraction;
        Ok(Curve {
            model,
            objective,
            network: extraction.network.clone(),
            layers,
            target: self.objectives[objective as usize].input().to_owned(),
            sem: (self.seeds.len() > 1).then(|| table.iter().map(sem).collect()),
            mean: means,
            dims,
            full,
            d_warp,
            d_warp_last,
            interval,
        })
    }
}

/// Warps networks along random subspaces of their parameters.
///
/// # Definition
/// Each tensor of parameters becomes `start + scaler F(theta)`, F the random map of [`Fastfood`](crate::warp::Fastfood) with the seed of the point; theta begins at
/// 0, scalers (one for each group) at 1. A linear read-out of the layers is trained beside them: mean squared error for responses, cross-entropy for
/// classes. For an RDM there is no read-out: 1 - the Pearson correlation of correlation distances within a batch. Steps are Adam's. The score is R² (mean over targets), accuracy, or the
/// correlation of RDMs on the test samples, at the epoch that validated best. `d = 0` trains the read-out alone. `d_warp` is the number of dimensions whose mean score reaches the target
/// (see [`sweep::needed`]).
///
/// # Shapes
/// n images and n rows of responses, labels, or an n x n RDM → one point for each model, objective, number of dimensions and seed.
///
/// # Degenerate
/// Constant targets and RDMs of constant features have no score: `None`. Constant rows of features are left out of an RDM.
///
/// # Accuracy
/// The network in single precision, losses and scores in double. Deterministic on one device for any number of threads.
///
/// # Cost
/// Three times the network for each image and epoch, and four Walsh-Hadamard transforms of all parameters for each step. What no trained parameter changes is computed once
/// where it fits into 2 GiB. Memory for the values of a batch, and 8 bytes for each parameter's place in the random map.
///
/// # Errors
/// [`Error::Parameter`] for settings that make no sense, [`Error::Input`] for a node without a gradient, [`Error::Numerical`] when a loss is no number any more.
///
/// # Source
/// `encoder_warping`; Li et al. 2018 (intrinsic dimension), Aghajanyan et al. 2020 (scalers). Unlike the first: normalizations keep the statistics of the file
/// while training, and what is tested is the network of the best epoch, not of the last.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    #[cfg(feature = "network")]
    return network::run(spec, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(extraction::without_networks(spec, inputs, context))
}

/// One point.
pub(crate) async fn run_place(spec: &Spec, place: Place, inputs: &Inputs, context: &Context<'_>) -> Result<Point, Error> {
    spec.check()?;
    #[cfg(feature = "network")]
    return network::run_place(spec, place, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(extraction::without_networks(&(spec, place), inputs, context))
}

/// A task for each point; nothing for a single one.
pub(crate) fn divide(spec: &Spec) -> Vec<Place> {
    let places = spec.places();
    if places.len() < 2 { Vec::new() } else { places }
}

/// The spec of one point: what it is made of, whatever else its sweep has.
pub(crate) fn alone(spec: &Spec, place: Place) -> Option<Spec> {
    Some(Spec {
        models: vec![spec.models.get(place.model as usize)?.clone()],
        objectives: vec![spec.objectives.get(place.objective as usize)?.clone()],
        dims: place.d.into_iter().collect(),
        full: place.d.is_none(),
        seeds: vec![place.seed],
        split: spec.split.clone(),
        training: spec.training,
        ..Spec::default()
    })
}

/// The sweep of points that are done, without those that were left out; each piece takes its place from its task, as a piece of another sweep may have other numbers.
pub(crate) fn join(spec: &Spec, points: impl Iterator<Item = Result<Option<Point>, Error>>) -> Result<Output, Error> {
    let placed = |(place, point): (Place, Result<Option<Point>, Error>)| {
        let Some(point) = point? else { return Ok(None) };
        if (point.d, point.seed) != (place.d, place.seed) {
            return Err(Error::internal(format!("the piece of {place:?} is of another point")));
        }
        Ok(Some(Point { model: place.model, objective: place.objective, ..point }))
    };
    let placed = spec.places().into_iter().zip(points).map(placed);
    let points: Vec<Point> = placed.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let named = |model: u32| spec.models[model as usize].extraction.layers.clone();
    let curves = spec.curves(&points, &named)?;
    Ok(Output { points, curves })
}
