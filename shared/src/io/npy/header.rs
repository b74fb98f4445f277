//! The header of NPY: a Python dictionary literal with three keys.
//!
//! It is read by a scanner for exactly this form instead of a general parser of Python literals: that would recurse on nested
//! brackets and multiply the lengths of hostile shapes without a check. Nothing is evaluated.

use std::io::Read;

use npyz::{Endianness, TypeChar, TypeStr};

use crate::Error;
use crate::io::element::{self, Element, shape_text};
use crate::io::{Limits, file_name};

/// The first bytes of every NPY file.
pub(in crate::io) const MAGIC: &[u8] = b"\x93NUMPY";

/// numpy writes below 200 bytes for plain arrays; structured types may be longer.
const MAX_HEADER_BYTES: usize = 1 << 16;
/// numpy allows 64.
const MAX_AXES: usize = 64;

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// Element type in numpy's words.
    pub(super) dtype: String,
    /// Lengths of the axes.
    pub(super) shape: Vec<u64>,
    pub(super) fortran_order: bool,
    pub(super) big_endian: bool,
    element: Result<Element, Refusal>,
    /// Bytes before the data.
    pub(super) length: u64,
}

/// Why an element type is not read.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Pickle,
    Complex,
    Other,
}

/// Data that are there and may be read.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) element: Element,
    pub(super) count: usize,
}

impl Header {
    pub(super) fn read(file: &str, reader: &mut dyn Read) -> Result<Self, Error> {
        let truncated = |_| Error::format(file, "the file ends within its header; it is truncated, save or copy it again");
        let mut start = [0u8; 8];
        reader.read_exact(&mut start).map_err(truncated)?;
        if !start.starts_with(MAGIC) {
            return Err(Error::format(file, r"not an NPY file: it does not begin with \x93NUMPY"));
        }
        let (length, before) = match start[6] {
            1 => {
                let mut length = [0u8; 2];
                reader.read_exact(&mut length).map_err(truncated)?;
                (usize::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0u8; 4];
                reader.read_exact(&mut length).map_err(truncated)?;
                (u32::from_le_bytes(length) as usize, 12)
            }
            other => return Err(Error::format(file, format!("NPY version {other}.{} is unknown; versions 1 to 3 are read", start[7]))),
        };
        if length > MAX_HEADER_BYTES {
            return Err(Error::format(file, format!("its header declares {length} bytes; more than {MAX_HEADER_BYTES} is not plausible")));
        }
        let mut text = vec![0u8; length];
        reader.read_exact(&mut text).map_err(truncated)?;
        let bad = |message: &str| Error::format(file, format!("the NPY header is not valid: {message}"));
        let mut header = std::str::from_utf8(&text).map_err(|_not_utf8| bad("it is not text")).and_then(|text| parse(text).map_err(bad))?;
        header.length = (before + length) as u64;
        Ok(header)
    }

    /// Checks the declared size against the bytes that are there and the limits, before anything is allocated.
    pub(super) fn payload(&self, file: &str, available: u64, limits: Limits) -> Result<Payload, Error> {
        let element = self.element.map_err(|refusal| self.refuse(file, refusal))?;
        let too_many =
            || Error::format(file, format!("its header declares {} values, more than 64 bits can count", shape_text(&self.shape)));
        let (_, expected) = element::size(&self.shape, element).ok_or_else(too_many)?;
        let found = available.saturating_sub(self.length);
        if found < expected {
            return Err(Error::format(
                file,
                format!(
                    "its header declares {} values of {} ({expected} data bytes) but {found} data bytes follow; \
                     the file is truncated or its header is wrong, save or copy it again",
                    shape_text(&self.shape),
                    self.dtype
                ),
            ));
        }
        let count = element::check(file, &self.shape, element, &self.dtype, limits)?;
        Ok(Payload { element, count })
    }

    fn refuse(&self, file: &str, refusal: Refusal) -> Error {
        let message = match refusal {
            Refusal::Pickle => {
                let target = file_name(file).rsplit_once("::").map_or(file_name(file), |(_, member)| member);
                format!(
                    "it holds pickled Python objects ({}), which are never loaded because a pickle can run code; \
                     save the numbers themselves:\n    import numpy as np; a = np.load({target:?}, allow_pickle=True)\n    \
                     np.save(\"numbers.npy\", np.asarray(a.tolist(), dtype=float))",
                    self.dtype
                )
            }
            Refusal::Complex => {
                format!(
                    "its values are complex ({}), which are not read; save the real part, the imaginary part or the modulus",
                    self.dtype
                )
            }
            Refusal::Other => format!(
                "its values are of type {}, which is not read; convert them to numbers (float, int or bool) in numpy and save again",
                self.dtype
            ),
        };
        Error::Unsupported { file: file.into(), message }
    }
}

/// Reads `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`, keys in any order.
fn parse(text: &str) -> Result<Header, &'static str> {
    let mut scan = Scan { rest: text.trim_end_matches(['\n', ' ', '\0']) };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    scan.expect('{')?;
    while !scan.eat('}') {
        let key = scan.string()?;
        scan.expect(':')?;
        match key {
            "descr" => descr = Some(scan.descr()?),
            "fortran_order" => fortran_order = Some(scan.boolean()?),
            "shape" => shape = Some(scan.shape()?),
            _ => return Err("a key other than descr, fortran_order and shape"),
        }
        if !scan.eat(',') {
            scan.expect('}')?;
            break;
        }
    }
    if !scan.rest.trim().is_empty() {
        return Err("text after the dictionary");
    }
    let (dtype, big_endian, element) = element_of(descr.ok_or("descr is missing")?)?;
    Ok(Header {
        dtype,
        shape: shape.ok_or("shape is missing")?,
        fortran_order: fortran_order.ok_or("fortran_order is missing")?,
        big_endian,
        element,
        length: 0,
    })
}

/// The type in numpy's words, whether its bytes are swapped, and what it is.
fn element_of(descr: Descr<'_>) -> Result<(String, bool, Result<Element, Refusal>), &'static str> {
    let text = match descr {
        Descr::Plain(text) => text,
        // An object field anywhere makes the data a pickle.
        Descr::Structured(text) => {
            let refusal = if text.contains("O'") || text.contains("O\"") { Refusal::Pickle } else { Refusal::Other };
            return Ok((format!("structured {text}"), false, Err(refusal)));
        }
    };
    let parsed: TypeStr = text.parse().map_err(|_unknown| "descr is no numpy type")?;
    let bits = parsed.size_field().saturating_mul(8);
    let element = match (parsed.type_char(), parsed.size_field()) {
        (TypeChar::Bool, 1) => Ok(Element::Bool),
        (TypeChar::Float, 2) => Ok(Element::F16),
        (TypeChar::Float, 4) => Ok(Element::F32),
        (TypeChar::Float, 8) => Ok(Element::F64),
        (kind @ (TypeChar::Int | TypeChar::Uint), bytes @ (1 | 2 | 4 | 8)) => {
            Ok(Element::Int { bytes: usize::try_from(bytes).unwrap_or(8), signed: kind == TypeChar::Int })
        }
        (TypeChar::Object, _) => Err(Refusal::Pickle),
        (TypeChar::Complex, _) => Err(Refusal::Complex),
        _ => Err(Refusal::Other),
    };
    let dtype = match parsed.type_char() {
        TypeChar::Bool => "bool".into(),
        TypeChar::Float => format!("float{bits}"),
        TypeChar::Int => format!("int{bits}"),
        TypeChar::Uint => format!("uint{bits}"),
        TypeChar::Complex => format!("complex{bits}"),
        TypeChar::Object => "object".into(),
        _ => text.into(),
    };
    Ok((dtype, parsed.endianness() == Endianness::Big, element))
}

enum Descr<'a> {
    Plain(&'a str),
    Structured(&'a str),
}

struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, c: char) -> Result<(), &'static str> {
        if self.eat(c) { Ok(()) } else { Err("it is not a dictionary literal as numpy writes it") }
    }

    /// A string in single or double quotes, without escapes.
    fn string(&mut self) -> Result<&'a str, &'static str> {
        let quote = if self.eat('\'') {
            '\''
        } else if self.eat('"') {
            '"'
        } else {
            return Err("a string was expected");
        };
        let (text, rest) = self.rest.split_once(quote).ok_or("a string does not end")?;
        if text.contains('\\') {
            return Err("a string with escapes");
        }
        self.rest = rest;
        Ok(text)
    }

    fn descr(&mut self) -> Result<Descr<'a>, &'static str> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with('[') {
            return self.string().map(Descr::Plain);
        }
        // Structured types are only skipped: find the end of the brackets.
        let (mut depth, mut quote) = (0u32, None);
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth = depth.saturating_sub(1),
                (None, _) => {}
            }
            if depth == 0 {
                let (text, rest) = self.rest.split_at(at + c.len_utf8());
                self.rest = rest;
                return Ok(Descr::Structured(text));
            }
        }
        Err("a list does not end")
    }

    fn boolean(&mut self) -> Result<bool, &'static str> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err("fortran_order is neither True nor False")
    }

    fn shape(&mut self) -> Result<Vec<u64>, &'static str> {
        let wrong = "shape is not a tuple of non-negative integers; expressions are not evaluated";
        if !self.eat('(') {
            return Err(wrong);
        }
        let mut shape = Vec::new();
        while !self.eat(')') {
            self.rest = self.rest.trim_start();
            let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            shape.push(self.rest[..digits].parse().map_err(|_not_u64| wrong)?);
            // Python 2 wrote long integers with an L.
            self.rest = self.rest[digits..].strip_prefix('L').unwrap_or(&self.rest[digits..]);
            if shape.len() > MAX_AXES {
                return Err("more than 64 axes");
            }
            if !self.eat(',') {
                if !self.eat(')') {
                    return Err(wrong);
                }
                break;
            }
        }
        Ok(shape)
    }
}
