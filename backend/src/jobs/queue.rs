//! Workers: each takes the job that waits longest and runs its process to the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eigenscope::api::{ApiError, DatasetInfo, Job, JobRequest};
use eigenscope::{AnalysisSpec, Error, tasks};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::child::{Ended, Notes, Program, api_error};
use super::{RESULT_FILE, TASK_FILE, TaskFile, Work, request};
use crate::store::{Outcome, Store, StoreError};

/// The cache key of the job whose pieces are in its folder.
const KEY_FILE: &str = "key";
/// Folder of a job with the numbers of tasks that are left out.
const SKIPPED: &str = "skipped";
/// How long a piece is kept for other jobs.
const PIECES_LAST: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often a process that a signal ended is started.
const STARTS: u32 = 3;

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
    /// Arithmetic of a task, about.
    task_flops: f64,
    /// A job was queued, or the server stops.
    wake: Notify,
    stopping: watch::Sender<bool>,
    /// Tells the process of a running job to stop.
    running: Mutex<BTreeMap<String, watch::Sender<bool>>>,
    /// Tells the process of one task to stop, while the job goes on.
    current: Mutex<BTreeMap<String, (usize, watch::Sender<bool>)>>,
}

impl Workers {
    /// Queues again what an earlier server left running and starts `n` workers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn start(store: Store, program: Program, n: usize, task_flops: f64) -> Result<Self, StoreError> {
        store
            .requeue_running(|id| {
                api_error(&Error::internal("the server stopped three times while this job ran; it is not started again"), id)
            })
            .await?;
        store.remove_old_task_dirs().await?;
        store.remove_old_pieces(PIECES_LAST).await?;
        let (stopping, _) = watch::channel(false);
        let shared = Arc::new(Shared {
            store,
            program,
            task_flops,
            wake: Notify::new(),
            stopping,
            running: Mutex::default(),
            current: Mutex::default(),
        });
        let handles = (0..n).map(|_| tokio::spawn(work(Arc::clone(&shared)))).collect();
        Ok(Self { shared, handles: Mutex::new(handles) })
    }

    /// Tells the workers that a job was queued.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Stops the process of a job that was canceled; a job without one is no error.
    pub async fn stop_job(&self, id: &str) {
        let is_running = lock(&self.shared.running).get(id).map(|stop| stop.send_replace(true)).is_some();
        if !is_running {
            // It may have been stopped half done by an earlier server.
            self.shared.store.remove_task_dir(id).await;
        }
    }

    /// Leaves out a task of a job that goes on; false where it is done already, and stays.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be noted.
    pub async fn skip_task(&self, id: &str, i: usize) -> Result<bool, StoreError> {
        let dir = self.shared.store.task_dir(id);
        let key = dir.join(SKIPPED);
        if piece_of(&dir, i).exists() && !key.join(i.to_string()).exists() {
            return Ok(false);
        }
        tokio::fs::create_dir_all(&key).await?;
        tokio::fs::write(key.join(i.to_string()), "").await?;
        if let Some((_, stop)) = lock(&self.shared.current).get(id).filter(|(current, _)| *current == i) {
            stop.send_replace(true);
        }
        Ok(true)
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
        let ended = self.run_processes(&job, stopped).await;
        lock(&self.running).remove(&job.id);
        if let Ok(ended) = &ended {
            tracing::info!(job = job.id, outcome = word(ended), "job ended");
        }
        let outcome = match ended {
            Ok(Ended::Done(file)) => self.store.finish_job(&job.id, Outcome::Done(file)).await,
            Ok(Ended::Failed(error) | Ended::Crashed(error)) => self.fail(&job, &error).await,
            // A canceled job is no longer running in the table, so that this touches only jobs of a stopping server.
            Ok(Ended::Stopped) => self.store.requeue_job(&job.id).await,
            Err(error) => self.fail(&job, &Error::internal(format!("the job could not be prepared: {error}"))).await,
        };
        // What a job that goes on later has finished stays.
        if self.store.job(&job.id).await?.is_none_or(|(job, _)| job.state.is_final()) {
            self.store.remove_task_dir(&job.id).await;
        }
        outcome
    }

    /// Runs all processes of a job: one, or the tasks that are not done yet and one that joins them.
    async fn run_processes(&self, job: &Job, stopped: watch::Receiver<bool>) -> Result<Ended, StoreError> {
        let datasets = datasets_of(&self.store, &job.request).await?;
        let dir = self.store.task_dir(&job.id);
        let key = match request::cache_key(&job.request, &datasets, &self.program.exe) {
            Ok(key) => key,
            Err(error) => return Ok(Ended::Failed(error)),
        };
        self.keep_or_clear(&dir, &key).await?;
        // Canceled between the claim and here: the table knows, the signal could not reach anybody.
        if self.store.job(&job.id).await?.is_none_or(|(job, _)| job.state.is_final()) {
            return Ok(Ended::Stopped);
        }
        let whole = request::task_file(&job.request, &datasets, self.store.blobs());
        let tasks = tasks::divide(&job.request.spec, &request::shapes(&job.request, &datasets), self.task_flops);
        tracing::info!(job = job.id, analysis = job.request.spec.title(), tasks = tasks.len().max(1), "job started");
        let (n, mut pieces) = (tasks.len(), Vec::new());
        #[expect(clippy::cast_precision_loss, reason = "a handful of tasks")]
        let share = |i: usize| i as f64 / (n + 1) as f64;
        for (i, task) in tasks.into_iter().enumerate() {
            let piece = piece_of(&dir, i);
            let dir = dir.join(task_folder(i));
            // What was done before somebody left it out stays.
            if !piece.exists() && self.leave_out(job, i, &piece).await? {
                pieces.push(piece);
                continue;
            }
            let kept = tasks::alone(&job.request.spec, &task).and_then(|spec| self.kept_piece(&job.request, spec, &datasets));
            if let Some(kept) = kept.as_ref().filter(|kept| kept.exists() && !piece.exists()) {
                tokio::fs::create_dir_all(&dir).await?;
                tokio::fs::copy(kept, &piece).await?;
            }
            if !piece.exists() {
                let notes = self.notes(job, (share(i), share(i + 1)), format!("task {} of {n}: ", i + 1));
                let task = TaskFile { work: Work::Task(task), ..whole.clone() };
                let (stop, own) = watch::channel(*stopped.borrow());
                lock(&self.current).insert(job.id.clone(), (i, stop.clone()));
                let mut whole = stopped.clone();
                let told = tokio::spawn(async move {
                    if whole.wait_for(|&stop| stop).await.is_ok() {
                        stop.send_replace(true);
                    }
                });
                let ended = self.run_process(&dir, &task, own, &notes).await;
                told.abort();
                lock(&self.current).remove(&job.id);
                match ended? {
                    Ended::Done(_) => self.store.report_part(&job.id).await?,
                    Ended::Stopped if !*stopped.borrow() && self.leave_out(job, i, &piece).await? => {
                        pieces.push(piece);
                        continue;
                    }
                    ended => return Ok(ended),
                }
                if let Some(kept) = kept {
                    keep(&piece, &kept).await?;
                }
            }
            pieces.push(piece);
        }
        let work = if n == 0 { Work::Whole } else { Work::Join(pieces) };
        self.run_process(&dir, &TaskFile { work, ..whole }, stopped, &self.notes(job, (share(n), 1.0), String::new())).await
    }

    /// Whether a task is left out; then a piece that says so stands in its place.
    async fn leave_out(&self, job: &Job, i: usize, piece: &Path) -> Result<bool, StoreError> {
        if !self.store.task_dir(&job.id).join(SKIPPED).join(i.to_string()).exists() {
            return Ok(false);
        }
        if let Some(folder) = piece.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let bytes = eigenscope::wire::pack(&tasks::skipped()).map_err(|e| StoreError::from(std::io::Error::other(e.to_string())))?;
        tokio::fs::write(piece, bytes).await?;
        Ok(true)
    }

    fn notes<'a>(&'a self, job: &'a Job, share: (f64, f64), part: String) -> Notes<'a> {
        Notes { store: &self.store, job: &job.id, share, part }
    }

    async fn run_process(
        &self,
        dir: &Path,
        task: &TaskFile,
        stopped: watch::Receiver<bool>,
        notes: &Notes<'_>,
    ) -> Result<Ended, StoreError> {
        tokio::fs::create_dir_all(dir).await?;
        tokio::fs::write(dir.join(TASK_FILE), serde_json::to_vec(task)?).await?;
        for start in 1.. {
            match self.program.run_task(dir, stopped.clone(), notes).await {
                Ended::Crashed(error) if start < STARTS => {
                    tracing::warn!(job = notes.job, start, %error, "a process crashed and is started again");
                }
                ended => return Ok(ended),
            }
        }
        Ok(Ended::Stopped)
    }

    /// Where a piece is kept that other jobs need as well: by what alone gives it.
    fn kept_piece(&self, request: &JobRequest, spec: AnalysisSpec, datasets: &BTreeMap<String, DatasetInfo>) -> Option<PathBuf> {
        let names = spec.inputs();
        let inputs: BTreeMap<_, _> =
            request.inputs.iter().filter(|(name, _)| names.contains(name)).map(|(n, i)| (n.clone(), i.clone())).collect();
        let used = |id: &String| inputs.values().any(|input| input.dataset == *id);
        let datasets = datasets.iter().filter(|(id, _)| used(id)).map(|(id, info)| (id.clone(), info.clone())).collect();
        let alone = JobRequest { spec, inputs, ..request.clone() };
        let key = request::cache_key(&alone, &datasets, &self.program.exe).ok()?;
        Some(self.store.piece(&key))
    }

    /// Keeps the pieces in a folder that an earlier server left, unless they are of another program or request.
    async fn keep_or_clear(&self, dir: &Path, key: &str) -> Result<(), StoreError> {
        let file = dir.join(KEY_FILE);
        if tokio::fs::read_to_string(&file).await.is_ok_and(|kept| kept == key) {
            return Ok(());
        }
        if dir.exists() {
            tokio::fs::remove_dir_all(dir).await?;
        }
        tokio::fs::create_dir_all(dir).await?;
        tokio::fs::write(&file, key).await?;
        Ok(())
    }

    async fn fail(&self, job: &Job, error: &Error) -> Result<(), StoreError> {
        tracing::warn!(job = job.id, %error, "job failed");
        let error: ApiError = api_error(error, &job.id);
        self.store.finish_job(&job.id, Outcome::Failed(error)).await
    }
}

/// Folder of a task within that of its job.
fn task_folder(i: usize) -> String {
    format!("task-{i}")
}

/// What a task writes when it is done.
fn piece_of(dir: &Path, i: usize) -> PathBuf {
    dir.join(task_folder(i)).join(RESULT_FILE)
}

/// Keeps a piece for other jobs, whole or not at all.
async fn keep(piece: &Path, kept: &Path) -> Result<(), StoreError> {
    if let Some(folder) = kept.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let partial = kept.with_extension("partial");
    tokio::fs::copy(piece, &partial).await?;
    tokio::fs::rename(&partial, kept).await?;
    Ok(())
}

fn word(ended: &Ended) -> &'static str {
    match ended {
        Ended::Done(_) => "done",
        Ended::Failed(_) => "failed",
        Ended::Crashed(_) => "crashed",
        Ended::Stopped => "stopped",
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
            store.dataset_file(&info).await?;
            out.insert(input.dataset.clone(), info);
        }
    }
    Ok(out)
}
