//! Uniform manifold approximation and projection, from distances.

use faer::Mat;

use super::isomap::nearest;
use crate::Error;
use crate::analysis::Context;
use crate::linalg::spectral::symmetric_eigen;
use crate::rng::Stream;
use crate::stats::count;

/// Steps of the descent, as the reference has for up to 10,000 items.
pub(super) const STEPS: u32 = 500;
/// Random others for each neighbor.
const NEGATIVES: f64 = 5.0;
/// Largest step along a dimension.
const CLIP: f64 = 4.0;

/// Points whose neighbors in the plane are the neighbors by distance.
///
/// # Definition
/// Memberships of the `n_neighbors` nearest (the item counts as one): `exp(-(d - rho) / sigma)`, rho the least distance above 0, sigma such that they sum
/// to `log2(n_neighbors)`; both directions `a + b - a b`. Points start at the eigenvectors of the normalized graph Laplacian and move by stochastic
/// descent on the cross entropy with `1 / (1 + a d^(2 b))`, a and b fitted to `min_dist`: neighbors in turn, five random others each.
///
/// # Source
/// McInnes, Healy & Melville 2018 and its reference implementation.
pub(super) fn place(
    distances: &Mat<f64>,
    d: usize,
    n_neighbors: usize,
    min_dist: f64,
    seed: u64,
    context: &Context<'_>,
) -> Result<Mat<f64>, Error> {
    let k = distances.nrows();
    let weights = union(&memberships(distances, n_neighbors));
    let mut rng = Stream::new(seed, 0);
    let start = laplacian_axes(&weights, d)?;
    let largest = start.norm_max().max(1e-300);
    let mut points: Vec<f64> = (0..k * d).map(|at| 10.0 * start[(at / d, at % d)] / largest + 1e-4 * rng.normal()).collect();
    let greatest = weights.norm_max();
    let mut edges: Vec<Edge> = Vec::new();
    for i in 0..k {
        for j in 0..k {
            // A pair that would not come up once is left out.
            if weights[(i, j)] >= greatest / f64::from(STEPS) && weights[(i, j)] > 0.0 {
                let every = greatest / weights[(i, j)];
                edges.push(Edge { i, j, every, next: every, next_negative: every / NEGATIVES });
            }
        }
    }
    let (a, b) = curve(min_dist);
    for step in 0..STEPS {
        if step % 10 == 0 {
            context.step(0.1 + 0.8 * f64::from(step) / f64::from(STEPS), &format!("step {} of {STEPS}", step + 1))?;
        }
        let (rate, now) = (1.0 - f64::from(step) / f64::from(STEPS), f64::from(step));
        for edge in &mut edges {
            if edge.next > now {
                continue;
            }
            let (i, j) = (edge.i, edge.j);
            let squared = squared_distance(&points, i, j, d);
            if squared > 0.0 {
                let power = squared.powf(b);
                let pull = -2.0 * a * b * (power / squared) / (a * power + 1.0);
                for c in 0..d {
                    let move_by = rate * (pull * (points[i * d + c] - points[j * d + c])).clamp(-CLIP, CLIP);
                    points[i * d + c] += move_by;
                    points[j * d + c] -= move_by;
                }
            }
            edge.next += edge.every;
            let every_negative = edge.every / NEGATIVES;
            while edge.next_negative <= now {
                edge.next_negative += every_negative;
                let other = rng.below(k);
                let squared = squared_distance(&points, i, other, d);
                if other == i || squared == 0.0 {
                    continue;
                }
                let push = 2.0 * b / ((0.001 + squared) * (a * squared.powf(b) + 1.0));
                for c in 0..d {
                    points[i * d + c] += rate * (push * (points[i * d + c] - points[other * d + c])).clamp(-CLIP, CLIP);
                }
            }
        }
    }
    Ok(Mat::from_fn(k, d, |i, c| points[i * d + c]))
}

/// A pair of neighbors, and when it comes up.
struct Edge {
    i: usize,
    j: usize,
    every: f64,
    next: f64,
    next_negative: f64,
}

fn squared_distance(points: &[f64], i: usize, j: usize, d: usize) -> f64 {
    (0..d).map(|c| (points[i * d + c] - points[j * d + c]).powi(2)).sum()
}

/// Memberships of each item's neighbors (rows); the others are 0.
pub(super) fn memberships(distances: &Mat<f64>, n_neighbors: usize) -> Mat<f64> {
    /// Least sigma, as a share of the mean distance.
    const LEAST: f64 = 1e-3;
    let k = distances.nrows();
    let mean_of_all = {
        let all: Vec<f64> =
            (0..k).flat_map(|i| nearest(distances, i, n_neighbors - 1).into_iter().map(move |j| distances[(j, i)])).collect();
        all.iter().sum::<f64>() / count(k * n_neighbors)
    };
    let mut out = Mat::zeros(k, k);
    for i in 0..k {
        let near = nearest(distances, i, n_neighbors - 1);
        let lengths: Vec<f64> = near.iter().map(|j| distances[(*j, i)]).collect();
        let rho = lengths.iter().copied().find(|d| *d > 0.0).unwrap_or(0.0);
        let sum = |sigma: f64| lengths.iter().map(|d| if *d > rho { (-(d - rho) / sigma).exp() } else { 1.0 }).sum::<f64>();
        let target = count(n_neighbors).log2();
        let (mut low, mut high, mut sigma) = (0.0, f64::INFINITY, 1.0);
        for _ in 0..64 {
            let now = sum(sigma);
            if (now - target).abs() < 1e-5 {
                break;
            }
            if now > target {
                high = sigma;
                sigma = f64::midpoint(low, high);
            } else {
                low = sigma;
                sigma = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * sigma };
            }
        }
        let mean = if rho > 0.0 { lengths.iter().sum::<f64>() / count(n_neighbors) } else { mean_of_all };
        let sigma = sigma.max(LEAST * mean);
        for (j, d) in near.iter().zip(&lengths) {
            out[(i, *j)] = if *d <= rho || sigma <= 0.0 { 1.0 } else { (-(d - rho) / sigma).exp() };
        }
    }
    out
}

/// The fuzzy union of both directions.
pub(super) fn union(m: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] + m[(j, i)] - m[(i, j)] * m[(j, i)])
}

/// Eigenvectors of the normalized Laplacian after the first.
fn laplacian_axes(weights: &Mat<f64>, d: usize) -> Result<Mat<f64>, Error> {
    let k = weights.nrows();
    let degree: Vec<f64> = (0..k).map(|j| weights.col_as_slice(j).iter().sum::<f64>().max(1e-300)).collect();
    let normalized = Mat::from_fn(k, k, |i, j| weights[(i, j)] / (degree[i] * degree[j]).sqrt());
    let vectors = symmetric_eigen(normalized.as_ref())?.vectors;
    Ok(Mat::from_fn(k, d, |i, c| vectors[(i, (c + 1).min(k - 1))]))
}

/// a and b for which `1 / (1 + a x^(2 b))` is closest to 1 up to `min_dist` and `exp(-(x - min_dist))` above, on 300 points of [0, 3]; by
/// Gauss-Newton steps with damping.
pub(super) fn curve(min_dist: f64) -> (f64, f64) {
    let points: Vec<(f64, f64)> = (0..300)
        .map(|i| {
            let x = 3.0 * f64::from(i) / 299.0;
            (x, if x < min_dist { 1.0 } else { (min_dist - x).exp() })
        })
        .collect();
    let cost = |a: f64, b: f64| points.iter().map(|(x, y)| (1.0 / (1.0 + a * x.powf(2.0 * b)) - y).powi(2)).sum::<f64>();
    let (mut a, mut b, mut damping) = (1.0, 1.0, 1e-3);
    for _ in 0..200 {
        let (mut aa, mut ab, mut bb, mut ga, mut gb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(x, y) in &points {
            let power = x.powf(2.0 * b);
            let value = 1.0 / (1.0 + a * power);
            let da = -power * value * value;
            let db = if x > 0.0 { -2.0 * a * power * x.ln() * value * value } else { 0.0 };
            let off = value - y;
            aa += da * da;
            ab += da * db;
            bb += db * db;
            ga += da * off;
            gb += db * off;
        }
        let (p, q) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let det = p * q - ab * ab;
        let (step_a, step_b) = ((q * ga - ab * gb) / det, (p * gb - ab * ga) / det);
        let (next_a, next_b) = (a - step_a, b - step_b);
        if next_a > 0.0 && next_b > 0.0 && cost(next_a, next_b) <= cost(a, b) {
            (a, b, damping) = (next_a, next_b, damping / 3.0);
            if step_a.abs() + step_b.abs() < 1e-12 {
                break;
            }
        } else {
            damping *= 4.0;
        }
    }
    (a, b)
}
