//! Runs on the server: files are uploaded once, jobs survive a reload of the page, results come when they are looked at.

use std::collections::BTreeMap;

use eigenscope::AnalysisSpec;
use eigenscope::api::{ApiError, Event, InputRef, Job, JobRequest, JobState, TaskKind};
use eigenscope::compute::DeviceChoice;
use eigenscope::error::ErrorCode;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{here, new_run};
use crate::state::{App, Place, Run, now_ms};
use crate::{server, upload};

/// Uploads what the form's spec needs and starts it on the server.
pub(crate) fn start(app: App) {
    // The page's own GPU says nothing about the server's: only "CPU" is passed on.
    let device = if app.device.get_untracked() == DeviceChoice::Cpu { DeviceChoice::Cpu } else { DeviceChoice::Auto };
    let run = new_run(app, app.form.spec(), device, Place::Server(None));
    run.open.set(true);
    super::add(app, run.clone());
    spawn_local(async move {
        match submit(app, &run).await {
            Ok(job) => {
                let id = job.id.clone();
                adopt(app, &run, &id);
                update(app, &run, job);
                // Events that overtook this answer were not taken for this run's: ask once for what they told.
                if !run.state.get_untracked().is_final()
                    && let Ok(job) = server::job(&id).await
                {
                    update(app, &run, job);
                }
            }
            // It was canceled while its files were sent.
            Err(error) if error.code == ErrorCode::Canceled => {}
            Err(error) => {
                if let Some(field) = &error.field {
                    here::mark_field(app, &run, field, &error.message);
                }
                fail(app, &run, error.message);
            }
        }
    });
}

async fn submit(app: App, run: &Run) -> Result<Job, ApiError> {
    let mut inputs = BTreeMap::new();
    for name in run.spec.inputs() {
        let Some(dataset) = app.dataset(&name) else { continue };
        let source = dataset.source;
        let id = match source.server_id.get_value() {
            Some(id) => id,
            None => {
                let id = upload::send(app, &source.name(), &source.blob(), run.upload).await?;
                source.server_id.set_value(Some(id.clone()));
                id
            }
        };
        inputs.insert(name, InputRef { dataset: id, member: dataset.member.clone(), samples_axis: dataset.samples_axis.get_untracked() });
    }
    let request = JobRequest { spec: run.spec.clone(), inputs, device: run.device, priority: 0, concurrency: None };
    let answer = server::create_job(&request).await;
    if answer.as_ref().is_err_and(|e| e.code == ErrorCode::NotFound) {
        // The server has forgotten a file (its data folder was emptied): the next attempt uploads again.
        app.datasets.with_untracked(|all| all.iter().for_each(|d| d.source.server_id.set_value(None)));
    }
    answer
}

/// Takes over the server's list of jobs, which has them in the order in which they came, whatever its clock said.
pub(crate) fn sync(app: App, jobs: Vec<Job>) {
    for job in jobs {
        apply(app, Event::Job(Box::new(job)));
    }
}

/// Takes over one event.
pub(crate) fn apply(app: App, event: Event) {
    match event {
        Event::Removed { id } => app.runs.update(|all| all.retain(|r| r.place.with_untracked(|p| *p != Place::Server(Some(id.clone()))))),
        Event::Job(job) => {
            if let Some(run) = known(app, &job.id) {
                update(app, &run, *job);
            } else if !awaits_its_id(app, &job) {
                let run = new_run(app, job.request.spec.clone(), job.request.device, Place::Server(Some(job.id.clone())));
                super::add(app, run.clone());
                update(app, &run, *job);
            }
        }
    }
}

/// Fetches the result of a finished job, once, and shows what happens.
pub(super) fn fetch(app: App, run: &Run) {
    if run.result.with_untracked(Option::is_some) || run.state.get_untracked() != JobState::Done {
        return;
    }
    let run = run.clone();
    run.step.set("fetching the result".into());
    spawn_local(async move {
        if let Err(message) = fetched(&run).await {
            run.error.set(Some(message));
            app.say("The result could not be fetched.");
        }
        run.step.set(String::new());
    });
}

/// Makes sure that the result of a finished job is on the page.
pub(crate) async fn fetched(run: &Run) -> Result<(), String> {
    let Place::Server(Some(id)) = run.place.get_untracked() else { return Ok(()) };
    if run.result.with_untracked(Option::is_some) || run.state.get_untracked() != JobState::Done {
        return Ok(());
    }
    let envelope = server::result(&id).await.map_err(|e| e.message)?;
    here::keep(run, envelope).await.map_err(|e| e.to_string())
}

/// Asks the server to stop a job; the page shows it as canceled at once.
pub(super) fn cancel(app: App, run: &Run) {
    run.upload.canceled.set(true);
    finish(app, run, JobState::Canceled);
    let Place::Server(Some(id)) = run.place.get_untracked() else { return };
    let run = run.clone();
    spawn_local(async move {
        let Err(error) = server::cancel(&id).await else { return };
        // It ended before it could be stopped: show how.
        match server::job(&id).await {
            Ok(job) if error.code == ErrorCode::Conflict => {
                run.state.set(JobState::Running);
                update(app, &run, job);
            }
            _ => app.notice("Cancel", error.message),
        }
    });
}

/// Asks the server to leave out one point of a sweep; the others go on.
pub(super) fn leave_out(app: App, run: &Run, i: usize) {
    let Place::Server(Some(id)) = run.place.get_untracked() else { return };
    let left_out = run.left_out;
    left_out.update(|all| {
        all.insert(i);
    });
    spawn_local(async move {
        if let Err(error) = server::leave_out(&id, i).await {
            // It was done before it could be left out.
            left_out.update(|all| {
                all.remove(&i);
            });
            app.notice("Leave out", error.message);
        }
    });
}

/// Removes a job from the server too.
pub(super) fn remove(app: App, run: &Run) {
    let Place::Server(Some(id)) = run.place.get_untracked() else { return };
    spawn_local(async move {
        let mut outcome = server::delete(&id).await;
        if outcome.as_ref().is_err_and(|e| e.code == ErrorCode::Conflict) {
            // Its cancellation is still on the way. What it answers does not matter: the second attempt tells.
            server::cancel(&id).await.ok();
            outcome = server::delete(&id).await;
        }
        match outcome {
            Err(error) if error.code != ErrorCode::NotFound => app.notice("Remove", error.message),
            _ => {}
        }
    });
}

fn known(app: App, id: &str) -> Option<Run> {
    let is = |run: &&Run| run.place.with_untracked(|p| matches!(p, Place::Server(Some(known)) if known == id));
    app.runs.with_untracked(|all| all.iter().find(is).cloned())
}

/// The event of a job can overtake the answer to its creation.
fn awaits_its_id(app: App, job: &Job) -> bool {
    let is = |run: &Run| {
        run.place.with_untracked(|p| *p == Place::Server(None)) && run.spec == job.request.spec && !run.state.get_untracked().is_final()
    };
    app.runs.with_untracked(|all| all.iter().any(is))
}

/// Gives a run its job id; canceled before it had one, it is canceled on the server now.
fn adopt(app: App, run: &Run, id: &str) {
    let canceled = run.state.get_untracked() == JobState::Canceled;
    // An identical job may have been listed by its event already.
    app.runs.update(|all| all.retain(|r| r.id == run.id || r.place.with_untracked(|p| *p != Place::Server(Some(id.into())))));
    run.place.set(Place::Server(Some(id.into())));
    if canceled {
        cancel(app, run);
    }
}

fn update(app: App, run: &Run, job: Job) {
    let before = run.state.get_untracked();
    if before.is_final() {
        return;
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
    run.started_ms.set(job.created_ms as f64);
    run.done_frac.set(job.done_frac);
    run.remaining_secs.set(job.remaining_secs);
    run.step.set(job.step);
    run.state.set(job.state);
    run.error.set(job.error.map(|e| e.message));
    if job.state == JobState::Running {
        look(app, run, &job.id);
        look_at_points(run, &job.id);
    }
    if job.state.is_final() {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit in 53 bits")]
        run.finished_ms.set(job.finished_ms.map(|ms| ms as f64));
        run.step.set(String::new());
        super::announce(app, run);
        if run.open.get_untracked() {
            fetch(app, run);
        }
    }
}

/// Milliseconds between two looks at what is known of a job.
const LOOK_MS: f64 = 1500.0;

/// Asks what is known of a running job whose result fills in bit by bit, now and then, when someone looks.
fn look(app: App, run: &Run, id: &str) {
    let fills_in = matches!(run.spec, AnalysisSpec::ShapeDistance(_) | AnalysisSpec::Warp(_) | AnalysisSpec::Orientation(_));
    let now = now_ms();
    if !fills_in || !run.open.get_untracked() || now - run.previewed_ms.get_untracked() < LOOK_MS {
        return;
    }
    run.previewed_ms.set(now);
    let (run, id) = (run.clone(), id.to_owned());
    spawn_local(async move {
        // There may be nothing yet; the next event asks again.
        if let Ok(Some(envelope)) = server::preview(&id).await {
            here::preview(app, &run, &envelope);
        }
    });
}

/// Asks where the points of a sweep stand, now and then.
fn look_at_points(run: &Run, id: &str) {
    let now = now_ms();
    if !matches!(run.spec, AnalysisSpec::Warp(_)) || now - run.tasks_ms.get_untracked() < LOOK_MS {
        return;
    }
    run.tasks_ms.set(now);
    let (tasks, id) = (run.tasks, id.to_owned());
    spawn_local(async move {
        // The next event asks again.
        if let Ok(known) = server::tasks(&id).await {
            tasks.set(known.into_iter().filter(|task| task.kind == TaskKind::Part).map(|task| task.state).collect());
        }
    });
}

fn fail(app: App, run: &Run, message: String) {
    if run.state.get_untracked().is_final() {
        return;
    }
    run.error.set(Some(message));
    finish(app, run, JobState::Failed);
}

fn finish(app: App, run: &Run, state: JobState) {
    run.state.set(state);
    run.finished_ms.set(Some(now_ms()));
    super::announce(app, run);
}
