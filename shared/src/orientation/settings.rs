//! Which network learns to tell orientations apart.

use serde::{Deserialize, Serialize};

/// The layers before the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// A convolution, a rectifier, and maxima over 8 x 8 pixels: 3,201 parameters.
    #[default]
    ConvPoolFc,
    /// A convolution and a rectifier: 184,641 parameters.
    ConvFc,
    /// Pixels: 30,741 parameters.
    Fc,
}

/// What the convolution begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filters {
    /// A center, its negative and four orientations.
    #[default]
    Handmade,
    /// Uniform numbers within 1 / 7.
    Random,
}
