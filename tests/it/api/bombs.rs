//! Files that are small and unpack to much: told apart or refused while the server's memory stays small.

use std::io::{Read, Write};

use eigenscope::io::Hdf5Writer;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde_json::Value;

use crate::listening::Process;
use crate::support::TOKEN;

/// What each of the files here unpacks to.
const UNPACKED: u64 = 1 << 29;
/// What the server may need to look at all of them: much less than one of them unpacked.
const MEMORY: u64 = UNPACKED / 2;

fn zeros(n: u64) -> impl Read {
    std::io::repeat(0).take(n)
}

/// A NIfTI-1 header of 512 x 512 x 512 floats, and its voxels, all zero.
fn nifti() -> Vec<u8> {
    let mut head = [0u8; 352];
    head[..4].copy_from_slice(&348i32.to_le_bytes());
    for (i, n) in [3i16, 512, 512, 512, 1, 1, 1, 1].into_iter().enumerate() {
        head[40 + 2 * i..42 + 2 * i].copy_from_slice(&n.to_le_bytes());
    }
    head[70..72].copy_from_slice(&16i16.to_le_bytes());
    head[72..74].copy_from_slice(&32i16.to_le_bytes());
    head[108..112].copy_from_slice(&352f32.to_le_bytes());
    head[344..348].copy_from_slice(b"n+1\0");
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(&head).expect("packed");
    std::io::copy(&mut zeros(UNPACKED), &mut out).expect("packed");
    out.finish().expect("packed")
}

fn hdf5() -> Vec<u8> {
    let mut out = Hdf5Writer::new(std::io::Cursor::new(Vec::new())).expect("a file");
    out.array("X", &[1 << 13, 1 << 13], 8, &mut zeros(UNPACKED)).expect("packed");
    out.finish(Some(("spec", "{}"))).expect("packed").into_inner()
}

/// A zip archive with one deflated entry that declares more than it can hold.
fn npz(declared: u32) -> Vec<u8> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut zeros(1 << 20), &mut deflated).expect("packed");
    let body = deflated.finish().expect("packed");
    let size = u32::try_from(body.len()).expect("small");
    let name = b"X.npy";
    // Version, flags, method 8 (deflate), time, date, checksum, sizes, length of the name.
    let common = |out: &mut Vec<u8>| {
        out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0, 0, 0, 0, 0]);
        out.extend(size.to_le_bytes());
        out.extend(declared.to_le_bytes());
        out.extend([5, 0, 0, 0]);
    };
    let mut out = b"PK\x03\x04".to_vec();
    common(&mut out);
    out.extend(name);
    out.extend(&body);
    let directory = u32::try_from(out.len()).expect("small");
    out.extend(b"PK\x01\x02\x14\0");
    common(&mut out);
    out.extend([0; 14]);
    out.extend(name);
    let length = u32::try_from(out.len()).expect("small") - directory;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(length.to_le_bytes());
    out.extend(directory.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn files_that_unpack_to_much_do_not_fill_the_memory_of_the_server() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::start(&dir.path().join("data"), &["--token", TOKEN], &[]);
    let upload = |name: &str, bytes: &[u8]| {
        assert!((bytes.len() as u64) < UNPACKED / 200, "{name} is small: {} bytes", bytes.len());
        let head =
            format!("POST /api/v1/datasets?name={name} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}", bytes.len());
        let answer = server.ask(&head, bytes);
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{name}: {e}: {answer}"));
        (head.split(' ').nth(1).expect("a status").to_owned(), body)
    };
    for (name, bytes, shape) in
        [("a.nii.gz", nifti(), serde_json::json!([512, 512, 512])), ("a.h5", hdf5(), serde_json::json!([8192, 8192]))]
    {
        let (status, body) = upload(name, &bytes);
        assert_eq!((status.as_str(), &body["arrays"][0]["shape"]), ("201", &shape), "what may be real is told by its head: {body}");
    }
    let (status, body) = upload("a.npz", &npz(u32::MAX - 1));
    let refused = body["arrays"][0]["refused"].as_str().unwrap_or_default();
    assert!(status == "201" && refused.contains("cannot hold"), "an array that cannot be is refused by a sentence: {status} {body}");
    if let Some(peak) = server.peak_memory() {
        assert!(peak < MEMORY, "the server needed {peak} bytes");
    }
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}
