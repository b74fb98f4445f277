use serde_json::Value;

use super::*;
use crate::shapes::centered;
use crate::testing::within;
use crate::{Dataset, Device, Silent};

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn orthogonal(p: usize, seed: u64) -> Mat<f64> {
    random(p, p, seed).qr().compute_thin_Q()
}

fn run_on(spec: &Spec, xs: &[Mat<f64>]) -> Result<(Output, Vec<crate::Warning>), Error> {
    let mut inputs = Inputs::default();
    let names: Vec<String> = (0..xs.len()).map(|i| format!("net{i}")).collect();
    for (name, x) in names.iter().zip(xs) {
        inputs.insert(name, Dataset::from_rows(name, x.nrows(), x.ncols(), Array::from_mat(x.as_ref()).values).expect("fits"));
    }
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&Spec { inputs: names, ..spec.clone() }, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn mats(value: &Value) -> Vec<Mat<f64>> {
    let all: Vec<Vec<Vec<f64>>> = serde_json::from_value(value.clone()).expect("matrices");
    all.iter().map(|rows| Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])).collect()
}

fn fixture() -> Value {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/populations.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
    all["average"].take()
}

#[test]
fn averages_and_their_variation_match_numpy() {
    let section = fixture();
    let xs = mats(&section["networks"]);
    for (group, name) in [(Group::Orthogonal, "orth"), (Group::Permutation, "perm")] {
        let spec = Spec { group, center_columns: false, tol: 1e-12, max_iter: 3000, ..Spec::default() };
        let (output, warnings) = run_on(&spec, &xs).expect("runs");
        assert!(output.converged && warnings.is_empty(), "{warnings:?}");
        let want = &section[name];
        let number = |value: &Value| value.as_f64().expect("a number");
        let squares: f64 = output.distances.iter().map(|d| d * d).sum();
        // Of several optima ours is the best of several starts: at most that of the reference, which starts at the first network.
        assert!(squares <= number(&want["sum_of_squares"]) + 1e-8, "{name}: {squares}");
        if group == Group::Orthogonal {
            within(name, squares, number(&want["sum_of_squares"]), 1e-8);
            for (got, want) in output.components.variances.iter().zip(want["explained_variance"].as_array().expect("numbers")) {
                within("variance", *got, number(want), 1e-8);
            }
            let mean = Mat::from_fn(12, 4, |i, j| output.mean.row(i)[j]);
            let gram = &mean * mean.transpose();
            let want: Vec<Vec<f64>> = serde_json::from_value(want["gram"].clone()).expect("a matrix");
            assert!((0..144).all(|at| (gram[(at / 12, at % 12)] - want[at / 12][at % 12]).abs() < 1e-8), "the mean up to rotation");
            let axes = mean.transpose() * &mean;
            assert!((0..16).all(|at| at / 4 == at % 4 || axes[(at / 4, at % 4)].abs() < 1e-9), "along its principal axes");
        }
        let total: f64 = xs.iter().map(Mat::squared_norm_l2).sum();
        within("the shares of mean and residuals", output.shared.expect("variance") + squares / total, 1.0, 1e-9);
    }
}

#[test]
fn a_planted_template_is_recovered_also_from_wider_and_narrower_copies() {
    let template = centered(random(40, 6, 1).as_ref(), true).0;
    let copy = |seed: u64, width: usize| padded(template.clone(), width) * orthogonal(width, seed);
    // Wider than there are samples, too.
    let xs: Vec<Mat<f64>> = [(10, 6), (11, 9), (12, 60), (13, 6)].map(|(seed, width)| copy(seed, width)).into();
    for averaging in [Averaging::FullBatch, Averaging::Streaming, Averaging::Sequential] {
        let (output, _) = run_on(&Spec { averaging, ..Spec::default() }, &xs).expect("runs");
        let mean = Mat::from_fn(40, output.mean.columns(), |i, j| output.mean.row(i)[j]);
        let gram = &mean * mean.transpose() - &template * template.transpose();
        assert!(gram.norm_max() < 1e-5, "{averaging:?}: up to rotation, off by {}", gram.norm_max());
        within("shared", output.shared.expect("variance"), 1.0, 1e-9);
        assert!(output.distances.iter().all(|d| *d < 1e-4), "{:?}", output.distances);
    }
    // The order of columns, in that of the first input.
    let order = Stream::new(3, 0).permutation(6);
    let permuted = Mat::from_fn(40, 6, |i, j| template[(i, order[j])]);
    let spec = Spec { group: Group::Permutation, ..Spec::default() };
    let (output, _) = run_on(&spec, &[permuted.clone(), template.clone(), permuted.clone()]).expect("runs");
    let off = Mat::from_fn(40, 6, |i, j| output.mean.row(i)[j] - permuted[(i, j)]).norm_max();
    assert!(off < 1e-9, "columns as in the first input: {off}");
}

#[test]
fn variation_along_one_direction_is_one_component() {
    let (template, direction) = (random(30, 4, 1), random(30, 4, 2));
    let xs: Vec<Mat<f64>> = (0..6u64)
        .zip([-0.2, -0.1, -0.05, 0.05, 0.1, 0.2])
        .map(|(seed, at)| (&template + faer::Scale(at * 0.1) * &direction) * orthogonal(4, 10 + seed))
        .collect();
    let (output, _) = run_on(&Spec { tol: 1e-10, ..Spec::default() }, &xs).expect("runs");
    let explained = output.components.explained.expect("variance");
    assert!(explained[0] > 0.99 && explained.iter().sum::<f64>() > 0.999_999, "{explained:?}");
    let first: Vec<f64> = (0..6).map(|i| output.components.scores.row(i)[0]).collect();
    assert!(first.is_sorted() || first.is_sorted_by(|a, b| a >= b), "in order along the direction: {first:?}");
}

#[test]
fn planted_clusters_are_found_for_both_distances() {
    let planted: Vec<u32> = (0..15).map(|i| [0, 1, 1, 2, 0][i % 5]).collect();
    let xs: Vec<Mat<f64>> = planted
        .iter()
        .zip(0u64..)
        .map(|(which, seed)| {
            (random(25, 5, 70 + u64::from(*which)) + faer::Scale(0.3) * random(25, 5, 100 + seed)) * orthogonal(5, 200 + seed)
        })
        .collect();
    for score in [Score::Angular, Score::Euclidean] {
        let spec = Spec { n_clusters: 3, score, normalize: score == Score::Euclidean, ..Spec::default() };
        let found = run_on(&spec, &xs).expect("runs").0.clusters.expect("clusters");
        assert_eq!((found.labels, found.converged), (planted.clone(), true), "{score:?}");
    }
    let section = fixture()["kmeans"].take();
    let labels: Vec<u32> = serde_json::from_value(section["labels"].clone()).expect("labels");
    let found =
        run_on(&Spec { n_clusters: 2, ..Spec::default() }, &mats(&section["networks"])).expect("runs").0.clusters.expect("clusters");
    assert_eq!(found.labels, labels, "as numpy");
}

#[test]
fn large_responses_weigh_more_unless_normalized() {
    let (a, b) = (random(20, 3, 1), random(20, 3, 2));
    let xs = [&a * faer::Scale(100.0), b.clone()];
    let ratio = |normalize| {
        let distances = run_on(&Spec { normalize, ..Spec::default() }, &xs).expect("runs").0.distances;
        distances[0] / distances[1]
    };
    within("the mean of two is half way", ratio(false), 1.0, 1e-6);
    within("normalized", ratio(true), 1.0, 1e-6);
    let shared = |normalize| run_on(&Spec { normalize, ..Spec::default() }, &xs).expect("runs").0.shared.expect("variance");
    assert!(shared(true) > 0.5 && shared(false) < 0.52, "{} and {}", shared(true), shared(false));
}

#[test]
fn hostile_specs_and_inputs_are_named() {
    let xs = [random(10, 3, 1), random(10, 4, 2)];
    for (spec, what) in [
        (Spec { n_clusters: 0, ..Spec::default() }, "n_clusters"),
        (Spec { n_clusters: 3, ..Spec::default() }, "1 to 2"),
        (Spec { n_clusters: 2, group: Group::Permutation, ..Spec::default() }, "group"),
        (Spec { n_starts: 0, ..Spec::default() }, "n_starts"),
        (Spec { tol: 0.0, ..Spec::default() }, "tol"),
        (Spec { tol: f64::NAN, ..Spec::default() }, "tol"),
        (Spec { max_iter: 0, ..Spec::default() }, "max_iter"),
        (Spec { seed: u64::MAX, ..Spec::default() }, "seed"),
    ] {
        let message = run_on(&spec, &xs).expect_err("refused").to_string();
        assert!(message.contains(what), "{message}");
    }
    assert!(run_on(&Spec::default(), &xs[..1]).expect_err("one").to_string().contains("at least 2"));
    assert!(run_on(&Spec::default(), &[random(10, 3, 1), random(9, 3, 1)]).expect_err("rows").to_string().contains("10 rows"));
    let constant = [Mat::from_fn(5, 2, |_, _| 1.0), Mat::from_fn(5, 2, |_, j| [3.0, 4.0][j])];
    assert!(run_on(&Spec::default(), &constant).expect_err("constant").to_string().contains("constant"));
    let (output, warnings) = run_on(&Spec { max_iter: 1, tol: 1e-14, ..Spec::default() }, &xs).expect("runs");
    assert!(!output.converged && warnings[0].code == "not_converged", "{warnings:?}");
}
