use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::api::DatasetSummary;
use crate::dataset::Values;

/// An NPY file from a header and data, whatever they say.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend_from_slice(&u16::try_from(header.len()).expect("short").to_le_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(data);
    out
}

fn plain(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"), data)
}

fn npz(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).expect("starts");
        zip.write_all(bytes).expect("writes");
    }
    zip.finish().expect("finishes").into_inner()
}

fn values(dataset: &Dataset) -> Vec<f64> {
    match &*dataset.values {
        Values::F32(a) => a.iter().map(|&v| f64::from(v)).collect(),
        Values::F64(a) => a.iter().copied().collect(),
    }
}

fn load(name: &str, bytes: &[u8]) -> Result<Dataset, Error> {
    read(name, bytes, None, Limits::BROWSER)
}

#[track_caller]
fn refused(name: &str, bytes: &[u8], words: &[&str]) -> Error {
    let error = load(name, bytes).expect_err("refused");
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} in: {error}");
    }
    error
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&v| bytes(v)).collect()
}

#[test]
fn every_element_type_is_read() {
    let check = |descr: &str, data: Vec<u8>, dtype: &str, want: &[f64]| {
        let dataset = load("x.npy", &plain(descr, &format!("({},)", want.len()), &data)).expect(descr);
        assert_eq!((dataset.dtype.as_str(), values(&dataset)), (dtype, want.to_vec()), "{descr}");
    };
    check("<f8", le(&[1.5, -2.0], f64::to_le_bytes), "float64", &[1.5, -2.0]);
    check(">f8", le(&[1.5, -2.0], f64::to_be_bytes), "float64", &[1.5, -2.0]);
    check("<f4", le(&[1.5, -2.0], f32::to_le_bytes), "float32", &[1.5, -2.0]);
    check(">f4", le(&[1.5, -2.0], f32::to_be_bytes), "float32", &[1.5, -2.0]);
    check("<f2", vec![0x00, 0x3e, 0x00, 0xc0], "float16", &[1.5, -2.0]);
    check(">f2", vec![0x3e, 0x00, 0xc0, 0x00], "float16", &[1.5, -2.0]);
    check("|b1", vec![0, 1, 7], "bool", &[0.0, 1.0, 1.0]);
    check("|i1", vec![5, 0xff, 0x80], "int8", &[5.0, -1.0, -128.0]);
    check("|u1", vec![5, 0xff], "uint8", &[5.0, 255.0]);
    check("<i2", le(&[-3i16, 300], i16::to_le_bytes), "int16", &[-3.0, 300.0]);
    check(">u2", le(&[65_535u16, 300], u16::to_be_bytes), "uint16", &[65_535.0, 300.0]);
    check(">i4", le(&[-3i32, 1 << 20], i32::to_be_bytes), "int32", &[-3.0, 1_048_576.0]);
    check("<u4", le(&[u32::MAX], u32::to_le_bytes), "uint32", &[4_294_967_295.0]);
    check("<i8", le(&[i64::MIN, -1], i64::to_le_bytes), "int64", &[-(2f64.powi(63)), -1.0]);
    check(">u8", le(&[1u64 << 63], u64::to_be_bytes), "uint64", &[2f64.powi(63)]);
    check("<f8", Vec::new(), "float64", &[]);
}

#[test]
fn fortran_order_and_tensors_keep_their_indices() {
    let data = le(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], f64::to_le_bytes);
    let fortran = npy("{'shape': (2L, 3L), 'fortran_order': True, \"descr\": \"<f8\"}", &data);
    assert_eq!(values(&load("x.npy", &fortran).expect("reads")), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    let tensor = load("x.npy", &plain("<f8", "(1, 2, 3)", &data)).expect("reads");
    assert_eq!(tensor.shape(), [1, 2, 3]);
    assert_eq!(load("x.npy", &plain("<f8", "()", &data[..8])).expect("a scalar").shape(), [0usize; 0]);
    assert_eq!(load("dir/a.b.npy", &plain("<f8", "(0, 5)", &[])).expect("empty").name, "a.b");
}

#[test]
fn hostile_npy_files_are_refused() {
    let data = [0u8; 64];
    refused("x.npy", b"", &["empty (0 bytes)"]);
    refused("x.npy", b"\x93NOTNPY-and-more", &["not an NPY file"]);
    refused("x.npy", b"\x93NUMPY", &["truncated"]);
    refused("x.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", &["4294967295 bytes"]);
    refused("x.npy", b"\x93NUMPY\x09\x00\x00\x00", &["version 9.0"]);
    refused("x.npy", &plain("<f8", "(12, 5)", &[0; 380]), &["480", "380", "12 x 5"]);
    refused("x.npy", &plain("<f8", "(1000000000, 1000000000)", &data), &["8000000000000000000", "64 data bytes"]);
    refused("x.npy", &plain("<f8", "(4294967296, 4294967296, 2)", &data), &["more than 64 bits"]);
    refused("x.npy", &plain("<f8", "(99999999999999999999999,)", &data), &["shape"]);
    refused("x.npy", &plain("<f8", "(__import__('os').getpid(), 1)", &data), &["not evaluated"]);
    refused("x.npy", &plain("<f8", "(-1, 2)", &data), &["non-negative"]);
    refused("x.npy", &plain("<f8", &format!("({})", "1,".repeat(65)), &data), &["64 axes"]);
    refused("x.npy", &npy(&"(".repeat(60_000), &data), &["dictionary"]);
    refused("x.npy", &npy(&format!("{{'descr': {}", "[".repeat(60_000)), &data), &["does not end"]);
    refused("x.npy", &npy("{'descr': '<f8'}", &data), &["missing"]);
    refused("x.npy", &plain("<q9", "(1,)", &data), &["no numpy type"]);
    // No values at all, with a length that no machine can address.
    let huge = load("x.npy", &plain("<f8", "(0, 18446744073709551615)", &[]));
    assert!(huge.is_err() || huge.is_ok_and(|d| d.values.is_empty()), "no panic");
}

#[test]
fn element_types_that_are_not_read_are_named() {
    let error = refused("bad.npy", &plain("|O", "(2,)", b"pickle"), &["pickled", "allow_pickle=True", "np.save", "\"bad.npy\""]);
    assert_eq!(error.to_string().lines().count(), 3, "a sentence and two lines to run");
    refused("x.npy", &plain("<c16", "(1,)", &[0; 16]), &["complex128"]);
    refused("x.npy", &plain("<U5", "(1,)", &[0; 20]), &["<U5"]);
    refused("x.npy", &plain("<f16", "(1,)", &[0; 16]), &["float128"]);
    refused(
        "x.npy",
        &npy("{'descr': [('a', '<f4'), ('b', '<i4', (2,))], 'fortran_order': False, 'shape': (1,), }", &[0; 12]),
        &["structured"],
    );
    refused("x.npy", &npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", &[0; 12]), &["pickled"]);
    let listed = list("bad.npy", &plain("|O", "(2,)", b"pickle"), Limits::BROWSER).expect("listed");
    assert!(listed[0].refused.as_ref().is_some_and(|why| why.contains("pickled")), "with the reason");
}

#[test]
fn archives_list_and_read_their_members() {
    let x = plain("<f8", "(2, 1)", &le(&[1.0, 2.0], f64::to_le_bytes));
    let y = plain("<f4", "(1,)", &le(&[3.0], f32::to_le_bytes));
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let bytes = npz(
            &[("X.npy", x.clone()), ("../../a/Y.npy", y.clone()), ("bad.npy", plain("|O", "(2,)", b"")), ("notes.txt", vec![1])],
            method,
        );
        let listed = list("a.npz", &bytes, Limits::BROWSER).expect("lists");
        let names: Vec<_> = listed.iter().filter_map(|info| info.member.as_deref()).collect();
        assert_eq!(names, ["X", "../../a/Y", "bad"]);
        assert_eq!((listed[0].shape.as_slice(), listed[1].dtype.as_str(), listed[0].refused.as_deref()), (&[2, 1][..], "float32", None));
        assert!(listed[2].refused.is_some(), "a pickle is listed with the reason");
        let read_member = |member| read("a.npz", &bytes, member, Limits::BROWSER);
        assert_eq!(values(&read_member(Some("X")).expect("reads")), [1.0, 2.0]);
        assert_eq!(read_member(Some("../../a/Y")).expect("reads").name, "../../a/Y");
        let error = read_member(None).expect_err("which?").to_string();
        assert!(error.contains("X, ../../a/Y, bad"), "{error}");
        assert!(read_member(Some("Z")).expect_err("none").to_string().contains("\"Z\""), "unknown member");
        let error = read_member(Some("bad")).expect_err("pickle").to_string();
        assert!(error.contains("a.npz::bad") && error.contains("pickled"), "{error}");
    }
    refused("a.npz", &npz(&[("a.txt", vec![1])], CompressionMethod::Stored), &["no .npy arrays"]);
    refused("a.npz", b"PK\x03\x04 and nothing else", &["zip"]);
    refused("a.npz", b"something", &["not an NPZ file"]);
}

#[test]
fn archives_that_lie_are_refused() {
    let zeros = plain("<f8", "(100000,)", &[0; 800_000]);
    let bomb = npz(&[("zeros.npy", zeros)], CompressionMethod::Deflated);
    let small = Limits { max_array_bytes: 1 << 19 };
    let error = read("b.npz", &bomb, None, small).expect_err("over the limit");
    assert!(matches!(error, Error::TooLarge { needed_bytes: 800_000.., .. }), "{error}");
    assert!(list("b.npz", &bomb, small).expect("lists")[0].refused.is_some(), "listed with the reason");
    assert_eq!(load("b.npz", &bomb).expect("within the limit").shape(), [100_000]);

    // Another declared size in both headers (bytes 22.. of the local one, 24.. of the central one).
    let declare = |bytes: &[u8], size: u32| {
        let mut bytes = bytes.to_vec();
        let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").expect("central directory");
        for at in [22, central + 24] {
            bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
        }
        bytes
    };
    let huge = read("b.npz", &declare(&bomb, u32::MAX - 1), None, Limits::NATIVE).expect_err("impossible ratio");
    assert!(huge.to_string().contains("cannot hold"), "{huge}");
    let short = load("b.npz", &declare(&bomb, 500)).expect_err("more than declared");
    assert!(matches!(short, Error::Format { .. }), "{short}");

    let mut stored = npz(&[("x.npy", plain("<f8", "(4,)", &[7; 32]))], CompressionMethod::Stored);
    let data = stored.windows(32).position(|w| w == [7; 32]).expect("stored");
    stored[data] ^= 1;
    refused("c.npz", &stored, &["corrupt"]);
}

#[test]
fn tables_are_read_with_their_labels() {
    let table = load("t.csv", b"item,feat a,kind,feat b\r\nx,1.5,dog,2\r\n\"y, \"\"z\"\"\n2\",,cat,-3e2\r\n").expect("reads");
    assert_eq!(table.column_names.as_deref(), Some(&["feat a".to_owned(), "feat b".to_owned()][..]));
    assert_eq!(table.shape(), [2, 2]);
    let numbers = values(&table);
    assert!(numbers[2].is_nan(), "an empty cell is missing");
    assert_eq!([numbers[0], numbers[1], numbers[3]], [1.5, 2.0, -300.0]);
    let labels: Vec<_> = table.labels.iter().map(|l| (l.name.as_str(), l.values[1].as_str())).collect();
    assert_eq!(labels, [("item", "y, \"z\"\n2"), ("kind", "cat")]);
}

#[test]
fn delimiters_and_headers_are_found() {
    let shape = |name: &str, text: &str| {
        let table = load(name, text.as_bytes()).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        (table.shape().to_vec(), table.column_names.is_some(), table.labels.len())
    };
    assert_eq!(shape("t.csv", "1,2\n3,4\n"), (vec![2, 2], false, 0));
    assert_eq!(shape("t.csv", "\u{feff}a,b\n3,4"), (vec![1, 2], true, 0));
    assert_eq!(shape("t.tsv", "a\tb,c\n3\t4\n"), (vec![1, 2], true, 0));
    assert_eq!(shape("t.csv", "a;b\n3;4\n"), (vec![1, 2], true, 0));
    assert_eq!(shape("t.csv", "a\tb\n3\t4\n"), (vec![1, 2], true, 0));
    assert_eq!(shape("t.csv", "5\n6\n\n7\n"), (vec![3, 1], false, 0));
    assert_eq!(shape("t.csv", ",0,1\n0,3.5,4.5\n1,5.5,6.5\n"), (vec![2, 2], true, 1), "as pandas writes a bare array");
    assert_eq!(shape("t.csv", "name,kind\na,dog\nb,cat\n"), (vec![2, 0], true, 2), "labels alone");
    assert_eq!(shape("t.csv", "x,1,2\ny,3,4\n"), (vec![2, 2], false, 1), "row names without a header");
    assert_eq!(shape("t.csv", "task,v\nNone,1\nNone,NA\n"), (vec![2, 1], true, 1), "None is a text");
    assert_eq!(shape("t.csv", "task,v,w\nNone,1,None\nNone,N/A,2\n"), (vec![2, 2], true, 1), "but missing among numbers");
    assert_eq!(shape("t.csv", "layer,v\n1,3\nfc,4\n"), (vec![2, 1], true, 1), "layers are names");
    assert_eq!(shape("t.csv", "layer,v\n1,3\n2,4\n"), (vec![2, 2], true, 0), "unless all are numbers");
    assert_eq!(shape("t.csv", "a,b\nnan,1\ninf,2\n"), (vec![2, 2], true, 0));
    assert_eq!(shape("t.csv", "PAR1,GIF8\n1,2\n"), (vec![1, 2], true, 0), "names of formats");
    assert_eq!(shape("t.csv", "a,b\n"), (vec![0, 2], true, 0));
}

#[test]
fn broken_tables_name_the_place() {
    refused("r.csv", b"item,a,b\nx,1,2\ny,3\nz,4,5\n", &["line 3", "2 cells", "3"]);
    refused("t.csv", b"item,a,b\nx,1,2\ny,3,oops\n", &["line 3", "\"b\"", "oops"]);
    refused("t.csv", b"a;b\n1;2\n1,5;3\n", &["line 3", "\"a\"", "point"]);
    refused("t.csv", b"a,b\n1,\xff\n", &["UTF-8", "line 2"]);
    refused("t.csv", b"\xff\xfea\x00", &["UTF-8"]);
    refused("t.csv", b"\n\n", &["no rows"]);
    let error = read("t.csv", &b"1,2,3,4\n".repeat(100), None, Limits { max_array_bytes: 1000 }).expect_err("over the limit");
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn other_formats_are_refused_in_one_sentence() {
    for name in ["a.pkl", "a.png", "a.xlsx", "a.xyz", "a", "a.JPG"] {
        let error = refused(name, b"anything", &[".npy, .npz, .csv, .tsv, .h5, .mat, .nc, .safetensors, .nii and .nii.gz"]);
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    refused("a.npy", b"\x89HDF\r\n\x1a\n...", &["HDF5", "truncated"]);
    assert_eq!(load("a.bin", &plain("<f8", "(0,)", &[])).expect("content first").shape(), [0]);
    assert!(read("a.npy", &plain("<f8", "(0,)", &[]), Some("X"), Limits::BROWSER).is_err(), "a single array has no members");
}

#[test]
fn written_npy_reads_back() {
    let x = Dataset::from_rows("x", 2, 3, vec![0.1, f64::NAN, -0.0, 1e300, 2.0, 3.0]).expect("fits");
    let bytes = write_npy(&x);
    assert!(bytes.windows(7).any(|w| w == b"(2, 3),"), "numpy's own form of the shape");
    assert_eq!((bytes.len() - 48) % 64, 0);
    let bits = |d: &Dataset| values(d).iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&load("x.npy", &bytes).expect("reads")), bits(&x));
    let single = Dataset::from_f32("s", ndarray::arr1(&[0.1f32, 2.0]).into_dyn());
    let back = load("s.npy", &write_npy(&single)).expect("reads");
    assert_eq!(back, single);
    // A view in another order is written in C order.
    let turned = x.with_samples(1).expect("two axes");
    assert_eq!(load("x.npy", &write_npy(&turned)).expect("reads").shape(), [3, 2]);
}

#[test]
fn packed_files_unpack_and_lies_are_refused() {
    let files = vec![("project.json".to_owned(), b"{}".to_vec()), ("data/x.npy".to_owned(), vec![7; 1000])];
    let bytes = pack(&files).expect("packs");
    assert_eq!(bytes, pack(&files).expect("packs"), "the same bytes each time");
    assert_eq!(unpack(&bytes, Limits::BROWSER).expect("unpacks"), files);
    assert!(matches!(unpack(&bytes, Limits { max_array_bytes: 1001 }), Err(Error::TooLarge { .. })), "the sum counts");
    assert!(unpack(&bytes[..bytes.len() / 2], Limits::BROWSER).is_err(), "truncated");
    assert!(unpack(b"", Limits::BROWSER).is_err(), "empty");
    for name in ["../x", "/x", "a/../../x", "a\\x"] {
        assert!(unpack(&npz(&[(name, vec![1])], CompressionMethod::Stored), Limits::BROWSER).is_err(), "{name}");
    }
}

#[test]
fn summaries_hold_a_picture_of_at_most_64_by_64() {
    let check = |shape: &[usize], width: u32, height: u32| {
        let n = shape.iter().product::<usize>();
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let values = (0..n).map(|i| i as f64).collect();
        let dataset = Dataset::from_f64("x", ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(shape), values).expect("fits"));
        let picture = of(&dataset).thumbnail;
        assert_eq!((picture.width, picture.height, picture.pixels.len()), (width, height, (width * height) as usize), "{shape:?}");
        picture.pixels
    };
    let pixels = check(&[100, 300], 64, 64);
    assert_eq!((pixels[0], pixels[64 * 64 - 1]), (0, 255));
    check(&[3, 2], 2, 3);
    check(&[5, 10, 10], 64, 5);
    check(&[7], 1, 7);
    check(&[], 1, 1);
    check(&[0, 5], 0, 0);
    let odd = Dataset::from_rows("x", 1, 4, vec![f64::NAN, f64::INFINITY, f64::MAX, -f64::MAX]).expect("fits");
    let summary = of(&odd);
    assert_eq!((summary.n_non_finite, &summary.thumbnail.pixels[..2]), (2, &[0, 0][..]));
    let constant = of(&Dataset::from_rows("x", 1, 2, vec![3.0, 3.0]).expect("fits"));
    assert_eq!(constant.thumbnail.pixels, [128, 128]);
}

/// The table of the reader fixtures: file, and what must come out.
#[test]
fn reader_fixtures_meet_their_expected_outcome() {
    use std::fs;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/formats");
    let Ok(reference) = fs::read(folder.join("matrix_c.npy")) else {
        eprintln!("skipped: no reader fixtures at {}", folder.display());
        return;
    };
    let m = values(&load("matrix_c.npy", &reference).expect("the reference reads"));
    assert_eq!((m[0], m[59]), (1.764052345967664, -0.3627411659871381));
    assert!((m.iter().sum::<f64>() - 4.600037733275806).abs() < 1e-12, "sum of the reference");
    let file = |name: &str| fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let get = |name: &str| load(name, &file(name)).unwrap_or_else(|e| panic!("{name}: {e}"));

    for name in
        ["matrix_fortran.npy", "matrix_big_endian.npy", "matrix_npy_v2.npy", "matrix.csv", "matrix.tsv", "matrix_quoted_crlf_bom.csv"]
    {
        let dataset = get(name);
        assert_eq!((dataset.shape(), values(&dataset)), (&[12, 5][..], m.clone()), "{name}");
    }
    for name in ["matrix.csv", "matrix.tsv"] {
        let dataset = get(name);
        assert_eq!(dataset.labels[0].values[11], "item_11", "{name}");
        assert_eq!(dataset.column_names.expect("header")[4], "feat e", "{name}");
    }
    assert_eq!(get("matrix_quoted_crlf_bom.csv").labels[0].values[0], "a, \"quoted\" 0\nname");
    let missing = values(&get("matrix_missing.csv"));
    assert!(missing.iter().zip(&m).enumerate().all(|(i, (v, w))| if i == 16 { v.is_nan() } else { v == w }), "one cell is missing");
    for (name, tolerance) in [("matrix_float32.npy", 6e-8), ("matrix_float16.npy", 1e-3)] {
        let near = values(&get(name)).iter().zip(&m).all(|(v, w)| (v - w).abs() <= tolerance * w.abs());
        assert!(near, "{name} is the reference, rounded");
    }
    assert_eq!(values(&get("matrix_int8.npy")).iter().sum::<f64>(), 185.0);
    assert_eq!(values(&get("matrix_bool.npy")).iter().sum::<f64>(), 32.0);
    assert_eq!(get("tensor_3d_int64.npy").shape(), [2, 3, 4]);
    assert!(get("tensor_3d_int64.npy").matrix().expect_err("not a matrix").to_string().contains("2 x 3 x 4"), "says so");
    assert_eq!(get("matrix_nan_inf.npy").values.count_non_finite(), 4);
    assert_eq!(get("empty_0x5.npy").shape(), [0, 5]);
    for name in ["arrays_stored.npz", "arrays_deflated.npz"] {
        assert_eq!(values(&read(name, &file(name), Some("X"), Limits::BROWSER).expect("X")), m, "{name}");
        let y = read(name, &file(name), Some("Y"), Limits::BROWSER).expect("Y");
        assert_eq!((y.shape(), values(&y)[0]), (&[12, 3][..], 2.0 * m[0]), "{name}");
    }
    let traversal = file("traversal.npz");
    assert_eq!(list("t.npz", &traversal, Limits::BROWSER).expect("lists")[0].member.as_deref(), Some("../../escape"));
    assert_eq!(values(&read("t.npz", &traversal, Some("X"), Limits::BROWSER).expect("X")), m);

    let cases: [(&str, &[&str]); 12] = [
        ("ragged.csv", &["line 3"]),
        ("text_in_number.csv", &["oops", "\"b\""]),
        ("object_pickle.npy", &["pickled"]),
        ("truncated.npy", &["480", "380"]),
        ("huge_shape.npy", &["8000000000000000000"]),
        ("overflow_shape.npy", &["more than 64 bits"]),
        ("header_code.npy", &["not evaluated"]),
        ("bad_magic.npy", &["not an NPY file"]),
        ("empty_file.npy", &["0 bytes"]),
        ("matrix_v4.mat", &["MATLAB 4 files are not supported"]),
        ("safetensors_bad_header.safetensors", &["no safetensors file"]),
        ("truncated.h5", &["HDF5", "8820 bytes", "4410", "truncated"]),
    ];
    for (name, words) in cases {
        refused(name, &file(name), words);
    }
    let of = |name: &str, member: &str| {
        read(name, &file(name), Some(member), Limits::BROWSER).unwrap_or_else(|e| panic!("{name}::{member}: {e}"))
    };
    for name in [
        "contiguous.h5",
        "gzip_shuffle.h5",
        "lzf.h5",
        "fletcher32.h5",
        "latest.h5",
        "latest_chunked.h5",
        "resizable_latest.h5",
        "big_endian.h5",
    ] {
        let dataset = get(name);
        assert_eq!((dataset.name.as_str(), dataset.shape(), values(&dataset)), ("X", &[12, 5][..], m.clone()), "{name}");
    }
    for name in ["matrix_v5.mat", "matrix_v5_compressed.mat", "matrix_v73.mat", "matrix.safetensors"] {
        let dataset = of(name, "X");
        assert_eq!((dataset.shape(), values(&dataset)), (&[12, 5][..], m.clone()), "{name}");
    }
    let int8 = values(&get("matrix_int8.npy"));
    assert_eq!((values(&of("matrix_v73.mat", "I")), values(&of("matrix_v5.mat", "I"))), (int8.clone(), int8.clone()));
    assert_eq!((values(&of("matrix.safetensors", "i8")), values(&of("matrix.safetensors", "mask")).iter().sum::<f64>()), (int8, 32.0));
    assert_eq!(of("matrix_v5.mat", "flag").dtype, "bool");
    let (half, names) = (values(&get("matrix_float16.npy")), list("v5.mat", &file("matrix_v5.mat"), Limits::BROWSER).expect("lists"));
    assert_eq!((values(&get("float16.h5")), values(&of("matrix.safetensors", "half"))), (half.clone(), half));
    assert!(names.iter().any(|info| info.member.as_deref() == Some("names") && info.refused.is_some()), "names are text: {names:?}");
    let part = of("matrix_v5_compressed.mat", "S.rdm");
    assert_eq!((part.shape(), values(&part)[..2].to_vec()), (&[12, 2][..], m[..2].to_vec()));
    let rounded = values(&get("matrix_bf16.safetensors")).iter().zip(&m).all(|(v, w)| (v - w).abs() <= 4e-3 * w.abs());
    assert!(rounded, "bfloat16 keeps 8 bits");
    let tree: Vec<_> =
        list("g.h5", &file("groups.h5"), Limits::BROWSER).expect("lists").into_iter().filter_map(|info| info.member).collect();
    let tree: std::collections::BTreeSet<_> = tree.iter().map(String::as_str).collect();
    assert_eq!(
        tree.into_iter().collect::<Vec<_>>(),
        ["alias", "count", "subject_1/roi_IT/fixed", "subject_1/roi_IT/labels", "subject_1/roi_IT/rdm"]
    );
    assert_eq!((values(&of("groups.h5", "subject_1/roi_IT/rdm")), values(&of("groups.h5", "count"))), (m.clone(), vec![7.0]));
    let pickles = file("object_pickle.npz");
    assert_eq!(values(&read("p.npz", &pickles, Some("ok"), Limits::BROWSER).expect("ok")).len(), 60);
    assert!(read("p.npz", &pickles, Some("bad"), Limits::BROWSER).expect_err("refused").to_string().contains("p.npz::bad"), "by name");
    let corrupt = file("corrupt_deflate.npz");
    assert!(matches!(read("c.npz", &corrupt, Some("X"), Limits::BROWSER), Err(Error::Format { .. })), "the checksum or the stream fails");
    assert!(read("c.npz", &corrupt, Some("Y"), Limits::BROWSER).is_ok(), "the other member is intact");
    let bomb = file("bomb_200MiB.npz");
    let error = read("b.npz", &bomb, None, Limits { max_array_bytes: 100 << 20 }).expect_err("over the limit");
    assert!(matches!(error, Error::TooLarge { needed_bytes: 209_715_328, .. }), "{error}");

    // Every file of the folder is named here.
    let this = include_str!("tests.rs");
    for entry in fs::read_dir(&folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name == "README.md" || this.contains(&format!("\"{name}\"")), "{name} has no expected outcome");
    }
}

/// Real files: MATLAB 5 and 7.3, NetCDF-4.
#[test]
fn published_files_are_read() {
    use std::fs;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !folder.is_dir() {
        eprintln!("skipped: no data at {}", folder.display());
        return;
    }
    let of = |path: &str, member: Option<&str>| {
        let bytes = fs::read(folder.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        read(path, &bytes, member, Limits::BROWSER).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let x = of("images92/pymvpa_v73.mat", Some("x"));
    assert_eq!((x.shape(), values(&x)), (&[1, 6][..], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    let y = of("images92/pymvpa_v73.mat", Some("y"));
    assert_eq!((y.dtype.as_str(), values(&y)), ("bool", vec![1.0, 0.0, 1.0]));
    let projections = of("encoder_dimensionality/projections_imagenet21k_pooling_avg_additional.nc", None);
    assert_eq!((projections.name.as_str(), projections.shape()), ("__xarray_dataarray_variable__", &[3, 50, 50, 32][..]));
    // The arrays that scipy made of the same files; there, subjects are rows and sessions columns.
    let (human, models) = (of("images92/humanIT_rdms.npy", None), of("images92/model_rdms.npy", None));
    let size = 92 * 92;
    for (i, subject) in (0..8).zip([1, 1, 2, 2, 3, 3, 4, 4]) {
        let rdm = of("images92/original_92_brainRDMs.v5.mat", Some(&format!("RDMs(1,{subject},{}).RDM", i % 2 + 1)));
        assert_eq!((rdm.shape(), values(&rdm)), (&[92, 92][..], values(&human)[i * size..(i + 1) * size].to_vec()), "{i}");
        let model = of("images92/original_92_modelRDMs.v5.mat", Some(&format!("Models({}).RDM", i + 1)));
        assert_eq!(values(&model), values(&models)[i * size..(i + 1) * size], "model {i}");
    }
}

fn of(dataset: &Dataset) -> DatasetSummary {
    summarize("x", &Input::Array(dataset.clone())).expect("arrays always have one")
}
