//! Numbers that summarize a spectrum, from its eigenvalues alone.

use super::AlphaFit;

/// Effective dimensionality, the participation ratio of eigenvalues.
///
/// # Definition
/// (sum lambda)^2 / sum lambda^2; between 1 and the number of eigenvalues, free of scale.
///
/// # Degenerate
/// `None` without a positive eigenvalue.
///
/// # Source
/// Elmoznino & Bonner 2024.
#[must_use]
pub fn effective_dimensionality(eigenvalues: &[f64]) -> Option<f64> {
    let sum: f64 = eigenvalues.iter().sum();
    let squares: f64 = eigenvalues.iter().map(|v| v * v).sum();
    (sum > 0.0 && squares > 0.0).then(|| sum * sum / squares)
}

/// The smallest number of leading eigenvalues that hold a fraction of the variance.
///
/// # Definition
/// Smallest k >= 1 with (sum of the first k) / (sum of all) >= `fraction`; eigenvalues descending, `fraction` in (0, 1].
///
/// # Degenerate
/// `None` for zero total variance.
///
/// # Source
/// Elmoznino & Bonner 2024 (fraction 0.8).
#[must_use]
pub fn variance_count(eigenvalues: &[f64], fraction: f64) -> Option<usize> {
    let total: f64 = eigenvalues.iter().sum();
    if total <= 0.0 || total.is_nan() {
        return None;
    }
    let mut sum = 0.0;
    let reached = eigenvalues.iter().position(|v| {
        sum += v;
        sum / total >= fraction
    });
    Some(reached.map_or(eigenvalues.len(), |at| at + 1))
}

/// Entropy dimension: the exponential of the entropy of the normalized eigenvalues.
///
/// # Definition
/// `p_i = lambda_i / sum lambda`; `exp(-sum p_i ln p_i)`, with 0 ln 0 = 0; between 1 and the number of eigenvalues, free of scale.
///
/// # Degenerate
/// `None` without a positive eigenvalue.
///
/// # Source
/// Del Giudice 2021; on singular values it is [`effective_rank`].
#[must_use]
pub fn entropy_dimension(eigenvalues: &[f64]) -> Option<f64> {
    let total: f64 = eigenvalues.iter().sum();
    let entropy: f64 = eigenvalues.iter().filter(|&&v| v > 0.0).map(|v| v / total).map(|p| -p * p.ln()).sum();
    (total > 0.0).then(|| entropy.exp())
}

/// Effective rank: the exponential of the entropy of the normalized singular values.
///
/// # Definition
/// As [`entropy_dimension`] with `p_i = s_i / sum s`, `s_i = sqrt(lambda_i)`; never below it.
///
/// # Degenerate
/// `None` without a positive eigenvalue.
///
/// # Source
/// Roy & Vetterli 2007.
#[must_use]
pub fn effective_rank(eigenvalues: &[f64]) -> Option<f64> {
    let singular: Vec<f64> = eigenvalues.iter().map(|v| v.max(0.0).sqrt()).collect();
    entropy_dimension(&singular)
}

/// A power law `lambda_n = e^intercept n^-alpha` (`10^intercept` for [`AlphaFit::Logspaced`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// The exponent: minus the slope on logarithms.
    pub alpha: f64,
    /// The intercept in the logarithm that the fit uses.
    pub intercept: f64,
}

/// Exponent of a power law through a descending spectrum.
///
/// # Definition
/// Least squares of the logarithm of `lambda_n` on that of n (n from 1 to N):
/// - `logspaced`: log10, indices round(10^(j log10(N) / 49)), j = 0..49, halves to even, repeated indices kept.
/// - `tail_cut`: natural logarithm, all n with ln n <= 0.95 ln N.
/// - `range`: natural logarithm, n = 11..min(500, N) with weights 1/n.
///
/// The variants give clearly different numbers on the same spectrum.
///
/// # Degenerate
/// Zero eigenvalues are left out; `None` when fewer than 3 different indices remain.
///
/// # Source
/// Elmoznino & Bonner 2024 (the first two); Stringer et al. 2019 (the third).
#[must_use]
pub fn power_law_alpha(eigenvalues: &[f64], fit: AlphaFit) -> Option<PowerLaw> {
    let n_all = eigenvalues.len();
    #[expect(clippy::cast_precision_loss, reason = "indices are far below 2^53")]
    let points: Vec<Point> = indices(n_all, fit)
        .filter(|&n| eigenvalues[n - 1] > 0.0)
        .map(|n| {
            let (index, value) = (n as f64, eigenvalues[n - 1]);
            match fit {
                AlphaFit::Logspaced => Point { x: index.log10(), y: value.log10(), weight: 1.0 },
                AlphaFit::TailCut => Point { x: index.ln(), y: value.ln(), weight: 1.0 },
                AlphaFit::Range => Point { x: index.ln(), y: value.ln(), weight: 1.0 / index },
            }
        })
        .collect();
    let n_different = points.windows(2).filter(|w| w[0].x < w[1].x).count() + 1;
    if points.is_empty() || n_different < 3 {
        return None;
    }
    let (slope, intercept) = line(&points);
    Some(PowerLaw { alpha: -slope, intercept })
}

/// Indices from 1, ascending.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "indices lie in 1..=n")]
fn indices(n: usize, fit: AlphaFit) -> Box<dyn Iterator<Item = usize>> {
    let total = n as f64;
    match fit {
        _ if n == 0 => Box::new(std::iter::empty()),
        AlphaFit::Logspaced => {
            Box::new((0..50u32).map(move |j| ((10f64.powf(f64::from(j) * (total.log10() / 49.0))).round_ties_even() as usize).clamp(1, n)))
        }
        AlphaFit::TailCut => Box::new((1..=n).take_while(move |&i| (i as f64).ln() <= 0.95 * total.ln())),
        AlphaFit::Range => Box::new(11..=n.min(500)),
    }
}

struct Point {
    x: f64,
    y: f64,
    weight: f64,
}

/// Weighted least squares: (slope, intercept).
fn line(points: &[Point]) -> (f64, f64) {
    let total: f64 = points.iter().map(|p| p.weight).sum();
    let x_mean = points.iter().map(|p| p.weight * p.x).sum::<f64>() / total;
    let y_mean = points.iter().map(|p| p.weight * p.y).sum::<f64>() / total;
    let covariance: f64 = points.iter().map(|p| p.weight * (p.x - x_mean) * (p.y - y_mean)).sum();
    let variance: f64 = points.iter().map(|p| p.weight * (p.x - x_mean) * (p.x - x_mean)).sum();
    let slope = covariance / variance;
    (slope, y_mean - slope * x_mean)
}
