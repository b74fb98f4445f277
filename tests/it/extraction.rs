//! `eigenscope extract`: the files that it writes, going on after a stop, bad images.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use eigenscope::Device;
use eigenscope::analysis::dimensionality::Projection;
use eigenscope::dataset::Values;
use eigenscope::io::{self, Limits};
use eigenscope::progress::Silent;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, npy, program};

fn extract(dir: &Path, args: &str) -> Output {
    support::command(dir, &format!("extract {args} --device cpu"))
}

#[track_caller]
fn succeed(dir: &Path, args: &str) -> Value {
    support::succeed(dir, &format!("extract {args} --device cpu"))
}

#[track_caller]
fn refuse(dir: &Path, args: &str, what: &str) {
    support::refuse(dir, &format!("extract {args} --device cpu"), what);
}

/// A network and six images.
fn folder() -> Option<TempDir> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.is_dir() {
        eprintln!("skipped: {} is not there", data.display());
        return None;
    }
    let dir = TempDir::new().expect("a folder");
    fs::copy(data.join("networks/tiny_resnet.onnx"), dir.path().join("net.onnx")).expect("copied");
    fs::copy(data.join("networks/tiny_resnet.pth"), dir.path().join("net.pth")).expect("copied");
    fs::create_dir(dir.path().join("photos")).expect("a folder");
    for i in 1..=6 {
        // Read and written: a copy would keep that the original must not be changed.
        fs::write(dir.path().join(format!("photos/{i}.png")), fs::read(data.join(format!("images92/stim_{i:02}.png"))).expect("read"))
            .expect("written");
    }
    Some(dir)
}

fn array(path: &PathBuf, member: &str) -> ArrayD<f32> {
    let bytes = fs::read(path).expect("the archive is there");
    let dataset = io::read("out.npz", &bytes, Some(member), Limits::NATIVE).expect("it reads");
    match &*dataset.values {
        Values::F32(a) => a.clone(),
        Values::F64(_) => panic!("single precision"),
    }
}

#[test]
fn an_extraction_goes_on_where_it_stopped() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    let whole = succeed(dir, "net.onnx --images photos --layers relu,output --batch 2 -o whole.npz");
    assert_eq!(whole["layers"][0], serde_json::json!({ "name": "relu", "shape": [6, 16, 48, 48] }));
    assert_eq!((&whole["images"], &whole["resumed"]), (&6.into(), &0.into()));
    let image = fs::read(dir.join("photos/5.png")).expect("read");
    fs::write(dir.join("photos/5.png"), &image[..200]).expect("written");
    let args = "net.onnx --images photos --layers relu,output --batch 2 -o out.npz";
    refuse(dir, args, "photos/5.png: this is no image that can be read, or it is damaged");
    assert!(!dir.join("out.npz").exists() && dir.join("out.npz.partial").is_dir(), "what is done is kept");
    fs::write(dir.join("photos/5.png"), image).expect("written");
    let rest = succeed(dir, args);
    assert_eq!((&rest["images"], &rest["resumed"]), (&6.into(), &4.into()));
    assert!(!dir.join("out.npz.partial").exists(), "parts are gone");
    for layer in ["relu", "output"] {
        assert_eq!(array(&dir.join("out.npz"), layer), array(&dir.join("whole.npz"), layer), "{layer}");
    }
    // Another spec begins anew.
    fs::create_dir(dir.join("out.npz.partial")).expect("a folder");
    fs::write(dir.join("out.npz.partial/eigenscope.json"), "{}").expect("written");
    assert_eq!(succeed(dir, "net.onnx --images photos --pool avg -o out.npz")["resumed"], 0);
}

#[test]
fn images_that_cannot_be_read_are_left_out_when_wanted() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    fs::write(dir.join("photos/2.png"), "no image").expect("written");
    let made = succeed(dir, "net.onnx --images photos --layers relu --pool max --on-error skip -o out.npz");
    assert_eq!((&made["images"], &made["left_out"]), (&5.into(), &serde_json::json!(["2.png"])));
    assert_eq!(array(&dir.join("out.npz"), "relu").shape(), [5, 16]);
}

#[test]
fn stimulus_tables_and_state_dicts_give_the_same_values() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    fs::write(dir.join("few.stim.csv"), "type=image\npath=photos\ntitle=a test\ndata=stimID,label\n3.png,1\n1.png,0\n").expect("written");
    let size = "--size 96x96 --preprocess stretch";
    succeed(dir, &format!("net.onnx --images few.stim.csv {size} -o a.npz"));
    succeed(dir, &format!("net.pth --images photos {size} --layers output -o b.npz"));
    let (few, all) = (array(&dir.join("a.npz"), "output"), array(&dir.join("b.npz"), "output"));
    assert_eq!((few.shape(), all.shape()), (&[2, 10][..], &[6, 10][..]));
    let largest = all.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (row, image) in [(0, 2), (1, 0)] {
        for k in 0..10 {
            let (a, b) = (few[[row, k]], all[[image, k]]);
            // The exporter joined norms with convolutions; the state dict has them apart.
            assert!((a - b).abs() < 1e-5 * largest, "{a} and {b}");
        }
    }
}

#[test]
fn weights_are_a_state_dict_whatever_their_ending() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    fs::copy(dir.join("net.pth"), dir.join("net.bin")).expect("copied");
    let rest = "--images photos --size 96x96 --preprocess stretch --layers output";
    succeed(dir, &format!("net.pth {rest} -o a.npz"));
    succeed(dir, &format!("resnet18 --weights net.bin {rest} -o b.npz"));
    assert_eq!(array(&dir.join("a.npz"), "output"), array(&dir.join("b.npz"), "output"));
}

#[test]
fn what_cannot_be_extracted_is_one_sentence() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    refuse(dir, "net.onnx --images photos --layers relu_99 -o out.npz", "near are");
    refuse(dir, "net.onnx --images photos -o out.zip", "must end in .npz, .h5 or .act.h5");
    refuse(dir, "net.onnx --images photos --layers relu --pool project --projection-dim 0 -o out.npz", "projection-dim");
    refuse(dir, "net.onnx --images nowhere -o out.npz", "neither a folder of images nor a table");
    refuse(dir, "net.onnx -o out.npz", "--images");
    refuse(dir, "resnet18 --images photos -o out.npz", "--untrained");
    refuse(dir, "net.pth --images photos -o out.npz", "--size");
    refuse(dir, "net.onnx --images photos --untrained -o out.npz", "built-in architecture");
    refuse(dir, "net.onnx --images photos --std 1,0,1 -o out.npz", "above 0");
    refuse(dir, "photos/1.png --images photos -o out.npz", "no ONNX file");
}

/// One command for what `extract`, `dims`, `rdm` and `rsa` do one after the other.
#[test]
fn a_profile_has_the_numbers_of_its_steps() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    fs::write(dir.join("brains.npy"), npy(3, 15, 4)).expect("written");
    let profile = support::succeed(
        dir,
        "profile net.onnx --images photos --layers relu_4,output --pool avg --rdms brains.npy --compare corr --device cpu",
    );
    assert_eq!((profile["layers"].as_array().map(Vec::len), &profile["images"]), (Some(2), &6.into()));
    succeed(dir, "net.onnx --images photos --layers relu_4,output --pool avg -o out.npz");
    for (layer, name) in profile["layers"].as_array().expect("layers").iter().zip(["relu_4", "output"]) {
        assert_eq!(layer["name"], *name);
        let near = |a: &Value, b: &Value, what: &str| {
            let (a, b) = (a.as_f64().expect("a number"), b.as_f64().expect("a number"));
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{name}, {what}: {a} and {b}");
        };
        let dims = support::succeed(dir, &format!("dims out.npz::{name} --pool flatten --device cpu"));
        near(&layer["effective_dimensionality"], &dims[0]["effective_dimensionality"], "dimensionality");
        let rdm = support::succeed(dir, &format!("rdm out.npz::{name} --device cpu"));
        let rows: Vec<Vec<f64>> = serde_json::from_value(rdm["rdm"].clone()).expect("a matrix");
        let text: String = rows.iter().map(|row| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n").collect();
        fs::write(dir.join("layer.csv"), text).expect("written");
        let rsa = support::succeed(dir, "rsa --data brains.npy --models layer.csv --compare corr --device cpu");
        near(&layer["rsa"], &rsa["models"][0]["mean"], "similarity");
        near(&layer["rsa_sem"], &rsa["models"][0]["sem"], "its error");
        assert_eq!(profile["noise_ceiling"], rsa["noise_ceiling"]);
    }
    fs::write(dir.join("photos/3.png"), "no image").expect("written");
    let output = Command::new(program())
        .current_dir(dir)
        .args("profile net.onnx --images photos --on-error skip --rdms brains.npy --device cpu".split_whitespace())
        .output()
        .expect("the program starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of them cannot be read"), "{output:?}");
}

/// Constants of the length 1 look like a layer in the first batch, which has one image.
#[test]
fn constants_are_no_layers_whatever_the_batch() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/networks/tiny_vit.onnx");
    fs::copy(data, dir.join("vit.onnx")).expect("copied");
    let one = succeed(dir, "vit.onnx --images photos --layers all -o one.npz");
    let six = succeed(dir, "vit.onnx --images photos --layers all --batch 6 -o six.npz");
    assert_eq!(one["layers"], six["layers"]);
    for layer in one["layers"].as_array().expect("layers") {
        let name = layer["name"].as_str().expect("a name");
        let (a, b) = (array(&dir.join("one.npz"), name), array(&dir.join("six.npz"), name));
        let largest = b.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(a.shape() == b.shape() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * largest), "{name}");
    }
}

/// `all` leaves out what has no entry for each image; a name that does is an error.
#[test]
fn all_layers_are_those_with_one_entry_for_each_image() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    let all = succeed(dir, "net.onnx --images photos --layers all --pool avg -o out.npz");
    let layers = all["layers"].as_array().expect("layers");
    assert!(layers.len() > 20 && layers.iter().all(|layer| layer["shape"][0] == 6), "{layers:?}");
    let made = Command::new(program()).current_dir(dir).args(["layers", "net.onnx", "--json"]).output().expect("the program starts");
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let shape =
        made["layers"].as_array().expect("layers").iter().find(|layer| layer["op"] == "Shape").expect("a shape is computed")["name"]
            .clone();
    let shape = shape.as_str().expect("a name");
    assert!(layers.iter().all(|layer| layer["name"] != shape), "{shape} is no layer");
    refuse(dir, &format!("net.onnx --images photos --layers {shape} -o other.npz"), "no array of floating-point numbers");
}

/// The same numbers as in the archive of numpy, under the same names.
#[test]
fn hdf5_holds_what_npz_holds() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/networks/tiny_resnet_opset17.onnx");
    fs::copy(data, dir.join("old.onnx")).expect("copied");
    let (relu, args) =
        ("/layer1/layer1.0/relu/Relu_output_0", "old.onnx --images photos --batch 2 --layers /layer1/layer1.0/relu/Relu_output_0,output");
    let npz = succeed(dir, &format!("{args} -o out.npz"));
    // It stops at an image and goes on.
    let image = fs::read(dir.join("photos/5.png")).expect("read");
    fs::write(dir.join("photos/5.png"), &image[..200]).expect("written");
    refuse(dir, &format!("{args} -o out.h5"), "photos/5.png");
    fs::write(dir.join("photos/5.png"), image).expect("written");
    let hdf5 = succeed(dir, &format!("{args} -o out.h5"));
    assert_eq!((&hdf5["layers"], &hdf5["resumed"]), (&npz["layers"], &4.into()));
    let act = succeed(dir, &format!("{args} -o out.act.h5"));
    assert_eq!((&act["layers"][0]["shape"], &act["layers"][1]["shape"]), (&npz["layers"][0]["shape"], &serde_json::json!([6, 10, 1, 1])));
    for layer in [relu, "output"] {
        let want = array(&dir.join("out.npz"), layer);
        assert_eq!(array(&dir.join("out.h5"), layer), want, "{layer}");
        let four = array(&dir.join("out.act.h5"), layer);
        assert_eq!((four.ndim(), four.iter().eq(want.iter())), (4, true), "{layer}");
    }
    let bytes = fs::read(dir.join("out.h5")).expect("read");
    assert!(bytes.windows(15).any(|w| w == b"\"model_hash\": \""), "what was done is in the file");
    // Every layer of the file, without naming it, in the order of the network.
    let dims = support::succeed(dir, "dims out.h5 --pool avg --device cpu");
    let names: Vec<_> = dims.as_array().expect("layers").iter().map(|layer| layer["input"].as_str().expect("a name")).collect();
    assert_eq!(names, ["out::layer1/layer1.0/relu/Relu_output_0", "out::output"]);
}

/// A bitmap, which is the simplest file of an image: rows from below, blue first.
fn bitmap(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let row = (3 * width).next_multiple_of(4);
    let number = |n: usize| u32::try_from(n).expect("small").to_le_bytes();
    let mut out = b"BM".to_vec();
    for n in [54 + row * height, 0, 54, 40, width, height, 1 | 24 << 16, 0, row * height, 0, 0, 0, 0] {
        out.extend(number(n));
    }
    for y in (0..height).rev() {
        let line = &pixels[3 * width * y..][..3 * width];
        out.extend(line.chunks(3).flat_map(|p| [p[2], p[1], p[0]]));
        out.resize(out.len() + row - 3 * width, 0);
    }
    out
}

#[test]
fn a_stack_of_images_is_seen_as_files_of_them_are() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    let (height, width) = (110, 130);
    let pixel =
        |i: usize, y: usize, x: usize, color: usize| u8::try_from((i * 37 + y * 3 + x * x * (color + 1) / 7) % 256).expect("a byte");
    fs::create_dir(dir.join("few")).expect("a folder");
    let mut header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': (3, {height}, {width}, 3), }}").into_bytes();
    header.push(b'\n');
    let mut stack = b"\x93NUMPY\x01\x00".to_vec();
    stack.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    stack.extend(header);
    for i in 0..3 {
        let places = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |color| (y, x, color))));
        let pixels: Vec<u8> = places.map(|(y, x, color)| pixel(i, y, x, color)).collect();
        fs::write(dir.join(format!("few/{i}.bmp")), bitmap(&pixels, width, height)).expect("written");
        stack.extend(pixels);
    }
    fs::write(dir.join("stack.npy"), stack).expect("written");
    let unit = ArrayD::from_shape_fn(IxDyn(&[3, 3, height, width]), |at| f32::from(pixel(at[0], at[2], at[3], at[1])) / 255.0);
    fs::write(dir.join("unit.npy"), io::write_npy(&eigenscope::Dataset::from_f32("unit", unit))).expect("written");
    succeed(dir, "net.onnx --images few --layers relu,output -o files.npz");
    for name in ["stack", "unit"] {
        let made = extract(dir, &format!("net.onnx --images {name}.npy --layers relu,output -o {name}.npz"));
        let note = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success() && note.contains("3 images of 110 x 130 pixels"), "{note}");
        for layer in ["relu", "output"] {
            assert_eq!(array(&dir.join(format!("{name}.npz")), layer), array(&dir.join("files.npz"), layer), "{name} {layer}");
        }
    }
    refuse(dir, "net.onnx --images files.npz::output --layers relu -o out.npz", "a stack of images");
}

/// `dims --pool none` of all activations, without keeping them.
#[test]
fn a_projection_is_that_of_the_whole_activations() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    succeed(dir, "net.onnx --images photos --layers relu_4,output -o whole.npz");
    let made = succeed(dir, "net.onnx --images photos --layers relu_4,output --batch 4 --pool project --seed 5 -o out.npz");
    assert_eq!(made["layers"][0]["shape"], serde_json::json!([6, 1024]));
    let read =
        |file: &str, layer: &str| io::read(file, &fs::read(dir.join(file)).expect("read"), Some(layer), Limits::NATIVE).expect("reads");
    let (whole, projected) = (array(&dir.join("whole.npz"), "relu_4"), read("out.npz", "relu_4"));
    let values = whole.as_slice().expect("in order");
    let (mut projection, device) = (Projection::new(5, 1024), Device::cpu());
    let want = pollster::block_on(projection.apply(values, 6, &device, &Silent)).expect("projects");
    let Values::F64(got) = &*projected.values else { panic!("double precision") };
    for i in 0..6 {
        for j in 0..1024 {
            // Sums of 4,608 products in another order.
            let (a, b) = (got[[i, j]], want[(i, j)]);
            assert!((a - b).abs() <= 1e-11, "{i}, {j}: {a} and {b}");
        }
    }
    let dims = |args: &str| {
        support::succeed(dir, &format!("dims {args} --seed 5 --device cpu"))[0]["effective_dimensionality"].as_f64().expect("a number")
    };
    let (kept, made) = (dims("whole.npz::relu_4 --pool none"), dims("out.npz::relu_4"));
    assert!((kept - made).abs() <= 1e-9 * kept, "{kept} and {made}");
    // Matrices have no positions.
    assert_eq!(read("out.npz", "output").shape(), [6, 10]);
    assert_eq!(
        succeed(dir, "net.onnx --images photos --layers relu_4 --pool project --projection-dim 64 -o out.h5")["layers"][0]["shape"],
        serde_json::json!([6, 64])
    );
    let bytes = fs::read(dir.join("out.h5")).expect("read");
    assert!(bytes.windows(11).any(|w| w == b"\"width\": 64"), "it is recorded");
}

/// Masks of `DNNBrain` keep channels, rows and columns of the layers that they name.
#[test]
fn masks_keep_the_units_that_they_name() {
    let Some(dir) = folder() else { return };
    let dir = dir.path();
    fs::write(dir.join("some.dmask.csv"), "relu=chn,row\n5,2\n1,48\noutput=chn\n10\n").expect("written");
    succeed(dir, "net.onnx --images photos --layers relu,output --batch 3 -o whole.npz");
    let made = succeed(dir, "net.onnx --images photos --mask some.dmask.csv --batch 3 -o out.act.h5");
    let names: Vec<_> = made["layers"].as_array().expect("layers").iter().map(|layer| layer["name"].clone()).collect();
    assert_eq!(names, ["relu", "output"]);
    let (whole, kept) = (array(&dir.join("whole.npz"), "relu"), array(&dir.join("out.act.h5"), "relu"));
    assert_eq!(kept.shape(), [6, 2, 2, 48]);
    assert_eq!((kept[[4, 0, 1, 7]], kept[[4, 1, 0, 7]]), (whole[[4, 4, 47, 7]], whole[[4, 1, 0, 7]]));
    let (whole, kept) = (array(&dir.join("whole.npz"), "output"), array(&dir.join("out.act.h5"), "output"));
    assert_eq!((kept.shape(), kept[[2, 0, 0, 0]]), (&[6, 1, 1, 1][..], whole[[2, 9]]));
    refuse(dir, "net.onnx --images photos --mask some.dmask.csv --pool avg -o out.npz", "rows or columns of \"relu\"");
    fs::write(dir.join("some.dmask.csv"), "output=chn\n11\n").expect("written");
    refuse(dir, "net.onnx --images photos --mask some.dmask.csv -o out.npz", "channel 11 of \"output\", which has 10");
}
