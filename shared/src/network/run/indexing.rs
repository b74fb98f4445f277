//! Operations that move values to or from places that integers name.

use std::sync::Arc;

use burn::backend::Dispatch;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::ops::IndexingUpdateOp;
use ndarray::{ArrayD, Axis, IxDyn};

use super::moving::{moved, one, pick, places, reshaped};
use super::tensor::{Problem, Tensor, on_device};
use super::value::{Call, Float, Made, Value, array, axis_of};
use crate::dataset::shape_text;

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

pub(super) fn gather(call: &mut Call<'_>) -> Result {
    let (value, indices) = (call.value(0)?, call.int_array(1)?);
    let axis = axis_of(call.int_or("axis", 0), value.shape().len())?;
    let found = numbers(indices.iter(), value.shape()[axis])?;
    let mut shape = value.shape().to_vec();
    shape.splice(axis..=axis, indices.shape().iter().copied());
    let picked = pick(value, axis, &found, call)?;
    one(reshaped(picked, shape, call)?)
}

/// Numbers of entries, counted from the end when negative.
fn numbers<'a>(indices: impl Iterator<Item = &'a i64>, n: usize) -> Result<Vec<usize>> {
    let signed = i64::try_from(n).unwrap_or(i64::MAX);
    let of = |i: &i64| usize::try_from(if *i < 0 { i + signed } else { *i }).ok().filter(|i| *i < n);
    indices.map(|i| of(i).ok_or_else(|| format!("entry {i} of an axis of length {n}"))).collect()
}

pub(super) fn gather_elements(call: &mut Call<'_>) -> Result {
    let (value, indices) = (call.value(0)?, call.int_array(1)?);
    let axis = axis_of(call.int_or("axis", 0), value.shape().len())?;
    if indices.ndim() != value.shape().len() || (0..indices.ndim()).any(|i| i != axis && indices.shape()[i] > value.shape()[i]) {
        return Err(format!("indices of shape {} for a value of shape {}", shape_text(indices.shape()), shape_text(value.shape())));
    }
    let found = array(indices.shape(), numbers(indices.iter(), value.shape()[axis])?)?;
    let host = |p: ArrayD<usize>| {
        Ok(ArrayD::from_shape_fn(found.raw_dim(), |mut at| {
            let entry = found[&at];
            at[axis] = entry;
            p[&at]
        }))
    };
    one(moved(value, call, None, host)?)
}

pub(super) fn gather_nd(call: &mut Call<'_>) -> Result {
    let (value, indices) = (call.value(0)?, call.int_array(1)?);
    let batch = usize::try_from(call.int_or("batch_dims", 0)).ok().ok_or("batch_dims is negative")?;
    let shape = value.shape().to_vec();
    let depth = *indices.shape().last().ok_or("the indices have no axis")?;
    if batch + depth > shape.len() || indices.ndim() <= batch || indices.shape()[..batch] != shape[..batch] {
        return Err(format!("indices of shape {} for a value of shape {}", shape_text(indices.shape()), shape_text(&shape)));
    }
    let mut out = indices.shape()[..indices.ndim() - 1].to_vec();
    out.extend(&shape[batch + depth..]);
    let rows: usize = indices.shape()[batch..indices.ndim() - 1].iter().product();
    let flat: Vec<i64> = indices.iter().copied().collect();
    let host = |p: ArrayD<usize>| {
        let mut found = Vec::new();
        for (i, entry) in flat.chunks(depth.max(1)).enumerate() {
            let mut at = p.view();
            let mut rest = i / rows.max(1);
            let leading: Vec<usize> = (0..batch)
                .rev()
                .map(|axis| {
                    let k = rest % shape[axis];
                    rest /= shape[axis];
                    k
                })
                .collect();
            for k in leading.into_iter().rev() {
                at = at.index_axis_move(Axis(0), k);
            }
            for (j, k) in entry.iter().enumerate() {
                let k = numbers(std::iter::once(k), shape[batch + j])?[0];
                at = at.index_axis_move(Axis(0), k);
            }
            found.extend(at.iter().copied());
        }
        array(&out, found)
    };
    one(moved(value, call, None, host)?)
}

/// Values of `updates` at `places` of `value`; each place of the result comes from one or the other.
fn scatter(value: Value, updates: Value, targets: &[usize], call: &Call<'_>) -> Result<Value> {
    let shape = value.shape().to_vec();
    let n: usize = shape.iter().product();
    let m: usize = updates.shape().iter().product();
    if targets.len() != m {
        return Err(format!("{} indices for {m} updates", targets.len()));
    }
    let mut from: Vec<usize> = (0..n).collect();
    for (i, target) in targets.iter().enumerate() {
        from[*target] = n + i;
    }
    let from = array(&shape, from)?;
    macro_rules! host {
        ($kind:path, $a:ident, $b:ident) => {{
            let both: Vec<_> = $a.iter().chain($b.iter()).copied().collect();
            $kind(Arc::new(from.mapv(|place| both[place])))
        }};
    }
    Ok(match (value, updates) {
        (Value::Float(a), Value::Float(b)) => {
            let both = Tensor::concat(vec![a.tensor.reshape(vec![n]), b.tensor.reshape(vec![m])], 0).ok_or("there is nothing to join")?;
            let tensor = both.take(&from.into_iter().collect::<Vec<_>>(), shape, call.device);
            Value::Float(Float { tensor, host: None })
        }
        (Value::Int(a), Value::Int(b)) => host!(Value::Int, a, b),
        (Value::Bool(a), Value::Bool(b)) => host!(Value::Bool, a, b),
        _ => return Err("the updates are of another type than the value".into()),
    })
}

/// Whether updates are added to what is there; else they replace it.
fn adds(call: &Call<'_>) -> Result<bool> {
    match call.text("reduction") {
        None | Some("none") => Ok(false),
        Some("add") => Ok(true),
        Some(other) => Err(format!("the reduction {other} is not done, only replacing and adding")),
    }
}

/// Adds updates at places, which may be the same.
fn scatter_add(value: Value, updates: Value, targets: &[usize], call: &Call<'_>) -> Result<Value> {
    Ok(match (value, updates) {
        (Value::Float(a), Value::Float(b)) => {
            let (shape, n, m) = (a.tensor.shape().to_vec(), a.tensor.len(), targets.len());
            let (flat, more) = (a.tensor.reshape(vec![n]), b.tensor.reshape(vec![m]));
            let sum =
                Dispatch::float_scatter(0, flat.into_inner(), on_device(targets, call.device), more.into_inner(), IndexingUpdateOp::Add);
            Value::Float(Float { tensor: Tensor::from_inner(sum, vec![n]).reshape(shape), host: None })
        }
        (Value::Int(a), Value::Int(b)) => {
            let mut values: Vec<i64> = a.iter().copied().collect();
            for (target, v) in targets.iter().zip(b.iter()) {
                values[*target] += v;
            }
            Value::Int(Arc::new(array(a.shape(), values)?))
        }
        _ => return Err("the updates are of another type than the value".into()),
    })
}

pub(super) fn scatter_elements(call: &mut Call<'_>) -> Result {
    let adds = adds(call)?;
    let (value, indices, updates) = (call.value(0)?, call.int_array(1)?, call.value(2)?);
    let axis = axis_of(call.int_or("axis", 0), value.shape().len())?;
    if indices.shape() != updates.shape() || (0..indices.ndim()).any(|i| i != axis && indices.shape()[i] > value.shape()[i]) {
        return Err(format!("indices of shape {} for a value of shape {}", shape_text(indices.shape()), shape_text(value.shape())));
    }
    let all = places(value.shape());
    let found = array(indices.shape(), numbers(indices.iter(), value.shape()[axis])?)?;
    let target = |(at, entry): (IxDyn, &usize)| {
        let mut at = at;
        at[axis] = *entry;
        all[at]
    };
    let targets: Vec<usize> = found.indexed_iter().map(target).collect();
    let scatter = if adds { scatter_add } else { scatter };
    one(scatter(value, updates, &targets, call)?)
}

pub(super) fn scatter_nd(call: &mut Call<'_>) -> Result {
    let adds = adds(call)?;
    let (value, indices, updates) = (call.value(0)?, call.int_array(1)?, call.value(2)?);
    let shape = value.shape().to_vec();
    let depth = *indices.shape().last().ok_or("the indices have no axis")?;
    if depth > shape.len() || depth == 0 {
        return Err(format!("indices of shape {} for a value of shape {}", shape_text(indices.shape()), shape_text(&shape)));
    }
    let all = places(&shape);
    let flat: Vec<i64> = indices.iter().copied().collect();
    let mut targets = Vec::new();
    for entry in flat.chunks(depth) {
        let mut at = all.view();
        for (j, k) in entry.iter().enumerate() {
            at = at.index_axis_move(Axis(0), numbers(std::iter::once(k), shape[j])?[0]);
        }
        targets.extend(at.iter().copied());
    }
    let scatter = if adds { scatter_add } else { scatter };
    one(scatter(value, updates, &targets, call)?)
}

pub(super) fn compress(call: &mut Call<'_>) -> Result {
    let (value, condition) = (call.value(0)?, call.bool_array(1)?);
    let n: usize = value.shape().iter().product();
    let (value, axis) = match call.int("axis") {
        Some(axis) => {
            let axis = axis_of(axis, value.shape().len())?;
            (value, axis)
        }
        None => (reshaped(value, vec![n], call)?, 0),
    };
    let length = value.shape()[axis];
    let kept: Vec<usize> = condition.iter().enumerate().filter(|(i, kept)| **kept && *i < length).map(|(i, _)| i).collect();
    one(pick(value, axis, &kept, call)?)
}
