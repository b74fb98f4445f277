//! The HTTP interface: a real router in this process, jobs in real processes.

mod bombs;
mod datasets;
mod disk;
mod failures;
mod jobs;
mod networks;
mod roots;
mod security;
mod site;
mod uploads;
mod operations;
mod security;
mod site;
mod slow;
mod tls;
mod tokens;
mod walk;
mod tasks;
mod warp;
