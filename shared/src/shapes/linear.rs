//! Metrics between matrices: partial whitening and rotation, permutation, no alignment.

use faer::{Mat, MatRef};

use super::{Alignment, Map, Metric, Moved, centered, padded, same_rows};
use crate::Error;
use crate::linalg::assignment::assignment;
use crate::linalg::spectral::{all_singular_vectors, symmetric_eigen};

/// Alphas closer to an end than this are taken as the end.
pub(crate) const ALPHA_STEP: f64 = 1e-7;

/// Smallest eigenvalue that is whitened.
pub(crate) const FLOOR: f64 = 1e-7;

/// Rotation of partially whitened columns.
///
/// # Definition
/// Center, multiply by [`whitening`], then the rotations U and V of `(Xc Zx)'(Yc Zy) = U S V'`: the maps are `Zx U` and `Zy V`. Training means are
/// used for held-out rows.
///
/// # Source
/// Williams, Kunz, Kornblith & Linderman 2021; netrep `LinearMetric`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearMetric {
    /// 1 compares up to rotation (Procrustes), 0 up to invertible maps (CCA).
    pub alpha: f64,
    /// Subtract column means.
    pub center_columns: bool,
    /// Append zero columns to the narrower; otherwise different widths are an error.
    pub zero_pad: bool,
}

impl Default for LinearMetric {
    fn default() -> Self {
        Self { alpha: 1.0, center_columns: true, zero_pad: true }
    }
}

/// The best matching of columns, without whitening; columns of the wider that are left over are matched with zeros.
///
/// # Source
/// Williams et al. 2021; netrep `PermutationMetric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermutationMetric {
    /// Subtract column means.
    pub center_columns: bool,
    /// Append zero columns to the narrower; otherwise different widths are an error.
    pub zero_pad: bool,
}

impl Default for PermutationMetric {
    fn default() -> Self {
        Self { center_columns: true, zero_pad: true }
    }
}

/// No alignment: column j of one is column j of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityMetric {
    /// Subtract column means.
    pub center_columns: bool,
    /// Append zero columns to the narrower; otherwise different widths are an error.
    pub zero_pad: bool,
}

impl Default for IdentityMetric {
    fn default() -> Self {
        Self { center_columns: true, zero_pad: true }
    }
}

impl Metric for LinearMetric {
    fn fit(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Alignment, Error> {
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::parameter("alpha", format!("{} is outside 0..=1 (0 whitens fully, 1 not at all)", self.alpha)));
        }
        let width = common_width(x, y, self.zero_pad)?;
        let fit = |x: MatRef<'_, f64>| -> Result<_, Error> {
            let (centered, means) = centered(x, self.center_columns);
            let map = whitening(centered.as_ref(), self.alpha, width, true)?;
            Ok((&centered * &map, map, means))
        };
        let ((a, map_x, means_x), (b, map_y, means_y)) = (fit(x)?, fit(y)?);
        // Padded columns are zero, but rotations may fill them.
        let product = padded(padded(a.transpose() * &b, width).transpose().to_owned(), width).transpose().to_owned();
        let svd = all_singular_vectors(product.as_ref())?;
        let rotated = |map: Mat<f64>, turn: &Mat<f64>| Map::Matrix(&map * turn.subrows(0, map.ncols()));
        Ok(Alignment { x: Moved { means: means_x, map: rotated(map_x, &svd.u) }, y: Moved { means: means_y, map: rotated(map_y, &svd.v) } })
    }
}

impl Metric for PermutationMetric {
    fn fit(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Alignment, Error> {
        let width = common_width(x, y, self.zero_pad)?;
        let ((a, means_x), (b, means_y)) = (centered(x, self.center_columns), centered(y, self.center_columns));
        let columns = assignment(&(padded(a, width).transpose() * padded(b, width)), true);
        Ok(Alignment {
            x: Moved { means: means_x, map: Map::Columns((0..width).collect()) },
            y: Moved { means: means_y, map: Map::Columns(columns) },
        })
    }
}

impl Metric for IdentityMetric {
    fn fit(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Alignment, Error> {
        common_width(x, y, self.zero_pad)?;
        let means = |x| centered(x, self.center_columns).1;
        Ok(Alignment { x: Moved { means: means(x), map: Map::Same }, y: Moved { means: means(y), map: Map::Same } })
    }
}

fn common_width(x: MatRef<'_, f64>, y: MatRef<'_, f64>, zero_pad: bool) -> Result<usize, Error> {
    same_rows(x, y)?;
    if x.ncols() != y.ncols() && !zero_pad {
        let expected = format!("{} columns as in x (or zero_pad, which appends zero columns to the narrower)", x.ncols());
        return Err(Error::Shape { what: "y".into(), expected, got: format!("{} columns", y.ncols()) });
    }
    Ok(x.ncols().max(y.ncols()))
}

/// The map that whitens centered columns in part.
///
/// # Definition
/// With `(lambda, V) = eig(X'X)`, lambda at least 1e-7: `Z = f V diag(alpha + (1 - alpha) / sqrt(lambda)) V'`. With `keep_variance`, f keeps the total
/// variance: `f^2 = sum lambda / sum (alpha^2 lambda + 2 alpha (1 - alpha) sqrt(lambda) + (1 - alpha)^2)`; otherwise f = 1. Columns that are padded up to
/// `width` count in both sums with lambda = 1e-7. alpha = 1: Z = I.
///
/// # Shapes
/// x: (n, p), p <= width → Z: p x p.
///
/// # Errors
/// [`Error::Numerical`] when the products are not finite.
///
/// # Source
/// Williams et al. 2021, eq. 11 and netrep.
pub fn whitening(x: MatRef<'_, f64>, alpha: f64, width: usize, keep_variance: bool) -> Result<Mat<f64>, Error> {
    let p = x.ncols();
    if alpha > 1.0 - ALPHA_STEP {
        return Ok(Mat::identity(p, p));
    }
    let eigen = symmetric_eigen((x.transpose() * x).as_ref())?;
    let lambda: Vec<f64> = eigen.values.iter().map(|v| v.max(FLOOR)).collect();
    let factor = if keep_variance { variance_factor(&lambda, alpha, width) } else { 1.0 };
    let scaled = Mat::from_fn(p, p, |i, j| eigen.vectors[(i, j)] * factor * (alpha + (1.0 - alpha) / lambda[j].sqrt()));
    Ok(scaled * eigen.vectors.transpose())
}

/// The factor that keeps the total variance when whitening `width` columns with these eigenvalues; those without one have the floor.
pub(crate) fn variance_factor(eigenvalues: &[f64], alpha: f64, width: usize) -> f64 {
    if alpha > 1.0 - ALPHA_STEP {
        return 1.0;
    }
    let floors = std::iter::repeat_n(FLOOR, width.saturating_sub(eigenvalues.len()));
    let (mut before, mut after) = (0.0, 0.0);
    for value in eigenvalues.iter().map(|v| v.max(FLOOR)).chain(floors) {
        before += value;
        after += alpha * alpha * value + 2.0 * alpha * (1.0 - alpha) * value.sqrt() + (1.0 - alpha) * (1.0 - alpha);
    }
    (before / after).sqrt()
}
