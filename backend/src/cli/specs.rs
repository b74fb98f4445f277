//! From arguments to an analysis spec with its inputs.

use eigenscope::analysis::encoding::{Cv, Model, default_alphas};
use eigenscope::analysis::{dimensionality, encoding, rdm, rdm_comparison, relation, shape_distance};
use eigenscope::labels::Labels;
use eigenscope::{AnalysisSpec, Error, Inputs};

use super::args::{Common, DimsArgs, EncodeArgs, RdmArgs, RelateArgs, RsaArgs, RunArgs, ShapesArgs};
use super::inputs::{self, InputArg};
use super::words::{CvArg, ModelName};

/// What to run.
#[derive(Debug)]
pub(super) struct Plan {
    /// The spec.
    pub spec: AnalysisSpec,
    /// Its inputs.
    pub inputs: Inputs,
}

/// Gives the inputs their names, builds the spec from them and loads the files.
fn plan(args: &[&InputArg], common: &Common, spec: impl FnOnce(&[String]) -> Result<AnalysisSpec, Error>) -> Result<Plan, Error> {
    let names = inputs::names_of(args);
    let spec = spec(&names)?;
    crate::jobs::check_names(&spec, names.iter().map(String::as_str))?;
    let named = names.into_iter().zip(args.iter().copied()).collect::<Vec<_>>();
    Ok(Plan { spec, inputs: inputs::load(&named, &common.transpose)? })
}

pub(super) fn run(args: &RunArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let shown = args.spec.display().to_string();
    let text = std::fs::read_to_string(&args.spec).map_err(|e| Error::input(shown, format!("the spec cannot be read: {e}")))?;
    let mut spec = AnalysisSpec::from_json(&text)?;
    if let Some(seed) = seed {
        reseed(&mut spec, seed)?;
    }
    let named = args.input.iter().map(|(name, arg)| (name.clone(), arg)).collect::<Vec<_>>();
    if let Some(twice) = named.iter().enumerate().find_map(|(i, (name, _))| named[..i].iter().any(|(n, _)| n == name).then_some(name)) {
        return Err(Error::input(twice, "the input is given twice"));
    }
    crate::jobs::check_names(&spec, named.iter().map(|(name, _)| name.as_str()))?;
    Ok(Plan { spec, inputs: inputs::load(&named, &args.common.transpose)? })
}

pub(super) fn dims(args: &DimsArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&args.inputs.iter().collect::<Vec<_>>(), &args.common, |names| {
        Ok(AnalysisSpec::Dimensionality(dimensionality::Spec {
            inputs: names.to_vec(),
            pool: args.pool,
            centering: args.centering,
            alpha: args.alpha_fit,
            spectrum: !args.no_spectrum,
            intrinsic: args.intrinsic,
            seed: seed.unwrap_or(0),
        }))
    })
}

pub(super) fn encode(args: &EncodeArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let mut files = vec![&args.features, &args.targets];
    if let CvArg::Folds(folds) = &args.cv {
        files.push(folds);
    }
    files.extend(&args.labels);
    files.extend(&args.band);
    files.extend(&args.pca_reference);
    files.extend(&args.repetitions);
    plan(&files, &args.common, |names| {
        let mut names = names.iter().cloned();
        let mut next = || names.next().unwrap_or_default();
        let (features, targets) = (next(), next());
        let cv = cv(args, seed, &mut next)?;
        let model = model(args, seed, &mut next)?;
        let reference = args.pca_reference.as_ref().map(|_| next());
        let pca = args.pca.map(|components| encoding::Components { components, reference });
        let repetitions = args.repetitions.as_ref().map(|_| next());
        let (keep_predictions, convention) = (args.keep_predictions, args.convention);
        Ok(AnalysisSpec::Encoding(encoding::Spec { features, targets, model, pca, cv, keep_predictions, repetitions, convention }))
    })
}

fn cv(args: &EncodeArgs, seed: Option<u64>, next: &mut dyn FnMut() -> String) -> Result<Cv, Error> {
    let seed = short_seed(seed.unwrap_or(0))?;
    if args.labels.is_some() != args.cv.takes_labels() {
        let message = "goes together with --cv stratified-kfold, stratified-shuffle or group; give both or neither";
        return Err(Error::parameter("--labels", message));
    }
    let mut labels = || Labels { input: next(), column: args.label_column.clone() };
    Ok(match &args.cv {
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

fn model(args: &EncodeArgs, seed: Option<u64>, next: &mut dyn FnMut() -> String) -> Result<Model, Error> {
    let name = args.model;
    let misplaced = [
        ("--alpha", "ridge, kernel-ridge or banded-ridge", !args.alpha.is_empty() && !name.has_penalties()),
        ("--selection", "ridge or kernel-ridge", args.selection.is_some() && !matches!(name, ModelName::Ridge | ModelName::KernelRidge)),
        ("--kernel", "kernel-ridge", args.kernel.is_some() && name != ModelName::KernelRidge),
        ("--band", "banded-ridge", !args.band.is_empty() && name != ModelName::BandedRidge),
        ("--candidates", "banded-ridge", args.candidates.is_some() && name != ModelName::BandedRidge),
        ("--components", "pls", args.components.is_some() && name != ModelName::Pls),
    ];
    if let Some((flag, model, _)) = misplaced.into_iter().find(|(_, _, wrong)| *wrong) {
        return Err(Error::parameter(flag, format!("belongs to --model {model}; leave it out or change --model")));
    }
    let alphas = if args.alpha.is_empty() { default_alphas() } else { args.alpha.clone() };
    let selection = args.selection.map(|s| s.0).unwrap_or_default();
    Ok(match name {
        ModelName::Ols => Model::Ols,
        ModelName::Pls => Model::Pls { components: args.components.unwrap_or(25) },
        ModelName::Ridge => Model::Ridge { alphas, selection },
        ModelName::KernelRidge => Model::KernelRidge { kernel: args.kernel.map(|k| k.0).unwrap_or_default(), alphas, selection },
        ModelName::BandedRidge => Model::BandedRidge {
            bands: args.band.iter().map(|_| next()).collect(),
            alphas,
            candidates: args.candidates.unwrap_or(20),
            k: 5,
            seed: seed.unwrap_or(0),
        },
    })
}

pub(super) fn rdm(args: &RdmArgs) -> Result<Plan, Error> {
    let files = std::iter::once(&args.input).chain(&args.precision).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let default = rdm::Spec::default();
        Ok(AnalysisSpec::Rdm(rdm::Spec {
            input: names[0].clone(),
            measure: args.measure,
            remove_mean: args.remove_mean,
            normalize: !args.no_normalize,
            sigma: args.sigma.unwrap_or(default.sigma),
            minkowski_p: args.minkowski_p.unwrap_or(default.minkowski_p),
            prior_lambda: args.prior_lambda.unwrap_or(default.prior_lambda),
            prior_weight: args.prior_weight.unwrap_or(default.prior_weight),
            precision: names.get(1).cloned(),
        }))
    })
}

pub(super) fn rsa(args: &RsaArgs) -> Result<Plan, Error> {
    let files = args.data.iter().chain(&args.models).chain(&args.sigma_k).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let (data, rest) = names.split_at(args.data.len());
        let (models, sigma_k) = rest.split_at(args.models.len());
        Ok(AnalysisSpec::RdmComparison(rdm_comparison::Spec {
            data: data.to_vec(),
            models: models.to_vec(),
            compare: args.compare,
            sigma_k: sigma_k.first().cloned(),
        }))
    })
}

pub(super) fn shapes(args: &ShapesArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&args.inputs.iter().collect::<Vec<_>>(), &args.common, |names| {
        Ok(AnalysisSpec::ShapeDistance(shape_distance::Spec {
            inputs: names.to_vec(),
            alpha: args.alpha,
            score: args.score,
            center_columns: !args.no_center,
            zero_pad: !args.no_zero_pad,
            train_fraction: args.train_fraction,
            seed: seed.unwrap_or(0),
        }))
    })
}

pub(super) fn relate(args: &RelateArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&args.inputs.iter().collect::<Vec<_>>(), &args.common, |names| {
        let terms = |terms: &[super::words::TermArg]| terms.iter().map(|t| t.term(&args.x, args.log_x)).collect();
        Ok(AnalysisSpec::Relation(relation::Spec {
            tables: names.to_vec(),
            x: args.x.clone(),
            y: args.y.clone(),
            log_x: args.log_x,
            log_y: args.log_y,
            by: args.by.clone(),
            best_layer: args.best_layer,
            given: terms(&args.given),
            curve: args.curve,
            partition: terms(&args.partition),
            bootstrap: args.bootstrap,
            seed: seed.unwrap_or(0),
        }))
    })
}

/// Puts `seed` where the spec has one.
fn reseed(spec: &mut AnalysisSpec, seed: u64) -> Result<(), Error> {
    match spec {
        AnalysisSpec::Dimensionality(spec) => spec.seed = seed,
        AnalysisSpec::ShapeDistance(spec) => spec.seed = seed,
        AnalysisSpec::Relation(spec) => spec.seed = seed,
        AnalysisSpec::Encoding(spec) => {
            match &mut spec.cv {
                Cv::Kfold { seed: old, .. } | Cv::ShuffleSplit { seed: old, .. } | Cv::StratifiedShuffle { seed: old, .. } => {
                    *old = short_seed(seed)?;
                }
                Cv::StratifiedKfold { .. } | Cv::Group { .. } | Cv::Contiguous { .. } | Cv::Folds { .. } => {}
            }
            if let Model::BandedRidge { seed: old, .. } = &mut spec.model {
                *old = seed;
            }
        }
        AnalysisSpec::Rdm(_) | AnalysisSpec::RdmComparison(_) => {}
    }
    Ok(())
}

fn short_seed(seed: u64) -> Result<u32, Error> {
    u32::try_from(seed)
        .ok()
        .ok_or_else(|| Error::parameter("--seed", format!("{seed} is too large; encoding takes seeds up to {}", u32::MAX)))
}
