//! From activations with several axes to a matrix of f64.

use faer::{Mat, MatRef};
use ndarray::{ArrayD, CowArray};

use super::{Generator, Pool};
use crate::blocks::tiled;
use crate::compute::Device;
use crate::dataset::{Values, shape_text};
use crate::linalg::spectral;
use crate::parallel::{for_each_column, map};
use crate::progress::Progress;
use crate::rng::{NumpyLegacy, Stream};
use crate::{Dataset, Error, stats};

/// Width of the random projection of [`Pool::None`].
pub const PROJECTED: usize = 1024;

/// Rows of the projection that are generated at a time: it is never held as a whole.
const BLOCK: usize = 2048;

/// Samples that are pooled between two reports.
const SAMPLES: usize = 256;

/// A pooling with the state of its random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Pooling {
    pool: Pool,
    projection: Projection,
}

/// A random projection of rows of any length to some values, as [`Pool::None`] has it.
///
/// # Definition
/// X W, the entries of W normal with mean 0 and variance 1/k for k values. Row i of W begins with the same numbers whatever k and the length of the rows of X are:
/// it is stream i of the seed. W is made in blocks of rows when it is needed, and never held.
#[derive(Debug, Clone)]
pub struct Projection {
    draws: Draws,
    width: usize,
}

#[derive(Debug, Clone)]
enum Draws {
    /// Row k of the projection is stream k of the seed, whatever the blocks.
    Streams(u64),
    /// Row after row from one generator, which goes on with the next input.
    Legacy(Box<NumpyLegacy>),
}

impl Pooling {
    /// # Errors
    /// [`Error::Parameter`] for a seed that the generator does not take.
    pub(crate) fn new(pool: Pool, generator: Generator, seed: u64) -> Result<Self, Error> {
        let draws = match generator {
            Generator::Pcg64 => Draws::Streams(seed),
            Generator::NumpyLegacy => {
                let short = u32::try_from(seed).ok();
                let message = || format!("{seed} is too large; the legacy generator of numpy takes seeds up to {}", u32::MAX);
                Draws::Legacy(Box::new(NumpyLegacy::new(short.ok_or_else(|| Error::parameter("seed", message()))?)))
            }
        };
        Ok(Self { pool, projection: Projection { draws, width: PROJECTED } })
    }

    /// The matrix of a dataset with three axes or more.
    pub(crate) async fn apply(&mut self, dataset: &Dataset, device: &Device, progress: &dyn Progress) -> Result<Mat<f64>, Error> {
        if dataset.values.is_empty() {
            return Ok(dataset.matrix()?.to_mat());
        }
        dataset.reject_non_finite()?;
        if matches!(self.pool, Pool::L1Matrix | Pool::L2Matrix) && dataset.shape().len() != 4 {
            return Err(Error::Shape {
                what: dataset.name.clone(),
                expected: "4 axes (samples x channels x height x width) for a matrix norm of each map; l1 and l2 take any".into(),
                got: format!("{} axes ({})", dataset.shape().len(), shape_text(dataset.shape())),
            });
        }
        match &*dataset.values {
            Values::F32(a) => self.pool(a, device, progress).await,
            Values::F64(a) => self.pool(a, device, progress).await,
        }
    }

    async fn pool<T>(&mut self, array: &ArrayD<T>, device: &Device, progress: &dyn Progress) -> Result<Mat<f64>, Error>
    where
        T: Copy + Into<f64> + Sync,
    {
        let array = if array.is_standard_layout() { CowArray::from(array) } else { array.as_standard_layout() };
        let values = array.as_slice().unwrap_or_default();
        let (n, channels) = (array.shape()[0], array.shape()[1]);
        let size = values.len() / (n * channels);
        match self.pool {
            Pool::Flatten => return Ok(tiled(values, channels * size, n, 0..channels * size)),
            Pool::None => return self.projection.apply(values, n, device, progress).await,
            Pool::Avg | Pool::Max | Pool::Median | Pool::L1 | Pool::L2 | Pool::L1Matrix | Pool::L2Matrix => {}
        }
        let width = array.shape().last().copied().unwrap_or(1);
        let mut out = Mat::zeros(n, channels);
        for start in (0..n).step_by(SAMPLES) {
            #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
            progress.step(0.15 * start as f64 / n as f64, &format!("pooling: {start} of {n} samples"))?;
            let rows = map(SAMPLES.min(n - start), |i| -> Result<Vec<f64>, Error> {
                let maps = values[(start + i) * channels * size..][..channels * size].chunks_exact(size);
                maps.map(|values| self.pool.reduce(&values.iter().map(|&v| v.into()).collect::<Vec<_>>(), width)).collect()
            });
            for (i, row) in rows.into_iter().enumerate() {
                row?.into_iter().enumerate().for_each(|(c, value)| out[(start + i, c)] = value);
            }
        }
        Ok(out)
    }
}

impl Pool {
    /// One number for the map of one channel, which has rows of `width` values.
    fn reduce(self, map: &[f64], width: usize) -> Result<f64, Error> {
        Ok(match self {
            Self::Max => map.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Median => stats::median(map),
            Self::L1 => map.iter().map(|v| v.abs()).sum(),
            Self::L2 => map.iter().map(|v| v * v).sum::<f64>().sqrt(),
            Self::L1Matrix => {
                let column_sum = |j: usize| map.iter().skip(j).step_by(width).map(|v| v.abs()).sum::<f64>();
                (0..width).map(column_sum).fold(0.0, f64::max)
            }
            Self::L2Matrix => {
                let matrix = MatRef::from_row_major_slice(map, map.len() / width, width);
                spectral::singular_values(matrix)?.first().copied().unwrap_or(0.0)
            }
            Self::Avg | Self::None | Self::Flatten => mean(map),
        })
    }
}

/// Columns of what a pooling makes of an array with these axes; of a matrix its own.
pub(crate) fn width(shape: &[usize], pool: Pool) -> usize {
    match (shape, pool) {
        ([_, p], _) => *p,
        ([] | [_], _) => 0,
        ([_, rest @ ..], Pool::Flatten) => rest.iter().product(),
        (_, Pool::None) => PROJECTED,
        ([_, channels, ..], _) => *channels,
    }
}

#[expect(clippy::cast_precision_loss, reason = "image sizes are far below 2^53")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Projection {
    /// To `width` values.
    #[must_use]
    pub fn new(seed: u64, width: usize) -> Self {
        Self { draws: Draws::Streams(seed), width }
    }

    /// The projections of `n` rows that follow each other in `values`.
    ///
    /// # Errors
    /// Those of the device, and when `progress` cancels.
    pub async fn apply<T: Copy + Into<f64>>(
        &mut self,
        values: &[T],
        n: usize,
        device: &Device,
        progress: &dyn Progress,
    ) -> Result<Mat<f64>, Error> {
        #[expect(clippy::cast_precision_loss, reason = "widths are far below 2^53")]
        let scale = 1.0 / (self.width as f64).sqrt();
        let width = values.len() / n;
        let mut out = Mat::zeros(n, self.width);
        for start in (0..width).step_by(BLOCK) {
            #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
            progress.step(0.15 * start as f64 / width as f64, &format!("random projection: {start} of {width} features"))?;
            let rows = BLOCK.min(width - start);
            // W' by columns, so that a row of W is filled from one end to the other.
            let mut turned = Mat::zeros(self.width, rows);
            match &mut self.draws {
                Draws::Streams(seed) => for_each_column(&mut turned, |k, row| {
                    let mut stream = Stream::new(*seed, (start + k) as u64);
                    row.iter_mut().for_each(|w| *w = stream.normal() * scale);
                }),
                Draws::Legacy(generator) => {
                    for k in 0..rows {
                        turned.col_as_slice_mut(k).iter_mut().for_each(|w| *w = generator.normal() * scale);
                    }
                }
            }
            let x = Mat::from_fn(n, rows, |i, k| values[i * width + start + k].into());
            out += device.matmul(x.as_ref(), turned.transpose()).await?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_of_a_map_are_those_of_vectors_or_of_matrices() {
        let map = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let cases = [(Pool::L1Matrix, 9.0), (Pool::L2Matrix, 9.508_032), (Pool::L1, 21.0), (Pool::L2, 9.539_392), (Pool::Median, 3.5)];
        for (pool, want) in cases {
            let got = pool.reduce(&map, 3).expect("finite");
            assert!((got - want).abs() < 5e-7, "{pool:?}: {got}");
        }
    }

    #[test]
    fn names_of_papers_and_packages_are_understood() {
        for (text, want) in
            [("mean", Pool::Avg), ("avg", Pool::Avg), ("L2", Pool::L2), ("l1_matrix", Pool::L1Matrix), ("median", Pool::Median)]
        {
            let got: Pool = serde_json::from_value(text.into()).expect(text);
            assert_eq!(got, want, "{text}");
        }
    }

    /// Rows may come in parts, and narrower projections are the first columns of wider ones but for the scale.
    #[test]
    fn projections_do_not_depend_on_the_other_rows() {
        let values: Vec<f32> = (0..6 * 5000u16).map(|i| (f32::from(i) * 0.7).sin()).collect();
        let of = |values: &[f32], n: usize, width: usize| {
            let mut projection = Projection::new(9, width);
            pollster::block_on(projection.apply(values, n, &Device::cpu(), &crate::progress::Silent)).expect("projects")
        };
        let (whole, parts, narrow) = (of(&values, 6, 64), of(&values[2 * 5000..3 * 5000], 1, 64), of(&values, 6, 16));
        for j in 0..64 {
            // Sums of 5,000 products in another order.
            assert!((whole[(2, j)] - parts[(0, j)]).abs() < 1e-12, "column {j}");
            assert!(j >= 16 || (whole[(2, j)] * 2.0 - narrow[(2, j)]).abs() < 1e-12, "column {j} of 16");
        }
    }
}
