//! File formats: byte slices in, [`Dataset`]s out. Nothing here opens a file.
//!
//! A format is recognized by its first bytes, then by the extension. Every size that a file declares is compared with the bytes
//! that are there and with the [`Limits`] before anything is allocated; names inside archives are text, never paths.

mod archive;
mod csv;
mod element;
#[cfg(test)]
mod format_tests;
mod hdf5;
mod images;
mod mat;
mod nifti;
#[cfg(test)]
mod nifti_tests;
mod npy;
mod npz;
mod save;
#[cfg(test)]
mod save_tests;
mod summary;
mod tensors;
#[cfg(test)]
mod tests;

pub use archive::{pack, unpack};
pub use hdf5::{Hdf5Writer, ReadAt, check_hdf5_names, is_hdf5_head};
pub use images::{holds_images, zipped_images};
pub use nifti::write_nifti;
pub use npy::{NpyPlace, npy_place, write_npy};
pub use npz::NpzWriter;
pub use save::{SaveFormat, Saved, save, save_bytes};
pub use summary::summarize;

use std::io::Cursor;
use std::sync::Arc;

use crate::api::ArrayInfo;
use crate::input::Input;
use crate::network::{NetworkFile, read_network};
use crate::{Dataset, Error};

/// Element type of what is a network, in lists of arrays.
pub const NETWORK: &str = "network";
/// Element type of what is a set of images, in lists of arrays.
pub const IMAGES: &str = "images";

/// How much a reader may allocate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest array in bytes, after inflating and as stored in memory.
    pub max_array_bytes: u64,
}

impl Limits {
    /// In a browser tab: 1 GiB an array.
    pub const BROWSER: Self = Self { max_array_bytes: 1 << 30 };
    /// On a server or the command line: 64 GiB an array.
    pub const NATIVE: Self = Self { max_array_bytes: 1 << 36 };

    /// Refuses what needs more than the limit.
    fn check(self, what: &str, needed_bytes: u64) -> Result<(), Error> {
        if needed_bytes <= self.max_array_bytes {
            return Ok(());
        }
        Err(Error::TooLarge { what: what.into(), needed_bytes, limit_bytes: self.max_array_bytes })
    }
}

/// Lists the arrays in a file without loading them (a table is parsed, because its shape is known only at its end).
///
/// Arrays that cannot be loaded are listed with the reason in [`ArrayInfo::refused`].
///
/// # Errors
/// [`Error::Format`] when the file is corrupt, [`Error::Unsupported`] when its format is not read, [`Error::TooLarge`] for a table
/// beyond the limits.
pub fn list(name: &str, bytes: &[u8], limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    match detect(name, bytes)? {
        Format::Npy => Ok(vec![npy::list(name, None, bytes, bytes.len() as u64, limits)?]),
        Format::Npz => npz::list(name, bytes, limits),
        Format::Nifti => nifti::list(name, bytes, limits),
        Format::Hdf5 => hdf5::list(name, hdf5::Source::Memory(bytes), limits),
        Format::Mat => mat::list(name, bytes, limits),
        Format::Safetensors => tensors::list(name, bytes, limits),
        Format::Csv => csv::read(name, bytes, limits).map(|dataset| {
            let shape = dataset.shape().iter().map(|&n| n as u64).collect();
            vec![ArrayInfo { member: None, dtype: dataset.dtype, shape, refused: None }]
        }),
        Format::Network => {
            let n_weights = read_network(name, bytes)?.n_weights() as u64;
            Ok(vec![ArrayInfo { member: None, dtype: NETWORK.into(), shape: vec![n_weights], refused: None }])
        }
        Format::Images => {
            let n = images::entries(name, Cursor::new(bytes))?.1.len() as u64;
            Ok(vec![ArrayInfo { member: None, dtype: IMAGES.into(), shape: vec![n], refused: None }])
        }
    }
}

/// Reads a file as what it is: one of its arrays (as [`read`]), a network, or images in a zip archive.
///
/// # Errors
/// Those of [`read`] and [`zipped_images`]. A network is read when it is used.
pub fn open(name: &str, bytes: Vec<u8>, member: Option<&str>, limits: Limits) -> Result<Input, Error> {
    match detect(name, &bytes)? {
        Format::Network => Ok(Input::Network(Arc::new(NetworkFile::new(name, bytes)))),
        Format::Images => Ok(Input::Images(zipped_images(name, Cursor::new(bytes), limits)?)),
        Format::Npy | Format::Npz | Format::Csv | Format::Nifti | Format::Hdf5 | Format::Mat | Format::Safetensors => {
            Ok(Input::Array(read(name, &bytes, member, limits)?))
        }
    }
}

/// Reads one array of a file. `member` names the array in an archive; it may be left out when there is only one.
///
/// f16 is stored as f32; arrays of MATLAB have its shapes; integers and booleans as f64. `Dataset::name` is the member, or the file name without its extension.
///
/// # Errors
/// [`Error::Format`] when the file is corrupt, [`Error::Unsupported`] for formats and element types that are not read,
/// [`Error::TooLarge`] beyond the limits, [`Error::Input`] when `member` is missing or unknown.
pub fn read(name: &str, bytes: &[u8], member: Option<&str>, limits: Limits) -> Result<Dataset, Error> {
    let format = detect(name, bytes)?;
    if let (Some(member), Format::Npy | Format::Csv | Format::Nifti) = (member, format) {
        return Err(Error::input(name, format!("the file holds a single array and has no member \"{member}\"; name the file alone")));
    }
    match format {
        Format::Npy => npy::read(name, stem(name), &mut &*bytes, bytes.len() as u64, limits),
        Format::Npz => npz::read(name, bytes, member, limits),
        Format::Nifti => nifti::read(name, stem(name), bytes, limits),
        Format::Hdf5 => hdf5::read(name, hdf5::Source::Memory(bytes), member, limits),
        Format::Mat => mat::read(name, bytes, member, limits),
        Format::Safetensors => tensors::read(name, bytes, member, limits),
        Format::Csv => csv::read(name, bytes, limits),
        Format::Network => Err(no_array(name, "a network")),
        Format::Images => Err(no_array(name, "a set of images")),
    }
}

fn no_array(name: &str, what: &str) -> Error {
    Error::input(name, format!("it is {what}, not an array; extract activations from it or choose another file"))
}

/// Reads an NPY file from `reader`, its values straight into their place in memory. `available` is the length of the file in bytes.
///
/// # Errors
/// As [`read`].
pub fn read_npy(name: &str, mut reader: impl std::io::Read, available: u64, limits: Limits) -> Result<Dataset, Error> {
    npy::read(name, stem(name), &mut reader, available, limits)
}

/// As [`list`], of an NPY file of which `reader` needs to give the header only. `available` is the length of the file in bytes.
///
/// # Errors
/// As [`list`].
pub fn list_npy(name: &str, reader: impl std::io::Read, available: u64, limits: Limits) -> Result<ArrayInfo, Error> {
    npy::list(name, None, reader, available, limits)
}

/// As [`list`], of an HDF5 file that stays where it is.
///
/// # Errors
/// As [`list`].
pub fn list_hdf5(name: &str, file: &ReadAt, limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    hdf5::list(name, hdf5::Source::Place(file), limits)
}

/// As [`read`], of an HDF5 file that stays where it is: of the others, no array is read.
///
/// # Errors
/// As [`read`].
pub fn read_hdf5(name: &str, file: &ReadAt, member: Option<&str>, limits: Limits) -> Result<Dataset, Error> {
    hdf5::read(name, hdf5::Source::Place(file), member, limits)
}

/// Whether a file of this name that begins so may hold several arrays, which its readers know by their names.
#[must_use]
pub fn holds_many(name: &str, head: &[u8]) -> bool {
    let is_single = head.starts_with(npy::MAGIC);
    !is_single
        && (head.starts_with(b"PK\x03\x04")
            || hdf5::is_hdf5(head)
            || mat::is_mat(head)
            || ["h5", "hdf5", "nc", "mat", "safetensors"].contains(&&*extension(name)))
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Npy,
    Npz,
    Csv,
    Nifti,
    Hdf5,
    Mat,
    Safetensors,
    Network,
    /// In a zip archive.
    Images,
}

const READ_FORMATS: &str = "the formats read are .npy, .npz, .csv, .tsv, .h5, .mat, .nc, .safetensors, .nii and .nii.gz, networks (.onnx, .pth) and zip archives of images";

fn detect(name: &str, bytes: &[u8]) -> Result<Format, Error> {
    let extension = extension(name);
    if bytes.is_empty() {
        return Err(Error::format(name, "the file is empty (0 bytes)"));
    }
    if bytes.starts_with(npy::MAGIC) {
        return Ok(Format::Npy);
    }
    if ["onnx", "pt", "pth"].contains(&extension.as_str()) {
        return Ok(Format::Network);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Ok(if holds_images(Cursor::new(bytes)) { Format::Images } else { Format::Npz });
    }
    if hdf5::is_hdf5(bytes) {
        return Ok(Format::Hdf5);
    }
    if mat::is_mat(bytes) {
        return Ok(Format::Mat);
    }
    if extension == "safetensors" || extension.is_empty() && tensors::is_safetensors(bytes) {
        return Ok(Format::Safetensors);
    }
    if nifti::is_nifti(name, bytes) {
        return Ok(Format::Nifti);
    }
    // A table may begin with the name of a gene that is a format, too (PAR1).
    let is_text = ["csv", "tsv"].contains(&extension.as_str()) && !bytes.contains(&0);
    if let Some(kind) = foreign(&extension, bytes).filter(|_| !is_text) {
        return Err(Error::Unsupported { file: name.into(), message: format!("{kind} files are not read; {READ_FORMATS}") });
    }
    match extension.as_str() {
        "npy" => Err(Error::format(name, r"not an NPY file: it does not begin with \x93NUMPY; save it again with numpy.save")),
        "npz" => Err(Error::format(name, "not an NPZ file: it is no zip archive; save it again with numpy.savez")),
        "nii" => Err(Error::format(name, "not a NIfTI image: it does not say n+1 where an image does")),
        "h5" | "hdf5" => Err(Error::format(name, "not an HDF5 file: it does not begin with \\x89HDF")),
        "nc" => Err(Error::format(name, "not a NetCDF-4 file: it does not begin as HDF5 does; convert it with nccopy -k netCDF-4")),
        "mat" => Err(Error::Unsupported {
            file: name.into(),
            message: "MATLAB 4 files are not supported; save it again with save(..., \"-v7\") or later".into(),
        }),
        "csv" | "tsv" => Ok(Format::Csv),
        "" => Err(Error::Unsupported { file: name.into(), message: format!("the format is not recognized; {READ_FORMATS}") }),
        other => Err(Error::Unsupported { file: name.into(), message: format!(".{other} files are not read; {READ_FORMATS}") }),
    }
}

/// Formats that are known by name but not read.
fn foreign(extension: &str, bytes: &[u8]) -> Option<&'static str> {
    let magics: [(&[u8], &str); 7] = [
        (b"\x89PNG", "Image"),
        (b"\xff\xd8\xff", "Image"),
        (b"GIF8", "Image"),
        (b"\x1f\x8b", "Compressed (gzip)"),
        (b"PAR1", "Parquet"),
        (b"ARROW1", "Arrow"),
        (b"SQLite format 3", "SQLite"),
    ];
    if let Some(&(_, kind)) = magics.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(kind);
    }
    match extension {
        "pkl" | "pickle" => Some("Pickled Python"),
        "png" | "jpg" | "jpeg" | "gif" | "bmp" | "tif" | "tiff" | "webp" => Some("Image"),
        "xls" | "xlsx" | "ods" => Some("Spreadsheet"),
        _ => None,
    }
}

/// The place of the wanted array among those of a file, each with whether it can be read; the only one that can, when none is named.
fn choose(file: &str, arrays: &[(&str, bool)], member: Option<&str>) -> Result<usize, Error> {
    /// Names in a sentence.
    const SHOWN: usize = 20;
    let readable = || arrays.iter().enumerate().filter(|(_, (_, is_read))| *is_read);
    let names = || {
        let more = readable().count().saturating_sub(SHOWN);
        let shown = readable().take(SHOWN).map(|(_, (name, _))| *name).collect::<Vec<_>>().join(", ");
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    };
    if let Some(wanted) = member {
        let index = arrays.iter().position(|(name, _)| *name == wanted);
        return index.ok_or_else(|| Error::input(file, format!("there is no array \"{wanted}\" in the file; it holds: {}", names())));
    }
    match (readable().count(), readable().next()) {
        // Its reader says why.
        (0, _) => Ok(0),
        (1, Some((index, _))) => Ok(index),
        (n, _) => Err(Error::input(file, format!("the file holds {n} arrays; choose one of: {}", names()))),
    }
}

/// The name without folders.
fn file_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// The name without folders and extension.
fn stem(name: &str) -> &str {
    let file = file_name(name);
    let file = if file.to_ascii_lowercase().ends_with(".nii.gz") { &file[..file.len() - 3] } else { file };
    file.rsplit_once('.').map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem })
}

/// The extension in lower case, without its dot.
fn extension(name: &str) -> String {
    file_name(name).rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase())
}
