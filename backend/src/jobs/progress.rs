//! How far a job is, over all its processes: in the store, not more often than somebody can see.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Report;
use super::eta::Eta;
use crate::store::Store;

/// Progress is passed on ten times a second at most.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// The steps of a job.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    store: &'a Store,
    job: &'a str,
    /// Tasks, without the last process.
    n: usize,
    /// What of each process is done.
    done: Vec<f64>,
    n_ended: usize,
    /// What those that run said last.
    running: BTreeMap<usize, String>,
    latest: usize,
    /// Why nothing runs.
    waits: String,
    started: Instant,
    eta: Eta,
    next: Instant,
    is_new: bool,
}

impl<'a> Steps<'a> {
    pub(super) fn new(store: &'a Store, job: &'a str, n: usize) -> Self {
        let now = Instant::now();
        let (done, running) = (vec![0.0; n + 1], BTreeMap::new());
        Self {
            store,
            job,
            n,
            done,
            n_ended: 0,
            running,
            latest: 0,
            waits: "waiting".into(),
            started: now,
            eta: Eta::new(0.0),
            next: now,
            is_new: false,
        }
    }

    /// A task that need not run.
    pub(super) fn skip(&mut self, i: usize) {
        self.done[i] = 1.0;
        self.n_ended += 1;
    }

    /// From here on it takes time.
    pub(super) fn begin(&mut self) {
        self.started = Instant::now();
        self.eta = Eta::new(self.done_frac());
    }

    /// A process started.
    pub(super) async fn start(&mut self, i: usize) {
        self.running.insert(i, "starting".into());
        self.latest = i;
        self.write().await;
    }

    /// A process waits.
    pub(super) async fn wait(&mut self, why: String) {
        if self.waits != why {
            self.waits = why;
            self.write().await;
        }
    }

    /// A process got so far; one that was started again is only noted once it is ahead of where the first was.
    pub(super) fn report(&mut self, i: usize, report: Report) {
        self.done[i] = self.done[i].max(report.done_frac.clamp(0.0, 1.0));
        self.running.insert(i, report.step);
        self.latest = i;
        self.is_new = true;
    }

    /// A process ended.
    pub(super) async fn end(&mut self, i: usize) {
        self.done[i] = 1.0;
        self.n_ended += 1;
        self.running.remove(&i);
        if !self.running.is_empty() {
            self.write().await;
        }
    }

    /// Waits until there is something to write and it is time.
    pub(super) async fn due(&self) {
        if self.is_new { tokio::time::sleep_until(self.next).await } else { std::future::pending().await }
    }

    /// Writes what is known.
    pub(super) async fn write(&mut self) {
        let done = self.done_frac();
        self.eta.note(self.started.elapsed(), done);
        self.is_new = false;
        if let Err(error) = self.store.report_progress(self.job, done, &self.step(), self.eta.remaining_secs()).await {
            tracing::warn!(job = self.job, %error, "progress could not be recorded");
        }
        self.next = Instant::now() + REPORT_EVERY;
    }

    #[expect(clippy::cast_precision_loss, reason = "a handful of tasks")]
    fn done_frac(&self) -> f64 {
        self.done.iter().sum::<f64>() / self.done.len() as f64
    }

    fn step(&self) -> String {
        let (i, n) = (self.latest, self.n);
        let Some((i, said)) = self.running.get_key_value(&i).or_else(|| self.running.last_key_value()) else { return self.waits.clone() };
        match self.running.len() {
            _ if *i >= n => said.clone(),
            1 => format!("task {} of {n}: {said}", i + 1),
            running => format!("{} of {n} tasks done, {running} running; task {}: {said}", self.n_ended, i + 1),
        }
    }
}
