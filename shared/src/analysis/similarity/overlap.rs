//! Overlap of subspaces and of dimensions.

use super::kernel::cross_energy;
use super::side::{Side, decompose, inner};
use crate::Error;
use crate::linalg::spectral::double_centered;
use crate::stats::{count, mean, pearson};

/// `|U'V|^2 / max(rank)`, U and V the left singular vectors of the matrices, as they are or centered.
///
/// # Source
/// May et al. 2019, eigenspace overlap score.
pub(super) fn eigenspace(x: &Side, y: &Side, is_centered: bool) -> Result<f64, Error> {
    let (a, b) = if is_centered { (x.svd()?.u.clone(), y.svd()?.u.clone()) } else { (decompose(&x.x)?.u, decompose(&y.x)?.u) };
    let most = a.ncols().max(b.ncols());
    if most == 0 {
        return Ok(f64::NAN);
    }
    Ok((a.transpose() * &b).squared_norm_l2() / count(most))
}

/// Participation ratio of a centered set.
fn participation(side: &Side) -> Result<f64, Error> {
    let s = &side.svd()?.s;
    let (sum, squares) = s.iter().map(|s| s * s).fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
    Ok(sum * sum / squares)
}

/// The effective number of shared dimensions, `PR_x PR_y tr(K L) / (tr K tr L)`; K, L are the centered Gram matrices.
///
/// # Source
/// Giaffar et al. 2024. Equals linear CKA times `sqrt(PR_x PR_y)`.
pub(super) fn shared_dimensions(x: &Side, y: &Side) -> Result<f64, Error> {
    Ok(participation(x)? * participation(y)? * cross_energy(&x.centered, &y.centered) / (x.norm * y.norm).powi(2))
}

/// `2 / pi arccos(ENSD / sqrt(PR_x PR_y))`.
pub(super) fn shared_dimensions_angle(x: &Side, y: &Side) -> Result<f64, Error> {
    let cosine = shared_dimensions(x, y)? / (participation(x)? * participation(y)?).sqrt();
    Ok(cosine.clamp(-1.0, 1.0).acos() * std::f64::consts::FRAC_2_PI)
}

/// Correlation of double-centered Euclidean distances.
///
/// # Definition
/// `sqrt(mean(a b) / sqrt(mean(a a) mean(b b)))`; corrected: the U-centered statistic, which is not a square root and may be negative.
///
/// # Source
/// Szekely, Rizzo & Bakirov 2007; Szekely & Rizzo 2013 for the correction.
pub(super) fn distance_correlation(x: &Side, y: &Side, is_corrected: bool) -> f64 {
    if is_corrected {
        let (a, b) = (u_centered(x), u_centered(y));
        return inner(&a, &b) / (inner(&a, &a).sqrt() * inner(&b, &b).sqrt());
    }
    let (a, b) = (double_centered(x.distances()), double_centered(y.distances()));
    (inner(&a, &b).max(0.0) / (inner(&a, &a).sqrt() * inner(&b, &b).sqrt())).sqrt()
}

fn u_centered(side: &Side) -> faer::Mat<f64> {
    let mut d = side.distances().clone();
    let n = count(d.nrows());
    let sums: Vec<f64> = (0..d.ncols()).map(|j| d.col_as_slice(j).iter().sum()).collect();
    let all: f64 = sums.iter().sum();
    for j in 0..d.ncols() {
        for i in 0..d.nrows() {
            d[(i, j)] = if i == j { 0.0 } else { d[(i, j)] - (sums[i] + sums[j]) / (n - 2.0) + all / ((n - 1.0) * (n - 2.0)) };
        }
    }
    d
}

/// Mean correlation of corresponding columns; columns without variance are left out.
///
/// # Source
/// Hasson et al. 2004.
pub(super) fn corresponding_columns(x: &Side, y: &Side) -> f64 {
    let all: Vec<f64> = (0..x.width()).map(|j| pearson(x.x.col_as_slice(j), y.x.col_as_slice(j))).filter(|r| r.is_finite()).collect();
    if all.is_empty() { f64::NAN } else { mean(&all) }
}
