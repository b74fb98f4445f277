//! One metric of layers against another: the scatter with its margins, correlations of groups, shares of explained variance.

use std::sync::Arc;

use eigenscope::AnalysisSpec;
use eigenscope::analysis::relation::{Correlations, Output};
use leptos::prelude::*;

use super::Part;
use crate::plot::{Cell, DataTable, FigureCard, Table, number};

mod charts;

/// Why a correlation may be missing.
const NO_CORRELATION: &str = "fewer than 3 points, or a constant column";

/// The view of [`Output`].
pub(super) fn view(output: Part<Output>, spec: Arc<AnalysisSpec>) -> AnyView {
    let shares = output.partition.as_ref().map(|partition| {
        let chart = Signal::stored(Arc::new(charts::shares(partition)));
        view! { <FigureCard id="commonality" title="Explained variance, divided" chart spec=Arc::clone(&spec) /> }
    });
    view! {
        {headline(&output)}
        <RelationFigure output=output.clone() spec=Arc::clone(&spec) />
        <DataTable table=group_table(&output) caption="Correlations of all points and of groups" test_id="groups-table" />
        {shares}
    }
    .into_any()
}

/// The scatter, colored by a column that the reader chooses.
#[component]
fn RelationFigure(output: Part<Output>, spec: Arc<AnalysisSpec>) -> impl IntoView {
    let columns: Vec<String> = output.rows.identity.iter().map(|c| c.name.clone()).collect();
    let (color, set_color) = signal(charts::first_color(&output));
    let (best, set_best) = signal(false);
    let has_best = output.best_layer.is_some();
    let tables = spec.inputs();
    let title = "Relation";
    let chart = Memo::new_with_compare(move |_| Arc::new(charts::scatter(&output, &tables, color.get(), best.get())), |_, _| true);
    let options = columns
        .into_iter()
        .enumerate()
        .map(|(i, name)| view! { <option value=i.to_string() prop:selected=move || color.get() == Some(i)>{name}</option> })
        .collect_view();
    view! {
        <FigureCard id="relation" title chart spec>
            <label>
                "Color by "
                <select data-testid="relation-color" on:change=move |e| set_color.set(event_target_value(&e).parse().ok())>
                    <option value="" prop:selected=move || color.get().is_none()>"nothing"</option>
                    {options}
                </select>
            </label>
            {has_best
                .then(|| {
                    view! {
                        <label>
                            <input type="checkbox" data-testid="relation-best" on:change=move |e| set_best.set(event_target_checked(&e)) />
                            " Only the best layer of each model"
                        </label>
                    }
                })}
        </FigureCard>
    }
}

fn headline(output: &Output) -> impl IntoView + use<> {
    let marked = |r: Option<f64>, mark: &Option<String>| {
        r.map_or_else(|| "undefined".into(), |r| format!("{} {}", number::significant(r, 4), mark.as_deref().unwrap_or_default()))
    };
    let mut numbers = vec![
        ("Points", number::count(output.all.n), "headline-n"),
        ("Pearson r", marked(output.all.pearson_r, &output.all.pearson_mark), "headline-pearson"),
        ("Spearman ρ", marked(output.all.spearman_r, &output.all.spearman_mark), "headline-spearman"),
    ];
    if let Some(best) = &output.best_layer {
        numbers.push(("Pearson r of best layers", marked(best.of.pearson_r, &best.of.pearson_mark), "headline-best"));
    }
    if let Some(partial) = &output.partial {
        numbers.push(("Partial r", marked(partial.pearson_r, &None), "headline-partial"));
    }
    let items = numbers.into_iter().map(|(name, value, test_id)| {
        view! {
            <div>
                <dt>{name}</dt>
                <dd data-testid=test_id>{value}</dd>
            </div>
        }
    });
    let partial = output.partial.as_ref().map_or_else(String::new, |partial| {
        let p = partial.pearson_p.map_or_else(|| "undefined".into(), number::p_value);
        format!(" Partial r given {} over {} points, p {p}.", partial.given.join(", "), number::count(partial.n))
    });
    let note = format!(
        "{} against {}, p two-sided: **** ≤ 0.0001, *** ≤ 0.001, ** ≤ 0.01, * ≤ 0.05.{partial}",
        axis_name(output, false),
        axis_name(output, true)
    );
    view! {
        <dl class="headline" data-testid="relation-headline">{items.collect_view()}</dl>
        <p class="headline-note">{note}</p>
    }
}

/// The name of an axis with its scale, which is part of what a correlation means.
fn axis_name(output: &Output, is_x: bool) -> String {
    let (name, log) = if is_x { (&output.x, output.log_x) } else { (&output.y, output.log_y) };
    if log { format!("log {name}") } else { name.clone() }
}

fn group_table(output: &Output) -> Table {
    let interval = |ends: Option<[f64; 2]>| match ends {
        Some([low, high]) => Cell::Text(format!("{} to {}", number::significant(low, 3), number::significant(high, 3))),
        None => Cell::Undefined("no bootstrap, or too few points for it"),
    };
    let p = |p: Option<f64>| p.filter(|p| p.is_finite()).map_or(Cell::Undefined(NO_CORRELATION), Cell::P);
    let row = |name: String, of: &Correlations| {
        vec![
            Cell::Text(name),
            Cell::Count(of.n.into()),
            Cell::number(of.pearson_r, NO_CORRELATION),
            interval(of.pearson_interval),
            p(of.pearson_p),
            Cell::number(of.spearman_r, NO_CORRELATION),
            interval(of.spearman_interval),
            p(of.spearman_p),
        ]
    };
    let mut rows = vec![row("All points".into(), &output.all)];
    rows.extend(output.best_layer.iter().map(|best| row("Best layer of each model".into(), &best.of)));
    rows.extend(output.groups.iter().map(|group| row(group.name.clone(), &group.of)));
    let first = if output.by.is_empty() { "Points".into() } else { format!("Points, by {}", output.by.join(", ")) };
    Table::new([first.as_str(), "n", "Pearson r", "95 % interval", "p", "Spearman ρ", "95 % interval", "p"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_all_points_and_best_layers() {
        let table = group_table(&charts::tests::output());
        let names: Vec<String> = table.rows.iter().map(|row| row[0].display()).collect();
        assert_eq!(names, ["All points", "Best layer of each model", "Untrained", "Supervised"]);
        assert_eq!((table.columns[0].as_str(), table.rows[0][3].display()), ("Points, by kind", "0.700 to 0.950".into()));
        assert_eq!(table.rows[2][2], Cell::Undefined(NO_CORRELATION));
    }
}
