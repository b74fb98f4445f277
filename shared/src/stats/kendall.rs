//! Kendall's tau in O(n log n).

use super::count;
use super::ranks::Sorted;

/// Counts of ordered pairs, from which every tau follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kendall {
    /// Concordant minus discordant pairs.
    pub score: f64,
    /// All pairs, n (n - 1) / 2.
    pub pairs: f64,
    /// Pairs tied in the first.
    pub tied_x: f64,
    /// Pairs tied in the second.
    pub tied_y: f64,
}

impl Kendall {
    /// tau-a = (concordant - discordant) / pairs; NaN for fewer than two values.
    #[must_use]
    pub fn tau_a(&self) -> f64 {
        self.score / self.pairs
    }

    /// tau-b = (concordant - discordant) / sqrt((pairs - tied x)(pairs - tied y)); NaN when either is constant.
    #[must_use]
    pub fn tau_b(&self) -> f64 {
        let free = ((self.pairs - self.tied_x) * (self.pairs - self.tied_y)).sqrt();
        if free > 0.0 { (self.score / free).clamp(-1.0, 1.0) } else { f64::NAN }
    }
}

/// The order of one slice, made once for comparisons with many.
#[derive(Debug, Clone)]
pub struct Order {
    positions: Vec<usize>,
    dense: Vec<usize>,
    tied: u64,
}

impl Order {
    /// Sorts the values; `None` when one is NaN.
    #[must_use]
    pub fn new(values: &[f64]) -> Option<Self> {
        let sorted = Sorted::new(values);
        if sorted.len() != values.len() {
            return None;
        }
        let mut out = Self { positions: sorted.positions().collect(), dense: vec![0; values.len()], tied: 0 };
        let mut rank = 0;
        sorted.for_each_tie(|_, tied| {
            out.tied += pairs_of(tied.len());
            tied.for_each(|i| out.dense[i] = rank);
            rank += 1;
        });
        Some(out)
    }
}

/// Concordant and discordant pairs of two orders.
///
/// # Definition
/// Over all i < j: concordant when the signs of `x_i - x_j` and `y_i - y_j` are equal and not 0, discordant when opposite.
///
/// # Accuracy
/// Integer counts, exact.
///
/// # Cost
/// O(n log n): inversions of y along x, counted by merge sort.
///
/// # Panics
/// If the lengths differ: a defect of the caller.
///
/// # Source
/// Knight 1966, J. Am. Stat. Assoc. 61:436.
#[must_use]
pub fn kendall(x: &Order, y: &Order) -> Kendall {
    let n = x.positions.len();
    assert_eq!(n, y.positions.len(), "tau needs two orders of one length");
    let mut along: Vec<usize> = x.positions.iter().map(|&i| y.dense[i]).collect();
    let (mut start, mut tied_both) = (0, 0);
    for tied in x.positions.chunk_by(|&a, &b| x.dense[a] == x.dense[b]) {
        let group = &mut along[start..start + tied.len()];
        start += tied.len();
        if group.len() > 1 {
            group.sort_unstable();
            tied_both += group.chunk_by(|a, b| a == b).map(|run| pairs_of(run.len())).sum::<u64>();
        }
    }
    let discordant = inversions(&mut along);
    // pairs = concordant + discordant + tied x + tied y - tied in both
    let free = (pairs_of(n) + tied_both) - x.tied - y.tied;
    let wide = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
    Kendall { score: wide(free) - 2.0 * wide(discordant), pairs: wide(pairs_of(n)), tied_x: wide(x.tied), tied_y: wide(y.tied) }
}

fn pairs_of(n: usize) -> u64 {
    let n = n as u64;
    n * n.saturating_sub(1) / 2
}

/// Number of pairs i < j with `values[i] > values[j]`; sorts the values.
fn inversions(values: &mut Vec<usize>) -> u64 {
    let n = values.len();
    let mut merged = values.clone();
    let (mut total, mut width) = (0, 1);
    while width < n {
        for start in (0..n).step_by(2 * width) {
            let middle = (start + width).min(n);
            let end = (start + 2 * width).min(n);
            total += merge(&values[start..middle], &values[middle..end], &mut merged[start..end]);
        }
        std::mem::swap(values, &mut merged);
        width *= 2;
    }
    total
}

fn merge(left: &[usize], right: &[usize], out: &mut [usize]) -> u64 {
    let (mut i, mut j, mut total) = (0, 0, 0);
    for slot in out {
        if j == right.len() || (i < left.len() && left[i] <= right[j]) {
            *slot = left[i];
            i += 1;
        } else {
            *slot = right[j];
            j += 1;
            total += (left.len() - i) as u64;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn brute_force(x: &[f64], y: &[f64]) -> f64 {
        let mut score = 0.0;
        for i in 0..x.len() {
            for j in 0..i {
                score += (x[i] - x[j]).partial_cmp(&0.0).map_or(0.0, |o| f64::from(o as i8))
                    * (y[i] - y[j]).partial_cmp(&0.0).map_or(0.0, |o| f64::from(o as i8));
            }
        }
        score
    }

    #[test]
    fn merge_sort_counts_as_brute_force_does() {
        let mut rng = Stream::new(3, 0);
        for (n, levels) in [(1usize, 3), (2, 2), (37, 4), (200, 1000), (257, 12)] {
            let mut draw = || (0..n).map(|_| count(rng.below(levels))).collect::<Vec<_>>();
            let (x, y) = (draw(), draw());
            let (ox, oy) = (Order::new(&x).expect("no NaN"), Order::new(&y).expect("no NaN"));
            assert_eq!(kendall(&ox, &oy).score.to_bits(), (brute_force(&x, &y) + 0.0).to_bits(), "n = {n}, {levels} levels");
            assert_eq!(kendall(&ox, &oy).score.to_bits(), kendall(&oy, &ox).score.to_bits(), "symmetric");
        }
    }

    #[test]
    fn taus_of_a_known_table() {
        // scipy.stats.kendalltau (tau-b)
        let x = Order::new(&[12.0, 2.0, 1.0, 12.0, 2.0]).expect("no NaN");
        let y = Order::new(&[1.0, 4.0, 7.0, 1.0, 0.0]).expect("no NaN");
        let found = kendall(&x, &y);
        assert!((found.tau_b() + 0.471_404_520_791_031_7).abs() < 1e-15, "{}", found.tau_b());
        assert!((found.tau_a() + 0.4).abs() < 1e-15, "{}", found.tau_a());
        assert!(kendall(&x, &Order::new(&[1.0; 5]).expect("no NaN")).tau_b().is_nan(), "constant");
        assert_eq!(kendall(&x, &x).tau_b().to_bits(), 1.0f64.to_bits());
        assert!(Order::new(&[1.0, f64::NAN]).is_none(), "NaN has no order");
    }
}
