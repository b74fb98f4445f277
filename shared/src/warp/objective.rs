//! What a warp is trained for.

use faer::{Mat, MatRef};

use super::rsa;
use crate::stats::{count, pearson};
use crate::{Array, Error};

/// Columns of features that are taken at a time.
const COLUMNS: usize = 4096;

/// What a warp is trained for, with one entry for each sample.
#[derive(Debug, Clone)]
pub(crate) enum Objective {
    /// Responses, n x t: the mean squared error of a linear read-out; scored by R².
    Responses(Mat<f64>),
    /// A class for each sample: the cross-entropy of a linear read-out; scored by accuracy.
    Classes {
        /// The class of each.
        codes: Vec<usize>,
        /// How many there are.
        n: usize,
    },
    /// An RDM, n x n: 1 - the correlation with that of the features; scored by the correlation.
    Rdm(Array),
}

impl Objective {
    /// Numbers that a read-out gives for each sample; none where there is no read-out.
    pub(crate) fn n_outputs(&self) -> Option<usize> {
        match self {
            Self::Responses(y) => Some(y.ncols()),
            Self::Classes { n, .. } => Some(*n),
            Self::Rdm(_) => None,
        }
    }

    /// The least rows that have a loss.
    pub(crate) fn least(&self) -> usize {
        if matches!(self, Self::Rdm(_)) { 4 } else { 1 }
    }

    /// The loss of some samples, and its gradient for what was read out of them (or for their features): rows x width in C order.
    pub(crate) fn loss(&self, rows: &[usize], values: &[f32]) -> Result<(f64, Vec<f32>), Error> {
        let width = values.len() / rows.len().max(1);
        #[expect(clippy::cast_possible_truncation, reason = "gradients of single precision")]
        let single = |v: f64| v as f32;
        match self {
            Self::Responses(y) => {
                let n = count(values.len());
                let mut sum = 0.0;
                let of = |(at, value): (usize, &f32)| {
                    let off = f64::from(*value) - y[(rows[at / width], at % width)];
                    sum += off * off;
                    single(2.0 * off / n)
                };
                let gradient = values.iter().enumerate().map(of).collect();
                Ok((sum / n, gradient))
            }
            Self::Classes { codes, .. } => {
                let n = count(rows.len());
                let mut sum = 0.0;
                let mut gradient = Vec::with_capacity(values.len());
                for (row, logits) in rows.iter().zip(values.chunks_exact(width)) {
                    let largest = logits.iter().fold(f64::NEG_INFINITY, |m, v| m.max(f64::from(*v)));
                    let parts: Vec<f64> = logits.iter().map(|v| (f64::from(*v) - largest).exp()).collect();
                    let total: f64 = parts.iter().sum();
                    sum -= f64::from(logits[codes[*row]]) - largest - total.ln();
                    gradient.extend(
                        parts.iter().enumerate().map(|(k, part)| single((part / total - f64::from(u8::from(k == codes[*row]))) / n)),
                    );
                }
                Ok((sum / n, gradient))
            }
            Self::Rdm(rdm) => {
                let x = Mat::from_fn(rows.len(), width, |i, k| f64::from(values[i * width + k]));
                let target = rows.iter().flat_map(|i| rows.iter().map(|j| rdm.row(*i)[*j])).collect();
                let found = rsa::loss(x.as_ref(), &Array::matrix(rows.len(), rows.len(), target))?;
                let gradient = (0..values.len()).map(|at| single(found.gradient[(at / width, at % width)])).collect();
                Ok((found.value, gradient))
            }
        }
    }

    /// The score of some samples from what was read out of them (or from their features); NaN where there is none.
    pub(crate) fn score(&self, rows: &[usize], values: &[f32]) -> f64 {
        let width = values.len() / rows.len().max(1);
        match self {
            Self::Responses(y) => {
                let of_target = |k: usize| {
                    let observed: Vec<f64> = rows.iter().map(|i| y[(*i, k)]).collect();
                    let mean = observed.iter().sum::<f64>() / count(rows.len());
                    let spread: f64 = observed.iter().map(|v| (v - mean).powi(2)).sum();
                    let error: f64 = observed.iter().enumerate().map(|(i, v)| (v - f64::from(values[i * width + k])).powi(2)).sum();
                    (spread > 0.0).then(|| 1.0 - error / spread)
                };
                let defined: Vec<f64> = (0..width).filter_map(of_target).collect();
                defined.iter().sum::<f64>() / count(defined.len())
            }
            Self::Classes { codes, .. } => {
                let is_right = |(row, scores): &(&usize, &[f32])| {
                    let best = scores.iter().enumerate().fold(0, |best, (k, v)| if *v > scores[best] { k } else { best });
                    best == codes[**row]
                };
                count(rows.iter().zip(values.chunks_exact(width)).filter(is_right).count()) / count(rows.len())
            }
            Self::Rdm(rdm) => correlation(rows, values, rdm),
        }
    }
}

/// The correlation between the correlation distances of rows and their part of an RDM; rows that are constant are left out.
fn correlation(rows: &[usize], values: &[f32], rdm: &Array) -> f64 {
    let n = rows.len();
    let width = values.len() / n.max(1);
    let row = |i: usize| &values[i * width..(i + 1) * width];
    let means: Vec<f64> = (0..n).map(|i| row(i).iter().map(|v| f64::from(*v)).sum::<f64>() / count(width)).collect();
    let mut products = Mat::<f64>::zeros(n, n);
    for first in (0..width).step_by(COLUMNS) {
        let block = Mat::from_fn(n, COLUMNS.min(width - first), |i, k| f64::from(row(i)[first + k]) - means[i]);
        let of: MatRef<'_, f64> = block.as_ref();
        faer::linalg::matmul::matmul(products.as_mut(), faer::Accum::Add, of, of.transpose(), 1.0, faer::get_global_parallelism());
    }
    let length = |i: usize| products[(i, i)].sqrt();
    let varies = |i: usize| length(i) > 1e-7 * means[i].abs() * count(width).sqrt();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).filter(|(i, j)| varies(*i) && varies(*j));
    let (model, data): (Vec<f64>, Vec<f64>) =
        pairs.map(|(i, j)| (1.0 - products[(i, j)] / (length(i) * length(j)), rdm.row(rows[i])[rows[j]])).unzip();
    if model.len() < 3 { f64::NAN } else { pearson(&model, &data) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn objectives() -> Vec<(Objective, usize)> {
        let mut rng = Stream::new(1, 0);
        let y = Mat::from_fn(9, 3, |_, _| rng.normal());
        let distance = |at: usize| (y.row(at / 9) - y.row(at % 9)).norm_l2();
        let rdm = Array::matrix(9, 9, (0..81).map(distance).collect());
        vec![
            (Objective::Responses(y), 3),
            (Objective::Classes { codes: vec![0, 1, 3, 2, 1, 0, 3, 3, 2], n: 4 }, 4),
            (Objective::Rdm(rdm), 6),
        ]
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let rows = [7, 2, 0, 5, 8];
        for (objective, width) in objectives() {
            let mut rng = Stream::new(2, 0);
            #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
            let values: Vec<f32> = (0..rows.len() * width).map(|_| rng.normal() as f32).collect();
            let (_, gradient) = objective.loss(&rows, &values).expect("a loss");
            for k in 0..values.len() {
                let at = |by: f32| {
                    let mut moved = values.clone();
                    moved[k] += by;
                    (objective.loss(&rows, &moved).expect("a loss").0, f64::from(moved[k]))
                };
                let ((high, to), (low, from)) = (at(1e-2), at(-1e-2));
                // The third derivative times 1e-4 / 6.
                let want = (high - low) / (to - from);
                assert!((f64::from(gradient[k]) - want).abs() < 1e-4 * want.abs().max(1.0), "{k}: {}, not {want}", gradient[k]);
            }
        }
    }

    #[test]
    fn scores_are_those_of_the_definitions() {
        let y = Mat::from_fn(4, 3, |i, k| if k == 2 { 1.0 } else { (i * (k + 1)) as f64 });
        let responses = Objective::Responses(y);
        // The mean of each target explains nothing, the truth all; the constant target does not count.
        let score = |values: &[f32]| responses.score(&[0, 1, 2], values);
        assert!((score(&[0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 2.0, 4.0, 0.0]) - 1.0).abs() < 1e-12);
        assert!((score(&[1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 4.0, 0.0]) - 0.5).abs() < 1e-12, "the mean of 0 and 1");
        let classes = Objective::Classes { codes: vec![1, 0], n: 2 };
        assert!((classes.score(&[0, 1], &[0.0, 2.0, 1.0, 3.0]) - 0.5).abs() < 1e-12);
        let (loss, _) = classes.loss(&[0], &[0.0, 3f32.ln()]).expect("a loss");
        assert!((loss - (4f64 / 3.0).ln()).abs() < 1e-7, "{loss}");
        // The loss of an RDM is 1 - its score.
        let (rdm, width) = objectives().pop().expect("three");
        let mut rng = Stream::new(3, 0);
        #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
        let values: Vec<f32> = (0..5 * width).map(|_| rng.normal() as f32).collect();
        let rows = [1, 3, 4, 6, 8];
        let (loss, _) = rdm.loss(&rows, &values).expect("a loss");
        assert!((loss + rdm.score(&rows, &values) - 1.0).abs() < 1e-12);
    }
}
