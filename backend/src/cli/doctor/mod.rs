//! `eigenscope doctor`: looks at everything that a server needs, and says of each what to do.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::args::Global;
use super::{Failure, run, serve};

mod devices;
mod host;
mod storage;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Folder of the server. Default: eigenscope in the user's data folder.
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
    /// Address that the server will listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port that the server will listen on.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Ok,
    /// Something is not there that not everybody needs.
    Note,
    /// It works, but not for everybody or not for long.
    Warning,
    /// The server or its jobs will fail.
    Error,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    found: String,
    /// What to do; nothing where all is well.
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), advice: None }
    }

    fn new(check: &'static str, level: Level, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Runs every check and prints what it found; fails when something is wrong.
pub(super) fn doctor(args: &DoctorArgs, global: &Global) -> Result<(), Failure> {
    let root = serve::data_dir(args.data_dir.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut findings = vec![host::program(), host::page(), host::memory()];
    let storage = storage::check(&root);
    findings.extend(storage.findings);
    if let Some(address) = &storage.object_store {
        findings.push(runtime.block_on(storage::reaches(address)));
    }
    findings.push(host::port(&args.host, args.port, storage.is_served));
    findings.push(host::browser(&args.host));
    findings.extend(runtime.block_on(devices::check())?);
    findings.extend(host::cuda());
    findings.push(runtime.block_on(host::slurm()));
    let n_errors = findings.iter().filter(|finding| finding.level == Level::Error).count();
    let mut out = io::stdout().lock();
    if global.json {
        run::json(&mut out, &serde_json::json!({ "ok": n_errors == 0, "findings": findings }))?;
    } else {
        print(&mut out, &findings)?;
    }
    if n_errors == 0 { Ok(()) } else { Err(Failure::internal(format!("{n_errors} of {} checks failed", findings.len()))) }
}

fn print(out: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
        };
        writeln!(out, "{level:<8} {:<12} {}", finding.check, finding.found)?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "{:<21} → {advice}", "")?;
        }
    }
    Ok(())
}
