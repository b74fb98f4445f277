//! Form of the relations between metrics.

use eigenscope::analysis::relation::{Curve, Spec, Term};
use leptos::prelude::*;

use super::fields::{Label, choice, column, count, inputs, label, seed, switch};
use super::{Check, Form};

const CURVES: &[(Curve, &str)] = &[(Curve::Line, "line"), (Curve::Quadratic, "parabola")];

pub(super) fn check(spec: &Spec, check: &mut Check<'_>) {
    check.inputs("tables", "Tables", &spec.tables, 1);
    check.require(!spec.x.trim().is_empty(), "x", "Choose a column.");
    check.require(!spec.y.trim().is_empty(), "y", "Choose a column.");
    let named = |terms: &[Term]| terms.iter().all(|t| !t.column.trim().is_empty());
    check.require(named(&spec.given), "given", "Choose a column.");
    let fine = named(&spec.partition) && [0, 2, 3].contains(&spec.partition.len());
    check.require(fine, "partition", "Choose two or three predictors, or none.");
    check.require(spec.bootstrap <= 1_000_000, "bootstrap", "Give a whole number up to 1,000,000.");
}

pub(super) fn view(form: Form) -> AnyView {
    let spec = form.relation;
    view! {
        {inputs(
            form,
            label(
                "tables",
                "Tables",
                "CSV with a header. Tables with the same columns are stacked; all are joined on architecture, task, kind, source and layer.",
            ),
            move || spec.with(|s| s.tables.clone()),
            move |v| spec.update(|s| s.tables = v),
        )}
        {column(
            form,
            label("x", "Horizontal axis", "A column of numbers, or the depth of the layer in its model."),
            None,
            move || numeric(form),
            move || spec.with(|s| s.x.clone()),
            move |v| spec.update(|s| s.x = v),
        )}
        {switch(
            label("log_x", "Logarithm of it", "Correlates, fits and draws on a logarithmic axis."),
            move || spec.with(|s| s.log_x),
            move |v| spec.update(|s| s.log_x = v),
        )}
        {column(
            form,
            label("y", "Vertical axis", "A column of numbers; the best layer of a model is the one where this is largest."),
            None,
            move || numeric(form),
            move || spec.with(|s| s.y.clone()),
            move |v| spec.update(|s| s.y = v),
        )}
        {switch(
            label("log_y", "Logarithm of it", "Correlates, fits and draws on a logarithmic axis."),
            move || spec.with(|s| s.log_y),
            move |v| spec.update(|s| s.log_y = v),
        )}
        {column(
            form,
            label("by", "Also within groups of", "Each value is correlated for itself; layers are told apart by their architecture."),
            Some("no groups"),
            move || form.columns(&spec.with(|s| s.tables.clone()), true),
            move || spec.with(|s| s.by.first().cloned().unwrap_or_default()),
            move |v| spec.update(|s| s.by = Some(v).filter(|v| !v.is_empty()).into_iter().collect()),
        )}
        {switch(
            label("best_layer", "Also the best layer of each model", "One point per model."),
            move || spec.with(|s| s.best_layer),
            move |v| spec.update(|s| s.best_layer = v),
        )}
        {choice(
            form,
            label("curve", "Curve through the points", "With the 95 % confidence band of its mean."),
            CURVES,
            move || spec.with(|s| s.curve),
            move |v| spec.update(|s| s.curve = v),
        )}
        {more(form)}
    }
    .into_any()
}

fn more(form: Form) -> AnyView {
    let spec = form.relation;
    view! {
        {term(
            form,
            label("given", "Partial correlation given", "For example the number of features of the layer."),
            label("given.log", "Logarithm of it", "Removes what log10 of the column explains."),
            |s| &mut s.given,
            0,
        )}
        {term(
            form,
            label("partition", "Predictor A of the vertical axis", "Two or three predictors share the explained variance."),
            label("partition.a.log", "Logarithm of A", "Predicts from log10 of the column."),
            |s| &mut s.partition,
            0,
        )}
        {term(
            form,
            label("partition.b", "Predictor B", "What A and B explain alone and in common."),
            label("partition.b.log", "Logarithm of B", "Predicts from log10 of the column."),
            |s| &mut s.partition,
            1,
        )}
        {term(
            form,
            label("partition.c", "Predictor C", "May be left out."),
            label("partition.c.log", "Logarithm of C", "Predicts from log10 of the column."),
            |s| &mut s.partition,
            2,
        )}
        {count(
            form,
            label("bootstrap", "Bootstrap resamples", "For 95 % intervals of the correlations; 0 for none."),
            move || spec.with(|s| s.bootstrap),
            move |v| spec.update(|s| s.bootstrap = v),
        )}
        {seed(form, "The same seed gives the same intervals.", move || spec.with(|s| s.seed), move |v| spec.update(|s| s.seed = v))}
    }
    .into_any()
}

/// The term at a place of a list of the spec: its column and, once there is one, its logarithm.
fn term(form: Form, at: Label, log_at: Label, list: fn(&mut Spec) -> &mut Vec<Term>, place: usize) -> AnyView {
    let spec = form.relation;
    let now = Memo::new(move |_| spec.with(|s| list(&mut s.clone()).get(place).cloned()));
    let set = move |column: String| {
        spec.update(|s| {
            let terms = list(s);
            match (terms.get_mut(place), column.is_empty()) {
                (Some(_), true) => drop(terms.remove(place)),
                (Some(term), false) => term.column = column,
                (None, true) => {}
                (None, false) => terms.push(Term { column, log: false }),
            }
        });
    };
    let is_set = Memo::new(move |_| now.with(Option::is_some));
    view! {
        {column(form, at, Some("none"), move || numeric(form), move || now.get().unwrap_or_default().column, set)}
        {move || {
            is_set
                .get()
                .then(|| {
                    switch(
                        log_at,
                        move || now.get().is_some_and(|t| t.log),
                        move |log| spec.update(|s| list(s).get_mut(place).into_iter().for_each(|t| t.log = log)),
                    )
                })
        }}
    }
    .into_any()
}

/// Columns of numbers of the chosen tables, and the depth.
fn numeric(form: Form) -> Vec<String> {
    let tables = form.relation.with(|s| s.tables.clone());
    let mut out = form.columns(&tables, false);
    if form.columns(&tables, true).iter().any(|name| name.eq_ignore_ascii_case("layer")) && !out.iter().any(|name| name == "depth") {
        out.push("depth".into());
    }
    out
}
