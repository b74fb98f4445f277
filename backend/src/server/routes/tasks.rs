//! The tasks of a job: where each stands, what it says, leaving one out.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use eigenscope::api::{ApiError, Job, JobTask};
use eigenscope::tasks;

use super::jobs::{no_job, word};
use super::{Id, id_of};
use crate::server::{App, failure::Failure};

/// The id of a job and the place of a task.
type Place = Result<Path<(String, usize)>, PathRejection>;

/// The processes of a job, in order; none before it has started.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/tasks", params(("id" = String, Path)),
    responses((status = 200, body = Vec<JobTask>), (status = 404, body = ApiError)))]
pub(in crate::server) async fn list_tasks(State(app): State<App>, id: Id) -> Result<Json<Vec<JobTask>>, Failure> {
    let id = id_of(id)?;
    app.0.store.job(&id).await?.ok_or_else(|| no_job(&id))?;
    Ok(Json(app.0.store.tasks(&id).await?))
}

/// What a task said on its stderr, with its starts and ends; empty before it has started.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/tasks/{i}/log",
    params(("id" = String, Path), ("i" = usize, Path, description = "Its place, from 0")),
    responses((status = 200, body = String, content_type = "text/plain; charset=utf-8"), (status = 400, body = ApiError), (status = 404, body = ApiError)))]
pub(in crate::server) async fn show_log(State(app): State<App>, path: Place) -> Result<Response, Failure> {
    let Path((id, i)) = path.map_err(|e| Failure::malformed(e.body_text()))?;
    app.0.store.job(&id).await?.ok_or_else(|| no_job(&id))?;
    let n = app.0.store.tasks(&id).await?.len();
    if i >= n {
        return Err(Failure::not_found(format!("the job has {n} tasks; there is no task {i}, counted from 0")));
    }
    let text = match tokio::fs::read(app.0.store.log_file(&id, i)).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}

/// Leave out one point of a sweep that has not ended; the rest goes on.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/tasks/{i}/cancel",
    params(("id" = String, Path), ("i" = usize, Path, description = "Its place in the sweep, from 0")),
    responses((status = 200, body = Job), (status = 400, body = ApiError), (status = 404, body = ApiError),
        (status = 409, body = ApiError, description = "The job has ended"), (status = 422, body = ApiError, description = "Its tasks need each other")))]
pub(in crate::server) async fn skip_task(State(app): State<App>, path: Place) -> Result<Json<Job>, Failure> {
    let Path((id, i)) = path.map_err(|e| Failure::malformed(e.body_text()))?;
    let (job, _) = app.0.store.job(&id).await?.ok_or_else(|| no_job(&id))?;
    if job.state.is_final() {
        return Err(Failure::conflict(format!("the job has ended already: it is {}", word(job.state))));
    }
    let Some(n) = tasks::can_skip(&job.request.spec) else {
        return Err(Failure::from(eigenscope::Error::parameter(
            "i",
            format!("tasks of {} need each other; cancel the job", job.request.spec.title()),
        )));
    };
    if i >= n {
        return Err(Failure::not_found(format!("the job has {n} points; there is no point {i}, counted from 0")));
    }
    app.0.workers.skip_task(&id, i).await?;
    Ok(Json(job))
}
