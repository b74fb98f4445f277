//! State dicts of `PyTorch` (`.pt`, `.pth`, `.safetensors`) and the networks that they belong to.

mod architectures;
mod pickle;
mod state;
#[cfg(test)]
mod tests;

pub use architectures::{Architecture, from_state};
pub use state::{State, read_state};
