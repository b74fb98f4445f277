//! A disk that is full: a clear sentence, nothing lost, nothing corrupt.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use eigenscope::api::{Job, JobState};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{TestApp, npy};

/// A small file system of its own; nothing where that is not permitted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(at).output();
        match mounted {
            Ok(said) if said.status.success() => Some(Self(at.into())),
            said => {
                println!("skipped: a full disk needs the right to mount a tmpfs: {said:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Leaves so much room, or less if somebody else writes meanwhile.
fn fill(disk: &Path, free_bytes: u64) -> PathBuf {
    let said = Command::new("df").args(["--output=avail", "-B1"]).arg(disk).output().expect("df is there");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let free: u64 = text.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number");
    let path = disk.join("filler");
    let mut file = File::create(&path).expect("a file");
    for _ in 0..free.saturating_sub(free_bytes).div_ceil(4096) {
        if file.write_all(&[1; 4096]).is_err() {
            break;
        }
    }
    path
}

#[tokio::test]
async fn a_full_disk_fails_the_job_with_a_sentence_and_the_next_one_is_right() {
    let dir = TempDir::new().expect("a folder");
    let data = dir.path().join("data");
    let Some(_disk) = SmallDisk::mount(&data) else { return };
    let app = TestApp::start_in(dir, |_| ()).await;
    // An RDM of 600 conditions is 1.4 MB: twice that is not there.
    let x = app.upload("X.npy", npy(600, 4, 1)).await;
    let request = json!({ "spec": { "kind": "rdm", "input": "X" }, "inputs": { "X": { "dataset": x.id } }, "device": "cpu" });
    let filler = fill(&data, 1 << 20);
    let job: Job = app.post("/api/v1/jobs", &request).await.read();
    let failed = app.wait_for(&job.id, JobState::Failed).await;
    let message = failed.error.expect("an error").message;
    assert!(message.starts_with("the data folder: its disk is full; free some space"), "{message}");
    assert_eq!(app.get("/healthz").await.status, 200);

    std::fs::remove_file(filler).expect("removed");
    let again: Job = app.post("/api/v1/jobs", &request).await.read();
    app.wait_for(&again.id, JobState::Done).await;
    let result = app.get(&format!("/api/v1/jobs/{}/result", again.id)).await.json();
    assert_eq!(result["n"], 600, "the whole matrix is there");
    let dir = app.stop().await;

    // Nothing is corrupt: another server reads all of it.
    let app = TestApp::start_in(dir, |_| ()).await;
    let jobs: Vec<Job> = app.get("/api/v1/jobs").await.read();
    assert_eq!(jobs.iter().map(|job| job.state).collect::<Vec<_>>(), [JobState::Failed, JobState::Done]);
    app.stop().await;
}

#[tokio::test]
async fn a_job_that_ends_while_the_disk_is_full_is_recorded_when_there_is_room() {
    let dir = TempDir::new().expect("a folder");
    let data = dir.path().join("data");
    let Some(_disk) = SmallDisk::mount(&data) else { return };
    let app = TestApp::start_in(dir, |config| config.task_env = vec![("EIGENSCOPE_TEST_CRASH".into(), "pause".into())]).await;
    let x = app.upload("X.npy", npy(20, 6, 1)).await;
    let job = app.queue_dims(&x.id).await;
    app.wait(&job.id, |job| job.step == "pausing").await;
    let filler = fill(&data, 0);
    // The task cannot write its result, nor the server how it ended: it waits.
    let folder = data.join("tasks").join(&job.id);
    let start = tokio::time::Instant::now();
    while start.elapsed().as_secs_f64() < 3.0 {
        assert!(folder.exists(), "nothing is thrown away meanwhile");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let now: Job = app.get(&format!("/api/v1/jobs/{}", job.id)).await.read();
    assert_eq!(now.state, JobState::Running, "its end could not be recorded yet: {now:?}");
    std::fs::remove_file(filler).expect("removed");
    let failed = app.wait_for(&job.id, JobState::Failed).await;
    let message = failed.error.expect("an error").message;
    assert!(message.starts_with("the data folder: its disk is full"), "{message}");
    let again = app.queue_dims(&x.id).await;
    app.wait_for(&again.id, JobState::Done).await;
    app.stop().await;
}
