//! Correlations of two slices.

use super::{average_ranks, dot, mean};

/// Pearson correlation.
///
/// # Definition
/// `sum (x - mx)(y - my) / sqrt(sum (x - mx)^2 sum (y - my)^2)`, clipped to [-1, 1].
///
/// # Degenerate
/// NaN when either is constant (all values equal) or holds a NaN.
///
/// # Accuracy
/// Two passes; relative error of a few eps times |mean| / sd.
///
/// # Panics
/// If the lengths differ: a defect of the caller.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "a correlation needs two slices of one length");
    match (centered_unit(x), centered_unit(y)) {
        (Some(x), Some(y)) => dot(&x, &y).clamp(-1.0, 1.0),
        _ => f64::NAN,
    }
}

/// Spearman correlation: Pearson correlation of average ranks. NaN when either is constant or holds a NaN.
///
/// # Panics
/// If the lengths differ: a defect of the caller.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> f64 {
    pearson(&average_ranks(x), &average_ranks(y))
}

/// Whether all values are equal (also true for none). A NaN makes it false.
#[must_use]
pub fn is_constant(x: &[f64]) -> bool {
    x.iter().all(|v| *v == x[0])
}

/// `x` divided by its Euclidean norm; `None` when all values are zero. Does not overflow.
#[must_use]
pub fn unit(x: &[f64]) -> Option<Vec<f64>> {
    let mut out = x.to_vec();
    scale_to_unit(&mut out).then_some(out)
}

/// `x` minus its mean, divided by the norm of that; `None` when `x` is constant.
#[must_use]
pub fn centered_unit(x: &[f64]) -> Option<Vec<f64>> {
    centered_to_unit(x.to_vec())
}

/// [`centered_unit`] in place.
#[must_use]
pub fn centered_to_unit(mut x: Vec<f64>) -> Option<Vec<f64>> {
    if is_constant(&x) {
        return None;
    }
    let center = mean(&x);
    x.iter_mut().for_each(|v| *v -= center);
    scale_to_unit(&mut x).then_some(x)
}

/// Scales in place; false (and unchanged) when all values are zero.
fn scale_to_unit(x: &mut [f64]) -> bool {
    // The largest value first, so that no square over- or underflows.
    let largest = x.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        return false;
    }
    x.iter_mut().for_each(|v| *v /= largest);
    let norm = dot(x, x).sqrt();
    x.iter_mut().for_each(|v| *v /= norm);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_match_scipy() {
        // scipy.stats.pearsonr and spearmanr
        let (x, y) = ([1.0, 2.0, 2.0, 5.0, 3.0], [2.0, 1.0, 4.0, 7.0, 7.0]);
        assert!((pearson(&x, &y) - 0.796_041_164_673_943_9).abs() < 1e-15, "{}", pearson(&x, &y));
        assert!((spearman(&x, &y) - 0.789_473_684_210_526_4).abs() < 1e-15, "{}", spearman(&x, &y));
    }

    #[test]
    fn undefined_correlations_are_nan() {
        assert!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]).is_nan(), "a constant slice");
        assert!(spearman(&[1.0, f64::NAN, 2.0], &[1.0, 2.0, 3.0]).is_nan(), "a NaN");
        assert!(pearson(&[], &[]).is_nan(), "no values");
    }

    #[test]
    fn extreme_scales_do_not_overflow() {
        let x = [1e300, 2e300, -1e300];
        let y = [1e-300, 2e-300, -1e-300];
        assert!((pearson(&x, &y) - 1.0).abs() < 1e-15, "{}", pearson(&x, &y));
    }
}
