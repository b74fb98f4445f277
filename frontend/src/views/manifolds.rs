//! Geometry of class manifolds: one heat map of all pairs at a time, sizes of the classes, and the summary.

use std::sync::Arc;

use eigenscope::analysis::manifolds::{Output, summary_csv};
use eigenscope::{AnalysisSpec, Array};
use leptos::prelude::*;

use super::conditions::{block_names, told_apart};
use super::{Part, at};
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_SIDE, block_means, blocks_note, sentence};
use crate::plot::{Axis, Bar, Cell, Chart, Color, Csv, DataTable, Figure, FigureCard, Heatmap, Layout, Table, Trace, Values, number};

/// Bars of more classes than this have no room for names.
const MAX_BARS: usize = 400;

/// What a cell of the heat map can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pairs {
    #[default]
    Snr,
    Signal,
    SelfOverlap,
    OtherOverlap,
    Bias,
}

impl Pairs {
    const ALL: [Self; 5] = [Self::Snr, Self::Signal, Self::SelfOverlap, Self::OtherOverlap, Self::Bias];

    fn title(self) -> &'static str {
        match self {
            Self::Snr => "signal-to-noise ratio",
            Self::Signal => "signal",
            Self::SelfOverlap => "signal-noise overlap, own directions",
            Self::OtherOverlap => "signal-noise overlap, directions of the other",
            Self::Bias => "bias",
        }
    }

    fn of(self, output: &Output) -> &Array {
        match self {
            Self::Snr => &output.snr,
            Self::Signal => &output.signal,
            Self::SelfOverlap => &output.self_overlap,
            Self::OtherOverlap => &output.other_overlap,
            Self::Bias => &output.bias,
        }
    }
}

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let names: Arc<[String]> = told_apart(&output.classes).into();
    let (pairs, set_pairs) = signal(Pairs::default());
    let chart = {
        let (output, names) = (output.clone(), Arc::clone(&names));
        Memo::new_with_compare(move |_| Arc::new(heat_map(&output, &names, pairs.get())), |_, _| true)
    };
    let options = Pairs::ALL.iter().enumerate().map(|(i, p)| view! { <option value=i.to_string()>{p.title()}</option> }).collect_view();
    let choose = move |text: String| {
        if let Some(chosen) = text.parse::<usize>().ok().and_then(|i| Pairs::ALL.get(i)) {
            set_pairs.set(*chosen);
        }
    };
    let bars = |id, title: &'static str, values: &Array| {
        let chart = Signal::stored(Arc::new(sizes(title, values, &names)));
        view! { <FigureCard id title chart spec=Arc::clone(&spec) /> }
    };
    let radius = bars("radius", "Radius of each class", &output.radius);
    let dimensionality = bars("class-dimensionality", "Dimension of each class", &output.dimensionality);
    let table = summary_table(&output);
    let csv = {
        let output = output.clone();
        Csv::new(move || summary_csv(&output))
    };
    view! {
        <FigureCard id="pairs" title="Pairs of classes" chart spec=Arc::clone(&spec)>
            <label>
                "Show "
                <select data-testid="manifolds-pairs" on:change=move |e| choose(event_target_value(&e))>{options}</select>
            </label>
        </FigureCard>
        <div class="figure-pair">{radius} {dimensionality}</div>
        <DataTable table caption="Means over classes and pairs" test_id="manifolds-table" csv />
    }
    .into_any()
}

fn heat_map(output: &Part<Output>, names: &Arc<[String]>, pairs: Pairs) -> Chart {
    let n = names.len();
    let matrix = pairs.of(output);
    let blocks = block_means(n, MAX_SIDE, |i, j| at(matrix, i, j));
    let axis_names = block_names(names, blocks.step);
    let n_undefined = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|&(i, j)| i != j && at(matrix, i, j).is_nan()).count();
    let caption = sentence(&[
        "row a, column b: distances are in units of the radius of a".into(),
        blocks_note(n, &blocks),
        if n_undefined > 0 { format!("{} pairs are undefined", number::count(n_undefined)) } else { String::new() },
    ]);
    let range = extent(&blocks.values).filter(|[low, high]| low < high);
    let heatmap = Heatmap { columns: axis_names.clone(), rows: axis_names, z: blocks.values, range, title: pairs.title().into() };
    let layout = Layout { x: Axis::category(""), y: Axis { reversed: true, ..Axis::category("") }, square: true, ..Layout::default() };
    let (output, names) = (output.clone(), Arc::clone(names));
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: summary(&output, &names, pairs),
        caption,
        csv: Csv::matrix("class", &names, &names, move |i, j| at(pairs.of(&output), i, j)),
    }
}

fn summary(output: &Output, names: &[String], pairs: Pairs) -> String {
    let n = names.len();
    let matrix = pairs.of(output);
    let all = (0..n).flat_map(|i| (0..n).map(move |j| (at(matrix, i, j), i, j))).filter(|(v, ..)| v.is_finite());
    let what = format!("{} of {} classes of {}", capital(pairs.title()), number::count(n), output.features);
    let least = all.clone().min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((least, most)) = least.zip(all.max_by(|a, b| a.0.total_cmp(&b.0))) else {
        return format!("{what}; no pair has a value.");
    };
    let pair = |(v, i, j): (f64, usize, usize)| format!("{} ({} against {})", number::significant(v, 3), names[i], names[j]);
    format!("{what}, from {} to {}.", pair(least), pair(most))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), chars.as_str()))
}

fn sizes(title: &str, values: &Array, names: &[String]) -> Chart {
    let shown = names.len().min(MAX_BARS);
    let bar = Bar {
        name: title.into(),
        x: Values::Names(names[..shown].to_vec()),
        y: values.values.iter().take(shown).copied().collect(),
        errors: Vec::new(),
        width: None,
        color: Color::Series(0),
        texts: Vec::new(),
        hover: "%{x}<br><b>%{y:.4g}</b><extra></extra>",
    };
    let what = title.split(' ').next().unwrap_or_default();
    let layout = Layout { x: Axis::category("Class"), y: Axis::linear(what), ..Layout::default() };
    let summary = extent(&values.values).map_or_else(
        || format!("{title}: undefined for all."),
        |[low, high]| format!("{title}: from {} to {}.", number::significant(low, 3), number::significant(high, 3)),
    );
    let rest = names.len() - shown;
    let caption =
        if rest > 0 { format!("The first {} of {} classes.", number::count(shown), number::count(names.len())) } else { String::new() };
    let why = "its rows are all equal";
    let rows = names.iter().zip(&values.values).map(|(name, v)| vec![Cell::Text(name.clone()), Cell::number(Some(*v), why)]);
    let table = Table::new(["class", what], rows.collect());
    Chart { figure: Figure { traces: vec![Trace::Bar(bar)], layout }, summary, caption, csv: Csv::new(move || table.csv()) }
}

fn summary_table(output: &Output) -> Table {
    let why = "it is undefined for all classes or pairs";
    let between =
        [("between-concept dimensionality", output.between_dimensionality), ("between-concept radius", Some(output.between_radius))];
    let single = between.map(|(name, value)| {
        vec![Cell::Text(name.into()), Cell::number(value, "all centroids are equal"), Cell::Undefined("a single value has no spread")]
    });
    let rows = output.summary.iter().map(|s| vec![Cell::Text(s.name.clone()), Cell::number(s.mean, why), Cell::number(s.std, why)]);
    Table::new(["Quantity", "Mean", "Standard deviation"], single.into_iter().chain(rows).collect())
}

#[cfg(test)]
mod tests {
    use eigenscope::analysis::Output as Any;
    use eigenscope::analysis::manifolds::Statistic;

    use super::*;
    use crate::views::part;
    use crate::views::tests::result;

    fn output() -> Part<Output> {
        let nan = f64::NAN;
        let pairs = |factor: f64| Array::matrix(3, 3, [nan, 1.0, 2.0, 3.0, nan, 4.0, nan, nan, nan].map(|v| v * factor).to_vec());
        let output = Output {
            features: "IT".into(),
            labels: "objects".into(),
            n_features: 10,
            classes: vec!["face".into(), "house".into(), "flat".into()],
            n_rows: vec![5, 5, 5],
            radius: Array::vector(vec![1.0, 2.0, 0.0]),
            dimensionality: Array::vector(vec![3.0, 2.5, nan]),
            signal: pairs(1.0),
            bias: pairs(0.1),
            self_overlap: pairs(0.5),
            other_overlap: pairs(0.25),
            snr: pairs(2.0),
            between_radius: 4.0,
            between_dimensionality: Some(1.5),
            summary: vec![Statistic { name: "signal".into(), mean: Some(2.5), std: Some(1.1) }],
        };
        part(&result(Any::Manifolds(output)), |o| if let Any::Manifolds(o) = o { Some(o) } else { None }).expect("manifolds")
    }

    fn names(output: &Output) -> Arc<[String]> {
        output.classes.clone().into()
    }

    #[test]
    fn the_switch_changes_the_matrix_and_its_words() {
        let output = output();
        let snr = heat_map(&output, &names(&output), Pairs::Snr);
        crate::views::dump("manifolds", &snr);
        let Trace::Heatmap(map) = &snr.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((map.rows.as_slice(), map.range), (&output.classes[..], Some([2.0, 8.0])));
        assert!(map.z[0].is_nan(), "no diagonal");
        assert_eq!(snr.summary, "Signal-to-noise ratio of 3 classes of IT, from 2.00 (face against house) to 8.00 (house against flat).");
        assert!(snr.caption.ends_with("2 pairs are undefined."), "{}", snr.caption);
        let bias = heat_map(&output, &names(&output), Pairs::Bias);
        assert!(bias.csv.text().starts_with("class,face,house,flat\nface,NaN,0.1,0.2\n"), "{}", bias.csv.text());
    }

    #[test]
    fn sizes_and_summary_keep_what_is_undefined() {
        let output = output();
        let chart = sizes("Dimension of each class", &output.dimensionality, &output.classes);
        assert_eq!(chart.csv.text(), "class,Dimension\nface,3\nhouse,2.5\nflat,NaN\n");
        assert_eq!(chart.summary, "Dimension of each class: from 2.50 to 3.00.");
        let table = summary_table(&output);
        assert_eq!((table.rows.len(), &table.rows[2][1]), (3, &Cell::Number(2.5)));
    }
}
