//! The server, when there is one. Every address of the interface is in this file; the rest of the page sees functions.

use std::cell::RefCell;

use eigenscope::api::{ApiError, DatasetInfo, Event, Job, JobRequest, JobTask};
use eigenscope::compute::DeviceInfo;
use eigenscope::error::ErrorCode;
use eigenscope::wire;
use gloo::net::http::{Request, RequestBuilder, Response};
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, EventSource, MessageEvent};

use crate::runs::remote;
use crate::state::App;

const DEVICES: &str = "api/v1/devices";
const DATASETS: &str = "api/v1/datasets";
const JOBS: &str = "api/v1/jobs";
const EVENTS: &str = "api/v1/events";

/// Whether there is a server behind this page.
#[derive(Clone, PartialEq)]
pub(crate) enum ServerState {
    /// Not asked yet.
    Unknown,
    /// The page comes from a plain file server.
    Missing,
    /// It answers 401.
    NeedsToken,
    /// It answers.
    Ready(Server),
}

/// A server that answers.
#[derive(Clone, PartialEq)]
pub(crate) struct Server {
    pub(crate) devices: Vec<DeviceInfo>,
    /// Whether events arrive.
    pub(crate) connected: bool,
}

#[derive(Deserialize)]
struct DeviceList {
    devices: Vec<DeviceInfo>,
}

/// Looks for a server and, when there is one, follows its jobs.
pub(crate) fn connect(app: App) {
    spawn_local(async move {
        let state = match get::<DeviceList>(DEVICES).await {
            Ok(DeviceList { devices }) => ServerState::Ready(Server { devices, connected: false }),
            Err(e) if e.code == ErrorCode::Unauthorized => ServerState::NeedsToken,
            Err(_) => ServerState::Missing,
        };
        let ready = matches!(state, ServerState::Ready(_));
        app.server.set(state);
        if ready {
            follow(app);
        }
    });
}

/// Opens this page again with the server's token.
pub(crate) fn open_with_token(token: &str) {
    let token = String::from(js_sys::encode_uri_component(token.trim()));
    // Navigation cannot be refused for the page's own address.
    window().location().set_search(&format!("token={token}")).ok();
}

/// Uploads a file; the same bytes give the same id.
pub(crate) async fn upload(name: &str, bytes: &Blob) -> Result<DatasetInfo, ApiError> {
    let request = Request::post(DATASETS).query([("name", name)]).header("content-type", "application/octet-stream");
    read(request.body(JsValue::from(bytes.clone())).map_err(|e| unreachable_server(&e))?.send().await).await
}

pub(crate) async fn create_job(job: &JobRequest) -> Result<Job, ApiError> {
    read(Request::post(JOBS).json(job).map_err(|e| unreachable_server(&e))?.send().await).await
}

pub(crate) async fn job(id: &str) -> Result<Job, ApiError> {
    get(&format!("{JOBS}/{id}")).await
}

/// The result as an envelope.
pub(crate) async fn result(id: &str) -> Result<Uint8Array, ApiError> {
    let response = sent(Request::get(&format!("{JOBS}/{id}/result")).header("accept", wire::MEDIA_TYPE)).await?;
    let bytes = response.binary().await.map_err(|e| unreachable_server(&e))?;
    Ok(Uint8Array::from(bytes.as_slice()))
}

/// What is known of a running job, as an envelope; nothing when there is nothing yet.
pub(crate) async fn preview(id: &str) -> Result<Option<Uint8Array>, ApiError> {
    let bytes = sent(Request::get(&format!("{JOBS}/{id}/preview"))).await?.binary().await.map_err(|e| unreachable_server(&e))?;
    Ok((!bytes.is_empty()).then(|| Uint8Array::from(bytes.as_slice())))
}

pub(crate) async fn cancel(id: &str) -> Result<(), ApiError> {
    sent(Request::post(&format!("{JOBS}/{id}/cancel"))).await.map(|_| ())
}

/// The processes of a job.
pub(crate) async fn tasks(id: &str) -> Result<Vec<JobTask>, ApiError> {
    get(&format!("{JOBS}/{id}/tasks")).await
}

/// What one of them said.
pub(crate) async fn task_log(id: &str, i: u32) -> Result<String, ApiError> {
    sent(Request::get(&format!("{JOBS}/{id}/tasks/{i}/log"))).await?.text().await.map_err(|e| unreachable_server(&e))
}

pub(crate) async fn delete(id: &str) -> Result<(), ApiError> {
    sent(Request::delete(&format!("{JOBS}/{id}"))).await.map(|_| ())
}

async fn get<T: DeserializeOwned>(url: &str) -> Result<T, ApiError> {
    read(Request::get(url).header("accept", "application/json").send().await).await
}

async fn sent(request: RequestBuilder) -> Result<Response, ApiError> {
    accepted(request.send().await).await
}

async fn read<T: DeserializeOwned>(answer: Result<Response, gloo::net::Error>) -> Result<T, ApiError> {
    let response = accepted(answer).await?;
    let text = response.text().await.map_err(|e| unreachable_server(&e))?;
    serde_json::from_str(&text).map_err(|e| trouble(ErrorCode::Internal, format!("the server's answer cannot be read: {e}")))
}

/// The response, or the error that it carries.
async fn accepted(answer: Result<Response, gloo::net::Error>) -> Result<Response, ApiError> {
    let response = answer.map_err(|e| unreachable_server(&e))?;
    if response.ok() {
        return Ok(response);
    }
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    Err(serde_json::from_str(&text).unwrap_or_else(|_| {
        let code = if status == 401 { ErrorCode::Unauthorized } else { ErrorCode::Internal };
        trouble(code, format!("the server answered with status {status}"))
    }))
}

fn unreachable_server(error: &gloo::net::Error) -> ApiError {
    trouble(ErrorCode::Internal, format!("the server cannot be reached ({error}); check that it still runs and try again"))
}

fn trouble(code: ErrorCode, message: String) -> ApiError {
    ApiError { code, message, field: None, request_id: String::new() }
}

thread_local! {
    /// One stream per tab: browsers allow six connections to a host.
    static STREAM: RefCell<Option<EventSource>> = const { RefCell::new(None) };
}

/// Follows the server's events. The browser reconnects by itself and names the last event it saw, so nothing is lost;
/// at every (re)connection the list of jobs is read again, which also covers a server that started anew.
fn follow(app: App) {
    let Ok(stream) = EventSource::new(EVENTS) else { return };
    let connected = move |on: bool| {
        app.server.update(|s| {
            if let ServerState::Ready(server) = s {
                server.connected = on;
            }
        });
    };
    let on_open = Closure::<dyn Fn()>::new(move || {
        connected(true);
        spawn_local(async move {
            match get::<Vec<Job>>(JOBS).await {
                Ok(jobs) => remote::sync(app, jobs),
                Err(error) => app.notice("Jobs of the server", error.message),
            }
        });
    });
    let on_error = Closure::<dyn Fn()>::new(move || connected(false));
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let text = event.data().as_string().unwrap_or_default();
        // An event of a newer server that this page does not know is no reason to stop.
        if let Ok(event) = serde_json::from_str::<Event>(&text) {
            remote::apply(app, event);
        }
    });
    stream.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    stream.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    stream.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // They live as long as the page.
    on_open.forget();
    on_error.forget();
    on_message.forget();
    STREAM.with(|slot| *slot.borrow_mut() = Some(stream));
}
