//! Bytes in an object store (S3): the store of record, of which the folder of blobs is a cache.
//!
//! Credentials, region and endpoint come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
//! `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`). Objects are named as blobs are, by their hash below a prefix, and written once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use object_store::buffered::BufWriter;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;
use tokio::sync::RwLock;
use url::Url;

use super::{Store, StoreError, jobs};

/// Bytes of a part of a large object, and parts in flight: what one transfer takes of the memory.
const PART_BYTES: usize = 8 << 20;
const PARTS: usize = 3;
/// What was used so recently stays in the cache: a task may be about to open it.
const RECENT: Duration = Duration::from_secs(600);

/// An object store and the prefix in it.
#[derive(Debug)]
pub(super) struct Remote {
    objects: Arc<dyn ObjectStore>,
    prefix: Key,
    /// Largest size of the cache.
    cache_bytes: u64,
    /// Read while bytes are put and their row is written, written while bytes that no row names are removed: an object that is put again
    /// at the moment of its removal is not lost.
    turn: RwLock<()>,
}

impl Remote {
    /// The object store at `s3://bucket/prefix`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the address or the environment is not understood.
    pub(super) fn open(address: &str, cache_bytes: u64) -> Result<Self, StoreError> {
        let unusable = |what: String| StoreError::Unusable(format!("--blobs {address}: {what}"));
        let url = Url::parse(address).map_err(|e| unusable(format!("{e}; it looks like s3://bucket/prefix")))?;
        if url.scheme() != "s3" {
            return Err(unusable("only s3://bucket/prefix is known".into()));
        }
        let (objects, prefix) = object_store::parse_url_opts(&url, std::env::vars()).map_err(|e| unusable(e.to_string()))?;
        Ok(Self { objects: objects.into(), prefix, cache_bytes, turn: RwLock::new(()) })
    }

    fn key(&self, hash: &str) -> Key {
        self.prefix.clone().join(hash.get(..2).unwrap_or("__")).join(hash)
    }

    /// Writes an object, whole or not at all; one of this name has these bytes already.
    async fn put(&self, hash: &str, file: &Path) -> Result<(), StoreError> {
        let key = self.key(hash);
        let length = tokio::fs::metadata(file).await?.len();
        if self.objects.head(&key).await.is_ok_and(|there| there.size == length) {
            return Ok(());
        }
        let mut from = tokio::fs::File::open(file).await?;
        let mut to = BufWriter::with_capacity(Arc::clone(&self.objects), key, PART_BYTES).with_max_concurrency(PARTS);
        let copied = tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(1 << 20, &mut from), &mut to).await;
        if let Err(error) = copied {
            to.abort().await?;
            return Err(error.into());
        }
        Ok(to.shutdown().await?)
    }

    /// Reads an object into a file.
    async fn get(&self, hash: &str, file: &Path) -> Result<(), StoreError> {
        let mut bytes = self.objects.get(&self.key(hash)).await?.into_stream();
        let mut to = tokio::fs::File::create(file).await?;
        while let Some(piece) = bytes.next().await {
            to.write_all(&piece?).await?;
        }
        to.flush().await?;
        Ok(to.sync_all().await?)
    }
}

impl Store {
    /// Brings the bytes of a file to where they last: to the disk and to the object store, if there is one.
    /// The guard is kept until their row is written.
    pub(super) async fn secure(&self, file: &Path, hash: &str) -> Result<impl Sized + use<'_>, StoreError> {
        tokio::fs::File::open(file).await?.sync_all().await?;
        let Some(remote) = &self.0.remote else { return Ok(None) };
        let turn = remote.turn.read().await;
        remote.put(hash, file).await?;
        Ok(Some(turn))
    }

    /// The file with the bytes of this hash, fetched from the object store where it is not in the cache.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn blob(&self, hash: &str) -> Result<std::path::PathBuf, StoreError> {
        let path = self.blobs().path(hash);
        let Some(remote) = &self.0.remote else { return Ok(path) };
        if path.exists() {
            // For the cache: it was used just now.
            let touched = path.clone();
            tokio::task::spawn_blocking(move || std::fs::File::open(touched).and_then(|file| file.set_modified(SystemTime::now()))).await??;
            return Ok(path);
        }
        let part = self.tmp_dir().join(crate::ids::random_hex()?);
        remote.get(hash, &part).await?;
        let (blobs, wanted) = (self.blobs().clone(), hash.to_owned());
        tokio::task::spawn_blocking(move || {
            let is_whole = super::hash_file(&part)? == wanted;
            if is_whole {
                blobs.import(&part, &wanted)?;
            }
            std::fs::remove_file(&part)?;
            if is_whole { Ok(()) } else { Err(std::io::Error::other(format!("the object store has other bytes under {wanted}"))) }
        })
        .await??;
        self.trim_cache().await?;
        Ok(path)
    }

    /// Removes an object whose last row is gone.
    pub(super) async fn remove_object(&self, hash: Option<String>) -> Result<(), StoreError> {
        let (Some(remote), Some(hash)) = (&self.0.remote, hash) else { return Ok(()) };
        let _turn = remote.turn.write().await;
        let asked = hash.clone();
        if self.call(move |tx, _| jobs::is_referenced(tx, &asked)).await? {
            return Ok(());
        }
        match remote.objects.delete(&remote.key(&hash)).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the cache below its size: what was not used for longest goes first, and can be fetched again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn trim_cache(&self) -> Result<(), StoreError> {
        let Some(limit) = self.0.remote.as_ref().map(|remote| remote.cache_bytes) else { return Ok(()) };
        let blobs = self.blobs().clone();
        tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            for hash in blobs.hashes()? {
                let metadata = std::fs::metadata(blobs.path(&hash))?;
                files.push((metadata.modified()?, metadata.len(), hash));
            }
            let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
            files.sort();
            let recent = SystemTime::now() - RECENT;
            for (used, length, hash) in files {
                if total <= limit || used > recent {
                    break;
                }
                blobs.remove(&hash)?;
                total -= length;
            }
            Ok::<_, std::io::Error>(())
        })
        .await??;
        Ok(())
    }
}
