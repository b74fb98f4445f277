//! One run: a head that follows its progress, and a body that is drawn once when the result is there.

use std::sync::Arc;

use eigenscope::AnalysisResult;
use eigenscope::api::JobState;
use leptos::prelude::*;

use super::{cancel, log, remote, remove, state_word};
use crate::state::{App, Place, Run};

pub(super) fn view(app: App, run: Run) -> impl IntoView {
    let heading = format!("run-{}", run.id);
    let state = run.state;
    let labelled = heading.clone();
    view! {
        <li class="card run" data-testid="run-item" data-state=move || state_word(state.get()) aria-labelledby=labelled>
            {head(app, &run, heading)}
            {progress(app, &run)}
            {log::details(&run)}
            {
                let error = run.error;
                move || error.get().map(|message| view! { <p class="problem" role="alert" data-testid="run-error">{message}</p> })
            }
            {body(app, run)}
        </li>
    }
    .into_any()
}

fn head(app: App, run: &Run, heading: String) -> AnyView {
    let Run { place, state, started_ms, finished_ms, result, open, .. } = *run;
    let title = run.spec.title();
    let inputs = listed(&run.spec.inputs());
    let (to_open, to_cancel, to_remove, to_edit) = (run.clone(), run.clone(), run.clone(), run.spec.clone());
    let toggle = move |_| {
        open.update(|o| *o = !*o);
        remote::fetch(app, &to_open);
    };
    let place_text = move || if place.with(|p| *p == Place::Here) { "here" } else { "on the server" };
    let device = move || result.with(|r| r.as_ref().map(|r| format!(" · {}", r.device.name)));
    let elapsed = move || {
        let end = match finished_ms.get() {
            Some(end) => end,
            None if state.get() == JobState::Running => app.now_ms.get(),
            None => return String::new(),
        };
        format!(" · {}", duration_text((end - started_ms.get()) / 1000.0))
    };
    let finished = move || state.get().is_final();
    view! {
        <div class="run-head">
            <div>
                <h3 id=heading>{title}<span class="muted">{format!(" {inputs}")}</span></h3>
                <p class="muted small">
                    <span class="state" data-testid="run-state">{move || state_word(state.get())}</span>
                    " · "
                    {place_text}
                    {device}
                    {elapsed}
                </p>
            </div>
            <div class="row">
                <Show when=move || state.get() == JobState::Done>
                    <button type="button" class="quiet" data-testid="run-toggle" aria-expanded=move || open.get().to_string() on:click=toggle.clone()>
                        {move || if open.get() { "Hide" } else { "Show" }}
                    </button>
                </Show>
                <button type="button" class="quiet" data-testid="run-edit" on:click=move |_| app.form.set(to_edit.clone())>"Edit"</button>
                <Show when=move || !finished()>
                    <button
                        type="button"
                        data-testid="run-cancel"
                        on:click={
                            let to_cancel = to_cancel.clone();
                            move |_| cancel(app, &to_cancel)
                        }
                    >
                        "Cancel"
                    </button>
                </Show>
                <Show when=finished>
                    <button
                        type="button"
                        class="quiet"
                        data-testid="run-remove"
                        on:click={
                            let to_remove = to_remove.clone();
                            move |_| remove(app, &to_remove)
                        }
                    >
                        "Remove"
                    </button>
                </Show>
            </div>
        </div>
    }
    .into_any()
}

fn progress(app: App, run: &Run) -> AnyView {
    let Run { state, done_frac, step, started_ms, remaining_secs, .. } = *run;
    let left = move || remaining_secs.get().map(left_text).unwrap_or_default();
    view! {
        <Show when=move || !state.get().is_final()>
            <progress max="1" aria-label="Progress" prop:value=move || done_frac.get()></progress>
        </Show>
        {move || {
            let step = rated(&step.get(), || (app.now_ms.get() - started_ms.get()) / 1000.0);
            (!step.is_empty() && matches!(state.get(), JobState::Running | JobState::Queued)).then(|| view! { <p class="muted small" data-testid="run-step">{step}{left}</p> })
        }}
    }
    .into_any()
}

/// The result: depends on nothing but that it is there and open; what fills in meanwhile is a matter of its view.
fn body(app: App, run: Run) -> impl IntoView {
    let Run { spec, labels, result, preview, state, open, .. } = run;
    let drawn = StoredValue::new((spec, labels));
    // A run that ended without a result has nothing to fill in any more.
    let known = move || result.get().or_else(|| preview.get().filter(|_| !state.get().is_final() || state.get() == JobState::Done));
    let there = Memo::new(move |_| open.get() && known().is_some());
    move || {
        if !there.get() {
            return None;
        }
        let first: Arc<AnalysisResult> = untrack(known)?;
        let rest = app.rest.get()?;
        let (spec, labels) = drawn.get_value();
        let shown = Signal::derive(move || known().unwrap_or_else(|| Arc::clone(&first)));
        let warnings = move || {
            let warnings: Vec<_> = shown.with(|r| r.warnings.iter().map(|w| view! { <li>{w.message.clone()}</li> }).collect());
            (!warnings.is_empty()).then(|| view! { <ul class="warnings" aria-label="Warnings">{warnings}</ul> })
        };
        Some(
            view! {
                <div class="result" data-testid="run-result">
                    {warnings}
                    {(rest.result)(shown, spec, labels, app.thumbnails())}
                </div>
            }
            .into_any(),
        )
    }
}

/// The step with the speed since the start, where it counts images: `12 of 92 images, 3.0 images/s`.
fn rated(step: &str, seconds: impl Fn() -> f64) -> String {
    let done = step.strip_suffix(" images").and_then(|rest| rest.split_once(" of ")).and_then(|(done, _)| done.parse::<f64>().ok());
    match done.filter(|n| *n > 0.0) {
        Some(done) if seconds() > 0.5 => format!("{step}, {:.1} images/s", done / seconds()),
        _ => step.into(),
    }
}

/// The first names, and how many there are besides.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    if names.len() <= SHOWN + 1 {
        return names.join(", ");
    }
    format!("{} and {} others", names[..SHOWN].join(", "), names.len() - SHOWN)
}

/// ` · about 3 min left`: as exactly as it can be known.
fn left_text(seconds: f64) -> String {
    let (n, unit) = match seconds {
        s if s < 10.0 => return " · a few seconds left".into(),
        s if s < 90.0 => ((s / 10.0).round() * 10.0, "s"),
        s if s < 5400.0 => ((s / 60.0).round(), "min"),
        s => ((s / 3600.0).round(), "h"),
    };
    format!(" · about {n:.0} {unit} left")
}

/// `12 ms`, `1.8 s`, `1 min 05 s`.
pub(super) fn duration_text(seconds: f64) -> String {
    if seconds < 1.0 {
        return format!("{:.0} ms", (seconds * 1000.0).max(0.0));
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:.0} min {:02.0} s", (seconds - minutes * 60.0).floor())
}

#[cfg(test)]
mod tests {
    use super::{duration_text, left_text, listed, rated};

    #[test]
    fn many_inputs_are_counted() {
        let names: Vec<String> = (0..9).map(|i| format!("n{i}")).collect();
        assert_eq!((listed(&names[..2]), listed(&names)), ("n0, n1".into(), "n0, n1, n2, n3, n4, n5 and 3 others".into()));
    }

    #[test]
    fn images_have_a_speed_once_there_is_some_time() {
        assert_eq!(rated("12 of 92 images", || 4.0), "12 of 92 images, 3.0 images/s");
        assert_eq!(
            (rated("12 of 92 images", || 0.1), rated("checking the inputs", || 4.0)),
            ("12 of 92 images".into(), "checking the inputs".into())
        );
    }

    #[test]
    fn what_is_left_is_not_more_exact_than_it_can_be() {
        let texts = [4.0, 44.0, 130.0, 10_000.0].map(left_text);
        assert_eq!(texts, [" · a few seconds left", " · about 40 s left", " · about 2 min left", " · about 3 h left"]);
    }

    #[test]
    fn durations_read_like_words() {
        assert_eq!(duration_text(0.0124), "12 ms");
        assert_eq!(duration_text(1.84), "1.8 s");
        assert_eq!(duration_text(65.4), "1 min 05 s");
        assert_eq!(duration_text(119.99), "1 min 59 s");
    }
}
