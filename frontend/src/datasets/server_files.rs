//! Files on the server: what is there, how much room it takes, and files of this machine on their way there.

use eigenscope::api::{ArrayInfo, DatasetInfo, DiskUse, UploadInfo};
use eigenscope::{error, io};
use js_sys::Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::File;

use super::{load, server_folders};
use crate::forms::shape_text;
use crate::server::{self, ServerState};
use crate::state::App;
use crate::upload::{self, Upload};

/// Larger files stay on the server; smaller ones are fetched, so that they can be looked at and used here.
const FETCH_UP_TO: u64 = 256 << 20;

/// A file on its way to the server.
#[derive(Clone)]
pub(crate) struct Sending {
    id: u32,
    name: String,
    upload: Upload,
}

/// What the server told last.
#[derive(Clone, Default)]
struct Listing {
    datasets: Vec<DatasetInfo>,
    uploads: Vec<UploadInfo>,
    disk: Option<DiskUse>,
}

/// Sends a file that is too large for a browser to the server, where it can be used.
pub(crate) fn send(app: App, file: File) {
    let sending = app.keep(|| Sending { id: app.fresh_id(), name: file.name(), upload: Upload::new() });
    app.sending.update(|all| all.push(sending.clone()));
    spawn_local(async move {
        let name = file.name();
        let sent = match upload::send(app, &name, &file, sending.upload).await {
            Ok(id) => server::dataset(&id).await,
            Err(error) => Err(error),
        };
        app.sending.update(|all| all.retain(|one| one.id != sending.id));
        match sent {
            Ok(info) => load::from_server(app, info).await,
            Err(_) if sending.upload.canceled.get_untracked() => app.say(format!("{name} was not uploaded.")),
            Err(error) => app.notice(&name, error.message),
        }
    });
}

/// The list of both.
pub(super) fn panel(app: App) -> impl IntoView {
    let listing = RwSignal::new(Listing::default());
    let roots = RwSignal::new(Vec::new());
    let look = move || {
        spawn_local(async move {
            match listed().await {
                Ok((now, folders)) => {
                    listing.set(now);
                    roots.set(folders);
                }
                Err(message) => app.notice("Files on the server", message),
            }
        });
    };
    let opened = move |event: leptos::ev::Event| {
        let details = event.target().map(|target| js_sys::Reflect::get(&target, &"open".into()));
        if details.is_some_and(|open| open.is_ok_and(|open| open.is_truthy())) {
            look();
        }
    };
    let there = Memo::new(move |_| matches!(app.server.get(), ServerState::Ready(_)));
    view! {
        <For each=move || app.sending.get() key=|one| one.id let:one>
            {sending(one)}
        </For>
        <Show when=move || there.get()>
            <details class="server-files" data-testid="server-files" on:toggle=opened>
                <summary>"Files on the server"</summary>
                <p class="muted small" data-testid="disk-use">{move || listing.with(|l| l.disk.map(|disk| disk_text(l, disk)))}</p>
                <ul class="plain">
                    <For each=move || listing.get().datasets key=|info| info.id.clone() let:info>
                        {dataset(app, info, look)}
                    </For>
                    <For each=move || listing.get().uploads key=|upload| (upload.id.clone(), upload.received_bytes) let:upload>
                        {unfinished(app, upload, look)}
                    </For>
                </ul>
                {server_folders::browser(app, roots, look)}
            </details>
        </Show>
    }
    .into_any()
}

async fn listed() -> Result<(Listing, Vec<String>), String> {
    let datasets = server::datasets().await.map_err(|e| e.message)?;
    let uploads = server::uploads().await.map_err(|e| e.message)?;
    let disk = server::disk().await.map_err(|e| e.message)?;
    let roots = server::roots().await.map_err(|e| e.message)?;
    Ok((Listing { datasets, uploads, disk: Some(disk) }, roots))
}

fn sending(one: Sending) -> impl IntoView {
    let Upload { done_frac, step, paused, canceled } = one.upload;
    let toggle = move |_| paused.update(|paused| *paused = paused.map(|paused| !paused));
    view! {
        <div class="card" data-testid="sending">
            <p class="small">{move || step.get()}</p>
            <progress max="1" aria-label=format!("Upload of {}", one.name) prop:value=move || done_frac.get()></progress>
            <div class="row">
                <Show when=move || paused.get().is_some()>
                    <button type="button" data-testid="upload-pause" on:click=toggle>
                        {move || if paused.get() == Some(true) { "Resume" } else { "Pause" }}
                    </button>
                </Show>
                <button type="button" class="quiet" data-testid="upload-cancel" on:click=move |_| canceled.set(true)>"Cancel"</button>
            </div>
        </div>
    }
}

fn dataset(app: App, info: DatasetInfo, look: impl Fn() + Copy + 'static) -> impl IntoView {
    let what = format!("{} · {}", error::bytes(info.size_bytes), arrays_text(&info.arrays));
    let (name, id, place) = (info.name.clone(), info.id.clone(), info.path.clone());
    let (use_label, delete_label) = (format!("Use {name}"), format!("Delete {name} from the server"));
    let used = move |_| {
        let info = info.clone();
        spawn_local(async move { use_file(app, info).await });
    };
    let delete = move |_| {
        let id = id.clone();
        spawn_local(async move {
            match server::delete_dataset(&id).await {
                Ok(()) => app.datasets.with_untracked(|all| {
                    let gone = |d: &&crate::state::Dataset| d.source.server_id.get_value().as_ref() == Some(&id);
                    all.iter().filter(gone).for_each(|d| d.source.server_id.set_value(None));
                }),
                Err(error) => app.notice("Files on the server", error.message),
            }
            look();
        });
    };
    view! {
        <li class="server-file" data-testid="server-file">
            <div>
                <p class="file-name">{name}</p>
                <p class="muted small">{what}</p>
                {place.map(|path| view! { <p class="muted small">{format!("in place: {path}")}</p> })}
            </div>
            <div class="row">
                <button type="button" data-testid="server-file-use" aria-label=use_label on:click=used>"Use"</button>
                <button type="button" class="quiet" data-testid="server-file-delete" aria-label=delete_label on:click=delete>"Delete"</button>
            </div>
        </li>
    }
}

fn unfinished(app: App, upload: UploadInfo, look: impl Fn() + Copy + 'static) -> impl IntoView {
    let what = format!(
        "{} of {} arrived; drop the same file again to go on",
        error::bytes(upload.received_bytes),
        error::bytes(upload.size_bytes)
    );
    let (label, id) = (format!("Give the upload of {} up", upload.name), upload.id);
    let delete = move |_| {
        let id = id.clone();
        spawn_local(async move {
            if let Err(error) = server::delete_upload(&id).await {
                app.notice("Files on the server", error.message);
            }
            look();
        });
    };
    view! {
        <li class="server-file" data-testid="server-upload">
            <div>
                <p class="file-name">{upload.name}</p>
                <p class="muted small">{what}</p>
            </div>
            <button type="button" class="quiet" aria-label=label on:click=delete>"Give up"</button>
        </li>
    }
}

/// Takes a file of the server onto the page: fetched when it is small or has to be read here, by its name alone when it is large.
async fn use_file(app: App, info: DatasetInfo) {
    let is_array = info.arrays.iter().all(|array| array.dtype != io::NETWORK && array.dtype != io::IMAGES);
    if is_array && info.size_bytes > FETCH_UP_TO {
        load::from_server(app, info).await;
        return;
    }
    app.say(format!("Fetching {}.", info.name));
    let bytes = match server::download(&info.id).await {
        Ok(bytes) => bytes,
        Err(error) => return app.notice(&info.name, error.message),
    };
    match File::new_with_buffer_source_sequence(&Array::of1(&bytes), &info.name) {
        Ok(file) => load::take_known(app, file, info.id),
        Err(error) => app.notice(&info.name, crate::client::text(&error)),
    }
}

fn arrays_text(arrays: &[ArrayInfo]) -> String {
    match arrays {
        [one] if one.dtype == io::NETWORK => "a network".into(),
        [one] if one.dtype == io::IMAGES => "images".into(),
        [one] => format!("{} {}", one.dtype, shape_text(&one.shape)),
        _ => format!("{} arrays", arrays.len()),
    }
}

fn disk_text(listing: &Listing, disk: DiskUse) -> String {
    let copies = listing.datasets.iter().filter(|info| info.path.is_none()).count();
    let files = if copies == 1 { "1 file".into() } else { format!("{copies} files") };
    let free = disk.free_bytes.map_or_else(String::new, |free| format!("; {} free", error::bytes(free)));
    format!("{} in {files}, {} of results{free}", error::bytes(disk.dataset_bytes), error::bytes(disk.result_bytes))
}
