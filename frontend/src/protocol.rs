//! Messages between the page and its compute worker.
//!
//! The page posts `{ id, json, blob?, buffer? }`: `json` is a [`Request`], `blob` a file that the request reads, `buffer` bytes (transferred).
//! The worker answers with `{ id, json, buffer? }`: `json` is a [`Response`]. Every request ends with exactly one response that is not
//! [`Response::Progress`] or [`Response::Preview`]. Cancellation is the page terminating the worker and starting another: the page keeps the files and loads them again.

use std::collections::BTreeMap;

use eigenscope::api::{ArrayInfo, DatasetSummary};
use eigenscope::compute::{DeviceChoice, DeviceInfo};
use eigenscope::io::SaveFormat;
use eigenscope::{AnalysisSpec, Error};
use serde::{Deserialize, Serialize};

/// Bytes of a file that are hashed and sent at once.
pub const PIECE_BYTES: u64 = 8 << 20;

/// What the page asks.
#[expect(clippy::large_enum_variant, reason = "one message at a time: boxing would save nothing")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Which devices are there.
    Devices,
    /// Which arrays are in the file (`blob`).
    List {
        /// File name.
        name: String,
    },
    /// Read an array of the file (`blob`) and keep it under `key`.
    Load {
        /// Under which it is kept; chosen by the page, unique.
        key: String,
        /// File name.
        name: String,
        /// Member of the file.
        member: Option<String>,
        /// Which axis has the samples.
        samples_axis: usize,
    },
    /// Forget a dataset.
    Unload {
        /// Its key.
        key: String,
    },
    /// Run an analysis on loaded datasets.
    Run {
        /// What to compute.
        spec: AnalysisSpec,
        /// Input names of the spec → keys of loaded datasets.
        inputs: BTreeMap<String, String>,
        /// Where.
        device: DeviceChoice,
    },
    /// Write a loaded dataset in a format of files.
    Export {
        /// Its key.
        key: String,
        /// Its name in the file.
        name: String,
        /// The format.
        format: SaveFormat,
    },
    /// The sample data as files.
    Sample,
    /// Pack files (their bytes one after the other in `buffer`) into a zip archive.
    Pack {
        /// Names and lengths in bytes.
        files: Vec<(String, u32)>,
    },
    /// Unpack a zip archive (`blob`).
    Unpack,
    /// The hashes of a file (`blob`) and of its pieces.
    Hash,
    /// Panic on purpose: the tests' way to see that a crash costs only the worker.
    Crash,
}

/// What the worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Devices`].
    Devices {
        /// The CPU first, then WebGPU when it can be used.
        devices: Vec<DeviceInfo>,
        /// Why WebGPU cannot be used, in one sentence, when it cannot.
        webgpu_missing: Option<String>,
    },
    /// To [`Request::List`].
    Listed {
        /// The arrays.
        arrays: Vec<ArrayInfo>,
    },
    /// To [`Request::Load`].
    Loaded {
        /// What the page shows.
        summary: DatasetSummary,
    },
    /// To [`Request::Unload`].
    Unloaded,
    /// While a run goes on.
    Progress {
        /// 0 to 1.
        done_frac: f64,
        /// What it does.
        step: String,
    },
    /// While a run goes on: what is known of its result so far, as an envelope in `buffer`.
    Preview,
    /// To [`Request::Run`]: the result as an envelope (`eigenscope::wire`) in `buffer`.
    Ran,
    /// To [`Request::Export`]: the bytes in `buffer`.
    Exported {
        /// What the format does not hold.
        left_out: Vec<String>,
    },
    /// To [`Request::Pack`]: the bytes in `buffer`.
    Bytes,
    /// To [`Request::Sample`] and [`Request::Unpack`]: their bytes one after the other in `buffer`.
    Files {
        /// Names and lengths in bytes.
        files: Vec<(String, u32)>,
    },
    /// To [`Request::Hash`].
    Hashed {
        /// blake3 of the whole, hexadecimal.
        hash: String,
        /// What `Upload-Checksum` says of each piece of [`PIECE_BYTES`].
        pieces: Vec<String>,
    },
    /// To anything.
    Failed {
        /// Why.
        error: Error,
    },
}
