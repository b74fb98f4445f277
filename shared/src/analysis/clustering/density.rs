//! Clusters of dense neighborhoods.

use super::Table;
use crate::stats::small;

/// DBSCAN: see [`run`](super::run).
pub(super) fn dbscan(table: &Table, eps: f64, min_samples: usize) -> Vec<Option<u32>> {
    let k = table.k;
    let near: Vec<Vec<usize>> = (0..k).map(|i| (0..k).filter(|&j| table.at(i, j) <= eps).collect()).collect();
    let is_core = |i: usize| near[i].len() >= min_samples;
    let mut labels = vec![None; k];
    let mut next = 0;
    for first in 0..k {
        if labels[first].is_some() || !is_core(first) {
            continue;
        }
        let mut open = vec![first];
        labels[first] = Some(small(next));
        while let Some(i) = open.pop() {
            if is_core(i) {
                for &j in &near[i] {
                    if labels[j].is_none() {
                        labels[j] = Some(small(next));
                        open.push(j);
                    }
                }
            }
        }
        next += 1;
    }
    labels
}
