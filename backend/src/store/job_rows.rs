//! Rows of the jobs table as [`Job`]s.

use eigenscope::api::{Job, JobRequest, JobState};
use rusqlite::Row;

use super::{StoreError, unsigned};

pub(super) struct Raw {
    id: String,
    state: String,
    done_frac: f64,
    step: String,
    request: String,
    error: Option<String>,
    priority: i32,
    created_ms: i64,
    started_ms: Option<i64>,
    finished_ms: Option<i64>,
    remaining_secs: Option<f64>,
}

pub(super) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        state: row.get("state")?,
        done_frac: row.get("done_frac")?,
        step: row.get("step")?,
        request: row.get("request")?,
        error: row.get("error")?,
        priority: row.get("priority")?,
        created_ms: row.get("created_ms")?,
        started_ms: row.get("started_ms")?,
        finished_ms: row.get("finished_ms")?,
        remaining_secs: row.get("remaining_secs")?,
    })
}

pub(super) fn job(raw: Raw) -> Result<Job, StoreError> {
    // What was asked at first; the column has what it was changed to.
    let request = JobRequest { priority: raw.priority, ..serde_json::from_str(&raw.request)? };
    Ok(Job {
        id: raw.id,
        state: serde_json::from_value::<JobState>(raw.state.into())?,
        done_frac: raw.done_frac,
        step: raw.step,
        request,
        error: raw.error.map(|text| serde_json::from_str(&text)).transpose()?,
        created_ms: unsigned(raw.created_ms),
        started_ms: raw.started_ms.map(unsigned),
        finished_ms: raw.finished_ms.map(unsigned),
        remaining_secs: raw.remaining_secs,
    })
}
