//! Events as a stream that a reconnecting page goes on with.
//!
//! The table of events is the only source: the stream reads what is newer than the last id it sent and sleeps until there is more, so
//! that replay and live events cannot overlap or leave a gap.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::watch;

use super::query_of;
use crate::server::{App, failure::Failure};
use crate::store::Store;

/// Events read from the table at once.
const BATCH: u32 = 256;

/// Where a stream starts.
#[derive(Debug, Deserialize)]
pub(in crate::server) struct EventsQuery {
    after: Option<u64>,
}

/// Changes of jobs as server-sent events. `Last-Event-ID` or `after` replays what came after that id; without them it starts now.
#[utoipa::path(get, path = "/api/v1/events", params(("after" = Option<u64>, Query), ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, body = eigenscope::api::Event, content_type = "text/event-stream")))]
pub(in crate::server) async fn stream_events(
    State(app): State<App>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let query = query_of(query)?;
    let mut newest = app.0.store.watch_events();
    let now = *newest.borrow_and_update();
    // The header wins: on a reconnect the browser repeats the query of the first connect.
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse::<u64>().ok());
    // An id from the future belongs to an older data folder.
    let last = last.or(query.after).filter(|&id| id <= now).unwrap_or(now);
    let reader =
        Reader { store: app.0.store.clone(), newest, stopping: app.0.stopping.subscribe(), last, batch: VecDeque::new(), greeted: false };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(axum::response::Sse::new(reader.stream()).keep_alive(keep_alive).into_response())
}

struct Reader {
    store: Store,
    newest: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    last: u64,
    batch: VecDeque<(u64, String)>,
    greeted: bool,
}

impl Reader {
    fn stream(self) -> impl Stream<Item = Result<Sse, Infallible>> {
        stream::unfold(self, async |mut reader| reader.next().await.map(|event| (Ok(event), reader)))
    }

    async fn next(&mut self) -> Option<Sse> {
        // An id without data: the browser remembers it, so that even a stream that breaks before its first event goes on without a gap.
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Sse::default().id(self.last.to_string()));
        }
        loop {
            if let Some((id, body)) = self.batch.pop_front() {
                self.last = id;
                return Some(Sse::default().id(id.to_string()).data(body));
            }
            if *self.stopping.borrow() {
                return None;
            }
            match self.store.events_after(self.last, BATCH).await {
                Ok(events) => self.batch = events.into(),
                Err(error) => {
                    tracing::error!(%error, "events could not be read");
                    return None;
                }
            }
            if self.batch.is_empty() {
                tokio::select! {
                    changed = self.newest.changed() => changed.ok()?,
                    _ = self.stopping.wait_for(|&stop| stop) => {}
                }
            }
        }
    }
}
