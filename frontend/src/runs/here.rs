//! Runs in this browser: one at a time in the worker, the others wait here, so that canceling one never costs another.

use std::collections::BTreeMap;
use std::rc::Rc;

use eigenscope::api::JobState;
use eigenscope::{AnalysisResult, AnalysisSpec, Error, wire};
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::new_run;
use crate::client::News;
use crate::forms::Problem;
use crate::lazy;
use crate::protocol::Request;
use crate::state::{App, Place, Run, now_ms};

/// Queues the spec of the form.
pub(crate) fn start(app: App) {
    drop(start_spec(app, untrack(|| app.form.spec())));
}

/// Queues a spec.
pub(crate) fn start_spec(app: App, spec: AnalysisSpec) -> Run {
    let run = new_run(app, spec, app.device.get_untracked(), Place::Here);
    run.open.set(true);
    app.say(format!("{} was started.", run.spec.title()));
    super::add(app, run.clone());
    next(app);
    run
}

/// Cancels at once: the worker is ended and starts again when it is needed.
pub(super) fn cancel(app: App, run: &Run) {
    if run.state.get_untracked() == JobState::Running {
        app.client().cancel();
    }
    finish(app, run, JobState::Canceled);
}

/// Starts the oldest waiting run unless one is under way.
fn next(app: App) {
    let here = |run: &&Run| run.place.with_untracked(|p| *p == Place::Here);
    let chosen = app.runs.with_untracked(|all| {
        let busy = all.iter().filter(here).any(|r| r.state.get_untracked() == JobState::Running);
        if busy { None } else { all.iter().rev().filter(here).find(|r| r.state.get_untracked() == JobState::Queued).cloned() }
    });
    let Some(run) = chosen else { return };
    run.state.set(JobState::Running);
    run.started_ms.set(now_ms());
    spawn_local(async move {
        let outcome = async {
            let envelope = compute(app, &run).await?;
            let result = read(&envelope).await?;
            Ok((envelope, result))
        };
        let outcome = outcome.await;
        // Canceled meanwhile: whatever came back is no longer wanted, and the next run was started by the cancellation.
        if run.state.get_untracked() != JobState::Running {
            return;
        }
        match outcome {
            Ok((envelope, result)) => {
                show(&run, envelope, result);
                finish(app, &run, JobState::Done);
            }
            Err(Error::Canceled) => finish(app, &run, JobState::Canceled),
            Err(error) => {
                mark(app, &run, &error);
                run.error.set(Some(error.to_string()));
                finish(app, &run, JobState::Failed);
            }
        }
    });
}

async fn compute(app: App, run: &Run) -> Result<Uint8Array, Error> {
    let mut inputs = BTreeMap::new();
    let mut datasets = Vec::new();
    for name in run.spec.inputs() {
        let dataset = app.dataset(&name).ok_or_else(|| Error::input(&name, "there is no dataset of this name; load it again"))?;
        inputs.insert(name, dataset.key.clone());
        datasets.push(dataset);
    }
    let of = run.clone();
    let progress = Rc::new(move |news: News| {
        if of.state.get_untracked() != JobState::Running {
            return;
        }
        match news {
            News::Step(frac, what) => {
                of.done_frac.set(frac);
                of.step.set(what);
            }
            News::Preview(envelope) => preview(app, &of, &envelope),
        }
    });
    let request = Request::Run { spec: run.spec.clone(), inputs, device: run.device };
    app.client().run(&request, &datasets, progress).await
}

/// Shows what is known of a result, when someone looks.
pub(super) fn preview(app: App, run: &Run, envelope: &Uint8Array) {
    let Some(rest) = app.rest.get_untracked().filter(|_| run.open.get_untracked() && !run.state.get_untracked().is_final()) else { return };
    // What cannot be read is only missed: the result itself comes later.
    if let Ok(known) = (rest.read_result)(envelope) {
        run.preview.set(Some(std::sync::Arc::new(known)));
    }
}

/// Reads a result and keeps its bytes outside the module for saving.
pub(crate) async fn keep(run: &Run, envelope: Uint8Array) -> Result<(), Error> {
    let result = read(&envelope).await?;
    show(run, envelope, result);
    Ok(())
}

/// Taking the bytes of a large result, reading it and showing it are three tasks, between which the page can answer.
async fn read(envelope: &Uint8Array) -> Result<AnalysisResult, Error> {
    gloo::timers::future::TimeoutFuture::new(0).await;
    let result = (lazy::rest().await?.read_result)(envelope);
    gloo::timers::future::TimeoutFuture::new(0).await;
    result
}

/// Reads a result from its bytes.
pub(crate) fn read_result(envelope: &Uint8Array) -> Result<AnalysisResult, Error> {
    wire::read(Bytes { all: envelope, at: 0 })
}

fn show(run: &Run, envelope: Uint8Array, result: AnalysisResult) {
    run.preview.set(None);
    run.envelope.set_value(Some(envelope));
    run.result.set(Some(std::sync::Arc::new(result)));
}

/// Bytes outside the module.
struct Bytes<'a> {
    all: &'a Uint8Array,
    at: u32,
}

impl std::io::Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = u32::try_from(into.len()).unwrap_or(u32::MAX).min(self.all.length() - self.at);
        self.all.subarray(self.at, self.at + n).copy_to(&mut into[..n as usize]);
        self.at += n;
        Ok(n as usize)
    }
}

fn finish(app: App, run: &Run, state: JobState) {
    run.state.set(state);
    run.finished_ms.set(Some(now_ms()));
    super::announce(app, run);
    next(app);
}

/// Marks the field that the error is about, when the form still shows the same spec.
pub(super) fn mark(app: App, run: &Run, error: &Error) {
    if let Some(field) = error.field() {
        mark_field(app, run, field, &error.to_string());
    }
}

/// The same for an error of the server.
pub(super) fn mark_field(app: App, run: &Run, field: &str, message: &str) {
    if untrack(|| app.form.spec()) == run.spec {
        let problem = Problem { field: field.into(), message: message.into(), unset: false };
        app.form.rejected.set(Some(problem));
    }
}
