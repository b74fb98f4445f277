//! Tables, written so that they read back as they were.

use std::borrow::Cow;
use std::io::Write;

use ::csv::{QuoteStyle, WriterBuilder};

use super::{Cell, cell};
use crate::dataset::{Values, shape_text};
use crate::{Dataset, Error};

/// What the first column is called when a file gave it no name.
const UNNAMED: &str = "row";

/// Whether the names of the columns of this array would be read back as names: names that are numbers may look like values.
pub(in crate::io) fn holds_names(array: &Dataset) -> bool {
    let Some(names) = array.column_names.as_ref().filter(|names| array.shape().get(1) == Some(&names.len())) else { return false };
    if names.iter().any(|name| name.contains('\0')) {
        return false;
    }
    let header: Vec<Cow<'_, str>> = label_names(array).chain(names.iter().map(|name| Cow::Borrowed(name.as_str()))).collect();
    let kinds: Vec<Cell> = header.iter().map(|name| cell(name)).collect();
    let has_rows = array.shape().first().is_some_and(|n| *n > 0);
    let is_text = |kind: &Cell| matches!(kind, Cell::Text | Cell::Word);
    let no_number = !kinds.iter().any(|kind| matches!(kind, Cell::Number(_))) && kinds.iter().any(is_text);
    let number_below_text = kinds[array.labels.len()..].iter().zip(values(array)).any(|(kind, v)| *kind == Cell::Text && v.is_finite());
    let counted = array.labels.len() == 1 && header[0].is_empty() && names.iter().enumerate().all(|(i, name)| *name == i.to_string());
    // A first column without a name is one of labels.
    let is_first_named = !array.labels.is_empty() || header.len() == 1 || header.first().is_some_and(|name| !name.is_empty());
    is_first_named && (no_number || has_rows && (number_below_text || counted))
}

/// Names of the text columns as they are written: a number would make values of the names of all columns.
fn label_names(array: &Dataset) -> impl Iterator<Item = Cow<'_, str>> {
    let written = |(i, name)| match cell(name) {
        _ if i == 0 && name == UNNAMED => Cow::Borrowed(""),
        Cell::Number(_) => Cow::Owned(format!("label {name}")),
        Cell::Special(_) | Cell::Word | Cell::Text => Cow::Borrowed(name),
    };
    array.labels.iter().map(|column| column.name.as_str()).enumerate().map(written)
}

/// Writes a table: text columns, then numbers, f32 as the f64 that it equals.
///
/// # Errors
/// [`Error::Shape`] for more than two axes and for a table without rows or columns; [`Error::Input`] when `out` fails.
pub(in crate::io) fn write(array: &Dataset, out: impl Write) -> Result<(), Error> {
    let refuse = |expected: &str| Error::Shape {
        what: array.name.clone(),
        expected: expected.into(),
        got: format!("{} axes ({})", array.shape().len(), shape_text(array.shape())),
    };
    if array.shape().len() > 2 {
        return Err(refuse("at most 2 axes, as a table has; write .npy, .npz, .h5 or .mat"));
    }
    let n_rows = array.shape().first().copied().unwrap_or(1);
    let n_columns = array.shape().get(1).copied().unwrap_or(1);
    let names = array.column_names.as_ref().filter(|_| holds_names(array));
    if n_columns + array.labels.len() == 0 || n_rows == 0 && names.is_none() {
        return Err(refuse("a table with rows and columns; write .npy, .npz, .h5 or .mat"));
    }
    // Quotes keep delimiters of other tables, and beginnings of other formats, from being taken for what they look like.
    let mut table = WriterBuilder::new().quote_style(QuoteStyle::NonNumeric).flexible(true).from_writer(out);
    let failed = |e: ::csv::Error| Error::input("output", format!("the file cannot be written: {e}"));
    if names.is_some() || !array.labels.is_empty() {
        let labels = label_names(array).map(Cow::into_owned);
        let numbers = (0..n_columns).map(|j| names.map_or_else(|| format!("column {}", j + 1), |names| names[j].clone()));
        table.write_record(labels.chain(numbers)).map_err(failed)?;
    }
    let mut values = values(array);
    for i in 0..n_rows {
        for column in &array.labels {
            table.write_field(column.values.get(i).map_or("", String::as_str)).map_err(failed)?;
        }
        for value in values.by_ref().take(n_columns) {
            // The shortest digits that read back as this number.
            table.write_field(value.to_string()).map_err(failed)?;
        }
        table.write_record(None::<&[u8]>).map_err(failed)?;
    }
    table.flush().map_err(|e| Error::input("output", format!("the file cannot be written: {e}")))
}

fn values(array: &Dataset) -> Box<dyn Iterator<Item = f64> + '_> {
    match &*array.values {
        Values::F32(a) => Box::new(a.iter().map(|&v| f64::from(v))),
        Values::F64(a) => Box::new(a.iter().copied()),
    }
}
