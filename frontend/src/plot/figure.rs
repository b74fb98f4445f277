//! What to draw, as plain data: only what the views need of Plotly's vocabulary, in words of the field.

use std::borrow::Cow;
use std::sync::Arc;

/// Traces and what is around them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// Drawn in this order.
    pub traces: Vec<Trace>,
    /// Axes, marks, legend.
    pub layout: Layout,
}

/// Something drawn from numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Trace {
    /// Points or lines.
    Scatter(Scatter),
    /// Points joined by a line, with half-lengths of error bars (NaN for none).
    Curve(Scatter, Vec<f64>),
    /// Vertical bars.
    Bar(Bar),
    /// A matrix as colored cells.
    Heatmap(Heatmap),
    /// A histogram beside the plot, over its horizontal or its vertical axis. Those of one side are stacked.
    Margin(Margin),
}

/// Positions along an axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers; NaN leaves a gap.
    Numbers(Vec<f64>),
    /// Names on a category axis; equal names share a position.
    Names(Vec<String>),
}

/// Points or lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// In the legend and in the hover box.
    pub name: String,
    /// Horizontal positions.
    pub x: Values,
    /// Vertical positions.
    pub y: Vec<f64>,
    /// How.
    pub draw: Draw,
    /// Which color.
    pub color: Color,
    /// 0 (invisible) to 1.
    pub opacity: f64,
    /// Whether the legend lists it.
    pub in_legend: bool,
    /// One text per point for the hover box; may be empty.
    pub texts: Vec<String>,
    /// Plotly hover template; the empty string hides the box.
    pub hover: &'static str,
}

/// How a [`Scatter`] is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// Points.
    Points,
    /// A line.
    Line,
    /// A dashed line.
    Dashes,
    /// The area that the points go around.
    Area,
}

/// Vertical bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// In the hover box.
    pub name: String,
    /// Centers.
    pub x: Values,
    /// Heights; NaN draws none.
    pub y: Vec<f64>,
    /// Half-lengths of error bars, one per bar (NaN for none); may be empty.
    pub errors: Vec<f64>,
    /// Width of every bar in units of the axis; chosen by Plotly when absent.
    pub width: Option<f64>,
    /// Which color.
    pub color: Color,
    /// One text per bar for the hover box; may be empty.
    pub texts: Vec<String>,
    /// Plotly hover template.
    pub hover: &'static str,
}

/// Counts along an axis of the plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Margin {
    /// The series whose points are counted; hidden and shown with it.
    pub name: String,
    /// Over which axis.
    pub side: Side,
    /// Centers of the bins, in units of the axis.
    pub centers: Vec<f64>,
    /// Their widths.
    pub widths: Vec<f64>,
    /// Points in them.
    pub counts: Vec<f64>,
    /// Which color.
    pub color: Color,
}

/// Where a [`Margin`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Above, over the horizontal axis.
    Top,
    /// On the right, over the vertical axis.
    Right,
}

/// A matrix as colored cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Heatmap {
    /// Names of the columns, unique.
    pub columns: Vec<String>,
    /// Names of the rows, unique.
    pub rows: Vec<String>,
    /// Cells in C order; NaN is a gap.
    pub z: Vec<f64>,
    /// Values at both ends of the color scale; those of the cells when absent.
    pub range: Option<[f64; 2]>,
    /// Title of the color bar, with the unit.
    pub title: String,
}

/// Colors around a circle, for angles.
pub const CYCLE: usize = 12;

/// A role in the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// The i-th series.
    Series(usize),
    /// The i-th of [`CYCLE`] around a circle.
    Cycle(usize),
    /// As the text.
    Text,
}

/// What is around the traces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Layout {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Bands and lines behind and above the traces.
    pub marks: Vec<Mark>,
    /// Whether there is a legend.
    pub legend: bool,
    /// Whether a unit is equally long on both axes.
    pub square: bool,
    /// Images above the traces or beside the plot.
    pub pictures: Vec<Picture>,
}

/// One axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Axis {
    /// Title with the unit.
    pub title: String,
    /// Linear, logarithmic or categories.
    pub scale: Scale,
    /// Ends in units of the data; chosen by Plotly when absent.
    pub range: Option<[f64; 2]>,
    /// Positions and texts of the ticks; chosen by Plotly when absent.
    pub ticks: Option<Vec<(f64, String)>>,
    /// Whether the first value is at the top or on the right.
    pub reversed: bool,
}

/// How positions map to pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm; values must be positive.
    Log,
    /// One step per name.
    Category,
    /// Evenly, with things at 0, 1, 2, … that the ticks name; points may lie beside them.
    Slots,
}

/// An image in a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Its address.
    pub url: Arc<str>,
    /// Where its center is (or the edge that touches the plot).
    pub at: PictureAt,
    /// Its side, in units of the data.
    pub size: f64,
}

/// Where a [`Picture`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PictureAt {
    /// In the plot.
    Point {
        /// Horizontal position.
        x: f64,
        /// Vertical position.
        y: f64,
    },
    /// Above the plot: at a place along the horizontal axis, in a row counted from the plot.
    Above {
        /// Along the axis.
        x: f64,
        /// Row.
        row: u32,
    },
    /// Left of the plot, likewise.
    Left {
        /// Along the axis.
        y: f64,
        /// Row.
        row: u32,
    },
}

/// A mark that is not data of a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A horizontal band over the full width, with a text at its right end.
    Band {
        /// Lower and upper end.
        y: [f64; 2],
        /// What it is.
        text: String,
    },
    /// A line across and one down, that separate groups of a heat map.
    Separator {
        /// Position on both axes, in cells from the center of the first.
        at: f64,
    },
    /// A vertical line over the full height, with a text at its upper end.
    Position {
        /// Where.
        x: f64,
        /// What it is.
        text: String,
    },
}

impl Axis {
    /// A linear axis with a title.
    #[must_use]
    pub fn linear(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// A logarithmic axis with a title.
    #[must_use]
    pub fn log(title: impl Into<String>) -> Self {
        Self { title: title.into(), scale: Scale::Log, ..Self::default() }
    }

    /// Places 0, 1, 2, … with these names.
    #[must_use]
    pub fn slots(names: impl IntoIterator<Item = String>) -> Self {
        let ticks = (0u32..).map(f64::from).zip(names).collect();
        Self { scale: Scale::Slots, ticks: Some(ticks), ..Self::default() }
    }

    /// A category axis with a title.
    #[must_use]
    pub fn category(title: impl Into<String>) -> Self {
        Self { title: title.into(), scale: Scale::Category, ..Self::default() }
    }
}

impl Scatter {
    /// One line of numbers in the first color, with a text for each point.
    pub fn line(name: &str, x: Vec<f64>, y: Vec<f64>, texts: Vec<String>, hover: &'static str) -> Self {
        Self {
            name: name.into(),
            x: Values::Numbers(x),
            y,
            draw: Draw::Line,
            color: Color::Series(0),
            opacity: 1.0,
            in_legend: false,
            texts,
            hover,
        }
    }
}

/// Below this width, in pixels, images beside a plot would leave no room for it.
pub(super) const NARROW: i32 = 480;

impl Figure {
    /// The figure without what a plot of this width has no room for.
    #[must_use]
    pub fn fitting(&self, width: i32) -> Cow<'_, Self> {
        let beside = |p: &Picture| !matches!(p.at, PictureAt::Point { .. });
        if width >= NARROW || !self.layout.pictures.iter().any(beside) {
            return Cow::Borrowed(self);
        }
        let mut figure = self.clone();
        figure.layout.pictures.retain(|p| !beside(p));
        Cow::Owned(figure)
    }
}

/// The least and the greatest finite value; `None` when there is none.
pub fn extent<'a>(values: impl IntoIterator<Item = &'a f64>) -> Option<[f64; 2]> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |ends: Option<[f64; 2]>, &v| {
        let [low, high] = ends.unwrap_or([v, v]);
        Some([low.min(v), high.max(v)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extent_ignores_what_is_undefined() {
        assert_eq!(extent(&[f64::NAN, 2.0, -1.0, f64::INFINITY]), Some([-1.0, 2.0]));
        assert_eq!(extent(&[f64::NAN]), None);
    }
}
