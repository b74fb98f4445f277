//! Clusters of changing density from the tree of mutual reachability.

use super::Table;
use crate::disjoint::Sets;
use crate::stats::small;

/// HDBSCAN: see [`run`](super::run).
///
/// # Source
/// Campello, Moulavi & Sander 2013; McInnes, Healy & Astels 2017 (excess of mass on the condensed tree).
pub(super) fn hdbscan(table: &Table, min_cluster_size: usize, min_samples: usize) -> Vec<Option<u32>> {
    let k = table.k;
    if k == 0 {
        return Vec::new();
    }
    let core: Vec<f64> = (0..k)
        .map(|i| {
            let mut row = table.row(i).to_vec();
            row.sort_by(f64::total_cmp);
            // The item itself counts, at distance 0.
            row[(min_samples - 1).min(k - 1)]
        })
        .collect();
    let merges = merges(&spanning_tree(k, |i, j| table.at(i, j).max(core[i]).max(core[j])), k);
    let condensed = Condensed::of(&merges, k, min_cluster_size);
    let chosen = condensed.chosen();
    let label = |cluster: Option<usize>| {
        let mut at = cluster;
        while let Some(c) = at {
            if chosen[c] {
                return Some(small(c));
            }
            at = condensed.clusters[c].parent;
        }
        None
    };
    condensed.left.iter().map(|cluster| label(*cluster)).collect()
}

/// Edges of the minimum spanning tree, in the order in which Prim's algorithm finds them from item 0.
fn spanning_tree(k: usize, weight: impl Fn(usize, usize) -> f64) -> Vec<(usize, usize, f64)> {
    let mut near = vec![(f64::INFINITY, 0); k];
    let mut done = vec![false; k];
    let mut edges = Vec::with_capacity(k.saturating_sub(1));
    let mut at = 0;
    for _ in 1..k {
        done[at] = true;
        let mut next = (f64::INFINITY, at);
        for j in (0..k).filter(|j| !done[*j]) {
            let w = weight(at, j);
            if w < near[j].0 {
                near[j] = (w, at);
            }
            if near[j].0 < next.0 {
                next = (near[j].0, j);
            }
        }
        // Only infinite distances are left: any item is as good.
        let j = if next.0.is_finite() { next.1 } else { (0..k).find(|j| !done[*j]).unwrap_or(at) };
        edges.push((near[j].1, j, near[j].0));
        at = j;
    }
    edges
}

/// A merge of two clusters; items are 0..k, merge i makes cluster k + i.
struct Merge {
    children: [usize; 2],
    height: f64,
    size: usize,
}

fn merges(edges: &[(usize, usize, f64)], k: usize) -> Vec<Merge> {
    let mut edges = edges.to_vec();
    edges.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut sets = Sets::new(2 * k);
    let mut out: Vec<Merge> = Vec::with_capacity(edges.len());
    let size = |out: &[Merge], node: usize| if node < k { 1 } else { out[node - k].size };
    for (i, (a, b, height)) in edges.into_iter().enumerate() {
        let children = [sets.root(a), sets.root(b)];
        let merged = Merge { children, height, size: size(&out, children[0]) + size(&out, children[1]) };
        children.iter().for_each(|child| sets.put_under(*child, k + i));
        out.push(merged);
    }
    out
}

/// A cluster of the condensed tree.
struct Cluster {
    parent: Option<usize>,
    /// Density at which it splits off.
    birth: f64,
    stability: f64,
}

/// The tree of clusters of at least the least size; smaller ones are items that leave.
struct Condensed {
    clusters: Vec<Cluster>,
    /// From which cluster each item leaves.
    left: Vec<Option<usize>>,
}

impl Condensed {
    fn of(merges: &[Merge], k: usize, least: usize) -> Self {
        let mut out = Self { clusters: vec![Cluster { parent: None, birth: 0.0, stability: 0.0 }], left: vec![None; k] };
        let size = |node: usize| if node < k { 1 } else { merges[node - k].size };
        let mut open = vec![(2 * k - 2, 0)];
        if k == 1 {
            return out;
        }
        while let Some((node, cluster)) = open.pop() {
            let merge = &merges[node - k];
            // Items in one place: finite, so that sums stay numbers.
            let density = 1.0 / merge.height.max(1e-300);
            let splits = merge.children.iter().all(|child| size(*child) >= least);
            for child in merge.children {
                let n = size(child);
                out.clusters[cluster].stability +=
                    if splits || n < least { (density - out.clusters[cluster].birth) * crate::stats::count(n) } else { 0.0 };
                if splits {
                    out.clusters.push(Cluster { parent: Some(cluster), birth: density, stability: 0.0 });
                    let new = out.clusters.len() - 1;
                    if child < k { out.left[child] = Some(new) } else { open.push((child, new)) }
                } else if n >= least {
                    if child < k { out.left[child] = Some(cluster) } else { open.push((child, cluster)) }
                } else {
                    out.leave(merges, k, child, cluster);
                }
            }
        }
        out
    }

    /// All items below a node leave a cluster.
    fn leave(&mut self, merges: &[Merge], k: usize, node: usize, cluster: usize) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if node < k {
                self.left[node] = Some(cluster);
            } else {
                open.extend(merges[node - k].children);
            }
        }
    }

    /// The clusters of greatest stability of which none contains another; the root is none.
    fn chosen(&self) -> Vec<bool> {
        let n = self.clusters.len();
        let mut best: Vec<f64> = self.clusters.iter().map(|c| c.stability).collect();
        let mut below = vec![0.0; n];
        let mut chosen = vec![true; n];
        // Children come after their parents.
        for c in (1..n).rev() {
            if below[c] > best[c] {
                chosen[c] = false;
                best[c] = below[c];
            }
            if let Some(parent) = self.clusters[c].parent {
                below[parent] += best[c];
            }
        }
        chosen[0] = false;
        for c in 1..n {
            // What lies in a chosen cluster is no cluster of its own.
            let mut at = self.clusters[c].parent;
            while let Some(parent) = at {
                if chosen[parent] {
                    chosen[c] = false;
                }
                at = self.clusters[parent].parent;
            }
        }
        chosen
    }
}
