//! What a convolution does of its neighbors: the padding before it, the normalization by channel and the bounds behind it. Their own passes over all values are
//! saved, in gradients too.

use std::collections::{BTreeMap, BTreeSet};

use crate::network::{Attribute, Constant, Graph, Node};

/// Of one convolution.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fusion {
    /// The node that pads its input, and with how many zeros: before all axes, then behind them.
    pub(super) pad: Option<(usize, Vec<usize>)>,
    /// The node that normalizes its result by channel, and what it adds to variances.
    pub(super) norm: Option<(usize, f64)>,
    /// The node that holds its result between bounds, and these.
    pub(super) bounds: Option<(usize, (f32, f32))>,
}

impl Fusion {
    /// What is left of it when only some nodes run and some values are wanted as they are.
    pub(super) fn within(self, graph: &Graph, needed: &BTreeSet<usize>, wanted: &BTreeSet<&str>, output: &str) -> Self {
        let output_of = |node: usize| graph.nodes[node].outputs[0].as_str();
        let pad = self.pad.filter(|(node, _)| !wanted.contains(output_of(*node)));
        let norm = self.norm.filter(|(node, _)| needed.contains(node) && !wanted.contains(output));
        let before = self.norm.map_or(output, |(node, _)| output_of(node));
        let is_normalized = norm.is_some() == self.norm.is_some();
        let bounds = self.bounds.filter(|(node, _)| needed.contains(node) && is_normalized && !wanted.contains(before));
        Self { pad, norm, bounds }
    }

    /// The nodes that run within the convolution.
    pub(super) fn nodes(&self) -> impl Iterator<Item = usize> {
        let pad = self.pad.as_ref().map(|(node, _)| *node);
        pad.into_iter().chain(self.norm.map(|(node, _)| node)).chain(self.bounds.map(|(node, _)| node))
    }
}

/// Of all convolutions of a graph.
pub(super) fn find(graph: &Graph) -> BTreeMap<usize, Fusion> {
    let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut makers: BTreeMap<&str, usize> = BTreeMap::new();
    for (j, node) in graph.nodes.iter().enumerate() {
        for name in &node.inputs {
            readers.entry(name).or_default().push(j);
        }
        for name in &node.outputs {
            makers.insert(name, j);
        }
    }
    let only_reader = |name: &str| match readers.get(name).map(Vec::as_slice) {
        Some(&[j]) if !graph.outputs.iter().any(|output| output == name) => Some(j),
        _ => None,
    };
    let of = |(i, node): (usize, &Node)| {
        let (input, output) = (node.inputs.first()?, node.outputs.first().filter(|_| node.op == "Conv")?);
        let next = |output: &str| only_reader(output).filter(|j| graph.nodes[*j].inputs[0] == *output);
        let norm = next(output).and_then(|j| Some((j, normalization(graph, node, &graph.nodes[j])?)));
        let last = norm.map_or(output, |(j, _)| &graph.nodes[j].outputs[0]);
        let bounds = next(last).and_then(|j| Some((j, bounds(graph, &graph.nodes[j])?)));
        let pad =
            makers.get(input.as_str()).filter(|_| only_reader(input) == Some(i)).and_then(|j| Some((*j, zeros(graph, &graph.nodes[*j])?)));
        Some((i, Fusion { pad, norm, bounds })).filter(|(_, fusion)| *fusion != Fusion::default())
    };
    graph.nodes.iter().enumerate().filter_map(of).collect()
}

/// What a node that normalizes the result of a convolution by its channels adds to variances; nothing for one that does something else.
fn normalization(graph: &Graph, conv: &Node, node: &Node) -> Option<f64> {
    let length = |name: &String| match graph.constants.get(name) {
        Some(Constant::Float(a)) if a.ndim() == 1 => Some(a.len()),
        _ => None,
    };
    let channels = match graph.constants.get(conv.inputs.get(1)?)? {
        Constant::Float(w) => *w.shape().first()?,
        _ => return None,
    };
    let is_one = node.op == "BatchNormalization"
        && node.inputs.len() == 5
        && node.inputs[1..].iter().all(|name| length(name) == Some(channels))
        && node.outputs[1..].iter().all(String::is_empty)
        && !matches!(node.attributes.get("training_mode"), Some(Attribute::Int(mode)) if *mode != 0);
    let epsilon = match node.attributes.get("epsilon") {
        Some(Attribute::Float(v)) => f64::from(*v),
        _ => 1e-5,
    };
    is_one.then_some(epsilon)
}

fn bounds(graph: &Graph, node: &Node) -> Option<(f32, f32)> {
    let bound = |i: usize, attribute: &str, otherwise: f32| match (
        node.inputs.get(i).filter(|name| !name.is_empty()),
        node.attributes.get(attribute),
    ) {
        (Some(name), _) => match graph.constants.get(name) {
            Some(Constant::Float(a)) if a.len() == 1 => a.first().copied(),
            _ => None,
        },
        (None, Some(Attribute::Float(v))) => Some(*v),
        (None, _) => Some(otherwise),
    };
    match node.op.as_str() {
        "Relu" => Some((0.0, f32::INFINITY)),
        "Clip" => Some((bound(1, "min", f32::NEG_INFINITY)?, bound(2, "max", f32::INFINITY)?)),
        _ => None,
    }
}

/// How many zeros a node puts around the positions of an image; nothing for one that does something else.
fn zeros(graph: &Graph, node: &Node) -> Option<Vec<usize>> {
    if node.op != "Pad" || node.attributes.get("mode").is_some_and(|mode| *mode != Attribute::Text("constant".into())) {
        return None;
    }
    let value = |i: usize| node.inputs.get(i).filter(|name| !name.is_empty());
    let fill = match (value(2), node.attributes.get("value")) {
        (Some(name), _) => match graph.constants.get(name)? {
            Constant::Float(a) => *a.first()?,
            _ => return None,
        },
        (None, Some(Attribute::Float(v))) => *v,
        (None, _) => 0.0,
    };
    let pads = match (value(1), node.attributes.get("pads")) {
        (Some(name), _) => match graph.constants.get(name)? {
            Constant::Int(a) => a.iter().copied().collect(),
            _ => return None,
        },
        (None, Some(Attribute::Ints(pads))) => pads.clone(),
        (None, _) => return None,
    };
    let pads: Vec<usize> = pads.into_iter().map(usize::try_from).collect::<Result<_, _>>().ok()?;
    let rank = pads.len() / 2;
    let spares_channels = rank > 2 && [0, 1, rank, rank + 1].iter().all(|i| pads[*i] == 0);
    (fill == 0.0 && spares_channels && value(3).is_none()).then_some(pads)
}
