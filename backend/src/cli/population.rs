//! Populations of networks: stochastic distances, averages, paths.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::io::{self, Write};

use clap::Args;
use eigenscope::analysis::shape_distance::Score;
use eigenscope::analysis::stochastic_distance::{self, Metric};
use eigenscope::analysis::{shape_average, shape_path};
use eigenscope::shapes::{Averaging, Group, Weights};
use eigenscope::{AnalysisSpec, Error};

use super::args::{Common, word};
use super::inputs::InputArg;
use super::print::{matrix, number, optional, table};
use super::specs::{Plan, plan};

/// Options of `stochastic`.
#[derive(Debug, Args)]
pub(super) struct StochasticArgs {
    /// At least two arrays: conditions x repeats x neurons; trials x times x neurons for process and marginal; means with --covariances.
    #[arg(required = true, num_args = 2..)]
    pub inputs: Vec<InputArg>,
    /// Covariances (conditions x neurons x neurons) for each input, which then has the means.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub covariances: Vec<InputArg>,
    /// Distance: gaussian, energy, process or marginal.
    #[arg(long, default_value = "gaussian", value_parser = word::<Metric>)]
    pub metric: Metric,
    /// 2 compares means only, 1 is the 2-Wasserstein distance, 0 compares covariances only.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub alpha: f64,
    /// Maps of neurons: orthogonal, permutation or identity.
    #[arg(long, default_value = "orthogonal", value_parser = word::<Group>)]
    pub group: Group,
    /// Weights of means and covariances in the fit: sqrt, or linear as in netrep.
    #[arg(long, default_value = "sqrt", value_parser = word::<Weights>)]
    pub weights: Weights,
    /// Added to the diagonals of covariances.
    #[arg(long, default_value_t = 1e-6, allow_negative_numbers = true)]
    pub ridge: f64,
    /// Random starts of a fit; 0 is one start at the alignment of the means.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub starts: u32,
    /// Most iterations of a fit.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_iter: u32,
    /// Decrease of the loss that ends a fit.
    #[arg(long, allow_negative_numbers = true)]
    pub tol: Option<f64>,
    /// Fraction of the conditions that maps are fitted on; the rest gives held-out distances.
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub train_fraction: Option<f64>,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn stochastic(args: &StochasticArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&args.inputs.iter().chain(&args.covariances).collect::<Vec<_>>(), &args.common, |names| {
        let (inputs, covariances) = names.split_at(args.inputs.len());
        Ok(AnalysisSpec::StochasticDistance(stochastic_distance::Spec {
            inputs: inputs.to_vec(),
            covariances: covariances.to_vec(),
            metric: args.metric,
            alpha: args.alpha,
            group: args.group,
            weights: args.weights,
            ridge: args.ridge,
            n_random: args.starts,
            tol: args.tol,
            max_iter: args.max_iter,
            train_fraction: args.train_fraction,
            seed: seed.unwrap_or(0),
        }))
    })
}

/// Options of `average`.
#[derive(Debug, Args)]
pub(super) struct AverageArgs {
    /// At least two matrices, rows = the same samples.
    #[arg(required = true, num_args = 2..)]
    pub inputs: Vec<InputArg>,
    /// Maps of columns: orthogonal, permutation or identity.
    #[arg(long, default_value = "orthogonal", value_parser = word::<Group>)]
    pub group: Group,
    /// How the average is found: full_batch, streaming or sequential.
    #[arg(long, default_value = "full_batch", value_parser = word::<Averaging>)]
    pub method: Averaging,
    /// Keep the column means.
    #[arg(long)]
    pub no_center: bool,
    /// Divide each matrix by its norm.
    #[arg(long)]
    pub normalize: bool,
    /// Clusters around averages.
    #[arg(short = 'k', long, value_name = "K", default_value_t = 1)]
    pub clusters: u32,
    /// Distance of clusters: angular or euclidean.
    #[arg(long, default_value = "angular", value_parser = word::<Score>)]
    pub score: Score,
    /// Random starts of clusters, and of averages over permutations.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub starts: u32,
    /// Change in a sweep, relative to the size of an entry, that ends it.
    #[arg(long, default_value_t = 1e-6, allow_negative_numbers = true)]
    pub tol: f64,
    /// Most sweeps, and most rounds of clusters.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub max_iter: u32,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn average(args: &AverageArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&args.inputs.iter().collect::<Vec<_>>(), &args.common, |names| {
        Ok(AnalysisSpec::ShapeAverage(shape_average::Spec {
            inputs: names.to_vec(),
            group: args.group,
            averaging: args.method,
            center_columns: !args.no_center,
            normalize: args.normalize,
            n_clusters: args.clusters,
            score: args.score,
            n_starts: args.starts,
            tol: args.tol,
            max_iter: args.max_iter,
            seed: seed.unwrap_or(0),
        }))
    })
}

/// Options of `path`.
#[derive(Debug, Args)]
pub(super) struct PathArgs {
    /// Where the path starts, rows = samples.
    pub x: InputArg,
    /// Where it ends.
    pub y: InputArg,
    /// Others, whose distances to the points of the path are measured.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub others: Vec<InputArg>,
    /// Maps of columns: orthogonal, permutation or identity.
    #[arg(long, default_value = "orthogonal", value_parser = word::<Group>)]
    pub group: Group,
    /// Distance: angular (an arc) or euclidean (a straight line).
    #[arg(long, default_value = "angular", value_parser = word::<Score>)]
    pub score: Score,
    /// Points, both ends included.
    #[arg(long, value_name = "N", default_value_t = 11)]
    pub points: u32,
    /// Keep the column means.
    #[arg(long)]
    pub no_center: bool,
    /// Give the points themselves (with --json).
    #[arg(long)]
    pub keep_points: bool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn path(args: &PathArgs) -> Result<Plan, Error> {
    plan(&[&args.x, &args.y].into_iter().chain(&args.others).collect::<Vec<_>>(), &args.common, |names| {
        Ok(AnalysisSpec::ShapePath(shape_path::Spec {
            x: names[0].clone(),
            y: names[1].clone(),
            others: names[2..].to_vec(),
            group: args.group,
            score: args.score,
            center_columns: !args.no_center,
            n_points: args.points,
            keep_points: args.keep_points,
        }))
    })
}

pub(super) fn print_stochastic(out: &mut dyn Write, output: &stochastic_distance::Output) -> io::Result<()> {
    matrix(out, &output.names, &output.names, &output.distances)?;
    if let Some(test) = &output.test_distances {
        writeln!(out, "\non held-out conditions")?;
        matrix(out, &output.names, &output.names, test)?;
    }
    Ok(())
}

/// Each representation by its distance to the average and its cluster, then what varies.
pub(super) fn print_average(out: &mut dyn Write, output: &shape_average::Output) -> io::Result<()> {
    let mut headers = vec!["", "to the average", "component 1", "component 2"];
    headers.extend(output.clusters.as_ref().map(|_| "cluster"));
    let score = |i: usize, c: usize| optional(output.components.scores.row(i).get(c).copied());
    let rows = output.names.iter().enumerate().map(|(i, name)| {
        let mut row = vec![name.clone(), number(output.distances[i]), score(i, 0), score(i, 1)];
        row.extend(output.clusters.as_ref().map(|c| (c.labels[i] + 1).to_string()));
        row
    });
    table(out, &headers, rows.collect())?;
    let (n, dimensions) = (output.mean.rows(), output.mean.columns());
    writeln!(out, "\naverage of {n} samples in {dimensions} dimensions after {} sweeps", output.n_sweeps)?;
    if let Some(shared) = output.shared {
        writeln!(out, "it has {:.1} % of the sum of squares", 100.0 * shared)?;
    }
    if let Some(explained) = &output.components.explained {
        let shares: Vec<String> = explained.iter().take(5).map(|e| format!("{:.1} %", 100.0 * e)).collect();
        writeln!(out, "components of the variation around it: {}", shares.join(", "))?;
    }
    Ok(())
}

/// Distances along the path.
pub(super) fn print_path(out: &mut dyn Write, output: &shape_path::Output) -> io::Result<()> {
    let mut headers = vec!["t"];
    headers.extend(output.names.iter().map(String::as_str));
    let row = |(i, t): (usize, &f64)| {
        std::iter::once(number(*t)).chain((0..output.names.len()).map(|k| number(output.distances.row(k)[i]))).collect()
    };
    writeln!(out, "from {} to {}: {}\n\ndistances to the points of the path", output.ends[0], output.ends[1], number(output.length))?;
    table(out, &headers, output.t.iter().enumerate().map(row).collect())
}
