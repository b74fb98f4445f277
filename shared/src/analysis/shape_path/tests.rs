use super::*;
use crate::rng::Stream;
use crate::shapes::{LinearMetric, Metric as _};
use crate::testing::within;
use crate::{Dataset, Device, Silent};

fn random(n: usize, p: usize, seed: u64) -> Mat<f64> {
    let mut rng = Stream::new(seed, 0);
    Mat::from_fn(n, p, |_, _| rng.normal())
}

fn run_on(spec: &Spec, xs: &[&Mat<f64>]) -> Result<Output, Error> {
    let mut inputs = Inputs::default();
    let names = ["x", "y", "z"];
    for (name, x) in names.iter().zip(xs) {
        inputs.insert(*name, Dataset::from_rows(*name, x.nrows(), x.ncols(), Array::from_mat(x.as_ref()).values).expect("fits"));
    }
    let others = names[2..xs.len()].iter().map(|name| (*name).to_owned()).collect();
    let device = Device::cpu();
    let spec = Spec { x: "x".into(), y: "y".into(), others, ..spec.clone() };
    pollster::block_on(run(&spec, &inputs, &Context::new(&device, &Silent)))
}

#[test]
fn distances_grow_evenly_from_one_end_and_fall_to_the_other() {
    let (x, y, z) = (random(12, 5, 1), random(12, 3, 2), random(12, 30, 3));
    for score in [Score::Angular, Score::Euclidean] {
        for group in [Group::Orthogonal, Group::Permutation, Group::Identity] {
            let spec = Spec { score, group, n_points: 6, ..Spec::default() };
            let output = run_on(&spec, &[&x, &y, &z]).expect("runs");
            assert_eq!(output.names, ["x", "y", "z"]);
            for (i, t) in output.t.iter().enumerate() {
                within("t", *t, count(i) / 5.0, 1e-15);
                within(&format!("{score:?} {group:?}: from x"), output.distances.row(0)[i], t * output.length, 1e-6);
                within(&format!("{score:?} {group:?}: to y"), output.distances.row(1)[i], (1.0 - t) * output.length, 1e-6);
            }
            if group == Group::Orthogonal {
                for (other, at) in [(&x, 0), (&y, 5)] {
                    let want = LinearMetric::default().fit_score(other.as_ref(), z.as_ref(), score).expect("fits");
                    within("another, at the ends", output.distances.row(2)[at], want, 1e-7);
                }
            }
        }
    }
}

#[test]
fn points_are_in_the_columns_of_the_first() {
    let (x, y) = (random(8, 4, 1), random(8, 6, 2));
    let output =
        run_on(&Spec { score: Score::Euclidean, center_columns: false, keep_points: true, n_points: 3, ..Spec::default() }, &[&x, &y])
            .expect("runs");
    let points = output.points.expect("kept");
    assert_eq!(points.shape, [3, 8, 6]);
    for i in 0..8 {
        for j in 0..6 {
            let want = if j < 4 { x[(i, j)] } else { 0.0 };
            within("the first point", points.values[i * 6 + j], want, 1e-14);
        }
    }
    let reduced =
        run_on(&Spec { score: Score::Euclidean, center_columns: false, n_points: 3, ..Spec::default() }, &[&x, &y]).expect("runs");
    within("the length", reduced.length, output.length, 1e-10);
}

#[test]
fn hostile_specs_and_inputs_are_named() {
    let (x, constant) = (random(8, 4, 1), Mat::from_fn(8, 2, |_, _| 1.0));
    for n_points in [0, 1, 5000] {
        assert!(
            run_on(&Spec { n_points, ..Spec::default() }, &[&x, &x]).expect_err("refused").to_string().contains("n_points"),
            "{n_points}"
        );
    }
    assert!(run_on(&Spec::default(), &[&x, &constant]).expect_err("refused").to_string().contains("no direction"));
    assert!(run_on(&Spec::default(), &[&x, &random(7, 4, 1)]).expect_err("refused").to_string().contains("8 rows"));
    let still = run_on(&Spec { score: Score::Euclidean, ..Spec::default() }, &[&x, &constant]).expect("a point has a distance");
    assert!(still.length > 0.0 && still.distances.values.iter().all(|d| d.is_finite()));
}
