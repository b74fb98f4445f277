//! Python environments: of the benchmarks' peers and of the client's tests; the test data of the ONNX project.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{Failure, is_newer, root, run, succeeds, target_dir};

/// The package that has the node tests beside its code; later ones make them when they are run.
const ONNX: &str = "onnx==1.16.2";

/// The interpreter of an environment with what a file of the workspace lists, made once.
pub(crate) fn environment(name: &str, requirements: &str) -> Result<PathBuf, Failure> {
    let folder = target_dir().join(name);
    let python = folder.join("bin/python");
    let requirements = root().join(requirements);
    let stamp = folder.join("installed");
    if !is_newer(&stamp, &requirements) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
        std::fs::write(&stamp, "")?;
    }
    Ok(python)
}

/// The interpreter of the client's tests, where Python is new enough.
pub(crate) fn client_environment() -> Result<Option<PathBuf>, Failure> {
    let is_new = succeeds(Command::new("python3").args(["-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))"]));
    if is_new { environment("python-client", "clients/python/tests/requirements.txt").map(Some) } else { Ok(None) }
}

/// Tests of the Python client against the built server: its style and types, then its tests with the wheel installed.
pub(crate) fn client_tests(server: &Path) -> Result<(), Failure> {
    let Some(python) = client_environment()? else {
        println!("skipped: the client's tests need python3 of version 3.11 or newer with venv (Debian's python3-venv)");
        return Ok(());
    };
    let client = root().join("clients/python");
    let module = |name: &str| {
        let mut command = Command::new(&python);
        command.current_dir(&client).args(["-m", name]).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    run(module("ruff").args(["format", "--no-cache", "--check", "--quiet", "."]))?;
    run(module("ruff").args(["check", "--no-cache", "--quiet", "."]))?;
    run(module("mypy").arg("--cache-dir").arg(target_dir().join("python-client/mypy")).arg("src"))?;
    // As people install it, from the folder; then as a wheel, which the tests use.
    let install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--force-reinstall"];
    run(module("pip").args(install).arg(&client))?;
    let wheels = target_dir().join("python-client/wheels");
    run(module("pip").args(["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]).arg(&wheels).arg(&client))?;
    let found = std::fs::read_dir(&wheels)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).find(|path| ends_with(path, "whl"));
    run(module("pip").args(install).arg(found.ok_or_else(|| Failure("pip made no wheel of the client".into()))?))?;
    let mut tests = module("pytest");
    tests.args(["-q", "-p", "no:cacheprovider"]).env("EIGENSCOPE_BINARY", server);
    tests.env("HYPOTHESIS_STORAGE_DIRECTORY", target_dir().join("python-client/hypothesis"));
    run(&mut tests)
}

/// The folder of the ONNX project's node tests; nothing where its package cannot be had, which the test says.
pub(crate) fn onnx_node_tests() -> Option<PathBuf> {
    let tests = unpacked("onnx", &[ONNX]).ok()?.join("onnx/backend/test/data/node");
    tests.is_dir().then_some(tests)
}

/// A folder with the files of packages, as they lie in their wheels: only these are wanted, so that it does not matter for which Python they are.
pub(crate) fn unpacked(name: &str, packages: &[&str]) -> Result<PathBuf, Failure> {
    let folder = target_dir().join(name);
    let stamp = folder.join(format!("{}.unpacked", packages.join("+")));
    if stamp.exists() {
        return Ok(folder);
    }
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]);
    download.args(["--platform=manylinux2014_x86_64", "--platform=manylinux_2_28_x86_64", "--dest"]).arg(&folder).args(packages);
    run(&mut download)?;
    // Python's own unzipping drops what says that a file is a program.
    let unzip = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for member in wheel.infolist():
        path = wheel.extract(member, sys.argv[2])
        if member.external_attr >> 16 & 0o111 and not member.is_dir(): __import__('os').chmod(path, 0o755)
";
    for wheel in std::fs::read_dir(&folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| ends_with(path, "whl"))
    {
        run(Command::new("python3").args(["-c", unzip]).arg(&wheel).arg(&folder))?;
        std::fs::remove_file(wheel)?;
    }
    std::fs::write(stamp, "")?;
    Ok(folder)
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e == ending)
}
