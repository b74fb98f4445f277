//! Activations of a network for many images: decoded ahead, run in batches, written as they come, continued where they stopped.

mod npz;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eigenscope::network::{Activations, Constant, Network, Preprocess, Reading};
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
/// Images of a batch at most.
const MOST: usize = 64;

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
    let input = network
        .graph()
        .inputs
        .first()
        .map(|port| port.name.clone())
        .ok_or_else(|| Error::Input { input: spec.model.clone(), message: "the network has no input".into() })?;
    let fixed = fixed_batch(network);
    let mut partial = Partial::open(target, spec)?;
    let resumed = partial.done();
    let start = Instant::now();
    let n = source.len();
    let mut reader = source.read_from(resumed)?;
    let mut size = fixed.or(batch).unwrap_or(1);
    let mut done = resumed;
    while let Some(images) = reader.next(size)? {
        done += images.consumed;
        if images.n > 0 {
            let inputs = BTreeMap::from([(input.clone(), Constant::Float(images.values))]);
            let made: Activations = network.run(&inputs, &spec.layers, spec.reading).await?;
            partial.append(images.n, &made.values)?;
            if fixed.is_none() && batch.is_none() {
                let each = made.peak_bytes / images.n as u64;
                size = usize::try_from(BUDGET_BYTES / each.max(1)).unwrap_or(MOST).clamp(1, MOST);
            }
        }
        partial.mark(done, images.left_out)?;
        #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
        let (frac, rate) = (done as f64 / n.max(1) as f64, (done - resumed) as f64 / start.elapsed().as_secs_f64().max(1e-9));
        progress.step(frac, &format!("{done} of {n} images, {rate:.1} images/s"))?;
    }
    let left_out = partial.left_out().to_vec();
    let layers = partial.finish(target)?;
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
    let images_per_second = (done - resumed) as f64 / seconds.max(1e-9);
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

/// The number of images that the file of a network fixes.
fn fixed_batch(network: &Network) -> Option<usize> {
    match network.graph().inputs.first()?.shape.as_ref()?.first()? {
        eigenscope::network::Dim::Fixed(n) => usize::try_from(*n).ok().filter(|n| *n > 0),
        eigenscope::network::Dim::Named(_) => None,
    }
}

/// Where an unfinished extraction is kept.
pub(crate) fn partial_folder(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    target.with_file_name(name)
}
