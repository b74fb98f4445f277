//! Form of the dimension use.

use eigenscope::analysis::dimension_use::{Spec, default_counts};
use eigenscope::analysis::dimensionality::Pool;
use leptos::prelude::*;

use super::estimator::Estimator;
use super::fields::{input, label, seed, text};
use super::part::Part;
use super::{Check, Form, estimator, fields, pooling, splits};

const ESTIMATORS: &[(Estimator, &str)] =
    &[(Estimator::Ols, "least squares without penalty"), (Estimator::Ridge, "ridge regression"), (Estimator::Pls, "partial least squares")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("features", "Features", &spec.features);
    check.input("targets", "Targets", &spec.targets);
    let fine = !spec.num_pcs.is_empty() && spec.num_pcs.iter().all(|&k| k > 0);
    check.require(fine, "num_pcs", "Give whole numbers of at least 1, separated by commas.");
    estimator::check(&spec.model, check);
    splits::check(&spec.cv, check);
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.dimension_use;
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
        {input(
            form,
            label("reference", "Components fitted on", "Other rows with the same columns as the features."),
            "the training rows of each split",
            move || spec.with(|s| s.reference.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.reference = (!v.is_empty()).then_some(v)),
        )}
        {text(
            form,
            label(
                "num_pcs",
                "Numbers of components",
                "Separated by commas; larger ones than there are get left out. Empty: 20 values from 1 to 2048.",
            ),
            move || spec.with(|s| counts_text(&s.num_pcs)),
            move |v| spec.update(|s| s.num_pcs = counts_from(&v)),
        )}
        {estimator::view(form, Part::of(spec, |s| s.model.clone(), |s, model| s.model = model), ESTIMATORS)}
        {splits::view(form, Part::of(spec, |s| s.cv.clone(), |s, cv| s.cv = cv))}
        {pooling::view(form, pooling::FEW, move || spec.with(|s| s.pool), move |v| spec.update(|s| s.pool = v))}
        {move || {
            spec.with(|s| s.pool == Pool::None)
                .then(|| {
                    seed(form, "Of the random projection: the same seed gives the same result.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))
                })
        }}
    }
    .into_any()
}

/// The list as typed; empty for the default numbers.
fn counts_text(counts: &[u32]) -> String {
    if counts == default_counts() {
        return String::new();
    }
    counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads [`counts_text`]; what is no whole number becomes 0, which the check names.
fn counts_from(text: &str) -> Vec<u32> {
    if text.trim().is_empty() {
        return default_counts();
    }
    fields::whole_numbers(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_they_are_shown() {
        for list in [vec![1, 5, 40], default_counts()] {
            assert_eq!(counts_from(&counts_text(&list)), list);
        }
        assert_eq!(counts_from("3, ten"), [3, 0], "the check names what is no number");
    }
}
