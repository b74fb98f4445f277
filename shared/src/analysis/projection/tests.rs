//! Reference values (`tests/reference/few_shot.py`), a case by hand, invariance to rotation, degenerate input.

use proptest::prelude::*;

use super::*;
use crate::analysis::few_shot::tests::{inputs, labels, rotated, sorted_labels};
use crate::compute::Device;
use crate::learn::tests::{count, fixture, numbers};
use crate::rng::Stream;
use crate::{Silent, Warning};

fn try_run(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<Warning>), Error> {
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let spec = Spec { features: "X".into(), labels: labels(), ..spec.clone() };
    let output = pollster::block_on(run(&spec, inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * w.abs().max(1e-3), "{what}: value {i} is {g}, not {w}");
    }
}

fn values(means: Means) -> Vec<f64> {
    [means.centroid_distances, means.scaled_projections, means.projections_raw].map(|v| v.expect("defined")).to_vec()
}

#[test]
fn arrays_and_means_are_those_of_the_definition() {
    let case = &fixture()["projection"];
    let (k, per_class, p) = (count(&case["n_classes"]), count(&case["per_class"]), count(&case["p"]));
    let (output, warnings) = try_run(&Spec::default(), &inputs(&numbers(&case["x"]), p, &sorted_labels(k, per_class))).expect("runs");
    // 1e-12: two ways to sum a few products in f64.
    let arrays = [&output.centroid_distances, &output.scaled_projections, &output.projections_raw];
    for (i, array) in arrays.into_iter().enumerate() {
        close("array", &array.values, &numbers(&case["arrays"][i]), 1e-12);
    }
    close("off the diagonal", &values(output.off_diagonal), &numbers(&case["off_diagonal"]), 1e-12);
    close("with the diagonal", &values(output.with_diagonal), &numbers(&case["with_diagonal"]), 1e-12);
    let codes: Vec<&str> = warnings.iter().map(|w| w.code.as_str()).collect();
    assert_eq!(codes, ["few_classes", "few_samples"]);
    let packed = crate::wire::pack(&output).expect("packs");
    assert_eq!(crate::wire::unpack::<Output>(&packed).expect("unpacks"), output);
}

#[test]
fn a_case_by_hand() {
    // Class 0 around (0, 0) along both axes, class 1 around (3, 0) along the second: only class 0 reaches along the line between them.
    let x = [1.0, 2.0, -1.0, -2.0, 3.0, 1.0, 3.0, -1.0];
    let (output, _) = try_run(&Spec::default(), &inputs(&x, 2, &sorted_labels(2, 2))).expect("runs");
    assert_eq!(output.centroid_distances.values, [0.0, 3.0, 3.0, 0.0]);
    assert_eq!(output.projections_raw.values, [0.0, 1.0, 0.0, 0.0]);
    // Variances 2 and 8, and 0 and 2.
    assert_eq!(output.radii.values, [5.0f64.sqrt(), 1.0]);
    assert_eq!(output.scaled_projections.values, [0.0, 1.0 / 5.0f64.sqrt(), 0.0, 0.0]);
    assert_eq!((output.off_diagonal.projections_raw, output.with_diagonal.projections_raw), (Some(0.5), Some(0.25)));
}

#[test]
fn coincident_centroids_and_constant_classes_are_undefined() {
    let x = [0.1, 0.7, 0.3, 0.3, 0.5, -0.1, 0.5, 0.2, 0.1, 0.4, 0.3, 0.3, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0];
    let (output, warnings) = try_run(&Spec::default(), &inputs(&x, 2, &sorted_labels(3, 3))).expect("runs");
    assert_eq!(output.centroid_distances.values[1], 0.0, "0.3, 0.3 twice, summed in another order");
    assert!(output.projections_raw.values[1].is_nan() && output.scaled_projections.values[3].is_nan(), "no line to project on");
    assert!(output.scaled_projections.values[6].is_nan() && output.projections_raw.values[6] == 0.0, "class 2 has no spread");
    let all: String = warnings.iter().map(|w| w.message.as_str()).collect();
    assert!(all.contains("1 of 3 pairs of classes") && all.contains("1 of 3 classes are all equal, the first \"class 2\""), "{all}");
    let text = serde_json::to_string(&output).expect("serializes");
    assert!(text.contains("null") && !text.contains("NaN"), "{text}");
}

#[test]
fn limits_choose_the_first_classes_and_rows() {
    let mut rng = Stream::new(1, 0);
    let x: Vec<f64> = (0..60).map(|_| rng.normal()).collect();
    let spec = Spec { n_categories: Some(2), n_samples: Some(3), ..Spec::default() };
    let (limited, warnings) = try_run(&spec, &inputs(&x, 4, &sorted_labels(3, 5))).expect("runs");
    assert!(warnings.is_empty(), "{warnings:?}");
    let chosen = [&x[..12], &x[20..32]].concat();
    let (alone, _) = try_run(&Spec::default(), &inputs(&chosen, 4, &sorted_labels(2, 3))).expect("runs");
    assert_eq!(limited, alone);
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = [1.0, 2.0, 3.0, 5.0];
    let names = ["a", "a", "a", "b"].map(String::from);
    let refused = |spec: Spec, x: &[f64], words: &str| {
        let error = try_run(&spec, &inputs(x, 1, &names)).expect_err("refused");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(Spec::default(), &x, "class \"b\" has 1 row");
    refused(Spec { n_samples: Some(1), ..Spec::default() }, &x, "1 samples a class");
    refused(Spec { n_categories: Some(0), ..Spec::default() }, &x, "0 classes");
    refused(Spec::default(), &x[..3], "3 rows");
    let error = try_run(&Spec::default(), &inputs(&[1e200, -1e200, 2e200, -3e200], 1, &sorted_labels(2, 2))).expect_err("overflow");
    assert!(error.to_string().contains("overflow"), "{error}");
    let error = try_run(&Spec::default(), &inputs(&[1.0, f64::NAN, 2.0, 3.0], 1, &sorted_labels(2, 2))).expect_err("NaN");
    assert!(matches!(error, Error::NonFinite { row: 2, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn projections_do_not_see_rotation(seed in 0u64..1000) {
        let mut rng = Stream::new(seed, 0);
        let x: Vec<f64> = (0..4 * 5 * 6).map(|_| rng.normal()).collect();
        let of = |x: &[f64]| try_run(&Spec::default(), &inputs(x, 6, &sorted_labels(4, 5))).expect("runs").0;
        let (a, b) = (of(&x), of(&rotated(&x, 6, seed)));
        for (a, b) in [(&a.centroid_distances, &b.centroid_distances), (&a.scaled_projections, &b.scaled_projections)] {
            prop_assert!(a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < 1e-12), "{:?} {:?}", a, b);
        }
    }
}
