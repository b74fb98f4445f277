//! The orientation model.

#![expect(clippy::doc_markdown, reason = "doc comments here are what --help prints")]

use std::io::{self, Write};

use clap::Args;
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
