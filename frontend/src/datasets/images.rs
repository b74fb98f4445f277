//! Images on the page as one input of networks: packed into an archive once there is a network.

use eigenscope::{Error, io};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use web_sys::File;

use super::load::{self, bytes_of, unpacked};
use crate::client::text;
use crate::pictures;
use crate::protocol::Request;
use crate::state::{App, Dataset};

/// The file that they are packed into.
const PACKED: &str = "images.zip";
/// Bytes that are packed at most: they pass through memory twice.
const LIMIT_BYTES: u64 = 512 << 20;
/// Images of an archive that become thumbnails at most.
const MOST_THUMBNAILS: u64 = 1000;

/// Other images came: those that were packed before are no longer meant.
pub(crate) async fn renew(app: App) {
    let packed: Vec<Dataset> = app.datasets.with_untracked(|all| all.iter().filter(|d| d.source.name() == PACKED).cloned().collect());
    packed.iter().for_each(|dataset| load::remove(app, dataset));
    offer(app).await;
}

/// Makes the images an input, if there is a network that could see them and no other set of images.
pub(super) async fn offer(app: App) {
    let has = |dtype: &str| app.datasets.with_untracked(|all| all.iter().any(|d| d.summary.with_untracked(|s| s.dtype == dtype)));
    if !has(io::NETWORK) || has(io::IMAGES) || app.pictures.with_untracked(Vec::is_empty) {
        return;
    }
    match packed(app).await {
        Ok(file) => {
            if let Err(error) = load::load(app, app.source(file), None).await {
                app.fail(PACKED, &error);
            }
        }
        Err(error) => app.fail("The images", &error),
    }
}

async fn packed(app: App) -> Result<File, Error> {
    let pictures = app.pictures.get_untracked();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are whole and positive")]
    let needed_bytes = pictures.iter().map(|p| p.source.file.with_value(|f| f.size())).sum::<f64>() as u64;
    if needed_bytes > LIMIT_BYTES {
        return Err(Error::TooLarge {
            what: "as an input of a network (put them into a zip archive, or use eigenscope extract)".into(),
            needed_bytes,
            limit_bytes: LIMIT_BYTES,
        });
    }
    let all = Uint8Array::new_with_length(u32::try_from(needed_bytes).unwrap_or(u32::MAX));
    let mut files = Vec::with_capacity(pictures.len());
    let mut start = 0;
    for (i, picture) in pictures.iter().enumerate() {
        let bytes = bytes_of(&picture.source.blob()).await?;
        all.set(&bytes, start);
        start += bytes.length();
        let name = picture.source.name();
        // Images of several folders may share a name.
        let repeats = files.iter().any(|(known, _)| *known == name);
        files.push((if repeats { format!("{i}/{name}") } else { name }, bytes.length()));
    }
    let bytes = app.client().call_with_bytes(&Request::Pack { files }, &all).await?.bytes()?;
    File::new_with_buffer_source_sequence(&Array::of1(&bytes), PACKED).map_err(|e| Error::internal(text(&e)))
}

/// The images of an archive as thumbnails of the conditions, unless there are others.
pub(super) async fn thumbnails(app: App, dataset: &Dataset) {
    let n = dataset.summary.with_untracked(|s| s.shape.first().copied().unwrap_or(0));
    if dataset.source.name() == PACKED || n > MOST_THUMBNAILS || app.pictures.with_untracked(|all| !all.is_empty()) {
        return;
    }
    let files = app.client().call_with(&Request::Unpack, &dataset.source.blob()).await.and_then(unpacked);
    // Without thumbnails the archive is still an input.
    let files: Vec<File> = files.unwrap_or_default().into_iter().filter(|file| eigenscope::input::is_image(&file.name())).collect();
    if !files.is_empty() {
        pictures::take(app, files);
    }
}
