//! Who may ask: Host, Origin and token.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderValue, header};

use super::{Config, Token, authority};

/// The Host headers that are this server's, in lower case.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Reached directly, over `scheme`.
    direct: BTreeSet<String>,
    /// Named by the person who runs it, perhaps behind a proxy that adds TLS.
    allowed: BTreeSet<String>,
    scheme: &'static str,
}

impl Hosts {
    pub(super) fn of(config: &Config) -> Self {
        let port = config.port;
        let (scheme, default_port) = if config.tls.is_some() { ("https://", ":443") } else { ("http://", ":80") };
        let mut direct = BTreeSet::new();
        for host in ["127.0.0.1", "localhost", "::1", &config.host] {
            let authority = authority(host, port).to_lowercase();
            // Browsers leave the default port out.
            direct.extend(authority.strip_suffix(default_port).map(str::to_owned));
            direct.insert(authority);
        }
        let allowed = config.allow_hosts.iter().map(|host| host.to_lowercase());
        Self { direct, allowed: allowed.flat_map(|host| [authority(&host, port), host]).collect(), scheme }
    }
}

/// The secrets and the names of the server.
pub(super) struct Auth {
    token: Token,
    hosts: Hosts,
    /// Cookies are shared between the ports of a host: the port is in the name.
    cookie: String,
    /// What the cookie carries: made from the token with a key that only this data folder has, so that nobody guesses it.
    session: Token,
}

/// What a request shows of who sends it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proof<'a> {
    /// Nothing, or a cookie that is not valid any more.
    Nothing,
    /// The cookie of a login.
    Session,
    /// The token itself.
    Token,
    /// Something else in its place.
    Wrong(&'a str),
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Auth {
    pub(super) fn new(token: Token, session_key: &[u8; 32], hosts: Hosts, port: u16) -> Self {
        let session = blake3::keyed_hash(session_key, token.expose().as_bytes()).to_hex().to_string().into();
        Self { token, hosts, cookie: format!("eigenscope_{port}"), session }
    }

    pub(super) fn token(&self) -> &Token {
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
        let proxied = |origin| str::strip_prefix(origin, "https://").filter(|_| self.hosts.allowed.contains(&host.to_lowercase()));
        origin.strip_prefix(self.hosts.scheme).or_else(|| proxied(origin)).is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    }

    /// What the request carries: the token as bearer, or the cookie.
    pub(super) fn proof<'a>(&self, headers: &'a HeaderMap) -> Proof<'a> {
        if headers.contains_key(header::AUTHORIZATION) {
            let value = single(headers, &header::AUTHORIZATION).unwrap_or_default();
            return match value.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.proof_of(token.trim()),
                _ => Proof::Wrong(value),
            };
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
        let mut ours = cookies.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| *name == self.cookie);
        if ours.any(|(_, value)| self.session.is(value)) { Proof::Session } else { Proof::Nothing }
    }

    /// What a token proves.
    pub(super) fn proof_of<'a>(&self, token: &'a str) -> Proof<'a> {
        if self.token.is(token) { Proof::Token } else { Proof::Wrong(token) }
    }

    /// The cookie that stands for the token from now on.
    pub(super) fn set_cookie(&self) -> Option<HeaderValue> {
        let secure = if self.hosts.scheme == "https://" { "; Secure" } else { "" };
        let session = self.session.expose();
        let text = format!("{}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{secure}", self.cookie);
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
        auth_with(None)
    }

    fn auth_with(tls: Option<super::super::TlsSource>) -> Auth {
        let mut config = Config::new("d".into(), "e".into());
        config.allow_hosts = vec!["Lab.example".into(), "proxy.example:444".into()];
        config.tls = tls;
        Auth::new("t".into(), &[7; 32], Hosts::of(&config), config.port)
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

    #[test]
    fn with_tls_only_https_is_the_same_origin() {
        let tls = auth_with(Some(super::super::TlsSource::Generated));
        assert!(tls.origin_is_ours(&headers("localhost:8080", Some("https://localhost:8080"))), "this page");
        assert!(!tls.origin_is_ours(&headers("localhost:8080", Some("http://localhost:8080"))), "a page that came over http");
        let cookie = |auth: &Auth| auth.set_cookie().expect("a cookie").to_str().expect("text").to_owned();
        assert!(cookie(&tls).ends_with("; Secure") && !cookie(&auth()).contains("Secure"), "only https carries a secure cookie");
    }

    #[test]
    fn the_cookie_is_neither_the_token_nor_made_from_it_alone() {
        let auth = auth();
        let cookie = auth.set_cookie().expect("a cookie").to_str().expect("text").to_owned();
        let pair = cookie.split(';').next().expect("a pair");
        let with = |cookie: &str| HeaderMap::from_iter([(header::COOKIE, cookie.parse().expect("a value"))]);
        assert_eq!(auth.proof(&with(pair)), Proof::Session);
        assert_eq!(auth.proof(&with("eigenscope_8080=t")), Proof::Nothing, "the token is no cookie");
        let other = Auth::new("t".into(), &[8; 32], Hosts::of(&Config::new("d".into(), "e".into())), 8080);
        assert_eq!(other.proof(&with(pair)), Proof::Nothing, "another data folder");
    }
}
