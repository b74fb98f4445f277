//! Form of the measures of similarity.

use eigenscope::analysis::similarity::Spec;
use leptos::prelude::*;

use super::fields::{input, label, text};
use super::{Check, Form};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("x", "First representation", &spec.x);
    check.input("y", "Second representation", &spec.y);
    if let Err(error) = spec.check_names() {
        check.require(false, "measures", &error.to_string());
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.similarity;
    let names = |text: &str| text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(Into::into).collect();
    view! {
        {input(
            form,
            label("x", "First representation", "Rows are samples."),
            "choose a dataset",
            move || spec.with(|s| s.x.clone()),
            move |v| spec.update(|s| s.x = v),
        )}
        {input(
            form,
            label("y", "Second representation", "The same samples in the same order."),
            "choose a dataset",
            move || spec.with(|s| s.y.clone()),
            move |v| spec.update(|s| s.y = v),
        )}
        {text(
            form,
            label("measures", "Measures", "all, or names separated by commas, for example cka-kernel=linear-hsic=song-score."),
            move || spec.with(|s| s.measures.join(", ")),
            move |v| spec.update(|s| s.measures = names(&v)),
        )}
    }
    .into_any()
}
