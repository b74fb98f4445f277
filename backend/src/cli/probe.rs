//! Probes of layers: what linear models or single units read out of them.

use std::io::{self, Write};
use std::str::FromStr;

use clap::Args;
use eigenscope::analysis::AnalysisResult;
use eigenscope::analysis::probe::{self, Estimator, Iterate, Layer, Map, Output, Rank, Score, Spec};
use eigenscope::labels::Labels;
use eigenscope::{AnalysisSpec, Error};
use serde::Serialize;

use super::args::{Common, word};
use super::inputs::{self, InputArg};
use super::predict;
use super::print::{number, optional, table};
use super::specs::{Plan, plan};
use super::words::CvArg;

/// Options of `probe`.
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Activations, one file for each layer or an archive of all: n x units or n x channels x rows x columns.
    #[arg(long, required = true, num_args = 1.., value_name = "X")]
    pub features: Vec<InputArg>,
    /// The class of each row, which classifiers predict.
    #[arg(long, value_name = "L")]
    pub labels: Option<InputArg>,
    /// Column of the labels, where they have several.
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    pub label_column: Option<String>,
    /// Numbers that regressors predict: n, or n x behaviors.
    #[arg(long, value_name = "Y")]
    pub targets: Option<InputArg>,
    /// Which columns of the targets.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', requires = "targets")]
    pub target_columns: Vec<String>,
    /// logistic, svc or ridge-classifier for labels; ridge, glm, lasso or corr for targets.
    #[arg(long, value_name = "NAME", default_value = "logistic", value_parser = word::<Estimator>)]
    pub estimator: Estimator,
    /// Weight of the losses. Default: 1 of logistic, 0.025 of svc.
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    pub c: Option<f64>,
    /// Penalty of ridge-classifier, ridge and lasso. Default: 1.
    #[arg(long, value_name = "ALPHA", allow_negative_numbers = true)]
    pub alpha: Option<f64>,
    /// Principal components of the training rows that fits on all units see, or none for the units as they are.
    #[arg(long, value_name = "K|none", default_value = "100")]
    pub pca: ComponentsArg,
    /// mv: all units at once; uv: the best single unit.
    #[arg(long, default_value = "mv", value_parser = word::<Map>)]
    pub map: Map,
    /// With uv: choose the unit of each fold on its training rows.
    #[arg(long)]
    pub nested: bool,
    /// The best correlation: abs (the largest in size) or signed.
    #[arg(long, default_value = "abs", value_parser = word::<Rank>)]
    pub rank: Rank,
    /// Repeat the probe for each channel or each position: none, channel or position.
    #[arg(long, default_value = "none", value_parser = word::<Iterate>)]
    pub iterate: Iterate,
    /// What regressors are scored by: r2, explained-variance or correlation.
    #[arg(long, default_value = "r2", value_parser = word::<Score>)]
    pub score: Score,
    /// Number of folds (stratified for classifiers, contiguous for regressors), or splits as in encode; those with classes take the labels.
    #[arg(long, value_name = "K|SPLITS", default_value = "10")]
    pub cv: FoldsArg,
    /// Also fit on all rows and keep the weights of units in the result.
    #[arg(long)]
    pub models: bool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// A number of components or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ComponentsArg(pub Option<u32>);

impl FromStr for ComponentsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        text.parse().map(|n| Self(Some(n))).map_err(|e| format!("expected a whole number or none ({e})"))
    }
}

/// A number of folds or other splits.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FoldsArg {
    /// Those that go with the estimator.
    Folds(u32),
    /// As they are named.
    Splits(CvArg),
}

impl FromStr for FoldsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(k) = text.parse() {
            return Ok(Self::Folds(k));
        }
        text.parse().map(Self::Splits).map_err(|e: String| format!("a whole number, or else {e}"))
    }
}

pub(super) fn probe(args: &ProbeArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let classifies = args.estimator.is_classifier();
    match (&args.labels, &args.targets) {
        (None, _) if classifies => {
            return Err(Error::parameter(
                "--labels",
                "a classifier predicts the class of each row; give the labels, or choose ridge, glm, lasso or corr",
            ));
        }
        (_, None) if !classifies => {
            return Err(Error::parameter(
                "--targets",
                "a regressor predicts numbers; give them, or choose logistic, svc or ridge-classifier",
            ));
        }
        (_, Some(_)) if classifies => {
            return Err(Error::parameter("--targets", "belongs to ridge, glm, lasso and corr; leave it out or choose another estimator"));
        }
        _ => {}
    }
    let layers = inputs::expand(&args.features)?;
    let mut files: Vec<&InputArg> = layers.iter().chain(&args.targets).chain(&args.labels).collect();
    if let FoldsArg::Splits(CvArg::Folds(folds)) = &args.cv {
        files.push(folds);
    }
    plan(&files, &args.common, |names| {
        let (layers, rest) = names.split_at(layers.len());
        let mut rest = rest.iter().cloned();
        let targets = args.targets.as_ref().and_then(|_| rest.next()).unwrap_or_default();
        let input = args.labels.as_ref().and_then(|_| rest.next()).unwrap_or_default();
        let labels = Labels { input, column: args.label_column.clone() };
        let (folds, cv) = match &args.cv {
            FoldsArg::Folds(k) => (*k, None),
            FoldsArg::Splits(cv) => {
                if !classifies && cv.takes_labels() != args.labels.is_some() {
                    let message = "go together with --cv stratified-kfold, stratified-shuffle or group; give both or neither";
                    return Err(Error::parameter("--labels", message));
                }
                (10, Some(predict::scheme(cv, seed, &|| labels.clone(), &mut || rest.next().unwrap_or_default())?))
            }
        };
        if !classifies && args.labels.is_some() && cv.is_none() {
            return Err(Error::parameter("--labels", "a regressor predicts targets; leave the labels out, or choose a classifier"));
        }
        Ok(AnalysisSpec::Probe(Spec {
            layers: layers.to_vec(),
            labels: if classifies { labels } else { Labels::default() },
            targets,
            columns: args.target_columns.clone(),
            estimator: args.estimator,
            c: args.c,
            alpha: args.alpha,
            pca: args.pca.0,
            map: args.map,
            nested: args.nested,
            rank: args.rank,
            iterate: args.iterate,
            score: args.score,
            folds,
            cv,
            models: args.models,
        }))
    })
}

/// A result with the short names of a single layer beside the rest.
#[derive(Debug, Serialize)]
pub(super) struct Named<'a> {
    #[serde(flatten)]
    flat: Option<probe::Flat>,
    #[serde(flatten)]
    result: &'a AnalysisResult,
}

/// Adds the short names.
pub(super) fn named<'a>(output: &Output, result: &'a AnalysisResult) -> Named<'a> {
    Named { flat: probe::flat(output), result }
}

/// The scores of each layer; of many iterations the best ones.
pub(super) fn print_probe(out: &mut dyn Write, output: &Output) -> io::Result<()> {
    let chance = output.chance.map_or_else(String::new, |chance| format!(", chance {}", number(chance)));
    writeln!(out, "{} rows, {} splits, {}{chance}", output.n_samples, output.n_folds, output.metric.replace('_', " "))?;
    let mut rows = Vec::new();
    for layer in &output.layers {
        for (k, behavior) in output.behaviors.iter().enumerate() {
            let Some((best, value)) = best(layer, output.behaviors.len(), k) else { continue };
            let at = best * output.behaviors.len() + k;
            let sem = layer.sem.values.get(at).copied().filter(|v| v.is_finite());
            let units = layer.location.as_ref().and_then(|l| l.values.get(at * 3..at * 3 + 3)).map_or_else(String::new, listed);
            rows.push(vec![layer.name.clone(), behavior.clone(), iteration(layer, best), number(value), optional(sem), units]);
        }
    }
    table(out, &["layer", "behavior", "iteration", "score", "± SEM", "unit"], rows)?;
    let [Layer { confusion: Some(confusion), grid: [1, 1], .. }] = &output.layers[..] else { return Ok(()) };
    writeln!(out, "\nrows: the true class; columns: what it is taken for")?;
    let n = output.classes.len();
    let row = |(name, counts): (&String, &[f64])| std::iter::once(name.clone()).chain(counts.iter().map(|&v| whole(v))).collect();
    let headers: Vec<&str> = std::iter::once("").chain(output.classes.iter().map(String::as_str)).collect();
    table(out, &headers, output.classes.iter().zip(confusion.values.chunks(n.max(1))).map(row).collect())
}

/// The iteration with the largest mean.
fn best(layer: &Layer, n_behaviors: usize, behavior: usize) -> Option<(usize, f64)> {
    let means = layer.mean.values.iter().copied().skip(behavior).step_by(n_behaviors).enumerate().filter(|(_, v)| v.is_finite());
    means.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

fn iteration(layer: &Layer, best: usize) -> String {
    match layer.grid {
        [1, 1] => String::new(),
        [n, 1] => format!("best of {n}: {}", best + 1),
        [n, m] => format!("best of {n} x {m}: {}, {}", best / m as usize + 1, best % m as usize + 1),
    }
}

fn listed(values: &[f64]) -> String {
    values.iter().map(|&v| whole(v)).collect::<Vec<_>>().join(", ")
}

/// A count.
fn whole(value: f64) -> String {
    format!("{value:.0}")
}
