//! Matrices as SVG: one image of the cells with axes, groups, thumbnails and a color bar around it.
//!
//! Drawn here rather than by Plotly, which takes a fifth of a second for a matrix: this takes a few milliseconds, so that the page answers, two
//! matrices can follow one pointer, and what is saved is what is seen.

use std::fmt::Write as _;

use super::figure::{Axis, Figure, Heatmap, Mark, NARROW, PictureAt, Trace, extent};
use super::palette::Palette;

/// Height of text in pixels.
const FONT: f64 = 13.0;
/// Width of a character, about.
const CHARACTER: f64 = 0.56 * FONT;
/// Least distance between two labels.
const LINE: f64 = 1.25 * FONT;
/// Between a label and what it names.
const GAP: f64 = 6.0;
/// Width of the color bar.
const BAR: f64 = 14.0;
/// Largest share of the figure that labels of one axis may take.
const MOST_SHARE: f64 = 0.35;

/// Where the cells are, in pixels of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    left: f64,
    top: f64,
    cell: [f64; 2],
    columns: usize,
    rows: usize,
    /// Whether the first row is at the top.
    down: bool,
}

impl Place {
    /// The row and column under a point.
    #[must_use]
    pub fn cell_at(&self, x: f64, y: f64) -> Option<[usize; 2]> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and large values are outside")]
        let index = |v: f64, n: usize| (v >= 0.0 && (v as usize) < n).then_some(v as usize);
        let column = index((x - self.left) / self.cell[0], self.columns)?;
        let row = index((y - self.top) / self.cell[1], self.rows)?;
        Some([if self.down { row } else { self.rows - 1 - row }, column])
    }

    /// Left, top, width and height of a cell.
    #[must_use]
    pub fn rectangle(&self, [row, column]: [usize; 2]) -> [f64; 4] {
        let row = if self.down { row } else { self.rows.saturating_sub(row + 1) };
        [self.left + position(column) * self.cell[0], self.top + position(row) * self.cell[1], self.cell[0], self.cell[1]]
    }

    fn width(&self) -> f64 {
        position(self.columns) * self.cell[0]
    }

    fn height(&self) -> f64 {
        position(self.rows) * self.cell[1]
    }

    /// The middle of a place along the horizontal axis, in cells from the center of the first.
    fn x(&self, at: f64) -> f64 {
        self.left + (at + 0.5) * self.cell[0]
    }

    /// The same along the vertical one.
    fn y(&self, at: f64) -> f64 {
        let from_top = (at + 0.5) * self.cell[1];
        self.top + if self.down { from_top } else { self.height() - from_top }
    }
}

#[expect(clippy::cast_precision_loss, reason = "positions on the screen")]
fn position(i: usize) -> f64 {
    i as f64
}

/// The matrix of a figure that has one.
#[must_use]
pub fn matrix_of(figure: &Figure) -> Option<&Heatmap> {
    figure.traces.iter().find_map(|trace| if let Trace::Heatmap(map) = trace { Some(map) } else { None })
}

/// Ends of the color scale.
fn range_of(map: &Heatmap) -> [f64; 2] {
    map.range.or_else(|| extent(&map.z)).unwrap_or([0.0, 1.0])
}

/// The cells as red, green, blue and opacity, the upper row first; cells without a value are clear.
#[must_use]
pub fn pixels(figure: &Figure, map: &Heatmap, palette: &Palette) -> Vec<u8> {
    let [low, high] = range_of(map);
    let span = if high > low { high - low } else { 1.0 };
    // A table of colors, so that many cells cost little arithmetic.
    let table = colors(&palette.scale);
    let color = |v: f64| if v.is_finite() { table[usize::from(byte(255.0 * (v - low) / span))] } else { [0; 4] };
    let lines = map.z.chunks(map.columns.len().max(1));
    let mut out = Vec::with_capacity(4 * map.z.len());
    let mut add = |line: &[f64]| line.iter().for_each(|&v| out.extend(color(v)));
    if figure.layout.y.reversed {
        lines.for_each(&mut add);
    } else {
        lines.rev().for_each(&mut add);
    }
    out
}

/// 256 colors along a scale.
fn colors(scale: &[String]) -> Vec<[u8; 4]> {
    let stops: Vec<[f64; 3]> = scale.iter().map(|c| rgb(c)).collect();
    let last = stops.len().saturating_sub(1);
    let one = |i: u8| {
        let at = f64::from(i) / 255.0 * position(last);
        let below = usize::from(byte(at.floor())).min(last);
        let (from, to) = (stops.get(below).copied().unwrap_or_default(), stops.get((below + 1).min(last)).copied().unwrap_or_default());
        let channel = |c: usize| byte(from[c] + (to[c] - from[c]) * at.fract());
        [channel(0), channel(1), channel(2), 255]
    };
    (0..=255).map(one).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates: values beyond the scale have its end colors")]
fn byte(value: f64) -> u8 {
    value.round() as u8
}

/// `#rrggbb`; black for other texts.
fn rgb(color: &str) -> [f64; 3] {
    let part = |i: usize| color.get(i..i + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).map_or(0.0, f64::from);
    [part(1), part(3), part(5)]
}

/// A matrix as SVG and where its cells are.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The markup.
    pub svg: String,
    /// Where the cells are.
    pub place: Place,
}

/// Draws the matrix of a figure, with `image` as the address of its [`pixels`].
#[must_use]
pub fn draw(figure: &Figure, map: &Heatmap, palette: &Palette, [width, height]: [f64; 2], image: &str) -> Drawing {
    let layout = &figure.layout;
    let [low, high] = range_of(map);
    let bar_ticks = nice(low, high);
    let bar_room = GAP + BAR + GAP + widest(bar_ticks.iter().map(|(_, text)| text)) + 1.5 * FONT;
    let thumbnails = thumbnail_rows(figure);
    let titles = |axis: &Axis| if axis.title.is_empty() { 0.0 } else { 1.5 * FONT };
    // Room for all that is beside the cells; thumbnails take a share of what the cells get.
    let (columns, rows) = (map.columns.len().max(1), map.rows.len().max(1));
    // A square matrix in a narrow window is small enough without long names beside it.
    let share = if layout.square && width < f64::from(NARROW) { MOST_SHARE / 2.0 } else { MOST_SHARE };
    let y_room = if thumbnails > 0 { 0.0 } else { GAP + label_width(&layout.y, &map.rows).min(share * width) };
    let mut about = (width - y_room - bar_room - titles(&layout.y)) / position(columns);
    if layout.square {
        about = about.min((height - 3.0 * LINE) / position(rows));
    }
    let flat = labels_fit(&layout.x, &map.columns, about);
    let x_long = label_width(&layout.x, &map.columns).min(MOST_SHARE * height);
    let x_room = if has_labels(&layout.x, &map.columns) { GAP + if flat { LINE } else { x_long } } else { 0.0 };
    let (left, bottom) = (y_room + titles(&layout.y), x_room + titles(&layout.x));
    let beside = layout.pictures.first().map_or(0.0, |p| f64::from(thumbnails) * p.size);
    let across = (width - left - bar_room - 2.0 * GAP) / (position(columns) + beside);
    let along = (height - bottom - 2.0 * GAP) / (position(rows) + beside);
    let cell = if layout.square { [across.min(along).max(0.01); 2] } else { [across.max(0.01), along.max(0.01)] };
    let used = [position(columns) * cell[0] + beside * cell[0] + left + bar_room, position(rows) * cell[1] + beside * cell[1] + bottom];
    let place = Place {
        left: left + beside * cell[0] + ((width - used[0]) / 2.0).max(GAP),
        top: beside * cell[1] + ((height - used[1]) / 2.0).max(GAP),
        cell,
        columns,
        rows,
        down: layout.y.reversed,
    };
    let mut out = Svg::new(width, height, palette);
    let (right, floor) = (place.left + place.width(), place.top + place.height());
    out.rectangle([place.left, place.top, place.width(), place.height()], &palette.gap);
    out.image([place.left, place.top, place.width(), place.height()], image, true);
    for mark in &layout.marks {
        if let Mark::Separator { at } = mark {
            out.line([place.x(*at), place.top, place.x(*at), floor], &palette.background);
            out.line([place.left, place.y(*at), right, place.y(*at)], &palette.background);
        }
    }
    for picture in &layout.pictures {
        let size = [picture.size * cell[0], picture.size * cell[1]];
        let corner = match picture.at {
            PictureAt::Above { x, row } => [place.x(x) - size[0] / 2.0, place.top - f64::from(row + 1) * size[1]],
            PictureAt::Left { y, row } => [place.left - f64::from(row + 1) * size[0], place.y(y) - size[1] / 2.0],
            PictureAt::Point { x, y } => [place.x(x) - size[0] / 2.0, place.y(y) - size[1] / 2.0],
        };
        out.image([corner[0], corner[1], size[0], size[1]], &picture.url, false);
    }
    if thumbnails == 0 {
        for (at, text) in ticks(&layout.y, &map.rows, cell[1]) {
            out.text([place.left - GAP, place.y(at)], &fitting(&text, y_room - GAP), Anchor::End, 0);
        }
    }
    for (at, text) in ticks(&layout.x, &map.columns, if flat { 0.0 } else { cell[0] }) {
        match flat {
            true => out.text([place.x(at), floor + GAP + FONT / 2.0], &text, Anchor::Middle, 0),
            false => out.text([place.x(at), floor + GAP], &fitting(&text, x_long), Anchor::End, -90),
        }
    }
    let middle = [(place.left + right) / 2.0, (place.top + floor) / 2.0];
    out.text([middle[0], floor + x_room + FONT], &layout.x.title, Anchor::Middle, 0);
    out.text([place.left - beside * cell[0] - y_room - FONT, middle[1]], &layout.y.title, Anchor::Middle, -90);
    color_bar(&mut out, &place, &map.title, [low, high], &bar_ticks, palette);
    out.text.push_str("<rect class=\"hovered\" fill=\"none\" stroke-width=\"2\" visibility=\"hidden\"/></svg>");
    Drawing { svg: out.text, place }
}

fn color_bar(out: &mut Svg, place: &Place, title: &str, [low, high]: [f64; 2], ticks: &[(f64, String)], palette: &Palette) {
    let (left, height) = (place.left + place.width() + 2.0 * GAP, place.height());
    // As many stripes as there are colors on the scale, and between them what the browser makes of it.
    let last = position(palette.scale.len().saturating_sub(1).max(1));
    out.text.push_str("<defs><linearGradient id=\"scale\" x1=\"0\" y1=\"1\" x2=\"0\" y2=\"0\">");
    for (i, color) in palette.scale.iter().enumerate() {
        write!(out.text, "<stop offset=\"{:.3}\" stop-color=\"{}\"/>", position(i) / last, escaped(color)).ok();
    }
    out.text.push_str("</linearGradient></defs>");
    out.rectangle([left, place.top, BAR, height], "url(#scale)");
    let at = |v: f64| place.top + height * (1.0 - (v - low) / (high - low).max(f64::MIN_POSITIVE));
    for (value, text) in ticks {
        out.text([left + BAR + GAP, at(*value)], text, Anchor::Start, 0);
    }
    let beside = left + BAR + GAP + widest(ticks.iter().map(|(_, text)| text)) + FONT;
    out.text([beside, place.top + height / 2.0], &fitting(title, height), Anchor::Middle, -90);
}

/// Rows of thumbnails above and left of the cells.
fn thumbnail_rows(figure: &Figure) -> u32 {
    let row = |at: PictureAt| match at {
        PictureAt::Above { row, .. } | PictureAt::Left { row, .. } => row + 1,
        PictureAt::Point { .. } => 0,
    };
    figure.layout.pictures.iter().map(|p| row(p.at)).max().unwrap_or(0)
}

fn has_labels(axis: &Axis, names: &[String]) -> bool {
    axis.ticks.as_ref().map_or(!names.is_empty(), |ticks| !ticks.is_empty())
}

fn widest<'a>(texts: impl Iterator<Item = &'a String>) -> f64 {
    CHARACTER * position(texts.map(|text| text.chars().count()).max().unwrap_or(0))
}

fn label_width(axis: &Axis, names: &[String]) -> f64 {
    match &axis.ticks {
        Some(ticks) => widest(ticks.iter().map(|(_, text)| text)),
        None => widest(names.iter()),
    }
}

/// Whether labels below cells of this width can be written from left to right.
fn labels_fit(axis: &Axis, names: &[String], cell: f64) -> bool {
    let Some(ticks) = &axis.ticks else { return label_width(axis, names) + GAP <= cell };
    let width = |text: &String| CHARACTER * position(text.chars().count()) + GAP;
    ticks.windows(2).all(|w| (w[1].0 - w[0].0) * cell >= (width(&w[0].1) + width(&w[1].1)) / 2.0)
}

/// The labels that have room, with their places; `cell` 0 for all of them.
fn ticks(axis: &Axis, names: &[String], cell: f64) -> Vec<(f64, String)> {
    let all: Vec<(f64, String)> = match &axis.ticks {
        Some(ticks) => ticks.clone(),
        None => names.iter().enumerate().map(|(i, name)| (position(i), name.clone())).collect(),
    };
    let step = if axis.ticks.is_none() && cell > 0.0 { (LINE / cell).ceil().max(1.0) } else { 1.0 };
    let mut out: Vec<(f64, String)> = Vec::new();
    for (at, text) in all {
        let far = out.last().is_none_or(|(last, _)| cell == 0.0 || (at - last) * cell >= 0.9 * LINE);
        if far && (axis.ticks.is_some() || (at % step).abs() < 0.5) {
            out.push((at, text));
        }
    }
    out
}

/// The text, cut where it would be longer than this.
fn fitting(text: &str, width: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of characters")]
    let most = (width / CHARACTER).max(1.0) as usize;
    if text.chars().count() <= most { text.into() } else { text.chars().take(most.saturating_sub(1)).chain(['…']).collect() }
}

/// Round values between two ends, with their texts.
fn nice(low: f64, high: f64) -> Vec<(f64, String)> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![(low, super::number::significant(low, 3))];
    }
    let rough = span / 5.0;
    let ten = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|k| k * ten).find(|step| *step >= rough).unwrap_or(rough);
    let digits = (-step.log10().floor()).max(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few digits")]
    let digits = digits as usize;
    let first = (low / step).ceil();
    let text =
        |v: f64| if (1e-4..1e6).contains(&step) { format!("{v:.digits$}").replace('-', "−") } else { super::number::significant(v, 3) };
    (0..16u32).map(|i| (first + f64::from(i)) * step).take_while(|v| *v <= high + 1e-9 * span).map(|v| (v + 0.0, text(v + 0.0))).collect()
}

#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// Markup that grows.
struct Svg {
    text: String,
}

impl Svg {
    fn new(width: f64, height: f64, palette: &Palette) -> Self {
        let (font, color, background) = (escaped(&palette.font), escaped(&palette.text), escaped(&palette.background));
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"main-svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"{font}\" font-size=\"{FONT}\" fill=\"{color}\"><rect width=\"100%\" height=\"100%\" fill=\"{background}\"/>"
        );
        Self { text }
    }

    fn rectangle(&mut self, [x, y, width, height]: [f64; 4], fill: &str) {
        let fill = escaped(fill);
        write!(self.text, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>").ok();
    }

    fn image(&mut self, [x, y, width, height]: [f64; 4], url: &str, cells: bool) {
        let how = if cells { "preserveAspectRatio=\"none\" image-rendering=\"pixelated\"" } else { "preserveAspectRatio=\"xMidYMid\"" };
        let url = escaped(url);
        write!(self.text, "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {how} href=\"{url}\"/>").ok();
    }

    fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], color: &str) {
        let color = escaped(color);
        write!(self.text, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\"/>").ok();
    }

    fn text(&mut self, [x, y]: [f64; 2], text: &str, anchor: Anchor, turn: i32) {
        if text.is_empty() {
            return;
        }
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let turn = if turn == 0 { String::new() } else { format!(" transform=\"rotate({turn} {x:.1} {y:.1})\"") };
        let text = escaped(text);
        write!(self.text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" dominant-baseline=\"central\"{turn}>{text}</text>")
            .ok();
    }
}

/// Text inside markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Layout, Picture};
    use super::*;

    fn map(rows: usize, columns: usize) -> Heatmap {
        let names = |n: usize| (0..n).map(|i| format!("<{i}>")).collect::<Vec<_>>();
        let z = (0..rows * columns).map(position).collect();
        Heatmap { columns: names(columns), rows: names(rows), z, range: None, title: "distance".into() }
    }

    fn figure(map: Heatmap, reversed: bool) -> Figure {
        let y = Axis { reversed, ..Axis::category("y (voxel)") };
        Figure { traces: vec![Trace::Heatmap(map)], layout: Layout { x: Axis::category(""), y, square: true, ..Layout::default() } }
    }

    fn drawn(figure: &Figure) -> Drawing {
        draw(figure, matrix_of(figure).expect("a matrix"), &Palette::named(), [600.0, 500.0], "data:image")
    }

    #[test]
    fn pointers_find_the_cells_that_rectangles_cover() {
        for reversed in [false, true] {
            let drawing = drawn(&figure(map(3, 5), reversed));
            let place = drawing.place;
            for cell in [[0, 0], [2, 4], [1, 3]] {
                let [x, y, width, height] = place.rectangle(cell);
                assert_eq!(place.cell_at(x + width / 2.0, y + height / 2.0), Some(cell));
                assert!((width - height).abs() < 1e-12, "cells are square");
            }
            assert_eq!(place.cell_at(place.left - 1.0, place.top + 1.0), None);
            assert_eq!(place.rectangle([0, 0])[1] < place.rectangle([2, 0])[1], reversed, "where the first row is");
            let [x, y, width, height] = place.rectangle([if reversed { 2 } else { 0 }, 4]);
            assert!(x + width < 600.0 && y + height < 500.0, "inside the figure");
        }
    }

    #[test]
    fn cells_have_the_colors_of_the_scale() {
        let scale = ["000000", "ff0000", "ffff00"].map(|digits| format!("#{digits}")).to_vec();
        let palette = Palette { scale, ..Palette::named() };
        let matrix = Heatmap { z: vec![0.0, f64::NAN, 5.0, 10.0], range: Some([0.0, 10.0]), ..map(2, 2) };
        let down = figure(matrix.clone(), true);
        let found = pixels(&down, &matrix, &palette);
        assert_eq!(found, [0, 0, 0, 255, 0, 0, 0, 0, 255, 1, 0, 255, 255, 255, 0, 255]);
        let up = pixels(&figure(matrix.clone(), false), &matrix, &palette);
        assert_eq!((&up[..8], &up[8..]), (&found[8..], &found[..8]), "the first row is below");
        let beyond = Heatmap { z: vec![-7.0, 99.0], ..map(1, 2) };
        let beyond = Heatmap { range: Some([0.0, 1.0]), ..beyond };
        assert_eq!(pixels(&down, &beyond, &palette), [0, 0, 0, 255, 255, 255, 0, 255], "clamped");
    }

    #[test]
    fn labels_that_would_touch_are_left_out_and_names_are_text() {
        let few = drawn(&figure(map(4, 4), true)).svg;
        assert_eq!(few.matches("&lt;1&gt;").count(), 2, "a row and a column");
        assert!(!few.contains("<1>"), "no markup from names");
        let many = drawn(&figure(map(200, 200), true)).svg;
        assert!(many.matches("&lt;").count() < 2 * 40, "not all of them");
        let mut named = figure(map(200, 200), true);
        named.layout.x.ticks = Some(vec![(20.0, "faces".into()), (150.0, "houses".into())]);
        assert!(drawn(&named).svg.contains(">houses</text>"), "groups have their names");
        named.layout.x.ticks = Some(Vec::new());
        assert!(!drawn(&named).svg.contains("faces"), "or none");
    }

    #[test]
    fn thumbnails_have_room_above_and_left() {
        let mut figure = figure(map(92, 92), true);
        let url: std::sync::Arc<str> = "data:a".into();
        let at = |at| Picture { url: url.clone(), at, size: 3.8 };
        figure.layout.pictures = vec![at(PictureAt::Above { x: 0.0, row: 0 }), at(PictureAt::Left { y: 91.0, row: 3 })];
        let drawing = drawn(&figure);
        assert_eq!(drawing.svg.matches("<image").count(), 3);
        let cell = drawing.place.cell[0];
        assert!(drawing.place.left >= 4.0 * 3.8 * cell && drawing.place.top >= 4.0 * 3.8 * cell, "four rows of them");
    }

    #[test]
    fn color_bars_have_round_values() {
        let texts = |low, high| nice(low, high).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(0.0, 2.0), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(texts(-0.11, 0.87), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(texts(13.0, 271.0), ["100", "200"]);
        assert_eq!(texts(1.0, 1.0), ["1.00"]);
    }
}
