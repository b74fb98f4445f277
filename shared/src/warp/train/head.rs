//! The linear read-out.

use faer::prelude::Solve;
use faer::{Mat, Side};

use super::Objective;
use crate::Device;
use crate::analysis::encoding::pls;
use crate::learn::{Stop, logistic};
use crate::linalg::spectral::{center_columns, rank_tolerance};
use crate::network::{Network, Tensor, uniform};
use crate::rng::Stream;
use crate::{Error, Progress};

/// Weights (outputs x features) and a number for each output.
#[derive(Debug, Clone)]
pub(super) struct Readout {
    pub(super) weights: Tensor,
    pub(super) bias: Tensor,
}

/// The stream of read-outs; those of tensors have smaller numbers.
const STREAM: u64 = 1 << 41;

impl Readout {
    /// Uniform within 1 / sqrt(features), as `PyTorch` has it.
    pub(super) fn random(width: usize, outputs: usize, seed: u64, network: &Network) -> Self {
        let mut rng = Stream::new(seed, STREAM);
        let weights = network.tensor(uniform(width * outputs, width, &mut rng), vec![outputs, width]);
        Self { weights, bias: network.tensor(uniform(outputs, width, &mut rng), vec![outputs]) }
    }

    pub(super) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Features x weights' + bias.
    pub(super) fn apply(&self, features: Tensor) -> Result<Tensor, Error> {
        let product = features.matmul(self.weights.clone().permute(&[1, 0])).map_err(Error::internal)?;
        product.add(self.bias.clone()).map_err(Error::internal)
    }

    /// The gradient of the features from that of the outputs.
    pub(super) fn of_features(&self, gradient: Tensor) -> Result<Tensor, Error> {
        gradient.matmul(self.weights.clone()).map_err(Error::internal)
    }

    /// The gradients of weights and bias from that of the outputs.
    pub(super) fn of_weights(&self, features: Tensor, gradient: Tensor) -> Result<(Tensor, Tensor), Error> {
        let n = self.outputs();
        let of_bias = gradient.clone().sum(0).reshape(vec![n]);
        Ok((gradient.permute(&[1, 0]).matmul(features).map_err(Error::internal)?, of_bias))
    }

    /// With changes added.
    pub(super) async fn moved(&self, weights: Vec<f32>, bias: Vec<f32>, network: &Network) -> Result<Self, Error> {
        let sum = async |start: &Tensor, change: Vec<f32>| {
            let values = start.clone().host().await?.iter().zip(change).map(|(s, c)| s + c).collect();
            Ok::<_, Error>(network.tensor(values, start.shape().to_vec()))
        };
        Ok(Self { weights: sum(&self.weights, weights).await?, bias: sum(&self.bias, bias).await? })
    }
}

/// How a read-out is fitted to fixed features.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fit {
    /// Ridge regression of responses with this penalty, logistic regression of classes with its inverse.
    Penalized(f64),
    /// Partial least squares of responses, with so many components.
    Pls(u32),
}

/// The best read-out of fixed features.
pub(super) async fn fitted(
    objective: &Objective,
    rows: &[usize],
    features: &[f32],
    fit: Fit,
    network: &Network,
    progress: &dyn Progress,
) -> Result<Readout, Error> {
    let (n, p) = (rows.len(), features.len() / rows.len());
    let mut x = Mat::from_fn(n, p, |i, k| f64::from(features[i * p + k]));
    let (weights, bias) = match (objective, fit) {
        (Objective::Responses(y), _) => {
            let mut y = Mat::from_fn(n, y.ncols(), |i, k| y[(rows[i], k)]);
            let (x_means, y_means) = (center_columns(&mut x), center_columns(&mut y));
            let weights = match fit {
                Fit::Penalized(penalty) => ridge(&x, &y, penalty)?,
                Fit::Pls(components) => partial_least_squares(&x, &y, components).await?,
            };
            let bias = (0..y.ncols()).map(|k| y_means[k] - (0..p).map(|j| x_means[j] * weights[(j, k)]).sum::<f64>()).collect();
            (weights, bias)
        }
        (Objective::Classes { codes, n: k }, Fit::Penalized(penalty)) => {
            let codes: Vec<usize> = rows.iter().map(|i| codes[*i]).collect();
            let c = if penalty > 0.0 { 1.0 / penalty } else { 1e6 };
            let options = logistic::Options { c, stop: Stop { tolerance: 1e-6, max_iter: 200 } };
            let fit = logistic::fit(x.as_ref(), &codes, *k, &options, progress)?;
            if *k == 2 && fit.intercepts.len() == 1 {
                // One vector of weights tells two classes apart: half of it for each.
                let half = Mat::from_fn(p, 2, |j, class| fit.weights[(j, 0)] * if class == 0 { -0.5 } else { 0.5 });
                (half, vec![-0.5 * fit.intercepts[0], 0.5 * fit.intercepts[0]])
            } else {
                (fit.weights, fit.intercepts)
            }
        }
        (Objective::Classes { .. }, Fit::Pls(_)) | (Objective::Rdm(_), _) => {
            return Err(Error::parameter("start", "only responses have such a read-out"));
        }
    };
    let outputs = bias.len();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is what is kept")]
    let single = |v: f64| v as f32;
    let turned = (0..outputs).flat_map(|k| (0..p).map(move |j| (j, k))).map(|(j, k)| single(weights[(j, k)])).collect();
    Ok(Readout {
        weights: network.tensor(turned, vec![outputs, p]),
        bias: network.tensor(bias.into_iter().map(single).collect(), vec![outputs]),
    })
}

/// The coefficients of the library's partial least squares.
async fn partial_least_squares(x: &Mat<f64>, y: &Mat<f64>, components: u32) -> Result<Mat<f64>, Error> {
    let (n, p) = x.shape();
    let most = n.min(p);
    if components == 0 || components as usize > most {
        let message = format!("{components} components were asked for; between 1 and {most} fit {n} training rows and {p} features");
        return Err(Error::parameter("start", message));
    }
    Ok(pls::fit(x, y, components as usize, &Device::cpu()).await?.linear.coefficients())
}

/// `Xc' (Xc Xc' + penalty)^-1 Yc`, or with the pseudoinverse where there is no penalty.
fn ridge(x: &Mat<f64>, y: &Mat<f64>, penalty: f64) -> Result<Mat<f64>, Error> {
    let n = x.nrows();
    let mut kernel = x * x.transpose();
    if penalty > 0.0 {
        (0..n).for_each(|i| kernel[(i, i)] += penalty);
        if let Ok(factors) = kernel.llt(Side::Lower) {
            return Ok(x.transpose() * factors.solve(y));
        }
    }
    let failed = |_| Error::Numerical { what: "the read-out's start".into(), message: "features have no finite kernel".into() };
    let eigen = kernel.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    let values = eigen.S().column_vector();
    let floor = rank_tolerance(n, x.ncols(), values[n - 1]);
    let mut projected = eigen.U().transpose() * y;
    for i in 0..n {
        let factor = if values[i] > floor { values[i].recip() } else { 0.0 };
        projected.row_mut(i).iter_mut().for_each(|v| *v *= factor);
    }
    Ok(x.transpose() * (eigen.U() * projected))
}
