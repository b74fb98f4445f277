//! How many dimensions it takes to turn a network of one function into another: a simulation.

use std::collections::BTreeMap;

use super::{Function, Group, Subspace};
use crate::network::{Attribute, Constant, Element, Graph, Network, Optimizer, Port, Rule, Tensor, node, uniform_constant};
use crate::rng::Stream;
use crate::stats::count;
use crate::{Device, Error, Progress};
use ndarray::{ArrayD, IxDyn};

/// Units of the two hidden layers.
const HIDDEN: usize = 128;
/// Inputs of a step.
const BATCH: usize = 1000;
/// Steps without a relative gain of so much before learning slows down, and before it ends.
const SLOWS: (usize, f64) = (1000, 1e-4);
const ENDS: (usize, f64) = (2000, 1e-5);

/// How a network came to a function.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    /// Smooth L1 of the last steps, their mean.
    pub(crate) loss: f64,
    pub(crate) steps: usize,
}

/// A network of one number, two hidden layers and one number.
#[derive(Debug)]
pub(crate) struct Mlp {
    network: Network,
    parameters: BTreeMap<String, Tensor>,
}

fn graph(seed: u64) -> Graph {
    let mut rng = Stream::new(seed, 1 << 33);
    let mut uniform = |shape: &[usize], fan_in: usize| uniform_constant(shape, fan_in, &mut rng);
    let constants = BTreeMap::from([
        ("layers.0.weight".to_owned(), uniform(&[HIDDEN, 1], 1)),
        ("layers.0.bias".to_owned(), uniform(&[HIDDEN], 1)),
        ("layers.2.weight".to_owned(), uniform(&[HIDDEN, HIDDEN], HIDDEN)),
        ("layers.2.bias".to_owned(), uniform(&[HIDDEN], HIDDEN)),
        ("layers.4.weight".to_owned(), uniform(&[1, HIDDEN], HIDDEN)),
    ]);
    let turned = [("transB", Attribute::Int(1))];
    Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["y".into()],
        nodes: vec![
            node("Gemm", &["x", "layers.0.weight", "layers.0.bias"], "a", &turned),
            node("Relu", &["a"], "b", &[]),
            node("Gemm", &["b", "layers.2.weight", "layers.2.bias"], "c", &turned),
            node("Relu", &["c"], "e", &[]),
            node("Gemm", &["e", "layers.4.weight"], "y", &turned),
        ],
        constants,
        opset: 13,
        shapes: BTreeMap::new(),
    }
}

/// What falls more and more slowly, and when that is enough.
struct Plateau {
    best: f64,
    /// Steps since it fell by enough to go on at this rate, and to go on at all.
    since: [usize; 2],
    marks: [f64; 2],
}

impl Plateau {
    fn new() -> Self {
        Self { best: f64::INFINITY, since: [0; 2], marks: [f64::INFINITY; 2] }
    }

    /// Whether to learn ten times more slowly, and whether to end.
    fn hear(&mut self, loss: f64) -> (bool, bool) {
        self.best = self.best.min(loss);
        for (k, gain) in [SLOWS.1, ENDS.1].into_iter().enumerate() {
            if loss < self.marks[k] * (1.0 - gain) {
                (self.marks[k], self.since[k]) = (loss, 0);
            } else {
                self.since[k] += 1;
            }
        }
        let slows = self.since[0] >= SLOWS.0;
        if slows {
            self.since[0] = 0;
        }
        (slows, self.since[1] >= ENDS.0)
    }
}

impl Mlp {
    /// At random.
    pub(crate) fn new(seed: u64, device: &Device) -> Result<Self, Error> {
        let network = Network::new("mlp", graph(seed), device)?;
        let parameters = network.starting_parameters(&["y".into()])?;
        Ok(Self { network, parameters })
    }

    /// The same network, to be changed by itself.
    pub(crate) fn copy(&self, device: &Device) -> Result<Self, Error> {
        let copy = Self::new(0, device)?;
        Ok(Self { parameters: self.parameters.clone(), ..copy })
    }

    /// Its values.
    pub(crate) async fn values(&self, x: &[f64]) -> Result<Vec<f64>, Error> {
        #[expect(clippy::cast_possible_truncation, reason = "networks are of single precision")]
        let x = ArrayD::from_shape_vec(IxDyn(&[x.len(), 1]), x.iter().map(|v| *v as f32).collect())
            .map_err(|e| Error::internal(e.to_string()))?;
        let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(x))]);
        let mut made = self.network.run_with(&inputs, &self.parameters, &["y".into()]).await?;
        let y = made.remove("y").ok_or_else(|| Error::internal("the network's output"))?;
        Ok(y.host().await?.into_iter().map(f64::from).collect())
    }

    /// Fits a function: by all parameters, or by d values with a scaler for each of three groups. A fresh batch of normal numbers for each step.
    pub(crate) async fn fit(
        &mut self,
        function: Function,
        d: Option<u32>,
        (seed, most): (u64, usize),
        progress: &dyn Progress,
    ) -> Result<Fitted, Error> {
        let start: Vec<(String, Tensor)> = self.parameters.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        let subspace = match d {
            Some(d) => {
                let groups = ["layers.0", "layers.2", "layers.4"].map(|prefix| Group { prefixes: vec![prefix.into()] });
                let tensors: Vec<(String, usize)> = start.iter().map(|(name, tensor)| (name.clone(), tensor.len())).collect();
                Some(Subspace::new(&tensors, d as usize, &groups, seed)?)
            }
            None => None,
        };
        let host = Device::cpu().burn();
        let adam = || Optimizer::new(Rule::Adam { weight_decay: 0.0 });
        let mut theta = Tensor::full(0.0, vec![subspace.as_ref().map_or(1, Subspace::d_theta)], &host);
        let mut scalers = Tensor::full(1.0, vec![subspace.as_ref().map_or(1, Subspace::n_scalers)], &host);
        let (mut of_theta, mut of_scalers) = (adam(), adam());
        let mut of_parameters: BTreeMap<String, Optimizer> = start.iter().map(|(name, _)| (name.clone(), adam())).collect();
        let mut values = Vec::with_capacity(start.len());
        for (_, tensor) in &start {
            values.push(tensor.clone().host().await?);
        }
        let (mut lr, mut plateau) = (1e-4, Plateau::new());
        let mut recent = std::collections::VecDeque::new();
        let mut steps = 0;
        while steps < most {
            let mut rng = Stream::new(seed, (1 << 34) + steps as u64);
            let x: Vec<f64> = (0..BATCH).map(|_| rng.normal()).collect();
            #[expect(clippy::cast_possible_truncation, reason = "networks are of single precision")]
            let column = ArrayD::from_shape_vec(IxDyn(&[BATCH, 1]), x.iter().map(|v| *v as f32).collect());
            let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(column.map_err(|e| Error::internal(e.to_string()))?))]);
            let recording = self.network.record(&inputs, &self.parameters, &["y".into()]).await?;
            let y = recording.values["y"].clone().host().await?;
            let (loss, gradient) = smooth_l1(&x, &y, function);
            let seeds = BTreeMap::from([("y".to_owned(), self.network.tensor(gradient, vec![BATCH, 1]))]);
            let mut gradients = recording.back(seeds)?;
            match &subspace {
                Some(subspace) => {
                    let mut slices = Vec::with_capacity(start.len());
                    for (name, tensor) in &start {
                        slices.push(match gradients.remove(name) {
                            Some(gradient) => gradient.host().await?,
                            None => vec![0.0; tensor.len()],
                        });
                    }
                    let slices: Vec<&[f32]> = slices.iter().map(Vec::as_slice).collect();
                    let (t, s) = (theta.clone().host().await?, scalers.clone().host().await?);
                    let found = subspace.gradients(&t, &s, &slices);
                    let (g, h) = (theta.with_values(found.theta), scalers.with_values(found.scalers));
                    theta = of_theta.step(lr, theta, g);
                    scalers = of_scalers.step(lr, scalers, h);
                    let changes = subspace.changes(&theta.clone().host().await?, &scalers.clone().host().await?);
                    for (((name, tensor), values), change) in start.iter().zip(&values).zip(changes) {
                        let moved = values.iter().zip(change).map(|(v, c)| v + c).collect();
                        self.parameters.insert(name.clone(), self.network.tensor(moved, tensor.shape().to_vec()));
                    }
                }
                None => {
                    for (name, gradient) in gradients {
                        if let (Some(value), Some(optimizer)) = (self.parameters.remove(&name), of_parameters.get_mut(&name)) {
                            self.parameters.insert(name, optimizer.step(lr, value, gradient));
                        }
                    }
                }
            }
            steps += 1;
            recent.push_back(loss);
            if recent.len() > 100 {
                recent.pop_front();
            }
            let (slows, ends) = plateau.hear(loss);
            if slows {
                lr *= 0.1;
            }
            if ends {
                break;
            }
            if steps % 50 == 0 {
                progress.step(count(steps) / count(most), &format!("step {steps}, loss {loss:.5}"))?;
            }
        }
        Ok(Fitted { loss: recent.iter().sum::<f64>() / count(recent.len()), steps })
    }
}

/// Half the square below a distance of 1, the distance less a half beyond; the mean and its gradient.
fn smooth_l1(x: &[f64], y: &[f32], function: Function) -> (f64, Vec<f32>) {
    let n = count(x.len());
    let mut sum = 0.0;
    let of = |(x, y): (&f64, &f32)| {
        let off = f64::from(*y) - function.of(*x);
        sum += if off.abs() < 1.0 { 0.5 * off * off } else { off.abs() - 0.5 };
        #[expect(clippy::cast_possible_truncation, reason = "gradients of single precision")]
        let slope = (off.clamp(-1.0, 1.0) / n) as f32;
        slope
    };
    let gradient = x.iter().zip(y).map(of).collect();
    (sum / n, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[test]
    fn plateaus_slow_down_and_end() {
        let mut plateau = Plateau::new();
        assert_eq!(plateau.hear(1.0), (false, false));
        let slowed: Vec<bool> = (0..1999).map(|_| plateau.hear(1.0).0).collect();
        assert_eq!(slowed.iter().filter(|s| **s).count(), 1, "after a thousand steps");
        assert_eq!(plateau.hear(1.0), (true, true), "after two thousand");
        let mut falling = Plateau::new();
        assert!((0..5000).all(|k| falling.hear(0.999f64.powi(k)) == (false, false)), "what falls goes on");
        let (loss, gradient) = smooth_l1(&[0.0, 0.0], &[0.5, 3.0], Function::Square);
        assert_eq!((loss, gradient), ((0.125 + 2.5) / 2.0, vec![0.25, 0.5]));
    }

    /// More dimensions come closer to the target in the same number of steps, and all parameters closest.
    #[test]
    fn more_dimensions_come_closer() {
        let fit = |d: Option<u32>| {
            let device = Device::cpu();
            let mut mlp = Mlp::new(1, &device).expect("a network");
            let before = pollster::block_on(mlp.fit(Function::Sine, None, (2, 3000), &Silent)).expect("it learns");
            assert!(before.loss < 0.02, "the first function is learned: {before:?}");
            pollster::block_on(mlp.fit(Function::Target, d, (3, 1500), &Silent)).expect("it learns").loss
        };
        let [few, many, all] = [Some(4), Some(100), None].map(fit);
        assert!(few > many && many > all, "{few}, {many}, {all}");
    }
}
