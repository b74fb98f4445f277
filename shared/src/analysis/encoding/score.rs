//! Scores of predictions on held-out rows and their aggregation over targets and splits.

use faer::Mat;

use super::ceiling::Ceiling;
use super::columns::{constant, count, map_indices, take_centered};
use super::convention::{self, Parts};
use super::cv::Split;
use super::{Checked, Convention, Output, Spec, SplitScore};
use crate::Array;
use crate::analysis::Context;

/// Pearson r and R2 of each target on held-out rows.
///
/// # Definition
/// `r` = correlation of observed and predicted values; `R2 = 1 - SSE / SST`, SST about the mean of the scored rows.
///
/// # Shapes
/// observed, predicted: (m, t), both about the same origin; `flat` marks targets that are constant on the scored rows.
///
/// # Degenerate
/// A constant target or a single row: both NaN. A constant prediction: r is NaN.
fn targets(observed: &Mat<f64>, predicted: &Mat<f64>, flat: &[bool]) -> Vec<(f64, f64)> {
    let m = count(observed.nrows());
    map_indices(observed.ncols(), |k| {
        if flat[k] {
            return (f64::NAN, f64::NAN);
        }
        let (y, z) = (observed.col_as_slice(k), predicted.col_as_slice(k));
        let (y_mean, z_mean) = (y.iter().sum::<f64>() / m, z.iter().sum::<f64>() / m);
        let (mut yy, mut zz, mut yz, mut error, mut peak) = (0.0, 0.0, 0.0, 0.0, 0.0f64);
        for (y, z) in y.iter().zip(z) {
            let (dy, dz) = (y - y_mean, z - z_mean);
            yy += dy * dy;
            zz += dz * dz;
            yz += dy * dz;
            error += (y - z) * (y - z);
            peak = peak.max(z.abs());
        }
        // Predictions that differ by rounding only are constant.
        let r = if zz <= m * (8.0 * f64::EPSILON * peak).powi(2) { f64::NAN } else { (yz / (yy.sqrt() * zz.sqrt())).clamp(-1.0, 1.0) };
        (r, 1.0 - error / yy)
    })
}

/// A mean that leaves out NaN.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    n: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        if !value.is_nan() {
            self.sum += value;
            self.n += 1.0;
        }
    }

    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut mean = Self::default();
        values.into_iter().for_each(|v| mean.add(v));
        mean
    }

    /// NaN without values.
    fn value(self) -> f64 {
        self.sum / self.n
    }

    fn defined(self) -> Option<f64> {
        (self.n > 0.0).then(|| self.value())
    }
}

pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| !v.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    (n > 0).then(|| (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0)
}

/// Collects the scores of the splits, one after the other.
#[derive(Debug, Default)]
pub(super) struct Scores {
    per_split: Vec<SplitScore>,
    r: Vec<Mean>,
    r2: Vec<Mean>,
    flat: Vec<bool>,
    unvarying: Vec<bool>,
    single_rows: usize,
    predictions: Option<(Mat<f64>, Vec<f64>)>,
}

impl Scores {
    pub(super) fn new(n: usize, n_targets: usize, keep_predictions: bool) -> Self {
        Self {
            per_split: Vec::new(),
            r: vec![Mean::default(); n_targets],
            r2: vec![Mean::default(); n_targets],
            flat: vec![false; n_targets],
            unvarying: vec![false; n_targets],
            single_rows: 0,
            predictions: keep_predictions.then(|| (Mat::zeros(n, n_targets), vec![0.0; n])),
        }
    }

    /// Adds a split: `y` are the targets of all rows (about any origin), `predicted` is about the training means `center`.
    pub(super) fn add(&mut self, split: &Split, y: &Mat<f64>, predicted: &Mat<f64>, center: &[f64]) {
        let single = split.test.len() == 1;
        self.single_rows += usize::from(single);
        let flat = constant(y, &split.test);
        let observed = take_centered(y, &split.test, center);
        let scores = targets(&observed, predicted, &flat);
        for (k, &(r, r2)) in scores.iter().enumerate() {
            self.r[k].add(r);
            self.r2[k].add(r2);
            self.flat[k] |= flat[k] && !single;
            self.unvarying[k] |= r.is_nan() && !flat[k];
        }
        if let Some((sums, counts)) = &mut self.predictions {
            for (i, &row) in split.test.iter().enumerate() {
                counts[row] += 1.0;
                for k in 0..sums.ncols() {
                    sums[(row, k)] += predicted[(i, k)] + center[k];
                }
            }
        }
        let size = |rows: &[usize]| u32::try_from(rows.len()).unwrap_or(u32::MAX);
        self.per_split.push(SplitScore {
            n_train: size(&split.train),
            n_test: size(&split.test),
            median_r: median(scores.iter().map(|s| s.0)),
            mean_r: Mean::of(scores.iter().map(|s| s.0)).defined(),
            r2_uniform: Mean::of(scores.iter().map(|s| s.1)).defined(),
        });
    }

    /// The output, with warnings about what is undefined. `origin` is added back to kept predictions.
    pub(super) fn finish(self, spec: &Spec, checked: &Checked, origin: &[f64], context: &Context<'_>) -> Output {
        self.warn(checked.target_names.as_deref(), context);
        let over_splits = |score: fn(&SplitScore) -> Option<f64>| Mean::of(self.per_split.iter().filter_map(score)).defined();
        let restored = |(sums, counts): &(Mat<f64>, Vec<f64>)| {
            let mut values = Vec::with_capacity(sums.nrows() * sums.ncols());
            for (i, &n) in counts.iter().enumerate() {
                // No splits: 0 / 0 is the NaN that says so.
                values.extend(origin.iter().enumerate().map(|(k, o)| sums[(i, k)] / n + o));
            }
            Array::matrix(sums.nrows(), sums.ncols(), values)
        };
        let per_target_r: Vec<f64> = self.r.iter().map(|m| m.value()).collect();
        let median_r = over_splits(|s| s.median_r);
        let ceiling = checked.ceiling.as_ref();
        let parts = Parts {
            per_split_r: self.per_split.iter().filter_map(|s| s.median_r).collect(),
            per_split_r2: self.per_split.iter().filter_map(|s| s.r2_uniform).collect(),
            per_target_r: &per_target_r,
            ceiling: ceiling.and_then(|c| c.center),
            per_target_ceiling: ceiling.map(|c| c.per_target.as_slice()),
        };
        let (score, score_error) = convention::score(spec.convention, &parts);
        let ceiled = median_r.zip(parts.ceiling).filter(|(_, c)| *c > 0.0).map(|(r, c)| r / c);
        warn_of_ceiling(spec, ceiling, score, ceiled, context);
        Output {
            features: spec.features.clone(),
            targets: spec.targets.clone(),
            score,
            score_error,
            ceiling: parts.ceiling,
            ceiled,
            per_target_ceiling: ceiling.map(|c| Array::vector(c.per_target.clone())),
            median_r,
            mean_r: over_splits(|s| s.mean_r),
            r2_uniform: over_splits(|s| s.r2_uniform),
            per_target_r2: Array::vector(self.r2.iter().map(|m| m.value()).collect()),
            predictions: self.predictions.as_ref().map(restored),
            observed: self.predictions.as_ref().map(|_| Array::from_mat(checked.targets.to_mat().as_ref())),
            per_target_r: Array::vector(per_target_r),
            per_split: self.per_split,
            alpha: None,
            bands: None,
        }
    }

    fn warn(&self, names: Option<&[String]>, context: &Context<'_>) {
        let t = self.r.len();
        if let Some((n, which)) = listed(&self.flat, names) {
            context.warn(
                "constant_targets",
                format!("{n} of {t} targets are constant on the held-out rows of a split ({which}): their r and R2 there are undefined and left out"),
            );
        }
        if let Some((n, which)) = listed(&self.unvarying, names) {
            context.warn(
                "constant_predictions",
                format!("the predictions of {n} of {t} targets do not vary over the held-out rows of a split ({which}): r there is undefined and left out"),
            );
        }
        if self.single_rows > 0 {
            context.warn(
                "single_test_row",
                format!(
                    "{} of {} splits hold out a single row, where r and R2 are undefined; use fewer folds",
                    self.single_rows,
                    self.per_split.len()
                ),
            );
        }
        if let Some((_, counts)) = &self.predictions {
            let never = counts.iter().filter(|&&c| c == 0.0).count();
            if never > 0 {
                context
                    .warn("rows_not_held_out", format!("{never} of {} rows are never held out: their predictions are NaN", counts.len()));
            }
        }
    }
}

fn warn_of_ceiling(spec: &Spec, ceiling: Option<&Ceiling>, score: Option<f64>, ceiled: Option<f64>, context: &Context<'_>) {
    let needs = matches!(spec.convention, Convention::Elmoznino | Convention::Brainscore | Convention::BrainscoreNeuroid);
    let Some(ceiling) = ceiling else {
        if needs {
            context.warn(
                "no_ceiling",
                "the convention divides by a ceiling; give single repetitions of the targets, or there is no final score",
            );
        }
        return;
    };
    if ceiling.n_negative > 0 {
        let t = ceiling.per_target.len();
        context.warn(
            "negative_reliability",
            format!(
                "for {} of {t} targets halves of the repetitions correlate negatively in a halving; that r is not corrected",
                ceiling.n_negative
            ),
        );
    }
    if needs && score.is_none() {
        context.warn("no_ceiling", "the ceiling is undefined or not above 0, so there is no final score");
    }
    if let Some(value) = ceiled.filter(|c| *c > 1.0) {
        context.warn(
            "above_ceiling",
            format!("the ceiled score is {value:.3}, above 1: the targets are predicted better than they predict themselves"),
        );
    }
}

/// A mean that leaves out NaN; NaN without values.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    Mean::of(values).value()
}

/// How many are marked, and the first five by name or by number counted from 1.
fn listed(marks: &[bool], names: Option<&[String]>) -> Option<(usize, String)> {
    let marked: Vec<usize> = (0..marks.len()).filter(|&k| marks[k]).collect();
    let name = |&k: &usize| names.and_then(|names| names.get(k)).cloned().unwrap_or_else(|| format!("column {}", k + 1));
    let mut text = marked.iter().take(5).map(name).collect::<Vec<_>>().join(", ");
    if marked.len() > 5 {
        text.push_str(", …");
    }
    (!marked.is_empty()).then_some((marked.len(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_hand() {
        let y = Mat::from_fn(4, 3, |i, k| [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [5.0; 4]][k][i]);
        let z = Mat::from_fn(4, 3, |i, k| [[2.0, 4.0, 6.0, 8.0], [2.5; 4], [1.0, 2.0, 3.0, 4.0]][k][i]);
        let scores = targets(&y, &z, &[false, false, true]);
        assert!((scores[0].0 - 1.0).abs() < 1e-15, "a multiple correlates perfectly");
        assert!((scores[0].1 - (1.0 - 30.0 / 5.0)).abs() < 1e-14, "SSE 30, SST 5");
        assert!(scores[1].0.is_nan() && scores[1].1 == 0.0, "the mean as prediction: no r, R2 = 0");
        assert!(scores[2].0.is_nan() && scores[2].1.is_nan(), "a constant target has no score");
    }

    #[test]
    fn medians_and_means_leave_out_nan() {
        assert_eq!(median([3.0, f64::NAN, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0]), Some(2.5));
        assert_eq!(median([f64::NAN]), None);
        assert_eq!(Mean::of([1.0, f64::NAN, 2.0]).defined(), Some(1.5));
        assert_eq!(Mean::of([f64::NAN]).defined(), None);
    }
}
