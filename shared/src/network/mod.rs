//! Networks: graphs of operations with the names that their files have, and their runs on a device.

#[cfg(feature = "network")]
mod extract;
mod file;
mod graph;
#[cfg(feature = "images")]
mod images;
mod mask;
mod onnx;
#[cfg(feature = "network")]
mod optimizer;
#[cfg(feature = "network")]
mod run;
mod settings;
#[cfg(feature = "network")]
mod start;
#[cfg(test)]
mod tests;
mod torch;

#[cfg(feature = "network")]
pub use extract::{Batch, Collected, Feed, Files, Plan, Ready, Sink, extract, of_each_image};
pub use file::{NetworkFile, read_network};
pub use graph::{Attribute, Constant, Dim, Element, Graph, Layer, Node, Port, is_named_by};
pub use mask::{Mask, apply_masks, read_masks};
pub use onnx::{read_onnx, read_onnx_array};
#[cfg(feature = "network")]
pub(crate) use optimizer::{Optimizer, Rule};
#[cfg(feature = "network")]
pub(crate) use run::Tensor;
#[cfg(all(test, feature = "network"))]
pub(crate) use run::record::tests::small;
#[cfg(feature = "network")]
pub use run::{Activations, Network};
pub use settings::{Preprocess, Preset, Reading, Resize};
#[cfg(feature = "network")]
pub(crate) use start::{node, uniform, uniform_constant};
pub use torch::{Architecture, State, from_state, read_state};
