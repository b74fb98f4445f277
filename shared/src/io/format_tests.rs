//! Files of h5py, scipy and other libraries (`tests/reference/formats.py`), the fixtures for readers, and broken ones.

use serde_json::Value;

use super::*;
use crate::dataset::Values;

struct Fixture {
    name: String,
    bytes: Vec<u8>,
    arrays: Vec<Value>,
}

fn fixtures() -> Vec<Fixture> {
    let digit = |c: u8| (c as char).to_digit(16).expect("a digit");
    let fixture = |v: Value| {
        let hex = v["bytes"].as_str().expect("text").as_bytes();
        let packed: Vec<u8> = hex.chunks(2).map(|pair| u8::try_from(16 * digit(pair[0]) + digit(pair[1])).expect("a byte")).collect();
        let mut bytes = Vec::new();
        std::io::copy(&mut flate2::read::ZlibDecoder::new(&*packed), &mut bytes).expect("inflates");
        Fixture { name: v["name"].as_str().expect("text").into(), bytes, arrays: v["arrays"].as_array().expect("arrays").clone() }
    };
    let all: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/formats.json")).expect("valid JSON");
    all.into_iter().map(fixture).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().into_iter().find(|fixture| fixture.name == name).expect("a fixture").bytes
}

fn values(dataset: &Dataset) -> Vec<f64> {
    match &*dataset.values {
        Values::F32(a) => a.iter().map(|&v| v.into()).collect(),
        Values::F64(a) => a.iter().copied().collect(),
    }
}

#[test]
fn files_of_other_libraries_are_read_as_they_read_them() {
    for Fixture { name, bytes, arrays } in fixtures() {
        let listed = list(&name, &bytes, Limits::NATIVE).expect("lists");
        let text = |v: &Value| v.as_str().expect("text").to_owned();
        let mut names: Vec<String> = listed.iter().map(|info| info.member.clone().expect("a member")).collect();
        let mut wanted: Vec<String> = arrays.iter().map(|v| text(&v["member"])).collect();
        names.sort();
        wanted.sort();
        assert_eq!(names, wanted, "{name}");
        for want in &arrays {
            let member = text(&want["member"]);
            let info = listed.iter().find(|info| info.member.as_ref() == Some(&member)).expect("listed");
            let read = read(&name, &bytes, Some(&member), Limits::NATIVE);
            if let Some(word) = want["refused"].as_str() {
                let why = read.expect_err("refused").to_string();
                assert!(why.contains(word) && why.starts_with(&format!("{name}::{member}: ")), "{word:?} in: {why}");
                assert_eq!(info.refused.as_ref(), Some(&why));
                continue;
            }
            let read = read.unwrap_or_else(|e| panic!("{name} {member}: {e}"));
            assert_eq!((&info.refused, &read.name), (&None, &member), "{name}");
            assert_eq!((read.dtype.as_str(), info.dtype.as_str()), (&*text(&want["dtype"]), &*read.dtype), "{name} {member}");
            let shape: Vec<u64> = read.shape().iter().map(|&n| n as u64).collect();
            assert_eq!((&shape, serde_json::json!(shape)), (&info.shape, want["shape"].clone()), "{name} {member}");
            assert_eq!(serde_json::json!(read.column_names), want["columns"], "{name} {member}");
            // Numbers of files are exact in f64.
            assert_eq!(serde_json::json!(values(&read)), want["values"], "{name} {member}");
        }
    }
}

#[test]
fn single_arrays_need_no_name_and_paths_may_begin_with_a_slash() {
    let netcdf = fixture("netcdf.nc");
    let alone = read("netcdf.nc", &netcdf, None, Limits::BROWSER).expect("the only one that is read");
    assert_eq!((alone.name.as_str(), values(&alone)), ("x", vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    let groups = fixture("groups.h5");
    let relu = read("g.h5", &groups, Some("/layer1/layer1.0/relu"), Limits::BROWSER).expect("reads");
    assert_eq!(relu.shape(), [2, 3]);
    let choice = read("g.h5", &groups, None, Limits::BROWSER).expect_err("several").to_string();
    assert!(choice.contains("3 arrays; choose one of: ") && choice.contains("layer1/layer1.0/conv"), "{choice}");
    let many = read("m.h5", &fixture("many_latest.h5"), Some("y"), Limits::BROWSER).expect_err("unknown").to_string();
    assert!(many.contains("no array \"y\"") && many.ends_with("x19 and 40 more"), "{many}");
    assert!(read("a", &groups, Some("soft"), Limits::BROWSER).is_ok(), "the content tells the format");
}

#[test]
fn cut_and_changed_files_never_panic_and_allocate_no_more_than_allowed() {
    let small = Limits { max_array_bytes: 1 << 20 };
    for Fixture { name, bytes, .. } in fixtures() {
        for part in 1..40 {
            let cut = &bytes[..bytes.len() * part / 40];
            let result = read(&name, cut, None, small);
            assert!(result.is_err() || list(&name, cut, small).is_ok(), "{name}: cut after {} bytes", cut.len());
        }
        // Each word of a file becomes large once.
        for at in (0..bytes.len().min(4000)).step_by(4) {
            let mut changed = bytes.clone();
            changed[at..(at + 4).min(bytes.len())].fill(0xfe);
            if let Ok(listed) = list(&name, &changed, small) {
                for member in listed.into_iter().filter_map(|info| info.member).take(3) {
                    let read = read(&name, &changed, Some(&member), small);
                    assert!(read.is_err() || read.is_ok_and(|d| d.values.len() <= 1 << 18), "{name}::{member}, word at {at}");
                }
            }
        }
    }
}

#[test]
fn more_than_allowed_is_refused_before_it_is_read() {
    let tiny = Limits { max_array_bytes: 100 };
    for (name, member) in [("filters.h5", "gzip"), ("plain.mat", "cube"), ("tensors.safetensors", "x")] {
        let bytes = fixture(name);
        let error = read(name, &bytes, Some(member), tiny).expect_err("too large");
        assert!(matches!(error, Error::TooLarge { limit_bytes: 100, .. }), "{error}");
        let listed = list(name, &bytes, tiny).expect("lists");
        let info = listed.iter().find(|info| info.member.as_deref() == Some(member)).expect("listed");
        assert!(info.refused.as_ref().is_some_and(|why| why.contains("limit is 100 B")), "{info:?}");
    }
    // A compressed variable that inflates beyond the limit: only its head is.
    let n: u32 = 1 << 19;
    let element = |kind: u32, length: u32| [kind.to_le_bytes(), length.to_le_bytes()].concat();
    let head = [element(6, 8), vec![6, 0, 0, 0, 0, 0, 0, 0], element(5, 8), n.to_le_bytes().into(), 1u32.to_le_bytes().into()].concat();
    let head = [head, vec![1, 0, 1, 0, b'x', 0, 0, 0], element(9, 8 * n)].concat();
    let whole = [element(14, u32::try_from(head.len()).expect("short") + 8 * n), head, vec![0; 8 * n as usize]].concat();
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packed, &whole).expect("packs");
    let mut packed = packed.finish().expect("packs");
    let file = |packed: &[u8]| {
        let length = u32::try_from(packed.len()).expect("short");
        [&fixture("compressed.mat")[..128], &element(15, length), packed].concat()
    };
    let bomb = file(&packed);
    assert_eq!(read("bomb.mat", &bomb, None, Limits::BROWSER).expect("4 MiB are allowed").shape(), [n as usize, 1]);
    let small = Limits { max_array_bytes: 1 << 20 };
    let listed = list("bomb.mat", &bomb, small).expect("its head is read");
    assert!(listed[0].refused.as_ref().is_some_and(|why| why.contains("limit is 1.0 MiB")), "{listed:?}");
    packed.truncate(packed.len() / 2);
    assert_eq!(list("half.mat", &file(&packed), Limits::BROWSER).expect("its head is there").len(), 1);
    let damaged = read("half.mat", &file(&packed), None, Limits::BROWSER).expect_err("its values are not").to_string();
    assert!(damaged.contains("truncated"), "{damaged}");
    let error = read("bomb.mat", &bomb, None, small).expect_err("a bomb");
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn names_that_promise_another_format_are_told() {
    let check = |name: &str, bytes: &[u8], words: &str| {
        let error = read(name, bytes, None, Limits::BROWSER).expect_err("refused").to_string();
        assert!(error.contains(words), "{words:?} in: {error}");
    };
    check("a.h5", b"anything", "not an HDF5 file");
    check("a.nc", b"CDF\x01", "not a NetCDF-4 file");
    check("a.mat", &[0; 200], "MATLAB 4 files are not supported");
    check("a.safetensors", b"anything at all", "no safetensors file");
    check("a.safetensors", &[0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, b'{', b'}'], "no safetensors file");
}
