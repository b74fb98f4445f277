//! The description of the interface, collected from the handlers.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};

use super::routes::{datasets, events, jobs, system, tasks};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Eigenscope", description = "Datasets, jobs and their events. Every route but /healthz needs the token."),
    paths(
        datasets::create_dataset,
        datasets::list_datasets,
        datasets::show_dataset,
        datasets::download_dataset,
        datasets::delete_dataset,
        jobs::create_job,
        jobs::list_jobs,
        jobs::show_job,
        jobs::cancel_job,
        jobs::change_job,
        tasks::list_tasks,
        tasks::show_log,
        tasks::skip_task,
        jobs::delete_job,
        jobs::show_result,
        jobs::show_preview,
        datasets::keep_layers,
        events::stream_events,
        system::list_devices,
        system::show_openapi,
        system::show_health,
    ),
    modifiers(&Token)
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
        document.security = Some(vec![SecurityRequirement::new("token", [] as [&str; 0])]);
    }
}

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    Document::openapi()
}
