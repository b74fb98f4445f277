//! Encoding models: predict targets (neurons, voxels) from features, scored on held-out rows.

mod banded;
mod best_unit;
mod ceiling;
mod check;
pub(in crate::analysis) mod columns;
mod convention;
pub mod cv;
mod dominant;
mod estimate;
mod fit;
mod intercept;
mod kernel;
mod leave_one_out;
pub mod linear;
pub mod ols;
mod output;
mod pieces;
pub mod pls;
mod preset;
mod products;
pub(in crate::analysis) mod regression;
mod ridge;
pub(in crate::analysis) mod score;
mod selection;
mod spec;
mod stratified;
#[cfg(test)]
mod tests;

use super::Context;
use crate::Error;
use crate::dataset::Inputs;
pub use check::Checked;
pub use cv::Split;
pub use output::{Bands, Output, SplitScore};
pub use pieces::{Piece, Targets};
pub(crate) use pieces::{divide, join, run as run_targets};
pub use preset::Preset;
pub use spec::{Components, Convention, Cv, Kernel, Model, Selection, Spec, default_alphas};

/// Fits and scores an encoding model on every split.
///
/// # Definition
/// Features and targets are centered by their training means, the model is fitted on the training rows and predicts the held-out ones.
/// `median_r` = mean over splits of the median over targets of Pearson r; `r2_uniform` = mean over splits of the mean over targets of
/// `R2 = 1 - SSE / SST`, SST about the mean of the held-out rows. Estimators: [`ols::fit`], [`pls::fit`], and ridge
/// `beta = (Xc'Xc + alpha)^-1 Xc'Yc`, the penalty of each target chosen on the training rows of the split; kernel ridge puts another
/// [`Kernel`] in the place of `Xc Xc'`, banded ridge a mixture `sum_b gamma_b X_b X_b'` chosen per target from the vertices and the center of
/// the simplex and Dirichlet draws. With `pca` the features are scores of principal components (means of the rows that those are fitted on).
/// `scaled_penalties` gives penalties in units of `tr(Xc'Xc) / p` of the training rows; `penalize_intercept` appends a column of ones to the
/// features and penalizes it too.
/// The ceiling is the split-half consistency of the targets' repetitions (ten random halvings, Spearman-Brown).
///
/// # Shapes
/// features: (n, p), targets: (n, t) → t scores a split.
///
/// # Degenerate
/// Constant targets (on the held-out rows) and constant predictions have no r; they are left out of medians and means and named in a warning.
/// A split without any defined score has `None`. Features without variance predict the training mean.
///
/// # Accuracy
/// f64 on the CPU: 1e-9 for least squares and ridge, 1e-6 for PLS. On a GPU contractions carry a relative error of 1e-6; directions of
/// ridge below that are dropped, least squares decomposes on the host. Deterministic.
///
/// # Cost
/// Least squares: a QR or SVD a split. Ridge: the Gram matrices of all splits for the price of two, one eigendecomposition of side
/// `min(n, p)` a split. PLS: `4 n p` flops a component. Memory: a few copies of the features and of a block of 32 Mi values of the targets, plus
/// Gram matrices of the smaller side; targets in a large file are read block by block, and what is made of the features is made again for each
/// block. PLS holds all targets: its components are those of all of them together.
///
/// # Errors
/// Those of [`Spec::check`]; [`Error::Numerical`], [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Hoerl & Kennard 1970; Dupré la Tour et al. 2022 (banded ridge, himalaya); leave-one-out and GCV as in Golub, Heath & Wahba 1979; score conventions of Brain-Score and scikit-learn.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    let blocks = fit::target_blocks(spec, &checked, 0..checked.targets.n_features());
    let (fitted, origin) = fit::fit(spec, &checked, context, &blocks).await?;
    fit::finish(fitted, spec, &checked, &origin, context)
}
