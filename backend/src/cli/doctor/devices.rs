//! A small computation on every device, each in a process of its own: a driver that crashes is a finding. What must come out is computed here as
//! the formula says, without any library.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use eigenscope::compute::{DeviceInfo, DeviceKind};
use eigenscope::rng::Stream;
use eigenscope::{Dataset, io};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::super::Failure;
use super::{Finding, Level};

/// A software GPU spends half a minute on choosing kernels when it is used first.
const PATIENCE: Duration = Duration::from_secs(180);
/// A device contracts in single precision: correlations of 64 features agree to about 1e-6.
const TOLERANCE: f64 = 1e-4;
/// Size of the input.
const N_CONDITIONS: usize = 24;
const N_FEATURES: usize = 64;

#[derive(Deserialize)]
struct Listed {
    devices: Vec<DeviceInfo>,
}

/// Lists the devices and computes something on each kind.
pub(super) async fn check() -> Result<Vec<Finding>, Failure> {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("X.npy");
    let values = sample();
    std::fs::write(&input, io::write_npy(&Dataset::from_rows("X", N_CONDITIONS, N_FEATURES, values.clone())?))?;
    let mut findings = Vec::new();
    let listed = match ask(&["devices".as_ref()]).await {
        Ok(value) => serde_json::from_value::<Listed>(value).map(|listed| listed.devices).map_err(|e| e.to_string()),
        Err(e) => Err(e),
    };
    let devices = listed.unwrap_or_else(|error| {
        let advice = "a graphics driver is broken: update or remove it; until then use --device cpu";
        findings.push(Finding::new("devices", Level::Error, format!("they cannot be listed: {error}"), advice));
        crate::machine::cpu_only()
    });
    let reference = by_the_formula(&values);
    let mut seen = BTreeSet::new();
    for device in devices {
        let word = match device.kind {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::Vulkan | DeviceKind::Webgpu => "vulkan",
        };
        // A kind is one choice of --device; that a machine has eight of one kind is said once.
        if seen.insert(word) {
            findings.push(judge(word, &device.name, &rdm(&input, word).await, &reference));
        }
    }
    if !seen.contains("cuda") && !seen.contains("vulkan") {
        let advice = "nothing to do for the CPU; a GPU needs its Vulkan driver, or a program built with --features cuda";
        findings.push(Finding::new("gpu", Level::Note, "none is there", advice));
    }
    Ok(findings)
}

fn judge(check: &'static str, name: &str, got: &Result<Vec<f64>, String>, reference: &[f64]) -> Finding {
    let advice = format!("update its driver; until then do not use --device {check}");
    match got {
        Ok(got) => {
            let worst = got.iter().zip(reference).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let found = format!("{name}: an RDM differs from its formula by at most {worst:.1e}");
            if got.len() == reference.len() && worst <= TOLERANCE {
                return Finding::ok(check, found);
            }
            Finding::new(check, Level::Error, found, format!("its results cannot be trusted: {advice}"))
        }
        Err(error) => Finding::new(check, Level::Error, format!("{name}: it does not compute: {error}"), advice),
    }
}

/// A seeded matrix, row by row.
fn sample() -> Vec<f64> {
    let mut rng = Stream::new(11, 0);
    (0..N_CONDITIONS * N_FEATURES).map(|_| rng.normal()).collect()
}

/// One minus Pearson's correlation of each pair of rows.
fn by_the_formula(values: &[f64]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let center = |row: &[f64]| -> Vec<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        row.iter().map(|v| v - mean).collect()
    };
    let centered: Vec<Vec<f64>> = values.chunks_exact(N_FEATURES).map(center).collect();
    let pairs = centered.iter().flat_map(|a| centered.iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).collect()
}

async fn rdm(input: &Path, device: &str) -> Result<Vec<f64>, String> {
    let args = ["rdm".as_ref(), input.as_os_str(), "--measure".as_ref(), "correlation".as_ref(), "--device".as_ref(), device.as_ref()];
    let result = ask(&args).await?;
    let mut values = Vec::new();
    numbers(&result["rdm"], &mut values);
    if values.is_empty() { Err("the result has no numbers".into()) } else { Ok(values) }
}

fn numbers(value: &Value, out: &mut Vec<f64>) {
    match value {
        Value::Number(number) => out.extend(number.as_f64()),
        Value::Array(items) => items.iter().for_each(|item| numbers(item, out)),
        Value::Object(items) => items.values().for_each(|item| numbers(item, out)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Asks this program for JSON.
async fn ask(args: &[&std::ffi::OsStr]) -> Result<Value, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = Command::new(program);
    command.args(args).arg("--json").env_remove("EIGENSCOPE_TOKEN").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.map_err(|e| format!("no answer in {} s ({e})", PATIENCE.as_secs()))?;
    let output = output.map_err(|e| e.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", output.status, said.lines().last().unwrap_or("it said nothing")));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_otherwise_is_an_error() {
        let good = [0.0, 1.0];
        assert_eq!(judge("vulkan", "GPU", &Ok(vec![1e-6, 1.0]), &good).level, Level::Ok);
        for bad in [Ok(vec![0.1, 1.0]), Ok(vec![0.0]), Err("crashed".to_owned())] {
            let finding = judge("vulkan", "GPU", &bad, &good);
            assert_eq!((finding.level, finding.advice.is_some()), (Level::Error, true), "{bad:?}");
        }
    }
}
