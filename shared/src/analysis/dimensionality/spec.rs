//! What to compute.

use serde::{Deserialize, Serialize};

use super::pooling::{self, Pooling};
use crate::dataset::Shapes;
use crate::labels::Labels;
use crate::{Error, Estimate};

/// Values that are held at a time of an input with two axes, about.
const PART_VALUES: f64 = 16e6;

/// What to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Names of the inputs; one spectrum each.
    pub inputs: Vec<String>,
    /// How inputs with more than two axes (n x C x H x W) become matrices.
    pub pool: Pool,
    /// What is centered before the spectrum.
    pub centering: Centering,
    /// Which power-law exponent.
    pub alpha: AlphaFit,
    /// Compute the eigenvalues. Without them the run stops at the Gram matrix, which is all that the dimensionalities need.
    pub spectrum: bool,
    /// Estimate the intrinsic dimension from distances between rows, which costs n^2 p more.
    pub intrinsic: bool,
    /// Share of the smallest distance ratios that the line of `TwoNN` is fitted to, in (0, 1].
    pub two_nn_fraction: f64,
    /// The class of each row: intrinsic dimensions within and between classes. Read with `intrinsic` only.
    pub labels: Option<Labels>,
    /// Name of reference rows that a ZCA transform is fitted on after pooling; it is applied before the spectrum.
    pub zca: Option<String>,
    /// Which random numbers make the projection of `pool: none`.
    pub generator: Generator,
    /// Seed of that projection.
    pub seed: u64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            pool: Pool::Avg,
            centering: Centering::Column,
            alpha: AlphaFit::Logspaced,
            spectrum: true,
            intrinsic: false,
            two_nn_fraction: 1.0,
            labels: None,
            zca: None,
            generator: Generator::Pcg64,
            seed: 0,
        }
    }
}

/// Reduction of n x C x H x W activations to a matrix. Two-dimensional inputs pass unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Mean over the trailing axes.
    #[default]
    #[serde(alias = "mean")]
    Avg,
    /// Maximum over the trailing axes.
    Max,
    /// No pooling: flattened and projected to 1,024 values by a seeded Gaussian matrix.
    None,
    /// No pooling: flattened.
    Flatten,
    /// Median over the trailing axes; of an even number of values the mean of the middle two.
    Median,
    /// Sum of magnitudes over the trailing axes.
    #[serde(alias = "L1")]
    L1,
    /// Root of the sum of squares over the trailing axes.
    #[serde(alias = "L2")]
    L2,
    /// Largest absolute column sum of each H x W matrix: what `dnnbrain` calls L1.
    #[serde(alias = "L1_matrix")]
    L1Matrix,
    /// Largest singular value of each H x W matrix: what `dnnbrain` calls L2.
    #[serde(alias = "L2_matrix")]
    L2Matrix,
}

/// Where the random numbers of [`Pool::None`] come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// One stream of PCG-64 per row of the projection: inputs of the same width are projected alike.
    #[default]
    Pcg64,
    /// The legacy generator of numpy: one matrix after the other in the order of the inputs, row by row. Published spectra have seed 27.
    NumpyLegacy,
}

/// What is subtracted (and divided) before the spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centering {
    /// Column means.
    #[default]
    Column,
    /// Nothing.
    None,
    /// Column means, then row means.
    Both,
    /// Column means, then division by column standard deviations (ddof 0).
    Z,
}

/// Definition of the power-law exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphaFit {
    /// Ordinary least squares at 50 log-spaced indices.
    #[default]
    Logspaced,
    /// All indices up to 95 % of the log range.
    TailCut,
    /// Indices 11 to min(500, N) weighted by 1/n.
    Range,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        let labels = self.labels.iter().filter(|_| self.intrinsic).map(|labels| labels.input.clone());
        self.inputs.iter().cloned().chain(labels).chain(self.zca.clone()).collect()
    }

    /// Checks what does not depend on the inputs.
    ///
    /// # Errors
    /// [`Error::Parameter`] without inputs, for a fraction out of range and for a seed that the generator does not take.
    pub fn check(&self) -> Result<(), Error> {
        if self.inputs.is_empty() {
            return Err(Error::parameter("inputs", "no inputs are named; name at least one"));
        }
        if !(self.two_nn_fraction > 0.0 && self.two_nn_fraction <= 1.0) {
            let message = format!("{} is out of range; give a number above 0 and at most 1", self.two_nn_fraction);
            return Err(Error::parameter("two_nn_fraction", message));
        }
        if self.zca.as_ref().is_some_and(String::is_empty) {
            return Err(Error::parameter("zca", "no input is named; name the reference rows or leave the transform out"));
        }
        self.projection().map(drop)
    }

    /// How inputs with several axes become matrices.
    pub(super) fn projection(&self) -> Result<Pooling, Error> {
        Pooling::new(self.pool, self.generator, self.seed)
    }

    /// What the run will cost: inputs one after the other, each with its copy in f64, Gram and eigenvalues.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        self.inputs.iter().fold(Estimate { flops: 0.0, peak_bytes: 0.0 }, |total, name| {
            let (n, width) = shapes.of(name);
            let axes = shapes.0.get(name).map_or(&[][..], Vec::as_slice);
            let (p, projection) = self.pool.width(axes, (n, width));
            let r = n.min(p);
            let grams = if self.centering == Centering::Column { 1.0 } else { 2.0 };
            // The Gram computes one triangle; reduction to tridiagonal form 4/3 r^3.
            let decomposition = if self.spectrum { 4.0 / 3.0 * r * r * r } else { 0.0 };
            let distances = if self.intrinsic { 4.0 * n * n * p } else { 0.0 };
            // The transform needs a singular value decomposition of the reference and two products.
            let reference = self.zca.as_ref().map_or(0.0, |name| shapes.of(name).0);
            let zca = 14.0 * reference * p * reference.min(p) + if reference > 0.0 { 4.0 * n * p * reference.min(p) } else { 0.0 };
            let flops = projection + grams * n * p * r + decomposition + distances + zca + 10.0 * n * p;
            let whole = axes.len() > 2 || self.zca.is_some();
            let parts = if whole { n * p + 2.0 * reference * p } else { (n * p).min(PART_VALUES) };
            let held = 8.0 * (2.0 * parts + grams * r * r);
            Estimate { flops: total.flops + flops, peak_bytes: total.peak_bytes.max(held) }
        })
    }
}

impl Pool {
    /// Width after pooling of an input with these axes (rows and flattened width beside them), and the flops that it takes.
    #[expect(clippy::cast_precision_loss, reason = "sizes for an estimate")]
    pub(crate) fn width(self, axes: &[usize], (n, width): (f64, f64)) -> (f64, f64) {
        if axes.len() < 3 {
            return (width, 0.0);
        }
        let pooled = pooling::width(axes, self) as f64;
        let flops = match (axes, self) {
            (_, Self::Flatten) => 0.0,
            (_, Self::None) => 2.0 * n * width * pooled,
            // A singular value decomposition of small matrices costs about 20 flops a value and row.
            ([_, _, height, ..], Self::L2Matrix) => 20.0 * n * width * *height as f64,
            _ => n * width,
        };
        (pooled, flops)
    }
}
