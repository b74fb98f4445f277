//! Form of the simulation of dimensions and complexity.

use eigenscope::analysis::dim_complexity::Spec;
use leptos::prelude::*;

use super::fields::{count, label, text};
use super::warp_form::{numbers, numbers_text};
use super::{Check, Form};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.require(
        !spec.dims.is_empty() && spec.dims.iter().all(|d| (4..=16_641).contains(d)),
        "dims",
        "Give whole numbers from 4 to 16,641.",
    );
    check.require(spec.steps > 0, "steps", "Give a whole number above 0.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.dim_complexity;
    view! {
        {text(
            form,
            label("dims", "Numbers of dimensions", "Three of each are scalers of layers."),
            move || spec.with(|s| numbers_text(&s.dims)),
            move |v| spec.update(|s| s.dims = numbers(&v)),
        )}
        {count(
            form,
            label("steps", "Steps", "Of a fit, at most; fits end by themselves when nothing changes any more."),
            move || spec.with(|s| s.steps),
            move |v| spec.update(|s| s.steps = v),
        )}
        {count(
            form,
            label("seed", "Seed", "Of networks, inputs and subspaces."),
            move || spec.with(|s| s.seed),
            move |v| spec.update(|s| s.seed = v),
        )}
    }
    .into_any()
}
