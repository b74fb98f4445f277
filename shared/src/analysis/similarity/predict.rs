//! How well one representation predicts the other linearly.

use faer::Mat;

use super::alignment::parted;
use super::name::{Direction, Folds, Regression, Score};
use super::side::{Side, decompose};
use crate::Error;
use crate::analysis::encoding::pls;
use crate::compute::Device;
use crate::stats::blocks;
use crate::stats::{mean, pearson};

/// `|Q'Yc|^2 / |Yc|^2`, Q an orthonormal basis of the centered predictors: the share of variance that least squares explains in sample.
pub(super) fn explained(from: &Side, to: &Side) -> Result<f64, Error> {
    Ok((from.svd()?.u.transpose() * &to.centered).squared_norm_l2() / (to.norm * to.norm))
}

/// Predictions of held-out rows (or of the rows fitted on) against what was measured.
///
/// # Definition
/// Columns of both are centered by the means of the rows fitted on. Least squares, `ridge` with penalty lambda, or partial least squares with k
/// components; folds are contiguous, each scored by itself and averaged, or the predictions of all scored together (`pool`). `pearson`: mean correlation over the predicted columns; `r2`: one minus
/// the residual over the total sum of squares of all columns, around the means of the rows fitted on.
pub(super) async fn score(
    x: &Side,
    y: &Side,
    direction: Direction,
    regression: Regression,
    folds: Option<Folds>,
    score: Score,
    device: &Device,
) -> Result<f64, Error> {
    let (from, to) = if direction == Direction::YFromX { (x, y) } else { (y, x) };
    let Some(folds) = folds else {
        let predicted = predict(&from.centered, &to.centered, &from.centered, regression, device).await?;
        return Ok(judged(&predicted, &to.centered, score));
    };
    let mut scores = Vec::with_capacity(folds.n);
    let (mut all_predicted, mut all_measured) = (Mat::zeros(to.n(), to.width()), Mat::zeros(to.n(), to.width()));
    for test in blocks(from.n(), folds.n) {
        let (train_x, test_x) = parted(&from.x, &test);
        let (train_y, test_y) = parted(&to.x, &test);
        let predicted = predict(&train_x, &train_y, &test_x, regression, device).await?;
        if folds.is_pooled {
            // Both minus the means of the rows fitted on; correlations of all rows need them back.
            let means: Vec<f64> =
                (0..to.width()).map(|j| if score == Score::Pearson { to.x[(test.start, j)] - test_y[(0, j)] } else { 0.0 }).collect();
            for (at, row) in test.clone().enumerate() {
                for (j, mean) in means.iter().enumerate() {
                    all_predicted[(row, j)] = predicted[(at, j)] + mean;
                    all_measured[(row, j)] = test_y[(at, j)] + mean;
                }
            }
        } else {
            scores.push(judged(&predicted, &test_y, score));
        }
    }
    Ok(if folds.is_pooled { judged(&all_predicted, &all_measured, score) } else { mean(&scores) })
}

async fn predict(x: &Mat<f64>, y: &Mat<f64>, at: &Mat<f64>, regression: Regression, device: &Device) -> Result<Mat<f64>, Error> {
    let penalty = match regression {
        Regression::LeastSquares => 0.0,
        Regression::Ridge(lambda) => lambda,
        Regression::Pls(k) => {
            let fit = pls::fit(x, y, k, device).await?;
            return fit.linear.predict(at, device).await;
        }
    };
    let svd = decompose(x)?;
    let mut inner = svd.u.transpose() * y;
    for (i, s) in svd.s.iter().enumerate() {
        (0..inner.ncols()).for_each(|j| inner[(i, j)] *= s / (s * s + penalty));
    }
    Ok(at * (&svd.v * inner))
}

fn judged(predicted: &Mat<f64>, measured: &Mat<f64>, score: Score) -> f64 {
    match score {
        Score::R2 => 1.0 - (measured - predicted).squared_norm_l2() / measured.squared_norm_l2(),
        Score::Pearson => {
            mean(&(0..measured.ncols()).map(|j| pearson(predicted.col_as_slice(j), measured.col_as_slice(j))).collect::<Vec<_>>())
        }
    }
}
