//! Who gets in: token, Host, Origin, and what every answer carries.

use axum::body::Body;
use axum::http::{Method, StatusCode};

use crate::support::{HOST, TOKEN, TestApp, request};

/// Every documented route, with ids filled in.
fn routes() -> Vec<(Method, String)> {
    let document = serde_json::to_value(eigenscope_server::server::openapi_document()).expect("the document serializes");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        // An answer to HEAD has no sentence to look at; the walk of all methods has its status.
        for method in item.as_object().expect("methods").keys().filter(|method| *method != "head") {
            let method = method.to_uppercase().parse().expect("a method");
            routes.push((method, path.replace("{id}", "0123")));
        }
    }
    assert!(routes.len() >= 15, "all routes are documented, found {}", routes.len());
    routes
}

#[tokio::test]
async fn every_route_needs_the_token_but_the_health_check() {
    let app = TestApp::start().await;
    let wrong = ["Bearer wrong", "Bearer ", "Basic correct-horse", "correct-horse"];
    for (method, path) in routes() {
        let open = ["/healthz", "/readyz"].contains(&path.as_str());
        let bare = || request(method.clone(), &path);
        let cookie = bare().header("cookie", "eigenscope_8080=wrong; other=correct-horse");
        let query = request(method.clone(), &format!("{path}?token={TOKEN}"));
        let mut requests = vec![bare(), cookie, query];
        requests.extend(wrong.map(|value| bare().header("authorization", value)));
        for request in requests {
            let reply = app.send(request.body(Body::empty()).expect("a request")).await;
            if open {
                assert_eq!(reply.status, StatusCode::OK, "{method} {path}");
            } else {
                reply.fails(401, "unauthorized");
                assert_eq!(reply.header("www-authenticate"), "Bearer");
            }
        }
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_even_with_the_token() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {TOKEN}");
    let hosts = ["evil.example:8080", "127.0.0.1", "127.0.0.1:8081", "localhost:8080.evil.example", ""];
    let origins = ["http://evil.example", "http://127.0.0.1:9000", "http://localhost:8080", "https://127.0.0.1:8080", "null", ""];
    for (method, path) in routes().into_iter().chain([(Method::GET, "/".to_owned())]) {
        for host in hosts {
            let request =
                axum::http::Request::builder().method(method.clone()).uri(&path).header("host", host).header("authorization", &bearer);
            app.send(request.body(Body::empty()).expect("a request")).await.fails(403, "forbidden");
        }
        for origin in origins {
            let request = request(method.clone(), &path).header("origin", origin).header("authorization", &bearer);
            app.send(request.body(Body::empty()).expect("a request")).await.fails(403, "forbidden");
        }
    }
    let none = axum::http::Request::builder().uri("/healthz").body(Body::empty()).expect("a request");
    app.send(none).await.fails(403, "forbidden");
    for host in [HOST, "localhost:8080", "[::1]:8080", "LOCALHOST:8080"] {
        let own = axum::http::Request::builder().uri("/api/v1/jobs").header("host", host).header("origin", format!("http://{host}"));
        let reply = app.send(own.header("authorization", &bearer).body(Body::empty()).expect("a request")).await;
        assert_eq!(reply.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn the_printed_address_becomes_a_cookie() {
    let app = TestApp::start().await;
    let url = app.app.url();
    let path = url.strip_prefix(&format!("http://{HOST}")).expect("the printed address is the server's");
    let reply = app.send(request(Method::GET, path).body(Body::empty()).expect("a request")).await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/"));
    let cookie = reply.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let pair = cookie.split(';').next().expect("a pair");
    let with_cookie = request(Method::GET, "/api/v1/jobs").header("cookie", format!("a=b; {pair}"));
    assert_eq!(app.send(with_cookie.body(Body::empty()).expect("a request")).await.status, StatusCode::OK);
    let wrong = app.send(request(Method::GET, "/?token=wrong").body(Body::empty()).expect("a request")).await;
    wrong.fails(401, "unauthorized");
    assert_eq!(wrong.header("set-cookie"), "");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let app = TestApp::start().await;
    let anonymous = app.send(request(Method::GET, "/api/v1/jobs").body(Body::empty()).expect("a request")).await;
    let login = app.send(request(Method::GET, &format!("/?token={TOKEN}")).body(Body::empty()).expect("a request")).await;
    for reply in [app.get("/").await, app.get("/api/v1/jobs").await, app.get("/nowhere").await, anonymous, login] {
        let csp = reply.header("content-security-policy");
        assert!(csp.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{csp}");
        assert!(csp.ends_with("frame-ancestors 'none'") && !csp.contains("  "), "{csp}");
        let scripts = csp.split(';').find(|part| part.trim().starts_with("script-src")).expect("a rule for scripts");
        assert!(!scripts.contains("unsafe-inline") && !scripts.contains("'unsafe-eval'") && !csp.contains('*'), "{csp}");
        let others = ["x-content-type-options", "referrer-policy", "cross-origin-resource-policy", "cross-origin-opener-policy"];
        assert_eq!(others.map(|name| reply.header(name)), ["nosniff", "no-referrer", "same-origin", "same-origin"]);
    }
}

#[test]
fn the_page_has_nothing_inline() {
    let pages = [include_str!("../../../index.html"), include_str!("../../../backend/src/server/placeholder.html")];
    for page in pages.map(str::to_lowercase) {
        for script in page.split("<script").skip(1) {
            let (attributes, rest) = script.split_once('>').expect("a tag");
            assert!(attributes.contains("src=") && rest.trim_start().starts_with("</script>"), "a script of its own file: {script}");
        }
        for inline in ["<style", " style=", " onload=", " onclick=", " onerror=", "javascript:"] {
            assert!(!page.contains(inline), "{inline} is refused by the policy");
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_json() {
    let app = TestApp::start().await;
    let anonymous = app.send(request(Method::GET, "/api/v1/secrets").body(Body::empty()).expect("a request")).await;
    anonymous.fails(401, "unauthorized");
    app.get("/api/v1/secrets").await.fails(404, "not_found");
    app.get("/../../etc/passwd").await.fails(404, "not_found");
    app.call(Method::PUT, "/api/v1/jobs", Body::empty()).await.fails(405, "not_found");
    app.call(Method::POST, "/nowhere", Body::empty()).await.fails(404, "not_found");
    for (method, path) in routes() {
        if path == "/api/v1/events" {
            continue;
        }
        let reply = app.call(method.clone(), &path, Body::empty()).await;
        assert_ne!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path} is documented");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("there is nothing at"), "{method} {path} is documented: {text}");
    }
}
