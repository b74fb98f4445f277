//! A small convolutional network that is fitted to the responses of neurons.

use std::collections::BTreeMap;

use faer::Mat;
use ndarray::{ArrayD, IxDyn};

use super::gratings::{SMALL, small_grating};
use super::{KERNEL, N_FILTERS, filters};
use crate::network::{Attribute, Constant, Element, Graph, Network, Optimizer, Port, Rule, node};
use crate::rng::Stream;
use crate::stats::count;
use crate::{Device, Error};

/// Steps on all gratings.
const STEPS: usize = 200;
/// Steps after which losses are noted.
const EVERY: usize = 20;
/// The learning rate, for so many neurons and more: the mean over few of them has steeper slopes.
const RATE: (f64, f64) = (2.0, 500.0);
const MOMENTUM: f64 = 0.9;
/// Penalties of the read-out's weights: of their squares and their sizes.
const SQUARES: f64 = 5e-4;
const SIZES: f64 = 1e-6;

/// What came out.
#[derive(Debug)]
pub(crate) struct Fit {
    /// Steps, the loss with the penalties, the mean squared error of the test.
    pub(crate) losses: Vec<(usize, f64, f64)>,
    /// For the test.
    pub(crate) predicted: Mat<f64>,
    pub(crate) filters: Vec<f32>,
}

#[expect(clippy::cast_possible_truncation, reason = "networks are of single precision")]
fn single(v: f64) -> f32 {
    v as f32
}

fn start(n_neurons: usize, seed: u64) -> Graph {
    let mut values = filters();
    for filter in values.chunks_mut(KERNEL * KERNEL) {
        let mean = single(filter.iter().map(|v| f64::from(*v)).sum::<f64>() / count(filter.len()));
        filter.iter_mut().for_each(|v| *v -= mean);
    }
    let width = N_FILTERS * SMALL[0] * SMALL[1];
    let mut rng = Stream::new(seed, 1 << 35);
    let weights = ArrayD::from_shape_simple_fn(IxDyn(&[n_neurons, width]), || single(0.01 * rng.normal()));
    Graph {
        inputs: vec![Port { name: "gratings".into(), shape: None, element: Element::Float }],
        outputs: vec!["responses".into()],
        nodes: vec![
            node("Conv", &["gratings", "conv.weight", "conv.bias"], "conv", &[("pads", Attribute::Ints(vec![3; 4]))]),
            node("Flatten", &["conv"], "flat", &[]),
            node("Gemm", &["flat", "out.weight", "out.bias"], "responses", &[("transB", Attribute::Int(1))]),
        ],
        constants: BTreeMap::from([
            (
                "conv.weight".into(),
                Constant::Float(ArrayD::from_shape_vec(IxDyn(&[N_FILTERS, 1, KERNEL, KERNEL]), values).unwrap_or_default()),
            ),
            ("conv.bias".into(), Constant::Float(ArrayD::zeros(IxDyn(&[N_FILTERS])))),
            ("out.weight".into(), Constant::Float(weights)),
            ("out.bias".into(), Constant::Float(ArrayD::zeros(IxDyn(&[n_neurons])))),
        ]),
        opset: 13,
        shapes: BTreeMap::new(),
    }
}

fn images(angles: &[f64]) -> BTreeMap<String, Constant> {
    let values: Vec<f32> = angles.iter().flat_map(|angle| small_grating(*angle)).collect();
    let shape = IxDyn(&[angles.len(), 1, SMALL[0], SMALL[1]]);
    BTreeMap::from([("gratings".to_owned(), Constant::Float(ArrayD::from_shape_vec(shape, values).unwrap_or_default()))])
}

/// Fits responses (orientations x neurons) to gratings of some angles; tested on others.
pub(crate) async fn fit(train: (&[f64], &Mat<f64>), test: (&[f64], &Mat<f64>), seed: u64, device: &Device) -> Result<Fit, Error> {
    let n_neurons = train.1.ncols();
    let network = Network::new("encoding", start(n_neurons, seed), device)?;
    let wanted = ["responses".to_owned()];
    let mut values = network.starting_parameters(&wanted)?;
    let mut optimizers: BTreeMap<String, Optimizer> =
        values.keys().map(|name| (name.clone(), Optimizer::new(Rule::Momentum(MOMENTUM)))).collect();
    let (of_train, of_test) = (images(train.0), images(test.0));
    let rate = RATE.0 * (count(n_neurons) / RATE.1).min(1.0);
    let mut losses = Vec::new();
    let mut predicted = Mat::zeros(test.0.len(), n_neurons);
    for step in 0..=STEPS {
        let recording = network.record(&of_train, &values, &wanted).await?;
        let made = recording.values["responses"].clone().host().await?;
        let n = count(made.len());
        let off: Vec<f64> = made.iter().enumerate().map(|(at, v)| f64::from(*v) - train.1[(at / n_neurons, at % n_neurons)]).collect();
        if step % EVERY == 0 {
            let weights = values["out.weight"].clone().host().await?;
            let penalty: f64 = weights.iter().map(|w| SQUARES * f64::from(*w).powi(2) + SIZES * f64::from(w.abs())).sum();
            let loss = off.iter().map(|v| v * v).sum::<f64>() / n + penalty;
            if !loss.is_finite() {
                return Err(Error::Numerical {
                    what: "the network of neurons".into(),
                    message: format!("its loss is {loss} after {step} steps"),
                });
            }
            let made = network.run_with(&of_test, &values, &wanted).await?;
            let made = made["responses"].clone().host().await?;
            predicted = Mat::from_fn(test.0.len(), n_neurons, |i, k| f64::from(made[i * n_neurons + k]));
            let error = (0..made.len()).map(|at| (f64::from(made[at]) - test.1[(at / n_neurons, at % n_neurons)]).powi(2)).sum::<f64>();
            losses.push((step, loss, error / count(made.len())));
        }
        if step == STEPS {
            break;
        }
        let gradient = network.tensor(off.iter().map(|v| single(2.0 * v / n)).collect(), vec![train.0.len(), n_neurons]);
        for (name, gradient) in recording.back(BTreeMap::from([("responses".to_owned(), gradient)]))? {
            let (Some(value), Some(optimizer)) = (values.remove(&name), optimizers.get_mut(&name)) else { continue };
            let gradient = if name == "out.weight" {
                let weights = value.clone().host().await?;
                let sum = gradient.clone().host().await?;
                let with = |(g, w): (f32, f32)| g + single(2.0 * SQUARES * f64::from(w) + SIZES * f64::from(w).signum());
                gradient.with_values(sum.into_iter().zip(weights).map(with).collect())
            } else {
                gradient
            };
            values.insert(name, optimizer.step(rate, value, gradient));
        }
    }
    let filters = values["conv.weight"].clone().host().await?;
    Ok(Fit { losses, predicted, filters })
}
