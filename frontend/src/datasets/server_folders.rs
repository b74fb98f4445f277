//! Folders of the server's machine: a file there is taken where it lies.

use eigenscope::api::FolderEntry;
use eigenscope::error;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::load;
use crate::server;
use crate::state::App;

/// What is shown of a folder; the top has no path.
#[derive(Clone, Default, PartialEq)]
struct Shown {
    path: Option<String>,
    entries: Vec<FolderEntry>,
}

/// The folders that the server allows, once it was asked; nothing when it allows none.
pub(super) fn browser(app: App, roots: RwSignal<Vec<String>>, registered: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let shown = RwSignal::new(Shown::default());
    let busy = RwSignal::new(None::<String>);
    let top = move || {
        let folder = |path: &String| FolderEntry { name: path.clone(), path: path.clone(), is_folder: true, size_bytes: 0 };
        Shown { path: None, entries: roots.with(|all| all.iter().map(folder).collect()) }
    };
    let open = move |path: String| {
        spawn_local(async move {
            match server::folder(&path).await {
                Ok(entries) => shown.set(Shown { path: Some(path), entries }),
                Err(error) => app.notice("Folders of the server", error.message),
            }
        });
    };
    let take = move |entry: FolderEntry| {
        busy.set(Some(entry.name.clone()));
        spawn_local(async move {
            match server::register(&entry.path).await {
                Ok(info) => load::from_server(app, info).await,
                Err(error) => app.notice(&entry.name, error.message),
            }
            busy.set(None);
            registered();
        });
    };
    let up = move |_| {
        let Some(path) = shown.with_untracked(|s| s.path.clone()) else { return };
        match path.rsplit_once('/') {
            Some((parent, _)) if !roots.with_untracked(|all| all.contains(&path)) => open(parent.to_owned()),
            _ => shown.set(Shown::default()),
        }
    };
    let entries = move || {
        let now = shown.get();
        if now.path.is_some() { now } else { top() }.entries
    };
    view! {
        <Show when=move || !roots.with(Vec::is_empty)>
            <div class="server-folders" data-testid="server-folders">
                <p class="muted small">
                    {move || shown.with(|s| s.path.clone()).unwrap_or_else(|| "Folders of the server: files are read where they lie.".into())}
                </p>
                <Show when=move || shown.with(|s| s.path.is_some())>
                    <button type="button" class="quiet" data-testid="folder-up" on:click=up>"Up"</button>
                </Show>
                {move || busy.get().map(|name| view! { <p class="muted busy" role="status">{format!("Reading {name}…")}</p> })}
                <ul class="plain">
                    <For each=entries key=|entry| entry.path.clone() let:entry>
                        {row(entry, open, take)}
                    </For>
                </ul>
            </div>
        </Show>
    }
    .into_any()
}

fn row(entry: FolderEntry, open: impl Fn(String) + Copy + 'static, take: impl Fn(FolderEntry) + Copy + 'static) -> impl IntoView {
    let size = (!entry.is_folder).then(|| error::bytes(entry.size_bytes));
    let (name, clicked) = (entry.name.clone(), move |_| if entry.is_folder { open(entry.path.clone()) } else { take(entry.clone()) });
    view! {
        <li class="server-file">
            <button type="button" class="quiet file-name" data-testid="folder-entry" on:click=clicked>{name}</button>
            <span class="muted small">{size}</span>
        </li>
    }
}
