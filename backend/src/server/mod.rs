//! The HTTP server: page and interface behind one guard.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::middleware;
use tokio::sync::{Semaphore, watch};

use crate::jobs::child::Program;
use crate::jobs::executor::Executor;
use crate::jobs::local::Local;
use crate::jobs::queue::Workers;
use crate::jobs::slurm::{Profile, Slurm};
use crate::store::{Beside, Store, StoreError};
use crate::{ids, machine};

mod attachment;
mod auth;
mod body;
mod failure;
mod guard;
mod guesses;
mod intake;
mod limits;
mod listen;
mod metrics;
mod openapi;
mod process;
mod ready;
mod routes;
mod sessions;
mod site;
mod tls;
mod token;
mod tus;

use auth::{Auth, Hosts};
use guesses::Guesses;
pub use limits::Patience;
pub use listen::{Server, serve};
use metrics::Metrics;
pub use openapi::document as openapi_document;
pub use ready::MIN_FREE_BYTES;
use ready::Readiness;
use sessions::Sessions;
use site::Site;
pub use site::has_page;
pub use tls::TlsSource;
pub use token::Token;

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
    /// What the store has beside its folder.
    pub beside: Beside,
    /// Speak https with this certificate.
    pub tls: Option<TlsSource>,
    /// The token; a random one when absent.
    pub token: Option<Token>,
    /// Whether the printed address has the token in it.
    pub print_token: bool,
    /// Wrong tokens that an address may try in a minute.
    pub guesses_per_minute: usize,
    /// How long to wait for slow clients.
    pub patience: Patience,
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
            beside: Beside::default(),
            tls: None,
            token: None,
            print_token: true,
            guesses_per_minute: 10,
            patience: Patience::default(),
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
    guesses: Guesses,
    metrics: Metrics,
    readiness: Readiness,
    site: Site,
    store: Store,
    workers: Workers,
    program: Program,
    sessions: Sessions,
    /// Files that are looked into at once: each may be in memory meanwhile.
    inspecting: Semaphore,
    stopping: watch::Sender<bool>,
}

impl App {
    /// Opens the store, starts the workers and goes on with unfinished jobs.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        LazyLock::force(&process::STARTED);
        let token = match &config.token {
            Some(token) => token.clone(),
            None => ids::random_hex().map_err(|e| StartError::Internal(e.to_string()))?.into(),
        };
        let (root, beside) = (config.data_dir.clone(), config.beside.clone());
        let store = tokio::task::spawn_blocking(move || Store::open(&root, &beside)).await.map_err(StoreError::from)??;
        store.reach_objects().await?;
        let program = Program::new(config.task_exe.clone(), config.task_env.clone());
        let executor = match &config.slurm {
            None => Executor::Local(Local::new(program.clone(), config.workers)),
            Some(profile) => Executor::Slurm(Box::new(Slurm::new(profile.clone(), program.clone()))),
        };
        let workers = Workers::start(store.clone(), program.clone(), executor, config.workers, config.task_flops).await?;
        let session_key = session_key(&config.data_dir).map_err(StoreError::from)?;
        let auth = Auth::new(token, &session_key, Hosts::of(&config), config.port);
        let guesses = Guesses::new(config.guesses_per_minute);
        let site = config.site.clone().map_or_else(Site::embedded, Site::folder);
        let (stopping, _) = watch::channel(false);
        tokio::spawn(remove_old_uploads(store.clone(), stopping.subscribe()));
        Ok(Self(Arc::new(Inner {
            config,
            auth,
            guesses,
            metrics: Metrics::default(),
            readiness: Readiness::default(),
            site,
            store,
            workers,
            program,
            sessions: Sessions::default(),
            inspecting: Semaphore::new(2),
            stopping,
        })))
    }

    /// All routes behind the guard.
    pub fn router(&self) -> Router {
        routes::router().layer(middleware::from_fn_with_state(self.clone(), guard::guard)).with_state(self.clone())
    }

    /// The address of the page, with the token unless somebody keeps it in a file.
    #[must_use]
    pub fn url(&self) -> String {
        let query = if self.0.config.print_token { format!("?token={}", self.0.auth.token().expose()) } else { String::new() };
        format!("{}{query}", self.address())
    }

    /// The address of the page.
    fn address(&self) -> String {
        let host = match self.0.config.host.as_str() {
            "0.0.0.0" | "::" => "127.0.0.1",
            host => host,
        };
        let scheme = if self.0.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/", authority(host, self.0.config.port))
    }

    /// Ends event streams, stops processes and queues their jobs again.
    pub async fn stop(&self) {
        self.0.stopping.send_replace(true);
        self.0.workers.stop().await;
    }
}

/// Removes uploads that nobody goes on with, at start and every hour.
async fn remove_old_uploads(store: Store, mut stopping: watch::Receiver<bool>) {
    loop {
        if let Err(error) = store.remove_old_uploads(ids::now_ms()).await {
            tracing::warn!(%error, "old uploads could not be removed");
        }
        if let Err(error) = store.tend_objects().await {
            tracing::warn!(%error, "the object store could not be tended");
        }
        let hour = tokio::time::sleep(std::time::Duration::from_secs(3600));
        tokio::select! {
            () = hour => {}
            _ = stopping.wait_for(|&stop| stop) => return,
        }
    }
}

/// `host:port`, brackets around IPv6.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The key of the cookies of a data folder, made once: who is logged in stays so when the server starts again with the same token.
fn session_key(folder: &std::path::Path) -> std::io::Result<[u8; 32]> {
    let file = folder.join("session-key");
    if let Ok(kept) = std::fs::read(&file)
        && let Ok(key) = <[u8; 32]>::try_from(kept.as_slice())
    {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|e| std::io::Error::other(format!("no randomness from the operating system: {e}")))?;
    tls::write_private(&file, &key)?;
    Ok(key)
}
