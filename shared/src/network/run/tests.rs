use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::*;
use crate::network::{Attribute, Element, Port};
use crate::rng::Stream;

pub(super) fn random(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut rng = Stream::new(seed, 0);
    #[expect(clippy::cast_possible_truncation, reason = "numbers for a test")]
    ArrayD::from_shape_simple_fn(shape, || rng.normal() as f32)
}

pub(super) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, Attribute)]) -> Node {
    Node {
        name: output.into(),
        op: op.into(),
        inputs: inputs.iter().map(|name| (*name).into()).collect(),
        outputs: vec![output.into()],
        attributes: attributes.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
    }
}

/// A convolution between a padding, whose size is computed from constants, and bounds; its input has a second reader.
fn padded(op: &str) -> Graph {
    let ints = |values: &[i64]| Constant::Int(ndarray::arr1(values).into_dyn());
    let number = |v: f32| Constant::Float(ArrayD::from_elem(vec![], v));
    let bounded = if op == "Clip" { node(op, &["conv", "low", "high"], "bounded", &[]) } else { node(op, &["conv"], "bounded", &[]) };
    Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["sum".into()],
        nodes: vec![
            node("Concat", &["before", "after"], "pads", &[("axis", Attribute::Int(0))]),
            node("Pad", &["x", "pads"], "padded", &[]),
            node(
                "Conv",
                &["padded", "weight", "bias"],
                "conv",
                &[("strides", Attribute::Ints(vec![2, 1])), ("pads", Attribute::Ints(vec![0, 1, 0, 1]))],
            ),
            bounded,
            node("ReduceMean", &["bounded"], "mean", &[("axes", Attribute::Ints(vec![2, 3]))]),
            node("ReduceMax", &["x"], "largest", &[]),
            node("Add", &["mean", "largest"], "sum", &[]),
        ],
        constants: BTreeMap::from([
            ("before".into(), ints(&[0, 0, 1, 2])),
            ("after".into(), ints(&[0, 0, 2, 0])),
            ("weight".into(), Constant::Float(random(&[4, 2, 3, 3], 1))),
            ("bias".into(), Constant::Float(random(&[4], 2))),
            ("low".into(), number(-0.5)),
            ("high".into(), number(0.75)),
        ]),
        opset: 13,
        shapes: BTreeMap::new(),
    }
}

/// What is asked for decides what is joined; the values are the same.
#[test]
fn joined_operations_have_the_values_of_single_ones() {
    for op in ["Clip", "Relu"] {
        let network = Network::new("padded", padded(op), &Device::cpu()).expect("every operator is known");
        assert_eq!(network.fusions.len(), 1, "the convolution pads and bounds");
        let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(random(&[3, 2, 7, 6], 3)))]);
        let run = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).into()).collect();
            pollster::block_on(network.run(&inputs, &wanted, Reading::Full)).expect("it runs").values
        };
        let floats = |values: &BTreeMap<String, Constant>, name: &str| match &values[name] {
            Constant::Float(a) => a.clone(),
            other => panic!("{name}: {other:?}"),
        };
        let apart = run(&["padded", "conv", "bounded", "sum"]);
        assert_eq!(apart["padded"].shape(), [3, 2, 10, 8]);
        for wanted in [&["sum"][..], &["bounded", "sum"], &["conv", "sum"], &["padded", "sum"], &["conv"], &["bounded"]] {
            let found = run(wanted);
            for name in wanted {
                let (a, b) = (floats(&found, name), floats(&apart, name));
                assert_eq!(a.shape(), b.shape(), "{op}, {name} of {wanted:?}");
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{op}, {name} of {wanted:?}");
            }
        }
        let bounded = floats(&apart, "bounded");
        let (low, high) = if op == "Clip" { (-0.5, 0.75) } else { (0.0, f32::INFINITY) };
        assert!(bounded.iter().all(|v| (low..=high).contains(v)) && bounded.iter().any(|v| *v == low), "{op} bounds");
        // A folded value can be had as well.
        assert_eq!(run(&["pads"])["pads"], Constant::Int(ndarray::arr1(&[0, 0, 1, 2, 0, 0, 2, 0]).into_dyn()));
    }
}

/// Along one to three axes, with and without a bias, within single precision of the sum of the sizes of 70 products.
#[test]
fn windows_of_one_position_mix_channels_on_a_gpu_and_the_cpu() {
    let mut devices = vec![Device::cpu()];
    #[cfg(feature = "gpu")]
    devices.extend(crate::compute::gpu_of_tests());
    let image = [5, 4, 3];
    for (device, axes, inputs) in devices.iter().flat_map(|device| (1..=3).flat_map(move |axes| [(device, axes, 2), (device, axes, 3)])) {
        let shape = |first: [usize; 2], rest: &[usize]| first.iter().chain(rest).copied().collect::<Vec<_>>();
        let (x, w, bias) = (random(&shape([2, 70], &image[..axes]), 1), random(&shape([6, 70], &vec![1; axes]), 2), random(&[6], 3));
        let graph = Graph {
            inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
            outputs: vec!["y".into()],
            nodes: vec![node("Conv", &["x", "w", "bias"][..inputs], "y", &[])],
            constants: BTreeMap::from([("w".into(), Constant::Float(w.clone())), ("bias".into(), Constant::Float(bias.clone()))]),
            opset: 13,
            ..Graph::default()
        };
        let network = Network::new("point", graph, device).expect("every operator is known");
        let given = BTreeMap::from([("x".to_owned(), Constant::Float(x.clone()))]);
        let made = pollster::block_on(network.run(&given, &["y".into()], Reading::Full)).expect("it runs");
        let Constant::Float(y) = &made.values["y"] else { panic!("floats") };
        assert_eq!(y.shape(), shape([2, 6], &image[..axes]));
        let positions: usize = image[..axes].iter().product();
        let (x, w): (Vec<f32>, Vec<f32>) = (x.into_iter().collect(), w.into_iter().collect());
        for (at, got) in y.iter().enumerate() {
            let (of, out, position) = (at / (6 * positions), at / positions % 6, at % positions);
            let terms = |c: usize| f64::from(w[out * 70 + c]) * f64::from(x[(of * 70 + c) * positions + position]);
            let want = (0..70).map(terms).sum::<f64>() + if inputs == 3 { f64::from(bias[[out]]) } else { 0.0 };
            let size = (0..70).map(|c| terms(c).abs()).sum::<f64>();
            assert!((f64::from(*got) - want).abs() < 1e-6 * size, "{} {axes} axes: {got}, not {want}", device.info().name);
        }
    }
}

/// Values go when their last reader has run: a chain holds two at a time, however long it is.
#[test]
fn values_are_dropped_after_their_last_reader() {
    let mut nodes = vec![node("Exp", &["x"], "v0", &[])];
    for i in 1..20 {
        nodes.push(node("Sigmoid", &[&format!("v{}", i - 1)], &format!("v{i}"), &[]));
    }
    let graph = Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["v19".into()],
        nodes,
        opset: 13,
        ..Graph::default()
    };
    let network = Network::new("chain", graph, &Device::cpu()).expect("every operator is known");
    let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(random(&[100, 10], 1)))]);
    let made = pollster::block_on(network.run(&inputs, &["v19".into()], Reading::Full)).expect("it runs");
    assert_eq!(made.peak_bytes, 4000, "one value of 1,000 numbers");
}
