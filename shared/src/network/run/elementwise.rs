//! Operations on one element at a time, shapes broadcast.

use std::sync::Arc;

use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn::backend::{Dispatch, DispatchTensor};
use ndarray::{ArrayD, IxDyn, Zip};

use super::tensor::{Problem, Tensor, broadcast_shape, mask_on_device};
use super::value::{Call, Float, Made, Value};
use crate::dataset::shape_text;

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;
type Unary = fn(DispatchTensor) -> DispatchTensor;
type Binary = fn(DispatchTensor, DispatchTensor) -> DispatchTensor;

/// Two host arrays with their shapes broadcast.
fn zip<A: Copy, B: Copy, C>(a: &ArrayD<A>, b: &ArrayD<B>, f: impl Fn(A, B) -> C) -> Result<ArrayD<C>> {
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let fails = || format!("shapes {} and {} do not fit together", shape_text(a.shape()), shape_text(b.shape()));
    let a = a.broadcast(IxDyn(&shape)).ok_or_else(fails)?;
    let b = b.broadcast(IxDyn(&shape)).ok_or_else(fails)?;
    Ok(Zip::from(a).and(b).map_collect(|a, b| f(*a, *b)))
}

fn different() -> Problem {
    "the two sides are of different types".into()
}

/// Functions of floats that Burn has.
pub(super) fn unary(call: &mut Call<'_>) -> Result {
    let f: Unary = match call.node.op.as_str() {
        "Exp" => Dispatch::float_exp,
        "Log" => Dispatch::float_log,
        "Sqrt" => Dispatch::float_sqrt,
        "Reciprocal" => Dispatch::float_recip,
        "Ceil" => Dispatch::float_ceil,
        "Floor" => Dispatch::float_floor,
        "Round" => Dispatch::float_round,
        "Sin" => Dispatch::float_sin,
        "Cos" => Dispatch::float_cos,
        "Tan" => Dispatch::float_tan,
        "Asin" => Dispatch::float_asin,
        "Acos" => Dispatch::float_acos,
        "Atan" => Dispatch::float_atan,
        "Sinh" => Dispatch::float_sinh,
        "Cosh" => Dispatch::float_cosh,
        "Tanh" => Dispatch::float_tanh,
        "Asinh" => Dispatch::float_asinh,
        "Acosh" => Dispatch::float_acosh,
        "Atanh" => Dispatch::float_atanh,
        "Erf" => Dispatch::float_erf,
        "Sigmoid" => Dispatch::sigmoid,
        other => return Err(format!("{other} is no function of one number")),
    };
    Ok(vec![call.tensor(0)?.map(f).into()])
}

/// Functions of one number that integers have, too.
pub(super) fn signed(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    Ok(vec![match (call.value(0)?, op.as_str()) {
        (Value::Float(f), "Abs") => f.tensor.map(Dispatch::float_abs).into(),
        (Value::Float(f), "Neg") => f.tensor.map(Dispatch::float_neg).into(),
        (Value::Float(f), "Sign") => f.tensor.map(Dispatch::float_sign).into(),
        (Value::Float(f), "Relu") => f.tensor.bounded(0.0, f64::INFINITY).into(),
        (Value::Int(a), "Abs") => a.mapv(i64::wrapping_abs).into(),
        (Value::Int(a), "Neg") => a.mapv(i64::wrapping_neg).into(),
        (Value::Int(a), "Sign") => a.mapv(i64::signum).into(),
        (Value::Int(a), "Relu") => a.mapv(|v| v.max(0)).into(),
        _ => return Err(format!("{op} of booleans")),
    }])
}

/// Activations with parameters, from what the ONNX standard defines them by.
pub(super) fn activation(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let exp = |t: Tensor| t.map(Dispatch::float_exp);
    let hard_sigmoid = |t: Tensor, alpha: f64, beta: f64| t.times(alpha).plus(beta).bounded(0.0, 1.0);
    // max(x, 0) + alpha (exp(min(x, 0)) - 1)
    let elu = |x: Tensor, alpha: f64, scale: f64| {
        let negative = exp(x.clone().map(|t| Dispatch::float_clamp_max(t, 0.0.into()).into_scaled(scale))).plus(-1.0).times(alpha);
        x.map(Dispatch::relu).add(negative)
    };
    // ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(-|x|))
    let softplus = |x: Tensor| {
        let rest = exp(x.clone().map(Dispatch::float_abs).times(-1.0)).map(Dispatch::float_log1p);
        x.map(Dispatch::relu).add(rest)
    };
    let y = match call.node.op.as_str() {
        "LeakyRelu" => {
            let alpha = call.float_or("alpha", 0.01);
            x.map(|t| Dispatch::leaky_relu(t, alpha.into()))
        }
        "HardSigmoid" => hard_sigmoid(x, call.float_or("alpha", 0.2), call.float_or("beta", 0.5)),
        "HardSwish" => {
            let gate = hard_sigmoid(x.clone(), 1.0 / 6.0, 0.5);
            x.mul(gate)?
        }
        "Elu" => elu(x, call.float_or("alpha", 1.0), 1.0)?,
        "Celu" => {
            let alpha = call.float_or("alpha", 1.0);
            elu(x, alpha, 1.0 / alpha)?
        }
        "Selu" => elu(x, call.float_or("alpha", 1.673_263_192_176_818_8), 1.0)?.times(call.float_or("gamma", 1.050_700_902_938_842_8)),
        "Softplus" => softplus(x)?,
        "Mish" => {
            let gate = softplus(x.clone())?.map(Dispatch::float_tanh);
            x.mul(gate)?
        }
        "Softsign" => {
            let divisor = x.clone().map(Dispatch::float_abs).plus(1.0);
            x.div(divisor)?
        }
        "ThresholdedRelu" => {
            let alpha = call.float_or("alpha", 1.0);
            let bools = call.device.settings().bool_dtype;
            x.map(|t| {
                let low = Dispatch::float_lower_equal_elem(t.clone(), alpha.into(), bools);
                Dispatch::float_mask_fill(t, low, 0.0.into())
            })
        }
        "Shrink" => {
            let (bias, lambd) = (call.float_or("bias", 0.0), call.float_or("lambd", 0.5));
            // x - bias above, x + bias below, 0 between.
            let above = x.clone().map(|t| step(t, lambd, 1.0, call));
            let below = x.clone().map(|t| step(t, lambd, -1.0, call));
            let shift = above.clone().sub(below.clone())?.times(-bias);
            x.add(shift)?.mul(above.add(below)?)?
        }
        "Gelu" => gelu(x, call.text("approximate") == Some("tanh"))?,
        other => return Err(format!("{other} is no activation")),
    };
    Ok(vec![y.into()])
}

/// x times the normal distribution at x, or its approximation by the hyperbolic tangent.
pub(super) fn gelu(x: Tensor, by_tanh: bool) -> Result<Tensor> {
    let gate = if by_tanh {
        let cubed = x.clone().mul(x.clone())?.mul(x.clone())?.times(0.044_715);
        x.clone().add(cubed)?.times((2.0 / std::f64::consts::PI).sqrt()).map(Dispatch::float_tanh)
    } else {
        x.clone().times(std::f64::consts::FRAC_1_SQRT_2).map(Dispatch::float_erf)
    };
    x.times(0.5).mul(gate.plus(1.0))
}

/// 1 where `sign x > bound`, else 0.
fn step(t: DispatchTensor, bound: f64, sign: f64, call: &Call<'_>) -> DispatchTensor {
    let bools = call.device.settings().bool_dtype;
    let t = Dispatch::float_mul_scalar(t, sign.into());
    let high = Dispatch::float_greater_elem(t.clone(), bound.into(), bools);
    Dispatch::float_mask_fill(Dispatch::float_mul_scalar(t, 0.0.into()), high, 1.0.into())
}

trait Scaled {
    fn into_scaled(self, scale: f64) -> Self;
}

impl Scaled for DispatchTensor {
    fn into_scaled(self, scale: f64) -> Self {
        if (scale - 1.0).abs() < f64::EPSILON { self } else { Dispatch::float_mul_scalar(self, scale.into()) }
    }
}

pub(super) fn prelu(call: &mut Call<'_>) -> Result {
    let (x, slope) = (call.tensor(0)?, call.tensor(1)?);
    let negative = x.clone().map(|t| Dispatch::float_clamp_max(t, 0.0.into()));
    Ok(vec![x.map(Dispatch::relu).add(negative.mul(slope)?)?.into()])
}

pub(super) fn clip(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let low = if call.has(1) { Some(call.number(1)?) } else { call.float("min") };
    let high = if call.has(2) { Some(call.number(2)?) } else { call.float("max") };
    #[expect(clippy::cast_possible_truncation, reason = "bounds of integers are integers")]
    Ok(vec![match value {
        Value::Float(f) => f.tensor.bounded(low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY)).into(),
        Value::Int(a) => a.mapv(|v| v.max(low.map_or(i64::MIN, |low| low as i64)).min(high.map_or(i64::MAX, |high| high as i64))).into(),
        Value::Bool(_) => return Err("booleans have no bounds".into()),
    }])
}

pub(super) fn arithmetic(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    let f: Binary = match op.as_str() {
        "Add" => Dispatch::float_add,
        "Sub" => Dispatch::float_sub,
        "Mul" => Dispatch::float_mul,
        "Div" => Dispatch::float_div,
        other => return Err(format!("{other} is no arithmetic")),
    };
    Ok(vec![match (call.value(0)?, call.value(1)?) {
        (Value::Float(a), Value::Float(b)) => {
            // A number on the host is a factor or a summand: no array is made of it.
            match (b.host.as_deref().filter(|b| b.len() == 1 && b.ndim() <= a.tensor.rank()).and_then(|b| b.first().copied()), op.as_str())
            {
                (Some(v), "Add") => a.tensor.plus(v.into()).into(),
                (Some(v), "Sub") => a.tensor.plus(-f64::from(v)).into(),
                (Some(v), "Mul") => a.tensor.times(v.into()).into(),
                (Some(v), "Div") => a.tensor.map(|t| Dispatch::float_div_scalar(t, v.into())).into(),
                _ => a.tensor.zip(b.tensor, f)?.into(),
            }
        }
        (Value::Int(a), Value::Int(b)) => match op.as_str() {
            "Add" => zip(&a, &b, i64::wrapping_add)?.into(),
            "Sub" => zip(&a, &b, i64::wrapping_sub)?.into(),
            "Mul" => zip(&a, &b, i64::wrapping_mul)?.into(),
            _ if b.iter().any(|v| *v == 0) => return Err("an integer is divided by 0".into()),
            _ => zip(&a, &b, i64::wrapping_div)?.into(),
        },
        _ => return Err(different()),
    }])
}

pub(super) fn pow(call: &mut Call<'_>) -> Result {
    let (base, exponent) = (call.value(0)?, call.value(1)?);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "powers of integers are computed in f64, as the reference does"
    )]
    Ok(vec![match (base, exponent) {
        (Value::Float(a), Value::Float(Float { tensor, host })) => {
            match host.as_deref().filter(|h| h.len() == 1 && h.ndim() <= a.tensor.rank()) {
                Some(host) => power(a.tensor, f64::from(host.first().copied().unwrap_or(1.0)))?.into(),
                None => a.tensor.zip(tensor, Dispatch::float_powf)?.into(),
            }
        }
        (Value::Float(a), Value::Int(b)) if b.len() == 1 && b.ndim() <= a.tensor.rank() => {
            power(a.tensor, b.first().map_or(1.0, |b| *b as f64))?.into()
        }
        (Value::Float(a), Value::Int(b)) => {
            a.tensor.zip(Tensor::from_array(&b.mapv(|v| v as f32), call.device), Dispatch::float_powf)?.into()
        }
        (Value::Int(a), Value::Int(b)) => zip(&a, &b, |a, b| (a as f64).powf(b as f64) as i64)?.into(),
        (Value::Int(a), Value::Float(Float { host: Some(b), .. })) => zip(&a, &b, |a, b| (a as f64).powf(f64::from(b)) as i64)?.into(),
        _ => return Err("powers of these types are not taken".into()),
    }])
}

/// Small whole powers as products: a device may take logarithms, which negative numbers lack.
fn power(x: Tensor, exponent: f64) -> Result<Tensor> {
    if (exponent - 0.5).abs() < f64::EPSILON {
        return Ok(x.map(Dispatch::float_sqrt));
    }
    if exponent.fract().abs() > 0.0 || !(1.0..=8.0).contains(&exponent) {
        return Ok(x.map(|t| Dispatch::float_powf_scalar(t, exponent.into())));
    }
    let mut out = x.clone();
    let mut left = exponent - 1.0;
    while left > 0.0 {
        out = out.mul(x.clone())?;
        left -= 1.0;
    }
    Ok(out)
}

pub(super) fn modulo(call: &mut Call<'_>) -> Result {
    let truncates = call.int_or("fmod", 0) != 0;
    Ok(vec![match (call.value(0)?, call.value(1)?) {
        (Value::Float(a), Value::Float(b)) => {
            // a - b trunc(a / b) has the sign of a, a - b floor(a / b) that of b.
            let quotient = a.tensor.clone().div(b.tensor.clone())?;
            let whole = quotient.map(if truncates { Dispatch::float_trunc } else { Dispatch::float_floor });
            a.tensor.sub(whole.mul(b.tensor)?)?.into()
        }
        (Value::Int(_), Value::Int(b)) if b.iter().any(|v| *v == 0) => return Err("an integer is divided by 0".into()),
        (Value::Int(a), Value::Int(b)) if truncates => zip(&a, &b, i64::wrapping_rem)?.into(),
        (Value::Int(a), Value::Int(b)) => zip(&a, &b, |a, b| (a.wrapping_rem(b) + b).wrapping_rem(b))?.into(),
        _ => return Err(different()),
    }])
}

/// Of any number of values: sum, mean, smallest, largest.
pub(super) fn variadic(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    let n = call.n_inputs();
    let smaller: Binary = |a, b| {
        let neg = Dispatch::float_neg;
        neg(larger(neg(a), neg(b)))
    };
    let mut out = call.value(0)?;
    for i in 1..n {
        out = match (out, call.value(i)?) {
            (Value::Float(a), Value::Float(b)) => {
                let f: Binary = match op.as_str() {
                    "Max" => larger,
                    "Min" => smaller,
                    _ => Dispatch::float_add,
                };
                Value::Float(Float { tensor: a.tensor.zip(b.tensor, f)?, host: None })
            }
            (Value::Int(a), Value::Int(b)) => Value::Int(Arc::new(match op.as_str() {
                "Max" => zip(&a, &b, i64::max)?,
                "Min" => zip(&a, &b, i64::min)?,
                _ => zip(&a, &b, i64::wrapping_add)?,
            })),
            _ => return Err(different()),
        };
    }
    #[expect(clippy::cast_precision_loss, reason = "few inputs")]
    Ok(vec![match out {
        Value::Float(f) if op == "Mean" => f.tensor.times(1.0 / n as f64).into(),
        other => other.into(),
    }])
}

/// The larger of two: b + max(a - b, 0) would lose digits, a choice does not.
fn larger(a: DispatchTensor, b: DispatchTensor) -> DispatchTensor {
    use burn::backend::TensorMetadata;
    let shape = broadcast_shape(a.shape().as_slice(), b.shape().as_slice()).unwrap_or_default();
    let expanded = |t: DispatchTensor| {
        if t.shape().as_slice() == shape { t } else { Dispatch::float_expand(t, burn::backend::Shape::from(shape.clone())) }
    };
    let (a, b) = (expanded(a), expanded(b));
    let device = burn::tensor::Device::new(a.device());
    let mask = Dispatch::float_greater(b.clone(), a.clone(), device.settings().bool_dtype);
    Dispatch::float_mask_where(a, mask, b)
}

pub(super) fn compare(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    let bools = call.device.settings().bool_dtype;
    Ok(vec![match (call.value(0)?, call.value(1)?) {
        (Value::Float(a), Value::Float(b)) => {
            let shape = broadcast_shape(a.tensor.shape(), b.tensor.shape())?;
            let (a, b) = (a.tensor.expand(&shape)?.into_inner(), b.tensor.expand(&shape)?.into_inner());
            let mask = match op.as_str() {
                "Equal" => Dispatch::float_equal(a, b, bools),
                "Greater" => Dispatch::float_greater(a, b, bools),
                "GreaterOrEqual" => Dispatch::float_greater_equal(a, b, bools),
                "Less" => Dispatch::float_lower(a, b, bools),
                _ => Dispatch::float_lower_equal(a, b, bools),
            };
            Made::Bool(mask, shape)
        }
        (Value::Int(a), Value::Int(b)) => match op.as_str() {
            "Equal" => zip(&a, &b, |a, b| a == b)?.into(),
            "Greater" => zip(&a, &b, |a, b| a > b)?.into(),
            "GreaterOrEqual" => zip(&a, &b, |a, b| a >= b)?.into(),
            "Less" => zip(&a, &b, |a, b| a < b)?.into(),
            _ => zip(&a, &b, |a, b| a <= b)?.into(),
        },
        (Value::Bool(a), Value::Bool(b)) if op == "Equal" => zip(&a, &b, |a, b| a == b)?.into(),
        _ => return Err(different()),
    }])
}

pub(super) fn logic(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    let a = call.bool_array(0)?;
    if op == "Not" {
        return Ok(vec![a.mapv(|v| !v).into()]);
    }
    let b = call.bool_array(1)?;
    Ok(vec![
        match op.as_str() {
            "And" => zip(&a, &b, |a, b| a && b)?,
            "Or" => zip(&a, &b, |a, b| a || b)?,
            _ => zip(&a, &b, |a, b| a != b)?,
        }
        .into(),
    ])
}

pub(super) fn bits(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    let a = call.int_array(0)?;
    if op == "BitwiseNot" {
        return Ok(vec![a.mapv(|v| !v).into()]);
    }
    let b = call.int_array(1)?;
    let shift = |v: i64| u32::try_from(v).unwrap_or(64);
    Ok(vec![
        match (op.as_str(), call.text("direction")) {
            ("BitwiseAnd", _) => zip(&a, &b, |a, b| a & b)?,
            ("BitwiseOr", _) => zip(&a, &b, |a, b| a | b)?,
            ("BitwiseXor", _) => zip(&a, &b, |a, b| a ^ b)?,
            (_, Some("LEFT")) => zip(&a, &b, |a, b| a.checked_shl(shift(b)).unwrap_or(0))?,
            _ => zip(&a, &b, |a, b| a.checked_shr(shift(b)).unwrap_or(0))?,
        }
        .into(),
    ])
}

pub(super) fn is_special(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let shape = x.shape().to_vec();
    let bools = call.device.settings().bool_dtype;
    let mask = match (call.node.op.as_str(), call.int_or("detect_positive", 1), call.int_or("detect_negative", 1)) {
        ("IsNaN", ..) => Dispatch::float_is_nan(x.into_inner(), bools),
        (_, 0, _) => Dispatch::float_equal_elem(x.into_inner(), f64::NEG_INFINITY.into(), bools),
        (_, _, 0) => Dispatch::float_equal_elem(x.into_inner(), f64::INFINITY.into(), bools),
        _ => Dispatch::float_is_inf(x.into_inner(), bools),
    };
    Ok(vec![Made::Bool(mask, shape)])
}

/// The first value where the mask is true, the second elsewhere.
pub(super) fn choose(call: &mut Call<'_>) -> Result {
    let mask = call.bool_array(0)?;
    let (yes, no) = (call.value(1)?, call.value(2)?);
    let shape = broadcast_shape(&broadcast_shape(mask.shape(), yes.shape())?, no.shape())?;
    let mask = mask.broadcast(IxDyn(&shape)).ok_or("the mask does not fit")?.to_owned();
    macro_rules! host {
        ($a:ident, $b:ident) => {{
            let a = $a.broadcast(IxDyn(&shape)).ok_or_else(different)?;
            let b = $b.broadcast(IxDyn(&shape)).ok_or_else(different)?;
            Zip::from(&mask).and(a).and(b).map_collect(|m, a, b| if *m { *a } else { *b }).into()
        }};
    }
    Ok(vec![match (yes, no) {
        (Value::Float(a), Value::Float(b)) => {
            let (a, b) = (a.tensor.expand(&shape)?.into_inner(), b.tensor.expand(&shape)?.into_inner());
            Tensor::from_inner(Dispatch::float_mask_where(b, mask_on_device(&mask, call.device), a), shape).into()
        }
        (Value::Int(a), Value::Int(b)) => host!(a, b),
        (Value::Bool(a), Value::Bool(b)) => host!(a, b),
        _ => return Err(different()),
    }])
}

/// Element types of ONNX that hold floats.
const FLOATS: [i64; 4] = [1, 10, 11, 16];

pub(super) fn cast(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let to = if call.node.op == "CastLike" {
        match call.value(1)? {
            Value::Float(_) => 1,
            Value::Int(_) => 7,
            Value::Bool(_) => 9,
        }
    } else {
        call.int("to").ok_or("the type is missing")?
    };
    let device = call.device;
    let settings = device.settings();
    #[expect(clippy::cast_precision_loss, reason = "that is what the network asks for")]
    Ok(vec![match (value, to) {
        (value @ Value::Float(_), to) if FLOATS.contains(&to) => value.into(),
        (Value::Float(f), 9) => {
            let shape = f.tensor.shape().to_vec();
            Made::Bool(Dispatch::float_not_equal_elem(f.tensor.into_inner(), 0.0.into(), settings.bool_dtype), shape)
        }
        (Value::Float(f), 2..=7 | 12 | 13) => {
            let shape = f.tensor.shape().to_vec();
            // Towards 0.
            Made::Int(Dispatch::float_into_int(Dispatch::float_trunc(f.tensor.into_inner()), settings.int_dtype), shape)
        }
        (Value::Int(a), to) if FLOATS.contains(&to) => with_copy(a.mapv(|v| v as f32), call),
        (Value::Int(a), 9) => a.mapv(|v| v != 0).into(),
        (value @ Value::Int(_), 2..=7 | 12 | 13) => value.into(),
        (Value::Bool(a), to) if FLOATS.contains(&to) => with_copy(a.mapv(|v| if v { 1.0 } else { 0.0 }), call),
        (value @ Value::Bool(_), 9) => value.into(),
        (Value::Bool(a), 2..=7 | 12 | 13) => a.mapv(i64::from).into(),
        (_, to) => return Err(format!("values of the type {to} are not computed with")),
    }])
}

/// Floats that the host knows.
pub(super) fn with_copy(array: ArrayD<f32>, call: &Call<'_>) -> Made {
    Value::Float(Float { tensor: Tensor::from_array(&array, call.device), host: Some(Arc::new(array)) }).into()
}
