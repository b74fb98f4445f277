//! Eigenspectrum and effective dimensionality.
//!
//! Each input is pooled to a matrix, centered on the host in f64 part by part, contracted to its smaller Gram matrix on the device, and the
//! eigenvalues of that come from the host. The effective dimensionality needs the Gram only.

mod gram;
pub mod intrinsic;
mod measures;
pub(super) mod pooling;
#[cfg(test)]
mod tests;
mod unbiased;

use faer::Mat;
use serde::{Deserialize, Serialize};

pub use measures::{PowerLaw, effective_dimensionality, entropy_dimension, power_law_alpha, variance_count};
pub use unbiased::{Variant, participation_ratio_unbiased};

use super::Context;
use crate::blocks::Blocks;
use crate::dataset::{Inputs, Shapes};
use crate::linalg::spectral;
use crate::progress::{Part, Progress};
use crate::{Array, Error, Estimate};
use gram::Grams;

/// Values that are held at a time of an input with two axes, about.
const PART_VALUES: f64 = 16e6;

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
    /// Compute the eigenvalues. Without them the run stops at the Gram matrix, which is all that the dimensionalities need.
    pub spectrum: bool,
    /// Estimate the intrinsic dimension from distances between rows, which costs n^2 p more.
    pub intrinsic: bool,
    /// Seed of the random projection of `pool: none`.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            pool: Pool::Avg,
            centering: Centering::Column,
            alpha: AlphaFit::Logspaced,
            spectrum: true,
            intrinsic: false,
            seed: 0,
        }
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
    /// The same, corrected for a finite number of rows only.
    pub effective_dimensionality_unbiased_row: Option<f64>,
    /// The same, corrected for a finite number of columns only.
    pub effective_dimensionality_unbiased_col: Option<f64>,
    /// Exponential of the entropy of the normalized eigenvalues; `None` for zero total variance or without a spectrum.
    pub entropy_dimension: Option<f64>,
    /// Intrinsic dimensions; `None` unless the spec asks for them.
    pub intrinsic: Option<Intrinsic>,
    /// Smallest number of components with at least 80 % of the variance; `None` for zero total variance or without a spectrum.
    pub variance_80_count: Option<u32>,
    /// Power-law exponent; `None` with fewer than 3 usable eigenvalues or without a spectrum.
    pub power_law_alpha: Option<f64>,
    /// Intercept of the same fit, in the logarithm that the fit uses (log10 for `logspaced`, else natural).
    pub power_law_intercept: Option<f64>,
    /// Eigenvalues of the covariance (ddof 1), descending, min(n, p) of them; none when the spec asks for no spectrum.
    pub eigenvalues: Array,
}

/// Intrinsic dimensions from distances to nearest neighbors, each `None` where it is undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intrinsic {
    /// `TwoNN`, fitted line; see [`intrinsic::two_nn`].
    pub two_nn: Option<f64>,
    /// `TwoNN`, maximum likelihood.
    pub two_nn_likelihood: Option<f64>,
    /// Levina & Bickel, k = 10..20; see [`intrinsic::maximum_likelihood`].
    pub maximum_likelihood: Option<f64>,
    /// Different rows that the distances are between.
    pub n_distinct: u32,
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
            let decomposition = if self.spectrum { 4.0 / 3.0 * r * r * r } else { 0.0 };
            let distances = if self.intrinsic { 2.0 * n * n * p } else { 0.0 };
            let flops = projection + grams * n * p * r + decomposition + distances + 10.0 * n * p;
            let parts = if axes.len() < 3 { (n * p).min(PART_VALUES) } else { n * p };
            let held = 8.0 * (2.0 * parts + grams * r * r);
            Estimate { flops: total.flops + flops, peak_bytes: total.peak_bytes.max(held) }
        })
    }
}

/// Eigenspectrum, effective dimensionality and power law of each input.
///
/// # Definition
/// With Xc the centered matrix (see [`Centering`]) and s its singular values: `lambda_i = s_i^2 / (n - 1)`, i = 1..min(n, p), descending.
/// Effective dimensionality = (sum lambda)^2 / sum lambda^2 = (tr G)^2 / |G|^2 with G the smaller of Xc'Xc and Xc Xc'.
/// The unbiased ones are variants `both`, `row` and `col` of [`participation_ratio_unbiased`], of the pooled data whatever the centering.
/// Entropy dimension: [`entropy_dimension`]. Intrinsic dimensions ([`intrinsic`]) are of the pooled data.
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
/// n p min(n, p) flops for the dimensionalities, 4/3 min(n, p)^3 more for the spectrum; memory of its Gram matrix
/// (two for other centerings) and of some 128 MiB of the input at a time; with more samples than features the input is read twice.
///
/// # Errors
/// [`Error::Parameter`] without inputs, [`Error::Input`] for fewer than 2 samples, [`Error::Shape`] for a vector,
/// [`Error::NonFinite`], [`Error::Numerical`] for values whose squares overflow, [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024 (spectra, ED, 80 % count, alpha); Chun, Canatar, Chung & Lee 2026 (unbiased);
/// Facco et al. 2017 and Levina & Bickel 2004 (intrinsic).
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
    let blocks = if inputs.shape("inputs", name)?.len() < 3 {
        inputs.blocks("inputs", name)?
    } else {
        progress.step(0.0, &format!("{name}: pooling"))?;
        Blocks::of_mat(name, pooling::pooled(inputs.get("inputs", name)?, spec.pool, spec.seed, context.device, progress).await?)
    };
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    if n < 2 {
        return Err(Error::input(name, format!("it has {n} sample (rows) and {p} features; a spectrum needs at least 2 samples")));
    }
    let intrinsic = if spec.intrinsic {
        Some(intrinsic_dimensions(context, &blocks.rows(0..n)?, &Part::new(progress, 0.05, 0.15)).await?)
    } else {
        None
    };
    progress.step(0.15, &format!("{name}: Gram matrix of {n} x {p}"))?;
    let Grams { matrix: gram, sums, n_constant } =
        gram::of(&blocks, spec.centering, context.device, &Part::new(progress, 0.15, if spec.spectrum { 0.5 } else { 1.0 })).await?;
    drop(blocks);
    if spec.centering == Centering::Z && n_constant > 0 {
        context.warn("constant_columns", format!("{name}: {n_constant} of {p} columns are constant; their z-scores are set to 0"));
    }
    let unbiased = sums.participation_ratio(Variant::Both);
    let r = n.min(p);
    let trace: f64 = (0..r).map(|i| gram[(i, i)]).sum();
    let effective = (trace > 0.0).then(|| trace * trace / gram.squared_norm_l2());
    let mut eigenvalues = Vec::new();
    if spec.spectrum {
        progress.step(0.5, &format!("{name}: eigenvalues of {r} x {r}"))?;
        eigenvalues = spectral::symmetric_eigenvalues(gram, &Part::new(progress, 0.5, 1.0))?;
    }
    // What remains of a zero eigenvalue after rounding would ruin a fit on logarithms.
    let largest = eigenvalues.first().copied().unwrap_or(0.0);
    let floor = spectral::rank_tolerance(n, p, largest).max(context.device.precision() * largest);
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    for value in &mut eigenvalues {
        *value = if *value > floor { *value / (n - 1) as f64 } else { 0.0 };
    }
    let power_law = power_law_alpha(&eigenvalues, spec.alpha);
    report(context, name, trace, &eigenvalues, unbiased);
    let count = |k: usize| u32::try_from(k).unwrap_or(u32::MAX);
    Ok(Spectrum {
        input: name.into(),
        n_samples: count(n),
        n_features: count(p),
        effective_dimensionality: effective,
        effective_dimensionality_unbiased: unbiased,
        effective_dimensionality_unbiased_row: sums.participation_ratio(Variant::Row),
        effective_dimensionality_unbiased_col: sums.participation_ratio(Variant::Col),
        entropy_dimension: entropy_dimension(&eigenvalues),
        intrinsic,
        variance_80_count: variance_count(&eigenvalues, 0.8).map(count),
        power_law_alpha: power_law.map(|fit| fit.alpha),
        power_law_intercept: power_law.map(|fit| fit.intercept),
        eigenvalues: Array::vector(eigenvalues),
    })
}

async fn intrinsic_dimensions(context: &Context<'_>, x: &Mat<f64>, progress: &dyn Progress) -> Result<Intrinsic, Error> {
    let neighbors = intrinsic::Neighbors::of(x.as_ref(), context.device, progress).await?;
    let two_nn = intrinsic::two_nn(&neighbors);
    Ok(Intrinsic {
        two_nn: two_nn.map(|d| d.fit),
        two_nn_likelihood: two_nn.map(|d| d.likelihood),
        maximum_likelihood: intrinsic::maximum_likelihood(&neighbors),
        n_distinct: u32::try_from(neighbors.n).unwrap_or(u32::MAX),
    })
}

/// Warns of what makes the numbers of an input less than they seem.
fn report(context: &Context<'_>, name: &str, trace: f64, eigenvalues: &[f64], unbiased: Option<f64>) {
    let n_zero = eigenvalues.iter().filter(|&&v| v == 0.0).count();
    let n_all = eigenvalues.len();
    if trace == 0.0 {
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
