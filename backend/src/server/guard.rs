//! What every request passes: Host, Origin, token, log line, panics, security headers.
//!
//! Deny by default: a path that is not named in [`is_public`] needs the token, routes that do not exist included.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use eigenscope::error::ErrorCode;
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::Instrument;

use super::App;
use super::auth::Proof;
use super::failure::{Failure, REQUEST_ID};
use super::guesses::TooMany;
use super::limits::patient;
use crate::ids;

/// Styles may be inline because Plotly puts style elements and attributes into the page, and stops drawing without them. They run nothing, and
/// what they may load comes from this server alone.
const CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The address that a connection came from; [`super::listen`] puts it into each request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The one middleware.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let request_id = ids::request_id();
    let (method, path, start) = (request.method().clone(), request.uri().path().to_owned(), Instant::now());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let under_way = app.0.metrics.begin();
    let answer = REQUEST_ID.scope(request_id.clone(), async {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        if let Some(refused) = app.admit(request.method(), request.uri(), request.headers(), peer) {
            return refused;
        }
        let request = request.map(|body| patient(body, app.0.config.patience.body, Arc::clone(&app.0.metrics.received)));
        match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => Failure::internal("a handler panicked").into_response(),
        }
    });
    // Whatever is logged while the request is answered carries its id, however little is logged.
    let span = tracing::error_span!("request", request_id);
    let answer = async {
        let mut response = answer.await;
        secure(response.headers_mut(), &request_id);
        let (status, took) = (response.status().as_u16(), start.elapsed());
        under_way.end(&method, route.as_ref().map(MatchedPath::as_str), status, took);
        // The path without its query: the query of the first visit holds the token.
        tracing::info!(%method, path, status, ms = took.as_secs_f64() * 1e3, "request");
        response
    };
    answer.instrument(span).await
}

impl App {
    /// `None` when the request may pass.
    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<Response> {
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
            return Some(self.log_in(token, peer));
        }
        if self.is_public(method, uri.path()) {
            return None;
        }
        let proof = auth.proof(headers);
        match self.judge(&proof, peer) {
            Err(too_many) => Some(slow_down(too_many)),
            Ok(true) => None,
            Ok(false) => {
                let message =
                    "the token is missing or wrong; open the address that `eigenscope serve` printed, or send it as a bearer token";
                let mut refused = Failure::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message).into_response();
                refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                Some(refused)
            }
        }
    }

    /// Whether a proof opens the door; counts guesses.
    fn judge(&self, proof: &Proof<'_>, peer: Option<IpAddr>) -> Result<bool, TooMany> {
        let (guesses, now) = (&self.0.guesses, Instant::now());
        match proof {
            Proof::Nothing => Ok(false),
            Proof::Session => Ok(true),
            Proof::Token if self.0.auth.token().is_unguessable() => Ok(true),
            Proof::Token => guesses.check(peer, now).map(|()| true),
            Proof::Wrong(guess) => {
                let noted = guesses.note(peer, guess, now);
                tracing::warn!(peer = peer.map(tracing::field::display), "a wrong token");
                noted.map(|()| false)
            }
        }
    }

    /// The page's static files and the health checks.
    fn is_public(&self, method: &Method, path: &str) -> bool {
        (method == Method::GET || method == Method::HEAD) && (path == "/healthz" || path == "/readyz" || self.0.site.has(path))
    }

    /// Turns the token of the printed address into a cookie and takes it out of the address.
    fn log_in(&self, token: &str, peer: Option<IpAddr>) -> Response {
        let is_right = match self.judge(&self.0.auth.proof_of(token), peer) {
            Ok(is_right) => is_right,
            Err(too_many) => return slow_down(too_many),
        };
        let Some(cookie) = self.0.auth.set_cookie().filter(|_| is_right) else {
            let message = "this token is not the server's; open the address that `eigenscope serve` printed last";
            return Failure::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message).into_response();
        };
        let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, HeaderValue::from_static("/"))];
        let mut response = (StatusCode::SEE_OTHER, headers).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn slow_down(TooMany(wait): TooMany) -> Response {
    let secs = wait.as_secs() + 1;
    let message = format!("too many wrong tokens came from this address; try again in {secs} s");
    let mut refused = Failure::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::Busy, message).into_response();
    refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    refused
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
