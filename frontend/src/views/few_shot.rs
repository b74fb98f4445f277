//! Accuracy against the number of training samples, the table of scores, and which classes are taken for which.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::few_shot::{Classifier, Confusion, Moments, Output, Summary};
use leptos::prelude::*;

use super::conditions::told_apart;
use super::{Part, at};
use crate::plot::reduce::sentence;
use crate::plot::{Axis, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Scatter, Table, Trace, Values, number};

/// Why a score may be missing.
const NO_SCORE: &str = "this classifier does not have this score";
const NO_ERROR: &str = "a single repeat has no standard error";

/// Which score is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Top1,
    Top5,
    Mrr,
}

impl Metric {
    fn of(text: &str) -> Self {
        match text {
            "top5" => Self::Top5,
            "mrr" => Self::Mrr,
            _ => Self::Top1,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Top1 => "Accuracy (top 1)",
            Self::Top5 => "Accuracy (top 5)",
            Self::Mrr => "Mean reciprocal rank",
        }
    }

    fn score(self, summary: &Summary) -> Option<Moments> {
        match self {
            Self::Top1 => Some(summary.top1),
            Self::Top5 => summary.top5,
            Self::Mrr => summary.mrr,
        }
    }

    fn chance(self, output: &Output) -> f64 {
        match self {
            Self::Top1 => output.chance.top1,
            Self::Top5 => output.chance.top5,
            Self::Mrr => output.chance.mrr,
        }
    }
}

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let (metric, set_metric) = signal(Metric::Top1);
    let table = table(&output);
    let (choice, set_choice) = signal(0usize);
    let options = output.confusions.iter().enumerate().map(|(i, c)| view! { <option value=i.to_string()>{name(c.classifier)}</option> });
    let options = options.collect_view();
    let confusion = {
        let output = output.clone();
        Memo::new_with_compare(move |_| Arc::new(confusion(&output, choice.get())), |_, _| true)
    };
    let curves = Memo::new_with_compare(move |_| Arc::new(curves(&output, metric.get())), |_, _| true);
    view! {
        <FigureCard id="few-shot" title="Accuracy against training samples" chart=curves spec=Arc::clone(&spec)>
            <label>
                "Score "
                <select data-testid="few-shot-metric" on:change=move |e| set_metric.set(Metric::of(&event_target_value(&e)))>
                    <option value="top1">"top 1"</option>
                    <option value="top5">"top 5"</option>
                    <option value="mrr">"mean reciprocal rank"</option>
                </select>
            </label>
        </FigureCard>
        <DataTable table caption="Scores: mean and standard error over repeats" test_id="few-shot-table" />
        <FigureCard id="confusion" title="Confusion of classes" chart=confusion spec>
            <label>
                "Classifier "
                <select
                    data-testid="few-shot-classifier"
                    on:change=move |e| set_choice.set(event_target_value(&e).parse().unwrap_or_default())
                >
                    {options}
                </select>
            </label>
        </FigureCard>
    }
    .into_any()
}

fn name(classifier: Classifier) -> &'static str {
    match classifier {
        Classifier::Prototype => "prototypes",
        Classifier::Linear => "logistic regression",
        Classifier::Maxmargin => "support vector machines",
    }
}

/// The classifiers of a result, in order.
fn classifiers(output: &Output) -> Vec<Classifier> {
    let mut out = Vec::new();
    for summary in &output.summaries {
        if !out.contains(&summary.classifier) {
            out.push(summary.classifier);
        }
    }
    out
}

fn curves(output: &Output, metric: Metric) -> Chart {
    let mut traces = Vec::new();
    let mut missing = Vec::new();
    for (i, classifier) in classifiers(output).into_iter().enumerate() {
        let mut points: Vec<(f64, Moments)> = output
            .summaries
            .iter()
            .filter(|s| s.classifier == classifier)
            .filter_map(|s| metric.score(s).map(|m| (f64::from(s.n_train), m)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.is_empty() {
            missing.push(name(classifier));
            continue;
        }
        let line = |x: Vec<f64>, y: Vec<f64>, draw: Draw, in_legend: bool, hover: &'static str| {
            Trace::Scatter(Scatter {
                name: name(classifier).into(),
                x: Values::Numbers(x),
                y,
                draw,
                color: Color::Series(i),
                opacity: 1.0,
                in_legend,
                texts: Vec::new(),
                hover,
            })
        };
        let x: Vec<f64> = points.iter().map(|p| p.0).collect();
        let y: Vec<f64> = points.iter().map(|p| p.1.mean).collect();
        traces.push(line(x.clone(), y.clone(), Draw::Line, true, ""));
        let with_error: Vec<(f64, f64, f64)> = points.iter().filter_map(|(x, m)| m.sem.map(|sem| (*x, m.mean, sem))).collect();
        if !with_error.is_empty() {
            let bars_x = with_error.iter().flat_map(|&(x, ..)| [x, x, f64::NAN]).collect();
            let bars_y = with_error.iter().flat_map(|&(_, mean, sem)| [mean - sem, mean + sem, f64::NAN]).collect();
            traces.push(line(bars_x, bars_y, Draw::Line, false, ""));
        }
        traces.push(line(x, y, Draw::Points, false, "%{x} a class<br><b>%{y:.4f}</b>"));
    }
    let sizes: Vec<f64> = output.summaries.iter().map(|s| f64::from(s.n_train)).collect();
    let chance = metric.chance(output);
    if let Some([low, high]) = crate::plot::figure::extent(&sizes) {
        traces.push(Trace::Scatter(Scatter {
            name: "chance".into(),
            x: Values::Numbers(vec![low, high]),
            y: vec![chance, chance],
            draw: Draw::Dashes,
            color: Color::Text,
            opacity: 0.8,
            in_legend: true,
            texts: Vec::new(),
            hover: "",
        }));
    }
    let caption = sentence(&[
        "vertical lines: ± 1 SEM over repeats; dashed: chance".into(),
        if missing.is_empty() { String::new() } else { format!("without this score: {}", missing.join(", ")) },
    ]);
    let layout =
        Layout { x: Axis::log("Training samples of each class"), y: Axis::linear(metric.title()), legend: true, ..Layout::default() };
    let rows = rows_table(output);
    Chart { figure: Figure { traces, layout }, summary: summary(output, metric), caption, csv: Csv::new(move || rows.csv()) }
}

fn summary(output: &Output, metric: Metric) -> String {
    let k = number::count(output.classes.len());
    let best = output.summaries.iter().filter_map(|s| metric.score(s).map(|m| (s, m.mean))).max_by(|a, b| a.1.total_cmp(&b.1));
    let chance = number::significant(metric.chance(output), 3);
    match best {
        Some((s, mean)) => format!(
            "{} of {k} classes: the best is {} by {} with {} training samples a class; chance is {chance}.",
            metric.title(),
            number::significant(mean, 3),
            name(s.classifier),
            number::count(s.n_train)
        ),
        None => format!("{} of {k} classes: no classifier has this score.", metric.title()),
    }
}

fn table(output: &Output) -> Table {
    let rows = output.summaries.iter().flat_map(|s| {
        let named = [("top 1", Some(s.top1)), ("top 5", s.top5), ("mean reciprocal rank", s.mrr), ("log likelihood", s.log_likelihood)];
        named.into_iter().filter_map(move |(score, moments)| {
            let m = moments?;
            let cells = [Cell::Count(s.n_train.into()), Cell::Text(score.into()), Cell::Number(m.mean), Cell::number(m.sem, NO_ERROR)];
            Some(std::iter::once(Cell::Text(name(s.classifier).into())).chain(cells).collect())
        })
    });
    Table::new(["Classifier", "Training samples a class", "Score", "Mean", "SEM"], rows.collect())
}

fn rows_table(output: &Output) -> Table {
    let rows = output.rows.iter().map(|r| {
        vec![
            Cell::Text(name(r.classifier).into()),
            Cell::Count(r.n_train.into()),
            Cell::Count(r.i_repeat.into()),
            Cell::Number(r.top1),
            Cell::number(r.top5, NO_SCORE),
            Cell::number(r.mrr, NO_SCORE),
            Cell::number(r.log_likelihood, NO_SCORE),
        ]
    });
    Table::new(["classifier", "n_train", "i_repeat", "accuracy (top 1)", "accuracy (top 5)", "MRR", "log likelihood"], rows.collect())
}

/// Of the held-out samples of each class, the fraction that is taken for each.
fn confusion(output: &Output, choice: usize) -> Chart {
    let names = told_apart(&output.classes);
    let n = names.len();
    let found = output.confusions.get(choice).or_else(|| output.confusions.first());
    let counts = found.map(|c: &Confusion| c.counts.clone()).unwrap_or_default();
    let share = move |i: usize, j: usize| {
        let total: f64 = (0..n).map(|k| at(&counts, i, k)).sum();
        at(&counts, i, j) / total
    };
    let summary = found.map_or_else(
        || "There are no counts.".into(),
        |c| {
            let worst = c.per_class.values.iter().zip(&names).filter(|(v, _)| v.is_finite()).min_by(|a, b| a.0.total_cmp(b.0));
            let worst = worst.map_or_else(String::new, |(v, name)| {
                format!(": the class that is recognized least is {name} ({})", number::significant(*v, 3))
            });
            format!("{} with {} training samples a class{worst}.", name(c.classifier), number::count(c.n_train))
        },
    );
    super::matrix::confusion(names, share, summary)
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::few_shot::{Chance, Row};

    use super::*;

    fn output() -> Output {
        let moments = |mean| Moments { mean, sem: Some(0.01) };
        let summary = |classifier, n_train, top1| Summary {
            classifier,
            n_train,
            top1: moments(top1),
            top5: (classifier != Classifier::Maxmargin).then(|| moments(0.9)),
            mrr: None,
            log_likelihood: None,
        };
        let row = Row {
            classifier: Classifier::Linear,
            n_train: 5,
            i_repeat: 0,
            top1: 0.7,
            top5: Some(0.9),
            mrr: Some(0.8),
            log_likelihood: None,
        };
        Output {
            features: "X".into(),
            classes: vec!["cat".into(), "dog".into()],
            n_features: 3,
            n_samples: 10,
            n_test: 5,
            chance: Chance { top1: 0.5, top5: 1.0, mrr: 0.75 },
            rows: vec![row],
            summaries: vec![
                summary(Classifier::Linear, 5, 0.7),
                summary(Classifier::Linear, 1, 0.6),
                summary(Classifier::Maxmargin, 5, 0.65),
            ],
            confusions: vec![Confusion {
                classifier: Classifier::Linear,
                n_train: 5,
                counts: Array::matrix(2, 2, vec![3.0, 1.0, 2.0, 2.0]),
                per_class: Array::vector(vec![0.75, 0.5]),
            }],
        }
    }

    #[test]
    fn each_classifier_has_a_line_error_bars_and_points() {
        let chart = curves(&output(), Metric::Top1);
        crate::views::dump("few_shot", &chart);
        assert_eq!(chart.figure.traces.len(), 7);
        let Trace::Scatter(line) = &chart.figure.traces[0] else { panic!("a line") };
        assert_eq!((&line.x, &line.y), (&Values::Numbers(vec![1.0, 5.0]), &vec![0.6, 0.7]));
        assert_eq!(
            chart.summary,
            "Accuracy (top 1) of 2 classes: the best is 0.700 by logistic regression with 5 training samples a class; chance is 0.500."
        );
        assert_eq!(chart.csv.text().lines().nth(1), Some("logistic regression,5,0,0.7,0.9,0.8,NaN"));
    }

    #[test]
    fn classifiers_without_a_score_are_named() {
        let chart = curves(&output(), Metric::Top5);
        assert!(chart.caption.ends_with("without this score: support vector machines."), "{}", chart.caption);
        assert!(curves(&output(), Metric::Mrr).summary.contains("no classifier has this score"), "none has it");
        assert_eq!(table(&output()).rows.len(), 5);
    }

    #[test]
    fn confusions_are_fractions_of_rows() {
        let chart = confusion(&output(), 0);
        crate::views::dump("few_shot_confusion", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!(map.z, [0.75, 0.25, 0.5, 0.5]);
        assert!(chart.summary.ends_with("the class that is recognized least is dog (0.500)."), "{}", chart.summary);
        assert_eq!(chart.csv.text().lines().nth(2), Some("dog,0.5,0.5"));
    }
}
