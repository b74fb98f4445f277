//! Convolutions and pooling.

use burn::backend::Dispatch;
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use super::cpu::{self, Geometry};
use super::tensor::{Problem, Tensor};
use super::value::{Call, Made};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// A window that slides over the axes of an image (1 to 3 of them).
struct Window {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    /// Before and after each axis.
    pads: Vec<(usize, usize)>,
}

impl Window {
    /// From the attributes; `image` has the lengths of the axes.
    fn of(call: &Call<'_>, kernel: Vec<usize>, image: &[usize]) -> Result<Self> {
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

    /// Positions along an axis.
    fn positions(&self, i: usize, length: usize, rounds_up: bool) -> usize {
        let free = length + self.pads[i].0 + self.pads[i].1 - extent(self.kernel[i], self.dilation[i]);
        let n = if rounds_up { free.div_ceil(self.stride[i]) } else { free / self.stride[i] } + 1;
        // A window that would begin in the padding behind the image is not taken.
        if rounds_up && (n - 1) * self.stride[i] >= length + self.pads[i].0 { n - 1 } else { n }
    }
}

/// What a dilated kernel covers.
fn extent(kernel: usize, dilation: usize) -> usize {
    dilation * (kernel - 1) + 1
}

pub(super) fn conv(call: &mut Call<'_>) -> Result {
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
    if let Some(y) = on_cpu(&x, &w, bias.as_ref(), &window, groups, &shape, call) {
        call.buffers.give(x.into_inner());
        return Ok(vec![y.into()]);
    }
    let y = on_device(x, w, bias, &window, groups, shape);
    Ok(vec![
        match call.bounds() {
            Some((low, high)) => y.map(|t| Dispatch::float_clamp(t, low.into(), high.into())),
            None => y,
        }
        .into(),
    ])
}

/// One or two axes as an image; nothing for three.
fn geometry(x: &Tensor, shape: &[usize], window: &Window, groups: usize) -> Option<Geometry> {
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

fn on_device(x: Tensor, w: Tensor, bias: Option<Tensor>, window: &Window, groups: usize, shape: Vec<usize>) -> Tensor {
    let n = window.kernel.len();
    // Burn pads alike on both sides; what is more on one side is padded before.
    let same: Vec<usize> = window.pads.iter().map(|(before, after)| if before == after { *before } else { 0 }).collect();
    let uneven: Vec<(usize, usize)> =
        [(0, 0); 2].into_iter().chain(window.pads.iter().map(|(a, b)| if a == b { (0, 0) } else { (*a, *b) })).collect();
    let x = x.pad(&uneven, 0.0).into_inner();
    let (w, bias) = (w.into_inner(), bias.map(Tensor::into_inner));
    macro_rules! options {
        ($n:literal) => {{
            let of = |list: &[usize]| -> [usize; $n] { std::array::from_fn(|i| list[i]) };
            ConvOptions::new(of(&window.stride), of(&same), of(&window.dilation), groups)
        }};
    }
    let inner = match n {
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

pub(super) fn pool(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    let op = call.node.op.clone();
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
    let counts_padding = call.int_or("count_include_pad", 0) != 0;
    Ok(vec![match op.as_str() {
        "MaxPool" => {
            let mut shape = x.shape()[..2].to_vec();
            shape.extend(&out);
            let geometry = geometry(&x, &shape, &window, shape[1]);
            match geometry.and_then(|g| cpu::with_values(x.inner(), |values| cpu::max_pool(values, &g, call.buffers))) {
                Some(values) => {
                    call.buffers.give(x.into_inner());
                    Tensor::new(values, shape, call.device).into()
                }
                None => largest(x, &window, &out).into(),
            }
        }
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
