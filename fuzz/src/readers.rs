//! What every reader does with any bytes: it gives values that fill their shape, or one error in a sentence. It never panics.
//!
//! The fuzz targets run these functions on bytes that a fuzzer makes up, `tests/it/corpus.rs` on all of `fuzz/seeds`.

use eigenscope::dataset::Values;
use eigenscope::input::{Input, Stack, read_stimuli};
use eigenscope::io::{self, Limits, ReadAt, SaveFormat};
use eigenscope::network::{Preset, read_masks, read_network};
use eigenscope::{AnalysisResult, AnalysisSpec, Dataset, Error, wire};

/// A reader and the bytes that it gets.
pub type Reader = fn(&[u8]);

/// All of them by the names of their targets.
pub const READERS: [(&str, Reader); 12] = [
    ("npy", npy),
    ("npz", npz),
    ("csv", csv),
    ("mat", mat),
    ("hdf5", hdf5),
    ("nifti", nifti),
    ("safetensors", safetensors),
    ("torch", torch),
    ("onnx", onnx),
    ("dnnbrain", dnnbrain),
    ("images", images),
    ("wire", wire),
];

/// The most that the program reads anywhere: what a small file promises beyond its bytes is refused for that alone.
const LIMITS: Limits = Limits::NATIVE;
/// Arrays of so many values are written again.
const REWRITTEN: usize = 256;
/// Arrays of a file that are loaded.
const LOADED: usize = 8;

/// NPY, whole and from a stream.
pub fn npy(bytes: &[u8]) {
    file("x.npy", bytes);
    let streamed = sentence(io::read_npy("x.npy", bytes, bytes.len() as u64, LIMITS));
    if let Some(dataset) = &streamed {
        check(dataset);
    }
    if let Some(Some(place)) = sentence(io::npy_place("x.npy", bytes, bytes.len() as u64)) {
        let n: usize = place.shape.iter().product();
        let end = place.offset + (n * place.value_bytes) as u64;
        assert!(end <= bytes.len() as u64, "the values lie inside the file");
        assert_eq!(streamed.map(|dataset| dataset.values.len()), Some(n), "what has a place is read");
    }
}

/// NPZ, and the archives of projects, which are zip files as well.
pub fn npz(bytes: &[u8]) {
    file("x.npz", bytes);
    if let Some(files) = sentence(io::unpack(bytes, Limits::BROWSER)) {
        let again = io::pack(&files).expect("what was unpacked is packed");
        assert_eq!(io::unpack(&again, LIMITS).as_ref(), Ok(&files), "packed files unpack");
    }
}

/// Tables; the first byte chooses the extension.
pub fn csv(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    file(if first.is_multiple_of(2) { "x.csv" } else { "x.tsv" }, rest);
}

/// MATLAB 5 to 7.2.
pub fn mat(bytes: &[u8]) {
    file("x.mat", bytes);
}

/// HDF5, MATLAB 7.3 and NetCDF-4, from memory and from a file that stays where it is.
pub fn hdf5(bytes: &[u8]) {
    file("x.h5", bytes);
    let kept = bytes.to_vec();
    let place = ReadAt::new(bytes.len() as u64, move |at, out| {
        let start = usize::try_from(at).map_err(std::io::Error::other)?;
        let end = start.checked_add(out.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(kept.get(start..end).ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    });
    let Some(listed) = sentence(io::list_hdf5("x.h5", &place, LIMITS)) else { return };
    for info in listed.iter().take(LOADED) {
        if let Some(dataset) = sentence(io::read_hdf5("x.h5", &place, info.member.as_deref(), LIMITS)) {
            check(&dataset);
        }
    }
}

/// `NIfTI`, plain and compressed.
pub fn nifti(bytes: &[u8]) {
    file("x.nii.gz", bytes);
}

/// Safetensors.
pub fn safetensors(bytes: &[u8]) {
    file("x.safetensors", bytes);
}

/// State dicts of `PyTorch`: zip archives, the older stream, and safetensors.
pub fn torch(bytes: &[u8]) {
    if let Some(state) = sentence(eigenscope::network::read_state("x.pth", bytes)) {
        let held: usize = state.values().map(|constant| constant.shape().iter().product::<usize>()).sum();
        // Parameters may share their values.
        assert!(held <= 256 * bytes.len() + (1 << 20), "{held} values of {} bytes", bytes.len());
    }
    file("x.pth", bytes);
}

/// ONNX, networks and single arrays.
pub fn onnx(bytes: &[u8]) {
    file("x.onnx", bytes);
    if let Some(graph) = sentence(read_network("x.onnx", bytes)) {
        let _layers = (graph.layers(), graph.operators(), graph.n_weights());
    }
    sentence(eigenscope::network::read_onnx_array("x.pb", bytes));
}

/// Texts of `DNNBrain`: lists of stimuli and masks. Its `.act.h5`, `.rdm.h5` and `.roi.h5` are [`hdf5`].
pub fn dnnbrain(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(stimuli) = sentence(read_stimuli("x.stim.csv", &text)) {
        assert!(!stimuli.names.is_empty(), "a list has stimuli");
    }
    if let Some(masks) = sentence(read_masks("x.dmask.csv", &text)) {
        let zero = masks.values().flat_map(|mask| [&mask.channels, &mask.rows, &mask.columns]).flatten().flatten().any(|n| *n == 0);
        assert!(!masks.is_empty() && !zero, "places are counted from 1: {masks:?}");
    }
}

/// Images: alone, in a zip archive, and stacked in an array.
pub fn images(bytes: &[u8]) {
    let prepare = Preset::Imagenet.of_size([8, 8]);
    if let Some(values) = sentence(prepare.read("x.png", bytes)) {
        assert_eq!(values.len(), 3 * 8 * 8, "three colors of each pixel");
    }
    match sentence(io::open("x.zip", bytes.to_vec(), None, LIMITS)) {
        Some(Input::Images(images)) => {
            for i in 0..images.names().len().min(LOADED) {
                sentence(prepare.read_one(images.as_ref(), i));
            }
        }
        Some(Input::Array(dataset)) => {
            if let Some(stack) = sentence(Stack::of(&dataset)) {
                assert!(!stack.assumed().is_empty(), "what was assumed is told");
            }
        }
        Some(Input::Network(_)) | None => {}
    }
}

/// What crosses the wire: envelopes of results, and specs in JSON.
pub fn wire(bytes: &[u8]) {
    if let Some(result) = sentence(wire::unpack::<AnalysisResult>(bytes)) {
        let packed = wire::pack(&result).expect("what was unpacked is packed");
        let again: AnalysisResult = wire::unpack(&packed).expect("what was packed is unpacked");
        assert_eq!(wire::pack(&again).as_ref(), Ok(&packed), "an envelope keeps every bit");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(spec) = sentence(AnalysisSpec::from_json(text)) {
        let _known = (spec.inputs(), spec.title());
        let json = serde_json::to_string(&spec).expect("a spec serializes");
        let again = AnalysisSpec::from_json(&json).unwrap_or_else(|e| panic!("{json} does not read back: {e}"));
        assert_eq!(serde_json::to_string(&again).expect("a spec serializes"), json, "a spec stays what it is");
    }
}

/// Lists the arrays of a file and loads some of them, as the program does.
fn file(name: &str, bytes: &[u8]) {
    let listed = sentence(io::list(name, bytes, LIMITS)).unwrap_or_default();
    for (i, info) in listed.iter().enumerate().take(LOADED) {
        assert!(info.refused.as_ref().is_none_or(|why| !why.trim().is_empty()), "a refusal says why: {info:?}");
        let Some(dataset) = sentence(io::read(name, bytes, info.member.as_deref(), LIMITS)) else { continue };
        check(&dataset);
        // Files may hold several arrays of one name, of which the first is read.
        if listed.iter().position(|other| other.member == info.member) == Some(i) {
            let shape: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
            assert_eq!((&shape, &info.refused), (&info.shape, &None), "what is listed is what is read: {info:?}");
        }
    }
    if let Some(input) = sentence(io::open(name, bytes.to_vec(), None, LIMITS)) {
        sentence(io::summarize(name, &input));
    }
}

/// Values fill their shape in C order; labels and names fit.
fn check(dataset: &Dataset) {
    let shape = dataset.shape();
    let count = shape.iter().try_fold(1usize, |n, &k| n.checked_mul(k));
    let (n, in_order) = match &*dataset.values {
        Values::F32(a) => (a.iter().count(), a.is_standard_layout()),
        Values::F64(a) => (a.iter().count(), a.is_standard_layout()),
    };
    assert_eq!(count, Some(n), "the values of {shape:?}");
    assert!(in_order, "rows lie one after the other");
    assert!(dataset.labels.iter().all(|column| Some(&column.values.len()) == shape.first()), "labels are of rows");
    assert!(dataset.column_names.as_ref().is_none_or(|names| Some(&names.len()) == shape.get(1)), "names are of columns");
    if n <= REWRITTEN {
        SaveFormat::ALL.into_iter().for_each(|format| rewrite(format, dataset));
    }
}

/// What is read is written, where the format holds it, and reads back as it was.
fn rewrite(format: SaveFormat, dataset: &Dataset) {
    let Some((bytes, saved)) = sentence(io::save_bytes(format, &[("x".to_owned(), dataset)])) else { return };
    let back = io::read(&format!("x.{}", format.ending()), &bytes, None, LIMITS).unwrap_or_else(|e| panic!("{format:?}: {e}"));
    let shape: Vec<u64> = back.shape().iter().map(|&n| n as u64).collect();
    // Tables have no types, one NaN, and text columns that may look like numbers.
    if format != SaveFormat::Csv {
        assert_eq!((&shape, bits(&back)), (&saved[0].shape, bits(dataset)), "{format:?} keeps every bit");
    } else if dataset.labels.is_empty() {
        let numbers = |dataset: &Dataset| match &*dataset.values {
            Values::F32(a) => a.iter().map(|v| f64::from(*v)).map(|v| (!v.is_nan()).then_some(v.to_bits())).collect::<Vec<_>>(),
            Values::F64(a) => a.iter().map(|v| (!v.is_nan()).then_some(v.to_bits())).collect(),
        };
        assert_eq!((&shape, numbers(&back)), (&saved[0].shape, numbers(dataset)), "{}", String::from_utf8_lossy(&bytes));
    }
}

fn bits(dataset: &Dataset) -> Vec<u64> {
    match &*dataset.values {
        Values::F32(a) => a.iter().map(|v| u64::from(v.to_bits())).collect(),
        Values::F64(a) => a.iter().map(|v| v.to_bits()).collect(),
    }
}

/// The value, or nothing when there is an error, which is a sentence for people and none of our own defects.
fn sentence<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let text = error.to_string();
            assert!(!matches!(error, Error::Internal { .. }), "a file is no defect of the program: {text}");
            assert!(text.len() >= 10 && text.contains(' '), "an error is a sentence: {text:?}");
            None
        }
    }
}
