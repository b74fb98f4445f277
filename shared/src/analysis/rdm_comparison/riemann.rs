//! Riemannian distance of second moments, minimized over signal and noise scales.

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, Side, get_global_parallelism};

use crate::stats::mean;

/// Second moments relative to the first condition, (K-1) x (K-1).
#[derive(Debug, Clone)]
pub(super) struct Moments {
    moments: Mat<f64>,
    /// Lower Cholesky factor; `None` when not positive definite, and then the RDM cannot take the place of the data.
    factor: Option<Mat<f64>>,
}

/// `G_ij = (d_1i + d_1j - d_ij) / 2` of a square RDM of squared distances.
fn second_moments(rdm: &Mat<f64>) -> Mat<f64> {
    let n = rdm.nrows() - 1;
    Mat::from_fn(n, n, |i, j| 0.5 * (rdm[(0, i + 1)] + rdm[(0, j + 1)] - rdm[(i + 1, j + 1)]))
}

/// P S P' with P = [-1, I]: the second moments of noise with covariance `sigma` (identity if absent).
pub(super) fn noise_moments(n_conditions: usize, sigma: Option<&Mat<f64>>) -> Mat<f64> {
    let at = |i: usize, j: usize| sigma.map_or(f64::from(u8::from(i == j)), |s| s[(i, j)]);
    Mat::from_fn(n_conditions - 1, n_conditions - 1, |i, j| at(i + 1, j + 1) - at(i + 1, 0) - at(0, j + 1) + at(0, 0))
}

impl Moments {
    pub(super) fn new(rdm: &Mat<f64>) -> Self {
        let moments = second_moments(rdm);
        let factor = moments.llt(Side::Lower).ok().map(|llt| llt.L().to_owned()).filter(is_regular);
        Self { moments, factor }
    }

    /// Minus the smallest distance between `a G_model + b G_noise` and `G_data` over a, b > 0; NaN when `G_data` is not positive definite.
    ///
    /// For a fixed ratio c = b / a the best scale has a closed form (the mean of ln eig is 0), so the search has one dimension:
    /// the standard deviation of `ln eig(G_model + c G_noise, G_data)`, on a grid of ln c and then by golden section.
    pub(super) fn negative_distance(&self, data: &Self, noise: &Mat<f64>) -> f64 {
        let Some(factor) = &data.factor else { return f64::NAN };
        let (signal, noise) = (whitened(factor, &self.moments), whitened(factor, noise));
        let trace = |m: &Mat<f64>| (0..m.nrows()).map(|i| m[(i, i)]).sum::<f64>();
        // At ln c = 0 both parts are equally large.
        let balance = trace(&signal) / trace(&noise);
        let balance = if balance > 0.0 && balance.is_finite() { balance } else { 1.0 };
        let spread = |ln_ratio: f64| {
            let mixed = Mat::from_fn(signal.nrows(), signal.ncols(), |i, j| signal[(i, j)] + ln_ratio.exp() * balance * noise[(i, j)]);
            log_spread(&mixed)
        };
        const STEP: f64 = 1.5;
        let grid: Vec<f64> = (-20..=20).map(|i| STEP * f64::from(i)).collect();
        let values = crate::parallel::map(grid.len(), |i| spread(grid[i]));
        let best = (0..grid.len()).fold(0, |best, i| if values[i] < values[best] { i } else { best });
        if !values[best].is_finite() {
            return f64::NAN;
        }
        -golden_section(spread, grid[best] - STEP, grid[best] + STEP).min(values[best])
    }
}

/// Whether no pivot of a Cholesky factor is a rounding error: fewer channels than conditions leave such pivots, and RDMs that depend on each other.
pub(super) fn is_regular(factor: &Mat<f64>) -> bool {
    let pivots = || (0..factor.nrows()).map(|i| factor[(i, i)] * factor[(i, i)]);
    pivots().fold(f64::INFINITY, f64::min) > 1e-13 * pivots().fold(0.0, f64::max)
}

/// L^-1 M L^-T.
fn whitened(lower: &Mat<f64>, m: &Mat<f64>) -> Mat<f64> {
    let mut half = m.clone();
    solve_lower_triangular_in_place(lower.as_ref(), half.as_mut(), get_global_parallelism());
    let mut out = half.transpose().to_owned();
    solve_lower_triangular_in_place(lower.as_ref(), out.as_mut(), get_global_parallelism());
    out
}

/// sqrt(sum (ln eig - mean ln eig)^2); infinite when not positive definite.
fn log_spread(m: &Mat<f64>) -> f64 {
    let Ok(values) = m.self_adjoint_eigenvalues(Side::Lower) else { return f64::INFINITY };
    if values.iter().any(|&v| v <= 0.0 || !v.is_finite()) {
        return f64::INFINITY;
    }
    let logs: Vec<f64> = values.iter().map(|v| v.ln()).collect();
    let center = mean(&logs);
    logs.iter().map(|v| (v - center) * (v - center)).sum::<f64>().sqrt()
}

/// The smallest value that golden-section search meets between `low` and `high`.
fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    // The minimum is flat: half the digits of its place give all digits of its value.
    for _ in 0..40 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = f(b);
        }
    }
    at_a.min(at_b)
}
