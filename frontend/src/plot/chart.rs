//! A figure with everything that a card needs to show and export it.

use std::fmt;
use std::sync::Arc;

use super::Figure;

/// The numbers of a figure as CSV text, made when asked for: those of a large matrix are long.
#[derive(Clone)]
pub struct Csv(Arc<dyn Fn() -> String + Send + Sync>);

impl Csv {
    /// From a function that writes the text.
    pub fn new(write: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    /// The text: a header line, then one line per row.
    #[must_use]
    pub fn text(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for Csv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Csv")
    }
}

/// A figure, its words and its numbers.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What is drawn.
    pub figure: Figure,
    /// One sentence with the main numbers, for those who cannot see the figure.
    pub summary: String,
    /// What the reader must know about the drawing: reductions, units, what is left out. May be empty.
    pub caption: String,
    /// The numbers behind it.
    pub csv: Csv,
}
