//! The run itself.

use super::{Model, Objective, Output, Place, Point, Scores, Spec};
use crate::analysis::{Context, Output as AnyOutput, extraction, rdm_comparison};
use crate::dataset::Inputs;
use crate::progress::Part;
use crate::stats::{count, small};
use crate::warp::objective::Objective as Loss;
use crate::warp::train::{Epoch, Freedom, Problem, Trained, train};
use crate::{Array, Error, Progress};

pub(super) async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let places = spec.places();
    let mut points: Vec<Point> = Vec::with_capacity(places.len());
    let mut opened: Option<(u32, extraction::Opened)> = None;
    for (k, place) in places.iter().enumerate() {
        let at = |k: usize| count(k) / count(places.len());
        let part = Part::new(context.progress, at(k), at(k + 1));
        if opened.as_ref().is_none_or(|(model, _)| *model != place.model) {
            opened = Some((place.model, extraction::open(&spec.models[place.model as usize].extraction, inputs, context)?));
        }
        let Some((_, network)) = &opened else { continue };
        let done = points.clone();
        let known = |running: &Point| {
            let points: Vec<Point> = done.iter().chain([running]).cloned().collect();
            let curves = spec.curves(&done, &|model| spec.models[model as usize].extraction.layers.clone()).ok()?;
            Some(AnyOutput::Warp(Output { points, curves }))
        };
        let mut told = |running: &Point| context.progress.preview(&|| known(running));
        points.push(point(spec, *place, network, inputs, &part, context, &mut told).await?);
    }
    let mut out = Output { curves: Vec::new(), points };
    let layers = |model: u32| {
        opened
            .as_ref()
            .filter(|(own, _)| *own == model)
            .map_or_else(|| spec.models[model as usize].extraction.layers.clone(), |(_, opened)| opened.layers.clone())
    };
    out.curves = spec.curves(&out.points, &layers)?;
    Ok(out)
}

pub(super) async fn run_place(spec: &Spec, place: Place, inputs: &Inputs, context: &Context<'_>) -> Result<Point, Error> {
    if place.model as usize >= spec.models.len() || place.objective as usize >= spec.objectives.len() {
        return Err(Error::internal(format!("a task names the point {place:?}, which the spec lacks")));
    }
    let Model { extraction, .. } = &spec.models[place.model as usize];
    let opened = extraction::open(extraction, inputs, context)?;
    point(spec, place, &opened, inputs, context.progress, context, &mut |_| {}).await
}

async fn point(
    spec: &Spec,
    place: Place,
    opened: &extraction::Opened,
    inputs: &Inputs,
    progress: &dyn Progress,
    context: &Context<'_>,
    told: &mut dyn FnMut(&Point),
) -> Result<Point, Error> {
    let model = &spec.models[place.model as usize];
    let n = opened.len();
    let images = &model.extraction.images;
    let objective = loss(&spec.objectives[place.objective as usize], inputs, images, n)?;
    let classes = if let Loss::Classes { codes, .. } = &objective { Some(codes.as_slice()) } else { None };
    let parts = spec.split.parts(n, classes, inputs, images)?;
    let network = opened.network();
    let problem = Problem { network, layers: opened.layers.clone(), reading: model.extraction.reading, samples: opened, parts, objective };
    let freedom = match place.d {
        None => Freedom::All,
        Some(0) => Freedom::Nothing,
        Some(d) => Freedom::Subspace(d, model.groups.clone()),
    };
    let before = progress.clock();
    let of = |epochs: &[Epoch], trained: Option<&Trained>| {
        let best = |of: fn(&Trained) -> f64| trained.map(of).filter(|v| v.is_finite());
        let (validation, test) = (best(|t| t.validation), best(|t| t.test));
        Point {
            model: place.model,
            objective: place.objective,
            d: place.d,
            seed: place.seed,
            scores: match &spec.objectives[place.objective as usize] {
                Objective::Encoding(_) => Scores::R2 { val_r2: validation, test_r2: test },
                Objective::Classes(_) => Scores::Accuracy { val_accuracy: validation, test_accuracy: test },
                Objective::Rsa(_) => Scores::Rsa { val_rsa: validation, test_rsa: test },
            },
            epochs: small(epochs.len()),
            best_epoch: trained.map_or(0, |t| small(t.best_epoch)),
            seconds: before.zip(progress.clock()).map(|(from, to)| to - from),
            losses: epochs.iter().map(|e| e.loss).collect(),
            validations: epochs.iter().map(|e| Some(e.validation).filter(|v| v.is_finite())).collect(),
        }
    };
    let named = Named { whole: progress, what: place.to_string() };
    let trained = train(&problem, &freedom, place.seed.into(), &spec.training, &named, &mut |epochs| told(&of(epochs, None))).await?;
    if trained.epochs.len() == spec.training.epochs as usize
        && spec.training.patience > 0
        && trained.best_epoch == trained.epochs.len()
        && !trained.epochs.is_empty()
    {
        let message =
            format!("{place} was still getting better when its {} epochs were over; more of them may score higher", spec.training.epochs);
        context.warn("epochs", message);
    }
    Ok(of(&trained.epochs, Some(&trained)))
}

/// Progress that says of which point it is.
struct Named<'a> {
    whole: &'a dyn Progress,
    what: String,
}

impl Progress for Named<'_> {
    fn step(&self, done_frac: f64, what: &str) -> Result<(), Error> {
        self.whole.step(done_frac, &format!("{}: {what}", self.what))
    }

    fn clock(&self) -> Option<f64> {
        self.whole.clock()
    }
}

/// The objective with its numbers, one entry for each of n images.
fn loss(objective: &Objective, inputs: &Inputs, images: &str, n: usize) -> Result<Loss, Error> {
    Ok(match objective {
        Objective::Encoding(name) => {
            let y = inputs.matrix("objectives", name)?.to_mat();
            if y.nrows() != n {
                return Err(Error::RowMismatch { a: images.into(), n_a: n as u64, b: name.clone(), n_b: y.nrows() as u64 });
            }
            if let Some((i, k)) = (0..y.nrows()).flat_map(|i| (0..y.ncols()).map(move |k| (i, k))).find(|(i, k)| !y[(*i, *k)].is_finite()) {
                return Err(Error::input(name.clone(), format!("row {}, column {} is not finite", i + 1, k + 1)));
            }
            Loss::Responses(y)
        }
        Objective::Classes(labels) => {
            let classes = labels.classes(inputs, images, n)?.sorted();
            if classes.names.len() < 2 {
                return Err(Error::input(labels.input.clone(), "there is only one class"));
            }
            Loss::Classes { codes: classes.codes, n: classes.names.len() }
        }
        Objective::Rsa(name) => {
            let (k, rdms) = rdm_comparison::stack(inputs.get("objectives", name)?)?;
            if k != n {
                return Err(Error::input(name.clone(), format!("an RDM of {k} conditions for {n} images")));
            }
            let mut pairs = (0..rdms[0].len()).map(|at| rdms.iter().map(|rdm| rdm[at]).sum::<f64>() / count(rdms.len()));
            let mut square = vec![0.0; n * n];
            for i in 0..n {
                for j in i + 1..n {
                    let value = pairs.next().unwrap_or(f64::NAN);
                    if !value.is_finite() {
                        return Err(Error::input(
                            name.clone(),
                            format!("the distance of images {} and {} is not known; all are needed", i + 1, j + 1),
                        ));
                    }
                    (square[i * n + j], square[j * n + i]) = (value, value);
                }
            }
            Loss::Rdm(Array::matrix(n, n, square))
        }
    })
}
