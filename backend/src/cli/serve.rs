//! `eigenscope serve`.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::jobs::slurm::Profile;
use crate::server::{self, Config, TlsSource, Token};
use crate::store::Beside;

/// Threads for the disk and the database, of which there is one connection: more of them would wait for each other, each with its memory.
const MAX_BLOCKING_THREADS: usize = 64;
/// Jobs that are on a cluster at the same time: what runs when is for the cluster to decide.
const SLURM_JOBS: usize = 32;

/// Options of `serve`.
#[derive(Debug, Clone, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 lets the system choose.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// A further host name under which browsers reach this server (HOST or HOST:PORT); repeat for more.
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// Folder for datasets, jobs and results. Default: eigenscope in the user's data folder.
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
    /// A folder whose files can be registered and read in place, without copying; repeat for more.
    #[arg(long, value_name = "DIR")]
    pub root: Vec<PathBuf>,
    /// Keep the bytes of datasets and results in an object store (s3://BUCKET/PREFIX; credentials from `AWS_…` variables); the data folder has
    /// a cache of them.
    #[arg(long, value_name = "URL")]
    pub blobs: Option<String>,
    /// Largest cache of an object store in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 30)]
    pub blob_cache: u64,
    /// What runs the jobs: this machine, or a Slurm cluster.
    #[arg(long, value_enum, default_value_t = ExecutorArg::Local)]
    pub executor: ExecutorArg,
    /// What the Slurm cluster wants to be told: a TOML file (docs/slurm.toml has every option).
    #[arg(long, value_name = "FILE")]
    pub slurm_profile: Option<PathBuf>,
    /// The token that requests must carry. Default: a new random one. Other users of the machine see it in the list of processes, and one
    /// of less than 22 characters can be guessed: for a server that others reach, prefer --token-file.
    #[arg(long, value_name = "T", env = "EIGENSCOPE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// A file with the token; then the printed address does not tell it.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Speak https with a certificate that is made once and kept in the data folder; its fingerprint is printed.
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub tls: bool,
    /// Speak https with this certificate: its chain in PEM, the server's own first.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// How the log on stderr is written: text, or json with one object a line. RUST_LOG says how much (info, debug, …).
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Processes that run at the same time, shared fairly between jobs; with Slurm, jobs at the same time. Default: 1; with Slurm 32.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Largest upload in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 30)]
    pub max_upload: u64,
    /// Serve the page from this folder instead of the built-in one.
    #[arg(long, value_name = "DIR")]
    pub site: Option<PathBuf>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What runs jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExecutorArg {
    /// This machine.
    Local,
    /// A Slurm cluster.
    Slurm,
}

/// Starts the server and waits until it is told to stop.
pub(super) fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let config = config(args)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    match args.log_format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(MAX_BLOCKING_THREADS).build()?;
    runtime.block_on(server::serve(config)).map_err(|e| match e {
        server::StartError::Usage(message) => Failure::usage(message),
        server::StartError::Internal(message) => Failure::internal(message),
    })
}

fn config(args: &ServeArgs) -> Result<Config, Failure> {
    let (token, print_token) = token(args)?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsSource::Files { certificate: certificate.clone(), key: key.clone() }),
        _ => args.tls.then_some(TlsSource::Generated),
    };
    let slurm = match (args.executor, &args.slurm_profile) {
        (ExecutorArg::Local, None) => None,
        (ExecutorArg::Local, Some(_)) => return Err(Failure::usage("--slurm-profile goes with --executor slurm")),
        (ExecutorArg::Slurm, None) => Some(Profile::default()),
        (ExecutorArg::Slurm, Some(path)) => Some(Profile::read(path).map_err(Failure::usage)?),
    };
    let workers = args.workers.map_or(if slurm.is_some() { SLURM_JOBS } else { 1 }, usize::from);
    let data_dir = data_dir(args.data_dir.as_deref())?;
    if let Some(site) = &args.site
        && !site.is_dir()
    {
        return Err(Failure::usage(format!("--site {} is not a folder", site.display())));
    }
    Ok(Config {
        host: args.host.clone(),
        port: args.port,
        allow_hosts: args.allow_host.clone(),
        beside: Beside { roots: args.root.clone(), blobs: args.blobs.clone(), cache_bytes: args.blob_cache },
        tls,
        token,
        print_token,
        workers,
        slurm,
        max_upload_bytes: args.max_upload,
        site: args.site.clone(),
        ..Config::new(data_dir, std::env::current_exe()?)
    })
}

/// The token, if one was given, and whether the printed address has it: where it is kept in a file, the printed address often goes to a log.
fn token(args: &ServeArgs) -> Result<(Option<Token>, bool), Failure> {
    let (token, from) = match (&args.token, &args.token_file) {
        (None, None) => return Ok((None, true)),
        (Some(_), Some(_)) => return Err(Failure::usage("give either --token-file or a token by --token or EIGENSCOPE_TOKEN, not both")),
        (Some(token), None) => (Token::from(token.as_str()), "--token"),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|e| Failure::usage(format!("--token-file {} cannot be read: {e}; put the token alone into it", file.display())))?;
            (Token::from(text.trim()), "the token of --token-file")
        }
    };
    if !token.is_plain() {
        return Err(Failure::usage(format!("{from} must be one or more letters, digits and -_.~ so that it fits into an address")));
    }
    Ok((Some(token), args.token_file.is_none()))
}

/// The folder that was given, or the user's.
pub(super) fn data_dir(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let chosen = given.map(Path::to_path_buf).or_else(default_data_dir);
    chosen.ok_or_else(|| Failure::usage("neither XDG_DATA_HOME nor HOME is set; give --data-dir"))
}

/// `$XDG_DATA_HOME/eigenscope` or `~/.local/share/eigenscope`.
fn default_data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(base.join("eigenscope"))
}
