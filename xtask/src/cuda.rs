//! `cargo xtask cuda`: the tests of GPUs on CUDA; where there is no NVIDIA driver, on the emulated one of `tests/cuda`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::python::unpacked;
use crate::site;
use crate::tools::{Failure, at, is_newer, native, output, root, run, target_dir};

/// LLVM, which `CubeCL` compiles kernels with, and the name under which its build looks for it before it fetches one itself.
const LLVM: [&str; 2] = ["mlc-llvm-static==23.1.1.post0", "mlc-llvm-static-extra-targets==23.1.1.post0"];
const LLVM_NAME: &str = "tracel/tracel-llvm-23.1.0-4";
/// NVIDIA's functions for LLVM (`libdevice`), which kernels are linked with, and its assembler.
const TOOLKIT: &str = "nvidia-cuda-nvcc-cu12==12.9.86";
/// Parts of the names of tests that use a GPU.
const TESTS: [&str; 7] = ["agreement::", "compute::", "network::networks", "on_a_gpu", "record::", "visible::", "warp::a_"];

/// Runs what a GPU has a part in.
pub(crate) fn test() -> Result<(), Failure> {
    let build = Build::new()?;
    run(build.cargo("build").args(["--bin", "eigenscope"]))?;
    run(build.cargo("test").args(["--lib", "--test", "it", "--"]).args(TESTS))
}

/// Builds with CUDA, which lie in a folder of their own.
pub(crate) struct Build {
    site: PathBuf,
    data: PathBuf,
    /// What programs need in their environment; nothing where there is an NVIDIA driver.
    emulated: Vec<(&'static str, OsString)>,
}

impl Build {
    pub(crate) fn new() -> Result<Self, Failure> {
        let has_driver = output(Command::new("ldconfig").arg("-p")).is_some_and(|listed| listed.contains("libcuda.so"));
        Ok(Self { site: site::build()?, data: llvm()?, emulated: if has_driver { Vec::new() } else { emulated()? } })
    }

    /// On a GPU, where times mean something.
    pub(crate) fn on_a_gpu() -> Result<Self, Failure> {
        let build = Self::new()?;
        if build.emulated.is_empty() {
            Ok(build)
        } else {
            Err(Failure("DEVICE=cuda needs an NVIDIA GPU and its driver; none is here".into()))
        }
    }

    pub(crate) fn folder() -> PathBuf {
        target_dir().join("cuda")
    }

    /// `cargo build` or `cargo test` of all packages together.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut command = native(verb);
        command.args(["--features", "eigenscope-server/cuda"]);
        command.env("CARGO_TARGET_DIR", Self::folder()).env("XDG_DATA_HOME", &self.data).env("EIGENSCOPE_SITE", &self.site);
        command.env("XDG_RUNTIME_DIR", std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_else(|| std::env::temp_dir().into()));
        // For building as well, which is done again where CUDA lies elsewhere.
        command.env("DEVICE", "cuda").envs(self.emulated.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A folder of data in which LLVM is.
fn llvm() -> Result<PathBuf, Failure> {
    let folder = unpacked("llvm", &LLVM)?;
    let link = folder.join(LLVM_NAME);
    if !link.exists() {
        let found = folder.join("mlc_llvm_static/static");
        std::fs::create_dir_all(folder.join("tracel"))?;
        std::fs::write(found.join(".tracel-llvm-installed"), "")?;
        std::fs::rename(&found, &link).map_err(at(&link))?;
    }
    Ok(folder)
}

/// What a program needs in its environment to find the emulated driver, which is built first.
fn emulated() -> Result<Vec<(&'static str, OsString)>, Failure> {
    let toolkit = unpacked("cuda-toolkit", &[TOOLKIT])?.join("nvidia/cuda_nvcc");
    let (home, folder) = (root().join("tests/cuda"), target_dir().join("cuda-driver"));
    std::fs::create_dir_all(&folder)?;
    let library = folder.join("libcuda.so");
    let sources = ["driver.cpp", "threads.cpp", "threads.h", "kernel.h", "ptx.py"].map(|name| home.join(name));
    let kernels = folder.join("kernels");
    if !sources.iter().all(|source| is_newer(&library, source)) {
        // Kernels are translated anew as well.
        if kernels.exists() {
            std::fs::remove_dir_all(&kernels)?;
        }
        let mut compile = Command::new("c++");
        compile.args(["-std=c++17", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o"]).arg(&library);
        run(compile.args(sources.iter().filter(|path| is_code(path))).args(["-ldl", "-lpthread"]))?;
    }
    println!("no NVIDIA driver is here: kernels run on the emulated one of {}", home.display());
    let assembler = format!("{} -arch=sm_90a", toolkit.join("bin/ptxas").display());
    Ok(vec![
        ("LD_LIBRARY_PATH", folder.into()),
        ("CUDA_PATH", toolkit.into()),
        ("EMULATED_HOME", home.into()),
        ("EMULATED_CACHE", kernels.into()),
        ("EMULATED_PTXAS", assembler.into()),
    ])
}

fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "cpp")
}
