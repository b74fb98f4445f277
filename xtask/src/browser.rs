//! Browser tests: headless Chromium driven by playwright-core against the real server.

use std::path::Path;
use std::process::Command;

use crate::tools::{Failure, apt_install, npm_packages, output, root, run, target_dir};

/// Runs the browser tests against a server binary.
pub(crate) fn test(server: &Path) -> Result<(), Failure> {
    npm_packages()?;
    let chromium = chromium()?;
    let mut command = Command::new("node");
    command.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]).arg(root().join("tests/browser/"));
    command.current_dir(root());
    command.env("EIGENSCOPE", server).env("CHROMIUM", chromium);
    run(command.env("SCREENSHOTS", target_dir().join("screenshots")))
}

fn chromium() -> Result<String, Failure> {
    let find =
        || ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| output(Command::new(name).arg("--version")).is_some());
    if find().is_none() {
        apt_install(&["chromium"]);
    }
    let name = find().ok_or_else(|| Failure("the browser tests need Chromium: install Debian's `chromium` or put it on PATH".into()))?;
    let path = output(Command::new("which").arg(name)).unwrap_or_else(|| name.into());
    Ok(path.trim().into())
}
