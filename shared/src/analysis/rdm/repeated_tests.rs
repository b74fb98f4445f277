//! RDMs of repeated measurements: reference values (`tests/reference/rsa_data.py`), invariances and designs that do not fit.

use serde_json::Value;

use super::noise::{self, Residuals};
use super::tests::{close, dataset, numbers, rows, upper};
use super::*;
use crate::Warning;
use crate::compute::Device;
use crate::labels::Labels;
use crate::progress::Silent;
use crate::rng::Stream;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../../tests/fixtures/rsa_data.json")).expect("valid JSON")
}

fn column(values: &Value) -> Dataset {
    dataset(&numbers(values).into_iter().map(|v| vec![v]).collect::<Vec<_>>())
}

/// Runs on rows with labels of conditions and folds, and the other inputs of the fixture.
fn rdm_with(x: Dataset, conditions: Dataset, folds: Dataset, spec: Spec) -> Result<(Output, Vec<Warning>), Error> {
    let all = fixture();
    let mut inputs = Inputs::default();
    inputs.insert("x", x);
    inputs.insert("conditions", conditions);
    inputs.insert("folds", folds);
    inputs.insert("precision", dataset(&rows(&all["precision"])));
    inputs.insert("residuals", dataset(&rows(&all["residuals"])));
    inputs.insert("runs", column(&all["runs"]));
    let label = |input: &str| Some(Labels { input: input.into(), column: None });
    let folds = label("folds").filter(|_| spec.measure.is_cross_validated());
    let spec = Spec { input: "x".into(), conditions: label("conditions"), folds, ..spec };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn of_fixture(spec: Spec) -> Result<(Output, Vec<Warning>), Error> {
    let all = fixture();
    rdm_with(dataset(&rows(&all["rows"])), column(&all["conditions"]), column(&all["folds"]), spec)
}

fn pairs(spec: Spec) -> Vec<f64> {
    upper(&of_fixture(spec).expect("runs").0.rdm)
}

fn measure(measure: Measure) -> Spec {
    Spec { measure, ..Spec::default() }
}

#[test]
fn repeated_measurements_match_their_reference() {
    let all = fixture();
    for (name, kind) in [
        ("sqeuclidean", Measure::Sqeuclidean),
        ("correlation", Measure::Correlation),
        ("crossnobis", Measure::Crossnobis),
        ("poisson_cv", Measure::PoissonCv),
    ] {
        close(name, &pairs(measure(kind)), &numbers(&all[name]), 1e-11);
        let halves = pairs(Spec { half: true, ..measure(kind) });
        let factor = if kind == Measure::PoissonCv { 0.5 } else { 1.0 };
        close("half", &halves, &numbers(&all[name]).iter().map(|v| factor * v).collect::<Vec<_>>(), 1e-11);
    }
    for (name, kind) in [("mahalanobis", Measure::Mahalanobis), ("crossnobis precision", Measure::Crossnobis)] {
        close(name, &pairs(Spec { precision: Some("precision".into()), ..measure(kind) }), &numbers(&all[name]), 1e-10);
    }
    let per_fold = Noise {
        residuals: Some("residuals".into()),
        runs: Some(Labels { input: "runs".into(), column: None }),
        per_fold: true,
        ..Noise::default()
    };
    // rsatoolbox inverts the mean of the two covariances, ours is factored.
    close("per fold", &pairs(Spec { noise: Some(per_fold), ..measure(Measure::Crossnobis) }), &numbers(&all["crossnobis per_fold"]), 1e-10);
    let measurements = Noise { covariance: Covariance::ShrinkageEye, ..Noise::default() };
    let found = pairs(Spec { noise: Some(measurements), ..measure(Measure::Crossnobis) });
    close("from measurements", &found, &numbers(&all["crossnobis measurements"]), 1e-10);
    let (output, _) = of_fixture(measure(Measure::Crossnobis)).expect("runs");
    let covariance = output.condition_covariance.expect("balanced folds");
    close("condition covariance", &covariance.values, &rows(&all["condition_covariance"]).concat(), 1e-11);
    let first = numbers(&all["conditions"])[0].to_string();
    assert_eq!(output.conditions.expect("named")[0], first, "in order of appearance");
}

#[test]
fn covariances_match_their_reference() {
    let all = fixture();
    let x = dataset(&rows(&all["residuals"])).matrix().expect("finite").to_mat();
    let groups: Vec<usize> = (0..27).map(|i| i / 9).collect();
    let residuals = Residuals::new(x, &groups, 3, None, "residuals").expect("24 degrees of freedom");
    for (name, want) in all["covariances"].as_object().expect("a table") {
        let method = serde_json::from_value(name.as_str().into()).expect("an estimate");
        let found = pollster::block_on(noise::covariance(&residuals, method)).expect("runs");
        close(name, &Array::from_mat(found.as_ref()).values, &rows(want).concat(), 1e-11);
    }
}

#[test]
fn averages_over_pairs_of_rows_match_their_reference() {
    let all = fixture();
    let gaps = rows(&all["gaps"]);
    for (weight, pairs) in [("number", RowPairs::Channels), ("equal", RowPairs::Equal)] {
        for (name, kind) in [("sqeuclidean", Measure::Sqeuclidean), ("crossnobis", Measure::Crossnobis)] {
            let spec = Spec { row_pairs: Some(pairs), ..measure(kind) };
            let (output, warnings) =
                rdm_with(dataset(&gaps), column(&all["gap_conditions"]), column(&all["gap_folds"]), spec).expect("runs");
            close(&format!("{name}, {weight}"), &upper(&output.rdm), &numbers(&all["row_pairs"][weight][name]), 1e-10);
            assert!(warnings.is_empty(), "{warnings:?}");
        }
    }
    // On a complete balanced design crossnobis is an average over pairs of rows.
    let spec = Spec { row_pairs: Some(RowPairs::Channels), ..measure(Measure::Crossnobis) };
    close("balanced", &pairs(spec), &numbers(&all["crossnobis"]), 1e-11);
}

#[test]
fn folds_may_be_named_and_ordered_in_any_way() {
    let all = fixture();
    let x = rows(&all["rows"]);
    let (conditions, folds) = (numbers(&all["conditions"]), numbers(&all["folds"]));
    let renamed = |fold: f64| if fold == 0.0 { 7.0 } else { 3.0 - 4.0 * fold };
    for kind in [Measure::Crossnobis, Measure::PoissonCv] {
        let want = pairs(measure(kind));
        let renamed: Vec<Vec<f64>> = folds.iter().map(|&f| vec![renamed(f)]).collect();
        let (output, _) = rdm_with(dataset(&x), column(&all["conditions"]), dataset(&renamed), measure(kind)).expect("runs");
        close("renamed", &upper(&output.rdm), &want, 1e-12);
        // Folds in another order, each by itself in the same: the order of conditions stays that of the first fold's rows.
        let order: Vec<usize> = (0..6).chain(12..18).chain(6..12).collect();
        let pick = |values: &[f64]| dataset(&order.iter().map(|&i| vec![values[i]]).collect::<Vec<_>>());
        let moved: Vec<Vec<f64>> = order.iter().map(|&i| x[i].clone()).collect();
        let (output, _) = rdm_with(dataset(&moved), pick(&conditions), pick(&folds), measure(kind)).expect("runs");
        close("moved", &upper(&output.rdm), &want, 1e-12);
    }
}

#[test]
fn the_two_weightings_of_folds_agree_when_balanced() {
    for noise in [None, Some(Noise::default())] {
        let fold = pairs(Spec { noise: noise.clone(), ..measure(Measure::Crossnobis) });
        let row = pairs(Spec { noise, fold_weights: FoldWeights::Row, ..measure(Measure::Crossnobis) });
        close("row", &row, &fold, 1e-10);
    }
}

#[test]
fn crossnobis_of_pure_noise_is_zero_on_average() {
    // 200 data sets of noise with covariance: the mean over data sets and pairs has a known standard error.
    let mut rng = Stream::new(31, 0);
    let (k, p, m) = (4, 6, 3);
    let conditions = dataset(&(0..k * m).map(|i| vec![f64::from(u32::try_from(i % k).expect("small"))]).collect::<Vec<_>>());
    let folds = dataset(&(0..k * m).map(|i| vec![f64::from(u32::try_from(i / k).expect("small"))]).collect::<Vec<_>>());
    let mut means = [Vec::new(), Vec::new()];
    for _ in 0..200 {
        let x: Vec<Vec<f64>> = (0..k * m)
            .map(|_| {
                let shared = rng.normal();
                (0..p).map(|_| rng.normal() + shared).collect()
            })
            .collect();
        for (kind, means) in [Measure::Crossnobis, Measure::Sqeuclidean].into_iter().zip(&mut means) {
            let (output, _) = rdm_with(dataset(&x), conditions.clone(), folds.clone(), measure(kind)).expect("runs");
            means.push(crate::stats::mean(&upper(&output.rdm)));
        }
    }
    let z = |values: &[f64]| crate::stats::mean(values) / crate::stats::sem(values);
    assert!(z(&means[0]).abs() < 4.0, "crossnobis: z = {}", z(&means[0]));
    assert!(z(&means[1]) > 20.0, "a distance that is not cross-validated is biased: z = {}", z(&means[1]));
}

#[test]
fn repetitions_without_folds_are_folds() {
    let all = fixture();
    let mut inputs = Inputs::default();
    inputs.insert("x", dataset(&rows(&all["rows"])));
    inputs.insert("conditions", column(&all["conditions"]));
    let labels = Some(Labels { input: "conditions".into(), column: None });
    let spec = Spec { input: "x".into(), conditions: labels, ..measure(Measure::Crossnobis) };
    let device = Device::cpu();
    let output = pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Silent))).expect("runs");
    close("repetitions", &upper(&output.rdm), &numbers(&all["crossnobis"]), 1e-11);
    let mut inputs = Inputs::default();
    inputs.insert("x", dataset(&rows(&all["rows"])[..17]));
    inputs.insert("conditions", dataset(&numbers(&all["conditions"])[..17].iter().map(|v| vec![*v]).collect::<Vec<_>>()));
    let error = pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Silent))).expect_err("one repetition less");
    assert!(error.to_string().contains("has 2 rows and condition"), "{error}");
}

#[test]
fn rdms_over_time_are_those_of_each_bin() {
    let (k, p, t) = (5, 4, 6);
    let mut rng = Stream::new(32, 0);
    let values: Vec<f64> = (0..k * p * t).map(|_| rng.normal()).collect();
    let stack = ArrayD::from_shape_vec(ndarray::IxDyn(&[k, p, t]), values.clone()).expect("shape fits");
    let run_on = |data: Dataset, time_bins: Option<u32>| {
        let mut inputs = Inputs::default();
        inputs.insert("x", data);
        let spec = Spec { input: "x".into(), time_bins, ..measure(Measure::Euclidean) };
        let device = Device::cpu();
        pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Silent)))
    };
    let movie = run_on(Dataset::from_f64("x", stack.clone()), Some(4)).expect("runs");
    assert_eq!(movie.times, Some(vec![[0, 1], [1, 3], [3, 4], [4, 6]]));
    assert_eq!(movie.rdm.shape, [4, 5, 5]);
    let bin: Vec<Vec<f64>> =
        (0..k).map(|i| (0..p).map(|j| (values[(i * p + j) * t + 1] + values[(i * p + j) * t + 2]) / 2.0).collect()).collect();
    let alone = run_on(dataset(&bin), None).expect("runs");
    close("second bin", &movie.rdm.values[25..50], &alone.rdm.values, 1e-12);
    assert_eq!(run_on(Dataset::from_f64("x", stack.clone()), Some(0)).expect("runs").rdm.shape, [6, 5, 5]);
    let error = run_on(Dataset::from_f64("x", stack.clone()), Some(7)).expect_err("too many");
    assert!(error.to_string().contains("use at most 6"), "{error}");
    assert!(run_on(Dataset::from_f64("x", stack), None).is_err(), "three axes need time_bins");
    let error = run_on(dataset(&bin), Some(2)).expect_err("two axes");
    assert!(error.to_string().contains("3 axes"), "{error}");
}

#[test]
fn transforms_match_their_reference() {
    let all = fixture();
    let with = |transform| pairs(Spec { transforms: vec![transform], ..measure(Measure::Sqeuclidean) });
    close("rank", &with(Transform::Rank), &numbers(&all["transforms"]["rank"]), 1e-12);
    let geo = Transform::GeoTopological { low: 0.2, high: 0.8 };
    close("geo-topological", &with(geo), &numbers(&all["transforms"]["geo_topological"]), 1e-10);
}

#[test]
fn designs_that_do_not_fit_are_refused_in_words() {
    let all = fixture();
    let refused = |spec: Spec, what: &str| {
        let error = of_fixture(spec).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(measure(Measure::Mahalanobis), "needs a noise precision");
    let both = Spec { precision: Some("precision".into()), noise: Some(Noise::default()), ..measure(Measure::Mahalanobis) };
    refused(both, "not both");
    let full = Noise { covariance: Covariance::Full, degrees_of_freedom: Some(30), ..Noise::default() };
    let few = rows(&all["rows"])[..8].to_vec();
    let labels = |n: usize| dataset(&(0..8).map(|i| vec![f64::from(u8::from(i % n == 0))]).collect::<Vec<_>>());
    let spec = Spec { noise: Some(full), ..measure(Measure::Mahalanobis) };
    let error = rdm_with(dataset(&few), labels(2), labels(3), spec).expect_err("six free rows, seven channels").to_string();
    assert!(error.contains("use shrinkage_diag"), "{error}");
    refused(Spec { row_pairs: Some(RowPairs::Equal), ..measure(Measure::Correlation) }, "row_pairs");
    let gap = rdm_with(
        dataset(&rows(&all["gaps"])),
        column(&all["gap_conditions"]),
        column(&all["gap_folds"]),
        Spec { row_pairs: None, ..measure(Measure::Crossnobis) },
    );
    assert!(gap.expect_err("NaN").to_string().contains("row 3"), "rows with gaps need row pairs");
    let complete: Vec<Vec<f64>> =
        rows(&all["gaps"]).into_iter().map(|r| r.into_iter().map(|v| if v.is_nan() { 0.0 } else { v }).collect()).collect();
    let error = rdm_with(dataset(&complete), column(&all["gap_conditions"]), column(&all["gap_folds"]), measure(Measure::Crossnobis));
    let error = error.expect_err("a condition is missing from a fold").to_string();
    assert!(error.contains("has no row in fold \"0\"") && error.contains("row_pairs"), "{error}");
}
