//! The page's files: public, compressed, revalidated.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use crate::support::{Reply, TestApp, request};

async fn fetch(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    let request = headers.iter().fold(request(Method::GET, path), |r, (name, value)| r.header(*name, *value));
    app.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_page_is_public_and_revalidates() {
    let app = TestApp::start().await;
    let page = fetch(&app, "/", &[]).await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "no-cache");
    let again = fetch(&app, "/", &[("if-none-match", page.header("etag"))]).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let changed = fetch(&app, "/", &[("if-none-match", "\"other\"")]).await;
    assert_eq!(changed.status, StatusCode::OK);
}

#[tokio::test]
async fn a_folder_is_served_with_types_and_codings_and_nothing_beside_it() {
    let site = tempfile::tempdir().expect("a folder");
    let root = site.path().join("site");
    std::fs::create_dir_all(root.join("pkg")).expect("a folder");
    std::fs::write(site.path().join("secret.txt"), "secret").expect("written");
    std::fs::write(root.join("pkg/ui.wasm"), b"plain").expect("written");
    std::fs::write(root.join("pkg/ui.wasm.br"), b"brotli").expect("written");
    std::fs::write(root.join("pkg/ui.wasm.gz"), b"gzip").expect("written");
    let app = TestApp::start_with(|config| config.site = Some(root)).await;
    for (accept, coding, body) in
        [("gzip, deflate, br", "br", "brotli"), ("gzip", "gzip", "gzip"), ("identity", "", "plain"), ("br;q=0, gzip", "gzip", "gzip")]
    {
        let reply = fetch(&app, "/pkg/ui.wasm", &[("accept-encoding", accept)]).await;
        assert_eq!((reply.header("content-encoding"), reply.body.as_ref()), (coding, body.as_bytes()), "{accept}");
        assert_eq!((reply.header("content-type"), reply.header("vary")), ("application/wasm", "Accept-Encoding"));
    }
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/pkg/../../secret.txt", "/pkg", "/pkg/ui.wasm.br"] {
        fetch(&app, path, &[]).await.fails(401, "unauthorized");
        app.get(path).await.fails(404, "not_found");
    }
}
