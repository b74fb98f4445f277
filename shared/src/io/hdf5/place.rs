//! Files that stay where they are.

use std::fmt;
use std::io;
use std::sync::Arc;

use hdf5_reader::{RangeRequestStorage, storage::DynStorage};

type Read = dyn Fn(u64, &mut [u8]) -> io::Result<()> + Send + Sync;

/// A file that is read where it is needed: its length, and what fills a slice from a place on.
#[derive(Clone)]
pub struct ReadAt {
    length: u64,
    read: Arc<Read>,
}

impl fmt::Debug for ReadAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadAt").field("length", &self.length).finish_non_exhaustive()
    }
}

impl ReadAt {
    /// A file of so many bytes.
    pub fn new(length: u64, read: impl Fn(u64, &mut [u8]) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { length, read: Arc::new(read) }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn begins_with(&self, magic: &[u8]) -> bool {
        let mut head = vec![0; magic.len()];
        (self.read)(0, &mut head).is_ok() && head == magic
    }

    pub(super) fn storage(&self) -> DynStorage {
        let read = Arc::clone(&self.read);
        // The length of what is asked for was compared with that of the file.
        Arc::new(RangeRequestStorage::new(self.length, move |at, length| {
            let mut bytes = vec![0; length];
            read(at, &mut bytes)?;
            Ok(bytes)
        }))
    }
}
