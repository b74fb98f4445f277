//! The cross-crate tests: one binary, because each further one links everything again.

#![expect(clippy::print_stdout, reason = "a skipped test says why")]

mod agreement;
mod api;
mod cli;
mod corpus;
mod extraction;
mod kills;
mod listening;
mod network;
mod probe;
mod process;
mod saved;
mod slurm;
mod support;
mod tidy;
mod visible;
mod warp;
