//! The shared decomposition against one encoding model for each number of components.

use faer::Mat;
use proptest::prelude::*;

use super::*;
use crate::analysis::encoding::{Components, Selection};
use crate::dataset::Dataset;
use crate::rng::Stream;
use crate::{AnalysisSpec, Device, Silent, analysis};

fn noise(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    // Columns of different lengths, so that the order of components is clear.
    Mat::from_fn(n, p, |_, j| rng.normal() * (1.0 + count(p - j)))
}

fn dataset(m: &Mat<f64>) -> Dataset {
    Dataset::from_rows("", m.nrows(), m.ncols(), Array::from_mat(m.as_ref()).values).expect("a full matrix")
}

/// Features (n x p), targets from the first ones with noise, and 25 reference rows.
fn inputs(n: usize, p: usize) -> Inputs {
    let (x, e) = (noise(n, p, 1), noise(n, 3, 2));
    let y = Mat::from_fn(n, 3, |i, k| x[(i, k)] + 0.3 * x[(i, k + 1)] + e[(i, k)] + 5.0);
    let mut inputs = Inputs::default();
    inputs.insert("X", dataset(&x));
    inputs.insert("Y", dataset(&y));
    inputs.insert("R", dataset(&noise(25, p, 3)));
    inputs
}

fn spec(model: Model, reference: Option<&str>, num_pcs: &[u32]) -> Spec {
    Spec {
        features: "X".into(),
        targets: "Y".into(),
        reference: reference.map(Into::into),
        model,
        cv: Cv::Kfold { k: 4, shuffle: false, seed: 0 },
        num_pcs: num_pcs.to_vec(),
        ..Spec::default()
    }
}

fn try_run(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<crate::Warning>), Error> {
    let result = pollster::block_on(analysis::run(&AnalysisSpec::DimensionUse(spec.clone()), inputs, &Device::cpu(), &Silent))?;
    let analysis::Output::DimensionUse(output) = result.output else { panic!("another analysis answered") };
    Ok((output, result.warnings))
}

fn encoded(spec: &Spec, k: u32, inputs: &Inputs) -> encoding::Output {
    let one = encoding::Spec {
        features: "X".into(),
        targets: "Y".into(),
        model: at_most(&spec.model, k),
        pca: Some(Components { components: k, reference: spec.reference.clone() }),
        cv: spec.cv.clone(),
        ..encoding::Spec::default()
    };
    let result = pollster::block_on(analysis::run(&AnalysisSpec::Encoding(one), inputs, &Device::cpu(), &Silent)).expect("runs");
    let analysis::Output::Encoding(output) = result.output else { panic!("another analysis answered") };
    output
}

#[track_caller]
fn agrees(spec: &Spec, inputs: &Inputs, tolerance: f64) {
    let (output, _) = try_run(spec, inputs).expect("runs");
    assert_eq!(output.num_pcs, spec.num_pcs);
    for (i, &k) in output.num_pcs.iter().enumerate() {
        let want = encoded(spec, k, inputs);
        for (target, want) in want.per_target_r.values.iter().enumerate() {
            let got = output.per_target_r.row(i)[target];
            assert!((got - want).abs() < tolerance, "{:?}, k = {k}, target {target}: r {got}, not {want}", spec.model);
        }
        for (target, want) in want.per_target_r2.values.iter().enumerate() {
            let got = output.per_target_r2.row(i)[target];
            assert!(
                (got - want).abs() < tolerance * want.abs().max(1.0),
                "{:?}, k = {k}, target {target}: R2 {got}, not {want}",
                spec.model
            );
        }
        assert!((output.scores[i].expect("defined") - want.median_r.expect("defined")).abs() < tolerance, "median r at k = {k}");
    }
}

fn ridge(alphas: &[f64], selection: Selection) -> Model {
    Model::Ridge { alphas: alphas.to_vec(), selection }
}

#[test]
fn one_decomposition_gives_what_each_model_gives() {
    let grid = [0.0, 1.0, 30.0, 1000.0, 1e5];
    for (n, p, num_pcs) in [(40, 10, vec![1, 2, 3, 5, 10]), (16, 30, vec![1, 3, 6, 11])] {
        let inputs = inputs(n, p);
        for model in [
            Model::Ols,
            ridge(&[7.0], Selection::LeaveOneOut),
            ridge(&grid, Selection::LeaveOneOut),
            ridge(&grid, Selection::Gcv),
            ridge(&grid, Selection::Kfold { k: 3 }),
            Model::Pls { components: 2 },
        ] {
            agrees(&spec(model, None, &num_pcs), &inputs, 1e-8);
        }
    }
}

#[test]
fn components_of_a_reference_serve_all_splits() {
    let inputs = inputs(24, 30);
    // 18 training rows: 20 and 24 components are more than them.
    for model in [Model::Ols, ridge(&[1.0, 100.0], Selection::LeaveOneOut), Model::Pls { components: 3 }] {
        agrees(&spec(model, Some("R"), &[1, 2, 7, 17, 20, 24]), &inputs, 1e-7);
    }
}

#[test]
fn scores_that_depend_on_each_other_are_fitted_one_by_one() {
    // All rows of the features lie in three dimensions, the reference in six: reference scores of the rows are dependent.
    let x = noise(20, 3, 4) * noise(3, 6, 5);
    let mut inputs = inputs(20, 6);
    inputs.insert("X", dataset(&x));
    agrees(&spec(Model::Ols, Some("R"), &[1, 2, 3, 4, 6]), &inputs, 1e-7);
}

#[test]
fn numbers_of_components_are_cut_at_what_there_is() {
    let inputs = inputs(40, 10);
    let (output, _) = try_run(&Spec { num_pcs: default_counts(), ..spec(Model::Ols, None, &[]) }, &inputs).expect("runs");
    assert_eq!((output.num_pcs, output.ambient_dim), (vec![1, 2, 3, 4, 6, 9], 10));
    let (output, _) = try_run(&spec(Model::Ols, None, &[6, 2, 6, 99]), &inputs).expect("runs");
    assert_eq!(output.num_pcs, [2, 6]);
    assert_eq!((output.per_split_r.shape, output.per_target_r.shape), (vec![2, 4], vec![2, 3]));
}

#[test]
fn default_numbers_are_log_spaced() {
    let mut want: Vec<u32> =
        (0..=20).map(|j| (2048f64.powf(f64::from(j) / 20.0) + 1e-9).floor()).map(|k| format!("{k}").parse().expect("whole")).collect();
    want.dedup();
    assert_eq!(default_counts(), want);
}

#[test]
fn the_reach_is_the_first_number_that_is_enough() {
    let scores = [Some(0.2), Some(0.58), None, Some(0.6), Some(0.59)];
    assert_eq!(reach(&[1, 2, 3, 4, 5], &scores), Some(Reach { best: 0.6, best_num_pcs: 4, enough_num_pcs: 2 }));
    assert_eq!(reach(&[1], &[Some(-0.1)]), None);
}

#[test]
fn maps_with_axes_are_pooled() {
    let base = noise(20, 4, 6);
    let maps = ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&[20, 4, 2, 2]), |at| base[(at[0], at[1])] - count(at[2] + at[3]));
    let mut inputs = inputs(20, 4);
    inputs.insert("M", Dataset::from_f64("M", maps));
    inputs.insert("X", dataset(&base));
    let flat = spec(Model::Ols, None, &[1, 2, 4]);
    let (want, _) = try_run(&flat, &inputs).expect("runs");
    let (got, _) = try_run(&Spec { features: "M".into(), ..flat }, &inputs).expect("runs");
    assert_eq!((got.ambient_dim, got.scores), (4, want.scores), "the maximum over positions is the base");
}

#[test]
fn features_without_variance_have_no_score_and_do_not_fail() {
    let mut inputs = inputs(20, 4);
    inputs.insert("X", dataset(&Mat::from_fn(20, 4, |_, _| 3.0)));
    for model in [Model::Ols, ridge(&[1.0, 2.0], Selection::Gcv), ridge(&[1.0, 2.0], Selection::LeaveOneOut), Model::Pls { components: 2 }]
    {
        for reference in [None, Some("R"), Some("X")] {
            let (output, warnings) = try_run(&spec(model.clone(), reference, &[1, 3]), &inputs).expect("runs");
            assert_eq!((output.scores, output.reach), (vec![None, None], None), "{model:?}");
            assert!(warnings.iter().any(|w| w.code == "constant_predictions"), "{warnings:?}");
        }
    }
}

#[test]
fn mistakes_have_their_sentences() {
    let inputs = inputs(20, 6);
    let refused = |spec: Spec, field: &str, words: &str| {
        let error = try_run(&spec, &inputs).expect_err("refused");
        assert_eq!(error.field(), Some(field), "{error}");
        assert!(error.to_string().contains(words), "{error} has {words}");
    };
    refused(spec(Model::Ols, None, &[0, 2]), "num_pcs", "at least 1");
    refused(spec(Model::Ols, None, &[7]), "num_pcs", "15 rows of 6 features have at most 6");
    refused(spec(Model::BestUnit, None, &[1]), "model.name", "best_unit");
    refused(spec(Model::Pls { components: 0 }, None, &[1]), "model.components", "0 components");
    refused(spec(ridge(&[], Selection::Gcv), None, &[1]), "model.alphas", "empty");
    let message = try_run(&spec(Model::Ols, Some("Y"), &[1]), &inputs).expect_err("other columns").to_string();
    assert!(message.contains("each 6 as in X") && message.contains("20 x 3"), "{message}");
    refused(Spec { targets: "R".into(), ..spec(Model::Ols, None, &[1]) }, "X", "X has 20 rows but R has 25");
}

#[test]
fn an_old_spec_still_loads() {
    let spec = AnalysisSpec::from_json(r#"{"kind":"dimension_use","features":"X","targets":"Y"}"#).expect("reads");
    assert_eq!(spec, AnalysisSpec::DimensionUse(Spec { features: "X".into(), targets: "Y".into(), ..Spec::default() }));
    let shapes = inputs(40, 10).shapes();
    let estimate = spec.estimate(&shapes);
    assert!(estimate.flops > 1e4 && estimate.flops < 1e8 && estimate.peak_bytes > 3000.0, "{estimate:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rotations_of_the_features_change_nothing(seed in 0u64..1000, angle in 0.1f64..3.0) {
        let mut inputs = inputs(30, 6);
        let x = noise(30, 6, seed);
        inputs.insert("X", dataset(&x));
        let plain = spec(ridge(&[1.0, 50.0], Selection::LeaveOneOut), None, &[1, 2, 5]);
        let (want, _) = try_run(&plain, &inputs).expect("runs");
        let (s, c) = angle.sin_cos();
        let turned = Mat::from_fn(30, 6, |i, j| match j { 0 => c * x[(i, 0)] - s * x[(i, 3)], 3 => s * x[(i, 0)] + c * x[(i, 3)], _ => x[(i, j)] });
        inputs.insert("X", dataset(&turned));
        let (got, _) = try_run(&plain, &inputs).expect("runs");
        for (a, b) in got.per_target_r2.values.iter().zip(&want.per_target_r2.values) {
            prop_assert!((a - b).abs() < 1e-8, "{a} and {b}");
        }
    }
}
