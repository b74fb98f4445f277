//! Dissimilarity matrices and their comparison on the command line.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use eigenscope::analysis::embedding::{self, Linkage, Method};
use eigenscope::analysis::rdm::{self, Covariance, FoldWeights, Measure, Noise, RowPairs, Transform};
use eigenscope::analysis::rdm_comparison::inference::{Correction, CrossValidation, Inference, Over, Test};
use eigenscope::analysis::rdm_comparison::{self, Compare, Family, Flexible};
use eigenscope::analysis::rdm_pool::{self, Rescale};
use eigenscope::analysis::{searchlight, tuning};
use eigenscope::labels::Labels;
use eigenscope::{AnalysisSpec, Error};

use super::args::{Common, word};
use super::inputs::{InputArg, parse_named};
use super::specs::{Plan, plan};

/// A transform by its name, with its numbers behind colons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TransformArg(pub Transform);

impl FromStr for TransformArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |s: &str| s.parse::<f64>().map_err(|e| format!("\"{s}\" is not a number ({e})"));
        let transform = match text.split(':').collect::<Vec<_>>().as_slice() {
            ["rank"] => Transform::Rank,
            ["sqrt"] => Transform::Sqrt,
            ["positive"] => Transform::Positive,
            ["min_max"] => Transform::MinMax,
            ["geo_topological", low, high] => Transform::GeoTopological { low: number(low)?, high: number(high)? },
            ["geodesic"] => Transform::Geodesic,
            _ => return Err("expected rank, sqrt, positive, min_max, geo_topological:LOW:HIGH or geodesic".into()),
        };
        Ok(Self(transform))
    }
}

/// How an RDM is made.
#[derive(Debug, Args)]
pub(super) struct RdmOptions {
    /// Dissimilarity: correlation, euclidean, sqeuclidean, cosine, mahalanobis, crossnobis, poisson, poisson_cv, gaussian, minkowski,
    /// cityblock or chebyshev.
    #[arg(long, default_value = "correlation", value_parser = word::<Measure>)]
    pub measure: Measure,
    /// Subtract each row's mean first.
    #[arg(long)]
    pub remove_mean: bool,
    /// Do not divide sqeuclidean by the number of channels.
    #[arg(long)]
    pub no_normalize: bool,
    /// Width of gaussian.
    #[arg(long)]
    pub sigma: Option<f64>,
    /// Exponent of minkowski.
    #[arg(long)]
    pub minkowski_p: Option<f64>,
    /// Prior rate of poisson.
    #[arg(long)]
    pub prior_lambda: Option<f64>,
    /// Weight of the prior of poisson.
    #[arg(long)]
    pub prior_weight: Option<f64>,
    /// The mean of both Poisson divergences instead of their sum.
    #[arg(long)]
    pub half: bool,
    /// Condition of each row: rows of one condition are averaged.
    #[arg(long, value_name = "PATH")]
    pub conditions: Option<InputArg>,
    /// Column of the conditions, where the file has several.
    #[arg(long, value_name = "COLUMN", requires = "conditions")]
    pub condition_column: Option<String>,
    /// Fold (run, session) of each row, for crossnobis and poisson_cv; without it the r-th row of each condition is in fold r.
    #[arg(long, value_name = "PATH", requires = "conditions")]
    pub folds: Option<InputArg>,
    /// Column of the folds, where the file has several.
    #[arg(long, value_name = "COLUMN", requires = "folds")]
    pub fold_column: Option<String>,
    /// How folds of different sizes count: fold (equally) or row (each against all other rows).
    #[arg(long, default_value = "fold", value_parser = word::<FoldWeights>)]
    pub fold_weights: FoldWeights,
    /// Average over pairs of rows, for conditions missing from folds and data with gaps: channels or equal (how pairs count).
    #[arg(long, value_parser = word::<RowPairs>)]
    pub row_pairs: Option<RowPairs>,
    /// Estimate the noise covariance instead: shrinkage_diag, shrinkage_eye, full or diag.
    #[arg(long, value_parser = word::<Covariance>)]
    pub noise: Option<Covariance>,
    /// Residuals (rows x channels) to estimate it from; without them the deviations from the mean of each condition.
    #[arg(long, value_name = "PATH", requires = "noise")]
    pub residuals: Option<InputArg>,
    /// Run of each row of the residuals.
    #[arg(long, value_name = "PATH", requires = "residuals")]
    pub runs: Option<InputArg>,
    /// Column of the runs, where the file has several.
    #[arg(long, value_name = "COLUMN", requires = "runs")]
    pub run_column: Option<String>,
    /// One covariance for each fold (a run of the same name).
    #[arg(long, requires = "runs")]
    pub noise_per_fold: bool,
    /// Degrees of freedom of the residuals.
    #[arg(long, value_name = "N", requires = "noise")]
    pub degrees_of_freedom: Option<u32>,
    /// What is done to the dissimilarities, in this order: rank, sqrt, positive, min_max, geo_topological:LOW:HIGH, geodesic.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    pub transform: Vec<TransformArg>,
}

/// Options of `rdm`.
#[derive(Debug, Args)]
pub(super) struct RdmArgs {
    /// The matrix, rows = conditions.
    pub input: InputArg,
    /// The RDM.
    #[command(flatten)]
    pub options: RdmOptions,
    /// Noise precision matrix of mahalanobis and crossnobis.
    #[arg(long, value_name = "PATH", conflicts_with = "noise")]
    pub precision: Option<InputArg>,
    /// One RDM for each of N parts of the third axis; 0 for one at every point.
    #[arg(long, value_name = "N")]
    pub time_bins: Option<u32>,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `searchlight`.
#[derive(Debug, Args)]
pub(super) struct SearchlightArgs {
    /// The image: x, y, z, conditions (.nii, .nii.gz or .npy).
    pub image: InputArg,
    /// Model RDMs: K x K, R x K x K or R x K(K-1)/2 each.
    #[arg(long, value_name = "RDMS", num_args = 1.., required = true)]
    pub models: Vec<InputArg>,
    /// Voxels that are not 0 are inside; without it all voxels that vary.
    #[arg(long, value_name = "PATH")]
    pub mask: Option<InputArg>,
    /// Voxels nearer to the center than this belong to a searchlight.
    #[arg(long, value_name = "VOXELS", default_value_t = 3.0)]
    pub radius: f64,
    /// Least share of a searchlight inside the mask.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub threshold: f64,
    /// Leave out voxels outside the mask.
    #[arg(long)]
    pub truncate: bool,
    /// Similarity with the models, as in rsa.
    #[arg(long, default_value = "corr", value_parser = word::<Compare>)]
    pub compare: Compare,
    /// Also write the map of each model to this folder, as MODEL.nii.
    #[arg(long, value_name = "FOLDER")]
    pub maps: Option<PathBuf>,
    /// The RDM.
    #[command(flatten)]
    pub options: RdmOptions,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `rsa`.
#[derive(Debug, Args)]
pub(super) struct RsaArgs {
    /// Data RDMs: K x K, R x K x K or R x K(K-1)/2 each.
    #[arg(long, value_name = "RDMS", num_args = 1.., required = true)]
    pub data: Vec<InputArg>,
    /// Model RDMs, likewise.
    #[arg(long, value_name = "RDMS", num_args = 1.., required_unless_present_any = ["non_negative", "weighted", "select", "interpolate"])]
    pub models: Vec<InputArg>,
    /// A model that is a sum of a stack of RDMs with weights of 0 or more, fitted and scored on folds; repeat for more.
    #[arg(long, value_name = "NAME=RDMS", value_parser = parse_named)]
    pub non_negative: Vec<(String, InputArg)>,
    /// Likewise with any weights.
    #[arg(long, value_name = "NAME=RDMS", value_parser = parse_named)]
    pub weighted: Vec<(String, InputArg)>,
    /// The RDM of a stack that fits best.
    #[arg(long, value_name = "NAME=RDMS", value_parser = parse_named)]
    pub select: Vec<(String, InputArg)>,
    /// Between two neighbors of a stack.
    #[arg(long, value_name = "NAME=RDMS", value_parser = parse_named)]
    pub interpolate: Vec<(String, InputArg)>,
    /// Penalty of squared weights.
    #[arg(long, default_value_t = 0.0)]
    pub ridge: f64,
    /// Folds of conditions for models with parameters; chosen by their number if absent.
    #[arg(long, value_name = "N")]
    pub condition_folds: Option<u32>,
    /// Folds of data RDMs, 1 to fit to all of them; chosen by their number if absent.
    #[arg(long, value_name = "N")]
    pub data_folds: Option<u32>,
    /// Random divisions into folds.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub fold_repeats: u32,
    /// Similarity: corr, cosine, spearman, rho-a, tau-a, tau-b, corr_cov, cosine_cov, bures, bures_metric, neg_riem_dist or euclidean.
    #[arg(long, default_value = "corr", value_parser = word::<Compare>)]
    pub compare: Compare,
    /// Covariance of the conditions for corr_cov, cosine_cov and neg_riem_dist.
    #[arg(long, value_name = "PATH")]
    pub sigma_k: Option<InputArg>,
    /// Bootstrap resamples for standard errors, intervals and tests; without it they come from the data RDMs alone.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub bootstrap: u32,
    /// What is resampled: pattern (conditions), rdm (data RDMs), both, or dual (both and each, with the corrected variance).
    #[arg(long, default_value = "dual", value_parser = word::<Over>, requires = "bootstrap")]
    pub over: Over,
    /// Where p-values come from: t, bootstrap (shares of resamples) or signed_rank (over data RDMs).
    #[arg(long, default_value = "t", value_parser = word::<Test>)]
    pub test: Test,
    /// Adjustment of p-values for several tests: fdr, bonferroni or none.
    #[arg(long, default_value = "fdr", value_parser = word::<Correction>)]
    pub correction: Correction,
    /// Permutations of the conditions of each model, for a test against unrelated RDMs.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub permutations: u32,
    /// Two groups of data RDMs to compare (one label each), with --permutations.
    #[arg(long, value_name = "PATH", requires = "permutations")]
    pub groups: Option<InputArg>,
    /// Column of the groups, where the file has several.
    #[arg(long, value_name = "COLUMN", requires = "groups")]
    pub group_column: Option<String>,
    /// Give the RDMs back in the result.
    #[arg(long)]
    pub keep_rdms: bool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

impl RdmOptions {
    /// Files of labels and residuals.
    fn files(&self) -> impl Iterator<Item = &InputArg> {
        [&self.conditions, &self.folds, &self.residuals, &self.runs].into_iter().flatten()
    }

    /// The spec for an input; `rest` are the names of the files in their order.
    fn spec(&self, input: &str, rest: &mut dyn Iterator<Item = String>) -> rdm::Spec {
        let default = rdm::Spec::default();
        let mut next = |arg: &Option<InputArg>| arg.as_ref().and_then(|_| rest.next());
        let labels = |input: Option<String>, column: &Option<String>| input.map(|input| Labels { input, column: column.clone() });
        let conditions = labels(next(&self.conditions), &self.condition_column);
        let folds = labels(next(&self.folds), &self.fold_column);
        let residuals = next(&self.residuals);
        let runs = labels(next(&self.runs), &self.run_column);
        rdm::Spec {
            input: input.into(),
            measure: self.measure,
            remove_mean: self.remove_mean,
            normalize: !self.no_normalize,
            sigma: self.sigma.unwrap_or(default.sigma),
            minkowski_p: self.minkowski_p.unwrap_or(default.minkowski_p),
            prior_lambda: self.prior_lambda.unwrap_or(default.prior_lambda),
            prior_weight: self.prior_weight.unwrap_or(default.prior_weight),
            half: self.half,
            conditions,
            folds,
            fold_weights: self.fold_weights,
            row_pairs: self.row_pairs,
            precision: None,
            noise: self.noise.map(|covariance| Noise {
                covariance,
                residuals,
                runs,
                per_fold: self.noise_per_fold,
                degrees_of_freedom: self.degrees_of_freedom,
            }),
            time_bins: None,
            transforms: self.transform.iter().map(|t| t.0).collect(),
        }
    }
}

pub(super) fn rdm(args: &RdmArgs) -> Result<Plan, Error> {
    let files = std::iter::once(&args.input).chain(args.options.files()).chain(&args.precision).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let mut rest = names[1..].iter().cloned();
        let spec = args.options.spec(&names[0], &mut rest);
        let precision = args.precision.as_ref().and_then(|_| rest.next());
        Ok(AnalysisSpec::Rdm(rdm::Spec { precision, time_bins: args.time_bins, ..spec }))
    })
}

pub(super) fn searchlight(args: &SearchlightArgs) -> Result<Plan, Error> {
    let files = std::iter::once(&args.image).chain(&args.models).chain(&args.mask).chain(args.options.files()).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let (models, rest) = names[1..].split_at(args.models.len());
        let mut rest = rest.iter().cloned();
        let mask = args.mask.as_ref().and_then(|_| rest.next());
        Ok(AnalysisSpec::Searchlight(searchlight::Spec {
            rdm: args.options.spec(&names[0], &mut rest),
            mask,
            models: models.to_vec(),
            compare: args.compare,
            radius: args.radius,
            threshold: args.threshold,
            truncate: args.truncate,
        }))
    })
}

pub(super) fn rsa(args: &RsaArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let families = [
        (Family::NonNegative, &args.non_negative),
        (Family::Weighted, &args.weighted),
        (Family::Select, &args.select),
        (Family::Interpolate, &args.interpolate),
    ];
    let flexible = || families.iter().flat_map(|(family, models)| models.iter().map(move |(name, file)| (*family, name, file)));
    let parts = flexible().map(|(_, _, file)| file);
    let files = args.data.iter().chain(&args.models).chain(parts).chain(&args.sigma_k).chain(&args.groups).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let (data, rest) = names.split_at(args.data.len());
        let (models, rest) = rest.split_at(args.models.len());
        let mut rest = rest.iter().cloned();
        let model = |(family, name, _): (Family, &String, &InputArg)| Flexible {
            name: name.clone(),
            family,
            rdms: rest.next().into_iter().collect(),
            ridge: args.ridge,
        };
        let flexible = flexible().map(model).collect();
        let sigma_k = args.sigma_k.as_ref().and_then(|_| rest.next());
        Ok(AnalysisSpec::RdmComparison(rdm_comparison::Spec {
            data: data.to_vec(),
            models: models.to_vec(),
            compare: args.compare,
            sigma_k,
            flexible,
            cv: CrossValidation { conditions: args.condition_folds, data: args.data_folds, repeats: args.fold_repeats },
            inference: Inference {
                bootstrap: args.bootstrap,
                over: args.over,
                test: args.test,
                correction: args.correction,
                permutations: args.permutations,
                groups: rest.next().map(|input| Labels { input, column: args.group_column.clone() }),
                seed: seed.unwrap_or(0),
            },
            keep_rdms: args.keep_rdms,
        }))
    })
}

/// Options of `embed`.
#[derive(Debug, Args)]
pub(super) struct EmbedArgs {
    /// An RDM, or a stack of them.
    pub input: InputArg,
    /// Which RDM of a stack, counted from 0; their mean without it.
    #[arg(long, value_name = "N")]
    pub rdm: Option<u32>,
    /// How points are placed: smacof, classical, tsne, isomap or umap.
    #[arg(long, default_value = "smacof", value_parser = word::<Method>)]
    pub method: Method,
    /// Dimensions of the points.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub dimensions: u32,
    /// Random starts of smacof and tsne.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub starts: u32,
    /// Effective number of neighbors of tsne.
    #[arg(long, default_value_t = 15.0)]
    pub perplexity: f64,
    /// Neighbors of isomap (5 without it) and umap (15).
    #[arg(long, value_name = "N")]
    pub neighbors: Option<u32>,
    /// How close points of umap may be.
    #[arg(long, value_name = "D", default_value_t = 0.1)]
    pub min_dist: f64,
    /// How clusters merge: average, complete, single or ward.
    #[arg(long, default_value = "average", value_parser = word::<Linkage>)]
    pub linkage: Linkage,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn embed(args: &EmbedArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&[&args.input], &args.common, |names| {
        Ok(AnalysisSpec::Embedding(embedding::Spec {
            input: names[0].clone(),
            rdm: args.rdm,
            method: args.method,
            dimensions: args.dimensions,
            n_starts: args.starts,
            perplexity: args.perplexity,
            n_neighbors: args.neighbors,
            min_dist: args.min_dist,
            linkage: args.linkage,
            seed: seed.unwrap_or(0),
        }))
    })
}

/// Options of `pool`.
#[derive(Debug, Args)]
pub(super) struct PoolArgs {
    /// RDMs, or stacks of them.
    #[arg(required = true)]
    pub inputs: Vec<InputArg>,
    /// The names of the conditions of each input, in the same order; without them the headers of tables.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub conditions: Vec<InputArg>,
    /// How RDMs are brought to one scale: none, evidence, setsize or simple.
    #[arg(long, default_value = "none", value_parser = word::<Rescale>)]
    pub rescale: Rescale,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn pool(args: &PoolArgs) -> Result<Plan, Error> {
    let files = args.inputs.iter().chain(&args.conditions).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let (inputs, conditions) = names.split_at(args.inputs.len());
        let conditions = conditions.iter().map(|input| Labels { input: input.clone(), column: None }).collect();
        Ok(AnalysisSpec::RdmPool(rdm_pool::Spec { inputs: inputs.to_vec(), conditions, rescale: args.rescale }))
    })
}

/// Options of `tuning`.
#[derive(Debug, Args)]
pub(super) struct TuningArgs {
    /// Responses, rows = trials, columns = units.
    pub input: InputArg,
    /// The stimulus value of each row.
    #[arg(long, value_name = "PATH")]
    pub stimuli: InputArg,
    /// Column of the values, where the file has several.
    #[arg(long, value_name = "COLUMN")]
    pub stimulus_column: Option<String>,
    /// After how much the stimulus repeats itself; 0 for stimuli along a line.
    #[arg(long, default_value_t = 180.0)]
    pub period: f64,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn tuning(args: &TuningArgs) -> Result<Plan, Error> {
    plan(&[&args.input, &args.stimuli], &args.common, |names| {
        Ok(AnalysisSpec::Tuning(tuning::Spec {
            input: names[0].clone(),
            stimuli: Labels { input: names[1].clone(), column: args.stimulus_column.clone() },
            period: Some(args.period).filter(|p| *p != 0.0),
        }))
    })
}
