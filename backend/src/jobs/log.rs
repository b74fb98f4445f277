//! What a task says: its stderr between a line for its start and one for its end, in a file that does not grow without end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::executor::Ended;
use crate::ids;

/// What is kept of the beginning of what a process says.
const HEAD_BYTES: usize = 128 << 10;
/// What is kept of its end.
const TAIL_BYTES: usize = 16 << 10;
/// A file that is longer when a process starts begins anew.
const FILE_BYTES: u64 = 1 << 20;
/// Lines of stderr that a failure quotes.
const TAIL_LINES: usize = 20;
/// Characters of a quoted line.
const TAIL_WIDTH: usize = 400;

/// The log of one process. A disk that is full costs the log, not the task.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<File>,
    said: usize,
    tail: VecDeque<u8>,
}

impl Log {
    /// Goes on with a file.
    pub(super) fn open(path: &Path) -> Self {
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        let is_long = fs::metadata(path).is_ok_and(|m| m.len() > FILE_BYTES);
        let open = || File::options().create(true).write(true).append(!is_long).truncate(is_long).open(path);
        let file = folder.and_then(|()| open()).inspect_err(|error| tracing::warn!(path = %path.display(), %error, "no log is kept")).ok();
        Self { file, said: 0, tail: VecDeque::new() }
    }

    /// A line of ours, with the time.
    pub(super) fn note(&mut self, what: &str) {
        self.write(format!("--- {} {what}\n", ids::now_text()).as_bytes());
    }

    /// What the process said.
    pub(super) fn said(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES.saturating_sub(self.said).min(bytes.len());
        self.write(&bytes[..room]);
        self.said += bytes.len();
        self.tail.extend(bytes);
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..excess);
    }

    /// How it ended.
    pub(super) fn end(&mut self, ended: &Ended, ran_secs: Option<f64>) {
        if self.said > HEAD_BYTES {
            let rest = self.said - HEAD_BYTES;
            let kept: Vec<u8> = self.tail.iter().copied().skip(self.tail.len().saturating_sub(rest)).collect();
            let n_left_out = rest - kept.len();
            if n_left_out > 0 {
                self.write(format!("\n--- {n_left_out} bytes are left out\n").as_bytes());
            }
            self.write(&kept);
        }
        if self.tail.back().is_some_and(|last| *last != b'\n') {
            self.write(b"\n");
        }
        let how = match ended {
            Ended::Done(_) => "done".to_owned(),
            Ended::Failed(error) | Ended::Crashed(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
            Ended::Stopped => "stopped".to_owned(),
        };
        let after = ran_secs.map(|secs| format!(" after {secs:.3} s")).unwrap_or_default();
        self.note(&format!("ended{after}: {how}"));
    }

    /// The last lines of what it said.
    pub(super) fn last_words(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().chars().take(TAIL_WIDTH).collect()).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            // A log that cannot be written is only missed.
            file.write_all(bytes).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_beginning_and_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job/0.log");
        let mut log = Log::open(&path);
        log.note("started");
        for i in 0..100_000 {
            log.said(format!("line {i}\n").as_bytes());
        }
        log.end(&Ended::Stopped, Some(1.25));
        let text = fs::read_to_string(&path).expect("it is there");
        assert!(text.len() < HEAD_BYTES + TAIL_BYTES + 300, "{} bytes", text.len());
        assert!(text.starts_with("--- ") && text.contains(" started\nline 0\nline 1\n"), "it begins at the beginning");
        assert!(text.contains("bytes are left out"), "it says what is missing");
        assert!(text.contains("line 99998\nline 99999\n--- ") && text.ends_with(" ended after 1.250 s: stopped\n"), "it ends at the end");
        let words = log.last_words();
        assert!(words.starts_with("line 99980\n") && words.ends_with("line 99999"), "{words}");
    }

    #[test]
    fn a_short_log_is_whole_and_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("0.log");
        for attempt in 1..=2 {
            let mut log = Log::open(&path);
            log.note(&format!("attempt {attempt}"));
            log.said(b"no newline");
            log.end(&Ended::Crashed(eigenscope::Error::internal("killed\nlast words")), None);
        }
        let text = fs::read_to_string(&path).expect("it is there");
        assert_eq!(text.matches("no newline\n").count(), 2, "{text}");
        assert_eq!(text.matches("ended: internal error: killed\n").count(), 2, "{text}");
    }
}
