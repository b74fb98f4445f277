//! Gradients of one operation.
//!
//! What takes the time of a network on the CPU (convolutions with what they do of their neighbors, maxima over windows) has gradients of its own, and so have
//! products of matrices, whose digits some devices round, and operations whose gradient is no work; Burn's autodiff gives those of all others, one operation at a time, so that nothing is kept longer than it is needed.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{AutodiffBackend, Dispatch, DispatchTensor};
use burn::tensor::Tensor as Typed;

use super::cpu::{Buffers, Geometry, with_values};
use super::linear::Product;
use super::operators::Operator;
use super::tensor::{Problem, Tensor};
use super::value::{Call, Float, Made, Value};
use super::{conv, cpu_back, pool};

/// How to get from the gradient of what an operation made to those of its inputs.
#[derive(Debug)]
pub(super) enum Back {
    /// The same values in another shape.
    Shape(Vec<usize>),
    /// A sum, of the second with this sign.
    Sum(Vec<usize>, Vec<usize>, f64),
    /// Values held between bounds.
    Bounded(Tensor, (f32, f32)),
    /// The mean over positions.
    Means(Vec<usize>),
    Conv(Box<conv::Kept>),
    Largest(Tensor, Geometry),
    Product(Box<Product>),
    /// By Burn: inputs with their numbers, and what came out.
    Tracked(Vec<Leaf>, Vec<Option<DispatchTensor>>),
}

/// An input that Burn follows: its number and its shape.
type Leaf = (usize, DispatchTensor, Vec<usize>);

/// Runs an operation whose inputs of these numbers depend on what is trained, and keeps what its gradients need.
pub(super) fn record(operator: &Operator, call: &mut Call<'_>, tracked: &[usize]) -> Result<(Vec<Made>, Back), Problem> {
    if let Some(i) = tracked.iter().find(|i| operator.on_host.contains(i)) {
        return Err(format!("it has no gradient for its input {}; choose layers before it", i + 1));
    }
    let is_float = |call: &Call<'_>, i: usize| matches!(call.inputs.get(i), Some(Some(Value::Float(_))));
    let shape = |call: &Call<'_>, i: usize| call.inputs.get(i).and_then(|v| v.as_ref()).map(|v| v.shape().to_vec()).unwrap_or_default();
    let x_shape = shape(call, 0);
    let back = match call.node.op.as_str() {
        "Identity" | "Dropout" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" if tracked == [0] => Back::Shape(x_shape),
        "Add" => Back::Sum(x_shape, shape(call, 1), 1.0),
        "Sub" => Back::Sum(x_shape, shape(call, 1), -1.0),
        "GlobalAveragePool" => Back::Means(x_shape),
        "Relu" | "Clip" => {
            let bounds = bounds(call)?;
            let made = (operator.run)(call)?;
            let [Made::Ready(Value::Float(Float { tensor, .. }))] = made.as_slice() else { return Err("it makes no floats".into()) };
            let back = Back::Bounded(tensor.clone(), bounds);
            return Ok((made, back));
        }
        "Conv" => match conv::kept(call)? {
            Some((y, kept)) => return Ok((vec![y.into()], Back::Conv(Box::new(kept)))),
            None => return by_burn(operator, call, tracked),
        },
        "MatMul" | "Gemm" if is_float(call, 0) && is_float(call, 1) => {
            let (y, product) = Product::kept(call)?;
            return Ok((vec![y.into()], Back::Product(Box::new(product))));
        }
        "MaxPool" => match pool::kept(call)? {
            Some((y, x, geometry)) => return Ok((vec![y.into()], Back::Largest(x, geometry))),
            None => return by_burn(operator, call, tracked),
        },
        _ => return by_burn(operator, call, tracked),
    };
    Ok(((operator.run)(call)?, back))
}

fn bounds(call: &mut Call<'_>) -> Result<(f32, f32), Problem> {
    if call.node.op == "Relu" {
        return Ok((0.0, f32::INFINITY));
    }
    let mut bound = |i: usize, name: &str, otherwise: f64| -> Result<f64, Problem> {
        if !call.has(i) {
            return Ok(call.float(name).unwrap_or(otherwise));
        }
        let value = call.inputs[i].clone();
        let number = call.number(i);
        call.inputs[i] = value;
        number
    };
    #[expect(clippy::cast_possible_truncation, reason = "bounds of single precision")]
    Ok((bound(1, "min", f64::NEG_INFINITY)? as f32, bound(2, "max", f64::INFINITY)? as f32))
}

/// Runs an operation with inputs that Burn follows.
fn by_burn(operator: &Operator, call: &mut Call<'_>, tracked: &[usize]) -> Result<(Vec<Made>, Back), Problem> {
    let mut leaves = Vec::with_capacity(tracked.len());
    for i in tracked {
        let Some(Value::Float(float)) = call.inputs[*i].take() else { return Err(format!("its input {} is no floats", i + 1)) };
        let shape = float.tensor.shape().to_vec();
        let leaf = Dispatch::float_set_require_grad(Dispatch::from_inner(float.tensor.into_inner()), true);
        leaves.push((*i, leaf.clone(), shape.clone()));
        call.inputs[*i] = Some(Value::Float(Float { tensor: Tensor::from_inner(leaf, shape), host: None }));
    }
    let mut made = Vec::new();
    let mut outputs = Vec::new();
    for value in (operator.run)(call)? {
        match value {
            Made::Ready(Value::Float(Float { tensor, .. })) => {
                let shape = tensor.shape().to_vec();
                let followed = tensor.into_inner();
                if followed.autodiff == burn::backend::DispatchAutodiffContext::Disabled {
                    made.push(Tensor::from_inner(followed, shape).into());
                    outputs.push(None);
                } else {
                    made.push(Tensor::from_inner(Dispatch::inner(followed.clone()), shape).into());
                    outputs.push(Some(followed));
                }
            }
            other => {
                made.push(other);
                outputs.push(None);
            }
        }
    }
    Ok((made, Back::Tracked(leaves, outputs)))
}

impl Back {
    /// Gradients of inputs by their numbers, from those of what came out.
    pub(super) fn run(self, gradients: Vec<Option<Tensor>>, tracked: &[usize], buffers: &Buffers) -> Result<Vec<(usize, Tensor)>, Problem> {
        let both = match self {
            Self::Tracked(leaves, outputs) => return Ok(by_autodiff(leaves, outputs, gradients)),
            other => other,
        };
        let Some(dy) = gradients.into_iter().next().flatten() else { return Ok(Vec::new()) };
        Ok(match both {
            Self::Shape(shape) => vec![(0, dy.reshape(shape))],
            Self::Sum(a, b, sign) => {
                let of = |i: &usize| {
                    if *i == 0 {
                        (0, dy.clone().sum_to(&a))
                    } else {
                        (1, if sign < 0.0 { dy.clone().times(-1.0) } else { dy.clone() }.sum_to(&b))
                    }
                };
                tracked.iter().map(of).collect()
            }
            Self::Means(shape) => {
                #[expect(clippy::cast_precision_loss, reason = "positions of an image")]
                let positions = shape[2..].iter().product::<usize>() as f64;
                vec![(0, dy.times(1.0 / positions).expand(&shape)?)]
            }
            Self::Bounded(y, bounds) => vec![(0, bounded(dy, y, bounds, buffers))],
            Self::Largest(x, geometry) => {
                let values = with_values(x.inner(), |x| with_values(dy.inner(), |dy| cpu_back::of_max_pool(x, dy, &geometry, buffers)));
                vec![(0, x.with_values(values.flatten().ok_or("its values are not on the CPU")?))]
            }
            Self::Product(product) => product.back(&dy, tracked)?,
            Self::Conv(kept) => of_convolution(*kept, dy, tracked, buffers)?,
            Self::Tracked(..) => Vec::new(),
        })
    }
}

fn bounded(dy: Tensor, y: Tensor, (low, high): (f32, f32), buffers: &Buffers) -> Tensor {
    let here = with_values(dy.inner(), |dy| with_values(y.inner(), |y| cpu_back::of_bounded(dy, y, (low, high), buffers)));
    if let Some(values) = here.flatten() {
        return y.with_values(values);
    }
    let bools = y.device().settings().bool_dtype;
    let mut out = dy;
    if low > f32::NEG_INFINITY {
        let held = Dispatch::float_lower_equal_elem(y.inner().clone(), low.into(), bools);
        out = out.map(|t| Dispatch::float_mask_fill(t, held, 0.0.into()));
    }
    if high < f32::INFINITY {
        let held = Dispatch::float_greater_equal_elem(y.inner().clone(), high.into(), bools);
        out = out.map(|t| Dispatch::float_mask_fill(t, held, 0.0.into()));
    }
    out
}

/// Gradients of a convolution, of the normalization that it does as well, and of its bounds.
///
/// With y = f z + s, z the plain convolution and f = scale / deviation, the gradient of the scale is the sum of dy (z - mean) / deviation; the sum of dy z
/// over positions is the product of the weights with their own gradients, so that z is never needed.
fn of_convolution(kept: conv::Kept, dy: Tensor, tracked: &[usize], buffers: &Buffers) -> Result<Vec<(usize, Tensor)>, Problem> {
    let conv::Kept { x, w, bias, norm, geometry, bounded: held } = kept;
    let dy = match held {
        Some((bounds, y)) => bounded(dy, y, bounds, buffers),
        None => dy,
    };
    let missing = "its values are not on the CPU";
    let wants = |i: usize| tracked.contains(&i);
    let mut out = Vec::new();
    if wants(0) {
        let weights = match &norm {
            Some(norm) => {
                let mut by_output = vec![1; w.rank()];
                by_output[0] = norm.factor.len();
                w.clone().mul(norm.factor.clone().reshape(by_output))?
            }
            None => w.clone(),
        };
        let values = with_values(dy.inner(), |dy| with_values(weights.inner(), |w| cpu_back::of_input(dy, w, &geometry, buffers)));
        out.push((0, x.with_values(values.flatten().ok_or(missing)?)));
    }
    if !tracked.iter().any(|i| *i > 0) {
        return Ok(out);
    }
    let sums = with_values(dy.inner(), |dy| cpu_back::of_bias(dy, &geometry)).ok_or(missing)?;
    let mut of_w = Vec::new();
    if wants(1) || wants(3) {
        let found = with_values(x.inner(), |x| with_values(dy.inner(), |dy| cpu_back::of_weights(x, dy, &geometry)));
        of_w = found.flatten().ok_or(missing)?;
    }
    let host = |t: &Tensor| with_values(t.inner(), <[f32]>::to_vec).ok_or(missing);
    let per_channel = |values: Vec<f32>| {
        let n = values.len();
        dy.of_values(values, vec![n])
    };
    let factor = norm.as_ref().map(|norm| host(&norm.factor)).transpose()?;
    if let (Some(norm), true) = (&norm, wants(3)) {
        let (mean, inverse, weights) = (host(&norm.mean)?, host(&norm.inverse)?, host(&w)?);
        let bias = bias.as_ref().map(host).transpose()?;
        let depth = weights.len() / mean.len();
        let of = |channel: usize| {
            let row = channel * depth..(channel + 1) * depth;
            let product: f64 = of_w[row.clone()].iter().zip(&weights[row]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let shift = f64::from(bias.as_ref().map_or(0.0, |bias| bias[channel])) - f64::from(mean[channel]);
            #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
            let value = ((product + shift * f64::from(sums[channel])) * f64::from(inverse[channel])) as f32;
            value
        };
        out.push((3, per_channel((0..mean.len()).map(of).collect())));
    }
    if wants(4) {
        out.push((4, per_channel(sums.clone())));
    }
    if wants(2) {
        let of_bias = match &factor {
            Some(factor) => sums.iter().zip(factor).map(|(sum, factor)| sum * factor).collect(),
            None => sums,
        };
        out.push((2, per_channel(of_bias)));
    }
    if wants(1) {
        if let Some(factor) = &factor {
            let depth = of_w.len() / factor.len();
            of_w.chunks_mut(depth).zip(factor).for_each(|(row, factor)| row.iter_mut().for_each(|v| *v *= factor));
        }
        out.push((1, w.with_values(of_w)));
    }
    Ok(out)
}

/// The gradient of the sum of products with the given gradients.
fn by_autodiff(leaves: Vec<Leaf>, outputs: Vec<Option<DispatchTensor>>, gradients: Vec<Option<Tensor>>) -> Vec<(usize, Tensor)> {
    let mut total: Option<DispatchTensor> = None;
    for (output, gradient) in outputs.into_iter().zip(gradients) {
        let (Some(y), Some(dy)) = (output, gradient) else { continue };
        let sum = Dispatch::float_sum(Dispatch::float_mul(y, dy.into_inner()));
        total = Some(match total {
            Some(total) => Dispatch::float_add(total, sum),
            None => sum,
        });
    }
    // Steps have no gradient: it is 0 wherever there is one.
    let Some(total) = total.filter(|total| Typed::<1>::from_dispatch(total.clone()).is_tracked()) else { return Vec::new() };
    let mut found = Dispatch::backward(total);
    let of = |(i, leaf, shape): Leaf| Some((i, Tensor::from_inner(Dispatch::grad_remove(&leaf, &mut found)?, shape)));
    leaves.into_iter().filter_map(of).collect()
}
