//! Ridge against its plain definitions.

use super::super::columns::{count, take_centered};
use super::super::leave_one_out::LeaveOneOut;
use super::super::products::{Products, Rows};
use super::super::ridge::System;
use super::super::selection::Training;
use super::*;

/// `beta` of ridge on centered rows by a direct solve, and predictions for other rows.
fn direct(x: &Mat<f64>, y: &Mat<f64>, train: &[usize], test: &[usize], alpha: f64) -> Mat<f64> {
    use faer::linalg::solvers::Solve;
    let (mx, my) = (columns::means(x, train), columns::means(y, train));
    let (a, b) = (take_centered(x, train, &mx), take_centered(y, train, &my));
    let held_out = take_centered(x, test, &mx);
    let penalty = |n: usize| Mat::from_fn(n, n, |i, j| if i == j { alpha } else { 0.0 });
    let mut out = if x.ncols() <= train.len() {
        held_out * (a.transpose() * &a + penalty(x.ncols())).partial_piv_lu().solve(a.transpose() * &b)
    } else {
        held_out * a.transpose() * (&a * a.transpose() + penalty(train.len())).partial_piv_lu().solve(&b)
    };
    for (k, mean) in my.iter().enumerate() {
        out.col_as_slice_mut(k).iter_mut().for_each(|v| *v += mean);
    }
    out
}

fn without(rows: &[usize], out: &[usize]) -> Vec<usize> {
    rows.iter().copied().filter(|row| !out.contains(row)).collect()
}

#[track_caller]
fn loo_is_exact(x: &Mat<f64>, y: &Mat<f64>, alphas: &[f64]) {
    let device = Device::cpu();
    let data = Rows { x, y, device: &device };
    let rows: Vec<usize> = (0..x.nrows()).collect();
    pollster::block_on(async {
        let products = Products::of(&data, rows.len()).await.expect("cpu");
        let sums = products.sums(&rows, &[], &data).await.expect("cpu");
        let system = System::new(products.gram(sums.clone(), &rows, &data).await.expect("cpu"), rows.len(), &data).await.expect("cpu");
        let training = Training { rows: &rows, sums, system: &system, products: &products, data: &data };
        let shortcut = LeaveOneOut::new(&training).await.expect("cpu");
        for &alpha in alphas {
            let got =
                shortcut.losses(&training, &shortcut.penalty(&training, alpha), &(0..y.ncols()).collect::<Vec<_>>()).await.expect("cpu");
            for (k, got) in got.iter().enumerate() {
                let want: f64 = rows.iter().map(|&i| (y[(i, k)] - direct(x, y, &without(&rows, &[i]), &[i], alpha)[(0, k)]).powi(2)).sum();
                assert_close(got / want, 1.0, 1e-8, &format!("alpha {alpha}, target {k}"));
            }
        }
    });
}

#[test]
fn leave_one_out_errors_are_those_of_refitting() {
    let (x, y) = planted(1, 18, 5, 3);
    loo_is_exact(&x, &y, &[0.0, 1e-6, 0.1, 10.0, 1e4]);
    let (x, y) = planted(2, 14, 30, 3);
    loo_is_exact(&x, &y, &[1e-6, 0.1, 10.0, 1e4]);
    // More columns than rows but of rank 4: neither the rows nor the columns are spanned.
    let flat = noise(14, 4, 3) * noise(4, 30, 4);
    loo_is_exact(&flat, &y, &[1e-3, 0.1, 10.0]);
}

#[test]
fn bounds_exclude_no_penalty_that_is_the_best() {
    // Penalties close together, far apart, and 0.
    let alphas: Vec<f64> = [1e6, 1e3, 50.0].into_iter().chain((0..40).rev().map(|i| 3.0 * 1.0001f64.powi(i))).chain([1e-3, 0.0]).collect();
    for (seed, n, p) in [(4, 60, 20), (5, 30, 80)] {
        let (x, y) = planted(seed, n, p, 12);
        let device = Device::cpu();
        let data = Rows { x: &x, y: &y, device: &device };
        let rows: Vec<usize> = (0..n).collect();
        pollster::block_on(async {
            let products = Products::of(&data, n).await.expect("cpu");
            let sums = products.sums(&rows, &[], &data).await.expect("cpu");
            let system = System::new(products.gram(sums.clone(), &rows, &data).await.expect("cpu"), n, &data).await.expect("cpu");
            let training = Training { rows: &rows, sums, system: &system, products: &products, data: &data };
            let shortcut = LeaveOneOut::new(&training).await.expect("cpu");
            let best = shortcut.choose(&training, &alphas).await.expect("cpu");
            let all: Vec<usize> = (0..12).collect();
            let mut lowest = [f64::INFINITY; 12];
            let mut want = [0.0; 12];
            for &alpha in &alphas {
                for (k, loss) in
                    shortcut.losses(&training, &shortcut.penalty(&training, alpha), &all).await.expect("cpu").into_iter().enumerate()
                {
                    if loss < lowest[k] {
                        (want[k], lowest[k]) = (alpha, loss);
                    }
                }
            }
            assert_eq!(best.alpha, want, "{n} x {p}");
        });
    }
}

#[test]
fn a_row_of_full_leverage_does_not_elect_zero() {
    // One column marks the first row: without it the row is unpredictable, with alpha = 0 the shortcut divides 0 by 0.
    let (x, y) = planted(3, 30, 4, 2);
    let marked = Mat::from_fn(30, 5, |i, j| if j < 4 { x[(i, j)] } else { f64::from(u8::from(i == 25)) });
    let (output, _) = run_on(&spec(ridge_model(&[0.0, 1.0], Selection::LeaveOneOut), kfold(3)), &marked, &y);
    assert!(output.alpha.expect("ridge").row(0).iter().all(|&a| a == 1.0), "0 has no score there");
}

#[test]
fn both_sides_of_the_gram_give_the_same_predictions() {
    let device = Device::cpu();
    for (n, p) in [(40, 12), (25, 60)] {
        let (x, y) = planted(4, n, p, 4);
        let data = Rows { x: &x, y: &y, device: &device };
        let (test, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % 5 == 0);
        for alpha in [0.01, 1.0, 100.0] {
            let predict = |n_train: usize| {
                pollster::block_on(async {
                    let products = Products::of(&data, n_train).await.expect("cpu");
                    let sums = products.sums(&train, &test, &data).await.expect("cpu");
                    let gram = products.gram(sums, &train, &data).await.expect("cpu");
                    let system = System::new(gram, train.len(), &data).await.expect("cpu");
                    let projected = system.project(&test, &products, &data).await.expect("cpu");
                    system.predict(&projected, &[alpha; 4], &data).await.expect("cpu")
                })
            };
            // Pretending very many or very few training rows chooses the side.
            let (columns_side, rows_side) = (predict(1_000_000), predict(0));
            let plain = direct(&x, &y, &train, &test, alpha);
            let center = columns::means(&y, &train);
            for k in 0..4 {
                for i in 0..test.len() {
                    let want = plain[(i, k)] - center[k];
                    assert_close(columns_side[(i, k)], want, 1e-10, "column side against a direct solve");
                    assert_close(rows_side[(i, k)], want, 1e-10, "row side against a direct solve");
                }
            }
        }
    }
}

#[test]
fn gram_matrices_by_subtraction_equal_direct_ones() {
    let device = Device::cpu();
    let (x, y) = planted(5, 50, 9, 4);
    let data = Rows { x: &x, y: &y, device: &device };
    let (test, train): (Vec<usize>, Vec<usize>) = (0..50).partition(|i| (10..20).contains(i));
    let (got, a, b) = pollster::block_on(async {
        let products = Products::of(&data, 40).await.expect("cpu");
        let sums = products.sums(&train, &test, &data).await.expect("cpu");
        let gram = products.gram(sums, &train, &data).await.expect("cpu");
        let center = (columns::means(&x, &train), columns::means(&y, &train));
        (gram, take_centered(&x, &train, &center.0), take_centered(&y, &train, &center.1))
    });
    let (gram, cross) = (a.transpose() * &a, a.transpose() * &b);
    assert!((&got.matrix - &gram).norm_max() < 1e-10 * gram.norm_max(), "X'X");
    assert!((&got.right - &cross).norm_max() < 1e-10 * cross.norm_max(), "X'Y");
}

#[test]
fn an_outlier_among_the_held_out_rows_costs_no_digits() {
    // Its square is 1e20: subtracted sums keep no digit of the other rows.
    for p in [4, 60] {
        let (mut x, y) = planted(6, 40, p, 3);
        for j in 0..p {
            x[(2, j)] = 1e10 * (1.0 + count(j));
        }
        let (test, train): (Vec<usize>, Vec<usize>) = (0..40).partition(|&i| i < 10);
        let mut spec = spec(ridge_model(&[1.0], Selection::LeaveOneOut), kfold(4));
        spec.keep_predictions = true;
        let (output, _) = run_on(&spec, &x, &y);
        let want = direct(&x, &y, &train, &test, 1.0);
        let kept = output.predictions.expect("asked for");
        for i in [0, 5, 9] {
            // The mean of all rows is 1e9 off: seven of sixteen digits of a difference of 1 remain.
            assert_close(kept.row(i)[1], want[(i, 1)], 1e-5, &format!("row {i}, {p} features"));
        }
    }
}

#[test]
fn folds_choose_what_a_grid_search_chooses() {
    let alphas = [0.1, 1.0, 10.0, 100.0, 1000.0];
    for (n, p, k) in [(48, 6, 4), (24, 50, 5), (30, 26, 3)] {
        let (x, y) = planted(7, n, p, 5);
        let (output, _) = run_on(&spec(ridge_model(&alphas, Selection::Kfold { k }), kfold(3)), &x, &y);
        let train: Vec<usize> = (n / 3..n).collect();
        let score = |alpha: f64, target: usize| -> f64 {
            let folds = crate::stats::blocks(train.len(), k as usize);
            let r2 = folds.into_iter().map(|block| {
                let test = &train[block];
                let predicted = direct(&x, &y, &without(&train, test), test, alpha);
                let mean = test.iter().map(|&i| y[(i, target)]).sum::<f64>() / count(test.len());
                let sse: f64 = test.iter().enumerate().map(|(at, &i)| (y[(i, target)] - predicted[(at, target)]).powi(2)).sum();
                1.0 - sse / test.iter().map(|&i| (y[(i, target)] - mean).powi(2)).sum::<f64>()
            });
            r2.sum()
        };
        for target in 0..5 {
            let best = alphas.iter().copied().max_by(|&a, &b| score(a, target).total_cmp(&score(b, target))).expect("a grid");
            let chosen = output.alpha.as_ref().expect("ridge").row(0)[target];
            assert_eq!(chosen.to_bits(), best.to_bits(), "{n} x {p}, target {target}: {chosen} against {best}");
        }
    }
}

#[test]
fn the_edge_of_a_grid_is_reported() {
    let (x, y) = planted(1, 60, 8, 5);
    let (_, warnings) = run_on(&spec(ridge_model(&[1e6, 1e7], Selection::Gcv), kfold(3)), &x, &y);
    assert_eq!(codes(&warnings), ["alpha_at_edge"]);
    assert!(warnings[0].message.contains("for 5 of 5 targets"), "{}", warnings[0].message);
    let (output, warnings) = run_on(&spec(ridge_model(&[2.0], Selection::Gcv), kfold(3)), &x, &y);
    assert!(warnings.is_empty(), "one penalty has no edge");
    assert_eq!(output.alpha.expect("ridge").values, vec![2.0; 15]);
}

#[test]
fn one_penalty_by_cholesky_is_that_of_a_direct_solve() {
    let device = Device::cpu();
    for p in [5, 30] {
        let (x, y) = planted(11, 18, p, 3);
        let data = Rows { x: &x, y: &y, device: &device };
        let (train, test): (Vec<usize>, Vec<usize>) = ((0..14).collect(), (14..18).collect());
        pollster::block_on(async {
            let products = Products::of(&data, train.len()).await.expect("cpu");
            let sums = products.sums(&train, &test, &data).await.expect("cpu");
            let gram = products.gram(sums, &train, &data).await.expect("cpu");
            assert!(super::super::ridge::solve(&gram, 1e-9, &device).is_none(), "a tiny penalty is left to the eigenbasis");
            let solved = super::super::ridge::solve(&gram, 2.0, &device).expect("well conditioned");
            let got = gram.side.bring(&test, &products, &data).await.expect("cpu") * solved;
            let want = direct(&x, &y, &train, &test, 2.0);
            let centers = columns::means(&y, &train);
            for (k, center) in centers.iter().enumerate() {
                for i in 0..test.len() {
                    assert_close(got[(i, k)] + center, want[(i, k)], 1e-11, &format!("p = {p}, row {i}, target {k}"));
                }
            }
        });
    }
}

#[test]
fn scaled_penalties_are_multiples_of_the_mean_eigenvalue() {
    let grid = [1e-3, 0.1, 10.0];
    for (n, p) in [(30, 8), (20, 40)] {
        let (x, y) = planted(6, n, p, 5);
        let cv = Cv::Contiguous { train_fraction: 0.8, validation_fraction: 0.0 };
        let scaled =
            Spec { scaled_penalties: true, keep_predictions: true, ..spec(ridge_model(&grid, Selection::LeaveOneOut), cv.clone()) };
        let (output, _) = run_on(&scaled, &x, &y);
        let train: Vec<usize> = (0..n * 4 / 5).collect();
        let centered = take_centered(&x, &train, &columns::means(&x, &train));
        let unit = centered.squared_norm_l2() / count(p);
        let absolute: Vec<f64> = grid.iter().map(|alpha| alpha * unit).collect();
        let plain = Spec { scaled_penalties: false, ..scaled.clone() };
        let (same, _) = run_on(&Spec { model: ridge_model(&absolute, Selection::LeaveOneOut), ..plain }, &x, &y);
        assert_close(output.median_r.expect("defined"), same.median_r.expect("defined"), 1e-12, "median r");
        assert!(output.alpha.expect("ridge").values.iter().all(|a| grid.contains(a)), "penalties are told in the units of the grid");
        // Their point: the scale of the features does not matter.
        let (larger, _) = run_on(&scaled, &(&x * faer::Scale(1e4)), &y);
        assert_close(output.r2_uniform.expect("defined"), larger.r2_uniform.expect("defined"), 1e-10, "R2 of larger features");
    }
}

#[test]
fn a_penalized_intercept_is_a_coefficient_of_ones() {
    use faer::linalg::solvers::Solve;
    for (n, p) in [(30, 6), (20, 45)] {
        let (x, y) = planted(7, n, p, 3);
        let y = Mat::from_fn(n, 3, |i, j| y[(i, j)] + 5.0);
        let model = ridge_model(&[2.0], Selection::LeaveOneOut);
        let cv = Cv::Contiguous { train_fraction: 0.8, validation_fraction: 0.0 };
        let spec = Spec { penalize_intercept: true, keep_predictions: true, ..spec(model, cv) };
        let (output, _) = run_on(&spec, &x, &y);
        let n_train = n * 4 / 5;
        let ones = Mat::from_fn(n, p + 1, |i, j| if j == 0 { 1.0 } else { x[(i, j - 1)] });
        let (a, held_out) = (ones.subrows(0, n_train), ones.subrows(n_train, n - n_train));
        let penalty = Mat::from_fn(p + 1, p + 1, |i, j| if i == j { 2.0 } else { 0.0 });
        let want = held_out * (a.transpose() * a + penalty).partial_piv_lu().solve(a.transpose() * y.subrows(0, n_train));
        let got = output.predictions.expect("kept");
        for i in 0..n - n_train {
            for k in 0..3 {
                assert_close(got.row(n_train + i)[k], want[(i, k)], 1e-10, &format!("row {i} of target {k}, {n} x {p}"));
            }
        }
    }
}

#[test]
fn options_of_ridge_are_refused_elsewhere() {
    let (x, y) = planted(8, 30, 4, 2);
    let inputs = inputs(&x, &y);
    let refused = |spec: Spec, field: &str| match try_run(&spec, &inputs) {
        Err(Error::Parameter { field: named, .. }) => assert_eq!(named, field),
        other => panic!("{other:?}"),
    };
    let ols = spec(Model::Ols, kfold(3));
    refused(Spec { scaled_penalties: true, ..ols.clone() }, "scaled_penalties");
    refused(Spec { penalize_intercept: true, ..ols }, "penalize_intercept");
    let several = spec(ridge_model(&[1.0, 2.0], Selection::LeaveOneOut), kfold(3));
    refused(Spec { penalize_intercept: true, ..several }, "penalize_intercept");
    let none = spec(ridge_model(&[0.0], Selection::LeaveOneOut), kfold(3));
    refused(Spec { penalize_intercept: true, ..none }, "penalize_intercept");
}
