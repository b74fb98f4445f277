//! `cargo xtask test`: every check, the cheapest first, each able to fail.

use crate::tools::{Failure, apt_install, cargo, native, run};
use crate::{browser, build_server, python, site, wasm};

/// Largest module that the page opens with, as brotli, in bytes.
const UI_LIMIT: u64 = 600_000;
/// Largest part of the page that loads once it is open, as brotli, in bytes.
const REST_LIMIT: u64 = 800_000;
/// Largest compute module as brotli, in bytes.
const COMPUTE_LIMIT: u64 = 4_000_000;

/// Runs everything.
pub(crate) fn all() -> Result<(), Failure> {
    step("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    step("lints", || run(cargo().args(["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"])))?;
    let site = step("page", site::build)?;
    step("sizes", || sizes(&site))?;
    let server = step("server", || build_server(&site))?;
    step("tests", || {
        // A software Vulkan driver for the GPU tests; without any they say that they were skipped.
        if !std::path::Path::new("/usr/share/vulkan/icd.d").exists() {
            apt_install(&["mesa-vulkan-drivers", "libvulkan1"]);
        }
        // A cluster of one machine for the tests of the Slurm executor; without it they say that they were skipped.
        if !std::path::Path::new("/usr/sbin/slurmctld").exists() || !std::path::Path::new("/usr/sbin/munged").exists() {
            apt_install(&["slurm-wlm", "munge"]);
        }
        let mut command = native("test");
        command.env("EIGENSCOPE_SITE", &site);
        command.env("XDG_RUNTIME_DIR", std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_else(|| std::env::temp_dir().into()));
        if let Some(tests) = python::onnx_node_tests() {
            command.env("ONNX_NODE_TESTS", tests);
        }
        // What is written in other formats is read by numpy, scipy and h5py.
        if let Some(python) = python::client_environment()? {
            command.env("EIGENSCOPE_PYTHON", python);
        }
        run(&mut command)
    })?;
    step("Python client", || python::client_tests(&server))?;
    // Without the worker: its GPU stack would be built again with other features.
    step("page's own tests", || run(cargo().args(["test", "--release", "--package", "eigenscope-web", "--lib", "--no-default-features"])))?;
    step("documentation", || {
        let mut command = cargo();
        command.args(["doc", "--release", "--no-deps", "--package", "eigenscope", "--package", "eigenscope-server"]);
        run(command.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("browser tests", || browser::test(&server))
}

#[expect(clippy::disallowed_methods, reason = "a build tool may read the clock")]
fn step<T>(name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    println!("--- {name}");
    let start = std::time::Instant::now();
    let out = work().map_err(|failure| Failure(format!("{name}: {failure}")))?;
    println!("--- {name}: {} s", start.elapsed().as_secs());
    Ok(out)
}

/// The page has to open in under a second: its modules have a limit.
fn sizes(site: &std::path::Path) -> Result<(), Failure> {
    for (name, limit) in [("ui_bg.wasm.br", UI_LIMIT), (&format!("{}.br", wasm::REST), REST_LIMIT), ("compute_bg.wasm.br", COMPUTE_LIMIT)] {
        let path = site.join(name);
        let size = path.metadata().map_err(crate::tools::at(&path))?.len();
        println!("{name}: {size} bytes of {limit} allowed");
        if size > limit {
            return Err(Failure(format!("{name} has {size} bytes, more than the {limit} allowed")));
        }
    }
    Ok(())
}
