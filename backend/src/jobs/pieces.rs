//! Pieces: what the tasks of a job gave. They outlive the server, and some are kept for other jobs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eigenscope::api::{DatasetInfo, Job, JobRequest};
use eigenscope::{AnalysisSpec, tasks, wire};

use super::queue::Shared;
use super::request;
use crate::store::StoreError;

/// The cache key of the job whose pieces are in its folder.
const KEY_FILE: &str = "key";
/// Folder of a job with the numbers of tasks that are left out.
const SKIPPED: &str = "skipped";

impl Shared {
    /// Notes that a task is to be left out.
    pub(super) async fn mark_skipped(&self, id: &str, i: usize) -> Result<(), StoreError> {
        let marks = self.store.task_dir(id).join(SKIPPED);
        tokio::fs::create_dir_all(&marks).await?;
        tokio::fs::write(marks.join(i.to_string()), "").await?;
        Ok(())
    }

    /// Whether a task is left out; then a piece that says so stands in its place.
    pub(super) async fn leave_out(&self, job: &Job, i: usize, piece: &Path) -> Result<bool, StoreError> {
        if !self.store.task_dir(&job.id).join(SKIPPED).join(i.to_string()).exists() {
            return Ok(false);
        }
        if let Some(folder) = piece.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        let bytes = wire::pack(&tasks::skipped()).map_err(|e| StoreError::from(std::io::Error::other(e.to_string())))?;
        tokio::fs::write(piece, bytes).await?;
        Ok(true)
    }

    /// Where a piece is kept that other jobs need as well: by what alone gives it.
    pub(super) fn kept_piece(&self, request: &JobRequest, spec: AnalysisSpec, datasets: &BTreeMap<String, DatasetInfo>) -> Option<PathBuf> {
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
    pub(super) async fn keep_or_clear(&self, dir: &Path, key: &str) -> Result<(), StoreError> {
        let file = dir.join(KEY_FILE);
        if tokio::fs::read_to_string(&file).await.is_ok_and(|kept| kept == key) {
            return Ok(());
        }
        if dir.exists() {
            // What cannot be ended now finds its folder gone and fails.
            self.executor.abandon(dir).await;
            tokio::fs::remove_dir_all(dir).await?;
        }
        tokio::fs::create_dir_all(dir).await?;
        tokio::fs::write(&file, key).await?;
        Ok(())
    }
}

/// Copies a piece, whole or not at all.
pub(super) async fn copy(piece: &Path, target: &Path) -> Result<(), StoreError> {
    if let Some(folder) = target.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    let partial = target.with_extension("partial");
    tokio::fs::copy(piece, &partial).await?;
    tokio::fs::rename(&partial, target).await?;
    Ok(())
}
