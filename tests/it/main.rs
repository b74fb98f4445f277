//! Everything that crosses crates, in one binary.

mod agreement;
mod support;
mod tidy;
mod visible;
