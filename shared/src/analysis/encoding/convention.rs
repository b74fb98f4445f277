//! Final scores as the field's projects compute them.

use super::Convention;
use super::columns::count;
use super::score::median;

/// What the conventions start from.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// Median r over targets of each split that has one.
    pub(super) per_split_r: Vec<f64>,
    /// Mean R2 over targets of each split that has one.
    pub(super) per_split_r2: Vec<f64>,
    /// r of each target, mean over splits (NaN where undefined).
    pub(super) per_target_r: &'a [f64],
    /// Ceiling over targets.
    pub(super) ceiling: Option<f64>,
    /// Ceiling of each target (NaN where undefined).
    pub(super) per_target_ceiling: Option<&'a [f64]>,
}

/// Score and error of a convention.
///
/// # Definition
/// With r the mean over splits of the median r over targets, c the ceiling (a reliability), SEM = standard deviation (ddof 1) over splits
/// divided by the root of their number:
/// - `raw`: r, SEM of r.
/// - `elmoznino`: sign(r) (r / c)^2, error: the SEM of r, neither ceiled nor squared.
/// - `brainscore`: sign(r) r^2 / c, SEM of r.
/// - `brainscore_neuroid`: median over targets of `sign(r_i) r_i^2 / c_i`, SEM of r.
/// - `warping`: mean R2 over targets, no error.
/// - `dnnbrain`: mean R2 over targets and folds, SEM over folds.
///
/// The sources square negative correlations to positive scores; the sign is kept here.
///
/// # Degenerate
/// `None` without a ceiling where one is needed, or when it is not above 0; no error from a single split.
///
/// # Source
/// Elmoznino & Bonner 2024; Schrimpf et al. 2018 and Brain-Score's present core; `encoder_warping`; `DNNBrain` (Chen et al. 2020).
pub(super) fn score(convention: Convention, parts: &Parts<'_>) -> (Option<f64>, Option<f64>) {
    let (r, r_error) = summary(&parts.per_split_r);
    let (r2, r2_error) = summary(&parts.per_split_r2);
    let ceiling = parts.ceiling.filter(|c| *c > 0.0);
    match convention {
        Convention::Raw => (r, r_error),
        Convention::Elmoznino => (r.zip(ceiling).map(|(r, c)| signed_square(r / c)), r_error),
        Convention::Brainscore => (r.zip(ceiling).map(|(r, c)| signed_square(r) / c), r_error),
        Convention::BrainscoreNeuroid => {
            let per_target = parts.per_target_ceiling.map(|ceilings| {
                let pairs = parts.per_target_r.iter().zip(ceilings).filter(|(_, c)| **c > 0.0);
                pairs.map(|(r, c)| signed_square(*r) / c).collect::<Vec<f64>>()
            });
            (per_target.and_then(median), r_error)
        }
        Convention::Warping => (r2, None),
        Convention::Dnnbrain => (r2, r2_error),
    }
}

fn signed_square(r: f64) -> f64 {
    r * r.abs()
}

/// Mean, and standard error where there are two values.
fn summary(values: &[f64]) -> (Option<f64>, Option<f64>) {
    if values.is_empty() {
        return (None, None);
    }
    let n = count(values.len());
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (Some(mean), (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conventions_by_hand() {
        let (r, ceilings) = ([0.6, -0.4, f64::NAN], [0.9, 0.5, 0.8]);
        let parts = Parts {
            per_split_r: vec![0.4, 0.6],
            per_split_r2: vec![0.1, 0.3],
            per_target_r: &r,
            ceiling: Some(0.8),
            per_target_ceiling: Some(&ceilings),
        };
        let near = |got: Option<f64>, want: f64| assert!((got.expect("defined") - want).abs() < 1e-15, "{got:?}, not {want}");
        for (convention, want, error) in [
            (Convention::Raw, 0.5, Some(0.1)),
            (Convention::Elmoznino, (0.5f64 / 0.8).powi(2), Some(0.1)),
            (Convention::Brainscore, 0.25 / 0.8, Some(0.1)),
            (Convention::BrainscoreNeuroid, (0.36 / 0.9 - 0.16 / 0.5) / 2.0, Some(0.1)),
            (Convention::Warping, 0.2, None),
            (Convention::Dnnbrain, 0.2, Some(0.1)),
        ] {
            let (got, got_error) = score(convention, &parts);
            near(got, want);
            assert_eq!(got_error.is_some(), error.is_some(), "{convention:?}");
            if let Some(error) = error {
                near(got_error, error);
            }
        }
    }

    #[test]
    fn without_a_ceiling_there_is_no_ceiled_score() {
        let parts = Parts { per_split_r: vec![-0.5], per_split_r2: vec![], per_target_r: &[-0.5], ceiling: None, per_target_ceiling: None };
        assert_eq!(score(Convention::Elmoznino, &parts), (None, None));
        assert_eq!(score(Convention::BrainscoreNeuroid, &parts).0, None);
        assert_eq!(score(Convention::Raw, &parts), (Some(-0.5), None));
        let ceiled = Parts { ceiling: Some(0.5), ..parts };
        assert_eq!(score(Convention::Brainscore, &ceiled).0, Some(-0.5));
    }
}
