//! The queue: takes jobs in their order and has each run to its end.
//!
//! So many jobs run at the same time as there are process slots; a job of higher priority than all that run does not wait for one of them to end,
//! only for the next slot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eigenscope::Error;
use eigenscope::api::{DatasetInfo, Job, JobRequest};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::child::Program;
use super::executor::{Ended, Executor, Stop};
use super::outcome::{api_error, disk_full};
use crate::store::{Outcome, Store, StoreError};

/// How long a piece is kept for other jobs.
const PIECES_LAST: Duration = Duration::from_secs(30 * 24 * 3600);
/// The pause before something is tried again that the disk had no room for, or the database no answer.
const AGAIN: Duration = Duration::from_secs(1);

/// The jobs that run, and what takes the next.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    dispatcher: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) program: Program,
    pub(super) executor: Executor,
    /// Jobs at the same time.
    n_jobs: usize,
    /// Arithmetic of a task, about.
    pub(super) task_flops: f64,
    /// A job was queued.
    wake: Notify,
    stopping: watch::Sender<bool>,
    /// Tells the processes of a running job to stop.
    running: Mutex<BTreeMap<String, watch::Sender<Stop>>>,
    /// Tells the process of one task to stop, while the job goes on.
    pub(super) tasks: Mutex<BTreeMap<(String, usize), watch::Sender<Stop>>>,
}

impl Workers {
    /// Queues again what an earlier server left running and starts to take jobs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn start(store: Store, program: Program, executor: Executor, n_jobs: usize, task_flops: f64) -> Result<Self, StoreError> {
        store
            .requeue_running(|id| {
                api_error(&Error::internal("the server stopped three times while this job ran; it is not started again"), id)
            })
            .await?;
        for id in store.old_task_dirs().await? {
            // The folder tells what runs: it stays until that could be ended.
            if executor.abandon(&store.task_dir(&id)).await {
                store.remove_task_dir(&id).await;
            }
        }
        store.remove_old_logs().await?;
        store.remove_old_pieces(PIECES_LAST).await?;
        let (stopping, _) = watch::channel(false);
        let shared = Arc::new(Shared {
            store,
            program,
            executor,
            n_jobs,
            task_flops,
            wake: Notify::new(),
            stopping,
            running: Mutex::default(),
            tasks: Mutex::default(),
        });
        let dispatcher = tokio::spawn(dispatch(Arc::clone(&shared)));
        Ok(Self { shared, dispatcher: Mutex::new(Some(dispatcher)) })
    }

    /// Tells that a job was queued.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Stops the processes of a job that was canceled; a job without one is no error.
    pub async fn stop_job(&self, id: &str) {
        let is_running = lock(&self.shared.running).get(id).map(|stop| stop.send_replace(Stop::Cancel)).is_some();
        if !is_running {
            // It may have been stopped half done by an earlier server.
            if self.shared.executor.abandon(&self.shared.store.task_dir(id)).await {
                self.shared.store.remove_task_dir(id).await;
            }
        }
    }

    /// Leaves out a task of a job that goes on; false where it is done already, and stays.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be noted.
    pub async fn skip_task(&self, id: &str, i: usize) -> Result<bool, StoreError> {
        if !self.shared.mark_skipped(id, i).await? {
            return Ok(false);
        }
        if let Some(stop) = lock(&self.shared.tasks).get(&(id.to_owned(), i)) {
            stop.send_replace(Stop::Cancel);
        }
        Ok(true)
    }

    /// Stops every process of this machine, queues its job again and waits for that to end.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        for stop in lock(&self.shared.running).values() {
            // One that is being canceled stays so.
            stop.send_if_modified(|stop| *stop == Stop::No && std::mem::replace(stop, Stop::Leave) == Stop::No);
        }
        let dispatcher = lock(&self.dispatcher).take();
        if let Some(dispatcher) = dispatcher {
            dispatcher.await.ok();
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes jobs until the server stops, then waits for those that run.
async fn dispatch(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    let mut jobs = JoinSet::new();
    let mut running: BTreeMap<u64, (Id, Job)> = BTreeMap::new();
    let mut n_started = 0;
    while !*stopping.borrow() {
        let above = running.values().map(|(_, job)| job.request.priority).max().filter(|_| running.len() >= shared.n_jobs);
        let claimed = if shared.n_jobs == 0 { Ok(None) } else { shared.store.claim_job(above).await };
        match claimed {
            Ok(Some(job)) => {
                let handle = jobs.spawn(Arc::clone(&shared).run(job.clone()));
                n_started += 1;
                running.insert(n_started, (handle.id(), job));
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "the queue could not be read");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        }
        let stops = async { stopping.wait_for(|&stop| stop).await.is_ok() };
        tokio::select! {
            () = shared.wake.notified() => {}
            _ = stops => {}
            Some(ended) = jobs.join_next_with_id() => shared.took_note(&mut running, ended).await,
        }
    }
    while let Some(ended) = jobs.join_next_with_id().await {
        shared.took_note(&mut running, ended).await;
    }
}

impl Shared {
    /// A job does not run any more; one that panicked has not said so itself.
    async fn took_note(&self, running: &mut BTreeMap<u64, (Id, Job)>, ended: Result<(Id, ()), JoinError>) {
        let (id, panicked) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some((_, job)) = running.extract_if(.., |_, (of, _)| *of == id).next().map(|(_, found)| found) else { return };
        if let Some(error) = panicked {
            lock(&self.running).remove(&job.id);
            self.record(&job, Outcome::Failed(api_error(&Error::internal(format!("the job's watch failed: {error}")), &job.id))).await;
        }
    }

    async fn run(self: Arc<Self>, job: Job) {
        let first = if *self.stopping.borrow() { Stop::Leave } else { Stop::No };
        let (stop, stopped) = watch::channel(first);
        lock(&self.running).insert(job.id.clone(), stop);
        let ended = self.run_processes(&job, stopped).await;
        let ended = match ended {
            Ok(Ended::Done(file)) => match self.store.hash_of(file.clone()).await {
                Ok(hash) => Ok((Outcome::Done(file, hash), "done")),
                Err(error) => Err(error),
            },
            Ok(Ended::Failed(error) | Ended::Crashed(error)) => {
                tracing::warn!(job = job.id, %error, "job failed");
                Ok((Outcome::Failed(api_error(&error, &job.id)), "failed"))
            }
            Ok(Ended::Stopped) => {
                // A canceled job is no longer running in the table, so that this touches only jobs of a stopping server.
                if let Err(error) = self.store.requeue_job(&job.id).await {
                    tracing::error!(job = job.id, %error, "a job could not be queued again");
                }
                tracing::info!(job = job.id, outcome = "stopped", "job ended");
                return self.leave(&job).await;
            }
            Err(error) => Err(error),
        };
        let (outcome, word) = ended.unwrap_or_else(|error| {
            tracing::warn!(job = job.id, %error, "job failed");
            let is_disk_full = error.is_disk_full();
            let error = if is_disk_full { disk_full() } else { Error::internal(format!("the job could not be prepared: {error}")) };
            (Outcome::Failed(api_error(&error, &job.id)), "failed")
        });
        self.record(&job, outcome).await;
        tracing::info!(job = job.id, outcome = word, "job ended");
        self.leave(&job).await;
    }

    /// Records how a job ended; where the disk is full or the object store does not answer it waits, because nobody else knows.
    async fn record(&self, job: &Job, outcome: Outcome) {
        let mut stopping = self.stopping.subscribe();
        loop {
            match self.store.finish_job(&job.id, outcome.clone()).await {
                Ok(()) => return,
                Err(error) if error.is_disk_full() => {
                    tracing::warn!(job = job.id, "{}; until then it is not recorded how the job ended", disk_full());
                }
                Err(error @ StoreError::Remote(_)) => {
                    tracing::warn!(job = job.id, %error, "until it does, it is not recorded how the job ended");
                    // Canceled meanwhile: nobody waits for the result.
                    if self.store.job(&job.id).await.is_ok_and(|found| found.is_none_or(|(job, _)| job.state.is_final())) {
                        return;
                    }
                }
                Err(error) => {
                    let error_text = format!("its end could not be recorded: {error}");
                    tracing::error!(job = job.id, "{error_text}");
                    let failed = Outcome::Failed(api_error(&Error::internal(error_text), &job.id));
                    if let Err(error) = self.store.finish_job(&job.id, failed).await {
                        tracing::error!(job = job.id, %error, "nor that it failed");
                    }
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                // The next server runs it again: what its tasks gave is in its folder.
                _ = stopping.wait_for(|&stop| stop) => return,
            }
        }
    }

    /// What a job that goes on later has finished stays.
    async fn leave(&self, job: &Job) {
        lock(&self.running).remove(&job.id);
        match self.store.job(&job.id).await {
            Ok(found) if found.as_ref().is_none_or(|(job, _)| job.state.is_final()) => self.store.remove_task_dir(&job.id).await,
            Ok(_) => {}
            Err(error) => tracing::error!(job = job.id, %error, "a job could not be read"),
        }
    }
}

/// The datasets that a request refers to, by id; those that are not there are left out.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Changed`] when a file that lies in place is not what it was.
pub async fn datasets_of(store: &Store, request: &JobRequest) -> Result<BTreeMap<String, DatasetInfo>, StoreError> {
    let mut out = BTreeMap::new();
    for input in request.inputs.values() {
        if !out.contains_key(&input.dataset)
            && let Some(info) = store.dataset(&input.dataset).await?
        {
            store.check_dataset(&info).await?;
            out.insert(input.dataset.clone(), info);
        }
    }
    Ok(out)
}
