//! The arrays of a job: a file in its folder tells which were submitted, so that a server that starts again finds them instead of submitting twice.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use crate::jobs::PROGRESS_FILE;
use crate::jobs::executor::Process;

/// `slurm.json` in the folder of a job.
const FILE: &str = "slurm.json";

/// The arrays of a job, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Arrays(pub(super) Vec<Array>);

/// A job array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Array {
    /// Its name, which no other array has.
    pub(super) name: String,
    /// Its number; absent while it is being submitted.
    pub(super) id: Option<u64>,
    /// The tasks of the job by their places in the array.
    pub(super) tasks: Vec<usize>,
}

/// A task in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) array: u64,
    pub(super) place: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.array, self.place)
    }
}

impl Place {
    /// What the script and what it starts say.
    pub(super) fn output(self, dir: &Path) -> PathBuf {
        dir.join(format!("slurm-{self}.out"))
    }
}

impl Arrays {
    /// Those of a job; none when nothing was submitted.
    pub(super) fn read(dir: &Path) -> Self {
        std::fs::read(dir.join(FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Written before and after each submission, whole or not at all.
    pub(super) fn write(&self, dir: &Path) -> std::io::Result<()> {
        let part = dir.join(format!("{FILE}.part"));
        std::fs::write(&part, serde_json::to_vec(self)?)?;
        std::fs::rename(part, dir.join(FILE))
    }

    /// The last array that a task was in.
    pub(super) fn last_of(&self, task: usize) -> Option<(&Array, u64)> {
        self.0.iter().rev().find_map(|array| Some((array, array.tasks.iter().position(|i| *i == task)? as u64)))
    }
}

/// What an array runs: the folder of each place, as the node sees it.
pub(super) fn script(job: &str, profile: &Profile, exe: &Path, processes: &[&Process]) -> String {
    let mut out = format!("#!{}\n# A job of Eigenscope: {job}\ncase \"$SLURM_ARRAY_TASK_ID\" in\n", profile.shell);
    for (place, process) in processes.iter().enumerate() {
        // Writing into a String cannot fail.
        writeln!(out, "{place}) dir={} ;;", quoted(&process.dir)).ok();
    }
    out.push_str("esac\n");
    if let Some(cpus) = profile.cpus {
        writeln!(out, "export RAYON_NUM_THREADS={cpus}").ok();
    }
    for line in &profile.prologue {
        out.push_str(line);
        out.push('\n');
    }
    writeln!(out, "exec {} task --progress \"$dir/{}\" --dir \"$dir\"", quoted(profile.program.as_deref().unwrap_or(exe)), PROGRESS_FILE)
        .ok();
    out
}

/// For a shell: nothing in it means anything.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::executor::Stop;

    #[test]
    fn a_script_names_the_folder_of_each_place_and_nothing_in_a_path_means_anything() {
        let (_, stop) = tokio::sync::watch::channel(Stop::No);
        let process = |i: usize, dir: &str| Process { i, dir: dir.into(), log: "log".into(), stop: stop.clone() };
        let processes = [process(4, "/d/a b/task-4"), process(7, "/d/it's $(x)/task-7")];
        let profile = Profile { prologue: vec!["module load cuda".into()], cpus: Some(3), ..Profile::default() };
        let text = script("ab12", &profile, Path::new("/opt/e s"), &processes.iter().collect::<Vec<_>>());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "#!/bin/sh");
        assert_eq!(lines[3], "0) dir='/d/a b/task-4' ;;");
        assert_eq!(lines[4], r"1) dir='/d/it'\''s $(x)/task-7' ;;");
        assert_eq!(
            lines[6..],
            ["export RAYON_NUM_THREADS=3", "module load cuda", "exec '/opt/e s' task --progress \"$dir/progress.json\" --dir \"$dir\""]
        );
    }

    #[test]
    fn the_last_array_of_a_task_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(Arrays::read(folder.path()), Arrays::default());
        let array = |name: &str, id, tasks: &[usize]| Array { name: name.into(), id, tasks: tasks.into() };
        let arrays = Arrays(vec![array("a", Some(1), &[0, 2, 3]), array("b", None, &[3])]);
        arrays.write(folder.path()).expect("written");
        let read = Arrays::read(folder.path());
        assert_eq!(read, arrays);
        assert_eq!(read.last_of(2), Some((&arrays.0[0], 1)));
        assert_eq!(read.last_of(3), Some((&arrays.0[1], 0)));
        assert_eq!(read.last_of(1), None);
    }
}
