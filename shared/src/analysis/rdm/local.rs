//! RDMs of one design over ever other channels: parts of a volume.

use super::trials::Trials;
use super::{Job, Spec, warn_unused};
use crate::Error;
use crate::analysis::Context;
use crate::dataset::{Dataset, Inputs};

/// RDMs of one design over ever other channels.
pub(in crate::analysis) struct Local<'a> {
    spec: &'a Spec,
    trials: Option<Trials>,
}

impl<'a> Local<'a> {
    /// # Errors
    /// Those of [`run`](super::run) that do not depend on the channels; [`Error::Parameter`] for options that need the same channels every time.
    pub(in crate::analysis) fn new(spec: &'a Spec, inputs: &Inputs, n_rows: usize, context: &Context<'_>) -> Result<Self, Error> {
        if spec.precision.is_some() {
            let message = "a noise precision belongs to fixed channels; give a way to estimate the noise instead";
            return Err(Error::parameter("rdm.precision", message));
        }
        if spec.time_bins.is_some() {
            return Err(Error::parameter("rdm.time_bins", "there is no axis of time beside that of the conditions"));
        }
        spec.check(inputs)?;
        warn_unused(spec, context);
        Ok(Self { spec, trials: Trials::of(spec, inputs, n_rows)? })
    }

    /// Number of conditions of `n_rows` rows.
    pub(in crate::analysis) fn n(&self, n_rows: usize) -> usize {
        self.trials.as_ref().map_or(n_rows, Trials::n)
    }

    /// The pairs of the RDM of some channels. `inputs` have residuals of the same channels.
    ///
    /// # Errors
    /// Those of [`run`](super::run).
    pub(in crate::analysis) async fn pairs(&self, dataset: &Dataset, inputs: &Inputs, context: &Context<'_>) -> Result<Vec<f64>, Error> {
        let mut job = Job { spec: self.spec, inputs, trials: self.trials.as_ref(), fixed: None };
        job.fixed = job.fixed_whitener(dataset.shape().get(1).copied().unwrap_or(0)).await?;
        let rdm = job.run(dataset, context).await?.rdm;
        let n = self.n(dataset.shape()[0]);
        Ok((0..n).flat_map(|i| (i + 1..n).map(move |j| i * n + j)).map(|at| rdm[at]).collect())
    }
}
