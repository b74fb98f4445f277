//! For every target the one feature that goes best with it.

use faer::Mat;

use super::columns::{count, map_indices};
use super::linear::Linear;
use crate::Error;
use crate::compute::Device;

/// Least squares of each target on the single feature of the largest training correlation.
///
/// # Definition
/// `j* = argmax_j r(x_j, y)` over the training rows, equal ones to the first; the prediction is the regression line on that feature.
///
/// # Shapes
/// x: (n, p), y: (n, t), both centered.
///
/// # Degenerate
/// Features without variance are never chosen; without any other, and for constant targets, the prediction is the training mean.
/// A largest correlation below 0 is taken as it is.
///
/// # Accuracy
/// 1e-12 relative; on a GPU features whose correlations differ by less than 1e-6 may change places.
///
/// # Cost
/// `2 n p t` flops.
///
/// # Errors
/// [`Error::Device`].
///
/// # Source
/// `neuron_to_neuron` of Elmoznino & Bonner 2024.
pub(super) async fn fit(x: &Mat<f64>, y: &Mat<f64>, device: &Device) -> Result<Linear, Error> {
    let (n, p) = x.shape();
    let energy: Vec<f64> = (0..p).map(|j| x.col_as_slice(j).iter().map(|v| v * v).sum()).collect();
    let largest = energy.iter().copied().fold(0.0, f64::max);
    // Columns that center to rounding have no direction.
    let floor = largest * (count(n) * f64::EPSILON).powi(2);
    let covariance = device.cross(x.as_ref(), y.as_ref()).await?;
    let chosen = map_indices(y.ncols(), |k| {
        let products = covariance.col_as_slice(k);
        let mut best: Option<(usize, f64)> = None;
        for (j, (product, energy)) in products.iter().zip(&energy).enumerate().filter(|(_, (_, e))| **e > floor) {
            let r = product / energy.sqrt();
            if best.is_none_or(|(_, known)| r > known) {
                best = Some((j, r));
            }
        }
        best.map(|(j, _)| (j, products[j] / energy[j]))
    });
    let mut weights = Mat::zeros(p, y.ncols());
    for (k, (j, slope)) in chosen.into_iter().enumerate().filter_map(|(k, c)| Some((k, c?))) {
        weights[(j, k)] = slope;
    }
    Ok(Linear { directions: None, weights })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_takes_the_feature_with_the_largest_correlation() {
        // Columns: a ramp, a parabola, its negative, a constant, a tenth of the ramp.
        let column = |j: usize, i: f64| [i, i * i - 2.0, 2.0 - i * i, 0.0, 0.1 * i][j];
        let x = Mat::from_fn(5, 5, |i, j| column(j, count(i) - 2.0));
        let y = Mat::from_fn(5, 3, |i, k| [2.0 * x[(i, 0)], -3.0 * x[(i, 1)], 0.0][k]);
        let fit = pollster::block_on(fit(&x, &y, &Device::cpu())).expect("cpu");
        let chosen = |k: usize| (0..5).filter(|&j| fit.weights[(j, k)] != 0.0).collect::<Vec<_>>();
        assert_eq!((chosen(0), chosen(1), chosen(2)), (vec![0], vec![2], vec![]), "ties take the first, a constant target none");
        assert!((fit.weights[(0, 0)] - 2.0).abs() < 1e-15 && (fit.weights[(2, 1)] - 3.0).abs() < 1e-15, "slopes");
    }
}
