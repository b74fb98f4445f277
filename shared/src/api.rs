//! Types of the HTTP interface and of saved projects, shared by server and page.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::analysis::AnalysisSpec;
use crate::compute::DeviceChoice;
use crate::dataset::LabelColumn;
use crate::error::{Error, ErrorCode};

/// An error as the server sends it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what is wrong, what was expected, what to do.
    pub message: String,
    /// Path into the spec, so that a form can mark the field.
    pub field: Option<String>,
    /// Names the log entry.
    pub request_id: String,
}

impl ApiError {
    /// The wire form of a library error.
    #[must_use]
    pub fn new(error: &Error, request_id: impl Into<String>) -> Self {
        Self { code: error.code(), message: error.to_string(), field: error.field().map(Into::into), request_id: request_id.into() }
    }
}

/// One array of a file: what a reader can tell before loading it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayInfo {
    /// Member of the file (npz entry); absent when the file is one array.
    pub member: Option<String>,
    /// Element type as numpy writes it.
    pub dtype: String,
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// Why it cannot be loaded, when it cannot (pickled objects, too large).
    pub refused: Option<String>,
}

/// A file on the server.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInfo {
    /// blake3 of the bytes, hexadecimal.
    pub id: String,
    /// File name as uploaded.
    pub name: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Unix time in milliseconds.
    pub created_ms: u64,
    /// What is in it.
    pub arrays: Vec<ArrayInfo>,
    /// Where it lies when it was registered in place: the server reads it there and keeps no copy.
    #[serde(default)]
    pub path: Option<String>,
}

/// An upload that has not ended, or what it became.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadInfo {
    /// Identifier; not the dataset's.
    pub id: String,
    /// File name.
    pub name: String,
    /// Length of the whole in bytes.
    pub size_bytes: u64,
    /// Bytes that are safe on the server: where to go on.
    pub received_bytes: u64,
    /// blake3 of the whole, as the client announced it.
    pub hash: Option<String>,
    /// Id of the dataset, once all bytes are there.
    pub dataset: Option<String>,
    /// Unix time in milliseconds.
    pub created_ms: u64,
    /// Unix time in milliseconds after which an unfinished upload is removed.
    pub expires_ms: u64,
}

/// A file or folder on the server's machine.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderEntry {
    /// Its name.
    pub name: String,
    /// Absolute path.
    pub path: String,
    /// Whether there may be more in it.
    pub is_folder: bool,
    /// Length in bytes.
    pub size_bytes: u64,
}

/// Bytes on the server's disk.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUse {
    /// Datasets that the server keeps.
    pub dataset_bytes: u64,
    /// Results of jobs.
    pub result_bytes: u64,
    /// Unfinished uploads.
    pub upload_bytes: u64,
    /// Free for more; absent where the system does not tell.
    pub free_bytes: Option<u64>,
}

/// One input of a job.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRef {
    /// Id of a [`DatasetInfo`].
    pub dataset: String,
    /// Member of the file.
    #[serde(default)]
    pub member: Option<String>,
    /// Which axis has the samples, counted from 0: it becomes the first.
    #[serde(default)]
    pub samples_axis: usize,
}

/// A request to run an analysis.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// What to compute.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub spec: AnalysisSpec,
    /// The inputs by the names that the spec uses.
    pub inputs: BTreeMap<String, InputRef>,
    /// Where to compute.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Jobs of higher priority go first, those of the same one in the order in which they came: -100 to 100.
    #[cfg_attr(feature = "openapi", schema(minimum = -100, maximum = 100))]
    #[serde(default)]
    pub priority: i32,
    /// The most tasks of this job that run at the same time, 1 to 256; absent: as many as the server has processes for.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 256))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

impl JobRequest {
    /// Refuses a priority or a concurrency that is out of range.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the range.
    pub fn check(&self) -> Result<(), Error> {
        check_priority(self.priority)?;
        match self.concurrency {
            Some(n) if !(1..=MAX_CONCURRENCY).contains(&n) => {
                Err(Error::parameter("concurrency", format!("is {n}; give 1 to {MAX_CONCURRENCY}, or leave it out")))
            }
            _ => Ok(()),
        }
    }
}

/// The highest priority, and the negative of the lowest.
pub const MAX_PRIORITY: i32 = 100;
/// The most tasks of a job that a request may ask for at the same time.
pub const MAX_CONCURRENCY: u32 = 256;

/// Refuses a priority that is out of range.
///
/// # Errors
/// [`Error::Parameter`] with the range.
pub fn check_priority(priority: i32) -> Result<(), Error> {
    if (-MAX_PRIORITY..=MAX_PRIORITY).contains(&priority) {
        return Ok(());
    }
    Err(Error::parameter("priority", format!("is {priority}; give -{MAX_PRIORITY} to {MAX_PRIORITY}")))
}

/// What can be changed of a job that waits.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobChange {
    /// Its new priority: -100 to 100.
    #[cfg_attr(feature = "openapi", schema(minimum = -100, maximum = 100))]
    pub priority: i32,
}

/// Where a job stands.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for a process.
    Queued,
    /// A process works on it.
    Running,
    /// The result is there.
    Done,
    /// It ended with an error.
    Failed,
    /// It was canceled.
    Canceled,
}

impl JobState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Canceled)
    }
}

/// A job as the server tells it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Identifier.
    pub id: String,
    /// State.
    pub state: JobState,
    /// Fraction done, 0 to 1.
    pub done_frac: f64,
    /// What it does at the moment.
    pub step: String,
    /// What was asked.
    pub request: JobRequest,
    /// Why it failed.
    pub error: Option<ApiError>,
    /// Unix time in milliseconds.
    pub created_ms: u64,
    /// Unix time in milliseconds; the last time, when it was started again.
    pub started_ms: Option<u64>,
    /// Unix time in milliseconds.
    pub finished_ms: Option<u64>,
    /// Seconds that it will go on, from the speed so far; absent while there is nothing to tell it from.
    pub remaining_secs: Option<f64>,
}

/// What a process of a job does.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// All of the job.
    Whole,
    /// A part of it.
    Part,
    /// It joins what the parts gave.
    Join,
}

/// A part of a job that runs in a process of its own.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobTask {
    /// Its place, from 0.
    pub i: u32,
    /// What it does.
    pub kind: TaskKind,
    /// Where it stands; one that was left out is canceled.
    pub state: JobState,
    /// Processes that were started for it; none when its piece was kept from an earlier job.
    pub attempts: u32,
    /// Unix time in milliseconds of the last start.
    pub started_ms: Option<u64>,
    /// Unix time in milliseconds.
    pub ended_ms: Option<u64>,
    /// How long the last process ran: by a clock that nobody sets.
    pub ran_secs: Option<f64>,
}

/// A server-sent event: its `id` on the stream counts up without gaps.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A job was created or changed.
    Job(Box<Job>),
    /// A job was removed.
    Removed {
        /// Its id.
        id: String,
    },
}

/// A loaded dataset without its values: what the page shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// Name.
    pub name: String,
    /// Element type in the file.
    pub dtype: String,
    /// Lengths of the axes.
    pub shape: Vec<u64>,
    /// NaN and infinite values.
    pub n_non_finite: u64,
    /// Names of the columns.
    pub column_names: Option<Vec<String>>,
    /// Text columns that label rows.
    pub labels: Vec<LabelColumn>,
    /// A downsampled picture: at most 64 x 64 values scaled to 0..=255 row by row, 0 for not finite.
    pub thumbnail: Thumbnail,
    /// What a network consists of, when it is one.
    pub network: Option<Arc<NetworkSummary>>,
}

/// A network without its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSummary {
    /// What is fed in, with shapes where the file says.
    pub inputs: Vec<(String, Option<String>)>,
    /// Names of the values that come out.
    pub outputs: Vec<String>,
    /// Operations in the order in which they run, without those on shapes and indices.
    pub nodes: Vec<NodeSummary>,
}

/// One operation of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSummary {
    /// What it does.
    pub op: String,
    /// Names of the values that it makes, with shapes where the file says.
    pub outputs: Vec<(String, Option<String>)>,
    /// Names of the values that it reads, without constants, shapes and indices.
    pub inputs: Vec<String>,
}

/// A small gray picture of a matrix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Gray values, row by row.
    pub pixels: Vec<u8>,
}
