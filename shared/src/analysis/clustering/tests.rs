use super::*;
use crate::rng::Stream;
use crate::{Dataset, Device, Silent, Warning};

#[derive(serde::Deserialize)]
struct Case {
    distances: Vec<Vec<f64>>,
    trees: std::collections::BTreeMap<String, Tree>,
    silhouettes: Vec<f64>,
    dbscan: Dbscan,
    optics: Optics,
}

#[derive(serde::Deserialize)]
struct Tree {
    heights: Vec<f64>,
    sizes: Vec<u32>,
    three: Vec<Option<u32>>,
    threshold: f64,
    below: Vec<Option<u32>>,
    length: f64,
}

#[derive(serde::Deserialize)]
struct Dbscan {
    eps: f64,
    min_samples: u32,
    labels: Vec<Option<u32>>,
}

#[derive(serde::Deserialize)]
struct Optics {
    min_samples: u32,
    xi: f64,
    order: Vec<u32>,
    reachability: Vec<Option<f64>>,
    labels: Vec<Option<u32>>,
}

/// The values of `tests/reference/clustering.py`, from scipy and scikit-learn.
#[test]
fn trees_densities_and_silhouettes_are_those_of_scipy_and_scikit_learn() {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/clustering.json");
    let text = std::fs::read_to_string(fixture).expect("the fixture is there");
    let cases: std::collections::BTreeMap<String, Case> = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(cases.len(), 2);
    for (name, case) in &cases {
        let (k, d) = (case.distances.len(), case.distances.concat());
        for (linkage, tree) in &case.trees {
            let linkage: Linkage = serde_json::from_value(serde_json::json!(linkage)).expect("a linkage");
            let (found, _) = run_on(&d, k, agglomerative(linkage, 3, None)).expect("runs");
            let merges = found.merges.expect("a tree");
            assert!(
                merges.iter().zip(&tree.heights).all(|(m, h)| (m.height - h).abs() < 1e-10 * h.max(1.0)),
                "{name} {linkage:?}: heights"
            );
            assert_eq!(merges.iter().map(|m| m.size).collect::<Vec<_>>(), tree.sizes, "{name} {linkage:?}");
            assert_eq!(found.labels, tree.three, "{name} {linkage:?}: three clusters");
            let length: f64 = found.order.windows(2).map(|w| d[w[0] as usize * k + w[1] as usize]).sum();
            // scipy's `optimal_leaf_ordering` ends with longer ones here; that ours is the shortest is tested below against all orders.
            assert!(length <= tree.length + 1e-9, "{name} {linkage:?}: {length}, scipy {}", tree.length);
            let (below, _) = run_on(&d, k, agglomerative(linkage, 1, Some(tree.threshold))).expect("runs");
            assert_eq!(below.labels, tree.below, "{name} {linkage:?}: below a height");
            if linkage == Linkage::Average {
                let silhouettes: Vec<f64> = found.silhouettes.expect("three clusters").into_iter().flatten().collect();
                assert!(silhouettes.iter().zip(&case.silhouettes).all(|(a, b)| (a - b).abs() < 1e-12), "{name}: silhouettes");
            }
        }
        let Dbscan { eps, min_samples, labels } = &case.dbscan;
        let (found, _) = run_on(&d, k, Method::Dbscan { eps: *eps, min_samples: *min_samples }).expect("runs");
        assert_eq!(&found.labels, labels, "{name}: DBSCAN");
        let optics = &case.optics;
        let method = Method::Optics { min_samples: optics.min_samples, max_eps: None, xi: optics.xi };
        let (found, _) = run_on(&d, k, method).expect("runs");
        assert_eq!((&found.order, found.reachability.as_ref()), (&optics.order, Some(&optics.reachability)), "{name}: OPTICS");
        assert_eq!(found.labels, optics.labels, "{name}: steep parts");
    }
}

/// Distances of points in a plane.
fn distances(points: &[[f64; 2]]) -> Vec<f64> {
    let of = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    points.iter().flat_map(|a| points.iter().map(move |b| of(a, b))).collect()
}

fn run_on(values: &[f64], k: usize, method: Method) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("d", Dataset::from_rows("d", k, k, values.to_vec()).expect("fits"));
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&Spec { input: "d".into(), rdm: None, method }, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

/// Three groups of points, one of them loose, and a point far from all.
fn groups() -> Vec<[f64; 2]> {
    let mut rng = Stream::new(7, 0);
    let mut out = Vec::new();
    for (center, spread, n) in [([0.0, 0.0], 0.3, 8), ([10.0, 0.0], 0.3, 7), ([0.0, 12.0], 1.2, 9)] {
        out.extend((0..n).map(|_| [center[0] + spread * rng.normal(), center[1] + spread * rng.normal()]));
    }
    out.push([60.0, 60.0]);
    out
}

fn agglomerative(linkage: Linkage, n_clusters: u32, threshold: Option<f64>) -> Method {
    Method::Agglomerative { linkage, n_clusters, threshold }
}

#[test]
fn every_method_finds_planted_groups() {
    let points = groups();
    let k = points.len();
    let planted: Vec<Option<u32>> = (0..k)
        .map(|i| {
            Some(if i < 8 {
                0
            } else if i < 15 {
                1
            } else {
                2
            })
        })
        .collect();
    let mut with_outlier = planted.clone();
    with_outlier[k - 1] = Some(3);
    let mut with_noise = planted;
    with_noise[k - 1] = None;
    let d = distances(&points);
    for linkage in [Linkage::Average, Linkage::Complete, Linkage::Single, Linkage::Ward] {
        let (found, warnings) = run_on(&d, k, agglomerative(linkage, 4, None)).expect("runs");
        assert_eq!((found.labels, warnings), (with_outlier.clone(), Vec::new()), "{linkage:?}");
    }
    let (cut, _) = run_on(&d, k, agglomerative(Linkage::Single, 9, Some(5.0))).expect("runs");
    assert_eq!((cut.labels, cut.n_clusters), (with_outlier.clone(), 4), "a threshold overrides the number");
    let (medoids, _) = run_on(&d, k, Method::KMedoids { n_clusters: 4 }).expect("runs");
    assert_eq!(medoids.labels, with_outlier);
    let of_each: Vec<Option<u32>> = medoids.medoids.expect("there are medoids").iter().map(|&m| medoids.labels[m as usize]).collect();
    assert_eq!(of_each, [Some(0), Some(1), Some(2), Some(3)]);
    let (dense, _) = run_on(&d, k, Method::Dbscan { eps: 2.5, min_samples: 4 }).expect("runs");
    assert_eq!((dense.labels, dense.silhouettes.expect("three clusters")[k - 1]), (with_noise.clone(), None));
    let (changing, _) = run_on(&d, k, Method::Optics { min_samples: 4, max_eps: Some(20.0), xi: 0.3 }).expect("runs");
    assert_eq!(changing.labels, with_noise);
    let reach = changing.reachability.expect("a plot");
    assert_eq!(reach.iter().filter(|r| r.is_none()).count(), 2, "where the plot starts and where it starts anew");
}

#[test]
fn no_exchange_of_a_medoid_helps() {
    let mut rng = Stream::new(3, 0);
    for _ in 0..10 {
        let points: Vec<[f64; 2]> = (0..20).map(|_| [rng.normal(), rng.normal()]).collect();
        let d = distances(&points);
        let cost = |set: &[usize]| (0..20).map(|i| set.iter().map(|&m| d[i * 20 + m]).fold(f64::INFINITY, f64::min)).sum::<f64>();
        let (found, _) = run_on(&d, 20, Method::KMedoids { n_clusters: 4 }).expect("runs");
        let set: Vec<usize> = found.medoids.expect("medoids").iter().map(|&m| m as usize).collect();
        for place in 0..4 {
            for other in 0..20 {
                let mut exchanged = set.clone();
                exchanged[place] = other;
                assert!(cost(&exchanged) >= cost(&set) - 1e-12, "{other} instead of {}", set[place]);
            }
        }
    }
}

#[test]
fn leaves_have_the_least_sum_of_neighbors_that_the_tree_allows() {
    let mut rng = Stream::new(11, 0);
    for _ in 0..5 {
        let points: Vec<[f64; 2]> = (0..7).map(|_| [rng.normal(), rng.normal()]).collect();
        let d = distances(&points);
        let (found, _) = run_on(&d, 7, agglomerative(Linkage::Average, 2, None)).expect("runs");
        let merges = found.merges.expect("a tree");
        let sum = |order: &[u32]| order.windows(2).map(|w| d[w[0] as usize * 7 + w[1] as usize]).sum::<f64>();
        // Every order that the tree allows: each merge turned or not.
        let mut best = f64::INFINITY;
        for turns in 0..64u32 {
            let mut below: Vec<Vec<u32>> = (0..7).map(|i| vec![i]).collect();
            for (i, merge) in merges.iter().enumerate() {
                let (a, b) = if turns >> i & 1 == 0 { (merge.a, merge.b) } else { (merge.b, merge.a) };
                let both = [below[a as usize].clone(), below[b as usize].clone()].concat();
                below.push(both);
            }
            best = best.min(sum(below.last().expect("the root")));
        }
        assert!((sum(&found.order) - best).abs() < 1e-12, "{} against {best}", sum(&found.order));
        let mut sorted = found.order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4, 5, 6], "each leaf once");
    }
}

#[test]
fn silhouettes_follow_their_definition() {
    let points = [[0.0, 0.0], [1.0, 0.0], [5.0, 0.0], [7.0, 0.0], [30.0, 0.0]];
    let (found, _) = run_on(&distances(&points), 5, agglomerative(Linkage::Average, 3, None)).expect("runs");
    assert_eq!(found.labels, [Some(0), Some(0), Some(1), Some(1), Some(2)]);
    let silhouettes: Vec<f64> = found.silhouettes.expect("three clusters").into_iter().flatten().collect();
    // a and b of each: (1, 6), (1, 5), (2, 4.5), (2, 6.5); the last is alone.
    let wanted = [5.0 / 6.0, 4.0 / 5.0, 2.5 / 4.5, 4.5 / 6.5, 0.0];
    assert!(silhouettes.iter().zip(wanted).all(|(s, w)| (s - w).abs() < 1e-12), "{silhouettes:?}");
    assert!((found.silhouette.expect("a mean") - mean(&wanted)).abs() < 1e-12);
    let (one, _) = run_on(&distances(&points), 5, agglomerative(Linkage::Average, 1, None)).expect("runs");
    assert_eq!((one.silhouettes, one.n_clusters), (None, 1));
}

#[test]
fn ward_warns_of_distances_that_are_not_euclidean() {
    // A center at 1 from three points that are 2 apart: no plane and no space has them.
    let d = [0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 2.0, 2.0, 1.0, 2.0, 0.0, 2.0, 1.0, 2.0, 2.0, 0.0];
    let (_, warnings) = run_on(&d, 4, agglomerative(Linkage::Ward, 2, None)).expect("runs");
    assert_eq!(warnings.iter().map(|w| w.code.as_str()).collect::<Vec<_>>(), ["ward_not_euclidean"]);
    let (_, warnings) = run_on(&d, 4, agglomerative(Linkage::Average, 2, None)).expect("runs");
    assert_eq!(warnings, []);
}

#[test]
fn wrong_numbers_are_one_sentence_that_names_the_field() {
    let d = distances(&[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]);
    let refused = |method: Method| run_on(&d, 3, method).expect_err("an error").field().map(str::to_owned);
    assert_eq!(refused(agglomerative(Linkage::Average, 4, None)).as_deref(), Some("method.n_clusters"));
    assert_eq!(refused(agglomerative(Linkage::Average, 2, Some(-1.0))).as_deref(), Some("method.threshold"));
    assert_eq!(refused(Method::KMedoids { n_clusters: 0 }).as_deref(), Some("method.n_clusters"));
    assert_eq!(refused(Method::Dbscan { eps: 0.0, min_samples: 2 }).as_deref(), Some("method.eps"));
    assert_eq!(refused(Method::Optics { min_samples: 9, max_eps: None, xi: 0.05 }).as_deref(), Some("method.min_samples"));
    assert_eq!(refused(Method::Optics { min_samples: 2, max_eps: None, xi: 1.0 }).as_deref(), Some("method.xi"));
}

/// Reference values of `tests/reference/populations.py`.
#[test]
fn branches_of_changing_density_are_those_of_scikit_learn() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/populations.json");
    let all: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("it is JSON");
    for name in ["euclidean", "angles"] {
        let case = &all["clustering"][name];
        let pairs: Vec<f64> = serde_json::from_value(case["pairs"].clone()).expect("pairs");
        let k = case["hdbscan"]["labels"].as_array().expect("labels").len();
        let square = crate::analysis::rdm_comparison::mirrored(&pairs, k);
        let labels: Vec<i64> = serde_json::from_value(case["hdbscan"]["labels"].clone()).expect("labels");
        let (found, _) = run_on(&square, k, Method::Hdbscan { min_cluster_size: 4, min_samples: None }).expect("runs");
        let found: Vec<i64> = found.labels.iter().map(|label| label.map_or(-1, i64::from)).collect();
        assert_eq!(found, labels, "{name}");
        // The others, too, on these two matrices.
        let medoids: Vec<u32> = serde_json::from_value(case["k_medoids"]["medoids"].clone()).expect("medoids");
        let (by_medoids, _) = run_on(&square, k, Method::KMedoids { n_clusters: 3 }).expect("runs");
        let mut chosen = by_medoids.medoids.expect("medoids");
        chosen.sort_unstable();
        assert_eq!(chosen, medoids, "{name}: the best of all sets of three");
    }
    let one_place = vec![0.0; 36];
    let (found, _) = run_on(&one_place, 6, Method::Hdbscan { min_cluster_size: 2, min_samples: Some(1) }).expect("runs");
    assert_eq!(found.labels.len(), 6, "items in one place do not break it");
    for (min_cluster_size, min_samples) in [(1, None), (7, None), (2, Some(0)), (2, Some(7))] {
        let message = run_on(&one_place, 6, Method::Hdbscan { min_cluster_size, min_samples }).expect_err("refused").to_string();
        assert!(message.contains("must be"), "{message}");
    }
}
