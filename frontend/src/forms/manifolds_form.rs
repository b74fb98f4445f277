//! Form of the geometry of class manifolds.

use eigenscope::analysis::dimensionality::Pool;
use eigenscope::analysis::manifolds::Spec;
use leptos::prelude::*;

use super::dimensionality_form::{GENERATOR, POOL};
use super::fields::{choice, count, input, label, number};
use super::{Check, Form, label_fields};

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
        {choice(
            form,
            label("pool", "Pooling of feature maps", "For arrays with more than two axes (samples × channels × height × width)."),
            POOL,
            move || spec.with(|s| s.pool),
            move |v| spec.update(|s| s.pool = v),
        )}
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
        {number(
            form,
            label("seed", "Seed", "Of the random projection: the same seed gives the same result."),
            "1",
            move || spec.with(|s| super::from_seed(s.seed)),
            move |v| spec.update(|s| s.seed = super::to_seed(v)),
        )}
    }
    .into_any()
}
