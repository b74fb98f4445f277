//! Slow and greedy clients: each connection ends, each answer is bounded.

use std::time::Duration;

use eigenscope_server::server::Patience;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::listening::Listening;
use crate::support::npy;

/// Far more than any patience here; a connection that is still open then hangs.
const HANGS: Duration = Duration::from_secs(20);

async fn impatient() -> Listening {
    let ms = Duration::from_millis;
    Listening::start(|config| config.patience = Patience { head: ms(400), body: ms(400), answer: ms(400), stop: ms(2000) }).await
}

/// What a connection answers until it ends; a reset ends it too.
async fn rest(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = async {
        let mut chunk = [0; 1 << 16];
        while let Ok(n @ 1..) = socket.read(&mut chunk).await {
            answer.extend_from_slice(&chunk[..n]);
        }
    };
    timeout(HANGS, read).await.expect("the server ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn open(server: &Listening, sent: &str) -> TcpStream {
    let mut socket = TcpStream::connect(&server.authority).await.expect("it listens");
    socket.write_all(sent.as_bytes()).await.expect("sent");
    socket
}

#[tokio::test]
async fn clients_that_send_nothing_are_left() {
    let server = impatient().await;
    let health = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.authority);
    for sent in ["", "GET /healthz HTTP/1.1\r\nHost: a", health.as_str()] {
        let mut socket = open(&server, sent).await;
        let answer = rest(&mut socket).await;
        assert_eq!(answer.contains("200 OK"), sent == health, "{sent:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    let server = impatient().await;
    let mut socket = open(&server, "GET /healthz HTTP/1.1\r\n").await;
    let started = Instant::now();
    while socket.write_all(b"X-Slow: 1\r\n").await.is_ok() {
        assert!(started.elapsed() < HANGS, "a header a tick keeps the connection open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_or_stops_is_answered_408() {
    let server = impatient().await;
    for path in ["/api/v1/jobs", "/api/v1/datasets?name=X.npy"] {
        let head = server.head(&format!("POST {path}"), "Content-Length: 100000\r\n");
        let mut silent = open(&server, &head).await;
        let answer = rest(&mut silent).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("less than 1 KiB a second"), "{path}: {answer}");
        let (mut reading, mut writing) = open(&server, &head).await.into_split();
        let trickle = tokio::spawn(async move {
            while writing.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut answer = [0; 12];
        timeout(HANGS, reading.read_exact(&mut answer)).await.expect("an answer").expect("a status");
        assert_eq!(&answer, b"HTTP/1.1 408", "{path}");
        trickle.abort();
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_left() {
    let server = impatient().await;
    // More than the buffers of both sockets take.
    let array = npy(1 << 12, 1 << 11, 1);
    let mut socket = open(&server, &server.head("POST /api/v1/datasets?name=X.npy", &format!("Content-Length: {}\r\n", array.len()))).await;
    socket.write_all(&array).await.expect("sent");
    let answer = rest(&mut socket).await;
    let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no dataset: {answer}"));
    let mut sleeper = open(&server, &server.head(&format!("GET /api/v1/datasets/{id}/bytes"), "")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let got = rest(&mut sleeper).await.len();
    assert!(got < array.len(), "the download was broken off, but all {got} bytes came");
    server.stop().await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = impatient().await;
    let many = "A: b\r\n".repeat(100);
    let large = format!("A: {}\r\n", "b".repeat(40 << 10));
    for (line, more, status) in [
        ("GET /healthz".to_owned(), many.as_str(), "431"),
        ("GET /healthz".to_owned(), large.as_str(), "431"),
        (format!("GET /{}", "a".repeat(40 << 10)), "", "4"),
        ("GET /healthz".to_owned(), "A\x01: b\r\n", "400"),
        ("POST /api/v1/jobs".to_owned(), "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "4"),
        ("POST /api/v1/jobs".to_owned(), "Content-Length: 5\r\nContent-Length: 6\r\n", "400"),
    ] {
        let mut socket = open(&server, &server.head(&line, more)).await;
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{} with {} bytes: {answer}", &line[..12], more.len());
    }
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_on_every_route() {
    let server = impatient().await;
    let declared = "Content-Length: 5000000\r\n";
    let mut socket = open(&server, &server.head("POST /api/v1/jobs", declared)).await;
    // The answer may come, and the connection end, before all of it is sent.
    socket.write_all(&vec![b' '; 5_000_000]).await.ok();
    let answer = rest(&mut socket).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
    let too_much = "Content-Length: 99999999999999\r\n";
    let mut socket = open(&server, &server.head("POST /api/v1/datasets?name=X.npy", too_much)).await;
    assert!(rest(&mut socket).await.starts_with("HTTP/1.1 413"), "an upload says before its first byte that it is too large");
    for line in [
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /api/v1/jobs",
        "DELETE /api/v1/jobs/0",
        "POST /api/v1/jobs/0/cancel",
        "GET /api/v1/datasets",
        "POST /api/v1/jobs/0/dataset",
        "POST /api/v1/jobs/0/tasks/0/cancel",
        "GET /api/v1/jobs/0/result",
        "PUT /nowhere",
        "GET /",
    ] {
        let mut socket = open(&server, &server.head(line, too_much)).await;
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{line} answers without the body: {answer}");
    }
    server.stop().await;
}
