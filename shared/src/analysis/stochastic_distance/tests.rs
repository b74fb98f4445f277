use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::*;
use crate::rng::Stream;
use crate::testing::within;
use crate::{Device, Silent};

fn stack(shape: [usize; 3], seed: u64) -> ArrayD<f64> {
    let mut rng = Stream::new(seed, 0);
    ArrayD::from_shape_simple_fn(IxDyn(&shape), || rng.normal())
}

fn turned(x: &ArrayD<f64>, q: &Mat<f64>) -> ArrayD<f64> {
    let n = q.nrows();
    ArrayD::from_shape_fn(x.raw_dim(), |at| (0..n).map(|k| x[[at[0], at[1], k].as_slice()] * q[(k, at[2])]).sum())
}

fn orthogonal(p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(p, p, |_, _| rng.normal()).qr().compute_thin_Q()
}

fn run_on(spec: &Spec, named: &[(&str, ArrayD<f64>)]) -> Result<(Output, Vec<crate::Warning>), Error> {
    let mut inputs = Inputs::default();
    for (name, array) in named {
        inputs.insert(*name, Dataset::from_f64(*name, array.clone()));
    }
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn of(inputs: &[&str], metric: Metric) -> Spec {
    Spec { inputs: inputs.iter().map(|name| (*name).to_owned()).collect(), metric, ..Spec::default() }
}

fn array(value: &Value, shape: &[usize]) -> ArrayD<f64> {
    fn flat(value: &Value, out: &mut Vec<f64>) {
        match value.as_array() {
            Some(all) => all.iter().for_each(|v| flat(v, out)),
            None => out.push(value.as_f64().expect("a number")),
        }
    }
    let mut out = Vec::new();
    flat(value, &mut out);
    ArrayD::from_shape_vec(IxDyn(shape), out).expect("fits")
}

fn fixture() -> Value {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/populations.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
    all["stochastic"].take()
}

#[test]
fn distances_match_numpy() {
    let section = fixture();
    let (gaussian, energy) = (&section["gaussian"], &section["energy"]);
    let given = |key: &str, shape: &[usize]| array(&gaussian[key], shape);
    let named = [
        ("x", given("x_means", &[6, 3])),
        ("y", given("y_means", &[6, 3])),
        ("sx", given("x_covariances", &[6, 3, 3])),
        ("sy", given("y_covariances", &[6, 3, 3])),
    ];
    for case in gaussian["scores"].as_array().expect("cases") {
        let alpha = case["alpha"].as_f64().expect("a number");
        let spec = Spec { covariances: vec!["sx".into(), "sy".into()], alpha, ridge: 0.0, ..of(&["x", "y"], Metric::Gaussian) };
        let (output, _) = run_on(&spec, &named).expect("runs");
        within(&format!("alpha {alpha}"), output.distances.values[1], case["orth"].as_f64().expect("a number"), 1e-6);
        assert_eq!((output.distances.values[0], output.distances.values[1]), (0.0, output.distances.values[2]), "symmetric, zero diagonal");
    }
    let named = [("x", array(&energy["x"], &[5, 4, 3])), ("y", array(&energy["y"], &[5, 4, 3]))];
    let (output, _) = run_on(&of(&["x", "y"], Metric::Energy), &named).expect("runs");
    within("energy", output.distances.values[1], energy["orth"].as_f64().expect("a number"), 1e-9);
}

#[test]
fn three_networks_give_three_by_three_distances_of_every_metric() {
    // Conditions have their own means, or the energy distance of all would be 0.
    let with_means = |seed| {
        let (mut x, means) = (stack([5, 12, 3], seed), stack([5, 1, 3], seed + 50));
        x.indexed_iter_mut().for_each(|(at, v)| *v += 2.0 * means[[at[0], 0, at[2]].as_slice()]);
        x
    };
    let x = with_means(1);
    let named = [("x", x.clone()), ("turned", turned(&x, &orthogonal(3, 2))), ("other", with_means(3))];
    for metric in [Metric::Gaussian, Metric::Energy, Metric::Process, Metric::Marginal] {
        let spec = Spec { n_random: 6, ..of(&["x", "turned", "other"], metric) };
        let (output, _) = run_on(&spec, &named).expect("runs");
        let d = &output.distances;
        assert_eq!((d.shape.clone(), output.iterations.shape.clone()), (vec![3, 3], vec![3, 3]), "{metric:?}");
        assert!(d.values.iter().all(|v| *v > -1e-5) && d.values.iter().sum::<f64>() >= 0.0, "{metric:?}: {:?}", d.values);
        assert!(d.row(0)[2] > 10.0 * d.row(0)[1].abs(), "{metric:?}: a rotated copy is closer than another: {:?}", d.values);
        assert!(d.row(0)[1].abs() < 1e-6, "{metric:?}: a rotated copy: {}", d.row(0)[1]);
        let again = run_on(&spec, &named).expect("runs").0;
        assert_eq!(again, output, "{metric:?}: deterministic");
    }
}

#[test]
fn repeats_and_their_moments_give_the_same() {
    let (x, y) = (stack([4, 9, 3], 1), stack([4, 7, 3], 2));
    let moments = |x: &ArrayD<f64>| {
        let (m, r) = (x.shape()[0], x.shape()[1]);
        let mean = |i: usize, j: usize| (0..r).map(|k| x[[i, k, j].as_slice()]).sum::<f64>() / count(r);
        let means = ArrayD::from_shape_fn(IxDyn(&[m, 3]), |at| mean(at[0], at[1]));
        let covariances = ArrayD::from_shape_fn(IxDyn(&[m, 3, 3]), |at| {
            let (i, a, b) = (at[0], at[1], at[2]);
            (0..r).map(|k| (x[[i, k, a].as_slice()] - mean(i, a)) * (x[[i, k, b].as_slice()] - mean(i, b))).sum::<f64>() / count(r - 1)
        });
        (means, covariances)
    };
    let ((mx, sx), (my, sy)) = (moments(&x), moments(&y));
    let named = [("x", x), ("y", y), ("mx", mx), ("my", my), ("sx", sx), ("sy", sy)];
    let held = |spec: Spec| Spec { train_fraction: Some(0.5), seed: 4, ridge: 0.01, ..spec };
    let (repeats, _) = run_on(&held(of(&["x", "y"], Metric::Gaussian)), &named).expect("runs");
    let given = Spec { covariances: vec!["sx".into(), "sy".into()], ..of(&["mx", "my"], Metric::Gaussian) };
    let (moments, _) = run_on(&held(given), &named).expect("runs");
    within("fitted", repeats.distances.values[1], moments.distances.values[1], 1e-9);
    let test = |output: &Output| output.test_distances.as_ref().expect("held out").values[1];
    within("held out", test(&repeats), test(&moments), 1e-9);
    assert!(test(&repeats) > repeats.distances.values[1], "held-out conditions are farther");
    let (energy, _) = run_on(&held(of(&["x", "y"], Metric::Energy)), &named).expect("other numbers of repeats");
    assert!(test(&energy).is_finite());
}

#[test]
fn hostile_specs_and_inputs_are_named() {
    let named = [
        ("x", stack([4, 5, 3], 1)),
        ("y", stack([4, 5, 3], 2)),
        ("wide", stack([4, 5, 6], 3)),
        ("alone", stack([4, 1, 3], 4)),
        ("flat", ArrayD::zeros(IxDyn(&[4, 3]))),
    ];
    let good = of(&["x", "y"], Metric::Gaussian);
    for (spec, what) in [
        (of(&["x"], Metric::Gaussian), "at least 2 inputs"),
        (of(&["x", "wide"], Metric::Gaussian), "as in x"),
        (of(&["x", "alone"], Metric::Energy), "at least 2 repeats"),
        (of(&["flat", "flat"], Metric::Process), "trials x times x neurons"),
        (Spec { alpha: 2.5, ..good.clone() }, "alpha"),
        (Spec { alpha: f64::NAN, ..good.clone() }, "alpha"),
        (Spec { ridge: -1.0, ..good.clone() }, "ridge"),
        (Spec { tol: Some(f64::NAN), ..good.clone() }, "tol"),
        (Spec { max_iter: 0, ..good.clone() }, "max_iter"),
        (Spec { covariances: vec!["x".into()], ..good.clone() }, "one for each"),
        (Spec { covariances: vec!["x".into(), "y".into()], ..of(&["flat", "flat"], Metric::Gaussian) }, "x 3 x 3"),
        (Spec { train_fraction: Some(0.5), ..of(&["x", "y"], Metric::Process) }, "no conditions"),
        (Spec { train_fraction: Some(0.99), ..good.clone() }, "train_fraction"),
    ] {
        let message = run_on(&spec, &named).expect_err("refused").to_string();
        assert!(message.contains(what), "{what}: {message}");
    }
    let (_, warnings) = run_on(&Spec { max_iter: 2, ..good }, &named).expect("runs");
    assert_eq!(warnings[0].code, "not_converged", "{warnings:?}");
}
