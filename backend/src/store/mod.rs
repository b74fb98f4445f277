//! What the server remembers: datasets, jobs and events in `SQLite`, bytes in files named by their hash.
//!
//! There is one connection behind a mutex, used from blocking threads (`Store::call`); files are moved in and removed under the same
//! mutex, so that a row never points to bytes that another request is deleting.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use remote::Remote;
use rusqlite::{Connection, Transaction};
use tokio::sync::watch;

pub mod backup;
mod blobs;
mod counts;
mod datasets;
mod events;
pub mod inspect;
mod job_rows;
mod jobs;
mod remote;
mod roots;
mod schema;
mod tasks;
mod uploads;

pub use blobs::{Blobs, hash_file};
pub use counts::Counts;
pub use datasets::modified_ns;
pub use jobs::{NewJob, Outcome, Submitted};
pub use remote::{fetch, reach};
pub use roots::Refused;
pub use uploads::{KEEP_MS as UPLOADS_LAST_MS, NewUpload};

/// Why the store did not answer: always a defect or a full disk, never the user's data.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `SQLite` failed.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The file system failed.
    #[error("files: {0}")]
    Io(#[from] std::io::Error),
    /// The object store failed.
    #[error("the object store does not answer as it should: {}", remote::brief(.0))]
    Remote(#[from] object_store::Error),
    /// A row does not read back.
    #[error("a stored row does not read back: {0}")]
    Json(#[from] serde_json::Error),
    /// The data folder is in use or from a newer program.
    #[error("{0}")]
    Unusable(String),
    /// A file that was registered in place is not what it was.
    #[error("{0} was changed, removed or put out of the allowed folders since it was registered; register it again")]
    Changed(String),
    /// A blocking thread panicked.
    #[error("a database task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl StoreError {
    /// Whether nothing is wrong but that the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Io(error) => matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded),
            Self::Json(_) | Self::Unusable(_) | Self::Changed(_) | Self::Task(_) | Self::Remote(_) => false,
        }
    }
}

/// The data folder of a server.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Folders outside in which files may be read.
    roots: Vec<PathBuf>,
    blobs: Blobs,
    /// Where the bytes are as well, for good.
    remote: Option<Remote>,
    connection: Mutex<Connection>,
    /// Id of the newest event: streams wait for it to grow, then read the table.
    newest_event: watch::Sender<u64>,
    /// Held while the server lives: two servers on one folder would run each other's jobs.
    _lock: File,
}

/// Pieces of jobs by what gives them.
const PIECES: &str = "pieces";
/// Bytes of unfinished uploads, by the upload's id.
const UPLOADS: &str = "uploads";
/// The file with the tables.
const DATABASE: &str = "eigenscope.db";
/// A file that is there while a backup is being made: a folder with it is not served.
const INCOMPLETE: &str = "unfinished-backup";
/// The folder of the folders of jobs.
const TASKS: &str = "tasks";
/// What tasks said, by job.
const LOGS: &str = "logs";

/// What a store has beside its folder.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Folders in which files may be read in place.
    pub roots: Vec<PathBuf>,
    /// An object store for the bytes: `s3://bucket/prefix`.
    pub blobs: Option<String>,
    /// Bytes of it that are kept in the folder as well.
    pub cache_bytes: u64,
}

impl Default for Beside {
    fn default() -> Self {
        Self { roots: Vec::new(), blobs: None, cache_bytes: 64 << 30 }
    }
}

impl Store {
    /// Opens or creates the data folder; what an earlier server left unfinished in `tmp` and `tasks` is removed.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when another server holds the folder, a newer one wrote it, or what is beside it cannot be used; otherwise the file system's or `SQLite`'s.
    pub fn open(root: &Path, beside: &Beside) -> Result<Self, StoreError> {
        let real = |root: &PathBuf| {
            let unusable = |e| StoreError::Unusable(format!("the folder {} cannot be used: {e}", root.display()));
            root.canonicalize().map_err(unusable)
        };
        let roots = beside.roots.iter().map(real).collect::<Result<_, _>>()?;
        create_private(root)?;
        if root.join(INCOMPLETE).exists() {
            return Err(StoreError::Unusable(format!("{} is an unfinished backup; make it again in a new folder", root.display())));
        }
        let lock = File::create(root.join("lock"))?;
        if lock.try_lock().is_err() {
            return Err(StoreError::Unusable(format!("{} is in use by another server; choose another --data-dir", root.display())));
        }
        let tmp = root.join("tmp");
        if tmp.exists() {
            fs::remove_dir_all(&tmp)?;
        }
        fs::create_dir_all(&tmp)?;
        fs::create_dir_all(root.join(TASKS))?;
        fs::create_dir_all(root.join(UPLOADS))?;
        let blobs = Blobs::new(root.join("blobs"));
        let remote = beside.blobs.as_ref().map(|address| Remote::open(address, beside.cache_bytes)).transpose()?;
        Remote::take(remote.as_ref(), root)?;
        let mut connection = Connection::open(root.join(DATABASE))?;
        schema::migrate(&mut connection)?;
        let transaction = connection.transaction()?;
        jobs::remove_orphans(&transaction, &blobs)?;
        transaction.commit()?;
        let newest = events::newest(&connection)?;
        let (newest_event, _) = watch::channel(newest);
        Ok(Self(Arc::new(Inner { root: root.into(), roots, blobs, remote, connection: Mutex::new(connection), newest_event, _lock: lock })))
    }

    /// The bytes.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// Folder for files that are being received, on the same file system as the blobs.
    #[must_use]
    pub fn tmp_dir(&self) -> PathBuf {
        self.0.root.join("tmp")
    }

    /// Free bytes on the disk of the data folder, for this user; `None` where the system does not tell.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        let of = rustix::fs::statvfs(&self.0.root).ok()?;
        of.f_bavail.checked_mul(of.f_frsize)
    }

    /// A piece that several jobs need, by its key.
    #[must_use]
    pub fn piece(&self, key: &str) -> PathBuf {
        self.0.root.join(PIECES).join(key)
    }

    /// Removes pieces that no job has needed for so long.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_old_pieces(&self, age: std::time::Duration) -> Result<(), StoreError> {
        let Ok(mut files) = tokio::fs::read_dir(self.0.root.join(PIECES)).await else { return Ok(()) };
        while let Some(file) = files.next_entry().await? {
            let is_old = file.metadata().await?.modified().is_ok_and(|at| at.elapsed().is_ok_and(|past| past > age));
            if is_old {
                tokio::fs::remove_file(file.path()).await?;
            }
        }
        Ok(())
    }

    /// Folder of one running job.
    #[must_use]
    pub fn task_dir(&self, job: &str) -> PathBuf {
        self.0.root.join(TASKS).join(job)
    }

    /// Where what a task says is kept.
    #[must_use]
    pub fn log_file(&self, job: &str, i: usize) -> PathBuf {
        self.0.root.join(LOGS).join(job).join(format!("{i}.log"))
    }

    /// Removes what the tasks of a job said.
    pub async fn remove_logs(&self, job: &str) {
        // There may be none; one that stays is removed at the next start.
        tokio::fs::remove_dir_all(self.0.root.join(LOGS).join(job)).await.ok();
    }

    /// Removes what the tasks of jobs said that are not there any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_old_logs(&self) -> Result<(), StoreError> {
        let Ok(mut folders) = tokio::fs::read_dir(self.0.root.join(LOGS)).await else { return Ok(()) };
        while let Some(folder) = folders.next_entry().await? {
            let id = folder.file_name().to_string_lossy().into_owned();
            if self.job(&id).await?.is_none() {
                self.remove_logs(&id).await;
            }
        }
        Ok(())
    }

    /// The hash of a file, as [`Blobs`] names it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hash_of(&self, file: PathBuf) -> Result<String, StoreError> {
        Ok(tokio::task::spawn_blocking(move || hash_file(&file)).await??)
    }

    /// Removes the folder of a job, if there is one.
    pub async fn remove_task_dir(&self, job: &str) {
        match tokio::fs::remove_dir_all(self.task_dir(job)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => tracing::warn!(job, %error, "a task folder could not be removed"),
            _ => {}
        }
    }

    /// Folders of jobs that will not go on: those that an earlier server left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn old_task_dirs(&self) -> Result<Vec<String>, StoreError> {
        let mut old = Vec::new();
        let mut folders = tokio::fs::read_dir(self.0.root.join(TASKS)).await?;
        while let Some(folder) = folders.next_entry().await? {
            let id = folder.file_name().to_string_lossy().into_owned();
            if self.job(&id).await?.is_none_or(|(job, _)| job.state.is_final()) {
                old.push(id);
            }
        }
        Ok(old)
    }

    /// Runs `work` in a transaction on a blocking thread; commits when it succeeds and then wakes the event streams.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call_with(false, work).await
    }

    /// As [`Self::call`], but also a power cut does not undo it: for what somebody is told has happened.
    async fn call_durably<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call_with(true, work).await
    }

    async fn call_with<T: Send + 'static>(
        &self,
        durably: bool,
        work: impl FnOnce(&Transaction<'_>, &Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let mut connection = inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.pragma_update(None, "synchronous", if durably { "FULL" } else { "NORMAL" })?;
            let transaction = connection.transaction()?;
            let out = work(&transaction, &inner.blobs)?;
            let newest = events::newest(&transaction)?;
            transaction.commit()?;
            inner.newest_event.send_if_modified(|id| std::mem::replace(id, newest) != newest);
            Ok(out)
        })
        .await?
    }
}

/// Creates a folder that only its owner opens; one that is there already stays as it is.
fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// `SQLite` integers are signed.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
