//! Every reader on all of `fuzz/seeds`: small valid files, and those that a reader once failed on.

#[path = "../../fuzz/src/readers.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets are crates of their own")]
mod readers;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use readers::READERS;

fn seeds(reader: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(reader);
    let entries = folder.read_dir().unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[test]
fn no_reader_fails_on_any_seed_or_on_parts_of_it() {
    for (name, reader) in READERS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 2, "the reader {name} has seeds: {seeds:?}");
        for path in seeds {
            let bytes = std::fs::read(&path).expect("a seed");
            // A file that breaks off is the commonest of damages.
            for part in 1..=8 {
                let cut = &bytes[..bytes.len() * part / 8];
                assert!(catch_unwind(|| reader(cut)).is_ok(), "{}, the first {} bytes", path.display(), cut.len());
            }
        }
    }
}

#[test]
fn every_target_has_its_reader_and_its_seeds() {
    let names = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
        let entries = folder.read_dir().expect("it can be listed").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned()).collect();
        names.sort();
        names
    };
    let mut readers: Vec<&str> = READERS.iter().map(|(name, _)| *name).collect();
    readers.sort_unstable();
    assert_eq!(names("fuzz_targets"), readers);
    assert_eq!(names("seeds"), readers);
}
