//! The HTTP interface: a real router in this process, jobs in real processes.

mod datasets;
mod disk;
mod failures;
mod jobs;
mod networks;
mod security;
mod site;
mod tasks;
mod warp;
