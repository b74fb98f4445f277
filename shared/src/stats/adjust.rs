//! P-values of several tests together.

use super::count;
use super::ranks::Sorted;

/// P-values adjusted so that rejecting those up to q keeps the false discovery rate at q.
///
/// # Definition
/// Benjamini-Hochberg: with the m defined p-values in ascending order, the i-th becomes min over j >= i of `p_j m / j`, at most 1.
///
/// # Degenerate
/// NaN stays NaN and is not counted.
///
/// # Source
/// Benjamini & Hochberg 1995.
#[must_use]
pub fn false_discovery_rate(p: &[f64]) -> Vec<f64> {
    let sorted = Sorted::new(p);
    let m = count(sorted.len());
    let mut out = vec![f64::NAN; p.len()];
    let mut least = 1.0f64;
    for (i, at) in sorted.positions().enumerate().rev() {
        least = least.min(p[at] * m / count(i + 1));
        out[at] = least;
    }
    out
}

/// P-values times the number of those that are defined, at most 1.
#[must_use]
pub fn bonferroni(p: &[f64]) -> Vec<f64> {
    let m = count(p.iter().filter(|p| !p.is_nan()).count());
    p.iter().map(|&p| if p.is_nan() { p } else { (p * m).min(1.0) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::within as near;

    #[test]
    fn adjusted_values_of_scipy() {
        // scipy.stats.false_discovery_control
        let p = [0.01, 0.04, 0.03, f64::NAN, 0.005, 0.8];
        let adjusted = false_discovery_rate(&p);
        for (at, want) in [(0, 0.025), (1, 0.05), (2, 0.05), (4, 0.025), (5, 0.8)] {
            near("adjusted", adjusted[at], want, 1e-15);
        }
        assert!(adjusted[3].is_nan(), "NaN stays");
        near("bonferroni", bonferroni(&p)[0], 0.05, 1e-15);
        near("at most 1", bonferroni(&p)[5], 1.0, 0.0);
    }
}
