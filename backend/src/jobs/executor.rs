//! Executors: what starts the processes of jobs and listens to them. Which one is chosen when the server starts; the queue sees no difference.

use std::path::{Path, PathBuf};

use eigenscope::{DeviceChoice, Error};
use tokio::sync::{mpsc, watch};

use super::Report;
use super::local::Local;
use super::slurm::Slurm;
use crate::ids;

/// What a process is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    No,
    /// End: nobody needs it any more.
    Cancel,
    /// The server stops: what runs elsewhere may go on.
    Leave,
}

/// Waits until a process is told to stop; for ever when nobody is left to tell it.
pub(super) async fn told(stop: &mut watch::Receiver<Stop>) -> Stop {
    let told = stop.wait_for(|stop| *stop != Stop::No).await.map(|stop| *stop);
    match told {
        Ok(stop) => stop,
        Err(_) => std::future::pending().await,
    }
}

/// One process to run.
#[derive(Debug)]
pub struct Process {
    /// Its place among the tasks of the job.
    pub i: usize,
    /// Its folder, with `task.json`.
    pub dir: PathBuf,
    /// Where what it says is kept.
    pub log: PathBuf,
    /// Whether it is to stop.
    pub stop: watch::Receiver<Stop>,
}

/// Processes of a job that do not need each other.
#[derive(Debug)]
pub struct Batch {
    /// The job.
    pub job: String,
    /// The job's folder.
    pub dir: PathBuf,
    /// The job's priority.
    pub priority: i32,
    /// How many may run at the same time.
    pub limit: usize,
    /// Where they compute, as [`Executor::device`] decided.
    pub device: DeviceChoice,
    /// An earlier server may have started some of them.
    pub may_run: bool,
    /// The processes.
    pub processes: Vec<Process>,
}

/// News of a process; times are Unix milliseconds of when it happened, not of when somebody took note.
#[derive(Debug)]
pub enum Update {
    /// It started, or was started again elsewhere.
    Started(u64),
    /// It runs, and was started for an earlier server.
    Found,
    /// It waits, for this reason.
    Waits(String),
    /// It got so far.
    Report(Report),
    /// It ended. Nothing follows.
    Ended(End),
}

/// The end of a process.
#[derive(Debug)]
pub struct End {
    /// How it ended.
    pub how: Ended,
    /// How long it ran, if it ever did.
    pub ran_secs: Option<f64>,
    /// When.
    pub at_ms: u64,
}

impl Update {
    pub(super) fn started() -> Self {
        Self::Started(ids::now_ms())
    }

    pub(super) fn ended(how: Ended, ran_secs: Option<f64>) -> Self {
        Self::Ended(End { how, ran_secs, at_ms: ids::now_ms() })
    }
}

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

/// What starts processes.
#[derive(Debug)]
pub enum Executor {
    /// This machine.
    Local(Local),
    /// A cluster.
    Slurm(Box<Slurm>),
}

impl Executor {
    /// Runs a batch to its end; every process ends with [`Update::Ended`].
    pub async fn run(&self, batch: Batch, updates: mpsc::Sender<(usize, Update)>) {
        match self {
            Self::Local(local) => local.run(batch, updates).await,
            Self::Slurm(slurm) => slurm.run(batch, updates).await,
        }
    }

    /// Where the processes of a request compute.
    #[must_use]
    pub fn device(&self, asked: DeviceChoice) -> DeviceChoice {
        match self {
            Self::Local(_) => asked,
            Self::Slurm(slurm) => slurm.device(asked),
        }
    }

    /// Whether processes run on this machine.
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Ends what an earlier server left running for a job whose folder is about to be removed; false when that has to be tried again.
    pub async fn abandon(&self, dir: &Path) -> bool {
        match self {
            // Its processes ended with the server that started them.
            Self::Local(_) => true,
            Self::Slurm(slurm) => slurm.abandon(dir).await,
        }
    }
}
