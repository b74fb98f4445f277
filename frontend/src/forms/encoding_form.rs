//! Form of the encoding models.

use eigenscope::analysis::encoding::{Cv, Kernel, Model, Selection, Spec, default_alphas};
use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::fields::{choice, count, input, label, number, switch, text};
use super::{Check, Form, encoding_options};

/// The variants without their fields, for the selects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Estimator {
    Ridge,
    Ols,
    Pls,
    KernelRidge,
    BandedRidge,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Kfold,
    ShuffleSplit,
    StratifiedKfold,
    StratifiedShuffle,
    Group,
    Contiguous,
    Folds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Choose {
    LeaveOneOut,
    Gcv,
    Kfold,
}

const ESTIMATORS: &[(Estimator, &str)] = &[
    (Estimator::Ridge, "ridge regression"),
    (Estimator::Ols, "least squares without penalty"),
    (Estimator::Pls, "partial least squares"),
    (Estimator::KernelRidge, "kernel ridge regression"),
    (Estimator::BandedRidge, "banded ridge over several feature spaces"),
];
const SCHEMES: &[(Scheme, &str)] = &[
    (Scheme::Kfold, "k folds: every row is held out once"),
    (Scheme::ShuffleSplit, "independent random splits"),
    (Scheme::StratifiedKfold, "k folds with the same share of every class"),
    (Scheme::StratifiedShuffle, "random splits with the same share of every class"),
    (Scheme::Group, "folds that keep groups together"),
    (Scheme::Contiguous, "first 60 %, last 20 % held out"),
    (Scheme::Folds, "folds from a dataset"),
];
const CHOOSE: &[(Choose, &str)] = &[
    (Choose::LeaveOneOut, "leave-one-out R²"),
    (Choose::Gcv, "generalized cross-validation"),
    (Choose::Kfold, "R² over contiguous inner folds"),
];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.input("features", "Features", &spec.features);
    check.input("targets", "Targets", &spec.targets);
    match &spec.model {
        Model::Ols => {}
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
    match &spec.cv {
        Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } => {
            check.labels("cv.labels", &labels.input);
        }
        Cv::Kfold { .. } | Cv::ShuffleSplit { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => {}
    }
    match &spec.cv {
        Cv::StratifiedKfold { k, .. } | Cv::Group { k: Some(k), .. } => {
            check.require(*k >= 2, "cv.k", "Give a whole number of at least 2.");
        }
        Cv::Group { k: None, .. } => {}
        Cv::Contiguous { train_fraction, validation_fraction } => {
            let fine = *train_fraction > 0.0 && *validation_fraction >= 0.0 && train_fraction + validation_fraction < 1.0;
            check.require(fine, "cv.train_fraction", "Give fractions that add up to less than 1.");
        }
        Cv::Kfold { k, .. } => check.require(*k >= 2, "cv.k", "Give a whole number of at least 2."),
        Cv::ShuffleSplit { n_splits, train_fraction, .. } | Cv::StratifiedShuffle { n_splits, train_fraction, .. } => {
            check.require(*n_splits >= 1, "cv.n_splits", "Give a whole number of at least 1.");
            let fine = *train_fraction > 0.0 && *train_fraction < 1.0;
            check.require(fine, "cv.train_fraction", "Give a number between 0 and 1, both excluded.");
        }
        Cv::Folds { input } => check.input("cv.input", "Folds", input),
    }
    encoding_options::check(spec, check);
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.encoding;
    let estimator = Memo::new(move |_| spec.with(|s| estimator_of(&s.model)));
    let scheme = Memo::new(move |_| spec.with(|s| scheme_of(&s.cv)));
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
        {choice(
            form,
            label("model", "Model", "Linear, with an intercept that is not penalized."),
            ESTIMATORS,
            move || estimator.get(),
            move |v| {
                let model = match v {
                    Estimator::Ridge => Model::default(),
                    Estimator::Ols => Model::Ols,
                    Estimator::Pls => Model::Pls { components: 25 },
                    Estimator::KernelRidge => {
                        Model::KernelRidge { kernel: Kernel::default(), alphas: default_alphas(), selection: Selection::default() }
                    }
                    Estimator::BandedRidge => {
                        Model::BandedRidge { bands: Vec::new(), alphas: default_alphas(), candidates: 20, k: 5, seed: 0 }
                    }
                };
                spec.update(|s| s.model = model);
            },
        )}
        {move || model_fields(form, estimator.get())}
        {choice(
            form,
            label("cv", "Held-out rows", "How rows are split into training and test sets."),
            SCHEMES,
            move || scheme.get(),
            move |v| {
                let cv = match v {
                    Scheme::Kfold => Cv::default(),
                    Scheme::ShuffleSplit => Cv::ShuffleSplit { n_splits: 10, train_fraction: 0.9, seed: 0 },
                    Scheme::StratifiedKfold => Cv::StratifiedKfold { k: 10, labels: Labels::default() },
                    Scheme::StratifiedShuffle => {
                        Cv::StratifiedShuffle { n_splits: 10, train_fraction: 0.9, seed: 1, labels: Labels::default() }
                    }
                    Scheme::Group => Cv::Group { k: None, labels: Labels::default() },
                    Scheme::Contiguous => Cv::Contiguous { train_fraction: 0.6, validation_fraction: 0.2 },
                    Scheme::Folds => Cv::Folds { input: String::new() },
                };
                spec.update(|s| s.cv = cv);
            },
        )}
        {move || cv_fields(form, scheme.get())}
        {encoding_options::view(form)}
        {switch(
            label("keep_predictions", "Keep the predictions", "Adds the held-out prediction of every row and target to the result."),
            move || spec.with(|s| s.keep_predictions),
            move |v| spec.update(|s| s.keep_predictions = v),
        )}
    }
    .into_any()
}

fn model_fields(form: Form, estimator: Estimator) -> AnyView {
    let spec = form.encoding;
    match estimator {
        Estimator::Ols => ().into_any(),
        Estimator::Pls => count(
            form,
            label("model.components", "Components", "At most the number of training rows or features."),
            move || spec.with(|s| if let Model::Pls { components } = s.model { components } else { 25 }),
            move |v| spec.update(|s| s.model = Model::Pls { components: v }),
        ),
        Estimator::Ridge => ridge_fields(form),
        Estimator::KernelRidge => view! {
            {encoding_options::kernel(form)}
            {ridge_fields(form)}
        }
        .into_any(),
        Estimator::BandedRidge => view! {
            {encoding_options::bands(form)}
            {penalties(form)}
        }
        .into_any(),
    }
}

/// The penalties of a ridge model, one comma-separated list.
fn penalties(form: Form) -> AnyView {
    let spec = form.encoding;
    text(
        form,
        label(
            "model.alphas",
            "Penalties",
            "Separated by commas; each target takes its best one on the training rows. Empty: 20 values from 0.01 to 10,000,000.",
        ),
        move || spec.with(|s| alphas_of(&s.model).map(alphas_text).unwrap_or_default()),
        move |v| {
            spec.update(|s| {
                if let Model::Ridge { alphas, .. } | Model::KernelRidge { alphas, .. } | Model::BandedRidge { alphas, .. } = &mut s.model {
                    *alphas = alphas_from(&v);
                }
            });
        },
    )
}

fn alphas_of(model: &Model) -> Option<&[f64]> {
    match model {
        Model::Ridge { alphas, .. } | Model::KernelRidge { alphas, .. } | Model::BandedRidge { alphas, .. } => Some(alphas),
        Model::Ols | Model::Pls { .. } => None,
    }
}

fn ridge_fields(form: Form) -> AnyView {
    let spec = form.encoding;
    let update = move |to: Selection| {
        spec.update(|s| {
            if let Model::Ridge { selection, .. } | Model::KernelRidge { selection, .. } = &mut s.model {
                *selection = to;
            }
        });
    };
    let selection = Memo::new(move |_| {
        spec.with(|s| match s.model {
            Model::Ridge { selection, .. } | Model::KernelRidge { selection, .. } => selection,
            Model::Ols | Model::Pls { .. } | Model::BandedRidge { .. } => Selection::default(),
        })
    });
    view! {
        {penalties(form)}
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

fn cv_fields(form: Form, scheme: Scheme) -> AnyView {
    let spec = form.encoding;
    let seed = move || {
        count(
            form,
            label("cv.seed", "Seed", "The same seed gives the same splits."),
            move || spec.with(|s| seed_of(&s.cv).copied().unwrap_or(0)),
            move |v| {
                spec.update(|s| {
                    if let Cv::Kfold { seed, .. } | Cv::ShuffleSplit { seed, .. } | Cv::StratifiedShuffle { seed, .. } = &mut s.cv {
                        *seed = v;
                    }
                });
            },
        )
    };
    match scheme {
        Scheme::Folds => input(
            form,
            label("cv.input", "Folds", "One whole number per row: the fold that holds the row out."),
            "choose a dataset",
            move || spec.with(|s| if let Cv::Folds { input } = &s.cv { input.clone() } else { String::new() }),
            move |v| spec.update(|s| s.cv = Cv::Folds { input: v }),
        ),
        Scheme::Contiguous => ().into_any(),
        Scheme::Group => encoding_options::labels(form),
        Scheme::StratifiedKfold => {
            let folds = count(
                form,
                label("cv.k", "Folds", "At least 2, and no more than the smallest class has rows."),
                move || spec.with(|s| if let Cv::StratifiedKfold { k, .. } = s.cv { k } else { 10 }),
                move |v| {
                    spec.update(|s| {
                        if let Cv::StratifiedKfold { k, .. } = &mut s.cv {
                            *k = v;
                        }
                    });
                },
            );
            view! {
                {encoding_options::labels(form)}
                {folds}
            }
            .into_any()
        }
        Scheme::Kfold => {
            let shuffled = Memo::new(move |_| spec.with(|s| matches!(s.cv, Cv::Kfold { shuffle: true, .. })));
            let set = move |change: &dyn Fn(&mut u32, &mut bool)| {
                spec.update(|s| {
                    if let Cv::Kfold { k, shuffle, .. } = &mut s.cv {
                        change(k, shuffle);
                    }
                });
            };
            view! {
                {count(
                    form,
                    label("cv.k", "Folds", "At least 2; more folds train on more rows."),
                    move || spec.with(|s| if let Cv::Kfold { k, .. } = s.cv { k } else { 10 }),
                    move |v| set(&|k, _| *k = v),
                )}
                {switch(
                    label("cv.shuffle", "Shuffle rows first", "Otherwise folds are contiguous blocks of rows."),
                    move || shuffled.get(),
                    move |v| set(&|_, shuffle| *shuffle = v),
                )}
                {move || shuffled.get().then(seed)}
            }
            .into_any()
        }
        Scheme::ShuffleSplit | Scheme::StratifiedShuffle => {
            let set = move |change: &dyn Fn(&mut u32, &mut f64)| {
                spec.update(|s| {
                    if let Cv::ShuffleSplit { n_splits, train_fraction, .. } | Cv::StratifiedShuffle { n_splits, train_fraction, .. } =
                        &mut s.cv
                    {
                        change(n_splits, train_fraction);
                    }
                });
            };
            view! {
                {(scheme == Scheme::StratifiedShuffle).then(|| encoding_options::labels(form))}
                {count(
                    form,
                    label("cv.n_splits", "Splits", "At least 1."),
                    move || {
                        spec.with(|s| if let Cv::ShuffleSplit { n_splits, .. } | Cv::StratifiedShuffle { n_splits, .. } = s.cv { n_splits } else { 10 })
                    },
                    move |v| set(&|n, _| *n = v),
                )}
                {number(
                    form,
                    label("cv.train_fraction", "Fraction of rows to train on", "Between 0 and 1."),
                    "0.05",
                    move || {
                        spec.with(|s| match s.cv {
                            Cv::ShuffleSplit { train_fraction, .. } | Cv::StratifiedShuffle { train_fraction, .. } => train_fraction,
                            _ => 0.9,
                        })
                    },
                    move |v| set(&|_, fraction| *fraction = v),
                )}
                {seed()}
            }
            .into_any()
        }
    }
}

fn seed_of(cv: &Cv) -> Option<&u32> {
    match cv {
        Cv::Kfold { seed, .. } | Cv::ShuffleSplit { seed, .. } | Cv::StratifiedShuffle { seed, .. } => Some(seed),
        Cv::StratifiedKfold { .. } | Cv::Group { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => None,
    }
}

fn estimator_of(model: &Model) -> Estimator {
    match model {
        Model::Ridge { .. } => Estimator::Ridge,
        Model::Ols => Estimator::Ols,
        Model::Pls { .. } => Estimator::Pls,
        Model::KernelRidge { .. } => Estimator::KernelRidge,
        Model::BandedRidge { .. } => Estimator::BandedRidge,
    }
}

fn scheme_of(cv: &Cv) -> Scheme {
    match cv {
        Cv::Kfold { .. } => Scheme::Kfold,
        Cv::ShuffleSplit { .. } => Scheme::ShuffleSplit,
        Cv::StratifiedKfold { .. } => Scheme::StratifiedKfold,
        Cv::StratifiedShuffle { .. } => Scheme::StratifiedShuffle,
        Cv::Group { .. } => Scheme::Group,
        Cv::Contiguous { .. } => Scheme::Contiguous,
        Cv::Folds { .. } => Scheme::Folds,
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
