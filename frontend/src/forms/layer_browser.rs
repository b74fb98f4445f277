//! The graph of a network: what each operation reads and who reads it, and which of its values are chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use eigenscope::analysis::extraction::Spec;
use eigenscope::api::NetworkSummary;
use eigenscope::network::is_named_by;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::Form;
use crate::plot::number;

/// Rows on the page at most; the filter finds the others.
const MOST: usize = 300;

/// A value of the network.
#[derive(Clone, PartialEq, Eq)]
struct Row {
    name: String,
    op: String,
    shape: Option<String>,
    /// Values that its operation reads, and values made from it.
    from: Vec<String>,
    to: Vec<String>,
    is_output: bool,
}

pub(super) fn view(form: Form, spec: RwSignal<Spec>) -> AnyView {
    let network = Memo::new(move |_| form.network(&spec.with(|s| s.network.clone())));
    let rows = Memo::new(move |_| network.get().map(|network| Arc::new(rows(&network))).unwrap_or_default());
    let filter = RwSignal::new(String::new());
    let chosen = Memo::new(move |_| spec.with(|s| rows.with(|rows| rows.iter().filter(|row| is_chosen(&s.layers, row)).count())));
    let found = Memo::new(move |_| filter.with(|filter| rows.with(|rows| found(rows, filter))));
    let list = move || {
        let (shown, more) = found.with(|found| (found.iter().take(MOST).copied().collect::<Vec<_>>(), found.len().saturating_sub(MOST)));
        let rows = rows.get();
        let items =
            shown.into_iter().filter_map(|i| rows.get(i).cloned()).map(|row| item(spec, Arc::clone(&rows), filter, row)).collect_view();
        view! {
            <ol class="graph-nodes plain">{items}</ol>
            {(more > 0).then(|| view! { <p class="muted small">{format!("{} more: type a part of a name or an operation above.", number::count(more))}</p> })}
        }
    };
    view! {
        <Show when=move || network.with(Option::is_some)>
            <details class="graph" data-testid="layer-browser">
                <summary>
                    "Graph: "
                    {move || format!("{} of {} values are chosen", number::count(chosen.get()), number::count(rows.with(|rows| rows.len())))}
                </summary>
                <label class="visually-hidden" for="graph-filter">"Part of a name or an operation"</label>
                <input
                    id="graph-filter"
                    type="search"
                    placeholder="part of a name or an operation, e.g. Relu"
                    data-testid="graph-filter"
                    prop:value=move || filter.get()
                    on:input=move |event| filter.set(event_target_value(&event))
                />
                <div class="row">
                    <button type="button" class="quiet" on:click=move |_| spec.update(|s| s.layers = vec!["all".into()])>"Choose all"</button>
                    <button type="button" class="quiet" on:click=move |_| spec.update(|s| s.layers = vec!["outputs".into()])>"Outputs only"</button>
                    <button
                        type="button"
                        class="quiet"
                        data-testid="graph-choose-found"
                        on:click=move |_| {
                            let names = rows.with(|rows| found.with(|found| found.iter().map(|i| rows[*i].name.clone()).collect()));
                            spec.update(|s| s.layers = names);
                        }
                    >
                        {move || format!("Choose these {}", number::count(found.with(Vec::len)))}
                    </button>
                </div>
                {list}
            </details>
        </Show>
    }
    .into_any()
}

fn item(spec: RwSignal<Spec>, rows: Arc<Vec<Row>>, filter: RwSignal<String>, row: Row) -> AnyView {
    let (for_state, for_change) = (row.clone(), row.clone());
    let chosen = move || spec.with(|s| is_chosen(&s.layers, &for_state));
    let change = move |event| {
        let on = event_target_checked(&event);
        spec.update(|s| s.layers = toggled(&s.layers, &rows, &for_change.name, on));
    };
    let links = |title: &'static str, names: &[String]| {
        let links = names.iter().cloned().map(|name| {
            let target = name.clone();
            view! { <button type="button" class="link" on:click=move |_| go_to(filter, &target)>{name}</button> }
        });
        (!names.is_empty()).then(|| view! { <span class="muted small graph-links">{title}{links.collect_view()}</span> })
    };
    let shape = row.shape.as_ref().map(|shape| view! { <span class="muted small">{shape.clone()}</span> });
    view! {
        <li id=node_id(&row.name) tabindex="-1">
            <label class="check">
                <input type="checkbox" prop:checked=chosen on:change=change />
                <span class="graph-op">{row.op.clone()}</span>
                <span class="graph-name">{row.name.clone()}</span>
                {shape}
            </label>
            {links("from ", &row.from)}
            {links("to ", &row.to)}
        </li>
    }
    .into_any()
}

fn node_id(name: &str) -> String {
    format!("value-{name}")
}

/// Moves to a value; when the filter hides it, the filter becomes its name.
fn go_to(filter: RwSignal<String>, name: &str) {
    let jump = |name: &str| {
        let element = document().get_element_by_id(&node_id(name)).and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok());
        element.map(|element| {
            element.scroll_into_view();
            element.focus().ok();
        })
    };
    if jump(name).is_none() {
        filter.set(name.into());
    }
}

fn rows(network: &NetworkSummary) -> Vec<Row> {
    let mut readers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for node in &network.nodes {
        for input in &node.inputs {
            let made = readers.entry(input).or_default();
            made.extend(node.outputs.iter().map(|(name, _)| name.clone()).filter(|name| !made.contains(name)).collect::<Vec<_>>());
        }
    }
    let of = |node: &eigenscope::api::NodeSummary| {
        let row = |(name, shape): &(String, Option<String>)| Row {
            name: name.clone(),
            op: node.op.clone(),
            shape: shape.clone(),
            from: node.inputs.clone(),
            to: readers.get(name.as_str()).cloned().unwrap_or_default(),
            is_output: network.outputs.contains(name),
        };
        node.outputs.iter().map(row).collect::<Vec<_>>()
    };
    network.nodes.iter().flat_map(of).collect()
}

fn is_chosen(patterns: &[String], row: &Row) -> bool {
    patterns.iter().any(|pattern| is_named_by(pattern, &row.name, row.is_output))
}

/// Places of the rows whose name or operation has the text in it.
fn found(rows: &[Row], filter: &str) -> Vec<usize> {
    let filter = filter.trim().to_lowercase();
    let fits = |row: &Row| row.name.to_lowercase().contains(&filter) || row.op.to_lowercase().contains(&filter);
    (0..rows.len()).filter(|i| fits(&rows[*i])).collect()
}

/// The patterns with one value more or less; patterns give way to names where they name what is no longer wanted.
fn toggled(patterns: &[String], rows: &[Row], name: &str, on: bool) -> Vec<String> {
    if on {
        return patterns.iter().cloned().chain([name.to_owned()]).collect();
    }
    let mut out = Vec::new();
    for pattern in patterns {
        let named = || rows.iter().filter(|row| is_named_by(pattern, &row.name, row.is_output)).map(|row| row.name.clone());
        if named().any(|other| other == name) {
            out.extend(named().filter(|other| other != name));
        } else {
            out.push(pattern.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use eigenscope::api::NodeSummary;

    use super::*;

    fn network() -> NetworkSummary {
        let node = |op: &str, inputs: &[&str], outputs: &[&str]| NodeSummary {
            op: op.into(),
            inputs: inputs.iter().map(|n| (*n).to_owned()).collect(),
            outputs: outputs.iter().map(|n| ((*n).to_owned(), None)).collect(),
        };
        NetworkSummary {
            inputs: vec![("x".into(), None)],
            outputs: vec!["out".into()],
            nodes: vec![node("Conv", &["x"], &["conv1"]), node("Relu", &["conv1"], &["relu1"]), node("Add", &["relu1", "conv1"], &["out"])],
        }
    }

    #[test]
    fn the_graph_is_followed_both_ways() {
        let rows = rows(&network());
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["conv1", "relu1", "out"]);
        assert_eq!(
            (&rows[0].to[..], &rows[2].from[..]),
            (&["relu1".to_owned(), "out".into()][..], &["relu1".to_owned(), "conv1".into()][..])
        );
        assert_eq!((found(&rows, "RELU"), found(&rows, "conv"), found(&rows, "").len()), (vec![1], vec![0], 3));
    }

    #[test]
    fn values_are_chosen_one_by_one_and_by_patterns() {
        let rows = rows(&network());
        let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(toggled(&texts(&["outputs"]), &rows, "relu1", true), texts(&["outputs", "relu1"]));
        assert_eq!(toggled(&texts(&["all"]), &rows, "relu1", false), texts(&["conv1", "out"]));
        assert_eq!(toggled(&texts(&["conv*", "relu1"]), &rows, "relu1", false), texts(&["conv*"]));
        assert!(is_chosen(&texts(&["outputs"]), &rows[2]) && !is_chosen(&texts(&["outputs"]), &rows[1]), "the output only");
    }
}
