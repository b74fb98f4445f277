//! Identities, references (tests/reference/embedding.py) and degenerate input.

use super::*;
use crate::Warning;
use crate::analysis::rdm::tests::{close, dataset, numbers, rows};
use crate::compute::Device;
use crate::dataset::Dataset;
use crate::progress::Silent;
use crate::rng::Stream;

fn embed(data: Dataset, spec: Spec) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("rdm", data);
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&Spec { input: "rdm".into(), ..spec }, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn one(pairs: &[f64]) -> Dataset {
    dataset(&[pairs.to_vec()])
}

fn points(k: usize, d: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Stream::new(seed, 0);
    (0..k).map(|_| (0..d).map(|_| rng.normal()).collect()).collect()
}

fn distances(points: &[Vec<f64>]) -> Vec<f64> {
    let distance = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    (0..points.len()).flat_map(|i| (i + 1..points.len()).map(move |j| (i, j))).map(|(i, j)| distance(&points[i], &points[j])).collect()
}

fn method(method: Method) -> Spec {
    Spec { method, ..Spec::default() }
}

#[test]
fn euclidean_distances_are_recovered() {
    let pairs = distances(&points(20, 2, 1));
    for kind in [Method::Classical, Method::Smacof] {
        let (output, _) = embed(one(&pairs), method(kind)).expect("runs");
        let x: Vec<Vec<f64>> = (0..20).map(|i| output.points.row(i).to_vec()).collect();
        close(&format!("{kind:?}"), &distances(&x), &pairs, 1e-9);
        assert!(output.stress.expect("distances") < 1e-9 && output.correlation.expect("distances") > 1.0 - 1e-12);
    }
    let (output, _) = embed(dataset(&[pairs]), method(Method::Classical)).expect("runs");
    close("explained", &[output.explained.expect("classical").iter().sum()], &[1.0], 1e-12);
}

#[test]
fn majorization_never_raises_the_stress_and_beats_its_start() {
    let pairs = distances(&points(25, 6, 2));
    let square = square(&pairs, 25);
    let start = classical::scale(&square, 2).expect("runs").points;
    let mut now = start.clone();
    let mut last = f64::INFINITY;
    for _ in 0..30 {
        let (stress, _) = smacof::majorize(&square, now.clone(), |_| Ok(())).expect("runs");
        assert!(stress <= last + 1e-12, "{stress} after {last}");
        last = stress;
        now = Mat::from_fn(25, 2, |i, c| 0.99 * now[(i, c)]);
    }
    let stress = |kind| embed(one(&pairs), method(kind)).expect("runs").0.stress.expect("distances");
    assert!(stress(Method::Smacof) < stress(Method::Classical), "fitted to the distances themselves");
}

#[test]
fn embeddings_match_their_reference() {
    let all: serde_json::Value = serde_json::from_str(include_str!("../../../../tests/fixtures/embedding.json")).expect("valid JSON");
    let pairs = numbers(&all["pairs"]);
    let (output, _) = embed(one(&pairs), method(Method::Classical)).expect("runs");
    let x: Vec<Vec<f64>> = (0..output.points.rows()).map(|i| output.points.row(i).to_vec()).collect();
    close("classical", &distances(&x), &numbers(&all["classical_distances"]), 1e-9);
    let (output, _) = embed(one(&pairs), Spec { n_starts: 20, ..method(Method::Smacof) }).expect("runs");
    // The best of 100 random starts of scikit-learn.
    let best = all["smacof_stress"].as_f64().expect("a number");
    assert!(output.stress.expect("distances") <= best * (1.0 + 1e-4), "{:?} {best}", output.stress);
    let k = output.n as usize;
    close(
        "affinities",
        &Array::from_mat(tsne::affinities(&square(&pairs, k), 5.0).as_ref()).values,
        &rows(&all["affinities"]).concat(),
        1e-4,
    );
    let (output, _) = embed(one(&pairs), Spec { perplexity: 5.0, ..method(Method::Tsne) }).expect("runs");
    // One start from classical scaling against the best of ten random ones.
    let best = all["tsne_divergence"].as_f64().expect("a number");
    assert!(output.divergence.expect("t-SNE") < 1.1 * best, "{:?} {best}", output.divergence);
    for (name, want) in all["linkage"].as_object().expect("a table") {
        let linkage = serde_json::from_value(name.as_str().into()).expect("a linkage");
        let (output, _) = embed(one(&pairs), Spec { linkage, ..method(Method::Classical) }).expect("runs");
        let found: Vec<f64> =
            output.merges.iter().flat_map(|m| [f64::from(m.a.min(m.b)), f64::from(m.a.max(m.b)), m.height, f64::from(m.size)]).collect();
        close(name, &found, &rows(want).concat(), 1e-10);
    }
}

#[test]
fn neighbors_stay_neighbors() {
    // Three clusters far apart in ten dimensions.
    let mut x = points(45, 10, 3);
    x.iter_mut().enumerate().for_each(|(i, row)| row[i % 3] += 20.0);
    let (output, _) = embed(dataset(&[distances(&x)]), Spec { perplexity: 8.0, ..method(Method::Tsne) }).expect("runs");
    let at = |i: usize| output.points.row(i).to_vec();
    for i in 0..45 {
        let nearest = (0..45).filter(|j| *j != i).min_by(|&a, &b| {
            let distance = |j: usize| distances(&[at(i), at(j)])[0];
            distance(a).total_cmp(&distance(b))
        });
        assert_eq!(nearest.expect("others") % 3, i % 3, "condition {i} stays with its cluster");
    }
}

#[test]
fn trees_have_every_leaf_once_and_subtrees_together() {
    let (output, _) = embed(dataset(&[distances(&points(30, 4, 4))]), Spec::default()).expect("runs");
    let mut leaves = output.leaves.clone();
    leaves.sort_unstable();
    assert_eq!(leaves, (0..30).collect::<Vec<u32>>());
    let heights: Vec<f64> = output.merges.iter().map(|m| m.height).collect();
    assert!(heights.windows(2).all(|w| w[0] <= w[1]), "lowest first");
    assert_eq!(output.merges.last().expect("29 merges").size, 30);
    // The first merge: neighbors among the leaves.
    let place = |c: u32| output.leaves.iter().position(|&l| l == c).expect("a leaf");
    assert_eq!(place(output.merges[0].a).abs_diff(place(output.merges[0].b)), 1);
}

#[test]
fn a_stack_is_averaged_or_one_of_it_is_chosen() {
    let (a, b) = (distances(&points(6, 2, 5)), distances(&points(6, 2, 6)));
    let mean: Vec<f64> = a.iter().zip(&b).map(|(a, b)| (a + b) / 2.0).collect();
    let run_on = |rdms: &[Vec<f64>], rdm| embed(dataset(rdms), Spec { rdm, ..method(Method::Classical) });
    let both = [a, b];
    let found = |rdm| run_on(&both, rdm).expect("runs").0.points.values;
    close("mean", &found(None), &run_on(&[mean], None).expect("runs").0.points.values, 1e-12);
    close("second", &found(Some(1)), &run_on(&both[1..], None).expect("runs").0.points.values, 1e-12);
    let error = run_on(&both, Some(2)).expect_err("two RDMs").to_string();
    assert!(error.contains("it has 2, counted from 0"), "{error}");
}

#[test]
fn what_cannot_be_placed_is_refused_and_what_is_odd_is_said() {
    let pairs = distances(&points(6, 2, 7));
    let refused = |spec: Spec, what: &str| {
        let error = embed(one(&pairs), spec).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(Spec { dimensions: 0, ..Spec::default() }, "dimensions");
    refused(Spec { dimensions: 6, ..Spec::default() }, "must be 1 to 5");
    refused(Spec { perplexity: 3.0, ..method(Method::Tsne) }, "perplexity");
    let mut gap = pairs.clone();
    gap[3] = f64::NAN;
    assert!(embed(dataset(&[gap]), Spec::default()).expect_err("NaN").to_string().contains("pair 4 of 15"), "named");
    let mut negative = pairs.clone();
    negative[0] = -0.1;
    let (_, warnings) = embed(dataset(&[negative]), Spec::default()).expect("runs");
    assert_eq!(warnings[0].code, "negative_distances");
    let (output, _) = embed(dataset(&[vec![0.0; 15]]), Spec::default()).expect("runs");
    assert!(output.stress.is_none() && output.points.values.iter().all(|v| *v == 0.0), "all in one place");
}

/// Reference values of `tests/reference/populations.py`, from scikit-learn.
#[test]
fn distances_along_neighbors_are_those_of_scikit_learn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/populations.json");
    let all: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("it is JSON");
    for name in ["euclidean", "angles"] {
        let case = &all["clustering"][name];
        let numbers = |value: &serde_json::Value| -> Vec<f64> { serde_json::from_value(value.clone()).expect("numbers") };
        let (pairs, wanted) = (numbers(&case["pairs"]), numbers(&case["isomap"]["paths"]));
        let k = if name == "euclidean" { 27 } else { 15 };
        let (paths, n_parts) = isomap::paths(&square(&pairs, k), 5);
        assert_eq!(n_parts, 1);
        let found: Vec<f64> = (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).map(|at| paths[at]).collect();
        close(name, &found, &wanted, 1e-12);
        let (output, _) = embed(one(&pairs), method(Method::Isomap)).expect("runs");
        let places: Vec<Vec<f64>> = (0..k).map(|i| output.points.row(i).to_vec()).collect();
        close(name, &distances(&places), &numbers(&case["isomap"]["distances"]), 1e-9);
        let (output, _) = embed(one(&pairs), method(Method::Classical)).expect("runs");
        let places: Vec<Vec<f64>> = (0..k).map(|i| output.points.row(i).to_vec()).collect();
        close(name, &distances(&places), &numbers(&case["classical"]["distances"]), 1e-9);
    }
    // Points on an arc: along it they are evenly spaced, but for chords at the ends.
    let arc: Vec<Vec<f64>> = (0..30)
        .map(|i| {
            let t = 0.15 * f64::from(i);
            vec![t.cos(), t.sin()]
        })
        .collect();
    let (output, _) = embed(one(&distances(&arc)), Spec { dimensions: 1, n_neighbors: Some(2), ..method(Method::Isomap) }).expect("runs");
    let gaps: Vec<f64> = output.points.values.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    assert!(gaps.iter().all(|gap| (gap - 0.15).abs() < 0.005), "unrolled: {gaps:?}");
    // Two parts far from each other are joined, and it is said.
    let mut far = points(12, 3, 8);
    far.iter_mut().skip(6).for_each(|row| row[0] += 100.0);
    let (output, warnings) = embed(one(&distances(&far)), Spec { n_neighbors: Some(3), ..method(Method::Isomap) }).expect("runs");
    assert!(warnings.iter().any(|w| w.code == "parts_joined") && output.points.values.iter().all(|v| v.is_finite()), "{warnings:?}");
    for n_neighbors in [0, 12] {
        let message = embed(one(&distances(&far)), Spec { n_neighbors: Some(n_neighbors), ..method(Method::Isomap) })
            .expect_err("refused")
            .to_string();
        assert!(message.contains("n_neighbors"), "{message}");
    }
}

/// Reference values of `tests/reference/umap_graph.py`, from umap-learn, which computes in f32 and solves sums to 1e-5.
#[test]
fn the_graph_and_the_curve_are_those_of_the_reference() {
    let load = |name: &str| -> serde_json::Value {
        let path = format!("{}/../tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("it is JSON")
    };
    let (reference, inputs) = (load("umap"), load("populations"));
    for curve in reference["curves"].as_array().expect("curves") {
        let min_dist = curve["min_dist"].as_f64().expect("a number");
        let (a, b) = umap::curve(min_dist);
        close(&format!("min_dist {min_dist}"), &[a, b], &numbers(&curve["ab"]), 1e-4);
    }
    for (name, k) in [("euclidean", 27), ("angles", 15)] {
        let table = square(&numbers(&inputs["clustering"][name]["pairs"]), k);
        let n_neighbors = usize::try_from(reference[name]["n_neighbors"].as_u64().expect("a number")).expect("small");
        let graph = umap::union(&umap::memberships(&table, n_neighbors));
        let found: Vec<f64> = (0..k * k).map(|at| graph[(at / k, at % k)]).collect();
        close(name, &found, &rows(&reference[name]["graph"]).concat(), 1e-4);
    }
}

#[test]
fn neighborhoods_of_a_manifold_are_kept() {
    // Three clusters far apart in ten dimensions, and a curve in five.
    let mut x = points(60, 10, 3);
    x.iter_mut().enumerate().for_each(|(i, row)| row[i % 3] += 20.0);
    let (output, _) = embed(one(&distances(&x)), Spec { n_neighbors: Some(10), seed: 1, ..method(Method::Umap) }).expect("runs");
    let at = |i: usize| output.points.row(i).to_vec();
    let far = |i: usize, j: usize| distances(&[at(i), at(j)])[0];
    for i in 0..60 {
        let nearest = (0..60).filter(|j| *j != i).min_by(|&a, &b| far(i, a).total_cmp(&far(i, b)));
        assert_eq!(nearest.expect("others") % 3, i % 3, "item {i} stays with its cluster");
    }
    let again = embed(one(&distances(&x)), Spec { n_neighbors: Some(10), seed: 1, ..method(Method::Umap) }).expect("runs").0;
    assert_eq!(again.points, output.points, "the same seed, the same points");
    let other = embed(one(&distances(&x)), Spec { n_neighbors: Some(10), seed: 2, ..method(Method::Umap) }).expect("runs").0;
    assert_ne!(other.points, output.points);
    let curve: Vec<Vec<f64>> = (0..80)
        .map(|i| {
            let t = f64::from(i) / 8.0;
            vec![t.cos(), t.sin(), t, (2.0 * t).cos(), (0.5 * t).sin()]
        })
        .collect();
    let (output, _) = embed(one(&distances(&curve)), Spec { n_neighbors: Some(8), ..method(Method::Umap) }).expect("runs");
    // Of each point's five nearest in the plane, most are among its neighbors along the curve.
    let at = |i: usize| output.points.row(i).to_vec();
    let kept: usize = (0..80usize)
        .map(|i| {
            let mut others: Vec<usize> = (0..80).filter(|j| *j != i).collect();
            others.sort_by(|&a, &b| distances(&[at(i), at(a)])[0].total_cmp(&distances(&[at(i), at(b)])[0]));
            others.iter().take(5).filter(|j| j.abs_diff(i) <= 8).count()
        })
        .sum();
    assert!(kept > 380, "{kept} of 400");
}
