//! Datasets: uploaded files and what is in them.

use std::path::PathBuf;

use eigenscope::api::{DatasetInfo, JobRequest};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Store, StoreError, jobs, signed, unsigned};

impl Store {
    /// Keeps an uploaded file. The same bytes again replace name and time: the newest name decides which reader is used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_dataset(&self, info: DatasetInfo, file: PathBuf) -> Result<(), StoreError> {
        self.call(move |tx, blobs| {
            let arrays = serde_json::to_string(&info.arrays)?;
            blobs.import(&file, &info.id)?;
            tx.execute(
                "INSERT OR REPLACE INTO datasets (id, name, size_bytes, created_ms, arrays) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![info.id, info.name, signed(info.size_bytes), signed(info.created_ms), arrays],
            )?;
            Ok(())
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
        let id = id.to_owned();
        self.call(move |tx, blobs| {
            if tx.query_row("SELECT 1 FROM datasets WHERE id = ?1", [&id], |_| Ok(())).optional()?.is_none() {
                return Ok(None);
            }
            let users = unfinished_users(tx, &id)?;
            if users == 0 {
                tx.execute("DELETE FROM datasets WHERE id = ?1", [&id])?;
                jobs::remove_unreferenced(tx, blobs, &id)?;
            }
            Ok(Some(users))
        })
        .await
    }
}

fn unfinished_users(tx: &Transaction<'_>, dataset: &str) -> Result<usize, StoreError> {
    let mut statement = tx.prepare_cached("SELECT request FROM jobs WHERE state IN ('queued', 'running')")?;
    let requests = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut users = 0;
    for request in requests {
        let request: JobRequest = serde_json::from_str(&request)?;
        users += usize::from(request.inputs.values().any(|input| input.dataset == dataset));
    }
    Ok(users)
}

type Raw = (String, String, i64, i64, String);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get("id")?, row.get("name")?, row.get("size_bytes")?, row.get("created_ms")?, row.get("arrays")?))
}

fn info((id, name, size_bytes, created_ms, arrays): Raw) -> Result<DatasetInfo, StoreError> {
    let arrays = serde_json::from_str(&arrays)?;
    Ok(DatasetInfo { id, name, size_bytes: unsigned(size_bytes), created_ms: unsigned(created_ms), arrays })
}
