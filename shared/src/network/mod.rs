//! Networks: graphs of operations with the names that their files have.

mod graph;
mod onnx;
#[cfg(feature = "network")]
mod run;
#[cfg(test)]
mod tests;

pub use graph::{Attribute, Constant, Dim, Graph, Layer, Node, Port};
pub use onnx::{read_onnx, read_onnx_array};
#[cfg(feature = "network")]
pub use run::{Activations, Network};
