//! The description of the interface, collected from the handlers.
//!
//! What every route of a kind may answer is added here, once: whether the guard refuses it, whether its parameters or body are malformed.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};

use super::routes::{datasets, events, export, jobs, metrics, roots, system, tasks, uploads};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Eigenscope", description = "Datasets, jobs and their events. Every route but /healthz and /readyz needs the token."),
    components(schemas(eigenscope::api::ApiError)),
    paths(
        datasets::create_dataset,
        datasets::list_datasets,
        datasets::show_dataset,
        datasets::download_dataset,
        datasets::delete_dataset,
        datasets::show_disk,
        roots::list_roots,
        roots::list_files,
        roots::register_file,
        uploads::show_protocol,
        uploads::list_uploads,
        uploads::create_upload,
        uploads::show_upload,
        uploads::measure_upload,
        uploads::append_upload,
        uploads::delete_upload,
        export::export_array,
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
        system::show_readiness,
        metrics::show_metrics,
    ),
    components(schemas(eigenscope::io::SaveFormat)),
    modifiers(&Token, &Refusals)
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

/// The answers that many routes share.
struct Refusals;

impl Modify for Refusals {
    fn modify(&self, document: &mut OpenApi) {
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            let refused = |status: &str| REFUSALS.iter().find(|(known, _)| *known == status);
            for (status, description) in statuses(operation).into_iter().filter_map(refused) {
                let schema = RefOr::Ref(Ref::from_schema_name("ApiError"));
                let content = ContentBuilder::new().schema(Some(schema)).build();
                let response = ResponseBuilder::new().description(*description).content("application/json", content).build();
                operation.responses.responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(response));
            }
        }
    }
}

const REFUSALS: [(&str, &str); 6] = [
    ("400", "A parameter or the body is malformed"),
    ("401", "The token is missing or wrong"),
    ("403", "The Host is not this server's, or the Origin is another page's"),
    ("408", "The body came too slowly"),
    ("413", "The body is too large"),
    ("429", "Too many wrong tokens came from this address; or the queue is full"),
];

/// The refusals that an operation may answer.
fn statuses(operation: &Operation) -> Vec<&'static str> {
    let mut statuses = vec!["403"];
    // A requirement of its own is the empty one of public routes.
    if operation.security.is_none() {
        statuses.extend(["401", "429"]);
    }
    let is_read = |p: &RefOr<Parameter>| matches!(p, RefOr::T(p) if matches!(p.parameter_in, ParameterIn::Path | ParameterIn::Query));
    if operation.parameters.iter().flatten().any(is_read) {
        statuses.push("400");
    }
    if operation.request_body.is_some() {
        statuses.extend(["400", "408", "413"]);
    }
    statuses
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.options, &mut item.head, &mut item.patch, &mut item.trace]
        .into_iter()
        .flatten()
}

/// The document.
#[must_use]
pub fn document() -> OpenApi {
    Document::openapi()
}
