//! Models with parameters: planted mixtures, leaks, and agreement of the closed forms with fits written out.

use super::tests::{infer_with, rdms};
use super::*;
use crate::analysis::rdm::tests::dataset;
use crate::analysis::rdm_comparison::{Compare, Family, Output, Spec};
use crate::stats::pearson;

fn flexible(name: &str, family: Family) -> Flexible {
    Flexible { name: name.into(), family, rdms: vec!["models".into()], ridge: 0.0 }
}

fn cross(compare: Compare, models: Vec<Flexible>, data: &[Vec<f64>], parts: &[Vec<f64>], cv: CrossValidation) -> Output {
    let spec = Spec { compare, flexible: models, cv, ..Spec::default() };
    infer_with(spec, dataset(data), dataset(parts)).expect("runs").0
}

const FAMILIES: [Family; 2] = [Family::Select, Family::Interpolate];

#[test]
fn a_planted_mixture_is_found_and_reaches_the_ceiling() {
    let k = 24;
    let parts = rdms(3, k, 0.5, 41);
    let noise = rdms(6, k, 0.0, 42);
    let data: Vec<Vec<f64>> =
        noise.iter().map(|n| (0..n.len()).map(|i| 3.0 * parts[0][i] + 4.0 * parts[2][i] + 0.3 * n[i]).collect()).collect();
    for compare in [Compare::Corr, Compare::Cosine, Compare::CorrCov, Compare::CosineCov, Compare::Spearman, Compare::RhoA] {
        let models = vec![flexible("sum", Family::NonNegative), flexible("one", Family::Select)];
        let output = cross(compare, models, &data, &parts, CrossValidation::default());
        let (sum, one) = (&output.models[3], &output.models[4]);
        assert_eq!((sum.name.as_str(), one.name.as_str(), output.folds), ("sum", "one", Some([4, 3, 2])));
        let [lower, _] = output.noise_ceiling.expect("six data RDMs");
        assert!(sum.mean.expect("defined") > lower - 0.02, "{compare:?}: {:?} {lower}", sum.mean);
        assert!(sum.mean > one.mean && one.mean >= output.models[1].mean, "{compare:?}: a mixture is more than one of its parts");
        if matches!(compare, Compare::Corr | Compare::CorrCov) {
            let weights = sum.weights.as_ref().expect("fitted");
            // In units of each RDM's standard deviation, which are alike here.
            assert!(weights[1] < 0.2 * weights[0] && weights[2] > weights[0], "{compare:?}: {weights:?}");
        }
    }
}

#[test]
fn fits_do_not_see_what_they_are_scored_on() {
    // Noise fitted by 12 parts: in sample the weights would find a correlation, on held-out data there is none.
    let (data, parts) = (rdms(4, 18, 0.0, 43), rdms(12, 18, 0.0, 44));
    let output = cross(
        Compare::Corr,
        vec![flexible("sum", Family::Weighted)],
        &data,
        &parts,
        CrossValidation { repeats: 20, ..CrossValidation::default() },
    );
    let held_out = output.models[12].mean.expect("defined");
    let weights = output.models[12].weights.as_ref().expect("fitted");
    let z = |rdm: &[f64]| {
        let (m, s) = (crate::stats::mean(rdm), crate::stats::variance(rdm, 0).sqrt());
        rdm.iter().map(|v| (v - m) / s).collect::<Vec<_>>()
    };
    let fitted: Vec<f64> = (0..data[0].len()).map(|at| weights.iter().zip(&parts).map(|(w, p)| w * z(p)[at]).sum()).collect();
    let in_sample = crate::stats::mean(&data.iter().map(|d| pearson(d, &fitted)).collect::<Vec<_>>());
    assert!(in_sample > 0.12 && held_out < in_sample / 2.0, "{in_sample} in sample, {held_out} held out");
}

#[test]
fn folds_of_one_part_are_the_plain_scores_of_the_folds() {
    // A model of a single RDM has nothing to fit (but its sign, for sums).
    let (data, parts) = (rdms(4, 15, 1.0, 45), rdms(1, 15, 1.0, 46));
    for compare in [Compare::Corr, Compare::CorrCov, Compare::Spearman] {
        let models = FAMILIES.iter().map(|f| flexible(&format!("{f:?}"), *f)).collect();
        let output = cross(compare, models, &data, &parts, CrossValidation::default());
        for model in &output.models[1..] {
            let difference = model.mean.expect("defined") - output.models[0].mean.expect("defined");
            assert!(difference.abs() < 1e-12, "{compare:?}, {}: {difference}", model.name);
        }
    }
}

#[test]
fn two_conditions_folds_match_a_fit_written_out() {
    // One division by hand: its folds are read off the scores by trying all divisions of 6 conditions into 2 folds of 3.
    let (data, parts) = (rdms(1, 6, 1.0, 47), rdms(2, 6, 1.0, 48));
    let cv = CrossValidation { conditions: Some(2), data: Some(1), repeats: 1 };
    let output = cross(Compare::Corr, vec![flexible("sum", Family::Weighted)], &data, &parts, cv);
    let found = output.models[2].mean.expect("defined");
    let restrict = |rdm: &[f64], keep: &[usize]| {
        let at = |i: usize, j: usize| rdm[i * (11 - i) / 2 + j - i - 1];
        (0..keep.len()).flat_map(|a| (a + 1..keep.len()).map(move |b| (a, b))).map(|(a, b)| at(keep[a], keep[b])).collect::<Vec<f64>>()
    };
    let fitted = |train: &[usize], test: &[usize]| {
        let x: Vec<Vec<f64>> = parts.iter().map(|p| restrict(p, train)).collect();
        let y = restrict(&data[0], train);
        let center = |v: &[f64]| {
            let m = crate::stats::mean(v);
            v.iter().map(|v| v - m).collect::<Vec<_>>()
        };
        let (a, b, y) = (center(&x[0]), center(&x[1]), center(&y));
        let dot = crate::stats::dot;
        let det = dot(&a, &a) * dot(&b, &b) - dot(&a, &b).powi(2);
        let w =
            [(dot(&b, &b) * dot(&a, &y) - dot(&a, &b) * dot(&b, &y)) / det, (dot(&a, &a) * dot(&b, &y) - dot(&a, &b) * dot(&a, &y)) / det];
        let (p, q) = (restrict(&parts[0], test), restrict(&parts[1], test));
        let prediction: Vec<f64> = p.iter().zip(&q).map(|(p, q)| w[0] * p + w[1] * q).collect();
        pearson(&prediction, &restrict(&data[0], test))
    };
    let divisions = (0..64u32).filter(|bits| bits.count_ones() == 3).map(|bits| {
        let (one, two): (Vec<usize>, Vec<usize>) = (0..6).partition(|i| bits >> i & 1 == 1);
        (fitted(&one, &two) + fitted(&two, &one)) / 2.0
    });
    let nearest = divisions.map(|score| (score - found).abs()).fold(f64::INFINITY, f64::min);
    assert!(nearest < 1e-11, "{found} is {nearest} from the nearest division");
}

#[test]
fn bootstraps_of_models_with_parameters_repeat_themselves_and_find_the_better() {
    let k = 30;
    let parts = rdms(2, k, 2.0, 49);
    let data = rdms(6, k, 2.0, 50);
    let bad = rdms(2, k, 0.0, 51);
    for over in [Over::Dual, Over::Pattern, Over::Rdm] {
        let mut inputs = Inputs::default();
        inputs.insert("data", dataset(&data));
        inputs.insert("good", dataset(&parts));
        inputs.insert("bad", dataset(&bad));
        let model = |name: &str| Flexible { name: name.into(), family: Family::NonNegative, rdms: vec![name.into()], ridge: 0.0 };
        let inference = Inference { bootstrap: 100, over, ..Inference::default() };
        let spec = Spec { data: vec!["data".into()], flexible: vec![model("good"), model("bad")], inference, ..Spec::default() };
        let run_it = || {
            let device = crate::compute::Device::cpu();
            pollster::block_on(crate::analysis::rdm_comparison::run(&spec, &inputs, &Context::new(&device, &crate::progress::Silent)))
        };
        let output = run_it().expect("runs");
        let tests = output.inference.as_ref().expect("a bootstrap");
        assert!(tests.n_resamples > 80, "{over:?}: {}", tests.n_resamples);
        assert!(
            tests.pairs[0].p.expect("defined") < 0.05 && tests.pairs[0].difference.expect("defined") > 0.1,
            "{over:?}: {:?}",
            tests.pairs[0]
        );
        assert_eq!(output, run_it().expect("runs"), "the same seed gives the same numbers");
    }
}

#[test]
fn models_that_cannot_be_fitted_are_refused_in_words() {
    let (data, parts) = (rdms(3, 9, 1.0, 52), rdms(2, 9, 1.0, 53));
    let refused = |spec: Spec, what: &str| {
        let error = infer_with(spec, dataset(&data), dataset(&parts)).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    let models = vec![flexible("sum", Family::Weighted)];
    refused(Spec { compare: Compare::TauA, flexible: models.clone(), ..Spec::default() }, "choose one of them");
    let cv = CrossValidation { conditions: Some(4), ..CrossValidation::default() };
    refused(Spec { flexible: models.clone(), cv, ..Spec::default() }, "less than 3 in each");
    let cv = CrossValidation { data: Some(4), ..CrossValidation::default() };
    refused(Spec { flexible: models.clone(), cv, ..Spec::default() }, "use 1 to 3");
    refused(Spec { flexible: vec![flexible(" ", Family::Weighted)], ..Spec::default() }, "has no name");
    let inference = Inference { permutations: 10, ..Inference::default() };
    refused(Spec { flexible: models, inference, ..Spec::default() }, "without parameters");
}
