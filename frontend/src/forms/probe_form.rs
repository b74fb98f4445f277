//! Form of the probes.

use eigenscope::analysis::encoding::Cv;
use eigenscope::analysis::probe::{Estimator, Iterate, Map, Rank, Score, Spec};
use leptos::prelude::*;

use super::fields::{choice, count, input, inputs, label, number, one_of, switch};
use super::label_fields::{self, limit};
use super::part::Part;
use super::{Check, Form, splits};

const ESTIMATORS: &[(Estimator, &str)] = &[
    (Estimator::Logistic, "logistic regression (classes)"),
    (Estimator::Svc, "support vector machines, one against one (classes)"),
    (Estimator::RidgeClassifier, "ridge classifier (classes)"),
    (Estimator::Ridge, "ridge regression (numbers)"),
    (Estimator::Glm, "least squares (numbers)"),
    (Estimator::Lasso, "lasso (numbers)"),
    (Estimator::Corr, "correlation of single units (numbers)"),
];

const MAPS: &[(Map, &str)] = &[(Map::Mv, "all units at once"), (Map::Uv, "the best single unit")];

const ITERATIONS: &[(Iterate, &str)] =
    &[(Iterate::None, "once: the whole layer"), (Iterate::Channel, "for each channel"), (Iterate::Position, "for each position")];

const SCORES: &[(Score, &str)] =
    &[(Score::R2, "R²"), (Score::ExplainedVariance, "explained variance"), (Score::Correlation, "correlation")];

const RANKS: &[(Rank, &str)] = &[(Rank::Abs, "the largest in size"), (Rank::Signed, "the largest with its sign")];

/// Whether folds are those of the estimator.
const FOLDS: &[(bool, &str)] = &[(false, "folds: stratified for classes, contiguous for numbers"), (true, "other splits")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    let estimator = spec.estimator;
    check.inputs("layers", "Layers", &spec.layers, 1);
    if estimator.is_classifier() {
        check.labels("labels.input", &spec.labels.input);
    } else {
        check.input("targets", "Targets", &spec.targets);
    }
    let positive = |value: Option<f64>| value.is_none_or(|v| v > 0.0 && v.is_finite());
    check.require(positive(spec.c), "c", "Give a number above 0.");
    let fine = if estimator == Estimator::Lasso { positive(spec.alpha) } else { spec.alpha.is_none_or(|a| a >= 0.0 && a.is_finite()) };
    check.require(fine, "alpha", "Give a number of at least 0; above 0 for the lasso.");
    check.require(spec.pca != Some(0), "pca", "Give at least 1, or 0 for the units as they are.");
    check.require(estimator != Estimator::Corr || spec.map == Map::Uv, "map", "Correlations are those of single units.");
    if estimator != Estimator::Corr {
        match &spec.cv {
            Some(cv) => splits::check(cv, check),
            None => check.require(spec.folds >= 2, "folds", "Give a whole number of at least 2."),
        }
    }
}

/// Another estimator takes none of what belongs to the old one.
fn set_estimator(spec: &mut Spec, estimator: Estimator) {
    (spec.estimator, spec.c, spec.alpha) = (estimator, None, None);
    if estimator == Estimator::Corr {
        (spec.map, spec.nested, spec.models) = (Map::Uv, false, false);
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.probe;
    let estimator = Memo::new(move |_| spec.with(|s| s.estimator));
    let map = Memo::new(move |_| spec.with(|s| s.map));
    view! {
        {inputs(
            form,
            label("layers", "Layers", "Activations of the same samples: samples × units, or samples × channels × rows × columns."),
            move || spec.with(|s| s.layers.clone()),
            move |v| spec.update(|s| s.layers = v),
        )}
        {choice(
            form,
            label("estimator", "Estimator", "What is fitted on the training rows of each split."),
            ESTIMATORS,
            move || estimator.get(),
            move |v| spec.update(|s| set_estimator(s, v)),
        )}
        {move || behavior(form, estimator.get())}
        {move || strength(form, estimator.get())}
        {choice(
            form,
            label("map", "Units", "A model of all of them, or the one that does best alone."),
            MAPS,
            move || map.get(),
            move |v| {
                spec.update(|s| {
                    s.map = v;
                    s.nested &= v == Map::Uv;
                });
            },
        )}
        {move || units(form, estimator.get(), map.get())}
        {choice(
            form,
            label("iterate", "Repeat", "For channels the units are its positions; for positions they are the channels."),
            ITERATIONS,
            move || spec.with(|s| s.iterate),
            move |v| spec.update(|s| s.iterate = v),
        )}
        {move || (estimator.get() != Estimator::Corr).then(|| held_out(form))}
        {move || (estimator.get() != Estimator::Corr).then(|| switch(
            label("models", "Keep models", "Also fits on all rows; the weights of units are in the saved result."),
            move || spec.with(|s| s.models),
            move |v| spec.update(|s| s.models = v),
        ))}
    }
    .into_any()
}

/// The labels or the targets.
fn behavior(form: Form, estimator: Estimator) -> AnyView {
    let spec = form.probe;
    if estimator.is_classifier() {
        return label_fields::view(
            form,
            label("labels.input", "Labels", "The class of each row: a table with a text column, or numbers."),
            "labels.column",
            move || spec.with(|s| s.labels.clone()),
            move |v| spec.update(|s| s.labels = v),
        );
    }
    let columns = move || form.columns(&[spec.with(|s| s.targets.clone())], false).into_iter().map(|name| (name, String::new())).collect();
    view! {
        {input(
            form,
            label("targets", "Targets", "Numbers of each row; several columns are predicted one by one."),
            "choose a dataset",
            move || spec.with(|s| s.targets.clone()),
            move |v| spec.update(|s| (s.targets, s.columns) = (v, Vec::new())),
        )}
        {one_of(
            form,
            label("columns", "Column of the targets", "A spec may name several."),
            "all columns",
            Box::new(columns),
            Box::new(move || spec.with(|s| s.columns.first().cloned().unwrap_or_default())),
            Box::new(move |name: String| spec.update(|s| s.columns = Some(name).filter(|n| !n.is_empty()).into_iter().collect())),
        )}
        {(estimator != Estimator::Corr).then(|| choice(
            form,
            label("score", "Score", "Of held-out rows."),
            SCORES,
            move || spec.with(|s| s.score),
            move |v| spec.update(|s| s.score = v),
        ))}
    }
    .into_any()
}

/// C or alpha.
fn strength(form: Form, estimator: Estimator) -> Option<AnyView> {
    let spec = form.probe;
    if let Some(usual) = estimator.default_c() {
        return Some(number(
            form,
            label("c", "C", "Weight of the losses: larger fits closer."),
            "any",
            move || spec.with(|s| s.c.unwrap_or(usual)),
            move |v| spec.update(|s| s.c = Some(v)),
        ));
    }
    let usual = estimator.default_alpha()?;
    Some(number(
        form,
        label("alpha", "Penalty", "Larger keeps weights smaller."),
        "any",
        move || spec.with(|s| s.alpha.unwrap_or(usual)),
        move |v| spec.update(|s| s.alpha = Some(v)),
    ))
}

/// What belongs to all units or to single ones.
fn units(form: Form, estimator: Estimator, map: Map) -> AnyView {
    let spec = form.probe;
    match (map, estimator) {
        (Map::Mv, _) => limit(
            form,
            label("pca", "Principal components", "Of the training rows of each split; 0 for the units as they are."),
            move || spec.with(|s| s.pca),
            move |v| spec.update(|s| s.pca = v),
        ),
        (Map::Uv, Estimator::Corr) => choice(
            form,
            label("rank", "Best correlation", "Over all rows."),
            RANKS,
            move || spec.with(|s| s.rank),
            move |v| spec.update(|s| s.rank = v),
        ),
        (Map::Uv, _) => switch(
            label(
                "nested",
                "Choose the unit on training rows",
                "Otherwise the same rows choose the unit and score it, which is optimistic.",
            ),
            move || spec.with(|s| s.nested),
            move |v| spec.update(|s| s.nested = v),
        ),
    }
}

fn held_out(form: Form) -> AnyView {
    let spec = form.probe;
    let others = Memo::new(move |_| spec.with(|s| s.cv.is_some()));
    let cv = Part::of(spec, |s| s.cv.clone().unwrap_or_default(), |s, v| s.cv = Some(v));
    let fields = move || {
        if others.get() {
            splits::view(form, cv)
        } else {
            count(
                form,
                label("folds", "Folds", "At least 2; classes need as many rows."),
                move || spec.with(|s| s.folds),
                move |v| spec.update(|s| s.folds = v),
            )
        }
    };
    view! {
        {choice(
            form,
            label("splits", "Splits", "Which rows are held out."),
            FOLDS,
            move || others.get(),
            move |v| spec.update(|s| s.cv = v.then(Cv::default)),
        )}
        {fields}
    }
    .into_any()
}
