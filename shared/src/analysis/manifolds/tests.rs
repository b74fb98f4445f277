use std::path::PathBuf;

use faer::Mat;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::dataset::LabelColumn;
use crate::rng::Stream;
use crate::{Dataset, Device, Silent, Warning};

fn inputs(x: Dataset, labels: &[&str]) -> Inputs {
    let mut table = Dataset::from_rows("L", labels.len(), 0, Vec::new()).expect("fits");
    table.labels = vec![LabelColumn { name: "class".into(), values: labels.iter().map(ToString::to_string).collect() }];
    let mut inputs = Inputs::default();
    inputs.insert("X", x);
    inputs.insert("L", table);
    inputs
}

fn spec() -> Spec {
    Spec { features: "X".into(), labels: Labels { input: "L".into(), column: None }, ..Spec::default() }
}

fn run_on(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<Warning>), Error> {
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(spec, inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn dataset(x: &Mat<f64>) -> Dataset {
    Dataset::from_rows("X", x.nrows(), x.ncols(), Array::from_mat(x.as_ref()).values).expect("fits")
}

#[track_caller]
fn same(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let fine = if w.is_nan() { g.is_nan() } else { (g - w).abs() <= tolerance * w.abs().max(1e-3) };
        assert!(fine, "{what}, value {i}: {g} against {w}");
    }
}

#[derive(Deserialize)]
struct Case {
    name: String,
    rows: usize,
    columns: usize,
    x: Vec<f64>,
    labels: Vec<String>,
    m_shots: Option<u32>,
    radius: Vec<f64>,
    dimensionality: Vec<f64>,
    signal: Array,
    bias: Array,
    #[serde(rename = "self")]
    self_overlap: Array,
    other: Array,
    snr: Array,
    between: [f64; 2],
    summary: Vec<(String, f64, f64)>,
}

/// numpy with explicit principal directions against lengths of projected rows; both are f64.
#[test]
fn geometry_matches_explicit_directions() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/manifolds.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
    for case in cases {
        let name = &case.name;
        let data = Dataset::from_rows("X", case.rows, case.columns, case.x).expect("fits");
        let labels: Vec<&str> = case.labels.iter().map(String::as_str).collect();
        let (got, warnings) = run_on(&Spec { m_shots: case.m_shots, ..spec() }, &inputs(data, &labels)).expect("runs");
        assert!(warnings.is_empty(), "{warnings:?}");
        same(&got.radius.values, &case.radius, 1e-10, name);
        same(&got.dimensionality.values, &case.dimensionality, 1e-10, name);
        same(&got.signal.values, &case.signal.values, 1e-10, name);
        same(&got.bias.values, &case.bias.values, 1e-10, name);
        same(&got.self_overlap.values, &case.self_overlap.values, 1e-10, name);
        same(&got.other_overlap.values, &case.other.values, 1e-10, name);
        same(&got.snr.values, &case.snr.values, 1e-10, name);
        same(&[got.between_radius, got.between_dimensionality.expect("defined")], &case.between, 1e-10, name);
        for (statistic, (column, mean, std)) in got.summary.iter().zip(&case.summary) {
            assert_eq!(&statistic.name, column);
            same(&[statistic.mean.expect("defined"), statistic.std.expect("defined")], &[*mean, *std], 1e-10, column);
        }
    }
}

#[test]
fn two_clouds_by_hand() {
    // Variances 2 and 0 (2 rows in 2 dimensions): radius 1, dimensionality 1; the difference lies across the first cloud, along the second.
    let x = Dataset::from_rows("X", 4, 2, vec![-1.0, 0.0, 1.0, 0.0, 0.0, 3.0, 0.0, 5.0]).expect("fits");
    let (got, _) = run_on(&spec(), &inputs(x, &["a", "a", "b", "b"])).expect("runs");
    assert_eq!((got.radius.values.as_slice(), got.dimensionality.values.as_slice()), (&[1.0, 1.0][..], &[1.0, 1.0][..]));
    assert_eq!((got.signal.values[1], got.bias.values[1], got.self_overlap.values[1]), (4.0, 0.0, 0.0));
    // |U_b w| = sqrt(2) 4; 1/2 16 / sqrt(1/2 + 32/2).
    same(&[got.other_overlap.values[1], got.snr.values[1]], &[32f64.sqrt(), 8.0 / 16.5f64.sqrt()], 1e-14, "a against b");
    same(&[got.self_overlap.values[2]], &[32f64.sqrt()], 1e-14, "b against a");
    let csv = summary_csv(&got);
    assert!(csv.starts_with("between-concept dimensionality,between-concept radius,bias (mean),bias (std),other signal-noise"), "{csv}");
    assert!(csv.lines().nth(1).is_some_and(|row| row.ends_with(",,,,,X")), "{csv}");
}

#[test]
fn flat_classes_are_undefined_with_a_warning() {
    let x = Dataset::from_rows("X", 6, 1, vec![1.0, 1.0, 4.0, 6.0, 8.0, 9.0]).expect("fits");
    let (got, warnings) = run_on(&spec(), &inputs(x, &["flat", "flat", "b", "b", "c", "c"])).expect("runs");
    assert_eq!((warnings.len(), warnings[0].code.as_str()), (1, "flat_classes"));
    assert!(warnings[0].message.contains("\"flat\""), "{}", warnings[0].message);
    assert!(got.radius.values[0] == 0.0 && got.dimensionality.values[0].is_nan(), "no size, no dimensionality");
    assert!(got.signal.row(0).iter().all(|v| v.is_nan()), "nothing is measured in its radius");
    assert!(got.bias.row(1)[0] == -1.0 && got.self_overlap.row(1)[0].is_finite() && got.snr.row(1)[0].is_nan(), "seen from b");
    assert_eq!(
        got.summary[3].mean,
        Some([got.signal.row(1)[0], got.signal.row(1)[2], got.signal.row(2)[0], got.signal.row(2)[1]].iter().sum::<f64>() / 4.0)
    );
    let text = serde_json::to_string(&Spec::default()).expect("serializes");
    assert_eq!(serde_json::from_str::<Spec>(&text).expect("reads"), Spec::default());
}

#[test]
fn errors_name_the_class_and_the_field() {
    let x = || Dataset::from_rows("X", 4, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 9.0]).expect("fits");
    let message = |spec: &Spec, labels: &[&str]| run_on(spec, &inputs(x(), labels)).expect_err("refused").to_string();
    assert!(message(&spec(), &["a", "a", "a", "b"]).contains("class \"b\" has 1 row; at least 2"), "too few rows");
    assert!(message(&spec(), &["a", "a", "a", "a"]).contains("at least 2 classes"), "one class");
    assert!(message(&spec(), &["a", "a", "b"]).contains("4 rows"), "three labels");
    assert!(message(&Spec { m_shots: Some(0), ..spec() }, &["a", "a", "b", "b"]).contains("m_shots"), "no shots");
    let huge = Dataset::from_rows("X", 4, 1, vec![1e300, -1e300, 1e299, 3e299]).expect("fits");
    let error = run_on(&spec(), &inputs(huge, &["a", "a", "b", "b"])).expect_err("overflows");
    assert!(matches!(error, Error::Numerical { .. }), "{error}");
    let vector = Dataset::from_f64("X", ndarray::ArrayD::zeros(ndarray::IxDyn(&[4])));
    assert!(matches!(run_on(&spec(), &inputs(vector, &["a", "a", "b", "b"])), Err(Error::Shape { .. })), "a vector");
}

#[test]
fn feature_maps_are_pooled() {
    let mut rng = Stream::new(8, 0);
    let maps = ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&[6, 3, 2, 2]), |_| rng.normal());
    let means = maps.mean_axis(ndarray::Axis(3)).and_then(|m| m.mean_axis(ndarray::Axis(2))).expect("not empty");
    let labels = ["a", "a", "b", "b", "a", "b"];
    let (pooled, _) = run_on(&spec(), &inputs(Dataset::from_f64("X", maps), &labels)).expect("runs");
    let (plain, _) = run_on(&spec(), &inputs(Dataset::from_f64("X", means), &labels)).expect("runs");
    assert_eq!(pooled.n_features, 3);
    same(&pooled.signal.values, &plain.signal.values, 1e-12, "averages");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rotation_translation_and_scale_change_radii_only(seed in 0u64..1000, p in 2usize..9, scale in 0.01f64..100.0, shift in -50.0f64..50.0) {
        let mut rng = Stream::new(seed, 0);
        let labels = ["a", "b", "c", "a", "b", "c", "a", "b", "c", "b", "a", "c"];
        let x = Mat::from_fn(12, p, |i, _| rng.normal() + f64::from(u8::try_from(i % 3).expect("small")) * 2.0);
        let q = Mat::from_fn(p, p, |_, _| rng.normal()).qr().compute_thin_Q();
        let turned = &x * q;
        let moved = Mat::from_fn(12, p, |i, j| turned[(i, j)] * scale + shift);
        let (a, _) = run_on(&spec(), &inputs(dataset(&x), &labels)).expect("runs");
        let (b, _) = run_on(&spec(), &inputs(dataset(&moved), &labels)).expect("runs");
        // The shift rounds: 50 against a scale of 0.01.
        for (a, b) in [(&a.signal, &b.signal), (&a.snr, &b.snr), (&a.self_overlap, &b.self_overlap), (&a.dimensionality, &b.dimensionality)] {
            same(&b.values, &a.values, 1e-8, "invariant");
        }
        let scaled: Vec<f64> = a.radius.values.iter().map(|r| r * scale).collect();
        same(&b.radius.values, &scaled, 1e-8, "radius");
    }
}
