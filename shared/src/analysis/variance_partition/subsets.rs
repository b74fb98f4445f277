//! Subsets of feature spaces as features of one model.

use faer::Mat;

use crate::Error;
use crate::analysis::encoding::Model;
use crate::analysis::encoding::regression::Regression;
use crate::compute::Device;

/// The spaces, about their column means.
#[derive(Debug)]
pub(super) struct Subsets {
    spaces: Vec<Mat<f64>>,
    model: Model,
    n_train: usize,
    /// `X_b X_b'` of each space, where all features together outnumber the training rows and the model can do with them.
    kernels: Option<Vec<Mat<f64>>>,
}

impl Subsets {
    pub(super) async fn new(spaces: Vec<Mat<f64>>, model: &Model, n_train: usize, device: &Device) -> Result<Self, Error> {
        let width: usize = spaces.iter().map(Mat::ncols).sum();
        let mut kernels = None;
        if matches!(model, Model::Ridge { .. }) && width > n_train {
            let mut all = Vec::with_capacity(spaces.len());
            for x in &spaces {
                all.push(device.gram_rows(x.as_ref()).await?);
            }
            kernels = Some(all);
        }
        Ok(Self { spaces, model: model.clone(), n_train, kernels })
    }

    /// The features of a subset side by side; none where kernels do.
    pub(super) fn columns(&self, mask: usize) -> Mat<f64> {
        let chosen: Vec<&Mat<f64>> = of(mask, &self.spaces).collect();
        let width = chosen.iter().map(|x| x.ncols()).sum();
        if self.by_kernel(width) {
            return Mat::zeros(self.spaces[0].nrows(), 0);
        }
        let mut out = Mat::zeros(self.spaces[0].nrows(), width);
        let mut at = 0;
        for x in chosen {
            out.as_mut().subcols_mut(at, x.ncols()).copy_from(x);
            at += x.ncols();
        }
        out
    }

    /// The model of a subset whose [`columns`](Self::columns) are given.
    pub(super) async fn model<'a>(
        &self,
        mask: usize,
        columns: &'a Mat<f64>,
        y: &'a Mat<f64>,
        device: &'a Device,
    ) -> Result<Regression<'a>, Error> {
        match &self.kernels {
            Some(kernels) if columns.ncols() == 0 => {
                let mut kernel = Mat::zeros(y.nrows(), y.nrows());
                for one in of(mask, kernels) {
                    kernel += one;
                }
                Ok(Regression::of_kernel(kernel, columns, y, device))
            }
            _ => Regression::of_columns(&self.model, columns, y, self.n_train, device).await,
        }
    }

    /// Narrow subsets are cheaper and more exact by their columns.
    fn by_kernel(&self, width: usize) -> bool {
        self.kernels.is_some() && width > self.n_train
    }
}

fn of<T>(mask: usize, all: &[T]) -> impl Iterator<Item = &T> {
    all.iter().enumerate().filter(move |(b, _)| mask >> b & 1 == 1).map(|(_, one)| one)
}
