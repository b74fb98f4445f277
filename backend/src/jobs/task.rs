//! The process side of a job: `eigenscope task --dir DIR`.
//!
//! Reads `task.json`, prints progress as JSON lines and writes `result.eigr` or `error.json`. It ends itself when its stdin closes,
//! that is, when the server that started it is gone. On another machine nobody holds its stdin or reads its stdout: with `--progress FILE` the last
//! line is in that file instead, and the process outlives the server.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use eigenscope::analysis::Output;
use eigenscope::{AnalysisResult, Device, Error, Input, Inputs, Progress, tasks, wire};
use tempfile::NamedTempFile;
use tokio::time::Instant;

use super::outcome::disk_full;
use super::{ERROR_FILE, PREVIEW_FILE, RESULT_FILE, Report, TASK_FILE, TaskFile, Work};
use crate::stored::{self, NpyFile};
use crate::{compute, ids};

/// Lines are not printed more often than this.
const PRINT_EVERY: Duration = Duration::from_millis(50);
/// Progress is not written to a file, perhaps of another machine, more often than this.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// Previews are not written more often than this.
const PREVIEW_EVERY: Duration = Duration::from_secs(1);
/// Makes the process misbehave, so that tests can see what the server does: `abort`, `panic`, `hang` or `pause`, and the folder if it is for one task.
const TEST_CRASH: &str = "EIGENSCOPE_TEST_CRASH";

/// Runs the task in `dir`.
///
/// # Errors
/// Those of the analysis; they are also written to `error.json`.
pub fn run(dir: &Path, progress: Option<&Path>) -> Result<(), Error> {
    if dir.join(RESULT_FILE).exists() {
        // Started again although it was done: by a cluster that lost sight of a machine, or by a server that was killed before it took note.
        return Ok(());
    }
    if progress.is_none() {
        let watcher = std::thread::Builder::new().name("stdin".into()).spawn(exit_with_parent);
        watcher.map_err(|e| Error::internal(format!("no thread could be started: {e}")))?;
    }
    let printer = Printer::of(dir, progress);
    let outcome = compute::on_compute_thread(|| misbehave(dir, &printer)).and_then(|()| execute(dir, &printer));
    if let Err(error) = &outcome {
        let text = serde_json::to_vec(error).map_err(|e| Error::internal(format!("an error did not serialize: {e}")))?;
        // What could not be written says stderr, and the exit status where the disk is full.
        write_whole(dir, ERROR_FILE, &text).unwrap_or_default();
    }
    outcome
}

/// Whether it is the disk that has no room.
#[must_use]
pub fn is_disk_full(error: &Error) -> bool {
    *error == disk_full()
}

fn execute(dir: &Path, printer: &Printer) -> Result<(), Error> {
    let text = std::fs::read(dir.join(TASK_FILE)).map_err(|e| Error::internal(format!("task.json cannot be read: {e}")))?;
    let task: TaskFile = serde_json::from_slice(&text).map_err(|e| Error::internal(format!("task.json is not a task: {e}")))?;
    let mut inputs = Inputs::default();
    // Kept until the end: arrays may be read from them bit by bit.
    let mut fetched = Vec::new();
    for (name, input) in &task.inputs {
        let mut path = input.path.as_path();
        if let Some((address, hash)) = task.object_store.as_ref().zip(input.hash.as_ref()).filter(|_| !path.exists()) {
            printer.step(0.0, &format!("fetching {}", input.name))?;
            fetched.push(fetch(address, hash, &input.name)?);
            path = fetched.last().map_or(path, |file| file.path());
        }
        printer.step(0.0, &format!("reading {}", input.name))?;
        if input.member.is_none()
            && input.samples_axis == 0
            && let Some(stored) = NpyFile::open(path)?
        {
            inputs.insert_stored(name, stored);
            continue;
        }
        match stored::open(path, &input.name, input.member.as_deref())? {
            Input::Array(dataset) => inputs.insert(name, dataset.with_samples(input.samples_axis)?),
            other => inputs.insert_input(name, other),
        }
    }
    let bytes = match &task.work {
        Work::Whole => wire::pack(&compute::run(&task.spec, &inputs, task.device, printer)?)?,
        Work::Task(part) => {
            let run = async |device: Device| tasks::run(&task.spec, part, &inputs, &device, printer).await;
            wire::pack(&compute::on_device(task.device, run)?)?
        }
        Work::Join(files) => {
            // One piece at a time: all of them together may not fit.
            let pieces = files.iter().map(|file| {
                let opened = File::open(file).map_err(|e| Error::internal(format!("a piece cannot be read: {e}")))?;
                wire::read(opened)
            });
            let run = async |device: Device| tasks::join(&task.spec, pieces, &inputs, &device, printer);
            wire::pack(&compute::on_device(task.device, run)?)?
        }
    };
    write_whole(dir, RESULT_FILE, &bytes)
}

/// An input that the data folder does not have, in a file of this machine that ends with the process.
fn fetch(address: &str, hash: &str, name: &str) -> Result<NamedTempFile, Error> {
    let advice = "a task on a cluster needs the AWS_… variables (a line of `prologue` in the profile) and room in TMPDIR";
    let cannot = |e: &dyn std::fmt::Display| Error::input(name, format!("it cannot be fetched: {e}; {advice}"));
    let file = NamedTempFile::with_prefix("eigenscope-").map_err(|e| cannot(&e))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| cannot(&e))?;
    runtime.block_on(crate::store::fetch(address, hash, file.path())).map_err(|e| cannot(&e))?;
    Ok(file)
}

/// A file is there with all its bytes or not at all. Two processes of one task, when a cluster started it again too early, do not meet: each writes
/// a file of its own, and both have the same to say.
fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let part = dir.join(format!("{name}.{}.part", ids::request_id()));
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, dir.join(name)));
    written.map_err(|e| {
        std::fs::remove_file(&part).ok();
        match e.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => disk_full(),
            _ => Error::internal(format!("{name} cannot be written: {e}")),
        }
    })
}

fn exit_with_parent() {
    let mut buffer = [0u8; 256];
    let mut stdin = io::stdin().lock();
    while matches!(stdin.read(&mut buffer), Ok(n) if n > 0) {}
    std::process::exit(3);
}

struct Printer {
    dir: PathBuf,
    /// Where progress goes instead of stdout.
    file: Option<PathBuf>,
    last: Mutex<Option<Instant>>,
    last_preview: Mutex<Instant>,
    started: Instant,
}

impl Printer {
    fn of(dir: &Path, file: Option<&Path>) -> Self {
        let now = Instant::now();
        Self { dir: dir.to_owned(), file: file.map(Into::into), last: Mutex::new(None), last_preview: Mutex::new(now), started: now }
    }
}

impl Progress for Printer {
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let every = if self.file.is_some() { WRITE_EVERY } else { PRINT_EVERY };
        if last.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        *last = Some(Instant::now());
        let line = serde_json::to_string(&Report { done_frac, step: what.to_owned() });
        let line = line.map_err(|e| Error::internal(format!("progress did not serialize: {e}")))?;
        if let Some(file) = &self.file {
            // Progress that cannot be written is only missed.
            if let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) {
                write_whole(folder, name, line.as_bytes()).unwrap_or_default();
            }
            return Ok(());
        }
        let mut out = io::stdout().lock();
        // Nobody listens any more: the server is gone and this process is about to follow.
        writeln!(out, "{line}").and_then(|()| out.flush()).or(Err(Error::Canceled))
    }

    fn clock(&self) -> Option<f64> {
        Some(self.started.elapsed().as_secs_f64())
    }

    fn preview(&self, known: &dyn Fn() -> Option<Output>) {
        let mut last = self.last_preview.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() < PREVIEW_EVERY {
            return;
        }
        let Some(output) = known() else { return };
        // A preview that cannot be written is only missed.
        let written = wire::pack(&AnalysisResult::preview(output)).and_then(|bytes| write_whole(&self.dir, PREVIEW_FILE, &bytes));
        if let Err(error) = written {
            writeln!(io::stderr(), "no preview: {error}").ok();
        }
        *last = Instant::now();
    }
}

fn misbehave(dir: &Path, printer: &Printer) -> Result<(), Error> {
    let wanted = std::env::var(TEST_CRASH).unwrap_or_default();
    // `hang task-1`: only the process of that folder.
    let (how, which) = wanted.split_once(' ').unwrap_or((&wanted, ""));
    if !which.is_empty() && !dir.ends_with(which) {
        return Ok(());
    }
    match how {
        "abort" => {
            writeln!(io::stderr(), "planted abort").ok();
            std::process::abort()
        }
        "panic" => std::panic::panic_any("planted panic"),
        "hang-once" if dir.join("hung").exists() => Ok(()),
        "hang" | "hang-once" => {
            std::fs::write(dir.join("hung"), "").ok();
            for i in 0..6000u32 {
                printer.step(f64::from(i) / 6000.0, "hanging")?;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(Error::internal("nobody stopped the planted hang"))
        }
        "pause" => {
            writeln!(io::stderr(), "planted pause").ok();
            for i in 0..20u32 {
                printer.step(f64::from(i) / 40.0, "pausing")?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
