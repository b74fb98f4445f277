use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::network::{Element, NetworkFile};
use crate::{AnalysisResult, AnalysisSpec, Dataset, Device, Input, Silent, tasks};

/// A built-in network with random weights and eight small images of values.
fn inputs() -> Inputs {
    let mut rng = crate::rng::Stream::new(7, 0);
    #[expect(clippy::cast_possible_truncation, reason = "any values will do")]
    let images = ArrayD::from_shape_fn(IxDyn(&[8, 3, 64, 64]), |_| rng.normal() as f32);
    let mut inputs = Inputs::default();
    let architecture = crate::network::Architecture::of_name("squeezenet1_1").expect("built in");
    inputs.insert_input("net", Input::Network(Arc::new(NetworkFile::untrained("squeezenet1_1", architecture, 3))));
    inputs.insert("values", Dataset::from_f32("values", images));
    inputs
}

fn spec() -> Spec {
    Spec {
        network: "net".into(),
        images: "values".into(),
        layers: vec!["features.3*".into(), "features.12.squeeze".into()],
        reading: Reading::Avg,
        ..Spec::default()
    }
}

fn output(result: AnalysisResult) -> Output {
    let crate::analysis::Output::Extraction(output) = result.output else { panic!("an extraction") };
    output
}

#[test]
fn parts_joined_are_the_whole() {
    let (inputs, spec) = (inputs(), AnalysisSpec::Extraction(spec()));
    let device = Device::cpu();
    let whole = output(pollster::block_on(crate::run(&spec, &inputs, &device, &Silent)).expect("it runs"));
    assert_eq!(whole.images.len(), 8);
    assert!(whole.layers.len() > 3 && whole.layers.iter().all(|layer| layer.values.rows() == 8), "{} layers", whole.layers.len());
    // 2 x 120 x 1.2 million weights x 8 images.
    let mut shapes = inputs.shapes();
    shapes.0 = BTreeMap::from([("net".to_owned(), vec![1_235_496]), ("values".to_owned(), vec![8, 3, 64, 64])]);
    let parts = tasks::divide(&spec, &shapes, 1e9);
    assert_eq!(parts.len(), 3, "{parts:?}");
    let pieces: Vec<_> =
        parts.iter().map(|part| pollster::block_on(tasks::run(&spec, part, &inputs, &device, &Silent)).expect("it runs")).collect();
    let joined = tasks::join(&spec, pieces.into_iter().map(Ok), &inputs, &device, &Silent).expect("they fit");
    let joined = output(joined);
    assert_eq!((&joined.images, joined.layers.len()), (&whole.images, whole.layers.len()));
    for (a, b) in joined.layers.iter().zip(&whole.layers) {
        assert_eq!((&a.name, &a.shape), (&b.name, &b.shape));
        let largest = b.values.values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let difference = a.values.values.iter().zip(&b.values.values).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        // Sums of another batch may be in another order: single precision.
        assert!(difference <= 1e-5 * largest, "{}: {difference}", a.name);
    }
}

#[test]
fn what_is_no_network_is_said_so() {
    let inputs = inputs();
    let run = |spec: Spec| {
        let outcome = pollster::block_on(crate::run(&AnalysisSpec::Extraction(spec), &inputs, &Device::cpu(), &Silent));
        outcome.expect_err("refused").to_string()
    };
    let message = run(Spec { network: "values".into(), ..spec() });
    assert!(message.contains("\"values\" is not a network"), "{message}");
    let message = run(Spec { images: "net".into(), ..spec() });
    assert!(message.contains("is a network, not an array"), "{message}");
    let message = run(Spec { layers: vec!["features.33".into()], ..spec() });
    assert!(message.contains("near are"), "{message}");
    let message = run(Spec { images: "nothing".into(), ..spec() });
    assert!(message.contains("there is no input named \"nothing\""), "{message}");
}

#[test]
fn sizes_come_from_the_file_or_from_the_spec() {
    let port = |shape: Vec<Dim>| Port { name: "x".into(), shape: Some(shape), element: Element::Float };
    let fixed = port(vec![Dim::Named("batch".into()), Dim::Fixed(3), Dim::Fixed(96), Dim::Fixed(64)]);
    let open = port(vec![Dim::Named("batch".into()), Dim::Fixed(3), Dim::Named(String::new()), Dim::Named(String::new())]);
    assert_eq!(spec().preprocess(&fixed).expect("known").size, [96, 64]);
    assert!(spec().preprocess(&open).expect_err("open").to_string().contains("224 x 224"));
    let own = Spec { size: Some([32, 32]), resize: Some(Resize::Keep), std: Some([1.0; 3]), ..spec() };
    let preprocess = own.preprocess(&open).expect("given");
    assert_eq!((preprocess.size, preprocess.resize, preprocess.std), ([32, 32], Resize::Keep, [1.0; 3]));
    assert!(Spec { std: Some([1.0, 0.0, 1.0]), ..own.clone() }.preprocess(&open).is_err(), "no division by 0");
    assert!(Spec { size: Some([0, 4]), ..own }.preprocess(&open).is_err(), "no pixels");
    let gray = port(vec![Dim::Fixed(1), Dim::Fixed(1), Dim::Fixed(28), Dim::Fixed(28)]);
    assert!(spec().preprocess(&gray).expect_err("gray").to_string().contains("1 channels"));
    let text = port(vec![Dim::Fixed(1), Dim::Fixed(128)]);
    assert!(spec().preprocess(&text).expect_err("tokens").to_string().contains("2 axes"));
}
