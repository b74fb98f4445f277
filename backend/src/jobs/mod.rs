//! Jobs: an analysis in a process of its own, so that a crash or an out-of-memory kill never takes the server down.
//!
//! [`request`] checks what was asked, [`queue`] takes jobs in their order, `run` has the processes of one run and `pieces` keeps what they gave;
//! an [`executor`] starts processes, [`local`] on this machine or [`slurm`] on a cluster; [`task`] is such a process, [`outcome`] what became of it,
//! and [`preview`] tells what is known while it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use eigenscope::tasks::Task;
use eigenscope::{AnalysisSpec, DeviceChoice};
use serde::{Deserialize, Serialize};

pub mod child;
mod eta;
pub mod executor;
pub mod local;
mod log;
pub mod outcome;
mod pieces;
pub mod preview;
mod progress;
pub mod queue;
pub mod request;
mod run;
mod slots;
pub mod slurm;
pub mod task;

pub use request::check_names;

/// `task.json`: what a process is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskFile {
    /// What to compute.
    pub spec: AnalysisSpec,
    /// The inputs by the names that the spec uses.
    pub inputs: BTreeMap<String, TaskInput>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Where bytes are that are not in the data folder, if there is such a place.
    #[serde(default)]
    pub object_store: Option<String>,
    /// How much of it.
    pub work: Work,
}

/// What of a run a process does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// All of it.
    Whole,
    /// One task of several.
    Task(Task),
    /// The pieces of all tasks are in these files, in order.
    Join(Vec<PathBuf>),
}

/// One input of a [`TaskFile`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    /// Where the bytes are.
    pub path: PathBuf,
    /// What they are called in an object store; none of a file that lies elsewhere.
    #[serde(default)]
    pub hash: Option<String>,
    /// The file's name as uploaded: it decides how the bytes are read.
    pub name: String,
    /// Member of the file.
    pub member: Option<String>,
    /// Which axis has the samples.
    pub samples_axis: usize,
}

/// A line that a process prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Fraction done, 0 to 1.
    pub done_frac: f64,
    /// What it does.
    pub step: String,
}

const TASK_FILE: &str = "task.json";
const RESULT_FILE: &str = "result.eigr";
const PREVIEW_FILE: &str = "preview.eigr";
const ERROR_FILE: &str = "error.json";
/// Where a process that nobody listens to writes its last [`Report`].
const PROGRESS_FILE: &str = "progress.json";
