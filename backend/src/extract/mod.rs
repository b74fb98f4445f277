//! Activations of a network for many images: decoded ahead, run in batches, written as they come, continued where they stopped.

mod npz;
mod source;

use std::path::{Path, PathBuf};
use std::time::Instant;

use eigenscope::network::{self, Network, Plan, Preprocess, Reading};
use eigenscope::{Device, Error, Progress};
use serde::{Deserialize, Serialize};

use self::npz::Partial;
pub use self::source::{Images, OnError, Source};

/// What is extracted and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The network's file.
    pub model: String,
    /// Hash of its bytes.
    pub model_hash: String,
    /// Values by their names.
    pub layers: Vec<String>,
    /// Those that were named one by one: they must be arrays with one entry for each image. Others that are not are left out.
    pub named: Vec<String>,
    /// How positions are read.
    pub reading: Reading,
    /// What is done to images; nothing for arrays.
    pub preprocess: Option<Preprocess>,
    /// The images, in order.
    pub images: Vec<String>,
}

/// One layer of the result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerShape {
    /// Name of the value.
    pub name: String,
    /// Its shape, images first.
    pub shape: Vec<u64>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extracted {
    /// The arrays that were written.
    pub layers: Vec<LayerShape>,
    /// Number of images.
    pub images: u64,
    /// Time, without what an earlier run had done.
    pub seconds: f64,
    /// Of this run.
    pub images_per_second: f64,
    /// Images that an earlier run had done.
    pub resumed: u64,
    /// Images that could not be read and are left out.
    pub left_out: Vec<String>,
    /// The device, for people.
    pub device: String,
}

/// Memory for values while a batch runs.
const BUDGET_BYTES: u64 = 1 << 30;

/// Extracts layers into an archive.
///
/// # Errors
/// Those of the network, of the images and of the file.
#[expect(clippy::disallowed_methods, reason = "the backend may read the clock")]
pub async fn extract(
    network: &Network,
    device: &Device,
    spec: &Spec,
    source: Source,
    batch: Option<usize>,
    target: &Path,
    progress: &dyn Progress,
) -> Result<Extracted, Error> {
    let mut partial = Partial::open(target, spec)?;
    let (resumed, n) = (partial.done(), source.len());
    let start = Instant::now();
    let mut reader = source.read_from(resumed)?;
    let plan = Plan { layers: &spec.layers, reading: spec.reading, batch, budget_bytes: BUDGET_BYTES };
    let rated = Rated { progress, start, resumed, n };
    network::extract(network, plan, reader.as_mut(), &mut partial, (resumed, n), &rated).await?;
    let left_out = partial.left_out().to_vec();
    let layers = partial.finish(target)?;
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
    let images_per_second = (n - resumed) as f64 / seconds.max(1e-9);
    Ok(Extracted {
        layers,
        images: (n - left_out.len()) as u64,
        seconds,
        images_per_second,
        resumed: resumed as u64,
        left_out,
        device: device.info().name.clone(),
    })
}

/// Adds the speed to what is told.
struct Rated<'a> {
    progress: &'a dyn Progress,
    start: Instant,
    resumed: usize,
    n: usize,
}

impl Progress for Rated<'_> {
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
        let done = done_frac * self.n as f64 - self.resumed as f64;
        let rate = done / self.start.elapsed().as_secs_f64().max(1e-9);
        self.progress.step(done_frac, &format!("{what}, {rate:.1} images/s"))
    }
}

/// Where an unfinished extraction is kept.
pub(crate) fn partial_folder(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}
