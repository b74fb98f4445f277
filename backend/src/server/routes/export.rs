//! Arrays of datasets in other formats, written by a process of its own: an array takes its memory, not the server's.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use eigenscope::api::ApiError;
use eigenscope::io::SaveFormat;
use serde::Deserialize;
use tokio::process::Command;

use super::datasets::Part;
use super::{Id, id_of, query_of};
use crate::ids;
use crate::server::attachment::attachment;
use crate::server::intake::ask;
use crate::server::{App, failure::Failure};

/// Query of an export.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct ExportQuery {
    format: SaveFormat,
    member: Option<String>,
    #[serde(default)]
    samples_axis: usize,
}

/// An array of a dataset in another format.
#[utoipa::path(get, path = "/api/v1/datasets/{id}/arrays",
    params(("id" = String, Path), ("format" = SaveFormat, Query, description = "npy, npz, h5, csv or mat (MATLAB 5)"),
        ("member" = Option<String>, Query, description = "Which array of a file of several"),
        ("samples_axis" = Option<usize>, Query, description = "The axis that becomes the first, counted from 0")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 400, body = ApiError), (status = 404, body = ApiError),
        (status = 413, body = ApiError), (status = 422, body = ApiError, description = "What the format does not hold, or which arrays there are")))]
pub(in crate::server) async fn export_array(
    State(app): State<App>,
    id: Id,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let id = id_of(id)?;
    let query = query_of(query)?;
    let info = app.0.store.dataset(&id).await?.ok_or_else(|| Failure::not_found(format!("there is no dataset {id}")))?;
    let needed = |shape: &[u64]| shape.iter().fold(8u64, |bytes, n| bytes.saturating_mul(*n));
    let wanted = info.arrays.iter().filter(|array| query.member.is_none() || array.member == query.member);
    // Once as it is read, once as it is written.
    let most = app.0.config.memory_bytes.map_or(u64::MAX, |bytes| bytes / 2);
    if wanted.map(|array| needed(&array.shape)).max().is_some_and(|bytes| bytes > most) {
        return Err(Failure::too_large("the array to convert (take /bytes, and `eigenscope convert`)", most));
    }
    let part = Part(app.0.store.tmp_dir().join(ids::random_hex()?));
    let blob = app.0.store.dataset_file(&info).await?;
    let prepare = |command: &mut Command| {
        command.args(["--samples-axis", &query.samples_axis.to_string(), "--format", query.format.ending()]);
        command.args(query.member.iter().map(|member| format!("--member={member}"))).arg(&blob).arg(&part.0);
    };
    let name: String = ask(&app, "export", &info.name, prepare).await?;
    let file = tokio::fs::File::open(&part.0).await?;
    let length = file.metadata().await?.len();
    let quoted: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    // The file is removed with the stream, sent or not.
    Ok(attachment(file, length, &format!("{quoted}.{}", query.format.ending()), part))
}
