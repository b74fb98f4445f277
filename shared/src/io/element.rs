//! Numbers as files store them: one way from bytes to values for every binary format.

use std::io::Read;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn, ShapeBuilder as _};

use super::Limits;
use crate::Error;
use crate::dataset::Values;
use crate::error::bytes as bytes_text;

/// An element type that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F16,
    Bf16,
    F32,
    F64,
    Bool,
    Int { bytes: usize, signed: bool },
}

impl Element {
    /// Bytes of a value in the file.
    pub(super) fn width(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Bool => 1,
            Self::Int { bytes, .. } => bytes,
        }
    }

    /// Bytes of a value in memory.
    fn stored_width(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 | Self::F32 => 4,
            Self::F64 | Self::Bool | Self::Int { .. } => 8,
        }
    }

    /// Its name in numpy's words.
    pub(super) fn dtype(self) -> String {
        match self {
            Self::F16 => "float16".into(),
            Self::Bf16 => "bfloat16".into(),
            Self::F32 => "float32".into(),
            Self::F64 => "float64".into(),
            Self::Bool => "bool".into(),
            Self::Int { bytes, signed } => format!("{}int{}", if signed { "" } else { "u" }, 8 * bytes),
        }
    }
}

/// Values in the order of the file.
pub(super) enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// The number of values of a shape, and their bytes in the file; nothing when 64 bits cannot count them.
pub(super) fn size(shape: &[u64], element: Element) -> Option<(u64, u64)> {
    let count = shape.iter().try_fold(1u64, |n, &k| n.checked_mul(k))?;
    Some((count, count.checked_mul(element.width() as u64)?))
}

/// Refuses what takes more memory than allowed.
pub(super) fn check(file: &str, shape: &[u64], element: Element, dtype: &str, limits: Limits) -> Result<usize, Error> {
    let too_many = || Error::format(file, format!("it declares {} values, more than 64 bits can count", shape_text(shape)));
    let (count, _) = size(shape, element).ok_or_else(too_many)?;
    limits.check(&format!("{file} ({} {dtype})", shape_text(shape)), count.saturating_mul(element.stored_width() as u64))?;
    usize::try_from(count).map_err(|_wide| too_many())
}

/// `3 x 4`.
pub(super) fn shape_text(shape: &[u64]) -> String {
    if shape.is_empty() { "1".into() } else { shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ") }
}

impl Numbers {
    /// Reads `count` values: f16 becomes f32; integers and booleans f64.
    pub(super) fn read(file: &str, reader: &mut dyn Read, element: Element, big_endian: bool, count: usize) -> Result<Self, Error> {
        let half =
            |bytes: &[u8]| if big_endian { u16::from_be_bytes([bytes[0], bytes[1]]) } else { u16::from_le_bytes([bytes[0], bytes[1]]) };
        Ok(match element {
            Element::F16 => Self::F32(converted(file, reader, count, 2, |b| f16::from_bits(half(b)).to_f32())?),
            Element::Bf16 => Self::F32(converted(file, reader, count, 2, |b| bf16::from_bits(half(b)).to_f32())?),
            Element::Bool => Self::F64(converted(file, reader, count, 1, |b| f64::from(u8::from(b[0] != 0)))?),
            Element::Int { bytes, signed } => Self::F64(converted(file, reader, count, bytes, integer(bytes, signed, big_endian))?),
            Element::F32 | Element::F64 => {
                return Self::filled(file, element, big_endian, count, |bytes| reader.read_exact(bytes).map_err(|e| unreadable(file, &e)));
            }
        })
    }

    /// As [`Numbers::read`], of bytes that come all at once; floats get them in their place.
    pub(super) fn filled(
        file: &str,
        element: Element,
        big_endian: bool,
        count: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        Ok(match element {
            Element::F32 => Self::F32(floats(file, count, big_endian, f32::swap, fill)?),
            Element::F64 => Self::F64(floats(file, count, big_endian, f64::swap, fill)?),
            _ => {
                let length = count.saturating_mul(element.width());
                let mut bytes: Vec<u8> = reserved(file, length)?;
                bytes.resize(length, 0);
                fill(&mut bytes)?;
                Self::read(file, &mut &*bytes, element, big_endian, count)?
            }
        })
    }

    /// An array in C order from values in C or Fortran order.
    pub(super) fn shaped(self, file: &str, shape: &[u64], fortran_order: bool) -> Result<Values, Error> {
        Ok(match self {
            Self::F32(values) => Values::F32(array(file, shape, fortran_order, values)?),
            Self::F64(values) => Values::F64(array(file, shape, fortran_order, values)?),
        })
    }
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
fn floats<T: Swap>(
    file: &str,
    count: usize,
    big_endian: bool,
    swap: fn(T) -> T,
    fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
) -> Result<Vec<T>, Error> {
    let mut out = reserved(file, count)?;
    out.resize(count, T::zeroed());
    fill(bytemuck::cast_slice_mut(&mut out))?;
    if big_endian != cfg!(target_endian = "big") {
        out.iter_mut().for_each(|v| *v = swap(*v));
    }
    Ok(out)
}

/// Values that are converted one by one, read in pieces.
fn converted<T>(file: &str, reader: &mut dyn Read, count: usize, width: usize, convert: impl Fn(&[u8]) -> T) -> Result<Vec<T>, Error> {
    let mut out = reserved(file, count)?;
    let mut piece = vec![0u8; width * count.min(8192)];
    while out.len() < count {
        let piece = &mut piece[..width * (count - out.len()).min(8192)];
        reader.read_exact(piece).map_err(|e| unreadable(file, &e))?;
        out.extend(piece.chunks_exact(width).map(&convert));
    }
    Ok(out)
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
fn array<T: Clone>(file: &str, shape: &[u64], fortran_order: bool, values: Vec<T>) -> Result<ArrayD<T>, Error> {
    let bad = |e: &dyn std::fmt::Display| Error::format(file, format!("its shape cannot be represented: {e}"));
    let shape = shape.iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>().map_err(|e| bad(&e))?;
    let array = ArrayD::from_shape_vec(IxDyn(&shape).set_f(fortran_order), values).map_err(|e| bad(&e))?;
    // One order for everything downstream.
    Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
}
