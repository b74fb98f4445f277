//! Steps of training, by `burn-optim`.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{Adam, AdamConfig, AdamState, Optimizer as _, Sgd, SgdConfig, SgdState};

use super::run::Tensor;

/// How parameters follow their gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rule {
    /// Adam with the decays .9 and .999 and 1e-8 added to deviations; the weight decay is part of the gradient (L2).
    Adam {
        /// Times the parameter, added to its gradient.
        weight_decay: f32,
    },
    /// `v <- m v + g; w <- w - lr v`.
    Momentum(f64),
}

/// The state of one parameter.
pub(crate) struct Optimizer(State);

enum State {
    Adam(Adam, Option<Box<AdamState<1>>>),
    Momentum(Sgd, Option<Box<SgdState<1>>>),
}

impl std::fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            State::Adam(..) => "Optimizer(Adam)",
            State::Momentum(..) => "Optimizer(Momentum)",
        })
    }
}

impl Optimizer {
    /// At the start.
    pub(crate) fn new(rule: Rule) -> Self {
        Self(match rule {
            Rule::Adam { weight_decay } => {
                let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay));
                State::Adam(AdamConfig::new().with_epsilon(1e-8).with_weight_decay(decay).build(), None)
            }
            Rule::Momentum(momentum) => {
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0);
                State::Momentum(SgdConfig::new().with_momentum(Some(momentum)).build(), None)
            }
        })
    }

    /// The parameter after a step.
    pub(crate) fn step(&mut self, lr: f64, parameter: Tensor, gradient: Tensor) -> Tensor {
        let shape = parameter.shape().to_vec();
        let (parameter, gradient) = (parameter.into_flat(), gradient.into_flat());
        let stepped = match &mut self.0 {
            State::Adam(adam, state) => {
                let (stepped, next) = adam.step(lr, parameter, gradient, state.take().map(|state| *state));
                *state = next.map(Box::new);
                stepped
            }
            State::Momentum(sgd, state) => {
                let (stepped, next) = sgd.step(lr, parameter, gradient, state.take().map(|state| *state));
                *state = next.map(Box::new);
                stepped
            }
        };
        Tensor::from_flat(stepped, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    fn run(rule: Rule, lr: f64, start: [f32; 2], steps: usize) -> Vec<f32> {
        let device = Device::cpu().burn();
        let mut optimizer = Optimizer::new(rule);
        let mut w = Tensor::new(start.to_vec(), vec![2], &device);
        for k in 0..steps {
            // The slope of sum w^4 / 4 + k w.
            let values = pollster::block_on(w.clone().read()).expect("reads");
            #[expect(clippy::cast_precision_loss, reason = "few steps")]
            let slope = values.iter().map(|v| v.powi(3) + k as f32).collect();
            w = optimizer.step(lr, w, Tensor::new(slope, vec![2], &device));
        }
        pollster::block_on(w.read()).expect("reads").into_iter().collect()
    }

    /// The definitions, in double precision.
    #[test]
    fn steps_are_those_of_the_definitions() {
        let (mut w, mut m, mut v) = ([0.7f64, -1.5], [0.0; 2], [0.0; 2]);
        let (mut q, mut velocity) = ([0.7f64, -1.5], [0.0; 2]);
        for k in 0..7 {
            for i in 0..2 {
                let g = w[i].powi(3) + f64::from(k) + 0.01 * w[i];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.999 * v[i] + 0.001 * g * g;
                let (hat, hat2) = (m[i] / (1.0 - 0.9f64.powi(k + 1)), v[i] / (1.0 - 0.999f64.powi(k + 1)));
                w[i] -= 0.1 * hat / (hat2.sqrt() + 1e-8);
                velocity[i] = 0.99 * velocity[i] + q[i].powi(3) + f64::from(k);
                q[i] -= 0.01 * velocity[i];
            }
        }
        // Seven steps in single precision.
        let adam = run(Rule::Adam { weight_decay: 0.01 }, 0.1, [0.7, -1.5], 7);
        assert!(adam.iter().zip(w).all(|(a, b)| (f64::from(*a) - b).abs() < 2e-5), "{adam:?}, not {w:?}");
        let sgd = run(Rule::Momentum(0.99), 0.01, [0.7, -1.5], 7);
        assert!(sgd.iter().zip(q).all(|(a, b)| (f64::from(*a) - b).abs() < 2e-5), "{sgd:?}, not {q:?}");
    }
}
