//! Running a network on a device.
//!
//! Floats are on the device, integers and booleans (shapes, indices, masks) on the host. Constants are copied to the device once, when the network is prepared.
//! Only what is asked for is computed, and each value is dropped when its last reader has run.

mod backward;
mod conv;
mod cpu;
mod cpu_back;
mod elementwise;
mod fused;
mod fusion;
mod indexing;
mod linear;
mod making;
mod moving;
mod normalize;
mod operators;
mod pool;
pub(crate) mod record;
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
use self::record::Tape;
pub(crate) use self::tensor::Tensor;
use self::value::{Call, Float, Value};
use super::graph::{Constant, Graph, Node};
use super::settings::Reading;
use crate::compute::DeviceKind;
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
        let is_gpu = device.info().kind != DeviceKind::Cpu;
        let convolutions = graph.nodes.iter().filter(|node| is_gpu && node.op == "Conv");
        let kernels: BTreeSet<&str> = convolutions.filter_map(|node| node.inputs.get(1)).map(String::as_str).collect();
        let on_device = |name: &str| if kernels.contains(name) { Value::from_kernel } else { Value::from_constant };
        let constants = graph.constants.iter().filter(|(name, _)| wanted(name));
        let constants = constants.map(|(name, constant)| (name.clone(), on_device(name)(constant, &burn))).collect();
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
        let inputs = inputs.iter().map(|(name, given)| (name.clone(), Value::from_constant(given, &self.device))).collect();
        let mut walk = self.walk(&inputs, &NO_PARAMETERS, wanted)?;
        for name in wanted {
            match walk.given(name) {
                Some(value) => drop(out.values.insert(name.clone(), value.read().await?)),
                None if self.is_given(name) => return Err(self.missing(name)),
                None => {}
            }
        }
        while let Some(step) = walk.next() {
            for (name, value) in walk.run(step, None).await? {
                out.values.insert(name, value.reduced(reading).read().await?);
            }
            out.peak_bytes = out.peak_bytes.max(walk.bytes());
        }
        Ok(out)
    }

    /// What a run for some values begins with.
    fn walk<'n: 'r, 'r>(
        &'n self,
        inputs: &'r BTreeMap<String, Value>,
        parameters: &'r BTreeMap<String, Tensor>,
        wanted: &'r [String],
    ) -> Result<Walk<'n, 'r>, Error> {
        let needed = self.needed(wanted, &|name| inputs.contains_key(name))?;
        // Values that the network makes itself may be given, too.
        let known: BTreeMap<&str, Value> = inputs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
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
                done.extend(own.nodes());
                fused.insert(*i, own);
            }
        }
        let steps = needed.into_iter().collect::<Vec<_>>().into_iter();
        Ok(Walk { network: self, parameters, wanted, steps, done, fused, known, readers })
    }

    /// Nodes that the wanted values need, in order.
    fn needed(&self, wanted: &[String], is_known: &dyn Fn(&str) -> bool) -> Result<BTreeSet<usize>, Error> {
        let maker: BTreeMap<&str, usize> =
            self.graph.nodes.iter().enumerate().flat_map(|(i, node)| node.outputs.iter().map(move |name| (name.as_str(), i))).collect();
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = wanted.iter().map(String::as_str).collect();
        if let Some(unknown) = wanted.iter().find(|name| !maker.contains_key(name.as_str()) && !self.is_given(name) && !is_known(name)) {
            return Err(self.no_value(unknown));
        }
        while let Some(name) = open.pop() {
            if let Some(i) = maker.get(name).filter(|_| !self.constants.contains_key(name) && !is_known(name))
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

static NO_PARAMETERS: BTreeMap<String, Tensor> = BTreeMap::new();

/// A run, node by node.
struct Walk<'n, 'r> {
    network: &'n Network,
    /// What takes the place of constants.
    parameters: &'r BTreeMap<String, Tensor>,
    wanted: BTreeSet<&'r str>,
    steps: std::vec::IntoIter<usize>,
    done: BTreeSet<usize>,
    fused: BTreeMap<usize, Fusion>,
    known: BTreeMap<&'r str, Value>,
    readers: BTreeMap<&'r str, usize>,
}

impl<'n: 'r, 'r> Walk<'n, 'r> {
    /// The node that is next.
    fn next(&mut self) -> Option<usize> {
        self.steps.next()
    }

    /// An input or a constant.
    fn given(&self, name: &str) -> Option<Value> {
        self.known.get(name).cloned().or_else(|| self.constant(name))
    }

    fn constant(&self, name: &str) -> Option<Value> {
        match self.parameters.get(name) {
            Some(tensor) => Some(Value::Float(Float { tensor: tensor.clone(), host: None })),
            None => self.network.constants.get(name).cloned(),
        }
    }

    /// Bytes of floats that are held, constants left out.
    fn bytes(&self) -> u64 {
        self.known.values().map(Value::bytes).sum()
    }

    /// A value for a reader; the last one gets it whole.
    fn handed(&mut self, name: &str) -> Result<Value, Error> {
        let left = self.readers.get_mut(name).map_or(0, |n| {
            *n = n.saturating_sub(1);
            *n
        });
        let held = if left == 0 { self.known.remove(name) } else { self.known.get(name).cloned() };
        held.or_else(|| self.constant(name)).ok_or_else(|| self.network.missing(name))
    }

    /// Names of what a node reads: of a convolution also what its normalization reads.
    fn inputs(&self, i: usize) -> Vec<&'n str> {
        let nodes: &'n [Node] = &self.network.graph.nodes;
        let mut names: Vec<&'n str> = nodes[i].inputs.iter().map(String::as_str).collect();
        if let Some((norm, _)) = self.fused.get(&i).and_then(|fusion| fusion.norm) {
            names.resize(3, "");
            names.extend(nodes[norm].inputs[1..].iter().map(String::as_str));
        }
        names
    }

    /// Runs a node; what it makes that is wanted. A tape takes notes.
    async fn run(&mut self, i: usize, tape: Option<&mut Tape<'n>>) -> Result<Vec<(String, Value)>, Error> {
        let network = self.network;
        let node = &network.graph.nodes[i];
        let made = if self.done.contains(&i) {
            if let Some(tape) = tape {
                tape.pass(&node.inputs[0], &node.outputs[0]);
            }
            vec![self.handed(&node.inputs[0])?]
        } else {
            self.step(i, tape).await?
        };
        let mut found = Vec::new();
        for (name, value) in node.outputs.iter().zip(made) {
            if self.wanted.contains(name.as_str()) {
                found.push((name.clone(), value.clone()));
            }
            if self.readers.contains_key(name.as_str()) {
                self.known.insert(name, value);
            }
        }
        Ok(found)
    }

    async fn step(&mut self, i: usize, tape: Option<&mut Tape<'n>>) -> Result<Vec<Value>, Error> {
        let network = self.network;
        let (node, operator) = (&network.graph.nodes[i], &network.operators[i]);
        let names = self.inputs(i);
        let mut inputs = Vec::with_capacity(names.len());
        for (k, name) in names.iter().enumerate() {
            if name.is_empty() {
                inputs.push(None);
                continue;
            }
            // Parameters of a normalization are constants, which nobody takes away.
            let value =
                if k < node.inputs.len() { self.handed(name)? } else { self.constant(name).ok_or_else(|| network.missing(name))? };
            inputs.push(Some(if operator.on_host.contains(&k) { value.with_host().await? } else { value }));
        }
        let fusion = self.fused.get(&i);
        let mut call = Call { node, opset: network.graph.opset, device: &network.device, inputs, fusion, buffers: &network.buffers };
        let made = match tape {
            Some(tape) => tape.run(operator, &mut call, node, &names),
            None => (operator.run)(&mut call),
        };
        let made = made.map_err(|message| Error::Input { input: called(node), message })?;
        let mut values = Vec::with_capacity(made.len());
        for value in made {
            values.push(value.value().await?);
        }
        Ok(values)
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
