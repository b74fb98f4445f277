//! The shell: landmarks, the header, and files dropped anywhere.

use eigenscope::compute::{DeviceChoice, DeviceKind};
use gloo::timers::callback::Interval;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::DragEvent;

use crate::server::ServerState;
use crate::state::{App, now_ms};
use crate::{datasets, lazy, notices, route, runs, server, theme};

const TICK_MS: u32 = 1000;

/// Starts the page: replaces the loading text of `index.html`.
pub fn start() {
    let Some(root) = document().get_element_by_id("app").and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) else { return };
    console_error_panic_hook::set_once();
    root.set_inner_html("");
    theme::restore();
    mount_to(root, || {
        let app = App::new();
        provide_context(app);
        route::restore(app.form);
        route::follow(app.form);
        server::connect(app);
        accept_drops(app);
        lazy::load(app);
        Interval::new(TICK_MS, move || app.now_ms.set(now_ms())).forget();
        shell(app)
    })
    .forget();
}

fn shell(app: App) -> impl IntoView {
    view! {
        {header(app)}
        <main>
            {notices::list(app)}
            {datasets::panel(app)}
            <div class="work">
                {move || form(app)}
                {runs::panel(app)}
            </div>
        </main>
        <p class="status" role="status" aria-live="polite" data-testid="status">{move || app.status.get()}</p>
    }
}

/// The form, or that it is on its way.
fn form(app: App) -> AnyView {
    match app.rest.get() {
        Some(rest) => (rest.form)(app),
        None => view! {
            <section class="panel" aria-labelledby="analysis-heading">
                <h2 id="analysis-heading">"Analysis"</h2>
                <p class="muted">"Loading the forms…"</p>
            </section>
        }
        .into_any(),
    }
}

fn header(app: App) -> impl IntoView {
    // The fragment of the address belongs to the view: the link only moves the focus.
    let skip = |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        if let Some(section) = document().get_element_by_id("datasets").and_then(|e| e.dyn_into::<web_sys::HtmlElement>().ok()) {
            section.focus().ok();
        }
    };
    view! {
        <header>
            <a class="skip" href="#datasets" on:click=skip>"Skip to datasets"</a>
            <div class="brand">
                <h1>"Eigenscope"</h1>
                <p class="muted">"a workbench for representational geometry"</p>
            </div>
            <div class="tools">
                {device(app)}
                {server_status(app)}
                {project_tools(app)}
                {theme::toggle()}
            </div>
        </header>
    }
    .into_any()
}

fn device(app: App) -> impl IntoView {
    let choices = [(DeviceChoice::Auto, "auto", "Auto"), (DeviceChoice::Vulkan, "webgpu", "WebGPU"), (DeviceChoice::Cpu, "cpu", "CPU")];
    let choose = move |event| {
        let value = event_target_value(&event);
        choices.iter().filter(|(_, slug, _)| *slug == value).for_each(|(choice, ..)| app.device.set(*choice));
    };
    let options = choices.map(|(choice, slug, title)| {
        view! {
            <option value=slug prop:selected=move || app.device.get() == choice>
                {title}
            </option>
        }
    });
    view! {
        <div class="device">
            <label class="inline" for="device">"Device "</label>
            <select id="device" data-testid="device-select" aria-describedby="device-note" on:change=choose>
                {options.into_iter().collect_view()}
            </select>
            <span class="muted small" id="device-note" data-testid="device-note">{move || device_note(app)}</span>
        </div>
    }
    .into_any()
}

/// One sentence on what computes here, or why WebGPU does not.
fn device_note(app: App) -> String {
    if !window().is_secure_context() {
        return "WebGPU is off: this page was opened over plain http from another host. Use https, or forward the port (ssh -L 8080:localhost:8080 host) and open http://localhost:8080.".into();
    }
    let has_webgpu = js_sys::Reflect::get(&window().navigator(), &"gpu".into()).is_ok_and(|gpu| !gpu.is_undefined());
    app.devices.with(|devices| match devices {
        None if has_webgpu => "WebGPU is checked on first use".into(),
        None => "CPU only: this browser has no WebGPU".into(),
        Some(devices) => match devices.list.iter().find(|d| d.kind == DeviceKind::Webgpu) {
            Some(gpu) => gpu.name.clone(),
            None => devices.webgpu_missing.clone().unwrap_or_else(|| "CPU only".into()),
        },
    })
}

fn server_status(app: App) -> impl IntoView {
    let (token, set_token) = (RwSignal::new(String::new()), move |event| event_target_value(&event));
    let open = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        server::open_with_token(&token.get_untracked());
    };
    let text = move || match app.server.get() {
        ServerState::Unknown => "Looking for a server…".to_owned(),
        ServerState::Missing => "No server".into(),
        ServerState::NeedsToken => "Server: token needed".into(),
        ServerState::Ready(server) if !server.connected => "Server: reconnecting…".into(),
        ServerState::Ready(server) => match server.devices.iter().rev().find(|device| !device.is_software()) {
            Some(device) => format!("Server: {}", device.name),
            None => "Server: connected".into(),
        },
    };
    view! {
        <div class="server">
            <span data-testid="server-status" class="pill">{text}</span>
            <Show when=move || app.server.get() == ServerState::NeedsToken>
                <form class="row" on:submit=open>
                    <label class="visually-hidden" for="token">"Token of the server"</label>
                    <input id="token" type="password" placeholder="token" autocomplete="off" on:input=move |e| token.set(set_token(e)) />
                    <button type="submit">"Open"</button>
                </form>
            </Show>
        </div>
    }
    .into_any()
}

fn project_tools(app: App) -> impl IntoView {
    let chooser = NodeRef::<leptos::html::Input>::new();
    let browse = move |_| {
        if let Some(input) = chooser.get_untracked() {
            input.click();
        }
    };
    let chosen = move |_| {
        if let Some(input) = chooser.get_untracked() {
            let files = datasets::files(input.files());
            datasets::load::take_projects(app, files);
            input.set_value("");
        }
    };
    let nothing = move || app.datasets.with(Vec::is_empty) && app.runs.with(Vec::is_empty);
    view! {
        <div class="row">
            <label class="visually-hidden" for="project-name">"Name of the project"</label>
            <input
                id="project-name"
                class="project-name"
                type="text"
                data-testid="project-name"
                prop:value=move || app.project_name.get()
                on:change=move |event| app.project_name.set(event_target_value(&event))
            />
            <button type="button" data-testid="save-project" disabled=nothing on:click=move |_| lazy::save_project(app)>"Save"</button>
            <button type="button" data-testid="open-project" on:click=browse>"Open"</button>
            <input
                type="file"
                class="visually-hidden"
                tabindex="-1"
                aria-label="Project file"
                data-testid="project-input"
                accept=".eigenscope"
                node_ref=chooser
                on:change=chosen
            />
        </div>
    }
    .into_any()
}

/// Files may be dropped anywhere on the page.
fn accept_drops(app: App) {
    let mark = |on: bool| {
        if let Some(body) = document().body() {
            body.class_list().toggle_with_force("dragging", on).ok();
        }
    };
    window_event_listener(leptos::ev::dragover, move |event: DragEvent| {
        event.prevent_default();
        mark(true);
    });
    window_event_listener(leptos::ev::dragleave, move |event: DragEvent| {
        if event.related_target().is_none() {
            mark(false);
        }
    });
    window_event_listener(leptos::ev::drop, move |event: DragEvent| {
        event.prevent_default();
        mark(false);
        if let Some(transfer) = event.data_transfer() {
            datasets::folders::take(app, &transfer);
        }
    });
}
