//! Quantiles and the median.

use super::count;

/// The quantile `q` (0 to 1) by linear interpolation between order statistics.
///
/// # Definition
/// numpy's default, "type 7": position `h = (n - 1) q` in the sorted values, interpolated linearly.
///
/// # Degenerate
/// NaN for no values, for a NaN among them, and for `q` outside 0..=1. Filter undefined values out first.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> f64 {
    if values.is_empty() || !(0.0..=1.0).contains(&q) || values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    let position = q * count(values.len() - 1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 <= position <= n - 1")]
    let below = position.floor() as usize;
    let mut work = values.to_vec();
    let (_, &mut low, above) = work.select_nth_unstable_by(below, f64::total_cmp);
    let share = position - count(below);
    if share > 0.0 { low + share * (above.iter().copied().fold(f64::INFINITY, f64::min) - low) } else { low }
}

/// The median: the middle value, or the mean of the two middle ones. NaN as in [`quantile`].
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_as_numpy_does() {
        // numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], q) for q = 0, .1, .25, .5, .9, 1
        let x = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (q, want) in [(0.0, 1.0), (0.1, 1.0), (0.25, 1.75), (0.5, 3.5), (0.9, 6.9), (1.0, 9.0)] {
            assert!((quantile(&x, q) - want).abs() < 1e-14, "quantile {q}: {}", quantile(&x, q));
        }
        assert_eq!(median(&[7.0]).to_bits(), 7.0f64.to_bits());
        assert!(median(&[]).is_nan() && median(&[1.0, f64::NAN]).is_nan() && quantile(&x, 1.5).is_nan(), "undefined quantiles");
    }
}
