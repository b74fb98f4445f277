//! One representation and what several measures derive from it, each made once.

use std::sync::OnceLock;

use faer::Mat;

use crate::Error;
use crate::dataset::Matrix;
use crate::linalg::spectral::{ThinSvd, center_columns, thin_svd};
use crate::parallel;
use crate::stats::{fold_pairs, quantile};

/// Rows = samples.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) name: String,
    /// As given, n x p.
    pub(super) x: Mat<f64>,
    /// Minus its column means.
    pub(super) centered: Mat<f64>,
    /// Frobenius norm of the centered matrix.
    pub(super) norm: f64,
    svd: OnceLock<Result<ThinSvd, Error>>,
    distances: OnceLock<Mat<f64>>,
    cosines: OnceLock<Mat<f64>>,
    gram: OnceLock<Mat<f64>>,
}

impl Side {
    pub(super) fn new(matrix: &Matrix) -> Self {
        Self::of(matrix.name(), matrix.to_mat())
    }

    pub(super) fn of(name: &str, x: Mat<f64>) -> Self {
        let mut centered = x.clone();
        center_columns(&mut centered);
        let norm = centered.norm_l2();
        Self {
            name: name.into(),
            x,
            centered,
            norm,
            svd: OnceLock::new(),
            distances: OnceLock::new(),
            cosines: OnceLock::new(),
            gram: OnceLock::new(),
        }
    }

    pub(super) fn n(&self) -> usize {
        self.x.nrows()
    }

    pub(super) fn width(&self) -> usize {
        self.x.ncols()
    }

    /// Of the centered matrix, cut at the rank.
    pub(super) fn svd(&self) -> Result<&ThinSvd, Error> {
        self.svd.get_or_init(|| decompose(&self.centered)).as_ref().map_err(Clone::clone)
    }

    /// Euclidean distances of rows, n x n; exactly zero on the diagonal.
    pub(super) fn distances(&self) -> &Mat<f64> {
        self.distances.get_or_init(|| pairwise(&self.x, |a, b| fold_pairs(a, b, |a, b| (a - b) * (a - b)).sqrt()))
    }

    /// Cosines of rows as they are; 0 with a row of zeros.
    pub(super) fn cosines(&self) -> &Mat<f64> {
        self.cosines.get_or_init(|| cosines(&self.x))
    }

    /// Inner products of rows as they are.
    pub(super) fn gram(&self) -> &Mat<f64> {
        self.gram.get_or_init(|| &self.x * self.x.transpose())
    }

    /// Median of the distances over pairs of rows.
    pub(super) fn median_distance(&self) -> f64 {
        let d = self.distances();
        let pairs: Vec<f64> = (0..d.ncols()).flat_map(|j| (0..j).map(move |i| d[(i, j)])).collect();
        quantile(&pairs, 0.5)
    }
}

/// A thin decomposition; a wide matrix is reduced to its rows' space first.
pub(super) fn decompose(x: &Mat<f64>) -> Result<ThinSvd, Error> {
    if x.ncols() <= x.nrows() {
        return thin_svd(x.as_ref());
    }
    let qr = x.transpose().qr();
    let small = thin_svd(qr.thin_R().transpose())?;
    Ok(ThinSvd { v: qr.compute_thin_Q() * small.v, ..small })
}

/// Cosines of rows; 0 with a row of zeros.
pub(super) fn cosines(x: &Mat<f64>) -> Mat<f64> {
    let norms: Vec<f64> = x.row_iter().map(|row| row.norm_l2()).collect();
    let mut out = x * x.transpose();
    for j in 0..out.ncols() {
        for i in 0..out.nrows() {
            let scale = norms[i] * norms[j];
            out[(i, j)] = if scale > 0.0 { (out[(i, j)] / scale).clamp(-1.0, 1.0) } else { 0.0 };
        }
    }
    out
}

/// A symmetric table of `value(row i, row j)`, i > j, zero on the diagonal.
pub(super) fn pairwise(x: &Mat<f64>, value: impl Fn(&[f64], &[f64]) -> f64 + Sync) -> Mat<f64> {
    let rows = x.transpose().to_owned();
    let n = rows.ncols();
    let mut out = Mat::<f64>::zeros(n, n);
    parallel::for_each_column(&mut out, |j, column| {
        for (i, cell) in column.iter_mut().enumerate().skip(j + 1) {
            *cell = value(rows.col_as_slice(i), rows.col_as_slice(j));
        }
    });
    for j in 0..n {
        for i in 0..j {
            out[(i, j)] = out[(j, i)];
        }
    }
    out
}

/// Sum of the products of two matrices of one shape.
pub(super) fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| crate::stats::dot(a.col_as_slice(j), b.col_as_slice(j))).sum()
}

/// With row i times `rows[i]` and column j times `columns[j]`.
pub(super) fn scaled(m: &Mat<f64>, rows: &[f64], columns: &[f64]) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] * (rows[i] * columns[j]))
}

/// With zero columns appended up to a width.
pub(super) fn padded(x: &Mat<f64>, width: usize) -> Mat<f64> {
    Mat::from_fn(x.nrows(), width, |i, j| if j < x.ncols() { x[(i, j)] } else { 0.0 })
}
