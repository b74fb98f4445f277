//! A server with a socket: in this process with a set-up of its own, or as people start it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use eigenscope_server::server::{Config, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::support::{TOKEN, program};

/// A server in this process.
pub(crate) struct Listening {
    pub(crate) authority: String,
    pub(crate) fingerprint: Option<String>,
    pub(crate) dir: TempDir,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Listening {
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let dir = TempDir::new().expect("a folder");
        let mut config = Config::new(dir.path().join("data"), program());
        (config.port, config.token) = (0, Some(TOKEN.into()));
        change(&mut config);
        let server = Server::bind(config).await.expect("the server listens");
        let url = server.url();
        let authority = url.split('/').nth(2).expect("an address").to_owned();
        let fingerprint = server.fingerprint().map(str::to_owned);
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            stopped.await.ok();
        }));
        Self { authority, fingerprint, dir, stop, ended }
    }

    /// A request with the token.
    pub(crate) fn head(&self, line: &str, more: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n", self.authority)
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.ended.await.expect("it ends in order");
    }
}

/// The program, serving.
pub(crate) struct Process {
    child: Child,
    /// What it printed first.
    pub(crate) url: String,
    pub(crate) authority: String,
    log: JoinHandle<String>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Process {
    pub(crate) fn start(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.args(["serve", "--port", "0", "--data-dir"]).arg(data).args(args);
        command.env_remove("EIGENSCOPE_TOKEN").env_remove("RUST_LOG").envs(env.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stderr = child.stderr.take().expect("piped");
        let log = std::thread::Builder::new().name("log".into()).spawn(move || {
            let mut log = Vec::new();
            stderr.read_to_end(&mut log).expect("a log");
            String::from_utf8(log).expect("UTF-8")
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut url = String::new();
        stdout.read_line(&mut url).expect("a line");
        let authority = url.split('/').nth(2).expect("an address").to_owned();
        Self { child, url: url.trim().to_owned(), authority, log: log.expect("a thread"), stdout }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line
    }

    /// Sends a head, which is completed with Host and the end, and a body; gives the whole answer.
    pub(crate) fn ask(&self, head: &str, body: &[u8]) -> String {
        let mut socket = self.send(head, body);
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends a request and leaves its answer to be read.
    pub(crate) fn send(&self, head: &str, body: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(&self.authority).expect("it listens");
        write!(socket, "{head}\r\nHost: {}\r\nConnection: close\r\n\r\n", self.authority).expect("sent");
        socket.write_all(body).expect("sent");
        socket
    }

    /// Largest memory so far in bytes, where there is `/proc`.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let stopped = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(stopped.success(), "the server was told to stop");
    }

    /// Stops it; gives how it ended and its log.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.terminate();
        let status = self.child.wait().expect("it ends");
        (status, self.log.join().expect("the log was read"))
    }
}
