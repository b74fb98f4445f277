//! One analysis in this process: progress bar, cancellation, output.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;

use eigenscope::analysis::warp::results_csv;
use eigenscope::analysis::{AnalysisResult, Output, dimensionality, manifolds, searchlight};
use eigenscope::{Error, Progress, wire};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{Command, Common, Global};
use super::specs::Plan;
use super::{Failure, print, probe, warp};
use crate::{compute, machine};

/// Runs a plan and shows its result.
pub(super) fn execute(plan: &Plan, command: &Command, common: &Common, global: &Global) -> Result<(), Failure> {
    if let Some(path) = &common.output {
        output_format(path)?;
    }
    for (option, path) in tables(command) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Error::parameter(option, format!("there is no folder {}", folder.display())).into());
        }
    }
    if let Some(folder) = maps(command).filter(|folder| !folder.is_dir()) {
        return Err(Error::parameter("--maps", format!("there is no folder {}", folder.display())).into());
    }
    let held_bytes = plan.spec.inputs().iter().map(|name| plan.inputs.memory_bytes(name)).sum();
    machine::check_memory(&plan.spec, &plan.inputs.shapes(), held_bytes, machine::memory_bytes())?;
    let terminal = Terminal::new();
    let result = compute::run(&plan.spec, &plan.inputs, global.device, &terminal);
    terminal.finish();
    let result = result?;
    for warning in &result.warnings {
        writeln!(io::stderr(), "warning: {}", warning.message).ok();
    }
    if let Some(path) = &common.output {
        write_file(path, &result)?;
    }
    write_tables(command, &result.output)?;
    if let (Some(folder), Output::Searchlight(output)) = (maps(command), &result.output) {
        for (name, bytes) in searchlight::nifti_files(output)? {
            write_bytes("--maps", &folder.join(name), &bytes)?;
        }
    }
    let mut out = io::stdout().lock();
    match (global.json, command, &result.output) {
        (true, Command::Dims(_), Output::Dimensionality(output)) => json(&mut out, &output.spectra)?,
        (true, Command::Probe(_), Output::Probe(output)) => json(&mut out, &probe::named(output, &result))?,
        (true, Command::Warp(_), Output::Warp(output)) => json(&mut out, &warp::named(output, &result))?,
        (true, ..) => json(&mut out, &result)?,
        (false, ..) => print::result(&mut out, &result)?,
    }
    Ok(())
}

/// Writes a value as one line of JSON.
pub(super) fn json<T: serde::Serialize>(out: &mut dyn Write, value: &T) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

enum Format {
    Json,
    Envelope,
}

fn output_format(path: &Path) -> Result<Format, Error> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("eigr") => Ok(Format::Envelope),
        _ => Err(Error::parameter("--output", format!("{} must end in .json or .eigr", path.display()))),
    }
}

fn write_file(path: &Path, result: &AnalysisResult) -> Result<(), Failure> {
    let bytes = match output_format(path)? {
        Format::Json => serde_json::to_vec(result).map_err(|e| Error::internal(format!("the result did not serialize: {e}")))?,
        Format::Envelope => wire::pack(result)?,
    };
    write_bytes("--output", path, &bytes)
}

/// The tables that a command asks for beside its result: the options and their files.
fn tables(command: &Command) -> Vec<(&'static str, &Path)> {
    let (table, spectra) = match command {
        Command::Dims(args) => (&args.table, &args.spectra),
        Command::Manifolds(args) => (&args.table, &None),
        Command::Warp(args) => (&args.table, &None),
        _ => return Vec::new(),
    };
    let named = [("--table", table), ("--spectra", spectra)];
    named.into_iter().filter_map(|(option, path)| path.as_deref().map(|path| (option, path))).collect()
}

/// The folder for maps.
fn maps(command: &Command) -> Option<&Path> {
    match command {
        Command::Searchlight(args) => args.maps.as_deref(),
        _ => None,
    }
}

fn write_tables(command: &Command, output: &Output) -> Result<(), Failure> {
    for (option, path) in tables(command) {
        let text = match output {
            Output::Dimensionality(output) if option == "--table" => dimensionality::metrics_csv(output),
            Output::Dimensionality(output) => dimensionality::spectra_csv(output),
            Output::Manifolds(output) => manifolds::summary_csv(output),
            Output::Warp(output) => results_csv(output),
            _ => continue,
        };
        write_bytes(option, path, text.as_bytes())?;
    }
    Ok(())
}

fn write_bytes(option: &str, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|e| Error::parameter(option, format!("{} cannot be written: {e}", path.display())))?;
    Ok(())
}

/// A progress bar on stderr when that is a terminal; Ctrl-C asks the run to stop, a second one stops the program.
pub(super) struct Terminal {
    bar: ProgressBar,
    canceled: Arc<AtomicBool>,
    started: Instant,
}

impl Terminal {
    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(super) fn new() -> Self {
        let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(1000), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        let canceled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&canceled);
        // Without the thread Ctrl-C ends the program at once, which is also right.
        std::thread::Builder::new().name("signals".into()).spawn(move || watch_interrupts(&flag)).ok();
        Self { bar, canceled, started: Instant::now() }
    }
}

fn watch_interrupts(canceled: &AtomicBool) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        while tokio::signal::ctrl_c().await.is_ok() {
            if canceled.swap(true, Ordering::Relaxed) {
                std::process::exit(super::EXIT_CANCELED.into());
            }
        }
    });
}

impl Progress for Terminal {
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        if self.canceled.load(Ordering::Relaxed) {
            return Err(Error::Canceled);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
        self.bar.set_position((done_frac.clamp(0.0, 1.0) * 1000.0) as u64);
        self.bar.set_message(what.to_owned());
        Ok(())
    }

    fn clock(&self) -> Option<f64> {
        Some(self.started.elapsed().as_secs_f64())
    }
}
