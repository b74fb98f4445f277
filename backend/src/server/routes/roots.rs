//! Files that lie on the server's machine already, in folders that whoever started it has allowed: read in place, not copied.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use eigenscope::api::{ApiError, DatasetInfo, FolderEntry};
use eigenscope::error::ErrorCode;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use super::query_of;
use crate::server::{App, body, failure::Failure, intake};
use crate::store::{Refused, modified_ns};

/// Bytes that are hashed at once.
const CHUNK: usize = 1 << 20;
/// Entries of a folder that are listed.
const MAX_ENTRIES: usize = 10_000;

/// A file or folder by its path on the server.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct PlaceQuery {
    /// Absolute.
    path: String,
}

/// The folders in which files can be registered.
#[utoipa::path(get, path = "/api/v1/roots", responses((status = 200, body = Vec<String>)))]
pub(in crate::server) async fn list_roots(State(app): State<App>) -> Json<Vec<String>> {
    Json(app.0.store.roots().iter().map(|root| root.display().to_string()).collect())
}

/// What is in one of them, or below.
#[utoipa::path(get, path = "/api/v1/roots/files", params(("path" = String, Query, description = "Absolute path of a folder")),
    responses((status = 200, body = Vec<FolderEntry>), (status = 400, body = ApiError), (status = 403, body = ApiError, description = "Outside of the allowed folders"),
        (status = 404, body = ApiError)))]
pub(in crate::server) async fn list_files(
    State(app): State<App>,
    query: Result<Query<PlaceQuery>, QueryRejection>,
) -> Result<Json<Vec<FolderEntry>>, Failure> {
    let folder = permitted(&app, Path::new(&query_of(query)?.path))?;
    if !folder.is_dir() {
        return Err(Failure::not_found(format!("{} is no folder", folder.display())));
    }
    let listed = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        for entry in std::fs::read_dir(folder)?.take(MAX_ENTRIES) {
            let entry = entry?;
            // Through links, which are followed when they are opened, too; what cannot be looked at is left out.
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            let (Ok(name), path) = (entry.file_name().into_string(), entry.path().display().to_string()) else { continue };
            out.push(FolderEntry { name, path, is_folder: metadata.is_dir(), size_bytes: metadata.len() });
        }
        out.sort_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
        Ok::<_, std::io::Error>(out)
    });
    Ok(Json(listed.await.map_err(Failure::internal)??))
}

/// Make a file a dataset where it lies. Its bytes are hashed, not copied; a file that changes afterwards has to be registered again.
#[utoipa::path(post, path = "/api/v1/roots/datasets", request_body = PlaceQuery,
    responses((status = 201, body = DatasetInfo), (status = 400, body = ApiError), (status = 403, body = ApiError, description = "Outside of the allowed folders"),
        (status = 404, body = ApiError), (status = 409, body = ApiError, description = "It was changed meanwhile"), (status = 413, body = ApiError),
        (status = 422, body = ApiError, description = "The reader's sentence")))]
pub(in crate::server) async fn register_file(State(app): State<App>, body: Body) -> Result<Response, Failure> {
    let wanted: PlaceQuery = body::read_json(body).await?;
    let path = permitted(&app, Path::new(&wanted.path))?;
    let text = path.to_str().map(str::to_owned).ok_or_else(|| Failure::malformed("the path must be UTF-8"))?;
    if !path.is_file() {
        return Err(Failure::not_found(format!("{text} is no file")));
    }
    let before = modified_ns(&path)?;
    let id = hash(&path).await?;
    let name = intake::file_name(&text)?;
    let info = intake::describe(&app, &path, id, name, before.0).await?;
    if modified_ns(&path)? != before {
        return Err(Failure::conflict(format!("{text} was changed while it was read; register it again when it is finished")));
    }
    let info = app.0.store.register_dataset(DatasetInfo { path: Some(text), ..info }, before.1).await?;
    tracing::info!(dataset = info.id, size_bytes = info.size_bytes, "dataset registered");
    Ok((StatusCode::CREATED, Json(info)).into_response())
}

/// The file without links, if it is in an allowed folder.
fn permitted(app: &App, path: &Path) -> Result<PathBuf, Failure> {
    app.0.store.permitted(path).map_err(|refused| match refused {
        Refused::Missing => Failure::not_found(format!("there is nothing at {}", path.display())),
        Refused::Outside => {
            let roots = app.0.store.roots().iter().map(|root| root.display().to_string()).collect::<Vec<_>>();
            let known = if roots.is_empty() { "there are none; start the server with --root".to_owned() } else { roots.join(", ") };
            Failure::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Forbidden,
                format!("{} is outside of the allowed folders: {known}", path.display()),
            )
        }
    })
}

/// Stops when the client hangs up.
async fn hash(path: &Path) -> Result<String, Failure> {
    let mut file = tokio::fs::File::open(path).await?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).await? {
            0 => return Ok(hasher.finalize().to_hex().to_string()),
            n => hasher.update(&chunk[..n]),
        };
    }
}
