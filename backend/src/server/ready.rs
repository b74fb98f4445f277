//! Whether the server can do its work: the database takes writes, the disk has room.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::App;
use crate::machine;

/// Free space below which a disk counts as full.
pub const MIN_FREE_BYTES: u64 = 256 << 20;
/// How long an answer holds: everybody may ask, and asking writes to the database.
const HOLDS: Duration = Duration::from_secs(5);
/// A database that does not take a write in this time is not usable.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is checked, in words: figures need the token (`/metrics`).
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct Ready {
    /// `ready` or `unready`.
    status: &'static str,
    /// `ok` or what is wrong.
    database: &'static str,
    /// `ok` or what is wrong.
    disk: &'static str,
}

impl Ready {
    pub(super) fn is_ready(&self) -> bool {
        self.status == "ready"
    }
}

/// The last answer and when it was found.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, Ready)>>);

impl App {
    /// The answer, at most a few seconds old.
    pub(super) async fn readiness(&self) -> Ready {
        let mut last = self.0.readiness.0.lock().await;
        if let Some((at, ready)) = last.as_ref()
            && at.elapsed() < HOLDS
        {
            return ready.clone();
        }
        let ready = self.check().await;
        *last = Some((Instant::now(), ready.clone()));
        ready
    }

    async fn check(&self) -> Ready {
        let database = match timeout(WRITE_TIMEOUT, self.0.store.write_nothing()).await {
            Ok(Ok(())) => "ok",
            Ok(Err(error)) => {
                tracing::error!(%error, "the database takes no writes");
                "takes no writes; the log says why"
            }
            Err(_) => "does not answer",
        };
        let free = machine::disk_bytes(&self.0.config.data_dir).map(|disk| disk.free);
        let disk = if free.is_some_and(|free| free < MIN_FREE_BYTES) { "nearly full" } else { "ok" };
        let status = if database == "ok" && disk == "ok" { "ready" } else { "unready" };
        Ready { status, database, disk }
    }
}
