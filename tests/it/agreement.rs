//! The GPU path against the CPU path on the same inputs.

use std::fmt::Write as _;

use eigenscope::analysis::{Output, few_shot, projection};
use eigenscope::compute::DeviceKind;
use eigenscope::dataset::LabelColumn;
use eigenscope::labels::Labels;
use eigenscope::rng::Stream;
use eigenscope::{AnalysisSpec, Array, Dataset, Device, DeviceChoice, Inputs, Silent};
use faer::Mat;

/// The GPU, or `None` with a printed reason.
pub(crate) fn gpu() -> Option<Device> {
    match pollster::block_on(Device::open(DeviceChoice::Vulkan)) {
        Ok(device) => Some(device),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

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
    assert_eq!(gpu.info().kind, DeviceKind::Vulkan);
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
    let labels = Labels { input: "L".into(), column: None };
    let spec = AnalysisSpec::Projection(projection::Spec { features: "X".into(), labels, ..Default::default() });
    let (Output::Projection(cpu), Output::Projection(gpu)) = (run(&spec, &Device::cpu()), run(&spec, &gpu)) else { panic!("projection") };
    let close = |a: &Array, b: &Array| a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < 1e-4);
    assert!(close(&cpu.projections_raw, &gpu.projections_raw), "f32 products of centered samples");
    assert!(close(&cpu.scaled_projections, &gpu.scaled_projections), "the same over the radius");
    assert_eq!(cpu.centroid_distances, gpu.centroid_distances, "on the host");
}
