//! How far an RDM of features is from a measured one, and the way to bring it nearer.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, get_global_parallelism};

use crate::stats::count;
use crate::{Array, Error};

/// The loss of a batch and its gradient.
#[derive(Debug, Clone)]
pub struct Loss {
    /// 1 - the Pearson correlation of the two RDMs: 0 when they agree up to scale and shift.
    pub value: f64,
    /// For the features: n x p.
    pub gradient: Mat<f64>,
    /// Rows that are constant: they have no correlation distance and are left out.
    pub n_skipped: usize,
}

/// 1 minus the Pearson correlation between the correlation distances of rows and those of a target, with its gradient.
///
/// # Definition
/// With z the rows, centered over features and of length 1, the loss is 1 - r(q, t) over the pairs of rows. Its gradient:
///
/// ```text
/// q_ij    = 1 - z_i z_j'
/// dL/dq   = -( t/(|q||t|) - rho q/|q|^2 )      q and t centered; in a symmetric matrix W with zero diagonal
/// dL/dZ   = -W Z
/// dL/dx_i = C (I - z_i z_i') dL/dz_i / |x_i - mean|      C: the centering over features
/// ```
///
/// # Shapes
/// x: n x p; the target n x n, of which the upper triangle is read.
///
/// # Degenerate
/// Constant rows are left out and counted. Fewer than three other rows, or distances that are all the same on one side, have no correlation: an error.
///
/// # Accuracy
/// Double precision; against finite differences to 1e-7 of the largest entry.
///
/// # Cost
/// Two products of n x p with n x n.
///
/// # Errors
/// [`Error::Shape`] for a target of another size, [`Error::Input`] where there is no correlation.
///
/// # Source
/// Kriegeskorte et al. 2008 for the comparison; the gradient is derived from the definition.
pub fn loss(x: MatRef<'_, f64>, target: &Array) -> Result<Loss, Error> {
    let (n, p) = (x.nrows(), x.ncols());
    if target.shape.iter().map(|k| *k as usize).ne([n, n]) {
        return Err(Error::Shape { what: "the target RDM".into(), expected: format!("{n} x {n}"), got: format!("{:?}", target.shape) });
    }
    let mut z = x.to_owned();
    let mut lengths = vec![0.0; n];
    for i in 0..n {
        let mean = (0..p).map(|k| z[(i, k)]).sum::<f64>() / count(p.max(1));
        (0..p).for_each(|k| z[(i, k)] -= mean);
        let length = (0..p).map(|k| z[(i, k)].powi(2)).sum::<f64>().sqrt();
        // Rounding of the mean leaves this much of a constant row.
        let floor = 1e-13 * mean.abs() * count(p).sqrt();
        if length > floor && length.is_finite() {
            (0..p).for_each(|k| z[(i, k)] /= length);
            lengths[i] = length;
        }
    }
    let used: Vec<usize> = (0..n).filter(|i| lengths[*i] > 0.0).collect();
    let mut products = Mat::<f64>::zeros(n, n);
    matmul(products.as_mut(), Accum::Replace, &z, z.transpose(), 1.0, get_global_parallelism());
    let pairs: Vec<(usize, usize)> = used.iter().enumerate().flat_map(|(a, i)| used[a + 1..].iter().map(move |j| (*i, *j))).collect();
    let centered = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / count(values.len().max(1));
        let values: Vec<f64> = values.into_iter().map(|v| v - mean).collect();
        let length = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        (values, length)
    };
    let (q, q_length) = centered(pairs.iter().map(|(i, j)| 1.0 - products[(*i, *j)]).collect());
    let (t, t_length) = centered(pairs.iter().map(|(i, j)| target.row(*i)[*j]).collect());
    if used.len() < 3 || q_length < 1e-12 || t_length == 0.0 || !t_length.is_finite() {
        let message = format!(
            "{} of {n} rows vary, and their distances or the target's are all the same or undefined: they have no correlation",
            used.len()
        );
        return Err(Error::input("target", message));
    }
    let rho = q.iter().zip(&t).map(|(a, b)| a * b).sum::<f64>() / (q_length * t_length);
    let mut weights = Mat::<f64>::zeros(n, n);
    for ((i, j), (q, t)) in pairs.iter().zip(q.iter().zip(&t)) {
        let d = -(t / (q_length * t_length) - rho * q / (q_length * q_length));
        weights[(*i, *j)] = d;
        weights[(*j, *i)] = d;
    }
    let mut gradient = Mat::<f64>::zeros(n, p);
    matmul(gradient.as_mut(), Accum::Replace, &weights, &z, -1.0, get_global_parallelism());
    for i in 0..n {
        if lengths[i] == 0.0 {
            (0..p).for_each(|k| gradient[(i, k)] = 0.0);
            continue;
        }
        let along = (0..p).map(|k| gradient[(i, k)] * z[(i, k)]).sum::<f64>();
        (0..p).for_each(|k| gradient[(i, k)] -= along * z[(i, k)]);
        let mean = (0..p).map(|k| gradient[(i, k)]).sum::<f64>() / count(p);
        (0..p).for_each(|k| gradient[(i, k)] = (gradient[(i, k)] - mean) / lengths[i]);
    }
    Ok(Loss { value: 1.0 - rho, gradient, n_skipped: n - used.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
        let mut rng = Stream::new(seed, 0);
        Mat::from_fn(n, p, |_, _| rng.normal())
    }

    fn target(n: usize) -> Array {
        let y = random(n, 4, 9);
        Array::matrix(n, n, (0..n * n).map(|at| (y.row(at / n) - y.row(at % n)).norm_l2()).collect())
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (x, target) = (random(7, 5, 1), target(7));
        let found = loss(x.as_ref(), &target).expect("rows vary");
        let largest = found.gradient.norm_max();
        let step = 1e-5;
        for i in 0..7 {
            for k in 0..5 {
                let at = |by: f64| {
                    let mut moved = x.clone();
                    moved[(i, k)] += by;
                    loss(moved.as_ref(), &target).expect("rows vary").value
                };
                let want = (at(step) - at(-step)) / (2.0 * step);
                assert!(
                    (found.gradient[(i, k)] - want).abs() < 1e-7 * largest.max(1.0),
                    "{i}, {k}: {}, not {want}",
                    found.gradient[(i, k)]
                );
            }
        }
    }

    #[test]
    fn the_loss_is_that_of_the_rdms() {
        let x = random(6, 8, 2);
        let own = loss(x.as_ref(), &target(6)).expect("rows vary");
        // Its own distances, scaled and shifted, are reached.
        let z = Mat::from_fn(6, 8, |i, k| x[(i, k)] - x.row(i).iter().sum::<f64>() / 8.0);
        let r = |i: usize, j: usize| (z.row(i) * z.row(j).transpose()) / (z.row(i).norm_l2() * z.row(j).norm_l2());
        let same = Array::matrix(6, 6, (0..36).map(|at| 3.0 + 2.0 * (1.0 - r(at / 6, at % 6))).collect());
        let reached = loss(x.as_ref(), &same).expect("rows vary");
        assert!(reached.value.abs() < 1e-12 && reached.gradient.norm_max() < 1e-7, "{}", reached.value);
        assert!(own.value > 0.0 && own.value < 2.0, "{}", own.value);
    }

    #[test]
    fn constant_rows_are_left_out() {
        let mut x = random(6, 5, 3);
        (0..5).for_each(|k| x[(2, k)] = 0.1);
        let found = loss(x.as_ref(), &target(6)).expect("five rows vary");
        assert_eq!(found.n_skipped, 1);
        assert!((0..5).all(|k| found.gradient[(2, k)] == 0.0) && found.gradient.is_all_finite());
        let kept = [0, 1, 3, 4, 5];
        let full = target(6);
        let without = Mat::from_fn(5, 5, |i, k| x[(kept[i], k)]);
        let smaller = Array::matrix(5, 5, (0..25).map(|at| full.row(kept[at / 5])[kept[at % 5]]).collect());
        assert!((loss(without.as_ref(), &smaller).expect("all vary").value - found.value).abs() < 1e-12, "as if it were not there");
        let flat = Array::matrix(6, 6, vec![1.0; 36]);
        assert!(loss(x.as_ref(), &flat).is_err(), "a target without differences");
        assert!(loss(x.as_ref(), &Array::matrix(2, 2, vec![0.0; 4])).is_err(), "another size");
    }
}
