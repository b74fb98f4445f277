//! The `eigenscope` program: command line and server.

use std::process::ExitCode;

fn main() -> ExitCode {
    eigenscope_server::cli::main()
}
