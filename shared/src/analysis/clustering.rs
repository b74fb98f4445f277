//! Clusters of items whose pairwise distances are known: conditions of an RDM, networks of a population.

mod agglomerative;
mod density;
mod hierarchy;
mod medoids;
mod optics;
mod silhouette;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::Context;
use super::embedding::{Linkage, Merge, distances_of, tree};
use super::rdm_comparison::n_conditions;
use crate::dataset::{Inputs, Shapes};
use crate::stats::{mean, small};
use crate::{Array, Error, Estimate};

/// What to compute.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// Name of an input with distances: K x K, R x K x K, or R x K(K-1)/2.
    pub input: String,
    /// Which of several matrices, counted from 0; their mean if absent.
    pub rdm: Option<u32>,
    /// How clusters are found.
    pub method: Method,
}

/// How clusters are found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// The two nearest clusters become one, again and again.
    Agglomerative {
        /// How far two clusters are from each other.
        #[serde(default)]
        linkage: Linkage,
        /// Number of clusters of the cut; used when there is no `threshold`.
        #[serde(default = "three")]
        n_clusters: u32,
        /// Largest distance at which clusters become one.
        #[serde(default)]
        threshold: Option<f64>,
    },
    /// The k items with the least sum of distances to the nearest of them.
    KMedoids {
        /// Number of clusters.
        n_clusters: u32,
    },
    /// Items with enough neighbors, and what they reach.
    Dbscan {
        /// Radius of a neighborhood.
        eps: f64,
        /// Items in the neighborhood of a core item, itself included.
        #[serde(default = "five")]
        min_samples: u32,
    },
    /// Clusters of changing density: steep parts of the reachability plot.
    Optics {
        /// Items in the neighborhood of a core item, itself included.
        #[serde(default = "five")]
        min_samples: u32,
        /// Largest radius; without limit if absent.
        #[serde(default)]
        max_eps: Option<f64>,
        /// How steep the border of a cluster is, as a relative drop.
        #[serde(default = "steep")]
        xi: f64,
    },
    /// Clusters of changing density: the most stable branches of the tree of mutual reachability.
    Hdbscan {
        /// Items of a cluster, at least.
        #[serde(default = "five")]
        min_cluster_size: u32,
        /// Items in a dense neighborhood, the item included; as `min_cluster_size` if absent.
        #[serde(default)]
        min_samples: Option<u32>,
    },
}

fn three() -> u32 {
    3
}

fn five() -> u32 {
    5
}

fn steep() -> f64 {
    0.05
}

impl Default for Method {
    fn default() -> Self {
        Self::Agglomerative { linkage: Linkage::Average, n_clusters: three(), threshold: None }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Name of the input.
    pub input: String,
    /// Number of items.
    pub n: u32,
    /// The cluster of each item, from 0 in the order of their first items; absent for noise.
    pub labels: Vec<Option<u32>>,
    /// Number of clusters.
    pub n_clusters: u32,
    /// How much nearer each item is to its own cluster than to the next, -1 to 1; absent for noise and with fewer than two clusters.
    pub silhouettes: Option<Vec<Option<f64>>>,
    /// Mean of them.
    pub silhouette: Option<f64>,
    /// The distances, items x items.
    pub distances: Array,
    /// Items in an order that puts similar ones side by side: leaves of the tree (`agglomerative`), order of reachability (`optics`), else by cluster.
    pub order: Vec<u32>,
    /// The tree, of `agglomerative`.
    pub merges: Option<Vec<Merge>>,
    /// The central item of each cluster, of `k_medoids`.
    pub medoids: Option<Vec<u32>>,
    /// Distance at which each item of `order` is reached, of `optics`; absent where it starts anew.
    pub reachability: Option<Vec<Option<f64>>>,
}

impl Spec {
    /// Names of the inputs that the spec refers to.
    #[must_use]
    pub fn inputs(&self) -> Vec<String> {
        vec![self.input.clone()]
    }

    /// What the run will cost.
    #[must_use]
    pub fn estimate(&self, shapes: &Shapes) -> Estimate {
        let k = n_conditions(shapes.0.get(&self.input).map_or(&[], Vec::as_slice));
        let flops = match self.method {
            Method::Agglomerative { .. } => 4.0 * k * k * k,
            Method::KMedoids { n_clusters } => 30.0 * f64::from(n_clusters) * k * k,
            Method::Dbscan { .. } | Method::Optics { .. } | Method::Hdbscan { .. } => 20.0 * k * k,
        };
        Estimate { flops, peak_bytes: 8.0 * 5.0 * k * k }
    }

    fn check(&self, k: usize) -> Result<(), Error> {
        let clusters = |n: u32| match n as usize {
            n if (1..=k).contains(&n) => Ok(()),
            n => Err(Error::parameter("method.n_clusters", format!("must be 1 to {k}, the number of items, got {n}"))),
        };
        let samples = |n: u32| match n as usize {
            n if (2..=k).contains(&n) => Ok(()),
            n => Err(Error::parameter("method.min_samples", format!("must be 2 to {k}, the number of items, got {n}"))),
        };
        let positive = |field: &str, value: f64| {
            if value > 0.0 { Ok(()) } else { Err(Error::parameter(format!("method.{field}"), format!("must be above 0, got {value}"))) }
        };
        match self.method {
            Method::Agglomerative { threshold: Some(threshold), .. } => {
                if threshold >= 0.0 {
                    Ok(())
                } else {
                    Err(Error::parameter("method.threshold", format!("must not be negative, got {threshold}")))
                }
            }
            Method::Agglomerative { n_clusters, .. } | Method::KMedoids { n_clusters } => clusters(n_clusters),
            Method::Dbscan { eps, min_samples } => positive("eps", eps).and_then(|()| samples(min_samples)),
            Method::Hdbscan { min_cluster_size, min_samples } => {
                if !(2..=k).contains(&(min_cluster_size as usize)) {
                    let message = format!("must be 2 to {k}, the number of items, got {min_cluster_size}");
                    return Err(Error::parameter("method.min_cluster_size", message));
                }
                match min_samples {
                    Some(n) if !(1..=k).contains(&(n as usize)) => {
                        Err(Error::parameter("method.min_samples", format!("must be 1 to {k}, the number of items, got {n}")))
                    }
                    _ => Ok(()),
                }
            }
            Method::Optics { min_samples, max_eps, xi } => {
                samples(min_samples)?;
                max_eps.map_or(Ok(()), |eps| positive("max_eps", eps))?;
                if xi > 0.0 && xi < 1.0 { Ok(()) } else { Err(Error::parameter("method.xi", format!("must be between 0 and 1, got {xi}"))) }
            }
        }
    }
}

/// Clusters of items from their pairwise distances.
///
/// # Definition
/// - `agglomerative`: single, complete, average or Ward linkage (Lance-Williams), cut into `n_clusters` or where merges exceed `threshold`; leaves in the
///   order that makes the sum of distances between neighbors least among all orders that the tree allows.
/// - `k_medoids`: the items that minimize the sum of distances to the nearest of them: greedy choice, then exchanges until none helps.
/// - `dbscan`: items with at least `min_samples` items (themselves included) within `eps` are cores; cores within `eps` of each other share a cluster; others
///   join the first cluster that reaches them or are noise.
/// - `optics`: items in the order in which they are reached, with the reachability distance; clusters between steep (`xi`) descents and ascents.
/// - `hdbscan`: with the core distance of an item to its `min_samples`-th nearest (itself included), clusters of at least `min_cluster_size` items in the
///   minimum spanning tree of `max(d, core, core)`, of which those with the greatest excess of mass are kept; others are noise.
/// - Silhouette of an item: `(b - a) / max(a, b)`, a = mean distance to the others of its cluster, b = the least mean distance to another cluster; 0 when alone.
///
/// # Shapes
/// K x K distances → K labels.
///
/// # Degenerate
/// Negative distances count as 0 (warning `negative_distances`). Ward linkage takes distances as Euclidean, which angles are not (warning
/// `ward_not_euclidean`, when the least eigenvalue of the centered squared distances is negative).
///
/// # Accuracy
/// Exact but for rounding and ties, which go to the lower index. Deterministic.
///
/// # Cost
/// `agglomerative` O(K^3) for the order of leaves; `k_medoids` O(k K^2) a sweep of exchanges; the others O(K^2).
///
/// # Errors
/// Those of RDM inputs; [`Error::Input`] for missing pairs; [`Error::Parameter`]; [`Error::Canceled`].
///
/// # Source
/// Müllner 2011 (linkage, by `kodama`); Bar-Joseph et al. 2001 (order of leaves); Kaufman & Rousseeuw 1990 (medoids); Ester et al. 1996 (DBSCAN);
/// Ankerst et al. 1999 (OPTICS); Campello, Moulavi & Sander 2013 (HDBSCAN); Rousseeuw 1987 (silhouettes). Equal to scipy and scikit-learn on the fixtures.
pub async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let (k, pairs) = distances_of(inputs, &spec.input, spec.rdm, context)?;
    spec.check(k)?;
    let table = Table::new(&pairs, k);
    context.step(0.1, "clustering")?;
    let mut out = Found::default();
    match spec.method {
        Method::Agglomerative { linkage, n_clusters, threshold } => {
            if linkage == Linkage::Ward && !agglomerative::is_euclidean(&table)? {
                context.warn(
                    "ward_not_euclidean",
                    "Ward linkage takes the distances as Euclidean, which these are not (angles, for example): use average linkage, or cluster tangent coordinates",
                );
            }
            let (merges, _) = tree(&pairs, k, linkage);
            out.labels = agglomerative::cut(&merges, k, n_clusters, threshold).into_iter().map(Some).collect();
            context.step(0.3, "order of the leaves")?;
            out.order = Some(agglomerative::leaves(&table, &merges));
            out.merges = Some(merges);
        }
        Method::KMedoids { n_clusters } => {
            let medoids = medoids::best(&table, n_clusters as usize, context)?;
            out.labels = medoids::nearest(&table, &medoids).into_iter().map(Some).collect();
            out.medoids = Some(medoids);
        }
        Method::Dbscan { eps, min_samples } => out.labels = density::dbscan(&table, eps, min_samples as usize),
        Method::Hdbscan { min_cluster_size, min_samples } => {
            let min_samples = min_samples.unwrap_or(min_cluster_size) as usize;
            out.labels = hierarchy::hdbscan(&table, min_cluster_size as usize, min_samples);
        }
        Method::Optics { min_samples, max_eps, xi } => {
            let plot = optics::order(&table, min_samples as usize, max_eps.unwrap_or(f64::INFINITY));
            out.labels = optics::clusters(&plot, min_samples as usize, xi);
            out.reachability = Some(plot.order.iter().map(|&i| Some(plot.reachability[i]).filter(|r| r.is_finite())).collect());
            out.order = Some(plot.order.iter().map(|&i| small(i)).collect());
        }
    }
    context.step(0.9, "silhouettes")?;
    let names = renumbered(&out.labels);
    let labels: Vec<Option<u32>> = out.labels.iter().map(|label| label.map(|l| names[&l])).collect();
    let n_clusters = names.len();
    let silhouettes = silhouette::each(&table, &labels, n_clusters);
    let defined: Vec<f64> = silhouettes.iter().flatten().flatten().copied().collect();
    let order = out.order.unwrap_or_else(|| by_cluster(&labels));
    // Medoids in the order of the clusters' new numbers.
    let medoids = out.medoids.map(|medoids| {
        let mut all: Vec<u32> = medoids.iter().map(|&m| small(m)).collect();
        all.sort_by_key(|&m| labels[m as usize]);
        all
    });
    Ok(Output {
        input: spec.input.clone(),
        n: small(k),
        labels,
        n_clusters: small(n_clusters),
        silhouette: (!defined.is_empty()).then(|| mean(&defined)),
        silhouettes,
        distances: Array::matrix(k, k, table.values),
        order,
        merges: out.merges,
        medoids,
        reachability: out.reachability,
    })
}

#[derive(Default)]
struct Found {
    labels: Vec<Option<u32>>,
    order: Option<Vec<u32>>,
    merges: Option<Vec<Merge>>,
    medoids: Option<Vec<usize>>,
    reachability: Option<Vec<Option<f64>>>,
}

/// All distances, in rows.
struct Table {
    k: usize,
    values: Vec<f64>,
}

impl Table {
    fn new(pairs: &[f64], k: usize) -> Self {
        Self { k, values: super::rdm_comparison::mirrored(pairs, k) }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.k..(i + 1) * self.k]
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        self.values[i * self.k + j]
    }
}

/// New numbers of clusters, in the order of their first items.
fn renumbered(labels: &[Option<u32>]) -> std::collections::BTreeMap<u32, u32> {
    let mut out = std::collections::BTreeMap::new();
    for label in labels.iter().flatten() {
        let next = small(out.len());
        out.entry(*label).or_insert(next);
    }
    out
}

/// Items of the first cluster, of the second, …, noise.
fn by_cluster(labels: &[Option<u32>]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&i| labels[i].unwrap_or(u32::MAX));
    order.into_iter().map(small).collect()
}
