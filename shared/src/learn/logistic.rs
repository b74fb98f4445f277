//! Multinomial logistic regression.

use faer::{Mat, MatRef, get_global_parallelism};

use super::newton::{Loss, Problem};
use super::space::{Block, Space};
use super::{Linear, Stop, are_codes};
use crate::Error;
use crate::linalg::spectral::center_columns;
use crate::progress::Progress;

/// What is minimized and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Inverse strength of the penalty, > 0. Default 1.
    pub c: f64,
    /// When to stop: the residual is the largest Euclidean norm over classes of the gradient of the mean loss plus `|W|^2 / (2 c n)`, by the
    /// weights and the intercept of a class, which is not below its largest entry. Default 1e-8 and 200 steps.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self { c: 1.0, stop: Stop { tolerance: 1e-8, max_iter: 200 } }
    }
}

/// Fits logistic regression with an L2 penalty and free intercepts.
///
/// # Definition
/// With rows `x_i` of class `y_i`: min over W, b of `1/2 |W|^2 + c sum_i -log softmax(W x_i + b)_{y_i}`. The intercepts add up to zero.
/// Two classes: one weight vector w with `1/2 |w|^2 + c sum_i log(1 + exp(-t_i (w'x_i + b)))`, t = 1 for class 1 and -1 for class 0.
/// Features are not standardized.
///
/// # Shapes
/// x: (n, p), codes: n values below `n_classes` → weights (p, `n_classes`), or (p, 1) for two classes.
///
/// # Degenerate
/// A class without rows gets an intercept of minus infinity in theory: [`Error::Numerical`]. Constant features get zero weights.
///
/// # Accuracy
/// f64, to the residual of the options or to rounding. Deterministic.
///
/// # Cost
/// A few hundred products of the rows with `n_classes` vectors; with p >= n in the space of the rows: n^2 p once, then n^2 a vector.
/// Memory: a copy of x, or n^2.
///
/// # Errors
/// [`Error::Internal`] for codes that do not fit, [`Error::Numerical`] on overflow or for a class without rows, [`Error::Canceled`].
///
/// # Source
/// scikit-learn `LogisticRegression(C=c)`, which stops at 1e-4 or 100 steps; truncated Newton as in Lin, Weng & Keerthi 2008.
pub fn fit(x: MatRef<'_, f64>, codes: &[usize], n_classes: usize, options: &Options, progress: &dyn Progress) -> Result<Linear, Error> {
    let (n, p) = x.shape();
    if n <= p {
        let mut gram = Mat::zeros(n, n);
        faer::linalg::matmul::matmul(gram.as_mut(), faer::Accum::Replace, x, x.transpose(), 1.0, get_global_parallelism());
        let fit = fit_gram(gram, codes, n_classes, options, progress)?;
        return Ok(Linear { weights: x.transpose() * fit.weights, ..fit });
    }
    let mut centered = x.to_owned();
    let means = center_columns(&mut centered);
    let turned = centered.transpose().to_owned();
    let shift = means.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut fit = solve(Space::Columns(turned.as_ref()), shift, codes, n_classes, options, progress)?;
    for (k, intercept) in fit.intercepts.iter_mut().enumerate() {
        *intercept -= means.iter().zip(fit.weights.col_as_slice(k)).map(|(mean, w)| mean * w).sum::<f64>();
    }
    Ok(fit)
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
    let n = gram.nrows();
    let count = crate::stats::count(n.max(1));
    let means: Vec<f64> = (0..n).map(|j| crate::stats::sum(gram.col_as_slice(j)) / count).collect();
    let grand = crate::stats::sum(&means) / count;
    for (j, mean) in means.iter().enumerate() {
        gram.col_as_slice_mut(j).iter_mut().zip(&means).for_each(|(g, other)| *g -= mean + other - grand);
    }
    let shift = grand.max(0.0).sqrt();
    let mut fit = solve(Space::Rows(gram.as_ref()), shift, codes, n_classes, options, progress)?;
    for (k, intercept) in fit.intercepts.iter_mut().enumerate() {
        // Centered coefficients combine rows to what they combine centered rows to.
        let weights = fit.weights.col_as_slice_mut(k);
        let mean = crate::stats::sum(weights) / count;
        weights.iter_mut().for_each(|w| *w -= mean);
        *intercept -= crate::stats::dot(&means, weights);
    }
    Ok(fit)
}

fn solve(
    space: Space<'_>,
    shift: f64,
    codes: &[usize],
    n_classes: usize,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Linear, Error> {
    let n = space.n_samples();
    if !are_codes(codes, n_classes, n) {
        return Err(Error::internal(format!("{} codes of {n_classes} classes do not fit {n} rows", codes.len())));
    }
    let mut seen = vec![false; n_classes];
    codes.iter().for_each(|&code| seen[code] = true);
    if let Some(absent) = seen.iter().position(|seen| !seen) {
        let message = format!("class {} of {n_classes} has no training rows, so its intercept has no minimum", absent + 1);
        return Err(Error::Numerical { what: "logistic regression".into(), message });
    }
    let (softmax, sigmoid) = (Softmax { codes, n_classes }, Sigmoid { codes });
    let problem = Problem {
        space,
        loss: if n_classes == 2 { &sigmoid } else { &softmax },
        lambda: 1.0 / (options.c * crate::stats::count(n)),
        intercept: Some(shift),
        relative: false,
        stop: options.stop,
    };
    let solution = problem.minimize("logistic regression", progress)?;
    Ok(Linear { weights: solution.v.as_ref().transpose().to_owned(), intercepts: solution.intercepts, info: solution.info })
}

/// Logarithms of the probabilities of classes from scores: (n, k) → (n, k), and (n, 1) → (n, 2).
#[must_use]
pub fn log_probabilities(scores: MatRef<'_, f64>) -> Mat<f64> {
    let (n, k) = scores.shape();
    if k == 1 {
        // log(1 / (1 + exp(-s))), whatever the size of s.
        let log_sigmoid = |s: f64| if s < 0.0 { s - s.exp().ln_1p() } else { -(-s).exp().ln_1p() };
        return Mat::from_fn(n, 2, |i, j| log_sigmoid(if j == 1 { scores[(i, 0)] } else { -scores[(i, 0)] }));
    }
    let normalizer = |i: usize| {
        let largest = (0..k).map(|j| scores[(i, j)]).fold(f64::NEG_INFINITY, f64::max);
        largest + (0..k).map(|j| (scores[(i, j)] - largest).exp()).sum::<f64>().ln()
    };
    let normalizers: Vec<f64> = (0..n).map(normalizer).collect();
    Mat::from_fn(n, k, |i, j| scores[(i, j)] - normalizers[i])
}

/// -log softmax of the true class.
struct Softmax<'a> {
    codes: &'a [usize],
    n_classes: usize,
}

impl Loss for Softmax<'_> {
    fn n_outputs(&self) -> usize {
        self.n_classes
    }

    fn forcing(&self) -> f64 {
        0.1
    }

    fn coupled(&self) -> bool {
        true
    }

    fn differentiate(&self, scores: &mut Block) {
        for (scores, &code) in scores.values.chunks_exact_mut(self.n_classes).zip(self.codes) {
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            scores.iter_mut().for_each(|s| *s = (*s - largest).exp());
            let total: f64 = scores.iter().sum();
            // The probability of the others, so that the true class keeps its digits where it is nearly certain.
            let others: f64 = scores.iter().enumerate().filter(|(k, _)| *k != code).map(|(_, s)| s).sum();
            scores.iter_mut().for_each(|s| *s /= total);
            scores[code] = -others / total;
        }
    }

    fn curve(&self, first: &Block, change: &mut Block) {
        let rows = first.values.chunks_exact(self.n_classes).zip(change.values.chunks_exact_mut(self.n_classes));
        for ((first, change), &code) in rows.zip(self.codes) {
            // Against the change of the true class, which drops out: what is left is of the size of the small probabilities.
            let own = change[code];
            change.iter_mut().for_each(|t| *t -= own);
            let mean: f64 = first.iter().zip(&*change).map(|(p, t)| p * t).sum();
            change.iter_mut().zip(first).for_each(|(t, p)| *t = p * (*t - mean));
            change[code] = -(1.0 + first[code]) * mean;
        }
    }
}

/// -log sigmoid of the score, for class 0 of its negative.
struct Sigmoid<'a> {
    codes: &'a [usize],
}

impl Loss for Sigmoid<'_> {
    fn n_outputs(&self) -> usize {
        1
    }

    fn forcing(&self) -> f64 {
        0.1
    }

    fn coupled(&self) -> bool {
        true
    }

    fn differentiate(&self, scores: &mut Block) {
        for (s, &code) in scores.values.iter_mut().zip(self.codes) {
            *s = if code == 1 { -1.0 / (1.0 + s.exp()) } else { 1.0 / (1.0 + (-*s).exp()) };
        }
    }

    fn curve(&self, first: &Block, change: &mut Block) {
        for (t, r) in change.values.iter_mut().zip(&first.values) {
            let size = r.abs();
            *t *= size * (1.0 - size);
        }
    }
}
