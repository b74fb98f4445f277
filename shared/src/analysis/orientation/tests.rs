use super::*;
use crate::{Dataset, Device, Silent};

fn run_it(spec: &Spec, inputs: &Inputs) -> Result<Output, Error> {
    let result =
        pollster::block_on(crate::analysis::run(&crate::AnalysisSpec::Orientation(spec.clone()), inputs, &Device::cpu(), &Silent))?;
    let crate::analysis::Output::Orientation(output) = result.output else { panic!("another output") };
    Ok(output)
}

/// What the tutorial finds on real cortex, on the simulated one, from three starts.
#[test]
fn pooled_features_are_more_like_v1_than_the_last_layer() {
    for seed in 0..3 {
        let output = run_it(&Spec { seed, ..Spec::default() }, &Inputs::default()).expect("it runs");
        let r = |layer: &str| output.comparisons.iter().find(|c| c.layer == layer).and_then(|c| c.correlation).expect("defined");
        assert!(r("pool") > r("fc"), "seed {seed}: {:?}", output.comparisons);
        assert!(output.accuracy.expect("trained") >= 0.99 && output.losses[24] < 0.02, "seed {seed}: {:?}", output.losses);
        let [v1, pool, fc] = output.populations.as_slice() else { panic!("three populations") };
        assert_eq!((v1.n_units, pool.n_units, fc.n_units), (500, 288, 10));
        assert_eq!((v1.rdm.rows(), output.orientations.len(), v1.points.rows()), (180, 180, 180));
        let fitted = output.encoding.as_ref().expect("a network is fitted to the neurons");
        assert!(fitted.test_losses.last() < fitted.test_losses.first() && fitted.r2.expect("defined") > 0.5, "seed {seed}: {fitted:?}");
        // The last layer tells left from right and little else: pairs across are farther than pairs of one side.
        let mean = |same: bool| {
            let pairs = (0..180usize).flat_map(|i| (0..180).map(move |j| (i, j)));
            let chosen: Vec<f64> = pairs
                .filter(|(i, j)| i != j && ((*i > 90) == (*j > 90)) == same && *i != 90 && *j != 90)
                .map(|(i, j)| fc.rdm.row(i)[j])
                .filter(|d| d.is_finite())
                .collect();
            chosen.iter().sum::<f64>() / chosen.len() as f64
        };
        assert!(mean(false) > 3.0 * mean(true), "seed {seed}: two groups in fc: {} and {}", mean(false), mean(true));
        // Pooled units repeat themselves along a grating: several peaks of tuning.
        let peaks = |curve: &[f64]| (1..179).filter(|i| curve[*i] > curve[i - 1] && curve[*i] >= curve[i + 1]).count();
        assert!((0..3).any(|k| peaks(pool.tuning.row(k)) > 1), "seed {seed}");
    }
}

#[test]
fn responses_can_be_given() {
    let mut inputs = Inputs::default();
    let n = 40;
    let angle = |i: usize| (i * 9) as f64;
    let values = (0..n).flat_map(|i| (0..6).map(move |k| ((angle(i) - 30.0 * k as f64).to_radians() * 2.0).cos())).collect();
    inputs.insert("resp", Dataset::from_rows("resp", n, 6, values).expect("fits"));
    inputs.insert("stimuli", Dataset::from_rows("stimuli", n, 1, (0..n).map(angle).collect()).expect("fits"));
    let stimuli = Labels { input: "stimuli".into(), column: None };
    let spec = Spec { responses: Some("resp".into()), stimuli, epochs: 1, n_train: 100, ..Spec::default() };
    let output = run_it(&spec, &inputs).expect("it runs");
    assert_eq!(output.orientations.len(), 21, "directions up to 180");
    assert_eq!((output.orientations[0], output.orientations[20]), (-90.0, 90.0));
    assert_eq!((output.populations[0].n_units, output.populations[0].name.as_str()), (6, "resp"));
    assert!(output.encoding.is_some_and(|fit| fit.train_losses.last() < fit.train_losses.first()), "few neurons are fitted, too");
    let wrong = Spec { momentum: 1.5, ..Spec::default() };
    assert!(run_it(&wrong, &inputs).expect_err("no momentum").to_string().contains("from 0 to below 1"));
}
