//! From activations with several axes to a matrix of f64.

use faer::Mat;
use ndarray::{ArrayD, CowArray};

use super::Pool;
use crate::blocks::tiled;
use crate::compute::Device;
use crate::dataset::Values;
use crate::progress::Progress;
use crate::rng::Stream;
use crate::{Dataset, Error};

/// Width of the random projection of [`Pool::None`].
pub(super) const PROJECTED: usize = 1024;

/// Rows of the projection that are generated at a time: it is never held as a whole.
const BLOCK: usize = 2048;

/// The matrix of a dataset with three axes or more; the seed is that of [`Pool::None`].
pub(in crate::analysis) async fn pooled(
    dataset: &Dataset,
    kind: Pool,
    seed: u64,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Mat<f64>, Error> {
    if dataset.values.is_empty() {
        return Ok(dataset.matrix()?.to_mat());
    }
    dataset.reject_non_finite()?;
    match &*dataset.values {
        Values::F32(a) => pool(a, kind, seed, device, progress).await,
        Values::F64(a) => pool(a, kind, seed, device, progress).await,
    }
}

async fn pool<T: Copy + Into<f64>>(
    array: &ArrayD<T>,
    kind: Pool,
    seed: u64,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Mat<f64>, Error> {
    let array = if array.is_standard_layout() { CowArray::from(array) } else { array.as_standard_layout() };
    let values = array.as_slice().unwrap_or_default();
    let (n, channels) = (array.shape()[0], array.shape()[1]);
    let size = values.len() / (n * channels);
    let reduce = |f: fn(&[T]) -> f64| Mat::from_fn(n, channels, |i, c| f(&values[(i * channels + c) * size..][..size]));
    match kind {
        Pool::Avg => Ok(reduce(mean)),
        Pool::Max => Ok(reduce(|v| v.iter().map(|&v| v.into()).fold(f64::NEG_INFINITY, f64::max))),
        Pool::Flatten => Ok(tiled(values, channels * size, n, 0..channels * size)),
        Pool::None => project(values, n, channels * size, seed, device, progress).await,
    }
}

#[expect(clippy::cast_precision_loss, reason = "image sizes are far below 2^53")]
fn mean<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    values.iter().map(|&v| v.into()).sum::<f64>() / values.len() as f64
}

/// X W with W standard normal over sqrt(1024); row k of W is stream k of the seed, whatever the blocks.
async fn project<T: Copy + Into<f64>>(
    values: &[T],
    n: usize,
    width: usize,
    seed: u64,
    device: &Device,
    progress: &dyn Progress,
) -> Result<Mat<f64>, Error> {
    #[expect(clippy::cast_precision_loss, reason = "1024 is exact")]
    let scale = 1.0 / (PROJECTED as f64).sqrt();
    let mut out = Mat::zeros(n, PROJECTED);
    for start in (0..width).step_by(BLOCK) {
        #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
        progress.step(0.15 * start as f64 / width as f64, &format!("random projection: {start} of {width} features"))?;
        let rows = BLOCK.min(width - start);
        // W' by columns, so that a stream fills a column.
        let mut turned = Mat::zeros(PROJECTED, rows);
        for k in 0..rows {
            let mut stream = Stream::new(seed, (start + k) as u64);
            turned.col_as_slice_mut(k).iter_mut().for_each(|w| *w = stream.normal() * scale);
        }
        let x = Mat::from_fn(n, rows, |i, k| values[i * width + start + k].into());
        out += device.matmul(x.as_ref(), turned.transpose()).await?;
    }
    Ok(out)
}
