//! One network, reduced once for all its pairs.

use faer::Mat;

use super::{Metric, Spec};
use crate::Error;
use crate::dataset::Matrix;
use crate::linalg::spectral::{ThinSvd, center_columns, thin_svd};
use crate::shapes::{ALPHA_STEP, Convolution, FLOOR, variance_factor};

/// Rows to fit on and to hold out.
#[derive(Debug, Clone)]
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
    /// The coordinates over space, of a convolutional layer.
    pub(super) maps: Option<Convolution>,
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
    /// - alpha = 1, m >= n, and metrics that do not rotate: the coordinates are Xc itself.
    /// - alpha = 1, m < n: with Xc' = Q R they are R' (m x m).
    /// - alpha < 1: with Xc = U S V' they are U diag(S d), d the whitening of each direction.
    pub(super) fn reduce(spec: &Spec, matrix: &Matrix, rows: &Rows, map: Option<[usize; 2]>) -> Result<Self, Error> {
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
        let is_free = matches!(spec.metric, Metric::Linear | Metric::Cka | Metric::Convolutional);
        let is_wide = is_free && train.nrows() < width;
        let maps = |coordinates: &Mat<f64>| map.map(|[h, w]| Convolution::new(coordinates.as_ref(), coordinates.nrows() / (h * w), (h, w)));
        if spec.alpha > 1.0 - ALPHA_STEP {
            // An orthogonal map keeps the norm, also of what lies outside the rows fitted on.
            let test_norm = test.as_ref().map(Mat::norm_l2);
            // Gram matrices of held-out rows need all their columns.
            let (coordinates, test) = if is_wide && !(spec.metric == Metric::Cka && test.is_some()) {
                let qr = train.transpose().qr();
                (qr.thin_R().transpose().to_owned(), test.map(|test| test * qr.compute_thin_Q()))
            } else {
                (train, test)
            };
            let norm = coordinates.norm_l2();
            let held_out = test.zip(test_norm).map(|(coordinates, norm)| HeldOut { coordinates, norm });
            return Ok(Self { name, width, maps: maps(&coordinates), coordinates, norm, held_out, eigenvalues: Vec::new() });
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
        Ok(Self { name, width, norm: coordinates.norm_l2(), maps: maps(&coordinates), coordinates, held_out, eigenvalues })
    }

    /// The factor that keeps the total variance when whitening `width` columns, padded ones included: their eigenvalues are the floor.
    pub(super) fn variance_factor(&self, alpha: f64, width: usize) -> f64 {
        variance_factor(&self.eigenvalues, alpha, width)
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
