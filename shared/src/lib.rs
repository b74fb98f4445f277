//! Representational geometry: matrices in, numbers with a definition out.
//!
//! Data flows one way: **bytes → [`Dataset`] → [`AnalysisSpec`] → [`run`] → [`AnalysisResult`] → view.**
//! The same code gives the same answer in a browser (WebAssembly), on a CPU server and, within a stated tolerance, on a GPU.
//!
//! - [`io`] reads and writes file formats from byte slices.
//! - [`Dataset`] is an array with labels; [`Matrix`](dataset::Matrix) is its two-dimensional form, rows = samples.
//! - [`compute`] holds the devices and the few contractions that carry all the flops.
//! - [`shapes`] has shape metrics that are fitted on some rows and applied to others, averages and paths of shapes.
//! - [`network`] reads networks (ONNX) as graphs with the names of their files.
//! - [`orientation`] has the gratings and neurons of the guided example.
//! - [`warp`] moves networks along few random directions of all their parameters.
//! - [`analysis`] is the registry: a spec, a check, a run and an output for each analysis.
//! - [`wire`] packs results with binary arrays; [`api`] has the types of the HTTP interface.

pub mod analysis;
pub mod api;
pub mod array;
pub mod blocks;
pub mod compute;
pub mod dataset;
mod disjoint;
pub mod error;
pub mod estimate;
pub mod identity;
pub mod input;
pub mod io;
pub mod labels;
pub mod learn;
pub mod linalg;
pub mod network;
pub mod orientation;
mod parallel;
pub mod progress;
pub mod rng;
pub mod sample;
pub mod shapes;
pub mod stats;
mod table;
pub mod tasks;
#[cfg(test)]
mod testing;
pub mod warp;
pub mod wire;

pub use analysis::{AnalysisResult, AnalysisSpec, run};
pub use array::Array;
pub use compute::{Device, DeviceChoice};
pub use dataset::{Dataset, Inputs};
pub use error::{Error, Warning};
pub use estimate::Estimate;
pub use input::Input;
pub use progress::{Progress, Silent};
