//! The energy metric of repeated responses: no model of their distribution.

use faer::Mat;

use super::Group;
use super::gaussian::from_product;
use crate::stats::{count, sum};
use crate::{Error, parallel};

/// A metric between distributions of responses, known by repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Energy {
    /// Maps of neurons.
    pub group: Group,
    /// Most iterations.
    pub max_iter: usize,
    /// Decrease of the loss that ends the fit.
    pub tol: f64,
}

impl Default for Energy {
    fn default() -> Self {
        Self { group: Group::Orthogonal, max_iter: 100, tol: 1e-6 }
    }
}

/// A fitted map of neurons.
#[derive(Debug, Clone)]
pub struct EnergyFit {
    /// T: neurons of the second representation come to those of the first.
    pub map: Mat<f64>,
    /// Mean distance of repeats of one condition across representations, by iteration; it never increases.
    pub losses: Vec<f64>,
}

/// Square roots of distances below this count as this in the weights.
const LEAST_ROOT: f64 = 1e-6;

impl Energy {
    /// Finds T, which minimizes the mean distance between repeats of one condition across representations.
    ///
    /// # Definition
    /// Iteratively reweighted: with weights w = 1 first, T aligns `w y` to `w x` over all pairs of repeats of each condition; the distances
    /// `r = |x - y T|` have the mean as loss; then `w = 1 / max(sqrt(r), 1e-6)`. Stops when the loss falls by less than `tol`.
    ///
    /// # Shapes
    /// One matrix (repeats x neurons) per condition; numbers of repeats may differ.
    ///
    /// # Errors
    /// [`Error::Shape`] for different conditions or neurons, or no repeats; [`Error::Numerical`].
    ///
    /// # Source
    /// Duong et al. 2023.
    pub fn fit(&self, x: &[Mat<f64>], y: &[Mat<f64>]) -> Result<EnergyFit, Error> {
        let n = check(x, y)?;
        let n_pairs: f64 = x.iter().zip(y).map(|(a, b)| count(a.nrows() * b.nrows())).sum();
        let mut squares: Vec<Mat<f64>> = x.iter().zip(y).map(|(a, b)| Mat::from_fn(a.nrows(), b.nrows(), |_, _| 1.0)).collect();
        let mut losses: Vec<f64> = Vec::new();
        let mut map = Mat::identity(n, n);
        while losses.len() < self.max_iter.max(1) {
            let products = parallel::map(x.len(), |i| y[i].transpose() * squares[i].transpose() * &x[i]);
            let product = products.into_iter().fold(Mat::zeros(n, n), |sum, part| sum + part);
            map = from_product(&product, self.group)?;
            let residuals = parallel::map(x.len(), |i| distances(&x[i], &(&y[i] * &map)));
            losses.push(residuals.iter().map(total).sum::<f64>() / n_pairs);
            if losses.len() > 1 && losses[losses.len() - 2] - losses[losses.len() - 1] < self.tol {
                break;
            }
            for (square, residual) in squares.iter_mut().zip(&residuals) {
                *square = Mat::from_fn(residual.nrows(), residual.ncols(), |a, b| residual[(a, b)].sqrt().max(LEAST_ROOT).powi(-2));
            }
        }
        Ok(EnergyFit { map, losses })
    }

    /// The energy distance after the map T.
    ///
    /// # Definition
    /// `sqrt(max(0, mean_i(E|X - Y T| - (E|X - X'| + E|Y - Y'|) / 2)))`: the first mean over all pairs of repeats across, the others over the pairs of
    /// different repeats within.
    ///
    /// # Degenerate
    /// A condition with one repeat has no pair within: an error.
    ///
    /// # Errors
    /// Those of [`fit`](Self::fit); [`Error::Shape`] for fewer than 2 repeats.
    ///
    /// # Source
    /// Székely & Rizzo 2013; Duong et al. 2023.
    pub fn score(&self, x: &[Mat<f64>], y: &[Mat<f64>], map: &Mat<f64>) -> Result<f64, Error> {
        check(x, y)?;
        if let Some(alone) = x.iter().chain(y).find(|z| z.nrows() < 2) {
            let got = alone.nrows().to_string();
            return Err(Error::Shape { what: "repeats of a condition".into(), expected: "at least 2".into(), got });
        }
        let terms = parallel::map(x.len(), |i| {
            let across = total(&distances(&x[i], &(&y[i] * map))) / count(x[i].nrows() * y[i].nrows());
            let within = |z: &Mat<f64>| total(&distances(z, z)) / count(z.nrows() * (z.nrows() - 1));
            across - 0.5 * (within(&x[i]) + within(&y[i]))
        });
        Ok((sum(&terms) / count(terms.len())).max(0.0).sqrt())
    }
}

/// Euclidean distances between rows, by differences: equal rows have exactly 0.
fn distances(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    let (a, b) = (a.transpose().to_owned(), b.transpose().to_owned());
    Mat::from_fn(a.ncols(), b.ncols(), |i, j| {
        a.col_as_slice(i).iter().zip(b.col_as_slice(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
    })
}

fn total(m: &Mat<f64>) -> f64 {
    (0..m.ncols()).map(|j| sum(m.col_as_slice(j))).sum()
}

/// The number of neurons.
fn check(x: &[Mat<f64>], y: &[Mat<f64>]) -> Result<usize, Error> {
    let n = x.first().map_or(0, Mat::ncols);
    let fits = x.len() == y.len() && x.iter().chain(y).all(|z| z.ncols() == n && z.nrows() > 0);
    if fits && n > 0 {
        return Ok(n);
    }
    let text = |z: &[Mat<f64>]| format!("{} conditions of {} neurons", z.len(), z.first().map_or(0, Mat::ncols));
    Err(Error::Shape { what: "responses".into(), expected: format!("{} with repeats", text(x)), got: text(y) })
}
