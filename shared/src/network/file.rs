//! A network before it is read: the bytes of its file, or a built-in architecture with random parameters.

use super::{Architecture, Graph, from_state, read_onnx, read_state};
use crate::Error;

/// Endings of files that are state dicts.
const STATES: [&str; 3] = ["pt", "pth", "safetensors"];

/// A network that is read when it is needed.
#[derive(Debug)]
pub struct NetworkFile {
    name: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Of a file, and whether it is a state dict.
    Bytes(Vec<u8>, bool),
    Untrained(Architecture, u64),
}

impl NetworkFile {
    /// The bytes of a file: ONNX, or by its ending a state dict of a built-in architecture.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let name = name.into();
        let is_state = is_state(&name);
        Self { name, content: Content::Bytes(bytes, is_state) }
    }

    /// The bytes of a state dict of a built-in architecture, whatever the ending of its file.
    #[must_use]
    pub fn state(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), content: Content::Bytes(bytes, true) }
    }

    /// A built-in architecture with random parameters.
    #[must_use]
    pub fn untrained(name: impl Into<String>, architecture: Architecture, seed: u64) -> Self {
        Self { name: name.into(), content: Content::Untrained(architecture, seed) }
    }

    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it.
    ///
    /// # Errors
    /// Those of [`read_network`].
    pub fn graph(&self) -> Result<Graph, Error> {
        match &self.content {
            Content::Untrained(architecture, seed) => from_state(&self.name, architecture.untrained(*seed)),
            Content::Bytes(bytes, is_state) => read(&self.name, bytes, *is_state),
        }
    }
}

/// Reads a network from the bytes of its file: ONNX, or by its ending a state dict of a built-in architecture.
///
/// # Errors
/// Those of [`read_onnx`], [`read_state`] and [`from_state`].
pub fn read_network(name: &str, bytes: &[u8]) -> Result<Graph, Error> {
    read(name, bytes, is_state(name))
}

fn read(name: &str, bytes: &[u8], is_state: bool) -> Result<Graph, Error> {
    if is_state { from_state(name, read_state(name, bytes)?) } else { read_onnx(name, bytes) }
}

fn is_state(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| STATES.contains(&ending.to_ascii_lowercase().as_str()))
}
