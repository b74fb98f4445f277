//! Pooling.

use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};

use super::conv::{Window, extent, geometry};
use super::cpu::{self, Geometry};
use super::tensor::{Problem, Tensor};
use super::value::{Call, Made, Value};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// A pool with its window, the shapes checked.
fn prepared(call: &mut Call<'_>) -> Result<(Tensor, Window, Vec<usize>)> {
    let x = call.tensor(0)?;
    if x.rank() < 3 {
        return Err(format!("a value of shape {} has no window to slide over", x.text()));
    }
    if call.makes(1) {
        return Err("the places of the largest values are not given".into());
    }
    let image = x.shape()[2..].to_vec();
    let kernel = call.size_list("kernel_shape")?.ok_or("the window is missing")?;
    if kernel.is_empty() || kernel.contains(&0) {
        return Err(format!("a window of {kernel:?}"));
    }
    let window = Window::of(call, kernel, &image)?;
    let rounds_up = call.int_or("ceil_mode", 0) != 0;
    let out: Vec<usize> = (0..image.len()).map(|i| window.positions(i, image[i], rounds_up)).collect();
    Ok((x, window, out))
}

/// The largest values on the CPU, with the geometry of their windows; nothing where it runs elsewhere or over three axes.
fn largest_on_cpu(x: &Tensor, window: &Window, out: &[usize], call: &Call<'_>) -> Option<(Tensor, Geometry)> {
    let mut shape = x.shape()[..2].to_vec();
    shape.extend(out);
    let geometry = geometry(x, &shape, window, shape[1])?;
    let values = cpu::with_values(x.inner(), |values| cpu::max_pool(values, &geometry, call.buffers))?;
    Some((Tensor::new(values, shape, call.device), geometry))
}

/// What the largest values on the CPU keep for their gradients; nothing where they are elsewhere.
pub(super) fn kept(call: &mut Call<'_>) -> Result<Option<(Tensor, Tensor, Geometry)>> {
    let is_here = matches!(call.inputs.first(), Some(Some(Value::Float(x))) if x.tensor.rank() < 5 && x.tensor.is_on_cpu());
    if !is_here {
        return Ok(None);
    }
    let (x, window, out) = prepared(call)?;
    let (y, geometry) = largest_on_cpu(&x, &window, &out, call).ok_or("its values are not on the CPU")?;
    Ok(Some((y, x, geometry)))
}

pub(super) fn pool(call: &mut Call<'_>) -> Result {
    let op = call.node.op.clone();
    let (x, window, out) = prepared(call)?;
    let counts_padding = call.int_or("count_include_pad", 0) != 0;
    Ok(vec![match op.as_str() {
        "MaxPool" => match largest_on_cpu(&x, &window, &out, call) {
            Some((y, _)) => {
                call.buffers.give(x.into_inner());
                y.into()
            }
            None => largest(x, &window, &out).into(),
        },
        "AveragePool" => average(x, &window, &out, counts_padding, call)?.into(),
        _ => {
            let p = call.int_or("p", 2);
            #[expect(clippy::cast_precision_loss, reason = "a small power")]
            let (p, n) = (p as f64, window.kernel.iter().product::<usize>() as f64);
            let powers = x.map(Dispatch::float_abs).map(|t| Dispatch::float_powf_scalar(t, p.into()));
            windows(powers, &window, &out, Kind::Mean).times(n).map(|t| Dispatch::float_powf_scalar(t, (1.0 / p).into())).into()
        }
    }])
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Largest,
    Mean,
}

fn largest(x: Tensor, window: &Window, out: &[usize]) -> Tensor {
    let even = window.kernel.len() == 2
        && window.pads.iter().zip(&window.kernel).all(|((before, after), k)| before == after && *before <= k / 2)
        && (0..2).all(|i| window.positions(i, x.shape()[2 + i], false) == out[i]);
    if !even {
        return windows(x, window, out, Kind::Largest);
    }
    let of = |list: &[usize]| -> [usize; 2] { [list[0], list[1]] };
    let pads = [window.pads[0].0, window.pads[1].0];
    let shape = vec![x.shape()[0], x.shape()[1], out[0], out[1]];
    Tensor::from_inner(
        Dispatch::max_pool2d(x.into_inner(), of(&window.kernel), of(&window.stride), pads, of(&window.dilation), false),
        shape,
    )
}

/// Means over windows; positions in the padding count or not.
fn average(x: Tensor, window: &Window, out: &[usize], counts_padding: bool, call: &Call<'_>) -> Result<Tensor> {
    let image = x.shape()[2..].to_vec();
    let n: usize = window.kernel.iter().product();
    let means = windows(x, window, out, Kind::Mean);
    // How many values each window has, axis by axis.
    let seen = |i: usize, at: usize| {
        let (before, after) = window.pads[i];
        let (low, high) = if counts_padding { (0, before + image[i] + after) } else { (before, before + image[i]) };
        (0..window.kernel[i]).filter(|k| (low..high).contains(&(at * window.stride[i] + k * window.dilation[i]))).count()
    };
    let counts: Vec<Vec<usize>> = (0..out.len()).map(|i| (0..out[i]).map(|at| seen(i, at)).collect()).collect();
    if counts.iter().zip(&window.kernel).all(|(counts, k)| counts.iter().all(|c| c == k)) {
        return Ok(means);
    }
    let mut factors = vec![1.0f64];
    for counts in &counts {
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let next = factors.iter().flat_map(|f| counts.iter().map(move |c| f * *c as f64)).collect();
        factors = next;
    }
    let mut shape = vec![1, 1];
    shape.extend(out);
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small counts")]
    let factors = factors.into_iter().map(|count| (n as f64 / count) as f32).collect();
    means.mul(Tensor::new(factors, shape, call.device))
}

/// Over windows of any number of axes: padded first, then two axes at a time.
fn windows(x: Tensor, window: &Window, out: &[usize], kind: Kind) -> Tensor {
    let n = window.kernel.len();
    let fill = if kind == Kind::Largest { f32::NEG_INFINITY } else { 0.0 };
    let needed = |i: usize| (out[i] - 1) * window.stride[i] + extent(window.kernel[i], window.dilation[i]);
    let pads: Vec<(usize, usize)> = [(0, 0); 2]
        .into_iter()
        .chain((0..n).map(|i| (window.pads[i].0, needed(i).saturating_sub(window.pads[i].0 + x.shape()[2 + i]))))
        .collect();
    let mut x = x.pad(&pads, fill);
    for i in 0..n {
        // Behind the last window.
        let length = needed(i).min(x.shape()[2 + i]);
        x = x.slice(2 + i, 0, length, 1);
    }
    let mut axis = 0;
    while axis < n {
        let pair = axis + 1 < n;
        let (h, w) = (axis, if pair { axis + 1 } else { axis });
        let shape = x.shape().to_vec();
        // Everything before as channels; everything behind moved there for the time being.
        let before: usize = shape[..2 + h].iter().product();
        let last = if pair { 2 + w } else { 2 + h };
        let after: usize = shape[last + 1..].iter().product();
        let (height, width) = (shape[2 + h], if pair { shape[2 + w] } else { 1 });
        let flat = x.reshape(vec![before, height, width, after]).permute(&[0, 3, 1, 2]);
        let of = |list: &[usize], single: usize| [list[h], if pair { list[w] } else { single }];
        let (kernel, stride, dilation) = (of(&window.kernel, 1), of(&window.stride, 1), of(&window.dilation, 1));
        let (rows, columns) = (out[h], if pair { out[w] } else { 1 });
        let inner = match kind {
            Kind::Largest => Dispatch::max_pool2d(flat.into_inner(), kernel, stride, [0, 0], dilation, false),
            Kind::Mean if dilation == [1, 1] => Dispatch::avg_pool2d(flat.into_inner(), kernel, stride, [0, 0], true, false),
            Kind::Mean => dilated_mean(flat, kernel, stride, dilation, [rows, columns]).into_inner(),
        };
        let pooled = Tensor::from_inner(inner, vec![before, after, rows, columns]).permute(&[0, 2, 3, 1]);
        let mut shape = shape;
        shape[2 + h] = rows;
        if pair {
            shape[2 + w] = columns;
        }
        x = pooled.reshape(shape);
        axis += 2;
    }
    x
}

/// The mean over a window with gaps, as a sum of strided views.
fn dilated_mean(x: Tensor, kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2], out: [usize; 2]) -> Tensor {
    let mut sum: Option<Tensor> = None;
    for i in 0..kernel[0] {
        for j in 0..kernel[1] {
            let at = |t: Tensor, axis: usize, k: usize, n: usize| {
                let start = k * dilation[axis - 2];
                t.slice(axis, start, start + (n - 1) * stride[axis - 2] + 1, stride[axis - 2])
            };
            let view = at(at(x.clone(), 2, i, out[0]), 3, j, out[1]);
            sum = Some(match sum {
                Some(sum) => sum.map(|s| Dispatch::float_add(s, view.into_inner())),
                None => view,
            });
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a small window")]
    let n = (kernel[0] * kernel[1]) as f64;
    sum.unwrap_or(x).times(1.0 / n)
}

pub(super) fn global_pool(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    if x.rank() < 3 {
        return Err(format!("a value of shape {} has no positions", x.text()));
    }
    let (n, c) = (x.shape()[0], x.shape()[1]);
    let positions: usize = x.shape()[2..].iter().product();
    let mut shape = vec![1; x.rank()];
    (shape[0], shape[1]) = (n, c);
    let rows = x.reshape(vec![n * c, positions]);
    let pooled = match call.node.op.as_str() {
        "GlobalAveragePool" => rows.mean(1),
        "GlobalMaxPool" => rows.reduce(1, Dispatch::float_max_dim),
        _ => {
            #[expect(clippy::cast_precision_loss, reason = "a small power")]
            let p = call.int_or("p", 2) as f64;
            let powers = rows.map(Dispatch::float_abs).map(|t| Dispatch::float_powf_scalar(t, p.into()));
            powers.sum(1).map(|t| Dispatch::float_powf_scalar(t, (1.0 / p).into()))
        }
    };
    Ok(vec![pooled.reshape(shape).into()])
}

/// `PyTorch`'s: the mean over `to` overlapping parts of each axis, from `floor(i n / to)` to `ceil((i + 1) n / to)`.
pub(super) fn adaptive_pool(call: &mut Call<'_>) -> Result {
    let mut x = call.tensor(0)?;
    let size = call.size_list("output_size")?.filter(|size| !size.contains(&0)).ok_or("the size is missing")?;
    if x.rank() != size.len() + 2 {
        return Err(format!("a size of {size:?} for a value of shape {}", x.text()));
    }
    for (i, to) in size.into_iter().enumerate() {
        let from = x.shape()[2 + i];
        if from == to {
            continue;
        }
        let mut weights = vec![0.0; from * to];
        for k in 0..to {
            let (start, end) = (k * from / to, ((k + 1) * from).div_ceil(to));
            for row in start..end {
                #[expect(clippy::cast_precision_loss, reason = "lengths of axes")]
                let weight = 1.0 / (end - start) as f32;
                weights[row * to + k] = weight;
            }
        }
        x = x.weighted(2 + i, weights, to, call.device)?;
    }
    Ok(vec![x.into()])
}
