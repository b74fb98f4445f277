//! One process on this machine: started, listened to, stopped.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use eigenscope::Error;
use eigenscope::compute::DeviceInfo;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, mpsc, watch};

use super::executor::{Ended, Stop, Update, told};
use super::log::Log;
use super::outcome::{self, Exit};
use crate::machine;

/// A driver that does not answer within this time is not there.
const DEVICES_TIMEOUT: Duration = Duration::from_secs(30);
/// Several GPUs are told apart by this variable of CUDA.
const CUDA_VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
/// Variables that only the server needs: its token, and the credentials of its object store.
const SECRETS: [&str; 4] = ["EIGENSCOPE_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Where the news of a process goes.
#[derive(Debug)]
pub(super) struct Listener<'a> {
    pub(super) i: usize,
    pub(super) updates: &'a mpsc::Sender<(usize, Update)>,
}

impl Listener<'_> {
    pub(super) async fn tell(&self, update: Update) {
        // The queue listens until it has heard of every end.
        self.updates.send((self.i, update)).await.ok();
    }
}

/// The program that runs tasks.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub exe: PathBuf,
    /// Further environment variables.
    pub env: Vec<(String, String)>,
    devices: Arc<OnceCell<Vec<DeviceInfo>>>,
}

/// What `devices --json` prints.
#[derive(Deserialize)]
struct Devices {
    devices: Vec<DeviceInfo>,
}

impl Program {
    /// An executable and environment variables besides the server's own.
    #[must_use]
    pub fn new(exe: PathBuf, env: Vec<(String, String)>) -> Self {
        Self { exe, env, devices: Arc::default() }
    }

    /// A command in the environment of tasks, which have no business with the server's secrets.
    pub(crate) fn command(&self, exe: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(exe);
        SECRETS.iter().for_each(|name| _ = command.env_remove(name));
        command.envs(self.env.iter().map(|(k, v)| (k, v))).kill_on_drop(true);
        command
    }

    /// The devices that tasks can compute on.
    pub async fn devices(&self) -> &[DeviceInfo] {
        self.devices.get_or_init(|| self.ask_devices()).await
    }

    /// Asks a process, so that a driver that crashes does not take the server along.
    async fn ask_devices(&self) -> Vec<DeviceInfo> {
        let mut command = self.command(&self.exe);
        command.args(["devices", "--json"]).stdin(Stdio::null());
        let said = match tokio::time::timeout(DEVICES_TIMEOUT, command.output()).await {
            Ok(Ok(output)) => serde_json::from_slice::<Devices>(&output.stdout).map_err(|e| e.to_string()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        match said {
            Ok(found) => found.devices,
            Err(error) => {
                tracing::warn!(error, "the devices could not be listed; only the CPU is told");
                machine::cpu_only()
            }
        }
    }

    /// Runs `task --dir DIR` until it ends or is told to stop.
    pub(super) async fn run_task(
        &self,
        dir: &Path,
        mut stop: watch::Receiver<Stop>,
        gpu: Option<usize>,
        log: &mut Log,
        listener: &Listener<'_>,
    ) -> Ended {
        let mut child = match self.spawn(dir, gpu) {
            Ok(child) => child,
            Err(e) => return Ended::Failed(Error::internal(format!("{} could not be started: {e}", self.exe.display()))),
        };
        log.note(&format!("started as process {}", child.id().unwrap_or_default()));
        // Kept open: the process ends itself when its stdin closes, so that none outlives a killed server.
        let _stdin = child.stdin.take();
        let finished = tokio::select! {
            biased;
            _ = told(&mut stop) => None,
            status = listen(&mut child, log, listener) => Some(status),
        };
        match finished {
            None => {
                child.kill().await.ok();
                Ended::Stopped
            }
            Some(Ok(status)) => outcome::of(dir, exit_of(status), &log.last_words()),
            Some(Err(e)) => Ended::Failed(Error::internal(format!("the job's process was lost: {e}"))),
        }
    }

    fn spawn(&self, dir: &Path, gpu: Option<usize>) -> std::io::Result<Child> {
        let mut command = self.command(&self.exe);
        command.arg("task").arg("--dir").arg(dir);
        if let Some(gpu) = gpu {
            // The server itself may have been given some of the machine's GPUs.
            let given = std::env::var(CUDA_VISIBLE).unwrap_or_default();
            let name = given.split(',').nth(gpu).map(str::trim).filter(|name| !name.is_empty());
            command.env(CUDA_VISIBLE, name.map_or_else(|| gpu.to_string(), str::to_owned));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C in the terminal is for the server, which then stops its processes in order.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }
}

/// Passes progress on and keeps what is said until both streams close, then waits for the end.
async fn listen(child: &mut Child, log: &mut Log, listener: &Listener<'_>) -> std::io::Result<ExitStatus> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    tokio::join!(reports(stdout, listener), words(stderr, log));
    child.wait().await
}

async fn reports(stdout: Option<impl AsyncRead + Unpin>, listener: &Listener<'_>) {
    let Some(stdout) = stdout else { return };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(report) = serde_json::from_str(&line) {
            listener.tell(Update::Report(report)).await;
        }
    }
}

async fn words(stderr: Option<impl AsyncRead + Unpin>, log: &mut Log) {
    let Some(mut stderr) = stderr else { return };
    let mut buffer = vec![0; 8 << 10];
    while let Ok(n) = stderr.read(&mut buffer).await
        && n > 0
    {
        log.said(&buffer[..n]);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal);
    }
    status.code().map_or(Exit::Unknown, Exit::Code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_not_told_the_server_s_secrets() {
        let program = Program::new("task".into(), vec![("OTHER".into(), "1".into())]);
        let command = program.command("task");
        let told: Vec<_> = command.as_std().get_envs().map(|(name, value)| (name.to_str(), value.is_some())).collect();
        assert!(SECRETS.iter().all(|name| told.contains(&(Some(name), false))) && told.contains(&(Some("OTHER"), true)), "{told:?}");
    }
}
