//! Participation ratio corrected for finite numbers of samples and features.

use faer::{Mat, MatRef};

use crate::linalg::spectral::center_columns;
use crate::parallel;

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
    let mut sums = Sums::new(x.nrows(), x.ncols());
    sums.add(centered.as_ref(), 0, 0);
    sums.set_gram(&gram);
    sums.participation_ratio(variant)
}

/// The sums of the estimator, over all pairs of columns and over pairs of a column with itself, part by part.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// Sum of squares of each row.
    pub(super) rows: Vec<f64>,
    /// Sum of squares of each column.
    pub(super) columns: Vec<f64>,
    pub(super) fourth_powers: f64,
    /// Squared norm of the Gram matrix.
    gram: f64,
}

/// Columns that are summed at a time.
const CHUNK: usize = 64;

/// Sums of squares and of fourth powers, in eight partial sums each, so that the compiler may use vectors.
fn square_and_fourth(values: &[f64]) -> (f64, f64) {
    let (chunks, rest) = values.as_chunks::<8>();
    let (mut squares, mut fourth) = ([0.0; 8], [0.0; 8]);
    for chunk in chunks {
        for (i, v) in chunk.iter().enumerate() {
            let square = v * v;
            squares[i] += square;
            fourth[i] += square * square;
        }
    }
    let of_rest = rest.iter().map(|v| v * v).fold((0.0, 0.0), |(s, f), square| (s + square, f + square * square));
    (squares.iter().sum::<f64>() + of_rest.0, fourth.iter().sum::<f64>() + of_rest.1)
}

#[derive(Debug, Clone, Copy)]
struct Triple {
    t1: f64,
    t2: f64,
    t6: f64,
}

impl Sums {
    /// Of data with `n` rows and `p` columns, none of them seen yet.
    pub(super) fn new(n: usize, p: usize) -> Self {
        Self { rows: vec![0.0; n], columns: vec![0.0; p], fourth_powers: 0.0, gram: 0.0 }
    }

    /// Adds a part of the column-centered data that begins at a row and column of the whole.
    pub(super) fn add(&mut self, part: MatRef<'_, f64>, row: usize, column: usize) {
        // Chunks of the same width whatever the threads, so that the sums do not depend on them.
        let chunks = parallel::map(part.ncols().div_ceil(CHUNK), |i| {
            let some = part.subcols(i * CHUNK, CHUNK.min(part.ncols() - i * CHUNK));
            let mut rows = vec![0.0; part.nrows()];
            let mut powers = Vec::with_capacity(CHUNK);
            for values in some.col_iter() {
                rows.iter_mut().zip(values.iter()).for_each(|(sum, v)| *sum += v * v);
                powers.push(values.try_as_col_major().map_or((0.0, 0.0), |values| square_and_fourth(values.as_slice())));
            }
            (rows, powers)
        });
        for (i, (rows, powers)) in chunks.into_iter().enumerate() {
            self.rows[row..].iter_mut().zip(rows).for_each(|(sum, v)| *sum += v);
            for (to, (squares, fourth_powers)) in self.columns[column + i * CHUNK..].iter_mut().zip(powers) {
                *to += squares;
                self.fourth_powers += fourth_powers;
            }
        }
    }

    /// Takes the Gram matrix of either side of the column-centered data.
    pub(super) fn set_gram(&mut self, gram: &Mat<f64>) {
        self.gram = gram.squared_norm_l2();
    }

    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    pub(super) fn participation_ratio(&self, variant: Variant) -> Option<f64> {
        let (min_rows, min_columns) = if variant == Variant::Naive { (2, 1) } else { (4, 2) };
        if self.rows.len() < min_rows || self.columns.len() < min_columns {
            return None;
        }
        let squares = |of: &[f64]| of.iter().map(|v| v * v).sum::<f64>();
        let trace: f64 = self.rows.iter().sum();
        let all = Triple { t1: self.gram, t2: squares(&self.rows), t6: trace * trace };
        let squared_columns = squares(&self.columns);
        let same = Triple { t1: squared_columns, t2: self.fourth_powers, t6: squared_columns };
        let Triple { t1, t2, t6 } = match variant {
            Variant::Naive | Variant::Row => all,
            Variant::Col | Variant::Both => Triple { t1: all.t1 - same.t1, t2: all.t2 - same.t2, t6: all.t6 - same.t6 },
        };
        let p = self.rows.len() as f64;
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
