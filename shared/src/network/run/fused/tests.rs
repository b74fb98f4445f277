//! Against onnxruntime (tests/reference/fused.py).

use std::collections::BTreeMap;

use ndarray::ArrayD;
use serde_json::Value as Json;

use crate::Device;
use crate::network::{Attribute, Constant, Element, Graph, Network, Node, Port, Reading};

fn numbers<T: serde::de::DeserializeOwned>(json: &Json) -> ArrayD<T> {
    let shape: Vec<usize> = serde_json::from_value(json["shape"].clone()).expect("a shape");
    ArrayD::from_shape_vec(shape, serde_json::from_value(json["values"].clone()).expect("values")).expect("as many")
}

fn constant(json: &Json) -> Constant {
    if json["kind"] == "int" { Constant::Int(numbers(json)) } else { Constant::Float(numbers(json)) }
}

#[expect(clippy::cast_possible_truncation, reason = "attributes are single precision")]
fn attribute(json: &Json) -> Attribute {
    match json {
        Json::Array(all) => Attribute::Ints(all.iter().map(|v| v.as_i64().expect("whole")).collect()),
        Json::Number(n) => n.as_i64().map_or_else(|| Attribute::Float(n.as_f64().expect("a number") as f32), Attribute::Int),
        other => panic!("{other}"),
    }
}

/// 2e-5 of the largest magnitude: single precision, sums of up to a hundred terms in another order, and seven digits in the fixture.
#[test]
fn joined_operators_have_the_values_of_onnxruntime() {
    let text = include_str!("../../../../../tests/fixtures/fused.json");
    let fixture: Json = serde_json::from_str(text).expect("JSON");
    let cases = fixture["cases"].as_array().expect("cases");
    assert!(cases.len() >= 17, "{}", cases.len());
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let inputs: Vec<Option<Constant>> =
            case["inputs"].as_array().expect("inputs").iter().map(|v| (!v.is_null()).then(|| constant(v))).collect();
        let named: Vec<String> = inputs.iter().enumerate().map(|(i, v)| v.as_ref().map_or_else(String::new, |_| format!("i{i}"))).collect();
        let outputs = case["outputs"].as_object().expect("outputs");
        let n_outputs = case["n_outputs"].as_u64().expect("a count");
        let made = |i: u64| if outputs.contains_key(&i.to_string()) { format!("o{i}") } else { String::new() };
        let node = Node {
            name: name.into(),
            op: case["op"].as_str().expect("an operator").into(),
            inputs: named.clone(),
            outputs: (0..n_outputs).map(made).collect(),
            attributes: case["attributes"].as_object().expect("attributes").iter().map(|(k, v)| (k.clone(), attribute(v))).collect(),
        };
        let ports = named
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| Port { name: name.clone(), shape: None, element: Element::Float })
            .collect();
        let wanted: Vec<String> = node.outputs.iter().filter(|name| !name.is_empty()).cloned().collect();
        let graph = Graph { inputs: ports, outputs: wanted.clone(), nodes: vec![node], opset: 17, ..Graph::default() };
        let network = Network::new(name, graph, &Device::cpu()).expect("every operator is known");
        let given: BTreeMap<String, Constant> = named.into_iter().zip(inputs).filter_map(|(name, v)| Some((name, v?))).collect();
        let found = pollster::block_on(network.run(&given, &wanted, Reading::Full)).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (i, want) in outputs {
            match (&found.values[&format!("o{i}")], constant(want)) {
                (Constant::Int(got), Constant::Int(want)) => assert_eq!(*got, want, "{name}, output {i}"),
                (Constant::Float(got), Constant::Float(want)) => {
                    assert_eq!(got.shape(), want.shape(), "{name}, output {i}");
                    let largest = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                    let error = got.iter().zip(&want).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
                    assert!(error <= 2e-5 * largest, "{name}, output {i}: {error} of {largest}");
                }
                (got, _) => panic!("{name}, output {i}: {got:?}"),
            }
        }
    }
}
