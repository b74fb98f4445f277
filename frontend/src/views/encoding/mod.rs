//! How well targets are predicted: headline numbers, the distribution over targets, single targets, penalties.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::encoding::{Bands, Output};
use leptos::prelude::*;

use super::Part;
use crate::plot::{Cell, DataTable, FigureCard, Table, number};

mod charts;

/// Why a score over targets may be missing.
const NO_SCORE: &str = "no target has a defined score (constant targets or predictions)";

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let histogram = Signal::stored(Arc::new(charts::histogram(&output)));
    let alphas = output.alpha.as_ref().map(|alpha| {
        let chart = Signal::stored(Arc::new(charts::alphas(alpha)));
        view! { <FigureCard id="alphas" title="Chosen ridge penalties" chart spec=Arc::clone(&spec) /> }
    });
    let scatter = (output.predictions.is_some() && output.observed.is_some())
        .then(|| view! { <TargetView output=output.clone() spec=Arc::clone(&spec) /> });
    let bands = output.bands.as_ref().map(|bands| {
        view! { <DataTable table=band_table(bands) caption="What each feature space contributes" test_id="bands-table" /> }
    });
    view! {
        {headline(&output)}
        <FigureCard id="target-scores" title="Scores of targets" chart=histogram spec=Arc::clone(&spec) />
        {scatter}
        {alphas}
        {bands}
        <DataTable table=split_table(&output) caption="Scores of each split" test_id="splits-table" />
    }
    .into_any()
}

/// Predicted against observed values of one target, the best at first.
#[component]
fn TargetView(output: Part<Output>, spec: Arc<AnalysisSpec>) -> impl IntoView {
    let n_targets = output.per_target_r.rows();
    let best = charts::best_target(&output);
    let (target, set_target) = signal(best);
    let title = "Predicted and observed values";
    let chart = Memo::new_with_compare(move |_| Arc::new(charts::predictions(&output, target.get())), |_, _| true);
    let choose = move |text: String| {
        if let Ok(n) = text.trim().parse::<usize>()
            && (1..=n_targets).contains(&n)
        {
            set_target.set(n - 1);
        }
    };
    view! {
        <FigureCard id="predictions" title chart spec>
            <label>
                {format!("Target (1 to {}) ", number::count(n_targets))}
                <input
                    type="number"
                    min="1"
                    max=n_targets.to_string()
                    step="1"
                    data-testid="encoding-target"
                    prop:value=move || (target.get() + 1).to_string()
                    on:change=move |e| choose(event_target_value(&e))
                />
            </label>
            <button type="button" data-testid="encoding-best-target" on:click=move |_| set_target.set(best)>
                "Best target"
            </button>
        </FigureCard>
    }
}

fn headline(output: &Output) -> impl IntoView + use<> {
    let mut numbers = vec![
        ("Median r over targets", output.median_r, "headline-median-r"),
        ("Mean r over targets", output.mean_r, "headline-mean-r"),
        ("R², mean over targets", output.r2_uniform, "headline-r2"),
    ];
    // Results of earlier versions do not have these.
    let more = [
        ("R², weighted by variance", output.r2_weighted, "headline-r2-weighted"),
        ("Explained variance, mean over targets", output.explained_variance, "headline-explained"),
        ("Median r, held-out rows pooled", output.pooled_r, "headline-pooled-r"),
    ];
    numbers.extend(more.into_iter().filter(|(_, value, _)| value.is_some()));
    if output.per_target_ceiling.is_some() {
        numbers.push(("Ceiling: split-half consistency", output.ceiling, "headline-ceiling"));
        numbers.push(("Median r divided by the ceiling", output.ceiled, "headline-ceiled"));
    }
    if output.score != output.median_r {
        numbers.push(("Final score by the convention", output.score, "headline-score"));
    }
    let items = numbers.into_iter().map(|(name, value, test_id)| {
        let cell = Cell::number(value, NO_SCORE);
        let reason = if let Cell::Undefined(reason) = cell { Some(reason) } else { None };
        view! {
            <div>
                <dt>{name}</dt>
                <dd data-testid=test_id title=reason>{value.map_or_else(|| cell.display(), |v| number::significant(v, 3))}</dd>
            </div>
        }
    });
    let splits = output.per_split.len();
    let note = format!(
        "Held-out scores of {} predicted from {}, mean over {} {}.",
        output.targets,
        output.features,
        number::count(splits),
        if splits == 1 { "split" } else { "splits" }
    );
    view! {
        <dl class="headline" data-testid="encoding-headline">{items.collect_view()}</dl>
        <p class="headline-note">{note}</p>
    }
}

fn band_table(bands: &Bands) -> Table {
    let undefined = "no target has a defined score";
    let rows = bands
        .names
        .iter()
        .zip(bands.mean_parts.iter().zip(&bands.mean_weights))
        .map(|(name, (part, weight))| vec![Cell::Text(name.clone()), Cell::number(*part, undefined), Cell::number(*weight, undefined)]);
    Table::new(["Feature space", "Part of the explained variance, mean over targets", "Weight, mean over targets"], rows.collect())
}

fn split_table(output: &Output) -> Table {
    let rows = (1u64..).zip(&output.per_split).map(|(i, s)| {
        vec![
            Cell::Count(i),
            Cell::Count(s.n_train.into()),
            Cell::Count(s.n_test.into()),
            Cell::number(s.median_r, NO_SCORE),
            Cell::number(s.mean_r, NO_SCORE),
            Cell::number(s.r2_uniform, NO_SCORE),
        ]
    });
    Table::new(["Split", "Training rows", "Held-out rows", "Median r", "Mean r", "R²"], rows.collect())
}
