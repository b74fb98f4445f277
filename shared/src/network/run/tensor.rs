//! Floating-point values of any rank on a device.
//!
//! Burn's typed tensors carry their rank in the type; a network's ranks are known only when its file is read. This is the tensor without it, over the same
//! primitives. Everything that Burn would panic on (shapes that do not fit) is checked here and is a sentence.

use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::{BackendTensor, Dispatch, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Shape, Slice};
use burn::tensor::{Bool, Device, Int, Tensor as Typed, TensorData};
use ndarray::ArrayD;

use crate::Error;
use crate::compute::product::product;
use crate::dataset::shape_text;

/// What goes wrong in one operation; the name of its node is added by whoever runs it.
pub(super) type Problem = String;

/// f32 values on a device.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    /// Of the same shape, but for a single number, which has one axis there.
    inner: DispatchTensor,
    shape: Vec<usize>,
}

/// Lengths for Burn, which wants at least one axis.
pub(super) fn lengths(shape: &[usize]) -> Shape {
    if shape.is_empty() { Shape::from(vec![1]) } else { Shape::from(shape.to_vec()) }
}

/// The shape that two shapes have in common when axes of length 1 are repeated.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Problem> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("shapes {} and {} do not fit together", shape_text(a), shape_text(b))),
        })
        .collect()
}

impl Tensor {
    pub(crate) fn new(values: Vec<f32>, shape: Vec<usize>, device: &Device) -> Self {
        let n = values.len();
        debug_assert_eq!(n, shape.iter().product::<usize>(), "as many values as the shape has");
        let flat = Typed::<1>::from_data(TensorData::new(values, [n]), device).into_dispatch();
        Self { inner: Dispatch::float_reshape(flat, lengths(&shape)), shape }
    }

    pub(crate) fn from_array(array: &ArrayD<f32>, device: &Device) -> Self {
        Self::new(array.iter().copied().collect(), array.shape().to_vec(), device)
    }

    pub(crate) fn full(value: f32, shape: Vec<usize>, device: &Device) -> Self {
        let n = shape.iter().product();
        Self::new(vec![value; n], shape, device)
    }

    /// What Burn made, of the given shape.
    pub(crate) fn from_inner(inner: DispatchTensor, shape: Vec<usize>) -> Self {
        Self { inner, shape }
    }

    pub(crate) fn into_inner(self) -> DispatchTensor {
        self.inner
    }

    pub(crate) fn inner(&self) -> &DispatchTensor {
        &self.inner
    }

    /// In a row, as Burn's typed tensor.
    pub(crate) fn into_flat(self) -> Typed<1> {
        let n = self.len();
        Typed::<1>::from_dispatch(Dispatch::float_reshape(self.inner, Shape::from(vec![n])))
    }

    /// Back from there.
    pub(crate) fn from_flat(flat: Typed<1>, shape: Vec<usize>) -> Self {
        Self { inner: Dispatch::float_reshape(flat.into_dispatch(), lengths(&shape)), shape }
    }

    /// Where it is.
    pub(crate) fn device(&self) -> Device {
        use burn::backend::TensorMetadata;
        Device::new(self.inner.device())
    }

    /// Other values of the same shape, there.
    pub(crate) fn with_values(&self, values: Vec<f32>) -> Self {
        self.of_values(values, self.shape.clone())
    }

    /// Other values, there.
    pub(crate) fn of_values(&self, values: Vec<f32>, shape: Vec<usize>) -> Self {
        Self::new(values, shape, &self.device())
    }

    /// Whether kernels of our own can read it.
    pub(crate) fn is_on_cpu(&self) -> bool {
        matches!(&self.inner.kind, DispatchTensorKind::Flex(BackendTensor::Float(_)))
    }

    /// Whether Burn follows it for gradients.
    pub(super) fn is_followed(&self) -> bool {
        self.inner.autodiff != DispatchAutodiffContext::Disabled
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn rank(&self) -> usize {
        self.shape.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn text(&self) -> String {
        shape_text(&self.shape)
    }

    /// Its values in row-major order, on the host.
    pub(crate) async fn host(self) -> Result<Vec<f32>, Error> {
        let data = self.into_flat().into_data_async().await.map_err(|e| Error::of_gpu(&e))?;
        data.try_into_vec::<f32>().map_err(|e| Error::Device { message: format!("the device returned another type: {e}") })
    }

    /// The same in its shape.
    pub(crate) async fn read(self) -> Result<ArrayD<f32>, Error> {
        let shape = self.shape.clone();
        ArrayD::from_shape_vec(shape, self.host().await?).map_err(|e| Error::internal(e.to_string()))
    }

    /// Element by element.
    pub(crate) fn map(self, f: impl FnOnce(DispatchTensor) -> DispatchTensor) -> Self {
        Self { inner: f(self.inner), shape: self.shape }
    }

    /// Element by element with another, axes of length 1 repeated.
    pub(crate) fn zip(self, other: Self, f: impl FnOnce(DispatchTensor, DispatchTensor) -> DispatchTensor) -> Result<Self, Problem> {
        let shape = broadcast_shape(&self.shape, &other.shape)?;
        let (a, b) = (self.of_rank(shape.len()), other.of_rank(shape.len()));
        Ok(Self { inner: f(a.inner, b.inner), shape })
    }

    pub(crate) fn add(self, other: Self) -> Result<Self, Problem> {
        self.zip(other, Dispatch::float_add)
    }

    pub(crate) fn sub(self, other: Self) -> Result<Self, Problem> {
        self.zip(other, Dispatch::float_sub)
    }

    pub(crate) fn mul(self, other: Self) -> Result<Self, Problem> {
        self.zip(other, Dispatch::float_mul)
    }

    pub(crate) fn div(self, other: Self) -> Result<Self, Problem> {
        self.zip(other, Dispatch::float_div)
    }

    pub(crate) fn plus(self, value: f64) -> Self {
        self.map(|t| Dispatch::float_add_scalar(t, value.into()))
    }

    /// Values held between bounds, of which the upper one counts where they cross; what is no number stays none. One kernel, in place where that is possible.
    pub(crate) fn bounded(self, low: f64, high: f64) -> Self {
        self.map(|t| Dispatch::float_clamp(t, low.min(high).into(), high.into()))
    }

    pub(crate) fn times(self, value: f64) -> Self {
        self.map(|t| Dispatch::float_mul_scalar(t, value.into()))
    }

    /// With leading axes of length 1.
    pub(crate) fn of_rank(self, rank: usize) -> Self {
        if self.shape.len() >= rank {
            return self;
        }
        let mut shape = vec![1; rank - self.shape.len()];
        shape.extend(&self.shape);
        self.reshape(shape)
    }

    /// The same values in the same order.
    ///
    /// The caller has checked that there are as many.
    pub(crate) fn reshape(self, shape: Vec<usize>) -> Self {
        debug_assert_eq!(self.len(), shape.iter().product::<usize>(), "as many values");
        if shape == self.shape {
            return self;
        }
        Self { inner: Dispatch::float_reshape(self.inner, lengths(&shape)), shape }
    }

    pub(crate) fn permute(self, axes: &[usize]) -> Self {
        if axes.iter().enumerate().all(|(i, axis)| i == *axis) {
            return self;
        }
        let shape = axes.iter().map(|axis| self.shape[*axis]).collect();
        Self { inner: Dispatch::float_permute(self.inner, axes), shape }
    }

    /// Repeats axes of length 1.
    pub(crate) fn expand(self, shape: &[usize]) -> Result<Self, Problem> {
        if broadcast_shape(&self.shape, shape)? != shape {
            return Err(format!("the shape {} cannot be repeated to {}", self.text(), shape_text(shape)));
        }
        let own = self.of_rank(shape.len());
        if own.shape == shape {
            return Ok(own);
        }
        Ok(Self { inner: Dispatch::float_expand(own.inner, lengths(shape)), shape: shape.to_vec() })
    }

    /// `start..end` of one axis, every `step`-th.
    pub(crate) fn slice(self, axis: usize, start: usize, end: usize, step: usize) -> Self {
        if start == 0 && end == self.shape[axis] && step == 1 {
            return self;
        }
        let mut shape = self.shape.clone();
        shape[axis] = (end - start).div_ceil(step);
        let of = |i: usize| match i {
            #[expect(clippy::cast_possible_wrap, reason = "lengths of axes")]
            i if i == axis => Slice { start: start as isize, end: Some(end as isize), step: step as isize },
            _ => Slice { start: 0, end: None, step: 1 },
        };
        let ranges: Vec<Slice> = (0..shape.len()).map(of).collect();
        Self { inner: Dispatch::float_slice(self.inner, &ranges), shape }
    }

    /// Entries along an axis by their numbers, which the caller has checked.
    pub(crate) fn select(self, axis: usize, indices: &[usize], device: &Device) -> Self {
        let mut shape = self.shape.clone();
        shape[axis] = indices.len();
        Self { inner: Dispatch::float_select(self.inner, axis, on_device(indices, device)), shape }
    }

    /// Values by their places in row-major order, which the caller has checked.
    pub(crate) fn take(self, places: &[usize], shape: Vec<usize>, device: &Device) -> Self {
        let n = self.len();
        self.reshape(vec![n]).select(0, places, device).reshape(shape)
    }

    /// One after the other along an axis; the caller has checked the shapes.
    pub(crate) fn concat(parts: Vec<Self>, axis: usize) -> Option<Self> {
        let mut shape = parts.first()?.shape.clone();
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        Some(Self { inner: Dispatch::float_cat(parts.into_iter().map(|part| part.inner).collect(), axis), shape })
    }

    /// A constant around; one pair of numbers for each axis.
    pub(crate) fn pad(self, pads: &[(usize, usize)], value: f32) -> Self {
        if pads.iter().all(|pad| *pad == (0, 0)) {
            return self;
        }
        let shape = self.shape.iter().zip(pads).map(|(n, (before, after))| n + before + after).collect();
        Self { inner: Dispatch::float_pad(self.inner, pads, burn::tensor::ops::PadMode::Constant(value)), shape }
    }

    /// Reduces an axis to length 1.
    pub(crate) fn reduce(self, axis: usize, f: impl FnOnce(DispatchTensor, usize) -> DispatchTensor) -> Self {
        let mut shape = self.shape.clone();
        shape[axis] = 1;
        Self { inner: f(self.inner, axis), shape }
    }

    pub(crate) fn sum(self, axis: usize) -> Self {
        self.reduce(axis, Dispatch::float_sum_dim)
    }

    pub(crate) fn mean(self, axis: usize) -> Self {
        self.reduce(axis, Dispatch::float_mean_dim)
    }

    /// Sums over what was repeated to get from a shape to this one: the gradient of [`expand`](Self::expand).
    pub(crate) fn sum_to(self, shape: &[usize]) -> Self {
        if self.shape == shape {
            return self;
        }
        let more = self.rank() - shape.len().min(self.rank());
        let mut out = self;
        for axis in 0..out.rank() {
            if axis < more || shape[axis - more] == 1 && out.shape[axis] != 1 {
                out = out.sum(axis);
            }
        }
        out.reshape(shape.to_vec())
    }

    /// The product of matrices as numpy's `matmul` has it: leading axes are repeated, vectors are rows on the left and columns on the right.
    pub(crate) fn matmul(self, other: Self) -> Result<Self, Problem> {
        let (a_shape, b_shape) = (self.shape.clone(), other.shape.clone());
        if a_shape.is_empty() || b_shape.is_empty() {
            return Err("a single number is no matrix".into());
        }
        let a = if a_shape.len() == 1 { self.reshape(vec![1, a_shape[0]]) } else { self };
        let b = if b_shape.len() == 1 { other.reshape(vec![b_shape[0], 1]) } else { other };
        let (m, k, n) = (a.shape[a.rank() - 2], a.shape[a.rank() - 1], b.shape[b.rank() - 1]);
        if b.shape[b.rank() - 2] != k {
            return Err(format!(
                "a matrix of shape {} times one of shape {}: the inner lengths differ",
                shape_text(&a_shape),
                shape_text(&b_shape)
            ));
        }
        let batch = broadcast_shape(&a.shape[..a.rank() - 2], &b.shape[..b.rank() - 2])?;
        let many: usize = batch.iter().product();
        let product = if b.rank() == 2 || b.len() == k * n {
            // One matrix on the right: one product with all rows.
            let b = b.reshape(vec![k, n]);
            let rows = a.len() / k.max(1);
            Self { inner: product_of::<2>(a.reshape(vec![rows, k]).inner, b.inner), shape: vec![rows, n] }
        } else {
            let whole = |t: Self, last: [usize; 2]| {
                let shape: Vec<usize> = batch.iter().copied().chain(last).collect();
                Ok::<_, Problem>(t.expand(&shape)?.reshape(vec![many, last[0], last[1]]))
            };
            let (a, b) = (whole(a, [m, k])?, whole(b, [k, n])?);
            Self { inner: product_of::<3>(a.inner, b.inner), shape: vec![many, m, n] }
        };
        let mut shape = batch;
        if a_shape.len() > 1 {
            shape.push(m);
        }
        if b_shape.len() > 1 {
            shape.push(n);
        }
        Ok(product.reshape(shape))
    }

    /// Weighted sums along an axis; weights are `from` x `to`.
    pub(crate) fn weighted(self, axis: usize, weights: Vec<f32>, to: usize, device: &Device) -> Result<Self, Problem> {
        let rank = self.rank();
        let from = self.shape[axis];
        let mut order: Vec<usize> = (0..rank).filter(|other| *other != axis).collect();
        order.push(axis);
        let back: Vec<usize> = (0..rank).map(|axis| order.iter().position(|o| *o == axis).unwrap_or(axis)).collect();
        Ok(self.permute(&order).matmul(Self::new(weights, vec![from, to], device))?.permute(&back))
    }

    /// Each row along the last axis minus its mean, divided by its standard deviation, times `gamma`, plus `beta`.
    pub(crate) fn layer_norm(self, gamma: Self, beta: Option<Self>, epsilon: f64) -> Self {
        let shape = self.shape;
        Self { inner: Dispatch::layer_norm(self.inner, gamma.inner, beta.map(|b| b.inner), epsilon), shape }
    }
}

fn product_of<const D: usize>(a: DispatchTensor, b: DispatchTensor) -> DispatchTensor {
    product(Typed::<D>::from_dispatch(a), Typed::from_dispatch(b)).into_dispatch()
}

/// Numbers of rows, on the device.
pub(super) fn on_device(indices: &[usize], device: &Device) -> DispatchTensor {
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "arrays on a device have fewer than 2^31 values")]
    let indices: Vec<i32> = indices.iter().map(|i| *i as i32).collect();
    let n = indices.len();
    Typed::<1, Int>::from_data(TensorData::new(indices, [n]), device).into_dispatch()
}

/// A mask on the device, of at least one axis.
pub(super) fn mask_on_device(mask: &ArrayD<bool>, device: &Device) -> DispatchTensor {
    use burn::backend::ops::BoolTensorOps;
    let n = mask.len();
    let flat = Typed::<1, Bool>::from_data(TensorData::new(mask.iter().copied().collect::<Vec<_>>(), [n]), device).into_dispatch();
    Dispatch::bool_reshape(flat, lengths(mask.shape()))
}
