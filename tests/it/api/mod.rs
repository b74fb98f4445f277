//! The HTTP interface: a real router in this process, jobs in real processes.

mod bombs;
mod datasets;
mod disk;
mod failures;
mod jobs;
mod networks;
mod operations;
mod roots;
mod security;
mod site;
mod slow;
mod tasks;
mod tls;
mod tokens;
mod uploads;
mod walk;
mod warp;
