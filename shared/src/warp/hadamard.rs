//! The Walsh-Hadamard transform.

use crate::parallel;

/// Values that stay in the first cache of a core while they are transformed.
const BLOCK: usize = 1 << 12;
/// Values of each part that a thread combines at a time.
const PIECE: usize = 1 << 12;
/// Values below which one thread is enough.
const SHARED: usize = 1 << 16;
/// Values that are transformed at once.
const BASE: usize = 16;

/// A number in single or double precision.
pub trait Real:
    Copy
    + Default
    + Send
    + Sync
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Neg<Output = Self>
{
    /// The nearest.
    fn of(value: f64) -> Self;
    /// As a double.
    fn double(self) -> f64;
}

impl Real for f32 {
    #[expect(clippy::cast_possible_truncation, reason = "the nearest is wanted")]
    fn of(value: f64) -> Self {
        value as Self
    }

    fn double(self) -> f64 {
        self.into()
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn double(self) -> f64 {
        self
    }
}

/// Transforms values in place: `x ← H x` with the entries +1 and -1 of H in natural (Sylvester) order, not normalized: twice gives `n x`.
///
/// # Shapes
/// n values, a power of two.
///
/// # Accuracy
/// Each value is a sum of n terms in log2 n steps of additions: errors grow with the square root of log2 n. The same for any number of threads.
///
/// # Cost
/// n log2 n additions. Values pass through a cache once for each factor of eight beyond its size.
///
/// # Panics
/// If n is no power of two: a defect of the caller.
pub fn transform<T: Real>(x: &mut [T]) {
    assert!(x.len().is_power_of_two(), "{} values are no power of two", x.len());
    if x.len() <= BLOCK {
        pulp::Arch::new().dispatch(Small(x));
        return;
    }
    let parts = (x.len() / BLOCK).min(8);
    let length = x.len() / parts;
    combine(x, parts);
    if x.len() > SHARED {
        parallel::for_chunks(x, length, |_, part| transform(part));
    } else {
        x.chunks_exact_mut(length).for_each(transform);
    }
}

/// As [`transform`], for values that are 0 from the n-th on: what is known to be 0 is not computed with.
///
/// # Panics
/// Those of [`transform`], and for n above the number of values: defects of the caller.
pub(super) fn transform_padded<T: Real>(x: &mut [T], n: usize) {
    assert!(n <= x.len() && x.len().is_power_of_two(), "{n} of {} values", x.len());
    if n == x.len() || x.len() <= BLOCK {
        return transform(x);
    }
    let (low, high) = x.split_at_mut(x.len() / 2);
    if n <= low.len() {
        transform_padded(low, n);
        high.copy_from_slice(low);
    } else {
        transform(low);
        transform_padded(high, n - low.len());
        combine(x, 2);
    }
}

/// As [`transform`], but only the first n values are right; the others are not computed to the end.
///
/// # Panics
/// Those of [`transform`], and for n above the number of values: defects of the caller.
pub(super) fn transform_first<T: Real>(x: &mut [T], n: usize) {
    assert!(n <= x.len() && x.len().is_power_of_two(), "{n} of {} values", x.len());
    if n == x.len() || x.len() <= BLOCK {
        return transform(x);
    }
    combine(x, 2);
    let (low, high) = x.split_at_mut(x.len() / 2);
    if n <= low.len() {
        transform_first(low, n);
    } else {
        transform(low);
        transform_first(high, n - low.len());
    }
}

/// Butterflies between 2, 4 or 8 parts: the transform along the axis of parts.
fn combine<T: Real>(x: &mut [T], parts: usize) {
    let length = x.len() / parts;
    if x.len() <= SHARED {
        let mut whole: Vec<&mut [T]> = x.chunks_exact_mut(length).collect();
        pulp::Arch::new().dispatch(Combine(&mut whole));
        return;
    }
    let mut rest: Vec<_> = x.chunks_exact_mut(length).map(|part| part.chunks_mut(PIECE)).collect();
    let mut pieces = Vec::with_capacity(length / PIECE);
    while let Some(piece) = rest.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() {
        pieces.push(piece);
    }
    parallel::for_each(pieces, |mut piece| pulp::Arch::new().dispatch(Combine(&mut piece)));
}

struct Combine<'a, 'b, T>(&'a mut [&'b mut [T]]);

impl<T: Real> pulp::WithSimd for Combine<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        match self.0 {
            [a, b] => butterfly(a, b),
            [a, b, c, d] => four(a, b, c, d),
            [a, b, c, d, e, f, g, h] => eight([a, b, c, d, e, f, g, h]),
            _ => {}
        }
    }
}

/// In the first cache of one core.
struct Small<'a, T>(&'a mut [T]);

impl<T: Real> pulp::WithSimd for Small<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self(x) = self;
        let mut length = x.len();
        while length > BASE {
            let parts = (length / BASE).min(8);
            for whole in x.chunks_exact_mut(length) {
                let step = length / parts;
                let (first, second) = whole.split_at_mut(length / 2);
                match parts {
                    2 => butterfly(first, second),
                    4 => {
                        let ((a, b), (c, d)) = (first.split_at_mut(step), second.split_at_mut(step));
                        four(a, b, c, d);
                    }
                    _ => {
                        let ((a, b), (c, d)) = (first.split_at_mut(2 * step), second.split_at_mut(2 * step));
                        let ((a, b), (c, d)) = ((a.split_at_mut(step), b.split_at_mut(step)), (c.split_at_mut(step), d.split_at_mut(step)));
                        eight([a.0, a.1, b.0, b.1, c.0, c.1, d.0, d.1]);
                    }
                }
            }
            length /= parts;
        }
        if length == BASE {
            let (whole, _) = x.as_chunks_mut::<BASE>();
            whole.iter_mut().for_each(base);
            return;
        }
        let mut step = length / 2;
        while step > 0 {
            for pair in x.chunks_exact_mut(2 * step) {
                let (a, b) = pair.split_at_mut(step);
                butterfly(a, b);
            }
            step /= 2;
        }
    }
}

/// Sixteen neighbors.
#[inline(always)]
fn base<T: Real>(x: &mut [T; BASE]) {
    let mut y = *x;
    let mut step = BASE / 2;
    while step > 0 {
        let from = y;
        for i in 0..BASE {
            y[i] = if i & step == 0 { from[i] + from[i ^ step] } else { from[i ^ step] - from[i] };
        }
        step /= 2;
    }
    *x = y;
}

#[inline(always)]
fn butterfly<T: Real>(a: &mut [T], b: &mut [T]) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

#[inline(always)]
fn four<T: Real>(a: &mut [T], b: &mut [T], c: &mut [T], d: &mut [T]) {
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let (e, f, g, h) = (*a + *c, *b + *d, *a - *c, *b - *d);
        (*a, *b, *c, *d) = (e + f, e - f, g + h, g - h);
    }
}

#[inline(always)]
fn eight<T: Real>([a, b, c, d, e, f, g, h]: [&mut [T]; 8]) {
    let low = a.iter_mut().zip(b).zip(c).zip(d);
    let high = e.iter_mut().zip(f).zip(g).zip(h);
    for ((((a, b), c), d), (((e, f), g), h)) in low.zip(high) {
        let (a0, b0, c0, d0) = (*a + *e, *b + *f, *c + *g, *d + *h);
        let (e0, f0, g0, h0) = (*a - *e, *b - *f, *c - *g, *d - *h);
        let (a1, b1, c1, d1) = (a0 + c0, b0 + d0, a0 - c0, b0 - d0);
        let (e1, f1, g1, h1) = (e0 + g0, f0 + h0, e0 - g0, f0 - h0);
        (*a, *b, *c, *d) = (a1 + b1, a1 - b1, c1 + d1, c1 - d1);
        (*e, *f, *g, *h) = (e1 + f1, e1 - f1, g1 + h1, g1 - h1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn it_is_the_product_with_its_matrix() {
        for n in [1usize, 2, 8, 16, 32, 64, 128, 512] {
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            let mut got = x.clone();
            transform(&mut got);
            for (i, got) in got.iter().enumerate() {
                // The sign is that of the number of common bits.
                let want: f64 = x.iter().enumerate().map(|(j, v)| if (i & j).count_ones().is_multiple_of(2) { *v } else { -v }).sum();
                assert!((got - want).abs() < 1e-12, "{n}, {i}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn long_inputs_come_back_after_two_transforms() {
        for n in [1usize << 15, 1 << 16, 1 << 18] {
            let mut rng = Stream::new(1, n as u64);
            let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
            let mut y = x.clone();
            transform(&mut y);
            // A long one has the values of a short one in its first block when the rest is zero.
            let mut padded = vec![0.0; n];
            padded[..64].copy_from_slice(&x[..64]);
            transform(&mut padded);
            let mut short = x[..64].to_vec();
            transform(&mut short);
            assert!(padded.chunks_exact(64).all(|part| part.iter().zip(&short).all(|(a, b)| (a - b).abs() < 1e-11)), "{n}: repeated");
            transform(&mut y);
            for k in [1, 63, n / 4 + 7, n / 2, n / 2 + 1, n - 5, n] {
                let mut whole: Vec<f64> = x.iter().enumerate().map(|(i, v)| if i < k { *v } else { 0.0 }).collect();
                let mut padded = whole.clone();
                transform(&mut whole);
                transform_padded(&mut padded, k);
                assert!(whole.iter().zip(&padded).all(|(a, b)| (a - b).abs() < 1e-9), "{n}: {k} values that are not 0");
                let (mut first, mut all) = (x.clone(), x.clone());
                transform(&mut all);
                transform_first(&mut first, k);
                assert!(all.iter().zip(&first).take(k).all(|(a, b)| (a - b).abs() < 1e-9), "{n}: the first {k}");
            }
            let worst = x.iter().zip(&y).fold(0.0f64, |m, (a, b)| m.max((a - b / n as f64).abs()));
            assert!(worst < 1e-13, "{n}: {worst}");
        }
    }
}
