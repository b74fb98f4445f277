//! The figures of a server in Prometheus' text format.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::machine;
use crate::server::metrics::Text;
use crate::server::{App, failure::Failure, process};

/// Figures for Prometheus: requests, jobs, disk, memory.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain; version=0.0.4")))]
pub(in crate::server) async fn show_metrics(State(app): State<App>) -> Result<Response, Failure> {
    let counts = app.0.store.counts().await?;
    let mut text = Text::default();
    text.family("eigenscope_build_info", "gauge", "The program; always 1.");
    text.sample("eigenscope_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("features", &machine::features().join(","))], 1);
    text.gauge("eigenscope_uptime_seconds", "Time since the start.", Some(process::STARTED.elapsed().as_secs_f64()));
    app.0.metrics.tell(&mut text);

    text.family("eigenscope_jobs", "gauge", "Jobs that are kept, by state; the queued ones are the queue.");
    for (state, count) in &counts.jobs {
        text.sample("eigenscope_jobs", &[("state", state)], count);
    }
    text.gauge("eigenscope_job_queue_limit", "Jobs that may wait.", Some(app.0.config.queue_limit));
    text.gauge("eigenscope_job_processes", "Processes of jobs that run on this machine.", process::children());
    text.gauge("eigenscope_datasets", "Datasets that are kept.", Some(counts.datasets));
    text.gauge("eigenscope_dataset_bytes", "Size of the datasets together.", Some(counts.dataset_bytes));
    text.gauge("eigenscope_database_bytes", "Size of the database.", Some(counts.database_bytes));
    text.gauge("eigenscope_last_event_id", "Id of the newest event.", Some(*app.0.store.watch_events().borrow()));
    let disk = machine::disk_bytes(&app.0.config.data_dir);
    text.gauge("eigenscope_disk_free_bytes", "Free space of the disk with the data folder.", disk.map(|disk| disk.free));
    text.gauge("eigenscope_disk_size_bytes", "Size of the disk with the data folder.", disk.map(|disk| disk.size));

    text.gauge(
        "process_resident_memory_bytes",
        "Memory of the server itself; jobs have processes of their own.",
        process::resident_bytes(),
    );
    text.gauge("process_open_fds", "Files and sockets that are open.", process::open_files());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.finish()).into_response())
}
