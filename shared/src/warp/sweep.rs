//! Dimensions that are tried, and the number of them that a warp needs.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::rng::Stream;
use crate::stats::count;

/// 0 and `n - 1` dimensions up to `max`, evenly on a logarithmic scale from 10, rounded down, without repeats.
///
/// # Source
/// The sweeps of `encoder_warping`: 0, 10, 23, 56, 133, 316, 749, 1778, 4216, 10000 for n = 10 and max = 10000.
#[must_use]
pub fn dimensions(n: u32, max: u32) -> Vec<u32> {
    let mut out = vec![0];
    let steps = n.saturating_sub(2).max(1);
    for i in 0..n.saturating_sub(1) {
        let exponent = 1.0 + (f64::from(max).log10() - 1.0) * f64::from(i) / f64::from(steps);
        // A power that should be whole may come out below it by rounding.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most max")]
        let dimension = (10f64.powf(exponent) * (1.0 + 1e-12)).floor() as u32;
        if !out.contains(&dimension) {
            out.push(dimension);
        }
    }
    out
}

/// What a score must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// s(0) plus this share of the gain from there to the reference.
    Gain(f64),
    /// This share of the reference.
    Absolute(f64),
}

/// How many dimensions a warp needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// So many, between points by the logarithm of 1 + d.
    Dimensions(f64),
    /// None: the score is there without warping.
    Censored0,
    /// More than were tried.
    More,
    /// Not defined: no point of the sweep is above the one without warping.
    Undefined,
}

/// The smallest d whose score reaches the target.
///
/// # Definition
/// The reference is the best score, unless another is given. `Dimensions` is found by linear interpolation in ln(1 + d) between the last point below the target and the
/// first at or above it, along the running maximum of the scores.
///
/// # Degenerate
/// A reference that is not above s(0) is [`Needed::Undefined`].
///
/// # Errors
/// [`Error::Parameter`] for fewer than two points, other numbers of scores, dimensions that do not begin with 0 or do not rise, scores that are not finite.
pub fn needed(dimensions: &[u32], scores: &[f64], target: Target, reference: Option<f64>) -> Result<Needed, Error> {
    let goal = match goal(dimensions, scores, target, reference)? {
        Ok(goal) => goal,
        Err(found) => return Ok(found),
    };
    let mut below = (0u32, scores[0]);
    for (d, score) in dimensions.iter().zip(scores).skip(1) {
        if *score >= goal {
            return Ok(between(below, (*d, *score), goal));
        }
        // The running maximum: a point below an earlier one does not count.
        below = (*d, score.max(below.1));
    }
    Ok(Needed::More)
}

/// The d from which on scores stay at the target: the last crossing.
///
/// # Definition
/// As [`needed`], between the last point of all below the target and the one after it.
///
/// # Errors
/// Those of [`needed`].
pub fn last(dimensions: &[u32], scores: &[f64], target: Target, reference: Option<f64>) -> Result<Needed, Error> {
    let goal = match goal(dimensions, scores, target, reference)? {
        Ok(goal) => goal,
        Err(Needed::Undefined) => return Ok(Needed::Undefined),
        Err(_) if scores.iter().all(|s| *s >= scores[0]) => return Ok(Needed::Censored0),
        Err(_) => wanted(scores[0], best(scores, reference), target),
    };
    match scores.iter().rposition(|score| *score < goal) {
        None => Ok(Needed::Censored0),
        Some(k) if k + 1 == scores.len() => Ok(Needed::More),
        Some(k) => Ok(between((dimensions[k], scores[k]), (dimensions[k + 1], scores[k + 1]), goal)),
    }
}

fn best(scores: &[f64], reference: Option<f64>) -> f64 {
    reference.unwrap_or_else(|| scores.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// The score that must be reached: `first` is that of d = 0.
#[must_use]
pub fn wanted(first: f64, reference: f64, target: Target) -> f64 {
    match target {
        Target::Gain(share) => first + share * (reference - first),
        Target::Absolute(share) => share * reference,
    }
}

/// The score that must be reached, or what is found without looking further.
fn goal(dimensions: &[u32], scores: &[f64], target: Target, reference: Option<f64>) -> Result<Result<f64, Needed>, Error> {
    let rises = dimensions.windows(2).all(|pair| pair[0] < pair[1]);
    if dimensions.len() < 2 || dimensions.len() != scores.len() || dimensions[0] != 0 || !rises || scores.iter().any(|s| !s.is_finite()) {
        return Err(Error::parameter("dims", "a sweep has rising dimensions from 0 on, at least two, and a finite score for each"));
    }
    let reference = best(scores, reference);
    if reference <= scores[0] {
        return Ok(Err(Needed::Undefined));
    }
    let goal = wanted(scores[0], reference, target);
    Ok(if scores[0] >= goal { Err(Needed::Censored0) } else { Ok(goal) })
}

/// By linear interpolation in ln(1 + d).
fn between(below: (u32, f64), above: (u32, f64), goal: f64) -> Needed {
    let (from, to) = (f64::from(below.0).ln_1p(), f64::from(above.0).ln_1p());
    let share = (goal - below.1) / (above.1 - below.1);
    Needed::Dimensions((from + share * (to - from)).exp_m1())
}

/// The interval of the needed dimensions over seeds: quantiles of [`needed`] for means of resampled seeds; what is censored counts as 0 or infinity.
///
/// # Shapes
/// scores: one list over dimensions for each seed.
///
/// # Errors
/// Those of [`needed`]; [`Error::Parameter`] without seeds or resamples.
pub fn interval(
    dimensions: &[u32],
    scores: &[Vec<f64>],
    target: Target,
    reference: Option<f64>,
    (n_resamples, level, seed): (u32, f64, u64),
) -> Result<[f64; 2], Error> {
    if scores.is_empty() || n_resamples == 0 {
        return Err(Error::parameter("seeds", "an interval needs at least one seed and one resample"));
    }
    let mut found = Vec::with_capacity(n_resamples as usize);
    for i in 0..n_resamples {
        let mut rng = Stream::new(seed, i.into());
        let chosen: Vec<usize> = (0..scores.len()).map(|_| rng.below(scores.len())).collect();
        let mean = |k: usize| chosen.iter().map(|s| scores[*s].get(k).copied().unwrap_or(f64::NAN)).sum::<f64>() / count(chosen.len());
        let means: Vec<f64> = (0..dimensions.len()).map(mean).collect();
        match needed(dimensions, &means, target, reference)? {
            Needed::Dimensions(d) => found.push(d),
            Needed::Censored0 => found.push(0.0),
            Needed::More => found.push(f64::INFINITY),
            Needed::Undefined => {}
        }
    }
    found.sort_unstable_by(f64::total_cmp);
    let at = |q: f64| {
        let place = q * count(found.len().saturating_sub(1));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let low = place.floor() as usize;
        let (a, b) = (found.get(low).copied(), found.get(low + 1).or(found.get(low)).copied());
        let share = place - count(low);
        // No share of infinity is none.
        a.zip(b).map_or(f64::NAN, |(a, b)| if share > 0.0 { a + share * (b - a) } else { a })
    };
    Ok([at((1.0 - level) / 2.0), at((1.0 + level) / 2.0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_have_the_published_dimensions() {
        assert_eq!(dimensions(10, 10_000), [0, 10, 23, 56, 133, 316, 749, 1778, 4216, 10_000]);
        assert_eq!(dimensions(4, 1000), [0, 10, 100, 1000]);
    }

    #[test]
    fn the_target_is_crossed_between_points() {
        let d = [0, 10, 100];
        let found = needed(&d, &[0.0, 0.5, 1.0], Target::Gain(0.75), None).expect("a sweep");
        let want = (0.5 * (11f64.ln() + 101f64.ln())).exp_m1();
        assert!(matches!(found, Needed::Dimensions(d) if (d - want).abs() < 1e-9), "{found:?}, not {want}");
        assert_eq!(needed(&d, &[0.0, 0.75, 1.0], Target::Gain(0.75), None), Ok(Needed::Dimensions(10f64.ln_1p().exp_m1())));
        assert_eq!(needed(&d, &[0.6, 0.7, 1.0], Target::Absolute(0.5), None), Ok(Needed::Censored0));
        assert_eq!(needed(&d, &[0.0, 0.1, 0.2], Target::Gain(0.9), Some(1.0)), Ok(Needed::More));
        assert_eq!(needed(&d, &[0.3, 0.1, 0.2], Target::Gain(0.9), None), Ok(Needed::Undefined));
        // A dip before the crossing is passed over by the running maximum.
        let dip = needed(&[0, 10, 20, 100], &[0.0, 0.5, 0.2, 1.0], Target::Gain(0.75), None).expect("a sweep");
        let want = (21f64.ln() + 0.5 * (101f64.ln() - 21f64.ln())).exp_m1();
        assert!(matches!(dip, Needed::Dimensions(d) if (d - want).abs() < 1e-9), "{dip:?}, not {want}");
        // The curve dips again: it stays at the target from later on.
        let dips = [0.0, 0.8, 0.6, 1.0];
        let (first, final_) =
            (needed(&[0, 10, 20, 100], &dips, Target::Gain(0.75), None), last(&[0, 10, 20, 100], &dips, Target::Gain(0.75), None));
        let want = (21f64.ln() + 0.375 * (101f64.ln() - 21f64.ln())).exp_m1();
        assert!(
            matches!(first, Ok(Needed::Dimensions(d)) if d < 10.0)
                && matches!(final_, Ok(Needed::Dimensions(d)) if (d - want).abs() < 1e-9)
        );
        assert_eq!(last(&d, &[0.0, 1.0, 0.2], Target::Gain(0.9), None), Ok(Needed::More), "it ends below");
        assert_eq!(last(&d, &[0.6, 0.7, 1.0], Target::Absolute(0.5), None), Ok(Needed::Censored0));
        assert!(needed(&[1, 2], &[0.0, 1.0], Target::Gain(0.9), None).is_err() && needed(&[0], &[0.0], Target::Gain(0.9), None).is_err());
    }

    #[test]
    fn seeds_give_an_interval_around_the_mean() {
        let d = [0, 10, 100, 1000];
        let scores = vec![vec![0.0, 0.2, 0.9, 1.0], vec![0.0, 0.6, 0.95, 1.0], vec![0.0, 0.4, 0.8, 1.0]];
        let mean: Vec<f64> = (0..4).map(|k| scores.iter().map(|s| s[k]).sum::<f64>() / 3.0).collect();
        let Ok(Needed::Dimensions(center)) = needed(&d, &mean, Target::Gain(0.75), None) else { panic!("it is crossed") };
        let [low, high] = interval(&d, &scores, Target::Gain(0.75), None, (500, 0.95, 1)).expect("seeds");
        assert!(low < center && center < high && high < 200.0, "{low}, {center}, {high}");
        assert_eq!(interval(&d, &scores[..1], Target::Gain(0.75), None, (20, 0.95, 1)).map(|[l, h]| l.to_bits() == h.to_bits()), Ok(true));
    }
}
