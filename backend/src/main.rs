//! The `eigenscope` program: command line and server.

use std::process::ExitCode;

/// Keeps the pages of matrices that come and go; the system's allocator returns them at once and pays for each again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    eigenscope_server::cli::main()
}
