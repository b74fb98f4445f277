//! Uploads that go on where they stopped: tus, its checksums, its refusals, and crashes in between.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use eigenscope::api::{DatasetInfo, DiskUse, UploadInfo};

use crate::support::{Reply, TOKEN, TestApp, npy, request};

const UPLOADS: &str = "/api/v1/uploads";

/// A request of the protocol with these headers.
async fn tus(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut request = request(method, path).header("authorization", format!("Bearer {TOKEN}")).header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(body.into()).expect("a request")).await
}

/// Begins an upload of `X.npy`; returns its address.
async fn begin(app: &TestApp, length: usize) -> String {
    let reply =
        tus(app, Method::POST, UPLOADS, &[("upload-length", &length.to_string()), ("upload-metadata", "filename WC5ucHk=")], "").await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&reply.body));
    reply.header("location").to_owned()
}

async fn append(app: &TestApp, path: &str, offset: usize, bytes: impl Into<Body>, more: &[(&str, &str)]) -> Reply {
    let offset = offset.to_string();
    let mut headers = vec![("upload-offset", &*offset), ("content-type", "application/offset+octet-stream")];
    headers.extend_from_slice(more);
    tus(app, Method::PATCH, path, &headers, bytes).await
}

async fn offset(app: &TestApp, path: &str) -> usize {
    let reply = tus(app, Method::HEAD, path, &[], "").await;
    assert_eq!((reply.status, reply.header("cache-control")), (StatusCode::OK, "no-store"), "{path}");
    reply.header("upload-offset").parse().expect("a number")
}

/// A body that gives some bytes and then breaks off, or hangs.
struct Broken(Option<Vec<u8>>, bool);

impl futures_util::Stream for Broken {
    type Item = Result<Bytes, std::io::Error>;
    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match (self.0.take(), self.1) {
            (Some(bytes), _) => Poll::Ready(Some(Ok(bytes.into()))),
            (None, true) => Poll::Pending,
            (None, false) => Poll::Ready(Some(Err(std::io::Error::other("the line is cut")))),
        }
    }
}

#[tokio::test]
async fn an_upload_in_pieces_becomes_a_dataset() {
    let app = TestApp::start().await;
    let bytes = npy(40, 30, 1);
    let path = begin(&app, bytes.len()).await;
    assert_eq!(offset(&app, &path).await, 0);
    let half = bytes.len() / 2;
    let reply = append(&app, &path, 0, bytes[..half].to_vec(), &[]).await;
    assert_eq!((reply.status, reply.header("upload-offset")), (StatusCode::NO_CONTENT, &*half.to_string()));
    assert!(reply.header("upload-expires").ends_with("GMT"), "{}", reply.header("upload-expires"));
    let listed: Vec<UploadInfo> = app.get(UPLOADS).await.read();
    assert_eq!((listed.len(), listed[0].received_bytes, &*listed[0].name), (1, half as u64, "X.npy"));
    let disk: DiskUse = app.get("/api/v1/disk").await.read();
    assert_eq!((disk.upload_bytes, disk.dataset_bytes), (half as u64, 0));
    let reply = append(&app, &path, half, bytes[half..].to_vec(), &[]).await;
    let dataset = reply.header("eigenscope-dataset").to_owned();
    assert_eq!((reply.status, &*dataset), (StatusCode::NO_CONTENT, &*blake3_of(&bytes)));
    assert_eq!(app.get(&format!("/api/v1/datasets/{dataset}/bytes")).await.body, bytes);
    assert_eq!(app.get(&format!("/api/v1/datasets/{dataset}")).await.read::<DatasetInfo>().arrays[0].shape, [40, 30]);
    assert_eq!(app.get(&path).await.read::<UploadInfo>().dataset, Some(dataset), "what it became can be asked when the answer was lost");
    assert_eq!(app.get(UPLOADS).await.json(), serde_json::json!([]));
    let disk: DiskUse = app.get("/api/v1/disk").await.read();
    assert_eq!((disk.upload_bytes, disk.dataset_bytes), (0, bytes.len() as u64));
    assert!(!app.dir.path().join("data/uploads").read_dir().expect("a folder").any(|_| true), "no second copy stays");
}

fn blake3_of(bytes: &[u8]) -> String {
    // The server's own hash, of a file that it never saw: the store's function is tested against the crate's vectors by the crate.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    eigenscope_server::store::hash_file(file.path()).expect("hashed")
}

#[tokio::test]
async fn a_wrong_checksum_keeps_nothing_of_the_piece() {
    let app = TestApp::start().await;
    let bytes = npy(4, 3, 1);
    let path = begin(&app, bytes.len()).await;
    // SHA-1 of "hello world".
    let reply = append(&app, &path, 0, bytes[..50].to_vec(), &[("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")]).await;
    assert_eq!((reply.status.as_u16(), offset(&app, &path).await), (460, 0));
    let unknown = append(&app, &path, 0, bytes[..50].to_vec(), &[("upload-checksum", "md5 AAAA")]).await;
    assert!(unknown.fails(400, "malformed").contains("sha1,blake3"), "it says which are known");
    let cut = Body::from_stream(Broken(Some(bytes[..50].to_vec()), false));
    append(&app, &path, 0, cut, &[("upload-checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")]).await.fails(400, "malformed");
    assert_eq!(offset(&app, &path).await, 0, "what cannot be checked is not kept");
    assert_eq!(append(&app, &path, 0, bytes.clone(), &[]).await.header("eigenscope-dataset"), blake3_of(&bytes));
}

#[tokio::test]
async fn what_arrived_before_a_break_is_kept_and_a_hanging_request_gives_way() {
    let app = std::sync::Arc::new(TestApp::start().await);
    let bytes = npy(50, 30, 2);
    let path = begin(&app, bytes.len()).await;
    append(&app, &path, 0, Body::from_stream(Broken(Some(bytes[..1000].to_vec()), false)), &[]).await.fails(400, "malformed");
    assert_eq!(offset(&app, &path).await, 1000);
    let hanging = tokio::spawn({
        let (app, path, piece) = (app.clone(), path.clone(), bytes[1000..1500].to_vec());
        async move { append(&app, &path, 1000, Body::from_stream(Broken(Some(piece), true)), &[]).await }
    });
    // Asked again and again until the other request has begun; the one that takes over stops it.
    while app.get(&path).await.read::<UploadInfo>().received_bytes < 1500 {
        tokio::task::yield_now().await;
        if hanging.is_finished() {
            break;
        }
        offset(&app, &path).await;
    }
    hanging.await.expect("it ended").fails(409, "conflict");
    // It may have been stopped before or after its bytes arrived.
    let at = offset(&app, &path).await;
    assert!(at == 1000 || at == 1500, "{at} bytes");
    assert_eq!(append(&app, &path, at, bytes[at..].to_vec(), &[]).await.header("eigenscope-dataset"), blake3_of(&bytes));
}

#[tokio::test]
async fn an_upload_goes_on_after_the_server_was_restarted() {
    let app = TestApp::start().await;
    let bytes = npy(60, 30, 3);
    let path = begin(&app, bytes.len()).await;
    append(&app, &path, 0, bytes[..700].to_vec(), &[]).await;
    let file = app.dir.path().join("data/uploads").join(path.rsplit('/').next().expect("an id"));
    let app = TestApp::start_in(app.stop().await, |_| ()).await;
    // As after a kill in the middle of a piece: bytes that no row vouches for.
    let mut longer = std::fs::read(&file).expect("the bytes");
    longer.extend_from_slice(b"half a piece");
    std::fs::write(&file, longer).expect("written");
    assert_eq!(offset(&app, &path).await, 700);
    assert_eq!(append(&app, &path, 700, bytes[700..].to_vec(), &[]).await.header("eigenscope-dataset"), blake3_of(&bytes));
}

#[tokio::test]
async fn the_protocol_s_refusals() {
    let app = TestApp::start_with(|config| config.max_upload_bytes = 10_000).await;
    let options = tus(&app, Method::OPTIONS, UPLOADS, &[], "").await;
    assert_eq!((options.header("tus-version"), options.header("tus-max-size")), ("1.0.0", "10000"));
    assert_eq!(options.header("tus-extension"), "creation,creation-with-upload,checksum,termination,expiration");
    let name = ("upload-metadata", "filename WC5ucHk=");
    tus(&app, Method::POST, UPLOADS, &[("upload-length", "10001"), name], "").await.fails(413, "too_large");
    tus(&app, Method::POST, UPLOADS, &[("upload-length", "x"), name], "").await.fails(400, "malformed");
    tus(&app, Method::POST, UPLOADS, &[("upload-length", "10")], "").await.fails(400, "malformed");
    let old = app.call(Method::POST, UPLOADS, "").await;
    old.fails(412, "unsupported");
    assert_eq!((old.header("tus-version"), old.header("tus-resumable")), ("1.0.0", "1.0.0"));
    let path = begin(&app, 300).await;
    append(&app, &path, 7, "x", &[]).await.fails(409, "conflict");
    append(&app, &path, 0, vec![0; 301], &[]).await.fails(413, "too_large");
    let other = tus(&app, Method::PATCH, &path, &[("upload-offset", "0"), ("content-type", "text/plain")], "x").await;
    other.fails(415, "unsupported");
    append(&app, &format!("{UPLOADS}/00"), 0, "x", &[]).await.fails(404, "not_found");
    assert_eq!(tus(&app, Method::DELETE, &path, &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(tus(&app, Method::HEAD, &path, &[], "").await.status, StatusCode::NOT_FOUND);
    // What no reader takes is refused with its sentence when the last byte is there, and gone.
    let path = begin(&app, 9).await;
    let message = append(&app, &path, 0, "not numpy", &[]).await.fails(422, "format");
    assert!(message.contains("X.npy"), "{message}");
    assert_eq!(tus(&app, Method::HEAD, &path, &[], "").await.status, StatusCode::NOT_FOUND);
    // Bytes that are not those that were announced.
    let announced =
        format!("filename WC5ucHk=,blake3 {}", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ==");
    let bytes = npy(2, 2, 1);
    let headers = [
        ("upload-length", &*bytes.len().to_string()),
        ("upload-metadata", &*announced),
        ("content-type", "application/offset+octet-stream"),
    ];
    assert_eq!(tus(&app, Method::POST, UPLOADS, &headers, bytes.clone()).await.status.as_u16(), 460);
    assert_eq!(app.get("/api/v1/datasets").await.json(), serde_json::json!([]));
    // All at once.
    let headers = [("upload-length", &*bytes.len().to_string()), name, ("content-type", "application/offset+octet-stream")];
    let reply = tus(&app, Method::POST, UPLOADS, &headers, bytes.clone()).await;
    assert_eq!((reply.status, reply.header("eigenscope-dataset")), (StatusCode::CREATED, &*blake3_of(&bytes)));
}
