//! The Newton method for linear models: steps by conjugate gradients, lengths by a search for the zero of the slope.
//!
//! Minimizes `lambda/2 |w|^2 + 1/n sum_i loss(s_i)`, `s_i = w'x_i + b`, over one or several outputs that share the rows. A loss that couples
//! its outputs (softmax) has one step for all of them; independent outputs (one-vs-rest) run side by side, each with its own step, so
//! that one matrix product serves all. No function value is needed: its rounding would end the iteration at half the digits.

use super::space::{Block, Space};
use super::{Info, Stop, StopReason};
use crate::Error;
use crate::progress::Progress;

/// Inner steps at most: a direction that is not exact costs an outer step, nothing else.
const MAX_INNER: u32 = 500;
/// Evaluations of the slope along a direction at most.
const MAX_SEARCH: u32 = 40;
/// The slope at the end of a step, relative to its beginning.
const SEARCH_TOLERANCE: f64 = 0.1;
/// Steps without a smaller residual that end the iteration: between kinks of a loss the gradient may rise on the way down.
const PATIENCE: u32 = 40;
/// Of the residual at zero weights: what rounding leaves of it.
const ROUNDING: f64 = 1e-14;

/// A convex loss of scores.
pub(super) trait Loss {
    /// Scores of a row.
    fn n_outputs(&self) -> usize;
    /// How exact a direction has to be at least, relative to the gradient.
    fn forcing(&self) -> f64;
    /// Whether the scores of a row act together.
    fn coupled(&self) -> bool;
    /// First derivatives by the scores, in place of the scores.
    fn differentiate(&self, scores: &mut Block);
    /// Second derivatives times a change of the scores, in its place; `first` is what [`Loss::differentiate`] gave.
    fn curve(&self, first: &Block, change: &mut Block);
}

pub(super) struct Problem<'a> {
    pub space: Space<'a>,
    pub loss: &'a dyn Loss,
    pub lambda: f64,
    /// A free intercept, and the norm of what was subtracted from the rows, with which its gradient counts for the weights.
    pub intercept: Option<f64>,
    /// The residual is relative to that at zero weights.
    pub relative: bool,
    pub stop: Stop,
}

pub(super) struct Solution {
    pub v: Block,
    pub intercepts: Vec<f64>,
    pub info: Info,
}

/// Weights and intercepts of all outputs, or a change of them, with the scores of the weights. Intercepts are in units of the features, as the
/// weights of one that is `unit` everywhere: conjugate gradients would need many more steps where the two differ in size.
struct Point {
    v: Block,
    b: Vec<f64>,
    scores: Block,
    unit: f64,
}

impl Point {
    fn zero(space: Space<'_>, m: usize, unit: f64) -> Self {
        Self { v: Block::zeros(m, space.width()), b: vec![0.0; m], scores: Block::zeros(m, space.n_samples()), unit }
    }

    fn add(&mut self, scale: &[f64], other: &Self) {
        self.v.add(scale, &other.v);
        self.scores.add(scale, &other.scores);
        self.b.iter_mut().zip(&other.b).zip(scale).for_each(|((to, from), scale)| *to += scale * from);
    }

    /// Its scores with the intercepts.
    fn shifted(&self) -> Block {
        let mut out = self.scores.clone();
        for item in out.values.chunks_exact_mut(out.m) {
            item.iter_mut().zip(&self.b).for_each(|(s, b)| *s += self.unit * b);
        }
        out
    }

    /// Squared norms of the weights alone and with the intercepts.
    fn norms(&self, space: Space<'_>) -> (Vec<f64>, Vec<f64>) {
        // With a Gram matrix the rounding of a vanishing norm may have either sign.
        let weights: Vec<f64> = space.inner(&self.v, &self.v, &self.scores).into_iter().map(|v| v.max(0.0)).collect();
        let both = weights.iter().zip(&self.b).map(|(w, b)| w + b * b).collect();
        (weights, both)
    }
}

impl Problem<'_> {
    /// # Errors
    /// [`Error::Numerical`] when products overflow; [`Error::Canceled`].
    pub(super) fn minimize(&self, what: &str, progress: &dyn Progress) -> Result<Solution, Error> {
        // Without features to speak of any unit does.
        let unit = Some(self.space.feature_size()).filter(|size| *size > 0.0 && size.is_finite()).unwrap_or(1.0);
        let mut at = Point::zero(self.space, self.loss.n_outputs(), unit);
        let (mut best, mut waited) = (f64::INFINITY, 0);
        let mut initial = None;
        let mut n_iter = 0;
        loop {
            let mut first = at.shifted();
            self.loss.differentiate(&mut first);
            let gradient = self.gradient(&at, &first);
            let norms = self.residuals(&gradient);
            let start = initial.get_or_insert_with(|| norms.clone());
            let relative = |(norm, start): (&f64, &f64)| if *start > 0.0 { norm / start } else { 0.0 };
            let largest = norms.iter().zip(&*start).map(relative).fold(0.0, f64::max);
            let residual = if self.relative { largest } else { norms.iter().copied().fold(0.0, f64::max) };
            if !norms.iter().all(|v| v.is_finite()) {
                let message = "the inner products of its rows overflow; scale the features down (divide by their largest value)";
                return Err(Error::Numerical { what: what.into(), message: message.into() });
            }
            (best, waited) = if residual < best { (residual, 0) } else { (best, waited + 1) };
            let stopped = if residual <= self.stop.tolerance || largest <= ROUNDING {
                Some(StopReason::Converged)
            } else if waited >= PATIENCE {
                Some(StopReason::Stalled)
            } else if n_iter >= self.stop.max_iter {
                Some(StopReason::Limit)
            } else {
                None
            };
            if let Some(stopped) = stopped {
                let intercepts = at.b.iter().map(|b| unit * b).collect();
                return Ok(Solution { v: at.v, intercepts, info: Info { n_iter, residual, stopped } });
            }
            progress.step(self.done(largest), &format!("{what}, step {}", n_iter + 1))?;
            let direction = self.direction(gradient, &first, start, progress)?;
            let lengths = self.search(&at, &first, &direction);
            at.add(&lengths, &direction);
            // Sums of many steps drift: the scores are those of the weights once more.
            at.scores = self.space.scores(&at.v);
            n_iter += 1;
        }
    }

    /// On a logarithmic scale from the residual at zero weights down to the tolerance.
    fn done(&self, largest: f64) -> f64 {
        (largest.log10() / self.stop.tolerance.max(ROUNDING).log10()).clamp(0.0, 1.0)
    }

    fn gradient(&self, at: &Point, first: &Block) -> Point {
        let n = crate::stats::count(self.space.n_samples());
        let mut coefficients = first.clone();
        coefficients.values.iter_mut().for_each(|v| *v /= n);
        let b = self.intercept_part(&coefficients, at.unit);
        let mut v = self.space.combine(coefficients);
        v.add(&vec![self.lambda; first.m], &at.v);
        let scores = self.space.scores(&v);
        Point { v, b, scores, unit: at.unit }
    }

    /// What coefficients of rows are along the intercepts.
    fn intercept_part(&self, coefficients: &Block, unit: f64) -> Vec<f64> {
        if self.intercept.is_none() {
            return vec![0.0; coefficients.m];
        }
        coefficients.sums().into_iter().map(|sum| unit * sum).collect()
    }

    /// Norms of the gradient of each output by the weights of rows that were not shifted, or more.
    fn residuals(&self, gradient: &Point) -> Vec<f64> {
        let shift = self.intercept.unwrap_or(0.0);
        let (weights, _) = gradient.norms(self.space);
        weights.iter().zip(&gradient.b).map(|(w, b)| w.sqrt() + (1.0 + shift) * b.abs() / gradient.unit).collect()
    }

    /// The Newton direction within a tolerance that tightens as the gradient falls.
    fn direction(&self, gradient: Point, first: &Block, start: &[f64], progress: &dyn Progress) -> Result<Point, Error> {
        let (space, m) = (self.space, first.m);
        let n = crate::stats::count(space.n_samples());
        let mut residual = gradient;
        for v in residual.v.values.iter_mut().chain(&mut residual.b).chain(&mut residual.scores.values) {
            *v = -*v;
        }
        let mut rho = self.fold(residual.norms(space).1);
        let scale = self.fold(start.iter().map(|v| v * v).collect());
        let goal: Vec<f64> = rho
            .iter()
            .zip(&scale)
            .map(|(&rho, &scale)| {
                let forcing = (rho / scale).sqrt().sqrt().min(self.loss.forcing());
                rho * forcing * forcing
            })
            .collect();
        let unit = residual.unit;
        let mut out = Point::zero(space, m, unit);
        let mut along = Point { v: residual.v.clone(), b: residual.b.clone(), scores: residual.scores.clone(), unit };
        for step in 0..MAX_INNER {
            if rho.iter().zip(&goal).all(|(rho, goal)| rho <= goal) {
                break;
            }
            if step % 16 == 15 {
                progress.step(0.0, "")?;
            }
            let mut change = along.shifted();
            let shifted = change.clone();
            self.loss.curve(first, &mut change);
            change.values.iter_mut().for_each(|v| *v /= n);
            let bends = change.dot(&shifted);
            let image_b = self.intercept_part(&change, unit);
            let mut image = space.combine(change);
            image.add(&vec![self.lambda; m], &along.v);
            let (weights, _) = along.norms(space);
            let curvature = self.fold(bends.iter().zip(&weights).map(|(bend, w)| bend + self.lambda * w).collect());
            let ratio = |k: usize| if rho[k] > goal[k] && curvature[k] > 0.0 { rho[k] / curvature[k] } else { 0.0 };
            let alpha: Vec<f64> = (0..m).map(ratio).collect();
            if alpha.iter().all(|&a| a == 0.0) {
                break;
            }
            out.add(&alpha, &along);
            let minus: Vec<f64> = alpha.iter().map(|a| -a).collect();
            residual.v.add(&minus, &image);
            residual.b.iter_mut().zip(&image_b).zip(&minus).for_each(|((to, from), a)| *to += a * from);
            residual.scores = space.scores(&residual.v);
            let next = self.fold(residual.norms(space).1);
            let beta: Vec<f64> = next.iter().zip(&rho).map(|(next, rho)| if *rho > 0.0 { next / rho } else { 0.0 }).collect();
            along.v.scale_add(&beta, &residual.v);
            along.scores.scale_add(&beta, &residual.scores);
            along.b.iter_mut().zip(&residual.b).zip(&beta).for_each(|((to, from), beta)| *to = beta * *to + from);
            rho = next;
        }
        Ok(out)
    }

    /// How far to go along a direction, for each output: where the slope is small beside that at the beginning. One where that is so.
    fn search(&self, at: &Point, first: &Block, along: &Point) -> Vec<f64> {
        let (space, m) = (self.space, first.m);
        let n = crate::stats::count(space.n_samples());
        let (from, change) = (at.shifted(), along.shifted());
        let penalty_start = space.inner(&at.v, &along.v, &along.scores);
        let (penalty_rise, _) = along.norms(space);
        let slopes = |lengths: &[f64], first: &Block| {
            let losses = first.dot(&change);
            self.fold((0..m).map(|k| self.lambda * (penalty_start[k] + lengths[k] * penalty_rise[k]) + losses[k] / n).collect())
        };
        let start = slopes(&vec![0.0; m], first);
        let mut brackets: Vec<Bracket> = start.iter().map(|&slope| Bracket::new(slope)).collect();
        for _ in 0..MAX_SEARCH {
            let lengths: Vec<f64> = brackets.iter().map(|b| b.length).collect();
            let mut there = from.clone();
            there.add(&lengths, &change);
            self.loss.differentiate(&mut there);
            let now = slopes(&lengths, &there);
            brackets.iter_mut().zip(now).for_each(|(bracket, slope)| bracket.narrow(slope));
            if brackets.iter().all(|b| b.found) {
                break;
            }
        }
        brackets.iter().map(|b| b.length).collect()
    }

    /// Sums over outputs where they act together.
    fn fold(&self, values: Vec<f64>) -> Vec<f64> {
        if !self.loss.coupled() {
            return values;
        }
        let total = values.iter().sum();
        vec![total; values.len()]
    }
}

/// Where the zero of an increasing slope is: the regula falsi with halved ends (Illinois), after doubling until there are two ends.
struct Bracket {
    start: f64,
    low: (f64, f64),
    high: Option<(f64, f64)>,
    /// The next length to try; the answer once it is found.
    length: f64,
    found: bool,
}

impl Bracket {
    fn new(slope: f64) -> Self {
        // A slope that is not negative is rounding at the minimum, or of an output that is done.
        let falls = slope < 0.0;
        Self { start: slope.abs(), low: (0.0, slope), high: None, length: if falls { 1.0 } else { 0.0 }, found: !falls }
    }

    fn narrow(&mut self, slope: f64) {
        if self.found {
            return;
        }
        if slope.abs() <= SEARCH_TOLERANCE * self.start {
            self.found = true;
            return;
        }
        let here = (self.length, slope);
        if slope < 0.0 {
            if let Some(high) = &mut self.high
                && self.low.0 > 0.0
            {
                high.1 /= 2.0;
            }
            self.low = here;
        } else {
            if self.high.is_some() {
                self.low.1 /= 2.0;
            }
            self.high = Some(here);
        }
        self.length = match self.high {
            None => 2.0 * self.length,
            Some(high) => self.low.0 + (high.0 - self.low.0) * (self.low.1 / (self.low.1 - high.1)),
        };
    }
}
