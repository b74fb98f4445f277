//! A [`Figure`] in Plotly's terms: JSON for what is small, buffers of numbers beside it for what is large.

use serde_json::{Map, Value, json};

use super::figure::{Axis, Bar, Color, Draw, Figure, Margin, Mark, Picture, PictureAt, Scale, Scatter, Side, Trace, Values};
use super::palette::Palette;

/// Numbers that become a typed array on a trace instead of JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buffer<'a> {
    /// Index of the trace.
    pub trace: usize,
    /// Property of the trace.
    pub key: &'static str,
    /// The numbers; NaN for "no value".
    pub values: &'a [f64],
}

/// What Plotly is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts<'a> {
    /// A list of traces without their buffers.
    pub data: Value,
    /// The layout.
    pub layout: Value,
    /// What is to be set on the traces.
    pub buffers: Vec<Buffer<'a>>,
}

impl Figure {
    /// The figure in the colors of a palette.
    #[must_use]
    pub fn parts(&self, palette: &Palette) -> Parts<'_> {
        let mut buffers = Vec::new();
        let mut add = |trace, key, values| buffers.push(Buffer { trace, key, values });
        let has_margins = self.has_margins();
        let mut data = Vec::with_capacity(self.traces.len());
        for (i, trace) in self.traces.iter().enumerate() {
            data.push(match trace {
                Trace::Scatter(t) => {
                    add(i, "y", t.y.as_slice());
                    let mut out = positions(scatter(t, palette), &t.x, |x| add(i, "x", x));
                    if has_margins {
                        // The legend hides the histograms of a series with its points.
                        out["legendgroup"] = json!(plain(&t.name));
                    }
                    out
                }
                Trace::Curve(t, errors) => {
                    add(i, "y", t.y.as_slice());
                    positions(curve(t, errors, palette), &t.x, |x| add(i, "x", x))
                }
                Trace::Bar(t) => {
                    add(i, "y", t.y.as_slice());
                    positions(bar(t, palette), &t.x, |x| add(i, "x", x))
                }
                // Drawn by the module `matrix`.
                Trace::Heatmap(_) => Value::Null,
                Trace::Margin(t) => {
                    let (along, counts) = if t.side == Side::Top { ("x", "y") } else { ("y", "x") };
                    add(i, along, t.centers.as_slice());
                    add(i, counts, t.counts.as_slice());
                    margin(t, palette)
                }
            });
        }
        Parts { data: Value::Array(data), layout: self.layout_json(palette), buffers }
    }

    /// The whole figure as one JSON value `{ data, layout }`, with `null` for NaN: for tests and for other programs.
    #[must_use]
    pub fn to_json(&self, palette: &Palette) -> Value {
        let mut parts = self.parts(palette);
        for buffer in &parts.buffers {
            parts.data[buffer.trace][buffer.key] = numbers(buffer.values);
        }
        json!({ "data": parts.data, "layout": parts.layout })
    }

    fn has_margins(&self) -> bool {
        self.traces.iter().any(|t| matches!(t, Trace::Margin(_)))
    }

    fn layout_json(&self, palette: &Palette) -> Value {
        let layout = &self.layout;
        let mut y = axis(&layout.y, palette);
        if layout.square {
            y["scaleanchor"] = json!("x");
            y["constrain"] = json!("domain");
        }
        let mut x = axis(&layout.x, palette);
        if layout.square {
            x["constrain"] = json!("domain");
        }
        let (mut shapes, mut annotations) = (Vec::new(), Vec::new());
        for mark in &layout.marks {
            draw_mark(mark, palette, &mut shapes, &mut annotations);
        }
        let mut out = json!({
            "xaxis": x,
            "yaxis": y,
            "shapes": shapes,
            "annotations": annotations,
            "showlegend": layout.legend,
            "legend": { "orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom" },
            "font": { "family": palette.font, "size": 13, "color": palette.text },
            "paper_bgcolor": palette.background,
            "plot_bgcolor": palette.background,
            "margin": { "l": 72, "r": 16, "t": 24, "b": 52, "pad": 2 },
            "hovermode": "closest",
            "hoverlabel": { "bgcolor": palette.background, "bordercolor": palette.grid, "font": { "color": palette.text } },
            "bargap": 0.15,
            "autosize": true,
        });
        if !layout.pictures.is_empty() {
            out["images"] = layout.pictures.iter().filter_map(picture).collect();
        }
        if self.has_margins() {
            let beside = |anchor: &str| json!({ "domain": [0.86, 1], "anchor": anchor, "showgrid": false, "zeroline": false, "showticklabels": false, "ticks": "", "fixedrange": true });
            out["xaxis"]["domain"] = json!([0, 0.84]);
            out["yaxis"]["domain"] = json!([0, 0.84]);
            out["xaxis2"] = beside("y");
            out["yaxis2"] = beside("x");
            out["barmode"] = json!("stack");
        }
        out
    }
}

/// An image in Plotly's terms; those beside a plot are for matrices.
fn picture(picture: &Picture) -> Option<Value> {
    let PictureAt::Point { x, y } = picture.at else { return None };
    Some(json!({
        "xref": "x", "yref": "y", "x": x, "y": y, "sizex": picture.size, "sizey": picture.size, "xanchor": "center", "yanchor": "middle",
        "source": &*picture.url, "layer": "above",
    }))
}

/// Text that Plotly shows as it is: its labels know a few HTML tags and entities.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn plain_all(texts: &[String]) -> Vec<String> {
    texts.iter().map(|t| plain(t)).collect()
}

fn numbers(values: &[f64]) -> Value {
    values.iter().map(|v| v.is_finite().then_some(*v)).collect()
}

fn color(color: Color, palette: &Palette) -> &str {
    match color {
        Color::Series(i) => palette.series(i),
        Color::Cycle(i) => palette.cycle(i),
        Color::Text => &palette.text,
    }
}

fn positions<'a>(mut trace: Value, x: &'a Values, add: impl FnOnce(&'a [f64])) -> Value {
    match x {
        Values::Numbers(x) => add(x),
        Values::Names(names) => trace["x"] = json!(plain_all(names)),
    }
    trace
}

fn hover(trace: &mut Value, template: &str, texts: &[String]) {
    if template.is_empty() {
        trace["hoverinfo"] = json!("skip");
    } else {
        trace["hovertemplate"] = json!(template);
    }
    if !texts.is_empty() {
        trace["text"] = json!(plain_all(texts));
    }
}

fn scatter(t: &Scatter, palette: &Palette) -> Value {
    let color = color(t.color, palette);
    let mut trace = json!({
        "type": "scatter",
        "name": plain(&t.name),
        "mode": if t.draw == Draw::Points { "markers" } else { "lines" },
        "showlegend": t.in_legend,
        "opacity": t.opacity,
    });
    match t.draw {
        Draw::Points => trace["marker"] = json!({ "color": color, "size": 6, "line": { "color": palette.background, "width": 0.7 } }),
        Draw::Line => trace["line"] = json!({ "color": color, "width": 2 }),
        Draw::Dashes => trace["line"] = json!({ "color": color, "width": 1.5, "dash": "dash" }),
        Draw::Area => {
            trace["line"] = json!({ "width": 0 });
            trace["fill"] = json!("toself");
            trace["fillcolor"] = json!(color);
        }
    }
    hover(&mut trace, t.hover, &t.texts);
    trace
}

fn curve(t: &Scatter, errors: &[f64], palette: &Palette) -> Value {
    let mut trace = scatter(t, palette);
    trace["mode"] = json!("lines+markers");
    trace["marker"] = json!({ "color": color(t.color, palette), "size": 6 });
    // Without a length Plotly draws the ends of a bar all the same.
    if errors.iter().any(|e| e.is_finite()) {
        trace["error_y"] = error_bars(errors, palette);
    }
    trace
}

fn error_bars(errors: &[f64], palette: &Palette) -> Value {
    json!({ "type": "data", "array": numbers(errors), "color": palette.text, "thickness": 1.5, "width": 5, "visible": true })
}

fn bar(t: &Bar, palette: &Palette) -> Value {
    let mut trace = json!({
        "type": "bar",
        "name": plain(&t.name),
        "marker": {
            "color": color(t.color, palette),
            // Paler under error bars and points, so that these stay readable.
            "opacity": if t.errors.is_empty() { 1.0 } else { 0.6 },
            "line": { "color": palette.background, "width": 1 },
        },
        // Bar texts are for the hover box only.
        "textposition": "none",
        "showlegend": false,
    });
    if let Some(width) = t.width {
        trace["width"] = json!(width);
    }
    if !t.errors.is_empty() {
        trace["error_y"] = error_bars(&t.errors, palette);
    }
    hover(&mut trace, t.hover, &t.texts);
    trace
}

fn margin(t: &Margin, palette: &Palette) -> Value {
    let mut trace = json!({
        "type": "bar",
        "name": plain(&t.name),
        "width": numbers(&t.widths),
        "marker": { "color": color(t.color, palette), "opacity": 0.8, "line": { "color": palette.background, "width": 0.5 } },
        "legendgroup": plain(&t.name),
        "showlegend": false,
    });
    let template = match t.side {
        Side::Top => {
            trace["yaxis"] = json!("y2");
            "%{x:.4g}<br><b>%{y}</b> points<extra></extra>"
        }
        Side::Right => {
            trace["xaxis"] = json!("x2");
            trace["orientation"] = json!("h");
            "%{y:.4g}<br><b>%{x}</b> points<extra></extra>"
        }
    };
    hover(&mut trace, template, &[]);
    trace
}

fn axis(axis: &Axis, palette: &Palette) -> Value {
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| out.insert(key.into(), value);
    set("title", json!({ "text": plain(&axis.title), "standoff": 8 }));
    // Names can be of any length; numbers fit the margins of the layout, and measuring them takes most of the time of a drawing.
    set("automargin", json!(axis.ticks.is_some() || axis.scale == Scale::Category));
    set("showgrid", json!(matches!(axis.scale, Scale::Linear | Scale::Log)));
    set("gridcolor", json!(palette.grid));
    set("linecolor", json!(palette.grid));
    set("showline", json!(true));
    set("zeroline", json!(false));
    set("ticks", json!(""));
    match axis.scale {
        Scale::Linear | Scale::Slots => {
            set("type", json!("linear"));
        }
        Scale::Log => {
            set("type", json!("log"));
            set("exponentformat", json!("power"));
        }
        Scale::Category => {
            set("type", json!("category"));
        }
    }
    match axis.range {
        Some([low, high]) if axis.scale == Scale::Log => {
            set("range", json!([low.log10(), high.log10()]));
        }
        Some(range) => {
            set("range", json!(range));
        }
        None if axis.reversed => {
            set("autorange", json!("reversed"));
        }
        None => {}
    }
    if let Some(ticks) = &axis.ticks {
        set("tickmode", json!("array"));
        // By default a long name at the end of the axis disappears instead of widening the margin.
        set("ticklabeloverflow", json!("allow"));
        set("autotickangles", json!([0, 90]));
        set("tickvals", ticks.iter().map(|(at, _)| *at).collect());
        set("ticktext", ticks.iter().map(|(_, text)| plain(text)).collect());
    }
    Value::Object(out)
}

fn draw_mark(mark: &Mark, palette: &Palette, shapes: &mut Vec<Value>, annotations: &mut Vec<Value>) {
    let line = |color: &str| json!({ "color": color, "width": 1 });
    match mark {
        Mark::Band { y: [low, high], text } => {
            shapes.push(json!({
                "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": low, "y1": high, "layer": "below",
                "fillcolor": palette.series(1), "opacity": 0.3, "line": line(palette.series(1)),
            }));
            annotations.push(json!({
                "xref": "paper", "x": 1, "xanchor": "right", "yref": "y", "y": high, "yanchor": "bottom",
                "text": plain(text), "showarrow": false,
            }));
        }
        // Of matrices.
        Mark::Separator { .. } => {}
        Mark::Position { x, text } => {
            shapes.push(json!({
                "type": "line", "xref": "x", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1,
                "line": { "color": palette.text, "width": 1.5, "dash": "dot" },
            }));
            annotations.push(json!({
                "xref": "x", "x": x, "xanchor": "left", "yref": "paper", "y": 1, "yanchor": "bottom",
                "text": plain(text), "showarrow": false,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Layout;
    use super::*;

    fn points(name: &str, y: Vec<f64>) -> Trace {
        Trace::Scatter(Scatter {
            name: name.into(),
            x: Values::Numbers(vec![1.0, 2.0]),
            y,
            draw: Draw::Points,
            color: Color::Series(1),
            opacity: 1.0,
            in_legend: true,
            texts: Vec::new(),
            hover: "",
        })
    }

    #[test]
    fn nan_becomes_null_in_json_and_stays_in_buffers() {
        let figure = Figure { traces: vec![points("a", vec![f64::NAN, 3.0])], layout: Layout::default() };
        let palette = Palette::named();
        assert_eq!(figure.to_json(&palette)["data"][0]["y"], json!([null, 3.0]));
        let parts = figure.parts(&palette);
        assert_eq!(parts.buffers.len(), 2);
        assert!(parts.data[0].get("y").is_none(), "numbers do not go through JSON");
    }

    #[test]
    fn curves_have_error_bars() {
        let Trace::Scatter(line) = points("a", vec![1.0, 2.0]) else { panic!("points") };
        let line = Scatter { draw: Draw::Line, ..line };
        let figure = Figure { traces: vec![Trace::Curve(line, vec![0.5, f64::NAN])], layout: Layout::default() };
        let json = figure.to_json(&Palette::named());
        assert_eq!((&json["data"][0]["mode"], &json["data"][0]["error_y"]["array"]), (&json!("lines+markers"), &json!([0.5, null])));
        let Trace::Scatter(line) = points("a", vec![1.0, 2.0]) else { panic!("points") };
        let figure = Figure { traces: vec![Trace::Curve(line, vec![f64::NAN; 2])], layout: Layout::default() };
        assert!(figure.to_json(&Palette::named())["data"][0].get("error_y").is_none(), "no lengths are known");
    }

    #[test]
    fn margins_share_the_axes_of_the_plot_and_hide_with_their_series() {
        let margin = |side| {
            let (name, color) = ("a".to_owned(), Color::Series(0));
            Trace::Margin(Margin { name, side, centers: vec![1.0, 3.0], widths: vec![2.0, 2.0], counts: vec![4.0, 0.0], color })
        };
        let traces = vec![points("a", vec![1.0, 2.0]), margin(Side::Top), margin(Side::Right)];
        let json = Figure { traces, layout: Layout::default() }.to_json(&Palette::named());
        assert_eq!((&json["data"][1]["y"], &json["data"][1]["yaxis"]), (&json!([4.0, 0.0]), &json!("y2")));
        assert_eq!((&json["data"][2]["x"], &json["data"][2]["orientation"]), (&json!([4.0, 0.0]), &json!("h")));
        assert_eq!((&json["data"][0]["legendgroup"], &json["data"][2]["legendgroup"]), (&json!("a"), &json!("a")));
        assert_eq!((&json["layout"]["yaxis2"]["anchor"], &json["layout"]["barmode"]), (&json!("x"), &json!("stack")));
        let plain = Figure { traces: vec![points("a", vec![1.0])], layout: Layout::default() }.to_json(&Palette::named());
        assert!(plain["layout"].get("xaxis2").is_none() && plain["data"][0].get("legendgroup").is_none(), "only with margins");
    }

    #[test]
    fn log_axes_take_their_range_in_units_of_the_data() {
        let layout = Layout { x: Axis { range: Some([1.0, 1000.0]), ..Axis::log("n") }, ..Layout::default() };
        let json = Figure { traces: Vec::new(), layout }.to_json(&Palette::named());
        assert_eq!(json["layout"]["xaxis"]["type"], "log");
        assert_eq!(json["layout"]["xaxis"]["range"], json!([0.0, 3.0]));
        assert_eq!(json["layout"]["yaxis"]["type"], "linear");
    }

    #[test]
    fn names_from_files_are_text_not_markup() {
        let figure = Figure { traces: vec![points("<a href=x>&", vec![0.0, 1.0])], layout: Layout::default() };
        assert_eq!(figure.to_json(&Palette::named())["data"][0]["name"], "&lt;a href=x&gt;&amp;");
    }
}
