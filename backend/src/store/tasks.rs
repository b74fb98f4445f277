//! Tasks of jobs: what the processes of a job are, for people. What is left to do is told by the pieces in the job's folder, not by this table.

use eigenscope::api::{JobState, JobTask, TaskKind};
use rusqlite::{Row, Transaction, params};

use super::{Store, StoreError, signed, unsigned};
use crate::ids;

impl Store {
    /// Notes the tasks of a job that starts; those that an earlier server finished stay as they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_tasks(&self, job: &str, kinds: Vec<TaskKind>) -> Result<(), StoreError> {
        let job = job.to_owned();
        self.call(move |tx, _| {
            tx.execute("DELETE FROM tasks WHERE job = ?1 AND i >= ?2", params![job, place(kinds.len())])?;
            let sql = "INSERT INTO tasks (job, i, kind, state) VALUES (?1, ?2, ?3, 'queued')
                       ON CONFLICT DO UPDATE SET kind = ?3, state = CASE WHEN state = 'done' THEN 'done' ELSE 'queued' END";
            let mut statement = tx.prepare_cached(sql)?;
            for (i, kind) in kinds.iter().enumerate() {
                statement.execute(params![job, place(i), word(kind)?])?;
            }
            Ok(())
        })
        .await
    }

    /// Notes that a process was started for a task.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn start_task(&self, job: &str, i: usize, at_ms: u64) -> Result<(), StoreError> {
        let job = job.to_owned();
        self.call(move |tx, _| {
            let sql = "UPDATE tasks SET state = 'running', attempts = attempts + 1, started_ms = ?3, ended_ms = NULL, ran_secs = NULL
                       WHERE job = ?1 AND i = ?2";
            tx.execute(sql, params![job, place(i), signed(at_ms)])?;
            Ok(())
        })
        .await
    }

    /// Notes that the process of a task runs that was started for an earlier server.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_task(&self, job: &str, i: usize) -> Result<(), StoreError> {
        let job = job.to_owned();
        self.call(move |tx, _| {
            let sql = "UPDATE tasks SET state = 'running', attempts = max(attempts, 1), started_ms = coalesce(started_ms, ?3)
                       WHERE job = ?1 AND i = ?2";
            tx.execute(sql, params![job, place(i), signed(ids::now_ms())])?;
            Ok(())
        })
        .await
    }

    /// Notes where a task stands that does not run any more, and how long its process ran.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_task(&self, job: &str, i: usize, state: JobState, ran_secs: Option<f64>, at_ms: u64) -> Result<(), StoreError> {
        let job = job.to_owned();
        self.call(move |tx, _| {
            let sql = "UPDATE tasks SET state = ?3, ended_ms = max(?4, coalesce(started_ms, 0)), ran_secs = coalesce(?5, ran_secs)
                       WHERE job = ?1 AND i = ?2 AND state != ?3";
            tx.execute(sql, params![job, place(i), word(&state)?, signed(at_ms), ran_secs])?;
            Ok(())
        })
        .await
    }

    /// The tasks of a job, in order; none before it has started.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tasks(&self, job: &str) -> Result<Vec<JobTask>, StoreError> {
        let job = job.to_owned();
        self.call(move |tx, _| {
            let mut statement = tx.prepare_cached("SELECT * FROM tasks WHERE job = ?1 ORDER BY i")?;
            let rows = statement.query_map([&job], |row| Ok(task(row)))?;
            rows.collect::<Result<Vec<_>, _>>()?.into_iter().collect()
        })
        .await
    }
}

/// The job has ended: so have its tasks.
pub(super) fn close(tx: &Transaction<'_>, job: &str) -> Result<(), StoreError> {
    let sql = "UPDATE tasks SET state = 'canceled', ended_ms = max(?2, coalesce(started_ms, 0)) WHERE job = ?1 AND state IN ('queued', 'running')";
    tx.execute(sql, params![job, signed(ids::now_ms())])?;
    Ok(())
}

fn place(i: usize) -> i64 {
    signed(i as u64)
}

fn word(value: &impl serde::Serialize) -> Result<String, StoreError> {
    let word = serde_json::to_value(value)?;
    Ok(word.as_str().unwrap_or_default().to_owned())
}

fn task(row: &Row<'_>) -> Result<JobTask, StoreError> {
    Ok(JobTask {
        i: row.get("i")?,
        kind: serde_json::from_value(row.get::<_, String>("kind")?.into())?,
        state: serde_json::from_value(row.get::<_, String>("state")?.into())?,
        attempts: row.get("attempts")?,
        started_ms: row.get::<_, Option<i64>>("started_ms")?.map(unsigned),
        ended_ms: row.get::<_, Option<i64>>("ended_ms")?.map(unsigned),
        ran_secs: row.get("ran_secs")?,
    })
}
