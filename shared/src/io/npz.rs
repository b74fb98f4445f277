//! NPZ: a zip archive of NPY members.

use std::io::{self, Cursor, Read, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::archive::{Archive, Entry};
use super::{Limits, element, npy};
use crate::api::ArrayInfo;
use crate::{Dataset, Error};

pub(super) fn list(file: &str, bytes: &[u8], limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    let mut archive = Archive::open(file, Cursor::new(bytes))?;
    let mut out = Vec::new();
    for entry in members(file, &mut archive)? {
        let name = member_name(&entry);
        let info = archive
            .check(&entry, limits)
            .and_then(|()| archive.reading(&entry, |reader| npy::list(&label(file, name), Some(name), reader, entry.size, limits)));
        // One bad member does not hide the others.
        out.push(info.unwrap_or_else(|e| ArrayInfo {
            member: Some(name.into()),
            dtype: String::new(),
            shape: Vec::new(),
            refused: Some(e.to_string()),
        }));
    }
    Ok(out)
}

pub(super) fn read(file: &str, bytes: &[u8], member: Option<&str>, limits: Limits) -> Result<Dataset, Error> {
    let mut archive = Archive::open(file, Cursor::new(bytes))?;
    let members = members(file, &mut archive)?;
    let names = || members.iter().map(member_name).collect::<Vec<_>>().join(", ");
    let entry = match member {
        Some(wanted) => members
            .iter()
            .find(|entry| member_name(entry) == wanted)
            .or_else(|| members.iter().find(|entry| entry.name == wanted))
            .ok_or_else(|| Error::input(file, format!("there is no array \"{wanted}\" in the file; it holds: {}", names())))?,
        None if members.len() == 1 => &members[0],
        None => return Err(Error::input(file, format!("the file holds {} arrays; choose one of: {}", members.len(), names()))),
    };
    archive.check(entry, limits)?;
    let name = member_name(entry);
    archive.reading(entry, |reader| {
        let label = label(file, name);
        let dataset = npy::read(&label, name, reader, entry.size, limits)?;
        // The checksum is verified when the end is reached.
        io::copy(reader, &mut io::sink()).map_err(|e| element::unreadable(&label, &e))?;
        Ok(dataset)
    })
}

/// Writes arrays as they come, and nothing else of them than their bytes; the same arrays always give the same bytes.
#[derive(Debug)]
pub struct NpzWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> NpzWriter<W> {
    /// Begins a file.
    pub fn new(out: W) -> Self {
        Self { zip: ZipWriter::new(out) }
    }

    /// Writes an array of floats of `width` bytes (4 or 8), little-endian and in C order in `values`.
    ///
    /// # Errors
    /// Those of `out` and `values`; a name that is there.
    pub fn array(&mut self, name: &str, shape: &[u64], width: u32, values: &mut dyn Read) -> io::Result<()> {
        let head = npy::head(shape, width);
        let length = shape.iter().fold(u64::from(width), |bytes, n| bytes.saturating_mul(*n)).saturating_add(head.len() as u64);
        self.zip.start_file(format!("{name}.npy"), options(length))?;
        self.zip.write_all(&head)?;
        io::copy(values, &mut self.zip).map(drop)
    }

    /// Ends the file, perhaps with a text under a name of its own.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self, text: Option<(&str, &str)>) -> io::Result<W> {
        if let Some((name, text)) = text {
            self.zip.start_file(name, options(text.len() as u64))?;
            self.zip.write_all(text.as_bytes())?;
        }
        Ok(self.zip.finish()?)
    }
}

/// Not compressed, without the time.
fn options(length: u64) -> SimpleFileOptions {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).last_modified_time(DateTime::default());
    options.large_file(u32::try_from(length).is_err())
}

fn members(file: &str, archive: &mut Archive<Cursor<&[u8]>>) -> Result<Vec<Entry>, Error> {
    let members = archive.entries()?.into_iter().filter(|entry| entry.name.ends_with(".npy")).collect::<Vec<_>>();
    if members.is_empty() {
        return Err(Error::Unsupported { file: file.into(), message: "the zip archive holds no .npy arrays, so it is no NPZ file".into() });
    }
    Ok(members)
}

fn member_name(entry: &Entry) -> &str {
    entry.name.strip_suffix(".npy").unwrap_or(&entry.name)
}

fn label(file: &str, member: &str) -> String {
    format!("{file}::{member}")
}
