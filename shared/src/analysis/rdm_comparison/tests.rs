//! Reference values (tests/reference/rsa.py), identities, published values and degenerate input.

use faer::Mat;
use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::Warning;
use crate::analysis::rdm::tests::{close, dataset, fixture, golden, numbers, rdm_of, rows, upper};
use crate::compute::Device;
use crate::dataset::Dataset;
use crate::progress::Silent;
use crate::rng::Stream;

const ALL: [Compare; 12] = [
    Compare::Cosine,
    Compare::Corr,
    Compare::Spearman,
    Compare::RhoA,
    Compare::TauA,
    Compare::TauB,
    Compare::CosineCov,
    Compare::CorrCov,
    Compare::Bures,
    Compare::BuresMetric,
    Compare::NegRiemDist,
    Compare::Euclidean,
];

fn name_of(compare: Compare) -> String {
    serde_json::to_value(compare).expect("serializes").as_str().expect("a word").to_owned()
}

fn compare_with(compare: Compare, data: Dataset, models: Dataset, sigma_k: Option<Dataset>) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("data", data);
    inputs.insert("models", models);
    let sigma_k = sigma_k.map(|s| {
        inputs.insert("sigma", s);
        "sigma".to_owned()
    });
    let spec = Spec { data: vec!["data".into()], models: vec!["models".into()], compare, sigma_k, ..Spec::default() };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn scores(compare: Compare, data: &[Vec<f64>], models: &[Vec<f64>]) -> Output {
    compare_with(compare, dataset(data), dataset(models), None).expect("runs").0
}

fn random_rdms(r: usize, k: usize, p: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Stream::new(seed, 0);
    (0..r)
        .map(|_| {
            let x: Vec<Vec<f64>> = (0..k).map(|_| (0..p).map(|_| rng.normal()).collect()).collect();
            upper(&rdm_of(dataset(&x), rdm::Spec { measure: rdm::Measure::Sqeuclidean, ..rdm::Spec::default() }).expect("runs").0.rdm)
        })
        .collect()
}

#[test]
fn every_comparison_matches_its_reference() {
    let all = fixture();
    let (data, models) = (rows(&all["data"]), rows(&all["models"]));
    for compare in ALL {
        let name = name_of(compare);
        // The reference minimum of the Riemannian distance is itself iterative.
        let rel = if compare == Compare::NegRiemDist { 1e-8 } else { 1e-11 };
        close(&name, &scores(compare, &data, &models).scores.values, &rows(&all["scores"][&name]).concat(), rel);
    }
}

#[test]
fn a_covariance_of_conditions_gives_the_explicit_inverse() {
    let all = fixture();
    for compare in [Compare::CosineCov, Compare::CorrCov, Compare::NegRiemDist] {
        let name = name_of(compare);
        let sigma = dataset(&rows(&all["sigma_k"]));
        let (output, _) = compare_with(compare, dataset(&rows(&all["data"])), dataset(&rows(&all["models"])), Some(sigma)).expect("runs");
        let rel = if compare == Compare::NegRiemDist { 1e-8 } else { 1e-10 };
        close(&name, &output.scores.values, &rows(&all["with_sigma"][&name]).concat(), rel);
    }
    // A multiple of the identity is no covariance at all.
    let (data, models) = (random_rdms(2, 7, 4, 1), random_rdms(2, 7, 4, 2));
    let sigma: Vec<Vec<f64>> = (0..7).map(|i| (0..7).map(|j| if i == j { 3.0 } else { 0.0 }).collect()).collect();
    let (with, _) = compare_with(Compare::CorrCov, dataset(&data), dataset(&models), Some(dataset(&sigma))).expect("runs");
    close("3 I", &with.scores.values, &scores(Compare::CorrCov, &data, &models).scores.values, 1e-12);
}

#[test]
fn ties_match_their_reference() {
    let all = fixture();
    for compare in [Compare::Spearman, Compare::RhoA, Compare::TauA, Compare::TauB] {
        let name = name_of(compare);
        let output = scores(compare, &rows(&all["tied_data"]), &rows(&all["tied_models"]));
        close(&name, &output.scores.values, &rows(&all["tied"][&name]).concat(), 1e-12);
    }
}

#[test]
fn missing_pairs_are_dropped_pair_by_pair() {
    let all = fixture();
    let (data, models) = (rows(&all["gaps_data"]), rows(&all["gaps_models"]));
    for (key, want) in all["gaps"].as_object().expect("a table") {
        let (word, sigma) = match key.strip_suffix(" sigma_k") {
            Some(word) => (word, Some(dataset(&rows(&all["sigma_k"])))),
            None => (key.as_str(), None),
        };
        let compare = serde_json::from_value(word.into()).expect("a measure");
        let (output, warnings) = compare_with(compare, dataset(&data), dataset(&models), sigma).expect("runs");
        close(key, &output.scores.values, &rows(want).concat(), 1e-9);
        assert_eq!(warnings[0].code, "nan_pairs", "{key}");
        let missing = data.iter().chain(&models).flatten().filter(|v| v.is_nan()).count();
        assert!(warnings[0].message.starts_with(&format!("{missing} pairs are missing")), "{}", warnings[0].message);
        if !compare.is_distance() {
            let [lower, upper] = output.noise_ceiling.expect("four data RDMs");
            assert!(lower < upper && output.noise_ceiling_is_heuristic, "{key}: {lower} {upper}");
        }
    }
}

#[test]
fn noise_ceilings_match_their_reference() {
    let all = fixture();
    let (data, models) = (rows(&all["data"]), rows(&all["models"]));
    for (key, want) in all["ceilings"].as_object().expect("a table") {
        let (word, sigma) = match key.strip_suffix(" sigma_k") {
            Some(word) => (word, Some(dataset(&rows(&all["sigma_k"])))),
            None => (key.as_str(), None),
        };
        let compare: Compare = serde_json::from_value(word.into()).expect("a measure");
        let (output, _) = compare_with(compare, dataset(&data), dataset(&models), sigma).expect("runs");
        close(key, &output.noise_ceiling.expect("four data RDMs"), &numbers(want), 1e-10);
        let heuristic = matches!(compare, Compare::TauA | Compare::TauB | Compare::Bures);
        assert_eq!(output.noise_ceiling_is_heuristic, heuristic, "{key}");
    }
    for compare in ALL.into_iter().filter(|c| c.is_distance()) {
        assert_eq!(scores(compare, &data, &models).noise_ceiling, None, "{compare:?} is a distance");
    }
}

#[test]
fn no_model_beats_the_upper_ceiling() {
    let data = random_rdms(5, 8, 6, 3);
    let mut models = random_rdms(4, 8, 6, 4);
    models.extend(data.clone());
    // The plain mean and the mean of unit vectors, the strongest models one can build from the data.
    let mean_of = |scale: fn(&[f64]) -> f64| (0..28).map(|at| data.iter().map(|r| r[at] / scale(r)).sum::<f64>() / 5.0).collect::<Vec<_>>();
    models.push(mean_of(|_| 1.0));
    models.push(mean_of(|r| r.iter().map(|v| v * v).sum::<f64>().sqrt()));
    for compare in [Compare::Cosine, Compare::Corr, Compare::CosineCov, Compare::CorrCov, Compare::RhoA] {
        let output = scores(compare, &data, &models);
        let [lower, upper] = output.noise_ceiling.expect("five data RDMs");
        assert!(lower <= upper, "{compare:?}: {lower} > {upper}");
        for model in output.models {
            let mean = model.mean.expect("defined");
            assert!(mean <= upper + 1e-12, "{compare:?}: {} scores {mean}, above {upper}", model.name);
        }
    }
}

#[test]
fn summaries_match_scipy() {
    let all = fixture();
    let output = scores(Compare::Corr, &rows(&all["data"]), &rows(&all["models"]));
    let column = |f: fn(&ModelScore) -> Option<f64>| output.models.iter().map(|m| f(m).expect("four data RDMs")).collect::<Vec<_>>();
    close("mean", &column(|m| m.mean), &numbers(&all["summary"]["mean"]), 1e-12);
    close("sem", &column(|m| m.test.sem), &numbers(&all["summary"]["sem"]), 1e-12);
    close("p", &column(|m| m.test.p_vs_0), &numbers(&all["summary"]["p_vs_0"]), 1e-9);
    assert_eq!(output.data_names, ["data[0]", "data[1]", "data[2]", "data[3]"]);
}

#[test]
fn a_single_rdm_has_no_spread() {
    let output = scores(Compare::Corr, &random_rdms(1, 6, 5, 5), &random_rdms(2, 6, 5, 6));
    assert_eq!((output.noise_ceiling, output.models[0].test.sem, output.models[0].test.p_vs_0), (None, None, None));
    assert!(output.models[0].mean.is_some(), "the score itself is there");
    assert_eq!((output.data_names, output.models[1].name.as_str()), (vec!["data".to_owned()], "models[1]"));
}

#[test]
fn whitened_cosine_is_linear_cka_and_bures_is_nbs() {
    let (x, y) = golden();
    let spec = || rdm::Spec { measure: rdm::Measure::Sqeuclidean, ..rdm::Spec::default() };
    let rdm = |d: &Dataset| dataset(&[upper(&rdm_of(d.clone(), spec()).expect("runs").0.rdm)]);
    let centered = |d: &Dataset| {
        let m = d.clone().matrix().expect("finite").to_mat();
        Mat::from_fn(30, 25, |i, j| m[(i, j)] - mean(m.col_as_slice(j)))
    };
    let (a, b) = (centered(&x), centered(&y));
    let norm = |m: Mat<f64>| m.norm_l2();
    let cka = norm(a.transpose() * &b).powi(2) / (norm(a.transpose() * &a) * norm(b.transpose() * &b));
    let (output, _) = compare_with(Compare::CosineCov, rdm(&x), rdm(&y), None).expect("runs");
    close("cka", &output.scores.values, &[cka], 1e-13);
    close("published cka", &output.scores.values, &[0.489_342_739_104_415], 1e-12);
    let (output, warnings) = compare_with(Compare::Bures, rdm(&x), rdm(&y), None).expect("runs");
    close("published nbs", &output.scores.values, &[0.722_778_717_6], 1e-9);
    assert!(warnings.is_empty(), "squared Euclidean distances have nothing to clip: {warnings:?}");
}

#[test]
fn measures_agree_where_they_must() {
    let (data, models) = (random_rdms(3, 9, 15, 7), random_rdms(2, 9, 15, 8));
    let values = |compare| scores(compare, &data, &models).scores.values;
    close("no ties: rho-a is spearman", &values(Compare::RhoA), &values(Compare::Spearman), 1e-12);
    close("no ties: tau-a is tau-b", &values(Compare::TauA), &values(Compare::TauB), 1e-12);
    for compare in ALL {
        let own = scores(compare, &data[..1], &data[..1]).scores.values[0];
        let want = if compare.is_distance() { 0.0 } else { 1.0 };
        // A distance is the root of a rounding error.
        assert!((own - want).abs() < 1e-6, "{compare:?} of an RDM with itself is {own}");
    }
}

#[test]
fn every_form_of_an_rdm_reads_the_same() {
    let vectors = random_rdms(2, 5, 4, 9);
    let square = |v: &[f64]| {
        let mut next = v.iter();
        let mut out = vec![0.0; 25];
        for i in 0..5 {
            for j in i + 1..5 {
                out[5 * i + j] = *next.next().expect("10 pairs");
                out[5 * j + i] = out[5 * i + j];
            }
        }
        out
    };
    let stack = Dataset::from_f64(
        "",
        ArrayD::from_shape_vec(IxDyn(&[2, 5, 5]), [square(&vectors[0]), square(&vectors[1])].concat()).expect("shape fits"),
    );
    let (from_stack, _) = compare_with(Compare::Corr, stack, dataset(&vectors), None).expect("runs");
    assert_eq!(from_stack.scores, scores(Compare::Corr, &vectors, &vectors).scores);
    let one = Dataset::from_f64("", ArrayD::from_shape_vec(IxDyn(&[10]), vectors[0].clone()).expect("shape fits"));
    let matrix = Dataset::from_rows("", 5, 5, square(&vectors[0])).expect("shape fits");
    let (single, _) = compare_with(Compare::Corr, one, matrix, None).expect("runs");
    close("one vector, one matrix", &single.scores.values, &[1.0], 1e-14);
    assert_eq!((single.n_conditions, single.n_data), (5, 1));
    // Three vectors of three pairs are a square, but not an RDM.
    let three = vec![vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 7.0], vec![7.0, 8.0, 1.0]];
    let output = scores(Compare::Corr, &three, &three);
    assert_eq!((output.n_conditions, output.n_data), (3, 3));
}

#[test]
fn bad_rdms_are_errors_with_numbers() {
    let good = || dataset(&random_rdms(1, 5, 4, 10));
    let square = |edit: fn(&mut Vec<f64>)| {
        let mut v: Vec<f64> = (0..25).map(|at| if at / 5 == at % 5 { 0.0 } else { f64::from(at / 5 + at % 5) }).collect();
        edit(&mut v);
        Dataset::from_rows("", 5, 5, v).expect("shape fits")
    };
    let failing = [
        (square(|v| v[7] = 9.0), "entry (2, 3) is 9 and entry (3, 2) is 3"),
        (square(|v| v[12] = 1.0), "entry (3, 3) is 1"),
        (square(|v| v[1] = f64::INFINITY), "value 2 (in C order, counted from 1) is inf"),
        (dataset(&[vec![1.0; 7]]), "expected RDMs as K x K"),
        (dataset(&random_rdms(1, 2, 4, 1)), "has 2 conditions"),
        (dataset(&random_rdms(1, 6, 4, 1)), "has 5 conditions but data has 6"),
        (Dataset::from_f64("", ArrayD::zeros(IxDyn(&[2, 3, 4]))), "got 2 x 3 x 4"),
        (Dataset::from_f64("", ArrayD::zeros(IxDyn(&[0, 3, 3]))), "got 0 x 3 x 3"),
    ];
    for (data, part) in failing {
        let message = compare_with(Compare::Corr, data, good(), None).expect_err(part).to_string();
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    let singular = dataset(&vec![vec![1.0; 5]; 5]);
    let message = compare_with(Compare::CorrCov, good(), good(), Some(singular)).expect_err("singular").to_string();
    assert!(message.contains("not positive definite"), "{message}");
    let small = dataset(&[vec![2.0]]);
    let message = compare_with(Compare::CorrCov, good(), good(), Some(small)).expect_err("1 x 1").to_string();
    assert!(message.contains("5 x 5"), "{message}");
}

#[test]
fn undefined_scores_are_counted_and_left_out() {
    let mut data = random_rdms(3, 6, 4, 11);
    data[1] = vec![2.0; 15];
    let (output, warnings) = compare_with(Compare::Corr, dataset(&data), dataset(&random_rdms(2, 6, 4, 12)), None).expect("runs");
    assert_eq!(warnings[0].code, "undefined_scores");
    assert!(warnings[0].message.starts_with("2 of 6 scores"), "{}", warnings[0].message);
    let row = output.scores.row(0);
    let mean = output.models[0].mean.expect("two are defined");
    assert!((mean - (row[0] + row[2]) / 2.0).abs() < 1e-15, "the mean skips the undefined score");
    assert!(output.noise_ceiling.is_some(), "two RDMs are left for a ceiling");
    assert_eq!(scores(Compare::Corr, &data[1..2], &data[..1]).models[0].mean, None);
}

#[test]
fn bures_and_riemann_drop_whole_conditions_only() {
    let (mut data, models) = (random_rdms(2, 6, 8, 13), random_rdms(1, 6, 8, 14));
    let pairs: Vec<(usize, usize)> = (0..6).flat_map(|i| (i + 1..6).map(move |j| (i, j))).collect();
    let without = |v: &[f64]| pairs.iter().zip(v).filter(|((i, j), _)| *i != 2 && *j != 2).map(|(_, v)| *v).collect::<Vec<_>>();
    let (small_data, small_models) = (vec![without(&data[0]), without(&data[1])], vec![without(&models[0])]);
    for (at, (i, j)) in pairs.iter().enumerate() {
        if *i == 2 || *j == 2 {
            data[0][at] = f64::NAN;
            data[1][at] = f64::NAN;
        }
    }
    for compare in [Compare::Bures, Compare::BuresMetric, Compare::NegRiemDist] {
        let want = scores(compare, &small_data, &small_models);
        let got = scores(compare, &data, &models);
        close("dropped", &got.scores.values, &want.scores.values, 1e-12);
        assert_eq!(got.noise_ceiling.is_some(), want.noise_ceiling.is_some(), "{compare:?}");
    }
    data[0][1] = 1.0;
    let message = compare_with(Compare::Bures, dataset(&data), dataset(&models), None).expect_err("a hole").to_string();
    assert!(message.contains("the pair of conditions 2 and 3 is missing"), "{message}");
}

/// Real RDMs, when the data folder is there.
fn real(name: &str) -> Option<Dataset> {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/images92").join(name);
    let Ok(bytes) = std::fs::read(path) else {
        eprintln!("skipped: no {name}");
        return None;
    };
    let file = npyz::NpyFile::new(&bytes[..]).expect("an npy file");
    let shape: Vec<usize> = file.shape().iter().map(|&n| usize::try_from(n).expect("small")).collect();
    let values: Vec<f64> = file.into_vec().expect("float64");
    Some(Dataset::from_f64("", ArrayD::from_shape_vec(IxDyn(&shape), values).expect("shape fits")))
}

#[test]
fn published_values_of_the_92_images() {
    let (Some(monkey), Some(human)) = (real("monkeyIT_rdm.npy"), real("humanIT_fig1_rdm.npy")) else { return };
    let (output, _) = compare_with(Compare::Corr, human, monkey, None).expect("runs");
    // Printed to four digits.
    assert!((output.scores.values[0] - 0.4912).abs() < 5e-5, "monkey and human IT: {}", output.scores.values[0]);

    let (Some(subjects), Some(models)) = (real("humanIT_4subjects_mean.npy"), real("model_rdms.npy")) else { return };
    let (output, _) = compare_with(Compare::Corr, subjects.clone(), models.clone(), None).expect("runs");
    let [lower, upper] = output.noise_ceiling.expect("four subjects");
    assert!((lower - 0.39441).abs() < 5e-6 && (upper - 0.68041).abs() < 5e-6, "ceiling {lower} {upper}");
    let want = [0.3871, 0.2816, 0.3335, 0.2591, 0.1521, 0.0250, 0.1159, 0.0365];
    for (model, want) in output.models.iter().zip(want) {
        let mean = model.mean.expect("defined");
        assert!((mean - want).abs() < 5e-5, "{}: {mean}, want {want}", model.name);
        assert!(model.test.p_vs_0.is_some_and(|p| (0.0..1.0).contains(&p)), "{} has a test", model.name);
    }
    for compare in ALL {
        let (output, _) = compare_with(compare, subjects.clone(), models.clone(), None).expect("runs");
        assert!(output.models.iter().all(|m| m.mean.is_some() || compare == Compare::NegRiemDist), "{compare:?} is defined on real RDMs");
    }
}
