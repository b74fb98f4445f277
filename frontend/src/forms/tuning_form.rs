//! Form of the tuning curves.

use eigenscope::analysis::tuning::Spec;
use leptos::prelude::*;

use super::fields::{input, label, number, switch};
use super::{Check, Form, label_fields};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("input", "Responses", &spec.input);
    check.labels("stimuli", &spec.stimuli.input);
    check.require(spec.period.is_none_or(|p| p > 0.0), "period", "Give a number above 0.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.tuning;
    let periodic = Memo::new(move |_| spec.with(|s| s.period.is_some()));
    view! {
        {input(
            form,
            label("input", "Responses", "Rows are trials, columns are units."),
            "choose a dataset",
            move || spec.with(|s| s.input.clone()),
            move |v| spec.update(|s| s.input = v),
        )}
        {label_fields::view(
            form,
            label("stimuli", "Stimulus value of each row", "Numbers, for example orientations in degrees."),
            "stimuli.column",
            move || spec.with(|s| s.stimuli.clone()),
            move |v| spec.update(|s| s.stimuli = v),
        )}
        {switch(
            label("periodic", "The stimulus repeats itself", "Then each unit has a preferred value and a selectivity."),
            move || periodic.get(),
            move |v| spec.update(|s| s.period = v.then_some(180.0)),
        )}
        {move || {
            periodic
                .get()
                .then(|| {
                    number(
                        form,
                        label("period", "Period", "180 for orientations, 360 for directions, in units of the stimulus."),
                        "any",
                        move || spec.with(|s| s.period.unwrap_or(180.0)),
                        move |v| spec.update(|s| s.period = Some(v)),
                    )
                })
        }}
    }
    .into_any()
}
