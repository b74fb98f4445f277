//! Canonical correlations and what is made from them.

use faer::MatRef;

use super::name::Keep;
use super::side::{Side, scaled};
use crate::Error;
use crate::linalg::spectral::{ThinSvd, all_singular_vectors, singular_values};
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
/// Morcos, Raghu & Bengio 2018. Four packages share a routine that adds the means of columns to directions before an orthogonalization. Directions have no
/// sign, so that its value depends on the signs that a decomposition happens to return: there is nothing to be equal to.
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
