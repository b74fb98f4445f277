//! Uploads: kept once, refused with a sentence, limited.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use eigenscope::api::{DatasetInfo, Job, JobState};
use serde_json::json;

use crate::support::{TestApp, dims_request, npy, request};

/// Files below a folder.
fn count_files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|e| e.expect("an entry").path()).map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_uploaded() {
    let app = TestApp::start().await;
    let bytes = npy(5, 3, 1);
    let info = app.upload("C%3A%5Cdata%5CIT.npy", bytes.clone()).await;
    assert_eq!((info.name.as_str(), info.size_bytes), ("IT.npy", bytes.len() as u64));
    assert_eq!((info.id.len(), info.arrays[0].shape.clone()), (64, vec![5, 3]));
    let path = format!("/api/v1/datasets/{}", info.id);
    assert_eq!(app.get(&path).await.read::<DatasetInfo>(), info);
    assert_eq!(app.get(&format!("{path}/bytes")).await.body, bytes);
    let again = app.upload("renamed.npy", bytes).await;
    assert_eq!(again.id, info.id, "the id is the hash of the bytes");
    let names = app.get("/api/v1/datasets").await.json();
    assert_eq!((names.as_array().map(Vec::len), names[0]["name"].as_str()), (Some(1), Some("renamed.npy")));
    assert_eq!(app.call(Method::DELETE, &path, Body::empty()).await.status, StatusCode::NO_CONTENT);
    app.get(&path).await.fails(404, "not_found");
    app.call(Method::DELETE, &path, Body::empty()).await.fails(404, "not_found");
    assert_eq!(count_files(&app.dir.path().join("data/blobs")), 0, "the bytes are gone");
}

#[tokio::test]
async fn a_job_reads_an_array_of_hdf5_by_its_path() {
    let app = TestApp::start().await;
    let info = app.upload("act.h5", include_bytes!("../../fixtures/written.h5").to_vec()).await;
    let relu = info.arrays.iter().find(|array| array.member.as_deref() == Some("layer1/layer1.0/relu/Relu_output_0")).expect("listed");
    assert_eq!((relu.dtype.as_str(), relu.shape.as_slice()), ("float32", &[5, 3, 4][..]));
    let mut request = dims_request(&info.id);
    request["inputs"]["X"]["member"] = "output".into();
    let job: Job = app.post("/api/v1/jobs", &request).await.read();
    let done = app.wait_for(&job.id, JobState::Done).await;
    assert_eq!((done.id, done.error), (job.id, None));
}

#[tokio::test]
async fn what_no_reader_takes_is_refused_and_not_kept() {
    let app = TestApp::start().await;
    let mut truncated = npy(50, 30, 1);
    truncated.truncate(500);
    for (name, bytes) in [("a.npy", truncated), ("b.npy", b"not numpy".to_vec()), ("c.npy", Vec::new()), ("d.exe", b"MZ".to_vec())] {
        let reply = app.call(Method::POST, &format!("/api/v1/datasets?name={name}"), bytes).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}: {}", String::from_utf8_lossy(&reply.body));
        let message = reply.json()["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(name), "the sentence names the file: {message}");
    }
    assert_eq!(app.get("/api/v1/datasets").await.json(), json!([]));
    assert_eq!(count_files(&app.dir.path().join("data/blobs")) + count_files(&app.dir.path().join("data/tmp")), 0, "nothing is left");
}

#[tokio::test]
async fn uploads_are_limited_and_named() {
    let app = TestApp::start_with(|config| config.max_upload_bytes = 1000).await;
    let declared = request(Method::POST, "/api/v1/datasets?name=a.npy").header("content-length", "1001");
    let declared = declared.header("authorization", "Bearer correct-horse").body(Body::empty()).expect("a request");
    let message = app.send(declared).await.fails(413, "too_large");
    assert!(message.contains("1000 B"), "{message}");
    let streamed = Body::from_stream(futures_util::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![0u8; 100]))));
    app.call(Method::POST, "/api/v1/datasets?name=a.npy", streamed).await.fails(413, "too_large");
    for query in ["", "?name=", "?name=a%2F", "?name=a%0Ab.npy", "?nom=a.npy"] {
        app.call(Method::POST, &format!("/api/v1/datasets{query}"), npy(2, 2, 1)).await.fails(400, "malformed");
    }
}

#[tokio::test]
async fn an_array_comes_back_in_every_format() {
    use eigenscope::io::{self, Limits, SaveFormat};
    let app = TestApp::start().await;
    let info = app.upload("act.h5", include_bytes!("../../fixtures/written.h5").to_vec()).await;
    let own = io::read("act.h5", include_bytes!("../../fixtures/written.h5"), Some("output"), Limits::NATIVE).expect("reads");
    let path = format!("/api/v1/datasets/{}/arrays", info.id);
    for format in SaveFormat::ALL {
        let reply = app.get(&format!("{path}?member=output&format={}", format.ending())).await;
        assert_eq!(reply.status, StatusCode::OK, "{format:?}: {}", String::from_utf8_lossy(&reply.body));
        let name = format!("output.{}", format.ending());
        assert_eq!(reply.header("content-disposition"), format!("attachment; filename=\"{name}\""));
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        let back = io::read(&name, &reply.body, None, Limits::NATIVE).expect("reads");
        assert_eq!(back.shape(), own.shape(), "{format:?}");
        let is_table = format == SaveFormat::Csv;
        assert!(is_table || back.values == own.values, "{format:?} keeps every bit");
    }
    let turned = app.get(&format!("{path}?member=output&format=npy&samples_axis=1")).await;
    assert_eq!(io::read("t.npy", &turned.body, None, Limits::NATIVE).expect("reads").values, own.with_samples(1).expect("two axes").values);
    assert_eq!(count_files(&app.dir.path().join("data/tmp")), 0, "nothing is left behind");
    let many = app.get(&format!("{path}?format=npy")).await.fails(422, "input");
    assert!(many.contains("16 arrays; choose one of"), "{many}");
    app.get(&format!("{path}?member=none&format=npy")).await.fails(422, "input");
    let cube = app.get(&format!("{path}?member=layer1/layer1.0/relu/Relu_output_0&format=csv")).await.fails(422, "shape");
    assert!(cube.contains("3 axes (5 x 3 x 4)"), "{cube}");
    app.get(&format!("{path}?member=output&format=xls")).await.fails(400, "malformed");
    app.get("/api/v1/datasets/none/arrays?format=npy").await.fails(404, "not_found");
}
