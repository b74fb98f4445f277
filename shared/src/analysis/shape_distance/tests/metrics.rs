//! All metrics, rectangles, folds and parts against numpy and against the metrics that are fitted pair by pair.

use serde_json::Value;

use super::*;
use crate::shapes::{self, IdentityMetric, LinearMetric, PermutationMetric};

/// Reference values of tests/reference/populations.py.
fn fixture(section: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/populations.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).expect("the fixture is in the tree")).expect("it is JSON");
    all[section].take()
}

fn mat(value: &Value) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).expect("a matrix");
    Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
}

/// Train rows over held-out rows of four networks of 5, 5, 3 and 7 columns.
fn networks(linear: &Value) -> Vec<Mat<f64>> {
    let stack = |i: usize| {
        let (a, b) = (mat(&linear["train"][i]), mat(&linear["test"][i]));
        Mat::from_fn(50, a.ncols(), |r, c| if r < 30 { a[(r, c)] } else { b[(r - 30, c)] })
    };
    (0..4).map(stack).collect()
}

fn names(places: impl Iterator<Item = usize>) -> Vec<String> {
    places.map(|i| format!("net{i}")).collect()
}

fn inputs_of(xs: &[Mat<f64>]) -> Inputs {
    let mut inputs = Inputs::default();
    for (i, x) in xs.iter().enumerate() {
        inputs.insert(format!("net{i}"), dataset(x.as_ref()));
    }
    inputs
}

fn run_spec(spec: &Spec, inputs: &Inputs) -> Result<Output, Error> {
    let device = Device::cpu();
    pollster::block_on(run(spec, inputs, &Context::new(&device, &Silent)))
}

fn same(got: &Array, want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.values.len(), want.len(), "{what}");
    for (at, (got, want)) in got.values.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{what}, cell {at}: {got}, not {want}");
    }
}

#[test]
fn linear_distances_match_numpy_in_squares_and_rectangles() {
    let linear = fixture("linear");
    let trains: Vec<Mat<f64>> = networks(&linear).iter().map(|x| x.subrows(0, 30).to_owned()).collect();
    for case in linear["cases"].as_array().expect("cases") {
        let (alpha, score) = (case["alpha"].as_f64().expect("a number"), serde_json::from_value(case["score"].clone()).expect("a score"));
        let spec = Spec { inputs: names(0..4), ..with(alpha, score) };
        let flat = |key: &str| -> Vec<f64> { mat(&case[key]).row_iter().flat_map(|row| row.iter().copied().collect::<Vec<_>>()).collect() };
        let got = run_spec(&spec, &inputs_of(&trains)).expect("runs");
        same(&got.distances, &flat("train"), 1e-9, &format!("alpha {alpha} {score:?}"));
        let cross = Spec { inputs: names(0..2), against: names(2..4), ..spec };
        let got = run_spec(&cross, &inputs_of(&trains)).expect("runs");
        same(&got.distances, &flat("cross_train"), 1e-9, &format!("rectangle, alpha {alpha} {score:?}"));
        assert_eq!((got.names, got.against), (names(0..2), Some(names(2..4))));
    }
}

#[test]
fn angles_of_gram_matrices_match_numpy_both_ways() {
    let linear = fixture("linear");
    let trains: Vec<Mat<f64>> = networks(&linear).iter().map(|x| x.subrows(0, 30).to_owned()).collect();
    let spec = Spec { inputs: names(0..4), metric: Metric::Cka, ..Spec::default() };
    let want: Vec<f64> = mat(&linear["cka"]).row_iter().flat_map(|row| row.iter().copied().collect::<Vec<_>>()).collect();
    same(&run_spec(&spec, &inputs_of(&trains)).expect("runs").distances, &want, 1e-10, "few columns");
    // Rotated in many more columns: the Gram matrices are the same and the way over rows is taken.
    let wide: Vec<Mat<f64>> = trains
        .iter()
        .zip(30u64..)
        .map(|(x, seed)| Mat::from_fn(30, 90, |i, j| if j < x.ncols() { x[(i, j)] } else { 0.0 }) * orthogonal(90, seed))
        .collect();
    same(&run_spec(&spec, &inputs_of(&wide)).expect("runs").distances, &want, 1e-9, "many columns");
    // Held-out rows, on either way, by the definition.
    for xs in [&networks(&linear), &wide_of(&networks(&linear))] {
        let spec = Spec { train_fraction: Some(0.6), seed: 3, ..spec.clone() };
        let rows = spec.splits(50).expect("valid").remove(0);
        let got = run_spec(&spec, &inputs_of(xs)).expect("runs").test_distances.expect("held-out rows");
        let grams: Vec<Mat<f64>> = xs
            .iter()
            .map(|x| {
                let mean = |j: usize| rows.train.iter().map(|i| x[(*i, j)]).sum::<f64>() / 30.0;
                let held = Mat::from_fn(20, x.ncols(), |i, j| x[(rows.test[i], j)] - mean(j));
                &held * held.transpose()
            })
            .collect();
        let want: Vec<f64> =
            (0..16).map(|at| if at / 4 == at % 4 { 0.0 } else { Score::Angular.between(&grams[at / 4], &grams[at % 4]) }).collect();
        same(&got, &want, 1e-9, "held-out rows");
    }
}

fn wide_of(xs: &[Mat<f64>]) -> Vec<Mat<f64>> {
    xs.iter().zip(50u64..).map(|(x, seed)| x * random(x.ncols(), 120, seed)).collect()
}

#[test]
fn every_metric_is_that_of_one_pair_on_fitted_and_held_out_rows() {
    let xs = networks(&fixture("linear"));
    let pairwise: [(Metric, f64, &dyn shapes::Metric); 4] = [
        (Metric::Linear, 1.0, &LinearMetric::default()),
        (Metric::Linear, 0.3, &LinearMetric { alpha: 0.3, center_columns: true, zero_pad: true }),
        (Metric::Permutation, 1.0, &PermutationMetric::default()),
        (Metric::Identity, 1.0, &IdentityMetric::default()),
    ];
    for (metric, alpha, plain) in pairwise {
        for score in [Score::Angular, Score::Euclidean] {
            let spec = Spec { inputs: names(0..4), metric, n_folds: Some(4), ..with(alpha, score) };
            let got = run_spec(&spec, &inputs_of(&xs)).expect("runs");
            let folds = got.folds.expect("folds");
            assert_eq!((&folds.train.shape, &folds.test.shape), (&vec![4, 4, 4], &vec![4, 4, 4]));
            for i in 0..4 {
                for j in (0..4).filter(|j| *j != i) {
                    let want = shapes::cross_validate(plain, xs[i].as_ref(), xs[j].as_ref(), 4, score).expect("folds");
                    for (values, want, mean) in [
                        (&folds.train, &want.train, &got.distances),
                        (&folds.test, &want.test, got.test_distances.as_ref().expect("held out")),
                    ] {
                        let of_pair: Vec<f64> = (0..4).map(|fold| values.values[fold * 16 + i * 4 + j]).collect();
                        for (got, want) in of_pair.iter().zip(want) {
                            assert!((got - want).abs() < 1e-8 * want.max(1.0), "{metric:?} {alpha} {score:?} {i} {j}: {got}, not {want}");
                        }
                        let average = crate::stats::mean(&of_pair);
                        assert!((mean.values[i * 4 + j] - average).abs() < 1e-12, "the mean over folds");
                    }
                }
            }
        }
    }
    let spec = Spec { inputs: names(0..2), n_folds: Some(5), ..Spec::default() };
    let linear = fixture("linear");
    let trains: Vec<Mat<f64>> = networks(&linear).iter().map(|x| x.subrows(0, 30).to_owned()).collect();
    let folds = run_spec(&spec, &inputs_of(&trains)).expect("runs").folds.expect("folds");
    for (got, want) in [(&folds.train, &linear["five_folds"]["train"]), (&folds.test, &linear["five_folds"]["test"])] {
        for (fold, want) in want.as_array().expect("numbers").iter().enumerate() {
            assert!((got.values[fold * 4 + 1] - want.as_f64().expect("a number")).abs() < 1e-10, "numpy's fold {fold}");
        }
    }
}

#[test]
fn permutations_obey_the_triangle_inequality_and_find_copies() {
    let x = random(40, 6, 1);
    let order = Stream::new(2, 0).permutation(6);
    let moved = Mat::from_fn(40, 6, |i, j| x[(i, order[j])]);
    for score in [Score::Angular, Score::Euclidean] {
        let spec = Spec { metric: Metric::Permutation, ..with(1.0, score) };
        assert!(distance(&spec, &x, &moved) < 1e-6, "{score:?}: a permuted copy");
        for seed in 0..10 {
            let xs = [random(20, 6, 10 + seed), random(20, 6, 40 + seed), random(20, 4, 70 + seed)];
            let (output, _) = run_on(&spec, &[&xs[0], &xs[1], &xs[2]]).expect("runs");
            let d = &output.distances;
            for (i, j, k) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)] {
                assert!(d.row(i)[j] <= d.row(i)[k] + d.row(k)[j] + 1e-9, "{score:?}, seed {seed}");
            }
        }
    }
}

fn layer(section: &Value, which: &str, channels: Channels) -> Dataset {
    let images: Vec<Vec<Vec<Vec<f64>>>> = serde_json::from_value(section[which].clone()).expect("images");
    let (n, h, w, c) = (images.len(), images[0].len(), images[0][0].len(), images[0][0][0].len());
    let shape = if channels == Channels::Last { [n, h, w, c] } else { [n, c, h, w] };
    let value = |at: ndarray::IxDyn| match channels {
        Channels::Last => images[at[0]][at[1]][at[2]][at[3]],
        Channels::First => images[at[0]][at[2]][at[3]][at[1]],
    };
    Dataset::from_f64(which, ndarray::ArrayD::from_shape_fn(ndarray::IxDyn(&shape), value))
}

#[test]
fn convolutional_layers_are_shifted_as_in_numpy() {
    let section = fixture("convolution");
    for channels in [Channels::First, Channels::Last] {
        let mut inputs = Inputs::default();
        inputs.insert("x", layer(&section, "x", channels));
        inputs.insert("y", layer(&section, "y", channels));
        let spec = Spec { inputs: vec!["x".into(), "y".into()], metric: Metric::Convolutional, channels, ..Spec::default() };
        let got = run_spec(&spec, &inputs).expect("runs");
        let want = section["minimum"].as_f64().expect("a number");
        assert!((got.distances.values[1] - want).abs() < 1e-10 && (got.distances.values[2] - want).abs() < 1e-10, "the least distance");
        let shifts = got.shifts.expect("shifts");
        assert_eq!(
            (&shifts.down.values[..], &shifts.right.values[..]),
            (&[0.0, 1.0, -1.0, 0.0][..], &[0.0, -1.0, 1.0, 0.0][..]),
            "y is x moved by 1, -1"
        );
        let table: Vec<f64> = mat(&section["table"]).row_iter().flat_map(|row| row.iter().copied().collect::<Vec<_>>()).collect();
        same(&shifts.table.expect("one pair"), &table, 1e-10, "the table");
    }
    // Whitened in part: the shift of plain matrices, one by one.
    let mut inputs = Inputs::default();
    inputs.insert("x", layer(&section, "x", Channels::Last));
    inputs.insert("y", layer(&section, "y", Channels::Last));
    let spec = Spec {
        inputs: vec!["x".into(), "y".into()],
        metric: Metric::Convolutional,
        channels: Channels::Last,
        ..with(0.5, Score::Euclidean)
    };
    let got = run_spec(&spec, &inputs).expect("runs");
    let flat = |name: &str| inputs.get("inputs", name).expect("there").with_columns(3).matrix().expect("finite").to_mat();
    let (x, y) = (flat("x"), flat("y"));
    let rolled = Mat::from_fn(48, 2, |row, c| x[(row / 12 * 12 + (row % 12 / 4 + 2) % 3 * 4 + (row % 4 + 1) % 4, c)]);
    let want = distance(&with(0.5, Score::Euclidean), &rolled, &y);
    assert!((got.distances.values[1] - want).abs() < 1e-9, "{}, not {want}", got.distances.values[1]);
    for (spec, what) in [
        (Spec { n_folds: Some(2), ..spec.clone() }, "held-out"),
        (Spec { inputs: vec!["flat".into(), "y".into()], ..spec.clone() }, "four axes"),
        (Spec { channels: Channels::First, inputs: vec!["x".into(), "other".into()], ..spec }, "maps of"),
    ] {
        inputs.insert("flat", dataset(x.as_ref()));
        inputs.insert("other", Dataset::from_f64("other", ndarray::ArrayD::zeros(ndarray::IxDyn(&[4, 3, 5, 2]))));
        let message = run_spec(&spec, &inputs).expect_err("refused").to_string();
        assert!(message.contains(what), "{message}");
    }
}

#[test]
fn parts_are_those_of_the_whole() {
    let xs: Vec<Mat<f64>> = (0..9).map(|seed| random(20, 4 + usize::try_from(seed % 3).expect("small"), seed)).collect();
    let inputs = inputs_of(&xs);
    let device = Device::cpu();
    let square = Spec { inputs: names(0..9), train_fraction: Some(0.7), ..with(0.4, Score::Euclidean) };
    let rectangle = Spec { inputs: names(0..4), against: names(4..9), ..Spec::default() };
    let folds = Spec { inputs: names(0..5), n_folds: Some(3), metric: Metric::Permutation, ..Spec::default() };
    for spec in [square, rectangle, folds] {
        let flops = spec.estimate(&inputs.shapes()).flops;
        let spec = AnalysisSpec::ShapeDistance(spec);
        let whole = pollster::block_on(crate::run(&spec, &inputs, &device, &Silent)).expect("runs");
        let parts = tasks::divide(&spec, &inputs.shapes(), flops / 7.0);
        assert!(parts.len() >= 6, "{} parts", parts.len());
        let pieces: Vec<_> =
            parts.iter().map(|part| pollster::block_on(tasks::run(&spec, part, &inputs, &device, &Silent)).expect("runs")).collect();
        let joined = tasks::join(&spec, pieces.iter().cloned().map(Ok), &inputs, &device, &Silent).expect("joins");
        assert_eq!(joined, whole, "bit for bit");
        let crate::analysis::Output::ShapeDistance(whole) = &whole.output else { panic!("distances") };
        let some = tasks::preview(&spec, pieces.iter().take(2).cloned().map(Ok)).expect("previews").expect("a matrix");
        let crate::analysis::Output::ShapeDistance(some) = some else { panic!("distances") };
        let known = some.distances.values.iter().filter(|v| v.is_finite()).count();
        assert!(known > 0 && known < whole.distances.values.len(), "{known} cells are known");
        for (some, whole) in some.distances.values.iter().zip(&whole.distances.values) {
            assert!(some.is_nan() || some == whole, "what is known is right");
        }
        let short = tasks::join(&spec, pieces.iter().skip(1).cloned().map(Ok), &inputs, &device, &Silent);
        assert!(short.expect_err("a piece is missing").to_string().contains("missing"), "a missing piece is named");
    }
}

#[test]
fn a_run_shows_what_it_knows() {
    struct Watch(std::cell::RefCell<Vec<usize>>);
    impl Progress for Watch {
        fn step(&self, _done_frac: f64, _what: &str) -> Result<(), Error> {
            Ok(())
        }
        fn preview(&self, known: &dyn Fn() -> Option<crate::analysis::Output>) {
            let Some(crate::analysis::Output::ShapeDistance(output)) = known() else { panic!("distances") };
            self.0.borrow_mut().push(output.distances.values.iter().filter(|v| v.is_finite()).count());
        }
    }
    let xs: Vec<Mat<f64>> = (0..6).map(|seed| random(20, 4, seed)).collect();
    let (device, watch) = (Device::cpu(), Watch(std::cell::RefCell::default()));
    let spec = Spec { inputs: names(0..6), ..Spec::default() };
    pollster::block_on(run(&spec, &inputs_of(&xs), &Context::new(&device, &watch))).expect("runs");
    let known = watch.0.into_inner();
    assert!(known.len() >= 5 && known.is_sorted() && known[0] < 36 && known.last() == Some(&36), "{known:?}");
}

#[test]
fn what_does_not_go_together_is_named() {
    let xs: Vec<Mat<f64>> = (0..3).map(|seed| random(12, 4, seed)).collect();
    let spec = Spec { inputs: names(0..3), ..Spec::default() };
    for (spec, what) in [
        (Spec { alpha: 0.5, metric: Metric::Cka, ..spec.clone() }, "alpha"),
        (Spec { n_folds: Some(1), ..spec.clone() }, "n_folds"),
        (Spec { n_folds: Some(11), ..spec.clone() }, "2 to 10"),
        (Spec { n_folds: Some(3), train_fraction: Some(0.5), ..spec.clone() }, "not both"),
        (Spec { inputs: Vec::new(), against: names(0..2), ..spec.clone() }, "none named"),
    ] {
        let message = run_spec(&spec, &inputs_of(&xs)).expect_err("refused").to_string();
        assert!(message.contains(what), "{message}");
    }
}

/// Three clusters of rotated, noisy copies are found by every way to cluster, from the matrix of distances.
#[test]
fn planted_populations_are_found() {
    use crate::analysis::clustering::{self, Method};
    use crate::analysis::embedding::Linkage;
    let planted: Vec<usize> = (0..21).map(|i| [0, 1, 2, 1, 0, 2, 2][i % 7]).collect();
    let copies: Vec<Mat<f64>> = planted
        .iter()
        .zip(0u64..)
        .map(|(which, seed)| {
            (random(30, 6, 900 + *which as u64) + faer::Scale(0.3) * random(30, 6, 100 + seed)) * orthogonal(6, 300 + seed)
        })
        .collect();
    let mut inputs = inputs_of(&copies);
    for metric in [Metric::Linear, Metric::Cka] {
        let spec = Spec { inputs: names(0..21), metric, ..Spec::default() };
        let distances = run_spec(&spec, &inputs).expect("runs").distances;
        inputs.insert("D", Dataset::from_rows("D", 21, 21, distances.values).expect("square"));
        let agglomerative = |linkage| Method::Agglomerative { linkage, n_clusters: 3, threshold: None };
        for method in [
            agglomerative(Linkage::Single),
            agglomerative(Linkage::Complete),
            agglomerative(Linkage::Average),
            agglomerative(Linkage::Ward),
            Method::KMedoids { n_clusters: 3 },
            Method::Dbscan { eps: 0.6, min_samples: 3 },
            Method::Optics { min_samples: 4, max_eps: None, xi: 0.05 },
            Method::Hdbscan { min_cluster_size: 4, min_samples: None },
        ] {
            let spec = clustering::Spec { input: "D".into(), rdm: None, method };
            let device = Device::cpu();
            let found = pollster::block_on(clustering::run(&spec, &inputs, &Context::new(&device, &Silent))).expect("runs");
            let labels: Vec<Option<u32>> = planted.iter().map(|which| Some(u32::try_from(*which).expect("small"))).collect();
            assert_eq!(found.labels, labels, "{metric:?}, {method:?}");
        }
    }
}
