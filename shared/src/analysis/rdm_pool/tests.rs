//! References (`tests/reference/rsa_data.py`), partial RDMs and input that does not fit.

use super::*;
use crate::Warning;
use crate::analysis::rdm::tests::{close, dataset, rows, upper};
use crate::compute::Device;
use crate::dataset::Dataset;
use crate::progress::Silent;

fn pool(rdms: Vec<Dataset>, names: Vec<Vec<f64>>, rescale: Rescale) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    let mut spec = Spec { rescale, ..Spec::default() };
    for (i, rdm) in rdms.into_iter().enumerate() {
        inputs.insert(format!("rdm{i}"), rdm);
        spec.inputs.push(format!("rdm{i}"));
    }
    for (i, names) in names.into_iter().enumerate() {
        inputs.insert(format!("names{i}"), dataset(&names.into_iter().map(|v| vec![v]).collect::<Vec<_>>()));
        spec.conditions.push(Labels { input: format!("names{i}"), column: None });
    }
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

#[test]
fn rescaled_partial_rdms_match_their_reference() {
    let all: serde_json::Value = serde_json::from_str(include_str!("../../../../tests/fixtures/rsa_data.json")).expect("valid JSON");
    let partial = &all["partial"];
    let stack = rows(&partial["rdms"]);
    for (name, want) in partial["pooled"].as_object().expect("a table") {
        let how = serde_json::from_value(name.as_str().into()).expect("a way");
        let (output, _) = pool(vec![dataset(&stack)], Vec::new(), how).expect("runs");
        close(name, &upper(&output.rdm), &rows(want).concat(), 1e-11);
        assert!(output.steps.is_some_and(|s| s > 1), "{name} takes steps");
    }
}

#[test]
fn rdms_of_some_conditions_are_placed_by_their_names() {
    // Conditions 1, 2, 3 and 3, 2, 4: the pair of 2 and 3 is in both, 1 and 4 in none.
    let (a, b) = (vec![vec![1.0, 2.0, 3.0]], vec![vec![5.0, 6.0, 7.0]]);
    let (output, warnings) =
        pool(vec![dataset(&a), dataset(&b)], vec![vec![1.0, 2.0, 3.0], vec![3.0, 2.0, 4.0]], Rescale::None).expect("runs");
    assert_eq!(output.conditions, Some(["1", "2", "3", "4"].map(String::from).to_vec()));
    let found = upper(&output.rdm);
    assert_eq!(found[..2], [1.0, 2.0]);
    assert!(found[2].is_nan(), "conditions 1 and 4 were never together");
    assert_eq!(found[3..], [4.0, 7.0, 6.0]);
    assert_eq!(upper(&output.counts), [1.0, 1.0, 0.0, 2.0, 1.0, 1.0]);
    assert_eq!(warnings[0].code, "missing_pairs");
}

#[test]
fn multiples_of_one_rdm_come_back_as_it_is() {
    let rdm = vec![0.5, 1.5, 2.5, 1.0, 2.0, 3.0];
    let stack = vec![rdm.clone(), rdm.iter().map(|v| 7.0 * v).collect()];
    for how in [Rescale::Evidence, Rescale::Setsize, Rescale::Simple] {
        let (output, _) = pool(vec![dataset(&stack)], Vec::new(), how).expect("runs");
        let found = upper(&output.rdm);
        let ratios: Vec<f64> = found.iter().zip(&rdm).map(|(a, b)| a / b / (found[0] / rdm[0])).collect();
        close(&format!("{how:?}"), &ratios, &[1.0; 6], 1e-12);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let (a, b) = (vec![vec![1.0, 2.0, 3.0]], vec![vec![1.0; 6]]);
    let refused = |rdms: Vec<Dataset>, names: Vec<Vec<f64>>, what: &str| {
        let error = pool(rdms, names, Rescale::None).expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(Vec::new(), Vec::new(), "at least one input");
    refused(vec![dataset(&a), dataset(&b)], Vec::new(), "give the names of the conditions");
    refused(vec![dataset(&a)], vec![vec![1.0, 1.0, 2.0]], "twice");
    refused(vec![dataset(&a), dataset(&b)], vec![vec![1.0, 2.0, 3.0]], "one for each");
}
