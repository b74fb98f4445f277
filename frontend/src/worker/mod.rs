//! The compute worker: holds datasets, runs analyses, answers the page.

mod port;

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eigenscope::compute::DeviceKind;
use eigenscope::io::{self, Limits};
use eigenscope::{AnalysisSpec, Device, DeviceChoice, Error, Input, Inputs, Progress as _, wire};
use wasm_bindgen::JsValue;

use crate::protocol::{PIECE_BYTES, Request, Response};
use port::{Answer, Message, Reporter};

thread_local! {
    static DATASETS: RefCell<BTreeMap<String, Input>> = const { RefCell::new(BTreeMap::new()) };
}

/// Answers one message: exactly one response that is not progress.
pub async fn handle(message: JsValue) {
    let message = match Message::read(&message) {
        Ok(message) => message,
        Err(error) => return Answer::to(0).send(&Response::Failed { error }, None),
    };
    let answer = Answer::to(message.id);
    match respond(&message).await {
        Ok((response, buffer)) => answer.send(&response, buffer.as_deref()),
        Err(error) => answer.send(&Response::Failed { error }, None),
    }
}

async fn respond(message: &Message) -> Result<(Response, Option<Vec<u8>>), Error> {
    Ok(match &message.request {
        Request::Devices => (devices().await, None),
        Request::List { name } => (Response::Listed { arrays: io::list(name, &message.file().await?, Limits::BROWSER)? }, None),
        Request::Load { key, name, member, samples_axis } => {
            let input = match io::open(name, message.file().await?, member.as_deref(), Limits::BROWSER)? {
                Input::Array(dataset) => Input::Array(dataset.with_samples(*samples_axis)?),
                other => other,
            };
            let summary = io::summarize(name, &input)?;
            DATASETS.with(|all| all.borrow_mut().insert(key.clone(), input));
            (Response::Loaded { summary }, None)
        }
        Request::Unload { key } => {
            DATASETS.with(|all| all.borrow_mut().remove(key));
            (Response::Unloaded, None)
        }
        Request::Run { spec, inputs, device } => (Response::Ran, Some(run(message.id, spec, inputs, *device).await?)),
        Request::Export { key, name, format } => match input(key)? {
            Input::Array(dataset) => {
                let (bytes, saved) = io::save_bytes(*format, &[(name.clone(), &dataset)])?;
                let left_out = saved.into_iter().flat_map(|saved| saved.left_out).collect();
                (Response::Exported { left_out }, Some(bytes))
            }
            Input::Network(_) | Input::Images(_) => return Err(Error::input(name, "this is no array")),
        },
        Request::Sample => joined(eigenscope::sample::files())?,
        Request::Pack { files } => (Response::Bytes, Some(io::pack(&message.split(files)?)?)),
        Request::Unpack => joined(io::unpack(&message.file().await?, Limits::BROWSER)?)?,
        Request::Hash => (hash(message).await?, None),
        #[expect(clippy::panic, reason = "asked for by a test of the page's recovery")]
        Request::Crash => panic!("crash requested"),
    })
}

/// Hashes a file piece by piece: it may be larger than the memory.
async fn hash(message: &Message) -> Result<Response, Error> {
    let reporter = Reporter::new(message.id);
    let mut whole = blake3::Hasher::new();
    let mut pieces = Vec::new();
    let (size, step) = (message.file_bytes(), PIECE_BYTES as f64);
    let mut at = 0.0;
    while at < size {
        let bytes = message.piece(at, at + step).await?;
        whole.update(&bytes);
        pieces.push(format!("blake3 {}", STANDARD.encode(blake3::hash(&bytes).as_bytes())));
        at += step;
        reporter.step((at / size).min(1.0), "")?;
    }
    Ok(Response::Hashed { hash: whole.finalize().to_hex().to_string(), pieces })
}

fn input(key: &str) -> Result<Input, Error> {
    DATASETS.with(|all| all.borrow().get(key).cloned()).ok_or_else(|| Error::input(key, "this dataset is not loaded in the worker"))
}

async fn run(id: u32, spec: &AnalysisSpec, keys: &BTreeMap<String, String>, choice: DeviceChoice) -> Result<Vec<u8>, Error> {
    let mut inputs = Inputs::default();
    for (name, key) in keys {
        inputs.insert_input(name, input(key)?);
    }
    let device = Device::open(choice).await?;
    let result = eigenscope::run(spec, &inputs, &device, &Reporter::new(id)).await?;
    wire::pack(&result)
}

async fn devices() -> Response {
    let devices = Device::list().await;
    let has_gpu = devices.iter().any(|device| device.kind == DeviceKind::Webgpu);
    Response::Devices { devices, webgpu_missing: (!has_gpu).then(port::webgpu_missing) }
}

/// Files as their names and lengths, and their bytes one after the other.
fn joined(files: Vec<(String, Vec<u8>)>) -> Result<(Response, Option<Vec<u8>>), Error> {
    let mut names = Vec::new();
    let mut buffer = Vec::new();
    for (name, bytes) in files {
        let length = u32::try_from(bytes.len()).map_err(|_too_long| Error::TooLarge {
            what: name.clone(),
            needed_bytes: bytes.len() as u64,
            limit_bytes: u64::from(u32::MAX),
        })?;
        names.push((name, length));
        buffer.extend_from_slice(&bytes);
    }
    Ok((Response::Files { files: names }, Some(buffer)))
}
