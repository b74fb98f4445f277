//! MATLAB 5 to 7.2: arrays one after the other, each perhaps compressed.

mod write;

use std::io::Read as _;
use std::ops::ControlFlow;

use flate2::read::ZlibDecoder;

use super::element::{self, Element, Numbers};
use super::{Limits, choose};
use crate::api::ArrayInfo;
use crate::dataset::Values;
use crate::{Dataset, Error};

pub(super) use write::{names, shape, write};

/// Text, subsystem, version and byte order.
const HEADER: usize = 128;
/// Deflate cannot make more than this of a byte.
const MOST_PER_BYTE: u64 = 1032;
/// Structures in structures.
const MAX_DEPTH: usize = 32;
/// A structure has few fields.
const MAX_ARRAYS: usize = 100_000;
/// MATLAB allows names of 63 letters.
const MAX_NAME: usize = 1024;

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Whether these bytes begin as a file of MATLAB 5 does.
pub(super) fn is_mat(bytes: &[u8]) -> bool {
    bytes.get(124..HEADER).is_some_and(|end| end == b"\x00\x01IM" || end == b"\x01\x00MI")
}

/// An array by its name: `x`, `s.field`, `s(2).field`, `s(1,2).field`, `cell{3}`.
struct Found<'a> {
    name: String,
    dtype: &'static str,
    shape: Vec<u64>,
    /// The values, or why they are not read.
    values: Result<Stored<'a>, String>,
}

/// Values as they are stored: MATLAB takes the smallest type that holds them.
struct Stored<'a> {
    element: Element,
    bytes: &'a [u8],
}

pub(super) fn list(file: &str, bytes: &[u8], limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    let mut out = Vec::new();
    visit(file, bytes, limits, &mut |found| {
        let label = format!("{file}::{}", found.name);
        let refused = match &found.values {
            Ok(stored) => element::check(&label, &found.shape, stored.element, found.dtype, limits).err().map(|e| e.to_string()),
            Err(why) => Some(format!("{label}: {why}")),
        };
        out.push(ArrayInfo { member: Some(found.name), dtype: found.dtype.into(), shape: found.shape, refused });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(out)
}

pub(super) fn read(file: &str, bytes: &[u8], member: Option<&str>, limits: Limits) -> Result<Dataset, Error> {
    let mut names = Vec::new();
    visit(file, bytes, limits, &mut |found| {
        names.push((found.name, found.values.is_ok()));
        Ok(ControlFlow::Continue(()))
    })?;
    let known: Vec<(&str, bool)> = names.iter().map(|(name, is_read)| (&**name, *is_read)).collect();
    let index = choose(file, &known, member)?;
    let (mut at, mut out) = (0, None);
    visit(file, bytes, limits, &mut |found| {
        at += 1;
        if at <= index {
            return Ok(ControlFlow::Continue(()));
        }
        out = Some(dataset(file, found, is_big_endian(bytes), limits)?);
        Ok(ControlFlow::Break(()))
    })?;
    out.ok_or_else(|| Error::internal("an array that was found is gone"))
}

fn dataset(file: &str, found: Found<'_>, big_endian: bool, limits: Limits) -> Result<Dataset, Error> {
    let label = format!("{file}::{}", found.name);
    let stored = found.values.map_err(|message| Error::Unsupported { file: label.clone(), message })?;
    let count = element::check(&label, &found.shape, stored.element, found.dtype, limits)?;
    let numbers = Numbers::read(&label, &mut &*stored.bytes, stored.element, big_endian, count)?;
    #[expect(clippy::cast_possible_truncation, reason = "MATLAB says that they are single")]
    let values = match (numbers.shaped(&label, &found.shape, true)?, found.dtype) {
        (Values::F64(a), "float32") => Values::F32(a.mapv(|v| v as f32)),
        (Values::F32(a), dtype) if dtype != "float32" => Values::F64(a.mapv(f64::from)),
        (values, _) => values,
    };
    Ok(Dataset { name: found.name, dtype: found.dtype.into(), values: values.into(), column_names: None, labels: Vec::new(), affine: None })
}

fn is_big_endian(bytes: &[u8]) -> bool {
    bytes.get(126) == Some(&b'M')
}

type Visit<'v> = &'v mut dyn FnMut(Found<'_>) -> Result<ControlFlow<()>, Error>;

/// Calls `visit` for all arrays in the order of the file.
fn visit(file: &str, bytes: &[u8], limits: Limits, visit: Visit<'_>) -> Result<(), Error> {
    let mut walk = Walk { file, big_endian: is_big_endian(bytes), n: 0 };
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    while !rest.is_empty() {
        let (kind, body, after) = walk.next(rest, false)?;
        rest = after;
        let inflated;
        let matrix = match kind {
            MATRIX => body,
            COMPRESSED => {
                inflated = inflate(file, body, limits)?;
                let (kind, body, _) = walk.next(&inflated, false)?;
                if kind != MATRIX {
                    continue;
                }
                body
            }
            _ => continue,
        };
        if walk.matrix(matrix, None, 0, visit)?.is_break() {
            break;
        }
    }
    if walk.n == 0 {
        return Err(Error::Unsupported { file: file.into(), message: "the MATLAB file holds no variables".into() });
    }
    Ok(())
}

/// A variable that was compressed, within the limits.
fn inflate(file: &str, body: &[u8], limits: Limits) -> Result<Vec<u8>, Error> {
    // Its names and sizes take some bytes more than its values.
    let most = limits.max_array_bytes.saturating_add(1 << 16).min((body.len() as u64).saturating_mul(MOST_PER_BYTE).saturating_add(1024));
    let mut out = Vec::new();
    ZlibDecoder::new(body)
        .take(most + 1)
        .read_to_end(&mut out)
        .map_err(|e| damaged(file, &format!("a compressed variable ends early: {e}")))?;
    if out.len() as u64 > most {
        return Err(Error::TooLarge { what: file.into(), needed_bytes: out.len() as u64, limit_bytes: limits.max_array_bytes });
    }
    Ok(out)
}

fn damaged(file: &str, what: &str) -> Error {
    Error::format(file, format!("the MATLAB file is truncated or damaged: {what}; save or copy it again"))
}

struct Walk<'f> {
    file: &'f str,
    big_endian: bool,
    /// Arrays so far.
    n: usize,
}

impl Walk<'_> {
    fn word(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let word: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    /// The type and the bytes of the next element, and what follows it. Inside of arrays elements begin at multiples of 8.
    fn next<'a>(&self, bytes: &'a [u8], is_padded: bool) -> Result<(u32, &'a [u8], &'a [u8]), Error> {
        let short = || damaged(self.file, "an element reaches behind its end");
        let tag = self.word(bytes, 0).ok_or_else(short)?;
        // Up to four bytes stand in the tag itself.
        if tag >> 16 != 0 {
            let body = bytes.get(4..4 + (tag >> 16) as usize).filter(|body| body.len() <= 4).ok_or_else(short)?;
            return Ok((tag & 0xffff, body, bytes.get(8..).ok_or_else(short)?));
        }
        let length = self.word(bytes, 4).ok_or_else(short)? as usize;
        let body = bytes.get(8..8usize.saturating_add(length)).ok_or_else(short)?;
        let end = 8 + if is_padded { length.next_multiple_of(8) } else { length };
        Ok((tag, body, bytes.get(end..).unwrap_or_default()))
    }

    /// An array and all that is in it.
    fn matrix(&mut self, bytes: &[u8], name: Option<String>, depth: usize, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        if depth > MAX_DEPTH {
            return Err(damaged(self.file, &format!("structures are nested more than {MAX_DEPTH} deep")));
        }
        if bytes.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let (_, flags, rest) = self.next(bytes, true)?;
        let flags = self.word(flags, 0).ok_or_else(|| damaged(self.file, "an array has no class"))?;
        let (_, sizes, rest) = self.next(rest, true)?;
        let shape: Vec<u64> = (0..sizes.len() / 4).filter_map(|i| self.word(sizes, 4 * i)).map(u64::from).collect();
        if shape.len() > 64 || shape.iter().any(|n| *n > u64::from(u32::MAX >> 1)) {
            return Err(damaged(self.file, "an array has an impossible shape"));
        }
        let (_, own, rest) = self.next(rest, true)?;
        if own.len() > MAX_NAME {
            return Err(damaged(self.file, "an array has an impossible name"));
        }
        let name = name.unwrap_or_else(|| String::from_utf8_lossy(own).trim_end_matches('\0').to_owned());
        // What functions keep between calls has no name.
        if name.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        match flags & 0xff {
            1 => self.cells(rest, &name, &shape, depth, visit),
            2 => self.structure(rest, &name, &shape, depth, visit),
            class => {
                let (dtype, values) = self.numbers(class, flags, rest, &shape)?;
                self.found(Found { name, dtype, shape, values }, visit)
            }
        }
    }

    fn found(&mut self, found: Found<'_>, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        self.n += 1;
        if self.n > MAX_ARRAYS {
            return Err(damaged(self.file, &format!("it holds more than {MAX_ARRAYS} arrays")));
        }
        visit(found)
    }

    fn cells(&mut self, bytes: &[u8], name: &str, shape: &[u64], depth: usize, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let (mut rest, mut i, mut n_numbers) = (bytes, 0u64, 0);
        let mut only_numbers = |found: Found<'_>| {
            // Texts in a cell are many, and none is read.
            if found.values.is_err() {
                return Ok(ControlFlow::Continue(()));
            }
            n_numbers += 1;
            visit(found)
        };
        while !rest.is_empty() {
            let (kind, body, after) = self.next(rest, true)?;
            rest = after;
            if kind == MATRIX && self.matrix(body, Some(format!("{name}{{{}}}", index(i, shape))), depth + 1, &mut only_numbers)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            i += 1;
        }
        if n_numbers > 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let why = "it is a cell array without numbers".to_owned();
        self.found(Found { name: name.into(), dtype: "cell", shape: shape.to_vec(), values: Err(why) }, visit)
    }

    fn structure(&mut self, bytes: &[u8], name: &str, shape: &[u64], depth: usize, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let (_, width, rest) = self.next(bytes, true)?;
        let width = self.word(width, 0).filter(|n| (1..=MAX_NAME).contains(&(*n as usize)));
        let width = width.ok_or_else(|| damaged(self.file, "a structure has no width of its names"))?;
        let (_, names, mut rest) = self.next(rest, true)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        let fields: Vec<String> = names.chunks_exact(width as usize).map(text).collect();
        let is_one = shape.iter().all(|n| *n == 1);
        let mut i = 0;
        while !rest.is_empty() && !fields.is_empty() {
            for field in &fields {
                let (kind, body, after) = self.next(rest, true)?;
                rest = after;
                let place = if is_one { String::new() } else { format!("({})", index(i, shape)) };
                if kind == MATRIX && self.matrix(body, Some(format!("{name}{place}.{field}")), depth + 1, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            i += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The name of a class, and the values of an array of it.
    fn numbers<'a>(
        &self,
        class: u32,
        flags: u32,
        bytes: &'a [u8],
        shape: &[u64],
    ) -> Result<(&'static str, Result<Stored<'a>, String>), Error> {
        let refuse = |dtype, why: &str| Ok((dtype, Err(why.to_owned())));
        let dtype = match class {
            3 => return refuse("object", "it is an object, not numbers; save its properties"),
            4 => return refuse("text", "it is text, not numbers"),
            5 => return refuse("sparse", "it is a sparse matrix; save full(x)"),
            6 => "float64",
            7 => "float32",
            8 => "int8",
            9 if flags & 0x200 != 0 => "bool",
            9 => "uint8",
            10 => "int16",
            11 => "uint16",
            12 => "int32",
            13 => "uint32",
            14 => "int64",
            15 => "uint64",
            _ => return refuse("", "it is a function or an object, not numbers"),
        };
        if flags & 0x800 != 0 {
            return refuse(dtype, "its values are complex, which are not read; save the real part, the imaginary part or the modulus");
        }
        let (kind, bytes, _) = self.next(bytes, true)?;
        let int = |bytes, signed| Element::Int { bytes, signed };
        let element = match kind {
            1 => int(1, true),
            2 => int(1, false),
            3 => int(2, true),
            4 => int(2, false),
            5 => int(4, true),
            6 => int(4, false),
            7 => Element::F32,
            9 => Element::F64,
            12 => int(8, true),
            13 => int(8, false),
            _ => return Err(damaged(self.file, &format!("values of the unknown type {kind}"))),
        };
        let declared = element::size(shape, element).map(|(_, bytes)| bytes);
        if declared != Some(bytes.len() as u64) {
            let text = element::shape_text(shape);
            return Err(damaged(self.file, &format!("an array of {text} values has {} bytes of them", bytes.len())));
        }
        Ok((dtype, Ok(Stored { element, bytes })))
    }
}

/// The place of an entry as MATLAB counts: from 1, columns first; one number in a row or a column.
fn index(i: u64, shape: &[u64]) -> String {
    if shape.iter().filter(|n| **n != 1).count() <= 1 {
        return (i + 1).to_string();
    }
    let mut left = i;
    let place = shape.iter().map(|&n| {
        let own = left % n.max(1);
        left /= n.max(1);
        (own + 1).to_string()
    });
    place.collect::<Vec<_>>().join(",")
}
