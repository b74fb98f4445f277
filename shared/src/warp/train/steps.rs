//! Optimizers of what is trained, and their learning rates.

use std::collections::BTreeMap;

use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;

use super::State;
use crate::Error;
use crate::network::{Optimizer, Rule};
use crate::stats::count;
use crate::warp::settings::{Schedule, Training};

/// Optimizers and learning rates.
pub(super) struct Steps {
    pub(super) theta: Optimizer,
    pub(super) scalers: Optimizer,
    pub(super) parameters: BTreeMap<String, Optimizer>,
    /// Of a read-out that is trained beside the warp.
    pub(super) weights: Option<(Optimizer, Optimizer)>,
    rates: (f64, f64),
    /// Of a share of them; none where they stay.
    schedule: Option<ModuleLrScheduler>,
}

impl Steps {
    pub(super) fn new(training: &Training, n_train: usize, state: &State, has_free_readout: bool) -> Result<Self, Error> {
        let plain = || Optimizer::new(Rule::Adam { weight_decay: 0.0 });
        #[expect(clippy::cast_possible_truncation, reason = "a factor in single precision")]
        let decayed = || Optimizer::new(Rule::Adam { weight_decay: training.weight_decay as f32 });
        let per_epoch = n_train.div_ceil(training.batch as usize).max(1);
        let schedule = match training.schedule {
            Schedule::Cosine if training.epochs > 0 => {
                Some(CosineAnnealingLrSchedulerConfig::new(1.0, per_epoch * training.epochs as usize).init())
            }
            Schedule::Exponential(factor) if factor < 1.0 => {
                Some(ExponentialLrSchedulerConfig::new(1.0, factor.powf(1.0 / count(per_epoch))).init())
            }
            _ => None,
        };
        let schedule = schedule.transpose().map_err(|e| Error::parameter("schedule", e))?;
        Ok(Self {
            theta: plain(),
            scalers: plain(),
            parameters: state.parameters.keys().map(|name| (name.clone(), plain())).collect(),
            weights: has_free_readout.then(|| (decayed(), decayed())),
            rates: (training.lr, training.low_dim_lr.unwrap_or(training.lr)),
            schedule,
        })
    }

    /// Of the next step.
    pub(super) fn rates(&mut self) -> (f64, f64) {
        let share = self.schedule.as_mut().map_or(1.0, |schedule| schedule.step().base());
        (self.rates.0 * share, self.rates.1 * share)
    }
}
