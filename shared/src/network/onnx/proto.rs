//! The messages of an ONNX file, as far as they are read. Field numbers are those of `onnx.proto`; unknown fields are skipped.

/// A file.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Model {
    #[prost(message, optional, tag = "7")]
    pub(in crate::network) graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub(in crate::network) opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "25")]
    pub(in crate::network) functions: Vec<Function>,
}

/// A version of a set of operators.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub(in crate::network) domain: String,
    #[prost(int64, tag = "2")]
    pub(in crate::network) version: i64,
}

/// An operator defined in the file; only its name is read, to refuse it by name.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Function {
    #[prost(string, tag = "1")]
    pub(in crate::network) name: String,
}

/// Nodes with their inputs, outputs and constants.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::network) node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(in crate::network) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(in crate::network) initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    pub(in crate::network) input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub(in crate::network) output: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "13")]
    pub(in crate::network) value_info: Vec<ValueInfo>,
}

/// One operation.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(in crate::network) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(in crate::network) output: Vec<String>,
    #[prost(string, tag = "3")]
    pub(in crate::network) name: String,
    #[prost(string, tag = "4")]
    pub(in crate::network) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(in crate::network) attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(in crate::network) domain: String,
}

/// An attribute of a node; `kind` says which field holds it.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Attribute {
    #[prost(string, tag = "1")]
    pub(in crate::network) name: String,
    #[prost(float, tag = "2")]
    pub(in crate::network) f: f32,
    #[prost(int64, tag = "3")]
    pub(in crate::network) i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub(in crate::network) s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub(in crate::network) t: Option<Tensor>,
    #[prost(float, repeated, tag = "7")]
    pub(in crate::network) floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub(in crate::network) ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub(in crate::network) strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    pub(in crate::network) kind: i32,
}

/// An array.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub(in crate::network) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(in crate::network) data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub(in crate::network) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(in crate::network) int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub(in crate::network) int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub(in crate::network) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(in crate::network) raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub(in crate::network) double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    pub(in crate::network) uint64_data: Vec<u64>,
    #[prost(message, repeated, tag = "13")]
    pub(in crate::network) external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub(in crate::network) data_location: i32,
}

/// A key and its value.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Entry {
    #[prost(string, tag = "1")]
    pub(in crate::network) key: String,
    #[prost(string, tag = "2")]
    pub(in crate::network) value: String,
}

/// A named value with its type.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub(in crate::network) name: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::network) kind: Option<Type>,
}

/// A type; only that of arrays is read.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Type {
    #[prost(message, optional, tag = "1")]
    pub(in crate::network) tensor_type: Option<TensorType>,
}

/// Element type and shape.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct TensorType {
    #[prost(int32, tag = "1")]
    pub(in crate::network) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(in crate::network) shape: Option<Shape>,
}

/// Lengths of axes.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::network) dim: Vec<Dimension>,
}

/// A length, or what it is called.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::network) struct Dimension {
    #[prost(oneof = "Length", tags = "1, 2")]
    pub(in crate::network) length: Option<Length>,
}

/// One of both.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(in crate::network) enum Length {
    /// A number.
    #[prost(int64, tag = "1")]
    Value(i64),
    /// A name, as `batch`.
    #[prost(string, tag = "2")]
    Name(String),
}
