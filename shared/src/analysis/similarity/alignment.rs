//! Measures after the best alignment of columns: by a rotation or by a permutation.

use faer::Mat;

use super::matching::matched;
use super::side::{Side, inner, padded, scaled};
use crate::Error;
use crate::linalg::spectral::{singular_values, thin_svd};
use crate::stats::blocks;
use crate::stats::{count, mean};

/// The normalized Bures similarity: `|Xc'Yc|_* / (|Xc| |Yc|)`, the cosine after the best rotation; NaN without variance.
///
/// # Source
/// Kornblith et al. 2019; Harvey, Larsen & Williams 2024 for its equality with the fidelity of the centered Gram matrices.
pub(super) fn bures(x: &Side, y: &Side) -> Result<f64, Error> {
    Ok((nuclear(x, y)? / (x.norm * y.norm)).min(1.0))
}

fn nuclear(x: &Side, y: &Side) -> Result<f64, Error> {
    // In the smaller of the two spaces: with as few rows as that, the factors of rank n.
    let cross = if x.width() > x.n() && y.width() > y.n() {
        let (a, b) = (x.svd()?, y.svd()?);
        scaled(&(a.u.transpose() * &b.u), &a.s, &b.s)
    } else {
        x.centered.transpose() * &y.centered
    };
    if cross.nrows() == 0 || cross.ncols() == 0 {
        return Ok(0.0);
    }
    Ok(singular_values(cross.as_ref())?.iter().sum())
}

/// `|Xc|^2 + |Yc|^2 - 2 |Xc| |Yc| s`: the squared distance of two matrices whose cosine is s.
pub(super) fn squared_distance(x: &Side, y: &Side, cosine: f64) -> f64 {
    (x.norm * x.norm + y.norm * y.norm - 2.0 * x.norm * y.norm * cosine).max(0.0)
}

/// The rotation or reflection Q for which `X Q` is closest to Y; X and Y have one shape. Where their product has less than full rank, Q is not
/// unique: this one maps the directions that have no counterpart to zero, so that lengths must be taken before it.
fn rotation(x: &Mat<f64>, y: &Mat<f64>) -> Result<Mat<f64>, Error> {
    let svd = thin_svd((x.transpose() * y).as_ref())?;
    Ok(&svd.u * svd.v.transpose())
}

/// Angle between held-out rows after the rotation that was fitted on the others, averaged over contiguous folds.
pub(super) fn held_out_angle(x: &Side, y: &Side, n_folds: usize) -> Result<f64, Error> {
    let width = x.width().max(y.width());
    let (a, b) = (padded(&x.x, width), padded(&y.x, width));
    let mut angles = Vec::with_capacity(n_folds);
    for test in blocks(x.n(), n_folds) {
        let (train_a, test_a) = parted(&a, &test);
        let (train_b, test_b) = parted(&b, &test);
        let length = test_a.norm_l2() * test_b.norm_l2();
        let turned = test_a * rotation(&train_a, &train_b)?;
        angles.push((inner(&turned, &test_b) / length).clamp(-1.0, 1.0).acos());
    }
    Ok(mean(&angles))
}

/// Rows outside and inside a range, both minus the column means of the former.
pub(super) fn parted(x: &Mat<f64>, test: &std::ops::Range<usize>) -> (Mat<f64>, Mat<f64>) {
    let held = test.len();
    let rest = x.nrows() - held;
    let means: Vec<f64> =
        (0..x.ncols()).map(|j| (0..x.nrows()).filter(|i| !test.contains(i)).map(|i| x[(i, j)]).sum::<f64>() / count(rest)).collect();
    let train = Mat::from_fn(rest, x.ncols(), |i, j| x[(if i < test.start { i } else { i + held }, j)] - means[j]);
    (train, Mat::from_fn(held, x.ncols(), |i, j| x[(test.start + i, j)] - means[j]))
}

/// The cosine after the best matching of columns, centered; columns of the wider set that are left over are matched with zeros.
///
/// # Source
/// Williams et al. 2021; Li et al. 2016 for matching of units.
pub(super) fn permuted_cosine(x: &Side, y: &Side) -> f64 {
    let sum: f64 = matched(x.centered.transpose() * &y.centered).iter().sum();
    (sum / (x.norm * y.norm)).clamp(-1.0, 1.0)
}

/// Mean cosine of rows after the best rotation of the matrices as they are, without centering; rows of zeros are left out.
pub(super) fn aligned_cosine(x: &Side, y: &Side) -> Result<f64, Error> {
    let width = x.width().max(y.width());
    let (a, b) = (padded(&x.x, width), padded(&y.x, width));
    let turned = &a * rotation(&a, &b)?;
    let cosines: Vec<f64> = turned
        .row_iter()
        .zip(a.row_iter().zip(b.row_iter()))
        .filter_map(|(turned, (a, b))| {
            let scale = a.norm_l2() * b.norm_l2();
            (scale > 0.0).then(|| turned.iter().zip(b.iter()).map(|(a, b)| a * b).sum::<f64>() / scale)
        })
        .collect();
    Ok(if cosines.is_empty() { f64::NAN } else { mean(&cosines) })
}

/// `|D_x - D_y|` over pairs of rows, D = Euclidean distances.
///
/// # Source
/// Yin & Shen 2018 in the Frobenius norm; one package takes the spectral norm of the square matrix.
pub(super) fn distance_difference(x: &Side, y: &Side) -> f64 {
    let (a, b) = (x.distances(), y.distances());
    let sum: f64 = (0..a.ncols()).flat_map(|j| (0..j).map(move |i| (i, j))).map(|(i, j)| (a[(i, j)] - b[(i, j)]).powi(2)).sum();
    sum.sqrt()
}
