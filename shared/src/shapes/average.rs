//! Averages of shapes, and clusters around averages.

use faer::prelude::Solve as _;
use faer::{Mat, Par, get_global_parallelism};
use serde::{Deserialize, Serialize};

use super::{Group, How, Map, Score, align, align_by};
use crate::linalg::spectral::nuclear_norm;
use crate::progress::{Part, Progress};
use crate::rng::Stream;
use crate::stats::count;
use crate::{Error, parallel};

/// How an average is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Averaging {
    /// All representations are aligned to the last mean, then averaged.
    #[default]
    FullBatch,
    /// All are aligned to the mean before the sweep, and added to a running mean in random order.
    Streaming,
    /// As `streaming`, each aligned to the running mean of the moment.
    Sequential,
}

/// A Fréchet (Procrustes) average.
#[derive(Debug, Clone)]
pub struct Average {
    /// The mean, n x p.
    pub mean: Mat<f64>,
    /// The map of each representation to it.
    pub maps: Vec<Map>,
    /// Sweeps over all representations.
    pub n_sweeps: usize,
    /// Root mean square change of an entry in the last sweep.
    pub change: f64,
}

/// How to average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Which maps of columns are free.
    pub group: Group,
    /// How.
    pub averaging: Averaging,
    /// Root mean square change of an entry that ends the sweeps.
    pub tol: f64,
    /// Most sweeps.
    pub max_iter: usize,
    /// Chooses the start and the orders.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { group: Group::Orthogonal, averaging: Averaging::FullBatch, tol: 1e-3, max_iter: 100, seed: 0 }
    }
}

/// The matrix with the least sum of squared distances to representations after alignment.
///
/// # Definition
/// Minimizes `sum_i min_T |M - X_i T|^2` over M, T in the group. From a start (a given one, or a representation chosen by the seed) sweeps
/// alternate between alignment to the mean and averaging: `full_batch` `M <- mean_i X_i align(X_i, M)`, extrapolated over the last sweeps for rotations
/// (Anderson) as long as the sum of squares falls; `streaming`
/// `M <- n/(n+1) M + 1/(n+1) X_i align(X_i, M0)` in random order, M0 the mean before the sweep, n counting on over sweeps; `sequential` aligns to M itself and
/// measures the change after aligning the new mean to the old. Nothing is centered and no argument is changed.
///
/// # Shapes
/// K matrices n x p → n x p and K maps.
///
/// # Degenerate
/// One representation: itself. Group `identity`: the plain mean. The mean is unique up to one map of the group, and local: permutations have
/// several optima.
///
/// # Accuracy
/// `full_batch` never increases the sum of squares; `streaming` converges like 1 over the number of sweeps. Deterministic for any
/// number of threads.
///
/// # Cost
/// A sweep: K alignments, 4 n p^2 + about 20 p^3 flops each.
///
/// # Errors
/// [`Error::Parameter`] without representations; [`Error::Shape`] for different shapes; [`Error::Numerical`]; [`Error::Canceled`].
///
/// # Source
/// Gower 1975; Anderson 1965 (extrapolation); netrep `frechet_mean` (2024) and `procrustes_average` (2021), which change their first argument.
pub fn average(xs: &[Mat<f64>], start: Option<&Mat<f64>>, options: &Options, progress: &dyn Progress) -> Result<Average, Error> {
    let k = xs.len();
    let Some(first) = xs.first() else {
        return Err(Error::parameter("inputs", "no representation to average"));
    };
    if options.group == Group::Identity || k == 1 {
        let mut mean = Mat::zeros(first.nrows(), first.ncols());
        for x in xs {
            align(x.as_ref(), first.as_ref(), Group::Identity)?;
            mean += faer::Scale(1.0 / count(k)) * x;
        }
        return Ok(Average { mean, maps: vec![Map::Same; k], n_sweeps: 0, change: 0.0 });
    }
    let mut rng = Stream::new(options.seed, 0);
    let mut mean = start.unwrap_or(&xs[rng.below(k)]).clone();
    let size = count(first.nrows() * first.ncols()).sqrt();
    let (mut n_sweeps, mut change, mut n_seen) = (0, f64::INFINITY, 1.0);
    // A hundredth of what a sweep may change.
    let total: f64 = xs.iter().map(Mat::squared_norm_l2).sum();
    let entry = (total / count(k)).sqrt() / size;
    let accuracy = if entry > 0.0 { (0.01 * options.tol / entry).clamp(1e-10, 1e-6) } else { 1e-10 };
    let mut ahead = Extrapolation::default();
    let mut maps = Vec::new();
    while n_sweeps < options.max_iter && change >= options.tol {
        progress.step(count(n_sweeps) / count(options.max_iter), &format!("average, sweep {}", n_sweeps + 1))?;
        match options.averaging {
            Averaging::FullBatch => {
                let moved;
                (moved, maps) = mean_moved(xs, &mean, options.group, accuracy)?;
                let step = &moved - &mean;
                change = step.norm_l2() / size;
                let is_last = change < options.tol || n_sweeps + 1 == options.max_iter;
                mean = if options.group != Group::Orthogonal {
                    moved
                } else if !is_last {
                    ahead.next(mean, moved, step)
                } else if let Some(better) = ahead.better_than(&moved).filter(|_| change >= options.tol) {
                    maps.clear();
                    better
                } else {
                    moved
                };
            }
            Averaging::Streaming => {
                let before = mean.clone();
                let moved = all_moved(xs, &before, options.group, accuracy)?;
                for i in rng.permutation(k) {
                    add(&mut mean, &moved[i], &mut n_seen);
                }
                change = (&mean - &before).norm_l2() / size;
            }
            Averaging::Sequential => {
                let before = mean.clone();
                for i in rng.permutation(k) {
                    let moved = align(xs[i].as_ref(), mean.as_ref(), options.group)?.apply(xs[i].as_ref());
                    add(&mut mean, &moved, &mut n_seen);
                }
                mean = align(mean.as_ref(), before.as_ref(), options.group)?.apply(mean.as_ref());
                change = (&mean - &before).norm_l2() / size;
            }
        }
        n_sweeps += 1;
    }
    if options.averaging != Averaging::FullBatch || maps.is_empty() {
        maps = parallel::map(k, |i| align(xs[i].as_ref(), mean.as_ref(), options.group)).into_iter().collect::<Result<_, _>>()?;
    }
    Ok(Average { mean, maps, n_sweeps, change })
}

/// Sweeps that an extrapolation looks back.
const DEPTH: usize = 4;

/// Anderson's extrapolation of a fixed-point iteration `M <- F(M)`: the combination of the last sweeps whose step would have been least.
///
/// The sum of squares falls as `|F(M)|` grows; where it does not grow, the last plain step is taken instead and the past forgotten.
#[derive(Default)]
struct Extrapolation {
    /// Differences of points and of steps between sweeps.
    past: Vec<(Mat<f64>, Mat<f64>)>,
    last: Option<(Mat<f64>, Mat<f64>)>,
    /// `F` of the last point, and its norm.
    plain: Option<(Mat<f64>, f64)>,
}

impl Extrapolation {
    /// Where to go from a point with `moved = F(point)` and `step = moved - point`.
    fn next(&mut self, point: Mat<f64>, moved: Mat<f64>, step: Mat<f64>) -> Mat<f64> {
        let norm = moved.norm_l2();
        if let Some((plain, before)) = self.plain.take()
            && norm < before
        {
            (self.past, self.last) = (Vec::new(), None);
            return plain;
        }
        if let Some((point_before, step_before)) = self.last.take() {
            if self.past.len() == DEPTH {
                self.past.remove(0);
            }
            self.past.push((&point - point_before, &step - step_before));
        }
        // The weights of the differences: least squares on the steps.
        let n = self.past.len();
        let mut next = moved.clone();
        if n > 0 {
            let products = Mat::from_fn(n, n, |i, j| super::inner(&self.past[i].1, &self.past[j].1));
            let wanted = Mat::from_fn(n, 1, |i, _| super::inner(&self.past[i].1, &step));
            let weights = products.col_piv_qr().solve(&wanted);
            if weights.is_all_finite() {
                for (i, (of_point, of_step)) in self.past.iter().enumerate() {
                    next -= faer::Scale(weights[(i, 0)]) * (of_point + of_step);
                }
            }
        }
        self.last = Some((point, step));
        self.plain = Some((moved, norm));
        next
    }
}

impl Extrapolation {
    /// The last plain step, if it was better than this one.
    fn better_than(&mut self, moved: &Mat<f64>) -> Option<Mat<f64>> {
        self.plain.take().filter(|(_, norm)| moved.norm_l2() < *norm).map(|(plain, _)| plain)
    }
}

/// Values of aligned representations that are held at a time.
const MOVED_VALUES: usize = 1 << 21;

/// Threads of the products of each of so many alignments side by side.
fn side_by_side(n: usize) -> Par {
    if n >= parallel::threads() { Par::Seq } else { get_global_parallelism() }
}

/// The mean of representations aligned to `to`, in a fixed order of sums, and the maps.
fn mean_moved(xs: &[Mat<f64>], to: &Mat<f64>, group: Group, accuracy: f64) -> Result<(Mat<f64>, Vec<Map>), Error> {
    let mut mean = Mat::zeros(to.nrows(), to.ncols());
    let mut maps = Vec::with_capacity(xs.len());
    let at_once = (MOVED_VALUES / (to.nrows() * to.ncols()).max(1)).max(2 * parallel::threads());
    for some in xs.chunks(at_once) {
        let how = How { par: side_by_side(some.len()), accuracy };
        let aligned = parallel::map(some.len(), |i| {
            let map = align_by(some[i].as_ref(), to.as_ref(), group, how)?;
            Ok((map.apply_by(some[i].as_ref(), how.par), map))
        });
        for found in aligned {
            let (moved, map) = found?;
            mean += faer::Scale(1.0 / count(xs.len())) * moved;
            maps.push(map);
        }
    }
    Ok((mean, maps))
}

/// Every representation aligned to `to`.
fn all_moved(xs: &[Mat<f64>], to: &Mat<f64>, group: Group, accuracy: f64) -> Result<Vec<Mat<f64>>, Error> {
    let how = How { par: side_by_side(xs.len()), accuracy };
    parallel::map(xs.len(), |i| Ok(align_by(xs[i].as_ref(), to.as_ref(), group, how)?.apply_by(xs[i].as_ref(), how.par)))
        .into_iter()
        .collect()
}

/// One more in a running mean of `n_seen`.
fn add(mean: &mut Mat<f64>, moved: &Mat<f64>, n_seen: &mut f64) {
    *mean *= faer::Scale(*n_seen / (*n_seen + 1.0));
    *mean += faer::Scale(1.0 / (*n_seen + 1.0)) * moved;
    *n_seen += 1.0;
}

/// Clusters of shapes around averages.
#[derive(Debug, Clone)]
pub struct Clusters {
    /// The averages, in the order of the first members of their clusters.
    pub centers: Vec<Mat<f64>>,
    /// The cluster of each representation.
    pub labels: Vec<usize>,
    /// Distances of centers (rows) to representations.
    pub distances: Mat<f64>,
    /// Sum of squared distances of representations to their centers.
    pub cost: f64,
    /// Rounds until no label changed.
    pub n_rounds: usize,
    /// Whether labels were stable at the end.
    pub converged: bool,
}

/// Sweeps of an average within a round.
const SWEEPS_OF_A_ROUND: usize = 10;

/// k-means with Procrustes distances and averages.
///
/// # Definition
/// Seeds by k-means++: the first at random, the next with probabilities proportional to the squared distance to the nearest seed. Then, in rounds:
/// centers are [`average`]s of the members (at most 10 sweeps, from the last center), labels those of the nearest center (the first of equals), until no
/// label changes. An empty cluster starts again at the representation that is farthest from its center. Of `n_starts` the one with the least sum of squared
/// distances is kept. Distances are those after the best rotation.
///
/// # Shapes
/// K matrices n x p → k centers n x p, labels, k x K distances.
///
/// # Errors
/// [`Error::Parameter`] for k outside 1..=K or no start; those of [`average`].
///
/// # Source
/// Lloyd 1982; Arthur & Vassilvitskii 2007 (k-means++); netrep `procrustes_kmeans`.
pub fn clusters(
    xs: &[Mat<f64>],
    k: usize,
    score: Score,
    n_starts: usize,
    max_rounds: usize,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Clusters, Error> {
    if k == 0 || k > xs.len() {
        return Err(Error::parameter("n_clusters", format!("{k} clusters of {} representations; give 1 to {}", xs.len(), xs.len())));
    }
    if n_starts == 0 {
        return Err(Error::parameter("n_starts", "at least 1 start is needed"));
    }
    let mut best: Option<Clusters> = None;
    for start in 0..n_starts {
        let (from, to) = (count(start) / count(n_starts), count(start + 1) / count(n_starts));
        let found = one_start(xs, k, score, max_rounds, options, start as u64, &Part::new(progress, from, to))?;
        if best.as_ref().is_none_or(|best| found.cost < best.cost) {
            best = Some(found);
        }
    }
    best.map(in_order).ok_or_else(|| Error::internal("no start"))
}

fn one_start(
    xs: &[Mat<f64>],
    k: usize,
    score: Score,
    max_rounds: usize,
    options: &Options,
    start: u64,
    progress: &dyn Progress,
) -> Result<Clusters, Error> {
    let n = xs.len();
    let norms: Vec<f64> = xs.iter().map(Mat::norm_l2).collect();
    let to_all = |center: &Mat<f64>| -> Result<Vec<f64>, Error> {
        let norm = center.norm_l2();
        let distance = |i: usize| Ok(score.of(nuclear_norm((center.transpose() * &xs[i]).as_ref(), 1e-12)?, norm, norms[i]));
        parallel::map(n, distance).into_iter().collect()
    };
    let mut rng = Stream::new(options.seed, 1 + start);
    let mut centers: Vec<Mat<f64>> = vec![xs[rng.below(n)].clone()];
    let mut rows = vec![to_all(&centers[0])?];
    while centers.len() < k {
        let squared: Vec<f64> = (0..n).map(|i| rows.iter().map(|row| row[i] * row[i]).fold(f64::INFINITY, f64::min)).collect();
        let mut left = rng.uniform() * squared.iter().sum::<f64>();
        let next = squared.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        centers.push(xs[next.unwrap_or(n - 1)].clone());
        rows.push(to_all(&centers[centers.len() - 1])?);
    }
    let mut labels = nearest(&rows);
    let (mut n_rounds, mut converged) = (0, false);
    while n_rounds < max_rounds && !converged {
        progress.step(count(n_rounds) / count(max_rounds), &format!("clusters, round {}", n_rounds + 1))?;
        for c in 0..k {
            let members: Vec<Mat<f64>> = (0..n).filter(|i| labels[*i] == c).map(|i| xs[i].clone()).collect();
            centers[c] = if members.is_empty() {
                let far = |i: &usize| rows[labels[*i]][*i];
                let farthest = (0..n).max_by(|a, b| far(a).total_cmp(&far(b)).then(b.cmp(a))).unwrap_or(0);
                labels[farthest] = c;
                xs[farthest].clone()
            } else {
                let inner = Options { max_iter: SWEEPS_OF_A_ROUND.min(options.max_iter), ..*options };
                average(&members, Some(&centers[c]), &inner, &crate::Silent)?.mean
            };
            rows[c] = to_all(&centers[c])?;
        }
        let now = nearest(&rows);
        converged = now == labels;
        labels = now;
        n_rounds += 1;
    }
    let cost = (0..n).map(|i| rows[labels[i]][i].powi(2)).sum();
    Ok(Clusters { centers, labels, distances: Mat::from_fn(k, n, |c, i| rows[c][i]), cost, n_rounds, converged })
}

fn nearest(rows: &[Vec<f64>]) -> Vec<usize> {
    let of = |i: usize| (0..rows.len()).min_by(|a, b| rows[*a][i].total_cmp(&rows[*b][i]).then(a.cmp(b))).unwrap_or(0);
    (0..rows[0].len()).map(of).collect()
}

/// Clusters by their first members, so that starts do not name them.
fn in_order(found: Clusters) -> Clusters {
    let k = found.centers.len();
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by_key(|c| found.labels.iter().position(|label| label == c).unwrap_or(usize::MAX));
    let mut place = vec![0; k];
    order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
    Clusters {
        centers: order.iter().map(|c| found.centers[*c].clone()).collect(),
        labels: found.labels.iter().map(|label| place[*label]).collect(),
        distances: Mat::from_fn(k, found.labels.len(), |c, i| found.distances[(order[c], i)]),
        ..found
    }
}
