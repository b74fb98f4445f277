//! Probes of a network on photographs, from the command line.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::program;

fn run(dir: &Path, args: &[&str]) -> Value {
    let out = Command::new(program()).current_dir(dir).args(args).arg("--json").output().expect("the binary starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("stdout is JSON and nothing else")
}

#[test]
fn animacy_is_read_out_of_a_network_better_than_chance() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let (network, images, labels) =
        (data.join("networks/efficientnet_lite0.onnx"), data.join("images92"), data.join("images92/category_vectors.csv"));
    if !network.exists() || !labels.exists() {
        println!("skipped: {} is not beside the checkout", network.display());
        return;
    }
    let [network, images, labels] =
        [network, images, labels].map(|path| path.canonicalize().expect("it exists").to_str().expect("UTF-8").to_owned());
    let dir = tempfile::tempdir().expect("a folder");
    // After the first convolution and before the classifier.
    run(
        dir.path(),
        &[
            "extract",
            &network,
            "--images",
            &images,
            "--preprocess",
            "efficientnet-lite",
            "--layers",
            "hardtanh,mean",
            "--pool",
            "avg",
            "-o",
            "a.npz",
        ],
    );
    let probe = |more: &[&str]| {
        let mut args = vec!["probe", "--features", "a.npz", "--labels", &labels, "--label-column", "animate"];
        args.extend(more);
        run(dir.path(), &args)
    };
    let found = probe(&[]);
    let all = found["layers"].as_array().expect("layers");
    assert_eq!((all.len(), &found["classes"]), (2, &serde_json::json!(["0", "1"])));
    let mean = |layer: &Value| layer["mean"][0][0].as_f64().expect("a number");
    let (first, last) = if all[0]["n_units"].as_u64() < all[1]["n_units"].as_u64() { (&all[0], &all[1]) } else { (&all[1], &all[0]) };
    // 48 of 92 images are animate. Both ends of the network tell more than that; its end knows nearly all.
    let chance = found["chance"].as_f64().expect("a number");
    assert!((chance - 48.0 / 92.0).abs() < 1e-12 && mean(first) > chance && mean(last) > 0.9, "{} and {}", mean(first), mean(last));
    let counts = |layer: &Value| -> Vec<f64> {
        let rows = layer["confusion"][0].as_array().expect("rows").iter();
        rows.map(|row| row.as_array().expect("counts").iter().filter_map(Value::as_f64).sum()).collect()
    };
    assert_eq!(counts(last), [44.0, 48.0], "each image is held out once");
    let single = probe(&["--map", "uv", "--nested", "--cv", "5"]);
    let best = single["layers"].as_array().expect("layers").iter().map(mean).fold(0.0, f64::max);
    assert!(best > chance && best < mean(last), "one unit tells less than all: {best}");
}
