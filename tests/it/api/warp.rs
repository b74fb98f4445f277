//! Sweeps as jobs: one task for each point, shown while they go on, kept for other sweeps, gone on with after a kill.

use std::path::Path;
use std::process::Command;

use eigenscope::analysis::{AnalysisResult, Output, warp};
use eigenscope::api::{DatasetInfo, Job, JobState};
use eigenscope::{io, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::networks::data;
use crate::process::Server;
use crate::support::{TestApp, npy};

/// A small network, twenty images, random responses.
fn files() -> Option<[(&'static str, Vec<u8>); 3]> {
    let image = |i: u32| Some((format!("stim_{i:02}.png"), data(&format!("images92/stim_{i:02}.png"))?));
    let images = io::pack(&(1..=20).map(image).collect::<Option<Vec<_>>>()?).expect("it packs");
    Some([("net.onnx", data("networks/tiny_resnet.onnx")?), ("images.zip", images), ("y.npy", npy(20, 4, 2))])
}

/// A sweep of them by their ids.
fn sweep([network, images, responses]: [&DatasetInfo; 3], dims: &[u32], seeds: &[u32]) -> Value {
    json!({
        "spec": {
            "kind": "warp",
            "models": [{ "extraction": { "network": "net", "images": "x", "layers": ["relu_8"], "reading": "avg" } }],
            "objectives": [{ "encoding": "y" }],
            "dims": dims,
            "seeds": seeds,
            "training": { "epochs": 2, "batch": 6, "lr": 0.01 },
        },
        "inputs": { "net": { "dataset": network.id }, "x": { "dataset": images.id }, "y": { "dataset": responses.id } },
        "device": "cpu",
    })
}

async fn request(app: &TestApp, dims: &[u32], seeds: &[u32]) -> Option<Value> {
    let [network, images, responses] = files()?.map(|(name, bytes)| app.upload(name, bytes));
    Some(sweep([&network.await, &images.await, &responses.await], dims, seeds))
}

/// Dimensions, seeds and test scores to the last digit.
fn points(result: &Value) -> Vec<(u64, u64, String)> {
    let of = |p: &Value| (p["d"].as_u64().expect("d"), p["seed"].as_u64().expect("a seed"), p["test_r2"].to_string());
    result["points"].as_array().expect("points").iter().map(of).collect()
}

async fn finished(app: &TestApp, request: &Value) -> Value {
    let job: Job = app.post("/api/v1/jobs", request).await.read();
    app.wait_for(&job.id, JobState::Done).await;
    app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json()
}

/// A point that takes too long, or that nobody needs any more, is left out; the others go on.
#[tokio::test]
async fn one_point_of_a_sweep_can_be_left_out() {
    let app = TestApp::start_with(|config| config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "hang task-1".into())]).await;
    let Some(request) = request(&app, &[0, 8, 12, 20], &[0]).await else { return };
    let job: Job = app.post("/api/v1/jobs", &request).await.read();
    app.wait(&job.id, |job| job.step == "task 2 of 4: hanging").await;
    let cancel = |i: &str| format!("/api/v1/jobs/{}/tasks/{i}/cancel", job.id);
    app.post(&cancel("4"), &json!(null)).await.fails(404, "not_found");
    app.post(&cancel("x"), &json!(null)).await.fails(400, "malformed");
    let done = app.post(&cancel("0"), &json!(null)).await.fails(409, "conflict");
    assert!(done.contains("point 0 is done already"), "{done}");
    app.post(&cancel("3"), &json!(null)).await;
    app.post(&cancel("1"), &json!(null)).await;
    app.wait_for(&job.id, JobState::Done).await;
    let result = app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json();
    let all: Vec<u64> = points(&result).into_iter().map(|(d, ..)| d).collect();
    assert_eq!(all, [0, 12], "one was running, one was not there yet");
    assert_eq!(
        (&result["curves"][0]["dims"], &result["curves"][0]["d_warp"]),
        (&json!([0, 12]), &json!(null)),
        "an incomplete sweep has no d_warp"
    );
    app.post(&cancel("0"), &json!(null)).await.fails(409, "conflict");
    let data = app.upload("X.npy", npy(40, 12, 3)).await;
    let other = app.queue_dims(&data.id).await;
    let refused = app.post(&format!("/api/v1/jobs/{}/tasks/0/cancel", other.id), &json!(null)).await;
    assert!(refused.status == 422 || refused.status == 409, "{}", refused.status);
}

#[tokio::test]
async fn a_sweep_survives_kills_of_a_task_and_of_the_server() {
    let hangs = |which: &'static str| {
        move |config: &mut eigenscope_server::server::Config| {
            config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), format!("hang-once {which}"))];
        }
    };
    let app = TestApp::start_with(hangs("task-1")).await;
    let Some(request) = request(&app, &[0, 8, 20], &[0, 1]).await else { return };
    let job: Job = app.post("/api/v1/jobs", &request).await.read();
    // The second task hangs, is killed, and is started again; what the first has done stays.
    app.wait(&job.id, |job| job.step == "task 2 of 6: hanging").await;
    let preview = app.get(&format!("/api/v1/jobs/{}/preview", job.id)).await;
    let known: AnalysisResult = wire::unpack(&preview.body).expect("an envelope");
    let Output::Warp(known) = known.output else { panic!("a sweep") };
    assert_eq!((known.points.len(), known.points[0].d, known.curves[0].d_warp), (1, Some(0), None), "the first point is shown");
    let folder = app.dir.path().join("data/tasks").join(&job.id);
    let first = folder.join("task-0/result.eigr").metadata().and_then(|m| m.modified()).expect("the first piece");
    let killed = Command::new("pkill").args(["-9", "-f", &format!("{}/task-1$", folder.display())]).status().expect("pkill is there");
    assert!(killed.success(), "the task was killed");
    app.wait(&job.id, |job| job.step.starts_with("task 4 of 6") || job.state.is_final()).await;
    let dir = app.stop().await;
    let kept = dir.path().join("data/tasks").join(&job.id).join("task-0/result.eigr").metadata().and_then(|m| m.modified());
    assert_eq!(kept.expect("it is kept"), first, "the first point was not computed again");

    let app = TestApp::start_in(dir, |_| {}).await;
    app.wait_for(&job.id, JobState::Done).await;
    let divided = app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json();
    let all: Vec<(u64, u64)> = points(&divided).into_iter().map(|(d, seed, _)| (d, seed)).collect();
    assert_eq!(all, [(0, 0), (8, 0), (20, 0), (0, 1), (8, 1), (20, 1)]);
    let curve = &divided["curves"][0];
    assert_eq!((curve["dims"].clone(), curve["mean"].as_array().expect("means").len()), (json!([0, 8, 20]), 3));
    assert!(!curve["d_warp"].is_null() && curve["sem"].is_array(), "{curve}");

    // A sweep with one more number of dimensions computes only that one, and gives the numbers of one process.
    let mut more = request.clone();
    more["spec"]["dims"] = json!([0, 8, 12, 20]);
    more["spec"]["seeds"] = json!([1]);
    let pieces = || std::fs::read_dir(app.dir.path().join("data/pieces")).expect("pieces are kept").count();
    assert_eq!(pieces(), 6);
    let longer = finished(&app, &more).await;
    assert_eq!(pieces(), 7, "one point was new");
    let of = |result: &Value, d: u64| points(result).into_iter().find(|p| (p.0, p.1) == (d, 1)).expect("the point").2;
    assert_eq!((of(&longer, 8), of(&longer, 20)), (of(&divided, 8), of(&divided, 20)));
}

/// Points without their times, and curves.
fn timeless(envelope: &[u8]) -> warp::Output {
    let result: AnalysisResult = wire::unpack(envelope).expect("an envelope");
    let Output::Warp(mut output) = result.output else { panic!("a sweep") };
    output.points.iter_mut().for_each(|point| point.seconds = None);
    output
}

/// The number of the process that works in a folder.
fn process_in(folder: &Path) -> String {
    let found = Command::new("pgrep").args(["-f", &format!("{}$", folder.display())]).output().expect("pgrep is there");
    String::from_utf8_lossy(&found.stdout).trim().to_owned()
}

/// `kill -9` of the program itself, twice, each time when a point is done and the next one is under way.
#[test]
fn a_sweep_survives_kills_of_the_program_that_serves() {
    let Some(files) = files() else { return };
    let dir = TempDir::new().expect("a folder");
    let tasks = |job: &Job| dir.path().join("tasks").join(&job.id);
    let piece = |job: &Job, i: usize| tasks(job).join(format!("task-{i}/result.eigr"));
    let written = |job: &Job, i: usize| {
        let file = piece(job, i).metadata().expect("the piece is there");
        (file.modified().expect("a time"), std::os::unix::fs::MetadataExt::ino(&file))
    };
    let killed = |mut served: Server, job: &Job, i: usize| {
        let process = process_in(&tasks(job).join(format!("task-{i}")));
        assert!(process.parse::<u32>().is_ok(), "one process works on the point: {process}");
        served.kill();
        // It ends as well, so that nobody but the next server's process writes there.
        let ended = Command::new("timeout").args(["60", "tail", "-f", "/dev/null", "--pid", &process]).status().expect("tail is there");
        assert!(ended.success(), "the process outlives its server");
    };

    let served = Server::start(dir.path(), &[("EIGENSCOPE_TEST_CRASH", "hang task-1")]);
    let upload = |(name, bytes): &(&str, Vec<u8>)| served.read("POST", &format!("/api/v1/datasets?name={name}"), bytes);
    let [network, images, responses]: [DatasetInfo; 3] = files.each_ref().map(upload);
    let request = sweep([&network, &images, &responses], &[0, 8, 20], &[0, 1]);
    let job: Job = served.read("POST", "/api/v1/jobs", request.to_string().as_bytes());
    served.wait(&job.id, |job| job.step == "task 2 of 6: hanging");
    let first = written(&job, 0);
    killed(served, &job, 1);

    let served = Server::start(dir.path(), &[("EIGENSCOPE_TEST_CRASH", "hang task-2")]);
    served.wait(&job.id, |job| job.step == "task 3 of 6: hanging");
    assert_eq!(written(&job, 0), first, "the first point was not computed again");
    killed(served, &job, 2);

    let served = Server::start(dir.path(), &[]);
    served.wait(&job.id, |job| job.state == JobState::Done);
    let disturbed = timeless(&served.fetch("GET", &format!("/api/v1/jobs/{}/result", job.id), wire::MEDIA_TYPE, b""));
    assert_eq!(disturbed.points.len(), 6);

    // The same in one go, in a folder that knows nothing of it.
    let dir = TempDir::new().expect("a folder");
    let served = Server::start(dir.path(), &[]);
    files.iter().for_each(|(name, bytes)| drop(served.fetch("POST", &format!("/api/v1/datasets?name={name}"), "application/json", bytes)));
    let job: Job = served.read("POST", "/api/v1/jobs", request.to_string().as_bytes());
    served.wait(&job.id, |job| job.state == JobState::Done);
    let undisturbed = timeless(&served.fetch("GET", &format!("/api/v1/jobs/{}/result", job.id), wire::MEDIA_TYPE, b""));
    assert_eq!(disturbed, undisturbed, "the same to the bit");
}
