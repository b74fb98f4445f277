//! Means, variances and standard errors.

use super::{count, fold_pairs, sum};

/// Arithmetic mean; NaN for no values.
#[must_use]
pub fn mean(x: &[f64]) -> f64 {
    sum(x) / count(x.len())
}

/// Variance with divisor `n - ddof`, in two passes; NaN when `n <= ddof`.
#[must_use]
pub fn variance(x: &[f64], ddof: usize) -> f64 {
    if x.len() <= ddof {
        return f64::NAN;
    }
    let center = mean(x);
    fold_pairs(x, x, |a, _| (a - center) * (a - center)) / count(x.len() - ddof)
}

/// Standard error of the mean, `sqrt(variance(ddof 1) / n)`; NaN for fewer than two values.
#[must_use]
pub fn sem(x: &[f64]) -> f64 {
    (variance(x, 1) / count(x.len())).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_small_sample() {
        let x = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&x).to_bits(), 5.0f64.to_bits());
        assert_eq!(variance(&x, 0).to_bits(), 4.0f64.to_bits());
        assert!((sem(&x) - (4.0f64 / 7.0).sqrt()).abs() < 1e-15, "sem = sqrt(32 / 7 / 8)");
        assert!(mean(&[]).is_nan() && variance(&[1.0], 1).is_nan(), "undefined moments are NaN");
    }
}
