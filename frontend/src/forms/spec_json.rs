//! The spec as JSON: to read, copy, and paste.

use eigenscope::AnalysisSpec;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use crate::state::App;

pub(super) fn disclosure(app: App) -> impl IntoView {
    let form = app.form;
    // What is typed and not yet applied.
    let draft = RwSignal::new(None::<String>);
    let error = RwSignal::new(None::<String>);
    let shown = move || draft.get().unwrap_or_else(|| serde_json::to_string_pretty(&form.spec()).unwrap_or_default());
    let copy = move |_| {
        let text = shown();
        spawn_local(async move {
            // Plain http on another host has no clipboard: then there is nothing to call.
            let clipboard = js_sys::Reflect::get(&window().navigator(), &"clipboard".into()).is_ok_and(|c| !c.is_undefined());
            let copied = clipboard && JsFuture::from(window().navigator().clipboard().write_text(&text)).await.is_ok();
            app.say(if copied {
                "The spec is on the clipboard."
            } else {
                "The browser does not allow copying here: select the text instead."
            });
        });
    };
    let apply = move |_| {
        let Some(text) = draft.get_untracked() else { return };
        match AnalysisSpec::from_json(&text) {
            Ok(spec) => {
                form.set(spec);
                draft.set(None);
                error.set(None);
                app.say("The spec was applied.");
            }
            Err(e) => error.set(Some(e.to_string())),
        }
    };
    let reset = move |_| {
        draft.set(None);
        error.set(None);
    };
    view! {
        <details class="spec">
            <summary>"Spec (JSON)"</summary>
            <label class="visually-hidden" for="spec-json">"The spec of this analysis as JSON"</label>
            <textarea
                id="spec-json"
                data-testid="spec-json"
                rows="10"
                spellcheck="false"
                prop:value=shown
                on:input=move |event| draft.set(Some(event_target_value(&event)))
            ></textarea>
            {move || error.get().map(|message| view! { <p class="problem" role="alert" data-testid="spec-error">{message}</p> })}
            <div class="row">
                <button type="button" class="quiet" on:click=copy>"Copy"</button>
                <button type="button" data-testid="spec-apply" disabled=move || draft.with(Option::is_none) on:click=apply>"Apply"</button>
                <button type="button" class="quiet" disabled=move || draft.with(Option::is_none) on:click=reset>"Undo edits"</button>
            </div>
        </details>
    }
    .into_any()
}
