use std::collections::BTreeMap;

use ndarray::ArrayD;
use serde::Deserialize;

use super::super::tests::{node, random};
use super::super::{Device, Tensor};
use super::*;
use crate::network::{Attribute, Element, Graph, Port};

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Numbers {
    fn constant(&self) -> Constant {
        Constant::Float(ArrayD::from_shape_vec(self.shape.clone(), self.values.clone()).expect("fits"))
    }
}

#[derive(Deserialize)]
struct Reference {
    input: Numbers,
    constants: BTreeMap<String, Numbers>,
    seeds: BTreeMap<String, Numbers>,
    values: BTreeMap<String, Numbers>,
    gradients: BTreeMap<String, Numbers>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../../../../../tests/fixtures/gradients.json")).expect("the fixture reads")
}

fn conv(input: &str, i: usize, output: &str, stride: i64, pad: i64) -> Node {
    let weights = format!("conv{i}.w");
    node("Conv", &[input, &weights], output, &[("strides", Attribute::Ints(vec![stride; 2])), ("pads", Attribute::Ints(vec![pad; 4]))])
}

fn norm(input: &str, i: usize, output: &str) -> Node {
    let names = ["scale", "bias", "mean", "var"].map(|part| format!("bn{i}.{part}"));
    node("BatchNormalization", &[input, &names[0], &names[1], &names[2], &names[3]], output, &[])
}

/// The network of the reference, for other tests.
pub(crate) fn small() -> Graph {
    residual(&reference())
}

/// Convolutions with strides and groups, normalizations, bounds, a maximum, a sum of two ways, a mean, a product.
fn residual(reference: &Reference) -> Graph {
    let mut constants: BTreeMap<String, Constant> = reference.constants.iter().map(|(name, c)| (name.clone(), c.constant())).collect();
    for (name, value) in [("low", 0.0), ("high", 6.0)] {
        constants.insert(name.into(), Constant::Float(ArrayD::from_elem(vec![], value)));
    }
    let ints = |n: i64, k: usize| Attribute::Ints(vec![n; k]);
    Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["out".into()],
        nodes: vec![
            conv("x", 1, "c1", 2, 1),
            norm("c1", 1, "n1"),
            node("Relu", &["n1"], "r1", &[]),
            node("MaxPool", &["r1"], "p1", &[("kernel_shape", ints(3, 2)), ("strides", ints(2, 2)), ("pads", ints(1, 4))]),
            conv("p1", 2, "c2", 1, 1),
            norm("c2", 2, "n2"),
            node("Relu", &["n2"], "r2", &[]),
            conv("r2", 3, "c3", 2, 1),
            norm("c3", 3, "n3"),
            conv("p1", 4, "c4", 2, 0),
            norm("c4", 4, "n4"),
            node("Add", &["n3", "n4"], "sum", &[]),
            node("Relu", &["sum"], "block", &[]),
            node("Conv", &["block", "conv5.w", "conv5.b"], "c5", &[("pads", ints(1, 4)), ("group", Attribute::Int(8))]),
            node("Clip", &["c5", "low", "high"], "b5", &[]),
            node("GlobalAveragePool", &["b5"], "mean", &[]),
            node("Flatten", &["mean"], "flat", &[]),
            node("Gemm", &["flat", "head.w", "head.b"], "logits", &[("transB", Attribute::Int(1))]),
            node("Sigmoid", &["logits"], "out", &[]),
        ],
        constants,
        opset: 13,
        shapes: BTreeMap::new(),
    }
}

fn names(wanted: &[&str]) -> Vec<String> {
    wanted.iter().map(|name| (*name).into()).collect()
}

/// Parameters as they are in the file.
fn start(network: &Network, wanted: &[String]) -> BTreeMap<String, Tensor> {
    let parameters = network.parameters_of(wanted).expect("values of the network");
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let values = pollster::block_on(network.parameter(&name)).expect("a parameter");
        (name, network.tensor(values, shape))
    };
    parameters.into_iter().map(tensor).collect()
}

fn values(tensor: Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).expect("reads").into_iter().collect()
}

fn device_tests() -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    #[cfg(feature = "gpu")]
    devices.extend(crate::compute::gpu_of_tests());
    devices
}

/// Largest relative error of all gradients on a device, against the largest of each parameter.
fn worst(device: &Device, wanted: &[&str]) -> f64 {
    let reference = reference();
    let network = Network::new("residual", residual(&reference), device).expect("every operator is known");
    let wanted = names(wanted);
    let parameters = start(&network, &wanted);
    let tensor = |n: &Numbers| network.tensor(n.values.clone(), n.shape.clone());
    let inputs = BTreeMap::from([("x".to_owned(), reference.input.constant())]);
    let recording = pollster::block_on(network.record(&inputs, &parameters, &wanted)).expect("it runs");
    for name in ["block", "out"] {
        let want = &reference.values[name];
        let got = values(recording.values[name].clone());
        assert!(got.iter().zip(&want.values).all(|(a, b)| (a - b).abs() < 1e-5 * b.abs().max(1.0)), "the value of {name}");
    }
    let seeds = reference.seeds.iter().map(|(name, seed)| (name.clone(), tensor(seed))).collect();
    let found = recording.back(seeds).expect("every operator has a gradient");
    let mut worst = 0.0f64;
    for (name, want) in &reference.gradients {
        let gradient = found.get(name).unwrap_or_else(|| panic!("{name} has no gradient")).clone();
        assert_eq!(gradient.shape(), want.shape, "{name}");
        let largest = want.values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (a, b) in values(gradient).iter().zip(&want.values) {
            worst = worst.max(f64::from((a - b).abs() / largest));
        }
    }
    assert!(!found.contains_key("bn1.mean") && !found.contains_key("bn1.var"), "statistics are no parameters");
    worst
}

/// In single precision, sums of some hundred products: a few units of 1e-6 of the largest.
#[test]
fn gradients_are_those_of_pytorch() {
    let error = worst(&Device::cpu(), &["block", "out"]);
    assert!(error < 2e-5, "joined: {error}");
    // Every value by itself: no operation is joined with its neighbors.
    let error = worst(&Device::cpu(), &["c1", "n1", "c2", "n2", "c3", "c4", "c5", "block", "out"]);
    assert!(error < 2e-5, "apart: {error}");
}

#[cfg(feature = "gpu")]
#[test]
fn gradients_on_a_gpu_are_those_of_pytorch() {
    let Some(device) = crate::compute::gpu_of_tests() else { return };
    let error = worst(&device, &["block", "out"]);
    assert!(error < 1e-4, "{error}");
}

/// The sum of the products of "out" with the seed, where a parameter is moved by so much along a direction.
fn moved_along(
    network: &Network,
    inputs: &BTreeMap<String, Constant>,
    parameters: &BTreeMap<String, Tensor>,
    (name, direction, by): (&str, &[f32], f32),
    seed: &[f32],
) -> f64 {
    let mut moved = parameters.clone();
    let start = &parameters[name];
    let there = values(start.clone()).iter().zip(direction).map(|(v, d)| v + by * d).collect();
    moved.insert(name.to_owned(), network.tensor(there, start.shape().to_vec()));
    let out = pollster::block_on(network.run_with(inputs, &moved, &names(&["out"]))).expect("it runs");
    values(out["out"].clone()).iter().zip(seed).map(|(v, s)| f64::from(*v) * f64::from(*s)).sum()
}

/// The slope of a sum of products along a random direction, against differences: operations that Burn follows.
#[test]
fn gradients_of_other_operators_are_slopes() {
    let constant = |shape: &[usize], seed: u64| Constant::Float(random(shape, seed).mapv(|v| 0.5 * v));
    let graph = Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["out".into()],
        nodes: vec![
            node("Unsqueeze", &["x", "axes"], "image", &[]),
            node("Conv", &["image", "w1"], "rows", &[("pads", Attribute::Ints(vec![2, 0]))]),
            node("Transpose", &["rows"], "turned", &[("perm", Attribute::Ints(vec![0, 2, 1]))]),
            node("LayerNormalization", &["turned", "gamma", "beta"], "normed", &[("axis", Attribute::Int(-1))]),
            node("MatMul", &["normed", "w2"], "query", &[]),
            node("Transpose", &["normed"], "key", &[("perm", Attribute::Ints(vec![0, 2, 1]))]),
            node("MatMul", &["query", "key"], "scores", &[]),
            node("Softmax", &["scores"], "attention", &[("axis", Attribute::Int(-1))]),
            node("MatMul", &["attention", "normed"], "mixed", &[]),
            node("Gelu", &["mixed"], "gelu", &[]),
            node("Concat", &["gelu", "turned"], "both", &[("axis", Attribute::Int(2))]),
            node("Split", &["both"], "left", &[("axis", Attribute::Int(2)), ("num_outputs", Attribute::Int(2))]),
            node("ReduceMean", &["left"], "mean", &[("axes", Attribute::Ints(vec![1]))]),
            node("Mul", &["mean", "scale"], "scaled", &[]),
            node("Tanh", &["scaled"], "out", &[]),
        ],
        constants: BTreeMap::from([
            ("axes".into(), Constant::Int(ndarray::arr1(&[1]).into_dyn())),
            ("w1".into(), constant(&[6, 1, 3], 1)),
            ("gamma".into(), constant(&[6], 2)),
            ("beta".into(), constant(&[6], 3)),
            ("w2".into(), constant(&[6, 6], 4)),
            ("scale".into(), constant(&[6], 5)),
        ]),
        opset: 17,
        shapes: BTreeMap::new(),
    };
    let mut graph = graph;
    graph.nodes[11].outputs = vec!["left".into(), "right".into()];
    for device in device_tests() {
        let network = Network::new("attention", graph.clone(), &device).expect("every operator is known");
        let wanted = names(&["out"]);
        let parameters = start(&network, &wanted);
        assert_eq!(parameters.keys().collect::<Vec<_>>(), ["beta", "gamma", "scale", "w1", "w2"]);
        let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(random(&[4, 9], 7)))]);
        let seed: Vec<f32> = random(&[4 * 6], 8).into_iter().collect();
        let recording = pollster::block_on(network.record(&inputs, &parameters, &wanted)).expect("it runs");
        assert_eq!(recording.values["out"].shape().iter().product::<usize>(), 24);
        let shape = recording.values["out"].shape().to_vec();
        let found = recording.back(BTreeMap::from([("out".to_owned(), network.tensor(seed.clone(), shape))])).expect("gradients");
        for (name, tensor) in &parameters {
            let direction: Vec<f32> = random(&[tensor.len()], 9).into_iter().collect();
            let at = |by: f32| moved_along(&network, &inputs, &parameters, (name, &direction, by), &seed);
            let slope = (at(5e-3) - at(-5e-3)) / 1e-2;
            let got: f64 = values(found[name].clone()).iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            // Values of size 1 in single precision over 1e-2, and the third derivative times 1e-5.
            assert!((got - slope).abs() < 2e-3 * slope.abs().max(0.5), "{name}: {got}, not {slope}");
        }
    }
}

/// `matmul` with repeated axes and with vectors, and `alpha A B + beta C` with both sides turned: a product is linear in each factor, so that a difference
/// over any step is its slope, up to single precision.
#[test]
fn gradients_of_products_are_slopes() {
    let float = |value: f32| Attribute::Float(value);
    let graph = Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["out".into()],
        nodes: vec![
            node("Mul", &["x", "scale"], "rows", &[]),
            node("MatMul", &["rows", "many"], "batches", &[]),
            node("MatMul", &["batches", "one"], "narrow", &[]),
            node("MatMul", &["left", "narrow"], "means", &[]),
            node("MatMul", &["means", "right"], "vectors", &[]),
            node(
                "Gemm",
                &["vectors", "turned", "bias"],
                "out",
                &[("transA", Attribute::Int(1)), ("transB", Attribute::Int(1)), ("alpha", float(0.5)), ("beta", float(2.0))],
            ),
        ],
        constants: [
            ("scale", vec![5]),
            ("many", vec![3, 1, 5, 7]),
            ("one", vec![7, 6]),
            ("left", vec![4]),
            ("right", vec![6]),
            ("turned", vec![8, 3]),
            ("bias", vec![8]),
        ]
        .into_iter()
        .zip(1u64..)
        .map(|((name, shape), seed)| (name.to_owned(), Constant::Float(random(&shape, seed))))
        .collect(),
        opset: 17,
        shapes: BTreeMap::new(),
    };
    for device in device_tests() {
        let network = Network::new("products", graph.clone(), &device).expect("every operator is known");
        let wanted = names(&["out"]);
        let parameters = start(&network, &wanted);
        assert_eq!(parameters.len(), 7);
        let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(random(&[2, 4, 5], 11)))]);
        let recording = pollster::block_on(network.record(&inputs, &parameters, &wanted)).expect("it runs");
        assert_eq!(recording.values["out"].shape(), [2, 8]);
        let seed: Vec<f32> = random(&[16], 12).into_iter().collect();
        let found = recording.back(BTreeMap::from([("out".to_owned(), network.tensor(seed.clone(), vec![2, 8]))])).expect("gradients");
        for (name, tensor) in &parameters {
            let gradient = &found[name];
            assert_eq!(gradient.shape(), tensor.shape(), "{name}");
            let direction: Vec<f32> = random(&[tensor.len()], 13).into_iter().collect();
            let at = |by: f32| moved_along(&network, &inputs, &parameters, (name, &direction, by), &seed);
            let slope = (at(1.0) - at(-1.0)) / 2.0;
            let (mut got, mut size) = (0.0, 0.0);
            for (g, d) in values(gradient.clone()).iter().zip(&direction) {
                got += f64::from(*g) * f64::from(*d);
                size += f64::from(*g * *d).abs();
            }
            assert!((got - slope).abs() < 2e-5 * size, "{name}: {got}, not {slope}, of {size}");
        }
    }
}

/// Only what depends on parameters is recorded, and only what changes has to run.
#[test]
fn values_before_the_first_change_can_be_given() {
    let reference = reference();
    let network = Network::new("residual", residual(&reference), &Device::cpu()).expect("every operator is known");
    let wanted = names(&["block"]);
    let all = start(&network, &wanted);
    assert!(!all.contains_key("conv5.w") && !all.contains_key("head.w"), "what comes after the layer is no parameter of it");
    let some: BTreeMap<String, Tensor> = all.clone().into_iter().filter(|(name, _)| name.starts_with("conv3")).collect();
    let set = some.keys().map(String::as_str).collect();
    let border = network.border(&set, &wanted).expect("values of the network");
    assert_eq!(border, names(&["r2", "n4"]), "what the third convolution and the sum read");
    let inputs = BTreeMap::from([("x".to_owned(), reference.input.constant())]);
    let cached = pollster::block_on(network.run(&inputs, &border, crate::network::Reading::Full)).expect("it runs").values;
    let recording = pollster::block_on(network.record(&cached, &some, &wanted)).expect("without the input");
    let whole = pollster::block_on(network.record(&inputs, &all, &wanted)).expect("it runs");
    assert_eq!(values(recording.values["block"].clone()), values(whole.values["block"].clone()));
    let seed = || {
        BTreeMap::from([(
            "block".to_owned(),
            network.tensor(reference.seeds["block"].values.clone(), reference.seeds["block"].shape.clone()),
        )])
    };
    let (part, all) = (recording.back(seed()).expect("gradients"), whole.back(seed()).expect("gradients"));
    assert_eq!(values(part["conv3.w"].clone()), values(all["conv3.w"].clone()));
    assert_eq!(part.keys().filter(|name| name.contains('.')).collect::<Vec<_>>(), ["conv3.w"]);
}

/// What has no gradient is said, with the node.
#[test]
fn operators_without_gradients_are_named() {
    let graph = Graph {
        inputs: vec![Port { name: "x".into(), shape: None, element: Element::Float }],
        outputs: vec!["sum".into()],
        nodes: vec![node("Mul", &["x", "w"], "product", &[]), node("CumSum", &["product", "axis"], "sum", &[])],
        constants: BTreeMap::from([
            ("w".into(), Constant::Float(random(&[4], 1))),
            ("axis".into(), Constant::Int(ndarray::arr0(1).into_dyn())),
        ]),
        opset: 14,
        shapes: BTreeMap::new(),
    };
    let network = Network::new("sum", graph, &Device::cpu()).expect("every operator is known");
    let wanted = names(&["sum"]);
    let parameters = start(&network, &wanted);
    let inputs = BTreeMap::from([("x".to_owned(), Constant::Float(random(&[3, 4], 2)))]);
    let message = pollster::block_on(network.record(&inputs, &parameters, &wanted)).expect_err("no gradient").to_string();
    assert!(message.contains("CumSum") && message.contains("has no gradient"), "{message}");
}
