//! Form of the dimensionality analysis.

use eigenscope::analysis::dimensionality::{AlphaFit, Centering, Pool, Spec};
use leptos::prelude::*;

use super::fields::{choice, inputs, label, number, switch};
use super::{Check, Form};

const POOL: &[(Pool, &str)] = &[
    (Pool::Avg, "mean over positions"),
    (Pool::Max, "maximum over positions"),
    (Pool::None, "none: random projection to 1,024"),
    (Pool::Flatten, "none: flatten all positions"),
];
const CENTERING: &[(Centering, &str)] = &[
    (Centering::Column, "column means"),
    (Centering::None, "nothing"),
    (Centering::Both, "column means, then row means"),
    (Centering::Z, "column means, then divide by standard deviations"),
];
const ALPHA: &[(AlphaFit, &str)] = &[
    (AlphaFit::Logspaced, "least squares at 50 log-spaced indices"),
    (AlphaFit::TailCut, "all indices up to 95 % of the log range"),
    (AlphaFit::Range, "indices 11 to 500, weighted by 1/n"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("inputs", "Representations", &spec.inputs, 1);
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.dimensionality;
    view! {
        {inputs(
            form,
            label("inputs", "Representations", "Rows are samples (stimuli). Each dataset gets its own spectrum."),
            move || spec.with(|s| s.inputs.clone()),
            move |v| spec.update(|s| s.inputs = v),
        )}
        {choice(
            form,
            label("centering", "Subtract first", "Column means give the usual principal components."),
            CENTERING,
            move || spec.with(|s| s.centering),
            move |v| spec.update(|s| s.centering = v),
        )}
        {choice(
            form,
            label("pool", "Pooling of feature maps", "For arrays with more than two axes (samples × channels × height × width)."),
            POOL,
            move || spec.with(|s| s.pool),
            move |v| spec.update(|s| s.pool = v),
        )}
        {switch(
            label("spectrum", "Eigenspectrum", "Without it only the dimensionalities are computed, several times faster for thousands of features."),
            move || spec.with(|s| s.spectrum),
            move |v| spec.update(|s| s.spectrum = v),
        )}
        {switch(
            label("intrinsic", "Intrinsic dimension", "From distances to nearest neighbors: TwoNN and maximum likelihood."),
            move || spec.with(|s| s.intrinsic),
            move |v| spec.update(|s| s.intrinsic = v),
        )}
        {choice(
            form,
            label("alpha", "Power-law exponent", "How the slope of the log-log eigenspectrum is fitted."),
            ALPHA,
            move || spec.with(|s| s.alpha),
            move |v| spec.update(|s| s.alpha = v),
        )}
        {move || {
            spec.with(|s| s.pool == Pool::None)
                .then(|| {
                    number(
                        form,
                        label("seed", "Seed", "Of the random projection: the same seed gives the same result."),
                        "1",
                        move || spec.with(|s| super::from_seed(s.seed)),
                        move |v| spec.update(|s| s.seed = super::to_seed(v)),
                    )
                })
        }}
    }
    .into_any()
}
