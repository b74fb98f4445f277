//! Numbers of scikit-learn and himalaya, made by `tests/reference/prediction.py`: what is built on encoding models.

use serde_json::Value;

use super::*;
use crate::analysis::{dimension_use, variance_partition};

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/prediction.json");
    serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The data of the script: features, targets, reference rows, a wide space.
fn data() -> Inputs {
    let (x, y) = planted(21, 60, 9, 4);
    assert_close(x[(59, 8)], number(&fixture()["x_last"]), 1e-14, "the same features");
    let wide = planted(23, 60, 90, 4).0;
    let mut inputs = inputs(&x, &y);
    inputs.insert("reference", dataset(&planted(22, 30, 9, 4).0));
    inputs.insert("first", dataset(&x.subcols(0, 4).to_owned()));
    inputs.insert("second", dataset(&x.subcols(3, 4).to_owned()));
    let third = Mat::from_fn(60, 5, |i, j| if j < 3 { x[(i, 6 + j)] } else { wide[(i, j - 3)] });
    inputs.insert("third", dataset(&third));
    inputs.insert("wide", dataset(&wide));
    inputs
}

fn answer(spec: AnalysisSpec) -> analysis::Output {
    pollster::block_on(analysis::run(&spec, &data(), &Device::cpu(), &Silent)).expect("runs").output
}

#[test]
fn dimension_use_is_that_of_scikit_learn() {
    let fixture = fixture();
    let counts: Vec<u32> = serde_json::from_value(fixture["counts"].clone()).expect("whole numbers");
    for (group, reference) in [("dimension_use", None), ("on_reference", Some("reference".to_owned()))] {
        for (name, model, tolerance) in [
            ("ols", Model::Ols, 1e-9),
            ("ridge_10", ridge_model(&[10.0], Selection::LeaveOneOut), 1e-9),
            ("pls_3", Model::Pls { components: 3 }, 1e-6),
        ] {
            let spec = dimension_use::Spec {
                features: "X".into(),
                targets: "Y".into(),
                reference: reference.clone(),
                model,
                cv: kfold(5),
                num_pcs: counts.clone(),
                ..dimension_use::Spec::default()
            };
            let analysis::Output::DimensionUse(output) = answer(AnalysisSpec::DimensionUse(spec)) else { panic!("kind") };
            for (i, k) in counts.iter().enumerate() {
                let want = &fixture[group][name];
                let what = format!("{group}, {name}, {k} components");
                assert_close(output.scores[i].expect("defined"), number(&want["r"][i]), tolerance, &what);
                assert_close(output.r2[i].expect("defined"), number(&want["r2"][i]), tolerance, &what);
            }
        }
    }
}

#[test]
fn r2_of_subsets_is_that_of_scikit_learn() {
    let fixture = &fixture()["partition"];
    let ten = || ridge_model(&[10.0], Selection::LeaveOneOut);
    for (name, spaces, model, cv) in [
        ("ols", &["first", "second", "third"][..], Model::Ols, Some(kfold(5))),
        ("ols_in_sample", &["first", "second", "third"], Model::Ols, None),
        ("ridge_10", &["first", "second", "third"], ten(), Some(kfold(5))),
        ("ridge_10_wide", &["X", "wide"], ten(), Some(kfold(5))),
    ] {
        let spec = variance_partition::Spec { spaces: spaces.iter().map(|&s| s.into()).collect(), targets: "Y".into(), model, cv };
        let analysis::Output::VariancePartition(output) = answer(AnalysisSpec::VariancePartition(spec)) else { panic!("kind") };
        assert_eq!(output.models.len(), (1 << spaces.len()) - 1);
        for model in &output.models {
            let mask: usize = spaces.iter().enumerate().filter(|(_, s)| model.spaces.iter().any(|m| m == *s)).map(|(b, _)| 1 << b).sum();
            assert_close(
                model.r2.expect("defined"),
                number(&fixture[name][mask.to_string()]),
                1e-9,
                &format!("{name}, {:?}", model.spaces),
            );
        }
        let r2 = |mask: usize| number(&fixture[name][mask.to_string()]);
        let full = (1 << spaces.len()) - 1;
        assert_close(output.parts[0].coefficient.expect("defined"), r2(full) - r2(full & !1), 1e-9, &format!("{name}: unique to A"));
    }
}

#[test]
fn the_best_unit_is_that_of_numpy() {
    let (output, warnings) = try_run(&spec(Model::BestUnit, kfold(5)), &data()).expect("runs");
    let want = &fixture()["best_unit"];
    for k in 0..4 {
        assert_close(output.per_target_r.values[k], number(&want["r"][k]), 1e-10, &format!("r of target {k}"));
        assert_close(output.per_target_r2.values[k], number(&want["r2"][k]), 1e-10, &format!("R2 of target {k}"));
    }
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn ways_to_put_scores_together() {
    let (output, _) = try_run(&spec(Model::Ols, kfold(5)), &data()).expect("runs");
    let want = &fixture()["aggregates"];
    assert_close(output.pooled_r.expect("defined"), number(&want["pooled_r"]), 1e-10, "pooled r");
    assert_close(output.r2_weighted.expect("defined"), number(&want["r2_weighted"]), 1e-10, "weighted R2");
    assert_close(output.explained_variance.expect("defined"), number(&want["explained_variance"]), 1e-10, "explained variance");
    let pooled = output.per_target_pooled_r.expect("there");
    for (k, got) in pooled.values.iter().enumerate() {
        assert_close(*got, number(&want["per_target_pooled_r"][k]), 1e-10, &format!("pooled r of target {k}"));
    }
    assert!(output.explained_variance > output.r2_uniform, "an offset costs R2 only");
}

#[test]
fn penalties_are_those_of_himalaya() {
    let split = Cv::Contiguous { train_fraction: 0.8, validation_fraction: 0.0 };
    let model = ridge_model(&[0.1, 1.0, 10.0, 100.0, 1000.0], Selection::Kfold { k: 4 });
    let (output, _) = try_run(&spec(model, split), &data()).expect("runs");
    let want = &fixture()["himalaya_ridge"];
    for k in 0..4 {
        // The reference keeps logarithms of penalties, which costs the last digits.
        assert_close(output.alpha.as_ref().expect("ridge").values[k], number(&want["alpha"][k]), 1e-12, &format!("penalty of target {k}"));
        assert_close(output.per_target_r2.values[k], number(&want["r2"][k]), 1e-9, &format!("R2 of target {k}"));
    }
}

#[test]
fn results_of_earlier_versions_still_load() {
    let (output, _) = try_run(&spec(Model::Ols, kfold(5)), &data()).expect("runs");
    let mut json = serde_json::to_value(&output).expect("serializes");
    let new = ["r2_weighted", "explained_variance", "pooled_r", "per_target_pooled_r", "per_target_explained_variance", "alpha_at_edge"];
    for key in new {
        assert!(json.as_object_mut().expect("an object").remove(key).is_some(), "{key} is there");
    }
    let old: Output = serde_json::from_value(json).expect("reads");
    assert_eq!((old.median_r, old.pooled_r, old.alpha_at_edge), (output.median_r, None, false));
}

#[test]
fn blocks_of_targets_are_the_whole() {
    let (x, y) = planted(9, 36, 8, 7);
    let mut inputs = inputs(&x, &y);
    inputs.insert("Z", dataset(&noise(36, 4, 2)));
    let grid = vec![0.1, 10.0, 1000.0];
    let banded = Model::BandedRidge { bands: vec!["Z".into()], alphas: grid.clone(), candidates: 4, k: 2, seed: 1 };
    for model in [Model::Ols, Model::BestUnit, ridge_model(&grid, Selection::LeaveOneOut), banded] {
        for pca in [None, Some(Components { components: 3, reference: None })] {
            if pca.is_some() && matches!(model, Model::BandedRidge { .. }) {
                continue;
            }
            let spec = Spec { keep_predictions: true, pca, ..spec(model.clone(), kfold(4)) };
            let device = Device::cpu();
            let run = |blocks: &[std::ops::Range<usize>]| {
                let context = Context::new(&device, &Silent);
                let checked = spec.check(&inputs).expect("fits");
                let (fitted, origin) = pollster::block_on(fit::fit(&spec, &checked, &context, blocks)).expect("runs");
                let output = fit::finish(fitted, &spec, &checked, &origin, &context).expect("finishes");
                serde_json::to_value(output).expect("serializes")
            };
            crate::testing::near(&run(&[0..3, 3..4, 4..7]), &run(std::slice::from_ref(&(0..7))), "output");
        }
    }
}
