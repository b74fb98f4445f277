//! Activations of a network for a set of images.

mod files;
#[cfg(feature = "network")]
mod network;
#[cfg(all(test, feature = "network"))]
mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::network::{Dim, Port, Preprocess, Preset, Reading, Resize};
use crate::stats::{blocks, count, small};
use crate::{Array, Error, Estimate};

pub use files::npz;
#[cfg(feature = "network")]
pub(super) use network::{Opened, open};

/// Memory for values while a batch runs.
const BATCH_BYTES: u32 = 256 << 20;

/// Multiply-adds for one weight and image, about: 85 (EfficientNet-Lite0) to 155 (`ResNet18`), 112 (VGG16), 100 (ViT-B/16).
const USES_OF_A_WEIGHT: f64 = 120.0;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the network: an ONNX file, or a state dict of a built-in architecture.
    pub network: String,
    /// Name of the images, or of an array.
    pub images: String,
    /// What an array is.
    pub array: ArrayIs,
    /// The layers: `all`, `outputs`, names of values, and names with `*` for any letters.
    pub layers: Vec<String>,
    /// How positions are read.
    pub reading: Reading,
    /// What is done to images before the network sees them.
    pub preset: Preset,
    /// Height and width of the images that the network sees, where its file leaves them open.
    pub size: Option<[u32; 2]>,
    /// Another way to that size than the preset's.
    pub resize: Option<Resize>,
    /// Means of red, green and blue on 0..1, instead of the preset's.
    pub mean: Option<[f64; 3]>,
    /// Standard deviations of red, green and blue on 0..1, instead of the preset's; above 0.
    pub std: Option<[f64; 3]>,
    /// Leave out images that cannot be read, instead of stopping there.
    pub skip_unreadable: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            network: String::new(),
            images: String::new(),
            array: ArrayIs::Values,
            layers: vec!["outputs".into()],
            reading: Reading::Full,
            preset: Preset::Imagenet,
            size: None,
            resize: None,
            mean: None,
            std: None,
            skip_unreadable: false,
        }
    }
}

/// What the numbers of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrayIs {
    /// Values as the network wants them, images first.
    #[default]
    Values,
    /// Colors: n x height x width x 3 or n x 3 x height x width, integers from 0 to 255 or floats from 0 to 1.
    Images,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the network.
    pub network: String,
    /// One for each layer, in the order in which the network makes them.
    pub layers: Vec<Layer>,
    /// Names of the images that have values, in the order of the rows.
    pub images: Vec<String>,
    /// Names of images that could not be read.
    pub left_out: Vec<String>,
    /// What was done to the images; nothing for arrays.
    pub preprocess: Option<Preprocess>,
}

/// The values of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the value in the network's file.
    pub name: String,
    /// Its shape, images first.
    pub shape: Vec<u32>,
    /// Values of single precision, widened: n x the product of the other axes.
    pub values: Array,
}

/// A part of the images: the first, and one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub first: u32,
    /// One after the last.
    pub end: u32,
}

impl Spec {
    pub(super) fn inputs(&self) -> Vec<String> {
        vec![self.network.clone(), self.images.clone()]
    }

    pub(super) fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n_weights, _) = shapes.of(&self.network);
        let (n, _) = shapes.of(&self.images);
        Estimate { flops: 2.0 * USES_OF_A_WEIGHT * n_weights * n, peak_bytes: 12.0 * n_weights + 2.0 * f64::from(BATCH_BYTES) }
    }

    /// What is done to images for a network with this input.
    ///
    /// # Errors
    /// [`Error::Input`] for a network that does not see images of three colors, [`Error::Parameter`] for a size that is not known and
    /// deviations that are not above 0.
    pub fn preprocess(&self, port: &Port) -> Result<Preprocess, Error> {
        let mut out = self.preset.of_size(self.side_lengths(port)?);
        out.resize = self.resize.unwrap_or(out.resize);
        out.mean = self.mean.unwrap_or(out.mean);
        out.std = self.std.unwrap_or(out.std);
        if out.std.iter().any(|s| *s <= 0.0 || !s.is_finite()) {
            return Err(Error::parameter("std", "standard deviations are above 0"));
        }
        Ok(out)
    }

    fn side_lengths(&self, port: &Port) -> Result<[u32; 2], Error> {
        let shape = port.shape.as_deref().unwrap_or_default();
        if let [_, colors, h, w] = shape {
            if let Dim::Fixed(colors) = colors
                && *colors != 3
            {
                let message = format!("the network sees {colors} channels, not the three of an image; give it an array of its input");
                return Err(Error::input(port.name.clone(), message));
            }
            if let (Dim::Fixed(h), Dim::Fixed(w)) = (h, w)
                && self.size.is_none()
            {
                let side = |n: u64| {
                    u32::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| Error::input(port.name.clone(), format!("a side of {n} pixels")))
                };
                return Ok([side(*h)?, side(*w)?]);
            }
        } else if port.shape.is_some() {
            let message = format!("the network's input has {} axes, not the four of images; give it an array of its input", shape.len());
            return Err(Error::input(port.name.clone(), message));
        }
        match self.size {
            Some([h, w]) if h > 0 && w > 0 && h < 1 << 15 && w < 1 << 15 => Ok([h, w]),
            Some([h, w]) => Err(Error::parameter("size", format!("{h} x {w} pixels are no size of an image"))),
            None => Err(Error::parameter("size", "the network's file leaves the size of its images open; name it, for example 224 x 224")),
        }
    }
}

/// Runs a network on images and keeps the values of some layers.
///
/// # Definition
/// Images are prepared as [`Preprocess`] says. The value of a layer is what the operation of its name makes in the network's file; `avg` and `max` reduce the
/// axes behind the second (positions).
///
/// # Shapes
/// n images → n x (the value's shape behind its first axis), n x channels after pooling.
///
/// # Degenerate
/// Values without one entry for each image (shapes, indices, constants) are left out where a pattern finds them, and refused where they are named.
/// Images that cannot be read stop the run or are left out, as the spec says.
///
/// # Accuracy
/// Single precision on every device: about 1e-6 of the largest magnitude of a value per layer of depth. Deterministic on one device.
///
/// # Cost
/// That of the network for each image; memory for the kept values and for a batch of at most 256 MiB of values.
///
/// # Errors
/// [`Error::Unsupported`] for operations that are not known (all of them are listed), [`Error::Parameter`] for a layer that is not there, with near names,
/// [`Error::Format`] for a file that is damaged.
///
/// # Source
/// The operators of the ONNX standard, versions 7 to 21.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    #[cfg(feature = "network")]
    return network::run(spec, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(without_networks(spec, inputs, context))
}

/// The values for a part of the images.
pub(crate) async fn run_range(spec: &Spec, range: Range, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    #[cfg(feature = "network")]
    return network::run_range(spec, range, inputs, context).await;
    #[cfg(not(feature = "network"))]
    Err(without_networks(&(spec, range), inputs, context))
}

/// Why this build cannot run one.
#[cfg(not(feature = "network"))]
pub(super) fn without_networks<T>(_spec: &T, _inputs: &Inputs, _context: &Context<'_>) -> Error {
    Error::Unsupported { file: "network".into(), message: "this build cannot run networks; build it with the feature `network`".into() }
}

/// Parts of the images, each of about `task_flops`; empty when the run is one task.
pub(crate) fn divide(spec: &Spec, shapes: &Shapes, task_flops: f64) -> Vec<Range> {
    let n = shapes.0.get(&spec.images).and_then(|shape| shape.first()).copied().unwrap_or(0);
    let n_tasks = (spec.estimate(shapes).flops / task_flops).min(count(n));
    if n_tasks < 2.0 {
        return Vec::new();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the number of images")]
    let parts = blocks(n, n_tasks.ceil() as usize);
    let range = |part: std::ops::Range<usize>| Range { first: small(part.start), end: small(part.end) };
    parts.into_iter().map(range).collect()
}

/// Puts the values of all parts one after the other.
pub(crate) fn join(pieces: impl Iterator<Item = Result<Output, Error>>) -> Result<Output, Error> {
    let mut all: Option<Output> = None;
    for piece in pieces {
        let piece = piece?;
        let Some(all) = &mut all else {
            all = Some(piece);
            continue;
        };
        // A constant of length 1 looks like a layer to a part of one image.
        let same = |a: &Layer, b: &Layer| a.name == b.name && a.shape.get(1..) == b.shape.get(1..);
        all.layers.retain(|layer| piece.layers.iter().any(|other| same(layer, other)));
        for layer in &mut all.layers {
            for other in piece.layers.iter().filter(|other| other.name == layer.name) {
                let n = other.values.rows();
                layer.shape.iter_mut().take(1).chain(layer.values.shape.iter_mut().take(1)).for_each(|length| *length += small(n));
                layer.values.values.extend_from_slice(&other.values.values);
            }
        }
        all.images.extend(piece.images);
        all.left_out.extend(piece.left_out);
    }
    all.ok_or_else(|| Error::internal("no piece was computed"))
}
