//! The rows of an input as contiguous slices, and what is done to them before the contraction.

use faer::Mat;

use super::Spec;
use super::noise::Whitener;
use crate::dataset::{Matrix, Values};
use crate::stats::{is_constant, mean, unit};
use crate::{Error, parallel};

/// Patterns in f64, channels x conditions: each condition is one contiguous column.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    columns: Mat<f64>,
    input: String,
}

impl Patterns {
    pub(super) fn new(matrix: &Matrix) -> Self {
        let (n, p) = (matrix.n_samples(), matrix.n_features());
        let mut columns = Mat::zeros(p, n);
        match matrix.values() {
            Values::F32(a) => {
                for (i, row) in a.outer_iter().enumerate() {
                    columns.col_as_slice_mut(i).iter_mut().zip(row.iter()).for_each(|(to, &from)| *to = f64::from(from));
                }
            }
            Values::F64(a) => {
                for (i, row) in a.outer_iter().enumerate() {
                    columns.col_as_slice_mut(i).iter_mut().zip(row.iter()).for_each(|(to, &from)| *to = from);
                }
            }
        }
        Self { columns, input: matrix.name().into() }
    }

    /// Number of conditions.
    pub(super) fn n(&self) -> usize {
        self.columns.ncols()
    }

    /// Number of channels.
    pub(super) fn channels(&self) -> usize {
        self.columns.nrows()
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        self.columns.col_as_slice(i)
    }

    pub(super) fn into_columns(self) -> Mat<f64> {
        self.columns
    }

    /// Rows whose values are all equal.
    pub(super) fn constant(&self) -> Vec<usize> {
        (0..self.n()).filter(|&i| is_constant(self.row(i))).collect()
    }

    /// Rows whose values are all zero.
    pub(super) fn zero(&self) -> Vec<usize> {
        (0..self.n()).filter(|&i| self.row(i).iter().all(|v| *v == 0.0)).collect()
    }

    /// Subtracts each row's mean; constant rows become exact zeros.
    pub(super) fn remove_means(&mut self) {
        for i in 0..self.n() {
            let row = self.columns.col_as_slice_mut(i);
            if is_constant(row) {
                row.fill(0.0);
            } else {
                let center = mean(row);
                row.iter_mut().for_each(|v| *v -= center);
            }
        }
    }

    /// Divides each row by its norm; zero rows stay zero.
    pub(super) fn scale_to_unit(&mut self) {
        for i in 0..self.n() {
            if let Some(scaled) = unit(self.row(i)) {
                self.columns.col_as_slice_mut(i).copy_from_slice(&scaled);
            }
        }
    }

    /// Subtracts each channel's mean over conditions: distances stay, digits are saved.
    pub(super) fn center_channels(&mut self) {
        center_channels(&mut self.columns);
    }

    /// Makes squared distances Mahalanobis distances.
    pub(super) async fn whiten(&mut self, whitener: &Whitener) -> Result<(), Error> {
        whitener.whiten(&mut self.columns).await
    }

    /// Other patterns of the same input.
    pub(super) fn with_columns(&self, columns: Mat<f64>) -> Self {
        Self { columns, input: self.input.clone() }
    }

    /// Rates with the prior mixed in, and their logarithms.
    pub(super) fn into_rates(mut self, spec: &Spec) -> Result<(Mat<f64>, Mat<f64>), Error> {
        let smallest = if spec.prior_weight > 0.0 { 0.0 } else { f64::MIN_POSITIVE };
        for i in 0..self.n() {
            if let Some(j) = self.row(i).iter().position(|&v| v < smallest) {
                let rate = self.row(i)[j];
                let why = if rate < 0.0 { "poisson needs rates of 0 or more" } else { "poisson with prior_weight 0 needs rates above 0" };
                let message = format!("the value at row {}, column {} (counted from 1) is {rate}; {why}", i + 1, j + 1);
                return Err(Error::input(&self.input, message));
            }
        }
        let (prior, weight) = (spec.prior_lambda * spec.prior_weight, 1.0 + spec.prior_weight);
        for i in 0..self.n() {
            self.columns.col_as_slice_mut(i).iter_mut().for_each(|v| *v = (*v + prior) / weight);
        }
        let p = self.channels();
        let logs = parallel::map(self.n(), |i| self.row(i).iter().map(|v| v.ln()).collect::<Vec<_>>());
        let logs = Mat::from_fn(p, self.n(), |c, i| logs[i][c]);
        Ok((self.columns, logs))
    }
}

/// Subtracts each channel's mean over all conditions of all folds: differences between folds stay.
pub(super) fn center_together(folds: &mut [Mat<f64>]) {
    let Some(p) = folds.first().map(Mat::nrows) else { return };
    let columns = |folds: &[Mat<f64>]| folds.iter().map(Mat::ncols).sum::<usize>();
    let n = crate::stats::count(columns(folds));
    let mut center = vec![0.0; p];
    for fold in folds.iter() {
        for i in 0..fold.ncols() {
            center.iter_mut().zip(fold.col_as_slice(i)).for_each(|(c, v)| *c += v / n);
        }
    }
    for fold in folds {
        for i in 0..fold.ncols() {
            fold.col_as_slice_mut(i).iter_mut().zip(&center).for_each(|(v, c)| *v -= c);
        }
    }
}

/// Subtracts each row's mean over columns from a channels x conditions matrix.
pub(super) fn center_channels(columns: &mut Mat<f64>) {
    let (p, n) = (columns.nrows(), columns.ncols());
    let mut center = vec![0.0; p];
    for i in 0..n {
        center.iter_mut().zip(columns.col_as_slice(i)).for_each(|(c, v)| *c += v);
    }
    let n_conditions = crate::stats::count(n);
    center.iter_mut().for_each(|c| *c /= n_conditions);
    for i in 0..n {
        columns.col_as_slice_mut(i).iter_mut().zip(&center).for_each(|(v, c)| *v -= c);
    }
}
