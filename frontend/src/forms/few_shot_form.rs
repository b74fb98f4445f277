//! Form of the few-shot classification.

use eigenscope::analysis::few_shot::{Classifier, MOST_REPEATS, Order, Spec};
use leptos::prelude::*;

use super::fields::{choice, count, input, label, seed, switch, text};
use super::label_fields::{self, limit};
use super::{Check, Form, fields, pooling};

const ORDERS: &[(Order, &str)] = &[
    (Order::Independent, "independent: a new permutation per repeat"),
    (Order::Composed, "composed: numpy\u{2019}s legacy generator, repeat after repeat"),
];

/// Classifiers in the order in which they run: field, label, help.
const CLASSIFIERS: [(Classifier, &str, &str, &str); 3] = [
    (Classifier::Prototype, "classifiers.prototype", "Prototypes", "The nearest class mean; at once."),
    (Classifier::Linear, "classifiers.linear", "Logistic regression", "Multinomial, with an L2 penalty (C = 1)."),
    (
        Classifier::Maxmargin,
        "classifiers.maxmargin",
        "Support vector machines",
        "One against the rest, squared hinge (C = 1); the slowest.",
    ),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("features", "Features", &spec.features);
    check.labels("labels.input", &spec.labels.input);
    let different = (0..spec.n_train.len()).all(|i| spec.n_train[i] > 0 && !spec.n_train[..i].contains(&spec.n_train[i]));
    check.require(!spec.n_train.is_empty() && different, "n_train", "Give different whole numbers of at least 1, separated by commas.");
    check.require(!spec.classifiers.is_empty(), "n_train", "Choose at least one classifier.");
    check.require(spec.n_test >= 1, "n_test", "Give a whole number of at least 1.");
    check.require((1..=MOST_REPEATS).contains(&spec.n_repeats), "n_repeats", "Give a whole number from 1 to 100,000.");
    check.require(spec.n_categories != Some(1), "n_categories", "Give at least 2, or 0 for all.");
    let needed = u64::from(spec.n_train.iter().copied().max().unwrap_or(0)) + u64::from(spec.n_test);
    let enough = spec.n_samples.is_none_or(|n| u64::from(n) >= needed);
    check.require(enough, "n_samples", "Give at least the largest number to train on plus the number to hold out, or 0.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.few_shot;
    let switches = CLASSIFIERS.map(|(classifier, field, title, help)| {
        switch(
            label(field, title, help),
            move || spec.with(|s| s.classifiers.contains(&classifier)),
            move |on| {
                spec.update(|s| {
                    let chosen = |c: &Classifier| if *c == classifier { on } else { s.classifiers.contains(c) };
                    s.classifiers = CLASSIFIERS.iter().map(|(c, ..)| *c).filter(chosen).collect();
                });
            },
        )
    });
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
        {switches.into_iter().collect_view()}
        {text(
            form,
            label("n_train", "Training samples of each class", "Separated by commas; each size gets its own fits."),
            move || spec.with(|s| s.n_train.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            move |v| spec.update(|s| s.n_train = fields::whole_numbers(&v)),
        )}
        {count(
            form,
            label("n_test", "Held-out samples of each class", "Never the ones that are trained on."),
            move || spec.with(|s| s.n_test),
            move |v| spec.update(|s| s.n_test = v),
        )}
        {count(
            form,
            label("n_repeats", "Repeats", "Each with other samples; their spread gives the error bars."),
            move || spec.with(|s| s.n_repeats),
            move |v| spec.update(|s| s.n_repeats = v),
        )}
        {limit(
            form,
            label("n_categories", "Classes", "At most so many, the first in the data; 0 for all."),
            move || spec.with(|s| s.n_categories),
            move |v| spec.update(|s| s.n_categories = v),
        )}
        {limit(
            form,
            label("n_samples", "Samples of each class", "The first so many rows; 0 for as many as every class has, at most 100 or what is needed."),
            move || spec.with(|s| s.n_samples),
            move |v| spec.update(|s| s.n_samples = v),
        )}
        {pooling::view(form, pooling::FEW, move || spec.with(|s| s.pool), move |v| spec.update(|s| s.pool = v))}
        {choice(
            form,
            label("order", "Order of the samples", "The same for all classes; composed repeats published scripts."),
            ORDERS,
            move || spec.with(|s| s.order),
            move |v| spec.update(|s| s.order = v),
        )}
        {seed(form, "The same seed gives the same samples.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
    }
    .into_any()
}
