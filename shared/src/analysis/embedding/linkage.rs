//! The tree of conditions.

use serde::{Deserialize, Serialize};

use crate::stats::small;

/// How far two clusters are from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Linkage {
    /// Mean over pairs.
    #[default]
    Average,
    /// The farthest pair.
    Complete,
    /// The nearest pair.
    Single,
    /// Growth of the variance within clusters.
    Ward,
}

/// Two clusters become one. Conditions are clusters 0 to K - 1, the i-th merge makes cluster K + i.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Merge {
    /// A cluster.
    pub a: u32,
    /// A later one.
    pub b: u32,
    /// Their distance.
    pub height: f64,
    /// Conditions in both.
    pub size: u32,
}

/// Merges, lowest first, and the leaves from left to right.
pub(in crate::analysis) fn tree(pairs: &[f64], k: usize, linkage: Linkage) -> (Vec<Merge>, Vec<u32>) {
    let method = match linkage {
        Linkage::Average => kodama::Method::Average,
        Linkage::Complete => kodama::Method::Complete,
        Linkage::Single => kodama::Method::Single,
        Linkage::Ward => kodama::Method::Ward,
    };
    let found = kodama::linkage(&mut pairs.to_vec(), k, method);
    let merges: Vec<Merge> = found
        .steps()
        .iter()
        .map(|step| Merge { a: small(step.cluster1), b: small(step.cluster2), height: step.dissimilarity, size: small(step.size) })
        .collect();
    // From the root down, left before right, without recursion: a chain of merges can be as deep as there are conditions.
    let mut leaves = Vec::with_capacity(k);
    let mut open = vec![small(2 * k - 2)];
    while let Some(cluster) = open.pop() {
        match (cluster as usize).checked_sub(k) {
            Some(merge) => open.extend([merges[merge].b, merges[merge].a]),
            None => leaves.push(cluster),
        }
    }
    (merges, leaves)
}
