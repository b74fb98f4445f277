//! Distances between representations as square heat maps and a table.

use std::sync::Arc;

use eigenscope::analysis::shape_distance::{Folds, Output, Score, Shifts};
use eigenscope::{AnalysisSpec, Array};
use leptos::prelude::*;

use super::conditions::told_apart;
use super::{Part, at};
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_SIDE, block_means, blocks_note, sentence};
use crate::plot::{Axis, Cell, Chart, Csv, DataTable, Figure, FigureCard, Heatmap, Layout, Table, Trace, number};

/// A table of more columns than this is not read.
const MAX_TABLE: usize = 12;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let unit = unit(&spec);
    let rows = told_apart(&output.names);
    let columns = output.against.as_ref().map_or_else(|| rows.clone(), |names| told_apart(names));
    let found = Found { rows, columns, unit, distances: &output.distances, test: output.test_distances.as_ref() };
    let folds = output.folds.as_ref().map(|folds| {
        let table = fold_table(folds, &found);
        view! { <DataTable table caption=format!("{unit} by fold") test_id="folds-table" /> }
    });
    let shifts = output.shifts.as_ref().map(|shifts| {
        let table = shift_table(shifts, &found);
        let chart = shifts.table.as_ref().map(|table| {
            let chart = Signal::stored(Arc::new(shift_chart(table, unit)));
            view! { <FigureCard id="shifts" title="Distance at every shift" chart spec=Arc::clone(&spec) /> }
        });
        view! {
            {chart}
            <DataTable table caption="Shifts that bring layers closest".to_owned() test_id="shifts-table" />
        }
    });
    view! {
        {matrices(&found, &spec)}
        {shifts}
        {folds}
    }
    .into_any()
}

/// Distances with what their rows and columns are called.
pub(super) struct Found<'a> {
    pub(super) rows: Vec<String>,
    pub(super) columns: Vec<String>,
    pub(super) unit: &'static str,
    pub(super) distances: &'a Array,
    pub(super) test: Option<&'a Array>,
}

/// The matrix of distances and that of held-out rows, side by side, and their tables.
pub(super) fn matrices(found: &Found<'_>, spec: &Arc<AnalysisSpec>) -> AnyView {
    let range = color_range(found);
    let card = |id, title: &'static str, distances: &Array| {
        let chart = Signal::stored(Arc::new(chart(found, distances, range)));
        view! { <FigureCard id title chart spec=Arc::clone(spec) /> }
    };
    let fitted = card("distances", "Distances", found.distances);
    let held_out = found.test.map(|d| card("test-distances", "Distances on held-out rows", d));
    let is_small = found.columns.len() <= MAX_TABLE;
    let fitted_table = is_small.then(|| table_view(table(found, found.distances), found.unit, false));
    let test_table = found.test.filter(|_| is_small).map(|d| table_view(table(found, d), found.unit, true));
    view! {
        <div class="figure-pair">{fitted} {held_out}</div>
        {fitted_table}
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
        AnalysisSpec::StochasticDistance(_) | AnalysisSpec::ShapeAverage(_) | AnalysisSpec::ShapePath(_) => "Distance",
        AnalysisSpec::Dimensionality(_)
        | AnalysisSpec::Manifolds(_)
        | AnalysisSpec::Rdm(_)
        | AnalysisSpec::RdmComparison(_)
        | AnalysisSpec::Embedding(_)
        | AnalysisSpec::RdmPool(_)
        | AnalysisSpec::Tuning(_)
        | AnalysisSpec::Searchlight(_)
        | AnalysisSpec::Extraction(_)
        | AnalysisSpec::LayerProfile(_)
        | AnalysisSpec::Warp(_)
        | AnalysisSpec::Orientation(_)
        | AnalysisSpec::DimComplexity(_)
        | AnalysisSpec::Similarity(_)
        | AnalysisSpec::Clustering(_)
        | AnalysisSpec::Encoding(_)
        | AnalysisSpec::DimensionUse(_)
        | AnalysisSpec::VariancePartition(_)
        | AnalysisSpec::FewShot(_)
        | AnalysisSpec::Probe(_)
        | AnalysisSpec::Projection(_)
        | AnalysisSpec::Relation(_) => "Distance",
    }
}

/// One scale for both matrices, so that their colors can be compared.
fn color_range(found: &Found<'_>) -> [f64; 2] {
    let test = found.test.iter().flat_map(|d| &d.values);
    let high = extent(found.distances.values.iter().chain(test)).map_or(1.0, |[_, high]| high);
    [0.0, if high > 0.0 { high } else { 1.0 }]
}

fn chart(found: &Found<'_>, distances: &Array, range: [f64; 2]) -> Chart {
    let Found { rows, columns, unit, .. } = found;
    let is_square = rows == columns;
    let (row_names, column_names, z, note) = if is_square {
        let n = rows.len();
        let blocks = block_means(n, MAX_SIDE, |i, j| at(distances, i, j));
        let names = super::conditions::block_names(rows, blocks.step);
        let note = blocks_note(n, &blocks);
        (names.clone(), names, blocks.values, note)
    } else {
        (rows.clone(), columns.clone(), distances.values.clone(), String::new())
    };
    let missing = distances.values.iter().filter(|v| v.is_nan()).count();
    let gaps = if missing > 0 {
        format!("{} of {} cells have no value", number::count(missing), number::count(distances.values.len()))
    } else {
        String::new()
    };
    let caption = sentence(&[note, gaps]);
    let heatmap = Heatmap { columns: column_names, rows: row_names, z, range: Some(range), title: unit.to_lowercase() };
    let layout = Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: is_square, ..Layout::default() };
    let (csv_rows, csv_columns, csv_distances) = (rows.clone(), columns.clone(), distances.clone());
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: summary(found, distances),
        caption,
        csv: Csv::matrix("representation", &csv_columns, &csv_rows, move |i, j| at(&csv_distances, i, j)),
    }
}

fn table(found: &Found<'_>, distances: &Array) -> Table {
    let rows = found.rows.iter().enumerate().map(|(i, name)| {
        let cells =
            (0..found.columns.len()).map(|j| Cell::number(Some(at(distances, i, j)), "the distance is undefined, or not known yet"));
        std::iter::once(Cell::Text(name.clone())).chain(cells).collect()
    });
    Table::new(std::iter::once("Representation").chain(found.columns.iter().map(String::as_str)), rows.collect())
}

/// The pairs: of a square above the diagonal, of a rectangle all.
fn pairs(found: &Found<'_>) -> Vec<(usize, usize)> {
    let is_square = found.rows == found.columns;
    (0..found.rows.len()).flat_map(|i| (0..found.columns.len()).filter(move |j| !is_square || i < *j).map(move |j| (i, j))).collect()
}

/// A row for every pair and fold.
fn fold_table(folds: &Folds, found: &Found<'_>) -> Table {
    let cells = found.rows.len() * found.columns.len();
    let value = |array: &Array, fold: usize, (i, j): (usize, usize)| {
        let at = fold * cells + i * found.columns.len() + j;
        Cell::number(array.values.get(at).copied(), "the distance is undefined")
    };
    let n = folds.train.rows();
    let rows = pairs(found).into_iter().flat_map(|pair| (0..n).map(move |fold| (pair, fold))).map(|(pair, fold)| {
        let names = [&found.rows[pair.0], &found.columns[pair.1]].map(|name| Cell::Text(name.clone()));
        names.into_iter().chain([Cell::Count(fold as u64 + 1), value(&folds.train, fold, pair), value(&folds.test, fold, pair)]).collect()
    });
    Table::new(["First", "Second", "Fold", "Train", "Test"], rows.collect())
}

fn shift_table(shifts: &Shifts, found: &Found<'_>) -> Table {
    let rows = pairs(found).into_iter().map(|(i, j)| {
        let of = |array: &Array| Cell::number(Some(at(array, i, j)), "not known yet");
        let names = [&found.rows[i], &found.columns[j]].map(|name| Cell::Text(name.clone()));
        names.into_iter().chain([of(&shifts.down), of(&shifts.right), of(found.distances)]).collect()
    });
    Table::new(["Moved", "Towards", "Rows down", "Columns to the right", "Distance"], rows.collect())
}

fn shift_chart(table: &Array, unit: &str) -> Chart {
    let (h, w) = (table.rows(), table.columns());
    #[expect(clippy::cast_possible_wrap, reason = "sizes of a map")]
    let names = |n: usize| (0..n).map(|i| (i as isize - (n / 2) as isize).to_string()).collect::<Vec<_>>();
    let (rows, columns) = (names(h), names(w));
    let heatmap =
        Heatmap { columns: columns.clone(), rows: rows.clone(), z: table.values.clone(), range: None, title: unit.to_lowercase() };
    let layout = Layout {
        x: Axis::category("Columns to the right"),
        y: Axis { reversed: true, ..Axis::category("Rows down") },
        ..Layout::default()
    };
    let least = extent(&table.values).map_or(f64::NAN, |[low, _]| low);
    let csv = table.clone();
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: format!("{unit} at {} shifts; the least is {}.", number::count(h * w), number::significant(least, 3)),
        caption: String::new(),
        csv: Csv::matrix("rows down", &columns, &rows, move |i, j| at(&csv, i, j)),
    }
}

fn summary(found: &Found<'_>, distances: &Array) -> String {
    let Found { rows, columns, unit, .. } = found;
    let pairs: Vec<(f64, usize, usize)> =
        pairs(found).into_iter().map(|(i, j)| (at(distances, i, j), i, j)).filter(|(d, _, _)| d.is_finite()).collect();
    let what = if rows == columns {
        format!("{} between {} representations", unit, number::count(rows.len()))
    } else {
        format!("{} of {} to {} representations", unit, number::count(rows.len()), number::count(columns.len()))
    };
    let least = pairs.iter().min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((least, most)) = least.zip(pairs.iter().max_by(|a, b| a.0.total_cmp(&b.0))) else {
        return format!("{what}; no pair has a value.");
    };
    let pair = |p: &(f64, usize, usize)| format!("{} and {} ({})", rows[p.1], columns[p.2], number::significant(p.0, 3));
    if pairs.len() == 1 {
        return format!("{what}: {}.", pair(least));
    }
    format!("{what}; the closest are {}, the farthest {}.", pair(least), pair(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distances() -> Array {
        Array::matrix(3, 3, vec![0.0, 0.4, 1.2, 0.4, 0.0, f64::NAN, 1.2, f64::NAN, 0.0])
    }

    fn found(distances: &Array) -> Found<'_> {
        let names = told_apart(&["V1".to_owned(), "V1".into(), "IT".into()]);
        Found { rows: names.clone(), columns: names, unit: "Angular distance (radians)", distances, test: None }
    }

    #[test]
    fn both_matrices_share_one_scale() {
        let distances = distances();
        let test = Array { values: distances.values.iter().map(|v| v + 0.1).collect(), ..distances.clone() };
        assert_eq!(color_range(&Found { test: Some(&test), ..found(&distances) }), [0.0, 1.2 + 0.1]);
    }

    #[test]
    fn equal_names_are_told_apart_and_undefined_pairs_left_blank() {
        let distances = distances();
        let found = found(&distances);
        let chart = chart(&found, &distances, [0.0, 1.3]);
        crate::views::dump("shape_distance", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!(map.rows, ["V1", "V1 (2)", "IT"]);
        assert!(map.z[5].is_nan(), "V1 (2) against IT");
        assert_eq!(map.title, "angular distance (radians)");
        assert_eq!(
            chart.summary,
            "Angular distance (radians) between 3 representations; the closest are V1 and V1 (2) (0.400), the farthest V1 and IT (1.20)."
        );
        assert_eq!(chart.caption, "2 of 9 cells have no value.");
        assert_eq!(chart.csv.text().lines().nth(1), Some("V1,0,0.4,1.2"));
        assert!(matches!(table(&found, &distances).rows[1][3], Cell::Undefined(_)), "undefined, with a reason");
    }

    #[test]
    fn rectangles_have_their_own_columns() {
        let distances = Array::matrix(1, 2, vec![0.5, 0.7]);
        let found =
            Found { rows: vec!["A".into()], columns: vec!["B".into(), "C".into()], unit: "Distance", distances: &distances, test: None };
        let chart = chart(&found, &distances, [0.0, 0.7]);
        assert_eq!(chart.summary, "Distance of 1 to 2 representations; the closest are A and B (0.500), the farthest A and C (0.700).");
        assert!(!chart.figure.layout.square);
        let folds = Folds {
            train: Array { shape: vec![2, 1, 2], values: vec![0.4, 0.6, 0.6, 0.8] },
            test: Array { shape: vec![2, 1, 2], values: vec![1.0, 2.0, 3.0, 4.0] },
        };
        let table = fold_table(&folds, &found);
        let cells: Vec<String> = table.rows[3].iter().map(Cell::display).collect();
        assert_eq!(cells, ["A", "C", "2", "0.8000", "4.000"]);
    }

    #[test]
    fn shifts_are_counted_from_the_middle() {
        let chart = shift_chart(&Array::matrix(2, 3, vec![0.5, 0.4, 0.3, 0.2, 0.6, 0.7]), "Distance");
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((map.rows.join(" "), map.columns.join(" ")), ("-1 0".into(), "-1 0 1".into()));
        assert!(chart.summary.contains("0.200"), "{}", chart.summary);
    }
}
