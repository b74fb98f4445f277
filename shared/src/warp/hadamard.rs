//! The Walsh-Hadamard transform.

use crate::parallel;

/// Values that stay in the cache of a core while they are transformed.
const BLOCK: usize = 1 << 14;
/// Values of each of eight parts that are combined at a time.
const PIECE: usize = 1 << 12;

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
/// n log2 n additions. Long inputs pass through memory once for each factor of eight beyond 16,384 values.
///
/// # Panics
/// If n is no power of two: a defect of the caller.
pub fn transform<T: Real>(x: &mut [T]) {
    assert!(x.len().is_power_of_two(), "{} values are no power of two", x.len());
    let mut length = x.len();
    while length > BLOCK {
        // Eight parts at a time, or what is left to the block.
        let parts = (length / BLOCK).min(8);
        for whole in x.chunks_exact_mut(length) {
            let mut rest: Vec<_> = whole.chunks_exact_mut(length / parts).map(|part| part.chunks_mut(PIECE)).collect();
            let mut pieces = Vec::with_capacity(length / parts / PIECE);
            while let Some(piece) = rest.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() {
                pieces.push(piece);
            }
            parallel::for_each(pieces, |mut piece| combine(&mut piece));
        }
        length /= parts;
    }
    parallel::for_chunks(x, length, |_, block| small(block));
}

/// Butterflies between parts: the transform along the axis of parts.
fn combine<T: Real>(parts: &mut [&mut [T]]) {
    let mut step = parts.len() / 2;
    while step > 0 {
        for start in (0..parts.len()).step_by(2 * step) {
            for i in start..start + step {
                let (head, tail) = parts.split_at_mut(i + step);
                butterfly(head[i], tail[0]);
            }
        }
        step /= 2;
    }
}

fn butterfly<T: Real>(a: &mut [T], b: &mut [T]) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (*a + *b, *a - *b);
    }
}

/// In the cache of one core.
fn small<T: Real>(x: &mut [T]) {
    let mut step = x.len() / 2;
    while step > 0 {
        for pair in x.chunks_exact_mut(2 * step) {
            let (a, b) = pair.split_at_mut(step);
            butterfly(a, b);
        }
        step /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn it_is_the_product_with_its_matrix() {
        for n in [1usize, 2, 8, 64] {
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            let mut got = x.clone();
            transform(&mut got);
            for (i, got) in got.iter().enumerate() {
                // The sign is that of the number of common bits.
                let want: f64 = x.iter().enumerate().map(|(j, v)| if (i & j).count_ones().is_multiple_of(2) { *v } else { -v }).sum();
                assert!((got - want).abs() < 1e-13, "{n}, {i}: {got}, not {want}");
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
            let worst = x.iter().zip(&y).fold(0.0f64, |m, (a, b)| m.max((a - b / n as f64).abs()));
            assert!(worst < 1e-13, "{n}: {worst}");
        }
    }
}
