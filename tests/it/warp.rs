//! `eigenscope warp`: a sweep of a real network for real images, its table, and what is wrong with a request.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, npy};

#[track_caller]
fn succeed(dir: &Path, args: &str) -> Value {
    support::succeed(dir, &format!("warp {args} --device cpu"))
}

#[track_caller]
fn refuse(dir: &Path, args: &str, what: &str) {
    support::refuse(dir, &format!("warp {args} --device cpu"), what);
}

/// Networks and the 92 images.
fn folder() -> Option<TempDir> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.is_dir() {
        println!("skipped: {} is not there", data.display());
        return None;
    }
    let dir = TempDir::new().expect("a folder");
    let copy = |from: &str, to: &str| fs::write(dir.path().join(to), fs::read(data.join(from)).expect("read")).expect("written");
    copy("networks/tiny_resnet.onnx", "net.onnx");
    copy("networks/squeezenet1_1.onnx", "squeezenet.onnx");
    copy("images92/humanIT_fig1_rdm.npy", "it.npy");
    fs::create_dir(dir.path().join("photos")).expect("a folder");
    for i in 1..=92 {
        copy(&format!("images92/stim_{i:02}.png"), &format!("photos/{i:02}.png"));
    }
    fs::write(dir.path().join("y.npy"), npy(92, 5, 3)).expect("written");
    Some(dir)
}

const SMALL: &str = "net.onnx --images photos --layers relu_8 --pool avg --targets y.npy --batch-size 20 --epochs 2 --lr 0.01";

#[test]
fn a_sweep_has_points_a_table_and_dimensions() {
    let Some(dir) = folder() else { return };
    let swept = succeed(dir.path(), &format!("{SMALL} --dims 0,6,12,full --seeds 0,1 --table results.csv"));
    let points = swept["points"].as_array().expect("points");
    assert_eq!(points.len(), 8);
    for point in points {
        for key in ["test_r2", "val_r2", "epochs", "best_epoch", "seed", "seconds"] {
            assert!(point[key].is_number(), "{key} of {point}");
        }
        assert_eq!(point["losses"].as_array().map(Vec::len), Some(2));
    }
    assert_eq!(points.iter().filter(|p| p["d"].is_null()).count(), 2, "all parameters, by seed");
    assert!(swept.get("d_warp").is_some() && swept["curves"][0]["dims"] == serde_json::json!([0, 6, 12]), "{}", swept["curves"]);
    let table = fs::read_to_string(dir.path().join("results.csv")).expect("the table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!((lines[0], lines.len()), ("run,test_r2,low_dim,val_r2,seed,best_epoch,epochs,seconds", 9));
    assert!(lines[2].starts_with("neural-data=targets_arch=network_layer=relu_8,") && lines[2].contains(",6,"), "{}", lines[2]);
    let again = succeed(dir.path(), &format!("{SMALL} --dims 0,6 --seeds 1"));
    let score = |result: &Value, d: u64| {
        let found = result["points"].as_array().expect("points").iter().find(|p| p["d"] == d && p["seed"] == 1);
        found.expect("the point")["test_r2"].to_string()
    };
    assert_eq!((score(&swept, 0), score(&swept, 6)), (score(&again, 0), score(&again, 6)), "the same seed, the same numbers");
    let groups = succeed(dir.path(), &format!("{SMALL} --dims 8 --groups conv1,onnx;layer1,layer2,layer3,layer4"));
    assert_eq!(groups["points"].as_array().map(Vec::len), Some(1));
}

/// Gradients of convolutions and maxima on a GPU are Burn's, those on the CPU our own: the same training.
#[test]
fn a_warp_on_a_gpu_is_that_on_the_cpu() {
    let Some(dir) = folder() else { return };
    let on_gpu = support::command(dir.path(), &format!("warp {SMALL} --dims 0,12,full --json --device {}", support::gpu_word()));
    if !on_gpu.status.success() {
        println!("skipped: {}", String::from_utf8_lossy(&on_gpu.stderr).trim());
        return;
    }
    let on_gpu: Value = serde_json::from_slice(&on_gpu.stdout).expect("JSON");
    let on_cpu = succeed(dir.path(), &format!("{SMALL} --dims 0,12,full"));
    for (a, b) in on_gpu["points"].as_array().expect("points").iter().zip(on_cpu["points"].as_array().expect("points")) {
        for (a, b) in a["losses"].as_array().expect("losses").iter().zip(b["losses"].as_array().expect("losses")) {
            let (a, b) = (a.as_f64().expect("a loss"), b.as_f64().expect("a loss"));
            // Eight steps of Adam, whose first divide small gradients by their size, in single precision.
            assert!((a - b).abs() < 1e-3 * b, "{a} on the GPU, {b} on the CPU");
        }
    }
}

#[test]
fn what_cannot_be_warped_is_one_sentence() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    refuse(dir, &SMALL.replace("relu_8", "relu_88"), "near are");
    refuse(dir, &SMALL.replace("--pool avg", "--pool max"), "not with their largest");
    refuse(dir, &format!("{SMALL} --dims 8 --groups nothing"), "fits no group");
    refuse(dir, &format!("{SMALL} --split contiguous:0.9:0.2"), "their sum below 1");
    refuse(dir, &SMALL.replace("--lr 0.01", "--lr 0"), "not above 0");
    refuse(dir, &SMALL.replace("--lr 0.01", "--dims 0 --lr 1e38"), "lower the learning rates");
    refuse(dir, "net.onnx --images photos --layers relu_8 --dims 0", "responses to the images are needed");
    fs::write(dir.join("short.npy"), npy(9, 5, 3)).expect("written");
    refuse(dir, &SMALL.replace("y.npy", "short.npy"), "92");
}

/// A real network with its weights, warped to human IT: held-out images correlate better with it than before.
#[test]
fn an_rdm_of_human_it_warps_squeezenet() {
    let Some(dir) = folder() else { return };
    let swept = succeed(
        dir.path(),
        "squeezenet.onnx --images photos --layers relu_25 --pool avg --objective rsa --targets it.npy --dims 0,50 --split shuffled:0.6:0.2 --seed 1 \
         --batch-size 32 --epochs 20 --lr 0.02",
    );
    let score = |k: usize| swept["points"][k]["test_rsa"].as_f64().expect("a score");
    println!("held-out RDM correlation with human IT: {:.4} before, {:.4} after warping", score(0), score(1));
    assert!(score(1) > score(0), "{} and {}", score(0), score(1));
}
