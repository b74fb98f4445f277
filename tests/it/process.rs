//! A server as a process of its own, asked over the wire: what only the program can show.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use eigenscope::api::{Event, Job};
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::support::{TOKEN, program};

/// The program, serving.
pub(crate) struct Server {
    pub(crate) data: PathBuf,
    pub(crate) origin: String,
    port: u16,
    child: Child,
    /// Kept open: the program would stop at a closed pipe.
    _stdout: BufReader<ChildStdout>,
    agent: Agent,
}

impl Server {
    /// Starts it on a free port, with more variables in its environment and that of its tasks.
    pub(crate) fn start(data: &Path, env: &[(&str, &str)]) -> Self {
        Self::start_with(data, &[], env)
    }

    /// As [`Self::start`], with more arguments.
    pub(crate) fn start_with(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        Self::on(data, port, args, env)
    }

    fn on(data: &Path, port: u16, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--token", TOKEN, "--port", &port.to_string(), "--data-dir"]).arg(data).args(args).envs(env.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the address is printed");
        assert!(line.starts_with("http"), "the address is printed, not: {line}");
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(std::time::Duration::from_secs(120)));
        let origin = format!("http://127.0.0.1:{port}");
        Self { data: data.into(), origin, port, child, _stdout: stdout, agent: config.build().into() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does: it has no time to put anything in order.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it is gone");
    }

    /// Kills it and starts another in its place.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill();
        *self = Self::on(&self.data.clone(), self.port, &[], &[]);
    }

    /// Sends a request; an error when nobody answers.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.origin));
        request = request.header("authorization", format!("Bearer {TOKEN}"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        Answer::of(self.agent.run(request.body(body)?)?)
    }

    /// The body of an answer that is no failure.
    pub(crate) fn fetch(&self, method: &str, path: &str, accept: &str, body: &[u8]) -> Vec<u8> {
        let answer = self.ask(method, path, &[("accept", accept.to_owned())], body.to_vec()).expect("an answer");
        assert!(answer.status < 400, "{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        answer.body
    }

    /// What it stands for.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, method: &str, path: &str, body: &[u8]) -> T {
        serde_json::from_slice(&self.fetch(method, path, "application/json", body)).expect("JSON of this form")
    }

    /// Waits until a job is as it is wanted: every change is an event, so that none is missed.
    pub(crate) fn wait(&self, id: &str, is: impl Fn(&Job) -> bool) -> Job {
        let request =
            ureq::http::Request::get(format!("{}/api/v1/events?after=0", self.origin)).header("authorization", format!("Bearer {TOKEN}"));
        let answer = self.agent.run(request.body(()).expect("a request")).expect("the stream opens");
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            let line = line.expect("the stream goes on");
            let event = line.strip_prefix("data:").map(|data| serde_json::from_str(data).expect("an event"));
            if let Some(Event::Job(job)) = event
                && job.id == id
                && is(&job)
            {
                return *job;
            }
        }
        panic!("the stream ended before job {id} was as it is wanted")
    }

    /// JSON of an answer that is no failure.
    pub(crate) fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ureq::Error> {
        let answer = self.ask(method, path, &[], body.map(|b| b.to_string().into_bytes()).unwrap_or_default())?;
        assert!(answer.status < 400, "{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(serde_json::from_slice(&answer.body).expect("JSON"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be dead already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An answer with its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn of(response: Response<Body>) -> Result<Self, ureq::Error> {
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().read_to_end(&mut bytes)?;
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}
