//! Files on their way to the server: hashed in the worker, sent in pieces, gone on with after a pause, a lost line or a reload.
//!
//! The server names a file by the hash of its bytes: what is there already is not sent, and what was sent in part before the page was
//! closed goes on when the same file is given again.

use std::rc::Rc;

use eigenscope::api::ApiError;
use eigenscope::error::ErrorCode;
use gloo::timers::future::TimeoutFuture;
use leptos::prelude::*;
use web_sys::Blob;

use crate::client::News;
use crate::datasets::load::size_text;
use crate::protocol::{PIECE_BYTES, Request, Response};
use crate::server;
use crate::state::App;

/// How often a piece is sent before the upload is given up.
const ATTEMPTS: u32 = 6;
/// Milliseconds between looks at the button that goes on.
const PAUSE_MS: u32 = 100;

/// What somebody who looks sees of an upload, and what they may ask.
#[derive(Clone, Copy)]
pub(crate) struct Upload {
    /// Share that is done, of hashing or of sending.
    pub(crate) done_frac: RwSignal<f64>,
    /// What is being done, for people.
    pub(crate) step: RwSignal<String>,
    /// Whether it is to wait; `None` while there is nothing to pause.
    pub(crate) paused: RwSignal<Option<bool>>,
    /// Whether it is to end.
    pub(crate) canceled: RwSignal<bool>,
}

impl Upload {
    pub(crate) fn new() -> Self {
        Self {
            done_frac: RwSignal::new(0.0),
            step: RwSignal::new(String::new()),
            paused: RwSignal::new(None),
            canceled: RwSignal::new(false),
        }
    }
}

/// Brings a file to the server and returns the dataset's id there; nothing is sent that is there already.
pub(crate) async fn send(app: App, name: &str, file: &Blob, upload: Upload) -> Result<String, ApiError> {
    let outcome = run(app, name, file, upload).await;
    upload.paused.set(None);
    upload.step.set(String::new());
    upload.done_frac.set(0.0);
    outcome
}

async fn run(app: App, name: &str, file: &Blob, upload: Upload) -> Result<String, ApiError> {
    let (hash, checksums) = hash(app, name, file, upload).await?;
    // The list, because a browser reports every answer of 404 as a mistake of the page. Another ending is another reader.
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    if server::datasets().await?.iter().any(|known| known.id == hash && ending(&known.name) == ending(name)) {
        return Ok(hash);
    }
    let size = file.size();
    let begun = server::uploads().await?.into_iter().find(|begun| begun.hash.as_ref() == Some(&hash) && begun.size_bytes == whole(size));
    let id = match begun {
        Some(begun) => begun.id,
        None => server::begin_upload(name, whole(size), &hash).await?,
    };
    upload.paused.set(Some(false));
    let mut failures = 0;
    loop {
        // What is safe there is asked anew after every trouble.
        let state = server::upload(&id).await;
        let at = match state {
            Ok(state) if state.dataset.is_some() => return Ok(state.dataset.unwrap_or_default()),
            Ok(state) => state.received_bytes,
            Err(error) if is_lost(&error) && failures < ATTEMPTS => {
                failures += 1;
                wait_for_line(name, upload, failures).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        match send_from(name, file, &id, at, &checksums, upload).await {
            Ok(Some(dataset)) => return Ok(dataset),
            Ok(None) => {
                // Nothing depends on whether the server could still be told.
                server::delete_upload(&id).await.ok();
                return Err(canceled());
            }
            Err((error, progressed))
                if (is_lost(&error) || error.code == ErrorCode::Conflict || error.code == ErrorCode::Busy) && failures < ATTEMPTS =>
            {
                failures = if progressed { 1 } else { failures + 1 };
                wait_for_line(name, upload, failures).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Sends pieces from a byte on. The dataset's id when all is there, nothing when it was canceled; an error with whether a piece arrived.
async fn send_from(
    name: &str,
    file: &Blob,
    id: &str,
    from: u64,
    checksums: &[String],
    upload: Upload,
) -> Result<Option<String>, (ApiError, bool)> {
    let size = whole(file.size());
    let mut at = from;
    loop {
        while upload.paused.get_untracked() == Some(true) && !upload.canceled.get_untracked() {
            upload.step.set(format!("paused: {name} ({} of {})", size_text(double(at)), size_text(file.size())));
            TimeoutFuture::new(PAUSE_MS).await;
        }
        if upload.canceled.get_untracked() {
            return Ok(None);
        }
        show(name, file, at, upload);
        let number = at / PIECE_BYTES;
        let end = ((number + 1) * PIECE_BYTES).min(size);
        let piece = file.slice_with_f64_and_f64(double(at), double(end)).map_err(|_unreadable| (unreadable(name), at > from))?;
        // A piece that was begun before the line broke has no checksum of its own; the hash of the whole covers it.
        let checksum = usize::try_from(number).ok().filter(|_| at.is_multiple_of(PIECE_BYTES)).and_then(|number| checksums.get(number));
        let sent = server::append_upload(id, at, &piece, checksum.map(String::as_str)).await.map_err(|error| (error, at > from))?;
        if let Some(dataset) = sent {
            return Ok(Some(dataset));
        }
        at = end;
    }
}

fn show(name: &str, file: &Blob, at: u64, upload: Upload) {
    upload.done_frac.set(double(at) / file.size().max(1.0));
    upload.step.set(format!("uploading {name} ({} of {})", size_text(double(at)), size_text(file.size())));
}

async fn hash(app: App, name: &str, file: &Blob, upload: Upload) -> Result<(String, Vec<String>), ApiError> {
    upload.step.set(format!("reading {name} ({})", size_text(file.size())));
    let progress = Rc::new(move |news: News| {
        if let News::Step(frac, _) = news {
            upload.done_frac.set(frac);
        }
    });
    let reply = app.client().call_with_progress(&Request::Hash, file, progress).await;
    match reply.map(|reply| reply.response) {
        Ok(Response::Hashed { hash, pieces }) => Ok((hash, pieces)),
        Ok(_) => Err(unreadable(name)),
        Err(error) => Err(ApiError::new(&error, "")),
    }
}

/// Waits longer each time: the server may be starting again.
async fn wait_for_line(name: &str, upload: Upload, failures: u32) {
    upload.step.set(format!("the server does not answer; {name} goes on as soon as it does"));
    TimeoutFuture::new(500u32.saturating_mul(1 << failures.min(6))).await;
}

fn is_lost(error: &ApiError) -> bool {
    // Errors of the server itself carry the id of the request.
    error.code == ErrorCode::Internal && error.request_id.is_empty()
}

fn unreadable(name: &str) -> ApiError {
    let message = format!("{name} cannot be read; it may have been moved or changed since it was chosen: choose it again");
    ApiError { code: ErrorCode::Format, message, field: None, request_id: String::new() }
}

fn canceled() -> ApiError {
    ApiError { code: ErrorCode::Canceled, message: "the upload was canceled".into(), field: None, request_id: String::new() }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of files are whole and positive")]
fn whole(size: f64) -> u64 {
    size as u64
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files fit in 53 bits")]
fn double(bytes: u64) -> f64 {
    bytes as f64
}
