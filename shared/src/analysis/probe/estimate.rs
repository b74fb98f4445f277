//! What a run will cost.

use super::{Estimator, Iterate, Map, Spec};
use crate::Estimate;
use crate::analysis::encoding::Cv;
use crate::dataset::Shapes;
use crate::parallel;
use crate::stats::count;

/// Flops and memory by the usual number of steps of each fit; classes count as ten, splits in an input as ten.
pub(super) fn estimate(spec: &Spec, shapes: &Shapes) -> Estimate {
    let n_splits = match &spec.cv {
        _ if spec.estimator == Estimator::Corr => 1.0,
        None => f64::from(spec.folds),
        Some(Cv::Kfold { k, .. } | Cv::StratifiedKfold { k, .. } | Cv::Group { k: Some(k), .. }) => f64::from(*k),
        Some(Cv::ShuffleSplit { n_splits, .. } | Cv::StratifiedShuffle { n_splits, .. }) => f64::from(*n_splits),
        Some(Cv::Contiguous { .. }) => 1.0,
        Some(Cv::Group { k: None, .. } | Cv::Folds { .. }) => 10.0,
    };
    let n_behaviors = if spec.estimator.is_classifier() { 10.0 } else { shapes.of(&spec.targets).1.max(1.0) };
    let (mut flops, mut peak) = (0.0, 0.0f64);
    for name in &spec.layers {
        let (n, p) = shapes.of(name);
        let positions = shapes.0.get(name).map_or(1.0, |shape| shape.iter().skip(2).map(|&d| count(d)).product());
        let n_iterations = match spec.iterate {
            Iterate::None => 1.0,
            Iterate::Channel => p / positions,
            Iterate::Position => positions,
        };
        // Fits on q features of n rows.
        let fit = |q: f64| match spec.estimator {
            Estimator::Logistic => 400.0 * n * q * n_behaviors,
            Estimator::Svc => n * n * q + 40.0 * n * n * n_behaviors,
            Estimator::Lasso => 800.0 * n * q * n_behaviors,
            Estimator::RidgeClassifier | Estimator::Ridge => 4.0 * (n + q) * q * q,
            Estimator::Glm => 4.0 * n * q * q,
            Estimator::Corr => 2.0 * n * n_behaviors,
        };
        let held = match spec.map {
            Map::Uv => {
                let closed = !spec.estimator.is_classifier();
                flops += p * n_splits * if closed { 12.0 * n * n_behaviors } else { fit(1.0) };
                n * p.min(f64::max(64.0, 8e6 / n.max(1.0)))
            }
            Map::Mv => {
                let width = p / n_iterations.max(1.0);
                let by_products = width > n && (spec.estimator != Estimator::Lasso || spec.pca.is_some());
                let rank = width.min(n);
                let q = spec.pca.map_or(if by_products { rank } else { width }, |k| f64::from(k).min(rank));
                let decomposition = if by_products || spec.pca.is_some() { 12.0 * n.max(width.min(n)) * rank * rank } else { 0.0 };
                let gram = if by_products { n * n * width } else { 0.0 };
                flops += n_iterations * (gram + n_splits * (decomposition + fit(q)));
                let at_once = count(parallel::threads());
                let units = if by_products && spec.iterate == Iterate::None { n * n + 8e6 } else { n * width * n_iterations.min(at_once) };
                units + at_once * (if by_products { 3.0 * n * n } else { n * width } + 2.0 * n * q)
            }
        };
        let models = if spec.models && spec.map == Map::Mv { 3.0 * n * p / n_iterations.max(1.0) } else { 0.0 };
        peak = peak.max(held + models);
    }
    Estimate { flops, peak_bytes: 8.0 * peak }
}
