//! How well each model RDM explains the data RDMs, against the noise ceiling.

mod panels;
mod significance;

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::rdm_comparison::inference::{ModelTest, Over, Test};
use eigenscope::analysis::rdm_comparison::{Compare, ModelScore, Output};
use leptos::prelude::*;

use super::conditions::told_apart;
use super::{Part, at};
use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_POINTS, points_note, sentence, thinned};
use crate::plot::{
    Axis, Bar, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Heatmap, Layout, Mark, Scatter, Table, Trace, Values, number,
};

/// With more scores than this, a heat map shows what points on bars cannot.
const MANY_SCORES: usize = 100;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>, thumbnails: Signal<Arc<[Arc<str>]>>) -> AnyView {
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
    let weights = weight_table(&output).map(|table| {
        let table = Memo::new(move |_| table.clone());
        view! { <DataTable table caption="Weights of models with parameters, fitted to everything" test_id="weights-table" /> }
    });
    let pairs = significance::table(&output, &ordered_names(&output, &(0..output.models.len()).collect::<Vec<_>>()))
        .map(|table| Memo::new(move |_| table.clone()))
        .map(|table| view! { <DataTable table caption="Models against each other" test_id="pairs-table" /> });
    let caption = tests_of(&output);
    let panels = panels::view(&output, &spec, thumbnails);
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
        {panels}
        <DataTable table caption test_id="comparison-table" />
        {pairs}
        {weights}
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
    let sem = |m: &ModelScore| m.test.sem.unwrap_or(f64::NAN);
    let bar = Bar {
        name: "mean".into(),
        x: Values::Numbers(x.clone()),
        y: models.iter().map(|m| m.mean.unwrap_or(f64::NAN)).collect(),
        errors: if models.iter().any(|m| m.test.sem.is_some()) { models.iter().map(|m| sem(m)).collect() } else { Vec::new() },
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
    let ends = bar_ends(&models).chain(output.scores.values.iter().copied()).chain(output.noise_ceiling.into_iter().flatten());
    if let Some([low, high]) = extent(&ends.collect::<Vec<_>>()) {
        traces.extend(significance::lines(output, order, high, high - low.min(0.0)));
    }
    let layout = Layout {
        x: Axis::slots(names),
        y: Axis::linear(measure_name(output.compare)),
        marks: output.noise_ceiling.iter().map(|&y| Mark::Band { y, text: "noise ceiling".into() }).collect(),
        ..Layout::default()
    };
    let caption = sentence(&[
        match n_data {
            1 => format!("bars: the score on the only data RDM{}", errors_of(output)),
            _ => format!("bars: mean over {} data RDMs{}; points: single data RDMs", number::count(n_data), errors_of(output)),
        },
        output.folds.map_or_else(String::new, |[conditions, data, repeats]| {
            format!("scores on held-out conditions ({conditions} folds) of held-out data RDMs ({data} folds), {repeats} divisions")
        }),
        significance::legend(output),
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

/// What the error bars are.
fn errors_of(output: &Output) -> String {
    if output.models.iter().all(|m| m.test.sem.is_none()) {
        return String::new();
    }
    let over = match output.inference.as_ref().and_then(|i| i.over) {
        None => "over data RDMs",
        Some(Over::Pattern) => "for new conditions (bootstrap)",
        Some(Over::Rdm) => "for new data RDMs (bootstrap)",
        Some(Over::Both) => "for new conditions and data RDMs (bootstrap)",
        Some(Over::Dual) => "for new conditions and data RDMs (dual bootstrap)",
    };
    format!("; lines: ± 1 SEM {over}")
}

fn bar_ends<'a>(models: &'a [&ModelScore]) -> impl Iterator<Item = f64> + 'a {
    models.iter().map(|m| m.mean.unwrap_or(f64::NAN) + m.test.sem.unwrap_or(0.0))
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
        csv: Csv::matrix("model", &csv_columns, &csv_rows, move |i, j| values[i * n + j]),
    }
}

fn table(output: &Output, order: &[usize]) -> Table {
    let single = "needs at least two data RDMs or a bootstrap over conditions";
    let has = |value: fn(&ModelTest) -> Option<f64>| output.models.iter().any(|m| value(&m.test).is_some());
    let (ceiling, permuted, grouped) = (has(|t| t.p_vs_ceiling), has(|t| t.p_permutation), has(|t| t.p_groups));
    let p = |p: Option<f64>| p.filter(|p| p.is_finite()).map_or(Cell::Undefined(single), Cell::P);
    let rows = ordered_names(output, order).into_iter().zip(order).map(|(name, &i)| {
        let (model, test) = (&output.models[i], &output.models[i].test);
        let [low, high] = test.interval.map_or([None; 2], |ends| ends.map(Some));
        let mut row = vec![
            Cell::Text(name),
            Cell::number(model.mean, "the score is undefined for every data RDM"),
            Cell::number(test.sem, single),
            Cell::number(low, single),
            Cell::number(high, single),
            p(test.p_vs_0),
            p(test.p_vs_0_adjusted),
        ];
        if ceiling {
            row.extend([p(test.p_vs_ceiling), p(test.p_vs_ceiling_adjusted)]);
        }
        if permuted {
            row.push(p(test.p_permutation));
        }
        if grouped {
            row.extend([Cell::number(test.group_difference, "a group has no defined score"), p(test.p_groups)]);
        }
        row
    });
    let mean = format!("Mean {}", measure_name(output.compare));
    let mut columns =
        vec!["Model".to_owned(), mean, "SEM".to_owned(), "95 % from".to_owned(), "to".to_owned(), "p > 0".to_owned(), "adj.".to_owned()];
    if ceiling {
        columns.extend(["p ≠ ceiling".to_owned(), "adj.".to_owned()]);
    }
    if permuted {
        columns.push("p perm.".to_owned());
    }
    if grouped {
        let [first, second] = output.inference.as_ref().and_then(|i| i.group_names.clone()).unwrap_or_default();
        columns.extend([format!("{first} − {second}"), "p groups".to_owned()]);
    }
    Table::new(columns.iter().map(String::as_str), rows.collect())
}

/// What the tests in the table are.
fn tests_of(output: &Output) -> &'static str {
    match output.inference.as_ref().map(|i| i.test) {
        None => "Models against the data RDMs",
        Some(Test::T) => "Models against the data RDMs: t-tests, one-sided against 0, two-sided against the lower ceiling",
        Some(Test::Bootstrap) => {
            "Models against the data RDMs: shares of resamples, one-sided against 0, two-sided against the lower ceiling"
        }
        Some(Test::SignedRank) => "Models against the data RDMs: signed ranks, one-sided against 0, two-sided against the lower ceiling",
    }
}

/// The weights of each model with parameters; `None` without any.
fn weight_table(output: &Output) -> Option<Table> {
    let rows: Vec<Vec<Cell>> = output
        .models
        .iter()
        .filter_map(|model| Some((model, model.weights.as_ref()?)))
        .flat_map(|(model, weights)| {
            (1u64..).zip(weights).map(|(i, &w)| vec![Cell::Text(model.name.clone()), Cell::Count(i), Cell::Number(w)])
        })
        .collect();
    (!rows.is_empty()).then(|| Table::new(["Model", "RDM", "Weight"], rows))
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
    use eigenscope::analysis::rdm_comparison::inference::{Correction, PairTest, Tests};

    use super::*;

    fn output(n_data: u32) -> Output {
        let model = |name: &str, mean: Option<f64>| ModelScore {
            name: name.into(),
            mean,
            weights: (name == "V1").then(|| vec![0.6, 0.8]),
            test: ModelTest {
                sem: mean.filter(|_| n_data > 1).map(|_| 0.03),
                p_vs_0: mean.filter(|_| n_data > 1).map(|m| if m > 0.3 { 1e-9 } else { 0.2 }),
                ..ModelTest::default()
            },
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
            inference: (n_data > 1).then(|| inference(&means)),
            folds: None,
            rdms: None,
        }
    }

    /// The second model beats the first.
    fn inference(means: &[f64]) -> Tests {
        let pair = |(a, b): (u32, u32)| {
            let difference = means[a as usize] - means[b as usize];
            let p = if (a, b) == (0, 1) { 0.001 } else { 0.4 };
            let defined = difference.is_finite();
            PairTest {
                a,
                b,
                difference: defined.then_some(difference),
                sem: None,
                p: defined.then_some(p),
                p_adjusted: defined.then_some(p),
            }
        };
        Tests {
            over: Some(Over::Dual),
            test: Test::T,
            correction: Correction::Fdr,
            n_resamples: 1000,
            n_left_out: 0,
            degrees_of_freedom: 5,
            ceiling_sem: None,
            pairs: (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b))).map(pair).collect(),
            group_names: None,
        }
    }

    #[test]
    fn weights_are_listed_for_models_that_have_them() {
        let table = weight_table(&output(6)).expect("one model has weights");
        assert_eq!(table.rows.len(), 2);
        assert_eq!(table.rows[1], [Cell::Text("V1".into()), Cell::Count(2), Cell::Number(0.8)]);
    }

    #[test]
    fn a_line_goes_from_the_better_model_to_the_worse() {
        let lines = significance::lines(&output(6), &[1, 3, 0, 2], 0.6, 0.6);
        let Trace::Scatter(line) = &lines[0] else { panic!("a line") };
        let Values::Numbers(x) = &line.x else { panic!("positions") };
        assert_eq!(x[..2], [0.0, 2.0], "model 1 is first, model 0 third");
        let Trace::Scatter(dot) = &lines[2] else { panic!("a dot") };
        assert_eq!(dot.x, Values::Numbers(vec![0.0]));
        assert!(significance::legend(&output(6)).starts_with("1 of 6 pairs of models differ"), "{}", significance::legend(&output(6)));
        assert!(significance::lines(&output(1), &[0, 1, 2, 3], 0.6, 0.6).is_empty(), "no tests, no lines");
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
        assert_eq!(chart.figure.traces.len(), 5, "bars, points, and three traces of a comparison");
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
        assert!(matches!(table(&output(1), &[0]).rows[0][5], Cell::Undefined(_)), "no test on one value");
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
