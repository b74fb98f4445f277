//! Every route with every method, from outside: what is not listed here fails.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

use crate::support::{HOST, TOKEN, TestApp};

/// Every route and the methods that it takes; HEAD comes with GET.
const ROUTES: [(&str, &[&str]); 25] = [
    ("/api/v1/datasets", &["GET", "POST"]),
    ("/api/v1/datasets/{id}", &["GET", "DELETE"]),
    ("/api/v1/datasets/{id}/arrays", &["GET"]),
    ("/api/v1/datasets/{id}/bytes", &["GET"]),
    ("/api/v1/devices", &["GET"]),
    ("/api/v1/disk", &["GET"]),
    ("/api/v1/events", &["GET"]),
    ("/api/v1/jobs", &["GET", "POST"]),
    ("/api/v1/jobs/{id}", &["GET", "PATCH", "DELETE"]),
    ("/api/v1/jobs/{id}/cancel", &["POST"]),
    ("/api/v1/jobs/{id}/dataset", &["POST"]),
    ("/api/v1/jobs/{id}/preview", &["GET"]),
    ("/api/v1/jobs/{id}/result", &["GET"]),
    ("/api/v1/jobs/{id}/tasks", &["GET"]),
    ("/api/v1/jobs/{id}/tasks/{i}/cancel", &["POST"]),
    ("/api/v1/jobs/{id}/tasks/{i}/log", &["GET"]),
    ("/api/v1/openapi.json", &["GET"]),
    ("/api/v1/roots", &["GET"]),
    ("/api/v1/roots/datasets", &["POST"]),
    ("/api/v1/roots/files", &["GET"]),
    ("/api/v1/uploads", &["GET", "POST", "OPTIONS"]),
    ("/api/v1/uploads/{id}", &["GET", "HEAD", "PATCH", "DELETE"]),
    ("/healthz", &["GET"]),
    ("/metrics", &["GET"]),
    ("/readyz", &["GET"]),
];
/// What everybody may ask.
const PUBLIC: [&str; 2] = ["/healthz", "/readyz"];
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];

fn listed() -> BTreeSet<(String, String)> {
    ROUTES.iter().flat_map(|(path, methods)| methods.iter().map(|m| ((*m).to_owned(), (*path).to_owned()))).collect()
}

#[test]
fn the_document_and_the_router_have_the_listed_routes() {
    let document = serde_json::to_value(eigenscope_server::server::openapi_document()).expect("the document serializes");
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        documented.extend(item.as_object().expect("methods").keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    assert_eq!(documented, listed(), "add the route to ROUTES in tests/it/api/walk.rs: then the walks below try it");
    // A router does not list its routes; its source does.
    let source = include_str!("../../../backend/src/server/routes/mod.rs");
    let mut routed = BTreeSet::new();
    for call in source.split(".route(").skip(1) {
        let (path, rest) = call.trim_start().trim_start_matches('"').split_once('"').expect("a path");
        let handlers = until_closed(rest);
        let prefix = if ["/healthz", "/readyz", "/metrics"].contains(&path) { "" } else { "/api/v1" };
        for method in ["get", "post", "put", "patch", "delete", "head", "options", "any"] {
            if handlers.contains(&format!("{method}(")) {
                routed.insert((method.to_uppercase(), format!("{prefix}{path}")));
            }
        }
    }
    assert_eq!(routed, listed(), "a route of the router is not documented or not listed");
}

/// The rest of a call, up to the parenthesis that closes it.
fn until_closed(rest: &str) -> &str {
    let mut depth = 1;
    let end = rest.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth == 0
    });
    end.map_or(rest, |(at, _)| &rest[..at])
}

/// Every route with every method: path, method, and whether the route takes it.
fn walk() -> Vec<(String, Method, bool)> {
    let mut out = Vec::new();
    for (path, methods) in ROUTES {
        for method in METHODS {
            let takes = methods.contains(&method) || method == "HEAD" && methods.contains(&"GET");
            out.push((path.replace("{id}", "0123").replace("{i}", "0"), method.parse().expect("a method"), takes));
        }
    }
    out
}

fn ask(method: &Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(method.clone()).uri(path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn every_method_of_every_route_is_closed_without_the_token() {
    let app = TestApp::start().await;
    let wrong = [("authorization", "Bearer wrong"), ("cookie", "eigenscope_8080=correct-horse"), ("authorization", "Basic Y29ycmVjdA==")];
    for (path, method, _) in walk() {
        let is_open = PUBLIC.contains(&path.as_str()) && (method == Method::GET || method == Method::HEAD);
        let expected = if is_open { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(app.send(ask(&method, &path, &[("host", HOST)])).await.status, expected, "{method} {path} without a token");
        for proof in wrong {
            let reply = app.send(ask(&method, &path, &[("host", HOST), proof])).await;
            assert_eq!(reply.status, expected, "{method} {path} with {proof:?}");
            assert!(is_open || reply.header("www-authenticate") == "Bearer", "{method} {path} says how");
        }
    }
}

#[tokio::test]
async fn every_method_of_every_route_is_closed_to_foreign_hosts_and_origins() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {TOKEN}");
    let proof = ("authorization", bearer.as_str());
    for (path, method, _) in walk() {
        for host in ["rebound.example:8080", "127.0.0.1", "127.0.0.1:8081", "127.0.0.1:8080.example", "user@127.0.0.1:8080", ""] {
            let reply = app.send(ask(&method, &path, &[("host", host), proof])).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {path} by host {host:?}");
        }
        let twice = app.send(ask(&method, &path, &[("host", HOST), ("host", "rebound.example"), proof])).await;
        assert_eq!(twice.status, StatusCode::FORBIDDEN, "{method} {path} by two hosts");
        for origin in [
            "http://rebound.example:8080",
            "http://localhost:8080",
            "https://127.0.0.1:8080",
            "http://127.0.0.1:8080.evil",
            "null",
            "file://",
        ] {
            let reply = app.send(ask(&method, &path, &[("host", HOST), ("origin", origin), proof])).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{method} {path} from origin {origin:?}");
        }
    }
}

#[tokio::test]
async fn with_the_token_a_route_takes_its_methods_and_no_others() {
    let app = TestApp::start().await;
    for (path, method, takes) in walk() {
        if path == "/api/v1/events" && takes {
            continue;
        }
        let reply = app.call(method.clone(), &path, Body::empty()).await;
        assert_eq!(reply.status == StatusCode::METHOD_NOT_ALLOWED, !takes, "{method} {path} answers {}", reply.status);
        assert_ne!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}");
        let allowed = reply.headers.get("access-control-allow-origin");
        assert!(
            allowed.is_none() && reply.header("x-content-type-options") == "nosniff",
            "{method} {path} shares nothing with other pages"
        );
        assert!(!reply.header("content-type").contains("html"), "{method} {path} is no page");
    }
}

#[tokio::test]
async fn paths_in_parameters_lead_nowhere() {
    let app = TestApp::start().await;
    std::fs::write(app.dir.path().join("secret"), "the secret beside the data folder").expect("written");
    let long = "a".repeat(5000);
    let hostile = [
        "..%2f..%2fsecret",
        "..%2Fsecret",
        "%2e%2e%2fsecret",
        "..%5csecret",
        "%2fetc%2fpasswd",
        "....%2f%2fsecret",
        "..",
        "%2e%2e",
        ".",
        "%00",
        "secret%00",
        "%FF",
        "%c0%ae%c0%ae%2fsecret",
        "..;%2fsecret",
        "%252e%252e%252fsecret",
        "C:%5csecret",
        "CON",
        "~root",
        "-rf",
        "0'%20OR%201=1",
        &long,
    ];
    for (path, methods) in ROUTES.iter().filter(|(path, _)| path.contains('{')) {
        for method in *methods {
            for name in hostile {
                let path = path.replacen("{id}", name, 1).replace("{i}", name);
                // What uploads want to hear, so that they look at the name.
                let bearer = format!("Bearer {TOKEN}");
                let headers = [
                    ("host", HOST),
                    ("authorization", &*bearer),
                    ("tus-resumable", "1.0.0"),
                    ("upload-offset", "0"),
                    ("content-type", "application/offset+octet-stream"),
                ];
                let reply = app.send(ask(&method.parse().expect("a method"), &path, &headers)).await;
                assert!([400, 404, 405].contains(&reply.status.as_u16()), "{method} {path} answers {}", reply.status);
                assert!(!String::from_utf8_lossy(&reply.body).contains("beside the data folder"), "{method} {path}");
            }
        }
    }
    for name in ["..%2f..%2fX.npy", "%2fetc%2fX.npy", "..%5c..%5cX.npy", "C:%5cX.npy"] {
        let reply = app.call(Method::POST, &format!("/api/v1/datasets?name={name}"), crate::support::npy(3, 2, 1)).await;
        assert_eq!(reply.json()["name"], "X.npy", "{name}");
    }
    for name in ["", "..%2f", "a%00.npy", "a%0d%0aX:%20y.npy", &long] {
        app.call(Method::POST, &format!("/api/v1/datasets?name={name}"), crate::support::npy(3, 2, 1)).await.fails(400, "malformed");
    }
    let beside: BTreeSet<_> = std::fs::read_dir(app.dir.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(beside, BTreeSet::from(["data".into(), "secret".into()]), "nothing is written beside the data folder");
}

#[tokio::test]
async fn what_people_upload_is_never_a_page() {
    let app = TestApp::start().await;
    let html = "<script>alert(1)</script>";
    let table = format!("a,b\n1,2\n3,4\n\"{html}\",5\n");
    let refused = app.call(Method::POST, "/api/v1/datasets?name=x.html", html).await;
    assert_eq!((refused.status, refused.header("content-type")), (StatusCode::UNPROCESSABLE_ENTITY, "application/json"));
    let stored = app.call(Method::POST, "/api/v1/datasets?name=%22%3Cimg%20src=x%3E.html.csv", "a,b\n1,2\n3,4\n").await;
    assert_eq!(stored.status, StatusCode::CREATED, "{table}");
    let id = stored.json()["id"].as_str().expect("an id").to_owned();
    let bytes = app.get(&format!("/api/v1/datasets/{id}/bytes")).await;
    assert_eq!((bytes.status, bytes.header("content-type")), (StatusCode::OK, "application/octet-stream"));
    let disposition = bytes.header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"") && disposition.matches('"').count() == 2, "{disposition}");
    assert_eq!(bytes.header("x-content-type-options"), "nosniff");
    assert!(bytes.header("content-security-policy").starts_with("default-src 'none'"), "even if it were opened");
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_of_the_page_are_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("site");
    std::fs::create_dir(&root).expect("a folder");
    std::fs::write(folder.path().join("secret.txt"), "secret").expect("written");
    std::fs::write(root.join("real.txt"), "page").expect("written");
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), root.join("out.txt")).expect("a link");
    std::os::unix::fs::symlink(folder.path(), root.join("up")).expect("a link");
    std::os::unix::fs::symlink(root.join("real.txt"), root.join("in.txt")).expect("a link");
    let app = TestApp::start_with(|config| config.site = Some(root)).await;
    assert_eq!(app.get("/in.txt").await.body.as_ref(), b"page");
    for path in ["/out.txt", "/up/secret.txt"] {
        app.get(path).await.fails(404, "not_found");
        app.send(ask(&Method::GET, path, &[("host", HOST)])).await.fails(401, "unauthorized");
    }
}
