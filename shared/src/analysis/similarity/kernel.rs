//! Centered kernel alignment with its three estimators of HSIC.

use faer::Mat;

use super::name::{Hsic, Kernel, Sigma};
use super::side::{Side, inner};
use crate::linalg::spectral::double_centered;
use crate::stats::{count, dot};

/// Centered kernel alignment, `HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))`; NaN when the denominator is not positive.
///
/// # Definition
/// Kernels of rows: linear `K = X X'`; Gaussian `exp(-|x - y|^2 / (2 s^2))`; Laplace `exp(-|x - y| / (sqrt(2) s))`.
/// With `H = I - 11'/n`: `gretton` = tr(K H L H); `lange` = the same sum without the diagonal of the centered kernels; `song` (unbiased, n >= 4) with
/// K, L without their diagonals: `[sum K o L + 1'K1 1'L1 / ((n-1)(n-2)) - 2 / (n-2) 1'KL1] / (n (n-3))`.
///
/// # Cost
/// Linear kernels never make K where features are fewer than samples: O(n p q). Others O(n^2 (p + q)).
///
/// # Source
/// Kornblith et al. 2019; Song et al. 2012; Lange et al. 2023. No constant is added to the denominator.
pub(super) fn alignment(x: &Side, y: &Side, kernel: Kernel, hsic: Hsic) -> f64 {
    let [xy, xx, yy] = match kernel {
        Kernel::Linear => [(x, y), (x, x), (y, y)].map(|(a, b)| linear(a, b, hsic)),
        Kernel::Gaussian(_) | Kernel::Laplace(_) => {
            let (k, l) = (table(x, kernel), table(y, kernel));
            match hsic {
                Hsic::Gretton | Hsic::Lange => {
                    let (k, l) = (double_centered(&k), double_centered(&l));
                    [(&k, &l), (&k, &k), (&l, &l)].map(|(a, b)| inner(a, b) - if hsic == Hsic::Lange { diagonal(a, b) } else { 0.0 })
                }
                Hsic::Song => [(&k, &l), (&k, &k), (&l, &l)].map(|(a, b)| unbiased(a, b)),
            }
        }
    };
    if xx > 0.0 && yy > 0.0 { xy / (xx.sqrt() * yy.sqrt()) } else { f64::NAN }
}

/// Centered kernel alignment by batches of rows: the sums of unbiased `HSIC` over contiguous batches, then their ratio; a shorter last batch is left out.
///
/// # Source
/// Nguyen, Raghu & Kornblith 2021.
pub(super) fn by_batches(x: &Side, y: &Side, kernel: Kernel, rows: usize) -> f64 {
    let mut sums = [0.0; 3];
    for start in (0..=x.n() - rows).step_by(rows) {
        let part = |side: &Side| Side::of(&side.name, side.x.subrows(start, rows).to_owned());
        let (a, b) = (part(x), part(y));
        // The width of a kernel is that of all rows.
        let (k, l) = (table_of(&a, kernel, x), table_of(&b, kernel, y));
        for (sum, (k, l)) in sums.iter_mut().zip([(&k, &l), (&k, &k), (&l, &l)]) {
            *sum += unbiased(k, l);
        }
    }
    let [xy, xx, yy] = sums;
    if xx > 0.0 && yy > 0.0 { xy / (xx.sqrt() * yy.sqrt()) } else { f64::NAN }
}

fn linear(x: &Side, y: &Side, hsic: Hsic) -> f64 {
    let (a, b) = (&x.centered, &y.centered);
    let whole = cross_energy(a, b);
    let (dx, dy) = (squared_norms(a), squared_norms(b));
    let diagonal = dot(&dx, &dy);
    match hsic {
        Hsic::Gretton => whole,
        Hsic::Lange => whole - diagonal,
        Hsic::Song => {
            // Columns are centered, so that K 1 = 0 with the diagonal: without it each row sums to minus its own square.
            let n = count(a.nrows());
            let (sum_x, sum_y) = (-dx.iter().sum::<f64>(), -dy.iter().sum::<f64>());
            ((whole - diagonal) + sum_x * sum_y / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * diagonal) / (n * (n - 3.0))
        }
    }
}

/// |X'Y|^2, by the smaller of its two forms.
pub(super) fn cross_energy(x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    let (n, p, q) = (x.nrows(), x.ncols(), y.ncols());
    if p * q <= n * (p + q) {
        return (x.transpose() * y).squared_norm_l2();
    }
    inner(&(x * x.transpose()), &(y * y.transpose()))
}

fn squared_norms(x: &Mat<f64>) -> Vec<f64> {
    x.row_iter().map(|row| row.squared_norm_l2()).collect()
}

fn table(side: &Side, kernel: Kernel) -> Mat<f64> {
    table_of(side, kernel, side)
}

/// The kernel of some rows; a relative width is that of `whole`.
fn table_of(side: &Side, kernel: Kernel, whole: &Side) -> Mat<f64> {
    let sigma = |sigma: Sigma| match sigma {
        Sigma::Value(value) => value,
        Sigma::Median(factor) => factor * whole.median_distance(),
    };
    let d = side.distances();
    let of = |value: &dyn Fn(f64) -> f64| Mat::from_fn(d.nrows(), d.ncols(), |i, j| value(d[(i, j)]));
    match kernel {
        Kernel::Linear => side.gram().clone(),
        Kernel::Gaussian(s) => {
            let s = sigma(s);
            of(&|d| (-d * d / (2.0 * s * s)).exp())
        }
        Kernel::Laplace(s) => {
            let s = sigma(s);
            of(&|d| (-d / (std::f64::consts::SQRT_2 * s)).exp())
        }
    }
}

fn diagonal(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.nrows()).map(|i| a[(i, i)] * b[(i, i)]).sum()
}

/// The unbiased estimate from two kernels, `tr(KL)` and `1'KL1` for those that are not symmetric; their diagonals are not read.
pub(super) fn unbiased(k: &Mat<f64>, l: &Mat<f64>) -> f64 {
    let n = count(k.nrows());
    let l = l.transpose().to_owned();
    let sums = |m: &Mat<f64>| -> Vec<f64> { (0..m.ncols()).map(|j| m.col_as_slice(j).iter().sum::<f64>() - m[(j, j)]).collect() };
    let (columns_k, rows_l) = (sums(k), sums(&l));
    let (all_k, all_l) = (columns_k.iter().sum::<f64>(), rows_l.iter().sum::<f64>());
    let both = inner(k, &l) - diagonal(k, &l);
    (both + all_k * all_l / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * dot(&columns_k, &rows_l)) / (n * (n - 3.0))
}
