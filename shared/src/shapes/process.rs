//! The metric of Gaussian processes: responses over time.

use faer::Mat;

use super::gaussian::{GaussianFit, best_of, bures, root};
use super::{Gaussian, align, rotation};
use crate::Error;
use crate::stats::count;

/// A fitted map of neurons.
pub type ProcessFit = GaussianFit;

/// A response over time with its covariance over times and neurons.
#[derive(Debug, Clone)]
pub struct Process {
    /// T x n: mean response over time.
    pub mean: Mat<f64>,
    /// Tn x Tn: symmetric root of the covariance; index `time * n + neuron`.
    pub root: Mat<f64>,
}

impl Process {
    /// With `ridge` added to the diagonal of the covariance.
    ///
    /// # Errors
    /// [`Error::Shape`] when the covariance does not fit the mean, [`Error::Numerical`] as for [`super::Responses`].
    pub fn new(mean: Mat<f64>, covariance: &Mat<f64>, ridge: f64) -> Result<Self, Error> {
        let size = mean.nrows() * mean.ncols();
        if covariance.shape() != (size, size) {
            let got = format!("{} x {}", covariance.nrows(), covariance.ncols());
            return Err(Error::Shape { what: "covariance".into(), expected: format!("{size} x {size} (times x neurons)"), got });
        }
        Ok(Self { mean, root: root(covariance.as_ref(), ridge)? })
    }

    /// Of trials: one matrix (times x neurons) each; the covariance divides by the number of trials minus 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than 2 trials or trials of different shapes; those of [`new`](Self::new).
    pub fn of_trials(trials: &[Mat<f64>], ridge: f64) -> Result<Self, Error> {
        let Some((t, n)) = trials.first().map(Mat::shape).filter(|_| trials.len() > 1) else {
            return Err(Error::Shape { what: "trials".into(), expected: "at least 2".into(), got: trials.len().to_string() });
        };
        for trial in &trials[1..] {
            super::same_shape(trials[0].as_ref(), trial.as_ref())?;
        }
        let flat = Mat::from_fn(trials.len(), t * n, |i, j| trials[i][(j / n, j % n)]);
        let (centered, means) = super::centered(flat.as_ref(), true);
        let covariance = faer::Scale(1.0 / count(trials.len() - 1)) * (centered.transpose() * &centered);
        Self::new(Mat::from_fn(t, n, |i, j| means[i * n + j]), &covariance, ridge)
    }

    /// Column blocks of a Tn x Tn matrix over one another, T^2 n x n.
    fn stacked(&self, matrix: &Mat<f64>) -> Mat<f64> {
        let (n, size) = (self.mean.ncols(), matrix.nrows());
        Mat::from_fn(size * self.mean.nrows(), n, |i, j| matrix[(i % size, (i / size) * n + j)])
    }

    /// `(I_T kron T)' root`: every time's neurons moved.
    fn moved_root(&self, map: &Mat<f64>) -> Mat<f64> {
        let (t, n) = self.mean.shape();
        let mut out = Mat::zeros(t * n, t * n);
        for time in 0..t {
            let block = map.transpose() * self.root.subrows(time * n, n);
            out.subrows_mut(time * n, n).copy_from(&block);
        }
        out
    }
}

impl Gaussian {
    /// Finds one map T of neurons that holds for all times.
    ///
    /// # Definition
    /// As [`fit`](Gaussian::fit) with one condition whose covariance is that over all times and neurons and whose map is `I_T kron T`: the rotation Q of the root
    /// is free, and T aligns the column blocks of `Q' s^Y` to those of `s^X`.
    ///
    /// # Errors
    /// Those of [`fit`](Gaussian::fit).
    ///
    /// # Source
    /// Nejatbakhsh, Geadah, Williams & Lipshutz 2024.
    pub fn fit_process(&self, x: &Process, y: &Process) -> Result<ProcessFit, Error> {
        self.check()?;
        super::same_shape(x.mean.as_ref(), y.mean.as_ref())?;
        let (a, b) = self.of_fit();
        let blocks_x = x.stacked(&x.root);
        let squares = |z: &Process| a * a * z.mean.squared_norm_l2() + b * b * z.root.squared_norm_l2();
        best_of(
            self,
            || align(y.mean.as_ref(), x.mean.as_ref(), self.group),
            x.mean.ncols(),
            |map| {
                let q = rotation((y.moved_root(map).transpose() * &x.root).as_ref())?;
                let turned = q.transpose() * &y.root;
                let product =
                    faer::Scale(a * a) * (y.mean.transpose() * &x.mean) + faer::Scale(b * b) * (y.stacked(&turned).transpose() * &blocks_x);
                Ok((product, squares(x) + squares(y)))
            },
        )
    }

    /// The distance after the map T, with the full mean and the full covariance; `sign(q) sqrt|q|` as in [`score`](Gaussian::score).
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes, [`Error::Numerical`].
    pub fn score_process(&self, x: &Process, y: &Process, map: &Mat<f64>) -> Result<f64, Error> {
        self.check()?;
        super::same_shape(x.mean.as_ref(), y.mean.as_ref())?;
        let spread = bures(x.root.as_ref(), y.moved_root(map).as_ref())?;
        let shift = (&x.mean - &y.mean * map).squared_norm_l2();
        let q = self.alpha * shift + (2.0 - self.alpha) * spread;
        Ok(q.signum() * q.abs().sqrt())
    }
}
