//! Networks: every value of the reference files, and the node tests of the ONNX project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eigenscope::dataset::Values;
use eigenscope::network::{Constant, Network, read_onnx, read_onnx_array};
use eigenscope::{Device, DeviceChoice, io};
use ndarray::ArrayD;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/networks");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

fn arrays(path: &Path) -> BTreeMap<String, ArrayD<f32>> {
    let bytes = fs::read(path).expect("the file is there");
    let limits = io::Limits::NATIVE;
    let listed = io::list("reference.npz", &bytes, limits).expect("it lists");
    let read = |member: &str| {
        let dataset = io::read("reference.npz", &bytes, Some(member), limits).expect("it reads");
        match &*dataset.values {
            Values::F32(a) => a.clone(),
            #[expect(clippy::cast_possible_truncation, reason = "references are f32")]
            Values::F64(a) => a.mapv(|v| v as f32),
        }
    };
    listed.iter().filter_map(|info| info.member.clone()).map(|member| (member.clone(), read(&member))).collect()
}

/// The largest difference of a value of each network from its reference, relative to the largest magnitude of that value.
fn worst(device: &Device, name: &str, folder: &Path) -> f64 {
    let references = arrays(&folder.join(format!("{name}.reference.npz")));
    let graph = read_onnx(name, &fs::read(folder.join(format!("{name}.onnx"))).expect("the network is there")).expect("it reads");
    let network = Network::new(name, graph, device).expect("every operator is known");
    let wanted: Vec<String> = references.keys().filter(|key| *key != "input").cloned().collect();
    let inputs = BTreeMap::from([("input".to_owned(), Constant::Float(references["input"].clone()))]);
    let found = pollster::block_on(network.run(&inputs, &wanted)).expect("it runs");
    let mut worst = 0.0f64;
    for key in wanted {
        let (Constant::Float(got), want) = (&found[&key], &references[&key]) else { panic!("{name} {key}: no floats") };
        assert_eq!(got.shape(), want.shape(), "{name} {key}");
        let scale = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let error = got.iter().zip(want).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        worst = worst.max(f64::from(error / scale));
    }
    worst
}

const NETWORKS: [&str; 6] =
    ["tiny_resnet", "tiny_resnet_opset17", "tiny_vit", "squeezenet1_1", "mobilenet_v3_small_050", "efficientnet_lite0"];

/// 1e-4 of the largest magnitude: f32 sums of a few thousand terms in another order differ by some 1e-6; ten times the largest difference that the reference's
/// own two programs have (3e-6) is well below.
#[test]
fn networks_have_the_values_of_their_references() {
    let Some(folder) = folder() else { return };
    for name in NETWORKS {
        let error = worst(&Device::cpu(), name, &folder);
        println!("{name} on the CPU: {error:.1e}");
        assert!(error < 1e-4, "{name}: {error}");
    }
}

#[test]
fn networks_have_the_values_of_their_references_on_a_gpu() {
    let Some(folder) = folder() else { return };
    let device = match pollster::block_on(Device::open(DeviceChoice::Vulkan)) {
        Ok(device) => device,
        Err(why) => {
            eprintln!("skipped: {why}");
            return;
        }
    };
    for name in NETWORKS {
        let error = worst(&device, name, &folder);
        println!("{name} on {}: {error:.1e}", device.info().name);
        assert!(error < 1e-3, "{name}: {error}");
    }
}

/// What became of one test of the ONNX project.
#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    /// It cannot be run: an operator, a type or a version that is not known.
    Unsupported(String),
    Failed(String),
}

/// The ONNX project's own tests of single operators, as its Python package (1.16, operators of version 21) has them.
///
/// At least 85 % of those for operators that are known pass; all that fail are printed.
#[test]
fn node_tests_of_the_onnx_project() {
    let Some(folder) = std::env::var_os("ONNX_NODE_TESTS").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: ONNX_NODE_TESTS does not name the folder of the tests (cargo xtask test fetches them)");
        return;
    };
    let mut names: Vec<PathBuf> = fs::read_dir(folder).expect("it is a folder").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    let device = Device::cpu();
    let (mut passed, mut unsupported, mut failed) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    for test in &names {
        match node_test(test, &device) {
            Outcome::Passed => passed += 1,
            Outcome::Unsupported(why) => *unsupported.entry(why).or_default() += 1,
            Outcome::Failed(why) => failed.push(format!("{}: {why}", test.file_name().unwrap_or_default().display())),
        }
    }
    let n_unsupported: usize = unsupported.values().sum();
    println!("ONNX node tests: {passed} passed, {} failed, {n_unsupported} unsupported", failed.len());
    for (why, n) in &unsupported {
        println!("unsupported ({n}): {why}");
    }
    for failure in &failed {
        println!("failed: {failure}");
    }
    assert!(passed > 500, "{passed} passed");
    assert!(passed * 100 >= 85 * (passed + failed.len()), "{passed} passed, {} failed", failed.len());
}

fn node_test(test: &Path, device: &Device) -> Outcome {
    let bytes = fs::read(test.join("model.onnx")).expect("a model");
    let graph = match read_onnx("model", &bytes) {
        Ok(graph) => graph,
        Err(why) => return Outcome::Unsupported(general(&why.to_string())),
    };
    let (inputs, outputs): (Vec<String>, Vec<String>) =
        (graph.inputs.iter().map(|port| port.name.clone()).collect(), graph.outputs.clone());
    let network = match Network::new("model", graph, device) {
        Ok(network) => network,
        Err(why) => return Outcome::Unsupported(general(&why.to_string())),
    };
    let read = |kind: &str, names: &[String]| -> Result<BTreeMap<String, Constant>, String> {
        let array = |i: usize| {
            let bytes = fs::read(test.join(format!("test_data_set_0/{kind}_{i}.pb"))).map_err(|e| format!("{kind} {i}: {e}"))?;
            read_onnx_array("array", &bytes).map_err(|e| e.to_string())
        };
        (0..names.len()).map(|i| Ok((names[i].clone(), array(i)?))).collect()
    };
    let (given, want) = match (read("input", &inputs), read("output", &outputs)) {
        (Ok(given), Ok(want)) => (given, want),
        (Err(why), _) | (_, Err(why)) => return Outcome::Unsupported(general(&why)),
    };
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pollster::block_on(network.run(&given, &outputs))));
    match found {
        Err(_) => Outcome::Failed("it panicked".into()),
        Ok(Err(why)) => Outcome::Failed(why.to_string()),
        Ok(Ok(found)) => match want.iter().find_map(|(name, want)| difference(&found[name], want).map(|why| format!("{name}: {why}"))) {
            Some(why) => Outcome::Failed(why),
            None => Outcome::Passed,
        },
    }
}

/// A reason without the numbers of one file.
fn general(why: &str) -> String {
    why.split(" (").next().unwrap_or(why).to_owned()
}

/// The tolerances of the project's own runner.
fn difference(got: &Constant, want: &Constant) -> Option<String> {
    if got.shape() != want.shape() {
        return Some(format!("the shape is {:?}, not {:?}", got.shape(), want.shape()));
    }
    match (got, want) {
        (Constant::Float(got), Constant::Float(want)) => {
            let near =
                |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan() || a == b || (a - b).abs() <= 1e-7 + 1e-3 * b.abs();
            got.iter().zip(want).find(|(a, b)| !near(**a, **b)).map(|(a, b)| format!("{a}, not {b}"))
        }
        (Constant::Int(got), Constant::Int(want)) => got.iter().zip(want).find(|(a, b)| a != b).map(|(a, b)| format!("{a}, not {b}")),
        (Constant::Bool(got), Constant::Bool(want)) => got.iter().zip(want).find(|(a, b)| a != b).map(|(a, b)| format!("{a}, not {b}")),
        _ => Some("the types differ".into()),
    }
}
