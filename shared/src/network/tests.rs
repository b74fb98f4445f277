use std::path::PathBuf;

use prost::Message as _;

use super::onnx::proto;
use super::*;
use crate::Error;

fn networks() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/networks");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

fn read(name: &str) -> Option<Graph> {
    let bytes = std::fs::read(networks()?.join(name)).expect("the network is there");
    Some(read_onnx(name, &bytes).expect("it reads"))
}

/// The operators that the description of the files lists, and the values that their references have.
#[test]
fn networks_have_the_operators_and_values_of_their_description() {
    let cases = [
        (
            "efficientnet_lite0.onnx",
            18,
            "Add Clip Conv Gather Gemm Mul Range ReduceMean Reshape Shape Squeeze Unsqueeze",
            "hardtanh_4 add add_8 hardtanh_32 output",
        ),
        (
            "tiny_resnet.onnx",
            18,
            "Add Conv Gather Gemm MaxPool Mul Range ReduceMean Relu Reshape Shape Squeeze Unsqueeze",
            "relu relu_2 add_36 relu_8 output",
        ),
        (
            "tiny_resnet_opset17.onnx",
            17,
            "Add Conv Flatten Gemm GlobalAveragePool MaxPool Relu",
            "/relu/Relu_output_0 /layer3/layer3.0/Add_output_0 output",
        ),
        (
            "tiny_vit.onnx",
            18,
            "Add Concat Conv Div Erf Expand Gather Gemm LayerNormalization MatMul Mul Reshape Shape Slice Softmax Squeeze Transpose Unsqueeze",
            "cat val_86 val_182 layer_norm_4 output",
        ),
        (
            "squeezenet1_1.onnx",
            18,
            "Add Concat Conv Gather MaxPool Mul Range ReduceMean Relu Reshape Shape Squeeze Unsqueeze",
            "max_pool2d cat_6 relu_25 output",
        ),
        (
            "mobilenet_v3_small_050.onnx",
            18,
            "Add Conv Gather Gemm HardSigmoid HardSwish Mul Range ReduceMean Relu Reshape Shape Squeeze Unsqueeze",
            "hardswish mul_1432 hardswish_18 output",
        ),
    ];
    for (file, opset, operators, values) in cases {
        let Some(graph) = read(file) else { return };
        assert_eq!(graph.opset, opset, "{file}");
        assert_eq!(graph.operators().into_keys().collect::<Vec<_>>().join(" "), operators, "{file}");
        let names: Vec<String> = graph.layers().into_iter().map(|layer| layer.name).collect();
        for value in values.split(' ') {
            assert!(names.iter().any(|name| name == value), "{file} makes {value}");
        }
        assert_eq!((graph.inputs.len(), graph.inputs[0].name.as_str(), &graph.outputs), (1, "input", &vec!["output".to_owned()]), "{file}");
        let shape = graph.inputs[0].shape.as_ref().expect("a shape");
        assert!(matches!((&shape[0], &shape[1]), (Dim::Named(_), Dim::Fixed(3))), "{file}: batch and colors, {shape:?}");
    }
}

#[test]
fn weights_are_those_of_the_state_dict() {
    let Some(graph) = read("tiny_resnet.onnx") else { return };
    // Fused or not, the classifier is 10 x 128.
    let Some(Constant::Float(weight)) = graph.constants.get("fc.weight") else { panic!("fc.weight: {:?}", graph.constants.keys()) };
    assert_eq!(weight.shape(), [10, 128]);
    assert!(graph.n_weights() > 300_000, "{}", graph.n_weights());
}

/// `output = Relu(input + bias)`, as an exporter would write it.
fn small() -> proto::Model {
    let value = |name: &str| proto::ValueInfo {
        name: name.into(),
        kind: Some(proto::Type {
            tensor_type: Some(proto::TensorType {
                elem_type: 1,
                shape: Some(proto::Shape {
                    dim: vec![
                        proto::Dimension { length: Some(proto::Length::Name("batch".into())) },
                        proto::Dimension { length: Some(proto::Length::Value(2)) },
                    ],
                }),
            }),
        }),
    };
    let node = |op: &str, input: &[&str], output: &str| proto::Node {
        name: format!("{op}_1"),
        op_type: op.into(),
        input: input.iter().map(|name| (*name).into()).collect(),
        output: vec![output.into()],
        ..proto::Node::default()
    };
    proto::Model {
        opset_import: vec![proto::OperatorSet { domain: String::new(), version: 18 }],
        graph: Some(proto::Graph {
            node: vec![node("Add", &["input", "bias"], "sum"), node("Relu", &["sum"], "output")],
            initializer: vec![tensor("bias", 1, &[2])],
            input: vec![value("input")],
            output: vec![value("output")],
            ..proto::Graph::default()
        }),
        ..proto::Model::default()
    }
}

fn tensor(name: &str, data_type: i32, dims: &[i64]) -> proto::Tensor {
    proto::Tensor { name: name.into(), data_type, dims: dims.to_vec(), float_data: vec![0.5, -0.25], ..proto::Tensor::default() }
}

fn refused(change: impl Fn(&mut proto::Model, &mut proto::Graph)) -> String {
    let mut model = small();
    let mut graph = model.graph.take().expect("a graph");
    change(&mut model, &mut graph);
    model.graph = Some(graph);
    read_onnx("net.onnx", &model.encode_to_vec()).expect_err("refused").to_string()
}

#[test]
fn layers_have_the_names_and_shapes_of_the_file() {
    let graph = read_onnx("net.onnx", &small().encode_to_vec()).expect("reads");
    let json = serde_json::to_value(graph.layers()).expect("serializes");
    assert_eq!(
        json,
        serde_json::json!([
            { "name": "sum", "op": "Add", "node": "Add_1", "shape": null },
            { "name": "output", "op": "Relu", "node": "Relu_1", "shape": ["batch", 2] },
        ])
    );
}

#[test]
fn every_element_type_is_read_from_its_bytes_and_from_its_field() {
    let read = |tensor: proto::Tensor| {
        let mut model = small();
        model.graph.as_mut().expect("a graph").initializer.push(tensor);
        read_onnx("net.onnx", &model.encode_to_vec()).map(|graph| graph.constants["c"].clone())
    };
    let raw = |data_type: i32, raw_data: Vec<u8>| read(proto::Tensor { raw_data, float_data: Vec::new(), ..tensor("c", data_type, &[2]) });
    let floats = |values: [f32; 2]| Ok(Constant::Float(ndarray::arr1(&values).into_dyn()));
    let ints = |values: [i64; 2]| Ok(Constant::Int(ndarray::arr1(&values).into_dyn()));
    assert_eq!(raw(1, [0.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()), floats([0.5, -2.0]));
    assert_eq!(raw(11, [0.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()), floats([0.5, -2.0]));
    assert_eq!(raw(10, vec![0x00, 0x38, 0x00, 0xc0]), floats([0.5, -2.0]));
    assert_eq!(raw(16, vec![0x00, 0x3f, 0x00, 0xc0]), floats([0.5, -2.0]));
    for (data_type, bytes) in [
        (2, vec![7, 9]),
        (3, vec![7, 9]),
        (4, vec![7, 0, 9, 0]),
        (5, vec![7, 0, 9, 0]),
        (6, vec![7, 0, 0, 0, 9, 0, 0, 0]),
        (12, vec![7, 0, 0, 0, 9, 0, 0, 0]),
        (7, vec![7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
        (13, vec![7, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(raw(data_type, bytes), ints([7, 9]), "type {data_type}");
    }
    assert_eq!(raw(3, vec![0xff, 9]), ints([-1, 9]));
    assert_eq!(raw(9, vec![1, 0]), Ok(Constant::Bool(ndarray::arr1(&[true, false]).into_dyn())));
    let field = |tensor: proto::Tensor| read(proto::Tensor { float_data: Vec::new(), ..tensor });
    assert_eq!(field(proto::Tensor { int32_data: vec![7, 9], ..tensor("c", 6, &[2]) }), ints([7, 9]));
    assert_eq!(field(proto::Tensor { int64_data: vec![7, 9], ..tensor("c", 7, &[2]) }), ints([7, 9]));
    assert_eq!(field(proto::Tensor { int32_data: vec![0x3800, 0xc000], ..tensor("c", 10, &[2]) }), floats([0.5, -2.0]));
    assert!(matches!(read(tensor("c", 8, &[2])), Err(Error::Unsupported { .. })), "texts");
    assert!(matches!(read(tensor("c", 14, &[2])), Err(Error::Unsupported { .. })), "complex numbers");
}

#[test]
fn constants_of_nodes_are_constants() {
    let mut model = small();
    let attribute = |name: &str| proto::Attribute { name: name.into(), kind: 7, ints: vec![1, 2], ..proto::Attribute::default() };
    let node = proto::Node {
        op_type: "Constant".into(),
        output: vec!["axes".into()],
        attribute: vec![attribute("value_ints")],
        ..proto::Node::default()
    };
    model.graph.as_mut().expect("a graph").node.insert(0, node);
    let graph = read_onnx("net.onnx", &model.encode_to_vec()).expect("reads");
    assert_eq!((graph.nodes.len(), &graph.constants["axes"]), (2, &Constant::Int(ndarray::arr1(&[1, 2]).into_dyn())));
}

#[test]
fn hostile_files_are_one_sentence() {
    for bytes in [&b""[..], b"no network", &[0xff; 64], &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
        let message = read_onnx("net.onnx", bytes).expect_err("refused").to_string();
        assert!(message.starts_with("net.onnx: this is no ONNX file, or it is damaged"), "{message}");
    }
    // Cut anywhere it is an error or, rarely, a shorter network; never a panic.
    let whole = small().encode_to_vec();
    for length in 0..whole.len() {
        read_onnx("net.onnx", &whole[..length]).map(drop).ok();
    }
    let says = |message: String, what: &str| assert!(message.contains(what), "{message}");
    says(refused(|model, _| model.opset_import[0].version = 6), "versions 7 to 21");
    says(refused(|model, _| model.opset_import.clear()), "version 0");
    says(refused(|model, _| model.functions.push(proto::Function { name: "Mine".into() })), "Mine");
    says(refused(|_, graph| graph.node.swap(0, 1)), "reads the value \"sum\"");
    says(refused(|_, graph| graph.node[1].output[0] = "sum".into()), "made twice");
    says(refused(|_, graph| graph.output[0].name = "nothing".into()), "nothing makes the output \"nothing\"");
    says(refused(|_, graph| graph.node.clear()), "no nodes");
    says(refused(|_, graph| graph.initializer[0].dims = vec![3]), "should have 3 values (3) but has 2");
    says(refused(|_, graph| graph.initializer[0].dims = vec![-2]), "claims the shape");
    says(refused(|_, graph| graph.initializer[0].dims = vec![i64::MAX, i64::MAX]), "claims the shape");
    says(refused(|_, graph| graph.initializer[0].dims = vec![1; 40]), "40 axes");
    says(refused(|_, graph| graph.initializer[0].raw_data = vec![0; 7]), "should have 2 values");
    says(
        refused(|_, graph| {
            graph.initializer[0].data_location = 1;
            graph.initializer[0].external_data = vec![proto::Entry { key: "location".into(), value: "../weights.bin".into() }];
        }),
        "../weights.bin",
    );
    says(
        refused(|_, graph| graph.node[0].attribute.push(proto::Attribute { name: "body".into(), kind: 5, ..proto::Attribute::default() })),
        "graph inside",
    );
}

/// Every value that a run makes of integers is known to be one before, and no other.
#[test]
fn integers_are_known_from_the_graph() {
    for name in ["efficientnet_lite0", "tiny_resnet", "tiny_vit", "squeezenet1_1", "mobilenet_v3_small_050"] {
        let Some(graph) = read(&format!("{name}.onnx")) else { return };
        let side = match graph.inputs[0].shape.as_deref() {
            Some([_, _, Dim::Fixed(side), _]) => usize::try_from(*side).expect("small"),
            other => panic!("{other:?}"),
        };
        let layers: Vec<String> = graph.layers().into_iter().map(|layer| layer.name).collect();
        let integers: Vec<String> = graph.integers().into_iter().map(Into::into).collect();
        let image = ndarray::ArrayD::from_elem(vec![1, 3, side, side], 0.5f32);
        let inputs = std::collections::BTreeMap::from([("input".to_owned(), Constant::Float(image))]);
        let network = Network::new(name, graph, &crate::Device::cpu()).expect("known operators");
        let made = pollster::block_on(network.run(&inputs, &layers, Reading::Avg)).expect("it runs");
        for layer in &layers {
            let is_float = matches!(made.values[layer], Constant::Float(_));
            assert_eq!(integers.contains(layer), !is_float, "{name}, {layer}");
        }
    }
}
