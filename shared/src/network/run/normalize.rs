//! Normalizations.

use burn::backend::Dispatch;
use burn::backend::ops::FloatTensorOps;

use super::tensor::{Problem, Tensor};
use super::value::{Call, Made, axes_of, axis_of};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// Along the second axis.
fn by_channel(t: Tensor, rank: usize) -> Tensor {
    let mut shape = vec![1; rank.max(2)];
    shape[1] = t.len();
    t.reshape(shape)
}

pub(super) fn batch(call: &mut Call<'_>) -> Result {
    if call.int_or("training_mode", 0) != 0 {
        return Err("it is set to training; export the network for inference (model.eval())".into());
    }
    let x = call.tensor(0)?;
    let channels = x.shape().get(1).copied().unwrap_or(1);
    let mut read = |i: usize| {
        let t = call.tensor(i)?;
        if t.len() == channels { Ok(t) } else { Err(format!("{} parameters for {channels} channels", t.len())) }
    };
    let (scale, bias, mean, variance) = (read(1)?, read(2)?, read(3)?, read(4)?);
    let epsilon = call.float_or("epsilon", 1e-5);
    // One product and one sum over the image.
    let factor = scale.div(variance.plus(epsilon).map(Dispatch::float_sqrt))?;
    let shift = bias.sub(mean.mul(factor.clone())?)?;
    let rank = x.rank();
    Ok(vec![x.mul(by_channel(factor, rank))?.add(by_channel(shift, rank))?.into()])
}

/// Rows minus their mean, divided by their standard deviation; with the means and inverse deviations.
fn standardized(rows: Tensor, epsilon: f64) -> Result<(Tensor, Tensor, Tensor)> {
    let mean = rows.clone().mean(1);
    let centered = rows.sub(mean.clone())?;
    let variance = centered.clone().mul(centered.clone())?.mean(1);
    let inverse = variance.plus(epsilon).map(Dispatch::float_sqrt).map(Dispatch::float_recip);
    Ok((centered.mul(inverse.clone())?, mean, inverse))
}

pub(super) fn layer(call: &mut Call<'_>) -> Result {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?, call.optional_tensor(2)?);
    let shape = x.shape().to_vec();
    let axis = axis_of(call.int_or("axis", -1), shape.len())?;
    let epsilon = call.float_or("epsilon", 1e-5);
    let (rows, columns): (usize, usize) = (shape[..axis].iter().product(), shape[axis..].iter().product());
    let whole = scale.len() == columns && bias.as_ref().is_none_or(|b| b.len() == columns);
    if whole && !call.makes(1) && !call.makes(2) {
        let (scale, bias) = (scale.reshape(vec![columns]), bias.map(|b| b.reshape(vec![columns])));
        return Ok(vec![x.reshape(vec![rows, columns]).layer_norm(scale, bias, epsilon).reshape(shape).into()]);
    }
    let (y, mean, inverse) = standardized(x.reshape(vec![rows, columns]), epsilon)?;
    let mut y = y.reshape(shape.clone()).mul(scale)?;
    if let Some(bias) = bias {
        y = y.add(bias)?;
    }
    let mut reduced = shape;
    reduced[axis..].fill(1);
    Ok(vec![y.into(), mean.reshape(reduced.clone()).into(), inverse.reshape(reduced).into()])
}

/// Each channel of each image by itself.
pub(super) fn instance(call: &mut Call<'_>) -> Result {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let shape = x.shape().to_vec();
    if shape.len() < 3 || scale.len() != shape[1] || bias.len() != shape[1] {
        return Err(format!("{} parameters for a value of shape {}", scale.len(), x.text()));
    }
    let (rows, columns) = (shape[0] * shape[1], shape[2..].iter().product());
    let (y, ..) = standardized(x.reshape(vec![rows, columns]), call.float_or("epsilon", 1e-5))?;
    let rank = shape.len();
    Ok(vec![y.reshape(shape).mul(by_channel(scale, rank))?.add(by_channel(bias, rank))?.into()])
}

pub(super) fn group(call: &mut Call<'_>) -> Result {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let shape = x.shape().to_vec();
    let groups =
        usize::try_from(call.int("num_groups").ok_or("the number of groups is missing")?).ok().ok_or("a negative number of groups")?;
    if shape.len() < 2 || groups == 0 || shape[1] % groups != 0 {
        return Err(format!("{groups} groups for a value of shape {}", x.text()));
    }
    let columns = shape[1..].iter().product::<usize>() / groups;
    let (y, ..) = standardized(x.reshape(vec![shape[0] * groups, columns]), call.float_or("epsilon", 1e-5))?;
    let rank = shape.len();
    // Parameters of groups (up to version 20) or of channels.
    let each = |t: Tensor| -> Result<Tensor> {
        let t =
            if t.len() == shape[1] { t } else { t.reshape(vec![groups, 1]).expand(&[groups, shape[1] / groups])?.reshape(vec![shape[1]]) };
        Ok(by_channel(t, rank))
    };
    if scale.len() != shape[1] && scale.len() != groups || bias.len() != scale.len() {
        return Err(format!("{} and {} parameters for {} channels in {groups} groups", scale.len(), bias.len(), shape[1]));
    }
    Ok(vec![y.reshape(shape.clone()).mul(each(scale)?)?.add(each(bias)?)?.into()])
}

/// Over all of some axes, without parameters.
pub(super) fn mean_variance(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let axes = axes_of(&call.int_list("axes").unwrap_or_else(|| vec![0, 2, 3]), x.rank())?;
    let mean = |x: Tensor| axes.iter().fold(x, |x, axis| x.mean(*axis));
    let centered = x.clone().sub(mean(x))?;
    let deviation = mean(centered.clone().mul(centered.clone())?).map(Dispatch::float_sqrt);
    Ok(vec![centered.div(deviation.plus(1e-9))?.into()])
}

pub(super) fn lp(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let axis = axis_of(call.int_or("axis", -1), x.rank())?;
    let norm = match call.int_or("p", 2) {
        1 => x.clone().map(Dispatch::float_abs).sum(axis),
        2 => x.clone().mul(x.clone())?.sum(axis).map(Dispatch::float_sqrt),
        p => return Err(format!("the norm {p} is neither 1 nor 2")),
    };
    // Rows of zeros stay zeros.
    Ok(vec![x.div(norm.map(|t| Dispatch::float_clamp_min(t, f64::from(f32::MIN_POSITIVE).into())))?.into()])
}

/// Local response normalization: by the squares of neighboring channels.
pub(super) fn local_response(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let size = usize::try_from(call.int("size").ok_or("the size is missing")?).ok().filter(|s| *s > 0).ok_or("a size below 1")?;
    let (alpha, beta, bias) = (call.float_or("alpha", 1e-4), call.float_or("beta", 0.75), call.float_or("bias", 1.0));
    let channels = *x.shape().get(1).ok_or("a value without channels")?;
    let mut pads = vec![(0, 0); x.rank()];
    pads[1] = ((size - 1) / 2, size / 2);
    let squares = x.clone().mul(x.clone())?.pad(&pads, 0.0);
    let mut sum = squares.clone().slice(1, 0, channels, 1);
    for k in 1..size {
        sum = sum.add(squares.clone().slice(1, k, k + channels, 1))?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few channels")]
    let base = sum.times(alpha / size as f64).plus(bias);
    Ok(vec![x.div(base.map(|t| Dispatch::float_powf_scalar(t, beta.into())))?.into()])
}
