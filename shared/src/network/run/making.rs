//! Operations that make values from numbers: ranges, fills, codes.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::elementwise::with_copy;
use super::tensor::{Problem, Tensor};
use super::value::{Call, Float, Made, Value, array, axis_of, checked_shape};
use crate::network::{Attribute, Constant};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

pub(super) fn constant(call: &mut Call<'_>) -> Result {
    let (node, device) = (call.node, call.device);
    let found = node.attributes.get("value");
    match found {
        Some(Attribute::Constant(constant)) => Ok(vec![Value::from_constant(constant, device).into()]),
        _ => Err("it holds no array of numbers".into()),
    }
}

pub(super) fn constant_of_shape(call: &mut Call<'_>) -> Result {
    let shape = checked_shape(&call.ints(0)?)?;
    Ok(vec![match call.node.attributes.get("value") {
        Some(Attribute::Constant(Constant::Int(a))) => ArrayD::from_elem(IxDyn(&shape), a.first().copied().unwrap_or(0)).into(),
        Some(Attribute::Constant(Constant::Bool(a))) => ArrayD::from_elem(IxDyn(&shape), a.first().copied().unwrap_or(false)).into(),
        Some(Attribute::Constant(Constant::Float(a))) => Tensor::full(a.first().copied().unwrap_or(0.0), shape, call.device).into(),
        _ => Tensor::full(0.0, shape, call.device).into(),
    }])
}

pub(super) fn range(call: &mut Call<'_>) -> Result {
    let (start, limit, delta) = (call.value(0)?, call.value(1)?, call.value(2)?);
    Ok(vec![match (start, limit, delta) {
        (Value::Int(start), Value::Int(limit), Value::Int(delta)) => {
            let of = |a: &ArrayD<i64>| a.first().copied().ok_or_else(|| "a bound is missing".to_string());
            let (start, limit, delta) = (of(&start)?, of(&limit)?, of(&delta)?);
            if delta == 0 {
                return Err("a step of 0".into());
            }
            let n =
                limit.saturating_sub(start).div_euclid(delta) + i64::from(limit.saturating_sub(start).rem_euclid(delta) != 0 && delta > 0);
            // Downwards div_euclid rounds up already.
            let n = checked_shape(&[n.max(0)])?[0];
            Value::ints(
                (0..n)
                    .scan(start, |at, _| {
                        let now = *at;
                        *at = at.saturating_add(delta);
                        Some(now)
                    })
                    .collect(),
            )
            .into()
        }
        (
            Value::Float(Float { host: Some(start), .. }),
            Value::Float(Float { host: Some(limit), .. }),
            Value::Float(Float { host: Some(delta), .. }),
        ) => {
            let of = |a: &ArrayD<f32>| a.first().copied().ok_or_else(|| "a bound is missing".to_string());
            let (start, limit, delta) = (of(&start)?, of(&limit)?, of(&delta)?);
            #[expect(clippy::cast_possible_truncation, reason = "checked below")]
            let n = ((f64::from(limit) - f64::from(start)) / f64::from(delta)).ceil().max(0.0) as i64;
            let n = checked_shape(&[n])?[0];
            #[expect(clippy::cast_precision_loss, reason = "numbers of steps")]
            with_copy(array(&[n], (0..n).map(|i| start + delta * i as f32).collect())?, call)
        }
        _ => return Err("start, limit and step are of different types".into()),
    }])
}

pub(super) fn one_hot(call: &mut Call<'_>) -> Result {
    let indices = match call.value(0)? {
        Value::Int(a) => (*a).clone(),
        #[expect(clippy::cast_possible_truncation, reason = "indices that are stored as floats")]
        Value::Float(Float { host: Some(a), .. }) => a.mapv(|v| v as i64),
        _ => return Err("the indices are no numbers".into()),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a number of classes")]
    let depth = call.number(1)? as i64;
    let n = checked_shape(&[depth])?[0];
    let rank = indices.ndim() + 1;
    let axis = axis_of(call.int_or("axis", -1), rank)?;
    let mut shape = indices.shape().to_vec();
    shape.insert(axis, n);
    let on = |at: &IxDyn| {
        let mut own: Vec<usize> = (0..rank).map(|i| at[i]).collect();
        let class = own.remove(axis);
        let index = indices[IxDyn(&own)];
        (if index < 0 { index + depth } else { index }) == i64::try_from(class).unwrap_or(-1)
    };
    Ok(vec![match call.value(2)? {
        Value::Float(Float { host: Some(values), .. }) if values.len() == 2 => {
            let values: Vec<f32> = values.iter().copied().collect();
            with_copy(ArrayD::from_shape_fn(IxDyn(&shape), |at| values[usize::from(on(&at))]), call)
        }
        Value::Int(values) if values.len() == 2 => {
            let values: Vec<i64> = values.iter().copied().collect();
            ArrayD::from_shape_fn(IxDyn(&shape), |at| values[usize::from(on(&at))]).into()
        }
        _ => return Err("the two values for off and on are missing".into()),
    }])
}

pub(super) fn eye_like(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let k = call.int_or("k", 0);
    let is_one = |at: &IxDyn| i64::try_from(at[1]).unwrap_or(0) - i64::try_from(at[0]).unwrap_or(0) == k;
    if value.shape().len() != 2 {
        return Err("only matrices have a diagonal".into());
    }
    let shape = IxDyn(value.shape());
    let floats = call.int("dtype").map_or(matches!(value, Value::Float(_)), |to| [1, 10, 11, 16].contains(&to));
    Ok(vec![if floats {
        with_copy(ArrayD::from_shape_fn(shape, |at| if is_one(&at) { 1.0 } else { 0.0 }), call)
    } else {
        ArrayD::from_shape_fn(shape, |at| i64::from(is_one(&at))).into()
    }])
}

/// Places of what is not zero: axes x values.
pub(super) fn non_zero(call: &mut Call<'_>) -> Result {
    let mask: ArrayD<bool> = match call.value(0)? {
        Value::Float(Float { host: Some(a), .. }) => a.mapv(|v| v != 0.0),
        Value::Float(_) => return Err("the values are not on the host".into()),
        Value::Int(a) => a.mapv(|v| v != 0),
        Value::Bool(a) => Arc::unwrap_or_clone(a),
    };
    let rank = mask.ndim();
    let found: Vec<IxDyn> = mask.indexed_iter().filter(|(_, v)| **v).map(|(at, _)| at).collect();
    let values = (0..rank).flat_map(|axis| found.iter().map(move |at| i64::try_from(at[axis]).unwrap_or(0))).collect();
    Ok(vec![array(&[rank, found.len()], values)?.into()])
}
