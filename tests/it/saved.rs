//! What is written in other formats is what numpy, scipy and h5py read, and what this program converts.

use std::path::{Path, PathBuf};
use std::process::Command;

use eigenscope::dataset::Values;
use eigenscope::io::{SaveFormat, save_bytes};
use eigenscope::{Dataset, io};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value, json};

use crate::support::{matrix, refuse, succeed};

/// A Python with numpy, scipy and h5py; its absence is said.
fn python() -> Option<PathBuf> {
    let given = std::env::var_os("EIGENSCOPE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has = Command::new(&given).args(["-c", "import h5py, numpy, scipy.io"]).output().is_ok_and(|out| out.status.success());
    if !has {
        println!("skipped: no Python with numpy, scipy and h5py; set EIGENSCOPE_PYTHON to one");
    }
    has.then_some(given)
}

fn hex(array: &Dataset) -> String {
    let bytes: Vec<u8> = match &*array.values {
        Values::F32(a) => a.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Values::F64(a) => a.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Values that lose something in careless hands, in single or double precision.
#[expect(clippy::cast_possible_truncation, reason = "single precision is wanted")]
fn arrays() -> Vec<Dataset> {
    let hard = [0.1, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, f64::MAX, 1.0 / 3.0, -2.5e-8, 1e21, f64::NAN];
    let mut out = Vec::new();
    for (i, shape) in [&[6][..], &[4, 3], &[1, 5], &[2, 3, 4], &[2, 3, 2, 2], &[0, 4], &[700, 400]].into_iter().enumerate() {
        let n = shape.iter().product::<usize>();
        let values = ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|k| hard[k * 7 % 10]).collect()).expect("it fits");
        out.push(Dataset::from_f32(format!("single{i}"), values.mapv(|v: f64| v as f32)));
        out.push(Dataset::from_f64(format!("double{i}"), values));
    }
    out
}

#[test]
fn numpy_scipy_and_h5py_read_what_is_written() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut expected: Vec<Value> = Vec::new();
    let mut put = |file: &str, arrays: &[&Dataset]| {
        let format = SaveFormat::of(file).expect("a format");
        let named: Vec<(String, &Dataset)> = arrays.iter().map(|array| (array.name.clone(), *array)).collect();
        let (bytes, saved) = save_bytes(format, &named).expect("it is written");
        std::fs::write(folder.path().join(file), bytes).expect("written");
        for (saved, array) in saved.iter().zip(arrays) {
            let single = matches!(&*array.values, Values::F32(_)) && format != SaveFormat::Csv;
            let dtype = if single { "<f4" } else { "<f8" };
            expected.push(json!({ "file": file, "member": saved.name, "shape": saved.shape, "dtype": dtype, "values": hex(array) }));
        }
    };
    let arrays = arrays();
    let all: Vec<&Dataset> = arrays.iter().collect();
    for file in ["all.npz", "all.h5", "all.mat"] {
        put(file, &all);
    }
    for array in &arrays {
        put(&format!("{}.npy", array.name), &[array]);
    }
    for name in ["double1", "double2"] {
        put(&format!("{name}.csv"), &[arrays.iter().find(|array| array.name == name).expect("there")]);
    }
    let count = expected.len();
    std::fs::write(folder.path().join("expected.json"), Value::from(expected).to_string()).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/saved.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), count, "every array was checked");
}

#[test]
fn the_program_converts_arrays_and_tells_what_became_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    let (x, y) = (matrix("x", 4, 3, 1), matrix("layer/1", 2, 5, 2));
    let named = [("x".to_owned(), &x), ("layer/1".to_owned(), &y)];
    std::fs::write(dir.join("two.npz"), save_bytes(SaveFormat::Npz, &named).expect("written").0).expect("written");
    std::fs::write(dir.join("t.csv"), "item,a,b\np,1,2\nq,3,4.5\n").expect("written");
    let answer = succeed(dir, "convert two.npz t.csv out.mat --samples-axis x=1");
    let of = |i: usize| (answer["arrays"][i]["input"].clone(), answer["arrays"][i]["name"].clone(), answer["arrays"][i]["shape"].clone());
    assert_eq!(of(0), (json!("two.npz::x"), json!("x"), json!([3, 4])));
    assert_eq!(of(1), (json!("two.npz::layer/1"), json!("layer_1"), json!([2, 5])));
    assert_eq!(answer["arrays"][2]["left_out"], json!(["row labels", "column names"]));
    assert_eq!((&answer["format"], &answer["arrays"][0]["dtype"]), (&json!("mat"), &json!("float64")));
    let bytes = std::fs::read(dir.join("out.mat")).expect("written");
    assert_eq!(answer["bytes"], json!(bytes.len()));
    let read = |member: &str| io::read("out.mat", &bytes, Some(member), io::Limits::NATIVE).expect("it reads");
    assert_eq!((read("x").values, read("layer_1").values), (x.with_samples(1).expect("two axes").values, y.values.clone()));
    // Around all formats and back, the same bits.
    succeed(dir, "convert two.npz::x 1.h5");
    succeed(dir, "convert 1.h5 2.mat");
    succeed(dir, "convert 2.mat 3.csv");
    succeed(dir, "convert 3.csv 4.npz");
    succeed(dir, "convert 4.npz 5.npy");
    let last = std::fs::read(dir.join("5.npy")).expect("written");
    assert_eq!(io::read("5.npy", &last, None, io::Limits::NATIVE).expect("it reads").values, x.values);
    refuse(dir, "convert two.npz 6.npy", "holds one array, not 2");
    refuse(dir, "convert two.npz::z 6.npy", "no array \"z\"");
    refuse(dir, "convert t.csv 6.xlsx", ".npy, .npz, .h5, .csv or .mat");
    refuse(dir, "convert t.csv nowhere/6.npy", "cannot be written");
    refuse(dir, "convert t.csv", "--help");
    refuse(dir, "convert t.csv 6.npy --samples-axis u=1", "no array named \"u\"; the arrays are: t");
    let left: Vec<_> = dir.read_dir().expect("listed").flatten().filter(|e| e.file_name().to_string_lossy().contains(".part")).collect();
    assert!(left.is_empty(), "nothing half-written stays: {left:?}");
}
