//! Poolings, reference rows, classes and tables.

use std::collections::BTreeMap;

use super::*;
use crate::labels::Labels;

fn fixture<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON")
}

fn maps(shape: &[usize], values: Vec<f64>) -> Dataset {
    Dataset::from_f64("X", ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(shape), values).expect("fits"))
}

fn pooled(pooling: &mut Pooling, data: &Dataset) -> Mat<f64> {
    pollster::block_on(pooling.apply(data, &Device::cpu(), &Silent)).expect("pools")
}

#[derive(Deserialize)]
struct Maps {
    shape: Vec<usize>,
    x: Vec<f64>,
    projected: Vec<Vec<f64>>,
    pooled: BTreeMap<String, Vec<f64>>,
}

#[test]
fn poolings_match_numpy() {
    let case: Maps = fixture("pooling.json");
    let data = maps(&case.shape, case.x.clone());
    for (name, want) in &case.pooled {
        let pool: Pool = serde_json::from_value(name.as_str().into()).expect("a pooling");
        let got = pooled(&mut Pooling::new(pool, Generator::Pcg64, 0).expect("any seed"), &data);
        let got = Array::from_mat(got.as_ref()).values;
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{name}: {got:?} against {want:?}");
    }
    // Layers draw one after the other from the same generator.
    let mut legacy = Pooling::new(Pool::None, Generator::NumpyLegacy, 27).expect("a short seed");
    let half = ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(&case.shape), case.x.clone()).expect("fits");
    let half = half.slice_axis(ndarray::Axis(1), (0..1).into()).as_standard_layout().into_owned();
    for (layer, want) in [data.clone(), Dataset::from_f64("X", half)].iter().zip(&case.projected) {
        let got = pooled(&mut legacy, layer);
        let got: Vec<f64> = (0..got.nrows()).flat_map(|i| (0..6).map(move |j| (i, j))).map(|(i, j)| got[(i, j)]).collect();
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} against {want:?}");
    }
    let too_long = Spec { inputs: vec!["X".into()], generator: Generator::NumpyLegacy, seed: 1 << 32, ..Spec::default() };
    assert!(too_long.check().expect_err("33 bits").to_string().contains("4294967295"), "the limit is named");
    let flat = maps(&[4, 2, 3], vec![1.0; 24]);
    let error = run_on(&Spec { pool: Pool::L2Matrix, ..Spec::default() }, flat).expect_err("three axes");
    assert!(error.to_string().contains("4 axes"), "{error}");
}

#[derive(Deserialize)]
struct Distances {
    rows: usize,
    columns: usize,
    x: Vec<f64>,
    labels: Vec<f64>,
    two_nn: f64,
    two_nn_90: f64,
    two_nn_likelihood: f64,
    maximum_likelihood: f64,
    maximum_likelihood_mean: f64,
    correlation: f64,
    between: f64,
    within_mean: f64,
    within_std: f64,
    n_distinct: u32,
}

fn with_inputs(spec: &Spec, named: &[(&str, Dataset)]) -> Result<Output, Error> {
    let mut inputs = Inputs::default();
    for (name, data) in named {
        inputs.insert(*name, data.clone());
    }
    let device = Device::cpu();
    pollster::block_on(run(spec, &inputs, &Context::new(&device, &Silent)))
}

#[test]
fn intrinsic_dimensions_match_numpy() {
    let case: Distances = fixture("intrinsic.json");
    let data = Dataset::from_rows("X", case.rows, case.columns, case.x).expect("fits");
    let labels = Dataset::from_rows("L", case.rows, 1, case.labels).expect("fits");
    let spec =
        Spec { inputs: vec!["X".into()], intrinsic: true, labels: Some(Labels { input: "L".into(), column: None }), ..Spec::default() };
    let named = [("X", data), ("L", labels)];
    let got = with_inputs(&spec, &named).expect("runs").spectra.remove(0).intrinsic.expect("asked for");
    near(got.two_nn, case.two_nn, 1e-10, "TwoNN");
    near(got.two_nn_likelihood, case.two_nn_likelihood, 1e-10, "likelihood");
    near(got.maximum_likelihood, case.maximum_likelihood, 1e-10, "Levina & Bickel");
    near(got.maximum_likelihood_mean, case.maximum_likelihood_mean, 1e-10, "mean");
    near(got.correlation, case.correlation, 1e-9, "correlation");
    let classes = got.classes.expect("there are labels");
    near(classes.between, case.between, 1e-10, "between");
    near(classes.within_mean, case.within_mean, 1e-10, "within");
    near(classes.within_std, case.within_std, 1e-10, "spread");
    assert_eq!((got.n_distinct, classes.n_classes, classes.n_defined), (case.n_distinct, 6, 6));
    let part = with_inputs(&Spec { two_nn_fraction: 0.9, ..spec.clone() }, &named).expect("runs").spectra.remove(0).intrinsic;
    near(part.and_then(|i| i.two_nn), case.two_nn_90, 1e-10, "90 %");
    for two_nn_fraction in [0.0, 1.5, f64::NAN] {
        assert!(Spec { two_nn_fraction, ..spec.clone() }.check().is_err(), "{two_nn_fraction}");
    }
    let without = Spec { intrinsic: false, ..spec };
    assert_eq!(without.inputs(), ["X"]);
}

#[test]
fn whitening_by_the_data_itself_gives_a_flat_spectrum() {
    let spec = Spec { inputs: vec!["X".into()], zca: Some("R".into()), ..Spec::default() };
    let data = random(60, 8, 4);
    let got = with_inputs(&spec, &[("X", data.clone()), ("R", data.clone())]).expect("runs").spectra.remove(0);
    assert!(got.eigenvalues.values.iter().all(|v| (v - 1.0).abs() < 1e-10), "{:?}", got.eigenvalues.values);
    near(got.effective_dimensionality, 8.0, 1e-10, "all directions alike");
    // After pooling, with the projection of the input and not the next one.
    let maps = maps(&[30, 3, 2, 2], random(30, 12, 5).matrix().map(|m| Array::from_mat(m.to_mat().as_ref()).values).expect("finite"));
    for (pool, rank) in [(Pool::Max, 3.0), (Pool::None, 12.0)] {
        let spec = Spec { pool, generator: Generator::NumpyLegacy, seed: 27, ..spec.clone() };
        let got = with_inputs(&spec, &[("X", maps.clone()), ("R", maps.clone())]).expect("runs").spectra.remove(0);
        near(got.effective_dimensionality, rank, 1e-6, "flat after pooling");
    }
    let error = with_inputs(&spec, &[("X", data.clone()), ("R", random(60, 7, 1))]).expect_err("7 columns").to_string();
    assert!(error.contains("8 columns as in X") && error.contains("60 x 7"), "{error}");
    let error = with_inputs(&spec, &[("X", data.clone()), ("R", random(1, 8, 1))]).expect_err("one row").to_string();
    assert!(error.contains("at least 2 reference rows"), "{error}");
    assert!(with_inputs(&spec, &[("X", data)]).expect_err("no reference").to_string().contains("no input named \"R\""), "missing");
}

#[test]
fn tables_have_the_published_columns() {
    let name = "architecture:A|task:None|kind:Untrained|source:S::conv1";
    let spec = Spec { inputs: vec![name.into(), "plain".into()], ..Spec::default() };
    let output = with_inputs(&spec, &[(name, random(9, 3, 1)), ("plain", random(3, 2, 2))]).expect("runs");
    let metrics = metrics_csv(&output);
    let lines: Vec<&str> = metrics.lines().collect();
    assert!(lines[0].starts_with("80% variance,alpha,effective dimensionality,"), "{metrics}");
    assert!(lines[0].ends_with(",architecture,task,kind,source,layer"), "{metrics}");
    assert!(lines[1].ends_with(",A,None,Untrained,S,conv1") && lines[2].ends_with(",,,,,plain"), "{metrics}");
    let table = io::read("t.csv", metrics.as_bytes(), None, io::Limits::BROWSER).expect("reads back");
    let crate::dataset::Values::F64(values) = &*table.values else { unreachable!("tables are f64") };
    assert_eq!(Some(values[[0, 2]]), output.spectra[0].effective_dimensionality);
    assert!(values[[1, 3]].is_nan(), "3 samples have no unbiased value");
    let spectra = spectra_csv(&output);
    assert!(spectra.starts_with("n,variance,architecture,task,kind,source,layer\n1,"), "{spectra}");
    assert_eq!(spectra.lines().count(), 1 + 3 + 2);
    assert_eq!(output.spectra[0].intrinsic, None);
}

#[test]
fn specs_that_were_saved_before_still_load() {
    let old = r#"{"inputs":["X"],"pool":"avg","centering":"column","alpha":"logspaced","spectrum":true,"intrinsic":false,"seed":0}"#;
    assert_eq!(serde_json::from_str::<Spec>(old).expect("loads"), Spec { inputs: vec!["X".into()], ..Spec::default() });
}
