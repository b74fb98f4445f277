//! A server in this process, the program beside it, and small inputs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use eigenscope::api::{DatasetInfo, Event, Job, JobState};
use eigenscope::rng::Stream;
use eigenscope::{Dataset, Device, DeviceChoice, Error, io};
use eigenscope_server::server::{App, Config};
use futures_util::StreamExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const TOKEN: &str = "correct-horse";
pub(crate) const HOST: &str = "127.0.0.1:8080";
/// Nothing here takes this long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the program in a folder.
pub(crate) fn command(dir: &Path, args: &str) -> Output {
    Command::new(program()).current_dir(dir).args(args.split_whitespace()).output().expect("the program starts")
}

/// Its result, which must be one.
#[track_caller]
pub(crate) fn succeed(dir: &Path, args: &str) -> Value {
    let output = command(dir, &format!("{args} --json"));
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Its refusal: one sentence, in which there is something.
#[track_caller]
pub(crate) fn refuse(dir: &Path, args: &str, what: &str) {
    let output = command(dir, args);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{args}: {message}");
    assert!(message.contains(what), "{args}: {message}");
}

/// The built program, which the server starts for each job.
#[track_caller]
/// The kind of GPU that is tested: `DEVICE=cuda` in the environment for a build with CUDA, else Vulkan.
pub(crate) fn gpu_kind() -> DeviceChoice {
    match std::env::var("DEVICE").as_deref() {
        Ok("cuda") => DeviceChoice::Cuda,
        _ => DeviceChoice::Vulkan,
    }
}

/// Its word on the command line.
pub(crate) fn gpu_word() -> &'static str {
    if gpu_kind() == DeviceChoice::Cuda { "cuda" } else { "vulkan" }
}

/// The GPU, or `None` with a printed reason. It is opened once: two tests that open it at the same time get in each other's way.
pub(crate) fn gpu() -> Option<Device> {
    static GPU: OnceLock<Result<Device, Error>> = OnceLock::new();
    match GPU.get_or_init(|| pollster::block_on(Device::open(gpu_kind()))) {
        Ok(device) => Some(device.clone()),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().expect("this test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/release/deps");
    let program = folder.join(format!("eigenscope{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is missing; build it first: cargo build --release -p eigenscope-server", program.display());
    program
}

/// A seeded random matrix as the bytes of an `.npy` file.
pub(crate) fn npy(rows: usize, columns: usize, seed: u64) -> Vec<u8> {
    io::write_npy(&matrix("X", rows, columns, seed))
}

pub(crate) fn matrix(name: &str, rows: usize, columns: usize, seed: u64) -> Dataset {
    let mut rng = Stream::new(seed, 0);
    Dataset::from_rows(name, rows, columns, (0..rows * columns).map(|_| rng.normal()).collect()).expect("the shape fits")
}

/// A value as the JSON that its text reads back as: a reader may miss the last digit of a number, so both sides have to be read.
pub(crate) fn as_text<T: serde::Serialize>(value: &T) -> Value {
    serde_json::from_str(&serde_json::to_string(value).expect("it serializes")).expect("JSON")
}

/// A server whose router is called directly.
pub(crate) struct TestApp {
    pub(crate) app: App,
    router: Router,
    pub(crate) dir: TempDir,
}

/// An answer with its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", String::from_utf8_lossy(&self.body)))
    }

    #[track_caller]
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.json()).unwrap_or_else(|e| panic!("unexpected form ({e}): {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Asserts status and code; returns the message.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, code: &str) -> String {
        let json = self.json();
        assert_eq!((self.status.as_u16(), json["code"].as_str()), (status, Some(code)), "{json}");
        assert_eq!(json["request_id"].as_str(), Some(self.header("x-request-id")), "the error names the request");
        json["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), change).await
    }

    pub(crate) async fn start_in(dir: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(dir.path().join("data"), program());
        config.token = Some(TOKEN.into());
        // Requests to a router have no address: all wrong tokens of a test would be guesses of one.
        config.guesses_per_minute = usize::MAX;
        change(&mut config);
        let app = App::start(config).await.expect("the server starts");
        Self { router: app.router(), app, dir }
    }

    /// Stops the server and gives its folder back.
    pub(crate) async fn stop(self) -> TempDir {
        self.app.stop().await;
        self.dir
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("the body ends");
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request with the right host and token.
    pub(crate) async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        self.send(request(method, path).header("authorization", format!("Bearer {TOKEN}")).body(body.into()).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, json: &Value) -> Reply {
        self.call(Method::POST, path, json.to_string()).await
    }

    #[track_caller]
    pub(crate) fn upload(&self, name: &str, bytes: Vec<u8>) -> impl Future<Output = DatasetInfo> {
        let path = format!("/api/v1/datasets?name={name}");
        async move {
            let reply = self.call(Method::POST, &path, bytes).await;
            assert_eq!(reply.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&reply.body));
            reply.read()
        }
    }

    /// Queues a dimensionality job on one input named X.
    pub(crate) async fn queue_dims(&self, dataset: &str) -> Job {
        let reply = self.post("/api/v1/jobs", &dims_request(dataset)).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&reply.body));
        reply.read()
    }

    /// The stream of events after an id.
    pub(crate) async fn events(&self, after: u64) -> Events {
        let path = format!("/api/v1/events?after={after}");
        let request = request(Method::GET, &path).header("authorization", format!("Bearer {TOKEN}")).body(Body::empty());
        let response = self.router.clone().oneshot(request.expect("a request")).await.expect("the router answers");
        assert_eq!(response.status(), StatusCode::OK, "the stream opens");
        Events { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Waits until a job is in a state that `is` accepts.
    pub(crate) async fn wait(&self, id: &str, is: impl Fn(&Job) -> bool) -> Job {
        let mut events = self.events(0).await;
        loop {
            if let (_, Some(Event::Job(job))) = events.next().await
                && job.id == id
                && is(&job)
            {
                return *job;
            }
        }
    }

    pub(crate) async fn wait_for(&self, id: &str, state: JobState) -> Job {
        self.wait(id, |job| {
            assert!(job.state == state || !job.state.is_final(), "the job ended differently: {job:?}");
            job.state == state
        })
        .await
    }
}

pub(crate) fn dims_request(dataset: &str) -> Value {
    serde_json::json!({ "spec": { "kind": "dimensionality", "inputs": ["X"] }, "inputs": { "X": { "dataset": dataset } }, "device": "cpu" })
}

/// A request with the right host.
pub(crate) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", HOST)
}

/// A server-sent stream, read block by block.
pub(crate) struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    /// The next block: its id and its event, if it has data.
    pub(crate) async fn next(&mut self) -> (u64, Option<Event>) {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let id = field("id:").and_then(|id| id.parse().ok());
                let event = field("data:").map(|data| serde_json::from_str(data).expect("an event"));
                self.text = rest.to_owned();
                // Keep-alive comments have no id.
                if let Some(id) = id {
                    return (id, event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.next()).await.expect("an event within two minutes");
            let chunk = chunk.expect("the stream goes on").expect("the stream is not broken");
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
