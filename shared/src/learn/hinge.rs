//! Linear support vector machines, one class against another.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, get_global_parallelism};

use super::{Info, Linear, Stop, StopReason, are_codes};
use crate::Error;

/// What is minimized and how far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Weight of the losses, > 0. Default 1.
    pub c: f64,
    /// When to stop: the residual is the largest violation of the optimality conditions, in units of the scores (1 at the margin). Default
    /// 1e-8 and 10 million steps of two coefficients each.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self { c: 1.0, stop: Stop { tolerance: 1e-8, max_iter: 10_000_000 } }
    }
}

/// Fits one support vector machine for each pair of classes, with a hinge and a free intercept.
///
/// # Definition
/// For classes i < j and their rows, `t_s` = 1 for those of i and -1 for those of j: min over w, b of
/// `1/2 |w|^2 + c sum_s max(0, 1 - t_s (w'x_s + b))`, by its dual in `beta_s = t_s a_s`, `0 <= a_s <= c`, `sum beta = 0`, `w = sum beta_s x_s`.
/// The intercept is the mean of `t_s - w'x_s` over rows strictly between the bounds; without any, the middle of what the others allow.
///
/// # Shapes
/// x: (n, p), codes: n values below `n_classes` → weights (p, pairs), pairs in the order (0, 1), (0, 2), …, (1, 2), …
///
/// # Degenerate
/// Rows that are equal in both classes: zero weights. A pair of which one class has no rows is an error.
///
/// # Accuracy
/// f64, to the residual of the options. Where the minimum is no single point only the scores of the training rows are determined. Deterministic.
///
/// # Cost
/// A Gram matrix, n^2 p, then 4 n for each step; as a rule some n steps for a pair.
///
/// # Errors
/// [`Error::Internal`] for codes that do not fit, [`Error::Numerical`] on overflow or for a class without rows.
///
/// # Source
/// scikit-learn `SVC(kernel="linear", C=c)`, that is libsvm; Fan, Chen & Lin 2005 (choice of the two coefficients, their "WSS 2").
pub fn fit(x: MatRef<'_, f64>, codes: &[usize], n_classes: usize, options: &Options) -> Result<Linear, Error> {
    let (n, p) = x.shape();
    if !are_codes(codes, n_classes, n) {
        return Err(Error::internal(format!("{} codes of {n_classes} classes do not fit {n} rows", codes.len())));
    }
    let mut gram = Mat::zeros(n, n);
    matmul(gram.as_mut(), Accum::Replace, x, x.transpose(), 1.0, get_global_parallelism());
    let fail = |message: String| Err(Error::Numerical { what: "support vector machines".into(), message });
    if !gram.is_all_finite() {
        return fail("the inner products of its rows overflow; scale the features down (divide by their largest value)".into());
    }
    let mut rows = vec![Vec::new(); n_classes];
    codes.iter().enumerate().for_each(|(row, &code)| rows[code].push(row));
    if let Some(absent) = rows.iter().position(Vec::is_empty) {
        return fail(format!("class {} of {n_classes} has no training rows", absent + 1));
    }
    let n_pairs = n_classes * (n_classes - 1) / 2;
    let (mut beta, mut intercepts) = (Mat::zeros(n, n_pairs), Vec::with_capacity(n_pairs));
    let mut info = Info { n_iter: 0, residual: 0.0, stopped: StopReason::Converged };
    for (first, second) in pairs(n_classes) {
        let of: Vec<usize> = rows[first].iter().chain(&rows[second]).copied().collect();
        let mut pair = Pair::new(&gram, &of, rows[first].len(), options.c);
        let end = pair.minimize(options.stop);
        info.n_iter = info.n_iter.saturating_add(end.n_iter);
        info.residual = info.residual.max(end.residual);
        if end.stopped != StopReason::Converged {
            info.stopped = end.stopped;
        }
        of.iter().zip(&pair.beta).for_each(|(&row, value)| beta[(row, intercepts.len())] = *value);
        intercepts.push(pair.intercept());
    }
    let mut weights = Mat::zeros(p, n_pairs);
    matmul(weights.as_mut(), Accum::Replace, x.transpose(), &beta, 1.0, get_global_parallelism());
    Ok(Linear { weights, intercepts, info })
}

/// The class that wins most of its pairs, the first of equals; a score above 0 is for the first class of its pair.
#[must_use]
pub fn vote(scores: MatRef<'_, f64>, n_classes: usize) -> Vec<usize> {
    let winner = |i: usize| {
        let mut votes = vec![0usize; n_classes];
        for (at, (first, second)) in pairs(n_classes).enumerate() {
            votes[if scores[(i, at)] > 0.0 { first } else { second }] += 1;
        }
        let most = votes.iter().max().copied().unwrap_or(0);
        votes.iter().position(|&v| v == most).unwrap_or(0)
    };
    (0..scores.nrows()).map(winner).collect()
}

fn pairs(n_classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n_classes).flat_map(move |i| (i + 1..n_classes).map(move |j| (i, j)))
}

/// The dual of one pair.
struct Pair {
    gram: Mat<f64>,
    beta: Vec<f64>,
    /// `t - K beta`: what is left to reach the margin.
    slack: Vec<f64>,
    /// Bounds of each coefficient.
    low: Vec<f64>,
    high: Vec<f64>,
}

impl Pair {
    fn new(gram: &Mat<f64>, rows: &[usize], n_first: usize, c: f64) -> Self {
        let n = rows.len();
        let is_first = |s: usize| s < n_first;
        Self {
            gram: Mat::from_fn(n, n, |i, j| gram[(rows[i], rows[j])]),
            beta: vec![0.0; n],
            slack: (0..n).map(|s| if is_first(s) { 1.0 } else { -1.0 }).collect(),
            low: (0..n).map(|s| if is_first(s) { 0.0 } else { -c }).collect(),
            high: (0..n).map(|s| if is_first(s) { c } else { 0.0 }).collect(),
        }
    }

    /// The largest slack of a coefficient that may grow, with its place, and the smallest of one that may fall.
    fn ends(&self) -> (Option<usize>, f64, f64) {
        let (mut grows, mut largest, mut smallest) = (None, f64::NEG_INFINITY, f64::INFINITY);
        for (s, &slack) in self.slack.iter().enumerate() {
            if self.beta[s] < self.high[s] && slack > largest {
                (grows, largest) = (Some(s), slack);
            }
            if self.beta[s] > self.low[s] && slack < smallest {
                smallest = slack;
            }
        }
        (grows, largest, smallest)
    }

    fn minimize(&mut self, stop: Stop) -> Info {
        let mut n_iter = 0;
        loop {
            let (grows, largest, smallest) = self.ends();
            let residual = (largest - smallest).max(0.0);
            let end = |stopped| Info { n_iter, residual, stopped };
            let Some(i) = grows.filter(|_| residual > stop.tolerance) else { return end(StopReason::Converged) };
            if n_iter >= stop.max_iter {
                return end(StopReason::Limit);
            }
            let Some(j) = self.partner(i, largest) else { return end(StopReason::Stalled) };
            if !self.step(i, j) {
                return end(StopReason::Stalled);
            }
            n_iter += 1;
        }
    }

    fn curvature(&self, i: usize, j: usize) -> f64 {
        let distance = self.gram[(i, i)] + self.gram[(j, j)] - 2.0 * self.gram[(i, j)];
        // Equal rows have none: any step to a bound is right, and a tiny one stands for it.
        if distance > 0.0 { distance } else { 1e-12 }
    }

    /// The coefficient that may fall whose step together with that of `i` lowers the objective most.
    fn partner(&self, i: usize, largest: f64) -> Option<usize> {
        let mut best = (None, 0.0);
        for (s, &slack) in self.slack.iter().enumerate() {
            let gain = largest - slack;
            if self.beta[s] > self.low[s] && gain > 0.0 {
                let fall = gain * gain / self.curvature(i, s);
                if fall > best.1 {
                    best = (Some(s), fall);
                }
            }
        }
        best.0
    }

    /// Moves `i` up and `j` down by the same; false when rounding leaves nothing to move.
    fn step(&mut self, i: usize, j: usize) -> bool {
        let (room_i, room_j) = (self.high[i] - self.beta[i], self.beta[j] - self.low[j]);
        let free = (self.slack[i] - self.slack[j]) / self.curvature(i, j);
        let by = free.min(room_i).min(room_j);
        let before = (self.beta[i], self.beta[j]);
        // A bound is reached exactly, so that it is seen as reached.
        self.beta[i] = if by < room_i { self.beta[i] + by } else { self.high[i] };
        self.beta[j] = if by < room_j { self.beta[j] - by } else { self.low[j] };
        let (up, down) = (self.gram.col_as_slice(i), self.gram.col_as_slice(j));
        self.slack.iter_mut().zip(up.iter().zip(down)).for_each(|(slack, (a, b))| *slack -= by * (a - b));
        before != (self.beta[i], self.beta[j])
    }

    fn intercept(&self) -> f64 {
        let is_free = |s: &usize| self.beta[*s] > self.low[*s] && self.beta[*s] < self.high[*s];
        let free: Vec<f64> = (0..self.beta.len()).filter(is_free).map(|s| self.slack[s]).collect();
        if free.is_empty() {
            let (_, largest, smallest) = self.ends();
            return (largest + smallest) / 2.0;
        }
        crate::stats::mean(&free)
    }
}
