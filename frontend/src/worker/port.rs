//! The worker's end of the wire: messages in, answers and progress out.

use std::cell::Cell;

use eigenscope::analysis::Output;
use eigenscope::{AnalysisResult, Error, Progress, wire};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, DedicatedWorkerGlobalScope};

use crate::protocol::{Request, Response};

/// Milliseconds between two progress messages.
const PROGRESS_MS: f64 = 50.0;
/// Milliseconds between two previews.
const PREVIEW_MS: f64 = 700.0;

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// A message of the page.
pub(super) struct Message {
    pub(super) id: u32,
    pub(super) request: Request,
    blob: Option<Blob>,
    buffer: Option<js_sys::ArrayBuffer>,
}

impl Message {
    pub(super) fn read(message: &JsValue) -> Result<Self, Error> {
        let field = |name: &str| Reflect::get(message, &name.into()).unwrap_or(JsValue::UNDEFINED);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ids count up from 1")]
        let id = field("id").as_f64().unwrap_or(0.0) as u32;
        let json = field("json").as_string().unwrap_or_default();
        let request = serde_json::from_str(&json).map_err(|e| Error::internal(format!("a message to the worker cannot be read: {e}")))?;
        Ok(Self { id, request, blob: field("blob").dyn_into().ok(), buffer: field("buffer").dyn_into().ok() })
    }

    /// The bytes of the file that came with the message.
    pub(super) async fn file(&self) -> Result<Vec<u8>, Error> {
        let blob = self.blob.as_ref().ok_or_else(|| Error::internal("a message to the worker lacks its file"))?;
        let buffer = JsFuture::from(blob.array_buffer()).await.map_err(|_gone| {
            Error::format("file", "the browser could not read the file; it may have been moved or deleted since it was chosen")
        })?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }

    /// The length of the file that came with the message.
    pub(super) fn file_bytes(&self) -> f64 {
        self.blob.as_ref().map_or(0.0, Blob::size)
    }

    /// Some bytes of the file that came with the message; fewer at its end.
    pub(super) async fn piece(&self, from: f64, to: f64) -> Result<Vec<u8>, Error> {
        let whole = self.blob.as_ref().ok_or_else(|| Error::internal("a message to the worker lacks its file"))?;
        let blob = whole.slice_with_f64_and_f64(from, to).ok();
        Self { id: self.id, request: Request::Unpack, blob, buffer: None }.file().await
    }

    /// The buffer cut into files.
    pub(super) fn split(&self, files: &[(String, u32)]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let buffer = self.buffer.as_ref().map(|b| Uint8Array::new(b).to_vec()).unwrap_or_default();
        let mut rest = buffer.as_slice();
        let mut out = Vec::new();
        for (name, length) in files {
            let (file, after) =
                rest.split_at_checked(*length as usize).ok_or_else(|| Error::internal(format!("the bytes of {name} are missing")))?;
            out.push((name.clone(), file.to_vec()));
            rest = after;
        }
        Ok(out)
    }
}

/// Sends the answers to one request.
pub(super) struct Answer {
    id: u32,
}

impl Answer {
    pub(super) fn to(id: u32) -> Self {
        Self { id }
    }

    pub(super) fn send(&self, response: &Response, buffer: Option<&[u8]>) {
        let json = serde_json::to_string(response).unwrap_or_default();
        let message = Object::new();
        let set = |name: &str, value: &JsValue| Reflect::set(&message, &name.into(), value).is_ok();
        let transfer = Array::new();
        let mut sent = set("id", &self.id.into()) && set("json", &json.into());
        if let Some(bytes) = buffer {
            let array = Uint8Array::from(bytes).buffer();
            transfer.push(&array);
            sent &= set("buffer", &array);
        }
        sent &= scope().post_message_with_transfer(&message, &transfer).is_ok();
        debug_assert!(sent, "plain objects can be filled and posted");
    }
}

/// Reports the progress of a run. Cancellation is the page's: it ends the worker.
pub(super) struct Reporter {
    answer: Answer,
    last_ms: Cell<f64>,
    last_preview_ms: Cell<f64>,
}

impl Reporter {
    pub(super) fn new(id: u32) -> Self {
        Self { answer: Answer::to(id), last_ms: Cell::new(0.0), last_preview_ms: Cell::new(js_sys::Date::now()) }
    }
}

impl Progress for Reporter {
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        let now = js_sys::Date::now();
        if now - self.last_ms.get() >= PROGRESS_MS {
            self.last_ms.set(now);
            self.answer.send(&Response::Progress { done_frac, step: what.into() }, None);
        }
        Ok(())
    }

    fn clock(&self) -> Option<f64> {
        Some(js_sys::Date::now() / 1000.0)
    }

    fn preview(&self, known: &dyn Fn() -> Option<Output>) {
        if js_sys::Date::now() - self.last_preview_ms.get() < PREVIEW_MS {
            return;
        }
        if let Some(bytes) = known().and_then(|output| wire::pack(&AnalysisResult::preview(output)).ok()) {
            self.answer.send(&Response::Preview, Some(&bytes));
        }
        self.last_preview_ms.set(js_sys::Date::now());
    }
}

/// Why there is no WebGPU, in one sentence.
pub(super) fn webgpu_missing() -> String {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).unwrap_or(JsValue::UNDEFINED);
    let gpu = Reflect::get(&navigator, &"gpu".into()).unwrap_or(JsValue::UNDEFINED);
    if !scope().is_secure_context() {
        "WebGPU is off because the page was opened over plain http from another host.".into()
    } else if gpu.is_undefined() {
        "This browser has no WebGPU.".into()
    } else {
        "This browser offers no WebGPU adapter with timestamp queries.".into()
    }
}
