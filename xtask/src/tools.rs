//! Processes, paths and the few tools that have to be there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a step failed, as one sentence.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A [`Failure`] with a path in it.
pub(crate) fn at(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| Failure(format!("{}: {error}", path.display()))
}

/// Runs a command to its end; its output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let shown = show(command);
    let status = command.status().map_err(|e| Failure(format!("`{shown}` did not start: {e}")))?;
    if status.success() { Ok(()) } else { Err(Failure(format!("`{shown}` failed ({status})"))) }
}

/// Whether a command runs and succeeds; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// What a command prints, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let out = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn show(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(|w| w.to_string_lossy()).collect();
    words.join(" ")
}

/// `cargo` for all packages that run natively: together, so that the features of the program are those of its tests.
pub(crate) fn native(verb: &str) -> Command {
    let mut command = cargo();
    command.args([verb, "--release", "--package", "eigenscope", "--package", "eigenscope-server", "--package", "eigenscope-tests"]);
    command
}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    // Cargo tells where it runs us from; a build folder may have come from a checkout that lay elsewhere.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or_else(|| ".".into(), Path::to_path_buf)
}

/// Where cargo builds: `CARGO_TARGET_DIR`, else `target`.
pub(crate) fn target_dir() -> PathBuf {
    let dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(dir)
}

/// The cargo that runs this, in the workspace root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("CARGO_TARGET_DIR", target_dir());
    command
}

/// Installs Debian packages where that is possible without asking.
pub(crate) fn apt_install(packages: &[&str]) -> bool {
    let is_root = output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    if !is_root || output(Command::new("apt-get").arg("--version")).is_none() {
        return false;
    }
    println!("installing Debian packages: {}", packages.join(" "));
    let install = || {
        let mut command = Command::new("apt-get");
        command.args(["install", "--yes", "--no-install-recommends"]).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
        succeeds(&mut command)
    };
    install() || (succeeds(Command::new("apt-get").arg("update")) && install())
}

/// Installs the page's npm packages as locked, once per lock file.
pub(crate) fn npm_packages() -> Result<PathBuf, Failure> {
    let frontend = root().join("frontend");
    let modules = frontend.join("node_modules");
    let (lock, stamp) = (frontend.join("package-lock.json"), modules.join(".package-lock.json"));
    if !is_newer(&stamp, &lock) {
        if output(Command::new("node").arg("--version")).is_none() {
            return Err(Failure("node is missing: install Node.js 20 or newer (nodejs.org, or Debian's nodejs and npm)".into()));
        }
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&frontend))?;
    }
    Ok(modules)
}

/// Whether `made` exists and is not older than `from`.
pub(crate) fn is_newer(made: &Path, from: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    matches!((time(made), time(from)), (Some(made), Some(from)) if made >= from)
}
