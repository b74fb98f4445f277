//! `cargo xtask serve | test | site | browser | client | cuda | bench`: the build in Rust, no shell pipelines.

#![expect(clippy::print_stdout, reason = "a build tool talks on stdout")]

mod bench;
mod browser;
mod check;
mod cuda;
mod python;
mod site;
mod tools;
mod wasm;

use std::process::ExitCode;

use tools::{Failure, cargo, run};

const HELP: &str = "\
cargo xtask serve [ARGS]  build everything and start the server; ARGS go to `eigenscope serve`
cargo xtask test          run every check and test, the browser's included
cargo xtask site          build the page only
cargo xtask browser       build what they need and run the browser tests only
cargo xtask client        likewise the tests of the Python client
cargo xtask cuda          run the tests of GPUs on CUDA, without an NVIDIA GPU on an emulated driver (not part of `test`)
cargo xtask bench [NAME]  measure beside numpy, scipy and scikit-learn; `networks`, `warp`: beside PyTorch and onnxruntime; `load`: a server with many clients";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(first, rest)| (first.as_str(), rest));
    let done = match command {
        "serve" => serve(rest),
        "test" => check::all(),
        "site" => site::build().map(|site| println!("{}", site.display())),
        "browser" => site::build().and_then(|site| browser::test(&build_server(&site)?)),
        "client" => site::build().and_then(|site| python::client_tests(&build_server(&site)?)),
        "cuda" => cuda::test(),
        "bench" => bench::all(rest),
        _ => {
            println!("{HELP}");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &[String]) -> Result<(), Failure> {
    let server = build_server(&site::build()?)?;
    run(std::process::Command::new(server).arg("serve").args(args))
}

/// Builds the `eigenscope` binary with the page inside and returns its path.
fn build_server(site: &std::path::Path) -> Result<std::path::PathBuf, Failure> {
    run(cargo().args(["build", "--release", "--package", "eigenscope-server"]).env("EIGENSCOPE_SITE", site))?;
    Ok(tools::target_dir().join("release/eigenscope"))
}
