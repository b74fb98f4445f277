//! The native doors to Eigenscope: the command line and the HTTP server.
//!
//! Neither knows any statistics: both build an [`AnalysisSpec`](eigenscope::AnalysisSpec), load its inputs through
//! [`eigenscope::io`] and hand them to [`eigenscope::run`].
//!
//! - [`cli`] parses arguments, runs one analysis in this process and prints it.
//! - [`server`] is the HTTP interface: guard, site, routes.
//! - [`store`] keeps datasets, jobs, events (`SQLite`) and blobs (files named by their hash).
//! - [`jobs`] queues jobs and runs each in a process of its own.
//! - [`extract`] writes activations of a network for many images.
//! - [`inspect`] tells what is in a file.
//! - [`compute`] runs an analysis on one named thread and turns panics into errors.

pub mod cli;
pub mod compute;
pub mod extract;
pub mod ids;
pub mod inspect;
pub mod jobs;
pub mod machine;
pub mod server;
pub mod store;
pub mod stored;
