//! Generalized shape distances between representations.
//!
//! Each network is reduced once to coordinates in which whitening is diagonal; a pair then needs one contraction and the singular
//! values of a small matrix.

mod network;
#[cfg(test)]
mod tests;

use faer::Mat;
use serde::{Deserialize, Serialize};

use network::{Network, Rows};

use super::Context;
use crate::dataset::{Inputs, Matrix, Shapes};
use crate::linalg::spectral;
use crate::parallel;
use crate::rng::Stream;
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs (at least two), rows = the same samples in the same order.
    pub inputs: Vec<String>,
    /// Regularization between full whitening (0, CCA-like) and none (1, Procrustes).
    pub alpha: f64,
    /// Which distance.
    pub score: Score,
    /// Subtract column means.
    pub center_columns: bool,
    /// Append zero columns to the narrower input; otherwise different widths are an error.
    pub zero_pad: bool,
    /// Fraction of the rows (seeded random choice) that the alignment is fitted on; the rest gives held-out distances.
    pub train_fraction: Option<f64>,
    /// Seed of that choice.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self { inputs: Vec::new(), alpha: 1.0, score: Score::Angular, center_columns: true, zero_pad: true, train_fraction: None, seed: 0 }
    }
}

/// Distance after alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Angle between the aligned matrices, in radians.
    #[default]
    Angular,
    /// Frobenius norm of their difference.
    Euclidean,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Names of the inputs.
    pub names: Vec<String>,
    /// Distances on the rows fitted on, K x K, symmetric, zero diagonal.
    pub distances: Array,
    /// Distances on the held-out rows, when there are any.
    pub test_distances: Option<Array>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        self.inputs.clone()
    }

    /// What the run will cost: one reduction per input, one product and its singular values per pair.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let sizes: Vec<_> = self.inputs.iter().map(|name| shapes.of(name)).collect();
        let mut total = Estimate { flops: 0.0, peak_bytes: 0.0 };
        for (i, &(m, n)) in sizes.iter().enumerate() {
            let r = m.min(n);
            let has_decomposition = self.alpha < 1.0 || n > m;
            total.flops += if has_decomposition { 6.0 * m * n * r + 20.0 * r * r * r } else { 3.0 * m * n };
            total.peak_bytes += 8.0 * m * n;
            for &(_, other) in &sizes[..i] {
                let (small, large) = (r.min(m.min(other)), r.max(m.min(other)));
                total.flops += 2.0 * m * small * large + 4.0 * small * small * large;
            }
        }
        let widest = sizes.iter().map(|&(m, n)| m.min(n)).fold(0.0, f64::max);
        Estimate { peak_bytes: total.peak_bytes + 32.0 * widest * widest, ..total }
    }

    fn check(&self, inputs: &Inputs, context: &Context<'_>) -> Result<(Vec<Matrix>, Rows), Error> {
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(Error::parameter("alpha", format!("{} is outside 0..=1 (0 whitens fully, 1 not at all)", self.alpha)));
        }
        if self.inputs.len() < 2 {
            return Err(Error::parameter("inputs", format!("{} named; a distance needs at least 2 inputs", self.inputs.len())));
        }
        let matrices = self.inputs.iter().map(|name| inputs.matrix("inputs", name)).collect::<Result<Vec<_>, _>>()?;
        for other in &matrices[1..] {
            matrices[0].same_rows(other)?;
            let (p, q) = (matrices[0].n_features(), other.n_features());
            if p != q && !self.zero_pad {
                return Err(Error::Shape {
                    what: other.name().into(),
                    expected: format!("{p} columns as in {} (or zero_pad, which appends zero columns to the narrower)", matrices[0].name()),
                    got: format!("{q} columns"),
                });
            }
        }
        let rows = self.rows(matrices[0].n_samples())?;
        let n_train = rows.train.len();
        let collapsing: Vec<_> =
            matrices.iter().filter(|x| x.n_features() + usize::from(self.center_columns) >= n_train).map(Matrix::name).collect();
        if self.alpha < ALPHA_STEP && !collapsing.is_empty() {
            let names = collapsing.join(", ");
            context.warn(
                "too_few_samples",
                format!("alpha 0 needs more samples than features; with {n_train} samples the distances of {names} collapse towards 0"),
            );
        }
        Ok((matrices, rows))
    }

    /// The rows to fit on and to hold out, each ascending.
    fn rows(&self, n: usize) -> Result<Rows, Error> {
        let Some(fraction) = self.train_fraction else {
            if n < 2 {
                return Err(Error::input(&*self.inputs[0], format!("{n} sample (rows); shapes need at least 2")));
            }
            return Ok(Rows { train: (0..n).collect(), test: Vec::new() });
        };
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of n, clamped")]
        let n_train = (fraction.clamp(0.0, 1.0) * n as f64).round() as usize;
        if !(fraction > 0.0 && fraction < 1.0) || n_train < 2 || n_train >= n {
            return Err(Error::parameter(
                "train_fraction",
                format!(
                    "{fraction} of {n} rows leaves {n_train} to fit on; choose a fraction between 0 and 1 that leaves at least 2 to fit on and 1 to hold out"
                ),
            ));
        }
        let mut train = Stream::new(self.seed, 0).permutation(n);
        let mut test = train.split_off(n_train);
        train.sort_unstable();
        test.sort_unstable();
        Ok(Rows { train, test })
    }
}

/// Alphas closer to an end than this are taken as the end.
const ALPHA_STEP: f64 = 1e-7;

/// Relative tolerance of the nuclear norm of a pair.
const NUCLEAR_TOL: f64 = 1e-13;

/// From this cosine on, arccos is so steep that the nuclear norm has to be right to the last digits.
const NEARLY_EQUAL: f64 = 0.999;

/// Distances between all pairs of inputs after the best orthogonal alignment of their partially whitened columns.
///
/// # Definition
/// Per input: Xc = X minus its column means (of the rows fitted on). Whitening with (lambda, V) = eig(Xc'Xc), lambda >= 1e-7:
/// Z = f V diag(alpha + (1 - alpha) / sqrt(lambda)) V', f such that the total variance is kept; alpha = 1: Z = I.
/// With the singular values sigma of (Xc Zx)'(Yc Zy), A = Xc Zx, B = Yc Zy:
/// angular = arccos(sum sigma / (|A| |B|)) in radians, euclidean^2 = |A|^2 + |B|^2 - 2 sum sigma.
/// Held-out rows are centered, whitened and aligned by what was fitted, then A and B compared in the same way.
/// Narrower inputs count as padded with zero columns.
///
/// # Shapes
/// K inputs (m, `n_k`) → K x K.
///
/// # Parameters
/// `alpha` 0 is invariant to invertible linear maps of the columns (like CCA), 1 to rotations and, angular, to scale (Procrustes).
/// Between, the result depends on the scale of the data.
///
/// # Degenerate
/// Angular distances of an input without variance are NaN, with a warning. alpha = 0 with as many features as samples: all
/// distances are close to 0, with a warning. Directions without variance in the rows fitted on are ignored in held-out rows when
/// alpha < 1.
///
/// # Accuracy
/// Deterministic. 1e-12 in the cosine on the CPU: equal shapes come out at about 1e-8 because arccos is steep there. On a GPU 1e-6 in
/// the cosine, 1e-3 for equal shapes.
///
/// # Cost
/// Per input one decomposition, O(m n min(m, n)), none for alpha = 1 with m >= n. Per pair O(m r^2 + r^3), r = min(m, n).
///
/// # Errors
/// [`Error::Parameter`] for alpha or the fraction out of range or fewer than 2 inputs, [`Error::RowMismatch`],
/// [`Error::Shape`] for different widths without `zero_pad`, [`Error::NonFinite`], [`Error::Numerical`], [`Error::Canceled`].
///
/// # Source
/// Williams, Kunz, Kornblith & Linderman 2021; netrep `LinearMetric`.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let (matrices, rows) = spec.check(inputs, context)?;
    let k = matrices.len();
    let n_pairs = k * (k - 1) / 2;
    #[expect(clippy::cast_precision_loss, reason = "fractions for display")]
    let done = |networks: usize, pairs: usize| 0.3 * networks as f64 / k as f64 + 0.7 * pairs as f64 / n_pairs as f64;
    let mut networks = Vec::with_capacity(k);
    for some in matrices.chunks(parallel::threads()) {
        context.step(done(networks.len(), 0), &format!("reducing {}", some[0].name()))?;
        for network in parallel::map(some.len(), |i| Network::reduce(spec, &some[i], &rows)) {
            networks.push(network?);
        }
    }
    for network in networks.iter().filter(|network| network.norm <= 0.0) {
        context.warn(
            "constant_data",
            format!("{}: its rows are all equal; without variance its angular distances are undefined", network.name),
        );
    }
    let mut distances = vec![0.0; k * k];
    let mut test_distances = (!rows.test.is_empty()).then(|| vec![0.0; k * k]);
    let pairs: Vec<(usize, usize)> = (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).collect();
    let mut n_done = 0;
    // Products one after the other on the device, then the decompositions of some pairs side by side.
    for some in pairs.chunks(PAIRS_AT_ONCE * parallel::threads()) {
        let mut products = Vec::with_capacity(some.len());
        for &(i, j) in some {
            let (x, y) = (&networks[i], &networks[j]);
            context.step(done(k, n_done), &format!("{} and {}", x.name, y.name))?;
            products.push(Products::of(x, y, context).await?);
            n_done += 1;
        }
        let found = parallel::map(some.len(), |at| products[at].distances(spec, &networks[some[at].0], &networks[some[at].1]));
        for (&(i, j), found) in some.iter().zip(found) {
            let (train, test) = found?;
            (distances[i * k + j], distances[j * k + i]) = (train, train);
            if let Some(all) = &mut test_distances {
                (all[i * k + j], all[j * k + i]) = (test, test);
            }
        }
    }
    Ok(Output {
        names: spec.inputs.clone(),
        distances: Array::matrix(k, k, distances),
        test_distances: test_distances.map(|values| Array::matrix(k, k, values)),
    })
}

/// Pairs for each thread between two looks at whether the run was canceled.
const PAIRS_AT_ONCE: usize = 4;

/// What the rows of a pair have in common.
struct Products {
    fitted: Mat<f64>,
    held_out: Option<Mat<f64>>,
}

impl Products {
    async fn of(x: &Network, y: &Network, context: &Context<'_>) -> Result<Self, Error> {
        let fitted = context.device.cross(x.coordinates.as_ref(), y.coordinates.as_ref()).await?;
        let held_out = match (&x.held_out, &y.held_out) {
            (Some(x), Some(y)) => Some(context.device.cross(x.coordinates.as_ref(), y.coordinates.as_ref()).await?),
            _ => None,
        };
        Ok(Self { fitted, held_out })
    }

    /// Distances on the rows fitted on and on the held-out rows (NaN without any).
    fn distances(&self, spec: &Spec, x: &Network, y: &Network) -> Result<(f64, f64), Error> {
        let width = x.width.max(y.width);
        let (scale_x, scale_y) = (x.variance_factor(spec.alpha, width), y.variance_factor(spec.alpha, width));
        let score = |inner: f64, norm_x: f64, norm_y: f64| match spec.score {
            Score::Angular => (inner / (norm_x * norm_y)).clamp(-1.0, 1.0).acos(),
            Score::Euclidean => {
                let (a, b) = (scale_x * norm_x, scale_y * norm_y);
                (a * a + b * b - 2.0 * scale_x * scale_y * inner).max(0.0).sqrt()
            }
        };
        let (Some(held_product), Some(held_x), Some(held_y)) = (&self.held_out, &x.held_out, &y.held_out) else {
            let mut nuclear = spectral::nuclear_norm(self.fitted.as_ref(), NUCLEAR_TOL)?;
            if nuclear > NEARLY_EQUAL * x.norm * y.norm {
                nuclear = spectral::singular_values(self.fitted.as_ref())?.iter().sum();
            }
            return Ok((score(nuclear, x.norm, y.norm), f64::NAN));
        };
        // The alignment U V' of the pair acts on the held-out product in the same coordinates.
        let svd = spectral::thin_svd(self.fitted.as_ref())?;
        let nuclear = svd.s.iter().sum();
        let turned = held_product * &svd.v;
        let inner = svd.u.col_iter().zip(turned.col_iter()).map(|(u, t)| u.iter().zip(t.iter()).map(|(a, b)| a * b).sum::<f64>()).sum();
        Ok((score(nuclear, x.norm, y.norm), score(inner, held_x.norm, held_y.norm)))
    }
}
