//! The average of shapes, the variation around it, and clusters around several averages.

#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::Context;
use crate::dataset::{Inputs, Matrix, Shapes};
use crate::linalg::spectral::{all_singular_vectors, center_columns, sign_of_largest, symmetric_eigen};
use crate::progress::Part;
use crate::rng::Stream;
use crate::shapes::{Average, Averaging, Group, Options, Score, align, average, clusters, inner, padded};
use crate::stats::{count, small};
use crate::{Array, Error, Estimate, parallel};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs (at least two), rows = the same samples in the same order.
    pub inputs: Vec<String>,
    /// Maps of columns that are free.
    pub group: Group,
    /// How averages are found.
    pub averaging: Averaging,
    /// Subtract column means.
    pub center_columns: bool,
    /// Divide each representation by its norm, so that large responses do not weigh more.
    pub normalize: bool,
    /// Number of clusters around averages; none are looked for if it is 1.
    pub n_clusters: u32,
    /// Distances of clusters.
    pub score: Score,
    /// Random starts of clusters, and of averages over permutations; the best is kept.
    pub n_starts: u32,
    /// Change in a sweep, relative to the size of an entry, that ends an average.
    pub tol: f64,
    /// Most sweeps of an average, and most rounds of clusters.
    pub max_iter: u32,
    /// Seed of starts and orders; at most 2^53.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            group: Group::Orthogonal,
            averaging: Averaging::FullBatch,
            center_columns: true,
            normalize: false,
            n_clusters: 1,
            score: Score::Angular,
            n_starts: 5,
            tol: 1e-6,
            max_iter: 500,
            seed: 0,
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the inputs.
    pub names: Vec<String>,
    /// The average, samples x dimensions: along its principal axes for rotations, otherwise in the columns of the first input.
    pub mean: Array,
    /// Euclidean distance of each aligned representation to the average.
    pub distances: Vec<f64>,
    /// Share of the sum of squares of all representations that the average has, 0 to 1; absent without variance.
    pub shared: Option<f64>,
    /// Variation around the average: principal components of the tangent space.
    pub components: Components,
    /// Sweeps of the average.
    pub n_sweeps: u32,
    /// Whether the change was below the tolerance at the end.
    pub converged: bool,
    /// Clusters, when they were asked for.
    pub clusters: Option<Clusters>,
}

/// Principal components of `mean - X_i T_i`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Components {
    /// Representations x components.
    pub scores: Array,
    /// Variances along the components (divided by K - 1), largest first.
    pub variances: Vec<f64>,
    /// Their shares of the whole variance; absent without any.
    pub explained: Option<Vec<f64>>,
}

/// Clusters around averages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// The cluster of each representation, from 0 in the order of their first members.
    pub labels: Vec<u32>,
    /// Distances of averages (rows) to representations.
    pub distances: Array,
    /// Sum of squared distances to the own average.
    pub cost: f64,
    /// Rounds until no label changed.
    pub n_rounds: u32,
    /// Whether labels were stable at the end.
    pub converged: bool,
}

/// Sweeps that an estimate expects.
const USUAL_SWEEPS: f64 = 30.0;

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.clone()
    }

    /// What the run will cost: about thirty sweeps of alignments.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let sizes: Vec<_> = self.inputs.iter().map(|name| shapes.of(name)).collect();
        let (k, m) = (count(sizes.len()), sizes.first().map_or(0.0, |s| s.0));
        let widest = sizes.iter().map(|s| s.1).fold(0.0, f64::max);
        let p = if self.group == Group::Orthogonal { widest.min(m) } else { widest };
        let alignment = 4.0 * m * p * p + if self.group == Group::Identity { 0.0 } else { 20.0 * p * p * p };
        let rounds = if self.n_clusters > 1 { f64::from(self.n_starts) * 10.0 } else { 1.0 };
        let distances =
            if self.n_clusters > 1 { rounds * f64::from(self.n_clusters) * k * (2.0 * m * p * p + 4.0 * p * p * p) } else { 0.0 };
        Estimate { flops: USUAL_SWEEPS * rounds * k * alignment + distances, peak_bytes: 8.0 * (3.0 * k * m * p + 6.0 * p * p) }
    }

    fn check(&self, inputs: &Inputs) -> Result<Vec<Matrix>, Error> {
        let k = self.inputs.len();
        if k < 2 {
            return Err(Error::parameter("inputs", format!("{k} named; an average needs at least 2 inputs")));
        }
        if self.n_clusters == 0 || self.n_clusters as usize > k {
            return Err(Error::parameter("n_clusters", format!("{} clusters of {k} representations; give 1 to {k}", self.n_clusters)));
        }
        if self.n_clusters > 1 && self.group != Group::Orthogonal {
            return Err(Error::parameter("group", "clusters are found up to rotation; use orthogonal, or 1 cluster"));
        }
        if !(1..=1000).contains(&self.n_starts) {
            return Err(Error::parameter("n_starts", format!("must be 1 to 1000, got {}", self.n_starts)));
        }
        if !(self.tol > 0.0 && self.tol < 1.0) {
            return Err(Error::parameter("tol", format!("must be between 0 and 1, got {}", self.tol)));
        }
        if self.max_iter == 0 {
            return Err(Error::parameter("max_iter", "must be at least 1"));
        }
        if self.seed > 1 << 53 {
            return Err(Error::parameter("seed", format!("must be at most 2^53, got {}", self.seed)));
        }
        let matrices = self.inputs.iter().map(|name| inputs.matrix("inputs", name)).collect::<Result<Vec<_>, _>>()?;
        matrices[1..].iter().try_for_each(|other| matrices[0].same_rows(other))?;
        Ok(matrices)
    }
}

/// Coordinates of representations, all of one width: centered and normalized as wanted. Where columns may be rotated, a representation with more
/// columns than rows takes the coordinates of its row space.
pub(super) fn common_coordinates(matrices: &[Matrix], group: Group, center: bool, normalize: bool) -> Vec<Mat<f64>> {
    let m = matrices[0].n_samples();
    let all = parallel::map(matrices.len(), |i| {
        let mut x = matrices[i].to_mat();
        if center {
            center_columns(&mut x);
        }
        if group == Group::Orthogonal && x.ncols() > m {
            x = x.transpose().qr().thin_R().transpose().to_owned();
        }
        let norm = x.norm_l2();
        if normalize && norm > 0.0 {
            x *= faer::Scale(1.0 / norm);
        }
        x
    });
    let width = all.iter().map(Mat::ncols).max().unwrap_or(0);
    all.into_iter().map(|x| padded(x, width)).collect()
}

/// The average of representations after alignment, and how they vary around it.
///
/// # Definition
/// The average M minimizes `sum_i min_T |M - X_i T|^2`, T in the group (Fréchet or Procrustes mean), X centered by columns and padded with zero
/// columns to one width; see [`shapes::average`](crate::shapes::average) for the sweeps. With rotations it is turned to its principal axes.
/// `shared` is `K |M|^2 / sum_i |X_i|^2`. The tangent space at M has the residuals `M - X_i T_i`; its principal components are those of their centered
/// K x K inner products. Clusters: k-means with these distances and averages, see [`shapes::clusters`](crate::shapes::clusters).
///
/// # Shapes
/// K inputs (m, `n_k`) → M (m, n), n the largest width (at most m for rotations); K distances; scores (K, at most K - 1).
///
/// # Degenerate
/// Representations that are equal after alignment have no components with variance, and `explained` is absent. Averages over permutations
/// are local optima: the best of `n_starts` starts is given.
///
/// # Accuracy
/// Sweeps end when the root mean square change of an entry is below `tol` times the root mean square entry; more than `max_iter` sweeps end
/// with the warning `not_converged`. Deterministic for any number of threads.
///
/// # Cost
/// A sweep: K alignments of 4 m n^2 + about 20 n^3 flops.
///
/// # Errors
/// [`Error::Parameter`] for numbers out of range, [`Error::RowMismatch`], [`Error::NonFinite`], [`Error::Numerical`], [`Error::Canceled`].
///
/// # Source
/// Gower 1975; Dryden & Mardia 2016 (tangent coordinates); Williams et al. 2021; netrep `frechet_mean`, `procrustes_kmeans`.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let matrices = spec.check(inputs)?;
    let (k, m) = (matrices.len(), matrices[0].n_samples());
    context.step(0.01, "reducing the representations")?;
    let xs = common_coordinates(&matrices, spec.group, spec.center_columns, spec.normalize);
    let total: f64 = xs.iter().map(Mat::squared_norm_l2).sum();
    if total <= 0.0 {
        let what = "the average of representations".into();
        return Err(Error::Numerical { what, message: "all representations are constant; there is nothing to align".into() });
    }
    let size = count(xs[0].nrows() * xs[0].ncols());
    let tol = spec.tol * (total / (count(k) * size)).sqrt();
    let options = Options { group: spec.group, averaging: spec.averaging, tol, max_iter: spec.max_iter as usize, seed: spec.seed };
    let share = if spec.n_clusters > 1 { 0.4 } else { 0.9 };
    let mean = best_average(&xs, &options, spec.n_starts as usize, &Part::new(context.progress, 0.05, share))?;
    let converged = mean.change < tol;
    if !converged {
        let message = format!(
            "after {} sweeps the average still changes by {:.1e} of an entry; allow more sweeps",
            mean.n_sweeps,
            mean.change * spec.tol / tol
        );
        context.warn("not_converged", message);
    }
    let residuals: Vec<Mat<f64>> = parallel::map(k, |i| &mean.mean - mean.maps[i].apply(xs[i].as_ref()));
    let distances = residuals.iter().map(Mat::norm_l2).collect();
    let components = components(&residuals)?;
    let shared = Some(count(k) * mean.mean.squared_norm_l2() / total);
    let clusters = if spec.n_clusters > 1 {
        let rounds = Part::new(context.progress, share, 1.0);
        let found = clusters(&xs, spec.n_clusters as usize, spec.score, spec.n_starts as usize, spec.max_iter as usize, &options, &rounds)?;
        if !found.converged {
            context.warn("not_converged", format!("labels still changed after {} rounds; allow more of them", found.n_rounds));
        }
        Some(Clusters {
            labels: found.labels.iter().map(|label| small(*label)).collect(),
            distances: Array::from_mat(found.distances.as_ref()),
            cost: found.cost,
            n_rounds: small(found.n_rounds),
            converged: found.converged,
        })
    } else {
        None
    };
    let n_sweeps = small(mean.n_sweeps);
    let mean = in_its_axes(mean, &xs[0], spec.group)?;
    debug_assert_eq!(mean.nrows(), m, "as many samples");
    Ok(Output {
        names: spec.inputs.clone(),
        mean: Array::from_mat(mean.as_ref()),
        distances,
        shared,
        components,
        n_sweeps,
        converged,
        clusters,
    })
}

/// Permutations have several optima: the best of starts at different representations.
fn best_average(xs: &[Mat<f64>], options: &Options, n_starts: usize, progress: &Part<'_>) -> Result<Average, Error> {
    if options.group != Group::Permutation {
        return average(xs, None, options, progress);
    }
    let squares = |found: &Average| {
        let of = |i: usize| (&found.mean - found.maps[i].apply(xs[i].as_ref())).squared_norm_l2();
        parallel::map(xs.len(), of).into_iter().sum::<f64>()
    };
    let mut best: Option<(f64, Average)> = None;
    let n_starts = n_starts.min(xs.len());
    for (at, start) in Stream::new(options.seed, u64::MAX).permutation(xs.len()).into_iter().take(n_starts).enumerate() {
        let part = Part::new(progress, count(at) / count(n_starts), count(at + 1) / count(n_starts));
        let found = average(xs, Some(&xs[start]), options, &part)?;
        let cost = squares(&found);
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, found));
        }
    }
    best.map(|(_, found)| found).ok_or_else(|| Error::internal("no start"))
}

/// Principal components of residuals, from their inner products.
fn components(residuals: &[Mat<f64>]) -> Result<Components, Error> {
    let k = residuals.len();
    let rows = parallel::map(k, |i| (0..=i).map(|j| inner(&residuals[i], &residuals[j])).collect::<Vec<f64>>());
    let products = Mat::from_fn(k, k, |i, j| rows[i.max(j)][i.min(j)]);
    let eigen = symmetric_eigen(crate::linalg::spectral::double_centered(&products).as_ref())?;
    let n = k - 1;
    let values: Vec<f64> = eigen.values.iter().take(n).map(|v| v.max(0.0)).collect();
    let scores = Mat::from_fn(k, n, |i, j| {
        let column = eigen.vectors.col(j);
        column[i] * values[j].sqrt() * sign_of_largest(column)
    });
    let total: f64 = values.iter().sum();
    Ok(Components {
        scores: Array::from_mat(scores.as_ref()),
        variances: values.iter().map(|v| v / count(n)).collect(),
        explained: (total > 0.0).then(|| values.iter().map(|v| v / total).collect()),
    })
}

/// The average where it can be compared: rotations leave its axes open, permutations the order of its columns.
fn in_its_axes(found: Average, first: &Mat<f64>, group: Group) -> Result<Mat<f64>, Error> {
    match group {
        Group::Orthogonal => {
            let svd = all_singular_vectors(found.mean.as_ref())?;
            let mut turned = svd.u;
            for (j, s) in svd.s.iter().enumerate() {
                let signed = s * sign_of_largest(turned.col(j));
                turned.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= signed);
            }
            Ok(turned)
        }
        Group::Permutation => Ok(align(found.mean.as_ref(), first.as_ref(), group)?.apply(found.mean.as_ref())),
        Group::Identity => Ok(found.mean),
    }
}
