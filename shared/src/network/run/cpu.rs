//! Convolutions and pooling of images on the CPU.
//!
//! Burn's own run on every device; on the CPU most of a network's time is spent here, and three ways are faster:
//! kernels of one pixel are a product of matrices and nothing else; depthwise kernels slide over rows that fit in the first cache; all others lay out
//! the windows of a strip of rows (im2col) that stays in the second cache and multiply that. Bias and bounds are applied to a strip while it is there.

use std::sync::Mutex;

use burn::backend::{BackendTensor, DispatchTensor, DispatchTensorKind};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::parallel;

/// Values of a strip: half of a second cache of 1 MiB.
pub(super) const STRIP: usize = 128 * 1024;
/// Values of a row that are computed at once: four registers of 512 bits, eight of 256.
const LANES: usize = 64;

/// A convolution: everything but the numbers.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    /// Images, channels, height, width.
    pub(super) input: [usize; 4],
    pub(super) out_channels: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Before each axis.
    pub(super) pads: [usize; 2],
    pub(super) out: [usize; 2],
    pub(super) groups: usize,
}

/// The values of a contiguous tensor on the CPU; nothing for one elsewhere.
pub(super) fn with_values<T>(tensor: &DispatchTensor, f: impl FnOnce(&[f32]) -> T) -> Option<T> {
    match &tensor.kind {
        DispatchTensorKind::Flex(BackendTensor::Float(t)) => match t.as_slice::<f32>() {
            Some(values) => Some(f(values)),
            None => t.to_contiguous().as_slice::<f32>().map(f),
        },
        _ => None,
    }
}

/// Memory of values that nobody reads any more. Fresh pages cost as much as a convolution: the system clears each.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<f32>>>);

/// Buffers that are kept, the largest ones.
const KEPT: usize = 12;

impl Buffers {
    /// `n` values, whatever they are: the smallest kept buffer that is not four times too large, else a new one.
    pub(super) fn take(&self, n: usize) -> Vec<f32> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fits =
            kept.iter().enumerate().filter(|(_, b)| (n..=4 * n).contains(&b.capacity())).min_by_key(|(_, b)| b.capacity()).map(|(i, _)| i);
        let Some(i) = fits else { return vec![0.0; n] };
        let mut found = kept.swap_remove(i);
        found.resize(n, 0.0);
        found
    }

    /// Keeps the memory of a tensor, if this was its last handle.
    pub(super) fn give(&self, tensor: DispatchTensor) {
        let DispatchTensorKind::Flex(BackendTensor::Float(tensor)) = tensor.kind else { return };
        if !tensor.is_unique() || !tensor.is_contiguous() {
            return;
        }
        if let Ok(values) = tensor.into_data().try_into_vec::<f32>() {
            let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            kept.push(values);
            let smallest = kept.iter().enumerate().min_by_key(|(_, b)| b.capacity()).map(|(i, _)| i);
            if let Some(i) = smallest.filter(|_| kept.len() > KEPT) {
                kept.swap_remove(i);
            }
        }
    }
}

/// The convolution, plus a bias for each channel, held between bounds.
pub(super) fn convolve(
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    bounds: Option<(f32, f32)>,
    g: &Geometry,
    buffers: &Buffers,
) -> Vec<f32> {
    let [n, c, h, width] = g.input;
    let positions = g.out[0] * g.out[1];
    // Every value is written below.
    let mut y = buffers.take(n * g.out_channels * positions);
    let per_group = g.out_channels / g.groups;
    let finish = |channel: usize, row: &mut [f32]| finish(row, bias.map_or(0.0, |b| b[channel]), bounds);
    if g.groups == c && c > 1 {
        let planes = Planes::of(g);
        parallel::for_chunks(&mut y, positions, |i, plane| {
            let (image, channel) = (i / g.out_channels, i % g.out_channels);
            let from = &x[(image * c + channel / per_group) * h * width..][..h * width];
            let taps = &w[channel * g.kernel[0] * g.kernel[1]..][..g.kernel[0] * g.kernel[1]];
            pulp::Arch::new().dispatch(Depthwise { planes: &planes, g, from, taps, plane });
            finish(channel, plane);
        });
        return y;
    }
    // One task for each image and group; strips of positions within, finished while they are in the cache.
    let depth = c / g.groups * g.kernel[0] * g.kernel[1];
    let is_pointwise = g.kernel == [1, 1] && g.stride == [1, 1] && g.pads == [0, 0];
    parallel::for_chunks(&mut y, per_group * positions, |i, block| {
        let (image, group) = (i / g.groups, i % g.groups);
        let from = &x[(image * c + group * (c / g.groups)) * h * width..][..c / g.groups * h * width];
        let weights = MatRef::from_row_major_slice(&w[group * per_group * depth..][..per_group * depth], per_group, depth);
        let whole = MatRef::from_row_major_slice(from, c / g.groups, h * width);
        let rows = (STRIP / ((depth + per_group) * g.out[1]).max(1)).clamp(1, g.out[0]);
        let mut strip = if is_pointwise { Vec::new() } else { vec![0.0f32; depth * rows * g.out[1]] };
        for first in (0..g.out[0]).step_by(rows) {
            let n = rows.min(g.out[0] - first) * g.out[1];
            let start = first * g.out[1];
            let right = if is_pointwise {
                whole.subcols(start, n)
            } else {
                windows(from, &mut strip[..depth * n], first, n / g.out[1], g);
                MatRef::from_row_major_slice(&strip[..depth * n], depth, n)
            };
            let out = MatMut::from_row_major_slice_mut(block, per_group, positions).subcols_mut(start, n);
            matmul(out, Accum::Replace, weights, right, 1.0, Par::Seq);
            for (k, row) in block.chunks_mut(positions).enumerate() {
                finish(group * per_group + k, &mut row[start..start + n]);
            }
        }
    });
    y
}

/// The largest value of each window; what lies in the padding does not count, and NaN wins.
pub(super) fn max_pool(x: &[f32], g: &Geometry, buffers: &Buffers) -> Vec<f32> {
    let [n, c, h, width] = g.input;
    let mut y = buffers.take(n * c * g.out[0] * g.out[1]);
    parallel::for_chunks(&mut y, g.out[0] * g.out[1], |i, plane| {
        pulp::Arch::new().dispatch(MaxPool { g, from: &x[i * h * width..][..h * width], plane });
    });
    y
}

struct MaxPool<'a> {
    g: &'a Geometry,
    from: &'a [f32],
    plane: &'a mut [f32],
}

impl pulp::WithSimd for MaxPool<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { g, from, plane } = self;
        let [_, _, h, width] = g.input;
        // The largest of each column over the rows of a window, then over its columns.
        let mut column = vec![f32::NEG_INFINITY; width];
        for (oy, out) in plane.chunks_mut(g.out[1]).enumerate() {
            column.fill(f32::NEG_INFINITY);
            for ky in 0..g.kernel[0] {
                let y = (oy * g.stride[0] + ky * g.dilation[0]).checked_sub(g.pads[0]).filter(|y| *y < h);
                if let Some(row) = y.map(|y| &from[y * width..][..width]) {
                    column.iter_mut().zip(row).for_each(|(c, v)| *c = larger(*c, *v));
                }
            }
            out.fill(f32::NEG_INFINITY);
            for kx in 0..g.kernel[1] {
                let (offset, stride) = (kx * g.dilation[1], g.stride[1]);
                let low = g.pads[1].saturating_sub(offset).div_ceil(stride).min(out.len());
                let high = (width + g.pads[1]).saturating_sub(offset).div_ceil(stride).clamp(low, out.len());
                if low < high {
                    let start = low * stride + offset - g.pads[1];
                    out[low..high].iter_mut().zip(column[start..].iter().step_by(stride)).for_each(|(o, v)| *o = larger(*o, *v));
                }
            }
        }
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

fn finish(row: &mut [f32], bias: f32, bounds: Option<(f32, f32)>) {
    match bounds {
        // NaN stays NaN.
        Some((low, high)) => row.iter_mut().for_each(|v| {
            let sum = *v + bias;
            let sum = if sum < low { low } else { sum };
            *v = if sum > high { high } else { sum };
        }),
        None if bias != 0.0 => row.iter_mut().for_each(|v| *v += bias),
        None => {}
    }
}

/// Lays out the windows of some rows of the output: one row for each channel and place in the kernel, one column for each position.
pub(super) fn windows(from: &[f32], strip: &mut [f32], first: usize, rows: usize, g: &Geometry) {
    let [_, _, h, width] = g.input;
    let columns = g.out[1];
    let n = rows * columns;
    let mut lines = strip.chunks_mut(n);
    for plane in from.chunks(h * width) {
        for ky in 0..g.kernel[0] {
            for kx in 0..g.kernel[1] {
                let Some(line) = lines.next() else { return };
                // Columns whose window reaches into the image: x = column * stride + offset - pad.
                let (offset, stride) = (kx * g.dilation[1], g.stride[1]);
                let low = g.pads[1].saturating_sub(offset).div_ceil(stride).min(columns);
                let high = (width + g.pads[1]).saturating_sub(offset).div_ceil(stride).clamp(low, columns);
                for (r, out) in line.chunks_mut(columns).enumerate() {
                    let y = (first + r) * g.stride[0] + ky * g.dilation[0];
                    let Some(source) = y.checked_sub(g.pads[0]).filter(|y| *y < h).map(|y| &plane[y * width..][..width]) else {
                        out.fill(0.0);
                        continue;
                    };
                    out[..low].fill(0.0);
                    out[high..].fill(0.0);
                    if low == high {
                        continue;
                    }
                    let start = low * stride + offset - g.pads[1];
                    if stride == 1 {
                        out[low..high].copy_from_slice(&source[start..start + high - low]);
                    } else {
                        out[low..high].iter_mut().zip(source[start..].iter().step_by(stride)).for_each(|(o, v)| *o = *v);
                    }
                }
            }
        }
    }
}

/// A padded image whose rows and columns are sorted by their remainders to the strides, so that every tap reads neighboring values and all rows of the output
/// are one run: a tap is an offset, and what lies between two rows is computed and thrown away.
struct Planes {
    /// Rows of one remainder.
    rows: usize,
    /// Columns of one remainder.
    row: usize,
    /// Where each tap begins.
    offsets: Vec<usize>,
    /// Values of the run, in whole blocks.
    run: usize,
    /// Values of the padded image.
    len: usize,
}

impl Planes {
    fn of(g: &Geometry) -> Self {
        let reach = |axis: usize| g.dilation[axis] * (g.kernel[axis] - 1) / g.stride[axis];
        let (rows, row) = (g.out[0] + reach(0), g.out[1] + reach(1));
        let place = |ky: usize, kx: usize| {
            let (y, x) = (ky * g.dilation[0], kx * g.dilation[1]);
            let plane = y % g.stride[0] * g.stride[1] + x % g.stride[1];
            (plane * rows + y / g.stride[0]) * row + x / g.stride[1]
        };
        let offsets: Vec<usize> = (0..g.kernel[0]).flat_map(|ky| (0..g.kernel[1]).map(move |kx| place(ky, kx))).collect();
        let run = (g.out[0] * row).next_multiple_of(LANES);
        let len = offsets.iter().max().copied().unwrap_or(0) + run;
        Self { rows, row, offsets, run, len: len.max(g.stride[0] * g.stride[1] * rows * row) }
    }
}

struct Depthwise<'a> {
    planes: &'a Planes,
    g: &'a Geometry,
    from: &'a [f32],
    taps: &'a [f32],
    plane: &'a mut [f32],
}

impl pulp::WithSimd for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { planes, g, from, taps, plane } = self;
        let [_, _, h, width] = g.input;
        let mut padded = vec![0.0f32; planes.len];
        // Rows of the image, and where they go.
        for y in 0..h {
            let at = y + g.pads[0];
            let (ry, row) = (at % g.stride[0], at / g.stride[0]);
            if row >= planes.rows {
                continue;
            }
            let source = &from[y * width..][..width];
            for rx in 0..g.stride[1] {
                let first = (rx + g.stride[1] - g.pads[1] % g.stride[1]) % g.stride[1];
                let column = (first + g.pads[1]) / g.stride[1];
                let out = &mut padded[((ry * g.stride[1] + rx) * planes.rows + row) * planes.row..][..planes.row];
                let (out, source) = (out.get_mut(column..).unwrap_or_default(), source.get(first..).unwrap_or_default());
                if g.stride[1] == 1 {
                    let n = out.len().min(source.len());
                    out[..n].copy_from_slice(&source[..n]);
                } else {
                    out.iter_mut().zip(source.iter().step_by(g.stride[1])).for_each(|(o, v)| *o = *v);
                }
            }
        }
        let mut run = vec![0.0f32; planes.run];
        let (blocks, _) = run.as_chunks_mut::<LANES>();
        for (i, block) in blocks.iter_mut().enumerate() {
            let mut sum = [0.0f32; LANES];
            for (offset, tap) in planes.offsets.iter().zip(taps) {
                let (values, _) = padded[offset + i * LANES..][..LANES].as_chunks::<LANES>();
                for (s, v) in sum.iter_mut().zip(&values[0]) {
                    *s = mul_add::<S>(*tap, *v, *s);
                }
            }
            *block = sum;
        }
        for (out, row) in plane.chunks_mut(g.out[1]).zip(run.chunks(planes.row)) {
            out.copy_from_slice(&row[..g.out[1]]);
        }
    }
}

/// a b + c, in one rounding where the processor does that at once.
#[inline(always)]
fn mul_add<S: pulp::Simd>(a: f32, b: f32, c: f32) -> f32 {
    // Sets with eight lanes have it; elsewhere the call would be a library's.
    if S::F32_LANES >= 8 { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// By the definition.
    fn slow(x: &[f32], w: &[f32], g: &Geometry) -> Vec<f32> {
        let [n, c, h, width] = g.input;
        let (cg, og) = (c / g.groups, g.out_channels / g.groups);
        let mut y = Vec::new();
        for image in 0..n {
            for o in 0..g.out_channels {
                for oy in 0..g.out[0] {
                    for ox in 0..g.out[1] {
                        let mut sum = 0.0f64;
                        for i in 0..cg {
                            for ky in 0..g.kernel[0] {
                                for kx in 0..g.kernel[1] {
                                    let iy = (oy * g.stride[0] + ky * g.dilation[0]).checked_sub(g.pads[0]).filter(|y| *y < h);
                                    let ix = (ox * g.stride[1] + kx * g.dilation[1]).checked_sub(g.pads[1]).filter(|x| *x < width);
                                    if let (Some(iy), Some(ix)) = (iy, ix) {
                                        let v = x[((image * c + o / og * cg + i) * h + iy) * width + ix];
                                        sum += f64::from(v) * f64::from(w[((o * cg + i) * g.kernel[0] + ky) * g.kernel[1] + kx]);
                                    }
                                }
                            }
                        }
                        #[expect(clippy::cast_possible_truncation, reason = "a reference in f32")]
                        y.push(sum as f32);
                    }
                }
            }
        }
        y
    }

    #[test]
    fn the_largest_value_of_every_window_is_found() {
        let mut rng = Stream::new(5, 0);
        for (kernel, stride, dilation, pads, out) in
            [([3, 3], [2, 2], [1, 1], [1, 1], [4, 5]), ([2, 3], [1, 2], [2, 1], [0, 2], [5, 6]), ([3, 3], [2, 2], [1, 1], [0, 0], [4, 4])]
        {
            let g = Geometry { input: [2, 3, 7, 9], out_channels: 3, kernel, stride, dilation, pads, out, groups: 3 };
            #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
            let x: Vec<f32> = (0..2 * 3 * 7 * 9).map(|_| rng.normal() as f32).collect();
            let got = max_pool(&x, &g, &Buffers::default());
            for (i, value) in got.iter().enumerate() {
                let (plane, oy, ox) = (i / (out[0] * out[1]), i / out[1] % out[0], i % out[1]);
                let taps = (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx)));
                let inside = taps.filter_map(|(ky, kx)| {
                    let y = (oy * stride[0] + ky * dilation[0]).checked_sub(pads[0]).filter(|y| *y < 7)?;
                    let x = (ox * stride[1] + kx * dilation[1]).checked_sub(pads[1]).filter(|x| *x < 9)?;
                    Some((plane * 7 + y) * 9 + x)
                });
                assert_eq!(*value, inside.map(|at| x[at]).fold(f32::NEG_INFINITY, f32::max), "{g:?} at {i}");
            }
        }
        let g = Geometry {
            input: [1, 1, 1, 3],
            out_channels: 1,
            kernel: [1, 2],
            stride: [1, 1],
            dilation: [1, 1],
            pads: [0, 0],
            out: [1, 2],
            groups: 1,
        };
        let got = max_pool(&[f32::NAN, 1.0, 2.0], &g, &Buffers::default());
        assert!(got[0].is_nan() || got[0] == 1.0, "{got:?}");
    }

    #[test]
    fn every_way_equals_the_definition() {
        let mut rng = Stream::new(3, 0);
        for (channels, out_channels, groups) in [(3, 8, 1), (6, 6, 6), (4, 8, 4), (6, 4, 2), (5, 7, 1)] {
            for (kernel, stride, dilation, pads) in [
                ([1, 1], [1, 1], [1, 1], [0, 0]),
                ([3, 3], [1, 1], [1, 1], [1, 1]),
                ([3, 3], [2, 2], [1, 1], [1, 1]),
                ([5, 3], [2, 3], [1, 2], [2, 0]),
                ([3, 5], [1, 2], [2, 1], [0, 2]),
                ([1, 1], [2, 2], [1, 1], [0, 0]),
                ([2, 2], [3, 1], [1, 3], [3, 3]),
            ] {
                for image in [[7usize, 9], [12, 70], [5, 5]] {
                    let out = [0, 1].map(|i| {
                        (image[i] + 2 * pads[i]).checked_sub(dilation[i] * (kernel[i] - 1) + 1).map_or(0, |free| free / stride[i] + 1)
                    });
                    if out.contains(&0) {
                        continue;
                    }
                    let g =
                        Geometry { input: [2, channels, image[0], image[1]], out_channels, kernel, stride, dilation, pads, out, groups };
                    #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
                    let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
                    let x = random(2 * channels * image[0] * image[1]);
                    let w = random(out_channels * channels / groups * kernel[0] * kernel[1]);
                    let bias = random(out_channels);
                    let want = slow(&x, &w, &g);
                    let got = convolve(&x, &w, Some(&bias), Some((0.0, 6.0)), &g, &Buffers::default());
                    let positions = out[0] * out[1];
                    for (i, (a, b)) in got.iter().zip(&want).enumerate() {
                        let b = (b + bias[i / positions % out_channels]).clamp(0.0, 6.0);
                        assert!((a - b).abs() < 1e-4, "{g:?} at {i}: {a}, not {b}");
                    }
                }
            }
        }
    }
}
