//! Scores of predictions on held-out rows and their aggregation over targets and splits.

use faer::Mat;

use super::ceiling::Ceiling;
use super::columns::{constant, count, map_indices, take_centered};
use super::convention::{self, Parts};
use super::cv::Split;
use super::{Checked, Convention, Output, Spec, SplitScore};
use crate::Array;
use crate::analysis::Context;

/// Scores of one target on the held-out rows of a split; NaN where undefined.
#[derive(Debug, Clone, Copy)]
pub(in crate::analysis) struct TargetScore {
    /// Correlation of observed and predicted values.
    pub(in crate::analysis) r: f64,
    /// `1 - SSE / SST`.
    pub(in crate::analysis) r2: f64,
    /// `1 - Var(error) / Var(observed)`.
    pub(in crate::analysis) explained: f64,
    /// Sum of squared errors.
    pub(super) error: f64,
    /// Sum of squares about the mean of the scored rows.
    pub(super) spread: f64,
}

impl TargetScore {
    const UNDEFINED: Self = Self { r: f64::NAN, r2: f64::NAN, explained: f64::NAN, error: 0.0, spread: 0.0 };
}

/// Scores of each target on held-out rows.
///
/// # Definition
/// `r` = correlation of observed and predicted values; `R2 = 1 - SSE / SST`, SST about the mean of the scored rows; explained variance
/// `1 - Var(y - z) / Var(y)` (ddof 0), which an offset does not change.
///
/// # Shapes
/// observed, predicted: (m, t), both about the same origin; `flat` marks targets that are constant on the scored rows.
///
/// # Degenerate
/// A constant target or a single row: all NaN. A constant prediction: r is NaN.
pub(in crate::analysis) fn targets(observed: &Mat<f64>, predicted: &Mat<f64>, flat: &[bool]) -> Vec<TargetScore> {
    let m = count(observed.nrows());
    map_indices(observed.ncols(), |k| {
        if flat[k] {
            return TargetScore::UNDEFINED;
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
        let offset = y_mean - z_mean;
        TargetScore { r, r2: 1.0 - error / yy, explained: 1.0 - (error - m * offset * offset).max(0.0) / yy, error, spread: yy }
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

/// The targets of one split.
#[derive(Debug)]
pub(super) struct SplitTargets {
    pub(super) n_train: usize,
    pub(super) n_test: usize,
    pub(super) targets: Vec<TargetScore>,
}

impl SplitTargets {
    fn median_r(&self) -> Option<f64> {
        median(self.targets.iter().map(|s| s.r))
    }

    fn mean(&self, of: fn(&TargetScore) -> f64) -> Option<f64> {
        Mean::of(self.targets.iter().map(of)).defined()
    }

    fn summary(&self) -> SplitScore {
        let size = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        SplitScore {
            n_train: size(self.n_train),
            n_test: size(self.n_test),
            median_r: self.median_r(),
            mean_r: self.mean(|s| s.r),
            r2_uniform: self.mean(|s| s.r2),
            r2_weighted: weighted(&self.targets),
            explained_variance: self.mean(|s| s.explained),
        }
    }
}

/// Held-out predictions of all rows.
#[derive(Debug)]
pub(super) struct Predictions {
    /// Sums over splits, rows x targets, of one block of targets after the other.
    pub(super) sums: Vec<Mat<f64>>,
    /// Splits that held out each row.
    pub(super) counts: Vec<f64>,
}

/// Collects the scores of the splits, one after the other, for some targets after others.
#[derive(Debug, Default)]
pub(in crate::analysis) struct Scores {
    pub(super) splits: Vec<SplitTargets>,
    pub(super) pooled: Vec<Pooled>,
    pub(super) flat: Vec<bool>,
    pub(super) unvarying: Vec<bool>,
    pub(super) predictions: Option<Predictions>,
}

impl Scores {
    pub(in crate::analysis) fn new(n: usize, n_targets: usize, keep_predictions: bool) -> Self {
        Self {
            splits: Vec::new(),
            pooled: vec![Pooled::default(); n_targets],
            flat: vec![false; n_targets],
            unvarying: vec![false; n_targets],
            predictions: keep_predictions.then(|| Predictions { sums: vec![Mat::zeros(n, n_targets)], counts: vec![0.0; n] }),
        }
    }

    /// Adds the scores of further targets on the same splits.
    pub(super) fn append(&mut self, other: Self) {
        for (split, further) in self.splits.iter_mut().zip(other.splits) {
            split.targets.extend(further.targets);
        }
        self.pooled.extend(other.pooled);
        self.flat.extend(other.flat);
        self.unvarying.extend(other.unvarying);
        if let (Some(predictions), Some(further)) = (&mut self.predictions, other.predictions) {
            predictions.sums.extend(further.sums);
        }
    }

    /// Adds a split: `y` are the targets of all rows (about any origin), `predicted` is about the training means `center`.
    pub(in crate::analysis) fn add(&mut self, split: &Split, y: &Mat<f64>, predicted: &Mat<f64>, center: &[f64]) {
        let single = split.test.len() == 1;
        let flat = constant(y, &split.test);
        let observed = take_centered(y, &split.test, center);
        let scores = targets(&observed, predicted, &flat);
        for (k, score) in scores.iter().enumerate() {
            self.flat[k] |= flat[k] && !single;
            self.unvarying[k] |= score.r.is_nan() && !flat[k];
            self.pooled[k].add(split.test.iter().zip(predicted.col_as_slice(k)).map(|(&row, z)| (y[(row, k)], z + center[k])));
        }
        if let Some(Predictions { sums, counts }) = &mut self.predictions {
            split.test.iter().for_each(|&row| counts[row] += 1.0);
            for sums in sums {
                for (k, origin) in center.iter().enumerate() {
                    let column = sums.col_as_slice_mut(k);
                    split.test.iter().zip(predicted.col_as_slice(k)).for_each(|(&row, z)| column[row] += z + origin);
                }
            }
        }
        self.splits.push(SplitTargets { n_train: split.train.len(), n_test: split.test.len(), targets: scores });
    }

    /// Median over targets of r for each split.
    pub(in crate::analysis) fn split_r(&self) -> Vec<Option<f64>> {
        self.splits.iter().map(SplitTargets::median_r).collect()
    }

    /// Mean over targets of R2 for each split.
    pub(in crate::analysis) fn split_r2(&self) -> Vec<Option<f64>> {
        self.splits.iter().map(|s| s.mean(|t| t.r2)).collect()
    }

    /// r of each target, mean over splits; NaN where undefined.
    pub(in crate::analysis) fn target_r(&self) -> Vec<f64> {
        self.over_splits(|s| s.r)
    }

    /// R2 of each target, mean over splits; NaN where undefined.
    pub(in crate::analysis) fn target_r2(&self) -> Vec<f64> {
        self.over_splits(|s| s.r2)
    }

    /// The mean over splits of each target.
    fn over_splits(&self, of: fn(&TargetScore) -> f64) -> Vec<f64> {
        (0..self.flat.len()).map(|k| Mean::of(self.splits.iter().map(|s| of(&s.targets[k]))).value()).collect()
    }

    /// The output, with warnings about what is undefined. `origin` is added back to kept predictions.
    pub(super) fn finish(self, spec: &Spec, checked: &Checked<'_>, origin: &[f64], context: &Context<'_>) -> Output {
        self.warn(checked.target_names.as_deref(), context);
        let per_split: Vec<SplitScore> = self.splits.iter().map(SplitTargets::summary).collect();
        let over_splits = |score: fn(&SplitScore) -> Option<f64>| Mean::of(per_split.iter().filter_map(score)).defined();
        let restored = |Predictions { sums, counts }: &Predictions| {
            let mut values = Vec::with_capacity(counts.len() * origin.len());
            for (i, &n) in counts.iter().enumerate() {
                let row = sums.iter().flat_map(|sums| sums.row(i).iter().copied());
                // No splits: 0 / 0 is the NaN that says so.
                values.extend(row.zip(origin).map(|(sum, o)| sum / n + o));
            }
            Array::matrix(counts.len(), origin.len(), values)
        };
        let per_target_r = self.target_r();
        let pooled: Vec<f64> = self.pooled.iter().map(Pooled::r).collect();
        let median_r = over_splits(|s| s.median_r);
        let ceiling = checked.ceiling.as_ref();
        let parts = Parts {
            per_split_r: per_split.iter().filter_map(|s| s.median_r).collect(),
            per_split_r2: per_split.iter().filter_map(|s| s.r2_uniform).collect(),
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
            r2_weighted: over_splits(|s| s.r2_weighted),
            explained_variance: over_splits(|s| s.explained_variance),
            pooled_r: median(pooled.iter().copied()),
            per_target_pooled_r: Some(Array::vector(pooled)),
            per_target_explained_variance: Some(Array::vector(self.over_splits(|s| s.explained))),
            alpha_at_edge: false,
            per_target_r2: Array::vector(self.target_r2()),
            predictions: self.predictions.as_ref().map(restored),
            observed: None,
            per_target_r: Array::vector(per_target_r),
            per_split,
            alpha: None,
            bands: None,
        }
    }

    /// Warns about targets, predictions and splits without scores.
    pub(in crate::analysis) fn warn(&self, names: Option<&[String]>, context: &Context<'_>) {
        let t = self.flat.len();
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
        let single_rows = self.splits.iter().filter(|s| s.n_test == 1).count();
        if single_rows > 0 {
            context.warn(
                "single_test_row",
                format!(
                    "{} of {} splits hold out a single row, where r and R2 are undefined; use fewer folds",
                    single_rows,
                    self.splits.len()
                ),
            );
        }
        if let Some(Predictions { counts, .. }) = &self.predictions {
            let never = counts.iter().filter(|&&c| c == 0.0).count();
            if never > 0 {
                context
                    .warn("rows_not_held_out", format!("{never} of {} rows are never held out: their predictions are NaN", counts.len()));
            }
        }
    }
}

/// `1 - sum SSE / sum SST` over the targets of a split: those that vary more count more.
fn weighted(scores: &[TargetScore]) -> Option<f64> {
    let (error, spread) = scores.iter().fold((0.0, 0.0), |(e, s), score| (e + score.error, s + score.spread));
    (spread > 0.0).then(|| 1.0 - error / spread)
}

/// Sums for the correlation over all held-out rows of all splits, about the first pair.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pooled {
    pub(super) origin: Option<(f64, f64)>,
    pub(super) n: f64,
    pub(super) y: f64,
    pub(super) z: f64,
    pub(super) yy: f64,
    pub(super) zz: f64,
    pub(super) yz: f64,
}

impl Pooled {
    fn add(&mut self, pairs: impl Iterator<Item = (f64, f64)>) {
        for (y, z) in pairs {
            let (y0, z0) = *self.origin.get_or_insert((y, z));
            let (y, z) = (y - y0, z - z0);
            self.n += 1.0;
            self.y += y;
            self.z += z;
            self.yy += y * y;
            self.zz += z * z;
            self.yz += y * z;
        }
    }

    /// NaN when either side does not vary.
    fn r(&self) -> f64 {
        let (yy, zz) = (self.yy - self.y * self.y / self.n, self.zz - self.z * self.z / self.n);
        let varies = |about_mean: f64, about_first: f64| about_mean > about_first * self.n * f64::EPSILON;
        if !varies(yy, self.yy) || !varies(zz, self.zz) {
            return f64::NAN;
        }
        ((self.yz - self.y * self.z / self.n) / (yy.sqrt() * zz.sqrt())).clamp(-1.0, 1.0)
    }
}

fn warn_of_ceiling(spec: &Spec, ceiling: Option<&Ceiling>, score: Option<f64>, ceiled: Option<f64>, context: &Context<'_>) {
    let needs = matches!(spec.convention, Convention::Elmoznino | Convention::Brainscore | Convention::BrainscoreNeuroid);
    let Some(ceiling) = ceiling else {
        if spec.repetitions.is_some() {
            context.warn("no_ceiling", "the targets have a single repetition, which has no halves to compare: there is no ceiling");
        } else if needs {
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
pub(in crate::analysis) fn listed(marks: &[bool], names: Option<&[String]>) -> Option<(usize, String)> {
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
        assert!((scores[0].r - 1.0).abs() < 1e-15, "a multiple correlates perfectly");
        assert!((scores[0].r2 - (1.0 - 30.0 / 5.0)).abs() < 1e-14, "SSE 30, SST 5");
        assert!(scores[0].explained.abs() < 1e-14, "errors 1, 2, 3, 4 vary as much as the target");
        assert!(scores[1].r.is_nan() && scores[1].r2 == 0.0, "the mean as prediction: no r, R2 = 0");
        assert!(scores[2].r.is_nan() && scores[2].r2.is_nan(), "a constant target has no score");
        assert!((weighted(&scores).expect("two vary") - (1.0 - 35.0 / 10.0)).abs() < 1e-14, "SSE 30 + 5, SST 5 + 5");
        assert_eq!(weighted(&scores[2..]), None);
    }

    #[test]
    fn pooled_r_is_that_of_all_pairs() {
        let (y, z) = ([1e6 + 1.0, 1e6 + 2.0, 1e6 + 4.0, 1e6 + 3.0], [0.5, 0.1, 2.0, 1.0]);
        let mut pooled = Pooled::default();
        pooled.add(y[..2].iter().copied().zip(z[..2].iter().copied()));
        pooled.add(y[2..].iter().copied().zip(z[2..].iter().copied()));
        assert!((pooled.r() - crate::stats::pearson(&y, &z)).abs() < 1e-12, "two splits are one set of pairs");
        let mut flat = Pooled::default();
        flat.add([(1.0, 0.1), (1.0, 0.3)].into_iter());
        assert!(flat.r().is_nan() && Pooled::default().r().is_nan(), "nothing varies");
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
