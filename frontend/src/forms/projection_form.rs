//! Form of the projection distances.

use eigenscope::analysis::dimensionality::Pool;
use eigenscope::analysis::projection::Spec;
use leptos::prelude::*;

use super::fields::{input, label, seed};
use super::label_fields::{self, limit};
use super::{Check, Form, pooling};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("features", "Features", &spec.features);
    check.labels("labels.input", &spec.labels.input);
    check.require(spec.n_categories != Some(1), "n_categories", "Give at least 2, or 0 for all.");
    check.require(spec.n_samples != Some(1), "n_samples", "Give at least 2, or 0 for all.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.projection;
    view! {
        {input(
            form,
            label("features", "Features", "Rows are samples; for example the activations of a network layer."),
            "choose a dataset",
            move || spec.with(|s| s.features.clone()),
            move |v| spec.update(|s| s.features = v),
        )}
        {label_fields::view(
            form,
            label("labels.input", "Labels", "The class of each row: a table with a text column, or numbers."),
            "labels.column",
            move || spec.with(|s| s.labels.clone()),
            move |v| spec.update(|s| s.labels = v),
        )}
        {limit(
            form,
            label("n_categories", "Classes", "At most so many, the first in the data; 0 for all."),
            move || spec.with(|s| s.n_categories),
            move |v| spec.update(|s| s.n_categories = v),
        )}
        {limit(
            form,
            label("n_samples", "Samples of each class", "At most so many, the first in the data; 0 for all."),
            move || spec.with(|s| s.n_samples),
            move |v| spec.update(|s| s.n_samples = v),
        )}
        {pooling::view(form, pooling::FEW, move || spec.with(|s| s.pool), move |v| spec.update(|s| s.pool = v))}
        {move || {
            spec.with(|s| s.pool == Pool::None)
                .then(|| {
                    seed(form, "Of the random projection: the same seed gives the same result.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))
                })
        }}
    }
    .into_any()
}
