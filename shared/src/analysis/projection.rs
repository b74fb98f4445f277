//! Distances between class centroids, and how far the samples of a class reach along the lines between them.

#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::Context;
use super::dimensionality::Pool;
use super::few_shot::samples::Samples;
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::progress::Part;
use crate::{Array, Error, Estimate, parallel, stats};

/// Centroids closer than this, relative to their size, are the same but for rounding.
const COINCIDENT: f64 = 8.0 * f64::EPSILON;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the features: n x p, or n x C x H x W.
    pub features: String,
    /// The class of each row.
    pub labels: Labels,
    /// How features with more than two axes become a matrix.
    pub pool: Pool,
    /// The first so many classes by appearance, at least 2; absent: all.
    pub n_categories: Option<u32>,
    /// The first so many rows of each class, or all where it has fewer, at least 2; absent: all.
    pub n_samples: Option<u32>,
    /// Seed of the random projection of `pool: none`.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self { features: String::new(), labels: Labels::default(), pool: Pool::Max, n_categories: Some(50), n_samples: Some(50), seed: 0 }
    }
}

/// What came out. In arrays of classes x classes the rows are the classes whose samples are projected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the features.
    pub features: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Features after pooling.
    pub n_features: u32,
    /// Samples of each class.
    pub n_samples: Vec<u32>,
    /// Root of the mean variance (ddof 1) over features of each class.
    pub radii: Array,
    /// Distances between centroids.
    pub centroid_distances: Array,
    /// Projections divided by the radius of the class that is projected (NaN where undefined).
    pub scaled_projections: Array,
    /// Mean absolute projections (NaN where undefined).
    pub projections_raw: Array,
    /// Means over all pairs of different classes.
    pub off_diagonal: Means,
    /// Means over all cells, the zeros of the diagonal included.
    pub with_diagonal: Means,
}

/// Means of the three arrays over defined cells; `None` without any.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Means {
    /// Of the distances between centroids.
    pub centroid_distances: Option<f64>,
    /// Of the scaled projections.
    pub scaled_projections: Option<f64>,
    /// Of the projections.
    pub projections_raw: Option<f64>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.features.clone(), self.labels.input.clone()]
    }

    /// What the run will cost at most.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n_rows, mut p) = shapes.of(&self.features);
        if let (Some([_, channels, _, ..]), Pool::Avg | Pool::Max) = (shapes.0.get(&self.features).map(Vec::as_slice), self.pool) {
            p = stats::count(*channels);
        }
        let k = f64::from(self.n_categories.unwrap_or(u32::MAX)).min(n_rows / 2.0);
        let n = (k * f64::from(self.n_samples.unwrap_or(u32::MAX))).min(n_rows);
        Estimate { flops: 2.0 * n * k * p + 3.0 * k * k * p + 2.0 * n_rows * p, peak_bytes: 8.0 * (n * p + 3.0 * k * p + 4.0 * k * k) }
    }
}

/// Distances between class centroids and the spread of samples along them.
///
/// # Definition
/// With `c_i` the mean of the samples of class i and `u = c_j - c_i`: `centroid_distances` = |u|; `projections_raw` = mean over samples x of
/// class i of `|(x - c_i)'u| / |u|`; `scaled_projections` = `projections_raw` / `radius_i`, `radius_i` = root of the mean over features of the
/// variance (ddof 1) of class i. The diagonals are 0. Means leave undefined cells out.
///
/// # Shapes
/// features: (n, p), or (n, channels, ...) which [`Pool`] turns into (n, p) → three arrays classes x classes, i along the rows.
///
/// # Degenerate
/// Coincident centroids have distance 0 and undefined projections; a class whose samples are all equal has radius 0 and, its projections being
/// 0 as well, undefined scaled ones. Both are counted in a warning.
///
/// # Accuracy
/// 1e-13 relative on the CPU; on a GPU projections carry 1e-6 of the distance of samples from their centroid. Deterministic.
///
/// # Cost
/// One product of the samples of a class with all centroids per class: 2 n k p flops. Memory: the samples in f64 and the centroids twice.
///
/// # Errors
/// [`Error::Parameter`] for limits below 2, [`Error::Input`] for a class with a single row (named), those of [`Labels::classes`],
/// [`Error::NonFinite`], [`Error::Shape`], [`Error::Numerical`] on overflow, [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024, whose figures have the means with the diagonal.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let samples = check(spec, inputs, context)?;
    let reading = Part::new(context.progress, 0.0, 0.3);
    let x = samples.gather(inputs, &spec.features, spec.pool, spec.seed, context.device, &reading).await?;
    let (p, k) = (x.nrows(), samples.rows.len());
    let starts: Vec<usize> = samples.rows.iter().scan(0, |at, rows| Some(std::mem::replace(at, *at + rows.len()))).collect();
    let mut centroids = Mat::zeros(p, k);
    for (i, rows) in samples.rows.iter().enumerate() {
        let to = centroids.col_as_slice_mut(i);
        mean_column(&x, starts[i], rows.len(), to);
    }
    let (distances, radii) = geometry(&x, &centroids, &samples, &starts);
    if distances.iter().chain(&radii).any(|v| !v.is_finite()) {
        let message = "squared distances overflow; scale the features down (divide by their largest value)";
        return Err(Error::Numerical { what: spec.features.clone(), message: message.into() });
    }
    let mut raw = vec![0.0; k * k];
    for (i, rows) in samples.rows.iter().enumerate() {
        context.progress.step(0.3 + 0.7 * stats::count(i) / stats::count(k), &format!("projections of {}", samples.names[i]))?;
        let own = centroids.col_as_slice(i).to_vec();
        let from = |m: &Mat<f64>, start: usize, n: usize| {
            let mut out = m.subcols(start, n).to_owned();
            (0..n).for_each(|j| out.col_as_slice_mut(j).iter_mut().zip(&own).for_each(|(v, c)| *v -= c));
            out
        };
        let products = context.device.cross(from(&x, starts[i], rows.len()).as_ref(), from(&centroids, 0, k).as_ref()).await?;
        for j in (0..k).filter(|&j| j != i) {
            let total: f64 = products.col_as_slice(j).iter().map(|v| v.abs()).sum();
            let distance = distances[i * k + j];
            raw[i * k + j] = if distance > 0.0 { total / stats::count(rows.len()) / distance } else { f64::NAN };
        }
    }
    let cell = |at: usize| if at / k == at % k { 0.0 } else { raw[at] / radii[at / k] };
    // Zero over zero where all samples are their centroid.
    let scaled: Vec<f64> = (0..k * k).map(cell).map(|v| if v.is_finite() { v } else { f64::NAN }).collect();
    report(context, &samples, &raw, &radii);
    let means = |diagonal: bool| Means {
        centroid_distances: mean(&distances, k, diagonal),
        scaled_projections: mean(&scaled, k, diagonal),
        projections_raw: mean(&raw, k, diagonal),
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (off_diagonal, with_diagonal) = (means(false), means(true));
    Ok(Output {
        features: spec.features.clone(),
        n_features: count(p),
        n_samples: samples.rows.iter().map(|rows| count(rows.len())).collect(),
        classes: samples.names,
        radii: Array::vector(radii),
        centroid_distances: Array::matrix(k, k, distances),
        scaled_projections: Array::matrix(k, k, scaled),
        projections_raw: Array::matrix(k, k, raw),
        off_diagonal,
        with_diagonal,
    })
}

fn check(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Samples, Error> {
    if let Some(asked) = spec.n_samples.filter(|&asked| asked < 2) {
        return Err(Error::parameter("n_samples", format!("{asked} samples a class were asked for; a variance needs at least 2")));
    }
    let (mut samples, warning) = Samples::choose(inputs, &spec.features, &spec.labels, spec.n_categories)?;
    if let Some((name, _)) = samples.names.iter().zip(&samples.rows).find(|(_, rows)| rows.len() < 2) {
        return Err(Error::input(&*spec.labels.input, format!("class \"{name}\" has 1 row; a variance needs at least 2")));
    }
    if let Some(warning) = warning {
        context.warn(&warning.code, warning.message);
    }
    if let Some(wanted) = spec.n_samples {
        let short = samples.rows.iter().filter(|rows| rows.len() < wanted as usize).count();
        let fewest = samples.rows.iter().map(Vec::len).min().unwrap_or(0);
        if short > 0 {
            let n = samples.rows.len();
            context.warn(
                "few_samples",
                format!("{short} of {n} classes have fewer than {wanted} rows (at least {fewest}); all of them are used"),
            );
        }
        samples.rows.iter_mut().for_each(|rows| rows.truncate(wanted as usize));
    }
    Ok(samples)
}

/// The mean of some columns; exact where they are equal.
fn mean_column(x: &Mat<f64>, start: usize, n: usize, to: &mut [f64]) {
    for j in start..start + n {
        to.iter_mut().zip(x.col_as_slice(j)).zip(x.col_as_slice(start)).for_each(|((to, v), first)| *to += (v - first) / stats::count(n));
    }
    to.iter_mut().zip(x.col_as_slice(start)).for_each(|(to, first)| *to += first);
}

/// Distances between centroids, in C order, and the radius of each class.
fn geometry(x: &Mat<f64>, centroids: &Mat<f64>, samples: &Samples, starts: &[usize]) -> (Vec<f64>, Vec<f64>) {
    let (p, k) = centroids.shape();
    let square = |a: &[f64], b: &[f64]| stats::fold_pairs(a, b, |a, b| (a - b) * (a - b));
    let sizes: Vec<f64> = (0..k).map(|i| stats::dot(centroids.col_as_slice(i), centroids.col_as_slice(i)).sqrt()).collect();
    let lines = parallel::map(k, |i| {
        let distance = |j: usize| {
            let d = square(centroids.col_as_slice(i), centroids.col_as_slice(j)).sqrt();
            if d <= COINCIDENT * sizes[i].max(sizes[j]) { 0.0 } else { d }
        };
        (0..k).map(distance).collect::<Vec<_>>()
    });
    let radii = parallel::map(k, |i| {
        let n = samples.rows[i].len();
        let total: f64 = (starts[i]..starts[i] + n).map(|j| square(x.col_as_slice(j), centroids.col_as_slice(i))).sum();
        (total / stats::count(n - 1) / stats::count(p)).sqrt()
    });
    (lines.concat(), radii)
}

fn report(context: &Context<'_>, samples: &Samples, raw: &[f64], radii: &[f64]) {
    let k = radii.len();
    let coincident = raw.iter().filter(|v| v.is_nan()).count() / 2;
    if coincident > 0 {
        let pairs = k * (k - 1) / 2;
        context.warn(
            "coincident_centroids",
            format!("{coincident} of {pairs} pairs of classes have the same centroid; their projections are undefined"),
        );
    }
    if let Some(flat) = radii.iter().position(|&r| r == 0.0) {
        let n = radii.iter().filter(|&&r| r == 0.0).count();
        let name = &samples.names[flat];
        context.warn(
            "constant_classes",
            format!("the samples of {n} of {k} classes are all equal, the first \"{name}\"; their scaled projections are undefined"),
        );
    }
}

fn mean(cells: &[f64], k: usize, diagonal: bool) -> Option<f64> {
    let kept = (0..k * k).filter(|&at| diagonal || at / k != at % k).map(|at| cells[at]).filter(|v| v.is_finite());
    let kept: Vec<f64> = kept.collect();
    (!kept.is_empty()).then(|| stats::mean(&kept))
}
