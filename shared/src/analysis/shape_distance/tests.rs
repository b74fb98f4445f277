use std::path::PathBuf;

use faer::{Mat, MatRef};
use serde::Deserialize;

use super::*;
use crate::linalg::spectral;
use crate::progress::Progress;
use crate::{AnalysisSpec, Dataset, Device, Silent, io, tasks};

mod metrics;
mod published;

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn orthogonal(p: usize, seed: u64) -> Mat<f64> {
    random(p, p, seed).qr().compute_thin_Q()
}

fn dataset(x: MatRef<'_, f64>) -> Dataset {
    let array = Array::from_mat(x);
    Dataset::from_rows("x", x.nrows(), x.ncols(), array.values).expect("fits")
}

fn run_on(spec: &Spec, xs: &[&Mat<f64>]) -> Result<(Output, Vec<crate::Warning>), Error> {
    let mut inputs = Inputs::default();
    let names: Vec<String> = (0..xs.len()).map(|i| format!("net{i}")).collect();
    for (name, x) in names.iter().zip(xs) {
        inputs.insert(name, dataset(x.as_ref()));
    }
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&Spec { inputs: names, ..spec.clone() }, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn distance(spec: &Spec, x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    run_on(spec, &[x, y]).expect("runs").0.distances.values[1]
}

fn with(alpha: f64, score: Score) -> Spec {
    Spec { alpha, score, ..Spec::default() }
}

/// The definition step by step: pad, center, whiten, full SVD, transform, compare. Returns (train, test).
fn plain(spec: &Spec, x: &Mat<f64>, y: &Mat<f64>, rows: &Rows) -> (f64, f64) {
    let width = x.ncols().max(y.ncols());
    let fit = |x: &Mat<f64>| {
        let padded = Mat::from_fn(x.nrows(), width, |i, j| if j < x.ncols() { x[(i, j)] } else { 0.0 });
        let take = |rows: &[usize]| Mat::from_fn(rows.len(), width, |i, j| padded[(rows[i], j)]);
        let (mut train, mut test) = (take(&rows.train), take(&rows.test));
        if spec.center_columns {
            let means = spectral::center_columns(&mut train);
            test = Mat::from_fn(test.nrows(), width, |i, j| test[(i, j)] - means[j]);
        }
        let eigen = spectral::symmetric_eigen((train.transpose() * &train).as_ref()).expect("converges");
        let (a, lambda) = (spec.alpha, eigen.values.iter().map(|v| v.max(1e-7)).collect::<Vec<_>>());
        let kept: f64 = lambda.iter().sum();
        let changed: f64 = lambda.iter().map(|l| a * a * l + 2.0 * a * (1.0 - a) * l.sqrt() + (1.0 - a) * (1.0 - a)).sum();
        let scaled = Mat::from_fn(width, width, |i, j| {
            let d = if a == 1.0 { 1.0 } else { (a + (1.0 - a) / lambda[j].sqrt()) * (kept / changed).sqrt() };
            eigen.vectors[(i, j)] * d
        });
        let z = scaled * eigen.vectors.transpose();
        (train * &z, test * &z)
    };
    let ((x_train, x_test), (y_train, y_test)) = (fit(x), fit(y));
    let svd = (x_train.transpose() * &y_train).svd().expect("converges");
    let compare = |a: Mat<f64>, b: Mat<f64>| {
        let inner: f64 = (0..a.nrows()).map(|i| (0..width).map(|j| a[(i, j)] * b[(i, j)]).sum::<f64>()).sum();
        match spec.score {
            Score::Angular => (inner / (a.norm_l2() * b.norm_l2())).clamp(-1.0, 1.0).acos(),
            Score::Euclidean => (a - b).norm_l2(),
        }
    };
    (compare(x_train * svd.U(), y_train * svd.V()), compare(x_test * svd.U(), y_test * svd.V()))
}

#[test]
fn distances_follow_the_plain_definition() {
    // Square roots near zero turn 1e-15 into 3e-8; elsewhere the two agree to 1e-10.
    let widths = [(6, 6), (6, 4), (3, 9), (40, 40), (40, 5), (30, 50)];
    for (p, q) in widths {
        let (x, y) = (random(30, p, 1), random(30, q, 2));
        for alpha in [0.0, 0.5, 1.0] {
            for score in [Score::Angular, Score::Euclidean] {
                for center_columns in [true, false] {
                    let spec = Spec { center_columns, ..with(alpha, score) };
                    let rows = Rows { train: (0..30).collect(), test: vec![0] };
                    let (want, _) = plain(&spec, &x, &y, &rows);
                    let got = distance(&spec, &x, &y);
                    let tolerance = if want < 1e-3 * x.norm_l2() { 1e-6 } else { 1e-10 };
                    assert!((got - want).abs() < tolerance, "{p}, {q}, {spec:?}: {got} against {want}");
                }
            }
        }
    }
}

#[test]
fn held_out_distances_follow_the_plain_definition() {
    for (p, q) in [(6, 6), (6, 4), (3, 9)] {
        let (x, y) = (random(40, p, 3), random(40, q, 4));
        for alpha in [0.0, 0.5, 1.0] {
            for score in [Score::Angular, Score::Euclidean] {
                let spec = Spec { train_fraction: Some(0.7), seed: 5, inputs: vec!["a".into()], ..with(alpha, score) };
                let rows = spec.splits(40).expect("valid").remove(0);
                assert_eq!((rows.train.len(), rows.test.len()), (28, 12));
                let (train, test) = plain(&spec, &x, &y, &rows);
                let (output, _) = run_on(&spec, &[&x, &y]).expect("runs");
                let held = output.test_distances.expect("held-out rows");
                assert!((output.distances.values[1] - train).abs() < 1e-10, "{p}, {q}, {spec:?}");
                assert!((held.values[1] - test).abs() < 1e-10, "{p}, {q}, {spec:?}: {} against {test}", held.values[1]);
            }
        }
    }
    // With more features than rows to fit on, the norm of held-out rows still counts in full.
    let x = random(12, 30, 6);
    let rotated = &x * orthogonal(30, 7);
    let spec = Spec { train_fraction: Some(0.5), ..Spec::default() };
    let (output, _) = run_on(&spec, &[&x, &rotated]).expect("runs");
    assert!(output.distances.values[1] < 1e-6, "the rows fitted on align");
    assert!(output.test_distances.expect("held-out rows").values[1] > 0.5, "the others only in part");
}

#[test]
fn procrustes_ignores_rotation_scale_and_shift() {
    let x = random(100, 10, 1);
    let rotated = &x * orthogonal(10, 2);
    for score in [Score::Angular, Score::Euclidean] {
        assert!(distance(&Spec { center_columns: false, ..with(1.0, score) }, &x, &rotated) < 1e-6, "{score:?}");
    }
    let moved = Mat::from_fn(100, 10, |i, j| 3.0 * rotated[(i, j)] + [1.0, -2.0, 5.0][j % 3]);
    assert!(distance(&with(1.0, Score::Angular), &x, &moved) < 1e-6, "scale and shift");
    assert!(distance(&with(1.0, Score::Euclidean), &x, &moved) > 1.0, "the Euclidean distance sees the scale");
}

#[test]
fn full_whitening_ignores_invertible_maps() {
    let x = random(100, 10, 1);
    let mapped = &x * random(10, 10, 2);
    let mapped = Mat::from_fn(100, 10, |i, j| mapped[(i, j)] + 4.0);
    assert!(distance(&with(0.0, Score::Angular), &x, &mapped) < 1e-6, "alpha 0");
    assert!(distance(&with(1.0, Score::Angular), &x, &mapped) > 1e-2, "alpha 1 does not");
}

#[test]
fn orthonormal_bases_have_the_angle_of_their_mean_singular_value() {
    let (x, y) = (random(100, 10, 1).qr().compute_thin_Q(), random(100, 10, 2).qr().compute_thin_Q());
    let mean = spectral::singular_values((x.transpose() * &y).as_ref()).expect("converges").iter().sum::<f64>() / 10.0;
    let got = distance(&Spec { center_columns: false, ..Spec::default() }, &x, &y);
    assert!((got - mean.acos()).abs() < 1e-12, "{got}");
}

#[test]
fn angles_obey_the_triangle_inequality() {
    for alpha in [0.0, 0.5, 1.0] {
        for seed in 0..10 {
            let (x, y, z) = (random(31, 30, 3 * seed), random(31, 30, 3 * seed + 1), random(31, 30, 3 * seed + 2));
            let (output, _) = run_on(&with(alpha, Score::Angular), &[&x, &y, &z]).expect("runs");
            let d = &output.distances;
            assert_eq!((d.row(0)[0], d.row(1)[0].to_bits()), (0.0, d.row(0)[1].to_bits()), "zero diagonal, symmetric");
            for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
                assert!(d.row(i)[j] <= d.row(i)[k] + d.row(k)[j] + 1e-6, "alpha {alpha}, seed {seed}");
            }
        }
    }
}

#[test]
fn hostile_specs_and_inputs_are_named() {
    let (x, y) = (random(10, 3, 1), random(10, 4, 2));
    let message = |spec: &Spec, xs: &[&Mat<f64>]| run_on(spec, xs).expect_err("refused").to_string();
    for alpha in [-0.1, 1.1, f64::NAN] {
        assert!(message(&with(alpha, Score::Angular), &[&x, &y]).contains("alpha"), "{alpha}");
    }
    assert!(message(&Spec::default(), &[&x]).contains("at least 2"), "one input");
    let rows = message(&Spec::default(), &[&x, &random(11, 3, 1)]);
    assert!(rows.contains("net0 has 10 rows but net1 has 11"), "{rows}");
    let widths = message(&Spec { zero_pad: false, ..Spec::default() }, &[&x, &y]);
    assert!(widths.contains("3 columns as in net0") && widths.contains("net1"), "{widths}");
    for fraction in [0.0, 1.0, 0.1, 0.99, -3.0, f64::NAN] {
        assert!(message(&Spec { train_fraction: Some(fraction), ..Spec::default() }, &[&x, &y]).contains("train_fraction"), "{fraction}");
    }
    assert!(message(&Spec::default(), &[&random(1, 3, 1), &random(1, 3, 2)]).contains("at least 2"), "one row");
    let mut bad = x.clone();
    bad[(2, 1)] = f64::NAN;
    assert!(message(&Spec::default(), &[&bad, &y]).contains("row 3, column 2"), "NaN");
}

#[test]
fn what_has_no_answer_is_nan_and_warned() {
    let (x, constant) = (random(10, 3, 1), Mat::from_fn(10, 2, |_, j| [0.1, 7.0][j]));
    for alpha in [0.0, 1.0] {
        let (output, warnings) = run_on(&with(alpha, Score::Angular), &[&x, &constant]).expect("runs");
        assert!(output.distances.values[1].is_nan(), "no direction, no angle");
        assert_eq!((output.distances.values[0], warnings[0].code.as_str()), (0.0, "constant_data"));
    }
    let got = distance(&with(1.0, Score::Euclidean), &x, &constant);
    let mut centered = x.clone();
    spectral::center_columns(&mut centered);
    assert!((got - centered.norm_l2()).abs() < 1e-12, "the Euclidean distance to a point");
    let (output, warnings) = run_on(&with(0.0, Score::Angular), &[&random(8, 9, 1), &random(8, 9, 2)]).expect("runs");
    assert!(output.distances.values[1] < 1e-6 && warnings[0].code == "too_few_samples", "collapsed, and says so");
}

#[test]
fn a_run_can_be_canceled_between_pairs() {
    struct Stop;
    impl Progress for Stop {
        fn step(&self, done_frac: f64, _what: &str) -> Result<(), Error> {
            if done_frac > 0.5 { Err(Error::Canceled) } else { Ok(()) }
        }
    }
    let mut inputs = Inputs::default();
    for name in ["a", "b", "c"] {
        inputs.insert(name, dataset(random(5, 3, 1).as_ref()));
    }
    let spec = Spec { inputs: vec!["a".into(), "b".into(), "c".into()], ..Spec::default() };
    let device = Device::cpu();
    assert_eq!(pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Stop))), Err(Error::Canceled));
}

#[derive(Deserialize)]
struct Fixture {
    inputs: Vec<Vec<Vec<f64>>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alpha: f64,
    score: Score,
    distances: Vec<Vec<f64>>,
}

/// numpy, by the definition; near zero distances square roots leave 1e-7.
#[test]
fn distances_match_numpy() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/shapes.json");
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
    let xs: Vec<Mat<f64>> = fixture.inputs.iter().map(|x| Mat::from_fn(x.len(), x[0].len(), |i, j| x[i][j])).collect();
    for case in fixture.cases {
        let (output, _) = run_on(&with(case.alpha, case.score), &xs.iter().collect::<Vec<_>>()).expect("runs");
        for (got, want) in output.distances.values.iter().zip(case.distances.iter().flatten()) {
            let tolerance = if *want < 1e-3 { 1e-6 } else { 1e-10 };
            assert!((got - want).abs() < tolerance, "alpha {} {:?}: {got} against {want}", case.alpha, case.score);
        }
    }
}

#[test]
fn golden_values_of_uniform_data() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/golden");
    let (Ok(x), Ok(y)) = (std::fs::read(folder.join("X.npy")), std::fs::read(folder.join("Y.npy"))) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let load = |bytes: &[u8]| io::read("x.npy", bytes, None, io::Limits::BROWSER).and_then(|d| d.matrix()).expect("reads").to_mat();
    let (x, y) = (load(&x), load(&y));
    let angular = distance(&with(1.0, Score::Angular), &x, &y);
    assert!((angular - 0.762_981_579_93).abs() < 1e-10, "{angular}");
    assert!((angular.cos() - 0.722_778_717_6).abs() < 1e-10, "normalized Bures similarity");
    let euclidean = distance(&with(1.0, Score::Euclidean), &x, &y);
    assert!((euclidean - 5.851_126_077_85).abs() < 1e-10, "{euclidean}");
    let canonical = distance(&with(0.0, Score::Angular), &x, &y).cos();
    assert!((canonical - 0.890_104_973_815_781).abs() < 1e-10, "mean canonical correlation: {canonical}");
}
