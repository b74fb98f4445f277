//! What is known of a job while it runs.

use std::fs::File;
use std::path::Path;

use eigenscope::{AnalysisResult, AnalysisSpec, Error, tasks, wire};

use super::{PREVIEW_FILE, RESULT_FILE};

/// What the processes in the folder of a job have written so far, as an envelope: the preview of a single one, or the pieces of the tasks that
/// are done; nothing when there is nothing yet.
///
/// # Errors
/// [`Error::Internal`] when a piece cannot be read.
pub fn of(dir: &Path, spec: &AnalysisSpec) -> Result<Option<Vec<u8>>, Error> {
    if let Ok(bytes) = std::fs::read(dir.join(PREVIEW_FILE)) {
        return Ok(Some(bytes));
    }
    let opened = (0..).map(|i| dir.join(format!("task-{i}"))).take_while(|task| task.exists());
    let pieces = opened.filter_map(|task| File::open(task.join(RESULT_FILE)).ok()).map(wire::read);
    let known = tasks::preview(spec, pieces)?;
    known.map(|output| wire::pack(&AnalysisResult::preview(output))).transpose()
}
