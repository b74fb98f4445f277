//! https, spoken by a real client.

use std::sync::Arc;
use std::time::Duration;

use eigenscope_server::server::{Patience, TlsSource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::listening::{Listening, Process};
use crate::support::TOKEN;

const HANGS: Duration = Duration::from_secs(20);

/// A client that trusts one certificate.
fn client(certificate: Option<CertificateDer<'static>>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    if let Some(certificate) = certificate {
        roots.add(certificate).expect("a certificate");
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    TlsConnector::from(Arc::new(builder.expect("versions").with_root_certificates(roots).with_no_client_auth()))
}

fn certificate(server: &Listening) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(server.dir.path().join("data/tls/certificate.pem")).expect("it is kept in the data folder")
}

async fn ask(server: &Listening, name: &str, request: &str) -> std::io::Result<String> {
    let socket = TcpStream::connect(&server.authority).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut stream = client(Some(certificate(server))).connect(name, socket).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_client_that_knows_the_certificate_speaks_https() {
    let server = Listening::start(|config| config.tls = Some(TlsSource::Generated)).await;
    let end = "Connection: close\r\n";
    for name in ["localhost", "127.0.0.1"] {
        let answer = ask(&server, name, &server.head("GET /api/v1/jobs", end)).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("[]"), "{answer}");
        assert!(!answer.to_lowercase().contains("strict-transport-security"), "other ports of this host may speak http");
    }
    let login = ask(&server, "localhost", &server.head(&format!("GET /?token={TOKEN}"), end)).await.expect("an answer");
    assert!(login.starts_with("HTTP/1.1 303") && login.contains("; Secure"), "{login}");
    for (scheme, status) in [("https", "200"), ("http", "403")] {
        let origin = format!("Origin: {scheme}://{}\r\n{end}", server.authority);
        let answer = ask(&server, "localhost", &server.head("GET /api/v1/jobs", &origin)).await.expect("an answer");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "from {scheme}: {answer}");
    }
    assert!(ask(&server, "other.example", "").await.is_err(), "it is not that server's certificate");
    let socket = TcpStream::connect(&server.authority).await.expect("it listens");
    let stranger = client(None).connect(ServerName::try_from("localhost").expect("a name"), socket).await;
    assert!(stranger.is_err(), "a client that does not know the certificate refuses it");
    server.stop().await;
}

#[tokio::test]
async fn http_on_the_port_for_https_ends_with_a_sentence() {
    let patience = Patience { head: Duration::from_millis(500), ..Patience::default() };
    let server = Listening::start(|config| (config.tls, config.patience) = (Some(TlsSource::Generated), patience)).await;
    for (sent, said) in [(server.head("GET /", ""), "HTTP/1.1 400"), ("x".into(), "https://"), (String::new(), ""), ("\x16\x03".into(), "")]
    {
        let mut socket = TcpStream::connect(&server.authority).await.expect("it listens");
        socket.write_all(sent.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        timeout(HANGS, socket.read_to_end(&mut answer)).await.expect("the connection ends").ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains(said) && !answer.contains(TOKEN), "{sent:?}: {answer}");
        assert!(said.is_empty() == answer.is_empty(), "{sent:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn files_of_a_certificate_are_served_and_the_address_is_told() {
    let maker = Listening::start(|config| config.tls = Some(TlsSource::Generated)).await;
    let fingerprint = maker.fingerprint.clone().expect("it has one");
    let data = maker.dir.path().join("other");
    let (chain, key) = (maker.dir.path().join("data/tls/certificate.pem"), maker.dir.path().join("data/tls/key.pem"));
    let args = ["--tls-cert", chain.to_str().expect("UTF-8"), "--tls-key", key.to_str().expect("UTF-8"), "--token", TOKEN];
    let mut process = Process::start(&data, &args, &[]);
    assert_eq!(process.url, format!("https://{}/?token={TOKEN}", process.authority));
    let line = process.line();
    assert!(line.trim().ends_with(&fingerprint), "{line}");
    assert!(!data.join("tls").exists(), "no certificate is made where one is given");
    let (status, log) = process.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    maker.stop().await;
}
