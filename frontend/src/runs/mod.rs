//! The list of runs, newest first: where each stands, and its result.

pub(crate) mod here;
mod item;
mod log;
mod points;
pub(crate) mod remote;

use std::collections::BTreeSet;

use eigenscope::AnalysisSpec;
use eigenscope::api::JobState;
use eigenscope::compute::DeviceChoice;
use leptos::prelude::*;

use crate::state::{App, Place, Run, now_ms};
use crate::upload::Upload;

/// A run that has not started.
pub(crate) fn new_run(app: App, spec: AnalysisSpec, device: DeviceChoice, place: Place) -> Run {
    let id = app.fresh_id();
    let labels = app.labels_for(&spec);
    app.keep(|| Run {
        id,
        spec,
        device,
        place: RwSignal::new(place),
        state: RwSignal::new(JobState::Queued),
        done_frac: RwSignal::new(0.0),
        step: RwSignal::new(String::new()),
        upload: Upload::new(),
        started_ms: RwSignal::new(now_ms()),
        finished_ms: RwSignal::new(None),
        remaining_secs: RwSignal::new(None),
        error: RwSignal::new(None),
        result: RwSignal::new(None),
        preview: RwSignal::new(None),
        left_out: RwSignal::new(BTreeSet::new()),
        tasks: RwSignal::new(Vec::new()),
        tasks_ms: RwSignal::new(0.0),
        previewed_ms: RwSignal::new(0.0),
        envelope: StoredValue::new_local(None),
        labels,
        open: RwSignal::new(false),
    })
}

/// Puts a run on top of the list.
pub(crate) fn add(app: App, run: Run) {
    app.runs.update(|all| all.insert(0, run));
}

/// Cancels a run, wherever it is.
fn cancel(app: App, run: &Run) {
    if run.place.with_untracked(|p| *p == Place::Here) { here::cancel(app, run) } else { remote::cancel(app, run) }
}

/// Removes a run from the list (and from the server).
fn remove(app: App, run: &Run) {
    if !run.state.get_untracked().is_final() {
        cancel(app, run);
    }
    remote::remove(app, run);
    app.runs.update(|all| all.retain(|r| r.id != run.id));
}

fn announce(app: App, run: &Run) {
    let state = state_word(run.state.get_untracked());
    app.say(format!("{}: {state}.", run.spec.title()));
}

/// As on the wire and in `data-state`.
pub(crate) fn state_word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Canceled => "canceled",
    }
}

pub(crate) fn panel(app: App) -> impl IntoView {
    view! {
        <section class="runs" id="runs" aria-labelledby="runs-heading">
            <h2 id="runs-heading">"Results"</h2>
            <Show when=move || app.runs.with(Vec::is_empty)>
                <p class="muted">"Nothing was run yet. Results appear here, newest first, and stay until you remove them."</p>
            </Show>
            <ol class="plain" reversed>
                <For each=move || app.runs.get() key=|run| run.id let:run>
                    {item::view(app, run)}
                </For>
            </ol>
        </section>
    }
    .into_any()
}
