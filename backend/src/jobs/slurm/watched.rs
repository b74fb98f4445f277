//! A task on the cluster, followed by the files that it writes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use eigenscope::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use super::arrays::Place;
use super::cluster::Seen;
use super::queue::Known;
use crate::jobs::PROGRESS_FILE;
use crate::jobs::executor::{Ended, Process, Stop, Update, told};
use crate::jobs::log::Log;
use crate::jobs::outcome::{self, Exit};

/// Bytes of output that one look takes over at most.
const OUTPUT_BYTES: u64 = 256 << 10;

/// A task that was submitted.
#[derive(Debug)]
pub(super) struct Watched {
    i: usize,
    dir: PathBuf,
    stop: watch::Receiver<Stop>,
    place: Place,
    /// Answers that are older do not know of it; nothing when an earlier server submitted it.
    submitted: Option<Instant>,
    output: PathBuf,
    /// Bytes of output that are in the log.
    read: u64,
    log: Log,
    last_report: Option<String>,
    started: Option<Instant>,
    restarts: u64,
    /// The reason why it waits that was told last.
    waits: Option<String>,
    /// Its next start is not one that an earlier server saw.
    is_new: bool,
    /// Since when the cluster does not have it any more.
    gone_since: Option<Instant>,
}

impl Watched {
    pub(super) fn new(process: &Process, place: Place, dir: &Path, submitted: Option<Instant>) -> Self {
        let mut log = Log::open(&process.log);
        let output = place.output(dir);
        let how = if submitted.is_some() { "submitted to Slurm as" } else { "found again in Slurm as" };
        log.note(&format!("{how} {place}"));
        // What an earlier server saw is in the log already, but for what came while there was none: better twice than not at all.
        Self {
            i: process.i,
            dir: process.dir.clone(),
            stop: process.stop.clone(),
            place,
            submitted,
            output,
            read: 0,
            log,
            last_report: None,
            started: None,
            restarts: 0,
            waits: None,
            is_new: submitted.is_some(),
            gone_since: None,
        }
    }

    pub(super) fn i(&self) -> usize {
        self.i
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn stop(&self) -> Stop {
        *self.stop.borrow()
    }

    /// Waits until it is told to stop.
    pub(super) async fn stopped(&mut self) {
        told(&mut self.stop).await;
    }

    /// What is new, and whether the last of it is the end.
    pub(super) fn look(&mut self, seen: Option<&Seen>, settle: Duration) -> (Vec<Update>, bool) {
        let mut news = Vec::new();
        let seen = seen.filter(|seen| self.submitted.is_none_or(|at| seen.asked > at));
        let known = seen.map(|seen| seen.snapshot.of(self.place.array, self.place.place));
        let report = std::fs::read_to_string(self.dir.join(PROGRESS_FILE)).ok().filter(|text| self.last_report.as_ref() != Some(text));
        let is_running = known.flatten().is_some_and(|known| known.state == "RUNNING");
        let is_first = self.started.is_none();
        let restarts = known.flatten().map_or(self.restarts, |known| known.restarts);
        if self.started.is_none() && (is_running || report.is_some()) {
            news.push(self.start(known.flatten()));
        } else if restarts > self.restarts {
            self.log.note(&format!("the cluster starts it again, for the {restarts}. time: its node was lost or it had to make room"));
            (self.started, self.is_new) = (None, true);
        }
        self.restarts = restarts;
        if let Some(known) = known.flatten().filter(|known| known.state == "PENDING" && self.waits.as_ref() != Some(&known.reason)) {
            // A job that an operator or a failed start holds waits for a person: they should know.
            news.push(Update::Waits(format!("waiting in Slurm ({})", known.reason)));
            self.waits = Some(known.reason.clone());
        }
        if let Some(report) = report {
            news.extend(serde_json::from_str(&report).ok().map(Update::Report));
            self.last_report = Some(report);
        }
        self.take_output();
        if let Some(ended) = outcome::left(&self.dir) {
            news.extend(self.came_and_went());
            // Seen for the first time when it was over: nobody knows how long it ran.
            self.started = self.started.filter(|_| !is_first);
            news.push(self.end(ended));
            return (news, true);
        }
        match known {
            Some(known) if known.is_none_or(Known::is_over) => {
                let since = self.gone_since.get_or_insert_with(Instant::now).elapsed();
                // What it wrote on another machine may not be here yet.
                if since >= settle {
                    news.extend(self.came_and_went());
                    let ended = self.lost(known);
                    news.push(self.end(ended));
                    return (news, true);
                }
            }
            // Still there, or nobody answers.
            _ => self.gone_since = None,
        }
        (news, false)
    }

    fn start(&mut self, known: Option<&Known>) -> Update {
        self.started = Some(Instant::now());
        self.log.note(&format!("started on {}", known.map_or("a node", |known| known.nodes.as_str())));
        if self.is_new { Update::started() } else { Update::Found }
    }

    /// It started and ended between two looks.
    fn came_and_went(&self) -> Option<Update> {
        (self.started.is_none() && self.is_new).then(Update::started)
    }

    /// The last of what it said goes into its log.
    pub(super) fn end(&mut self, ended: Ended) -> Update {
        self.take_output();
        let ran_secs = self.started.map(|at| at.elapsed().as_secs_f64());
        self.log.end(&ended, ran_secs);
        Update::ended(ended, ran_secs)
    }

    /// It is over and has left nothing.
    fn lost(&self, known: Option<&Known>) -> Ended {
        match known.map_or("", |known| known.state.as_str()) {
            "TIMEOUT" => Ended::Failed(Error::internal("the task ran into its time limit in Slurm; raise `time` in the profile")),
            "CANCELLED" => Ended::Failed(Error::internal("the task was canceled in Slurm, not by this server")),
            "OUT_OF_MEMORY" => outcome::of(&self.dir, Exit::Signal(9), &self.log.last_words()),
            // Of those the exit status is that of the machine or of nothing.
            "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "DEADLINE" | "" => outcome::of(&self.dir, Exit::Unknown, &self.log.last_words()),
            _ => outcome::of(&self.dir, known.map_or(Exit::Unknown, |known| known.exit), &self.log.last_words()),
        }
    }

    fn take_output(&mut self) {
        let Ok(mut file) = File::open(&self.output) else { return };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.read)).is_ok() && file.take(OUTPUT_BYTES).read_to_end(&mut bytes).is_ok() {
            self.read += bytes.len() as u64;
            self.log.said(&bytes);
        }
    }
}
