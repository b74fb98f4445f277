//! Files named by the hash of their bytes: `ab/abcdef…`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A folder of content-addressed files.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
}

impl Blobs {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the bytes with this hash are, or would be.
    #[must_use]
    pub fn path(&self, hash: &str) -> PathBuf {
        self.root.join(hash.get(..2).unwrap_or("__")).join(hash)
    }

    /// Moves a finished file in: its bytes are on the disk before its name is.
    ///
    /// # Errors
    /// The file system's.
    pub fn import(&self, file: &Path, hash: &str) -> io::Result<()> {
        let target = self.path(hash);
        if target.exists() {
            return fs::remove_file(file);
        }
        let folder = target.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        File::open(file)?.sync_all()?;
        fs::rename(file, &target)?;
        File::open(folder)?.sync_all()
    }

    /// Removes bytes; that they are gone already is no error.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self, hash: &str) -> io::Result<()> {
        match fs::remove_file(self.path(hash)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// blake3 of a file, hexadecimal.
pub(super) fn hash_file(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_under_their_hash() {
        let folder = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::new(folder.path().join("blobs"));
        for _ in 0..2 {
            let file = folder.path().join("new");
            fs::write(&file, b"values").expect("written");
            let hash = hash_file(&file).expect("hashed");
            blobs.import(&file, &hash).expect("imported");
            assert_eq!(fs::read(blobs.path(&hash)).expect("read"), b"values");
            assert!(!file.exists(), "the file was moved");
        }
        blobs.remove("0000").expect("removing nothing is fine");
    }
}
