//! Wilcoxon's signed-rank test.

use super::count;
use super::ranks::average_ranks;

/// Up to this many differences the distribution is counted, beyond it is close to normal.
const EXACT_UP_TO: usize = 50;

/// P-values of Wilcoxon's signed-rank test of a median of zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Against larger values.
    pub greater: f64,
    /// Against values on either side.
    pub two_sided: f64,
}

/// Wilcoxon's signed-rank test of the differences in `x`.
///
/// # Definition
/// W = sum of the ranks of |x| over positive x; zeros are left out, ties share their average rank. `greater` = P(W* >= W) over all
/// 2^n equally likely signs, `two_sided` = min(1, 2 min(P(W* >= W), P(W* <= W))).
///
/// # Degenerate
/// NaN without a difference that is not zero; NaN values are left out.
///
/// # Accuracy
/// Exact for up to 50 differences, ties included; beyond by the normal distribution with the variance of the tied ranks, without
/// correction for continuity.
///
/// # Source
/// Wilcoxon 1945; scipy's `wilcoxon(method="exact")` where there are no ties.
#[must_use]
pub fn signed_rank(x: &[f64]) -> SignedRank {
    let used: Vec<f64> = x.iter().copied().filter(|v| *v != 0.0 && !v.is_nan()).collect();
    if used.is_empty() {
        return SignedRank { greater: f64::NAN, two_sided: f64::NAN };
    }
    let ranks = average_ranks(&used.iter().map(|v| v.abs()).collect::<Vec<_>>());
    let statistic: f64 = ranks.iter().zip(&used).filter(|(_, v)| **v > 0.0).map(|(r, _)| r).sum();
    let (greater, less) = if used.len() <= EXACT_UP_TO { counted(&ranks, statistic) } else { normal(&ranks, statistic) };
    SignedRank { greater, two_sided: (2.0 * greater.min(less)).min(1.0) }
}

/// P(W* >= W) and P(W* <= W) by counting the sums of doubled ranks, which are whole.
fn counted(ranks: &[f64], statistic: f64) -> (f64, f64) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "doubled ranks of at most 50 values are small and whole")]
    let doubled = |v: f64| (2.0 * v).round() as usize;
    let steps: Vec<usize> = ranks.iter().map(|&r| doubled(r)).collect();
    let total: usize = steps.iter().sum();
    let mut share = vec![0.0; total + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for step in steps {
        reached += step;
        for sum in (0..=reached).rev() {
            let with = if sum >= step { share[sum - step] } else { 0.0 };
            share[sum] = 0.5 * (share[sum] + with);
        }
    }
    let at = doubled(statistic);
    (share[at..].iter().sum(), share[..=at].iter().sum())
}

fn normal(ranks: &[f64], statistic: f64) -> (f64, f64) {
    let mean = 0.5 * ranks.iter().sum::<f64>();
    let spread = 0.5 * ranks.iter().map(|r| r * r).sum::<f64>().sqrt();
    let z = (statistic - mean) / spread;
    (normal_sf(z), normal_sf(-z))
}

/// P(Z > z) of the standard normal distribution: Student's t with so many degrees of freedom that the difference is below 1e-9.
fn normal_sf(z: f64) -> f64 {
    super::student_t_sf(z, count(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::within as near;

    #[test]
    fn exact_values_of_scipy() {
        // scipy.stats.wilcoxon([...], alternative="greater" / "two-sided", method="exact")
        let x = [0.3, -0.1, 0.5, 0.7, 0.2, -0.4, 0.9];
        let found = signed_rank(&x);
        // W = 28 - 1 - 4 = 23; sums of ranks of at most 5: 10 of 128.
        near("greater", found.greater, 10.0 / 128.0, 1e-15);
        near("two-sided", found.two_sided, 20.0 / 128.0, 1e-15);
        near("all positive", signed_rank(&[1.0, 2.0, 3.0, 4.0]).greater, 1.0 / 16.0, 1e-15);
    }

    #[test]
    fn ties_are_counted_as_brute_force_counts_them() {
        let x = [1.0, -1.0, 2.0, 2.0, -3.0, 1.0, 4.0, 0.0, f64::NAN];
        let used = [1.0, -1.0, 2.0, 2.0, -3.0, 1.0, 4.0f64];
        let ranks = average_ranks(&used.map(f64::abs));
        let sum = |signs: u32| (0..7).filter(|i| signs >> i & 1 == 1).map(|i| ranks[i as usize]).sum::<f64>();
        let mine = (0..7).filter(|&i| used[i as usize] > 0.0).fold(0, |signs, i| signs | 1 << i);
        let at_least = (0..128).filter(|&signs| sum(signs) >= sum(mine)).count();
        near("greater", signed_rank(&x).greater, count(at_least) / 128.0, 1e-15);
    }

    #[test]
    fn many_differences_are_close_to_the_exact_distribution() {
        let x: Vec<f64> = (0..50u32).map(|i| (f64::from(i) * 1.7).sin() + 0.2).collect();
        let ranks = average_ranks(&x.iter().map(|v| v.abs()).collect::<Vec<_>>());
        let statistic: f64 = ranks.iter().zip(&x).filter(|(_, v)| **v > 0.0).map(|(r, _)| r).sum();
        let (exact, approximate) = (counted(&ranks, statistic), normal(&ranks, statistic));
        assert!((exact.0 - approximate.0).abs() < 0.005, "{exact:?} {approximate:?}");
        assert!(signed_rank(&[0.0]).greater.is_nan(), "nothing to test");
    }
}
