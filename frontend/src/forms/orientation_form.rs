//! Form of the orientation model.

use eigenscope::analysis::orientation::Spec;
use eigenscope::labels::Labels;
use eigenscope::orientation::{Architecture, Filters};
use leptos::prelude::*;

use super::fields::{choice, count, input, label, number};
use super::{Check, Form, label_fields};

const ARCHITECTURES: &[(Architecture, &str)] = &[
    (Architecture::ConvPoolFc, "convolution, maxima, two layers (3,201 parameters)"),
    (Architecture::ConvFc, "convolution, two layers (184,641 parameters)"),
    (Architecture::Fc, "two layers of pixels (30,741 parameters)"),
];

const FILTERS: &[(Filters, &str)] = &[(Filters::Handmade, "a center and four orientations"), (Filters::Random, "random numbers")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.require((1..=100_000).contains(&spec.epochs), "epochs", "Give a whole number from 1 to 100,000.");
    check.require(spec.lr > 0.0 && spec.lr.is_finite(), "lr", "Give a number above 0.");
    check.require((0.0..1.0).contains(&spec.momentum), "momentum", "Give a number from 0 to below 1.");
    check.require(spec.batch > 0 && spec.batch <= spec.n_train, "batch", "Give a whole number from 1 to that of the gratings.");
    check.require(spec.n_train <= 100_000, "n_train", "Give at most 100,000.");
    if let Some(name) = &spec.responses {
        check.input("responses", "Responses", name);
        check.labels("stimuli", &spec.stimuli.input);
    }
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.orientation;
    let own = Memo::new(move |_| spec.with(|s| s.responses.is_some()));
    let filters = Memo::new(move |_| spec.with(|s| s.architecture != Architecture::Fc));
    view! {
        {choice(
            form,
            label("architecture", "Network", "What learns to tell orientations apart."),
            ARCHITECTURES,
            move || spec.with(|s| s.architecture),
            move |v| spec.update(|s| s.architecture = v),
        )}
        {move || filters.get().then(|| choice(
            form,
            label("filters", "Its filters begin with", "Those of the convolution; they are trained, too."),
            FILTERS,
            move || spec.with(|s| s.filters),
            move |v| spec.update(|s| s.filters = v),
        ))}
        {input(
            form,
            label("responses", "Responses", "Trials × neurons; without them a simulated population with known tuning."),
            "simulated visual cortex",
            move || spec.with(|s| s.responses.clone().unwrap_or_default()),
            move |v| {
                spec.update(|s| {
                    s.responses = Some(v).filter(|v| !v.is_empty());
                    if s.responses.is_none() {
                        s.stimuli = Labels::default();
                    }
                });
            },
        )}
        {move || own.get().then(|| label_fields::view(
            form,
            label("stimuli", "Direction of each row", "Degrees; those up to 180 are kept."),
            "stimuli.column",
            move || spec.with(|s| s.stimuli.clone()),
            move |v| spec.update(|s| s.stimuli = v),
        ))}
        {count(
            form,
            label("epochs", "Epochs", "Passes through the gratings."),
            move || spec.with(|s| s.epochs),
            move |v| spec.update(|s| s.epochs = v),
        )}
        {count(
            form,
            label("n_train", "Gratings", "That it is trained on."),
            move || spec.with(|s| s.n_train),
            move |v| spec.update(|s| s.n_train = v),
        )}
        {count(
            form,
            label("batch", "Gratings of a step", "At most all of them."),
            move || spec.with(|s| s.batch),
            move |v| spec.update(|s| s.batch = v),
        )}
        {number(
            form,
            label("lr", "Learning rate", "Of stochastic gradient descent."),
            "any",
            move || spec.with(|s| s.lr),
            move |v| spec.update(|s| s.lr = v),
        )}
        {number(
            form,
            label("momentum", "Momentum", "From 0 to below 1."),
            "any",
            move || spec.with(|s| s.momentum),
            move |v| spec.update(|s| s.momentum = v),
        )}
        {count(
            form,
            label("seed", "Seed", "Of the other starting values and of the order of gratings."),
            move || spec.with(|s| s.seed),
            move |v| spec.update(|s| s.seed = v),
        )}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use eigenscope::dataset::Shapes;

    use super::*;

    fn problems(spec: &Spec) -> Vec<String> {
        let mut found = Check { shapes: &Shapes(Default::default()), tables: &[], found: Vec::new() };
        check(spec, &mut found);
        found.found.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn the_default_runs_without_datasets_and_own_responses_need_directions() {
        assert!(problems(&Spec::default()).is_empty(), "nothing is missing");
        let own = Spec { responses: Some("V1".into()), batch: 2000, ..Spec::default() };
        assert_eq!(problems(&own), ["batch", "responses", "stimuli"]);
    }
}
