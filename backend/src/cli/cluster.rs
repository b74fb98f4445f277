//! Clusters from a matrix of distances.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use eigenscope::AnalysisSpec;
use eigenscope::Error;
use eigenscope::analysis::clustering::{Method, Output, Spec};
use eigenscope::analysis::embedding::Linkage;

use super::args::{Common, word};
use super::inputs::InputArg;
use super::print::{number, optional, table};
use super::specs::{Plan, plan};

/// Options of `cluster`.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// A matrix of distances, or a stack of them.
    pub input: InputArg,
    /// Which matrix of a stack, counted from 0; their mean without it.
    #[arg(long, value_name = "N")]
    pub rdm: Option<u32>,
    /// How clusters are found.
    #[arg(long, value_enum, default_value_t = MethodName::Agglomerative)]
    pub method: MethodName,
    /// How clusters merge in agglomerative: average, complete, single or ward.
    #[arg(long, default_value = "average", value_parser = word::<Linkage>)]
    pub linkage: Linkage,
    /// Number of clusters of agglomerative and k-medoids.
    #[arg(short = 'k', long, value_name = "K", default_value_t = 3)]
    pub clusters: u32,
    /// Largest distance at which agglomerative merges; instead of a number of clusters.
    #[arg(long, value_name = "D", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Radius of a neighborhood of dbscan; largest radius of optics, which has no limit without it.
    #[arg(long, value_name = "D", allow_negative_numbers = true, required_if_eq("method", "dbscan"))]
    pub eps: Option<f64>,
    /// Items in the neighborhood of a core item, itself included: of dbscan and optics 5 without it, of hdbscan the size of a cluster.
    #[arg(long, value_name = "N")]
    pub min_samples: Option<u32>,
    /// Items of a cluster of hdbscan, at least.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub min_cluster_size: u32,
    /// Relative drop at the border of a cluster of optics.
    #[arg(long, default_value_t = 0.05, allow_negative_numbers = true)]
    pub xi: f64,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Names of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodName {
    /// Nearest clusters merge.
    Agglomerative,
    /// Central items.
    KMedoids,
    /// Dense neighborhoods.
    Dbscan,
    /// Neighborhoods of changing density.
    Optics,
    /// Stable branches of the tree of densities.
    Hdbscan,
}

pub(super) fn cluster(args: &ClusterArgs) -> Result<Plan, Error> {
    let ClusterArgs { linkage, clusters: n_clusters, threshold, eps, min_samples: samples, min_cluster_size, xi, .. } = *args;
    let min_samples = samples.unwrap_or(5);
    let method = match args.method {
        MethodName::Agglomerative => Method::Agglomerative { linkage, n_clusters, threshold },
        MethodName::KMedoids => Method::KMedoids { n_clusters },
        MethodName::Dbscan => Method::Dbscan { eps: eps.unwrap_or_default(), min_samples },
        MethodName::Optics => Method::Optics { min_samples, max_eps: eps, xi },
        MethodName::Hdbscan => Method::Hdbscan { min_cluster_size, min_samples: samples },
    };
    plan(&[&args.input], &args.common, |names| Ok(AnalysisSpec::Clustering(Spec { input: names[0].clone(), rdm: args.rdm, method })))
}

/// Clusters with their items.
pub(super) fn print_clusters(out: &mut dyn Write, output: &Output) -> io::Result<()> {
    let of = |cluster: Option<u32>| (0..output.labels.len()).filter(|i| output.labels[*i] == cluster).collect::<Vec<_>>();
    let silhouette = |items: &[usize]| {
        let all: Option<Vec<f64>> = output.silhouettes.as_ref().and_then(|s| items.iter().map(|i| s[*i]).collect());
        #[expect(clippy::cast_precision_loss, reason = "counts of items")]
        optional(all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64))
    };
    let row = |name: String, items: &[usize]| {
        let listed: Vec<String> = items.iter().map(|i| (i + 1).to_string()).collect();
        vec![name, items.len().to_string(), silhouette(items), listed.join(" ")]
    };
    let mut rows: Vec<Vec<String>> = (0..output.n_clusters).map(|c| row((c + 1).to_string(), &of(Some(c)))).collect();
    let noise = of(None);
    if !noise.is_empty() {
        rows.push(row("noise".into(), &noise));
    }
    writeln!(out, "{}: {} items, {} clusters", output.input, output.n, output.n_clusters)?;
    table(out, &["cluster", "items", "silhouette", "which (counted from 1)"], rows)?;
    if let Some(silhouette) = output.silhouette {
        writeln!(out, "\nmean silhouette {}", number(silhouette))?;
    }
    Ok(())
}
