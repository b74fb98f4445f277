//! What a network sees of some samples: computed once as far as nothing that is trained changes it, and kept where it fits.

use super::Inputs;
use crate::network::{Constant, Network, Reading};
use crate::{Error, Progress};

/// Memory for what is kept.
#[cfg(not(target_arch = "wasm32"))]
const KEPT_BYTES: usize = 2 << 30;
#[cfg(target_arch = "wasm32")]
const KEPT_BYTES: usize = 512 << 20;
/// Samples that are prepared at a time.
const AT_ONCE: usize = 32;

/// Samples of a network.
pub(crate) trait Samples {
    /// How many there are.
    fn len(&self) -> usize;

    /// The network's inputs for some of them.
    ///
    /// # Errors
    /// Those of an image that cannot be read.
    fn inputs(&self, rows: &[usize]) -> Result<Inputs, Error>;
}

/// The network's inputs, or values that it makes of them and that do not change.
pub(super) struct Cache<'a> {
    samples: &'a dyn Samples,
    /// Of all samples; nothing where they do not fit.
    kept: Option<Inputs>,
}

impl<'a> Cache<'a> {
    /// Values of the border, which is what does not change and is read by what does.
    pub(super) async fn new(
        network: &Network,
        samples: &'a dyn Samples,
        border: Vec<String>,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let n = samples.len();
        let made = async |rows: &[usize]| network.run(&samples.inputs(rows)?, &border, Reading::Full).await.map(|made| made.values);
        let bytes = |values: &Inputs| values.values().map(|v| 4 * v.shape().iter().product::<usize>()).sum::<usize>();
        let probe: Vec<usize> = (0..n.min(2)).collect();
        let first = made(&probe).await?;
        // Shapes and the like are no values of samples.
        let of_samples = first.values().all(|value| matches!(value, Constant::Float(_)) && value.shape().first() == Some(&probe.len()));
        let fits = |values: &Inputs| bytes(values) / probe.len().max(1) * n <= KEPT_BYTES;
        let uses_border = of_samples && fits(&first);
        if !uses_border && !fits(&samples.inputs(&probe)?) {
            return Ok(Self { samples, kept: None });
        }
        let mut parts: Vec<Inputs> = Vec::new();
        let all: Vec<usize> = (0..n).collect();
        for rows in all.chunks(AT_ONCE) {
            parts.push(if uses_border { made(rows).await? } else { samples.inputs(rows)? });
            #[expect(clippy::cast_precision_loss, reason = "numbers of samples")]
            let share = (rows[rows.len() - 1] + 1) as f64 / n as f64;
            // Training is longer; it begins again at 0.
            progress.step(0.01 * share, &format!("{} of {n} samples prepared", rows[rows.len() - 1] + 1))?;
        }
        let names: Vec<String> = parts.first().map(|part| part.keys().cloned().collect()).unwrap_or_default();
        let joined = |name: String| {
            let values = parts.iter_mut().filter_map(|part| part.remove(&name)).collect();
            Constant::concatenated(values).map(|all| (name, all))
        };
        let kept = names.into_iter().map(joined).collect::<Result<_, _>>()?;
        Ok(Self { samples, kept: Some(kept) })
    }
}

impl Samples for Cache<'_> {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn inputs(&self, rows: &[usize]) -> Result<Inputs, Error> {
        match &self.kept {
            Some(all) => Ok(all.iter().map(|(name, value)| (name.clone(), value.select(rows))).collect()),
            None => self.samples.inputs(rows),
        }
    }
}
