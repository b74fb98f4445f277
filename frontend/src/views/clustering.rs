//! Clusters: the distances in their order, the tree or the reachability, and a table.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::clustering::Output;
use eigenscope::dataset::LabelColumn;
use leptos::prelude::*;

use super::conditions::{block_names, names};
use super::{Part, at, embedding};
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_SIDE, block_means, blocks_note, sentence};
use crate::plot::{Axis, Cell, Chart, Csv, DataTable, Figure, FigureCard, Heatmap, Layout, Mark, Scatter, Table, Trace, number};

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>, labels: Vec<LabelColumn>) -> AnyView {
    let n = output.n as usize;
    let labels: Vec<LabelColumn> = labels.into_iter().filter(|l| l.values.len() == n).take(3).collect();
    let all = names(n, &labels.iter().collect::<Vec<_>>());
    let matrix = Signal::stored(Arc::new(matrix(&output, &all)));
    let tree = output.merges.as_ref().map(|merges| {
        let chart = Signal::stored(Arc::new(embedding::tree(merges, &output.order, &all)));
        view! { <FigureCard id="clusters-tree" title="Tree" chart spec=Arc::clone(&spec) /> }
    });
    let reach = output.reachability.as_ref().map(|reach| {
        let chart = Signal::stored(Arc::new(reachability(&output, reach, &all)));
        view! { <FigureCard id="reachability" title="Reachability" chart spec=Arc::clone(&spec) /> }
    });
    view! {
        <FigureCard id="clusters" title=format!("Clusters of {}", output.input) chart=matrix spec=Arc::clone(&spec) />
        {tree}
        {reach}
        <DataTable table=table(&output, &all) caption="Clusters".to_owned() test_id="clusters-table" />
    }
    .into_any()
}

/// The distances with items in their order and lines between clusters.
fn matrix(output: &Output, names: &[String]) -> Chart {
    let order: Vec<usize> = output.order.iter().map(|&i| i as usize).filter(|i| *i < names.len()).collect();
    let n = order.len();
    let sorted: Vec<String> = order.iter().map(|&i| names[i].clone()).collect();
    let blocks = block_means(n, MAX_SIDE, |i, j| at(&output.distances, order[i], order[j]));
    let axis_names = block_names(&sorted, blocks.step);
    let label = |i: usize| output.labels.get(order[i]).copied().flatten();
    #[expect(clippy::cast_precision_loss, reason = "positions on the screen")]
    let marks = (1..n).filter(|&i| label(i) != label(i - 1)).map(|i| Mark::Separator { at: i as f64 / blocks.step as f64 - 0.5 }).collect();
    let caption = sentence(&["items in the order of the clusters, lines between them".into(), blocks_note(n, &blocks)]);
    let range = extent(&output.distances.values).map(|[_, high]| [0.0, if high > 0.0 { high } else { 1.0 }]);
    let heatmap = Heatmap { columns: axis_names.clone(), rows: axis_names, z: blocks.values, range, title: "distance".into() };
    let layout =
        Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: true, marks, ..Layout::default() };
    let (csv, csv_names) = (output.distances.clone(), sorted);
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: summary(output),
        caption,
        csv: Csv::matrix("item", &csv_names, &csv_names, move |i, j| at(&csv, order[i], order[j])),
    }
}

fn summary(output: &Output) -> String {
    let noise = output.labels.iter().filter(|l| l.is_none()).count();
    let noise = if noise > 0 { format!(", {} of them noise", number::count(noise)) } else { String::new() };
    let silhouette = output.silhouette.map_or_else(String::new, |s| format!("; mean silhouette {}", number::significant(s, 3)));
    format!("{} items{noise} in {} clusters{silhouette}.", number::count(output.n), number::count(output.n_clusters))
}

fn reachability(output: &Output, reach: &[Option<f64>], names: &[String]) -> Chart {
    let y: Vec<f64> = reach.iter().map(|r| r.unwrap_or(f64::NAN)).collect();
    let texts: Vec<String> = output.order.iter().map(|&i| names.get(i as usize).cloned().unwrap_or_default()).collect();
    let x = (0u32..).take(y.len()).map(f64::from).collect();
    let (csv_names, csv_y) = (texts.clone(), y.clone());
    let line = Scatter::line("reachability", x, y, texts, "%{text}: %{y:.4g}<extra></extra>");
    let layout =
        Layout { x: Axis::linear("Items, in the order in which they are reached"), y: Axis::linear("Reachability"), ..Layout::default() };
    Chart {
        figure: Figure { traces: vec![Trace::Scatter(line)], layout },
        summary: format!("Reachability of {} items; valleys are clusters.", number::count(output.n)),
        caption: String::new(),
        csv: Csv::matrix("item", &["reachability".to_owned()], &csv_names, move |i, _| csv_y[i]),
    }
}

fn table(output: &Output, names: &[String]) -> Table {
    let of = |cluster: Option<u32>| (0..names.len()).filter(|i| output.labels.get(*i) == Some(&cluster)).collect::<Vec<_>>();
    let row = |name: String, items: &[usize], medoid: Option<u32>| {
        let all: Option<Vec<f64>> = output.silhouettes.as_ref().and_then(|s| items.iter().map(|i| s.get(*i).copied().flatten()).collect());
        #[expect(clippy::cast_precision_loss, reason = "counts of items")]
        let mean = all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64);
        let listed = items.iter().map(|i| names[*i].clone()).collect::<Vec<_>>().join(", ");
        let medoid = medoid.and_then(|m| names.get(m as usize).cloned()).unwrap_or_default();
        let silhouette = Cell::number(mean, "noise, or fewer than two clusters");
        vec![Cell::Text(name), Cell::Count(items.len() as u64), silhouette, Cell::Text(medoid), Cell::Text(listed)]
    };
    let medoid = |c: u32| output.medoids.as_ref().and_then(|m| m.get(c as usize).copied());
    let mut rows: Vec<Vec<Cell>> = (0..output.n_clusters).map(|c| row((c + 1).to_string(), &of(Some(c)), medoid(c))).collect();
    let noise = of(None);
    if !noise.is_empty() {
        rows.push(row("noise".into(), &noise, None));
    }
    Table::new(["Cluster", "Items", "Mean silhouette", "Medoid", "Which"], rows)
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    fn output() -> Output {
        Output {
            input: "D".into(),
            n: 4,
            labels: vec![Some(0), Some(1), Some(0), None],
            n_clusters: 2,
            silhouettes: Some(vec![Some(0.5), Some(0.0), Some(0.7), None]),
            silhouette: Some(0.4),
            distances: Array::matrix(4, 4, vec![0.0, 5.0, 1.0, 9.0, 5.0, 0.0, 5.5, 9.0, 1.0, 5.5, 0.0, 9.0, 9.0, 9.0, 9.0, 0.0]),
            order: vec![0, 2, 1, 3],
            merges: None,
            medoids: Some(vec![2, 1]),
            reachability: Some(vec![None, Some(1.0), Some(5.0), Some(9.0)]),
        }
    }

    #[test]
    fn items_of_a_cluster_lie_side_by_side_between_lines() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(Into::into).into();
        let chart = matrix(&output(), &names);
        crate::views::dump("clustering", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((map.rows.join(""), &map.z[..4]), ("acbd".to_owned(), &[0.0, 1.0, 5.0, 9.0][..]));
        assert_eq!(chart.figure.layout.marks, [Mark::Separator { at: 1.5 }, Mark::Separator { at: 2.5 }]);
        assert_eq!(chart.summary, "4 items, 1 of them noise in 2 clusters; mean silhouette 0.400.");
        let table = table(&output(), &names);
        let cells: Vec<String> = table.rows[0].iter().map(Cell::display).collect();
        assert_eq!(cells, ["1", "2", "0.6000", "c", "a, c"]);
        assert_eq!(table.rows.len(), 3, "and noise");
    }
}
