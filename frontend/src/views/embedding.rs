//! Conditions as points, and the tree that merges them.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::embedding::{Merge, Method, Output};
use eigenscope::dataset::LabelColumn;
use leptos::prelude::*;

use super::conditions::{names, sort_permutation};
use super::controls::label_select;
use super::{Part, at};
use crate::plot::figure::extent;
use crate::plot::reduce::sentence;
use crate::plot::{Axis, Chart, Color, Csv, Draw, Figure, FigureCard, Layout, Picture, PictureAt, Scatter, Trace, Values, number};

/// More groups than the palette has colors tell nothing.
const MAX_GROUPS: usize = 10;

/// With more leaves than this their names would overlap.
const MAX_NAMED_LEAVES: usize = 40;

/// The view of [`Output`].
pub(super) fn view(
    output: Part<Output>,
    spec: Arc<AnalysisSpec>,
    labels: Vec<LabelColumn>,
    thumbnails: Signal<Arc<[Arc<str>]>>,
) -> AnyView {
    let n = output.n as usize;
    let labels: Arc<[LabelColumn]> = labels.into_iter().filter(|l| l.values.len() == n).collect();
    let (column, set_column) = signal(None::<usize>);
    let select = label_select("Color by ", "nothing", "embedding-color", &labels, set_column);
    let all = names(n, &labels.iter().take(3).collect::<Vec<_>>());
    let tree = Signal::stored(Arc::new(tree(&output.merges, &output.leaves, &all)));
    let points = {
        let output = output.clone();
        let chart = move |_: Option<&Arc<Chart>>| {
            let mut chart = points(&output, &all, column.get().and_then(|i| labels.get(i)));
            thumbnails.with(|urls| chart.figure.layout.pictures = pictures(&output, urls));
            Arc::new(chart)
        };
        Memo::new_with_compare(chart, |_, _| true)
    };
    view! {
        <FigureCard id="embedding" title=format!("Conditions of {}", output.input) chart=points spec=Arc::clone(&spec)>
            {select}
        </FigureCard>
        <FigureCard id="tree" title=format!("Tree of {}", output.input) chart=tree spec />
    }
    .into_any()
}

fn points(output: &Output, names: &[String], column: Option<&LabelColumn>) -> Chart {
    let n = output.n as usize;
    let place = |i: usize| (at(&output.points, i, 0), if output.points.columns() > 1 { at(&output.points, i, 1) } else { 0.0 });
    let scatter = |name: String, color: Color, rows: &[usize], in_legend: bool| Scatter {
        name,
        x: Values::Numbers(rows.iter().map(|&i| place(i).0).collect()),
        y: rows.iter().map(|&i| place(i).1).collect(),
        draw: Draw::Points,
        color,
        opacity: 0.9,
        in_legend,
        texts: rows.iter().map(|&i| names[i].clone()).collect(),
        hover: "%{text}<extra></extra>",
    };
    let groups = column.map(|column| groups(&column.values)).filter(|groups| groups.len() <= MAX_GROUPS);
    let note = match (&groups, column) {
        (None, Some(column)) => format!("{} has more than {MAX_GROUPS} values, points are not colored", column.name),
        _ => String::new(),
    };
    let traces = match groups {
        Some(groups) => {
            let colored = groups.iter().enumerate().map(|(i, (name, rows))| scatter(name.clone(), Color::Series(i), rows, true));
            colored.map(Trace::Scatter).collect()
        }
        None => vec![Trace::Scatter(scatter("conditions".into(), Color::Series(0), &(0..n).collect::<Vec<_>>(), false))],
    };
    let legend = traces.len() > 1;
    let explained = |i: usize| output.explained.as_ref().and_then(|e| e.get(i)).map(|e| format!(" ({:.1} % of the variance)", 100.0 * e));
    let title = |i: usize| format!("Dimension {}{}", i + 1, explained(i).unwrap_or_default());
    let layout = Layout { x: Axis::linear(title(0)), y: Axis::linear(title(1)), legend, square: true, ..Layout::default() };
    let (csv_names, csv) = (names.to_vec(), output.points.clone());
    let columns: Vec<String> = (1..=output.points.columns()).map(|i| format!("dimension {i}")).collect();
    Chart {
        figure: Figure { traces, layout },
        summary: summary(output),
        caption: sentence(&[note]),
        csv: Csv::matrix("condition", &columns, &csv_names, move |i, j| at(&csv, i, j)),
    }
}

/// A thumbnail on each point, of a size at which a square full of them would overlap a little; none unless there is one for each.
fn pictures(output: &Output, urls: &[Arc<str>]) -> Vec<Picture> {
    if urls.len() != output.n as usize || output.points.columns() < 2 {
        return Vec::new();
    }
    let along = |c: usize| (0..urls.len()).map(|i| at(&output.points, i, c)).collect::<Vec<_>>();
    let (x, y) = (along(0), along(1));
    let span = |values: &[f64]| extent(values).map_or(0.0, |[low, high]| high - low);
    let size = span(&x).max(span(&y)) / (1.5 * f64::from(output.n).sqrt()).max(8.0);
    urls.iter().enumerate().map(|(i, url)| Picture { url: Arc::clone(url), at: PictureAt::Point { x: x[i], y: y[i] }, size }).collect()
}

/// The values of a column, sorted, with the rows of each.
fn groups(values: &[String]) -> Vec<(String, Vec<usize>)> {
    let mut out: Vec<(String, Vec<usize>)> = Vec::new();
    for row in sort_permutation(values) {
        match out.last_mut() {
            Some((name, rows)) if *name == values[row] => rows.push(row),
            _ => out.push((values[row].clone(), vec![row])),
        }
    }
    out
}

fn summary(output: &Output) -> String {
    let how = match output.method {
        Method::Classical => "classical scaling",
        Method::Smacof => "metric scaling",
        Method::Tsne => "t-SNE",
        Method::Isomap => "Isomap",
        Method::Umap => "UMAP",
    };
    let value = |name: &str, value: Option<f64>| value.map(|v| format!("{name} {}", number::significant(v, 3)));
    let found = [
        value("stress", output.stress),
        value("distances correlate with dissimilarities at", output.correlation),
        value("divergence", output.divergence),
    ];
    let found: Vec<String> = found.into_iter().flatten().collect();
    let found = if found.is_empty() { "all conditions are in one place".into() } else { found.join(", ") };
    format!("{} conditions in {} dimensions by {how}: {found}.", number::count(output.n), output.points.columns())
}

/// Brackets: two legs and a bar for each merge.
pub(super) fn tree(merges: &[Merge], leaves: &[u32], names: &[String]) -> Chart {
    let n = leaves.len();
    // Where each cluster stands, and how high.
    let mut place = vec![(0.0, 0.0); n + merges.len()];
    for (at, &leaf) in (0u32..).map(f64::from).zip(leaves) {
        if let Some(slot) = place.get_mut(leaf as usize) {
            slot.0 = at;
        }
    }
    let (mut x, mut y, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for (i, Merge { a, b, height, size }) in merges.iter().enumerate() {
        let known = |c: u32| place.get(c as usize).copied().unwrap_or_default();
        let (left, right) = (known(*a), known(*b));
        x.extend([left.0, left.0, right.0, right.0, f64::NAN]);
        y.extend([left.1, *height, *height, right.1, f64::NAN]);
        let text = format!("{} conditions merge at {}", number::count(*size), number::significant(*height, 3));
        texts.extend(std::iter::repeat_n(text, 5));
        place[n + i] = ((left.0 + right.0) / 2.0, *height);
    }
    let line = Scatter::line("tree", x, y, texts, "%{text}<extra></extra>");
    let leaves: Vec<String> = leaves.iter().map(|&i| names.get(i as usize).cloned().unwrap_or_default()).collect();
    let named = n <= MAX_NAMED_LEAVES;
    let axis = if named { Axis::slots(leaves) } else { Axis::linear("Conditions, in the order of the tree") };
    let layout = Layout { x: axis, y: Axis::linear("Dissimilarity"), ..Layout::default() };
    let top = merges.last().map_or(0.0, |m| m.height);
    let merges = merges.to_vec();
    Chart {
        figure: Figure { traces: vec![Trace::Scatter(line)], layout },
        summary: format!("The tree of {} conditions; the last two clusters merge at {}.", number::count(n), number::significant(top, 3)),
        caption: String::new(),
        csv: Csv::new(move || {
            let rows = merges.iter().map(|m| format!("{},{},{},{}\n", m.a, m.b, m.height, m.size));
            std::iter::once("a,b,height,size\n".to_owned()).chain(rows).collect()
        }),
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    fn output() -> Output {
        let merge = |a, b, height, size| Merge { a, b, height, size };
        Output {
            input: "IT".into(),
            method: Method::Classical,
            n: 4,
            points: Array::matrix(4, 2, vec![0.0, 0.0, 1.0, 0.0, 5.0, 1.0, 5.0, 2.0]),
            stress: Some(0.1),
            correlation: Some(0.9),
            explained: Some(vec![0.7, 0.2]),
            divergence: None,
            merges: vec![merge(0, 1, 1.0, 2), merge(2, 3, 1.5, 2), merge(4, 5, 5.0, 4)],
            leaves: vec![0, 1, 2, 3],
        }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn points_are_colored_by_a_column() {
        let names = texts(&["a", "b", "c", "d"]);
        let column = LabelColumn { name: "kind".into(), values: texts(&["face", "house", "face", "house"]) };
        let chart = points(&output(), &names, Some(&column));
        crate::views::dump("embedding", &chart);
        assert_eq!(chart.figure.traces.len(), 2);
        let Trace::Scatter(faces) = &chart.figure.traces[0] else { panic!("points") };
        assert_eq!((faces.name.as_str(), &faces.texts[1], faces.y[1]), ("face", &"c".to_owned(), 1.0));
        assert_eq!(chart.figure.layout.x.title, "Dimension 1 (70.0 % of the variance)");
        assert_eq!(chart.csv.text().lines().nth(3), Some("c,5,1"));
        let chart = points(&output(), &names, None);
        assert_eq!(chart.figure.traces.len(), 1);
        assert!(chart.summary.contains("stress 0.100"), "{}", chart.summary);
    }

    #[test]
    fn brackets_join_clusters_at_their_middle() {
        let chart = tree(&output().merges, &[0, 1, 2, 3], &texts(&["a", "b", "c", "d"]));
        crate::views::dump("tree", &chart);
        let Trace::Scatter(line) = &chart.figure.traces[0] else { panic!("a line") };
        let Values::Numbers(x) = &line.x else { panic!("positions") };
        assert_eq!((&x[10..14], &line.y[10..14]), (&[0.5, 0.5, 2.5, 2.5][..], &[1.0, 5.0, 5.0, 1.5][..]));
        assert_eq!(chart.csv.text().lines().nth(1), Some("0,1,1,2"));
    }
}
