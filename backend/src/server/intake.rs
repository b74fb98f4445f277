//! How a file becomes a dataset: looked into by a process of its own, so that no reader can harm the server, then kept under its hash.

use std::path::Path;
use std::time::Duration;

use eigenscope::Error;
use eigenscope::api::{ArrayInfo, DatasetInfo};
use serde::de::DeserializeOwned;
use tokio::process::Command;

use super::App;
use super::failure::Failure;
use crate::ids;
use crate::inspect::Said;

/// A file that is not understood within this time is given up.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest file name.
const MAX_NAME: usize = 255;

/// What the server will know of a file whose bytes have this hash, or its reader's sentence.
pub(super) async fn describe(app: &App, file: &Path, id: String, name: String, size_bytes: u64) -> Result<DatasetInfo, Failure> {
    let known = app.0.store.dataset(&id).await?.filter(|known| extension(&known.name) == extension(&name));
    let arrays = match known {
        Some(known) => known.arrays,
        None => inspect(app, file, &name).await?,
    };
    Ok(DatasetInfo { id, name, size_bytes, created_ms: ids::now_ms(), arrays, path: None })
}

fn extension(name: &str) -> Option<&str> {
    Path::new(name).extension().and_then(|extension| extension.to_str())
}

async fn inspect(app: &App, file: &Path, name: &str) -> Result<Vec<ArrayInfo>, Failure> {
    ask(app, "inspect", name, |command| {
        command.arg("--for-server").arg(file);
    })
    .await
}

/// What a subcommand of the program says of a file that it reads as one of that name.
pub(super) async fn ask<T: DeserializeOwned>(
    app: &App,
    subcommand: &str,
    name: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<T, Failure> {
    // A few at a time, for the memory that they take.
    let _turn = app.0.inspecting.acquire().await.map_err(Failure::internal)?;
    let mut command = app.0.program.command(&app.0.program.exe);
    // In one argument: a name may begin as options do.
    command.arg(subcommand).arg(format!("--as={name}"));
    prepare(&mut command);
    command.stdin(std::process::Stdio::null());
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(output) => output?,
        Err(_) => return Err(Error::format(name, format!("it was not understood within {} minutes", PATIENCE.as_secs() / 60)).into()),
    };
    match serde_json::from_slice(&output.stdout) {
        Ok(Said::Found(found)) => Ok(found),
        Ok(Said::Error(error)) => Err(error.into()),
        Err(error) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            tracing::error!(name, status = %output.status, %error, stderr = %stderr.trim(), "a reader crashed");
            Err(Error::format(name, format!("its reader ended ({}); the server's log has more", output.status)).into())
        }
    }
}

/// The last part of the path that a browser may send, within limits.
pub(super) fn file_name(given: &str) -> Result<String, Failure> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
        let message = format!("name must be a file name of 1 to {MAX_NAME} bytes without control characters");
        return Err(Failure::malformed(message).with_field(Some("name".into())));
    }
    Ok(name.to_owned())
}
