//! The penalty of each target, chosen on the training rows.

use std::ops::Range;

use faer::Mat;
use faer::linalg::solvers::Qr;

use super::Selection;
use super::columns::{constant, count, map_indices, means, take_centered};
use super::fit::{SPLITS_BYTES, at_once};
use super::leave_one_out::LeaveOneOut;
use super::products::{Products, Rows, Sums};
use super::ridge::System;
use crate::compute::on_cpu;
use crate::stats::blocks;
use crate::{Error, parallel};

/// The training rows of a split and what is known about them.
#[derive(Debug)]
pub(super) struct Training<'a> {
    /// The rows.
    pub(super) rows: &'a [usize],
    /// Their sums, on the column side.
    pub(super) sums: Option<Sums>,
    /// Their normal equations.
    pub(super) system: &'a System,
    /// Products over all rows.
    pub(super) products: &'a Products,
    /// All rows.
    pub(super) data: &'a Rows<'a>,
}

/// The best penalty of each target so far. Penalties come in descending order, so that equal scores keep the larger one.
#[derive(Debug)]
pub(super) struct Best {
    /// The penalty.
    pub(super) alpha: Vec<f64>,
    /// Its loss: smaller is better.
    pub(super) loss: Vec<f64>,
}

impl Best {
    pub(super) fn new(largest: f64, n_targets: usize) -> Self {
        Self { alpha: vec![largest; n_targets], loss: vec![f64::INFINITY; n_targets] }
    }

    fn offer(&mut self, alpha: f64, losses: &[f64]) {
        losses.iter().enumerate().for_each(|(k, &loss)| self.offer_to(k, alpha, loss));
    }

    /// A penalty for target `k` alone.
    pub(super) fn offer_to(&mut self, k: usize, alpha: f64, loss: f64) {
        if loss < self.loss[k] {
            (self.alpha[k], self.loss[k]) = (alpha, loss);
        }
    }
}

/// The penalty of each target (t values).
///
/// # Definition
/// Leave-one-out: the smallest sum of squared leave-one-out errors, which is the largest leave-one-out R2.
/// GCV: the smallest `n^-1 RSS / (1 - (1 + sum_j f_j) / n)^2` with `f_j = L_j / (L_j + alpha)`.
/// K-fold: the largest mean over contiguous folds of R2 on the fold, folds where the target is constant left out.
/// Equal scores take the larger penalty.
///
/// # Degenerate
/// A penalty of 0 whose score is undefined (a row that no other row predicts) is not chosen while another one has a score.
/// When rows do not outnumber features, the score of 0 is its limit from above.
///
/// # Cost
/// `2 n r t` flops for each penalty that bounds do not exclude (leave-one-out), `r t` (GCV), `2 min(m, r) r t` a fold of m rows (K-fold) after k eigendecompositions.
///
/// # Errors
/// [`Error::Numerical`] and [`Error::Device`].
pub(super) async fn choose(training: Training<'_>, alphas: &[f64], selection: Selection) -> Result<Best, Error> {
    let descending = descending(alphas);
    match selection {
        Selection::LeaveOneOut => LeaveOneOut::new(&training).await?.choose(&training, &descending).await,
        Selection::Gcv => generalized(&training, &descending).await,
        Selection::Kfold { k } => {
            folds(training.rows, training.sums.as_ref(), training.products, training.data, &descending, k as usize).await
        }
    }
}

/// Penalties from the largest to the smallest, each once.
pub(super) fn descending(alphas: &[f64]) -> Vec<f64> {
    let mut out = alphas.to_vec();
    out.sort_by(|a, b| b.total_cmp(a));
    out.dedup();
    out
}

/// `1 - f_j`, or `(1 - f_j) / alpha` when the fit can pass through every row: the factor cancels in every ratio and its limit at 0 exists.
pub(super) fn shrinkage(system: &System, alpha: f64) -> Vec<f64> {
    let scale = if system.interpolates() { 1.0 } else { alpha };
    system.values.iter().map(|value| scale / (value + alpha)).collect()
}

async fn generalized(training: &Training<'_>, alphas: &[f64]) -> Result<Best, Error> {
    let Training { rows, system, data, .. } = training;
    let (n, t) = (system.n, data.y.ncols());
    let b = system.left_right();
    let center = means(data.y, rows);
    let unreached = map_indices(t, |k| {
        if system.interpolates() {
            return 0.0;
        }
        let y = data.y.col_as_slice(k);
        let total: f64 = rows.iter().map(|&i| (y[i] - center[k]).powi(2)).sum();
        (total - b.col_as_slice(k).iter().map(|v| v * v).sum::<f64>()).max(0.0)
    });
    let free = count(n - 1 - system.values.len());
    let mut best = Best::new(alphas[0], t);
    for &alpha in alphas {
        let left = shrinkage(system, alpha);
        let freedom = (free + left.iter().sum::<f64>()) / count(n);
        let losses = map_indices(t, |k| {
            let shrunk: f64 = b.col_as_slice(k).iter().zip(&left).map(|(b, w)| (b * w).powi(2)).sum();
            (unreached[k] + shrunk) / count(n) / (freedom * freedom)
        });
        best.offer(alpha, &losses);
    }
    Ok(best)
}

/// The best penalty of each target by R2 over contiguous folds of the rows, whose sums are `sums` on the column side.
pub(super) async fn folds(
    rows: &[usize],
    sums: Option<&Sums>,
    products: &Products,
    data: &Rows<'_>,
    alphas: &[f64],
    k: usize,
) -> Result<Best, Error> {
    let t = data.y.ncols();
    let mut totals = vec![vec![0.0; t]; alphas.len()];
    let mut counted = vec![0u32; t];
    let blocks = blocks(rows.len(), k);
    let unexplained = |block: &Range<usize>| {
        let held_out = &rows[block.clone()];
        let train: Vec<usize> = rows[..block.start].iter().chain(&rows[block.end..]).copied().collect();
        async move {
            let part = match sums {
                Some(sums) => Some(sums.without(&Sums::over(held_out, data).await?)),
                None => None,
            };
            let system = System::new(products.gram(part, &train, data).await?, train.len(), data).await?;
            let fold = Fold::new(&system, held_out, &train, products, data).await?;
            let mut losses = Vec::with_capacity(alphas.len());
            for &alpha in alphas {
                losses.push(fold.unexplained(&system, alpha, data).await?);
            }
            Ok((fold.spread, losses))
        }
    };
    // Splits may run beside this one, and share the memory.
    let n_test = rows.len().div_ceil(k.max(1));
    for some in blocks.chunks(at_once(rows.len() - n_test, n_test, data, SPLITS_BYTES / count(parallel::threads()))) {
        let of_folds = match some {
            [block] => vec![unexplained(block).await],
            _ => parallel::map(some.len(), |i| on_cpu(unexplained(&some[i]))),
        };
        for of_fold in of_folds {
            let (spread, losses) = of_fold?;
            counted.iter_mut().zip(spread).for_each(|(count, spread)| *count += u32::from(spread > 0.0));
            for (total, losses) in totals.iter_mut().zip(losses) {
                total.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
            }
        }
    }
    let mut best = Best::new(alphas[0], t);
    for (total, &alpha) in totals.iter().zip(alphas) {
        let losses: Vec<f64> = total.iter().zip(&counted).map(|(sum, &n)| sum / f64::from(n)).collect();
        best.offer(alpha, &losses);
    }
    Ok(best)
}

/// Held-out rows in the eigenbasis, turned so that there are at most r of them: turning rows changes no sum of squares.
struct Fold {
    projected: Mat<f64>,
    targets: Mat<f64>,
    /// Sum of squares of the targets outside the turned rows.
    outside: Vec<f64>,
    /// Sum of squares of the targets about the mean of the fold; 0 for constant ones.
    spread: Vec<f64>,
}

impl Fold {
    async fn new(system: &System, held_out: &[usize], train: &[usize], products: &Products, data: &Rows<'_>) -> Result<Self, Error> {
        let projected = system.project(held_out, products, data).await?;
        let targets = take_centered(data.y, held_out, &means(data.y, train));
        let flat = constant(data.y, held_out);
        let (m, r) = projected.shape();
        let own = means(&targets, &(0..m).collect::<Vec<_>>());
        let spread =
            map_indices(
                targets.ncols(),
                |k| {
                    if flat[k] { 0.0 } else { targets.col_as_slice(k).iter().map(|y| (y - own[k]).powi(2)).sum() }
                },
            );
        if m <= r {
            return Ok(Self { outside: vec![0.0; targets.ncols()], projected, targets, spread });
        }
        let qr = Qr::new(projected.as_ref());
        let turned = data.device.cross(qr.compute_thin_Q().as_ref(), targets.as_ref()).await?;
        let energy = |m: &Mat<f64>, k: usize| m.col_as_slice(k).iter().map(|v| v * v).sum::<f64>();
        let outside = map_indices(targets.ncols(), |k| (energy(&targets, k) - energy(&turned, k)).max(0.0));
        Ok(Self { projected: qr.thin_R().to_owned(), targets: turned, outside, spread })
    }

    /// `1 - R2` of each target, 0 for constant ones.
    async fn unexplained(&self, system: &System, alpha: f64, data: &Rows<'_>) -> Result<Vec<f64>, Error> {
        let predicted = system.predict(&self.projected, &vec![alpha; data.y.ncols()], data).await?;
        Ok(map_indices(data.y.ncols(), |k| {
            if self.spread[k] == 0.0 {
                return 0.0;
            }
            let errors = self.targets.col_as_slice(k).iter().zip(predicted.col_as_slice(k)).map(|(y, p)| (y - p).powi(2));
            (errors.sum::<f64>() + self.outside[k]) / self.spread[k]
        }))
    }
}
