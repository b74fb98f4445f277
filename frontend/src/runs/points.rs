//! The points of a sweep that goes on on the server: where each stands, and a way to leave it out.

use std::collections::BTreeSet;

use eigenscope::analysis::Output;
use eigenscope::analysis::warp::{Place as Point, Spec};
use eigenscope::api::JobState;
use eigenscope::{AnalysisResult, AnalysisSpec};
use leptos::prelude::*;

use super::remote;
use crate::state::{App, Place, Run};

/// Where a point stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Waits,
    Runs,
    Done,
    LeftOut,
}

impl Stands {
    /// As on the page and in `data-state`.
    fn word(self) -> &'static str {
        match self {
            Self::Waits => "waiting",
            Self::Runs => "in training",
            Self::Done => "done",
            Self::LeftOut => "left out",
        }
    }
}

/// The list, while there is something to leave out.
pub(super) fn view(app: App, run: &Run) -> AnyView {
    let AnalysisSpec::Warp(spec) = &run.spec else { return ().into_any() };
    let places = spec.places();
    if places.len() < 2 {
        return ().into_any();
    }
    let names: Vec<String> = places.iter().map(|place| name(spec, *place)).collect();
    let Run { state, step, preview, left_out, place, .. } = *run;
    let all = Memo::new(move |_| {
        let trained = preview.with(|known| known.as_deref().map_or_else(BTreeSet::new, |known| trained(known, &places)));
        left_out.with(|left_out| stand(places.len(), current(&step.get()), &trained, left_out))
    });
    let counted = move || {
        let n = |wanted: Stands| all.with(|all| all.iter().filter(|s| **s == wanted).count());
        let left_out = match n(Stands::LeftOut) {
            0 => String::new(),
            n => format!(", {n} left out"),
        };
        format!("Points: {} of {} done{left_out}", n(Stands::Done), all.with(Vec::len))
    };
    let run = run.clone();
    let rows = move || {
        let row = |(i, name): (usize, &String)| {
            let stands = Memo::new(move |_| all.with(|all| all.get(i).copied().unwrap_or(Stands::Waits)));
            let run = run.clone();
            let label = format!("Leave out {name}");
            let button = move || {
                let (run, label) = (run.clone(), label.clone());
                matches!(stands.get(), Stands::Waits | Stands::Runs).then(|| {
                    view! {
                        <button type="button" class="quiet" data-testid="point-leave-out" aria-label=label on:click=move |_| remote::leave_out(app, &run, i)>
                            "Leave out"
                        </button>
                    }
                })
            };
            view! {
                <li data-testid="run-point" data-state=move || stands.get().word()>
                    <span>{name.clone()}" · "<span class="muted">{move || stands.get().word()}</span></span>
                    {button}
                </li>
            }
        };
        names.iter().enumerate().map(row).collect_view()
    };
    view! {
        <Show when=move || state.get() == JobState::Running && place.with(|p| matches!(p, Place::Server(Some(_))))>
            <details class="points" data-testid="run-points">
                <summary>{counted}</summary>
                <ul class="plain">{rows.clone()}</ul>
            </details>
        </Show>
    }
    .into_any()
}

/// What tells a point from the others of its sweep.
fn name(spec: &Spec, place: Point) -> String {
    let model = spec.models.get(place.model as usize).filter(|_| spec.models.len() > 1);
    let model = model.map(|m| format!("{}, {}: ", m.extraction.network, m.extraction.layers.join(" + ")));
    let target = spec.objectives.get(place.objective as usize).filter(|_| spec.objectives.len() > 1);
    let target = target.map(|t| format!(", to {}", t.input()));
    format!("{}{place}{}", model.unwrap_or_default(), target.unwrap_or_default())
}

/// Places of the points that have a result.
fn trained(known: &AnalysisResult, places: &[Point]) -> BTreeSet<usize> {
    let Output::Warp(output) = &known.output else { return BTreeSet::new() };
    output.points.iter().filter_map(|point| places.iter().position(|place| *place == point.place())).collect()
}

/// The place of the point that a step like `task 2 of 6: …` is of.
fn current(step: &str) -> Option<usize> {
    step.strip_prefix("task ")?.split_once(" of ")?.0.parse::<usize>().ok()?.checked_sub(1)
}

/// Where each of n points stands: they are trained one after the other, so that one without a result before one that has it was left out.
fn stand(n: usize, current: Option<usize>, trained: &BTreeSet<usize>, left_out: &BTreeSet<usize>) -> Vec<Stands> {
    let of = |i: usize| {
        if trained.contains(&i) {
            Stands::Done
        } else if left_out.contains(&i) || trained.last().is_some_and(|last| i < *last) {
            Stands::LeftOut
        } else {
            // What is known of the results is a little older than the step.
            match current {
                Some(current) if i < current => Stands::Done,
                Some(current) if i == current => Stands::Runs,
                _ => Stands::Waits,
            }
        }
    };
    (0..n).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_step_and_results_say() {
        use Stands::{Done, LeftOut, Runs, Waits};
        let set = |list: &[usize]| list.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!((current("task 3 of 6: epoch 1"), current("checking the inputs"), current("task 0 of 6: x")), (Some(2), None, None));
        assert_eq!(stand(3, None, &set(&[]), &set(&[])), [Waits, Waits, Waits]);
        assert_eq!(stand(4, Some(1), &set(&[]), &set(&[3])), [Done, Runs, Waits, LeftOut], "results come later than steps");
        assert_eq!(stand(4, Some(3), &set(&[0, 2]), &set(&[])), [Done, LeftOut, Done, Runs], "left out before the page was opened");
    }
}
