//! The HTTP server: page and interface behind one guard.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::jobs::child::Program;
use crate::jobs::executor::Executor;
use crate::jobs::local::Local;
use crate::jobs::queue::Workers;
use crate::jobs::slurm::{Profile, Slurm};
use crate::store::{Store, StoreError};
use crate::{ids, machine};

mod auth;
mod body;
mod failure;
mod guard;
mod openapi;
mod routes;
mod site;

use auth::{Auth, Hosts};
pub use openapi::document as openapi_document;
use site::Site;

/// How a server is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub host: String,
    /// Port; part of the Host header that is accepted.
    pub port: u16,
    /// Further names under which browsers reach the server: `name` or `name:port`.
    pub allow_hosts: Vec<String>,
    /// Folder of the store.
    pub data_dir: PathBuf,
    /// The token; a random one when absent.
    pub token: Option<String>,
    /// Processes at the same time; jobs at the same time where a cluster runs them.
    pub workers: usize,
    /// The cluster that runs jobs; absent: this machine.
    pub slurm: Option<Profile>,
    /// Jobs that may wait.
    pub queue_limit: u32,
    /// Largest upload.
    pub max_upload_bytes: u64,
    /// Memory that a job may need; `None`: anything.
    pub memory_bytes: Option<u64>,
    /// Serve the page from this folder.
    pub site: Option<PathBuf>,
    /// The program that runs tasks, this one.
    pub task_exe: PathBuf,
    /// Environment variables of tasks, besides the server's own.
    pub task_env: Vec<(String, String)>,
    /// Arithmetic of a task, about: longer runs are divided.
    pub task_flops: f64,
}

impl Config {
    /// The defaults with a data folder and the program that runs tasks.
    #[must_use]
    pub fn new(data_dir: PathBuf, task_exe: PathBuf) -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8080,
            allow_hosts: Vec::new(),
            data_dir,
            token: None,
            workers: 1,
            slurm: None,
            queue_limit: 256,
            max_upload_bytes: 8 << 30,
            memory_bytes: machine::memory_bytes(),
            site: None,
            task_exe,
            task_env: Vec::new(),
            task_flops: eigenscope::tasks::TASK_FLOPS,
        }
    }
}

/// Why a server did not start or ended early.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port, folder or host is not usable.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unusable(message) => Self::Usage(message),
            StoreError::Io(e) => Self::Usage(format!("the data folder cannot be used: {e}")),
            other => Self::Internal(other.to_string()),
        }
    }
}

/// A running server without its socket.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    auth: Auth,
    site: Site,
    store: Store,
    workers: Workers,
    program: Program,
    /// Uploads are inspected one after the other: each is in memory meanwhile.
    inspecting: Semaphore,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Opens the store, starts the workers and goes on with unfinished jobs.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let token = match &config.token {
            Some(token) => token.clone(),
            None => ids::random_hex().map_err(|e| StartError::Internal(e.to_string()))?,
        };
        let root = config.data_dir.clone();
        let store = tokio::task::spawn_blocking(move || Store::open(&root)).await.map_err(StoreError::from)??;
        let program = Program::new(config.task_exe.clone(), config.task_env.clone());
        let executor = match &config.slurm {
            None => Executor::Local(Local::new(program.clone(), config.workers)),
            Some(profile) => Executor::Slurm(Box::new(Slurm::new(profile.clone(), program.clone()))),
        };
        let workers = Workers::start(store.clone(), program.clone(), executor, config.workers, config.task_flops).await?;
        let auth = Auth::new(token, Hosts::of(&config), config.port);
        let site = config.site.clone().map_or_else(Site::embedded, Site::folder);
        let (stopping, _) = watch::channel(false);
        let inspecting = Semaphore::new(1);
        Ok(Self(Arc::new(Inner { config, auth, site, store, workers, program, inspecting, stopping })))
    }

    /// All routes behind the guard.
    pub fn router(&self) -> Router {
        routes::router().layer(middleware::from_fn_with_state(self.clone(), guard::guard)).with_state(self.clone())
    }

    /// The address of the page, with the token.
    #[must_use]
    pub fn url(&self) -> String {
        let host = match self.0.config.host.as_str() {
            "0.0.0.0" | "::" => "127.0.0.1",
            host => host,
        };
        format!("http://{}/?token={}", authority(host, self.0.config.port), self.0.auth.token())
    }

    /// Ends event streams, stops processes and queues their jobs again.
    pub async fn stop(&self) {
        self.0.stopping.send_replace(true);
        self.0.workers.stop().await;
    }
}

/// `host:port`, brackets around IPv6.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Listens until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`StartError`].
pub async fn serve(mut config: Config) -> Result<(), StartError> {
    let place = (config.host.clone(), config.port);
    let cannot = |e: std::io::Error| {
        StartError::Usage(format!("{}:{} cannot be listened on: {e}; choose another --host or --port", place.0, place.1))
    };
    let listener = TcpListener::bind((place.0.as_str(), place.1)).await.map_err(cannot)?;
    config.port = listener.local_addr().map_err(cannot)?.port();
    let app = App::start(config).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", app.url()).and_then(|()| stdout.flush()).map_err(|e| StartError::Internal(e.to_string()))?;
    tracing::info!(port = app.0.config.port, data_dir = %app.0.config.data_dir.display(), "listening");
    let stopper = app.clone();
    let served = axum::serve(listener, app.router()).with_graceful_shutdown(async move {
        interrupted().await;
        tracing::info!("stopping");
        stopper.stop().await;
    });
    // A download to a sleeping client must not keep a stopped server alive.
    let mut stopping = app.0.stopping.subscribe();
    let patience = async move {
        stopping.wait_for(|&stop| stop).await.ok();
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    };
    tokio::select! {
        outcome = served => outcome.map_err(|e| StartError::Internal(e.to_string()))?,
        () = patience => {}
    }
    app.stop().await;
    Ok(())
}

async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    tokio::signal::ctrl_c().await.ok();
}
