//! Tasks of jobs: several at once, their order, what they say, how they are stopped.

use std::process::Command;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use eigenscope::api::{Event, Job, JobState, JobTask, TaskKind};
use eigenscope_server::server::Config;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::support::{TestApp, dims_request, npy};

/// Three tasks; each process misbehaves as told.
fn in_three(workers: usize, how: &'static str) -> impl FnOnce(&mut Config) {
    move |config| {
        (config.task_flops, config.workers) = (2000.0, workers);
        config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), how.into())];
    }
}

async fn tasks(app: &TestApp, job: &Job) -> Vec<JobTask> {
    app.get(&format!("/api/v1/jobs/{}/tasks", job.id)).await.read()
}

async fn queue(app: &TestApp, request: &Value) -> Job {
    let reply = app.post("/api/v1/jobs", request).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&reply.body));
    reply.read()
}

/// Waits for something that no event tells.
async fn until(what: &str, is: impl AsyncFn() -> bool) -> Duration {
    let start = Instant::now();
    while !is().await {
        assert!(start.elapsed().as_secs() < 60, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

/// The most tasks that ran at one moment.
fn overlap(tasks: &[JobTask]) -> usize {
    let times: Vec<_> = tasks.iter().map(|task| (task.started_ms.expect("started"), task.ended_ms.expect("ended"))).collect();
    times.iter().map(|(at, _)| times.iter().filter(|(from, to)| from <= at && at < to).count()).max().unwrap_or(0)
}

#[tokio::test]
async fn tasks_run_at_the_same_time_and_give_the_numbers_of_one_after_the_other() {
    let app = TestApp::start_with(in_three(3, "pause")).await;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let mut results = Vec::new();
    for (concurrency, at_once) in [(json!(null), 3), (json!(2), 2), (json!(1), 1)] {
        let mut request = dims_request(&data.id);
        request["concurrency"] = concurrency;
        let job = queue(&app, &request).await;
        assert_eq!(job.state, JobState::Queued, "not found among the finished: {job:?}");
        app.wait_for(&job.id, JobState::Done).await;
        let tasks = tasks(&app, &job).await;
        assert_eq!(
            tasks.iter().map(|task| task.kind).collect::<Vec<_>>(),
            [TaskKind::Part, TaskKind::Part, TaskKind::Part, TaskKind::Join]
        );
        assert!(tasks.iter().all(|task| task.state == JobState::Done && task.attempts == 1), "{tasks:?}");
        assert!(tasks.iter().all(|task| task.ran_secs.is_some_and(|secs| (1.0..60.0).contains(&secs))), "each paused a second: {tasks:?}");
        assert_eq!(overlap(&tasks), at_once, "{tasks:?}");
        results.push(app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.body);
        app.call(Method::DELETE, &format!("/api/v1/jobs/{}", job.id), Body::empty()).await;
    }
    assert_eq!((&results[0], &results[1]), (&results[2], &results[2]));
    app.stop().await;
}

#[tokio::test]
async fn two_jobs_share_the_processes() {
    let app = TestApp::start_with(in_three(2, "pause")).await;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let mut other = dims_request(&data.id);
    other["spec"]["seed"] = json!(1);
    let first = queue(&app, &dims_request(&data.id)).await;
    let second = queue(&app, &other).await;
    app.wait_for(&first.id, JobState::Done).await;
    app.wait_for(&second.id, JobState::Done).await;
    let (first, second) = (tasks(&app, &first).await, tasks(&app, &second).await);
    // The first two processes may both be the first job's, which was there first; then each has one.
    assert!(second[0].started_ms < first[3].started_ms, "the second does not wait for the end of the first");
    assert!(overlap(&[first, second].concat()) <= 2, "two processes");
    app.stop().await;
}

#[tokio::test]
async fn canceling_stops_every_process_of_a_job_within_two_seconds() {
    let app = TestApp::start_with(in_three(3, "hang")).await;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let job = app.queue_dims(&data.id).await;
    until("three run", async || tasks(&app, &job).await.iter().filter(|task| task.state == JobState::Running).count() == 3).await;
    let folder = app.dir.path().join("data/tasks").join(&job.id).display().to_string();
    let n_processes = || {
        let said = Command::new("pgrep").args(["-c", "-f", &folder]).output().expect("pgrep is there");
        String::from_utf8_lossy(&said.stdout).trim().parse::<usize>().expect("a number")
    };
    until("three processes", async || n_processes() == 3).await;
    let start = Instant::now();
    app.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!(null)).await;
    until("no process", async || n_processes() == 0).await;
    let took = start.elapsed();
    println!("cancel of three processes: {} ms", took.as_millis());
    assert!(took.as_secs_f64() < 2.0, "{took:?}");
    let states: Vec<_> = tasks(&app, &job).await.into_iter().map(|task| task.state).collect();
    assert_eq!(states, [JobState::Canceled; 4]);
    app.stop().await;
}

#[tokio::test]
async fn a_waiting_job_of_higher_priority_goes_first() {
    let app = TestApp::start_with(|config| config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "pause".into())]).await;
    let data = app.upload("X.npy", npy(20, 6, 3)).await;
    let request = |seed: u32, priority: i32| {
        let mut request = dims_request(&data.id);
        (request["spec"]["seed"], request["priority"]) = (json!(seed), json!(priority));
        request
    };
    let running = queue(&app, &request(0, 0)).await;
    app.wait(&running.id, |job| job.state == JobState::Running).await;
    let (low, plain) = (queue(&app, &request(1, -5)).await, queue(&app, &request(2, 0)).await);
    let (urgent, raised) = (queue(&app, &request(3, 9)).await, queue(&app, &request(4, -100)).await);
    let change = async |id: &str, body: Value| app.call(Method::PATCH, &format!("/api/v1/jobs/{id}"), body.to_string()).await;
    let changed: Job = change(&raised.id, json!({ "priority": 0 })).await.read();
    assert_eq!((changed.request.priority, changed.state), (0, JobState::Queued));
    change(&running.id, json!({ "priority": 3 })).await.fails(409, "conflict");
    change("nope", json!({ "priority": 3 })).await.fails(404, "not_found");
    change(&low.id, json!({ "priority": 101 })).await.fails(422, "parameter");
    change(&low.id, json!({ "priority": 1, "state": "done" })).await.fails(422, "parameter");
    app.post("/api/v1/jobs", &request(5, 101)).await.fails(422, "parameter");
    let mut events = app.events(0).await;
    let mut order = Vec::new();
    while order.len() < 5 {
        if let (_, Some(Event::Job(job))) = events.next().await
            && job.state == JobState::Done
        {
            order.push(job.id.clone());
        }
    }
    assert_eq!(order, [running.id, urgent.id, plain.id, raised.id, low.id], "priority, then the order in which they came");
}

#[tokio::test]
async fn a_task_leaves_a_log_that_goes_with_its_job() {
    let app = TestApp::start_with(in_three(2, "abort task-1")).await;
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let job = app.queue_dims(&data.id).await;
    let failed = app.wait_for(&job.id, JobState::Failed).await;
    assert!(failed.error.is_some_and(|error| error.message.contains("planted abort")));
    let tasks = tasks(&app, &job).await;
    assert_eq!((tasks[0].state, tasks[1].state, tasks[1].attempts), (JobState::Done, JobState::Failed, 3), "{tasks:?}");
    assert_eq!((tasks[3].state, tasks[3].attempts), (JobState::Canceled, 0), "there was nothing to join");
    let log = |i: &str| format!("/api/v1/jobs/{}/tasks/{i}/log", job.id);
    let reply = app.get(&log("1")).await;
    assert_eq!((reply.header("content-type"), reply.header("x-content-type-options")), ("text/plain; charset=utf-8", "nosniff"));
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    for said in [" started as process ", "planted abort\n", "killed by signal 6"] {
        assert_eq!(text.matches(said).count(), 3, "three starts: {text}");
    }
    assert_eq!(app.get(&log("3")).await.body.len(), 0, "it did not start");
    app.get(&log("4")).await.fails(404, "not_found");
    app.get(&log("x")).await.fails(400, "malformed");
    app.get("/api/v1/jobs/nope/tasks").await.fails(404, "not_found");
    app.get("/api/v1/jobs/nope/tasks/0/log").await.fails(404, "not_found");
    let folder = app.dir.path().join("data/logs").join(&job.id);
    assert!(folder.is_dir(), "the logs outlive the folder of the job");
    app.call(Method::DELETE, &format!("/api/v1/jobs/{}", job.id), Body::empty()).await;
    assert!(!folder.exists(), "and go with the job");
}

#[tokio::test]
async fn a_job_says_how_long_it_will_go_on_once_that_can_be_known() {
    // Its minute is even; it is canceled as soon as it has said something.
    let app = TestApp::start_with(|config| config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "hang".into())]).await;
    let data = app.upload("X.npy", npy(20, 6, 3)).await;
    let job = app.queue_dims(&data.id).await;
    assert_eq!(job.remaining_secs, None);
    let known = app.wait(&job.id, |job| job.remaining_secs.is_some()).await;
    let (left, done) = (known.remaining_secs.expect("known"), known.done_frac);
    // A busy machine stretches the minute, but what is left of it takes at least as long as an idle one would need.
    assert!(left > 0.9 * 60.0 * (1.0 - done), "{left} s at {done}");
    assert!(done > 0.02, "two of sixty seconds were waited for: {done}");
    app.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!(null)).await;
    let canceled = app.wait_for(&job.id, JobState::Canceled).await;
    assert!(canceled.remaining_secs.is_none() && canceled.started_ms.is_some());
    app.stop().await;
}
