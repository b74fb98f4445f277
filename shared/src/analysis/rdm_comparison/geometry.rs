//! Bures comparison of the centered Gram matrices behind RDMs.

use faer::{Mat, Side};

use crate::Error;
use crate::linalg::spectral::double_centered;
use crate::stats::count;

/// The Gram matrix of an RDM of squared distances, as its positive semidefinite part R R'.
#[derive(Debug, Clone)]
pub(super) struct Gram {
    /// R, conditions x rank.
    root: Mat<f64>,
    /// Trace of R R'.
    trace: f64,
    /// Sum of the clipped negative eigenvalues relative to the trace.
    pub(super) clipped: f64,
}

/// G = -1/2 H D H.
pub(in crate::analysis) fn centered_gram(rdm: &Mat<f64>) -> Mat<f64> {
    faer::Scale(-0.5) * double_centered(rdm)
}

impl Gram {
    /// The nearest positive semidefinite matrix of a symmetric `gram`; `None` when nothing positive is left.
    pub(super) fn new(gram: &Mat<f64>) -> Result<Option<Self>, Error> {
        let failed =
            |e| Error::Numerical { what: "the eigenvalues of an RDM's Gram matrix".into(), message: format!("no convergence ({e:?})") };
        let eigen = gram.self_adjoint_eigen(Side::Lower).map_err(failed)?;
        let n = gram.nrows();
        let values: Vec<f64> = (0..n).map(|i| eigen.S()[i]).collect();
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let floor = largest * count(n) * f64::EPSILON;
        let used: Vec<usize> = (0..n).filter(|&i| values[i] > floor).collect();
        if used.is_empty() {
            return Ok(None);
        }
        let root = Mat::from_fn(n, used.len(), |i, j| eigen.U()[(i, used[j])] * values[used[j]].sqrt());
        let trace: f64 = used.iter().map(|&i| values[i]).sum();
        let negative: f64 = values.iter().filter(|v| **v < -floor).sum();
        Ok(Some(Self { root, trace, clipped: -negative / trace }))
    }

    /// Fidelity F = tr (G1^.5 G2 G1^.5)^.5, the nuclear norm of R1' R2.
    fn fidelity(&self, other: &Self) -> f64 {
        let product = self.root.transpose() * &other.root;
        // Not converged is as undefined as an overflow: NaN, and the score is reported as such.
        product.singular_values().map_or(f64::NAN, |s| s.iter().sum())
    }

    /// F / sqrt(tr G1 tr G2).
    pub(super) fn similarity(&self, other: &Self) -> f64 {
        (self.fidelity(other) / (self.trace * other.trace).sqrt()).clamp(0.0, 1.0)
    }

    /// sqrt(tr G1 + tr G2 - 2 F).
    pub(super) fn distance(&self, other: &Self) -> f64 {
        (self.trace + other.trace - 2.0 * self.fidelity(other)).clamp(0.0, f64::INFINITY).sqrt()
    }

    /// Adds `weight` times G / tr G to `total`.
    pub(super) fn add_normalized(&self, total: &mut Mat<f64>, weight: f64) {
        *total += faer::Scale(weight / self.trace) * (&self.root * self.root.transpose());
    }
}
