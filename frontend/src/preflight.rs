//! Before a run: how long it takes here, how much memory it needs, and where to run it.

use eigenscope::compute::{DeviceChoice, DeviceKind};
use eigenscope::{Estimate, error};
use leptos::prelude::*;

use crate::runs;
use crate::server::ServerState;
use crate::state::{App, shapes};

/// Floating-point operations per second of WebAssembly on one core.
const CPU_FLOPS: f64 = 2e9;
/// The same of a common GPU through WebGPU.
const GPU_FLOPS: f64 = 2e11;
/// What one browser tab can hold beside the page.
const BROWSER_BYTES: f64 = 1.5e9;
/// Values in the worker take at most eight bytes.
const BYTES_PER_VALUE: f64 = 8.0;

struct Forecast {
    seconds: f64,
    bytes: f64,
}

impl Forecast {
    fn time(&self) -> &'static str {
        match self.seconds {
            s if s < 1.0 => "instant",
            s if s < 20.0 => "seconds",
            s if s < 90.0 => "about a minute",
            s if s < 3600.0 => "minutes",
            _ => "hours",
        }
    }

    fn fits(&self) -> bool {
        self.bytes <= BROWSER_BYTES
    }

    fn here(&self) -> bool {
        self.fits() && self.seconds < 90.0
    }
}

fn forecast(app: App) -> Forecast {
    let shapes = shapes(app.datasets);
    let spec = app.form.spec();
    let Estimate { flops, peak_bytes } = spec.estimate(&shapes);
    let loaded: f64 = shapes.0.keys().map(|name| shapes.of(name)).map(|(n, p)| n * p * BYTES_PER_VALUE).sum();
    let gpu = app.device.get() != DeviceChoice::Cpu
        && app.devices.with(|d| d.as_ref().is_some_and(|d| d.list.iter().any(|one| one.kind == DeviceKind::Webgpu)));
    Forecast { seconds: flops / if gpu { GPU_FLOPS } else { CPU_FLOPS }, bytes: peak_bytes + loaded }
}

/// The estimate and the two buttons.
pub(crate) fn bar(app: App) -> impl IntoView {
    let blocked = Memo::new(move |_| {
        app.form
            .problems
            .with(|all| all.first().map(|p| if p.unset { p.message.clone() } else { format!("Correct the marked field. {}", p.message) }))
    });
    let server_missing = move || match app.server.get() {
        ServerState::Ready(_) => None,
        ServerState::Unknown => Some("Looking for a server.".to_owned()),
        ServerState::NeedsToken => Some("The server needs its token: open the address that it printed.".into()),
        ServerState::Missing => {
            Some("This page was opened without a server: start one with \"eigenscope serve\" and open the address that it prints.".into())
        }
    };
    let elsewhere = Memo::new(move |_| {
        let names = app.form.spec().inputs();
        app.datasets.with(|all| all.iter().any(|d| d.source.is_only_there() && d.name.with(|name| names.contains(name))))
    });
    let estimate = move || {
        if blocked.with(Option::is_some) {
            return view! { <p class="muted" data-testid="run-blocked">{blocked.get()}</p> }.into_any();
        }
        let now = forecast(app);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size for display")]
        let memory = error::bytes(now.bytes as u64);
        let advice = if elsewhere.get() {
            "Some values are on the server alone: run it there."
        } else if now.here() {
            "Run it here."
        } else if now.fits() {
            "Better on the server."
        } else {
            "Too large for a browser tab: run it on the server."
        };
        view! {
            <p data-testid="estimate">
                "Here: "<strong>{now.time()}</strong>", up to "<strong>{memory}</strong>" of memory. "{advice}
            </p>
        }
        .into_any()
    };
    view! {
        <div class="preflight">
            {estimate}
            <div class="row">
                <button
                    type="button"
                    class="primary"
                    data-testid="run-here"
                    disabled=move || blocked.with(Option::is_some) || elsewhere.get()
                    on:click=move |_| runs::here::start(app)
                >
                    "Run here"
                </button>
                <button
                    type="button"
                    data-testid="run-server"
                    aria-describedby="server-missing"
                    disabled=move || blocked.with(Option::is_some) || server_missing().is_some()
                    on:click=move |_| runs::remote::start(app)
                >
                    "Run on the server"
                </button>
            </div>
            <p class="help" id="server-missing">{server_missing}</p>
        </div>
    }
    .into_any()
}
