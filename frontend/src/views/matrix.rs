//! A square matrix of named things as a heat map.

use eigenscope::Array;

use super::at;
use super::conditions::block_names;
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_SIDE, block_means, blocks_note, sentence};
use crate::plot::{Axis, Chart, Csv, Figure, Heatmap, Layout, Trace, number};

/// What a matrix is about.
pub(super) struct About<'a> {
    /// What a row or column is, in the singular.
    pub(super) thing: &'static str,
    /// What a cell is, with its unit.
    pub(super) unit: &'a str,
    /// The sentence for people who do not see it.
    pub(super) summary: String,
    /// What else must be known; may be empty.
    pub(super) note: String,
}

/// Colors from 0 (or the least value below it) to the greatest value.
pub(super) fn heat_map(values: &Array, names: &[String], about: About<'_>) -> Chart {
    let n = names.len();
    let blocks = block_means(n, MAX_SIDE, |i, j| at(values, i, j));
    let axis_names = block_names(names, blocks.step);
    let n_undefined = values.values.iter().filter(|v| !v.is_finite()).count();
    let caption = sentence(&[
        about.note,
        blocks_note(n, &blocks),
        if n_undefined > 0 { format!("{} undefined cells are left blank", number::count(n_undefined)) } else { String::new() },
    ]);
    let [low, high] = extent(&values.values).unwrap_or([0.0, 1.0]);
    let range = Some([low.min(0.0), if high > 0.0 { high } else { 1.0 }]);
    let heatmap = Heatmap { columns: axis_names.clone(), rows: axis_names, z: blocks.values, range, title: about.unit.into() };
    let layout = Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: true, ..Layout::default() };
    let (csv_names, csv_values, thing) = (names.to_vec(), values.clone(), about.thing);
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: about.summary,
        caption,
        csv: Csv::matrix(thing, &csv_names, &csv_names, move |i, j| at(&csv_values, i, j)),
    }
}

/// Of the held-out samples of each class, the fraction that is taken for each.
pub(super) fn confusion(names: Vec<String>, share: impl Fn(usize, usize) -> f64 + Send + Sync + 'static, summary: String) -> Chart {
    let n = names.len();
    let blocks = block_means(n, MAX_SIDE, &share);
    let axis_names = block_names(&names, blocks.step);
    let caption =
        sentence(&["rows: the true class; columns: what it is taken for, as a fraction of the row".into(), blocks_note(n, &blocks)]);
    let heatmap =
        Heatmap { columns: axis_names.clone(), rows: axis_names, z: blocks.values, range: Some([0.0, 1.0]), title: "fraction".into() };
    let layout =
        Layout { x: Axis::category("Predicted"), y: Axis { reversed: true, ..Axis::category("True") }, square: true, ..Layout::default() };
    let csv = Csv::matrix("class", &names, &names, share);
    Chart { figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout }, summary, caption, csv }
}
