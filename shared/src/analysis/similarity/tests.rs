use faer::Mat;

use super::*;
use crate::linalg::spectral::{center_columns, double_centered};
use crate::rng::Stream;
use crate::{Array, Dataset, Device, Warning};

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn rotation(p: usize, seed: u64) -> Mat<f64> {
    random(p, p, seed).qr().compute_thin_Q()
}

fn dataset(x: &Mat<f64>) -> Dataset {
    let array = Array::from_mat(x.as_ref());
    Dataset::from_rows("x", x.nrows(), x.ncols(), array.values).expect("fits")
}

fn evaluate(measures: &[&str], x: &Mat<f64>, y: &Mat<f64>) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("x", dataset(x));
    inputs.insert("y", dataset(y));
    let spec = Spec { x: "x".into(), y: "y".into(), measures: measures.iter().map(|m| (*m).into()).collect() };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn all(x: &Mat<f64>, y: &Mat<f64>) -> BTreeMap<String, f64> {
    let output = evaluate(&[ALL], x, y).expect("runs").0;
    assert!(output.left_out.iter().all(|(_, why)| why.contains("takes long")), "all apply: {:?}", output.left_out);
    output.values
}

/// The measures that `all` evaluates.
fn quick() -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().filter(|entry| !entry.is_slow)
}

fn value(name: &str, x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    let (output, _) = evaluate(&[name], x, y).expect("runs");
    *output.values.get(name).unwrap_or_else(|| panic!("{name}: {:?}", output.left_out))
}

/// Two related sets of different variances along their columns and with means that are not zero; rows are about 1 apart, as wide as kernels.
fn related() -> (Mat<f64>, Mat<f64>) {
    let x = random(80, 12, 1);
    let y = &x * random(12, 12, 2) + random(80, 12, 3);
    let shaped = |m: &Mat<f64>, scale: f64, shift: f64| {
        Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] * scale * (1.0 + 0.2 * count(j)) + shift)
    };
    (shaped(&x, 0.15, 0.1), shaped(&y, 0.04, -0.06))
}

#[test]
fn every_name_of_the_catalogue_is_read_and_is_there_once() {
    for (i, entry) in CATALOGUE.iter().enumerate() {
        assert!(Measure::parse(entry.name).is_ok(), "{}", entry.name);
        assert!(CATALOGUE[..i].iter().all(|other| other.name != entry.name), "{} twice", entry.name);
        assert!(entry.status != Status::Disputed || !entry.note.is_empty(), "{} says which convention it follows", entry.name);
    }
}

#[test]
fn measures_are_invariant_to_what_the_catalogue_says_and_to_nothing_else() {
    let (x, y) = related();
    let base = all(&x, &y);
    let mut order: Vec<usize> = (0..12).collect();
    order.rotate_left(5);
    let changes = [
        (Invariance::TRANSLATION, Mat::from_fn(80, 12, |i, j| x[(i, j)] + [0.3, -0.1, 0.2, 0.05][j % 4])),
        (Invariance::SCALE, Mat::from_fn(80, 12, |i, j| 1.7 * x[(i, j)])),
        (Invariance::ROTATION, &x * rotation(12, 9)),
        (Invariance::LINEAR, &x * random(12, 12, 10)),
        (Invariance::PERMUTATION, Mat::from_fn(80, 12, |i, j| x[(i, order[j])])),
    ];
    let mut wrong = Vec::new();
    for (flag, changed) in changes {
        let found = all(&changed, &y);
        for entry in quick() {
            let (before, after) = (base[entry.name], found[entry.name]);
            let difference = (before - after).abs() / before.abs().max(1.0);
            let is_said = entry.invariances.contains(flag);
            if if is_said { difference > 1e-7 } else { difference < 1e-6 } {
                wrong.push(format!("{} {flag:?}: {before} to {after}, said to be invariant: {is_said}", entry.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn metrics_have_the_axioms_and_symmetry_is_as_said() {
    let sets: Vec<Mat<f64>> = (0..5u64).map(|i| faer::Scale(0.15) * (random(80, 12, 20 + i) + random(80, 12, 4))).collect();
    let mut tables = vec![vec![BTreeMap::new(); sets.len()]; sets.len()];
    for (i, x) in sets.iter().enumerate() {
        for (j, y) in sets.iter().enumerate() {
            tables[i][j] = all(x, y);
        }
    }
    for entry in quick() {
        let d = |i: usize, j: usize| tables[i][j][entry.name];
        let asymmetry = (0..5).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| (d(i, j) - d(j, i)).abs()).fold(0.0, f64::max);
        assert_eq!(asymmetry < 1e-9, entry.is_symmetric, "{}: asymmetry {asymmetry}", entry.name);
        if entry.is_metric {
            for i in 0..5 {
                // arccos is steep at 1: an error of 1e-15 in the cosine is 5e-8 in the angle.
                assert!(d(i, i).abs() < 1e-6, "{}: {} from itself", entry.name, d(i, i));
                for (j, k) in (0..5).flat_map(|j| (0..5).map(move |k| (j, k))) {
                    assert!(d(i, k) <= d(i, j) + d(j, k) + 1e-7, "{}: triangle {i} {j} {k}", entry.name);
                }
            }
        }
    }
}

#[test]
fn a_set_is_most_similar_to_itself() {
    let (x, _) = related();
    let own = all(&x, &x);
    for entry in quick().filter(|e| {
        e.direction == Direction::Similarity
            && !["ensd", "ridge", "rcca", "pls", "soft_matching-epsilon"].iter().any(|family| e.name.starts_with(family))
    }) {
        let held_out = entry.name.contains("cv=");
        let found = own[entry.name];
        let is_one = match entry.name {
            // Ranks of r = q = m: sum 2 / 2m over sum 1 / m.
            name if name.starts_with("cycle") => found <= 1.0,
            _ if held_out => found > 0.999,
            _ => (found - 1.0).abs() < 1e-9,
        };
        assert!(is_one, "{}: {found}", entry.name);
    }
    let svd = crate::linalg::spectral::thin_svd(
        {
            let mut centered = x.clone();
            center_columns(&mut centered);
            centered
        }
        .as_ref(),
    )
    .expect("converges");
    let (sum, squares) = svd.s.iter().map(|s| s * s).fold((0.0, 0.0), |(a, b), v| (a + v, b + v * v));
    assert!((own["ensd-score"] - sum * sum / squares).abs() < 1e-9, "the participation ratio");
}

#[test]
fn identities_between_families_hold() {
    let (x, y) = related();
    let of = |name: &str| value(name, &x, &y);
    let near = |a: f64, b: f64, what: &str| assert!((a - b).abs() < 1e-10 * b.abs().max(1.0), "{what}: {a} and {b}");
    near(of("procrustes-distance=angular"), of("nbs-score").acos(), "angle of nbs");
    near(of("procrustes-distance=euclidean").powi(2), of("procrustes-distance=squared_euclidean"), "squared");
    near(of("shape-alpha=1-distance=angular"), of("procrustes-distance=angular"), "alpha 1");
    near(of("shape-alpha=1-distance=euclidean"), of("procrustes-distance=euclidean"), "alpha 1, Euclidean");
    // Whitening goes through eigenvalues of X'X, whose relative error is that of s^2: 1e-8 in the angle.
    assert!((of("shape-alpha=0-distance=angular") - of("cca-score").acos()).abs() < 1e-7, "alpha 0");
    near(of("rsa-rdm=squared_euclidean-compare=cosine_cov-score"), of("cka-score"), "whitened cosine is linear CKA");
    near(of("rsa-rdm=squared_euclidean-compare=bures-score"), of("nbs-score"), "Bures of squared distances");
    near(of("gulp-lambda=0"), 24.0 - 2.0 * 12.0 * of("cca-squared_score"), "GULP without a penalty");
    near(of("linreg-r2-y_from_x"), value("linreg-r2-x_from_y", &y, &x), "directions");
    let mut centered = x.clone();
    center_columns(&mut centered);
    let song = "cka-hsic=song-score";
    near(of(song), value(song, &centered, &y), "the unbiased estimate needs no centering");
    near(of("rcca-k=0-score"), of("cca-score"), "no regularization");
}

/// The values of `tests/reference/similarity.py`, which has the definitions and none of the shortcuts.
#[test]
fn values_equal_an_independent_implementation() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/similarity.json");
    let text = std::fs::read_to_string(fixture).expect("the fixture is there");
    let cases: BTreeMap<String, Case> = serde_json::from_str(&text).expect("it is JSON");
    let mut n = 0;
    for (case, Case { x, y, values }) in &cases {
        let mat = |rows: &[Vec<f64>]| Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j]);
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        let (output, _) = evaluate(&names, &mat(x), &mat(y)).expect("runs");
        for (name, want) in values {
            let tolerance = match name.as_str() {
                // The reference takes small generalized eigenvalues beside large ones and loses six digits of them.
                name if name.starts_with("airm") => 1e-5,
                // The accuracy of components found by iteration.
                name if name.starts_with("pls") => 1e-6,
                _ => 1e-9,
            };
            match (output.values.get(name), want) {
                (Some(got), Some(want)) => {
                    assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{case}, {name}: {got}, not {want}");
                }
                (got, want) => assert_eq!(got, want.as_ref(), "{case}, {name}: {:?}", output.left_out.get(name)),
            }
            n += 1;
        }
    }
    assert!(n > 250, "{n} values");
}

#[derive(serde::Deserialize)]
struct Case {
    x: Vec<Vec<f64>>,
    y: Vec<Vec<f64>>,
    values: BTreeMap<String, Option<f64>>,
}

#[test]
fn closed_forms_of_linear_kernels_equal_the_kernels() {
    let (x, y) = related();
    let (a, b) = (Side::of("x", x), Side::of("y", y));
    for hsic in [name::Hsic::Gretton, name::Hsic::Song, name::Hsic::Lange] {
        let closed = kernel::alignment(&a, &b, name::Kernel::Linear, hsic);
        let (k, l) = (&a.x * a.x.transpose(), &b.x * b.x.transpose());
        let (kc, lc) = (double_centered(&k), double_centered(&l));
        let of = |u: &Mat<f64>, v: &Mat<f64>, uc: &Mat<f64>, vc: &Mat<f64>| match hsic {
            name::Hsic::Gretton => side::inner(uc, vc),
            name::Hsic::Song => kernel::unbiased(u, v),
            name::Hsic::Lange => side::inner(uc, vc) - (0..80).map(|i| uc[(i, i)] * vc[(i, i)]).sum::<f64>(),
        };
        let plain = of(&k, &l, &kc, &lc) / (of(&k, &k, &kc, &kc) * of(&l, &l, &lc, &lc)).sqrt();
        assert!((closed - plain).abs() < 1e-12, "{hsic:?}: {closed} and {plain}");
    }
}

#[test]
fn what_does_not_apply_is_left_out_with_a_reason() {
    let (output, warnings) = evaluate(&[ALL], &random(9, 12, 1), &random(9, 5, 2)).expect("runs");
    assert!(output.left_out["isc-score"].contains("12 and 5"), "{:?}", output.left_out);
    assert!(output.left_out["cca-score"].contains("12"));
    assert!(output.left_out["mutual_knn-k=10-score"].contains("at least 11 samples"));
    assert!(output.values.contains_key("cka-kernel=linear-hsic=gretton-score"), "others are there");
    assert_eq!(output.values.len() + output.left_out.len(), CATALOGUE.len());
    assert_eq!(warnings, []);

    let (output, warnings) = evaluate(&["cka", "cca", "magnitude_difference"], &Mat::full(30, 3, 2.0), &random(30, 3, 2)).expect("runs");
    assert_eq!(warnings.len(), 1, "constant data");
    assert!(output.left_out["cka"].contains("undefined") && output.left_out["cca"].contains("undefined"), "{:?}", output.left_out);
    assert_eq!(output.values.len(), 1);
}

#[test]
fn bad_input_is_one_sentence() {
    let refused = |measures: &[&str], x: &Mat<f64>, y: &Mat<f64>| evaluate(measures, x, y).expect_err("an error").to_string();
    let x = random(8, 3, 1);
    assert!(refused(&["cka"], &x, &random(9, 3, 2)).contains('9'), "row counts");
    assert!(refused(&[], &x, &x).contains("no measure"), "no measure");
    assert!(refused(&["nonsense"], &x, &x).contains("no family \"nonsense\""), "unknown");
    let hole = Mat::from_fn(8, 3, |i, j| if i == 2 && j == 1 { f64::NAN } else { 1.0 });
    assert!(refused(&["cka"], &hole, &x).contains("NaN"), "not finite");
}

#[test]
fn slow_measures_are_invariant_and_zero_for_equal_sets() {
    let (x, y) = related();
    for (name, least) in [("rtd-rows=60-batches=2", 0.1), ("geometry_score-repeats=3", 1e-6), ("rtd", 0.1)] {
        let base = value(name, &x, &y);
        assert!(base > least, "{name}: {base}");
        let moved = Mat::from_fn(80, 12, |i, j| 1.7 * x[(i, j)] + [0.3, -0.1][j % 2]) * rotation(12, 9);
        let found = value(name, &moved, &y);
        assert!((base - found).abs() < 1e-7 * base.max(1.0), "{name}: {base} and {found}");
        assert!((base - value(name, &(&x * random(12, 12, 10)), &y)).abs() > 1e-6, "{name}: a linear map counts");
        assert!((base - value(name, &y, &x)).abs() < 1e-9, "{name}: symmetric");
        assert_eq!(value(name, &x, &x), 0.0, "{name}: of a set and itself");
    }
    let seeds = [0, 1].map(|seed| value(&format!("geometry_score-repeats=2-seed={seed}"), &x, &y));
    assert_ne!(seeds[0], seeds[1], "the seed counts");
}

#[test]
fn batches_pools_and_entropy_follow_their_definitions() {
    let (x, y) = related();
    let near = |a: f64, b: f64, what: &str| assert!((a - b).abs() < 1e-10 * b.abs().max(1.0), "{what}: {a} and {b}");
    near(value("cka-hsic=song-batch=80-score", &x, &y), value("cka-hsic=song-score", &x, &y), "one batch");
    near(
        value("cka-kernel=(rbf-sigma=median*1.0)-hsic=song-batch=80-score", &x, &y),
        value("cka-kernel=(rbf-sigma=median*1.0)-hsic=song-score", &x, &y),
        "one batch of another kernel",
    );
    // Two batches of 30 rows, 20 rows are left out.
    let sums = |a: &Mat<f64>, b: &Mat<f64>| -> f64 {
        [0, 30]
            .iter()
            .map(|start| {
                let gram = |m: &Mat<f64>| m.subrows(*start, 30) * m.subrows(*start, 30).transpose();
                kernel::unbiased(&gram(a), &gram(b))
            })
            .sum()
    };
    near(value("cka-hsic=song-batch=30-score", &x, &y), sums(&x, &y) / (sums(&x, &x) * sums(&y, &y)).sqrt(), "two batches");
    // Entropy costs little at a small epsilon, and never gives more than the best transport.
    let narrow = y.subcols(0, 8).to_owned();
    let exact = value("soft_matching-score", &x, &narrow);
    let gaps: Vec<f64> =
        [0.2, 0.1, 0.03].iter().map(|epsilon| exact - value(&format!("soft_matching-epsilon={epsilon}-score"), &x, &narrow)).collect();
    assert!(gaps.is_sorted_by(|a, b| a > b) && gaps[2] > 0.0 && gaps[2] < 0.01, "{gaps:?}");
    let error = evaluate(&["soft_matching-score"], &random(8, 2500, 1), &random(8, 3, 2)).expect("runs").0;
    assert!(error.left_out["soft_matching-score"].contains("epsilon=0.05"), "{:?}", error.left_out);
}

#[derive(serde::Deserialize)]
struct Clouds {
    circle: Vec<Vec<f64>>,
    eight: Vec<Vec<f64>>,
    divergence: f64,
    chosen: Vec<Vec<usize>>,
    times: BTreeMap<String, Vec<Vec<f64>>>,
}

/// The values of `tests/reference/topology.py`, whose complexes and bars are gudhi's.
#[test]
fn holes_are_those_of_gudhi() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/topology.json");
    let text = std::fs::read_to_string(fixture).expect("the fixture is there");
    let clouds: Clouds = serde_json::from_str(&text).expect("it is JSON");
    let mat = |rows: &[Vec<f64>]| Mat::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j]);
    let (circle, eight) = (mat(&clouds.circle), mat(&clouds.eight));
    let found = value("rtd", &circle, &eight);
    assert!((found - clouds.divergence).abs() < 1e-9, "{found}, not {}", clouds.divergence);
    for (name, cloud) in [("circle", &circle), ("eight", &eight)] {
        let side = Side::of(name, cloud.clone());
        for (chosen, want) in clouds.chosen.iter().zip(&clouds.times[name]) {
            let times = holes::living_times(side.distances(), chosen);
            for (i, (got, want)) in times.iter().zip(want).enumerate() {
                assert!((got - want).abs() < 1e-9, "{name}, {i} holes: {got}, not {want}");
            }
        }
    }
}
