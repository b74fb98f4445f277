//! Form of the shape distances.

use eigenscope::analysis::shape_distance::{Channels, Metric, Score, Spec};
use leptos::prelude::*;

use super::fields::{choice, count, inputs, label, number, seed, switch};
use super::{Check, Form};

pub(super) const SCORE: &[(Score, &str)] =
    &[(Score::Angular, "angular: angle in radians"), (Score::Euclidean, "Euclidean: size of the difference")];

const METRIC: &[(Metric, &str)] = &[
    (Metric::Linear, "linear: rotation of whitened features"),
    (Metric::Permutation, "permutation: best matching of features"),
    (Metric::Identity, "identity: features as they are"),
    (Metric::Cka, "CKA: angle of Gram matrices"),
    (Metric::Convolutional, "convolutional: rotated channels, shifted maps"),
];

const CHANNELS: &[(Channels, &str)] =
    &[(Channels::First, "images × channels × height × width"), (Channels::Last, "images × height × width × channels")];

/// How rows are held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HeldOut {
    None,
    Part,
    Folds,
}

const HELD_OUT: &[(HeldOut, &str)] =
    &[(HeldOut::None, "none: fit and measure on all"), (HeldOut::Part, "a random part"), (HeldOut::Folds, "each fold in turn")];

fn held_out(spec: &Spec) -> HeldOut {
    match (spec.train_fraction, spec.n_folds) {
        (_, Some(_)) => HeldOut::Folds,
        (Some(_), None) => HeldOut::Part,
        (None, None) => HeldOut::None,
    }
}

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("inputs", "Representations", &spec.inputs, if spec.against.is_empty() { 2 } else { 1 });
    check.inputs("against", "Others", &spec.against, 0);
    check.require((0.0..=1.0).contains(&spec.alpha), "alpha", "Give a number from 0 to 1.");
    let fraction_fits = spec.train_fraction.is_none_or(|f| f > 0.0 && f < 1.0);
    check.require(fraction_fits, "train_fraction", "Give a number between 0 and 1, both excluded.");
    check.require(spec.n_folds.is_none_or(|k| k > 1), "n_folds", "Give a whole number of at least 2.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.shape_distance;
    let metric = Memo::new(move |_| spec.with(|s| s.metric));
    let parts = Memo::new(move |_| spec.with(held_out));
    let choose_metric = move |v: Metric| {
        spec.update(|s| {
            s.metric = v;
            // What the metric cannot have would only be refused.
            if !matches!(v, Metric::Linear | Metric::Convolutional) {
                s.alpha = 1.0;
            }
            if v == Metric::Convolutional {
                (s.train_fraction, s.n_folds) = (None, None);
            }
        });
    };
    let choose_parts = move |v: HeldOut| {
        spec.update(|s| {
            s.train_fraction = (v == HeldOut::Part).then_some(0.8);
            s.n_folds = (v == HeldOut::Folds).then_some(5);
        });
    };
    let whitening = move || {
        number(
            form,
            label("alpha", "Regularization α", "1 compares by rotation only (Procrustes); 0 whitens fully (like CCA)."),
            "0.05",
            move || spec.with(|s| s.alpha),
            move |v| spec.update(|s| s.alpha = v),
        )
    };
    let axes = move || {
        choice(
            form,
            label("channels", "Axes", "Where the channels are."),
            CHANNELS,
            move || spec.with(|s| s.channels),
            move |v| spec.update(|s| s.channels = v),
        )
    };
    let rows = move || {
        choice(
            form,
            label("held_out", "Held-out rows", "The alignment is fitted on the other rows and measured on these."),
            HELD_OUT,
            move || parts.get(),
            choose_parts,
        )
    };
    let fraction = move || {
        view! {
            {number(
                form,
                label("train_fraction", "Fraction of rows to fit on", "Between 0 and 1."),
                "0.05",
                move || spec.with(|s| s.train_fraction.unwrap_or(0.8)),
                move |v| spec.update(|s| s.train_fraction = Some(v)),
            )}
            {seed(form, "Chooses the rows: the same seed gives the same result.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
        }
    };
    let folds = move || {
        count(
            form,
            label("n_folds", "Folds", "Blocks of rows, each held out once."),
            move || spec.with(|s| s.n_folds.unwrap_or(5)),
            move |v| spec.update(|s| s.n_folds = Some(v)),
        )
    };
    view! {
        {inputs(
            form,
            label("inputs", "Representations", "At least two, with the same samples in the same order as rows."),
            move || spec.with(|s| s.inputs.clone()),
            move |v| spec.update(|s| s.inputs = v),
        )}
        {inputs(
            form,
            label("against", "Against others", "With some of these: a table of the representations above against these, instead of all pairs."),
            move || spec.with(|s| s.against.clone()),
            move |v| spec.update(|s| s.against = v),
        )}
        {choice(form, label("metric", "Alignment", "What is free before distances are measured."), METRIC, move || metric.get(), choose_metric)}
        {choice(
            form,
            label("score", "Distance", "What is measured after the best alignment."),
            SCORE,
            move || spec.with(|s| s.score),
            move |v| spec.update(|s| s.score = v),
        )}
        {move || matches!(metric.get(), Metric::Linear | Metric::Convolutional).then(whitening)}
        {move || (metric.get() == Metric::Convolutional).then(axes)}
        {switch(
            label("center_columns", "Subtract column means", "Makes the distance blind to a common shift."),
            move || spec.with(|s| s.center_columns),
            move |v| spec.update(|s| s.center_columns = v),
        )}
        {switch(
            label("zero_pad", "Pad the narrower input with zeros", "Otherwise inputs with different numbers of columns are an error."),
            move || spec.with(|s| s.zero_pad),
            move |v| spec.update(|s| s.zero_pad = v),
        )}
        {move || (metric.get() != Metric::Convolutional).then(rows)}
        {move || match parts.get() {
            HeldOut::None => ().into_any(),
            HeldOut::Part => fraction().into_any(),
            HeldOut::Folds => folds(),
        }}
    }
    .into_any()
}
