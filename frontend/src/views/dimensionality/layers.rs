//! One number of every input over the order of the inputs: how it changes from layer to layer.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::dimensionality::{Output, Spectrum, metrics_csv};
use eigenscope::identity::Identity;
use leptos::prelude::*;

use crate::plot::{Axis, Chart, Color, Csv, Draw, Figure, FigureCard, Layout, Scatter, Trace, Values, number};
use crate::views::Part;

/// Fewer inputs than this make no line.
pub(super) const MIN_INPUTS: usize = 3;

/// A number to follow.
type Metric = (&'static str, fn(&Spectrum) -> Option<f64>);

const METRICS: [Metric; 6] = [
    ("Effective dimensionality", |s| s.effective_dimensionality),
    ("Power-law exponent α", |s| s.power_law_alpha),
    ("ED, bias-corrected", |s| s.effective_dimensionality_unbiased),
    ("Entropy dimension", |s| s.entropy_dimension),
    ("Effective rank", |s| s.effective_rank),
    ("Components for 80 % of the variance", |s| s.variance_80_count.map(f64::from)),
];

/// The figure with its switch.
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let (metric, set_metric) = signal(0usize);
    let chart = Memo::new_with_compare(move |_| Arc::new(chart(&output, METRICS[metric.get().min(METRICS.len() - 1)])), |_, _| true);
    let options = METRICS.iter().enumerate().map(|(i, m)| view! { <option value=i.to_string()>{m.0}</option> }).collect_view();
    view! {
        <FigureCard id="layers" title="Over layers" chart spec>
            <label>
                "Show "
                <select
                    data-testid="layers-metric"
                    on:change=move |e| {
                        if let Ok(i) = event_target_value(&e).parse() {
                            set_metric.set(i);
                        }
                    }
                >
                    {options}
                </select>
            </label>
        </FigureCard>
    }
    .into_any()
}

/// The model that a layer belongs to and the layer's own name: the parts of an identity, else file and member.
fn place(name: &str) -> (String, String) {
    let [architecture, task, kind, source, layer] = Identity::of(name).values;
    if !architecture.is_empty() {
        let layer = if layer.is_empty() { "(layer)".into() } else { layer };
        return (format!("{architecture}, {task}, {kind}, {source}"), layer);
    }
    name.split_once("::").map_or_else(|| (String::new(), name.into()), |(file, member)| (file.into(), member.into()))
}

/// One line per model.
fn chart(output: &Part<Output>, (title, value): Metric) -> Chart {
    let mut models: Vec<(String, Vec<String>, Vec<f64>)> = Vec::new();
    for spectrum in &output.spectra {
        let (model, layer) = place(&spectrum.input);
        let at = models.iter().position(|(known, ..)| *known == model).unwrap_or_else(|| {
            models.push((model, Vec::new(), Vec::new()));
            models.len() - 1
        });
        models[at].1.push(layer);
        models[at].2.push(value(spectrum).unwrap_or(f64::NAN));
    }
    let legend = models.len() > 1;
    let traces = models.into_iter().enumerate().map(|(i, (model, layers, y))| {
        Trace::Scatter(Scatter {
            name: if model.is_empty() { title.into() } else { model },
            draw: if layers.len() > 1 { Draw::Line } else { Draw::Points },
            x: Values::Names(layers),
            y,
            color: Color::Series(i),
            opacity: 1.0,
            in_legend: legend,
            texts: Vec::new(),
            hover: "%{x}<br><b>%{y:.4g}</b>",
        })
    });
    let layout = Layout { x: Axis::category("Layer, in the order of the inputs"), y: Axis::linear(title), legend, ..Layout::default() };
    let figure = Figure { traces: traces.collect(), layout };
    let undefined = output.spectra.iter().filter(|s| value(s).is_none()).count();
    let caption = if undefined > 0 { format!("Undefined for {} inputs.", number::count(undefined)) } else { String::new() };
    let output = output.clone();
    let summary = summary(&output, (title, value));
    Chart { figure, summary, caption, csv: Csv::new(move || metrics_csv(&output)) }
}

fn summary(output: &Output, (title, value): Metric) -> String {
    let defined = || output.spectra.iter().filter_map(|s| value(s).map(|v| (v, s.input.as_str())));
    let least = defined().min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((least, most)) = least.zip(defined().max_by(|a, b| a.0.total_cmp(&b.0))) else {
        return format!("{title}: undefined for all inputs.");
    };
    let shown = |(v, name): (f64, &str)| format!("{} ({name})", number::significant(v, 3));
    format!("{title} over {} inputs: from {} to {}.", number::count(output.spectra.len()), shown(least), shown(most))
}

#[cfg(test)]
mod tests {
    use eigenscope::analysis::Output as Any;

    use super::*;
    use crate::views::part;
    use crate::views::tests::result;

    fn output(names: &[&str]) -> Part<Output> {
        let base = super::super::tests::output().spectra.remove(0);
        let one = |(i, name): (usize, &&str)| Spectrum {
            input: (*name).into(),
            effective_dimensionality: [Some(3.0), Some(1.5), None, Some(9.0)][i % 4],
            ..base.clone()
        };
        let output = Output { spectra: names.iter().enumerate().map(one).collect() };
        part(&result(Any::Dimensionality(output)), |o| if let Any::Dimensionality(o) = o { Some(o) } else { None }).expect("spectra")
    }

    #[test]
    fn layers_of_a_model_make_a_line() {
        let model = "architecture:A|task:None|kind:Untrained|source:S";
        let (first, second) = (format!("{model}::conv1"), format!("{model}::conv2"));
        let chart = chart(&output(&[&first, &second, "net::fc", "plain"]), METRICS[0]);
        crate::views::dump("layers", &chart);
        let lines: Vec<&Scatter> =
            chart.figure.traces.iter().map(|t| if let Trace::Scatter(s) = t { s } else { panic!("lines") }).collect();
        assert_eq!((lines.len(), lines[0].name.as_str(), lines[0].draw), (3, "A, None, Untrained, S", Draw::Line));
        assert_eq!(lines[0].x, Values::Names(vec!["conv1".into(), "conv2".into()]));
        assert_eq!((lines[1].name.as_str(), lines[1].draw), ("net", Draw::Points));
        assert!(chart.figure.layout.legend && chart.caption == "Undefined for 1 inputs.", "{}", chart.caption);
        assert!(chart.summary.ends_with("to 9.00 (plain)."), "{}", chart.summary);
        assert!(chart.csv.text().starts_with("80% variance,alpha,effective dimensionality,"), "published columns");
    }
}
