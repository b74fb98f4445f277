//! How well targets predict themselves: split-half consistency over repetitions.

use ndarray::ArrayD;

use super::columns::{count, map_indices};
use super::score::median;
use crate::Error;
use crate::dataset::{Dataset, Values, shape_text};
use crate::rng::Stream;
use crate::stats::pearson;

/// Random halvings of the repetitions that are averaged over.
const HALVINGS: u32 = 10;

/// Split-half reliability of each target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ceiling {
    /// Mean over halvings of the median over targets; `None` when undefined for all targets.
    pub(super) center: Option<f64>,
    /// Mean over halvings for each target; NaN where undefined.
    pub(super) per_target: Vec<f64>,
    /// Targets whose halves correlate negatively in a halving: their r stays uncorrected there.
    pub(super) n_negative: usize,
}

/// Split-half consistency with Spearman-Brown correction.
///
/// # Definition
/// Ten times: split the repetitions at random into halves (of an odd number the second gets one more), average within halves, Pearson r
/// per target over samples, `rho = 2 r / (1 + r)`; a negative r stays as it is. Median over targets, mean over the ten.
///
/// # Shapes
/// repetitions: (`n_repetitions`, n, t), the same n and t as the targets.
///
/// # Degenerate
/// A target that is constant in a half has no r: NaN, left out of the median. A single repetition has no halves: `None`.
///
/// # Errors
/// [`Error::Shape`] for other shapes, [`Error::NonFinite`].
///
/// # Source
/// Spearman 1910, Brown 1910; Schrimpf et al. 2018 (Brain-Score's internal consistency).
pub(super) fn split_half(repetitions: &Dataset, n: usize, t: usize, seed: u64) -> Result<Option<Ceiling>, Error> {
    let shape = repetitions.shape();
    if shape.len() != 3 || shape[1] != n || shape[2] != t || shape[0] == 0 {
        return Err(Error::Shape {
            what: repetitions.name.clone(),
            expected: format!("repetitions x {n} samples x {t} targets"),
            got: shape_text(shape),
        });
    }
    repetitions.reject_non_finite()?;
    if shape[0] == 1 {
        return Ok(None);
    }
    Ok(Some(match &*repetitions.values {
        Values::F32(a) => of(a, seed),
        Values::F64(a) => of(a, seed),
    }))
}

fn of<T: Copy + Into<f64> + Sync>(repetitions: &ArrayD<T>, seed: u64) -> Ceiling {
    let array = repetitions.as_standard_layout();
    let values = array.as_slice().unwrap_or_default();
    let (n_repetitions, n, t) = (array.shape()[0], array.shape()[1], array.shape()[2]);
    let halvings: Vec<Vec<usize>> = (0..HALVINGS).map(|h| Stream::new(seed, h.into()).permutation(n_repetitions)).collect();
    let targets = map_indices(t, |k| {
        let average = |half: &[usize]| -> Vec<f64> {
            (0..n).map(|i| half.iter().map(|r| values[(r * n + i) * t + k].into()).sum::<f64>() / count(half.len())).collect()
        };
        halvings
            .iter()
            .map(|order| {
                let (first, second) = order.split_at(n_repetitions / 2);
                pearson(&average(first), &average(second))
            })
            .collect::<Vec<f64>>()
    });
    let corrected = |r: f64| if r > 0.0 { 2.0 * r / (1.0 + r) } else { r };
    let medians: Vec<f64> = (0..halvings.len()).filter_map(|h| median(targets.iter().map(|r| corrected(r[h])))).collect();
    Ceiling {
        center: (!medians.is_empty()).then(|| medians.iter().sum::<f64>() / count(medians.len())),
        per_target: targets.iter().map(|r| r.iter().map(|&r| corrected(r)).sum::<f64>() / count(r.len())).collect(),
        n_negative: targets.iter().filter(|r| r.iter().any(|&r| r < 0.0)).count(),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;

    use super::*;

    fn repetitions(n_repetitions: usize, n: usize, noise: f64) -> Dataset {
        let mut rng = Stream::new(7, 0);
        let signal: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let values = ArrayD::from_shape_fn(IxDyn(&[n_repetitions, n, 2]), |at| match at[2] {
            0 => signal[at[1]] + noise * rng.normal(),
            _ => 3.0,
        });
        Dataset::from_f64("reps", values)
    }

    #[test]
    fn halves_of_known_noise_have_the_reliability_of_the_whole() {
        // Signal variance 1, noise variance 4 over 8 repetitions: reliability of the mean 1 / (1 + 4 / 8) = 2/3, here within sampling error.
        let ceiling = split_half(&repetitions(8, 4000, 2.0), 4000, 2, 0).expect("shapes fit").expect("halves");
        let got = ceiling.center.expect("one target varies");
        assert!((got - 2.0 / 3.0).abs() < 0.03, "reliability {got}");
        assert!(ceiling.per_target[1].is_nan(), "a constant target has none");
    }

    #[test]
    fn perfect_repetitions_have_ceiling_one_and_bad_shapes_an_error() {
        let data = repetitions(3, 10, 0.0);
        let ceiling = split_half(&data, 10, 2, 0).expect("shapes fit").expect("halves");
        assert!((ceiling.per_target[0] - 1.0).abs() < 1e-12, "{:?}", ceiling.per_target);
        assert_eq!(split_half(&repetitions(1, 10, 0.0), 10, 2, 0), Ok(None), "one repetition has no halves");
        let message = split_half(&data, 11, 2, 0).expect_err("10 samples are not 11").to_string();
        assert!(message.contains("11 samples") && message.contains("3 x 10 x 2"), "{message}");
    }
}
