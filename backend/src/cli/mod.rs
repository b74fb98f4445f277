//! The command line: a stable contract for scripts.
//!
//! Exit status: 0 success, 2 bad usage or bad input with one sentence on stderr, 1 internal failure, 130 canceled with Ctrl-C.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use eigenscope::Error;

mod args;
mod backup;
mod cluster;
mod convert;
mod doctor;
mod inputs;
mod inspect;
mod network;
mod orientation;
mod population;
mod predict;
mod print;
mod probe;
mod rsa;
mod run;
mod serve;
mod shapes;
mod specs;
mod warp;
mod words;

use args::{Cli, Command, Global};

const EXIT_INTERNAL: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_CANCELED: u8 = 130;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    crate::compute::prepare_process();
    match run_with(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            writeln!(io::stderr(), "eigenscope: {}", failure.message).ok();
            ExitCode::from(failure.status)
        }
    }
}

/// Why the program ends without success.
#[derive(Debug)]
struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    fn usage(message: impl Into<String>) -> Self {
        Self { status: EXIT_USAGE, message: message.into() }
    }

    fn internal(message: impl Into<String>) -> Self {
        Self { status: EXIT_INTERNAL, message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Internal { .. } => EXIT_INTERNAL,
            Error::Canceled => EXIT_CANCELED,
            _ => EXIT_USAGE,
        };
        Self { status, message: error.to_string() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // A closed pipe (`eigenscope … | head`) is no reason to complain.
        let status = if error.kind() == io::ErrorKind::BrokenPipe { 0 } else { EXIT_INTERNAL };
        Self { status, message: error.to_string() }
    }
}

fn run_with(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            write!(io::stdout(), "{error}")?;
            return Ok(());
        }
        Err(error) => return Err(Failure::usage(one_sentence(&error))),
    };
    match dispatch(&cli.command, &cli.global) {
        Err(failure) if failure.status == 0 => Ok(()),
        outcome => outcome,
    }
}

fn dispatch(command: &Command, global: &Global) -> Result<(), Failure> {
    let (plan, common) = match command {
        Command::Serve(args) => return serve::serve(args),
        Command::Task(args) => return task(args),
        Command::Devices => return devices(global),
        Command::Doctor(args) => return doctor::doctor(args, global),
        Command::Backup(args) => return backup::backup(args, global),
        Command::Measures => return measures(global),
        Command::Inspect(args) => return inspect::inspect(args, global),
        Command::Convert(args) => return convert::convert(args, global),
        Command::Export(args) => return convert::export(args),
        Command::Layers(args) => return network::layers(args, global),
        Command::Extract(args) => return network::extract(args, global),
        Command::Profile(args) => (network::profile(args, global.seed)?, &args.common),
        Command::Orientation(args) => (orientation::orientation(args, global.seed)?, &args.common),
        Command::DimComplexity(args) => (orientation::complexity(args, global.seed)?, &args.common),
        Command::Warp(args) => (warp::warp(args, global.seed)?, &args.common),
        Command::Run(args) => (specs::run(args, global.seed)?, &args.common),
        Command::Dims(args) => (specs::dims(args, global.seed)?, &args.common),
        Command::Encode(args) => (predict::encode(args, global.seed)?, &args.common),
        Command::DimUse(args) => (predict::dim_use(args, global.seed)?, &args.common),
        Command::Partition(args) => (predict::partition(args, global.seed)?, &args.common),
        Command::Manifolds(args) => (specs::manifolds(args, global.seed)?, &args.common),
        Command::Rdm(args) => (rsa::rdm(args)?, &args.common),
        Command::Rsa(args) => (rsa::rsa(args, global.seed)?, &args.common),
        Command::Pool(args) => (rsa::pool(args)?, &args.common),
        Command::Tuning(args) => (rsa::tuning(args)?, &args.common),
        Command::Searchlight(args) => (rsa::searchlight(args)?, &args.common),
        Command::Embed(args) => (rsa::embed(args, global.seed)?, &args.common),
        Command::Cluster(args) => (cluster::cluster(args)?, &args.common),
        Command::Shapes(args) => (shapes::shapes(args, global.seed)?, &args.common),
        Command::Stochastic(args) => (population::stochastic(args, global.seed)?, &args.common),
        Command::Average(args) => (population::average(args, global.seed)?, &args.common),
        Command::Path(args) => (population::path(args)?, &args.common),
        Command::Similarity(args) => (shapes::similarity(args)?, &args.common),
        Command::FewShot(args) => (specs::few_shot(args, global.seed)?, &args.common),
        Command::Probe(args) => (probe::probe(args, global.seed)?, &args.common),
        Command::Projection(args) => (specs::projection(args, global.seed)?, &args.common),
        Command::Relate(args) => (specs::relate(args, global.seed)?, &args.common),
    };
    run::execute(&plan, command, common, global)
}

fn task(args: &args::TaskArgs) -> Result<(), Failure> {
    crate::jobs::task::run(&args.dir, args.progress.as_deref()).map_err(|error| {
        let is_disk_full = crate::jobs::task::is_disk_full(&error);
        let failure = Failure::from(error);
        if is_disk_full { Failure { status: crate::jobs::outcome::EXIT_DISK_FULL, ..failure } } else { failure }
    })
}

fn devices(global: &Global) -> Result<(), Failure> {
    let devices = crate::compute::on_compute_thread(|| Ok(pollster::block_on(crate::machine::devices())))?;
    let mut out = io::stdout().lock();
    if global.json {
        return run::json(&mut out, &serde_json::json!({ "devices": devices }));
    }
    Ok(print::devices(&mut out, &devices)?)
}

fn measures(global: &Global) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if global.json { run::json(&mut out, &shapes::measures_json()) } else { Ok(shapes::print_measures(&mut out)?) }
}

/// clap explains over several lines; scripts and people get the first paragraph as one.
fn one_sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let joined = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    if matches!(error.kind(), ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) {
        return "a subcommand is missing; see eigenscope --help".into();
    }
    format!("{joined}; see --help")
}
