//! What the layers of a network say of samples: joined to features, and gradients back apart.

use std::collections::BTreeMap;

use super::{Samples as _, Setting, State};
use crate::network::{Reading, Tensor};
use crate::stats::count;
use crate::{Error, Progress};

impl Setting<'_> {
    /// Features of one sample.
    pub(super) async fn width(&self) -> Result<usize, Error> {
        let inputs = self.cache.inputs(&self.problem.parts.train[..1])?;
        let values = self.problem.network.run_with(&inputs, &BTreeMap::new(), &self.problem.layers).await?;
        Ok(self.joined(&values, 1)?.len())
    }

    /// Root mean squares of the layers over the training samples.
    pub(super) async fn measured(&self) -> Result<Vec<f64>, Error> {
        let mut sums = vec![(0.0, 0usize); self.problem.layers.len()];
        for rows in self.problem.parts.train.chunks(self.training.batch as usize) {
            let inputs = self.cache.inputs(rows)?;
            let mut values = self.problem.network.run_with(&inputs, &BTreeMap::new(), &self.problem.layers).await?;
            for (name, (sum, n)) in self.problem.layers.iter().zip(&mut sums) {
                let Some(value) = values.remove(name) else { continue };
                let read = self.rows_of(value, rows.len())?.host().await?;
                *sum += read.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
                *n += read.len();
            }
        }
        Ok(sums.into_iter().map(|(sum, n)| (sum / count(n)).sqrt()).map(|rms| if rms > 0.0 { rms } else { 1.0 }).collect())
    }

    /// A layer's values with one row for each sample.
    pub(super) fn rows_of(&self, value: Tensor, n: usize) -> Result<Tensor, Error> {
        if value.shape().first() != Some(&n) {
            let message = format!("a layer has the shape {} for {n} samples; it is not one of each sample", value.text());
            return Err(Error::parameter("layers", message));
        }
        let width = value.len() / n;
        if self.problem.reading == Reading::Avg && value.rank() > 2 {
            let channels = value.shape()[1];
            return Ok(value.reshape(vec![n, channels, width / channels]).mean(2).reshape(vec![n, channels]));
        }
        Ok(value.reshape(vec![n, width]))
    }

    /// All layers beside each other.
    pub(super) fn joined(&self, values: &BTreeMap<String, Tensor>, n: usize) -> Result<Tensor, Error> {
        let mut parts = Vec::with_capacity(values.len());
        for (name, rms) in self.problem.layers.iter().zip(&self.rms) {
            let value = values.get(name).cloned().ok_or_else(|| Error::internal(format!("the value {name} was not made")))?;
            let rows = self.rows_of(value, n)?;
            parts.push(if self.problem.layers.len() > 1 { rows.times(1.0 / rms) } else { rows });
        }
        if parts.len() == 1 {
            return parts.pop().ok_or_else(|| Error::internal("one layer"));
        }
        Tensor::concat(parts, 1).ok_or_else(|| Error::parameter("layers", "no layer is named"))
    }

    /// Gradients of the layers from that of the joined features.
    pub(super) fn apart(&self, gradient: &Tensor, values: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, Error> {
        let n = gradient.shape()[0];
        let mut at = 0;
        let mut out = BTreeMap::new();
        for (name, rms) in self.problem.layers.iter().zip(&self.rms) {
            let Some(shape) = values.get(name).map(|v| v.shape().to_vec()) else { continue };
            let pooled = self.problem.reading == Reading::Avg && shape.len() > 2;
            let (channels, positions) = (shape.get(1).copied().unwrap_or(1), shape.get(2..).map_or(1, |rest| rest.iter().product()));
            let width = if pooled { channels } else { shape[1..].iter().product() };
            let mut part = gradient.clone().slice(1, at, at + width, 1);
            if self.problem.layers.len() > 1 {
                part = part.times(1.0 / rms);
            }
            if pooled {
                part = part.times(1.0 / count(positions)).reshape(vec![n, channels, 1]);
                part = part.expand(&[n, channels, positions]).map_err(Error::internal)?;
            }
            out.insert(name.clone(), part.reshape(shape));
            at += width;
        }
        Ok(out)
    }

    /// Features of some samples with some parameters, on the host.
    pub(super) async fn features(
        &self,
        rows: &[usize],
        parameters: &BTreeMap<String, Tensor>,
        progress: &dyn Progress,
    ) -> Result<Vec<f32>, Error> {
        let mut out = Vec::new();
        for rows in rows.chunks(self.training.batch as usize) {
            let inputs = self.cache.inputs(rows)?;
            let values = self.problem.network.run_with(&inputs, parameters, &self.problem.layers).await?;
            out.extend(self.joined(&values, rows.len())?.host().await?);
            progress.step(0.0, "features of the unwarped network")?;
        }
        Ok(out)
    }

    /// What is scored: what is read out of some samples, or their features.
    pub(super) async fn outputs(&self, rows: &[usize], state: &State) -> Result<Vec<f32>, Error> {
        let mut out = Vec::new();
        for rows in rows.chunks(self.training.batch as usize) {
            let inputs = self.cache.inputs(rows)?;
            let values = self.problem.network.run_with(&inputs, &state.parameters, &self.problem.layers).await?;
            let features = self.joined(&values, rows.len())?;
            let read = match &state.readout {
                Some(readout) => readout.apply(features)?,
                None => features,
            };
            out.extend(read.host().await?);
        }
        Ok(out)
    }
}
