//! Datasets on the page: files in, cards out. Values live in the worker; the page keeps the files.

mod card;
pub(crate) mod folders;
pub(crate) mod images;
pub(crate) mod load;
pub(crate) mod picker;
pub(crate) mod server_files;
mod server_folders;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::orientation;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{File, FileList, HtmlInputElement};

use crate::runs::here;
use crate::state::App;

/// The left column.
pub(crate) fn panel(app: App) -> impl IntoView {
    let chooser = NodeRef::<leptos::html::Input>::new();
    let browse = move |_| {
        if let Some(input) = chooser.get_untracked() {
            input.click();
        }
    };
    let chosen = move |event: leptos::ev::Event| {
        let Some(input) = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok()) else { return };
        load::take(app, files(input.files()));
        // The same file may be chosen again.
        input.set_value("");
    };
    let reading = move || app.reading.get() > 0;
    let empty = move || app.datasets.with(Vec::is_empty) && app.pickers.with(Vec::is_empty);
    view! {
        <section class="panel datasets" aria-labelledby="datasets-heading" id="datasets" tabindex="-1">
            <h2 id="datasets-heading">"Datasets"</h2>
            <div class="drop" data-testid="drop-zone" class:compact=move || !empty()>
                <Show when=empty>
                    {tour(app)}
                    <p class="lead">"Drop activation matrices anywhere on this page"</p>
                    <p class="muted">
                        ".npy, .npz, .csv, .tsv, .h5, .mat, .nc, .safetensors or NIfTI files, or a saved project. Rows are samples (stimuli), columns are features (neurons, voxels, units). "
                        "Or drop a network (.onnx, .pth) and images: its layers are computed here. Images are thumbnails of conditions, too. "
                        "Files stay in this browser unless you run something on the server."
                    </p>
                </Show>
                <div class="row">
                    <button type="button" class="primary" data-testid="choose-files" on:click=browse>"Choose files"</button>
                    <button type="button" data-testid="sample" disabled=reading on:click=move |_| load::sample(app)>
                        "Open sample data"
                    </button>
                </div>
                <input
                    type="file"
                    multiple
                    class="visually-hidden"
                    tabindex="-1"
                    aria-label="Data files"
                    data-testid="file-input"
                    accept=".npy,.npz,.csv,.tsv,.txt,.h5,.hdf5,.nc,.mat,.safetensors,.nii,.gz,.onnx,.pt,.pth,.zip,.eigenscope,image/*"
                    node_ref=chooser
                    on:change=chosen
                />
            </div>
            <Show when=reading>
                <p class="muted busy" data-testid="reading">"Reading…"</p>
            </Show>
            {picker::list(app)}
            <ul class="cards">
                <For each=move || app.datasets.get() key=|dataset| dataset.key.clone() let:dataset>
                    {card::view(app, dataset)}
                </For>
            </ul>
            {crate::pictures::card(app)}
            {server_files::panel(app)}
        </section>
    }
    .into_any()
}

/// For those who see the page for the first time: a run that needs no data and explains itself.
fn tour(app: App) -> impl IntoView {
    let start = move |_| {
        crate::plot::preload();
        let spec = AnalysisSpec::Orientation(orientation::Spec::default());
        app.form.set(spec.clone());
        let run = here::start_spec(app, spec);
        // Once there is something to see, it is brought into view; where the page stands afterwards is up to the reader.
        app.keep(|| {
            Effect::watch(
                move || run.preview.with(Option::is_some) || run.result.with(Option::is_some),
                move |seen, before, _| {
                    if *seen && before != Some(seen) {
                        gloo::timers::callback::Timeout::new(50, || show("runs")).forget();
                    }
                },
                true,
            )
        });
        show("runs");
    };
    view! {
        <div class="tour">
            <p class="lead">"New here?"</p>
            <p class="muted">"A small network learns to see, and its layers are compared with a visual cortex: less than a minute, in this browser, with nothing to load."</p>
            <button type="button" class="primary" data-testid="tour" on:click=start>"See what it does"</button>
        </div>
    }
}

fn show(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        element.scroll_into_view();
    }
}

/// The files of an input or a drop.
pub(crate) fn files(list: Option<FileList>) -> Vec<File> {
    let Some(list) = list else { return Vec::new() };
    (0..list.length()).filter_map(|i| list.get(i)).collect()
}
