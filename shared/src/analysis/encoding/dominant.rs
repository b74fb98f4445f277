//! The dominant left singular vector of a matrix.

use faer::{Col, Mat, MatRef, Side};

use crate::Error;
use crate::compute::cpu;
use crate::rng::Stream;

/// Below this many rows or columns the smaller Gram matrix is decomposed outright.
const DENSE: usize = 32;
/// Lanczos steps before the dense decomposition takes over.
const MAX_STEPS: usize = 300;
/// Largest Gram matrix that the dense decomposition takes over for.
const MAX_DENSE: usize = 4096;
/// Largest Gram matrix that the steps multiply with; beyond it they take the matrix itself, twice.
const MAX_GRAM: usize = 1024;
/// Residual of the eigenpair relative to its eigenvalue.
const RESIDUAL_TOL: f64 = 1e-14;

/// The largest singular value of `s` and its left vector, the entry of largest absolute value positive.
///
/// # Definition
/// `w = argmax |s'w|` over unit vectors, through the dominant eigenvector of the smaller of `s's` and `s s'`.
///
/// # Shapes
/// s: (p, t) → (1, p).
///
/// # Degenerate
/// `None` for a zero matrix.
///
/// # Accuracy
/// Residual 1e-14 relative; the angle is wrong by at most that over the relative gap of the two largest squared singular values.
/// Deterministic: Lanczos with full reorthogonalization from a fixed pseudo-random vector; without convergence the
/// Gram matrix is decomposed up to 4096 rows, beyond that the last vector is taken.
///
/// # Cost
/// `2 d^2` flops a step for a smaller side d of at most 1024, after `p t d` once; `4 p t` a step otherwise. Some tens of steps.
///
/// # Errors
/// [`Error::Numerical`] when a small eigenproblem fails.
pub(super) fn left_singular_vector(s: MatRef<'_, f64>) -> Result<Option<(f64, Col<f64>)>, Error> {
    let (p, t) = s.shape();
    let scale = s.norm_max();
    if scale == 0.0 || !scale.is_finite() {
        return Ok(None);
    }
    let scaled = s * faer::Scale(scale.recip());
    // Columns of `small` are the smaller side.
    let small = if t <= p { scaled.as_ref() } else { scaled.transpose() };
    let vector = eigenvector(small)?;
    let mut w = if t <= p { &scaled * &vector } else { vector };
    let length = w.norm_l2();
    let value = if t <= p { length } else { (scaled.transpose() * &w).norm_l2() };
    let peak = w.iter().copied().fold(0.0, |best: f64, v| if v.abs() > best.abs() { v } else { best });
    let sign = if peak < 0.0 { -1.0 } else { 1.0 };
    w *= faer::Scale(sign / length);
    Ok(Some((value * scale, w)))
}

/// The dominant eigenvector of `a'a`.
fn eigenvector(a: MatRef<'_, f64>) -> Result<Col<f64>, Error> {
    let d = a.ncols();
    if d <= DENSE {
        return dense(a);
    }
    let mut rng = Stream::new(0, 0);
    let mut v = Col::from_fn(d, |_| rng.normal());
    v *= faer::Scale(v.norm_l2().recip());
    // One matrix product, so that the steps, which wait for memory, read the smaller matrix.
    let gram = (d <= MAX_GRAM).then(|| cpu::gram_columns(a));
    let times = |v: &Col<f64>| gram.as_ref().map_or_else(|| a.transpose() * (a * v), |gram| gram * v);
    let steps = d.min(MAX_STEPS);
    let mut basis = Mat::<f64>::zeros(d, steps);
    let (mut diagonal, mut below) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
    for k in 0..steps {
        basis.col_mut(k).copy_from(&v);
        let mut next = times(&v);
        diagonal.push(v.transpose() * &next);
        let known = basis.subcols(0, k + 1);
        // Twice is enough to be orthogonal to rounding.
        for _ in 0..2 {
            next -= known * (known.transpose() * &next);
        }
        let length = next.norm_l2();
        below.push(length);
        let exhausted = length <= f64::EPSILON * diagonal[0] || k + 1 == d;
        if exhausted || k % 4 == 3 || k + 1 == steps {
            let (value, small) = tridiagonal(&diagonal, &below)?;
            if exhausted || length * small[k].abs() <= RESIDUAL_TOL * value || (k + 1 == steps && d > MAX_DENSE) {
                return Ok(known * small);
            }
        }
        v = next * faer::Scale(length.recip());
    }
    dense(a)
}

fn dense(a: MatRef<'_, f64>) -> Result<Col<f64>, Error> {
    let gram = a.transpose() * a;
    largest(&gram).map(|(_, vector)| vector)
}

fn tridiagonal(diagonal: &[f64], below: &[f64]) -> Result<(f64, Col<f64>), Error> {
    let k = diagonal.len();
    largest(&Mat::from_fn(k, k, |i, j| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => below[i.min(j)],
        _ => 0.0,
    }))
}

fn largest(symmetric: &Mat<f64>) -> Result<(f64, Col<f64>), Error> {
    let eigen = symmetric.self_adjoint_eigen(Side::Lower).map_err(|e| Error::Numerical {
        what: "dominant singular vector".into(),
        message: format!("the eigendecomposition of a {0} x {0} matrix failed ({e:?})", symmetric.nrows()),
    })?;
    let last = symmetric.nrows() - 1;
    Ok((eigen.S().column_vector()[last], eigen.U().col(last).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(p: usize, t: usize) -> Mat<f64> {
        let mut rng = Stream::new(3, 1);
        Mat::from_fn(p, t, |_, _| rng.normal())
    }

    #[track_caller]
    fn check(s: &Mat<f64>, tolerance: f64) {
        let (value, w) = left_singular_vector(s.as_ref()).expect("converges").expect("not zero");
        let svd = s.thin_svd().expect("converges");
        let overlap = (svd.U().col(0).transpose() * &w).abs();
        assert!((value - svd.S()[0]).abs() < 1e-12 * value, "singular value {value} against {}", svd.S()[0]);
        assert!((overlap - 1.0).abs() < tolerance, "overlap with the SVD's vector is {overlap}");
        let peak = w.iter().copied().fold(0.0, |best: f64, v| if v.abs() > best.abs() { v } else { best });
        assert!(peak > 0.0, "the largest entry is positive");
    }

    #[test]
    fn it_is_the_first_vector_of_an_svd() {
        for (p, t) in [(1, 1), (5, 3), (3, 5), (80, 50), (50, 80), (300, 120)] {
            check(&random(p, t), 1e-12);
        }
    }

    #[test]
    fn blocks_that_hide_the_largest_value_are_found() {
        // Starting at the largest diagonal entry would stay in the wrong block.
        let s = Mat::from_fn(60, 60, |i, j| match (i, j) {
            (0, 0) => 3.0,
            (1 | 2, 1 | 2) => 2.0,
            _ if i == j => 0.1,
            _ => 0.0,
        });
        check(&s, 1e-12);
    }

    #[test]
    fn scale_does_not_matter_and_zero_has_none() {
        let s = random(70, 40);
        let (value, w) = left_singular_vector(s.as_ref()).expect("converges").expect("not zero");
        for scale in [1e-200, 1e200] {
            let (scaled, same) = left_singular_vector((&s * faer::Scale(scale)).as_ref()).expect("converges").expect("not zero");
            assert!((scaled / scale - value).abs() < 1e-12 * value, "singular value at scale {scale}");
            assert!((&same - &w).norm_l2() < 1e-12, "vector at scale {scale}");
        }
        assert!(left_singular_vector(Mat::<f64>::zeros(4, 4).as_ref()).expect("no failure").is_none(), "a zero matrix has no direction");
    }
}
