//! Distances along a graph of neighbors.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use faer::Mat;

use crate::parallel;

/// Lengths of the shortest paths over the `n_neighbors` nearest others of each item (either way), and the number of parts that the graph had:
/// each two parts are joined by their closest pair.
pub(super) fn paths(distances: &Mat<f64>, n_neighbors: usize) -> (Mat<f64>, usize) {
    let k = distances.nrows();
    let mut edges = vec![Vec::new(); k];
    let join = |edges: &mut Vec<Vec<(usize, f64)>>, i: usize, j: usize| {
        if !edges[i].iter().any(|(other, _)| *other == j) {
            edges[i].push((j, distances[(i, j)]));
            edges[j].push((i, distances[(i, j)]));
        }
    };
    for i in 0..k {
        for j in nearest(distances, i, n_neighbors) {
            join(&mut edges, i, j);
        }
    }
    let part = parts(&edges);
    let n_parts = part.iter().max().map_or(0, |p| p + 1);
    let members: Vec<Vec<usize>> = (0..n_parts).map(|p| (0..k).filter(|i| part[*i] == p).collect()).collect();
    for a in 0..n_parts {
        for b in 0..a {
            let pairs = members[a].iter().flat_map(|i| members[b].iter().map(move |j| (*i, *j)));
            if let Some((i, j)) = pairs.min_by(|x, y| distances[*x].total_cmp(&distances[*y]).then(x.cmp(y))) {
                join(&mut edges, i, j);
            }
        }
    }
    let rows = parallel::map(k, |i| from(i, &edges));
    // Sums in two orders differ by rounding.
    (Mat::from_fn(k, k, |i, j| f64::midpoint(rows[i][j], rows[j][i])), n_parts)
}

/// The nearest others, the first of equals first.
pub(super) fn nearest(distances: &Mat<f64>, i: usize, n: usize) -> Vec<usize> {
    let mut others: Vec<usize> = (0..distances.nrows()).filter(|j| *j != i).collect();
    others.sort_by(|a, b| distances[(*a, i)].total_cmp(&distances[(*b, i)]).then(a.cmp(b)));
    others.truncate(n);
    others
}

/// The part of the graph that each item is in.
fn parts(edges: &[Vec<(usize, f64)>]) -> Vec<usize> {
    let mut part = vec![usize::MAX; edges.len()];
    let mut n = 0;
    for first in 0..edges.len() {
        if part[first] != usize::MAX {
            continue;
        }
        let mut open = vec![first];
        part[first] = n;
        while let Some(i) = open.pop() {
            for &(j, _) in &edges[i] {
                if part[j] == usize::MAX {
                    part[j] = n;
                    open.push(j);
                }
            }
        }
        n += 1;
    }
    part
}

/// A place to go to, the nearest first.
#[derive(PartialEq)]
struct Step {
    length: f64,
    to: usize,
}

impl Eq for Step {}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        other.length.total_cmp(&self.length).then(other.to.cmp(&self.to))
    }
}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Dijkstra's shortest paths from one item.
fn from(start: usize, edges: &[Vec<(usize, f64)>]) -> Vec<f64> {
    let mut length = vec![f64::INFINITY; edges.len()];
    length[start] = 0.0;
    let mut open = BinaryHeap::from([Step { length: 0.0, to: start }]);
    while let Some(Step { length: reached, to: at }) = open.pop() {
        if reached > length[at] {
            continue;
        }
        for &(to, step) in &edges[at] {
            if reached + step < length[to] {
                length[to] = reached + step;
                open.push(Step { length: length[to], to });
            }
        }
    }
    length
}
