//! Variances of scores and of differences between them.

use super::resample::Row;
use crate::stats::{count, mean, variance};

/// What a bootstrap left.
pub(super) struct Samples {
    pub(super) spread: Spread,
    pub(super) n_used: usize,
    pub(super) n_left_out: usize,
}

/// Scores of each resample; several times where each is divided into folds in several ways.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// Repeats x resamples.
    pub(super) repeats: Vec<Vec<Row>>,
}

impl Table {
    /// The variance over resamples, without the part that the division into folds adds.
    ///
    /// # Definition
    /// With n repeats `(n v_mean - v_1) / (n - 1)`, at least 0: `v_mean` the variance of the mean over repeats, `v_1` the mean of their
    /// variances.
    fn variance(&self, look: &dyn Fn(&[f64]) -> f64) -> f64 {
        let of = |rows: &[Row]| variance(&defined(rows, look), 1);
        if let [rows] = self.repeats.as_slice() {
            return of(rows);
        }
        let n = count(self.repeats.len());
        let single: Vec<f64> = self.repeats.iter().map(|rows| of(rows)).collect();
        let corrected = (n * variance(&self.means(look), 1) - mean(&single)) / (n - 1.0);
        if corrected.is_nan() { corrected } else { corrected.max(0.0) }
    }

    /// What `look` finds, averaged over repeats, in the resamples where it is defined.
    fn means(&self, look: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
        let n = self.repeats.first().map_or(0, Vec::len);
        let of = |i: usize| {
            let values: Vec<f64> = self.repeats.iter().map(|rows| look(&rows[i])).filter(|v| v.is_finite()).collect();
            mean(&values)
        };
        (0..n).map(of).filter(|v| v.is_finite()).collect()
    }

    /// Resamples in which nothing is defined.
    pub(super) fn n_undefined(&self) -> usize {
        let undefined = |i: &usize| self.repeats.iter().all(|rows| rows[*i].iter().all(|v| v.is_nan()));
        (0..self.repeats.first().map_or(0, Vec::len)).filter(undefined).count()
    }
}

/// How scores vary.
pub(super) enum Spread {
    /// One row per data RDM: the variance of a mean over them.
    Mean(Vec<Row>),
    /// One row per resample of one factor, n of it: the variance over resamples times n / (n - 1).
    Bootstrap {
        /// Scores of each resample.
        rows: Table,
        /// n / (n - 1), or 1.
        factor: f64,
    },
    /// Rows of resamples of both factors and of each alone.
    Dual {
        /// Both drawn anew.
        both: Table,
        /// Conditions drawn anew.
        by_condition: Table,
        /// Data RDMs drawn anew.
        by_data: Table,
        /// n / (n - 1) of the conditions.
        a_conditions: f64,
        /// n / (n - 1) of the data RDMs.
        a_data: f64,
    },
}

impl Spread {
    /// The variance of what `look` finds in a row, over the rows where it is defined; NaN for fewer than two.
    pub(super) fn variance(&self, look: &dyn Fn(&[f64]) -> f64) -> f64 {
        match self {
            Self::Mean(rows) => {
                let values = defined(rows, look);
                variance(&values, 1) / count(values.len())
            }
            Self::Bootstrap { rows, factor } => factor * rows.variance(look),
            Self::Dual { both, by_condition, by_data, a_conditions, a_data } => {
                dual(both.variance(look), (by_data.variance(look), *a_data), (by_condition.variance(look), *a_conditions))
            }
        }
    }

    /// What `look` finds in the resamples; nothing where there are none.
    pub(super) fn resampled(&self, look: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
        match self {
            Self::Mean(_) => Vec::new(),
            Self::Bootstrap { rows, .. } | Self::Dual { both: rows, .. } => rows.means(look),
        }
    }
}

fn defined(rows: &[Row], look: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    rows.iter().map(|row| look(row)).filter(|v| v.is_finite()).collect()
}

/// The variance for new draws of both factors, from resamples of both and of each.
///
/// # Definition
/// `a_r s_r + a_p s_p - a_r a_p (s_both - s_r - s_p)`, at least `max(a_r s_r, a_p s_p)` and at most `s_both`; a = n / (n - 1).
///
/// # Source
/// Schütt et al. 2023, eLife 12:e82566.
fn dual(both: f64, (by_data, a_data): (f64, f64), (by_condition, a_conditions): (f64, f64)) -> f64 {
    let (r, p) = (a_data * by_data, a_conditions * by_condition);
    let found = r + p - a_data * a_conditions * (both - by_data - by_condition);
    if found.is_nan() { found } else { found.max(r.max(p)).min(both) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dual_variance_stays_between_its_parts_and_the_whole() {
        // Uncorrelated factors: s_both is about s_r + s_p + interaction; without an interaction the parts add up.
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        close(dual(3.0, (1.0, 1.0), (1.0, 1.0)), 1.0);
        close(dual(2.0, (1.0, 1.0), (1.0, 1.0)), 2.0);
        close(dual(1.6, (1.0, 1.25), (0.5, 1.1)), 1.6);
        assert!(dual(f64::NAN, (1.0, 1.0), (1.0, 1.0)).is_nan(), "undefined stays undefined");
    }

    #[test]
    fn divisions_into_folds_do_not_add_to_the_variance() {
        // Repeats that agree add nothing; repeats that are only noise leave nothing.
        let table = |repeats: [[f64; 4]; 2]| Table { repeats: repeats.map(|values| values.map(|v| vec![v]).to_vec()).to_vec() };
        let first = |row: &[f64]| row[0];
        assert_eq!(table([[1.0, 2.0, 3.0, 4.0]; 2]).variance(&first).to_bits(), (5.0f64 / 3.0).to_bits());
        assert_eq!(table([[1.0, -1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]]).variance(&first).to_bits(), 0.0f64.to_bits());
    }

    #[test]
    fn undefined_rows_are_left_out_of_a_variance() {
        let rows = vec![vec![1.0], vec![f64::NAN], vec![3.0]];
        let first = |row: &[f64]| row[0];
        assert_eq!(Spread::Mean(rows.clone()).variance(&first).to_bits(), 1.0f64.to_bits());
        let rows = Table { repeats: vec![rows] };
        assert_eq!(Spread::Bootstrap { rows, factor: 1.5 }.variance(&first).to_bits(), 3.0f64.to_bits());
        assert!(Spread::Mean(vec![vec![1.0]]).variance(&first).is_nan(), "one row has no spread");
    }
}
