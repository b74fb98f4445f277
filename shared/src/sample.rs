//! A small example to try everything on: three layers of a make-believe network and neurons that see what the second layer sees.
//!
//! 96 stimuli in 8 categories (4 animate, 4 not) of 12. Latent variables of three kinds make the data: 40 of the image (independent
//! of the category), 20 of its parts (half category, half exemplar) and 8 of the category. Nothing is measured; the numbers come
//! from a seeded generator and are the same everywhere.

use ndarray::{ArrayD, IxDyn};

use crate::Dataset;
use crate::io::write_npy;
use crate::rng::Stream;

const CATEGORIES: [&str; 8] = ["dog", "bird", "fish", "face", "car", "chair", "tool", "house"];
const N_ANIMATE: usize = 4;
const PER_CATEGORY: usize = 12;
const N_STIMULI: usize = CATEGORIES.len() * PER_CATEGORY;
const SEED: u64 = 1811;

/// The files of the example by name, below 100 kB in all: `layer1.npy` (96 x 64), `layer2.npy` (96 x 48), `layer3.npy` (96 x 32),
/// `neurons.npy` (96 x 40) and `stimuli.csv` with columns stimulus, category and animacy.
///
/// Rows are sorted by category. Dimensionality falls from layer to layer while categories come apart; the neurons are best predicted
/// from the second layer.
#[must_use]
pub fn files() -> Vec<(String, Vec<u8>)> {
    let image = Latents::new(0, 40, 0.0);
    let parts = Latents::new(1, 20, 0.5);
    let category = Latents::new(2, 8, 0.9);
    let layer1 = mixture(10, 64, 0.1, &[(&image, 1.0), (&parts, 0.15)]);
    let layer2 = mixture(11, 48, 0.1, &[(&parts, 1.0), (&image, 0.25)]);
    let layer3 = mixture(12, 32, 0.1, &[(&category, 1.0), (&parts, 0.2)]);
    let neurons = mixture(13, 40, 0.7, &[(&parts, 1.0)]);
    vec![
        ("layer1.npy".into(), write_npy(&Dataset::from_f32("layer1", layer1))),
        ("layer2.npy".into(), write_npy(&Dataset::from_f32("layer2", layer2))),
        ("layer3.npy".into(), write_npy(&Dataset::from_f32("layer3", layer3))),
        ("neurons.npy".into(), write_npy(&Dataset::from_f32("neurons", neurons))),
        ("stimuli.csv".into(), stimuli()),
    ]
}

fn stimuli() -> Vec<u8> {
    let mut out = String::from("stimulus,category,animacy\n");
    for (c, category) in CATEGORIES.iter().enumerate() {
        for exemplar in 1..=PER_CATEGORY {
            out.push_str(&format!("{category}_{exemplar:02},{category},{}\n", if c < N_ANIMATE { "animate" } else { "inanimate" }));
        }
    }
    out.into_bytes()
}

/// Latent variables of all stimuli, each of unit variance in expectation.
struct Latents {
    width: usize,
    values: Vec<f64>,
}

impl Latents {
    /// `shared` is the fraction of the variance that members of a category share; half of that is shared by all that is animate or not.
    fn new(stream: u64, width: usize, shared: f64) -> Self {
        let mut rng = Stream::new(SEED, stream);
        let mut draw = |n: usize, variance: f64| (0..n * width).map(|_| rng.normal() * variance.sqrt()).collect::<Vec<_>>();
        let (kingdoms, categories) = (draw(2, shared / 2.0), draw(CATEGORIES.len(), shared / 2.0));
        let mut values = draw(N_STIMULI, 1.0 - shared);
        for (i, row) in values.chunks_exact_mut(width).enumerate() {
            let category = i / PER_CATEGORY;
            let kingdom = usize::from(category < N_ANIMATE);
            for (j, value) in row.iter_mut().enumerate() {
                *value += kingdoms[kingdom * width + j] + categories[category * width + j];
            }
        }
        Self { width, values }
    }
}

/// Random linear mixtures of weighted latents plus noise; every unit has a variance of about one from its first latents.
fn mixture(stream: u64, units: usize, noise: f64, parts: &[(&Latents, f64)]) -> ArrayD<f32> {
    let mut rng = Stream::new(SEED, stream);
    let mut out = vec![0.0; N_STIMULI * units];
    for &(latents, weight) in parts {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen latents")]
        let scale = weight / (latents.width as f64).sqrt();
        let mixing: Vec<f64> = (0..units * latents.width).map(|_| rng.normal() * scale).collect();
        for (row, latent) in out.chunks_exact_mut(units).zip(latents.values.chunks_exact(latents.width)) {
            for (value, weights) in row.iter_mut().zip(mixing.chunks_exact(latents.width)) {
                *value += weights.iter().zip(latent).map(|(w, z)| w * z).sum::<f64>();
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "the files hold single precision")]
    let narrow = out.into_iter().map(|v: f64| (v + noise * rng.normal()) as f32);
    let values: Vec<f32> = narrow.collect();
    ArrayD::from_shape_fn(IxDyn(&[N_STIMULI, units]), |at| values[at[0] * units + at[1]])
}

#[cfg(test)]
mod tests {
    use faer::Mat;
    use faer::linalg::solvers::Solve as _;

    use super::*;
    use crate::analysis::dimensionality::{Variant, participation_ratio_unbiased};
    use crate::io::{Limits, read};
    use crate::linalg::spectral::center_columns;

    fn load(name: &str) -> Dataset {
        let (_, bytes) = files().into_iter().find(|(file, _)| file == name).expect("it is one of the files");
        read(name, &bytes, None, Limits::BROWSER).expect("the example reads")
    }

    fn matrix(name: &str) -> Mat<f64> {
        load(name).matrix().expect("finite").to_mat()
    }

    /// Median over neurons of the held-out correlation of ridge regression, 8 folds of 12 contiguous rows.
    fn prediction(layer: &str) -> f64 {
        let (x, y) = (matrix(layer), matrix("neurons.npy"));
        let mut predicted = Mat::<f64>::zeros(96, 40);
        for fold in 0..8 {
            let kept: Vec<usize> = (0..96).filter(|i| i / 12 != fold).collect();
            let take = |m: &Mat<f64>| Mat::from_fn(kept.len(), m.ncols(), |i, j| m[(kept[i], j)]);
            let (mut x_train, mut y_train) = (take(&x), take(&y));
            let (x_means, y_means) = (center_columns(&mut x_train), center_columns(&mut y_train));
            let gram = x_train.transpose() * &x_train + Mat::<f64>::identity(x.ncols(), x.ncols()) * faer::Scale(3.0);
            let weights = gram.partial_piv_lu().solve(x_train.transpose() * &y_train);
            for i in 12 * fold..12 * (fold + 1) {
                for t in 0..40 {
                    predicted[(i, t)] = y_means[t] + (0..x.ncols()).map(|j| (x[(i, j)] - x_means[j]) * weights[(j, t)]).sum::<f64>();
                }
            }
        }
        let mut observed = y;
        center_columns(&mut observed);
        center_columns(&mut predicted);
        let correlation = |t: usize| {
            let (a, b) = (observed.col(t), predicted.col(t));
            a.iter().zip(b.iter()).map(|(a, b)| a * b).sum::<f64>() / (a.norm_l2() * b.norm_l2())
        };
        let mut all: Vec<f64> = (0..40).map(correlation).collect();
        all.sort_by(f64::total_cmp);
        all[20]
    }

    #[test]
    fn the_example_is_small_and_repeats() {
        let first = files();
        assert_eq!(first, files());
        assert!(first.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 100_000, "below 100 kB");
        let shapes: Vec<_> = first.iter().map(|(name, _)| load(name).shape().to_vec()).collect();
        assert_eq!(shapes, [[96, 64], [96, 48], [96, 32], [96, 40], [96, 0]]);
        let stimuli = load("stimuli.csv");
        assert_eq!((stimuli.labels[0].values[95].as_str(), stimuli.labels[1].values[0].as_str()), ("house_12", "dog"));
    }

    #[test]
    fn dimensionality_falls_from_layer_to_layer() {
        let [a, b, c] = ["layer1.npy", "layer2.npy", "layer3.npy"]
            .map(|name| participation_ratio_unbiased(matrix(name).as_ref(), Variant::Both).expect("defined"));
        assert!(a > 1.5 * b && b > 1.5 * c, "{a:.1}, {b:.1}, {c:.1}");
    }

    #[test]
    fn the_second_layer_predicts_the_neurons_best() {
        let [a, b, c] = ["layer1.npy", "layer2.npy", "layer3.npy"].map(prediction);
        assert!(b > 0.5 && b > a + 0.1 && b > c + 0.1, "{a:.3}, {b:.3}, {c:.3}");
    }
}
