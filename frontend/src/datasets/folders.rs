//! What was dropped: files, and the files in folders.

use js_sys::{Array, Promise};
use leptos::task::spawn_local;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, File, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry};

use super::{files, load};
use crate::state::App;

/// More files than this are a folder that was not meant.
const MOST_FILES: usize = 20_000;

/// Takes everything that was dropped.
pub(crate) fn take(app: App, transfer: &DataTransfer) {
    // Entries are there only while the event lasts.
    let items = transfer.items();
    let entries: Vec<FileSystemEntry> = (0..items.length()).filter_map(|i| items.get(i)?.webkit_get_as_entry().ok().flatten()).collect();
    let plain = files(transfer.files());
    if !entries.iter().any(FileSystemEntry::is_directory) {
        load::take(app, plain);
        return;
    }
    spawn_local(async move {
        let mut open = entries;
        let mut found = Vec::new();
        while let Some(entry) = open.pop() {
            if entry.is_directory() {
                open.extend(entries_of(entry.unchecked_ref()).await);
            } else if let Some(file) = file_of(entry.unchecked_ref()).await {
                found.push(file);
            }
            if found.len() > MOST_FILES {
                app.notice("Folder", format!("it holds more than {MOST_FILES} files; drop the ones that are meant"));
                return;
            }
        }
        // Folders hold other things, too: what cannot be read is passed over there.
        found.retain(|file| !file.name().starts_with('.'));
        load::take(app, found);
    });
}

/// Calls with a callback for the answer and one for an error, and waits.
async fn answer(call: impl FnOnce(&js_sys::Function, &js_sys::Function)) -> Option<JsValue> {
    let mut call = Some(call);
    let promise = Promise::new(&mut |resolve, reject| {
        if let Some(call) = call.take() {
            call(&resolve, &reject);
        }
    });
    JsFuture::from(promise).await.ok()
}

async fn entries_of(folder: &FileSystemDirectoryEntry) -> Vec<FileSystemEntry> {
    let reader = folder.create_reader();
    let mut out = Vec::new();
    // A reader gives some entries at a time, and none at the end.
    while let Some(batch) = answer(|done, failed| {
        let (done, failed) = (once(done), once(failed));
        reader.read_entries_with_callback_and_callback(done.unchecked_ref(), failed.unchecked_ref()).ok();
    })
    .await
    {
        let batch: Array = batch.unchecked_into();
        if batch.length() == 0 {
            break;
        }
        out.extend(batch.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
    }
    out
}

async fn file_of(entry: &FileSystemFileEntry) -> Option<File> {
    let file = answer(|done, failed| {
        entry.file_with_callback_and_callback(once(done).unchecked_ref(), once(failed).unchecked_ref());
    })
    .await?;
    file.dyn_into().ok()
}

/// A callback that hands its argument on and frees itself.
fn once(to: &js_sys::Function) -> JsValue {
    let to = to.clone();
    Closure::once_into_js(move |value: JsValue| {
        to.call1(&JsValue::NULL, &value).ok();
    })
}
