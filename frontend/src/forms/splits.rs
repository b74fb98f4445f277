//! How rows are split: the part of a form that every analysis with held-out rows has.

use eigenscope::analysis::encoding::Cv;
use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::fields::{choice, count, input, label, number, switch};
use super::part::Part;
use super::{Check, Form, label_fields};

/// The schemes without their fields, for the select.
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

const SCHEMES: &[(Scheme, &str)] = &[
    (Scheme::Kfold, "k folds: every row is held out once"),
    (Scheme::ShuffleSplit, "independent random splits"),
    (Scheme::StratifiedKfold, "k folds with the same share of every class"),
    (Scheme::StratifiedShuffle, "random splits with the same share of every class"),
    (Scheme::Group, "folds that keep groups together"),
    (Scheme::Contiguous, "first rows to train on, last rows held out"),
    (Scheme::Folds, "folds from a dataset"),
];
pub(super) fn check(cv: &Cv, check: &mut Check<'_>) {
    match cv {
        Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } => {
            check.input("cv.labels", "Labels", &labels.input);
        }
        Cv::Kfold { .. } | Cv::ShuffleSplit { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => {}
    }
    match cv {
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
}

pub(super) fn view(form: Form, part: Part<Cv>) -> AnyView {
    let scheme = Memo::new(move |_| part.with(scheme_of));
    view! {
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
                part.set(cv);
            },
        )}
        {move || cv_fields(form, part, scheme.get())}
    }
    .into_any()
}

fn cv_fields(form: Form, part: Part<Cv>, scheme: Scheme) -> AnyView {
    let seed = move || {
        count(
            form,
            label("cv.seed", "Seed", "The same seed gives the same splits."),
            move || part.with(|cv| seed_of(cv).copied().unwrap_or(0)),
            move |v| {
                part.update(|cv| {
                    if let Cv::Kfold { seed, .. } | Cv::ShuffleSplit { seed, .. } | Cv::StratifiedShuffle { seed, .. } = cv {
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
            move || part.with(|cv| if let Cv::Folds { input } = cv { input.clone() } else { String::new() }),
            move |v| part.set(Cv::Folds { input: v }),
        ),
        Scheme::Contiguous => {
            let set = move |change: &dyn Fn(&mut f64, &mut f64)| {
                part.update(|cv| {
                    if let Cv::Contiguous { train_fraction, validation_fraction } = cv {
                        change(train_fraction, validation_fraction);
                    }
                });
            };
            let get = move |fraction: fn(f64, f64) -> f64| {
                part.with(|cv| match *cv {
                    Cv::Contiguous { train_fraction, validation_fraction } => fraction(train_fraction, validation_fraction),
                    _ => 0.0,
                })
            };
            view! {
                {number(
                    form,
                    label("cv.train_fraction", "Fraction of rows to train on", "The first rows; with the next fraction less than 1."),
                    "0.05",
                    move || get(|train, _| train),
                    move |v| set(&|train, _| *train = v),
                )}
                {number(
                    form,
                    label("cv.validation_fraction", "Fraction of rows left out after them", "The rest is held out."),
                    "0.05",
                    move || get(|_, validation| validation),
                    move |v| set(&|_, validation| *validation = v),
                )}
            }
            .into_any()
        }
        Scheme::Group => {
            // 0 stands for one fold per group.
            let folds = count(
                form,
                label("cv.k", "Folds", "0 for one fold per group."),
                move || part.with(|cv| if let Cv::Group { k: Some(k), .. } = *cv { k } else { 0 }),
                move |v| {
                    part.update(|cv| {
                        if let Cv::Group { k, .. } = cv {
                            *k = (v > 0).then_some(v);
                        }
                    });
                },
            );
            view! {
                {labels(form, part)}
                {folds}
            }
            .into_any()
        }
        Scheme::StratifiedKfold => {
            let folds = count(
                form,
                label("cv.k", "Folds", "At least 2, and no more than the smallest class has rows."),
                move || part.with(|cv| if let Cv::StratifiedKfold { k, .. } = *cv { k } else { 10 }),
                move |v| {
                    part.update(|cv| {
                        if let Cv::StratifiedKfold { k, .. } = cv {
                            *k = v;
                        }
                    });
                },
            );
            view! {
                {labels(form, part)}
                {folds}
            }
            .into_any()
        }
        Scheme::Kfold => {
            let shuffled = Memo::new(move |_| part.with(|cv| matches!(*cv, Cv::Kfold { shuffle: true, .. })));
            let set = move |change: &dyn Fn(&mut u32, &mut bool)| {
                part.update(|cv| {
                    if let Cv::Kfold { k, shuffle, .. } = cv {
                        change(k, shuffle);
                    }
                });
            };
            view! {
                {count(
                    form,
                    label("cv.k", "Folds", "At least 2; more folds train on more rows."),
                    move || part.with(|cv| if let Cv::Kfold { k, .. } = *cv { k } else { 10 }),
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
                part.update(|cv| {
                    if let Cv::ShuffleSplit { n_splits, train_fraction, .. } | Cv::StratifiedShuffle { n_splits, train_fraction, .. } =
                        &mut *cv
                    {
                        change(n_splits, train_fraction);
                    }
                });
            };
            view! {
                {(scheme == Scheme::StratifiedShuffle).then(|| labels(form, part))}
                {count(
                    form,
                    label("cv.n_splits", "Splits", "At least 1."),
                    move || {
                        part.with(|cv| if let Cv::ShuffleSplit { n_splits, .. } | Cv::StratifiedShuffle { n_splits, .. } = *cv { n_splits } else { 10 })
                    },
                    move |v| set(&|n, _| *n = v),
                )}
                {number(
                    form,
                    label("cv.train_fraction", "Fraction of rows to train on", "Between 0 and 1."),
                    "0.05",
                    move || {
                        part.with(|cv| match *cv {
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

/// The labels that a scheme of splits goes by.
fn labels(form: Form, part: Part<Cv>) -> AnyView {
    let update = move |change: &dyn Fn(&mut Labels)| {
        part.update(|cv| {
            if let Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } = cv {
                change(labels);
            }
        });
    };
    let now = Memo::new(move |_| {
        part.with(|cv| match cv {
            Cv::StratifiedKfold { labels, .. } | Cv::StratifiedShuffle { labels, .. } | Cv::Group { labels, .. } => labels.clone(),
            Cv::Kfold { .. } | Cv::ShuffleSplit { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => Labels::default(),
        })
    });
    label_fields::view(
        form,
        label("cv.labels", "Labels", "One class or group per row: a table with a text column, or numbers."),
        "cv.labels.column",
        move || now.get(),
        move |v| update(&|labels| *labels = v.clone()),
    )
}
