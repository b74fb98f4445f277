//! The address restores the view: `#analysis=rdm&spec={…}`, the spec only while it is short.

use eigenscope::AnalysisSpec;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::UrlSearchParams;

use crate::forms::{Form, Kind};

/// Longest spec in an address, in characters of JSON.
const LONGEST_SPEC: usize = 1500;

/// Reads the address now and at every change of it.
pub(crate) fn restore(form: Form) {
    read(form);
    window_event_listener(leptos::ev::hashchange, move |_| read(form));
}

/// Keeps the address up to date.
pub(crate) fn follow(form: Form) {
    Effect::new(move |previous: Option<String>| {
        let hash = write(form);
        // The first time there is nothing to tell yet: an address without a view stays bare.
        if previous.is_some_and(|p| p != hash)
            && let Ok(history) = window().history()
        {
            // Refused only for pages opened from a file, which have no address to keep.
            history.replace_state_with_url(&JsValue::NULL, "", Some(&hash)).ok();
        }
        hash
    });
}

fn read(form: Form) {
    let hash = window().location().hash().unwrap_or_default();
    let Ok(params) = UrlSearchParams::new_with_str(hash.trim_start_matches('#')) else { return };
    if let Some(Ok(spec)) = params.get("spec").map(|text| AnalysisSpec::from_json(&text)) {
        form.set(spec);
    } else if let Some(kind) = params.get("analysis").and_then(|slug| Kind::from_slug(&slug)) {
        form.kind.set(kind);
    }
}

fn write(form: Form) -> String {
    let slug = form.kind.get().slug();
    let Ok(params) = UrlSearchParams::new() else { return format!("#analysis={slug}") };
    params.append("analysis", slug);
    let json = serde_json::to_string(&form.spec()).unwrap_or_default();
    if json.len() <= LONGEST_SPEC {
        params.append("spec", &json);
    }
    format!("#{}", String::from(params.to_string()))
}
