//! The HTTP interface: a real router in this process, jobs in real processes.

mod datasets;
mod failures;
mod jobs;
mod networks;
mod roots;
mod security;
mod site;
mod uploads;
mod warp;
