//! A server that is killed at random points of upload, run and result: the client that comes back ends with the right result every time.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use eigenscope::rng::Stream;
use serde_json::Value;
use tokio::time::Instant;

use crate::process::Server;
use crate::support::{dims_request, npy};

/// Kills, each in a cycle of its own.
const KILLS: u64 = 50;
const PIECE: usize = 40_000;
/// Between two looks.
const POLL: Duration = Duration::from_millis(2);

/// The server that a killer and a client share.
struct Shared {
    server: Mutex<Server>,
    /// Its process, known without the lock that a request in flight holds.
    process: AtomicU32,
    /// Requests that were not answered.
    n_lost: AtomicU32,
}

impl Shared {
    fn start(data: &Path) -> Self {
        let server = Server::start(data, &[]);
        Self { process: AtomicU32::new(server.id()), server: Mutex::new(server), n_lost: AtomicU32::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("no thread panicked")
    }

    /// Kills it, whatever it is doing, and starts another in its place.
    fn kill(&self) {
        let id = self.process.load(Ordering::Relaxed).to_string();
        Command::new("kill").args(["-9", &id]).status().expect("kill is there");
        let mut server = self.lock();
        server.kill_and_start();
        self.process.store(server.id(), Ordering::Relaxed);
    }

    /// Asks until somebody answers.
    fn patiently<T>(&self, ask: impl Fn(&Server) -> Result<T, ureq::Error>) -> T {
        loop {
            let outcome = ask(&self.lock());
            match outcome {
                Ok(out) => return out,
                // The next one is started while the lock is held: whoever gets it finds a server.
                Err(_dead) => {
                    self.n_lost.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(POLL);
                }
            }
        }
    }
}

fn header(name: &'static str, value: impl ToString) -> (&'static str, String) {
    (name, value.to_string())
}

/// Uploads in pieces, as a client that remembers the address of its upload and nothing else.
fn upload(server: &Shared, bytes: &[u8]) -> String {
    let tus = || header("tus-resumable", "1.0.0");
    'begin: loop {
        let headers = [tus(), header("upload-length", bytes.len()), header("upload-metadata", "filename WC5ucHk=")];
        let begun = server.patiently(|s| s.ask("POST", "/api/v1/uploads", &headers, Vec::new()));
        assert_eq!(begun.status, 201, "{}", String::from_utf8_lossy(&begun.body));
        let path = begun.header("location").to_owned();
        loop {
            let state = server.patiently(|s| s.json("GET", &path, None));
            if let Some(dataset) = state["dataset"].as_str() {
                return dataset.to_owned();
            }
            let at = usize::try_from(state["received_bytes"].as_u64().expect("a number")).expect("small");
            let end = (at + PIECE).min(bytes.len());
            let headers = [tus(), header("upload-offset", at), header("content-type", "application/offset+octet-stream")];
            // An answer that is lost is asked for again by the state.
            let sent = server.lock().ask("PATCH", &path, &headers, bytes[at..end].to_vec());
            match sent {
                Ok(answer) if answer.status == 404 => continue 'begin,
                Ok(answer) => assert!([204, 409].contains(&answer.status), "{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
                Err(_dead) => {
                    server.n_lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Runs an analysis and waits for its result.
fn run(server: &Shared, dataset: &str) -> Value {
    let request = dims_request(dataset);
    let job = server.patiently(|s| s.json("POST", "/api/v1/jobs", Some(&request)));
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().expect("an id"));
    loop {
        let job = server.patiently(|s| s.json("GET", &path, None));
        match job["state"].as_str() {
            Some("done") => break,
            Some("queued" | "running") => std::thread::sleep(POLL),
            other => panic!("the job ended as {other:?}: {job}"),
        }
    }
    server.patiently(|s| s.json("GET", &format!("{path}/result"), None))["output"].clone()
}

#[test]
fn fifty_kills_at_random_points_lose_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Shared::start(&dir.path().join("data"));
    let quiet = tempfile::tempdir().expect("a folder");
    let undisturbed = Shared::start(&quiet.path().join("data"));
    let mut random = Stream::new(7, 0);
    let start = Instant::now();
    run(&undisturbed, &upload(&undisturbed, &npy(300, 100, 1000)));
    let cycle = start.elapsed().as_secs_f64();
    for seed in 0..KILLS {
        let bytes = npy(300, 100, seed);
        let moment = Duration::from_secs_f64(cycle * random.uniform());
        let (dataset, output) = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(moment);
                server.kill();
            });
            let dataset = upload(&server, &bytes);
            let output = run(&server, &dataset);
            (dataset, output)
        });
        assert_eq!(upload(&undisturbed, &bytes), dataset, "cycle {seed}, killed after {moment:?}");
        assert_eq!(run(&undisturbed, &dataset), output, "cycle {seed}, killed after {moment:?}");
    }
    let n_lost = server.n_lost.load(Ordering::Relaxed);
    assert!(u64::from(n_lost) > KILLS / 2, "only {n_lost} requests were struck: the kills miss the cycle");
    check(&server, KILLS);
}

/// Nothing is left over and nothing is missing.
fn check(server: &Shared, n: u64) {
    server.kill();
    let server = server.lock();
    let datasets = server.json("GET", "/api/v1/datasets", None).expect("an answer");
    let jobs = server.json("GET", "/api/v1/jobs", None).expect("an answer");
    assert_eq!(datasets.as_array().map(Vec::len), usize::try_from(n).ok(), "one dataset a cycle");
    // A job whose answer was lost was asked for again: then there are two, of which one found the other's result.
    let jobs = jobs.as_array().expect("a list");
    assert!(jobs.len() as u64 >= n && jobs.iter().all(|job| job["state"] == "done"), "{jobs:?}");
    let files = |name: &str| walk(&server.data.join(name));
    let mut blobs: Vec<String> = files("blobs");
    blobs.sort();
    blobs.dedup();
    assert!(blobs.len() as u64 >= n, "{} blobs", blobs.len());
    for dataset in datasets.as_array().expect("a list") {
        assert!(blobs.contains(&dataset["id"].as_str().expect("an id").to_owned()), "the bytes of {dataset} are there");
    }
    assert_eq!((files("tmp"), files("tasks")), (Vec::new(), Vec::new()), "nothing half done is left");
}

fn walk(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut out = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() { out.extend(walk(&path)) } else { out.push(path.file_name().expect("a name").to_string_lossy().into_owned()) }
    }
    out
}
