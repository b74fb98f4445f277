//! Minimum-norm least squares.

use faer::linalg::solvers::{Qr, Svd};
use faer::{Mat, MatRef};

use super::columns::count;
use super::linear::Linear;
use crate::Error;

/// Minimum-norm least squares of centered targets on centered features.
///
/// # Definition
/// `beta = V diag(1/s) U'Yc` over singular values `s > max(n, p) eps s_1` of `Xc = U diag(s) V'`.
///
/// # Shapes
/// x: (n, p), y: (n, t), both centered.
///
/// # Degenerate
/// Features without variance give zero weights: the prediction is the training mean.
///
/// # Accuracy
/// Backward stable: 1e-9 relative on well-conditioned features. Always in f64 on the host, whatever the device.
///
/// # Cost
/// `2 n p^2` flops for a QR when its triangle is provably of full rank, plus an SVD of the smaller side squared otherwise.
///
/// # Errors
/// [`Error::Numerical`] when the SVD does not converge.
///
/// # Source
/// Golub & Van Loan, Matrix Computations, 5.3 and 5.5; tolerance as numpy's `matrix_rank`.
pub fn fit(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Linear, Error> {
    let (n, p) = x.shape();
    let tolerance = count(n.max(p)) * f64::EPSILON;
    if p < n {
        let qr = Qr::new(x);
        let turned = qr.compute_thin_Q().transpose() * y;
        if has_full_rank(qr.thin_R(), tolerance) {
            let mut weights = turned;
            qr.thin_R().solve_upper_triangular_in_place(weights.as_mut());
            return Ok(Linear { directions: None, weights });
        }
        let (directions, weights) = invert(qr.thin_R(), turned.as_ref(), tolerance)?;
        Ok(Linear { directions: Some(directions), weights })
    } else {
        // Xc = R'Q' with Q p x n: the SVD of the square R' has the singular values of Xc.
        let qr = Qr::new(x.transpose());
        let (right, weights) = invert(qr.thin_R().transpose(), y, tolerance)?;
        Ok(Linear { directions: Some(qr.compute_thin_Q() * right), weights })
    }
}

/// Whether every singular value of a triangle is certainly above the tolerance: `s_min >= 1 / |R^-1|_F` and `s_1 <= |R|_F`.
fn has_full_rank(r: MatRef<'_, f64>, tolerance: f64) -> bool {
    // A thousand tolerances of margin: below them the SVD decides.
    let floor = 1e3 * tolerance * r.norm_l2();
    if r.norm_l2() == 0.0 || (0..r.ncols()).any(|j| r[(j, j)].abs() <= floor) {
        return false;
    }
    let mut inverse = Mat::<f64>::identity(r.nrows(), r.ncols());
    r.solve_upper_triangular_in_place(inverse.as_mut());
    inverse.norm_l2().recip() > floor
}

/// `V` and `diag(1/s) U'Y` of a square matrix over its singular values above the tolerance.
fn invert(a: MatRef<'_, f64>, y: MatRef<'_, f64>, tolerance: f64) -> Result<(Mat<f64>, Mat<f64>), Error> {
    let svd = Svd::new_thin(a).map_err(|e| Error::Numerical {
        what: "least squares".into(),
        message: format!("the SVD of a {} x {} matrix failed ({e:?}); check the features for extreme values", a.nrows(), a.ncols()),
    })?;
    let s: Vec<f64> = svd.S().column_vector().iter().copied().collect();
    let floor = s.first().copied().unwrap_or(0.0) * tolerance;
    let rank = s.iter().take_while(|&&s| s > floor).count();
    let turned = svd.U().subcols(0, rank).transpose() * y;
    let weights = super::columns::scale_rows(&turned, |j, _| s[j].recip());
    Ok((svd.V().subcols(0, rank).to_owned(), weights))
}
