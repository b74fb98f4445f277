//! Activations of a network for many images: decoded ahead, run in batches, written as they come, continued where they stopped.

mod mask;
mod output;
mod partial;
mod source;
mod stack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eigenscope::analysis::dimensionality::Projection;
use eigenscope::network::{Activations, Constant, Network, Preprocess, Reading};
use eigenscope::{Device, Error, Progress, progress};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

pub use self::mask::{Mask, read_masks};
pub use self::output::Form;
use self::partial::Partial;
pub use self::source::{Images, OnError, Source};
pub use self::stack::{Levels, Stack};

/// What was done, as JSON: its name in an archive.
const RECORD: &str = "eigenscope.json";

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
    /// Units that are kept of some layers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<String, Mask>,
    /// What replaces positions and channels, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projected>,
    /// What is done to images; nothing for arrays.
    pub preprocess: Option<Preprocess>,
    /// How the numbers of a stack became colors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<Levels>,
    /// The images, in order.
    pub images: Vec<String>,
}

/// A random projection of each layer that has positions; values in double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projected {
    /// Values of each image.
    pub width: u32,
    /// Of the projection: that of `dims --pool none` with the same seed.
    pub seed: u64,
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
    let form = Form::of(target)?;
    form.check_names(&spec.layers)?;
    let mut projection = spec.projection.map(|p| Projection::new(p.seed, p.width as usize));
    let mut partial = Partial::open(target, form, spec)?;
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
            let mut made: Activations = network.run(&inputs, &spec.layers, spec.reading).await?;
            mask::keep(&spec.masks, images.n, &mut made.values)?;
            let projected = match &mut projection {
                Some(projection) => projections(projection, images.n, &made.values, device).await?,
                None => BTreeMap::new(),
            };
            partial.append(images.n, &made.values, &projected)?;
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

/// Projections of the values that have positions; others are matrices already.
async fn projections(
    projection: &mut Projection,
    n: usize,
    values: &BTreeMap<String, Constant>,
    device: &Device,
) -> Result<BTreeMap<String, ArrayD<f64>>, Error> {
    let mut out = BTreeMap::new();
    for (name, value) in values {
        let Constant::Float(array) = value else { continue };
        if array.ndim() < 3 || array.shape()[0] != n || array.is_empty() {
            continue;
        }
        let contiguous = array.as_standard_layout();
        let rows = projection.apply(contiguous.as_slice().unwrap_or_default(), n, device, &progress::Silent).await?;
        out.insert(name.clone(), ArrayD::from_shape_fn(IxDyn(&[n, rows.ncols()]), |at| rows[(at[0], at[1])]));
    }
    Ok(out)
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
