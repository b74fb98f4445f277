//! Controls above figures that several views have.

use eigenscope::dataset::LabelColumn;
use leptos::prelude::*;

/// Which column of labels, by its number; `none` is what it says without one. Nothing where there are no labels.
pub(super) fn label_select(
    title: &'static str,
    none: &'static str,
    test_id: &'static str,
    labels: &[LabelColumn],
    set: WriteSignal<Option<usize>>,
) -> Option<AnyView> {
    let options = labels.iter().enumerate().map(|(i, l)| view! { <option value=i.to_string()>{l.name.clone()}</option> }).collect_view();
    let select = view! {
        <label>
            {title}
            <select data-testid=test_id on:change=move |e| set.set(event_target_value(&e).parse().ok())>
                <option value="">{none}</option>
                {options}
            </select>
        </label>
    };
    (!labels.is_empty()).then(|| select.into_any())
}

/// A line of text that takes effect when it is left.
pub(super) fn line(title: &'static str, test_id: &'static str, text: ReadSignal<String>, set: WriteSignal<String>) -> AnyView {
    view! {
        <label>
            {title}
            <input type="text" data-testid=test_id prop:value=move || text.get() on:change=move |e| set.set(event_target_value(&e)) />
        </label>
    }
    .into_any()
}
