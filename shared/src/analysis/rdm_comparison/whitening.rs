//! Whitened comparison without the covariance of pairs.
//!
//! With Q = S^-1 - S^-1 1 1' S^-1 / (1' S^-1 1), the inner product x' V^-1 y is tr(X Q Y Q) / 4 up to a constant that both share:
//! V (pairs x pairs) is never built. Q = F'F with F = L^-1 (I - 1 w'), S = LL', w = S^-1 1 / (1' S^-1 1); for S = I, F is the
//! centering matrix. Pairs that are missing are filled with the values that minimize x' V^-1 x, which is the same as deleting
//! their rows and columns from V.

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::Solve;
use faer::{Mat, Par, Side, get_global_parallelism};

use super::pairs::{Present, square};
use crate::Error;

/// More missing pairs than this need too large a solve.
const MAX_HOLES: usize = 5000;

/// Maps RDMs to vectors whose plain inner product is the whitened one.
#[derive(Debug, Clone)]
pub(super) struct Whitening {
    n_conditions: usize,
    kept: Vec<usize>,
    holes: Vec<(usize, usize)>,
    /// L and w; `None` for the identity.
    factor: Option<(Mat<f64>, Vec<f64>)>,
    /// Q and the factored block of V^-1 of the missing pairs.
    fill: Option<(Mat<f64>, faer::linalg::solvers::Llt<f64>)>,
}

impl Whitening {
    /// # Errors
    /// [`Error::Numerical`] when too many pairs are missing or `sigma` is singular on the conditions that are left.
    pub(super) fn new(present: &Present, sigma: Option<&Mat<f64>>) -> Result<Self, Error> {
        let (kept, holes) = present.conditions();
        let failed = |message: String| Error::Numerical { what: "the whitened comparison".into(), message };
        if holes.len() > MAX_HOLES {
            return Err(failed(format!("{} pairs are missing; at most {MAX_HOLES} can be, drop conditions first", holes.len())));
        }
        let singular = |e| failed(format!("the covariance of the conditions is singular ({e:?})"));
        let factor = match sigma {
            None => None,
            Some(sigma) => {
                let sigma = Mat::from_fn(kept.len(), kept.len(), |i, j| sigma[(kept[i], kept[j])]);
                let llt = sigma.llt(Side::Lower).map_err(singular)?;
                let mut weights = llt.solve(Mat::<f64>::full(kept.len(), 1, 1.0));
                let total: f64 = weights.col_as_slice(0).iter().sum();
                weights /= faer::Scale(total);
                Some((llt.L().to_owned(), weights.col_as_slice(0).to_vec()))
            }
        };
        let mut out = Self { n_conditions: present.n_conditions, kept, holes, factor, fill: None };
        if !out.holes.is_empty() {
            let root = out.half(Mat::identity(out.kept.len(), out.kept.len()));
            let q = root.transpose() * &root;
            let block = Mat::from_fn(out.holes.len(), out.holes.len(), |r, c| {
                let ((a, b), (c, d)) = (out.holes[r], out.holes[c]);
                q[(b, c)] * q[(d, a)] + q[(b, d)] * q[(c, a)]
            });
            let block = block.llt(Side::Lower).map_err(singular)?;
            out.fill = Some((q, block));
        }
        Ok(out)
    }

    /// The whitened vector of an RDM (all pairs, NaN where missing, `shift` subtracted from the others).
    pub(super) fn vector(&self, pairs: &[f64], shift: f64) -> Vec<f64> {
        let shifted: Vec<f64> = pairs.iter().map(|v| v - shift).collect();
        let mut x = square(&shifted, self.n_conditions, &self.kept);
        if let Some((q, block)) = &self.fill {
            // Missing pairs are 0 so far; the gradient 2 (Q X Q) at them is what the fill must cancel.
            let gradient = q * &x * q;
            let right = Mat::from_fn(self.holes.len(), 1, |r, _| -gradient[self.holes[r]]);
            let values = block.solve(right);
            for (r, &(a, b)) in self.holes.iter().enumerate() {
                x[(a, b)] = values[(r, 0)];
                x[(b, a)] = values[(r, 0)];
            }
        }
        let half = self.half(x);
        pack(&self.half(half.transpose().to_owned()))
    }

    /// F M for the factor F of Q.
    fn half(&self, mut m: Mat<f64>) -> Mat<f64> {
        let n = m.nrows();
        for j in 0..m.ncols() {
            let column = m.col_as_slice_mut(j);
            let center = match &self.factor {
                Some((_, weights)) => crate::stats::dot(weights, column),
                None => crate::stats::sum(column) / crate::stats::count(n),
            };
            column.iter_mut().for_each(|v| *v -= center);
        }
        if let Some((lower, _)) = &self.factor {
            let par: Par = get_global_parallelism();
            solve_lower_triangular_in_place(lower.as_ref(), m.as_mut(), par);
        }
        m
    }
}

/// Upper triangle with the diagonal; off-diagonal entries count twice in a Frobenius product.
fn pack(m: &Mat<f64>) -> Vec<f64> {
    let n = m.nrows();
    let mut out = Vec::with_capacity(n * (n + 1) / 2);
    for j in 0..n {
        let column = m.col_as_slice(j);
        out.extend(column[..j].iter().map(|v| v * std::f64::consts::SQRT_2));
        out.push(column[j]);
    }
    out
}
