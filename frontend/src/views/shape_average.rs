//! The average of shapes: representations around it, what varies, the average itself, clusters.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::shape_average::Output;
use eigenscope::dataset::LabelColumn;
use leptos::prelude::*;

use super::conditions::{names, told_apart};
use super::{Part, at};
use crate::plot::{Axis, Bar, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Scatter, Table, Trace, Values, number};

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>, labels: Vec<LabelColumn>) -> AnyView {
    let n = output.mean.rows();
    let labels: Vec<LabelColumn> = labels.into_iter().filter(|l| l.values.len() == n).take(3).collect();
    let samples = names(n, &labels.iter().collect::<Vec<_>>());
    let all = told_apart(&output.names);
    let around = Signal::stored(Arc::new(around(&output, &all)));
    let components = output.components.explained.as_ref().filter(|explained| explained.len() > 1).map(|explained| {
        let chart = Signal::stored(Arc::new(explained_chart(explained)));
        view! { <FigureCard id="components" title="Variation around the average" chart spec=Arc::clone(&spec) /> }
    });
    let mean = Signal::stored(Arc::new(mean(&output, &samples)));
    view! {
        <div class="figure-pair">
            <FigureCard id="around" title="Representations around their average" chart=around spec=Arc::clone(&spec) />
            <FigureCard id="mean" title="The average: samples along its first axes" chart=mean spec=Arc::clone(&spec) />
        </div>
        {components}
        <DataTable table=table(&output, &all) caption="Representations".to_owned() test_id="average-table" />
    }
    .into_any()
}

/// Representations in the tangent space, colored by cluster.
fn around(output: &Output, names: &[String]) -> Chart {
    let scores = &output.components.scores;
    let place = |i: usize, c: usize| if c < scores.columns() { at(scores, i, c) } else { 0.0 };
    let points = |name: String, color: usize, members: Vec<usize>, in_legend: bool| {
        Trace::Scatter(Scatter {
            name,
            x: Values::Numbers(members.iter().map(|&i| place(i, 0)).collect()),
            y: members.iter().map(|&i| place(i, 1)).collect(),
            draw: Draw::Points,
            color: Color::Series(color),
            opacity: 0.9,
            in_legend,
            texts: members.iter().map(|&i| names[i].clone()).collect(),
            hover: "%{text}<extra></extra>",
        })
    };
    let traces = match &output.clusters {
        Some(clusters) => {
            let k = clusters.labels.iter().max().map_or(0, |most| *most as usize + 1);
            let members =
                |c: usize| (0..names.len()).filter(|i| clusters.labels.get(*i).is_some_and(|label| *label as usize == c)).collect();
            (0..k).map(|c| points(format!("cluster {}", c + 1), c, members(c), true)).collect()
        }
        None => vec![points("representations".into(), 0, (0..names.len()).collect(), false)],
    };
    let share = |c: usize| {
        let explained = output.components.explained.as_ref().and_then(|e| e.get(c));
        explained.map_or_else(String::new, |e| format!(" ({:.1} % of the variation)", 100.0 * e))
    };
    let axis = |c: usize| Axis::linear(format!("Component {}{}", c + 1, share(c)));
    let layout = Layout { x: axis(0), y: axis(1), legend: output.clusters.is_some(), square: scores.columns() > 1, ..Layout::default() };
    let (csv, csv_names) = (scores.clone(), names.to_vec());
    let columns: Vec<String> = (1..=scores.columns()).map(|c| format!("component {c}")).collect();
    Chart {
        figure: Figure { traces, layout },
        summary: summary(output, names),
        caption: String::new(),
        csv: Csv::matrix("representation", &columns, &csv_names, move |i, c| at(&csv, i, c)),
    }
}

fn summary(output: &Output, names: &[String]) -> String {
    let shared = output.shared.map_or_else(String::new, |s| format!("; it has {:.1} % of their sum of squares", 100.0 * s));
    let clusters = output.clusters.as_ref().map_or_else(String::new, |c| format!("; {} clusters", number::count(c.distances.rows())));
    format!("The average of {} representations{shared}{clusters}.", number::count(names.len()))
}

fn explained_chart(explained: &[f64]) -> Chart {
    let names: Vec<String> = (1..=explained.len()).map(|c| c.to_string()).collect();
    let percent: Vec<f64> = explained.iter().map(|e| 100.0 * e).collect();
    let bars = Bar {
        name: "share".into(),
        x: Values::Names(names.clone()),
        y: percent.clone(),
        errors: Vec::new(),
        width: None,
        color: Color::Series(0),
        texts: Vec::new(),
        hover: "component %{x}: %{y:.1f} %<extra></extra>",
    };
    let layout =
        Layout { x: Axis::category("Component of the tangent space"), y: Axis::linear("Share of the variation (%)"), ..Layout::default() };
    Chart {
        figure: Figure { traces: vec![Trace::Bar(bars)], layout },
        summary: format!(
            "The first of {} components has {:.1} % of the variation.",
            number::count(explained.len()),
            percent.first().copied().unwrap_or(0.0)
        ),
        caption: String::new(),
        csv: Csv::matrix("component", &["share (%)".to_owned()], &names, move |c, _| percent[c]),
    }
}

/// Samples along the first two axes of the average.
fn mean(output: &Output, samples: &[String]) -> Chart {
    let place = |i: usize, c: usize| if c < output.mean.columns() { at(&output.mean, i, c) } else { 0.0 };
    let points = Scatter {
        name: "samples".into(),
        x: Values::Numbers((0..samples.len()).map(|i| place(i, 0)).collect()),
        y: (0..samples.len()).map(|i| place(i, 1)).collect(),
        draw: Draw::Points,
        color: Color::Series(0),
        opacity: 0.75,
        in_legend: false,
        texts: samples.to_vec(),
        hover: "%{text}<extra></extra>",
    };
    let layout = Layout { x: Axis::linear("Axis 1"), y: Axis::linear("Axis 2"), square: true, ..Layout::default() };
    let (csv, csv_names) = (output.mean.clone(), samples.to_vec());
    let columns: Vec<String> = (1..=csv.columns()).map(|c| format!("axis {c}")).collect();
    Chart {
        figure: Figure { traces: vec![Trace::Scatter(points)], layout },
        summary: format!("{} samples of the average in {} dimensions.", number::count(samples.len()), number::count(output.mean.columns())),
        caption: String::new(),
        csv: Csv::matrix("sample", &columns, &csv_names, move |i, c| at(&csv, i, c)),
    }
}

fn table(output: &Output, names: &[String]) -> Table {
    let n_scores = output.components.scores.columns().min(2);
    let mut columns = vec!["Representation", "Distance to the average"];
    columns.extend(["Component 1", "Component 2"].into_iter().take(n_scores));
    let score = |i: usize, c: usize| Cell::number(Some(at(&output.components.scores, i, c)), "undefined");
    if output.clusters.is_some() {
        columns.extend(["Cluster", "Distance to its average"]);
    }
    let rows = names.iter().enumerate().map(|(i, name)| {
        let mut row = vec![Cell::Text(name.clone()), Cell::number(output.distances.get(i).copied(), "undefined")];
        row.extend((0..n_scores).map(|c| score(i, c)));
        if let Some(clusters) = &output.clusters {
            let label = clusters.labels[i];
            row.push(Cell::Count(u64::from(label) + 1));
            row.push(Cell::number(Some(at(&clusters.distances, label as usize, i)), "undefined"));
        }
        row
    });
    Table::new(columns, rows.collect())
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::shape_average::{Clusters, Components};

    use super::*;

    fn output() -> Output {
        Output {
            names: vec!["A".into(), "B".into(), "C".into()],
            mean: Array::matrix(2, 1, vec![1.0, -1.0]),
            distances: vec![0.1, 0.2, 0.3],
            shared: Some(0.875),
            components: Components {
                scores: Array::matrix(3, 2, vec![0.1, 0.0, -0.2, 0.1, 0.1, -0.1]),
                variances: vec![0.03, 0.01],
                explained: Some(vec![0.75, 0.25]),
            },
            n_sweeps: 4,
            converged: true,
            clusters: Some(Clusters {
                labels: vec![0, 1, 0],
                distances: Array::matrix(2, 3, vec![0.1, 0.9, 0.2, 0.8, 0.0, 0.7]),
                cost: 0.05,
                n_rounds: 2,
                converged: true,
            }),
        }
    }

    #[test]
    fn clusters_have_their_colors_and_samples_their_names() {
        let names: Vec<String> = output().names;
        let chart = around(&output(), &names);
        crate::views::dump("shape_average", &chart);
        let Trace::Scatter(first) = &chart.figure.traces[0] else { panic!("points") };
        assert_eq!((first.name.as_str(), first.texts.join(" ")), ("cluster 1", "A C".into()));
        assert_eq!(chart.summary, "The average of 3 representations; it has 87.5 % of their sum of squares; 2 clusters.");
        assert_eq!(chart.figure.layout.x.title, "Component 1 (75.0 % of the variation)");
        let cells: Vec<String> = table(&output(), &names).rows[1].iter().map(Cell::display).collect();
        assert_eq!(cells, ["B", "0.2000", "−0.2000", "0.1000", "2", "0"]);
        let mean = mean(&output(), &["x".into(), "y".into()]);
        let Trace::Scatter(points) = &mean.figure.traces[0] else { panic!("points") };
        assert_eq!(points.y, [0.0, 0.0], "one axis only");
        assert!(explained_chart(&[0.75, 0.25]).summary.contains("75.0 %"));
    }
}
