//! Form of the searchlights.

use eigenscope::analysis::rdm::{self, Measure};
use eigenscope::analysis::searchlight::Spec;
use leptos::prelude::*;

use super::fields::{choice, input, inputs, label, number, switch};
use super::rdm_comparison_form::COMPARE;
use super::{Check, Form, rdm_form};

pub(super) fn check(spec: &Spec, rdm: &rdm::Spec, check: &mut Check<'_>) {
    check.input("rdm.input", "Image", &rdm.input);
    check.inputs("models", "Model RDMs", &spec.models, 1);
    if let Some(mask) = &spec.mask {
        check.input("mask", "Mask", mask);
    }
    check.require(spec.radius > 0.0, "radius", "Give a number above 0.");
    check.require((0.0..=1.0).contains(&spec.threshold), "threshold", "Give a number from 0 to 1.");
    let needs_noise = rdm.measure == Measure::Mahalanobis && rdm.noise.is_none();
    check.require(!needs_noise, "noise", "Say how the noise is estimated.");
    rdm_form::check_options(rdm, check);
}

pub(super) fn view(form: Form) -> AnyView {
    let (spec, rdm) = (form.searchlight, form.searchlight_rdm);
    view! {
        {input(
            form,
            label("rdm.input", "Image", "A NIfTI image or an array with axes x, y, z and conditions."),
            "choose a dataset",
            move || rdm.with(|s| s.input.clone()),
            move |v| rdm.update(|s| s.input = v),
        )}
        {input(
            form,
            label("mask", "Mask", "Voxels that are not 0 are inside."),
            "all voxels that vary",
            move || spec.with(|s| s.mask.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.mask = Some(v).filter(|v| !v.is_empty())),
        )}
        {inputs(
            form,
            label("models", "Model RDMs", "Of the conditions of the image, in their order."),
            move || spec.with(|s| s.models.clone()),
            move |v| spec.update(|s| s.models = v),
        )}
        {number(
            form,
            label("radius", "Radius", "Voxels nearer to the center than this, in voxels."),
            "any",
            move || spec.with(|s| s.radius),
            move |v| spec.update(|s| s.radius = v),
        )}
        {number(
            form,
            label("threshold", "Share inside the mask", "Searchlights with a smaller share are left out."),
            "any",
            move || spec.with(|s| s.threshold),
            move |v| spec.update(|s| s.threshold = v),
        )}
        {switch(
            label("truncate", "Cut at the mask", "Voxels outside it are left out of searchlights."),
            move || spec.with(|s| s.truncate),
            move |v| spec.update(|s| s.truncate = v),
        )}
        {rdm_form::dissimilarity(form, rdm, true)}
        {choice(
            form,
            label("compare", "Similarity", "Between a searchlight's RDM and a model."),
            COMPARE,
            move || spec.with(|s| s.compare),
            move |v| spec.update(|s| s.compare = v),
        )}
    }
    .into_any()
}
