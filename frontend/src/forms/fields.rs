//! Labelled controls. Each is one concrete function over boxed getters and setters: many fields, little code.

use leptos::prelude::*;

use super::Form;

/// What surrounds a control: its path in the spec, its label, one sentence of help.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    pub(crate) field: &'static str,
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
}

/// Shorthand for [`Label`].
pub(crate) fn label(field: &'static str, label: &'static str, help: &'static str) -> Label {
    Label { field, label, help }
}

pub(super) type Getter<T> = Box<dyn Fn() -> T + Send + Sync>;
pub(super) type Setter<T> = Box<dyn Fn(T)>;

/// One of a few values, each with a title.
pub(crate) fn choice<T: Copy + PartialEq + Send + Sync + 'static>(
    form: Form,
    at: Label,
    options: &'static [(T, &'static str)],
    get: impl Fn() -> T + Send + Sync + 'static,
    set: impl Fn(T) + 'static,
) -> AnyView {
    let titles = options.iter().map(|(_, title)| *title).collect();
    let position = move || {
        let now = get();
        options.iter().position(|(value, _)| *value == now).unwrap_or(0)
    };
    choice_by_index(form, at, titles, Box::new(position), Box::new(move |i| options.get(i).into_iter().for_each(|(value, _)| set(*value))))
}

fn choice_by_index(form: Form, at: Label, titles: Vec<&'static str>, get: Getter<usize>, set: Setter<usize>) -> AnyView {
    let get = std::sync::Arc::new(get);
    let options = titles
        .into_iter()
        .enumerate()
        .map(|(i, title)| {
            let get = std::sync::Arc::clone(&get);
            view! { <option value=i prop:selected=move || get() == i>{title}</option> }
        })
        .collect_view();
    let change = move |event| {
        if let Ok(i) = event_target_value(&event).parse() {
            set(i);
        }
    };
    let control = view! {
        <select
            id=at.field
            aria-describedby=format!("{}-help", at.field)
            aria-invalid=move || invalid(form, at.field)
            on:change=change
        >
            {options}
        </select>
    };
    around(form, at, control.into_any())
}

/// A number; what is not a number becomes NaN, which the form's check names.
pub(crate) fn number(
    form: Form,
    at: Label,
    step: &'static str,
    get: impl Fn() -> f64 + Send + Sync + 'static,
    set: impl Fn(f64) + 'static,
) -> AnyView {
    boxed_number(form, at, step, Box::new(get), Box::new(set))
}

/// The seed of something random.
pub(crate) fn seed(form: Form, help: &'static str, get: impl Fn() -> u64 + Send + Sync + 'static, set: impl Fn(u64) + 'static) -> AnyView {
    number(form, label("seed", "Seed", help), "1", move || from_seed(get()), move |v| set(to_seed(v)))
}

/// A seed as a number field shows it.
#[expect(clippy::cast_precision_loss, reason = "seeds typed by people are small")]
fn from_seed(seed: u64) -> f64 {
    seed as f64
}

/// A typed seed: rounded, zero for what is not a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what the field wants")]
fn to_seed(value: f64) -> u64 {
    value.round() as u64
}

/// Whole numbers separated by commas; 0, which the checks refuse, for what is none.
pub(crate) fn whole_numbers(text: &str) -> Vec<u32> {
    text.split([',', ' ', ';']).filter(|t| !t.is_empty()).map(|t| t.parse().unwrap_or(0)).collect()
}

fn boxed_number(form: Form, at: Label, step: &'static str, get: Getter<f64>, set: Setter<f64>) -> AnyView {
    // A NaN came from the text in the field: leave that text to be corrected.
    let shown = RwSignal::new(String::new());
    Effect::new(move |_| {
        let value = get();
        if !value.is_nan() {
            shown.set(value.to_string());
        }
    });
    let change = move |event| {
        let text = event_target_value(&event);
        shown.set(text.clone());
        set(text.trim().parse().unwrap_or(f64::NAN));
    };
    let control = view! {
        <input
            type="number"
            step=step
            id=at.field
            aria-describedby=format!("{}-help", at.field)
            aria-invalid=move || invalid(form, at.field)
            prop:value=move || shown.get()
            on:change=change
        />
    };
    around(form, at, control.into_any())
}

/// A whole number, rounded and held within u32; zero for what is not a number.
pub(crate) fn count(form: Form, at: Label, get: impl Fn() -> u32 + Send + Sync + 'static, set: impl Fn(u32) + 'static) -> AnyView {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what the field wants")]
    boxed_number(form, at, "1", Box::new(move || f64::from(get())), Box::new(move |v| set(v.round() as u32)))
}

/// A line of text.
pub(crate) fn text(form: Form, at: Label, get: impl Fn() -> String + Send + Sync + 'static, set: impl Fn(String) + 'static) -> AnyView {
    let control = view! {
        <input
            type="text"
            id=at.field
            aria-describedby=format!("{}-help", at.field)
            aria-invalid=move || invalid(form, at.field)
            prop:value=get
            on:change=move |event| set(event_target_value(&event))
        />
    };
    around(form, at, control.into_any())
}

/// Yes or no.
pub(crate) fn switch(at: Label, get: impl Fn() -> bool + Send + Sync + 'static, set: impl Fn(bool) + 'static) -> AnyView {
    view! {
        <div class="field">
            <label class="check">
                <input
                    type="checkbox"
                    id=at.field
                    aria-describedby=format!("{}-help", at.field)
                    prop:checked=get
                    on:change=move |event| set(event_target_checked(&event))
                />
                {at.label}
            </label>
            <p class="help" id=format!("{}-help", at.field)>{at.help}</p>
        </div>
    }
    .into_any()
}

/// One dataset; with `none` as the title of "no dataset".
pub(crate) fn input(
    form: Form,
    at: Label,
    none: &'static str,
    get: impl Fn() -> String + Send + Sync + 'static,
    set: impl Fn(String) + 'static,
) -> AnyView {
    one_of(form, at, none, Box::new(move || form.choices()), Box::new(get), Box::new(set))
}

/// One of several names, each with what is said beside it; with `none` as the title of the empty name.
pub(super) fn one_of(
    form: Form,
    at: Label,
    none: &'static str,
    choices: Getter<Vec<(String, String)>>,
    get: Getter<String>,
    set: Setter<String>,
) -> AnyView {
    let options = move || {
        let now = get();
        let mut choices = choices();
        if !now.is_empty() && !choices.iter().any(|(name, _)| *name == now) {
            choices.push((now.clone(), "not loaded".into()));
        }
        let rest = choices.into_iter().map(|(name, shape)| {
            let chosen = name == now;
            let title = if shape.is_empty() { name.clone() } else { format!("{name} ({shape})") };
            view! { <option value=name.clone() prop:selected=chosen>{title}</option> }
        });
        view! {
            <option value="" prop:selected=now.is_empty()>{none}</option>
            {rest.collect_view()}
        }
    };
    let control = view! {
        <select
            id=at.field
            aria-describedby=format!("{}-help", at.field)
            aria-invalid=move || invalid(form, at.field)
            on:change=move |event| set(event_target_value(&event))
        >
            {options}
        </select>
    };
    around(form, at, control.into_any())
}

/// One of the columns that there are; with `none` as the title of "no column" where it may be left out.
pub(crate) fn column(
    form: Form,
    at: Label,
    none: Option<&'static str>,
    columns: impl Fn() -> Vec<String> + Send + Sync + 'static,
    get: impl Fn() -> String + Send + Sync + 'static,
    set: impl Fn(String) + 'static,
) -> AnyView {
    boxed_column(form, at, none, Box::new(columns), Box::new(get), Box::new(set))
}

fn boxed_column(
    form: Form,
    at: Label,
    none: Option<&'static str>,
    columns: Getter<Vec<String>>,
    get: Getter<String>,
    set: Setter<String>,
) -> AnyView {
    let alike = |a: &str, b: &str| a.replace('_', " ").eq_ignore_ascii_case(&b.replace('_', " "));
    let options = move || {
        let now = get();
        let mut choices: Vec<(String, String)> = columns().into_iter().map(|name| (name.clone(), name)).collect();
        if !now.is_empty() && !choices.iter().any(|(name, _)| alike(name, &now)) {
            choices.push((now.clone(), format!("{now} (not among the columns)")));
        }
        let rest = choices.into_iter().map(|(name, title)| {
            let chosen = alike(&name, &now);
            view! { <option value=name prop:selected=chosen>{title}</option> }
        });
        view! {
            {none.or(now.is_empty().then_some("choose a column")).map(|none| view! { <option value="" prop:selected=now.is_empty()>{none}</option> })}
            {rest.collect_view()}
        }
    };
    let control = view! {
        <select
            id=at.field
            aria-describedby=format!("{}-help", at.field)
            aria-invalid=move || invalid(form, at.field)
            on:change=move |event| set(event_target_value(&event))
        >
            {options}
        </select>
    };
    around(form, at, control.into_any())
}

/// Several datasets, in the order of the list.
pub(crate) fn inputs(
    form: Form,
    at: Label,
    get: impl Fn() -> Vec<String> + Send + Sync + 'static,
    set: impl Fn(Vec<String>) + 'static,
) -> AnyView {
    boxed_inputs(form, at, Box::new(get), Box::new(set))
}

fn boxed_inputs(form: Form, at: Label, get: Getter<Vec<String>>, set: Setter<Vec<String>>) -> AnyView {
    let set = StoredValue::new_local(set);
    let boxes = move || {
        let now = get();
        let mut choices = form.choices();
        for name in &now {
            if !choices.iter().any(|(known, _)| known == name) {
                choices.push((name.clone(), "not loaded".into()));
            }
        }
        let order: Vec<String> = choices.iter().map(|(name, _)| name.clone()).collect();
        let one = |(name, shape): (String, String)| {
            let (now, order, key) = (now.clone(), order.clone(), name.clone());
            let chosen = now.contains(&name);
            let change = move |event| {
                let on = event_target_checked(&event);
                let next = order.iter().filter(|n| if **n == key { on } else { now.contains(n) }).cloned().collect();
                set.with_value(|set| set(next));
            };
            view! {
                <label class="check">
                    <input type="checkbox" prop:checked=chosen on:change=change />
                    {name}
                    <span class="muted">{shape}</span>
                </label>
            }
        };
        if choices.is_empty() {
            view! { <p class="muted">"No datasets yet."</p> }.into_any()
        } else {
            choices.into_iter().map(one).collect_view().into_any()
        }
    };
    view! {
        <fieldset class="field" id=at.field class:bad=move || form.problem_at(at.field).is_some()>
            <legend>{at.label}</legend>
            <div class="checks">{boxes}</div>
            <p class="help">{at.help}</p>
            {problem(form, at.field)}
        </fieldset>
    }
    .into_any()
}

fn around(form: Form, at: Label, control: AnyView) -> AnyView {
    view! {
        <div class="field" class:bad=move || form.problem_at(at.field).is_some()>
            <label for=at.field>{at.label}</label>
            {control}
            <div id=format!("{}-help", at.field)>
                <p class="help">{at.help}</p>
                {problem(form, at.field)}
            </div>
        </div>
    }
    .into_any()
}

fn problem(form: Form, field: &'static str) -> impl IntoView {
    move || form.problem_at(field).map(|message| view! { <p class="problem" data-testid="field-problem">{message}</p> })
}

fn invalid(form: Form, field: &str) -> &'static str {
    if form.problem_at(field).is_some() { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_and_mistakes_kept_for_the_check() {
        assert_eq!(whole_numbers("1, 5;20 50"), [1, 5, 20, 50]);
        assert_eq!(whole_numbers("1, five"), [1, 0]);
        assert!(whole_numbers(" ").is_empty(), "nothing");
    }
}
