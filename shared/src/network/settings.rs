//! What is done to images before a network sees them, and how its values are read.

use serde::{Deserialize, Serialize};

/// What is done to an image before a network sees it.
///
/// # Definition
/// Colors are read as 8-bit RGB (an alpha channel is dropped, gray is repeated). The image is resized with a triangle filter that widens when it shrinks
/// (Pillow's `BILINEAR`, as torchvision has it, to the last bit), then cut around its center. Each value v of 0..255 becomes `(v / 255 - mean) / std` of its color.
///
/// # Source
/// torchvision 0.29 `ImageClassification` presets; the scaling of EfficientNet-Lite is `(v - 127) / 128`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// How the image gets its size.
    pub resize: Resize,
    /// Height and width that the network sees.
    pub size: [u32; 2],
    /// Of red, green and blue, on 0..1.
    pub mean: [f64; 3],
    /// Of red, green and blue, on 0..1.
    pub std: [f64; 3],
}

/// How an image gets its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// To the size of the network, whatever its proportions.
    Stretch,
    /// The shorter side to this length, then the center.
    Crop(u32),
    /// Not: the center, which must be there.
    Keep,
}

/// What networks of a family were trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// torchvision's: shorter side to 256 for a network of 224 (in proportion for others), center, mean and deviation of `ImageNet`.
    #[default]
    Imagenet,
    /// Stretched to the network's size, mean and deviation of `ImageNet`.
    Stretch,
    /// Stretched to the network's size, `(v - 127) / 128`.
    EfficientnetLite,
    /// Stretched to the network's size, 0..1.
    Unit,
}

const IMAGENET: ([f64; 3], [f64; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

impl Preset {
    /// For a network that sees images of this height and width.
    #[must_use]
    pub fn of_size(self, size: [u32; 2]) -> Preprocess {
        let [h, w] = size;
        // 256 for 224.
        let shorter = (u64::from(h.max(w)) * 8).div_ceil(7);
        let resize = if self == Self::Imagenet { Resize::Crop(u32::try_from(shorter).unwrap_or(u32::MAX)) } else { Resize::Stretch };
        let (mean, std) = match self {
            Self::Imagenet | Self::Stretch => IMAGENET,
            Self::EfficientnetLite => ([127.0 / 255.0; 3], [128.0 / 255.0; 3]),
            Self::Unit => ([0.0; 3], [1.0; 3]),
        };
        Preprocess { resize, size, mean, std }
    }
}

/// How positions (the axes behind the second) are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// All of them.
    #[default]
    Full,
    /// Their mean.
    Avg,
    /// The largest.
    Max,
}
