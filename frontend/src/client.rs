//! The compute worker as an async function: one request, one answer.
//!
//! The worker starts on first use. Cancellation terminates it; so does a crash. Both leave the page's files untouched: the next
//! request starts a fresh worker, requests that were merely waiting are asked again, and datasets are loaded again when a run needs them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use eigenscope::Error;
use eigenscope::io::SaveFormat;
use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::protocol::{Request, Response};
use crate::state::Dataset;

/// What a run tells while it goes on.
pub(crate) enum News {
    /// The fraction done, and what comes next.
    Step(f64, String),
    /// What is known of the result, as an envelope.
    Preview(Uint8Array),
}

/// Receives what a run tells.
pub(crate) type OnProgress = Rc<dyn Fn(News)>;

/// A response with its bytes.
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) buffer: Option<Uint8Array>,
}

impl Reply {
    /// The bytes, or the error that there are none.
    pub(crate) fn bytes(self) -> Result<Uint8Array, Error> {
        self.buffer.ok_or_else(|| Error::internal("the compute worker sent no bytes"))
    }
}

/// A handle to the worker; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Client(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    worker: Option<Worker>,
    /// Counts workers, so that late events of a terminated one are ignored.
    generation: u32,
    next_id: u32,
    pending: BTreeMap<u32, Pending>,
    /// Keys of datasets that the present worker holds.
    loaded: BTreeSet<String>,
    /// Counts cancellations: a run that was still loading its inputs sees that it was meant.
    n_canceled: u32,
}

struct Pending {
    slot: Rc<RefCell<Option<Outcome>>>,
    wake: Function,
    progress: Option<OnProgress>,
}

enum Outcome {
    Reply(Reply),
    Interrupted,
    Crashed(String),
}

impl Pending {
    fn settle(self, outcome: Outcome) {
        *self.slot.borrow_mut() = Some(outcome);
        self.wake.call0(&JsValue::UNDEFINED).ok();
    }
}

impl Client {
    /// Asks without a file.
    pub(crate) async fn call(&self, request: &Request) -> Result<Reply, Error> {
        self.ask(request, None, None, None).await
    }

    /// Asks about a file.
    pub(crate) async fn call_with(&self, request: &Request, blob: &Blob) -> Result<Reply, Error> {
        self.ask(request, Some(blob), None, None).await
    }

    /// Asks about a file, and hears how far the answer is.
    pub(crate) async fn call_with_progress(&self, request: &Request, blob: &Blob, progress: OnProgress) -> Result<Reply, Error> {
        self.ask(request, Some(blob), None, Some(progress)).await
    }

    /// Sends bytes along; they stay usable here.
    pub(crate) async fn call_with_bytes(&self, request: &Request, bytes: &Uint8Array) -> Result<Reply, Error> {
        self.ask(request, None, Some(bytes), None).await
    }

    /// Loads a dataset (again).
    pub(crate) async fn load(&self, dataset: &Dataset) -> Result<Response, Error> {
        use leptos::prelude::GetUntracked;
        if dataset.source.is_only_there() {
            let message = "its values are on the server alone; run this there, or drop the file here";
            return Err(Error::input(dataset.name.get_untracked(), message));
        }
        let (member, samples_axis) = (dataset.member.clone(), dataset.samples_axis.get_untracked());
        let request = Request::Load { key: dataset.key.clone(), name: dataset.source.name(), member, samples_axis };
        let reply = self.call_with(&request, &dataset.source.blob()).await?;
        self.0.borrow_mut().loaded.insert(dataset.key.clone());
        Ok(reply.response)
    }

    /// Runs an analysis; datasets that this worker does not hold are loaded first.
    pub(crate) async fn run(&self, request: &Request, inputs: &[Dataset], progress: OnProgress) -> Result<Uint8Array, Error> {
        let n_canceled = self.0.borrow().n_canceled;
        for dataset in inputs {
            if !self.0.borrow().loaded.contains(&dataset.key) {
                progress(News::Step(0.0, "loading the inputs".into()));
                self.load(dataset).await?;
            }
        }
        if self.0.borrow().n_canceled != n_canceled {
            return Err(Error::Canceled);
        }
        self.ask(request, None, None, Some(progress)).await?.bytes()
    }

    /// A dataset as a file; loaded first when this worker does not hold it.
    pub(crate) async fn export(&self, dataset: &Dataset, format: SaveFormat) -> Result<Reply, Error> {
        use leptos::prelude::GetUntracked;
        if !self.0.borrow().loaded.contains(&dataset.key) {
            self.load(dataset).await?;
        }
        self.call(&Request::Export { key: dataset.key.clone(), name: dataset.name.get_untracked(), format }).await
    }

    /// Forgets a dataset.
    pub(crate) async fn unload(&self, key: String) {
        if self.0.borrow_mut().loaded.remove(&key) {
            // Nothing depends on the answer: a worker that is gone holds nothing.
            self.call(&Request::Unload { key }).await.ok();
        }
    }

    /// Stops whatever the worker does, at once.
    pub(crate) fn cancel(&self) {
        self.0.borrow_mut().n_canceled += 1;
        for pending in self.terminate() {
            pending.settle(Outcome::Interrupted);
        }
    }

    async fn ask(
        &self,
        request: &Request,
        blob: Option<&Blob>,
        bytes: Option<&Uint8Array>,
        progress: Option<OnProgress>,
    ) -> Result<Reply, Error> {
        let json = serde_json::to_string(request).map_err(|e| Error::internal(format!("a request did not serialize: {e}")))?;
        loop {
            match self.send(&json, blob, bytes, progress.clone()).await? {
                Outcome::Reply(Reply { response: Response::Failed { error }, .. }) => return Err(error),
                Outcome::Reply(reply) => return Ok(reply),
                Outcome::Interrupted if matches!(request, Request::Run { .. }) => return Err(Error::Canceled),
                Outcome::Interrupted => {}
                Outcome::Crashed(message) => return Err(crash(&message)),
            }
        }
    }

    async fn send(
        &self,
        json: &str,
        blob: Option<&Blob>,
        bytes: Option<&Uint8Array>,
        progress: Option<OnProgress>,
    ) -> Result<Outcome, Error> {
        let worker = self.worker()?;
        let id = {
            let mut inner = self.0.borrow_mut();
            inner.next_id += 1;
            inner.next_id
        };
        let message = Object::new();
        let set = |name: &str, value: &JsValue| Reflect::set(&message, &name.into(), value).is_ok();
        set("id", &id.into());
        set("json", &json.into());
        if let Some(blob) = blob {
            set("blob", blob);
        }
        if let Some(bytes) = bytes {
            set("buffer", &bytes.buffer());
        }
        let slot = Rc::new(RefCell::new(None));
        let promise = Promise::new(&mut |wake, _| {
            let pending = Pending { slot: Rc::clone(&slot), wake, progress: progress.clone() };
            self.0.borrow_mut().pending.insert(id, pending);
        });
        if let Err(error) = worker.post_message(&message) {
            self.0.borrow_mut().pending.remove(&id);
            return Err(Error::internal(format!("the request could not be sent to the compute worker: {}", text(&error))));
        }
        JsFuture::from(promise).await.ok();
        let outcome = slot.borrow_mut().take();
        Ok(outcome.unwrap_or(Outcome::Interrupted))
    }

    fn worker(&self) -> Result<Worker, Error> {
        if let Some(worker) = &self.0.borrow().worker {
            return Ok(worker.clone());
        }
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options("worker.js", &options)
            .map_err(|e| Error::internal(format!("the browser could not start the compute worker: {}", text(&e))))?;
        let generation = {
            let mut inner = self.0.borrow_mut();
            inner.generation += 1;
            inner.worker = Some(worker.clone());
            inner.generation
        };
        let this = self.clone();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if this.0.borrow().generation == generation {
                this.receive(&event.data());
            }
        });
        let this = self.clone();
        let on_error = Closure::<dyn Fn(ErrorEvent)>::new(move |event: ErrorEvent| {
            event.prevent_default();
            if this.0.borrow().generation == generation {
                let message = Reflect::get(&event, &"message".into()).ok().and_then(|m| m.as_string()).unwrap_or_default();
                for pending in this.terminate() {
                    pending.settle(Outcome::Crashed(message.clone()));
                }
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        // A worker is started a handful of times; its two closures may stay.
        on_message.forget();
        on_error.forget();
        Ok(worker)
    }

    fn receive(&self, data: &JsValue) {
        let field = |name: &str| Reflect::get(data, &name.into()).ok();
        let Some(id) = field("id").and_then(|v| v.as_f64()) else { return };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ids are the u32 that were sent")]
        let id = id as u32;
        let json = field("json").and_then(|v| v.as_string()).unwrap_or_default();
        let response = serde_json::from_str(&json).unwrap_or_else(|e| Response::Failed {
            error: Error::internal(format!("the compute worker's answer cannot be read: {e}; reload the page")),
        });
        let buffer = field("buffer").filter(|b| !b.is_undefined() && !b.is_null()).map(|b| Uint8Array::new(&b));
        let news = match &response {
            Response::Progress { done_frac, step } => Some(News::Step(*done_frac, step.clone())),
            Response::Preview => Some(News::Preview(buffer.clone().unwrap_or_default())),
            _ => None,
        };
        if let Some(news) = news {
            let progress = self.0.borrow().pending.get(&id).and_then(|p| p.progress.clone());
            if let Some(progress) = progress {
                progress(news);
            }
            return;
        }
        let pending = self.0.borrow_mut().pending.remove(&id);
        if let Some(pending) = pending {
            pending.settle(Outcome::Reply(Reply { response, buffer }));
        }
    }

    /// Ends the worker; returns what waited for it.
    fn terminate(&self) -> Vec<Pending> {
        let mut inner = self.0.borrow_mut();
        if let Some(worker) = inner.worker.take() {
            worker.terminate();
        }
        inner.generation += 1;
        inner.loaded.clear();
        std::mem::take(&mut inner.pending).into_values().collect()
    }
}

fn crash(message: &str) -> Error {
    let message = if message.is_empty() { "no reason was given" } else { message };
    Error::Device { message: format!("the compute worker stopped unexpectedly ({message}); it was restarted and your data are still here") }
}

/// A JavaScript exception for people.
pub(crate) fn text(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|m| m.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| "unknown reason".into())
}
