//! A look at a data folder from outside: nothing is changed, a server may run on it.

use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::remote::ADDRESS;
use super::{Blobs, DATABASE, StoreError, backup, schema};

/// Problems that are listed of one kind.
const MAX_PROBLEMS: usize = 5;

/// What a data folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Version of its tables.
    pub version: usize,
    /// Version that this program writes.
    pub known_version: usize,
    /// What `SQLite` says of its integrity; empty when all is well.
    pub corrupt: Vec<String>,
    /// Hashes of bytes that a row names and that are not there; none where they last in an object store.
    pub missing: Vec<String>,
    /// Where the bytes last, if not in the folder.
    pub object_store: Option<String>,
    /// Whether a server runs on it.
    pub is_served: bool,
}

/// Inspects a data folder; nothing where there is no database yet.
///
/// # Errors
/// [`StoreError`] when the database cannot be read at all.
pub fn inspect(root: &Path) -> Result<Option<Inspection>, StoreError> {
    let database = root.join(DATABASE);
    if !database.is_file() {
        return Ok(None);
    }
    let is_served = File::open(root.join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err());
    let connection = Connection::open_with_flags(&database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let version = schema::version(&connection)?;
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({MAX_PROBLEMS})"))?;
    let said = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let corrupt = if said == ["ok"] { Vec::new() } else { said };
    let blobs = Blobs::new(root.join("blobs"));
    let object_store = std::fs::read_to_string(root.join(ADDRESS)).ok().map(|address| address.trim().to_owned());
    let mut missing = Vec::new();
    if version == schema::NEWEST && corrupt.is_empty() {
        let named = backup::named_bytes(&database)?;
        missing =
            named.into_iter().filter(|_| object_store.is_none()).filter(|hash| !blobs.path(hash).is_file()).take(MAX_PROBLEMS).collect();
    }
    Ok(Some(Inspection { version, known_version: schema::NEWEST, corrupt, missing, object_store, is_served }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Beside, Store};

    #[test]
    fn a_folder_is_inspected_while_it_is_served_and_after() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(inspect(folder.path()).expect("looks"), None);
        let store = Store::open(folder.path(), &Beside::default()).expect("opens");
        let look = || inspect(folder.path()).expect("looks").expect("a database");
        assert_eq!((look().version, look().is_served, look().corrupt.len()), (schema::NEWEST, true, 0));
        drop(store);
        assert!(!look().is_served, "nobody holds it");
        let file = folder.path().join(DATABASE);
        let mut bytes = std::fs::read(&file).expect("read");
        let half = bytes.len() / 2;
        bytes[half..].fill(0x5a);
        std::fs::write(&file, bytes).expect("written");
        assert!(inspect(folder.path()).is_err() || !look().corrupt.is_empty(), "damage is seen");
    }
}
