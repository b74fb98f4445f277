use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::Silent;
use crate::rng::Stream;
use crate::stats::count;

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn orthogonal(p: usize, seed: u64) -> Mat<f64> {
    random(p, p, seed).qr().compute_thin_Q()
}

fn permutation(p: usize, seed: u64) -> Mat<f64> {
    matrix_of(&Map::Columns(Stream::new(seed, 0).permutation(p)), p).into_owned()
}

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

fn mats(value: &Value) -> Vec<Mat<f64>> {
    value.as_array().expect("matrices").iter().map(mat).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).expect("numbers")
}

fn near(got: f64, want: f64, tolerance: f64, what: &str) {
    assert!((got - want).abs() <= tolerance, "{what}: {got}, not {want}");
}

fn far(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).norm_max()
}

#[derive(Deserialize)]
struct Case {
    alpha: f64,
    score: Score,
    train: Vec<Vec<f64>>,
    test: Vec<Vec<f64>>,
}

#[test]
fn metrics_match_numpy_on_fitted_and_held_out_rows() {
    let linear = fixture("linear");
    let (train, test) = (mats(&linear["train"]), mats(&linear["test"]));
    let cases: Vec<Case> = serde_json::from_value(linear["cases"].clone()).expect("cases");
    for case in cases {
        let metric = LinearMetric { alpha: case.alpha, ..LinearMetric::default() };
        for i in 0..4 {
            for j in (0..4).filter(|j| *j != i) {
                let fit = metric.fit(train[i].as_ref(), train[j].as_ref()).expect("fits");
                for (rows, want) in [(&train, &case.train), (&test, &case.test)] {
                    let got = fit.score(rows[i].as_ref(), rows[j].as_ref(), case.score).expect("scores");
                    // alpha 0 with padded columns: the floor of 1e-7 amplifies rounding of their eigenvalues.
                    near(got, want[i][j], 1e-9 * want[i][j].max(1.0), &format!("alpha {} {:?} {i} {j}", case.alpha, case.score));
                }
            }
        }
    }
    let (x, y) = (train[0].as_ref(), train[1].as_ref());
    let fit = PermutationMetric::default().fit(x, y).expect("fits");
    let columns: Vec<usize> = serde_json::from_value(linear["permutation"]["y_column_of_x_column"].clone()).expect("columns");
    assert_eq!((&fit.x.map, &fit.y.map), (&Map::Columns((0..5).collect()), &Map::Columns(columns)), "two arrays of indices");
    for (score, name) in [(Score::Angular, "angular"), (Score::Euclidean, "euclidean")] {
        let want = &linear["permutation"][name];
        near(fit.score(x, y, score).expect("scores"), want["train"].as_f64().expect("a number"), 1e-10, name);
        near(fit.score(test[0].as_ref(), test[1].as_ref(), score).expect("scores"), want["test"].as_f64().expect("a number"), 1e-10, name);
    }
    let folds = cross_validate(&LinearMetric::default(), x, y, 5, Score::Angular).expect("folds");
    for (got, want) in [(&folds.train, &linear["five_folds"]["train"]), (&folds.test, &linear["five_folds"]["test"])] {
        got.iter().zip(numbers(want)).for_each(|(got, want)| near(*got, want, 1e-10, "five folds"));
    }
}

/// The published numbers of ten folds of 256 x 2.
#[test]
fn ten_folds_give_the_published_distances() {
    let ten = fixture("linear")["ten_folds"].take();
    let (x, y) = (mat(&ten["x"]), mat(&ten["y"]));
    let folds = cross_validate(&LinearMetric::default(), x.as_ref(), y.as_ref(), 10, Score::Angular).expect("folds");
    let train = [
        0.466_260_67,
        0.461_400_01,
        0.466_239_68,
        0.468_666_04,
        0.471_496_37,
        0.470_783_56,
        0.467_825_96,
        0.465_045_87,
        0.463_022_38,
        0.461_978_76,
    ];
    let test = [
        0.488_065_46,
        0.506_288_53,
        0.485_462_68,
        0.462_533_4,
        0.376_559_37,
        0.410_997_3,
        0.474_188_75,
        0.495_618_57,
        0.502_145_59,
        0.512_006_11,
    ];
    for (got, want) in folds.train.iter().chain(&folds.test).zip(train.iter().chain(&test)) {
        near(*got, *want, 1e-8, "published");
    }
}

#[test]
fn permuted_columns_are_found() {
    let x = random(100, 10, 1);
    let y = &x * permutation(10, 2);
    for score in [Score::Angular, Score::Euclidean] {
        near(PermutationMetric::default().fit_score(x.as_ref(), y.as_ref(), score).expect("fits"), 0.0, 1e-6, "permuted");
        assert!(IdentityMetric::default().fit_score(x.as_ref(), y.as_ref(), score).expect("fits") > 0.1, "without alignment they differ");
    }
    // The matching is the same for two widths as for zero columns appended by hand.
    let narrow = x.subcols(0, 7).to_owned();
    let fit = PermutationMetric::default().fit(narrow.as_ref(), y.as_ref()).expect("fits");
    let by_hand = padded(narrow.clone(), 10);
    let want = PermutationMetric::default().fit_score(by_hand.as_ref(), y.as_ref(), Score::Euclidean).expect("fits");
    near(fit.score(narrow.as_ref(), y.as_ref(), Score::Euclidean).expect("scores"), want, 1e-12, "padded");
}

#[test]
fn whitening_gives_a_unit_gram_or_keeps_the_variance() {
    let (x, _) = centered(random(100, 10, 3).as_ref(), true);
    let gram = |z: &Mat<f64>| z.transpose() * z;
    let plain = gram(&(&x * whitening(x.as_ref(), 0.0, 10, false).expect("whitens")));
    assert!(far(&plain, &Mat::identity(10, 10)) < 1e-12, "unit Gram");
    let scaled = gram(&(&x * whitening(x.as_ref(), 0.0, 10, true).expect("whitens")));
    let scale = scaled[(0, 0)];
    assert!(far(&scaled, &(faer::Scale(scale) * Mat::<f64>::identity(10, 10))) < 1e-10, "a multiple of it");
    for alpha in [0.0, 0.5, 1.0] {
        let z = &x * whitening(x.as_ref(), alpha, 10, true).expect("whitens");
        near(z.squared_norm_l2(), x.squared_norm_l2(), 1e-7, "kept variance");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (x, y) = (random(10, 3, 1), random(10, 4, 2));
    let strict = LinearMetric { zero_pad: false, ..LinearMetric::default() };
    assert!(matches!(strict.fit(x.as_ref(), y.as_ref()), Err(Error::Shape { .. })), "widths");
    let bad = LinearMetric { alpha: 1.5, ..LinearMetric::default() };
    assert!(matches!(bad.fit(x.as_ref(), y.as_ref()), Err(Error::Parameter { .. })), "alpha");
    assert!(matches!(LinearMetric::default().fit(x.as_ref(), random(9, 3, 1).as_ref()), Err(Error::RowMismatch { .. })), "rows");
    let fit = LinearMetric::default().fit(x.as_ref(), y.as_ref()).expect("fits");
    let message = fit.transform(y.as_ref(), y.as_ref()).expect_err("other columns").to_string();
    assert_eq!(message, "x: expected 3 columns, as fitted, got 4 columns");
    for folds in [0, 1, 11] {
        assert!(cross_validate(&LinearMetric::default(), x.as_ref(), y.as_ref(), folds, Score::Angular).is_err(), "{folds} folds");
    }
}

fn options(group: Group, averaging: Averaging) -> Options {
    Options { group, averaging, tol: 1e-12, max_iter: 3000, seed: 1 }
}

#[test]
fn averages_and_tangent_spaces_match_numpy() {
    let average_section = fixture("average");
    let networks = mats(&average_section["networks"]);
    for (group, name) in [(Group::Orthogonal, "orth"), (Group::Permutation, "perm")] {
        // Started as the reference: permutations have several optima.
        let found = average(&networks, Some(&networks[0]), &options(group, Averaging::FullBatch), &Silent).expect("averages");
        let want = &average_section[name];
        let gram = &found.mean * found.mean.transpose();
        assert!(far(&gram, &mat(&want["gram"])) < 1e-8, "{name}: the Gram matrix of the mean");
        let residuals: Vec<Mat<f64>> = networks.iter().zip(&found.maps).map(|(x, map)| &found.mean - map.apply(x.as_ref())).collect();
        let products = Mat::from_fn(3, 3, |i, j| inner(&residuals[i], &residuals[j]));
        assert!(far(&products, &mat(&want["residual_products"])) < 1e-8, "{name}: the tangent space");
        let squares: f64 = residuals.iter().map(Mat::squared_norm_l2).sum();
        near(squares, want["sum_of_squares"].as_f64().expect("a number"), 1e-8, name);
    }
    let path = Path::between(networks[0].as_ref(), networks[1].as_ref(), Group::Orthogonal, Score::Euclidean).expect("a path");
    let half = path.at(0.5);
    assert!(far(&(&half * half.transpose()), &mat(&average_section["half_way_gram"])) < 1e-10, "half way");
}

#[test]
fn averages_of_copies_align_them() {
    let template = random(12, 4, 5);
    for group in [Group::Orthogonal, Group::Permutation] {
        let element = |seed| if group == Group::Orthogonal { orthogonal(4, seed) } else { permutation(4, seed) };
        let copies: Vec<Mat<f64>> = (0..4).map(|seed| &template * element(10 + seed)).collect();
        let before = copies.clone();
        for averaging in [Averaging::FullBatch, Averaging::Streaming, Averaging::Sequential] {
            let found = average(&copies, None, &options(group, averaging), &Silent).expect("averages");
            let aligned: Vec<Mat<f64>> = copies.iter().zip(&found.maps).map(|(x, map)| map.apply(x.as_ref())).collect();
            for (i, a) in aligned.iter().enumerate() {
                assert!((a - &aligned[0]).norm_l2() < 1e-6 && (a - &found.mean).norm_l2() < 1e-6, "{group:?} {averaging:?}: copy {i}");
            }
            let gram = |x: &Mat<f64>| x * x.transpose();
            assert!(far(&gram(&found.mean), &gram(&template)) < 1e-6, "{group:?} {averaging:?}: the template up to a rotation");
        }
        assert!(copies.iter().zip(&before).all(|(a, b)| a == b), "arguments are not changed");
    }
}

#[test]
fn averages_have_their_corner_cases() {
    let xs = [random(6, 3, 1), random(6, 3, 2)];
    let plain = average(&xs, None, &options(Group::Identity, Averaging::FullBatch), &Silent).expect("averages");
    assert!(far(&plain.mean, &(faer::Scale(0.5) * (&xs[0] + &xs[1]))) < 1e-15, "the plain mean");
    let alone = average(&xs[..1], None, &Options::default(), &Silent).expect("averages");
    assert_eq!(alone.mean, xs[0], "itself");
    assert!(average(&[], None, &Options::default(), &Silent).is_err(), "nothing");
    assert!(average(&[xs[0].clone(), random(6, 4, 1)], None, &Options::default(), &Silent).is_err(), "shapes");
    let runs: Vec<Mat<f64>> = [3, 3, 4]
        .map(|seed| {
            average(&xs, None, &Options { seed, averaging: Averaging::Streaming, ..Options::default() }, &Silent).expect("averages").mean
        })
        .into();
    assert!(runs[0] == runs[1] && runs[0] != runs[2], "the seed is honored");
    // The sum of squares never grows from sweep to sweep.
    let noisy: Vec<Mat<f64>> = (0..5).map(|seed| random(8, 3, 20 + seed)).collect();
    let squares = |sweeps| {
        let options = Options { max_iter: sweeps, ..options(Group::Orthogonal, Averaging::FullBatch) };
        let found = average(&noisy, None, &options, &Silent).expect("averages");
        noisy.iter().zip(&found.maps).map(|(x, map)| (map.apply(x.as_ref()) - &found.mean).squared_norm_l2()).sum::<f64>()
    };
    let falling: Vec<f64> = (1..12).map(squares).collect();
    assert!(falling.windows(2).all(|w| w[1] <= w[0] + 1e-12), "{falling:?}");
}

/// The plain iteration, which extrapolation only makes faster.
#[test]
fn extrapolated_averages_are_those_of_the_plain_iteration() {
    let template = random(40, 5, 7);
    let noisy: Vec<Mat<f64>> =
        (0..12).map(|seed| (&template + faer::Scale(0.8) * random(40, 5, 90 + seed)) * orthogonal(5, 10 + seed)).collect();
    let found = average(&noisy, Some(&noisy[0]), &options(Group::Orthogonal, Averaging::FullBatch), &Silent).expect("averages");
    let (mut mean, mut n_sweeps) = (noisy[0].clone(), 0);
    loop {
        let before = mean.clone();
        mean = Mat::zeros(40, 5);
        for x in &noisy {
            mean += faer::Scale(1.0 / 12.0) * align(x.as_ref(), before.as_ref(), Group::Orthogonal).expect("aligns").apply(x.as_ref());
        }
        n_sweeps += 1;
        if (&mean - &before).norm_l2() / 200f64.sqrt() < 1e-12 {
            break;
        }
    }
    let gram = |x: &Mat<f64>| x * x.transpose();
    assert!(far(&gram(&found.mean), &gram(&mean)) < 1e-9, "one average");
    assert!(found.n_sweeps < n_sweeps, "{} sweeps instead of {n_sweeps}", found.n_sweeps);
}

#[test]
fn rotations_of_any_condition_are_closest() {
    // Well and badly conditioned, and of less than full rank: `U V'` either way.
    for scale in [1.0, 1e-2, 1e-4, 0.0] {
        let m = Mat::from_fn(6, 6, |i, j| random(6, 6, 3)[(i, j)] * if j == 0 { scale } else { 1.0 });
        let turn = rotation(m.as_ref()).expect("a rotation");
        assert!(far(&(turn.transpose() * &turn), &Mat::identity(6, 6)) < 1e-13, "orthogonal, {scale}");
        let nuclear: f64 = crate::linalg::spectral::singular_values(m.as_ref()).expect("converges").iter().sum();
        near(inner(&turn, &m), nuclear, 1e-11 * nuclear, "the closest");
    }
}

#[test]
fn distance_kernels_of_aligned_copies_are_positive() {
    let xs: Vec<Mat<f64>> = (0..6).map(|seed| random(10, 4, 40 + seed)).collect();
    let found = average(&xs, None, &options(Group::Orthogonal, Averaging::FullBatch), &Silent).expect("averages");
    let aligned: Vec<Mat<f64>> = xs.iter().zip(&found.maps).map(|(x, map)| map.apply(x.as_ref())).collect();
    for score in [Score::Angular, Score::Euclidean] {
        let distances = Mat::from_fn(6, 6, |i, j| if i == j { 0.0 } else { score.between(&aligned[i], &aligned[j]) });
        for lambda in [0.1, 0.7, 3.0] {
            let kernel = distance_kernel(&distances, lambda);
            let values = symmetric_eigen(kernel.as_ref()).expect("converges").values;
            assert!(values[5] >= -1e-10, "{score:?}, lambda {lambda}: {values:?}");
        }
    }
}

#[test]
fn clusters_match_numpy_and_find_planted_ones() {
    let kmeans = fixture("average")["kmeans"].take();
    let networks = mats(&kmeans["networks"]);
    let options = Options { tol: 1e-10, ..Options::default() };
    let found = clusters(&networks, 2, Score::Angular, 4, 100, &options, &Silent).expect("clusters");
    let labels: Vec<usize> = serde_json::from_value(kmeans["labels"].clone()).expect("labels");
    assert_eq!((&found.labels, found.converged), (&labels, true));
    // Averages of rounds stop after 10 sweeps; labels were stable for two rounds, so that they have converged to 1e-6.
    assert!(far(&found.distances, &mat(&kmeans["centroid_distances"])) < 1e-5, "distances to the centers");
    let templates: Vec<Mat<f64>> = (0..3).map(|seed| random(20, 5, 60 + seed)).collect();
    let planted: Vec<usize> = (0..18).map(|i| [0, 1, 1, 2, 0, 2][i % 6]).collect();
    let copies: Vec<Mat<f64>> = planted
        .iter()
        .zip(0u64..)
        .map(|(&which, seed)| (&templates[which] + faer::Scale(0.2) * random(20, 5, 100 + seed)) * orthogonal(5, 200 + seed))
        .collect();
    let found = clusters(&copies, 3, Score::Angular, 8, 100, &Options::default(), &Silent).expect("clusters");
    assert_eq!(found.labels, planted);
    for (which, center) in found.centers.iter().enumerate() {
        let angle = LinearMetric { center_columns: false, ..LinearMetric::default() };
        let angle = angle.fit_score(center.as_ref(), templates[which].as_ref(), Score::Angular).expect("fits");
        assert!(angle < 0.12, "center {which} is {angle} from its template; a member is about 0.2");
    }
    assert!(
        clusters(&copies, 0, Score::Angular, 1, 9, &options, &Silent).is_err()
            && clusters(&copies, 19, Score::Angular, 1, 9, &options, &Silent).is_err()
    );
    let each = clusters(&copies, 18, Score::Angular, 1, 9, &options, &Silent).expect("clusters");
    assert!(each.cost < 1e-10, "every one its own cluster");
}

#[test]
fn paths_are_as_long_as_their_ends_are_far_and_even() {
    let (x, y) = (random(9, 4, 1), random(9, 4, 2));
    for score in [Score::Angular, Score::Euclidean] {
        for group in [Group::Orthogonal, Group::Permutation, Group::Identity] {
            let path = Path::between(x.as_ref(), y.as_ref(), group, score).expect("a path");
            let distance = |a: &Mat<f64>, b: &Mat<f64>| {
                let moved = align(b.as_ref(), a.as_ref(), group).expect("aligns").apply(b.as_ref());
                score.between(a, &moved)
            };
            for (s, t) in [(0.0, 1.0), (0.25, 0.5), (0.3, 0.9)] {
                near(distance(&path.at(s), &path.at(t)), (t - s) * path.length(), 1e-7, &format!("{score:?} {group:?} {s} to {t}"));
            }
        }
    }
    let still = Path::between(x.as_ref(), (&x * orthogonal(4, 3)).as_ref(), Group::Orthogonal, Score::Angular).expect("a path");
    assert!(far(&still.at(0.5), &(faer::Scale(1.0 / x.norm_l2()) * &x)) < 1e-7, "equal shapes");
}

fn responses(section: &Value, which: &str) -> Responses {
    let covariances = mats(&section[format!("{which}_covariances")]);
    Responses::new(mat(&section[format!("{which}_means")]), &covariances, 0.0).expect("covariances")
}

#[test]
fn gaussian_distances_match_numpy() {
    let section = fixture("stochastic")["gaussian"].take();
    let (x, y) = (responses(&section, "x"), responses(&section, "y"));
    let given = mat(&section["given"]);
    for case in section["scores"].as_array().expect("cases") {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let metric = Gaussian { alpha: number("alpha"), ..Gaussian::default() };
        let what = format!("alpha {}", metric.alpha);
        near(metric.score(&x, &y, &Mat::identity(3, 3)).expect("scores"), number("identity"), 1e-9, &what);
        near(metric.score(&x, &y, &given).expect("scores"), number("given"), 1e-9, &what);
        let fit = metric.fit(&x, &y).expect("fits");
        // The last steps of both are below the tolerance of the fit.
        near(metric.score(&x, &y, &fit.map).expect("scores"), number("orth"), 1e-6, &what);
        let want = numbers(&case["losses"]);
        fit.losses.iter().zip(&want).for_each(|(got, want)| near(*got, *want, 1e-9, &what));
        assert!(fit.losses.len().abs_diff(want.len()) <= 1, "{what}: {} iterations, not {}", fit.losses.len(), want.len());
        let restarts = Gaussian { n_random: 20, ..metric };
        let best = restarts.fit(&x, &y).expect("fits");
        near(restarts.score(&x, &y, &best.map).expect("scores"), number("best_of_50_restarts"), 1e-5, &format!("{what}, restarts"));
    }
    let metric = Gaussian { group: Group::Permutation, ..Gaussian::default() };
    let fit = metric.fit(&x, &y).expect("fits");
    near(metric.score(&x, &y, &fit.map).expect("scores"), section["perm"]["iterated"].as_f64().expect("a number"), 1e-9, "permutation");
}

/// Rotated means with unit covariances, and zero means with rotated covariances.
#[test]
fn rotated_gaussians_are_the_same() {
    let (q, means) = (orthogonal(4, 1), random(6, 4, 2));
    let spread = Mat::from_fn(4, 4, |i, j| if i == j { 10f64.powf(-1.0 + 2.0 * count(i) / 3.0) } else { 0.0 });
    for (means, covariance) in [(means, Mat::identity(4, 4)), (Mat::zeros(6, 4), spread)] {
        let turned = q.transpose() * &covariance * &q;
        let x = Responses::new(means.clone(), &vec![covariance; 6], 0.0).expect("covariances");
        let y = Responses::new(&means * &q, &vec![turned; 6], 0.0).expect("covariances");
        let metric = Gaussian::default();
        let fit = metric.fit(&x, &y).expect("fits");
        assert!(metric.score(&x, &y, &fit.map).expect("scores").abs() < 1e-6, "rotated");
    }
}

#[test]
fn gaussian_distances_have_their_lower_bound_and_losses_fall() {
    let section = fixture("stochastic")["gaussian"].take();
    let (x, y) = (responses(&section, "x"), responses(&section, "y"));
    let score = |alpha| {
        let metric = Gaussian { alpha, n_random: 10, ..Gaussian::default() };
        let fit = metric.fit(&x, &y).expect("fits");
        assert!(fit.losses.windows(2).all(|w| w[1] <= w[0] + 1e-10), "alpha {alpha}: {:?}", fit.losses);
        metric.score(&x, &y, &fit.map).expect("scores")
    };
    let (d0, d2) = (score(0.0), score(2.0));
    for step in 0..10 {
        let alpha = 2.0 * count(step) / 9.0;
        let bound = ((1.0 - alpha / 2.0) * d0 * d0 + alpha / 2.0 * d2 * d2).sqrt();
        assert!(score(alpha) >= bound - 1e-6, "alpha {alpha}");
    }
}

#[test]
fn bures_distances_equal_their_slow_form() {
    for seed in 0..5 {
        let root = |seed| {
            let x = random(6, 4, seed);
            gaussian::root((x.transpose() * &x).as_ref(), 0.0).expect("a covariance")
        };
        let (a, b) = (root(seed), root(seed + 50));
        // tr A + tr B - 2 tr (A^.5 B A^.5)^.5
        let inner = &a * (&b * &b) * &a;
        let roots: f64 = symmetric_eigen(inner.as_ref()).expect("converges").values.iter().map(|v| v.max(0.0).sqrt()).sum();
        let slow = a.squared_norm_l2() + b.squared_norm_l2() - 2.0 * roots;
        near(bures(a.as_ref(), b.as_ref()).expect("finite"), slow, 1e-6, "Bures");
    }
}

#[test]
fn repeats_give_means_and_covariances() {
    let repeats: Vec<Mat<f64>> = (0..3).map(|i| random(50, 4, i)).collect();
    let x = Responses::of_repeats(&repeats, 0.25).expect("repeats");
    let column: Vec<f64> = repeats[1].col_as_slice(2).to_vec();
    near(x.means[(1, 2)], crate::stats::mean(&column), 1e-15, "mean");
    let covariance = &x.roots[1] * &x.roots[1];
    near(covariance[(2, 2)], crate::stats::variance(&column, 1) + 0.25, 1e-12, "variance and ridge");
    assert!(Responses::of_repeats(&[random(1, 4, 1)], 0.0).is_err(), "one repeat");
    assert!(Responses::new(random(2, 3, 1), &[Mat::identity(3, 3)], 0.0).is_err(), "one covariance for two conditions");
    let negative = Mat::from_fn(3, 3, |i, j| if i == j { count(i) - 1.0 } else { 0.0 });
    let message = Responses::new(random(1, 3, 1), &[negative], 0.0).expect_err("no covariance").to_string();
    assert!(message.contains("eigenvalue"), "{message}");
}

#[test]
fn energy_distances_match_numpy_and_losses_fall() {
    let section = fixture("stochastic")["energy"].take();
    let (x, y) = (mats(&section["x"]), mats(&section["y"]));
    let metric = Energy::default();
    near(metric.score(&x, &y, &Mat::identity(3, 3)).expect("scores"), section["identity"].as_f64().expect("a number"), 1e-12, "identity");
    let fit = metric.fit(&x, &y).expect("fits");
    let want = numbers(&section["losses"]);
    assert_eq!(fit.losses.len(), want.len());
    fit.losses.iter().zip(&want).for_each(|(got, want)| near(*got, *want, 1e-9, "loss"));
    assert!(fit.losses.windows(2).all(|w| w[1] < w[0] + 1e-12), "falling");
    near(metric.score(&x, &y, &fit.map).expect("scores"), section["orth"].as_f64().expect("a number"), 1e-9, "fitted");
    // Rotated repeats are the same; other numbers of repeats are allowed.
    let turned: Vec<Mat<f64>> = x.iter().map(|x| x * orthogonal(3, 1)).collect();
    let fit = metric.fit(&x, &turned).expect("fits");
    let one = metric.score(&x, &turned, &fit.map).expect("scores");
    assert!(one < 0.7, "the repeats of one condition are far from each other, the fit is not exact: {one}");
    let fewer: Vec<Mat<f64>> = y.iter().map(|y| y.subrows(0, 3).to_owned()).collect();
    assert!(metric.fit(&x, &fewer).is_ok() && metric.fit(&x, &y[..4]).is_err());
}

#[test]
fn rotated_processes_are_the_same() {
    let trials: Vec<Mat<f64>> = (0..40).map(|seed| random(3, 2, seed)).collect();
    let q = orthogonal(2, 7);
    let turned: Vec<Mat<f64>> = trials.iter().map(|trial| trial * &q).collect();
    let (x, y) = (Process::of_trials(&trials, 0.0).expect("trials"), Process::of_trials(&turned, 0.0).expect("trials"));
    let metric = Gaussian { n_random: 10, ..Gaussian::default() };
    let fit = metric.fit_process(&x, &y).expect("fits");
    assert!(fit.losses.windows(2).all(|w| w[1] <= w[0] + 1e-10), "{:?}", fit.losses);
    near(metric.score_process(&x, &y, &fit.map).expect("scores"), 0.0, 1e-6, "rotated");
    // The map is that of the plain definition: no other on a grid of rotations and reflections is better.
    let noisy: Vec<Mat<f64>> = turned.iter().zip(50u64..).map(|(x, seed)| x + random(3, 2, seed)).collect();
    let z = Process::of_trials(&noisy, 0.0).expect("trials");
    let fit = metric.fit_process(&x, &z).expect("fits");
    let best = metric.score_process(&x, &z, &fit.map).expect("scores");
    for step in 0..720 {
        let (sin, cos) = (f64::from(step % 360).to_radians()).sin_cos();
        let sign = if step < 360 { 1.0 } else { -1.0 };
        let other = Mat::from_fn(2, 2, |i, j| [[cos, -sin * sign], [sin, cos * sign]][i][j]);
        assert!(metric.score_process(&x, &z, &other).expect("scores") > best - 1e-6, "{step} degrees");
    }
    // One time: the Gaussian metric with one condition.
    let flat = |trials: &[Mat<f64>]| Mat::from_fn(trials.len(), 2, |i, j| trials[i][(0, j)]);
    let short = |trials: &[Mat<f64>]| trials.iter().map(|t| t.subrows(0, 1).to_owned()).collect::<Vec<_>>();
    let (a, b) = (Process::of_trials(&short(&trials), 0.0).expect("trials"), Process::of_trials(&short(&noisy), 0.0).expect("trials"));
    let (c, d) =
        (Responses::of_repeats(&[flat(&trials)], 0.0).expect("repeats"), Responses::of_repeats(&[flat(&noisy)], 0.0).expect("repeats"));
    let (one, other) = (metric.fit_process(&a, &b).expect("fits"), metric.fit(&c, &d).expect("fits"));
    near(metric.score_process(&a, &b, &one.map).expect("scores"), metric.score(&c, &d, &other.map).expect("scores"), 1e-9, "one time");
}

#[test]
fn shifts_are_all_tried_at_once() {
    let section = fixture("convolution");
    let load = |key: &str| {
        let images: Vec<Vec<Vec<Vec<f64>>>> = serde_json::from_value(section[key].clone()).expect("images");
        let rows: Vec<Vec<f64>> = images.into_iter().flatten().flatten().collect();
        Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j])
    };
    let (x, y) = (centered(load("x").as_ref(), true).0, centered(load("y").as_ref(), true).0);
    let (a, b) = (Convolution::new(x.as_ref(), 4, (3, 4)), Convolution::new(y.as_ref(), 4, (3, 4)));
    let want = mat(&section["table"]);
    for (at, (product, shift)) in a.products(&b).iter().zip(a.shifts()).enumerate() {
        let rolled = Mat::from_fn(x.nrows(), x.ncols(), |row, c| {
            let (image, i, j) = (row / 12, row % 12 / 4, row % 4);
            let from = |i: usize, shift: isize, n: isize| (i.cast_signed() - shift).rem_euclid(n).unsigned_abs();
            x[(image * 12 + from(i, shift.down, 3) * 4 + from(j, shift.right, 4), c)]
        });
        assert!(far(product, &(rolled.transpose() * &y)) < 1e-12, "{shift:?}");
        let nuclear: f64 = crate::linalg::spectral::singular_values(product.as_ref()).expect("converges").iter().sum();
        near(Score::Angular.of(nuclear, x.norm_l2(), y.norm_l2()), want[(at / 4, at % 4)], 1e-10, &format!("{shift:?}"));
    }
}
