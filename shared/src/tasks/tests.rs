use super::*;
use crate::analysis::encoding::{Cv, Model, Selection};
use crate::rng::Stream;
use crate::testing::near;
use crate::{Dataset, Silent, run as run_whole, wire};

fn random(name: &str, n: usize, p: usize, seed: u64) -> Dataset {
    let mut rng = Stream::new(seed, 0);
    Dataset::from_rows(name, n, p, (0..n * p).map(|_| 0.3 + rng.normal()).collect()).expect("fits")
}

/// Every piece goes through bytes, as between processes.
fn in_tasks(spec: &AnalysisSpec, inputs: &Inputs, task_flops: f64) -> (usize, Result<AnalysisResult, Error>) {
    let device = Device::cpu();
    let tasks = divide(spec, &inputs.shapes(), task_flops);
    let pieces = tasks.iter().map(|task| {
        let text = serde_json::to_string(task).expect("serializes");
        let task: Task = serde_json::from_str(&text).expect("reads");
        let pieces = pollster::block_on(run(spec, &task, inputs, &device, &Silent))?;
        wire::read(&*wire::pack(&pieces)?)
    });
    (tasks.len(), join(spec, pieces, inputs, &device, &Silent))
}

#[track_caller]
fn agrees(spec: &AnalysisSpec, inputs: &Inputs, task_flops: f64) -> usize {
    let (n, result) = in_tasks(spec, inputs, task_flops);
    let whole = pollster::block_on(run_whole(spec, inputs, &Device::cpu(), &Silent)).expect("runs");
    let json = |result: &AnalysisResult| serde_json::to_value(result).expect("serializes");
    near(&json(&result.expect("runs in tasks")), &json(&whole), "result");
    n
}

#[test]
fn spectra_in_tasks_are_those_of_one_run() {
    use dimensionality::Centering;
    let mut inputs = Inputs::default();
    inputs.insert("tall", random("tall", 60, 7, 1));
    inputs.insert("wide", random("wide", 9, 80, 2));
    let mut flat = vec![0.5; 30];
    flat[..10].copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
    inputs.insert("flat", Dataset::from_rows("flat", 10, 3, flat).expect("fits"));
    for centering in [Centering::Column, Centering::None, Centering::Both, Centering::Z] {
        let names = ["tall", "wide", "flat"].map(String::from).to_vec();
        let spec = AnalysisSpec::Dimensionality(dimensionality::Spec { inputs: names, centering, ..Default::default() });
        // Parts of one input each, and whole inputs together.
        assert_eq!(agrees(&spec, &inputs, 1000.0), 11, "3 of tall, 7 of wide, flat");
        assert_eq!(agrees(&spec, &inputs, 6600.0), 2, "tall, and the others together");
    }
}

#[test]
fn encoding_in_tasks_is_that_of_one_run() {
    let mut inputs = Inputs::default();
    let x = random("X", 40, 6, 3);
    inputs.insert("Y", random("Y", 40, 600, 4));
    inputs.insert("Z", random("Z", 40, 5, 5));
    inputs.insert("X", x);
    let grid = vec![0.1, 10.0, 1000.0];
    let models = [
        Model::Ols,
        Model::BestUnit,
        Model::Ridge { alphas: grid.clone(), selection: Selection::LeaveOneOut },
        Model::BandedRidge { bands: vec!["Z".into()], alphas: grid, candidates: 3, k: 2, seed: 1 },
    ];
    for model in models {
        let spec = encoding::Spec {
            features: "X".into(),
            targets: "Y".into(),
            model,
            cv: Cv::Kfold { k: 4, shuffle: false, seed: 0 },
            keep_predictions: true,
            ..Default::default()
        };
        // As many tasks as the features, which each of them makes again, allow.
        let n = agrees(&AnalysisSpec::Encoding(spec.clone()), &inputs, 1.0);
        assert!(n > 1, "{n} tasks of 600 targets: {:?}", spec.model);
    }
}

#[test]
fn short_runs_and_those_that_need_all_data_are_not_divided() {
    let mut inputs = Inputs::default();
    inputs.insert("X", random("X", 60, 7, 1));
    let spec = dimensionality::Spec { inputs: vec!["X".into()], ..Default::default() };
    let n = |spec: dimensionality::Spec, flops: f64| divide(&AnalysisSpec::Dimensionality(spec), &inputs.shapes(), flops).len();
    assert_eq!(n(spec.clone(), 1000.0), 3);
    assert_eq!(n(spec.clone(), TASK_FLOPS), 0, "far less than a task");
    assert_eq!(n(dimensionality::Spec { intrinsic: true, ..spec }, 1000.0), 0, "neighbors are among all rows");
}

#[test]
fn missing_and_foreign_pieces_are_errors() {
    let mut inputs = Inputs::default();
    inputs.insert("X", random("X", 60, 7, 1));
    let spec = AnalysisSpec::Dimensionality(dimensionality::Spec { inputs: vec!["X".into()], ..Default::default() });
    let device = Device::cpu();
    let tasks = divide(&spec, &inputs.shapes(), 1000.0);
    let pieces: Vec<Pieces> =
        tasks.iter().map(|task| pollster::block_on(run(&spec, task, &inputs, &device, &Silent)).expect("runs")).collect();
    let joined = |pieces: &[Pieces]| join(&spec, pieces.iter().cloned().map(Ok), &inputs, &device, &Silent);
    assert!(joined(&pieces).is_ok(), "all of them");
    let error = joined(&pieces[..2]).expect_err("one is missing");
    assert!(error.to_string().contains("missing"), "{error}");
    let other = AnalysisSpec::Encoding(encoding::Spec { features: "X".into(), targets: "X".into(), ..Default::default() });
    assert!(pollster::block_on(run(&other, &tasks[0], &inputs, &device, &Silent)).is_err(), "a task of another analysis");
    assert!(join(&other, pieces.into_iter().map(Ok), &inputs, &device, &Silent).is_err(), "pieces of another analysis");
}
