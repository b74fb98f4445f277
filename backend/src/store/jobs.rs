//! Jobs: the queue is the table, so that a restarted server goes on where it stopped.

use std::path::PathBuf;

use eigenscope::api::{ApiError, Event, Job, JobRequest};
use rusqlite::{OptionalExtension, Transaction, params};

use super::job_rows::{job, raw};
use super::{Blobs, Store, StoreError, events, signed, tasks};
use crate::ids;

/// A server that stops this often while one job runs is probably stopped by it.
const MAX_STARTS: u32 = 3;

/// A job to be queued.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: String,
    /// What to do.
    pub request: JobRequest,
    /// Equal for requests that must give the same result.
    pub cache_key: String,
    /// Jobs that may wait.
    pub queue_limit: u32,
}

/// What became of a [`NewJob`].
#[derive(Debug)]
pub enum Submitted {
    /// It waits.
    Queued(Job),
    /// An identical job has the result already.
    Cached(Job),
    /// Too many wait.
    Full,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The envelope is in this file, whose bytes have this hash.
    Done(PathBuf, String),
    /// It failed.
    Failed(ApiError),
}

impl Store {
    /// Queues a job, or finishes it at once from an identical one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn submit(&self, new: NewJob) -> Result<Submitted, StoreError> {
        let is_remote = self.0.remote.is_some();
        self.call_durably(move |tx, blobs| {
            let sql = "SELECT result FROM jobs WHERE cache_key = ?1 AND state = 'done' AND result IS NOT NULL ORDER BY seq DESC LIMIT 1";
            let cached: Option<String> = tx.query_row(sql, [&new.cache_key], |row| row.get(0)).optional()?;
            let cached = cached.filter(|hash| is_remote || blobs.path(hash).exists());
            let waiting: u32 = tx.query_row("SELECT count(*) FROM jobs WHERE state = 'queued'", [], |row| row.get(0))?;
            if cached.is_none() && waiting >= new.queue_limit {
                return Ok(Submitted::Full);
            }
            let now = signed(ids::now_ms());
            let (state, frac, step) =
                if cached.is_some() { ("done", 1.0, "found among finished jobs") } else { ("queued", 0.0, "waiting") };
            tx.execute(
                "INSERT INTO jobs (id, state, done_frac, step, request, cache_key, result, created_ms, finished_ms, priority)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    new.id,
                    state,
                    frac,
                    step,
                    serde_json::to_string(&new.request)?,
                    new.cache_key,
                    cached,
                    now,
                    cached.as_ref().map(|_| now),
                    new.request.priority
                ],
            )?;
            let job = announce(tx, &new.id)?;
            Ok(if cached.is_some() { Submitted::Cached(job) } else { Submitted::Queued(job) })
        })
        .await
    }

    /// Takes the waiting job of the highest priority, of several the one that came first; only one `above` a priority, if given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_job(&self, above: Option<i32>) -> Result<Option<Job>, StoreError> {
        self.call(move |tx, _| {
            let sql = "UPDATE jobs SET state = 'running', step = 'starting', starts = starts + 1, started_ms = max(?2, created_ms)
                       WHERE seq = (SELECT seq FROM jobs WHERE state = 'queued' AND (?1 IS NULL OR priority > ?1)
                                    ORDER BY priority DESC, seq LIMIT 1) RETURNING id";
            let id: Option<String> = tx.query_row(sql, params![above, signed(ids::now_ms())], |row| row.get(0)).optional()?;
            id.map(|id| announce(tx, &id)).transpose()
        })
        .await
    }

    /// Changes the priority of a waiting job. `None`: there is no such job; otherwise the job and whether it waited.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_priority(&self, id: &str, priority: i32) -> Result<Option<(Job, bool)>, StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| {
            if tx.execute("UPDATE jobs SET priority = ?2 WHERE id = ?1 AND state = 'queued'", params![id, priority])? > 0 {
                return Ok(Some((announce(tx, &id)?, true)));
            }
            Ok(find(tx, &id)?.map(|job| (job, false)))
        })
        .await
    }

    /// Notes the progress of a running job, and the seconds that it will go on, if that is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report_progress(&self, id: &str, done_frac: f64, step: &str, remaining_secs: Option<f64>) -> Result<(), StoreError> {
        let (id, step) = (id.to_owned(), step.to_owned());
        self.call(move |tx, _| {
            let sql = "UPDATE jobs SET done_frac = ?2, step = ?3, remaining_secs = ?4 WHERE id = ?1 AND state = 'running'";
            if tx.execute(sql, params![id, done_frac.clamp(0.0, 1.0), step, remaining_secs])? > 0 {
                announce(tx, &id)?;
            }
            Ok(())
        })
        .await
    }

    /// Notes that a part of a running job is safe: the starts before it do not count any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn report_part(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| {
            tx.execute("UPDATE jobs SET starts = 1 WHERE id = ?1 AND state = 'running'", [&id])?;
            Ok(())
        })
        .await
    }

    /// Ends a running job; one that was canceled meanwhile stays canceled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn finish_job(&self, id: &str, outcome: Outcome) -> Result<(), StoreError> {
        let id = id.to_owned();
        let _secured = match &outcome {
            // An earlier attempt may have moved it before the disk was full.
            Outcome::Done(file, hash) if file.exists() => Some(self.secure(file, hash).await?),
            Outcome::Done(_, hash) => Some(self.secure(&self.blobs().path(hash), hash).await?),
            Outcome::Failed(_) => None,
        };
        self.call_durably(move |tx, blobs| {
            let sql = "SELECT 1 FROM jobs WHERE id = ?1 AND state = 'running'";
            if tx.query_row(sql, [&id], |_| Ok(())).optional()?.is_none() {
                return Ok(());
            }
            let (state, step, result, error) = match outcome {
                Outcome::Done(file, hash) => {
                    if file.exists() || !blobs.path(&hash).exists() {
                        blobs.import(&file, &hash)?;
                    }
                    ("done", "done", Some(hash), None)
                }
                Outcome::Failed(error) => ("failed", "failed", None, Some(serde_json::to_string(&error)?)),
            };
            let sql = "UPDATE jobs SET state = ?2, step = ?3, result = ?4, error = ?5, remaining_secs = NULL,
                       finished_ms = max(?6, created_ms, coalesce(started_ms, 0)), done_frac = CASE WHEN ?2 = 'done' THEN 1.0 ELSE done_frac END WHERE id = ?1";
            tx.execute(sql, params![id, state, step, result, error, signed(ids::now_ms())])?;
            tasks::close(tx, &id)?;
            announce(tx, &id)?;
            Ok(())
        })
        .await
    }

    /// Cancels a job that is not final. `None`: there is none; otherwise the job and whether this call canceled it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cancel_job(&self, id: &str) -> Result<Option<(Job, bool)>, StoreError> {
        let id = id.to_owned();
        self.call_durably(move |tx, _| {
            let sql = "UPDATE jobs SET state = 'canceled', step = 'canceled', remaining_secs = NULL,
                       finished_ms = max(?2, created_ms, coalesce(started_ms, 0)) WHERE id = ?1 AND state IN ('queued', 'running')";
            if tx.execute(sql, params![id, signed(ids::now_ms())])? > 0 {
                tasks::close(tx, &id)?;
                return Ok(Some((announce(tx, &id)?, true)));
            }
            Ok(find(tx, &id)?.map(|job| (job, false)))
        })
        .await
    }

    /// Puts running jobs back into the queue: at start, and when the server stops.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn requeue_running(&self, gave_up: impl Fn(&str) -> ApiError + Send + 'static) -> Result<(), StoreError> {
        self.call(move |tx, _| {
            let mut statement = tx.prepare("SELECT id, starts FROM jobs WHERE state = 'running'")?;
            let running = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?)))?;
            for (id, starts) in running.collect::<Result<Vec<_>, _>>()? {
                if starts >= MAX_STARTS {
                    let sql = "UPDATE jobs SET state = 'failed', step = 'failed', error = ?2, finished_ms = ?3 WHERE id = ?1";
                    tx.execute(sql, params![id, serde_json::to_string(&gave_up(&id))?, signed(ids::now_ms())])?;
                    tasks::close(tx, &id)?;
                } else {
                    tx.execute(
                        "UPDATE jobs SET state = 'queued', done_frac = 0, step = 'waiting', remaining_secs = NULL WHERE id = ?1",
                        [&id],
                    )?;
                }
                announce(tx, &id)?;
            }
            Ok(())
        })
        .await
    }

    /// Puts one running job back; a stop that was asked for does not count as a start.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn requeue_job(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| {
            let sql = "UPDATE jobs SET state = 'queued', done_frac = 0, step = 'waiting', remaining_secs = NULL, starts = starts - 1
                       WHERE id = ?1 AND state = 'running'";
            if tx.execute(sql, [&id])? > 0 {
                announce(tx, &id)?;
            }
            Ok(())
        })
        .await
    }

    /// Removes a final job. `None`: there is none; `Some(false)`: it is not final.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_job(&self, id: &str) -> Result<Option<bool>, StoreError> {
        let id = id.to_owned();
        let removed = self.call(move |tx, blobs| {
            let Some(job) = find(tx, &id)? else { return Ok((None, None)) };
            if !job.state.is_final() {
                return Ok((Some(false), None));
            }
            let result: Option<String> = tx.query_row("SELECT result FROM jobs WHERE id = ?1", [&id], |row| row.get(0))?;
            tx.execute("DELETE FROM jobs WHERE id = ?1", [&id])?;
            tx.execute("DELETE FROM tasks WHERE job = ?1", [&id])?;
            events::emit(tx, &id, &Event::Removed { id: id.clone() })?;
            if let Some(hash) = &result {
                remove_unreferenced(tx, blobs, hash)?;
            }
            Ok((Some(true), result))
        });
        let (removed, result) = removed.await?;
        self.remove_object(result).await;
        Ok(removed)
    }

    /// All jobs, the oldest first, and the id of the newest event that they include.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self) -> Result<(Vec<Job>, u64), StoreError> {
        self.call(|tx, _| {
            let rows = tx.prepare_cached("SELECT * FROM jobs ORDER BY seq")?.query_map([], raw)?.collect::<Result<Vec<_>, _>>()?;
            Ok((rows.into_iter().map(job).collect::<Result<_, _>>()?, events::newest(tx)?))
        })
        .await
    }

    /// One job and the hash of its result.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, id: &str) -> Result<Option<(Job, Option<String>)>, StoreError> {
        let id = id.to_owned();
        self.call(move |tx, _| {
            let Some(job) = find(tx, &id)? else { return Ok(None) };
            let result = tx.query_row("SELECT result FROM jobs WHERE id = ?1", [&id], |row| row.get(0))?;
            Ok(Some((job, result)))
        })
        .await
    }
}

/// Removes bytes that a server took in and then died before it could write whose they are.
pub(super) fn remove_orphans(tx: &Transaction<'_>, blobs: &Blobs) -> Result<(), StoreError> {
    for hash in blobs.hashes()? {
        remove_unreferenced(tx, blobs, &hash)?;
    }
    Ok(())
}

/// Removes bytes that neither a dataset nor a job refers to.
pub(super) fn remove_unreferenced(tx: &Transaction<'_>, blobs: &Blobs, hash: &str) -> Result<(), StoreError> {
    if !is_referenced(tx, hash)? {
        blobs.remove(hash)?;
    }
    Ok(())
}

/// Whether a dataset or a job refers to bytes.
pub(super) fn is_referenced(tx: &Transaction<'_>, hash: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM datasets WHERE id = ?1) OR EXISTS (SELECT 1 FROM jobs WHERE result = ?1)";
    Ok(tx.query_row(sql, [hash], |row| row.get(0))?)
}

/// Reads a job and writes the event that tells its new state.
fn announce(tx: &Transaction<'_>, id: &str) -> Result<Job, StoreError> {
    let job = find(tx, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    events::emit(tx, id, &Event::Job(Box::new(job.clone())))?;
    Ok(job)
}

fn find(tx: &Transaction<'_>, id: &str) -> Result<Option<Job>, StoreError> {
    tx.query_row("SELECT * FROM jobs WHERE id = ?1", [id], raw).optional()?.map(job).transpose()
}

#[cfg(test)]
mod tests;
