//! Folders outside of the store in which files may be read.

use std::path::{Path, PathBuf};

use super::Store;

/// Why a path is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is in none of the folders, by its name or where its links lead. Whether it exists is not told.
    Outside,
    /// There is nothing.
    Missing,
}

impl Store {
    /// The allowed folders, without links.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.0.roots
    }

    /// The path without links and dots, if it is in an allowed folder.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn permitted(&self, path: &Path) -> Result<PathBuf, Refused> {
        let is_inside = |path: &Path| self.0.roots.iter().any(|root| path.starts_with(root));
        // `starts_with` compares components, but `..` is a component like others.
        let has_dots = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
        if has_dots || !is_inside(path) {
            return Err(Refused::Outside);
        }
        let real = path.canonicalize().or(Err(Refused::Missing))?;
        if is_inside(&real) { Ok(real) } else { Err(Refused::Outside) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_and_dots_do_not_lead_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("it exists").join("lab");
        std::fs::create_dir_all(root.join("sub")).expect("made");
        std::fs::create_dir_all(root.with_file_name("lab2")).expect("made");
        std::fs::write(root.with_file_name("secret"), "x").expect("written");
        std::fs::write(root.join("sub/a"), "x").expect("written");
        std::os::unix::fs::symlink("../secret", root.join("out")).expect("linked");
        std::os::unix::fs::symlink("sub/a", root.join("in")).expect("linked");
        let store = Store::open(&dir.path().join("data"), &super::super::Beside { roots: vec![root.clone()], ..Default::default() })
            .expect("opened");
        assert_eq!(store.permitted(&root.join("in")), Ok(root.join("sub/a")));
        assert_eq!(store.permitted(&root.join("none")), Err(Refused::Missing));
        for outside in ["out", "../secret", "../lab2", "sub/../../secret"] {
            assert_eq!(store.permitted(&root.join(outside)), Err(Refused::Outside), "{outside}");
        }
        for outside in ["/etc/passwd", "/none/at/all", "", "lab"] {
            assert_eq!(store.permitted(Path::new(outside)), Err(Refused::Outside), "{outside}");
        }
    }
}
