//! Who writes to which upload: one request at a time, the newest. A client that lost its connection comes back before the server has
//! noticed that the old one is dead, so a new request asks the old one to stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, watch};

/// How long a request waits for an older one to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// The hash of the first bytes of an upload.
#[derive(Debug, Default, Clone)]
pub(super) struct Hashed {
    pub(super) hasher: blake3::Hasher,
    pub(super) bytes: u64,
}

/// The right to write to an upload.
#[derive(Debug)]
pub(super) struct Turn {
    /// The hash as far as it is known; starts at 0 bytes after the server was started.
    pub(super) hashed: OwnedMutexGuard<Hashed>,
    stop: watch::Receiver<u64>,
    number: u64,
}

impl Turn {
    /// Waits until a newer request wants to write.
    pub(super) fn interrupted(&self) -> impl Future<Output = ()> + use<> {
        let (mut stop, number) = (self.stop.clone(), self.number);
        async move {
            if stop.wait_for(|&newest| newest > number).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[derive(Debug)]
struct Session {
    hashed: Arc<tokio::sync::Mutex<Hashed>>,
    /// The number of the newest request.
    newest: watch::Sender<u64>,
}

/// The uploads that somebody writes to.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    /// Interrupts whoever writes to the upload and takes over; `None` when it does not stop in time.
    pub(super) async fn take(&self, id: &str) -> Option<Turn> {
        let (hashed, stop, number) = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let session = all.entry(id.to_owned()).or_insert_with(|| Session { hashed: Arc::default(), newest: watch::Sender::new(0) });
            session.newest.send_modify(|newest| *newest += 1);
            (Arc::clone(&session.hashed), session.newest.subscribe(), *session.newest.borrow())
        };
        let hashed = tokio::time::timeout(PATIENCE, hashed.lock_owned()).await.ok()?;
        Some(Turn { hashed, stop, number })
    }

    /// Forgets an upload that has ended.
    pub(super) fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
