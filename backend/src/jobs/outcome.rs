//! What became of a process, from what it left in its folder and how it ended.

use std::path::Path;

use eigenscope::Error;
use eigenscope::api::ApiError;

use super::executor::Ended;
use super::{ERROR_FILE, RESULT_FILE};

/// The exit status of a process that found the disk full: it may not be able to write even that down.
pub const EXIT_DISK_FULL: u8 = 28;
/// What a job that needs a disk with room says.
#[must_use]
pub fn disk_full() -> Error {
    Error::input("the data folder", "its disk is full; free some space and run the job again")
}

/// How a process ended, for the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody knows.
    Unknown,
}

/// Reads what a process left; `last_words` is the end of its stderr.
pub(super) fn of(dir: &Path, exit: Exit, last_words: &str) -> Ended {
    if let Some(ended) = left(dir) {
        return ended;
    }
    if exit == Exit::Code(EXIT_DISK_FULL.into()) {
        return Ended::Failed(disk_full());
    }
    let said = if last_words.is_empty() { "it wrote nothing to stderr".to_owned() } else { format!("its last words:\n{last_words}") };
    let how = match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(9) => "killed by signal 9, as when memory runs out".to_owned(),
        Exit::Signal(signal) => format!("killed by signal {signal}"),
        Exit::Unknown => "unknown exit status".to_owned(),
    };
    let error = Error::internal(format!("the job's process ended without a result ({how}); {said}"));
    if matches!(exit, Exit::Code(_)) { Ended::Failed(error) } else { Ended::Crashed(error) }
}

/// A result or an error that is there already.
pub(super) fn left(dir: &Path) -> Option<Ended> {
    let result = dir.join(RESULT_FILE);
    if result.exists() {
        return Some(Ended::Done(result));
    }
    let text = std::fs::read_to_string(dir.join(ERROR_FILE)).ok()?;
    serde_json::from_str::<Error>(&text).ok().map(Ended::Failed)
}

/// The wire form of a job's failure; the job's id stands for the request's.
#[must_use]
pub fn api_error(error: &Error, job: &str) -> ApiError {
    ApiError::new(error, job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_folder_counts_before_how_the_process_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        assert!(
            matches!(of(dir, Exit::Signal(9), "words"), Ended::Crashed(e) if e.to_string().contains("signal 9") && e.to_string().contains("words"))
        );
        assert!(matches!(of(dir, Exit::Code(1), ""), Ended::Failed(e) if e.to_string().contains("exit status 1")));
        assert!(matches!(of(dir, Exit::Code(28), ""), Ended::Failed(e) if e.to_string().contains("disk")));
        let error = Error::parameter("depth", "is odd");
        std::fs::write(dir.join(ERROR_FILE), serde_json::to_vec(&error).expect("JSON")).expect("written");
        assert!(matches!(of(dir, Exit::Signal(9), ""), Ended::Failed(e) if e == error));
        std::fs::write(dir.join(RESULT_FILE), "piece").expect("written");
        assert!(matches!(of(dir, Exit::Signal(9), ""), Ended::Done(file) if file == dir.join(RESULT_FILE)));
    }
}
