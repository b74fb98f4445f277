//! Participation ratio corrected for finite numbers of samples and features.

use faer::{Mat, MatRef};

use crate::linalg::spectral::center_columns;

/// What the estimator treats as a random sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// Nothing: the participation ratio of the sample covariance, as it stands.
    Naive,
    /// Rows (stimuli).
    Row,
    /// Columns (units).
    Col,
    /// Rows and columns.
    Both,
}

/// Participation ratio of the covariance, free of the bias of few samples (rows), few features (columns), or both.
///
/// # Definition
/// With A the column-centered data and G = A A', three sums over all pairs of columns and, for `same`, over pairs of a column
/// with itself (c = column sums of squares):
/// t1 = |G|^2 (same: sum c^2), `t2 = sum_i G_ii^2` (same: sum of fourth powers), t6 = (tr G)^2 (same: sum c^2).
/// Variants `col` and `both` use all minus same. With P rows, `naive` and `col` are t6 / t1; `row` and `both` are N / D,
/// N = t6 - P t2/(P-2) + f (2 t1 - t6), D = t1 - P t2/(P-2) + f t6, f = 1/((P-1)(P-2)).
/// The estimators do not change when a constant is added to a column, so centering first removes the other four sums of the source
/// and their cancellation.
///
/// # Shapes
/// x: (stimuli, units), uncentered or centered.
///
/// # Degenerate
/// `None` for fewer than 4 rows or 2 columns (2 rows and 1 column for `naive`) and when the denominator is zero.
/// Values below 1 can come from tiny noisy samples and are returned as they are.
///
/// # Cost
/// One Gram of the smaller side.
///
/// # Source
/// Chun, Canatar, Chung & Lee 2026, package `dimensionality` 0.1.4.
#[must_use]
pub fn participation_ratio_unbiased(x: MatRef<'_, f64>, variant: Variant) -> Option<f64> {
    let mut centered = x.to_owned();
    center_columns(&mut centered);
    let gram = if x.ncols() <= x.nrows() { centered.transpose() * &centered } else { &centered * centered.transpose() };
    Sums::of_centered(centered.as_ref(), &gram).participation_ratio(variant)
}

/// The sums of the estimator: over all pairs of columns, and over pairs of a column with itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    n_rows: usize,
    n_columns: usize,
    all: Triple,
    same: Triple,
}

#[derive(Debug, Clone, Copy)]
struct Triple {
    t1: f64,
    t2: f64,
    t6: f64,
}

impl Sums {
    /// From column-centered data and the Gram of either side.
    pub(super) fn of_centered(x: MatRef<'_, f64>, gram: &Mat<f64>) -> Self {
        let mut row_squares = vec![0.0; x.nrows()];
        let (mut squared_columns, mut fourth_powers) = (0.0, 0.0);
        for column in x.col_iter() {
            let mut column_squares = 0.0;
            for (sum, v) in row_squares.iter_mut().zip(column.iter()) {
                let square = v * v;
                *sum += square;
                column_squares += square;
                fourth_powers += square * square;
            }
            squared_columns += column_squares * column_squares;
        }
        let trace: f64 = row_squares.iter().sum();
        Self {
            n_rows: x.nrows(),
            n_columns: x.ncols(),
            all: Triple { t1: gram.squared_norm_l2(), t2: row_squares.iter().map(|d| d * d).sum(), t6: trace * trace },
            same: Triple { t1: squared_columns, t2: fourth_powers, t6: squared_columns },
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    pub(super) fn participation_ratio(&self, variant: Variant) -> Option<f64> {
        let (min_rows, min_columns) = if variant == Variant::Naive { (2, 1) } else { (4, 2) };
        if self.n_rows < min_rows || self.n_columns < min_columns {
            return None;
        }
        let (all, same) = (self.all, self.same);
        let Triple { t1, t2, t6 } = match variant {
            Variant::Naive | Variant::Row => all,
            Variant::Col | Variant::Both => Triple { t1: all.t1 - same.t1, t2: all.t2 - same.t2, t6: all.t6 - same.t6 },
        };
        let p = self.n_rows as f64;
        let (numerator, denominator) = match variant {
            Variant::Naive | Variant::Col => (t6, t1),
            Variant::Row | Variant::Both => {
                let f = 1.0 / ((p - 1.0) * (p - 2.0));
                let diagonal = p * t2 / (p - 2.0);
                (t6 - diagonal + f * (2.0 * t1 - t6), t1 - diagonal + f * t6)
            }
        };
        Some(numerator / denominator).filter(|ratio| ratio.is_finite())
    }
}
