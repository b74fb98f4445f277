//! Request bodies: JSON with errors that say where, and files that grow by them.

use std::path::Path;

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use eigenscope::api::{InputRef, JobRequest};
use eigenscope::error::ErrorCode;
use eigenscope::{AnalysisSpec, DeviceChoice, Error};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::failure::Failure;
use super::limits::is_too_slow;
use crate::store::Store;

/// Specs are small; arrays are uploaded as files.
const MAX_JSON_BYTES: usize = 4 << 20;

/// [`JobRequest`] with its spec still to be read, so that an error in the spec names the spec's field.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    spec: serde_json::Value,
    inputs: std::collections::BTreeMap<String, InputRef>,
    #[serde(default)]
    device: DeviceChoice,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    concurrency: Option<u32>,
}

/// Reads a request: 400 when it is not JSON, 422 with the field when it is JSON of another form.
pub(super) async fn read_json<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes = to_bytes(body, MAX_JSON_BYTES).await.map_err(|e| read_failure(&e, MAX_JSON_BYTES))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| Failure::malformed(format!("the body is not JSON: {e}")))?;
    serde_json::from_value(value).map_err(|e| form_failure("the request", &e))
}

/// Reads a request to run an analysis.
pub(super) async fn read_job_request(body: Body) -> Result<JobRequest, Failure> {
    let raw: RawRequest = read_json(body).await?;
    let spec = serde_json::from_value::<AnalysisSpec>(raw.spec).map_err(|e| form_failure("the spec", &e))?;
    Ok(JobRequest { spec, inputs: raw.inputs, device: raw.device, priority: raw.priority, concurrency: raw.concurrency })
}

fn read_failure(error: &axum::Error, limit: usize) -> Failure {
    // axum hides the kind of error; the limit's is the only one with this source.
    if format!("{error:?}").contains("LengthLimit") {
        return Failure::too_large("the body", limit as u64);
    }
    broken("the body did not arrive", error)
}

/// A body that ended before its end: 408 when its client was too slow.
pub(super) fn broken(what: &str, error: &axum::Error) -> Failure {
    let message = format!("{what}: {error}");
    if is_too_slow(error) {
        return Failure::new(StatusCode::REQUEST_TIMEOUT, ErrorCode::Malformed, message);
    }
    Failure::malformed(message)
}

fn form_failure(what: &str, error: &serde_json::Error) -> Failure {
    let message = error.to_string();
    let named = message.contains("field `").then(|| message.split('`').nth(1)).flatten().map(str::to_owned);
    let error = Error::parameter(named.clone().unwrap_or_else(|| "request".into()), format!("{what} has another form: {message}"));
    Failure::from(error).with_field(named)
}

/// Bytes after which it is noted how far an upload is.
const NOTE_EVERY: u64 = 64 << 20;

/// Where it is noted.
pub(super) struct Notes<'a> {
    pub(super) store: &'a Store,
    pub(super) upload: &'a str,
    pub(super) at_most: u64,
}

/// A file that grows by the bodies of requests.
pub(super) struct Receiver {
    file: tokio::fs::File,
    length: u64,
}

impl Receiver {
    /// Goes on with a file of which so many bytes are safe; what it has beyond them is cut off.
    pub(super) async fn open(path: &Path, length: u64) -> std::io::Result<Self> {
        let mut file = tokio::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).await?;
        file.set_len(length).await?;
        file.seek(std::io::SeekFrom::End(0)).await?;
        Ok(Self { file, length })
    }

    /// Appends a body of which each piece is handed to `see` first; now and then it is noted how many bytes are in the file.
    pub(super) async fn receive(
        &mut self,
        body: Body,
        limit: u64,
        mut see: impl FnMut(&[u8]),
        notes: Option<Notes<'_>>,
    ) -> Result<(), Failure> {
        let mut stream = body.into_data_stream();
        let mut noted = self.length;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|e| broken(&format!("the upload broke off after {} bytes", self.length), &e))?;
            if self.length + chunk.len() as u64 > limit {
                return Err(Failure::too_large("the upload", limit));
            }
            see(&chunk);
            self.file.write_all(&chunk).await?;
            self.length += chunk.len() as u64;
            if let Some(notes) = &notes
                && self.length - noted >= NOTE_EVERY
            {
                self.file.flush().await?;
                notes.store.report_received(notes.upload, notes.at_most.min(self.length)).await?;
                noted = self.length;
            }
        }
        Ok(())
    }

    /// Waits until everything is written; returns how many bytes the file has now. These may be fewer or more than were seen if an error or
    /// an interruption came in the middle of a piece, but they are the right ones.
    pub(super) async fn finish(mut self) -> std::io::Result<u64> {
        self.file.flush().await?;
        Ok(self.file.metadata().await?.len())
    }
}
