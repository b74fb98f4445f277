//! The headers of the tus protocol 1.0.0.

use std::time::{Duration, UNIX_EPOCH};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eigenscope::error::ErrorCode;
use sha1::{Digest as _, Sha1};

use super::failure::Failure;
use super::intake::file_name;

pub(super) const VERSION: &str = "1.0.0";
pub(super) const EXTENSIONS: &str = "creation,creation-with-upload,checksum,termination,expiration";
pub(super) const ALGORITHMS: &str = "sha1,blake3";
/// The content type of a piece of an upload.
pub(super) const PIECE: &str = "application/offset+octet-stream";

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");

/// What clients and answers of the protocol have to say on every request.
pub(super) async fn speak(request: Request, next: Next) -> Response {
    // Lists and JSON are ours.
    let ours = request.method() == Method::GET || request.method() == Method::OPTIONS;
    let is_spoken = ours || request.headers().get(RESUMABLE).is_some_and(|version| version == VERSION);
    let mut response = if is_spoken {
        next.run(request).await
    } else {
        let message = "the header Tus-Resumable must be 1.0.0: uploads follow the tus protocol of that version";
        let mut refused = Failure::new(StatusCode::PRECONDITION_FAILED, ErrorCode::Unsupported, message).into_response();
        refused.headers_mut().insert("tus-version", HeaderValue::from_static(VERSION));
        refused
    };
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// A header that is a number; an error names it.
pub(super) fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, Failure> {
    let text = headers.get(name).map(|v| v.to_str().unwrap_or_default());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let got = text.map_or_else(|| "it is missing".to_owned(), |text| format!("got \"{text}\""));
        Failure::malformed(format!("the header {name} must be a number of bytes; {got}"))
    })
}

/// When an upload is removed, as the protocol writes it.
pub(super) fn http_date(ms: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms))
}

/// What a client says about a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Its name.
    pub(super) name: String,
    /// blake3 of its bytes, hexadecimal.
    pub(super) hash: Option<String>,
}

/// Reads `Upload-Metadata`: `filename` must be there, `blake3` may.
pub(super) fn metadata(text: &str) -> Result<Metadata, Failure> {
    let mut name = None;
    let mut hash = None;
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let value =
            value.ok_or_else(|| Failure::malformed(format!("the header Upload-Metadata: the value of {key} is not base64 of UTF-8")))?;
        match key {
            "filename" => name = Some(value),
            "blake3" => hash = Some(value),
            _ => {}
        }
    }
    let name = name.ok_or_else(|| Failure::malformed("the header Upload-Metadata must have a filename: its ending decides the format"))?;
    if hash.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))) {
        return Err(Failure::malformed("the header Upload-Metadata: blake3 must be 64 hexadecimal digits in lower case"));
    }
    Ok(Metadata { name: file_name(&name)?, hash })
}

/// `Upload-Checksum`: what the bytes of one request must hash to.
pub(super) struct Checksum {
    hasher: Algorithm,
    wanted: Vec<u8>,
}

enum Algorithm {
    Sha1(Sha1),
    Blake3(Box<blake3::Hasher>),
}

impl Checksum {
    /// What the header asks for; nothing when there is none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(value) = headers.get("upload-checksum") else { return Ok(None) };
        let form = || Failure::malformed(format!("the header Upload-Checksum must be one of {ALGORITHMS}, a space and the hash as base64"));
        let (algorithm, wanted) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(form)?;
        let wanted = STANDARD.decode(wanted.trim()).ok().ok_or_else(form)?;
        let hasher = match algorithm {
            "sha1" => Algorithm::Sha1(Sha1::new()),
            "blake3" => Algorithm::Blake3(Box::default()),
            _ => return Err(form()),
        };
        Ok(Some(Self { hasher, wanted }))
    }

    /// Takes bytes in.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Algorithm::Sha1(hasher) => hasher.update(bytes),
            Algorithm::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// Whether the bytes were those.
    pub(super) fn holds(self) -> bool {
        match self.hasher {
            Algorithm::Sha1(hasher) => hasher.finalize().as_slice() == self.wanted,
            Algorithm::Blake3(hasher) => hasher.finalize().as_bytes().as_slice() == self.wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_and_must_name_the_file() {
        let hash = "ab".repeat(32);
        let text = format!("filename {}, blake3 {},is_private", STANDARD.encode("IT é.npy"), STANDARD.encode(&hash));
        assert_eq!(metadata(&text).expect("read"), Metadata { name: "IT é.npy".into(), hash: Some(hash) });
        for text in ["", "name YQ==", "filename !!", "filename YQ==,blake3 YWI=", "filename Lw=="] {
            assert!(metadata(text).is_err(), "{text} is refused");
        }
    }

    #[test]
    fn checksums_of_both_kinds_hold() {
        // From the protocol's text: the SHA-1 of "hello world".
        for header in
            ["sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=".to_owned(), format!("blake3 {}", STANDARD.encode(blake3::hash(b"hello world").as_bytes()))]
        {
            for (said, holds) in [("hello world", true), ("hello worlds", false)] {
                let mut headers = HeaderMap::new();
                headers.insert("upload-checksum", header.parse().expect("a value"));
                let mut checksum = Checksum::of(&headers).expect("read").expect("there");
                checksum.update(said.as_bytes());
                assert_eq!(checksum.holds(), holds, "{header}: {said}");
            }
        }
    }
}
