//! What a fit sees of the units: themselves, or scores on principal components of the training rows.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, get_global_parallelism};

use super::layer::Activation;
use crate::Error;
use crate::analysis::encoding::Split;
use crate::analysis::encoding::columns::{means, subtract, take_rows};
use crate::compute::{Device, GramSum};
use crate::linalg::pca::Pca;
use crate::linalg::spectral::{double_centered, rank_tolerance, symmetric_eigen};
use crate::progress::Progress;
use crate::stats::count;

/// Some units in all rows.
pub(super) enum Units {
    /// n x p.
    Plain(Mat<f64>),
    /// Inner products of the rows, with the precision of the device that made them.
    Gram { products: Mat<f64>, n_units: usize, precision: f64 },
}

/// Features of the rows of a split.
pub(super) struct Design {
    pub train: Mat<f64>,
    pub test: Mat<f64>,
}

impl Units {
    /// Of a matrix; the Gram matrix of its rows where that is smaller and the fit sees inner products only.
    pub(super) fn of(mut x: Mat<f64>, by_products: bool) -> Self {
        let (n, p) = x.shape();
        if !(by_products && p > n) {
            return Self::Plain(x);
        }
        center(&mut x);
        let mut products = Mat::zeros(n, n);
        matmul(products.as_mut(), Accum::Replace, &x, x.transpose(), 1.0, get_global_parallelism());
        Self::Gram { products, n_units: p, precision: f64::EPSILON }
    }

    /// Of all units of a layer, which need not fit into memory where their Gram matrix does.
    pub(super) async fn of_layer(
        layer: &Activation<'_>,
        by_products: bool,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let (n, p) = (layer.n, layer.n_units());
        if !(by_products && p > n) {
            return Ok(Self::Plain(layer.blocks.columns(0..p)?));
        }
        let mut sum = GramSum::new(device, n);
        let mut part = Mat::new();
        for columns in layer.blocks.column_parts(0..p) {
            progress.step(count(columns.start) / count(p), &format!("{}: inner products of {n} rows", layer.name))?;
            layer.blocks.read(0..n, columns, &mut part)?;
            center(&mut part);
            sum.add_rows(part.as_ref()).await?;
        }
        Ok(Self::Gram { products: sum.finish(), n_units: p, precision: device.precision() })
    }

    /// The features of a split: at most `k` principal components of the training rows where that is said. From a Gram matrix they are
    /// components in any case, all of them without `k`: a rotation that no fit on inner products notices.
    pub(super) fn design(&self, split: &Split, k: Option<usize>) -> Result<Design, Error> {
        let design = match (self, k) {
            (Self::Plain(x), None) => Ok(Design { train: take_rows(x, &split.train), test: take_rows(x, &split.test) }),
            (Self::Plain(x), Some(k)) => {
                let (pca, mut train) = Pca::fit_with_scores(take_rows(x, &split.train), k)?;
                let degrees = count(split.train.len() - 1);
                for (j, variance) in pca.variances.iter().enumerate() {
                    let size = (variance * degrees).sqrt();
                    train.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= size);
                }
                Ok(Design { train, test: pca.transform(take_rows(x, &split.test)) })
            }
            (Self::Gram { products, n_units, precision }, k) => from_products(products, split, *n_units, *precision, k),
        }?;
        if design.train.ncols() > 0 {
            return Ok(design);
        }
        // Constant units have no components; fits take one that says nothing.
        Ok(Design { train: Mat::zeros(split.train.len(), 1), test: Mat::zeros(split.test.len(), 1) })
    }
}

fn center(x: &mut Mat<f64>) {
    let all: Vec<usize> = (0..x.nrows()).collect();
    let means = means(x, &all);
    subtract(x, &means);
}

/// Scores on principal components from inner products.
///
/// # Definition
/// With the training rows' products centered on both sides, `K = U L U'`: training scores are `U L^1/2`, those of a row with products k with
/// the training rows, centered by the same means, `k U L^-1/2`. Eigenvalues up to the rank tolerance or the precision of the device count as
/// zero, and at most n - 1 are kept.
fn from_products(products: &Mat<f64>, split: &Split, n_units: usize, precision: f64, k: Option<usize>) -> Result<Design, Error> {
    let n = split.train.len();
    let block = |rows: &[usize]| Mat::from_fn(rows.len(), n, |i, j| products[(rows[i], split.train[j])]);
    let (own, mut cross) = (block(&split.train), block(&split.test));
    let mean = |j: usize| own.col_as_slice(j).iter().sum::<f64>() / count(n);
    let train_means: Vec<f64> = (0..n).map(mean).collect();
    let grand = train_means.iter().sum::<f64>() / count(n);
    let test_means: Vec<f64> = (0..cross.nrows()).map(|i| cross.row(i).iter().sum::<f64>() / count(n)).collect();
    for (j, mean) in train_means.iter().enumerate() {
        cross.col_as_slice_mut(j).iter_mut().zip(&test_means).for_each(|(v, own)| *v -= mean + own - grand);
    }
    let eigen = symmetric_eigen(double_centered(&own).as_ref())?;
    let largest = eigen.values.first().copied().unwrap_or(0.0);
    let floor = rank_tolerance(n, n_units.min(n), largest).max(10.0 * precision * largest);
    let rank = eigen.values.iter().take_while(|&&v| v > floor).count().min(n - 1);
    let kept = k.map_or(rank, |k| k.min(rank));
    let basis = eigen.vectors.subcols(0, kept);
    let (mut train, mut test) = (basis.to_owned(), &cross * basis);
    for (j, value) in eigen.values[..kept].iter().enumerate() {
        let size = value.sqrt();
        train.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= size);
        test.col_as_slice_mut(j).iter_mut().for_each(|v| *v /= size);
    }
    Ok(Design { train, test })
}
