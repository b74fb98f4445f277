//! Closed forms against resamples written out, references (`tests/reference/rsa_inference.py`), planted effects and degenerate input.

use super::explicit::Explicit;
use super::resample::Evaluator;
use super::*;
use crate::Warning;
use crate::analysis::rdm::tests::{close, dataset, numbers, rows};
use crate::analysis::rdm_comparison::{Compare, Output, Spec, run};
use crate::compute::Device;
use crate::dataset::Dataset;
use crate::progress::Silent;

const MEASURES: [Compare; 9] = [
    Compare::Cosine,
    Compare::Corr,
    Compare::Spearman,
    Compare::RhoA,
    Compare::TauA,
    Compare::TauB,
    Compare::CosineCov,
    Compare::CorrCov,
    Compare::Bures,
];

/// Squared distances between random patterns that share a signal with weight `share`.
pub(super) fn rdms(n: usize, k: usize, share: f64, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Stream::new(77, 0);
    let signal: Vec<f64> = (0..k * 5).map(|_| rng.normal()).collect();
    let mut rng = Stream::new(seed, 1);
    (0..n)
        .map(|_| {
            let x: Vec<f64> = signal.iter().map(|s| share * s + rng.normal()).collect();
            let distance = |i: usize, j: usize| (0..5).map(|c| (x[5 * i + c] - x[5 * j + c]).powi(2)).sum::<f64>();
            (0..k).flat_map(|i| (i + 1..k).map(move |j| (i, j))).map(|(i, j)| distance(i, j)).collect()
        })
        .collect()
}

fn sides(data: &[Vec<f64>], models: &[Vec<f64>]) -> Rdms {
    let mut inputs = Inputs::default();
    inputs.insert("data", dataset(data));
    inputs.insert("models", dataset(models));
    let spec = Spec { data: vec!["data".into()], models: vec!["models".into()], ..Spec::default() };
    Rdms::read(&spec, &inputs).expect("RDMs")
}

fn measure(compare: Compare, rdms: &Rdms) -> Measure<'static> {
    Measure { compare, n_conditions: rdms.n_conditions, sigma: None }
}

pub(super) fn infer_with(spec: Spec, data: Dataset, models: Dataset) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("data", data);
    inputs.insert("models", models);
    inputs.insert("groups", dataset(&(0..8).map(|s| vec![f64::from(u8::from(s % 2 == 1))]).collect::<Vec<_>>()));
    let spec = Spec { data: vec!["data".into()], models: vec!["models".into()], ..spec };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn with(inference: Inference, data: &[Vec<f64>], models: &[Vec<f64>]) -> Output {
    infer_with(Spec { inference, ..Spec::default() }, dataset(data), dataset(models)).expect("runs").0
}

#[test]
fn closed_forms_equal_resamples_written_out() {
    let k = 11;
    let (mut data, mut models) = (rdms(4, k, 1.0, 1), rdms(3, k, 0.7, 2));
    // Ties: a categorical model and a rounded data RDM.
    models[0] = (0..k).flat_map(|i| (i + 1..k).map(move |j| f64::from(u8::from(i % 3 != j % 3)))).collect();
    data[1].iter_mut().for_each(|v| *v = v.round());
    let all = sides(&data, &models);
    let draws: Vec<Draw> = (0..40)
        .map(|i| Draw {
            conditions: multiplicities(k, &mut Stream::new(3, i)),
            data: vec![vec![1.0; 4], multiplicities(4, &mut Stream::new(4, i)), vec![2.0, 0.0, 1.0, 1.0]],
        })
        .collect();
    for compare in [Compare::Cosine, Compare::Corr, Compare::Spearman, Compare::RhoA, Compare::CosineCov, Compare::CorrCov] {
        let measure = measure(compare, &all);
        let closed = Evaluator::new(&measure, &all).rows(&draws).expect("runs");
        let explicit = Evaluator::explicit(&measure, &all).rows(&draws).expect("runs");
        for (closed, explicit) in closed.iter().flatten().zip(explicit.iter().flatten()) {
            let same = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-12;
            assert!(closed.iter().zip(explicit).all(|(a, b)| same(*a, *b)), "{compare:?}: {closed:?} {explicit:?}");
        }
    }
}

#[test]
fn drawing_everything_once_is_the_score_itself() {
    let (data, models) = (rdms(4, 9, 1.0, 5), rdms(2, 9, 0.5, 6));
    let all = sides(&data, &models);
    for compare in MEASURES {
        let measure = measure(compare, &all);
        let once = Draw { conditions: vec![1.0; 9], data: vec![vec![1.0; 4]] };
        let row = Evaluator::new(&measure, &all).rows(&[once]).expect("runs").concat().concat();
        let spec = Spec { compare, ..Spec::default() };
        let (output, _) = infer_with(spec, dataset(&data), dataset(&models)).expect("runs");
        let mut want: Vec<f64> = output.models.iter().map(|m| m.mean.expect("defined")).collect();
        want.extend(output.noise_ceiling.expect("four data RDMs"));
        close(&format!("{compare:?}"), &row, &want, 1e-12);
    }
}

#[test]
fn whitened_forms_survive_a_condition_that_fills_half_of_the_resample() {
    // n = 6 and m = 4: d = 2 + n - 2 m = 0, where the closed form divides by zero.
    let all = sides(&rdms(3, 6, 1.0, 7), &rdms(2, 6, 1.0, 8));
    let measure = measure(Compare::CorrCov, &all);
    let draw = Draw { conditions: vec![4.0, 1.0, 1.0, 0.0, 0.0, 0.0], data: vec![vec![1.0; 3]] };
    let row = Evaluator::new(&measure, &all).rows(std::slice::from_ref(&draw)).expect("runs").concat().concat();
    let explicit = Explicit::new(&measure, &all).scored(&draw).expect("runs");
    assert!(row[..2].iter().all(|v| v.is_finite()), "{row:?}");
    close("scores", &[row[0]], &[explicit.scores[..3].iter().sum::<f64>() / 3.0], 1e-12);
}

#[test]
fn resamples_match_their_reference() {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../tests/fixtures/rsa_inference.json")).expect("valid JSON");
    let (data, models) = (rows(&all["data"]), rows(&all["models"]));
    let rdms = sides(&data, &models);
    let draws: Vec<Draw> =
        rows(&all["conditions"]).into_iter().map(|conditions| Draw { conditions, data: vec![vec![1.0; data.len()]] }).collect();
    for (name, want) in all["scores"].as_object().expect("a table") {
        let compare: Compare = serde_json::from_value(name.as_str().into()).expect("a measure");
        let measure = measure(compare, &rdms);
        let found = Evaluator::new(&measure, &rdms).rows(&draws).expect("runs").into_iter().flatten();
        for (i, (row, want)) in found.zip(rows(want)).enumerate() {
            close(&format!("{name}, resample {i}"), &row, &want, 1e-9);
        }
    }
    // Variances and tests from given rows.
    let tests = &all["tests"];
    let table = |name: &str| Table { repeats: vec![rows(&tests[name])] };
    let spread = Spread::Dual {
        both: table("both"),
        by_condition: table("by_condition"),
        by_data: table("by_data"),
        a_conditions: tests["a_conditions"].as_f64().expect("a number"),
        a_data: tests["a_data"].as_f64().expect("a number"),
    };
    let n = models.len();
    let variances: Vec<f64> = (0..n + 2).map(|i| spread.variance(&|row: &[f64]| row[i])).collect();
    close("variances", &variances[..n], &numbers(&tests["model_variances"]), 1e-12);
    close("ceilings", &variances[n..], &numbers(&tests["ceiling_variances"]), 1e-12);
    let mut differences = Vec::new();
    for a in 0..n {
        differences.extend((a + 1..n).map(|b| spread.variance(&|row: &[f64]| row[a] - row[b])));
    }
    close("differences", &differences, &numbers(&tests["difference_variances"]), 1e-12);
    let below: Vec<f64> = (0..n).map(|i| spread.variance(&|row: &[f64]| row[i] - row[n])).collect();
    close("below the ceiling", &below, &numbers(&tests["below_ceiling_variances"]), 1e-12);
}

#[test]
fn without_a_bootstrap_tests_are_paired_t_tests_over_data_rdms() {
    let output = with(Inference::default(), &rdms(6, 10, 1.0, 9), &rdms(3, 10, 1.0, 10));
    let inference = output.inference.as_ref().expect("six data RDMs");
    assert_eq!((inference.over, inference.degrees_of_freedom, inference.pairs.len()), (None, 5, 3));
    let score = |i: usize| output.scores.row(i).to_vec();
    let differences: Vec<f64> = score(0).iter().zip(score(2)).map(|(a, b)| a - b).collect();
    let (mean, sem) = (crate::stats::mean(&differences), crate::stats::sem(&differences));
    let pair = &inference.pairs[1];
    close("pair", &[pair.difference.expect("defined"), pair.sem.expect("defined")], &[mean, sem], 1e-12);
    close("p", &[pair.p.expect("defined")], &[2.0 * student_t_sf((mean / sem).abs(), 5.0)], 1e-12);
    let test = &output.models[0].test;
    let [low, high] = test.interval.expect("six data RDMs");
    let half = 2.570_581_836 * test.sem.expect("defined");
    close(
        "interval",
        &[low, high],
        &[output.models[0].mean.expect("defined") - half, output.models[0].mean.expect("defined") + half],
        1e-9,
    );
}

#[test]
fn a_bootstrap_finds_the_better_model_and_repeats_itself() {
    let k = 24;
    let data = rdms(6, k, 1.5, 11);
    let models = vec![rdms(1, k, 3.0, 12).remove(0), rdms(1, k, 0.0, 13).remove(0)];
    for over in [Over::Dual, Over::Both, Over::Pattern, Over::Rdm] {
        let inference = Inference { bootstrap: 400, over, seed: 5, ..Inference::default() };
        let output = with(inference.clone(), &data, &models);
        let found = output.inference.as_ref().expect("a bootstrap");
        assert_eq!((found.over, found.n_resamples, found.n_left_out), (Some(over), 400, 0));
        let p = found.pairs[0].p.expect("defined");
        assert!(p < 0.01 && found.pairs[0].difference.expect("defined") > 0.0, "{over:?}: {p}");
        assert!(output.models[0].test.p_vs_0.expect("defined") < 0.01, "{over:?}");
        assert!(output.models[1].test.p_vs_0.expect("defined") > 0.01, "{over:?}");
        assert_eq!(output, with(inference, &data, &models), "the same seed gives the same numbers");
    }
    // The dual variance lies between that of the larger factor and that of both at once.
    let sem = |over: Over| {
        with(Inference { bootstrap: 400, over, seed: 5, ..Inference::default() }, &data, &models).models[0].test.sem.expect("defined")
    };
    let (dual, both, rdm, pattern) = (sem(Over::Dual), sem(Over::Both), sem(Over::Rdm), sem(Over::Pattern));
    assert!(dual <= both + 1e-15 && dual >= rdm.max(pattern) - 1e-15, "{dual} {both} {rdm} {pattern}");
}

#[test]
fn tests_of_unrelated_models_reject_as_often_as_they_say() {
    // 60 experiments without an effect: at a level of 5 % about 3 false alarms, 9 or more only by a mistake (p < 0.002).
    let mut alarms = [0; 2];
    for i in 0..60 {
        let (data, models) = (rdms(1, 9, 0.0, 100 + i), rdms(1, 9, 0.0, 1000 + i));
        let inference = Inference { permutations: 99, seed: i, ..Inference::default() };
        let output = with(inference, &data, &models);
        alarms[0] += usize::from(output.models[0].test.p_permutation.expect("asked for") <= 0.05);
        let (data, models) = (rdms(8, 9, 0.0, 200 + i), rdms(1, 9, 0.0, 2000 + i));
        let inference = Inference { bootstrap: 100, seed: i, ..Inference::default() };
        alarms[1] += usize::from(with(inference, &data, &models).models[0].test.p_vs_0.expect("a bootstrap") <= 0.05);
    }
    assert!(alarms.iter().all(|a| *a < 9), "{alarms:?}");
}

#[test]
fn few_conditions_take_all_permutations() {
    let data = rdms(2, 5, 1.0, 14);
    let output = with(Inference { permutations: 10, ..Inference::default() }, &data, &data);
    let p = output.models[0].test.p_permutation.expect("asked for");
    // A share of 120 permutations, the given one among them.
    assert!((p * 120.0 - (p * 120.0).round()).abs() < 1e-9 && p >= 1.0 / 120.0 - 1e-12, "{p}");
    // Permuting conditions of a model gives the permutation's own score: brute force for one pair of RDMs.
    let (data, models) = (rdms(1, 4, 1.0, 15), rdms(1, 4, 1.0, 16));
    for compare in MEASURES {
        let spec = Spec { compare, inference: Inference { permutations: 1, ..Inference::default() }, ..Spec::default() };
        let (output, _) = infer_with(spec, dataset(&data), dataset(&models)).expect("runs");
        let own = output.scores.values[0];
        let mut at_least = 0;
        let orders: Vec<[usize; 4]> =
            (0..256).map(|i| [i & 3, i >> 2 & 3, i >> 4 & 3, i >> 6]).filter(|o| (0..4).all(|v| o.contains(&v))).collect();
        for order in &orders {
            let at = |i: usize, j: usize| models[0][[[0, 0, 1, 2], [0, 0, 3, 4], [1, 3, 0, 5], [2, 4, 5, 0]][order[i]][order[j]]];
            let permuted = vec![vec![at(0, 1), at(0, 2), at(0, 3), at(1, 2), at(1, 3), at(2, 3)]];
            let (output, _) = infer_with(Spec { compare, ..Spec::default() }, dataset(&data), dataset(&permuted)).expect("runs");
            at_least += usize::from(output.scores.values[0] >= own - 1e-12);
        }
        assert_eq!(orders.len(), 24);
        close(&format!("{compare:?}"), &[output.models[0].test.p_permutation.expect("asked for")], &[count(at_least) / 24.0], 1e-12);
    }
}

#[test]
fn groups_of_data_rdms_are_told_apart() {
    // Odd data RDMs carry the signal, even ones do not.
    let k = 15;
    let (with_signal, without) = (rdms(4, k, 2.0, 17), rdms(4, k, 0.0, 18));
    let data: Vec<Vec<f64>> = (0..8).map(|s| if s % 2 == 1 { with_signal[s / 2].clone() } else { without[s / 2].clone() }).collect();
    let groups = Some(Labels { input: "groups".into(), column: None });
    let inference = Inference { permutations: 1000, groups: groups.clone(), ..Inference::default() };
    let output = with(inference, &data, &rdms(1, k, 3.0, 19));
    let test = &output.models[0].test;
    assert_eq!(output.inference.expect("eight data RDMs").group_names, Some(["0".into(), "1".into()]));
    assert!(test.group_difference.expect("asked for") < -0.2, "{:?}", test.group_difference);
    // All 70 ways to choose four of eight; only the given one and its mirror image are as extreme.
    close("p", &[test.p_groups.expect("asked for")], &[2.0 / 70.0], 1e-12);
    let spec = Spec { inference: Inference { groups, ..Inference::default() }, ..Spec::default() };
    let error = infer_with(spec, dataset(&data), dataset(&data)).expect_err("no permutations");
    assert!(error.to_string().contains("inference.permutations"), "{error}");
}

#[test]
fn signed_ranks_and_shares_of_resamples_are_tests_too() {
    let (data, models) = (rdms(6, 20, 1.5, 20), rdms(2, 20, 3.0, 21));
    let output = with(Inference { test: Test::SignedRank, ..Inference::default() }, &data, &models);
    // All six scores are positive: 1 of 64.
    close("signed rank", &[output.models[0].test.p_vs_0.expect("six data RDMs")], &[1.0 / 64.0], 1e-12);
    let output = with(Inference { test: Test::Bootstrap, bootstrap: 199, ..Inference::default() }, &data, &models);
    close("bootstrap", &[output.models[0].test.p_vs_0.expect("a bootstrap")], &[1.0 / 200.0], 1e-12);
    let mut adjusted = with(Inference { correction: Correction::Bonferroni, ..Inference::default() }, &data, &models).models;
    let test = adjusted.remove(0).test;
    close("Bonferroni", &[test.p_vs_0_adjusted.expect("defined")], &[2.0 * test.p_vs_0.expect("defined")], 1e-12);
}

#[test]
fn one_data_rdm_has_uncertainty_over_conditions_only() {
    let (data, models) = (rdms(1, 12, 1.0, 22), rdms(2, 12, 1.0, 23));
    assert_eq!(with(Inference::default(), &data, &models).inference, None);
    let output = with(Inference { bootstrap: 50, over: Over::Pattern, ..Inference::default() }, &data, &models);
    assert!(output.models[0].test.p_vs_0.is_some() && output.models[0].test.p_vs_ceiling.is_none(), "no ceiling of one");
    assert_eq!(output.inference.expect("a bootstrap").degrees_of_freedom, 11);
}

#[test]
fn tiny_resamples_are_left_out_and_counted() {
    let output = infer_with(
        Spec { inference: Inference { bootstrap: 300, over: Over::Pattern, ..Inference::default() }, ..Spec::default() },
        dataset(&rdms(2, 4, 1.0, 24)),
        dataset(&rdms(1, 4, 1.0, 25)),
    );
    let (output, warnings) = output.expect("runs");
    let inference = output.inference.expect("a bootstrap");
    // Of 256 draws of 4 from 4 items, 4 + 84 have one or two distinct ones: 103 of 300 expected.
    assert!((60..150).contains(&inference.n_left_out), "{}", inference.n_left_out);
    assert_eq!(inference.n_resamples + inference.n_left_out, 300);
    assert!(warnings.iter().any(|w| w.code == "resamples_left_out"), "{warnings:?}");
}

#[test]
fn what_cannot_be_resampled_is_refused() {
    let sigma = |compare: Compare, over: Over| {
        let mut inputs = Inputs::default();
        let data = rdms(3, 6, 1.0, 26);
        inputs.insert("data", dataset(&data));
        inputs
            .insert("sigma", dataset(&(0..6).map(|i| (0..6).map(|j| if i == j { 2.0 } else { 0.5 }).collect()).collect::<Vec<Vec<f64>>>()));
        let inference = Inference { bootstrap: 10, over, ..Inference::default() };
        let names = vec!["data".to_owned()];
        let spec = Spec { data: names.clone(), models: names, compare, sigma_k: Some("sigma".into()), inference, ..Spec::default() };
        let device = Device::cpu();
        pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Silent)))
    };
    let error = sigma(Compare::CorrCov, Over::Dual).expect_err("conditions with a covariance");
    assert!(error.to_string().contains("over: rdm"), "{error}");
    assert!(sigma(Compare::CorrCov, Over::Rdm).is_ok(), "data RDMs can be resampled");
    let error = sigma(Compare::NegRiemDist, Over::Pattern).expect_err("singular");
    assert!(error.to_string().contains("over: rdm"), "{error}");
    let inference = Inference { test: Test::Bootstrap, ..Inference::default() };
    let error = infer_with(Spec { inference, ..Spec::default() }, dataset(&rdms(2, 6, 1.0, 27)), dataset(&rdms(2, 6, 1.0, 28)))
        .expect_err("no resamples");
    assert!(error.to_string().contains("inference.bootstrap"), "{error}");
}

#[test]
fn missing_pairs_are_resampled_pair_by_pair() {
    let (mut data, models) = (rdms(3, 9, 1.0, 29), rdms(1, 9, 1.0, 30));
    data[0][3] = f64::NAN;
    data[2][7] = f64::NAN;
    let output = with(Inference { bootstrap: 30, ..Inference::default() }, &data, &models);
    assert!(output.models[0].test.sem.expect("a bootstrap") > 0.0 && output.noise_ceiling_is_heuristic);
}
