//! Form of the dimensionality analysis.

use eigenscope::analysis::dimensionality::{AlphaFit, Centering, Generator, Pool, Spec};
use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::fields::{choice, input, inputs, label, number, seed, switch};
use super::{Check, Form, label_fields, pooling};

pub(super) const GENERATOR: &[(Generator, &str)] =
    &[(Generator::Pcg64, "PCG-64, one stream per feature"), (Generator::NumpyLegacy, "numpy's legacy generator (published: seed 27)")];
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
    if let Some(reference) = &spec.zca {
        check.input("zca", "ZCA reference", reference);
    }
    if spec.intrinsic {
        let fine = spec.two_nn_fraction > 0.0 && spec.two_nn_fraction <= 1.0;
        check.require(fine, "two_nn_fraction", "Give a number above 0 and at most 1.");
        if let Some(labels) = &spec.labels {
            check.input("labels", "Labels", &labels.input);
        }
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.dimensionality;
    let intrinsic = Memo::new(move |_| spec.with(|s| s.intrinsic));
    let projected = Memo::new(move |_| spec.with(|s| s.pool == Pool::None));
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
        {pooling::view(form, pooling::ALL, move || spec.with(|s| s.pool), move |v| spec.update(|s| s.pool = v))}
        {switch(
            label("spectrum", "Eigenspectrum", "Without it only the dimensionalities are computed, several times faster for thousands of features."),
            move || spec.with(|s| s.spectrum),
            move |v| spec.update(|s| s.spectrum = v),
        )}
        {switch(
            label("intrinsic", "Intrinsic dimension", "From distances between samples: TwoNN, maximum likelihood and correlation dimension."),
            move || spec.with(|s| s.intrinsic),
            move |v| spec.update(|s| s.intrinsic = v),
        )}
        {move || intrinsic.get().then(|| neighbors(form))}
        {choice(
            form,
            label("alpha", "Power-law exponent", "How the slope of the log-log eigenspectrum is fitted."),
            ALPHA,
            move || spec.with(|s| s.alpha),
            move |v| spec.update(|s| s.alpha = v),
        )}
        {input(
            form,
            label("zca", "ZCA transform fitted on", "Reference rows with the same columns, pooled alike: their covariance becomes the identity."),
            "none: no transform",
            move || spec.with(|s| s.zca.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.zca = (!v.is_empty()).then_some(v)),
        )}
        {move || projected.get().then(|| projection(form))}
    }
    .into_any()
}

fn neighbors(form: Form) -> AnyView {
    let spec = form.dimensionality;
    let labeled = Memo::new(move |_| spec.with(|s| s.labels.is_some()));
    view! {
        {number(
            form,
            label("two_nn_fraction", "Fraction for TwoNN", "The largest distance ratios are often left out: 0.9 keeps the smallest 90 %."),
            "0.05",
            move || spec.with(|s| s.two_nn_fraction),
            move |v| spec.update(|s| s.two_nn_fraction = v),
        )}
        {switch(
            label("by_class", "Within and between classes", "TwoNN of the class means, and mean over the classes."),
            move || labeled.get(),
            move |on| spec.update(|s| s.labels = on.then(Labels::default)),
        )}
        {move || {
            let now = Memo::new(move |_| spec.with(|s| s.labels.clone().unwrap_or_default()));
            let at = label("labels", "Labels", "One class per row: a table with a text column, or numbers.");
            labeled
                .get()
                .then(|| label_fields::view(form, at, "labels.column", move || now.get(), move |v| spec.update(|s| s.labels = Some(v))))
        }}
    }
    .into_any()
}

fn projection(form: Form) -> AnyView {
    let spec = form.dimensionality;
    view! {
        {choice(
            form,
            label("generator", "Random numbers", "Of the projection to 1,024 values."),
            GENERATOR,
            move || spec.with(|s| s.generator),
            move |v| spec.update(|s| s.generator = v),
        )}
        {seed(form, "Of the random projection: the same seed gives the same result.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
    }
    .into_any()
}
