use eigenscope::api::{JobState, TaskKind};
use eigenscope::{AnalysisSpec, analysis::rdm};

use super::super::Beside;
use super::*;

/// An hour in milliseconds.
const HOUR: i64 = 3_600_000;

fn new(id: &str, priority: i32) -> NewJob {
    let spec = AnalysisSpec::Rdm(rdm::Spec { input: "X".into(), ..Default::default() });
    let request = JobRequest { spec, inputs: Default::default(), device: Default::default(), priority, concurrency: None };
    NewJob { id: id.into(), request, cache_key: id.into(), queue_limit: 100 }
}

/// The clock was an hour ahead when what is in the tables was written.
async fn set_clock_back(store: &Store) {
    let sql = "UPDATE jobs SET created_ms = created_ms + ?1, started_ms = started_ms + ?1";
    store.call(move |tx, _| Ok(tx.execute(sql, [HOUR])?)).await.expect("changed");
    store.call(move |tx, _| Ok(tx.execute("UPDATE tasks SET started_ms = started_ms + ?1", [HOUR])?)).await.expect("changed");
}

#[tokio::test]
async fn the_queue_is_in_order_whatever_the_clock_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), &Beside::default()).expect("a store");
    store.submit(new("first", 0)).await.expect("queued");
    set_clock_back(&store).await;
    for (id, priority) in [("second", 0), ("low", -1), ("high", 3), ("also high", 3)] {
        store.submit(new(id, priority)).await.expect("queued");
    }
    assert!(store.claim_job(Some(3)).await.expect("asked").is_none(), "nothing is above the highest");
    let mut order = Vec::new();
    while let Some(job) = store.claim_job(None).await.expect("asked") {
        order.push(job.id);
    }
    assert_eq!(order, ["high", "also high", "first", "second", "low"]);
}

#[tokio::test]
async fn nothing_ends_before_it_began_when_the_clock_is_set_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), &Beside::default()).expect("a store");
    for (id, is_canceled) in [("fails", false), ("canceled", true)] {
        store.submit(new(id, 0)).await.expect("queued");
        let claimed = store.claim_job(None).await.expect("asked").expect("it waits");
        assert!(claimed.started_ms >= Some(claimed.created_ms));
        store.list_tasks(id, vec![TaskKind::Whole]).await.expect("noted");
        store.start_task(id, 0, ids::now_ms()).await.expect("noted");
        set_clock_back(&store).await;
        if is_canceled {
            store.cancel_job(id).await.expect("canceled");
        } else {
            store.end_task(id, 0, JobState::Failed, Some(1.5), ids::now_ms()).await.expect("noted");
            let error = ApiError::new(&eigenscope::Error::internal("planted"), id);
            store.finish_job(id, Outcome::Failed(error)).await.expect("recorded");
        }
        let (job, _) = store.job(id).await.expect("asked").expect("it is there");
        assert!(job.state.is_final() && job.finished_ms >= job.started_ms && job.started_ms >= Some(job.created_ms), "{job:?}");
        let task = store.tasks(id).await.expect("asked").remove(0);
        assert!(task.state.is_final() && task.ended_ms >= task.started_ms, "{task:?}");
        assert_eq!(task.ran_secs, (!is_canceled).then_some(1.5));
    }
}

#[tokio::test]
async fn the_end_of_a_job_is_recorded_again_when_its_result_was_moved_already() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), &Beside::default()).expect("a store");
    store.submit(new("job", 0)).await.expect("queued");
    store.claim_job(None).await.expect("asked").expect("it waits");
    let file = folder.path().join("result");
    std::fs::write(&file, "numbers").expect("written");
    let hash = store.hash_of(file.clone()).await.expect("hashed");
    // The first attempt moved the file; then the database had no room.
    store.blobs().import(&file, &hash).expect("moved");
    store.finish_job("job", Outcome::Done(file, hash.clone())).await.expect("recorded");
    let (job, result) = store.job("job").await.expect("asked").expect("it is there");
    assert_eq!((job.state, result.as_ref()), (JobState::Done, Some(&hash)));
    assert_eq!(std::fs::read(store.blobs().path(&hash)).expect("it is there"), b"numbers");
}
