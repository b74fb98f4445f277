//! Kernels: similarities of rows that ridge regression takes in place of inner products.

use faer::Mat;

use super::Kernel;
use super::columns::{count, for_each_column};
use super::products::{Products, Rows};
use crate::Error;

/// The kernel of all rows.
///
/// # Definition
/// `linear`: x'y. `rbf`: exp(-gamma |x - y|^2). `polynomial`: (gamma x'y + coef0)^degree, of the features as given: `origin` are the means
/// that were taken from them. gamma is 1 / p where it is not given.
///
/// # Errors
/// [`Error::Device`]; [`Error::Numerical`] when values overflow.
///
/// # Source
/// scikit-learn `pairwise_kernels`.
pub(super) async fn of_rows(kernel: &Kernel, data: &Rows<'_>, origin: &[f64]) -> Result<Products, Error> {
    let width = count(data.x.ncols());
    let mut gram = data.device.gram_rows(data.x.as_ref()).await?;
    let n = gram.nrows();
    match *kernel {
        Kernel::Linear => return Ok(Products::Rows { kernel: gram, is_linear: true }),
        Kernel::Rbf { gamma } => {
            let gamma = gamma.unwrap_or(1.0 / width);
            let squares: Vec<f64> = (0..n).map(|i| gram[(i, i)]).collect();
            for_each_column(&mut gram, |j, column| {
                for (i, value) in column.iter_mut().enumerate() {
                    *value = if i == j { 1.0 } else { (-gamma * (squares[i] + squares[j] - 2.0 * *value).max(0.0)).exp() };
                }
            });
        }
        Kernel::Polynomial { degree, gamma, coef0 } => {
            let gamma = gamma.unwrap_or(1.0 / width);
            let along = along_origin(data.x, origin);
            let of_origin: f64 = origin.iter().map(|v| v * v).sum();
            let power = i32::try_from(degree).unwrap_or(i32::MAX);
            for_each_column(&mut gram, |j, column| {
                for (value, a) in column.iter_mut().zip(&along) {
                    *value = (gamma * (*value + a + along[j] + of_origin) + coef0).powi(power);
                }
            });
        }
    }
    if !gram.is_all_finite() {
        return Err(Error::Numerical {
            what: "the kernel of the features".into(),
            message: "its values overflow; scale the features down or choose a smaller gamma or degree".into(),
        });
    }
    Ok(Products::Rows { kernel: gram, is_linear: false })
}

/// x'origin of each row.
fn along_origin(x: &Mat<f64>, origin: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.nrows()];
    for (j, o) in origin.iter().enumerate() {
        out.iter_mut().zip(x.col_as_slice(j)).for_each(|(sum, v)| *sum += o * v);
    }
    out
}
