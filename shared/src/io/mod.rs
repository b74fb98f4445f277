//! File formats: byte slices in, [`Dataset`]s out. Nothing here opens a file.

use crate::api::{ArrayInfo, DatasetSummary};
use crate::{Dataset, Error};

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
}

/// Lists the arrays in a file without loading them.
///
/// # Errors
/// [`Error::Format`] or [`Error::Unsupported`].
pub fn list(_name: &str, _bytes: &[u8], _limits: Limits) -> Result<Vec<ArrayInfo>, Error> {
    Err(Error::internal("not written yet"))
}

/// Reads one array of a file.
///
/// # Errors
/// [`Error::Format`] or [`Error::Unsupported`].
pub fn read(_name: &str, _bytes: &[u8], _member: Option<&str>, _limits: Limits) -> Result<Dataset, Error> {
    Err(Error::internal("not written yet"))
}

/// Writes a dataset as `.npy` (float32 or float64, C order).
#[must_use]
pub fn write_npy(_dataset: &Dataset) -> Vec<u8> {
    Vec::new()
}

/// What the page shows of a dataset.
#[must_use]
pub fn summarize(_dataset: &Dataset) -> DatasetSummary {
    DatasetSummary {
        name: String::new(),
        dtype: String::new(),
        shape: Vec::new(),
        n_non_finite: 0,
        column_names: None,
        labels: Vec::new(),
        thumbnail: crate::api::Thumbnail::default(),
    }
}
