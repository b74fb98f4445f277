//! How long the server waits for a client: nobody holds a connection by being slow.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout};

/// Bytes a second below which a body counts as stalled, after a patience.
const MIN_BYTES_PER_SEC: f64 = 1024.0;

/// How long the server waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, and for the next request on a connection.
    pub head: Duration,
    /// For the bytes of a body: that long for none, or less than 1 KiB a second.
    pub body: Duration,
    /// For a client to take any byte of an answer.
    pub answer: Duration,
    /// For requests to end when the server stops.
    pub stop: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { head: secs(30), body: secs(30), answer: secs(120), stop: secs(5) }
    }
}

/// A body that ends with an error when its client is too slow; the time in which the server does not read does not count.
pub(super) fn patient(body: Body, patience: Duration, received: Arc<AtomicU64>) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let start = (body.into_data_stream(), patience);
    Body::from_stream(stream::try_unfold(start, move |(mut chunks, mut left)| {
        let received = Arc::clone(&received);
        async move {
            let asked = Instant::now();
            let Ok(next) = timeout(left, chunks.next()).await else { return Err(too_slow(patience)) };
            let Some(chunk) = next.transpose()? else { return Ok::<_, axum::Error>(None) };
            received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            left = left_after(left, asked.elapsed(), chunk.len()).min(patience);
            Ok(Some((chunk, (chunks, left))))
        }
    }))
}

/// The patience that is left when so many bytes came after that time.
fn left_after(left: Duration, waited: Duration, bytes: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "the length of a chunk")]
    let earned = Duration::from_secs_f64(bytes as f64 / MIN_BYTES_PER_SEC);
    left.saturating_sub(waited) + earned
}

fn too_slow(patience: Duration) -> axum::Error {
    let message = format!("the client sent nothing, or less than 1 KiB a second, for {} s", patience.as_secs_f64());
    axum::Error::new(io::Error::new(io::ErrorKind::TimedOut, message))
}

/// Whether a body broke off because its client was too slow.
pub(super) fn is_too_slow(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        source = error.source();
    }
    false
}

/// A socket whose writes fail when the other side takes nothing for too long.
#[derive(Debug)]
pub(super) struct Impatient {
    socket: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    pub(super) fn new(socket: TcpStream, patience: Duration) -> Self {
        Self { socket, patience, waiting: None }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = None;
            return outcome;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answer")))
    }
}

impl AsyncRead for Impatient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.judge(cx, outcome)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.judge(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        self.judge(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.judge(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[test]
    fn a_trickle_uses_the_patience_up_and_a_slow_line_does_not() {
        let patience = Duration::from_secs(30);
        let after = |rate: usize| (0..600).fold(patience, |left, _| left_after(left, Duration::from_secs(1), rate).min(patience));
        assert!(after(1) < Duration::from_millis(10), "one byte a second");
        assert_eq!(after(2048), patience, "2 KiB a second for ten minutes");
        assert_eq!(left_after(patience, Duration::from_secs(9), 1024), Duration::from_secs(22), "a pause, then a second's worth");
    }

    #[tokio::test]
    async fn silence_ends_a_body() {
        let chunks = stream::iter([Ok::<_, io::Error>(vec![7u8; 5])]).chain(stream::pending());
        let received = Arc::new(AtomicU64::new(0));
        let body = patient(Body::from_stream(chunks), Duration::from_millis(20), Arc::clone(&received));
        let error = to_bytes(body, usize::MAX).await.expect_err("too slow");
        assert!(is_too_slow(&error), "{error:?}");
        assert_eq!(received.load(Ordering::Relaxed), 5, "what came is counted");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_slow() {
        let broken = Body::from_stream(stream::iter([Ok(vec![1u8]), Err(io::Error::other("reset"))]));
        let error = to_bytes(patient(broken, Duration::from_secs(10), Arc::default()), 9).await.expect_err("it breaks off");
        assert!(!is_too_slow(&error), "{error}");
    }
}
