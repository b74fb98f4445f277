//! The GPU path against the CPU path on the same inputs.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use eigenscope::analysis::{Context, Output, few_shot, manifolds, projection};
use eigenscope::compute::DeviceKind;
use eigenscope::dataset::LabelColumn;
use eigenscope::labels::Labels;
use eigenscope::rng::Stream;
use eigenscope::{AnalysisSpec, Array, Dataset, Device, DeviceChoice, Inputs, Silent, analysis};
use faer::Mat;

use crate::support::{gpu, gpu_kind};

/// What every analysis that is built on encoding models gives on the GPU, against the CPU.
#[test]
fn predictions_from_the_gpu_agree_with_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut inputs = Inputs::default();
    let dataset = |m: &Mat<f64>| {
        let values = (0..m.nrows()).flat_map(|i| (0..m.ncols()).map(move |j| m[(i, j)])).collect();
        Dataset::from_rows("", m.nrows(), m.ncols(), values).expect("a full matrix")
    };
    let (x, w, noise) = (random(80, 20, 3), random(80, 100, 4), random(80, 6, 5));
    let y = Mat::from_fn(80, 6, |i, k| x[(i, k)] + 0.5 * w[(i, 2 * k)] + noise[(i, k)]);
    inputs.insert("X", dataset(&x));
    inputs.insert("W", dataset(&w));
    inputs.insert("Y", dataset(&y));
    let specs = [
        r#"{"kind":"dimension_use","features":"X","targets":"Y","cv":{"scheme":"kfold","k":4}}"#,
        r#"{"kind":"dimension_use","features":"W","targets":"Y","reference":"W","model":{"name":"ridge","alphas":[1,100]}}"#,
        r#"{"kind":"dimension_use","features":"W","targets":"Y","model":{"name":"pls","components":3}}"#,
        r#"{"kind":"variance_partition","spaces":["X","W"],"targets":"Y","model":{"name":"ridge","alphas":[1,100]}}"#,
        r#"{"kind":"variance_partition","spaces":["X","W"],"targets":"Y","model":{"name":"ols"},"cv":null}"#,
        r#"{"kind":"encoding","features":"W","targets":"Y","model":{"name":"best_unit"}}"#,
    ];
    for text in specs {
        let spec = AnalysisSpec::from_json(text).expect("a spec");
        let on = |device: &Device| {
            let result = pollster::block_on(analysis::run(&spec, &inputs, device, &Silent)).expect("runs");
            serde_json::to_value(&result.output).expect("serializes")
        };
        let (cpu, from_gpu) = (on(&Device::cpu()), on(&gpu));
        same_numbers(&cpu, &from_gpu, text);
    }
}

#[test]
fn what_the_gpu_rounds_is_said() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let values: Vec<f64> = {
        let x = random(12, 5, 1);
        (0..60).map(|i| x[(i / 5, i % 5)]).collect()
    };
    let double = Dataset::from_rows("", 12, 5, values.clone()).expect("a full matrix");
    #[expect(clippy::cast_possible_truncation, reason = "that is what is tested")]
    let single = Dataset::from_f32(
        "",
        ndarray::Array::from_shape_vec((12, 5), values.iter().map(|v| *v as f32).collect()).expect("fits").into_dyn(),
    );
    let said = |dataset: &Dataset, device: &Device, kind: &str| {
        let mut inputs = Inputs::default();
        inputs.insert("X", dataset.clone());
        let spec = AnalysisSpec::from_json(kind).expect("a spec");
        let result = pollster::block_on(analysis::run(&spec, &inputs, device, &Silent)).expect("runs");
        result.warnings.iter().any(|warning| warning.code == "single_precision" && warning.message.starts_with("X is float64"))
    };
    let spectrum = r#"{"kind":"dimensionality","inputs":["X"]}"#;
    assert!(said(&double, &gpu, spectrum), "float64 on a GPU");
    assert!(!said(&single, &gpu, spectrum), "float32 is what the GPU takes");
    assert!(!said(&double, &Device::cpu(), spectrum), "the CPU keeps float64");
    let on_host = r#"{"kind":"rdm","input":"X","measure":"minkowski"}"#;
    assert!(!said(&double, &gpu, on_host), "nothing of it is contracted, although the GPU was used before");
}

/// Numbers within 1e-4 (scores are at most about 1; percentages are of sums of them).
fn same_numbers(a: &serde_json::Value, b: &serde_json::Value, what: &str) {
    use serde_json::Value;
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{what}: {a} on the CPU, {b} on the GPU");
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a.iter().zip(b).for_each(|(a, b)| same_numbers(a, b, what)),
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => a.iter().for_each(|(key, a)| same_numbers(a, &b[key], what)),
        (a, b) => assert_eq!(a, b, "{what}"),
    }
}

/// Held while a test computes on the GPU: it belongs to one thread at a time.
static TURN: Mutex<()> = Mutex::new(());

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

/// Largest difference relative to the product of the norms of the contracted columns.
fn relative_difference(a: &Mat<f64>, b: &Mat<f64>, x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    let norm = |m: &Mat<f64>, j: usize| m.col(j).norm_l2();
    let mut worst = 0.0f64;
    for i in 0..a.nrows() {
        for j in 0..a.ncols() {
            worst = worst.max((a[(i, j)] - b[(i, j)]).abs() / (norm(x, i) * norm(y, j)));
        }
    }
    worst
}

#[test]
fn gpu_contractions_agree_with_f64() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(gpu.info().kind, if gpu_kind() == DeviceChoice::Cuda { DeviceKind::Cuda } else { DeviceKind::Vulkan });
    let cpu = Device::cpu();
    let mut report = String::new();
    // Around the block of 1024 rows and with ragged ends.
    for (n, p, q) in [(1, 1, 1), (7, 3, 5), (300, 65, 33), (2500, 70, 40)] {
        let (x, y) = (random(n, p, 1), random(n, q, 2));
        let on = |device: &Device| {
            let gram = pollster::block_on(device.gram_columns(x.as_ref())).expect("gram");
            let cross = pollster::block_on(device.cross(x.as_ref(), y.as_ref())).expect("cross");
            (gram, cross)
        };
        let ((gram, cross), (gram_gpu, cross_gpu)) = (on(&cpu), on(&gpu));
        let worst = relative_difference(&gram, &gram_gpu, &x, &x).max(relative_difference(&cross, &cross_gpu, &x, &y));
        writeln!(report, "{n} x {p}: {worst:.1e}").expect("writing to a string");
        // An f32 product has 6e-8 a term; sums of 1,024 terms stay below 1e-6 of the norms.
        assert!(worst < 1e-6, "{report}");
    }
    println!("{report}");
}

#[test]
fn class_manifolds_agree_between_devices() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // Five classes of unequal size, away from the origin, in more and in fewer dimensions than rows.
    for p in [12, 300] {
        let x = random(90, p, 4);
        let code = |i: usize| i * i % 7 % 5;
        let values = (0..90).flat_map(|i| (0..p).map(move |j| (i, j))).map(|(i, j)| {
            let center = f64::from(u8::from(j % 5 == code(i)));
            x[(i, j)] + 4.0 * center + 10.0
        });
        let mut inputs = Inputs::default();
        inputs.insert("X", Dataset::from_rows("X", 90, p, values.collect()).expect("fits"));
        let labels = (0..90).map(|i| f64::from(u8::try_from(code(i)).expect("small"))).collect();
        inputs.insert("L", Dataset::from_rows("L", 90, 1, labels).expect("fits"));
        let labels = Labels { input: "L".into(), column: None };
        let spec = manifolds::Spec { features: "X".into(), labels, ..manifolds::Spec::default() };
        let on = |device: &Device| pollster::block_on(manifolds::run(&spec, &inputs, &Context::new(device, &Silent))).expect("runs");
        let (a, b) = (on(&Device::cpu()), on(&gpu));
        let compare = |name: &str, a: &Array, b: &Array| {
            for (a, b) in a.values.iter().zip(&b.values) {
                assert!(
                    a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-5 * a.abs(),
                    "{name} of {p} features: {a} on the CPU, {b} on the GPU"
                );
            }
        };
        compare("dimensionality", &a.dimensionality, &b.dimensionality);
        compare("signal", &a.signal, &b.signal);
        compare("own overlap", &a.self_overlap, &b.self_overlap);
        compare("other overlap", &a.other_overlap, &b.other_overlap);
        compare("SNR", &a.snr, &b.snr);
        println!("{p} features: compared on {}", gpu.info().name);
        assert_eq!(a.radius, b.radius, "sums of squares are taken on the host");
    }
}
/// Products of several networks at once, and what is made of them.
#[test]
fn shapes_of_populations_agree_between_devices() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut inputs = Inputs::default();
    for i in 0..5u64 {
        let x = random(60, 20 + usize::try_from(i).expect("small"), i);
        let values = (0..60).flat_map(|r| (0..x.ncols()).map(|c| x[(r, c)]).collect::<Vec<_>>()).collect();
        inputs.insert(format!("n{i}"), Dataset::from_rows("", 60, x.ncols(), values).expect("fits"));
    }
    for options in [r#""alpha":0.5"#, r#""metric":"permutation","train_fraction":0.7"#, r#""metric":"cka""#, r#""n_folds":3"#] {
        let spec = format!(r#"{{"kind":"shape_distance","inputs":["n0","n1","n2","n3","n4"],{options}}}"#);
        let spec = AnalysisSpec::from_json(&spec).expect("a spec");
        let on = |device: &Device| {
            let result = pollster::block_on(analysis::run(&spec, &inputs, device, &Silent)).expect("runs");
            serde_json::to_value(&result.output).expect("serializes")
        };
        same_numbers(&on(&Device::cpu()), &on(&gpu), options);
    }
}

/// 8 classes of 12 rows that overlap, 60 features, as X with labels L.
fn overlapping_classes() -> Inputs {
    let mut rng = Stream::new(3, 0);
    let centers: Vec<f64> = (0..8 * 60).map(|_| rng.normal() * 0.3).collect();
    let x = (0..96 * 60).map(|i| centers[i / 60 / 12 * 60 + i % 60] + rng.normal() + 2.0).collect();
    let mut inputs = Inputs::default();
    inputs.insert("X", Dataset::from_rows("X", 96, 60, x).expect("the shape fits"));
    let mut table = Dataset::from_rows("L", 96, 0, Vec::new()).expect("no columns");
    table.labels = vec![LabelColumn { name: "kind".into(), values: (0..96).map(|i| format!("{}", i / 12)).collect() }];
    inputs.insert("L", table);
    inputs
}

fn run(spec: &AnalysisSpec, device: &Device) -> Output {
    pollster::block_on(eigenscope::run(spec, &overlapping_classes(), device, &Silent)).expect("runs").output
}

#[test]
fn few_shot_agrees_between_devices() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let classifiers = vec![few_shot::Classifier::Prototype, few_shot::Classifier::Linear, few_shot::Classifier::Maxmargin];
    let labels = Labels { input: "L".into(), column: None };
    let spec = few_shot::Spec { features: "X".into(), labels, classifiers, n_train: vec![1, 5], n_test: 6, ..Default::default() };
    let spec = AnalysisSpec::FewShot(spec);
    let (Output::FewShot(cpu), Output::FewShot(gpu)) = (run(&spec, &Device::cpu()), run(&spec, &gpu)) else { panic!("few-shot") };
    for (a, b) in cpu.rows.iter().zip(&gpu.rows) {
        // Of 48 held-out samples one may lie between two classes to within 1e-6.
        assert!((a.top1 - b.top1).abs() < 1.5 / 48.0, "{a:?} and {b:?}");
        assert!(a.log_likelihood.zip(b.log_likelihood).is_none_or(|(a, b)| (a - b).abs() < 1e-4), "{a:?} and {b:?}");
    }
}

#[test]
fn projections_agree_between_devices() {
    let Some(gpu) = gpu() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let labels = Labels { input: "L".into(), column: None };
    let spec = AnalysisSpec::Projection(projection::Spec { features: "X".into(), labels, ..Default::default() });
    let (Output::Projection(cpu), Output::Projection(gpu)) = (run(&spec, &Device::cpu()), run(&spec, &gpu)) else { panic!("projection") };
    let close = |a: &Array, b: &Array| a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(close(&cpu.projections_raw, &gpu.projections_raw), "f32 products of centered samples");
    assert!(close(&cpu.scaled_projections, &gpu.scaled_projections), "the same over the radius");
    assert_eq!(cpu.centroid_distances, gpu.centroid_distances, "on the host");
}
