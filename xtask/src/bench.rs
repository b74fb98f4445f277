//! `cargo xtask bench`: our command line beside its peers in Python, in the same run.

use std::process::Command;

use crate::python::environment;
use crate::tools::{Failure, cargo, root, run, target_dir};

/// Runs all benchmarks, or those whose name contains the argument. `networks` runs those beside `PyTorch`, whose environment is large.
pub(crate) fn all(args: &[String]) -> Result<(), Failure> {
    let (python, script, args) = match args.split_first() {
        Some((first, rest)) if first == "networks" => {
            (environment("network-peers", "tests/bench/networks-requirements.txt")?, "networks.py", rest)
        }
        _ => (environment("peers", "tests/bench/requirements.txt")?, "peers.py", args),
    };
    run(cargo().args(["build", "--release", "--package", "eigenscope-server"]))?;
    let mut command = Command::new(python);
    command.arg(root().join("tests/bench").join(script)).args(args);
    command.env("EIGENSCOPE", target_dir().join("release/eigenscope"));
    // The peers use the best kernels that their BLAS finds for the processor, whatever the shell asks for.
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    run(&mut command)
}
