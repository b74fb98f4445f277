//! Scores against the number of dimensions, what they say of the dimensions that a warp needs, and how it was trained.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::warp::{Curve, Output, Place, Point, Spec, results_csv};
use eigenscope::warp::sweep::{Needed, Target};
use leptos::prelude::*;

use super::controls::line;
use super::{Part, warp_figure};
use crate::plot::{Cell, Chart, Csv, DataTable, FigureCard, Table, number};

/// Why a number may be missing.
const LEFT_OUT: &str = "this point was left out";
const NO_SCORE: &str = "it is still trained, or its score is not defined";
const NO_CLOCK: &str = "nothing measured the time";

/// The view of [`Output`].
pub(super) fn view(output: Signal<Part<Output>>, spec: Arc<AnalysisSpec>) -> AnyView {
    let AnalysisSpec::Warp(settings) = &*spec else { return ().into_any() };
    let settings = Arc::new(settings.clone());
    let chart = {
        let settings = Arc::clone(&settings);
        Memo::new_with_compare(move |_| Arc::new(output.with(|o| warp_figure::curves(o, &settings))), |_, _| true)
    };
    let said = {
        let settings = Arc::clone(&settings);
        move || output.with(|o| sentences(o, &settings, o.is_preview()).into_iter().map(|s| view! { <li>{s}</li> }).collect_view())
    };
    let rows = {
        let settings = Arc::clone(&settings);
        Signal::derive(move || output.with(|o| table(o, &settings, o.is_preview())))
    };
    let single = settings.models.len() * settings.objectives.len() == 1;
    let csv = Csv::new(move || output.with_untracked(|o| results_csv(o)));
    view! {
        {move || single.then(|| output.with(|o| headline(o)))}
        <ul class="plain" data-testid="warp-said">{said}</ul>
        <FigureCard id="warp" title="Score against dimensions" chart spec=Arc::clone(&spec) />
        {training(output, settings, spec)}
        <DataTable table=rows caption="Results" test_id="warp-table" csv />
    }
    .into_any()
}

/// The numbers of a single sweep, large.
fn headline(output: &Output) -> Option<AnyView> {
    let [curve] = output.curves.as_slice() else { return None };
    let needed = match curve.d_warp? {
        Needed::Dimensions(d) => number::significant(d, 3),
        Needed::Censored0 => "0".into(),
        Needed::More => format!("> {}", number::count(curve.dims.last().copied()?)),
        Needed::Undefined => "undefined".into(),
    };
    let best = curve.mean.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let score = score_name(output);
    let full = curve.full.map(|v| view! { <div><dt>{format!("{score}, all parameters")}</dt><dd>{number::significant(v, 3)}</dd></div> });
    Some(
        view! {
            <dl class="headline">
                <div><dt>"Dimensions needed (d_warp)"</dt><dd data-testid="d-warp">{needed}</dd></div>
                <div><dt>{format!("{score} without warping")}</dt><dd>{number::significant(*curve.mean.first()?, 3)}</dd></div>
                <div><dt>{format!("{score}, best of the sweep")}</dt><dd>{number::significant(best, 3)}</dd></div>
                {full}
            </dl>
        }
        .into_any(),
    )
}

/// What scores are called.
pub(super) fn score_name(output: &Output) -> &'static str {
    use eigenscope::analysis::warp::Scores;
    match output.points.first().map(|p| p.scores) {
        Some(Scores::Accuracy { .. }) => "Accuracy",
        Some(Scores::Rsa { .. }) => "RDM correlation",
        Some(Scores::R2 { .. }) | None => "R²",
    }
}

/// One sweep: the model and the objective by their numbers.
pub(super) type Pair = (u32, u32);

/// Sweeps that have points, in their order.
pub(super) fn pairs(output: &Output) -> Vec<Pair> {
    let mut out: Vec<Pair> = output.points.iter().map(|p| (p.model, p.objective)).collect();
    out.dedup();
    out
}

/// The network, its layers, and what it is warped to where there are several.
pub(super) fn name(output: &Output, spec: &Spec, (model, objective): Pair) -> String {
    let curve = output.curves.iter().find(|c| (c.model, c.objective) == (model, objective));
    let of_spec = spec.models.get(model as usize).map(|m| (m.extraction.network.clone(), m.extraction.layers.clone()));
    let (network, layers) = curve.map(|c| (c.network.clone(), c.layers.clone())).or(of_spec).unwrap_or_default();
    let target = spec.objectives.get(objective as usize).filter(|_| spec.objectives.len() > 1);
    let target = target.map_or_else(String::new, |t| format!(", to {}", t.input()));
    format!("{network}, {}{target}", layers.join(" + "))
}

fn percent(share: f64) -> String {
    number::significant(100.0 * share, 2)
}

/// What each sweep says, in words.
fn sentences(output: &Output, spec: &Spec, running: bool) -> Vec<String> {
    let what = match spec.target {
        Target::Gain(share) => format!("{} % of the gain over d = 0", percent(share)),
        Target::Absolute(share) => format!("{} % of the reference", percent(share)),
    };
    let several = spec.models.len() * spec.objectives.len() > 1;
    let say = |pair: Pair| {
        let curve = output.curves.iter().find(|c| (c.model, c.objective) == pair);
        let named = if several { format!("{}: ", name(output, spec, pair)) } else { String::new() };
        let done = output.points.iter().filter(|p| (p.model, p.objective) == pair && p.scores.test().is_some()).count();
        let all = (spec.dims.len() + usize::from(spec.full)) * spec.seeds.len();
        format!("{named}{}", verdict(curve, &what, running.then_some([done, all])))
    };
    let left_out = if running { 0 } else { left_out(output, spec).count() };
    let were = if left_out == 1 { "was" } else { "were" };
    let said = (left_out > 0).then(|| format!("{left_out} of {} points {were} left out.", spec.places().len()));
    pairs(output).into_iter().map(say).chain(said).collect()
}

/// Points of a sweep that has ended without them.
fn left_out(output: &Output, spec: &Spec) -> impl Iterator<Item = Place> {
    spec.places().into_iter().filter(|place| !output.points.iter().any(|point| point.place() == *place))
}

fn verdict(curve: Option<&Curve>, what: &str, running: Option<[usize; 2]>) -> String {
    let most = curve.and_then(|c| c.dims.last()).map_or_else(String::new, number_text);
    match (curve.and_then(|c| c.d_warp), running) {
        (Some(Needed::Dimensions(d)), _) => {
            format!("{what} takes {} dimensions{}.", number::significant(d, 3), interval(curve, &most))
        }
        (Some(Needed::Censored0), _) => format!("The score is there without warping: {what} takes no dimension{}.", interval(curve, &most)),
        (Some(Needed::More), _) => {
            format!("{what} takes more than {most} dimensions, the most that were tried{}.", interval(curve, &most))
        }
        (Some(Needed::Undefined), _) => "No number of dimensions scores above d = 0, so that d_warp is not defined.".into(),
        (None, Some([done, all])) => format!("{done} of {all} points are trained."),
        (None, None) => "d_warp needs a sweep that begins with 0, at least two numbers of dimensions, and a score for each.".into(),
    }
}

fn number_text(n: &u32) -> String {
    number::count(*n)
}

/// The interval over seeds, in brackets.
fn interval(curve: Option<&Curve>, most: &str) -> String {
    let Some([low, high]) = curve.and_then(|c| c.interval) else { return String::new() };
    let end = |v: Option<f64>| v.map_or_else(|| format!("more than {most}"), |v| number::significant(v, 3));
    format!(" (95 % of resampled seeds: {} to {})", end(low), end(high))
}

fn table(output: &Output, spec: &Spec, running: bool) -> Table {
    let named = |place: Place| {
        let pair = (place.model, place.objective);
        let target = spec.objectives.get(place.objective as usize).map_or("", |o| o.input());
        let d = place.d.map_or_else(|| Cell::Text("all parameters".into()), |d| Cell::Count(d.into()));
        let network = name(output, &Spec { objectives: Vec::new(), ..spec.clone() }, pair);
        vec![Cell::Text(network), Cell::Text(target.into()), d, Cell::Count(place.seed.into())]
    };
    let row = |p: &Point| {
        let mut row = named(p.place());
        row.extend([Cell::number(p.scores.test(), NO_SCORE), Cell::number(p.scores.validation(), NO_SCORE)]);
        row.extend([Cell::Count(p.best_epoch.into()), Cell::Count(p.epochs.into()), Cell::number(p.seconds, NO_CLOCK)]);
        row
    };
    let empty = |place: Place| {
        let mut row = named(place);
        row.push(Cell::Text("left out".into()));
        row.extend((0..4).map(|_| Cell::Undefined(LEFT_OUT)));
        row
    };
    let score = score_name(output);
    let (test, validation) = (format!("{score}, test"), format!("{score}, validation"));
    let columns = ["Network and layers", "Warped to", "d", "Seed", &test, &validation, "Best epoch", "Epochs", "Seconds"];
    let missing = (!running).then(|| left_out(output, spec).map(empty)).into_iter().flatten();
    Table::new(columns, output.points.iter().map(row).chain(missing).collect())
}

/// Loss and validation score by epoch of some points.
fn training(output: Signal<Part<Output>>, settings: Arc<Spec>, spec: Arc<AnalysisSpec>) -> AnyView {
    let (dims, set_dims) = signal(String::new());
    let (sweep, set_sweep) = signal(0usize);
    let (seed, set_seed) = signal(0usize);
    let seeds = settings.seeds.clone();
    let chosen = Memo::new(move |_| {
        let seed = seeds.get(seed.get()).copied().unwrap_or_default();
        output.with(|o| {
            let pair = pairs(o).get(sweep.get()).copied().unwrap_or_default();
            warp_figure::chosen(&o.points, pair, seed, &dims.get()).into_iter().cloned().collect::<Vec<Point>>()
        })
    });
    let score = Memo::new(move |_| output.with(|o| score_name(o)));
    let chart = move |of: fn(&[Point], &str) -> Chart| {
        Memo::new_with_compare(move |_| Arc::new(chosen.with(|points| of(points, score.get()))), |_, _| true)
    };
    let select = |title: &'static str, test_id: &'static str, names: Vec<String>, set: WriteSignal<usize>| {
        let several = names.len() > 1;
        let options = names.into_iter().enumerate().map(|(i, name)| view! { <option value=i.to_string()>{name}</option> }).collect_view();
        several.then(|| {
            view! {
                <label>
                    {title}
                    <select data-testid=test_id on:change=move |e| set.set(event_target_value(&e).parse().unwrap_or_default())>{options}</select>
                </label>
            }
        })
    };
    let sweeps: Vec<String> = {
        let all = (0..settings.models.len()).flat_map(|m| (0..settings.objectives.len()).map(move |o| (m, o)));
        let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
        output.with_untracked(|o| all.map(|(m, k)| name(o, &settings, (index(m), index(k)))).collect())
    };
    let of_seeds: Vec<String> = settings.seeds.iter().map(ToString::to_string).collect();
    view! {
        <div class="figure-pair">
            <FigureCard id="warp-loss" title="Loss while training" chart=chart(warp_figure::losses) spec=Arc::clone(&spec)>
                {select("Sweep ", "warp-sweep", sweeps, set_sweep)}
                {select("Seed ", "warp-seed", of_seeds, set_seed)}
                {line("Dimensions ", "warp-dims", dims, set_dims)}
            </FigureCard>
            <FigureCard id="warp-validation" title="Validation score while training" chart=chart(warp_figure::validations) spec />
        </div>
    }
    .into_any()
}

#[cfg(test)]
pub(super) mod tests {
    use eigenscope::analysis::extraction;
    use eigenscope::analysis::warp::{Model, Objective, Scores};

    use super::*;

    pub(crate) fn spec() -> Spec {
        let extraction = extraction::Spec { network: "net".into(), layers: vec!["relu".into()], ..Default::default() };
        Spec {
            models: vec![Model { extraction, groups: Vec::new() }],
            objectives: vec![Objective::Encoding("V4".into())],
            dims: vec![0, 10, 100],
            full: true,
            seeds: vec![0, 1],
            ..Default::default()
        }
    }

    pub(crate) fn output() -> Output {
        let point = |d: Option<u32>, seed: u32, score: f64| Point {
            model: 0,
            objective: 0,
            d,
            seed,
            scores: Scores::R2 { val_r2: Some(score + 0.01), test_r2: Some(score) },
            epochs: 2,
            best_epoch: 1,
            seconds: None,
            losses: vec![1.0, 0.5],
            validations: vec![Some(score), Some(score - 0.1)],
        };
        let points = [(Some(0), 0.1), (Some(10), 0.2), (Some(100), 0.5), (None, 0.6)];
        let points = (0..2).flat_map(|seed| points.map(|(d, score)| point(d, seed, score + 0.02 * f64::from(seed)))).collect();
        let curve = Curve {
            model: 0,
            objective: 0,
            network: "net".into(),
            layers: vec!["relu".into()],
            target: "V4".into(),
            dims: vec![0, 10, 100],
            mean: vec![0.11, 0.21, 0.51],
            sem: Some(vec![0.01; 3]),
            full: Some(0.61),
            d_warp: Some(Needed::Dimensions(73.2)),
            d_warp_last: Some(Needed::Dimensions(73.2)),
            interval: Some([Some(50.0), None]),
        };
        Output { points, curves: vec![curve] }
    }

    #[test]
    fn the_sentence_spells_out_what_is_censored() {
        let says = |d_warp: Option<Needed>, interval, running| {
            let mut output = output();
            (output.curves[0].d_warp, output.curves[0].interval) = (d_warp, interval);
            sentences(&output, &spec(), running).join(" ")
        };
        assert_eq!(
            says(Some(Needed::Dimensions(73.2)), Some([Some(50.0), None]), false),
            "90 % of the gain over d = 0 takes 73.2 dimensions (95 % of resampled seeds: 50.0 to more than 100)."
        );
        assert!(says(Some(Needed::Censored0), None, false).starts_with("The score is there without warping"), "0");
        assert!(says(Some(Needed::More), None, false).contains("takes more than 100 dimensions, the most that were tried."), "more");
        assert!(says(Some(Needed::Undefined), None, false).contains("not defined"), "no gain");
        assert_eq!(says(None, None, true), "8 of 8 points are trained.");
        assert!(says(None, None, false).starts_with("d_warp needs a sweep that begins with 0"), "no sweep");
    }

    #[test]
    fn several_sweeps_are_told_apart() {
        let mut spec = spec();
        spec.objectives.push(Objective::Rsa("IT".into()));
        assert_eq!(name(&output(), &spec, (0, 1)), "net, relu, to IT");
        assert!(sentences(&output(), &spec, false)[0].starts_with("net, relu, to V4: 90 %"), "named");
    }

    #[test]
    fn the_table_has_a_row_for_each_point() {
        let table = table(&output(), &spec(), false);
        assert_eq!((table.rows.len(), table.rows[0].len()), (8, table.columns.len()));
        assert_eq!((table.rows[3][2].display(), table.rows[2][2].display()), ("all parameters".into(), "100".into()));
        assert!(table.columns.contains(&"R², test".to_owned()), "{:?}", table.columns);
    }

    #[test]
    fn points_that_were_left_out_are_told() {
        let mut shorter = output();
        shorter.points.remove(1);
        let rows = table(&shorter, &spec(), false).rows;
        let last = rows.last().expect("rows");
        assert_eq!((rows.len(), last[2].display().as_str(), last[4].display().as_str()), (8, "10", "left out"));
        assert_eq!(table(&shorter, &spec(), true).rows.len(), 7, "what is not there yet was not left out");
        assert_eq!(sentences(&shorter, &spec(), false).last().expect("a sentence"), "1 of 8 points was left out.");
        assert!(!sentences(&output(), &spec(), false).join(" ").contains("left out"), "none was");
    }
}
