//! Invariances and planted truths.

use proptest::prelude::*;

use super::*;

/// A random rotation of p dimensions.
fn rotation(p: usize, seed: u64) -> Mat<f64> {
    noise(p, p, seed).qr().compute_Q()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rotations_of_the_features_change_no_score(seed in 0u64..1000, wide in any::<bool>()) {
        let (n, p) = if wide { (24, 40) } else { (40, 7) };
        let (x, y) = planted(u32::try_from(seed).expect("small"), n, p, 3);
        let turned = &x * rotation(p, seed + 7);
        for model in [Model::Ols, ridge_model(&[0.5, 5.0, 50.0], Selection::LeaveOneOut), Model::Pls { components: 3 }] {
            let (want, _) = run_on(&spec(model.clone(), kfold(4)), &x, &y);
            let (got, _) = run_on(&spec(model.clone(), kfold(4)), &turned, &y);
            for (a, b) in got.per_target_r2.values.iter().zip(&want.per_target_r2.values) {
                prop_assert!((a - b).abs() < 1e-7 * b.abs().max(1.0), "{model:?}: {a} and {b}");
            }
        }
    }

    #[test]
    fn the_best_unit_does_change_when_features_are_rotated(seed in 0u64..1000) {
        let (x, y) = planted(u32::try_from(seed).expect("small"), 60, 6, 3);
        let (plain, _) = run_on(&spec(Model::BestUnit, kfold(4)), &x, &y);
        let (turned, _) = run_on(&spec(Model::BestUnit, kfold(4)), &(&x * rotation(6, seed + 3)), &y);
        prop_assert!((plain.per_target_r.values[0] - turned.per_target_r.values[0]).abs() > 1e-6, "units matter");
    }

    #[test]
    fn planted_signals_are_predicted_as_well_as_they_can_be(seed in 0u64..1000, ratio in 0.3f64..3.0) {
        // Signal variance ratio^2, noise variance 1: the best possible r is ratio / sqrt(1 + ratio^2).
        let x = noise(3000, 4, seed);
        let e = noise(3000, 1, seed + 5000);
        let y = Mat::from_fn(3000, 1, |i, _| ratio * (0..4).map(|j| 0.5 * x[(i, j)]).sum::<f64>() + e[(i, 0)]);
        let want = ratio / ratio.hypot(1.0);
        for model in [Model::Ols, ridge_model(&[1.0, 10.0], Selection::Gcv), Model::Pls { components: 4 }] {
            let (output, _) = run_on(&spec(model.clone(), kfold(3)), &x, &y);
            let got = output.median_r.expect("defined");
            // Standard error of r at 1,000 rows a fold: below 0.02.
            prop_assert!((got - want).abs() < 0.06, "{model:?}: {got}, not {want}");
        }
    }
}

#[test]
fn splits_that_miss_a_class_name_it() {
    let (x, y) = planted(3, 40, 3, 2);
    let mut inputs = inputs(&x, &y);
    // Class 7 has two rows: a tenth of them is none.
    inputs.insert("L", dataset(&Mat::from_fn(40, 1, |i, _| if i == 5 || i == 30 { 7.0 } else { columns::count(i % 2) })));
    let labels = crate::labels::Labels { input: "L".into(), column: None };
    let cv = Cv::StratifiedShuffle { n_splits: 4, train_fraction: 0.9, seed: 1, labels: labels.clone() };
    let error = try_run(&spec(Model::Ols, cv), &inputs).expect_err("held out nowhere").to_string();
    assert!(error.contains("no row of class \"7\", which has 2"), "{error}");
    let cv = Cv::StratifiedKfold { k: 3, labels };
    let error = try_run(&spec(Model::Ols, cv), &inputs).expect_err("too few").to_string();
    assert!(error.contains("class \"7\" has 2 rows; at least 3"), "{error}");
}
