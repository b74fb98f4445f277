//! Least squares with a penalty on the sizes of weights.

use faer::MatRef;

use super::{Info, Stop, StopReason};
use crate::stats::{count, dot};

/// Weights of features that are not zero, and how the fit ended.
#[derive(Debug, Clone)]
pub struct Lasso {
    /// p of them.
    pub weights: Vec<f64>,
    /// The residual is the duality gap, relative to the objective of zero weights.
    pub info: Info,
}

/// Sweeps over the weights that are not zero between two over all.
const INNER: u32 = 50;

/// Fits the lasso.
///
/// # Definition
/// `min_w 1/(2n) |y - X w|^2 + alpha |w|_1` of centered features and a centered target, by coordinate descent: each weight in turn becomes
/// `soft(x_j'r / n + w_j |x_j|^2 / n, alpha) / (|x_j|^2 / n)`. With `theta = s r / n`, s at most 1 and as large as `|X'theta| <= alpha` allows,
/// the gap is the objective minus `y'theta - n/2 |theta|^2`.
///
/// # Shapes
/// x: (n, p), y: n, both centered → p weights.
///
/// # Degenerate
/// Constant features and a constant target: zero weights. `alpha = 0` converges slowly when features are nearly collinear.
///
/// # Accuracy
/// f64, to a relative gap of the tolerance. Deterministic.
///
/// # Cost
/// 4 n p a sweep.
///
/// # Source
/// scikit-learn `Lasso(alpha)`; Friedman, Hastie & Tibshirani 2010.
#[must_use]
pub fn fit(x: MatRef<'_, f64>, y: &[f64], alpha: f64, stop: Stop) -> Lasso {
    let (n, p) = (count(x.nrows()), x.ncols());
    let columns: Vec<Vec<f64>> = (0..p).map(|j| x.col(j).iter().copied().collect()).collect();
    let sizes: Vec<f64> = columns.iter().map(|column| dot(column, column) / n).collect();
    let mut weights = vec![0.0; p];
    let mut rest = y.to_vec();
    let start = dot(y, y) / (2.0 * n);
    let mut n_iter = 0;
    loop {
        let along: Vec<f64> = columns.iter().map(|column| dot(column, &rest) / n).collect();
        let steepest = along.iter().fold(0.0, |largest: f64, v| largest.max(v.abs()));
        let scale = if steepest > alpha { alpha / steepest } else { 1.0 };
        let (squares, size) = (dot(&rest, &rest), weights.iter().map(|w: &f64| w.abs()).sum::<f64>());
        let dual = scale * dot(y, &rest) / n - scale * scale * squares / (2.0 * n);
        let residual = if start > 0.0 { ((squares / (2.0 * n) + alpha * size - dual) / start).max(0.0) } else { 0.0 };
        let end = |stopped| Info { n_iter, residual, stopped };
        if residual <= stop.tolerance {
            return Lasso { weights, info: end(StopReason::Converged) };
        }
        if n_iter >= stop.max_iter {
            return Lasso { weights, info: end(StopReason::Limit) };
        }
        for sweep in 0..=INNER {
            let mut moved = 0.0f64;
            for (j, column) in columns.iter().enumerate() {
                let old = weights[j];
                if sizes[j] == 0.0 || (sweep > 0 && old == 0.0) {
                    continue;
                }
                let target = dot(column, &rest) / n + sizes[j] * old;
                let new = target.signum() * (target.abs() - alpha).max(0.0) / sizes[j];
                let by = new - old;
                if by != 0.0 {
                    weights[j] = new;
                    rest.iter_mut().zip(column).for_each(|(r, x)| *r -= by * x);
                    moved = moved.max(by * by * sizes[j]);
                }
            }
            n_iter += 1;
            if moved <= stop.tolerance * stop.tolerance * start {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;

    const STOP: Stop = Stop { tolerance: 1e-12, max_iter: 10_000 };

    #[test]
    fn orthogonal_features_are_shrunk_one_by_one() {
        // Columns of squared length 4 in 4 rows: weights are soft(x'y / 4, alpha).
        let x = Mat::from_fn(4, 2, |i, j| [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]][i][j]);
        let y: Vec<f64> = (0..4).map(|i| 3.0 * x[(i, 0)] - 0.2 * x[(i, 1)]).collect();
        let fit = fit(x.as_ref(), &y, 0.5, STOP);
        assert_eq!((fit.weights, fit.info.stopped), (vec![2.5, 0.0], StopReason::Converged));
    }

    #[test]
    fn nothing_to_explain_leaves_zeros() {
        let x = Mat::from_fn(3, 2, |i, j| if j == 0 { count(i) - 1.0 } else { 0.0 });
        assert_eq!(fit(x.as_ref(), &[0.0; 3], 1.0, STOP).weights, [0.0, 0.0]);
        assert_eq!(fit(x.as_ref(), &[-1.0, 0.0, 1.0], 0.1, STOP).weights[1], 0.0, "a constant feature");
    }
}
