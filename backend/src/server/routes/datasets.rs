//! Datasets: upload, list, download, remove.

use std::path::PathBuf;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eigenscope::analysis::{AnalysisResult, Output, extraction};
use eigenscope::api::{ApiError, DatasetInfo, DiskUse};
use eigenscope::{Error, wire};
use serde::Deserialize;

use super::{Id, id_of, query_of};
use crate::ids;
use crate::server::attachment::attachment;
use crate::server::body::Receiver;
use crate::server::{App, failure::Failure, intake};

/// Query of an upload.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct UploadQuery {
    name: String,
}

/// Upload a file.
#[utoipa::path(post, path = "/api/v1/datasets", params(("name" = String, Query, description = "File name; its ending decides the format")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = DatasetInfo), (status = 413, body = ApiError), (status = 422, body = ApiError, description = "The reader's sentence")))]
pub(in crate::server) async fn create_dataset(
    State(app): State<App>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let name = intake::file_name(&query_of(query)?.name)?;
    let limit = app.0.config.max_upload_bytes;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if declared.is_some_and(|n| n > limit) {
        return Err(Failure::too_large("the upload", limit));
    }
    super::uploads::check_room(&app, declared.unwrap_or(0))?;
    keep(&app, name, body, limit).await
}

/// The layers that an extraction made, as a dataset of the server: an `.npz` archive.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/dataset", params(("id" = String, Path)),
    responses((status = 201, body = DatasetInfo), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "It is not done"),
        (status = 422, body = ApiError, description = "It is no extraction")))]
pub(in crate::server) async fn keep_layers(State(app): State<App>, id: Id) -> Result<Response, Failure> {
    let bytes = super::jobs::finished(&app, &id_of(id)?).await?;
    let archive = tokio::task::spawn_blocking(move || match wire::unpack::<AnalysisResult>(&bytes)?.output {
        Output::Extraction(output) => Ok((format!("{}-layers.npz", output.network), extraction::npz(&output)?)),
        _ => Err(Error::input("job", "only an extraction has layers that can be kept as a dataset")),
    });
    let (name, bytes) = archive.await.map_err(Failure::internal)??;
    let limit = bytes.len() as u64;
    keep(&app, intake::file_name(&name)?, Body::from(bytes), limit).await
}

async fn keep(app: &App, name: String, body: Body, limit: u64) -> Result<Response, Failure> {
    let part = Part(app.0.store.tmp_dir().join(ids::random_hex()?));
    let mut hasher = blake3::Hasher::new();
    let mut receiver = Receiver::open(&part.0, 0).await?;
    let see = |piece: &[u8]| {
        hasher.update(piece);
    };
    receiver.receive(body, limit, see, None).await?;
    let size_bytes = receiver.finish().await?;
    let id = hasher.finalize().to_hex().to_string();
    let info = intake::describe(app, &part.0, id, name, size_bytes).await?;
    app.0.store.insert_dataset(info.clone(), part.0.clone()).await?;
    tracing::info!(dataset = info.id, size_bytes, arrays = info.arrays.len(), "dataset stored");
    Ok((StatusCode::CREATED, Json(info)).into_response())
}

/// A file that is being received or sent, removed afterwards; what became a dataset has another name as well.
pub(super) struct Part(pub(super) PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// Bytes on the server's disk.
#[utoipa::path(get, path = "/api/v1/disk", responses((status = 200, body = DiskUse)))]
pub(in crate::server) async fn show_disk(State(app): State<App>) -> Result<Json<DiskUse>, Failure> {
    Ok(Json(app.0.store.disk_use().await?))
}

fn no_dataset(id: &str) -> Failure {
    Failure::not_found(format!("there is no dataset {id}"))
}

/// All datasets, the oldest first.
#[utoipa::path(get, path = "/api/v1/datasets", responses((status = 200, body = Vec<DatasetInfo>)))]
pub(in crate::server) async fn list_datasets(State(app): State<App>) -> Result<Json<Vec<DatasetInfo>>, Failure> {
    Ok(Json(app.0.store.datasets().await?))
}

/// One dataset.
#[utoipa::path(get, path = "/api/v1/datasets/{id}", params(("id" = String, Path)),
    responses((status = 200, body = DatasetInfo), (status = 404, body = ApiError)))]
pub(in crate::server) async fn show_dataset(State(app): State<App>, id: Id) -> Result<Json<DatasetInfo>, Failure> {
    let id = id_of(id)?;
    app.0.store.dataset(&id).await?.map(Json).ok_or_else(|| no_dataset(&id))
}

/// The bytes of a dataset, as uploaded.
#[utoipa::path(get, path = "/api/v1/datasets/{id}/bytes", params(("id" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = ApiError)))]
pub(in crate::server) async fn download_dataset(State(app): State<App>, id: Id) -> Result<Response, Failure> {
    let id = id_of(id)?;
    let info = app.0.store.dataset(&id).await?.ok_or_else(|| no_dataset(&id))?;
    let file = tokio::fs::File::open(app.0.store.dataset_file(&info).await?).await?;
    let quoted = info.name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' }).collect::<String>();
    Ok(attachment(file, info.size_bytes, &quoted, ()))
}

/// Remove a dataset.
#[utoipa::path(delete, path = "/api/v1/datasets/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "An unfinished job reads it")))]
pub(in crate::server) async fn delete_dataset(State(app): State<App>, id: Id) -> Result<StatusCode, Failure> {
    let id = id_of(id)?;
    match app.0.store.delete_dataset(&id).await? {
        None => Err(no_dataset(&id)),
        Some(0) => Ok(StatusCode::NO_CONTENT),
        Some(n) => Err(Failure::conflict(format!("{n} unfinished jobs read this dataset; cancel them first"))),
    }
}
