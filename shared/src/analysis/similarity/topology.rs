//! How the holes of two clouds of the same rows differ.

use faer::Mat;

use super::rips::holes;
use super::side::Side;
use crate::progress::Progress;
use crate::rng::Stream;
use crate::stats::{count, mean, quantile};
use crate::{Error, parallel};

/// Representation topology divergence.
///
/// # Definition
/// Euclidean distances `w_x` and `w_y` of a batch of rows, each divided by its 0.9 quantile over pairs. For the direction (x, y): points `A_i` and `A'_i` of
/// every row and an apex O with `d(A'_i, A'_j) = min(w_x, w_y)`, `d(A_i, A'_j) = d(A_i, A_j) = w_x`, `d(A_i, A'_i) = 0`, `d(O, A_i) = 0`, `d(O, A'_i)` infinite; the sum of
/// the lengths of the 1-dimensional bars. Averaged over both directions and over `batches` of at most `rows` random rows; one batch when it has all rows.
///
/// # Cost
/// About (2 rows)^3 per batch and direction.
///
/// # Source
/// Barannikov, Trofimov, Balabin & Burnaev 2022.
pub(super) fn divergence(x: &Side, y: &Side, batches: usize, rows: usize, seed: u64, progress: &dyn Progress) -> Result<f64, Error> {
    let n = x.n();
    // All rows are the same batch in any order.
    let batches = if rows >= n { 1 } else { batches };
    let mut found = Vec::with_capacity(batches);
    for start in (0..batches).step_by(parallel::threads()) {
        progress.step(count(start) / count(batches), &format!("topology divergence, batch {} of {batches}", start + 1))?;
        found.extend(parallel::map(parallel::threads().min(batches - start), |i| {
            let mut chosen = Stream::new(seed, (start + i) as u64).permutation(n);
            chosen.truncate(rows);
            chosen.sort_unstable();
            let (w, v) = (scaled(x.distances(), &chosen), scaled(y.distances(), &chosen));
            f64::midpoint(directed(&w, &v), directed(&v, &w))
        }));
    }
    Ok(mean(&found))
}

/// Distances of the chosen rows over their 0.9 quantile.
fn scaled(distances: &Mat<f64>, chosen: &[usize]) -> Mat<f64> {
    let n = chosen.len();
    let pairs: Vec<f64> = (0..n).flat_map(|j| (0..j).map(move |i| (i, j))).map(|(i, j)| distances[(chosen[i], chosen[j])]).collect();
    let unit = quantile(&pairs, 0.9);
    Mat::from_fn(n, n, |i, j| distances[(chosen[i], chosen[j])] / unit)
}

fn directed(w: &Mat<f64>, v: &Mat<f64>) -> f64 {
    let n = w.nrows();
    // First the A, then the A', then the apex.
    let doubled = Mat::from_fn(2 * n + 1, 2 * n + 1, |a, b| {
        let (a, b) = (a.min(b), a.max(b));
        match (a, b) {
            _ if a == b => 0.0,
            _ if b == 2 * n => {
                if a < n {
                    0.0
                } else {
                    f64::INFINITY
                }
            }
            _ if a >= n => w[(a - n, b - n)].min(v[(a - n, b - n)]),
            _ if b >= n => w[(a, b - n)],
            _ => w[(a, b)],
        }
    });
    holes(&doubled).iter().map(|(birth, death)| death - birth).sum()
}
