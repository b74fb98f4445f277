//! Input that does not fit: one sentence, or a defined result.

use super::*;

fn data() -> Inputs {
    let (x, labels) = clouds(2, 6, 3, 1.0, 11);
    inputs(&x, 3, &[1.0; 12], &labels)
}

#[track_caller]
fn refused(spec: &Spec, data: &Inputs, words: &str) {
    let message = try_run(spec, data).expect_err("refused").to_string();
    assert!(message.contains(words), "{message}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let data = data();
    let logistic = || Spec { folds: 3, ..spec(Estimator::Logistic) };
    refused(&Spec { layers: Vec::new(), ..logistic() }, &data, "at least one layer");
    refused(&Spec { layers: vec!["X".into(), "X".into()], ..logistic() }, &data, "\"X\" is named twice");
    refused(&Spec { c: Some(0.0), ..logistic() }, &data, "above 0");
    refused(&Spec { c: Some(f64::NAN), ..logistic() }, &data, "above 0");
    refused(&Spec { alpha: Some(1.0), ..logistic() }, &data, "use c");
    refused(&Spec { c: Some(1.0), ..spec(Estimator::Ridge) }, &data, "use alpha");
    refused(&Spec { alpha: Some(-1.0), ..spec(Estimator::Ridge) }, &data, "at least 0");
    refused(&Spec { alpha: Some(0.0), ..spec(Estimator::Lasso) }, &data, "above 0");
    refused(&Spec { pca: Some(0), ..logistic() }, &data, "at least 1");
    refused(&spec(Estimator::Corr), &data, "choose uv");
    refused(&Spec { nested: true, ..logistic() }, &data, "choose uv");
    refused(&Spec { models: true, map: Map::Uv, ..spec(Estimator::Corr) }, &data, "no model");
    refused(&Spec { folds: 1, ..logistic() }, &data, "1 folds");
    let few = try_run(&Spec { folds: 7, ..logistic() }, &data).expect_err("six rows a class");
    assert!(few.to_string().contains("class \"class 0\" has 6 rows; at least 7"), "{few}");
    let many = try_run(&Spec { folds: 13, ..spec(Estimator::Glm) }, &data).expect_err("twelve rows");
    assert_eq!(many.field(), Some("folds"), "{many}");
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let mut data = data();
    let logistic = || Spec { folds: 3, ..spec(Estimator::Logistic) };
    refused(&Spec { labels: Labels::default(), targets: "Y".into(), ..logistic() }, &data, "needs labels");
    refused(&Spec { targets: String::new(), ..spec(Estimator::Glm) }, &data, "choose a classifier");
    refused(&Spec { columns: vec!["speed".into()], ..spec(Estimator::Glm) }, &data, "no column \"speed\"; the columns are: column 1");
    data.insert("Z", Dataset::from_rows("Z", 11, 2, vec![0.0; 22]).expect("fits"));
    refused(&Spec { layers: vec!["X".into(), "Z".into()], ..logistic() }, &data, "X has 12 rows but Z has 11");
    refused(&Spec { targets: "Z".into(), ..spec(Estimator::Glm) }, &data, "Z has 11");
    data.insert("L", table(&vec![String::from("same"); 12]));
    refused(&logistic(), &data, "at least 2 classes");
    data.insert("L", table(&vec![String::from("short"); 5]));
    refused(&logistic(), &data, "L has 5");
    data.insert("X", Dataset::from_rows("X", 12, 0, Vec::new()).expect("fits"));
    refused(&spec(Estimator::Glm), &data, "at least one feature");
    let mut values = vec![0.5; 36];
    values[7] = f64::NAN;
    data.insert("X", Dataset::from_rows("X", 12, 3, values).expect("fits"));
    refused(&spec(Estimator::Glm), &data, "row 3, column 2");
    data.insert("X", Dataset::from_f64("X", ArrayD::zeros(IxDyn(&[12, 1, 1, 1, 1]))));
    refused(&spec(Estimator::Glm), &data, "5 axes");
    data.insert("X", Dataset::from_f64("X", ArrayD::zeros(IxDyn(&[12]))));
    refused(&spec(Estimator::Glm), &data, "1 axes");
}

#[test]
fn a_split_with_one_class_to_train_on_is_an_error_and_an_absent_class_is_never_predicted() {
    let (x, labels) = clouds(2, 6, 3, 1.0, 12);
    let data = inputs(&x, 3, &[0.0; 12], &labels);
    let halves = Cv::Kfold { k: 2, shuffle: false, seed: 0 };
    refused(&Spec { cv: Some(halves), ..spec(Estimator::Logistic) }, &data, "one class only (6 rows)");
    let (x, labels) = clouds(3, 6, 3, 1.0, 13);
    let data = inputs(&x, 3, &[0.0; 18], &labels);
    for estimator in CLASSIFIERS {
        let found = output(&Spec { cv: Some(Cv::Kfold { k: 3, shuffle: false, seed: 0 }), ..spec(estimator) }, &data);
        assert_eq!(found.layers[0].mean.values, [0.0], "each split holds out a class that it has not seen");
    }
}

#[test]
fn constant_units_and_targets_have_no_scores() {
    let (_, labels) = clouds(2, 6, 3, 1.0, 14);
    let y: Vec<f64> = (0..12).map(f64::from).collect();
    for p in [3, 20] {
        let constant = inputs(&vec![0.3; 12 * p], p, &y, &labels);
        for estimator in CLASSIFIERS {
            for pca in [None, Some(2)] {
                let found = output(&Spec { folds: 3, pca, ..spec(estimator) }, &constant);
                assert_eq!(found.layers[0].mean.values, [0.5], "{estimator:?}: always one class");
            }
        }
        for estimator in [Estimator::Glm, Estimator::Ridge, Estimator::Lasso] {
            let found = output(&Spec { folds: 3, ..spec(estimator) }, &constant);
            assert!(found.layers[0].mean.values[0] < 0.0, "{estimator:?}: the mean of other rows is a poor guess");
        }
        refused(&Spec { map: Map::Uv, ..spec(Estimator::Corr) }, &constant, "no unit of iteration 1 of 1 has a score for \"column 1\"");
    }
    let data = data();
    let (found, warnings) = try_run(&Spec { folds: 3, ..spec(Estimator::Glm) }, &data).expect("a constant target");
    assert!(
        found.layers[0].mean.values[0].is_nan() && warnings.iter().any(|w| w.message.starts_with("3 scores are undefined")),
        "{warnings:?}"
    );
    refused(&Spec { map: Map::Uv, folds: 3, ..spec(Estimator::Glm) }, &data, "has a score");
}

#[test]
fn values_that_overflow_are_refused() {
    let (x, labels) = clouds(2, 6, 3, 1.0, 15);
    for p in [3, 20] {
        let wide: Vec<f64> = x.chunks(3).flat_map(|row| (0..p).map(|j| row[j % 3] * 1e200)).collect();
        let y: Vec<f64> = (0..12).map(f64::from).collect();
        let data = inputs(&wide, p, &y, &labels);
        for estimator in [Estimator::Logistic, Estimator::Svc] {
            let error = try_run(&Spec { folds: 3, ..spec(estimator) }, &data).expect_err("overflow");
            assert!(matches!(error, Error::Numerical { .. }), "{estimator:?}: {error}");
        }
    }
}
