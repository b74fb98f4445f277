//! Ridge regression: one eigendecomposition of the smaller Gram matrix serves all penalties and all targets; a single penalty needs
//! a Cholesky factorization only.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side as Triangle};

use super::columns::{count, for_each_column, scale_rows};
use super::products::{Gram, Products, Rows, Side};
use crate::Error;
use crate::compute::Device;

/// The normal equations of a training set in their eigenbasis.
///
/// # Definition
/// `G = Xc'Xc = V L V'` (or `Xc Xc' = Q L Q'` when features outnumber rows), over eigenvalues above the rank tolerance.
/// A row `a` brought to the same side has the prediction `sum_j (a'v_j) b_jt / (L_j + alpha)` about the training mean of target `t`.
#[derive(Debug)]
pub(super) struct System {
    /// Training rows.
    pub(super) n: usize,
    /// Eigenvalues above the tolerance, descending: r of them.
    pub(super) values: Vec<f64>,
    /// Their eigenvectors: p x r or n x r.
    pub(super) basis: Mat<f64>,
    /// `V'Xc'Yc` or `Q'Yc`: r x t.
    pub(super) right: Mat<f64>,
    side: Side,
}

/// `(G + alpha)^-1` times the right side by Cholesky (p x t or n x t): a tenth of the work of an eigendecomposition, for one penalty only.
///
/// `None` when the penalty is below a millionth of the largest eigenvalue (bounded by the largest row sum): then the eigenbasis, which
/// leaves out what rounding has made, keeps more digits.
pub(super) fn solve(gram: &Gram, alpha: f64, device: &Device) -> Option<Mat<f64>> {
    let matrix = &gram.matrix;
    let sides = 0..matrix.nrows();
    let bound = sides.clone().map(|j| matrix.col_as_slice(j).iter().map(|v| v.abs()).sum::<f64>()).fold(0.0, f64::max);
    let well_conditioned = alpha > 0.0 && alpha >= bound * f64::max(1e-6, 10.0 * device.precision());
    if !well_conditioned {
        return None;
    }
    let mut penalized = matrix.clone();
    sides.for_each(|j| penalized[(j, j)] += alpha);
    let factors = penalized.llt(Triangle::Lower).ok()?;
    Some(factors.solve(&gram.right))
}

/// The mean eigenvalue of the centered `X'X` of a training set, in whose units penalties are given when the spec says so.
pub(super) fn unit(gram: &Mat<f64>, n_features: usize) -> f64 {
    let mean = (0..gram.nrows()).map(|i| gram[(i, i)]).sum::<f64>() / count(n_features);
    if mean > 0.0 { mean } else { 1.0 }
}

impl System {
    /// Decomposes a Gram matrix.
    ///
    /// # Definition
    /// Eigenvalues `L_j <= max(max(n, p) eps, device precision) L_1` count as zero, and at most `n - 1` are kept: centering takes one.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the eigendecomposition fails; [`Error::Device`].
    pub(super) async fn new(gram: Gram, n: usize, data: &Rows<'_>) -> Result<Self, Error> {
        let Gram { matrix, right, side } = gram;
        let eigen = matrix.self_adjoint_eigen(Triangle::Lower).map_err(|e| Error::Numerical {
            what: "ridge regression".into(),
            message: format!(
                "the eigendecomposition of a {0} x {0} Gram matrix failed ({e:?}); check the features for extreme values",
                matrix.nrows()
            ),
        })?;
        let mut values: Vec<f64> = eigen.S().column_vector().iter().rev().copied().collect();
        let tolerance = (count(n.max(data.x.ncols())) * f64::EPSILON).max(data.device.precision());
        let floor = values.first().copied().unwrap_or(0.0) * tolerance;
        let rank = values.iter().take(n - 1).take_while(|&&value| value > floor && value > 0.0).count();
        values.truncate(rank);
        let basis = eigen.U().reverse_cols().subcols(0, rank).to_owned();
        let right = data.device.cross(basis.as_ref(), right.as_ref()).await?;
        Ok(Self { n, values, basis, right, side })
    }

    /// Whether no direction of the training rows is left over: the fit without penalty passes through every row.
    pub(super) fn interpolates(&self) -> bool {
        self.values.len() + 1 == self.n
    }

    /// Rows in the eigenbasis, m x r: `(Xte - mean) V` or the centered kernel times `Q`.
    pub(super) async fn project(&self, rows: &[usize], products: &Products, data: &Rows<'_>) -> Result<Mat<f64>, Error> {
        let brought = self.side.bring(rows, products, data).await?;
        data.device.matmul(brought.as_ref(), self.basis.as_ref()).await
    }

    /// `U'Yc` with the unit left singular vectors `U` of the training rows: r x t.
    pub(super) fn left_right(&self) -> Mat<f64> {
        match &self.side {
            Side::Columns { .. } => scale_rows(&self.right, |j, _| self.values[j].sqrt().recip()),
            Side::Kernel { .. } | Side::Direct { .. } => self.right.clone(),
        }
    }

    /// Those vectors: n x r.
    pub(super) async fn left_vectors(&self, train: &[usize], products: &Products, data: &Rows<'_>) -> Result<Mat<f64>, Error> {
        match &self.side {
            Side::Columns { .. } => {
                let mut u = self.project(train, products, data).await?;
                for_each_column(&mut u, |j, column| {
                    let length = self.values[j].sqrt();
                    column.iter_mut().for_each(|v| *v /= length);
                });
                Ok(u)
            }
            Side::Kernel { .. } | Side::Direct { .. } => Ok(self.basis.clone()),
        }
    }

    /// Predictions about the training means for projected rows, each target with its penalty: m x t.
    pub(super) async fn predict(&self, projected: &Mat<f64>, alpha: &[f64], data: &Rows<'_>) -> Result<Mat<f64>, Error> {
        let weights = scale_rows(&self.right, |j, k| (self.values[j] + alpha[k]).recip());
        data.device.matmul(projected.as_ref(), weights.as_ref()).await
    }
}
