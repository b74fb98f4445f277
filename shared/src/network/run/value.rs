//! Values of a running network, and the call of one operation.

use std::sync::Arc;

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Dispatch, DispatchTensor};
use burn::tensor::{Bool, Device, Int, Tensor as Typed};
use ndarray::{ArrayD, IxDyn};

use super::super::settings::Reading;
use super::cpu::Buffers;
use super::fusion::Fusion;
use super::tensor::{Problem, Tensor, lengths};
use crate::Error;
use crate::dataset::shape_text;
use crate::network::{Attribute, Constant, Node};

/// A value: floats on the device, integers and booleans (shapes, indices, masks) on the host.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a few hundred values at a time")]
pub(super) enum Value {
    Float(Float),
    Int(Arc<ArrayD<i64>>),
    Bool(Arc<ArrayD<bool>>),
}

/// Floats on the device, with a copy on the host where that is known.
#[derive(Debug, Clone)]
pub(super) struct Float {
    pub(super) tensor: Tensor,
    pub(super) host: Option<Arc<ArrayD<f32>>>,
}

/// What an operation makes: a value, or integers or booleans that are still on the device.
#[derive(Debug)]
pub(super) enum Made {
    Ready(Value),
    Int(DispatchTensor, Vec<usize>),
    Bool(DispatchTensor, Vec<usize>),
}

/// Constants up to so many values stay on the host, too: bounds, scales, paddings.
const SMALL: usize = 4096;

impl Value {
    pub(super) fn from_constant(constant: &Constant, device: &Device) -> Self {
        match constant {
            Constant::Float(a) => {
                Self::Float(Float { tensor: Tensor::from_array(a, device), host: (a.len() <= SMALL).then(|| Arc::new(a.clone())) })
            }
            Constant::Int(a) => Self::Int(Arc::new(a.clone())),
            Constant::Bool(a) => Self::Bool(Arc::new(a.clone())),
        }
    }

    /// Weights of a convolution, their channels last in memory: so kernels of GPUs read them, and would copy them before every run.
    pub(super) fn from_kernel(constant: &Constant, device: &Device) -> Self {
        match constant {
            Constant::Float(a) if a.ndim() > 2 => {
                let (mut there, mut back): (Vec<usize>, Vec<usize>) = ((0..a.ndim()).collect(), (0..a.ndim()).collect());
                there[1..].rotate_left(1);
                back[1..].rotate_right(1);
                let last = a.view().permuted_axes(there).to_owned();
                let host = (a.len() <= SMALL).then(|| Arc::new(a.clone()));
                Self::Float(Float { tensor: Tensor::from_array(&last, device).permute(&back), host })
            }
            other => Self::from_constant(other, device),
        }
    }

    pub(super) fn ints(values: Vec<i64>) -> Self {
        Self::Int(Arc::new(ndarray::Array1::from_vec(values).into_dyn()))
    }

    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::Float(float) => float.tensor.shape(),
            Self::Int(a) => a.shape(),
            Self::Bool(a) => a.shape(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Float(_) => "floating-point numbers",
            Self::Int(_) => "integers",
            Self::Bool(_) => "booleans",
        }
    }

    /// Its values, on the host.
    pub(super) async fn read(self) -> Result<Constant, Error> {
        Ok(match self {
            Self::Float(Float { host: Some(host), .. }) => Constant::Float(Arc::unwrap_or_clone(host)),
            Self::Float(Float { tensor, host: None }) => Constant::Float(tensor.read().await?),
            Self::Int(a) => Constant::Int(Arc::unwrap_or_clone(a)),
            Self::Bool(a) => Constant::Bool(Arc::unwrap_or_clone(a)),
        })
    }

    /// With its positions reduced; values without any stay as they are.
    pub(super) fn reduced(self, reading: Reading) -> Self {
        match self {
            Self::Float(Float { tensor, .. }) if reading != Reading::Full && tensor.rank() > 2 && tensor.len() > 0 => {
                let (n, c) = (tensor.shape()[0], tensor.shape()[1]);
                let positions = tensor.len() / (n * c);
                let rows = tensor.reshape(vec![n, c, positions]);
                let reduced = if reading == Reading::Avg { rows.mean(2) } else { rows.reduce(2, Dispatch::float_max_dim) };
                Self::Float(Float { tensor: reduced.reshape(vec![n, c]), host: None })
            }
            other => other,
        }
    }

    /// Bytes on the device.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Float(float) => 4 * u64::try_from(float.tensor.len()).unwrap_or(u64::MAX / 8),
            _ => 0,
        }
    }

    /// With a copy on the host.
    pub(super) async fn with_host(self) -> Result<Self, Error> {
        match self {
            Self::Float(Float { tensor, host: None }) => {
                let host = Arc::new(tensor.clone().read().await?);
                Ok(Self::Float(Float { tensor, host: Some(host) }))
            }
            other => Ok(other),
        }
    }
}

impl From<Tensor> for Made {
    fn from(tensor: Tensor) -> Self {
        Self::Ready(Value::Float(Float { tensor, host: None }))
    }
}

impl From<ArrayD<i64>> for Made {
    fn from(array: ArrayD<i64>) -> Self {
        Self::Ready(Value::Int(Arc::new(array)))
    }
}

impl From<ArrayD<bool>> for Made {
    fn from(array: ArrayD<bool>) -> Self {
        Self::Ready(Value::Bool(Arc::new(array)))
    }
}

impl From<Value> for Made {
    fn from(value: Value) -> Self {
        Self::Ready(value)
    }
}

impl Made {
    /// Integers or booleans on the host; nothing else.
    pub(super) fn integers(self) -> Option<Constant> {
        match self {
            Self::Ready(Value::Int(a)) => Some(Constant::Int(Arc::unwrap_or_clone(a))),
            Self::Ready(Value::Bool(a)) => Some(Constant::Bool(Arc::unwrap_or_clone(a))),
            _ => None,
        }
    }

    /// The value, read from the device if it is there.
    pub(super) async fn value(self) -> Result<Value, Error> {
        match self {
            Self::Ready(value) => Ok(value),
            Self::Int(tensor, shape) => {
                use burn::backend::ops::IntTensorOps;
                let n = shape.iter().product::<usize>();
                let flat = Typed::<1, Int>::from_dispatch(Dispatch::int_reshape(tensor, lengths(&[n])));
                let data = flat.into_data_async().await.map_err(|e| Error::of_gpu(&e))?;
                let array = ArrayD::from_shape_vec(shape, data.iter::<i64>().collect()).map_err(|e| Error::internal(e.to_string()))?;
                Ok(Value::Int(Arc::new(array)))
            }
            Self::Bool(tensor, shape) => {
                use burn::backend::ops::BoolTensorOps;
                let n = shape.iter().product::<usize>();
                let flat = Typed::<1, Bool>::from_dispatch(Dispatch::bool_reshape(tensor, lengths(&[n])));
                let data = flat.into_data_async().await.map_err(|e| Error::of_gpu(&e))?;
                let array = ArrayD::from_shape_vec(shape, data.iter::<bool>().collect()).map_err(|e| Error::internal(e.to_string()))?;
                Ok(Value::Bool(Arc::new(array)))
            }
        }
    }
}

/// One operation with what it reads.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) node: &'a Node,
    pub(super) opset: i64,
    pub(super) device: &'a Device,
    pub(super) inputs: Vec<Option<Value>>,
    /// What a convolution does of its neighbors.
    pub(super) fusion: Option<&'a Fusion>,
    /// Memory to use again.
    pub(super) buffers: &'a Buffers,
}

impl Call<'_> {
    pub(super) fn has(&self, i: usize) -> bool {
        self.inputs.get(i).is_some_and(Option::is_some)
    }

    pub(super) fn n_inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Whether the i-th output is wanted.
    pub(super) fn makes(&self, i: usize) -> bool {
        self.node.outputs.get(i).is_some_and(|name| !name.is_empty())
    }

    /// The i-th input, handed over.
    pub(super) fn value(&mut self, i: usize) -> Result<Value, Problem> {
        self.inputs.get_mut(i).and_then(Option::take).ok_or_else(|| format!("input {} is missing", i + 1))
    }

    /// The i-th input as floats.
    pub(super) fn tensor(&mut self, i: usize) -> Result<Tensor, Problem> {
        match self.value(i)? {
            Value::Float(float) => Ok(float.tensor),
            other => Err(format!("input {} should be floating-point numbers but is {}", i + 1, other.kind())),
        }
    }

    pub(super) fn optional_tensor(&mut self, i: usize) -> Result<Option<Tensor>, Problem> {
        if self.has(i) { self.tensor(i).map(Some) } else { Ok(None) }
    }

    /// The i-th input as integers, whatever its shape.
    pub(super) fn ints(&mut self, i: usize) -> Result<Vec<i64>, Problem> {
        Ok(self.int_array(i)?.iter().copied().collect())
    }

    pub(super) fn int_array(&mut self, i: usize) -> Result<Arc<ArrayD<i64>>, Problem> {
        match self.value(i)? {
            Value::Int(a) => Ok(a),
            other => Err(format!("input {} should be integers but is {}", i + 1, other.kind())),
        }
    }

    pub(super) fn bool_array(&mut self, i: usize) -> Result<Arc<ArrayD<bool>>, Problem> {
        match self.value(i)? {
            Value::Bool(a) => Ok(a),
            other => Err(format!("input {} should be booleans but is {}", i + 1, other.kind())),
        }
    }

    /// The i-th input as floats on the host; the table of operators says which inputs are needed there.
    pub(super) fn host(&mut self, i: usize) -> Result<Arc<ArrayD<f32>>, Problem> {
        match self.value(i)? {
            Value::Float(Float { host: Some(host), .. }) => Ok(host),
            Value::Float(_) => Err(format!("input {} is not on the host", i + 1)),
            #[expect(clippy::cast_precision_loss, reason = "bounds and scales are small")]
            Value::Int(a) => Ok(Arc::new(a.mapv(|v| v as f32))),
            Value::Bool(_) => Err(format!("input {} should be numbers but is booleans", i + 1)),
        }
    }

    /// A single number.
    pub(super) fn number(&mut self, i: usize) -> Result<f64, Problem> {
        let host = self.host(i)?;
        match host.first() {
            Some(v) if host.len() == 1 => Ok(f64::from(*v)),
            _ => Err(format!("input {} should be one number but has the shape {}", i + 1, shape_text(host.shape()))),
        }
    }

    /// What the result is held between.
    pub(super) fn bounds(&self) -> Option<(f32, f32)> {
        self.fusion.and_then(|fusion| fusion.bounds.as_ref()).map(|(_, bounds)| *bounds)
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        match self.node.attributes.get(name) {
            Some(Attribute::Int(v)) => Some(*v),
            _ => None,
        }
    }

    pub(super) fn int_or(&self, name: &str, otherwise: i64) -> i64 {
        self.int(name).unwrap_or(otherwise)
    }

    pub(super) fn float(&self, name: &str) -> Option<f64> {
        match self.node.attributes.get(name) {
            Some(Attribute::Float(v)) => Some(f64::from(*v)),
            _ => None,
        }
    }

    pub(super) fn float_or(&self, name: &str, otherwise: f64) -> f64 {
        self.float(name).unwrap_or(otherwise)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.node.attributes.get(name) {
            Some(Attribute::Text(v)) => Some(v),
            _ => None,
        }
    }

    pub(super) fn int_list(&self, name: &str) -> Option<Vec<i64>> {
        match self.node.attributes.get(name) {
            Some(Attribute::Ints(v)) => Some(v.clone()),
            _ => None,
        }
    }

    /// Numbers of an attribute that must not be negative.
    pub(super) fn size_list(&self, name: &str) -> Result<Option<Vec<usize>>, Problem> {
        let Some(list) = self.int_list(name) else { return Ok(None) };
        list.iter()
            .map(|v| usize::try_from(*v).ok().ok_or_else(|| format!("{name} has the negative number {v}")))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An option that is an attribute in old files and an input in newer ones.
    pub(super) fn list_or_input(&mut self, name: &str, i: usize) -> Result<Option<Vec<i64>>, Problem> {
        match self.int_list(name) {
            Some(list) => Ok(Some(list)),
            None if self.has(i) => self.ints(i).map(Some),
            None => Ok(None),
        }
    }
}

/// An axis counted from the end when negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, Problem> {
    let n = i64::try_from(rank).unwrap_or(i64::MAX);
    let positive = if axis < 0 { axis + n } else { axis };
    usize::try_from(positive).ok().filter(|axis| *axis < rank).ok_or_else(|| format!("axis {axis} of a value with {rank} axes"))
}

pub(super) fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>, Problem> {
    axes.iter().map(|axis| axis_of(*axis, rank)).collect()
}

/// A size that a file or a computation claims; arrays of more values than this are refused before they are made.
pub(super) fn checked_shape(shape: &[i64]) -> Result<Vec<usize>, Problem> {
    let sizes: Option<Vec<usize>> = shape.iter().map(|n| usize::try_from(*n).ok()).collect();
    let n = sizes.as_ref().and_then(|sizes| sizes.iter().try_fold(1usize, |n, size| n.checked_mul(*size)));
    match (sizes, n) {
        (Some(sizes), Some(n)) if n < 1 << 31 => Ok(sizes),
        _ => Err(format!("the shape {shape:?} is not possible")),
    }
}

/// A host array of one shape from its values in row-major order.
pub(super) fn array<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>, Problem> {
    let n = values.len();
    ArrayD::from_shape_vec(IxDyn(shape), values).ok().ok_or_else(|| format!("{n} values do not have the shape {}", shape_text(shape)))
}
