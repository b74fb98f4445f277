//! Eigenspectrum and effective dimensionality.
//!
//! Each input is pooled to a matrix and centered on the host in f64, contracted to its smaller Gram matrix on the device, and the
//! eigenvalues of that come from the host. The effective dimensionality needs the Gram only.

mod measures;
mod pooling;
#[cfg(test)]
mod tests;
mod unbiased;

use faer::Mat;
use serde::{Deserialize, Serialize};

pub use measures::{PowerLaw, effective_dimensionality, power_law_alpha, variance_count};
pub use unbiased::{Variant, participation_ratio_unbiased};

use super::Context;
use crate::dataset::{Inputs, Shapes};
use crate::linalg::spectral;
use crate::progress::{Part, Progress};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs; one spectrum each.
    pub inputs: Vec<String>,
    /// How inputs with more than two axes (n x C x H x W) become matrices.
    pub pool: Pool,
    /// What is centered before the spectrum.
    pub centering: Centering,
    /// Which power-law exponent.
    pub alpha: AlphaFit,
    /// Seed of the random projection of `pool: none`.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self { inputs: Vec::new(), pool: Pool::Avg, centering: Centering::Column, alpha: AlphaFit::Logspaced, seed: 0 }
    }
}

/// Reduction of n x C x H x W activations to a matrix. Two-dimensional inputs pass unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Mean over the trailing axes.
    #[default]
    Avg,
    /// Maximum over the trailing axes.
    Max,
    /// No pooling: flattened and projected to 1,024 values by a seeded Gaussian matrix.
    None,
    /// No pooling: flattened.
    Flatten,
}

/// What is subtracted (and divided) before the spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centering {
    /// Column means.
    #[default]
    Column,
    /// Nothing.
    None,
    /// Column means, then row means.
    Both,
    /// Column means, then division by column standard deviations (ddof 0).
    Z,
}

/// Definition of the power-law exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphaFit {
    /// Ordinary least squares at 50 log-spaced indices.
    #[default]
    Logspaced,
    /// All indices up to 95 % of the log range.
    TailCut,
    /// Indices 11 to min(500, N) weighted by 1/n.
    Range,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// One per input, in the order of the spec.
    pub spectra: Vec<Spectrum>,
}

/// The spectrum of one input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// Name of the input.
    pub input: String,
    /// Rows.
    pub n_samples: u32,
    /// Columns after pooling.
    pub n_features: u32,
    /// Participation ratio of the eigenvalues; `None` for zero total variance.
    pub effective_dimensionality: Option<f64>,
    /// Bias-corrected participation ratio (rows and columns); `None` for fewer than 4 samples or 2 features.
    pub effective_dimensionality_unbiased: Option<f64>,
    /// Smallest number of components with at least 80 % of the variance; `None` for zero total variance.
    pub variance_80_count: Option<u32>,
    /// Power-law exponent; `None` with fewer than 3 usable eigenvalues.
    pub power_law_alpha: Option<f64>,
    /// Intercept of the same fit, in the logarithm that the fit uses (log10 for `logspaced`, else natural).
    pub power_law_intercept: Option<f64>,
    /// Eigenvalues of the covariance (ddof 1), descending, min(n, p) of them.
    pub eigenvalues: Array,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.clone()
    }

    /// What the run will cost: inputs one after the other, each with its copy in f64, Gram and eigenvalues.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        self.inputs.iter().fold(Estimate { flops: 0.0, peak_bytes: 0.0 }, |total, name| {
            let (n, width) = shapes.of(name);
            let axes = shapes.0.get(name).map_or(&[][..], Vec::as_slice);
            #[expect(clippy::cast_precision_loss, reason = "sizes for an estimate")]
            let (p, projection) = match (axes, self.pool) {
                ([_, _] | [_] | [], _) | (_, Pool::Flatten) => (width, 0.0),
                (_, Pool::None) => (pooling::PROJECTED as f64, 2.0 * n * width * pooling::PROJECTED as f64),
                ([_, channels, ..], Pool::Avg | Pool::Max) => (*channels as f64, n * width),
            };
            let r = n.min(p);
            let grams = if self.centering == Centering::Column { 1.0 } else { 2.0 };
            // The Gram computes one triangle; reduction to tridiagonal form 4/3 r^3.
            let flops = projection + grams * n * p * r + 4.0 / 3.0 * r * r * r + 10.0 * n * p;
            let held = 8.0 * (n * p + 3.0 * r * r);
            Estimate { flops: total.flops + flops, peak_bytes: total.peak_bytes.max(held) }
        })
    }
}

/// Eigenspectrum, effective dimensionality and power law of each input.
///
/// # Definition
/// With Xc the centered matrix (see [`Centering`]) and s its singular values: `lambda_i = s_i^2 / (n - 1)`, i = 1..min(n, p), descending.
/// Effective dimensionality = (sum lambda)^2 / sum lambda^2 = (tr G)^2 / |G|^2 with G the smaller of Xc'Xc and Xc Xc'.
/// The unbiased one is variant `both` of [`participation_ratio_unbiased`], of the pooled data whatever the centering.
///
/// # Shapes
/// Inputs (n, p), or (n, channels, ...) which [`Pool`] turns into (n, p) → min(n, p) eigenvalues each.
///
/// # Degenerate
/// Without variance the measures are `None`, with a warning. Eigenvalues below `max(n, p) eps lambda_1` (on a GPU `1e-6 lambda_1`) are
/// rounding and are set to zero; with n <= p there is at least one. The power-law fit leaves zeros out.
///
/// # Accuracy
/// 1e-12 relative on the CPU; on a GPU 1e-6 of `lambda_1`. The seed matters for `pool: none` only.
///
/// # Cost
/// n p min(n, p) + 4/3 min(n, p)^3 flops; one f64 copy of the input and three Gram matrices.
///
/// # Errors
/// [`Error::Parameter`] without inputs, [`Error::Input`] for fewer than 2 samples, [`Error::Shape`] for a vector,
/// [`Error::NonFinite`], [`Error::Numerical`] for values whose squares overflow, [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024 (spectra, ED, 80 % count, alpha); Chun, Canatar, Chung & Lee 2026 (unbiased).
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    if spec.inputs.is_empty() {
        return Err(Error::parameter("inputs", "no inputs are named; name at least one"));
    }
    let mut spectra = Vec::with_capacity(spec.inputs.len());
    #[expect(clippy::cast_precision_loss, reason = "a handful of inputs")]
    let part = |i: usize| i as f64 / spec.inputs.len() as f64;
    for (i, name) in spec.inputs.iter().enumerate() {
        let progress = Part::new(context.progress, part(i), part(i + 1));
        spectra.push(spectrum(spec, inputs, context, name, &progress).await?);
    }
    Ok(Output { spectra })
}

async fn spectrum(spec: &Spec, inputs: &Inputs, context: &Context<'_>, name: &str, progress: &dyn Progress) -> Result<Spectrum, Error> {
    let dataset = inputs.get("inputs", name)?;
    progress.step(0.0, &format!("{name}: pooling and centering"))?;
    let mut x = pooling::pooled(dataset, spec, context.device, progress).await?;
    let (n, p) = (x.nrows(), x.ncols());
    if n < 2 {
        return Err(Error::input(name, format!("it has {n} sample (rows) and {p} features; a spectrum needs at least 2 samples")));
    }
    progress.step(0.15, &format!("{name}: Gram matrix of {n} x {p}"))?;
    let uncentered = if spec.centering == Centering::None { Some(smaller_gram(context, &x).await?) } else { None };
    spectral::center_columns(&mut x);
    let centered = smaller_gram(context, &x).await?;
    let unbiased = unbiased::Sums::of_centered(x.as_ref(), &centered).participation_ratio(Variant::Both);
    let gram = match spec.centering {
        Centering::Column => centered,
        Centering::None => uncentered.unwrap_or(centered),
        Centering::Both => {
            center_rows(&mut x);
            smaller_gram(context, &x).await?
        }
        Centering::Z => {
            let n_constant = standardize(&mut x);
            if n_constant > 0 {
                context.warn("constant_columns", format!("{name}: {n_constant} of {p} columns are constant; their z-scores are set to 0"));
            }
            smaller_gram(context, &x).await?
        }
    };
    drop(x);
    let r = n.min(p);
    progress.step(0.5, &format!("{name}: eigenvalues of {r} x {r}"))?;
    let mut eigenvalues = spectral::symmetric_eigenvalues(gram.as_ref())?;
    let trace: f64 = (0..r).map(|i| gram[(i, i)]).sum();
    let effective = (trace > 0.0).then(|| trace * trace / gram.squared_norm_l2());
    // What remains of a zero eigenvalue after rounding would ruin a fit on logarithms.
    let largest = eigenvalues.first().copied().unwrap_or(0.0);
    let floor = spectral::rank_tolerance(n, p, largest).max(context.device.precision() * largest);
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    for value in &mut eigenvalues {
        *value = if *value > floor { *value / (n - 1) as f64 } else { 0.0 };
    }
    let power_law = power_law_alpha(&eigenvalues, spec.alpha);
    report(context, name, &eigenvalues, unbiased);
    let count = |k: usize| u32::try_from(k).unwrap_or(u32::MAX);
    Ok(Spectrum {
        input: name.into(),
        n_samples: count(n),
        n_features: count(p),
        effective_dimensionality: effective,
        effective_dimensionality_unbiased: unbiased,
        variance_80_count: variance_count(&eigenvalues, 0.8).map(count),
        power_law_alpha: power_law.map(|fit| fit.alpha),
        power_law_intercept: power_law.map(|fit| fit.intercept),
        eigenvalues: Array::vector(eigenvalues),
    })
}

/// Warns of what makes the numbers of an input less than they seem.
fn report(context: &Context<'_>, name: &str, eigenvalues: &[f64], unbiased: Option<f64>) {
    let n_zero = eigenvalues.iter().filter(|&&v| v == 0.0).count();
    let n_all = eigenvalues.len();
    if n_zero == n_all {
        context.warn("constant_data", format!("{name}: its rows are all equal; without variance its dimensionality is undefined"));
    } else if n_zero > 1 {
        context.warn(
            "zero_eigenvalues",
            format!("{name}: {n_zero} of {n_all} eigenvalues are zero within rounding; the power-law fit leaves them out"),
        );
    }
    if let Some(value) = unbiased.filter(|v| *v < 1.0) {
        context.warn(
            "unbiased_out_of_range",
            format!("{name}: the unbiased dimensionality is {value:.3}, below 1; there are too few or too noisy samples for it"),
        );
    }
}

/// Xc'Xc or Xc Xc', whichever is smaller.
async fn smaller_gram(context: &Context<'_>, x: &Mat<f64>) -> Result<Mat<f64>, Error> {
    if x.ncols() <= x.nrows() { context.device.gram_columns(x.as_ref()).await } else { context.device.gram_rows(x.as_ref()).await }
}

fn center_rows(x: &mut Mat<f64>) {
    let mut means = vec![0.0; x.nrows()];
    for j in 0..x.ncols() {
        means.iter_mut().zip(x.col_as_slice(j)).for_each(|(sum, v)| *sum += v);
    }
    #[expect(clippy::cast_precision_loss, reason = "column counts are far below 2^53")]
    means.iter_mut().for_each(|sum| *sum /= x.ncols() as f64);
    for j in 0..x.ncols() {
        x.col_as_slice_mut(j).iter_mut().zip(&means).for_each(|(v, mean)| *v -= mean);
    }
}

/// Divides centered columns by their standard deviation (ddof 0); returns how many are constant.
fn standardize(x: &mut Mat<f64>) -> usize {
    let mut n_constant = 0;
    for j in 0..x.ncols() {
        let column = x.col_as_slice_mut(j);
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let deviation = (column.iter().map(|v| v * v).sum::<f64>() / column.len() as f64).sqrt();
        if deviation > 0.0 {
            column.iter_mut().for_each(|v| *v /= deviation);
        } else {
            n_constant += 1;
        }
    }
    n_constant
}
