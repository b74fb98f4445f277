//! Projects: datasets, specs and results in one file that can be saved, reopened and shared.
//!
//! A project is a zip archive: `manifest.json`, the original files, and each result as its envelope.

use eigenscope::api::JobState;
use eigenscope::compute::DeviceChoice;
use eigenscope::{AnalysisSpec, Error};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::{Deserialize, Serialize};
use web_sys::File;

use crate::datasets::load::{self, bytes_of, unpacked};
use crate::plot::offer;
use crate::protocol::Request;
use crate::runs::{here, new_run, remote};
use crate::state::{App, Place};

const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Version of this layout.
    eigenscope_project: u32,
    datasets: Vec<SavedDataset>,
    runs: Vec<SavedRun>,
    /// Members of the archive with images of the conditions, in their order.
    #[serde(default)]
    pictures: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct SavedDataset {
    name: String,
    /// Member of the archive with the original bytes.
    file: String,
    /// Its name before it was saved.
    file_name: String,
    member: Option<String>,
    /// Which axis has the samples.
    #[serde(default)]
    samples_axis: usize,
    /// The dataset's id when its bytes are on a server alone.
    #[serde(default)]
    server: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SavedRun {
    spec: AnalysisSpec,
    state: JobState,
    place: SavedPlace,
    device: DeviceChoice,
    seconds: f64,
    /// Member of the archive with the result.
    result: Option<String>,
    error: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SavedPlace {
    Here,
    Server,
}

/// Saves everything that is on the page as a download.
pub(crate) fn save(app: App) {
    spawn_local(async move {
        app.say("Packing the project.");
        match pack(app).await {
            Ok(bytes) => {
                let name = format!("{}.eigenscope", app.project_name.get_untracked().trim());
                match offer(&name, "application/zip", &bytes) {
                    Ok(()) => app.say(format!("{name} was saved.")),
                    Err(message) => app.notice("Save", message),
                }
            }
            Err(error) => app.fail("Save", &error),
        }
    });
}

async fn pack(app: App) -> Result<Uint8Array, Error> {
    let mut files: Vec<(String, Uint8Array)> = Vec::new();
    let mut manifest = Manifest { eigenscope_project: VERSION, datasets: Vec::new(), runs: Vec::new(), pictures: Vec::new() };
    for dataset in app.datasets.get_untracked() {
        let file_name = dataset.source.name();
        let file = format!("data/{}/{file_name}", dataset.source.id);
        let server = if dataset.source.is_only_there() { dataset.source.server_id.get_value() } else { None };
        if server.is_none() && !files.iter().any(|(known, _)| *known == file) {
            files.push((file.clone(), bytes_of(&dataset.source.blob()).await?));
        }
        let (name, samples_axis) = (dataset.name.get_untracked(), dataset.samples_axis.get_untracked());
        manifest.datasets.push(SavedDataset { name, file, file_name, member: dataset.member, samples_axis, server });
    }
    for run in app.runs.get_untracked() {
        let state = run.state.get_untracked();
        if !state.is_final() {
            continue;
        }
        remote::fetched(&run).await.map_err(|message| Error::internal(format!("a result could not be fetched: {message}")))?;
        let mut result = None;
        if let Some(envelope) = run.envelope.get_value() {
            let name = format!("results/{}.eigr", run.id);
            files.push((name.clone(), envelope));
            result = Some(name);
        }
        let place = if run.place.get_untracked() == Place::Here { SavedPlace::Here } else { SavedPlace::Server };
        let seconds = (run.finished_ms.get_untracked().unwrap_or_default() - run.started_ms.get_untracked()) / 1000.0;
        let error = run.error.get_untracked();
        manifest.runs.push(SavedRun { spec: run.spec, state, place, device: run.device, seconds, result, error });
    }
    for (i, picture) in app.pictures.get_untracked().into_iter().enumerate() {
        // Images of several folders may share a name.
        let name = format!("pictures/{i}/{}", picture.source.name());
        files.push((name.clone(), bytes_of(&picture.source.blob()).await?));
        manifest.pictures.push(name);
    }
    let text = serde_json::to_vec_pretty(&manifest).map_err(|e| Error::internal(format!("the project did not serialize: {e}")))?;
    files.insert(0, (MANIFEST.into(), Uint8Array::from(text.as_slice())));

    let needed_bytes = files.iter().map(|(_, bytes)| u64::from(bytes.length())).sum();
    let limit_bytes = 1 << 31;
    let total = u32::try_from(needed_bytes).ok().filter(|n| *n <= limit_bytes);
    let Some(total) = total else {
        return Err(Error::TooLarge { what: "the project".into(), needed_bytes, limit_bytes: limit_bytes.into() });
    };
    let all = Uint8Array::new_with_length(total);
    let mut start = 0;
    let mut names = Vec::new();
    for (name, bytes) in files {
        all.set(&bytes, start);
        start += bytes.length();
        names.push((name, bytes.length()));
    }
    app.client().call_with_bytes(&Request::Pack { files: names }, &all).await?.bytes()
}

/// Opens a project beside what is already there; what is wrong with the file is said in a card.
pub(crate) async fn open(app: App, file: File) {
    let title = file.name();
    if let Err(error) = unpack(app, &file).await {
        app.fail(&title, &error);
        return;
    }
    app.project_name.set(title.trim_end_matches(".eigenscope").into());
    app.say(format!("{title} was opened."));
}

async fn unpack(app: App, file: &File) -> Result<(), Error> {
    let bad = |message: String| Error::format(file.name(), message);
    let reply = app.client().call_with(&Request::Unpack, file).await;
    let members = unpacked(reply.map_err(|e| bad(format!("not an Eigenscope project ({e}); choose a file that \"Save project\" wrote")))?)?;
    let member = |name: &str| members.iter().find(|m| m.name() == name);
    let manifest = member(MANIFEST).ok_or_else(|| bad(format!("not an Eigenscope project: it has no {MANIFEST}")))?;
    let manifest = bytes_of(manifest).await?.to_vec();
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|e| bad(format!("its {MANIFEST} cannot be read: {e}")))?;
    if manifest.eigenscope_project > VERSION {
        return Err(bad(format!(
            "it was saved by a newer Eigenscope (layout {}, this page reads up to {VERSION}); update this one",
            manifest.eigenscope_project
        )));
    }

    let mut sources: Vec<(String, crate::state::Source)> = Vec::new();
    for saved in &manifest.datasets {
        let source = match (sources.iter().find(|(known, _)| *known == saved.file), &saved.server) {
            (Some((_, source)), _) => *source,
            (None, Some(id)) => match crate::server::dataset(id).await {
                Ok(info) => load::source_there(app, &info)?,
                Err(error) => {
                    app.notice(&saved.name, format!("its values are on a server that this page is not connected to ({})", error.message));
                    continue;
                }
            },
            (None, None) => {
                let packed = member(&saved.file).ok_or_else(|| bad(format!("its data file {} is missing", saved.file)))?;
                let whole = Array::of1(packed);
                let named = File::new_with_blob_sequence(&whole, &saved.file_name);
                let source = app.source(named.map_err(|e| Error::internal(crate::client::text(&e)))?);
                sources.push((saved.file.clone(), source));
                source
            }
        };
        if let Err(error) = load::restore(app, source, saved.member.clone(), saved.samples_axis, &saved.name).await {
            app.fail(&saved.name, &error);
        }
    }

    let picture = |name: &String| {
        let packed = member(name)?;
        File::new_with_blob_sequence(&Array::of1(packed), name.rsplit('/').next()?).ok()
    };
    let pictures: Vec<File> = manifest.pictures.iter().filter_map(picture).collect();
    if !pictures.is_empty() {
        crate::pictures::take(app, pictures);
    }

    for saved in manifest.runs.into_iter().rev() {
        let place = if saved.place == SavedPlace::Here { Place::Here } else { Place::Server(None) };
        let run = new_run(app, saved.spec, saved.device, place);
        run.finished_ms.set(Some(run.started_ms.get_untracked() + saved.seconds * 1000.0));
        run.error.set(saved.error);
        if let Some(envelope) = saved.result.as_deref().and_then(member) {
            here::keep(&run, bytes_of(envelope).await?).await?;
        }
        run.state.set(saved.state);
        crate::runs::add(app, run);
    }
    Ok(())
}
