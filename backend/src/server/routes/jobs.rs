//! Jobs: request, list, cancel, result, remove.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eigenscope::analysis::AnalysisResult;
use eigenscope::api::{ApiError, Job, JobChange, JobRequest, JobState, check_priority};
use eigenscope::error::ErrorCode;
use eigenscope::wire;

use super::{Id, id_of};
use crate::ids;
use crate::jobs::{preview, queue::datasets_of, request};
use crate::server::body::{read_job_request, read_json};
use crate::server::{App, failure::Failure};
use crate::store::{NewJob, Submitted};

/// Run an analysis.
#[utoipa::path(post, path = "/api/v1/jobs", request_body = JobRequest,
    responses((status = 201, body = Job, description = "Queued, or done at once when an identical job is"),
        (status = 400, body = ApiError), (status = 404, body = ApiError, description = "A dataset is missing"),
        (status = 422, body = ApiError, description = "Spec or inputs do not fit"), (status = 429, body = ApiError)))]
pub(in crate::server) async fn create_job(State(app): State<App>, body: Body) -> Result<Response, Failure> {
    let request = read_job_request(body).await?;
    let datasets = datasets_of(&app.0.store, &request).await?;
    if let Some((name, input)) = request.inputs.iter().find(|(_, input)| !datasets.contains_key(&input.dataset)) {
        let message = format!("input \"{name}\": there is no dataset {}; upload it first", input.dataset);
        return Err(Failure::not_found(message).with_field(Some(name.clone())));
    }
    request::check(&request, &datasets, app.0.config.memory_bytes)?;
    let cache_key = request::cache_key(&request, &datasets, &app.0.program.exe)?;
    let new = NewJob { id: ids::random_hex()?, request, cache_key, queue_limit: app.0.config.queue_limit };
    let job = match app.0.store.submit(new).await? {
        Submitted::Queued(job) => {
            app.0.workers.wake();
            job
        }
        Submitted::Cached(job) => job,
        Submitted::Full => {
            let message = format!("{} jobs are waiting, which is the limit; try again later", app.0.config.queue_limit);
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::Busy, message));
        }
    };
    Ok((StatusCode::CREATED, Json(job)).into_response())
}

/// All jobs, the oldest first.
#[utoipa::path(get, path = "/api/v1/jobs", responses((status = 200, body = Vec<Job>,
    headers(("x-last-event-id" = u64, description = "The newest event that the list includes: where to go on with /events?after=")))))]
pub(in crate::server) async fn list_jobs(State(app): State<App>) -> Result<Response, Failure> {
    let (jobs, newest) = app.0.store.jobs().await?;
    Ok(([("x-last-event-id", newest.to_string())], Json(jobs)).into_response())
}

pub(super) fn no_job(id: &str) -> Failure {
    Failure::not_found(format!("there is no job {id}"))
}

/// One job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404, body = ApiError)))]
pub(in crate::server) async fn show_job(State(app): State<App>, id: Id) -> Result<Json<Job>, Failure> {
    let id = id_of(id)?;
    app.0.store.job(&id).await?.map(|(job, _)| Json(job)).ok_or_else(|| no_job(&id))
}

/// Change the priority of a job that waits.
#[utoipa::path(patch, path = "/api/v1/jobs/{id}", params(("id" = String, Path)), request_body = JobChange,
    responses((status = 200, body = Job), (status = 400, body = ApiError), (status = 404, body = ApiError),
        (status = 409, body = ApiError, description = "It does not wait any more"), (status = 422, body = ApiError)))]
pub(in crate::server) async fn change_job(State(app): State<App>, id: Id, body: Body) -> Result<Json<Job>, Failure> {
    let id = id_of(id)?;
    let change: JobChange = read_json(body).await?;
    check_priority(change.priority)?;
    match app.0.store.set_priority(&id, change.priority).await? {
        None => Err(no_job(&id)),
        Some((job, true)) => {
            app.0.workers.wake();
            Ok(Json(job))
        }
        Some((job, false)) => Err(Failure::conflict(format!("the job does not wait any more: it is {}", word(job.state)))),
    }
}

/// Cancel a job that has not ended.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", params(("id" = String, Path)),
    responses((status = 200, body = Job), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "It has ended")))]
pub(in crate::server) async fn cancel_job(State(app): State<App>, id: Id) -> Result<Json<Job>, Failure> {
    let id = id_of(id)?;
    match app.0.store.cancel_job(&id).await? {
        None => Err(no_job(&id)),
        Some((job, true)) => {
            app.0.workers.stop_job(&id).await;
            Ok(Json(job))
        }
        Some((job, false)) => Err(Failure::conflict(format!("the job has ended already: it is {}", word(job.state)))),
    }
}

/// Remove a job that has ended, and its result.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "It has not ended")))]
pub(in crate::server) async fn delete_job(State(app): State<App>, id: Id) -> Result<StatusCode, Failure> {
    let id = id_of(id)?;
    match app.0.store.delete_job(&id).await? {
        None => Err(no_job(&id)),
        Some(true) => {
            app.0.store.remove_logs(&id).await;
            Ok(StatusCode::NO_CONTENT)
        }
        Some(false) => Err(Failure::conflict("the job has not ended; cancel it first")),
    }
}

/// The envelope of a result.
pub(super) async fn finished(app: &App, id: &str) -> Result<Vec<u8>, Failure> {
    let (job, hash) = app.0.store.job(id).await?.ok_or_else(|| no_job(id))?;
    let Some(hash) = hash.filter(|_| job.state == JobState::Done) else {
        return Err(Failure::conflict(format!("the job has no result: it is {}", word(job.state))));
    };
    Ok(tokio::fs::read(app.0.store.blob(&hash).await?).await?)
}

/// The result of a job: JSON, or an envelope when the client asks for it.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/result", params(("id" = String, Path)),
    responses((status = 200, description = "AnalysisResult", content((Object = "application/json"), (Vec<u8> = "application/vnd.eigenscope.result"))),
        (status = 404, body = ApiError), (status = 409, body = ApiError, description = "It is not done")))]
pub(in crate::server) async fn show_result(State(app): State<App>, id: Id, headers: HeaderMap) -> Result<Response, Failure> {
    let id = id_of(id)?;
    let bytes = finished(&app, &id).await?;
    let accepts = |v: &axum::http::HeaderValue| v.to_str().is_ok_and(|v| v.contains(wire::MEDIA_TYPE));
    if headers.get_all(header::ACCEPT).iter().any(accepts) {
        return Ok(([(header::CONTENT_TYPE, wire::MEDIA_TYPE), (header::VARY, "Accept")], bytes).into_response());
    }
    let json = tokio::task::spawn_blocking(move || {
        let result: AnalysisResult = wire::unpack(&bytes)?;
        serde_json::to_vec(&result).map_err(|e| eigenscope::Error::internal(e.to_string()))
    });
    let json = json.await.map_err(Failure::internal)?.map_err(Failure::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::VARY, "Accept")], json).into_response())
}

/// What is known of a job that runs: an envelope of an `AnalysisResult` with NaN for what is not known yet.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/preview", params(("id" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/vnd.eigenscope.result"),
        (status = 204, description = "Nothing to show: it has found nothing yet, or it does not run (any more)"), (status = 404, body = ApiError)))]
pub(in crate::server) async fn show_preview(State(app): State<App>, id: Id) -> Result<Response, Failure> {
    let id = id_of(id)?;
    let (job, _) = app.0.store.job(&id).await?.ok_or_else(|| no_job(&id))?;
    // Who asks saw it running; that it has ended since is no mistake of theirs.
    if job.state != JobState::Running {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let dir = app.0.store.task_dir(&id);
    let known = tokio::task::spawn_blocking(move || preview::of(&dir, &job.request.spec));
    let known = known.await.map_err(Failure::internal)?.map_err(Failure::internal)?;
    let Some(bytes) = known else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    Ok(([(header::CONTENT_TYPE, wire::MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")], bytes).into_response())
}

pub(super) fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Canceled => "canceled",
    }
}
