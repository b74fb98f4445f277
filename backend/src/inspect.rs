//! What is in a file: for the command line, and for the server, which asks a process so that no reader can harm it.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use eigenscope::Error;
use eigenscope::api::ArrayInfo;
use eigenscope::io::{self, Limits};
use serde::{Deserialize, Serialize};

use crate::stored;

/// What the process prints for the server.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said<T> {
    /// What it found.
    Found(T),
    /// Why it found nothing.
    Error(Error),
}

impl<T> From<Result<T, Error>> for Said<T> {
    fn from(outcome: Result<T, Error>) -> Self {
        outcome.map_or_else(Self::Error, Self::Found)
    }
}

/// The arrays of a file, without their values: of NPY and HDF5 files only the headers are read.
///
/// # Errors
/// [`Error::Input`] when it cannot be opened, else those of [`io::list`].
pub fn arrays(path: &Path, name: &str) -> Result<Vec<ArrayInfo>, Error> {
    let unreadable = |e: std::io::Error| Error::input(name, format!("the file cannot be read: {e}"));
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if stored::is_npy(&mut file) {
        file.rewind().map_err(unreadable)?;
        return Ok(vec![io::list_npy(name, file, length, Limits::NATIVE)?]);
    }
    if let Some(place) = stored::hdf5(path)? {
        return io::list_hdf5(name, &place, Limits::NATIVE);
    }
    file.rewind().map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    io::list(name, &bytes, Limits::NATIVE)
}
