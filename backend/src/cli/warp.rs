//! Networks warped along few dimensions.

use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use eigenscope::analysis::AnalysisResult;
use eigenscope::analysis::warp::{Curve, Model, Objective, Output, Reference, Spec};
use eigenscope::labels::Labels;
use eigenscope::warp::sweep::{Needed, Target, dimensions};
use eigenscope::warp::{Group, Head, Schedule, Split, Start, Training};
use eigenscope::{AnalysisSpec, Error, Inputs};
use serde::Serialize;

use super::args::{Common, word};
use super::inputs::InputArg;
use super::network::WhatArgs;
use super::print::{number, optional, table};
use super::specs::{Plan, short_seed};

/// Options of `warp`.
#[derive(Debug, Args)]
pub(super) struct WarpArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Responses to the images that the network is warped to: images x neurons or voxels.
    #[arg(long, value_name = "Y")]
    targets: Option<InputArg>,
    /// A class for each image, instead of responses.
    #[arg(long, value_name = "L", conflicts_with = "targets")]
    labels: Option<InputArg>,
    /// Column of the labels, where they have several.
    #[arg(long, value_name = "COLUMN", requires = "labels")]
    label_column: Option<String>,
    /// encoding (of responses), classes or rsa; rsa takes RDMs as targets. Default: what goes with what is given.
    #[arg(long, value_enum)]
    objective: Option<ObjectiveArg>,
    /// Numbers of dimensions, 0 for the read-out alone, and full for all parameters by themselves.
    #[arg(long, value_name = "D,…", value_delimiter = ',', default_values_t = dimensions(10, 10_000).into_iter().map(|d| DimsArg(Some(d))))]
    dims: Vec<DimsArg>,
    /// Seeds, one sweep for each; without it the one of --seed.
    #[arg(long, value_name = "S,…", value_delimiter = ',')]
    seeds: Vec<u32>,
    /// Groups of parameters with a scaler each, by prefixes of their names, as in "conv1,bn1;layer1;layer2" (SAID); without it there are no scalers (DID).
    #[arg(long, value_name = "P,…;P,…")]
    groups: Option<String>,
    /// contiguous, shuffled or stratified with the shares that train and validate, as in shuffled:0.6:0.2, or a file with 0 (trains), 1 (validates) or 2 (tests) for
    /// each image.
    #[arg(long, value_name = "SPLIT", default_value = "contiguous:0.6:0.2")]
    split: SplitArg,
    /// Published settings: nsd (lr 1e-4), majaj (lr 1e-3, weight decay 5e-3), imagenet21k (lr 1e-3).
    #[arg(long, value_enum)]
    preset: Option<PresetArg>,
    /// Learning rate of the read-out. Default: 1e-4, or the preset's.
    #[arg(long)]
    lr: Option<f64>,
    /// Learning rate of what warps the network. Default: that of the read-out.
    #[arg(long)]
    low_dim_lr: Option<f64>,
    /// Weight decay of the read-out. Default: 0, or the preset's.
    #[arg(long)]
    weight_decay: Option<f64>,
    /// constant, cosine, or exponential:FACTOR for each epoch.
    #[arg(long, default_value = "constant")]
    schedule: ScheduleArg,
    /// Images of a step.
    #[arg(long, default_value_t = 64)]
    batch_size: u32,
    /// Passes through the training images, at most.
    #[arg(long, default_value_t = 100)]
    epochs: u32,
    /// Passes without a better validation score after which it ends; 0 for none.
    #[arg(long, default_value_t = 3)]
    patience: u32,
    /// The read-out is free (trained beside the warp), frozen, or warped like the network.
    #[arg(long, default_value = "free", value_parser = word::<Head>)]
    head: Head,
    /// The read-out begins with random numbers, fitted:PENALTY (ridge regression, for classes logistic regression), pls:COMPONENTS (partial least squares), or
    /// trained (linear first).
    #[arg(long, default_value = "random")]
    start: StartArg,
    /// The score that counts as reached: gain:SHARE of what is gained over d = 0, or absolute:SHARE of the reference.
    #[arg(long, default_value = "gain:0.9")]
    target_score: TargetArg,
    /// What the score is measured by: best of the sweep, full (training all parameters), or a number.
    #[arg(long, default_value = "best")]
    reference: ReferenceArg,
    /// Also write the points as a table.
    #[arg(long, value_name = "RESULTS.csv")]
    pub(super) table: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ObjectiveArg {
    Encoding,
    Classes,
    Rsa,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PresetArg {
    Nsd,
    Majaj,
    Imagenet21k,
}

/// A number of dimensions, or all parameters.
#[derive(Debug, Clone, Copy)]
struct DimsArg(Option<u32>);

impl std::fmt::Display for DimsArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(d) => write!(f, "{d}"),
            None => f.write_str("full"),
        }
    }
}

impl FromStr for DimsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "full" {
            return Ok(Self(None));
        }
        text.parse().map(|d| Self(Some(d))).map_err(|e| format!("expected a whole number or full ({e})"))
    }
}

/// `name:NUMBER`, with a message that lists what there is.
fn parted<'a, T: FromStr>(text: &'a str, name: &str) -> Option<Result<T, String>> {
    let rest: &'a str = text.strip_prefix(name)?.strip_prefix(':')?;
    Some(rest.parse().ok().ok_or_else(|| format!("{rest} is no number")))
}

#[derive(Debug, Clone)]
enum SplitArg {
    Shares(&'static str, [f64; 2]),
    File(Box<InputArg>),
}

impl FromStr for SplitArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        for name in ["contiguous", "shuffled", "stratified"] {
            if let Some(rest) = text.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(':')) {
                if rest.is_empty() {
                    return Ok(Self::Shares(name, [0.6, 0.2]));
                }
                let shares: Option<Vec<f64>> = rest[1..].split(':').map(|share| share.parse().ok()).collect();
                return match shares.as_deref() {
                    Some(&[train, validation]) => Ok(Self::Shares(name, [train, validation])),
                    _ => Err(format!("{text}: two shares are needed, as in {name}:0.6:0.2")),
                };
            }
        }
        text.parse().map(|file| Self::File(Box::new(file))).map_err(|e| format!("contiguous, shuffled, stratified or a file ({e:?})"))
    }
}

#[derive(Debug, Clone, Copy)]
struct ScheduleArg(Schedule);

impl FromStr for ScheduleArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "constant" => Ok(Self(Schedule::Constant)),
            "cosine" => Ok(Self(Schedule::Cosine)),
            _ => match parted(text, "exponential") {
                Some(factor) => Ok(Self(Schedule::Exponential(factor?))),
                None => Err("expected constant, cosine or exponential:FACTOR".into()),
            },
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct StartArg(Start);

impl FromStr for StartArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "random" => Ok(Self(Start::Random)),
            "trained" => Ok(Self(Start::Trained)),
            "fitted" => Ok(Self(Start::Fitted(1.0))),
            "pls" => Ok(Self(Start::Pls(25))),
            _ => match (parted(text, "fitted"), parted(text, "pls")) {
                (Some(penalty), _) => Ok(Self(Start::Fitted(penalty?))),
                (_, Some(components)) => Ok(Self(Start::Pls(components?))),
                _ => Err("expected random, fitted:PENALTY, pls:COMPONENTS or trained".into()),
            },
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct TargetArg(Target);

impl FromStr for TargetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (parted(text, "gain"), parted(text, "absolute")) {
            (Some(share), _) => Ok(Self(Target::Gain(share?))),
            (_, Some(share)) => Ok(Self(Target::Absolute(share?))),
            _ => Err("expected gain:SHARE or absolute:SHARE".into()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct ReferenceArg(Reference);

impl FromStr for ReferenceArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self(Reference::Best)),
            "full" => Ok(Self(Reference::Full)),
            _ => text.parse().ok().map(|score| Self(Reference::Score(score))).ok_or_else(|| "expected best, full or a number".into()),
        }
    }
}

/// A sweep of one network.
pub(super) fn warp(args: &WarpArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let mut inputs = Inputs::default();
    let extraction = args.what.insert(&mut inputs, seed)?;
    let kind = args.objective.unwrap_or(if args.labels.is_some() { ObjectiveArg::Classes } else { ObjectiveArg::Encoding });
    let (given, name) = match (kind, &args.targets, &args.labels) {
        (ObjectiveArg::Classes, _, Some(labels)) => (labels, "labels"),
        (ObjectiveArg::Classes, _, None) => return Err(Error::parameter("--labels", "a class for each image is needed")),
        (_, Some(targets), _) => (targets, "targets"),
        (ObjectiveArg::Rsa, ..) => return Err(Error::parameter("--targets", "an RDM of the images is needed")),
        (ObjectiveArg::Encoding, ..) => return Err(Error::parameter("--targets", "responses to the images are needed")),
    };
    inputs.insert(name, given.array()?);
    let split = match &args.split {
        SplitArg::Shares(kind, shares) => match *kind {
            "contiguous" => Split::Contiguous(*shares),
            "shuffled" => Split::Shuffled(*shares, seed.unwrap_or(0)),
            _ => Split::Stratified(*shares, seed.unwrap_or(0)),
        },
        SplitArg::File(file) => {
            inputs.insert("split", file.array()?);
            Split::Given("split".into())
        }
    };
    let (lr, weight_decay) = match args.preset {
        Some(PresetArg::Majaj) => (1e-3, 5e-3),
        Some(PresetArg::Imagenet21k) => (1e-3, 0.0),
        Some(PresetArg::Nsd) | None => (1e-4, 0.0),
    };
    let groups = args.groups.iter().flat_map(|groups| groups.split(';')).map(|group| Group {
        prefixes: group.split(',').map(|prefix| prefix.trim().to_owned()).filter(|prefix| !prefix.is_empty()).collect(),
    });
    let dims: Vec<u32> = args.dims.iter().filter_map(|d| d.0).collect();
    let spec = Spec {
        models: vec![Model { extraction, groups: groups.collect() }],
        objectives: vec![match kind {
            ObjectiveArg::Encoding => Objective::Encoding(name.into()),
            ObjectiveArg::Rsa => Objective::Rsa(name.into()),
            ObjectiveArg::Classes => Objective::Classes(Labels { input: name.into(), column: args.label_column.clone() }),
        }],
        full: args.dims.iter().any(|d| d.0.is_none()),
        dims,
        seeds: if args.seeds.is_empty() { vec![seed.map_or(Ok(0), short_seed)?] } else { args.seeds.clone() },
        split,
        training: Training {
            lr: args.lr.unwrap_or(lr),
            low_dim_lr: args.low_dim_lr,
            weight_decay: args.weight_decay.unwrap_or(weight_decay),
            schedule: args.schedule.0,
            batch: args.batch_size,
            epochs: args.epochs,
            patience: args.patience,
            min_delta: None,
            head: args.head,
            start: args.start.0,
        },
        target: args.target_score.0,
        reference: args.reference.0,
    };
    Ok(Plan { spec: AnalysisSpec::Warp(spec), inputs })
}

/// A result with the dimensions of a single sweep beside the rest.
#[derive(Debug, Serialize)]
pub(super) struct Named<'a> {
    d_warp: Option<f64>,
    #[serde(flatten)]
    result: &'a AnalysisResult,
}

/// Adds `d_warp`: 0 where the score is there without warping, nothing where more dimensions are needed than were tried.
pub(super) fn named<'a>(output: &Output, result: &'a AnalysisResult) -> Named<'a> {
    let d_warp = match output.curves.as_slice() {
        [Curve { d_warp: Some(Needed::Dimensions(d)), .. }] => Some(*d),
        [Curve { d_warp: Some(Needed::Censored0), .. }] => Some(0.0),
        _ => None,
    };
    Named { d_warp, result }
}

/// The points, and what is read off them.
pub(super) fn print_warp(out: &mut dyn Write, output: &Output) -> io::Result<()> {
    for curve in &output.curves {
        writeln!(out, "{}, {}, to {}", curve.network, curve.layers.join(" + "), curve.target)?;
        let own = output.points.iter().filter(|p| (p.model, p.objective) == (curve.model, curve.objective));
        let rows = own.map(|p| {
            let d = p.d.map_or_else(|| "all".into(), |d| d.to_string());
            let seconds = p.seconds.map_or_else(String::new, |s| format!("{s:.1}"));
            vec![
                d,
                p.seed.to_string(),
                optional(p.scores.test()),
                optional(p.scores.validation()),
                format!("{} of {}", p.best_epoch, p.epochs),
                seconds,
            ]
        });
        table(out, &["d", "seed", "test", "validation", "best epoch", "seconds"], rows.collect())?;
        let said = match curve.d_warp {
            Some(Needed::Dimensions(d)) => format!("d_warp {}", number(d)),
            Some(Needed::Censored0) => "d_warp 0: the score is there without warping".into(),
            Some(Needed::More) => format!("d_warp > {}", curve.dims.last().copied().unwrap_or(0)),
            Some(Needed::Undefined) => "d_warp is not defined: no point of the sweep is above d = 0".into(),
            None => "d_warp needs a sweep that begins with 0".into(),
        };
        let interval = curve
            .interval
            .map_or_else(String::new, |[low, high]| format!(", 95 % of resampled seeds {} to {}", optional(low), optional(high)));
        writeln!(out, "{said}{interval}\n")?;
    }
    Ok(())
}
