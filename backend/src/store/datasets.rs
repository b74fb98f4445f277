//! Datasets: uploaded files, files registered in place, and what is in them.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use eigenscope::api::{DatasetInfo, DiskUse, JobRequest};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Blobs, Store, StoreError, jobs, signed, unsigned};

impl Store {
    /// Keeps an uploaded file. The same bytes again replace name and time: the newest name decides which reader is used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_dataset(&self, info: DatasetInfo, file: PathBuf) -> Result<(), StoreError> {
        let _secured = self.secure(&file, &info.id).await?;
        self.call(move |tx, blobs| insert(tx, blobs, &info, &file)).await
    }

    /// Keeps where a file lies that stays there. Bytes that the server has are not registered a second time: it keeps its copy.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register_dataset(&self, info: DatasetInfo, modified_ns: i64) -> Result<DatasetInfo, StoreError> {
        self.call(move |tx, blobs| {
            // A copy may be in the object store alone.
            let copy = tx.query_row("SELECT 1 FROM datasets WHERE id = ?1 AND path IS NULL", [&info.id], |_| Ok(())).optional()?;
            let has_copy = copy.is_some() || blobs.path(&info.id).exists();
            let info = DatasetInfo { path: info.path.filter(|_| !has_copy), ..info };
            write_row(tx, &info, info.path.as_ref().map(|_| modified_ns))?;
            Ok(info)
        })
        .await
    }

    /// The file with the bytes of a dataset, fetched from the object store where it is there alone.
    ///
    /// # Errors
    /// Those of [`Store::check_dataset`] and [`Store::blob`].
    pub async fn dataset_file(&self, info: &DatasetInfo) -> Result<PathBuf, StoreError> {
        self.check_dataset(info).await?;
        match &info.path {
            Some(path) => Ok(path.into()),
            None => self.blob(&info.id).await,
        }
    }

    /// Whether nothing has to be fetched for a dataset.
    #[must_use]
    pub fn has_here(&self, info: &DatasetInfo) -> bool {
        info.path.is_some() || self.blobs().path(&info.id).exists()
    }

    /// Whether a dataset is still what it was.
    ///
    /// # Errors
    /// [`StoreError`] of the database; [`StoreError::Changed`] when a file that was registered in place is not what it was, or its folder
    /// is not allowed any more.
    pub async fn check_dataset(&self, info: &DatasetInfo) -> Result<(), StoreError> {
        let Some(path) = info.path.clone() else { return Ok(()) };
        let id = info.id.clone();
        let sql = "SELECT modified_ns FROM datasets WHERE id = ?1";
        let known: Option<i64> = self.call(move |tx, _| Ok(tx.query_row(sql, [&id], |row| row.get(0)).optional()?.flatten())).await?;
        let is_permitted = self.permitted(Path::new(&path)).is_ok_and(|real| real == Path::new(&path));
        let now = modified_ns(Path::new(&path)).ok().filter(|_| is_permitted);
        if now != known.map(|at| (info.size_bytes, at)) {
            return Err(StoreError::Changed(path));
        }
        Ok(())
    }

    /// Bytes on the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn disk_use(&self) -> Result<DiskUse, StoreError> {
        let free_bytes = self.free_bytes();
        self.call(move |tx, blobs| {
            let sum = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0)).map(unsigned);
            let mut results = tx.prepare_cached("SELECT DISTINCT result FROM jobs WHERE result IS NOT NULL")?;
            let hashes = results.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
            let result_bytes = hashes.iter().filter_map(|hash| std::fs::metadata(blobs.path(hash)).ok()).map(|m| m.len()).sum();
            Ok(DiskUse {
                dataset_bytes: sum("SELECT coalesce(sum(size_bytes), 0) FROM datasets WHERE path IS NULL")?,
                result_bytes,
                upload_bytes: sum("SELECT coalesce(sum(received_bytes), 0) FROM uploads WHERE dataset IS NULL")?,
                free_bytes,
            })
        })
        .await
    }

    /// All datasets, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn datasets(&self) -> Result<Vec<DatasetInfo>, StoreError> {
        self.call(|tx, _| {
            let mut statement = tx.prepare_cached("SELECT * FROM datasets ORDER BY created_ms, id")?;
            let rows = statement.query_map([], raw)?.collect::<Result<Vec<_>, _>>()?;
            rows.into_iter().map(info).collect()
        })
        .await
    }

    /// One dataset.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dataset(&self, id: &str) -> Result<Option<DatasetInfo>, StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| tx.query_row("SELECT * FROM datasets WHERE id = ?1", [id], raw).optional()?.map(info).transpose()).await
    }

    /// Removes a dataset that no unfinished job reads. `None`: there is none; `Some(n)`: n jobs still need it, and if 0 it is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_dataset(&self, id: &str) -> Result<Option<usize>, StoreError> {
        let hash = id.to_owned();
        let users = self.call(move |tx, blobs| {
            if tx.query_row("SELECT 1 FROM datasets WHERE id = ?1", [&hash], |_| Ok(())).optional()?.is_none() {
                return Ok(None);
            }
            let users = unfinished_users(tx, &hash)?;
            if users == 0 {
                tx.execute("DELETE FROM datasets WHERE id = ?1", [&hash])?;
                jobs::remove_unreferenced(tx, blobs, &hash)?;
            }
            Ok(Some(users))
        });
        let users = users.await?;
        self.remove_object(Some(id.to_owned()).filter(|_| users == Some(0))).await;
        Ok(users)
    }
}

pub(super) fn unfinished_users(tx: &Transaction<'_>, dataset: &str) -> Result<usize, StoreError> {
    let mut statement = tx.prepare_cached("SELECT request FROM jobs WHERE state IN ('queued', 'running')")?;
    let requests = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut users = 0;
    for request in requests {
        let request: JobRequest = serde_json::from_str(&request)?;
        users += usize::from(request.inputs.values().any(|input| input.dataset == dataset));
    }
    Ok(users)
}

/// Moves a file in and writes its row.
pub(super) fn insert(tx: &Transaction<'_>, blobs: &Blobs, info: &DatasetInfo, file: &Path) -> Result<(), StoreError> {
    blobs.import(file, &info.id)?;
    write_row(tx, info, None)
}

fn write_row(tx: &Transaction<'_>, info: &DatasetInfo, modified_ns: Option<i64>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT OR REPLACE INTO datasets (id, name, size_bytes, created_ms, arrays, path, modified_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            info.id,
            info.name,
            signed(info.size_bytes),
            signed(info.created_ms),
            serde_json::to_string(&info.arrays)?,
            info.path,
            modified_ns
        ],
    )?;
    Ok(())
}

/// Length of a file and when it was changed last, in nanoseconds of Unix time.
///
/// # Errors
/// The file system's.
pub fn modified_ns(path: &Path) -> std::io::Result<(u64, i64)> {
    let metadata = std::fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}

struct Raw {
    id: String,
    name: String,
    size_bytes: i64,
    created_ms: i64,
    arrays: String,
    path: Option<String>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get("id")?,
        name: row.get("name")?,
        size_bytes: row.get("size_bytes")?,
        created_ms: row.get("created_ms")?,
        arrays: row.get("arrays")?,
        path: row.get("path")?,
    })
}

fn info(raw: Raw) -> Result<DatasetInfo, StoreError> {
    Ok(DatasetInfo {
        arrays: serde_json::from_str(&raw.arrays)?,
        id: raw.id,
        name: raw.name,
        size_bytes: unsigned(raw.size_bytes),
        created_ms: unsigned(raw.created_ms),
        path: raw.path,
    })
}
