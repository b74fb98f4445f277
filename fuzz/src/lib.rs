//! Fuzzing of every reader.

pub mod readers;
