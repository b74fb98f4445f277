//! Training of small networks on gratings: telling orientations apart, and predicting neurons.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::{HEIGHT, KERNEL, N_FILTERS, WIDTH, filters, grating, training_set};
use crate::network::{Attribute, Constant, Element, Graph, Network, Optimizer, Port, Rule, Tensor, node, uniform_constant};
use crate::rng::Stream;
use crate::stats::count;
use crate::{Device, Error, Progress};

use super::{Architecture, Filters};

/// Units of the hidden layer.
const HIDDEN: usize = 10;
/// Rows and columns that a maximum is taken of.
const POOL: usize = 8;
/// The seed of the angles of the tutorial.
const ANGLES: u32 = 12;
/// The stream of starting values.
const START: u64 = 1 << 32;

/// How it is trained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) architecture: Architecture,
    pub(crate) filters: Filters,
    pub(crate) seed: u64,
    pub(crate) epochs: u32,
    pub(crate) lr: f64,
    pub(crate) momentum: f64,
    pub(crate) batch: usize,
    pub(crate) n_train: usize,
}

/// A network that has learned to tell orientations apart.
pub(crate) struct Learned {
    network: Network,
    parameters: BTreeMap<String, Tensor>,
    /// Mean loss of each epoch, and the loss of its last batch.
    pub(crate) losses: Vec<[f64; 2]>,
    /// Share of the training set that is told apart in the end.
    pub(crate) accuracy: f64,
}

impl std::fmt::Debug for Learned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Learned").field("accuracy", &self.accuracy).finish_non_exhaustive()
    }
}

/// The network at its start: `pool` and `fc` are the layers that are compared with brains.
fn start(architecture: Architecture, chosen: Filters, seed: u64) -> Graph {
    let mut rng = Stream::new(seed, START);
    let mut uniform = |shape: &[usize], fan_in: usize| uniform_constant(shape, fan_in, &mut rng);
    let mut constants = BTreeMap::new();
    let mut nodes = Vec::new();
    let mut last = "gratings";
    let mut width = HEIGHT * WIDTH;
    if architecture != Architecture::Fc {
        let shape = [N_FILTERS, 1, KERNEL, KERNEL];
        let (weights, bias) = match chosen {
            Filters::Handmade => (
                Constant::Float(ArrayD::from_shape_vec(IxDyn(&shape), filters()).unwrap_or_default()),
                Constant::Float(ArrayD::zeros(IxDyn(&[N_FILTERS]))),
            ),
            Filters::Random => (uniform(&shape, KERNEL * KERNEL), uniform(&[N_FILTERS], KERNEL * KERNEL)),
        };
        constants.insert("conv.weight".into(), weights);
        constants.insert("conv.bias".into(), bias);
        nodes.push(node("Conv", &[last, "conv.weight", "conv.bias"], "conv", &[("pads", Attribute::Ints(vec![3; 4]))]));
        nodes.push(node("Relu", &["conv"], "relu", &[]));
        (last, width) = ("relu", width * N_FILTERS);
        if architecture == Architecture::ConvPoolFc {
            let side = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            let window = [("kernel_shape", Attribute::Ints(vec![side(POOL); 2])), ("strides", Attribute::Ints(vec![side(POOL); 2]))];
            nodes.push(node("MaxPool", &[last], "pooled", &window));
            (last, width) = ("pooled", width / (POOL * POOL));
        }
    }
    constants.insert("fc.weight".into(), uniform(&[HIDDEN, width], width));
    constants.insert("fc.bias".into(), uniform(&[HIDDEN], width));
    constants.insert("out.weight".into(), uniform(&[1, HIDDEN], HIDDEN));
    constants.insert("out.bias".into(), uniform(&[1], HIDDEN));
    let turned = [("transB", Attribute::Int(1))];
    nodes.extend([
        node("Flatten", &[last], "pool", &[]),
        node("Gemm", &["pool", "fc.weight", "fc.bias"], "fc", &turned),
        node("Relu", &["fc"], "hidden", &[]),
        node("Gemm", &["hidden", "out.weight", "out.bias"], "logit", &turned),
    ]);
    Graph {
        inputs: vec![Port { name: "gratings".into(), shape: None, element: Element::Float }],
        outputs: vec!["logit".into()],
        nodes,
        constants,
        opset: 13,
        shapes: BTreeMap::new(),
    }
}

/// Gratings as the network's input.
fn images(angles: impl Iterator<Item = f64>) -> Constant {
    let values: Vec<f32> = angles.flat_map(grating).collect();
    let n = values.len() / (HEIGHT * WIDTH);
    Constant::Float(ArrayD::from_shape_vec(IxDyn(&[n, 1, HEIGHT, WIDTH]), values).unwrap_or_default())
}

/// Trains a network to say whether a grating is turned to the right. `told` hears the losses of every epoch.
pub(crate) async fn learn(
    settings: &Settings,
    device: &Device,
    progress: &dyn Progress,
    told: &mut dyn FnMut(&[[f64; 2]]),
) -> Result<Learned, Error> {
    let network = Network::new("orientation", start(settings.architecture, settings.filters, settings.seed), device)?;
    let wanted = ["logit".to_owned()];
    let mut parameters = network.starting_parameters(&wanted)?;
    let rule = Rule::Momentum(settings.momentum);
    let mut optimizers: BTreeMap<String, Optimizer> = parameters.keys().map(|name| (name.clone(), Optimizer::new(rule))).collect();
    let set = training_set(settings.n_train, ANGLES);
    let all = images(set.iter().map(|(angle, _)| *angle));
    let mut losses = Vec::new();
    for epoch in 0..settings.epochs {
        let order = Stream::new(settings.seed, epoch.into()).permutation(set.len());
        let (mut sum, mut last) = (0.0, 0.0);
        for (k, rows) in order.chunks(settings.batch).enumerate() {
            let inputs = BTreeMap::from([("gratings".to_owned(), all.select(rows))]);
            let recording = network.record(&inputs, &parameters, &wanted).await?;
            let logits = recording.values["logit"].clone().host().await?;
            let mut gradient = Vec::with_capacity(rows.len());
            last = 0.0;
            for (z, row) in logits.iter().map(|z| f64::from(*z)).zip(rows) {
                let is_right = f64::from(u8::from(set[*row].1));
                last += (z.max(0.0) - z * is_right + (-z.abs()).exp().ln_1p()) / count(rows.len());
                #[expect(clippy::cast_possible_truncation, reason = "gradients of single precision")]
                gradient.push(((1.0 / (1.0 + (-z).exp()) - is_right) / count(rows.len())) as f32);
            }
            if !last.is_finite() {
                let message = format!("the loss is {last} in epoch {}; lower the learning rate", epoch + 1);
                return Err(Error::Numerical { what: "training".into(), message });
            }
            sum += last * count(rows.len());
            let gradient = network.tensor(gradient, vec![rows.len(), 1]);
            for (name, gradient) in recording.back(BTreeMap::from([("logit".to_owned(), gradient)]))? {
                if let (Some(value), Some(optimizer)) = (parameters.remove(&name), optimizers.get_mut(&name)) {
                    parameters.insert(name, optimizer.step(settings.lr, value, gradient));
                }
            }
            let done = (f64::from(epoch) + count((k + 1) * settings.batch) / count(set.len())) / f64::from(settings.epochs);
            progress.step(done.min(1.0), &format!("epoch {} of {}, loss {last:.4}", epoch + 1, settings.epochs))?;
        }
        losses.push([sum / count(set.len()), last]);
        told(&losses);
    }
    let mut learned = Learned { network, parameters, losses, accuracy: 0.0 };
    let logits = learned.values("logit", set.iter().map(|(angle, _)| *angle)).await?;
    learned.accuracy = count(logits.iter().zip(&set).filter(|(z, (_, is_right))| (**z > 0.0) == *is_right).count()) / count(set.len());
    Ok(learned)
}

impl Learned {
    /// A layer's values for gratings, in C order.
    pub(crate) async fn values(&self, layer: &str, angles: impl Iterator<Item = f64>) -> Result<Vec<f32>, Error> {
        let inputs = BTreeMap::from([("gratings".to_owned(), images(angles))]);
        let mut made = self.network.run_with(&inputs, &self.parameters, &[layer.to_owned()]).await?;
        let value = made.remove(layer).ok_or_else(|| Error::internal("a layer of the network"))?;
        value.host().await
    }

    /// The filters of the convolution, if there is one.
    pub(crate) async fn filters(&self) -> Result<Option<Vec<f32>>, Error> {
        match self.parameters.get("conv.weight") {
            Some(weights) => Ok(Some(weights.clone().host().await?)),
            None => Ok(None),
        }
    }

    /// Number of parameters.
    pub(crate) fn n_parameters(&self) -> usize {
        self.parameters.values().map(Tensor::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    fn tutorial(seed: u64) -> Settings {
        Settings {
            architecture: Architecture::ConvPoolFc,
            filters: Filters::Handmade,
            seed,
            epochs: 25,
            lr: 5e-4,
            momentum: 0.99,
            batch: 100,
            n_train: 1000,
        }
    }

    /// The acceptance of the tutorial, on three starts.
    #[test]
    fn three_starts_learn_to_tell_orientations_apart() {
        for seed in 0..3 {
            let learned = pollster::block_on(learn(&tutorial(seed), &Device::cpu(), &Silent, &mut |_| {})).expect("it learns");
            assert_eq!((learned.losses.len(), learned.n_parameters()), (25, 3201));
            let [mean, _] = learned.losses[24];
            assert!(mean < 0.02 && learned.accuracy >= 0.99, "seed {seed}: {:?}, accuracy {}", learned.losses, learned.accuracy);
            assert!(learned.losses[0][0] > 0.3, "it begins knowing nothing");
        }
    }

    #[test]
    fn other_architectures_have_their_sizes() {
        for (architecture, n, pool) in [(Architecture::Fc, 3072 * 10 + 10 + 11, 3072), (Architecture::ConvFc, 300 + 184_330 + 11, 18_432)] {
            let settings = Settings { architecture, filters: Filters::Random, epochs: 1, n_train: 100, ..tutorial(1) };
            let learned = pollster::block_on(learn(&settings, &Device::cpu(), &Silent, &mut |_| {})).expect("it learns");
            assert_eq!(learned.n_parameters(), n, "{architecture:?}");
            let values = pollster::block_on(learned.values("pool", [0.0, 10.0].into_iter())).expect("values");
            assert_eq!(values.len(), 2 * pool, "{architecture:?}");
            assert_eq!(pollster::block_on(learned.filters()).expect("filters").is_some(), architecture != Architecture::Fc);
        }
    }
}
