//! Workers: each takes the job that waits longest and runs its process to the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eigenscope::Error;
use eigenscope::api::{ApiError, DatasetInfo, Job, JobRequest};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::child::{Ended, Notes, Program, api_error};
use super::{TASK_FILE, request};
use crate::store::{Outcome, Store, StoreError};

/// The workers and what they are doing.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    program: Program,
    /// A job was queued, or the server stops.
    wake: Notify,
    stopping: watch::Sender<bool>,
    /// Tells the process of a running job to stop.
    running: Mutex<BTreeMap<String, watch::Sender<bool>>>,
}

impl Workers {
    /// Queues again what an earlier server left running and starts `n` workers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn start(store: Store, program: Program, n: usize) -> Result<Self, StoreError> {
        store
            .requeue_running(|id| {
                api_error(&Error::internal("the server stopped three times while this job ran; it is not started again"), id)
            })
            .await?;
        let (stopping, _) = watch::channel(false);
        let shared = Arc::new(Shared { store, program, wake: Notify::new(), stopping, running: Mutex::default() });
        let handles = (0..n).map(|_| tokio::spawn(work(Arc::clone(&shared)))).collect();
        Ok(Self { shared, handles: Mutex::new(handles) })
    }

    /// Tells the workers that a job was queued.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Stops the process of a job that was canceled; a job without one is no error.
    pub fn stop_job(&self, id: &str) {
        if let Some(stop) = lock(&self.shared.running).get(id) {
            stop.send_replace(true);
        }
    }

    /// Stops every process, queues its job again and waits for the workers to end.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        for stop in lock(&self.shared.running).values() {
            stop.send_replace(true);
        }
        let handles = std::mem::take(&mut *lock(&self.handles));
        for handle in handles {
            handle.await.ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn work(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    while !*stopping.borrow() {
        match shared.store.claim_job().await {
            Ok(Some(job)) => {
                // Another worker may be asleep although more jobs wait.
                shared.wake.notify_one();
                let id = job.id.clone();
                if let Err(error) = shared.run(job).await {
                    tracing::error!(job = id, %error, "a job could not be recorded");
                }
            }
            Ok(None) => tokio::select! {
                () = shared.wake.notified() => {}
                _ = stopping.wait_for(|&stop| stop) => {}
            },
            Err(error) => {
                tracing::error!(%error, "the queue could not be read");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

impl Shared {
    async fn run(&self, job: Job) -> Result<(), StoreError> {
        let (stop, stopped) = watch::channel(*self.stopping.borrow());
        lock(&self.running).insert(job.id.clone(), stop);
        let ended = self.run_process(&job, stopped).await;
        lock(&self.running).remove(&job.id);
        let outcome = match ended {
            Ok(Ended::Done(file)) => self.store.finish_job(&job.id, Outcome::Done(file)).await,
            Ok(Ended::Failed(error)) => self.fail(&job, &error).await,
            // A canceled job is no longer running in the table, so that this touches only jobs of a stopping server.
            Ok(Ended::Stopped) => self.store.requeue_job(&job.id).await,
            Err(error) => self.fail(&job, &Error::internal(format!("the job could not be prepared: {error}"))).await,
        };
        let dir = self.store.task_dir(&job.id);
        if let Err(error) = tokio::fs::remove_dir_all(&dir).await {
            tracing::warn!(job = job.id, %error, "a task folder could not be removed");
        }
        outcome
    }

    async fn run_process(&self, job: &Job, stopped: watch::Receiver<bool>) -> Result<Ended, StoreError> {
        let datasets = datasets_of(&self.store, &job.request).await?;
        let task = request::task_file(&job.request, &datasets, self.store.blobs());
        let dir = self.store.task_dir(&job.id);
        tokio::fs::create_dir_all(&dir).await?;
        tokio::fs::write(dir.join(TASK_FILE), serde_json::to_vec(&task)?).await?;
        // Canceled between the claim and here: the table knows, the signal could not reach anybody.
        if self.store.job(&job.id).await?.is_none_or(|(job, _)| job.state.is_final()) {
            return Ok(Ended::Stopped);
        }
        tracing::info!(job = job.id, analysis = job.request.spec.title(), "job started");
        let ended = self.program.run_task(&dir, stopped, &Notes { store: &self.store, job: &job.id }).await;
        tracing::info!(job = job.id, outcome = word(&ended), "job ended");
        Ok(ended)
    }

    async fn fail(&self, job: &Job, error: &Error) -> Result<(), StoreError> {
        tracing::warn!(job = job.id, %error, "job failed");
        let error: ApiError = api_error(error, &job.id);
        self.store.finish_job(&job.id, Outcome::Failed(error)).await
    }
}

fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::Done(_) => "done",
        Ended::Failed(_) => "failed",
        Ended::Stopped => "stopped",
    }
}

/// The datasets that a request refers to, by id; those that are not there are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn datasets_of(store: &Store, request: &JobRequest) -> Result<BTreeMap<String, DatasetInfo>, StoreError> {
    let mut out = BTreeMap::new();
    for input in request.inputs.values() {
        if !out.contains_key(&input.dataset)
            && let Some(info) = store.dataset(&input.dataset).await?
        {
            out.insert(input.dataset.clone(), info);
        }
    }
    Ok(out)
}
