//! Reference values (`tests/reference/few_shot.py`), invariances, the sentences of errors.

use faer::Mat;
use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::compute::Device;
use crate::dataset::{Dataset, LabelColumn};
use crate::learn::tests::{count, fixture, numbers};
use crate::linalg::spectral::thin_svd;
use crate::rng::Stream;
use crate::{Silent, Warning};

/// Rows as X and one text label per row as L.
pub(in crate::analysis) fn inputs(x: &[f64], p: usize, labels: &[String]) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.insert("X", Dataset::from_rows("X", x.len() / p, p, x.to_vec()).expect("the shape fits"));
    let mut table = Dataset::from_rows("L", labels.len(), 0, Vec::new()).expect("no columns");
    table.labels = vec![LabelColumn { name: "kind".into(), values: labels.to_vec() }];
    inputs.insert("L", table);
    inputs
}

/// `per_class` labels of each class, class after class.
pub(in crate::analysis) fn sorted_labels(n_classes: usize, per_class: usize) -> Vec<String> {
    (0..n_classes * per_class).map(|i| format!("class {}", i / per_class)).collect()
}

pub(in crate::analysis) fn labels() -> Labels {
    Labels { input: "L".into(), column: None }
}

fn try_run(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<Warning>), Error> {
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let spec = Spec { features: "X".into(), labels: labels(), ..spec.clone() };
    let output = pollster::block_on(run(&spec, inputs, &context))?;
    Ok((output, context.into_warnings()))
}

const ALL: [Classifier; 3] = [Classifier::Prototype, Classifier::Linear, Classifier::Maxmargin];

#[test]
fn every_fit_scores_as_in_scikit_learn() {
    for case in fixture()["few_shot"].as_array().expect("cases") {
        let (k, per_class, p) = (count(&case["n_classes"]), count(&case["per_class"]), count(&case["p"]));
        let n_train: Vec<u32> =
            case["n_train"].as_array().expect("sizes").iter().map(|v| u32::try_from(count(v)).expect("small")).collect();
        let small = |key: &str| u32::try_from(count(&case[key])).expect("small");
        let spec = Spec {
            classifiers: ALL.to_vec(),
            n_train,
            n_test: small("n_test"),
            n_repeats: small("repeats"),
            order: Order::Composed,
            ..Spec::default()
        };
        let (output, _) = try_run(&spec, &inputs(&numbers(&case["x"]), p, &sorted_labels(k, per_class))).expect("runs");
        assert_eq!(output.rows.len(), case["rows"].as_array().map_or(0, Vec::len));
        for want in case["rows"].as_array().expect("rows") {
            let is_it = |r: &&Row| {
                serde_json::to_value(r.classifier).expect("a word") == want["classifier"]
                    && u64::from(r.n_train) == want["n_train"].as_u64().expect("a count")
                    && u64::from(r.i_repeat) == want["i_repeat"].as_u64().expect("a count")
            };
            let got = serde_json::to_value(output.rows.iter().find(is_it).expect("the row is there")).expect("a row");
            // Counts are exact; the likelihood inherits 1e-8 of the gradient times the number of rows.
            for (key, tolerance) in [("top1", 1e-12), ("top5", 1e-12), ("mrr", 1e-12), ("log_likelihood", 1e-6)] {
                let (got, want) = (got[key].as_f64(), want.get(key).and_then(Value::as_f64));
                let close = got.zip(want).map_or(got == want, |(g, w)| (g - w).abs() <= tolerance);
                assert!(close, "{}: {key} is {got:?}, not {want:?}", case["name"]);
            }
        }
        assert_eq!(output.confusions[0].counts.values, numbers(&case["prototype_confusion"]));
    }
}

#[test]
fn composed_orders_are_those_of_numpy() {
    let mut orders = order::Orders::new(Order::Composed, 5, 12);
    for (i, want) in (0..).zip(fixture()["orders"].as_array().expect("orders")) {
        let want: Vec<usize> = want.as_array().expect("an order").iter().map(count).collect();
        assert_eq!(orders.next(i), want, "repeat {i}");
    }
}

/// Rows of `k` classes of `per_class` that overlap.
fn classes(k: usize, per_class: usize, p: usize, seed: u64) -> Vec<f64> {
    let mut rng = Stream::new(seed, 0);
    let centers: Vec<f64> = (0..k * p).map(|_| rng.normal() * 0.6).collect();
    (0..k * per_class * p).map(|i| centers[i / p / per_class * p + i % p] + rng.normal()).collect()
}

fn small() -> Spec {
    Spec { n_train: vec![1, 4], n_test: 3, n_repeats: 2, ..Spec::default() }
}

#[test]
fn rows_may_be_in_any_order_and_extra_classes_are_left_out() {
    let (k, per_class, p) = (7, 8, 10);
    let x = classes(k, per_class, p, 1);
    let spec = Spec { classifiers: ALL.to_vec(), n_categories: Some(6), ..small() };
    let (sorted, warnings) = try_run(&spec, &inputs(&x, p, &sorted_labels(k, per_class))).expect("runs");
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!((sorted.classes.len(), sorted.n_samples, sorted.rows.len(), sorted.summaries.len()), (6, 8, 12, 6));
    // Sample s of class c at row s k + c.
    let mixed: Vec<f64> = (0..k * per_class).flat_map(|i| x[(i % k * per_class + i / k) * p..][..p].to_vec()).collect();
    let labels: Vec<String> = (0..k * per_class).map(|i| format!("class {}", i % k)).collect();
    assert_eq!(try_run(&spec, &inputs(&mixed, p, &labels)).expect("runs").0, sorted);
}

#[test]
fn fits_in_the_spaces_of_rows_and_of_features_agree() {
    // 6 classes: 6 and 24 training rows beside 10 features; one Gram matrix of all samples or one for each fit.
    let spec = |n_repeats| Spec { classifiers: vec![Classifier::Linear, Classifier::Maxmargin], n_repeats, ..small() };
    let wide = inputs(&classes(6, 8, 40, 3), 40, &sorted_labels(6, 8));
    let (once, ten) = (try_run(&spec(1), &wide).expect("runs").0, try_run(&spec(10), &wide).expect("runs").0);
    for (a, b) in once.rows.iter().zip(ten.rows.iter().filter(|r| r.i_repeat == 0)) {
        assert_eq!(a.top1, b.top1, "{a:?} and {b:?}");
        assert!(a.log_likelihood.zip(b.log_likelihood).is_none_or(|(a, b)| (a - b).abs() < 1e-7), "{a:?} and {b:?}");
    }
}

#[test]
fn constant_features_are_chance_for_the_first_class() {
    let (output, warnings) = try_run(&small(), &inputs(&[0.3; 8 * 7 * 2], 2, &sorted_labels(8, 7))).expect("runs");
    for row in &output.rows {
        assert_eq!((row.top1, row.top5, row.mrr), (1.0 / 8.0, Some(5.0 / 8.0), Some(1.0 / 8.0)), "{row:?}");
    }
    assert_eq!(output.chance.top1, 0.125);
    assert!(warnings[0].message.contains("50 classes were asked for but L has 8"), "{warnings:?}");
    let uniform = output.rows.iter().find_map(|r| r.log_likelihood).expect("linear");
    assert!((uniform + 8.0f64.ln()).abs() < 1e-12, "{uniform}");
}

#[test]
fn two_classes_have_one_weight_vector() {
    let x: Vec<f64> = (0..16).map(|i| f64::from(i) * 0.1 + if i < 8 { 0.0 } else { 5.0 }).collect();
    let (output, warnings) = try_run(&Spec { classifiers: ALL.to_vec(), ..small() }, &inputs(&x, 1, &sorted_labels(2, 8))).expect("runs");
    assert!(output.rows.iter().all(|r| r.top1 == 1.0), "far apart: {:?}", output.rows);
    assert!(warnings.iter().any(|w| w.code == "top5_is_one"), "{warnings:?}");
    assert_eq!(output.confusions[2].counts.values, [6.0, 0.0, 0.0, 6.0]);
    assert_eq!(output.summaries[0].top1, Moments { mean: 1.0, sem: Some(0.0) });
}

#[test]
fn maps_are_pooled_by_their_maximum() {
    let (k, per_class) = (6, 7);
    let x = classes(k, per_class, 4, 5);
    let mut maps = inputs(&x, 4, &sorted_labels(k, per_class));
    let value = |at: IxDyn| x[at[0] * 4 + at[1]] - if at[2] == 0 && at[3] == 1 { 0.0 } else { 3.0 };
    maps.insert("X", Dataset::from_f64("X", ArrayD::from_shape_fn(IxDyn(&[k * per_class, 4, 2, 2]), value)));
    let flat = inputs(&x, 4, &sorted_labels(k, per_class));
    assert_eq!(try_run(&small(), &maps).expect("runs").0, try_run(&small(), &flat).expect("runs").0);
}

#[test]
fn results_survive_the_wire() {
    let (output, _) = try_run(&small(), &inputs(&classes(6, 7, 3, 2), 3, &sorted_labels(6, 7))).expect("runs");
    let packed = crate::wire::pack(&output).expect("packs");
    assert_eq!(crate::wire::unpack::<Output>(&packed).expect("unpacks"), output);
    let spec: Spec =
        serde_json::from_str(r#"{"features":"X","labels":{"input":"L"},"classifiers":["maxmargin"],"order":"composed"}"#).expect("reads");
    assert_eq!((spec.n_train, spec.n_samples, spec.pool), (vec![1, 5, 20, 50], None, Pool::Max));
}

#[test]
fn what_does_not_fit_is_refused_with_numbers() {
    let mut names = sorted_labels(3, 7);
    names[20] = "rare".into();
    let x = classes(3, 7, 2, 4);
    let refused = |spec: Spec, field: &str, words: &str| {
        let error = try_run(&spec, &inputs(&x, 2, &names)).expect_err("refused");
        assert_eq!(error.field(), Some(field), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(small(), "L", "class \"class 2\" has 6 rows but 7 are needed: 4 to train on and 3 to hold out");
    refused(Spec { n_categories: Some(2), n_test: 4, ..small() }, "L", "class \"class 0\" has 7 rows but 8 are needed");
    refused(Spec { n_samples: Some(6), ..small() }, "n_samples", "6 samples a class are fewer than 4 to train on and 3 to hold out");
    refused(Spec { n_samples: Some(9), ..small() }, "L", "class \"class 0\" has 7 rows but 9 samples a class were asked for");
    refused(Spec { n_categories: Some(1), ..small() }, "n_categories", "1 classes");
    refused(Spec { classifiers: Vec::new(), ..small() }, "classifiers", "empty");
    refused(Spec { classifiers: vec![Classifier::Linear; 2], ..small() }, "classifiers", "value 2 repeats");
    refused(Spec { n_train: Vec::new(), ..small() }, "n_train", "empty");
    refused(Spec { n_train: vec![1, 0], ..small() }, "n_train", "value 2 is 0");
    refused(Spec { n_train: vec![4, 4], ..small() }, "n_train", "value 2 is 4");
    refused(Spec { n_test: 0, ..small() }, "n_test", "at least 1");
    refused(Spec { n_repeats: 0, ..small() }, "n_repeats", "at least 1");
    refused(Spec { n_repeats: 1 << 31, ..small() }, "n_repeats", "2147483648 repeats were asked for");
    refused(Spec { n_repeats: MOST_REPEATS + 1, ..small() }, "n_repeats", "at most 100000");
    let two = Spec { n_categories: Some(2), ..small() };
    assert!(try_run(&two, &inputs(&x, 2, &names)).is_ok(), "the rare class is not among the first two");
    let error = try_run(&two, &inputs(&x, 2, &names[..20])).expect_err("20 labels for 21 rows");
    assert!(matches!(error, Error::RowMismatch { n_a: 21, n_b: 20, .. }), "{error}");
    let huge: Vec<f64> = x.iter().map(|v| v * 1e200).collect();
    for classifier in ALL {
        let error = try_run(&Spec { classifiers: vec![classifier], ..two.clone() }, &inputs(&huge, 2, &names)).expect_err("overflow");
        assert!(error.to_string().contains("overflow"), "{classifier:?}: {error}");
    }
}

/// Rows times a random rotation.
pub(in crate::analysis) fn rotated(x: &[f64], p: usize, seed: u64) -> Vec<f64> {
    let mut rng = Stream::new(seed, 9);
    let q = thin_svd(Mat::from_fn(p, p, |_, _| rng.normal()).as_ref()).expect("converges").u;
    x.chunks_exact(p).flat_map(|row| (0..p).map(|j| (0..p).map(|i| row[i] * q[(i, j)]).sum()).collect::<Vec<f64>>()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn prototypes_do_not_see_rotation_translation_and_scale(seed in 0u64..1000, scale in 0.01..100.0f64, place in -50.0..50.0f64) {
        let (k, per_class, p) = (6, 7, 5);
        let x = classes(k, per_class, p, seed);
        let spec = Spec { classifiers: vec![Classifier::Prototype], seed, ..small() };
        let of = |x: &[f64]| try_run(&spec, &inputs(x, p, &sorted_labels(k, per_class))).expect("runs").0;
        let moved: Vec<f64> = rotated(&x, p, seed).iter().map(|v| v * scale + place).collect();
        prop_assert_eq!(of(&x), of(&moved));
    }

    #[test]
    fn linear_fits_do_not_see_rotation_and_translation(seed in 0u64..1000, place in -20.0..20.0f64) {
        let (k, per_class, p) = (6, 7, 5);
        let x = classes(k, per_class, p, seed);
        let spec = Spec { classifiers: vec![Classifier::Linear], seed, ..small() };
        let of = |x: &[f64]| try_run(&spec, &inputs(x, p, &sorted_labels(k, per_class))).expect("runs").0;
        let moved: Vec<f64> = rotated(&x, p, seed).iter().map(|v| v + place).collect();
        for (a, b) in of(&x).rows.iter().zip(&of(&moved).rows) {
            prop_assert_eq!(a.top1, b.top1);
            // Both gradients are below 1e-8, which at 24 rows leaves the likelihood within 1e-6.
            prop_assert!((a.log_likelihood.unwrap_or(0.0) - b.log_likelihood.unwrap_or(1.0)).abs() < 1e-6, "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn training_and_held_out_samples_never_overlap(seed in 0u64..1000, n_train in 1usize..6, n_test in 1usize..6) {
        let order = order::Orders::new(Order::Independent, seed, 11).next(3);
        let (train, test) = (&order[..n_train], &order[order.len() - n_test..]);
        prop_assert!(train.iter().all(|s| !test.contains(s)));
    }
}
