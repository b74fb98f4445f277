//! Intrinsic dimension from distances to nearest neighbors.

use faer::{Mat, MatRef};

use super::ClassIntrinsic;
use crate::compute::Device;
use crate::labels::Classes;
use crate::linalg::spectral::center_columns;
use crate::parallel::map;
use crate::progress::Progress;
use crate::{Error, Silent, stats};

/// Rows whose distances to all rows are held at a time.
const BLOCK: usize = 256;

/// Neighbors that the maximum-likelihood estimate averages over.
const NEIGHBORS: std::ops::RangeInclusive<usize> = 10..=20;

/// Candidates beyond the neighbors needed: distances by products are rounded, those of the candidates are then taken again without.
const SPARE: usize = 8;

/// Distances of each row to its nearest other rows, ascending; rows that repeat an earlier one are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    /// Rows that are left.
    pub n: usize,
    /// Neighbors of each, at most 20.
    pub k: usize,
    /// n x k, row by row.
    pub distances: Vec<f64>,
}

impl Neighbors {
    /// Euclidean distances to the 20 nearest other rows (fewer when there are fewer).
    ///
    /// # Cost
    /// 2 n^2 p flops on the device in blocks of rows.
    ///
    /// # Errors
    /// [`Error::Device`], [`Error::Canceled`].
    pub async fn of(x: MatRef<'_, f64>, device: &Device, progress: &dyn Progress) -> Result<Self, Error> {
        let rows = turned_without_repeats(x);
        let n = rows.ncols();
        let k = n.saturating_sub(1).min(*NEIGHBORS.end());
        let squares: Vec<f64> = (0..n).map(|i| rows.col_as_slice(i).iter().map(|v| v * v).sum()).collect();
        let mut distances = Vec::with_capacity(n * k);
        for start in (0..n).step_by(BLOCK) {
            #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
            progress.step(start as f64 / n as f64, &format!("nearest neighbors: {start} of {n} rows"))?;
            let width = BLOCK.min(n - start);
            let products = device.cross(rows.as_ref(), rows.subcols(start, width)).await?;
            let nearest = map(width, |j| nearest(&rows, &squares, products.col_as_slice(j), start + j, k));
            distances.extend(nearest.into_iter().flatten());
        }
        Ok(Self { n, k, distances })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.distances[i * self.k..][..self.k]
    }
}

/// The distances of row `i` to its `k` nearest, ascending.
fn nearest(rows: &Mat<f64>, squares: &[f64], products: &[f64], i: usize, k: usize) -> Vec<f64> {
    let rough = |j: usize| squares[j] - 2.0 * products[j];
    let mut order: Vec<usize> = (0..products.len()).filter(|&j| j != i).collect();
    let n_candidates = order.len().min(k + SPARE);
    if n_candidates < order.len() {
        order.select_nth_unstable_by(n_candidates, |&a, &b| rough(a).total_cmp(&rough(b)));
        order.truncate(n_candidates);
    }
    let own = rows.col_as_slice(i);
    let exact = |j: &usize| own.iter().zip(rows.col_as_slice(*j)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    let mut distances: Vec<f64> = order.iter().map(exact).collect();
    distances.sort_by(f64::total_cmp);
    distances.truncate(k);
    distances
}

/// The transpose (p x n), about the mean row, without rows that repeat another one: the logarithm of a distance of zero has no value.
pub(super) fn turned_without_repeats(x: MatRef<'_, f64>) -> Mat<f64> {
    let mut centered = x.to_owned();
    center_columns(&mut centered);
    let turned = centered.transpose().to_owned();
    drop(centered);
    let compare = |&a: &usize, &b: &usize| {
        let pairs = turned.col_as_slice(a).iter().zip(turned.col_as_slice(b));
        pairs.map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    };
    let mut order: Vec<usize> = (0..turned.ncols()).collect();
    order.sort_by(compare);
    order.dedup_by(|a, b| compare(a, b).is_eq());
    order.sort_unstable();
    if order.len() == turned.ncols() {
        return turned;
    }
    let mut kept = Mat::zeros(turned.nrows(), order.len());
    for (j, &source) in order.iter().enumerate() {
        kept.col_as_slice_mut(j).copy_from_slice(turned.col_as_slice(source));
    }
    kept
}

/// Intrinsic dimension from the ratio of the distances to the second and to the first neighbor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoNn {
    /// Slope through the origin of -ln(1 - i/N) on the sorted ln(r2 / r1), i = 0..N-1.
    pub fit: f64,
    /// Maximum likelihood: N / sum of ln(r2 / r1).
    pub likelihood: f64,
}

/// The estimator `TwoNN`.
///
/// # Definition
/// `x_i = ln(r2 / r1)` ascending, `y_i = -ln(1 - i / N)` for i = 0..N-1; `fit = sum x y / sum x^2` over the first `fraction * N` (rounded
/// down), `likelihood = N / sum x` over all.
///
/// # Degenerate
/// `None` for fewer than 3 different rows or when all ratios that count are 1. Repeated rows are left out.
///
/// # Source
/// Facco, d'Errico, Rodriguez & Laio 2017; Elmoznino & Bonner 2024 (fraction 1).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
pub fn two_nn(neighbors: &Neighbors, fraction: f64) -> Option<TwoNn> {
    if neighbors.n < 3 {
        return None;
    }
    let n = neighbors.n as f64;
    let mut ratios: Vec<f64> = (0..neighbors.n).map(|i| (neighbors.row(i)[1] / neighbors.row(i)[0]).ln()).collect();
    ratios.sort_by(f64::total_cmp);
    let sum: f64 = ratios.iter().sum();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
    let kept = &ratios[..((fraction * n).floor() as usize).min(ratios.len())];
    let squares: f64 = kept.iter().map(|x| x * x).sum();
    let products: f64 = kept.iter().enumerate().map(|(i, x)| -x * (-(i as f64) / n).ln_1p()).sum();
    (squares > 0.0 && sum.is_finite()).then(|| TwoNn { fit: products / squares, likelihood: n / sum })
}

/// The fitted [`two_nn`] of the class means and of the rows of each class.
///
/// # Shapes
/// x: (n, p), classes of its n rows.
///
/// # Errors
/// [`Error::Device`], [`Error::Canceled`].
///
/// # Source
/// Elmoznino & Bonner 2024 (inter- and intra-ID).
pub async fn by_class(
    x: &Mat<f64>,
    classes: &Classes,
    fraction: f64,
    device: &Device,
    progress: &dyn Progress,
) -> Result<ClassIntrinsic, Error> {
    let rows = classes.rows();
    let means = Mat::from_fn(rows.len(), x.ncols(), |class, j| {
        rows[class].iter().map(|&i| x[(i, j)]).sum::<f64>() / stats::count(rows[class].len())
    });
    let between = two_nn(&Neighbors::of(means.as_ref(), device, progress).await?, fraction).map(|d| d.fit);
    let mut within = Vec::new();
    for (class, rows) in rows.iter().enumerate() {
        progress.step(stats::count(class) / stats::count(classes.names.len()), "nearest neighbors within classes")?;
        let own = Mat::from_fn(rows.len(), x.ncols(), |i, j| x[(rows[i], j)]);
        within.extend(two_nn(&Neighbors::of(own.as_ref(), device, &Silent).await?, fraction).map(|d| d.fit));
    }
    let defined = |value: f64| (!within.is_empty()).then_some(value);
    Ok(ClassIntrinsic {
        between,
        within_mean: defined(stats::mean(&within)),
        within_std: defined(stats::variance(&within, 0).sqrt()),
        n_classes: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        n_defined: u32::try_from(within.len()).unwrap_or(u32::MAX),
    })
}

/// How the estimates of rows are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// `1 / mean over x of 1 / m_k(x)`.
    Inverse,
    /// `mean over x of m_k(x)`.
    Direct,
}

/// Maximum-likelihood intrinsic dimension.
///
/// # Definition
/// `1 / m_k(x) = mean over j < k of ln(T_k / T_j)` with `T_j` the distance to neighbor j; `ID_k` = the [`Average`] of `m_k(x)` over x; the
/// mean of `ID_k` over k = 10..20.
///
/// # Degenerate
/// `None` for fewer than 22 different rows, or when all neighbors of every row are equally far.
///
/// # Source
/// Levina & Bickel 2004 average directly, `MacKay` & Ghahramani 2005 the inverse.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
pub fn maximum_likelihood(neighbors: &Neighbors, average: Average) -> Option<f64> {
    if neighbors.k < *NEIGHBORS.end() {
        return None;
    }
    let logs = map(neighbors.n, |i| neighbors.row(i).iter().map(|d| d.ln()).collect::<Vec<f64>>());
    let dimensions = NEIGHBORS.map(|k| {
        let inverses = logs.iter().map(|row| row[..k - 1].iter().map(|log| row[k - 1] - log).sum::<f64>() / (k - 1) as f64);
        match average {
            Average::Inverse => neighbors.n as f64 / inverses.sum::<f64>(),
            Average::Direct => inverses.map(|inverse| 1.0 / inverse).sum::<f64>() / neighbors.n as f64,
        }
    });
    let n_values = NEIGHBORS.count() as f64;
    Some(dimensions.sum::<f64>() / n_values).filter(|d| d.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn neighbors(x: &Mat<f64>) -> Neighbors {
        pollster::block_on(Neighbors::of(x.as_ref(), &Device::cpu(), &Silent)).expect("the CPU is there")
    }

    #[test]
    fn neighbors_are_the_nearest_and_repeats_are_left_out() {
        let x = Mat::from_fn(5, 1, |i, _| [0.0, 1.0, 3.0, 1.0, 7.0][i]);
        let found = neighbors(&x);
        assert_eq!((found.n, found.k), (4, 3));
        let want = [1.0, 3.0, 7.0, 1.0, 2.0, 6.0, 2.0, 3.0, 4.0, 4.0, 6.0, 7.0];
        // Distances are taken about the mean, which rounds.
        assert!(found.distances.iter().zip(want).all(|(d, want)| (d - want).abs() < 1e-14), "{:?}", found.distances);
    }

    #[test]
    fn far_from_the_origin_nothing_is_lost() {
        // Products of values near 1e7 round distances of about 1 away.
        let mut rng = Stream::new(4, 0);
        let x = Mat::from_fn(300, 5, |_, _| rng.normal());
        let far = Mat::from_fn(300, 5, |i, j| x[(i, j)] + 1e6);
        let (near, far) = (neighbors(&x), neighbors(&far));
        let off = near.distances.iter().zip(&far.distances).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-8, "distances differ by {off}");
    }

    #[test]
    fn a_planted_dimension_is_found_whatever_surrounds_it() {
        // A 3-dimensional cube turned into 40 dimensions: 3 within what 2,000 points allow (the standard error is d / sqrt(n)).
        let mut rng = Stream::new(5, 0);
        let flat = Mat::from_fn(2000, 3, |_, _| rng.uniform());
        let map = Mat::from_fn(3, 40, |_, _| rng.normal());
        let found = neighbors(&(flat * map));
        let TwoNn { fit, likelihood } = two_nn(&found, 1.0).expect("defined");
        assert!((fit - 3.0).abs() < 0.3 && (likelihood - 3.0).abs() < 0.3, "TwoNN {fit}, {likelihood}");
        let mle = maximum_likelihood(&found, Average::Inverse).expect("defined");
        assert!((mle - 3.0).abs() < 0.3, "maximum likelihood {mle}");
    }

    #[test]
    fn two_nn_by_hand() {
        let found = Neighbors { n: 3, k: 2, distances: vec![1.0, 2.0, 1.0, 4.0, 1.0, 8.0] };
        let ln2 = std::f64::consts::LN_2;
        let TwoNn { fit, likelihood } = two_nn(&found, 1.0).expect("defined");
        let want = (2.0 * -(2.0f64 / 3.0).ln() + 3.0 * -(1.0f64 / 3.0).ln()) * ln2 / (14.0 * ln2 * ln2);
        assert!((fit - want).abs() < 1e-15 && (likelihood - 0.5 / ln2).abs() < 1e-15, "{fit}, {likelihood}");
        let TwoNn { fit: part, .. } = two_nn(&found, 0.7).expect("defined");
        let want = 2.0 * -(2.0f64 / 3.0).ln() / (5.0 * ln2);
        assert!((part - want).abs() < 1e-15, "the smallest two of three: {part}, not {want}");
        assert_eq!(two_nn(&Neighbors { n: 2, k: 1, distances: vec![1.0, 1.0] }, 1.0), None);
    }
}
