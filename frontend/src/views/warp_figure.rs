//! Figures of warps as plain data.

use eigenscope::analysis::warp::{Curve, Output, Point, Reference, Spec};
use eigenscope::warp::sweep::{Needed, wanted};

use super::warp::{Pair, name, pairs, score_name};
use crate::plot::figure::extent;
use crate::plot::reduce::sentence;
use crate::plot::{Axis, Cell, Chart, Color, Csv, Draw, Figure, Layout, Scatter, Table, Trace, number};

/// Points whose training is drawn unless others are asked for.
const FEW: usize = 6;
/// More lines than the palette has colors tell nothing.
const MOST: usize = 8;

/// Where a number of dimensions is drawn: `d_warp` lies between points by the logarithm of 1 + d, which shows 0 too.
fn place(d: f64) -> f64 {
    d.ln_1p() / std::f64::consts::LN_10
}

fn axis(most: u32) -> Axis {
    let powers = (1..=9).map(|k| 10u32.pow(k)).take_while(|d| *d <= most);
    let mut ticks = vec![0];
    ticks.extend(powers);
    // The last one where it has room beside the power before it.
    if most > 2 * ticks.last().copied().unwrap_or(0) {
        ticks.push(most);
    }
    let ticks = ticks.into_iter().map(|d| (place(d.into()), number::count(d))).collect();
    Axis { ticks: Some(ticks), ..Axis::linear("Dimensions d (log scale of 1 + d)") }
}

/// The score that `d_warp` reaches.
fn goal(curve: &Curve, spec: &Spec) -> Option<f64> {
    let reference = match spec.reference {
        Reference::Best => curve.mean.iter().copied().reduce(f64::max)?,
        Reference::Full => curve.full?,
        Reference::Score(score) => score,
    };
    Some(wanted(*curve.mean.first()?, reference, spec.target)).filter(|_| curve.dims.first() == Some(&0))
}

/// Traces of one color.
struct Series {
    color: Color,
    name: String,
}

impl Series {
    fn scatter(&self, x: Vec<f64>, y: Vec<f64>, draw: Draw, hover: &'static str) -> Scatter {
        Scatter { color: self.color, draw, ..Scatter::line(&self.name, x, y, Vec::new(), hover) }
    }
}

/// Scores against dimensions, a curve for each sweep.
pub(super) fn curves(output: &Output, spec: &Spec) -> Chart {
    let most = spec.dims.iter().copied().max().unwrap_or(0);
    let lowest = extent(output.curves.iter().flat_map(|c| &c.mean)).map_or(0.0, |[low, _]| low);
    let pairs = pairs(output);
    let mut traces = Vec::new();
    for (k, pair) in pairs.iter().enumerate() {
        let series = Series { color: Color::Series(k), name: name(output, spec, *pair) };
        let curve = output.curves.iter().find(|c| (c.model, c.objective) == *pair);
        if spec.seeds.len() > 1 {
            traces.push(seeds(output, *pair, &series));
        }
        if let Some(curve) = curve {
            sweep(&mut traces, curve, spec, &series, (place(most.into()), lowest));
        }
    }
    let has_full = output.curves.iter().any(|c| c.full.is_some());
    let has_needed = output.curves.iter().any(|c| matches!(c.d_warp, Some(Needed::Dimensions(_))));
    let caption = sentence(&[
        if spec.seeds.len() > 1 { "vertical lines: ± 1 SEM over seeds; pale: single seeds".into() } else { String::new() },
        if has_full { "dashed: all parameters trained".into() } else { String::new() },
        if has_needed { "pale dashes: the score to reach, and d_warp below it".into() } else { String::new() },
        if output.curves.iter().any(|c| c.interval.is_some()) { "bar: its interval of 95 % over seeds".into() } else { String::new() },
    ]);
    let layout = Layout {
        x: axis(most),
        y: Axis::linear(format!("{} of the test images", score_name(output))),
        legend: pairs.len() > 1,
        ..Layout::default()
    };
    let table = numbers(output, spec);
    Chart { figure: Figure { traces, layout }, summary: summary(output, spec), caption, csv: Csv::new(move || table.csv()) }
}

/// Every scored point of a sweep.
fn seeds(output: &Output, pair: Pair, series: &Series) -> Trace {
    let own = output.points.iter().filter(|p| (p.model, p.objective) == pair);
    let found: Vec<(u32, u32, f64)> = own.filter_map(|p| Some((p.d?, p.seed, p.scores.test()?))).collect();
    let x = found.iter().map(|(d, ..)| place(f64::from(*d))).collect();
    let y = found.iter().map(|(.., score)| *score).collect();
    let texts = found.iter().map(|(d, seed, _)| format!("d = {}, seed {seed}", number::count(*d))).collect();
    let points = series.scatter(x, y, Draw::Points, "%{text}<br><b>%{y:.4f}</b>");
    Trace::Scatter(Scatter { texts, opacity: 0.45, ..points })
}

/// The curve, the score of all parameters, and what is read off.
fn sweep(traces: &mut Vec<Trace>, curve: &Curve, spec: &Spec, series: &Series, (right, lowest): (f64, f64)) {
    let x: Vec<f64> = curve.dims.iter().map(|d| place(f64::from(*d))).collect();
    let texts = curve.dims.iter().map(|d| format!("d = {}", number::count(*d))).collect();
    let line = series.scatter(x, curve.mean.clone(), Draw::Line, "%{text}<br><b>%{y:.4f}</b>");
    let errors = curve.sem.clone().unwrap_or_else(|| vec![f64::NAN; curve.dims.len()]);
    traces.push(Trace::Curve(Scatter { texts, in_legend: true, ..line }, errors));
    if let Some(full) = curve.full {
        let line = series.scatter(vec![0.0, right], vec![full, full], Draw::Dashes, "all parameters<br><b>%{y:.4f}</b>");
        traces.push(Trace::Scatter(line));
    }
    // Nothing is reached while the sweep goes on, or when there is no gain.
    let (Some(goal), Some(needed)) = (goal(curve, spec).filter(|_| curve.d_warp != Some(Needed::Undefined)), curve.d_warp) else { return };
    let thin = |x: Vec<f64>, y: Vec<f64>, hover| Trace::Scatter(Scatter { opacity: 0.5, ..series.scatter(x, y, Draw::Dashes, hover) });
    traces.push(thin(vec![0.0, right], vec![goal, goal], "the score to reach<br><b>%{y:.4f}</b>"));
    if let Needed::Dimensions(d) = needed {
        let at = place(d);
        traces.push(thin(vec![at, at], vec![lowest, goal], ""));
        let mark = series.scatter(vec![at], vec![goal], Draw::Points, "%{text}<br><b>%{y:.4f}</b>");
        let texts = vec![format!("d_warp = {}", number::significant(d, 3))];
        traces.push(Trace::Scatter(Scatter { texts, ..mark }));
    }
    if let Some(ends) = curve.interval {
        let [low, high] = ends.map(|end| end.map_or(right, place));
        let bar = series.scatter(vec![low, high], vec![goal, goal], Draw::Line, "");
        traces.push(Trace::Scatter(Scatter { opacity: 0.6, ..bar }));
    }
}

fn summary(output: &Output, spec: &Spec) -> String {
    let score = score_name(output);
    let of = |curve: &Curve| {
        let best = curve.mean.iter().copied().zip(&curve.dims).reduce(|best, next| if next.0 > best.0 { next } else { best });
        let (first, (most, d)) = (curve.mean.first()?, best?);
        let named = name(output, spec, (curve.model, curve.objective));
        let [first, most] = [*first, most].map(|v| number::significant(v, 3));
        Some(format!("{named}: {score} {first} at d = {}, at most {most} at d = {}.", curve.dims.first()?, number::count(*d)))
    };
    let said: Vec<String> = output.curves.iter().filter_map(of).collect();
    if said.is_empty() { "No number of dimensions is trained yet.".into() } else { said.join(" ") }
}

/// The numbers behind the curves.
fn numbers(output: &Output, spec: &Spec) -> Table {
    let rows = output.curves.iter().flat_map(|curve| {
        let named = name(output, spec, (curve.model, curve.objective));
        let sem = |i: usize| curve.sem.as_ref().and_then(|sem| sem.get(i).copied());
        let row =
            |d: Cell, mean: f64, sem: Option<f64>| vec![Cell::Text(named.clone()), d, Cell::Number(mean), Cell::number(sem, "one seed")];
        let swept = curve.dims.iter().zip(&curve.mean).enumerate().map(|(i, (d, mean))| row(Cell::Count((*d).into()), *mean, sem(i)));
        let full = curve.full.map(|mean| row(Cell::Text("full".into()), mean, None));
        swept.chain(full).collect::<Vec<_>>()
    });
    Table::new(["sweep", "d", "mean", "sem"], rows.collect())
}

/// Points of a sweep and a seed whose training is drawn: those that are named, or a few from the first to the last.
pub(super) fn chosen<'a>(points: &'a [Point], pair: Pair, seed: u32, text: &str) -> Vec<&'a Point> {
    let own: Vec<&Point> = points.iter().filter(|p| (p.model, p.objective) == pair && p.seed == seed && !p.losses.is_empty()).collect();
    let named: Vec<Option<u32>> = text
        .split([',', ';', ' '])
        .filter(|t| !t.is_empty())
        .filter_map(|t| if ["full", "all"].contains(&t) { Some(None) } else { t.parse().ok().map(Some) })
        .collect();
    if !named.is_empty() {
        return own.into_iter().filter(|p| named.contains(&p.d)).take(MOST).collect();
    }
    let n = own.len();
    if n <= FEW {
        return own;
    }
    (0..FEW).map(|k| own[k * (n - 1) / (FEW - 1)]).collect()
}

/// Mean losses of epochs.
pub(super) fn losses(points: &[Point], _score: &str) -> Chart {
    by_epoch(points, "Mean training loss", |p| p.losses.clone(), false)
}

/// Validation scores after epochs.
pub(super) fn validations(points: &[Point], score: &str) -> Chart {
    by_epoch(points, &format!("{score} of the validation images"), |p| p.validations.iter().map(|v| v.unwrap_or(f64::NAN)).collect(), true)
}

fn by_epoch(points: &[Point], title: &str, of: fn(&Point) -> Vec<f64>, with_best: bool) -> Chart {
    let called = |p: &Point| p.d.map_or_else(|| "all parameters".into(), |d| format!("d = {}", number::count(d)));
    let mut traces = Vec::new();
    for (k, point) in points.iter().enumerate() {
        let series = Series { color: Color::Series(k), name: called(point) };
        let x: Vec<f64> = (1u32..).map(f64::from).take(of(point).len()).collect();
        let draw = if x.len() > 1 { Draw::Line } else { Draw::Points };
        traces.push(Trace::Scatter(Scatter { in_legend: true, ..series.scatter(x, of(point), draw, "epoch %{x}<br><b>%{y:.4g}</b>") }));
        let best = point.validations.get((point.best_epoch as usize).wrapping_sub(1)).copied().flatten().filter(|_| with_best);
        if let Some(best) = best {
            traces.push(Trace::Scatter(series.scatter(vec![f64::from(point.best_epoch)], vec![best], Draw::Points, "the best epoch")));
        }
    }
    let summary = match points {
        [] => "Nothing is trained yet.".into(),
        [first, .., last] => format!("{title} by epoch, from {} to {}.", called(first), called(last)),
        [one] => format!("{title} by epoch for {}.", called(one)),
    };
    let caption = sentence(&[if with_best && !points.is_empty() { "points: the epochs that are tested".into() } else { String::new() }]);
    let layout = Layout { x: Axis::linear("Epoch"), y: Axis::linear(title), legend: true, ..Layout::default() };
    let rows = points.iter().flat_map(|p| {
        let row = |(epoch, value): (u64, f64)| vec![Cell::Text(called(p)), Cell::Count(epoch), Cell::Number(value)];
        (1u64..).zip(of(p)).map(row).collect::<Vec<_>>()
    });
    let table = Table::new(["point", "epoch", title], rows.collect());
    Chart { figure: Figure { traces, layout }, summary, caption, csv: Csv::new(move || table.csv()) }
}

#[cfg(test)]
mod tests {
    use super::super::warp::tests::{output, spec};
    use super::*;
    use crate::plot::Values;

    fn scatter(trace: &Trace) -> &Scatter {
        match trace {
            Trace::Scatter(s) | Trace::Curve(s, _) => s,
            Trace::Bar(_) | Trace::Heatmap(_) | Trace::Margin(_) => panic!("points or lines"),
        }
    }

    #[test]
    fn the_curve_shows_zero_and_marks_what_is_reached() {
        let chart = curves(&output(), &spec());
        crate::views::dump("warp", &chart);
        let traces = &chart.figure.traces;
        assert_eq!(traces.len(), 7, "seeds, curve, all parameters, goal, d_warp down and as a point, interval");
        let Trace::Curve(line, errors) = &traces[1] else { panic!("a curve") };
        let Values::Numbers(x) = &line.x else { panic!("numbers") };
        assert_eq!((x[0], x.len(), errors), (0.0, 3, &vec![0.01; 3]));
        assert!((x[2] - 101f64.log10()).abs() < 1e-12, "{}", x[2]);
        // 90 % of the way from 0.11 to 0.51.
        assert!((scatter(&traces[3]).y[0] - 0.47).abs() < 1e-12, "{:?}", scatter(&traces[3]).y);
        assert_eq!(scatter(&traces[5]).texts, ["d_warp = 73.2"]);
        // The upper end is more than was tried.
        assert_eq!(scatter(&traces[6]).x, Values::Numbers(vec![place(50.0), place(100.0)]));
        let ticks = chart.figure.layout.x.ticks.clone().expect("ticks");
        assert_eq!(ticks.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["0", "10", "100"]);
        assert_eq!(chart.csv.text().lines().nth(4), Some("\"net, relu\",full,0.61,NaN"));
        assert_eq!(chart.summary, "net, relu: R² 0.110 at d = 0, at most 0.510 at d = 100.");
    }

    #[test]
    fn a_sweep_that_goes_on_shows_what_there_is() {
        let mut output = output();
        output.points.truncate(2);
        output.points[1].scores = eigenscope::analysis::warp::Scores::R2 { val_r2: None, test_r2: None };
        output.curves.clear();
        let chart = curves(&output, &spec());
        assert_eq!((chart.figure.traces.len(), scatter(&chart.figure.traces[0]).y.len()), (1, 1), "the point that is scored");
        assert_eq!(chart.summary, "No number of dimensions is trained yet.");
    }

    #[test]
    fn training_is_drawn_for_named_points_or_a_few() {
        let output = output();
        let d = |text: &str| chosen(&output.points, (0, 0), 1, text).into_iter().map(|p| p.d).collect::<Vec<_>>();
        assert_eq!(d("100, full"), [Some(100), None]);
        assert_eq!(d("").len(), 4, "all of this seed");
        let points: Vec<Point> = chosen(&output.points, (0, 0), 0, "10").into_iter().cloned().collect();
        let chart = validations(&points, "R²");
        assert_eq!(chart.figure.traces.len(), 2, "a line and its best epoch");
        assert_eq!(scatter(&chart.figure.traces[1]).y, [0.2]);
        assert_eq!(losses(&points, "R²").csv.text().lines().nth(2), Some("d = 10,2,0.5"));
        assert_eq!(losses(&[], "R²").summary, "Nothing is trained yet.");
    }
}
