//! Scores of layers as bars, which classes are taken for which, and maps over channels or positions.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::probe::{Iterate, Layer, Output};
use leptos::prelude::*;

use super::Part;
use super::conditions::told_apart;
use crate::plot::figure::extent;
use crate::plot::reduce::sentence;
use crate::plot::{
    Axis, Bar, Cell, Chart, Color, Csv, DataTable, Draw, Figure, FigureCard, Heatmap, Layout, Scatter, Table, Trace, Values, number,
};

/// Why a number may be missing.
const NO_SCORE: &str = "no split has a defined score";
const NO_ERROR: &str = "needs at least two splits";

/// Layers whose bars stand side by side, at most: before and after an activation, say.
const MAX_GROUP: usize = 4;

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let (behavior, set_behavior) = signal(0usize);
    let (layer, set_layer) = signal(0usize);
    let (group, set_group) = signal(0usize);
    let bars = {
        let output = output.clone();
        Memo::new_with_compare(move |_| Arc::new(bars(&output, behavior.get(), group.get() + 1)), |_, _| true)
    };
    let sizes: Vec<String> = (1..=MAX_GROUP.min(output.layers.len())).map(|n| n.to_string()).collect();
    let table = table(&output);
    let behaviors = select("Behavior ", "probe-behavior", &output.behaviors, set_behavior);
    let names: Vec<String> = output.layers.iter().map(|l| l.name.clone()).collect();
    let confusion = (!output.classes.is_empty()).then(|| {
        let (output, spec) = (output.clone(), Arc::clone(&spec));
        let chart = Memo::new_with_compare(move |_| Arc::new(confusion(&output, layer.get())), |_, _| true);
        view! {
            <FigureCard id="probe-confusion" title="Confusion of classes" chart spec>
                {select("Layer ", "probe-layer", &names, set_layer)}
            </FigureCard>
        }
    });
    let map = (output.iterate != Iterate::None).then(|| {
        let (output, spec) = (output.clone(), Arc::clone(&spec));
        let names: Vec<String> = output.layers.iter().map(|l| l.name.clone()).collect();
        let (layer, set_layer) = signal(0usize);
        let chart = Memo::new_with_compare(move |_| Arc::new(map(&output, layer.get(), behavior.get())), |_, _| true);
        view! {
            <FigureCard id="probe-map" title="Scores within a layer" chart spec>
                {select("Layer ", "probe-map-layer", &names, set_layer)}
            </FigureCard>
        }
    });
    view! {
        <FigureCard id="probe" title="Scores of layers" chart=bars spec>
            {behaviors}
            {select("Layers in a group ", "probe-group", &sizes, set_group)}
        </FigureCard>
        <DataTable table caption="Scores: mean and standard error over splits" test_id="probe-table" />
        {map}
        {confusion}
    }
    .into_any()
}

/// One of several names by its number; nothing where there is one.
fn select(title: &'static str, test_id: &'static str, names: &[String], set: WriteSignal<usize>) -> Option<AnyView> {
    let options = names.iter().enumerate().map(|(i, name)| view! { <option value=i.to_string()>{name.clone()}</option> }).collect_view();
    let control = view! {
        <label>
            {title}
            <select data-testid=test_id on:change=move |e| set.set(event_target_value(&e).parse().unwrap_or_default())>
                {options}
            </select>
        </label>
    };
    (names.len() > 1).then(|| control.into_any())
}

fn metric(output: &Output) -> &'static str {
    match output.metric.as_str() {
        "accuracy" => "Accuracy",
        "explained_variance" => "Explained variance",
        "correlation" => "Correlation",
        _ => "R²",
    }
}

/// Mean and standard error of one iteration.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score {
    iteration: usize,
    mean: f64,
    sem: f64,
}

/// The score of a layer: of several iterations the largest.
fn score(layer: &Layer, behavior: usize, n_behaviors: usize) -> Option<Score> {
    let n = layer.mean.values.len().checked_div(n_behaviors)?;
    let of = |values: &[f64], i: usize| values.get(i * n_behaviors + behavior).copied().unwrap_or(f64::NAN);
    let all = (0..n).map(|i| Score { iteration: i, mean: of(&layer.mean.values, i), sem: of(&layer.sem.values, i) });
    all.filter(|s| s.mean.is_finite()).reduce(|best, next| if next.mean > best.mean { next } else { best })
}

/// `channel 3` or `position 2, 5`, counted from 1.
fn place(output: &Output, layer: &Layer, iteration: usize) -> String {
    let width = (layer.grid[1] as usize).max(1);
    match output.iterate {
        Iterate::None => String::new(),
        Iterate::Channel => format!("channel {}", iteration + 1),
        Iterate::Position => format!("position {}, {}", iteration / width + 1, iteration % width + 1),
    }
}

/// Bars of layers; those that follow each other stand in groups of so many.
fn bars(output: &Output, behavior: usize, group: usize) -> Chart {
    let names = told_apart(&output.layers.iter().map(|l| l.name.clone()).collect::<Vec<_>>());
    let scores: Vec<Option<Score>> = output.layers.iter().map(|layer| score(layer, behavior, output.behaviors.len())).collect();
    let means: Vec<f64> = scores.iter().map(|s| s.map_or(f64::NAN, |s| s.mean)).collect();
    let errors: Vec<f64> = scores.iter().map(|s| s.map_or(f64::NAN, |s| s.sem)).collect();
    let has_errors = errors.iter().any(|e| e.is_finite());
    let slots: Vec<String> = names.iter().step_by(group).cloned().collect();
    #[expect(clippy::cast_precision_loss, reason = "few layers")]
    let (width, half) = (if group == 1 { 0.43 } else { 0.86 / group as f64 }, (group as f64 - 1.0) / 2.0);
    let series = |k: usize| {
        let of = |values: &[f64]| values.iter().skip(k).step_by(group).copied().collect::<Vec<_>>();
        #[expect(clippy::cast_precision_loss, reason = "few layers")]
        let shift = (k as f64 - half) * width;
        let y = of(&means);
        Trace::Bar(Bar {
            name: if group == 1 { metric(output).into() } else { format!("place {} of a group", k + 1) },
            x: Values::Numbers((0u32..).map(|i| f64::from(i) + shift).take(y.len()).collect()),
            y,
            errors: if has_errors { of(&errors) } else { Vec::new() },
            width: Some(width),
            color: Color::Series(k),
            texts: names.iter().skip(k).step_by(group).cloned().collect(),
            hover: "%{text}<br><b>%{y:.4f}</b><extra></extra>",
        })
    };
    let mut traces: Vec<Trace> = (0..group).map(series).collect();
    if let Some(chance) = output.chance {
        let right = (0u32..).map(f64::from).take(slots.len()).last().unwrap_or(0.0) + 0.5;
        traces.push(Trace::Scatter(Scatter {
            name: "chance".into(),
            x: Values::Numbers(vec![-0.5, right]),
            y: vec![chance, chance],
            draw: Draw::Dashes,
            color: Color::Text,
            opacity: 0.8,
            in_legend: false,
            texts: Vec::new(),
            hover: "",
        }));
    }
    let caption = sentence(&[
        if has_errors { "vertical lines: ± 1 SEM over splits".into() } else { String::new() },
        if output.chance.is_some() { "dashed: the share of the most frequent class".into() } else { String::new() },
        if output.iterate == Iterate::None { String::new() } else { "of each layer the best of its channels or positions".into() },
        if group > 1 { "each group is named by its first layer".into() } else { String::new() },
    ]);
    let y = Axis { range: limits(output, &means, &errors), ..Axis::linear(metric(output)) };
    let layout = Layout { x: Axis::slots(slots), y, ..Layout::default() };
    let csv = table(output);
    Chart { figure: Figure { traces, layout }, summary: summary(output, behavior, &scores), caption, csv: Csv::new(move || csv.csv()) }
}

/// Ends of the axis of accuracies: below chance and below the lowest bar, so that differences near the top are seen.
fn limits(output: &Output, means: &[f64], errors: &[f64]) -> Option<[f64; 2]> {
    let chance = output.chance?;
    let lows = means.iter().zip(errors).map(|(m, e)| m - if e.is_finite() { *e } else { 0.0 });
    let lowest = lows.filter(|v| v.is_finite()).fold(chance, f64::min);
    let highest =
        means.iter().zip(errors).map(|(m, e)| m + if e.is_finite() { *e } else { 0.0 }).filter(|v| v.is_finite()).fold(1.0, f64::max);
    Some([(((lowest - 0.03) * 20.0).floor() / 20.0).max(0.0), highest + 0.02])
}

fn summary(output: &Output, behavior: usize, scores: &[Option<Score>]) -> String {
    let name = output.behaviors.get(behavior).map_or("", String::as_str);
    let found = output.layers.iter().zip(scores).filter_map(|(layer, score)| score.map(|s| (layer, s)));
    let best = found.reduce(|best, next| if next.1.mean > best.1.mean { next } else { best });
    let Some((layer, score)) = best else { return format!("No layer has a score for {name}.") };
    let spread = if score.sem.is_finite() { format!(" ± {}", number::significant(score.sem, 2)) } else { String::new() };
    let at = Some(place(output, layer, score.iteration)).filter(|p| !p.is_empty()).map_or_else(String::new, |p| format!(", {p}"));
    let chance = output.chance.map_or_else(String::new, |c| format!("; chance is {}", number::significant(c, 3)));
    let what = metric(output);
    format!(
        "{what} of {name}: {}{spread} in {}{at}, the best of {}{chance}.",
        number::significant(score.mean, 3),
        layer.name,
        layers(output)
    )
}

fn layers(output: &Output) -> String {
    let n = output.layers.len();
    format!("{} layer{}", number::count(n), if n == 1 { "" } else { "s" })
}

/// One row for each layer, iteration and behavior.
fn table(output: &Output) -> Table {
    let n_behaviors = output.behaviors.len();
    let mut rows = Vec::new();
    for layer in &output.layers {
        for (at, (&mean, &sem)) in layer.mean.values.iter().zip(&layer.sem.values).enumerate() {
            let (iteration, behavior) = (at / n_behaviors.max(1), at % n_behaviors.max(1));
            let unit = layer.location.as_ref().and_then(|l| l.values.get(at * 3..at * 3 + 3));
            let unit = unit.map_or_else(String::new, |u| u.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
            rows.push(vec![
                Cell::Text(layer.name.clone()),
                Cell::Text(place(output, layer, iteration)),
                Cell::Text(output.behaviors.get(behavior).cloned().unwrap_or_default()),
                Cell::number(Some(mean), NO_SCORE),
                Cell::number(Some(sem), NO_ERROR),
                Cell::Text(unit),
            ]);
        }
    }
    Table::new(["Layer", "Where", "Behavior", metric(output), "± (SEM over splits)", "Unit (channel, row, column)"], rows)
}

/// Means of the iterations of a layer: cells for positions, bars for channels.
fn map(output: &Output, layer: usize, behavior: usize) -> Chart {
    let n_behaviors = output.behaviors.len();
    let Some(layer) = output.layers.get(layer) else {
        return Chart {
            figure: Figure::default(),
            summary: "There is no such layer.".into(),
            caption: String::new(),
            csv: Csv::new(String::new),
        };
    };
    let [n_rows, n_columns] = layer.grid.map(|n| n as usize);
    let take =
        |values: &[f64]| (0..n_rows * n_columns).map(|i| values.get(i * n_behaviors + behavior).copied().unwrap_or(f64::NAN)).collect();
    let (means, errors): (Vec<f64>, Vec<f64>) = (take(&layer.mean.values), take(&layer.sem.values));
    let title = metric(output);
    let best = score(layer, behavior, n_behaviors);
    let summary = best.map_or_else(
        || format!("{} has no scores.", layer.name),
        |s| format!("{}: {title} is largest at {} ({}).", layer.name, place(output, layer, s.iteration), number::significant(s.mean, 3)),
    );
    let numbered = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>();
    if output.iterate == Iterate::Position {
        let range = extent(&means).filter(|[low, high]| low < high);
        let (rows, columns) = (numbered(n_rows), numbered(n_columns));
        let heatmap = Heatmap { columns: columns.clone(), rows: rows.clone(), z: means.clone(), range, title: title.into() };
        let layout =
            Layout { x: Axis::category("Column"), y: Axis { reversed: true, ..Axis::category("Row") }, square: true, ..Layout::default() };
        let at = move |i: usize, j: usize| means.get(i * n_columns + j).copied().unwrap_or(f64::NAN);
        let csv = Csv::matrix("row", &rows, &columns, at);
        return Chart { figure: Figure { traces: vec![Trace::Heatmap(heatmap)], layout }, summary, caption: String::new(), csv };
    }
    let has_errors = errors.iter().any(|e| e.is_finite());
    let bar = Bar {
        name: title.into(),
        x: Values::Numbers((1u32..).map(f64::from).take(means.len()).collect()),
        y: means,
        errors: if has_errors { errors } else { Vec::new() },
        width: None,
        color: Color::Series(0),
        texts: Vec::new(),
        hover: "channel %{x}<br><b>%{y:.4f}</b><extra></extra>",
    };
    let layout = Layout { x: Axis::linear("Channel"), y: Axis::linear(title), ..Layout::default() };
    let caption = sentence(&[if has_errors { "vertical lines: ± 1 SEM over splits".into() } else { String::new() }]);
    let csv = table(output);
    Chart { figure: Figure { traces: vec![Trace::Bar(bar)], layout }, summary, caption, csv: Csv::new(move || csv.csv()) }
}

/// Of the held-out rows of each class, the fraction that is taken for each; of several iterations in the best one.
fn confusion(output: &Output, layer: usize) -> Chart {
    let names = told_apart(&output.classes);
    let n = names.len();
    let layer = output.layers.get(layer).or_else(|| output.layers.first());
    let best = layer.and_then(|l| score(l, 0, 1)).map_or(0, |s| s.iteration);
    let counts: Vec<f64> = layer
        .and_then(|l| l.confusion.as_ref()?.values.get(best * n * n..(best + 1) * n * n))
        .map_or_else(|| vec![f64::NAN; n * n], <[f64]>::to_vec);
    let share = move |i: usize, j: usize| {
        let row = &counts[i * n..(i + 1) * n];
        row[j] / row.iter().sum::<f64>()
    };
    let worst = (0..n).map(|i| (i, share(i, i))).filter(|(_, v)| v.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1));
    let summary = match (layer, worst) {
        (Some(layer), Some((i, v))) => {
            let at = Some(place(output, layer, best)).filter(|p| !p.is_empty()).map_or_else(String::new, |p| format!(", {p}"));
            format!("{}{at}: the class that is recognized least is {} ({}).", layer.name, names[i], number::significant(v, 3))
        }
        _ => "There are no counts.".into(),
    };
    super::matrix::confusion(names, share, summary)
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::probe::{Estimator, Map};

    use super::*;

    fn layer(name: &str, grid: [u32; 2], mean: &[f64], counts: &[f64]) -> Layer {
        let n = mean.len();
        Layer {
            name: name.into(),
            shape: [1, grid[0], grid[1]],
            grid,
            n_units: 1,
            n_features: 1,
            mean: Array::matrix(n, 1, mean.to_vec()),
            sem: Array::matrix(n, 1, vec![0.01; n]),
            scores: None,
            confusion: Some(Array { shape: vec![u32::try_from(n).expect("small"), 2, 2], values: counts.to_vec() }),
            fold_confusions: None,
            location: None,
            fold_locations: None,
            models: None,
            n_unfinished: 0,
        }
    }

    fn output(iterate: Iterate, layers: Vec<Layer>) -> Output {
        Output {
            estimator: Estimator::Logistic,
            map: Map::Mv,
            iterate,
            metric: "accuracy".into(),
            nested: false,
            behaviors: vec!["animate".into()],
            classes: vec!["0".into(), "1".into()],
            chance: Some(0.6),
            n_samples: 20,
            n_folds: 5,
            layers,
        }
    }

    fn plain() -> Output {
        let counts = [6.0, 2.0, 3.0, 9.0];
        output(Iterate::None, vec![layer("conv1", [1, 1], &[0.75], &counts), layer("conv1_relu", [1, 1], &[0.8], &counts)])
    }

    #[test]
    fn layers_are_bars_with_errors_and_a_line_at_chance() {
        let chart = bars(&plain(), 0, 1);
        crate::views::dump("probe", &chart);
        let [Trace::Bar(bar), Trace::Scatter(chance)] = &chart.figure.traces[..] else { panic!("bars and a line") };
        assert_eq!((&bar.y, &bar.errors, &chance.y), (&vec![0.75, 0.8], &vec![0.01, 0.01], &vec![0.6, 0.6]));
        let [low, high] = chart.figure.layout.y.range.expect("chosen");
        assert!((low - 0.55).abs() < 1e-12 && high > 1.0, "below chance, up to 1: {low} to {high}");
        assert_eq!(chart.summary, "Accuracy of animate: 0.800 ± 0.010 in conv1_relu, the best of 2 layers; chance is 0.600.");
        assert_eq!(chart.csv.text().lines().nth(1), Some("conv1,,animate,0.75,0.01,"));
    }

    #[test]
    fn confusions_are_fractions_of_rows() {
        let chart = confusion(&plain(), 0);
        crate::views::dump("probe_confusion", &chart);
        let Trace::Heatmap(map) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!(map.z, [0.75, 0.25, 0.25, 0.75]);
        assert!(chart.summary.starts_with("conv1: the class that is recognized least is 0 (0.750)"), "{}", chart.summary);
    }

    #[test]
    fn layers_stand_in_groups() {
        let output = plain();
        let n = output.layers.len();
        let chart = bars(&output, 0, 2);
        let bars: Vec<&Bar> = chart.figure.traces.iter().filter_map(|t| if let Trace::Bar(bar) = t { Some(bar) } else { None }).collect();
        assert_eq!((bars.len(), bars[0].y.len() + bars[1].y.len()), (2, n), "each layer once");
        assert_eq!((&bars[0].x, bars[0].width), (&Values::Numbers((0..n.div_ceil(2)).map(|i| i as f64 - 0.215).collect()), Some(0.43)));
        assert_eq!(bars[1].texts[0], output.layers[1].name);
        assert_eq!(chart.figure.layout.x.ticks.as_ref().map(Vec::len), Some(n.div_ceil(2)), "a name for each group");
    }

    #[test]
    fn positions_are_cells_and_channels_are_bars() {
        let counts: Vec<f64> = (0..16).map(f64::from).collect();
        let positions = output(Iterate::Position, vec![layer("conv2", [2, 2], &[0.5, 0.7, f64::NAN, 0.6], &counts)]);
        let chart = map(&positions, 0, 0);
        crate::views::dump("probe_map", &chart);
        let Trace::Heatmap(cells) = &chart.figure.traces[0] else { panic!("a heat map") };
        assert_eq!((cells.rows.len(), cells.range), (2, Some([0.5, 0.7])));
        assert_eq!(chart.summary, "conv2: Accuracy is largest at position 1, 2 (0.700).");
        assert!(bars(&positions, 0, 1).summary.contains("in conv2, position 1, 2"), "the best of the layer");
        let Trace::Heatmap(best) = &confusion(&positions, 0).figure.traces[0] else { panic!("a heat map") };
        assert_eq!(best.z[0], 4.0 / 9.0, "of the best position");
        let channels = output(Iterate::Channel, vec![layer("conv2", [4, 1], &[0.5, 0.7, 0.4, 0.6], &counts)]);
        let chart = map(&channels, 0, 0);
        assert!(matches!(&chart.figure.traces[0], Trace::Bar(bar) if bar.y.len() == 4), "a bar for each channel");
        assert!(map(&channels, 5, 0).figure.traces.is_empty(), "a layer that is not there");
    }
}
