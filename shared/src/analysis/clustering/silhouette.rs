//! How well items lie in their clusters.

use super::Table;
use crate::stats::count;

/// The silhouette of each item; absent with fewer than two clusters or when every item is alone.
pub(super) fn each(table: &Table, labels: &[Option<u32>], n_clusters: usize) -> Option<Vec<Option<f64>>> {
    let sizes: Vec<usize> = (0..n_clusters).map(|c| labels.iter().flatten().filter(|l| **l as usize == c).count()).collect();
    if n_clusters < 2 || sizes.iter().all(|n| *n < 2) {
        return None;
    }
    let of = |i: usize| {
        let own = labels[i]? as usize;
        if sizes[own] < 2 {
            return Some(0.0);
        }
        let mut sums = vec![0.0; n_clusters];
        table.row(i).iter().zip(labels).for_each(|(d, label)| {
            if let Some(label) = label {
                sums[*label as usize] += d;
            }
        });
        let a = sums[own] / count(sizes[own] - 1);
        let b = (0..n_clusters).filter(|c| *c != own).map(|c| sums[c] / count(sizes[c])).fold(f64::INFINITY, f64::min);
        let most = a.max(b);
        Some(if most > 0.0 { (b - a) / most } else { 0.0 })
    };
    Some((0..table.k).map(of).collect())
}
