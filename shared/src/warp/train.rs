//! Training a network, or few values that warp it, for an objective.
//!
//! Normalizations stay as they are used for inference (stored statistics), in training as in validation and test; `encoder_warping` switches to the statistics of batches
//! without saying so. The parameters, the read-out and the scalers of the epoch with the best validation score are those that are tested; it tests the last
//! epoch's network with the best epoch's read-out.

use std::collections::{BTreeMap, BTreeSet};

use super::objective::Objective;
use super::settings::{Head, Parts, Schedule, Start, Training};
use super::{Group, Subspace};
use crate::network::{Constant, Network, Reading, Tensor};
use crate::rng::Stream;
use crate::stats::count;
use crate::{Error, Progress};

mod head;
mod layers;
mod samples;
mod steps;
#[cfg(test)]
mod tests;

use head::Readout;
pub(crate) use samples::Samples;
use steps::Steps;

/// What can change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Freedom {
    /// The read-out alone.
    Nothing,
    /// So many values, scalers of groups among them.
    Subspace(u32, Vec<Group>),
    /// Every parameter by itself.
    All,
}

/// What is trained on what.
pub(crate) struct Problem<'a> {
    pub(crate) network: &'a Network,
    /// Layers that are read out, one after the other.
    pub(crate) layers: Vec<String>,
    /// How their positions are read.
    pub(crate) reading: Reading,
    pub(crate) samples: &'a dyn Samples,
    pub(crate) parts: Parts,
    pub(crate) objective: Objective,
}

/// One pass through the training samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Epoch {
    /// Mean loss over its steps.
    pub(crate) loss: f64,
    /// Validation score after it.
    pub(crate) validation: f64,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trained {
    pub(crate) epochs: Vec<Epoch>,
    /// From 1; 0 for the start.
    pub(crate) best_epoch: usize,
    pub(crate) validation: f64,
    pub(crate) test: f64,
    /// Values that were trained, the read-out's left out.
    pub(crate) n_free: usize,
}

/// What is trained, at some moment.
#[derive(Debug, Clone)]
struct State {
    theta: Option<Tensor>,
    scalers: Option<Tensor>,
    readout: Option<Readout>,
    /// Parameters that differ from the file's.
    parameters: BTreeMap<String, Tensor>,
}

/// Everything that does not change while it is trained.
struct Setting<'a> {
    problem: &'a Problem<'a>,
    training: Training,
    freedom: Freedom,
    /// Parameters by name, with shapes and values of the file.
    start: Vec<(String, Vec<usize>, Vec<f32>)>,
    subspace: Option<Subspace>,
    /// The read-out's start where it is warped.
    readout_start: Option<Readout>,
    cache: samples::Cache<'a>,
    /// What each layer is divided by.
    rms: Vec<f64>,
}

impl std::fmt::Debug for Problem<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Problem").field("layers", &self.layers).field("reading", &self.reading).finish_non_exhaustive()
    }
}

/// Trains, and scores the test samples with what validated best. `told` hears of every epoch.
///
/// # Errors
/// Those of the network and its images; [`Error::Parameter`] for settings that make no sense; [`Error::Numerical`] when the loss is no number any more.
pub(crate) async fn train(
    problem: &Problem<'_>,
    freedom: &Freedom,
    seed: u64,
    training: &Training,
    progress: &dyn Progress,
    told: &mut dyn FnMut(&[Epoch]),
) -> Result<Trained, Error> {
    check(training, problem)?;
    progress.step(0.0, "values that do not change")?;
    let (setting, mut state) = Setting::new(problem, freedom, seed, *training, progress).await?;
    setting.run(&mut state, seed, progress, told).await
}

fn check(training: &Training, problem: &Problem<'_>) -> Result<(), Error> {
    let above = |value: f64, what: &str| {
        if value > 0.0 && value.is_finite() { Ok(()) } else { Err(Error::parameter(what, format!("{value} is not above 0"))) }
    };
    above(training.lr, "lr")?;
    above(training.low_dim_lr.unwrap_or(training.lr), "low_dim_lr")?;
    above(training.batch.into(), "batch")?;
    if !(training.weight_decay >= 0.0 && training.weight_decay.is_finite()) {
        return Err(Error::parameter("weight_decay", format!("{} is not 0 or above", training.weight_decay)));
    }
    if let Schedule::Exponential(factor) = training.schedule
        && !(factor > 0.0 && factor <= 1.0)
    {
        return Err(Error::parameter("schedule", format!("a factor of {factor} for each epoch; it is above 0 and at most 1")));
    }
    if let Start::Fitted(penalty) = training.start
        && !(penalty >= 0.0 && penalty.is_finite())
    {
        return Err(Error::parameter("start", format!("a penalty of {penalty}; it is 0 or above")));
    }
    if matches!((training.start, &problem.objective), (Start::Pls(_), Objective::Classes { .. })) {
        return Err(Error::parameter(
            "start",
            "partial least squares fits responses; begin the read-out of classes fitted, trained or random",
        ));
    }
    if problem.reading == Reading::Max {
        return Err(Error::parameter("reading", "layers are warped with all their positions or with their mean, not with their largest"));
    }
    let least = problem.objective.least();
    for (rows, what) in [(&problem.parts.validation, "validation"), (&problem.parts.test, "test"), (&problem.parts.train, "training")] {
        if rows.len() < least {
            return Err(Error::parameter("split", format!("{} rows for {what}; an RDM needs at least {least}", rows.len())));
        }
    }
    Ok(())
}

impl<'a> Setting<'a> {
    async fn new(
        problem: &'a Problem<'a>,
        freedom: &Freedom,
        seed: u64,
        training: Training,
        progress: &dyn Progress,
    ) -> Result<(Self, State), Error> {
        let network = problem.network;
        let mut start = Vec::new();
        if *freedom != Freedom::Nothing {
            for (name, shape) in network.parameters_of(&problem.layers)? {
                let values = network.parameter(&name).await?;
                start.push((name, shape, values));
            }
            if start.is_empty() {
                return Err(Error::parameter("layers", "these values depend on no parameter of the network: there is nothing to warp"));
            }
        }
        let names: BTreeSet<&str> = start.iter().map(|(name, ..)| name.as_str()).collect();
        let border = network.border(&names, &problem.layers)?;
        let cache = samples::Cache::new(network, problem.samples, border, progress).await?;
        let mut setting = Self {
            problem,
            training,
            freedom: freedom.clone(),
            start,
            subspace: None,
            readout_start: None,
            cache,
            rms: vec![1.0; problem.layers.len()],
        };
        let mut state = State { theta: None, scalers: None, readout: None, parameters: BTreeMap::new() };
        if problem.layers.len() > 1 {
            setting.rms = setting.measured().await?;
        }
        if let Some(outputs) = problem.objective.n_outputs() {
            state.readout = Some(setting.readout(outputs, seed, progress).await?);
        }
        setting.free(&mut state, seed)?;
        Ok((setting, state))
    }

    /// What can change, at the start.
    fn free(&mut self, state: &mut State, seed: u64) -> Result<(), Error> {
        match self.freedom.clone() {
            Freedom::Nothing => {}
            Freedom::All => state.parameters = self.problem.network.starting_parameters(&self.problem.layers)?,
            Freedom::Subspace(d, mut groups) => {
                let mut tensors: Vec<(String, usize)> = self.start.iter().map(|(name, _, values)| (name.clone(), values.len())).collect();
                if let (Head::Warped, Some(readout)) = (self.training.head, &state.readout) {
                    self.readout_start = Some(readout.clone());
                    tensors.extend([("head.weight".into(), readout.weights.len()), ("head.bias".into(), readout.bias.len())]);
                    if !groups.is_empty() {
                        groups.push(Group { prefixes: vec!["head".into()] });
                    }
                }
                let subspace = Subspace::new(&tensors, d as usize, &groups, seed)?;
                let host = crate::Device::cpu().burn();
                state.theta = Some(Tensor::full(0.0, vec![subspace.d_theta()], &host));
                state.scalers = (subspace.n_scalers() > 0).then(|| Tensor::full(1.0, vec![subspace.n_scalers()], &host));
                self.subspace = Some(subspace);
            }
        }
        Ok(())
    }

    /// The read-out at the start.
    async fn readout(&self, outputs: usize, seed: u64, progress: &dyn Progress) -> Result<Readout, Error> {
        let network = self.problem.network;
        let fit = match self.training.start {
            Start::Random => return Ok(Readout::random(self.width().await?, outputs, seed, network)),
            Start::Trained => return self.trained_readout(outputs, seed, progress).await,
            Start::Fitted(penalty) => head::Fit::Penalized(penalty),
            Start::Pls(components) => head::Fit::Pls(components),
        };
        let train = &self.problem.parts.train;
        let features = self.features(train, &BTreeMap::new(), progress).await?;
        head::fitted(&self.problem.objective, train, &features, fit, network, progress).await
    }

    /// What training the read-out alone comes to. Its features are made of what is kept already.
    async fn trained_readout(&self, outputs: usize, seed: u64, progress: &dyn Progress) -> Result<Readout, Error> {
        let network = self.problem.network;
        let border = network.border(&BTreeSet::new(), &self.problem.layers)?;
        let alone = Setting {
            problem: self.problem,
            training: Training { start: Start::Random, head: Head::Free, ..self.training },
            freedom: Freedom::Nothing,
            start: Vec::new(),
            subspace: None,
            readout_start: None,
            cache: samples::Cache::new(network, &self.cache, border, progress).await?,
            rms: self.rms.clone(),
        };
        let readout = Readout::random(self.width().await?, outputs, seed, network);
        let mut state = State { theta: None, scalers: None, readout: Some(readout), parameters: BTreeMap::new() };
        Box::pin(alone.run(&mut state, seed, progress, &mut |_| {})).await?;
        state.readout.ok_or_else(|| Error::internal("a read-out was trained"))
    }

    /// Sets parameters to what theta and the scalers make of them.
    async fn warp(&self, state: &mut State) -> Result<(), Error> {
        let (Some(subspace), Some(theta)) = (&self.subspace, &state.theta) else { return Ok(()) };
        let network = self.problem.network;
        let (theta, scalers) = (theta.clone().host().await?, host_of(state.scalers.as_ref()).await?);
        let mut changes = subspace.changes(&theta, &scalers).into_iter();
        let moved = |start: &[f32], change: Vec<f32>| -> Vec<f32> { start.iter().zip(change).map(|(s, c)| s + c).collect() };
        state.parameters.clear();
        for ((name, shape, values), change) in self.start.iter().zip(&mut changes) {
            state.parameters.insert(name.clone(), network.tensor(moved(values, change), shape.clone()));
        }
        if let (Some(start), Some(weights), Some(bias)) = (&self.readout_start, changes.next(), changes.next()) {
            state.readout = Some(start.moved(weights, bias, network).await?);
        }
        Ok(())
    }

    async fn run(&self, state: &mut State, seed: u64, progress: &dyn Progress, told: &mut dyn FnMut(&[Epoch])) -> Result<Trained, Error> {
        let Parts { train, validation, test } = &self.problem.parts;
        let training = &self.training;
        let has_free_readout = state.readout.is_some() && training.head == Head::Free;
        let mut steps = Steps::new(training, train.len(), state, has_free_readout)?;
        self.warp(state).await?;
        let mut out = Trained { epochs: Vec::new(), best_epoch: 0, validation: f64::NAN, test: f64::NAN, n_free: self.n_free() };
        let trains = self.freedom != Freedom::Nothing || has_free_readout;
        if trains && training.epochs > 0 {
            // The start is no epoch: the first one counts whatever it scores.
            let (mut best, mut kept, mut reference, mut waited) = (f64::NEG_INFINITY, state.clone(), f64::NEG_INFINITY, 0);
            let is_classes = matches!(self.problem.objective, Objective::Classes { .. });
            let min_delta = training.min_delta.unwrap_or(if is_classes { 1e-4 } else { 1.5e-4 });
            for epoch in 0..training.epochs as usize {
                let order = Stream::new(seed, ORDERS + epoch as u64).permutation(train.len());
                let (mut sum, mut n) = (0.0, 0usize);
                let batches: Vec<&[usize]> = order.chunks(training.batch as usize).collect();
                for (k, batch) in batches.iter().enumerate() {
                    if batch.len() < self.problem.objective.least() {
                        continue;
                    }
                    let rows: Vec<usize> = batch.iter().map(|i| train[*i]).collect();
                    let loss = self.step(state, &rows, &mut steps).await?;
                    if !loss.is_finite() {
                        let message = format!("the loss is {loss} in epoch {}; lower the learning rates", epoch + 1);
                        return Err(Error::Numerical { what: "training".into(), message });
                    }
                    sum += loss * count(rows.len());
                    n += rows.len();
                    let done = (count(epoch) + count(k + 1) / count(batches.len())) / f64::from(training.epochs);
                    progress.step(done, &format!("epoch {} of at most {}, loss {loss:.4}", epoch + 1, training.epochs))?;
                }
                let score = self.problem.objective.score(validation, &self.outputs(validation, state).await?);
                out.epochs.push(Epoch { loss: sum / count(n), validation: score });
                told(&out.epochs);
                if score > best || out.epochs.len() == 1 {
                    (best, out.best_epoch, out.validation) = (score, epoch + 1, score);
                    kept = state.clone();
                }
                if score - min_delta > reference {
                    (reference, waited) = (score, 0);
                } else {
                    waited += 1;
                    if training.patience > 0 && waited >= training.patience {
                        break;
                    }
                }
            }
            *state = kept;
        } else {
            out.validation = self.problem.objective.score(validation, &self.outputs(validation, state).await?);
        }
        out.test = self.problem.objective.score(test, &self.outputs(test, state).await?);
        Ok(out)
    }

    fn n_free(&self) -> usize {
        match (&self.freedom, &self.subspace) {
            (Freedom::All, _) => self.start.iter().map(|(_, _, values)| values.len()).sum(),
            (_, Some(subspace)) => subspace.d_theta() + subspace.n_scalers(),
            _ => 0,
        }
    }

    /// One step on some samples; their loss before it.
    async fn step(&self, state: &mut State, rows: &[usize], steps: &mut Steps) -> Result<f64, Error> {
        let network = self.problem.network;
        let inputs = self.cache.inputs(rows)?;
        let (lr, low_dim_lr) = steps.rates();
        let recording = network.record(&inputs, &state.parameters, &self.problem.layers).await?;
        drop(inputs);
        let features = self.joined(&recording.values, rows.len())?;
        let (loss, of_features, of_readout) = match &state.readout {
            Some(readout) => {
                let read = readout.apply(features.clone())?.host().await?;
                let (loss, gradient) = self.problem.objective.loss(rows, &read)?;
                let gradient = network.tensor(gradient, vec![rows.len(), readout.outputs()]);
                let of_features = if state.parameters.is_empty() { None } else { Some(readout.of_features(gradient.clone())?) };
                let needs = steps.weights.is_some() || self.readout_start.is_some();
                let of_readout = if needs { Some(readout.of_weights(features, gradient)?) } else { None };
                (loss, of_features, of_readout)
            }
            None => {
                let shape = features.shape().to_vec();
                let (loss, gradient) = self.problem.objective.loss(rows, &features.host().await?)?;
                (loss, Some(network.tensor(gradient, shape)), None)
            }
        };
        let mut of_parameters = BTreeMap::new();
        if let Some(gradient) = of_features.filter(|_| !state.parameters.is_empty()) {
            let of_values = self.apart(&gradient, &recording.values)?;
            of_parameters = recording.back(of_values)?;
        }
        if let (Some(subspace), Some(theta)) = (&self.subspace, state.theta.take()) {
            let mut gradients = Vec::with_capacity(self.start.len() + 2);
            for (name, _, values) in &self.start {
                // What a mask hides has no gradient.
                let gradient = of_parameters.remove(name);
                gradients.push(match gradient {
                    Some(gradient) => gradient.host().await?,
                    None => vec![0.0; values.len()],
                });
            }
            if let (true, Some((weights, bias))) = (self.readout_start.is_some(), &of_readout) {
                gradients.extend([weights.clone().host().await?, bias.clone().host().await?]);
            }
            let slices: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
            let (values, scalers) = (theta.clone().host().await?, host_of(state.scalers.as_ref()).await?);
            let found = subspace.gradients(&values, &scalers, &slices);
            let shape = theta.shape().to_vec();
            let gradient = theta.of_values(found.theta, shape);
            state.theta = Some(steps.theta.step(low_dim_lr, theta, gradient));
            if let Some(scalers) = state.scalers.take() {
                let gradient = scalers.with_values(found.scalers);
                state.scalers = Some(steps.scalers.step(low_dim_lr, scalers, gradient));
            }
        } else {
            for (name, gradient) in of_parameters {
                if let (Some(value), Some(optimizer)) = (state.parameters.remove(&name), steps.parameters.get_mut(&name)) {
                    state.parameters.insert(name, optimizer.step(low_dim_lr, value, gradient));
                }
            }
        }
        // A frozen read-out stays where it is.
        if let (Some((of_weights, of_bias)), Some((weights, bias))) = (of_readout, &mut steps.weights)
            && let Some(readout) = state.readout.take()
        {
            state.readout =
                Some(Readout { weights: weights.step(lr, readout.weights, of_weights), bias: bias.step(lr, readout.bias, of_bias) });
        }
        self.warp(state).await?;
        Ok(loss)
    }
}

/// Streams of orders of samples; those of tensors have smaller numbers.
const ORDERS: u64 = 1 << 40;

async fn host_of(tensor: Option<&Tensor>) -> Result<Vec<f32>, Error> {
    match tensor {
        Some(tensor) => tensor.clone().host().await,
        None => Ok(Vec::new()),
    }
}

/// Values of the network's inputs or of what does not change, by their names.
type Inputs = BTreeMap<String, Constant>;
