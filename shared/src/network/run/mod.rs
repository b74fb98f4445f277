//! Running a network on a device.
//!
//! Floats are on the device, integers and booleans (shapes, indices, masks) on the host. Constants are copied to the device once, when the network is prepared.
//! Only what is asked for is computed, and each value is dropped when its last reader has run.

mod conv;
mod cpu;
mod elementwise;
mod fused;
mod fusion;
mod indexing;
mod linear;
mod making;
mod moving;
mod normalize;
mod operators;
mod reduce;
mod resize;
mod tensor;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use self::cpu::Buffers;
use self::fusion::Fusion;
use self::operators::Operator;
use self::value::{Call, Value};
use super::graph::{Constant, Graph, Node};
use super::settings::Reading;
use crate::{Device, Error};
use burn::tensor::Device as BurnDevice;

/// A network that is ready to run on a device.
#[derive(Debug)]
pub struct Network {
    graph: Graph,
    operators: Vec<Operator>,
    /// What convolutions do of their neighbors.
    fusions: BTreeMap<usize, Fusion>,
    constants: BTreeMap<String, Value>,
    device: BurnDevice,
    buffers: Buffers,
}

/// What one run made.
#[derive(Debug, Default)]
pub struct Activations {
    /// The wanted values by their names.
    pub values: BTreeMap<String, Constant>,
    /// Bytes of floats that were held at the same time, constants left out.
    pub peak_bytes: u64,
}

impl Network {
    /// Checks that every operation is known and copies constants to the device.
    ///
    /// # Errors
    /// [`Error::Unsupported`] that lists all operations that are not known, with their nodes.
    pub fn new(file: &str, graph: Graph, device: &Device) -> Result<Self, Error> {
        let operators = operators::of(file, &graph)?;
        let burn = device.burn();
        let mut graph = graph;
        fold(&mut graph, &operators, &burn);
        let fusions = fusion::find(&graph);
        let read: BTreeSet<&str> = graph.nodes.iter().flat_map(|node| node.inputs.iter().map(String::as_str)).collect();
        let made: BTreeSet<&str> = graph.nodes.iter().flat_map(|node| node.outputs.iter().map(String::as_str)).collect();
        let wanted = |name: &str| read.contains(name) || made.contains(name) || graph.outputs.iter().any(|output| output == name);
        let constants = graph.constants.iter().filter(|(name, _)| wanted(name));
        let constants = constants.map(|(name, constant)| (name.clone(), Value::from_constant(constant, &burn))).collect();
        // The copies on the device are enough; names and shapes of nodes stay.
        graph.constants.clear();
        Ok(Self { graph, operators, fusions, constants, device: burn, buffers: Buffers::default() })
    }

    /// The network's nodes and names.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Runs what is needed for the wanted values.
    ///
    /// # Errors
    /// [`Error::Input`] for an input that is missing or does not fit and for a value that the network does not make; [`Error::Device`] when the device fails.
    pub async fn run(&self, inputs: &BTreeMap<String, Constant>, wanted: &[String], reading: Reading) -> Result<Activations, Error> {
        let mut out = Activations::default();
        let mut known: BTreeMap<&str, Value> = BTreeMap::new();
        for port in &self.graph.inputs {
            if let Some(given) = inputs.get(&port.name) {
                known.insert(&port.name, Value::from_constant(given, &self.device));
            }
        }
        let needed = self.needed(wanted)?;
        for name in wanted.iter().filter(|name| self.is_given(name)) {
            let value = known.get(name.as_str()).or_else(|| self.constants.get(name)).cloned();
            out.values.insert(name.clone(), value.ok_or_else(|| self.missing(name))?.read().await?);
        }
        let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
        for node in needed.iter().map(|i| &self.graph.nodes[*i]) {
            for name in node.inputs.iter().filter(|name| !name.is_empty()) {
                *readers.entry(name).or_default() += 1;
            }
        }
        let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        // Nodes that a convolution does as well: their input is their output.
        let mut done = BTreeSet::new();
        let mut fused = BTreeMap::new();
        for i in &needed {
            if let Some(fusion) = self.fusions.get(i) {
                let own = fusion.clone().within(&self.graph, &needed, &wanted, &self.graph.nodes[*i].outputs[0]);
                done.extend(own.pad.iter().map(|(node, _)| *node).chain(own.bounds.iter().map(|(node, _)| *node)));
                fused.insert(*i, own);
            }
        }
        for i in &needed {
            let node = &self.graph.nodes[*i];
            let made = if done.contains(i) {
                vec![self.handed(&node.inputs[0], &mut known, &mut readers)?]
            } else {
                self.step(*i, fused.get(i), &mut known, &mut readers).await?
            };
            for (name, value) in node.outputs.iter().zip(made) {
                if wanted.contains(name.as_str()) {
                    out.values.insert(name.clone(), value.clone().reduced(reading).read().await?);
                }
                if readers.contains_key(name.as_str()) {
                    known.insert(name, value);
                }
            }
            out.peak_bytes = out.peak_bytes.max(known.values().map(Value::bytes).sum());
        }
        Ok(out)
    }

    /// A value for a reader; the last one gets it whole.
    fn handed<'a>(
        &self,
        name: &'a str,
        known: &mut BTreeMap<&'a str, Value>,
        readers: &mut BTreeMap<&'a str, usize>,
    ) -> Result<Value, Error> {
        let left = readers.get_mut(name).map_or(0, |n| {
            *n = n.saturating_sub(1);
            *n
        });
        let held = if left == 0 { known.remove(name) } else { known.get(name).cloned() };
        held.or_else(|| self.constants.get(name).cloned()).ok_or_else(|| self.missing(name))
    }

    /// Runs one node.
    async fn step<'a>(
        &'a self,
        i: usize,
        fusion: Option<&Fusion>,
        known: &mut BTreeMap<&'a str, Value>,
        readers: &mut BTreeMap<&'a str, usize>,
    ) -> Result<Vec<Value>, Error> {
        let (node, operator) = (&self.graph.nodes[i], &self.operators[i]);
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for (k, name) in node.inputs.iter().enumerate() {
            if name.is_empty() {
                inputs.push(None);
                continue;
            }
            let value = self.handed(name, known, readers)?;
            inputs.push(Some(if operator.on_host.contains(&k) { value.with_host().await? } else { value }));
        }
        let mut call = Call { node, opset: self.graph.opset, device: &self.device, inputs, fusion, buffers: &self.buffers };
        let made = (operator.run)(&mut call).map_err(|message| Error::Input { input: called(node), message })?;
        let mut values = Vec::with_capacity(made.len());
        for value in made {
            values.push(value.value().await?);
        }
        Ok(values)
    }

    /// Nodes that the wanted values need, in order.
    fn needed(&self, wanted: &[String]) -> Result<BTreeSet<usize>, Error> {
        let maker: BTreeMap<&str, usize> =
            self.graph.nodes.iter().enumerate().flat_map(|(i, node)| node.outputs.iter().map(move |name| (name.as_str(), i))).collect();
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = wanted.iter().map(String::as_str).collect();
        if let Some(unknown) = wanted.iter().find(|name| !maker.contains_key(name.as_str()) && !self.is_given(name)) {
            return Err(self.no_value(unknown));
        }
        while let Some(name) = open.pop() {
            if let Some(i) = maker.get(name).filter(|_| !self.constants.contains_key(name))
                && found.insert(*i)
            {
                open.extend(self.graph.nodes[*i].inputs.iter().filter(|name| !name.is_empty()).map(String::as_str));
            }
        }
        Ok(found)
    }

    fn is_given(&self, name: &str) -> bool {
        self.constants.contains_key(name) || self.graph.inputs.iter().any(|port| port.name == name)
    }

    fn no_value(&self, name: &str) -> Error {
        Error::parameter("layers", super::graph::unknown_layer(name, &self.graph))
    }

    fn missing(&self, name: &str) -> Error {
        let given: Vec<&str> = self.graph.inputs.iter().map(|port| port.name.as_str()).collect();
        Error::Input { input: name.into(), message: format!("the network needs this input; its inputs are {}", given.join(", ")) }
    }
}

/// Makes constants of integers that follow from constants: shapes, paddings and indices that exporters write out as long chains of operations.
fn fold(graph: &mut Graph, operators: &[Operator], device: &BurnDevice) {
    for (node, operator) in graph.nodes.iter().zip(operators) {
        let known = |name: &String| match graph.constants.get(name) {
            Some(constant @ (Constant::Int(_) | Constant::Bool(_))) => Some(Value::from_constant(constant, device)),
            _ => None,
        };
        let inputs: Option<Vec<Option<Value>>> =
            node.inputs.iter().map(|name| if name.is_empty() { Some(None) } else { known(name).map(Some) }).collect();
        let Some(inputs) = inputs.filter(|inputs| !inputs.is_empty()) else { continue };
        let mut call = Call { node, opset: graph.opset, device, inputs, fusion: None, buffers: &Buffers::default() };
        // What cannot be computed is told when the network runs.
        let Ok(made) = (operator.run)(&mut call) else { continue };
        let constants: Option<Vec<Constant>> = made.into_iter().map(value::Made::integers).collect();
        for (name, constant) in node.outputs.iter().zip(constants.unwrap_or_default()) {
            graph.constants.insert(name.clone(), constant);
        }
    }
}

/// A node in a message.
fn called(node: &Node) -> String {
    let name = if node.name.is_empty() { node.outputs.first().map_or("", String::as_str) } else { &node.name };
    format!("node {name} ({})", node.op)
}
