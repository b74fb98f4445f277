//! Slurm's commands, and the one question that is asked for all jobs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::profile::Profile;
use super::queue::Snapshot;
use crate::jobs::child::Program;

/// A command of Slurm that takes longer hangs: its controller may be away.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the cluster said, and when it was asked.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) asked: Instant,
    pub(super) snapshot: Arc<Snapshot>,
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The controller is away or busy: it may be asked again.
    Away(String),
    /// It was understood and refused.
    No(String),
}

/// The cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    profile: Profile,
    program: Program,
    seen: watch::Receiver<Option<Seen>>,
    poller: JoinHandle<()>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

impl Cluster {
    /// Starts the watch.
    pub(super) fn new(profile: Profile, program: Program) -> Self {
        let (sender, seen) = watch::channel(None);
        let poller = tokio::spawn(poll(profile.clone(), program.clone(), sender));
        Self { profile, program, seen, poller }
    }

    /// What the cluster says from now on.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Seen>> {
        self.seen.clone()
    }

    /// Asks what there is now.
    pub(super) async fn ask(&self) -> Result<Snapshot, Refusal> {
        ask(&self.profile, &self.program).await
    }

    /// Submits a script; gives the number of the array.
    pub(super) async fn submit(&self, dir: &Path, name: &str, array: &str, script: &Path, options: &[String]) -> Result<u64, Refusal> {
        let mut command = self.program.command(&self.profile.sbatch);
        command.args(["--parsable", "--requeue", "--open-mode=append", "--ntasks=1"]);
        command.arg(format!("--job-name={name}")).arg(format!("--array={array}"));
        command.arg(format!("--output={}", dir.join("slurm-%A_%a.out").display())).arg(format!("--chdir={}", dir.display()));
        command.args(options).arg(script);
        let said = output(command, "sbatch").await?;
        let text = String::from_utf8_lossy(&said);
        // On a cluster of clusters the name of one follows.
        text.trim()
            .split(';')
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|e| Refusal::No(format!("sbatch answered {:?}: {e}", text.trim())))
    }

    /// Cancels arrays or tasks of arrays; that they are gone already is no refusal.
    pub(super) async fn cancel(&self, names: &[String]) -> Result<(), Refusal> {
        let mut command = self.program.command(&self.profile.scancel);
        command.args(names);
        match output(command, "scancel").await {
            Err(Refusal::No(message)) if message.contains("Invalid job id") || message.contains("already completing") => Ok(()),
            Err(refusal) => Err(refusal),
            Ok(_) => Ok(()),
        }
    }
}

async fn ask(profile: &Profile, program: &Program) -> Result<Snapshot, Refusal> {
    let mut command = program.command(&profile.squeue);
    command.args(["--me", "--json"]);
    let said = output(command, "squeue").await?;
    tokio::task::spawn_blocking(move || Snapshot::parse(&said)).await.map_err(|e| Refusal::Away(e.to_string()))?.map_err(Refusal::Away)
}

/// One question for all jobs, as long as somebody wants to know.
async fn poll(profile: Profile, program: Program, sender: watch::Sender<Option<Seen>>) {
    let mut is_away = false;
    loop {
        // The cluster itself holds one receiver.
        if sender.receiver_count() > 1 {
            let asked = Instant::now();
            match ask(&profile, &program).await {
                Ok(snapshot) => {
                    if is_away {
                        tracing::info!("Slurm answers again");
                    }
                    is_away = false;
                    sender.send_replace(Some(Seen { asked, snapshot: Arc::new(snapshot) }));
                }
                Err(Refusal::Away(message) | Refusal::No(message)) => {
                    if !is_away {
                        tracing::warn!(message, "Slurm does not answer; what runs goes on, and it is asked again");
                    }
                    is_away = true;
                }
            }
        }
        tokio::time::sleep(profile.poll()).await;
    }
}

async fn output(mut command: Command, name: &str) -> Result<Vec<u8>, Refusal> {
    command.stdin(std::process::Stdio::null());
    let said = match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(e) => return Err(Refusal::Away(format!("{name}: {e}"))),
        Ok(Err(e)) => {
            return Err(Refusal::No(format!("{name} could not be started: {e}; install Slurm's client or name it in the profile")));
        }
        Ok(Ok(said)) => said,
    };
    if said.status.success() {
        return Ok(said.stdout);
    }
    let words = String::from_utf8_lossy(&said.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    let is_away = ["Unable to contact", "timed out", "temporarily", "Connection", "Zero Bytes", "communication", "Communication", "Munge"];
    let is_away = is_away.iter().any(|word| words.contains(word));
    let message = if words.is_empty() { format!("{name} failed ({})", said.status) } else { words };
    Err(if is_away { Refusal::Away(message) } else { Refusal::No(message) })
}
