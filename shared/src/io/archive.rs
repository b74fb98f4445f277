//! Zip archives in memory: bounded reading, stored writing.

use std::io::{Cursor, Read, Seek, Write as _};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::Limits;
use crate::Error;

/// Deflate cannot expand more than this.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// A zip archive whose entries are read within limits.
pub(super) struct Archive<R> {
    file: String,
    zip: ZipArchive<R>,
}

/// One entry as the archive declares it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    index: usize,
    /// Text, never a path.
    pub(super) name: String,
    /// Inflated size in bytes.
    pub(super) size: u64,
    compressed: u64,
    is_stored: bool,
}

impl<R: Read + Seek> Archive<R> {
    pub(super) fn open(file: &str, reader: R) -> Result<Self, Error> {
        let zip = ZipArchive::new(reader).map_err(|e| bad(file, &e))?;
        Ok(Self { file: file.into(), zip })
    }

    /// All entries that are files, in the order of the archive.
    pub(super) fn entries(&mut self) -> Result<Vec<Entry>, Error> {
        let mut out = Vec::new();
        for index in 0..self.zip.len() {
            let entry = self.zip.by_index_raw(index).map_err(|e| bad(&self.file, &e))?;
            if !entry.is_dir() {
                out.push(Entry {
                    index,
                    name: String::from_utf8_lossy(entry.name_raw()).into_owned(),
                    size: entry.size(),
                    compressed: entry.compressed_size(),
                    is_stored: entry.compression() == CompressionMethod::Stored,
                });
            }
        }
        Ok(out)
    }

    /// Refuses an entry that declares more than the limits or than its compressed bytes can hold.
    pub(super) fn check(&self, entry: &Entry, limits: Limits) -> Result<(), Error> {
        let label = format!("{}::{}", self.file, entry.name);
        limits.check(&label, entry.size)?;
        let possible =
            if entry.is_stored { entry.compressed } else { entry.compressed.saturating_mul(MAX_DEFLATE_RATIO).saturating_add(1024) };
        if entry.size > possible {
            let (size, compressed) = (entry.size, entry.compressed);
            return Err(Error::format(label, format!("it declares {size} bytes, which {compressed} compressed bytes cannot hold")));
        }
        Ok(())
    }

    /// Hands a reader of the entry to `read`, cut at the declared size.
    pub(super) fn reading<T>(&mut self, entry: &Entry, read: impl FnOnce(&mut dyn Read) -> Result<T, Error>) -> Result<T, Error> {
        let label = format!("{}::{}", self.file, entry.name);
        let file = self.zip.by_index(entry.index).map_err(|e| bad(&label, &e))?;
        // One byte more, so that the end is seen and the checksum is verified there.
        read(&mut file.take(entry.size.saturating_add(1)))
    }

    /// All bytes of an entry, within limits.
    pub(super) fn bytes(&mut self, entry: &Entry, limits: Limits) -> Result<Vec<u8>, Error> {
        self.check(entry, limits)?;
        let contents = self.reading(entry, |reader| {
            let mut contents = Vec::new();
            reader.read_to_end(&mut contents).map_err(|e| Error::format(&*entry.name, format!("the archive is corrupt: {e}")))?;
            Ok(contents)
        })?;
        if contents.len() as u64 != entry.size {
            let (found, declared) = (contents.len(), entry.size);
            return Err(Error::format(&*entry.name, format!("the archive declares {declared} bytes but holds {found}")));
        }
        Ok(contents)
    }
}

fn bad(file: &str, error: &ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(what) => {
            Error::Unsupported { file: file.into(), message: format!("this kind of zip archive is not read: {what}") }
        }
        ZipError::CompressionMethodNotSupported(method) => Error::Unsupported {
            file: file.into(),
            message: format!("zip compression method {method} is not read; save it with numpy.savez or numpy.savez_compressed"),
        },
        other => Error::format(file, format!("the zip archive is corrupt: {other}")),
    }
}

/// Packs files into a zip archive without compression; the same files always give the same bytes.
///
/// # Errors
/// [`Error::Internal`] when a name repeats or the archive cannot be written.
pub fn pack(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Error> {
    let internal = |name: &str, e: &dyn std::fmt::Display| Error::internal(format!("{name} could not be packed: {e}"));
    let total: usize = files.iter().map(|(name, bytes)| bytes.len() + 2 * name.len() + 128).sum();
    let mut zip = ZipWriter::new(Cursor::new(Vec::with_capacity(total)));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(u32::try_from(bytes.len()).is_err());
        zip.start_file(name, options).map_err(|e| internal(name, &e))?;
        zip.write_all(bytes).map_err(|e| internal(name, &e))?;
    }
    Ok(zip.finish().map_err(|e| internal("the archive", &e))?.into_inner())
}

/// Reads all files of a zip archive, the limit holding for their sum.
///
/// # Errors
/// [`Error::Format`] for a corrupt archive, a repeated name or a name that leaves the archive (`..`, absolute paths);
/// [`Error::TooLarge`] beyond the limits.
pub fn unpack(bytes: &[u8], limits: Limits) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let file = "archive";
    let mut archive = Archive::open(file, Cursor::new(bytes))?;
    let entries = archive.entries()?;
    limits.check(file, entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.size)))?;
    let mut out: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in entries {
        if entry.name.starts_with('/') || entry.name.contains('\\') || entry.name.split('/').any(|part| part == "..") {
            return Err(Error::format(file, format!("the name {:?} leaves the archive", entry.name)));
        }
        if out.iter().any(|(name, _)| *name == entry.name) {
            return Err(Error::format(file, format!("the name {:?} occurs twice", entry.name)));
        }
        let contents = archive.bytes(&entry, limits)?;
        out.push((entry.name, contents));
    }
    Ok(out)
}
