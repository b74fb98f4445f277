//! The tables, by version.

use rusqlite::Connection;

use super::StoreError;

/// Each entry brings the database from its index to the next version.
const MIGRATIONS: [&str; 2] = [INITIAL, TASKS];

const INITIAL: &str = "
    CREATE TABLE datasets (
        id TEXT PRIMARY KEY,           -- blake3 of the bytes
        name TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        arrays TEXT NOT NULL           -- JSON: list of ArrayInfo
    );
    CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        done_frac REAL NOT NULL DEFAULT 0,
        step TEXT NOT NULL DEFAULT '',
        request TEXT NOT NULL,         -- JSON: JobRequest
        cache_key TEXT NOT NULL,
        error TEXT,                    -- JSON: ApiError
        result TEXT,                   -- blake3 of the envelope
        starts INTEGER NOT NULL DEFAULT 0,
        created_ms INTEGER NOT NULL,
        finished_ms INTEGER
    );
    CREATE INDEX jobs_by_state ON jobs (state, seq);
    CREATE INDEX jobs_by_cache_key ON jobs (cache_key);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job TEXT NOT NULL,
        body TEXT NOT NULL             -- JSON: Event
    );
    CREATE INDEX events_by_job ON events (job, id);
";

const TASKS: &str = "
    ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN started_ms INTEGER;
    ALTER TABLE jobs ADD COLUMN remaining_secs REAL;
    DROP INDEX jobs_by_state;
    CREATE INDEX jobs_by_state ON jobs (state, priority DESC, seq);
    CREATE TABLE tasks (
        job TEXT NOT NULL,
        i INTEGER NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        started_ms INTEGER,
        ended_ms INTEGER,
        ran_secs REAL,
        PRIMARY KEY (job, i)
    ) WITHOUT ROWID;
";

/// Sets the connection up and brings the tables to the current version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is in the file before it returns: a killed process loses none. Only a power cut could take the last ones, which costs nothing
    // but progress; `Store::call_durably` waits for the disk where somebody was promised something.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version as usize > MIGRATIONS.len() {
        return Err(StoreError::Unusable(format!(
            "the database has version {version} but this program knows only up to {}; use the newer program or another --data-dir",
            MIGRATIONS.len()
        )));
    }
    for (next, statements) in (1u32..).zip(MIGRATIONS).skip(version as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(())
}
