//! Form of the variance partition.

use eigenscope::analysis::encoding::Cv;
use eigenscope::analysis::variance_partition::{MAX_SPACES, Spec};
use leptos::prelude::*;

use super::estimator::Estimator;
use super::fields::{input, inputs, label, switch};
use super::part::Part;
use super::{Check, Form, estimator, splits};

const ESTIMATORS: &[(Estimator, &str)] = &[(Estimator::Ridge, "ridge regression"), (Estimator::Ols, "least squares without penalty")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("spaces", "Feature spaces", &spec.spaces, 2);
    check.require(spec.spaces.len() <= MAX_SPACES, "spaces", "Choose four at most: every subset of them is a model.");
    check.require(!spec.spaces.contains(&spec.targets), "spaces", "The targets are among the feature spaces.");
    check.input("targets", "Targets", &spec.targets);
    estimator::check(&spec.model, check);
    if let Some(cv) = &spec.cv {
        splits::check(cv, check);
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.variance_partition;
    let held_out = Memo::new(move |_| spec.with(|s| s.cv.is_some()));
    let cv = Part::of(spec, |s| s.cv.clone().unwrap_or_default(), |s, cv| s.cv = Some(cv));
    view! {
        {inputs(
            form,
            label("spaces", "Feature spaces", "Two to four, with the same samples in the same order as rows."),
            move || spec.with(|s| s.spaces.clone()),
            move |v| spec.update(|s| s.spaces = v),
        )}
        {input(
            form,
            label("targets", "Targets (Y)", "The same rows; for example neurons or voxels."),
            "choose a dataset",
            move || spec.with(|s| s.targets.clone()),
            move |v| spec.update(|s| s.targets = v),
        )}
        {estimator::view(form, Part::of(spec, |s| s.model.clone(), |s, model| s.model = model), ESTIMATORS)}
        {switch(
            label("held_out", "Score on held-out rows", "Otherwise models are fitted and scored on all rows, which favors wide feature spaces."),
            move || held_out.get(),
            move |on| spec.update(|s| s.cv = on.then(Cv::default)),
        )}
        {move || held_out.get().then(|| splits::view(form, cv))}
    }
    .into_any()
}
