//! Health, devices and the description of the interface.

use axum::Json;
use axum::extract::State;
use eigenscope::compute::DeviceInfo;
use serde::Serialize;

use crate::server::App;

/// The server lives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::server) struct Health {
    status: &'static str,
    version: &'static str,
}

/// Whether the server answers. Public.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health)), security(()))]
pub(in crate::server) async fn show_health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The devices of this server.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::server) struct Devices {
    devices: Vec<DeviceInfo>,
}

/// The devices that jobs can compute on.
#[utoipa::path(get, path = "/api/v1/devices", responses((status = 200, body = Devices)))]
pub(in crate::server) async fn list_devices(State(app): State<App>) -> Json<Devices> {
    Json(Devices { devices: app.0.program.devices().await.to_vec() })
}

/// This interface as an `OpenAPI` document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, body = Object)))]
pub(in crate::server) async fn show_openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(crate::server::openapi::document())
}
