//! Jobs that go well: results, cache, cancellation, restart, events.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use eigenscope::api::{Event, Job, JobState};
use eigenscope::{AnalysisResult, AnalysisSpec, Device, Inputs, Silent, wire};
use eigenscope_server::server::Config;
use serde_json::json;

use crate::support::{TOKEN, TestApp, as_text, dims_request, matrix, npy, request};

fn hang(config: &mut Config) {
    config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "hang".into())];
}

#[tokio::test]
async fn a_job_gives_the_bits_that_the_library_gives() {
    let app = TestApp::start().await;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let job = app.queue_dims(&data.id).await;
    assert_eq!(job.state, JobState::Queued);
    let done = app.wait_for(&job.id, JobState::Done).await;
    assert_eq!((done.done_frac.to_bits(), done.error), (1f64.to_bits(), None));

    let result = format!("/api/v1/jobs/{}/result", job.id);
    let envelope = request(Method::GET, &result).header("accept", wire::MEDIA_TYPE).header("authorization", format!("Bearer {TOKEN}"));
    let envelope = app.send(envelope.body(Body::empty()).expect("a request")).await;
    assert_eq!(envelope.header("content-type"), wire::MEDIA_TYPE);
    let remote: AnalysisResult = wire::unpack(&envelope.body).expect("an envelope");

    let spec: AnalysisSpec = serde_json::from_value(dims_request("")["spec"].clone()).expect("a spec");
    let mut inputs = Inputs::default();
    inputs.insert("X", matrix("X", 40, 12, 3));
    let local = pollster::block_on(eigenscope::run(&spec, &inputs, &Device::cpu(), &Silent)).expect("it runs");
    // Threads may split sums differently between two processes; the numbers of this small input do not depend on them.
    let read_back: AnalysisResult = wire::unpack(&wire::pack(&local).expect("it packs")).expect("an envelope");
    assert_eq!(remote.output, read_back.output);
    let text = app.get(&result).await;
    assert_eq!(text.header("content-type"), "application/json");
    assert_eq!(text.json()["spectra"], as_text(&local.output)["spectra"]);
}

#[tokio::test]
async fn an_identical_job_is_found_among_the_finished() {
    let app = TestApp::start().await;
    let data = app.upload("X.npy", npy(20, 6, 4)).await;
    let first = app.queue_dims(&data.id).await;
    app.wait_for(&first.id, JobState::Done).await;
    let second = app.queue_dims(&data.id).await;
    assert_eq!((second.state, second.id == first.id), (JobState::Done, false));
    let mut other = dims_request(&data.id);
    other["spec"]["centering"] = json!("none");
    assert_eq!(app.post("/api/v1/jobs", &other).await.read::<Job>().state, JobState::Queued);
    let delete = app.call(Method::DELETE, &format!("/api/v1/jobs/{}", first.id), Body::empty()).await;
    assert_eq!(delete.status, StatusCode::NO_CONTENT);
    let kept = app.get(&format!("/api/v1/jobs/{}/result", second.id)).await;
    assert_eq!(kept.status, StatusCode::OK, "the second job still refers to the result");
    app.get(&format!("/api/v1/jobs/{}/result", first.id)).await.fails(404, "not_found");
}

#[tokio::test]
async fn a_running_job_is_canceled_at_once_and_the_next_one_starts() {
    let app = TestApp::start_with(hang).await;
    let data = app.upload("X.npy", npy(20, 6, 5)).await;
    let first = app.queue_dims(&data.id).await;
    let mut other = dims_request(&data.id);
    other["spec"]["seed"] = json!(1);
    let second: Job = app.post("/api/v1/jobs", &other).await.read();
    let progress = app.wait(&first.id, |job| job.done_frac > 0.0).await;
    assert_eq!((progress.state, progress.step.as_str()), (JobState::Running, "hanging"));
    app.call(Method::DELETE, &format!("/api/v1/datasets/{}", data.id), Body::empty()).await.fails(409, "conflict");
    app.call(Method::DELETE, &format!("/api/v1/jobs/{}", first.id), Body::empty()).await.fails(409, "conflict");
    app.get(&format!("/api/v1/jobs/{}/result", first.id)).await.fails(409, "conflict");

    let cancel = format!("/api/v1/jobs/{}/cancel", first.id);
    let start = tokio::time::Instant::now();
    assert_eq!(app.post(&cancel, &json!(null)).await.read::<Job>().state, JobState::Canceled);
    app.wait(&second.id, |job| job.done_frac > 0.0).await;
    assert!(start.elapsed().as_secs() < 10, "the process was stopped long before its minute was over: {:?}", start.elapsed());
    app.post(&cancel, &json!(null)).await.fails(409, "conflict");
    app.post(&format!("/api/v1/jobs/{}/cancel", second.id), &json!(null)).await;
    app.wait_for(&second.id, JobState::Canceled).await;
    app.post("/api/v1/jobs/nope/cancel", &json!(null)).await.fails(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_restarted_server_finishes_what_the_last_one_left() {
    let app = TestApp::start_with(hang).await;
    let data = app.upload("X.npy", npy(20, 6, 6)).await;
    let running = app.queue_dims(&data.id).await;
    let mut other = dims_request(&data.id);
    other["spec"]["seed"] = json!(1);
    let waiting: Job = app.post("/api/v1/jobs", &other).await.read();
    app.wait(&running.id, |job| job.done_frac > 0.0).await;
    let newest = app.get("/api/v1/jobs").await.header("x-last-event-id").parse::<u64>().expect("an id");
    let dir = app.stop().await;

    let app = TestApp::start_in(dir, |_| ()).await;
    for id in [&running.id, &waiting.id] {
        app.wait_for(id, JobState::Done).await;
    }
    let mut events = app.events(newest).await;
    assert_eq!(events.next().await.0, newest, "the greeting repeats where the stream goes on");
    assert_eq!(events.next().await.0, newest + 1, "the ids go on across the restart");
}

#[tokio::test]
async fn events_are_numbered_without_gaps_and_replayed() {
    let app = TestApp::start().await;
    let data = app.upload("X.npy", npy(20, 6, 7)).await;
    let job = app.queue_dims(&data.id).await;
    let mut live = app.events(0).await;
    let (mut seen, mut states) = (vec![live.next().await.0], Vec::new());
    while states.last() != Some(&JobState::Done) {
        let (id, event) = live.next().await;
        seen.push(id);
        if let Some(Event::Job(now)) = event {
            assert_eq!(now.id, job.id);
            states.push(now.state);
        }
    }
    assert_eq!(seen, (0..seen.len() as u64).collect::<Vec<_>>());
    states.dedup();
    assert_eq!(states, [JobState::Queued, JobState::Running, JobState::Done]);

    app.call(Method::DELETE, &format!("/api/v1/jobs/{}", job.id), Body::empty()).await;
    let last = seen.len() as u64 - 1;
    let mut replay = app.events(last - 1).await;
    assert_eq!(replay.next().await, (last - 1, None));
    assert!(matches!(replay.next().await, (id, Some(Event::Job(job))) if id == last && job.state == JobState::Done), "the last state");
    assert_eq!(replay.next().await, (last + 1, Some(Event::Removed { id: job.id })));
}

/// A request that is divided into three tasks of about 40 x 12 x 12 / 3 flops.
fn in_three(config: &mut Config) {
    config.task_flops = 2000.0;
}

/// A divided job whose second task hangs.
async fn half_done(seed: u64) -> (TestApp, Job) {
    let app = TestApp::start_with(|config| {
        in_three(config);
        config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "hang task-1".into())];
    })
    .await;
    let data = app.upload("X.npy", npy(40, 12, seed)).await;
    let job = app.queue_dims(&data.id).await;
    app.wait(&job.id, |job| job.step == "task 2 of 3: hanging").await;
    (app, job)
}

#[tokio::test]
async fn a_divided_job_gives_the_numbers_of_an_undivided_one() {
    let app = TestApp::start_with(in_three).await;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let mut live = app.events(0).await;
    let job = app.queue_dims(&data.id).await;
    let (mut steps, mut done) = (Vec::new(), Vec::new());
    loop {
        let (_, Some(Event::Job(now))) = live.next().await else { continue };
        assert!(now.error.is_none(), "{:?}", now.error);
        steps.push(now.step.clone());
        done.push(now.done_frac);
        if now.state == JobState::Done {
            break;
        }
    }
    for i in 1..=3 {
        assert!(steps.iter().any(|step| step.starts_with(&format!("task {i} of 3: "))), "task {i} reports: {steps:?}");
    }
    assert!(done.is_sorted(), "progress goes on over all tasks: {done:?}");
    let divided = app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json();
    let mut inputs = Inputs::default();
    inputs.insert("X", matrix("X", 40, 12, 3));
    let spec: AnalysisSpec = serde_json::from_value(dims_request("")["spec"].clone()).expect("a spec");
    let whole = pollster::block_on(eigenscope::run(&spec, &inputs, &Device::cpu(), &Silent)).expect("it runs");
    let ed = |result: &serde_json::Value| result["spectra"][0]["effective_dimensionality"].as_f64().expect("defined");
    let (divided, whole) = (ed(&divided), ed(&as_text(&whole.output)));
    // The same products, summed in another order.
    assert!((divided - whole).abs() < 1e-13 * whole, "{divided}, not {whole}");
    goes_away(&app.dir.path().join("data/tasks").join(&job.id)).await;
}

#[tokio::test]
async fn a_matrix_of_distances_fills_in_task_by_task() {
    let app = TestApp::start_with(|config| {
        config.task_flops = 2_000.0;
        config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "hang task-2".into())];
    })
    .await;
    let mut inputs = json!({});
    for i in 0..6u64 {
        inputs[format!("n{i}")] = json!({ "dataset": app.upload(&format!("n{i}.npy"), npy(20, 5, i)).await.id });
    }
    let names: Vec<String> = (0..6).map(|i| format!("n{i}")).collect();
    let request = json!({ "spec": { "kind": "shape_distance", "inputs": names }, "inputs": inputs });
    let job: Job = app.post("/api/v1/jobs", &request).await.read();
    let preview = format!("/api/v1/jobs/{}/preview", job.id);
    app.wait(&job.id, |job| job.step.ends_with("hanging") && job.step.starts_with("task 3")).await;
    let known: AnalysisResult = wire::unpack(&app.get(&preview).await.body).expect("an envelope");
    assert!(known.is_preview());
    let eigenscope::analysis::Output::ShapeDistance(known) = known.output else { panic!("distances") };
    let n_known = known.distances.values.iter().filter(|d| d.is_finite()).count();
    assert!(n_known > 6 && n_known < 36, "{n_known} of 36 cells");
    app.get("/api/v1/jobs/nope/preview").await.fails(404, "not_found");
    app.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!(null)).await;
    app.wait_for(&job.id, JobState::Canceled).await;
    assert_eq!(app.get(&preview).await.status, 204, "nothing to show once it has ended");
}

#[tokio::test]
async fn a_restarted_server_keeps_the_tasks_that_were_done() {
    let (app, job) = half_done(8).await;
    let piece = |dir: &std::path::Path, task: &str| dir.join("data/tasks").join(&job.id).join(task).join("result.eigr");
    let written = piece(app.dir.path(), "task-0").metadata().and_then(|m| m.modified()).expect("the first piece is there");
    let newest = app.get("/api/v1/jobs").await.header("x-last-event-id").parse::<u64>().expect("an id");
    let dir = app.stop().await;
    let kept = piece(dir.path(), "task-0").metadata().and_then(|m| m.modified()).expect("the first piece is kept");
    assert_eq!(kept, written);

    let app = TestApp::start_in(dir, in_three).await;
    app.wait_for(&job.id, JobState::Done).await;
    let mut events = app.events(newest).await;
    loop {
        let (_, Some(Event::Job(now))) = events.next().await else { continue };
        assert!(!now.step.starts_with("task 1 of 3"), "the first task does not run again");
        if now.state == JobState::Done {
            break;
        }
    }
}

#[tokio::test]
async fn canceling_a_half_done_job_removes_its_pieces() {
    let (app, job) = half_done(9).await;
    app.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!(null)).await;
    app.wait_for(&job.id, JobState::Canceled).await;
    goes_away(&app.dir.path().join("data/tasks").join(&job.id)).await;
}

/// The last state is told before the folder is removed.
async fn goes_away(folder: &std::path::Path) {
    let start = tokio::time::Instant::now();
    while folder.exists() {
        assert!(start.elapsed().as_secs() < 10, "{} stays", folder.display());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
