//! What the machine has: memory for the pre-flight check, disk, devices for people.

use std::path::Path;

use eigenscope::analysis::AnalysisSpec;
use eigenscope::compute::{DeviceInfo, DeviceKind};
use eigenscope::dataset::Shapes;
use eigenscope::{Device, Error};

/// Bytes of memory that this process may use: the machine's, or its control group's limit where that is lower.
/// `None` where the system does not tell (no `/proc`): then nothing is refused.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo_bytes(&text, "MemTotal")?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|s| s.trim().parse::<u64>().ok());
    Some(limit.map_or(total, |limit| limit.min(total)))
}

fn meminfo_bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Room on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// What may still be written.
    pub free: u64,
    /// All of it.
    pub size: u64,
}

/// Room on the disk that has a folder; `None` where the system does not tell.
#[must_use]
pub fn disk_bytes(folder: &Path) -> Option<Disk> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(folder).ok()?;
        Some(Disk { free: stat.f_bavail.saturating_mul(stat.f_frsize), size: stat.f_blocks.saturating_mul(stat.f_frsize) })
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// The cargo features that this program was built with.
#[must_use]
pub fn features() -> Vec<&'static str> {
    [("gpu", cfg!(feature = "gpu")), ("cuda", cfg!(feature = "cuda"))].into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

/// Refuses a run whose estimate exceeds `limit_bytes`.
///
/// # Errors
/// [`Error::TooLarge`] with both numbers.
pub fn check_memory(spec: &AnalysisSpec, shapes: &Shapes, input_bytes: u64, limit_bytes: Option<u64>) -> Result<(), Error> {
    let Some(limit_bytes) = limit_bytes else { return Ok(()) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; an estimate of bytes is never negative")]
    let peak_bytes = spec.estimate(shapes).peak_bytes as u64;
    let needed_bytes = input_bytes.saturating_add(peak_bytes);
    if needed_bytes <= limit_bytes {
        return Ok(());
    }
    Err(Error::TooLarge { what: format!("{} on these inputs", spec.title()), needed_bytes, limit_bytes })
}

/// Every device of this build, the CPU with the machine's memory.
pub async fn devices() -> Vec<DeviceInfo> {
    let mut devices = Device::list().await;
    for device in devices.iter_mut().filter(|d| d.kind == DeviceKind::Cpu) {
        device.memory_bytes = memory_bytes();
    }
    devices
}

/// The CPU alone: what is told when the devices cannot be listed.
#[must_use]
pub fn cpu_only() -> Vec<DeviceInfo> {
    vec![DeviceInfo { memory_bytes: memory_bytes(), ..Device::cpu().info().clone() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read_in_bytes() {
        assert_eq!(meminfo_bytes("MemTotal:       24 kB\nMemFree: 3 kB\n", "MemTotal"), Some(24_576));
        assert_eq!(meminfo_bytes("MemTotal: lots", "MemTotal"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_disk_has_room_within_its_size() {
        let disk = disk_bytes(Path::new("/")).expect("unix tells");
        assert!(disk.size > 0 && disk.free <= disk.size, "{disk:?}");
        assert_eq!(disk_bytes(Path::new("/nowhere/at/all")), None);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_numbers() {
        let spec = AnalysisSpec::Rdm(eigenscope::analysis::rdm::Spec { input: "X".into(), ..Default::default() });
        let shapes = Shapes([("X".to_owned(), vec![10, 10])].into());
        let error = check_memory(&spec, &shapes, 1 << 30, Some(1 << 20)).expect_err("1 GiB does not fit 1 MiB");
        assert!(error.to_string().contains("1.0 GiB") || error.to_string().contains("GiB"), "{error}");
        check_memory(&spec, &shapes, 800, Some(1 << 30)).expect("800 bytes fit");
    }
}
