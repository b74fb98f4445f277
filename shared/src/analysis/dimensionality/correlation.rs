//! Correlation dimension: how the number of close pairs of rows grows with the distance.

use faer::{Mat, MatRef};

use super::intrinsic::turned_without_repeats;
use crate::Error;
use crate::compute::Device;
use crate::progress::Progress;
use crate::stats::{count, quantile};

/// Rows that are compared with each other, at most: 8 million distances.
const MAX_ROWS: usize = 4096;

/// Rows whose distances are computed at a time.
const BLOCK: usize = 256;

/// Correlation dimension.
///
/// # Definition
/// C(r) = share of the pairs of different rows whose Euclidean distance is below r; the slope of the least-squares line through ln C on ln r at
/// all distances r between their 1 % and 10 % quantiles. Of more than 4,096 different rows as many are taken, evenly spaced.
///
/// # Shapes
/// x: (n, p) → one number.
///
/// # Degenerate
/// `None` when fewer than 3 different distances lie between the quantiles. Repeated rows are left out.
///
/// # Accuracy
/// Distances come from products about the mean row: good to 1e-15 (on a GPU 1e-6) of the squared norms.
///
/// # Cost
/// 2 n^2 p flops on the device and a sort of n^2 / 2 distances.
///
/// # Errors
/// [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Grassberger & Procaccia 1983.
pub async fn correlation_dimension(x: MatRef<'_, f64>, device: &Device, progress: &dyn Progress) -> Result<Option<f64>, Error> {
    let rows = thinned(turned_without_repeats(x));
    let n = rows.ncols();
    let squares: Vec<f64> = (0..n).map(|i| rows.col(i).squared_norm_l2()).collect();
    let mut distances = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for start in (0..n).step_by(BLOCK) {
        progress.step(count(start) / count(n), &format!("distances of {start} of {n} rows"))?;
        let width = BLOCK.min(n - start);
        let products = device.cross(rows.subcols(start, n - start), rows.subcols(start, width)).await?;
        for j in 0..width {
            let own = squares[start + j];
            let pairs = products.col_as_slice(j).iter().zip(&squares[start..]).skip(j + 1);
            distances.extend(pairs.map(|(product, other)| (own + other - 2.0 * product).max(0.0).sqrt()));
        }
    }
    Ok(slope(&mut distances))
}

/// At most [`MAX_ROWS`] columns, evenly spaced.
fn thinned(rows: Mat<f64>) -> Mat<f64> {
    let n = rows.ncols();
    if n <= MAX_ROWS {
        return rows;
    }
    let mut kept = Mat::zeros(rows.nrows(), MAX_ROWS);
    for j in 0..MAX_ROWS {
        kept.col_as_slice_mut(j).copy_from_slice(rows.col_as_slice(j * n / MAX_ROWS));
    }
    kept
}

fn slope(distances: &mut [f64]) -> Option<f64> {
    let (low, high) = (quantile(distances, 0.01), quantile(distances, 0.1));
    distances.sort_unstable_by(f64::total_cmp);
    let total = count(distances.len());
    let (mut points, mut n_different, mut below) = (Vec::new(), 0, 0);
    for (i, &r) in distances.iter().enumerate() {
        if i > 0 && r > distances[i - 1] {
            below = i;
        }
        if r >= low && r <= high && r > 0.0 && below > 0 {
            n_different += usize::from(below == i);
            points.push((r.ln(), (count(below) / total).ln()));
        }
    }
    if n_different < 3 {
        return None;
    }
    let n = count(points.len());
    let (x_mean, y_mean) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let covariance: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - x_mean) * (x - x_mean)).sum();
    Some(covariance / variance).filter(|slope| slope.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;
    use crate::rng::Stream;

    #[test]
    fn the_dimension_is_that_of_the_cloud() {
        let mut rng = Stream::new(3, 0);
        let flat = Mat::from_fn(1500, 2, |_, _| rng.uniform());
        let map = Mat::from_fn(2, 30, |_, _| rng.normal());
        let x = flat * map;
        let got = pollster::block_on(correlation_dimension(x.as_ref(), &Device::cpu(), &Silent)).expect("the CPU is there");
        // Edges of the square take away some neighbors.
        assert!(got.is_some_and(|d| (d - 2.0).abs() < 0.2), "{got:?}");
        let few = pollster::block_on(correlation_dimension(x.subrows(0, 3), &Device::cpu(), &Silent)).expect("the CPU is there");
        assert_eq!(few, None);
    }
}
