//! The figures of an encoding result.

use std::collections::BTreeMap;

use eigenscope::Array;
use eigenscope::analysis::encoding::Output;

use crate::plot::figure::extent;
use crate::plot::reduce::{MAX_POINTS, points_note, sentence, thinned};
use crate::plot::{Axis, Bar, Cell, Chart, Color, Csv, Draw, Figure, Layout, Mark, Scatter, Table, Trace, Values, number};
use crate::views::at;

/// Widths of histogram bins to choose from, coarse to fine.
const BIN_WIDTHS: [f64; 6] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.005];

/// How many targets have which correlation.
pub(super) fn histogram(output: &Output) -> Chart {
    let r = &output.per_target_r.values;
    let defined: Vec<f64> = r.iter().copied().filter(|v| v.is_finite()).collect();
    let bins = bins(&defined);
    let bar = Bar {
        name: "targets".into(),
        x: Values::Numbers(bins.centers.clone()),
        y: bins.counts.iter().map(|&n| f64::from(n)).collect(),
        errors: Vec::new(),
        width: Some(bins.width),
        color: Color::Series(0),
        texts: bins.centers.iter().map(|c| format!("r from {} to {}", edge(c - bins.width / 2.0), edge(c + bins.width / 2.0))).collect(),
        hover: "%{text}<br><b>%{y}</b> targets<extra></extra>",
    };
    let median = output.median_r.map(|x| Mark::Position { x, text: format!("median {}", number::significant(x, 3)) });
    let layout = Layout {
        x: Axis::linear("Held-out Pearson r"),
        y: Axis::linear("Number of targets"),
        marks: median.into_iter().collect(),
        ..Layout::default()
    };
    let undefined = r.len() - defined.len();
    let caption = sentence(&[if undefined > 0 {
        format!("not counted because r is undefined: {} of {} targets", number::count(undefined), number::count(r.len()))
    } else {
        String::new()
    }]);
    let table = target_table(output);
    Chart {
        figure: Figure { traces: vec![Trace::Bar(bar)], layout },
        summary: histogram_summary(output, &defined),
        caption,
        csv: Csv::new(move || table.csv()),
    }
}

fn histogram_summary(output: &Output, defined: &[f64]) -> String {
    let show = |v: Option<f64>| v.map_or_else(|| "undefined".into(), |v| number::significant(v, 3));
    let range = extent(defined).map_or_else(String::new, |[low, high]| {
        format!("; single targets from {} to {}", number::significant(low, 3), number::significant(high, 3))
    });
    let n = number::count(output.per_target_r.rows());
    format!("Held-out r of {n} targets: median {}, mean {}{range}.", show(output.median_r), show(output.mean_r))
}

/// Counts in bins of one width, aligned to zero.
#[derive(Debug, Clone, PartialEq)]
struct Bins {
    width: f64,
    centers: Vec<f64>,
    counts: Vec<u32>,
}

/// Bins for display: the width grows as there are fewer values, up to 1/5 of a unit.
fn bins(values: &[f64]) -> Bins {
    let [low, high] = extent(values).unwrap_or([0.0, 0.0]);
    #[expect(clippy::cast_precision_loss, reason = "a count of targets, for display")]
    let wanted = (high - low) / (values.len() as f64).sqrt().clamp(1.0, 40.0);
    let width = BIN_WIDTHS.into_iter().rev().find(|&w| w >= wanted).unwrap_or(BIN_WIDTHS[0]);
    let first = (low / width).floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by (high - low) / width, r is within -1 and 1")]
    let bin_of = |v: f64| (((v / width).floor() - first).max(0.0) as usize).min(1000);
    let n_bins = if values.is_empty() { 0 } else { bin_of(high) + 1 };
    let mut counts = vec![0u32; n_bins];
    for &value in values {
        counts[bin_of(value).min(n_bins - 1)] += 1;
    }
    let centers = (0u32..).map(|i| (first + 0.5 + f64::from(i)) * width).take(n_bins).collect();
    Bins { width, centers, counts }
}

fn edge(value: f64) -> String {
    number::significant((value * 1000.0).round() / 1000.0, 3)
}

fn target_table(output: &Output) -> Table {
    let why = "constant target or prediction";
    let rows = (1u64..).zip(&output.per_target_r.values).zip(&output.per_target_r2.values);
    let rows = rows.map(|((i, &r), &r2)| vec![Cell::Count(i), Cell::number(Some(r), why), Cell::number(Some(r2), why)]);
    Table::new(["target", "r", "R2"], rows.collect())
}

/// The target with the largest defined r; the first when none has one.
pub(super) fn best_target(output: &Output) -> usize {
    let defined = output.per_target_r.values.iter().enumerate().filter(|(_, r)| r.is_finite());
    defined.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
}

/// Held-out predictions of one target against what was observed, with the line of equality.
pub(super) fn predictions(output: &Output, target: usize) -> Chart {
    let column = |a: &Option<Array>| a.as_ref().map_or_else(Vec::new, |a| (0..a.rows()).map(|i| at(a, i, target)).collect::<Vec<_>>());
    let (observed, predicted) = (column(&output.observed), column(&output.predictions));
    let rows: Vec<usize> =
        (0..observed.len().min(predicted.len())).filter(|&i| observed[i].is_finite() && predicted[i].is_finite()).collect();
    let kept: Vec<usize> = thinned(rows.len(), MAX_POINTS).into_iter().map(|k| rows[k]).collect();
    let points = Scatter {
        name: "rows".into(),
        x: Values::Numbers(kept.iter().map(|&i| observed[i]).collect()),
        y: kept.iter().map(|&i| predicted[i]).collect(),
        draw: Draw::Points,
        color: Color::Series(0),
        opacity: 0.6,
        in_legend: false,
        texts: kept.iter().map(|i| format!("row {}", number::count(i + 1))).collect(),
        hover: "%{text}<br>observed %{x:.4g}<br>predicted <b>%{y:.4g}</b><extra></extra>",
    };
    let mut traces = vec![Trace::Scatter(points)];
    if let Some(ends) = extent(rows.iter().map(|&i| &observed[i])) {
        traces.push(Trace::Scatter(Scatter {
            name: "equality".into(),
            x: Values::Numbers(ends.to_vec()),
            y: ends.to_vec(),
            draw: Draw::Dashes,
            color: Color::Text,
            opacity: 0.8,
            in_legend: false,
            texts: Vec::new(),
            hover: "",
        }));
    }
    let layout = Layout { x: Axis::linear("Observed"), y: Axis::linear("Predicted (held out)"), ..Layout::default() };
    let missing = observed.len() - rows.len();
    let caption = sentence(&[
        "dashed: equality".into(),
        points_note(rows.len(), kept.len()),
        if missing > 0 { format!("rows never held out: {}", number::count(missing)) } else { String::new() },
    ]);
    let score = |values: &Array| {
        values.values.get(target).filter(|v| v.is_finite()).map_or_else(|| "undefined".into(), |&v| number::significant(v, 3))
    };
    let summary = format!(
        "Target {} of {}: r {}, R² {}, {} held-out rows.",
        number::count(target + 1),
        number::count(output.per_target_r.rows()),
        score(&output.per_target_r),
        score(&output.per_target_r2),
        number::count(rows.len())
    );
    let csv = Csv::new(move || {
        let cell = |v: &[f64], i: usize| Cell::number(v.get(i).copied(), "never held out");
        let rows = (0..observed.len()).zip(1u64..).map(|(i, n)| vec![Cell::Count(n), cell(&observed, i), cell(&predicted, i)]);
        Table::new(["row", "observed", "predicted"], rows.collect()).csv()
    });
    Chart { figure: Figure { traces, layout }, summary, caption, csv }
}

/// How often each penalty was chosen, over splits and targets.
pub(super) fn alphas(alpha: &Array) -> Chart {
    let mut counts = BTreeMap::<u64, u32>::new();
    for &value in alpha.values.iter().filter(|v| v.is_finite() && **v >= 0.0) {
        // The bits of non-negative floats are in the order of their values.
        *counts.entry(value.to_bits()).or_default() += 1;
    }
    let counted: Vec<(f64, u32)> = counts.into_iter().map(|(bits, n)| (f64::from_bits(bits), n)).collect();
    let zero = counted.first().filter(|(alpha, _)| *alpha <= 0.0).map_or(0, |&(_, n)| n);
    let drawn: Vec<(f64, u32)> = counted.iter().copied().filter(|(alpha, _)| *alpha > 0.0).collect();
    let exponents: Vec<f64> = drawn.iter().map(|(alpha, _)| alpha.log10()).collect();
    let gap = exponents.windows(2).map(|w| w[1] - w[0]).fold(0.5, f64::min);
    let bar = Bar {
        name: "choices".into(),
        y: drawn.iter().map(|&(_, n)| f64::from(n)).collect(),
        errors: Vec::new(),
        width: Some(0.8 * gap),
        color: Color::Series(0),
        texts: drawn.iter().map(|&(alpha, _)| format!("α = {}", number::significant(alpha, 3))).collect(),
        hover: "%{text}<br>chosen <b>%{y}</b> times<extra></extra>",
        x: Values::Numbers(exponents.clone()),
    };
    let layout = Layout { x: decades(&exponents), y: Axis::linear("Times chosen"), ..Layout::default() };
    let caption = sentence(&[if zero > 0 {
        format!("the penalty α = 0 (chosen {} x) has no place on a logarithmic axis", number::count(zero))
    } else {
        String::new()
    }]);
    let total: u64 = counted.iter().map(|&(_, n)| u64::from(n)).sum();
    let summary = counted.iter().max_by_key(|&&(_, n)| n).map_or_else(
        || "No penalty was chosen.".into(),
        |&(alpha, n)| {
            let alpha = number::significant(alpha, 3);
            format!("α = {alpha} was chosen most often: {} of {} times over splits and targets.", number::count(n), number::count(total))
        },
    );
    let rows = counted.iter().map(|&(alpha, n)| vec![Cell::Number(alpha), Cell::Count(n.into())]).collect();
    let table = Table::new(["alpha", "times_chosen"], rows);
    Chart { figure: Figure { traces: vec![Trace::Bar(bar)], layout }, summary, caption, csv: Csv::new(move || table.csv()) }
}

/// An axis of exponents with a tick at every decade. (Plotly's own logarithmic axis gives bars their width in units of the data, which
/// lets those of small values cover those of large ones.)
fn decades(exponents: &[f64]) -> Axis {
    let [low, high] = extent(exponents).unwrap_or([0.0, 0.0]);
    #[expect(clippy::cast_possible_truncation, reason = "logarithms of finite numbers are within -324 and 309")]
    let (first, last) = ((low - 0.5).floor() as i32, (high + 0.5).ceil() as i32);
    let step = usize::try_from((last - first) / 12 + 1).unwrap_or(1);
    let ticks = (first..=last).step_by(step).map(|n| (f64::from(n), number::power_of_ten(n))).collect();
    Axis { ticks: Some(ticks), range: Some([low - 0.5, high + 0.5]), ..Axis::linear("Ridge penalty α (logarithmic)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output() -> Output {
        let r = vec![0.1, f64::NAN, 0.62, 0.35];
        let observed: Vec<f64> = (0..12).map(|i| f64::from(i % 4)).collect();
        let predicted = observed.iter().enumerate().map(|(k, v)| if k < 4 { f64::NAN } else { v * 0.5 + 1.0 }).collect();
        Output {
            features: "net".into(),
            targets: "IT".into(),
            score: Some(0.5),
            score_error: None,
            ceiling: None,
            ceiled: None,
            per_target_ceiling: None,
            bands: None,
            median_r: Some(0.35),
            mean_r: Some(0.356),
            r2_uniform: Some(0.1),
            per_target_r2: Array::vector(r.iter().map(|r| r * r).collect()),
            per_target_r: Array::vector(r),
            per_split: Vec::new(),
            alpha: None,
            r2_weighted: Some(0.12),
            explained_variance: Some(0.11),
            pooled_r: Some(0.36),
            per_target_pooled_r: None,
            per_target_explained_variance: None,
            alpha_at_edge: false,
            predictions: Some(Array::matrix(3, 4, predicted)),
            observed: Some(Array::matrix(3, 4, observed)),
        }
    }

    #[test]
    fn bins_are_aligned_to_zero_and_hold_every_value() {
        let bins = bins(&[0.01, 0.19, 0.2, 0.55, -0.05]);
        assert_eq!(bins.counts.iter().sum::<u32>(), 5);
        assert!(bins.centers.iter().all(|c| ((c / bins.width).fract().abs() - 0.5).abs() < 1e-9), "{bins:?}");
        assert_eq!(super::bins(&[]).counts.len(), 0);
        assert_eq!(super::bins(&[0.3]).counts, [1]);
    }

    #[test]
    fn undefined_targets_are_left_out_and_said() {
        let chart = histogram(&output());
        crate::views::dump("encoding", &chart);
        let Trace::Bar(bar) = &chart.figure.traces[0] else { panic!("bars") };
        assert_eq!(bar.y.iter().sum::<f64>(), 3.0);
        assert_eq!(chart.caption, "Not counted because r is undefined: 1 of 4 targets.");
        assert_eq!(chart.csv.text().lines().nth(2), Some("2,NaN,NaN"));
        assert_eq!(chart.summary, "Held-out r of 4 targets: median 0.350, mean 0.356; single targets from 0.100 to 0.620.");
    }

    #[test]
    fn the_best_target_is_shown_first_with_the_line_of_equality() {
        let output = output();
        assert_eq!(best_target(&output), 2);
        let chart = predictions(&output, 2);
        crate::views::dump("encoding_target", &chart);
        assert_eq!(chart.figure.traces.len(), 2);
        let Trace::Scatter(points) = &chart.figure.traces[0] else { panic!("points") };
        assert_eq!((&points.x, &points.y), (&Values::Numbers(vec![2.0, 2.0]), &vec![2.0, 2.0]));
        assert_eq!(chart.caption, "Dashed: equality; rows never held out: 1.");
        assert!(chart.csv.text().contains("1,2,NaN\n"), "{}", chart.csv.text());
    }

    #[test]
    fn a_target_that_is_not_there_draws_nothing() {
        let chart = predictions(&output(), 99);
        assert_eq!(chart.figure.traces.len(), 1);
    }

    #[test]
    fn penalties_are_counted_on_a_logarithmic_axis() {
        let chart = alphas(&Array::matrix(2, 4, vec![0.0, 1.0, 100.0, 1.0, 1.0, 0.01, f64::NAN, 100.0]));
        crate::views::dump("encoding_alphas", &chart);
        let ticks = chart.figure.layout.x.ticks.as_deref().expect("decades");
        assert_eq!(ticks.first(), Some(&(-3.0, "10⁻³".into())));
        assert!(ticks.contains(&(0.0, "1".into())), "{ticks:?}");
        let Trace::Bar(bar) = &chart.figure.traces[0] else { panic!("bars") };
        assert_eq!((&bar.x, &bar.y), (&Values::Numbers(vec![-2.0, 0.0, 2.0]), &vec![1.0, 3.0, 2.0]));
        assert_eq!(chart.caption, "The penalty α = 0 (chosen 1 x) has no place on a logarithmic axis.");
        assert!(chart.summary.starts_with("α = 1.00 was chosen most often: 3 of 7"), "{}", chart.summary);
    }
}
