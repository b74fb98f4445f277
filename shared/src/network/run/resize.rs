//! Resizing of images: one matrix of weights for each axis, so that all modes run on all devices and have a gradient.

use super::moving::pick;
use super::tensor::{Problem, Tensor};
use super::value::{Call, Float, Made, Value, axes_of, checked_shape};

type Result<T = Vec<Made>> = std::result::Result<T, Problem>;

/// How an axis is resized.
struct Axis {
    number: usize,
    from: usize,
    to: usize,
    scale: f64,
    /// Part of the axis that is looked at (for `tf_crop_and_resize`).
    roi: (f64, f64),
}

pub(super) fn resize(call: &mut Call<'_>) -> Result {
    let value = call.value(0)?;
    let rank = value.shape().len();
    let old = call.node.op == "Upsample" || call.opset < 11;
    let axes = match call.int_list("axes") {
        Some(axes) => axes_of(&axes, rank)?,
        None => (0..rank).collect(),
    };
    let attribute = match call.node.attributes.get("scales") {
        Some(crate::network::Attribute::Floats(scales)) => Some(scales.iter().map(|s| f64::from(*s)).collect::<Vec<_>>()),
        _ => None,
    };
    let (at_scales, at_sizes) = if old { (1, usize::MAX) } else { (2, 3) };
    let scales = if attribute.is_some() {
        attribute
    } else if call.has(at_scales) {
        Some(call.host(at_scales)?.iter().map(|s| f64::from(*s)).collect()).filter(|scales: &Vec<f64>| !scales.is_empty())
    } else {
        None
    };
    let sizes = if call.has(at_sizes) { Some(checked_shape(&call.ints(at_sizes)?)?) } else { None };
    let roi: Vec<f64> = if !old && call.has(1) { call.host(1)?.iter().map(|v| f64::from(*v)).collect() } else { Vec::new() };
    let parts = resized(value.shape(), &axes, scales, sizes, &roi, call)?;
    let mode = call.text("mode").unwrap_or("nearest").to_owned();
    let transform = if old { "asymmetric" } else { call.text("coordinate_transformation_mode").unwrap_or("half_pixel") }.to_owned();
    let mut value = value;
    if mode == "nearest" {
        let rounding = if old { "floor" } else { call.text("nearest_mode").unwrap_or("round_prefer_floor") }.to_owned();
        for part in parts.iter().filter(|p| p.from != p.to || transform == "tf_crop_and_resize") {
            let indices: Vec<usize> = (0..part.to).map(|i| nearest(part.place(i, &transform), &rounding, part.from)).collect();
            value = pick(value, part.number, &indices, call)?;
        }
        return Ok(vec![value.into()]);
    }
    let Value::Float(Float { tensor, .. }) = value else { return Err("only floating-point numbers are interpolated".into()) };
    let kernel = match mode.as_str() {
        "linear" | "bilinear" => {
            Kernel { a: None, antialias: call.int_or("antialias", 0) != 0, excludes: call.int_or("exclude_outside", 0) != 0 }
        }
        "cubic" => Kernel {
            a: Some(call.float_or("cubic_coeff_a", -0.75)),
            antialias: call.int_or("antialias", 0) != 0,
            excludes: call.int_or("exclude_outside", 0) != 0,
        },
        other => return Err(format!("the mode {other} is not known")),
    };
    let crops = transform == "tf_crop_and_resize";
    let mut out = tensor;
    let mut inside: Option<Tensor> = None;
    for part in &parts {
        if part.from == part.to && !crops {
            continue;
        }
        out = along(out, part, &kernel, &transform, call)?;
        if crops {
            #[expect(clippy::cast_precision_loss, reason = "lengths of axes")]
            let is_inside = |i: usize| (0.0..=part.from as f64 - 1.0).contains(&part.place(i, &transform));
            let mut shape = vec![1; rank];
            shape[part.number] = part.to;
            let own = Tensor::new((0..part.to).map(|i| if is_inside(i) { 1.0 } else { 0.0 }).collect(), shape, call.device);
            inside = Some(match inside {
                Some(inside) => inside.mul(own)?,
                None => own,
            });
        }
    }
    if let Some(inside) = inside {
        let fill = call.float_or("extrapolation_value", 0.0);
        out = out.mul(inside.clone())?.add(inside.times(-fill).plus(fill))?;
    }
    Ok(vec![out.into()])
}

fn resized(
    shape: &[usize],
    axes: &[usize],
    scales: Option<Vec<f64>>,
    sizes: Option<Vec<usize>>,
    roi: &[f64],
    call: &Call<'_>,
) -> Result<Vec<Axis>> {
    let n = axes.len();
    let part = |k: usize, to: usize, scale: f64| {
        let roi = if roi.len() == 2 * n { (roi[k], roi[k + n]) } else { (0.0, 1.0) };
        Axis { number: axes[k], from: shape[axes[k]], to, scale, roi }
    };
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "lengths of axes, checked")]
    match (scales, sizes) {
        (Some(scales), None) if scales.len() == n => {
            let of = |k: usize| {
                let to = (shape[axes[k]] as f64 * scales[k]).floor();
                if scales[k] <= 0.0 || !(1.0..1e6).contains(&to) {
                    return Err(format!("a scale of {} for an axis of length {}", scales[k], shape[axes[k]]));
                }
                Ok(part(k, checked_shape(&[to as i64])?[0], scales[k]))
            };
            (0..n).map(of).collect()
        }
        (None, Some(sizes)) if sizes.len() == n => {
            let ratio = |k: usize| sizes[k] as f64 / shape[axes[k]] as f64;
            let common = match call.text("keep_aspect_ratio_policy") {
                Some("not_larger") => Some((0..n).map(ratio).fold(f64::INFINITY, f64::min)),
                Some("not_smaller") => Some((0..n).map(ratio).fold(0.0, f64::max)),
                _ => None,
            };
            let of = |k: usize| match common {
                Some(scale) => Ok(part(k, checked_shape(&[(shape[axes[k]] as f64 * scale).round() as i64])?[0], scale)),
                None => Ok(part(k, sizes[k], ratio(k))),
            };
            (0..n).map(of).collect()
        }
        _ => Err("either scales or sizes, one for each axis, are needed".into()),
    }
}

impl Axis {
    /// Where an output lies on the input.
    #[expect(clippy::cast_precision_loss, reason = "lengths of axes")]
    fn place(&self, i: usize, transform: &str) -> f64 {
        let (x, from, to) = (i as f64, self.from as f64, self.to as f64);
        match transform {
            "align_corners" => {
                // The length before it was rounded down.
                let whole = self.scale * from;
                if whole > 1.0 { x * (from - 1.0) / (whole - 1.0) } else { 0.0 }
            }
            "asymmetric" => x / self.scale,
            "pytorch_half_pixel" => {
                if self.to > 1 {
                    (x + 0.5) / self.scale - 0.5
                } else {
                    0.0
                }
            }
            "half_pixel_symmetric" => {
                let adjustment = to / (self.scale * from);
                from / 2.0 * (1.0 - adjustment) + (x + 0.5) / self.scale - 0.5
            }
            "tf_crop_and_resize" => {
                let (start, end) = self.roi;
                if self.to > 1 {
                    start * (from - 1.0) + x * (end - start) * (from - 1.0) / (to - 1.0)
                } else {
                    0.5 * (start + end) * (from - 1.0)
                }
            }
            _ => (x + 0.5) / self.scale - 0.5,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "clamped to the axis")]
fn nearest(x: f64, rounding: &str, n: usize) -> usize {
    let half = (x - x.floor() - 0.5).abs() < 1e-9;
    let rounded = match rounding {
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        "round_prefer_ceil" if half => x.ceil(),
        "round_prefer_floor" if half => x.floor(),
        _ => x.round(),
    };
    rounded.clamp(0.0, n as f64 - 1.0) as usize
}

/// Weights by the distance to a place.
struct Kernel {
    /// Of a cubic one.
    a: Option<f64>,
    antialias: bool,
    /// What lies outside of the image does not count.
    excludes: bool,
}

impl Kernel {
    fn weight(&self, distance: f64) -> f64 {
        let x = distance.abs();
        match self.a {
            None => (1.0 - x).max(0.0),
            Some(a) if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Some(a) if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Some(_) => 0.0,
        }
    }
}

fn along(x: Tensor, part: &Axis, kernel: &Kernel, transform: &str, call: &Call<'_>) -> Result<Tensor> {
    let mut weights = vec![0.0f32; part.from * part.to];
    let stretch = if kernel.antialias { part.scale.min(1.0) } else { 1.0 };
    let reach = if kernel.a.is_some() { 2.0 } else { 1.0 } / stretch;
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "places on an axis")]
    for i in 0..part.to {
        let place = part.place(i, transform);
        let (first, last) = ((place - reach).floor() as i64, (place + reach).ceil() as i64);
        let inside = |k: i64| k >= 0 && (k as usize) < part.from;
        let own: Vec<(i64, f64)> = (first..=last)
            .map(|k| (k, kernel.weight((k as f64 - place) * stretch)))
            .filter(|(k, _)| !kernel.excludes || inside(*k))
            .collect();
        let total: f64 = own.iter().map(|(_, w)| w).sum();
        let divisor = if kernel.antialias || kernel.excludes { total } else { 1.0 };
        for (k, w) in own {
            let k = k.clamp(0, part.from as i64 - 1) as usize;
            weights[k * part.to + i] += (w / divisor) as f32;
        }
    }
    x.weighted(part.number, weights, part.to, call.device)
}
