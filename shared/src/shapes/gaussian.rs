//! The metric of Gaussian responses: means and covariances per condition.

use faer::{Mat, MatRef};
use serde::{Deserialize, Serialize};

use super::{Group, Map, align, inner, matrix_of, rotation};
use crate::linalg::assignment::assignment;
use crate::linalg::spectral::{singular_values, symmetric_eigen};
use crate::rng::Stream;
use crate::stats::count;
use crate::{Error, parallel};

/// Means and covariances of the responses to each condition.
#[derive(Debug, Clone)]
pub struct Responses {
    /// m x n.
    pub means: Mat<f64>,
    /// Symmetric roots of the m covariances, n x n.
    pub roots: Vec<Mat<f64>>,
}

impl Responses {
    /// With `ridge` added to the diagonal of each covariance.
    ///
    /// # Errors
    /// [`Error::Shape`] when covariances do not fit the means; [`Error::Numerical`] when one is not finite or has a clearly negative eigenvalue.
    pub fn new(means: Mat<f64>, covariances: &[Mat<f64>], ridge: f64) -> Result<Self, Error> {
        let (m, n) = means.shape();
        if covariances.len() != m || covariances.iter().any(|c| c.shape() != (n, n)) {
            let got =
                covariances.first().map_or_else(|| "none".into(), |c| format!("{} of {} x {}", covariances.len(), c.nrows(), c.ncols()));
            return Err(Error::Shape {
                what: "covariances".into(),
                expected: format!("{m} of {n} x {n}, as the means are {m} x {n}"),
                got,
            });
        }
        let roots = parallel::map(m, |i| root(covariances[i].as_ref(), ridge)).into_iter().collect::<Result<_, _>>()?;
        Ok(Self { means, roots })
    }

    /// Of repeated responses: one matrix (repeats x neurons) for each condition; covariances divide by the number of repeats minus 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for different numbers of neurons or fewer than 2 repeats; those of [`new`](Self::new).
    pub fn of_repeats(repeats: &[Mat<f64>], ridge: f64) -> Result<Self, Error> {
        let n = repeats.first().map_or(0, Mat::ncols);
        if let Some(wrong) = repeats.iter().find(|x| x.ncols() != n || x.nrows() < 2) {
            let got = format!("{} repeats of {} neurons", wrong.nrows(), wrong.ncols());
            return Err(Error::Shape { what: "responses".into(), expected: format!("at least 2 repeats of {n} neurons"), got });
        }
        let parts = parallel::map(repeats.len(), |i| {
            let (centered, means) = super::centered(repeats[i].as_ref(), true);
            let covariance = faer::Scale(1.0 / count(centered.nrows() - 1)) * (centered.transpose() * &centered);
            (means, covariance)
        });
        let means = Mat::from_fn(parts.len(), n, |i, j| parts[i].0[j]);
        let covariances: Vec<Mat<f64>> = parts.into_iter().map(|(_, covariance)| covariance).collect();
        Self::new(means, &covariances, ridge)
    }

    fn same_shape(&self, other: &Self) -> Result<(), Error> {
        super::same_shape(self.means.as_ref(), other.means.as_ref())
    }
}

/// The symmetric root of a covariance with `ridge` on its diagonal; eigenvalues that rounding made negative count as 0.
pub(crate) fn root(covariance: MatRef<'_, f64>, ridge: f64) -> Result<Mat<f64>, Error> {
    let n = covariance.nrows();
    let eigen = symmetric_eigen(covariance)?;
    let largest = eigen.values.first().copied().unwrap_or(0.0).abs();
    if let Some(negative) = eigen.values.iter().find(|v| **v < -1e-8 * largest) {
        let message = format!("it has the eigenvalue {negative:e} beside {largest:e}; a covariance has none below 0");
        return Err(Error::Numerical { what: "the root of a covariance".into(), message });
    }
    let scaled = Mat::from_fn(n, n, |i, j| eigen.vectors[(i, j)] * (eigen.values[j].max(0.0) + ridge).sqrt());
    Ok(scaled * eigen.vectors.transpose())
}

/// The squared Bures distance of two covariances `A = R R'` and `B = S S'` from their roots R and S: `tr A + tr B - 2 |R' S|_*`.
///
/// # Accuracy
/// A few eps times the traces.
///
/// # Errors
/// [`Error::Numerical`] when the roots are not finite.
///
/// # Source
/// Bhatia, Jain & Lim 2019.
pub fn bures(root_a: MatRef<'_, f64>, root_b: MatRef<'_, f64>) -> Result<f64, Error> {
    let nuclear: f64 = singular_values((root_a.transpose() * root_b).as_ref())?.iter().sum();
    Ok(root_a.squared_norm_l2() + root_b.squared_norm_l2() - 2.0 * nuclear)
}

/// Weights of means and covariances in the fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// sqrt(alpha) and sqrt(2 - alpha): the fit minimizes the score.
    #[default]
    Sqrt,
    /// alpha and 2 - alpha, as netrep has them.
    Linear,
}

/// A metric between Gaussian responses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaussian {
    /// 2 compares means only, 1 is the 2-Wasserstein distance, 0 compares covariances only.
    pub alpha: f64,
    /// Maps of neurons.
    pub group: Group,
    /// Weights in the fit.
    pub weights: Weights,
    /// Starts: 0 is one start at the alignment of the means; otherwise as many random ones.
    pub n_random: usize,
    /// Seed of random starts.
    pub seed: u64,
    /// Most iterations of a start.
    pub max_iter: usize,
    /// Decrease of the loss that ends a start, after the third iteration.
    pub tol: f64,
}

impl Default for Gaussian {
    fn default() -> Self {
        Self { alpha: 1.0, group: Group::Orthogonal, weights: Weights::Sqrt, n_random: 0, seed: 0, max_iter: 1000, tol: 1e-8 }
    }
}

/// A fitted map of neurons.
#[derive(Debug, Clone)]
pub struct GaussianFit {
    /// T: neurons of the second representation come to those of the first.
    pub map: Mat<f64>,
    /// The loss of each iteration of the best start; it never increases.
    pub losses: Vec<f64>,
}

impl Gaussian {
    /// Finds T.
    ///
    /// # Definition
    /// Alternates, with symmetric roots s of the covariances: `Q_i` = the rotation that brings `T' s^Y_i` closest to `s^X_i`; T = the map of the group that
    /// brings the stack `[a mY; b Q_i' s^Y_i ...]` closest to `[a mX; b s^X_i ...]`. The loss is the Frobenius norm of what remains. (a, b) by [`Weights`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for alpha outside 0..=2, [`Error::Shape`] for different shapes, [`Error::Numerical`].
    ///
    /// # Source
    /// Duong, Zhou, Nassar, Berman, Olieslagers & Williams 2023.
    pub fn fit(&self, x: &Responses, y: &Responses) -> Result<GaussianFit, Error> {
        self.check()?;
        x.same_shape(y)?;
        let (a, b) = self.of_fit();
        best_of(
            self,
            || align(y.means.as_ref(), x.means.as_ref(), self.group),
            x.means.ncols(),
            |t| {
                let parts = parallel::map(x.roots.len(), |i| -> Result<Mat<f64>, Error> {
                    let q = rotation((y.roots[i].transpose() * t * &x.roots[i]).as_ref())?;
                    Ok(&y.roots[i] * q * &x.roots[i])
                });
                let mut product = faer::Scale(a * a) * (y.means.transpose() * &x.means);
                for part in parts {
                    product += faer::Scale(b * b) * part?;
                }
                let of = |z: &Responses| a * a * z.means.squared_norm_l2() + b * b * z.roots.iter().map(Mat::squared_norm_l2).sum::<f64>();
                Ok((product, of(x) + of(y)))
            },
        )
    }

    /// The distance after the map T.
    ///
    /// # Definition
    /// `sign(q) sqrt|q|`, `q = mean_i (alpha |mX_i - mY_i T|^2 + (2 - alpha) Bures^2(S^X_i, T' S^Y_i T))`. Rounding can leave q below 0, hence the sign.
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes, [`Error::Numerical`].
    pub fn score(&self, x: &Responses, y: &Responses, map: &Mat<f64>) -> Result<f64, Error> {
        self.check()?;
        x.same_shape(y)?;
        let m = x.roots.len();
        let spread = parallel::map(m, |i| bures(x.roots[i].as_ref(), (map.transpose() * &y.roots[i]).as_ref()));
        let spread = spread.into_iter().sum::<Result<f64, _>>()?;
        let shift = (&x.means - &y.means * map).squared_norm_l2();
        let q = (self.alpha * shift + (2.0 - self.alpha) * spread) / count(m);
        Ok(q.signum() * q.abs().sqrt())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if (0.0..=2.0).contains(&self.alpha) {
            return Ok(());
        }
        Err(Error::parameter("alpha", format!("{} is outside 0..=2 (0 compares covariances only, 2 means only)", self.alpha)))
    }

    /// Weights of means and of roots.
    pub(super) fn of_fit(&self) -> (f64, f64) {
        match self.weights {
            Weights::Sqrt => (self.alpha.sqrt(), (2.0 - self.alpha).sqrt()),
            Weights::Linear => (self.alpha, 2.0 - self.alpha),
        }
    }
}

/// The best of the starts: `step(T)` gives the product whose alignment is the next T, and the sum of squares of both stacks.
pub(super) fn best_of(
    metric: &Gaussian,
    by_means: impl Fn() -> Result<Map, Error>,
    n: usize,
    step: impl Fn(&Mat<f64>) -> Result<(Mat<f64>, f64), Error>,
) -> Result<GaussianFit, Error> {
    let mut best: Option<GaussianFit> = None;
    for start in 0..metric.n_random.max(1) {
        let mut map = if metric.n_random == 0 {
            matrix_of(&by_means()?, n).into_owned()
        } else {
            random(metric.group, n, &mut Stream::new(metric.seed, start as u64))
        };
        let mut losses: Vec<f64> = Vec::new();
        while losses.len() < metric.max_iter {
            let (product, squares) = step(&map)?;
            map = from_product(&product, metric.group)?;
            losses.push((squares - 2.0 * inner(&product, &map)).max(0.0).sqrt());
            if losses.len() > 3 && losses[losses.len() - 2] - losses[losses.len() - 1] < metric.tol {
                break;
            }
        }
        let last = |fit: &GaussianFit| fit.losses.last().copied().unwrap_or(f64::INFINITY);
        let found = GaussianFit { map, losses };
        if best.as_ref().is_none_or(|best| last(&found) < last(best)) {
            best = Some(found);
        }
    }
    best.ok_or_else(|| Error::internal("no start"))
}

/// The map T of the group that maximizes `tr(T' P)`.
pub(super) fn from_product(product: &Mat<f64>, group: Group) -> Result<Mat<f64>, Error> {
    let n = product.ncols();
    Ok(match group {
        Group::Orthogonal => rotation(product.as_ref())?,
        Group::Permutation => {
            let columns = assignment(&product.transpose().to_owned(), true);
            matrix_of(&Map::Columns(columns), n).into_owned()
        }
        Group::Identity => Mat::identity(n, n),
    })
}

fn random(group: Group, n: usize, rng: &mut Stream) -> Mat<f64> {
    match group {
        Group::Orthogonal => Mat::from_fn(n, n, |_, _| rng.normal()).qr().compute_thin_Q(),
        Group::Permutation => matrix_of(&Map::Columns(rng.permutation(n)), n).into_owned(),
        Group::Identity => Mat::identity(n, n),
    }
}
