//! Variance partitioning: what feature spaces explain alone and what they share.

mod check;
mod subsets;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use super::encoding::columns::{about_means, count};
use super::encoding::regression;
use super::encoding::score::{Scores, listed};
use super::encoding::{self, Cv, Model};
use crate::dataset::{Inputs, Shapes};
use crate::stats::commonality;
use crate::{Array, Error, Estimate};
pub use check::Checked;
use subsets::Subsets;

/// Most feature spaces: every subset of them is a model.
pub const MAX_SPACES: usize = 4;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of two to four feature spaces with the same rows; A is the first.
    pub spaces: Vec<String>,
    /// Name of the targets (n x t), the same rows.
    pub targets: String,
    /// The estimator: `ols` or `ridge`.
    pub model: Model,
    /// How rows are split; `null` fits and scores on all rows.
    pub cv: Option<Cv>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { spaces: Vec::new(), targets: String::new(), model: Model::default(), cv: Some(Cv::default()) }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the feature spaces: A, B, …
    pub spaces: Vec<String>,
    /// Name of the targets.
    pub targets: String,
    /// Parts of the variance, mean over targets: unique ones, those that two spaces share, …, and the total.
    pub parts: Vec<Part>,
    /// R2 of the model of each subset of the spaces, mean over targets, in the order of `parts`; the last is the full model.
    pub models: Vec<SubsetModel>,
    /// Parts of each target: t x (parts without the total); NaN for constant targets.
    pub per_target: Array,
    /// R2 of each target: t x models.
    pub per_target_r2: Array,
    /// Splits averaged over; 0 when fitted and scored on the same rows.
    pub n_splits: u32,
    /// Targets that are left out because they are constant on the scored rows.
    pub n_left_out: u32,
}

/// A part of the explained variance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `Unique_A`, `Common_A_and_B`, …, `Total`.
    #[serde(rename = "Row")]
    pub row: String,
    /// Names of the spaces that it belongs to.
    pub spaces: Vec<String>,
    /// R2, which may be negative; `None` without targets that vary.
    #[serde(rename = "Coefficient")]
    pub coefficient: Option<f64>,
    /// Percentage of the total; `None` unless that is above 0.
    #[serde(rename = "Percent_Total")]
    pub percent_total: Option<f64>,
}

/// The model of a subset of the spaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubsetModel {
    /// Names of its spaces.
    pub spaces: Vec<String>,
    /// R2, mean over targets.
    pub r2: Option<f64>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let cv = self.cv.as_ref().and_then(Cv::input).map(Into::into);
        self.spaces.iter().cloned().chain([self.targets.clone()]).chain(cv).collect()
    }

    /// What the run will cost: an encoding model for each subset.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let widths: Vec<usize> =
            self.spaces.iter().take(MAX_SPACES).map(|name| shapes.0.get(name).map_or(0, |s| s.iter().skip(1).product())).collect();
        let n = self.spaces.first().and_then(|name| shapes.0.get(name)).and_then(|s| s.first().copied()).unwrap_or(0);
        let mut total = Estimate { flops: 0.0, peak_bytes: 0.0 };
        for mask in 1..1usize << widths.len() {
            let width = widths.iter().enumerate().filter(|(b, _)| mask >> b & 1 == 1).map(|(_, w)| w).sum();
            let mut shapes = shapes.clone();
            shapes.0.insert("subset".into(), vec![n, width]);
            let cv = self.cv.clone().unwrap_or(Cv::Contiguous { train_fraction: 0.5, validation_fraction: 0.0 });
            let (features, targets, model) = ("subset".into(), self.targets.clone(), self.model.clone());
            let one = encoding::Spec { features, targets, model, cv, ..encoding::Spec::default() }.estimate(&shapes);
            total.flops += one.flops;
            total.peak_bytes = total.peak_bytes.max(one.peak_bytes);
        }
        // The spaces themselves, and their kernels, stay.
        let kept: usize = widths.iter().map(|w| w + n).sum();
        total.peak_bytes += 8.0 * count(n) * count(kept);
        total
    }
}

/// The subsets of m spaces as bits: single ones first, then pairs, …, each group in the order of the spaces.
fn order(m: usize) -> Vec<usize> {
    let mut masks: Vec<usize> = (1..1 << m).collect();
    // Reversed bits put A before B within a group: {A, B}, {A, C}, {B, C}.
    masks.sort_by_key(|mask: &usize| (mask.count_ones(), std::cmp::Reverse(mask.reverse_bits())));
    masks
}

fn members<T: Clone>(mask: usize, of: &[T]) -> Vec<T> {
    of.iter().enumerate().filter(|(b, _)| mask >> b & 1 == 1).map(|(_, name)| name.clone()).collect()
}

/// `Unique_A`, `Common_A_and_B_and_C`.
fn row_name(mask: usize) -> String {
    let letters = members(mask, &["A", "B", "C", "D"]).join("_and_");
    if mask.is_power_of_two() { format!("Unique_{letters}") } else { format!("Common_{letters}") }
}

/// Divides the explained variance of targets between feature spaces.
///
/// # Definition
/// R2 of the model of every subset of the spaces (their features side by side), on held-out rows as the mean over splits or, without splits,
/// on the rows fitted on. For two spaces: `Unique_A = R2(AB) - R2(B)`, `Unique_B = R2(AB) - R2(A)`, `Common_A_and_B = R2(A) + R2(B) - R2(AB)`;
/// for more by inclusion and exclusion, see [`commonality`]. The parts add up to `Total`, R2 of all spaces; percentages are relative to it.
/// Ridge chooses a penalty per target, subset and split on the training rows.
///
/// # Shapes
/// spaces: two to four of (n, `p_b`), targets: (n, t) → `2^m - 1` parts, each for t targets.
///
/// # Degenerate
/// Parts may be negative: shared ones by suppression, unique ones because held-out R2 may fall when features are added. They stay so.
/// Targets that are constant on the scored rows have no parts; they are named in a warning and left out of means. Percentages of a total that
/// is not above 0 are undefined.
///
/// # Accuracy
/// f64 on the CPU: 1e-9. Ridge with more features than training rows works on kernels.
///
/// # Cost
/// `2^m - 1` models a split. The kernel of a subset is the sum of the kernels of its spaces, each computed once.
///
/// # Errors
/// Those of [`Spec::check`]; [`Error::Numerical`], [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Nimon, Lewis, Kane & Haynes 2008 (names of rows and columns); Lescroart, Stansbury & Gallant 2015 (held-out); Elmoznino & Bonner 2024.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let checked = spec.check(inputs)?;
    let (y, _) = about_means(checked.targets.to_mat(), "targets", &spec.targets)?;
    let mut spaces = Vec::with_capacity(checked.spaces.len());
    for space in &checked.spaces {
        spaces.push(about_means(space.to_mat(), "spaces", space.name())?.0);
    }
    let (n, t) = y.shape();
    let n_train = checked.splits.iter().map(|split| split.train.len()).min().unwrap_or(n);
    let subsets = Subsets::new(spaces, &spec.model, n_train, context.device).await?;
    let masks = order(checked.spaces.len());
    let mut r2 = vec![vec![f64::NAN; t]; masks.len() + 1];
    let mut alpha = Vec::new();
    for (i, &mask) in masks.iter().enumerate() {
        let columns = subsets.columns(mask);
        let model = subsets.model(mask, &columns, &y, context.device).await?;
        let mut scores = Scores::new(n, t, false);
        for (j, split) in checked.splits.iter().enumerate() {
            let done = count(i) + count(j) / count(checked.splits.len());
            context.step(0.02 + 0.97 * done / count(masks.len()), &format!("model {} of {}", i + 1, masks.len()))?;
            let predicted = model.predict(&spec.model, split).await?;
            scores.add(split, &y, &predicted.values, &regression::training_means(&y, split));
            alpha.extend(predicted.alpha);
        }
        r2[mask] = scores.target_r2();
    }
    r2[0].fill(0.0);
    regression::warn_of_edges(&spec.model, &alpha, t, context);
    warn(spec, &checked, &r2, context);
    Ok(finish(spec, &checked, &masks, &r2))
}

fn warn(spec: &Spec, checked: &Checked, r2: &[Vec<f64>], context: &Context<'_>) {
    let left_out: Vec<bool> = r2[r2.len() - 1].iter().map(|v| v.is_nan()).collect();
    if let Some((n, which)) = listed(&left_out, checked.target_names.as_deref()) {
        let message =
            format!("{n} of {} targets are constant on the scored rows ({which}): they have no parts and are left out", left_out.len());
        context.warn("constant_targets", message);
    }
    let width: usize = checked.spaces.iter().map(crate::dataset::Matrix::n_features).sum();
    let n = checked.targets.n_samples();
    if spec.cv.is_none() && spec.model == Model::Ols && width + 1 >= n {
        context.warn(
            "saturated",
            format!(
                "least squares on {width} features fits {n} rows exactly: R2 is 1 whatever the features are; hold rows out or use ridge"
            ),
        );
    }
}

fn finish(spec: &Spec, checked: &Checked, masks: &[usize], r2: &[Vec<f64>]) -> Output {
    let (t, full) = (checked.targets.n_features(), r2.len() - 1);
    let (mut per_target, mut per_target_r2) = (Vec::with_capacity(t * masks.len()), Vec::with_capacity(t * masks.len()));
    for target in 0..t {
        let of_target: Vec<f64> = r2.iter().map(|r2| r2[target]).collect();
        let parts = commonality(&of_target);
        per_target.extend(masks.iter().map(|&mask| parts[mask]));
        per_target_r2.extend(masks.iter().map(|&mask| of_target[mask]));
    }
    let mean = |cells: &[f64], at: usize| {
        let defined: Vec<f64> = cells.iter().skip(at).step_by(masks.len()).copied().filter(|v| v.is_finite()).collect();
        (!defined.is_empty()).then(|| crate::stats::mean(&defined))
    };
    let total = mean(&per_target_r2, masks.len() - 1);
    let percent = |part: Option<f64>| part.zip(total.filter(|t| *t > 0.0)).map(|(part, total)| 100.0 * part / total);
    let part = |row: String, mask: usize, coefficient: Option<f64>| Part {
        row,
        spaces: members(mask, &spec.spaces),
        coefficient,
        percent_total: percent(coefficient),
    };
    let mut parts: Vec<Part> = masks.iter().enumerate().map(|(i, &mask)| part(row_name(mask), mask, mean(&per_target, i))).collect();
    parts.push(part("Total".into(), full, total));
    let n_left_out = r2[full].iter().filter(|v| v.is_nan()).count();
    Output {
        spaces: spec.spaces.clone(),
        targets: spec.targets.clone(),
        parts,
        models: masks
            .iter()
            .enumerate()
            .map(|(i, &mask)| SubsetModel { spaces: members(mask, &spec.spaces), r2: mean(&per_target_r2, i) })
            .collect(),
        per_target: Array::matrix(t, masks.len(), per_target),
        per_target_r2: Array::matrix(t, masks.len(), per_target_r2),
        n_splits: if spec.cv.is_some() { u32::try_from(checked.splits.len()).unwrap_or(u32::MAX) } else { 0 },
        n_left_out: u32::try_from(n_left_out).unwrap_or(u32::MAX),
    }
}
