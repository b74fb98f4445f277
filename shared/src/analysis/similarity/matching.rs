//! Measures of matched columns.

use faer::Mat;

use super::side::Side;
use crate::Error;
use crate::linalg::assignment::{assignment, transport};
use crate::parallel;
use crate::stats::{centered_unit, count, mean};

/// More columns than this are not transported exactly.
const MOST_COLUMNS: usize = 2000;

/// Correlations of all pairs of columns; 0 with a column without variance.
pub(super) fn correlations(x: &Side, y: &Side) -> Mat<f64> {
    let unit = |x: &Mat<f64>| {
        let columns: Vec<Vec<f64>> =
            (0..x.ncols()).map(|j| centered_unit(x.col_as_slice(j)).unwrap_or_else(|| vec![0.0; x.nrows()])).collect();
        Mat::from_fn(x.nrows(), x.ncols(), |i, j| columns[j][i])
    };
    unit(&x.x).transpose() * unit(&y.x)
}

/// The values of the pairs of the best matching: as many as the shorter side has.
pub(super) fn matched(values: Mat<f64>) -> Vec<f64> {
    let wide = if values.nrows() <= values.ncols() { values } else { values.transpose().to_owned() };
    assignment(&wide, true).iter().enumerate().map(|(i, j)| wide[(i, *j)]).collect()
}

/// Mean correlation of columns matched one to one, as many as the narrower set has. Source: Li et al. 2016.
pub(super) fn one_to_one(x: &Side, y: &Side) -> f64 {
    mean(&matched(correlations(x, y)))
}

/// Mean of every column's greatest correlation with a column of the other set, averaged over both directions.
pub(super) fn greatest(x: &Side, y: &Side) -> f64 {
    let found = correlations(x, y);
    let rows: Vec<f64> = found.row_iter().map(|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
    let columns: Vec<f64> = found.col_iter().map(|column| column.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect();
    f64::midpoint(mean(&rows), mean(&columns))
}

/// Mean correlation of columns under the best transport of one uniform set of columns to the other.
///
/// # Source
/// Khosla & Williams 2024.
pub(super) fn soft(x: &Side, y: &Side) -> Result<f64, Error> {
    let (p, q) = (x.width(), y.width());
    if p.max(q) > MOST_COLUMNS {
        return Err(Error::input(
            &*x.name,
            format!("{} columns; soft matching is exact up to {MOST_COLUMNS}: use soft_matching-epsilon=0.05", p.max(q)),
        ));
    }
    let found = correlations(x, y);
    if p == q {
        // An extreme point of the polytope of doubly stochastic matrices is a permutation.
        return Ok(mean(&matched(found)));
    }
    let cost = Mat::from_fn(p, q, |i, j| 1.0 - found[(i, j)]);
    let plan = transport(&cost, &vec![q as u64; p], &vec![p as u64; q]);
    #[expect(clippy::cast_precision_loss, reason = "products of column counts")]
    let sum: f64 = plan.iter().map(|f| f.amount as f64 * found[(f.row, f.column)]).sum();
    Ok(sum / (count(p) * count(q)))
}

/// Sweeps over both margins, at most.
const MOST_SWEEPS: usize = 10_000;

/// As [`soft`], with the transport of least `<P, cost> - epsilon entropy(P)`, cost = 1 - correlation: the mean correlation under it, at most that of the best.
///
/// # Accuracy
/// Sweeps until the margins are right to 1e-9 of a column's share, 10,000 at most.
///
/// # Source
/// Cuturi 2013, in logarithms.
pub(super) fn entropic(x: &Side, y: &Side, epsilon: f64) -> f64 {
    let found = correlations(x, y);
    let (p, q) = found.shape();
    // log P = (f_i + g_j + correlation) / epsilon; rows sum to 1 / p and columns to 1 / q.
    let (log_p, log_q) = (-count(p).ln(), -count(q).ln());
    let (mut f, mut g) = (vec![0.0; p], vec![0.0; q]);
    let rows = found.transpose().to_owned();
    // The logarithm of the sum of exponentials of a line.
    let log_sum = |line: &[f64], others: &[f64]| {
        let most = line.iter().zip(others).map(|(c, o)| c + o).fold(f64::NEG_INFINITY, f64::max);
        most / epsilon + line.iter().zip(others).map(|(c, o)| ((c + o - most) / epsilon).exp()).sum::<f64>().ln()
    };
    for _ in 0..MOST_SWEEPS {
        f = parallel::map(p, |i| epsilon * (log_p - log_sum(rows.col_as_slice(i), &g)));
        let sums = parallel::map(q, |j| log_sum(found.col_as_slice(j), &f));
        let off = sums.iter().zip(&g).map(|(s, g)| (s + g / epsilon - log_q).exp_m1().abs()).fold(0.0, f64::max);
        g = sums.iter().map(|s| epsilon * (log_q - s)).collect();
        if off < 1e-9 {
            break;
        }
    }
    let of_column =
        parallel::map(q, |j| found.col_as_slice(j).iter().zip(&f).map(|(c, f)| ((f + g[j] + c) / epsilon).exp() * c).sum::<f64>());
    of_column.iter().sum()
}
