//! Functions that are turned into another along few dimensions.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::dim_complexity::{Output, Row};
use eigenscope::warp::Function;
use leptos::prelude::*;

use super::{Part, at};
use crate::plot::{Axis, Cell, Chart, Color, Csv, Draw, Figure, FigureCard, Layout, Scatter, Table, Trace, number};

/// The view of [`Output`].
pub(super) fn view(output: &Part<Output>, spec: &Arc<AnalysisSpec>) -> AnyView {
    let figure = |(k, row): (usize, &Row)| {
        let title = format!("From {} to sin(3πx/4)", called(row.function));
        let chart = chart(output, row);
        let id = ["complexity-1", "complexity-2", "complexity-3"].get(k).copied().unwrap_or("complexity");
        view! { <FigureCard id title chart=Signal::derive(move || Arc::new(chart.clone())) spec=Arc::clone(spec) /> }
    };
    output.rows.iter().enumerate().map(figure).collect_view().into_any()
}

fn called(function: Function) -> &'static str {
    match function {
        Function::Square => "x²",
        Function::Cube => "x³",
        Function::Sine => "sin(πx/2)",
        Function::Target => "sin(3πx/4)",
    }
}

/// One line for each number of dimensions, between the function before and the target.
fn chart(output: &Output, row: &Row) -> Chart {
    let line = |name: &str, values: Vec<f64>, color: Color, draw: Draw| {
        let hover = "%{x:.2f}<br><b>%{y:.3f}</b>";
        Trace::Scatter(Scatter { color, draw, in_legend: true, ..Scatter::line(name, output.x.clone(), values, Vec::new(), hover) })
    };
    let values = |k: usize| (0..output.x.len()).map(|j| at(&row.after, k, j)).collect::<Vec<_>>();
    let mut traces =
        vec![line("before", row.before.clone(), Color::Text, Draw::Line), line("target", output.target.clone(), Color::Text, Draw::Dashes)];
    traces.extend(row.dims.iter().enumerate().map(|(k, d)| line(&format!("d = {d}"), values(k), Color::Series(k), Draw::Line)));
    let best = row.dims.iter().zip(&row.losses).min_by(|a, b| a.1.total_cmp(b.1));
    let summary = best.map_or_else(
        || "Nothing was warped yet.".into(),
        |(d, loss)| format!("The closest is d = {d} with a loss of {}.", number::significant(*loss, 3)),
    );
    let rows = row.dims.iter().zip(&row.losses).zip(&row.steps);
    let rows = rows.map(|((d, loss), steps)| vec![Cell::Count((*d).into()), Cell::Number(*loss), Cell::Count((*steps).into())]).collect();
    let table = Table::new(["d", "loss", "steps"], rows);
    Chart {
        figure: Figure { traces, layout: Layout { x: Axis::linear("x"), y: Axis::linear("Value"), ..Layout::default() } },
        summary,
        caption: "Dashed: the function that it is warped to. Inputs in training are normal numbers and reach beyond this range.".into(),
        csv: Csv::new(move || table.csv()),
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    #[test]
    fn every_number_of_dimensions_has_a_line() {
        let row = Row {
            function: Function::Cube,
            before: vec![0.0, 1.0],
            loss: 0.1,
            dims: vec![4, 20],
            after: Array::matrix(2, 2, vec![0.1, 0.2, 0.3, 0.4]),
            losses: vec![0.5, 0.2],
            steps: vec![10, 20],
        };
        let output = Output { x: vec![-1.0, 1.0], target: vec![0.0, 0.5], rows: vec![row.clone()] };
        let chart = chart(&output, &row);
        assert_eq!(chart.figure.traces.len(), 4, "before, target, two numbers of dimensions");
        assert!(chart.summary.contains("d = 20"), "{}", chart.summary);
    }
}
