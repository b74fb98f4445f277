//! The routes. Whoever adds one adds it here and to [`super::openapi`]; a test compares the two.

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use eigenscope::error::ErrorCode;

use super::failure::Failure;
use super::{App, tus};

pub(super) mod datasets;
pub(super) mod events;
pub(super) mod export;
pub(super) mod jobs;
pub(super) mod metrics;
pub(super) mod roots;
pub(super) mod system;
pub(super) mod tasks;
pub(super) mod uploads;

pub(super) fn router() -> Router<App> {
    let uploads = Router::new()
        .route("/uploads", get(uploads::list_uploads).options(uploads::show_protocol).post(uploads::create_upload))
        .route(
            "/uploads/{id}",
            get(uploads::show_upload).head(uploads::measure_upload).patch(uploads::append_upload).delete(uploads::delete_upload),
        )
        .layer(middleware::from_fn(tus::speak));
    let api = Router::new()
        .merge(uploads)
        .route("/disk", get(datasets::show_disk))
        .route("/roots", get(roots::list_roots))
        .route("/roots/files", get(roots::list_files))
        .route("/roots/datasets", post(roots::register_file))
        .route("/datasets", get(datasets::list_datasets).post(datasets::create_dataset))
        .route("/datasets/{id}", get(datasets::show_dataset).delete(datasets::delete_dataset))
        .route("/datasets/{id}/bytes", get(datasets::download_dataset))
        .route("/datasets/{id}/arrays", get(export::export_array))
        .route("/jobs", get(jobs::list_jobs).post(jobs::create_job))
        .route("/jobs/{id}", get(jobs::show_job).patch(jobs::change_job).delete(jobs::delete_job))
        .route("/jobs/{id}/cancel", post(jobs::cancel_job))
        .route("/jobs/{id}/tasks", get(tasks::list_tasks))
        .route("/jobs/{id}/tasks/{i}/log", get(tasks::show_log))
        .route("/jobs/{id}/tasks/{i}/cancel", post(tasks::skip_task))
        .route("/jobs/{id}/result", get(jobs::show_result))
        .route("/jobs/{id}/preview", get(jobs::show_preview))
        .route("/jobs/{id}/dataset", post(datasets::keep_layers))
        .route("/events", get(events::stream_events))
        .route("/devices", get(system::list_devices))
        .route("/openapi.json", get(system::show_openapi));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(system::show_health))
        .route("/readyz", get(system::show_readiness))
        .route("/metrics", get(metrics::show_metrics))
        .fallback(site_or_nothing)
        .method_not_allowed_fallback(method_not_allowed)
}

async fn site_or_nothing(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Failure::not_found(format!("there is nothing at {}", uri.path())).into_response();
    }
    app.0.site.respond(uri.path(), &headers).await
}

async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    let message = format!("{method} is not allowed at {}", uri.path());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::NotFound, message)
}

/// The id in a path.
type Id = Result<Path<String>, PathRejection>;

fn id_of(id: Id) -> Result<String, Failure> {
    id.map(|Path(id)| id).map_err(|e| Failure::malformed(e.body_text()))
}

fn query_of<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(query)| query).map_err(|e| Failure::malformed(e.body_text()))
}
