//! One fit and its scores on held-out rows.

use faer::{Mat, MatRef};

use super::behavior::Behavior;
use super::design::Design;
use super::{Estimator, Score};
use crate::analysis::encoding::columns::{means, subtract, take_rows};
use crate::analysis::encoding::{Split, ols};
use crate::learn::{Info, Linear, Stop, StopReason, hinge, lasso, logistic};
use crate::stats::count;
use crate::{Error, Silent};

/// What is fitted to what.
pub(super) struct Problem<'a> {
    pub estimator: Estimator,
    /// C or alpha.
    pub strength: f64,
    pub pca: Option<usize>,
    pub score: Score,
    pub behavior: &'a Behavior,
}

/// What a fit reaches.
pub(super) struct Outcome {
    /// One for each behavior, NaN where undefined.
    pub scores: Vec<f64>,
    /// Held-out rows, true classes x predicted classes.
    pub counts: Vec<f64>,
    pub converged: bool,
    /// Features that it saw.
    pub n_features: usize,
}

/// A model, and which classes it knows.
pub(super) struct Fit {
    pub linear: Linear,
    pub present: Vec<usize>,
}

impl Problem<'_> {
    /// Whether rotations of the units change nothing, so that inner products of rows are enough.
    pub(super) fn by_products(&self) -> bool {
        self.estimator != Estimator::Lasso || self.pca.is_some()
    }

    /// Fits on the training rows of a split and scores its held-out rows; or, `on_training`, the training rows themselves.
    pub(super) fn outcome(&self, design: &Design, split: &Split, on_training: bool) -> Result<Outcome, Error> {
        let (rows, x) = if on_training { (&split.train, &design.train) } else { (&split.test, &design.test) };
        let n_features = design.train.ncols();
        let Fit { linear, present } = self.fit(design.train.as_ref(), &split.train)?;
        let scores = finite(linear.scores(x.as_ref()))?;
        let converged = linear.info.stopped == StopReason::Converged;
        match self.behavior {
            Behavior::Classes { names, codes, .. } => {
                let k = names.len();
                let mut counts = vec![0.0; k * k];
                let predicted = self.decide(&scores, present.len());
                rows.iter().zip(predicted).for_each(|(&row, class)| counts[codes[row] * k + present[class]] += 1.0);
                let right: f64 = (0..k).map(|c| counts[c * k + c]).sum();
                Ok(Outcome { scores: vec![right / count(rows.len())], counts, converged, n_features })
            }
            Behavior::Values { y, .. } => {
                Ok(Outcome { scores: self.score.all(y, rows, &scores), counts: Vec::new(), converged, n_features })
            }
        }
    }

    /// Fits on rows with these features. Classes without rows do not take part.
    pub(super) fn fit(&self, x: MatRef<'_, f64>, rows: &[usize]) -> Result<Fit, Error> {
        let (name, names, codes) = match self.behavior {
            Behavior::Classes { name, names, codes } => (name, names, codes),
            Behavior::Values { y, .. } => {
                return Ok(Fit { linear: self.regress(x, take_rows(y, rows))?, present: Vec::new() });
            }
        };
        let mut present = vec![false; names.len()];
        rows.iter().for_each(|&row| present[codes[row]] = true);
        let present: Vec<usize> = (0..names.len()).filter(|&class| present[class]).collect();
        let k = present.len();
        if k < 2 {
            let message = format!("a split trains on rows of one class only ({} rows); use fewer folds or stratified ones", rows.len());
            return Err(Error::input(&**name, message));
        }
        let own: Vec<usize> = rows.iter().map(|&row| present.binary_search(&codes[row]).unwrap_or(0)).collect();
        let linear = match self.estimator {
            Estimator::Logistic => {
                logistic::fit(x, &own, k, &logistic::Options { c: self.strength, ..logistic::Options::default() }, &Silent)?
            }
            Estimator::Svc => hinge::fit(x, &own, k, &hinge::Options { c: self.strength, ..hinge::Options::default() })?,
            Estimator::RidgeClassifier | Estimator::Ridge | Estimator::Glm | Estimator::Lasso | Estimator::Corr => {
                let sign = |i: usize, class: usize| if own[i] == class { 1.0 } else { -1.0 };
                let y = if k == 2 { Mat::from_fn(own.len(), 1, |i, _| sign(i, 1)) } else { Mat::from_fn(own.len(), k, sign) };
                self.regress(x, y)?
            }
        };
        Ok(Fit { linear, present })
    }

    /// The class of each row of scores, of those that took part.
    fn decide(&self, scores: &Mat<f64>, n_classes: usize) -> Vec<usize> {
        if self.estimator == Estimator::Svc {
            return hinge::vote(scores.as_ref(), n_classes);
        }
        let largest = |i: usize| match scores.ncols() {
            1 => usize::from(scores[(i, 0)] > 0.0),
            m => (1..m).fold(0, |best, j| if scores[(i, j)] > scores[(i, best)] { j } else { best }),
        };
        (0..scores.nrows()).map(largest).collect()
    }

    /// Weights and intercepts for targets.
    fn regress(&self, x: MatRef<'_, f64>, mut y: Mat<f64>) -> Result<Linear, Error> {
        let mut x = x.to_owned();
        let all: Vec<usize> = (0..x.nrows()).collect();
        let (center, y_center) = (means(&x, &all), means(&y, &all));
        subtract(&mut x, &center);
        subtract(&mut y, &y_center);
        let (n, p, t) = (x.nrows(), x.ncols(), y.ncols());
        let mut info = Info { n_iter: 0, residual: 0.0, stopped: StopReason::Converged };
        let weights = match self.estimator {
            Estimator::Lasso => {
                let mut weights = Mat::zeros(p, t);
                for k in 0..t {
                    let stop = Stop { tolerance: 1e-12, max_iter: 100_000 };
                    let fit = lasso::fit(x.as_ref(), y.col_as_slice(k), self.strength, stop);
                    weights.col_as_slice_mut(k).copy_from_slice(&fit.weights);
                    if fit.info.stopped != StopReason::Converged {
                        info = fit.info;
                    }
                }
                weights
            }
            Estimator::Ridge | Estimator::RidgeClassifier if self.strength > 0.0 => {
                // Least squares with a row sqrt(alpha) for each weight: no squares of small singular values are formed.
                let root = self.strength.sqrt();
                let longer = Mat::from_fn(n + p, p, |i, j| {
                    if i < n {
                        x[(i, j)]
                    } else if i - n == j {
                        root
                    } else {
                        0.0
                    }
                });
                let targets = Mat::from_fn(n + p, t, |i, k| if i < n { y[(i, k)] } else { 0.0 });
                ols::fit(longer.as_ref(), targets.as_ref())?.coefficients()
            }
            Estimator::Logistic | Estimator::Svc | Estimator::RidgeClassifier | Estimator::Ridge | Estimator::Glm | Estimator::Corr => {
                ols::fit(x.as_ref(), y.as_ref())?.coefficients()
            }
        };
        let shift = |k: usize| y_center[k] - center.iter().zip(weights.col_as_slice(k)).map(|(mean, w)| mean * w).sum::<f64>();
        let intercepts = (0..t).map(shift).collect();
        Ok(Linear { weights, intercepts, info })
    }
}

fn finite(scores: Mat<f64>) -> Result<Mat<f64>, Error> {
    if scores.is_all_finite() {
        return Ok(scores);
    }
    let message = "the predictions overflow; scale the units down (divide by their largest value)";
    Err(Error::Numerical { what: "probe".into(), message: message.into() })
}
