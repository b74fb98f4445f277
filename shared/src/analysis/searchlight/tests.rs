//! References (`tests/reference/searchlight.py`), single searchlights by the other analyses, and input that does not fit.

use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::*;
use crate::Warning;
use crate::analysis::rdm::tests::{close, dataset, rows};
use crate::analysis::rdm::{Covariance, Noise};
use crate::analysis::rdm_comparison;
use crate::dataset::Dataset;
use crate::labels::Labels;
use crate::rng::Stream;

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

fn image(shape: &[usize], values: Vec<f64>) -> Dataset {
    Dataset::from_f64("image", ArrayD::from_shape_vec(IxDyn(shape), values).expect("fits"))
}

fn searched(spec: &Spec, inputs: &Inputs) -> Result<(Output, Vec<Warning>), Error> {
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(spec, inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn spec(input: &str) -> Spec {
    let rdm = rdm::Spec { input: input.into(), ..rdm::Spec::default() };
    Spec { rdm, mask: Some("mask".into()), models: vec!["models".into()], ..Spec::default() }
}

/// The image, mask and models of the references.
fn reference() -> (Value, Inputs) {
    let all: Value = serde_json::from_str(include_str!("../../../../tests/fixtures/searchlight.json")).expect("valid JSON");
    let shape: Vec<usize> = serde_json::from_value(all["shape"].clone()).expect("a shape");
    let mut inputs = Inputs::default();
    inputs.insert("image", image(&shape, floats(&all["image"])));
    inputs.insert("mask", image(&shape[..3], floats(&all["mask"])));
    inputs.insert("models", dataset(&rows(&all["models"])));
    (all, inputs)
}

#[test]
fn maps_match_their_reference() {
    let (all, inputs) = reference();
    for case in all["cases"].as_array().expect("a list") {
        let (radius, threshold) = (case["radius"].as_f64().expect("a number"), case["threshold"].as_f64().expect("a number"));
        let centers: Vec<usize> = serde_json::from_value(case["centers"].clone()).expect("positions");
        let sizes = floats(&case["members"]);
        for (name, want) in case["scores"].as_object().expect("a table") {
            let (measure, compare) = name.split_once(' ').expect("two words");
            let mut spec = Spec { radius, threshold, ..spec("image") };
            spec.rdm.measure = serde_json::from_value(measure.into()).expect("a measure");
            spec.compare = serde_json::from_value(compare.into()).expect("a comparison");
            let (output, warnings) = searched(&spec, &inputs).expect("runs");
            assert_eq!(warnings, [], "{name}");
            let what = format!("{name}, radius {radius}, threshold {threshold}");
            assert_eq!(output.n_centers as usize, centers.len(), "{what}");
            let [least, most] = output.n_members.map(f64::from);
            assert_eq!((least, most), sizes.iter().fold((f64::INFINITY, 0.0), |(l, m), v| (v.min(l), v.max(m))), "{what}");
            for (map, want) in output.maps.iter().zip(rows(want)) {
                let values = &map.scores.values;
                let found: Vec<f64> = centers.iter().map(|&at| values[at]).collect();
                // Distances lose digits where they are differences: 1e-9.
                close(&what, &found, &want, 1e-9);
                assert_eq!(values.iter().filter(|v| !v.is_nan()).count(), centers.len(), "{what}: nothing elsewhere");
            }
        }
    }
}

#[test]
fn a_searchlight_is_an_rdm_and_a_comparison() {
    // Two folds of four conditions over 3 x 3 x 3 voxels, with residuals: the ball around the middle has the 7 voxels nearer than 1.2.
    let mut rng = Stream::new(5, 0);
    let mut normal = |n: usize| (0..n).map(|_| rng.normal()).collect::<Vec<f64>>();
    let mut inputs = Inputs::default();
    inputs.insert("image", image(&[3, 3, 3, 8], normal(27 * 8)));
    inputs.insert("residuals", image(&[3, 3, 3, 30], normal(27 * 30)));
    inputs.insert("mask", image(&[3, 3, 3, 1], vec![1.0; 27]));
    let column = |values: &[f64]| dataset(&values.iter().map(|&v| vec![v]).collect::<Vec<_>>());
    inputs.insert("conditions", column(&[1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 4.0, 3.0]));
    inputs.insert("folds", column(&[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]));
    inputs.insert("models", dataset(&[vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![1.0, f64::NAN, 0.0, 2.0, 0.5, 1.0]]));
    let labels = |input: &str| Some(Labels { input: input.into(), column: None });
    let mut spec = Spec { radius: 1.2, ..spec("image") };
    spec.rdm.measure = Measure::Crossnobis;
    (spec.rdm.conditions, spec.rdm.folds) = (labels("conditions"), labels("folds"));
    spec.rdm.noise = Some(Noise { covariance: Covariance::ShrinkageDiag, residuals: Some("residuals".into()), ..Noise::default() });
    for compare in [Compare::Corr, Compare::CorrCov, Compare::RhoA] {
        spec.compare = compare;
        let (output, _) = searched(&spec, &inputs).expect("runs");
        assert_eq!((output.n_centers, output.n_members), (27, [4, 7]), "corners have 4 voxels in the volume");
        let members: Vec<usize> =
            [[0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1], [1, 1, 2], [1, 2, 1], [2, 1, 1]].map(|[x, y, z]| 9 * x + 3 * y + z).to_vec();
        let mut local = inputs.clone();
        for name in ["image", "residuals"] {
            let whole = inputs.get("", name).expect("there");
            local.insert(name, Image::of(whole).expect("four axes").of_voxels(&members).expect("fits"));
        }
        let device = Device::cpu();
        let context = Context::new(&device, &Silent);
        let rdm = pollster::block_on(rdm::run(&spec.rdm, &local, &context)).expect("runs").rdm;
        local.insert("rdm", Dataset::from_rows("rdm", 4, 4, rdm.values).expect("fits"));
        let compared = rdm_comparison::Spec { data: vec!["rdm".into()], models: vec!["models".into()], compare, ..Default::default() };
        let want = pollster::block_on(rdm_comparison::run(&compared, &local, &context)).expect("runs");
        let found: Vec<f64> = output.maps.iter().map(|map| map.scores.values[13]).collect();
        let want: Vec<f64> = want.models.iter().map(|model| model.mean.expect("defined")).collect();
        close(&format!("{compare:?}"), &found, &want, 1e-12);
        assert_eq!(output.maps[1].model, "models[1]");
    }
}

#[test]
fn voxels_without_values_are_in_no_searchlight() {
    let (all, mut inputs) = reference();
    let mut values = floats(&all["image"]);
    // Voxel (5, 2, 2) in one of its rows.
    values[((5 * 5 + 2) * 4 + 2) * 7 + 3] = f64::NAN;
    inputs.insert("image", image(&[6, 5, 4, 7], values));
    let strict = Spec { radius: 1.5, ..spec("image") };
    let (output, warnings) = searched(&strict, &inputs).expect("runs");
    assert_eq!(warnings[0].code, "non_finite_voxels");
    assert!(output.maps[0].scores.values[((5 * 5) + 2) * 4 + 1].is_nan(), "its neighbor has a hole in its searchlight");
    let lax = Spec { radius: 1.5, threshold: 0.5, ..spec("image") };
    let (output, _) = searched(&lax, &inputs).expect("runs");
    assert!(output.maps[0].scores.values[((5 * 5) + 2) * 4 + 1].is_finite(), "the others are enough");
    let truncated = Spec { truncate: true, ..lax };
    let (truncated, _) = searched(&truncated, &inputs).expect("runs");
    let beside_the_hole = ((2 * 5) + 2) * 4 + 2;
    let [cut, whole] = [&truncated, &output].map(|output| output.maps[0].scores.values[beside_the_hole]);
    assert!((cut - whole).abs() > 1e-6, "a voxel outside the mask is left out: {cut} and {whole}");
    assert_eq!(truncated.n_centers, output.n_centers, "after the share was taken");
}

#[test]
fn without_a_mask_voxels_that_vary_are_taken() {
    let mut values: Vec<f64> = (0..27 * 5).map(|i| f64::from(i * i % 17)).collect();
    values[..5].fill(3.0);
    let mut inputs = Inputs::default();
    inputs.insert("image", image(&[3, 3, 3, 5], values));
    inputs.insert("models", dataset(&[(1..=10).map(f64::from).collect()]));
    let spec = Spec { mask: None, radius: 1.1, ..spec("image") };
    let (output, _) = searched(&spec, &inputs).expect("runs");
    // The corner itself and its three neighbors, whose searchlights it is in.
    assert_eq!(output.n_centers, 23);
    let best = output.maps[0].best.expect("some");
    let at = best.voxel.map(|v| v as usize);
    assert_eq!(output.maps[0].scores.values[(at[0] * 3 + at[1]) * 3 + at[2]], best.score);
    assert!(output.maps[0].scores.values.iter().all(|s| s.is_nan() || *s <= best.score), "no other is higher");
    // A single voxel has no correlations.
    let spec = Spec { radius: 0.5, ..spec };
    let (output, warnings) = searched(&spec, &inputs).expect("runs");
    assert_eq!((output.maps[0].mean, output.maps[0].best), (None, None));
    assert_eq!(warnings[0].code, "undefined_searchlights");
    assert!(warnings[0].message.contains("26 of 26"), "{}", warnings[0].message);
    assert!(warnings[0].message.contains("at least 2 columns"), "{}", warnings[0].message);
}

#[test]
fn input_that_does_not_fit_is_named() {
    let (_, inputs) = reference();
    let message = |spec: &Spec, inputs: &Inputs| searched(spec, inputs).expect_err("refused").to_string();
    let with = |change: fn(&mut Spec)| {
        let mut spec = spec("image");
        change(&mut spec);
        message(&spec, &inputs)
    };
    assert!(with(|s| s.radius = 0.0).contains("radius"), "no radius");
    assert!(with(|s| s.threshold = 1.5).contains("from 0 to 1"), "no share");
    assert!(with(|s| s.rdm.input = "mask".into()).contains("4 axes"), "no image");
    assert!(with(|s| s.radius = 9.0).contains("lower the threshold or the radius"), "the mask is smaller");
    assert!(with(|s| s.rdm.time_bins = Some(2)).contains("axis of time"), "no time");
    assert!(with(|s| s.rdm.precision = Some("mask".into())).contains("precision"), "no precision");
    let mut other = inputs.clone();
    other.insert("mask", image(&[6, 5, 3], vec![1.0; 90]));
    assert!(message(&spec("image"), &other).contains("the voxels of image (6 x 5 x 4)"), "another volume");
    other.insert("mask", image(&[6, 5, 4], vec![0.0; 120]));
    assert!(message(&spec("image"), &other).contains("the mask is empty"), "no voxel");
    other.insert("models", dataset(&[vec![1.0, 2.0, 3.0]]));
    assert!(message(&spec("image"), &other).contains("3 conditions but image has 7"), "other conditions");
}
