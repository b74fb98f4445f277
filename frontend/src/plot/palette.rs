//! The colors of figures, read from the CSS custom properties of `views.css`.

use super::figure::CYCLE;

/// Colors and font as CSS text. Figures name roles; the page's theme fills them in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    /// `--plot-1` to `--plot-8`: series that must be told apart.
    pub series: Vec<String>,
    /// `--plot-cycle-1` to `--plot-cycle-12`: around a circle, where the last is as near to the first as to the one before it.
    pub cycle: Vec<String>,
    /// `--plot-scale`: a perceptually uniform scale from low to high.
    pub scale: Vec<String>,
    /// `--plot-grid`: grid and separator lines.
    pub grid: String,
    /// `--plot-text`: titles, ticks and legends.
    pub text: String,
    /// `--plot-bg`: behind everything.
    pub background: String,
    /// `--plot-gap`: cells without a value.
    pub gap: String,
    /// The page's font.
    pub font: String,
}

impl Palette {
    /// A palette from a reader of CSS properties.
    pub fn read(property: impl Fn(&str) -> String) -> Self {
        let one = |name: &str| property(name).trim().to_string();
        Self {
            series: (1..=8).map(|i| one(&format!("--plot-{i}"))).collect(),
            cycle: (1..=CYCLE).map(|i| one(&format!("--plot-cycle-{i}"))).collect(),
            scale: one("--plot-scale").split(',').map(|c| c.trim().to_string()).filter(|c| !c.is_empty()).collect(),
            grid: one("--plot-grid"),
            text: one("--plot-text"),
            background: one("--plot-bg"),
            gap: one("--plot-gap"),
            font: one("font-family"),
        }
    }

    /// The color of series `i`; the eighth is followed by the first.
    #[must_use]
    pub fn series(&self, i: usize) -> &str {
        self.series.get(i % self.series.len().max(1)).map_or("", String::as_str)
    }

    /// The i-th color around the circle.
    #[must_use]
    pub fn cycle(&self, i: usize) -> &str {
        self.cycle.get(i % self.cycle.len().max(1)).map_or("", String::as_str)
    }

    /// Names in the place of colors, for tests.
    #[cfg(test)]
    pub(crate) fn named() -> Self {
        Self::read(|name| if name == "--plot-scale" { "low, high".into() } else { name.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_colors_repeat_after_the_eighth() {
        let palette = Palette::named();
        assert_eq!((palette.series(0), palette.series(8)), ("--plot-1", "--plot-1"));
        assert_eq!((palette.cycle(0), palette.cycle(12), palette.cycle(13)), ("--plot-cycle-1", "--plot-cycle-1", "--plot-cycle-2"));
        assert_eq!(palette.scale, ["low", "high"]);
    }

    #[test]
    fn a_page_without_the_stylesheet_does_not_break_figures() {
        let palette = Palette { series: Vec::new(), ..Palette::named() };
        assert_eq!(palette.series(3), "");
    }
}
