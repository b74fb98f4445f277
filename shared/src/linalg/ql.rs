//! Eigenvalues of symmetric tridiagonal matrices.

use super::chase::Tridiagonal;

/// Iterations per eigenvalue; two are usual.
const MAX_ITERATIONS: usize = 30;

/// All eigenvalues of a symmetric tridiagonal matrix, in no order; `None` when the iteration does not converge.
///
/// # Definition
/// The QL iteration without square roots, shifted after Wilkinson, on the squares of the off-diagonal values.
///
/// # Accuracy
/// A few eps times the largest magnitude. Values of about 1 are expected: squares must neither overflow nor vanish.
///
/// # Cost
/// Some 15 n^2 flops.
///
/// # Source
/// Pal, Walker & Kahan's variant of QL, as in LAPACK `dsterf`; Reinsch 1971.
pub(super) fn eigenvalues(matrix: Tridiagonal) -> Option<Vec<f64>> {
    let Tridiagonal { diagonal: mut d, below: mut squares } = matrix;
    squares.iter_mut().for_each(|e| *e *= *e);
    let n = d.len();
    let mut start = 0;
    while start < n {
        // An unreduced block.
        let end = (start..n - 1).find(|&i| negligible(squares[i], d[i], d[i + 1])).unwrap_or(n - 1);
        let block = &mut d[start..=end];
        let links = &mut squares[start..end];
        // The iteration takes small values from the top.
        if block[block.len() - 1].abs() < block[0].abs() {
            block.reverse();
            links.reverse();
        }
        unreduced(block, links)?;
        start = end + 1;
    }
    Some(d)
}

fn negligible(square: f64, above: f64, under: f64) -> bool {
    square <= (f64::EPSILON / 2.0).powi(2) * (above * under).abs()
}

/// Replaces the diagonal `d` of a block by its eigenvalues; `e` are the squares of what stands below it.
fn unreduced(d: &mut [f64], e: &mut [f64]) -> Option<()> {
    let n = d.len();
    let mut first = 0;
    let mut iterations = 0;
    while first + 1 < n {
        let m = (first..n - 1).find(|&i| negligible(e[i], d[i], d[i + 1])).unwrap_or(n - 1);
        if m < n - 1 {
            e[m] = 0.0;
        }
        if m == first {
            first += 1;
        } else if m == first + 1 {
            (d[first], d[m]) = two_by_two(d[first], e[first], d[m]);
            first += 2;
        } else {
            iterations += 1;
            if iterations > MAX_ITERATIONS * n {
                return None;
            }
            let shift = wilkinson(d[first], e[first].sqrt(), d[first + 1]);
            sweep(&mut d[first..=m], &mut e[first..m], shift);
        }
    }
    Some(())
}

/// The eigenvalue of [[a, b], [b, c]] that is nearer to a.
fn wilkinson(a: f64, b: f64, c: f64) -> f64 {
    let ratio = (c - a) / (2.0 * b);
    a - b / (ratio + ratio.hypot(1.0).copysign(ratio))
}

/// Both eigenvalues of [[a, b], [b, c]], given b^2.
fn two_by_two(a: f64, b_squared: f64, c: f64) -> (f64, f64) {
    let half = (a - c) / 2.0;
    let root = (half * half + b_squared).sqrt();
    // The one of larger magnitude has no cancellation; the other follows from the determinant.
    let middle = f64::midpoint(a, c);
    let large = middle + root.copysign(middle);
    if large == 0.0 { (0.0, 0.0) } else { (large, (a / large) * c - b_squared / large) }
}

/// One QL step from the bottom of a block to its top.
fn sweep(d: &mut [f64], e: &mut [f64], shift: f64) {
    let m = d.len() - 1;
    let (mut c, mut s) = (1.0, 0.0);
    let mut gamma = d[m] - shift;
    let mut p = gamma * gamma;
    for i in (0..m).rev() {
        let square = e[i];
        let r = p + square;
        if i + 1 < m {
            e[i + 1] = s * r;
        }
        let old_c = c;
        c = p / r;
        s = square / r;
        let old_gamma = gamma;
        gamma = c * (d[i] - shift) - s * old_gamma;
        d[i + 1] = old_gamma + (d[i] - gamma);
        p = if c == 0.0 { old_c * square } else { gamma * gamma / c };
    }
    e[0] = s * p;
    d[0] = shift + gamma;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(diagonal: Vec<f64>, below: Vec<f64>) -> Vec<f64> {
        let mut values = eigenvalues(Tridiagonal { diagonal, below }).expect("converges");
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn a_chain_of_springs_has_its_closed_form() {
        let n = 200u32;
        let values = sorted(vec![2.0; n as usize], vec![-1.0; n as usize - 1]);
        for (k, value) in (1..=n).zip(values) {
            let want = 2.0 - 2.0 * (std::f64::consts::PI * f64::from(k) / f64::from(n + 1)).cos();
            assert!((value - want).abs() < 1e-14, "eigenvalue {k}: {value}, not {want}");
        }
    }

    #[test]
    fn blocks_zeros_and_single_values_are_found() {
        assert_eq!(sorted(vec![3.0], vec![]), [3.0]);
        assert_eq!(sorted(vec![], vec![]), [0.0; 0]);
        assert_eq!(sorted(vec![0.0; 4], vec![0.0; 3]), [0.0; 4]);
        let values = sorted(vec![1.0, 1.0, 5.0, 0.0, 0.0], vec![1.0, 0.0, 0.0, 2.0]);
        for (value, want) in values.iter().zip([-2.0, 0.0, 2.0, 2.0, 5.0]) {
            assert!((value - want).abs() < 1e-15, "{values:?}");
        }
    }

    #[test]
    fn graded_matrices_converge_from_either_end() {
        let diagonal: Vec<f64> = (0..40).map(|i| 10f64.powi(-i / 2)).collect();
        let below: Vec<f64> = (0..39).map(|i| 0.1 * 10f64.powi(-i / 2)).collect();
        let down = sorted(diagonal.clone(), below.clone());
        let up = sorted(diagonal.into_iter().rev().collect(), below.into_iter().rev().collect());
        for (a, b) in down.iter().zip(up) {
            assert!((a - b).abs() < 1e-15, "{a} and {b}");
        }
    }
}
