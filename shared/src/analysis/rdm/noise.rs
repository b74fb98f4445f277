//! Noise covariance of channels, and whitening by it.

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, Side, get_global_parallelism};
use serde::{Deserialize, Serialize};

use crate::compute::Device;
use crate::labels::{Classes, Labels};
use crate::stats::{count, dot};
use crate::{Error, parallel};

/// How the noise covariance of channels is estimated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// Estimate of the covariance.
    pub covariance: Covariance,
    /// Name of an input with residuals (rows x channels); without it the deviations of rows from the mean of their condition.
    pub residuals: Option<String>,
    /// Run of each row of the residuals, whose mean is removed; without it they are one run.
    pub runs: Option<Labels>,
    /// One covariance for each fold of `crossnobis` (a run of the residuals with the same name), instead of one for all.
    pub per_fold: bool,
    /// Degrees of freedom of the residuals; rows minus removed means if absent.
    pub degrees_of_freedom: Option<u32>,
}

/// Estimate of a covariance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// Shrunk towards its diagonal (Schäfer & Strimmer).
    #[default]
    ShrinkageDiag,
    /// Shrunk towards a multiple of the identity (Ledoit & Wolf).
    ShrinkageEye,
    /// The sample covariance.
    Full,
    /// Variances alone.
    Diag,
}

impl Covariance {
    fn name(self) -> &'static str {
        match self {
            Self::ShrinkageDiag => "shrinkage_diag",
            Self::ShrinkageEye => "shrinkage_eye",
            Self::Full => "full",
            Self::Diag => "diag",
        }
    }
}

/// Residuals, channels in columns, with the means of their groups removed.
#[derive(Debug)]
pub(super) struct Residuals {
    pub(super) rows: Mat<f64>,
    pub(super) degrees_of_freedom: f64,
}

impl Residuals {
    /// Rows (n x channels) minus the mean of their group.
    pub(super) fn new(mut rows: Mat<f64>, groups: &[usize], n_groups: usize, given: Option<u32>, what: &str) -> Result<Self, Error> {
        let n = rows.nrows();
        let mut sizes = vec![0.0; n_groups];
        groups.iter().for_each(|&g| sizes[g] += 1.0);
        parallel::for_each_column(&mut rows, |_, column| {
            let mut means = vec![0.0; n_groups];
            column.iter().zip(groups).for_each(|(v, &g)| means[g] += v);
            means.iter_mut().zip(&sizes).for_each(|(mean, size)| *mean /= size);
            column.iter_mut().zip(groups).for_each(|(v, &g)| *v -= means[g]);
        });
        let free = given.map_or(count(n) - count(n_groups), f64::from);
        if free <= 0.0 || n < 2 {
            let message = format!(
                "{n} rows minus {n_groups} means leave no degree of freedom for the noise; repeat conditions or give more residuals"
            );
            return Err(Error::input(what, message));
        }
        Ok(Self { rows, degrees_of_freedom: free })
    }
}

/// The noise covariance of channels.
///
/// # Definition
/// E = residuals (n x P) with the means of their groups removed, dof = n - groups.
/// - `full`: S = E'E / dof; `diag`: its diagonal.
/// - `shrinkage_eye`: S0 = E'E / n, m = tr S0 / P, d2 = |S0 - m I|^2, `b2 = min(d2, (sum |e_k|^4 - n |S0|^2) / n^2)`;
///   n / dof ((b2 / d2) m I + (1 - b2 / d2) S0).
/// - `shrinkage_diag`: with the standard deviations s of S, `c_ij = sum_k e_ki e_kj / (s_i s_j (n - 1))`,
///   `v_ij = n / dof^2 (sum_k (e_ki e_kj)^2 / (s_i^2 s_j^2 (n - 1)) - c_ij^2)`; off-diagonal entries of S times 1 - lambda,
///   lambda = sum v / sum c^2 over i != j, within 0..1.
///
/// # Source
/// Ledoit & Wolf 2004; Schäfer & Strimmer 2005; rsatoolbox 0.3.2. The sums over k of squared products are one contraction.
pub(super) async fn covariance(residuals: &Residuals, method: Covariance) -> Result<Mat<f64>, Error> {
    let (e, dof) = (&residuals.rows, residuals.degrees_of_freedom);
    let (n, p) = (count(e.nrows()), e.ncols());
    let mut s = Device::cpu().gram_columns(e.as_ref()).await?;
    match method {
        Covariance::Full => {
            s /= faer::Scale(dof);
        }
        Covariance::Diag => s = Mat::from_fn(p, p, |i, j| if i == j { s[(i, i)] / dof } else { 0.0 }),
        Covariance::ShrinkageEye => {
            let m = (0..p).map(|i| s[(i, i)] / n).sum::<f64>() / count(p);
            let sum_of_squares = |m: &Mat<f64>| (0..p).map(|j| dot(m.col_as_slice(j), m.col_as_slice(j))).sum::<f64>();
            let square = sum_of_squares(&s) / (n * n);
            // |S0 - m I|^2 = |S0|^2 - P m^2.
            let d2 = square - count(p) * m * m;
            let fourth: f64 = (0..e.nrows()).map(|k| (0..p).map(|j| e[(k, j)] * e[(k, j)]).sum::<f64>().powi(2)).sum();
            let b2 = ((fourth - n * square) / (n * n)).min(d2);
            let share = if d2 > 0.0 { b2 / d2 } else { 0.0 };
            s = Mat::from_fn(p, p, |i, j| {
                let target = if i == j { m } else { 0.0 };
                n / dof * (share * target + (1.0 - share) * s[(i, j)] / n)
            });
        }
        Covariance::ShrinkageDiag => {
            let mut squares = e.clone();
            parallel::for_each_column(&mut squares, |_, column| column.iter_mut().for_each(|v| *v *= *v));
            let squares = Device::cpu().gram_columns(squares.as_ref()).await?;
            let variances: Vec<f64> = (0..p).map(|i| s[(i, i)] / dof).collect();
            let sums = parallel::map(p, |j| {
                let (mut v, mut c2) = (0.0, 0.0);
                for i in (0..p).filter(|&i| i != j && variances[i] > 0.0 && variances[j] > 0.0) {
                    let scale = variances[i] * variances[j];
                    let c = s[(i, j)] / (scale.sqrt() * (n - 1.0));
                    v += n / (dof * dof) * (squares[(i, j)] / (scale * (n - 1.0)) - c * c);
                    c2 += c * c;
                }
                (v, c2)
            });
            let (v, c2) = sums.into_iter().fold((0.0, 0.0), |(v, c2), sum| (v + sum.0, c2 + sum.1));
            let lambda = if c2 > 0.0 { (v / c2).clamp(0.0, 1.0) } else { 1.0 };
            parallel::for_each_column(&mut s, |j, column| {
                for (i, value) in column.iter_mut().enumerate() {
                    *value *= if i == j { 1.0 } else { 1.0 - lambda } / dof;
                }
            });
        }
    }
    Ok(s)
}

/// Makes squared Euclidean distances Mahalanobis distances.
#[derive(Debug)]
pub(super) enum Whitener {
    /// The lower factor of a precision: b becomes L'b.
    Precision(Mat<f64>),
    /// The lower factor of a covariance: b becomes L^-1 b.
    Covariance(Mat<f64>),
}

impl Whitener {
    /// # Errors
    /// [`Error::Numerical`] that names the estimate when it is not positive definite.
    pub(super) fn of_covariance(covariance: &Mat<f64>, method: Covariance, what: &str) -> Result<Self, Error> {
        let factor = covariance.llt(Side::Lower).ok().map(|llt| llt.L().to_owned()).filter(is_regular);
        factor.map(Self::Covariance).ok_or_else(|| {
            let flat = (0..covariance.nrows()).find(|&i| covariance[(i, i)] <= 0.0);
            let message = match flat {
                Some(i) => format!("channel {} (counted from 1) has no noise variance; leave it out", i + 1),
                None => format!(
                    "the {} estimate is not positive definite (too few residuals for {} channels); use shrinkage_diag or shrinkage_eye",
                    method.name(),
                    covariance.nrows()
                ),
            };
            Error::Numerical { what: format!("the noise covariance of {what}"), message }
        })
    }

    /// Whitens patterns in columns (channels x conditions).
    pub(super) async fn whiten(&self, columns: &mut Mat<f64>) -> Result<(), Error> {
        match self {
            Self::Precision(factor) => *columns = Device::cpu().cross(factor.as_ref(), columns.as_ref()).await?,
            Self::Covariance(factor) => {
                solve_lower_triangular_in_place(factor.as_ref(), columns.as_mut(), get_global_parallelism());
            }
        }
        Ok(())
    }
}

/// Whether no pivot is a rounding error, relative to the variances of the channels.
fn is_regular(factor: &Mat<f64>) -> bool {
    let n = factor.nrows();
    let variance = |i: usize| (0..=i).map(|j| factor[(i, j)] * factor[(i, j)]).sum::<f64>();
    (0..n).all(|i| factor[(i, i)] * factor[(i, i)] > 1e-12 * variance(i))
}

/// The residuals of each run by itself.
pub(super) fn by_run(rows: &Mat<f64>, runs: &Classes, given: Option<u32>, what: &str) -> Result<Vec<Residuals>, Error> {
    runs.rows()
        .into_iter()
        .map(|of| {
            let part = Mat::from_fn(of.len(), rows.ncols(), |i, j| rows[(of[i], j)]);
            Residuals::new(part, &vec![0; of.len()], 1, given, what)
        })
        .collect()
}
