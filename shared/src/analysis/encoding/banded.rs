//! Banded ridge: several feature spaces, each with its own penalty, chosen per target.

use faer::Mat;

use super::columns::{count, map_indices, means, scale_rows, take_centered};
use super::products::{Products, Rows};
use super::ridge::System;
use super::{Split, selection};
use crate::Error;
use crate::rng::Stream;

/// Concentrations of the Dirichlet distributions that candidates come from, in turn.
const CONCENTRATIONS: [f64; 2] = [0.1, 1.0];

/// The kernels of the feature spaces and the mixtures to try.
#[derive(Debug)]
pub(super) struct Bands {
    /// `X_b X_b'` of all rows, about the means of all rows.
    kernels: Vec<Mat<f64>>,
    /// Weights of the bands, each set on the simplex.
    candidates: Vec<Vec<f64>>,
}

/// What a split gave.
#[derive(Debug)]
pub(super) struct Fit {
    /// Held-out predictions about the training means, m x t.
    pub(super) predicted: Mat<f64>,
    /// Penalty of each target.
    pub(super) alpha: Vec<f64>,
    /// Weights of the bands of each target, t x bands.
    pub(super) weights: Vec<Vec<f64>>,
    /// Part of the explained variance that each band makes, t x bands; NaN for targets that are constant on the held-out rows.
    pub(super) parts: Vec<Vec<f64>>,
}

impl Bands {
    /// Kernels of the bands and `n_candidates` mixtures: the vertices, the center, then Dirichlet draws.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub(super) async fn new(features: &[Mat<f64>], data: &Rows<'_>, n_candidates: usize, seed: u64) -> Result<Self, Error> {
        let mut kernels = Vec::with_capacity(features.len());
        for x in features {
            kernels.push(data.device.gram_rows(x.as_ref()).await?);
        }
        let n_bands = features.len();
        let vertex = |b: usize| (0..n_bands).map(|other| f64::from(u8::from(other == b))).collect();
        let mut candidates: Vec<Vec<f64>> = (0..n_bands).map(vertex).collect();
        candidates.push(vec![1.0 / count(n_bands); n_bands]);
        for i in candidates.len()..n_candidates {
            candidates.push(dirichlet(n_bands, CONCENTRATIONS[i % CONCENTRATIONS.len()], &mut Stream::new(seed, i as u64)));
        }
        Ok(Self { kernels, candidates })
    }

    fn mixture(&self, weights: &[f64]) -> Products {
        let n = self.kernels[0].nrows();
        let mut kernel = Mat::zeros(n, n);
        for (band, &weight) in self.kernels.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            kernel += band * faer::Scale(weight);
        }
        Products::Rows { kernel, is_linear: false }
    }

    /// Chooses mixture and penalty of each target by R2 over `k` contiguous folds of the training rows and predicts the held-out rows.
    pub(super) async fn fit(&self, split: &Split, alphas: &[f64], k: usize, data: &Rows<'_>) -> Result<Fit, Error> {
        let t = data.y.ncols();
        let descending = selection::descending(alphas);
        let mut chosen = vec![(f64::INFINITY, 0usize, descending[0]); t];
        for (c, weights) in self.candidates.iter().enumerate() {
            let products = self.mixture(weights);
            let best = selection::folds(&split.train, None, &products, data, &descending, k).await?;
            for ((chosen, alpha), loss) in chosen.iter_mut().zip(best.alpha).zip(best.loss) {
                if loss < chosen.0 {
                    *chosen = (loss, c, alpha);
                }
            }
        }
        let mut fit = Fit {
            predicted: Mat::zeros(split.test.len(), t),
            alpha: chosen.iter().map(|c| c.2).collect(),
            weights: chosen.iter().map(|c| self.candidates[c.1].clone()).collect(),
            parts: vec![Vec::new(); t],
        };
        for c in 0..self.candidates.len() {
            let targets: Vec<usize> = (0..t).filter(|&target| chosen[target].1 == c).collect();
            if !targets.is_empty() {
                self.predict(c, &targets, split, data, &mut fit).await?;
            }
        }
        Ok(fit)
    }

    /// Predictions, and the parts of the bands in them, of the targets that chose candidate `c`.
    async fn predict(&self, c: usize, targets: &[usize], split: &Split, data: &Rows<'_>, fit: &mut Fit) -> Result<(), Error> {
        let y = Mat::from_fn(data.y.nrows(), targets.len(), |i, j| data.y[(i, targets[j])]);
        let data = Rows { x: data.x, y: &y, device: data.device };
        let products = self.mixture(&self.candidates[c]);
        let system = System::new(products.gram(None, &split.train, &data).await?, split.train.len(), &data).await?;
        let weights = scale_rows(&system.right, |j, target| (system.values[j] + fit.alpha[targets[target]]).recip());
        let dual = data.device.matmul(system.basis.as_ref(), weights.as_ref()).await?;
        let mut per_band = Vec::with_capacity(self.kernels.len());
        for (kernel, &weight) in self.kernels.iter().zip(&self.candidates[c]) {
            let band = Products::Rows { kernel: kernel * faer::Scale(weight), is_linear: false };
            let side = band.gram(None, &split.train, &data).await?.side;
            let brought = side.bring(&split.test, &band, &data).await?;
            per_band.push(data.device.matmul(brought.as_ref(), dual.as_ref()).await?);
        }
        let observed = take_centered(data.y, &split.test, &means(data.y, &split.test));
        let parts = map_indices(targets.len(), |j| explained(observed.col_as_slice(j), per_band.iter().map(|p| p.col_as_slice(j))));
        for (j, (&target, parts)) in targets.iter().zip(parts).enumerate() {
            fit.parts[target] = parts;
            for (i, value) in fit.predicted.col_as_slice_mut(target).iter_mut().enumerate() {
                *value = per_band.iter().map(|p| p[(i, j)]).sum();
            }
        }
        Ok(())
    }
}

/// The product measure: `R2_b = sum_i p_bi (2 y_i - p_i) / sum y^2`, everything about the means of the held-out rows, p the sum of the `p_b`.
///
/// The parts add up to the explained variance `1 - Var(y - p) / Var(y)`. Source: himalaya `r2_score_split`; Pratt 1987.
fn explained<'a>(observed: &[f64], per_band: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let centered: Vec<Vec<f64>> = per_band
        .map(|p| {
            let mean = p.iter().sum::<f64>() / count(p.len());
            p.iter().map(|v| v - mean).collect()
        })
        .collect();
    let total: f64 = observed.iter().map(|y| y * y).sum();
    let rest = |i: usize| 2.0 * observed[i] - centered.iter().map(|p| p[i]).sum::<f64>();
    centered.iter().map(|p| (0..p.len()).map(|i| p[i] * rest(i)).sum::<f64>() / total).collect()
}

/// A draw from the symmetric Dirichlet distribution.
fn dirichlet(n: usize, concentration: f64, rng: &mut Stream) -> Vec<f64> {
    // In logarithms: gamma variates of shape 0.1 are often too small for a number.
    let logs: Vec<f64> = (0..n).map(|_| ln_gamma_variate(concentration, rng)).collect();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = logs.iter().map(|v| (v - largest).exp()).sum();
    logs.iter().map(|v| (v - largest).exp() / total).collect()
}

/// The logarithm of a gamma variate. Source: Marsaglia & Tsang 2000, raised to shapes below 1 as they propose.
fn ln_gamma_variate(shape: f64, rng: &mut Stream) -> f64 {
    let d = shape + 1.0 - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let z = rng.normal();
        let v = (1.0 + c * z).powi(3);
        let u = 1.0 - rng.uniform();
        if v > 0.0 && u.ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return (d * v).ln() + (1.0 - rng.uniform()).ln() / shape;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    #[test]
    fn dirichlet_draws_lie_on_the_simplex_with_the_right_mean() {
        let mut rng = Stream::new(1, 0);
        for concentration in CONCENTRATIONS {
            let mut sums = [0.0; 3];
            for _ in 0..4000 {
                let draw = dirichlet(3, concentration, &mut rng);
                assert!((draw.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{draw:?}");
                sums.iter_mut().zip(&draw).for_each(|(s, d)| *s += d);
            }
            // Standard error of a mean of 4,000 draws: at most 0.0075.
            assert!(sums.iter().all(|s| (s / 4000.0 - 1.0 / 3.0).abs() < 0.03), "{sums:?}");
        }
    }

    #[test]
    fn parts_are_those_of_himalaya() {
        let (x, y) = super::super::tests::planted(21, 60, 9, 4);
        let device = Device::cpu();
        let data = Rows { x: &x, y: &y, device: &device };
        let bands = [x.subcols(0, 4).to_owned(), x.subcols(4, 5).to_owned()];
        let kernels = bands.iter().map(|x| x * x.transpose()).collect();
        let bands = Bands { kernels, candidates: vec![vec![0.5, 0.5]] };
        let split = Split { train: (0..48).collect(), test: (48..60).collect() };
        let fit = pollster::block_on(bands.fit(&split, &[2.0], 4, &data)).expect("cpu");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/prediction.json");
        let fixture: serde_json::Value = serde_json::from_slice(&std::fs::read(path).expect("in the tree")).expect("JSON");
        for (target, parts) in fit.parts.iter().enumerate() {
            for (band, part) in parts.iter().enumerate() {
                let want = fixture["himalaya_parts"][band][target].as_f64().expect("a number");
                assert!((part - want).abs() < 1e-9, "band {band}, target {target}: {part}, not {want}");
            }
        }
    }

    #[test]
    fn a_target_finds_its_band_and_the_parts_add_up() {
        let mut rng = Stream::new(2, 0);
        let bands = [Mat::from_fn(80, 6, |_, _| rng.normal()), Mat::from_fn(80, 6, |_, _| rng.normal())];
        let y = Mat::from_fn(80, 2, |i, k| (0..6).map(|j| bands[k][(i, j)]).sum::<f64>() + 0.1 * rng.normal());
        let device = Device::cpu();
        let data = Rows { x: &bands[0], y: &y, device: &device };
        let split = Split { train: (0..60).collect(), test: (60..80).collect() };
        let fit = pollster::block_on(async {
            let bands = Bands::new(&bands, &data, 8, 0).await.expect("cpu");
            bands.fit(&split, &[0.1, 1.0, 10.0], 4, &data).await.expect("cpu")
        });
        for target in 0..2 {
            let (own, other) = (fit.parts[target][target], fit.parts[target][1 - target]);
            assert!(own > 0.95 && other.abs() < 0.05, "target {target}: parts {own} and {other}");
            let observed = take_centered(&y, &split.test, &means(&y, &split.test));
            let predicted =
                take_centered(&fit.predicted, &(0..20).collect::<Vec<_>>(), &means(&fit.predicted, &(0..20).collect::<Vec<_>>()));
            let error: f64 = (0..20).map(|i| (observed[(i, target)] - predicted[(i, target)]).powi(2)).sum();
            let total: f64 = observed.col_as_slice(target).iter().map(|v| v * v).sum();
            assert!((own + other - (1.0 - error / total)).abs() < 1e-12, "parts of target {target} add up to the explained variance");
        }
    }
}
