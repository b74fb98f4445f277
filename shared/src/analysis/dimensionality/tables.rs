//! Tables of the results with the columns of the published ones.

use super::{Output, Spectrum};
use crate::identity::Identity;
use crate::table::{count, csv, number};

/// One number of a spectrum as text.
type Metric = (&'static str, fn(&Spectrum) -> String);

const METRICS: [Metric; 11] = [
    ("80% variance", |s| count(s.variance_80_count)),
    ("alpha", |s| number(s.power_law_alpha)),
    ("effective dimensionality", |s| number(s.effective_dimensionality)),
    ("effective dimensionality unbiased", |s| number(s.effective_dimensionality_unbiased)),
    ("effective dimensionality unbiased row", |s| number(s.effective_dimensionality_unbiased_row)),
    ("effective dimensionality unbiased col", |s| number(s.effective_dimensionality_unbiased_col)),
    ("entropy dimension", |s| number(s.entropy_dimension)),
    ("effective rank", |s| number(s.effective_rank)),
    ("intercept", |s| number(s.power_law_intercept)),
    ("samples", |s| s.n_samples.to_string()),
    ("features", |s| s.n_features.to_string()),
];

const INTRINSIC: [Metric; 8] = [
    ("ID", |s| number(s.intrinsic.as_ref().and_then(|i| i.two_nn))),
    ("ID likelihood", |s| number(s.intrinsic.as_ref().and_then(|i| i.two_nn_likelihood))),
    ("ID nearest neighbors", |s| number(s.intrinsic.as_ref().and_then(|i| i.maximum_likelihood))),
    ("ID nearest neighbors mean", |s| number(s.intrinsic.as_ref().and_then(|i| i.maximum_likelihood_mean))),
    ("correlation dimension", |s| number(s.intrinsic.as_ref().and_then(|i| i.correlation))),
    ("inter-ID", |s| number(s.intrinsic.as_ref().and_then(|i| i.classes.as_ref()?.between))),
    ("intra-ID", |s| number(s.intrinsic.as_ref().and_then(|i| i.classes.as_ref()?.within_mean))),
    ("intra-ID (std)", |s| number(s.intrinsic.as_ref().and_then(|i| i.classes.as_ref()?.within_std))),
];

/// One row per input: the metrics under their published names and ours, then the [`Identity`]. Undefined cells are empty.
#[must_use]
pub fn metrics_csv(output: &Output) -> String {
    let has_intrinsic = output.spectra.iter().any(|s| s.intrinsic.is_some());
    let intrinsic = if has_intrinsic { &INTRINSIC[..] } else { &[] };
    let metrics = || METRICS.iter().chain(intrinsic);
    let header = metrics().map(|(name, _)| *name).chain(Identity::COLUMNS);
    let rows = output.spectra.iter().map(|s| metrics().map(|(_, text)| text(s)).chain(Identity::of(&s.input).values).collect());
    csv(header, rows)
}

/// One row per eigenvalue: `n` from 1, `variance`, then the [`Identity`] of the input.
#[must_use]
pub fn spectra_csv(output: &Output) -> String {
    let rows = output.spectra.iter().flat_map(|s| {
        let identity = Identity::of(&s.input).values;
        let line = move |(n, v): (u64, &f64)| [n.to_string(), number(Some(*v))].into_iter().chain(identity.clone()).collect::<Vec<_>>();
        (1u64..).zip(&s.eigenvalues.values).map(line)
    });
    csv(["n", "variance"].into_iter().chain(Identity::COLUMNS), rows)
}
