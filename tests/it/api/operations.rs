//! What people who run a server rely on: figures, readiness, logs, an orderly end, the doctor, backups.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::Method;
use serde_json::Value;

use crate::listening::Process;
use crate::support::{TOKEN, TestApp, command, npy, request};

/// Reads Prometheus' text format: sample → value; every sample belongs to a family that is declared before.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeMap::new();
    let mut out = BTreeMap::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').expect("a name and a kind");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(families.insert(name.to_owned(), kind.to_owned()), None, "{name} is declared once");
        } else if !line.starts_with("# HELP ") {
            let (sample, value) = line.rsplit_once(' ').expect("a sample and its value");
            let name = sample.split('{').next().expect("a name");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|e| name.strip_suffix(e))
                .filter(|f| families.contains_key(*f))
                .unwrap_or(name);
            assert!(families.contains_key(family), "{line} has no family");
            let value = value.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(out.insert(sample.to_owned(), value), None, "{sample} is told once");
        }
    }
    out
}

#[tokio::test]
async fn figures_are_told_to_who_has_the_token() {
    let app = TestApp::start().await;
    app.send(request(Method::GET, "/metrics").body(Body::empty()).expect("a request")).await.fails(401, "unauthorized");
    let array = npy(6, 4, 1);
    let data = app.upload("X.npy", array.clone()).await;
    let job = app.queue_dims(&data.id).await;
    app.wait_for(&job.id, eigenscope::api::JobState::Done).await;
    for id in ["a", "b", "c"] {
        app.get(&format!("/api/v1/jobs/{id}")).await.fails(404, "not_found");
    }
    let reply = app.get("/metrics").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(reply.body.to_vec()).expect("UTF-8");
    let samples = samples(&text);
    let size = f64::from(u32::try_from(array.len()).expect("small"));
    for (sample, value) in [
        ("eigenscope_http_requests_total{method=\"GET\",route=\"/api/v1/jobs/{id}\",status=\"404\"}", 3.0),
        ("eigenscope_http_requests_total{method=\"POST\",route=\"/api/v1/datasets\",status=\"201\"}", 1.0),
        ("eigenscope_http_request_duration_seconds_count{route=\"/api/v1/jobs/{id}\"}", 3.0),
        ("eigenscope_http_request_duration_seconds_bucket{route=\"/api/v1/jobs/{id}\",le=\"+Inf\"}", 3.0),
        ("eigenscope_http_requests_in_flight", 1.0),
        ("eigenscope_jobs{state=\"done\"}", 1.0),
        ("eigenscope_jobs{state=\"queued\"}", 0.0),
        ("eigenscope_datasets", 1.0),
        ("eigenscope_dataset_bytes", size),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample} in\n{text}");
    }
    assert!(samples["eigenscope_http_received_bytes_total"] >= size, "the upload and the request");
    assert!(samples["eigenscope_last_event_id"] >= 2.0 && samples["eigenscope_uptime_seconds"] > 0.0, "{text}");
    #[cfg(target_os = "linux")]
    for sample in ["process_resident_memory_bytes", "process_open_fds", "eigenscope_disk_free_bytes", "eigenscope_disk_size_bytes"] {
        assert!(samples.get(sample).is_some_and(|n| *n > 0.0), "{sample} in\n{text}");
    }
}

#[tokio::test]
async fn readiness_is_public_and_in_words() {
    let app = TestApp::start().await;
    let reply = app.send(request(Method::GET, "/readyz").body(Body::empty()).expect("a request")).await;
    assert_eq!(reply.json(), serde_json::json!({ "status": "ready", "database": "ok", "disk": "ok" }));
}

#[test]
fn a_stopped_server_finishes_what_is_under_way_and_ends_streams() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(&dir.path().join("data"), &["--token", TOKEN], &[]);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let mut stream = server.send(&format!("GET /api/v1/events HTTP/1.1\r\n{bearer}"), b"");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("the stream opens");
    assert_eq!(&head, b"HTTP/1.1 200");
    let array = npy(60, 40, 1);
    let (first, second) = array.split_at(100);
    let upload = format!("POST /api/v1/datasets?name=X.npy HTTP/1.1\r\n{bearer}\r\nContent-Length: {}", array.len());
    let mut socket = server.send(&upload, first);
    // Its part file tells that the server is at it.
    let parts =
        || std::fs::read_dir(dir.path().join("data/tmp")).expect("a folder").flatten().any(|f| f.metadata().is_ok_and(|m| m.len() == 100));
    let started = tokio::time::Instant::now();
    while !parts() {
        assert!(started.elapsed().as_secs() < 60, "the first bytes of an upload are not in data/tmp");
        std::thread::yield_now();
    }
    server.terminate();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the stream ends in order");
    socket.write_all(second).expect("the connection is still there");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
}

#[test]
fn a_log_for_programs_has_an_object_in_each_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(&dir.path().join("data"), &["--token", TOKEN, "--log-format", "json"], &[]);
    let answer = server.ask(&format!("GET /api/v1/jobs HTTP/1.1\r\nAuthorization: Bearer {TOKEN}"), b"");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").to_owned();
    let (_, log) = server.stop();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect();
    let request = lines.iter().find(|line| line["message"] == "request").expect("the request is logged");
    assert_eq!((request["path"].as_str(), request["status"].as_u64()), (Some("/api/v1/jobs"), Some(200)), "{request}");
    assert_eq!(request["span"]["request_id"].as_str(), Some(id.as_str()), "{request}");
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{log}");
}

#[test]
fn the_doctor_checks_a_folder_and_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let look = |args: &str| {
        let output = command(dir.path(), &format!("doctor --json --data-dir data {args}"));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let level = |check: &str| {
            let findings = report["findings"].as_array().expect("findings");
            findings.iter().find(|finding| finding["check"] == check).map(|finding| finding["level"].as_str().expect("a level").to_owned())
        };
        for finding in report["findings"].as_array().expect("findings") {
            assert_eq!(finding["advice"].is_null(), finding["level"] == "ok", "what is not well comes with advice: {finding}");
        }
        let known = ["program", "page", "memory", "data folder", "disk", "database", "port", "browser", "cpu", "slurm"];
        let levels = known.map(|check| (check, level(check).unwrap_or_else(|| panic!("{check} is not checked: {report}"))));
        (output.status.code(), report["ok"] == true, BTreeMap::from(levels))
    };
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let (code, ok, levels) = look(&format!("--port {port}"));
    let broken: Vec<_> = levels.iter().filter(|(_, level)| *level == "error").collect();
    assert_eq!((code, ok), (Some(0), true), "{broken:?}");
    assert_eq!((levels["cpu"].as_str(), levels["port"].as_str(), levels["database"].as_str()), ("ok", "ok", "ok"));
    let server = Process::start(&dir.path().join("data"), &["--token", TOKEN], &[]);
    let taken = server.authority.split(':').nth(1).expect("a port").to_owned();
    assert_eq!(look(&format!("--port {taken}")).2["port"], "ok", "its own server has it");
    let (_, log) = server.stop();
    assert!(log.contains("stopped"), "{log}");
    std::fs::write(dir.path().join("data/eigenscope.db"), "no database").expect("written");
    let (code, ok, levels) = look("--host 0.0.0.0");
    assert_eq!((code, ok, levels["database"].as_str(), levels["browser"].as_str()), (Some(1), false, "error", "warning"));
    let text = command(dir.path(), "doctor --data-dir data");
    let said = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(said.contains("ERROR    database") && said.contains("→ restore a backup"), "{said}");
}

#[test]
fn a_backup_of_a_server_that_is_written_to_serves_what_it_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(&dir.path().join("data"), &["--token", TOKEN], &[]);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let upload = |seed: u64| {
        let array = npy(200, 50, seed);
        let head = format!("POST /api/v1/datasets?name=X{seed}.npy HTTP/1.1\r\n{bearer}\r\nContent-Length: {}", array.len());
        let answer = server.ask(&head, &array);
        answer
            .split("\"id\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_else(|| panic!("no dataset: {answer}"))
            .to_owned()
    };
    let first = upload(0);
    let done = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        // Datasets come and go all the time.
        scope.spawn(|| {
            for seed in 1.. {
                let id = upload(seed);
                if seed % 2 == 0 {
                    let gone = server.ask(&format!("DELETE /api/v1/datasets/{id} HTTP/1.1\r\n{bearer}"), b"");
                    assert!(gone.starts_with("HTTP/1.1 204"), "{gone}");
                }
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let made: Vec<Value> = (0..8)
            .map(|n| {
                crate::support::succeed(dir.path(), &format!("backup backup-{n} --data-dir data{}", if n == 7 { " --copy" } else { "" }))
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        made
    });
    let (_, log) = server.stop();
    assert!(!log.contains("ERROR"), "the server did not mind: {log}");
    assert_eq!(made[7]["linked"], 0, "a copy has its own bytes");
    for (n, made) in made.iter().enumerate() {
        let restored = Process::start(&dir.path().join(format!("backup-{n}")), &["--token", TOKEN], &[]);
        let listed = restored.ask(&format!("GET /api/v1/datasets HTTP/1.1\r\n{bearer}"), b"");
        let body = listed.split("\r\n\r\n").nth(1).expect("a body");
        let datasets: Vec<Value> = serde_json::from_str(body.trim()).unwrap_or_else(|e| panic!("{listed}: {e}"));
        assert!(datasets.iter().any(|dataset| dataset["id"] == first.as_str()), "backup {n} has the first dataset");
        assert_eq!(made["files"].as_u64(), Some(datasets.len() as u64), "backup {n}: a file for each row");
        for dataset in &datasets {
            let id = dataset["id"].as_str().expect("an id");
            let file = dir.path().join(format!("backup-{n}/blobs/{}/{id}", &id[..2]));
            let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("backup {n}: a row without its bytes {id}: {e}"));
            assert_eq!(Some(bytes.len() as u64), dataset["size_bytes"].as_u64(), "backup {n}");
        }
        restored.stop();
    }
    crate::support::refuse(dir.path(), "backup backup-0 --data-dir data", "not empty");
    crate::support::refuse(dir.path(), "backup new --data-dir nowhere", "no data folder");
}
