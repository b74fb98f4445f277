//! The executor of a Slurm cluster: the open tasks of a job are one job array, whose tasks report through files in the job's folder.
//!
//! What a task did is told by its folder alone: a result that is there counts, whatever the cluster says, and counts once. The queue of the cluster
//! tells what will not come any more. The arrays of a job are noted in its folder, so that a server that starts again takes up what runs.

mod arrays;
mod cluster;
mod profile;
mod queue;
mod watched;

use std::path::Path;
use std::time::Duration;

use eigenscope::{DeviceChoice, Error};
use futures_util::future::select_all;
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::arrays::{Array, Arrays, Place};
use self::cluster::{Cluster, Refusal};
pub use self::profile::{AutoDevice, Profile};
use self::watched::Watched;
use super::child::Program;
use super::executor::{Batch, Ended, Process, Stop, Update};
use crate::ids;

/// The pause before a cluster that was away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs processes on a cluster.
#[derive(Debug)]
pub struct Slurm {
    profile: Profile,
    program: Program,
    cluster: Cluster,
}

impl Slurm {
    /// With the options of a site.
    #[must_use]
    pub fn new(profile: Profile, program: Program) -> Self {
        Self { cluster: Cluster::new(profile.clone(), program.clone()), profile, program }
    }

    pub(super) fn device(&self, asked: DeviceChoice) -> DeviceChoice {
        self.profile.device(asked)
    }

    pub(super) async fn run(&self, batch: Batch, updates: mpsc::Sender<(usize, Update)>) {
        let mut watched = Vec::new();
        let mut open: Vec<&Process> = batch.processes.iter().collect();
        if batch.may_run {
            let found = self.found(&batch).await;
            open.retain(|process| !found.iter().any(|(i, _)| *i == process.i));
            watched.extend(found.into_iter().filter_map(|(i, place)| {
                Some(Watched::new(batch.processes.iter().find(|process| process.i == i)?, place, &batch.dir, None))
            }));
        }
        let n_arrays = open.len().div_ceil(self.profile.max_array).max(1);
        for some in open.chunks(self.profile.max_array) {
            match self.submit(&batch, some, (batch.limit / n_arrays).max(1)).await {
                Ok(Some(array)) => {
                    let now = Some(Instant::now());
                    watched.extend(
                        some.iter().zip(0..).map(|(process, place)| Watched::new(process, Place { array, place }, &batch.dir, now)),
                    );
                }
                Ok(None) => tell_all(&updates, some, || Ended::Stopped).await,
                Err(error) => tell_all(&updates, some, || Ended::Failed(error.clone())).await,
            }
        }
        self.watch(watched, &updates).await;
    }

    /// The tasks that an earlier server submitted and whose end it did not see.
    async fn found(&self, batch: &Batch) -> Vec<(usize, Place)> {
        let mut arrays = Arrays::read(&batch.dir);
        if arrays.0.iter().any(|array| array.id.is_none()) {
            // It was killed while it submitted: the cluster knows whether it came so far.
            let Some(snapshot) = self.ask_until_stopped(batch).await else { return Vec::new() };
            for array in &mut arrays.0 {
                array.id = array.id.or_else(|| snapshot.named(&array.name));
            }
            arrays.0.retain(|array| array.id.is_some());
            note(&arrays, &batch.dir);
        }
        let place = |process: &Process| {
            let (array, place) = arrays.last_of(process.i)?;
            Some((process.i, Place { array: array.id?, place }))
        };
        batch.processes.iter().filter_map(place).collect()
    }

    async fn ask_until_stopped(&self, batch: &Batch) -> Option<queue::Snapshot> {
        loop {
            if is_stopped(&batch.processes) {
                return None;
            }
            match self.cluster.ask().await {
                Ok(snapshot) => return Some(snapshot),
                Err(Refusal::Away(message) | Refusal::No(message)) => tracing::warn!(message, "Slurm does not answer; it is asked again"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Submits some tasks as one array and gives its number; nothing when the job was stopped before it came to that.
    async fn submit(&self, batch: &Batch, processes: &[&Process], limit: usize) -> Result<Option<u64>, Error> {
        let mut arrays = Arrays::read(&batch.dir);
        // No other array ever had this name.
        let name = format!("eigenscope-{}-{}", batch.job, ids::request_id());
        let script = batch.dir.join(format!("{name}.sh"));
        let text = arrays::script(&batch.job, &self.profile, &self.program.exe, processes);
        arrays.0.push(Array { name: name.clone(), id: None, tasks: processes.iter().map(|process| process.i).collect() });
        let written = std::fs::write(&script, text).and_then(|()| arrays.write(&batch.dir));
        written.map_err(|e| Error::internal(format!("the job's script cannot be written: {e}")))?;
        let n = processes.len();
        let array = if limit < n { format!("0-{}%{limit}", n - 1) } else { format!("0-{}", n - 1) };
        let mut options = self.profile.options(batch.device);
        // Users cannot raise the priority of their jobs, only lower it; what goes first among the waiting ones here is the queue's matter.
        if batch.priority < 0 {
            options.push(format!("--nice={}", -batch.priority));
        }
        loop {
            if processes.iter().all(|process| *process.stop.borrow() != Stop::No) {
                return Ok(None);
            }
            match self.cluster.submit(&batch.dir, &name, &array, &script, &options).await {
                Ok(id) => {
                    tracing::info!(job = batch.job, array = id, tasks = n, "submitted to Slurm");
                    if let Some(array) = arrays.0.last_mut() {
                        array.id = Some(id);
                    }
                    note(&arrays, &batch.dir);
                    return Ok(Some(id));
                }
                Err(Refusal::No(message)) => return Err(Error::internal(format!("Slurm does not take the job: {message}"))),
                Err(Refusal::Away(message)) => {
                    tracing::warn!(job = batch.job, message, "Slurm does not answer; the job is submitted again");
                    tokio::time::sleep(AGAIN).await;
                    // It may have been taken although the answer did not arrive.
                    if let Ok(snapshot) = self.cluster.ask().await
                        && let Some(id) = snapshot.named(&name)
                    {
                        if let Some(array) = arrays.0.last_mut() {
                            array.id = Some(id);
                        }
                        note(&arrays, &batch.dir);
                        return Ok(Some(id));
                    }
                }
            }
        }
    }

    /// Follows tasks to their ends.
    async fn watch(&self, mut watched: Vec<Watched>, updates: &mpsc::Sender<(usize, Update)>) {
        let mut seen = self.cluster.watch();
        let mut tick = tokio::time::interval(self.profile.poll());
        while !watched.is_empty() {
            let is_stopped = {
                let stops = select_all(watched.iter_mut().map(|one| Box::pin(one.stopped())));
                tokio::select! {
                    _ = stops => true,
                    _ = tick.tick() => false,
                }
            };
            if is_stopped {
                self.end_stopped(&mut watched, updates).await;
                continue;
            }
            let latest = seen.borrow_and_update().clone();
            let mut going = Vec::new();
            for mut one in watched {
                let (news, is_over) = one.look(latest.as_ref(), self.profile.settle());
                for update in news {
                    updates.send((one.i(), update)).await.ok();
                }
                if !is_over {
                    going.push(one);
                }
            }
            watched = going;
        }
    }

    /// Cancels those that are told to; leaves alone those that a stopping server leaves.
    async fn end_stopped(&self, watched: &mut Vec<Watched>, updates: &mpsc::Sender<(usize, Update)>) {
        let (stopped, going): (Vec<_>, Vec<_>) = std::mem::take(watched).into_iter().partition(|one| one.stop() != Stop::No);
        *watched = going;
        let canceled: Vec<String> = stopped.iter().filter(|one| one.stop() == Stop::Cancel).map(|one| one.place().to_string()).collect();
        if !canceled.is_empty() {
            self.cancel(&canceled, || stopped.iter().any(|one| one.stop() == Stop::Leave)).await;
        }
        for mut one in stopped {
            updates.send((one.i(), one.end(Ended::Stopped))).await.ok();
        }
    }

    /// Cancels, however long the cluster is away; the notes in the folder stay until then. False when it gave up.
    async fn cancel(&self, names: &[String], gives_up: impl Fn() -> bool) -> bool {
        loop {
            match self.cluster.cancel(names).await {
                Ok(()) => return true,
                Err(Refusal::No(message)) => {
                    tracing::warn!(message, "scancel refused");
                    return true;
                }
                Err(Refusal::Away(message)) => tracing::warn!(message, "Slurm does not answer; the job is canceled again"),
            }
            if gives_up() {
                return false;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub(super) async fn abandon(&self, dir: &Path) -> bool {
        let arrays = Arrays::read(dir);
        let mut names: Vec<String> = arrays.0.iter().filter_map(|array| array.id.map(|id| id.to_string())).collect();
        if arrays.0.iter().any(|array| array.id.is_none()) {
            let Ok(snapshot) = self.cluster.ask().await else { return false };
            let found = |array: &Array| Some(snapshot.named(&array.name)?.to_string());
            names.extend(arrays.0.iter().filter(|array| array.id.is_none()).filter_map(found));
        }
        names.is_empty() || self.cancel(&names, || true).await
    }
}

fn is_stopped(processes: &[Process]) -> bool {
    processes.iter().all(|process| *process.stop.borrow() != Stop::No)
}

async fn tell_all(updates: &mpsc::Sender<(usize, Update)>, processes: &[&Process], ended: impl Fn() -> Ended) {
    for process in processes {
        updates.send((process.i, Update::ended(ended(), None))).await.ok();
    }
}

/// A note that cannot be written costs a search by name at the next start.
fn note(arrays: &Arrays, dir: &Path) {
    if let Err(error) = arrays.write(dir) {
        tracing::warn!(dir = %dir.display(), %error, "the arrays of a job could not be noted");
    }
}
