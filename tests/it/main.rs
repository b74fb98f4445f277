//! The cross-crate tests: one binary, because each further one links everything again.

mod agreement;
mod api;
mod cli;
mod support;
mod tidy;
mod visible;
