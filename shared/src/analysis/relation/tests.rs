//! Reference values (tests/reference/relation.py), joins, degenerate tables, refusals.

use serde_json::Value;

use super::*;
use crate::io::{self, Limits};
use crate::{AnalysisResult, AnalysisSpec, Dataset, Device, Silent, Warning, analysis, wire};

fn read(name: &str, text: &str) -> Dataset {
    io::read(&format!("{name}.csv"), text.as_bytes(), None, Limits::BROWSER).expect("reads")
}

fn relate(tables: &[(&str, &str)], spec: Spec) -> Result<(Output, Vec<Warning>), Error> {
    let mut inputs = Inputs::default();
    for (name, text) in tables {
        inputs.insert(*name, read(name, text));
    }
    let spec = Spec { tables: tables.iter().map(|(name, _)| (*name).to_owned()).collect(), ..spec };
    let device = Device::cpu();
    let context = Context::new(&device, &Silent);
    let output = pollster::block_on(run(&spec, &inputs, &context))?;
    Ok((output, context.into_warnings()))
}

fn plain() -> Spec {
    Spec { bootstrap: 0, x: "ed".into(), ..Spec::default() }
}

#[track_caller]
fn refused(tables: &[(&str, &str)], spec: Spec, words: &[&str]) {
    let message = relate(tables, spec).expect_err("refused").to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
    assert_eq!(message.lines().count(), 1, "one sentence: {message}");
}

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/relation.json");
    serde_json::from_slice(&std::fs::read(path).expect("the fixture is there")).expect("JSON")
}

/// Correlations of scipy; 1e-12 because both sums are of a few dozen terms, p to 1e-10 because of its exponent.
#[track_caller]
fn agrees(got: &Correlations, want: &Value) {
    assert_eq!(u64::from(got.n), want["n"].as_u64().expect("a count"));
    let pairs =
        [(got.pearson_r, "pearson_r"), (got.pearson_p, "pearson_p"), (got.spearman_r, "spearman_r"), (got.spearman_p, "spearman_p")];
    for (value, key) in pairs {
        close(value.expect("defined"), &want[key], 1e-10);
    }
}

#[track_caller]
fn close(got: f64, want: &Value, relative: f64) {
    let want = want.as_f64().expect("a number");
    assert!((got - want).abs() <= relative * want.abs().max(1e-3), "{got} instead of {want}");
}

#[test]
fn the_reference_agrees() {
    let all = fixture();
    let text = |name: &str| all["tables"][name].as_str().expect("a table");
    let tables = [("resnets", text("resnets")), ("scores", text("scores")), ("alexnets", text("alexnets"))];
    let log = |column: &str| Term { column: column.into(), log: true };
    let raw = |column: &str| Term { column: column.into(), log: false };
    let spec = Spec {
        x: "Effective_Dimensionality".into(),
        log_x: true,
        by: vec!["kind".into()],
        best_layer: true,
        given: vec![log("ambient")],
        partition: vec![log("effective dimensionality"), raw("signal")],
        bootstrap: 200,
        ..Spec::default()
    };
    let (out, warnings) = relate(&tables, spec.clone()).expect("runs");
    agrees(&out.all, &all["log"]);
    assert_eq!(out.joined_on, ["architecture", "task", "kind", "source", "layer"]);
    let unmatched: Vec<&Warning> = warnings.iter().filter(|w| w.code == "unmatched_rows").collect();
    assert!(unmatched.len() == 1 && unmatched[0].message.contains("3 of 39 rows of resnets + alexnets"), "{warnings:?}");
    agrees(&out.best_layer.as_ref().expect("asked for").of, &all["best"]);
    assert_eq!(out.groups.iter().map(|g| &*g.name).collect::<Vec<_>>(), ["Untrained", "Supervised", "Self-Supervised"]);
    for group in &out.groups {
        agrees(&group.of, &all["groups"][&group.name]);
    }
    for (got, want) in out.rows.depth.values.iter().zip(all["depth"].as_array().expect("depths")) {
        close(*got, want, 1e-15);
    }
    let partial = out.partial.as_ref().expect("asked for");
    assert_eq!(partial.given, ["log10 ambient"]);
    for (value, key) in [(partial.pearson_r, "pearson_r"), (partial.pearson_p, "pearson_p"), (partial.spearman_p, "spearman_p")] {
        close(value.expect("defined"), &all["partial"][key], 1e-10);
    }
    let [low, high] = out.all.pearson_interval.expect("intervals");
    assert!(low < out.all.pearson_r.expect("defined") && out.all.pearson_r.expect("defined") < high, "{low} {high}");
    shares_agree(&out, &all["two"]);
    fit_agrees(out.fit.as_ref().expect("a line"), &all["line"]);

    let three = vec![log("effective dimensionality"), raw("signal"), raw("ambient")];
    let more = Spec { partition: three, given: vec![raw("signal"), raw("ambient")], curve: Curve::Quadratic, ..spec.clone() };
    let (out, _) = relate(&tables, more).expect("runs");
    shares_agree(&out, &all["three"]);
    fit_agrees(out.fit.as_ref().expect("a parabola"), &all["quadratic"]);
    close(out.partial.expect("asked for").spearman_r.expect("defined"), &all["partial_two"]["spearman_r"], 1e-10);
    let (out, _) = relate(&tables, Spec { log_x: false, bootstrap: 0, ..spec }).expect("runs");
    agrees(&out.all, &all["raw"]);
    assert_eq!(out.all.pearson_interval, None, "no bootstrap, no intervals");
}

#[track_caller]
fn shares_agree(out: &Output, want: &Value) {
    let rows = &out.partition.as_ref().expect("asked for").rows;
    assert_eq!(Some(rows.len()), want.as_array().map(Vec::len));
    for (i, row) in rows.iter().enumerate() {
        close(row.coefficient, &want[i], 1e-10);
    }
}

#[track_caller]
fn fit_agrees(fit: &Fit, want: &Value) {
    for (i, c) in fit.coefficients.iter().enumerate() {
        close(*c, &want["coefficients"][i], 1e-10);
    }
    close(fit.r2, &want["r2"], 1e-10);
    for i in 0..6 {
        close(fit.low.values[20 * i], &want["low"][i], 1e-9);
        close(fit.high.values[20 * i], &want["high"][i], 1e-9);
    }
}

#[test]
fn untrained_networks_stay_in_joins_also_without_their_none() {
    let a = ("a", "architecture,task,layer,ed\nA,None,l1,1\nA,None,l2,2\nB,Denoising,l1,3\nB,Denoising,l2,4\n");
    let b = ("b", "layer,task,architecture,score\nl1,,A,5\nl2,,A,1\nl1,Denoising,B,3\nl2,Denoising,B,3\n");
    let (out, warnings) = relate(&[a, b], Spec { by: vec!["task".into()], best_layer: true, ..plain() }).expect("runs");
    assert_eq!((out.all.n, &*out.groups[0].name), (4, "None"));
    assert_eq!(warnings.iter().map(|w| &*w.code).collect::<Vec<_>>(), ["empty_task"]);
    assert_eq!(out.best_layer.expect("asked for").rows, [0, 3], "of equal scores the deeper layer");
    assert_eq!(out.rows.identity[1].values, ["None", "None", "Denoising", "Denoising"]);
    assert_eq!(out.groups[0].of.pearson_r, None, "two points have no correlation");
}

#[test]
fn layers_are_grouped_within_their_architecture() {
    let a = ("a", "architecture,layer,ed,score\nA,1,1,2\nA,2,2,2\nB,1,3,1\nB,2,5,4\n");
    let (out, _) = relate(&[a], Spec { by: vec!["Layer".into()], ..plain() }).expect("runs");
    assert_eq!(out.groups.iter().map(|g| &*g.name).collect::<Vec<_>>(), ["A, 1", "A, 2", "B, 1", "B, 2"]);
    assert_eq!(out.by, ["architecture", "layer"]);
    assert_eq!(out.rows.depth.values, [0.0, 1.0, 0.0, 1.0]);
    let (out, _) = relate(&[a], Spec { x: "depth".into(), ..plain() }).expect("runs");
    assert_eq!((&*out.x, &out.rows.x.values), ("layer depth", &vec![0.0, 1.0, 0.0, 1.0]));
}

#[test]
fn rows_that_cannot_be_used_are_counted() {
    let a = ("a", "layer,ed,score\n1,1,2\n2,,3\n3,NA,4\n4,0,1\n5,3,5\n6,4,nan\n7,7,8\n");
    let (out, warnings) = relate(&[a], Spec { log_x: true, ..plain() }).expect("runs");
    assert_eq!((out.all.n, &out.rows.x.values), (3, &vec![1.0, 3.0, 7.0]));
    let text = warnings.iter().map(|w| format!("{}: {}", w.code, w.message)).collect::<Vec<_>>();
    assert!(text[0].starts_with("missing_values: 2 of 7 rows have no finite ed and are left out (first: 2)"), "{text:?}");
    assert!(text[1].starts_with("no_logarithm: 1 of 7") && text[2].contains("no finite score"), "{text:?}");
    let constant = ("c", "ed,score\n1,2\n1,3\n1,4\n");
    let (out, warnings) = relate(&[constant], Spec { best_layer: false, ..plain() }).expect("runs");
    assert_eq!((out.all.pearson_r, out.fit, warnings[0].code.as_str()), (None, None, "constant_column"));
    let (out, warnings) = relate(&[("r", "architecture,layer,ed,score\nA,1,1,2\nA,1,2,3\nA,2,4,4\n")], plain()).expect("runs");
    assert_eq!((out.all.n, warnings[0].code.as_str()), (3, "repeated_rows"));
}

#[test]
fn tables_without_identity_columns_join_on_shared_texts() {
    let a = ("a", "model,ed\nx,1\ny,2\nz,4\nw,3\n");
    let b = ("b", "Model,score\nz,3\ny,2\nx,0\n");
    let (out, warnings) = relate(&[a, b], plain()).expect("runs");
    assert_eq!((out.joined_on, out.rows.y.values), (vec!["model".to_owned()], vec![0.0, 2.0, 3.0]));
    assert!(warnings[0].message.contains("1 of 4 rows of a") && warnings[0].message.contains('w'), "{warnings:?}");
}

#[test]
fn columns_of_several_tables_are_told_apart_by_their_table() {
    let (a, b) = (("a", "layer,ed,score\n1,1,2\n2,2,4\n3,3,5\n"), ("b", "layer,score\n1,3\n2,2\n3,1\n"));
    refused(&[a, b], plain(), &["\"score\"", "a::score, b::score"]);
    let (out, _) = relate(&[a, b], Spec { y: "b::Score".into(), ..plain() }).expect("runs");
    assert_eq!(out.rows.y.values, [3.0, 2.0, 1.0]);
}

#[test]
fn every_mistake_has_its_sentence() {
    let a = ("a", "layer,kind,ed,score\n1,p,1,2\n2,p,2,4\n3,q,3,5\n");
    refused(&[], plain(), &["tables", "at least one"]);
    refused(&[a], Spec { x: "width".into(), ..plain() }, &["x:", "\"width\"", "layer", "ed, score"]);
    refused(&[a], Spec { y: "kind".into(), ..plain() }, &["y:", "text", "\"p\""]);
    refused(&[a], Spec { y: "ED".into(), ..plain() }, &["same column"]);
    refused(&[a], Spec { x: String::new(), ..plain() }, &["no column is named"]);
    refused(&[a], Spec { by: vec!["area".into()], ..plain() }, &["by:", "\"area\""]);
    refused(&[a], Spec { bootstrap: 2_000_000, ..plain() }, &["2000000", "1000000"]);
    refused(&[a], Spec { partition: vec![Term::default()], ..plain() }, &["2 or 3", "1"]);
    let term = |column: &str| Term { column: column.into(), log: false };
    refused(&[a], Spec { partition: vec![term("ed"), term("score")], ..plain() }, &["to be explained"]);
    refused(&[a], Spec { partition: vec![term("ed"), term("depth")], ..plain() }, &["only 2 rows", "4"]);
    refused(&[a], Spec { given: vec![term("depth")], ..plain() }, &["given", "only 2 rows"]);
    refused(&[("few", "ed,score\n1,2\n2,4\n,\n")], plain(), &["only 2 of its 3 rows", "at least 3"]);
    refused(&[("n", "ed,score\n1,2\n2,4\n3,1\n")], Spec { best_layer: true, ..plain() }, &["\"layer\""]);
    refused(&[a, ("b", "layer,score2\n1,3\n1,2\n3,1\n")], plain(), &["b:", "rows 1 and 2", "about 1"]);
    refused(&[a, ("b", "layer,score2\nx,3\ny,2\n")], plain(), &["none of its rows", "begins with 1", "with x"]);
    refused(&[a, ("b", "width\n1\n2\n")], plain(), &["share no column", "architecture", "b (width)"]);
    let twice = Spec { tables: vec!["a".into(), "a".into()], ..plain() };
    let device = Device::cpu();
    let error = pollster::block_on(run(&twice, &Inputs::default(), &Context::new(&device, &Silent))).expect_err("refused");
    assert!(error.to_string().contains("twice"), "{error}");
}

#[test]
fn results_travel_in_both_forms() {
    let mut inputs = Inputs::default();
    inputs.insert("a", read("a", "architecture,layer,ed,score,area\nA,1,1,2,0.5\nA,2,2,4,1\nA,3,3,5,7\nB,1,3.5,5,2\nB,2,4,4,3\n"));
    let term = |column: &str| Term { column: column.into(), log: true };
    let spec = AnalysisSpec::Relation(Spec {
        tables: vec!["a".into()],
        by: vec!["architecture".into()],
        best_layer: true,
        given: vec![term("area")],
        partition: vec![term("ed"), term("area")],
        bootstrap: 20,
        ..plain()
    });
    let text = serde_json::to_string(&spec).expect("serializes");
    assert_eq!(AnalysisSpec::from_json(&text).expect("reads"), spec);
    let result = pollster::block_on(analysis::run(&spec, &inputs, &Device::cpu(), &Silent)).expect("runs");
    let again: AnalysisResult = wire::unpack(&wire::pack(&result).expect("packs")).expect("unpacks");
    assert_eq!(again, result);
    let json = serde_json::to_value(&result).expect("serializes");
    for key in ["n", "pearson_r", "pearson_p", "spearman_r", "groups", "best_layer", "partial", "partition", "rows"] {
        assert!(json.get(key).is_some(), "{key} is missing in {json}");
    }
    let read_back: AnalysisResult = serde_json::from_value(json).expect("reads");
    assert_eq!(read_back, result);
}
