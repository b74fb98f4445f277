//! Progress and cancellation, handed into every run.

use crate::Error;
use crate::analysis::Output;

/// Receives progress and may ask the run to stop.
pub trait Progress {
    /// Reports that `done_frac` (0 to 1) of the run is done and what comes next.
    ///
    /// # Errors
    /// [`Error::Canceled`] when the run should stop; pass it on with `?`.
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error>;

    /// Seconds since some moment, where whoever is told has a clock.
    fn clock(&self) -> Option<f64> {
        None
    }

    /// Offers what is known so far, NaN for what is not known yet. Nothing is made unless the receiver asks: it decides how often.
    fn preview(&self, _known: &dyn Fn() -> Option<Output>) {}
}

/// Ignores progress and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _done_frac: f64, _what: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// A part of a longer run: maps its 0..1 onto `from..to` of the whole.
pub struct Part<'a> {
    whole: &'a dyn Progress,
    from: f64,
    to: f64,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Part({}..{})", self.from, self.to)
    }
}

impl<'a> Part<'a> {
    /// The part of `whole` between `from` and `to` (fractions).
    #[must_use]
    pub fn new(whole: &'a dyn Progress, from: f64, to: f64) -> Self {
        Self { whole, from, to }
    }
}

impl Progress for Part<'_> {
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        self.whole.step(self.from + (self.to - self.from) * done_frac, what)
    }

    fn clock(&self) -> Option<f64> {
        self.whole.clock()
    }

    fn preview(&self, known: &dyn Fn() -> Option<Output>) {
        self.whole.preview(known);
    }
}
