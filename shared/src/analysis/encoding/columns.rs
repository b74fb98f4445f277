//! Rows, means and loops over the columns of a matrix: what every estimator does before its algebra.

use faer::Mat;

use crate::Error;

pub(in crate::analysis) use crate::parallel::{for_each_column, map as map_indices};
pub(in crate::analysis) use crate::stats::count;

/// A copy of some rows, in the order given.
pub(in crate::analysis) fn take_rows(x: &Mat<f64>, rows: &[usize]) -> Mat<f64> {
    let mut out = Mat::zeros(rows.len(), x.ncols());
    for_each_column(&mut out, |j, to| {
        let from = x.col_as_slice(j);
        for (value, &i) in to.iter_mut().zip(rows) {
            *value = from[i];
        }
    });
    out
}

/// Mean of each column over some rows, taken about the column's first value: a constant column has exactly its own value.
pub(in crate::analysis) fn means(x: &Mat<f64>, rows: &[usize]) -> Vec<f64> {
    map_indices(x.ncols(), |j| {
        let column = x.col_as_slice(j);
        let Some(&first) = rows.first() else { return 0.0 };
        let origin = column[first];
        origin + rows.iter().map(|&i| column[i] - origin).sum::<f64>() / count(rows.len())
    })
}

/// Which columns have one value only on some rows.
pub(in crate::analysis) fn constant(x: &Mat<f64>, rows: &[usize]) -> Vec<bool> {
    map_indices(x.ncols(), |j| {
        let column = x.col_as_slice(j);
        #[expect(clippy::float_cmp, reason = "constant means that every value is the same")]
        rows.windows(2).all(|pair| column[pair[0]] == column[pair[1]])
    })
}

/// A matrix of the input `name` about its column means, and these.
///
/// # Errors
/// [`Error::Input`] at `field` when squares overflow.
pub(in crate::analysis) fn about_means(mut x: Mat<f64>, field: &str, name: &str) -> Result<(Mat<f64>, Vec<f64>), Error> {
    let all: Vec<usize> = (0..x.nrows()).collect();
    let origin = means(&x, &all);
    subtract(&mut x, &origin);
    if (0..x.ncols()).map(|j| x.col_as_slice(j).iter().map(|v| v * v).sum::<f64>()).sum::<f64>().is_finite() {
        return Ok((x, origin));
    }
    Err(Error::input(field, format!("the values of \"{name}\" are so large that their squares overflow; rescale them first")))
}

/// Subtracts a number from each column.
pub(in crate::analysis) fn subtract(x: &mut Mat<f64>, from_columns: &[f64]) {
    for_each_column(x, |j, column| {
        for value in column {
            *value -= from_columns[j];
        }
    });
}

/// A copy of some rows minus a number for each column.
pub(in crate::analysis) fn take_centered(x: &Mat<f64>, rows: &[usize], means: &[f64]) -> Mat<f64> {
    let mut out = take_rows(x, rows);
    subtract(&mut out, means);
    out
}

/// Divides or otherwise scales the rows: row `j` of column `k` is multiplied by `factor(j, k)`.
pub(in crate::analysis) fn scale_rows(x: &Mat<f64>, factor: impl Fn(usize, usize) -> f64 + Sync + Send) -> Mat<f64> {
    let mut out = Mat::zeros(x.nrows(), x.ncols());
    for_each_column(&mut out, |k, to| {
        for (j, (value, from)) in to.iter_mut().zip(x.col_as_slice(k)).enumerate() {
            *value = from * factor(j, k);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_columns_center_to_exact_zeros() {
        let x = Mat::from_fn(7, 2, |i, j| if j == 0 { 0.1 } else { count(i) });
        let rows: Vec<usize> = (0..7).collect();
        let centered = take_centered(&x, &rows, &means(&x, &rows));
        assert!(centered.col_as_slice(0).iter().all(|&v| v == 0.0), "0.1 minus the mean of 0.1");
        assert_eq!(constant(&x, &rows), [true, false]);
        assert!(centered.col_as_slice(1).iter().sum::<f64>().abs() < 1e-15, "0..7 minus its mean adds to zero");
    }
}
