//! k-medoids by greedy choice and exchanges.

use super::Table;
use crate::Error;
use crate::analysis::Context;
use crate::stats::{count, small};

/// The medoids, ascending: a local minimum of the sum of distances to the nearest.
pub(super) fn best(table: &Table, n: usize, context: &Context<'_>) -> Result<Vec<usize>, Error> {
    let k = table.k;
    let mut medoids: Vec<usize> = Vec::with_capacity(n);
    let mut nearest = vec![f64::INFINITY; k];
    for step in 0..n {
        context.step(0.1 + 0.3 * count(step) / count(n), "choosing medoids")?;
        let cost = |c: usize| table.row(c).iter().zip(&nearest).map(|(d, near)| d.min(*near)).sum::<f64>();
        let costs: Vec<f64> = crate::parallel::map(k, |c| if medoids.contains(&c) { f64::INFINITY } else { cost(c) });
        let next = (0..k).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
        nearest.iter_mut().zip(table.row(next)).for_each(|(near, d)| *near = near.min(*d));
        medoids.push(next);
    }
    let mut cost: f64 = nearest.iter().sum();
    loop {
        context.step(0.5, "exchanging medoids")?;
        let (first, second) = two_nearest(table, &medoids);
        // Every candidate with the medoid that it replaces best.
        let found = crate::parallel::map(k, |c| {
            if medoids.contains(&c) {
                return (f64::INFINITY, 0);
            }
            let mut shared = 0.0;
            let mut lost = vec![0.0; medoids.len()];
            for (i, &d) in table.row(c).iter().enumerate() {
                let (at, near) = first[i];
                shared += near.min(d);
                lost[at] += second[i].min(d) - near.min(d);
            }
            let (at, least) =
                lost.iter().copied().enumerate().fold((0, f64::INFINITY), |best, (at, v)| if v < best.1 { (at, v) } else { best });
            (shared + least, at)
        });
        let (candidate, (value, at)) =
            found.into_iter().enumerate().fold((0, (f64::INFINITY, 0)), |best, (c, f)| if f.0 < best.1.0 { (c, f) } else { best });
        if value >= cost * (1.0 - 1e-12) {
            break;
        }
        (medoids[at], cost) = (candidate, value);
    }
    medoids.sort_unstable();
    Ok(medoids)
}

/// For each item the place of its nearest medoid with the distance, and the distance of the second.
fn two_nearest(table: &Table, medoids: &[usize]) -> (Vec<(usize, f64)>, Vec<f64>) {
    let of = |i: usize| {
        let (mut first, mut second) = ((0, f64::INFINITY), f64::INFINITY);
        for (at, &m) in medoids.iter().enumerate() {
            let d = table.at(i, m);
            if d < first.1 {
                second = first.1;
                first = (at, d);
            } else if d < second {
                second = d;
            }
        }
        (first, second)
    };
    (0..table.k).map(of).unzip()
}

/// The number of each item's medoid.
pub(super) fn nearest(table: &Table, medoids: &[usize]) -> Vec<u32> {
    two_nearest(table, medoids).0.into_iter().map(|(at, _)| small(at)).collect()
}
