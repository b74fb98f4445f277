//! MATLAB 5 to 7.2: arrays one after the other, each perhaps compressed.
//!
//! What is compressed is read as it is inflated, values straight into their place: neither a list nor an array needs a second copy of a variable.

mod write;

use std::io::{self, Read};
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
/// Structures in structures.
const MAX_DEPTH: usize = 32;
/// A structure has few fields.
const MAX_ARRAYS: usize = 100_000;
/// MATLAB allows names of 63 letters.
const MAX_NAME: usize = 1024;
/// Bytes of all names of the fields of a structure.
const MAX_NAMES: u64 = 1 << 20;

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
    bytes: &'a mut dyn Read,
}

pub(super) fn list(file: &str, bytes: &[u8], limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    let mut out = Vec::new();
    visit(file, bytes, &mut |found| {
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
    visit(file, bytes, &mut |found| {
        names.push((found.name, found.values.is_ok()));
        Ok(ControlFlow::Continue(()))
    })?;
    let known: Vec<(&str, bool)> = names.iter().map(|(name, is_read)| (&**name, *is_read)).collect();
    let index = choose(file, &known, member)?;
    let (mut at, mut out) = (0, None);
    visit(file, bytes, &mut |found| {
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
    let numbers = Numbers::read(&label, stored.bytes, stored.element, big_endian, count)?;
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
fn visit(file: &str, bytes: &[u8], visit: Visit<'_>) -> Result<(), Error> {
    let mut walk = Walk { file, n: 0 };
    let mut content = bytes.get(HEADER..).unwrap_or_default();
    let left = content.len() as u64;
    let mut content = Body { file, big_endian: is_big_endian(bytes), reader: &mut content, left };
    while content.left > 0 {
        let tag = content.tag(false)?;
        let flow = content.enter(&tag, |body| match tag.kind {
            MATRIX => walk.matrix(body, None, 0, visit),
            COMPRESSED => walk.compressed(body, visit),
            _ => Ok(ControlFlow::Continue(())),
        });
        if flow?.is_break() {
            break;
        }
    }
    if walk.n == 0 {
        return Err(Error::Unsupported { file: file.into(), message: "the MATLAB file holds no variables".into() });
    }
    Ok(())
}

fn damaged(file: &str, what: &str) -> Error {
    Error::format(file, format!("the MATLAB file is truncated or damaged: {what}; save or copy it again"))
}

/// The bytes of an element, read from the front.
struct Body<'r> {
    file: &'r str,
    big_endian: bool,
    reader: &'r mut dyn Read,
    left: u64,
}

/// What stands before the bytes of an element.
struct Tag {
    kind: u32,
    length: u64,
    /// Up to four bytes stand in the tag itself.
    inline: Option<[u8; 4]>,
    /// Bytes behind it, up to a multiple of 8.
    padding: u64,
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.reader.read(&mut buffer[..most])?;
        self.left -= n as u64;
        Ok(n)
    }
}

impl Body<'_> {
    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The words in the bytes of an element; what is too short for one is left out.
    fn words(&self, bytes: &[u8]) -> Vec<u32> {
        bytes.as_chunks().0.iter().map(|word| self.word(*word)).collect()
    }

    fn exact<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes).map_err(|e| self.short(&e))?;
        Ok(bytes)
    }

    fn short(&self, error: &io::Error) -> Error {
        damaged(self.file, &format!("an element reaches behind its end, or what is compressed ends early ({error})"))
    }

    /// What stands before the next element. Inside of arrays elements begin at multiples of 8.
    fn tag(&mut self, is_padded: bool) -> Result<Tag, Error> {
        let first = self.exact()?;
        let second = self.exact()?;
        let word = self.word(first);
        if word >> 16 != 0 {
            let length = u64::from(word >> 16);
            if length > 4 {
                return Err(damaged(self.file, "an element reaches behind its end"));
            }
            return Ok(Tag { kind: word & 0xffff, length, inline: Some(second), padding: 0 });
        }
        let length = u64::from(self.word(second));
        if length > self.left {
            return Err(damaged(self.file, "an element reaches behind its end"));
        }
        let padding = if is_padded { length.next_multiple_of(8) - length } else { 0 };
        Ok(Tag { kind: word, length, inline: None, padding })
    }

    /// Reads what is in an element, and goes on behind it.
    fn enter(&mut self, tag: &Tag, read: impl FnOnce(&mut Body<'_>) -> Result<ControlFlow<()>, Error>) -> Result<ControlFlow<()>, Error> {
        let (file, big_endian, left) = (self.file, self.big_endian, tag.length);
        if let Some(bytes) = tag.inline {
            return read(&mut Body { file, big_endian, reader: &mut bytes.as_slice(), left });
        }
        let mut body = Body { file, big_endian, reader: &mut *self.reader, left };
        if read(&mut body)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let unread = body.left;
        self.left -= tag.length - unread;
        // The last one may end without its padding.
        let behind = (unread + tag.padding).min(self.left);
        let skipped = io::copy(&mut self.by_ref().take(behind), &mut io::sink()).map_err(|e| self.short(&e))?;
        if skipped < behind {
            return Err(damaged(self.file, "a compressed variable ends early"));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The next element as a whole, of so many bytes at most.
    fn small(&mut self, most: u64, what: &str) -> Result<Vec<u8>, Error> {
        let tag = self.tag(true)?;
        if tag.length > most {
            return Err(damaged(self.file, what));
        }
        let mut bytes = Vec::new();
        let _flow = self.enter(&tag, |body| {
            body.read_to_end(&mut bytes).map_err(|e| body.short(&e))?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(bytes)
    }
}

struct Walk<'f> {
    file: &'f str,
    /// Arrays so far.
    n: usize,
}

impl Walk<'_> {
    /// A variable that was compressed. Behind its head it is read only as far as somebody wants its values.
    fn compressed(&mut self, body: &mut Body<'_>, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let (file, big_endian) = (body.file, body.big_endian);
        let mut inflated = ZlibDecoder::new(body);
        let mut content = Body { file, big_endian, reader: &mut inflated, left: u64::MAX };
        let tag = content.tag(false)?;
        content.left = tag.length;
        if tag.kind == MATRIX { self.matrix(&mut content, None, 0, visit) } else { Ok(ControlFlow::Continue(())) }
    }

    /// An array and all that is in it.
    fn matrix(&mut self, body: &mut Body<'_>, name: Option<String>, depth: usize, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        if depth > MAX_DEPTH {
            return Err(damaged(self.file, &format!("structures are nested more than {MAX_DEPTH} deep")));
        }
        if body.left == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let flags = body.small(64, "an array has no class")?;
        let flags = *body.words(&flags).first().ok_or_else(|| damaged(self.file, "an array has no class"))?;
        let shape = body.small(4 * 64, "an array has an impossible shape")?;
        let shape: Vec<u64> = body.words(&shape).into_iter().map(u64::from).collect();
        if shape.iter().any(|n| *n > u64::from(u32::MAX >> 1)) {
            return Err(damaged(self.file, "an array has an impossible shape"));
        }
        let own = body.small(MAX_NAME as u64, "an array has an impossible name")?;
        let name = name.unwrap_or_else(|| String::from_utf8_lossy(&own).trim_end_matches('\0').to_owned());
        // What functions keep between calls has no name.
        if name.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        match flags & 0xff {
            1 => self.cells(body, &name, &shape, depth, visit),
            2 => self.structure(body, &name, &shape, depth, visit),
            class => match dtype(class, flags) {
                Ok(dtype) => self.numbers(body, Found { name, dtype, shape, values: Err(String::new()) }, visit),
                Err((dtype, why)) => self.found(Found { name, dtype, shape, values: Err(why.into()) }, visit),
            },
        }
    }

    fn found(&mut self, found: Found<'_>, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        self.n += 1;
        if self.n > MAX_ARRAYS {
            return Err(damaged(self.file, &format!("it holds more than {MAX_ARRAYS} arrays")));
        }
        visit(found)
    }

    fn cells(&mut self, body: &mut Body<'_>, name: &str, shape: &[u64], depth: usize, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let (mut i, mut n_numbers) = (0u64, 0);
        let mut only_numbers = |found: Found<'_>| {
            // Texts in a cell are many, and none is read.
            if found.values.is_err() {
                return Ok(ControlFlow::Continue(()));
            }
            n_numbers += 1;
            visit(found)
        };
        while body.left > 0 {
            let tag = body.tag(true)?;
            let flow = body.enter(&tag, |entry| match tag.kind {
                MATRIX => self.matrix(entry, Some(format!("{name}{{{}}}", index(i, shape))), depth + 1, &mut only_numbers),
                _ => Ok(ControlFlow::Continue(())),
            });
            if flow?.is_break() {
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

    fn structure(
        &mut self,
        body: &mut Body<'_>,
        name: &str,
        shape: &[u64],
        depth: usize,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let width = body.small(8, "a structure has no width of its names")?;
        let width = body.words(&width).first().copied().filter(|n| (1..=MAX_NAME).contains(&(*n as usize)));
        let width = width.ok_or_else(|| damaged(self.file, "a structure has no width of its names"))?;
        let names = body.small(MAX_NAMES, "a structure has impossible names")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        let fields: Vec<String> = names.chunks_exact(width as usize).map(text).collect();
        let is_one = shape.iter().all(|n| *n == 1);
        let mut i = 0;
        while body.left > 0 && !fields.is_empty() {
            let place = if is_one { String::new() } else { format!("({})", index(i, shape)) };
            for field in &fields {
                let tag = body.tag(true)?;
                let flow = body.enter(&tag, |entry| match tag.kind {
                    MATRIX => self.matrix(entry, Some(format!("{name}{place}.{field}")), depth + 1, visit),
                    _ => Ok(ControlFlow::Continue(())),
                });
                if flow?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            i += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Finds an array of numbers, whose values are next.
    fn numbers(&mut self, body: &mut Body<'_>, array: Found<'_>, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let tag = body.tag(true)?;
        let int = |bytes, signed| Element::Int { bytes, signed };
        let element = match tag.kind {
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
            kind => return Err(damaged(self.file, &format!("values of the unknown type {kind}"))),
        };
        let declared = element::size(&array.shape, element).map(|(_, bytes)| bytes);
        if declared != Some(tag.length) {
            let text = element::shape_text(&array.shape);
            return Err(damaged(self.file, &format!("an array of {text} values has {} bytes of them", tag.length)));
        }
        if let Some(bytes) = tag.inline {
            return self.found(Found { values: Ok(Stored { element, bytes: &mut bytes.as_slice() }), ..array }, visit);
        }
        // What nobody reads of it is behind the array, and goes with it.
        self.found(Found { values: Ok(Stored { element, bytes: body }), ..array }, visit)
    }
}

/// The name of a class of arrays, with why its values are not read where they are not.
fn dtype(class: u32, flags: u32) -> Result<&'static str, (&'static str, &'static str)> {
    let dtype = match class {
        3 => return Err(("object", "it is an object, not numbers; save its properties")),
        4 => return Err(("text", "it is text, not numbers")),
        5 => return Err(("sparse", "it is a sparse matrix; save full(x)")),
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
        _ => return Err(("", "it is a function or an object, not numbers")),
    };
    if flags & 0x800 != 0 {
        return Err((dtype, "its values are complex, which are not read; save the real part, the imaginary part or the modulus"));
    }
    Ok(dtype)
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
