//! Shape metrics of two representations: fitted on some rows, applied to any.
//!
//! The shape of the interface is that of scikit-learn: a metric has parameters, [`Metric::fit`] gives an [`Alignment`], which transforms and
//! scores other rows. [`shape_distance`](crate::analysis::shape_distance) finds the same numbers for many pairs faster.

mod average;
mod convolution;
mod energy;
mod gaussian;
mod linear;
mod path;
mod process;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, get_global_parallelism};
use serde::{Deserialize, Serialize};

pub use average::{Average, Averaging, Clusters, Options, average, clusters};
pub use convolution::{Convolution, Shift};
pub use energy::{Energy, EnergyFit};
pub use gaussian::{Gaussian, GaussianFit, Responses, Weights, bures};
pub(crate) use linear::{ALPHA_STEP, FLOOR, variance_factor};
pub use linear::{IdentityMetric, LinearMetric, PermutationMetric, whitening};
pub use path::Path;
pub use process::{Process, ProcessFit};

use crate::Error;
use crate::linalg::assignment::assignment;
use crate::linalg::spectral::{all_singular_vectors, symmetric_eigen};
use crate::stats::blocks;

/// The maps by which columns may be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Rotations and reflections.
    #[default]
    #[serde(alias = "orth")]
    Orthogonal,
    /// Other orders of the columns.
    #[serde(alias = "perm")]
    Permutation,
    /// None: column j of one is column j of the other.
    Identity,
}

/// Distance after alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Angle between the aligned matrices, in radians.
    #[default]
    Angular,
    /// Frobenius norm of their difference.
    Euclidean,
}

impl Score {
    /// The distance of A and B from `<A, B>`, `|A|` and `|B|`; NaN for the angle to a zero matrix.
    #[must_use]
    pub fn of(self, inner: f64, norm_a: f64, norm_b: f64) -> f64 {
        match self {
            Self::Angular => (inner / (norm_a * norm_b)).clamp(-1.0, 1.0).acos(),
            Self::Euclidean => (norm_a * norm_a + norm_b * norm_b - 2.0 * inner).max(0.0).sqrt(),
        }
    }

    /// The distance of two matrices of one shape.
    #[must_use]
    pub fn between(self, a: &Mat<f64>, b: &Mat<f64>) -> f64 {
        match self {
            Self::Angular => self.of(inner(a, b), a.norm_l2(), b.norm_l2()),
            // Not by the three products, which cancel for close matrices.
            Self::Euclidean => (a - b).norm_l2(),
        }
    }
}

/// `<A, B>`: the sum of products of entries.
pub(crate) fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| crate::stats::dot(a.col_as_slice(j), b.col_as_slice(j))).sum()
}

/// A map of columns.
#[derive(Debug, Clone, PartialEq)]
pub enum Map {
    /// `X M`, M of shape p x q.
    Matrix(Mat<f64>),
    /// Column j of the result is column `map[j]`, zeros where there is no such column.
    Columns(Vec<usize>),
    /// X as it is.
    Same,
}

impl Map {
    /// The moved columns: (n, p) → (n, q).
    #[must_use]
    pub fn apply(&self, x: MatRef<'_, f64>) -> Mat<f64> {
        self.apply_by(x, get_global_parallelism())
    }

    fn apply_by(&self, x: MatRef<'_, f64>, par: Par) -> Mat<f64> {
        match self {
            Self::Matrix(map) => product(x, map.as_ref(), par),
            Self::Columns(columns) => {
                Mat::from_fn(x.nrows(), columns.len(), |i, j| if columns[j] < x.ncols() { x[(i, columns[j])] } else { 0.0 })
            }
            Self::Same => x.to_owned(),
        }
    }
}

/// The map T of the group for which `X T` is closest to Y.
///
/// # Definition
/// T minimizes `|X T - Y|`, which maximizes `tr(T' X'Y)`. Orthogonal: `T = U V'` with `X'Y = U S V'` (reflections allowed). Permutation: the
/// assignment of columns with the largest sum of products. Identity: no map.
///
/// # Shapes
/// x, y: (n, p) → T: p x p.
///
/// # Degenerate
/// Where X'Y has less than full rank, T is not unique: any of the best is returned.
///
/// # Accuracy
/// `T'T = I` to a few eps; the assignment is exact. Deterministic.
///
/// # Cost
/// 2 n p^2 for the product, about 20 p^3 for its singular vectors, O(p^3) at most for the assignment.
///
/// # Errors
/// [`Error::Shape`] for different shapes, [`Error::Numerical`] when the products are not finite.
///
/// # Source
/// Schönemann 1966; Jonker & Volgenant 1987 (assignment).
pub fn align(x: MatRef<'_, f64>, y: MatRef<'_, f64>, group: Group) -> Result<Map, Error> {
    align_by(x, y, group, How::exact())
}

/// How an alignment is computed.
#[derive(Debug, Clone, Copy)]
struct How {
    /// Threads of products: one where several representations are aligned side by side.
    par: Par,
    /// How far a rotation may be from the best.
    accuracy: f64,
}

impl How {
    fn exact() -> Self {
        Self { par: get_global_parallelism(), accuracy: 1e-10 }
    }
}

fn align_by(x: MatRef<'_, f64>, y: MatRef<'_, f64>, group: Group, how: How) -> Result<Map, Error> {
    same_shape(x, y)?;
    Ok(match group {
        Group::Orthogonal => Map::Matrix(rotation_by(product(x.transpose(), y, how.par).as_ref(), how)?),
        Group::Permutation => {
            // The row of the transposed product is a column of Y.
            Map::Columns(assignment(&(y.transpose() * x), true))
        }
        Group::Identity => Map::Same,
    })
}

/// `U V'` of a square matrix `U S V'`: the closest orthogonal matrix.
///
/// By the eigenvectors of `M'M`, half of the work, where singular values are not too far apart: `M V S^-1 V'` and steps that make it orthogonal to rounding.
/// Its own error is about 10 eps times the square of their ratio.
pub(crate) fn rotation(m: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
    rotation_by(m, How::exact())
}

/// `A B` on as many threads.
fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>, par: Par) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, par);
    out
}

fn rotation_by(m: MatRef<'_, f64>, How { par, accuracy }: How) -> Result<Mat<f64>, Error> {
    let eigen = symmetric_eigen(product(m.transpose(), m, par).as_ref())?;
    let (largest, least) = (eigen.values.first().copied().unwrap_or(0.0), eigen.values.last().copied().unwrap_or(0.0));
    // The error of eigenvalues, over the least of them.
    let mut off = 10.0 * f64::EPSILON * largest / least;
    if least <= 0.0 || off > accuracy {
        let svd = all_singular_vectors(m)?;
        return Ok(&svd.u * svd.v.transpose());
    }
    let n = m.ncols();
    let scaled = Mat::from_fn(n, n, |i, j| eigen.vectors[(i, j)] / eigen.values[j].sqrt());
    let mut turn = product(product(m, eigen.vectors.as_ref(), par).as_ref(), scaled.transpose(), par);
    // T (3 I - T'T) / 2: each step has twice as many digits of orthogonality.
    while off > GOOD {
        let mut correction = product(turn.transpose(), turn.as_ref(), par);
        correction *= faer::Scale(-0.5);
        (0..n).for_each(|i| correction[(i, i)] += 1.5);
        turn = product(turn.as_ref(), correction.as_ref(), par);
        off *= off;
    }
    Ok(turn)
}

/// How far from orthogonal a rotation may be.
const GOOD: f64 = 1e-13;

fn same_shape(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<(), Error> {
    if x.shape() == y.shape() {
        return Ok(());
    }
    let text = |m: MatRef<'_, f64>| format!("{} x {}", m.nrows(), m.ncols());
    Err(Error::Shape { what: "the second representation".into(), expected: format!("{}, as the first", text(x)), got: text(y) })
}

/// A metric that can be fitted.
pub trait Metric {
    /// Finds the alignment of two representations of the same rows.
    ///
    /// # Errors
    /// Those of the metric: parameters out of range, different numbers of rows, widths that do not fit.
    fn fit(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Alignment, Error>;

    /// The distance on the rows that are fitted on.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit).
    fn fit_score(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>, score: Score) -> Result<f64, Error> {
        self.fit(x, y)?.score(x, y, score)
    }
}

/// How two representations come to common coordinates: `(X - means) map` for each.
#[derive(Debug, Clone)]
pub struct Alignment {
    /// Of the first representation.
    pub x: Moved,
    /// Of the second.
    pub y: Moved,
}

/// Of one representation.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Column means of the rows fitted on; zeros where nothing is centered.
    pub means: Vec<f64>,
    /// The map of the centered columns.
    pub map: Map,
}

impl Alignment {
    /// Both representations in common coordinates.
    ///
    /// # Errors
    /// [`Error::Shape`] for a number of columns other than the fitted one.
    pub fn transform(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<(Mat<f64>, Mat<f64>), Error> {
        let (a, b) = (self.x.apply("x", x)?, self.y.apply("y", y)?);
        let width = a.ncols().max(b.ncols());
        Ok((padded(a, width), padded(b, width)))
    }

    /// The distance of rows, fitted on or held out, in common coordinates.
    ///
    /// # Errors
    /// [`Error::Shape`] for a number of columns other than the fitted one, [`Error::RowMismatch`].
    pub fn score(&self, x: MatRef<'_, f64>, y: MatRef<'_, f64>, score: Score) -> Result<f64, Error> {
        same_rows(x, y)?;
        let (a, b) = self.transform(x, y)?;
        Ok(score.between(&a, &b))
    }
}

impl Moved {
    fn apply(&self, what: &str, x: MatRef<'_, f64>) -> Result<Mat<f64>, Error> {
        if x.ncols() != self.means.len() {
            let expected = format!("{} columns, as fitted", self.means.len());
            return Err(Error::Shape { what: what.into(), expected, got: format!("{} columns", x.ncols()) });
        }
        Ok(self.map.apply(minus(x, &self.means).as_ref()))
    }
}

fn minus(x: MatRef<'_, f64>, means: &[f64]) -> Mat<f64> {
    Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] - means[j])
}

fn same_rows(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<(), Error> {
    if x.nrows() == y.nrows() {
        return Ok(());
    }
    Err(Error::RowMismatch { a: "x".into(), n_a: x.nrows() as u64, b: "y".into(), n_b: y.nrows() as u64 })
}

/// With zero columns up to `width`.
pub(crate) fn padded(x: Mat<f64>, width: usize) -> Mat<f64> {
    if x.ncols() == width {
        return x;
    }
    Mat::from_fn(x.nrows(), width, |i, j| if j < x.ncols() { x[(i, j)] } else { 0.0 })
}

/// Distances of each fold, lower is better.
#[derive(Debug, Clone, PartialEq)]
pub struct Folds {
    /// On the rows fitted on.
    pub train: Vec<f64>,
    /// On the rows held out.
    pub test: Vec<f64>,
}

/// Train and test distances of contiguous folds: each holds out a block of rows, the first `n mod k` one row longer.
///
/// # Errors
/// [`Error::Parameter`] for fewer than 2 folds or more than there are rows; those of the metric.
///
/// # Source
/// scikit-learn `cross_validate` with `KFold`.
pub fn cross_validate(metric: &dyn Metric, x: MatRef<'_, f64>, y: MatRef<'_, f64>, n_folds: usize, score: Score) -> Result<Folds, Error> {
    same_rows(x, y)?;
    let n = x.nrows();
    if n_folds < 2 || n_folds > n {
        return Err(Error::parameter("n_folds", format!("{n_folds} folds of {n} rows; give 2 to {n}")));
    }
    let mut folds = Folds { train: Vec::with_capacity(n_folds), test: Vec::with_capacity(n_folds) };
    for block in blocks(n, n_folds) {
        let rest =
            |m: MatRef<'_, f64>| Mat::from_fn(n - block.len(), m.ncols(), |i, j| m[(if i < block.start { i } else { i + block.len() }, j)]);
        let (train_x, train_y) = (rest(x), rest(y));
        let alignment = metric.fit(train_x.as_ref(), train_y.as_ref())?;
        folds.train.push(alignment.score(train_x.as_ref(), train_y.as_ref(), score)?);
        let held = |m: MatRef<'_, f64>| m.subrows(block.start, block.len()).to_owned();
        folds.test.push(alignment.score(held(x).as_ref(), held(y).as_ref(), score)?);
    }
    Ok(folds)
}

/// Columns minus their means, if wanted, and the means (zeros otherwise).
pub(crate) fn centered(x: MatRef<'_, f64>, center: bool) -> (Mat<f64>, Vec<f64>) {
    let mut x = x.to_owned();
    let means = if center { crate::linalg::spectral::center_columns(&mut x) } else { vec![0.0; x.ncols()] };
    (x, means)
}

/// `exp(-lambda D)` of a matrix of distances after alignment to one mean: positive semidefinite.
///
/// # Shapes
/// K x K → K x K.
#[must_use]
pub fn distance_kernel(distances: &Mat<f64>, lambda: f64) -> Mat<f64> {
    Mat::from_fn(distances.nrows(), distances.ncols(), |i, j| (-lambda * distances[(i, j)]).exp())
}

/// The matrix of a map of p columns.
#[must_use]
pub fn matrix_of(map: &Map, p: usize) -> Cow<'_, Mat<f64>> {
    match map {
        Map::Matrix(matrix) => Cow::Borrowed(matrix),
        Map::Columns(_) | Map::Same => Cow::Owned(map.apply(Mat::<f64>::identity(p, p).as_ref())),
    }
}
