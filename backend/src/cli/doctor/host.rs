//! The machine: program, memory, port, what browsers need, CUDA, Slurm.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use eigenscope::error::bytes;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Finding, Level};
use crate::{machine, server};

/// Memory below which even small analyses of real data fail.
const MIN_MEMORY_BYTES: u64 = 2 << 30;

pub(super) fn program() -> Finding {
    let features = machine::features();
    let features = if features.is_empty() { "no features".to_owned() } else { format!("features {}", features.join(", ")) };
    Finding::ok("program", format!("eigenscope {}, {features}", env!("CARGO_PKG_VERSION")))
}

pub(super) fn page() -> Finding {
    if server::has_page() {
        return Finding::ok("page", "it is in this program");
    }
    let advice = "to serve the page, build with `cargo xtask serve`, or name its folder with --site; the interface works without it";
    Finding::new("page", Level::Note, "this program was built without its page", advice)
}

pub(super) fn memory() -> Finding {
    match machine::memory_bytes() {
        None => Finding::new(
            "memory",
            Level::Note,
            "the system does not tell how much there is",
            "jobs that are too large will not be refused early",
        ),
        Some(memory) if memory < MIN_MEMORY_BYTES => {
            let advice = format!("give the machine or its container {} or more", bytes(MIN_MEMORY_BYTES));
            Finding::new("memory", Level::Warning, format!("{} may be used", bytes(memory)), advice)
        }
        Some(memory) => Finding::ok("memory", format!("{} may be used", bytes(memory))),
    }
}

pub(super) fn port(host: &str, port: u16, is_served: bool) -> Finding {
    let place = format!("{host}:{port}");
    match TcpListener::bind((host, port)) {
        Ok(_) => Finding::ok("port", format!("{place} is free")),
        Err(e) if e.kind() == ErrorKind::AddrInUse && is_served => {
            Finding::ok("port", format!("{place} is taken, and a server runs on the data folder"))
        }
        Err(e) => {
            let advice = match e.kind() {
                ErrorKind::AddrInUse => "stop the program that listens there, or choose another --port",
                ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a --port above",
                _ => "choose a --host that is an address of this machine, or 0.0.0.0 for all of them",
            };
            Finding::new("port", Level::Error, format!("{place} cannot be listened on: {e}"), advice)
        }
    }
}

pub(super) fn browser(host: &str) -> Finding {
    let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_local {
        let found = "a page from this machine may use WebGPU; from another one go through `ssh -L 8080:localhost:8080 HOST`";
        return Finding::ok("browser", found);
    }
    let advice = "start the server with --tls, or with --tls-cert and --tls-key; over http a page computes on its CPU";
    Finding::new("browser", Level::Warning, format!("browsers use WebGPU on https or localhost only, and {host} is not local"), advice)
}

/// What a program with CUDA needs; what a program without it misses.
pub(super) fn cuda() -> Vec<Finding> {
    let has_gpu = Path::new("/dev/nvidiactl").exists() || Path::new("/proc/driver/nvidia/version").exists();
    let (library, device_code) = (driver_library(), device_code());
    if !cfg!(feature = "cuda") {
        return Vec::from_iter(has_gpu.then(|| {
            let advice = "build with `cargo build --release -p eigenscope-server --features cuda`";
            Finding::new("cuda", Level::Warning, "an NVIDIA GPU is here, but this program was built without CUDA", advice)
        }));
    }
    let library = match &library {
        Some(path) => Finding::ok("libcuda", path.display().to_string()),
        None if has_gpu => {
            let advice = "install the driver's libcuda.so.1 (Debian's libcuda1), or mount it into the container";
            Finding::new("libcuda", Level::Error, "an NVIDIA GPU is here, but not its library", advice)
        }
        None => Finding::new("libcuda", Level::Note, "no NVIDIA driver is here", "nothing to do without an NVIDIA GPU"),
    };
    let needs_code = library.level == Level::Ok;
    let device_code = match device_code {
        Some(path) => Finding::ok("libdevice", path.display().to_string()),
        None => {
            let level = if needs_code { Level::Error } else { Level::Note };
            let advice = "install a CUDA toolkit, or set CUDA_PATH to the folder that has nvvm/libdevice/libdevice.10.bc";
            Finding::new("libdevice", level, "libdevice.10.bc was not found", advice)
        }
    };
    vec![library, device_code]
}

fn driver_library() -> Option<PathBuf> {
    let listed = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/cuda/compat", "/usr/lib/wsl/lib"];
    let folders = std::env::split_paths(&listed).chain(usual.map(PathBuf::from));
    folders.flat_map(|folder| ["libcuda.so.1", "libcuda.so"].map(|name| folder.join(name))).find(|file| file.exists())
}

fn device_code() -> Option<PathBuf> {
    let named = std::env::var_os("CUDA_PATH").filter(|v| !v.is_empty()).map(PathBuf::from);
    // Where CubeCL looks as well.
    let usual = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"].map(PathBuf::from);
    let folders = named.map_or_else(|| usual.to_vec(), |named| vec![named]).into_iter();
    folders.map(|folder| folder.join("nvvm/libdevice/libdevice.10.bc")).find(|file| file.exists())
}

/// The commands of Slurm.
pub(super) async fn slurm() -> Finding {
    let (there, missing): (Vec<_>, Vec<_>) = ["sbatch", "squeue", "scancel"].into_iter().partition(|name| in_path(name));
    if there.is_empty() {
        return Finding::new(
            "slurm",
            Level::Note,
            "its commands are not here",
            "nothing to do unless jobs shall run on a cluster (--executor slurm)",
        );
    }
    if !missing.is_empty() {
        let advice = "install the rest of Slurm's client commands for --executor slurm";
        return Finding::new("slurm", Level::Warning, format!("{} is missing beside {}", missing.join(", "), there.join(", ")), advice);
    }
    let mut command = Command::new("squeue");
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    match timeout(Duration::from_secs(10), command.output()).await {
        Ok(Ok(output)) if output.status.success() => Finding::ok("slurm", String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        _ => Finding::new(
            "slurm",
            Level::Warning,
            "squeue does not answer",
            "see `squeue --version`: its configuration or controller is not reachable",
        ),
    }
}

fn in_path(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_an_error_unless_the_server_has_it() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let number = taken.local_addr().expect("its address").port();
        assert_eq!(port("127.0.0.1", number, false).level, Level::Error);
        assert_eq!(port("127.0.0.1", number, true).level, Level::Ok);
        drop(taken);
        assert_eq!(port("127.0.0.1", number, false).level, Level::Ok);
        assert_eq!(port("192.0.2.1", 8080, false).level, Level::Error, "an address of another machine");
    }

    #[test]
    fn browsers_need_https_or_this_machine() {
        for (host, level) in [("127.0.0.1", Level::Ok), ("::1", Level::Ok), ("localhost", Level::Ok), ("0.0.0.0", Level::Warning)] {
            assert_eq!(browser(host).level, level, "{host}");
        }
    }
}
