//! Numbers of the estimators that few runs use: kernels and further feature spaces.

use eigenscope::analysis::encoding::{Kernel, Model};
use leptos::prelude::*;

use super::Form;
use super::fields::{choice, count, inputs, label, number};
use super::part::Part;

/// The kernels without their fields, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Rbf,
    Polynomial,
    Linear,
}

const SHAPES: &[(Shape, &str)] =
    &[(Shape::Rbf, "Gaussian: exp(−γ |x − y|²)"), (Shape::Polynomial, "polynomial: (γ x·y + c)^degree"), (Shape::Linear, "linear: x·y")];

/// The kernel and its numbers.
pub(super) fn kernel(form: Form, part: Part<Model>) -> AnyView {
    let now =
        Memo::new(move |_| part.with(|model| if let Model::KernelRidge { kernel, .. } = *model { kernel } else { Kernel::default() }));
    let shape = Memo::new(move |_| match now.get() {
        Kernel::Rbf { .. } => Shape::Rbf,
        Kernel::Polynomial { .. } => Shape::Polynomial,
        Kernel::Linear => Shape::Linear,
    });
    let set = move |to: Kernel| {
        part.update(|model| {
            if let Model::KernelRidge { kernel, .. } = model {
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

/// The further feature spaces of banded ridge.
pub(super) fn bands(form: Form, part: Part<Model>) -> AnyView {
    view! {
        {inputs(
            form,
            label("model.bands", "Further feature spaces", "The same rows as the features; each target weighs the spaces for itself."),
            move || part.with(|model| if let Model::BandedRidge { bands, .. } = model { bands.clone() } else { Vec::new() }),
            move |v| {
                part.update(|model| {
                    if let Model::BandedRidge { bands, .. } = model {
                        *bands = v;
                    }
                });
            },
        )}
        {count(
            form,
            label("model.candidates", "Mixtures to try", "Each space alone, all alike, and random ones."),
            move || part.with(|model| if let Model::BandedRidge { candidates, .. } = *model { candidates } else { 20 }),
            move |v| {
                part.update(|model| {
                    if let Model::BandedRidge { candidates, .. } = model {
                        *candidates = v;
                    }
                });
            },
        )}
    }
    .into_any()
}
