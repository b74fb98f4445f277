//! Which pairs and conditions a comparison uses when some are missing.

use std::borrow::Cow;

use faer::Mat;

/// Pairs present in a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Present {
    /// Conditions of the RDMs.
    pub(super) n_conditions: usize,
    /// Missing pairs, ascending.
    pub(super) missing: Vec<usize>,
}

impl Present {
    /// The entries of `pairs` that are present; copied only when some are missing.
    pub(super) fn gather<'a>(&self, pairs: &'a [f64]) -> Cow<'a, [f64]> {
        if self.missing.is_empty() {
            return Cow::Borrowed(pairs);
        }
        let mut out = Vec::with_capacity(pairs.len() - self.missing.len());
        let mut start = 0;
        for &at in &self.missing {
            out.extend_from_slice(&pairs[start..at]);
            start = at + 1;
        }
        out.extend_from_slice(&pairs[start..]);
        Cow::Owned(out)
    }

    /// The conditions with at least one pair present, and the missing pairs among them (as positions in the kept conditions).
    pub(super) fn conditions(&self) -> (Vec<usize>, Vec<(usize, usize)>) {
        let k = self.n_conditions;
        let gone = pair_conditions(k, &self.missing);
        let mut absent = vec![0; k];
        for &(i, j) in &gone {
            absent[i] += 1;
            absent[j] += 1;
        }
        let kept: Vec<usize> = (0..k).filter(|&i| absent[i] < k - 1).collect();
        let place = |i: usize| kept.binary_search(&i).ok();
        let holes = gone.iter().filter_map(|&(i, j)| Some((place(i)?, place(j)?))).collect();
        (kept, holes)
    }
}

/// Where the pair (i, j), i < j, of k conditions is among all pairs.
pub(in crate::analysis) fn position(k: usize, i: usize, j: usize) -> usize {
    i * (2 * k - i - 1) / 2 + j - i - 1
}

/// All pairs as a k x k matrix in C order with a zero diagonal; NaN stays NaN.
pub(in crate::analysis) fn mirrored(pairs: &[f64], k: usize) -> Vec<f64> {
    let at = |i: usize, j: usize| if i == j { 0.0 } else { pairs[position(k, i.min(j), i.max(j))] };
    (0..k).flat_map(|i| (0..k).map(move |j| at(i, j))).collect()
}

/// The square RDM over `kept` conditions from all pairs; missing pairs become 0.
pub(super) fn square(pairs: &[f64], n_conditions: usize, kept: &[usize]) -> Mat<f64> {
    let mut out = Mat::zeros(kept.len(), kept.len());
    for (a, &i) in kept.iter().enumerate() {
        for (b, &j) in kept.iter().enumerate().skip(a + 1) {
            let value = pairs[position(n_conditions, i, j)];
            let value = if value.is_nan() { 0.0 } else { value };
            out[(a, b)] = value;
            out[(b, a)] = value;
        }
    }
    out
}

/// The conditions (i, j), i < j, of pair numbers in ascending order.
fn pair_conditions(k: usize, numbers: &[usize]) -> Vec<(usize, usize)> {
    let (mut i, mut row) = (0, 0);
    numbers
        .iter()
        .map(|&number| {
            while number >= row + (k - 1 - i) {
                row += k - 1 - i;
                i += 1;
            }
            (i, i + 1 + number - row)
        })
        .collect()
}

/// Ascending union of two ascending lists.
pub(super) fn union(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut out = [a, b].concat();
    out.sort_unstable();
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pair_numbers_are_row_major() {
        assert_eq!(pair_conditions(4, &[0, 1, 2, 3, 4, 5]), [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
        assert_eq!(pair_conditions(4, &[4]), [(1, 3)]);
    }

    #[test]
    fn a_condition_without_pairs_is_dropped() {
        let present = Present { n_conditions: 4, missing: vec![0, 1, 2, 5] };
        assert_eq!(present.conditions(), (vec![1, 2, 3], vec![(1, 2)]));
        assert_eq!(present.gather(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])[..], [3.0, 4.0]);
        let rdm = square(&[0.0, 1.0, 2.0, 3.0, 4.0, f64::NAN], 4, &[1, 2, 3]);
        assert_eq!((rdm[(0, 1)], rdm[(2, 0)], rdm[(1, 2)]), (3.0, 4.0, 0.0));
    }
}
