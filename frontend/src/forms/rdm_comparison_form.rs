//! Form of the RDM comparison.

use eigenscope::analysis::rdm_comparison::inference::{Correction, Over, Test};
use eigenscope::analysis::rdm_comparison::{Compare, Family, Flexible, Spec};
use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::fields::{choice, count, input, inputs, label, seed, switch};
use super::label_fields::{self, limit};
use super::{Check, Form};

pub(super) const COMPARE: &[(Compare, &str)] = &[
    (Compare::Corr, "Pearson correlation"),
    (Compare::Cosine, "cosine"),
    (Compare::Spearman, "Spearman correlation"),
    (Compare::RhoA, "rho-a: Spearman under random tie breaking"),
    (Compare::TauA, "Kendall's tau-a"),
    (Compare::TauB, "Kendall's tau-b"),
    (Compare::CosineCov, "whitened cosine"),
    (Compare::CorrCov, "whitened Pearson correlation"),
    (Compare::Bures, "Bures similarity"),
    (Compare::BuresMetric, "Bures distance"),
    (Compare::NegRiemDist, "negative Riemannian distance"),
    (Compare::Euclidean, "Euclidean distance"),
];

const OVER: &[(Over, &str)] = &[
    (Over::Dual, "dual: new conditions and new data RDMs, corrected"),
    (Over::Both, "conditions and data RDMs at once (conservative)"),
    (Over::Pattern, "conditions"),
    (Over::Rdm, "data RDMs"),
];

const TEST: &[(Test, &str)] =
    &[(Test::T, "t-test"), (Test::Bootstrap, "shares of bootstrap resamples"), (Test::SignedRank, "Wilcoxon signed rank over data RDMs")];

const FAMILIES: &[(Option<Family>, &str)] = &[
    (None, "none"),
    (Some(Family::NonNegative), "sum of RDMs with weights of 0 or more"),
    (Some(Family::Weighted), "sum of RDMs with any weights"),
    (Some(Family::Select), "the RDM that fits best"),
    (Some(Family::Interpolate), "between two neighbors of a stack"),
];

const CORRECTION: &[(Correction, &str)] =
    &[(Correction::Fdr, "false discovery rate"), (Correction::Bonferroni, "Bonferroni"), (Correction::None, "none")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("data", "Data RDMs", &spec.data, 1);
    check.inputs("models", "Model RDMs", &spec.models, usize::from(spec.flexible.is_empty()));
    for model in &spec.flexible {
        check.inputs("flexible", "RDMs of the model", &model.rdms, 1);
    }
    if !spec.flexible.is_empty() {
        let fine = spec.inference.permutations == 0 || spec.inference.groups.is_some();
        check.require(fine, "inference.permutations", "Give 0: conditions are permuted for models without parameters only.");
        let fine = spec.inference.bootstrap == 0 || spec.cv.repeats >= 2;
        check.require(fine && spec.cv.repeats >= 1, "cv.repeats", "Give at least 1, and at least 2 with a bootstrap.");
    }
    if let Some(name) = spec.sigma_k.as_deref().filter(|_| whitened(spec.compare)) {
        check.input("sigma_k", "Covariance", name);
    }
    let inference = &spec.inference;
    check.require(inference.bootstrap <= 1_000_000, "inference.bootstrap", "Give a whole number up to 1,000,000.");
    check.require(inference.permutations <= 1_000_000, "inference.permutations", "Give a whole number up to 1,000,000.");
    let fine = inference.bootstrap > 0 || inference.test != Test::Bootstrap;
    check.require(fine, "inference.test", "Ask for bootstrap resamples above, or choose another test.");
    if let Some(labels) = &inference.groups {
        check.labels("inference.groups", &labels.input);
        check.require(inference.permutations > 0, "inference.permutations", "Give at least 1 to compare groups.");
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.rdm_comparison;
    let compare = Memo::new(move |_| spec.with(|s| s.compare));
    view! {
        {inputs(
            form,
            label("data", "Data RDMs", "K × K, a stack R × K × K, or R × K(K−1)/2 vectors; for example one RDM per subject."),
            move || spec.with(|s| s.data.clone()),
            move |v| spec.update(|s| s.data = v),
        )}
        {inputs(
            form,
            label("models", "Model RDMs", "The same conditions in the same order."),
            move || spec.with(|s| s.models.clone()),
            move |v| spec.update(|s| s.models = v),
        )}
        {choice(
            form,
            label("compare", "Measure", "Rank measures suit models that predict only an order; whitened ones allow for correlated entries."),
            COMPARE,
            move || compare.get(),
            move |v| spec.update(|s| s.compare = v),
        )}
        {move || {
            whitened(compare.get())
                .then(|| {
                    input(
                        form,
                        label("sigma_k", "Covariance of the conditions", "K × K; without it the identity is used."),
                        "identity",
                        move || spec.with(|s| s.sigma_k.clone().unwrap_or_default()),
                        move |v| spec.update(|s| s.sigma_k = Some(v).filter(|v| !v.is_empty())),
                    )
                })
        }}
        {fitted(form)}
        {uncertainty(form)}
    }
    .into_any()
}

/// A model with parameters; a spec from a file may have several, of which this is the first.
fn fitted(form: Form) -> AnyView {
    let spec = form.rdm_comparison;
    let family = Memo::new(move |_| spec.with(|s| s.flexible.first().map(|model| model.family)));
    let set = move |change: &dyn Fn(&mut Flexible)| spec.update(|s| s.flexible.iter_mut().take(1).for_each(change));
    let fields = move || {
        view! {
            {inputs(
                form,
                label("flexible", "RDMs of the model", "Stacks are taken apart; they are combined in this order."),
                move || spec.with(|s| s.flexible.first().map(|model| model.rdms.clone()).unwrap_or_default()),
                move |v| set(&|model| model.rdms.clone_from(&v)),
            )}
            {limit(
                form,
                label("cv.conditions", "Folds of conditions", "0 chooses by their number; at least 3 conditions in each."),
                move || spec.with(|s| s.cv.conditions),
                move |v| spec.update(|s| s.cv.conditions = v),
            )}
            {limit(
                form,
                label("cv.data", "Folds of data RDMs", "0 chooses by their number; 1 fits to all of them."),
                move || spec.with(|s| s.cv.data),
                move |v| spec.update(|s| s.cv.data = v),
            )}
            {count(
                form,
                label("cv.repeats", "Divisions into folds", "Scores are averaged over so many random ones."),
                move || spec.with(|s| s.cv.repeats),
                move |v| spec.update(|s| s.cv.repeats = v),
            )}
        }
    };
    view! {
        {choice(
            form,
            label("fitted", "Model with parameters", "Fitted to training folds; then all models are scored on held-out folds."),
            FAMILIES,
            move || family.get(),
            move |v| {
                spec.update(|s| match v {
                    None => s.flexible.clear(),
                    Some(family) => {
                        if s.flexible.is_empty() {
                            s.flexible.push(Flexible { name: "fitted".into(), ..Flexible::default() });
                        }
                        s.flexible.iter_mut().take(1).for_each(|model| model.family = family);
                    }
                });
            },
        )}
        {move || family.get().is_some().then(fields)}
    }
    .into_any()
}

fn uncertainty(form: Form) -> AnyView {
    let spec = form.rdm_comparison;
    let resamples = Memo::new(move |_| spec.with(|s| s.inference.bootstrap > 0));
    let grouped = Memo::new(move |_| spec.with(|s| s.inference.groups.is_some()));
    let random = Memo::new(move |_| spec.with(|s| s.inference.bootstrap > 0 || s.inference.permutations > 0));
    view! {
        {count(
            form,
            label("inference.bootstrap", "Bootstrap resamples", "For standard errors, intervals and tests; 0 takes them from the data RDMs alone."),
            move || spec.with(|s| s.inference.bootstrap),
            move |v| spec.update(|s| s.inference.bootstrap = v),
        )}
        {move || {
            resamples
                .get()
                .then(|| {
                    choice(
                        form,
                        label("inference.over", "Resampled", "To what the results generalize: new conditions, new data RDMs (subjects), or both."),
                        OVER,
                        move || spec.with(|s| s.inference.over),
                        move |v| spec.update(|s| s.inference.over = v),
                    )
                })
        }}
        {choice(
            form,
            label("inference.test", "Test", "Against zero, against the noise ceiling, and of models against each other."),
            TEST,
            move || spec.with(|s| s.inference.test),
            move |v| spec.update(|s| s.inference.test = v),
        )}
        {choice(
            form,
            label("inference.correction", "Correction for several tests", "Within each of the three kinds of tests."),
            CORRECTION,
            move || spec.with(|s| s.inference.correction),
            move |v| spec.update(|s| s.inference.correction = v),
        )}
        {count(
            form,
            label("inference.permutations", "Permutations", "Of the conditions of each model, for a test against unrelated RDMs; 0 for none."),
            move || spec.with(|s| s.inference.permutations),
            move |v| spec.update(|s| s.inference.permutations = v),
        )}
        {switch(
            label("inference.grouped", "Compare two groups of data RDMs", "By permuting their labels."),
            move || grouped.get(),
            move |v| spec.update(|s| s.inference.groups = v.then(Labels::default)),
        )}
        {move || {
            grouped
                .get()
                .then(|| {
                    label_fields::view(
                        form,
                        label("inference.groups", "Groups", "One label per data RDM, two different ones in all."),
                        "inference.groups.column",
                        move || spec.with(|s| s.inference.groups.clone().unwrap_or_default()),
                        move |v| spec.update(|s| s.inference.groups = Some(v)),
                    )
                })
        }}
        {move || {
            random
                .get()
                .then(|| {
                    seed(
                        form,
                        "The same seed gives the same resamples and permutations.",
                        move || spec.with(|s| s.inference.seed),
                        move |v| spec.update(|s| s.inference.seed = v),
                    )
                })
        }}
    }
    .into_any()
}

fn whitened(compare: Compare) -> bool {
    matches!(compare, Compare::CosineCov | Compare::CorrCov | Compare::NegRiemDist)
}
