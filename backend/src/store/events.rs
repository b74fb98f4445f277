//! Events: every change of a job, numbered without gaps, so that a page that reconnects misses nothing.

use eigenscope::api::Event;
use rusqlite::{Connection, Transaction, params};
use tokio::sync::watch;

use super::{Store, StoreError, signed, unsigned};

/// Events kept besides the last one of each job.
const KEEP: u64 = 10_000;
/// How often old ones are removed.
const PRUNE_EVERY: u64 = 1_000;

impl Store {
    /// Up to `limit` events after `id`, as JSON, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events_after(&self, id: u64, limit: u32) -> Result<Vec<(u64, String)>, StoreError> {
        self.call(move |tx, _| {
            let mut statement = tx.prepare_cached("SELECT id, body FROM events WHERE id > ?1 ORDER BY id LIMIT ?2")?;
            let rows = statement.query_map(params![signed(id), limit], |row| Ok((unsigned(row.get(0)?), row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The id of the newest event, now and whenever it grows.
    #[must_use]
    pub fn watch_events(&self) -> watch::Receiver<u64> {
        self.0.newest_event.subscribe()
    }
}

/// Writes an event of a job.
pub(super) fn emit(tx: &Transaction<'_>, job: &str, event: &Event) -> Result<(), StoreError> {
    tx.execute("INSERT INTO events (job, body) VALUES (?1, ?2)", params![job, serde_json::to_string(event)?])?;
    let id = unsigned(tx.last_insert_rowid());
    if id.is_multiple_of(PRUNE_EVERY) && id > KEEP {
        tx.execute("DELETE FROM events WHERE id <= ?1 AND id NOT IN (SELECT max(id) FROM events GROUP BY job)", [signed(id - KEEP)])?;
    }
    Ok(())
}

/// The id of the newest event that was ever written; 0 before the first.
pub(super) fn newest(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)";
    Ok(unsigned(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}
