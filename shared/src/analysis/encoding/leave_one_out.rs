//! The penalty of each target by leave-one-out errors, without fitting again.

use faer::Mat;

use super::columns::{count, map_indices, means, take_centered};
use super::selection::{Best, Training, shrinkage};
use crate::Error;

/// Relative rounding of a bound of a loss, generously.
const BOUND_ROUNDING: f64 = 1e-9;

/// What leave-one-out errors are made of: `e_i = (y_i - yhat_i) / (1 - h_i)`, both parts written with `1 - f_j` so that nothing cancels.
pub(super) struct LeaveOneOut {
    u: Mat<f64>,
    b: Mat<f64>,
    /// What the features cannot reach of the targets (n x t); absent when they reach everything.
    residual: Option<Mat<f64>>,
    /// The same of each row's unit vector.
    unreached: Vec<f64>,
}

/// A penalty by what it does to directions and to rows.
pub(super) struct Penalty {
    /// What is left of each direction.
    left: Vec<f64>,
    /// `1 / (1 - h_i)`, with the scale that [`shrinkage`] may leave out.
    inverse: Vec<f64>,
}

impl LeaveOneOut {
    pub(super) async fn new(training: &Training<'_>) -> Result<Self, Error> {
        let Training { rows, system, products, data, .. } = training;
        let n = count(system.n);
        let (u, b) = (system.left_vectors(rows, products, data).await?, system.left_right());
        if system.interpolates() {
            return Ok(Self { unreached: vec![0.0; system.n], u, b, residual: None });
        }
        let y = take_centered(data.y, rows, &means(data.y, rows));
        let residual = y - data.device.matmul(u.as_ref(), b.as_ref()).await?;
        // A row of full leverage leaves nothing but rounding, which must not pass for a denominator.
        let rounding = (n * f64::EPSILON).max(data.device.precision());
        let left_over = |h: &f64| Some(1.0 - n.recip() - h).filter(|&rest| rest > rounding).unwrap_or(0.0);
        let unreached = row_sums_of_squares(&u, |_| 1.0).iter().map(left_over).collect();
        Ok(Self { u, b, residual: Some(residual), unreached })
    }

    /// The best penalty of each target; they come in descending order.
    pub(super) async fn choose(&self, training: &Training<'_>, alphas: &[f64]) -> Result<Best, Error> {
        let mut best = Best::new(alphas[0], self.b.ncols());
        let penalties: Vec<Penalty> = alphas.iter().map(|&alpha| self.penalty(training, alpha)).collect();
        for ((&alpha, penalty), targets) in alphas.iter().zip(&penalties).zip(self.candidates(&penalties)) {
            for (&k, loss) in targets.iter().zip(self.losses(training, penalty, &targets).await?) {
                best.offer_to(k, alpha, loss);
            }
        }
        Ok(best)
    }

    /// Sums of squared leave-one-out errors of some targets.
    pub(super) async fn losses(&self, training: &Training<'_>, penalty: &Penalty, targets: &[usize]) -> Result<Vec<f64>, Error> {
        let Penalty { left, inverse } = penalty;
        let weights = Mat::from_fn(self.b.nrows(), targets.len(), |j, at| self.b[(j, targets[at])] * left[j]);
        let numerator = training.data.device.matmul(self.u.as_ref(), weights.as_ref()).await?;
        Ok(map_indices(targets.len(), |at| {
            let errors = numerator.col_as_slice(at).iter().zip(inverse);
            match &self.residual {
                Some(residual) => errors.zip(residual.col_as_slice(targets[at])).map(|((e, d), r)| ((e + r) * d).powi(2)).sum(),
                None => errors.map(|(e, d)| (e * d).powi(2)).sum(),
            }
        }))
    }

    pub(super) fn penalty(&self, training: &Training<'_>, alpha: f64) -> Penalty {
        let left = shrinkage(training.system, alpha);
        let spread = row_sums_of_squares(&self.u, |j| left[j]);
        Penalty { inverse: self.unreached.iter().zip(&spread).map(|(a, b)| (a + b).recip()).collect(), left }
    }

    /// For each penalty the targets for which it may be the best.
    ///
    /// A loss `sum_i (d_i e_i)^2` lies between the smallest and the largest `d_i^2` times `sum_i e_i^2`, which needs no product: U is
    /// orthonormal and at right angles to the residual.
    fn candidates(&self, penalties: &[Penalty]) -> Vec<Vec<usize>> {
        let t = self.b.ncols();
        let squares = |m: &Mat<f64>, k: usize| m.col_as_slice(k).iter().map(|v| v * v).sum::<f64>();
        let residual = map_indices(t, |k| self.residual.as_ref().map_or(0.0, |r| squares(r, k)));
        let bounds: Vec<Vec<(f64, f64)>> = penalties
            .iter()
            .map(|Penalty { left, inverse }| {
                let (low, high) = inverse.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &d| (low.min(d), high.max(d)));
                map_indices(t, |k| {
                    let errors = residual[k] + self.b.col_as_slice(k).iter().zip(left).map(|(b, w)| (b * w).powi(2)).sum::<f64>();
                    (low * low * errors, high * high * errors)
                })
            })
            .collect();
        // What is not a number is not known: it excludes nothing and is not excluded.
        let limit = map_indices(t, |k| bounds.iter().map(|of| of[k].1).fold(f64::INFINITY, f64::min) * (1.0 + BOUND_ROUNDING));
        bounds.iter().map(|of| (0..t).filter(|&k| of[k].0.is_nan() || of[k].0 <= limit[k]).collect()).collect()
    }
}

/// `sum_j u_ij^2 weight(j)` for each row.
fn row_sums_of_squares(u: &Mat<f64>, weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut out = vec![0.0; u.nrows()];
    for j in 0..u.ncols() {
        let w = weight(j);
        for (sum, value) in out.iter_mut().zip(u.col_as_slice(j)) {
            *sum += w * value * value;
        }
    }
    out
}
