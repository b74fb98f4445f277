//! Classical multidimensional scaling.

use faer::Mat;

use crate::Error;
use crate::analysis::rdm_comparison::centered_gram;
use crate::linalg::spectral::symmetric_eigen;

/// Points, and the shares of the positive variance along them.
pub(super) struct Classical {
    pub(super) points: Mat<f64>,
    pub(super) explained: Vec<f64>,
}

/// The first `d` principal axes of `-1/2 H D^2 H`; axes of negative eigenvalues are zero.
pub(super) fn scale(distances: &Mat<f64>, d: usize) -> Result<Classical, Error> {
    let k = distances.nrows();
    let squared = Mat::from_fn(k, k, |i, j| distances[(i, j)].powi(2));
    let eigen = symmetric_eigen(centered_gram(&squared).as_ref())?;
    let positive: f64 = eigen.values.iter().filter(|v| **v > 0.0).sum();
    let value = |c: usize| eigen.values[c].max(0.0);
    let explained = (0..d).map(|c| if positive > 0.0 { value(c) / positive } else { 0.0 }).collect();
    Ok(Classical { points: Mat::from_fn(k, d, |i, c| eigen.vectors[(i, c)] * value(c).sqrt()), explained })
}
