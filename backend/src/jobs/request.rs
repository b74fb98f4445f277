//! Checks of a request before it is queued.

use std::collections::BTreeMap;
use std::path::Path;

use eigenscope::api::{ArrayInfo, DatasetInfo, InputRef, JobRequest};
use eigenscope::dataset::{Shapes, samples_first};
use eigenscope::io;
use eigenscope::{AnalysisSpec, Error};

use super::{TaskFile, TaskInput, Work};
use crate::machine;
use crate::store::Blobs;

/// Refuses inputs that the spec does not name, and names without an input.
///
/// # Errors
/// [`Error::Input`] with the names.
pub fn check_names<'a>(spec: &AnalysisSpec, given: impl Iterator<Item = &'a str> + Clone) -> Result<(), Error> {
    let wanted = spec.inputs();
    let list = |names: &mut dyn Iterator<Item = &str>| {
        let names = names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    if let Some(missing) = wanted.iter().find(|name| !given.clone().any(|g| g == *name)) {
        let message = format!("the spec names this input but it was not given; given: {}", list(&mut given.clone()));
        return Err(Error::input(if missing.is_empty() { "an input without a name" } else { missing }, message));
    }
    if let Some(unused) = given.clone().find(|g| !wanted.iter().any(|name| name == g)) {
        let message = format!("the spec does not use this input; it names: {}", list(&mut wanted.iter().map(String::as_str)));
        return Err(Error::input(unused, message));
    }
    Ok(())
}

/// Checks names, members and memory; `datasets` has every dataset that the request refers to.
///
/// # Errors
/// [`Error::Input`], [`Error::Unsupported`] or [`Error::TooLarge`], each with its numbers.
pub fn check(request: &JobRequest, datasets: &BTreeMap<String, DatasetInfo>, memory_bytes: Option<u64>) -> Result<(), Error> {
    request.check()?;
    check_names(&request.spec, request.inputs.keys().map(String::as_str))?;
    let mut shapes = Shapes::default();
    let mut input_bytes = 0u64;
    for (name, input) in &request.inputs {
        let info = datasets.get(&input.dataset).ok_or_else(|| Error::input(name, "its dataset is not on the server"))?;
        let array = find_array(name, input, info)?;
        if input.samples_axis > 0 && input.samples_axis >= array.shape.len() {
            let n = array.shape.len();
            return Err(Error::input(
                name,
                format!("samples_axis is {}, but {} has {n} axes, counted from 0", input.samples_axis, info.name),
            ));
        }
        let shape = shape_of(array, input);
        let width = if array.dtype == "float32" || array.dtype == io::NETWORK { 4 } else { 8 };
        input_bytes = input_bytes.saturating_add(array.shape.iter().fold(width, |n, &k| n.saturating_mul(k)));
        shapes.0.insert(name.clone(), shape);
    }
    machine::check_memory(&request.spec, &shapes, input_bytes, memory_bytes)
}

fn find_array<'a>(name: &str, input: &InputRef, info: &'a DatasetInfo) -> Result<&'a ArrayInfo, Error> {
    let members = || info.arrays.iter().filter_map(|a| a.member.as_deref()).collect::<Vec<_>>().join(", ");
    let found = match (&input.member, info.arrays.as_slice()) {
        (None, [only]) => only,
        (None, arrays) => {
            let message = format!("{} has {} arrays; give one of them as member: {}", info.name, arrays.len(), members());
            return Err(Error::input(name, message));
        }
        (Some(member), arrays) => arrays
            .iter()
            .find(|a| a.member.as_ref() == Some(member))
            .ok_or_else(|| Error::input(name, format!("{} has no member \"{member}\"; it has: {}", info.name, members())))?,
    };
    match &found.refused {
        Some(reason) => Err(Error::Unsupported { file: info.name.clone(), message: reason.clone() }),
        None => Ok(found),
    }
}

/// What the process is told.
#[must_use]
pub fn task_file(request: &JobRequest, datasets: &BTreeMap<String, DatasetInfo>, blobs: &Blobs) -> TaskFile {
    let input = |input: &InputRef| TaskInput {
        path: datasets.get(&input.dataset).and_then(|info| info.path.clone()).map_or_else(|| blobs.path(&input.dataset), Into::into),
        hash: datasets.get(&input.dataset).filter(|info| info.path.is_none()).map(|info| info.id.clone()),
        name: datasets.get(&input.dataset).map_or_else(|| input.dataset.clone(), |info| info.name.clone()),
        member: input.member.clone(),
        samples_axis: input.samples_axis,
    };
    let inputs = request.inputs.iter().map(|(name, reference)| (name.clone(), input(reference))).collect();
    TaskFile { spec: request.spec.clone(), inputs, device: request.device, object_store: None, work: Work::Whole }
}

/// The shapes of the inputs as the spec takes them; what [`check`] would refuse is left out.
#[must_use]
pub fn shapes(request: &JobRequest, datasets: &BTreeMap<String, DatasetInfo>) -> Shapes {
    let mut shapes = Shapes::default();
    for (name, input) in &request.inputs {
        if let Some(info) = datasets.get(&input.dataset)
            && let Ok(array) = find_array(name, input, info)
        {
            shapes.0.insert(name.clone(), shape_of(array, input));
        }
    }
    shapes
}

fn shape_of(array: &ArrayInfo, input: &InputRef) -> Vec<usize> {
    let shape = array.shape.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    samples_first(shape, input.samples_axis)
}

/// Equal for requests that give the same result: spec, hashes of the inputs with their reader, device and program; not priority and concurrency.
///
/// The program counts by version, size and time of its file: a rebuilt one does not answer with an older one's results.
///
/// # Errors
/// [`Error::Internal`] when the request does not serialize.
pub fn cache_key(request: &JobRequest, datasets: &BTreeMap<String, DatasetInfo>, exe: &Path) -> Result<String, Error> {
    let program = std::fs::metadata(exe).ok().map(|m| {
        let built = m.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
        (m.len(), built.as_nanos().to_string())
    });
    let readers = datasets.values().map(|d| (&d.id, Path::new(&d.name).extension().and_then(|e| e.to_str()))).collect::<Vec<_>>();
    // When and beside what it runs is no part of what it gives.
    let request = JobRequest { priority: 0, concurrency: None, ..request.clone() };
    let key = serde_json::to_vec(&(request, readers, env!("CARGO_PKG_VERSION"), program));
    let key = key.map_err(|e| Error::internal(format!("a request did not serialize: {e}")))?;
    Ok(blake3::hash(&key).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eigenscope::analysis::rdm;

    fn request(member: Option<&str>) -> (JobRequest, BTreeMap<String, DatasetInfo>) {
        let spec = AnalysisSpec::Rdm(rdm::Spec { input: "X".into(), ..Default::default() });
        let input = InputRef { dataset: "d".into(), member: member.map(Into::into), samples_axis: 0 };
        let array =
            |name: &str| ArrayInfo { member: Some(name.into()), dtype: "float32".into(), shape: vec![1 << 20, 1 << 10], refused: None };
        let arrays = vec![array("a"), array("b")];
        let info = DatasetInfo { id: "d".into(), name: "l.npz".into(), size_bytes: 1, created_ms: 0, arrays, path: None };
        let inputs = [("X".into(), input)].into();
        (JobRequest { spec, inputs, device: Default::default(), priority: 0, concurrency: None }, [("d".into(), info)].into())
    }

    #[test]
    fn members_must_be_named_and_fit() {
        let (ambiguous, datasets) = request(None);
        let message = check(&ambiguous, &datasets, None).expect_err("two arrays").to_string();
        assert!(message.contains("2 arrays") && message.contains("a, b"), "{message}");
        let (unknown, datasets) = request(Some("c"));
        assert!(check(&unknown, &datasets, None).is_err(), "no such member");
        let (large, datasets) = request(Some("a"));
        let message = check(&large, &datasets, Some(1 << 30)).expect_err("4 GiB do not fit").to_string();
        assert!(message.contains("GiB"), "{message}");
    }

    #[test]
    fn the_cache_does_not_care_when_a_job_runs() {
        let (request, datasets) = request(Some("a"));
        let key = |request: &JobRequest| cache_key(request, &datasets, Path::new("/nowhere")).expect("a key");
        let urgent = JobRequest { priority: 9, concurrency: Some(3), ..request.clone() };
        assert_eq!(key(&urgent), key(&request));
        assert_ne!(key(&JobRequest { device: eigenscope::DeviceChoice::Cpu, ..request.clone() }), key(&request));
    }

    #[test]
    fn ranges_are_checked() {
        let (request, datasets) = request(Some("a"));
        for (priority, concurrency, field) in
            [(101, None, "priority"), (-101, None, "priority"), (0, Some(0), "concurrency"), (0, Some(257), "concurrency")]
        {
            let error = check(&JobRequest { priority, concurrency, ..request.clone() }, &datasets, None).expect_err("out of range");
            assert_eq!(error.field(), Some(field), "{error}");
        }
        check(&JobRequest { priority: -100, concurrency: Some(256), ..request }, &datasets, None).expect("the ends of the ranges");
    }

    #[test]
    fn names_must_match_the_spec() {
        let (request, _) = request(None);
        check_names(&request.spec, ["X"].into_iter()).expect("X is what it names");
        assert!(check_names(&request.spec, [].into_iter()).is_err(), "X is missing");
        assert!(check_names(&request.spec, ["X", "Y"].into_iter()).is_err(), "Y is not used");
    }
}
