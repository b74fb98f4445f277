//! Figures of the orientation model as plain data.

use eigenscope::analysis::orientation::{Encoding, Output, Population};

use super::at;
use super::matrix::{About, heat_map};
use crate::plot::reduce::{MAX_SIDE, sentence};
use crate::plot::{Axis, Bar, CYCLE, Cell, Chart, Color, Csv, Draw, Figure, Layout, Scatter, Table, Trace, Values, number};

/// `−45°`.
pub(super) fn degrees(angle: f64) -> String {
    let text = if angle.fract() == 0.0 { format!("{angle:.0}") } else { format!("{angle:.1}") };
    format!("{}°", text.replace('-', "−"))
}

/// Which color an orientation has.
fn color(orientation: f64) -> usize {
    let share = (orientation + 90.0).rem_euclid(180.0) / 180.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a few colors")]
    let k = (share * CYCLE as f64).floor() as usize;
    k.min(CYCLE - 1)
}

/// The orientation in the middle of a color.
#[expect(clippy::cast_precision_loss, reason = "a few colors")]
pub(super) fn middle(k: usize) -> f64 {
    180.0 * (k as f64 + 0.5) / CYCLE as f64 - 90.0
}

/// Mean loss of each pass so far.
pub(super) fn losses(output: &Output) -> Chart {
    let x: Vec<f64> = (1u32..).map(f64::from).take(output.losses.len()).collect();
    let most = f64::from(output.epochs.max(1));
    let line = Scatter::line("loss", x, output.losses.clone(), Vec::new(), "pass %{x}<br><b>%{y:.4g}</b><extra></extra>");
    let guess = std::f64::consts::LN_2;
    let guessing = Scatter {
        draw: Draw::Dashes,
        color: Color::Text,
        opacity: 0.7,
        ..Scatter::line("guessing", vec![0.0, most], vec![guess, guess], Vec::new(), "")
    };
    let errors = vec![f64::NAN; output.losses.len()];
    let x = Axis { range: Some([0.0, most + 0.5]), ..Axis::linear("Passes through the gratings") };
    let layout = Layout { x, y: Axis::linear("Loss (cross-entropy)"), ..Layout::default() };
    let summary = match output.losses.as_slice() {
        [] => "It has not begun yet.".into(),
        [first, .., last] => {
            let [first, last] = [first, last].map(|v| number::significant(*v, 3));
            format!("The loss went from {first} in the first pass to {last} in pass {}.", number::count(output.losses.len()))
        }
        [only] => format!("The loss of the first pass is {}.", number::significant(*only, 3)),
    };
    let rows = (1u64..).zip(output.losses.iter().zip(&output.last_losses));
    let rows = rows.map(|(n, (mean, last))| vec![Cell::Count(n), Cell::Number(*mean), Cell::Number(*last)]).collect();
    let table = Table::new(["epoch", "mean loss", "loss of the last batch"], rows);
    Chart {
        figure: Figure { traces: vec![Trace::Scatter(guessing), Trace::Curve(line, errors)], layout },
        summary,
        caption: "Dashed: guessing.".into(),
        csv: Csv::new(move || table.csv()),
    }
}

/// Distances between orientations.
pub(super) fn rdm(population: &Population, names: &[String]) -> Chart {
    let note = if population.n_constant > 0 {
        format!("{} orientations have a constant pattern and no distances", number::count(population.n_constant))
    } else {
        String::new()
    };
    let summary = format!("{} orientations by {} units.", number::count(names.len()), number::count(population.n_units));
    let mut chart = heat_map(&population.rdm, names, About { thing: "orientation", unit: "1 − r", summary, note });
    // Small squares have room for a few labels only.
    let every = (names.len() / 3).max(1);
    let ticks: Vec<(f64, String)> = (0u32..).map(f64::from).zip(names.iter().cloned()).step_by(every).collect();
    if names.len() > 12 && names.len() <= MAX_SIDE {
        (chart.figure.layout.x.ticks, chart.figure.layout.y.ticks) = (Some(ticks.clone()), Some(ticks));
    }
    chart
}

/// Similarity of each layer to the brain.
pub(super) fn bars(output: &Output, brain: &str) -> Chart {
    let layers: Vec<String> = output.comparisons.iter().map(|c| c.layer.clone()).collect();
    let heights: Vec<f64> = output.comparisons.iter().map(|c| c.correlation.unwrap_or(f64::NAN)).collect();
    let bar = Bar {
        name: "similarity".into(),
        x: Values::Numbers((0u32..).map(f64::from).take(heights.len()).collect()),
        y: heights,
        errors: Vec::new(),
        width: Some(0.5),
        color: Color::Series(0),
        texts: layers.clone(),
        hover: "%{text}<br><b>%{y:.3f}</b><extra></extra>",
    };
    let said = output.comparisons.iter().map(|c| format!("{} {}", c.layer, correlation(c.correlation)));
    let summary = format!("Correlation of RDMs with {brain}: {}.", said.collect::<Vec<_>>().join(", "));
    let rows = output
        .comparisons
        .iter()
        .map(|c| vec![Cell::Text(c.layer.clone()), Cell::number(c.correlation, "an RDM is constant"), Cell::Count(c.n_pairs.into())]);
    let table = Table::new(["layer", "correlation", "pairs"], rows.collect());
    let layout = Layout { x: Axis::slots(layers), y: Axis::linear("Correlation of RDMs"), ..Layout::default() };
    let caption = "Over all pairs of orientations that have a distance on both sides.".into();
    Chart { figure: Figure { traces: vec![Trace::Bar(bar)], layout }, summary, caption, csv: Csv::new(move || table.csv()) }
}

fn correlation(r: Option<f64>) -> String {
    r.map_or_else(|| "undefined".into(), |r| number::significant(r, 2))
}

/// What the bars say.
pub(super) fn verdict(output: &Output, brain: &str) -> String {
    let of = |name: &str| output.comparisons.iter().find(|c| c.layer == name).and_then(|c| c.correlation);
    match (of("pool"), of("fc")) {
        (Some(pool), Some(fc)) if pool > fc => format!(
            "The earlier layer, pool (r = {}), is more like {brain} than the last one, fc (r = {}). To answer left or right, fc needs only two groups, \
             and its square has two blocks where that of {brain} changes smoothly: what serves the task is not all that the brain keeps.",
            correlation(Some(pool)),
            correlation(Some(fc))
        ),
        (pool, fc) => format!(
            "The earlier layer, pool, correlates with {brain} at {}, the last one, fc, at {}. With other settings this may change: try another seed or another network.",
            correlation(pool),
            correlation(fc)
        ),
    }
}

/// Errors of the network that is fitted to neurons.
pub(super) fn encoding(fit: &Encoding) -> Chart {
    let steps: Vec<f64> = fit.steps.iter().map(|step| f64::from(*step)).collect();
    let line = |(k, (name, values)): (usize, (&str, &Vec<f64>))| {
        Trace::Scatter(Scatter {
            color: Color::Series(k),
            in_legend: true,
            ..Scatter::line(name, steps.clone(), values.clone(), Vec::new(), "step %{x}<br><b>%{y:.3f}</b>")
        })
    };
    let both = [("orientations that it sees", &fit.train_losses), ("orientations in between", &fit.test_losses)];
    let traces = both.into_iter().enumerate().map(line).collect();
    let layout = Layout { x: Axis::linear("Step"), y: Axis::linear("Error"), legend: true, ..Layout::default() };
    let ends = fit.test_losses.first().zip(fit.test_losses.last());
    let summary = ends.map_or_else(String::new, |(from, to)| {
        let [from, to] = [from, to].map(|v| number::significant(*v, 3));
        format!("The error for orientations in between went from {from} to {to}.")
    });
    let rows = fit.steps.iter().zip(&fit.train_losses).zip(&fit.test_losses);
    let rows = rows.map(|((step, train), test)| vec![Cell::Count((*step).into()), Cell::Number(*train), Cell::Number(*test)]).collect();
    let table = Table::new(["step", "error with penalties", "error in between"], rows);
    Chart {
        figure: Figure { traces, layout },
        summary,
        caption: "In units of the variance of each neuron; 1: guessing its mean.".into(),
        csv: Csv::new(move || table.csv()),
    }
}

/// What the network of neurons says.
pub(super) fn explained(fit: &Encoding, brain: &str) -> String {
    let share = fit.r2.map_or_else(|| "an unknown share".into(), |r2| format!("{} %", number::significant(100.0 * r2, 2)));
    format!(
        "Turned around: six filters and a linear read-out are fitted to the responses of {brain} to every third orientation. They explain {share} of the variance of \
         orientations in between, which the fit has not seen. This is an encoding model."
    )
}

/// Distances of one orientation from all others in each population.
pub(super) fn row(output: &Output, row: usize) -> Chart {
    let n = output.orientations.len();
    let row = row.min(n.saturating_sub(1));
    let distances = |p: &Population| (0..n).map(|j| at(&p.rdm, row, j)).collect::<Vec<_>>();
    let line = |(k, p): (usize, &Population)| {
        Trace::Scatter(Scatter {
            color: Color::Series(k),
            in_legend: true,
            ..Scatter::line(&p.name, output.orientations.clone(), distances(p), Vec::new(), "%{x}°<br><b>%{y:.3f}</b>")
        })
    };
    let traces = output.populations.iter().enumerate().map(line).collect();
    let from = output.orientations.get(row).map_or_else(String::new, |o| degrees(*o));
    let layout = Layout {
        x: Axis::linear("Orientation (degrees)"),
        y: Axis::linear(format!("Distance from {from} (1 − correlation)")),
        legend: true,
        ..Layout::default()
    };
    let columns: Vec<String> = output.orientations.iter().map(ToString::to_string).collect();
    let names: Vec<String> = output.populations.iter().map(|p| p.name.clone()).collect();
    let all: Vec<Vec<f64>> = output.populations.iter().map(distances).collect();
    Chart {
        figure: Figure { traces, layout },
        summary: format!("Distances of {} orientations from {from}.", number::count(n)),
        caption: String::new(),
        csv: Csv::matrix("population", &columns, &names, move |i, j| all[i][j]),
    }
}

/// Responses of a few units to the orientations.
pub(super) fn tuning(population: &Population, orientations: &[f64]) -> Chart {
    let names: Vec<String> = population.tuned.iter().map(|u| format!("unit {}", u + 1)).collect();
    let line = |(k, name): (usize, &String)| {
        let y = (0..orientations.len()).map(|j| at(&population.tuning, k, j)).collect();
        Trace::Scatter(Scatter {
            color: Color::Series(k),
            in_legend: true,
            ..Scatter::line(name, orientations.to_vec(), y, Vec::new(), "%{x}°<br><b>%{y:.3g}</b>")
        })
    };
    let traces = names.iter().enumerate().map(line).collect();
    let layout = Layout { x: Axis::linear("Orientation (degrees)"), y: Axis::linear("Response"), legend: true, ..Layout::default() };
    let columns: Vec<String> = orientations.iter().map(ToString::to_string).collect();
    let (summary, values) =
        (format!("{} of {} units.", number::count(names.len()), number::count(population.n_units)), population.tuning.clone());
    let csv = Csv::matrix("unit", &columns, &names, move |i, j| at(&values, i, j));
    Chart { figure: Figure { traces, layout }, summary, caption: sentence(&["chosen at random".into()]), csv }
}

/// Orientations in the plane, colored around the circle.
pub(super) fn points(population: &Population, orientations: &[f64]) -> Chart {
    let of_color = |k: usize| {
        let rows: Vec<usize> = (0..orientations.len()).filter(|i| color(orientations[*i]) == k).collect();
        let along = |c: usize| rows.iter().map(|i| at(&population.points, *i, c)).collect::<Vec<_>>();
        let texts = rows.iter().map(|i| degrees(orientations[*i])).collect();
        Trace::Scatter(Scatter {
            draw: Draw::Points,
            color: Color::Cycle(k),
            ..Scatter::line("orientations", along(0), along(1), texts, "%{text}<extra></extra>")
        })
    };
    let names: Vec<String> = orientations.iter().map(ToString::to_string).collect();
    let points = population.points.clone();
    let columns = ["x".to_owned(), "y".to_owned()];
    let none = |title: &str| Axis { ticks: Some(Vec::new()), ..Axis::linear(title) };
    let layout = Layout { x: none("t-SNE 1"), y: none("t-SNE 2"), square: true, ..Layout::default() };
    Chart {
        figure: Figure { traces: (0..CYCLE).map(of_color).collect(), layout },
        summary: format!("{} orientations by the responses of {}.", number::count(orientations.len()), population.name),
        caption: String::new(),
        csv: Csv::matrix("orientation", &columns, &names, move |i, j| at(&points, i, j)),
    }
}

#[cfg(test)]
mod tests {
    use eigenscope::Array;
    use eigenscope::analysis::orientation::Comparison;

    use super::*;

    fn population(name: &str) -> Population {
        Population {
            name: name.into(),
            n_units: 10,
            rdm: Array::matrix(3, 3, vec![0.0, 0.5, 1.0, 0.5, 0.0, f64::NAN, 1.0, f64::NAN, 0.0]),
            n_constant: 0,
            tuned: vec![4, 7],
            tuning: Array::matrix(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            points: Array::matrix(3, 2, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        }
    }

    fn output() -> Output {
        let comparison = |layer: &str, r| Comparison { layer: layer.into(), correlation: Some(r), n_pairs: 3 };
        Output {
            losses: vec![0.7, 0.3],
            last_losses: vec![0.6, 0.2],
            epochs: 25,
            accuracy: Some(0.99),
            n_parameters: 3201,
            filters_before: None,
            filters_after: None,
            orientations: vec![-90.0, 0.0, 89.0],
            populations: ["V1", "pool", "fc"].map(population).into(),
            comparisons: vec![comparison("pool", 0.6), comparison("fc", 0.1)],
            encoding: Some(Encoding {
                steps: vec![0, 20],
                train_losses: vec![1.0, 0.4],
                test_losses: vec![1.1, 0.5],
                r2: Some(0.5),
                filters: Array::matrix(6, 49, vec![0.0; 294]),
            }),
        }
    }

    #[test]
    fn colors_go_around_once_from_minus_90_to_90_degrees() {
        assert_eq!((color(-90.0), color(89.9), color(90.0), color(-1.0), color(0.0)), (0, 11, 0, 5, 6));
        assert!((0..CYCLE).all(|k| color(middle(k)) == k), "the middle of each color has it");
    }

    #[test]
    fn a_network_of_neurons_has_both_errors() {
        let fit = output().encoding.expect("it is there");
        let chart = encoding(&fit);
        assert_eq!(chart.figure.traces.len(), 2);
        assert!(chart.summary.contains("from 1.10 to 0.500") && explained(&fit, "V1").contains("50 %"), "{}", chart.summary);
    }

    #[test]
    fn the_loss_is_drawn_while_it_learns() {
        let mut output = output();
        let chart = losses(&output);
        crate::views::dump("orientation_loss", &chart);
        assert_eq!(chart.summary, "The loss went from 0.700 in the first pass to 0.300 in pass 2.");
        assert_eq!(chart.figure.layout.x.range, Some([0.0, 25.5]), "room for all passes");
        assert_eq!(chart.csv.text().lines().nth(2), Some("2,0.3,0.2"));
        output.losses.clear();
        assert_eq!(losses(&output).summary, "It has not begun yet.");
    }

    #[test]
    fn the_verdict_says_which_layer_is_nearer() {
        let mut output = output();
        assert!(
            verdict(&output, "V1").starts_with("The earlier layer, pool (r = 0.60), is more like V1 than the last one, fc (r = 0.10)."),
            "so"
        );
        output.comparisons[0].correlation = None;
        assert!(verdict(&output, "V1").contains("at undefined"), "{}", verdict(&output, "V1"));
        assert_eq!(bars(&output, "V1").summary, "Correlation of RDMs with V1: pool undefined, fc 0.10.");
    }

    #[test]
    fn one_row_has_a_line_for_each_population() {
        let chart = row(&output(), 1);
        assert_eq!(chart.figure.traces.len(), 3);
        let Trace::Scatter(line) = &chart.figure.traces[0] else { panic!("a line") };
        assert_eq!((line.y[0], line.y[1], line.y[2].is_nan()), (0.5, 0.0, true));
        assert!(chart.figure.layout.y.title.starts_with("Distance from 0°"), "{}", chart.figure.layout.y.title);
    }

    #[test]
    fn points_are_colored_by_orientation_and_units_are_counted_from_one() {
        let output = output();
        let chart = points(&output.populations[0], &output.orientations);
        let Trace::Scatter(last) = &chart.figure.traces[11] else { panic!("points") };
        assert_eq!((&last.texts, &last.y, last.color), (&vec!["89°".to_owned()], &vec![5.0], Color::Cycle(11)));
        let chart = tuning(&output.populations[0], &output.orientations);
        let Trace::Scatter(line) = &chart.figure.traces[1] else { panic!("a line") };
        assert_eq!((line.name.as_str(), &line.y), ("unit 8", &vec![4.0, 5.0, 6.0]));
        let chart = rdm(&output.populations[0], &["−90°", "0°", "89°"].map(String::from));
        assert!(chart.caption.contains("2 undefined cells"), "{}", chart.caption);
    }
}
