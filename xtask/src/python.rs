//! Python environments: of the benchmarks' peers, and the test data of the ONNX project.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{Failure, is_newer, output, root, run, succeeds, target_dir};

/// The package that has the node tests beside its code; later ones make them when they are run.
const ONNX: &str = "onnx==1.16.2";

/// The interpreter of an environment with what a file of `tests/bench` lists, made once.
pub(crate) fn environment(name: &str, requirements: &str) -> Result<PathBuf, Failure> {
    let folder = target_dir().join(name);
    let python = folder.join("bin/python");
    let requirements = root().join("tests/bench").join(requirements);
    let stamp = folder.join("installed");
    if !is_newer(&stamp, &requirements) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
        std::fs::write(&stamp, "")?;
    }
    Ok(python)
}

/// The folder of the ONNX project's node tests; nothing where its package cannot be had, which the test says.
pub(crate) fn onnx_node_tests() -> Option<PathBuf> {
    let folder = target_dir().join("onnx");
    let tests = folder.join("onnx/backend/test/data/node");
    if tests.is_dir() {
        return Some(tests);
    }
    // The package for one version of Python, whichever is here: only its data are read.
    let wheel = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.11",
        "--platform=manylinux2014_x86_64",
        ONNX,
        "--dest",
    ];
    if !succeeds(Command::new("python3").args(wheel).arg(&folder)) {
        return None;
    }
    let found =
        std::fs::read_dir(&folder).ok()?.filter_map(|entry| entry.ok().map(|entry| entry.path())).find(|path| ends_with(path, "whl"))?;
    let listed = ["-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2]); print('done')"];
    output(Command::new("python3").args(listed).arg(found).arg(&folder))?;
    tests.is_dir().then_some(tests)
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e == ending)
}
