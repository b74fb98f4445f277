//! Differences of simple statistics of the clouds of rows.

use faer::Mat;

use super::side::Side;
use crate::stats::{count, mean};

fn mean_row(x: &Mat<f64>) -> Vec<f64> {
    (0..x.ncols()).map(|j| mean(x.col_as_slice(j))).collect()
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Length of the mean row.
pub(super) fn magnitude(side: &Side) -> f64 {
    norm(&mean_row(&side.x))
}

/// `ln mean exp(-2 |x_i - x_j|^2)` over all n^2 pairs.
pub(super) fn uniformity(side: &Side) -> f64 {
    let d = side.distances();
    let sum: f64 = (0..d.ncols()).map(|j| d.col_as_slice(j).iter().map(|d| (-2.0 * d * d).exp()).sum::<f64>()).sum();
    (sum / count(side.n()).powi(2)).ln()
}

/// Mean cosine of rows to the mean row.
pub(super) fn concentricity(side: &Side) -> f64 {
    let center = mean_row(&side.x);
    let length = norm(&center);
    let cosines: Vec<f64> =
        side.x.row_iter().map(|row| row.iter().zip(&center).map(|(a, b)| a * b).sum::<f64>() / (row.norm_l2() * length)).collect();
    mean(&cosines)
}
