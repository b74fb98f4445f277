//! Extractions as jobs: networks and images that were uploaded, layers that become a dataset.

use std::path::Path;

use axum::http::StatusCode;
use eigenscope::api::{DatasetInfo, Job, JobState};
use eigenscope::io;
use serde_json::json;

use crate::support::TestApp;

pub(super) fn data(path: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(std::fs::read(path).expect("it reads"))
}

/// Three images in an archive, in another order than people count.
fn images() -> Option<Vec<u8>> {
    let image = |i: u32| Some((format!("stim_{i}.png"), data(&format!("images92/stim_{i:02}.png"))?));
    Some(io::pack(&[image(10)?, image(2)?, image(1)?]).expect("it packs"))
}

#[tokio::test]
async fn layers_of_an_extraction_become_a_dataset() {
    let (Some(network), Some(images)) = (data("networks/tiny_resnet.onnx"), images()) else { return };
    let app = TestApp::start().await;
    let network = app.upload("net.onnx", network).await;
    assert_eq!((network.arrays[0].dtype.as_str(), network.arrays.len()), (io::NETWORK, 1));
    let images = app.upload("images.zip", images).await;
    assert_eq!((images.arrays[0].dtype.as_str(), &images.arrays[0].shape), (io::IMAGES, &vec![3]));
    let request = |layers: &[&str]| {
        json!({
            "spec": { "kind": "extraction", "network": "net", "images": "photos", "layers": layers, "reading": "avg" },
            "inputs": { "net": { "dataset": network.id }, "photos": { "dataset": images.id } },
            "device": "cpu",
        })
    };
    let job: Job = app.post("/api/v1/jobs", &request(&["relu*", "output"])).await.read();
    app.wait_for(&job.id, JobState::Done).await;
    let result = app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json();
    assert_eq!(result["images"], json!(["stim_1.png", "stim_2.png", "stim_10.png"]), "as people count");
    let kept = app.post(&format!("/api/v1/jobs/{}/dataset", job.id), &json!(null)).await;
    assert_eq!(kept.status, StatusCode::CREATED);
    let kept: DatasetInfo = kept.read();
    assert_eq!(kept.name, "net-layers.npz");
    let shapes: Vec<_> = kept.arrays.iter().map(|a| (a.member.clone().unwrap_or_default(), a.shape.clone())).collect();
    assert!(shapes.contains(&("relu".into(), vec![3, 16])) && shapes.contains(&("output".into(), vec![3, 10])), "{shapes:?}");
    // The dataset is an input like any other.
    let dims = json!({
        "spec": { "kind": "dimensionality", "inputs": ["X"] },
        "inputs": { "X": { "dataset": kept.id, "member": "relu" } },
        "device": "cpu",
    });
    let dims: Job = app.post("/api/v1/jobs", &dims).await.read();
    app.wait_for(&dims.id, JobState::Done).await;
    app.post(&format!("/api/v1/jobs/{}/dataset", dims.id), &json!(null)).await.fails(422, "input");
    app.post("/api/v1/jobs/nope/dataset", &json!(null)).await.fails(404, "not_found");
    let wrong: Job = app.post("/api/v1/jobs", &request(&["relu_99"])).await.read();
    let failed = app.wait_for(&wrong.id, JobState::Failed).await;
    assert!(failed.error.expect("why").message.contains("near are"), "near names");
}

/// Cut into tasks by ranges of images, the layers are those of one process.
#[tokio::test]
async fn an_extraction_is_divided_by_images() {
    let (Some(network), Some(images)) = (data("networks/tiny_resnet.onnx"), images()) else { return };
    let mut results = Vec::new();
    for task_flops in [f64::MAX, 1e8] {
        let app = TestApp::start_with(|config| config.task_flops = task_flops).await;
        let network = app.upload("net.onnx", network.clone()).await;
        let images = app.upload("images.zip", images.clone()).await;
        let job: Job = app
            .post(
                "/api/v1/jobs",
                &json!({
                    "spec": { "kind": "extraction", "network": "net", "images": "photos", "layers": ["relu*"] },
                    "inputs": { "net": { "dataset": network.id }, "photos": { "dataset": images.id } },
                    "device": "cpu",
                }),
            )
            .await
            .read();
        app.wait_for(&job.id, JobState::Done).await;
        results.push(app.get(&format!("/api/v1/jobs/{}/result", job.id)).await.json());
        app.stop().await;
    }
    assert_eq!(results[0]["images"], results[1]["images"]);
    let layers = |i: usize| results[i]["layers"].as_array().expect("layers").clone();
    assert_eq!(layers(0).len(), 9);
    for (whole, joined) in layers(0).iter().zip(&layers(1)) {
        assert_eq!((&whole["name"], &whole["shape"]), (&joined["name"], &joined["shape"]));
        let numbers = |layer: &serde_json::Value| -> Vec<f64> {
            let rows: Vec<Vec<f64>> = serde_json::from_value(layer["values"].clone()).expect("a matrix");
            rows.into_iter().flatten().collect()
        };
        let (a, b) = (numbers(whole), numbers(joined));
        let largest = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        // Sums of another batch may be in another order: single precision.
        assert!(a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * largest), "{}", whole["name"]);
    }
}
