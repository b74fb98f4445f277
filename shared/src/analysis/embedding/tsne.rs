//! t-distributed stochastic neighbor embedding, exact.

use faer::Mat;

use super::Spec;
use crate::analysis::Context;
use crate::rng::Stream;
use crate::stats::{count, variance};
use crate::{Error, parallel};

/// Gradient steps.
pub(super) const STEPS: u32 = 1000;

/// Steps during which affinities are exaggerated, so that clusters form.
const EARLY: u32 = 250;
const EXAGGERATION: f64 = 12.0;

/// Smallest affinity.
const LEAST: f64 = 1e-12;

/// Points and how far their neighbors are from the wanted ones.
pub(super) struct Embedded {
    pub(super) points: Mat<f64>,
    pub(super) divergence: f64,
}

/// The best of a start from given points and of random ones.
pub(super) fn best(distances: &Mat<f64>, first: &Mat<f64>, spec: &Spec, context: &Context<'_>) -> Result<Embedded, Error> {
    let wanted = affinities(distances, spec.perplexity);
    let starts = spec.n_starts + 1;
    let mut best: Option<Embedded> = None;
    for start in 0..starts {
        let mut rng = Stream::new(spec.seed, u64::from(start));
        let random = Mat::from_fn(first.nrows(), first.ncols(), |_, _| if start == 0 { 0.0 } else { rng.normal() });
        let step = |share: f64| context.step(0.1 + 0.85 * (f64::from(start) + share) / f64::from(starts), "embedding");
        let found = embed(&wanted, if start == 0 { first } else { &random }, step)?;
        if best.as_ref().is_none_or(|best| found.divergence < best.divergence) {
            best = Some(found);
        }
    }
    Ok(best.unwrap_or_else(|| Embedded { points: first.clone(), divergence: f64::NAN }))
}

/// Embeds by gradient descent with momentum and gains, from given points scaled to a spread of 1e-4.
fn embed(wanted: &Mat<f64>, first: &Mat<f64>, step_done: impl Fn(f64) -> Result<(), Error>) -> Result<Embedded, Error> {
    let (k, d) = (first.nrows(), first.ncols());
    let spread = variance(first.col_as_slice(0), 0).sqrt();
    let scale = if spread > 0.0 { 1e-4 / spread } else { 1.0 };
    let mut points: Vec<Vec<f64>> = (0..k).map(|i| (0..d).map(|c| first[(i, c)] * scale).collect()).collect();
    let mut velocity = vec![vec![0.0; d]; k];
    let mut gains = vec![vec![1.0; d]; k];
    let rate = (count(k) / EXAGGERATION / 4.0).max(50.0);
    for step in 0..STEPS {
        if step % 10 == 0 {
            step_done(f64::from(step) / f64::from(STEPS))?;
        }
        let (exaggeration, momentum) = if step < EARLY { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let gradient = gradient(wanted, &points, exaggeration);
        for i in 0..k {
            for c in 0..d {
                let same = (gradient[i][c] > 0.0) == (velocity[i][c] > 0.0);
                let gain: &mut f64 = &mut gains[i][c];
                *gain = if same { (*gain * 0.8).max(0.01) } else { *gain + 0.2 };
                velocity[i][c] = momentum * velocity[i][c] - rate * *gain * gradient[i][c];
                points[i][c] += velocity[i][c];
            }
        }
    }
    let divergence = divergence(wanted, &points);
    Ok(Embedded { points: Mat::from_fn(k, d, |i, c| points[i][c]), divergence })
}

/// Symmetric affinities of sum 1: Gaussian in the dissimilarities, each row as wide as the perplexity wants.
pub(super) fn affinities(distances: &Mat<f64>, perplexity: f64) -> Mat<f64> {
    let k = distances.nrows();
    let rows = parallel::map(k, |i| conditional(distances.col_as_slice(i), i, perplexity));
    let n = 2.0 * count(k);
    Mat::from_fn(k, k, |i, j| if i == j { 0.0 } else { ((rows[i][j] + rows[j][i]) / n).max(LEAST) })
}

/// The affinities of row i, whose entropy is ln perplexity; by bisection of the precision.
fn conditional(distances: &[f64], i: usize, perplexity: f64) -> Vec<f64> {
    let wanted = perplexity.ln();
    let others = || distances.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, d)| d * d);
    let nearest = others().fold(f64::INFINITY, f64::min);
    let size = others().map(|d| d - nearest).sum::<f64>() / count(distances.len() - 1);
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, if size > 0.0 { 1.0 / size } else { 1.0 });
    let mut weights = vec![0.0; distances.len()];
    for _ in 0..200 {
        for (j, weight) in weights.iter_mut().enumerate() {
            *weight = if j == i { 0.0 } else { (-precision * (distances[j].powi(2) - nearest)).exp() };
        }
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        let entropy: f64 = weights.iter().filter(|w| **w > 0.0).map(|w| -w * w.ln()).sum();
        if (entropy - wanted).abs() < 1e-10 {
            break;
        }
        if entropy > wanted {
            low = precision;
            precision = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * precision };
        } else {
            high = precision;
            precision = 0.5 * (low + high);
        }
    }
    weights
}

/// The kernel `1 / (1 + |x_i - x_j|^2)` of row i; 0 with itself.
fn kernel(points: &[Vec<f64>], i: usize) -> Vec<f64> {
    let one = |(j, other): (usize, &Vec<f64>)| {
        let squared: f64 = points[i].iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
        if i == j { 0.0 } else { 1.0 / (1.0 + squared) }
    };
    points.iter().enumerate().map(one).collect()
}

/// `4 sum_j (p_ij - q_ij) k_ij (x_i - x_j)`.
fn gradient(wanted: &Mat<f64>, points: &[Vec<f64>], exaggeration: f64) -> Vec<Vec<f64>> {
    let k = points.len();
    let kernels = parallel::map(k, |i| kernel(points, i));
    let total: f64 = parallel::map(k, |i| kernels[i].iter().sum::<f64>()).into_iter().sum();
    parallel::map(k, |i| {
        let mut out = vec![0.0; points[i].len()];
        for (j, &weight) in kernels[i].iter().enumerate() {
            let pull = 4.0 * (exaggeration * wanted[(j, i)] - weight / total) * weight;
            out.iter_mut().zip(points[i].iter().zip(&points[j])).for_each(|(out, (a, b))| *out += pull * (a - b));
        }
        out
    })
}

fn divergence(wanted: &Mat<f64>, points: &[Vec<f64>]) -> f64 {
    let k = points.len();
    let kernels = parallel::map(k, |i| kernel(points, i));
    let total: f64 = kernels.iter().flatten().sum();
    let one = |i: usize, j: usize| wanted[(i, j)] * (wanted[(i, j)] / (kernels[i][j] / total).max(LEAST)).ln();
    (0..k).flat_map(|i| (0..k).filter(move |&j| j != i).map(move |j| (i, j))).map(|(i, j)| one(i, j)).sum()
}
