//! What the tests share.

use std::path::PathBuf;

/// The `eigenscope` binary: `EIGENSCOPE` if set, else the one beside this test binary.
pub(crate) fn binary() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().expect("a running test has a path");
        test.ancestors().nth(2).expect("target/release/deps/it").join("eigenscope")
    };
    let path = std::env::var_os("EIGENSCOPE").map_or_else(beside, PathBuf::from);
    assert!(path.exists(), "{} is missing: run `cargo build --release --package eigenscope-server` first", path.display());
    path
}
