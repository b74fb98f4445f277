//! `cargo xtask bench`: our command line beside numpy, scipy and scikit-learn, in the same run.

use std::path::PathBuf;
use std::process::Command;

use crate::tools::{Failure, cargo, root, run, target_dir};

/// Runs all benchmarks, or those whose name contains the argument.
pub(crate) fn all(args: &[String]) -> Result<(), Failure> {
    let python = environment()?;
    run(cargo().args(["build", "--release", "--package", "eigenscope-server"]))?;
    let mut command = Command::new(python);
    command.arg(root().join("tests/bench/peers.py")).args(args);
    command.env("EIGENSCOPE", target_dir().join("release/eigenscope"));
    // The peers use the best kernels that their BLAS finds for the processor, whatever the shell asks for.
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    run(&mut command)
}

/// A Python environment with the peers, made once.
fn environment() -> Result<PathBuf, Failure> {
    let folder = target_dir().join("peers");
    let python = folder.join("bin/python");
    let requirements = root().join("tests/bench/requirements.txt");
    let stamp = folder.join("installed");
    if !crate::tools::is_newer(&stamp, &requirements) {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
        std::fs::write(&stamp, "")?;
    }
    Ok(python)
}
