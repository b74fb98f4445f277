//! The page's files: embedded at build time, or a folder for development.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::failure::Failure;

const EMBEDDED: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/site.rs"));
const PLACEHOLDER: &str = include_str!("placeholder.html");

/// Compressed forms in the order of preference: their coding and the ending of their file.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Where the page's files are.
#[derive(Debug)]
pub(super) enum Site {
    /// In the program: path → bytes and `ETag`.
    Embedded(BTreeMap<&'static str, (&'static [u8], String)>),
    /// In a folder, read at each request.
    Folder(PathBuf),
}

/// Whether the page was built into this program.
#[must_use]
pub fn has_page() -> bool {
    !EMBEDDED.is_empty()
}

impl Site {
    pub(super) fn embedded() -> Self {
        let mut files = EMBEDDED.iter().map(|&(path, bytes)| (path, (bytes, etag(bytes)))).collect::<BTreeMap<_, _>>();
        files.entry("index.html").or_insert_with(|| (PLACEHOLDER.as_bytes(), etag(PLACEHOLDER.as_bytes())));
        Self::Embedded(files)
    }

    pub(super) fn folder(root: PathBuf) -> Self {
        Self::Folder(root)
    }

    /// Whether the path of an address names a file of the page.
    pub(super) fn has(&self, path: &str) -> bool {
        let Some(name) = file_name(path) else { return false };
        ["", ".br", ".gz"].iter().any(|ending| match self {
            Self::Embedded(files) => files.contains_key(format!("{name}{ending}").as_str()),
            Self::Folder(root) => inside(root, &format!("{name}{ending}")).is_some_and(|file| file.is_file()),
        })
    }

    /// The file in the best coding that the client takes.
    pub(super) async fn respond(&self, path: &str, headers: &HeaderMap) -> Response {
        let Some(name) = file_name(path) else { return nothing_here(path) };
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let wanted = CODINGS.iter().filter(|(coding, _)| accepts(accepted, coding)).copied().chain([("", "")]);
        for (coding, ending) in wanted {
            if let Some((bytes, tag)) = self.read(&format!("{name}{ending}")).await {
                return answer(name, coding, bytes, &tag, headers);
            }
        }
        nothing_here(path)
    }

    async fn read(&self, name: &str) -> Option<(Bytes, String)> {
        match self {
            Self::Embedded(files) => files.get(name).map(|(bytes, tag)| (Bytes::from_static(bytes), tag.clone())),
            Self::Folder(root) => {
                let bytes = tokio::fs::read(inside(root, name)?).await.ok()?;
                let tag = etag(&bytes);
                Some((bytes.into(), tag))
            }
        }
    }
}

/// A file of a folder, unless a symbolic link leads out of it.
fn inside(root: &Path, name: &str) -> Option<PathBuf> {
    let file = root.join(name).canonicalize().ok()?;
    file.starts_with(root.canonicalize().ok()?).then_some(file)
}

fn nothing_here(path: &str) -> Response {
    Failure::not_found(format!("there is nothing at {path}")).into_response()
}

fn answer(name: &str, coding: &'static str, bytes: Bytes, tag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|t| t.trim().trim_start_matches("W/") == tag || t.trim() == "*");
    let (status, body) = if is_known { (StatusCode::NOT_MODIFIED, Body::empty()) } else { (StatusCode::OK, Body::from(bytes)) };
    let shared = [(header::ETAG, tag), (header::CACHE_CONTROL, "no-cache"), (header::VARY, "Accept-Encoding")];
    let mut response = (status, shared, body).into_response();
    if !is_known {
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type(name)));
    }
    if !coding.is_empty() && !is_known {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static(coding));
    }
    response
}

/// `/` is `index.html`; anything that would leave the folder, and the compressed forms themselves, are no names.
fn file_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let name = if name.is_empty() { "index.html" } else { name };
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let compressed = CODINGS.iter().any(|(_, ending)| name.ends_with(ending));
    (plain && !compressed && !name.contains(['\\', '\0']) && !name.split('/').any(|part| part.is_empty() || part.starts_with('.')))
        .then_some(name)
}

/// Whether an Accept-Encoding header takes a coding; `;q=0` refuses it.
fn accepts(header: &str, coding: &str) -> bool {
    header.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse().is_ok_and(|q: f32| q <= 0.0)));
        named && !refused
    })
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &blake3::hash(bytes).to_hex()[..32])
}

fn content_type(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        assert_eq!(file_name("/"), Some("index.html"));
        assert_eq!(file_name("/pkg/ui.wasm"), Some("pkg/ui.wasm"));
        for bad in ["/../secret", "/a/../../b", "//etc/passwd", "/a//b", "/.git/config", "/ui.wasm.br", "/a\\..\\b", "/a/./b", "x"] {
            assert_eq!(file_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn codings_are_negotiated() {
        assert!(accepts("gzip, deflate, br", "br"), "named");
        assert!(accepts("br;q=0.5", "br"), "named with a weight");
        assert!(!accepts("br;q=0, gzip", "br"), "refused");
        assert!(!accepts("brotli", "br"), "another name");
    }
}
