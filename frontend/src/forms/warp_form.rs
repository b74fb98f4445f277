//! Form of the warps: networks and their layers, what they are warped to, and along how many dimensions.

use eigenscope::analysis::extraction;
use eigenscope::analysis::warp::{Model, Objective, Spec};
use eigenscope::labels::Labels;
use eigenscope::network::Reading;
use eigenscope::warp::{Group, Split};
use leptos::prelude::*;

use super::fields::{choice, input, label, number, seed, switch, text};
use super::{Check, Form, extraction_form, label_fields, warp_training};

/// Stands for a text that is no number, which the check refuses.
const NO_NUMBER: u32 = u32::MAX;

/// What belongs to the model that is being chosen, beside its extraction.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Choice {
    /// A scaler for each.
    pub(crate) groups: Vec<Group>,
    /// A model for each name of layers, instead of one that reads them out together.
    pub(crate) each: bool,
}

/// The kinds of objectives without their inputs, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    Encoding,
    Classes,
    Rsa,
}

const GOALS: &[(Goal, &str)] = &[
    (Goal::Encoding, "responses, such as neurons or voxels"),
    (Goal::Classes, "classes of the images"),
    (Goal::Rsa, "an RDM of the images"),
];

/// The splits without their fields, for the select.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Contiguous,
    Shuffled,
    Stratified,
    Given,
}

const SCHEMES: &[(Scheme, &str)] = &[
    (Scheme::Contiguous, "in the order of the images"),
    (Scheme::Shuffled, "in random order"),
    (Scheme::Stratified, "with the same share of every class"),
    (Scheme::Given, "from a dataset of 0, 1 and 2"),
];

const TOGETHER: &[(bool, &str)] = &[(false, "read out together"), (true, "each by itself")];

/// The spec of the models that were chosen and the one that is being chosen.
pub(crate) fn spec(rest: Spec, extraction: &extraction::Spec, choice: &Choice) -> Spec {
    let mut out = rest;
    out.models.extend(models(extraction, choice));
    out
}

/// The models of one choice; none while no network is chosen.
fn models(extraction: &extraction::Spec, Choice { groups, each }: &Choice) -> Vec<Model> {
    let model = |layers: Vec<String>| Model { extraction: extraction::Spec { layers, ..extraction.clone() }, groups: groups.clone() };
    if extraction.network.is_empty() {
        Vec::new()
    } else if *each {
        extraction.layers.iter().map(|layer| model(vec![layer.clone()])).collect()
    } else {
        vec![model(extraction.layers.clone())]
    }
}

/// The inverse of [`spec()`]: the last models that differ by a single layer only become one choice of several.
pub(crate) fn parted(spec: Spec) -> (Spec, extraction::Spec, Choice) {
    let mut rest = spec;
    let Some(last) = rest.models.pop() else {
        return (rest, extraction::Spec { reading: Reading::Avg, ..Default::default() }, Choice::default());
    };
    let alike = |model: &Model| {
        let of = extraction::Spec { layers: last.extraction.layers.clone(), ..model.extraction.clone() };
        model.groups == last.groups && model.extraction.layers.len() == 1 && last.extraction.layers.len() == 1 && of == last.extraction
    };
    let mut layers = last.extraction.layers.clone();
    let mut each = false;
    while rest.models.last().is_some_and(alike) {
        layers.splice(0..0, rest.models.pop().map(|model| model.extraction.layers).unwrap_or_default());
        each = true;
    }
    let choice = Choice { groups: last.groups.clone(), each };
    (rest, extraction::Spec { layers, ..last.extraction }, choice)
}

pub(super) fn check(spec: &Spec, extraction: &extraction::Spec, check: &mut Check<'_>) {
    if spec.models.is_empty() || !extraction.network.is_empty() {
        extraction_form::check(extraction, check);
        let message = "Layers are warped with all their positions or with their mean, not with their largest.";
        check.require(extraction.reading != Reading::Max, "reading", message);
    }
    for model in &spec.models {
        check.input("network", "Network", &model.extraction.network);
        check.input("images", "Images", &model.extraction.images);
    }
    for objective in &spec.objectives {
        match objective {
            Objective::Encoding(name) => check.input("objectives", "Responses", name),
            Objective::Rsa(name) => check.input("objectives", "RDM", name),
            Objective::Classes(labels) => check.labels("labels.input", &labels.input),
        }
    }
    check.require(!spec.objectives.is_empty(), "objectives", "Choose responses, classes or an RDM.");
    let whole = |values: &[u32]| !values.contains(&NO_NUMBER);
    check.require(!spec.dims.is_empty() || spec.full, "dims", "Give numbers of dimensions, such as 0, 10, 100, 1000.");
    check.require(whole(&spec.dims), "dims", "Give whole numbers of dimensions, such as 0, 10, 100, 1000.");
    check.require(!spec.seeds.is_empty() && whole(&spec.seeds), "seeds", "Give whole numbers, such as 0, 1, 2.");
    match &spec.split {
        Split::Contiguous(shares) | Split::Shuffled(shares, _) | Split::Stratified(shares, _) => {
            let [train, validation] = *shares;
            let fine = train > 0.0 && validation > 0.0 && train + validation < 1.0;
            check.require(fine, "split", "Give shares above 0 that leave some images to test with.");
        }
        Split::Given(name) => check.input("split", "Split", name),
    }
    let stratified = matches!(spec.split, Split::Stratified(..));
    let classes = spec.objectives.iter().all(|objective| matches!(objective, Objective::Classes(_)));
    check.require(!stratified || classes, "scheme", "Only an objective of classes can be split within classes.");
    warp_training::check(spec, check);
}

/// Whole numbers in a text; [`NO_NUMBER`] for what is none.
pub(super) fn numbers(text: &str) -> Vec<u32> {
    text.split([',', ' ', ';']).filter(|t| !t.is_empty()).map(|t| t.parse().unwrap_or(NO_NUMBER)).collect()
}

pub(super) fn numbers_text(values: &[u32]) -> String {
    values.iter().map(|v| if *v == NO_NUMBER { "?".into() } else { v.to_string() }).collect::<Vec<_>>().join(", ")
}

/// `conv1,bn1; layer1` and back.
fn groups(text: &str) -> Vec<Group> {
    let prefixes = |group: &str| group.split(',').map(str::trim).filter(|p| !p.is_empty()).map(Into::into).collect::<Vec<String>>();
    text.split(';').map(prefixes).filter(|p| !p.is_empty()).map(|prefixes| Group { prefixes }).collect()
}

fn groups_text(groups: &[Group]) -> String {
    groups.iter().map(|group| group.prefixes.join(",")).collect::<Vec<_>>().join("; ")
}

pub(super) fn view(form: Form) -> AnyView {
    let (spec, extraction, chosen) = (form.warp, form.warp_extraction, form.warp_model);
    let several = Memo::new(move |_| extraction.with(|s| s.layers.len() > 1));
    let together = move || {
        several.get().then(|| {
            choice(
                form,
                label("together", "Several layers", "Together, one read-out sees all of them; by itself, each has a sweep of its own."),
                TOGETHER,
                move || chosen.with(|c| c.each),
                move |v| chosen.update(|c| c.each = v),
            )
        })
    };
    view! {
        {models_list(form)}
        {extraction_form::view(form, extraction)}
        {together}
        {text(
            form,
            label("groups", "Groups of parameters", "Groups have a scaler each, as in conv1,bn1; layer1. Empty: no scalers."),
            move || chosen.with(|c| groups_text(&c.groups)),
            move |v| chosen.update(|c| c.groups = groups(&v)),
        )}
        {another(form)}
        {objective(form)}
        {text(
            form,
            label("dims", "Numbers of dimensions", "0 is the read-out alone: sweeps start there."),
            move || spec.with(|s| numbers_text(&s.dims)),
            move |v| spec.update(|s| s.dims = numbers(&v)),
        )}
        {switch(
            label("full", "Also train all parameters", "By themselves, without a subspace: what the network can reach at all."),
            move || spec.with(|s| s.full),
            move |v| spec.update(|s| s.full = v),
        )}
        {text(
            form,
            label("seeds", "Seeds", "One sweep for each; several give standard errors and an interval."),
            move || spec.with(|s| numbers_text(&s.seeds)),
            move |v| spec.update(|s| s.seeds = numbers(&v)),
        )}
        {split(form)}
        {warp_training::view(form)}
    }
    .into_any()
}

/// Models that were chosen before.
fn models_list(form: Form) -> impl IntoView {
    let item = move |(at, model): (usize, Model)| {
        let name = format!("{}, {}", model.extraction.network, model.extraction.layers.join(" + "));
        let title = format!("Remove {name}");
        let remove = move |_| {
            form.warp.update(|s| {
                if at < s.models.len() {
                    s.models.remove(at);
                }
            });
        };
        view! {
            <li class="row">
                <span class="graph-name">{name}</span>
                <button type="button" class="quiet" aria-label=title data-testid="warp-remove" on:click=remove>"Remove"</button>
            </li>
        }
    };
    let models = move || form.warp.with(|s| s.models.clone());
    move || {
        let models = models();
        (!models.is_empty()).then(|| {
            view! {
                <div class="field wide" data-testid="warp-models">
                    <p class="lead">"Compared with"</p>
                    <ul class="plain">{models.into_iter().enumerate().map(item).collect_view()}</ul>
                </div>
            }
        })
    }
}

/// Keeps the chosen network and lets the next one be chosen, for the same images.
fn another(form: Form) -> impl IntoView {
    let (spec, extraction, chosen) = (form.warp, form.warp_extraction, form.warp_model);
    let keep = move |_| {
        let kept = extraction.with_untracked(|e| chosen.with_untracked(|c| models(e, c)));
        spec.update(|s| s.models.extend(kept));
        extraction.update(|e| (e.network, e.layers) = (String::new(), extraction::Spec::default().layers));
        chosen.set(Choice::default());
    };
    let nothing = move || extraction.with(|e| e.network.is_empty() || e.layers.is_empty());
    view! {
        <div class="field">
            <button type="button" data-testid="warp-another" disabled=nothing on:click=keep>"Compare with another network"</button>
            <p class="help">"Keeps this network and its layers, and lets you choose the next one."</p>
        </div>
    }
}

fn goal_of(spec: &Spec) -> Goal {
    match spec.objectives.first() {
        Some(Objective::Classes(_)) => Goal::Classes,
        Some(Objective::Rsa(_)) => Goal::Rsa,
        Some(Objective::Encoding(_)) | None => Goal::Encoding,
    }
}

/// The first objective takes another form; what it is measured against keeps its name where it can.
fn set_first(spec: &mut Spec, objective: Objective) {
    match spec.objectives.first_mut() {
        Some(first) => *first = objective,
        None => spec.objectives.push(objective),
    }
}

fn first_input(spec: &Spec) -> String {
    spec.objectives.first().map_or_else(String::new, |objective| objective.input().to_owned())
}

fn objective(form: Form) -> impl IntoView {
    let spec = form.warp;
    let goal = Memo::new(move |_| spec.with(goal_of));
    let named = move |at, make: fn(String) -> Objective| {
        input(
            form,
            at,
            "choose a dataset",
            move || spec.with(first_input),
            move |v| {
                spec.update(|s| set_first(s, make(v)));
            },
        )
    };
    let labels = move || {
        spec.with(|s| match s.objectives.first() {
            Some(Objective::Classes(labels)) => labels.clone(),
            _ => Labels::default(),
        })
    };
    let fields = move || match goal.get() {
        Goal::Encoding => {
            named(label("objectives", "Responses", "Images × neurons or voxels, in the order of the images."), Objective::Encoding)
        }
        Goal::Rsa => named(label("objectives", "RDM", "Images × images, in the order of the images."), Objective::Rsa),
        Goal::Classes => label_fields::view(
            form,
            label("labels.input", "Classes", "A class for each image, in the order of the images."),
            "labels.column",
            labels,
            move |v| spec.update(|s| set_first(s, Objective::Classes(v))),
        ),
    };
    let others = move || {
        let names = spec.with(|s| s.objectives.iter().skip(1).map(|o| o.input().to_owned()).collect::<Vec<_>>());
        (!names.is_empty()).then(|| {
            let forget = move |_| spec.update(|s| s.objectives.truncate(1));
            view! {
                <p class="field">
                    {format!("Also warped to {}. ", names.join(", "))}
                    <button type="button" class="quiet" on:click=forget>"Leave out"</button>
                </p>
            }
        })
    };
    view! {
        {choice(
            form,
            label("goal", "Warped to", "What the layers predict after training: scores are those of images that were not trained on."),
            GOALS,
            move || goal.get(),
            move |v| {
                spec.update(|s| {
                    let name = first_input(s);
                    let next = match v {
                        Goal::Encoding => Objective::Encoding(name),
                        Goal::Rsa => Objective::Rsa(name),
                        Goal::Classes => Objective::Classes(Labels::default()),
                    };
                    set_first(s, next);
                });
            },
        )}
        {fields}
        {others}
    }
}

fn scheme_of(split: &Split) -> Scheme {
    match split {
        Split::Contiguous(_) => Scheme::Contiguous,
        Split::Shuffled(..) => Scheme::Shuffled,
        Split::Stratified(..) => Scheme::Stratified,
        Split::Given(_) => Scheme::Given,
    }
}

fn shares_of(split: &Split) -> ([f64; 2], u64) {
    match split {
        Split::Contiguous(shares) => (*shares, 0),
        Split::Shuffled(shares, seed) | Split::Stratified(shares, seed) => (*shares, *seed),
        Split::Given(_) => ([0.6, 0.2], 0),
    }
}

fn with_scheme(split: &Split, scheme: Scheme) -> Split {
    let (shares, seed) = shares_of(split);
    match scheme {
        Scheme::Contiguous => Split::Contiguous(shares),
        Scheme::Shuffled => Split::Shuffled(shares, seed),
        Scheme::Stratified => Split::Stratified(shares, seed),
        Scheme::Given => Split::Given(String::new()),
    }
}

fn set_shares(split: &mut Split, change: impl FnOnce(&mut [f64; 2])) {
    if let Split::Contiguous(shares) | Split::Shuffled(shares, _) | Split::Stratified(shares, _) = split {
        change(shares);
    }
}

fn split(form: Form) -> impl IntoView {
    let spec = form.warp;
    let scheme = Memo::new(move |_| spec.with(|s| scheme_of(&s.split)));
    let fields = move || {
        let scheme = scheme.get();
        if scheme == Scheme::Given {
            let name = move || spec.with(|s| if let Split::Given(name) = &s.split { name.clone() } else { String::new() });
            let at = label("split", "Split", "A number for each image: 0 trains, 1 validates, 2 tests.");
            return input(form, at, "choose a dataset", name, move |v| spec.update(|s| s.split = Split::Given(v)));
        }
        let seed = (scheme != Scheme::Contiguous).then(|| {
            seed(
                form,
                "Of the order.",
                move || spec.with(|s| shares_of(&s.split).1),
                move |v| {
                    spec.update(|s| {
                        if let Split::Shuffled(_, seed) | Split::Stratified(_, seed) = &mut s.split {
                            *seed = v;
                        }
                    });
                },
            )
        });
        view! {
            {number(
                form,
                label("split", "Share that trains", "0.6 are six of ten images."),
                "any",
                move || spec.with(|s| shares_of(&s.split).0[0]),
                move |v| spec.update(|s| set_shares(&mut s.split, |shares| shares[0] = v)),
            )}
            {number(
                form,
                label("split.validation", "Share that validates", "It tells when to stop; the rest tests."),
                "any",
                move || spec.with(|s| shares_of(&s.split).0[1]),
                move |v| spec.update(|s| set_shares(&mut s.split, |shares| shares[1] = v)),
            )}
            {seed}
        }
        .into_any()
    };
    view! {
        {choice(
            form,
            label("scheme", "Images are divided", "Into those that train, validate and test."),
            SCHEMES,
            move || scheme.get(),
            move |v| spec.update(|s| s.split = with_scheme(&s.split, v)),
        )}
        {fields}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use eigenscope::dataset::Shapes;

    use super::*;

    fn chosen(network: &str, layers: &[&str]) -> extraction::Spec {
        let layers = layers.iter().map(ToString::to_string).collect();
        extraction::Spec { network: network.into(), images: "images".into(), layers, reading: Reading::Avg, ..Default::default() }
    }

    #[test]
    fn layers_are_one_model_together_and_several_by_themselves() {
        let extraction = chosen("net", &["relu_1", "relu_2"]);
        let together = spec(Spec::default(), &extraction, &Choice::default());
        assert_eq!(together.models.len(), 1);
        assert_eq!(together.models[0].extraction.layers, ["relu_1", "relu_2"]);
        let each = spec(Spec::default(), &extraction, &Choice { each: true, groups: groups("conv1,bn1; layer1") });
        assert_eq!(each.models.len(), 2);
        assert_eq!((&each.models[1].extraction.layers, each.models[1].groups.len()), (&vec!["relu_2".to_owned()], 2));
        assert!(spec(Spec::default(), &chosen("", &["outputs"]), &Choice::default()).models.is_empty(), "no network is chosen");
    }

    #[test]
    fn a_spec_comes_back_from_its_parts() {
        let groups = groups("conv1");
        let kept = Spec { models: models(&chosen("a", &["x"]), &Choice::default()), ..Default::default() };
        for (layers, each) in [(&["y", "z"][..], true), (&["y", "z"][..], false), (&["y"][..], false)] {
            let whole = spec(kept.clone(), &chosen("b", layers), &Choice { groups: groups.clone(), each });
            let (rest, extraction, choice) = parted(whole.clone());
            assert_eq!((extraction.network.as_str(), extraction.layers.len(), choice.each), ("b", layers.len(), each));
            assert_eq!((&rest, spec(rest.clone(), &extraction, &choice)), (&kept, whole));
        }
        let (rest, extraction, choice) = parted(Spec::default());
        assert_eq!(spec(rest, &extraction, &choice), Spec::default());
    }

    #[test]
    fn numbers_and_groups_are_read_and_mistakes_kept_for_the_check() {
        assert_eq!(numbers("0, 10;x"), [0, 10, NO_NUMBER]);
        assert_eq!(numbers_text(&numbers("0 10 x")), "0, 10, ?");
        assert_eq!(groups_text(&groups(" conv1 , bn1;;layer1 ")), "conv1,bn1; layer1");
    }

    fn problems(spec: &Spec, extraction: &extraction::Spec) -> Vec<String> {
        let shapes = Shapes(["net", "images", "y"].map(|name| (name.to_owned(), vec![10, 3])).into_iter().collect::<BTreeMap<_, _>>());
        let mut found = Check { shapes: &shapes, tables: &[], found: Vec::new() };
        check(spec, extraction, &mut found);
        found.found.into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        let fine = Spec { objectives: vec![Objective::Encoding("y".into())], ..Default::default() };
        assert!(problems(&fine, &chosen("net", &["x"])).is_empty(), "nothing is wrong");
        let largest = extraction::Spec { reading: Reading::Max, ..chosen("net", &["x"]) };
        assert_eq!(problems(&fine, &largest), ["reading"]);
        let split = Split::Stratified([0.8, 0.2], 0);
        let wrong = Spec { dims: vec![NO_NUMBER], seeds: Vec::new(), split, ..fine.clone() };
        assert_eq!(problems(&wrong, &chosen("net", &["x"])), ["dims", "seeds", "split", "scheme"]);
        // The next network is still to be chosen: the ones before can run.
        let kept = spec(fine, &chosen("net", &["x"]), &Choice::default());
        assert!(problems(&kept, &chosen("", &["outputs"])).is_empty(), "a sweep of the first");
    }
}
