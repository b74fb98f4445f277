//! Principal components fitted on one set of rows and applied to others.

use faer::Mat;

use super::spectral::{ThinSvd, center_columns, thin_svd};
use crate::Error;

/// Principal components of a set of rows.
#[derive(Debug, Clone)]
pub struct Pca {
    /// Column means of the rows fitted on.
    pub means: Vec<f64>,
    /// p x k, orthonormal columns by falling variance; of each the entry of largest magnitude is positive.
    pub components: Mat<f64>,
    /// Variance (ddof 1) along each.
    pub variances: Vec<f64>,
}

impl Pca {
    /// Fits the first `k` components, fewer when the centered rows have a smaller rank.
    ///
    /// # Shapes
    /// x: (n, p), n >= 2 → components (p, min(k, rank)).
    ///
    /// # Cost
    /// A QR of the longer side and a singular value decomposition of side min(n, p).
    ///
    /// # Errors
    /// [`Error::Numerical`] when the decomposition fails.
    ///
    /// # Source
    /// As scikit-learn `PCA(svd_solver="full")`, but for the sign: there of the largest entry of the scores.
    pub fn fit(x: Mat<f64>, k: usize) -> Result<Self, Error> {
        Self::fit_with_scores(x, k).map(|(pca, _)| pca)
    }

    /// The same, and the scores of the rows fitted on at unit length: n x k, orthonormal columns.
    ///
    /// # Errors
    /// Those of [`Pca::fit`].
    pub fn fit_with_scores(mut x: Mat<f64>, k: usize) -> Result<(Self, Mat<f64>), Error> {
        let (n, p) = x.shape();
        let means = center_columns(&mut x);
        let ThinSvd { u, s, v } = if n < p {
            let qr = x.transpose().qr();
            let small = thin_svd(qr.thin_R().transpose())?;
            ThinSvd { v: qr.compute_thin_Q() * small.v, ..small }
        } else {
            thin_svd(x.as_ref())?
        };
        let k = k.min(s.len());
        let (mut components, mut unit) = (v.subcols(0, k).to_owned(), u.subcols(0, k).to_owned());
        for j in 0..k {
            let column = components.col_as_slice_mut(j);
            let peak = column.iter().copied().fold(0.0, |best: f64, v| if v.abs() > best.abs() { v } else { best });
            if peak < 0.0 {
                column.iter_mut().chain(unit.col_as_slice_mut(j)).for_each(|v| *v = -*v);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
        let variances = s[..k].iter().map(|s| s * s / (n - 1) as f64).collect();
        Ok((Self { means, components, variances }, unit))
    }

    /// Scores of other rows: (X - means) V, with the means of the rows fitted on.
    #[must_use]
    pub fn transform(&self, mut x: Mat<f64>) -> Mat<f64> {
        for (j, mean) in self.means.iter().enumerate() {
            x.col_as_slice_mut(j).iter_mut().for_each(|v| *v -= mean);
        }
        x * &self.components
    }
}

/// Smallest variance that is whitened as it is: smaller ones count as this.
const FLOOR: f64 = 1e-6;

/// Zero-phase whitening: the symmetric map that gives the rows it was fitted on unit covariance.
#[derive(Debug, Clone)]
pub struct Zca {
    pca: Pca,
}

impl Zca {
    /// Fits on reference rows.
    ///
    /// # Definition
    /// With the covariance `Xc'Xc / (n - 1) = U diag(s) U'`, s at least 1e-6: `z = (x - mean) U diag(s^-1/2) U'`.
    ///
    /// # Errors
    /// [`Error::Numerical`] when the decomposition fails.
    ///
    /// # Source
    /// Bell & Sejnowski 1997; floor as in Elmoznino & Bonner 2024.
    pub fn fit(reference: Mat<f64>) -> Result<Self, Error> {
        Ok(Self { pca: Pca::fit(reference, usize::MAX)? })
    }

    /// Whitens rows: directions without variance in the reference are divided by the root of the floor.
    #[must_use]
    pub fn transform(&self, mut x: Mat<f64>) -> Mat<f64> {
        let Pca { means, components, variances } = &self.pca;
        for (j, mean) in means.iter().enumerate() {
            x.col_as_slice_mut(j).iter_mut().for_each(|v| *v -= mean);
        }
        let mut scores = &x * components;
        // What lies outside the components has no variance in the reference. With all of them nothing does but rounding.
        let outside = (components.ncols() < components.nrows()).then(|| x - &scores * components.transpose());
        for (j, variance) in variances.iter().enumerate() {
            let scale = variance.max(FLOOR).sqrt().recip();
            scores.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= scale);
        }
        let white = scores * components.transpose();
        match outside {
            Some(outside) => white + outside * faer::Scale(FLOOR.sqrt().recip()),
            None => white,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
        let mut rng = Stream::new(seed, 0);
        Mat::from_fn(n, p, |_, j| rng.normal() * f64::from(1 + u32::try_from(j).expect("small")) + 3.0)
    }

    fn covariance(mut x: Mat<f64>) -> Mat<f64> {
        center_columns(&mut x);
        let scale = 1.0 / (f64::from(u32::try_from(x.nrows()).expect("small")) - 1.0);
        x.transpose() * &x * faer::Scale(scale)
    }

    #[test]
    fn scores_are_uncorrelated_with_the_variances_given() {
        for (n, p) in [(30, 5), (6, 20)] {
            let x = random(n, p, 1);
            let pca = Pca::fit(x.clone(), 4).expect("converges");
            let got = covariance(pca.transform(x));
            for i in 0..4 {
                for j in 0..4 {
                    let want = if i == j { pca.variances[i] } else { 0.0 };
                    assert!((got[(i, j)] - want).abs() < 1e-12 * pca.variances[0], "{n} x {p}: covariance {i},{j}");
                }
            }
        }
    }

    #[test]
    fn components_stop_at_the_rank() {
        // 4 centered rows have rank 3.
        let pca = Pca::fit(random(4, 9, 2), 8).expect("converges");
        assert_eq!((pca.components.ncols(), pca.variances.len()), (3, 3));
    }

    #[test]
    fn whitened_rows_have_unit_covariance_and_stay_close() {
        let x = random(60, 4, 3);
        let zca = Zca::fit(x.clone()).expect("converges");
        let white = zca.transform(x.clone());
        let got = covariance(white.clone());
        for i in 0..4 {
            for j in 0..4 {
                let want = f64::from(u8::from(i == j));
                assert!((got[(i, j)] - want).abs() < 1e-12, "covariance {i},{j}: {}", got[(i, j)]);
            }
        }
        // Zero phase: each feature correlates positively with its own whitened one.
        let mut centered = x;
        center_columns(&mut centered);
        for j in 0..4 {
            let along: f64 = centered.col_as_slice(j).iter().zip(white.col_as_slice(j)).map(|(a, b)| a * b).sum();
            assert!(along > 0.0, "feature {j}");
        }
    }

    #[test]
    fn directions_without_variance_are_divided_by_the_root_of_the_floor() {
        let reference = Mat::from_fn(5, 2, |i, j| if j == 0 { [1.0, 2.0, 3.0, 4.0, 5.0][i] } else { 7.0 });
        let zca = Zca::fit(reference).expect("converges");
        let z = zca.transform(Mat::from_fn(1, 2, |_, j| [3.0, 7.002][j]));
        assert!(z[(0, 0)].abs() < 1e-12 && (z[(0, 1)] - 2.0).abs() < 1e-9, "0.002 / 0.001: {}", z[(0, 1)]);
    }
}
