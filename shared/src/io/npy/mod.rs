//! NPY: numpy's format of one array.

mod header;

use std::io::{self, Read, Write};

use header::Header;
pub(super) use header::MAGIC;

use super::element::{Element, Numbers};
use super::{Limits, save};
use crate::api::ArrayInfo;
use crate::{Dataset, Error};

/// What the header tells, with the reason when the array cannot be loaded.
///
/// `available` is the length of the file or member, of which `reader` needs to give the header only.
pub(super) fn list(file: &str, member: Option<&str>, mut reader: impl Read, available: u64, limits: Limits) -> Result<ArrayInfo, Error> {
    let header = Header::read(file, &mut reader)?;
    let refused = match header.payload(file, available, limits) {
        Ok(_) => None,
        // A file that breaks its own promises is refused as a whole.
        Err(error @ Error::Format { .. }) => return Err(error),
        Err(error) => Some(error.to_string()),
    };
    Ok(ArrayInfo { member: member.map(Into::into), dtype: header.dtype, shape: header.shape, refused })
}

/// Where the values of an NPY file lie, for readers that take parts of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpyPlace {
    /// Element type in numpy's words.
    pub dtype: String,
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// Bytes before the first value.
    pub offset: u64,
    /// Bytes of a value: 4 for f32, 8 for f64.
    pub value_bytes: usize,
}

/// Where the values lie, if they are little-endian f32 or f64 with rows one after the other; `None` for other files, which are read whole.
///
/// `available` is the length of the file, of which `reader` needs to give the header only.
///
/// # Errors
/// [`Error::Format`] for a header that is corrupt or promises more than there is.
pub fn npy_place(file: &str, mut reader: impl Read, available: u64) -> Result<Option<NpyPlace>, Error> {
    let header = Header::read(file, &mut reader)?;
    let payload = header.payload(file, available, Limits { max_array_bytes: u64::MAX })?;
    let value_bytes = match payload.element {
        Element::F32 => 4,
        Element::F64 => 8,
        Element::F16 | Element::Bf16 | Element::Bool | Element::Int { .. } => return Ok(None),
    };
    let shape: Option<Vec<usize>> = header.shape.iter().map(|&length| usize::try_from(length).ok()).collect();
    Ok(shape.filter(|_| !header.fortran_order && !header.big_endian).map(|shape| NpyPlace {
        dtype: header.dtype.clone(),
        shape,
        offset: header.length,
        value_bytes,
    }))
}

/// Reads one array. `available` is the length of the file or member in bytes.
pub(super) fn read(file: &str, dataset: &str, reader: &mut dyn Read, available: u64, limits: Limits) -> Result<Dataset, Error> {
    let header = Header::read(file, reader)?;
    let payload = header.payload(file, available, limits)?;
    let numbers = Numbers::read(file, reader, payload.element, header.big_endian, payload.count)?;
    let values = numbers.shaped(file, &header.shape, header.fortran_order)?;
    Ok(Dataset { name: dataset.into(), dtype: header.dtype, values: values.into(), column_names: None, labels: Vec::new(), affine: None })
}

/// Writes a dataset as `.npy` version 1.0: float32 or float64 as stored, little-endian, C order.
#[must_use]
pub fn write_npy(dataset: &Dataset) -> Vec<u8> {
    let values = save::bytes(dataset);
    [&head(&save::shape(dataset), save::width(dataset)), &*values].concat()
}

pub(super) fn write(dataset: &Dataset, mut out: impl Write) -> io::Result<()> {
    out.write_all(&head(&save::shape(dataset), save::width(dataset)))?;
    out.write_all(&save::bytes(dataset))?;
    out.flush()
}

/// What stands before little-endian floats of `width` bytes in C order.
pub(super) fn head(shape: &[u64], width: u32) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut text = format!("{{'descr': '<f{width}', 'fortran_order': False, 'shape': ({}{comma}), }}", axes.join(", "));
    // The data begin at a multiple of 64 bytes; the header ends with a line feed.
    let before = MAGIC.len() + 4;
    text.extend(std::iter::repeat_n(' ', (before + text.len() + 1).next_multiple_of(64) - before - text.len() - 1));
    text.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(text.bytes());
    out
}
