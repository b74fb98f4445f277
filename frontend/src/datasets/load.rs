//! From a file to datasets: list its arrays, load the one there is or ask which.

use std::sync::Arc;

use eigenscope::api::{ArrayInfo, DatasetInfo, DatasetSummary};
use eigenscope::dataset::samples_first;
use eigenscope::input::is_image;
use eigenscope::io::{Limits, SaveFormat};
use eigenscope::{Error, error, io};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{Blob, File};

use super::images;
use super::picker::Picker;
use super::server_files;
use crate::client::text;
use crate::pictures;
use crate::plot::{file_stem, offer};
use crate::protocol::{Request, Response};
use crate::server::ServerState;
use crate::state::{App, Dataset, Devices, Source};

/// Takes files one after the other; an error of one does not stop the others.
pub(crate) fn take(app: App, files: Vec<File>) {
    let (pictures, files): (Vec<File>, Vec<File>) = files.into_iter().partition(|file| is_image(&file.name()));
    if !pictures.is_empty() {
        pictures::take(app, pictures);
    }
    if files.is_empty() {
        return;
    }
    spawn_local(async move {
        for file in files {
            app.reading.update(|n| *n += 1);
            let name = file.name();
            app.say(format!("Reading {name}."));
            if name.to_lowercase().ends_with(".eigenscope") {
                crate::lazy::open_project(app, file).await;
            } else if let Err(error) = read(app, file).await {
                app.fail(&name, &error);
            }
            app.reading.update(|n| *n -= 1);
        }
        devices(app).await;
    });
}

/// Takes files that must be projects, whatever they are called.
pub(crate) fn take_projects(app: App, files: Vec<File>) {
    spawn_local(async move {
        for file in files {
            app.reading.update(|n| *n += 1);
            crate::lazy::open_project(app, file).await;
            app.reading.update(|n| *n -= 1);
        }
    });
}

/// Opens the sample data.
pub(crate) fn sample(app: App) {
    spawn_local(async move {
        app.reading.update(|n| *n += 1);
        match sample_files(app).await {
            Ok(files) => take(app, files),
            Err(error) => app.fail("Sample data", &error),
        }
        app.reading.update(|n| *n -= 1);
    });
}

async fn sample_files(app: App) -> Result<Vec<File>, Error> {
    unpacked(app.client().call(&Request::Sample).await?)
}

/// The files in an answer that holds several.
pub(crate) fn unpacked(reply: crate::client::Reply) -> Result<Vec<File>, Error> {
    let Response::Files { files } = &reply.response else { return Err(unexpected()) };
    let names = files.clone();
    let bytes = reply.bytes()?;
    let mut start = 0u32;
    let mut out = Vec::new();
    for (name, length) in names {
        let part = Array::of1(&bytes.subarray(start, start.saturating_add(length)));
        start = start.saturating_add(length);
        out.push(File::new_with_buffer_source_sequence(&part, &name).map_err(|e| Error::internal(text(&e)))?);
    }
    Ok(out)
}

/// Takes a file whose bytes the server has.
pub(super) fn take_known(app: App, file: File, id: String) {
    spawn_local(async move {
        app.reading.update(|n| *n += 1);
        let name = file.name();
        let source = app.source(file);
        source.server_id.set_value(Some(id));
        if let Err(error) = open(app, source).await {
            app.fail(&name, &error);
        }
        app.reading.update(|n| *n -= 1);
    });
}

/// Takes a file of the server by its name alone.
pub(crate) async fn from_server(app: App, info: DatasetInfo) {
    let title = info.name.clone();
    let taken = async {
        let source = source_there(app, &info)?;
        choose(app, source, info.arrays).await
    };
    if let Err(error) = taken.await {
        app.fail(&title, &error);
    }
}

/// A file of the server without its bytes.
pub(crate) fn source_there(app: App, info: &DatasetInfo) -> Result<Source, Error> {
    let file = File::new_with_buffer_source_sequence(&Array::new(), &info.name).map_err(|e| Error::internal(text(&e)))?;
    let source = app.source(file);
    source.server_id.set_value(Some(info.id.clone()));
    source.only_there.set_value(Some(info.arrays.clone()));
    Ok(source)
}

async fn read(app: App, file: File) -> Result<(), Error> {
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let limit = Limits::BROWSER.max_array_bytes as f64;
    if file.size() > limit {
        if matches!(app.server.get_untracked(), ServerState::Ready(_)) {
            server_files::send(app, file);
            return Ok(());
        }
        let (size, limit) = (size_text(file.size()), size_text(limit));
        let message = format!(
            "{size} are too much for a browser tab (up to {limit}); open this page from \"eigenscope serve\" to use the file there"
        );
        return Err(Error::Unsupported { file: file.name(), message });
    }
    open(app, app.source(file)).await
}

async fn open(app: App, source: Source) -> Result<(), Error> {
    let name = source.name();
    let reply = app.client().call_with(&Request::List { name: name.clone() }, &source.blob()).await?;
    let Response::Listed { arrays } = reply.response else { return Err(unexpected()) };
    choose(app, source, arrays).await
}

/// Loads the array of a file, or asks which when there are several.
async fn choose(app: App, source: Source, arrays: Vec<ArrayInfo>) -> Result<(), Error> {
    let name = source.name();
    match arrays.as_slice() {
        [] => Err(Error::Unsupported { file: name, message: "it holds no arrays; give a file with at least one numeric array".into() }),
        [ArrayInfo { refused: Some(message), .. }] => Err(Error::Unsupported { file: name, message: message.clone() }),
        [one] => load(app, source, one.member.clone()).await,
        _ => {
            let id = app.fresh_id();
            app.say(format!("{name} holds {} arrays: choose which to load.", arrays.len()));
            app.pickers.update(|all| all.push(Picker { id, source, arrays }));
            Ok(())
        }
    }
}

/// Loads one array as a new dataset.
pub(crate) async fn load(app: App, source: Source, member: Option<String>) -> Result<(), Error> {
    let dataset = blank(app, source, member, 0);
    let summary = summary(app, &dataset).await?;
    let name = app.unique_name(&summary.name, None);
    add(app, &dataset, name, summary).await;
    Ok(())
}

/// Loads a dataset under a name of its own (from a project).
pub(crate) async fn restore(app: App, source: Source, member: Option<String>, samples_axis: usize, name: &str) -> Result<(), Error> {
    let dataset = blank(app, source, member, samples_axis);
    let summary = summary(app, &dataset).await?;
    add(app, &dataset, app.unique_name(name, None), summary).await;
    Ok(())
}

/// Loads a dataset again with the samples along another axis.
pub(super) fn turn(app: App, dataset: Dataset, axis: usize) {
    spawn_local(async move {
        let before = dataset.samples_axis.get_untracked();
        dataset.samples_axis.set(axis);
        match summary(app, &dataset).await {
            Ok(summary) => dataset.summary.set(Arc::new(summary)),
            Err(error) => {
                dataset.samples_axis.set(before);
                app.fail(&dataset.name.get_untracked(), &error);
            }
        }
    });
}

/// Removes a dataset from the page, the specs and the worker.
pub(crate) fn remove(app: App, dataset: &Dataset) {
    let name = dataset.name.get_untracked();
    app.datasets.update(|all| all.retain(|d| d.key != dataset.key));
    app.form.follow(&name, None);
    app.say(format!("{name} was removed."));
    let key = dataset.key.clone();
    spawn_local(async move { app.client().unload(key).await });
}

/// Offers a dataset as a file that other programs read.
pub(super) fn save_as(app: App, dataset: Dataset, format: SaveFormat) {
    spawn_local(async move {
        let name = dataset.name.get_untracked();
        let stem = file_stem(&name);
        let file = format!("{}.{}", if stem.is_empty() { "dataset" } else { &stem }, format.ending());
        app.say(format!("Writing {file}."));
        let saved = match app.client().export(&dataset, format).await {
            Ok(reply) => exported(reply).and_then(|(left_out, bytes)| {
                offer(&file, format.media_type(), &bytes).map_err(Error::internal)?;
                Ok(left_out)
            }),
            Err(error) => Err(error),
        };
        match saved {
            Ok(left_out) if left_out.is_empty() => app.say(format!("{file} was saved.")),
            Ok(left_out) => {
                app.say(format!("{file} was saved without {}, which .{} does not hold.", left_out.join(" and "), format.ending()));
            }
            Err(error) => app.fail(&name, &error),
        }
    });
}

fn exported(reply: crate::client::Reply) -> Result<(Vec<String>, Uint8Array), Error> {
    let Response::Exported { left_out } = &reply.response else { return Err(unexpected()) };
    let left_out = left_out.clone();
    Ok((left_out, reply.bytes()?))
}

/// Gives a dataset another name, made unique, everywhere it is used.
pub(super) fn rename(app: App, dataset: &Dataset, wanted: &str) {
    let old = dataset.name.get_untracked();
    let name = app.unique_name(wanted, Some(&dataset.key));
    dataset.name.set(name.clone());
    app.form.follow(&old, Some(&name));
}

/// Asks the worker for its devices, once: it is running by now anyway.
pub(crate) async fn devices(app: App) {
    if app.devices.with_untracked(Option::is_some) {
        return;
    }
    if let Ok(reply) = app.client().call(&Request::Devices).await
        && let Response::Devices { devices, webgpu_missing } = reply.response
    {
        app.devices.set(Some(Devices { list: devices, webgpu_missing }));
    }
}

fn blank(app: App, source: Source, member: Option<String>, samples_axis: usize) -> Dataset {
    let key = format!("d{}", app.fresh_id());
    let empty = DatasetSummary {
        name: String::new(),
        dtype: String::new(),
        shape: Vec::new(),
        n_non_finite: 0,
        column_names: None,
        labels: Vec::new(),
        thumbnail: Default::default(),
        network: None,
    };
    app.keep(|| Dataset {
        key,
        source,
        member,
        name: RwSignal::new(String::new()),
        samples_axis: RwSignal::new(samples_axis),
        summary: RwSignal::new(Arc::new(empty)),
    })
}

async fn summary(app: App, dataset: &Dataset) -> Result<DatasetSummary, Error> {
    if let Some(arrays) = dataset.source.only_there.get_value() {
        return summary_there(dataset, &arrays);
    }
    match app.client().load(dataset).await? {
        Response::Loaded { summary } => Ok(summary),
        _ => Err(unexpected()),
    }
}

/// What the server said of an array that it alone has.
fn summary_there(dataset: &Dataset, arrays: &[ArrayInfo]) -> Result<DatasetSummary, Error> {
    let file = dataset.source.name();
    let array = arrays.iter().find(|array| array.member == dataset.member);
    let array = array.ok_or_else(|| Error::input(&file, "it has no such array; choose the file again"))?;
    let shape = samples_first(array.shape.clone(), dataset.samples_axis.get_untracked());
    let name = array.member.clone().unwrap_or_else(|| file.rsplit_once('.').map_or(file.clone(), |(stem, _)| stem.to_owned()));
    Ok(DatasetSummary {
        name,
        dtype: array.dtype.clone(),
        shape,
        n_non_finite: 0,
        column_names: None,
        labels: Vec::new(),
        thumbnail: Default::default(),
        network: None,
    })
}

async fn add(app: App, dataset: &Dataset, name: String, summary: DatasetSummary) {
    dataset.name.set(name.clone());
    let shape = summary.shape.clone();
    let is_table = summary.column_names.is_some() && !summary.labels.is_empty();
    let dtype = summary.dtype.clone();
    dataset.summary.set(Arc::new(summary));
    app.say(format!("{name} is loaded: {}.", untrack(|| dataset.size_text())));
    app.datasets.update(|all| all.push(dataset.clone()));
    crate::plot::preload();
    if dtype == io::NETWORK {
        app.form.offer_network(&name);
        // Images that load a dataset of their own, which is no network: this goes one level deep.
        Box::pin(images::offer(app)).await;
    } else if dtype == io::IMAGES {
        app.form.offer_images(&name);
        images::thumbnails(app, dataset).await;
    } else if untrack(|| dataset.is_label_table()) {
        app.form.offer_labels(&name);
    } else {
        app.form.offer(&name, &shape);
        if is_table {
            app.form.offer_table(&name);
        }
    }
}

fn unexpected() -> Error {
    Error::internal("the compute worker answered something else than was asked; reload the page")
}

/// All bytes of a file.
pub(crate) async fn bytes_of(blob: &Blob) -> Result<Uint8Array, Error> {
    let buffer = wasm_bindgen_futures::JsFuture::from(blob.array_buffer()).await;
    buffer.map(|b| Uint8Array::new(&b)).map_err(|e| {
        let message = format!("its bytes cannot be read ({}); it may have been moved or changed: choose it again", text(&e));
        Error::format("file", message)
    })
}

/// `1.5 MiB`, of a size that JavaScript gives.
pub(crate) fn size_text(bytes: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are whole and positive")]
    error::bytes(bytes as u64)
}
