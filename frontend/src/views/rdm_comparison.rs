//! How well each model RDM explains the data RDMs, against the noise ceiling.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::rdm_comparison::{Compare, ModelScore, Output};
use leptos::prelude::*;

use super::conditions::told_apart;
use super::{Part, at};
use crate::plot::reduce::{MAX_POINTS, points_note, sentence, thinned};
use crate::plot::table::matrix_csv;
use crate::plot::{
    Axis, Bar, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Heatmap, Layout, Mark, Scatter, Table, Trace, Values, number,
};

/// With more scores than this, a heat map shows what points on bars cannot.
const MANY_SCORES: usize = 100;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let (sorted, set_sorted) = signal(false);
    let n_data = output.scores.columns();
    let has_heat_map = n_data > 1 && output.scores.values.len() > MANY_SCORES;
    let order = {
        let output = output.clone();
        Memo::new(move |_| order(&output, sorted.get()))
    };
    let bars = {
        let output = output.clone();
        Memo::new_with_compare(move |_| Arc::new(order.with(|order| bars(&output, order))), |_, _| true)
    };
    let table = {
        let output = output.clone();
        Memo::new(move |_| order.with(|order| table(&output, order)))
    };
    let heat = has_heat_map.then(|| {
        let chart = Memo::new_with_compare(move |_| Arc::new(order.with(|order| heat_map(&output, order))), |_, _| true);
        view! { <FigureCard id="model-scores-matrix" title="Scores of each model and data RDM" chart spec=Arc::clone(&spec) /> }
    });
    view! {
        <FigureCard id="model-scores" title="Model scores" chart=bars spec=Arc::clone(&spec)>
            <label>
                <input type="checkbox" data-testid="comparison-sort" on:change=move |e| set_sorted.set(event_target_checked(&e)) />
                " Sort by mean"
            </label>
        </FigureCard>
        {heat}
        <DataTable table caption="Models against the data RDMs" test_id="comparison-table" />
    }
    .into_any()
}

/// The order of models: as given, or by descending mean with undefined ones last.
fn order(output: &Output, sorted: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..output.models.len()).collect();
    if sorted {
        let key = |i: usize| output.models[i].mean.unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    }
    order
}

fn bars(output: &Output, order: &[usize]) -> Chart {
    let n_data = output.scores.columns();
    let names = ordered_names(output, order);
    let models: Vec<&ModelScore> = order.iter().map(|&i| &output.models[i]).collect();
    let x = positions(models.len());
    let sem = |m: &ModelScore| m.sem.unwrap_or(f64::NAN);
    let bar = Bar {
        name: "mean".into(),
        x: Values::Numbers(x.clone()),
        y: models.iter().map(|m| m.mean.unwrap_or(f64::NAN)).collect(),
        errors: if models.iter().any(|m| m.sem.is_some()) { models.iter().map(|m| sem(m)).collect() } else { Vec::new() },
        width: Some(0.7),
        color: Color::Series(0),
        texts: names.clone(),
        hover: "%{text}<br>mean <b>%{y:.4g}</b><extra></extra>",
    };
    let mut traces = vec![Trace::Bar(bar)];
    let mut note = String::new();
    if n_data > 1 {
        let kept = thinned(models.len() * n_data, MAX_POINTS);
        note = points_note(models.len() * n_data, kept.len());
        traces.push(Trace::Scatter(points(output, order, &x, &kept)));
    }
    let layout = Layout {
        x: Axis::slots(names),
        y: Axis::linear(measure_name(output.compare)),
        marks: output.noise_ceiling.iter().map(|&y| Mark::Band { y, text: "noise ceiling".into() }).collect(),
        ..Layout::default()
    };
    let caption = sentence(&[
        match n_data {
            1 => "bars: the score on the only data RDM".into(),
            _ => format!("bars: mean over {} data RDMs; lines: ± 1 SEM; points: single data RDMs", number::count(n_data)),
        },
        match output.noise_ceiling {
            Some(_) if output.noise_ceiling_is_heuristic => "the ceiling of this measure is a heuristic, not a bound".into(),
            Some(_) => String::new(),
            None => "no noise ceiling (it needs at least two data RDMs and a similarity)".into(),
        },
        note,
    ]);
    let csv_table = table(output, order);
    Chart { figure: Figure { traces, layout }, summary: summary(output), caption, csv: Csv::new(move || csv_table.csv()) }
}

/// One point per model and data RDM, spread over the bar in the order of the data RDMs.
fn points(output: &Output, order: &[usize], x: &[f64], kept: &[usize]) -> Scatter {
    let n_data = output.scores.columns();
    let shift = spread(n_data);
    let data_name = |j: usize| output.data_names.get(j).cloned().unwrap_or_else(|| format!("data RDM {}", j + 1));
    Scatter {
        name: "data RDMs".into(),
        x: Values::Numbers(kept.iter().map(|k| x[k / n_data] + shift[k % n_data]).collect()),
        y: kept.iter().map(|k| at(&output.scores, order[k / n_data], k % n_data)).collect(),
        draw: Draw::Points,
        color: Color::Text,
        opacity: 0.55,
        in_legend: false,
        texts: kept.iter().map(|k| data_name(k % n_data)).collect(),
        hover: "%{text}<br><b>%{y:.4g}</b><extra></extra>",
    }
}

/// Evenly spread over half the distance between bars.
fn spread(n: usize) -> Vec<f64> {
    let last = positions(n).last().copied().unwrap_or(0.0).max(1.0);
    positions(n).into_iter().map(|i| 0.5 * (i / last - 0.5)).collect()
}

fn positions(n: usize) -> Vec<f64> {
    (0u32..).map(f64::from).take(n).collect()
}

fn heat_map(output: &Output, order: &[usize]) -> Chart {
    let rows = ordered_names(output, order);
    let columns = told_apart(&output.data_names);
    let n = columns.len();
    let z = order.iter().flat_map(|&i| (0..n).map(move |j| at(&output.scores, i, j))).collect::<Vec<_>>();
    let (csv_rows, csv_columns, values) = (rows.clone(), columns.clone(), z.clone());
    let heatmap = Heatmap { columns, rows, z, range: None, title: measure_name(output.compare).into() };
    let layout = Layout { x: Axis::category("Data RDM"), y: Axis { reversed: true, ..Axis::category("Model RDM") }, ..Layout::default() };
    Chart {
        figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout },
        summary: format!("Scores of {} model RDMs on each of {} data RDMs.", number::count(order.len()), number::count(n)),
        caption: String::new(),
        csv: Csv::new(move || matrix_csv("model", &csv_columns, &csv_rows, |i, j| values[i * n + j])),
    }
}

fn table(output: &Output, order: &[usize]) -> Table {
    let single = "needs at least two data RDMs";
    let rows = ordered_names(output, order).into_iter().zip(order).map(|(name, &i)| {
        let model = &output.models[i];
        vec![
            Cell::Text(name),
            Cell::number(model.mean, "the score is undefined for every data RDM"),
            Cell::number(model.sem, single),
            model.p_vs_0.filter(|p| p.is_finite()).map_or(Cell::Undefined("needs at least two data RDMs and a similarity"), Cell::P),
        ]
    });
    let mean = format!("Mean {}", measure_name(output.compare));
    Table::new(["Model", mean.as_str(), "SEM", "p (one-sided t-test against 0)"], rows.collect())
}

fn ordered_names(output: &Output, order: &[usize]) -> Vec<String> {
    let all = told_apart(&output.models.iter().map(|m| m.name.clone()).collect::<Vec<_>>());
    order.iter().map(|&i| all[i].clone()).collect()
}

fn summary(output: &Output) -> String {
    let order = order(output, true);
    let scored = |i: &&usize| output.models[**i].mean.is_some();
    let what = format!("{} model RDMs against {} data RDMs", number::count(output.models.len()), number::count(output.n_data));
    let ends = order.iter().find(scored).zip(order.iter().rev().find(scored));
    let Some((&high, &low)) = ends else { return format!("{what}; no score is defined.") };
    let score = |i: usize| format!("{} ({})", number::significant(output.models[i].mean.unwrap_or(f64::NAN), 3), output.models[i].name);
    let range =
        if high == low { format!("the score is {}", score(high)) } else { format!("mean scores from {} to {}", score(low), score(high)) };
    let ceiling = output.noise_ceiling.map_or_else(String::new, |[lower, upper]| {
        format!("; noise ceiling {} to {}", number::significant(lower, 3), number::significant(upper, 3))
    });
    format!("{what} by {}; {range}{ceiling}.", measure_name(output.compare))
}

fn measure_name(compare: Compare) -> &'static str {
    match compare {
        Compare::Cosine => "cosine similarity",
        Compare::Corr => "Pearson r",
        Compare::Spearman => "Spearman ρ",
        Compare::RhoA => "ρ-a",
        Compare::TauA => "Kendall τ-a",
        Compare::TauB => "Kendall τ-b",
        Compare::CosineCov => "whitened cosine similarity",
        Compare::CorrCov => "whitened Pearson r",
        Compare::Bures => "Bures similarity",
        Compare::BuresMetric => "Bures distance",
        Compare::NegRiemDist => "negative Riemannian distance",
        Compare::Euclidean => "Euclidean distance",
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;

    fn output(n_data: u32) -> Output {
        let model = |name: &str, mean: Option<f64>| ModelScore {
            name: name.into(),
            mean,
            sem: mean.filter(|_| n_data > 1).map(|_| 0.03),
            p_vs_0: mean.filter(|_| n_data > 1).map(|m| if m > 0.3 { 1e-9 } else { 0.2 }),
        };
        let means = [0.1, 0.42, f64::NAN, 0.3];
        let scores = means.iter().flat_map(|m| (0..n_data).map(move |j| m + 0.02 * f64::from(j % 5))).collect();
        Output {
            compare: Compare::Corr,
            n_conditions: 20,
            n_data,
            models: vec![model("V1", Some(0.1)), model("IT", Some(0.42)), model("none", None), model("IT", Some(0.3))],
            noise_ceiling: (n_data > 1).then_some([0.45, 0.55]),
            noise_ceiling_is_heuristic: false,
            scores: Array::matrix(4, n_data as usize, scores),
            data_names: (1..=n_data).map(|i| format!("S{i}")).collect(),
        }
    }

    #[test]
    fn undefined_models_come_last_when_sorted() {
        assert_eq!(order(&output(6), true), [1, 3, 0, 2]);
        assert_eq!(order(&output(6), false), [0, 1, 2, 3]);
    }

    #[test]
    fn bars_have_errors_points_and_the_ceiling() {
        let chart = bars(&output(6), &[1, 3, 0, 2]);
        crate::views::dump("rdm_comparison", &chart);
        assert_eq!(chart.figure.traces.len(), 2);
        assert_eq!(chart.figure.layout.marks, [Mark::Band { y: [0.45, 0.55], text: "noise ceiling".into() }]);
        let Trace::Bar(bar) = &chart.figure.traces[0] else { panic!("bars first") };
        assert_eq!((bar.y[0], bar.errors[0]), (0.42, 0.03));
        assert!(bar.y[3].is_nan() && bar.errors[3].is_nan(), "no bar for an undefined mean");
        let Trace::Scatter(points) = &chart.figure.traces[1] else { panic!("points on them") };
        assert_eq!((points.y.len(), points.y[0]), (24, 0.42));
    }

    #[test]
    fn a_single_data_rdm_has_bars_only() {
        let chart = bars(&output(1), &[0, 1, 2, 3]);
        assert_eq!(chart.figure.traces.len(), 1);
        let Trace::Bar(bar) = &chart.figure.traces[0] else { panic!("bars") };
        assert!(bar.errors.is_empty(), "no error bars of one value");
        assert!(chart.caption.contains("no noise ceiling"), "{}", chart.caption);
        assert!(matches!(table(&output(1), &[0]).rows[0][3], Cell::Undefined(_)), "no test on one value");
    }

    #[test]
    fn many_scores_are_a_matrix_in_the_same_order() {
        let chart = heat_map(&output(30), &[1, 3, 0, 2]);
        crate::views::dump("rdm_comparison_matrix", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((map.z.len(), map.z[0]), (120, 0.42));
        assert_eq!(map.rows, ["IT", "IT (2)", "V1", "none"]);
        assert!(chart.csv.text().starts_with("model,S1,S2,"), "named on both sides");
    }

    #[test]
    fn the_summary_has_both_ends_and_the_ceiling() {
        assert_eq!(
            summary(&output(6)),
            "4 model RDMs against 6 data RDMs by Pearson r; mean scores from 0.100 (V1) to 0.420 (IT); noise ceiling 0.450 to 0.550."
        );
    }
}
