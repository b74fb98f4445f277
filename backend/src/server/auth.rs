//! Who may ask: Host, Origin and token.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderValue, header};

/// The secret and the names of the server.
pub(super) struct Auth {
    token: String,
    hosts: BTreeSet<String>,
    /// Cookies are shared between the ports of a host: the port is in the name.
    cookie: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Auth {
    pub(super) fn new(token: String, hosts: BTreeSet<String>, port: u16) -> Self {
        Self { token, hosts, cookie: format!("eigenscope_{port}") }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the Host header is one of this server's names: a page that rebinds its own name to this machine is not.
    pub(super) fn host_is_ours(&self, headers: &HeaderMap) -> bool {
        single(headers, &header::HOST).is_some_and(|host| self.hosts.contains(&host.to_lowercase()))
    }

    /// Whether there is no Origin header or it is the origin that was asked.
    pub(super) fn origin_is_ours(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        let (Some(origin), Some(host)) = (single(headers, &header::ORIGIN), single(headers, &header::HOST)) else { return false };
        origin.strip_prefix("http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    }

    /// Whether the request carries the token, as bearer or as cookie.
    pub(super) fn is_authorized(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::AUTHORIZATION) {
            let value = single(headers, &header::AUTHORIZATION).and_then(|v| v.split_once(' '));
            return value.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && self.is_token(token.trim()));
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
        cookies.filter_map(|pair| pair.trim().split_once('=')).any(|(name, value)| name == self.cookie && self.is_token(value))
    }

    /// Compares hashes in constant time: how long it takes tells nothing about the token.
    pub(super) fn is_token(&self, given: &str) -> bool {
        blake3::hash(given.as_bytes()) == blake3::hash(self.token.as_bytes())
    }

    /// The cookie that carries the token from now on.
    pub(super) fn set_cookie(&self) -> Option<HeaderValue> {
        let text = format!("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000", self.cookie, self.token);
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A header that is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}
