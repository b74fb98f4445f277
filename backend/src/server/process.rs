//! This process as its system sees it; nothing where there is no `/proc`.

use std::sync::LazyLock;

use tokio::time::Instant;

/// When this was first asked, which [`super::App::start`] does.
pub(super) static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Bytes of memory in use.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Files and sockets that are open.
pub(super) fn open_files() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

/// Processes that this one started and that run.
pub(super) fn children() -> Option<usize> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    // Each child belongs to the thread that started it.
    let of = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).ok();
    threads.flatten().map(of).map(|text| text.map(|text| text.split_whitespace().count())).sum()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells() {
        assert!(resident_bytes().is_some_and(|n| n > 1 << 20), "a test needs more than a megabyte");
        assert!(open_files().is_some_and(|n| n >= 3), "stdin, stdout, stderr");
    }
}
