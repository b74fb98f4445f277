//! Published reference values, from the command line, on the CPU and on the GPU.
//!
//! Values: recordings of Majaj et al. 2015, RDMs of Kriegeskorte et al. 2008, and golden values of the similarity repository; see the
//! documents of the analyses. CPU: 1e-9 relative, or the digits that were published. GPU: 1e-4.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{self, program};

fn data(file: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(file);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not beside the checkout", path.display());
    None
}

fn run(device: &str, args: &[&str]) -> Value {
    let out = Command::new(program()).args(args).args(["--json", "--device", device]).output().expect("the binary starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("stdout is JSON and nothing else")
}

#[track_caller]
fn close(value: &Value, want: f64, tolerance: f64) {
    let got = value.as_f64().unwrap_or_else(|| panic!("a number is expected, not {value}"));
    assert!((got - want).abs() <= tolerance, "{got} instead of {want} (tolerance {tolerance:e})");
}

/// Devices to test: the CPU, and the GPU when there is one.
fn devices() -> Vec<(&'static str, f64)> {
    let mut out = vec![("cpu", 1e-9)];
    if support::gpu().is_some() {
        out.push((support::gpu_word(), 1e-4));
    }
    out
}

#[test]
fn dimensionality_of_macaque_it() {
    let Some(it) = data("majajhong2015/IT.npy") else { return };
    for (device, tolerance) in devices() {
        let out = run(device, &["dims", it.to_str().expect("UTF-8")]);
        let spectrum = &out[0];
        assert_eq!(spectrum["n_samples"], 3200);
        assert_eq!(spectrum["n_features"], 168);
        // Published with six decimals.
        close(&spectrum["effective_dimensionality"], 16.254_592, 5e-7 + 16.0 * tolerance);
        assert_eq!(spectrum["eigenvalues"].as_array().map(Vec::len), Some(168));
        let both = run(device, &["dims", it.to_str().expect("UTF-8"), "--centering", "both"]);
        close(&both[0]["effective_dimensionality"], 19.751_251, 5e-6 + 20.0 * tolerance);
    }
}

#[test]
fn golden_shape_distances() {
    let (Some(x), Some(y)) = (data("golden/X.npy"), data("golden/Y.npy")) else { return };
    for (device, tolerance) in devices() {
        for (score, want) in [("angular", 0.762_981_579_93), ("euclidean", 5.851_126_077_85)] {
            let out = run(device, &["shapes", x.to_str().expect("UTF-8"), y.to_str().expect("UTF-8"), "--score", score]);
            // Eleven digits are published.
            close(&out["distances"][0][1], want, 1e-10 + want * tolerance);
            close(&out["distances"][1][1], 0.0, 0.0);
        }
    }
}

#[test]
fn golden_rdm_correlations() {
    let (Some(x), Some(y)) = (data("golden/X.npy"), data("golden/Y.npy")) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for (device, tolerance) in devices() {
        let mut rdms = Vec::new();
        for (name, path) in [("x", &x), ("y", &y)] {
            let out = run(device, &["rdm", path.to_str().expect("UTF-8"), "--measure", "correlation"]);
            assert_eq!(out["n"], 30);
            let rows: Vec<String> = out["rdm"]
                .as_array()
                .expect("rows")
                .iter()
                .map(|row| row.as_array().expect("a row").iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
                .collect();
            let file = folder.path().join(format!("{name}.csv"));
            std::fs::write(&file, rows.join("\n")).expect("a file is written");
            rdms.push(file);
        }
        for (compare, want) in [("corr", 0.003_506_246_019_28), ("spearman", -0.004_092_795_694_07)] {
            let (a, b) = (rdms[0].to_str().expect("UTF-8"), rdms[1].to_str().expect("UTF-8"));
            let out = run("cpu", &["rsa", "--data", a, "--models", b, "--compare", compare]);
            // Twelve digits are published; a correlation near zero carries the absolute error of its RDMs.
            close(&out["models"][0]["mean"], want, 1e-10 + 10.0 * if device == "cpu" { 0.0 } else { tolerance });
        }
    }
}

#[test]
fn human_it_models_and_ceilings() {
    let (Some(human), Some(models)) = (data("images92/humanIT_4subjects_mean.npy"), data("images92/model_rdms.npy")) else { return };
    let out =
        run("cpu", &["rsa", "--data", human.to_str().expect("UTF-8"), "--models", models.to_str().expect("UTF-8"), "--compare", "corr"]);
    // Published with five and four decimals.
    close(&out["noise_ceiling"][0], 0.394_41, 5e-6);
    close(&out["noise_ceiling"][1], 0.680_41, 5e-6);
    let want = [0.3871, 0.2816, 0.3335, 0.2591, 0.1521, 0.0250, 0.1159, 0.0365];
    for (model, want) in out["models"].as_array().expect("models").iter().zip(want) {
        close(&model["mean"], want, 5e-5);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time is what is tested")]
fn a_sum_of_models_that_another_toolbox_never_finishes_is_fitted_at_once() {
    let (Some(human), Some(models)) = (data("images92/humanIT_4subjects_mean.npy"), data("images92/model_rdms.npy")) else { return };
    let (human, stack) = (human.to_str().expect("UTF-8"), format!("sum={}", models.to_str().expect("UTF-8")));
    let start = std::time::Instant::now();
    let out = run("cpu", &["rsa", "--data", human, "--non-negative", &stack, "--compare", "corr"]);
    let seconds = start.elapsed().as_secs_f64();
    println!("fits to all folds, with the start of the program: {seconds:.3} s");
    // Alone 0.04 s; other tests run beside it.
    assert!(seconds < 2.0, "{seconds} s");
    let weights: Vec<f64> = out["models"][0]["weights"].as_array().expect("fitted").iter().filter_map(Value::as_f64).collect();
    assert!(weights.len() == 8 && weights.iter().all(|w| *w >= 0.0), "{weights:?}");
    let (mean, ceiling) = (out["models"][0]["mean"].as_f64().expect("defined"), out["noise_ceiling"][0].as_f64().expect("four subjects"));
    assert!(mean > 0.9 * ceiling, "a sum of all eight models explains the human data: {mean}, ceiling {ceiling}");
}

#[test]
fn bootstraps_of_human_it_agree_with_those_of_another_toolbox() {
    let (Some(human), Some(models)) = (data("images92/humanIT_4subjects_mean.npy"), data("images92/model_rdms.npy")) else { return };
    let (human, models) = (human.to_str().expect("UTF-8"), models.to_str().expect("UTF-8"));
    let out = run("cpu", &["rsa", "--data", human, "--models", models, "--bootstrap", "2000", "--compare", "corr"]);
    // Standard errors of 1000 dual bootstraps by rsatoolbox 0.3.2. Two such figures differ by sqrt(1/2000 + 1/4000) = 3 % (1 s.d.) when
    // resamples are normal, by more where the clipped variance jumps between its bounds: 20 % is five of these.
    let want = [0.0751, 0.0540, 0.0513, 0.0626, 0.0565, 0.0627, 0.0605, 0.0388];
    for (model, want) in out["models"].as_array().expect("models").iter().zip(want) {
        let sem = model["sem"].as_f64().expect("a bootstrap");
        assert!((sem / want - 1.0).abs() < 0.2, "{}: {sem}, {want}", model["name"]);
    }
}

#[test]
fn monkey_and_human_it_correlate() {
    let (Some(monkey), Some(human)) = (data("images92/monkeyIT_rdm.npy"), data("images92/humanIT_fig1_rdm.npy")) else { return };
    let out =
        run("cpu", &["rsa", "--data", human.to_str().expect("UTF-8"), "--models", monkey.to_str().expect("UTF-8"), "--compare", "corr"]);
    close(&out["models"][0]["mean"], 0.4912, 5e-5);
}

#[test]
fn encoding_of_it_from_v4_agrees_between_devices() {
    let (Some(v4), Some(it)) = (data("majajhong2015/V4.npy"), data("majajhong2015/IT.npy")) else { return };
    let (v4, it) = (v4.to_str().expect("UTF-8"), it.to_str().expect("UTF-8"));
    for model in [["--model", "ols"], ["--model", "ridge"], ["--model", "pls"]] {
        let args = [&["encode", "--features", v4, "--targets", it, "--cv", "kfold:5"][..], &model[..]].concat();
        let cpu = run("cpu", &args);
        assert!(cpu["median_r"].as_f64().is_some_and(|r| (0.4..0.7).contains(&r)), "{model:?}: {}", cpu["median_r"]);
        if devices().len() > 1 {
            let gpu = run(support::gpu_word(), &args);
            for key in ["median_r", "mean_r", "r2_uniform"] {
                close(&gpu[key], cpu[key].as_f64().expect("a number"), 1e-4);
            }
        }
    }
}

#[test]
fn few_components_of_v4_predict_it_and_their_number_grows_the_score() {
    let (Some(v4), Some(it)) = (data("majajhong2015/V4.npy"), data("majajhong2015/IT.npy")) else { return };
    let (v4, it) = (v4.to_str().expect("UTF-8"), it.to_str().expect("UTF-8"));
    for (device, tolerance) in devices() {
        let out = run(device, &["dim-use", "--features", v4, "--targets", it, "--cv", "kfold:5"]);
        assert_eq!((out["ambient_dim"].as_u64(), out["num_pcs"].as_array().map(Vec::len)), (Some(88), Some(11)));
        let score = |i: usize| out["scores"][i].as_f64().expect("a number");
        assert!((1..11).all(|i| score(i) > score(i - 1)), "every component of V4 helps: {}", out["scores"]);
        // All 88 components are least squares on the neurons themselves.
        let all = run(device, &["dim-use", "--features", v4, "--targets", it, "--cv", "kfold:5", "--num-pcs", "88"]);
        let plain = run("cpu", &["encode", "--features", v4, "--targets", it, "--cv", "kfold:5", "--model", "ols"]);
        let plain = plain["median_r"].as_f64().expect("a number");
        close(&all["scores"][0], plain, tolerance);
        assert!((score(10) - plain).abs() < 1e-3, "the last 22 of 88 components add nothing: {} and {plain}", score(10));
    }
}

/// Files of the published tables, as arguments; `None` with a printed reason where one is missing.
fn tables(names: &[&str]) -> Option<Vec<String>> {
    let path = |name: &&str| data(&format!("encoder_dimensionality/{name}.csv")).map(|p| p.to_str().expect("UTF-8").to_owned());
    names.iter().map(path).collect()
}

fn relate(tables: &[String], options: &[&str]) -> Value {
    let files: Vec<&str> = tables.iter().map(String::as_str).collect();
    run("cpu", &[&["relate"][..], &files, options].concat())
}

#[test]
fn relation_of_dimensionality_and_it_scores_over_536_layers() {
    let names = ["eigmetrics_imagenet_pooling_true", "encoding_majajhong_it_pls_pooling_false"];
    let Some(tables) = tables(&names) else { return };
    let out = relate(&tables, &["--x", "effective_dimensionality", "--y", "score", "--by", "kind", "--best-layer", "--bootstrap", "100"]);
    assert_eq!((out["n"].as_u64(), out["groups"].as_array().map(Vec::len)), (Some(536), Some(3)));
    // Published with four decimals; scipy 1.17 for the rest.
    close(&out["pearson_r"], 0.5881, 5e-5);
    close(&out["pearson_r"], 0.588_072_625_669_46, 1e-13);
    close(&out["spearman_r"], 0.771_298_444_341_754, 1e-13);
    let log = relate(&tables, &["--x", "effective_dimensionality", "--y", "score", "--log-x", "--bootstrap", "0"]);
    close(&log["pearson_r"], 0.810_915_769_576_980_3, 1e-13);
    // The rows of untrained networks are there: their task is the text None.
    let untrained = out["groups"].as_array().expect("groups").iter().find(|g| g["name"] == "Untrained").expect("untrained");
    assert_eq!(untrained["n"], 24);
}

#[test]
fn relation_of_log_dimensionality_and_it_scores_over_568_layers() {
    let names = [
        "eigmetrics_imagenet_pooling_avg",
        "eigmetrics_imagenet_pooling_avg_additional",
        "encoding_majajhong_it_pls_pooling_false",
        "encoding_majajhong_it_pls_pooling_false_additional",
    ];
    let Some(tables) = tables(&names) else { return };
    let out = relate(&tables, &["--x", "Effective Dimensionality", "--y", "score", "--log-x"]);
    assert_eq!(out["n"], 568);
    close(&out["pearson_r"], 0.8438, 5e-5);
    close(&out["pearson_r"], 0.843_788_907_140_573_8, 1e-13);
    close(&out["spearman_r"], 0.760_037_147_967_542_5, 1e-13);
    let interval = &out["pearson_interval"];
    let [low, high] = [0, 1].map(|i| interval[i].as_f64().expect("an interval"));
    assert!(low > 0.80 && low < 0.8437 && high > 0.8439 && high < 0.88, "{interval}");
    // The same data in one table, where the task of untrained networks was lost.
    let Some(whole) = tables_of_one("data_snr_global") else { return };
    let out = relate(&whole, &["--x", "effective_dimensionality", "--y", "score", "--log-x", "--bootstrap", "0", "--by", "task"]);
    close(&out["pearson_r"], 0.843_788_907_140_573_8, 1e-13);
    assert!(out["groups"].as_array().expect("groups").iter().any(|g| g["name"] == "None" && g["n"] == 40), "{}", out["groups"]);
}

fn tables_of_one(name: &str) -> Option<Vec<String>> {
    tables(&[name])
}

#[test]
fn published_variance_partitions() {
    let Some(table) = tables_of_one("data_snr_global") else { return };
    let ed = "log10:effective_dimensionality";
    let cases = [
        ("encoding_ed_snr", "score", "signal-noise-ratio (mean)"),
        ("encoding_ed_mrr", "score", "MRR"),
        ("encoding_ed_signal", "score", "signal (mean)"),
        ("mrr_ed_snr", "MRR", "signal-noise-ratio (mean)"),
        ("mrr_ed_signal", "MRR", "signal (mean)"),
    ];
    for (file, dependent, predictor) in cases {
        let Some(want) = data(&format!("encoder_dimensionality/variance_partitions_{file}.csv")) else { return };
        let terms = format!("{ed},{predictor}");
        let out = relate(&table, &["--x", "effective_dimensionality", "--y", dependent, "--partition", &terms, "--bootstrap", "0"]);
        let want = std::fs::read_to_string(want).expect("a table");
        for (row, line) in out["partition"]["rows"].as_array().expect("rows").iter().zip(want.lines().skip(1)) {
            let cells: Vec<f64> = line.split(',').skip(1).map(|cell| cell.parse().expect("a number")).collect();
            close(&row["coefficient"], cells[0], 1e-13);
            close(&row["percent_total"], cells[1], 1e-11);
        }
        assert_eq!(out["partition"]["rows"].as_array().map(Vec::len), Some(4));
    }
}
