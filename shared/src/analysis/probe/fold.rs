//! One fit and its scores on held-out rows.

use faer::{Mat, MatRef};

use super::behavior::Behavior;
use super::design::Design;
use super::{Estimator, Score};
use crate::analysis::encoding::columns::{means, subtract, take_centered};
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

impl Problem<'_> {
    /// Whether rotations of the units change nothing, so that inner products of rows are enough.
    pub(super) fn by_products(&self) -> bool {
        self.estimator != Estimator::Lasso || self.pca.is_some()
    }

    /// Fits on the training rows of a split and scores its held-out rows; or, `on_training`, the training rows themselves.
    pub(super) fn outcome(&self, design: &Design, split: &Split, on_training: bool) -> Result<Outcome, Error> {
        let (rows, x) = if on_training { (&split.train, &design.train) } else { (&split.test, &design.test) };
        let n_features = design.train.ncols();
        match self.behavior {
            Behavior::Classes { name, names, codes } => {
                let (predicted, converged) = self.classify(design, &split.train, codes, names.len(), name, x)?;
                let k = names.len();
                let mut counts = vec![0.0; k * k];
                rows.iter().zip(&predicted).for_each(|(&row, &class)| counts[codes[row] * k + class] += 1.0);
                let right: f64 = (0..k).map(|c| counts[c * k + c]).sum();
                Ok(Outcome { scores: vec![right / count(rows.len())], counts, converged, n_features })
            }
            Behavior::Values { y, .. } => {
                let center = means(y, &split.train);
                let fit = self.regress(design.train.as_ref(), &take_centered(y, &split.train, &center))?;
                let mut predicted = finite(fit.scores(x.as_ref()))?;
                subtract(&mut predicted, &center.iter().map(|v| -v).collect::<Vec<_>>());
                let scores = self.score.all(y, rows, &predicted);
                Ok(Outcome { scores, counts: Vec::new(), converged: fit.info.stopped == StopReason::Converged, n_features })
            }
        }
    }

    /// Classes of the rows of x. Those without training rows do not take part.
    fn classify(
        &self,
        design: &Design,
        train: &[usize],
        codes: &[usize],
        n_classes: usize,
        name: &str,
        x: &Mat<f64>,
    ) -> Result<(Vec<usize>, bool), Error> {
        let mut present = vec![false; n_classes];
        train.iter().for_each(|&row| present[codes[row]] = true);
        let present: Vec<usize> = (0..n_classes).filter(|&class| present[class]).collect();
        let k = present.len();
        if k < 2 {
            let message = format!("a split trains on rows of one class only ({} rows); use fewer folds or stratified ones", train.len());
            return Err(Error::input(name, message));
        }
        let own: Vec<usize> = train.iter().map(|&row| present.binary_search(&codes[row]).unwrap_or(0)).collect();
        let seen = design.train.as_ref();
        let largest = |scores: &Mat<f64>, i: usize| match scores.ncols() {
            1 => usize::from(scores[(i, 0)] > 0.0),
            m => (1..m).fold(0, |best, j| if scores[(i, j)] > scores[(i, best)] { j } else { best }),
        };
        let fit = match self.estimator {
            Estimator::Logistic => {
                logistic::fit(seen, &own, k, &logistic::Options { c: self.strength, ..logistic::Options::default() }, &Silent)?
            }
            Estimator::Svc => hinge::fit(seen, &own, k, &hinge::Options { c: self.strength, ..hinge::Options::default() })?,
            Estimator::RidgeClassifier | Estimator::Ridge | Estimator::Glm | Estimator::Lasso | Estimator::Corr => {
                let sign = |i: usize, class: usize| if own[i] == class { 1.0 } else { -1.0 };
                let mut y = if k == 2 { Mat::from_fn(own.len(), 1, |i, _| sign(i, 1)) } else { Mat::from_fn(own.len(), k, sign) };
                let all: Vec<usize> = (0..own.len()).collect();
                let center = means(&y, &all);
                subtract(&mut y, &center);
                let mut fit = self.regress(seen, &y)?;
                fit.intercepts.iter_mut().zip(center).for_each(|(b, mean)| *b += mean);
                fit
            }
        };
        let scores = finite(fit.scores(x.as_ref()))?;
        let winners: Vec<usize> = match self.estimator {
            Estimator::Svc => hinge::vote(scores.as_ref(), k),
            _ => (0..scores.nrows()).map(|i| largest(&scores, i)).collect(),
        };
        Ok((winners.into_iter().map(|class| present[class]).collect(), fit.info.stopped == StopReason::Converged))
    }

    /// Weights and intercepts for centered targets.
    fn regress(&self, x: MatRef<'_, f64>, y: &Mat<f64>) -> Result<Linear, Error> {
        let mut x = x.to_owned();
        let all: Vec<usize> = (0..x.nrows()).collect();
        let center = means(&x, &all);
        subtract(&mut x, &center);
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
            _ => ols::fit(x.as_ref(), y.as_ref())?.coefficients(),
        };
        let shift = |k: usize| -center.iter().zip(weights.col_as_slice(k)).map(|(mean, w)| mean * w).sum::<f64>();
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
