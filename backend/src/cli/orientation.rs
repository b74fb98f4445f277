//! Small networks that learn: the orientation model, and functions that are turned into others.

use std::io::{self, Write};

use clap::Args;
use eigenscope::analysis::dim_complexity;
use eigenscope::analysis::orientation::{Output, Spec};
use eigenscope::labels::Labels;
use eigenscope::orientation::{Architecture, Filters};
use eigenscope::{AnalysisSpec, Error};

use super::args::{Common, word};
use super::inputs::InputArg;
use super::print::{number, optional, table};
use super::specs::{Plan, plan, short_seed};

/// Options of `orientation`.
#[derive(Debug, Args)]
pub(super) struct OrientationArgs {
    /// Responses of a population (trials x neurons) to gratings; without them a simulated population of primary visual cortex.
    #[arg(long, value_name = "RESP", requires = "stimuli")]
    responses: Option<InputArg>,
    /// The direction of the grating of each trial in degrees, 0 to 360.
    #[arg(long, value_name = "STIMULI", requires = "responses")]
    stimuli: Option<InputArg>,
    /// The network: conv-pool-fc, conv-fc or fc.
    #[arg(long, default_value = "conv-pool-fc", value_parser = word::<Architecture>)]
    architecture: Architecture,
    /// What its convolution begins with: handmade or random filters.
    #[arg(long, default_value = "handmade", value_parser = word::<Filters>)]
    filters: Filters,
    /// Passes through the training set.
    #[arg(long, default_value_t = 25)]
    epochs: u32,
    /// Learning rate.
    #[arg(long, default_value_t = 5e-4)]
    lr: f64,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Trains the model and compares its layers.
pub(super) fn orientation(args: &OrientationArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let files: Vec<&InputArg> = args.responses.iter().chain(&args.stimuli).collect();
    plan(&files, &args.common, |names| {
        let mut names = names.iter().cloned();
        Ok(AnalysisSpec::Orientation(Spec {
            architecture: args.architecture,
            filters: args.filters,
            epochs: args.epochs,
            lr: args.lr,
            seed: seed.map_or(Ok(0), short_seed)?,
            responses: args.responses.as_ref().and_then(|_| names.next()),
            stimuli: Labels { input: names.next().unwrap_or_default(), column: None },
            ..Spec::default()
        }))
    })
}

/// Losses every five epochs, and how similar the layers are to the brain.
pub(super) fn print_orientation(out: &mut dyn Write, output: &Output) -> io::Result<()> {
    let rows = output.losses.iter().zip(&output.last_losses).enumerate().filter(|(k, _)| (k + 1) % 5 == 0);
    let rows = rows.map(|(k, (mean, last))| vec![(k + 1).to_string(), number(*mean), number(*last)]);
    table(out, &["epoch", "mean loss", "last batch"], rows.collect())?;
    writeln!(out, "\n{} parameters, training accuracy {}\n", output.n_parameters, optional(output.accuracy))?;
    let brain = output.populations.first().map_or("", |p| p.name.as_str());
    let rows = output.comparisons.iter().map(|c| vec![c.layer.clone(), optional(c.correlation), c.n_pairs.to_string()]);
    table(out, &["layer", &format!("RDM correlation with {brain}"), "pairs"], rows.collect())
}

/// Options of `dim-complexity`.
#[derive(Debug, Args)]
pub(super) struct ComplexityArgs {
    /// Numbers of dimensions, three scalers among them.
    #[arg(long, value_name = "D,…", value_delimiter = ',', default_value = "4,6,11,20,34,58,100")]
    dims: Vec<u32>,
    /// Steps of a fit, at most.
    #[arg(long, default_value_t = 100_000)]
    steps: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Functions that are turned into another.
pub(super) fn complexity(args: &ComplexityArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&[], &args.common, |_| {
        let seed = seed.map_or(Ok(0), short_seed)?;
        Ok(AnalysisSpec::DimComplexity(dim_complexity::Spec { dims: args.dims.clone(), steps: args.steps, seed, ..Default::default() }))
    })
}

/// The loss of each number of dimensions.
pub(super) fn print_complexity(out: &mut dyn Write, output: &dim_complexity::Output) -> io::Result<()> {
    let rows = output.rows.iter().flat_map(|row| {
        let name = format!("{:?}", row.function).to_lowercase();
        let each = row.dims.iter().zip(&row.losses).zip(&row.steps);
        each.map(move |((d, loss), steps)| vec![name.clone(), d.to_string(), number(*loss), steps.to_string()])
    });
    table(out, &["from", "d", "loss", "steps"], rows.collect())
}
