//! One decomposition for every number of components: the coefficients of the first k do not change when more are added.

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef};

use crate::Error;
use crate::analysis::encoding::columns::{count, means, scale_rows, take_centered};
use crate::analysis::encoding::regression::Predicted;
use crate::analysis::encoding::{Model, Selection, Split};
use crate::compute::Device;

/// Values that are held at a time while penalties are chosen.
const HELD_VALUES: usize = 1 << 24;

/// Whether a model shares the decomposition of its training rows between numbers of components.
pub(super) fn applies(model: &Model) -> bool {
    match model {
        Model::Ols => true,
        Model::Ridge { alphas, selection } => alphas.len() == 1 || !matches!(selection, Selection::Kfold { .. }),
        Model::BestUnit | Model::KernelRidge { .. } | Model::BandedRidge { .. } | Model::Pls { .. } => false,
    }
}

/// Principal components of the training rows of a split.
#[derive(Debug)]
pub(super) struct Components {
    /// Scores of the training rows at unit length, n x r, orthonormal.
    pub(super) unit: Mat<f64>,
    /// Their lengths, descending.
    pub(super) lengths: Vec<f64>,
    /// Scores of the held-out rows, m x r.
    pub(super) held_out: Mat<f64>,
}

impl Components {
    /// Predictions about the training means for each number of components, ascending; numbers above r take all.
    ///
    /// # Definition
    /// With `B = U'Yc`: least squares `sum_{j <= k} z_j B_j / s_j`, ridge `sum_{j <= k} z_j B_j s_j / (s_j^2 + alpha)`, the penalty of each
    /// target and k chosen as in `selection`.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(super) async fn predict(
        &self,
        model: &Model,
        split: &Split,
        y: &Mat<f64>,
        num_pcs: &[u32],
        device: &Device,
    ) -> Result<Vec<Predicted>, Error> {
        let y = take_centered(y, &split.train, &means(y, &split.train));
        let b = device.cross(self.unit.as_ref(), y.as_ref()).await?;
        let (r, t) = b.shape();
        let ends: Vec<usize> = num_pcs.iter().map(|&k| r.min(k as usize)).collect();
        let single = match model {
            Model::Ridge { alphas, .. } if alphas.len() == 1 => alphas[0],
            Model::Ridge { alphas, selection } => {
                let chosen = Choice { components: self, y: &y, b: &b, ends: &ends, device }.alphas(alphas, *selection).await?;
                let mut out = Vec::with_capacity(ends.len());
                for (&k, alpha) in ends.iter().zip(chosen) {
                    let weights = scale_rows(&b.subrows(0, k).to_owned(), |j, target| {
                        let s = self.lengths[j];
                        s / (s * s + alpha[target])
                    });
                    let values = device.matmul(self.held_out.subcols(0, k), weights.as_ref()).await?;
                    out.push(Predicted { values, alpha });
                }
                return Ok(out);
            }
            Model::Ols | Model::BestUnit | Model::KernelRidge { .. } | Model::BandedRidge { .. } | Model::Pls { .. } => 0.0,
        };
        let weights = scale_rows(&b, |j, _| self.lengths[j] / (self.lengths[j] * self.lengths[j] + single));
        let alpha = if *model == Model::Ols { Vec::new() } else { vec![single; t] };
        let all = prefixes(&self.held_out, weights.as_ref(), &ends, device).await?;
        Ok(all.into_iter().map(|values| Predicted { values, alpha: alpha.clone() }).collect())
    }
}

/// `A[:, ..k] B[..k]` for each k, ascending.
async fn prefixes(a: &Mat<f64>, b: MatRef<'_, f64>, ends: &[usize], device: &Device) -> Result<Vec<Mat<f64>>, Error> {
    let mut sum = Mat::<f64>::zeros(a.nrows(), b.ncols());
    let (mut done, mut out) = (0, Vec::with_capacity(ends.len()));
    for &k in ends {
        if k > done {
            sum += device.matmul(a.subcols(done, k - done), b.subrows(done, k - done)).await?;
            done = k;
        }
        out.push(sum.clone());
    }
    Ok(out)
}

/// Least squares on the first k columns of any scores, each k smaller than the number of training rows.
///
/// `None` when the columns depend on each other on the training rows to more than ten digits.
///
/// # Definition
/// Centered training scores `= Q R`: the prediction of a held-out row z is `(z R^-1)[..k] (Q'Yc)[..k]`.
///
/// # Errors
/// [`Error::Device`].
pub(super) async fn least_squares(
    scores: &Mat<f64>,
    split: &Split,
    y: &Mat<f64>,
    num_pcs: &[u32],
    device: &Device,
) -> Result<Option<Vec<Predicted>>, Error> {
    let r = scores.ncols();
    let ends: Vec<usize> = num_pcs.iter().map(|&k| r.min(k as usize)).collect();
    let Some(&most) = ends.last() else { return Ok(Some(Vec::new())) };
    let center = means(scores, &split.train);
    let (x, held_out) = (take_centered(scores, &split.train, &center), take_centered(scores, &split.test, &center));
    let y = take_centered(y, &split.train, &means(y, &split.train));
    let qr = Qr::new(x.subcols(0, most));
    let triangle = qr.thin_R();
    let independent = (0..most).all(|j| triangle[(j, j)].abs() > 1e-10 * x.col(j).norm_l2());
    if !independent {
        return Ok(None);
    }
    let turned = device.cross(qr.compute_thin_Q().as_ref(), y.as_ref()).await?;
    // (z R^-1)' = R^-T z'.
    let mut brought = held_out.subcols(0, most).transpose().to_owned();
    triangle.transpose().solve_lower_triangular_in_place(brought.as_mut());
    let all = prefixes(&brought.transpose().to_owned(), turned.as_ref(), &ends, device).await?;
    Ok(Some(all.into_iter().map(|values| Predicted { values, alpha: Vec::new() }).collect()))
}

/// The penalty of each target for each number of components.
struct Choice<'a> {
    components: &'a Components,
    /// Centered training targets.
    y: &'a Mat<f64>,
    /// `U'Yc`.
    b: &'a Mat<f64>,
    ends: &'a [usize],
    device: &'a Device,
}

/// The best penalties so far, the largest first: numbers of components x targets.
struct Best {
    alpha: Vec<Vec<f64>>,
    loss: Vec<Vec<f64>>,
}

impl Best {
    fn offer(&mut self, i: usize, target: usize, alpha: f64, loss: f64) {
        if loss < self.loss[i][target] {
            (self.loss[i][target], self.alpha[i][target]) = (loss, alpha);
        }
    }
}

impl Choice<'_> {
    async fn alphas(&self, alphas: &[f64], selection: Selection) -> Result<Vec<Vec<f64>>, Error> {
        let mut descending = alphas.to_vec();
        descending.sort_by(|a, b| b.total_cmp(a));
        descending.dedup();
        let (k, t) = (self.ends.len(), self.y.ncols());
        let mut best = Best { alpha: vec![vec![descending[0]; t]; k], loss: vec![vec![f64::INFINITY; t]; k] };
        if selection == Selection::Gcv {
            self.generalized(&descending, &mut best);
        } else {
            let width = (HELD_VALUES / (self.y.nrows() * (descending.len() + 1))).max(1);
            for start in (0..t).step_by(width) {
                self.leave_one_out(&descending, start..t.min(start + width), &mut best).await?;
            }
        }
        Ok(best.alpha)
    }

    /// `(1 - f_j) / alpha`: that factor cancels where the fit passes through every row, and its limit at 0 exists.
    fn left(&self, j: usize, alpha: f64) -> f64 {
        let s = self.components.lengths[j];
        (s * s + alpha).recip()
    }

    /// `n^-1 RSS / (1 - (1 + sum_{j <= k} f_j) / n)^2`.
    fn generalized(&self, alphas: &[f64], best: &mut Best) {
        let n = self.y.nrows();
        for target in 0..self.y.ncols() {
            let (y, b) = (self.y.col_as_slice(target), self.b.col_as_slice(target));
            let total: f64 = y.iter().map(|v| v * v).sum();
            for &alpha in alphas {
                let (mut reached, mut shrunk, mut freed, mut done) = (0.0, 0.0, 0.0, 0);
                for (i, &k) in self.ends.iter().enumerate() {
                    for (j, b) in b.iter().enumerate().take(k).skip(done) {
                        let left = self.left(j, alpha);
                        reached += b * b;
                        shrunk += (b * left).powi(2);
                        freed += left;
                    }
                    done = done.max(k);
                    let (rest, freedom) = if k + 1 == n {
                        (shrunk, freed)
                    } else {
                        ((total - reached).max(0.0) + alpha * alpha * shrunk, count(n - 1 - k) + alpha * freed)
                    };
                    best.offer(i, target, alpha, rest * count(n) / (freedom * freedom));
                }
            }
        }
    }

    /// `sum_i ((y_i - yhat_i) / (1 - h_i))^2`, both parts written with `1 - f_j` so that nothing cancels.
    async fn leave_one_out(&self, alphas: &[f64], targets: std::ops::Range<usize>, best: &mut Best) -> Result<(), Error> {
        let (n, u) = (self.y.nrows(), &self.components.unit);
        let rounding = (count(n) * f64::EPSILON).max(self.device.precision());
        let (b, width) = (self.b.subcols(targets.start, targets.len()).to_owned(), targets.len());
        let mut residual = self.y.subcols(targets.start, width).to_owned();
        let mut unreached = vec![1.0 - count(n).recip(); n];
        let mut shrunk = vec![Mat::<f64>::zeros(n, width); alphas.len()];
        let mut freed = vec![vec![0.0; n]; alphas.len()];
        let mut done = 0;
        for (i, &k) in self.ends.iter().enumerate() {
            if k > done {
                let (columns, part) = (u.subcols(done, k - done), b.subrows(done, k - done).to_owned());
                residual -= self.device.matmul(columns, part.as_ref()).await?;
                for j in done..k {
                    for (rest, v) in unreached.iter_mut().zip(u.col_as_slice(j)) {
                        *rest -= v * v;
                    }
                }
                for ((shrunk, freed), &alpha) in shrunk.iter_mut().zip(&mut freed).zip(alphas) {
                    let weights = scale_rows(&part, |j, _| self.left(done + j, alpha));
                    *shrunk += self.device.matmul(columns, weights.as_ref()).await?;
                    for j in done..k {
                        let left = self.left(j, alpha);
                        for (sum, v) in freed.iter_mut().zip(u.col_as_slice(j)) {
                            *sum += left * v * v;
                        }
                    }
                }
                done = k;
            }
            let whole = k + 1 == n;
            for ((shrunk, freed), &alpha) in shrunk.iter().zip(&freed).zip(alphas) {
                // A row of full leverage leaves nothing but rounding, which must not pass for a denominator.
                let inverse: Vec<f64> = unreached
                    .iter()
                    .zip(freed)
                    .map(|(&rest, &f)| {
                        let left_over = if rest > rounding { rest } else { 0.0 };
                        (if whole { f } else { left_over + alpha * f }).recip()
                    })
                    .collect();
                for at in 0..width {
                    let errors = shrunk.col_as_slice(at).iter().zip(residual.col_as_slice(at)).zip(&inverse);
                    let loss = errors.map(|((e, r), d)| ((if whole { *e } else { r + alpha * e }) * d).powi(2)).sum();
                    best.offer(i, targets.start + at, alpha, loss);
                }
            }
        }
        Ok(())
    }
}
