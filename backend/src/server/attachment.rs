//! Files as answers.

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// A file that a browser saves and never shows. `name` is of characters that may stand in quotes; `held` is dropped with the stream, sent or not.
pub(super) fn attachment(file: File, length: u64, name: &str, held: impl Send + 'static) -> Response {
    let chunks = stream::try_unfold((file, held), async |(mut file, held)| {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        let n = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((n > 0).then(|| (chunk.freeze(), (file, held))))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}
