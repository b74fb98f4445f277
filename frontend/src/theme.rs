//! Light, dark, or as the system has it. Colors themselves live in `style.css`.

use leptos::prelude::*;

const KEY: &str = "eigenscope-theme";

/// Applies the theme that was chosen last.
pub(crate) fn restore() {
    apply(stored().as_deref());
}

/// A button that goes from the theme seen now to the other.
pub(crate) fn toggle() -> impl IntoView {
    let dark = RwSignal::new(is_dark());
    // Until a theme is chosen the page follows the system.
    if let Some(query) = system() {
        // The button lives as long as the page.
        gloo::events::EventListener::new(&query, "change", move |_| dark.set(is_dark())).forget();
    }
    let flip = move |_| {
        let to = if dark.get_untracked() { "light" } else { "dark" };
        dark.update(|d| *d = !*d);
        apply(Some(to));
        if let Some(storage) = storage() {
            // A full or forbidden storage only means that the choice is not remembered.
            storage.set_item(KEY, to).ok();
        }
    };
    view! {
        <button type="button" class="quiet" data-testid="theme" on:click=flip>
            {move || if dark.get() { "Light theme" } else { "Dark theme" }}
        </button>
    }
}

fn apply(theme: Option<&str>) {
    let Some(root) = document().document_element() else { return };
    let outcome = match theme {
        Some(theme) => root.set_attribute("data-theme", theme),
        None => root.remove_attribute("data-theme"),
    };
    outcome.ok();
    // Figures take their colors from the style sheet when they are told that it changed.
    if let Ok(event) = web_sys::Event::new("eigenscope:theme") {
        window().dispatch_event(&event).ok();
    }
}

fn is_dark() -> bool {
    match stored().as_deref() {
        Some(theme) => theme == "dark",
        None => system().is_some_and(|query| query.matches()),
    }
}

/// The system's wish, which changes at sunset for some.
fn system() -> Option<web_sys::MediaQueryList> {
    window().match_media("(prefers-color-scheme: dark)").ok().flatten()
}

fn stored() -> Option<String> {
    storage()?.get_item(KEY).ok()?.filter(|theme| theme == "light" || theme == "dark")
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}
