//! Uploads that go on where they stopped: the tus protocol 1.0.0, and lists of them as JSON.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eigenscope::api::{ApiError, UploadInfo};
use eigenscope::error::{ErrorCode, bytes};

use super::{Id, id_of};
use crate::ids;
use crate::server::body::{Notes, Receiver};
use crate::server::sessions::{Hashed, Turn};
use crate::server::tus::{self, Checksum};
use crate::server::{App, failure::Failure, intake};
use crate::store::NewUpload;

/// What this server can do of the protocol.
#[utoipa::path(options, path = "/api/v1/uploads", responses((status = 204, headers(
    ("tus-version" = String), ("tus-extension" = String), ("tus-max-size" = u64), ("tus-checksum-algorithm" = String)))))]
pub(in crate::server) async fn show_protocol(State(app): State<App>) -> Response {
    let limit = app.0.config.max_upload_bytes.to_string();
    let headers = [
        ("tus-version", tus::VERSION),
        ("tus-extension", tus::EXTENSIONS),
        ("tus-checksum-algorithm", tus::ALGORITHMS),
        ("tus-max-size", &limit),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Uploads that have not ended, the oldest first.
#[utoipa::path(get, path = "/api/v1/uploads", responses((status = 200, body = Vec<UploadInfo>)))]
pub(in crate::server) async fn list_uploads(State(app): State<App>) -> Result<Json<Vec<UploadInfo>>, Failure> {
    Ok(Json(app.0.store.uploads().await?))
}

/// An upload, or what it became.
#[utoipa::path(get, path = "/api/v1/uploads/{id}", params(("id" = String, Path)),
    responses((status = 200, body = UploadInfo), (status = 400, body = ApiError), (status = 404, body = ApiError)))]
pub(in crate::server) async fn show_upload(State(app): State<App>, id: Id) -> Result<Json<UploadInfo>, Failure> {
    Ok(Json(find(&app, &id_of(id)?).await?))
}

/// Begin an upload; the first bytes may come along.
#[utoipa::path(post, path = "/api/v1/uploads", params(
        ("Tus-Resumable" = String, Header, description = "1.0.0"), ("Upload-Length" = u64, Header, description = "Bytes of the whole"),
        ("Upload-Metadata" = String, Header, description = "`filename` and its base64; `blake3` and the base64 of its hexadecimal digits")),
    responses((status = 201, headers(("location" = String), ("upload-offset" = u64), ("upload-expires" = String))), (status = 400, body = ApiError),
        (status = 412, body = ApiError), (status = 413, body = ApiError), (status = 422, body = ApiError), (status = 460, body = ApiError),
        (status = 507, body = ApiError)))]
pub(in crate::server) async fn create_upload(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let size_bytes = tus::number(&headers, "upload-length")?;
    let limit = app.0.config.max_upload_bytes;
    if size_bytes > limit {
        return Err(Failure::too_large("the upload", limit));
    }
    check_room(&app, size_bytes)?;
    let text = headers.get("upload-metadata").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let metadata = tus::metadata(text)?;
    let new = NewUpload { id: ids::random_hex()?, name: metadata.name, metadata: text.to_owned(), size_bytes, hash: metadata.hash };
    let mut upload = app.0.store.create_upload(new).await?;
    tracing::info!(upload = upload.id, size_bytes, "upload begun");
    if is_piece(&headers) || size_bytes == 0 {
        upload = append(&app, &upload.id, 0, &headers, body).await?;
    }
    let location = format!("/api/v1/uploads/{}", upload.id);
    Ok((StatusCode::CREATED, state_headers(&upload), [(header::LOCATION, location)]).into_response())
}

/// How many bytes of an upload are safe. A request that still writes to it is stopped: whoever asks is about to go on.
#[utoipa::path(head, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 200, headers(("upload-offset" = u64), ("upload-length" = u64), ("upload-metadata" = String), ("upload-expires" = String))),
        (status = 400), (status = 404), (status = 412)))]
pub(in crate::server) async fn measure_upload(State(app): State<App>, id: Id) -> Result<Response, Failure> {
    let id = id_of(id)?;
    find(&app, &id).await?;
    let turn = take_turn(&app, &id).await?;
    let upload = measured(&app, &id).await?;
    drop(turn);
    let metadata = HeaderValue::from_str(&app.0.store.upload_metadata(&id).await?).map_err(Failure::internal)?;
    let length = [("upload-length", upload.size_bytes.to_string())];
    Ok((StatusCode::OK, state_headers(&upload), length, [("upload-metadata", metadata)]).into_response())
}

/// Append bytes at `Upload-Offset`. The last ones make it a dataset, whose id is in the header `Eigenscope-Dataset`.
#[utoipa::path(patch, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header),
        ("Upload-Offset" = u64, Header, description = "Bytes that were sent before"),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `blake3`, a space, and the hash of this request's bytes as base64")),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204, headers(("upload-offset" = u64), ("upload-expires" = String), ("eigenscope-dataset" = String))),
        (status = 400, body = ApiError), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "Another offset"),
        (status = 412, body = ApiError), (status = 413, body = ApiError), (status = 415, body = ApiError),
        (status = 422, body = ApiError, description = "The reader's sentence; the upload is gone"),
        (status = 423, body = ApiError, description = "An older request still writes"), (status = 460, body = ApiError, description = "The checksum is another"),
        (status = 507, body = ApiError)))]
pub(in crate::server) async fn append_upload(State(app): State<App>, id: Id, headers: HeaderMap, body: Body) -> Result<Response, Failure> {
    let id = id_of(id)?;
    if !is_piece(&headers) {
        let message = format!("the content type must be {}", tus::PIECE);
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::Unsupported, message));
    }
    let offset = tus::number(&headers, "upload-offset")?;
    let upload = append(&app, &id, offset, &headers, body).await?;
    Ok((StatusCode::NO_CONTENT, state_headers(&upload)).into_response())
}

/// Give an upload up. What it became stays.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 204), (status = 400, body = ApiError), (status = 404, body = ApiError), (status = 412, body = ApiError), (status = 423, body = ApiError)))]
pub(in crate::server) async fn delete_upload(State(app): State<App>, id: Id) -> Result<StatusCode, Failure> {
    let id = id_of(id)?;
    find(&app, &id).await?;
    let _turn = take_turn(&app, &id).await?;
    app.0.store.delete_upload(&id).await?;
    app.0.sessions.forget(&id);
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, id: &str) -> Result<UploadInfo, Failure> {
    let none = || Failure::not_found(format!("there is no upload {id}; it may have expired, begin it anew"));
    app.0.store.upload(id).await?.ok_or_else(none)
}

/// An upload whose file has all the bytes that its row counts. It may have fewer after a backup, which leaves unfinished uploads out, or when
/// the machine lost its power: then it goes on from what there is.
async fn measured(app: &App, id: &str) -> Result<UploadInfo, Failure> {
    let upload = find(app, id).await?;
    let there = tokio::fs::metadata(app.0.store.upload_file(id)).await.map_or(0, |file| file.len());
    if upload.dataset.is_some() || there >= upload.received_bytes {
        return Ok(upload);
    }
    app.0.store.report_received(id, there).await?;
    Ok(UploadInfo { received_bytes: there, ..upload })
}

async fn take_turn(app: &App, id: &str) -> Result<Turn, Failure> {
    let busy = || Failure::new(StatusCode::LOCKED, ErrorCode::Busy, "an older request still writes to this upload; try again");
    app.0.sessions.take(id).await.ok_or_else(busy)
}

fn is_piece(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value == tus::PIECE)
}

/// Refuses what the disk has no room for before it is sent.
pub(super) fn check_room(app: &App, size_bytes: u64) -> Result<(), Failure> {
    let Some(free) = app.0.store.free_bytes().filter(|&free| free < size_bytes) else { return Ok(()) };
    let message =
        format!("the upload has {} but the server's disk only {} free; remove datasets or jobs there", bytes(size_bytes), bytes(free));
    Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::TooLarge, message))
}

async fn append(app: &App, id: &str, offset: u64, headers: &HeaderMap, body: Body) -> Result<UploadInfo, Failure> {
    find(app, id).await?;
    let mut turn = take_turn(app, id).await?;
    let upload = measured(app, id).await?;
    if offset != upload.received_bytes || upload.dataset.is_some() {
        let message = format!("the upload has {} bytes, not {offset}; go on there", upload.received_bytes);
        return Err(Failure::conflict(message).with_field(Some("Upload-Offset".into())));
    }
    let mut checksum = Checksum::of(headers)?;
    let mut hashed = if turn.hashed.bytes == offset { turn.hashed.clone() } else { Hashed::default() };
    let is_hashed = hashed.bytes == offset;
    let mut receiver = Receiver::open(&app.0.store.upload_file(id), offset).await?;
    let is_checked = checksum.is_some();
    let see = |piece: &[u8]| {
        if let Some(checksum) = &mut checksum {
            checksum.update(piece);
        }
        if is_hashed {
            hashed.hasher.update(piece);
            hashed.bytes += piece.len() as u64;
        }
    };
    // The last byte counts once the whole is a dataset: a client that comes back after a crash sends it again.
    let at_most = upload.size_bytes.saturating_sub(1);
    let notes = (!is_checked).then_some(Notes { store: &app.0.store, upload: id, at_most });
    let outcome = tokio::select! {
        outcome = receiver.receive(body, upload.size_bytes, see, notes) => outcome,
        () = turn.interrupted() => Err(Failure::conflict("a newer request goes on with this upload")),
    };
    let received = receiver.finish().await?;
    if let Some(checksum) = checksum {
        // Of a piece whose checksum cannot be told nothing is kept: the next request cuts it off.
        outcome?;
        if !checksum.holds() {
            return Err(Failure::checksum("the bytes that arrived do not have the checksum that was sent; send them again"));
        }
        *turn.hashed = hashed;
    } else {
        *turn.hashed = if hashed.bytes == received { hashed } else { Hashed::default() };
        app.0.store.report_received(id, received.min(at_most)).await?;
        outcome?;
    }
    if received < upload.size_bytes {
        app.0.store.report_received(id, received).await?;
    } else {
        finish(app, &upload, &turn).await?;
    }
    find(app, id).await
}

/// All bytes are there: they become a dataset, or the upload is removed and the reader's sentence returned.
async fn finish(app: &App, upload: &UploadInfo, turn: &Turn) -> Result<(), Failure> {
    let file = app.0.store.upload_file(&upload.id);
    let hash = if turn.hashed.bytes == upload.size_bytes {
        turn.hashed.hasher.finalize().to_hex().to_string()
    } else {
        let file = file.clone();
        tokio::task::spawn_blocking(move || crate::store::hash_file(&file)).await.map_err(Failure::internal)??
    };
    let described = if upload.hash.as_ref().is_some_and(|announced| *announced != hash) {
        Err(Failure::checksum("the bytes that arrived are not those whose blake3 was announced; begin the upload anew"))
    } else {
        intake::describe(app, &file, hash, upload.name.clone(), upload.size_bytes).await
    };
    match described {
        Ok(info) => {
            tracing::info!(
                upload = upload.id,
                dataset = info.id,
                size_bytes = info.size_bytes,
                arrays = info.arrays.len(),
                "dataset stored"
            );
            app.0.store.complete_upload(&upload.id, info).await?;
        }
        Err(failure) => {
            app.0.store.delete_upload(&upload.id).await?;
            app.0.sessions.forget(&upload.id);
            return Err(failure);
        }
    }
    app.0.sessions.forget(&upload.id);
    Ok(())
}

fn state_headers(upload: &UploadInfo) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("upload-offset"), upload.received_bytes.into());
    let texts = [("upload-expires", Some(tus::http_date(upload.expires_ms))), ("eigenscope-dataset", upload.dataset.clone())];
    for (name, text) in texts {
        headers.extend(text.and_then(|text| HeaderValue::from_str(&text).ok()).map(|value| (HeaderName::from_static(name), value)));
    }
    headers
}
