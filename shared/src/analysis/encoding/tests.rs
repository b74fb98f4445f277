//! The analysis as a whole: identities, degenerate data, refusals. Numbers of other programs are in `reference`.

mod prediction;
mod properties;
mod reference;
mod ridge;

use faer::Mat;

use super::*;
use crate::dataset::Dataset;
use crate::rng::{NumpyLegacy, Stream};
use crate::{AnalysisResult, AnalysisSpec, Array, Device, Progress, Silent, analysis};

/// The data of `tests/reference/encoding.py`.
pub(super) fn planted(seed: u32, n: usize, p: usize, t: usize) -> (Mat<f64>, Mat<f64>) {
    let mut rng = NumpyLegacy::new(seed);
    let (mut x, mut y) = (Mat::zeros(n, p), Mat::zeros(n, t));
    for i in 0..n {
        for j in 0..p {
            x[(i, j)] = rng.normal() * (1.0 + columns::count(j) / columns::count(p));
        }
    }
    for i in 0..n {
        for k in 0..t {
            y[(i, k)] = rng.normal() + x[(i, k)] * 2.0 / (1.0 + columns::count(k)) + 3.0;
        }
    }
    (x, y)
}

fn noise(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn dataset(m: &Mat<f64>) -> Dataset {
    Dataset::from_rows("", m.nrows(), m.ncols(), Array::from_mat(m.as_ref()).values).expect("a full matrix")
}

fn inputs(x: &Mat<f64>, y: &Mat<f64>) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.insert("X", dataset(x));
    inputs.insert("Y", dataset(y));
    inputs
}

fn spec(model: Model, cv: Cv) -> Spec {
    Spec { features: "X".into(), targets: "Y".into(), model, cv, ..Spec::default() }
}

fn kfold(k: u32) -> Cv {
    Cv::Kfold { k, shuffle: false, seed: 0 }
}

fn ridge_model(alphas: &[f64], selection: Selection) -> Model {
    Model::Ridge { alphas: alphas.to_vec(), selection }
}

fn try_run(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<crate::Warning>), Error> {
    let spec = AnalysisSpec::Encoding(spec.clone());
    let AnalysisResult { output, warnings, .. } = pollster::block_on(analysis::run(&spec, inputs, &Device::cpu(), &Silent))?;
    let analysis::Output::Encoding(output) = output else { panic!("another analysis answered: {output:?}") };
    Ok((output, warnings))
}

#[track_caller]
fn run_on(spec: &Spec, x: &Mat<f64>, y: &Mat<f64>) -> (Output, Vec<crate::Warning>) {
    try_run(spec, &inputs(x, y)).expect("runs")
}

fn codes(warnings: &[crate::Warning]) -> Vec<&str> {
    warnings.iter().map(|w| w.code.as_str()).collect()
}

#[track_caller]
fn assert_close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: {a} against {b} (tolerance {tolerance})");
}

#[test]
fn a_planted_linear_map_is_recovered_exactly() {
    let x = noise(60, 12, 1);
    let y = &x * noise(12, 4, 2) + Mat::from_fn(60, 4, |_, k| 100.0 * columns::count(k));
    for model in [Model::Ols, ridge_model(&[0.0], Selection::LeaveOneOut), Model::Pls { components: 12 }] {
        let (output, _) = run_on(&spec(model.clone(), kfold(5)), &x, &y);
        assert_close(output.median_r.expect("defined"), 1.0, 1e-10, &format!("{model:?}"));
        assert_close(output.r2_uniform.expect("defined"), 1.0, 1e-10, &format!("{model:?}"));
    }
}

#[test]
fn repeated_columns_change_no_least_squares_prediction() {
    let (x, y) = planted(5, 40, 6, 3);
    let twice = Mat::from_fn(40, 12, |i, j| x[(i, j % 6)]);
    let (once, _) = run_on(&spec(Model::Ols, kfold(4)), &x, &y);
    let (again, _) = run_on(&spec(Model::Ols, kfold(4)), &twice, &y);
    for k in 0..3 {
        assert_close(again.per_target_r2.values[k], once.per_target_r2.values[k], 1e-11, "the span is the same");
    }
}

#[test]
fn features_without_variance_predict_the_training_mean() {
    let (_, y) = planted(5, 30, 6, 3);
    let x = Mat::from_fn(30, 2, |_, j| if j == 0 { 0.1 } else { -1e9 });
    for model in [Model::Ols, Model::default(), Model::Pls { components: 2 }] {
        let mut spec = spec(model.clone(), kfold(3));
        spec.keep_predictions = true;
        let (output, warnings) = run_on(&spec, &x, &y);
        assert_eq!(output.median_r, None, "{model:?}");
        assert!(codes(&warnings).contains(&"constant_predictions"), "{model:?}: {warnings:?}");
        let mean = (10..30).map(|i| y[(i, 1)]).sum::<f64>() / 20.0;
        assert_close(output.predictions.expect("kept").row(0)[1], mean, 1e-13, "training mean");
    }
}

#[test]
fn a_column_that_varies_only_where_held_out_does_no_harm() {
    // Subtracting the held-out sums leaves rounding instead of zero; 1e6 makes it visible.
    let (x, y) = planted(6, 50, 4, 2);
    let extra = Mat::from_fn(50, 5, |i, j| if j < 4 { x[(i, j)] } else { f64::from(u8::from(i < 10)) * 1e6 });
    for alpha in [0.0, 1e-9, 1.0] {
        let model = ridge_model(&[alpha], Selection::LeaveOneOut);
        let (with, _) = run_on(&spec(model.clone(), kfold(5)), &extra, &y);
        let (without, _) = run_on(&spec(model, kfold(5)), &x, &y);
        let (a, b) = (with.per_split[0].median_r.expect("defined"), without.per_split[0].median_r.expect("defined"));
        assert_close(a, b, 1e-9, "the first split never sees the column");
    }
}

#[test]
fn constant_targets_are_named_and_left_out() {
    let (x, mut y) = planted(7, 40, 5, 3);
    for i in 0..40 {
        y[(i, 1)] = 0.1;
    }
    let (output, warnings) = run_on(&spec(Model::default(), kfold(4)), &x, &y);
    assert_eq!(codes(&warnings).iter().filter(|c| **c == "constant_targets").count(), 1, "{warnings:?}");
    let warning = warnings.iter().find(|w| w.code == "constant_targets").expect("there");
    assert!(warning.message.starts_with("1 of 3 targets") && warning.message.contains("column 2"), "{}", warning.message);
    assert!(output.per_target_r.values[1].is_nan() && output.per_target_r2.values[1].is_nan(), "undefined");
    let mean = (output.per_target_r.values[0] + output.per_target_r.values[2]) / 2.0;
    assert_close(output.mean_r.expect("defined"), mean, 1e-12, "mean over the others");
    let largest = default_alphas()[19];
    assert_eq!(output.alpha.expect("ridge").row(0)[1].to_bits(), largest.to_bits(), "ties take the larger penalty");
}

#[test]
fn a_single_held_out_row_has_no_score_but_a_prediction() {
    let (x, y) = planted(8, 12, 2, 1);
    let mut spec = spec(Model::Ols, kfold(12));
    spec.keep_predictions = true;
    let (output, warnings) = run_on(&spec, &x, &y);
    assert_eq!((output.median_r, output.r2_uniform), (None, None));
    assert_eq!(codes(&warnings), ["single_test_row"]);
    assert!(output.predictions.expect("kept").values.iter().all(|v| v.is_finite()), "every row was held out once");
}

#[test]
fn kept_predictions_are_means_over_splits() {
    let (x, y) = planted(9, 30, 3, 2);
    let mut spec = spec(Model::Ols, Cv::ShuffleSplit { n_splits: 2, train_fraction: 0.8, seed: 4 });
    spec.keep_predictions = true;
    let given = inputs(&x, &y);
    let splits = cv::splits(&spec.cv, "X", 30, &given).expect("fits");
    let (output, warnings) = try_run(&spec, &given).expect("runs");
    let kept = output.predictions.expect("asked for");
    let by_hand = |split: &Split, row: usize| {
        let a = columns::take_centered(&x, &split.train, &columns::means(&x, &split.train));
        let b = columns::take_centered(&y, &split.train, &columns::means(&y, &split.train));
        let coefficients = ols::fit(a.as_ref(), b.as_ref()).expect("fits").coefficients();
        let (mx, my) = (columns::means(&x, &split.train), columns::means(&y, &split.train));
        my[1] + (0..3).map(|j| (x[(row, j)] - mx[j]) * coefficients[(j, 1)]).sum::<f64>()
    };
    let mut never = 0;
    for row in 0..30 {
        let values: Vec<f64> = splits.iter().filter(|s| s.test.contains(&row)).map(|s| by_hand(s, row)).collect();
        if values.is_empty() {
            never += 1;
            assert!(kept.row(row)[1].is_nan(), "row {row} was never held out");
        } else {
            assert_close(kept.row(row)[1], values.iter().sum::<f64>() / columns::count(values.len()), 1e-11, "mean prediction");
        }
    }
    assert!(never > 0 && codes(&warnings) == ["rows_not_held_out"], "{warnings:?}");
    assert_eq!(output.observed.expect("kept").values, Array::from_mat(y.as_ref()).values);
}

#[test]
fn pls_stops_at_the_rank_of_the_features() {
    let factors = noise(40, 3, 1);
    let x = &factors * noise(3, 10, 2);
    let y = &factors * noise(3, 5, 3) + noise(40, 5, 4);
    let (output, warnings) = run_on(&spec(Model::Pls { components: 8 }, kfold(4)), &x, &y);
    let (three, none) = run_on(&spec(Model::Pls { components: 3 }, kfold(4)), &x, &y);
    assert_eq!(codes(&warnings), ["fewer_components"]);
    assert!(warnings[0].message.contains("8 components") && warnings[0].message.contains("few as 3"), "{}", warnings[0].message);
    assert!(none.is_empty(), "{none:?}");
    assert_close(output.mean_r.expect("defined"), three.mean_r.expect("defined"), 1e-9, "the rest adds nothing");
}

#[test]
fn pls_with_all_components_is_least_squares() {
    let (x, y) = planted(11, 80, 30, 12);
    let (pls, _) = run_on(&spec(Model::Pls { components: 30 }, kfold(4)), &x, &y);
    let (ols, _) = run_on(&spec(Model::Ols, kfold(4)), &x, &y);
    for k in 0..12 {
        assert_close(pls.per_target_r.values[k], ols.per_target_r.values[k], 1e-8, "all of the features");
    }
}

#[test]
fn bad_specs_are_refused_with_field_and_numbers() {
    let (x, y) = planted(1, 20, 5, 3);
    let refuse = |spec: &Spec, inputs: &Inputs, field: &str, words: &str| {
        let error = try_run(spec, inputs).expect_err("refused");
        assert_eq!(error.field(), Some(field), "{error}");
        assert!(error.to_string().contains(words), "{error} has {words}");
    };
    let good = inputs(&x, &y);
    let loo = Selection::LeaveOneOut;
    for (alphas, words) in [(vec![], "empty"), (vec![1.0, -2.0], "value 2 is -2"), (vec![f64::NAN], "NaN"), (vec![f64::INFINITY], "inf")] {
        refuse(&spec(ridge_model(&alphas, loo), kfold(4)), &good, "model.alphas", words);
    }
    refuse(&spec(ridge_model(&[1.0, 2.0], Selection::Kfold { k: 1 }), kfold(4)), &good, "model.selection.k", "1 folds");
    refuse(&spec(ridge_model(&[1.0, 2.0], Selection::Kfold { k: 16 }), kfold(4)), &good, "model.selection.k", "only 15 rows");
    refuse(&spec(Model::Pls { components: 0 }, kfold(4)), &good, "model.components", "between 1 and 5");
    refuse(&spec(Model::Pls { components: 6 }, kfold(4)), &good, "model.components", "15 training rows and 5 features");
    refuse(&spec(Model::Ols, kfold(21)), &good, "cv.k", "only 20 rows");
    let short = inputs(&x, &noise(19, 3, 1));
    refuse(&spec(Model::Ols, kfold(4)), &short, "X", "X has 20 rows but Y has 19");
    let mut holed = y.clone();
    holed[(3, 2)] = f64::NAN;
    refuse(&spec(Model::Ols, kfold(4)), &inputs(&x, &holed), "Y", "row 4, column 3");
    let mut absent = spec(Model::Ols, kfold(4));
    absent.targets = "Z".into();
    refuse(&absent, &good, "targets", "no input named \"Z\"");
}

#[test]
fn values_whose_squares_overflow_are_refused() {
    let (x, y) = planted(1, 20, 5, 3);
    for scale in [1e160, 1e307] {
        let huge = inputs(&(&x * faer::Scale(scale)), &y);
        for model in [Model::Ols, Model::default(), Model::Pls { components: 2 }] {
            let error = try_run(&spec(model, kfold(4)), &huge).expect_err("refused");
            assert_eq!(error.field(), Some("features"), "{error}");
        }
    }
}

#[test]
fn a_spec_names_the_folds_among_its_inputs() {
    let spec = spec(Model::Ols, Cv::Folds { input: "F".into() });
    assert_eq!(spec.inputs(), ["X", "Y", "F"]);
    let (x, y) = planted(1, 21, 5, 3);
    let mut given = inputs(&x, &y);
    given.insert("F", dataset(&Mat::from_fn(21, 1, |i, _| columns::count(i / 7))));
    let (folds, _) = try_run(&spec, &given).expect("runs");
    let (blocks, _) = try_run(&Spec { cv: kfold(3), ..spec }, &given).expect("runs");
    assert_eq!(folds, blocks);
}

#[test]
fn a_run_is_canceled_between_splits() {
    struct Stop;
    impl Progress for Stop {
        fn step(&self, _done_frac: f64, what: &str) -> Result<(), Error> {
            if what == "split 3 of 4" { Err(Error::Canceled) } else { Ok(()) }
        }
    }
    let (x, y) = planted(1, 20, 5, 3);
    let spec = AnalysisSpec::Encoding(spec(Model::Ols, kfold(4)));
    let result = pollster::block_on(analysis::run(&spec, &inputs(&x, &y), &Device::cpu(), &Stop));
    assert_eq!(result.expect_err("stopped"), Error::Canceled);
}

#[test]
fn estimates_grow_with_the_work() {
    let shapes = inputs(&noise(100, 30, 1), &noise(100, 7, 2)).shapes();
    let cost = |model| spec(model, kfold(5)).estimate(&shapes);
    for model in [Model::Ols, Model::default(), Model::Pls { components: 5 }] {
        let estimate = cost(model);
        assert!(estimate.flops > 1e5 && estimate.flops < 1e9, "{estimate:?}");
        assert!(estimate.peak_bytes > 8.0 * 3700.0 && estimate.peak_bytes < 1e6, "{estimate:?}");
    }
    let folds = cost(ridge_model(&default_alphas(), Selection::Kfold { k: 5 })).flops;
    assert!(folds > cost(ridge_model(&[1.0], Selection::Gcv)).flops, "selection costs");
}

#[test]
fn repetitions_give_a_ceiling_beside_the_raw_score() {
    let (x, y) = planted(4, 60, 5, 3);
    let mut rng = Stream::new(9, 0);
    let repetitions = ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&[6, 60, 3]), |at| y[(at[1], at[2])] + 2.0 * rng.normal());
    let mut inputs = inputs(&x, &y);
    inputs.insert("R", Dataset::from_f64("R", repetitions));
    let plain = spec(Model::Ols, kfold(5));
    let (raw, _) = try_run(&plain, &inputs).expect("runs");
    assert_eq!((raw.ceiling, raw.ceiled, raw.score), (None, None, raw.median_r));
    let with = Spec { repetitions: Some("R".into()), convention: Convention::Elmoznino, ..plain };
    let (output, _) = try_run(&with, &inputs).expect("runs");
    let (r, ceiling) = (output.median_r.expect("defined"), output.ceiling.expect("defined"));
    assert_eq!(output.median_r, raw.median_r, "the raw score stays");
    assert!(ceiling > 0.3 && ceiling < 1.0, "ceiling {ceiling}");
    assert_close(output.ceiled.expect("defined"), r / ceiling, 1e-15, "ceiled");
    assert_close(output.score.expect("defined"), (r / ceiling).powi(2), 1e-15, "score");
    inputs.insert("one", Dataset::from_f64("one", ndarray::ArrayD::zeros(ndarray::IxDyn(&[1, 60, 3]))));
    let (output, warnings) = try_run(&Spec { repetitions: Some("one".into()), ..with.clone() }, &inputs).expect("runs");
    assert_eq!((output.ceiling, output.ceiled, output.score, output.median_r), (None, None, None, raw.median_r));
    assert!(warnings.iter().any(|w| w.code == "no_ceiling" && w.message.contains("single repetition")), "{warnings:?}");
    let without = Spec { repetitions: None, ..with };
    let (output, warnings) = try_run(&without, &inputs).expect("runs");
    assert!(output.score.is_none() && warnings.iter().any(|w| w.code == "no_ceiling"), "a ceiled score needs a ceiling");
}

#[test]
fn components_of_a_reference_are_those_of_the_rows_when_they_are_the_same() {
    // All components of all rows: least squares does not change.
    let (x, y) = planted(5, 40, 4, 2);
    let mut inputs = inputs(&x, &y);
    inputs.insert("reference", dataset(&x));
    let plain = spec(Model::Ols, kfold(5));
    let (want, _) = try_run(&plain, &inputs).expect("runs");
    for reference in [None, Some("reference".into())] {
        let pca = Some(Components { components: 1000, reference });
        let (got, _) = try_run(&Spec { pca, ..plain.clone() }, &inputs).expect("runs");
        assert_close(got.median_r.expect("defined"), want.median_r.expect("defined"), 1e-12, "least squares on all components");
    }
    inputs.insert("narrow", dataset(&noise(10, 3, 1)));
    let pca = Some(Components { components: 2, reference: Some("narrow".into()) });
    let message = try_run(&Spec { pca, ..plain }, &inputs).expect_err("other columns").to_string();
    assert!(message.contains("4 columns") && message.contains("10 x 3"), "{message}");
}

#[test]
fn a_single_feature_space_split_in_two_is_the_whole() {
    // With both halves weighed alike only, banded ridge is ridge on all columns with half the kernel, that is twice the penalty.
    let (x, y) = planted(6, 50, 8, 3);
    let halves = |from: usize| Mat::from_fn(50, 4, |i, j| x[(i, from + j)]);
    let mut inputs = inputs(&halves(0), &y);
    inputs.insert("B", dataset(&halves(4)));
    let model = Model::BandedRidge { bands: vec!["B".into()], alphas: vec![0.5, 5.0], candidates: 12, k: 4, seed: 1 };
    let (output, _) = try_run(&spec(model, kfold(5)), &inputs).expect("runs");
    let bands = output.bands.expect("banded ridge gives its parts");
    assert_eq!(bands.names, ["X", "B"]);
    for target in 0..3 {
        let weights = &bands.weights.values[2 * target..][..2];
        assert_close(weights[0] + weights[1], 1.0, 1e-12, "weights lie on the simplex");
    }
    // Targets are planted in columns 0 to 2: the first half explains them.
    assert!(bands.mean_parts[0].expect("defined") > 10.0 * bands.mean_parts[1].expect("defined").abs(), "{:?}", bands.mean_parts);
}

#[test]
fn wrong_kernels_and_bands_are_refused() {
    let (x, y) = planted(7, 20, 3, 2);
    let refused = |model: Model| try_run(&spec(model, kfold(5)), &inputs(&x, &y)).expect_err("refused").to_string();
    let kernel = |kernel| Model::KernelRidge { kernel, alphas: vec![1.0], selection: Selection::Gcv };
    assert!(refused(kernel(Kernel::Rbf { gamma: Some(-1.0) })).contains("-1"), "a negative gamma");
    assert!(refused(kernel(Kernel::Polynomial { degree: 0, gamma: None, coef0: 0.0 })).contains("degree 0"), "degree 0");
    let banded = |bands: &[&str], alphas: &[f64], candidates| Model::BandedRidge {
        bands: bands.iter().map(|&b| b.into()).collect(),
        alphas: alphas.to_vec(),
        candidates,
        k: 3,
        seed: 0,
    };
    assert!(refused(banded(&[], &[1.0], 20)).contains("feature space"), "no further space");
    assert!(refused(banded(&["X"], &[0.0], 20)).contains("above 0"), "a penalty of 0");
    assert!(refused(banded(&["X"], &[1.0], 2)).contains("at least 3"), "too few mixtures");
    assert!(refused(banded(&["Z"], &[1.0], 9)).contains("\"Z\""), "an unknown input");
}
