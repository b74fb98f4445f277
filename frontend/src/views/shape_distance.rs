//! Distances between representations as square heat maps and a table.

use std::sync::Arc;

use eigenscope::analysis::shape_distance::{Output, Score};
use eigenscope::{AnalysisSpec, Array};
use leptos::prelude::*;

use super::conditions::told_apart;
use super::{Part, at};
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_SIDE, block_means, blocks_note, sentence};
use crate::plot::table::matrix_csv;
use crate::plot::{Axis, Cell, Chart, Csv, DataTable, Figure, FigureCard, Heatmap, Layout, Table, Trace, number};

/// A table of more columns than this is not read.
const MAX_TABLE: usize = 12;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let unit = unit(&spec);
    let names = told_apart(&output.names);
    let range = color_range(&output);
    let card = |id, title: &'static str, distances: &Array| {
        let chart = Signal::stored(Arc::new(chart(distances, &names, range, unit)));
        view! { <FigureCard id title chart spec=Arc::clone(&spec) /> }
    };
    let fitted = card("distances", "Shape distances", &output.distances);
    let held_out = output.test_distances.as_ref().map(|d| card("test-distances", "Shape distances on held-out rows", d));
    let fitted_table = (names.len() <= MAX_TABLE).then(|| table(&output.distances, &names));
    let test_table = output.test_distances.as_ref().filter(|_| names.len() <= MAX_TABLE).map(|d| table_view(table(d, &names), unit, true));
    view! {
        <div class="figure-pair">{fitted} {held_out}</div>
        {fitted_table.map(|table| table_view(table, unit, false))}
        {test_table}
    }
    .into_any()
}

fn table_view(table: Table, unit: &str, held_out: bool) -> impl IntoView {
    let (caption, test_id) =
        if held_out { (format!("{unit} on held-out rows"), "test-distances-table") } else { (unit.to_string(), "distances-table") };
    view! { <DataTable table caption test_id /> }
}

fn unit(spec: &AnalysisSpec) -> &'static str {
    match spec {
        AnalysisSpec::ShapeDistance(spec) if spec.score == Score::Angular => "Angular distance (radians)",
        AnalysisSpec::ShapeDistance(_) => "Euclidean distance",
        AnalysisSpec::Dimensionality(_)
        | AnalysisSpec::Manifolds(_)
        | AnalysisSpec::Rdm(_)
        | AnalysisSpec::RdmComparison(_)
        | AnalysisSpec::Embedding(_)
        | AnalysisSpec::RdmPool(_)
        | AnalysisSpec::Tuning(_)
        | AnalysisSpec::Searchlight(_)
        | AnalysisSpec::Similarity(_)
        | AnalysisSpec::Clustering(_)
        | AnalysisSpec::Encoding(_)
        | AnalysisSpec::DimensionUse(_)
        | AnalysisSpec::VariancePartition(_)
        | AnalysisSpec::FewShot(_)
        | AnalysisSpec::Projection(_)
        | AnalysisSpec::Relation(_) => "Distance",
    }
}

/// One scale for both matrices, so that their colors can be compared.
fn color_range(output: &Output) -> [f64; 2] {
    let test = output.test_distances.iter().flat_map(|d| &d.values);
    let high = extent(output.distances.values.iter().chain(test)).map_or(1.0, |[_, high]| high);
    [0.0, if high > 0.0 { high } else { 1.0 }]
}

fn chart(distances: &Array, names: &[String], range: [f64; 2], unit: &str) -> Chart {
    let n = names.len();
    let blocks = block_means(n, MAX_SIDE, |i, j| at(distances, i, j));
    let axis_names = super::conditions::block_names(names, blocks.step);
    let caption = sentence(&[blocks_note(n, &blocks)]);
    let heatmap =
        Heatmap { columns: axis_names.clone(), rows: axis_names, z: blocks.values, range: Some(range), title: unit.to_lowercase() };
    let layout = Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: true, ..Layout::default() };
    let (csv_names, csv_distances) = (names.to_vec(), distances.clone());
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: summary(distances, names, unit),
        caption,
        csv: Csv::new(move || matrix_csv("representation", &csv_names, &csv_names, |i, j| at(&csv_distances, i, j))),
    }
}

fn table(distances: &Array, names: &[String]) -> Table {
    let rows = names.iter().enumerate().map(|(i, name)| {
        let cells = (0..names.len()).map(|j| Cell::number(Some(at(distances, i, j)), "the distance is undefined"));
        std::iter::once(Cell::Text(name.clone())).chain(cells).collect()
    });
    Table::new(std::iter::once("Representation").chain(names.iter().map(String::as_str)), rows.collect())
}

fn summary(distances: &Array, names: &[String], unit: &str) -> String {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for i in 0..names.len() {
        pairs.extend((i + 1..names.len()).map(|j| (at(distances, i, j), i, j)).filter(|(d, _, _)| d.is_finite()));
    }
    let what = format!("{} between {} representations", unit, number::count(names.len()));
    let least = pairs.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((least, most)) = least.zip(pairs.iter().max_by(|a, b| a.0.total_cmp(&b.0))) else {
        return format!("{what}; no pair has a value.");
    };
    let pair = |p: &(f64, usize, usize)| format!("{} and {} ({})", names[p.1], names[p.2], number::significant(p.0, 3));
    if pairs.len() == 1 {
        return format!("{what}: {}.", pair(least));
    }
    format!("{what}; the closest are {}, the farthest {}.", pair(least), pair(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        let distances = Array::matrix(3, 3, vec![0.0, 0.4, 1.2, 0.4, 0.0, f64::NAN, 1.2, f64::NAN, 0.0]);
        let test = Array { values: distances.values.iter().map(|v| v + 0.1).collect(), ..distances.clone() };
        Output { names: vec!["V1".into(), "V1".into(), "IT".into()], distances, test_distances: Some(test) }
    }

    #[test]
    fn both_matrices_share_one_scale() {
        assert_eq!(color_range(&output()), [0.0, 1.2 + 0.1]);
    }

    #[test]
    fn equal_names_are_told_apart_and_undefined_pairs_left_blank() {
        let output = output();
        let names = told_apart(&output.names);
        let chart = chart(&output.distances, &names, [0.0, 1.3], "Angular distance (radians)");
        crate::views::dump("shape_distance", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!(map.rows, ["V1", "V1 (2)", "IT"]);
        assert!(map.z[5].is_nan(), "V1 (2) against IT");
        assert_eq!(map.title, "angular distance (radians)");
        assert_eq!(
            chart.summary,
            "Angular distance (radians) between 3 representations; the closest are V1 and V1 (2) (0.400), the farthest V1 and IT (1.20)."
        );
        assert_eq!(chart.csv.text().lines().nth(1), Some("V1,0,0.4,1.2"));
        assert!(matches!(table(&output.distances, &names).rows[1][3], Cell::Undefined(_)), "undefined, with a reason");
    }
}
