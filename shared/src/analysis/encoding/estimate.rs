//! What a run costs, from shapes alone.

use super::fit::{BLOCK_VALUES, SPLITS_BYTES, split_bytes};
use super::{Cv, Model, Selection, Spec};
use crate::Estimate;
use crate::dataset::Shapes;

/// Steps of the Lanczos iteration that a component of PLS takes, about.
const LANCZOS_STEPS: f64 = 30.0;

pub(super) fn estimate(spec: &Spec, shapes: &Shapes) -> Estimate {
    let ((n, p), (_, t)) = (shapes.of(&spec.features), shapes.of(&spec.targets));
    let (splits, train_frac) = match &spec.cv {
        Cv::Kfold { k, .. } | Cv::StratifiedKfold { k, .. } | Cv::Group { k: Some(k), .. } => {
            (f64::from(*k), 1.0 - 1.0 / f64::from(*k).max(2.0))
        }
        Cv::ShuffleSplit { n_splits, train_fraction, .. } | Cv::StratifiedShuffle { n_splits, train_fraction, .. } => {
            (f64::from(*n_splits), train_fraction.clamp(0.0, 1.0))
        }
        // The values are not known yet: ten folds as elsewhere.
        Cv::Folds { .. } | Cv::Group { k: None, .. } => (10.0, 0.9),
        Cv::Contiguous { train_fraction, .. } => (1.0, train_fraction.clamp(0.0, 1.0)),
    };
    let (train, test) = (n * train_frac, n * (1.0 - train_frac));
    let side = train.min(p);
    // Targets of one block.
    #[expect(clippy::cast_precision_loss, reason = "a size for an estimate")]
    let block = (BLOCK_VALUES as f64 / n.max(1.0)).ceil();
    let held = if matches!(spec.model, Model::Pls { .. }) { t } else { t.min(block) };
    let predict = 2.0 * test * side * (side + t);
    let (once, per_split, square) = match &spec.model {
        // QR, and the SVD of its triangle.
        Model::Ols => (0.0, 4.0 * train.max(p) * side * side + 20.0 * side.powi(3) + 2.0 * train * side * t + predict, 4.0 * side * side),
        Model::BestUnit => (0.0, 2.0 * train * p * t + 2.0 * test * p * t, 2.0 * p * t),
        Model::KernelRidge { alphas, .. } => {
            #[expect(clippy::cast_precision_loss, reason = "a handful of penalties")]
            let n_alphas = alphas.len() as f64;
            let solve = 9.0 * train.powi(3) + 2.0 * (1.0 + n_alphas) * train * train * t;
            (n * n * p, solve + 2.0 * test * train * (train + t), 5.0 * n * n)
        }
        Model::BandedRidge { bands, alphas, candidates, k, .. } => {
            let widths: f64 = p + bands.iter().map(|name| shapes.of(name).1).sum::<f64>();
            #[expect(clippy::cast_precision_loss, reason = "a handful of penalties and spaces")]
            let (n_alphas, n_bands) = (alphas.len() as f64, bands.len() as f64 + 1.0);
            let fold = 9.0 * train.powi(3) + 2.0 * n_alphas * train * train * t / f64::from(*k).max(2.0);
            (n * n * widths, f64::from(*candidates) * f64::from(*k) * fold, (n_bands + 4.0) * n * n)
        }
        Model::Ridge { alphas, selection } => {
            #[expect(clippy::cast_precision_loss, reason = "a handful of penalties")]
            let n_alphas = alphas.len() as f64;
            let gram = |rows: f64| if p <= train { rows * p * (p + 2.0 * t) } else { 0.0 };
            let solve = 9.0 * side.powi(3) + 2.0 * side * side * t;
            let select = match selection {
                _ if alphas.len() < 2 => 0.0,
                Selection::LeaveOneOut => 2.0 * train * side * side + 2.0 * n_alphas * train * side * t,
                Selection::Gcv => 2.0 * n_alphas * side * t,
                Selection::Kfold { k } => {
                    let k = f64::from(*k);
                    gram(train) + k * solve + 2.0 * train * side * side + 2.0 * n_alphas * side * t * (k * side).min(train)
                }
            };
            let once = if p <= train { gram(n) } else { n * n * p };
            (once, gram(test) + solve + select + predict, 4.0 * side * side + if p <= train { 0.0 } else { n * n })
        }
        Model::Pls { components } => {
            let k = f64::from(*components);
            (0.0, 2.0 * train * p * t + k * (4.0 * train * p + 4.0 * LANCZOS_STEPS * p * t) + 2.0 * test * k * (p + t), 2.0 * p * held)
        }
    };
    let kept = if spec.keep_predictions { 3.0 * n * t } else { 0.0 };
    let values = 2.0 * n * (p + held) + train * (p + 2.0 * held) + square + kept + 7.0 * splits * t;
    // Further splits that may be fitted at the same time.
    let beside = ((splits - 1.0) * split_bytes(train, test, p, held)).clamp(0.0, SPLITS_BYTES);
    Estimate { flops: once + splits * per_split, peak_bytes: 8.0 * values + beside }
}
