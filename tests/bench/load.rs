//! A server under load: many clients that upload, poll and stream events at once, and one large upload. A line of JSON.
//!
//! `load PROGRAM SECONDS CLIENTS LARGE_BYTES`

#![expect(clippy::print_stdout, reason = "the result")]

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use eigenscope::rng::Stream;
use eigenscope::{Dataset, io};
use serde_json::{Value, json};
use tokio::time::Instant;
use ureq::{Agent, Body, SendBody};

const TOKEN: &str = "load";
/// Bytes of a piece of the large upload.
const PIECE: u64 = 16 << 20;

struct Server {
    child: Child,
    origin: String,
    agent: Agent,
}

impl Server {
    fn start(program: &str, data: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(["serve", "--port", "0", "--workers", "2", "--token", TOKEN, "--data-dir"]).arg(data);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("the address");
        let origin = line.split("/?").next().expect("an address").to_owned();
        Self { child, origin, agent: agent() }
    }

    /// The answer to a request, which must be a success.
    fn ask(&self, agent: &Agent, method: &str, path: &str, headers: &[(&str, String)], body: SendBody<'_>) -> ureq::http::Response<Body> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.origin));
        request = request.header("authorization", format!("Bearer {TOKEN}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let begun = Instant::now();
        let answer = agent
            .run(request.body(body).expect("a request"))
            .unwrap_or_else(|e| panic!("{method} {path}, after {:?}: {e}", begun.elapsed()));
        assert!(answer.status().as_u16() < 400, "{method} {path}: {}", answer.status());
        answer
    }

    fn json(&self, agent: &Agent, method: &str, path: &str, body: Vec<u8>) -> Value {
        // A body that is nothing but its end may come after the answer: then a server closes the connection, and the next request is lost.
        let (headers, body) = match body.len() {
            0 => (None, SendBody::none()),
            n => (Some(("content-length", n.to_string())), SendBody::from_owned_reader(std::io::Cursor::new(body))),
        };
        let mut answer = self.ask(agent, method, path, headers.as_slice(), body);
        serde_json::from_reader(answer.body_mut().as_reader()).expect("JSON")
    }

    /// Ends it, and with it the streams that are followed.
    fn kill(&self) {
        Command::new("kill").args(["-9", &self.child.id().to_string()]).status().expect("kill");
    }

    /// The most memory that the process had so far.
    fn peak_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).max_idle_connections_per_host(1).build().into()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, program, seconds, clients, large] = &*arguments else { panic!("load PROGRAM SECONDS CLIENTS LARGE_BYTES") };
    let (seconds, clients): (f64, u64) = (seconds.parse().expect("seconds"), clients.parse().expect("clients"));
    let dir = tempfile::tempdir_in(".").expect("a folder");
    let small = many(program, &dir.path().join("many"), seconds, clients);
    let large = one(program, &dir.path().join("one"), large.parse().expect("bytes"));
    println!("{}", json!({ "many": small, "large": large }));
}

/// Clients that upload, run, poll and follow events for some time.
fn many(program: &str, data: &Path, seconds: f64, clients: u64) -> Value {
    let server = Server::start(program, data);
    let (stop, streams_stop) = (AtomicBool::new(false), AtomicU64::new(u64::MAX));
    let (uploads, polls, jobs, events) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let slowest_ms = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for client in 0..clients {
            scope.spawn({
                let (server, streams_stop, events) = (&server, &streams_stop, &events);
                move || events.fetch_add(follow(server, streams_stop), Ordering::Relaxed)
            });
            workers.push(scope.spawn({
                let (server, stop, uploads, polls, jobs, slowest_ms) = (&server, &stop, &uploads, &polls, &jobs, &slowest_ms);
                move || {
                    // As a person's browser: connections of its own, which stay open.
                    let agent = agent();
                    for round in 0u64.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let bytes = matrix(client * 1_000_000 + round);
                        let begun = Instant::now();
                        let dataset = server.json(&agent, "POST", "/api/v1/datasets?name=X.npy", bytes);
                        uploads.fetch_add(1, Ordering::Relaxed);
                        let id = dataset["id"].as_str().expect("an id").to_owned();
                        server.json(&agent, "GET", &format!("/api/v1/datasets/{id}"), Vec::new());
                        polls.fetch_add(1, Ordering::Relaxed);
                        slowest_ms.fetch_max(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                        // One job each, so that there are events to follow; the queue has a limit.
                        if round == 0 {
                            let request = json!({ "spec": { "kind": "dimensionality", "inputs": ["X"] }, "inputs": { "X": { "dataset": id } }, "device": "cpu" });
                            server.json(&agent, "POST", "/api/v1/jobs", request.to_string().into_bytes());
                            jobs.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }));
        }
        std::thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        let n_failed = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        if n_failed > 0 {
            server.kill();
            panic!("{n_failed} of {clients} clients had an error");
        }
        // Now that nobody asks for more: the newest event, which every stream has to reach.
        let all = server.ask(&server.agent, "GET", "/api/v1/jobs", &[], SendBody::none());
        let mut newest: u64 = all.headers()["x-last-event-id"].to_str().expect("text").parse().expect("a number");
        loop {
            let agent = &server.agent;
            let listed = server.ask(agent, "GET", "/api/v1/jobs", &[], SendBody::none());
            let seen: u64 = listed.headers()["x-last-event-id"].to_str().expect("text").parse().expect("a number");
            let list: Value = serde_json::from_reader(listed.into_body().into_reader()).expect("JSON");
            let open = list.as_array().expect("a list").iter().filter(|job| job["state"] != "done").count();
            if open == 0 && seen == newest {
                break;
            }
            newest = seen;
            std::thread::sleep(Duration::from_millis(500));
        }
        streams_stop.store(newest, Ordering::Relaxed);
        // A last event wakes the streams: the removal of a job.
        let list = server.json(&server.agent, "GET", "/api/v1/jobs", Vec::new());
        server.ask(&server.agent, "DELETE", &format!("/api/v1/jobs/{}", list[0]["id"].as_str().expect("an id")), &[], SendBody::none());
    });
    json!({
        "clients": clients, "seconds": start.elapsed().as_secs_f64(), "uploads": uploads.into_inner(), "polls": polls.into_inner(),
        "jobs": jobs.into_inner(), "events_received": events.into_inner(), "slowest_upload_ms": slowest_ms.into_inner(),
        "peak_bytes": server.peak_bytes(),
    })
}

/// Follows the events from the first on until one is newer than `last`; they must come without gaps. Returns how many there were.
fn follow(server: &Server, last: &AtomicU64) -> u64 {
    let answer = server.ask(&agent(), "GET", "/api/v1/events?after=0", &[], SendBody::none());
    let mut seen = 0;
    for line in BufReader::new(answer.into_body().into_reader()).lines() {
        let line = line.expect("the stream goes on");
        let Some(id) = line.strip_prefix("id:").and_then(|id| id.trim().parse::<u64>().ok()) else { continue };
        assert!(id == seen + 1 || id == 0, "event {id} follows {seen}: some were lost");
        seen = id;
        if seen > last.load(Ordering::Relaxed) {
            break;
        }
    }
    seen
}

fn matrix(seed: u64) -> Vec<u8> {
    let mut random = Stream::new(seed, 0);
    let values = (0..50 * 40).map(|_| random.uniform()).collect();
    io::write_npy(&Dataset::from_rows("X", 50, 40, values).expect("the shape fits"))
}

/// One upload of so many bytes, in pieces that are checked.
fn one(program: &str, data: &Path, bytes: u64) -> Value {
    let server = Server::start(program, data);
    let columns = 1024;
    let rows = bytes / (8 * columns);
    let mut head = io::write_npy(&Dataset::from_rows("X", 1, 1, vec![0.0]).expect("the shape fits"));
    head.truncate(128);
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    head[10..128].fill(b' ');
    head[10..10 + text.len()].copy_from_slice(text.as_bytes());
    head[127] = b'\n';
    let length = 128 + rows * columns * 8;
    let tus = || ("tus-resumable", "1.0.0".to_owned());
    let begin = [tus(), ("upload-length", length.to_string()), ("upload-metadata", "filename WC5ucHk=".into())];
    let begun = server.ask(&server.agent, "POST", "/api/v1/uploads", &begin, SendBody::none());
    let path = begun.headers()["location"].to_str().expect("an address").to_owned();
    let block: Vec<u8> = (0..PIECE / 8).flat_map(|i| (i as f64).to_le_bytes()).collect();
    let idle = server.peak_bytes();
    let start = Instant::now();
    let mut at = 0;
    let mut dataset = None;
    while at < length {
        let end = (at + PIECE).min(length);
        let piece: Box<dyn Read> = if at == 0 {
            Box::new(std::io::Cursor::new(head.clone()).chain(std::io::Cursor::new(&block[..usize::try_from(end - 128).expect("small")])))
        } else {
            Box::new(std::io::Cursor::new(&block[..usize::try_from(end - at).expect("small")]))
        };
        let headers = [
            tus(),
            ("upload-offset", at.to_string()),
            ("content-type", "application/offset+octet-stream".into()),
            ("content-length", (end - at).to_string()),
        ];
        let answer = server.ask(&server.agent, "PATCH", &path, &headers, SendBody::from_reader(&mut { piece }));
        dataset = answer.headers().get("eigenscope-dataset").cloned();
        at = end;
    }
    let seconds = start.elapsed().as_secs_f64();
    assert!(dataset.is_some(), "the last piece makes it a dataset");
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let megabytes_per_second = length as f64 / 1e6 / seconds;
    json!({ "bytes": length, "seconds": seconds, "megabytes_per_second": megabytes_per_second, "idle_bytes": idle, "peak_bytes": server.peak_bytes() })
}
