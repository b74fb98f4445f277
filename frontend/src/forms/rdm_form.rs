//! Form of the RDM analysis.

use eigenscope::analysis::rdm::{Measure, Spec};
use leptos::prelude::*;

use super::fields::{choice, input, label, number, switch};
use super::{Check, Form};

const MEASURES: &[(Measure, &str)] = &[
    (Measure::Correlation, "correlation: 1 − Pearson r"),
    (Measure::Euclidean, "Euclidean"),
    (Measure::Sqeuclidean, "squared Euclidean"),
    (Measure::Cosine, "cosine: 1 − cosine similarity"),
    (Measure::Mahalanobis, "Mahalanobis: with a noise precision matrix"),
    (Measure::Poisson, "Poisson: symmetrized KL of firing rates"),
    (Measure::Gaussian, "Gaussian kernel: 1 − exp(−d²/2σ²)"),
    (Measure::Minkowski, "Minkowski"),
    (Measure::Cityblock, "city block: sum of differences"),
    (Measure::Chebyshev, "Chebyshev: largest difference"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("input", "Responses", &spec.input);
    match spec.measure {
        Measure::Gaussian => check.require(spec.sigma > 0.0, "sigma", "Give a number above 0."),
        Measure::Minkowski => check.require(spec.minkowski_p >= 1.0, "minkowski_p", "Give a number of at least 1."),
        Measure::Mahalanobis => check.input("precision", "Noise precision", spec.precision.as_deref().unwrap_or_default()),
        Measure::Poisson => {
            check.require(spec.prior_lambda > 0.0, "prior_lambda", "Give a number above 0.");
            check.require(spec.prior_weight >= 0.0, "prior_weight", "Give a number of at least 0.");
        }
        _ => {}
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.rdm;
    let measure = Memo::new(move |_| spec.with(|s| s.measure));
    view! {
        {input(
            form,
            label("input", "Responses", "Rows are conditions, columns are channels (neurons, voxels, units)."),
            "choose a dataset",
            move || spec.with(|s| s.input.clone()),
            move |v| spec.update(|s| s.input = v),
        )}
        {choice(
            form,
            label("measure", "Dissimilarity", "Between the response patterns of two conditions."),
            MEASURES,
            move || measure.get(),
            move |v| spec.update(|s| s.measure = v),
        )}
        {move || options(form, measure.get())}
        {switch(
            label("remove_mean", "Subtract each row's mean", "Removes the overall response level of a condition first."),
            move || spec.with(|s| s.remove_mean),
            move |v| spec.update(|s| s.remove_mean = v),
        )}
    }
    .into_any()
}

/// What only some measures have.
fn options(form: Form, measure: Measure) -> AnyView {
    let spec = form.rdm;
    match measure {
        Measure::Sqeuclidean => switch(
            label("normalize", "Divide by the number of channels", "The convention of rsatoolbox."),
            move || spec.with(|s| s.normalize),
            move |v| spec.update(|s| s.normalize = v),
        ),
        Measure::Gaussian => number(
            form,
            label("sigma", "Width σ", "In units of the data."),
            "any",
            move || spec.with(|s| s.sigma),
            move |v| spec.update(|s| s.sigma = v),
        ),
        Measure::Minkowski => number(
            form,
            label("minkowski_p", "Exponent p", "1 is city block, 2 is Euclidean."),
            "any",
            move || spec.with(|s| s.minkowski_p),
            move |v| spec.update(|s| s.minkowski_p = v),
        ),
        Measure::Mahalanobis => input(
            form,
            label("precision", "Noise precision", "Inverse noise covariance, channels × channels."),
            "choose a dataset",
            move || spec.with(|s| s.precision.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.precision = Some(v).filter(|v| !v.is_empty())),
        ),
        Measure::Poisson => view! {
            {number(
                form,
                label("prior_lambda", "Prior rate", "Keeps silent channels finite."),
                "any",
                move || spec.with(|s| s.prior_lambda),
                move |v| spec.update(|s| s.prior_lambda = v),
            )}
            {number(
                form,
                label("prior_weight", "Weight of the prior", "In numbers of observations."),
                "any",
                move || spec.with(|s| s.prior_weight),
                move |v| spec.update(|s| s.prior_weight = v),
            )}
        }
        .into_any(),
        Measure::Correlation | Measure::Euclidean | Measure::Cosine | Measure::Cityblock | Measure::Chebyshev => ().into_any(),
    }
}
