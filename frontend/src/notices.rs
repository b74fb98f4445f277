//! Error cards: each stays until it is dismissed, and nothing else is lost.

use leptos::prelude::*;

use crate::state::App;

/// Something that went wrong.
#[derive(Clone)]
pub(crate) struct Notice {
    pub(crate) id: u32,
    /// What it is about: a file, a run.
    pub(crate) title: String,
    /// What happened and what to do.
    pub(crate) message: String,
}

pub(crate) fn list(app: App) -> impl IntoView {
    view! {
        <div class="notices">
            <For each=move || app.notices.get() key=|notice| notice.id let:notice>
                <div class="card error" role="alert" data-testid="error-card">
                    <div>
                        <strong>{notice.title}</strong>
                        <p>{notice.message}</p>
                    </div>
                    <button type="button" class="quiet" on:click=move |_| app.notices.update(|all| all.retain(|n| n.id != notice.id))>
                        "Dismiss"
                    </button>
                </div>
            </For>
        </div>
    }
    .into_any()
}
