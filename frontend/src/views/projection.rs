//! Distances between classes and projections along them as heat maps, and their means.

use std::sync::Arc;

use eigenscope::analysis::projection::{Means, Output};
use eigenscope::{AnalysisSpec, Array};
use leptos::prelude::*;

use super::Part;
use super::conditions::told_apart;
use super::matrix::{About, heat_map};
use crate::plot::{Cell, Chart, DataTable, FigureCard, Table, number};

const NO_CELL: &str = "no pair of classes has a value";

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let names = told_apart(&output.classes);
    let card = |id, title: &'static str, values: &Array, unit: &str, mean: Option<f64>| {
        let chart = Signal::stored(Arc::new(chart(values, &names, unit, mean)));
        view! { <FigureCard id title chart spec=Arc::clone(&spec) /> }
    };
    let means = output.off_diagonal;
    let distances =
        card("centroid-distances", "Distances between centroids", &output.centroid_distances, "distance", means.centroid_distances);
    let scaled = card(
        "scaled-projections",
        "Projections divided by the radius",
        &output.scaled_projections,
        "projection / radius",
        means.scaled_projections,
    );
    let raw = card("raw-projections", "Projections", &output.projections_raw, "projection", means.projections_raw);
    view! {
        <div class="figure-pair">{distances} {scaled} {raw}</div>
        <DataTable table=mean_table(&output) caption="Means over pairs of classes" test_id="projection-means" />
        <DataTable table=class_table(&output, &names) caption="Classes" test_id="projection-classes" />
    }
    .into_any()
}

fn chart(values: &Array, names: &[String], unit: &str, mean: Option<f64>) -> Chart {
    let mean = mean.map_or_else(|| "undefined".into(), |v| number::significant(v, 3));
    let about = About {
        thing: "class",
        unit,
        summary: format!("The {unit} of {} classes: mean over pairs {mean}.", number::count(names.len())),
        note: "rows: the class whose samples are measured; columns: the class towards which".into(),
    };
    heat_map(values, names, about)
}

fn mean_table(output: &Output) -> Table {
    let line = |name: &str, means: Means| {
        let cell = |value| Cell::number(value, NO_CELL);
        vec![Cell::Text(name.into()), cell(means.centroid_distances), cell(means.scaled_projections), cell(means.projections_raw)]
    };
    let rows = vec![line("Pairs of different classes", output.off_diagonal), line("All cells, zeros included", output.with_diagonal)];
    Table::new(["Mean over", "Distance", "Projection / radius", "Projection"], rows)
}

fn class_table(output: &Output, names: &[String]) -> Table {
    let rows = names.iter().zip(&output.n_samples).zip(&output.radii.values);
    let rows = rows.map(|((name, &n), &radius)| vec![Cell::Text(name.clone()), Cell::Count(n.into()), Cell::Number(radius)]);
    Table::new(["Class", "Samples", "Radius"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Trace;

    #[test]
    fn classes_are_told_apart_and_undefined_pairs_left_blank() {
        let values = Array::matrix(3, 3, vec![0.0, 1.0, 2.0, 3.0, 0.0, f64::NAN, 1.0, 1.0, 0.0]);
        let names = told_apart(&["cat", "dog", "cat"].map(String::from));
        let chart = chart(&values, &names, "projection", Some(1.6));
        crate::views::dump("projection", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((&map.rows[2], map.range), (&"cat (2)".to_owned(), Some([0.0, 3.0])));
        assert_eq!(chart.summary, "The projection of 3 classes: mean over pairs 1.60.");
        assert!(chart.caption.ends_with("1 undefined cells are left blank."), "{}", chart.caption);
        assert_eq!(chart.csv.text().lines().nth(2), Some("dog,3,0,NaN"));
    }

    #[test]
    fn missing_means_have_a_reason() {
        let none = Means { centroid_distances: Some(0.0), scaled_projections: None, projections_raw: None };
        let output = Output {
            features: "X".into(),
            classes: vec!["a".into(), "b".into()],
            n_features: 1,
            n_samples: vec![2, 2],
            radii: Array::vector(vec![0.0, 1.0]),
            centroid_distances: Array::matrix(2, 2, vec![0.0; 4]),
            scaled_projections: Array::matrix(2, 2, vec![f64::NAN; 4]),
            projections_raw: Array::matrix(2, 2, vec![f64::NAN; 4]),
            off_diagonal: none,
            with_diagonal: none,
        };
        assert_eq!(mean_table(&output).rows[0][2], Cell::Undefined(NO_CELL));
        assert_eq!(class_table(&output, &output.classes).rows[1], [Cell::Text("b".into()), Cell::Count(2), Cell::Number(1.0)]);
    }
}
