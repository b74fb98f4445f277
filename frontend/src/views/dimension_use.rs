//! Scores against the number of principal components, on a logarithmic axis, and where they have nearly reached their best.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::dimension_use::{Output, Reach};
use leptos::prelude::*;

use super::Part;
use crate::plot::reduce::sentence;
use crate::plot::{
    Axis, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Layout, Mark, Scatter, Table, Trace, Values, number,
};

/// Why a score may be missing.
const NO_SCORE: &str = "no target has a defined score (constant targets or predictions)";

/// Which score is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Score {
    R,
    R2,
}

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    view! {
        <CurveView output=output.clone() spec />
        <DataTable table=table(&output) caption="Scores for each number of components" test_id="dimension-use-table" />
    }
    .into_any()
}

/// The curve, of r at first.
#[component]
fn CurveView(output: Part<Output>, spec: Arc<AnalysisSpec>) -> impl IntoView {
    let (score, set_score) = signal(Score::R);
    let drawn = output.clone();
    let chart = Memo::new_with_compare(move |_| Arc::new(chart(&drawn, score.get())), |_, _| true);
    let choose = move |text: String| set_score.set(if text == "r2" { Score::R2 } else { Score::R });
    view! {
        <FigureCard id="dimension-use" title="Score and number of components" chart spec>
            <label>
                "Score "
                <select data-testid="dimension-use-score" on:change=move |e| choose(event_target_value(&e))>
                    <option value="r" prop:selected=move || score.get() == Score::R>"median r over targets"</option>
                    <option value="r2" prop:selected=move || score.get() == Score::R2>"R², mean over targets"</option>
                </select>
            </label>
        </FigureCard>
    }
}

/// What is drawn of an output.
struct Drawn<'a> {
    means: &'a [Option<f64>],
    errors: &'a [Option<f64>],
    reach: Option<&'a Reach>,
    name: &'static str,
}

fn drawn(output: &Output, score: Score) -> Drawn<'_> {
    match score {
        Score::R => Drawn { means: &output.scores, errors: &output.sems, reach: output.reach.as_ref(), name: "median r" },
        Score::R2 => Drawn { means: &output.r2, errors: &output.r2_sems, reach: output.r2_reach.as_ref(), name: "mean R²" },
    }
}

fn chart(output: &Output, score: Score) -> Chart {
    let Drawn { means, errors, reach, name } = drawn(output, score);
    let numbers = |values: &[Option<f64>]| values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>();
    let counts: Vec<f64> = output.num_pcs.iter().map(|&k| f64::from(k)).collect();
    let curve = Scatter {
        name: name.into(),
        x: Values::Numbers(counts),
        y: numbers(means),
        draw: Draw::Line,
        color: Color::Series(0),
        opacity: 1.0,
        in_legend: false,
        texts: Vec::new(),
        hover: "%{x} components<br><b>%{y:.4g}</b><extra></extra>",
    };
    let mark = reach
        .map(|r| Mark::Position { x: f64::from(r.enough_num_pcs), text: format!("95 % of the best: {}", number::count(r.enough_num_pcs)) });
    let title = match score {
        Score::R => "Held-out r, median over targets",
        Score::R2 => "Held-out R², mean over targets",
    };
    let layout = Layout {
        x: Axis::log("Number of principal components"),
        y: Axis::linear(title),
        marks: mark.into_iter().collect(),
        ..Layout::default()
    };
    let has_errors = errors.iter().any(Option::is_some);
    let caption = sentence(&[if has_errors { "error bars: standard error over splits".into() } else { String::new() }]);
    let summary = reach.map_or_else(
        || format!("The {name} is above 0 for no number of components."),
        |r| {
            let (best, at, enough) = (number::significant(r.best, 3), number::count(r.best_num_pcs), number::count(r.enough_num_pcs));
            let all = number::count(output.ambient_dim);
            format!("The best {name} is {best}, with {at} of {all} components; {enough} give 95 % of it.")
        },
    );
    let csv = csv(output, means, errors);
    Chart { figure: Figure { traces: vec![Trace::Curve(curve, numbers(errors))], layout }, summary, caption, csv }
}

fn csv(output: &Output, means: &[Option<f64>], errors: &[Option<f64>]) -> Csv {
    let rows = output.num_pcs.iter().zip(means.iter().zip(errors)).map(|(&k, (&mean, &sem))| {
        let sem = Cell::number(sem, "a single split");
        vec![Cell::Count(k.into()), Cell::number(mean, NO_SCORE), Cell::Count(output.ambient_dim.into()), sem]
    });
    let table = Table::new(["num_pcs", "scores", "ambient_dim", "sem"], rows.collect());
    Csv::new(move || table.csv())
}

fn table(output: &Output) -> Table {
    let rows = output.num_pcs.iter().enumerate().map(|(i, &k)| {
        let cell = |column: &[Option<f64>], why| Cell::number(column.get(i).copied().flatten(), why);
        let single = "needs at least two splits";
        vec![
            Cell::Count(k.into()),
            cell(&output.scores, NO_SCORE),
            cell(&output.sems, single),
            cell(&output.r2, NO_SCORE),
            cell(&output.r2_sems, single),
        ]
    });
    Table::new(
        ["Components", "Median r over targets", "± (SEM over splits)", "R², mean over targets", "± (SEM over splits)"],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;

    use super::*;
    use crate::plot::figure::Scale;

    fn output() -> Output {
        Output {
            features: "net".into(),
            targets: "IT".into(),
            ambient_dim: 64,
            num_pcs: vec![1, 4, 30],
            scores: vec![Some(0.1), Some(0.39), Some(0.4)],
            sems: vec![Some(0.01), None, Some(0.02)],
            r2: vec![Some(-0.1), Some(-0.2), None],
            r2_sems: vec![None; 3],
            per_split_r: Array::matrix(3, 1, vec![0.1, 0.39, 0.4]),
            per_split_r2: Array::matrix(3, 1, vec![0.0; 3]),
            per_target_r: Array::matrix(3, 1, vec![0.0; 3]),
            per_target_r2: Array::matrix(3, 1, vec![0.0; 3]),
            reach: Some(Reach { best: 0.4, best_num_pcs: 30, enough_num_pcs: 4 }),
            r2_reach: None,
        }
    }

    #[test]
    fn the_curve_marks_where_it_is_nearly_at_its_best() {
        let chart = chart(&output(), Score::R);
        crate::views::dump("dimension_use", &chart);
        assert_eq!(chart.figure.layout.x.scale, Scale::Log);
        let Trace::Curve(curve, errors) = &chart.figure.traces[0] else { panic!("a curve") };
        assert_eq!((curve.y.as_slice(), errors[0]), (&[0.1, 0.39, 0.4][..], 0.01));
        assert!(matches!(&chart.figure.layout.marks[..], [Mark::Position { x, .. }] if *x == 4.0), "{:?}", chart.figure.layout.marks);
        assert_eq!(chart.summary, "The best median r is 0.400, with 30 of 64 components; 4 give 95 % of it.");
        assert_eq!(chart.csv.text(), "num_pcs,scores,ambient_dim,sem\n1,0.1,64,0.01\n4,0.39,64,NaN\n30,0.4,64,0.02\n");
    }

    #[test]
    fn a_score_that_is_never_above_zero_has_no_mark() {
        let chart = chart(&output(), Score::R2);
        assert!(chart.figure.layout.marks.is_empty(), "nothing is reached");
        assert_eq!((chart.summary.as_str(), chart.caption.as_str()), ("The mean R² is above 0 for no number of components.", ""));
        assert_eq!(table(&output()).rows.len(), 3);
    }
}
