//! One network, reduced once for all its pairs.

use faer::Mat;

use super::{ALPHA_STEP, Spec};
use crate::Error;
use crate::dataset::Matrix;
use crate::linalg::spectral::{ThinSvd, center_columns, thin_svd};

/// Smallest eigenvalue that is whitened.
const FLOOR: f64 = 1e-7;

/// Rows to fit on and to hold out.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
}

/// Coordinates C (m x r) whose products `C_x'C_y` have the singular values of the whitened Xc'Yc, up to the variance factors.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    /// Columns of the input.
    pub(super) width: usize,
    pub(super) coordinates: Mat<f64>,
    /// Frobenius norm of the coordinates.
    pub(super) norm: f64,
    pub(super) held_out: Option<HeldOut>,
    /// Eigenvalues of Xc'Xc above the rank tolerance, for the variance factor; empty for alpha = 1.
    eigenvalues: Vec<f64>,
}

/// Held-out rows in the coordinates of the fit.
#[derive(Debug)]
pub(super) struct HeldOut {
    pub(super) coordinates: Mat<f64>,
    pub(super) norm: f64,
}

impl Network {
    /// Centers with the means of the rows fitted on and reduces.
    ///
    /// - alpha = 1, m >= n: the coordinates are Xc itself.
    /// - alpha = 1, m < n: with Xc' = Q R they are R' (m x m).
    /// - alpha < 1: with Xc = U S V' they are U diag(S d), d the whitening of each direction.
    pub(super) fn reduce(spec: &Spec, matrix: &Matrix, rows: &Rows) -> Result<Self, Error> {
        let (name, width) = (matrix.name().to_owned(), matrix.n_features());
        let all = matrix.to_mat();
        let mut test = (!rows.test.is_empty()).then(|| select(&all, &rows.test));
        let mut train = if test.is_some() { select(&all, &rows.train) } else { all };
        if spec.center_columns {
            let means = center_columns(&mut train);
            for (j, mean) in means.iter().enumerate() {
                test.iter_mut().for_each(|test| test.col_as_slice_mut(j).iter_mut().for_each(|v| *v -= mean));
            }
        }
        let is_wide = train.nrows() < width;
        if spec.alpha > 1.0 - ALPHA_STEP {
            // An orthogonal map keeps the norm, also of what lies outside the rows fitted on.
            let test_norm = test.as_ref().map(Mat::norm_l2);
            let (coordinates, test) = if is_wide {
                let qr = train.transpose().qr();
                (qr.thin_R().transpose().to_owned(), test.map(|test| test * qr.compute_thin_Q()))
            } else {
                (train, test)
            };
            let norm = coordinates.norm_l2();
            let held_out = test.zip(test_norm).map(|(coordinates, norm)| HeldOut { coordinates, norm });
            return Ok(Self { name, width, coordinates, norm, held_out, eigenvalues: Vec::new() });
        }
        let ThinSvd { u, s, v } = if is_wide {
            let qr = train.transpose().qr();
            let small = thin_svd(qr.thin_R().transpose())?;
            ThinSvd { v: qr.compute_thin_Q() * small.v, ..small }
        } else {
            thin_svd(train.as_ref())?
        };
        let eigenvalues: Vec<f64> = s.iter().map(|s| s * s).collect();
        let whitening = |j: usize| spec.alpha + (1.0 - spec.alpha) / eigenvalues[j].max(FLOOR).sqrt();
        let mut coordinates = u;
        scale_columns(&mut coordinates, |j| s[j] * whitening(j));
        let held_out = test.map(|test| {
            let mut coordinates = test * &v;
            scale_columns(&mut coordinates, whitening);
            HeldOut { norm: coordinates.norm_l2(), coordinates }
        });
        Ok(Self { name, width, norm: coordinates.norm_l2(), coordinates, held_out, eigenvalues })
    }

    /// The factor that keeps the total variance when whitening `width` columns, padded ones included: their eigenvalues are the floor.
    pub(super) fn variance_factor(&self, alpha: f64, width: usize) -> f64 {
        if alpha > 1.0 - ALPHA_STEP {
            return 1.0;
        }
        let n_padded = width - self.eigenvalues.len();
        let floors = std::iter::repeat_n(FLOOR, n_padded);
        let (mut before, mut after) = (0.0, 0.0);
        for value in self.eigenvalues.iter().map(|v| v.max(FLOOR)).chain(floors) {
            before += value;
            after += alpha * alpha * value + 2.0 * alpha * (1.0 - alpha) * value.sqrt() + (1.0 - alpha) * (1.0 - alpha);
        }
        (before / after).sqrt()
    }
}

fn select(x: &Mat<f64>, rows: &[usize]) -> Mat<f64> {
    Mat::from_fn(rows.len(), x.ncols(), |i, j| x[(rows[i], j)])
}

fn scale_columns(x: &mut Mat<f64>, factor: impl Fn(usize) -> f64) {
    for j in 0..x.ncols() {
        let factor = factor(j);
        x.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= factor);
    }
}
