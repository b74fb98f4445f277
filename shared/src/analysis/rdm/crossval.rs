//! Cross-validated distances: unbiased, and negative where the data are only noise.

use faer::Mat;

use super::RowPairs;
use super::noise::Whitener;
use super::quadratic::mirror_upper;
use crate::compute::Device;
use crate::stats::count;
use crate::{Error, parallel};

/// Squared distances from a matrix g of inner products that need not be symmetric, `g_ii + g_jj - g_ij - g_ji`, n x n in C order.
pub(super) fn distances(g: &Mat<f64>) -> Vec<f64> {
    let n = g.nrows();
    let mut out = vec![0.0; n * n];
    parallel::for_chunks(&mut out, n, |i, row| {
        for (j, slot) in row.iter_mut().enumerate().skip(i + 1) {
            *slot = g[(i, i)] + g[(j, j)] - g[(i, j)] - g[(j, i)];
        }
    });
    mirror_upper(&mut out, n);
    out
}

/// Crossnobis inner products of fold means (channels x conditions, whitened): `(S'S - sum_m B_m'B_m) / (M (M - 1) P)`, S = sum of the folds.
///
/// The mean over conditions is removed first: distances do not care, digits are saved.
pub(super) async fn between_folds(folds: &[Mat<f64>], device: &Device) -> Result<Mat<f64>, Error> {
    let (p, k, m) = (folds[0].nrows(), folds[0].ncols(), folds.len());
    let mut sum = Mat::<f64>::zeros(p, k);
    folds.iter().for_each(|fold| sum += fold);
    let mut out = device.gram_columns(sum.as_ref()).await?;
    for fold in folds {
        out -= device.gram_columns(fold.as_ref()).await?;
    }
    out /= faer::Scale(count(m) * count(m - 1) * count(p));
    Ok(out)
}

/// The same with a covariance for each fold: folds m and n are whitened by the mean of theirs.
pub(super) async fn between_whitened_folds(
    folds: &[Mat<f64>],
    whitener: impl Fn(usize, usize) -> Result<Whitener, Error>,
) -> Result<Mat<f64>, Error> {
    let (p, k, m) = (folds[0].nrows(), folds[0].ncols(), folds.len());
    let mut out = Mat::<f64>::zeros(k, k);
    for a in 0..m {
        for b in a + 1..m {
            let whitener = whitener(a, b)?;
            let (mut x, mut y) = (folds[a].clone(), folds[b].clone());
            whitener.whiten(&mut x).await?;
            whitener.whiten(&mut y).await?;
            let cross = Device::cpu().cross(x.as_ref(), y.as_ref()).await?;
            out += &cross + cross.transpose();
        }
    }
    out /= faer::Scale(count(m) * count(m - 1) * count(p));
    Ok(out)
}

/// Inner products of each fold with the mean of the rows outside it, averaged over folds.
pub(super) async fn against_rest(pairs: &[(Mat<f64>, Mat<f64>)], device: &Device) -> Result<Mat<f64>, Error> {
    let (p, k) = (pairs[0].0.nrows(), pairs[0].0.ncols());
    let mut out = Mat::<f64>::zeros(k, k);
    for (test, rest) in pairs {
        out += device.cross(test.as_ref(), rest.as_ref()).await?;
    }
    out /= faer::Scale(count(pairs.len()) * count(p));
    Ok(out)
}

/// Mean similarities of conditions over pairs of rows: `s_ab` averages the products of rows of a and of b over the channels that both have.
///
/// With `folds` only rows of different folds make a pair; without, each row pairs with itself, too. NaN where no pair is left.
pub(super) async fn over_row_pairs(
    (values, present): (&Mat<f64>, &Mat<f64>),
    conditions: &[usize],
    n: usize,
    folds: Option<&[usize]>,
    weight: RowPairs,
    device: &Device,
) -> Result<Mat<f64>, Error> {
    let products = device.gram_columns(values.as_ref()).await?;
    let channels = Device::cpu().gram_columns(present.as_ref()).await?;
    let (mut sums, mut weights) = (Mat::<f64>::zeros(n, n), Mat::<f64>::zeros(n, n));
    for j in 0..conditions.len() {
        for i in 0..conditions.len() {
            let shared = channels[(i, j)];
            if folds.is_some_and(|folds| folds[i] == folds[j]) || shared == 0.0 {
                continue;
            }
            let at = (conditions[i], conditions[j]);
            match weight {
                RowPairs::Channels => {
                    sums[at] += products[(i, j)];
                    weights[at] += shared;
                }
                RowPairs::Equal => {
                    sums[at] += products[(i, j)] / shared;
                    weights[at] += 1.0;
                }
            }
        }
    }
    Ok(Mat::from_fn(n, n, |a, b| sums[(a, b)] / weights[(a, b)]))
}
