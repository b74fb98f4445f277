//! Rows of the jobs table as [`Job`]s.

use eigenscope::api::{Job, JobState};
use rusqlite::Row;

use super::{StoreError, unsigned};

pub(super) struct Raw {
    id: String,
    state: String,
    done_frac: f64,
    step: String,
    request: String,
    error: Option<String>,
    created_ms: i64,
    finished_ms: Option<i64>,
}

pub(super) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        state: row.get("state")?,
        done_frac: row.get("done_frac")?,
        step: row.get("step")?,
        request: row.get("request")?,
        error: row.get("error")?,
        created_ms: row.get("created_ms")?,
        finished_ms: row.get("finished_ms")?,
    })
}

pub(super) fn job(raw: Raw) -> Result<Job, StoreError> {
    Ok(Job {
        id: raw.id,
        state: serde_json::from_value::<JobState>(raw.state.into())?,
        done_frac: raw.done_frac,
        step: raw.step,
        request: serde_json::from_str(&raw.request)?,
        error: raw.error.map(|text| serde_json::from_str(&text)).transpose()?,
        created_ms: unsigned(raw.created_ms),
        finished_ms: raw.finished_ms.map(unsigned),
    })
}
