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
    /// Exchange rows and columns after reading.
    #[serde(default)]
    pub transpose: bool,
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
    /// Unix time in milliseconds.
    pub finished_ms: Option<u64>,
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
