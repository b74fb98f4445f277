//! From arguments to an analysis spec with its inputs.

use eigenscope::analysis::encoding::{Cv, Model};
use eigenscope::analysis::{dimensionality, few_shot, manifolds, projection, relation};
use eigenscope::labels::Labels;
use eigenscope::{AnalysisSpec, Error, Inputs};

use super::args::{ClassArgs, Common, DimsArgs, FewShotArgs, ManifoldsArgs, ProjectionArgs, RelateArgs, RunArgs};
use super::inputs::{self, InputArg};

/// What to run.
#[derive(Debug)]
pub(super) struct Plan {
    /// The spec.
    pub spec: AnalysisSpec,
    /// Its inputs.
    pub inputs: Inputs,
}

/// Gives the inputs their names, builds the spec from them and loads the files.
pub(super) fn plan(
    args: &[&InputArg],
    common: &Common,
    spec: impl FnOnce(&[String]) -> Result<AnalysisSpec, Error>,
) -> Result<Plan, Error> {
    let names = inputs::names_of(args);
    let spec = spec(&names)?;
    crate::jobs::check_names(&spec, names.iter().map(String::as_str))?;
    let named = names.into_iter().zip(args.iter().copied()).collect::<Vec<_>>();
    Ok(Plan { spec, inputs: inputs::load(&named, &common.samples_axis)? })
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
    Ok(Plan { spec, inputs: inputs::load(&named, &args.common.samples_axis)? })
}

pub(super) fn dims(args: &DimsArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let inputs = inputs::expand(&args.inputs)?;
    let files = inputs.iter().chain(&args.labels).chain(&args.zca).collect::<Vec<_>>();
    plan(&files, &args.common, |names| {
        let (names, rest) = names.split_at(inputs.len());
        let mut rest = rest.iter().cloned();
        let labels = args.labels.as_ref().and_then(|_| rest.next());
        Ok(AnalysisSpec::Dimensionality(dimensionality::Spec {
            inputs: names.to_vec(),
            pool: args.pooling.pool,
            centering: args.centering,
            alpha: args.alpha_fit,
            spectrum: !args.no_spectrum,
            intrinsic: args.intrinsic,
            two_nn_fraction: args.two_nn_fraction,
            labels: labels.map(|input| Labels { input, column: args.label_column.clone() }),
            zca: rest.next(),
            generator: args.pooling.generator,
            seed: args.pooling.seed(seed),
        }))
    })
}

pub(super) fn manifolds(args: &ManifoldsArgs, seed: Option<u64>) -> Result<Plan, Error> {
    plan(&[&args.features, &args.labels], &args.common, |names| {
        Ok(AnalysisSpec::Manifolds(manifolds::Spec {
            features: names[0].clone(),
            labels: Labels { input: names[1].clone(), column: args.label_column.clone() },
            pool: args.pooling.pool,
            m_shots: args.shots,
            generator: args.pooling.generator,
            seed: args.pooling.seed(seed),
        }))
    })
}

pub(super) fn few_shot(args: &FewShotArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let classes = &args.classes;
    plan(&[&classes.features, &classes.labels], &args.common, |names| {
        let (features, labels) = class_names(classes, names);
        Ok(AnalysisSpec::FewShot(few_shot::Spec {
            features,
            labels,
            pool: classes.pool,
            classifiers: args.classifier.clone(),
            n_train: args.n_train.clone(),
            n_test: args.n_test,
            n_repeats: args.repeats,
            n_categories: classes.categories.0,
            n_samples: args.samples,
            order: args.order,
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

pub(super) fn projection(args: &ProjectionArgs, seed: Option<u64>) -> Result<Plan, Error> {
    let classes = &args.classes;
    plan(&[&classes.features, &classes.labels], &args.common, |names| {
        let (features, labels) = class_names(classes, names);
        let (pool, n_categories, n_samples) = (classes.pool, classes.categories.0, args.samples.0);
        Ok(AnalysisSpec::Projection(projection::Spec { features, labels, pool, n_categories, n_samples, seed: seed.unwrap_or(0) }))
    })
}

/// The features and the labels, when given as the first and the second input.
fn class_names(args: &ClassArgs, names: &[String]) -> (String, Labels) {
    let mut names = names.iter().cloned();
    let mut next = || names.next().unwrap_or_default();
    (next(), Labels { input: next(), column: args.label_column.clone() })
}

/// Puts `seed` where the spec has one.
fn reseed(spec: &mut AnalysisSpec, seed: u64) -> Result<(), Error> {
    match spec {
        AnalysisSpec::Dimensionality(spec) => spec.seed = seed,
        AnalysisSpec::Manifolds(spec) => spec.seed = seed,
        AnalysisSpec::ShapeDistance(spec) => spec.seed = seed,
        AnalysisSpec::StochasticDistance(spec) => spec.seed = seed,
        AnalysisSpec::ShapeAverage(spec) => spec.seed = seed,
        AnalysisSpec::FewShot(spec) => spec.seed = seed,
        AnalysisSpec::Projection(spec) => spec.seed = seed,
        AnalysisSpec::Relation(spec) => spec.seed = seed,
        AnalysisSpec::Embedding(spec) => spec.seed = seed,
        AnalysisSpec::Encoding(spec) => {
            reseed_cv(&mut spec.cv, seed)?;
            if let Model::BandedRidge { seed: old, .. } = &mut spec.model {
                *old = seed;
            }
        }
        AnalysisSpec::Probe(spec) => spec.cv.iter_mut().try_for_each(|cv| reseed_cv(cv, seed))?,
        AnalysisSpec::DimensionUse(spec) => {
            reseed_cv(&mut spec.cv, seed)?;
            spec.seed = seed;
        }
        AnalysisSpec::VariancePartition(spec) => spec.cv.iter_mut().try_for_each(|cv| reseed_cv(cv, seed))?,
        AnalysisSpec::RdmComparison(spec) => spec.inference.seed = seed,
        AnalysisSpec::LayerProfile(spec) => spec.seed = short_seed(seed)?,
        AnalysisSpec::Warp(spec) => spec.seeds = vec![short_seed(seed)?],
        AnalysisSpec::Orientation(spec) => spec.seed = short_seed(seed)?,
        AnalysisSpec::DimComplexity(spec) => spec.seed = short_seed(seed)?,
        AnalysisSpec::Rdm(_)
        | AnalysisSpec::Clustering(_)
        | AnalysisSpec::RdmPool(_)
        | AnalysisSpec::Tuning(_)
        | AnalysisSpec::Searchlight(_)
        | AnalysisSpec::Extraction(_)
        | AnalysisSpec::ShapePath(_)
        | AnalysisSpec::Similarity(_) => {}
    }
    Ok(())
}

fn reseed_cv(cv: &mut Cv, seed: u64) -> Result<(), Error> {
    if let Some(old) = cv.seed_mut() {
        *old = short_seed(seed)?;
    }
    Ok(())
}

pub(super) fn short_seed(seed: u64) -> Result<u32, Error> {
    u32::try_from(seed).ok().ok_or_else(|| Error::parameter("--seed", format!("{seed} is too large; splits take seeds up to {}", u32::MAX)))
}
