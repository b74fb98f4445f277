//! Options of the encoding models that most runs leave alone: components, ceilings, conventions.

use eigenscope::analysis::encoding::{Components, Convention, Kernel, Model, Spec};
use leptos::prelude::*;

use super::fields::{choice, count, input, label, switch};
use super::{Check, Form};

const CONVENTIONS: &[(Convention, &str)] = &[
    (Convention::Raw, "median r over targets, mean over splits"),
    (Convention::Elmoznino, "Elmoznino & Bonner: (r / ceiling)²"),
    (Convention::Brainscore, "Brain-Score: r² / ceiling"),
    (Convention::BrainscoreNeuroid, "Brain-Score, target by target: median of r² / ceiling"),
    (Convention::Warping, "encoder_warping: mean R² over targets"),
    (Convention::Dnnbrain, "DNNBrain: mean R² over targets and folds"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    if let Model::KernelRidge { kernel: Kernel::Rbf { gamma } | Kernel::Polynomial { gamma, .. }, .. } = &spec.model {
        let fine = gamma.is_none_or(|g| g > 0.0 && g.is_finite());
        check.require(fine, "model.kernel.gamma", "Give a number above 0; 0 stands for 1 / number of features.");
    }
    if let Some(pca) = &spec.pca {
        check.require(pca.components >= 1, "pca.components", "Give a whole number of at least 1.");
    }
}

/// Fields below the model and the splits.
pub(super) fn view(form: Form) -> AnyView {
    let spec = form.encoding;
    let has_pca = Memo::new(move |_| spec.with(|s| s.pca.is_some()));
    view! {
        {switch(
            label("pca", "Principal components first", "The model sees scores of principal components instead of the features."),
            move || has_pca.get(),
            move |on| spec.update(|s| s.pca = on.then_some(Components { components: 1000, reference: None })),
        )}
        {move || has_pca.get().then(|| components(form))}
        {input(
            form,
            label("repetitions", "Repetitions", "Single repetitions of the targets (repetitions × samples × targets); they give the ceiling."),
            "none: no ceiling",
            move || spec.with(|s| s.repetitions.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.repetitions = (!v.is_empty()).then_some(v)),
        )}
        {choice(
            form,
            label("convention", "Final score", "The raw scores are always shown beside it."),
            CONVENTIONS,
            move || spec.with(|s| s.convention),
            move |v| spec.update(|s| s.convention = v),
        )}
    }
    .into_any()
}

fn components(form: Form) -> AnyView {
    let spec = form.encoding;
    view! {
        {count(
            form,
            label("pca.components", "Components", "At most so many; fewer when the rows have a smaller rank."),
            move || spec.with(|s| s.pca.as_ref().map_or(1000, |p| p.components)),
            move |v| spec.update(|s| s.pca.iter_mut().for_each(|p| p.components = v)),
        )}
        {input(
            form,
            label("pca.reference", "Fitted on", "Other rows with the same columns as the features."),
            "the training rows of each split",
            move || spec.with(|s| s.pca.as_ref().and_then(|p| p.reference.clone()).unwrap_or_default()),
            move |v| spec.update(|s| s.pca.iter_mut().for_each(|p| p.reference = (!v.is_empty()).then(|| v.clone()))),
        )}
    }
    .into_any()
}
