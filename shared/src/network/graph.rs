//! A network as a graph: nodes in the order in which they run, with the node and value names of the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ndarray::ArrayD;
use serde::Serialize;

use crate::dataset::Values;
use crate::{Dataset, Error};

/// A network.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// What is fed in.
    pub inputs: Vec<Port>,
    /// Names of the values that come out.
    pub outputs: Vec<String>,
    /// Operations; each comes after those whose values it reads.
    pub nodes: Vec<Node>,
    /// Weights and other constants by the names of their values.
    pub constants: BTreeMap<String, Constant>,
    /// Version of the operators (ONNX).
    pub opset: i64,
    /// Shapes of values as far as the file says.
    pub shapes: BTreeMap<String, Vec<Dim>>,
}

/// A value that is fed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its shape, when the file says.
    pub shape: Option<Vec<Dim>>,
    /// What it consists of.
    pub element: Element,
}

/// What a value consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Element {
    /// Numbers.
    #[default]
    Float,
    /// Whole numbers.
    Int,
    /// Yes or no.
    Bool,
}

/// The length of an axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dim {
    /// A number.
    Fixed(u64),
    /// Any length, by the name that the file gives it; empty without one.
    Named(String),
}

impl std::fmt::Display for Dim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Named(name) if name.is_empty() => f.write_str("?"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name in the file; may be empty.
    pub name: String,
    /// What it does, for example `Conv`.
    pub op: String,
    /// Names of the values that it reads; empty for one that is left out.
    pub inputs: Vec<String>,
    /// Names of the values that it makes; empty for one that nobody wants.
    pub outputs: Vec<String>,
    /// Its options.
    pub attributes: BTreeMap<String, Attribute>,
}

/// An option of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f32),
    /// A text.
    Text(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
    /// An array.
    Constant(Constant),
}

/// An array that belongs to a network: floats of any width as f32, integers of any width as i64.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// Floating-point numbers.
    Float(ArrayD<f32>),
    /// Integers.
    Int(ArrayD<i64>),
    /// Yes or no.
    Bool(ArrayD<bool>),
}

impl Constant {
    /// An array as a value of the given element: numbers in single precision.
    ///
    /// # Errors
    /// [`Error::Input`] for numbers that are not whole where an integer or yes and no (0 and 1) is wanted.
    pub fn of_dataset(dataset: Dataset, element: Element) -> Result<Self, Error> {
        #[expect(clippy::cast_possible_truncation, reason = "networks compute in single precision; whole numbers are checked")]
        match (element, Arc::unwrap_or_clone(dataset.values)) {
            (Element::Float, Values::F32(a)) => Ok(Self::Float(a)),
            (Element::Float, Values::F64(a)) => Ok(Self::Float(a.mapv(|v| v as f32))),
            (_, values) => {
                let array = match values {
                    Values::F32(a) => a.mapv(f64::from),
                    Values::F64(a) => a,
                };
                let limit = if element == Element::Bool { 1.0 } else { 9e15 };
                if let Some(wrong) = array.iter().find(|v| v.fract() != 0.0 || v.abs() > limit || v.is_nan()) {
                    let what = if element == Element::Bool { "0 or 1" } else { "whole numbers" };
                    return Err(Error::input(dataset.name, format!("the network wants {what} here, but there is {wrong}")));
                }
                Ok(if element == Element::Bool { Self::Bool(array.mapv(|v| v != 0.0)) } else { Self::Int(array.mapv(|v| v as i64)) })
            }
        }
    }

    /// Entries of the first axis from one up to another.
    #[cfg(feature = "network")]
    pub(crate) fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        use ndarray::{Axis, Slice};
        let slice = Slice::from(rows);
        match self {
            Self::Float(a) => Self::Float(a.slice_axis(Axis(0), slice).to_owned()),
            Self::Int(a) => Self::Int(a.slice_axis(Axis(0), slice).to_owned()),
            Self::Bool(a) => Self::Bool(a.slice_axis(Axis(0), slice).to_owned()),
        }
    }

    /// Entries of one array after those of another.
    ///
    /// # Errors
    /// [`Error::Internal`] for arrays that do not fit together.
    #[cfg(feature = "network")]
    pub(crate) fn concatenated(parts: Vec<Self>) -> Result<Self, Error> {
        fn joined<T: Clone>(parts: Vec<ArrayD<T>>) -> Result<ArrayD<T>, Error> {
            let mut parts = parts.into_iter();
            let mut all = parts.next().ok_or_else(|| Error::internal("nothing to join"))?;
            for part in parts {
                all.append(ndarray::Axis(0), part.view()).map_err(|e| Error::internal(e.to_string()))?;
            }
            Ok(all)
        }
        let foreign = || Error::internal("arrays of different types");
        match parts.first() {
            Some(Self::Int(_)) => {
                let of = |part| if let Self::Int(a) = part { Ok(a) } else { Err(foreign()) };
                Ok(Self::Int(joined(parts.into_iter().map(of).collect::<Result<_, _>>()?)?))
            }
            Some(Self::Bool(_)) => {
                let of = |part| if let Self::Bool(a) = part { Ok(a) } else { Err(foreign()) };
                Ok(Self::Bool(joined(parts.into_iter().map(of).collect::<Result<_, _>>()?)?))
            }
            _ => {
                let of = |part| if let Self::Float(a) = part { Ok(a) } else { Err(foreign()) };
                Ok(Self::Float(joined(parts.into_iter().map(of).collect::<Result<_, _>>()?)?))
            }
        }
    }

    /// Entries of the first axis by their numbers.
    #[cfg(feature = "network")]
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        use ndarray::Axis;
        match self {
            Self::Float(a) => Self::Float(a.select(Axis(0), rows)),
            Self::Int(a) => Self::Int(a.select(Axis(0), rows)),
            Self::Bool(a) => Self::Bool(a.select(Axis(0), rows)),
        }
    }

    /// Lengths of the axes.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Float(a) => a.shape(),
            Self::Int(a) => a.shape(),
            Self::Bool(a) => a.shape(),
        }
    }
}

/// A value that can be extracted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Name of the value.
    pub name: String,
    /// The operation that makes it.
    pub op: String,
    /// Name of the node that makes it; may be empty.
    pub node: String,
    /// Its shape, when the file says.
    pub shape: Option<Vec<Dim>>,
}

impl Graph {
    /// The values that nodes make, in the order in which they are made.
    #[must_use]
    pub fn layers(&self) -> Vec<Layer> {
        let of = |node: &Node| {
            let named = node.outputs.iter().filter(|name| !name.is_empty());
            let layer = |name: &String| Layer {
                name: name.clone(),
                op: node.op.clone(),
                node: node.name.clone(),
                shape: self.shapes.get(name).cloned(),
            };
            named.map(layer).collect::<Vec<_>>()
        };
        self.nodes.iter().flat_map(of).collect()
    }

    /// Names of values that are shapes, indices and masks, as far as the graph tells: what is made of integers alone, and what is compared or counted.
    #[must_use]
    pub fn integers(&self) -> BTreeSet<&str> {
        let is_whole = |constant: &Constant| !matches!(constant, Constant::Float(_));
        let mut out: BTreeSet<&str> = self.constants.iter().filter(|(_, c)| is_whole(c)).map(|(name, _)| name.as_str()).collect();
        for node in &self.nodes {
            let mut inputs = node.inputs.iter().filter(|name| !name.is_empty()).peekable();
            let from_integers = inputs.peek().is_some() && inputs.all(|name| out.contains(name.as_str()));
            let of_attribute = |name: &str| match node.attributes.get(name) {
                Some(Attribute::Constant(constant)) => is_whole(constant),
                Some(Attribute::Int(_) | Attribute::Ints(_)) => true,
                _ => false,
            };
            let whole = match node.op.as_str() {
                "Shape" | "Size" | "NonZero" | "ArgMax" | "ArgMin" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual"
                | "And" | "Or" | "Xor" | "Not" | "IsNaN" | "IsInf" => true,
                // 1: single, 10: half, 11: double, 16: bfloat.
                "Cast" => node.attributes.get("to").is_some_and(|to| !matches!(to, Attribute::Int(1 | 10 | 11 | 16))),
                "ConstantOfShape" => of_attribute("value"),
                "Constant" => ["value", "value_int", "value_ints"].into_iter().any(of_attribute),
                _ => from_integers,
            };
            if whole {
                out.extend(node.outputs.iter().map(String::as_str));
            }
        }
        out
    }

    /// The layers that patterns name, in the order in which they are made: `all`, `outputs`, names, and names with `*` for any letters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a name that is not there, with near ones.
    #[cfg(feature = "network")]
    pub fn select(&self, patterns: &[String]) -> Result<Vec<String>, Error> {
        let names: Vec<String> = self.layers().into_iter().map(|layer| layer.name).collect();
        let mut chosen = BTreeSet::new();
        for pattern in patterns {
            let fits = |name: &String| is_named_by(pattern, name, self.outputs.contains(name));
            let found: Vec<usize> = (0..names.len()).filter(|i| fits(&names[*i])).collect();
            if found.is_empty() {
                return Err(Error::parameter("layers", unknown_layer(pattern, self)));
            }
            chosen.extend(found);
        }
        Ok(chosen.into_iter().map(|i| names[i].clone()).collect())
    }

    /// How many nodes there are of each operation.
    #[must_use]
    pub fn operators(&self) -> BTreeMap<&str, usize> {
        let mut out = BTreeMap::new();
        for node in &self.nodes {
            *out.entry(node.op.as_str()).or_insert(0) += 1;
        }
        out
    }

    /// Number of weights: values of floating-point constants.
    #[must_use]
    pub fn n_weights(&self) -> usize {
        self.constants.values().map(|c| if let Constant::Float(a) = c { a.len() } else { 0 }).sum()
    }

    /// Checks that every value is made once, before it is read, and that outputs are made.
    ///
    /// # Errors
    /// [`Error::Format`] that names the value and the node.
    pub(super) fn check(&self, file: &str) -> Result<(), Error> {
        let mut known: BTreeSet<&str> = self.constants.keys().map(String::as_str).collect();
        known.extend(self.inputs.iter().map(|port| port.name.as_str()));
        for (i, node) in self.nodes.iter().enumerate() {
            let called =
                if node.name.is_empty() { format!("node {} ({})", i + 1, node.op) } else { format!("node {} ({})", node.name, node.op) };
            if let Some(missing) = node.inputs.iter().find(|name| !name.is_empty() && !known.contains(name.as_str())) {
                return Err(Error::format(
                    file,
                    format!("{called} reads the value \"{missing}\", which nothing before it makes; the file is damaged"),
                ));
            }
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !known.insert(name) {
                    return Err(Error::format(
                        file,
                        format!("the value \"{name}\" is made twice, the second time by {called}; the file is damaged"),
                    ));
                }
            }
        }
        match self.outputs.iter().find(|name| !known.contains(name.as_str())) {
            Some(missing) => Err(Error::format(file, format!("nothing makes the output \"{missing}\"; the file is damaged"))),
            None => Ok(()),
        }
    }
}

/// Why a value cannot be had: near names, or all when there are few.
#[cfg(feature = "network")]
pub(super) fn unknown_layer(name: &str, graph: &Graph) -> String {
    let names: Vec<String> = graph.layers().into_iter().map(|layer| layer.name).collect();
    let mut near: Vec<(usize, &String)> = names.iter().map(|other| (edits(name, other), other)).collect();
    near.sort_by_key(|(distance, _)| *distance);
    let shown: Vec<String> = near.iter().take(3).map(|(_, other)| format!("\"{other}\"")).collect();
    format!("the network makes no value \"{name}\"; near are {} (eigenscope layers lists all {})", shown.join(", "), names.len())
}

/// Letters to put in, take out or change.
#[cfg(feature = "network")]
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (corner + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// Whether a pattern names a value: `all`, `outputs`, its name, or a name with `*` for any letters.
#[must_use]
pub fn is_named_by(pattern: &str, name: &str, is_output: bool) -> bool {
    match pattern {
        "all" => true,
        "outputs" => is_output,
        pattern => matches(pattern, name),
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
