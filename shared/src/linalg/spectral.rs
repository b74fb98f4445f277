//! Centering, eigenvalues and singular values in f64 on the host, largest first.

use faer::{ColRef, Mat, MatRef, Side};

use super::{band, chase, ql};
use crate::compute::cpu;
use crate::progress::{Part, Progress};
use crate::stats::mean;
use crate::{Error, Silent, parallel};

/// Subtracts each column's mean in place and returns the means.
///
/// # Definition
/// Two passes: the mean of the residuals corrects the mean, so that it is exact to one rounding for any number of rows.
/// A column whose values are all equal becomes exactly zero.
///
/// # Shapes
/// x: (n, p) → p means.
pub fn center_columns(x: &mut Mat<f64>) -> Vec<f64> {
    let n = x.nrows();
    parallel::map_columns(x, |_, column| {
        let mean = column_mean(column, n);
        if column.iter().all(|v| v.to_bits() == column[0].to_bits()) {
            column.fill(0.0);
        } else {
            column.iter_mut().for_each(|v| *v -= mean);
        }
        mean
    })
}

/// H M H with `H = I - 11'/n` of a symmetric matrix: its row and column means subtracted, the mean of all added.
#[must_use]
pub fn double_centered(m: &Mat<f64>) -> Mat<f64> {
    let means: Vec<f64> = (0..m.ncols()).map(|j| mean(m.col_as_slice(j))).collect();
    let all = mean(&means);
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] - means[i] - means[j] + all)
}

#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
fn column_mean(column: &[f64], n: usize) -> f64 {
    let n = n as f64;
    let rough = column.iter().sum::<f64>() / n;
    rough + column.iter().map(|v| v - rough).sum::<f64>() / n
}

/// The rank tolerance of singular values: max(n, p) eps s1, with s1 the largest. Squared singular values have its square.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
pub fn rank_tolerance(n: usize, p: usize, largest: f64) -> f64 {
    n.max(p) as f64 * f64::EPSILON * largest
}

/// From this order on, two stages are faster than one.
const TWO_STAGES: usize = 512;

/// Eigenvalues of a symmetric matrix (its lower triangle is read), largest first. The matrix is taken: its memory is worked in.
///
/// # Accuracy
/// Absolute error of a few eps times the largest magnitude; a positive semidefinite matrix may give tiny negative values.
///
/// # Cost
/// 4/3 n^3 flops in place. Large matrices go to a band first, then to tridiagonal form, so that nearly all flops are matrix products.
///
/// # Errors
/// [`Error::Numerical`] when the matrix is not finite or the iteration does not converge; [`Error::Canceled`].
pub fn symmetric_eigenvalues(m: Mat<f64>, progress: &dyn Progress) -> Result<Vec<f64>, Error> {
    require_finite(m.as_ref())?;
    if m.nrows() >= TWO_STAGES {
        return two_stages(m, progress);
    }
    let mut values = m.self_adjoint_eigenvalues(Side::Lower).map_err(|e| no_convergence("eigenvalues", m.as_ref(), &e))?;
    values.reverse();
    Ok(values)
}

fn two_stages(mut m: Mat<f64>, progress: &dyn Progress) -> Result<Vec<f64>, Error> {
    let n = m.nrows();
    let scale = m.norm_max();
    if scale == 0.0 {
        return Ok(vec![0.0; n]);
    }
    let what = format!("eigenvalues of {n} x {n}");
    m *= faer::Scale(scale.recip());
    let (first, second) = (Part::new(progress, 0.0, 0.7), Part::new(progress, 0.7, 0.95));
    let band = band::reduce(&mut m, |done| first.step(done, &what))?;
    let tridiagonal = chase::reduce(band, |done| second.step(done, &what))?;
    let mut values = ql::eigenvalues(tridiagonal).ok_or_else(|| no_convergence("eigenvalues", m.as_ref(), &"QL"))?;
    values.iter_mut().for_each(|v| *v *= scale);
    values.sort_by(|a, b| b.total_cmp(a));
    Ok(values)
}

/// Eigenvalues, largest first, and their eigenvectors.
#[derive(Debug, Clone)]
pub struct SymmetricEigen {
    /// n eigenvalues.
    pub values: Vec<f64>,
    /// n x n, eigenvectors as columns in the same order.
    pub vectors: Mat<f64>,
}

/// Eigenvalues and eigenvectors of a symmetric matrix (its lower triangle is read), largest first.
///
/// # Errors
/// [`Error::Numerical`] when the matrix is not finite or the iteration does not converge.
pub fn symmetric_eigen(m: MatRef<'_, f64>) -> Result<SymmetricEigen, Error> {
    require_finite(m)?;
    let eigen = m.self_adjoint_eigen(Side::Lower).map_err(|e| no_convergence("eigenvectors", m, &e))?;
    let values = eigen.S().column_vector().iter().rev().copied().collect();
    Ok(SymmetricEigen { values, vectors: eigen.U().reverse_cols().to_owned() })
}

/// A thin singular value decomposition X = U diag(s) V'.
#[derive(Debug, Clone)]
pub struct ThinSvd {
    /// n x r, orthonormal columns.
    pub u: Mat<f64>,
    /// r singular values, largest first.
    pub s: Vec<f64>,
    /// p x r, orthonormal columns.
    pub v: Mat<f64>,
}

/// The thin singular value decomposition with all min(n, p) directions, also those of singular value 0.
///
/// # Errors
/// [`Error::Numerical`] when the matrix is not finite or the iteration does not converge.
pub fn all_singular_vectors(x: MatRef<'_, f64>) -> Result<ThinSvd, Error> {
    require_finite(x)?;
    let svd = x.thin_svd().map_err(|e| no_convergence("singular vectors", x, &e))?;
    Ok(ThinSvd { u: svd.U().to_owned(), s: svd.S().column_vector().iter().copied().collect(), v: svd.V().to_owned() })
}

/// The thin singular value decomposition, cut at the numerical rank: r is the number of singular values above [`rank_tolerance`].
///
/// # Shapes
/// x: (n, p) → u: (n, r), s: r, v: (p, r), r ≤ min(n, p); r = 0 for a zero matrix.
///
/// # Errors
/// [`Error::Numerical`] when the matrix is not finite or the iteration does not converge.
pub fn thin_svd(x: MatRef<'_, f64>) -> Result<ThinSvd, Error> {
    let ThinSvd { u, mut s, v } = all_singular_vectors(x)?;
    let tolerance = rank_tolerance(x.nrows(), x.ncols(), s.first().copied().unwrap_or(0.0));
    let r = s.iter().take_while(|&&s| s > tolerance).count();
    s.truncate(r);
    Ok(ThinSvd { u: u.subcols(0, r).to_owned(), s, v: v.subcols(0, r).to_owned() })
}

/// The sign of the component that is largest in magnitude, the first of equals; 1 for zeros. Times it, a singular vector has one sign whatever decomposed it.
#[must_use]
pub fn sign_of_largest(direction: ColRef<'_, f64>) -> f64 {
    let largest = direction.iter().copied().fold(0.0_f64, |best, v| if v.abs() > best.abs() { v } else { best });
    if largest < 0.0 { -1.0 } else { 1.0 }
}

/// All min(n, p) singular values, largest first.
///
/// # Errors
/// [`Error::Numerical`] when the matrix is not finite or the iteration does not converge.
pub fn singular_values(x: MatRef<'_, f64>) -> Result<Vec<f64>, Error> {
    require_finite(x)?;
    x.singular_values().map_err(|e| no_convergence("singular values", x, &e))
}

/// The nuclear norm: the sum of the singular values.
///
/// # Definition
/// `sum_i s_i`. Where rounding allows, `s_i = sqrt(lambda_i)` with the eigenvalues of the smaller Gram matrix, half of the work.
///
/// # Accuracy
/// `rel_tol` of the value at most: an error `d = 10 eps lambda_1` of every eigenvalue makes `sum_i d / (2 s_i)`. Where that bound is larger the
/// singular values are taken instead, which gives a few eps.
///
/// # Errors
/// [`Error::Numerical`] when the matrix is not finite or the iteration does not converge.
pub fn nuclear_norm(x: MatRef<'_, f64>, rel_tol: f64) -> Result<f64, Error> {
    require_finite(x)?;
    let scale = x.norm_max();
    if scale == 0.0 {
        return Ok(0.0);
    }
    let scaled = x * faer::Scale(scale.recip());
    let gram = if x.nrows() < x.ncols() { cpu::gram_columns(scaled.transpose()) } else { cpu::gram_columns(scaled.as_ref()) };
    let values = symmetric_eigenvalues(gram, &Silent)?;
    let off = 10.0 * f64::EPSILON * values[0];
    let (sum, bound) = values.iter().fold((0.0, 0.0), |(sum, bound), v| {
        let s = v.max(0.0).sqrt();
        (sum + s, bound + off / (2.0 * s))
    });
    if bound <= rel_tol * sum {
        return Ok(sum * scale);
    }
    Ok(singular_values(scaled.as_ref())?.iter().sum::<f64>() * scale)
}

fn require_finite(m: MatRef<'_, f64>) -> Result<(), Error> {
    if m.is_all_finite() {
        return Ok(());
    }
    Err(Error::Numerical {
        what: format!("a {} x {} matrix", m.nrows(), m.ncols()),
        message: "its products overflow; scale the data down (divide by its largest value)".into(),
    })
}

fn no_convergence(what: &str, m: MatRef<'_, f64>, error: &dyn std::fmt::Debug) -> Error {
    Error::Numerical {
        what: format!("{what} of a {} x {} matrix", m.nrows(), m.ncols()),
        message: format!("the iteration failed ({error:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
        let mut rng = Stream::new(seed, 0);
        Mat::from_fn(n, p, |_, _| rng.normal())
    }

    #[test]
    fn centered_columns_sum_to_zero_and_constant_ones_vanish() {
        let mut x = random(50, 3, 1);
        x.col_as_slice_mut(0).iter_mut().for_each(|v| *v += 1e8);
        x.col_as_slice_mut(2).fill(0.1);
        let means = center_columns(&mut x);
        assert!((means[0] - 1e8).abs() < 1.0 && means[2] == 0.1, "{means:?}");
        // Values near 1e8 carry a rounding of 1.5e-8 each.
        assert!(x.col_as_slice(0).iter().sum::<f64>().abs() < 1e-6, "centered");
        assert_eq!(x.col_as_slice(2), [0.0; 50]);
    }

    #[test]
    fn decompositions_rebuild_their_matrix() {
        let x = random(9, 5, 2);
        let gram = x.transpose() * &x;
        let eigen = symmetric_eigen(gram.as_ref()).expect("converges");
        assert!(eigen.values.is_sorted_by(|a, b| a >= b), "{:?}", eigen.values);
        let rebuilt = &eigen.vectors * Mat::from_fn(5, 5, |i, j| if i == j { eigen.values[i] } else { 0.0 }) * eigen.vectors.transpose();
        assert!((&rebuilt - &gram).norm_l2() < 1e-12, "V diag(lambda) V'");
        let values = symmetric_eigenvalues(gram.clone(), &Silent).expect("converges");
        let s = singular_values(x.as_ref()).expect("converges");
        for i in 0..5 {
            assert!((values[i] - eigen.values[i]).abs() < 1e-12 && (s[i] * s[i] - values[i]).abs() < 1e-12, "eigenvalue {i}");
        }
    }

    #[test]
    fn two_stages_find_the_eigenvalues_of_one() {
        // Of rank 300, so that 241 are zero.
        let n = TWO_STAGES + 29;
        let x = random(300, n, 5);
        let gram = x.transpose() * &x;
        let want = gram.self_adjoint_eigenvalues(Side::Lower).expect("converges");
        let got = symmetric_eigenvalues(gram.clone(), &Silent).expect("converges");
        for (g, w) in got.iter().zip(want.iter().rev()) {
            assert!((g - w).abs() < 1e-13 * got[0], "{g}, not {w}");
        }
        let zero = symmetric_eigenvalues(Mat::zeros(n, n), &Silent).expect("converges");
        assert_eq!(zero, vec![0.0; n]);
    }

    #[test]
    fn the_nuclear_norm_is_the_sum_of_singular_values_on_either_way() {
        // A well-conditioned matrix goes through its Gram matrix, one of rank 3 may not.
        for x in [random(40, 30, 6), random(30, 40, 7), random(20, 3, 8) * random(3, 20, 9), random(600, 520, 10)] {
            let want: f64 = singular_values(x.as_ref()).expect("converges").iter().sum();
            let got = nuclear_norm((&x * faer::Scale(1e-200)).as_ref(), 1e-12).expect("converges") * 1e200;
            assert!((got - want).abs() < 1e-12 * want, "{got}, not {want}");
        }
        assert_eq!(nuclear_norm(Mat::zeros(4, 3).as_ref(), 1e-12), Ok(0.0));
    }

    #[test]
    fn the_thin_svd_stops_at_the_rank() {
        let x = random(8, 2, 3) * random(2, 6, 4);
        let svd = thin_svd(x.as_ref()).expect("converges");
        assert_eq!((svd.s.len(), svd.u.ncols(), svd.v.nrows()), (2, 2, 6));
        let rebuilt = &svd.u * Mat::from_fn(2, 2, |i, j| if i == j { svd.s[i] } else { 0.0 }) * svd.v.transpose();
        assert!((&rebuilt - &x).norm_l2() < 1e-13, "U diag(s) V'");
        assert_eq!(thin_svd(Mat::zeros(3, 2).as_ref()).expect("converges").s.len(), 0);
    }

    #[test]
    fn overflow_is_an_error() {
        let bad = Mat::from_fn(2, 2, |_, _| f64::INFINITY);
        assert!(matches!(symmetric_eigenvalues(bad.clone(), &Silent), Err(Error::Numerical { .. })), "not finite");
        assert!(thin_svd(bad.as_ref()).is_err() && singular_values(bad.as_ref()).is_err(), "not finite");
    }
}
