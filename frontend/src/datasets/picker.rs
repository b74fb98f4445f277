//! Which arrays of a file with several.

use eigenscope::api::ArrayInfo;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::load;
use crate::forms::shape_text;
use crate::state::{App, Source};

/// A file that waits for a choice.
#[derive(Clone)]
pub(crate) struct Picker {
    pub(crate) id: u32,
    pub(crate) source: Source,
    pub(crate) arrays: Vec<ArrayInfo>,
}

pub(super) fn list(app: App) -> impl IntoView {
    view! {
        <For each=move || app.pickers.get() key=|picker| picker.id let:picker>
            {view(app, picker)}
        </For>
    }
}

fn view(app: App, picker: Picker) -> impl IntoView {
    let Picker { id, source, arrays } = picker;
    let chosen = RwSignal::new(vec![false; arrays.len()]);
    let usable: Vec<bool> = arrays.iter().map(|a| a.refused.is_none()).collect();
    let members: Vec<Option<String>> = arrays.iter().map(|a| a.member.clone()).collect();
    let close = move || app.pickers.update(|all| all.retain(|p| p.id != id));
    let all = move |_| chosen.set(usable.clone());
    let open = move |_| {
        let picked: Vec<_> = members.iter().zip(chosen.get_untracked()).filter(|(_, on)| *on).map(|(m, _)| m.clone()).collect();
        close();
        spawn_local(async move {
            app.reading.update(|n| *n += 1);
            for member in picked {
                let title = member.clone().unwrap_or_else(|| source.name());
                if let Err(error) = load::load(app, source, member).await {
                    app.fail(&title, &error);
                }
            }
            app.reading.update(|n| *n -= 1);
        });
    };
    let rows = arrays
        .into_iter()
        .enumerate()
        .map(|(i, array)| {
            let refused = array.refused.is_some();
            let toggle = move |event| {
                let on = event_target_checked(&event);
                chosen.update(|all| all.iter_mut().skip(i).take(1).for_each(|c| *c = on));
            };
            view! {
                <li>
                    <label class="check">
                        <input
                            type="checkbox"
                            disabled=refused
                            prop:checked=move || chosen.with(|c| c.get(i).copied().unwrap_or(false))
                            on:change=toggle
                        />
                        {array.member.unwrap_or_default()}
                        <span class="muted">{format!("{} {}", array.dtype, shape_text(&array.shape))}</span>
                    </label>
                    {array.refused.map(|why| view! { <p class="help">{why}</p> })}
                </li>
            }
        })
        .collect_view();
    let count = move || chosen.with(|c| c.iter().filter(|on| **on).count());
    view! {
        <fieldset class="card picker" data-testid="picker">
            <legend>{format!("Arrays in {}", source.name())}</legend>
            <ul class="plain">{rows}</ul>
            <div class="row">
                <button type="button" class="primary" data-testid="picker-load" disabled=move || count() == 0 on:click=open>
                    {move || format!("Load {}", count())}
                </button>
                <button type="button" data-testid="picker-all" on:click=all>"Select all"</button>
                <button type="button" class="quiet" on:click=move |_| close()>"Cancel"</button>
            </div>
        </fieldset>
    }
    .into_any()
}
