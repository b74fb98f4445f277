//! A fitted linear map.

use faer::Mat;

use crate::Error;
use crate::compute::Device;

/// A linear map from centered features to predictions about the training means, kept as two thin factors.
#[derive(Debug, Clone)]
pub struct Linear {
    /// Directions in feature space, p x k; absent when `weights` is the whole map.
    pub directions: Option<Mat<f64>>,
    /// Weights, k x t or p x t.
    pub weights: Mat<f64>,
}

impl Linear {
    /// Predictions for centered rows, m x p → m x t.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub async fn predict(&self, x: &Mat<f64>, device: &Device) -> Result<Mat<f64>, Error> {
        match &self.directions {
            Some(directions) => {
                let scores = device.matmul(x.as_ref(), directions.as_ref()).await?;
                device.matmul(scores.as_ref(), self.weights.as_ref()).await
            }
            None => device.matmul(x.as_ref(), self.weights.as_ref()).await,
        }
    }

    /// The coefficients, p x t.
    #[must_use]
    pub fn coefficients(&self) -> Mat<f64> {
        match &self.directions {
            Some(directions) => directions * &self.weights,
            None => self.weights.clone(),
        }
    }
}
