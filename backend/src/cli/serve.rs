//! `eigenscope serve`.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::Failure;
use super::args::{ExecutorArg, ServeArgs};
use crate::jobs::slurm::Profile;
use crate::server::{self, Config};

/// Jobs that are on a cluster at the same time: what runs when is for the cluster to decide.
const SLURM_JOBS: usize = 32;

/// Starts the server and waits until it is told to stop.
pub(super) fn serve(args: &ServeArgs) -> Result<(), Failure> {
    let config = config(args)?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(server::serve(config)).map_err(|e| match e {
        server::StartError::Usage(message) => Failure::usage(message),
        server::StartError::Internal(message) => Failure::internal(message),
    })
}

fn config(args: &ServeArgs) -> Result<Config, Failure> {
    let slurm = match (args.executor, &args.slurm_profile) {
        (ExecutorArg::Local, None) => None,
        (ExecutorArg::Local, Some(_)) => return Err(Failure::usage("--slurm-profile goes with --executor slurm")),
        (ExecutorArg::Slurm, None) => Some(Profile::default()),
        (ExecutorArg::Slurm, Some(path)) => Some(Profile::read(path).map_err(Failure::usage)?),
    };
    let workers = args.workers.map_or(if slurm.is_some() { SLURM_JOBS } else { 1 }, usize::from);
    if let Some(token) = &args.token
        && (token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)))
    {
        return Err(Failure::usage("--token must be one or more letters, digits and -_.~ so that it fits into an address"));
    }
    let data_dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => default_data_dir().ok_or_else(|| Failure::usage("neither XDG_DATA_HOME nor HOME is set; give --data-dir"))?,
    };
    if let Some(site) = &args.site
        && !site.is_dir()
    {
        return Err(Failure::usage(format!("--site {} is not a folder", site.display())));
    }
    Ok(Config {
        host: args.host.clone(),
        port: args.port,
        allow_hosts: args.allow_host.clone(),
        token: args.token.clone(),
        workers,
        slurm,
        max_upload_bytes: args.max_upload,
        site: args.site.clone(),
        ..Config::new(data_dir, std::env::current_exe()?)
    })
}

/// `$XDG_DATA_HOME/eigenscope` or `~/.local/share/eigenscope`.
fn default_data_dir() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(base.join("eigenscope"))
}
