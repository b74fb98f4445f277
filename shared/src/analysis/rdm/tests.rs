//! Reference values (tests/reference/rsa.py), golden values, degenerate input.

use std::cell::Cell;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::compute::Device;
use crate::dataset::Dataset;
use crate::progress::{Progress, Silent};
use crate::rng::{NumpyLegacy, Stream};
use crate::{Warning, stats};

/// tests/fixtures/rsa.json.
pub(in crate::analysis) fn fixture() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/rsa.json");
    serde_json::from_slice(&std::fs::read(path).expect("the fixture is committed")).expect("the fixture is JSON")
}

/// A list of rows, `null` as NaN.
pub(in crate::analysis) fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().expect("rows").iter().map(numbers).collect()
}

pub(in crate::analysis) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

pub(in crate::analysis) fn dataset(rows: &[Vec<f64>]) -> Dataset {
    Dataset::from_rows("", rows.len(), rows[0].len(), rows.concat()).expect("rows of one length")
}

/// The golden X and Y: numpy legacy seed 0, X = uniform(30, 25), then Y.
pub(in crate::analysis) fn golden() -> (Dataset, Dataset) {
    let mut rng = NumpyLegacy::new(0);
    let mut draw = || Dataset::from_rows("", 30, 25, (0..750).map(|_| rng.uniform()).collect()).expect("shape fits");
    (draw(), draw())
}

pub(in crate::analysis) fn upper(rdm: &Array) -> Vec<f64> {
    let n = rdm.rows();
    (0..n).flat_map(|i| rdm.row(i)[i + 1..].to_vec()).collect()
}

#[track_caller]
pub(in crate::analysis) fn close(what: &str, got: &[f64], want: &[f64], rel: f64) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= rel * w.abs().max(1e-3), "{what}: value {i} is {g}, want {w}");
    }
}

pub(in crate::analysis) fn rdm_of(x: Dataset, spec: Spec) -> Result<(Output, Vec<Warning>), Error> {
    with_precision(x, None, spec)
}

fn with_precision(x: Dataset, precision: Option<Dataset>, spec: Spec) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("x", x);
    let name = precision.map(|w| {
        inputs.insert("w", w);
        "w".to_owned()
    });
    let spec = Spec { input: "x".into(), precision: name, ..spec };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn measure(measure: Measure) -> Spec {
    Spec { measure, ..Spec::default() }
}

fn random(n: usize, p: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Stream::new(seed, 0);
    (0..n).map(|_| (0..p).map(|_| rng.normal()).collect()).collect()
}

#[test]
fn every_measure_matches_its_reference() {
    let all = fixture();
    let sigma = all["sigma"].as_f64().expect("a number");
    let cases = [
        ("correlation", measure(Measure::Correlation)),
        ("cosine", measure(Measure::Cosine)),
        ("sqeuclidean", measure(Measure::Sqeuclidean)),
        ("sqeuclidean_remove_mean", Spec { remove_mean: true, ..measure(Measure::Sqeuclidean) }),
        ("sqeuclidean_plain", Spec { normalize: false, ..measure(Measure::Sqeuclidean) }),
        ("euclidean", measure(Measure::Euclidean)),
        ("mahalanobis", measure(Measure::Mahalanobis)),
        ("poisson", measure(Measure::Poisson)),
        ("gaussian", Spec { sigma, ..measure(Measure::Gaussian) }),
        ("minkowski_3", measure(Measure::Minkowski)),
        ("minkowski_2.5", Spec { minkowski_p: 2.5, ..measure(Measure::Minkowski) }),
        ("cityblock", measure(Measure::Cityblock)),
        ("chebyshev", measure(Measure::Chebyshev)),
    ];
    assert_eq!(cases.len(), all["rdm"].as_object().expect("a table").len(), "every reference is used");
    for (name, spec) in cases {
        let precision = (spec.measure == Measure::Mahalanobis).then(|| dataset(&rows(&all["precision"])));
        let (output, warnings) = with_precision(dataset(&rows(&all["x"])), precision, spec).expect("runs");
        // 1e-12: two ways to sum 20 products in f64.
        close(name, &upper(&output.rdm), &numbers(&all["rdm"][name]), 1e-12);
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
}

#[test]
fn golden_correlation_rdms_compare_as_published() {
    let (x, y) = golden();
    let rdm = |d| upper(&rdm_of(d, Spec::default()).expect("runs").0.rdm);
    let (x, y) = (rdm(x), rdm(y));
    let (r, rho) = (stats::pearson(&x, &y), stats::spearman(&x, &y));
    assert!((r - 0.003_506_246_019_28).abs() < 1e-10, "pearson {r}");
    assert!((rho + 0.004_092_795_694_07).abs() < 1e-10, "spearman {rho}");
}

#[test]
fn an_rdm_is_symmetric_with_an_exact_zero_diagonal() {
    // 130 rows: more than two blocks of the mirror.
    for kind in [Measure::Correlation, Measure::Euclidean, Measure::Cityblock] {
        let (output, _) = rdm_of(dataset(&random(130, 7, 1)), measure(kind)).expect("runs");
        for i in 0..130 {
            assert_eq!(output.rdm.row(i)[i].to_bits(), 0.0f64.to_bits(), "{kind:?}: diagonal {i}");
            for j in 0..i {
                assert_eq!(output.rdm.row(i)[j].to_bits(), output.rdm.row(j)[i].to_bits(), "{kind:?}: {i}, {j}");
            }
        }
    }
}

#[test]
fn constant_rows_are_undefined_and_named() {
    let mut x = random(5, 4, 2);
    x[1] = vec![0.1; 4];
    x[3] = vec![0.0; 4];
    let (output, warnings) = rdm_of(dataset(&x), measure(Measure::Correlation)).expect("runs");
    for i in 0..5 {
        for j in 0..5 {
            let undefined = i != j && [i, j].iter().any(|k| [1, 3].contains(k));
            assert_eq!(output.rdm.row(i)[j].is_nan(), undefined, "entry {i}, {j}");
        }
    }
    assert_eq!(warnings[0].code, "constant_rows");
    assert!(warnings[0].message.starts_with("2 rows (counted from 1: 2, 4) are constant"), "{}", warnings[0].message);
    let (output, warnings) = rdm_of(dataset(&x), measure(Measure::Cosine)).expect("runs");
    assert!(output.rdm.row(0)[3].is_nan() && output.rdm.row(0)[1].is_finite(), "a constant row has a cosine, a zero row has none");
    assert_eq!((warnings.len(), warnings[0].code.as_str()), (1, "zero_rows"));
}

#[test]
fn near_duplicate_rows_keep_their_digits() {
    let mut x = random(6, 50, 3);
    for (a, b) in [(0, 1), (2, 3)] {
        let step = random(1, 50, 9)[0].clone();
        x[b] = x[a].iter().zip(&step).map(|(v, s)| v + 1e-7 * s).collect();
    }
    let centered = |row: &[f64]| stats::centered_unit(row).expect("not constant");
    for i in 0..6 {
        for j in 0..i {
            let square: f64 = x[i].iter().zip(&x[j]).map(|(a, b)| (a - b) * (a - b)).sum();
            let (a, b) = (centered(&x[i]), centered(&x[j]));
            let angle: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / 2.0;
            for (kind, want) in [(Measure::Sqeuclidean, square / 50.0), (Measure::Correlation, angle)] {
                let (output, _) = rdm_of(dataset(&x), measure(kind)).expect("runs");
                let got = output.rdm.row(i)[j];
                // Differences of 1e-7 carry 9 digits of the rows' 16.
                assert!((got - want).abs() <= 1e-8 * want, "{kind:?} {i}, {j}: {got}, want {want}");
            }
        }
    }
}

#[test]
fn a_large_common_mean_costs_no_digits() {
    let x = random(10, 8, 4);
    let shifted: Vec<Vec<f64>> = x.iter().map(|row| row.iter().map(|v| v + 1e6).collect()).collect();
    let rdm = |rows: &[Vec<f64>]| upper(&rdm_of(dataset(rows), measure(Measure::Euclidean)).expect("runs").0.rdm);
    // Adding 1e6 to values of about 1 rounds them at 1e-10.
    close("shifted", &rdm(&shifted), &rdm(&x), 1e-9);
}

#[test]
fn mahalanobis_with_the_identity_is_sqeuclidean() {
    let x = random(9, 6, 5);
    let identity: Vec<Vec<f64>> = (0..6).map(|i| (0..6).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let (w, _) = with_precision(dataset(&x), Some(dataset(&identity)), measure(Measure::Mahalanobis)).expect("runs");
    let (s, _) = rdm_of(dataset(&x), measure(Measure::Sqeuclidean)).expect("runs");
    close("identity", &upper(&w.rdm), &upper(&s.rdm), 1e-14);
}

#[test]
fn powers_do_not_leave_the_range_of_floats() {
    let x = vec![vec![0.0, 0.0], vec![3e-4, 4e-4]];
    let spec = Spec { minkowski_p: 200.0, ..measure(Measure::Minkowski) };
    let (output, _) = rdm_of(dataset(&x), spec).expect("runs");
    close("p = 200", &upper(&output.rdm), &[4e-4], 1e-12);
    let far = vec![vec![1e300, -1e300], vec![-1e300, 1e300], vec![1e300, 0.0]];
    let (output, _) = rdm_of(dataset(&far), measure(Measure::Correlation)).expect("runs");
    close("huge values", &upper(&output.rdm), &[2.0, 0.0, 2.0], 1e-15);
    let message = rdm_of(dataset(&far), measure(Measure::Sqeuclidean)).expect_err("overflows").to_string();
    assert!(message.contains("rescale"), "{message}");
}

#[test]
fn bad_input_is_an_error_with_numbers() {
    let x = || dataset(&random(3, 4, 6));
    let failing = [
        (rdm_of(dataset(&random(1, 4, 6)), Spec::default()), "got 1 row"),
        (rdm_of(dataset(&random(3, 1, 6)), Spec::default()), "at least 2 columns"),
        (rdm_of(x(), measure(Measure::Poisson)), "row "),
        (rdm_of(dataset(&[vec![1.0, 0.0], vec![1.0, 1.0]]), Spec { prior_weight: 0.0, ..measure(Measure::Poisson) }), "row 1, column 2"),
        (rdm_of(x(), Spec { sigma: 0.0, ..measure(Measure::Gaussian) }), "sigma: must be a positive number, got 0"),
        (rdm_of(x(), Spec { minkowski_p: 0.5, ..measure(Measure::Minkowski) }), "at least 1"),
        (rdm_of(x(), Spec { prior_weight: -1.0, ..measure(Measure::Poisson) }), "prior_weight"),
        (rdm_of(x(), measure(Measure::Mahalanobis)), "needs a noise precision matrix"),
        (with_precision(x(), Some(dataset(&random(3, 3, 7))), measure(Measure::Mahalanobis)), "expected a precision matrix of 4 x 4"),
        (with_precision(x(), Some(dataset(&random(4, 4, 7))), measure(Measure::Mahalanobis)), "entry (1, 2)"),
        (with_precision(x(), Some(dataset(&vec![vec![1.0; 4]; 4])), measure(Measure::Mahalanobis)), "not positive definite"),
    ];
    for (result, part) in failing {
        let message = result.expect_err(part).to_string();
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

struct CancelAfter(Cell<u32>);

impl Progress for CancelAfter {
    fn step(&self, _done_frac: f64, _what: &str) -> Result<(), Error> {
        self.0.set(self.0.get().saturating_sub(1));
        if self.0.get() == 0 { Err(Error::Canceled) } else { Ok(()) }
    }
}

#[test]
fn a_run_can_be_canceled() {
    let mut inputs = Inputs::default();
    inputs.insert("x", dataset(&random(4, 5, 8)));
    let device = Device::cpu();
    for kind in [Measure::Correlation, Measure::Cityblock, Measure::Poisson] {
        let spec = Spec { input: "x".into(), ..measure(kind) };
        let progress = CancelAfter(Cell::new(1));
        let context = Context::new(&device, &progress);
        assert_eq!(pollster::block_on(run(&spec, &inputs, &context)), Err(Error::Canceled), "{kind:?}");
        assert!(spec.estimate(&inputs.shapes()).flops > 0.0, "{kind:?} has an estimate");
    }
}

#[test]
fn f32_input_is_widened_and_not_rounded() {
    let x = random(8, 5, 10);
    #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is what is tested")]
    let narrow: Vec<Vec<f32>> = x.iter().map(|row| row.iter().map(|&v| v as f32).collect()).collect();
    let wide: Vec<Vec<f64>> = narrow.iter().map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect();
    let array = ArrayD::from_shape_vec(ndarray::IxDyn(&[8, 5]), narrow.concat()).expect("shape fits");
    let (from_f32, _) = rdm_of(Dataset::from_f32("", array), Spec::default()).expect("runs");
    let (from_f64, _) = rdm_of(dataset(&wide), Spec::default()).expect("runs");
    assert_eq!(from_f32.rdm, from_f64.rdm);
}
