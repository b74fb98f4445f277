//! Who may ask: Host, Origin and token.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderValue, header};

use super::{Config, authority};

/// The Host headers that are this server's, in lower case.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Reached directly, over http.
    direct: BTreeSet<String>,
    /// Named by the person who runs it, perhaps behind a proxy that adds TLS.
    allowed: BTreeSet<String>,
}

impl Hosts {
    pub(super) fn of(config: &Config) -> Self {
        let port = config.port;
        let mut direct = BTreeSet::new();
        for host in ["127.0.0.1", "localhost", "::1", &config.host] {
            let authority = authority(host, port).to_lowercase();
            if port == 80 {
                // Browsers leave the default port out.
                direct.extend(authority.strip_suffix(":80").map(str::to_owned));
            }
            direct.insert(authority);
        }
        let allowed = config.allow_hosts.iter().map(|host| host.to_lowercase());
        Self { direct, allowed: allowed.flat_map(|host| [authority(&host, port), host]).collect() }
    }
}

/// The secret and the names of the server.
pub(super) struct Auth {
    token: String,
    hosts: Hosts,
    /// Cookies are shared between the ports of a host: the port is in the name.
    cookie: String,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Auth {
    pub(super) fn new(token: String, hosts: Hosts, port: u16) -> Self {
        Self { token, hosts, cookie: format!("eigenscope_{port}") }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Whether the Host header is one of this server's names: a page that rebinds its own name to this machine is not.
    pub(super) fn host_is_ours(&self, headers: &HeaderMap) -> bool {
        single(headers, &header::HOST).is_some_and(|host| {
            let host = host.to_lowercase();
            self.hosts.direct.contains(&host) || self.hosts.allowed.contains(&host)
        })
    }

    /// Whether there is no Origin header or it is the origin that was asked.
    pub(super) fn origin_is_ours(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        let (Some(origin), Some(host)) = (single(headers, &header::ORIGIN), single(headers, &header::HOST)) else { return false };
        let tls = |origin| str::strip_prefix(origin, "https://").filter(|_| self.hosts.allowed.contains(&host.to_lowercase()));
        origin.strip_prefix("http://").or_else(|| tls(origin)).is_some_and(|authority| authority.eq_ignore_ascii_case(host))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> Auth {
        let mut config = Config::new("d".into(), "e".into());
        config.allow_hosts = vec!["Lab.example".into(), "proxy.example:444".into()];
        Auth::new("t".into(), Hosts::of(&config), config.port)
    }

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a value"));
        headers.extend(origin.map(|o| (header::ORIGIN, o.parse().expect("a value"))));
        headers
    }

    #[test]
    fn hosts_are_exact() {
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "lab.example:8080", "lab.example", "proxy.example:444"] {
            assert!(auth().host_is_ours(&headers(host, None)), "{host} is this server's");
        }
        for host in ["localhost", "localhost:80", "proxy.example", "lab.example.evil"] {
            assert!(!auth().host_is_ours(&headers(host, None)), "{host} is not");
        }
    }

    #[test]
    fn tls_in_front_is_for_named_hosts_only() {
        assert!(auth().origin_is_ours(&headers("lab.example", Some("https://lab.example"))), "a proxy");
        assert!(!auth().origin_is_ours(&headers("localhost:8080", Some("https://localhost:8080"))), "another origin on this machine");
        assert!(!auth().origin_is_ours(&headers("lab.example", Some("https://evil.example"))), "another page");
    }
}
