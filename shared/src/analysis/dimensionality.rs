//! Eigenspectrum and effective dimensionality.
//!
//! Each input is pooled to a matrix, centered on the host in f64 part by part, contracted to its smaller Gram matrix on the device, and the
//! eigenvalues of that come from the host. The effective dimensionality needs the Gram only.

mod correlation;
mod gram;
pub mod intrinsic;
mod measures;
mod output;
mod pieces;
pub(super) mod pooling;
mod spec;
mod tables;
#[cfg(test)]
mod tests;
mod unbiased;

use faer::Mat;

pub use correlation::correlation_dimension;
pub use measures::{PowerLaw, effective_dimensionality, effective_rank, entropy_dimension, power_law_alpha, variance_count};
pub use output::{ClassIntrinsic, Intrinsic, Output, Spectrum};
pub use pieces::{Piece, Unit};
pub(crate) use pieces::{divide, join, run as run_units};
pub use pooling::{PROJECTED, Projection};
pub use spec::{AlphaFit, Centering, Generator, Pool, Spec};
pub use tables::{metrics_csv, spectra_csv};
pub use unbiased::{Variant, participation_ratio_unbiased};

use super::Context;
use crate::blocks::Blocks;
use crate::dataset::Inputs;
use crate::labels::Classes;
use crate::linalg::pca::Zca;
use crate::linalg::spectral;
use crate::progress::{Part, Progress};
use crate::{Array, Error};
use gram::Grams;
use pooling::Pooling;

/// Eigenspectrum, effective dimensionality and power law of each input.
///
/// # Definition
/// With Xc the centered matrix (see [`Centering`]) and s its singular values: `lambda_i = s_i^2 / (n - 1)`, i = 1..min(n, p), descending.
/// Effective dimensionality = (sum lambda)^2 / sum lambda^2 = (tr G)^2 / |G|^2 with G the smaller of Xc'Xc and Xc Xc'.
/// The unbiased ones are variants `both`, `row` and `col` of [`participation_ratio_unbiased`], of the pooled data whatever the centering.
/// Entropy dimension: [`entropy_dimension`]; effective rank: [`effective_rank`]. Intrinsic dimensions ([`intrinsic`]) are of the pooled
/// data; with labels also those of the class means and of the rows of each class.
/// With `zca` everything is of `z = (x - mean) U diag(max(s, 1e-6)^-1/2) U'`, mean and covariance U diag(s) U' of the pooled reference rows.
///
/// # Shapes
/// Inputs (n, p), or (n, channels, ...) which [`Pool`] turns into (n, p) → min(n, p) eigenvalues each. Reference rows: (m, p), m >= 2.
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
/// [`Error::Parameter`] as [`Spec::check`], [`Error::Input`] for fewer than 2 samples, [`Error::Shape`] for a vector and for reference rows
/// of another width, those of [`Labels::classes`](crate::labels::Labels::classes), [`Error::NonFinite`], [`Error::Numerical`] for values whose squares overflow, [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024 (spectra, ED, 80 % count, alpha); Chun, Canatar, Chung & Lee 2026 (unbiased);
/// Facco et al. 2017 and Levina & Bickel 2004 (intrinsic).
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    spec.check()?;
    let mut spectra = Vec::with_capacity(spec.inputs.len());
    #[expect(clippy::cast_precision_loss, reason = "a handful of inputs")]
    let part = |i: usize| i as f64 / spec.inputs.len() as f64;
    let mut pooling = spec.projection()?;
    for (i, name) in spec.inputs.iter().enumerate() {
        let progress = Part::new(context.progress, part(i), part(i + 1));
        let blocks = rows(spec, inputs, context, name, &mut pooling, &progress).await?;
        spectra.push(spectrum(spec, inputs, context, name, blocks, &progress).await?);
    }
    Ok(Output { spectra })
}

/// The rows of an input as the spectrum takes them: pooled and, with a reference, whitened.
async fn rows<'a>(
    spec: &Spec,
    inputs: &'a Inputs,
    context: &Context<'_>,
    name: &str,
    pooling: &mut Pooling,
    progress: &dyn Progress,
) -> Result<Blocks<'a>, Error> {
    // The reference has the projection of its input, not the next one.
    let mut same = pooling.clone();
    let blocks = matrix(inputs, context, ("inputs", name), pooling, progress).await?;
    let Some(reference) = &spec.zca else { return Ok(blocks) };
    let fitted = matrix(inputs, context, ("zca", reference), &mut same, progress).await?;
    let (n, p) = (fitted.n_samples(), fitted.n_features());
    if n < 2 || p != blocks.n_features() {
        return Err(Error::Shape {
            what: reference.clone(),
            expected: format!("at least 2 reference rows of {} columns as in {name} after pooling", blocks.n_features()),
            got: format!("{n} x {p}"),
        });
    }
    progress.step(0.15, &format!("{name}: ZCA transform of {p} features"))?;
    let zca = Zca::fit(fitted.rows(0..n)?)?;
    Ok(Blocks::of_mat(name, zca.transform(blocks.rows(0..blocks.n_samples())?)))
}

async fn matrix<'a>(
    inputs: &'a Inputs,
    context: &Context<'_>,
    (field, name): (&str, &str),
    pooling: &mut Pooling,
    progress: &dyn Progress,
) -> Result<Blocks<'a>, Error> {
    if inputs.shape(field, name)?.len() < 3 {
        return inputs.blocks(field, name);
    }
    progress.step(0.0, &format!("{name}: pooling"))?;
    Ok(Blocks::of_mat(name, pooling.apply(inputs.get(field, name)?, context.device, progress).await?))
}

async fn spectrum(
    spec: &Spec,
    inputs: &Inputs,
    context: &Context<'_>,
    name: &str,
    blocks: Blocks<'_>,
    progress: &dyn Progress,
) -> Result<Spectrum, Error> {
    let (n, p) = (blocks.n_samples(), blocks.n_features());
    if n < 2 {
        return Err(Error::input(name, format!("it has {n} sample (rows) and {p} features; a spectrum needs at least 2 samples")));
    }
    let intrinsic = if spec.intrinsic {
        let classes = spec.labels.as_ref().map(|labels| labels.classes(inputs, name, n)).transpose()?;
        Some(intrinsic_dimensions(spec, context, &blocks.rows(0..n)?, classes.as_ref(), &Part::new(progress, 0.05, 0.15)).await?)
    } else {
        None
    };
    progress.step(0.15, &format!("{name}: Gram matrix of {n} x {p}"))?;
    let products = Part::new(progress, 0.15, if spec.spectrum { 0.5 } else { 1.0 });
    let grams = gram::of(&blocks, spec.centering, context.device, &products).await?;
    drop(blocks);
    finish(spec, context, name, (n, p), grams, intrinsic, &Part::new(progress, 0.5, 1.0))
}

/// The spectrum of an input of n rows and p columns from its Gram matrix.
fn finish(
    spec: &Spec,
    context: &Context<'_>,
    name: &str,
    (n, p): (usize, usize),
    grams: Grams,
    intrinsic: Option<Intrinsic>,
    progress: &dyn Progress,
) -> Result<Spectrum, Error> {
    let Grams { matrix: gram, sums, n_constant } = grams;
    if spec.centering == Centering::Z && n_constant > 0 {
        context.warn("constant_columns", format!("{name}: {n_constant} of {p} columns are constant; their z-scores are set to 0"));
    }
    let unbiased = sums.participation_ratio(Variant::Both);
    let r = n.min(p);
    let trace: f64 = (0..r).map(|i| gram[(i, i)]).sum();
    let effective = (trace > 0.0).then(|| trace * trace / gram.squared_norm_l2());
    let mut eigenvalues = Vec::new();
    if spec.spectrum {
        progress.step(0.0, &format!("{name}: eigenvalues of {r} x {r}"))?;
        eigenvalues = spectral::symmetric_eigenvalues(gram, progress)?;
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
        effective_rank: effective_rank(&eigenvalues),
        intrinsic,
        variance_80_count: variance_count(&eigenvalues, 0.8).map(count),
        power_law_alpha: power_law.map(|fit| fit.alpha),
        power_law_intercept: power_law.map(|fit| fit.intercept),
        eigenvalues: Array::vector(eigenvalues),
    })
}

async fn intrinsic_dimensions(
    spec: &Spec,
    context: &Context<'_>,
    x: &Mat<f64>,
    classes: Option<&Classes>,
    progress: &dyn Progress,
) -> Result<Intrinsic, Error> {
    let neighbors = intrinsic::Neighbors::of(x.as_ref(), context.device, progress).await?;
    let two_nn = intrinsic::two_nn(&neighbors, spec.two_nn_fraction);
    let classes = match classes {
        Some(classes) => Some(intrinsic::by_class(x, classes, spec.two_nn_fraction, context.device, progress).await?),
        None => None,
    };
    Ok(Intrinsic {
        two_nn: two_nn.map(|d| d.fit),
        two_nn_likelihood: two_nn.map(|d| d.likelihood),
        maximum_likelihood: intrinsic::maximum_likelihood(&neighbors, intrinsic::Average::Inverse),
        maximum_likelihood_mean: intrinsic::maximum_likelihood(&neighbors, intrinsic::Average::Direct),
        correlation: correlation_dimension(x.as_ref(), context.device, progress).await?,
        n_distinct: u32::try_from(neighbors.n).unwrap_or(u32::MAX),
        classes,
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
