//! Which models are better than which: lines above the bars, and a table of all pairs.

use eigenscope::analysis::rdm_comparison::Output;
use eigenscope::analysis::rdm_comparison::inference::{Correction, PairTest, Test};

use crate::plot::{Cell, Color, Draw, Scatter, Table, Trace, Values, number};

/// Adjusted p-values up to this are significant.
pub(super) const LEVEL: f64 = 0.05;

/// With more models than this, lines above the bars would hide them.
const MOST_LINES: usize = 20;

/// One line per model that is significantly better than others: a dot above it, a tick above each that is worse.
///
/// `top` is where the bars end, `height` what they span; `order` are the models from left to right.
pub(super) fn lines(output: &Output, order: &[usize], top: f64, height: f64) -> Vec<Trace> {
    let Some(inference) = &output.inference else { return Vec::new() };
    if order.len() > MOST_LINES || !top.is_finite() {
        return Vec::new();
    }
    let place = |model: u32| order.iter().position(|&i| i == model as usize);
    let mut worse: Vec<Vec<usize>> = vec![Vec::new(); order.len()];
    for pair in inference.pairs.iter().filter(|p| significant(p)) {
        let (Some(a), Some(b)) = (place(pair.a), place(pair.b)) else { continue };
        let a_is_better = pair.difference.unwrap_or(0.0) > 0.0;
        let (better, other) = if a_is_better { (a, b) } else { (b, a) };
        worse[better].push(other);
    }
    let at = |place: usize| u32::try_from(place).map_or(f64::NAN, f64::from);
    let (mut lines, mut dots, mut ticks) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut level = 0;
    for (better, others) in worse.iter().enumerate().filter(|(_, others)| !others.is_empty()) {
        level += 1;
        let y = top + 0.05 * height * (1.0 + at(level));
        let ends = others.iter().chain([&better]);
        let (low, high) = ends.fold((better, better), |(low, high), &place| (low.min(place), high.max(place)));
        // A gap after each line.
        lines.0.extend([at(low), at(high), f64::NAN]);
        lines.1.extend([y, y, f64::NAN]);
        dots.0.push(at(better));
        dots.1.push(y);
        for &other in others {
            ticks.0.extend([at(other), at(other), f64::NAN]);
            ticks.1.extend([y, y - 0.025 * height, f64::NAN]);
        }
    }
    if dots.0.is_empty() {
        return Vec::new();
    }
    let scatter = |(x, y): (Vec<f64>, Vec<f64>), draw: Draw, name: &str| {
        Trace::Scatter(Scatter {
            name: name.into(),
            x: Values::Numbers(x),
            y,
            draw,
            color: Color::Text,
            opacity: 0.8,
            in_legend: false,
            texts: Vec::new(),
            hover: "",
        })
    };
    vec![
        scatter(lines, Draw::Line, "significantly better"),
        scatter(ticks, Draw::Line, "significantly worse"),
        scatter(dots, Draw::Points, "better model"),
    ]
}

/// What the lines mean; empty when there are none.
pub(super) fn legend(output: &Output) -> String {
    let Some(inference) = &output.inference else { return String::new() };
    let found = inference.pairs.iter().filter(|p| significant(p)).count();
    if inference.pairs.is_empty() {
        return String::new();
    }
    let adjusted = match inference.correction {
        Correction::Fdr => "false discovery rate",
        Correction::Bonferroni => "Bonferroni",
        Correction::None => "not adjusted",
    };
    let lines = if output.models.len() > MOST_LINES { "" } else { "; lines above: a dot on the better model, ticks on those it beats" };
    format!("{found} of {} pairs of models differ at p ≤ {LEVEL} ({adjusted}){lines}", number::count(inference.pairs.len()))
}

fn significant(pair: &PairTest) -> bool {
    pair.p_adjusted.is_some_and(|p| p <= LEVEL) && pair.difference.is_some_and(|d| d != 0.0)
}

/// All pairs of models.
pub(super) fn table(output: &Output, names: &[String]) -> Option<Table> {
    let inference = output.inference.as_ref().filter(|i| !i.pairs.is_empty())?;
    let single = "needs at least two data RDMs or a bootstrap over conditions";
    let name = |i: u32| names.get(i as usize).cloned().unwrap_or_default();
    let p = |p: Option<f64>| p.filter(|p| p.is_finite()).map_or(Cell::Undefined(single), Cell::P);
    let rows = inference.pairs.iter().map(|pair| {
        vec![
            Cell::Text(name(pair.a)),
            Cell::Text(name(pair.b)),
            Cell::number(pair.difference, "one of the scores is undefined"),
            Cell::number(pair.sem, single),
            p(pair.p),
            p(pair.p_adjusted),
        ]
    });
    let test = match inference.test {
        Test::T => "p (two-sided t-test)",
        Test::Bootstrap => "p (two-sided, bootstrap)",
        Test::SignedRank => "p (signed rank)",
    };
    Some(Table::new(["Model", "Minus model", "Difference", "SEM", test, "p, adjusted"], rows.collect()))
}
