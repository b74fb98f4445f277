//! Form of the layer profiles.

use eigenscope::analysis::layer_profile::Spec;
use leptos::prelude::*;

use super::fields::{choice, count, input, label};
use super::rdm_comparison_form::COMPARE;
use super::rdm_form::MEASURES;
use super::{Check, Form, extraction_form};

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    for (field, title, name) in [("rdms", "Measured RDMs", &spec.rdms), ("targets", "Responses", &spec.targets)] {
        if let Some(name) = name {
            check.input(field, title, name);
        }
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.layer_profile;
    let has_rdms = Memo::new(move |_| spec.with(|s| s.rdms.is_some()));
    let has_targets = Memo::new(move |_| spec.with(|s| s.targets.is_some()));
    let comparison = move || {
        has_rdms.get().then(|| {
            view! {
                {choice(
                    form,
                    label("measure", "Dissimilarity", "Between the patterns of a layer."),
                    MEASURES,
                    move || spec.with(|s| s.measure),
                    move |v| spec.update(|s| s.measure = v),
                )}
                {choice(
                    form,
                    label("compare", "Similarity", "Between the RDM of a layer and the measured ones."),
                    COMPARE,
                    move || spec.with(|s| s.compare),
                    move |v| spec.update(|s| s.compare = v),
                )}
            }
        })
    };
    let folds = move || {
        has_targets.get().then(|| {
            count(
                form,
                label("seed", "Seed", "Of the ten shuffled folds of the encoding models."),
                move || spec.with(|s| s.seed),
                move |v| spec.update(|s| s.seed = v),
            )
        })
    };
    view! {
        {extraction_form::view(form, form.profile_extraction)}
        {input(
            form,
            label("rdms", "Measured RDMs", "Of the same images, in their order: each layer's RDM is compared with them."),
            "none: no comparison",
            move || spec.with(|s| s.rdms.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.rdms = Some(v).filter(|v| !v.is_empty())),
        )}
        {comparison}
        {input(
            form,
            label("targets", "Responses", "Images × neurons or voxels, in the order of the images: each layer predicts them."),
            "none: no encoding models",
            move || spec.with(|s| s.targets.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.targets = Some(v).filter(|v| !v.is_empty())),
        )}
        {folds}
    }
    .into_any()
}
