//! Numbers of numpy and scikit-learn, made by `tests/reference/encoding.py`.

use std::path::PathBuf;

use serde_json::Value;

use super::*;

fn fixture() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/encoding.json");
    let text = std::fs::read_to_string(&path).expect("the fixture is part of the repository");
    serde_json::from_str(&text).expect("valid JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

#[track_caller]
fn compare(output: &Output, want: &Value, tolerance: f64, what: &str) {
    for (name, got) in [("median_r", output.median_r), ("mean_r", output.mean_r), ("r2_uniform", output.r2_uniform)] {
        assert_close(got.expect("defined"), want[name].as_f64().expect("a number"), tolerance, &format!("{what} {name}"));
    }
    if what.ends_with("default") {
        // A loose inner tolerance moves single weak targets further than the aggregates; the tight reference covers them.
        return;
    }
    for (name, got) in [("per_target_r", &output.per_target_r), ("per_target_r2", &output.per_target_r2)] {
        for (k, (got, want)) in got.values.iter().zip(numbers(&want[name])).enumerate() {
            assert_close(*got, want, tolerance, &format!("{what} {name} of target {k}"));
        }
    }
    if let Some(alphas) = want.get("alpha") {
        let want: Vec<f64> = alphas.as_array().expect("a list").iter().flat_map(numbers).collect();
        assert_eq!(output.alpha.as_ref().expect("ridge").values, want, "{what}");
    }
}

fn model(name: &str, grid: &[f64]) -> (Model, f64) {
    // Direct methods agree to rounding. The default inner tolerance of the reference's PLS moves its weights by 1e-3.
    match name {
        "ols" => (Model::Ols, 1e-9),
        "ridge_1" => (ridge_model(&[1.0], Selection::LeaveOneOut), 1e-9),
        "ridge_loo" => (ridge_model(grid, Selection::LeaveOneOut), 1e-9),
        "ridge_kfold_4" => (ridge_model(grid, Selection::Kfold { k: 4 }), 1e-9),
        "ridge_gcv" => (ridge_model(grid, Selection::Gcv), 1e-9),
        "kernel_linear" => (kernel_model(Kernel::Linear, 2.0), 1e-9),
        "kernel_rbf" => (kernel_model(Kernel::Rbf { gamma: Some(0.05) }, 0.5), 1e-9),
        "kernel_rbf_default" => (kernel_model(Kernel::Rbf { gamma: None }, 0.5), 1e-9),
        "kernel_polynomial" => (kernel_model(Kernel::Polynomial { degree: 2, gamma: Some(0.1), coef0: 1.0 }, 0.5), 1e-9),
        "pca_4_ols" => (Model::Ols, 1e-9),
        "pls_3" => (Model::Pls { components: 3 }, 1e-9),
        "pls_3_default" => (Model::Pls { components: 3 }, 1e-3),
        "pls_25" => (Model::Pls { components: 25 }, 1e-6),
        "pls_25_default" => (Model::Pls { components: 25 }, 1e-3),
        other => panic!("unknown model {other}"),
    }
}

fn kernel_model(kernel: Kernel, alpha: f64) -> Model {
    Model::KernelRidge { kernel, alphas: vec![alpha], selection: Selection::LeaveOneOut }
}

fn scheme(name: &str) -> Cv {
    match name {
        "kfold_5" => kfold(5),
        "kfold_5_shuffle_seed_3" => Cv::Kfold { k: 5, shuffle: true, seed: 3 },
        "shuffle_split_4_0.8_seed_7" => Cv::ShuffleSplit { n_splits: 4, train_fraction: 0.8, seed: 7 },
        other => panic!("unknown scheme {other}"),
    }
}

#[test]
fn splits_are_those_of_scikit_learn() {
    let fixture = &fixture()["splits"];
    let schemes = [
        ("kfold_4", kfold(4)),
        ("kfold_3_shuffle_seed_5", Cv::Kfold { k: 3, shuffle: true, seed: 5 }),
        ("shuffle_split_4_0.7_seed_9", Cv::ShuffleSplit { n_splits: 4, train_fraction: 0.7, seed: 9 }),
    ];
    for (name, cv) in schemes {
        let got = cv::splits(&cv, "X", 11, &Inputs::default()).expect("fits");
        let rows = |v: &Value| numbers(v).into_iter().map(|row| (0..11).find(|&i| columns::count(i) == row).expect("a row")).collect();
        let want: Vec<Split> =
            fixture[name].as_array().expect("a list").iter().map(|s| Split { train: rows(&s["train"]), test: rows(&s["test"]) }).collect();
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn every_model_and_scheme_matches_scikit_learn() {
    let fixture = fixture();
    let grid = numbers(&fixture["grid"]);
    for case in fixture["cases"].as_array().expect("a list") {
        let seed = u32::try_from(case["seed"].as_u64().expect("a seed")).expect("small");
        let shape: Vec<usize> = case["shape"]
            .as_array()
            .expect("a shape")
            .iter()
            .map(|v| usize::try_from(v.as_u64().expect("whole")).expect("small"))
            .collect();
        let (x, y) = planted(seed, shape[0], shape[1], shape[2]);
        assert_close(x[(shape[0] - 1, shape[1] - 1)], case["x_last"].as_f64().expect("a number"), 1e-14, "the same features");
        assert_close(y[(shape[0] - 1, shape[2] - 1)], case["y_last"].as_f64().expect("a number"), 1e-14, "the same targets");
        let all: Vec<usize> = (0..shape[0]).collect();
        let (a, b) =
            (columns::take_centered(&x, &all, &columns::means(&x, &all)), columns::take_centered(&y, &all, &columns::means(&y, &all)));
        let pls = pollster::block_on(pls::fit(&a, &b, 3, &Device::cpu())).expect("fits");
        let coefficients = Array::from_mat(pls.linear.coefficients().as_ref()).values;
        for (got, want) in coefficients.iter().zip(numbers(&case["pls_3_coef"])) {
            assert_close(*got, want, 1e-6, &format!("seed {seed}: PLS coefficient against a tightly converged reference"));
        }
        for (cv_name, results) in case["results"].as_object().expect("a map") {
            for (model_name, want) in results.as_object().expect("a map") {
                let (model, tolerance) = model(model_name, &grid);
                let pca = model_name.starts_with("pca_4").then_some(Components { components: 4, reference: None });
                let (output, _) = run_on(&Spec { pca, ..spec(model, scheme(cv_name)) }, &x, &y);
                compare(&output, want, tolerance, &format!("seed {seed}, {cv_name}, {model_name}"));
            }
        }
    }
}

#[test]
fn v4_predicts_it_as_in_scikit_learn() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/majajhong2015");
    let read = |name: &str, columns: usize| -> Option<Dataset> {
        let bytes = std::fs::read(folder.join(name)).ok()?;
        // float32 in C order at the end of the file; the reader of npy files has its own tests.
        let body = &bytes[bytes.len() - 3200 * columns * 4..];
        let values = body.as_chunks::<4>().0.iter().map(|c| f64::from(f32::from_le_bytes(*c))).collect();
        Some(Dataset::from_rows(name, 3200, columns, values).expect("the shape of the file"))
    };
    let (Some(v4), Some(it)) = (read("V4.npy", 88), read("IT.npy", 168)) else {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    };
    let mut inputs = Inputs::default();
    inputs.insert("X", v4);
    inputs.insert("Y", it);
    for (name, want) in fixture()["v4_to_it"].as_object().expect("a map") {
        let (model, tolerance) = model(name, &[]);
        let (output, _) = try_run(&spec(model, kfold(10)), &inputs).expect("runs");
        compare(&output, want, tolerance, name);
    }
}
