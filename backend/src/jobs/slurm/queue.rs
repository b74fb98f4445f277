//! What `squeue --json` says of arrays, in the words of Slurm 22.05 and of later versions.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::jobs::outcome::Exit;

/// What the cluster knows of arrays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    arrays: BTreeMap<u64, Vec<Entry>>,
    names: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    places: Places,
    known: Known,
}

/// Which places of an array an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Places {
    One(u64),
    /// Ranges of those that have not started.
    Ranges(Vec<(u64, u64)>),
    /// Those without an entry of their own; the text was cut off.
    Rest,
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Slurm's word: `RUNNING`.
    pub(super) state: String,
    pub(super) exit: Exit,
    /// How often the cluster started it again.
    pub(super) restarts: u64,
    /// Where it is.
    pub(super) nodes: String,
    /// Why it does not run.
    pub(super) reason: String,
}

impl Known {
    /// Whether it has ended and will not start again.
    pub(super) fn is_over(&self) -> bool {
        const OVER: [&str; 9] =
            ["BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"];
        OVER.contains(&self.state.as_str())
    }
}

impl Snapshot {
    /// Reads the answer of `squeue --json`; what is not of a form that is known is left out.
    ///
    /// # Errors
    /// When it is no such answer.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|e| format!("squeue did not answer with JSON: {e}"))?;
        let jobs = value["jobs"].as_array().ok_or("squeue's answer has no list of jobs")?;
        let mut out = Self::default();
        for job in jobs {
            let Some(id) = number(&job["array_job_id"]).filter(|id| *id > 0) else { continue };
            let places = match number(&job["array_task_id"]) {
                Some(place) => Places::One(place),
                None => ranges(job["array_task_string"].as_str().unwrap_or_default()).map_or(Places::Rest, Places::Ranges),
            };
            let known = Known {
                state: word(&job["job_state"]),
                exit: exit(&job["exit_code"]),
                restarts: number(&job["restart_cnt"]).unwrap_or(0),
                nodes: job["nodes"].as_str().unwrap_or_default().to_owned(),
                reason: job["state_reason"].as_str().unwrap_or_default().to_owned(),
            };
            if let Some(name) = job["name"].as_str() {
                out.names.insert(name.to_owned(), id);
            }
            out.arrays.entry(id).or_default().push(Entry { places, known });
        }
        Ok(out)
    }

    /// What is known of one task of an array; nothing when it is gone.
    pub(super) fn of(&self, array: u64, place: u64) -> Option<&Known> {
        let entries = self.arrays.get(&array)?;
        let own = entries.iter().find(|entry| entry.places == Places::One(place));
        let waits = |entry: &&Entry| match &entry.places {
            Places::One(_) => false,
            Places::Ranges(ranges) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&place)),
            Places::Rest => true,
        };
        own.or_else(|| entries.iter().find(waits)).map(|entry| &entry.known)
    }

    /// The array of a name.
    pub(super) fn named(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }
}

/// `5`, or since 23.02 `{"set": true, "infinite": false, "number": 5}`.
fn number(value: &Value) -> Option<u64> {
    match value.get("set") {
        Some(set) if set.as_bool() != Some(true) => None,
        Some(_) => value["number"].as_u64(),
        None => value.as_u64(),
    }
}

/// `"RUNNING"`, or since 23.11 `["RUNNING"]`, perhaps with flags behind it.
fn word(value: &Value) -> String {
    let first = value.as_array().and_then(|words| words.first()).unwrap_or(value);
    first.as_str().unwrap_or("UNKNOWN").to_owned()
}

/// The status of `wait`, or since 23.02 an object.
fn exit(value: &Value) -> Exit {
    let (code, signal) = match value.as_u64() {
        Some(status) => (status >> 8 & 0xff, status & 0x7f),
        None => match (number(&value["return_code"]), number(&value["signal"]["id"])) {
            (None, None) => return Exit::Unknown,
            (code, signal) => (code.unwrap_or(0), signal.unwrap_or(0)),
        },
    };
    let small = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
    match (code, signal) {
        (_, 1..) => Exit::Signal(small(signal)),
        // A shell says so of what it started.
        (129..=192, _) => Exit::Signal(small(code - 128)),
        _ => Exit::Code(small(code)),
    }
}

/// `0,3-7%2`; nothing when it is cut off.
fn ranges(text: &str) -> Option<Vec<(u64, u64)>> {
    let list = text.split('%').next().unwrap_or_default();
    list.split(',')
        .map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snapshot(jobs: &Value) -> Snapshot {
        Snapshot::parse(json!({ "meta": {}, "errors": [], "jobs": jobs }).to_string().as_bytes()).expect("an answer")
    }

    #[test]
    fn arrays_of_22_05_are_read() {
        let q = snapshot(&json!([
            { "job_id": 6, "array_job_id": 5, "array_task_id": 0, "array_task_string": "", "job_state": "FAILED", "exit_code": 35072,
              "restart_cnt": 0, "name": "es-1", "nodes": "vm" },
            { "job_id": 7, "array_job_id": 5, "array_task_id": 1, "job_state": "RUNNING", "exit_code": 0, "restart_cnt": 2, "nodes": "n[1]" },
            { "job_id": 5, "array_job_id": 5, "array_task_id": null, "array_task_string": "3,5-6%2", "job_state": "PENDING", "state_reason": "Priority" },
            { "job_id": 9, "array_job_id": 9, "array_task_id": null, "array_task_string": "2,4,6,8,...", "job_state": "PENDING" },
            { "job_id": 11, "array_job_id": 0, "array_task_id": null, "job_state": "RUNNING" },
        ]));
        let killed = q.of(5, 0).expect("the first");
        assert_eq!((killed.is_over(), killed.exit), (true, Exit::Signal(9)));
        let running = q.of(5, 1).expect("the second");
        assert_eq!((running.is_over(), running.restarts, running.nodes.as_str()), (false, 2, "n[1]"));
        assert_eq!(q.of(5, 2), None, "it is gone");
        assert_eq!(q.of(5, 3).map(|known| known.reason.as_str()), Some("Priority"));
        assert!([3, 5, 6].iter().all(|i| q.of(5, *i).is_some_and(|known| known.state == "PENDING")) && q.of(5, 4).is_none());
        assert!(q.of(9, 700).is_some_and(|known| !known.is_over()), "a list that is cut off may have it");
        assert_eq!((q.of(11, 0), q.named("es-1"), q.named("es")), (None, Some(5), None));
    }

    #[test]
    fn arrays_of_later_versions_are_read() {
        let set = |n: u64| json!({ "set": true, "infinite": false, "number": n });
        let unset = json!({ "set": false, "infinite": false, "number": 0 });
        let q = snapshot(&json!([
            { "array_job_id": set(5), "array_task_id": set(0), "job_state": ["OUT_OF_MEMORY"], "restart_cnt": 1,
              "exit_code": { "status": ["SIGNALED"], "return_code": unset, "signal": { "id": set(9), "name": "KILL" } } },
            { "array_job_id": set(5), "array_task_id": unset, "array_task_string": "1-9", "job_state": ["PENDING"] },
            { "array_job_id": set(8), "array_task_id": set(3), "job_state": ["RUNNING", "COMPLETING"],
              "exit_code": { "return_code": set(28), "signal": { "id": unset } } },
        ]));
        assert_eq!(q.of(5, 0).map(|known| (known.is_over(), known.exit)), Some((true, Exit::Signal(9))));
        assert_eq!(q.of(5, 4).map(Known::is_over), Some(false));
        assert_eq!(q.of(8, 3).map(|known| (known.is_over(), known.exit)), Some((false, Exit::Code(28))));
        assert!(Snapshot::parse(b"slurm_load_jobs error: Unable to contact slurm controller").is_err());
        assert!(Snapshot::parse(b"{}").is_err());
    }
}
