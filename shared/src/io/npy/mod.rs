//! NPY: numpy's format of one array.

mod header;

use std::io::Read;

use half::f16;
use ndarray::{ArrayD, IxDyn, ShapeBuilder as _};

pub(super) use header::MAGIC;
use header::{Element, Header};

use super::Limits;
use crate::api::ArrayInfo;
use crate::dataset::{Values, shape_text};
use crate::error::bytes as bytes_text;
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
        Element::F16 | Element::Bool | Element::Int { .. } => return Ok(None),
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
    let values = match payload.element {
        Element::F16 => Values::F32(array(file, &header, numbers(file, reader, payload.count, 2, |b| half(b, header.big_endian))?)?),
        Element::F32 => Values::F32(array(file, &header, floats(file, reader, payload.count, header.big_endian, f32::swap)?)?),
        Element::F64 => Values::F64(array(file, &header, floats(file, reader, payload.count, header.big_endian, f64::swap)?)?),
        Element::Bool => Values::F64(array(file, &header, numbers(file, reader, payload.count, 1, |b| f64::from(u8::from(b[0] != 0)))?)?),
        Element::Int { bytes, signed } => {
            let convert = integer(bytes, signed, header.big_endian);
            Values::F64(array(file, &header, numbers(file, reader, payload.count, bytes, convert)?)?)
        }
    };
    Ok(Dataset { name: dataset.into(), dtype: header.dtype, values: values.into(), column_names: None, labels: Vec::new(), affine: None })
}

/// Swaps the bytes of a value.
trait Swap: bytemuck::Pod {
    fn swap(self) -> Self;
}

impl Swap for f32 {
    fn swap(self) -> Self {
        Self::from_bits(self.to_bits().swap_bytes())
    }
}

impl Swap for f64 {
    fn swap(self) -> Self {
        Self::from_bits(self.to_bits().swap_bytes())
    }
}

/// Floats in one bulk read: the file's bytes are the memory's bytes.
fn floats<T: Swap>(file: &str, reader: &mut dyn Read, count: usize, big_endian: bool, swap: fn(T) -> T) -> Result<Vec<T>, Error> {
    let mut out = reserved(file, count)?;
    out.resize(count, T::zeroed());
    reader.read_exact(bytemuck::cast_slice_mut(&mut out)).map_err(|e| unreadable(file, &e))?;
    if big_endian != cfg!(target_endian = "big") {
        out.iter_mut().for_each(|v| *v = swap(*v));
    }
    Ok(out)
}

/// Values that are converted one by one, read in pieces.
fn numbers<T>(file: &str, reader: &mut dyn Read, count: usize, width: usize, convert: impl Fn(&[u8]) -> T) -> Result<Vec<T>, Error> {
    let mut out = reserved(file, count)?;
    let mut piece = vec![0u8; width * count.min(8192)];
    while out.len() < count {
        let piece = &mut piece[..width * (count - out.len()).min(8192)];
        reader.read_exact(piece).map_err(|e| unreadable(file, &e))?;
        out.extend(piece.chunks_exact(width).map(&convert));
    }
    Ok(out)
}

fn half(bytes: &[u8], big_endian: bool) -> f32 {
    let bytes = [bytes[0], bytes[1]];
    f32::from(if big_endian { f16::from_be_bytes(bytes) } else { f16::from_le_bytes(bytes) })
}

/// An integer of 1 to 8 bytes as f64: exact up to 2^53, rounded to the nearest beyond.
fn integer(width: usize, signed: bool, big_endian: bool) -> impl Fn(&[u8]) -> f64 {
    move |bytes| {
        let mut wide = [0u8; 8];
        for (i, &byte) in bytes.iter().enumerate() {
            wide[if big_endian { width - 1 - i } else { i }] = byte;
        }
        let unsigned = u64::from_le_bytes(wide);
        #[expect(clippy::cast_precision_loss, reason = "documented rounding")]
        if signed {
            let unused = 64 - 8 * width;
            // Shifting up and down again copies the sign bit.
            ((unsigned << unused).cast_signed() >> unused) as f64
        } else {
            unsigned as f64
        }
    }
}

fn reserved<T>(file: &str, count: usize) -> Result<Vec<T>, Error> {
    let mut out = Vec::new();
    out.try_reserve_exact(count).map_err(|e| {
        let needed = (count as u64).saturating_mul(size_of::<T>() as u64);
        Error::input(file, format!("its {} do not fit in the free memory of this machine ({e})", bytes_text(needed)))
    })?;
    Ok(out)
}

pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Error {
    Error::format(file, format!("the data cannot be read ({error}); the file is truncated or corrupt, save or copy it again"))
}

/// Values in C order.
fn array<T: Clone>(file: &str, header: &Header, values: Vec<T>) -> Result<ArrayD<T>, Error> {
    let bad = |e: &dyn std::fmt::Display| Error::format(file, format!("its shape cannot be represented: {e}"));
    let shape = header.shape.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>().map_err(|e| bad(&e))?;
    let array = ArrayD::from_shape_vec(IxDyn(&shape).set_f(header.fortran_order), values).map_err(|e| bad(&e))?;
    // One order for everything downstream.
    Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
}

/// Writes a dataset as `.npy` version 1.0: float32 or float64 as stored, little-endian, C order.
#[must_use]
pub fn write_npy(dataset: &Dataset) -> Vec<u8> {
    let shape = dataset.shape();
    let axes = match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape_text(shape).replace(" x ", ", ")),
    };
    let descr = match &*dataset.values {
        Values::F32(_) => "<f4",
        Values::F64(_) => "<f8",
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {axes}, }}");
    // The data begin at a multiple of 64 bytes; the header ends with a line feed.
    let before = MAGIC.len() + 4;
    header.extend(std::iter::repeat_n(' ', (before + header.len() + 1).next_multiple_of(64) - before - header.len() - 1));
    header.push('\n');
    let mut out = Vec::with_capacity(before + header.len() + dataset.values.len() * 8);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(header.as_bytes());
    match &*dataset.values {
        Values::F32(a) => append(&mut out, a, |v| v.to_le_bytes()),
        Values::F64(a) => append(&mut out, a, |v| v.to_le_bytes()),
    }
    out
}

fn append<T: bytemuck::Pod, const N: usize>(out: &mut Vec<u8>, array: &ArrayD<T>, bytes: fn(T) -> [u8; N]) {
    match array.as_slice() {
        Some(values) if cfg!(target_endian = "little") => out.extend_from_slice(bytemuck::cast_slice(values)),
        _ => array.iter().for_each(|&v| out.extend_from_slice(&bytes(v))),
    }
}
