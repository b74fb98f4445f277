//! Reading ONNX files: the raw messages, so that all names stay as they are.

pub(super) mod proto;

use std::collections::BTreeMap;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};
use prost::Message as _;

use self::proto::Length;
use super::graph::{Attribute, Constant, Dim, Element, Graph, Node, Port};
use crate::Error;
use crate::dataset::shape_text;

/// Versions of the operators that are known.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=21;

/// Axes of an array; hostile files may claim more.
const MOST_AXES: usize = 16;

/// Reads a network from the bytes of an ONNX file.
///
/// # Definition
/// Floats of any width become f32 and integers i64. Names of nodes and values are those of the file. Operators are not looked at: whoever runs the graph says
/// which it does not know.
///
/// # Errors
/// [`Error::Format`] for bytes that are no ONNX file or contradict themselves; [`Error::Unsupported`] for an opset outside 7 to 21, weights in other files,
/// graphs inside of nodes, functions, and element types that hold no numbers.
///
/// # Source
/// ONNX 1.16 (IR version 10), `onnx.proto`.
pub fn read_onnx(file: &str, bytes: &[u8]) -> Result<Graph, Error> {
    let damaged = |e: prost::DecodeError| Error::format(file, format!("this is no ONNX file, or it is damaged: {e}"));
    let model = proto::Model::decode(bytes).map_err(damaged)?;
    let Some(graph) = model.graph else {
        return Err(Error::format(file, "this is no ONNX file, or it is damaged: there is no graph in it"));
    };
    let opset = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx").map_or(0, |set| set.version);
    if !OPSETS.contains(&opset) {
        let message = format!(
            "operators of version {opset}; versions {} to {} are read: export it again with opset_version=18",
            OPSETS.start(),
            OPSETS.end()
        );
        return Err(unsupported(file, message));
    }
    if let Some(function) = model.functions.first() {
        let message = format!(
            "it defines {} operators of its own (the first is {}); export it with all operators written out",
            model.functions.len(),
            function.name
        );
        return Err(unsupported(file, message));
    }
    let mut out = Graph { opset, ..Graph::default() };
    for tensor in &graph.initializer {
        out.constants.insert(tensor.name.clone(), constant(file, tensor)?);
    }
    for info in graph.value_info.iter().chain(&graph.input).chain(&graph.output) {
        if let Some(shape) = shape(info) {
            out.shapes.insert(info.name.clone(), shape);
        }
    }
    // Old files list their weights among the inputs, too.
    let fed = graph.input.iter().filter(|info| !out.constants.contains_key(&info.name));
    out.inputs = fed.map(|info| Port { name: info.name.clone(), shape: shape(info), element: element(info) }).collect();
    out.outputs = graph.output.iter().map(|info| info.name.clone()).collect();
    if out.outputs.is_empty() || graph.node.is_empty() {
        return Err(Error::format(file, "this is no ONNX file, or it is damaged: the graph has no nodes or no outputs"));
    }
    for node in graph.node {
        let node = read_node(file, node)?;
        // A constant is no operation: it has nothing to compute.
        if node.op == "Constant"
            && let Some(constant) = constant_of(&node)
        {
            out.constants.insert(node.outputs.first().cloned().unwrap_or_default(), constant);
        } else {
            out.nodes.push(node);
        }
    }
    out.check(file)?;
    Ok(out)
}

/// Reads an array from the bytes of a file that holds one ONNX tensor (`.pb`, as in the standard's own tests).
///
/// # Errors
/// [`Error::Format`] for bytes that are no tensor, [`Error::Unsupported`] for element types that hold no numbers.
pub fn read_onnx_array(file: &str, bytes: &[u8]) -> Result<Constant, Error> {
    let tensor = proto::Tensor::decode(bytes).map_err(|e| Error::format(file, format!("this is no ONNX tensor, or it is damaged: {e}")))?;
    constant(file, &tensor)
}

fn read_node(file: &str, node: proto::Node) -> Result<Node, Error> {
    let called = if node.name.is_empty() { node.op_type.clone() } else { format!("{} ({})", node.name, node.op_type) };
    let mut attributes = BTreeMap::new();
    for attribute in node.attribute {
        let name = attribute.name.clone();
        attributes.insert(name, read_attribute(file, &called, attribute)?);
    }
    let op = if node.domain.is_empty() || node.domain == "ai.onnx" { node.op_type } else { format!("{}.{}", node.domain, node.op_type) };
    Ok(Node { name: node.name, op, inputs: node.input, outputs: node.output, attributes })
}

fn read_attribute(file: &str, node: &str, attribute: proto::Attribute) -> Result<Attribute, Error> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let name = attribute.name;
    Ok(match attribute.kind {
        1 => Attribute::Float(attribute.f),
        2 => Attribute::Int(attribute.i),
        3 => Attribute::Text(text(attribute.s)),
        4 => Attribute::Constant(match &attribute.t {
            Some(tensor) => constant(file, tensor)?,
            None => return Err(Error::format(file, format!("the attribute {name} of node {node} lacks its array; the file is damaged"))),
        }),
        6 => Attribute::Floats(attribute.floats),
        7 => Attribute::Ints(attribute.ints),
        8 => Attribute::Texts(attribute.strings.into_iter().map(text).collect()),
        5 | 10 => {
            return Err(unsupported(file, format!("node {node} has a graph inside of it ({name}); loops and branches are not run")));
        }
        kind => {
            return Err(unsupported(
                file,
                format!("the attribute {name} of node {node} is of type {kind}, which holds no number, text or array"),
            ));
        }
    })
}

/// The array that a `Constant` node makes.
fn constant_of(node: &Node) -> Option<Constant> {
    let vector = |n: usize| IxDyn(&[n]);
    node.attributes.iter().find_map(|(name, value)| match (name.as_str(), value) {
        ("value", Attribute::Constant(constant)) => Some(constant.clone()),
        ("value_float", Attribute::Float(v)) => Some(Constant::Float(ArrayD::from_elem(IxDyn(&[]), *v))),
        ("value_int", Attribute::Int(v)) => Some(Constant::Int(ArrayD::from_elem(IxDyn(&[]), *v))),
        ("value_floats", Attribute::Floats(v)) => ArrayD::from_shape_vec(vector(v.len()), v.clone()).ok().map(Constant::Float),
        ("value_ints", Attribute::Ints(v)) => ArrayD::from_shape_vec(vector(v.len()), v.clone()).ok().map(Constant::Int),
        _ => None,
    })
}

fn shape(info: &proto::ValueInfo) -> Option<Vec<Dim>> {
    let shape = info.kind.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    let dim = |dim: &proto::Dimension| match &dim.length {
        Some(Length::Value(n)) => u64::try_from(*n).map_or(Dim::Named(String::new()), Dim::Fixed),
        Some(Length::Name(name)) => Dim::Named(name.clone()),
        None => Dim::Named(String::new()),
    };
    Some(shape.dim.iter().map(dim).collect())
}

/// What an input consists of.
fn element(info: &proto::ValueInfo) -> Element {
    match info.kind.as_ref().and_then(|kind| kind.tensor_type.as_ref()).map_or(0, |tensor| tensor.elem_type) {
        // Integers of 8 to 64 bits, with and without a sign.
        2..=7 | 12 | 13 => Element::Int,
        9 => Element::Bool,
        _ => Element::Float,
    }
}

/// An array, from its bytes or from the field of its type.
fn constant(file: &str, tensor: &proto::Tensor) -> Result<Constant, Error> {
    let name = if tensor.name.is_empty() { "an array" } else { &tensor.name };
    if tensor.data_location == 1 || !tensor.external_data.is_empty() {
        let place = tensor.external_data.iter().find(|e| e.key == "location").map_or("another file", |e| &e.value);
        return Err(unsupported(file, format!("the weights of {name} are in {place}; save the network with its weights in one file")));
    }
    if tensor.dims.len() > MOST_AXES {
        return Err(Error::format(file, format!("{name} claims {} axes; the file is damaged", tensor.dims.len())));
    }
    let shape = tensor.dims.iter().map(|n| usize::try_from(*n).ok()).collect::<Option<Vec<usize>>>();
    let n = shape.as_ref().and_then(|shape| shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n)));
    let (Some(shape), Some(n)) = (shape, n) else {
        return Err(Error::format(file, format!("{name} claims the shape {:?}; the file is damaged", tensor.dims)));
    };
    let wrong = |got: usize| {
        Error::format(file, format!("{name} should have {n} values ({}) but has {got}; the file is damaged", shape_text(&shape)))
    };
    let raw = |width: usize| -> Result<Option<&[u8]>, Error> {
        if tensor.raw_data.is_empty() {
            return Ok(None);
        }
        let fits = n.checked_mul(width) == Some(tensor.raw_data.len());
        if fits { Ok(Some(&tensor.raw_data)) } else { Err(wrong(tensor.raw_data.len() / width)) }
    };
    let floats = |values: Vec<f32>| {
        let got = values.len();
        ArrayD::from_shape_vec(IxDyn(&shape), values).map(Constant::Float).map_err(|_length| wrong(got))
    };
    let ints = |values: Vec<i64>| {
        let got = values.len();
        ArrayD::from_shape_vec(IxDyn(&shape), values).map(Constant::Int).map_err(|_length| wrong(got))
    };
    let small = || tensor.int32_data.iter().map(|v| i64::from(*v)).collect::<Vec<_>>();
    #[expect(clippy::cast_possible_truncation, reason = "weights are held in f32")]
    let narrow = |v: f64| v as f32;
    match tensor.data_type {
        1 => floats(raw(4)?.map_or_else(|| tensor.float_data.clone(), |b| each(b, f32::from_le_bytes))),
        11 => floats(
            raw(8)?
                .map_or_else(|| tensor.double_data.iter().copied().map(narrow).collect(), |b| each(b, |b| narrow(f64::from_le_bytes(b)))),
        ),
        10 => floats(match raw(2)? {
            Some(bytes) => each(bytes, |b| f32::from(f16::from_le_bytes(b))),
            None => low_halves(tensor).map(|bits| f32::from(f16::from_bits(bits))).collect(),
        }),
        16 => floats(match raw(2)? {
            Some(bytes) => each(bytes, |b| f32::from(bf16::from_le_bytes(b))),
            None => low_halves(tensor).map(|bits| f32::from(bf16::from_bits(bits))).collect(),
        }),
        2 => ints(raw(1)?.map_or_else(small, |b| each(b, |[b]: [u8; 1]| i64::from(b)))),
        3 => ints(raw(1)?.map_or_else(small, |b| each(b, |b| i64::from(i8::from_le_bytes(b))))),
        4 => ints(raw(2)?.map_or_else(small, |b| each(b, |b| i64::from(u16::from_le_bytes(b))))),
        5 => ints(raw(2)?.map_or_else(small, |b| each(b, |b| i64::from(i16::from_le_bytes(b))))),
        6 => ints(raw(4)?.map_or_else(small, |b| each(b, |b| i64::from(i32::from_le_bytes(b))))),
        12 => ints(raw(4)?.map_or_else(|| wide(&tensor.uint64_data), |b| each(b, |b| i64::from(u32::from_le_bytes(b))))),
        7 => ints(raw(8)?.map_or_else(|| tensor.int64_data.clone(), |b| each(b, i64::from_le_bytes))),
        13 => ints(raw(8)?.map_or_else(|| wide(&tensor.uint64_data), |b| each(b, |b| u64::from_le_bytes(b).cast_signed()))),
        9 => {
            let values: Vec<bool> =
                raw(1)?.map_or_else(|| tensor.int32_data.iter().map(|v| *v != 0).collect(), |b| b.iter().map(|v| *v != 0).collect());
            let got = values.len();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map(Constant::Bool).map_err(|_length| wrong(got))
        }
        8 => Err(unsupported(file, format!("{name} holds texts; networks of numbers only are read"))),
        other => Err(unsupported(file, format!("{name} has the element type {other}; floats, integers and booleans are read"))),
    }
}

/// Every N bytes as a value.
fn each<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok()).map(value).collect()
}

fn wide(values: &[u64]) -> Vec<i64> {
    values.iter().map(|v| v.cast_signed()).collect()
}

/// Half-precision numbers that sit in the low bits of an i32 each.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low 16 bits are the number")]
fn low_halves(tensor: &proto::Tensor) -> impl Iterator<Item = u16> + '_ {
    tensor.int32_data.iter().map(|v| *v as u16)
}

fn unsupported(file: &str, message: String) -> Error {
    Error::Unsupported { file: file.into(), message }
}
