//! Numbers of scikit-learn, made by `tests/reference/few_shot.py`, and the gradients written out.

use std::path::PathBuf;

use faer::Mat;
use serde_json::Value;

use super::*;
use crate::rng::Stream;
use crate::{Error, Progress, Silent};

/// `tests/fixtures/few_shot.json`.
pub(crate) fn fixture() -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/few_shot.json");
    serde_json::from_slice(&std::fs::read(path).expect("the fixture is committed")).expect("the fixture is JSON")
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(|v| v.as_f64().expect("a number")).collect()
}

pub(crate) fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a count")).expect("small")
}

fn rows(values: &[f64], p: usize) -> Mat<f64> {
    Mat::from_fn(values.len() / p, p, |i, j| values[i * p + j])
}

struct Case {
    name: String,
    k: usize,
    x: Mat<f64>,
    test: Mat<f64>,
    codes: Vec<usize>,
    want: Value,
}

fn cases() -> Vec<Case> {
    let all = fixture();
    let one = |case: &Value| {
        let p = count(&case["p"]);
        Case {
            name: case["name"].as_str().expect("a name").into(),
            k: count(&case["n_classes"]),
            x: rows(&numbers(&case["x"]), p),
            test: rows(&numbers(&case["test"]), p),
            codes: case["codes"].as_array().expect("codes").iter().map(count).collect(),
            want: case.clone(),
        }
    };
    all["fits"].as_array().expect("cases").iter().map(one).collect()
}

#[track_caller]
fn close(what: &str, got: &Mat<f64>, want: &[f64], tolerance: f64) {
    let k = got.ncols();
    for i in 0..got.nrows() {
        for j in 0..k {
            assert!((got[(i, j)] - want[i * k + j]).abs() <= tolerance, "{what} {i},{j}: {} instead of {}", got[(i, j)], want[i * k + j]);
        }
    }
}

/// Largest entry of the gradient of the mean loss plus |W|^2 / (2 n), by the weights and the intercepts, from the definition.
fn gradient(fit: &Linear, x: &Mat<f64>, codes: &[usize]) -> f64 {
    let probabilities = logistic::log_probabilities(fit.scores(x.as_ref()).as_ref());
    let (n, m) = (x.nrows(), fit.weights.ncols());
    let class = |j: usize| if m == 1 { 1 } else { j };
    let r = Mat::from_fn(n, m, |i, j| probabilities[(i, class(j))].exp() - f64::from(u8::from(codes[i] == class(j))));
    let by_weights = x.transpose() * &r + &fit.weights;
    let by_intercepts = (0..m).map(|j| crate::stats::sum(r.col_as_slice(j)).abs()).fold(0.0, f64::max);
    by_weights.norm_max().max(by_intercepts) / crate::stats::count(n)
}

#[test]
fn logistic_regression_is_that_of_scikit_learn() {
    for case in cases() {
        let fit = logistic::fit(case.x.as_ref(), &case.codes, case.k, &logistic::Options::default(), &Silent).expect("fits");
        assert_eq!(fit.info.stopped, StopReason::Converged, "{}", case.name);
        assert!(gradient(&fit, &case.x, &case.codes) <= 1e-8, "{}: the gradient is zero", case.name);
        // A gradient of 1e-9 of the mean loss leaves weights within n times that: the penalty is 1 / n strong.
        close(&format!("{}: weight", case.name), &fit.weights, &numbers(&case.want["weights"]), 1e-5);
        let intercepts = Mat::from_fn(1, fit.intercepts.len(), |_, j| fit.intercepts[j]);
        close(&format!("{}: intercept", case.name), &intercepts, &numbers(&case.want["intercepts"]), 1e-5);
        let logs = logistic::log_probabilities(fit.scores(case.test.as_ref()).as_ref());
        let probabilities = Mat::from_fn(logs.nrows(), case.k, |i, j| logs[(i, j)].exp());
        close(&format!("{}: probability", case.name), &probabilities, &numbers(&case.want["probabilities"]), 1e-6);
    }
}

#[test]
fn support_vector_machines_are_those_of_scikit_learn() {
    for case in cases() {
        let fit = margin::fit(case.x.as_ref(), &case.codes, case.k, &margin::Options::default(), &Silent).expect("fits");
        assert_eq!(fit.info.stopped, StopReason::Converged, "{}", case.name);
        // The reference stops at a gradient of 1e-10 of the first one; the penalty is 1 strong.
        close(&format!("{}: weight", case.name), &fit.weights, &numbers(&case.want["svm_weights"]), 1e-5);
        let intercepts = Mat::from_fn(1, fit.intercepts.len(), |_, j| fit.intercepts[j]);
        close(&format!("{}: intercept", case.name), &intercepts, &numbers(&case.want["svm_intercepts"]), 1e-5);
    }
}

#[test]
fn a_gram_matrix_is_all_that_a_fit_needs() {
    for case in cases() {
        let (gram, cross) = (&case.x * case.x.transpose(), &case.test * case.x.transpose());
        let options = logistic::Options::default();
        let by_features = logistic::fit(case.x.as_ref(), &case.codes, case.k, &options, &Silent).expect("fits");
        let by_rows = logistic::fit_gram(gram.clone(), &case.codes, case.k, &options, &Silent).expect("fits");
        let difference = by_features.scores(case.test.as_ref()) - by_rows.scores(cross.as_ref());
        assert!(difference.norm_max() < 1e-6, "{}: logistic, {}", case.name, difference.norm_max());
        let by_features = margin::fit(case.x.as_ref(), &case.codes, case.k, &margin::Options::default(), &Silent).expect("fits");
        let by_rows = margin::fit_gram(gram, &case.codes, case.k, &margin::Options::default(), &Silent).expect("fits");
        let difference = by_features.scores(case.test.as_ref()) - by_rows.scores(cross.as_ref());
        assert!(difference.norm_max() < 1e-6, "{}: margin, {}", case.name, difference.norm_max());
    }
}

#[test]
fn one_against_one_machines_are_those_of_scikit_learn() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/probe.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).expect("the fixture is committed")).expect("the fixture is JSON");
    for case in all.as_array().expect("cases") {
        let x = rows(&numbers(&case["x"]), count(&case["p"]));
        let labels: Vec<String> = serde_json::from_value(case["labels"].clone()).expect("texts");
        let classes = crate::labels::Classes::of(labels).sorted();
        for machine in case["machines"].as_array().expect("fits") {
            let stop = Stop { tolerance: 1e-12, ..hinge::Options::default().stop };
            let options = hinge::Options { c: machine["c"].as_f64().expect("a number"), stop };
            let fit = hinge::fit(x.as_ref(), &classes.codes, classes.names.len(), &options).expect("fits");
            assert_eq!(fit.info.stopped, StopReason::Converged, "{}: {:?}", case["name"], fit.info);
            // A violation of 1e-12 leaves the objective within some 1e-12 of its minimum, and weights within the root.
            close(&format!("{}: weight", case["name"]), &fit.weights, &numbers(&machine["weights"]), 1e-6);
            let intercepts = Mat::from_fn(1, fit.intercepts.len(), |_, j| fit.intercepts[j]);
            close(&format!("{}: intercept", case["name"]), &intercepts, &numbers(&machine["intercepts"]), 1e-6);
        }
    }
}

#[test]
fn machines_of_equal_rows_have_no_weights_and_votes_go_to_the_first() {
    let x = Mat::from_fn(6, 2, |_, _| 1.5);
    let fit = hinge::fit(x.as_ref(), &[0, 1, 2, 0, 1, 2], 3, &hinge::Options::default()).expect("fits");
    assert!(fit.weights.norm_max() < 1e-12 && fit.info.stopped == StopReason::Converged, "{fit:?}");
    // Each class wins once: (0, 1) for 0, (0, 2) for 2, (1, 2) for 1.
    let scores = Mat::from_fn(1, 3, |_, j| [1.0, -1.0, 1.0][j]);
    assert_eq!(hinge::vote(scores.as_ref(), 3), [0]);
    let absent = hinge::fit(x.as_ref(), &[0, 0, 0, 0, 1, 1], 3, &hinge::Options::default()).expect_err("no rows of class 2");
    assert!(absent.to_string().contains("class 3 of 3 has no training rows"), "{absent}");
}

/// Rows of k classes that overlap, at any scale and place.
fn overlapping(n: usize, p: usize, k: usize, scale: f64, place: f64) -> (Mat<f64>, Vec<usize>) {
    let mut rng = Stream::new(7, 0);
    let centers = Mat::from_fn(k, p, |_, _| rng.normal() * 0.5);
    let codes: Vec<usize> = (0..n).map(|i| i % k).collect();
    (Mat::from_fn(n, p, |i, j| scale * (centers[(codes[i], j)] + rng.normal()) + place), codes)
}

#[test]
fn fits_end_at_a_minimum_at_every_scale() {
    // Rounding of the gradient grows with the square of the features: the tolerance is absolute up to where that is larger.
    for (scale, place, tolerance) in [(1e-3, 0.0, 1e-8), (1.0, 30.0, 1e-8), (100.0, 0.0, 1e-8), (1e5, 0.0, 1e-7)] {
        for (n, p) in [(60, 5), (20, 50)] {
            let (x, codes) = overlapping(n, p, 4, scale, place);
            let fit = logistic::fit(x.as_ref(), &codes, 4, &logistic::Options::default(), &Silent).expect("fits");
            let gradient = gradient(&fit, &x, &codes);
            assert!(gradient <= tolerance, "{n} x {p} at {scale} + {place}: {gradient:e}, {:?}", fit.info);
            let fit = margin::fit(x.as_ref(), &codes, 4, &margin::Options::default(), &Silent).expect("fits");
            assert_eq!(fit.info.stopped, StopReason::Converged, "{n} x {p} at {scale} + {place}: {:?}", fit.info);
        }
    }
}

#[test]
fn one_large_feature_does_not_stop_a_fit() {
    let (mut x, codes) = overlapping(80, 6, 3, 1.0, 0.0);
    x.col_as_slice_mut(2).iter_mut().for_each(|v| *v *= 1e4);
    let fit = logistic::fit(x.as_ref(), &codes, 3, &logistic::Options::default(), &Silent).expect("fits");
    assert_eq!(fit.info.stopped, StopReason::Converged, "{:?}", fit.info);
    assert!(gradient(&fit, &x, &codes) <= 1e-8, "{:?}", fit.info);
}

#[test]
fn equal_rows_of_different_classes_are_no_obstacle() {
    let (x, mut codes) = overlapping(12, 30, 3, 1.0, 0.0);
    let doubled = Mat::from_fn(24, 30, |i, j| x[(i / 2, j)]);
    codes = (0..24).map(|i| if i % 2 == 0 { codes[i / 2] } else { (codes[i / 2] + 1) % 3 }).collect();
    let fit = logistic::fit(doubled.as_ref(), &codes, 3, &logistic::Options::default(), &Silent).expect("fits");
    assert!(gradient(&fit, &doubled, &codes) <= 1e-8, "{:?}", fit.info);
    let constant = Mat::from_fn(6, 3, |_, _| 4.0);
    let fit = logistic::fit(constant.as_ref(), &[0, 1, 2, 0, 1, 2], 3, &logistic::Options::default(), &Silent).expect("fits");
    assert!(fit.weights.norm_max() == 0.0 && fit.intercepts.iter().all(|b| b.abs() < 1e-12), "nothing to tell classes by: {fit:?}");
}

#[test]
fn what_cannot_be_fitted_is_an_error() {
    let x = Mat::from_fn(4, 2, |i, j| if i == j { 1.0 } else { 0.0 });
    let options = logistic::Options::default();
    let absent = logistic::fit(x.as_ref(), &[0, 0, 2, 2], 3, &options, &Silent).expect_err("class 1 has no rows");
    assert!(absent.to_string().contains("class 2 of 3 has no training rows"), "{absent}");
    assert!(matches!(logistic::fit(x.as_ref(), &[0, 1], 2, &options, &Silent), Err(Error::Internal { .. })), "two codes for four rows");
    let huge = Mat::from_fn(4, 2, |i, _| if i % 2 == 0 { 1e200 } else { -1e200 });
    for error in [
        logistic::fit(huge.as_ref(), &[0, 1, 0, 1], 2, &options, &Silent).expect_err("overflow"),
        margin::fit(huge.as_ref(), &[0, 1, 0, 1], 2, &margin::Options::default(), &Silent).expect_err("overflow"),
    ] {
        assert!(matches!(&error, Error::Numerical { message, .. } if message.contains("overflow")), "{error}");
    }
}

#[test]
fn a_fit_can_be_canceled() {
    struct Stopped;
    impl Progress for Stopped {
        fn step(&self, _done_frac: f64, _what: &str) -> Result<(), Error> {
            Err(Error::Canceled)
        }
    }
    let (x, codes) = overlapping(20, 4, 2, 1.0, 0.0);
    assert_eq!(logistic::fit(x.as_ref(), &codes, 2, &logistic::Options::default(), &Stopped).err(), Some(Error::Canceled));
}

#[test]
fn log_probabilities_do_not_overflow() {
    let two = logistic::log_probabilities(Mat::from_fn(1, 1, |_, _| 1000.0).as_ref());
    assert_eq!((two[(0, 0)], two[(0, 1)]), (-1000.0, 0.0));
    let three = logistic::log_probabilities(Mat::from_fn(1, 3, |_, j| [1e4, 0.0, 1e4][j]).as_ref());
    assert!((three[(0, 0)] + 2.0f64.ln()).abs() < 1e-12 && three[(0, 1)] < -9e3, "{three:?}");
}
