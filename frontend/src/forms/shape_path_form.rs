//! Form of the path between two shapes.

use eigenscope::analysis::shape_path::Spec;
use leptos::prelude::*;

use super::fields::{choice, count, input, inputs, label, switch};
use super::shape_distance_form::SCORE;
use super::stochastic_distance_form::GROUP;
use super::{Check, Form};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("x", "From", &spec.x);
    check.input("y", "To", &spec.y);
    check.inputs("others", "Others", &spec.others, 0);
    check.require((2..=1001).contains(&spec.n_points), "n_points", "Give a whole number from 2 to 1001.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.shape_path;
    view! {
        {input(
            form,
            label("x", "From", "Where the path starts; rows are samples."),
            "choose a dataset",
            move || spec.with(|s| s.x.clone()),
            move |v| spec.update(|s| s.x = v),
        )}
        {input(
            form,
            label("y", "To", "Where it ends; the same samples in the same order."),
            "choose a dataset",
            move || spec.with(|s| s.y.clone()),
            move |v| spec.update(|s| s.y = v),
        )}
        {inputs(
            form,
            label("others", "Others", "Their distances to the points of the path are measured, too."),
            move || spec.with(|s| s.others.clone()),
            move |v| spec.update(|s| s.others = v),
        )}
        {choice(
            form,
            label("group", "Alignment", "Maps of features that are free."),
            GROUP,
            move || spec.with(|s| s.group),
            move |v| spec.update(|s| s.group = v),
        )}
        {choice(
            form,
            label("score", "Distance", "An arc of angles, or a straight line."),
            SCORE,
            move || spec.with(|s| s.score),
            move |v| spec.update(|s| s.score = v),
        )}
        {count(
            form,
            label("n_points", "Points", "Of the path, both ends included."),
            move || spec.with(|s| s.n_points),
            move |v| spec.update(|s| s.n_points = v),
        )}
        {switch(
            label("center_columns", "Subtract column means", "Makes distances blind to a common shift."),
            move || spec.with(|s| s.center_columns),
            move |v| spec.update(|s| s.center_columns = v),
        )}
    }
    .into_any()
}
