//! A network that learns to tell orientations apart, beside a population of visual cortex: which of its layers is more like the brain?

#[cfg(feature = "network")]
mod network;
#[cfg(all(test, feature = "network"))]
mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::orientation::{Architecture, Filters};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Which network learns.
    pub architecture: Architecture,
    /// What its convolution begins with.
    pub filters: Filters,
    /// Seed of the other starting values and of the order of gratings.
    pub seed: u32,
    /// Passes through the training set.
    pub epochs: u32,
    /// Learning rate.
    pub lr: f64,
    /// Momentum, 0 to below 1.
    pub momentum: f64,
    /// Gratings of a step.
    pub batch: u32,
    /// Gratings that it is trained on.
    pub n_train: u32,
    /// Responses of a population, rows = trials; without them a simulated population with known tuning.
    pub responses: Option<String>,
    /// The direction of the grating of each row in degrees, 0 to 360: those up to 180 are kept, less 90.
    pub stimuli: Labels,
    /// Units whose tuning is shown, of each population.
    pub n_tuning: u32,
    /// Neighbors that t-SNE keeps.
    pub perplexity: f64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            architecture: Architecture::ConvPoolFc,
            filters: Filters::Handmade,
            seed: 0,
            epochs: 25,
            lr: 5e-4,
            momentum: 0.99,
            batch: 100,
            n_train: 1000,
            responses: None,
            stimuli: Labels::default(),
            n_tuning: 3,
            perplexity: 30.0,
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Mean loss of each epoch.
    pub losses: Vec<f64>,
    /// Loss of the last batch of each epoch.
    pub last_losses: Vec<f64>,
    /// Epochs that are trained.
    pub epochs: u32,
    /// Share of the training set that is told apart in the end; nothing while it learns.
    pub accuracy: Option<f64>,
    /// Values that are trained.
    pub n_parameters: u32,
    /// Filters of the convolution at the start, 6 x 49.
    pub filters_before: Option<Array>,
    /// Filters after training.
    pub filters_after: Option<Array>,
    /// Orientations in degrees, one for each row of the matrices.
    pub orientations: Vec<f64>,
    /// The brain first, then the layers.
    pub populations: Vec<Population>,
    /// How similar the RDM of each layer is to that of the brain.
    pub comparisons: Vec<Comparison>,
    /// A convolution with a linear read-out that is fitted to the brain itself; nothing while the other network learns.
    pub encoding: Option<Encoding>,
}

/// A network that predicts the responses of neurons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoding {
    /// Steps after which the losses are.
    pub steps: Vec<u32>,
    /// Mean squared error with the penalties, of the orientations that it is fitted to.
    pub train_losses: Vec<f64>,
    /// Mean squared error of those in between, in units of the variance of each neuron.
    pub test_losses: Vec<f64>,
    /// Mean over neurons of the explained variance of those in between.
    pub r2: Option<f64>,
    /// Its filters, 6 x 49.
    pub filters: Array,
}

/// The brain, or a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// Its name.
    pub name: String,
    /// Neurons or units.
    pub n_units: u32,
    /// Correlation distances between orientations; NaN where a pattern is constant.
    pub rdm: Array,
    /// Orientations whose pattern is constant.
    pub n_constant: u32,
    /// Units whose tuning is shown.
    pub tuned: Vec<u32>,
    /// Their responses to the orientations, one row for each.
    pub tuning: Array,
    /// Orientations in a plane: principal components, then t-SNE.
    pub points: Array,
}

/// How similar an RDM is to that of the brain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the layer.
    pub layer: String,
    /// Pearson correlation of the pairs; nothing where one side is constant.
    pub correlation: Option<f64>,
    /// Pairs that are defined on both sides.
    pub n_pairs: u32,
}

impl Spec {
    pub(super) fn inputs(&self) -> Vec<String> {
        self.responses.iter().flat_map(|name| [name.clone(), self.stimuli.input.clone()]).collect()
    }

    pub(super) fn estimate(&self, shapes: &Shapes) -> Estimate {
        // A convolution of 48 x 64 pixels with 6 filters of 7 x 7, forward and back, in single precision at five times the speed of double; t-SNE of 180
        // orientations, three times.
        let steps = f64::from(self.epochs) * f64::from(self.n_train);
        let n = self.responses.as_ref().map_or(180.0, |name| shapes.of(name).0);
        Estimate { flops: steps * 1.2e6 + 3.0 * 1000.0 * n * n * 14.0, peak_bytes: 1e8 + 8.0 * 10.0 * n * n }
    }

    fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str, message: String| Err(Error::parameter(what, message));
        if self.epochs == 0 || self.epochs > 100_000 {
            return wrong("epochs", format!("{} epochs; from 1 to 100,000", self.epochs));
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return wrong("lr", format!("{} is not above 0", self.lr));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return wrong("momentum", format!("{}; from 0 to below 1", self.momentum));
        }
        if self.batch == 0 || self.n_train < self.batch || self.n_train > 100_000 {
            return wrong(
                "batch",
                format!("steps of {} of {} gratings; at least one, at most all of up to 100,000", self.batch, self.n_train),
            );
        }
        if self.n_tuning > 100 {
            return wrong("n_tuning", format!("{} curves; at most 100", self.n_tuning));
        }
        Ok(())
    }
}

/// Trains a network on gratings and compares its layers with a population of visual cortex.
///
/// # Definition
/// 1,000 gratings with angles from -90 to 90 degrees; the network says whether the angle is above 0 (binary cross-entropy, stochastic gradient descent with
/// momentum). `pool` is what the last layers see, `fc` the ten values before their rectifier. RDMs are correlation distances over units between orientations; they
/// are compared by the Pearson correlation of their pairs. Points: up to 20 principal components of the patterns, then t-SNE. The simulated population: see
/// [`Population`](crate::orientation::Population), means over its four trials. The network that is fitted to neurons sees gratings of 12 x 16 pixels of every third
/// orientation: six filters without rectifier, a linear read-out of all positions, mean squared error of standardized responses with 5e-4 sum W² + 1e-6 sum |W|, 200
/// steps (rate 2, less for fewer than 500 neurons, momentum 0.9); it is tested on the orientations behind those.
///
/// # Shapes
/// 180 orientations from -90 in steps of 1, or those of the given responses (n x neurons) → three populations.
///
/// # Degenerate
/// Constant patterns have no correlation distance: their pairs are NaN, left out of comparisons and counted, and their points are placed as far as the farthest.
///
/// # Accuracy
/// The network in single precision; RDMs, comparisons and embeddings in double. Deterministic on one device.
///
/// # Cost
/// 6 million multiply-adds for each grating and epoch: seconds.
///
/// # Errors
/// [`Error::Parameter`] for settings that make no sense, [`Error::Input`] for responses without directions or with fewer than 8 orientations.
///
/// # Source
/// Neuromatch Academy 2020, computational neuroscience, W1D5 tutorial 3; Stringer et al. 2019 for the population that it imitates.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    #[cfg(feature = "network")]
    return network::run(spec, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(super::extraction::without_networks(spec, inputs, context))
}
