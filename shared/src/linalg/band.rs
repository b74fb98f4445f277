//! Symmetric matrices to band form by orthogonal similarity, in matrix products.
//!
//! First of two stages to the eigenvalues of a large matrix. Direct reduction to tridiagonal form spends half of its flops on products of the
//! matrix with one vector, which wait for memory; here the matrix meets [`WIDTH`] vectors at a time.
//! Source: Bischof, Lang & Sun 2000 (the SBR toolbox), in compact WY form.

use faer::linalg::matmul::matmul;
use faer::prelude::{Reborrow as _, ReborrowMut as _};
use faer::{Accum, Mat, MatMut, MatRef, Par, get_global_parallelism};

use super::reflector::{self, Reflector};

/// Bandwidth: the number of diagonals that stay below the main one.
pub(super) const WIDTH: usize = 32;

/// Columns that are updated by one product. Diagonal blocks of this size are kept whole, so that every product is rectangular.
const BLOCK: usize = 128;

/// Columns of the matrix for each group of blocks that one thread works through, with a sum of its own: few enough groups that their sums are
/// small beside the matrix. What is added to what depends on the order of the matrix alone, never on the threads.
const COLUMNS_PER_GROUP: usize = 512;

/// The lower triangle of a symmetric band matrix, column by column, with room for the bulges of the second stage.
#[derive(Debug)]
pub(super) struct Band {
    /// Order of the matrix.
    pub n: usize,
    /// Column j holds rows j to j + [`Band::STRIDE`] - 1.
    pub values: Vec<f64>,
}

impl Band {
    /// Values per column.
    pub(super) const STRIDE: usize = 2 * WIDTH;

    fn of_lower(a: MatRef<'_, f64>) -> Self {
        let n = a.nrows();
        let mut values = vec![0.0; n * Self::STRIDE];
        for (j, column) in values.chunks_exact_mut(Self::STRIDE).enumerate() {
            let rows = n.min(j + WIDTH + 1) - j;
            column.iter_mut().zip(a.col(j).subrows(j, rows).iter()).for_each(|(to, from)| *to = *from);
        }
        Self { n, values }
    }
}

/// Reduces a symmetric matrix (its lower triangle is read, all of it is overwritten) to a band with the same eigenvalues.
///
/// The matrix is larger than the cache, so that what counts is how often it passes through: once for each panel. A panel's update waits until
/// the next panel is known, of which it needs no more than the columns, and each block meets both while it is at hand.
///
/// `done` is told the fraction of the work that is finished and may end it.
///
/// # Errors
/// What `done` returns.
pub(super) fn reduce<E>(a: &mut Mat<f64>, mut done: impl FnMut(f64) -> Result<(), E>) -> Result<Band, E> {
    let n = a.nrows();
    fill_diagonal_blocks(a);
    let mut sums: Vec<Mat<f64>> = (0..n.div_ceil(COLUMNS_PER_GROUP)).map(|_| Mat::zeros(n, WIDTH)).collect();
    let mut update: Option<Update> = None;
    let mut j = 0;
    while j + WIDTH + 1 < n {
        let start = j + WIDTH;
        #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
        done(1.0 - (1.0 - j as f64 / n as f64).powi(3))?;
        if let Some(update) = &mut update {
            update.apply(a.get_mut(j.., j..start), 0, get_global_parallelism());
            update.pass_rows(WIDTH);
        }
        let (v, t) = factor_panel(a.get_mut(start.., j..start));
        let av = pass(a.get_mut(start.., start..), start, update.as_ref(), v.as_ref(), &mut sums);
        update = Some(Update::new(v.as_ref(), t.as_ref(), av));
        j = start;
    }
    if let Some(update) = &update {
        update.apply(a.get_mut(j.., j..), 0, get_global_parallelism());
    }
    Ok(Band::of_lower(a.as_ref()))
}

/// Copies the lower triangles of the diagonal blocks onto their upper ones.
fn fill_diagonal_blocks(a: &mut Mat<f64>) {
    let n = a.nrows();
    for start in (0..n).step_by(BLOCK) {
        let end = n.min(start + BLOCK);
        for j in start..end {
            for i in j + 1..end {
                a[(j, i)] = a[(i, j)];
            }
        }
    }
}

/// QR of a panel: R replaces it; Q = I - V T V' is returned as V (m x k, unit lower trapezoidal) and T (k x k, upper triangular).
fn factor_panel(panel: MatMut<'_, f64>) -> (Mat<f64>, Mat<f64>) {
    let mut panel = panel;
    let (m, width) = panel.shape();
    let k = width.min(m - 1);
    let mut work = panel.as_ref().to_owned();
    let mut v = Mat::zeros(m, k);
    let mut t = Mat::<f64>::zeros(k, k);
    for c in 0..k {
        let Reflector { beta, tau } = reflector::make(&mut work.col_as_slice_mut(c)[c..]);
        let vector = &mut v.col_as_slice_mut(c)[c..];
        vector.copy_from_slice(&work.col_as_slice(c)[c..]);
        for other in c + 1..width {
            reflector::apply(tau, vector, &mut work.col_as_slice_mut(other)[c..]);
        }
        work[(c, c)] = beta;
        t[(c, c)] = tau;
    }
    for j in 0..width {
        for i in 0..m {
            panel[(i, j)] = if i <= j { work[(i, j)] } else { 0.0 };
        }
    }
    // T by its columns: T_0..c,c = -tau_c T_0..c,0..c (V'V)_0..c,c.
    let products = v.transpose() * &v;
    for c in 1..k {
        let tau = t[(c, c)];
        let column = t.get(..c, ..c) * products.get(..c, c);
        t.get_mut(..c, c).copy_from(column * faer::Scale(-tau));
    }
    (v, t)
}

/// What a panel does to the matrix on its right: A - V W' - W V', the product of `left` and `right`'.
struct Update {
    /// V and W.
    left: Mat<f64>,
    /// W and V.
    right: Mat<f64>,
    /// Rows of both that are above the matrix.
    above: usize,
}

impl Update {
    /// Q'AQ for Q = I - V T V': W = Y - 1/2 V T'V'Y with Y = A V T.
    fn new(v: MatRef<'_, f64>, t: MatRef<'_, f64>, av: MatRef<'_, f64>) -> Self {
        let (m, k) = v.shape();
        let mut w = av * t;
        let s = t.transpose() * (v.transpose() * &w);
        matmul(w.as_mut(), Accum::Add, v, s.as_ref(), -0.5, get_global_parallelism());
        let (mut left, mut right) = (Mat::zeros(m, 2 * k), Mat::zeros(m, 2 * k));
        left.get_mut(.., ..k).copy_from(v);
        left.get_mut(.., k..).copy_from(&w);
        right.get_mut(.., ..k).copy_from(&w);
        right.get_mut(.., k..).copy_from(v);
        Self { left, right, above: 0 }
    }

    fn pass_rows(&mut self, n: usize) {
        self.above += n;
    }

    /// Updates columns that begin with the `from`-th, from their diagonal on.
    fn apply(&self, columns: MatMut<'_, f64>, from: usize, par: Par) {
        let first = self.above + from;
        let right = self.right.get(first..first + columns.ncols(), ..);
        matmul(columns, Accum::Add, self.left.get(first.., ..), right.transpose(), -1.0, par);
    }
}

/// Updates A (if there is an update) and gives A V. `start` is the place of A in the whole matrix.
fn pass<'a>(a: MatMut<'_, f64>, start: usize, update: Option<&Update>, v: MatRef<'_, f64>, sums: &'a mut [Mat<f64>]) -> MatRef<'a, f64> {
    let (m, k) = v.shape();
    let n_groups = m.div_ceil(COLUMNS_PER_GROUP);
    let mut groups: Vec<_> = sums[..n_groups].iter_mut().map(|sum| (sum.get_mut(..m, ..k), Vec::new())).collect();
    let mut rest = a;
    for (i, (from, to)) in blocks(start, m).enumerate() {
        let (columns, right) = rest.split_at_col_mut(to - from);
        // Forth and back, because the blocks become lower.
        let (round, place) = (i / n_groups, i % n_groups);
        let group = if round % 2 == 0 { place } else { n_groups - 1 - place };
        groups[group].1.push((from, to, columns.subrows_mut(from, m - from)));
        rest = right;
    }
    crate::parallel::for_each(groups, |(mut sum, blocks)| {
        sum.fill(0.0);
        for (from, to, mut columns) in blocks {
            if let Some(update) = update {
                update.apply(columns.rb_mut(), from, Par::Seq);
            }
            let columns = columns.rb();
            matmul(sum.rb_mut().get_mut(from.., ..), Accum::Add, columns, v.get(from..to, ..), 1.0, Par::Seq);
            let below = columns.get(to - from.., ..).transpose();
            matmul(sum.rb_mut().get_mut(from..to, ..), Accum::Add, below, v.get(to.., ..), 1.0, Par::Seq);
        }
    });
    let (first, others) = sums[..n_groups].split_first_mut().expect("a matrix has columns");
    let mut total = first.get_mut(..m, ..k);
    others.iter().for_each(|sum| total += sum.get(..m, ..k));
    sums[0].get(..m, ..k)
}

/// The column blocks of a trailing matrix of order `m` whose first column is `start` of the whole: their borders stay where they are.
fn blocks(start: usize, m: usize) -> impl Iterator<Item = (usize, usize)> {
    let first = BLOCK - start % BLOCK;
    std::iter::once((0, first.min(m))).chain((first..m).step_by(BLOCK).map(move |from| (from, m.min(from + BLOCK))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn a_band_keeps_trace_and_norm_and_nothing_outside() {
        // More than one round of two groups, and an order that is no multiple of anything.
        let n = COLUMNS_PER_GROUP + BLOCK + 45;
        let mut rng = Stream::new(1, 0);
        let x = Mat::from_fn(n, n, |_, _| rng.normal());
        let mut a = &x + x.transpose();
        let (trace, squares) = ((0..n).map(|i| a[(i, i)]).sum::<f64>(), a.squared_norm_l2());
        let band = reduce(&mut a, |_| Ok::<(), ()>(())).expect("nothing ends it");
        let (mut band_trace, mut band_squares) = (0.0, 0.0);
        for column in band.values.chunks_exact(Band::STRIDE) {
            assert!(column[WIDTH + 1..].iter().all(|v| *v == 0.0), "room for bulges is empty");
            band_trace += column[0];
            band_squares += column[0] * column[0] + 2.0 * column[1..].iter().map(|v| v * v).sum::<f64>();
        }
        assert!((band_trace - trace).abs() < 1e-12 * squares.sqrt(), "trace {band_trace} of {trace}");
        assert!((band_squares - squares).abs() < 1e-12 * squares, "norm {band_squares} of {squares}");
    }

    #[test]
    fn blocks_cover_the_trailing_matrix() {
        assert_eq!(blocks(32, 200).collect::<Vec<_>>(), [(0, 96), (96, 200)]);
        assert_eq!(blocks(256, 3).collect::<Vec<_>>(), [(0, 3)]);
    }
}
