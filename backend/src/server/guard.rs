//! What every request passes: Host, Origin, token, log line, panics, security headers.
//!
//! Deny by default: a path that is not named in [`is_public`] needs the token, routes that do not exist included.

use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use eigenscope::error::ErrorCode;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::App;
use super::failure::{Failure, REQUEST_ID};
use crate::ids;

const CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The one middleware.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let request_id = ids::request_id();
    let (method, path, start) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let answer = REQUEST_ID.scope(request_id.clone(), async {
        if let Some(refused) = app.admit(request.method(), request.uri(), request.headers()) {
            return refused;
        }
        match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => Failure::internal("a handler panicked").into_response(),
        }
    });
    let mut response = answer.await;
    secure(response.headers_mut(), &request_id);
    let status = response.status().as_u16();
    // The path without its query: the query of the first visit holds the token.
    tracing::info!(%method, path, status, ms = start.elapsed().as_secs_f64() * 1e3, request_id, "request");
    response
}

impl App {
    /// `None` when the request may pass.
    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let auth = &self.0.auth;
        if !auth.host_is_ours(headers) {
            let message = "the Host header is not a name of this server; open the address that `eigenscope serve` printed, or start it with --allow-host";
            return Some(Failure::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).into_response());
        }
        if !auth.origin_is_ours(headers) {
            let message = "requests from pages of another origin are refused";
            return Some(Failure::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).into_response());
        }
        if uri.path() == "/"
            && let Some(token) = token_of(uri)
        {
            return Some(self.log_in(token));
        }
        if self.is_public(method, uri.path()) || auth.is_authorized(headers) {
            return None;
        }
        let message = "the token is missing or wrong; open the address that `eigenscope serve` printed, or send it as a bearer token";
        let mut refused = Failure::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message).into_response();
        refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(refused)
    }

    /// The page's static files and the health check.
    fn is_public(&self, method: &Method, path: &str) -> bool {
        (method == Method::GET || method == Method::HEAD) && (path == "/healthz" || self.0.site.has(path))
    }

    /// Turns the token of the printed address into a cookie and takes it out of the address.
    fn log_in(&self, token: &str) -> Response {
        let cookie = self.0.auth.set_cookie().filter(|_| self.0.auth.is_token(token));
        let Some(cookie) = cookie else {
            let message = "this token is not the server's; open the address that `eigenscope serve` printed last";
            return Failure::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message).into_response();
        };
        let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, HeaderValue::from_static("/"))];
        let mut response = (StatusCode::SEE_OTHER, headers).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn token_of(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

fn secure(headers: &mut HeaderMap, request_id: &str) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    // Answers of the interface are private and change; the site sets its own policy.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
