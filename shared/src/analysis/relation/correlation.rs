//! Correlations with their tests and bootstrap intervals.

use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::rng::Stream;
use crate::stats::{count, pearson, quantile, residuals, spearman, student_t_sf};
use crate::{Error, parallel};

/// Replicates between two steps of progress.
const AT_A_TIME: usize = 100;
/// Residuals smaller than this share of a variable are rounding.
const NOTHING_LEFT: f64 = 1e-10;

/// How two columns go together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Correlations {
    /// Points.
    pub n: u32,
    /// Pearson correlation; `None` for fewer than 3 points or a constant column.
    pub pearson_r: Option<f64>,
    /// Two-sided p of Student's t with n - 2 degrees of freedom.
    pub pearson_p: Option<f64>,
    /// `****`, `***`, `**`, `*` or `ns` for that p.
    pub pearson_mark: Option<String>,
    /// Bootstrap interval of the Pearson correlation, 95 %.
    pub pearson_interval: Option<[f64; 2]>,
    /// Spearman correlation.
    pub spearman_r: Option<f64>,
    /// Two-sided p of Student's t with n - 2 degrees of freedom.
    pub spearman_p: Option<f64>,
    /// `****`, `***`, `**`, `*` or `ns` for that p.
    pub spearman_mark: Option<String>,
    /// Bootstrap interval of the Spearman correlation, 95 %.
    pub spearman_interval: Option<[f64; 2]>,
}

/// Resampling of points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bootstrap {
    /// Replicates; none for 0.
    pub(super) replicates: usize,
    pub(super) seed: u64,
    /// Number of the set of points: each has random streams of its own.
    pub(super) set: usize,
}

/// The correlations of points with their tests and intervals.
pub(super) fn correlations(x: &[f64], y: &[f64], bootstrap: Bootstrap, progress: &dyn Progress) -> Result<Correlations, Error> {
    let n = x.len();
    let mut out = Correlations { n: u32::try_from(n).unwrap_or(u32::MAX), ..Correlations::default() };
    if n < 3 {
        return Ok(out);
    }
    (out.pearson_r, out.pearson_p, out.pearson_mark) = tested(pearson(x, y), n, 0);
    (out.spearman_r, out.spearman_p, out.spearman_mark) = tested(spearman(x, y), n, 0);
    if out.pearson_r.is_some() {
        [out.pearson_interval, out.spearman_interval] = intervals(x, y, bootstrap, progress)?;
    }
    Ok(out)
}

/// Pearson and Spearman correlation of what `given` does not explain linearly, of x and y or of their ranks; NaN where nothing is left.
pub(super) fn partial(x: &[f64], y: &[f64], given: &[Vec<f64>]) -> f64 {
    let (rest_x, rest_y) = (residuals(x, given), residuals(y, given));
    let (all_x, all_y) = (residuals(x, &[]), residuals(y, &[]));
    let size = |v: &[f64]| v.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let is_left = |rest: &[f64], all: &[f64]| size(rest) > NOTHING_LEFT * size(all);
    if is_left(&rest_x, &all_x) && is_left(&rest_y, &all_y) { pearson(&rest_x, &rest_y) } else { f64::NAN }
}

/// A correlation of n points after `lost` further predictors, its p and its mark; nothing when it is undefined.
pub(super) fn tested(r: f64, n: usize, lost: usize) -> (Option<f64>, Option<f64>, Option<String>) {
    if !r.is_finite() {
        return (None, None, None);
    }
    let p = n.checked_sub(2 + lost).filter(|dof| *dof > 0).map(|dof| p_value(r, count(dof)));
    (Some(r), p, p.map(|p| mark(p).to_owned()))
}

/// Two-sided p of a correlation: `t = r sqrt(dof / (1 - r^2))`.
fn p_value(r: f64, dof: f64) -> f64 {
    // 1 - r^2 without cancellation.
    let t = r.abs() * (dof / ((1.0 - r.abs()) * (1.0 + r.abs()))).sqrt();
    (2.0 * student_t_sf(t, dof)).min(1.0)
}

/// The usual marks of significance.
fn mark(p: f64) -> &'static str {
    match p {
        p if p <= 1e-4 => "****",
        p if p <= 1e-3 => "***",
        p if p <= 1e-2 => "**",
        p if p <= 0.05 => "*",
        _ => "ns",
    }
}

/// Percentile intervals of both correlations over resampled points; `None` where half of the replicates or more are undefined.
fn intervals(x: &[f64], y: &[f64], bootstrap: Bootstrap, progress: &dyn Progress) -> Result<[Option<[f64; 2]>; 2], Error> {
    let n = x.len();
    let mut pairs = Vec::with_capacity(bootstrap.replicates);
    for start in (0..bootstrap.replicates).step_by(AT_A_TIME) {
        progress.step(count(start) / count(bootstrap.replicates), "bootstrap")?;
        let some = AT_A_TIME.min(bootstrap.replicates - start);
        pairs.extend(parallel::map(some, |i| {
            let mut rng = Stream::new(bootstrap.seed, ((bootstrap.set as u64) << 32) | (start + i) as u64);
            let (mut a, mut b) = (Vec::with_capacity(n), Vec::with_capacity(n));
            for _ in 0..n {
                let at = rng.below(n);
                a.push(x[at]);
                b.push(y[at]);
            }
            [pearson(&a, &b), spearman(&a, &b)]
        }));
    }
    Ok([0, 1].map(|which| {
        let defined: Vec<f64> = pairs.iter().map(|pair| pair[which]).filter(|r| r.is_finite()).collect();
        (2 * defined.len() > bootstrap.replicates).then(|| [quantile(&defined, 0.025), quantile(&defined, 0.975)])
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::progress::Silent;

    const PLAIN: Bootstrap = Bootstrap { replicates: 0, seed: 0, set: 0 };

    fn of(x: &[f64], y: &[f64]) -> Correlations {
        correlations(x, y, PLAIN, &Silent).expect("runs")
    }

    #[test]
    fn marks_are_those_of_the_paper() {
        let marks: Vec<_> = [1e-4, 2e-4, 0.001, 0.01, 0.05, 0.06].map(mark).into();
        assert_eq!(marks, ["****", "***", "***", "**", "*", "ns"]);
    }

    #[test]
    fn perfect_relations_have_p_near_zero_and_few_points_have_none() {
        let out = of(&[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0, 8.0]);
        assert!(out.pearson_r.is_some_and(|r| r > 1.0 - 1e-15) && out.pearson_p.is_some_and(|p| p < 1e-14), "{out:?}");
        assert_eq!((p_value(1.0, 1.0), p_value(-1.0, 5.0), out.pearson_mark.as_deref()), (0.0, 0.0, Some("****")));
        assert_eq!(of(&[1.0, 2.0], &[1.0, 2.0]), Correlations { n: 2, ..Correlations::default() });
        assert_eq!(of(&[1.0; 4], &[1.0, 2.0, 3.0, 4.0]).pearson_r, None, "constant");
    }

    #[test]
    fn intervals_repeat_with_the_seed_and_hold_the_estimate() {
        let x: Vec<f64> = (0..60).map(f64::from).collect();
        let mut rng = Stream::new(3, 0);
        let y: Vec<f64> = x.iter().map(|v| v + 10.0 * rng.normal()).collect();
        let with = |seed, set| correlations(&x, &y, Bootstrap { replicates: 250, seed, set }, &Silent).expect("runs");
        let out = with(1, 0);
        let [low, high] = out.pearson_interval.expect("defined");
        let r = out.pearson_r.expect("defined");
        // The spread of r by Fisher's z: (1 - r^2) / sqrt(n - 3).
        let spread = (1.0 - r * r) / 57f64.sqrt();
        assert!(low < r && r < high && (high - low) > 2.0 * spread && (high - low) < 6.0 * spread, "{low} {r} {high}");
        assert_eq!(out, with(1, 0));
        assert_ne!(out.pearson_interval, with(2, 0).pearson_interval);
        assert_ne!(out.pearson_interval, with(1, 1).pearson_interval);
    }

    #[test]
    fn nothing_is_left_of_a_linear_function_of_what_is_given() {
        let (x, y) = ([1.0, 2.0, 3.0, 5.0], [1.0, 0.0, 2.0, 1.0]);
        assert!(partial(&x, &y, &[x.iter().map(|v| 3.0 * v - 1.0).collect()]).is_nan(), "x is explained");
        assert!((partial(&x, &y, &[]) - pearson(&x, &y)).abs() < 1e-15, "given nothing");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pearson_ignores_affine_maps_and_spearman_monotone_ones(
            points in prop::collection::vec((-50.0..50.0f64, -50.0..50.0f64), 4..40),
            scale in 0.01..100.0f64,
            shift in -100.0..100.0f64,
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let (before, moved) = (of(&x, &y), of(&x.iter().map(|v| scale * v + shift).collect::<Vec<_>>(), &y));
            prop_assume!(before.pearson_r.is_some());
            prop_assert!((before.pearson_r.unwrap_or(9.0) - moved.pearson_r.unwrap_or(-9.0)).abs() < 1e-9);
            let curved = of(&x.iter().map(|v| (v / 10.0).exp()).collect::<Vec<_>>(), &y);
            prop_assert!((before.spearman_r.unwrap_or(9.0) - curved.spearman_r.unwrap_or(-9.0)).abs() < 1e-12);
            let flipped = of(&x.iter().map(|v| -v).collect::<Vec<_>>(), &y);
            prop_assert!((before.pearson_r.unwrap_or(9.0) + flipped.pearson_r.unwrap_or(9.0)).abs() < 1e-9);
        }

        #[test]
        fn partial_correlation_of_one_is_the_textbook_formula(
            points in prop::collection::vec((-5.0..5.0f64, -5.0..5.0f64, -5.0..5.0f64), 6..30),
        ) {
            let x: Vec<f64> = points.iter().map(|p| p.0).collect();
            let y: Vec<f64> = points.iter().map(|p| p.1).collect();
            let z: Vec<f64> = points.iter().map(|p| p.2).collect();
            let (xy, xz, yz) = (pearson(&x, &y), pearson(&x, &z), pearson(&y, &z));
            prop_assume!(xz.abs() < 0.99 && yz.abs() < 0.99);
            let want = (xy - xz * yz) / ((1.0 - xz * xz) * (1.0 - yz * yz)).sqrt();
            prop_assert!((partial(&x, &y, &[z]) - want).abs() < 1e-9);
        }
    }
}
