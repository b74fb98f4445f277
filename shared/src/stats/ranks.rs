//! Ranks.

use super::count;

/// Ranks from 1; tied values share the average of their ranks.
///
/// # Degenerate
/// NaN has rank NaN and takes no place among the others. -0 ties with 0.
///
/// # Cost
/// O(n log n); one sort of 8-byte keys, on all threads with feature `parallel`.
#[must_use]
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; values.len()];
    Sorted::new(values).for_each_tie(|start, tied| {
        let rank = count(2 * start + tied.len() + 1) / 2.0;
        tied.for_each(|i| out[i] = rank);
    });
    out
}

/// The positions of all values that are not NaN, by ascending value, equal values by ascending position.
#[derive(Debug)]
pub(super) struct Sorted<'a> {
    values: &'a [f64],
    /// The upper bits of the value's [`key`], then its position: one integer sorts faster than a pair.
    keys: Vec<u64>,
    /// Bits of a position.
    width: u32,
}

impl<'a> Sorted<'a> {
    pub(super) fn new(values: &'a [f64]) -> Self {
        let width = usize::BITS - values.len().leading_zeros();
        let upper = u64::MAX << width;
        let present = values.iter().enumerate().filter(|(_, v)| !v.is_nan());
        let mut out = Self { values, keys: Vec::with_capacity(values.len()), width };
        out.keys.extend(present.map(|(i, &v)| key(v) & upper | i as u64));
        sort(&mut out.keys);
        // Few keys differ in their lower bits only, unless they are ties.
        let value = |k: &u64| key(values[position(*k, width)]);
        for near in out.keys.chunk_by_mut(|a, b| (a ^ b) & upper == 0) {
            if near.windows(2).any(|w| value(&w[0]) > value(&w[1])) {
                near.sort_by_key(value);
            }
        }
        out
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn positions(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        self.keys.iter().map(|&k| position(k, self.width))
    }

    /// Calls `visit(start, positions)` for every run of equal values.
    pub(super) fn for_each_tie(&self, mut visit: impl FnMut(usize, &mut dyn ExactSizeIterator<Item = usize>)) {
        let mut start = 0;
        let upper = u64::MAX << self.width;
        let value = |k: u64| self.values[position(k, self.width)];
        // The upper bits decide most pairs without a look at the values.
        let tie = |a: &u64, b: &u64| (a ^ b) & upper == 0 && value(*a) == value(*b);
        for tied in self.keys.chunk_by(tie) {
            visit(start, &mut tied.iter().map(|&k| position(k, self.width)));
            start += tied.len();
        }
    }
}

/// The position in the lower `width` bits.
#[expect(clippy::cast_possible_truncation, reason = "made of a position")]
fn position(key: u64, width: u32) -> usize {
    (key & !(u64::MAX << width)) as usize
}

fn sort(keys: &mut [u64]) {
    #[cfg(feature = "parallel")]
    if keys.len() > 1 << 16 {
        rayon::slice::ParallelSliceMut::par_sort_unstable(keys);
        return;
    }
    keys.sort_unstable();
}

/// Maps floats to integers in the same order; -0 to that of 0.
fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_average_rank() {
        assert_eq!(average_ranks(&[3.0, -1.0, 3.0, 0.0, -0.0, 3.0]), [5.0, 1.0, 5.0, 2.5, 2.5, 5.0]);
        assert_eq!(average_ranks(&[f64::NEG_INFINITY, f64::INFINITY, -2.0]), [1.0, 3.0, 2.0]);
        assert!(average_ranks(&[]).is_empty(), "no values, no ranks");
    }

    #[test]
    fn nan_takes_no_rank() {
        let ranks = average_ranks(&[2.0, f64::NAN, 1.0]);
        assert!(ranks[1].is_nan(), "NaN stays NaN");
        assert_eq!((ranks[0], ranks[2]), (2.0, 1.0));
    }

    #[test]
    fn values_that_differ_in_their_last_bit_are_told_apart() {
        // More values than fit the upper bits of their keys apart, in an order of its own, with ties.
        let n = 1 << 17;
        let of = |i: usize| 1.0 + count(i * 7919 % n / 2) * f64::EPSILON;
        let values: Vec<f64> = (0..n).map(of).collect();
        let ranks = average_ranks(&values);
        for (i, rank) in ranks.iter().enumerate() {
            assert_eq!(*rank, count(i * 7919 % n / 2) * 2.0 + 1.5, "value {i}");
        }
        let sorted: Vec<usize> = Sorted::new(&values).positions().collect();
        assert!(sorted.windows(2).all(|w| (values[w[0]], w[0]) < (values[w[1]], w[1])), "by value, then by position");
    }
}
