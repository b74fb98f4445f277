//! Parts against plain least squares and ridge, identities, refusals.

use faer::Mat;
use proptest::prelude::*;

use super::*;
use crate::analysis::encoding::Selection;
use crate::dataset::Dataset;
use crate::rng::Stream;
use crate::{AnalysisSpec, Device, Silent, analysis};

fn noise(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn dataset(m: &Mat<f64>) -> Dataset {
    Dataset::from_rows("", m.nrows(), m.ncols(), Array::from_mat(m.as_ref()).values).expect("a full matrix")
}

/// Spaces of these widths that overlap, targets that use all of them.
fn inputs(n: usize, widths: &[usize], seed: u64) -> Inputs {
    let shared = noise(n, 2, seed);
    let mut inputs = Inputs::default();
    let mut y = noise(n, 3, seed + 1);
    for (b, &width) in widths.iter().enumerate() {
        let own = noise(n, width, seed + 2 + b as u64);
        let x = Mat::from_fn(n, width, |i, j| own[(i, j)] + shared[(i, j % 2)]);
        for k in 0..3 {
            for i in 0..n {
                y[(i, k)] += x[(i, k % width)] * count(k + b + 1) * 0.5;
            }
        }
        inputs.insert(["one", "two", "three", "four", "five"][b], dataset(&x));
    }
    inputs.insert("Y", dataset(&y));
    inputs
}

fn spec(m: usize, model: Model, cv: Option<Cv>) -> Spec {
    Spec { spaces: ["one", "two", "three", "four", "five"][..m].iter().map(|&s| s.into()).collect(), targets: "Y".into(), model, cv }
}

fn folds(k: u32) -> Option<Cv> {
    Some(Cv::Kfold { k, shuffle: false, seed: 0 })
}

fn try_run(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<crate::Warning>), Error> {
    let result = pollster::block_on(analysis::run(&AnalysisSpec::VariancePartition(spec.clone()), inputs, &Device::cpu(), &Silent))?;
    let analysis::Output::VariancePartition(output) = result.output else { panic!("another analysis answered") };
    Ok((output, result.warnings))
}

/// R2 of an encoding model on these spaces side by side.
fn encoded(spec: &Spec, spaces: &[&str], inputs: &Inputs) -> Vec<f64> {
    let mats: Vec<Mat<f64>> = spaces.iter().map(|s| inputs.matrix("", s).expect("there").to_mat()).collect();
    let width: usize = mats.iter().map(Mat::ncols).sum();
    let columns: Vec<(usize, usize)> = mats.iter().enumerate().flat_map(|(b, m)| (0..m.ncols()).map(move |j| (b, j))).collect();
    let x = Mat::from_fn(mats[0].nrows(), width, |i: usize, at: usize| mats[columns[at].0][(i, columns[at].1)]);
    let mut inputs = inputs.clone();
    inputs.insert("X", dataset(&x));
    let one = encoding::Spec {
        features: "X".into(),
        targets: "Y".into(),
        model: spec.model.clone(),
        cv: spec.cv.clone().expect("held out"),
        ..encoding::Spec::default()
    };
    let result = pollster::block_on(analysis::run(&AnalysisSpec::Encoding(one), &inputs, &Device::cpu(), &Silent)).expect("runs");
    let analysis::Output::Encoding(output) = result.output else { panic!("another analysis answered") };
    output.per_target_r2.values
}

fn ridge(alphas: &[f64]) -> Model {
    Model::Ridge { alphas: alphas.to_vec(), selection: Selection::LeaveOneOut }
}

#[test]
fn models_are_those_of_the_features_side_by_side() {
    // Columns, kernels for all subsets, kernels for the wide ones only.
    for widths in [[3, 4, 2], [40, 50, 60], [5, 40, 8]] {
        let inputs = inputs(48, &widths, 1);
        for model in [Model::Ols, ridge(&[2.0]), ridge(&[0.1, 10.0, 1000.0])] {
            let spec = spec(3, model.clone(), folds(4));
            let (output, _) = try_run(&spec, &inputs).expect("runs");
            for (i, subset) in output.models.iter().enumerate() {
                let names: Vec<&str> = subset.spaces.iter().map(String::as_str).collect();
                for (target, want) in encoded(&spec, &names, &inputs).into_iter().enumerate() {
                    let got = output.per_target_r2.row(target)[i];
                    assert!((got - want).abs() < 1e-8 * want.abs().max(1.0), "{widths:?}, {model:?}, {names:?}: {got}, not {want}");
                }
            }
        }
    }
}

#[test]
fn rows_are_named_and_add_up() {
    let inputs = inputs(60, &[3, 4, 2], 5);
    let (two, _) = try_run(&spec(2, Model::Ols, folds(5)), &inputs).expect("runs");
    assert_eq!(two.parts.iter().map(|p| p.row.as_str()).collect::<Vec<_>>(), ["Unique_A", "Unique_B", "Common_A_and_B", "Total"]);
    assert_eq!(two.parts[2].spaces, ["one", "two"]);
    let r2 = |i: usize| two.models[i].r2.expect("defined");
    let want = [r2(2) - r2(1), r2(2) - r2(0), r2(0) + r2(1) - r2(2), r2(2)];
    for (part, want) in two.parts.iter().zip(want) {
        assert!((part.coefficient.expect("defined") - want).abs() < 1e-12, "{part:?}, not {want}");
        assert!((part.percent_total.expect("defined") - 100.0 * want / want_total(&two)).abs() < 1e-9, "{part:?}");
    }
    let (three, _) = try_run(&spec(3, Model::Ols, folds(5)), &inputs).expect("runs");
    let names: Vec<&str> = three.parts.iter().map(|p| p.row.as_str()).collect();
    let common = ["Common_A_and_B", "Common_A_and_C", "Common_B_and_C", "Common_A_and_B_and_C", "Total"];
    assert_eq!(names, [&["Unique_A", "Unique_B", "Unique_C"][..], &common].concat());
}

fn want_total(output: &Output) -> f64 {
    output.models.last().and_then(|m| m.r2).expect("defined")
}

#[test]
fn four_spaces_are_the_most() {
    let inputs = inputs(60, &[2, 2, 2, 2, 2], 7);
    let (four, _) = try_run(&spec(4, Model::Ols, None), &inputs).expect("runs");
    assert_eq!((four.parts.len(), four.n_splits, &four.per_target.shape[..]), (16, 0, &[3, 15][..]));
    let refused = |spec: Spec, field: &str, words: &str| {
        let error = try_run(&spec, &inputs).expect_err("refused");
        assert_eq!(error.field(), Some(field), "{error}");
        assert!(error.to_string().contains(words), "{error} has {words}");
    };
    refused(spec(5, Model::Ols, None), "spaces", "5 feature spaces");
    refused(spec(1, Model::Ols, None), "spaces", "1 feature spaces");
    refused(Spec { spaces: vec!["one".into(), "one".into()], ..spec(2, Model::Ols, None) }, "spaces", "\"one\" is given twice");
    refused(spec(2, Model::Pls { components: 2 }, None), "model.name", "pls");
    refused(spec(2, ridge(&[-1.0]), None), "model.alphas", "-1");
    refused(spec(2, Model::Ols, folds(61)), "cv.k", "60 rows");
    let mut short = inputs.clone();
    short.insert("two", dataset(&noise(59, 2, 1)));
    let message = try_run(&spec(2, Model::Ols, None), &short).expect_err("rows differ").to_string();
    assert!(message.contains("two has 59 rows but Y has 60"), "{message}");
}

#[test]
fn independent_spaces_share_nothing_in_sample() {
    // Orthogonal columns: Fourier waves.
    let wave = |i: usize, f: usize| (std::f64::consts::TAU * count(f) * count(i) / 40.0).sin();
    let mut inputs = Inputs::default();
    inputs.insert("one", dataset(&Mat::from_fn(40, 2, |i, j| wave(i, j + 1))));
    inputs.insert("two", dataset(&Mat::from_fn(40, 2, |i, j| wave(i, j + 3))));
    inputs.insert("Y", dataset(&Mat::from_fn(40, 1, |i, _| 3.0 * wave(i, 1) + wave(i, 4) + wave(i, 9) + 7.0)));
    let (output, warnings) = try_run(&spec(2, Model::Ols, None), &inputs).expect("runs");
    let got: Vec<f64> = output.parts.iter().map(|p| p.coefficient.expect("defined")).collect();
    for (got, want) in got.iter().zip([9.0 / 11.0, 1.0 / 11.0, 0.0, 10.0 / 11.0]) {
        assert!((got - want).abs() < 1e-12, "{got}, not {want}");
    }
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn constant_targets_are_named_and_left_out() {
    let mut inputs = inputs(40, &[3, 3], 9);
    let y = inputs.matrix("", "Y").expect("there").to_mat();
    inputs.insert("Y", dataset(&Mat::from_fn(40, 3, |i, k| if k == 1 { 0.1 } else { y[(i, k)] })));
    let (output, warnings) = try_run(&spec(2, Model::Ols, folds(4)), &inputs).expect("runs");
    assert_eq!(output.n_left_out, 1);
    assert!(warnings.iter().any(|w| w.code == "constant_targets" && w.message.contains("column 2")), "{warnings:?}");
    assert!(output.per_target.row(1).iter().all(|v| v.is_nan()), "no parts");
    let mean = (output.per_target.row(0)[0] + output.per_target.row(2)[0]) / 2.0;
    assert!((output.parts[0].coefficient.expect("others") - mean).abs() < 1e-12, "mean over the others");
    let text = serde_json::to_string(&output).expect("serializes");
    assert!(!text.contains("NaN") && text.contains("\"Row\":\"Unique_A\"") && text.contains("Percent_Total"), "{text}");
    inputs.insert("Y", dataset(&Mat::from_fn(40, 3, |_, _| 2.0)));
    let (output, _) = try_run(&spec(2, Model::Ols, folds(4)), &inputs).expect("runs");
    assert!(output.parts.iter().all(|p| p.coefficient.is_none() && p.percent_total.is_none()), "{:?}", output.parts);
}

#[test]
fn an_exact_fit_in_sample_is_said() {
    let inputs = inputs(12, &[8, 9], 11);
    let (output, warnings) = try_run(&spec(2, Model::Ols, None), &inputs).expect("runs");
    assert!((want_total(&output) - 1.0).abs() < 1e-10, "17 features pass through 12 rows");
    assert!(warnings.iter().any(|w| w.code == "saturated"), "{warnings:?}");
}

#[test]
fn a_spec_without_splits_is_in_sample_and_a_bare_one_has_ten_folds() {
    let read = |text: &str| AnalysisSpec::from_json(text).expect("reads");
    let AnalysisSpec::VariancePartition(spec) = read(r#"{"kind":"variance_partition","spaces":["A","B"],"targets":"Y"}"#) else {
        panic!("kind")
    };
    assert_eq!((spec.cv.clone(), spec.inputs()), (Some(Cv::default()), vec!["A".into(), "B".into(), "Y".into()]));
    let AnalysisSpec::VariancePartition(spec) = read(r#"{"kind":"variance_partition","cv":null}"#) else { panic!("kind") };
    assert_eq!(spec.cv, None);
    let shapes = inputs(60, &[3, 4], 1).shapes();
    let spec = Spec { spaces: vec!["one".into(), "two".into()], targets: "Y".into(), ..Spec::default() };
    let estimate = spec.estimate(&shapes);
    assert!(estimate.flops > 1e4 && estimate.flops < 1e8 && estimate.peak_bytes > 1000.0, "{estimate:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_every_target_add_up_to_the_full_model(seed in 0u64..1000, m in 2usize..5, wide in any::<bool>()) {
        let widths = if wide { [20, 3, 25, 4] } else { [2, 3, 1, 2] };
        let inputs = inputs(30, &widths[..m], seed);
        let (output, _) = try_run(&spec(m, ridge(&[1.0, 100.0]), folds(3)), &inputs).expect("runs");
        let last = output.models.len() - 1;
        for target in 0..3 {
            let sum: f64 = output.per_target.row(target).iter().sum();
            prop_assert!((sum - output.per_target_r2.row(target)[last]).abs() < 1e-10, "target {target}");
        }
        let total = output.parts.last().and_then(|p| p.coefficient).expect("defined");
        let sum: f64 = output.parts[..=last].iter().map(|p| p.coefficient.expect("defined")).sum();
        prop_assert!((sum - total).abs() < 1e-10, "{sum}, not {total}");
    }
}
