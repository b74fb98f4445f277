//! The dissimilarity matrix as a heat map that can be sorted by labels.

mod rows;

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::rdm::{Measure, Output};
use eigenscope::dataset::LabelColumn;
use leptos::prelude::*;

use super::Part;
use super::conditions::{block_names, groups, mark_groups, names, sort_permutation};
use super::controls::{label_select, line};
use crate::plot::reduce::{MAX_SIDE, block_means_of, blocks_note, sentence};
use crate::plot::{Axis, Chart, Csv, Figure, FigureCard, Heatmap, Layout, Picture, PictureAt, Trace, number};

/// Ends of the color scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Range {
    /// The least and the greatest value off the diagonal, at any time.
    #[default]
    Auto,
    /// Zero and the greatest value.
    FromZero,
    /// All values that 1 - r can have.
    ZeroToTwo,
}

impl Range {
    fn of(text: &str) -> Self {
        match text {
            "zero" => Self::FromZero,
            "two" => Self::ZeroToTwo,
            _ => Self::Auto,
        }
    }
}

/// The view of [`Output`].
pub(super) fn view(
    output: Part<Output>,
    spec: Arc<AnalysisSpec>,
    labels: Vec<LabelColumn>,
    thumbnails: Signal<Arc<[Arc<str>]>>,
) -> AnyView {
    let n = output.n as usize;
    // Conditions have names of their own; labels of rows would not fit them.
    let labels = match &output.conditions {
        Some(names) => vec![LabelColumn { name: "condition".into(), values: names.clone() }],
        None => labels,
    };
    let labels: Arc<[LabelColumn]> = labels.into_iter().filter(|l| l.values.len() == n).collect();
    let (time, set_time) = signal(0usize);
    let times = output.times.clone();
    let (column, set_column) = signal(None::<usize>);
    let (range, set_range) = signal(Range::default());
    let is_bounded = matches!(output.measure, Measure::Correlation | Measure::Cosine);
    let select = label_select("Sort by ", "original order", "rdm-sort", &labels, set_column);
    let title = format!("RDM of {}", output.input);
    let rows = {
        let stimuli = rows::Stimuli::of(&labels, n);
        let all = names(n, &labels.iter().take(3).collect::<Vec<_>>());
        let (references, set_references) = signal(stimuli.references());
        let (output, unit) = (output.clone(), measure_name(output.measure));
        let chart = Memo::new_with_compare(
            move |_| Arc::new(rows::chart(&output, &stimuli, &all, &references.get(), time.get(), unit)),
            |_, _| true,
        );
        view! {
            <FigureCard id="rdm-rows" title="Rows of the RDM" chart spec=Arc::clone(&spec)>
                {line("References ", "rdm-references", references, set_references)}
            </FigureCard>
        }
    };
    let chart = {
        let view = View { facts: facts(&output), output: output.clone(), labels };
        let chart = move |_: Option<&Arc<Chart>>| {
            let mut chart = view.chart(column.get(), range.get(), time.get());
            let order = view.order(column.get());
            let layout = &mut chart.figure.layout;
            thumbnails.with(|urls| layout.pictures = along_axes(&order, urls));
            if !layout.pictures.is_empty() && layout.x.ticks.is_none() {
                // The images say what the names would.
                layout.x.ticks = Some(Vec::new());
            }
            Arc::new(chart)
        };
        Memo::new_with_compare(chart, |_, _| true)
    };
    view! {
        <FigureCard id="rdm" title chart spec>
            {select}
            {times
                .map(|times| {
                    let last = times.len().saturating_sub(1);
                    let what = move || times.get(time.get()).map_or_else(String::new, |[start, end]| format!("{start} – {}", end - 1));
                    view! {
                        <label>
                            "Time "
                            <input
                                type="range"
                                min="0"
                                max=last.to_string()
                                value="0"
                                data-testid="rdm-time"
                                on:input=move |e| set_time.set(event_target_value(&e).parse().unwrap_or(0))
                            />
                            <output>{what}</output>
                        </label>
                    }
                })}
            <label>
                "Color range "
                <select data-testid="rdm-range" on:change=move |e| set_range.set(Range::of(&event_target_value(&e)))>
                    <option value="auto">"smallest to largest"</option>
                    <option value="zero">"0 to largest"</option>
                    {is_bounded.then(|| view! { <option value="two">"0 to 2"</option> })}
                </select>
            </label>
        </FigureCard>
        {rows}
    }
    .into_any()
}

/// What the heat map is made from.
#[derive(Clone)]
struct View {
    output: Part<Output>,
    labels: Arc<[LabelColumn]>,
    facts: Facts,
}

/// What a pass over all cells tells: made once, because a large matrix has millions of them.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    /// The least and the greatest defined cell above the diagonal, at any time; `None` when there is none.
    extremes: Option<[Extreme; 2]>,
    n_undefined: usize,
}

impl View {
    /// The conditions in the order that a column gives.
    fn order(&self, column: Option<usize>) -> Arc<[usize]> {
        let column = column.and_then(|i| self.labels.get(i));
        column.map_or_else(|| (0..self.output.n as usize).collect(), |c| sort_permutation(&c.values).into())
    }

    fn chart(&self, index: Option<usize>, range: Range, time: usize) -> Chart {
        let n = self.output.n as usize;
        let column = index.and_then(|i| self.labels.get(i));
        let order = self.order(index);
        let all = names(n, &self.labels.iter().take(3).collect::<Vec<_>>());
        let sorted: Vec<String> = order.iter().map(|&i| all[i].clone()).collect();
        let mut chart = heat_map(&self.output, &self.facts, &order, &sorted, range, time);
        if let Some(column) = column {
            let step = n.div_ceil(MAX_SIDE).max(1);
            let (axis, marks) = mark_groups(&groups(&column.values, &order), step);
            let layout = &mut chart.figure.layout;
            (layout.x.ticks, layout.y.ticks, layout.marks) = (axis.ticks.clone(), axis.ticks, marks);
        }
        chart.summary = summary(&self.output, &self.facts, &all);
        let output = self.output.clone();
        chart.csv = Csv::matrix("condition", &sorted, &sorted, move |i, j| cell(&output, time, order[i], order[j]));
        chart
    }
}

/// Thumbnails above and left of the matrix, staggered in rows so that they can be larger than a cell; none unless there is one for each
/// condition and each condition is drawn.
pub(super) fn along_axes(order: &[usize], urls: &[Arc<str>]) -> Vec<Picture> {
    const LARGE: u32 = 30;
    const MOST_ROWS: u32 = 6;
    let n = u32::try_from(order.len()).unwrap_or(u32::MAX);
    if urls.len() != order.len() || n.div_ceil(LARGE) > 2 * MOST_ROWS || order.len() > MAX_SIDE {
        return Vec::new();
    }
    let rows = n.div_ceil(LARGE).clamp(1, MOST_ROWS);
    let size = 0.95 * f64::from(rows);
    let pair = |(place, &condition): (u32, &usize)| {
        let (along, row, url) = (f64::from(place), place % rows, &urls[condition]);
        let at = |at: PictureAt| Picture { url: Arc::clone(url), at, size };
        [at(PictureAt::Above { x: along, row }), at(PictureAt::Left { y: along, row })]
    };
    (0..n).zip(order).flat_map(pair).collect()
}

/// A cell of the RDM at one time.
fn cell(output: &Output, time: usize, i: usize, j: usize) -> f64 {
    let n = output.n as usize;
    output.rdm.values.get((time * n + i) * n + j).copied().unwrap_or(f64::NAN)
}

fn heat_map(output: &Output, facts: &Facts, order: &[usize], sorted: &[String], range: Range, time: usize) -> Chart {
    let n = order.len();
    let values = output.rdm.values.get(time * n * n..(time + 1) * n * n).unwrap_or_default();
    let blocks = block_means_of(values, order, MAX_SIDE);
    let axis_names = block_names(sorted, blocks.step);
    let n_undefined = facts.n_undefined;
    let caption = sentence(&[
        blocks_note(n, &blocks),
        if n_undefined > 0 { format!("{} undefined cells are left blank", number::count(n_undefined)) } else { String::new() },
    ]);
    let [low, high] = facts.extremes.map_or([0.0, 1.0], |[low, high]| [low.value, high.value]);
    let range = match range {
        // Of a single value no scale can be made.
        Range::Auto if low < high => [low, high],
        Range::Auto | Range::FromZero => [0.0, if high > 0.0 { high } else { 1.0 }],
        Range::ZeroToTwo => [0.0, 2.0],
    };
    let heatmap = Heatmap {
        columns: axis_names.clone(),
        rows: axis_names,
        z: blocks.values,
        range: Some(range),
        title: measure_name(output.measure).into(),
    };
    let layout = Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: true, ..Layout::default() };
    let figure = Figure { traces: vec![Trace::Heatmap(heatmap)], layout };
    Chart { figure, summary: String::new(), caption, csv: Csv::new(String::new) }
}

/// A cell off the diagonal.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Extreme {
    value: f64,
    row: usize,
    column: usize,
}

fn facts(output: &Output) -> Facts {
    let n = output.n as usize;
    let mut found = Facts::default();
    // Rows as slices: this module is built for size, and a call for each of millions of cells would be felt.
    for (at, line) in output.rdm.values.chunks_exact(n.max(1)).enumerate() {
        let row = at % n;
        let (mut low, mut high, mut n_undefined) = (f64::INFINITY, f64::NEG_INFINITY, 0);
        // RDMs are symmetric: what is above the diagonal is all there is.
        for &value in &line[row + 1..] {
            if !value.is_finite() {
                n_undefined += 1;
                continue;
            }
            low = low.min(value);
            high = high.max(value);
        }
        found.n_undefined += 2 * n_undefined;
        let column = |wanted: f64| row + 1 + line[row + 1..].iter().position(|v| *v == wanted).unwrap_or(0);
        let place = |value: f64| Extreme { value, row, column: column(value) };
        if low <= high {
            let known = found.extremes.unwrap_or_else(|| [place(low), place(high)]);
            found.extremes = Some([
                if low < known[0].value { place(low) } else { known[0] },
                if high > known[1].value { place(high) } else { known[1] },
            ]);
        }
    }
    found
}

fn summary(output: &Output, facts: &Facts, names: &[String]) -> String {
    let n = number::count(output.n);
    let times = output.times.as_ref().map_or_else(String::new, |times| format!(" at {} times", times.len()));
    let what = format!("{n} x {n} matrix of {} between the conditions of {}{times}", measure_name(output.measure), output.input);
    match facts.extremes {
        None => format!("{what}; no pair has a value."),
        Some([low, high]) => {
            let pair = |cell: Extreme| format!("{} ({} and {})", number::significant(cell.value, 3), names[cell.row], names[cell.column]);
            format!("{what}; the most similar pair has {}, the least similar {}.", pair(low), pair(high))
        }
    }
}

fn measure_name(measure: Measure) -> &'static str {
    match measure {
        Measure::Correlation => "correlation distance (1 − r)",
        Measure::Euclidean => "Euclidean distance",
        Measure::Sqeuclidean => "squared Euclidean distance",
        Measure::Cosine => "cosine distance",
        Measure::Mahalanobis => "squared Mahalanobis distance",
        Measure::Crossnobis => "crossnobis distance",
        Measure::Poisson => "Poisson KL divergence",
        Measure::PoissonCv => "cross-validated Poisson KL divergence",
        Measure::Gaussian => "Gaussian dissimilarity",
        Measure::Minkowski => "Minkowski distance",
        Measure::Cityblock => "city-block distance",
        Measure::Chebyshev => "Chebyshev distance",
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::Output as Any;

    use super::*;
    use crate::views::{part, tests::result};

    fn view(n: u32, undefined: Option<u32>) -> View {
        let cell = |i: u32, j: u32| match (i == j, undefined) {
            (true, _) => 0.0,
            (false, Some(k)) if i == k || j == k => f64::NAN,
            _ if i % 3 == j % 3 => 0.3 + f64::from(i.abs_diff(j)) * 0.01,
            _ => 1.0 + f64::from(i + j) * 0.01,
        };
        let size = n as usize;
        let rdm = Array::matrix(size, size, (0..n).flat_map(|i| (0..n).map(move |j| cell(i, j))).collect());
        let output =
            Output { input: "IT".into(), measure: Measure::Correlation, n, rdm, conditions: None, times: None, condition_covariance: None };
        let output = Any::Rdm(output);
        let values = (0..n).map(|i| ["face", "house", "animal"][i as usize % 3].to_string()).collect();
        let labels = Arc::new([LabelColumn { name: "category".into(), values }]);
        let output = part(&result(output), |o| if let Any::Rdm(o) = o { Some(o) } else { None }).expect("an RDM");
        View { facts: facts(&output), output, labels }
    }

    fn heatmap(chart: &Chart) -> &Heatmap {
        let Trace::Heatmap(heatmap) = &chart.figure.traces[0] else { panic!("a heat map") };
        heatmap
    }

    #[test]
    fn sorting_moves_rows_and_columns_together() {
        let view = view(24, None);
        let chart = view.chart(Some(0), Range::Auto, 0);
        crate::views::dump("rdm", &chart);
        let map = heatmap(&chart);
        assert_eq!(map.rows[..2], ["3 · animal", "6 · animal"]);
        assert_eq!(map.rows, map.columns);
        assert_eq!(map.z[1], view.output.rdm.row(2)[5]);
        assert_eq!(chart.figure.layout.marks.len(), 2);
        assert!(chart.csv.text().starts_with("condition,3 · animal,6 · animal,"), "as shown");
    }

    #[test]
    fn undefined_cells_stay_undefined_and_are_counted() {
        let chart = view(4, Some(1)).chart(None, Range::ZeroToTwo, 0);
        let map = heatmap(&chart);
        assert!(map.z[1].is_nan(), "row 1 against row 2");
        assert_eq!(map.range, Some([0.0, 2.0]));
        assert_eq!(chart.caption, "6 undefined cells are left blank.");
    }

    #[test]
    fn the_summary_names_the_extreme_pairs() {
        let chart = view(4, None).chart(None, Range::Auto, 0);
        assert_eq!(heatmap(&chart).range, Some([0.3 + 0.03, 1.05]));
        assert!(chart.summary.contains("the most similar pair has 0.330 (1 · face and 4 · face)"), "{}", chart.summary);
    }

    #[test]
    fn thumbnails_are_staggered_in_the_order_of_the_rows() {
        let urls: Vec<Arc<str>> = (0..92).map(|i| format!("data:{i}").into()).collect();
        let order: Vec<usize> = (0..92).rev().collect();
        let pictures = along_axes(&order, &urls);
        assert_eq!(pictures.len(), 184);
        assert_eq!((&*pictures[2].url, pictures[2].at), ("data:90", PictureAt::Above { x: 1.0, row: 1 }));
        assert_eq!((pictures[9].at, pictures[9].size), (PictureAt::Left { y: 4.0, row: 0 }, 3.8));
        assert!(along_axes(&order, &urls[1..]).is_empty(), "one image is missing");
    }

    #[test]
    fn large_matrices_are_drawn_as_block_means() {
        let chart = view(800, None).chart(Some(0), Range::Auto, 0);
        assert_eq!(heatmap(&chart).z.len(), 400 * 400);
        assert_eq!(heatmap(&chart).rows[0], "1 – 2");
        assert_eq!(chart.caption, "Drawn at 400 x 400 of 800 x 800 (block means).");
    }

    #[test]
    fn a_single_condition_has_no_pair() {
        let chart = view(1, None).chart(None, Range::Auto, 0);
        assert_eq!(heatmap(&chart).range, Some([0.0, 1.0]));
        assert!(chart.summary.ends_with("no pair has a value."), "{}", chart.summary);
    }
}
