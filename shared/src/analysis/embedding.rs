//! Conditions as points of a plane, and as leaves of a tree, from their dissimilarities.

mod classical;
mod isomap;
mod linkage;
mod smacof;
#[cfg(test)]
mod tests;
mod tsne;
mod umap;

use faer::Mat;
use serde::{Deserialize, Serialize};

pub(super) use self::linkage::tree;
pub use self::linkage::{Linkage, Merge};
use super::Context;
use super::rdm_comparison::{mirrored, stack};
use crate::dataset::{Inputs, Shapes};
use crate::linalg::spectral::sign_of_largest;
use crate::{Array, Error, Estimate, stats};

/// More dimensions than this are no picture.
const MOST_DIMENSIONS: u32 = 64;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of an input with RDMs: K x K, R x K x K, or R x K(K-1)/2.
    pub input: String,
    /// Which of several RDMs, counted from 0; their mean if absent.
    pub rdm: Option<u32>,
    /// How points are placed.
    pub method: Method,
    /// Dimensions of the points.
    pub dimensions: u32,
    /// Random starts of `smacof` and `tsne` beside the one from classical scaling; the best is kept.
    pub n_starts: u32,
    /// Effective number of neighbors of `tsne`; less than a third of the other conditions.
    pub perplexity: f64,
    /// Neighbors of an item: for `isomap` the nearest others, 5 if absent; for `umap` the item counts as one, 15 if absent.
    pub n_neighbors: Option<u32>,
    /// How close points of `umap` may be, 0 to 3.
    pub min_dist: f64,
    /// How clusters are merged.
    pub linkage: Linkage,
    /// Seed of random starts; at most 2^53.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            input: String::new(),
            rdm: None,
            method: Method::Smacof,
            dimensions: 2,
            n_starts: 4,
            perplexity: 15.0,
            n_neighbors: None,
            min_dist: 0.1,
            linkage: Linkage::Average,
            seed: 0,
        }
    }
}

/// How points are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Classical multidimensional scaling: the principal axes of squared distances.
    Classical,
    /// Metric multidimensional scaling by majorization: distances like the dissimilarities.
    #[default]
    Smacof,
    /// t-distributed stochastic neighbor embedding: neighbors like the neighbors.
    Tsne,
    /// Classical scaling of distances along a graph of neighbors.
    Isomap,
    /// Uniform manifold approximation and projection: neighbors like the neighbors.
    Umap,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the input.
    pub input: String,
    /// How points were placed.
    pub method: Method,
    /// Number of conditions.
    pub n: u32,
    /// Points, conditions x dimensions; centered, along their principal axes.
    pub points: Array,
    /// `sqrt(sum (distance - dissimilarity)^2 / sum dissimilarity^2)` over pairs, with the best common scale but for `smacof`.
    pub stress: Option<f64>,
    /// Correlation of distances with dissimilarities over pairs.
    pub correlation: Option<f64>,
    /// Shares of the (positive) variance along the dimensions, for `classical` and `isomap`.
    pub explained: Option<Vec<f64>>,
    /// Kullback-Leibler divergence of the neighbors, for `tsne`.
    pub divergence: Option<f64>,
    /// The K - 1 merges of the tree, lowest first.
    pub merges: Vec<Merge>,
    /// Conditions from left to right below the tree.
    pub leaves: Vec<u32>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.input.clone()]
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let k = super::rdm_comparison::n_conditions(shapes.0.get(&self.input).map_or(&[], Vec::as_slice));
        let d = f64::from(self.dimensions);
        let eigen = 9.0 * k * k * k;
        let flops = match self.method {
            Method::Classical => eigen,
            Method::Smacof => eigen + (1.0 + f64::from(self.n_starts)) * f64::from(smacof::MOST_STEPS) / 3.0 * k * k * (4.0 * d + 4.0),
            Method::Isomap => 2.0 * eigen + 40.0 * k * k,
            Method::Umap => eigen + f64::from(umap::STEPS) * 8.0 * f64::from(self.neighbors()) * k * (6.0 * d + 40.0),
            Method::Tsne => eigen + (1.0 + f64::from(self.n_starts)) * f64::from(tsne::STEPS) * k * k * (4.0 * d + 6.0),
        };
        Estimate { flops, peak_bytes: 8.0 * 6.0 * k * k }
    }

    /// Neighbors of an item.
    fn neighbors(&self) -> u32 {
        self.n_neighbors.unwrap_or(if self.method == Method::Umap { 15 } else { 5 })
    }

    fn check(&self, k: usize) -> Result<(), Error> {
        if self.dimensions == 0 || self.dimensions > MOST_DIMENSIONS || self.dimensions as usize >= k {
            let most = (k - 1).min(MOST_DIMENSIONS as usize);
            return Err(Error::parameter("dimensions", format!("must be 1 to {most} for {k} conditions, got {}", self.dimensions)));
        }
        if self.n_starts > 1000 {
            return Err(Error::parameter("n_starts", format!("must be at most 1000, got {}", self.n_starts)));
        }
        let most = stats::count(k - 1) / 3.0;
        if self.method == Method::Tsne && !(self.perplexity >= 1.0 && self.perplexity < most) {
            let message = format!("must be at least 1 and below {most:.1} (a third of the other conditions), got {}", self.perplexity);
            return Err(Error::parameter("perplexity", message));
        }
        let least = if self.method == Method::Umap { 2 } else { 1 };
        let uses_neighbors = matches!(self.method, Method::Isomap | Method::Umap);
        if uses_neighbors && !(least..k).contains(&(self.neighbors() as usize)) {
            let message = format!("must be {least} to {} for {k} conditions, got {}", k - 1, self.neighbors());
            return Err(Error::parameter("n_neighbors", message));
        }
        if self.method == Method::Umap && !(0.0..=3.0).contains(&self.min_dist) {
            return Err(Error::parameter("min_dist", format!("must be 0 to 3, got {}", self.min_dist)));
        }
        if self.seed > 1 << 53 {
            return Err(Error::parameter("seed", format!("must be at most 2^53, got {}", self.seed)));
        }
        Ok(())
    }
}

/// Places conditions as points and merges them into a tree.
///
/// # Definition
/// - `classical`: eigenvectors of `-1/2 H D^2 H` with the largest eigenvalues, times their roots.
/// - `smacof`: the least `sum (|x_i - x_j| - d_ij)^2` that majorization reaches from classical scaling and `n_starts` random starts.
/// - `tsne`: the points whose Student-t affinities are closest to the Gaussian ones of the dissimilarities, by gradient descent (early
///   exaggeration 12 for 250 of 1000 steps); the best of classical scaling and `n_starts` random starts.
/// - `isomap`: classical scaling of the shortest paths over the `n_neighbors` nearest others; parts without a path are joined by their closest pair
///   (warning `parts_joined`).
/// - `umap`: fuzzy memberships of the nearest, started at the eigenvectors of their graph, by 500 steps of stochastic descent.
/// - the tree: agglomerative clustering; `ward` takes the dissimilarities as Euclidean distances.
///
/// Points are centered and turned to their principal axes; along each the entry of largest magnitude is positive.
///
/// # Shapes
/// K x K dissimilarities → points (K, dimensions), K - 1 merges.
///
/// # Degenerate
/// Negative dissimilarities (crossnobis) count as 0 (warning `negative_distances`). All equal to 0: all points at the origin, no stress.
///
/// # Accuracy
/// `classical` 1e-10 of the largest distance; `smacof` until the stress falls by less than 1e-9 of itself in a step; `tsne` amplifies
/// rounding: other processors give other points of about the same divergence (10 %), and so does `umap`. Deterministic on one.
///
/// # Cost
/// `classical` O(K^3); `smacof` and `tsne` O(K^2) a step, at most 500 and 1000 steps; the tree O(K^2). Memory: 6 K^2 numbers.
///
/// # Errors
/// Those of RDM inputs (shape, symmetry, diagonal); [`Error::Input`] for missing pairs; [`Error::Parameter`] for dimensions, starts,
/// neighbors, a perplexity or an RDM that there are not; [`Error::Canceled`].
///
/// # Source
/// Torgerson 1952; de Leeuw 1977 (SMACOF); Tenenbaum, de Silva & Langford 2000 (Isomap); McInnes, Healy & Melville 2018 (UMAP); van der Maaten & Hinton 2008; Müllner 2011 (the tree, by `kodama`).
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let (k, pairs) = distances_of(inputs, &spec.input, spec.rdm, context)?;
    spec.check(k)?;
    let distances = square(&pairs, k);
    let d = spec.dimensions as usize;
    context.step(0.05, "classical scaling")?;
    let paths = (spec.method == Method::Isomap).then(|| isomap::paths(&distances, spec.neighbors() as usize));
    if let Some((_, n_parts)) = paths.as_ref().filter(|(_, n_parts)| *n_parts > 1) {
        let message = format!(
            "the graph of {} neighbors has {n_parts} parts, which are joined by their closest pairs; use more neighbors",
            spec.neighbors()
        );
        context.warn("parts_joined", message);
    }
    let classical = classical::scale(paths.as_ref().map_or(&distances, |(paths, _)| paths), d)?;
    let (points, divergence) = match spec.method {
        Method::Classical | Method::Isomap => (classical.points.clone(), None),
        Method::Umap => (umap::place(&distances, d, spec.neighbors() as usize, spec.min_dist, spec.seed, context)?, None),
        Method::Smacof => (smacof::best(&distances, &classical.points, spec, context)?, None),
        Method::Tsne => {
            let found = tsne::best(&distances, &classical.points, spec, context)?;
            (found.points, Some(found.divergence))
        }
    };
    context.step(0.95, "clustering")?;
    let points = principal(points)?;
    let found = pair_distances(&points);
    let scale = if spec.method == Method::Smacof { 1.0 } else { best_scale(&found, &pairs) };
    let finite = |v: f64| v.is_finite().then_some(v);
    let stress = (found.iter().zip(&pairs).map(|(x, d)| (scale * x - d).powi(2)).sum::<f64>() / stats::dot(&pairs, &pairs)).sqrt();
    let (merges, leaves) = tree(&pairs, k, spec.linkage);
    Ok(Output {
        input: spec.input.clone(),
        method: spec.method,
        n: stats::small(k),
        correlation: finite(stats::pearson(&found, &pairs)),
        points: Array::from_mat(points.as_ref()),
        stress: finite(stress),
        explained: matches!(spec.method, Method::Classical | Method::Isomap).then_some(classical.explained),
        divergence,
        merges,
        leaves,
    })
}

/// The items and their distances by pairs: one of the matrices of an input, or their mean; negative ones as 0, with a warning.
///
/// # Errors
/// Those of RDM inputs, [`Error::Input`] for missing pairs, [`Error::Parameter`] for a matrix that there is not.
pub(super) fn distances_of(inputs: &Inputs, input: &str, rdm: Option<u32>, context: &Context<'_>) -> Result<(usize, Vec<f64>), Error> {
    let (k, rdms) = stack(inputs.get("input", input)?)?;
    let pairs = chosen(input, rdm, rdms)?;
    if let Some(at) = pairs.iter().position(|v| v.is_nan()) {
        let message = format!("pair {} of {} is missing (NaN); leave the conditions with missing pairs out", at + 1, pairs.len());
        return Err(Error::input(input, message));
    }
    let negative = pairs.iter().filter(|v| **v < 0.0).count();
    if negative > 0 {
        context.warn("negative_distances", format!("{negative} of {} dissimilarities are negative and count as 0", pairs.len()));
    }
    Ok((k, pairs.into_iter().map(|v| v.max(0.0)).collect()))
}

/// One RDM, or the mean of all.
fn chosen(input: &str, rdm: Option<u32>, rdms: Vec<Vec<f64>>) -> Result<Vec<f64>, Error> {
    let n = rdms.len();
    if let Some(at) = rdm {
        return rdms
            .into_iter()
            .nth(at as usize)
            .ok_or_else(|| Error::parameter("rdm", format!("there is no RDM {at} in {input}; it has {n}, counted from 0")));
    }
    let mut mean = vec![0.0; rdms.first().map_or(0, Vec::len)];
    for rdm in &rdms {
        mean.iter_mut().zip(rdm).for_each(|(mean, v)| *mean += v / stats::count(n));
    }
    Ok(mean)
}

fn square(pairs: &[f64], k: usize) -> Mat<f64> {
    let all = mirrored(pairs, k);
    Mat::from_fn(k, k, |i, j| all[i * k + j])
}

/// Euclidean distances between points, in the order of pairs.
fn pair_distances(points: &Mat<f64>) -> Vec<f64> {
    let k = points.nrows();
    let distance = |(i, j): (usize, usize)| (0..points.ncols()).map(|c| (points[(i, c)] - points[(j, c)]).powi(2)).sum::<f64>().sqrt();
    (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).map(distance).collect()
}

fn best_scale(found: &[f64], wanted: &[f64]) -> f64 {
    stats::dot(found, wanted) / stats::dot(found, found)
}

/// Centered, along the principal axes, with a fixed sign.
fn principal(points: Mat<f64>) -> Result<Mat<f64>, Error> {
    let (k, d) = (points.nrows(), points.ncols());
    let mut centered = points;
    crate::linalg::spectral::center_columns(&mut centered);
    let axes = crate::linalg::spectral::symmetric_eigen((centered.transpose() * &centered).as_ref())?.vectors;
    let mut turned = &centered * axes;
    for j in 0..d {
        let sign = sign_of_largest(turned.col(j));
        turned.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= sign);
    }
    debug_assert_eq!(turned.nrows(), k, "as many points");
    Ok(turned)
}
