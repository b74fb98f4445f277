//! Shape distances and measures of similarity.

use std::io::{self, Write};

use clap::Args;
use eigenscope::analysis::shape_distance::{self, Channels, Metric, Score};
use eigenscope::analysis::similarity::{self, CATALOGUE, Direction, Entry, Invariance, Status};
use eigenscope::{AnalysisSpec, Error};
use serde_json::{Value, json};

use super::args::{Common, word};
use super::inputs::InputArg;
use super::print::{number, table};
use super::specs::{Plan, plan};

/// Options of `shapes`.
#[derive(Debug, Args)]
pub(super) struct ShapesArgs {
    /// At least two matrices, rows = the same samples; one or more with --against. Convolutional layers have four axes.
    #[arg(required = true)]
    pub inputs: Vec<InputArg>,
    /// Other matrices: a table of the inputs (rows) against these (columns).
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub against: Vec<InputArg>,
    /// How they are aligned: linear, permutation, identity, cka or convolutional.
    #[arg(long, default_value = "linear", value_parser = word::<Metric>)]
    pub metric: Metric,
    /// Regularization between full whitening (0) and none (1).
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub alpha: f64,
    /// Distance: angular or euclidean.
    #[arg(long, default_value = "angular", value_parser = word::<Score>)]
    pub score: Score,
    /// Fraction of the rows that the alignment is fitted on; the rest gives held-out distances.
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub train_fraction: Option<f64>,
    /// Contiguous folds, each held out in turn: means over folds, and the distances of each.
    #[arg(long, value_name = "K")]
    pub folds: Option<u32>,
    /// Which axis of convolutional layers has the channels: first or last.
    #[arg(long, default_value = "first", value_parser = word::<Channels>)]
    pub channels: Channels,
    /// Keep the column means.
    #[arg(long)]
    pub no_center: bool,
    /// Refuse matrices of different widths instead of padding them with zero columns.
    #[arg(long)]
    pub no_zero_pad: bool,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

/// Options of `similarity`.
#[derive(Debug, Args)]
pub(super) struct SimilarityArgs {
    /// The first matrix, rows = samples.
    pub x: InputArg,
    /// The second, with the same samples in the same order.
    pub y: InputArg,
    /// A measure by its name, for example cka-kernel=linear-hsic=song-score; repeat for more, or all. See `eigenscope measures`.
    #[arg(long = "measure", value_name = "NAME", default_value = "all")]
    pub measures: Vec<String>,
    /// Shared options.
    #[command(flatten)]
    pub common: Common,
}

pub(super) fn shapes(args: &ShapesArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&args.inputs.iter().chain(&args.against).collect::<Vec<_>>(), &args.common, |names| {
        let (inputs, against) = names.split_at(args.inputs.len());
        Ok(AnalysisSpec::ShapeDistance(shape_distance::Spec {
            inputs: inputs.to_vec(),
            against: against.to_vec(),
            metric: args.metric,
            alpha: args.alpha,
            score: args.score,
            center_columns: !args.no_center,
            zero_pad: !args.no_zero_pad,
            train_fraction: args.train_fraction,
            n_folds: args.folds,
            channels: args.channels,
            seed: seed.unwrap_or(0),
        }))
    })
}

pub(super) fn similarity(args: &SimilarityArgs) -> Result<Plan, Error> {
    plan(&[&args.x, &args.y], &args.common, |names| {
        let (x, y) = (names[0].clone(), names[1].clone());
        Ok(AnalysisSpec::Similarity(similarity::Spec { x, y, measures: args.measures.clone() }))
    })
}

/// Values in the order of the catalogue, then what has none.
pub(super) fn print_similarity(out: &mut dyn Write, output: &similarity::Output) -> io::Result<()> {
    let place = |name: &String| CATALOGUE.iter().position(|entry| entry.name == name.as_str()).unwrap_or(CATALOGUE.len());
    let mut found: Vec<_> = output.values.iter().collect();
    found.sort_by_key(|(name, _)| place(name));
    table(out, &["measure", "value"], found.into_iter().map(|(name, value)| vec![name.clone(), number(*value)]).collect())?;
    for (name, reason) in &output.left_out {
        writeln!(out, "{name}: {reason}")?;
    }
    Ok(())
}

/// The catalogue as a table.
pub(super) fn print_measures(out: &mut dyn Write) -> io::Result<()> {
    let mark = |entry: &Entry, flag| if entry.invariances.contains(flag) { "yes" } else { "" }.to_owned();
    let rows = CATALOGUE.iter().map(|entry| {
        let mut row = vec![entry.name.to_owned(), direction(entry.direction).into()];
        row.extend([Invariance::TRANSLATION, Invariance::SCALE, Invariance::ROTATION, Invariance::LINEAR].map(|flag| mark(entry, flag)));
        row.extend([if entry.is_metric { "yes" } else { "" }.into(), status(entry.status).into(), entry.cost.into()]);
        row
    });
    table(out, &["measure", "", "translation", "scale", "rotation", "linear", "metric", "status", "cost"], rows.collect())
}

/// The catalogue for programs.
pub(super) fn measures_json() -> Value {
    let all = CATALOGUE.iter().map(|entry| {
        json!({
            "name": entry.name,
            "title": entry.title,
            "direction": direction(entry.direction),
            "invariances": entry.invariances.iter_names().map(|(name, _)| name.to_lowercase()).collect::<Vec<_>>(),
            "is_metric": entry.is_metric,
            "is_symmetric": entry.is_symmetric,
            "needs_equal_widths": entry.needs_equal_widths,
            "is_slow": entry.is_slow,
            "cost": entry.cost,
            "status": status(entry.status),
            "note": entry.note,
        })
    });
    json!({ "measures": all.collect::<Vec<_>>() })
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Similarity => "similarity",
        Direction::Distance => "distance",
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Agreed => "agreed",
        Status::Disputed => "disputed",
        Status::Single => "single",
    }
}
