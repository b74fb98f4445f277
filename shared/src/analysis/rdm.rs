//! Representational dissimilarity matrices.
//!
//! Quadratic measures (correlation, cosine, Euclidean kinds, Mahalanobis, Gaussian, Poisson, crossnobis) are one contraction on the device;
//! the others are loops over pairs of rows on the host.

mod crossval;
mod local;
mod noise;
mod pairwise;
mod patterns;
mod precision;
mod quadratic;
#[cfg(test)]
mod repeated_tests;
mod spec;
#[cfg(test)]
pub(super) mod tests;
mod transform;
mod trials;

use faer::Mat;
use ndarray::{ArrayD, ArrayViewD, Axis};
use serde::{Deserialize, Serialize};

pub(super) use self::local::Local;
pub use self::noise::{Covariance, Noise};
use self::noise::{Residuals, Whitener};
use self::pairwise::Kind;
use self::patterns::Patterns;
pub(super) use self::precision::{asymmetric_entry, cholesky, nonzero_diagonal};
pub use self::spec::{FoldWeights, Measure, RowPairs, Spec};
pub use self::transform::Transform;
use self::trials::Trials;
use super::Context;
use crate::dataset::{Dataset, Inputs, Matrix, Values, shape_text};
use crate::progress::Part;
use crate::stats::{count, small};
use crate::{Array, Error};

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the input.
    pub input: String,
    /// The measure.
    pub measure: Measure,
    /// Number of conditions.
    pub n: u32,
    /// Dissimilarities, n x n (times x n x n with `time_bins`), symmetric with a zero diagonal; NaN where undefined.
    pub rdm: Array,
    /// Names of the conditions in their order; absent when each row is a condition.
    pub conditions: Option<Vec<String>>,
    /// First and one past the last point of time of each RDM, counted from 0; absent without `time_bins`.
    pub times: Option<Vec<[u32; 2]>>,
    /// How the conditions vary together over folds (n x n), for whitened comparisons; `crossnobis` with balanced folds only.
    pub condition_covariance: Option<Array>,
}

/// Computes a representational dissimilarity matrix.
///
/// # Definition
/// `b_i` is row i with P channels, minus its mean over channels if `remove_mean`.
/// - `correlation`: 1 - Pearson r; `cosine`: 1 - cosine; both 0..2.
/// - `euclidean`: `|b_i - b_j|`; `sqeuclidean`: `|b_i - b_j|^2`, divided by P if `normalize`.
/// - `mahalanobis`: `(b_i - b_j)' W (b_i - b_j) / P` with the noise precision W, given or the inverse of an estimate ([`Noise`]).
/// - `crossnobis`: `sum over folds m != n of (b_im - b_jm)' W (b_in - b_jn) / (M (M - 1) P)`, W the identity if there is no noise;
///   with `fold_weights: row` the mean over folds of `(b_im - b_jm)' W (r_i - r_j) / P`, r the means of the rows outside fold m.
/// - `poisson`: `(1 / P) sum (m_i - m_j)(ln m_i - ln m_j)`, `m = (b + lambda w) / (1 + w)`: the sum of both Kullback-Leibler divergences
///   (their mean with `half`); `poisson_cv`: the mean over all folds of the same with m from the rows outside a fold and ln m from the fold.
/// - `gaussian`: `1 - exp(-|b_i - b_j|^2 / (2 sigma^2))`.
/// - `minkowski`: `(sum |b_i - b_j|^p)^(1/p)`; `cityblock`: p = 1; `chebyshev`: p = infinity.
///
/// With `conditions` `b_i` is the mean of the rows of a condition, in order of first appearance. With `row_pairs` similarities
/// `s_ab` are averages over pairs of rows (of different folds for `crossnobis`) of products over the channels that both have, divided by
/// their number, and `d = s_aa + s_bb - 2 s_ab`.
///
/// # Shapes
/// (n conditions, P channels) → (n, n), symmetric, zero diagonal; with `time_bins` (n, P, T) → (bins, n, n).
///
/// # Degenerate
/// Constant rows (`correlation`) and zero rows (`cosine`) have NaN rows and columns, zero diagonals, and a warning
/// `constant_rows` or `zero_rows`. With `row_pairs` conditions that share no pair of rows have NaN (warning `missing_pairs`).
///
/// # Accuracy
/// On the CPU 1e-9 relative or better for every entry, also between near-duplicate rows: entries in which the contraction cancels are
/// recomputed from the rows. On a GPU 1e-4 relative by the same rule. `mahalanobis` adds the condition of W. Cross-validated distances
/// cancel by design: 1e-12 (1e-6 on a GPU) of the squared length of the patterns, and they are not clipped at 0.
///
/// # Cost
/// O(n^2 P) time as one Gram, O(n P + n^2) memory.
///
/// # Errors
/// [`Error::Shape`] for fewer than 2 rows or a precision of the wrong size; [`Error::Parameter`] for parameters out of range and
/// negative rates; [`Error::Numerical`] when W or an estimate of the noise is not positive definite or distances overflow;
/// [`Error::Input`] for designs that lack conditions in folds; [`Error::Canceled`].
///
/// # Source
/// rsatoolbox 0.3.2 (names, division by P, Poisson prior, row pairs); Nili et al. 2014, doi:10.1371/journal.pcbi.1003553; Diedrichsen et al.
/// 2016 (crossnobis). Deviation, on purpose: `poisson_cv` averages over all folds, where rsatoolbox 0.3.2 keeps the last one.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check(inputs)?;
    warn_unused(spec, context);
    let dataset = inputs.get("input", &spec.input)?;
    let shape = dataset.shape().to_vec();
    let trials = Trials::of(spec, inputs, shape.first().copied().unwrap_or(0))?;
    let n = trials.as_ref().map_or(shape.first().copied().unwrap_or(0), Trials::n);
    let names = trials.as_ref().map(|t| t.conditions.names.clone());
    let mut one = Job { spec, inputs, trials: trials.as_ref(), fixed: None };
    if let [_, p, ..] = *shape {
        one.fixed = one.fixed_whitener(p).await?;
    }
    let Some(bins) = spec.time_bins else {
        let found = one.run(dataset, context).await?;
        return Ok(Output {
            input: spec.input.clone(),
            measure: spec.measure,
            n: small(n),
            rdm: Array::matrix(n, n, found.rdm),
            conditions: names,
            times: None,
            condition_covariance: found.condition_covariance,
        });
    };
    let [_, _, n_times] = *shape else {
        return Err(Error::Shape {
            what: spec.input.clone(),
            expected: "3 axes (rows = conditions, channels, time) for RDMs over time".into(),
            got: format!("{} axes ({})", shape.len(), shape_text(&shape)),
        });
    };
    let bins = if bins == 0 { n_times } else { bins as usize };
    let mut values = Vec::with_capacity(bins * n * n);
    let mut times = Vec::with_capacity(bins);
    for bin in 0..bins {
        let (start, end) = (bin * n_times / bins, (bin + 1) * n_times / bins);
        let part = Part::new(context.progress, count(bin) / count(bins), count(bin + 1) / count(bins));
        let inner = Context::new(context.device, &part);
        let found = one.run(&over_time(dataset, start, end), &inner).await?;
        inner.into_warnings().into_iter().for_each(|w| context.warn(&w.code, w.message));
        values.extend(found.rdm);
        times.push([small(start), small(end)]);
    }
    let rdm = Array { shape: vec![small(bins), small(n), small(n)], values };
    Ok(Output {
        input: spec.input.clone(),
        measure: spec.measure,
        n: small(n),
        rdm,
        conditions: names,
        times: Some(times),
        condition_covariance: None,
    })
}

/// The mean over some points of the third axis.
fn over_time(dataset: &Dataset, start: usize, end: usize) -> Dataset {
    fn mean<T: Copy>(values: &ArrayD<T>, start: usize, end: usize, wide: impl Fn(T) -> f64) -> ArrayD<f64> {
        let part: ArrayViewD<'_, T> = values.slice_axis(Axis(2), (start..end).into());
        part.map_axis(Axis(2), |times| times.iter().map(|&v| wide(v)).sum::<f64>() / count(end - start))
    }
    let values = match &*dataset.values {
        Values::F32(a) => mean(a, start, end, f64::from),
        Values::F64(a) => mean(a, start, end, |v| v),
    };
    Dataset::from_f64(dataset.name.clone(), values)
}

/// One RDM.
struct Found {
    rdm: Vec<f64>,
    condition_covariance: Option<Array>,
}

/// What all RDMs of a run share.
struct Job<'a> {
    spec: &'a Spec,
    inputs: &'a Inputs,
    trials: Option<&'a Trials>,
    /// What whitens the patterns of all times, unless that comes from their own noise.
    fixed: Option<Whitener>,
}

impl Job<'_> {
    async fn run(&self, dataset: &Dataset, context: &Context<'_>) -> Result<Found, Error> {
        let spec = self.spec;
        context.step(0.02, "preparing the patterns")?;
        let mut found = match (spec.row_pairs, self.trials) {
            (Some(pairs), trials) => Found { rdm: self.over_row_pairs(pairs, trials, dataset, context).await?, condition_covariance: None },
            (None, Some(trials)) if spec.measure.is_cross_validated() => self.cross_validated(trials, dataset, context).await?,
            (None, _) => Found { rdm: self.plain(dataset, context).await?, condition_covariance: None },
        };
        let n = self.trials.map_or(dataset.shape()[0], Trials::n);
        for transform in &spec.transforms {
            transform.apply(&mut found.rdm, n);
        }
        Ok(found)
    }

    fn matrix(&self, dataset: &Dataset) -> Result<Matrix, Error> {
        let matrix = dataset.matrix()?;
        check_size(self.spec, &matrix)?;
        Ok(matrix)
    }

    async fn plain(&self, dataset: &Dataset, context: &Context<'_>) -> Result<Vec<f64>, Error> {
        let spec = self.spec;
        let matrix = self.matrix(dataset)?;
        let own = self.own_whitener(&matrix).await?;
        let mut patterns = Patterns::new(&matrix);
        if let Some(trials) = self.trials {
            patterns = patterns.with_columns(trials.means(&patterns));
        }
        let mut undefined = Vec::new();
        if spec.measure == Measure::Correlation {
            undefined = patterns.constant();
            warn_undefined(context, "constant_rows", "constant, so their correlations are", &undefined);
        }
        if spec.remove_mean || spec.measure == Measure::Correlation {
            patterns.remove_means();
        }
        if spec.measure == Measure::Cosine {
            undefined = patterns.zero();
            warn_undefined(context, "zero_rows", "zero, so their cosines are", &undefined);
        }
        let n = patterns.n();
        let mut rdm = dissimilarities(spec, patterns, self.fixed.as_ref().or(own.as_ref()), context).await?;
        self.refuse(&rdm, n, |d| !d.is_finite())?;
        for &i in &undefined {
            for j in (0..n).filter(|&j| j != i) {
                rdm[i * n + j] = f64::NAN;
                rdm[j * n + i] = f64::NAN;
            }
        }
        Ok(rdm)
    }

    async fn cross_validated(&self, trials: &Trials, dataset: &Dataset, context: &Context<'_>) -> Result<Found, Error> {
        let spec = self.spec;
        let matrix = self.matrix(dataset)?;
        let mut patterns = Patterns::new(&matrix);
        if spec.remove_mean {
            patterns.remove_means();
        }
        let mut folds = trials.fold_means(&patterns, spec)?;
        context.step(0.2, "whitening the patterns")?;
        let rest = |patterns: &Patterns| (0..folds.len()).map(|fold| trials.means_without(patterns, fold)).collect::<Vec<_>>();
        if spec.measure == Measure::PoissonCv {
            let rest = rest(&patterns);
            let mut pairs = Vec::with_capacity(folds.len());
            for (test, rest) in folds.into_iter().zip(rest) {
                let (rates, _) = patterns.with_columns(rest).into_rates(spec)?;
                let (_, mut logs) = patterns.with_columns(test).into_rates(spec)?;
                patterns::center_channels(&mut logs);
                pairs.push((logs, rates));
            }
            context.step(0.5, "contracting the folds")?;
            let g = crossval::against_rest(&pairs, context.device).await?;
            let scale = if spec.half { 0.5 } else { 1.0 };
            let rdm: Vec<f64> = crossval::distances(&g).into_iter().map(|d| scale * d).collect();
            self.refuse(&rdm, trials.n(), |d| !d.is_finite())?;
            return Ok(Found { rdm, condition_covariance: None });
        }
        let per_fold = spec.noise.as_ref().filter(|noise| noise.per_fold);
        let g = match (per_fold, spec.fold_weights) {
            (Some(noise), FoldWeights::Fold) => {
                let covariances = self.covariance_of_folds(noise, trials, &matrix).await?;
                patterns::center_together(&mut folds);
                context.step(0.5, "contracting the folds")?;
                let mean_of = |a: usize, b: usize| {
                    let (a, b): (&Mat<f64>, &Mat<f64>) = (&covariances[a], &covariances[b]);
                    Whitener::of_covariance(&(faer::Scale(0.5) * (a + b)), noise.covariance, &spec.input)
                };
                crossval::between_whitened_folds(&folds, mean_of).await?
            }
            (Some(_), FoldWeights::Row) => {
                return Err(Error::parameter("fold_weights", "a covariance per fold needs fold_weights: fold"));
            }
            (None, weights) => {
                let own = self.own_whitener(&matrix).await?;
                let mut rest = if weights == FoldWeights::Row { rest(&patterns) } else { Vec::new() };
                patterns::center_together(&mut folds);
                rest.iter_mut().for_each(patterns::center_channels);
                if let Some(whitener) = self.fixed.as_ref().or(own.as_ref()) {
                    for patterns in folds.iter_mut().chain(&mut rest) {
                        whitener.whiten(patterns).await?;
                    }
                }
                context.step(0.5, "contracting the folds")?;
                match weights {
                    FoldWeights::Fold => crossval::between_folds(&folds, context.device).await?,
                    FoldWeights::Row => {
                        let pairs: Vec<(Mat<f64>, Mat<f64>)> = folds.iter().cloned().zip(rest).collect();
                        crossval::against_rest(&pairs, context.device).await?
                    }
                }
            }
        };
        let covariance = match per_fold {
            Some(_) => None,
            None => Some(Array::from_mat(trials::condition_covariance(&folds).await?.as_ref())),
        };
        let rdm = crossval::distances(&g);
        self.refuse(&rdm, trials.n(), |d| !d.is_finite())?;
        Ok(Found { rdm, condition_covariance: covariance })
    }

    async fn over_row_pairs(
        &self,
        pairs: RowPairs,
        trials: Option<&Trials>,
        dataset: &Dataset,
        context: &Context<'_>,
    ) -> Result<Vec<f64>, Error> {
        let spec = self.spec;
        let shape = dataset.shape();
        let [n, p] = *shape else {
            return Err(dataset.matrix().err().unwrap_or_else(|| Error::input(&spec.input, "is not a matrix")));
        };
        let values: Vec<f64> = match &*dataset.values {
            Values::F32(a) => a.iter().map(|&v| f64::from(v)).collect(),
            Values::F64(a) => a.iter().copied().collect(),
        };
        if values.iter().any(|v| v.is_infinite()) {
            dataset.reject_non_finite()?;
        }
        let gaps = values.iter().any(|v| v.is_nan());
        let (mut values, present) = trials::with_gaps(&values, n, p);
        if gaps && (spec.measure.uses_noise() && (spec.precision.is_some() || spec.noise.is_some())) {
            let message = "has gaps (NaN); noise covariances need complete rows: leave the noise out, or the channels with gaps";
            return Err(Error::input(&spec.input, message));
        }
        if spec.remove_mean {
            for row in 0..n {
                let total: f64 = present.col_as_slice(row).iter().sum();
                let mean = values.col_as_slice(row).iter().sum::<f64>() / total;
                values.col_as_slice_mut(row).iter_mut().zip(present.col_as_slice(row)).for_each(|(v, present)| *v -= mean * present);
            }
        }
        if !gaps {
            let matrix = self.matrix(dataset)?;
            patterns::center_channels(&mut values);
            let own = self.own_whitener(&matrix).await?;
            if let Some(whitener) = self.fixed.as_ref().or(own.as_ref()) {
                whitener.whiten(&mut values).await?;
            }
        }
        let own: Vec<usize> = (0..n).collect();
        let (codes, k) = trials.map_or((own.as_slice(), n), |t| (t.conditions.codes.as_slice(), t.n()));
        let folds = trials.and_then(|t| t.folds.as_ref()).map(|folds| folds.codes.as_slice());
        context.step(0.3, "averaging over pairs of rows")?;
        let g = crossval::over_row_pairs((&values, &present), codes, k, folds, pairs, context.device).await?;
        let scale = if spec.measure == Measure::Sqeuclidean && !spec.normalize { count(p) } else { 1.0 };
        let rdm: Vec<f64> = crossval::distances(&g).into_iter().map(|d| scale * d).collect();
        self.refuse(&rdm, k, f64::is_infinite)?;
        let missing = rdm.iter().filter(|d| d.is_nan()).count() / 2;
        if missing > 0 {
            let message =
                format!("{missing} pairs of conditions have no rows to compare (in different folds, with shared channels) and are NaN");
            context.warn("missing_pairs", message);
        }
        Ok(rdm)
    }

    /// Refuses dissimilarities that left the range of numbers.
    fn refuse(&self, rdm: &[f64], n: usize, bad: fn(f64) -> bool) -> Result<(), Error> {
        let Some(at) = rdm.iter().position(|d| bad(*d)) else { return Ok(()) };
        let (i, j, d) = (at / n + 1, at % n + 1, rdm[at]);
        let message = format!("the dissimilarity of conditions {i} and {j} is {d}: the values are too large, rescale them");
        Err(Error::Numerical { what: format!("the RDM of {}", self.spec.input), message })
    }

    /// What whitens patterns of p channels by a precision or by residuals of their own; `None` without these.
    async fn fixed_whitener(&self, p: usize) -> Result<Option<Whitener>, Error> {
        let spec = self.spec;
        if !spec.measure.uses_noise() {
            return Ok(None);
        }
        if let Some(name) = &spec.precision {
            let precision = self.inputs.matrix("precision", name)?;
            if (precision.n_samples(), precision.n_features()) != (p, p) {
                return Err(Error::Shape {
                    what: name.clone(),
                    expected: format!("a precision matrix of {p} x {p} (the channels of {})", spec.input),
                    got: format!("{} x {}", precision.n_samples(), precision.n_features()),
                });
            }
            return Ok(Some(Whitener::Precision(cholesky(&precision, "the noise precision")?)));
        }
        let Some((noise, name)) = spec.noise.as_ref().filter(|noise| !noise.per_fold).and_then(|n| Some((n, n.residuals.as_ref()?))) else {
            return Ok(None);
        };
        let rows = self.residuals(name, p)?;
        let n = rows.n_samples();
        let (codes, runs) = match &noise.runs {
            Some(labels) => {
                let runs = labels.classes(self.inputs, name, n)?;
                (runs.codes, runs.names.len())
            }
            None => (vec![0; n], 1),
        };
        self.estimated(noise, &Residuals::new(rows.to_mat(), &codes, runs, noise.degrees_of_freedom, name)?).await.map(Some)
    }

    /// What whitens the patterns by the deviations of rows from their condition; `None` where the noise does not come from these.
    async fn own_whitener(&self, matrix: &Matrix) -> Result<Option<Whitener>, Error> {
        let spec = self.spec;
        let own = spec.noise.as_ref().filter(|noise| spec.measure.uses_noise() && noise.residuals.is_none());
        let Some((noise, trials)) = own.zip(self.trials) else { return Ok(None) };
        let codes = &trials.conditions.codes;
        let residuals = Residuals::new(matrix.to_mat(), codes, trials.n(), noise.degrees_of_freedom, &spec.input)?;
        self.estimated(noise, &residuals).await.map(Some)
    }

    async fn estimated(&self, noise: &Noise, residuals: &Residuals) -> Result<Whitener, Error> {
        let covariance = noise::covariance(residuals, noise.covariance).await?;
        Whitener::of_covariance(&covariance, noise.covariance, &self.spec.input)
    }

    fn residuals(&self, name: &str, p: usize) -> Result<Matrix, Error> {
        let rows = self.inputs.matrix("noise.residuals", name)?;
        if rows.n_features() != p {
            return Err(Error::Shape {
                what: name.into(),
                expected: format!("residuals with {p} columns (the channels of {})", self.spec.input),
                got: format!("{} columns", rows.n_features()),
            });
        }
        Ok(rows)
    }

    /// The noise covariance of each fold, from the run of the residuals with its name.
    async fn covariance_of_folds(&self, noise: &Noise, trials: &Trials, matrix: &Matrix) -> Result<Vec<Mat<f64>>, Error> {
        let (Some(name), Some(labels), Some(folds)) = (&noise.residuals, &noise.runs, &trials.folds) else { return Ok(Vec::new()) };
        let rows = self.residuals(name, matrix.n_features())?;
        let runs = labels.classes(self.inputs, name, rows.n_samples())?;
        let each = noise::by_run(&rows.to_mat(), &runs, noise.degrees_of_freedom, name)?;
        let mut out = Vec::with_capacity(folds.names.len());
        for fold in &folds.names {
            let Some(at) = runs.names.iter().position(|run| run == fold) else {
                return Err(Error::input(name, format!("has no run \"{fold}\", which is a fold of {}", self.spec.input)));
            };
            out.push(noise::covariance(&each[at], noise.covariance).await?);
        }
        Ok(out)
    }
}

fn check_size(spec: &Spec, matrix: &Matrix) -> Result<(), Error> {
    let (n, p) = (matrix.n_samples(), matrix.n_features());
    let shape = |expected: &str, got: String| Err(Error::Shape { what: spec.input.clone(), expected: expected.into(), got });
    if n < 2 {
        return shape("at least 2 rows (conditions) for an RDM", format!("{n} row"));
    }
    if p < 2 && spec.measure == Measure::Correlation {
        return shape("at least 2 columns (channels) for correlations between rows", format!("{p} column"));
    }
    let needed_bytes = 8 * (2 * n as u64 + p as u64).saturating_mul(n as u64);
    let limit_bytes = isize::MAX as u64;
    if needed_bytes > limit_bytes {
        // Reached in a browser, where memory ends at 2 GiB.
        return Err(Error::TooLarge { what: format!("an RDM of {n} rows"), needed_bytes, limit_bytes });
    }
    Ok(())
}

async fn dissimilarities(
    spec: &Spec,
    mut patterns: Patterns,
    whitener: Option<&Whitener>,
    context: &Context<'_>,
) -> Result<Vec<f64>, Error> {
    let channels = count(patterns.channels());
    match spec.measure {
        Measure::Correlation | Measure::Cosine => {
            patterns.scale_to_unit();
            // |z_i - z_j|^2 / 2 = 1 - z_i'z_j for unit vectors.
            quadratic::squared_distances(patterns, |d| (0.5 * d).clamp(0.0, 2.0), context).await
        }
        Measure::Euclidean => quadratic::squared_distances(patterns, f64::sqrt, context).await,
        Measure::Sqeuclidean => {
            let divisor = if spec.normalize { channels } else { 1.0 };
            quadratic::squared_distances(patterns, |d| d / divisor, context).await
        }
        Measure::Gaussian => {
            let width = 2.0 * spec.sigma * spec.sigma;
            quadratic::squared_distances(patterns, |d| -(-d / width).exp_m1(), context).await
        }
        Measure::Mahalanobis | Measure::Crossnobis => {
            if let Some(whitener) = whitener {
                // On the host in f64 on every device: near-duplicate rows are recomputed from the whitened ones.
                patterns.center_channels();
                patterns.whiten(whitener).await?;
            }
            quadratic::squared_distances(patterns, |d| d / channels, context).await
        }
        Measure::Poisson | Measure::PoissonCv => {
            let (rates, logs) = patterns.into_rates(spec)?;
            let divisor = if spec.half { 2.0 * channels } else { channels };
            quadratic::rate_divergences(rates, logs, |d| d / divisor, context).await
        }
        Measure::Minkowski => pairwise::distances(&patterns, Kind::Minkowski(spec.minkowski_p), context),
        Measure::Cityblock => pairwise::distances(&patterns, Kind::Minkowski(1.0), context),
        Measure::Chebyshev => pairwise::distances(&patterns, Kind::Chebyshev, context),
    }
}

fn warn_unused(spec: &Spec, context: &Context<'_>) {
    let unused = |what: &str, by: &str| context.warn("unused_parameter", format!("{what} only used by {by}"));
    if !spec.measure.uses_noise() {
        if spec.precision.is_some() {
            unused("the precision matrix is", "mahalanobis and crossnobis");
        }
        if spec.noise.is_some() {
            unused("the noise covariance is", "mahalanobis and crossnobis");
        }
    }
    if spec.folds.is_some() && !spec.measure.is_cross_validated() {
        unused("folds are", "crossnobis and poisson_cv");
    }
}

fn warn_undefined(context: &Context<'_>, code: &str, what: &str, rows: &[usize]) {
    const SHOWN: usize = 5;
    if rows.is_empty() {
        return;
    }
    let first = rows.iter().take(SHOWN).map(|i| (i + 1).to_string()).collect::<Vec<_>>().join(", ");
    let more = if rows.len() > SHOWN { ", …" } else { "" };
    let (noun, verb) = if rows.len() == 1 { ("row", "is") } else { ("rows", "are") };
    context.warn(code, format!("{} {noun} (counted from 1: {first}{more}) {verb} {what} undefined (NaN)", rows.len()));
}
