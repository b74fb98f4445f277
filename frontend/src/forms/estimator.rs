//! The estimator and its penalties: the part of a form that every analysis with a regression has.

use eigenscope::analysis::encoding::{Kernel, Model, Selection, default_alphas};
use leptos::prelude::*;

use super::fields::{choice, count, label, text};
use super::part::Part;
use super::{Check, Form, kernels};

/// The variants without their fields, for the selects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Estimator {
    Ridge,
    Ols,
    Pls,
    KernelRidge,
    BandedRidge,
    BestUnit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choose {
    LeaveOneOut,
    Gcv,
    Kfold,
}

/// All of them, with their titles.
pub(super) const ESTIMATORS: &[(Estimator, &str)] = &[
    (Estimator::Ridge, "ridge regression"),
    (Estimator::Ols, "least squares without penalty"),
    (Estimator::Pls, "partial least squares"),
    (Estimator::KernelRidge, "kernel ridge regression"),
    (Estimator::BandedRidge, "banded ridge over several feature spaces"),
    (Estimator::BestUnit, "the best single feature of each target"),
];
const CHOOSE: &[(Choose, &str)] = &[
    (Choose::LeaveOneOut, "leave-one-out R²"),
    (Choose::Gcv, "generalized cross-validation"),
    (Choose::Kfold, "R² over contiguous inner folds"),
];

pub(super) fn check(model: &Model, check: &mut Check<'_>) {
    match model {
        Model::Ols | Model::BestUnit => {}
        Model::Ridge { alphas, selection } | Model::KernelRidge { alphas, selection, .. } => {
            let fine = !alphas.is_empty() && alphas.iter().all(|&a| a >= 0.0 && a.is_finite());
            check.require(fine, "model.alphas", "Give numbers of at least 0, separated by commas.");
            let inner = !matches!(selection, Selection::Kfold { k } if *k < 2);
            check.require(inner, "model.selection.k", "Give a whole number of at least 2.");
        }
        Model::BandedRidge { bands, alphas, candidates, k, .. } => {
            check.inputs("model.bands", "Further feature spaces", bands, 1);
            let fine = !alphas.is_empty() && alphas.iter().all(|&a| a > 0.0 && a.is_finite());
            check.require(fine, "model.alphas", "Give numbers above 0, separated by commas.");
            check.require(
                *candidates as usize >= bands.len() + 2,
                "model.candidates",
                "Give at least the number of feature spaces plus one.",
            );
            check.require(*k >= 2, "model.k", "Give a whole number of at least 2.");
        }
        Model::Pls { components } => check.require(*components >= 1, "model.components", "Give a whole number of at least 1."),
    }
}

/// The estimators that are offered, and the numbers of the chosen one.
pub(super) fn view(form: Form, part: Part<Model>, offered: &'static [(Estimator, &'static str)]) -> AnyView {
    let estimator = Memo::new(move |_| part.with(estimator_of));
    view! {
        {choice(
            form,
            label("model", "Model", "Linear, with an intercept that is not penalized."),
            offered,
            move || estimator.get(),
            move |v| {
                let model = match v {
                    Estimator::Ridge => Model::default(),
                    Estimator::Ols => Model::Ols,
                    Estimator::BestUnit => Model::BestUnit,
                    Estimator::Pls => Model::Pls { components: 25 },
                    Estimator::KernelRidge => {
                        Model::KernelRidge { kernel: Kernel::default(), alphas: default_alphas(), selection: Selection::default() }
                    }
                    Estimator::BandedRidge => {
                        Model::BandedRidge { bands: Vec::new(), alphas: default_alphas(), candidates: 20, k: 5, seed: 0 }
                    }
                };
                part.set(model);
            },
        )}
        {move || model_fields(form, part, estimator.get())}
    }
    .into_any()
}

fn model_fields(form: Form, part: Part<Model>, estimator: Estimator) -> AnyView {
    match estimator {
        Estimator::Ols | Estimator::BestUnit => ().into_any(),
        Estimator::Pls => count(
            form,
            label("model.components", "Components", "At most the number of training rows or features."),
            move || part.with(|model| if let Model::Pls { components } = *model { components } else { 25 }),
            move |v| part.set(Model::Pls { components: v }),
        ),
        Estimator::Ridge => ridge_fields(form, part),
        Estimator::KernelRidge => view! {
            {kernels::kernel(form, part)}
            {ridge_fields(form, part)}
        }
        .into_any(),
        Estimator::BandedRidge => view! {
            {kernels::bands(form, part)}
            {penalties(form, part)}
        }
        .into_any(),
    }
}

/// The penalties of a ridge model, one comma-separated list.
fn penalties(form: Form, part: Part<Model>) -> AnyView {
    text(
        form,
        label(
            "model.alphas",
            "Penalties",
            "Separated by commas; each target takes its best one on the training rows. Empty: 20 values from 0.01 to 10,000,000.",
        ),
        move || part.with(|model| alphas_of(model).map(alphas_text).unwrap_or_default()),
        move |v| {
            part.update(|model| {
                if let Model::Ridge { alphas, .. } | Model::KernelRidge { alphas, .. } | Model::BandedRidge { alphas, .. } = model {
                    *alphas = alphas_from(&v);
                }
            });
        },
    )
}

fn alphas_of(model: &Model) -> Option<&[f64]> {
    match model {
        Model::Ridge { alphas, .. } | Model::KernelRidge { alphas, .. } | Model::BandedRidge { alphas, .. } => Some(alphas),
        Model::Ols | Model::BestUnit | Model::Pls { .. } => None,
    }
}

fn ridge_fields(form: Form, part: Part<Model>) -> AnyView {
    let update = move |to: Selection| {
        part.update(|model| {
            if let Model::Ridge { selection, .. } | Model::KernelRidge { selection, .. } = model {
                *selection = to;
            }
        });
    };
    let selection = Memo::new(move |_| {
        part.with(|model| match *model {
            Model::Ridge { selection, .. } | Model::KernelRidge { selection, .. } => selection,
            Model::Ols | Model::BestUnit | Model::Pls { .. } | Model::BandedRidge { .. } => Selection::default(),
        })
    });
    view! {
        {penalties(form, part)}
        {choice(
            form,
            label("model.selection", "Penalty chosen by", "Within the training rows only."),
            CHOOSE,
            move || match selection.get() {
                Selection::LeaveOneOut => Choose::LeaveOneOut,
                Selection::Gcv => Choose::Gcv,
                Selection::Kfold { .. } => Choose::Kfold,
            },
            move |v| {
                let to = match v {
                    Choose::LeaveOneOut => Selection::LeaveOneOut,
                    Choose::Gcv => Selection::Gcv,
                    Choose::Kfold => Selection::Kfold { k: 5 },
                };
                update(to);
            },
        )}
        {move || {
            matches!(selection.get(), Selection::Kfold { .. })
                .then(|| {
                    count(
                        form,
                        label("model.selection.k", "Inner folds", "At least 2."),
                        move || if let Selection::Kfold { k } = selection.get() { k } else { 5 },
                        move |v| update(Selection::Kfold { k: v }),
                    )
                })
        }}
    }
    .into_any()
}

fn estimator_of(model: &Model) -> Estimator {
    match model {
        Model::Ridge { .. } => Estimator::Ridge,
        Model::Ols => Estimator::Ols,
        Model::BestUnit => Estimator::BestUnit,
        Model::Pls { .. } => Estimator::Pls,
        Model::KernelRidge { .. } => Estimator::KernelRidge,
        Model::BandedRidge { .. } => Estimator::BandedRidge,
    }
}

/// The list as typed; empty for the default grid, `?` for what was not a number.
fn alphas_text(alphas: &[f64]) -> String {
    if alphas == default_alphas() {
        return String::new();
    }
    let one = |a: &f64| if a.is_nan() { "?".into() } else { a.to_string() };
    alphas.iter().map(one).collect::<Vec<String>>().join(", ")
}

/// Reads [`alphas_text`].
fn alphas_from(text: &str) -> Vec<f64> {
    if text.trim().is_empty() {
        return default_alphas();
    }
    text.split([',', ' ', ';']).filter(|t| !t.is_empty()).map(|t| t.parse().unwrap_or(f64::NAN)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn penalties_read_back_as_they_are_shown() {
        for list in [vec![0.0, 1e-3, 12.5], vec![1e7], default_alphas()] {
            assert_eq!(alphas_from(&alphas_text(&list)), list);
        }
    }

    #[test]
    fn a_penalty_that_is_no_number_is_kept_for_the_check_to_name() {
        let list = alphas_from("1, ten");
        assert!(list[0] == 1.0 && list[1].is_nan(), "the second is not a number: {list:?}");
    }
}
