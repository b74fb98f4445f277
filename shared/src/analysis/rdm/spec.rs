//! What an RDM is computed from and how.

use serde::{Deserialize, Serialize};

use super::noise::Noise;
use super::transform::Transform;
use crate::dataset::{Inputs, Shapes};
use crate::labels::Labels;
use crate::{Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of the input: rows = conditions or measurements of them, columns = channels; with `time_bins` a third axis = time.
    pub input: String,
    /// Dissimilarity measure.
    pub measure: Measure,
    /// Condition of each row: rows of one condition are averaged. Without it each row is a condition.
    pub conditions: Option<Labels>,
    /// Fold (run, session) of each row, for `crossnobis` and `poisson_cv`. Without it the r-th row of each condition is in fold r.
    pub folds: Option<Labels>,
    /// How folds with different numbers of rows count.
    pub fold_weights: FoldWeights,
    /// Average over pairs of rows instead of over rows: for designs in which conditions are missing from folds, and for data with gaps (NaN).
    /// For `sqeuclidean`, `mahalanobis` and `crossnobis`.
    pub row_pairs: Option<RowPairs>,
    /// Subtract each row's mean over channels first.
    pub remove_mean: bool,
    /// Divide `sqeuclidean` by the number of channels (rsatoolbox convention).
    pub normalize: bool,
    /// Width of `gaussian`, in units of the data; > 0.
    pub sigma: f64,
    /// Exponent of `minkowski`; >= 1.
    pub minkowski_p: f64,
    /// Prior rate of `poisson` and `poisson_cv`; > 0.
    pub prior_lambda: f64,
    /// Weight of the prior of `poisson` and `poisson_cv`; >= 0.
    pub prior_weight: f64,
    /// The mean of both divergences for `poisson` instead of their sum.
    pub half: bool,
    /// Name of the noise precision matrix (channels x channels, symmetric, positive definite) of `mahalanobis` and `crossnobis`.
    pub precision: Option<String>,
    /// The noise covariance to estimate instead.
    pub noise: Option<Noise>,
    /// One RDM for each of so many parts of the third axis (averaged within a part); 0 for one at every point of time.
    pub time_bins: Option<u32>,
    /// What is done to the dissimilarities at the end.
    pub transforms: Vec<Transform>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            input: String::new(),
            measure: Measure::Correlation,
            conditions: None,
            folds: None,
            fold_weights: FoldWeights::Fold,
            row_pairs: None,
            remove_mean: false,
            normalize: true,
            sigma: 1.0,
            minkowski_p: 3.0,
            prior_lambda: 1.0,
            prior_weight: 0.1,
            half: false,
            precision: None,
            noise: None,
            time_bins: None,
            transforms: Vec::new(),
        }
    }
}

/// Dissimilarity between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 - Pearson r over channels.
    #[default]
    Correlation,
    /// Euclidean distance.
    Euclidean,
    /// Squared Euclidean distance, by default per channel.
    Sqeuclidean,
    /// 1 - cosine.
    Cosine,
    /// Squared Mahalanobis distance per channel.
    Mahalanobis,
    /// Cross-validated squared Mahalanobis distance per channel: unbiased, can be negative.
    Crossnobis,
    /// Symmetrized Kullback-Leibler divergence of Poisson rates.
    Poisson,
    /// The same across folds: unbiased, can be negative.
    PoissonCv,
    /// 1 - exp(-d^2 / (2 sigma^2)).
    Gaussian,
    /// Minkowski distance.
    Minkowski,
    /// Sum of absolute differences.
    Cityblock,
    /// Largest absolute difference.
    Chebyshev,
}

impl Measure {
    /// Whether it compares folds.
    #[must_use]
    pub fn is_cross_validated(self) -> bool {
        matches!(self, Self::Crossnobis | Self::PoissonCv)
    }

    /// Whether it is relative to noise.
    #[must_use]
    pub fn uses_noise(self) -> bool {
        matches!(self, Self::Mahalanobis | Self::Crossnobis)
    }

    fn is_poisson(self) -> bool {
        matches!(self, Self::Poisson | Self::PoissonCv)
    }
}

/// How folds with different numbers of rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoldWeights {
    /// Every pair of folds counts equally.
    #[default]
    Fold,
    /// Each fold against the mean of all other rows.
    Row,
}

/// How pairs of rows count when dissimilarities are averages over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowPairs {
    /// By the number of channels that both rows have.
    #[default]
    Channels,
    /// Equally.
    Equal,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let precision = self.precision.iter().filter(|_| self.measure.uses_noise());
        let noise = self.noise.iter().filter(|_| self.measure.uses_noise());
        let noise = noise.flat_map(|n| n.residuals.iter().chain(n.runs.iter().map(|runs| &runs.input)));
        let folds = self.folds.iter().filter(|_| self.measure.is_cross_validated());
        let labels = self.conditions.iter().chain(folds).map(|labels| &labels.input);
        std::iter::once(&self.input).chain(labels).chain(precision).chain(noise).cloned().collect()
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let (n, mut p) = shapes.of(&self.input);
        let mut times = 1.0;
        if let (Some(bins), Some([_, _, t])) = (self.time_bins, shapes.0.get(&self.input).map(Vec::as_slice)) {
            let t = crate::stats::count(*t).max(1.0);
            p /= t;
            times = if bins == 0 { t } else { f64::from(bins).min(t) };
        }
        let pairs = n * n / 2.0;
        let (mut flops, mut extra) = match self.measure {
            Measure::Correlation | Measure::Cosine | Measure::Euclidean | Measure::Sqeuclidean | Measure::Gaussian => (n * n * p, 0.0),
            Measure::Mahalanobis => (n * n * p + 2.0 * n * p * p + p * p * p / 3.0, 8.0 * (n * p + 2.0 * p * p)),
            Measure::Crossnobis => (2.0 * n * n * p, 8.0 * 2.0 * n * p),
            Measure::Poisson | Measure::PoissonCv => (2.0 * n * n * p + 40.0 * n * p, 8.0 * n * p),
            Measure::Cityblock | Measure::Chebyshev => (3.0 * pairs * p, 0.0),
            // A power costs about 100 flops unless it is a small whole number.
            Measure::Minkowski => (pairs * p * if self.minkowski_p.fract() == 0.0 && self.minkowski_p <= 4.0 { 5.0 } else { 100.0 }, 0.0),
        };
        if let Some(noise) = self.noise.as_ref().filter(|_| self.measure.uses_noise()) {
            let rows = noise.residuals.as_ref().map_or(n, |name| shapes.of(name).0);
            flops += 2.0 * rows * p * p + p * p * p / 3.0 + n * p * p;
            extra += 8.0 * (2.0 * p * p + 2.0 * rows * p);
        }
        // Patterns, the contraction and the result.
        let bytes = 8.0 * (n * p + n * n + times * n * n);
        Estimate { flops: times * (flops + 6.0 * n * p), peak_bytes: bytes + extra }
    }

    /// Checks what does not depend on the data, and the shape of the input.
    pub(super) fn check(&self, inputs: &Inputs) -> Result<(), Error> {
        let positive = |field: &str, value: f64| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(Error::parameter(field, format!("must be a positive number, got {value}"))),
        };
        if self.measure == Measure::Gaussian {
            positive("sigma", self.sigma)?;
        }
        if self.measure == Measure::Minkowski && !(self.minkowski_p >= 1.0 && self.minkowski_p.is_finite()) {
            return Err(Error::parameter("minkowski_p", format!("must be at least 1 and finite, got {}", self.minkowski_p)));
        }
        if self.measure.is_poisson() {
            positive("prior_lambda", self.prior_lambda)?;
            if !(self.prior_weight >= 0.0 && self.prior_weight.is_finite()) {
                return Err(Error::parameter("prior_weight", format!("must be 0 or a positive number, got {}", self.prior_weight)));
            }
        }
        if self.measure.uses_noise() && self.precision.is_some() && self.noise.is_some() {
            return Err(Error::parameter("noise", "give a noise precision or a way to estimate it, not both"));
        }
        if self.measure == Measure::Mahalanobis && self.precision.is_none() && self.noise.is_none() {
            let message =
                "mahalanobis needs a noise precision matrix (channels x channels) or an estimate of the noise; without one use sqeuclidean";
            return Err(Error::parameter("precision", message));
        }
        if let Some(noise) = self.noise.as_ref().filter(|_| self.measure.uses_noise()) {
            if noise.per_fold && (self.measure != Measure::Crossnobis || noise.residuals.is_none() || noise.runs.is_none()) {
                let message = "a covariance per fold is for crossnobis, and needs residuals whose runs have the names of the folds";
                return Err(Error::parameter("noise.per_fold", message));
            }
            if noise.residuals.is_none() && self.conditions.is_none() {
                let message = "without residuals the noise is estimated from repeated measurements; name the condition of each row";
                return Err(Error::parameter("noise.residuals", message));
            }
        }
        if self.row_pairs.is_some() {
            if !matches!(self.measure, Measure::Sqeuclidean | Measure::Mahalanobis | Measure::Crossnobis) {
                return Err(Error::parameter("row_pairs", "averages over pairs of rows are for sqeuclidean, mahalanobis and crossnobis"));
            }
            if self.noise.as_ref().is_some_and(|noise| noise.per_fold) {
                return Err(Error::parameter("noise.per_fold", "averages over pairs of rows take one covariance for all folds"));
            }
        }
        self.transforms.iter().try_for_each(|t| t.check())?;
        let shape = inputs.shape("input", &self.input)?;
        if let (Some(bins), [_, _, times]) = (self.time_bins, shape)
            && bins as usize > *times
        {
            let message = format!("{bins} bins were asked for but there are only {times} points of time; use at most {times}");
            return Err(Error::parameter("time_bins", message));
        }
        Ok(())
    }
}
