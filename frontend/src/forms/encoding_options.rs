//! Options of the encoding models that most runs leave alone: kernels, feature spaces, components, ceilings, conventions.

use eigenscope::analysis::encoding::{Components, Convention, Cv, Kernel, Model, Spec};
use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::fields::{choice, count, input, inputs, label, number, switch};
use super::{Check, Form, label_fields};

/// The kernels without their fields, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Rbf,
    Polynomial,
    Linear,
}

const SHAPES: &[(Shape, &str)] =
    &[(Shape::Rbf, "Gaussian: exp(−γ |x − y|²)"), (Shape::Polynomial, "polynomial: (γ x·y + c)^degree"), (Shape::Linear, "linear: x·y")];

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

/// The kernel and its numbers.
pub(super) fn kernel(form: Form) -> AnyView {
    let spec = form.encoding;
    let now = Memo::new(move |_| spec.with(|s| if let Model::KernelRidge { kernel, .. } = s.model { kernel } else { Kernel::default() }));
    let shape = Memo::new(move |_| match now.get() {
        Kernel::Rbf { .. } => Shape::Rbf,
        Kernel::Polynomial { .. } => Shape::Polynomial,
        Kernel::Linear => Shape::Linear,
    });
    let set = move |to: Kernel| {
        spec.update(|s| {
            if let Model::KernelRidge { kernel, .. } = &mut s.model {
                *kernel = to;
            }
        });
    };
    let gamma = move || {
        number(
            form,
            label("model.kernel.gamma", "γ", "Above 0; 0 stands for 1 / number of features."),
            "any",
            move || match now.get() {
                Kernel::Rbf { gamma } | Kernel::Polynomial { gamma, .. } => gamma.unwrap_or(0.0),
                Kernel::Linear => 0.0,
            },
            move |v| {
                let gamma = (v != 0.0).then_some(v);
                set(match now.get_untracked() {
                    Kernel::Polynomial { degree, coef0, .. } => Kernel::Polynomial { degree, gamma, coef0 },
                    Kernel::Rbf { .. } | Kernel::Linear => Kernel::Rbf { gamma },
                });
            },
        )
    };
    let degree = move || {
        count(
            form,
            label("model.kernel.degree", "Degree", "At least 1."),
            move || if let Kernel::Polynomial { degree, .. } = now.get() { degree } else { 2 },
            move |degree| {
                if let Kernel::Polynomial { gamma, coef0, .. } = now.get_untracked() {
                    set(Kernel::Polynomial { degree: degree.max(1), gamma, coef0 });
                }
            },
        )
    };
    view! {
        {choice(
            form,
            label("model.kernel", "Kernel", "How similar two samples are."),
            SHAPES,
            move || shape.get(),
            move |to| {
                set(match to {
                    Shape::Rbf => Kernel::Rbf { gamma: None },
                    Shape::Polynomial => Kernel::Polynomial { degree: 2, gamma: None, coef0: 1.0 },
                    Shape::Linear => Kernel::Linear,
                });
            },
        )}
        {move || (shape.get() == Shape::Polynomial).then(degree)}
        {move || (shape.get() != Shape::Linear).then(gamma)}
    }
    .into_any()
}

/// The labels that a scheme of splits goes by.
pub(super) fn labels(form: Form) -> AnyView {
    let spec = form.encoding;
    let update = move |change: &dyn Fn(&mut Labels)| {
        spec.update(|s| {
            if let Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } = &mut s.cv {
                change(labels);
            }
        });
    };
    let now = Memo::new(move |_| {
        spec.with(|s| match &s.cv {
            Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } => labels.clone(),
            Cv::Kfold { .. } | Cv::ShuffleSplit { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => Labels::default(),
        })
    });
    label_fields::view(
        form,
        label("cv.labels", "Labels", "One class or group per row: a table with a text column, or numbers."),
        "cv.labels.column",
        move || now.get(),
        move |to| update(&|labels| labels.clone_from(&to)),
    )
}

/// The further feature spaces of banded ridge.
pub(super) fn bands(form: Form) -> AnyView {
    let spec = form.encoding;
    view! {
        {inputs(
            form,
            label("model.bands", "Further feature spaces", "The same rows as the features; each target weighs the spaces for itself."),
            move || spec.with(|s| if let Model::BandedRidge { bands, .. } = &s.model { bands.clone() } else { Vec::new() }),
            move |v| {
                spec.update(|s| {
                    if let Model::BandedRidge { bands, .. } = &mut s.model {
                        *bands = v;
                    }
                });
            },
        )}
        {count(
            form,
            label("model.candidates", "Mixtures to try", "Each space alone, all alike, and random ones."),
            move || spec.with(|s| if let Model::BandedRidge { candidates, .. } = s.model { candidates } else { 20 }),
            move |v| {
                spec.update(|s| {
                    if let Model::BandedRidge { candidates, .. } = &mut s.model {
                        *candidates = v;
                    }
                });
            },
        )}
    }
    .into_any()
}
