//! The program as a server in a process of its own, asked over sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eigenscope::api::{Event, Job};

use crate::support::{TOKEN, program};

/// Nothing here takes this long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, which ends with the test.
pub(crate) struct Served {
    child: Child,
    authority: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Served {
    /// Starts it in a folder, with more variables in its environment and that of its tasks.
    pub(crate) fn start(folder: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--port", "0", "--token", TOKEN, "--data-dir"]).arg(folder).envs(env.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut url).expect("one line");
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
        Self { child, authority }
    }

    /// Ends it as `kill -9` does: it has no time to put anything in order.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Sends a request; the answer to be read. HTTP/1.0: nothing comes in chunks, and the end is the end of the connection.
    fn send(&self, request: &str, accept: &str, body: &[u8]) -> BufReader<TcpStream> {
        let mut socket = TcpStream::connect(&self.authority).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        let head = format!(
            "{request} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.authority,
            body.len()
        );
        socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body)).expect("sent");
        let mut answer = BufReader::new(socket);
        let mut line = String::new();
        answer.read_line(&mut line).expect("a status");
        assert!(line.contains(" 200 ") || line.contains(" 201 "), "{request}: {line}");
        while line.trim_end() != "" {
            line.clear();
            answer.read_line(&mut line).expect("a header");
        }
        answer
    }

    /// The body of an answer, which must be good.
    pub(crate) fn ask(&self, request: &str, accept: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.send(request, accept, body).read_to_end(&mut bytes).expect("an answer");
        bytes
    }

    /// The same as what it stands for.
    pub(crate) fn ask_json<T: serde::de::DeserializeOwned>(&self, request: &str, body: &[u8]) -> T {
        serde_json::from_slice(&self.ask(request, "application/json", body)).expect("JSON")
    }

    /// Waits until a job is as it is wanted.
    pub(crate) fn wait(&self, id: &str, is: impl Fn(&Job) -> bool) -> Job {
        let events = self.send("GET /api/v1/events?after=0", "text/event-stream", b"");
        let mut jobs = events.lines().filter_map(|line| {
            let line = line.expect("the stream goes on");
            match serde_json::from_str(line.strip_prefix("data:")?).expect("an event") {
                Event::Job(job) => Some(*job),
                Event::Removed { .. } => None,
            }
        });
        jobs.find(|job| job.id == id && is(job)).expect("it comes to that")
    }
}
