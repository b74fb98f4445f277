//! Form of the shape distances.

use eigenscope::analysis::shape_distance::{Score, Spec};
use leptos::prelude::*;

use super::fields::{choice, inputs, label, number, seed, switch};
use super::{Check, Form};

const SCORE: &[(Score, &str)] = &[(Score::Angular, "angular: angle in radians"), (Score::Euclidean, "Euclidean: size of the difference")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("inputs", "Representations", &spec.inputs, 2);
    check.require((0.0..=1.0).contains(&spec.alpha), "alpha", "Give a number from 0 to 1.");
    let fraction_fits = spec.train_fraction.is_none_or(|f| f > 0.0 && f < 1.0);
    check.require(fraction_fits, "train_fraction", "Give a number between 0 and 1, both excluded.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.shape_distance;
    let held_out = Memo::new(move |_| spec.with(|s| s.train_fraction.is_some()));
    view! {
        {inputs(
            form,
            label("inputs", "Representations", "At least two, with the same samples in the same order as rows."),
            move || spec.with(|s| s.inputs.clone()),
            move |v| spec.update(|s| s.inputs = v),
        )}
        {choice(
            form,
            label("score", "Distance", "What is measured after the best rotation."),
            SCORE,
            move || spec.with(|s| s.score),
            move |v| spec.update(|s| s.score = v),
        )}
        {number(
            form,
            label("alpha", "Regularization α", "1 compares by rotation only (Procrustes); 0 whitens fully (like CCA)."),
            "0.05",
            move || spec.with(|s| s.alpha),
            move |v| spec.update(|s| s.alpha = v),
        )}
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
        {switch(
            label("held_out", "Also measure on held-out rows", "The alignment is fitted on a random part of the rows and tested on the rest."),
            move || held_out.get(),
            move |v| spec.update(|s| s.train_fraction = v.then_some(0.8)),
        )}
        {move || {
            held_out
                .get()
                .then(|| {
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
                })
        }}
    }
    .into_any()
}
