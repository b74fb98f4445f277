mod invariants;
mod options;

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::rng::Stream;
use crate::{Dataset, Device, Silent, io};

fn run_on(spec: &Spec, dataset: Dataset) -> Result<(Spectrum, Vec<crate::Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("X", dataset);
    let spec = Spec { inputs: vec!["X".into()], ..spec.clone() };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let mut output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output.spectra.remove(0), context.into_warnings()))
}

fn column(dataset: &Dataset) -> Spectrum {
    run_on(&Spec::default(), dataset.clone()).expect("runs").0
}

fn random(n: usize, p: usize, seed: u64) -> Dataset {
    let mut rng = Stream::new(seed, 0);
    Dataset::from_rows("X", n, p, (0..n * p).map(|_| rng.normal()).collect()).expect("fits")
}

#[track_caller]
fn near(got: Option<f64>, want: f64, tolerance: f64, what: &str) {
    let got = got.expect("defined");
    assert!((got - want).abs() <= tolerance * want.abs(), "{what}: {got} against {want}");
}

#[derive(Deserialize)]
struct Case {
    name: String,
    rows: usize,
    columns: usize,
    x: Vec<f64>,
    eigenvalues: Vec<f64>,
    unbiased: HashMap<String, f64>,
    entropy: f64,
    effective_rank: f64,
    ed: f64,
    ed_none: f64,
    ed_both: f64,
    ed_z: f64,
    count_80: u32,
    alpha: Option<HashMap<String, (f64, f64)>>,
}

/// numpy and scikit-learn on the same data; both sides are f64, so 1e-10 leaves room for the squaring in the Gram.
#[test]
fn spectra_match_numpy_and_scikit_learn() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/dimensionality.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
    for case in cases {
        let name = &case.name;
        let data = Dataset::from_rows("X", case.rows, case.columns, case.x).expect("fits");
        let x = data.matrix().expect("finite").to_mat();
        let got = column(&data);
        assert_eq!(got.eigenvalues.values.len(), case.eigenvalues.len(), "{name}");
        for (a, b) in got.eigenvalues.values.iter().zip(&case.eigenvalues) {
            assert!((a - b).abs() < 1e-12 * case.eigenvalues[0], "{name}: eigenvalue {a} against {b}");
        }
        near(got.effective_dimensionality, case.ed, 1e-12, name);
        near(got.entropy_dimension, case.entropy, 1e-10, name);
        near(got.effective_rank, case.effective_rank, 1e-7, name);
        near(got.effective_dimensionality_unbiased, case.unbiased["both"], 1e-10, name);
        assert_eq!(got.variance_80_count, Some(case.count_80), "{name}");
        let variants = [("naive", Variant::Naive), ("row", Variant::Row), ("col", Variant::Col), ("both", Variant::Both)];
        for (key, variant) in variants {
            near(participation_ratio_unbiased(x.as_ref(), variant), case.unbiased[key], 1e-10, key);
        }
        for (centering, want) in [(Centering::None, case.ed_none), (Centering::Both, case.ed_both), (Centering::Z, case.ed_z)] {
            let (got, _) = run_on(&Spec { centering, ..Spec::default() }, data.clone()).expect("runs");
            near(got.effective_dimensionality, want, 1e-12, &format!("{name} {centering:?}"));
            near(got.effective_dimensionality_unbiased, case.unbiased["both"], 1e-10, name);
        }
        let fits = [("logspaced", AlphaFit::Logspaced), ("tail_cut", AlphaFit::TailCut), ("range", AlphaFit::Range)];
        for (key, alpha) in fits {
            let Some((slope, intercept)) = case.alpha.as_ref().map(|fits| fits[key]) else { continue };
            let (got, _) = run_on(&Spec { alpha, ..Spec::default() }, data.clone()).expect("runs");
            near(got.power_law_alpha, slope, 1e-10, key);
            near(got.power_law_intercept, intercept, 1e-10, key);
        }
    }
}

#[test]
fn dimensionality_of_known_spectra() {
    assert_eq!(effective_dimensionality(&[2.0, 2.0, 2.0]), Some(3.0));
    assert_eq!(effective_dimensionality(&[0.0, 0.0]), None);
    assert_eq!(effective_dimensionality(&[]), None);
    assert_eq!(variance_count(&[5.0, 3.0, 2.0], 0.8), Some(2));
    assert_eq!(variance_count(&[5.0, 3.0, 2.0], 1.0), Some(3));
    assert_eq!(variance_count(&[0.0], 0.8), None);
    let power: Vec<f64> = (1..=600u32).map(|n| 7.0 * f64::from(n).powf(-1.3)).collect();
    for fit in [AlphaFit::Logspaced, AlphaFit::TailCut, AlphaFit::Range] {
        let law = power_law_alpha(&power, fit).expect("a power law");
        assert!((law.alpha - 1.3).abs() < 1e-12, "{fit:?}: {law:?}");
        let want = if fit == AlphaFit::Logspaced { 7f64.log10() } else { 7f64.ln() };
        assert!((law.intercept - want).abs() < 1e-12, "{fit:?}: {law:?}");
        assert_eq!(power_law_alpha(&power[..2], fit), None, "{fit:?}");
        assert_eq!(power_law_alpha(&[], fit), None, "{fit:?}");
    }
    let with_zeros = [4.0, 2.0, 0.0, 1.0, 0.0];
    let law = power_law_alpha(&with_zeros, AlphaFit::Logspaced).expect("three are left");
    assert!((law.alpha - 1.0).abs() < 1e-12, "zeros are left out: {law:?}");
}

#[test]
fn rows_and_columns_can_be_rotated_scaled_and_shifted() {
    let (x, q) = (random(12, 5, 1).matrix().expect("finite").to_mat(), random(5, 5, 2).matrix().expect("finite").to_mat());
    let q = q.qr().compute_thin_Q();
    let rotated = &x * &q * faer::Scale(1e-3);
    let moved: Vec<f64> = (0..12).flat_map(|i| (0..5).map(move |j| (i, j))).map(|(i, j)| rotated[(i, j)] + 5.0).collect();
    let (a, b) = (column(&random(12, 5, 1)), column(&Dataset::from_rows("X", 12, 5, moved).expect("fits")));
    near(b.effective_dimensionality, a.effective_dimensionality.expect("defined"), 1e-9, "invariant");
    near(b.power_law_alpha, a.power_law_alpha.expect("defined"), 1e-8, "invariant");
}

#[test]
fn the_correction_removes_the_bias_of_few_samples() {
    // White noise in 200 dimensions seen through 30 samples: naive about 26, unbiased about 200.
    let x = random(30, 200, 3).matrix().expect("finite").to_mat();
    let naive = participation_ratio_unbiased(x.as_ref(), Variant::Naive).expect("defined");
    let mut inverse = 0.0;
    for seed in 0..20 {
        let x = random(30, 200, 100 + seed).matrix().expect("finite").to_mat();
        inverse += 1.0 / participation_ratio_unbiased(x.as_ref(), Variant::Row).expect("defined") / 20.0;
    }
    assert!(naive < 29.0, "{naive}");
    // The mean of the inverse over 20 samples has a spread of about 10 %.
    assert!((1.0 / inverse - 200.0).abs() < 60.0, "{}", 1.0 / inverse);
}

#[test]
fn pooling_reduces_images_to_channels() {
    let values: Vec<f64> = (0..4 * 3 * 2 * 2).map(|i| f64::from((i * 7) % 11)).collect();
    let tensor =
        |values: Vec<f64>| Dataset::from_f64("X", ndarray::ArrayD::from_shape_vec(ndarray::IxDyn(&[4, 3, 2, 2]), values).expect("fits"));
    let chunks = |f: fn(&[f64]) -> f64| Dataset::from_rows("X", 4, 3, values.chunks(4).map(f).collect()).expect("fits");
    let with = |pool, data: Dataset| run_on(&Spec { pool, ..Spec::default() }, data).expect("runs").0;
    let average = chunks(|v| v.iter().sum::<f64>() / 4.0);
    assert_eq!(with(Pool::Avg, tensor(values.clone())), column(&average));
    let largest = chunks(|v| v.iter().copied().fold(f64::MIN, f64::max));
    assert_eq!(with(Pool::Max, tensor(values.clone())), column(&largest));
    let flat = Dataset::from_rows("X", 4, 12, values.clone()).expect("fits");
    assert_eq!(with(Pool::Flatten, tensor(values.clone())), column(&flat));
    let projected = with(Pool::None, tensor(values.clone()));
    assert_eq!((projected.n_features, projected.eigenvalues.shape.as_slice()), (1024, &[4][..]));
    assert_eq!(projected, with(Pool::None, tensor(values.clone())), "the same seed gives the same projection");
    // A Gaussian projection keeps squared distances within a few times sqrt(2 / 1024) = 4 %.
    let (kept, full) = (projected.eigenvalues.values[0], column(&flat).eigenvalues.values[0]);
    assert!((kept / full - 1.0).abs() < 0.2, "{kept} against {full}");
    // The largest 2048-row block is crossed without a seam.
    let wide = random(3, 2 * 2500, 5).matrix().expect("finite").to_mat();
    let wide = ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&[3, 2, 2500]), |at| wide[(at[0], at[1] * 2500 + at[2])]);
    assert_eq!(with(Pool::None, Dataset::from_f64("X", wide)).n_features, 1024);
}

#[test]
fn degenerate_data_are_undefined_not_wrong() {
    let constant = Dataset::from_rows("X", 5, 3, [0.1, 0.7, 1e9].repeat(5)).expect("fits");
    let (spectrum, warnings) = run_on(&Spec::default(), constant.clone()).expect("runs");
    assert_eq!(spectrum.eigenvalues.values, [0.0; 3]);
    assert_eq!((spectrum.effective_dimensionality, spectrum.effective_dimensionality_unbiased), (None, None));
    assert_eq!((spectrum.variance_80_count, spectrum.power_law_alpha, spectrum.power_law_intercept), (None, None, None));
    assert_eq!(warnings[0].code, "constant_data");
    let (_, warnings) = run_on(&Spec { centering: Centering::Z, ..Spec::default() }, constant).expect("runs");
    assert_eq!(warnings[0].code, "constant_columns");

    let error = run_on(&Spec::default(), random(1, 3, 1)).expect_err("one sample").to_string();
    assert!(error.contains("1 sample") && error.contains("at least 2"), "{error}");
    assert!(run_on(&Spec::default(), Dataset::from_f64("X", ndarray::ArrayD::zeros(ndarray::IxDyn(&[4])))).is_err(), "a vector");
    assert!(run_on(&Spec::default(), Dataset::from_f64("X", ndarray::ArrayD::zeros(ndarray::IxDyn(&[4, 0, 2])))).is_err(), "empty");
    let huge = Dataset::from_rows("X", 2, 2, vec![1e300, 2.0, -1e300, 3.0]).expect("fits");
    assert!(matches!(run_on(&Spec::default(), huge), Err(Error::Numerical { .. })), "squares overflow");

    // One column: dimension one; three samples: no unbiased value.
    let (one, _) = run_on(&Spec::default(), random(6, 1, 1)).expect("runs");
    assert_eq!((one.effective_dimensionality, one.effective_dimensionality_unbiased), (Some(1.0), None));
    assert_eq!(column(&random(3, 6, 1)).effective_dimensionality_unbiased, None);
    // As many rows as columns: the last eigenvalue is zero and stays in the list.
    let square = column(&random(6, 6, 1));
    assert_eq!((square.eigenvalues.values.len(), square.eigenvalues.values[5]), (6, 0.0));
    let none = pollster::block_on(run(&Spec::default(), &Inputs::default(), &Context::new(&Device::cpu(), &Silent)));
    assert!(matches!(none, Err(Error::Parameter { .. })), "no inputs");
}

#[test]
fn a_run_can_be_canceled() {
    struct Stop;
    impl Progress for Stop {
        fn step(&self, done_frac: f64, _what: &str) -> Result<(), Error> {
            if done_frac > 0.4 { Err(Error::Canceled) } else { Ok(()) }
        }
    }
    let mut inputs = Inputs::default();
    inputs.insert("X", random(5, 3, 1));
    let device = Device::cpu();
    let spec = Spec { inputs: vec!["X".into()], ..Spec::default() };
    assert_eq!(pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Stop))), Err(Error::Canceled));
}

fn shared_data(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let found = std::fs::read(&path).ok();
    if found.is_none() {
        eprintln!("skipped: {} is not there", path.display());
    }
    found
}

#[test]
fn macaque_it_has_its_published_dimensionality() {
    let Some(bytes) = shared_data("majajhong2015/IT.npy") else { return };
    let it = io::read("IT.npy", &bytes, None, io::Limits::BROWSER).expect("reads");
    near(column(&it).effective_dimensionality, 16.254592, 1e-7, "column-centered");
    let (both, _) = run_on(&Spec { centering: Centering::Both, ..Spec::default() }, it).expect("runs");
    let got = both.effective_dimensionality.expect("defined");
    assert!((got - 19.751251).abs() < 5e-6, "published for rows and columns centered: {got}");
}

/// Published spectra against published metrics. ED of `avg` was computed from f32 values: its largest difference is 3.41e-7.
#[test]
fn published_spectra_have_their_published_metrics() {
    for (pool, ed_tolerance, alpha_tolerance) in [("avg", 3.42e-7, 5.4e-8), ("none", 1e-12, 1e-12)] {
        let folder = "encoder_dimensionality";
        let Some(spectra) = shared_data(&format!("{folder}/eigspectra_imagenet_pooling_{pool}_additional.csv")) else { return };
        let Some(metrics) = shared_data(&format!("{folder}/eigmetrics_imagenet_pooling_{pool}_additional.csv")) else { return };
        let spectra = io::read("s.csv", &spectra, None, io::Limits::BROWSER).expect("reads");
        let metrics = io::read("m.csv", &metrics, None, io::Limits::BROWSER).expect("reads");
        let keys = |d: &Dataset| -> Vec<String> {
            (0..d.shape()[0]).map(|i| d.labels.iter().map(|l| format!("{}={};", l.name, l.values[i])).collect()).collect()
        };
        let numbers = |d: &Dataset, name: &str| -> Vec<f64> {
            let at = d.column_names.as_ref().and_then(|names| names.iter().position(|n| n == name)).expect("a column");
            let crate::dataset::Values::F64(a) = &*d.values else { unreachable!("tables are f64") };
            a.index_axis(ndarray::Axis(1), at).iter().copied().collect()
        };
        let mut layers: HashMap<String, Vec<f64>> = HashMap::new();
        for (key, value) in keys(&spectra).into_iter().zip(numbers(&spectra, "variance")) {
            layers.entry(key).or_default().push(value);
        }
        let (ed, count) = (numbers(&metrics, "effective dimensionality"), numbers(&metrics, "80% variance"));
        let alpha = numbers(&metrics, "alpha");
        for (i, key) in keys(&metrics).iter().enumerate() {
            let spectrum = &layers[key];
            near(effective_dimensionality(spectrum), ed[i], ed_tolerance, key);
            assert_eq!(variance_count(spectrum, 0.8).map(|k| k.to_string()), Some(format!("{}", count[i])), "{key}");
            near(power_law_alpha(spectrum, AlphaFit::Logspaced).map(|fit| fit.alpha), alpha[i], alpha_tolerance, key);
        }
        assert_eq!(layers.len(), 32, "{pool}");
    }
}
