//! Measures without a contraction: a loop over pairs of rows.

use super::patterns::Patterns;
use super::quadratic::mirror_upper;
use crate::analysis::Context;
use crate::stats::{count, fold_pairs};
use crate::{Error, parallel};

/// Which distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Exponent, at least 1.
    Minkowski(f64),
    /// Largest difference.
    Chebyshev,
}

/// Distances between rows, n x n in C order.
pub(super) fn distances(patterns: &Patterns, kind: Kind, context: &Context<'_>) -> Result<Vec<f64>, Error> {
    // Values between two looks at the clock of the user: a fraction of a second.
    const STRIDE: usize = 1 << 28;
    // Rows that share each pass over all the others: they stay in the cache.
    const TILE: usize = 8;
    let n = patterns.n();
    let mut out = vec![0.0; n * n];
    let total = count(n * (n - 1) / 2);
    let (mut start, mut done) = (0, 0usize);
    while start < n {
        context.step(0.05 + 0.9 * count(done) / total, "comparing pairs of rows")?;
        let (mut end, mut pairs) = (start, 0);
        while end < n && (end == start || pairs * patterns.channels() < STRIDE) {
            pairs += n - 1 - end;
            end += 1;
        }
        parallel::for_chunks(&mut out[start * n..end * n], n * TILE, |tile, rows| {
            let first = start + tile * TILE;
            for j in first + 1..n {
                for (i, row) in (first..j).zip(rows.chunks_exact_mut(n)) {
                    row[j] = distance(patterns.row(i), patterns.row(j), kind);
                }
            }
        });
        done += pairs;
        start = end;
    }
    mirror_upper(&mut out, n);
    Ok(out)
}

fn distance(x: &[f64], y: &[f64], kind: Kind) -> f64 {
    let exponent = match kind {
        Kind::Chebyshev => return largest_difference(x, y),
        Kind::Minkowski(exponent) => exponent,
    };
    let direct = power_sum(x, y, exponent);
    if exponent == 1.0 {
        return direct;
    }
    if (1e-280..1e280).contains(&direct) {
        return root(direct, exponent);
    }
    // The powers left the range of floats: relative to the largest difference they cannot.
    let largest = largest_difference(x, y);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let relative: Vec<f64> = x.iter().zip(y).map(|(a, b)| (a - b) / largest).collect();
    largest * root(power_sum(&relative, &vec![0.0; relative.len()], exponent), exponent)
}

fn power_sum(x: &[f64], y: &[f64], exponent: f64) -> f64 {
    // Small whole powers are products; the compiler makes vector code of each.
    if exponent == 1.0 {
        fold_pairs(x, y, |a, b| (a - b).abs())
    } else if exponent == 2.0 {
        fold_pairs(x, y, |a, b| (a - b) * (a - b))
    } else if exponent == 3.0 {
        fold_pairs(x, y, |a, b| (a - b).abs() * (a - b) * (a - b))
    } else if exponent == 4.0 {
        fold_pairs(x, y, |a, b| ((a - b) * (a - b)) * ((a - b) * (a - b)))
    } else {
        fold_pairs(x, y, |a, b| (a - b).abs().powf(exponent))
    }
}

fn root(power_sum: f64, exponent: f64) -> f64 {
    if exponent == 2.0 { power_sum.sqrt() } else { power_sum.powf(1.0 / exponent) }
}

fn largest_difference(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()))
}
