//! Request bodies: JSON with errors that say where, and files streamed to the disk.

use std::path::Path;

use axum::body::{Body, to_bytes};
use eigenscope::api::{InputRef, JobChange, JobRequest};
use eigenscope::{AnalysisSpec, DeviceChoice, Error};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::failure::Failure;

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

/// Reads a request to run an analysis: 400 when it is not JSON, 422 with the field when it is JSON of another form.
pub(super) async fn read_job_request(body: Body) -> Result<JobRequest, Failure> {
    let bytes = to_bytes(body, MAX_JSON_BYTES).await.map_err(|e| read_failure(&e, MAX_JSON_BYTES))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| Failure::malformed(format!("the body is not JSON: {e}")))?;
    let raw = serde_json::from_value::<RawRequest>(value).map_err(|e| form_failure("the request", &e))?;
    let spec = serde_json::from_value::<AnalysisSpec>(raw.spec).map_err(|e| form_failure("the spec", &e))?;
    Ok(JobRequest { spec, inputs: raw.inputs, device: raw.device, priority: raw.priority, concurrency: raw.concurrency })
}

/// Reads what is to be changed of a job, as [`read_job_request`] reads a request.
pub(super) async fn read_job_change(body: Body) -> Result<JobChange, Failure> {
    let bytes = to_bytes(body, MAX_JSON_BYTES).await.map_err(|e| read_failure(&e, MAX_JSON_BYTES))?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|e| Failure::malformed(format!("the body is not JSON: {e}")))?;
    serde_json::from_value(value).map_err(|e| form_failure("the change", &e))
}

fn read_failure(error: &axum::Error, limit: usize) -> Failure {
    // axum hides the kind of error; the limit's is the only one with this source.
    if format!("{error:?}").contains("LengthLimit") {
        return Failure::too_large("the body", limit as u64);
    }
    Failure::malformed(format!("the body did not arrive: {error}"))
}

fn form_failure(what: &str, error: &serde_json::Error) -> Failure {
    let message = error.to_string();
    let named = message.contains("field `").then(|| message.split('`').nth(1)).flatten().map(str::to_owned);
    let error = Error::parameter(named.clone().unwrap_or_else(|| "request".into()), format!("{what} has another form: {message}"));
    Failure::from(error).with_field(named)
}

/// Writes a body to a file while hashing it; returns the hash and the length.
pub(super) async fn receive_file(body: Body, file: &Path, limit: u64) -> Result<(String, u64), Failure> {
    let mut out = tokio::fs::File::create(file).await?;
    let mut hasher = blake3::Hasher::new();
    let mut length = 0u64;
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| Failure::malformed(format!("the upload broke off after {length} bytes: {e}")))?;
        length += chunk.len() as u64;
        if length > limit {
            return Err(Failure::too_large("the upload", limit));
        }
        hasher.update(&chunk);
        out.write_all(&chunk).await?;
    }
    out.flush().await?;
    Ok((hasher.finalize().to_hex().to_string(), length))
}
