//! Ridge regression whose intercept is penalized like a coefficient: for comparison with codes that append a column of ones.

use faer::linalg::solvers::Solve as _;
use faer::{Mat, Side};

use super::Split;
use super::columns::{means, subtract, take_rows};
use super::products::Rows;
use crate::Error;

/// Predictions of the held-out rows, about the training means.
///
/// # Definition
/// With A = [1, X] of the training rows as given (not centered) and a = [1, x] of a held-out row: a'(A'A + alpha)^-1 A'Y, or
/// a'A'(A A' + alpha)^-1 Y when columns outnumber rows. It depends on the origin of the features and targets.
///
/// # Shapes
/// features: (n, p), targets: (n, t), both as given → (m, t).
///
/// # Errors
/// [`Error::Numerical`] when the penalty is too small for a Cholesky factorization; [`Error::Device`].
///
/// # Source
/// The regression of `encoder_dimensionality` with a column of ones and `l2_penalty`.
pub(super) async fn predict(split: &Split, alpha: f64, data: &Rows<'_>) -> Result<Mat<f64>, Error> {
    let (train, held_out, y) = (with_ones(data.x, &split.train), with_ones(data.x, &split.test), take_rows(data.y, &split.train));
    let device = data.device;
    let is_wide = train.ncols() > train.nrows();
    let mut gram = if is_wide { device.gram_rows(train.as_ref()).await? } else { device.gram_columns(train.as_ref()).await? };
    for j in 0..gram.nrows() {
        gram[(j, j)] += alpha;
    }
    let factors = gram.llt(Side::Lower).map_err(|e| Error::Numerical {
        what: format!("ridge regression with a penalty of {alpha}"),
        message: format!("the normal equations are singular within rounding ({e:?}); choose a larger penalty"),
    })?;
    let mut predicted = if is_wide {
        let kernel = device.matmul(held_out.as_ref(), train.transpose()).await?;
        device.matmul(kernel.as_ref(), factors.solve(&y).as_ref()).await?
    } else {
        let right = device.cross(train.as_ref(), y.as_ref()).await?;
        device.matmul(held_out.as_ref(), factors.solve(&right).as_ref()).await?
    };
    subtract(&mut predicted, &means(data.y, &split.train));
    Ok(predicted)
}

fn with_ones(x: &Mat<f64>, rows: &[usize]) -> Mat<f64> {
    Mat::from_fn(rows.len(), x.ncols() + 1, |i, j| if j == 0 { 1.0 } else { x[(rows[i], j - 1)] })
}
