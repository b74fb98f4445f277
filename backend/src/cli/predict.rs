//! From arguments to the specs of the analyses that predict targets from features.

use eigenscope::analysis::encoding::{Components, Cv, Model, default_alphas};
use eigenscope::analysis::{dimension_use, encoding, variance_partition};
use eigenscope::labels::Labels;
use eigenscope::{AnalysisSpec, Error};

use super::args::{DimUseArgs, EncodeArgs, PartitionArgs, Splits, Tuning};
use super::inputs::InputArg;
use super::specs::{Plan, plan, short_seed};
use super::words::{CvArg, ModelName};

pub(super) fn encode(args: &EncodeArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let mut files = vec![&args.features, &args.targets];
    files.extend(args.splits.files());
    files.extend(&args.band);
    files.extend(&args.pca_reference);
    files.extend(&args.repetitions);
    plan(&files, &args.common, |names| {
        let mut names = names.iter().cloned();
        let mut next = || names.next().unwrap_or_default();
        let (features, targets) = (next(), next());
        let cv = match args.preset {
            Some(preset) if args.splits.cv.is_none() => {
                if preset.takes_labels() != args.splits.labels.is_some() {
                    let message = if preset.takes_labels() {
                        "this preset splits rows by class: give the class of each row (object names, for example), or other splits by --cv"
                    } else {
                        "this preset does not split rows by class; leave it out"
                    };
                    return Err(Error::parameter("--labels", message));
                }
                let input = args.splits.labels.as_ref().map(|_| next()).unwrap_or_default();
                let mut cv = preset.cv(Labels { input, column: args.splits.label_column.clone() });
                if let (Some(own), Some(seed)) = (cv.seed_mut(), seed) {
                    *own = short_seed(seed)?;
                }
                cv
            }
            _ => cv(&args.splits, seed, &mut next)?,
        };
        let model = match args.preset {
            Some(preset) if args.model.is_none() => {
                let model = preset.model();
                let name = if matches!(model, Model::Pls { .. }) { ModelName::Pls } else { ModelName::Ols };
                misplaced(name, args, &args.tuning)?;
                match args.tuning.components {
                    Some(components) => Model::Pls { components },
                    None => model,
                }
            }
            _ => {
                let name = args.model.unwrap_or(ModelName::Ridge);
                misplaced(name, args, &args.tuning)?;
                full_model(name, args, seed, &mut next)
            }
        };
        let reference = args.pca_reference.as_ref().map(|_| next());
        let pca = args.pca.map(|components| Components { components, reference });
        let repetitions = args.repetitions.as_ref().map(|_| next());
        let convention = args.convention.or(args.preset.map(encoding::Preset::convention)).unwrap_or_default();
        Ok(AnalysisSpec::Encoding(encoding::Spec {
            features,
            targets,
            model,
            pca,
            scaled_penalties: args.scaled_penalties,
            penalize_intercept: args.penalize_intercept,
            cv,
            keep_predictions: args.keep_predictions,
            repetitions,
            convention,
        }))
    })
}

pub(super) fn dim_use(args: &DimUseArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let mut files = vec![&args.features, &args.targets];
    files.extend(args.splits.files());
    files.extend(&args.reference);
    plan(&files, &args.common, |names| {
        let mut names = names.iter().cloned();
        let mut next = || names.next().unwrap_or_default();
        let (features, targets) = (next(), next());
        let cv = cv(&args.splits, seed, &mut next)?;
        let model = simple_model(args.model, &args.tuning)?;
        let num_pcs = if args.num_pcs.is_empty() { dimension_use::default_counts() } else { args.num_pcs.clone() };
        let (reference, pool, seed) = (args.reference.as_ref().map(|_| next()), args.pool, seed.unwrap_or(0));
        Ok(AnalysisSpec::DimensionUse(dimension_use::Spec { features, targets, reference, model, cv, num_pcs, pool, seed }))
    })
}

pub(super) fn partition(args: &PartitionArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let files = args.spaces.iter().chain([&args.targets]).chain(args.splits.files()).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let mut names = names.iter().cloned();
        let spaces = names.by_ref().take(args.spaces.len()).collect();
        let mut next = || names.next().unwrap_or_default();
        let targets = next();
        let cv = if args.in_sample { None } else { Some(cv(&args.splits, seed, &mut next)?) };
        let model = simple_model(args.model, &args.tuning)?;
        Ok(AnalysisSpec::VariancePartition(variance_partition::Spec { spaces, targets, model, cv }))
    })
}

impl Splits {
    /// Its files, in the order in which [`cv`] takes their names.
    fn files(&self) -> impl Iterator<Item = &InputArg> {
        let folds = if let Some(CvArg::Folds(folds)) = &self.cv { Some(folds) } else { None };
        folds.into_iter().chain(&self.labels)
    }
}

fn cv(args: &Splits, seed: Option<u64>, next: &mut dyn FnMut() -> String) -> Result<Cv, Error> {
    if args.labels.is_some() != args.cv.as_ref().is_some_and(CvArg::takes_labels) {
        let message = "goes together with --cv stratified-kfold, stratified-shuffle or group; give both or neither";
        return Err(Error::parameter("--labels", message));
    }
    let Some(cv) = &args.cv else { return Ok(Cv::Kfold { k: 10, shuffle: false, seed: short_seed(seed.unwrap_or(0))? }) };
    let input = if cv.takes_labels() { next() } else { String::new() };
    scheme(cv, seed, &|| Labels { input: input.clone(), column: args.label_column.clone() }, next)
}

/// The splits of an option, with these labels or with the next file as folds.
pub(super) fn scheme(cv: &CvArg, seed: Option<u64>, labels: &dyn Fn() -> Labels, next: &mut dyn FnMut() -> String) -> Result<Cv, Error> {
    let seed = short_seed(seed.unwrap_or(0))?;
    Ok(match cv {
        CvArg::Kfold { k, shuffle } => Cv::Kfold { k: *k, shuffle: *shuffle, seed },
        CvArg::ShuffleSplit { n_splits, train_fraction } => Cv::ShuffleSplit { n_splits: *n_splits, train_fraction: *train_fraction, seed },
        CvArg::StratifiedKfold { k } => Cv::StratifiedKfold { k: *k, labels: labels() },
        CvArg::StratifiedShuffle { n_splits, train_fraction } => {
            Cv::StratifiedShuffle { n_splits: *n_splits, train_fraction: *train_fraction, seed, labels: labels() }
        }
        CvArg::Group { k } => Cv::Group { k: *k, labels: labels() },
        CvArg::Contiguous { train_fraction, validation_fraction } => {
            Cv::Contiguous { train_fraction: *train_fraction, validation_fraction: *validation_fraction }
        }
        CvArg::Folds(_) => Cv::Folds { input: next() },
    })
}

fn misplaced(name: ModelName, args: &EncodeArgs, tuning: &Tuning) -> Result<(), Error> {
    refuse_misplaced(&[
        ("--kernel", "kernel-ridge", args.kernel.is_some() && name != ModelName::KernelRidge),
        ("--band", "banded-ridge", !args.band.is_empty() && name != ModelName::BandedRidge),
        ("--candidates", "banded-ridge", args.candidates.is_some() && name != ModelName::BandedRidge),
    ])?;
    misplaced_tuning(name, tuning)
}

fn misplaced_tuning(name: ModelName, tuning: &Tuning) -> Result<(), Error> {
    let selects = matches!(name, ModelName::Ridge | ModelName::KernelRidge);
    refuse_misplaced(&[
        ("--alpha", "ridge, kernel-ridge or banded-ridge", !tuning.alpha.is_empty() && !name.has_penalties()),
        ("--selection", "ridge or kernel-ridge", tuning.selection.is_some() && !selects),
        ("--components", "pls", tuning.components.is_some() && name != ModelName::Pls),
    ])
}

fn refuse_misplaced(options: &[(&str, &str, bool)]) -> Result<(), Error> {
    match options.iter().find(|(_, _, wrong)| *wrong) {
        Some((flag, model, _)) => Err(Error::parameter(*flag, format!("belongs to --model {model}; leave it out or change --model"))),
        None => Ok(()),
    }
}

impl Tuning {
    fn alphas(&self) -> Vec<f64> {
        if self.alpha.is_empty() { default_alphas() } else { self.alpha.clone() }
    }
}

fn full_model(name: ModelName, args: &EncodeArgs, seed: Option<u64>, next: &mut dyn FnMut() -> String) -> Model {
    let (alphas, selection) = (args.tuning.alphas(), args.tuning.selection.map(|s| s.0).unwrap_or_default());
    match name {
        ModelName::Ols => Model::Ols,
        ModelName::BestUnit => Model::BestUnit,
        ModelName::Pls => Model::Pls { components: args.tuning.components.unwrap_or(25) },
        ModelName::Ridge => Model::Ridge { alphas, selection },
        ModelName::KernelRidge => Model::KernelRidge { kernel: args.kernel.map(|k| k.0).unwrap_or_default(), alphas, selection },
        ModelName::BandedRidge => Model::BandedRidge {
            bands: args.band.iter().map(|_| next()).collect(),
            alphas,
            candidates: args.candidates.unwrap_or(20),
            k: 5,
            seed: seed.unwrap_or(0),
        },
    }
}

/// An estimator of one feature space; which of them an analysis takes is for the analysis to say.
fn simple_model(name: ModelName, tuning: &Tuning) -> Result<Model, Error> {
    misplaced_tuning(name, tuning)?;
    let (alphas, selection) = (tuning.alphas(), tuning.selection.map(|s| s.0).unwrap_or_default());
    match name {
        ModelName::Ols => Ok(Model::Ols),
        ModelName::Pls => Ok(Model::Pls { components: tuning.components.unwrap_or(25) }),
        ModelName::Ridge => Ok(Model::Ridge { alphas, selection }),
        ModelName::BestUnit | ModelName::KernelRidge | ModelName::BandedRidge => {
            Err(Error::parameter("--model", "this estimator belongs to encode; choose ols or ridge"))
        }
    }
}
