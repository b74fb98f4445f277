//! Tables of text: comma, tab or semicolon separated, with an optional header and text columns that label rows.
//!
//! - The first row is a header when none of its cells is a number, or when the row below has a number under a text.
//! - The first column holds row names when its header is empty, as pandas and R write them, even if they are numbers.
//! - Columns without any number become labels; a column that mixes numbers and text is refused, unless it is called `layer`,
//!   `architecture`, `task`, `kind` or `source`: those are names, also where some look like numbers.
//! - Empty cells, `NA`, `N/A`, `null` and `None` in a numeric column are NaN. In a column without numbers `None` and the like are texts.

mod write;

use ::csv::{ErrorKind, ReaderBuilder, StringRecord};
use ndarray::{ArrayD, IxDyn};

use super::{Limits, extension, stem};
use crate::dataset::LabelColumn;
use crate::identity::Identity;
use crate::{Dataset, Error};

pub(super) use write::{holds_names, write};

pub(super) fn read(file: &str, bytes: &[u8], limits: Limits) -> Result<Dataset, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(Error::format(file, "the file is not UTF-8 text; save it as CSV in UTF-8"));
    }
    let table = Table { file, bytes, delimiter: delimiter(file, bytes) };
    let header = table.header()?;
    let header_rows = usize::from(header.is_some());
    let names_rows = header.as_ref().is_some_and(|names| names.len() > 1 && names[0].is_empty());

    // First pass: every cell as a number, text as NaN; what the columns are is known at the end.
    let mut columns: Vec<Column> = Vec::new();
    let mut values = Vec::new();
    table.rows(header_rows, |line, row| {
        columns.resize(row.len(), Column::default());
        limits.check(file, (values.len() as u64).saturating_mul(8))?;
        for (text, column) in row.iter().zip(&mut columns) {
            values.push(column.take(line, text));
        }
        Ok(())
    })?;
    let width = header.as_ref().map_or(columns.len(), StringRecord::len);
    columns.resize(width, Column::default());
    if let Some(first) = columns.first_mut().filter(|_| names_rows) {
        first.is_names = true;
    }

    let mut numeric = Vec::new();
    let mut texts = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        match (&column.first_text, column.has_number) {
            (Some(_), true) if names_something(header.as_ref(), at) => texts.push(at),
            (Some((line, text)), true) if !column.is_names => return Err(mixed(file, *line, &column_name(header.as_ref(), at), text)),
            (None, has_number) if !column.is_names && (has_number || !column.has_word) => numeric.push(at),
            _ => texts.push(at),
        }
    }
    let n_rows = values.len().checked_div(width).unwrap_or(0);
    if numeric.len() < width {
        values = values.chunks_exact(width).flat_map(|row| numeric.iter().map(|&at| row[at])).collect();
    }
    let array = ArrayD::from_shape_vec(IxDyn(&[n_rows, numeric.len()]), values)
        .map_err(|e| Error::internal(format!("a table does not fill its shape: {e}")))?;
    let mut dataset = Dataset::from_f64(stem(file), array);
    dataset.labels = table.labels(header_rows, header.as_ref(), &texts)?;
    dataset.column_names = header.as_ref().map(|names| numeric.iter().map(|&at| names[at].to_owned()).collect());
    Ok(dataset)
}

/// What is known about a column so far.
#[derive(Debug, Clone, Default)]
struct Column {
    has_number: bool,
    /// Whether a cell is a word for a missing value.
    has_word: bool,
    /// Line and text of the first cell that is no number.
    first_text: Option<(u64, String)>,
    is_names: bool,
}

impl Column {
    fn take(&mut self, line: u64, text: &str) -> f64 {
        match cell(text) {
            Cell::Number(value) => {
                self.has_number = true;
                value
            }
            Cell::Special(value) => value,
            Cell::Word => {
                self.has_word = true;
                f64::NAN
            }
            Cell::Text => {
                if self.first_text.is_none() {
                    self.first_text = Some((line, text.into()));
                }
                f64::NAN
            }
        }
    }
}

/// What a cell is on its own.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell {
    Number(f64),
    /// Empty, `NA`, `nan`, `inf`: a value among numbers, text among texts.
    Special(f64),
    /// `None`, `null`, `N/A`: missing among numbers, else text.
    Word,
    Text,
}

fn cell(text: &str) -> Cell {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("na") {
        return Cell::Special(f64::NAN);
    }
    if ["none", "null", "n/a", "#n/a", "<na>"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Cell::Word;
    }
    match text.parse::<f64>() {
        // A number too large for f64 parses as infinity: it has digits.
        Ok(value) if text.bytes().any(|b| b.is_ascii_digit()) => Cell::Number(value),
        Ok(value) => Cell::Special(value),
        Err(_) => Cell::Text,
    }
}

fn mixed(file: &str, line: u64, column: &str, text: &str) -> Error {
    let text: String = text.chars().take(40).collect();
    let advice = if text.replacen(',', ".", 1).trim().parse::<f64>().is_ok() {
        "write decimals with a point"
    } else {
        "correct the cell, leave it empty for a missing value, or remove the column"
    };
    Error::format(file, format!("line {line}, column {column}: {text:?} is not a number but other cells of the column are; {advice}"))
}

/// Whether a column identifies rows, so that its cells are texts whatever they look like.
fn names_something(header: Option<&StringRecord>, at: usize) -> bool {
    let name = header.and_then(|names| names.get(at)).unwrap_or_default().trim();
    Identity::COLUMNS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The name of a column for people: its header, else its number from 1.
fn column_name(header: Option<&StringRecord>, at: usize) -> String {
    let name = header.and_then(|names| names.get(at)).unwrap_or_default();
    if name.is_empty() { format!("{}", at + 1) } else { format!("{name:?}") }
}

struct Table<'a> {
    file: &'a str,
    bytes: &'a [u8],
    delimiter: u8,
}

impl Table<'_> {
    /// The header, when the first row is one.
    fn header(&self) -> Result<Option<StringRecord>, Error> {
        let mut first_rows = Vec::new();
        self.scan(2, |_, row| {
            first_rows.push(row.clone());
            Ok(())
        })?;
        let Some(first) = first_rows.first() else {
            return Err(Error::format(self.file, "the table has no rows"));
        };
        let no_number = !first.iter().any(|text| matches!(cell(text), Cell::Number(_)));
        let number_below_text = first_rows.get(1).is_some_and(|second| {
            first.iter().zip(second).any(|(above, below)| cell(above) == Cell::Text && matches!(cell(below), Cell::Number(_)))
        });
        // pandas numbers the columns of a bare array: an empty cell, then 0, 1, 2, ...
        let counted = first.len() > 1 && first[0].is_empty() && first.iter().skip(1).enumerate().all(|(i, text)| text == i.to_string());
        let has_text = first.iter().any(|text| matches!(cell(text), Cell::Text | Cell::Word));
        Ok(first_rows.swap_remove(0)).map(|row| ((no_number && has_text) || number_below_text || counted).then_some(row))
    }

    /// Hands every row after the header to `take`, with its line; refuses rows of another length than the first row of the file.
    fn rows(&self, header_rows: usize, mut take: impl FnMut(u64, &StringRecord) -> Result<(), Error>) -> Result<(), Error> {
        let (mut width, mut seen) = (None, 0);
        self.scan(usize::MAX, |line, row| {
            let expected = *width.get_or_insert(row.len());
            if row.len() != expected {
                let found = row.len();
                return Err(Error::format(
                    self.file,
                    format!("line {line} has {found} cells but the first row has {expected}; rows must be of equal length"),
                ));
            }
            seen += 1;
            if seen > header_rows { take(line, row) } else { Ok(()) }
        })
    }

    fn scan(&self, at_most: usize, mut take: impl FnMut(u64, &StringRecord) -> Result<(), Error>) -> Result<(), Error> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(self.delimiter).from_reader(self.bytes);
        let mut row = StringRecord::new();
        for _ in 0..at_most {
            let more = reader.read_record(&mut row).map_err(|e| {
                let line = e.position().map_or(0, ::csv::Position::line);
                match e.kind() {
                    ErrorKind::Utf8 { .. } => {
                        Error::format(self.file, format!("line {line} is not UTF-8 text; save the file as CSV in UTF-8"))
                    }
                    _ => Error::format(self.file, format!("line {line} cannot be read: {e}")),
                }
            })?;
            if !more {
                break;
            }
            take(row.position().map_or(0, ::csv::Position::line), &row)?;
        }
        Ok(())
    }

    /// The text columns, read in a second pass.
    fn labels(&self, header_rows: usize, header: Option<&StringRecord>, at: &[usize]) -> Result<Vec<LabelColumn>, Error> {
        let name = |at: usize| match header.and_then(|names| names.get(at)) {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ if at == 0 => "row".into(),
            _ => format!("column {}", at + 1),
        };
        let mut out: Vec<_> = at.iter().map(|&at| LabelColumn { name: name(at), values: Vec::new() }).collect();
        if !at.is_empty() {
            self.rows(header_rows, |_, row| {
                for (column, &at) in out.iter_mut().zip(at) {
                    column.values.push(row[at].to_owned());
                }
                Ok(())
            })?;
        }
        Ok(out)
    }
}

/// The delimiter of the extension when the first line has it, else the most frequent of the others.
fn delimiter(file: &str, bytes: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0)];
    if extension(file) == "tsv" {
        counts.swap(0, 1);
    }
    let mut is_quoted = false;
    for &byte in bytes {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if is_quoted => {}
            _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, n)| *n += 1),
        }
    }
    let preferred = counts[0];
    if preferred.1 > 0 {
        return preferred.0;
    }
    // The first of equals: comma before tab before semicolon.
    counts.iter().rev().max_by_key(|(_, n)| *n).map_or(preferred.0, |found| if found.1 > 0 { found.0 } else { preferred.0 })
}
