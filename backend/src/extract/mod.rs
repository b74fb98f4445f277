//! Activations of a network for many images: decoded ahead, run in batches, written as they come, continued where they stopped.

mod output;
mod partial;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eigenscope::analysis::dimensionality::Projection;
use eigenscope::input::Levels;
use eigenscope::network::{self, Constant, Mask, Network, Plan, Preprocess, Reading, Sink};
use eigenscope::{Device, Error, Progress, progress};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

pub use self::output::Form;
use self::partial::Partial;
pub use self::source::{Images, OnError, Source};

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
    let form = Form::of(target)?;
    form.check_names(&spec.layers)?;
    let projection = spec.projection.map(|p| Projection::new(p.seed, p.width as usize));
    let mut refined = Refined { partial: Partial::open(target, form, spec)?, masks: &spec.masks, projection, device };
    let (resumed, n) = (refined.partial.done(), source.len());
    let start = Instant::now();
    let port = network.graph().inputs.first().map_or("", |port| port.name.as_str());
    let mut reader = source.read_from(port, resumed)?;
    let plan = Plan { layers: &spec.layers, reading: spec.reading, batch, budget_bytes: BUDGET_BYTES };
    let rated = Rated { progress, start, resumed, n };
    network::extract(network, plan, reader.as_mut(), &mut refined, (resumed, n), &rated).await?;
    let partial = refined.partial;
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

/// Values on their way to the file: masked, projected.
struct Refined<'a> {
    partial: Partial,
    masks: &'a BTreeMap<String, Mask>,
    projection: Option<Projection>,
    device: &'a Device,
}

impl Sink for Refined<'_> {
    async fn append(&mut self, n: usize, mut values: BTreeMap<String, Constant>) -> Result<(), Error> {
        network::apply_masks(self.masks, n, &mut values)?;
        let projected = match &mut self.projection {
            Some(projection) => projections(projection, n, &values, self.device).await?,
            None => BTreeMap::new(),
        };
        self.partial.append(n, &values, &projected)
    }

    fn mark(&mut self, done: usize, left_out: Vec<String>) -> Result<(), Error> {
        self.partial.mark(done, left_out)
    }
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
