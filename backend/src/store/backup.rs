//! A copy of a data folder, made while a server writes to it.
//!
//! The database is copied in one read transaction, which holds no writer up; then the bytes that its rows name are linked or copied. Bytes that
//! were removed between the two belong to rows that are gone as well: then the database is copied again. A row of the copy never points to bytes
//! that are not in it, unless they last in an object store: then it holds what the folder has of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::remote::ADDRESS;
use super::{Blobs, DATABASE, INCOMPLETE, StoreError, create_private, schema};

/// Copies of the database until the bytes that it names hold still.
const ATTEMPTS: usize = 50;

/// How bytes get into a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// By a second name of the same file where the disk allows it: at once, and no room is needed.
    Linked,
    /// By a copy: safe from a disk that loses them.
    Copied,
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Backup {
    /// Files of datasets and results.
    pub files: u64,
    /// Their size together.
    pub bytes: u64,
    /// How many of them are links.
    pub linked: u64,
}

/// Makes a backup of a data folder, in use or not, in a new folder, which a server can serve.
///
/// # Errors
/// [`StoreError::Unusable`] when there is no database, the new folder has something in it, or bytes are missing in the data folder; otherwise
/// the file system's or `SQLite`'s.
pub fn backup(root: &Path, out: &Path, how: Bytes) -> Result<Backup, StoreError> {
    if !root.join(DATABASE).is_file() {
        return Err(StoreError::Unusable(format!(
            "{} is no data folder: it has no {DATABASE}; name the --data-dir of a server",
            root.display()
        )));
    }
    create_private(out)?;
    if fs::read_dir(out)?.next().is_some() {
        return Err(StoreError::Unusable(format!("{} is not empty; name a new folder for the backup", out.display())));
    }
    let marker = out.join(INCOMPLETE);
    File::create(&marker)?.sync_all()?;
    let (from, to) = (Blobs::new(root.join("blobs")), Blobs::new(out.join("blobs")));
    let copy = out.join(DATABASE);
    // Then the bytes last elsewhere: what is here of them is a cache.
    let is_cache = root.join(ADDRESS).exists();
    if is_cache {
        fs::copy(root.join(ADDRESS), out.join(ADDRESS))?;
    }
    let mut linked = BTreeSet::new();
    let mut named = BTreeSet::new();
    for attempt in 1.. {
        copy_database(root, &copy)?;
        named = named_bytes(&copy)?;
        let mut missing = None;
        for hash in &named {
            match bring(&from.path(hash), &to.path(hash), how) {
                Ok(Brought::Already) => {}
                Ok(Brought::Linked) => _ = linked.insert(hash.clone()),
                Ok(Brought::Copied) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => missing = Some(hash).filter(|_| !is_cache),
                Err(e) => return Err(e.into()),
            }
        }
        match missing {
            None => break,
            Some(hash) if attempt == ATTEMPTS => {
                return Err(StoreError::Unusable(format!(
                    "the bytes {hash} are missing in {}, although a row names them; see eigenscope doctor --data-dir",
                    root.display()
                )));
            }
            Some(_) => {}
        }
    }
    let (files, bytes) = keep_only(&to, &named)?;
    File::open(&copy)?.sync_all()?;
    fs::remove_file(&marker)?;
    File::open(out)?.sync_all()?;
    Ok(Backup { files, bytes, linked: linked.intersection(&named).count() as u64 })
}

fn copy_database(root: &Path, copy: &Path) -> Result<(), StoreError> {
    match fs::remove_file(copy) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    let connection = Connection::open_with_flags(root.join(DATABASE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    schema::check_version(&connection)?;
    let name = copy.to_str().ok_or_else(|| StoreError::Unusable(format!("{} is no UTF-8 name", copy.display())))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

/// The hashes that the rows of a database name.
pub(super) fn named_bytes(database: &Path) -> Result<BTreeSet<String>, StoreError> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Tables of an earlier version know no files that lie elsewhere.
    let knows_paths: bool =
        connection.query_row("SELECT EXISTS (SELECT 1 FROM pragma_table_info('datasets') WHERE name = 'path')", [], |row| row.get(0))?;
    let kept = if knows_paths { "SELECT id FROM datasets WHERE path IS NULL" } else { "SELECT id FROM datasets" };
    let mut statement = connection.prepare(&format!("{kept} UNION SELECT result FROM jobs WHERE result IS NOT NULL"))?;
    let hashes = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(hashes.collect::<Result<_, _>>()?)
}

enum Brought {
    Already,
    Linked,
    Copied,
}

fn bring(from: &Path, to: &Path, how: Bytes) -> io::Result<Brought> {
    if to.exists() {
        return Ok(Brought::Already);
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    // Where the disk makes no links, or the backup is on another one, the bytes are copied.
    if how == Bytes::Linked && fs::hard_link(from, to).is_ok() {
        return Ok(Brought::Linked);
    }
    let partial = to.with_extension("partial");
    fs::copy(from, &partial)?;
    File::open(&partial)?.sync_all()?;
    fs::rename(&partial, to)?;
    Ok(Brought::Copied)
}

/// Removes bytes that only an earlier copy of the database named; counts the rest.
fn keep_only(blobs: &Blobs, named: &BTreeSet<String>) -> Result<(u64, u64), StoreError> {
    let (mut files, mut bytes) = (0, 0);
    let Ok(folders) = fs::read_dir(blobs.root()) else { return Ok((0, 0)) };
    for folder in folders {
        let folder = folder?.path();
        for file in fs::read_dir(&folder)? {
            let file = file?;
            if named.contains(file.file_name().to_string_lossy().as_ref()) {
                files += 1;
                bytes += file.metadata()?.len();
            } else {
                fs::remove_file(file.path())?;
            }
        }
        File::open(&folder)?.sync_all()?;
    }
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Beside, Store};
    use eigenscope::api::DatasetInfo;

    async fn keep(store: &Store, bytes: &[u8]) -> String {
        let file = store.tmp_dir().join(crate::ids::random_hex().expect("random"));
        fs::write(&file, bytes).expect("written");
        let id = blake3::hash(bytes).to_hex().to_string();
        let info = DatasetInfo {
            id: id.clone(),
            name: "a.npy".into(),
            size_bytes: bytes.len() as u64,
            created_ms: 1,
            arrays: Vec::new(),
            path: None,
        };
        store.insert_dataset(info, file).await.expect("kept");
        id
    }

    #[tokio::test]
    async fn a_backup_of_an_open_store_opens_with_its_rows_and_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, out) = (folder.path().join("data"), folder.path().join("backup"));
        let store = Store::open(&root, &Beside::default()).expect("opens");
        let (a, b) = (keep(&store, b"first").await, keep(&store, b"second").await);
        let report = backup(&root, &out, Bytes::Linked).expect("made");
        assert_eq!((report.files, report.bytes, report.linked), (2, 11, 2));
        store.delete_dataset(&a).await.expect("deleted");
        let restored = Store::open(&out, &Beside::default()).expect("the backup opens while the original is open");
        let ids: BTreeSet<_> = restored.datasets().await.expect("rows").into_iter().map(|d| d.id).collect();
        assert_eq!(ids, BTreeSet::from([a.clone(), b]));
        assert_eq!(fs::read(restored.blobs().path(&a)).expect("its bytes"), b"first", "what was removed later is still in the backup");
        let copied = backup(&root, &folder.path().join("copied"), Bytes::Copied).expect("made");
        assert_eq!((copied.files, copied.linked), (1, 0));
    }

    #[tokio::test]
    async fn what_cannot_be_backed_up_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, out) = (folder.path().join("data"), folder.path().join("backup"));
        let refusal = |root: &Path, out: &Path| backup(root, out, Bytes::Linked).expect_err("refused").to_string();
        assert!(refusal(&root, &out).contains("no data folder"), "{}", refusal(&root, &out));
        let store = Store::open(&root, &Beside::default()).expect("opens");
        assert!(refusal(&root, &root).contains("not empty"), "{}", refusal(&root, &root));
        let id = keep(&store, b"lost").await;
        fs::remove_file(store.blobs().path(&id)).expect("lost");
        let lost = refusal(&root, &out);
        assert!(lost.contains(&id), "{lost}");
        let broken = Store::open(&out, &Beside::default()).expect_err("an unfinished backup is not served").to_string();
        assert!(broken.contains("unfinished backup"), "{broken}");
    }
}
