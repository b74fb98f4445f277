//! Trees, their cuts, and the order of their leaves.

use faer::Mat;

use super::Table;
use crate::analysis::embedding::Merge;
use crate::analysis::rdm_comparison::centered_gram;
use crate::linalg::spectral::symmetric_eigenvalues;
use crate::stats::small;
use crate::{Error, Silent};

/// A least eigenvalue of the centered squared distances below this share of the largest is no rounding.
const ROUNDING: f64 = 1e-8;

/// Whether points in a Euclidean space have these distances.
pub(super) fn is_euclidean(table: &Table) -> Result<bool, Error> {
    let k = table.k;
    let squared = Mat::from_fn(k, k, |i, j| table.at(i, j).powi(2));
    let values = symmetric_eigenvalues(centered_gram(&squared), &Silent)?;
    let (largest, least) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
    Ok(least >= -ROUNDING * largest.abs())
}

/// Labels of the items after the merges up to a number of clusters or a height.
pub(super) fn cut(merges: &[Merge], k: usize, n_clusters: u32, threshold: Option<f64>) -> Vec<u32> {
    let kept = match threshold {
        // Heights of average linkage and Ward's never fall from one merge to the next.
        Some(threshold) => merges.iter().take_while(|m| m.height <= threshold).count(),
        None => k - (n_clusters as usize).clamp(1, k),
    };
    // The cluster that each one was merged into.
    let mut parent: Vec<usize> = (0..k + kept).collect();
    for (i, merge) in merges[..kept].iter().enumerate() {
        parent[merge.a as usize] = k + i;
        parent[merge.b as usize] = k + i;
    }
    for i in (0..k + kept).rev() {
        parent[i] = parent[parent[i]];
    }
    parent[..k].iter().map(|&root| small(root)).collect()
}

/// Leaves in the order that makes the sum of distances between neighbors least among those that the tree allows.
///
/// # Definition
/// `M(v; i, j)` = the least sum over orders of the leaves below v that begin with i and end with j; with children L and R, i in L, j in R:
/// `min over m, l of M(L; i, m) + d(m, l) + M(R; l, j)`, where m lies below the other child of L than i, and l likewise.
///
/// # Cost
/// O(K^3) time, K^2 numbers.
///
/// # Source
/// Bar-Joseph, Gifford & Jaakkola 2001.
pub(super) fn leaves(table: &Table, merges: &[Merge]) -> Vec<u32> {
    let k = table.k;
    if merges.is_empty() {
        return (0..small(k)).collect();
    }
    let below = members(merges, k);
    let mut best = vec![0.0; k * k];
    let children = |node: usize| node.checked_sub(k).map(|m| (merges[m].a as usize, merges[m].b as usize));
    // Leaves that can end an order of `node` that begins with i.
    let ends = |node: usize, i: usize| -> &[usize] {
        match children(node) {
            None => &below[node],
            Some((a, b)) => {
                if below[a].contains(&i) {
                    &below[b]
                } else {
                    &below[a]
                }
            }
        }
    };
    let mut reach = vec![0.0; k];
    for merge in merges {
        let (a, b) = (merge.a as usize, merge.b as usize);
        for &i in &below[a] {
            let far = ends(a, i);
            for &l in &below[b] {
                reach[l] = far.iter().map(|&m| best[i * k + m] + table.at(m, l)).fold(f64::INFINITY, f64::min);
            }
            for &j in &below[b] {
                let value = ends(b, j).iter().map(|&l| reach[l] + best[l * k + j]).fold(f64::INFINITY, f64::min);
                (best[i * k + j], best[j * k + i]) = (value, value);
            }
        }
    }
    let root = k + merges.len() - 1;
    let (a, b) = (merges[root - k].a as usize, merges[root - k].b as usize);
    let ends_of_all = below[a].iter().flat_map(|&i| below[b].iter().map(move |&j| (i, j)));
    let (i, j) = ends_of_all.min_by(|x, y| best[x.0 * k + x.1].total_cmp(&best[y.0 * k + y.1])).unwrap_or((0, 0));
    // From the root down without recursion: a chain can be as deep as there are items.
    let mut out = Vec::with_capacity(k);
    let mut open = vec![(root, i, j)];
    while let Some((node, i, j)) = open.pop() {
        let Some((a, b)) = children(node) else {
            out.push(small(node));
            continue;
        };
        let (first, last) = if below[a].contains(&i) { (a, b) } else { (b, a) };
        let mut least = (f64::INFINITY, i, j);
        for &m in ends(first, i) {
            for &l in ends(last, j) {
                let value = best[i * k + m] + table.at(m, l) + best[l * k + j];
                if value < least.0 {
                    least = (value, m, l);
                }
            }
        }
        open.push((last, least.2, j));
        open.push((first, i, least.1));
    }
    out
}

/// The leaves below every cluster.
fn members(merges: &[Merge], k: usize) -> Vec<Vec<usize>> {
    let mut out: Vec<Vec<usize>> = (0..k).map(|i| vec![i]).collect();
    for merge in merges {
        let both = out[merge.a as usize].iter().chain(&out[merge.b as usize]).copied().collect();
        out.push(both);
    }
    out
}
