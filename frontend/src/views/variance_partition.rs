//! What feature spaces explain alone and share: bars of the parts, single targets, tables.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::variance_partition::{Output, Part as Share};
use leptos::prelude::*;

use super::{Part, at};
use crate::plot::reduce::{MAX_POINTS, points_note, sentence, thinned};
use crate::plot::{Axis, Bar, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Scatter, Table, Trace, Values, number};

/// Why a part may be missing.
const NO_TARGET: &str = "no target varies on the scored rows";
/// Why a percentage may be missing.
const NO_TOTAL: &str = "the total is not above 0";

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let bars = Signal::stored(Arc::new(bars(&output)));
    let points = Signal::stored(Arc::new(targets(&output)));
    view! {
        <FigureCard id="partition" title="Parts of the explained variance" chart=bars spec=Arc::clone(&spec) />
        <FigureCard id="partition-targets" title="Unique parts of single targets" chart=points spec />
        <DataTable table=part_table(&output) caption="Parts of the explained variance, mean over targets" test_id="partition-table" />
        <DataTable table=model_table(&output) caption="Models of the subsets" test_id="partition-models-table" />
    }
    .into_any()
}

/// `only V1`, `V1 and V4`, `all together`.
fn title(part: &Share) -> String {
    match part.spaces.as_slice() {
        _ if part.row == "Total" => "total".into(),
        [one] => format!("only {one}"),
        several => several.join(" and "),
    }
}

/// Mean parts as bars, each with its percentage.
fn bars(output: &Output) -> Chart {
    let titles: Vec<String> = output.parts.iter().map(title).collect();
    let text = |p: &Share| match p.percent_total {
        Some(percent) => format!("{}: {} % of the total", title(p), number::significant(percent, 3)),
        None => title(p),
    };
    let n_parts = output.parts.len().saturating_sub(1);
    // The total apart from its parts.
    let one = |name: &str, keep: &dyn Fn(usize) -> bool, color: Color| {
        let chosen: Vec<usize> = (0..output.parts.len()).filter(|&i| keep(i)).collect();
        Trace::Bar(Bar {
            name: name.into(),
            x: Values::Numbers(chosen.iter().map(|&i| position(i)).collect()),
            y: chosen.iter().map(|&i| output.parts[i].coefficient.unwrap_or(f64::NAN)).collect(),
            errors: Vec::new(),
            width: Some(0.8),
            color,
            texts: chosen.iter().map(|&i| text(&output.parts[i])).collect(),
            hover: "%{text}<br>R² <b>%{y:.4g}</b><extra></extra>",
        })
    };
    let n_spaces = output.spaces.len();
    let traces = vec![
        one("unique", &|i| i < n_spaces, Color::Series(0)),
        one("common", &|i| i >= n_spaces && i < n_parts, Color::Series(1)),
        one("total", &|i| i == n_parts, Color::Series(2)),
    ];
    let labels = output.parts.iter().zip(&titles).map(|(p, title)| match p.percent_total {
        Some(percent) => format!("{title} ({} %)", number::significant(percent, 3)),
        None => title.clone(),
    });
    let layout = Layout { x: Axis::slots(labels), y: Axis::linear(r2_title(output)), ..Layout::default() };
    let negative = output.parts.iter().any(|p| p.coefficient.is_some_and(|c| c < 0.0));
    let caption = sentence(&[
        if negative {
            "parts below 0: spaces that explain more together than apart, or that held-out rows do not bear out".into()
        } else {
            String::new()
        },
        if output.n_left_out > 0 { format!("constant targets left out: {}", number::count(output.n_left_out)) } else { String::new() },
    ]);
    let table = csv_table(output);
    Chart { figure: Figure { traces, layout }, summary: summary(output), caption, csv: Csv::new(move || table.csv()) }
}

fn position(i: usize) -> f64 {
    u32::try_from(i).map_or(f64::NAN, f64::from)
}

fn r2_title(output: &Output) -> String {
    format!("{} R², mean over targets", if output.n_splits == 0 { "In-sample" } else { "Held-out" })
}

/// The unique part of each space for every target.
fn targets(output: &Output) -> Chart {
    let (n_targets, n_spaces) = (output.per_target.rows(), output.spaces.len());
    let kept = thinned(n_targets, MAX_POINTS / n_spaces.max(1));
    let traces = output.spaces.iter().enumerate().map(|(b, name)| {
        // Spread over the width of the slot in the order of the targets.
        let spread = |k: usize| position(b) + 0.7 * (position(k) + 0.5) / position(n_targets.max(1)) - 0.35;
        Trace::Scatter(Scatter {
            name: name.clone(),
            x: Values::Numbers(kept.iter().map(|&k| spread(k)).collect()),
            y: kept.iter().map(|&k| at(&output.per_target, k, b)).collect(),
            draw: Draw::Points,
            color: Color::Series(b),
            opacity: 0.6,
            in_legend: false,
            texts: kept.iter().map(|k| format!("target {}", number::count(k + 1))).collect(),
            hover: "%{text}<br>unique R² <b>%{y:.4g}</b><extra></extra>",
        })
    });
    let layout = Layout { x: Axis::slots(output.spaces.iter().cloned()), y: Axis::linear("Unique part of R²"), ..Layout::default() };
    let caption = sentence(&["within a space, targets are in their order".into(), points_note(n_targets, kept.len())]);
    let best = (0..n_targets).filter(|&k| largest(output, k).is_some());
    let mut wins = vec![0u32; n_spaces];
    best.filter_map(|k| largest(output, k)).for_each(|b| wins[b] += 1);
    let counts =
        output.spaces.iter().zip(&wins).map(|(name, &n)| format!("{name} for {}", number::count(n))).collect::<Vec<_>>().join(", ");
    let summary = format!("Largest unique part of {} targets: {counts}.", number::count(n_targets));
    let names: Vec<String> = std::iter::once("target".into()).chain(output.parts.iter().map(|p| p.row.clone())).collect();
    let (parts, totals, n_models) = (output.per_target.clone(), output.per_target_r2.clone(), output.models.len());
    let csv = Csv::new(move || {
        let rows = (1u64..).zip(0..parts.rows()).map(|(n, k)| {
            let total = Cell::number(Some(at(&totals, k, n_models.saturating_sub(1))), "constant target");
            let cells = (0..parts.columns()).map(|j| Cell::number(Some(at(&parts, k, j)), "constant target"));
            std::iter::once(Cell::Count(n)).chain(cells).chain([total]).collect()
        });
        Table::new(names.iter().map(String::as_str), rows.collect()).csv()
    });
    Chart { figure: Figure { traces: traces.collect(), layout }, summary, caption, csv }
}

/// The space with the largest unique part of a target.
fn largest(output: &Output, target: usize) -> Option<usize> {
    let parts = (0..output.spaces.len()).map(|b| (b, at(&output.per_target, target, b))).filter(|(_, v)| v.is_finite());
    parts.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(b, _)| b)
}

fn csv_table(output: &Output) -> Table {
    let rows = output.parts.iter().map(|p| {
        vec![
            Cell::Text(p.row.clone()),
            Cell::number(p.coefficient, NO_TARGET),
            Cell::number(p.percent_total, NO_TOTAL),
            Cell::Text(title(p)),
        ]
    });
    Table::new(["Row", "Coefficient", "Percent_Total", "Spaces"], rows.collect())
}

fn part_table(output: &Output) -> Table {
    let rows = output.parts.iter().map(|p| {
        vec![
            Cell::Text(title(p)),
            Cell::Text(p.row.clone()),
            Cell::number(p.coefficient, NO_TARGET),
            Cell::number(p.percent_total, NO_TOTAL),
        ]
    });
    Table::new(["Part", "Row", "R²", "% of the total"], rows.collect())
}

fn model_table(output: &Output) -> Table {
    let rows = output.models.iter().map(|m| vec![Cell::Text(m.spaces.join(" + ")), Cell::number(m.r2, NO_TARGET)]);
    Table::new(["Feature spaces", "R², mean over targets"], rows.collect())
}

fn summary(output: &Output) -> String {
    let show = |p: &Share| {
        let value = p.coefficient.map_or_else(|| "undefined".into(), |v| number::significant(v, 3));
        let percent =
            p.percent_total.filter(|_| p.row != "Total").map_or_else(String::new, |v| format!(" ({} %)", number::significant(v, 3)));
        format!("{} {value}{percent}", title(p))
    };
    let parts = output.parts.iter().map(show).collect::<Vec<_>>().join(", ");
    format!("R² of {}: {parts}.", output.targets)
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::variance_partition::SubsetModel;

    use super::*;

    fn output() -> Output {
        let part = |row: &str, spaces: &[&str], coefficient: f64| Share {
            row: row.into(),
            spaces: spaces.iter().map(|&s| s.into()).collect(),
            coefficient: Some(coefficient),
            percent_total: Some(200.0 * coefficient),
        };
        let model = |spaces: &[&str], r2| SubsetModel { spaces: spaces.iter().map(|&s| s.into()).collect(), r2: Some(r2) };
        Output {
            spaces: vec!["V1".into(), "V4".into()],
            targets: "IT".into(),
            parts: vec![
                part("Unique_A", &["V1"], 0.1),
                part("Unique_B", &["V4"], 0.45),
                part("Common_A_and_B", &["V1", "V4"], -0.05),
                part("Total", &["V1", "V4"], 0.5),
            ],
            models: vec![model(&["V1"], 0.05), model(&["V4"], 0.4), model(&["V1", "V4"], 0.5)],
            per_target: Array::matrix(3, 3, vec![0.2, 0.1, 0.0, f64::NAN, f64::NAN, f64::NAN, 0.0, 0.8, -0.1]),
            per_target_r2: Array::matrix(3, 3, vec![0.2, 0.1, 0.3, f64::NAN, f64::NAN, f64::NAN, -0.1, 0.7, 0.7]),
            n_splits: 5,
            n_left_out: 1,
        }
    }

    #[test]
    fn parts_are_bars_with_percentages() {
        let chart = bars(&output());
        crate::views::dump("variance_partition", &chart);
        let ys: Vec<Vec<f64>> = chart.figure.traces.iter().map(|t| if let Trace::Bar(b) = t { b.y.clone() } else { Vec::new() }).collect();
        assert_eq!(ys, [vec![0.1, 0.45], vec![-0.05], vec![0.5]]);
        let ticks = chart.figure.layout.x.ticks.as_deref().expect("named");
        assert_eq!(ticks[1].1, "only V4 (90.0 %)");
        assert!(chart.caption.contains("below 0") && chart.caption.contains("left out: 1"), "{}", chart.caption);
        assert_eq!(chart.csv.text().lines().nth(3), Some("Common_A_and_B,-0.05,-10,V1 and V4"));
        assert!(chart.summary.starts_with("R² of IT: only V1 0.100 (20.0 %)"), "{}", chart.summary);
    }

    #[test]
    fn every_target_has_a_point_for_each_space() {
        let chart = targets(&output());
        crate::views::dump("variance_partition_targets", &chart);
        assert_eq!(chart.figure.traces.len(), 2);
        assert_eq!(chart.summary, "Largest unique part of 3 targets: V1 for 1, V4 for 1.");
        assert_eq!(chart.csv.text().lines().next(), Some("target,Unique_A,Unique_B,Common_A_and_B,Total"));
        assert_eq!(chart.csv.text().lines().nth(3), Some("3,0,0.8,-0.1,0.7"));
    }
}
