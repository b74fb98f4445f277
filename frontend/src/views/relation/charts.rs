//! The figures of a relation.

use eigenscope::analysis::relation::{Fit, Output, Partition};

use super::axis_name;
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_POINTS, points_note, sentence, thinned};
use crate::plot::{Axis, Bar, Cell, Chart, Color, Csv, Draw, Figure, Layout, Margin, Mark, Scatter, Side, Table, Trace, Values, number};

/// Series that can be told apart by color; the rest is drawn together.
const MAX_SERIES: usize = 8;

/// The column that points are colored by at first: the one that groups were asked for, else the kind, else the first.
pub(super) fn first_color(output: &Output) -> Option<usize> {
    let position = |name: &str| output.rows.identity.iter().position(|c| c.name.eq_ignore_ascii_case(name));
    output.by.last().and_then(|by| position(by)).or_else(|| position("kind")).or_else(|| position("architecture"))
}

/// Points in one color.
struct Series {
    name: String,
    color: Color,
    rows: Vec<usize>,
}

/// One metric against the other with histograms of both, the curve and its band.
pub(super) fn scatter(output: &Output, tables: &[String], color: Option<usize>, only_best: bool) -> Chart {
    let points = &output.rows;
    let n = points.x.values.len().min(points.y.values.len());
    let best = output.best_layer.as_ref().filter(|_| only_best);
    let shown: Vec<usize> = match best {
        Some(best) => best.rows.iter().map(|&i| i as usize).filter(|&i| i < n).collect(),
        None => (0..n).collect(),
    };
    let series = series(output, &shown, color);
    let kept = thinned(shown.len(), MAX_POINTS).into_iter().map(|k| shown[k]).collect::<Vec<_>>();
    let (x_bins, y_bins) = (bins(&points.x.values, &shown, output.log_x), bins(&points.y.values, &shown, output.log_y));
    let mut traces = Vec::new();
    let fit = best.map_or(output.fit.as_ref(), |best| best.fit.as_ref());
    traces.extend(fit.into_iter().map(|fit| Trace::Scatter(band(fit))));
    for one in &series {
        let rows: Vec<usize> = if kept.len() == shown.len() {
            one.rows.clone()
        } else {
            kept.iter().copied().filter(|i| one.rows.binary_search(i).is_ok()).collect()
        };
        traces.push(Trace::Scatter(Scatter {
            name: one.name.clone(),
            x: Values::Numbers(rows.iter().map(|&i| points.x.values[i]).collect()),
            y: rows.iter().map(|&i| points.y.values[i]).collect(),
            draw: Draw::Points,
            color: one.color,
            opacity: 0.75,
            in_legend: series.len() > 1,
            texts: rows.iter().map(|&i| identity(output, i)).collect(),
            hover: "%{text}<br>%{x:.4g}, <b>%{y:.4g}</b><extra></extra>",
        }));
        for (side, bins, values) in [(Side::Top, &x_bins, &points.x.values), (Side::Right, &y_bins, &points.y.values)] {
            let (centers, widths) = bins.centers();
            let counts = bins.counts(one.rows.iter().map(|&i| values[i]));
            traces.push(Trace::Margin(Margin { name: one.name.clone(), side, centers, widths, counts, color: one.color }));
        }
    }
    traces.extend(fit.into_iter().map(|fit| Trace::Scatter(curve(fit))));
    let axis = |name: &str, log: bool| if log { Axis::log(format!("{name} (logarithmic)")) } else { Axis::linear(name) };
    let layout =
        Layout { x: axis(&output.x, output.log_x), y: axis(&output.y, output.log_y), legend: series.len() > 1, ..Layout::default() };
    let others = series.last().filter(|s| s.color == Color::Text).map_or(0, |s| s.rows.len());
    let caption = sentence(&[
        format!("tables: {}", tables.join(", ")),
        if fit.is_some() { "line: least squares with the 95 % confidence band of its mean".into() } else { String::new() },
        if others > 0 && series.len() > 1 {
            format!("the largest groups have colors; {} points are in others", number::count(others))
        } else {
            String::new()
        },
        points_note(shown.len(), kept.len()),
    ]);
    let table = point_table(output, &shown);
    Chart { figure: Figure { traces, layout }, summary: summary(output, only_best), caption, csv: Csv::new(move || table.csv()) }
}

/// Points by the values of a column: the most frequent values in colors, the rest as one.
fn series(output: &Output, shown: &[usize], color: Option<usize>) -> Vec<Series> {
    let Some(column) = color.and_then(|i| output.rows.identity.get(i)) else {
        return vec![Series { name: "points".into(), color: Color::Series(0), rows: shown.to_vec() }];
    };
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for &row in shown {
        let value = column.values.get(row).map_or("", String::as_str);
        match groups.iter_mut().find(|(name, _)| name == value) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((value.into(), vec![row])),
        }
    }
    let mut others = Vec::new();
    if groups.len() > MAX_SERIES {
        groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        others = groups.split_off(MAX_SERIES - 1).into_iter().flat_map(|(_, rows)| rows).collect();
        others.sort_unstable();
    }
    let named = |(i, (name, rows)): (usize, (String, Vec<usize>))| Series {
        name: if name.is_empty() { "(missing)".into() } else { name },
        color: Color::Series(i),
        rows,
    };
    let mut out: Vec<Series> = groups.into_iter().enumerate().map(named).collect();
    if !others.is_empty() {
        out.push(Series { name: "others".into(), color: Color::Text, rows: others });
    }
    out
}

fn identity(output: &Output, row: usize) -> String {
    let parts = output.rows.identity.iter().filter_map(|c| c.values.get(row)).map(String::as_str).filter(|v| !v.is_empty());
    let text = parts.collect::<Vec<_>>().join(" · ");
    if text.is_empty() { format!("row {}", number::count(row + 1)) } else { text }
}

fn curve(fit: &Fit) -> Scatter {
    Scatter {
        name: "curve".into(),
        x: Values::Numbers(fit.x.values.clone()),
        y: fit.y.values.clone(),
        draw: Draw::Line,
        color: Color::Text,
        opacity: 0.9,
        in_legend: false,
        texts: Vec::new(),
        hover: "",
    }
}

/// The band as one closed outline: there along its upper end, back along its lower.
fn band(fit: &Fit) -> Scatter {
    let ends =
        fit.x.values.iter().zip(fit.low.values.iter().zip(&fit.high.values)).filter(|(_, (low, high))| low.is_finite() && high.is_finite());
    let ends: Vec<(f64, f64, f64)> = ends.map(|(&x, (&low, &high))| (x, low, high)).collect();
    let outline = || ends.iter().map(|e| (e.0, e.2)).chain(ends.iter().rev().map(|e| (e.0, e.1)));
    Scatter {
        name: "band".into(),
        x: Values::Numbers(outline().map(|(x, _)| x).collect()),
        y: outline().map(|(_, y)| y).collect(),
        draw: Draw::Area,
        color: Color::Text,
        opacity: 0.15,
        in_legend: false,
        texts: Vec::new(),
        hover: "",
    }
}

/// Bins of one width, in logarithms on a logarithmic axis.
#[derive(Debug, Clone, PartialEq)]
struct Bins {
    edges: Vec<f64>,
}

fn bins(values: &[f64], rows: &[usize], log: bool) -> Bins {
    let scaled: Vec<f64> = rows.iter().map(|&i| if log { values[i].log10() } else { values[i] }).collect();
    let [low, high] = extent(&scaled).unwrap_or([0.0, 1.0]);
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 5 to 30, for display")]
    let n_bins = (rows.len() as f64).sqrt().clamp(5.0, 30.0) as u32;
    let edge = |i: u32| {
        let share = f64::from(i) / f64::from(n_bins);
        let at = low * (1.0 - share) + high * share;
        if log { 10f64.powf(at) } else { at }
    };
    Bins { edges: (0..=n_bins).map(edge).collect() }
}

impl Bins {
    fn centers(&self) -> (Vec<f64>, Vec<f64>) {
        self.edges.windows(2).map(|w| (w[0] / 2.0 + w[1] / 2.0, w[1] - w[0])).unzip()
    }

    fn counts(&self, values: impl Iterator<Item = f64>) -> Vec<f64> {
        let last = self.edges.len().saturating_sub(2);
        let mut out = vec![0.0; last + 1];
        for value in values {
            // The first and the last bin hold what rounding puts just outside.
            let at = self.edges.partition_point(|edge| *edge <= value).saturating_sub(1).min(last);
            out[at] += 1.0;
        }
        out
    }
}

fn point_table(output: &Output, shown: &[usize]) -> Table {
    let points = &output.rows;
    let mut columns: Vec<&str> = points.identity.iter().map(|c| c.name.as_str()).collect();
    columns.extend([output.x.as_str(), output.y.as_str(), "depth"]);
    let number = |values: &[f64], row: usize| Cell::number(values.get(row).copied(), "undefined");
    let rows = shown.iter().map(|&row| {
        let texts = points.identity.iter().map(|c| Cell::Text(c.values.get(row).cloned().unwrap_or_default()));
        let numbers = [&points.x, &points.y, &points.depth].map(|a| number(&a.values, row));
        texts.chain(numbers).collect()
    });
    Table::new(columns, rows.collect())
}

fn summary(output: &Output, only_best: bool) -> String {
    let best = output.best_layer.as_ref().filter(|_| only_best);
    let of = best.map_or(&output.all, |best| &best.of);
    let show = |r: Option<f64>| r.map_or_else(|| "undefined".into(), |r| number::significant(r, 3));
    let interval = of.pearson_interval.map_or_else(String::new, |[low, high]| {
        format!(" (95 % interval {} to {})", number::significant(low, 3), number::significant(high, 3))
    });
    format!(
        "{} against {} of {} {}: Pearson r {}{interval}, Spearman ρ {}.",
        axis_name(output, false),
        axis_name(output, true),
        number::count(of.n),
        if best.is_some() { "best layers" } else { "points" },
        show(of.pearson_r),
        show(of.spearman_r)
    )
}

/// The shares of the explained variance.
pub(super) fn shares(partition: &Partition) -> Chart {
    let parts: Vec<_> = partition.rows.iter().filter(|s| s.row != "Total").collect();
    let total = partition.rows.iter().find(|s| s.row == "Total").map_or(f64::NAN, |s| s.coefficient);
    let percent = |p: Option<f64>| p.map_or_else(String::new, |p| format!(", {} % of the total", number::significant(p, 3)));
    let bar = Bar {
        name: "share".into(),
        x: Values::Numbers((0u32..).map(f64::from).take(parts.len()).collect()),
        y: parts.iter().map(|s| s.coefficient).collect(),
        errors: Vec::new(),
        width: Some(0.7),
        color: Color::Series(0),
        texts: parts.iter().map(|s| format!("{}{}", s.predictors.join(" and "), percent(s.percent_total))).collect(),
        hover: "%{text}<br><b>%{y:.4g}</b><extra></extra>",
    };
    let name = |s: &&eigenscope::analysis::relation::Share| {
        let what = if s.predictors.len() == 1 { "only " } else { "" };
        format!("{what}{}", s.predictors.join(" & "))
    };
    let layout = Layout {
        x: Axis::slots(parts.iter().map(name)),
        y: Axis::linear(format!("Share of the variance of {}", partition.dependent)),
        marks: if parts.iter().any(|s| s.coefficient < 0.0) { vec![Mark::Band { y: [0.0, 0.0], text: String::new() }] } else { Vec::new() },
        ..Layout::default()
    };
    let largest = parts.iter().max_by(|a, b| a.coefficient.total_cmp(&b.coefficient));
    let largest =
        largest.map_or_else(String::new, |s| format!("; the largest part is {} ({})", name(s), number::significant(s.coefficient, 3)));
    let summary = format!(
        "{} explain {} of the variance of {} over {} rows{largest}.",
        partition.predictors.join(", "),
        number::significant(total, 3),
        partition.dependent,
        number::count(partition.n)
    );
    let rows = partition.rows.iter().map(|s| {
        let row = vec![Cell::Text(s.row.clone()), Cell::Text(s.predictors.join(" & ")), Cell::Number(s.coefficient)];
        row.into_iter().chain([Cell::number(s.percent_total, "nothing is explained")]).collect()
    });
    let table = Table::new(["Row", "Predictors", "Coefficient", "Percent_Total"], rows.collect());
    let caption =
        sentence(&[if parts.iter().any(|s| s.coefficient < 0.0) { "negative parts are suppression".into() } else { String::new() }]);
    Chart { figure: Figure { traces: vec![Trace::Bar(bar)], layout }, summary, caption, csv: Csv::new(move || table.csv()) }
}

#[cfg(test)]
pub(super) mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::relation::{BestLayer, Correlations, Group, Points, Share};
    use eigenscope::dataset::LabelColumn;

    use super::*;

    pub(in crate::views::relation) fn output() -> Output {
        let column = |name: &str, value: fn(usize) -> String| LabelColumn { name: name.into(), values: (0..20).map(value).collect() };
        let x: Vec<f64> = (0..20).map(|i| 1.5f64.powi(i)).collect();
        let y: Vec<f64> = (0..20).map(|i| 0.1 + 0.02 * f64::from(i) + 0.03 * f64::from(i % 3)).collect();
        let all = Correlations { n: 20, pearson_r: Some(0.84), pearson_interval: Some([0.7, 0.95]), ..Correlations::default() };
        let line = |end: f64| Array::vector(vec![0.1, end]);
        Output {
            x: "effective dimensionality".into(),
            y: "score".into(),
            log_x: true,
            log_y: false,
            joined_on: Vec::new(),
            fit: Some(Fit {
                coefficients: vec![0.1, 0.2],
                r2: 0.7,
                x: Array::vector(vec![1.0, 2000.0]),
                y: line(0.5),
                low: line(0.4),
                high: line(0.6),
            }),
            by: vec!["kind".into()],
            groups: ["Untrained", "Supervised"]
                .map(|name| Group { name: name.into(), of: Correlations { n: 10, ..Correlations::default() } })
                .into(),
            best_layer: Some(BestLayer { of: Correlations { n: 2, ..Correlations::default() }, fit: None, rows: vec![9, 19] }),
            partial: None,
            partition: None,
            rows: Points {
                identity: vec![
                    column("layer", |i| format!("l{i}")),
                    column("kind", |i| if i < 8 { "Untrained" } else { "Supervised" }.into()),
                ],
                depth: Array::vector(vec![0.0; 20]),
                x: Array::vector(x),
                y: Array::vector(y),
            },
            all,
        }
    }

    fn margins(chart: &Chart, side: Side) -> Vec<&Margin> {
        chart
            .figure
            .traces
            .iter()
            .filter_map(|t| if let Trace::Margin(m) = t { Some(m) } else { None })
            .filter(|m| m.side == side)
            .collect()
    }

    #[test]
    fn points_have_colors_margins_and_a_curve_with_its_band() {
        let output = output();
        assert_eq!(first_color(&output), Some(1));
        let chart = scatter(&output, &["a".into(), "b".into()], Some(1), false);
        crate::views::dump("relation", &chart);
        let top = margins(&chart, Side::Top);
        assert_eq!(top.iter().map(|m| m.counts.iter().sum::<f64>()).collect::<Vec<_>>(), [8.0, 12.0]);
        assert_eq!(chart.figure.traces.len(), 2 + 3 * 2);
        let Trace::Scatter(band) = &chart.figure.traces[0] else { panic!("the band is behind") };
        assert_eq!((band.draw, &band.y), (Draw::Area, &vec![0.1, 0.6, 0.4, 0.1]));
        let Trace::Scatter(points) = &chart.figure.traces[1] else { panic!("points") };
        assert_eq!((points.name.as_str(), points.texts[2].as_str(), points.in_legend), ("Untrained", "l2 · Untrained", true));
        assert_eq!(
            chart.summary,
            "score against log effective dimensionality of 20 points: Pearson r 0.840 (95 % interval 0.700 to 0.950), Spearman ρ undefined."
        );
        assert!(
            chart.csv.text().starts_with("layer,kind,effective dimensionality,score,depth\nl0,Untrained,1,0.1,0\n"),
            "{}",
            chart.csv.text()
        );
    }

    #[test]
    fn many_values_share_a_color_and_best_layers_stand_alone() {
        let chart = scatter(&output(), &[], Some(0), false);
        let names: Vec<_> = margins(&chart, Side::Right).iter().map(|m| m.name.clone()).collect();
        assert_eq!((names.len(), names.last().map(String::as_str)), (8, Some("others")));
        assert!(chart.caption.contains("13 points are in others"), "{}", chart.caption);
        let best = scatter(&output(), &[], None, true);
        let Trace::Scatter(points) = &best.figure.traces[0] else { panic!("points, without a curve") };
        assert_eq!((points.y.len(), best.figure.layout.legend), (2, false));
    }

    #[test]
    fn bins_hold_every_value_on_both_scales() {
        let values = [1.0, 10.0, 99.0, 1000.0];
        for log in [false, true] {
            let bins = bins(&values, &[0, 1, 2, 3], log);
            assert_eq!(bins.counts(values.iter().copied()).iter().sum::<f64>(), 4.0);
            assert_eq!(bins.edges.len(), 6);
        }
        assert_eq!(bins(&[3.0], &[0], false).counts([3.0].into_iter()).iter().sum::<f64>(), 1.0);
    }

    #[test]
    fn shares_are_bars_and_the_published_columns() {
        let share = |row: &str, predictors: &[&str], coefficient: f64| Share {
            row: row.into(),
            predictors: predictors.iter().map(|s| (*s).to_owned()).collect(),
            coefficient,
            percent_total: Some(100.0 * coefficient),
        };
        let rows = vec![
            share("Unique_A", &["log10 ED"], 0.2),
            share("Unique_B", &["SNR"], -0.1),
            share("Common_A_and_B", &["log10 ED", "SNR"], 0.9),
            share("Total", &["log10 ED", "SNR"], 1.0),
        ];
        let partition = Partition { dependent: "score".into(), predictors: vec!["log10 ED".into(), "SNR".into()], n: 568, rows };
        let chart = shares(&partition);
        crate::views::dump("relation_shares", &chart);
        let Trace::Bar(bar) = &chart.figure.traces[0] else { panic!("bars") };
        assert_eq!(bar.y, [0.2, -0.1, 0.9]);
        assert_eq!(chart.caption, "Negative parts are suppression.");
        assert!(chart.csv.text().contains("Common_A_and_B,log10 ED & SNR,0.9,90\n"), "{}", chart.csv.text());
    }
}
