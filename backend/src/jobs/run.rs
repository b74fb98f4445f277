//! One job: its tasks, several at once, and the process that joins what they gave.

use std::path::PathBuf;

use eigenscope::api::{Job, JobState, TaskKind};
use eigenscope::{DeviceChoice, tasks};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, watch};

use super::executor::{Batch, End, Ended, Process, Stop, Update, told};
use super::pieces::{copy, task_folder};
use super::progress::Steps;
use super::queue::{Shared, datasets_of, lock};
use super::{ERROR_FILE, PROGRESS_FILE, RESULT_FILE, TASK_FILE, TaskFile, Work, request};
use crate::ids;
use crate::store::StoreError;

/// How often a process that a signal ended is started.
const STARTS: u32 = 3;
/// News that wait to be read.
const NEWS: usize = 256;

/// A process that is still to run.
struct Open {
    i: usize,
    dir: PathBuf,
    /// Where its piece is kept for other jobs.
    kept: Option<PathBuf>,
    /// Tells it to stop.
    stop: watch::Sender<Stop>,
    starts: u32,
}

impl Shared {
    /// Runs all processes of a job: one, or the tasks that are not done yet and one that joins them.
    pub(super) async fn run_processes(&self, job: &Job, mut stopped: watch::Receiver<Stop>) -> Result<Ended, StoreError> {
        let datasets = datasets_of(&self.store, &job.request).await?;
        let dir = self.store.task_dir(&job.id);
        let key = match request::cache_key(&job.request, &datasets, &self.program.exe) {
            Ok(key) => key,
            Err(error) => return Ok(Ended::Failed(error)),
        };
        self.keep_or_clear(&dir, &key).await?;
        // Canceled between the claim and here: the table knows, the signal could not reach anybody.
        if self.store.job(&job.id).await?.is_none_or(|(job, _)| job.state.is_final()) {
            self.executor.abandon(&dir).await;
            return Ok(Ended::Stopped);
        }
        let device = self.executor.device(job.request.device);
        let object_store = self.store.object_store().map(str::to_owned);
        let whole = TaskFile { device, object_store, ..request::task_file(&job.request, &datasets, self.store.blobs()) };
        let tasks = tasks::divide(&job.request.spec, &request::shapes(&job.request, &datasets), self.task_flops);
        let n = tasks.len();
        tracing::info!(job = job.id, analysis = job.request.spec.title(), tasks = n.max(1), "job started");
        let kinds = (0..n).map(|_| TaskKind::Part).chain([if n == 0 { TaskKind::Whole } else { TaskKind::Join }]).collect();
        self.store.list_tasks(&job.id, kinds).await?;
        let mut steps = Steps::new(&self.store, &job.id, n);
        // Elsewhere each process fetches for itself what it does not find.
        for info in datasets.values().filter(|info| self.executor.is_here() && !self.store.has_here(info)) {
            steps.wait(format!("fetching {} from the object store", info.name)).await;
            self.store.dataset_file(info).await?;
        }
        let (mut open, mut pieces) = (Vec::new(), Vec::new());
        for (i, task) in tasks.into_iter().enumerate() {
            let dir = task_folder(&dir, i);
            let piece = dir.join(RESULT_FILE);
            let kept = tasks::alone(&job.request.spec, &task).and_then(|spec| self.kept_piece(&job.request, spec, &datasets));
            pieces.push(piece.clone());
            let stop = self.stopper(job, i);
            if self.leave_out(job, i, &piece).await? {
                self.store.end_task(&job.id, i, JobState::Canceled, None, ids::now_ms()).await?;
                steps.skip(i);
                continue;
            }
            if let Some(kept) = kept.as_ref().filter(|kept| kept.exists() && !piece.exists()) {
                copy(kept, &piece).await?;
            }
            if piece.exists() {
                self.store.end_task(&job.id, i, JobState::Done, None, ids::now_ms()).await?;
                steps.skip(i);
                continue;
            }
            self.prepare(&dir, &TaskFile { work: Work::Task(task), ..whole.clone() }).await?;
            open.push(Open { i, dir, kept, stop, starts: 1 });
        }
        steps.begin();
        let ended = self.run_all(job, device, &mut open, &mut steps, &mut stopped).await;
        lock(&self.tasks).retain(|(id, _), _| *id != job.id);
        if let Some(ended) = ended? {
            return Ok(ended);
        }
        let work = if n == 0 { Work::Whole } else { Work::Join(pieces) };
        self.prepare(&dir, &TaskFile { work, ..whole }).await?;
        let (stop, _) = watch::channel(Stop::No);
        let mut last = [Open { i: n, dir: dir.clone(), kept: None, stop, starts: 1 }];
        let ended = self.run_all(job, device, &mut last, &mut steps, &mut stopped).await?;
        Ok(ended.unwrap_or_else(|| Ended::Done(dir.join(RESULT_FILE))))
    }

    /// What tells a task to stop while the job goes on.
    fn stopper(&self, job: &Job, i: usize) -> watch::Sender<Stop> {
        let (stop, _) = watch::channel(Stop::No);
        lock(&self.tasks).insert((job.id.clone(), i), stop.clone());
        stop
    }

    async fn prepare(&self, dir: &std::path::Path, task: &TaskFile) -> Result<(), StoreError> {
        tokio::fs::create_dir_all(dir).await?;
        let part = dir.join(format!("{TASK_FILE}.part"));
        tokio::fs::write(&part, serde_json::to_vec(task)?).await?;
        tokio::fs::rename(part, dir.join(TASK_FILE)).await?;
        Ok(())
    }

    /// Runs processes that do not need each other; nothing when all have done what they should.
    async fn run_all(
        &self,
        job: &Job,
        device: DeviceChoice,
        open: &mut [Open],
        steps: &mut Steps<'_>,
        stopped: &mut watch::Receiver<Stop>,
    ) -> Result<Option<Ended>, StoreError> {
        if open.is_empty() {
            return Ok(None);
        }
        let limit = job.request.concurrency.map_or(usize::MAX, |n| n as usize);
        let batch = |open: &[&Open], may_run: bool| {
            let process = |one: &&Open| Process {
                i: one.i,
                dir: one.dir.clone(),
                log: self.store.log_file(&job.id, one.i),
                stop: one.stop.subscribe(),
            };
            let processes = open.iter().map(process).collect();
            let (id, dir) = (job.id.clone(), self.store.task_dir(&job.id));
            Batch { job: id, dir, priority: job.request.priority, limit, device, may_run, processes }
        };
        let (news, mut updates) = mpsc::channel(NEWS);
        let mut batches = FuturesUnordered::new();
        batches.push(self.executor.run(batch(&open.iter().collect::<Vec<_>>(), true), news.clone()));
        let mut n_open = open.len();
        let (mut first, mut trouble) = (None, None);
        let mut is_told = false;
        while n_open > 0 {
            tokio::select! {
                biased;
                stop = told(stopped), if !is_told => {
                    is_told = true;
                    open.iter().for_each(|one| { one.stop.send_replace(stop); });
                }
                Some((i, update)) = updates.recv() => {
                    let Some(at) = open.iter().position(|one| one.i == i) else { continue };
                    match update {
                        Update::Started(at_ms) => {
                            note(self.store.start_task(&job.id, i, at_ms).await, &mut trouble);
                            steps.start(i).await;
                        }
                        Update::Found => {
                            note(self.store.find_task(&job.id, i).await, &mut trouble);
                            steps.start(i).await;
                        }
                        Update::Waits(why) => steps.wait(why).await,
                        Update::Report(report) => steps.report(i, report),
                        Update::Ended(End { how: Ended::Crashed(error), .. }) if open[at].starts < STARTS && first.is_none() && !is_told => {
                            tracing::warn!(job = job.id, task = i, start = open[at].starts, %error, "a process crashed and is started again");
                            open[at].starts += 1;
                            clear(&open[at].dir);
                            batches.push(self.executor.run(batch(&[&open[at]], false), news.clone()));
                        }
                        Update::Ended(end) => {
                            n_open -= 1;
                            steps.end(i).await;
                            let ended = self.ended(job, &open[at], end, &mut trouble).await;
                            if let Some(ended) = ended && first.is_none() {
                                // The others work for nothing.
                                open.iter().for_each(|one| { one.stop.send_if_modified(|stop| *stop == Stop::No && { *stop = Stop::Cancel; true }); });
                                first = Some(ended);
                            }
                        }
                    }
                }
                () = steps.due() => steps.write().await,
                Some(()) = batches.next(), if !batches.is_empty() => {}
            }
        }
        match trouble {
            Some(error) if first.is_none() => Err(error),
            _ => Ok(first),
        }
    }

    /// Takes over how a process ended; gives what the job ends with because of it.
    async fn ended(&self, job: &Job, one: &Open, end: End, trouble: &mut Option<StoreError>) -> Option<Ended> {
        let End { how: ended, ran_secs, at_ms } = end;
        let piece = one.dir.join(RESULT_FILE);
        let state = match &ended {
            Ended::Done(_) => JobState::Done,
            Ended::Failed(_) | Ended::Crashed(_) => JobState::Failed,
            Ended::Stopped => match self.leave_out(job, one.i, &piece).await {
                Ok(true) => JobState::Canceled,
                // The job is canceled, or goes on another time.
                Ok(false) => return Some(ended),
                Err(error) => {
                    note(Err(error), trouble);
                    return Some(ended);
                }
            },
        };
        note(self.store.end_task(&job.id, one.i, state, ran_secs, at_ms).await, trouble);
        match ended {
            Ended::Done(_) => {
                note(self.store.report_part(&job.id).await, trouble);
                if let Some(kept) = &one.kept {
                    note(copy(&piece, kept).await, trouble);
                }
                None
            }
            Ended::Stopped => None,
            ended => Some(ended),
        }
    }
}

/// What could not be noted of a task does not matter while there is room for the rest.
fn note(outcome: Result<(), StoreError>, trouble: &mut Option<StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "what became of a task could not be recorded");
        if !error.is_disk_full() {
            trouble.get_or_insert(error);
        }
    }
}

/// Nothing of a process that crashed is taken for its successor's.
fn clear(dir: &std::path::Path) {
    for name in [ERROR_FILE, PROGRESS_FILE] {
        // It may not be there.
        std::fs::remove_file(dir.join(name)).ok();
    }
}
