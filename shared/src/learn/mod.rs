//! Linear models that are fitted by iteration, in f64 on the host, deterministic.
//!
//! [`hinge`] is the one-vs-one support vector machine, [`lasso`] least squares with an absolute penalty.
//! [`logistic`] is multinomial logistic regression, [`margin`] the one-vs-rest support vector machine with a squared hinge. Both minimize
//! a strictly convex function of the weights by the Newton method of `newton`. With more features than rows the weights are combinations
//! of rows, and an iteration costs n^2 for each class whatever the number of features; a Gram matrix is then all that is needed.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, get_global_parallelism};

pub mod hinge;
pub mod lasso;
pub mod logistic;
pub mod margin;
mod newton;
mod space;
#[cfg(test)]
pub(crate) mod tests;

/// When an iteration ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// Largest residual that counts as converged; what it is a residual of is said where it is used.
    pub tolerance: f64,
    /// Newton steps at most.
    pub max_iter: u32,
}

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Info {
    /// Newton steps.
    pub n_iter: u32,
    /// The residual at the end.
    pub residual: f64,
    /// Why it ended.
    pub stopped: StopReason,
}

/// Why an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The residual is within the tolerance.
    Converged,
    /// The residual does not fall any more: rounding.
    Stalled,
    /// The limit of steps was reached.
    Limit,
}

/// Scores that are linear in what is scored.
#[derive(Debug, Clone)]
pub struct Linear {
    /// One column per score: a weight for each feature or, when fitted on a Gram matrix, for each training row.
    pub weights: Mat<f64>,
    /// One per score.
    pub intercepts: Vec<f64>,
    /// How the fit ended.
    pub info: Info,
}

impl Linear {
    /// Scores of rows: (n, p) → (n, k), with the k of the weights. For weights of training rows, x holds the inner products of rows with
    /// those.
    ///
    /// # Panics
    /// If x has another number of columns than there are weights: a defect of the caller.
    #[must_use]
    pub fn scores(&self, x: MatRef<'_, f64>) -> Mat<f64> {
        let mut out = Mat::from_fn(x.nrows(), self.intercepts.len(), |_, j| self.intercepts[j]);
        matmul(out.as_mut(), Accum::Add, x, &self.weights, 1.0, get_global_parallelism());
        out
    }
}

/// Codes that a fit can work with: as many as rows, each below the number of classes.
fn are_codes(codes: &[usize], n_classes: usize, n: usize) -> bool {
    n > 0 && n_classes >= 2 && codes.len() == n && codes.iter().all(|&code| code < n_classes)
}
