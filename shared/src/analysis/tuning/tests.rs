//! Planted curves and input that does not fit.

use super::*;
use crate::Warning;
use crate::analysis::rdm::tests::{close, dataset};
use crate::compute::Device;
use crate::progress::Silent;
use crate::rng::Stream;

fn tune(responses: &[Vec<f64>], stimuli: &[f64], period: Option<f64>) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    inputs.insert("x", dataset(responses));
    inputs.insert("angle", dataset(&stimuli.iter().map(|v| vec![*v]).collect::<Vec<_>>()));
    let spec = Spec { input: "x".into(), stimuli: Labels { input: "angle".into(), column: None }, period };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

#[test]
fn planted_preferences_are_found() {
    // Curves 1 + a cos(2 (theta - preferred)) over a whole period: selectivity a / 2.
    let angles: Vec<f64> = (0..36u32).map(|i| -90.0 + 5.0 * f64::from(i)).collect();
    let planted = [(-60.0, 0.5), (10.0, 1.0), (85.0, 0.2)];
    let curve = |angle: f64, (preferred, a): (f64, f64)| 1.0 + a * (2.0 * (angle - preferred)).to_radians().cos();
    let responses: Vec<Vec<f64>> = angles.iter().map(|&angle| planted.iter().map(|&p| curve(angle, p)).collect()).collect();
    let (output, warnings) = tune(&responses, &angles, Some(180.0)).expect("runs");
    close("preferred", &output.preferred.expect("a period").values, &planted.map(|p| p.0), 1e-12);
    close("selectivity", &output.selectivity.expect("a period").values, &planted.map(|p| p.1 / 2.0), 1e-12);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn repeated_trials_are_averaged_with_their_standard_error() {
    let mut rng = Stream::new(61, 0);
    let stimuli = [30.0, -30.0, 30.0, 0.0, -30.0, 30.0];
    let responses: Vec<Vec<f64>> = (0..6).map(|_| vec![rng.uniform(), rng.uniform()]).collect();
    let (output, _) = tune(&responses, &stimuli, None).expect("runs");
    assert_eq!((&output.values[..], &output.n_trials[..]), (&[-30.0, 0.0, 30.0][..], &[2, 1, 3][..]));
    let trials = [responses[0][1], responses[2][1], responses[5][1]];
    close("mean", &[output.means.row(1)[2]], &[crate::stats::mean(&trials)], 1e-14);
    close("sem", &[output.sems.row(1)[2]], &[sem(&trials)], 1e-14);
    assert!(output.sems.row(0)[1].is_nan() && output.preferred.is_none(), "one trial; no period");
}

#[test]
fn units_without_a_preference_say_so() {
    let (output, warnings) = tune(&[vec![-1.0, 0.0, 1.0], vec![2.0, 0.0, 1.0]], &[0.0, 90.0], Some(180.0)).expect("runs");
    let (preferred, selectivity) = (output.preferred.expect("a period").values, output.selectivity.expect("a period").values);
    assert!(preferred.iter().all(|v| v.is_nan()), "negative, silent, flat: {preferred:?}");
    assert!(selectivity[0].is_nan() && selectivity[1].is_nan() && selectivity[2].abs() < 1e-15, "{selectivity:?}");
    assert!(warnings[0].message.starts_with("2 of 3 units"), "{}", warnings[0].message);
    let error = tune(&[vec![1.0], vec![2.0]], &[0.0, 90.0], Some(0.0)).expect_err("no period").to_string();
    assert!(error.contains("period"), "{error}");
}
