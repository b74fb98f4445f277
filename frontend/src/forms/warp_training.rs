//! How a warp is trained and what it must reach: the parts of its form that most people leave as they are.

use eigenscope::analysis::warp::{Objective, Reference, Spec};
use eigenscope::warp::sweep::Target;
use eigenscope::warp::{Head, Schedule, Start, Training};
use leptos::prelude::*;

use super::fields::{choice, count, label, number};
use super::{Check, Form};

/// Published settings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preset {
    Nsd,
    Majaj,
    Imagenet21k,
    Own,
}

const PRESETS: &[(Preset, &str)] = &[
    (Preset::Nsd, "natural scenes (NSD): 1e-4"),
    (Preset::Majaj, "macaque IT (MajajHong2015): 1e-3, decay 5e-3"),
    (Preset::Imagenet21k, "classes (ImageNet-21k): 1e-3"),
    (Preset::Own, "other"),
];

/// Schedules without their factor, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    Constant,
    Cosine,
    Exponential,
}

const COURSES: &[(Course, &str)] =
    &[(Course::Constant, "constant"), (Course::Cosine, "half a cosine"), (Course::Exponential, "exponential")];

const HEADS: &[(Head, &str)] =
    &[(Head::Free, "trained beside the warp"), (Head::Frozen, "stays as it begins"), (Head::Warped, "warped too")];

/// Starts without their numbers, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Random,
    Fitted,
    Pls,
    Trained,
}

const BEGINS: &[(Begin, &str)] = &[
    (Begin::Random, "random numbers"),
    (Begin::Fitted, "the best for the unwarped network"),
    (Begin::Pls, "partial least squares"),
    (Begin::Trained, "trained first, without the warp"),
];

/// Targets without their share, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Gain,
    Absolute,
}

const WANTED: &[(Wanted, &str)] = &[(Wanted::Gain, "a share of the gain over d = 0"), (Wanted::Absolute, "a share of the reference")];

/// References without their number, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Best,
    Full,
    Score,
}

const MEASURES: &[(Measure, &str)] =
    &[(Measure::Best, "the best of the sweep"), (Measure::Full, "all parameters trained"), (Measure::Score, "a score")];

/// Fields of the part that can be closed.
const INSIDE: [&str; 9] =
    ["lr", "low_dim_lr", "weight_decay", "batch", "epochs", "schedule.factor", "start", "start.penalty", "start.components"];

fn preset_of(training: &Training) -> Preset {
    let is = |preset: Preset| rates(preset) == Some((training.lr, training.weight_decay));
    [Preset::Nsd, Preset::Majaj, Preset::Imagenet21k].into_iter().find(|preset| is(*preset)).unwrap_or(Preset::Own)
}

/// Learning rate and weight decay.
fn rates(preset: Preset) -> Option<(f64, f64)> {
    match preset {
        Preset::Nsd => Some((1e-4, 0.0)),
        Preset::Majaj => Some((1e-3, 5e-3)),
        Preset::Imagenet21k => Some((1e-3, 0.0)),
        Preset::Own => None,
    }
}

fn course_of(schedule: Schedule) -> Course {
    match schedule {
        Schedule::Constant => Course::Constant,
        Schedule::Cosine => Course::Cosine,
        Schedule::Exponential(_) => Course::Exponential,
    }
}

fn begin_of(start: Start) -> Begin {
    match start {
        Start::Random => Begin::Random,
        Start::Fitted(_) => Begin::Fitted,
        Start::Pls(_) => Begin::Pls,
        Start::Trained => Begin::Trained,
    }
}

fn share_of(target: Target) -> f64 {
    match target {
        Target::Gain(share) | Target::Absolute(share) => share,
    }
}

fn wanted_of(target: Target) -> Wanted {
    match target {
        Target::Gain(_) => Wanted::Gain,
        Target::Absolute(_) => Wanted::Absolute,
    }
}

fn target(wanted: Wanted, share: f64) -> Target {
    match wanted {
        Wanted::Gain => Target::Gain(share),
        Wanted::Absolute => Target::Absolute(share),
    }
}

fn measure_of(reference: Reference) -> Measure {
    match reference {
        Reference::Best => Measure::Best,
        Reference::Full => Measure::Full,
        Reference::Score(_) => Measure::Score,
    }
}

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    let training = &spec.training;
    let positive = |v: f64| v > 0.0 && v.is_finite();
    check.require(positive(training.lr), "lr", "Give a number above 0.");
    check.require(training.low_dim_lr.is_none_or(positive), "low_dim_lr", "Give a number above 0, or 0 for that of the read-out.");
    check.require(training.weight_decay >= 0.0 && training.weight_decay.is_finite(), "weight_decay", "Give a number of at least 0.");
    check.require(training.batch > 0, "batch", "Give a whole number of at least 1.");
    check.require(training.epochs > 0, "epochs", "Give a whole number of at least 1.");
    if let Schedule::Exponential(factor) = training.schedule {
        check.require(factor > 0.0 && factor <= 1.0, "schedule.factor", "Give a number above 0 and at most 1.");
    }
    if let Start::Fitted(penalty) = training.start {
        check.require(penalty >= 0.0 && penalty.is_finite(), "start.penalty", "Give a number of at least 0.");
    }
    if let Start::Pls(components) = training.start {
        check.require(components > 0, "start.components", "Give a whole number of at least 1.");
        let of_classes = spec.objectives.iter().any(|objective| matches!(objective, Objective::Classes(_)));
        check.require(!of_classes, "start", "Partial least squares fits responses; choose another start for classes.");
    }
    let share = share_of(spec.target);
    check.require(share > 0.0 && share <= 1.0, "target", "Give a number above 0 and at most 1.");
    check.require(spec.reference != Reference::Full || spec.full, "reference", "All parameters are not trained: switch that on above.");
    if let Reference::Score(score) = spec.reference {
        check.require(score.is_finite(), "reference.score", "Give a number.");
    }
}

pub(super) fn view(form: Form) -> AnyView {
    // What is wrong inside must be seen; nobody closes it but the reader.
    let opened = RwSignal::new(false);
    Effect::new(move |_| {
        if form.problems.with(|all| all.iter().any(|p| INSIDE.contains(&p.field.as_str()))) {
            opened.set(true);
        }
    });
    view! {
        {goal(form)}
        <details class="graph" data-testid="warp-training" prop:open=move || opened.get()>
            <summary>"Training"</summary>
            <div class="fields">{rates_view(form)} {course(form)} {readout(form)}</div>
        </details>
    }
    .into_any()
}

/// What counts as reached.
fn goal(form: Form) -> AnyView {
    let spec = form.warp;
    let measure = Memo::new(move |_| spec.with(|s| measure_of(s.reference)));
    let score = move || {
        (measure.get() == Measure::Score).then(|| {
            number(
                form,
                label("reference.score", "Score of the reference", "In the units of the scores."),
                "any",
                move || spec.with(|s| if let Reference::Score(score) = s.reference { score } else { f64::NAN }),
                move |v| spec.update(|s| s.reference = Reference::Score(v)),
            )
        })
    };
    view! {
        {choice(
            form,
            label("wanted", "The score to reach", "The dimensions that reach it are d_warp."),
            WANTED,
            move || spec.with(|s| wanted_of(s.target)),
            move |v| spec.update(|s| s.target = target(v, share_of(s.target))),
        )}
        {number(
            form,
            label("target", "Share", "0.9 is nine tenths."),
            "any",
            move || spec.with(|s| share_of(s.target)),
            move |v| spec.update(|s| s.target = target(wanted_of(s.target), v)),
        )}
        {choice(
            form,
            label("reference", "Measured by", "The score that the share is of."),
            MEASURES,
            move || measure.get(),
            move |v| {
                spec.update(|s| {
                    s.reference = match v {
                        Measure::Best => Reference::Best,
                        Measure::Full => Reference::Full,
                        Measure::Score => Reference::Score(1.0),
                    };
                });
            },
        )}
        {score}
    }
    .into_any()
}

fn rates_view(form: Form) -> AnyView {
    let spec = form.warp;
    view! {
        {choice(
            form,
            label("training.preset", "Published settings", "Learning rate and weight decay."),
            PRESETS,
            move || spec.with(|s| preset_of(&s.training)),
            move |v| {
                if let Some((lr, weight_decay)) = rates(v) {
                    spec.update(|s| (s.training.lr, s.training.weight_decay) = (lr, weight_decay));
                }
            },
        )}
        {number(
            form,
            label("lr", "Learning rate", "Of the read-out."),
            "any",
            move || spec.with(|s| s.training.lr),
            move |v| spec.update(|s| s.training.lr = v),
        )}
        {number(
            form,
            label("low_dim_lr", "Learning rate of the warp", "0: that of the read-out."),
            "any",
            move || spec.with(|s| s.training.low_dim_lr.unwrap_or(0.0)),
            move |v| spec.update(|s| s.training.low_dim_lr = (v != 0.0).then_some(v)),
        )}
        {number(
            form,
            label("weight_decay", "Weight decay", "Of the read-out."),
            "any",
            move || spec.with(|s| s.training.weight_decay),
            move |v| spec.update(|s| s.training.weight_decay = v),
        )}
    }
    .into_any()
}

/// From step to step and epoch to epoch.
fn course(form: Form) -> AnyView {
    let spec = form.warp;
    let course = Memo::new(move |_| spec.with(|s| course_of(s.training.schedule)));
    let factor = move || {
        (course.get() == Course::Exponential).then(|| {
            number(
                form,
                label("schedule.factor", "Factor for each epoch", "Above 0, at most 1."),
                "any",
                move || spec.with(|s| if let Schedule::Exponential(factor) = s.training.schedule { factor } else { f64::NAN }),
                move |v| spec.update(|s| s.training.schedule = Schedule::Exponential(v)),
            )
        })
    };
    view! {
        {choice(
            form,
            label("schedule", "Learning rates over time", "How they change from step to step."),
            COURSES,
            move || course.get(),
            move |v| {
                spec.update(|s| {
                    s.training.schedule = match v {
                        Course::Constant => Schedule::Constant,
                        Course::Cosine => Schedule::Cosine,
                        Course::Exponential => Schedule::Exponential(0.95),
                    };
                });
            },
        )}
        {factor}
        {count(
            form,
            label("batch", "Images of a step", "Fewer take less memory."),
            move || spec.with(|s| s.training.batch),
            move |v| spec.update(|s| s.training.batch = v),
        )}
        {count(
            form,
            label("epochs", "Epochs at most", "Passes through the images that train."),
            move || spec.with(|s| s.training.epochs),
            move |v| spec.update(|s| s.training.epochs = v),
        )}
        {count(
            form,
            label("patience", "Patience", "Epochs without a better validation score after which it ends; 0 for no early end."),
            move || spec.with(|s| s.training.patience),
            move |v| spec.update(|s| s.training.patience = v),
        )}
    }
    .into_any()
}

fn readout(form: Form) -> AnyView {
    let spec = form.warp;
    let begin = Memo::new(move |_| spec.with(|s| begin_of(s.training.start)));
    let amount = move || match begin.get() {
        Begin::Fitted => Some(number(
            form,
            label("start.penalty", "Penalty", "Of the ridge regression; 0 for least squares."),
            "any",
            move || spec.with(|s| if let Start::Fitted(penalty) = s.training.start { penalty } else { f64::NAN }),
            move |v| spec.update(|s| s.training.start = Start::Fitted(v)),
        )),
        Begin::Pls => Some(count(
            form,
            label("start.components", "Components", "At most as many as there are features, and images that train."),
            move || spec.with(|s| if let Start::Pls(components) = s.training.start { components } else { 0 }),
            move |v| spec.update(|s| s.training.start = Start::Pls(v)),
        )),
        Begin::Random | Begin::Trained => None,
    };
    view! {
        {choice(
            form,
            label("head", "The read-out", "What becomes of it in training."),
            HEADS,
            move || spec.with(|s| s.training.head),
            move |v| spec.update(|s| s.training.head = v),
        )}
        {choice(
            form,
            label("start", "It begins with", "Before training."),
            BEGINS,
            move || begin.get(),
            move |v| {
                spec.update(|s| {
                    s.training.start = match v {
                        Begin::Random => Start::Random,
                        Begin::Fitted => Start::Fitted(1.0),
                        Begin::Pls => Start::Pls(25),
                        Begin::Trained => Start::Trained,
                    };
                });
            },
        )}
        {amount}
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_the_published_settings() {
        assert!(preset_of(&Training::default()) == Preset::Nsd, "the default");
        for preset in [Preset::Nsd, Preset::Majaj, Preset::Imagenet21k] {
            let (lr, weight_decay) = rates(preset).expect("published");
            assert!(preset_of(&Training { lr, weight_decay, ..Training::default() }) == preset, "{lr}");
        }
        assert!(preset_of(&Training { lr: 0.1, ..Training::default() }) == Preset::Own, "no preset");
    }

    #[test]
    fn shares_stay_when_the_target_changes() {
        let other = target(Wanted::Absolute, share_of(Target::Gain(0.8)));
        assert_eq!(other, Target::Absolute(0.8));
    }
}
