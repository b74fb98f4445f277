//! The command line: keys, exit status, sentences, and the same numbers as everywhere else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use eigenscope::{AnalysisResult, analysis, wire};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{TestApp, as_text, npy, program};

/// A folder with X (30 x 5), Y (30 x 4), Z (12 x 5) and RDM stacks.
fn folder() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    for (name, rows, columns, seed) in [("X", 30, 5, 1), ("Y", 30, 4, 2), ("Z", 12, 5, 3), ("data", 3, 28, 4), ("models", 2, 28, 5)] {
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
    let rdm = succeed(dir, "rdm Z.npy --measure euclidean --json");
    assert_eq!((rdm["n"].as_u64(), rdm["rdm"].as_array().map(Vec::len)), (Some(12), Some(12)));
    let rsa = succeed(dir, "rsa --data data.npy --models models.npy --compare rho-a --json");
    keys_are_there(&rsa["models"][1], &["name", "mean", "sem", "p_vs_0"]);
    assert_eq!(rsa["noise_ceiling"].as_array().map(Vec::len), Some(2));
    let shapes = succeed(dir, "shapes X.npy Y.npy --alpha 0.5 --train-fraction 0.8 --json");
    assert_eq!(shapes["names"], json!(["X", "Y"]));
    keys_are_there(&shapes, &["distances", "test_distances"]);
    let relation =
        succeed(dir, "relate a.csv b.csv --x effective_dimensionality --y score --log-x --by kind --best-layer --given depth --json");
    keys_are_there(
        &relation,
        &["n", "pearson_r", "pearson_p", "spearman_r", "spearman_p", "pearson_interval", "groups", "rows", "partial"],
    );
    keys_are_there(&relation["groups"][1], &["name", "n", "pearson_r", "pearson_p", "spearman_r"]);
    keys_are_there(&relation["best_layer"], &["n", "pearson_r", "rows"]);
    let devices = succeed(dir, "devices --json");
    keys_are_there(&devices["devices"][0], &["kind", "name", "memory_bytes"]);
}

#[test]
fn folds_come_from_a_file_and_splits_from_words() {
    let dir = folder();
    let dir = dir.path();
    let folds = (0..30).map(|i| f64::from(i % 3)).collect();
    let folds = eigenscope::Dataset::from_rows("folds", 30, 1, folds).expect("the shape fits");
    std::fs::write(dir.join("folds.npy"), eigenscope::io::write_npy(&folds)).expect("written");
    let from_file = succeed(dir, "encode --features X.npy --targets Y.npy --model ols --cv folds.npy --json");
    assert_eq!(from_file["per_split"].as_array().map(Vec::len), Some(3));
    let split = succeed(dir, "encode --features X.npy --targets Y.npy --model ols --cv shuffle-split:4:0.9 --json");
    assert_eq!((split["per_split"].as_array().map(Vec::len), split["per_split"][0]["n_train"].as_u64()), (Some(4), Some(27)));
}

#[test]
fn bad_usage_and_bad_input_exit_with_2_and_one_sentence() {
    let dir = folder();
    std::fs::write(dir.path().join("broken.npy"), b"\x93NUMPY").expect("written");
    std::fs::write(dir.path().join("spec.json"), "{\"kind\":\"rdm\",\"input\":\"A\",\"depth\":1}").expect("written");
    let cases = [
        ("", "subcommand"),
        ("divine X.npy", "divine"),
        ("dims", "INPUTS"),
        ("dims nothing.npy", "nothing.npy"),
        ("dims broken.npy", "broken.npy"),
        ("dims X.npy --pool soft", "soft"),
        ("dims X.npy --transpose Q", "Q"),
        ("dims X.npy -o out.txt", "out.txt"),
        ("rdm X.npy --measure nearness", "nearness"),
        ("rdm X.npy --precision Y.npy", "Y"),
        ("shapes X.npy", "2 values required"),
        ("shapes X.npy Z.npy", "12"),
        ("encode --features X.npy --targets Z.npy --model ols", "30 rows"),
        ("encode --features X.npy --targets Y.npy --model ols --alpha 1", "--alpha"),
        ("encode --features X.npy --targets Y.npy --model ridge --alpha -1", "alpha"),
        ("encode --features X.npy --targets Y.npy --cv tenfold", "kfold"),
        ("encode --features X.npy --targets Y.npy --cv kfold:31", "31"),
        ("relate a.csv b.csv --x width --y score", "effective dimensionality"),
        ("relate a.csv b.csv --x score --y kind", "text"),
        ("relate a.csv a.csv --x score --y kind", "score"),
        ("relate a.csv b.csv --x effective_dimensionality --y score --partition score,effective_dimensionality", "explained"),
        ("relate a.csv b.csv --x effective_dimensionality --y score --partition log10:", "COLUMN"),
        ("relate a.csv --x effective_dimensionality", "--y"),
        ("relate X.npy Y.npy --x a --y b", "identifies rows"),
        ("run spec.json --input A=X.npy", "depth"),
        ("run nothing.json", "nothing.json"),
        ("run spec.json --input X.npy", "NAME=PATH"),
        ("serve --executor slurm", "not built yet"),
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
    let turned = succeed(dir, "dims X.npy --transpose X --json");
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
