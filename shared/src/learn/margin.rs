//! Linear support vector machines, one class against the rest.

use faer::{Mat, MatRef, get_global_parallelism};

use super::newton::{Loss, Problem};
use super::space::{Block, Space};
use super::{Linear, Stop, are_codes};
use crate::Error;
use crate::progress::Progress;

/// What is minimized and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Weight of the losses, > 0. Default 1.
    pub c: f64,
    /// When to stop: the residual is the largest over classes of the norm of the gradient relative to that at zero weights. Default 1e-8
    /// and 200 steps.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self { c: 1.0, stop: Stop { tolerance: 1e-8, max_iter: 200 } }
    }
}

/// Fits one support vector machine per class with a squared hinge and a penalized intercept.
///
/// # Definition
/// For each class, with `t_i` = 1 for its rows and -1 for all others: min over w, b of
/// `1/2 (|w|^2 + b^2) + c sum_i max(0, 1 - t_i (w'x_i + b))^2`. The class of a row is that with the largest score.
/// Two classes: one machine, with t = 1 for class 1; its score is that of class 1, and its negative that of class 0.
///
/// # Shapes
/// x: (n, p), codes: n values below `n_classes` → weights (p, `n_classes`), or (p, 1) for two classes.
///
/// # Degenerate
/// A class without rows gets a machine that keeps everything out.
///
/// # Accuracy
/// f64, to the residual of the options. Deterministic.
///
/// # Cost
/// All machines at once: products of the rows with `n_classes` vectors, as [`logistic::fit`](super::logistic::fit).
///
/// # Errors
/// [`Error::Internal`] for codes that do not fit, [`Error::Numerical`] on overflow, [`Error::Canceled`].
///
/// # Source
/// scikit-learn `LinearSVC(C=c, loss="squared_hinge", dual=False, intercept_scaling=1)`; Keerthi & Decoste 2005 (the Newton method).
pub fn fit(x: MatRef<'_, f64>, codes: &[usize], n_classes: usize, options: &Options, progress: &dyn Progress) -> Result<Linear, Error> {
    let (n, p) = x.shape();
    if n <= p {
        let mut gram = Mat::zeros(n, n);
        faer::linalg::matmul::matmul(gram.as_mut(), faer::Accum::Replace, x, x.transpose(), 1.0, get_global_parallelism());
        let fit = fit_gram(gram, codes, n_classes, options, progress)?;
        return Ok(Linear { weights: x.transpose() * fit.weights, ..fit });
    }
    // The intercept is the weight of a feature that is one everywhere.
    let extended = Mat::from_fn(p + 1, n, |j, i| if j < p { x[(i, j)] } else { 1.0 });
    let fit = solve(Space::Columns(extended.as_ref()), codes, n_classes, options, progress)?;
    let intercepts = (0..fit.weights.ncols()).map(|k| fit.weights[(p, k)]).collect();
    Ok(Linear { weights: fit.weights.subrows(0, p).to_owned(), intercepts, info: fit.info })
}

/// [`fit`] of rows of which only the Gram matrix is known. Its weights are those of the training rows: scores of other rows are those of
/// their inner products with the training rows.
///
/// # Shapes
/// gram: (n, n), which is worked in → weights (n, `n_classes`), or (n, 1) for two classes.
///
/// # Errors
/// As [`fit`].
pub fn fit_gram(
    mut gram: Mat<f64>,
    codes: &[usize],
    n_classes: usize,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Linear, Error> {
    for j in 0..gram.ncols() {
        gram.col_as_slice_mut(j).iter_mut().for_each(|g| *g += 1.0);
    }
    let fit = solve(Space::Rows(gram.as_ref()), codes, n_classes, options, progress)?;
    let intercepts = (0..fit.weights.ncols()).map(|k| crate::stats::sum(fit.weights.col_as_slice(k))).collect();
    Ok(Linear { intercepts, ..fit })
}

fn solve(space: Space<'_>, codes: &[usize], n_classes: usize, options: &Options, progress: &dyn Progress) -> Result<Linear, Error> {
    let n = space.n_samples();
    if !are_codes(codes, n_classes, n) {
        return Err(Error::internal(format!("{} codes of {n_classes} classes do not fit {n} rows", codes.len())));
    }
    let problem = Problem {
        space,
        loss: &SquaredHinge { codes, n_classes },
        lambda: 1.0 / (options.c * crate::stats::count(n)),
        intercept: None,
        relative: true,
        stop: options.stop,
    };
    let solution = problem.minimize("support vector machines", progress)?;
    Ok(Linear { weights: solution.v.as_ref().transpose().to_owned(), intercepts: Vec::new(), info: solution.info })
}

struct SquaredHinge<'a> {
    codes: &'a [usize],
    n_classes: usize,
}

impl Loss for SquaredHinge<'_> {
    fn n_outputs(&self) -> usize {
        if self.n_classes == 2 { 1 } else { self.n_classes }
    }

    /// Rows on the margin must be told from those beyond it, which takes scores to a small part of their slack.
    fn forcing(&self) -> f64 {
        1e-6
    }

    fn coupled(&self) -> bool {
        false
    }

    fn differentiate(&self, scores: &mut Block) {
        let (m, first) = (scores.m, usize::from(self.n_classes == 2));
        for (scores, &code) in scores.values.chunks_exact_mut(m).zip(self.codes) {
            for (k, s) in scores.iter_mut().enumerate() {
                *s = if k + first == code { -2.0 * (1.0 - *s).max(0.0) } else { 2.0 * (1.0 + *s).max(0.0) };
            }
        }
    }

    fn curve(&self, first: &Block, change: &mut Block) {
        change.values.iter_mut().zip(&first.values).for_each(|(t, r)| *t = if *r == 0.0 { 0.0 } else { 2.0 * *t });
    }
}
