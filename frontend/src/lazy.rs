//! The part of the page that loads once the shell is there: forms, views of results, and what reads results and projects.
//!
//! One function is the border: what is only reached through its table of functions becomes a module of its own (`xtask` splits it off), so that the page
//! opens with the shell alone, however many analyses there are.

use std::pin::Pin;

use eigenscope::dataset::LabelColumn;
use eigenscope::{AnalysisResult, AnalysisSpec, Error};
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_split::SplitLoaderError;
#[cfg(not(feature = "worker"))]
use leptos::wasm_split::wasm_split;
use std::sync::Arc;
use web_sys::File;

use crate::state::App;

/// See [`crate::views::result`].
type ResultView = fn(Signal<Arc<AnalysisResult>>, AnalysisSpec, Vec<LabelColumn>, Thumbnails) -> AnyView;
/// Addresses of images of the conditions.
type Thumbnails = Signal<Arc<[Arc<str>]>>;
/// See [`crate::project::open`].
type OpenProject = fn(App, File) -> Pin<Box<dyn Future<Output = ()>>>;

/// The functions of that part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    pub(crate) form: fn(App) -> AnyView,
    pub(crate) result: ResultView,
    pub(crate) read_result: fn(&Uint8Array) -> Result<AnalysisResult, Error>,
    pub(crate) save_project: fn(App),
    pub(crate) open_project: OpenProject,
}

/// It did not load.
#[derive(Debug)]
pub(crate) struct Missing;

impl From<SplitLoaderError> for Missing {
    fn from(_: SplitLoaderError) -> Self {
        Self
    }
}

impl From<Missing> for Error {
    fn from(_: Missing) -> Self {
        Self::internal("a part of the page did not load; check the connection to the server and reload the page")
    }
}

/// Loads that part on the first call.
///
/// # Errors
/// [`Missing`]; the next call tries again.
#[cfg(not(feature = "worker"))]
#[wasm_split(rest, fallible, wasm_split_path = leptos::wasm_split)]
pub(crate) fn rest() -> Result<Rest, Missing> {
    Ok(parts())
}

/// The compute worker has no page: nothing may be exported from it as a part to load.
#[cfg(feature = "worker")]
pub(crate) async fn rest() -> Result<Rest, Missing> {
    Ok(parts())
}

fn parts() -> Rest {
    Rest {
        form: crate::forms::panel,
        result: crate::views::result,
        read_result: crate::runs::here::read_result,
        save_project: crate::project::save,
        open_project: |app, file| Box::pin(crate::project::open(app, file)),
    }
}

/// Loads that part now and shows what waits for it.
pub(crate) fn load(app: App) {
    spawn_local(async move {
        match rest().await {
            Ok(rest) => app.rest.set(Some(rest)),
            Err(missing) => app.fail("The page", &missing.into()),
        }
    });
}

/// Saves a project.
pub(crate) fn save_project(app: App) {
    spawn_local(async move {
        match rest().await {
            Ok(rest) => (rest.save_project)(app),
            Err(missing) => app.fail("Save", &missing.into()),
        }
    });
}

/// Opens a project.
pub(crate) async fn open_project(app: App, file: File) {
    match rest().await {
        Ok(rest) => (rest.open_project)(app, file).await,
        Err(missing) => app.fail(&file.name(), &missing.into()),
    }
}
