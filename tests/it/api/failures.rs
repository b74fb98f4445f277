//! Jobs that are refused or fail: each with a status, a code and a sentence.

use eigenscope::api::{ApiError, Job, JobState};
use eigenscope::{Error, error::ErrorCode};
use serde_json::{Value, json};

use crate::support::{TestApp, dims_request, npy};

fn with(base: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut out = base.clone();
    change(&mut out);
    out
}

#[tokio::test]
async fn requests_of_another_form_are_refused_with_the_field() {
    let app = TestApp::start().await;
    let data = app.upload("X.npy", npy(6, 4, 1)).await;
    let good = dims_request(&data.id);
    for text in ["", "{", "{\"spec\": }", "[1,2"] {
        app.call(axum::http::Method::POST, "/api/v1/jobs", text).await.fails(400, "malformed");
    }
    let cases = [
        (with(&good, |r| r["extra"] = json!(1)), 422, "parameter", Some("extra")),
        (json!({ "spec": good["spec"] }), 422, "parameter", Some("inputs")),
        (with(&good, |r| r["spec"]["depth"] = json!(1)), 422, "parameter", Some("depth")),
        (with(&good, |r| r["spec"]["pool"] = json!("min")), 422, "parameter", None),
        (with(&good, |r| r["spec"]["kind"] = json!("magic")), 422, "parameter", None),
        (with(&good, |r| r["device"] = json!("abacus")), 422, "parameter", None),
        (with(&good, |r| r["inputs"]["X"]["path"] = json!("/etc/passwd")), 422, "parameter", Some("path")),
        (with(&good, |r| r["inputs"] = json!({})), 422, "input", Some("X")),
        (with(&good, |r| r["inputs"]["Y"] = json!({ "dataset": data.id })), 422, "input", Some("Y")),
        (with(&good, |r| r["inputs"]["X"]["member"] = json!("a")), 422, "input", Some("X")),
        (with(&good, |r| r["inputs"]["X"]["dataset"] = json!("00")), 404, "not_found", Some("X")),
    ];
    for (body, status, code, field) in cases {
        let reply = app.post("/api/v1/jobs", &body).await;
        let message = reply.fails(status, code);
        assert_eq!(reply.json()["field"].as_str(), field, "{message}");
    }
    assert_eq!(app.get("/api/v1/jobs").await.json(), json!([]));
}

#[tokio::test]
async fn what_cannot_fit_is_refused_with_numbers() {
    let app = TestApp::start_with(|config| config.memory_bytes = Some(1000)).await;
    let data = app.upload("X.npy", npy(60, 40, 1)).await;
    let message = app.post("/api/v1/jobs", &dims_request(&data.id)).await.fails(422, "too_large");
    assert!(message.contains("1000 B") && message.contains("KiB"), "{message}");
}

#[tokio::test]
async fn a_failed_job_carries_the_library_s_error() {
    let app = TestApp::start().await;
    let x = app.upload("X.npy", npy(12, 4, 1)).await;
    let y = app.upload("Y.npy", npy(9, 4, 2)).await;
    let request = json!({
        "spec": { "kind": "shape_distance", "inputs": ["X", "Y"] },
        "inputs": { "X": { "dataset": x.id }, "Y": { "dataset": y.id } },
        "device": "cpu",
    });
    let job: Job = app.post("/api/v1/jobs", &request).await.read();
    let failed = app.wait_for(&job.id, JobState::Failed).await;
    let error = Error::RowMismatch { a: "X".into(), n_a: 12, b: "Y".into(), n_b: 9 };
    assert_eq!(failed.error, Some(ApiError::new(&error, &job.id)));
    let fixed = with(&request, |r| r["inputs"]["Y"] = json!({ "dataset": x.id, "samples_axis": 0 }));
    let job: Job = app.post("/api/v1/jobs", &fixed).await.read();
    app.wait_for(&job.id, JobState::Done).await;
}

#[tokio::test]
async fn a_crash_fails_its_job_and_nothing_else() {
    for (how, said) in [("abort", "planted abort"), ("panic", "planted panic")] {
        let app = TestApp::start_with(|config| config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), how.into())]).await;
        let data = app.upload("X.npy", npy(6, 4, 1)).await;
        let job = app.queue_dims(&data.id).await;
        let error = app.wait_for(&job.id, JobState::Failed).await.error.expect("an error");
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(error.message.contains(said), "{}", error.message);
        assert!(how != "abort" || error.message.contains("killed by signal 6"), "{}", error.message);
        assert_eq!(app.get("/healthz").await.json()["status"], "ok");
        let again = app.queue_dims(&data.id).await;
        assert_eq!(again.state, JobState::Queued, "a failed job is not found among the finished");
        app.stop().await;
    }
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let app = TestApp::start_with(|config| (config.workers, config.queue_limit) = (0, 2)).await;
    let data = app.upload("X.npy", npy(6, 4, 1)).await;
    for _ in 0..2 {
        app.queue_dims(&data.id).await;
    }
    let reply = app.post("/api/v1/jobs", &dims_request(&data.id)).await;
    let message = reply.fails(429, "busy");
    assert!(message.contains('2') && !reply.header("retry-after").is_empty(), "{message}");
}

#[tokio::test]
async fn one_folder_serves_one_server() {
    let app = TestApp::start().await;
    let mut config = eigenscope_server::server::Config::new(app.dir.path().join("data"), crate::support::program());
    config.token = Some("other".into());
    let error = eigenscope_server::server::App::start(config).await.expect_err("the folder is taken");
    assert!(error.to_string().contains("in use by another server"), "{error}");
}

#[tokio::test]
async fn devices_always_name_the_cpu() {
    let app = TestApp::start().await;
    let reply = app.get("/api/v1/devices").await.json();
    assert_eq!(reply["devices"][0]["kind"], "cpu", "{reply}");
}
