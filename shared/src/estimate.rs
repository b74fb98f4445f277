//! Pre-flight estimates: what a run costs before it starts.

use serde::{Deserialize, Serialize};

/// Floating-point operations and peak memory of a run, from the shapes of its inputs.
///
/// An order of magnitude for choosing a place to run, not a promise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Multiply-adds counted as two.
    pub flops: f64,
    /// Bytes beyond the inputs as loaded.
    pub peak_bytes: f64,
}
