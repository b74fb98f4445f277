//! The points of a sweep that goes on on the server: where each stands, and a way to leave it out.

use std::collections::BTreeSet;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::warp::{Place as Point, Spec};
use eigenscope::api::JobState;
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
    let Run { state, tasks, left_out, place, .. } = *run;
    let all = Memo::new(move |_| tasks.with(|tasks| left_out.with(|left_out| stand(places.len(), tasks, left_out))));
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

/// Where each of n points stands, by what the server said of their tasks; one that was left out a moment ago may still end.
fn stand(n: usize, tasks: &[JobState], left_out: &BTreeSet<usize>) -> Vec<Stands> {
    let of = |i: usize| match tasks.get(i) {
        Some(JobState::Done) => Stands::Done,
        Some(JobState::Canceled) => Stands::LeftOut,
        _ if left_out.contains(&i) => Stands::LeftOut,
        Some(JobState::Running) => Stands::Runs,
        Some(JobState::Queued | JobState::Failed) | None => Stands::Waits,
    };
    (0..n).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_tasks_do() {
        use JobState::{Canceled, Queued, Running};
        use Stands::{Done, LeftOut, Runs, Waits};
        let left_out = |list: &[usize]| list.iter().copied().collect();
        assert_eq!(stand(2, &[], &left_out(&[])), [Waits, Waits], "nothing was said yet");
        assert_eq!(stand(4, &[JobState::Done, Canceled, Running, Queued], &left_out(&[])), [Done, LeftOut, Runs, Waits]);
        assert_eq!(stand(3, &[Running, Queued, JobState::Done], &left_out(&[0, 1, 2])), [LeftOut, LeftOut, Done], "too late for the last");
    }
}
