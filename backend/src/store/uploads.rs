//! Uploads that can be gone on with: how many bytes are safe is a row, the bytes are a file.
//!
//! Bytes beyond the row's count were being received when the server was killed: they are cut off before more is written.

use std::path::{Path, PathBuf};

use eigenscope::api::{DatasetInfo, UploadInfo};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Store, StoreError, datasets, signed, unsigned};
use crate::ids;

/// An unfinished upload that nobody goes on with is removed after a week.
pub const KEEP_MS: u64 = 7 * 24 * 3_600_000;

/// An upload that begins.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Its id.
    pub id: String,
    /// File name.
    pub name: String,
    /// What the client sent about it, to be sent back.
    pub metadata: String,
    /// Length of the whole.
    pub size_bytes: u64,
    /// blake3 of the whole, when it is announced.
    pub hash: Option<String>,
}

impl Store {
    /// The file of the bytes of an upload.
    #[must_use]
    pub fn upload_file(&self, id: &str) -> PathBuf {
        self.0.root.join(super::UPLOADS).join(id)
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_upload(&self, new: NewUpload) -> Result<UploadInfo, StoreError> {
        tokio::fs::File::create(self.upload_file(&new.id)).await?;
        self.call(move |tx, _| {
            let now = signed(ids::now_ms());
            tx.execute(
                "INSERT INTO uploads (id, name, metadata, size_bytes, hash, created_ms, touched_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
                params![new.id, new.name, new.metadata, signed(new.size_bytes), new.hash, now],
            )?;
            find(tx, &new.id)?.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
        })
        .await
    }

    /// One upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upload(&self, id: &str) -> Result<Option<UploadInfo>, StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| find(tx, &id)).await
    }

    /// What the client sent about an upload; empty when there is no such upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upload_metadata(&self, id: &str) -> Result<String, StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| {
            let found = tx.query_row("SELECT metadata FROM uploads WHERE id = ?1", [&id], |row| row.get(0)).optional()?;
            Ok(found.unwrap_or_default())
        })
        .await
    }

    /// Uploads that have not ended, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uploads(&self) -> Result<Vec<UploadInfo>, StoreError> {
        self.call(|tx, _| {
            let mut statement = tx.prepare_cached("SELECT * FROM uploads WHERE dataset IS NULL ORDER BY created_ms, id")?;
            Ok(statement.query_map([], info)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Notes that so many bytes of an upload are in its file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report_received(&self, id: &str, received_bytes: u64) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| {
            let sql = "UPDATE uploads SET received_bytes = ?2, touched_ms = ?3 WHERE id = ?1";
            tx.execute(sql, params![id, signed(received_bytes), signed(ids::now_ms())])?;
            Ok(())
        })
        .await
    }

    /// Ends an upload: its file is the dataset now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn complete_upload(&self, id: &str, dataset: DatasetInfo) -> Result<(), StoreError> {
        let (id, file) = (id.to_owned(), self.upload_file(id));
        let _secured = self.secure(&file, &dataset.id).await?;
        let received = file.clone();
        self.call(move |tx, blobs| {
            datasets::insert(tx, blobs, &dataset, &received)?;
            let sql = "UPDATE uploads SET dataset = ?2, received_bytes = size_bytes, touched_ms = ?3 WHERE id = ?1";
            tx.execute(sql, params![id, dataset.id, signed(ids::now_ms())])?;
            Ok(())
        })
        .await?;
        remove_if_there(&file).await
    }

    /// Removes an upload and what it has received; a dataset that it became stays. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_upload(&self, id: &str) -> Result<bool, StoreError> {
        let (id, file) = (id.to_owned(), self.upload_file(id));
        let there = self.call(move |tx, _| Ok(tx.execute("DELETE FROM uploads WHERE id = ?1", [&id])? > 0)).await?;
        remove_if_there(&file).await?;
        Ok(there)
    }

    /// Removes uploads that nobody went on with, and files without a row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_old_uploads(&self, now_ms: u64) -> Result<(), StoreError> {
        let old = self.call(move |tx, _| {
            let mut statement = tx.prepare_cached("SELECT id FROM uploads WHERE touched_ms < ?1")?;
            let before = signed(now_ms.saturating_sub(KEEP_MS));
            Ok(statement.query_map([before], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?)
        });
        for id in old.await? {
            self.delete_upload(&id).await?;
        }
        let mut files = tokio::fs::read_dir(self.0.root.join(super::UPLOADS)).await?;
        while let Some(file) = files.next_entry().await? {
            let id = file.file_name().to_string_lossy().into_owned();
            if self.upload(&id).await?.is_none_or(|upload| upload.dataset.is_some()) {
                tokio::fs::remove_file(file.path()).await?;
            }
        }
        Ok(())
    }
}

async fn remove_if_there(file: &Path) -> Result<(), StoreError> {
    match tokio::fs::remove_file(file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn find(tx: &Transaction<'_>, id: &str) -> Result<Option<UploadInfo>, StoreError> {
    Ok(tx.query_row("SELECT * FROM uploads WHERE id = ?1", [id], info).optional()?)
}

fn info(row: &Row<'_>) -> rusqlite::Result<UploadInfo> {
    Ok(UploadInfo {
        id: row.get("id")?,
        name: row.get("name")?,
        size_bytes: unsigned(row.get("size_bytes")?),
        received_bytes: unsigned(row.get("received_bytes")?),
        hash: row.get("hash")?,
        dataset: row.get("dataset")?,
        created_ms: unsigned(row.get("created_ms")?),
        expires_ms: unsigned(row.get("touched_ms")?).saturating_add(KEEP_MS),
    })
}
