//! Form of the encoding models.

use eigenscope::analysis::encoding::{Model, Preset, Spec};
use leptos::prelude::*;

use super::fields::{choice, input, label, switch};
use super::part::Part;
use super::{Check, Form, encoding_options, estimator, splits};

const PRESETS: &[(Option<Preset>, &str)] = &[
    (None, "my own"),
    (Some(Preset::Elmoznino), "Elmoznino & Bonner: PLS, random splits by class, (r / ceiling)²"),
    (Some(Preset::Brainscore), "Brain-Score: PLS, random splits by class, r² / ceiling"),
    (Some(Preset::BrainscoreNeuroid), "Brain-Score, target by target"),
    (Some(Preset::Warping), "encoder_warping: least squares, the last 20 % held out, R²"),
    (Some(Preset::Dnnbrain), "DNNBrain: least squares, five folds, R²"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("features", "Features", &spec.features);
    check.input("targets", "Targets", &spec.targets);
    estimator::check(&spec.model, check);
    splits::check(&spec.cv, check);
    if let Model::Ridge { alphas, .. } = &spec.model {
        let fine = !spec.penalize_intercept || (!spec.scaled_penalties && alphas.len() == 1 && alphas[0] > 0.0);
        check.require(fine, "penalize_intercept", "Give one penalty above 0, not scaled.");
    }
    encoding_options::check(spec, check);
}

/// Another estimator takes none of what ridge can do.
fn set_model(spec: &mut Spec, model: Model) {
    if !matches!(model, Model::Ridge { .. }) {
        (spec.scaled_penalties, spec.penalize_intercept) = (false, false);
    }
    spec.model = model;
}

fn ridge_options(form: Form) -> AnyView {
    let spec = form.encoding;
    view! {
        {switch(
            label("scaled_penalties", "Scaled penalties", "In units of the mean eigenvalue of the training features, so that their scale does not matter."),
            move || spec.with(|s| s.scaled_penalties),
            move |v| spec.update(|s| s.scaled_penalties = v),
        )}
        {switch(
            label("penalize_intercept", "Penalize the intercept", "As codes do that append a column of ones. Takes a single penalty; for comparison only."),
            move || spec.with(|s| s.penalize_intercept),
            move |v| spec.update(|s| s.penalize_intercept = v),
        )}
    }
    .into_any()
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.encoding;
    let is_ridge = Memo::new(move |_| spec.with(|s| matches!(s.model, Model::Ridge { .. })));
    view! {
        {input(
            form,
            label("features", "Features (X)", "Rows are samples; for example the activations of a network layer."),
            "choose a dataset",
            move || spec.with(|s| s.features.clone()),
            move |v| spec.update(|s| s.features = v),
        )}
        {input(
            form,
            label("targets", "Targets (Y)", "The same rows; for example neurons or voxels."),
            "choose a dataset",
            move || spec.with(|s| s.targets.clone()),
            move |v| spec.update(|s| s.targets = v),
        )}
        {choice(
            form,
            label("preset", "Settings", "Estimator, splits and final score of a project, all at once; or your own below."),
            PRESETS,
            move || spec.with(Preset::of),
            move |preset: Option<Preset>| spec.update(|s| preset.into_iter().for_each(|p| p.apply(s))),
        )}
        {estimator::view(form, Part::of(spec, |s| s.model.clone(), set_model), estimator::ESTIMATORS)}
        {move || is_ridge.get().then(|| ridge_options(form))}
        {splits::view(form, Part::of(spec, |s| s.cv.clone(), |s, cv| s.cv = cv))}
        {encoding_options::view(form)}
        {switch(
            label("keep_predictions", "Keep the predictions", "Adds the held-out prediction of every row and target to the result."),
            move || spec.with(|s| s.keep_predictions),
            move |v| spec.update(|s| s.keep_predictions = v),
        )}
    }
    .into_any()
}
