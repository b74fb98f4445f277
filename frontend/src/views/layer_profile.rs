//! Numbers of layers in the order in which a network makes them.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::layer_profile::{Layer, Output};
use leptos::prelude::*;

use super::Part;
use crate::plot::reduce::sentence;
use crate::plot::{
    Axis, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Mark, Scatter, Table, Trace, Values, number,
};

/// Why a number may be missing.
const NONE: &str = "the layer is constant over images, or it was not asked for";

/// A number to follow.
#[derive(Clone, Copy)]
struct Metric {
    title: &'static str,
    value: fn(&Layer) -> Option<f64>,
    error: fn(&Layer) -> Option<f64>,
    has_ceiling: bool,
}

const METRICS: [Metric; 3] = [
    Metric { title: "Similarity to the measured RDMs", value: |l| l.rsa, error: |l| l.rsa_sem, has_ceiling: true },
    Metric { title: "Encoding score (median r, held out)", value: |l| l.encoding, error: |_| None, has_ceiling: false },
    Metric { title: "Effective dimensionality", value: |l| l.effective_dimensionality, error: |_| None, has_ceiling: false },
];

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let known: Vec<Metric> = METRICS.into_iter().filter(|m| output.layers.iter().any(|l| (m.value)(l).is_some())).collect();
    let known = if known.is_empty() { vec![METRICS[2]] } else { known };
    let (chosen, choose) = signal(0usize);
    let titles = known.iter().enumerate().map(|(i, m)| view! { <option value=i.to_string()>{m.title}</option> }).collect_view();
    let chart = {
        let output = output.clone();
        Memo::new_with_compare(move |_| Arc::new(chart(&output, known[chosen.get().min(known.len() - 1)])), |_, _| true)
    };
    let title = format!("Layers of {}", output.network);
    view! {
        <FigureCard id="layer-profile" title chart spec>
            <label>
                "Show "
                <select
                    data-testid="profile-metric"
                    on:change=move |e| {
                        if let Ok(i) = event_target_value(&e).parse() {
                            choose.set(i);
                        }
                    }
                >
                    {titles}
                </select>
            </label>
        </FigureCard>
        <DataTable table=table(&output) caption="Layers" test_id="profile-table" />
    }
    .into_any()
}

fn chart(output: &Part<Output>, metric: Metric) -> Chart {
    let number_of = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let line = Scatter {
        name: metric.title.into(),
        x: Values::Names(output.layers.iter().map(|l| l.name.clone()).collect()),
        y: output.layers.iter().map(|l| number_of((metric.value)(l))).collect(),
        draw: if output.layers.len() > 1 { Draw::Line } else { Draw::Points },
        color: Color::Series(0),
        opacity: 1.0,
        in_legend: false,
        texts: Vec::new(),
        hover: "%{x}<br><b>%{y:.4g}</b>",
    };
    let errors: Vec<f64> = output.layers.iter().map(|l| number_of((metric.error)(l))).collect();
    let has_errors = errors.iter().any(|e| e.is_finite());
    let ceiling = output.noise_ceiling.filter(|_| metric.has_ceiling);
    let marks = ceiling.map(|y| Mark::Band { y, text: "noise ceiling".into() }).into_iter().collect();
    let layout =
        Layout { x: Axis::category("Layer, in the order of the network"), y: Axis::linear(metric.title), marks, ..Layout::default() };
    let undefined = output.layers.iter().filter(|l| (metric.value)(l).is_none()).count();
    let caption = sentence(&[
        if has_errors { "lines: ± 1 SEM over the measured RDMs".into() } else { String::new() },
        ceiling.map_or_else(String::new, |_| "band: what any model could reach".into()),
        if undefined > 0 { format!("undefined for {} layers", number::count(undefined)) } else { String::new() },
    ]);
    let csv = table(output);
    Chart {
        figure: Figure { traces: vec![Trace::Curve(line, errors)], layout },
        summary: summary(output, metric),
        caption,
        csv: Csv::new(move || csv.csv()),
    }
}

fn summary(output: &Output, metric: Metric) -> String {
    let best = output.layers.iter().filter_map(|l| (metric.value)(l).map(|v| (v, l))).max_by(|a, b| a.0.total_cmp(&b.0));
    let of =
        format!("over {} layers of {} and {} images", number::count(output.layers.len()), output.network, number::count(output.images));
    match best {
        Some((value, layer)) => format!("{} {of}: largest in {}, {}.", metric.title, layer.name, number::significant(value, 3)),
        None => format!("{} {of}: undefined.", metric.title),
    }
}

fn table(output: &Output) -> Table {
    let has = |m: &Metric| output.layers.iter().any(|l| (m.value)(l).is_some());
    let (has_rsa, has_encoding) = (has(&METRICS[0]), has(&METRICS[1]));
    let row = |l: &Layer| {
        let mut row =
            vec![Cell::Text(l.name.clone()), Cell::Count(u64::from(l.n_features)), Cell::number(l.effective_dimensionality, NONE)];
        if has_rsa {
            row.extend([Cell::number(l.rsa, NONE), Cell::number(l.rsa_sem, "there is one RDM")]);
        }
        row.extend(has_encoding.then(|| Cell::number(l.encoding, NONE)));
        row
    };
    let mut columns = vec!["Layer", "Features", "Effective dimensionality"];
    if has_rsa {
        columns.extend(["Similarity to the RDMs", "SEM"]);
    }
    columns.extend(has_encoding.then_some("Encoding score (median r)"));
    Table { columns: columns.into_iter().map(Into::into).collect(), rows: output.layers.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use eigenscope::analysis::Output as Any;

    use super::*;
    use crate::views::part;
    use crate::views::tests::result;

    fn output() -> Part<Output> {
        let layer = |name: &str, rsa: Option<f64>| Layer {
            name: name.into(),
            n_features: 16,
            effective_dimensionality: Some(3.0),
            rsa,
            rsa_sem: Some(0.05),
            encoding: None,
        };
        let layers = vec![layer("conv1", Some(0.1)), layer("conv2", Some(0.25)), layer("constant", None)];
        let output = Output { network: "net".into(), layers, noise_ceiling: Some([0.3, 0.5]), images: 92 };
        part(&result(Any::LayerProfile(output)), |o| if let Any::LayerProfile(o) = o { Some(o) } else { None }).expect("a profile")
    }

    #[test]
    fn layers_make_a_line_with_errors_below_the_ceiling() {
        let chart = chart(&output(), METRICS[0]);
        crate::views::dump("layer_profile", &chart);
        let Trace::Curve(line, errors) = &chart.figure.traces[0] else { panic!("a curve") };
        assert_eq!((line.y[1], errors[1], line.y[2].is_nan()), (0.25, 0.05, true));
        assert_eq!(chart.figure.layout.marks, vec![Mark::Band { y: [0.3, 0.5], text: "noise ceiling".into() }]);
        assert!(chart.summary.ends_with("over 3 layers of net and 92 images: largest in conv2, 0.250."), "{}", chart.summary);
        assert!(chart.caption.contains("undefined for 1 layers"), "{}", chart.caption);
        assert!(super::chart(&output(), METRICS[2]).figure.layout.marks.is_empty(), "a ceiling is one of similarities");
    }

    #[test]
    fn the_table_has_what_was_computed() {
        let table = table(&output());
        assert_eq!(table.columns.len(), 5, "no encoding");
        assert!(matches!(table.rows[2][3], Cell::Undefined(_)), "with a reason");
    }
}
