//! Networks: graphs of operations with the names that their files have, and their runs on a device.

mod graph;
#[cfg(feature = "network")]
mod images;
mod onnx;
#[cfg(feature = "network")]
mod run;
#[cfg(test)]
mod tests;
mod torch;

pub use graph::{Attribute, Constant, Dim, Graph, Layer, Node, Port};
#[cfg(feature = "network")]
pub use images::{Preprocess, Preset, Resize};
pub use onnx::{read_onnx, read_onnx_array};
#[cfg(feature = "network")]
pub use run::{Activations, Network, Reading};
pub use torch::{Architecture, State, from_state, read_state};
