//! Gradients of convolutions and maxima of images on the CPU.
//!
//! The gradient of a convolution's input is itself a convolution where no position is passed over, with the kernel turned around; elsewhere windows are
//! multiplied back and added to where they came from. The gradient of its weights lays out the windows of a few channels at a time and multiplies them with
//! the gradients of the positions. Sums are taken in a fixed order, whatever the number of threads.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::cpu::{Buffers, Geometry, STRIP, convolve, windows};
use crate::parallel;

/// Rows of windows that are multiplied at a time.
const WINDOW_ROWS: usize = 128;
/// Values that a thread looks at at a time.
const CHUNK: usize = 1 << 15;

/// Gradients where a result lies between its bounds, 0 where it was held.
pub(super) fn of_bounded(dy: &[f32], y: &[f32], (low, high): (f32, f32), buffers: &Buffers) -> Vec<f32> {
    let mut out = buffers.take(dy.len());
    parallel::for_chunks(&mut out, CHUNK, |i, out| {
        let at = i * CHUNK..i * CHUNK + out.len();
        for ((out, dy), y) in out.iter_mut().zip(&dy[at.clone()]).zip(&y[at]) {
            *out = if *y > low && *y < high { *dy } else { 0.0 };
        }
    });
    out
}

/// The sum over images and positions for each channel.
pub(super) fn of_bias(dy: &[f32], g: &Geometry) -> Vec<f32> {
    let positions = g.out[0] * g.out[1];
    let sum = |channel: usize| {
        let of_image = |image: usize| {
            let values = &dy[(image * g.out_channels + channel) * positions..][..positions];
            // Short sums in single precision, their sum in double.
            values.chunks(512).map(|part| f64::from(part.iter().sum::<f32>())).sum::<f64>()
        };
        (0..g.input[0]).map(of_image).sum::<f64>()
    };
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
    parallel::map(g.out_channels, |channel| sum(channel) as f32)
}

/// For the weights, in their layout.
pub(super) fn of_weights(x: &[f32], dy: &[f32], g: &Geometry) -> Vec<f32> {
    let [n, c, h, width] = g.input;
    let positions = g.out[0] * g.out[1];
    let (channels, per_group, taps) = (c / g.groups, g.out_channels / g.groups, g.kernel[0] * g.kernel[1]);
    let is_pointwise = taps == 1 && g.stride == [1, 1] && g.pads == [0, 0];
    // Some input channels of one group at a time: one row for each of their windows' places, one column for each output channel.
    let at_once = (WINDOW_ROWS / taps).clamp(1, channels);
    let blocks = channels.div_ceil(at_once);
    let mut turned = vec![0.0f32; g.groups * channels * taps * per_group];
    let parts: Vec<(usize, &mut [f32])> =
        turned.chunks_mut(channels * taps * per_group).flat_map(|group| group.chunks_mut(at_once * taps * per_group)).enumerate().collect();
    parallel::for_each(parts, |(i, part)| {
        let (group, first) = (i / blocks, i % blocks * at_once);
        let (depth, own) = (part.len() / per_group, part.len() / per_group / taps);
        let rows = (STRIP / ((depth + per_group) * g.out[1]).max(1)).clamp(1, g.out[0]);
        let mut strip = if is_pointwise { Vec::new() } else { vec![0.0f32; depth * rows * g.out[1]] };
        let mut sums = MatMut::from_row_major_slice_mut(part, depth, per_group);
        for image in 0..n {
            let from = &x[(image * c + group * channels + first) * h * width..][..own * h * width];
            let whole = MatRef::from_row_major_slice(from, own, h * width);
            let back = &dy[(image * g.out_channels + group * per_group) * positions..][..per_group * positions];
            let back = MatRef::from_row_major_slice(back, per_group, positions);
            for row in (0..g.out[0]).step_by(rows) {
                let (start, n) = (row * g.out[1], rows.min(g.out[0] - row) * g.out[1]);
                let left = if is_pointwise {
                    whole.subcols(start, n)
                } else {
                    windows(from, &mut strip[..depth * n], row, n / g.out[1], g);
                    MatRef::from_row_major_slice(&strip[..depth * n], depth, n)
                };
                matmul(sums.as_mut(), Accum::Add, left, back.subcols(start, n).transpose(), 1.0, Par::Seq);
            }
        }
    });
    let depth = channels * taps;
    let mut out = vec![0.0f32; turned.len()];
    parallel::for_chunks(&mut out, depth, |channel, row| {
        let (group, at) = (channel / per_group, channel % per_group);
        let from = &turned[group * depth * per_group..][..depth * per_group];
        row.iter_mut().zip(from.iter().skip(at).step_by(per_group)).for_each(|(to, from)| *to = *from);
    });
    out
}

/// For the input.
pub(super) fn of_input(dy: &[f32], w: &[f32], g: &Geometry, buffers: &Buffers) -> Vec<f32> {
    let reach = [0, 1].map(|i| g.dilation[i] * (g.kernel[i] - 1));
    if g.stride == [1, 1] && (0..2).all(|i| g.pads[i] <= reach[i]) {
        let geometry = Geometry {
            input: [g.input[0], g.out_channels, g.out[0], g.out[1]],
            out_channels: g.input[1],
            pads: [reach[0] - g.pads[0], reach[1] - g.pads[1]],
            out: [g.input[2], g.input[3]],
            ..g.clone()
        };
        return convolve(dy, &turned(w, g), None, None, &geometry, buffers);
    }
    let [n, c, h, width] = g.input;
    let positions = g.out[0] * g.out[1];
    let (channels, per_group) = (c / g.groups, g.out_channels / g.groups);
    let depth = channels * g.kernel[0] * g.kernel[1];
    let mut out = buffers.take(n * c * h * width);
    parallel::for_chunks(&mut out, channels * h * width, |i, block| {
        let (image, group) = (i / g.groups, i % g.groups);
        block.fill(0.0);
        let weights = MatRef::from_row_major_slice(&w[group * per_group * depth..][..per_group * depth], per_group, depth);
        let back = &dy[(image * g.out_channels + group * per_group) * positions..][..per_group * positions];
        let back = MatRef::from_row_major_slice(back, per_group, positions);
        let rows = (STRIP / ((depth + per_group) * g.out[1]).max(1)).clamp(1, g.out[0]);
        let mut strip = vec![0.0f32; depth * rows * g.out[1]];
        for row in (0..g.out[0]).step_by(rows) {
            let (start, n) = (row * g.out[1], rows.min(g.out[0] - row) * g.out[1]);
            let places = MatMut::from_row_major_slice_mut(&mut strip[..depth * n], depth, n);
            matmul(places, Accum::Replace, weights.transpose(), back.subcols(start, n), 1.0, Par::Seq);
            add_windows(&strip[..depth * n], block, row, n / g.out[1], g);
        }
    });
    out
}

/// Weights with the kernel turned around and the roles of channels exchanged.
fn turned(w: &[f32], g: &Geometry) -> Vec<f32> {
    let (channels, per_group, taps) = (g.input[1] / g.groups, g.out_channels / g.groups, g.kernel[0] * g.kernel[1]);
    let mut out = vec![0.0f32; w.len()];
    parallel::for_chunks(&mut out, per_group * taps, |i, to| {
        let (group, channel) = (i / channels, i % channels);
        for (k, to) in to.chunks_mut(taps).enumerate() {
            let from = &w[((group * per_group + k) * channels + channel) * taps..][..taps];
            to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
        }
    });
    out
}

/// Adds values of windows to where they were taken from: the transpose of [`windows`].
fn add_windows(strip: &[f32], to: &mut [f32], first: usize, rows: usize, g: &Geometry) {
    let [_, _, h, width] = g.input;
    let columns = g.out[1];
    let mut lines = strip.chunks(rows * columns);
    for plane in to.chunks_mut(h * width) {
        for ky in 0..g.kernel[0] {
            for kx in 0..g.kernel[1] {
                let Some(line) = lines.next() else { return };
                let (offset, stride) = (kx * g.dilation[1], g.stride[1]);
                let low = g.pads[1].saturating_sub(offset).div_ceil(stride).min(columns);
                let high = (width + g.pads[1]).saturating_sub(offset).div_ceil(stride).clamp(low, columns);
                if low == high {
                    continue;
                }
                let start = low * stride + offset - g.pads[1];
                for (r, values) in line.chunks(columns).enumerate() {
                    let y = (first + r) * g.stride[0] + ky * g.dilation[0];
                    let Some(y) = y.checked_sub(g.pads[0]).filter(|y| *y < h) else { continue };
                    let row = &mut plane[y * width..][..width];
                    row[start..].iter_mut().step_by(stride).zip(&values[low..high]).for_each(|(to, v)| *to += *v);
                }
            }
        }
    }
}

/// Each gradient at the first of the largest values of its window.
pub(super) fn of_max_pool(x: &[f32], dy: &[f32], g: &Geometry, buffers: &Buffers) -> Vec<f32> {
    let [n, c, h, width] = g.input;
    let mut out = buffers.take(n * c * h * width);
    let positions = g.out[0] * g.out[1];
    parallel::for_chunks(&mut out, h * width, |i, plane| {
        plane.fill(0.0);
        let (from, back) = (&x[i * h * width..][..h * width], &dy[i * positions..][..positions]);
        for (at, back) in back.iter().enumerate() {
            let (oy, ox) = (at / g.out[1], at % g.out[1]);
            let mut best: Option<(usize, f32)> = None;
            for ky in 0..g.kernel[0] {
                let y = (oy * g.stride[0] + ky * g.dilation[0]).checked_sub(g.pads[0]).filter(|y| *y < h);
                let Some(y) = y else { continue };
                for kx in 0..g.kernel[1] {
                    let column = (ox * g.stride[1] + kx * g.dilation[1]).checked_sub(g.pads[1]).filter(|x| *x < width);
                    let Some(column) = column else { continue };
                    let value = from[y * width + column];
                    if best.is_none_or(|(_, largest)| value > largest || value.is_nan() && !largest.is_nan()) {
                        best = Some((y * width + column, value));
                    }
                }
            }
            if let Some((place, _)) = best {
                plane[place] += back;
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    /// From the definition: every product of the convolution, in double precision.
    fn slow(x: &[f32], w: &[f32], dy: &[f32], g: &Geometry) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let [n, c, h, width] = g.input;
        let (channels, per_group, positions) = (c / g.groups, g.out_channels / g.groups, g.out[0] * g.out[1]);
        let (mut of_x, mut of_w, mut of_b) = (vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; g.out_channels]);
        for (at, d) in dy.iter().enumerate() {
            let d = f64::from(*d);
            let (image, o, oy, ox) =
                (at / positions / g.out_channels, at / positions % g.out_channels, at / g.out[1] % g.out[0], at % g.out[1]);
            of_b[o] += d;
            for ci in 0..channels {
                for ky in 0..g.kernel[0] {
                    for kx in 0..g.kernel[1] {
                        let y = (oy * g.stride[0] + ky * g.dilation[0]).checked_sub(g.pads[0]).filter(|y| *y < h);
                        let column = (ox * g.stride[1] + kx * g.dilation[1]).checked_sub(g.pads[1]).filter(|x| *x < width);
                        if let (Some(y), Some(column)) = (y, column) {
                            let from = ((image * c + o / per_group * channels + ci) * h + y) * width + column;
                            let weight = ((o * channels + ci) * g.kernel[0] + ky) * g.kernel[1] + kx;
                            of_x[from] += d * f64::from(w[weight]);
                            of_w[weight] += d * f64::from(x[from]);
                        }
                    }
                }
            }
        }
        assert_eq!(of_x.len(), n * c * h * width);
        (of_x, of_w, of_b)
    }

    #[test]
    fn gradients_of_a_convolution_equal_the_definition() {
        let mut rng = Stream::new(3, 0);
        for (channels, out_channels, groups) in [(3, 8, 1), (6, 6, 6), (4, 8, 4), (6, 4, 2), (40, 7, 1)] {
            for (kernel, stride, dilation, pads) in [
                ([1, 1], [1, 1], [1, 1], [0, 0]),
                ([3, 3], [1, 1], [1, 1], [1, 1]),
                ([3, 3], [2, 2], [1, 1], [1, 1]),
                ([5, 3], [2, 3], [1, 2], [2, 0]),
                ([3, 5], [1, 1], [2, 1], [0, 2]),
                ([1, 1], [2, 2], [1, 1], [0, 0]),
                ([2, 2], [1, 1], [1, 3], [2, 5]),
            ] {
                for image in [[7usize, 9], [12, 30]] {
                    let out = [0, 1].map(|i| (image[i] + 2 * pads[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1);
                    let g =
                        Geometry { input: [2, channels, image[0], image[1]], out_channels, kernel, stride, dilation, pads, out, groups };
                    #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
                    let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.normal() as f32).collect() };
                    let x = random(2 * channels * image[0] * image[1]);
                    let w = random(out_channels * channels / groups * kernel[0] * kernel[1]);
                    let dy = random(2 * out_channels * out[0] * out[1]);
                    let (of_x, of_w, of_b) = slow(&x, &w, &dy, &g);
                    // Sums of up to some thousand products of size 1 in single precision.
                    let near = |got: &[f32], want: &[f64], what: &str| {
                        assert_eq!(got.len(), want.len(), "{what}");
                        for (a, b) in got.iter().zip(want) {
                            assert!((f64::from(*a) - b).abs() < 1e-4 * b.abs().max(10.0), "{what} of {g:?}: {a}, not {b}");
                        }
                    };
                    near(&of_input(&dy, &w, &g, &Buffers::default()), &of_x, "input");
                    near(&of_weights(&x, &dy, &g), &of_w, "weights");
                    near(&of_bias(&dy, &g), &of_b, "bias");
                }
            }
        }
    }

    #[test]
    fn a_maximum_hands_its_gradient_to_the_first_of_the_largest() {
        let g = Geometry {
            input: [1, 1, 3, 3],
            out_channels: 1,
            kernel: [2, 2],
            stride: [1, 1],
            dilation: [1, 1],
            pads: [0, 0],
            out: [2, 2],
            groups: 1,
        };
        let x = [1.0, 5.0, 2.0, 0.0, 5.0, 7.0, 3.0, 3.0, 3.0];
        let got = of_max_pool(&x, &[1.0, 10.0, 100.0, 1000.0], &g, &Buffers::default());
        assert_eq!(got, [0.0, 1.0, 0.0, 0.0, 100.0, 1010.0, 0.0, 0.0, 0.0]);
        assert_eq!(of_bounded(&[1.0, 2.0, 3.0], &[0.0, 0.5, 6.0], (0.0, 6.0), &Buffers::default()), [0.0, 2.0, 0.0]);
    }
}
