//! Running a network on a device.
//!
//! Floats are on the device, integers and booleans (shapes, indices, masks) on the host. Constants are copied to the device once, when the network is prepared.
//! Only what is asked for is computed, and each value is dropped when its last reader has run.

mod conv;
mod cpu;
mod elementwise;
mod linear;
mod making;
mod moving;
mod normalize;
mod operators;
mod reduce;
mod resize;
mod tensor;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device as BurnDevice;

use self::operators::Operator;
use self::value::Call;
pub(crate) use self::value::Value;
use super::graph::{Constant, Graph, Node};
use crate::{Device, Error};

/// A network that is ready to run on a device.
#[derive(Debug)]
pub struct Network {
    graph: Graph,
    operators: Vec<Operator>,
    /// For each convolution whose only reader holds it between bounds: that reader, and the bounds.
    followers: BTreeMap<usize, (usize, (f32, f32))>,
    constants: BTreeMap<String, Value>,
    device: BurnDevice,
}

/// What one run made: values by their names.
pub type Activations = BTreeMap<String, Constant>;

impl Network {
    /// Checks that every operation is known and copies constants to the device.
    ///
    /// # Errors
    /// [`Error::Unsupported`] that lists all operations that are not known, with their nodes.
    pub fn new(file: &str, graph: Graph, device: &Device) -> Result<Self, Error> {
        let operators = operators::of(file, &graph)?;
        let burn = device.burn();
        let read: BTreeSet<&str> = graph.nodes.iter().flat_map(|node| node.inputs.iter().map(String::as_str)).collect();
        let wanted = |name: &str| read.contains(name) || graph.outputs.iter().any(|output| output == name);
        let constants = graph.constants.iter().filter(|(name, _)| wanted(name));
        let constants = constants.map(|(name, constant)| (name.clone(), Value::from_constant(constant, &burn))).collect();
        let followers = followers(&graph);
        let mut graph = graph;
        // The copies on the device are enough; names and shapes of nodes stay.
        graph.constants.clear();
        Ok(Self { graph, operators, followers, constants, device: burn })
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
    pub async fn run(&self, inputs: &BTreeMap<String, Constant>, wanted: &[String]) -> Result<Activations, Error> {
        let mut out = Activations::new();
        for (name, value) in self.values(inputs, wanted).await? {
            out.insert(name, value.read().await?);
        }
        Ok(out)
    }

    /// As [`Network::run`], values where they are.
    pub(crate) async fn values(&self, inputs: &BTreeMap<String, Constant>, wanted: &[String]) -> Result<BTreeMap<String, Value>, Error> {
        let mut known: BTreeMap<&str, Value> = BTreeMap::new();
        for port in &self.graph.inputs {
            if let Some(given) = inputs.get(&port.name) {
                known.insert(&port.name, Value::from_constant(given, &self.device));
            }
        }
        let needed = self.needed(wanted)?;
        // How many readers each value still has; what is wanted has one that never comes.
        let mut readers: BTreeMap<&str, usize> = BTreeMap::new();
        for node in needed.iter().map(|i| &self.graph.nodes[*i]) {
            for name in node.inputs.iter().filter(|name| !name.is_empty()) {
                *readers.entry(name).or_default() += 1;
            }
        }
        for name in wanted {
            *readers.entry(name).or_default() += 1;
        }
        let mut bounded = BTreeSet::new();
        for i in &needed {
            let node = &self.graph.nodes[*i];
            let follower = self.followers.get(i).filter(|(j, _)| needed.contains(j) && !wanted.contains(&node.outputs[0]));
            bounded.extend(follower.map(|(j, _)| *j));
            let made = if bounded.contains(i) {
                // Done already, with the convolution before it.
                known.remove(node.inputs[0].as_str()).into_iter().collect()
            } else {
                self.step(*i, follower.map(|(_, bounds)| *bounds), &mut known, &mut readers).await?
            };
            for (name, value) in node.outputs.iter().zip(made) {
                if readers.contains_key(name.as_str()) {
                    known.insert(name, value);
                }
            }
        }
        let mut out = BTreeMap::new();
        for name in wanted {
            let value = known.get(name.as_str()).or_else(|| self.constants.get(name)).cloned();
            out.insert(name.clone(), value.ok_or_else(|| self.no_value(name))?);
        }
        Ok(out)
    }

    /// Runs one node.
    async fn step<'a>(
        &'a self,
        i: usize,
        bounds: Option<(f32, f32)>,
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
            let left = readers.get_mut(name.as_str()).map_or(0, |n| {
                *n = n.saturating_sub(1);
                *n
            });
            let held = if left == 0 { known.remove(name.as_str()) } else { known.get(name.as_str()).cloned() };
            let value = held.or_else(|| self.constants.get(name).cloned()).ok_or_else(|| self.missing(name))?;
            inputs.push(Some(if operator.on_host.contains(&k) { value.with_host().await? } else { value }));
        }
        let mut call = Call { node, opset: self.graph.opset, device: &self.device, inputs, bounds };
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
            if let Some(i) = maker.get(name)
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

/// Convolutions whose only reader holds the result between known bounds (`Relu`, `Clip`).
fn followers(graph: &Graph) -> BTreeMap<usize, (usize, (f32, f32))> {
    let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (j, node) in graph.nodes.iter().enumerate() {
        for name in &node.inputs {
            readers.entry(name).or_default().push(j);
        }
    }
    let bound = |node: &Node, i: usize, attribute: &str, otherwise: f32| match (
        node.inputs.get(i).filter(|name| !name.is_empty()),
        node.attributes.get(attribute),
    ) {
        (Some(name), _) => match graph.constants.get(name) {
            Some(Constant::Float(a)) if a.len() == 1 => a.first().copied(),
            _ => None,
        },
        (None, Some(super::graph::Attribute::Float(v))) => Some(*v),
        (None, _) => Some(otherwise),
    };
    let bounds = |node: &Node| match node.op.as_str() {
        "Relu" => Some((0.0, f32::INFINITY)),
        "Clip" => Some((bound(node, 1, "min", f32::NEG_INFINITY)?, bound(node, 2, "max", f32::INFINITY)?)),
        _ => None,
    };
    let of = |(i, node): (usize, &Node)| {
        let output = node.outputs.first().filter(|output| node.op == "Conv" && !graph.outputs.contains(output))?;
        match readers.get(output.as_str()).map(Vec::as_slice) {
            Some(&[j]) => Some((i, (j, bounds(&graph.nodes[j]).filter(|_| graph.nodes[j].inputs[0] == *output)?))),
            _ => None,
        }
    };
    graph.nodes.iter().enumerate().filter_map(of).collect()
}

/// A node in a message.
fn called(node: &Node) -> String {
    let name = if node.name.is_empty() { node.outputs.first().map_or("", String::as_str) } else { &node.name };
    format!("node {name} ({})", node.op)
}
