//! Distances between representations whose responses vary: means and covariances, distributions, processes.

#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::Context;
use super::shape_distance::part_of_rows;
use crate::dataset::{Dataset, Inputs, Shapes, Values, shape_text};
use crate::shapes::{Energy, Gaussian, Group, Process, Responses, Weights};
use crate::stats::count;
use crate::{Array, Error, Estimate, parallel};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs (at least two): conditions x repeats x neurons; for `process` trials x times x neurons; means (conditions x neurons) where there
    /// are `covariances`.
    pub inputs: Vec<String>,
    /// For `gaussian`: names of inputs with covariances, conditions x neurons x neurons, in the order of `inputs`. Computed from repeats if empty.
    pub covariances: Vec<String>,
    /// Which distance.
    pub metric: Metric,
    /// 2 compares means only, 1 is the 2-Wasserstein distance, 0 compares covariances only. Not used by `energy`.
    pub alpha: f64,
    /// Maps of neurons that are free.
    pub group: Group,
    /// Weights of means and covariances in the fit.
    pub weights: Weights,
    /// Added to the diagonals of covariances.
    pub ridge: f64,
    /// Random starts of a fit; 0 is one start at the alignment of the means.
    pub n_random: u32,
    /// Decrease of the loss that ends a fit; 1e-8, for `energy` 1e-6, if absent.
    pub tol: Option<f64>,
    /// Most iterations of a fit.
    pub max_iter: u32,
    /// Fraction of the conditions (seeded random choice) that maps are fitted on; the rest gives held-out distances.
    pub train_fraction: Option<f64>,
    /// Seed of starts and of that choice; at most 2^53.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            covariances: Vec::new(),
            metric: Metric::Gaussian,
            alpha: 1.0,
            group: Group::Orthogonal,
            weights: Weights::Sqrt,
            ridge: 1e-6,
            n_random: 0,
            tol: None,
            max_iter: 1000,
            train_fraction: None,
            seed: 0,
        }
    }
}

/// Which distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Means and covariances of each condition.
    #[default]
    Gaussian,
    /// Distances between single responses: no assumption about their distribution.
    Energy,
    /// The mean over time and the covariance over all times and neurons.
    Process,
    /// As `process`, with the covariances of each time only.
    Marginal,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the inputs.
    pub names: Vec<String>,
    /// Distances on the conditions fitted on, K x K, symmetric, zero diagonal.
    pub distances: Array,
    /// Distances on the held-out conditions, when there are any.
    pub test_distances: Option<Array>,
    /// Iterations of each fit, K x K.
    pub iterations: Array,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.iter().chain(&self.covariances).cloned().collect()
    }

    /// What the run will cost: about fifty iterations for each pair and start.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let shape: Vec<f64> =
            self.inputs.first().and_then(|name| shapes.0.get(name)).map_or_else(Vec::new, |s| s.iter().map(|n| count(*n)).collect());
        let at = |i: usize| shape.get(i).copied().unwrap_or(1.0);
        let (m, r, n) = if self.covariances.is_empty() { (at(0), at(1), at(2)) } else { (at(0), 1.0, at(1)) };
        let k = count(self.inputs.len());
        let step = match self.metric {
            Metric::Gaussian => m * 26.0 * n * n * n,
            Metric::Energy => m * r * r * 3.0 * n + 20.0 * n * n * n,
            Metric::Process => 26.0 * (r * n).powi(3),
            Metric::Marginal => r * 26.0 * n * n * n,
        };
        let values = match self.metric {
            Metric::Process => (r * n).powi(2) + m * r * n,
            Metric::Marginal => r * n * n + m * r * n,
            Metric::Gaussian | Metric::Energy => m * n * n + m * r * n,
        };
        let starts = f64::from(self.n_random.max(1));
        Estimate { flops: k * (k - 1.0).max(0.0) / 2.0 * starts * 50.0 * step, peak_bytes: 8.0 * (k * values + 6.0 * values) }
    }

    fn check(&self) -> Result<(), Error> {
        let k = self.inputs.len();
        if k < 2 {
            return Err(Error::parameter("inputs", format!("{k} named; a distance needs at least 2 inputs")));
        }
        if !self.covariances.is_empty() && (self.metric != Metric::Gaussian || self.covariances.len() != k) {
            let message = if self.metric == Metric::Gaussian {
                format!("{} named for {k} inputs; name one for each, or none", self.covariances.len())
            } else {
                "covariances are given to gaussian only; the others need single responses".into()
            };
            return Err(Error::parameter("covariances", message));
        }
        if !(0.0..=2.0).contains(&self.alpha) {
            return Err(Error::parameter("alpha", format!("{} is outside 0..=2 (0 compares covariances only, 2 means only)", self.alpha)));
        }
        if !(self.ridge >= 0.0 && self.ridge.is_finite()) {
            return Err(Error::parameter("ridge", format!("must not be negative, got {}", self.ridge)));
        }
        if self.tol.is_some_and(|tol| tol.is_nan() || tol < 0.0) {
            return Err(Error::parameter("tol", format!("must not be negative, got {}", self.tol.unwrap_or_default())));
        }
        if self.max_iter == 0 || self.n_random > 10_000 {
            return Err(Error::parameter(
                if self.max_iter == 0 { "max_iter" } else { "n_random" },
                "a fit needs at least 1 iteration, and at most 10000 starts",
            ));
        }
        let has_conditions = matches!(self.metric, Metric::Gaussian | Metric::Energy);
        if self.train_fraction.is_some() && !has_conditions {
            return Err(Error::parameter("train_fraction", "a process has no conditions to hold out; leave this out"));
        }
        if self.seed > 1 << 53 {
            return Err(Error::parameter("seed", format!("must be at most 2^53, got {}", self.seed)));
        }
        Ok(())
    }

    fn gaussian(&self) -> Gaussian {
        Gaussian {
            alpha: self.alpha,
            group: self.group,
            weights: self.weights,
            n_random: self.n_random as usize,
            seed: self.seed,
            max_iter: self.max_iter as usize,
            tol: self.tol.unwrap_or(1e-8),
        }
    }

    fn energy(&self) -> Energy {
        Energy { group: self.group, max_iter: self.max_iter as usize, tol: self.tol.unwrap_or(1e-6) }
    }
}

/// One representation, prepared for all its pairs.
enum Network {
    Gaussian(Responses, Option<Responses>),
    Energy(Vec<Mat<f64>>, Vec<Mat<f64>>),
    Process(Process),
}

/// Distances of stochastic responses after the best map of neurons.
///
/// # Definition
/// - `gaussian`: with means m and covariances S of each condition, `q = mean_i(alpha |mX_i - mY_i T|^2 + (2 - alpha) Bures^2(S^X_i, T' S^Y_i T))`, the
///   distance `sign(q) sqrt|q|`; T is fitted by alternation ([`shapes::Gaussian`](crate::shapes::Gaussian)). `ridge` is added to the diagonals.
/// - `energy`: `sqrt(max(0, mean_i(E|X - Y T| - (E|X - X'| + E|Y - Y'|) / 2)))` over repeats of condition i; T minimizes the first mean
///   ([`shapes::Energy`](crate::shapes::Energy)).
/// - `process`: as `gaussian` with one condition: the mean over time and the covariance over times and neurons, T the same at all times; `marginal`: with the
///   covariances of each time, times as conditions.
///
/// Covariances of repeats or trials divide by their number minus 1.
///
/// # Shapes
/// K inputs (conditions, repeats, neurons), or (trials, times, neurons) → K x K.
///
/// # Degenerate
/// One repeat has no covariance: an error. With fewer repeats than neurons covariances have zero eigenvalues, which `ridge` lifts.
///
/// # Accuracy
/// A fit ends when its loss falls by less than `tol` (after three iterations); the distance is a local optimum of it, which random starts improve. Equal
/// shapes come out at about 1e-7 of the size of the data. Deterministic for any number of threads.
///
/// # Cost
/// An iteration of a pair: one decomposition n x n per condition (`gaussian`, `marginal`), of order times x neurons for `process`, all pairs of repeats for
/// `energy`.
///
/// # Errors
/// [`Error::Parameter`] for numbers out of range, [`Error::Shape`] for inputs of different or wrong shapes, [`Error::NonFinite`], [`Error::Numerical`] for
/// covariances with negative eigenvalues, [`Error::Canceled`].
///
/// # Source
/// Duong, Zhou, Nassar, Berman, Olieslagers & Williams 2023; Nejatbakhsh, Geadah, Williams & Lipshutz 2024; netrep `GaussianStochasticMetric`,
/// `EnergyStochasticMetric`.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    let k = spec.inputs.len();
    let datasets = spec.inputs.iter().map(|name| inputs.get("inputs", name)).collect::<Result<Vec<_>, _>>()?;
    same_shapes(&datasets, spec)?;
    let n_conditions = datasets[0].shape()[0];
    let (train, test) = match spec.train_fraction {
        Some(fraction) => part_of_rows(fraction, n_conditions, spec.seed)?,
        None => ((0..n_conditions).collect(), Vec::new()),
    };
    let mut networks = Vec::with_capacity(k);
    for (i, dataset) in datasets.iter().enumerate() {
        context.step(0.2 * count(i) / count(k), &format!("reading {}", spec.inputs[i]))?;
        networks.push(prepare(spec, dataset, spec.covariances.get(i), inputs, &train, &test)?);
    }
    let pairs: Vec<(usize, usize)> = (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).collect();
    let mut distances = Mat::zeros(k, k);
    let mut tests = (!test.is_empty()).then(|| Mat::zeros(k, k));
    let mut iterations = Mat::zeros(k, k);
    let mut n_open = 0;
    let at_once = parallel::threads();
    for (at, some) in pairs.chunks(at_once).enumerate() {
        let done = count(at * at_once) / count(pairs.len());
        context.step(0.2 + 0.8 * done, &format!("{} and {}", spec.inputs[some[0].0], spec.inputs[some[0].1]))?;
        let found = parallel::map(some.len(), |p| compare(spec, &networks[some[p].0], &networks[some[p].1]));
        for (&(i, j), found) in some.iter().zip(found) {
            let found = found?;
            for at in [(i, j), (j, i)] {
                distances[at] = found.train;
                iterations[at] = count(found.n_iter);
                tests.iter_mut().for_each(|tests| tests[at] = found.test);
            }
            n_open += usize::from(found.n_iter >= spec.max_iter as usize);
        }
    }
    if n_open > 0 {
        let message = format!("{n_open} of {} fits reached {} iterations; allow more, or a larger tolerance", pairs.len(), spec.max_iter);
        context.warn("not_converged", message);
    }
    Ok(Output {
        names: spec.inputs.clone(),
        distances: Array::from_mat(distances.as_ref()),
        test_distances: tests.map(|tests| Array::from_mat(tests.as_ref())),
        iterations: Array::from_mat(iterations.as_ref()),
    })
}

/// What a pair gives.
struct Found {
    train: f64,
    test: f64,
    n_iter: usize,
}

fn compare(spec: &Spec, x: &Network, y: &Network) -> Result<Found, Error> {
    match (x, y) {
        (Network::Gaussian(x, held_x), Network::Gaussian(y, held_y)) => {
            let metric = spec.gaussian();
            let fit = metric.fit(x, y)?;
            let held = held_x.as_ref().zip(held_y.as_ref());
            let test = held.map_or(Ok(f64::NAN), |(x, y)| metric.score(x, y, &fit.map))?;
            Ok(Found { train: metric.score(x, y, &fit.map)?, test, n_iter: fit.losses.len() })
        }
        (Network::Energy(x, held_x), Network::Energy(y, held_y)) => {
            let metric = spec.energy();
            let fit = metric.fit(x, y)?;
            let test = if held_x.is_empty() { f64::NAN } else { metric.score(held_x, held_y, &fit.map)? };
            Ok(Found { train: metric.score(x, y, &fit.map)?, test, n_iter: fit.losses.len() })
        }
        (Network::Process(x), Network::Process(y)) => {
            let metric = spec.gaussian();
            let fit = metric.fit_process(x, y)?;
            Ok(Found { train: metric.score_process(x, y, &fit.map)?, test: f64::NAN, n_iter: fit.losses.len() })
        }
        _ => Err(Error::internal("networks of two kinds")),
    }
}

fn same_shapes(datasets: &[&Dataset], spec: &Spec) -> Result<(), Error> {
    let axes = match (spec.metric, spec.covariances.is_empty()) {
        (Metric::Gaussian | Metric::Energy, true) => "conditions x repeats x neurons",
        (Metric::Gaussian | Metric::Energy, false) => "conditions x neurons (means)",
        (Metric::Process | Metric::Marginal, _) => "trials x times x neurons",
    };
    let n_axes = if spec.covariances.is_empty() { 3 } else { 2 };
    for dataset in datasets {
        dataset.reject_non_finite()?;
        let shape = dataset.shape();
        if shape.len() != n_axes || shape.contains(&0) {
            return Err(Error::Shape { what: dataset.name.clone(), expected: axes.into(), got: shape_text(shape) });
        }
        // Repeats and trials may differ; what they are repeats of may not.
        let first = datasets[0].shape();
        let free = match spec.metric {
            Metric::Gaussian | Metric::Energy => 1,
            Metric::Process | Metric::Marginal => 0,
        };
        if (0..n_axes).any(|axis| (axis != free || n_axes == 2) && shape[axis] != first[axis]) {
            let expected = format!("{} ({axes}) as in {}", shape_text(first), datasets[0].name);
            return Err(Error::Shape { what: dataset.name.clone(), expected, got: shape_text(shape) });
        }
        if n_axes == 3 && shape[free] < 2 {
            let what = if free == 1 { "repeats of each condition" } else { "trials" };
            return Err(Error::Shape { what: dataset.name.clone(), expected: format!("at least 2 {what}"), got: shape_text(shape) });
        }
    }
    Ok(())
}

fn prepare(
    spec: &Spec,
    dataset: &Dataset,
    covariances: Option<&String>,
    inputs: &Inputs,
    train: &[usize],
    test: &[usize],
) -> Result<Network, Error> {
    let held = |x: Result<Responses, Error>| if test.is_empty() { Ok(None) } else { x.map(Some) };
    if let Some(name) = covariances {
        let covariances = inputs.get("covariances", name)?;
        covariances.reject_non_finite()?;
        let n = dataset.shape()[1];
        if covariances.shape() != [dataset.shape()[0], n, n] {
            let expected =
                format!("{} x {n} x {n} (conditions x neurons x neurons), for the means of {}", dataset.shape()[0], dataset.name);
            return Err(Error::Shape { what: name.clone(), expected, got: shape_text(covariances.shape()) });
        }
        let means = dataset.matrix()?.to_mat();
        let of = |rows: &[usize]| {
            let some: Vec<Mat<f64>> = rows.iter().map(|i| slice(covariances, *i)).collect();
            Responses::new(Mat::from_fn(rows.len(), n, |i, j| means[(rows[i], j)]), &some, spec.ridge)
        };
        return Ok(Network::Gaussian(of(train)?, held(of(test))?));
    }
    let some = |rows: &[usize]| rows.iter().map(|i| slice(dataset, *i)).collect::<Vec<_>>();
    Ok(match spec.metric {
        Metric::Gaussian => {
            Network::Gaussian(Responses::of_repeats(&some(train), spec.ridge)?, held(Responses::of_repeats(&some(test), spec.ridge))?)
        }
        Metric::Energy => Network::Energy(some(train), some(test)),
        Metric::Process => Network::Process(Process::of_trials(&some(train), spec.ridge)?),
        Metric::Marginal => {
            // Times become conditions.
            let trials = some(train);
            let (t, n) = trials[0].shape();
            let times: Vec<Mat<f64>> = (0..t).map(|time| Mat::from_fn(trials.len(), n, |trial, j| trials[trial][(time, j)])).collect();
            Network::Gaussian(Responses::of_repeats(&times, spec.ridge)?, None)
        }
    })
}

/// Matrix i of a stack.
fn slice(dataset: &Dataset, i: usize) -> Mat<f64> {
    let shape = dataset.shape();
    match &*dataset.values {
        Values::F32(a) => Mat::from_fn(shape[1], shape[2], |r, c| f64::from(a[[i, r, c].as_slice()])),
        Values::F64(a) => Mat::from_fn(shape[1], shape[2], |r, c| a[[i, r, c].as_slice()]),
    }
}
