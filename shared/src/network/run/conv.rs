//! Convolutions.

use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::cpu::{self, Geometry};
use super::tensor::{Problem, Tensor};
use super::value::{Call, Made, Value};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// A window that slides over the axes of an image (1 to 3 of them).
pub(super) struct Window {
    pub(super) kernel: Vec<usize>,
    pub(super) stride: Vec<usize>,
    pub(super) dilation: Vec<usize>,
    /// Before and after each axis.
    pub(super) pads: Vec<(usize, usize)>,
}

impl Window {
    /// From the attributes; `image` has the lengths of the axes.
    pub(super) fn of(call: &Call<'_>, kernel: Vec<usize>, image: &[usize]) -> Result<Self> {
        let n = kernel.len();
        let list = |name: &str| -> Result<Vec<usize>> {
            let list = call.size_list(name)?.unwrap_or_else(|| vec![1; n]);
            if list.len() != n || list.contains(&0) {
                return Err(format!("{name} {list:?} for a window over {n} axes"));
            }
            Ok(list)
        };
        let (stride, dilation) = (list("strides")?, list("dilations")?);
        if image.len() != n {
            return Err(format!("a window over {n} axes for an image with {}", image.len()));
        }
        let mut pads = vec![(0, 0); n];
        match call.text("auto_pad") {
            Some(mode @ ("SAME_UPPER" | "SAME_LOWER")) => {
                for (i, length) in image.iter().enumerate() {
                    let out = length.div_ceil(stride[i]);
                    let needed = ((out.max(1) - 1) * stride[i] + extent(kernel[i], dilation[i])).saturating_sub(*length);
                    let half = needed / 2;
                    pads[i] = if mode == "SAME_UPPER" { (half, needed - half) } else { (needed - half, half) };
                }
            }
            Some("VALID") => {}
            _ => {
                if let Some(list) = call.size_list("pads")? {
                    if list.len() != 2 * n {
                        return Err(format!("{} pads for a window over {n} axes", list.len()));
                    }
                    pads = (0..n).map(|i| (list[i], list[i + n])).collect();
                }
            }
        }
        let window = Self { kernel, stride, dilation, pads };
        for (i, length) in image.iter().enumerate() {
            if window.kernel[i] == 0 {
                return Err("a window of length 0".into());
            }
            let extent = extent(window.kernel[i], window.dilation[i]);
            if length + window.pads[i].0 + window.pads[i].1 < extent {
                return Err(format!("a window of {extent} does not fit into an axis of length {length}"));
            }
        }
        Ok(window)
    }

    /// Whether it covers one position and visits all.
    pub(super) fn is_a_point(&self) -> bool {
        self.kernel.iter().chain(&self.stride).all(|n| *n == 1) && self.pads.iter().all(|pads| *pads == (0, 0))
    }

    /// Positions along an axis.
    pub(super) fn positions(&self, i: usize, length: usize, rounds_up: bool) -> usize {
        let free = length + self.pads[i].0 + self.pads[i].1 - extent(self.kernel[i], self.dilation[i]);
        let n = if rounds_up { free.div_ceil(self.stride[i]) } else { free / self.stride[i] } + 1;
        // A window that would begin in the padding behind the image is not taken.
        if rounds_up && (n - 1) * self.stride[i] >= length + self.pads[i].0 { n - 1 } else { n }
    }
}

/// What a dilated kernel covers.
pub(super) fn extent(kernel: usize, dilation: usize) -> usize {
    dilation * (kernel - 1) + 1
}

/// A convolution with all that it needs, its shapes checked.
struct Prepared {
    x: Tensor,
    w: Tensor,
    bias: Option<Tensor>,
    window: Window,
    groups: usize,
    /// Of what comes out.
    shape: Vec<usize>,
}

fn prepared(call: &mut Call<'_>) -> Result<Prepared> {
    let (x, w, bias) = (call.tensor(0)?, call.tensor(1)?, call.optional_tensor(2)?);
    let groups = usize::try_from(call.int_or("group", 1)).ok().filter(|g| *g > 0).ok_or("a group number below 1")?;
    if x.rank() != w.rank() || !(3..=5).contains(&x.rank()) {
        return Err(format!("a kernel of shape {} for a value of shape {}", w.text(), x.text()));
    }
    let (channels, out) = (x.shape()[1], w.shape()[0]);
    if w.shape()[1] * groups != channels || out % groups != 0 {
        return Err(format!(
            "its weights expect {} channels but its input has {channels} ({}); check the shape of the network's input",
            w.shape()[1] * groups,
            x.text()
        ));
    }
    if let Some(bias) = bias.as_ref().filter(|b| b.shape() != [out]) {
        return Err(format!("a bias of shape {} for {out} channels", bias.text()));
    }
    let image = x.shape()[2..].to_vec();
    let window = match call.fusion.and_then(|fusion| fusion.pad.as_ref()) {
        Some((_, zeros)) if zeros.len() == 2 * x.rank() => {
            let around: Vec<(usize, usize)> = (2..x.rank()).map(|axis| (zeros[axis], zeros[x.rank() + axis])).collect();
            let padded: Vec<usize> = image.iter().zip(&around).map(|(n, (before, after))| n + before + after).collect();
            let mut window = Window::of(call, w.shape()[2..].to_vec(), &padded)?;
            for (own, more) in window.pads.iter_mut().zip(around) {
                *own = (own.0 + more.0, own.1 + more.1);
            }
            window
        }
        Some((_, zeros)) => return Err(format!("{} pads for a value of shape {}", zeros.len(), x.text())),
        None => Window::of(call, w.shape()[2..].to_vec(), &image)?,
    };
    let mut shape = vec![x.shape()[0], w.shape()[0]];
    shape.extend((0..image.len()).map(|i| window.positions(i, image[i], false)));
    Ok(Prepared { x, w, bias, window, groups, shape })
}

/// Weights and bias that do the normalization behind the convolution as well; its factor for each channel.
fn folded(w: Tensor, bias: Option<Tensor>, norm: &Norm) -> Result<(Tensor, Tensor)> {
    let mut by_output = vec![1; w.rank()];
    by_output[0] = norm.factor.len();
    let shift = match bias {
        Some(bias) => bias.sub(norm.mean.clone())?,
        None => norm.mean.clone().times(-1.0),
    };
    Ok((w.mul(norm.factor.clone().reshape(by_output))?, shift.mul(norm.factor.clone())?.add(norm.shift.clone())?))
}

/// A normalization by channel.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    /// Inverse standard deviations.
    pub(super) inverse: Tensor,
    /// Scale over standard deviation.
    pub(super) factor: Tensor,
    pub(super) mean: Tensor,
    shift: Tensor,
}

impl Norm {
    /// From the inputs behind those of the convolution.
    fn of(call: &mut Call<'_>) -> Result<Option<Self>> {
        let Some((_, epsilon)) = call.fusion.and_then(|fusion| fusion.norm) else { return Ok(None) };
        let (scale, shift, mean, variance) = (call.tensor(3)?, call.tensor(4)?, call.tensor(5)?, call.tensor(6)?);
        let inverse = variance.plus(epsilon).map(Dispatch::float_sqrt).map(Dispatch::float_recip);
        Ok(Some(Self { factor: scale.mul(inverse.clone())?, inverse, mean, shift }))
    }
}

pub(super) fn conv(call: &mut Call<'_>) -> Result {
    let Prepared { x, mut w, mut bias, window, groups, shape } = prepared(call)?;
    if let Some(norm) = Norm::of(call)? {
        let (weights, shift) = folded(w, bias, &norm)?;
        (w, bias) = (weights, Some(shift));
    }
    if let Some(y) = on_cpu(&x, &w, bias.as_ref(), &window, groups, &shape, call) {
        call.buffers.give(x.into_inner());
        return Ok(vec![y.into()]);
    }
    let y = if groups == 1 && window.is_a_point() && !x.is_followed() && !w.is_followed() {
        pointwise(x, w, bias, shape)?
    } else {
        on_device(x, w, bias, &window, groups, shape)
    };
    Ok(vec![
        match call.bounds() {
            Some((low, high)) => y.bounded(low.into(), high.into()),
            None => y,
        }
        .into(),
    ])
}

/// What a convolution on the CPU keeps for its gradients.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) x: Tensor,
    pub(super) w: Tensor,
    pub(super) bias: Option<Tensor>,
    pub(super) norm: Option<Norm>,
    pub(super) geometry: Geometry,
    /// Bounds of the result, and the result.
    pub(super) bounded: Option<((f32, f32), Tensor)>,
}

/// The convolution on the CPU with what its gradients need; nothing where it runs elsewhere or over three axes.
pub(super) fn kept(call: &mut Call<'_>) -> Result<Option<(Tensor, Kept)>> {
    let is_here = matches!(call.inputs.first(), Some(Some(Value::Float(x))) if x.tensor.rank() < 5 && x.tensor.is_on_cpu());
    if !is_here {
        return Ok(None);
    }
    let Prepared { x, w, bias, window, groups, shape } = prepared(call)?;
    let norm = Norm::of(call)?;
    let (weights, shift) = match &norm {
        Some(norm) => folded(w.clone(), bias.clone(), norm).map(|(w, shift)| (w, Some(shift)))?,
        None => (w.clone(), bias.clone()),
    };
    let y = on_cpu(&x, &weights, shift.as_ref(), &window, groups, &shape, call).ok_or("its values are not on the CPU")?;
    let geometry = geometry(&x, &shape, &window, groups).ok_or("a window over three axes")?;
    let bounded = call.bounds().map(|bounds| (bounds, y.clone()));
    Ok(Some((y, Kept { x, w, bias, norm, geometry, bounded })))
}

/// One or two axes as an image; nothing for three.
pub(super) fn geometry(x: &Tensor, shape: &[usize], window: &Window, groups: usize) -> Option<Geometry> {
    let n = window.kernel.len();
    if n > 2 {
        return None;
    }
    // One axis is an image of one row.
    let two = |list: &[usize], single: usize| if n == 2 { [list[0], list[1]] } else { [single, list[0]] };
    let before: Vec<usize> = window.pads.iter().map(|(before, _)| *before).collect();
    let [h, width] = two(&x.shape()[2..], 1);
    Some(Geometry {
        input: [x.shape()[0], x.shape()[1], h, width],
        out_channels: shape[1],
        kernel: two(&window.kernel, 1),
        stride: two(&window.stride, 1),
        dilation: two(&window.dilation, 1),
        pads: two(&before, 0),
        out: two(&shape[2..], 1),
        groups,
    })
}

/// Along one or two axes, on the CPU.
fn on_cpu(
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    groups: usize,
    shape: &[usize],
    call: &Call<'_>,
) -> Option<Tensor> {
    let geometry = geometry(x, shape, window, groups)?;
    let run = |bias: Option<&[f32]>| {
        cpu::with_values(x.inner(), |x| cpu::with_values(w.inner(), |w| cpu::convolve(x, w, bias, call.bounds(), &geometry, call.buffers)))?
    };
    let values = match bias {
        Some(bias) => cpu::with_values(bias.inner(), |bias| run(Some(bias)))?,
        None => run(None),
    }?;
    Some(Tensor::new(values, shape.to_vec(), call.device))
}

/// A window of one position is a product with the channels of each, which GPUs do faster than they slide windows.
fn pointwise(x: Tensor, w: Tensor, bias: Option<Tensor>, mut shape: Vec<usize>) -> Result<Tensor> {
    let (rank, channels, out) = (x.rank(), x.shape()[1], w.shape()[0]);
    let channels_last: Vec<usize> = std::iter::once(0).chain(2..rank).chain([1]).collect();
    let channels_first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let positions = x.len() / channels.max(1);
    let rows = x.permute(&channels_last).reshape(vec![positions, channels]);
    let mut y = rows.matmul(w.reshape(vec![out, channels]).permute(&[1, 0]))?;
    if let Some(bias) = bias {
        y = y.add(bias)?;
    }
    shape.remove(1);
    shape.push(out);
    Ok(y.reshape(shape).permute(&channels_first))
}

fn on_device(x: Tensor, w: Tensor, bias: Option<Tensor>, window: &Window, groups: usize, shape: Vec<usize>) -> Tensor {
    let (x, w, bias) = (x.into_inner(), w.into_inner(), bias.map(Tensor::into_inner));
    macro_rules! options {
        ($n:literal) => {{
            let of = |list: &[usize]| -> [usize; $n] { std::array::from_fn(|i| list[i]) };
            ConvOptions::new_with_padding(of(&window.stride), std::array::from_fn(|i| window.pads[i]), of(&window.dilation), groups)
        }};
    }
    let inner = match window.kernel.len() {
        1 => Dispatch::conv1d(x, w, bias, options!(1)),
        2 => Dispatch::conv2d(x, w, bias, options!(2)),
        _ => Dispatch::conv3d(x, w, bias, options!(3)),
    };
    Tensor::from_inner(inner, shape)
}

pub(super) fn conv_transpose(call: &mut Call<'_>) -> Result {
    let (x, w, bias) = (call.tensor(0)?, call.tensor(1)?, call.optional_tensor(2)?);
    let groups = usize::try_from(call.int_or("group", 1)).ok().filter(|g| *g > 0).ok_or("a group number below 1")?;
    if x.rank() != w.rank() || !(3..=5).contains(&x.rank()) || w.shape()[0] != x.shape()[1] || x.shape()[1] % groups != 0 {
        return Err(format!("a kernel of shape {} for a value of shape {}", w.text(), x.text()));
    }
    let n = x.rank() - 2;
    let list = |name: &str, otherwise: usize| {
        call.size_list(name).map(|list| list.filter(|list| list.len() == n).unwrap_or_else(|| vec![otherwise; n]))
    };
    let (stride, dilation, mut extra) = (list("strides", 1)?, list("dilations", 1)?, list("output_padding", 0)?);
    let kernel = w.shape()[2..].to_vec();
    let mut full: Vec<usize> = (0..n).map(|i| stride[i] * (x.shape()[2 + i] - 1) + extent(kernel[i], dilation[i]) + extra[i]).collect();
    let upper = call.text("auto_pad") == Some("SAME_UPPER");
    let wanted = match (call.size_list("output_shape")?, call.text("auto_pad")) {
        (Some(shape), _) => Some(shape[shape.len().saturating_sub(n)..].to_vec()),
        (None, Some("SAME_UPPER" | "SAME_LOWER")) => Some((0..n).map(|i| x.shape()[2 + i] * stride[i]).collect()),
        _ => None,
    };
    if let Some(wanted) = &wanted {
        // What is missing is put behind.
        for i in 0..n {
            let missing = wanted.get(i).copied().unwrap_or(0).saturating_sub(full[i]);
            full[i] += missing;
            extra[i] += missing;
        }
    }
    let pads: Vec<(usize, usize)> = match wanted.filter(|wanted| wanted.len() == n) {
        Some(wanted) => (0..n)
            .map(|i| {
                let total = full[i].saturating_sub(wanted[i]);
                let half = total / 2;
                if upper { (half, total - half) } else { (total - half, half) }
            })
            .collect(),
        None => match call.size_list("pads")? {
            Some(list) if list.len() == 2 * n => (0..n).map(|i| (list[i], list[i + n])).collect(),
            _ => vec![(0, 0); n],
        },
    };
    let out = w.shape()[1] * groups;
    if let Some(bias) = bias.as_ref().filter(|b| b.shape() != [out]) {
        return Err(format!("a bias of shape {} for {out} channels", bias.text()));
    }
    // Whole, then cut: Burn cannot cut more on one side.
    let mut shape = vec![x.shape()[0], out];
    shape.extend((0..n).map(|i| full[i] - extra[i]));
    let (x, w) = (x.into_inner(), w.into_inner());
    macro_rules! options {
        ($n:literal) => {{
            let of = |list: &[usize]| -> [usize; $n] { std::array::from_fn(|i| list[i]) };
            ConvTransposeOptions::new(of(&stride), [0; $n], [0; $n], of(&dilation), groups)
        }};
    }
    let inner = match n {
        1 => Dispatch::conv_transpose1d(x, w, None, options!(1)),
        2 => Dispatch::conv_transpose2d(x, w, None, options!(2)),
        _ => Dispatch::conv_transpose3d(x, w, None, options!(3)),
    };
    let grown: Vec<(usize, usize)> = [(0, 0); 2].into_iter().chain(extra.iter().map(|e| (0, *e))).collect();
    let mut y = Tensor::from_inner(inner, shape).pad(&grown, 0.0);
    for (i, (before, after)) in pads.iter().enumerate() {
        let length = y.shape()[2 + i];
        if before + after >= length {
            return Err(format!("pads of {before} and {after} leave nothing of an axis of length {length}"));
        }
        y = y.slice(2 + i, *before, length - after, 1);
    }
    if let Some(bias) = bias {
        let mut ones = vec![1; n + 2];
        ones[1] = out;
        y = y.add(bias.reshape(ones))?;
    }
    Ok(vec![y.into()])
}
