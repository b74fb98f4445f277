//! Checks and factors of symmetric positive definite inputs.

use faer::{Mat, Side};

use crate::Error;
use crate::dataset::Matrix;

/// Entries that differ from their mirror image by less than this share of the largest entry count as equal: f32 rounding.
const SYMMETRY_TOL: f64 = 1e-6;

/// An entry (row, column), row < column, of an n x n matrix that differs from its mirror image; a NaN equals a NaN.
pub(crate) fn asymmetric_entry(n: usize, at: impl Fn(usize, usize) -> f64) -> Option<(usize, usize)> {
    const BLOCK: usize = 64;
    let largest = largest_entry(n, &at);
    // In blocks, so that mirror images stay in the cache.
    for rows in (0..n).step_by(BLOCK) {
        for columns in (rows..n).step_by(BLOCK) {
            for i in rows..(rows + BLOCK).min(n) {
                for j in columns.max(i + 1)..(columns + BLOCK).min(n) {
                    let (a, b) = (at(i, j), at(j, i));
                    if (a - b).abs() > SYMMETRY_TOL * largest || a.is_nan() != b.is_nan() {
                        return Some((i, j));
                    }
                }
            }
        }
    }
    None
}

/// The first diagonal entry that is not zero (NaN counts as zero: some tools write it there).
pub(crate) fn nonzero_diagonal(n: usize, at: impl Fn(usize, usize) -> f64) -> Option<usize> {
    let largest = largest_entry(n, &at);
    (0..n).find(|&i| at(i, i).abs() > SYMMETRY_TOL * largest)
}

fn largest_entry(n: usize, at: &impl Fn(usize, usize) -> f64) -> f64 {
    // f64::max passes over NaN.
    (0..n).flat_map(|i| (0..n).map(move |j| at(i, j).abs())).fold(0.0, f64::max)
}

/// The lower factor L of a symmetric positive definite matrix, L L' = M.
///
/// # Errors
/// [`Error::Input`] when it is not symmetric; [`Error::Numerical`] when it is not positive definite.
pub(crate) fn cholesky(matrix: &Matrix, what: &str) -> Result<Mat<f64>, Error> {
    let m = matrix.to_mat();
    if let Some((i, j)) = asymmetric_entry(m.nrows(), |i, j| m[(i, j)]) {
        let message = format!(
            "{what} must be symmetric, but entry ({}, {}) is {} and entry ({}, {}) is {} (counted from 1)",
            i + 1,
            j + 1,
            m[(i, j)],
            j + 1,
            i + 1,
            m[(j, i)]
        );
        return Err(Error::input(matrix.name(), message));
    }
    let factor = m.llt(Side::Lower).map_err(|e| Error::Numerical {
        what: format!("{what} {}", matrix.name()),
        message: format!("it is not positive definite ({e:?}); add a small multiple of the identity or use a shrinkage estimate"),
    })?;
    Ok(factor.L().to_owned())
}
