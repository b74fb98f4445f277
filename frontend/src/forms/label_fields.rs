//! Which dataset and which of its columns says the class of each row, and the fields that analyses of classes share.

use eigenscope::labels::Labels;
use leptos::prelude::*;

use super::Form;
use super::fields::{Label, count, label, one_of};

/// A dataset, tables of text included, and one of its columns.
pub(super) fn view(
    form: Form,
    at: Label,
    column: &'static str,
    get: impl Fn() -> Labels + Copy + Send + Sync + 'static,
    set: impl Fn(Labels) + Copy + 'static,
) -> AnyView {
    let columns = move || form.label_columns(&get().input).into_iter().map(|name| (name, String::new())).collect();
    view! {
        {one_of(
            form,
            at,
            "choose a dataset",
            Box::new(move || form.label_choices()),
            Box::new(move || get().input),
            Box::new(move |input| set(Labels { input, column: None })),
        )}
        {one_of(
            form,
            label(column, "Column of the labels", "Where the dataset has several columns."),
            "the only column",
            Box::new(columns),
            Box::new(move || get().column.unwrap_or_default()),
            Box::new(move |name| set(Labels { column: (!name.is_empty()).then_some(name), ..get() })),
        )}
    }
    .into_any()
}

/// How many at most; 0 stands for all.
pub(super) fn limit(
    form: Form,
    at: Label,
    get: impl Fn() -> Option<u32> + Send + Sync + 'static,
    set: impl Fn(Option<u32>) + 'static,
) -> AnyView {
    count(form, at, move || get().unwrap_or(0), move |v| set((v > 0).then_some(v)))
}
