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

impl Estimate {
    /// Estimate of work that follows this one with its memory still held.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, peak_bytes: self.peak_bytes + other.peak_bytes }
    }

    /// Seconds at a given speed in flops per second.
    #[must_use]
    pub fn seconds_at(self, flops_per_sec: f64) -> f64 {
        self.flops / flops_per_sec
    }
}
