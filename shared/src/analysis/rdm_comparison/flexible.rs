//! Models with parameters: chosen, weighted or interpolated RDMs, and their fit to training data.

use serde::{Deserialize, Serialize};

use super::riemann::is_regular;

/// A model that is fitted before it is compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flexible {
    /// What it is called.
    pub name: String,
    /// How its RDMs are combined.
    pub family: Family,
    /// Names of inputs with its RDMs; all are stacked, in this order.
    pub rdms: Vec<String>,
    /// Penalty of the squared weights of `weighted`, in units where every RDM has a root mean square of 1; 0 or more.
    pub ridge: f64,
}

/// How the RDMs of a model are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// A sum with weights of 0 or more.
    #[default]
    NonNegative,
    /// A sum with any weights.
    Weighted,
    /// The one that fits best.
    Select,
    /// Between two neighbors of the list.
    Interpolate,
}

/// Inner products that a fit needs, of k RDMs with each other and with the pooled training data.
#[derive(Debug)]
pub(super) struct Normal {
    /// k x k in C order, symmetric.
    pub(super) gram: Vec<f64>,
    /// With the pool.
    pub(super) target: Vec<f64>,
}

impl Normal {
    fn k(&self) -> usize {
        self.target.len()
    }

    fn gram(&self, i: usize, j: usize) -> f64 {
        self.gram[i * self.k() + j]
    }

    /// The similarity of weighted RDMs with the pool, up to the norm of the pool.
    fn similarity(&self, weights: &[f64]) -> f64 {
        let k = self.k();
        let square: f64 = (0..k).map(|i| (0..k).map(|j| weights[i] * weights[j] * self.gram(i, j)).sum::<f64>()).sum();
        let product: f64 = weights.iter().zip(&self.target).map(|(w, t)| w * t).sum();
        if square > 0.0 { product / square.sqrt() } else { f64::NEG_INFINITY }
    }
}

/// The weights of norm 1 that make the model most similar to the pool of the training data; `None` when nothing can be fitted. All zero
/// for `non_negative` when every RDM is unlike the pool.
///
/// # Definition
/// `weighted`: (G + ridge I) w = t; `non_negative`: the same with w >= 0; `select`: the RDM with the largest `t_k / sqrt(G_kk)`, the first
/// of equal ones; `interpolate`: the best share between neighbors k and k + 1.
pub(super) fn fit(family: Family, ridge: f64, normal: &Normal) -> Option<Vec<f64>> {
    let k = normal.k();
    if normal.gram.iter().chain(&normal.target).any(|v| !v.is_finite()) {
        return None;
    }
    let one = |at: usize| (0..k).map(|i| f64::from(u8::from(i == at))).collect::<Vec<_>>();
    let best = |candidates: Vec<Vec<f64>>| {
        candidates.into_iter().map(|w| (normal.similarity(&w), w)).fold(None, |best: Option<(f64, Vec<f64>)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
    };
    let weights = match family {
        Family::Select => best((0..k).map(one).collect())?.1,
        Family::Interpolate if k == 1 => one(0),
        Family::Interpolate => best((0..k - 1).map(|at| between(normal, at)).collect())?.1,
        Family::Weighted => solve(normal, ridge, &(0..k).collect::<Vec<_>>())?,
        Family::NonNegative => match non_negative(normal, ridge) {
            Some(weights) => weights,
            None => return Some(vec![0.0; k]),
        },
    };
    let norm = weights.iter().map(|w| w * w).sum::<f64>().sqrt();
    (norm > 0.0 && norm.is_finite()).then(|| weights.iter().map(|w| w / norm).collect())
}

/// The best weights w and 1 - w of RDMs `at` and `at + 1`, in closed form on the segment.
fn between(normal: &Normal, at: usize) -> Vec<f64> {
    let (a, b) = (at, at + 1);
    let weights = |share: f64| {
        let mut out = vec![0.0; normal.k()];
        out[a] = share;
        out[b] = 1.0 - share;
        out
    };
    // The unconstrained direction solves the 2 x 2 system; on a segment the similarity has one maximum, there or at an end.
    let (gaa, gab, gbb) = (normal.gram(a, a), normal.gram(a, b), normal.gram(b, b));
    let (x, y) = (gbb * normal.target[a] - gab * normal.target[b], gaa * normal.target[b] - gab * normal.target[a]);
    let inside = (x / (x + y)).clamp(0.0, 1.0);
    let shares = [0.0, 1.0, if inside.is_nan() { 0.5 } else { inside }];
    let better = |best: f64, share: f64| if normal.similarity(&weights(share)) > normal.similarity(&weights(best)) { share } else { best };
    weights(shares.into_iter().skip(1).fold(shares[0], better))
}

/// Least squares on some of the RDMs, zero weights for the others; `None` when singular.
fn solve(normal: &Normal, ridge: f64, of: &[usize]) -> Option<Vec<f64>> {
    use faer::linalg::solvers::Solve;
    let matrix = faer::Mat::from_fn(of.len(), of.len(), |i, j| normal.gram(of[i], of[j]) + if i == j { ridge } else { 0.0 });
    let factor = matrix.llt(faer::Side::Lower).ok()?;
    if !is_regular(&factor.L().to_owned()) {
        return None;
    }
    let solution = factor.solve(faer::Mat::from_fn(of.len(), 1, |i, _| normal.target[of[i]]));
    let mut out = vec![0.0; normal.k()];
    of.iter().enumerate().for_each(|(place, &i)| out[i] = solution[(place, 0)]);
    Some(out)
}

/// Weights of 0 or more by active sets (Lawson & Hanson 1974) on the normal equations.
///
/// Ends always: the tolerance is relative to the largest target, a set of free weights is never taken twice, and there are at most 3 k steps.
fn non_negative(normal: &Normal, ridge: f64) -> Option<Vec<f64>> {
    const TOLERANCE: f64 = 1e-10;
    let k = normal.k();
    let scale = normal.target.iter().fold(0.0f64, |m, t| m.max(t.abs()));
    let gradient = |w: &[f64], i: usize| normal.target[i] - (0..k).map(|j| normal.gram(i, j) * w[j]).sum::<f64>() - ridge * w[i];
    let mut weights = vec![0.0; k];
    let mut free: Vec<usize> = Vec::new();
    let mut taken: Vec<Vec<usize>> = Vec::new();
    let mut barred = vec![false; k];
    for _ in 0..3 * k {
        let candidates = (0..k).filter(|i| !free.contains(i) && !barred[*i]);
        let Some(next) = candidates.max_by(|&a, &b| gradient(&weights, a).total_cmp(&gradient(&weights, b))) else { break };
        if gradient(&weights, next) <= TOLERANCE * scale {
            break;
        }
        let mut trial = free.clone();
        trial.push(next);
        trial.sort_unstable();
        if taken.contains(&trial) {
            barred[next] = true;
            continue;
        }
        taken.push(trial.clone());
        let Some(mut found) = solve(normal, ridge, &trial) else {
            // It depends on the RDMs that are free already and adds nothing.
            barred[next] = true;
            continue;
        };
        // Weights that would turn negative stop the step and leave.
        while trial.iter().any(|&i| found[i] <= 0.0) {
            let step = trial
                .iter()
                .filter(|&&i| found[i] <= 0.0)
                .map(|&i| weights[i] / (weights[i] - found[i]))
                .fold(1.0f64, |least, step| if step.is_nan() { 0.0 } else { least.min(step) });
            trial.iter().for_each(|&i| weights[i] += step * (found[i] - weights[i]));
            trial.retain(|&i| weights[i] > 1e-14 * weights.iter().fold(0.0f64, |m, w| m.max(*w)) && weights[i] > 0.0);
            (0..k).filter(|i| !trial.contains(i)).for_each(|i| weights[i] = 0.0);
            if trial.is_empty() {
                break;
            }
            found = solve(normal, ridge, &trial)?;
        }
        if trial.is_empty() {
            barred[next] = true;
            continue;
        }
        weights = found;
        free = trial;
        barred.fill(false);
    }
    weights.iter().any(|w| *w > 0.0).then_some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::stats::dot;

    fn normal(x: &[Vec<f64>], y: &[f64]) -> Normal {
        let gram = x.iter().flat_map(|a| x.iter().map(move |b| dot(a, b))).collect();
        Normal { gram, target: x.iter().map(|a| dot(a, y)).collect() }
    }

    fn vectors(k: usize, n: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = Stream::new(seed, 0);
        (0..k).map(|_| (0..n).map(|_| rng.normal()).collect()).collect()
    }

    #[test]
    fn a_planted_mixture_is_found() {
        let x = vectors(3, 30, 1);
        let y: Vec<f64> = (0..30).map(|i| 3.0 * x[0][i] + 4.0 * x[2][i]).collect();
        for family in [Family::Weighted, Family::NonNegative] {
            let weights = fit(family, 0.0, &normal(&x, &y)).expect("fits");
            for (w, want) in weights.iter().zip([0.6, 0.0, 0.8]) {
                assert!((w - want).abs() < 1e-12, "{family:?}: {weights:?}");
            }
        }
        let y: Vec<f64> = (0..30).map(|i| 0.3 * x[1][i] + 0.7 * x[2][i]).collect();
        let weights = fit(Family::Interpolate, 0.0, &normal(&x, &y)).expect("fits");
        assert!((weights[1] / weights[2] - 3.0 / 7.0).abs() < 1e-10, "{weights:?}");
        assert_eq!(fit(Family::Select, 0.0, &normal(&x, &y)).expect("fits"), [0.0, 0.0, 1.0]);
    }

    #[test]
    fn non_negative_weights_satisfy_the_conditions_of_a_minimum() {
        for seed in 0..200 {
            let k = 2 + usize::try_from(seed % 9).expect("small");
            let mut x = vectors(k, 12, 100 + seed);
            // Nearly and exactly dependent RDMs, and tiny scales, where an absolute tolerance would not end.
            if seed % 3 == 0 {
                x[k - 1] = x[0].iter().map(|v| v * 1.000_001).collect();
            }
            let scale = [1.0, 1e-8, 1e8][usize::try_from(seed % 3).expect("small")];
            x.iter_mut().flatten().for_each(|v| *v = (*v).abs() * scale);
            let y: Vec<f64> = vectors(1, 12, 900 + seed).remove(0).iter().map(|v| (v + 0.5) * scale).collect();
            let normal = normal(&x, &y);
            let Some(w) = non_negative(&normal, 0.0) else {
                assert!(normal.target.iter().all(|t| *t <= 1e-9 * scale * scale * 12.0), "seed {seed}: nothing to gain");
                continue;
            };
            let largest = normal.target.iter().fold(0.0f64, |m, t| m.max(t.abs()));
            for i in 0..k {
                let gradient = normal.target[i] - (0..k).map(|j| normal.gram(i, j) * w[j]).sum::<f64>();
                assert!(w[i] >= 0.0 && gradient <= 1e-6 * largest, "seed {seed}: {w:?}, gradient {gradient}");
                assert!(w[i] == 0.0 || gradient.abs() <= 1e-6 * largest, "seed {seed}: a free weight has a gradient");
            }
        }
    }

    #[test]
    fn what_cannot_be_fitted_says_so() {
        let zero = Normal { gram: vec![0.0], target: vec![0.0] };
        assert_eq!(fit(Family::Weighted, 0.0, &zero), None);
        let undefined = Normal { gram: vec![f64::NAN], target: vec![1.0] };
        assert_eq!(fit(Family::Select, 0.0, &undefined), None);
        let opposed = Normal { gram: vec![1.0], target: vec![-1.0] };
        assert_eq!(fit(Family::NonNegative, 0.0, &opposed), Some(vec![0.0]));
    }
}
