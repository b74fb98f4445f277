//! The cross-crate tests: one binary, because each further one links everything again.

mod api;
mod cli;
mod support;
