//! The page of Eigenscope: a small UI module, and a compute worker that loads on first use.
//!
//! The UI never computes statistics and the worker never touches pixels; between them runs the [`protocol`].

pub mod app;
pub mod plot;
pub mod protocol;
pub mod views;
#[cfg(feature = "worker")]
pub mod worker;

mod client;
mod datasets;
mod forms;
mod lazy;
mod notices;
mod pictures;
mod preflight;
mod project;
mod route;
mod runs;
mod server;
mod state;
mod theme;
mod upload;
