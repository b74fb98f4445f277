//! The HTTP interface: a real router in this process, jobs in real processes.

mod bombs;
mod datasets;
mod failures;
mod jobs;
mod networks;
mod operations;
mod security;
mod site;
mod slow;
mod tls;
mod tokens;
mod walk;
mod warp;
