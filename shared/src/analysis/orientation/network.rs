//! The run itself.

use faer::Mat;

use super::{Comparison, Encoding, Output, Population, Spec};
use crate::analysis::{AnalysisSpec, Context, Output as AnyOutput, embedding, rdm};
use crate::dataset::{Dataset, Inputs};
use crate::linalg::pca::Pca;
use crate::orientation::encode::fit;
use crate::orientation::train::{Learned, Settings, learn};
use crate::orientation::{self, Architecture, Filters, KERNEL, N_FILTERS, Noise};
use crate::progress::Part;
use crate::rng::Stream;
use crate::stats::{count, pearson, small};
use crate::{Array, Error};

/// Principal components that t-SNE sees.
const COMPONENTS: usize = 20;

/// What the layers are compared with.
struct Brain {
    name: String,
    orientations: Vec<f64>,
    responses: Mat<f64>,
}

pub(super) async fn run(spec: &Spec, inputs: &Inputs, context: &Context<'_>) -> Result<Output, Error> {
    let brain = brain(spec, inputs)?;
    let has_convolution = spec.architecture != Architecture::Fc;
    let handmade = has_convolution && spec.filters == Filters::Handmade;
    let before = handmade.then(|| by_filter(&orientation::filters()));
    let mut out = Output {
        losses: Vec::new(),
        last_losses: Vec::new(),
        epochs: spec.epochs,
        accuracy: None,
        n_parameters: 0,
        filters_before: before,
        filters_after: None,
        orientations: brain.orientations.clone(),
        populations: Vec::new(),
        comparisons: Vec::new(),
        encoding: None,
    };
    let settings = Settings {
        architecture: spec.architecture,
        filters: spec.filters,
        seed: spec.seed.into(),
        epochs: spec.epochs,
        lr: spec.lr,
        momentum: spec.momentum,
        batch: spec.batch as usize,
        n_train: spec.n_train as usize,
    };
    let part = Part::new(context.progress, 0.0, 0.7);
    let known = out.clone();
    let learned = learn(&settings, context.device, &part, &mut |losses| {
        context.progress.preview(&|| {
            let (means, last) = losses.iter().map(|[mean, last]| (*mean, *last)).unzip();
            Some(AnyOutput::Orientation(Output { losses: means, last_losses: last, ..known.clone() }))
        });
    })
    .await?;
    (out.losses, out.last_losses) = learned.losses.iter().map(|[mean, last]| (*mean, *last)).unzip();
    out.accuracy = Some(learned.accuracy);
    out.n_parameters = small(learned.n_parameters());
    out.filters_after = learned.filters().await?.map(|values| by_filter(&values));
    let n = brain.orientations.len();
    for (k, name) in [brain.name.as_str(), "pool", "fc"].into_iter().enumerate() {
        let part = Part::new(context.progress, 0.7 + 0.1 * count(k), 0.8 + 0.1 * count(k));
        let responses = if k == 0 { brain.responses.clone() } else { layer(&learned, name, &brain.orientations).await? };
        out.populations.push(population(name, &responses, spec, context, &part).await?);
        debug_assert_eq!(responses.nrows(), n, "one row for each orientation");
    }
    let pairs =
        |p: &Population| -> Vec<f64> { (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).map(|(i, j)| p.rdm.row(i)[j]).collect() };
    let of_brain = pairs(&out.populations[0]);
    for p in &out.populations[1..] {
        let both: (Vec<f64>, Vec<f64>) = of_brain.iter().copied().zip(pairs(p)).filter(|(a, b)| a.is_finite() && b.is_finite()).unzip();
        let correlation = Some(pearson(&both.0, &both.1)).filter(|r| r.is_finite());
        out.comparisons.push(Comparison { layer: p.name.clone(), correlation, n_pairs: small(both.0.len()) });
        if p.n_constant > 0 {
            let message = format!("{} orientations have a constant pattern in {}; their pairs are left out", p.n_constant, p.name);
            context.warn("constant_patterns", message);
        }
    }
    out.encoding = match encoding(&brain, spec, context).await {
        Ok(found) => Some(found),
        Err(Error::Numerical { what, message }) => {
            context.warn("encoding", format!("{what}: {message}"));
            None
        }
        Err(other) => return Err(other),
    };
    Ok(out)
}

/// A convolution with a read-out that is fitted to every third orientation and tested on the next ones.
async fn encoding(brain: &Brain, spec: &Spec, context: &Context<'_>) -> Result<Encoding, Error> {
    let n = brain.orientations.len();
    let every_third = |first: usize| (first..n).step_by(3).collect::<Vec<_>>();
    let (train, test) = (every_third(0), every_third(1));
    let angles = |rows: &[usize]| rows.iter().map(|i| brain.orientations[*i]).collect::<Vec<_>>();
    let (mut x, mut y) = (rows_of(&brain.responses, &train), rows_of(&brain.responses, &test));
    for k in 0..x.ncols() {
        let mean = (0..x.nrows()).map(|i| x[(i, k)]).sum::<f64>() / count(x.nrows());
        let spread = ((0..x.nrows()).map(|i| (x[(i, k)] - mean).powi(2)).sum::<f64>() / count(x.nrows())).sqrt();
        let scale = if spread > 0.0 { 1.0 / spread } else { 0.0 };
        (0..x.nrows()).for_each(|i| x[(i, k)] = (x[(i, k)] - mean) * scale);
        (0..y.nrows()).for_each(|i| y[(i, k)] = (y[(i, k)] - mean) * scale);
    }
    let found = fit((&angles(&train), &x), (&angles(&test), &y), spec.seed.into(), context.device).await?;
    let of_neuron = |k: usize| {
        let mean = (0..y.nrows()).map(|i| y[(i, k)]).sum::<f64>() / count(y.nrows());
        let spread: f64 = (0..y.nrows()).map(|i| (y[(i, k)] - mean).powi(2)).sum();
        let error: f64 = (0..y.nrows()).map(|i| (y[(i, k)] - found.predicted[(i, k)]).powi(2)).sum();
        (spread > 0.0).then(|| 1.0 - error / spread)
    };
    let r2: Vec<f64> = (0..y.ncols()).filter_map(of_neuron).collect();
    Ok(Encoding {
        steps: found.losses.iter().map(|(step, ..)| small(*step)).collect(),
        train_losses: found.losses.iter().map(|(_, train, _)| *train).collect(),
        test_losses: found.losses.iter().map(|(.., test)| *test).collect(),
        r2: (!r2.is_empty()).then(|| r2.iter().sum::<f64>() / count(r2.len())),
        filters: by_filter(&found.filters),
    })
}

fn rows_of(x: &Mat<f64>, rows: &[usize]) -> Mat<f64> {
    Mat::from_fn(rows.len(), x.ncols(), |i, k| x[(rows[i], k)])
}

fn by_filter(values: &[f32]) -> Array {
    Array::matrix(N_FILTERS, KERNEL * KERNEL, values.iter().map(|v| f64::from(*v)).collect())
}

/// The given population, or the simulated one.
fn brain(spec: &Spec, inputs: &Inputs) -> Result<Brain, Error> {
    let Some(name) = &spec.responses else {
        let simulated = orientation::Population::simulate(Noise::Normal);
        let (orientations, means) = (orientation::Population::orientations(), simulated.trial_means());
        let n_neurons = means.len() / orientations.len();
        let responses = Mat::from_fn(orientations.len(), n_neurons, |i, k| means[i * n_neurons + k]);
        return Ok(Brain { name: "V1 (simulated)".into(), orientations, responses });
    };
    let responses = inputs.matrix("responses", name)?.to_mat();
    let classes = spec.stimuli.classes(inputs, name, responses.nrows())?;
    let angles: Option<Vec<f64>> = classes.names.iter().map(|name| name.parse().ok()).collect();
    let angles = angles.ok_or_else(|| Error::input(spec.stimuli.input.clone(), "directions are numbers of degrees"))?;
    let mut kept: Vec<(f64, usize)> =
        classes.codes.iter().enumerate().map(|(row, code)| (angles[*code], row)).filter(|(angle, _)| *angle <= 180.0).collect();
    kept.sort_by(|a, b| a.0.total_cmp(&b.0));
    if kept.len() < 8 {
        let message = format!("{} rows have a direction up to 180 degrees; at least 8 are needed", kept.len());
        return Err(Error::input(spec.stimuli.input.clone(), message));
    }
    Ok(Brain {
        name: name.clone(),
        orientations: kept.iter().map(|(angle, _)| angle - 90.0).collect(),
        responses: Mat::from_fn(kept.len(), responses.ncols(), |i, k| responses[(kept[i].1, k)]),
    })
}

async fn layer(learned: &Learned, name: &str, orientations: &[f64]) -> Result<Mat<f64>, Error> {
    let values = learned.values(name, orientations.iter().copied()).await?;
    let width = values.len() / orientations.len();
    Ok(Mat::from_fn(orientations.len(), width, |i, k| f64::from(values[i * width + k])))
}

async fn population(
    name: &str,
    responses: &Mat<f64>,
    spec: &Spec,
    context: &Context<'_>,
    progress: &Part<'_>,
) -> Result<Population, Error> {
    let (n, p) = (responses.nrows(), responses.ncols());
    let rows: Vec<f64> = (0..n).flat_map(|i| (0..p).map(move |k| (i, k))).map(|at| responses[at]).collect();
    let mut inputs = Inputs::default();
    inputs.insert("patterns", Dataset::from_rows("patterns", n, p, rows)?);
    let of_patterns = AnalysisSpec::Rdm(rdm::Spec { input: "patterns".into(), ..Default::default() });
    let result = Box::pin(crate::analysis::run(&of_patterns, &inputs, &crate::Device::cpu(), &crate::Silent)).await?;
    let AnyOutput::Rdm(found) = result.output else { return Err(Error::internal("an RDM was asked for")) };
    let n_constant = (0..n).filter(|i| (0..n).filter(|j| j != i).all(|j| found.rdm.row(*i)[j].is_nan())).count();
    let mut order = Stream::new(spec.seed.into(), 77).permutation(p);
    order.truncate(spec.n_tuning as usize);
    let tuning = order.iter().flat_map(|k| (0..n).map(move |i| (i, *k))).map(|at| responses[at]).collect();
    let points = points(responses, spec, context, progress).await?;
    Ok(Population {
        name: name.into(),
        n_units: small(p),
        rdm: found.rdm,
        n_constant: small(n_constant),
        tuning: Array::matrix(order.len(), n, tuning),
        tuned: order.into_iter().map(small).collect(),
        points,
    })
}

/// Orientations in a plane: principal components, then t-SNE of their distances.
async fn points(responses: &Mat<f64>, spec: &Spec, context: &Context<'_>, progress: &Part<'_>) -> Result<Array, Error> {
    let n = responses.nrows();
    let k = COMPONENTS.min(responses.ncols()).min(n - 1);
    let (_, scores) = Pca::fit_with_scores(responses.clone(), k)?;
    let distance = |at: usize| (scores.row(at / n) - scores.row(at % n)).norm_l2();
    let mut inputs = Inputs::default();
    inputs.insert("distances", Dataset::from_rows("distances", n, n, (0..n * n).map(distance).collect())?);
    let perplexity = spec.perplexity.min(count(n - 2) / 3.0);
    if perplexity < spec.perplexity {
        context.warn("perplexity", format!("t-SNE of {n} orientations keeps {perplexity:.0} neighbors instead of {}", spec.perplexity));
    }
    let place = embedding::Spec {
        input: "distances".into(),
        method: embedding::Method::Tsne,
        n_starts: 0,
        perplexity,
        seed: spec.seed.into(),
        ..Default::default()
    };
    let result = Box::pin(crate::analysis::run(&AnalysisSpec::Embedding(place), &inputs, &crate::Device::cpu(), progress)).await?;
    let AnyOutput::Embedding(found) = result.output else { return Err(Error::internal("points were asked for")) };
    Ok(found.points)
}
