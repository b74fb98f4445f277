//! Values of scikit-learn (`tests/reference/probe.py`), planted solutions, paths that must agree, the sentences of errors.

mod hostile;

use std::path::PathBuf;

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::*;
use crate::compute::Device;
use crate::dataset::{Dataset, LabelColumn};
use crate::learn::tests::{count as whole, numbers};
use crate::rng::Stream;
use crate::{Silent, Warning};

fn fixture() -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/probe.json");
    serde_json::from_slice(&std::fs::read(path).expect("the fixture is committed")).expect("the fixture is JSON")
}

/// Scores, NaN where the reference has none.
fn scores(value: &Value) -> Vec<f64> {
    value.as_array().expect("scores").iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn table(labels: &[String]) -> Dataset {
    let mut table = Dataset::from_rows("L", labels.len(), 0, Vec::new()).expect("no columns");
    table.labels = vec![LabelColumn { name: "kind".into(), values: labels.to_vec() }];
    table
}

/// X: n x p, Y: n x behaviors, L: labels.
fn inputs(x: &[f64], p: usize, y: &[f64], labels: &[String]) -> Inputs {
    let n = x.len() / p;
    let mut inputs = Inputs::default();
    inputs.insert("X", Dataset::from_rows("X", n, p, x.to_vec()).expect("fits"));
    inputs.insert("Y", Dataset::from_rows("Y", n, y.len() / n, y.to_vec()).expect("fits"));
    inputs.insert("L", table(labels));
    inputs
}

fn try_run(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<Warning>), Error> {
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(spec, inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn output(spec: &Spec, inputs: &Inputs) -> Output {
    try_run(spec, inputs).expect("runs").0
}

fn spec(estimator: Estimator) -> Spec {
    let classifies = estimator.is_classifier();
    Spec {
        layers: vec!["X".into()],
        labels: if classifies { Labels { input: "L".into(), column: None } } else { Labels::default() },
        targets: if classifies { String::new() } else { "Y".into() },
        estimator,
        pca: None,
        ..Spec::default()
    }
}

fn word<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a word of the spec")
}

#[track_caller]
fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let same = if want.is_nan() { got.is_nan() } else { (got - want).abs() <= tolerance };
        assert!(same, "{what}: score {i} is {got}, not {want}");
    }
}

fn case_inputs(case: &Value) -> Inputs {
    let labels: Vec<String> = word(&case["labels"]);
    inputs(&numbers(&case["x"]), whole(&case["p"]), &numbers(&case["y"]), &labels)
}

#[test]
fn scores_of_all_units_are_those_of_scikit_learn() {
    for case in fixture() {
        let data = case_inputs(&case);
        let n_classes = word::<Vec<String>>(&case["labels"]).into_iter().collect::<std::collections::BTreeSet<_>>().len();
        for run in case["runs"].as_array().expect("runs") {
            let estimator: Estimator = word(&run["estimator"]);
            let spec = Spec {
                alpha: (estimator == Estimator::Lasso).then_some(0.1),
                pca: run["pca"].as_u64().map(|k| u32::try_from(k).expect("small")),
                score: if run["score"].is_null() { Score::R2 } else { word(&run["score"]) },
                folds: word(&case["k"]),
                ..spec(estimator)
            };
            let what = format!("{}: {estimator:?} {:?} {:?}", case["name"], spec.pca, spec.score);
            let found = output(&spec, &data).layers.remove(0);
            let scores_found = found.scores.expect("splits");
            // Classifiers agree row by row. Least squares to the condition of the features, the lasso to the square root of the gap of
            // 1e-14 that the reference stops at.
            let tolerance = if estimator == Estimator::Lasso { 1e-6 } else { 1e-9 };
            close(&what, &scores_found.values, &scores(&run["scores"]), tolerance);
            if estimator.is_classifier() {
                let want: Vec<f64> = run["confusions"].as_array().expect("matrices").iter().flat_map(numbers).collect();
                assert_eq!(found.fold_confusions.expect("counts").values, want, "{what}");
                assert_eq!(found.confusion.expect("counts").values.len(), n_classes * n_classes, "{what}");
            }
        }
    }
}

#[test]
fn models_of_all_rows_are_those_of_scikit_learn() {
    for case in fixture() {
        let data = case_inputs(&case);
        for want in case["models"].as_array().expect("fits") {
            let estimator: Estimator = word(&want["estimator"]);
            let spec = Spec {
                alpha: (estimator == Estimator::Lasso).then_some(0.1),
                pca: want["pca"].as_u64().map(|k| u32::try_from(k).expect("small")),
                folds: word(&case["k"]),
                models: true,
                ..spec(estimator)
            };
            let found = output(&spec, &data).layers.remove(0).models.expect("asked for");
            let what = format!("{}: {estimator:?} {:?}", case["name"], spec.pca);
            // Logistic regression and machines stop at 1e-8 of a gradient or a score, the lasso at the gap.
            close(&what, &found.weights.values, &numbers(&want["weights"]), 1e-5);
            close(&what, &found.intercepts.values, &numbers(&want["intercepts"]), 1e-5);
            assert_eq!(found.weights.shape, [1, word::<u32>(&case["p"]), u32::try_from(found.outputs.len()).expect("few")], "{what}");
        }
    }
}

#[test]
fn the_best_unit_is_that_of_one_by_one_fits() {
    for case in fixture() {
        let data = case_inputs(&case);
        for run in case["units"].as_array().expect("runs") {
            let estimator: Estimator = word(&run["estimator"]);
            let alpha = (estimator == Estimator::Lasso).then_some(0.1);
            let spec = Spec { map: Map::Uv, score: word(&run["score"]), folds: word(&case["k"]), alpha, ..spec(estimator) };
            let what = format!("{}: {estimator:?} {:?}", case["name"], spec.score);
            let (found, warnings) = try_run(&spec, &data).expect("runs");
            let layer = &found.layers[0];
            let units: Vec<usize> = run["units"].as_array().expect("units").iter().map(whole).collect();
            let located: Vec<f64> = units.iter().flat_map(|&unit| [count(unit) + 1.0, 1.0, 1.0]).collect();
            assert_eq!(layer.location.as_ref().expect("units").values, located, "{what}");
            close(&what, &layer.scores.as_ref().expect("splits").values, &scores(&run["scores"]), 1e-9);
            assert!(warnings.iter().any(|w| w.code == "optimistic"), "{warnings:?}");
        }
        let want = &case["best_logistic"];
        let spec = Spec { map: Map::Uv, folds: word(&case["k"]), ..spec(Estimator::Logistic) };
        let layer = output(&spec, &data).layers.remove(0);
        assert_eq!(layer.location.expect("a unit").values[0], count(whole(&want["unit"])) + 1.0, "{}", case["name"]);
        assert_eq!(layer.scores.expect("splits").values, scores(&want["scores"]));
        let counts: Vec<f64> = want["confusions"].as_array().expect("matrices").iter().flat_map(numbers).collect();
        assert_eq!(layer.fold_confusions.expect("counts").values, counts);
    }
}

#[test]
fn correlations_are_ranked_by_size_or_with_their_sign() {
    for case in fixture() {
        let (data, p) = (case_inputs(&case), whole(&case["p"]));
        let want = numbers(&case["correlations"]["r"]);
        for (rank, key) in [(Rank::Abs, "abs"), (Rank::Signed, "signed")] {
            let spec = Spec { map: Map::Uv, rank, ..spec(Estimator::Corr) };
            let found = output(&spec, &data);
            let layer = &found.layers[0];
            assert_eq!((found.n_folds, &layer.scores, layer.n_features), (0, &None, 1));
            for (k, unit) in case["correlations"][key].as_array().expect("units").iter().map(whole).enumerate() {
                assert_eq!(layer.location.as_ref().expect("units").values[3 * k], count(unit) + 1.0, "{}", case["name"]);
                assert!((layer.mean.values[k] - want[k * p + unit]).abs() < 1e-12, "{}", case["name"]);
            }
        }
    }
}

/// Rows of `k` classes around centers, class after class, and labels.
fn clouds(k: usize, per_class: usize, p: usize, spread: f64, seed: u64) -> (Vec<f64>, Vec<String>) {
    let mut rng = Stream::new(seed, 0);
    let centers: Vec<f64> = (0..k * p).map(|_| rng.normal() * spread).collect();
    let x = (0..k * per_class * p).map(|i| centers[i / p / per_class * p + i % p] + rng.normal()).collect();
    (x, (0..k * per_class).map(|i| format!("class {}", i / per_class)).collect())
}

const CLASSIFIERS: [Estimator; 3] = [Estimator::Logistic, Estimator::Svc, Estimator::RidgeClassifier];

#[test]
fn far_clouds_are_told_apart_and_random_labels_are_chance() {
    let (x, labels) = clouds(3, 20, 80, 3.0, 1);
    let data = inputs(&x, 80, &[0.0; 60], &labels);
    for estimator in CLASSIFIERS {
        for pca in [None, Some(10)] {
            let found = output(&Spec { pca, ..spec(estimator) }, &data);
            let layer = &found.layers[0];
            assert_eq!(layer.mean.values, [1.0], "{estimator:?}");
            assert_eq!(layer.confusion.as_ref().expect("counts").values, [20.0, 0.0, 0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 20.0]);
        }
    }
    // 600 rows without structure, 2 classes: the accuracy is 0.5 with a standard deviation of 0.5 / sqrt(600) = 0.02.
    let (x, labels) = clouds(2, 300, 5, 0.0, 2);
    let data = inputs(&x, 5, &[0.0; 600], &labels);
    for estimator in CLASSIFIERS {
        let found = output(&spec(estimator), &data);
        let (mean, sem) = (found.layers[0].mean.values[0], found.layers[0].sem.values[0]);
        assert!((mean - 0.5).abs() < 0.08 && sem < 0.06, "{estimator:?}: {mean} ± {sem}");
        assert_eq!(found.chance, Some(0.5));
    }
}

#[test]
fn rows_of_a_confusion_add_to_the_sizes_of_classes() {
    let (x, mut labels) = clouds(3, 20, 6, 0.5, 3);
    labels[50..].fill("another".into());
    let data = inputs(&x, 6, &[0.0; 60], &labels);
    for estimator in CLASSIFIERS {
        let found = output(&Spec { folds: 5, ..spec(estimator) }, &data);
        assert_eq!(found.classes, ["another", "class 0", "class 1", "class 2"], "sorted");
        let counts = &found.layers[0].confusion.as_ref().expect("counts").values;
        let sums: Vec<f64> = counts.chunks(4).map(|row| row.iter().sum()).collect();
        assert_eq!(sums, [10.0, 20.0, 20.0, 10.0], "{estimator:?}");
        assert_eq!(found.chance, Some(1.0 / 3.0));
    }
}

#[test]
fn the_mean_and_its_error_are_over_splits() {
    let (x, labels) = clouds(2, 15, 4, 0.6, 4);
    let found = output(&Spec { folds: 5, ..spec(Estimator::Logistic) }, &inputs(&x, 4, &[0.0; 30], &labels));
    let layer = &found.layers[0];
    let scores = &layer.scores.as_ref().expect("splits").values;
    let mean = scores.iter().sum::<f64>() / 5.0;
    let sem = (scores.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0 / 5.0).sqrt();
    assert!((layer.mean.values[0] - mean).abs() < 1e-15 && (layer.sem.values[0] - sem).abs() < 1e-15, "{layer:?}");
    let Some(Flat { accuracy_mean: Some(Scores::One(Some(value))), per_fold: Some(per_fold), confusion: Some(confusion), .. }) =
        flat(&found)
    else {
        panic!("short names")
    };
    assert_eq!((value, per_fold.shape, confusion.shape), (layer.mean.values[0], vec![5], vec![2, 2]));
}

/// The layer as it is, and with constant units beside its own until there are fewer units than rows no more: another path to the same fits.
#[test]
fn inner_products_and_units_give_the_same_scores() {
    let (p, n) = (12, 40);
    let (x, labels) = clouds(4, 10, p, 0.7, 5);
    let mut rng = Stream::new(5, 1);
    let y: Vec<f64> = (0..n).map(|i| x[i * p] - x[i * p + 3] + rng.normal()).collect();
    let wide: Vec<f64> = x.chunks(p).flat_map(|row| row.iter().copied().chain((0..60).map(f64::from))).collect();
    let (plain, gram) = (inputs(&x, p, &y, &labels), inputs(&wide, p + 60, &y, &labels));
    let all = [Estimator::Ridge, Estimator::Glm, Estimator::Lasso].into_iter().chain(CLASSIFIERS);
    for estimator in all {
        for pca in [None, Some(6), Some(100)] {
            let alpha = (estimator == Estimator::Lasso).then_some(0.05);
            let spec = Spec { pca, alpha, folds: 4, ..spec(estimator) };
            let of = |data: &Inputs| output(&spec, data).layers.remove(0).scores.expect("splits").values;
            close(&format!("{estimator:?} {pca:?}"), &of(&gram), &of(&plain), 1e-8);
        }
    }
}

#[test]
fn a_linear_behavior_is_predicted_and_noise_is_not() {
    let (n, p) = (60, 8);
    let mut rng = Stream::new(6, 0);
    let x: Vec<f64> = (0..n * p).map(|_| rng.normal()).collect();
    let y: Vec<f64> = (0..n).flat_map(|i| [3.0 + x[i * p] - 2.0 * x[i * p + 7], rng.normal()]).collect();
    let data = inputs(&x, p, &y, &vec![String::from("a"); n]);
    let found = output(&spec(Estimator::Glm), &data);
    assert!((found.layers[0].mean.values[0] - 1.0).abs() < 1e-12 && found.layers[0].mean.values[1] < 0.2, "{found:?}");
    assert_eq!((found.behaviors, found.metric.as_str()), (vec!["column 1".into(), "column 2".into()], "r2"));
    let one = output(&Spec { columns: vec!["column 2".into()], ..spec(Estimator::Glm) }, &data);
    close("behaviors do not see each other", &one.layers[0].mean.values, &found.layers[0].mean.values[1..], 1e-12);
}

/// A layer of 3 channels of 2 x 2, the behavior at channel 2, row 1, column 2 (counted from 1), with some noise.
fn maps() -> (Inputs, Vec<f64>) {
    let n = 40;
    let mut rng = Stream::new(7, 0);
    let x: Vec<f64> = (0..n * 12).map(|_| rng.normal()).collect();
    let y: Vec<f64> = (0..n).map(|i| x[i * 12 + 5] + 0.3 * rng.normal()).collect();
    let labels: Vec<String> = y.iter().map(|v| if *v > 0.0 { "up" } else { "down" }.into()).collect();
    let mut data = inputs(&x, 12, &y, &labels);
    data.insert("X", Dataset::from_f64("X", ArrayD::from_shape_vec(IxDyn(&[n, 3, 2, 2]), x.clone()).expect("fits")));
    (data, x)
}

#[test]
fn the_best_unit_has_a_channel_a_row_and_a_column() {
    let (data, _) = maps();
    for (estimator, iterate, want) in [
        (Estimator::Glm, Iterate::None, vec![2.0, 1.0, 2.0]),
        (Estimator::Corr, Iterate::None, vec![2.0, 1.0, 2.0]),
        (Estimator::Logistic, Iterate::None, vec![2.0, 1.0, 2.0]),
        (Estimator::Svc, Iterate::None, vec![2.0, 1.0, 2.0]),
    ] {
        let c = (estimator == Estimator::Svc).then_some(1.0);
        let layer = output(&Spec { map: Map::Uv, iterate, c, ..spec(estimator) }, &data).layers.remove(0);
        assert_eq!((layer.location.expect("a unit").values, layer.shape, layer.grid), (want, [3, 2, 2], [1, 1]), "{estimator:?}");
    }
    let by_channel = output(&Spec { map: Map::Uv, iterate: Iterate::Channel, ..spec(Estimator::Glm) }, &data).layers.remove(0);
    assert_eq!((by_channel.grid, by_channel.n_units), ([3, 1], 4));
    assert_eq!(by_channel.location.as_ref().expect("units").values[3..6], [2.0, 1.0, 2.0]);
    let by_position = output(&Spec { map: Map::Uv, iterate: Iterate::Position, ..spec(Estimator::Glm) }, &data).layers.remove(0);
    assert_eq!((by_position.grid, by_position.n_units), ([2, 2], 3));
    assert_eq!(by_position.location.as_ref().expect("units").values[3..6], [2.0, 1.0, 2.0], "position 1, 2");
    assert_eq!(by_channel.mean.values[1], by_position.mean.values[1], "the same unit");
    let of = |map, iterate| {
        let spec = Spec { map, iterate, models: true, ..spec(Estimator::Glm) };
        output(&spec, &data).layers.remove(0).models.expect("asked for")
    };
    let (all, best, each) = (of(Map::Mv, Iterate::None), of(Map::Uv, Iterate::None), of(Map::Mv, Iterate::Position));
    assert_eq!((all.weights.shape.clone(), best.weights.shape, each.weights.shape), (vec![1, 12, 1], vec![1, 1, 1], vec![4, 3, 1]));
    // y = unit 5 + 0.3 noise of 40 rows: the weight is 1 to 0.3 / sqrt(40) = 0.05.
    assert!((all.weights.values[5] - 1.0).abs() < 0.25 && (best.weights.values[0] - 1.0).abs() < 0.2, "{all:?}");
}

#[test]
fn an_iteration_sees_the_units_of_its_channel_or_position() {
    let (data, x) = maps();
    for estimator in [Estimator::Glm, Estimator::Logistic] {
        let alone = |units: &[usize]| {
            let part: Vec<f64> = x.chunks(12).flat_map(|row| units.iter().map(|&u| row[u])).collect();
            let mut one = data.clone();
            one.insert("X", Dataset::from_rows("X", 40, units.len(), part).expect("fits"));
            output(&spec(estimator), &one).layers.remove(0).scores.expect("splits").values
        };
        let by_channel = output(&Spec { iterate: Iterate::Channel, ..spec(estimator) }, &data).layers.remove(0);
        let channels: Vec<f64> = (0..3).flat_map(|c| alone(&[4 * c, 4 * c + 1, 4 * c + 2, 4 * c + 3])).collect();
        assert_eq!(by_channel.scores.expect("splits").values, channels, "{estimator:?}");
        let by_position = output(&Spec { iterate: Iterate::Position, ..spec(estimator) }, &data).layers.remove(0);
        let positions: Vec<f64> = (0..4).flat_map(|v| alone(&[v, v + 4, v + 8])).collect();
        assert_eq!((by_position.scores.expect("splits").values, by_position.mean.shape), (positions, vec![4, 1]), "{estimator:?}");
    }
}

#[test]
fn nested_choices_do_not_reward_noise() {
    // 400 units without structure: their best seems to predict, but not on rows that had no say.
    let (n, p) = (40, 400);
    let mut rng = Stream::new(8, 0);
    let x: Vec<f64> = (0..n * p).map(|_| rng.normal()).collect();
    let y: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let labels: Vec<String> = (0..n).map(|i| format!("{}", i % 2)).collect();
    let data = inputs(&x, p, &y, &labels);
    for (estimator, chance) in [(Estimator::Glm, 0.0), (Estimator::Logistic, 0.5), (Estimator::RidgeClassifier, 0.5)] {
        let of = |nested| try_run(&Spec { map: Map::Uv, nested, folds: 5, ..spec(estimator) }, &data).expect("runs");
        let ((plain, optimistic), (nested, honest)) = (of(false), of(true));
        let (high, low) = (plain.layers[0].mean.values[0], nested.layers[0].mean.values[0]);
        assert!(high > chance + 0.1 && low < chance + 0.12 && low < high, "{estimator:?}: {high} and {low}");
        assert!(optimistic.iter().any(|w| w.message.contains("nested")) && honest.iter().all(|w| w.code != "optimistic"), "{honest:?}");
        assert_eq!(plain.layers[0].location, nested.layers[0].location, "the unit of the mean stays");
        assert_eq!(nested.layers[0].fold_locations.as_ref().map(|l| l.shape.clone()), Some(vec![1, 5, 3]));
    }
}

#[test]
fn layers_are_probed_one_by_one() {
    let (x, labels) = clouds(2, 12, 5, 0.8, 9);
    let mut data = inputs(&x, 5, &[0.0; 24], &labels);
    data.insert("Z", Dataset::from_rows("Z", 24, 5, x.iter().map(|v| v.max(0.0)).collect()).expect("fits"));
    let both = output(&Spec { layers: vec!["X".into(), "Z".into()], ..spec(Estimator::Logistic) }, &data);
    let second = output(&Spec { layers: vec!["Z".into()], ..spec(Estimator::Logistic) }, &data);
    assert_eq!((both.layers.len(), &both.layers[1]), (2, &second.layers[0]));
    assert!(flat(&both).is_none(), "short names are for one layer");
}

#[test]
fn results_survive_the_wire_and_runs_repeat() {
    let (data, _) = maps();
    let of = |spec: &Spec| output(spec, &data);
    for spec in [
        Spec { iterate: Iterate::Position, ..spec(Estimator::Svc) },
        Spec { map: Map::Uv, nested: true, ..spec(Estimator::Logistic) },
        Spec { map: Map::Uv, ..spec(Estimator::Corr) },
    ] {
        let found = of(&spec);
        let back: Output = crate::wire::unpack(&crate::wire::pack(&found).expect("packs")).expect("unpacks");
        let bits = |o: &Output| o.layers[0].sem.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!((bits(&back), &back.layers[0].scores), (bits(&found), &found.layers[0].scores));
        assert_eq!(of(&spec).layers[0].scores, found.layers[0].scores, "the same once more");
    }
    let read: Spec =
        serde_json::from_str(r#"{"layers":["X"],"labels":{"input":"L"},"estimator":"lrc","iterate":"row_col"}"#).expect("reads");
    assert_eq!((read.estimator, read.iterate, read.pca, read.folds), (Estimator::Logistic, Iterate::Position, Some(100), 10));
}
