//! Form of the RDM comparison.

use eigenscope::analysis::rdm_comparison::{Compare, Spec};
use leptos::prelude::*;

use super::fields::{choice, input, inputs, label};
use super::{Check, Form};

const COMPARE: &[(Compare, &str)] = &[
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

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("data", "Data RDMs", &spec.data, 1);
    check.inputs("models", "Model RDMs", &spec.models, 1);
    if let Some(name) = spec.sigma_k.as_deref().filter(|_| whitened(spec.compare)) {
        check.input("sigma_k", "Covariance", name);
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
    }
    .into_any()
}

fn whitened(compare: Compare) -> bool {
    matches!(compare, Compare::CosineCov | Compare::CorrCov)
}
