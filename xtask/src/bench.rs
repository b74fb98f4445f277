//! `cargo xtask bench`: our command line beside its peers in Python, in the same run.

use std::process::Command;

use crate::cuda;
use crate::python::environment;
use crate::tools::{Failure, native, root, run, target_dir};

/// Runs all benchmarks, or those whose name contains the argument. `networks` and `warp` run those beside `PyTorch`, whose environment is large, with
/// `DEVICE=cuda` on a GPU; `load` asks much of a server.
pub(crate) fn all(args: &[String]) -> Result<(), Failure> {
    if args.first().is_some_and(|first| first == "load") {
        return load(&args[1..]);
    }
    let (python, script, args) = match args.split_first() {
        Some((first, rest)) if first == "networks" || first == "warp" => {
            let script = if first == "warp" { "warp.py" } else { "networks.py" };
            (environment("network-peers", "tests/bench/networks-requirements.txt")?, script, rest)
        }
        _ => (environment("peers", "tests/bench/requirements.txt")?, "peers.py", args),
    };
    let what = ["--bin", "eigenscope", "--example", "fastfood"];
    let built = if std::env::var("DEVICE").is_ok_and(|device| device == "cuda") {
        run(cuda::Build::on_a_gpu()?.cargo("build").args(what))?;
        cuda::Build::folder()
    } else {
        run(native("build").args(what))?;
        target_dir()
    };
    let mut command = Command::new(python);
    command.arg(root().join("tests/bench").join(script)).args(args);
    command.env("EIGENSCOPE", built.join("release/eigenscope"));
    command.env("FASTFOOD", built.join("release/examples/fastfood"));
    // The peers use the best kernels that their BLAS finds for the processor, whatever the shell asks for.
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    run(&mut command)
}

/// 200 clients for a minute and an upload of 4 GB, or as many seconds, clients and bytes as are given.
fn load(args: &[String]) -> Result<(), Failure> {
    run(native("build").args(["--bin", "eigenscope", "--example", "load"]))?;
    let mut command = Command::new(target_dir().join("release/examples/load"));
    // Where the target folder is: temporary folders are often small, and in memory.
    command.current_dir(target_dir()).arg(target_dir().join("release/eigenscope"));
    for (i, default) in ["60", "200", "4000000000"].into_iter().enumerate() {
        command.arg(args.get(i).map_or(default, String::as_str));
    }
    run(&mut command)
}
