//! The data folder: writable, private, with room, and a database that is whole.

use std::path::Path;

use eigenscope::error::bytes;

use super::{Finding, Level};
use crate::store::inspect::{Inspection, inspect};
use crate::store::reach;
use crate::{ids, machine, server};

/// Free space below which the disk will be full soon.
const LITTLE_FREE_BYTES: u64 = 5 << 30;

/// What a data folder is like.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    /// Whether a server runs on it.
    pub(super) is_served: bool,
    /// Where its bytes last, if not in it.
    pub(super) object_store: Option<String>,
}

/// Whether the object store that has the bytes answers.
pub(super) async fn reaches(address: &str) -> Finding {
    match reach(address).await {
        Ok(()) => Finding::ok("object store", format!("{address} answers")),
        Err(error) => Finding::new(
            "object store",
            Level::Error,
            error.to_string(),
            "the folder has only a cache of the bytes: start nothing without it",
        ),
    }
}

/// Looks at the folder, its disk and its database.
pub(super) fn check(root: &Path) -> Checked {
    let mut findings = vec![folder(root)];
    // A folder that is made later is on the disk of the first one above it that is there.
    let existing = root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    findings.push(disk(existing));
    let (is_served, object_store) = match inspect(root) {
        Ok(None) => {
            findings.push(Finding::ok("database", "there is none yet; `eigenscope serve` makes it"));
            (false, None)
        }
        Ok(Some(inspection)) => {
            findings.push(database(root, &inspection));
            (inspection.is_served, inspection.object_store)
        }
        Err(error) => {
            let advice = "restore a backup (`eigenscope serve --data-dir BACKUP`), or move the folder away and start anew";
            findings.push(Finding::new("database", Level::Error, format!("it cannot be read: {error}"), advice));
            (false, None)
        }
    };
    Checked { findings, is_served, object_store }
}

fn folder(root: &Path) -> Finding {
    if !root.exists() {
        return Finding::ok("data folder", format!("{} is not there yet; `eigenscope serve` makes it", root.display()));
    }
    let probe = root.join(format!("doctor-{}", ids::request_id()));
    let written = std::fs::write(&probe, [0; 4096]).and_then(|()| std::fs::remove_file(&probe));
    if let Err(error) = written {
        let advice = "run as the user who owns it (chown), or choose another --data-dir";
        return Finding::new("data folder", Level::Error, format!("{} is not writable: {error}", root.display()), advice);
    }
    #[cfg(unix)]
    if std::fs::metadata(root).is_ok_and(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 0o007 != 0) {
        let advice = format!("if they shall not read the data: chmod o= {}", root.display());
        return Finding::new("data folder", Level::Warning, format!("{} is open to other users of this machine", root.display()), advice);
    }
    Finding::ok("data folder", format!("{} is writable", root.display()))
}

fn disk(folder: &Path) -> Finding {
    let Some(disk) = machine::disk_bytes(folder) else {
        return Finding::new("disk", Level::Note, "the system does not tell how much is free", "keep an eye on it yourself");
    };
    let found = format!("{} of {} are free at {}", bytes(disk.free), bytes(disk.size), folder.display());
    if disk.free >= LITTLE_FREE_BYTES {
        return Finding::ok("disk", found);
    }
    let level = if disk.free < server::MIN_FREE_BYTES { Level::Error } else { Level::Warning };
    Finding::new("disk", level, found, "remove datasets and jobs that nobody needs, or choose a --data-dir on a larger disk")
}

fn database(root: &Path, inspection: &Inspection) -> Finding {
    let Inspection { version, known_version, corrupt, missing, .. } = inspection;
    if let Some(first) = corrupt.first() {
        let advice = "restore a backup (`eigenscope serve --data-dir BACKUP`); SQLite's `.recover` may save rows";
        return Finding::new("database", Level::Error, format!("it is damaged: {first}"), advice);
    }
    if version > known_version {
        let advice = "use the newer program, or another --data-dir";
        return Finding::new(
            "database",
            Level::Error,
            format!("it has version {version}, newer than this program's {known_version}"),
            advice,
        );
    }
    if let Some(first) = missing.first() {
        let advice = format!("remove the dataset or job that names it, or bring it back from a backup to {}", root.join("blobs").display());
        return Finding::new("database", Level::Error, format!("it is whole, but bytes that it names are missing: {first}"), advice);
    }
    let age = if version < known_version { format!(", which `eigenscope serve` will bring to {known_version}") } else { String::new() };
    let served = if inspection.is_served { "; a server runs on it" } else { "" };
    let elsewhere =
        inspection.object_store.as_ref().map(|address| format!("; the bytes that it names are in {address}")).unwrap_or_default();
    Finding::ok("database", format!("it is whole, version {version}{age}{elsewhere}{served}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Beside, Store};

    fn level(findings: &[Finding], check: &str) -> Level {
        findings.iter().find(|finding| finding.check == check).expect("it is checked").level
    }

    #[test]
    fn a_new_folder_a_served_one_and_a_damaged_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("data");
        let Checked { findings, is_served, .. } = check(&root);
        assert_eq!((level(&findings, "data folder"), level(&findings, "database"), is_served), (Level::Ok, Level::Ok, false));
        assert!(!root.exists(), "looking makes nothing");
        let store = Store::open(&root, &Beside::default()).expect("opens");
        let Checked { findings, is_served, .. } = check(&root);
        assert_eq!((level(&findings, "data folder"), level(&findings, "database"), is_served), (Level::Ok, Level::Ok, true));
        drop(store);
        std::fs::write(root.join("eigenscope.db"), "no database").expect("written");
        let Checked { findings, .. } = check(&root);
        assert_eq!(level(&findings, "database"), Level::Error);
        assert!(findings.iter().all(|finding| finding.level == Level::Ok || finding.advice.is_some()), "each says what to do");
    }
}
