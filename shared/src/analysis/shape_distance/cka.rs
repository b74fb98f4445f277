//! Angles between centered linear Gram matrices, of all networks at once.

use faer::{Mat, MatRef};

use super::{Context, Network, Score};
use crate::Error;
use crate::compute::GramSum;
use crate::stats::count;

/// Values of a part of all Gram matrices that are held at a time.
const PART_VALUES: usize = 1 << 21;

/// Distances of Gram matrices on the rows fitted on, and on the held-out rows.
pub(super) async fn distances(
    score: Score,
    networks: &[&Network],
    context: &Context<'_>,
    (from, to): (f64, f64),
) -> Result<(Mat<f64>, Option<Mat<f64>>), Error> {
    let fitted: Vec<_> = networks.iter().map(|x| x.coordinates.as_ref()).collect();
    let held: Vec<_> = networks.iter().filter_map(|x| x.held_out.as_ref()).map(|x| x.coordinates.as_ref()).collect();
    let middle = if held.is_empty() { to } else { (from + to) / 2.0 };
    let train = of_all(score, &fitted, context, (from, middle)).await?;
    let test = if held.is_empty() { None } else { Some(of_all(score, &held, context, (middle, to)).await?) };
    Ok((train, test))
}

async fn of_all(score: Score, xs: &[MatRef<'_, f64>], context: &Context<'_>, share: (f64, f64)) -> Result<Mat<f64>, Error> {
    let n = xs[0].nrows();
    let width: usize = xs.iter().map(|x| x.ncols()).sum();
    // Gram matrices of rows: n^2 per column and n^2 / 2 per pair; products of columns: 2 n p q per pair.
    let (k, n_values, width) = (count(xs.len()), count(n), count(width));
    let by_rows = n_values * n_values * (width + k * k / 2.0);
    let by_columns = n_values * width * width;
    let inner = if by_rows < by_columns { rows(xs, context, share).await? } else { columns(xs, context, share).await? };
    Ok(Mat::from_fn(
        xs.len(),
        xs.len(),
        |i, j| {
            if i == j { 0.0 } else { score.of(inner[(i, j)], inner[(i, i)].sqrt(), inner[(j, j)].sqrt()) }
        },
    ))
}

/// `<X X', Y Y'> = |X'Y|^2`.
async fn columns(xs: &[MatRef<'_, f64>], context: &Context<'_>, (from, to): (f64, f64)) -> Result<Mat<f64>, Error> {
    let k = xs.len();
    let mut inner = Mat::zeros(k, k);
    for i in 0..k {
        context.step(from + (to - from) * count(i) / count(k), &format!("products with network {}", i + 1))?;
        for (j, product) in (i..k).zip(context.device.cross_many(xs[i], &xs[i..]).await?) {
            let square = product.squared_norm_l2();
            (inner[(i, j)], inner[(j, i)]) = (square, square);
        }
    }
    Ok(inner)
}

/// Lower triangles of all Gram matrices as columns of one matrix, some rows at a time: its Gram matrix has all pairs.
async fn rows(xs: &[MatRef<'_, f64>], context: &Context<'_>, (from, to): (f64, f64)) -> Result<Mat<f64>, Error> {
    let n = xs[0].nrows();
    let mut sum = GramSum::new(context.device, xs.len());
    let step = (PART_VALUES / (xs.len() * n)).clamp(1, n);
    for start in (0..n).step_by(step) {
        let end = n.min(start + step);
        context
            .step(from + (to - from) * count(start) / count(n), &format!("rows {} to {end} of {} Gram matrices", start + 1, xs.len()))?;
        let mut part = Mat::zeros((end - start) * end, xs.len());
        for (k, x) in xs.iter().enumerate() {
            // Column i of the product is row `start + i` of the Gram matrix up to the block's end.
            let product = context.device.matmul(x.subrows(0, end), x.subrows(start, end - start).transpose()).await?;
            let column = part.col_as_slice_mut(k);
            for i in 0..end - start {
                let (row, line) = (start + i, &mut column[i * end..(i + 1) * end]);
                for (value, product) in line[..=row].iter_mut().zip(product.col_as_slice(i)) {
                    // What is below the diagonal stands for two.
                    *value = product * std::f64::consts::SQRT_2;
                }
                line[row] = product[(row, i)];
            }
        }
        sum.add_columns(part.as_ref()).await?;
    }
    Ok(sum.finish())
}
