//! Health, devices and the description of the interface.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use eigenscope::compute::DeviceInfo;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::machine;
use crate::server::App;
use crate::server::ready::Ready;

/// A driver that does not answer within this time is not there.
const DEVICES_TIMEOUT: Duration = Duration::from_secs(30);

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

/// Whether the server can do its work: the database takes writes and the disk has room. Public.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Ready), (status = 503, body = Ready, description = "It cannot")), security(()))]
pub(in crate::server) async fn show_readiness(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let ready = app.readiness().await;
    (if ready.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(ready))
}

/// The devices of this server.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(in crate::server) struct Devices {
    devices: Vec<DeviceInfo>,
}

/// The devices that jobs can compute on.
#[utoipa::path(get, path = "/api/v1/devices", responses((status = 200, body = Devices)))]
pub(in crate::server) async fn list_devices(State(app): State<App>) -> Json<Devices> {
    let devices = app.0.devices.get_or_init(|| ask_process(&app)).await.clone();
    Json(Devices { devices })
}

/// Asks a process, so that a driver that crashes does not take the server along.
async fn ask_process(app: &App) -> Vec<DeviceInfo> {
    let mut command = Command::new(&app.0.program.exe);
    command.args(["devices", "--json"]).env_remove("EIGENSCOPE_TOKEN").stdin(std::process::Stdio::null()).kill_on_drop(true);
    let said = match tokio::time::timeout(DEVICES_TIMEOUT, command.output()).await {
        Ok(Ok(output)) => serde_json::from_slice::<Devices>(&output.stdout).map_err(|e| e.to_string()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(e) => Err(e.to_string()),
    };
    match said {
        Ok(found) => found.devices,
        Err(error) => {
            tracing::warn!(error, "the devices could not be listed; only the CPU is told");
            machine::cpu_only()
        }
    }
}

/// This interface as an `OpenAPI` document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, body = Object)))]
pub(in crate::server) async fn show_openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(crate::server::openapi::document())
}
