//! Arrays of datasets in other formats.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use eigenscope::api::{ApiError, DatasetInfo};
use eigenscope::io::{self, SaveFormat};
use eigenscope::{Dataset, Error};
use serde::Deserialize;

use super::datasets::Part;
use super::{Id, id_of, query_of};
use crate::server::attachment::attachment;
use crate::server::{App, failure::Failure};
use crate::{ids, stored};

/// The whole array is in the server's memory while it is written.
const MAX_ARRAY_BYTES: u64 = 2 << 30;

/// Query of an export.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct ExportQuery {
    format: SaveFormat,
    member: Option<String>,
    #[serde(default)]
    transpose: bool,
}

/// An array of a dataset in another format.
#[utoipa::path(get, path = "/api/v1/datasets/{id}/arrays",
    params(("id" = String, Path), ("format" = SaveFormat, Query, description = "npy, npz, h5, csv or mat (MATLAB 5)"),
        ("member" = Option<String>, Query, description = "Which array of a file of several"),
        ("transpose" = Option<bool>, Query, description = "Reverse the axes")),
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
    if wanted.map(|array| needed(&array.shape)).max().is_some_and(|bytes| bytes > MAX_ARRAY_BYTES) {
        return Err(Failure::too_large("the array to convert (take /bytes, and `eigenscope convert`)", MAX_ARRAY_BYTES));
    }
    // One at a time, for the memory that it takes.
    let turn = app.0.inspecting.acquire().await.map_err(Failure::internal)?;
    let part = Part(app.0.store.tmp_dir().join(ids::random_hex()?));
    let (blob, format) = (app.0.store.dataset_file(&info).await?, query.format);
    let written = tokio::task::spawn_blocking(move || write(part, &blob, &info, &query));
    let (part, name) = written.await.map_err(Failure::internal)??;
    drop(turn);
    let file = tokio::fs::File::open(&part.0).await?;
    let length = file.metadata().await?.len();
    let quoted: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    // The file is removed with the stream, sent or not.
    Ok(attachment(file, length, &format!("{quoted}.{}", format.ending()), part))
}

/// Writes the array, and says what it is called.
fn write(part: Part, blob: &std::path::Path, info: &DatasetInfo, query: &ExportQuery) -> Result<(Part, String), Error> {
    let array = stored::read(blob, &info.name, query.member.as_deref())?;
    let array: Dataset = if query.transpose { array.transposed() } else { array };
    let unwritable = |e: std::io::Error| Error::internal(format!("a converted array cannot be written: {e}"));
    let mut out = BufWriter::new(File::create(&part.0).map_err(unwritable)?);
    let name = array.name.clone();
    io::save(query.format, &[(name.clone(), &array)], &mut out)?;
    out.flush().map_err(unwritable)?;
    Ok((part, name))
}
