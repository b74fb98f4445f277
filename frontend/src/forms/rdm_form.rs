//! Form of the RDM analysis.

use eigenscope::analysis::rdm::{Covariance, FoldWeights, Measure, Noise, RowPairs, Spec, Transform};
use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::fields::{choice, count, input, label, number, switch};
use super::{Check, Form, label_fields};

pub(super) const MEASURES: &[(Measure, &str)] = &[
    (Measure::Correlation, "correlation: 1 − Pearson r"),
    (Measure::Euclidean, "Euclidean"),
    (Measure::Sqeuclidean, "squared Euclidean"),
    (Measure::Cosine, "cosine: 1 − cosine similarity"),
    (Measure::Mahalanobis, "Mahalanobis: relative to the noise"),
    (Measure::Crossnobis, "crossnobis: cross-validated, unbiased"),
    (Measure::Poisson, "Poisson: symmetrized KL of firing rates"),
    (Measure::PoissonCv, "Poisson, cross-validated"),
    (Measure::Gaussian, "Gaussian kernel: 1 − exp(−d²/2σ²)"),
    (Measure::Minkowski, "Minkowski"),
    (Measure::Cityblock, "city block: sum of differences"),
    (Measure::Chebyshev, "Chebyshev: largest difference"),
];

/// Where the noise comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoiseFrom {
    Nowhere,
    Precision,
    Estimate,
}

const COVARIANCES: &[(Covariance, &str)] = &[
    (Covariance::ShrinkageDiag, "shrunk towards its diagonal"),
    (Covariance::ShrinkageEye, "shrunk towards the identity (Ledoit-Wolf)"),
    (Covariance::Full, "sample covariance"),
    (Covariance::Diag, "variances alone"),
];

const ROW_PAIRS: &[(Option<RowPairs>, &str)] = &[
    (None, "none: rows are averaged first"),
    (Some(RowPairs::Channels), "weighted by the channels that both rows have"),
    (Some(RowPairs::Equal), "equally"),
];

const FOLD_WEIGHTS: &[(FoldWeights, &str)] =
    &[(FoldWeights::Fold, "all folds equally"), (FoldWeights::Row, "each fold against all other rows")];

const TRANSFORMS: &[(Option<Transform>, &str)] = &[
    (None, "none"),
    (Some(Transform::Rank), "ranks"),
    (Some(Transform::Sqrt), "square root"),
    (Some(Transform::Positive), "negative values to 0"),
    (Some(Transform::MinMax), "from 0 to 1"),
    (Some(Transform::GeoTopological { low: 0.2, high: 0.8 }), "geo-topological, quantiles 0.2 and 0.8"),
    (Some(Transform::Geodesic), "geodesic: shortest paths"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("input", "Responses", &spec.input);
    if spec.measure == Measure::Mahalanobis && spec.noise.is_none() {
        check.input("precision", "Noise precision", spec.precision.as_deref().unwrap_or_default());
    }
    check_options(spec, check);
}

/// What does not depend on the input.
pub(super) fn check_options(spec: &Spec, check: &mut Check<'_>) {
    match spec.measure {
        Measure::Gaussian => check.require(spec.sigma > 0.0, "sigma", "Give a number above 0."),
        Measure::Minkowski => check.require(spec.minkowski_p >= 1.0, "minkowski_p", "Give a number of at least 1."),
        Measure::Crossnobis => {
            if let Some(name) = &spec.precision {
                check.input("precision", "Noise precision", name);
            }
        }
        Measure::Poisson | Measure::PoissonCv => {
            check.require(spec.prior_lambda > 0.0, "prior_lambda", "Give a number above 0.");
            check.require(spec.prior_weight >= 0.0, "prior_weight", "Give a number of at least 0.");
        }
        _ => {}
    }
    match &spec.conditions {
        Some(labels) => check.labels("conditions", &labels.input),
        None => check.require(!spec.measure.is_cross_validated(), "repeated", "Name the condition of each row."),
    }
    if let Some(labels) = spec.folds.as_ref().filter(|_| spec.measure.is_cross_validated()) {
        check.labels("folds", &labels.input);
    }
    if let Some(noise) = spec.noise.as_ref().filter(|_| spec.measure.uses_noise()) {
        match &noise.residuals {
            Some(name) => check.input("noise.residuals", "Residuals", name),
            None => check.require(spec.conditions.is_some(), "repeated", "Name the condition of each row, or residuals."),
        }
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.rdm;
    view! {
        {input(
            form,
            label("input", "Responses", "Rows are conditions or repetitions of them, columns are channels; with a third axis for time."),
            "choose a dataset",
            move || spec.with(|s| s.input.clone()),
            move |v| spec.update(|s| s.input = v),
        )}
        {dissimilarity(form, spec, false)}
        {over_time(form)}
        {choice(
            form,
            label("transforms", "Transform", "Of the dissimilarities, at the end."),
            TRANSFORMS,
            move || spec.with(|s| s.transforms.first().copied()),
            move |v| spec.update(|s| s.transforms = v.into_iter().collect()),
        )}
    }
    .into_any()
}

/// The measure, its options and the design; `local` for channels that change, which have no precision of their own.
pub(super) fn dissimilarity(form: Form, spec: RwSignal<Spec>, local: bool) -> AnyView {
    let measure = Memo::new(move |_| spec.with(|s| s.measure));
    view! {
        {choice(
            form,
            label("measure", "Dissimilarity", "Between the response patterns of two conditions."),
            MEASURES,
            move || measure.get(),
            move |v| spec.update(|s| s.measure = v),
        )}
        {move || options(form, spec, measure.get(), local)}
        {repetitions(form, spec, measure)}
        {switch(
            label("remove_mean", "Subtract each row's mean", "Removes the overall response level of a condition first."),
            move || spec.with(|s| s.remove_mean),
            move |v| spec.update(|s| s.remove_mean = v),
        )}
    }
    .into_any()
}

/// Which rows measure the same condition, and in which fold.
fn repetitions(form: Form, spec: RwSignal<Spec>, measure: Memo<Measure>) -> AnyView {
    let repeated = Memo::new(move |_| spec.with(|s| s.conditions.is_some()));
    let folded = Memo::new(move |_| spec.with(|s| s.folds.is_some()));
    let folds = move || {
        view! {
            {switch(
                label("folded", "Folds from a dataset", "Otherwise the r-th row of each condition is in fold r."),
                move || folded.get(),
                move |v| spec.update(|s| s.folds = v.then(Labels::default)),
            )}
            {move || {
                folded
                    .get()
                    .then(|| {
                        label_fields::view(
                            form,
                            label("folds", "Fold of each row", "Run or session: noise must be independent between folds."),
                            "folds.column",
                            move || spec.with(|s| s.folds.clone().unwrap_or_default()),
                            move |v| spec.update(|s| s.folds = Some(v)),
                        )
                    })
            }}
            {choice(
                form,
                label("fold_weights", "Folds of different sizes", "How they count."),
                FOLD_WEIGHTS,
                move || spec.with(|s| s.fold_weights),
                move |v| spec.update(|s| s.fold_weights = v),
            )}
        }
    };
    view! {
        {switch(
            label("repeated", "Rows repeat conditions", "Rows with the same label are averaged, or compared across folds."),
            move || repeated.get(),
            move |v| spec.update(|s| s.conditions = v.then(Labels::default)),
        )}
        {move || {
            repeated
                .get()
                .then(|| {
                    label_fields::view(
                        form,
                        label("conditions", "Condition of each row", "A table with a text column, or numbers."),
                        "conditions.column",
                        move || spec.with(|s| s.conditions.clone().unwrap_or_default()),
                        move |v| spec.update(|s| s.conditions = Some(v)),
                    )
                })
        }}
        {move || (repeated.get() && measure.get().is_cross_validated()).then(folds)}
        {move || {
            matches!(measure.get(), Measure::Sqeuclidean | Measure::Mahalanobis | Measure::Crossnobis)
                .then(|| {
                    choice(
                        form,
                        label("row_pairs", "Averages over pairs of rows", "For conditions missing from folds, and for data with gaps (NaN)."),
                        ROW_PAIRS,
                        move || spec.with(|s| s.row_pairs),
                        move |v| spec.update(|s| s.row_pairs = v),
                    )
                })
        }}
    }
    .into_any()
}

/// One RDM, or one for each time.
fn over_time(form: Form) -> AnyView {
    let spec = form.rdm;
    let on = Memo::new(move |_| spec.with(|s| s.time_bins.is_some()));
    view! {
        {switch(
            label("timed", "One RDM for each time", "The third axis of the responses is time."),
            move || on.get(),
            move |v| spec.update(|s| s.time_bins = v.then_some(0)),
        )}
        {move || {
            on.get()
                .then(|| {
                    count(
                        form,
                        label("time_bins", "Time bins", "Responses are averaged within each; 0 for every point of time."),
                        move || spec.with(|s| s.time_bins.unwrap_or(0)),
                        move |v| spec.update(|s| s.time_bins = Some(v)),
                    )
                })
        }}
    }
    .into_any()
}

/// The noise that distances are relative to.
fn noise(form: Form, spec: RwSignal<Spec>, optional: bool, local: bool) -> AnyView {
    let from = Memo::new(move |_| {
        spec.with(|s| match (&s.noise, &s.precision) {
            (Some(_), _) => NoiseFrom::Estimate,
            (None, None) if optional || local => NoiseFrom::Nowhere,
            (None, _) => NoiseFrom::Precision,
        })
    });
    const ALL: &[(NoiseFrom, &str)] = &[
        (NoiseFrom::Nowhere, "not taken into account"),
        (NoiseFrom::Precision, "precision matrix from a dataset"),
        (NoiseFrom::Estimate, "covariance estimated from repetitions or residuals"),
    ];
    const LOCAL: &[(NoiseFrom, &str)] = &[ALL[0], ALL[2]];
    let choices = match (local, optional) {
        (true, _) => LOCAL,
        (false, true) => ALL,
        (false, false) => &ALL[1..],
    };
    let fields = move || match from.get() {
        NoiseFrom::Nowhere => ().into_any(),
        NoiseFrom::Precision => input(
            form,
            label("precision", "Noise precision", "Inverse noise covariance, channels × channels."),
            "choose a dataset",
            move || spec.with(|s| s.precision.clone().unwrap_or_default()),
            move |v| spec.update(|s| s.precision = Some(v)),
        ),
        NoiseFrom::Estimate => {
            let set = move |change: &dyn Fn(&mut Noise)| spec.update(|s| change(s.noise.get_or_insert_default()));
            view! {
                {choice(
                    form,
                    label("noise.covariance", "Estimate", "Shrinkage keeps it invertible with few residuals."),
                    COVARIANCES,
                    move || spec.with(|s| s.noise.as_ref().map_or(Covariance::default(), |n| n.covariance)),
                    move |v| set(&|noise| noise.covariance = v),
                )}
                {input(
                    form,
                    label("noise.residuals", "Residuals", "Rows × channels; without them the deviations of rows from their condition's mean."),
                    "deviations from the conditions",
                    move || spec.with(|s| s.noise.as_ref().and_then(|n| n.residuals.clone()).unwrap_or_default()),
                    move |v| set(&|noise| noise.residuals = Some(v.clone()).filter(|v| !v.is_empty())),
                )}
            }
            .into_any()
        }
    };
    view! {
        {choice(
            form,
            label("noise", "Noise", "Channels are weighted by its inverse covariance."),
            choices,
            move || from.get(),
            move |v| {
                spec.update(|s| {
                    s.noise = (v == NoiseFrom::Estimate).then(Noise::default);
                    s.precision = (v == NoiseFrom::Precision).then(String::new);
                });
            },
        )}
        {fields}
    }
    .into_any()
}

/// What only some measures have.
fn options(form: Form, spec: RwSignal<Spec>, measure: Measure, local: bool) -> AnyView {
    match measure {
        Measure::Sqeuclidean => switch(
            label("normalize", "Divide by the number of channels", "The convention of rsatoolbox."),
            move || spec.with(|s| s.normalize),
            move |v| spec.update(|s| s.normalize = v),
        ),
        Measure::Gaussian => number(
            form,
            label("sigma", "Width σ", "In units of the data."),
            "any",
            move || spec.with(|s| s.sigma),
            move |v| spec.update(|s| s.sigma = v),
        ),
        Measure::Minkowski => number(
            form,
            label("minkowski_p", "Exponent p", "1 is city block, 2 is Euclidean."),
            "any",
            move || spec.with(|s| s.minkowski_p),
            move |v| spec.update(|s| s.minkowski_p = v),
        ),
        Measure::Mahalanobis => noise(form, spec, false, local),
        Measure::Crossnobis => noise(form, spec, true, local),
        Measure::Poisson | Measure::PoissonCv => view! {
            {number(
                form,
                label("prior_lambda", "Prior rate", "Keeps silent channels finite."),
                "any",
                move || spec.with(|s| s.prior_lambda),
                move |v| spec.update(|s| s.prior_lambda = v),
            )}
            {number(
                form,
                label("prior_weight", "Weight of the prior", "In numbers of observations."),
                "any",
                move || spec.with(|s| s.prior_weight),
                move |v| spec.update(|s| s.prior_weight = v),
            )}
            {switch(
                label("half", "Mean of both divergences", "Otherwise their sum, as in rsatoolbox."),
                move || spec.with(|s| s.half),
                move |v| spec.update(|s| s.half = v),
            )}
        }
        .into_any(),
        Measure::Correlation | Measure::Euclidean | Measure::Cosine | Measure::Cityblock | Measure::Chebyshev => ().into_any(),
    }
}
