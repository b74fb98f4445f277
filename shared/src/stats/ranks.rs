//! Ranks.

use super::count;

/// Ranks from 1; tied values share the average of their ranks.
///
/// # Degenerate
/// NaN has rank NaN and takes no place among the others. -0 ties with 0.
///
/// # Cost
/// O(n log n); one sort of 16-byte keys, on all threads with feature `parallel`.
#[must_use]
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let sorted = sorted_keys(values);
    let mut out = vec![f64::NAN; values.len()];
    for_each_tie(&sorted, |start, tied| {
        let rank = count(2 * start + tied.len() + 1) / 2.0;
        for &(_, i) in tied {
            out[i] = rank;
        }
    });
    out
}

/// Order-preserving keys of all values that are not NaN with their positions, sorted by key.
pub(super) fn sorted_keys(values: &[f64]) -> Vec<(u64, usize)> {
    let mut keys: Vec<(u64, usize)> = values.iter().enumerate().filter(|(_, v)| !v.is_nan()).map(|(i, &v)| (key(v), i)).collect();
    #[cfg(feature = "parallel")]
    if keys.len() > 1 << 16 {
        rayon::slice::ParallelSliceMut::par_sort_unstable(keys.as_mut_slice());
        return keys;
    }
    keys.sort_unstable();
    keys
}

/// Calls `visit(start, tied)` for every run of equal keys.
pub(super) fn for_each_tie(sorted: &[(u64, usize)], mut visit: impl FnMut(usize, &[(u64, usize)])) {
    let mut start = 0;
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        visit(start, tied);
        start += tied.len();
    }
}

/// Maps floats to integers in the same order: integer comparisons sort faster than float ones.
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
}
