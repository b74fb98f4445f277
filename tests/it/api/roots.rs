//! Files that are read where they lie.

use axum::http::Method;
use eigenscope::api::{DatasetInfo, DiskUse, FolderEntry, Job, JobState};
use serde_json::json;

use crate::support::{TestApp, dims_request, npy};

#[tokio::test]
async fn a_file_in_an_allowed_folder_is_read_in_place() {
    let lab = tempfile::tempdir().expect("a folder");
    let root = lab.path().canonicalize().expect("it exists");
    std::fs::create_dir(root.join("monkey")).expect("made");
    let file = root.join("monkey/IT.npy");
    let bytes = npy(20, 6, 1);
    std::fs::write(&file, &bytes).expect("written");
    let app = TestApp::start_with(|config| config.beside.roots = vec![root.clone()]).await;
    assert_eq!(app.get("/api/v1/roots").await.json(), json!([root]));
    let listed: Vec<FolderEntry> = app.get(&format!("/api/v1/roots/files?path={}", root.display())).await.read();
    assert_eq!(listed.iter().map(|e| (&*e.name, e.is_folder)).collect::<Vec<_>>(), [("monkey", true)]);

    let info: DatasetInfo = app.post("/api/v1/roots/datasets", &json!({ "path": file })).await.read();
    assert_eq!((info.path.as_deref(), info.arrays[0].shape.as_slice()), (file.to_str(), &[20, 6][..]));
    assert_eq!(app.get("/api/v1/disk").await.read::<DiskUse>().dataset_bytes, 0, "nothing was copied");
    assert_eq!(app.get(&format!("/api/v1/datasets/{}/bytes", info.id)).await.body, bytes);
    let job = app.queue_dims(&info.id).await;
    app.wait_for(&job.id, JobState::Done).await;

    // A file that changes under a dataset is told, not computed with.
    std::fs::write(&file, npy(20, 6, 2)).expect("written");
    let changed = app
        .post("/api/v1/jobs", &{
            let mut r = dims_request(&info.id);
            r["spec"]["pool"] = "avg".into();
            r
        })
        .await;
    let message = changed.fails(409, "conflict");
    assert!(message.contains("IT.npy") && message.contains("register it again"), "{message}");
    let again: DatasetInfo = app.post("/api/v1/roots/datasets", &json!({ "path": file })).await.read();
    assert_ne!(again.id, info.id, "other bytes are another dataset");
    let job: Job = app.queue_dims(&again.id).await;
    app.wait_for(&job.id, JobState::Done).await;

    // Without the folder the dataset is known but not read any more.
    let app = TestApp::start_in(app.stop().await, |_| ()).await;
    app.get(&format!("/api/v1/datasets/{}/bytes", again.id)).await.fails(409, "conflict");
    assert_eq!(app.call(Method::DELETE, &format!("/api/v1/datasets/{}", again.id), "").await.status.as_u16(), 204);
    assert!(file.exists(), "removing the dataset leaves the file");
}

#[tokio::test]
async fn nothing_outside_of_the_folders_is_read() {
    let lab = tempfile::tempdir().expect("a folder");
    let root = lab.path().canonicalize().expect("it exists").join("open");
    std::fs::create_dir(&root).expect("made");
    std::fs::write(root.join("none.npy"), "not numpy").expect("written");
    std::fs::write(root.with_file_name("secret.npy"), npy(2, 2, 1)).expect("written");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.npy", root.join("link.npy")).expect("linked");
    let app = TestApp::start_with(|config| config.beside.roots = vec![root.clone()]).await;
    for path in ["link.npy", "../secret.npy", "../absent"] {
        app.post("/api/v1/roots/datasets", &json!({ "path": root.join(path) })).await.fails(403, "forbidden");
    }
    app.post("/api/v1/roots/datasets", &json!({ "path": "/etc/passwd" })).await.fails(403, "forbidden");
    app.get("/api/v1/roots/files?path=/etc").await.fails(403, "forbidden");
    app.get("/api/v1/roots/files").await.fails(400, "malformed");
    app.post("/api/v1/roots/datasets", &json!({ "path": root.join("absent.npy") })).await.fails(404, "not_found");
    app.post("/api/v1/roots/datasets", &json!({ "path": root })).await.fails(404, "not_found");
    app.post("/api/v1/roots/datasets", &json!({ "path": root.join("none.npy") })).await.fails(422, "format");
    app.post("/api/v1/roots/datasets", &json!({ "file": "x" })).await.fails(422, "parameter");
    let closed = TestApp::start().await;
    let message = closed.post("/api/v1/roots/datasets", &json!({ "path": "/etc/passwd" })).await.fails(403, "forbidden");
    assert!(message.contains("--root"), "it says how to allow one: {message}");
}
