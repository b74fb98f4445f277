//! The order of reachability and its steep parts.

use super::Table;
use crate::stats::small;

/// Items in the order in which they are reached.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) order: Vec<usize>,
    /// Distance at which each item is reached; infinite where a new component starts.
    pub(super) reachability: Vec<f64>,
    /// From which item.
    pub(super) predecessor: Vec<Option<usize>>,
}

/// OPTICS: always the unreached item with the least reachability, the first of equals.
pub(super) fn order(table: &Table, min_samples: usize, max_eps: f64) -> Plot {
    let k = table.k;
    let core = |i: usize| {
        let mut row = table.row(i).to_vec();
        row.sort_by(f64::total_cmp);
        row.get(min_samples - 1).copied().filter(|d| *d <= max_eps).unwrap_or(f64::INFINITY)
    };
    let cores: Vec<f64> = (0..k).map(core).collect();
    let mut out = Plot { order: Vec::with_capacity(k), reachability: vec![f64::INFINITY; k], predecessor: vec![None; k] };
    let mut done = vec![false; k];
    for _ in 0..k {
        let open = (0..k).filter(|&i| !done[i]);
        let Some(at) = open.min_by(|&a, &b| out.reachability[a].total_cmp(&out.reachability[b])) else { break };
        done[at] = true;
        out.order.push(at);
        if cores[at].is_finite() {
            for j in (0..k).filter(|&j| !done[j] && table.at(at, j) <= max_eps) {
                let reach = table.at(at, j).max(cores[at]);
                if reach < out.reachability[j] {
                    (out.reachability[j], out.predecessor[j]) = (reach, Some(at));
                }
            }
        }
    }
    out
}

/// A steep descent: from where to where, and the greatest reachability since its end.
#[derive(Debug, Clone, Copy)]
struct Descent {
    start: usize,
    end: usize,
    highest_since: f64,
}

/// The smallest clusters between steep descents and steep ascents.
///
/// # Source
/// Ankerst et al. 1999, figure 19, with the correction of the predecessors by Schubert & Gertz 2018.
pub(super) fn clusters(plot: &Plot, min_samples: usize, xi: f64) -> Vec<Option<u32>> {
    let k = plot.order.len();
    let mut reach: Vec<f64> = plot.order.iter().map(|&i| plot.reachability[i]).collect();
    reach.push(f64::INFINITY);
    let before: Vec<Option<usize>> = plot.order.iter().map(|&i| plot.predecessor[i]).collect();
    let ratio = |i: usize| reach[i] / reach[i + 1];
    let steep_up = |i: usize| ratio(i) <= 1.0 - xi;
    let steep_down = |i: usize| ratio(i) >= 1.0 / (1.0 - xi);
    let up = |i: usize| ratio(i) < 1.0;
    let down = |i: usize| ratio(i) > 1.0;
    let mut descents: Vec<Descent> = Vec::new();
    let mut found: Vec<(usize, usize)> = Vec::new();
    let (mut index, mut highest) = (0, 0.0f64);
    while let Some(at) = (index..k).find(|&i| steep_up(i) || steep_down(i)) {
        highest = reach[index..=at].iter().fold(highest, |m, r| m.max(*r));
        if steep_down(at) {
            descents = filtered(descents, highest, 1.0 - xi, &reach);
            let end = extended(at, k, steep_down, up, min_samples);
            descents.push(Descent { start: at, end, highest_since: 0.0 });
            index = end + 1;
            highest = reach[index];
            continue;
        }
        descents = filtered(descents, highest, 1.0 - xi, &reach);
        let end = extended(at, k, steep_up, down, min_samples);
        index = end + 1;
        highest = reach[index];
        let mut here = Vec::new();
        for descent in &descents {
            let (mut first, mut last) = (descent.start, end);
            // The end of the cluster is below the start of the ascent: condition 3b.
            if reach[last + 1] * (1.0 - xi) < descent.highest_since {
                continue;
            }
            let top = reach[descent.start];
            if top * (1.0 - xi) >= reach[last + 1] {
                while first < descent.end && reach[first + 1] > reach[last + 1] {
                    first += 1;
                }
            } else if reach[last + 1] * (1.0 - xi) >= top {
                while last > at && reach[last - 1] > top {
                    last -= 1;
                }
            }
            let Some((first, last)) = reached_from_inside(&reach, &before, &plot.order, first, last) else { continue };
            if last - first + 1 < min_samples || first > descent.end || last < at {
                continue;
            }
            here.push((first, last));
        }
        here.reverse();
        found.extend(here);
    }
    let mut labels = vec![None; k];
    let mut next = 0;
    for (first, last) in found {
        if labels[first..=last].iter().all(Option::is_none) {
            labels[first..=last].fill(Some(small(next)));
            next += 1;
        }
    }
    let mut out = vec![None; k];
    plot.order.iter().zip(labels).for_each(|(&i, label)| out[i] = label);
    out
}

/// How far a steep region goes: fewer than `min_samples` points in a row that are not steep, none against its direction.
fn extended(start: usize, k: usize, steep: impl Fn(usize) -> bool, against: impl Fn(usize) -> bool, min_samples: usize) -> usize {
    let (mut end, mut flat) = (start, 0);
    for i in start..k {
        if steep(i) {
            (flat, end) = (0, i);
        } else if !against(i) {
            flat += 1;
            if flat > min_samples {
                break;
            }
        } else {
            break;
        }
    }
    end
}

fn filtered(descents: Vec<Descent>, highest: f64, share: f64, reach: &[f64]) -> Vec<Descent> {
    if highest.is_infinite() {
        return Vec::new();
    }
    let kept = descents.into_iter().filter(|d| highest <= reach[d.start] * share);
    kept.map(|d| Descent { highest_since: d.highest_since.max(highest), ..d }).collect()
}

/// Shortens a cluster from its end until its last item is higher than its start or is reached from inside.
fn reached_from_inside(reach: &[f64], before: &[Option<usize>], order: &[usize], first: usize, mut last: usize) -> Option<(usize, usize)> {
    while first < last {
        if reach[first] > reach[last] {
            return Some((first, last));
        }
        let from = before[last];
        if order[first..last].iter().any(|&i| Some(i) == from) {
            return Some((first, last));
        }
        last -= 1;
    }
    None
}
