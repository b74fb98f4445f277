//! The tables, by version.

use rusqlite::Connection;

use super::StoreError;

/// Each entry brings the database from its index to the next version.
const MIGRATIONS: [&str; 4] = [INITIAL, UPLOADS, TASKS, SAMPLES_AXIS];

/// The version that this program writes.
pub(super) const NEWEST: usize = MIGRATIONS.len();

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

const UPLOADS: &str = "
    CREATE TABLE uploads (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        metadata TEXT NOT NULL,        -- the header Upload-Metadata, as sent
        size_bytes INTEGER NOT NULL,
        received_bytes INTEGER NOT NULL DEFAULT 0,
        hash TEXT,                     -- blake3 that the client announced
        dataset TEXT,                  -- what it became
        created_ms INTEGER NOT NULL,
        touched_ms INTEGER NOT NULL
    );
    ALTER TABLE datasets ADD COLUMN path TEXT;          -- registered in place: no blob
    ALTER TABLE datasets ADD COLUMN modified_ns INTEGER; -- of that file when it was hashed
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

/// Inputs were exchanged as a whole; now one of their axes has the samples.
const SAMPLES_AXIS: &str = r#"
    UPDATE jobs SET request = replace(replace(request, '"transpose":false', '"samples_axis":0'), '"transpose":true', '"samples_axis":1');
"#;

/// Sets the connection up and brings the tables to the current version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let version = check_version(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is in the file before it returns: a killed process loses none. Only a power cut could take the last ones, which costs nothing
    // but progress; `Store::call_durably` waits for the disk where somebody was promised something.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    for (next, statements) in (1u32..).zip(MIGRATIONS).skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(statements)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The version of the tables.
pub(super) fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(version as usize)
}

/// The version of the tables, refused when a newer program wrote it.
pub(super) fn check_version(connection: &Connection) -> Result<usize, StoreError> {
    let version = version(connection)?;
    if version > NEWEST {
        return Err(StoreError::Unusable(format!(
            "the database has version {version} but this program knows only up to {NEWEST}; use the newer program or another --data-dir"
        )));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::params;

    use super::super::{Beside, DATABASE, Store};
    use super::*;

    /// The first version as it was released: that the entry above still says the same is part of the test.
    const FIRST: [&str; 7] = [
        "CREATE TABLE datasets (id TEXT PRIMARY KEY, name TEXT NOT NULL, size_bytes INTEGER NOT NULL, created_ms INTEGER NOT NULL,
         arrays TEXT NOT NULL)",
        "CREATE TABLE jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, done_frac REAL NOT NULL DEFAULT 0,
         step TEXT NOT NULL DEFAULT '', request TEXT NOT NULL, cache_key TEXT NOT NULL, error TEXT, result TEXT, starts INTEGER NOT NULL DEFAULT 0,
         created_ms INTEGER NOT NULL, finished_ms INTEGER)",
        "CREATE INDEX jobs_by_state ON jobs (state, seq)",
        "CREATE INDEX jobs_by_cache_key ON jobs (cache_key)",
        "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, body TEXT NOT NULL)",
        "CREATE INDEX events_by_job ON events (job, id)",
        "PRAGMA user_version = 1",
    ];
    const REQUEST: &str =
        r#"{"spec":{"kind":"dimensionality","inputs":["X"]},"inputs":{"X":{"dataset":"d","member":null,"transpose":true}},"device":"cpu"}"#;

    /// A database as a program of that version left it, with a row in each table.
    fn old_database(folder: &Path, version: usize) {
        let connection = Connection::open(folder.join(DATABASE)).expect("opens");
        for statement in FIRST {
            connection.execute_batch(statement).expect("the first version");
        }
        let insert = "INSERT INTO datasets (id, name, size_bytes, created_ms, arrays) VALUES ('d', 'X.npy', 5, 7, '[]')";
        connection.execute_batch(insert).expect("a dataset");
        let insert = "INSERT INTO jobs (id, state, step, request, cache_key, created_ms) VALUES ('j', 'queued', 'waiting', ?1, 'k', 8)";
        connection.execute(insert, params![REQUEST]).expect("a job");
        connection.execute_batch("INSERT INTO events (job, body) VALUES ('j', '{}'), ('j', '{}')").expect("events");
        for (next, statements) in (1u32..).zip(MIGRATIONS).take(version).skip(1) {
            connection.execute_batch(statements).expect("a later version");
            connection.pragma_update(None, "user_version", next).expect("its number");
        }
    }

    /// Tables and indices with their columns.
    fn shape(connection: &Connection) -> Vec<(String, String)> {
        let sql = "SELECT m.type || ' ' || m.name, coalesce(group_concat(c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || coalesce(c.dflt_value, '')), '')
                   FROM sqlite_schema m LEFT JOIN pragma_table_info(m.name) c GROUP BY m.name ORDER BY 1";
        let mut statement = connection.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    #[tokio::test]
    async fn databases_of_every_version_open_and_keep_their_rows() {
        let new = tempfile::tempdir().expect("a folder");
        drop(Store::open(new.path(), &Beside::default()).expect("opens"));
        let shape_of = |folder: &Path| shape(&Connection::open(folder.join(DATABASE)).expect("opens"));
        for version in 1..=NEWEST {
            let folder = tempfile::tempdir().expect("a folder");
            old_database(folder.path(), version);
            let store = Store::open(folder.path(), &Beside::default()).expect("an old database opens");
            let datasets = store.datasets().await.expect("datasets");
            assert_eq!((datasets.len(), datasets[0].name.as_str(), datasets[0].size_bytes), (1, "X.npy", 5), "version {version}");
            let (jobs, newest) = store.jobs().await.expect("jobs");
            assert_eq!((jobs.len(), jobs[0].id.as_str(), newest), (1, "j", 2), "version {version}");
            assert_eq!(jobs[0].request.inputs["X"].samples_axis, 1, "version {version}: columns stay the samples");
            assert_eq!(store.events_after(0, 9).await.expect("events").len(), 2, "version {version}");
            drop(store);
            assert_eq!(shape_of(folder.path()), shape_of(new.path()), "version {version} ends with the tables of a new database");
        }
    }

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        drop(Store::open(folder.path(), &Beside::default()).expect("opens"));
        let connection = Connection::open(folder.path().join(DATABASE)).expect("opens");
        connection.pragma_update(None, "user_version", u32::try_from(NEWEST + 1).expect("small")).expect("a number");
        let refusal = Store::open(folder.path(), &Beside::default()).expect_err("refused").to_string();
        assert!(refusal.contains(&format!("version {}", NEWEST + 1)) && refusal.contains("newer program"), "{refusal}");
        assert_eq!(version(&connection).expect("a number"), NEWEST + 1);
    }
}
