//! The command line: keys, exit status, sentences, and the same numbers as everywhere else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use eigenscope::dataset::Values;
use eigenscope::io::{self, Limits};
use eigenscope::{AnalysisResult, Dataset, analysis, wire};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{TestApp, as_text, npy, program};

/// The rows of a partition between two spaces.
const ROWS: [&str; 4] = ["Unique_A", "Unique_B", "Common_A_and_B", "Total"];

/// A folder with X (30 x 5), Y (30 x 4), Z (12 x 5), W (30 x 3), V (30 x 40) and RDM stacks.
fn folder() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    for (name, rows, columns, seed) in
        [("X", 30, 5, 1), ("Y", 30, 4, 2), ("Z", 12, 5, 3), ("W", 30, 3, 6), ("V", 30, 40, 7), ("data", 3, 28, 4), ("models", 2, 28, 5)]
    {
        std::fs::write(dir.path().join(format!("{name}.npy")), npy(rows, columns, seed)).expect("written");
    }
    let (mut a, mut b) =
        (String::from("layer,architecture,task,kind,effective dimensionality\n"), String::from("kind,task,architecture,layer,score\n"));
    for i in 0..12u32 {
        let (task, kind) = if i < 6 { ("None", "Untrained") } else { ("Denoising", "Supervised") };
        let (architecture, layer) = (["A", "B"][i as usize / 3 % 2], i % 3);
        a.push_str(&format!("l{layer},{architecture},{task},{kind},{}\n", 3 + i * 7 % 11));
        b.push_str(&format!("{kind},{task},{architecture},l{layer},{}\n", 2 + i * 5 % 7));
    }
    std::fs::write(dir.path().join("a.csv"), a).expect("written");
    std::fs::write(dir.path().join("b.csv"), b).expect("written");
    dir
}

/// A table of labels: rows of `k` classes in turn.
fn classes(n: usize, k: usize) -> String {
    let rows = (0..n).map(|i| format!("s{i},class {}\n", i % k)).collect::<String>();
    format!("stimulus,kind\n{rows}")
}

fn eigenscope(dir: &Path, args: &str) -> Output {
    Command::new(program())
        .current_dir(dir)
        .args(args.split_whitespace())
        .env_remove("EIGENSCOPE_TOKEN")
        .output()
        .expect("the program starts")
}

#[track_caller]
fn succeed(dir: &Path, args: &str) -> Value {
    let output = eigenscope(dir, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{args} printed more than JSON ({e}): {stdout}"))
}

#[track_caller]
fn keys_are_there(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "{key} is missing in {value}");
    }
}

/// An image of 8 conditions in 4 x 4 x 3 voxels and its mask; maps come back as images.
fn searchlights(dir: &Path) {
    let flat = io::read("image.npy", &npy(48, 8, 9), None, Limits::NATIVE).expect("reads");
    let values: Vec<f64> = match &*flat.values {
        Values::F32(a) => a.iter().map(|&v| v.into()).collect(),
        Values::F64(a) => a.iter().copied().collect(),
    };
    let image = ArrayD::from_shape_vec(IxDyn(&[4, 4, 3, 8]), values).expect("fits");
    std::fs::write(dir.join("image.npy"), io::write_npy(&Dataset::from_f64("image", image))).expect("written");
    let affine = [[2.0, 0.0, 0.0, -4.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 2.0, 6.0]];
    let mut mask = vec![1.0; 48];
    mask[0] = 0.0;
    std::fs::write(dir.join("mask.nii"), io::write_nifti([4, 4, 3], Some(&affine), &mask).expect("fits")).expect("written");
    let command = "searchlight image.npy --mask mask.nii --models models.npy --radius 1.5 --threshold 0.92 --compare spearman";
    let found = succeed(dir, &format!("{command} --measure euclidean --maps . --json"));
    // The corner is no center, and its three neighbors along the axes lose 1 of 10 voxels to it: 48 - 1 - 3.
    assert_eq!((&found["shape"], found["n_centers"].as_u64()), (&json!([4, 4, 3]), Some(44)), "the volume");
    assert_eq!((&found["n_members"], &found["maps"][1]["model"]), (&json!([7, 19]), &json!("models[1]")), "smallest and largest");
    let map = std::fs::read(dir.join("models_1_.nii")).expect("the map of the second model");
    let map = io::read("map.nii", &map, None, Limits::NATIVE).expect("reads");
    let [x, y, z]: [usize; 3] = serde_json::from_value(found["maps"][1]["best"]["voxel"].clone()).expect("a voxel");
    let Values::F32(scores) = &*map.values else { panic!("single precision") };
    let best = found["maps"][1]["best"]["score"].as_f64().expect("a score");
    assert!((f64::from(scores[[x, y, z]]) - best).abs() < 1e-7, "the map holds the best score at its place");
    assert!(scores[[0, 0, 0]].is_nan(), "outside the mask");
    let refused = eigenscope(dir, &format!("{command} --maps nowhere"));
    assert_eq!(refused.status.code(), Some(2), "there is no such folder");
}

#[test]
fn json_has_the_keys_of_the_contract() {
    let dir = folder();
    let dir = dir.path();
    let dims = succeed(dir, "dims X.npy Z.npy --json --device cpu");
    assert_eq!((dims[0]["input"].as_str(), dims[1]["n_samples"].as_u64()), (Some("X"), Some(12)));
    let keys = ["input", "n_samples", "n_features", "effective_dimensionality", "effective_dimensionality_unbiased"];
    keys_are_there(&dims[0], &keys);
    keys_are_there(&dims[0], &["variance_80_count", "power_law_alpha", "eigenvalues"]);
    for model in ["ols", "ridge --alpha 0.1,1,10", "ridge --alpha 3 --selection gcv", "pls --components 2"] {
        let out = succeed(dir, &format!("encode --features X.npy --targets Y.npy --model {model} --cv kfold:3:shuffle --seed 4 --json"));
        keys_are_there(&out, &["median_r", "mean_r", "r2_uniform", "per_target_r", "per_split", "alpha"]);
        assert_eq!(out["per_target_r"].as_array().map(Vec::len), Some(4));
        assert_eq!(out["alpha"].is_array(), model.starts_with("ridge"), "{model}");
    }
    let best = succeed(dir, "encode --features X.npy --targets Y.npy --model best-unit --cv kfold:3 --json");
    keys_are_there(&best, &["r2_weighted", "explained_variance", "pooled_r", "alpha_at_edge"]);
    for model in ["ols", "ridge --alpha 0.1,10", "pls --components 2"] {
        let out = succeed(dir, &format!("dim-use --features X.npy --targets Y.npy --model {model} --cv kfold:3 --json"));
        keys_are_there(&out, &["num_pcs", "scores", "sems", "ambient_dim", "per_split_r", "per_target_r", "reach"]);
        assert_eq!((&out["num_pcs"], out["ambient_dim"].as_u64()), (&json!([1, 2, 3, 4]), Some(5)), "{model}");
    }
    let out = succeed(dir, "dim-use --features X.npy --targets Y.npy --reference Z.npy --num-pcs 2,5 --cv kfold:3 --json");
    assert_eq!((&out["num_pcs"], out["scores"].as_array().map(Vec::len)), (&json!([2, 5]), Some(2)));
    let out = succeed(dir, "partition X.npy W.npy --targets Y.npy --model ols --cv kfold:3 --json");
    let rows = out["parts"].as_array().expect("parts");
    assert_eq!(rows.iter().map(|p| p["Row"].as_str().unwrap_or_default()).collect::<Vec<_>>(), ROWS);
    keys_are_there(&rows[0], &["Coefficient", "Percent_Total", "spaces"]);
    assert_eq!(out["spaces"], json!(["X", "W"]));
    let out = succeed(dir, "partition X.npy W.npy V.npy --targets Y.npy --in-sample --json");
    assert_eq!((out["parts"].as_array().map(Vec::len), out["n_splits"].as_u64()), (Some(8), Some(0)));
    let rdm = succeed(dir, "rdm Z.npy --measure euclidean --json");
    assert_eq!((rdm["n"].as_u64(), rdm["rdm"].as_array().map(Vec::len)), (Some(12), Some(12)));
    let rsa = succeed(dir, "rsa --data data.npy --models models.npy --compare rho-a --json");
    keys_are_there(&rsa["models"][1], &["name", "mean", "sem", "p_vs_0"]);
    assert_eq!(rsa["noise_ceiling"].as_array().map(Vec::len), Some(2));
    let boot = "rsa --data data.npy --models models.npy --bootstrap 20 --permutations 9 --correction bonferroni";
    let boot = succeed(dir, &format!("{boot} --test bootstrap --seed 3 --json"));
    keys_are_there(&boot["models"][0], &["sem", "interval", "p_vs_0", "p_vs_0_adjusted", "p_vs_ceiling", "p_permutation"]);
    keys_are_there(&boot["inference"]["pairs"][0], &["a", "b", "difference", "sem", "p", "p_adjusted"]);
    assert_eq!((&boot["inference"]["over"], &boot["inference"]["degrees_of_freedom"]), (&json!("dual"), &json!(2)));
    let fitted = succeed(dir, "rsa --data data.npy --weighted sum=models.npy --condition-folds 2 --data-folds 3 --json");
    assert_eq!((&fitted["models"][0]["name"], &fitted["folds"]), (&json!("sum"), &json!([2, 3, 2])));
    assert_eq!(fitted["models"][0]["weights"].as_array().map(Vec::len), Some(2));
    std::fs::write(dir.join("design.csv"), classes(30, 10).replace("kind", "image")).expect("written");
    let crossnobis = "rdm V.npy --measure crossnobis --conditions design.csv --condition-column image --noise shrinkage_eye";
    let crossnobis = succeed(dir, &format!("{crossnobis} --transform positive rank --json"));
    assert_eq!((crossnobis["n"].as_u64(), &crossnobis["conditions"][1]), (Some(10), &json!("class 1")));
    assert_eq!(crossnobis["condition_covariance"].as_array().map(Vec::len), Some(10));
    let pool = succeed(dir, "pool data.npy models.npy --rescale evidence --json");
    assert_eq!((pool["n_rdms"].as_u64(), pool["n"].as_u64(), pool["rdm"].as_array().map(Vec::len)), (Some(5), Some(8), Some(8)));
    let angles = (0..30).map(|i| format!("{}\n", i % 6 * 30)).collect::<String>();
    std::fs::write(dir.join("angles.csv"), format!("angle\n{angles}")).expect("written");
    let tuning = succeed(dir, "tuning X.npy --stimuli angles.csv --json");
    assert_eq!((&tuning["values"], tuning["means"].as_array().map(Vec::len)), (&json!([0.0, 30.0, 60.0, 90.0, 120.0, 150.0]), Some(5)));
    searchlights(dir);
    let embed = succeed(dir, "embed data.npy --method classical --dimensions 3 --linkage ward --json");
    assert_eq!((embed["points"][0].as_array().map(Vec::len), embed["merges"].as_array().map(Vec::len)), (Some(3), Some(7)));
    for method in ["isomap --neighbors 3", "umap --neighbors 4 --min-dist 0.2"] {
        let points = succeed(dir, &format!("embed data.npy --method {method} --json"));
        assert_eq!(points["points"].as_array().map(Vec::len), Some(8), "{method}");
    }
    let shapes = succeed(dir, "shapes X.npy Y.npy --alpha 0.5 --train-fraction 0.8 --json");
    assert_eq!(shapes["names"], json!(["X", "Y"]));
    keys_are_there(&shapes, &["distances", "test_distances"]);
    let folds = succeed(dir, "shapes X.npy Y.npy --metric permutation --folds 3 --json");
    assert_eq!((folds["folds"]["train"].as_array().map(Vec::len), folds["test_distances"].as_array().map(Vec::len)), (Some(3), Some(2)));
    let against = succeed(dir, "shapes X.npy --against Y.npy --metric cka --json");
    assert_eq!((&against["names"], &against["against"]), (&json!(["X"]), &json!(["Y"])));
    populations(dir);
    let relation =
        succeed(dir, "relate a.csv b.csv --x effective_dimensionality --y score --log-x --by kind --best-layer --given depth --json");
    keys_are_there(
        &relation,
        &["n", "pearson_r", "pearson_p", "spearman_r", "spearman_p", "pearson_interval", "groups", "rows", "partial"],
    );
    keys_are_there(&relation["groups"][1], &["name", "n", "pearson_r", "pearson_p", "spearman_r"]);
    keys_are_there(&relation["best_layer"], &["n", "pearson_r", "rows"]);
    std::fs::write(dir.join("L.csv"), classes(30, 3)).expect("written");
    let few = "few-shot --features X.npy --labels L.csv --label-column kind --n-train 1,4 --n-test 5 --repeats 2";
    let few = succeed(dir, &format!("{few} --classifier prototype,linear,maxmargin --order composed --json"));
    assert_eq!((few["rows"].as_array().map(Vec::len), few["n_samples"].as_u64()), (Some(12), Some(10)));
    keys_are_there(&few["rows"][0], &["classifier", "n_train", "i_repeat", "top1", "top5", "mrr", "log_likelihood"]);
    keys_are_there(&few["summaries"][5], &["classifier", "n_train", "top1", "top5", "mrr", "log_likelihood"]);
    keys_are_there(&few["summaries"][0]["top1"], &["mean", "sem"]);
    keys_are_there(&few["confusions"][2], &["classifier", "n_train", "counts", "per_class"]);
    assert!(few["rows"][11]["top5"].is_null() && few["chance"]["top1"].is_f64(), "maxmargin has top-1 only");
    let probe = succeed(dir, "probe --features X.npy --labels L.csv --label-column kind --pca 3 --cv 5 --json");
    keys_are_there(&probe, &["accuracy_mean", "accuracy_sem", "per_fold", "confusion", "layers", "classes", "chance", "behaviors"]);
    assert_eq!((probe["per_fold"].as_array().map(Vec::len), probe["confusion"].as_array().map(Vec::len)), (Some(5), Some(3)));
    let probe = succeed(dir, "probe --features X.npy W.npy --targets Y.npy --estimator glm --map uv --nested --cv kfold:4:shuffle --json");
    keys_are_there(&probe["layers"][1], &["name", "mean", "sem", "scores", "location", "fold_locations", "grid"]);
    assert!(probe.get("score_mean").is_none(), "short names are for one layer");
    let probe = succeed(dir, "probe --features X.npy --targets Y.npy --estimator corr --map uv --json");
    assert!(probe["per_fold"].is_null() && probe["score_mean"][0].is_array(), "correlations of several behaviors");
    let projection = succeed(dir, "projection --features X.npy --labels L.csv --label-column kind --samples all --json");
    assert_eq!(projection["classes"], json!(["class 0", "class 1", "class 2"]));
    keys_are_there(&projection, &["radii", "centroid_distances", "scaled_projections", "projections_raw"]);
    keys_are_there(&projection["with_diagonal"], &["centroid_distances", "scaled_projections", "projections_raw"]);
    assert_eq!(projection["projections_raw"][1].as_array().map(Vec::len), Some(3));
    let similarity = succeed(dir, "similarity X.npy Y.npy --json");
    keys_are_there(
        &similarity["values"],
        &["cka-kernel=linear-hsic=gretton-score", "procrustes-distance=angular", "mutual_knn-k=10-score"],
    );
    assert!(similarity["left_out"]["isc-score"].as_str().is_some_and(|why| why.contains("columns")), "different widths");
    let named = succeed(dir, "similarity X.npy X.npy --measure cka --measure nbs-distance=angular --json");
    assert!((named["values"]["cka"].as_f64().expect("a number") - 1.0).abs() < 1e-12, "of X and X");
    let measures = succeed(dir, "measures --json");
    keys_are_there(&measures["measures"][0], &["name", "title", "direction", "invariances", "is_metric", "status", "cost", "note"]);
    let clusters = succeed(dir, "cluster models.npy --rdm 0 -k 2 --linkage complete --json");
    keys_are_there(&clusters, &["labels", "n_clusters", "silhouette", "silhouettes", "order", "merges"]);
    assert_eq!(clusters["n_clusters"].as_u64(), Some(2));
    for method in ["k-medoids -k 2", "dbscan --eps 0.5 --min-samples 2", "optics --min-samples 2", "hdbscan --min-cluster-size 2"] {
        let found = succeed(dir, &format!("cluster models.npy --rdm 0 --method {method} --json"));
        assert_eq!(found["labels"].as_array().map(Vec::len), Some(8), "{method}");
    }
    layers(dir);
    let devices = succeed(dir, "devices --json");
    keys_are_there(&devices["devices"][0], &["kind", "name", "memory_bytes"]);
}

/// The values of a network, where the networks are.
fn layers(dir: &Path) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/networks/tiny_resnet.onnx");
    if !model.exists() {
        eprintln!("skipped: {} is not there", model.display());
        return;
    }
    std::fs::copy(&model, dir.join("net.onnx")).expect("copied");
    let layers = succeed(dir, "layers net.onnx --json");
    keys_are_there(&layers["layers"][0], &["name", "op", "shape"]);
    assert_eq!((&layers["inputs"][0]["name"], &layers["outputs"]), (&json!("input"), &json!(["output"])), "names of the file");
    let printed = String::from_utf8(eigenscope(dir, "layers net.onnx").stdout).expect("text");
    assert!(printed.contains("Gemm") && printed.contains("weights"), "{printed}");
}

/// Averages, paths, layers with shifts and stochastic responses.
fn populations(dir: &Path) {
    let average = succeed(dir, "average X.npy Y.npy -k 2 --json");
    keys_are_there(&average, &["names", "mean", "distances", "shared", "components", "clusters"]);
    assert_eq!(
        (average["mean"].as_array().map(Vec::len), &average["clusters"]["labels"]),
        (Some(30), &json!([0, 1])),
        "samples and clusters"
    );
    let path = succeed(dir, "path X.npy Y.npy --points 5 --keep-points --json");
    assert_eq!((path["t"].as_array().map(Vec::len), path["points"].as_array().map(Vec::len)), (Some(5), Some(5)), "points");
    let write = |name: &str, shape: &[usize], phase: f64| {
        let n: usize = shape.iter().product();
        let value = |i: usize| (f64::from(u32::try_from(i * i).expect("small")) * 0.37 + phase).sin();
        let values = ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(value).collect()).expect("fits");
        std::fs::write(dir.join(name), io::write_npy(&Dataset::from_f64(name, values))).expect("written");
    };
    write("L1.npy", &[6, 2, 3, 4], 0.0);
    write("L2.npy", &[6, 3, 3, 4], 1.0);
    let layers = succeed(dir, "shapes L1.npy L2.npy --metric convolutional --json");
    assert_eq!(layers["shifts"]["table"].as_array().map(Vec::len), Some(3), "a row for every shift down");
    write("R1.npy", &[4, 5, 3], 0.0);
    write("R2.npy", &[4, 6, 3], 1.0);
    for metric in ["gaussian --alpha 0.5 --starts 2", "energy", "gaussian --train-fraction 0.5"] {
        let stochastic = succeed(dir, &format!("stochastic R1.npy R2.npy --metric {metric} --json"));
        assert_eq!(stochastic["distances"].as_array().map(Vec::len), Some(2), "{metric}");
    }
    let printed = String::from_utf8(eigenscope(dir, "average X.npy Y.npy -k 2").stdout).expect("text");
    assert!(printed.contains("to the average") && printed.contains("sum of squares"), "{printed}");
    let printed = String::from_utf8(eigenscope(dir, "path X.npy Y.npy --points 3").stdout).expect("text");
    assert!(printed.contains("from X to Y"), "{printed}");
    let printed = String::from_utf8(eigenscope(dir, "shapes L1.npy L2.npy --metric convolutional").stdout).expect("text");
    assert!(printed.contains("moved down"), "{printed}");
}

#[test]
fn folds_come_from_a_file_and_splits_from_words() {
    let dir = folder();
    let dir = dir.path();
    let folds = (0..30).map(|i| f64::from(i % 3)).collect();
    let folds = Dataset::from_rows("folds", 30, 1, folds).expect("the shape fits");
    std::fs::write(dir.join("folds.npy"), io::write_npy(&folds)).expect("written");
    let from_file = succeed(dir, "encode --features X.npy --targets Y.npy --model ols --cv folds.npy --json");
    assert_eq!(from_file["per_split"].as_array().map(Vec::len), Some(3));
    let split = succeed(dir, "encode --features X.npy --targets Y.npy --model ols --cv shuffle-split:4:0.9 --json");
    assert_eq!((split["per_split"].as_array().map(Vec::len), split["per_split"][0]["n_train"].as_u64()), (Some(4), Some(27)));
}

#[test]
fn presets_set_estimator_splits_and_score() {
    let dir = folder();
    let dir = dir.path();
    let labels: Vec<f64> = (0..30).map(|i| f64::from(i % 3)).collect();
    let labels = Dataset::from_rows("L", 30, 1, labels).expect("the shape fits");
    std::fs::write(dir.join("L.npy"), io::write_npy(&labels)).expect("written");
    let run = |args: &str| succeed(dir, &format!("encode --features X.npy --targets Y.npy --device cpu --json {args}"));
    let preset = run("--preset dnnbrain");
    assert_eq!(preset, run("--model ols --cv kfold:5 --convention dnnbrain"));
    assert_eq!(run("--preset warping"), run("--model ols --cv contiguous:0.6:0.2 --convention warping"));
    // The published settings draw their splits with seed 1; 25 components are more than these features have.
    let by_hand = "--model pls --components 3 --cv stratified-shuffle:10:0.9 --labels L.npy --seed 1 --convention brainscore";
    assert_eq!(run("--preset brainscore --components 3 --labels L.npy"), run(by_hand));
    assert_eq!(run("--preset dnnbrain --cv kfold:3")["per_split"].as_array().map(Vec::len), Some(3), "what is given beside it wins");
}

#[test]
fn an_archive_is_a_grid_of_layers_and_tables_join() {
    let dir = folder();
    let dir = dir.path();
    let model = "architecture:A|task:None|kind:Untrained|source:S";
    let members = [("conv1.npy", npy(30, 6, 1)), ("conv2.npy", npy(30, 9, 2)), ("names.npy", vector())];
    let archive = io::pack(&members.map(|(name, bytes)| (name.to_owned(), bytes))).expect("packs");
    std::fs::write(dir.join(format!("{model}.npz")), archive).expect("written");
    let output = eigenscope(dir, &format!("dims {model}.npz Y.npy --json --device cpu --table metrics.csv --spectra spectra.csv"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("names is left out: it has 1 axes"), "{stderr}");
    let dims: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let names = dims.as_array().expect("a list").iter().map(|s| s["input"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    assert_eq!(names, [format!("{model}::conv1"), format!("{model}::conv2"), "Y".into()]);
    let metrics = std::fs::read_to_string(dir.join("metrics.csv")).expect("written");
    assert!(metrics.starts_with("80% variance,alpha,effective dimensionality,"), "{metrics}");
    assert!(metrics.lines().nth(2).is_some_and(|row| row.ends_with(",A,None,Untrained,S,conv2")), "{metrics}");
    let spectra = std::fs::read_to_string(dir.join("spectra.csv")).expect("written");
    assert_eq!(spectra.lines().count(), 1 + 6 + 9 + 4);
    // One member is that one alone.
    let one = succeed(dir, &format!("dims {model}.npz::conv2 --json --device cpu"));
    assert_eq!(one[0], dims[1]);
}

/// Two numbers on one axis as the bytes of an `.npy` file.
fn vector() -> Vec<u8> {
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n";
    [b"\x93NUMPY\x01\x00".as_slice(), &[u8::try_from(header.len()).expect("short"), 0], header.as_bytes(), &[0; 16]].concat()
}

#[test]
fn class_manifolds_come_from_features_and_labels() {
    let dir = folder();
    let dir = dir.path();
    let rows: String = (0..30).map(|i| format!("{},{}\n", ["face", "house", "tool"][i % 3], ["a", "b"][i % 2])).collect();
    std::fs::write(dir.join("labels.csv"), format!("category,half\n{rows}")).expect("written");
    let args = "manifolds --features X.npy --labels labels.csv --label-column category --device cpu --table out.csv";
    let out = succeed(dir, &format!("{args} --json"));
    assert_eq!(out["classes"], json!(["face", "house", "tool"]));
    keys_are_there(
        &out,
        &["radius", "dimensionality", "signal", "bias", "self_overlap", "other_overlap", "snr", "between_radius", "summary"],
    );
    assert!(out["snr"][0][0].is_null() && out["snr"][0][1].as_f64().is_some(), "no diagonal: {}", out["snr"]);
    let table = std::fs::read_to_string(dir.join("out.csv")).expect("written");
    assert!(table.starts_with("between-concept dimensionality,between-concept radius,bias (mean),bias (std),"), "{table}");
    let people = eigenscope(dir, args);
    let stdout = String::from_utf8_lossy(&people.stdout);
    assert!(stdout.starts_with("X: 3 classes by labels in 5 features\nclass") && stdout.contains("signal-noise-ratio"), "{stdout}");
    let few = succeed(dir, "manifolds --features X.npy --labels labels.csv --label-column half --shots 5 --json --device cpu");
    let many = succeed(dir, "manifolds --features X.npy --labels labels.csv --label-column half --json --device cpu");
    assert_ne!(few["snr"], many["snr"]);
    assert_eq!(few["signal"], many["signal"]);
    let classes = succeed(dir, "dims X.npy --intrinsic --labels labels.csv --label-column category --json --device cpu");
    assert_eq!(classes[0]["intrinsic"]["classes"]["n_defined"], 3);
    let white = succeed(dir, "dims X.npy --zca X.npy --json --device cpu");
    assert!(white[0]["effective_dimensionality"].as_f64().is_some_and(|ed| (ed - 5.0).abs() < 1e-9), "{}", white[0]);
}

#[test]
fn bad_usage_and_bad_input_exit_with_2_and_one_sentence() {
    let dir = folder();
    std::fs::write(dir.path().join("broken.npy"), b"\x93NUMPY").expect("written");
    let labels = |last: &str| format!("class\n{}{last}\n", "a\nb\n".repeat(14) + "a\n");
    std::fs::write(dir.path().join("single.csv"), labels("c")).expect("written");
    std::fs::write(dir.path().join("pairs.csv"), labels("b")).expect("written");
    std::fs::write(dir.path().join("L.csv"), classes(30, 3)).expect("written");
    std::fs::write(dir.path().join("spec.json"), "{\"kind\":\"rdm\",\"input\":\"A\",\"depth\":1}").expect("written");
    let cases = [
        ("", "subcommand"),
        ("divine X.npy", "divine"),
        ("dims", "INPUTS"),
        ("dims nothing.npy", "nothing.npy"),
        ("dims broken.npy", "broken.npy"),
        ("dims X.npy --pool soft", "soft"),
        ("dims X.npy --samples-axis Q=1", "Q"),
        ("dims X.npy --samples-axis X=2", "0 to 1"),
        ("dims X.npy --samples-axis X", "NAME=1"),
        ("dims X.npy -o out.txt", "out.txt"),
        ("dims X.npy --zca Y.npy", "5 columns as in X"),
        ("dims X.npy --labels Y.npy", "--intrinsic"),
        ("dims X.npy --intrinsic --two-nn-fraction 0", "two_nn_fraction"),
        ("dims X.npy --generator numpy-legacy --seed 4294967296", "4294967295"),
        ("dims X.npy --table nowhere/out.csv", "--table"),
        ("manifolds --features X.npy", "--labels"),
        ("manifolds --features X.npy --labels Y.npy", "column 4"),
        ("manifolds --features X.npy --labels single.csv", "class \"c\" has 1 row"),
        ("manifolds --features Z.npy --labels single.csv", "12 rows"),
        ("manifolds --features X.npy --labels pairs.csv --shots 0", "m_shots"),
        ("rdm X.npy --measure nearness", "nearness"),
        ("rdm X.npy --precision Y.npy", "Y"),
        ("shapes X.npy", "at least 2 inputs"),
        ("shapes X.npy Y.npy --metric cka --alpha 0.5", "alpha"),
        ("shapes X.npy Y.npy --metric convolutional", "four axes"),
        ("stochastic X.npy Y.npy", "conditions x repeats x neurons"),
        ("average X.npy", "2 values required"),
        ("path X.npy Y.npy --points 1", "n_points"),
        ("layers X.npy", "no ONNX file"),
        ("layers nothing.onnx", "nothing.onnx"),
        ("similarity X.npy Y.npy --measure nonsense", "no family \"nonsense\""),
        ("cluster models.npy --rdm 0 -k 99", "1 to 8"),
        ("cluster models.npy --rdm 0 --method dbscan", "--eps"),
        ("shapes X.npy Z.npy", "12"),
        ("encode --features X.npy --targets Z.npy --model ols", "30 rows"),
        ("encode --features X.npy --targets Y.npy --model ols --alpha 1", "--alpha"),
        ("encode --features X.npy --targets Y.npy --model ridge --alpha -1", "alpha"),
        ("encode --features X.npy --targets Y.npy --cv tenfold", "kfold"),
        ("encode --features X.npy --targets Y.npy --cv kfold:31", "31"),
        ("encode --features X.npy --targets Y.npy --preset elmoznino", "--labels"),
        ("encode --features X.npy --targets Y.npy --preset dnnbrain --labels Y.npy", "--labels"),
        ("encode --features X.npy --targets Y.npy --preset dnnbrain --components 3", "--components"),
        ("encode --features X.npy --targets Y.npy --preset homemade", "homemade"),
        ("dim-use --features X.npy --targets Z.npy", "X has 30 rows but Z has 12"),
        ("dim-use --features X.npy --targets Y.npy --num-pcs 9", "at most 5"),
        ("dim-use --features X.npy --targets Y.npy --model best-unit", "--model"),
        ("dim-use --features X.npy --targets Y.npy --reference Y.npy", "each 5 as in X"),
        ("partition X.npy --targets Y.npy", "2 values required"),
        ("partition X.npy Z.npy --targets Y.npy", "Z has 12 rows but Y has 30"),
        ("partition X.npy W.npy --targets Y.npy --model pls", "pls"),
        ("partition X.npy W.npy --targets Y.npy --in-sample --cv kfold:3", "--in-sample"),
        ("relate a.csv b.csv --x width --y score", "effective dimensionality"),
        ("relate a.csv b.csv --x score --y kind", "text"),
        ("relate a.csv a.csv --x score --y kind", "score"),
        ("relate a.csv b.csv --x effective_dimensionality --y score --partition score,effective_dimensionality", "explained"),
        ("relate a.csv b.csv --x effective_dimensionality --y score --partition log10:", "COLUMN"),
        ("relate a.csv --x effective_dimensionality", "--y"),
        ("few-shot --features X.npy", "--labels"),
        ("few-shot --features X.npy --labels L.csv", "choose one of: stimulus, kind"),
        ("few-shot --features X.npy --labels L.csv --label-column kind", "class \"class 0\" has 10 rows but 100 are needed"),
        ("few-shot --features X.npy --labels L.csv --label-column kind --n-train 8 --n-test 4 --samples 10", "may not overlap"),
        ("few-shot --features X.npy --labels L.csv --label-column kind --classifier deep", "deep"),
        ("few-shot --features X.npy --labels L.csv --label-column kind --categories some", "all"),
        ("probe --features X.npy", "--labels"),
        ("probe --features X.npy --labels L.csv", "choose one of: stimulus, kind"),
        ("probe --features X.npy --labels L.csv --label-column kind --cv 11", "class \"class 0\" has 10 rows; at least 11"),
        ("probe --features X.npy --labels L.csv --label-column kind --estimator deep", "deep"),
        ("probe --features X.npy --labels L.csv --label-column kind --pca some", "none"),
        ("probe --features X.npy --labels L.csv --label-column kind --alpha 2", "use c"),
        ("probe --features X.npy --labels L.csv --label-column kind --nested", "choose uv"),
        ("probe --features X.npy --targets Y.npy", "--labels"),
        ("probe --features X.npy --targets Y.npy --estimator corr", "choose uv"),
        ("probe --features X.npy --targets Y.npy --labels L.csv --label-column kind --estimator glm", "leave the labels out"),
        ("probe --features X.npy Z.npy --labels L.csv --label-column kind", "X has 30 rows but Z has 12"),
        ("projection --features Z.npy --labels L.csv --label-column kind", "12 rows"),
        ("projection --features X.npy --labels L.csv --label-column kind --samples 1", "at least 2"),
        ("relate X.npy Y.npy --x a --y b", "identifies rows"),
        ("run spec.json --input A=X.npy", "depth"),
        ("run nothing.json", "nothing.json"),
        ("run spec.json --input X.npy", "NAME=PATH"),
        ("serve --executor slurm --slurm-profile nothing.toml", "nothing.toml"),
        ("serve --slurm-profile spec.json", "--executor slurm"),
        ("serve --executor kubernetes", "local, slurm"),
        ("serve --token a/b", "--token"),
    ];
    for (args, word) in cases {
        let output = eigenscope(dir.path(), args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {stderr}");
        assert!(output.stdout.is_empty(), "{args}: stdout stays empty");
        assert_eq!(stderr.lines().count(), 1, "{args}: one sentence, not {stderr}");
        assert!(stderr.contains(word), "{args}: {stderr}");
    }
}

#[test]
fn a_device_that_is_not_there_is_bad_usage() {
    let dir = folder();
    let devices = succeed(dir.path(), "devices --json");
    let has = |kind: &str| devices["devices"].as_array().is_some_and(|list| list.iter().any(|d| d["kind"] == kind));
    for (kind, word) in [("cuda", "CUDA"), ("vulkan", "")] {
        if has(kind) {
            continue;
        }
        let output = eigenscope(dir.path(), &format!("dims X.npy --device {kind} --json"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains(word), "{stderr}");
    }
}

#[test]
fn a_panic_exits_with_1_and_an_id() {
    let dir = folder();
    let mut command = Command::new(program());
    command.args(["task", "--dir", "."]).current_dir(dir.path()).env("EIGENSCOPE_TEST_CRASH", "panic");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut child = child;
    let stdin = child.stdin.take();
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("internal error: [") && stderr.contains("planted panic"), "{stderr}");
}

#[test]
fn tables_are_for_people_and_files_for_programs() {
    let dir = folder();
    let dir = dir.path();
    let output = eigenscope(dir, "dims X.npy Z.npy -o result.eigr");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.starts_with("input  samples  features"), "{stdout}");
    let packed: AnalysisResult = wire::unpack(&std::fs::read(dir.join("result.eigr")).expect("written")).expect("an envelope");
    succeed(dir, "dims X.npy Z.npy --json -o result.json");
    let text = std::fs::read_to_string(dir.join("result.json")).expect("written");
    // As text on both sides: a reader of JSON may miss the last digit of a number, its writer does not.
    let text: Value = serde_json::from_str(&text).expect("a result");
    let header: Value = wire::unpack(&std::fs::read(dir.join("result.eigr")).expect("written")).expect("an envelope");
    let analysis::Output::Dimensionality(packed) = packed.output else { panic!("dims gives spectra") };
    for (i, spectrum) in packed.spectra.iter().enumerate() {
        let (text, header) = (&text["spectra"][i], &header["spectra"][i]);
        assert_eq!(text["effective_dimensionality"], header["effective_dimensionality"]);
        assert_eq!(text["eigenvalues"], as_text(&spectrum.eigenvalues));
    }
    let turned = succeed(dir, "dims X.npy --samples-axis X=1 --json");
    assert_eq!((turned[0]["n_samples"].as_u64(), turned[0]["n_features"].as_u64()), (Some(5), Some(30)));
}

#[tokio::test]
async fn command_line_and_interface_give_the_same_numbers() {
    let dir = folder();
    let spec = json!({ "kind": "encoding", "features": "X", "targets": "Y", "model": { "name": "ridge", "alphas": [0.1, 10.0] },
        "cv": { "scheme": "kfold", "k": 5, "shuffle": true, "seed": 3 } });
    std::fs::write(dir.path().join("spec.json"), spec.to_string()).expect("written");
    let args = "--model ridge --alpha 0.1,10 --cv kfold:5:shuffle --seed 3 --device cpu --json";
    let by_words = succeed(dir.path(), &format!("encode --features X.npy --targets Y.npy {args}"));
    let by_spec = succeed(dir.path(), "run spec.json --input X=X.npy --input Y=Y.npy --device cpu --json");
    assert_eq!(by_words, by_spec);

    let app = TestApp::start().await;
    let x = app.upload("X.npy", npy(30, 5, 1)).await;
    let y = app.upload("Y.npy", npy(30, 4, 2)).await;
    let request = json!({ "spec": spec, "inputs": { "X": { "dataset": x.id }, "Y": { "dataset": y.id } }, "device": "cpu" });
    let job: eigenscope::api::Job = app.post("/api/v1/jobs", &request).await.read();
    app.wait_for(&job.id, eigenscope::api::JobState::Done).await;
    assert_eq!(app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json(), by_spec);
}

#[test]
fn the_server_prints_one_address_and_keeps_the_token_out_of_its_log() {
    let dir = folder();
    let mut command = Command::new(program());
    command.args(["serve", "--port", "0", "--token", "open-sesame", "--data-dir"]).arg(dir.path().join("data"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut url = String::new();
    stdout.read_line(&mut url).expect("one line");
    let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    assert_eq!(url.trim(), format!("http://{authority}/?token=open-sesame"));
    let ask = |path: &str| {
        let mut socket = TcpStream::connect(&authority).expect("it listens");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask("/healthz").starts_with("HTTP/1.1 200"), "the health check is public");
    assert!(ask("/?token=open-sesame").starts_with("HTTP/1.1 303"), "the token is taken");
    assert!(ask("/api/v1/jobs").starts_with("HTTP/1.1 401"), "the interface is not public");
    let stopped = Command::new("kill").arg(child.id().to_string()).status().expect("kill runs");
    assert!(stopped.success(), "the server was told to stop");
    let status = child.wait().expect("it ends");
    let mut log = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut log).expect("a log");
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("/healthz") && !log.contains("open-sesame"), "{log}");
}
