//! Operations that only move values: each value of the result comes from one place of the input.
//!
//! What happens often has its own way on the device (views, slices, concatenation); for the rest the places are worked out on the host, once, and the values
//! are taken from them wherever they are.

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn, Slice};

use super::tensor::{Problem, Tensor, broadcast_shape};
use super::value::{Call, Float, Made, Value, array, axes_of, axis_of, checked_shape};
use crate::dataset::shape_text;

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// The number of each value, in row-major order.
pub(super) fn places(shape: &[usize]) -> ArrayD<usize> {
    let n = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..n).collect()).expect("as many numbers as the shape has")
}

/// Applies what happens to places; floats go their own way.
pub(super) fn moved(
    value: Value,
    call: &Call<'_>,
    float: Option<&dyn Fn(Tensor) -> Result<Tensor>>,
    host: impl Fn(ArrayD<usize>) -> Result<ArrayD<usize>>,
) -> Result<Value> {
    Ok(match value {
        Value::Float(Float { tensor, host: copy }) => {
            // A copy on the host stays with its value: bounds and scales are computed from such.
            let copy = copy.map(|a| Ok::<_, Problem>(Arc::new(taken(&a, &host(places(a.shape()))?)))).transpose()?;
            let tensor = match float {
                Some(float) => float(tensor)?,
                None => {
                    let places = host(places(tensor.shape()))?;
                    let shape = places.shape().to_vec();
                    tensor.take(&places.into_iter().collect::<Vec<_>>(), shape, call.device)
                }
            };
            Value::Float(Float { tensor, host: copy })
        }
        Value::Int(a) => Value::Int(Arc::new(taken(&a, &host(places(a.shape()))?))),
        Value::Bool(a) => Value::Bool(Arc::new(taken(&a, &host(places(a.shape()))?))),
    })
}

fn taken<T: Copy>(a: &ArrayD<T>, places: &ArrayD<usize>) -> ArrayD<T> {
    let flat: Vec<T> = a.iter().copied().collect();
    places.mapv(|place| flat[place])
}

pub(super) fn one(value: Value) -> Result {
    Ok(vec![value.into()])
}

/// Entries along an axis by their numbers.
pub(super) fn pick(value: Value, axis: usize, indices: &[usize], call: &Call<'_>) -> Result<Value> {
    let float = |t: Tensor| {
        let step = indices.get(1).map_or(Some(1), |second| second.checked_sub(indices[0])).filter(|step| *step > 0);
        Ok(match (indices.first(), step) {
            (Some(first), Some(step)) if indices.iter().enumerate().all(|(i, index)| *index == first + i * step) => {
                let end = (first + (indices.len() - 1) * step + 1).min(t.shape()[axis]);
                t.slice(axis, *first, end, step)
            }
            _ => t.select(axis, indices, call.device),
        })
    };
    if indices.is_empty() {
        let mut shape = value.shape().to_vec();
        shape[axis] = 0;
        return empty(&value, shape, call);
    }
    moved(value, call, Some(&float), |p| Ok(p.select(Axis(axis), indices)))
}

fn empty(like: &Value, shape: Vec<usize>, call: &Call<'_>) -> Result<Value> {
    Ok(match like {
        Value::Float(_) => Value::Float(Float {
            tensor: Tensor::new(Vec::new(), shape.clone(), call.device),
            host: Some(Arc::new(array(&shape, Vec::new())?)),
        }),
        Value::Int(_) => Value::Int(Arc::new(array(&shape, Vec::new())?)),
        Value::Bool(_) => Value::Bool(Arc::new(array(&shape, Vec::new())?)),
    })
}

pub(super) fn reshaped(value: Value, shape: Vec<usize>, call: &Call<'_>) -> Result<Value> {
    let (from, n) = (value.shape().to_vec(), value.shape().iter().product::<usize>());
    if shape.iter().product::<usize>() != n {
        return Err(format!(
            "a value of shape {} has {n} numbers, too many or too few for the shape {}",
            shape_text(&from),
            shape_text(&shape)
        ));
    }
    let host = |p: ArrayD<usize>| array(&shape, p.into_iter().collect());
    moved(value, call, Some(&|t: Tensor| Ok(t.reshape(shape.clone()))), host)
}

pub(super) fn identity(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    if !call.makes(1) {
        return one(value);
    }
    // Dropout: the mask says that everything is kept.
    let mask = ArrayD::from_elem(IxDyn(value.shape()), true);
    Ok(vec![value.into(), mask.into()])
}

pub(super) fn shape(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let shape = value.shape();
    let n = i64::try_from(shape.len()).unwrap_or(0);
    let bound = |v: i64| usize::try_from(if v < 0 { v + n } else { v }.clamp(0, n)).unwrap_or(0);
    let (start, end) = (bound(call.int_or("start", 0)), bound(call.int_or("end", n)));
    let wanted = shape.get(start..end.max(start)).unwrap_or(&[]);
    one(Value::ints(wanted.iter().map(|n| i64::try_from(*n).unwrap_or(i64::MAX)).collect()))
}

pub(super) fn size(call: &mut Call<'_>) -> Result {
    let n: usize = call.value(0)?.shape().iter().product();
    Ok(vec![ArrayD::from_elem(IxDyn(&[]), i64::try_from(n).unwrap_or(i64::MAX)).into()])
}

pub(super) fn reshape(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let wanted = call.list_or_input("shape", 1)?.ok_or("the shape is missing")?;
    let keeps_zero = call.int_or("allowzero", 0) != 0;
    let from = value.shape().to_vec();
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (i, n) in wanted.iter().enumerate() {
        match *n {
            -1 if open.is_none() => {
                open = Some(i);
                shape.push(1);
            }
            0 if !keeps_zero => {
                shape.push(*from.get(i).ok_or_else(|| format!("axis {i} of shape {} is to be kept but is not there", shape_text(&from)))?);
            }
            n => shape.push(usize::try_from(n).ok().ok_or_else(|| format!("the shape {wanted:?} is not possible"))?),
        }
    }
    if let Some(i) = open {
        let (n, rest) = (from.iter().product::<usize>(), shape.iter().product::<usize>());
        if rest == 0 || n % rest != 0 {
            return Err(format!("a value of shape {} cannot take the shape {wanted:?}", shape_text(&from)));
        }
        shape[i] = n / rest;
    }
    one(reshaped(value, shape, call)?)
}

pub(super) fn flatten(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let rank = value.shape().len();
    let axis = call.int_or("axis", 1);
    let axis = if axis == i64::try_from(rank).unwrap_or(0) { rank } else { axis_of(axis, rank)? };
    let (before, after) = value.shape().split_at(axis);
    let shape = vec![before.iter().product(), after.iter().product()];
    one(reshaped(value, shape, call)?)
}

pub(super) fn squeeze(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let from = value.shape().to_vec();
    let axes = match call.list_or_input("axes", 1)? {
        Some(axes) => axes_of(&axes, from.len())?,
        None => (0..from.len()).filter(|i| from[*i] == 1).collect(),
    };
    if let Some(axis) = axes.iter().find(|axis| from[**axis] != 1) {
        return Err(format!("axis {axis} of shape {} is to be dropped but has not the length 1", shape_text(&from)));
    }
    let shape = from.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, n)| *n).collect();
    one(reshaped(value, shape, call)?)
}

pub(super) fn unsqueeze(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let axes = call.list_or_input("axes", 1)?.ok_or("the axes are missing")?;
    let rank = value.shape().len() + axes.len();
    let axes = axes_of(&axes, rank)?;
    let mut old = value.shape().iter();
    let shape: Vec<usize> = (0..rank).map(|i| if axes.contains(&i) { 1 } else { old.next().copied().unwrap_or(1) }).collect();
    one(reshaped(value, shape, call)?)
}

pub(super) fn transpose(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let rank = value.shape().len();
    let axes = match call.int_list("perm") {
        Some(axes) => axes_of(&axes, rank)?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(format!("perm {axes:?} does not name each of {rank} axes once"));
    }
    one(moved(value, call, Some(&|t: Tensor| Ok(t.permute(&axes))), |p| Ok(p.permuted_axes(IxDyn(&axes))))?)
}

pub(super) fn expand(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let wanted = checked_shape(&call.ints(1)?)?;
    let shape = broadcast_shape(value.shape(), &wanted)?;
    let host = |p: ArrayD<usize>| p.broadcast(IxDyn(&shape)).map(|p| p.to_owned()).ok_or_else(|| "shapes do not fit".into());
    one(moved(value, call, Some(&|t: Tensor| t.expand(&shape)), host)?)
}

pub(super) fn tile(call: &mut Call<'_>) -> Result {
    let mut value = call.value(0)?;
    let repeats = checked_shape(&call.ints(1)?)?;
    if repeats.len() != value.shape().len() {
        return Err(format!("{} repeats for a value of shape {}", repeats.len(), shape_text(value.shape())));
    }
    for (axis, times) in repeats.into_iter().enumerate() {
        let n = value.shape()[axis];
        if times != 1 {
            value = pick(value, axis, &(0..n * times).map(|i| i % n).collect::<Vec<_>>(), call)?;
        }
    }
    one(value)
}

pub(super) fn concat(call: &mut Call<'_>) -> Result {
    let values: Vec<Value> = (0..call.n_inputs()).map(|i| call.value(i)).collect::<Result<_>>()?;
    let first = values.first().ok_or("there is nothing to join")?;
    let axis = axis_of(call.int("axis").ok_or("the axis is missing")?, first.shape().len())?;
    let fits =
        |v: &Value| v.shape().len() == first.shape().len() && (0..v.shape().len()).all(|i| i == axis || v.shape()[i] == first.shape()[i]);
    if let Some(other) = values.iter().find(|v| !fits(v)) {
        return Err(format!(
            "values of shapes {} and {} cannot be joined along axis {axis}",
            shape_text(first.shape()),
            shape_text(other.shape())
        ));
    }
    // Nothing adds nothing; devices dislike empty values.
    let some: Vec<Value> = values.iter().filter(|v| !v.shape().contains(&0)).cloned().collect();
    let values = if some.is_empty() { values } else { some };
    if values.len() == 1 {
        return Ok(values.into_iter().map(Made::from).collect());
    }
    let mixed = || "floating-point numbers, integers and booleans cannot be joined".to_string();
    macro_rules! joined {
        ($kind:path) => {{
            let arrays: Vec<_> =
                values.iter().map(|v| if let $kind(a) = v { Ok(a.view()) } else { Err(mixed()) }).collect::<Result<_>>()?;
            ndarray::concatenate(Axis(axis), &arrays).map_err(|e| e.to_string())?.into()
        }};
    }
    let joined: Made = match values[0] {
        Value::Int(_) => joined!(Value::Int),
        Value::Bool(_) => joined!(Value::Bool),
        Value::Float(_) => {
            let of = |v: Value| if let Value::Float(f) = v { Ok(f.tensor) } else { Err(mixed()) };
            Tensor::concat(values.into_iter().map(of).collect::<Result<_>>()?, axis).ok_or("there is nothing to join")?.into()
        }
    };
    Ok(vec![joined])
}

pub(super) fn split(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let axis = axis_of(call.int_or("axis", 0), value.shape().len())?;
    let n = value.shape()[axis];
    let sizes = match call.list_or_input("split", 1)? {
        Some(sizes) => checked_shape(&sizes)?,
        None => {
            let parts = call.node.outputs.len().max(1);
            let each = n.div_ceil(parts);
            (0..parts).map(|i| each.min(n.saturating_sub(i * each))).collect()
        }
    };
    if sizes.iter().sum::<usize>() != n {
        return Err(format!("parts of lengths {sizes:?} do not make an axis of length {n}"));
    }
    let mut start = 0;
    let part = |size: usize| {
        let indices: Vec<usize> = (start..start + size).collect();
        start += size;
        Ok(pick(value.clone(), axis, &indices, call)?.into())
    };
    sizes.into_iter().map(part).collect()
}

pub(super) fn slice(call: &mut Call<'_>) -> Result {
    let mut value = call.value(0)?;
    let rank = value.shape().len();
    let starts = call.list_or_input("starts", 1)?.ok_or("the starts are missing")?;
    let ends = call.list_or_input("ends", 2)?.ok_or("the ends are missing")?;
    let axes = match call.list_or_input("axes", 3)? {
        Some(axes) => axes_of(&axes, rank)?,
        None => (0..starts.len()).collect(),
    };
    let steps = if call.has(4) { call.ints(4)? } else { vec![1; starts.len()] };
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() || starts.len() > rank {
        return Err("starts, ends, axes and steps are not equally many".into());
    }
    for (((axis, start), end), step) in axes.into_iter().zip(starts).zip(ends).zip(steps) {
        let n = i64::try_from(value.shape()[axis]).unwrap_or(i64::MAX);
        let place = |v: i64, least: i64, most: i64| if v < 0 { v.saturating_add(n) } else { v }.clamp(least, most);
        let indices: Vec<usize> = match step {
            0 => return Err("a step of 0".into()),
            1.. => (place(start, 0, n)..place(end, 0, n))
                .step_by(usize::try_from(step).unwrap_or(usize::MAX))
                .filter_map(|i| usize::try_from(i).ok())
                .collect(),
            _ => {
                let (start, end) = (place(start, -1, n - 1), place(end, -1, n - 1));
                std::iter::successors(Some(start), |i| i.checked_add(step))
                    .take_while(|i| *i > end)
                    .filter_map(|i| usize::try_from(i).ok())
                    .collect()
            }
        };
        if indices.len() != value.shape()[axis] || step < 0 {
            value = pick(value, axis, &indices, call)?;
        }
    }
    one(value)
}

pub(super) fn pad(call: &mut Call<'_>) -> Result {
    let mut value = call.value(0)?;
    let rank = value.shape().len();
    let pads = call.list_or_input("pads", 1)?.ok_or("the pads are missing")?;
    let fill = if call.has(2) { call.number(2)? } else { call.float_or("value", 0.0) };
    let axes = if call.has(3) { axes_of(&call.ints(3)?, rank)? } else { (0..rank).collect() };
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    checked_shape(&pads.iter().map(|p| p.abs()).filter(|p| *p > 0).collect::<Vec<_>>())?;
    let mut constant = vec![(0, 0); rank];
    for (i, axis) in axes.iter().enumerate() {
        let (before, after) = (pads[i], pads[i + axes.len()]);
        let n = i64::try_from(value.shape()[*axis]).unwrap_or(i64::MAX);
        let mode = call.text("mode").unwrap_or("constant");
        let inside = |i: i64| match mode {
            "edge" => i.clamp(0, n - 1),
            "wrap" => i.rem_euclid(n.max(1)),
            "reflect" => {
                let period = (2 * (n - 1)).max(1);
                let i = i.rem_euclid(period);
                if i < n { i } else { period - i }
            }
            _ => i,
        };
        // Negative pads cut off.
        let range = if mode == "constant" { -before.min(0)..n + after.min(0) } else { -before..n + after };
        let indices: Vec<usize> = range.map(inside).filter_map(|i| usize::try_from(i).ok()).collect();
        if mode == "constant" {
            constant[*axis] = (usize::try_from(before).unwrap_or(0), usize::try_from(after).unwrap_or(0));
        } else if !["edge", "wrap", "reflect"].contains(&mode) {
            return Err(format!("the mode {mode} is not known"));
        }
        value = pick(value, *axis, &indices, call)?;
    }
    if constant.iter().all(|pad| *pad == (0, 0)) {
        return one(value);
    }
    #[expect(clippy::cast_possible_truncation, reason = "the fill has the type of the value")]
    one(match value {
        Value::Float(f) => Value::Float(Float { tensor: f.tensor.pad(&constant, fill as f32), host: None }),
        Value::Int(a) => Value::Int(Arc::new(padded(&a, &constant, fill as i64))),
        Value::Bool(a) => Value::Bool(Arc::new(padded(&a, &constant, fill != 0.0))),
    })
}

fn padded<T: Copy>(a: &ArrayD<T>, pads: &[(usize, usize)], fill: T) -> ArrayD<T> {
    let shape: Vec<usize> = a.shape().iter().zip(pads).map(|(n, (before, after))| n + before + after).collect();
    let mut out = ArrayD::from_elem(IxDyn(&shape), fill);
    out.slice_each_axis_mut(|axis| {
        let (before, n) = (pads[axis.axis.index()].0, a.shape()[axis.axis.index()]);
        Slice::from(before..before + n)
    })
    .assign(a);
    out
}

pub(super) fn trilu(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let k = if call.has(1) { call.ints(1)?.first().copied().unwrap_or(0) } else { 0 };
    let keeps_upper = call.int_or("upper", 1) != 0;
    let rank = value.shape().len();
    if rank < 2 {
        return Err("a value with fewer than two axes has no triangle".into());
    }
    let kept = |row: usize, column: usize| {
        let offset = i64::try_from(column).unwrap_or(0) - i64::try_from(row).unwrap_or(0);
        if keeps_upper { offset >= k } else { offset <= k }
    };
    let (rows, columns) = (value.shape()[rank - 2], value.shape()[rank - 1]);
    let mask = |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |at| kept(at[rank - 2], at[rank - 1]));
    one(match value {
        Value::Float(f) => {
            let mask: Vec<f32> =
                (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| if kept(i, j) { 1.0 } else { 0.0 }).collect();
            Value::Float(Float { tensor: f.tensor.mul(Tensor::new(mask, vec![rows, columns], call.device))?, host: None })
        }
        Value::Int(a) => {
            let mask = mask(a.shape());
            Value::Int(Arc::new(ndarray::Zip::from(&*a).and(&mask).map_collect(|v, kept| if *kept { *v } else { 0 })))
        }
        Value::Bool(a) => {
            let mask = mask(a.shape());
            Value::Bool(Arc::new(ndarray::Zip::from(&*a).and(&mask).map_collect(|v, kept| *v && *kept)))
        }
    })
}

/// Channels to pixels.
pub(super) fn depth_to_space(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let block = usize::try_from(call.int("blocksize").ok_or("the block size is missing")?).ok().ok_or("a negative block size")?;
    let &[n, c, h, w] = value.shape() else { return Err(format!("a value of shape {} is no image", shape_text(value.shape()))) };
    if block == 0 || c % (block * block) != 0 {
        return Err(format!("{c} channels cannot be spread over blocks of {block} x {block}"));
    }
    let depth = c / (block * block);
    let (split, axes): (_, [usize; 6]) = match call.text("mode") {
        Some("CRD") => (vec![n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        _ => (vec![n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
    };
    one(regrouped(value, split, &axes, vec![n, depth, h * block, w * block], call)?)
}

/// Pixels to channels.
pub(super) fn space_to_depth(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let block = usize::try_from(call.int("blocksize").ok_or("the block size is missing")?).ok().ok_or("a negative block size")?;
    let &[n, c, h, w] = value.shape() else { return Err(format!("a value of shape {} is no image", shape_text(value.shape()))) };
    if block == 0 || h % block != 0 || w % block != 0 {
        return Err(format!("an image of {h} x {w} cannot be cut into blocks of {block} x {block}"));
    }
    let split = vec![n, c, h / block, block, w / block, block];
    one(regrouped(value, split, &[0, 3, 5, 1, 2, 4], vec![n, c * block * block, h / block, w / block], call)?)
}

fn regrouped(value: Value, split: Vec<usize>, axes: &[usize], shape: Vec<usize>, call: &Call<'_>) -> Result<Value> {
    let split = reshaped(value, split, call)?;
    let turned = moved(split, call, Some(&|t: Tensor| Ok(t.permute(axes))), |p| Ok(p.permuted_axes(IxDyn(axes))))?;
    reshaped(turned, shape, call)
}

pub(super) fn reverse_sequence(call: &mut Call<'_>) -> Result {
    let (value, lengths) = (call.value(0)?, call.ints(1)?);
    let rank = value.shape().len();
    let (batch, time) = (axis_of(call.int_or("batch_axis", 1), rank)?, axis_of(call.int_or("time_axis", 0), rank)?);
    if lengths.len() != value.shape()[batch] {
        return Err(format!("{} lengths for {} sequences", lengths.len(), value.shape()[batch]));
    }
    let host = |p: ArrayD<usize>| {
        Ok(ArrayD::from_shape_fn(p.raw_dim(), |mut at| {
            let length = usize::try_from(lengths[at[batch]]).unwrap_or(0).min(p.shape()[time]);
            if at[time] < length {
                at[time] = length - 1 - at[time];
            }
            p[at]
        }))
    };
    one(moved(value, call, None, host)?)
}
