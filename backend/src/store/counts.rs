//! Figures of the store, for those who watch a server.

use super::{Store, StoreError, unsigned};

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Jobs by state, each state once.
    pub jobs: Vec<(String, u64)>,
    /// Datasets.
    pub datasets: u64,
    /// Their size together.
    pub dataset_bytes: u64,
    /// Size of the database.
    pub database_bytes: u64,
}

impl Store {
    /// Counts what is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.call(|tx, _| {
            let mut jobs = Vec::new();
            let mut statement = tx.prepare_cached("SELECT count(*) FROM jobs WHERE state = ?1")?;
            for state in ["queued", "running", "done", "failed", "canceled"] {
                jobs.push((state.to_owned(), unsigned(statement.query_row([state], |row| row.get(0))?)));
            }
            let sums = "SELECT count(*), coalesce(sum(size_bytes), 0) FROM datasets";
            let (datasets, dataset_bytes) = tx.query_row(sums, [], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))?;
            let pages = |name: &str| tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let database_bytes = unsigned(pages("page_count")?.saturating_mul(pages("page_size")?));
            Ok(Counts { jobs, datasets, dataset_bytes, database_bytes })
        })
        .await
    }

    /// Writes to the database without changing it: fails where it takes no writes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn write_nothing(&self) -> Result<(), StoreError> {
        self.call(|tx, _| {
            let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok(tx.pragma_update(None, "user_version", version)?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::Beside;
    use super::*;

    #[tokio::test]
    async fn an_empty_store_counts_nothing_and_takes_writes() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &Beside::default()).expect("opens");
        let counts = store.counts().await.expect("counts");
        assert_eq!((counts.datasets, counts.dataset_bytes, counts.jobs.len()), (0, 0, 5));
        assert!(counts.jobs.iter().all(|(_, n)| *n == 0) && counts.database_bytes > 0, "{counts:?}");
        store.write_nothing().await.expect("takes writes");
    }
}
