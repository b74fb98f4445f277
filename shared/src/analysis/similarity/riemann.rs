//! Distances of covariances: of Gram matrices on their cone, and of what linear predictors see.

use faer::Mat;

use super::side::Side;
use crate::linalg::spectral::{symmetric_eigen, symmetric_eigenvalues};
use crate::stats::count;
use crate::{Error, Silent};

/// The affine-invariant Riemannian distance of the centered Gram matrices.
///
/// # Definition
/// `A = Xc Xc' + eps tr(Xc Xc') / n I`, B likewise; `sqrt(sum ln^2 lambda)` over the eigenvalues of `A^-1 B`.
///
/// # Source
/// Pennec, Fillard & Ayache 2006; Shahbazi et al. 2021 for representations.
pub(super) fn affine_invariant(x: &Side, y: &Side, eps: f64) -> Result<f64, Error> {
    let (a, b) = (regularized(x, eps), regularized(y, eps));
    Ok((stretched(&a, &b)? + stretched(&b, &a)?).sqrt())
}

/// `sum ln^2 lambda` over the eigenvalues of `A^-1 B` above 1. Those below are the reciprocals of the ones of `B^-1 A` above 1, where they are
/// right to all digits: next to large ones they would be lost in rounding.
fn stretched(a: &Mat<f64>, b: &Mat<f64>) -> Result<f64, Error> {
    let eigen = symmetric_eigen(a.as_ref())?;
    let n = a.nrows();
    let whitening = Mat::from_fn(n, n, |i, j| eigen.vectors[(i, j)] / eigen.values[j].sqrt());
    let m = whitening.transpose() * (b * &whitening);
    let values = symmetric_eigenvalues(m, &Silent)?;
    Ok(values.iter().take_while(|v| **v > 1.0).map(|v| v.ln().powi(2)).sum())
}

fn regularized(side: &Side, eps: f64) -> Mat<f64> {
    let mut gram = &side.centered * side.centered.transpose();
    let ridge = eps * side.norm * side.norm / count(side.n());
    (0..gram.nrows()).for_each(|i| gram[(i, i)] += ridge);
    gram
}

/// How differently regularized linear regressions on two representations predict, on average over targets.
///
/// # Definition
/// `A = sqrt(n) Xc / |Xc|`, `S = A'A / n`, `S_l = (S + lambda I)^-1` (pseudo-inverse at 0), `C = A'B / n`:
/// `tr(S_l S S_l S)_x + the same of y - 2 tr(S_lx C S_ly C')`: a squared distance.
///
/// # Source
/// Boix-Adsera et al. 2022.
pub(super) fn gulp(x: &Side, y: &Side, lambda: f64) -> Result<f64, Error> {
    let (a, b) = (x.svd()?, y.svd()?);
    let weights = |s: &[f64], norm: f64| -> Vec<f64> { s.iter().map(|s| (s / norm).powi(2)).map(|v| v / (v + lambda)).collect() };
    let (wa, wb) = (weights(&a.s, x.norm), weights(&b.s, y.norm));
    let m = a.u.transpose() * &b.u;
    let cross: f64 = (0..m.ncols()).flat_map(|j| (0..m.nrows()).map(move |i| (i, j))).map(|(i, j)| wa[i] * wb[j] * m[(i, j)].powi(2)).sum();
    let own = |w: &[f64]| w.iter().map(|w| w * w).sum::<f64>();
    Ok((own(&wa) + own(&wb) - 2.0 * cross).max(0.0))
}
