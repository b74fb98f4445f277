//! Gram matrices of training sets, taken from those of all rows instead of being computed split by split.

use faer::{Mat, MatRef};

use super::columns::{constant, count, for_each_column, means, take_centered, take_rows};
use crate::Error;
use crate::compute::Device;

/// A Gram matrix taken by differences keeps this share of a diagonal entry or is computed directly: four of sixteen digits may go.
const KEPT_FRAC: f64 = 1e-4;

/// Features and targets about the means of all rows, and where to contract them.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// Features, n x p.
    pub(super) x: &'a Mat<f64>,
    /// Targets, n x t.
    pub(super) y: &'a Mat<f64>,
    /// Where contractions run.
    pub(super) device: &'a Device,
}

/// Sums over a set of rows: they add and subtract as sets of rows do.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    n: f64,
    x: Vec<f64>,
    y: Vec<f64>,
    /// `X'X`, p x p.
    gram: Mat<f64>,
    /// `X'Y`, p x t.
    cross: Mat<f64>,
}

impl Sums {
    /// The sums over some rows: `n (p^2 + 2 p t)` flops.
    pub(super) async fn over(rows: &[usize], data: &Rows<'_>) -> Result<Self, Error> {
        let (x, y) = (take_rows(data.x, rows), take_rows(data.y, rows));
        let gram = data.device.gram_columns(x.as_ref()).await?;
        let cross = data.device.cross(x.as_ref(), y.as_ref()).await?;
        let sum = |m: &Mat<f64>| (0..m.ncols()).map(|j| m.col_as_slice(j).iter().sum()).collect();
        Ok(Self { n: count(rows.len()), x: sum(&x), y: sum(&y), gram, cross })
    }

    /// The sums over the rows of `self` that are not in `part`.
    pub(super) fn without(&self, part: &Self) -> Self {
        let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self {
            n: self.n - part.n,
            x: minus(&self.x, &part.x),
            y: minus(&self.y, &part.y),
            gram: &self.gram - &part.gram,
            cross: &self.cross - &part.cross,
        }
    }

    /// Centered `Xc'Xc` and `Xc'Yc` of the rows `train`, whose sums these are.
    ///
    /// Columns that are constant on `train` give exact zeros. When subtraction has eaten too many digits the products are computed directly.
    async fn centered(self, train: &[usize], data: &Rows<'_>) -> Result<(Mat<f64>, Mat<f64>), Error> {
        let Self { n, x, y, mut gram, mut cross } = self;
        let before: Vec<f64> = (0..x.len()).map(|j| data.x.col_as_slice(j).iter().map(|v| v * v).sum()).collect();
        for (j, xj) in x.iter().enumerate() {
            for (value, xi) in gram.col_as_slice_mut(j).iter_mut().zip(&x) {
                *value -= xi * xj / n;
            }
        }
        for (k, yk) in y.iter().enumerate() {
            for (value, xi) in cross.col_as_slice_mut(k).iter_mut().zip(&x) {
                *value -= xi * yk / n;
            }
        }
        let (flat_x, flat_y) = (constant(data.x, train), constant(data.y, train));
        if (0..x.len()).any(|j| !flat_x[j] && gram[(j, j)] < KEPT_FRAC * before[j]) {
            let x = take_centered(data.x, train, &means(data.x, train));
            let y = take_centered(data.y, train, &means(data.y, train));
            return Ok((data.device.gram_columns(x.as_ref()).await?, data.device.cross(x.as_ref(), y.as_ref()).await?));
        }
        for j in (0..x.len()).filter(|&j| flat_x[j]) {
            for i in 0..x.len() {
                gram[(i, j)] = 0.0;
                gram[(j, i)] = 0.0;
            }
            for k in 0..y.len() {
                cross[(j, k)] = 0.0;
            }
        }
        for k in (0..y.len()).filter(|&k| flat_y[k]) {
            cross.col_as_slice_mut(k).fill(0.0);
        }
        Ok((gram, cross))
    }
}

/// What is computed once over all rows.
#[derive(Debug)]
pub(super) enum Products {
    /// Few columns: sums of `X'X`, `X'Y`.
    Columns(Sums),
    /// Few rows, or similarities that are no products of columns: the kernel of all rows.
    Rows {
        /// `X X'` or another kernel, n x n.
        kernel: Mat<f64>,
        /// Whether it is `X X'`, which can be computed again from centered rows when centering takes too many digits.
        is_linear: bool,
    },
}

/// The centered Gram matrix of a training set on its smaller side, and how held-out rows meet it.
#[derive(Debug)]
pub(super) struct Gram {
    /// `Xc'Xc` (p x p) or `Xc Xc'` (n x n).
    pub(super) matrix: Mat<f64>,
    /// `Xc'Yc` (p x t) or `Yc` (n x t).
    pub(super) right: Mat<f64>,
    /// How to bring rows to this side.
    pub(super) side: Side,
}

/// Brings rows to the side of a [`Gram`].
#[derive(Debug)]
pub(super) enum Side {
    /// Rows of features minus training means.
    Columns {
        /// Means of the training rows.
        means: Vec<f64>,
    },
    /// Blocks of the kernel, centered by the training rows.
    Kernel {
        /// The training rows.
        train: Vec<usize>,
        /// Mean of the kernel over training rows, for each training row.
        means: Vec<f64>,
        /// Mean of those.
        grand: f64,
    },
    /// Products with the centered training rows themselves.
    Direct {
        /// Means of the training rows.
        means: Vec<f64>,
        /// Centered training rows, n x p.
        train: Mat<f64>,
    },
}

impl Products {
    /// The sums or the kernel of all rows, whichever side is smaller for training sets of about `n_train` rows.
    pub(super) async fn of(data: &Rows<'_>, n_train: usize) -> Result<Self, Error> {
        if data.x.ncols() <= n_train {
            let rows: Vec<usize> = (0..data.x.nrows()).collect();
            Ok(Self::Columns(Sums::over(&rows, data).await?))
        } else {
            Ok(Self::Rows { kernel: data.device.gram_rows(data.x.as_ref()).await?, is_linear: true })
        }
    }

    /// On the column side the sums over `train`, the rows that are not in `held_out`: by subtraction when that is less work.
    pub(super) async fn sums(&self, train: &[usize], held_out: &[usize], data: &Rows<'_>) -> Result<Option<Sums>, Error> {
        match self {
            Self::Columns(_) if train.len() <= held_out.len() => Ok(Some(Sums::over(train, data).await?)),
            Self::Columns(sums) => Ok(Some(sums.without(&Sums::over(held_out, data).await?))),
            Self::Rows { .. } => Ok(None),
        }
    }

    /// The centered Gram matrix of `train`, whose sums are `sums` on the column side.
    pub(super) async fn gram(&self, sums: Option<Sums>, train: &[usize], data: &Rows<'_>) -> Result<Gram, Error> {
        match (self, sums) {
            (Self::Columns(_), Some(sums)) => {
                let (matrix, right) = sums.centered(train, data).await?;
                Ok(Gram { matrix, right, side: Side::Columns { means: means(data.x, train) } })
            }
            (Self::Columns(_), None) => Err(Error::internal("a Gram matrix on the column side needs its sums")),
            (Self::Rows { kernel, is_linear }, _) => centered_kernel(kernel, *is_linear, train, data).await,
        }
    }
}

async fn centered_kernel(kernel: &Mat<f64>, is_linear: bool, train: &[usize], data: &Rows<'_>) -> Result<Gram, Error> {
    let n = train.len();
    let right = take_centered(data.y, train, &means(data.y, train));
    let mut matrix = block(kernel, train, train);
    let row_means: Vec<f64> = (0..n).map(|j| matrix.col_as_slice(j).iter().sum::<f64>() / count(n)).collect();
    let grand = row_means.iter().sum::<f64>() / count(n);
    let trace = |m: &Mat<f64>| (0..n).map(|i| m[(i, i)]).sum::<f64>();
    let before = trace(&matrix);
    for_each_column(&mut matrix, |j, column| {
        for (value, mean) in column.iter_mut().zip(&row_means) {
            *value += grand - mean - row_means[j];
        }
    });
    if is_linear && trace(&matrix) < KEPT_FRAC * before {
        let means = means(data.x, train);
        let x = take_centered(data.x, train, &means);
        let matrix = data.device.gram_rows(x.as_ref()).await?;
        return Ok(Gram { matrix, right, side: Side::Direct { means, train: x } });
    }
    Ok(Gram { matrix, right, side: Side::Kernel { train: train.to_vec(), means: row_means, grand } })
}

impl Side {
    /// Rows brought to this side: m x p or m x n.
    pub(super) async fn bring(&self, rows: &[usize], products: &Products, data: &Rows<'_>) -> Result<Mat<f64>, Error> {
        match (self, products) {
            (Self::Kernel { train, means, grand }, Products::Rows { kernel, .. }) => {
                let mut out = block(kernel, rows, train);
                let own: Vec<f64> =
                    (0..rows.len()).map(|i| (0..train.len()).map(|j| out[(i, j)]).sum::<f64>() / count(train.len())).collect();
                for_each_column(&mut out, |j, column| {
                    for (value, own) in column.iter_mut().zip(&own) {
                        *value += grand - own - means[j];
                    }
                });
                Ok(out)
            }
            (Self::Kernel { .. }, Products::Columns(_)) => Err(Error::internal("a kernel side without its kernel")),
            (Self::Columns { means }, _) => Ok(take_centered(data.x, rows, means)),
            (Self::Direct { means, train }, _) => {
                let x = take_centered(data.x, rows, means);
                data.device.matmul(x.as_ref(), MatRef::transpose(train.as_ref())).await
            }
        }
    }
}

fn block(kernel: &Mat<f64>, rows: &[usize], columns: &[usize]) -> Mat<f64> {
    let mut out = Mat::zeros(rows.len(), columns.len());
    for_each_column(&mut out, |j, to| {
        let from = kernel.col_as_slice(columns[j]);
        for (value, &i) in to.iter_mut().zip(rows) {
            *value = from[i];
        }
    });
    out
}
