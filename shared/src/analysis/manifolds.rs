//! Geometry of class manifolds: how large the clouds of rows of each class are, how far apart, and what that means for few-shot learning.

mod geometry;
mod tables;
#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

pub use tables::summary_csv;

use super::Context;
use super::dimensionality::pooling::Pooling;
use super::dimensionality::{Generator, Pool};
use crate::dataset::{Inputs, Shapes};
use crate::labels::{Classes, Labels};
use crate::progress::Part;
use crate::{Array, Error, Estimate, stats};
use geometry::Geometry;

/// Classes that a warning names before it stops.
const MAX_NAMED: usize = 5;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the features (n x p, or n x C x H x W).
    pub features: String,
    /// The class of each row.
    pub labels: Labels,
    /// How features with more than two axes become a matrix.
    pub pool: Pool,
    /// The m of the signal-to-noise ratio, at least 1; absent: the number of rows of the class.
    pub m_shots: Option<u32>,
    /// Which random numbers make the projection of `pool: none`.
    pub generator: Generator,
    /// Seed of that projection.
    pub seed: u64,
}

/// What came out. Pairs are (a, b): row a, column b; they are not symmetric and have no diagonal (NaN).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the features.
    pub features: String,
    /// Name of the labels.
    pub labels: String,
    /// Columns after pooling.
    pub n_features: u32,
    /// The classes in order of first appearance.
    pub classes: Vec<String>,
    /// Rows of each class.
    pub n_rows: Vec<u32>,
    /// Root of the mean variance over min(rows, p) directions, one per class.
    pub radius: Array,
    /// Participation ratio of the variances, one per class (NaN without variance).
    pub dimensionality: Array,
    /// Distance of the centroids in units of the radius of a.
    pub signal: Array,
    /// Radius of b over that of a, minus 1.
    pub bias: Array,
    /// Overlap of the centroid difference with the directions of a.
    pub self_overlap: Array,
    /// Overlap of the centroid difference with the directions of b.
    pub other_overlap: Array,
    /// Signal-to-noise ratio.
    pub snr: Array,
    /// Radius of the centroids.
    pub between_radius: f64,
    /// Dimensionality of the centroids; `None` when they are all equal.
    pub between_dimensionality: Option<f64>,
    /// Means over classes or pairs under their published names.
    pub summary: Vec<Statistic>,
}

/// Mean and spread over the classes or pairs where a quantity is defined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistic {
    /// Name of the column in published tables.
    pub name: String,
    /// Mean; `None` when it is nowhere defined.
    pub mean: Option<f64>,
    /// Standard deviation (ddof 0).
    pub std: Option<f64>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.features.clone(), self.labels.input.clone()]
    }

    /// What the run will cost: a copy of the features in f64, and products of all rows with the centroid differences of their class.
    /// How many classes there are is not known before; the square root of the number of rows is taken.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n, width) = shapes.of(&self.features);
        let (p, pooling) = self.pool.width(shapes.0.get(&self.features).map_or(&[][..], Vec::as_slice), (n, width));
        let k = n.sqrt();
        let flops = pooling + 2.0 * n * p * k + n * p * (n / k.max(1.0)).min(p) + 2.0 * k * k * p;
        Estimate { flops, peak_bytes: 8.0 * (2.0 * n * p + 3.0 * k * p + 6.0 * k * k) }
    }

    /// Checks the spec and finds the classes.
    ///
    /// # Errors
    /// [`Error::Input`] for a missing input, fewer than two classes or a class with fewer than 2 rows, and what
    /// [`Labels::classes`] says; [`Error::Parameter`] for `m_shots` or a seed out of range.
    pub fn check(&self, inputs: &Inputs) -> Result<Checked, Error> {
        let n = inputs.shape("features", &self.features)?.first().copied().unwrap_or(0);
        let classes = self.labels.classes(inputs, &self.features, n)?;
        classes.require(&self.labels, 2)?;
        if self.m_shots == Some(0) {
            return Err(Error::parameter("m_shots", "0 shots were asked for; give at least 1 or leave it out for the rows of each class"));
        }
        Ok(Checked { classes, pooling: Pooling::new(self.pool, self.generator, self.seed)? })
    }
}

/// What the spec and the inputs agree on.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The class of each row; at least two classes of at least 2 rows.
    pub classes: Classes,
    pooling: Pooling,
}

/// Geometry of the class manifolds of one representation.
///
/// # Definition
/// Class a has m rows, the centroid `c_a` and variances `l_k` (ddof 1) along principal directions `v_k`, k = 1..q, q = min(m, p).
///
/// ```text
/// radius          R_a = sqrt(mean over k of l_k)
/// dimensionality  D_a = (sum l)^2 / sum l^2
/// signal          |c_a - c_b| / R_a
/// bias            R_b / R_a - 1
/// overlaps        self = |U_a w|, other = |U_b w|, w = (c_a - c_b) / R_a, U_a = rows sqrt(l_k) v_k' / R_a
/// SNR             (signal^2 + ((bias + 1)^2 - 1) / m) / 2 / sqrt(1 / (D_a m) + other^2 / m + self^2)
/// between         radius and dimensionality of the centroids as the rows of one class
/// ```
///
/// The m of the SNR is `m_shots`, or the number of rows of class a. No direction is computed: `|U_a w| = |Xc_a w| / (R_a sqrt(m - 1))`
/// with `Xc_a` the centered rows, and sum l, sum l^2 are the trace and the squared norm of their smaller Gram matrix.
///
/// # Shapes
/// features: (n, p), or (n, channels, ...) which [`Pool`] turns into (n, p); labels: n → K values per class, K x K per pair.
///
/// # Parameters
/// `m_shots`: at least 1. The source takes the number of rows of the first class (50), which is the default here when all classes have as many.
///
/// # Degenerate
/// A class whose rows are all equal has radius 0, no dimensionality, and no value in its row (a) and none in its column for the other overlap
/// and the SNR: NaN, with a warning. Means and spreads leave NaN out. Equal centroids have signal 0 and are kept.
///
/// # Accuracy
/// 1e-10 relative on the CPU, 1e-4 on a GPU. Deterministic; the seed matters for `pool: none` only.
///
/// # Cost
/// 2 n p K flops for all pairs and n p min(m, p) for the dimensionalities; memory of two copies of the features in f64.
///
/// # Errors
/// Those of [`Spec::check`]; [`Error::Shape`] for a vector, [`Error::NonFinite`], [`Error::Numerical`] for values whose squares overflow,
/// [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Sorscher, Ganguli & Sompolinsky 2022, as computed by Elmoznino & Bonner 2024.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let Checked { classes, mut pooling } = spec.check(inputs)?;
    let name = &spec.features;
    let x = if inputs.shape("features", name)?.len() < 3 {
        inputs.matrix("features", name)?.to_mat()
    } else {
        context.step(0.0, &format!("{name}: pooling"))?;
        pooling.apply(inputs.get("features", name)?, context.device, context.progress).await?
    };
    let progress = Part::new(context.progress, 0.15, 1.0);
    let geometry = geometry::of(&x, &classes, spec.m_shots, context.device, &progress).await?;
    report(context, &classes, &geometry);
    Ok(output(spec, classes, geometry, x.ncols()))
}

fn output(spec: &Spec, classes: Classes, geometry: Geometry, p: usize) -> Output {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let Geometry { radius, dimensionality, signal, bias, self_overlap, other_overlap, snr, between } = geometry;
    let matrix = |m: Mat<f64>| Array::from_mat(m.as_ref());
    let [signal, bias, self_overlap, other_overlap, snr] = [signal, bias, self_overlap, other_overlap, snr].map(matrix);
    let summary = [
        ("bias", &bias.values),
        ("other signal-noise-overlap", &other_overlap.values),
        ("self signal-noise-overlap", &self_overlap.values),
        ("signal", &signal.values),
        ("signal-noise-ratio", &snr.values),
        ("within-concept dimensionality", &dimensionality),
        ("within-concept radius", &radius),
    ]
    .into_iter()
    .map(|(name, values)| statistic(name, values))
    .collect();
    Output {
        features: spec.features.clone(),
        labels: spec.labels.input.clone(),
        n_features: count(p),
        n_rows: classes.rows().iter().map(|rows| count(rows.len())).collect(),
        classes: classes.names,
        radius: Array::vector(radius),
        dimensionality: Array::vector(dimensionality),
        signal,
        bias,
        self_overlap,
        other_overlap,
        snr,
        between_radius: between.radius,
        between_dimensionality: Some(between.dimensionality).filter(|d| d.is_finite()),
        summary,
    }
}

fn statistic(name: &str, values: &[f64]) -> Statistic {
    let defined: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let finite = |value: f64| value.is_finite().then_some(value);
    Statistic { name: name.into(), mean: finite(stats::mean(&defined)), std: finite(stats::variance(&defined, 0).sqrt()) }
}

fn report(context: &Context<'_>, classes: &Classes, geometry: &Geometry) {
    let flat: Vec<&str> = classes.names.iter().zip(&geometry.radius).filter(|(_, r)| **r == 0.0).map(|(name, _)| name.as_str()).collect();
    if flat.is_empty() {
        return;
    }
    let rest = flat.len().saturating_sub(MAX_NAMED);
    let shown = flat.iter().take(MAX_NAMED).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    let (n, all) = (flat.len(), classes.names.len());
    let message = format!(
        "{n} of {all} classes have rows that are all equal ({shown}{more}); what is measured in units of their radius is undefined"
    );
    context.warn("flat_classes", message);
}
