//! Form of the distances of stochastic responses.

use eigenscope::analysis::stochastic_distance::{Metric, Spec};
use eigenscope::shapes::{Group, Weights};
use leptos::prelude::*;

use super::fields::{choice, count, inputs, label, number, seed, switch};
use super::{Check, Form};

const METRIC: &[(Metric, &str)] = &[
    (Metric::Gaussian, "Gaussian: means and covariances"),
    (Metric::Energy, "energy: single responses"),
    (Metric::Process, "process: over time, all covariances"),
    (Metric::Marginal, "marginal: over time, covariances of each time"),
];

pub(super) const GROUP: &[(Group, &str)] = &[
    (Group::Orthogonal, "orthogonal: rotations and reflections"),
    (Group::Permutation, "permutation: other orders"),
    (Group::Identity, "identity: as they are"),
];

const WEIGHTS: &[(Weights, &str)] =
    &[(Weights::Sqrt, "square roots: the fit minimizes the distance"), (Weights::Linear, "linear: as netrep has them")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("inputs", "Responses", &spec.inputs, 2);
    check.inputs("covariances", "Covariances", &spec.covariances, 0);
    let as_many = spec.covariances.is_empty() || spec.covariances.len() == spec.inputs.len();
    check.require(as_many, "covariances", "Choose as many as there are inputs, or none.");
    check.require((0.0..=2.0).contains(&spec.alpha), "alpha", "Give a number from 0 to 2.");
    check.require(spec.ridge >= 0.0, "ridge", "Give a number that is not negative.");
    check.require(spec.max_iter > 0, "max_iter", "Give a whole number of at least 1.");
    let fraction_fits = spec.train_fraction.is_none_or(|f| f > 0.0 && f < 1.0);
    check.require(fraction_fits, "train_fraction", "Give a number between 0 and 1, both excluded.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.stochastic_distance;
    let metric = Memo::new(move |_| spec.with(|s| s.metric));
    let held_out = Memo::new(move |_| spec.with(|s| s.train_fraction.is_some()));
    let choose = move |v: Metric| {
        spec.update(|s| {
            s.metric = v;
            if v != Metric::Gaussian {
                s.covariances.clear();
            }
            if matches!(v, Metric::Process | Metric::Marginal) {
                s.train_fraction = None;
            }
        });
    };
    let covariances = move || {
        inputs(
            form,
            label(
                "covariances",
                "Covariances",
                "Only where the responses above are means: conditions × neurons × neurons, one for each, in their order.",
            ),
            move || spec.with(|s| s.covariances.clone()),
            move |v| spec.update(|s| s.covariances = v),
        )
    };
    let moments = move || {
        view! {
            {number(
                form,
                label("alpha", "Weight of means α", "2 compares means only, 1 is the Wasserstein distance, 0 compares covariances only."),
                "0.1",
                move || spec.with(|s| s.alpha),
                move |v| spec.update(|s| s.alpha = v),
            )}
            {number(
                form,
                label("ridge", "Ridge", "Added to the diagonals of covariances, in their unit."),
                "any",
                move || spec.with(|s| s.ridge),
                move |v| spec.update(|s| s.ridge = v),
            )}
            {choice(
                form,
                label("weights", "Weights in the fit", "Of means and covariances."),
                WEIGHTS,
                move || spec.with(|s| s.weights),
                move |v| spec.update(|s| s.weights = v),
            )}
            {count(
                form,
                label("n_random", "Random starts", "0 is one start, at the alignment of the means."),
                move || spec.with(|s| s.n_random),
                move |v| spec.update(|s| s.n_random = v),
            )}
        }
    };
    let parts = move || {
        switch(
            label("held_out", "Also measure on held-out conditions", "Maps are fitted on a random part of the conditions."),
            move || held_out.get(),
            move |v| spec.update(|s| s.train_fraction = v.then_some(0.8)),
        )
    };
    let fraction = move || {
        number(
            form,
            label("train_fraction", "Fraction of conditions to fit on", "Between 0 and 1."),
            "0.05",
            move || spec.with(|s| s.train_fraction.unwrap_or(0.8)),
            move |v| spec.update(|s| s.train_fraction = Some(v)),
        )
    };
    view! {
        {choice(form, label("metric", "Distance", "What is compared after the best map of neurons."), METRIC, move || metric.get(), choose)}
        {inputs(
            form,
            label("inputs", "Responses", "At least two: conditions × repeats × neurons, or trials × times × neurons for a process."),
            move || spec.with(|s| s.inputs.clone()),
            move |v| spec.update(|s| s.inputs = v),
        )}
        {move || (metric.get() == Metric::Gaussian).then(covariances)}
        {choice(
            form,
            label("group", "Maps of neurons", "What is free before responses are compared."),
            GROUP,
            move || spec.with(|s| s.group),
            move |v| spec.update(|s| s.group = v),
        )}
        {move || (metric.get() != Metric::Energy).then(moments)}
        {move || matches!(metric.get(), Metric::Gaussian | Metric::Energy).then(parts)}
        {move || held_out.get().then(fraction)}
        {seed(form, "Of random starts and of held-out conditions.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
    }
    .into_any()
}
