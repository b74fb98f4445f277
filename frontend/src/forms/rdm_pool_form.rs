//! Form of the pooled RDM.

use eigenscope::analysis::rdm_pool::{Rescale, Spec};
use leptos::prelude::*;

use super::fields::{choice, inputs, label};
use super::{Check, Form};

const RESCALE: &[(Rescale, &str)] = &[
    (Rescale::None, "as they are"),
    (Rescale::Evidence, "to the pairs in common; large dissimilarities count more"),
    (Rescale::Setsize, "to the pairs in common; small RDMs count more"),
    (Rescale::Simple, "to the pairs in common; all count equally"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("inputs", "RDMs", &spec.inputs, 1);
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.rdm_pool;
    view! {
        {inputs(
            form,
            label("inputs", "RDMs", "Stacks are taken apart. RDMs of different conditions are placed by the header of their tables."),
            move || spec.with(|s| s.inputs.clone()),
            move |v| {
                spec.update(|s| {
                    s.inputs = v;
                    // Names go with the list that they were given for.
                    s.conditions.clear();
                });
            },
        )}
        {choice(
            form,
            label("rescale", "Scale", "How RDMs of different size are brought together."),
            RESCALE,
            move || spec.with(|s| s.rescale),
            move |v| spec.update(|s| s.rescale = v),
        )}
    }
    .into_any()
}
