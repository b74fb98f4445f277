//! Form of the geometry of class manifolds.

use eigenscope::analysis::dimensionality::Pool;
use eigenscope::analysis::manifolds::Spec;
use leptos::prelude::*;

use super::dimensionality_form::GENERATOR;
use super::fields::{choice, count, input, label, seed};
use super::{Check, Form, label_fields, pooling};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("features", "Features", &spec.features);
    check.input("labels", "Labels", &spec.labels.input);
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.manifolds;
    let labels = Memo::new(move |_| spec.with(|s| s.labels.clone()));
    let projected = Memo::new(move |_| spec.with(|s| s.pool == Pool::None));
    view! {
        {input(
            form,
            label("features", "Features", "Rows are samples, several of each class."),
            "choose a dataset",
            move || spec.with(|s| s.features.clone()),
            move |v| spec.update(|s| s.features = v),
        )}
        {label_fields::view(
            form,
            label("labels", "Labels", "One class per row: a table with a text column, or numbers."),
            "labels.column",
            move || labels.get(),
            move |v| spec.update(|s| s.labels = v),
        )}
        {pooling::view(form, pooling::ALL, move || spec.with(|s| s.pool), move |v| spec.update(|s| s.pool = v))}
        {count(
            form,
            label("m_shots", "Shots", "The m of the signal-to-noise ratio; 0 stands for the rows of each class."),
            move || spec.with(|s| s.m_shots.unwrap_or(0)),
            move |v| spec.update(|s| s.m_shots = (v > 0).then_some(v)),
        )}
        {move || projected.get().then(|| projection(form))}
    }
    .into_any()
}

fn projection(form: Form) -> AnyView {
    let spec = form.manifolds;
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
