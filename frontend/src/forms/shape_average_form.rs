//! Form of the average of shapes.

use eigenscope::analysis::shape_average::Spec;
use eigenscope::shapes::{Averaging, Group};
use leptos::prelude::*;

use super::fields::{choice, count, inputs, label, number, seed, switch};
use super::shape_distance_form::SCORE;
use super::stochastic_distance_form::GROUP;
use super::{Check, Form};

const AVERAGING: &[(Averaging, &str)] = &[
    (Averaging::FullBatch, "full batch: align all, then average"),
    (Averaging::Streaming, "streaming: one by one, aligned to the mean before the sweep"),
    (Averaging::Sequential, "sequential: one by one, aligned to the mean of the moment"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("inputs", "Representations", &spec.inputs, 2);
    let k = spec.inputs.len().max(1);
    check.require(
        (1..=k).contains(&(spec.n_clusters as usize)),
        "n_clusters",
        "Give a whole number from 1 to the number of representations.",
    );
    check.require(
        spec.n_clusters < 2 || spec.group == Group::Orthogonal,
        "group",
        "Clusters are found up to rotation: choose orthogonal, or 1 cluster.",
    );
    check.require((1..=1000).contains(&spec.n_starts), "n_starts", "Give a whole number from 1 to 1000.");
    check.require(spec.tol > 0.0 && spec.tol < 1.0, "tol", "Give a number between 0 and 1.");
    check.require(spec.max_iter > 0, "max_iter", "Give a whole number of at least 1.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.shape_average;
    let has_clusters = Memo::new(move |_| spec.with(|s| s.n_clusters > 1));
    let clusters = move || {
        choice(
            form,
            label("score", "Distance of clusters", "To their averages, after the best rotation."),
            SCORE,
            move || spec.with(|s| s.score),
            move |v| spec.update(|s| s.score = v),
        )
    };
    view! {
        {inputs(
            form,
            label("inputs", "Representations", "At least two, with the same samples in the same order as rows."),
            move || spec.with(|s| s.inputs.clone()),
            move |v| spec.update(|s| s.inputs = v),
        )}
        {choice(
            form,
            label("group", "Alignment", "Maps of features that are free."),
            GROUP,
            move || spec.with(|s| s.group),
            move |v| spec.update(|s| s.group = v),
        )}
        {count(
            form,
            label("n_clusters", "Clusters", "Groups around averages of their own; 1 for none."),
            move || spec.with(|s| s.n_clusters),
            move |v| spec.update(|s| s.n_clusters = v),
        )}
        {move || has_clusters.get().then(clusters)}
        {switch(
            label("center_columns", "Subtract column means", "Makes the average blind to a common shift."),
            move || spec.with(|s| s.center_columns),
            move |v| spec.update(|s| s.center_columns = v),
        )}
        {switch(
            label("normalize", "Divide by the norm", "Otherwise representations with large responses weigh more."),
            move || spec.with(|s| s.normalize),
            move |v| spec.update(|s| s.normalize = v),
        )}
        {choice(
            form,
            label("averaging", "Method", "All lead to the same average but for the tolerance."),
            AVERAGING,
            move || spec.with(|s| s.averaging),
            move |v| spec.update(|s| s.averaging = v),
        )}
        {number(
            form,
            label("tol", "Tolerance", "Change of an entry in a sweep, relative to its size, that ends the sweeps."),
            "any",
            move || spec.with(|s| s.tol),
            move |v| spec.update(|s| s.tol = v),
        )}
        {count(
            form,
            label("n_starts", "Starts", "Of clusters, and of averages over permutations; the best is kept."),
            move || spec.with(|s| s.n_starts),
            move |v| spec.update(|s| s.n_starts = v),
        )}
        {seed(form, "Of starts and orders.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
    }
    .into_any()
}
