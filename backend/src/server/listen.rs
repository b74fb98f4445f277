//! The socket: connections in, with limits; and the orderly end.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt;

use super::guard::Peer;
use super::limits::{Impatient, Patience};
use super::tls::{self, Tls};
use super::{App, Config, StartError};

/// Connections at the same time; further ones wait to be accepted. Most systems give a process 1,024 files, of which some are files.
const MAX_CONNECTIONS: usize = 800;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// Bytes of the head of a request.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    tls: Option<Tls>,
}

/// Listens until Ctrl-C or SIGTERM; prints the address, and the fingerprint of the certificate, on stdout.
///
/// # Errors
/// [`StartError`].
pub async fn serve(config: Config) -> Result<(), StartError> {
    let interrupted = interruption();
    let server = Server::bind(config).await?;
    let mut stdout = std::io::stdout();
    let fingerprint = server.fingerprint().map(|hash| format!("SHA-256 fingerprint of the certificate: {hash}\n")).unwrap_or_default();
    write!(stdout, "{}\n{fingerprint}", server.url()).and_then(|()| stdout.flush()).map_err(|e| StartError::Internal(e.to_string()))?;
    server.run(interrupted).await;
    Ok(())
}

impl Server {
    /// Takes the port and starts everything behind it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        let place = (config.host.clone(), config.port);
        let cannot = |e: std::io::Error| {
            StartError::Usage(format!("{}:{} cannot be listened on: {e}; choose another --host or --port", place.0, place.1))
        };
        let listener = TcpListener::bind((place.0.as_str(), place.1)).await.map_err(cannot)?;
        config.port = listener.local_addr().map_err(cannot)?.port();
        let tls = tls::prepare(&config)?;
        let app = App::start(config).await?;
        let server = Self { app, listener, tls };
        let config = &server.app.0.config;
        tracing::info!(port = config.port, data_dir = %config.data_dir.display(), fingerprint = server.fingerprint(), "listening");
        Ok(server)
    }

    /// The address of the page.
    #[must_use]
    pub fn url(&self) -> String {
        self.app.url()
    }

    /// SHA-256 of the certificate, if the server speaks https.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.fingerprint.as_str())
    }

    /// Serves until `until` is done; then takes no more connections, ends streams, and lets requests that are under way end.
    pub async fn run(self, until: impl Future<Output = ()>) {
        let Self { app, listener, tls } = self;
        let config = &app.0.config;
        let door = Door { router: app.router(), tls: tls.map(Arc::new), patience: config.patience, address: app.address().into() };
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut until = pin!(until);
        loop {
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                () = &mut until => break,
            };
            match accepted {
                Ok((socket, _)) => {
                    let connection = door.clone().serve(socket, graceful.watcher());
                    tokio::spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Mostly that there are no more file descriptors: connections that end give some back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        tracing::info!("stopping");
        drop(listener);
        // A download to a sleeping client must not keep a stopped server alive.
        let (ended, ()) = tokio::join!(timeout(config.patience.stop, graceful.shutdown()), app.stop());
        if ended.is_err() {
            tracing::warn!("some requests did not end in time and are broken off");
        }
        tracing::info!("stopped");
    }
}

/// What a connection needs.
#[derive(Clone)]
struct Door {
    router: Router,
    tls: Option<Arc<Tls>>,
    patience: Patience,
    address: Arc<str>,
}

impl Door {
    async fn serve(self, socket: TcpStream, watcher: Watcher) {
        let Ok(peer) = socket.peer_addr() else { return };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let peer = Peer(peer.ip());
        let Some(tls) = self.tls.clone() else {
            let socket = Impatient::new(socket, self.patience.answer);
            return self.speak_http(socket, peer, watcher).await;
        };
        let mut first = [0];
        match timeout(self.patience.head, socket.peek(&mut first)).await {
            Ok(Ok(1)) if first == [TLS_HANDSHAKE] => {}
            Ok(Ok(1)) => return self.say_https(socket).await,
            _ => return,
        }
        match timeout(self.patience.head, tls.acceptor.accept(Impatient::new(socket, self.patience.answer))).await {
            Ok(Ok(stream)) => self.speak_http(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn speak_http(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer, watcher: Watcher) {
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            self.router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.head)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    /// Tells somebody who speaks http on a port for https what to do.
    async fn say_https(&self, mut socket: TcpStream) {
        let text = format!("This server speaks https: open {}\n", self.address);
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        );
        let said = async {
            // What was not read when a socket closes can take the answer along; how much it was does not matter.
            let mut request = [0; 4096];
            let _n = socket.read(&mut request).await?;
            socket.write_all(answer.as_bytes()).await?;
            socket.shutdown().await
        };
        if let Ok(Err(error)) = timeout(self.patience.head, said).await {
            tracing::debug!(%error, "a client that speaks http on a port for https left");
        }
    }
}

/// Ctrl-C or SIGTERM. Both are listened to from this call on, not from the first wait.
fn interruption() -> impl Future<Output = ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = signal(SignalKind::terminate()).and_then(|terminate| Ok((terminate, signal(SignalKind::interrupt())?)));
        async move {
            match signals {
                Ok((mut terminate, mut interrupt)) => tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                },
                Err(error) => {
                    tracing::error!(%error, "signals cannot be listened to: only kill -9 ends this server");
                    std::future::pending::<()>().await;
                }
            }
        }
    }
    #[cfg(not(unix))]
    async {
        tokio::signal::ctrl_c().await.ok();
    }
}
