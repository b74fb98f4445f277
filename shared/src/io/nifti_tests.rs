//! Images that nibabel wrote (`tests/reference/searchlight.py`), our own, and broken ones.

use serde_json::Value;

use super::*;
use crate::dataset::Values;

fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |c: u8| (c as char).to_digit(16).expect("a digit");
    hex.as_bytes().chunks(2).map(|pair| u8::try_from(16 * digit(pair[0]) + digit(pair[1])).expect("a byte")).collect()
}

fn images() -> Vec<(String, Vec<u8>, Value)> {
    let all: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/nifti.json")).expect("valid JSON");
    all.into_iter().map(|v| (v["name"].as_str().expect("text").into(), bytes_of(v["bytes"].as_str().expect("text")), v)).collect()
}

fn values(dataset: &Dataset) -> Vec<f64> {
    match &*dataset.values {
        Values::F32(a) => a.iter().map(|&v| v.into()).collect(),
        Values::F64(a) => a.iter().copied().collect(),
    }
}

#[test]
fn images_are_read_as_nibabel_reads_them() {
    for (name, bytes, want) in images() {
        let listed = list(&name, &bytes, Limits::NATIVE).expect("lists");
        let read = read(&name, &bytes, None, Limits::NATIVE).expect("reads");
        assert_eq!(read.name, name.split('.').next().expect("some"), "{name}");
        assert_eq!(read.dtype, want["dtype"].as_str().expect("text"), "{name}");
        let shape: Vec<usize> = serde_json::from_value(want["shape"].clone()).expect("a shape");
        assert_eq!(read.shape(), shape, "{name}");
        assert_eq!(listed[0].shape, shape.iter().map(|&n| n as u64).collect::<Vec<_>>(), "{name}");
        let wanted: Vec<f64> = serde_json::from_value(want["values"].clone()).expect("numbers");
        let near = values(&read).iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-15 * b.abs());
        assert!(near, "{name}: {:?} is not {wanted:?}", values(&read));
        let affine: Option<Vec<Vec<f64>>> = serde_json::from_value(want["affine"].clone()).expect("rows or nothing");
        assert_eq!(read.affine.is_some(), affine.is_some(), "{name}");
        for (found, want) in read.affine.iter().flatten().zip(affine.iter().flatten()) {
            // Quaternions are held in single precision.
            assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{name}: {found:?} is not {want:?}");
        }
    }
}

#[test]
fn maps_come_back_as_they_were_written() {
    let affine = [[-2.0, 0.0, 0.0, 90.0], [0.0, 2.0, 0.5, -126.0], [0.0, 0.0, 3.0, -72.0]];
    let mut wanted: Vec<f64> = (0..24).map(|v| f64::from(v) * 0.25).collect();
    wanted[5] = f64::NAN;
    let bytes = write_nifti([2, 3, 4], Some(&affine), &wanted).expect("fits");
    let map = read("map.nii", &bytes, None, Limits::NATIVE).expect("reads");
    assert_eq!((map.shape(), map.affine, map.dtype.as_str()), (&[2, 3, 4][..], Some(affine), "float32"));
    assert!(values(&map).iter().zip(&wanted).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())), "{:?}", values(&map));
    let bytes = write_nifti([1, 1, 1], None, &[1.0]).expect("fits");
    assert_eq!(read("map.nii", &bytes, None, Limits::NATIVE).expect("reads").affine, None);
    assert!(write_nifti([40_000, 1, 1], None, &[0.0; 40_000]).is_err(), "longer than the format allows");
}

#[test]
fn broken_images_are_refused_with_a_reason() {
    let (_, bytes, _) = images().swap_remove(0);
    let message = |name: &str, bytes: &[u8]| read(name, bytes, None, Limits::NATIVE).expect_err("refused").to_string();
    assert!(message("a.nii", &bytes[..bytes.len() - 1]).contains("but the file has"), "one byte short");
    assert!(message("a.nii", &bytes[..200]).contains("n+1"), "no whole header");
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    assert!(message("a.nii", &changed(42, &[255, 127])).contains("promises"), "more voxels than there are");
    assert!(message("a.nii", &changed(344, b"ni1\0")).contains("save the image as one .nii file"), "half of a pair");
    assert!(message("a.nii", &changed(4, b"n+2\0")).contains("NIfTI-1"), "the newer format");
    assert!(message("a.nii", &changed(70, &32i16.to_le_bytes())).contains("not read"), "complex numbers");
    assert!(message("a.nii", &changed(70, &999i16.to_le_bytes())).contains("not a complete"), "no type at all");
    assert!(message("a.nii", &changed(108, &f32::NAN.to_le_bytes())).contains("nowhere"), "voxels nowhere");
    assert!(message("a.nii", &changed(108, &100f32.to_le_bytes())).contains("inside its header"), "voxels too early");
    assert!(message("a.nii", &changed(42, &[0, 0])).contains("not a complete"), "an axis of length 0");
    let (name, packed, _) = images().into_iter().find(|(name, _, _)| name.ends_with(".gz")).expect("one");
    assert!(message(&name, &packed[..packed.len() - 20]).contains("not a complete"), "compression ends early");
    assert!(read("a.gz", &packed, None, Limits::NATIVE).is_ok(), "an image whatever its name");
    assert!(message("a.nii.gz", &packed[..20]).contains("not a complete"), "nearly nothing");
    assert!(message("a.nii", b"hello").contains("n+1"), "text");
    let limits = Limits { max_array_bytes: 10 };
    assert!(read("a.nii", &bytes, None, limits).is_err(), "beyond the limit");
    assert!(list("a.nii", &bytes, limits).expect("lists")[0].refused.is_some(), "and listed with the reason");
    assert!(read("a.nii", &bytes, Some("x"), Limits::NATIVE).is_err(), "no member");
}
