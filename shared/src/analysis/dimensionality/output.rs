//! What came out.

use serde::{Deserialize, Serialize};

use crate::Array;

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
    /// The same of the normalized singular values: the effective rank.
    pub effective_rank: Option<f64>,
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
    /// `TwoNN`, fitted line; see [`super::intrinsic::two_nn`].
    pub two_nn: Option<f64>,
    /// `TwoNN`, maximum likelihood.
    pub two_nn_likelihood: Option<f64>,
    /// Levina & Bickel, k = 10..20; see [`super::intrinsic::maximum_likelihood`].
    pub maximum_likelihood: Option<f64>,
    /// The same, `m_k(x)` averaged over rows instead of its inverse.
    pub maximum_likelihood_mean: Option<f64>,
    /// Correlation dimension; see [`super::correlation_dimension`].
    pub correlation: Option<f64>,
    /// Different rows that the distances are between.
    pub n_distinct: u32,
    /// `TwoNN` within and between classes; `None` without labels.
    pub classes: Option<ClassIntrinsic>,
}

/// The fitted `TwoNN` dimension within and between classes of rows, each `None` where it is undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassIntrinsic {
    /// Of the class means.
    pub between: Option<f64>,
    /// Mean over the classes that have one.
    pub within_mean: Option<f64>,
    /// Standard deviation over them (ddof 0).
    pub within_std: Option<f64>,
    /// Classes.
    pub n_classes: u32,
    /// Classes with a dimension of their own: at least 3 different rows.
    pub n_defined: u32,
}
