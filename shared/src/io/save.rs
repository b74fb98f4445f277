//! Arrays as files for other programs: floats of 32 or 64 bits as they are stored, the same bits in all formats.

use std::borrow::Cow;
use std::io::{self, Cursor, Seek, Write};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::hdf5::Hdf5Writer;
use super::npz::NpzWriter;
use super::{check_hdf5_names, csv, extension, mat, npy};
use crate::dataset::Values;
use crate::{Dataset, Error};

/// A format that is written.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveFormat {
    /// One array of numpy.
    Npy,
    /// Arrays of numpy by their names.
    Npz,
    /// HDF5: names with slashes are in groups.
    H5,
    /// A table: a header and text columns when the array has them.
    Csv,
    /// MATLAB 5, which every version of MATLAB and scipy read. Vectors are columns.
    Mat,
}

/// What became of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Its name in the file; none where a file is one array.
    pub name: Option<String>,
    /// Lengths of its axes in the file.
    pub shape: Vec<u64>,
    /// What the format does not hold: "row labels", "column names", "the affine map of the image".
    pub left_out: Vec<String>,
}

impl SaveFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Npy, Self::Npz, Self::H5, Self::Csv, Self::Mat];

    /// The format that the ending of a name asks for.
    ///
    /// # Errors
    /// [`Error::Parameter`] for another ending.
    pub fn of(name: &str) -> Result<Self, Error> {
        Ok(match extension(name).as_str() {
            "npy" => Self::Npy,
            "npz" => Self::Npz,
            "h5" | "hdf5" => Self::H5,
            "csv" => Self::Csv,
            "mat" => Self::Mat,
            _ => return Err(Error::parameter("output", format!("\"{name}\" must end in .npy, .npz, .h5, .csv or .mat"))),
        })
    }

    /// The ending of its files, without the dot.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::H5 => "h5",
            Self::Csv => "csv",
            Self::Mat => "mat",
        }
    }

    /// The media type of its files.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Npy | Self::Mat => "application/octet-stream",
            Self::Npz => "application/zip",
            Self::H5 => "application/x-hdf5",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// Whether a file of it is one array.
    #[must_use]
    pub fn is_single(self) -> bool {
        matches!(self, Self::Npy | Self::Csv)
    }
}

/// Writes arrays under names.
///
/// # Definition
/// Values keep their bits: f32 and f64 as stored (integers and booleans were widened to f64 when they were read), numbers of tables in the shortest form that reads
/// back as the same f64. Axes keep their order, also in MATLAB, whose own order of values is its readers' concern. Names that MATLAB cannot hold are changed
/// (letters, digits and underscores, 63 at most), names that HDF5 cannot hold are refused.
///
/// # Errors
/// [`Error::Parameter`] for several arrays in a format of one and for names that cannot be held; [`Error::Shape`] for an array that cannot be a table;
/// [`Error::TooLarge`] for what MATLAB 5 cannot hold; [`Error::Input`] when `out` fails.
pub fn save(format: SaveFormat, arrays: &[(String, &Dataset)], out: impl Write + Seek) -> Result<Vec<Saved>, Error> {
    if arrays.is_empty() || format.is_single() && arrays.len() > 1 {
        let (n, ending) = (arrays.len(), format.ending());
        return Err(Error::parameter("output", format!(".{ending} holds one array, not {n}; write .npz, .h5 or .mat")));
    }
    let mut saved: Vec<Saved> = arrays.iter().map(|(name, array)| untouched(format, name, array)).collect();
    let failed = |e: io::Error| Error::input("output", format!("the file cannot be written: {e}"));
    match format {
        SaveFormat::Npy => npy::write(arrays[0].1, out).map_err(failed)?,
        SaveFormat::Csv => {
            csv::write(arrays[0].1, out)?;
            saved[0].shape = mat::shape(&saved[0].shape);
        }
        SaveFormat::Npz => {
            let mut file = NpzWriter::new(out);
            for (name, array) in arrays {
                let values = bytes(array);
                file.array(name, &shape(array), width(array), &mut &*values).map_err(failed)?;
            }
            file.finish(None).map_err(failed)?;
        }
        SaveFormat::H5 => {
            check_hdf5_names("output", &arrays.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
            let mut file = Hdf5Writer::new(out).map_err(failed)?;
            for (name, array) in arrays {
                let values = bytes(array);
                file.array(name, &shape(array), width(array), &mut &*values).map_err(failed)?;
            }
            file.finish(None).map_err(failed)?;
        }
        SaveFormat::Mat => {
            let names = mat::names(arrays.iter().map(|(name, _)| name.as_str()));
            for (saved, name) in saved.iter_mut().zip(&names) {
                saved.name = Some(name.clone());
                saved.shape = mat::shape(&saved.shape);
            }
            let named: Vec<(&str, &Dataset)> = names.iter().map(String::as_str).zip(arrays.iter().map(|(_, array)| *array)).collect();
            mat::write(&named, out)?;
        }
    }
    Ok(saved)
}

/// As [`save`], in memory.
///
/// # Errors
/// Those of [`save`].
pub fn save_bytes(format: SaveFormat, arrays: &[(String, &Dataset)]) -> Result<(Vec<u8>, Vec<Saved>), Error> {
    let mut out = Cursor::new(Vec::new());
    let saved = save(format, arrays, &mut out)?;
    Ok((out.into_inner(), saved))
}

fn untouched(format: SaveFormat, name: &str, array: &Dataset) -> Saved {
    let is_table = format == SaveFormat::Csv;
    let mut left_out = Vec::new();
    if !array.labels.is_empty() && !is_table {
        left_out.push("row labels".to_owned());
    }
    if array.column_names.is_some() && !(is_table && csv::holds_names(array)) {
        left_out.push("column names".to_owned());
    }
    if array.affine.is_some() {
        left_out.push("the affine map of the image".to_owned());
    }
    Saved { name: (!format.is_single()).then(|| name.to_owned()), shape: shape(array), left_out }
}

/// Lengths of the axes.
pub(super) fn shape(array: &Dataset) -> Vec<u64> {
    array.shape().iter().map(|&n| n as u64).collect()
}

/// Bytes of a value.
pub(super) fn width(array: &Dataset) -> u32 {
    match &*array.values {
        Values::F32(_) => 4,
        Values::F64(_) => 8,
    }
}

/// The values in C order, little-endian.
pub(super) fn bytes(array: &Dataset) -> Cow<'_, [u8]> {
    match &*array.values {
        Values::F32(a) => little_endian(a, f32::to_le_bytes),
        Values::F64(a) => little_endian(a, f64::to_le_bytes),
    }
}

fn little_endian<T: bytemuck::Pod, const N: usize>(array: &ArrayD<T>, bytes: fn(T) -> [u8; N]) -> Cow<'_, [u8]> {
    match array.as_slice() {
        Some(values) if cfg!(target_endian = "little") => Cow::Borrowed(bytemuck::cast_slice(values)),
        _ => Cow::Owned(array.iter().flat_map(|&v| bytes(v)).collect()),
    }
}
