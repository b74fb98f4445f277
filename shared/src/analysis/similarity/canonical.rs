//! Canonical correlations and what is made from them.

use faer::MatRef;

use super::name::Keep;
use super::side::{Side, scaled};
use crate::Error;
use crate::linalg::spectral::{ThinSvd, all_singular_vectors, sign_of_largest, singular_values};
use crate::stats::{count, mean};

/// Canonical correlations, largest first: singular values of `U_x'U_y`, as many as the smaller rank.
///
/// # Definition
/// `U` from the thin decompositions of the centered matrices, cut at their ranks. With as many features as samples all are 1.
///
/// # Source
/// Hotelling 1936; Golub & Zha 1992 for the form.
pub(super) fn correlations(x: &Side, y: &Side) -> Result<Vec<f64>, Error> {
    between(x.svd()?.u.as_ref(), y.svd()?.u.as_ref())
}

fn between(u: MatRef<'_, f64>, v: MatRef<'_, f64>) -> Result<Vec<f64>, Error> {
    if u.ncols() == 0 || v.ncols() == 0 {
        return Ok(Vec::new());
    }
    let mut found = singular_values((u.transpose() * v).as_ref())?;
    found.iter_mut().for_each(|r| *r = r.min(1.0));
    Ok(found)
}

/// Canonical correlations of the leading principal components.
pub(super) fn of_components(x: &Side, y: &Side, keep: Keep) -> Result<Vec<f64>, Error> {
    let leading = |svd: &ThinSvd| match keep {
        Keep::Components(k) => k.min(svd.s.len()),
        Keep::Variance(share) => components_for(&svd.s, share),
    };
    let (a, b) = (x.svd()?, y.svd()?);
    between(a.u.subcols(0, leading(a)), b.u.subcols(0, leading(b)))
}

/// The fewest components whose share of the variance is at least so much.
fn components_for(s: &[f64], share: f64) -> usize {
    let total: f64 = s.iter().map(|s| s * s).sum();
    let mut sum = 0.0;
    for (k, s) in s.iter().enumerate() {
        sum += s * s;
        if sum >= share * total {
            return k + 1;
        }
    }
    s.len()
}

/// Canonical correlations weighted by how much of a representation their variates carry.
///
/// # Definition
/// `h_i` = canonical variates of the set of smaller rank (the first of equals), orthonormal; weights `a_i = sum_j |<h_i, x_j>|` over its centered
/// columns; `sum a_i rho_i / sum a_i`.
///
/// # Source
/// Morcos, Raghu & Bengio 2018. Four packages share a routine that computes something else: [`weighted_by_shifted_directions`].
pub(super) fn projection_weighted(x: &Side, y: &Side) -> Result<f64, Error> {
    let (a, b) = (x.svd()?, y.svd()?);
    let (small, svd, other) = if b.s.len() < a.s.len() { (y, b, a) } else { (x, a, b) };
    if svd.s.is_empty() {
        return Ok(f64::NAN);
    }
    let pair = all_singular_vectors((svd.u.transpose() * &other.u).as_ref())?;
    let products = (&svd.u * &pair.u).transpose() * &small.centered;
    let weights: Vec<f64> = products.row_iter().map(|row| row.iter().map(|v| v.abs()).sum()).collect();
    let weighted: f64 = weights.iter().zip(&pair.s).map(|(w, r)| w * r.min(1.0)).sum();
    Ok(weighted / weights.iter().sum::<f64>())
}

/// Projection-weighted CCA as a routine computes it that several packages share, for comparison with numbers published from it.
///
/// # Definition
/// `w_i` = singular vectors of `S_xx^-1/2 S_xy S_yy^-1/2` on the side of the set with fewer columns (the first of equals), in the coordinates of its columns;
/// directions `d_i = Xc w_i + m_i`, where `m_i` is the mean of column i, which has nothing to do with direction i; `q_i` = the directions made orthonormal
/// in their order; weights `a_i = sum_j |<q_i, x_j>|` over the columns as they are; `sum a_i rho_i / sum a_i`.
///
/// A singular vector has no sign, but `d_i` depends on it. Here the largest component of `w_i` is positive; the routine takes what its decomposition returns,
/// so that its number is reproduced where the signs agree, and always when the means are 0.
///
/// # Degenerate
/// Needs columns that are linearly independent on the side of the weights, else NaN. Where the second set has fewer columns the routine reads the first
/// set by the second's columns, which fails; here the sets change places.
///
/// # Source
/// `compute_pwcca` of google/svcca (2018).
pub(super) fn weighted_by_shifted_directions(x: &Side, y: &Side) -> Result<f64, Error> {
    let (small, other) = if y.width() < x.width() { (y, x) } else { (x, y) };
    let (a, b) = (small.svd()?, other.svd()?);
    let p = small.width();
    if a.s.len() < p || b.s.is_empty() {
        return Ok(f64::NAN);
    }
    let pair = all_singular_vectors((a.u.transpose() * &b.u).as_ref())?;
    let turned = &a.v * &pair.u;
    let means: Vec<f64> = small.x.col_iter().map(|c| c.iter().sum::<f64>() / count(small.n())).collect();
    let mut directions = &small.centered * &turned;
    for (i, column) in directions.col_iter_mut().enumerate() {
        let sign = sign_of_largest(turned.col(i));
        column.iter_mut().for_each(|v| *v = sign * *v + means[i]);
    }
    let products = directions.qr().compute_thin_Q().transpose() * &small.x;
    let weights: Vec<f64> = products.row_iter().map(|row| row.iter().map(|v| v.abs()).sum()).collect();
    let weighted: f64 = weights.iter().zip(&pair.s).map(|(w, r)| w * r.min(1.0)).sum();
    Ok(weighted / weights.iter().sum::<f64>())
}

/// Mean canonical correlation with `k I` added to both covariances `X'X` and `Y'Y` (sums, not means).
///
/// # Definition
/// Singular values of `(X'X + k I)^-1/2 X'Y (Y'Y + k I)^-1/2`, averaged over the smaller number of columns.
///
/// # Source
/// Vinod 1976.
pub(super) fn regularized(x: &Side, y: &Side, k: f64) -> Result<f64, Error> {
    let (a, b) = (x.svd()?, y.svd()?);
    let shrink = |s: &[f64]| -> Vec<f64> { s.iter().map(|s| s / (s * s + k).sqrt()).collect() };
    let m = scaled(&(a.u.transpose() * &b.u), &shrink(&a.s), &shrink(&b.s));
    if m.nrows() == 0 || m.ncols() == 0 {
        return Ok(f64::NAN);
    }
    Ok(singular_values(m.as_ref())?.iter().sum::<f64>() / count(x.width().min(y.width())))
}

/// Mean of canonical correlations or of their squares; NaN without any.
pub(super) fn summary(correlations: &[f64], squared: bool) -> f64 {
    if correlations.is_empty() {
        return f64::NAN;
    }
    mean(&correlations.iter().map(|r| if squared { r * r } else { *r }).collect::<Vec<_>>())
}
