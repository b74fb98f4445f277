//! Tuning curves of chosen units, and what each unit prefers.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::tuning::Output;
use leptos::prelude::*;

use super::controls::line;
use super::{Part, at};
use crate::plot::reduce::sentence;
use crate::plot::{Axis, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Scatter, Table, Trace, Values, number};

/// More curves than the palette has colors tell nothing.
const MOST: usize = 10;

/// Units in the table; the CSV of the figure has all.
const MOST_ROWS: u32 = 200;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let (units, set_units) = signal(String::from("1, 2, 3, 4"));
    let chart = {
        let output = output.clone();
        Memo::new_with_compare(move |_| Arc::new(chart(&output, &units.get())), |_, _| true)
    };
    let table = table(&output).map(|table| {
        let caption = match output.n_units {
            0..=MOST_ROWS => "What units prefer",
            _ => "What the first 200 units prefer",
        };
        view! { <DataTable table caption test_id="tuning-table" /> }
    });
    view! {
        <FigureCard id="tuning" title=format!("Tuning curves of {}", output.input) chart spec>
            {line("Units ", "tuning-units", units, set_units)}
        </FigureCard>
        {table}
    }
    .into_any()
}

/// Units counted from 1, each once, as they are written.
fn chosen(text: &str, n_units: usize) -> Vec<usize> {
    let mut out = Vec::new();
    for unit in text.split([',', ';', ' ']).filter_map(|t| t.parse::<usize>().ok()).filter(|u| (1..=n_units).contains(u)) {
        if !out.contains(&(unit - 1)) {
            out.push(unit - 1);
        }
    }
    out
}

fn chart(output: &Output, units: &str) -> Chart {
    let n_units = output.n_units as usize;
    let mut units = chosen(units, n_units);
    let left_out = units.len().saturating_sub(MOST);
    units.truncate(MOST);
    let curve = |(place, &unit): (usize, &usize)| {
        let over = |values: &eigenscope::Array| (0..output.values.len()).map(|v| at(values, unit, v)).collect::<Vec<_>>();
        let points = Scatter {
            name: format!("unit {}", unit + 1),
            x: Values::Numbers(output.values.clone()),
            y: over(&output.means),
            draw: Draw::Line,
            color: Color::Series(place),
            opacity: 1.0,
            in_legend: true,
            texts: Vec::new(),
            hover: "%{x}: <b>%{y:.4g}</b>",
        };
        Trace::Curve(points, over(&output.sems))
    };
    let traces: Vec<Trace> = units.iter().enumerate().map(curve).collect();
    let layout =
        Layout { x: Axis::linear("Stimulus value"), y: Axis::linear("Mean response"), legend: traces.len() > 1, ..Layout::default() };
    let repeated = output.n_trials.iter().any(|n| *n > 1);
    let caption = sentence(&[
        if repeated { "lines: ± 1 SEM over trials".into() } else { String::new() },
        if units.is_empty() { format!("no unit is chosen; give numbers from 1 to {n_units}") } else { String::new() },
        if left_out > 0 { format!("the first {MOST} units are drawn") } else { String::new() },
    ]);
    let names: Vec<String> = (1..=n_units).map(|u| format!("unit {u}")).collect();
    let columns: Vec<String> = output.values.iter().map(ToString::to_string).collect();
    let means = output.means.clone();
    let trials: u32 = output.n_trials.iter().sum();
    Chart {
        figure: Figure { traces, layout },
        summary: format!(
            "Mean responses of {} units to {} stimulus values over {} trials.",
            number::count(output.n_units),
            number::count(output.values.len()),
            number::count(trials)
        ),
        caption,
        csv: Csv::matrix("unit", &columns, &names, move |i, j| at(&means, i, j)),
    }
}

fn table(output: &Output) -> Option<Table> {
    let (preferred, selectivity) = output.preferred.as_ref().zip(output.selectivity.as_ref())?;
    let none = "the unit has negative or no mean responses, or a flat curve";
    let cell = |values: &eigenscope::Array, i: usize| Cell::number(values.values.get(i).copied().filter(|v| v.is_finite()), none);
    let rows = (0..output.n_units.min(MOST_ROWS)).map(|i| {
        let unit = i as usize;
        vec![Cell::Count(u64::from(i) + 1), cell(preferred, unit), cell(selectivity, unit)]
    });
    Some(Table::new(["Unit", "Preferred value", "Selectivity"], rows.collect()))
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    fn output() -> Output {
        Output {
            input: "V1".into(),
            n_units: 2,
            values: vec![-45.0, 0.0, 45.0],
            n_trials: vec![2, 2, 2],
            means: Array::matrix(2, 3, vec![1.0, 2.0, 1.0, 3.0, 2.0, 1.0]),
            sems: Array::matrix(2, 3, vec![0.1; 6]),
            preferred: Some(Array::vector(vec![0.0, f64::NAN])),
            selectivity: Some(Array::vector(vec![0.5, f64::NAN])),
            period: Some(180.0),
        }
    }

    #[test]
    fn chosen_units_are_drawn_with_their_errors() {
        let chart = chart(&output(), "2, 7; 2 1");
        crate::views::dump("tuning", &chart);
        assert_eq!(chart.figure.traces.len(), 2);
        let Trace::Curve(line, errors) = &chart.figure.traces[0] else { panic!("a curve") };
        assert_eq!((line.name.as_str(), &line.y[..], errors[0]), ("unit 2", &[3.0, 2.0, 1.0][..], 0.1));
        assert_eq!(chart.summary, "Mean responses of 2 units to 3 stimulus values over 6 trials.");
        assert!(super::chart(&output(), "none").caption.contains("numbers from 1 to 2"), "says what to give");
    }

    #[test]
    fn units_without_a_preference_have_a_reason() {
        let table = table(&output()).expect("a period");
        assert_eq!(table.rows[0][2], Cell::Number(0.5));
        assert!(matches!(table.rows[1][1], Cell::Undefined(_)), "no preferred value");
    }
}
