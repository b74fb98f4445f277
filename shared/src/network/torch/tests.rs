use std::path::PathBuf;

use super::*;
use crate::network::Constant;

fn data(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/networks").join(name);
    if let Ok(bytes) = std::fs::read(&path) {
        return Some(bytes);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

fn state(name: &str) -> Option<State> {
    Some(read_state(name, &data(name)?).expect("it reads"))
}

#[test]
fn one_state_dict_is_the_same_in_every_form() {
    let Some(zipped) = state("tiny_resnet.pth") else { return };
    assert_eq!(zipped.len(), 74);
    assert_eq!(zipped["conv1.weight"].shape(), [16, 3, 7, 7]);
    assert!(matches!(&zipped["bn1.num_batches_tracked"], Constant::Int(a) if a.ndim() == 0));
    assert_eq!(Some(&zipped), state("tiny_resnet.safetensors").as_ref(), "safetensors");
    assert_eq!(Some(&zipped), state("tiny_resnet_checkpoint.pth").as_ref(), "a checkpoint with the state dict inside");
    assert_eq!(state("tiny_alexnet_like.pth"), state("tiny_alexnet_like.safetensors"));
}

/// The old stream, read without executing anything: the weights that the network's ONNX file has, too.
#[test]
fn the_older_stream_is_read() {
    let Some(old) = state("efficientnet_lite0.pth") else { return };
    let Constant::Float(weight) = &old["_fc.weight"] else { panic!("floats: {:?}", old.keys().take(5).collect::<Vec<_>>()) };
    assert_eq!(weight.shape(), [1000, 1280]);
    let Some(bytes) = data("efficientnet_lite0.onnx") else { return };
    let graph = crate::network::read_onnx("efficientnet_lite0.onnx", &bytes).expect("it reads");
    assert!(graph.constants.values().any(|c| matches!(c, Constant::Float(a) if a == weight)), "the classifier of the ONNX file");
}

#[test]
fn architectures_have_the_arrays_of_torchvision() {
    // Numbers of parameters that torchvision documents; buffers of norms left out.
    let cases = [
        (Architecture::Alexnet, 61_100_840),
        (Architecture::Vgg16, 138_357_544),
        (Architecture::Squeezenet10, 1_248_424),
        (Architecture::Squeezenet11, 1_235_496),
        (Architecture::Resnet18, 11_689_512),
        (Architecture::Resnet34, 21_797_672),
        (Architecture::Resnet50, 25_557_032),
    ];
    for (architecture, wanted) in cases {
        let state = architecture.untrained(1);
        let n: usize = state.iter().filter(|(name, _)| !name.contains("running")).map(|(_, a)| a.shape().iter().product::<usize>()).sum();
        assert_eq!(n, wanted, "{architecture:?}");
        let graph = from_state("untrained", state).expect("it is built");
        assert!(graph.constants.len() > 10 && graph.outputs == ["output"], "{architecture:?}");
    }
    assert_eq!(Architecture::Squeezenet11.untrained(7), Architecture::Squeezenet11.untrained(7));
    assert_ne!(Architecture::Squeezenet11.untrained(7), Architecture::Squeezenet11.untrained(8));
}

#[test]
fn what_is_no_state_dict_is_one_sentence() {
    let says = |bytes: &[u8], what: &str| {
        let message = read_state("x.pth", bytes).expect_err("refused").to_string();
        assert!(message.starts_with("x.pth: ") && message.contains(what), "{message}");
    };
    says(b"nothing at all", "neither a file of torch.save nor safetensors");
    says(b"PK\x03\x04 and no more", "the archive is damaged");
    says(b"\x80\x02K\x01.", "not written by torch.save");
    // os.system("true"): its name is read, nothing is called.
    says(b"\x80\x02cos\nsystem\nU\x04true\x85R.", "not written by torch.save");
    let Some(bytes) = data("tiny_resnet.pth") else { return };
    for n in (0..bytes.len()).step_by(4099) {
        read_state("x.pth", &bytes[..n]).map(drop).ok();
        let mut changed = bytes.clone();
        changed[n] ^= 0x55;
        read_state("x.pth", &changed).map(drop).ok();
    }
    let Some(bytes) = data("efficientnet_lite0.pth") else { return };
    for n in (0..2000).step_by(37).chain([20_000, 200_000]) {
        assert!(read_state("x.pth", &bytes[..n]).is_err(), "cut after {n} bytes");
    }
}

#[test]
fn missing_arrays_are_named() {
    let mut state = Architecture::Squeezenet11.untrained(1);
    state.remove("features.4.expand3x3.weight");
    let message = from_state("x.pth", state).expect_err("refused").to_string();
    assert!(message.contains("features.4.expand3x3.weight is missing"), "{message}");
    let other = State::from([("a.weight".to_owned(), Constant::Float(ndarray::ArrayD::zeros(vec![2])))]);
    assert!(from_state("x.pth", other).expect_err("refused").to_string().contains("no built-in architecture"));
}

#[test]
fn pickles_may_nest_to_any_depth_and_in_themselves() {
    // A tuple in a tuple in a tuple, a million times; lists likewise; a dict under "model" of itself.
    let tuples = [b"\x80\x02)".to_vec(), vec![0x85; 1 << 20], b".".to_vec()].concat();
    // Each new list goes into the one before it: memo 0 is the outermost, 1 the innermost so far.
    let lists = [b"\x80\x02]q\x00q\x01".to_vec(), b"h\x01]q\x01a0".repeat(1 << 18), b".".to_vec()].concat();
    let dict = b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.".to_vec();
    for pickle in [&tuples, &lists, &dict] {
        let read = pickle::read("x", pickle).expect("it reads");
        assert_eq!(read.length, pickle.len());
    }
    for pickle in [tuples, lists, dict] {
        let files = [("net/data.pkl".to_owned(), pickle)];
        let bytes = crate::io::pack(&files).expect("it packs");
        let why = read_state("x.pth", &bytes).expect_err("no state dict").to_string();
        assert!(why.contains("save model.state_dict()"), "{why}");
    }
}
