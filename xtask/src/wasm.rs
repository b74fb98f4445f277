//! The two WebAssembly modules: the standard library by one of two routes, cargo, wasm-bindgen, wasm-opt.

use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wasm_bindgen_cli_support::Bindgen;

use crate::tools::{Failure, apt_install, at, cargo, npm_packages, output, root, run, target_dir};

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's Rust for web targets: a compiler with the library's source, so that the library is built here.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

const DEBIAN_LINKER: &str = "wasm-ld-22";

/// Arguments of wasm-opt. Functions with one caller stay apart: merged, they compress worse. Chromium refuses the compact
/// import section that binaryen writes otherwise.
const OPTIMIZER: [&str; 4] = ["-Os", "--one-caller-inline-max-function-size=10", "--all-features", "--disable-compact-imports"];

/// Of the steps below: a change of them does all again.
const VERSION: u32 = 2;

/// How the standard library for wasm32 is had.
enum Route {
    /// `rustup target add wasm32-unknown-unknown`.
    Rustup,
    /// Debian's `rustc-web` with `-Zbuild-std`.
    Debian,
}

/// The script that loads the part of `ui` that the page opens without.
pub(crate) const LOADER: &str = "rest.js";
/// That part: `frontend/src/lazy.rs` names it.
pub(crate) const REST: &str = "split_rest.wasm";

/// Builds `ui` and `compute` (their `.js` and `_bg.wasm`), and what was split off `ui`, into a folder and returns it.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    let out = target_dir().join("wasm/bindgen");
    std::fs::create_dir_all(&out).map_err(at(&out))?;
    let route = route()?;
    // Splitting follows the relocations.
    let ui = compile(&route, "wasm-ui", &["--bin", "ui", "--no-default-features"], &["-C", "link-arg=--emit-relocs"])?;
    bind(&ui.join("ui.wasm"), "ui", &out, Some([LOADER, REST]))?;
    let compute = compile(&route, "wasm", &["--bin", "worker"], &[])?;
    bind(&compute.join("worker.wasm"), "compute", &out, None)?;
    Ok(out)
}

fn compile(route: &Route, profile: &str, which: &[&str], rustc: &[&str]) -> Result<PathBuf, Failure> {
    let wasm_dir = target_dir().join("wasm");
    let mut command = match route {
        Route::Rustup => {
            println!("wasm32: standard library from rustup");
            let mut command = cargo();
            command.arg("rustc");
            command
        }
        Route::Debian => {
            println!("wasm32: standard library built from Debian's rust-web-src");
            let mut command = Command::new("/usr/bin/cargo");
            let path = std::env::var("PATH").unwrap_or_default();
            command.current_dir(root()).env("PATH", format!("/usr/bin:{path}")).env("RUSTC_BOOTSTRAP", "1");
            // Debian's compiler has no bundled linker for this target.
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
            // Set by the cargo that runs this; they would lead back to the other toolchain.
            for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"] {
                command.env_remove(name);
            }
            command.args(["rustc", "-Zbuild-std=std,panic_abort"]);
            command
        }
    };
    command.args(["--profile", profile, "--target", TARGET, "--package", "eigenscope-web"]).args(which);
    command.arg("--").args(rustc);
    run(command.env("CARGO_TARGET_DIR", &wasm_dir))?;
    Ok(wasm_dir.join(TARGET).join(profile))
}

fn route() -> Result<Route, Failure> {
    if rustup_has_target() {
        return Ok(Route::Rustup);
    }
    if debian_is_there() {
        return Ok(Route::Debian);
    }
    println!("wasm32: trying `rustup target add {TARGET}`");
    if within(Duration::from_secs(90), Command::new("rustup").args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1"))
        && rustup_has_target()
    {
        return Ok(Route::Rustup);
    }
    println!("wasm32: rustup could not fetch it, trying Debian's packages");
    if apt_install(&DEBIAN) && debian_is_there() {
        return Ok(Route::Debian);
    }
    Err(Failure(format!(
        "no standard library for {TARGET}: run `rustup target add {TARGET}`, or on Debian `apt-get install {}`",
        DEBIAN.join(" ")
    )))
}

fn rustup_has_target() -> bool {
    output(Command::new("rustup").args(["target", "list", "--installed"]))
        .is_some_and(|list| list.lines().any(|line| line.trim() == TARGET))
}

fn debian_is_there() -> bool {
    output(Command::new("dpkg").arg("--verify").arg("rust-web-src")).is_some()
        && Path::new("/usr/bin/cargo").exists()
        && output(Command::new("/usr/bin/rustc").arg("--version")).is_some()
}

/// Runs a command but gives up after a while: a blocked network can hang it for long.
fn within(limit: Duration, command: &mut Command) -> bool {
    let Ok(mut child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else { return false };
    wait(&mut child, limit)
}

#[expect(clippy::disallowed_methods, reason = "a build tool may read the clock")]
fn wait(child: &mut Child, limit: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(200)),
            Err(_) => return false,
        }
    }
    child.kill().and_then(|()| child.wait()).is_ok_and(|_| false)
}

/// Splits a module where asked to, runs wasm-bindgen on what remains and wasm-opt on all, unless that was done with the same bytes.
fn bind(module: &Path, name: &str, out: &Path, split_off: Option<[&str; 2]>) -> Result<(), Failure> {
    let wasm = out.join(format!("{name}_bg.wasm"));
    let stamp = out.join(format!("{name}.stamp"));
    let bytes = std::fs::read(module).map_err(at(module))?;
    let print = fingerprint(&bytes);
    let is_there = wasm.exists() && split_off.iter().flatten().all(|file| out.join(file).exists());
    if is_there && std::fs::read_to_string(&stamp).is_ok_and(|old| old == print) {
        return Ok(());
    }
    let mut input = module.to_owned();
    if let Some([loader, part]) = split_off {
        input = split(&bytes, name, loader, part, out)?;
        optimize(&out.join(part))?;
    }
    println!("wasm-bindgen: {name}");
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name(name)
        .typescript(false)
        .omit_default_module_path(false)
        // What is split off shares the table of functions.
        .keep_lld_exports(split_off.is_some())
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.web(true).map_err(failed)?.generate(out).map_err(failed)?;
    optimize(&wasm)?;
    std::fs::write(&stamp, print).map_err(at(&stamp))
}

/// Writes the part that is split off and its loader, and returns the module that remains.
fn split(bytes: &[u8], name: &str, loader: &str, part: &str, out: &Path) -> Result<PathBuf, Failure> {
    println!("splitting: {name}");
    let main = out.join(format!("{name}_whole.wasm"));
    let (link_name, main_module) = (format!("./{loader}"), format!("./{name}.js"));
    let mut options = wasm_split_cli_support::Options::new(bytes);
    (options.output_dir, options.main_out_path) = (out, &main);
    (options.link_name, options.main_module) = (&link_name, &main_module);
    let parts = wasm_split_cli_support::transform(options).map_err(|e| Failure(format!("splitting {name}: {e:#}")))?.split_modules;
    match parts.as_slice() {
        [only] if only.ends_with(part) => Ok(main),
        others => Err(Failure(format!("splitting {name} gave {others:?}, not {part} alone"))),
    }
}

fn optimize(wasm: &Path) -> Result<(), Failure> {
    let optimizer = npm_packages()?.join("binaryen/bin/wasm-opt");
    if optimizer.exists() {
        println!("wasm-opt: {}", wasm.display());
        let small = wasm.with_extension("opt");
        run(Command::new("node").arg(optimizer).args(OPTIMIZER).arg(wasm).arg("-o").arg(&small))?;
        std::fs::rename(&small, wasm).map_err(at(&small))?;
    }
    Ok(())
}

/// Of a module's bytes and of this build tool's version of what follows.
fn fingerprint(bytes: &[u8]) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    bytes.hash(&mut hasher);
    OPTIMIZER.hash(&mut hasher);
    VERSION.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure(format!("wasm-bindgen: {error:#}"))
}
