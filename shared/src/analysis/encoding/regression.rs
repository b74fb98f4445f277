//! Least squares, ridge and PLS for other analyses: features contracted once, held-out predictions of any split.

use faer::Mat;

use super::columns::means;
use super::fit::{Penalties, least_squares, partial_least_squares, ridge_regression, warn_at_edge};
use super::products::{Products, Rows};
use super::{Model, Split};
use crate::Error;
use crate::analysis::Context;
use crate::compute::Device;

/// Features and targets about the means of all rows.
#[derive(Debug)]
pub(in crate::analysis) struct Regression<'a> {
    data: Rows<'a>,
    products: Option<Products>,
}

/// Predictions of a split about the training means, and the penalty of each target where the model has penalties.
#[derive(Debug)]
pub(in crate::analysis) struct Predicted {
    /// Held-out rows x targets.
    pub(in crate::analysis) values: Mat<f64>,
    /// One per target, or none.
    pub(in crate::analysis) alpha: Vec<f64>,
}

impl<'a> Regression<'a> {
    /// Features as columns; `n_train` is about the size of the training sets.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(in crate::analysis) async fn of_columns(
        model: &Model,
        x: &'a Mat<f64>,
        y: &'a Mat<f64>,
        n_train: usize,
        device: &'a Device,
    ) -> Result<Self, Error> {
        let data = Rows { x, y, device };
        let products = if matches!(model, Model::Ridge { .. }) { Some(Products::of(&data, n_train).await?) } else { None };
        Ok(Self { data, products })
    }

    /// Features by their kernel alone, n x n, for ridge.
    pub(in crate::analysis) fn of_kernel(kernel: Mat<f64>, nothing: &'a Mat<f64>, y: &'a Mat<f64>, device: &'a Device) -> Self {
        Self { data: Rows { x: nothing, y, device }, products: Some(Products::Rows { kernel, is_linear: false }) }
    }

    /// Fits on the training rows and predicts the held-out ones.
    ///
    /// # Errors
    /// [`Error::Numerical`], [`Error::Device`]; [`Error::Parameter`] for models of another kind.
    pub(in crate::analysis) async fn predict(&self, model: &Model, split: &Split) -> Result<Predicted, Error> {
        let without = |values| Predicted { values, alpha: Vec::new() };
        match (model, &self.products) {
            (Model::Ols, None) => Ok(without(least_squares(split, &self.data).await?)),
            (Model::Pls { components }, None) => Ok(without(partial_least_squares(split, *components as usize, &self.data).await?.0)),
            (Model::Ridge { alphas, selection }, Some(products)) => {
                let penalties = Penalties { alphas, selection: *selection, scaled: false };
                let (values, alpha) = ridge_regression(split, penalties, products, &self.data).await?;
                Ok(Predicted { values, alpha })
            }
            (Model::Ols | Model::Pls { .. } | Model::Ridge { .. }, _) => Err(Error::internal("a model without its products")),
            (Model::BestUnit | Model::KernelRidge { .. } | Model::BandedRidge { .. }, _) => {
                Err(Error::parameter("model.name", format!("{} has no place here", model.name())))
            }
        }
    }
}

/// The training means of the targets: what predictions are about.
pub(in crate::analysis) fn training_means(y: &Mat<f64>, split: &Split) -> Vec<f64> {
    means(y, &split.train)
}

/// Warns when penalties (splits x targets) were chosen at an edge of the grid.
pub(in crate::analysis) fn warn_of_edges(model: &Model, chosen: &[f64], n_targets: usize, context: &Context<'_>) {
    if let Model::Ridge { alphas, .. } = model {
        warn_at_edge(alphas, chosen, n_targets, context);
    }
}
