//! Heat on the graph of nearest neighbors, as a fingerprint of a cloud of rows.

use faer::Mat;

use super::neighbors::nearest;
use super::side::Side;
use crate::linalg::spectral::symmetric_eigenvalues;
use crate::stats::count;
use crate::{Error, Silent};

/// Points of time.
const TIMES: usize = 256;

/// The greatest weighted difference of heat traces.
///
/// # Definition
/// Graph: i and j are joined when one is among the k nearest (Euclidean) of the other; L = normalized Laplacian; `h(t) = tr exp(-t L) / n` at 256
/// times from 0.1 to 10, evenly spaced in their logarithm; `max_t exp(-2 (t + 1/t)) |h_x(t) - h_y(t)|`.
///
/// # Accuracy
/// Exact from all eigenvalues; the reference estimates the trace from random vectors.
///
/// # Source
/// Tsitsulin et al. 2020, IMD.
pub(super) fn difference(x: &Side, y: &Side, k: usize) -> Result<f64, Error> {
    let (a, b) = (eigenvalues(x, k)?, eigenvalues(y, k)?);
    let last = count(TIMES - 1);
    let at = |i: usize| {
        let t = 10f64.powf(-1.0 + 2.0 * count(i) / last);
        let trace = |values: &[f64]| values.iter().map(|v| (-t * v).exp()).sum::<f64>() / count(values.len());
        (-2.0 * (t + t.recip())).exp() * (trace(&a) - trace(&b)).abs()
    };
    Ok((0..TIMES).map(at).fold(0.0, f64::max))
}

fn eigenvalues(side: &Side, k: usize) -> Result<Vec<f64>, Error> {
    let d = side.distances();
    let n = side.n();
    let near = nearest(&Mat::from_fn(n, n, |i, j| -d[(i, j)]), k);
    let mut joined = Mat::<f64>::zeros(n, n);
    for (i, all) in near.iter().enumerate() {
        all.iter().for_each(|&j| (joined[(i, j)], joined[(j, i)]) = (1.0, 1.0));
    }
    let degree: Vec<f64> = (0..n).map(|j| joined.col_as_slice(j).iter().sum()).collect();
    let laplacian = Mat::from_fn(n, n, |i, j| f64::from(u8::from(i == j)) - joined[(i, j)] / (degree[i] * degree[j]).sqrt());
    symmetric_eigenvalues(laplacian, &Silent)
}
