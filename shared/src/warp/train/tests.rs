use faer::Mat;
use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::analysis::encoding::pls;
use crate::linalg::spectral::center_columns;
use crate::warp::sweep::{Needed, Target, needed};
use crate::{Device, Silent, network};

/// Random images of a small network with residuals, 3 x 13 x 13.
struct Images(ArrayD<f32>);

impl Images {
    fn new(n: usize, seed: u64) -> Self {
        let mut rng = Stream::new(seed, 0);
        #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
        Self(ArrayD::from_shape_simple_fn(IxDyn(&[n, 3, 13, 13]), || rng.normal() as f32))
    }
}

impl Samples for Images {
    fn len(&self) -> usize {
        self.0.shape()[0]
    }

    fn inputs(&self, rows: &[usize]) -> Result<Inputs, Error> {
        Ok(BTreeMap::from([("x".to_owned(), Constant::Float(self.0.clone()).select(rows))]))
    }
}

fn open() -> Network {
    Network::new("small", network::small(), &Device::cpu()).expect("every operator is known")
}

fn parts(n: usize) -> Parts {
    Parts { train: (0..n * 6 / 10).collect(), validation: (n * 6 / 10..n * 8 / 10).collect(), test: (n * 8 / 10..n).collect() }
}

/// A network's parameters, moved along a subspace.
fn warped(network: &Network, layers: &[String], d: u32, seed: u64, theta: &[f32]) -> BTreeMap<String, Tensor> {
    let shapes = network.parameters_of(layers).expect("values of the network");
    let tensors: Vec<(String, usize)> = shapes.iter().map(|(name, shape)| (name.clone(), shape.iter().product())).collect();
    let subspace = Subspace::new(&tensors, d as usize, &[], seed).expect("dimensions");
    let changes = subspace.changes(theta, &[]);
    let moved = |((name, shape), change): (&(String, Vec<usize>), Vec<f32>)| {
        let start = pollster::block_on(network.parameter(name)).expect("a parameter");
        (name.clone(), network.tensor(start.iter().zip(change).map(|(s, c)| s + c).collect(), shape.clone()))
    };
    shapes.iter().zip(changes).map(moved).collect()
}

/// The values of a layer, one row for each image.
fn features(network: &Network, images: &Images, parameters: &BTreeMap<String, Tensor>, layer: &str) -> Mat<f64> {
    let all: Vec<usize> = (0..images.len()).collect();
    let inputs = images.inputs(&all).expect("inputs");
    let values = pollster::block_on(network.run_with(&inputs, parameters, &[layer.to_owned()])).expect("it runs");
    let read = pollster::block_on(values[layer].clone().read()).expect("reads");
    let (n, flat): (usize, Vec<f32>) = (images.len(), read.into_iter().collect());
    Mat::from_fn(n, flat.len() / n, |i, k| f64::from(flat[i * (flat.len() / n) + k]))
}

fn quick() -> Training {
    Training { lr: 1e-3, low_dim_lr: Some(3e-2), batch: 32, epochs: 60, patience: 0, start: Start::Fitted(1e-3), ..Training::default() }
}

fn problem<'a>(network: &'a Network, images: &'a Images, objective: Objective, layer: &str) -> Problem<'a> {
    Problem { network, layers: vec![layer.to_owned()], reading: Reading::Full, samples: images, parts: parts(images.len()), objective }
}

fn run(problem: &Problem<'_>, freedom: &Freedom, seed: u64, training: &Training) -> Trained {
    pollster::block_on(train(problem, freedom, seed, training, &Silent, &mut |_| {})).expect("it trains")
}

/// Nothing is changed at the start, to the last bit.
#[test]
fn the_start_is_the_network_itself() {
    let (network, images) = (open(), Images::new(10, 1));
    let layers = vec!["sum".to_owned()];
    let zero = warped(&network, &layers, 20, 3, &[0.0; 20]);
    assert_eq!(features(&network, &images, &zero, "sum"), features(&network, &images, &BTreeMap::new(), "sum"));
}

/// Theta's gradient through the network and the transposed map, against differences.
#[test]
fn gradients_of_few_values_are_those_of_finite_differences() {
    let (network, images) = (open(), Images::new(6, 2));
    let layers = vec!["sum".to_owned()];
    let rows: Vec<usize> = (0..6).collect();
    let mut rng = Stream::new(4, 0);
    let objective = Objective::Responses(Mat::from_fn(6, 32, |_, _| rng.normal()));
    #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
    let theta: Vec<f32> = (0..8).map(|_| 0.5 * rng.normal() as f32).collect();
    let loss = |theta: &[f32]| {
        let values = features(&network, &images, &warped(&network, &layers, 8, 3, theta), "sum");
        #[expect(clippy::cast_possible_truncation, reason = "they were single")]
        let flat: Vec<f32> = (0..192).map(|at| values[(at / 32, at % 32)] as f32).collect();
        objective.loss(&rows, &flat).expect("a loss")
    };
    let parameters = warped(&network, &layers, 8, 3, &theta);
    let inputs = images.inputs(&rows).expect("inputs");
    let recording = pollster::block_on(network.record(&inputs, &parameters, &layers)).expect("it runs");
    let seed = network.tensor(loss(&theta).1, recording.values["sum"].shape().to_vec());
    let found = recording.back(BTreeMap::from([("sum".to_owned(), seed)])).expect("gradients");
    let shapes = network.parameters_of(&layers).expect("values of the network");
    let tensors: Vec<(String, usize)> = shapes.iter().map(|(name, shape)| (name.clone(), shape.iter().product())).collect();
    let gradients: Vec<Vec<f32>> = shapes.iter().map(|(name, _)| pollster::block_on(found[name].clone().host()).expect("reads")).collect();
    let slices: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
    let got = Subspace::new(&tensors, 8, &[], 3).expect("dimensions").gradients(&theta, &[], &slices).theta;
    for k in 0..8 {
        let at = |by: f32| {
            let mut moved = theta.clone();
            moved[k] += by;
            loss(&moved).0
        };
        let want = (at(3e-3) - at(-3e-3)) / 6e-3;
        // A loss of size 1 in single precision over 6e-3, and kinks of rectifiers.
        assert!((f64::from(got[k]) - want).abs() < 5e-3 * want.abs().max(0.2), "{k}: {}, not {want}", got[k]);
    }
}

/// A target that a warp of d* dimensions made is found at d* and more, and not with far fewer.
#[test]
fn a_planted_warp_is_found_from_its_dimension_on() {
    let (network, images) = (open(), Images::new(400, 5));
    let layers = vec!["sum".to_owned()];
    let mut rng = Stream::new(6, 0);
    #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
    let planted: Vec<f32> = (0..12).map(|_| 0.1 * rng.normal() as f32).collect();
    let target = features(&network, &images, &warped(&network, &layers, 12, 7, &planted), "sum");
    let training = Training { lr: 3e-3, low_dim_lr: Some(1e-2), epochs: 150, schedule: Schedule::Cosine, ..quick() };
    let missing = |objective: &Objective, d: u32| {
        let problem = problem(&network, &images, objective.clone(), "sum");
        let freedom = if d == 0 { Freedom::Nothing } else { Freedom::Subspace(d, Vec::new()) };
        1.0 - run(&problem, &freedom, 7, &training).test
    };
    // Its RDM: nothing but theta is free, and it is found.
    let rdm = Objective::Rdm(correlation_distances(&target));
    let of_rdm = [0, 3, 12, 24].map(|d| missing(&rdm, d));
    // Exactly with 12; twice as many directions take more steps than these.
    assert!(of_rdm[2] < 1e-6 && of_rdm[3] < 0.3 * of_rdm[0], "found from 12 on: {of_rdm:?}");
    assert!(of_rdm[1] > 0.5 * of_rdm[0], "not with 3: {of_rdm:?}");
    // Its values, by a read-out that is free as well.
    let responses = Objective::Responses(target);
    let of_values = [0, 3, 12, 24].map(|d| missing(&responses, d));
    assert!(of_values[2] < 0.3 * of_values[0] && of_values[3] < 0.6 * of_values[0], "found from 12 on: {of_values:?}");
    assert!(of_values[1] > 0.8 * of_values[0], "not with 3: {of_values:?}");
}

/// 1 - the correlation of rows.
fn correlation_distances(x: &Mat<f64>) -> crate::Array {
    let (n, p) = (x.nrows(), x.ncols());
    let centered = |i: usize| {
        let mean = x.row(i).iter().sum::<f64>() / p as f64;
        let row: Vec<f64> = x.row(i).iter().map(|v| v - mean).collect();
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.into_iter().map(|v| v / length).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<f64>> = (0..n).map(centered).collect();
    let distance = |at: usize| 1.0 - rows[at / n].iter().zip(&rows[at % n]).map(|(a, b)| a * b).sum::<f64>();
    crate::Array::matrix(n, n, (0..n * n).map(distance).collect())
}

/// The farther a network is from the one that made the responses, the more dimensions its warp needs.
#[test]
fn a_near_network_needs_fewer_dimensions_than_a_far_one() {
    let (network, images) = (open(), Images::new(400, 8));
    let layers = vec!["sum".to_owned()];
    let dims = [0, 4, 16, 64];
    for seed in 0..3 {
        let needs = |size: f32| {
            let mut rng = Stream::new(seed, 9);
            #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
            let moved: Vec<f32> = (0..64).map(|_| size * rng.normal() as f32).collect();
            let target = features(&network, &images, &warped(&network, &layers, 64, seed, &moved), "sum");
            let problem = problem(&network, &images, Objective::Responses(target), "sum");
            let training = Training { lr: 3e-3, low_dim_lr: Some(1e-2), epochs: 60, schedule: Schedule::Cosine, ..quick() };
            let scores: Vec<f64> = dims
                .iter()
                .map(|d| run(&problem, &if *d == 0 { Freedom::Nothing } else { Freedom::Subspace(*d, Vec::new()) }, seed, &training).test)
                .collect();
            let found = needed(&dims, &scores, Target::Absolute(0.97), Some(1.0)).expect("a sweep");
            let dimensions = match found {
                Needed::Dimensions(d) => d,
                Needed::Censored0 => 0.0,
                Needed::More | Needed::Undefined => f64::INFINITY,
            };
            (dimensions, scores)
        };
        let (near, far) = (needs(0.015), needs(0.06));
        assert!(near.0 < far.0, "seed {seed}: {near:?} and {far:?}");
    }
}

/// What is tested is what validated best, read-out and warp alike.
#[test]
fn the_best_epoch_is_what_is_tested() {
    let (network, images) = (open(), Images::new(80, 10));
    let layers = vec!["sum".to_owned()];
    let mut rng = Stream::new(11, 0);
    let clean = features(&network, &images, &warped(&network, &layers, 6, 7, &[1.0; 6]), "sum");
    let noisy = Mat::from_fn(80, 32, |i, k| clean[(i, k)] + 0.3 * rng.normal());
    let problem = problem(&network, &images, Objective::Responses(noisy), "sum");
    // Steps that are too long: scores go up and down.
    let wild = Training { lr: 0.1, low_dim_lr: Some(0.3), epochs: 12, start: Start::Random, ..quick() };
    let freedom = Freedom::Subspace(6, Vec::new());
    let all = run(&problem, &freedom, 1, &wild);
    assert_eq!(all.epochs.len(), 12);
    let best =
        all.epochs.iter().enumerate().fold(0, |best, (k, epoch)| if epoch.validation > all.epochs[best].validation { k } else { best });
    assert_eq!((all.best_epoch, all.validation.to_bits()), (best + 1, all.epochs[best].validation.to_bits()));
    assert!(all.best_epoch < 12, "the last is not the best: {:?}", all.epochs);
    let until = run(&problem, &freedom, 1, &Training { epochs: crate::stats::small(all.best_epoch), ..wild });
    assert_eq!(all.test.to_bits(), until.test.to_bits(), "the same as if it had ended there");
    let stopped = run(&problem, &freedom, 1, &Training { patience: 1, min_delta: Some(10.0), ..wild });
    assert_eq!(stopped.epochs.len(), 2, "nothing is better by 10: one epoch, and one that is waited for");
}

/// What is trained is what the settings say.
#[test]
fn heads_are_free_frozen_or_warped() {
    let (network, images) = (open(), Images::new(60, 12));
    let layers = vec!["sum".to_owned()];
    let target = features(&network, &images, &warped(&network, &layers, 6, 7, &[1.0; 6]), "sum");
    let problem = problem(&network, &images, Objective::Responses(target), "sum");
    let groups = |list: &[&[&str]]| -> Vec<Group> {
        list.iter().map(|prefixes| Group { prefixes: prefixes.iter().map(|p| (*p).into()).collect() }).collect()
    };
    let training = Training { epochs: 3, ..quick() };
    let (did, said) = (
        Freedom::Subspace(10, Vec::new()),
        Freedom::Subspace(10, groups(&[&["conv1", "bn1"], &["conv2", "bn2", "conv3", "bn3", "conv4", "bn4", "conv5"]])),
    );
    assert_eq!(run(&problem, &did, 1, &training).n_free, 10);
    assert_eq!(run(&problem, &said, 1, &training).n_free, 10, "scalers count");
    let frozen = Training { head: Head::Frozen, ..training };
    let nothing = run(&problem, &Freedom::Nothing, 1, &frozen);
    assert!(nothing.epochs.is_empty() && nothing.best_epoch == 0, "there is nothing to train");
    let warps = run(&problem, &did, 1, &Training { head: Head::Warped, ..training });
    assert!(warps.test != run(&problem, &did, 1, &frozen).test && warps.n_free == 10);
    let linear_first = run(&problem, &did, 1, &Training { start: Start::Trained, ..training });
    assert!(linear_first.test.is_finite());
    // Without a warp nothing is left to do: the read-out is what training it comes to, from what is kept as from the images.
    let first = run(&problem, &Freedom::Nothing, 1, &Training { start: Start::Trained, ..frozen });
    let trained = run(&problem, &Freedom::Nothing, 1, &Training { start: Start::Random, ..training });
    assert_eq!((first.n_free, first.test.to_bits()), (0, trained.test.to_bits()));
    let all = run(&problem, &Freedom::All, 1, &Training { low_dim_lr: Some(1e-3), start: Start::Random, ..training });
    assert!(all.n_free > 1000 && all.epochs[2].loss < all.epochs[0].loss, "plain fine-tuning: {all:?}");
    let one = groups(&[&["conv1", "bn1"]]);
    let message = pollster::block_on(train(&problem, &Freedom::Subspace(10, one), 1, &training, &Silent, &mut |_| {}));
    assert!(message.expect_err("conv2 has no group").to_string().contains("conv2.w"));
}

/// A read-out that begins with partial least squares is that of the library; with all components it is least squares.
#[test]
fn a_readout_can_begin_with_partial_least_squares() {
    let (network, images) = (open(), Images::new(120, 14));
    let x = features(&network, &images, &BTreeMap::new(), "sum");
    let mut rng = Stream::new(15, 0);
    let y = Mat::from_fn(120, 5, |i, k| x[(i, 3 * k)] - 0.5 * x[(i, 7)] + 0.3 * rng.normal());
    let objective = Objective::Responses(y.clone());
    let of_responses = problem(&network, &images, objective.clone(), "sum");
    let frozen = |start: Start| Training { head: Head::Frozen, start, ..quick() };
    let score = |start: Start| run(&of_responses, &Freedom::Nothing, 1, &frozen(start)).test;
    let (train, test): (Vec<usize>, Vec<usize>) = ((0..72).collect(), (96..120).collect());
    let own = |m: &Mat<f64>| Mat::from_fn(72, m.ncols(), |i, k| m[(i, k)]);
    let (mut x_train, mut y_train) = (own(&x), own(&y));
    let (x_means, y_means) = (center_columns(&mut x_train), center_columns(&mut y_train));
    let of_library = |components: usize| {
        let fit = pollster::block_on(pls::fit(&x_train, &y_train, components, &Device::cpu())).expect("it fits");
        let coefficients = fit.linear.coefficients();
        let predicted = |i: usize, k: usize| y_means[k] + (0..32).map(|j| (x[(i, j)] - x_means[j]) * coefficients[(j, k)]).sum::<f64>();
        #[expect(clippy::cast_possible_truncation, reason = "as read-outs are")]
        let values: Vec<f32> = test.iter().flat_map(|i| (0..5).map(|k| predicted(*i, k) as f32)).collect();
        objective.score(&test, &values)
    };
    assert_eq!((of_responses.parts.train.clone(), of_responses.parts.test.clone()), (train, test.clone()));
    // Weights in single precision.
    for components in [1, 4, 32] {
        let (got, want) = (score(Start::Pls(components)), of_library(components as usize));
        assert!((got - want).abs() < 1e-5, "{components} components: {got}, not {want}");
    }
    let (all, few, least_squares) = (score(Start::Pls(32)), score(Start::Pls(1)), score(Start::Fitted(0.0)));
    assert!((all - least_squares).abs() < 1e-5, "{all} and {least_squares}");
    assert!(all - few > 0.1, "one component is not all: {few} and {all}");
    // A frozen read-out is there after every step: a warp that does not move scores what no warp does.
    let still = Training { low_dim_lr: Some(1e-12), epochs: 2, ..frozen(Start::Pls(4)) };
    let still = run(&of_responses, &Freedom::Subspace(10, Vec::new()), 1, &still);
    assert!(still.epochs.len() == 2 && (still.test - score(Start::Pls(4))).abs() < 1e-6, "{still:?}");
    let refused = |problem: &Problem<'_>, start: Start| {
        let result = pollster::block_on(super::train(problem, &Freedom::Nothing, 1, &frozen(start), &Silent, &mut |_| {}));
        result.expect_err("it makes no sense").to_string()
    };
    for components in [0, 33] {
        let message = refused(&of_responses, Start::Pls(components));
        assert!(message.contains("between 1 and 32 fit 72 training rows and 32 features"), "{message}");
    }
    let of_classes = problem(&network, &images, Objective::Classes { codes: (0..120).map(|i| i % 2).collect(), n: 2 }, "sum");
    assert!(refused(&of_classes, Start::Pls(3)).contains("fits responses"), "classes have no partial least squares");
}

/// Classes, RDMs, several layers, and means over positions.
#[test]
fn other_objectives_and_layers_are_trained() {
    let (network, images) = (open(), Images::new(120, 13));
    let layers = vec!["sum".to_owned()];
    let target = features(&network, &images, &warped(&network, &layers, 5, 7, &[0.3, -0.2, 0.2, 0.25, -0.3]), "sum");
    let rdm = correlation_distances(&target);
    let problem = |objective: Objective, layers: &[&str], reading: Reading| Problem {
        network: &network,
        layers: layers.iter().map(|name| (*name).into()).collect(),
        reading,
        samples: &images,
        parts: parts(120),
        objective,
    };
    let rsa = problem(Objective::Rdm(rdm), &["sum"], Reading::Full);
    let start = run(&rsa, &Freedom::Nothing, 7, &quick());
    let warps = run(&rsa, &Freedom::Subspace(5, Vec::new()), 7, &Training { epochs: 40, ..quick() });
    assert!(start.epochs.is_empty() && 1.0 - warps.test < 0.2 * (1.0 - start.test), "{} and {}", start.test, warps.test);
    let codes: Vec<usize> = (0..120).map(|i| usize::from(target[(i, 3)] > target[(i, 20)])).collect();
    let classes = problem(Objective::Classes { codes, n: 2 }, &["sum", "p1"], Reading::Avg);
    let found = run(&classes, &Freedom::Subspace(30, Vec::new()), 2, &Training { epochs: 30, ..quick() });
    assert!((0.0..=1.0).contains(&found.test) && found.epochs.last().expect("epochs").loss < found.epochs[0].loss, "{found:?}");
}
