//! Measures of nearest neighbors: rows that are close in one representation against those in the other.

use std::cmp::Ordering;

use faer::Mat;

use super::kernel::unbiased;
use super::side::{Side, cosines};
use crate::stats::{count, mean};

/// The k nearest rows of each row, nearest first.
pub(super) type Neighbors = Vec<Vec<usize>>;

/// By the largest similarity; itself excluded, ties by index.
pub(super) fn nearest(similarity: &Mat<f64>, k: usize) -> Neighbors {
    let order = |j: usize| {
        let column = similarity.col_as_slice(j);
        let mut rest: Vec<usize> = (0..column.len()).filter(|i| *i != j).collect();
        let by = |a: &usize, b: &usize| column[*b].partial_cmp(&column[*a]).unwrap_or(Ordering::Equal).then(a.cmp(b));
        if k < rest.len() {
            rest.select_nth_unstable_by(k, by);
            rest.truncate(k);
        }
        rest.sort_unstable_by(by);
        rest
    };
    crate::parallel::map(similarity.ncols(), order)
}

/// By cosine, of rows as they are or of centered columns.
pub(super) fn by_cosine(side: &Side, k: usize, is_centered: bool) -> Neighbors {
    if is_centered { nearest(&cosines(&side.centered), k) } else { nearest(side.cosines(), k) }
}

/// By inner product of rows as they are.
pub(super) fn by_product(side: &Side, k: usize) -> Neighbors {
    nearest(side.gram(), k)
}

fn shared(a: &[usize], b: &[usize]) -> usize {
    a.iter().filter(|i| b.contains(i)).count()
}

fn averaged(x: &Neighbors, y: &Neighbors, of: impl Fn(&[usize], &[usize]) -> f64) -> f64 {
    mean(&x.iter().zip(y).map(|(a, b)| of(a, b)).collect::<Vec<_>>())
}

/// Mean share of the union of the neighbors that both have. Source: Wang et al. 2022.
pub(super) fn jaccard(x: &Neighbors, y: &Neighbors) -> f64 {
    averaged(x, y, |a, b| {
        let both = shared(a, b);
        count(both) / count(a.len() + b.len() - both)
    })
}

/// Mean share of the k neighbors that both have. Source: Huh et al. 2024.
pub(super) fn mutual(x: &Neighbors, y: &Neighbors) -> f64 {
    averaged(x, y, |a, b| count(shared(a, b)) / count(a.len()))
}

/// Share of rows that are, in x, a neighbor of one of their neighbors in y. Source: Huh et al. 2024.
pub(super) fn cycle(x: &Neighbors, y: &Neighbors) -> f64 {
    let hits = y.iter().enumerate().filter(|(i, near)| near.iter().any(|j| x[*j].contains(i))).count();
    count(hits) / count(y.len())
}

/// Mean length of the longest common subsequence of the ordered neighbors, as a share of k. Source: Huh et al. 2024.
pub(super) fn common_subsequence(x: &Neighbors, y: &Neighbors) -> f64 {
    averaged(x, y, |a, b| {
        let last = table(a, b, |corner, up, left, same| if same { corner + 1 } else { up.max(left) }, |_| 0);
        count(last) / count(a.len())
    })
}

/// One minus the mean edit distance of the ordered neighbors, as a share of k. Source: Huh et al. 2024.
pub(super) fn edits(x: &Neighbors, y: &Neighbors) -> f64 {
    averaged(x, y, |a, b| {
        let last = table(a, b, |corner, up, left, same| (corner + usize::from(!same)).min(up + 1).min(left + 1), |i| i);
        1.0 - count(last) / count(a.len())
    })
}

/// Dynamic programming over two lists: the value at the end.
fn table(a: &[usize], b: &[usize], next: impl Fn(usize, usize, usize, bool) -> usize, border: impl Fn(usize) -> usize) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).map(&border).collect();
    for (i, from) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = border(i + 1);
        for (j, to) in b.iter().enumerate() {
            let value = next(corner, row[j + 1], row[j], from == to);
            corner = std::mem::replace(&mut row[j + 1], value);
        }
    }
    row[b.len()]
}

/// CKA of the inner products of rows that are neighbors in both.
///
/// # Definition
/// K, L = inner products of rows as they are; masks `a_x(i, j)` = j is a neighbor of i in x, `a_y` in y, `a = a_x o a_y`;
/// `HSIC(a o K, a o L) / sqrt(HSIC(a_x o K, a_x o K) HSIC(a_y o L, a_y o L))` with the unbiased HSIC, `tr(KL)` and `1'KL1` in it, as masks are not
/// symmetric: its first term sees pairs that are among each other's neighbors.
///
/// # Source
/// Huh et al. 2024, without the constant in the denominator.
pub(super) fn kernel_alignment(x: &Side, y: &Side, k: usize) -> f64 {
    let (a, b) = (by_product(x, k), by_product(y, k));
    let mask = |near: &[&Neighbors], gram: &Mat<f64>| {
        Mat::from_fn(gram.nrows(), gram.ncols(), |i, j| if i != j && near.iter().all(|n| n[i].contains(&j)) { gram[(i, j)] } else { 0.0 })
    };
    let both = [&a, &b];
    let xy = unbiased(&mask(&both, x.gram()), &mask(&both, y.gram()));
    let (kx, ky) = (mask(&[&a], x.gram()), mask(&[&b], y.gram()));
    let (xx, yy) = (unbiased(&kx, &kx), unbiased(&ky, &ky));
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { f64::NAN }
}

/// Agreement of the ranks of common neighbors, close ones counting more.
///
/// # Definition
/// Per row, over neighbors in both lists with ranks r and q (from 1): `sum 2 / ((1 + |r - q|) (r + q))` over `sum_{m=1}^{|both|} 1 / m`; 0 without any.
///
/// # Source
/// Wang et al. 2022.
pub(super) fn rank_similarity(x: &Neighbors, y: &Neighbors) -> f64 {
    averaged(x, y, |a, b| {
        let pairs: Vec<(f64, f64)> =
            a.iter().enumerate().filter_map(|(r, i)| b.iter().position(|j| i == j).map(|q| (count(r + 1), count(q + 1)))).collect();
        if pairs.is_empty() {
            return 0.0;
        }
        let norm: f64 = (1..=pairs.len()).map(|m| count(m).recip()).sum();
        pairs.iter().map(|(r, q)| 2.0 / ((1.0 + (r - q).abs()) * (r + q))).sum::<f64>() / norm
    })
}

/// Mean cosine of the cosine distances to the union of the neighbors.
///
/// # Source
/// Hamilton, Leskovec & Jurafsky 2016.
pub(super) fn second_order(x: &Side, y: &Side, k: usize) -> f64 {
    let (a, b) = (by_cosine(x, k, false), by_cosine(y, k, false));
    let (dx, dy) = (x.cosines(), y.cosines());
    let of = |i: usize| {
        let mut union = a[i].clone();
        union.extend(b[i].iter().filter(|j| !a[i].contains(j)));
        let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
        for &j in &union {
            let (u, v) = (1.0 - dx[(j, i)], 1.0 - dy[(j, i)]);
            (xy, xx, yy) = (xy + u * v, xx + u * u, yy + v * v);
        }
        xy / (xx * yy).sqrt()
    };
    mean(&(0..a.len()).map(of).collect::<Vec<_>>())
}
