//! Figures: what to draw as plain data, and the one place that draws it.
//!
//! A view builds a [`Chart`] (a [`Figure`] with its words and its numbers) from a result; that is a pure function and is tested natively.
//! A [`FigureCard`] draws it, follows the theme and the size of its box, and exports PNG, SVG, CSV, matrices for numpy, and the spec.

pub mod card;
mod chart;
mod engine;
mod export;
pub mod figure;
mod json;
pub mod matrix;
pub mod number;
pub mod palette;
pub mod reduce;
pub mod table;

pub use card::FigureCard;
pub use chart::{Chart, Csv};
pub(crate) use engine::preload;
pub(crate) use export::{download, file_stem, offer};
pub use figure::{Axis, Bar, CYCLE, Color, Draw, Figure, Heatmap, Layout, Margin, Mark, Picture, PictureAt, Scatter, Side, Trace, Values};
pub use palette::Palette;
pub use table::{Cell, DataTable, Table};
