//! Measures that are one contraction: `d_ij = g_ii + g_jj - 2 g_ij`.

use faer::Mat;

use super::patterns::{Patterns, center_channels};
use crate::analysis::Context;
use crate::stats::{dot, fold_pairs};
use crate::{Error, parallel};

/// `finish` of the squared Euclidean distances between patterns, n x n in C order.
///
/// Channel means are removed and the values scaled first (distances do not care, digits are saved), and entries in which the Gram cancels
/// are recomputed from the patterns.
pub(super) async fn squared_distances(
    patterns: Patterns,
    finish: impl Fn(f64) -> f64 + Sync,
    context: &Context<'_>,
) -> Result<Vec<f64>, Error> {
    let mut columns = patterns.into_columns();
    center_channels(&mut columns);
    let scale = scale_to_one(&mut columns);
    context.step(0.1, "contracting the patterns")?;
    let gram = context.device.gram_columns(columns.as_ref()).await?;
    context.step(0.85, "assembling the distances")?;
    let pairs = Pairs {
        norms: (0..columns.ncols()).map(|i| dot(columns.col_as_slice(i), columns.col_as_slice(i)).sqrt()).collect(),
        cancels_below: cancels_below(context),
        contracted: |i: usize, j: usize| gram[(i, i)] + gram[(j, j)] - 2.0 * gram[(j, i)],
        direct: |i: usize, j: usize| fold_pairs(columns.col_as_slice(i), columns.col_as_slice(j), |a, b| (a - b) * (a - b)),
    };
    Ok(pairs.assemble(|d| finish(d * scale * scale)))
}

/// `finish` of `sum (m_i - m_j)(l_i - l_j)` for rates m and their logarithms l, n x n in C order.
pub(super) async fn rate_divergences(
    mut rates: Mat<f64>,
    mut logs: Mat<f64>,
    finish: impl Fn(f64) -> f64 + Sync,
    context: &Context<'_>,
) -> Result<Vec<f64>, Error> {
    center_channels(&mut rates);
    center_channels(&mut logs);
    let scale = scale_to_one(&mut rates) * scale_to_one(&mut logs);
    context.step(0.1, "contracting the patterns")?;
    let cross = context.device.cross(rates.as_ref(), logs.as_ref()).await?;
    context.step(0.85, "assembling the distances")?;
    let norm = |m: &Mat<f64>, i: usize| dot(m.col_as_slice(i), m.col_as_slice(i)).sqrt();
    let pairs = Pairs {
        // The larger norm of the two factors bounds every product of them.
        norms: (0..rates.ncols()).map(|i| norm(&rates, i).max(norm(&logs, i))).collect(),
        cancels_below: cancels_below(context),
        contracted: |i: usize, j: usize| cross[(i, i)] + cross[(j, j)] - cross[(i, j)] - cross[(j, i)],
        direct: |i: usize, j: usize| {
            let rate_change: Vec<f64> = rates.col_as_slice(i).iter().zip(rates.col_as_slice(j)).map(|(a, b)| a - b).collect();
            let log_change: Vec<f64> = logs.col_as_slice(i).iter().zip(logs.col_as_slice(j)).map(|(a, b)| a - b).collect();
            let d = dot(&rate_change, &log_change);
            if d < 0.0 { 0.0 } else { d }
        },
    };
    Ok(pairs.assemble(|d| finish(d * scale)))
}

/// Share of the largest terms below which a difference of them is recomputed: keeps 9 digits on the CPU and 4 on a GPU.
fn cancels_below(context: &Context<'_>) -> f64 {
    (1e4 * context.device.precision()).max(1e-6)
}

struct Pairs<C, D> {
    norms: Vec<f64>,
    cancels_below: f64,
    contracted: C,
    direct: D,
}

impl<C: Fn(usize, usize) -> f64 + Sync, D: Fn(usize, usize) -> f64 + Sync> Pairs<C, D> {
    fn assemble(&self, finish: impl Fn(f64) -> f64 + Sync) -> Vec<f64> {
        let n = self.norms.len();
        let mut out = vec![0.0; n * n];
        parallel::for_chunks(&mut out, n, |i, row| {
            for (j, slot) in row.iter_mut().enumerate().skip(i + 1) {
                let mut d = (self.contracted)(i, j);
                let size = self.norms[i] + self.norms[j];
                if d <= self.cancels_below * size * size {
                    d = (self.direct)(i, j);
                }
                *slot = finish(d);
            }
        });
        mirror_upper(&mut out, n);
        out
    }
}

/// Copies the upper triangle of an n x n matrix in C order onto the lower one, in blocks that fit the cache.
pub(super) fn mirror_upper(values: &mut [f64], n: usize) {
    const BLOCK: usize = 64;
    for rows in (0..n).step_by(BLOCK) {
        for columns in (0..=rows).step_by(BLOCK) {
            for i in rows..(rows + BLOCK).min(n) {
                for j in columns..(columns + BLOCK).min(i) {
                    values[i * n + j] = values[j * n + i];
                }
            }
        }
    }
}

/// Divides by the power of two above the largest value and returns it: exact, and f32 kernels neither over- nor underflow.
fn scale_to_one(columns: &mut Mat<f64>) -> f64 {
    let largest = (0..columns.ncols()).flat_map(|i| columns.col_as_slice(i)).fold(0.0f64, |m, v| m.max(v.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return 1.0;
    }
    // 2^-1000 and below would not survive being squared.
    let scale = largest.log2().ceil().clamp(-500.0, 500.0).exp2();
    for i in 0..columns.ncols() {
        columns.col_as_slice_mut(i).iter_mut().for_each(|v| *v /= scale);
    }
    scale
}
