//! Distances along the way between two shapes.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::shape_path::Output;
use leptos::prelude::*;

use super::conditions::told_apart;
use super::{Part, at};
use crate::plot::{Axis, Chart, Color, Csv, Figure, FigureCard, Layout, Scatter, Trace, number};

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let chart = Signal::stored(Arc::new(chart(&output)));
    view! { <FigureCard id="path" title=format!("From {} to {}", output.ends[0], output.ends[1]) chart spec /> }.into_any()
}

fn chart(output: &Output) -> Chart {
    let names = told_apart(&output.names);
    let lines = names.iter().enumerate().map(|(k, name)| {
        let y: Vec<f64> = (0..output.t.len()).map(|i| at(&output.distances, k, i)).collect();
        let texts = vec![name.clone(); y.len()];
        let line = Scatter::line(name, output.t.clone(), y, texts, "%{text}: %{y:.4g} at %{x:.3g}<extra></extra>");
        Trace::Scatter(Scatter { color: Color::Series(k), in_legend: true, ..line })
    });
    let layout = Layout {
        x: Axis::linear(format!("Place between {} (0) and {} (1)", names[0], names[1])),
        y: Axis::linear("Distance to the point of the path"),
        legend: true,
        ..Layout::default()
    };
    let (csv, places) = (output.distances.clone(), output.t.iter().map(ToString::to_string).collect::<Vec<_>>());
    Chart {
        figure: Figure { traces: lines.collect(), layout },
        summary: summary(output, &names),
        caption: String::new(),
        csv: Csv::matrix("place", &names, &places, move |i, k| at(&csv, k, i)),
    }
}

fn summary(output: &Output, names: &[String]) -> String {
    let length = number::significant(output.length, 3);
    let others = names.iter().enumerate().skip(2).filter_map(|(k, name)| {
        let nearest = (0..output.t.len()).min_by(|a, b| at(&output.distances, k, *a).total_cmp(&at(&output.distances, k, *b)))?;
        let (distance, place) = (at(&output.distances, k, nearest), output.t[nearest]);
        Some(format!("{name} comes as close as {} at {}", number::significant(distance, 3), number::exact(place)))
    });
    let all: Vec<String> = std::iter::once(format!("{} and {} are {length} apart", names[0], names[1])).chain(others).collect();
    format!("{}.", all.join("; "))
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    #[test]
    fn every_representation_has_a_line_and_the_nearest_point_is_named() {
        let output = Output {
            ends: ["A".into(), "B".into()],
            length: 1.2,
            t: vec![0.0, 0.5, 1.0],
            names: vec!["A".into(), "B".into(), "C".into()],
            distances: Array::matrix(3, 3, vec![0.0, 0.6, 1.2, 1.2, 0.6, 0.0, 0.9, 0.7, 0.8]),
            points: None,
        };
        let chart = chart(&output);
        crate::views::dump("shape_path", &chart);
        assert_eq!(chart.figure.traces.len(), 3);
        assert_eq!(chart.summary, "A and B are 1.20 apart; C comes as close as 0.700 at 0.5.");
        assert_eq!(chart.csv.text().lines().nth(2), Some("0.5,0.6,0.6,0.7"));
    }
}
