//! One process: started, listened to, stopped.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use eigenscope::Error;
use eigenscope::api::ApiError;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ERROR_FILE, RESULT_FILE, Report};
use crate::store::Store;

/// Progress is passed on ten times a second at most.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Lines of stderr that a failure quotes.
const TAIL_LINES: usize = 20;
/// Characters of a quoted line.
const TAIL_WIDTH: usize = 400;

/// How a process ended.
#[derive(Debug)]
pub enum Ended {
    /// It wrote this result.
    Done(PathBuf),
    /// It failed.
    Failed(Error),
    /// A signal ended it: memory ran out, a device driver gave up, somebody killed it.
    Crashed(Error),
    /// It was told to stop.
    Stopped,
}

/// Where the progress of a job is noted.
#[derive(Debug)]
pub struct Notes<'a> {
    /// The store.
    pub store: &'a Store,
    /// The job.
    pub job: &'a str,
    /// The share of the job that the process does: from, to.
    pub share: (f64, f64),
    /// Which of several processes it is, for people; empty when there is one.
    pub part: String,
}

impl Notes<'_> {
    async fn write(&self, report: Report) {
        let (from, to) = self.share;
        let done = from + (to - from) * report.done_frac;
        if let Err(error) = self.store.report_progress(self.job, done, &format!("{}{}", self.part, report.step)).await {
            tracing::warn!(job = self.job, %error, "progress could not be recorded");
        }
    }
}

/// The program that runs tasks.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub exe: PathBuf,
    /// Further environment variables.
    pub env: Vec<(String, String)>,
}

impl Program {
    /// Runs `task --dir DIR` until it ends or `stop` says so; its progress is noted in the store.
    pub async fn run_task(&self, dir: &Path, mut stop: watch::Receiver<bool>, notes: &Notes<'_>) -> Ended {
        let mut child = match self.spawn(dir) {
            Ok(child) => child,
            Err(e) => return Ended::Failed(Error::internal(format!("{} could not be started: {e}", self.exe.display()))),
        };
        // Kept open: the process ends itself when its stdin closes, so that none outlives a killed server.
        let _stdin = child.stdin.take();
        let stderr = child.stderr.take().map(|stderr| tokio::spawn(tail(stderr)));
        let finished = tokio::select! {
            biased;
            _ = stop.wait_for(|&stop| stop) => None,
            status = listen(&mut child, notes) => Some(status),
        };
        let Some(status) = finished else {
            child.kill().await.ok();
            return Ended::Stopped;
        };
        let tail = match stderr {
            Some(task) => task.await.unwrap_or_default(),
            None => VecDeque::new(),
        };
        match status {
            Ok(status) => outcome(dir, status, tail),
            Err(e) => Ended::Failed(Error::internal(format!("the job's process was lost: {e}"))),
        }
    }

    fn spawn(&self, dir: &Path) -> std::io::Result<Child> {
        let mut command = Command::new(&self.exe);
        command.arg("task").arg("--dir").arg(dir);
        command.env_remove("EIGENSCOPE_TOKEN").envs(self.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C in the terminal is for the server, which then stops its processes in order.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }
}

/// Passes progress on until stdout closes, then waits for the end.
async fn listen(child: &mut Child, notes: &Notes<'_>) -> std::io::Result<ExitStatus> {
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        let mut pending = None::<Report>;
        let mut next = Instant::now();
        loop {
            tokio::select! {
                line = lines.next_line() => match line {
                    Ok(Some(line)) => pending = serde_json::from_str(&line).ok().or(pending),
                    _ => break,
                },
                () = tokio::time::sleep_until(next), if pending.is_some() => {
                    if let Some(latest) = pending.take() {
                        notes.write(latest).await;
                    }
                    next = Instant::now() + REPORT_EVERY;
                }
            }
        }
    }
    child.wait().await
}

/// The last lines of a stream.
async fn tail(stream: impl AsyncRead + Unpin) -> VecDeque<String> {
    let mut reader = BufReader::new(stream);
    let mut lines = VecDeque::new();
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(n) if n > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().chars().take(TAIL_WIDTH).collect::<String>();
        line.clear();
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }
    lines
}

fn outcome(dir: &Path, status: ExitStatus, tail: VecDeque<String>) -> Ended {
    let result = dir.join(RESULT_FILE);
    if status.success() && result.exists() {
        return Ended::Done(result);
    }
    if let Ok(text) = std::fs::read_to_string(dir.join(ERROR_FILE))
        && let Ok(error) = serde_json::from_str::<Error>(&text)
    {
        return Ended::Failed(error);
    }
    let tail = tail.into_iter().collect::<Vec<_>>().join("\n");
    let said = if tail.is_empty() { "it wrote nothing to stderr".to_owned() } else { format!("its last words:\n{tail}") };
    let error = Error::internal(format!("the job's process ended without a result ({}); {said}", status_text(status)));
    if status.code().is_none() { Ended::Crashed(error) } else { Ended::Failed(error) }
}

fn status_text(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let hint = if signal == 9 { ", as when memory runs out" } else { "" };
        return format!("killed by signal {signal}{hint}");
    }
    match status.code() {
        Some(code) => format!("exit status {code}"),
        None => "unknown exit status".into(),
    }
}

/// The wire form of a job's failure; the job's id stands for the request's.
#[must_use]
pub fn api_error(error: &Error, job: &str) -> ApiError {
    ApiError::new(error, job)
}
