//! What the page knows: one struct of signal handles, handed to every part of the page.
//!
//! Everything that outlives a component is created under the root owner ([`App::keep`]), so that removing a card never disposes shared state.

use std::collections::{BTreeMap, BTreeSet};

use eigenscope::Error;
use eigenscope::api::{ArrayInfo, DatasetSummary, JobState};
use eigenscope::compute::{DeviceChoice, DeviceInfo};
use eigenscope::dataset::{LabelColumn, Shapes};
use eigenscope::{AnalysisResult, AnalysisSpec, io};
use js_sys::Uint8Array;
use leptos::prelude::*;
use std::sync::Arc;
use web_sys::{Blob, File};

use crate::client::Client;
use crate::datasets::picker::Picker;
use crate::datasets::server_files::Sending;
use crate::forms::{Form, shape_text};
use crate::lazy::Rest;
use crate::notices::Notice;
use crate::pictures::Picture;
use crate::plot::number;
use crate::server::ServerState;
use crate::upload::Upload;

/// The page's state; copies share it.
#[derive(Clone, Copy)]
pub(crate) struct App {
    pub(crate) client: StoredValue<Client, LocalStorage>,
    pub(crate) datasets: RwSignal<Vec<Dataset>>,
    pub(crate) pickers: RwSignal<Vec<Picker>>,
    pub(crate) notices: RwSignal<Vec<Notice>>,
    pub(crate) form: Form,
    pub(crate) runs: RwSignal<Vec<Run>>,
    /// Newest last known devices of the worker; `None` until it was asked.
    pub(crate) devices: RwSignal<Option<Devices>>,
    pub(crate) device: RwSignal<DeviceChoice>,
    pub(crate) server: RwSignal<ServerState>,
    /// Forms and views, once they are loaded.
    pub(crate) rest: RwSignal<Option<Rest>>,
    /// What the live region says.
    pub(crate) status: RwSignal<String>,
    /// Images of the conditions.
    pub(crate) pictures: RwSignal<Vec<Picture>>,
    /// Files on their way to the server.
    pub(crate) sending: RwSignal<Vec<Sending>>,
    /// Files that are being read.
    pub(crate) reading: RwSignal<u32>,
    /// Ticks once a second, for elapsed times.
    pub(crate) now_ms: RwSignal<f64>,
    pub(crate) project_name: RwSignal<String>,
    next_id: StoredValue<u32>,
    root: StoredValue<Owner>,
}

/// What the worker found out about devices.
#[derive(Clone)]
pub(crate) struct Devices {
    pub(crate) list: Vec<DeviceInfo>,
    pub(crate) webgpu_missing: Option<String>,
}

/// A file that the user gave; several datasets may come from it.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    pub(crate) id: u32,
    pub(crate) file: StoredValue<File, LocalStorage>,
    /// Its id on the server once it was uploaded.
    pub(crate) server_id: StoredValue<Option<String>>,
    /// Its arrays when the bytes are on the server alone; the file has nothing but a name then.
    pub(crate) only_there: StoredValue<Option<Vec<ArrayInfo>>>,
}

impl Source {
    pub(crate) fn name(self) -> String {
        self.file.with_value(File::name)
    }

    /// Whether this browser does not have its bytes.
    pub(crate) fn is_only_there(self) -> bool {
        self.only_there.with_value(Option::is_some)
    }

    pub(crate) fn blob(self) -> Blob {
        self.file.with_value(|file| (**file).clone())
    }
}

/// A dataset on the page; its values live in the worker.
#[derive(Clone)]
pub(crate) struct Dataset {
    pub(crate) key: String,
    pub(crate) source: Source,
    pub(crate) member: Option<String>,
    pub(crate) name: RwSignal<String>,
    /// Which axis of the array in the file has the samples.
    pub(crate) samples_axis: RwSignal<usize>,
    pub(crate) summary: RwSignal<Arc<DatasetSummary>>,
}

impl Dataset {
    /// Text columns only: it labels rows but has no values.
    pub(crate) fn is_label_table(&self) -> bool {
        self.summary.with(|s| !s.labels.is_empty() && s.shape.contains(&0))
    }

    /// Neither a network, nor images, nor labels alone.
    pub(crate) fn is_array(&self) -> bool {
        !self.is_label_table() && self.summary.with(|s| ![io::NETWORK, io::IMAGES].contains(&s.dtype.as_str()))
    }

    /// How much there is in it, for people.
    pub(crate) fn size_text(&self) -> String {
        self.summary.with(|s| match (s.dtype.as_str(), s.shape.first()) {
            (io::NETWORK, Some(n)) => format!("{} weights", number::count(*n)),
            (io::IMAGES, Some(n)) => format!("{} images", number::count(*n)),
            _ => format!("{} {}", s.dtype, shape_text(&s.shape)),
        })
    }
}

/// Where a run is computed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    /// On the server, under this job id once it is known.
    Server(Option<String>),
}

/// A run in the list.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) id: u32,
    pub(crate) spec: AnalysisSpec,
    pub(crate) device: DeviceChoice,
    pub(crate) place: RwSignal<Place>,
    pub(crate) state: RwSignal<JobState>,
    pub(crate) done_frac: RwSignal<f64>,
    pub(crate) step: RwSignal<String>,
    /// Its files on their way to the server.
    pub(crate) upload: Upload,
    pub(crate) started_ms: RwSignal<f64>,
    pub(crate) finished_ms: RwSignal<Option<f64>>,
    /// How long the server thinks that it will go on.
    pub(crate) remaining_secs: RwSignal<Option<f64>>,
    pub(crate) error: RwSignal<Option<String>>,
    pub(crate) result: RwSignal<Option<Arc<AnalysisResult>>>,
    /// What is known of it while the run goes on.
    pub(crate) preview: RwSignal<Option<Arc<AnalysisResult>>>,
    /// Points of a sweep that were left out here, by their places.
    pub(crate) left_out: RwSignal<BTreeSet<usize>>,
    /// Where the points of a sweep on the server stand, as it said last.
    pub(crate) tasks: RwSignal<Vec<JobState>>,
    /// When it was asked.
    pub(crate) tasks_ms: RwSignal<f64>,
    /// When a preview was last asked for on the server.
    pub(crate) previewed_ms: RwSignal<f64>,
    /// The result as it came, kept outside the module's memory for saving.
    pub(crate) envelope: StoredValue<Option<Uint8Array>, LocalStorage>,
    /// Labels of the rows at the time of the run.
    pub(crate) labels: Vec<LabelColumn>,
    pub(crate) open: RwSignal<bool>,
}

impl App {
    pub(crate) fn new() -> Self {
        let datasets = RwSignal::new(Vec::new());
        Self {
            client: StoredValue::new_local(Client::default()),
            datasets,
            pickers: RwSignal::new(Vec::new()),
            notices: RwSignal::new(Vec::new()),
            form: Form::new(datasets),
            runs: RwSignal::new(Vec::new()),
            devices: RwSignal::new(None),
            device: RwSignal::new(DeviceChoice::Auto),
            server: RwSignal::new(ServerState::Unknown),
            rest: RwSignal::new(None),
            status: RwSignal::new(String::new()),
            pictures: RwSignal::new(Vec::new()),
            sending: RwSignal::new(Vec::new()),
            reading: RwSignal::new(0),
            now_ms: RwSignal::new(now_ms()),
            project_name: RwSignal::new("project".into()),
            next_id: StoredValue::new(0),
            root: StoredValue::new(Owner::current().unwrap_or_default()),
        }
    }

    /// Creates signals that live as long as the page.
    pub(crate) fn keep<T>(self, make: impl FnOnce() -> T) -> T {
        self.root.get_value().with(make)
    }

    /// A number that was not given before.
    pub(crate) fn fresh_id(self) -> u32 {
        self.next_id.update_value(|id| *id += 1);
        self.next_id.get_value()
    }

    /// The thumbnails of the conditions, tracked.
    pub(crate) fn thumbnails(self) -> Signal<Arc<[Arc<str>]>> {
        Signal::derive(move || self.pictures.with(|all| all.iter().map(|p| Arc::clone(&p.url)).collect()))
    }

    pub(crate) fn client(self) -> Client {
        self.client.get_value()
    }

    /// Tells screen readers (and the status line) what happened.
    pub(crate) fn say(self, message: impl Into<String>) {
        self.status.set(message.into());
    }

    /// Shows an error as a card that stays until it is dismissed.
    pub(crate) fn fail(self, title: &str, error: &Error) {
        let message = error.to_string();
        let message = message.strip_prefix(title).and_then(|rest| rest.strip_prefix(": ")).map_or(message.clone(), Into::into);
        self.notice(title, message);
    }

    pub(crate) fn notice(self, title: &str, message: String) {
        let notice = Notice { id: self.fresh_id(), title: title.into(), message };
        self.notices.update(|all| all.push(notice));
    }

    pub(crate) fn source(self, file: File) -> Source {
        let id = self.fresh_id();
        self.keep(|| Source {
            id,
            file: StoredValue::new_local(file),
            server_id: StoredValue::new(None),
            only_there: StoredValue::new(None),
        })
    }

    /// A dataset by the name that specs use.
    pub(crate) fn dataset(self, name: &str) -> Option<Dataset> {
        self.datasets.with_untracked(|all| all.iter().find(|d| d.name.with_untracked(|n| n == name)).cloned())
    }

    /// The name, or the name with the first number that makes it unique.
    pub(crate) fn unique_name(self, wanted: &str, except: Option<&str>) -> String {
        let wanted = if wanted.trim().is_empty() { "data" } else { wanted.trim() };
        let taken: Vec<String> = self
            .datasets
            .with_untracked(|all| all.iter().filter(|d| Some(d.key.as_str()) != except).map(|d| d.name.get_untracked()).collect());
        let mut name = wanted.to_owned();
        let mut number = 2u32;
        while taken.contains(&name) {
            name = format!("{wanted} {number}");
            number += 1;
        }
        name
    }

    /// Label columns that fit the rows of a spec's first input: its own first, then those of label tables.
    pub(crate) fn labels_for(self, spec: &AnalysisSpec) -> Vec<LabelColumn> {
        let Some(first) = spec.inputs().first().and_then(|name| self.dataset(name)) else { return Vec::new() };
        let (rows, mut out) = first.summary.with_untracked(|s| (condition_count(&s.shape), s.labels.clone()));
        self.datasets.with_untracked(|all| {
            for other in all.iter().filter(|d| d.key != first.key) {
                other.summary.with_untracked(|s| out.extend(s.labels.iter().filter(|l| l.values.len() as u64 == rows).cloned()));
            }
        });
        out
    }
}

/// How many conditions an input has: rows, or the side of stacked square matrices.
fn condition_count(shape: &[u64]) -> u64 {
    match shape {
        [_, n, m] if n == m => *n,
        [n, ..] => *n,
        [] => 0,
    }
}

/// Names and shapes of the datasets, tracked.
pub(crate) fn shapes(datasets: RwSignal<Vec<Dataset>>) -> Shapes {
    let all = datasets.get();
    let shape = |d: &Dataset| d.summary.with(|s| s.shape.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect());
    Shapes(all.iter().map(|d| (d.name.get(), shape(d))).collect::<BTreeMap<_, _>>())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> f64 {
    js_sys::Date::now()
}
