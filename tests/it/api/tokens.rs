//! Wrong tokens are limited, right ones are not locked out, and no log tells one.

use crate::listening::Process;
use crate::support::npy;

/// As long as those that the server makes.
const STRONG: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

fn with(token: &str) -> String {
    format!("GET /api/v1/jobs HTTP/1.1\r\nAuthorization: Bearer {token}")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name))).map(|(_, value)| value)
}

/// The pair of a login's cookie.
fn log_in(server: &Process, token: &str) -> String {
    let answer = server.ask(&format!("GET /?token={token} HTTP/1.1"), b"");
    assert_eq!(status(&answer), "303", "{answer}");
    header(&answer, "set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie").to_owned()
}

#[test]
fn guesses_are_limited_and_nobody_is_locked_out_by_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(&dir.path().join("data"), &[], &[("EIGENSCOPE_TOKEN", STRONG)]);
    let cookie = log_in(&server, STRONG);
    for _ in 0..30 {
        assert_eq!(status(&server.ask(&with("an-old-token"), b"")), "401", "the same wrong token again is no further guess");
        assert_eq!(status(&server.ask("GET /api/v1/jobs HTTP/1.1", b"")), "401", "no token is no guess");
    }
    let answers: Vec<_> = (0..12).map(|n| server.ask(&with(&format!("guess-{n}")), b"")).collect();
    let refused: Vec<_> = answers.iter().map(|answer| status(answer)).collect();
    assert_eq!(refused, [["401"; 9].as_slice(), &["429"; 3]].concat(), "ten a minute, with the old one");
    let wait = header(&answers[11], "retry-after").and_then(|secs| secs.parse::<u32>().ok()).expect("when to come back");
    assert!((1..=61).contains(&wait), "{wait} s");
    assert_eq!(status(&server.ask("GET /?token=guess-99 HTTP/1.1", b"")), "429", "the door of the page counts as well");
    assert_eq!(status(&server.ask("GET /api/v1/jobs HTTP/1.1\r\nAuthorization: Basic Z3Vlc3M=", b"")), "429");
    assert_eq!(status(&server.ask(&with(STRONG), b"")), "200", "the right token, from the same address");
    assert_eq!(status(&server.ask(&format!("GET /api/v1/jobs HTTP/1.1\r\nCookie: {cookie}"), b"")), "200", "who is logged in");
    log_in(&server, STRONG);
    assert_eq!(status(&server.ask("GET /healthz HTTP/1.1", b"")), "200");
    server.stop();
}

#[test]
fn a_short_token_waits_with_those_who_guess_it_but_not_its_cookie() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(&dir.path().join("data"), &[], &[("EIGENSCOPE_TOKEN", "sesame")]);
    let cookie = log_in(&server, "sesame");
    for n in 0..10 {
        assert_eq!(status(&server.ask(&with(&format!("guess-{n}")), b"")), "401");
    }
    assert_eq!(status(&server.ask(&with("sesame"), b"")), "429", "else the limit would limit nothing");
    assert_eq!(status(&server.ask(&format!("GET /api/v1/jobs HTTP/1.1\r\nCookie: {cookie}"), b"")), "200");
    server.stop();
    let again = Process::start(&dir.path().join("data"), &[], &[("EIGENSCOPE_TOKEN", "sesame")]);
    // Cookies are named by port, which is another one now.
    let value = cookie.split_once('=').expect("a pair").1;
    let port = again.authority.split(':').nth(1).expect("a port");
    let kept = format!("GET /api/v1/jobs HTTP/1.1\r\nCookie: eigenscope_{port}={value}");
    assert_eq!(status(&again.ask(&kept, b"")), "200", "a login outlives a restart with the same token");
    again.stop();
}

#[test]
fn no_log_tells_the_token_at_any_level() {
    let dir = tempfile::tempdir().expect("a folder");
    for format in ["text", "json"] {
        let data = dir.path().join(format);
        let server = Process::start(&data, &["--log-format", format], &[("EIGENSCOPE_TOKEN", STRONG), ("RUST_LOG", "trace")]);
        let cookie = log_in(&server, STRONG);
        let session = cookie.split_once('=').expect("a pair").1.to_owned();
        let bearer = format!("Authorization: Bearer {STRONG}");
        let array = npy(6, 4, 1);
        let stored =
            server.ask(&format!("POST /api/v1/datasets?name=X.npy HTTP/1.1\r\n{bearer}\r\nContent-Length: {}", array.len()), &array);
        let id = stored.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no dataset: {stored}"));
        let request = crate::support::dims_request(id).to_string();
        let post = |more: &str, body: &str| {
            server.ask(&format!("POST /api/v1/jobs HTTP/1.1\r\n{more}\r\nContent-Length: {}", body.len()), body.as_bytes())
        };
        assert_eq!(status(&post(&format!("Cookie: {cookie}"), &request)), "201");
        assert_eq!(status(&post(&bearer, "{")), "400");
        for (head, expected) in [
            (format!("GET /nowhere HTTP/1.1\r\n{bearer}"), "404"),
            (format!("GET /api/v1/jobs?token={STRONG} HTTP/1.1"), "401"),
            (format!("GET /?a=b&token={STRONG}x HTTP/1.1"), "401"),
            (format!("GET /api/v1/jobs/0 HTTP/1.1\r\n{bearer}\r\nOrigin: http://{STRONG}.example"), "403"),
            (format!("BREW /api/v1/jobs HTTP/1.1\r\n{bearer}"), "405"),
            (format!("GET /api/v1/devices HTTP/1.1\r\n{bearer}"), "200"),
            (format!("GET /metrics HTTP/1.1\r\n{bearer}"), "200"),
            (format!("GET /api/v1/jobs HTTP/9.9\r\n{bearer}"), "505"),
        ] {
            let answer = server.ask(&head, b"");
            assert!(status(&answer) == expected || expected == "505", "{head}: {answer}");
        }
        let (ended, log) = server.stop();
        assert_eq!(ended.code(), Some(0), "{log}");
        assert!(log.contains("/api/v1/jobs") && log.contains("a wrong token") && log.contains("dataset stored"), "it is a log: {log}");
        for secret in [STRONG, &session] {
            let line = log.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "the log has a secret");
        }
    }
}

#[test]
fn a_token_in_a_file_is_taken_and_not_printed() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{STRONG}\n")).expect("written");
    let path = file.to_str().expect("UTF-8");
    let server = Process::start(&dir.path().join("data"), &["--token-file", path], &[]);
    assert_eq!(server.url, format!("http://{}/", server.authority));
    assert_eq!(status(&server.ask(&with(STRONG), b"")), "200");
    server.stop();
    crate::support::refuse(dir.path(), "serve --token-file nowhere", "nowhere cannot be read");
    crate::support::refuse(dir.path(), "serve --token-file token --token a", "not both");
    std::fs::write(&file, "two words").expect("written");
    crate::support::refuse(dir.path(), "serve --token-file token", "letters, digits");
}
