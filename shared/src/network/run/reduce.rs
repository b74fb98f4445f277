//! Operations along axes: sums, extremes, softmax, sorting.

use std::cmp::Ordering;

use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use ndarray::{ArrayD, Axis, IxDyn};

use super::elementwise::with_copy;
use super::tensor::{Problem, Tensor};
use super::value::{Call, Made, Value, axes_of, axis_of};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// Sums, means, norms and extremes over axes.
pub(super) fn reduce(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let rank = value.shape().len();
    let keeps = call.int_or("keepdims", 1) != 0;
    let axes = match call.list_or_input("axes", 1)? {
        Some(axes) if !axes.is_empty() => axes_of(&axes, rank)?,
        _ if call.int_or("noop_with_empty_axes", 0) != 0 => return Ok(vec![value.into()]),
        _ => (0..rank).collect(),
    };
    let op = call.node.op.as_str();
    let shape: Vec<usize> = value.shape().iter().enumerate().map(|(i, n)| if axes.contains(&i) { 1 } else { *n }).collect();
    let kept: Vec<usize> = shape.iter().enumerate().filter(|(i, _)| keeps || !axes.contains(i)).map(|(_, n)| *n).collect();
    Ok(vec![match value {
        Value::Float(f) if f.tensor.len() == 0 => {
            // Over nothing: what does not change a result.
            let neutral = match op {
                "ReduceProd" => 1.0,
                "ReduceMax" | "ReduceLogSum" | "ReduceLogSumExp" => f32::NEG_INFINITY,
                "ReduceMin" => f32::INFINITY,
                "ReduceMean" => f32::NAN,
                _ => 0.0,
            };
            Tensor::full(neutral, kept, call.device).into()
        }
        Value::Float(f) => floats(f.tensor, &axes, op)?.reshape(kept).into(),
        Value::Int(a) => {
            let mut a = (*a).clone();
            for axis in &axes {
                let n = i64::try_from(a.shape()[*axis]).unwrap_or(1).max(1);
                let fold = |lane: ndarray::ArrayView1<'_, i64>| match op {
                    "ReduceMax" => lane.iter().copied().max().unwrap_or(i64::MIN),
                    "ReduceMin" => lane.iter().copied().min().unwrap_or(i64::MAX),
                    "ReduceProd" => lane.iter().product(),
                    "ReduceMean" => lane.sum() / n,
                    "ReduceL1" => lane.iter().map(|v| v.abs()).sum(),
                    "ReduceSumSquare" => lane.iter().map(|v| v * v).sum(),
                    _ => lane.sum(),
                };
                a = a.map_axis(Axis(*axis), fold).insert_axis(Axis(*axis));
            }
            let values: Vec<i64> = a.into_iter().collect();
            super::value::array(&kept, values)?.into()
        }
        Value::Bool(a) => {
            let mut a = (*a).clone();
            for axis in &axes {
                let fold =
                    |lane: ndarray::ArrayView1<'_, bool>| if op == "ReduceMin" { lane.iter().all(|v| *v) } else { lane.iter().any(|v| *v) };
                a = a.map_axis(Axis(*axis), fold).insert_axis(Axis(*axis));
            }
            super::value::array(&kept, a.into_iter().collect::<Vec<_>>())?.into()
        }
    }])
}

fn floats(x: Tensor, axes: &[usize], op: &str) -> Result<Tensor> {
    let squared = |x: Tensor| x.clone().mul(x);
    let over = |x: Tensor, f: fn(burn::backend::DispatchTensor, usize) -> burn::backend::DispatchTensor| {
        axes.iter().fold(x, |x, axis| x.reduce(*axis, f))
    };
    let sum = |x: Tensor| {
        // Neighboring axes as one: one pass instead of one for each.
        axes.iter().fold(x, |x, axis| x.sum(*axis))
    };
    Ok(match op {
        "ReduceSum" => sum(x),
        "ReduceMean" => {
            let n: usize = axes.iter().map(|axis| x.shape()[*axis]).product();
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 values")]
            sum(x).times(1.0 / n as f64)
        }
        "ReduceMax" => over(x, Dispatch::float_max_dim),
        "ReduceMin" => over(x, Dispatch::float_min_dim),
        "ReduceProd" => over(x, Dispatch::float_prod_dim),
        "ReduceL1" => sum(x.map(Dispatch::float_abs)),
        "ReduceL2" => sum(squared(x)?).map(Dispatch::float_sqrt),
        "ReduceSumSquare" => sum(squared(x)?),
        "ReduceLogSum" => sum(x).map(Dispatch::float_log),
        "ReduceLogSumExp" => {
            // The largest is taken out, so that nothing overflows.
            let largest = over(x.clone(), Dispatch::float_max_dim);
            sum(x.sub(largest.clone())?.map(Dispatch::float_exp)).map(Dispatch::float_log).add(largest)?
        }
        other => return Err(format!("{other} is no reduction")),
    })
}

/// Softmax, its logarithm, and the choice of the largest.
pub(super) fn softmax(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let shape = x.shape().to_vec();
    // Up to version 12 everything from the axis on is one row.
    let (x, axis) = if call.opset < 13 {
        let axis = axis_of(call.int_or("axis", 1), shape.len())?;
        let rows: usize = shape[..axis].iter().product();
        let columns: usize = shape[axis..].iter().product();
        (x.reshape(vec![rows, columns]), 1)
    } else {
        let axis = axis_of(call.int_or("axis", -1), shape.len())?;
        (x, axis)
    };
    let y = match call.node.op.as_str() {
        "Softmax" => x.map(|t| Dispatch::softmax(t, axis)),
        "LogSoftmax" => x.map(|t| Dispatch::log_softmax(t, axis)),
        _ => {
            let n = x.shape()[axis];
            let (settings, of_x) = (call.device.settings(), x.shape().to_vec());
            let best = Dispatch::float_argmax(x.into_inner(), axis, settings.int_dtype);
            let mut numbers = vec![1; of_x.len()];
            numbers[axis] = n;
            // The number of each entry, equal to that of the largest.
            use burn::backend::ops::{BoolTensorOps, IntTensorOps};
            let best = Dispatch::int_into_float(best, settings.float_dtype);
            #[expect(clippy::cast_precision_loss, reason = "numbers of entries")]
            let own = Tensor::new((0..n).map(|i| i as f32).collect(), numbers, call.device).expand(&of_x)?.into_inner();
            let best = Dispatch::float_expand(best, super::tensor::lengths(&of_x));
            let mask = Dispatch::float_equal(own, best, settings.bool_dtype);
            Tensor::from_inner(Dispatch::bool_into_float(mask, settings.float_dtype), of_x)
        }
    };
    Ok(vec![y.reshape(shape).into()])
}

pub(super) fn arg(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let axis = axis_of(call.int_or("axis", 0), value.shape().len())?;
    let finds_largest = call.node.op == "ArgMax";
    let last = call.int_or("select_last_index", 0) != 0;
    let best = |lane: &mut dyn Iterator<Item = f64>| {
        let mut found: Option<(usize, f64)> = None;
        for (i, v) in lane.enumerate() {
            let better = found
                .is_none_or(|(_, best)| if finds_largest { v > best } else { v < best } || last && v.total_cmp(&best) == Ordering::Equal);
            if better {
                found = Some((i, v));
            }
        }
        found.map_or(0, |(i, _)| i64::try_from(i).unwrap_or(0))
    };
    let keeps = call.int_or("keepdims", 1) != 0;
    let reduced = |a: ArrayD<i64>| if keeps { a.insert_axis(Axis(axis)) } else { a };
    Ok(vec![match value {
        Value::Float(f) if !last => {
            let mut shape = f.tensor.shape().to_vec();
            let int = call.device.settings().int_dtype;
            let inner = f.tensor.into_inner();
            let found = if finds_largest { Dispatch::float_argmax(inner, axis, int) } else { Dispatch::float_argmin(inner, axis, int) };
            if keeps {
                shape[axis] = 1;
            } else {
                shape.remove(axis);
            }
            Made::Int(found, shape)
        }
        Value::Float(super::value::Float { host: Some(a), .. }) => {
            reduced(a.map_axis(Axis(axis), |lane| best(&mut lane.iter().map(|v| f64::from(*v))))).into()
        }
        #[expect(clippy::cast_precision_loss, reason = "order of indices")]
        Value::Int(a) => reduced(a.map_axis(Axis(axis), |lane| best(&mut lane.iter().map(|v| *v as f64)))).into(),
        _ => return Err("booleans have no largest".into()),
    }])
}

pub(super) fn top_k(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let rank = value.shape().len();
    let axis = axis_of(call.int_or("axis", -1), rank)?;
    let k = match call.list_or_input("k", 1)? {
        Some(k) => k.first().copied(),
        None => call.int("k"),
    };
    let k = usize::try_from(k.ok_or("k is missing")?).ok().ok_or("k is negative")?;
    let n = value.shape()[axis];
    if k > n {
        return Err(format!("the {k} largest of {n} values"));
    }
    let finds_largest = call.int_or("largest", 1) != 0;
    let order = |lane: &[f64]| {
        let mut order: Vec<usize> = (0..lane.len()).collect();
        order.sort_by(|a, b| if finds_largest { lane[*b].total_cmp(&lane[*a]) } else { lane[*a].total_cmp(&lane[*b]) });
        order.truncate(k);
        order
    };
    let mut shape = value.shape().to_vec();
    shape[axis] = k;
    let mut indices = ArrayD::<i64>::zeros(IxDyn(&shape));
    macro_rules! sorted {
        ($a:expr, $zero:expr, $f:expr) => {{
            let mut out = ArrayD::from_elem(IxDyn(&shape), $zero);
            for ((lane, mut found), mut places) in
                $a.lanes(Axis(axis)).into_iter().zip(out.lanes_mut(Axis(axis))).zip(indices.lanes_mut(Axis(axis)))
            {
                let values: Vec<f64> = lane.iter().map($f).collect();
                for (j, i) in order(&values).into_iter().enumerate() {
                    found[j] = lane[i];
                    places[j] = i64::try_from(i).unwrap_or(0);
                }
            }
            out
        }};
    }
    #[expect(clippy::cast_precision_loss, reason = "order only")]
    let values: Made = match value {
        Value::Float(f) => with_copy(sorted!(f.host.ok_or("the values are not on the host")?, 0.0f32, |v: &f32| f64::from(*v)), call),
        Value::Int(a) => sorted!(a, 0i64, |v: &i64| *v as f64).into(),
        Value::Bool(_) => return Err("booleans have no order".into()),
    };
    Ok(vec![values, indices.into()])
}

pub(super) fn cumulative_sum(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let axis = axis_of(call.ints(1)?.first().copied().ok_or("the axis is missing")?, value.shape().len())?;
    let (exclusive, reverse) = (call.int_or("exclusive", 0) != 0, call.int_or("reverse", 0) != 0);
    macro_rules! summed {
        ($a:expr, $zero:expr) => {{
            let mut out = $a.clone();
            for mut lane in out.lanes_mut(Axis(axis)) {
                let n = lane.len();
                let mut sum = $zero;
                for i in 0..n {
                    let at = if reverse { n - 1 - i } else { i };
                    let own = lane[at];
                    lane[at] = if exclusive { sum } else { sum + own };
                    sum += own;
                }
            }
            out
        }};
    }
    Ok(vec![match value {
        Value::Float(f) => with_copy(summed!((*f.host.ok_or("the values are not on the host")?), 0.0f32), call),
        Value::Int(a) => summed!((*a), 0i64).into(),
        Value::Bool(_) => return Err("booleans are not summed".into()),
    }])
}
