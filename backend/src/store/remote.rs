//! Bytes in an object store (S3): the store of record, of which the folder of blobs is a cache.
//!
//! Credentials, region and endpoint come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
//! `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`). Objects are named as blobs are, by their hash below a prefix, and written once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::AmazonS3Builder;
use object_store::buffered::BufWriter;
use object_store::path::Path as Key;
use object_store::{Error, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::io::AsyncWriteExt;
use tokio::sync::RwLock;
use url::Url;

use super::{Store, StoreError, backup, datasets, jobs};
use crate::ids;

/// Bytes of a part of a large object, and parts in flight: what one transfer takes of the memory.
const PART_BYTES: usize = 8 << 20;
const PARTS: usize = 3;
/// An object has 10,000 parts at most: beyond 72 GiB they are larger.
const MOST_PARTS: u64 = 9_000;
/// What was used so recently stays in the cache: somebody may be about to open it.
const RECENT: Duration = Duration::from_secs(600);
/// Tries of a request, and for how long: a client waits for the answer.
const TRIES: usize = 5;
const TRYING: Duration = Duration::from_secs(30);
/// A file in the data folder that tells where its bytes are.
pub(super) const ADDRESS: &str = "object-store";
/// Locks, each for a part of the hashes.
const TURNS: usize = 256;

/// An object store and the prefix in it.
#[derive(Debug)]
pub(super) struct Remote {
    objects: Arc<dyn ObjectStore>,
    prefix: Key,
    address: String,
    /// Largest size of the cache.
    cache_bytes: u64,
    /// By hash. Read while bytes are put and their row is written, written while bytes that no row names are removed: an object that is put
    /// again at the moment of its removal is not lost.
    turns: Vec<RwLock<()>>,
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
        // A second provider is refused; whichever was first does as well.
        tokio_rustls::rustls::crypto::ring::default_provider().install_default().ok();
        let retry = RetryConfig { max_retries: TRIES, retry_timeout: TRYING, ..RetryConfig::default() };
        let objects = AmazonS3Builder::from_env().with_url(address).with_retry(retry).build().map_err(|e| unusable(brief(&e)))?;
        let prefix = Key::from_url_path(url.path()).map_err(|e| unusable(e.to_string()))?;
        let turns = std::iter::repeat_with(RwLock::default).take(TURNS).collect();
        Ok(Self { objects: Arc::new(objects), prefix, address: address.to_owned(), cache_bytes, turns })
    }

    /// Notes in a data folder where its bytes are.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when they are in another object store, or in one at all and `remote` is none; the file system's.
    pub(super) fn take(remote: Option<&Self>, root: &Path) -> Result<(), StoreError> {
        let file = root.join(ADDRESS);
        let refuse = |noted: &str| {
            let (noted, file) = (noted.trim(), file.display());
            let message =
                format!("the bytes of {} are in {noted}: start with --blobs {noted}; if they were moved, change {file}", root.display());
            Err(StoreError::Unusable(message))
        };
        match (fs::read_to_string(&file), remote) {
            (Ok(noted), Some(remote)) if noted.trim() == remote.address => Ok(()),
            (Ok(noted), _) => refuse(&noted),
            (Err(_), None) => Ok(()),
            (Err(_), Some(remote)) => Ok(fs::write(&file, format!("{}\n", remote.address))?),
        }
    }

    fn key(&self, hash: &str) -> Key {
        self.prefix.clone().join(hash.get(..2).unwrap_or("__")).join(hash)
    }

    fn turn(&self, hash: &str) -> &RwLock<()> {
        let n = hash.get(..2).and_then(|byte| usize::from_str_radix(byte, 16).ok()).unwrap_or(0);
        &self.turns[n % TURNS]
    }

    /// Asks for anything, to see whether it answers.
    async fn reach(&self) -> Result<(), StoreError> {
        match self.objects.list(Some(&self.prefix)).try_next().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let advice = "check the bucket's name and the AWS_… variables (AWS_ENDPOINT_URL for a store that is not Amazon's)";
                Err(StoreError::Unusable(format!("--blobs {}: {}; {advice}", self.address, brief(&error))))
            }
        }
    }

    /// The hashes of all objects.
    async fn hashes(&self) -> Result<BTreeSet<String>, Error> {
        let names = self.objects.list(Some(&self.prefix)).map_ok(|object| object.location.filename().unwrap_or_default().to_owned());
        names.try_collect().await
    }

    /// Writes an object, whole or not at all; one of this name has these bytes already.
    async fn put(&self, hash: &str, file: &Path) -> Result<(), StoreError> {
        let key = self.key(hash);
        let length = tokio::fs::metadata(file).await?.len();
        match self.objects.head(&key).await {
            Ok(there) if there.size == length => return Ok(()),
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let from = tokio::fs::File::open(file).await?;
        let part_bytes = usize::try_from(length / MOST_PARTS).unwrap_or(PART_BYTES).max(PART_BYTES);
        let mut to = BufWriter::with_capacity(Arc::clone(&self.objects), key, part_bytes).with_max_concurrency(PARTS);
        let written = match tokio::io::copy_buf(&mut tokio::io::BufReader::with_capacity(1 << 20, from), &mut to).await {
            Ok(_) => to.shutdown().await,
            Err(error) => Err(error),
        };
        let Err(error) = written else { return Ok(()) };
        // Parts of an object that does not come about would be paid for; nothing was begun where this fails.
        to.abort().await.ok();
        // What failed is the object store, through the writer's eyes.
        Err(Error::Generic { store: "S3", source: error.into() }.into())
    }

    /// Reads an object into a file, whose bytes are those of the hash then.
    async fn fetch(&self, hash: &str, file: &Path) -> Result<(), StoreError> {
        self.get(hash, file).await?;
        let fetched = file.to_owned();
        if tokio::task::spawn_blocking(move || super::hash_file(&fetched)).await?? != hash {
            return Err(StoreError::Unusable(format!("{} has other bytes than {hash} under this name", self.address)));
        }
        Ok(())
    }

    async fn get(&self, hash: &str, file: &Path) -> Result<(), StoreError> {
        let key = self.key(hash);
        let length = self.objects.head(&key).await?.size;
        let starts = (0..length).step_by(PART_BYTES);
        let part = |start: u64| self.objects.get_range(&key, start..length.min(start + PART_BYTES as u64));
        let mut parts = stream::iter(starts.map(part)).buffered(PARTS);
        let mut to = tokio::fs::File::create(file).await?;
        while let Some(part) = parts.try_next().await? {
            to.write_all(&part).await?;
        }
        to.flush().await?;
        Ok(to.sync_all().await?)
    }
}

/// What an object store says, without the page that it says it with.
pub(crate) fn brief(error: &Error) -> String {
    let said = error.to_string();
    let line = said.split(['\n', '<']).next().unwrap_or_default().trim_end_matches([':', ' ']);
    line.chars().take(300).collect()
}

/// Fetches the bytes of this hash from the object store at `address` into a file: for a process on another machine.
///
/// # Errors
/// [`StoreError`].
pub async fn fetch(address: &str, hash: &str, file: &Path) -> Result<(), StoreError> {
    Remote::open(address, 0)?.fetch(hash, file).await
}

/// Whether the object store at `address` answers.
///
/// # Errors
/// [`StoreError::Unusable`].
pub async fn reach(address: &str) -> Result<(), StoreError> {
    Remote::open(address, 0)?.reach().await
}

impl Store {
    /// Brings the bytes of a file to where they last: to the disk and to the object store, if there is one.
    /// What it gives is kept until their row is written.
    pub(super) async fn secure(&self, file: &Path, hash: &str) -> Result<impl Sized + use<'_>, StoreError> {
        tokio::fs::File::open(file).await?.sync_all().await?;
        let Some(remote) = &self.0.remote else { return Ok(None) };
        let turn = remote.turn(hash).read().await;
        remote.put(hash, file).await?;
        Ok(Some(turn))
    }

    /// The file with the bytes of this hash, fetched from the object store where it is not in the cache.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn blob(&self, hash: &str) -> Result<PathBuf, StoreError> {
        let path = self.blobs().path(hash);
        let Some(remote) = &self.0.remote else { return Ok(path) };
        let touched = path.clone();
        // For the cache: it was used just now.
        let touch = move || fs::File::open(touched).and_then(|file| file.set_modified(SystemTime::now()));
        match tokio::task::spawn_blocking(touch).await? {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            touched => return Ok(touched.map(|()| path)?),
        }
        let part = self.tmp_dir().join(ids::random_hex()?);
        let (blobs, fetched, wanted) = (self.blobs().clone(), part.clone(), hash.to_owned());
        let taken_in = async {
            remote.fetch(hash, &part).await?;
            tokio::task::spawn_blocking(move || blobs.import(&fetched, &wanted)).await??;
            Ok::<_, StoreError>(())
        };
        let taken_in = taken_in.await;
        // There may be nothing of it.
        tokio::fs::remove_file(&part).await.ok();
        taken_in?;
        // The bytes are here: a cache that is too large is no reason to fail who reads them.
        if let Err(error) = self.trim_cache().await {
            tracing::warn!(%error, "the cache of the object store could not be trimmed");
        }
        Ok(path)
    }

    /// Removes an object whose last row is gone.
    pub(super) async fn remove_object(&self, hash: Option<String>) {
        let (Some(remote), Some(hash)) = (&self.0.remote, hash) else { return };
        let _turn = remote.turn(&hash).write().await;
        let asked = hash.clone();
        let removed = async {
            if self.call(move |tx, _| jobs::is_referenced(tx, &asked)).await? {
                return Ok(());
            }
            match remote.objects.delete(&remote.key(&hash)).await {
                Err(Error::NotFound { .. }) | Ok(()) => Ok(()),
                Err(error) => Err(StoreError::from(error)),
            }
        };
        if let Err(error) = removed.await {
            // The row is gone all the same.
            tracing::warn!(hash, %error, "an object that nothing refers to any more could not be removed");
        }
    }

    /// The address of the object store, if there is one.
    #[must_use]
    pub fn object_store(&self) -> Option<&str> {
        self.0.remote.as_ref().map(|remote| &*remote.address)
    }

    /// Whether the object store answers, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub async fn reach_objects(&self) -> Result<(), StoreError> {
        match &self.0.remote {
            Some(remote) => remote.reach().await,
            None => Ok(()),
        }
    }

    /// Puts what only the folder has into the object store, then keeps the cache below its size.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tend_objects(&self) -> Result<(), StoreError> {
        let Some(remote) = &self.0.remote else { return Ok(()) };
        let there = remote.hashes().await?;
        let database = self.0.root.join(super::DATABASE);
        let named = tokio::task::spawn_blocking(move || backup::named_bytes(&database)).await??;
        let mut moved = 0;
        for hash in named.difference(&there) {
            let file = self.blobs().path(hash);
            if file.exists() {
                let _turn = remote.turn(hash).read().await;
                remote.put(hash, &file).await?;
                moved += 1;
            }
        }
        if moved > 0 {
            tracing::info!(objects = moved, to = remote.address, "bytes were put into the object store");
        }
        self.trim_cache().await
    }

    /// Keeps the cache below its size: what was not used for longest goes first, and can be fetched again.
    async fn trim_cache(&self) -> Result<(), StoreError> {
        let Some(remote) = &self.0.remote else { return Ok(()) };
        let blobs = self.blobs().clone();
        let files = move || {
            let mut files = Vec::new();
            for hash in blobs.hashes()? {
                // One that was removed meanwhile needs no room.
                let Ok(metadata) = fs::metadata(blobs.path(&hash)) else { continue };
                files.push((metadata.modified()?, metadata.len(), hash));
            }
            files.sort();
            Ok::<_, std::io::Error>(files)
        };
        let files = tokio::task::spawn_blocking(files).await??;
        let mut total: u64 = files.iter().map(|(_, length, _)| length).sum();
        let recent = SystemTime::now() - RECENT;
        for (used, length, hash) in files {
            if total <= remote.cache_bytes || used > recent {
                break;
            }
            // Never the only copy.
            let _turn = remote.turn(&hash).read().await;
            match remote.put(&hash, &self.blobs().path(&hash)).await {
                Err(StoreError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => continue,
                put => put?,
            }
            let removed = hash.clone();
            let is_removed = self.call(move |tx, blobs| {
                if datasets::unfinished_users(tx, &removed)? > 0 {
                    return Ok(false);
                }
                blobs.remove(&removed)?;
                Ok(true)
            });
            total -= if is_removed.await? { length } else { 0 };
        }
        Ok(())
    }
}
