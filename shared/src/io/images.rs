//! Images in a zip archive: listed at once, inflated one by one.

use std::fmt;
use std::io::{Read, Seek};
use std::sync::{Arc, Mutex, PoisonError};

use super::Limits;
use super::archive::{Archive, Entry};
use crate::Error;
use crate::input::{ImageFiles, Picture, by_number, is_image};

/// The images of an archive in the order that people count; files that are no images by their names are left out.
///
/// # Errors
/// [`Error::Format`] for a corrupt archive and one without images.
pub fn zipped_images<R: Read + Seek + Send + 'static>(file: &str, reader: R, limits: Limits) -> Result<Arc<dyn ImageFiles>, Error> {
    let (archive, entries) = entries(file, reader)?;
    let names = entries.iter().map(|entry| entry.name.clone()).collect();
    Ok(Arc::new(Zipped { names, entries, archive: Mutex::new(archive), limits }))
}

/// An archive and its images, in their order.
pub(super) fn entries<R: Read + Seek>(file: &str, reader: R) -> Result<(Archive<R>, Vec<Entry>), Error> {
    let mut archive = Archive::open(file, reader)?;
    let mut entries: Vec<Entry> = archive.entries()?.into_iter().filter(is_picture).collect();
    if entries.is_empty() {
        return Err(Error::format(file, "the archive holds no images"));
    }
    entries.sort_by(|a, b| by_number(&a.name, &b.name));
    Ok((archive, entries))
}

/// Whether a file is a zip archive with images and without arrays.
pub fn holds_images<R: Read + Seek>(reader: R) -> bool {
    let entries = Archive::open("archive", reader).and_then(|mut archive| archive.entries()).unwrap_or_default();
    entries.iter().any(is_picture) && !entries.iter().any(|entry| entry.name.ends_with(".npy"))
}

/// Archives of a Mac have a shadow of each file.
fn is_picture(entry: &Entry) -> bool {
    is_image(&entry.name) && !entry.name.starts_with("__MACOSX/")
}

struct Zipped<R> {
    names: Vec<String>,
    entries: Vec<Entry>,
    archive: Mutex<Archive<R>>,
    limits: Limits,
}

impl<R> fmt::Debug for Zipped<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zipped").field("n", &self.names.len()).finish_non_exhaustive()
    }
}

impl<R: Read + Seek + Send> ImageFiles for Zipped<R> {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn picture(&self, i: usize) -> Result<Picture, Error> {
        let entry = self.entries.get(i).ok_or_else(|| Error::internal(format!("there is no image {i}")))?;
        let bytes = self.archive.lock().unwrap_or_else(PoisonError::into_inner).bytes(entry, self.limits)?;
        Ok(Picture::Encoded(bytes))
    }
}
