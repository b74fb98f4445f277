//! A figure on the page: drawn, described, redrawn with theme and size, and exported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use eigenscope::AnalysisSpec;
use gloo::events::EventListener;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, ResizeObserver};

use super::export::{bytes_of_data_url, download, file_stem};
use super::matrix::{Place, matrix_of};
use super::{Chart, engine, number};

/// Raised on the window by whoever changes `data-theme`.
const THEME_EVENT: &str = "eigenscope:theme";

/// A titled figure with its controls, its description and its exports.
#[component]
pub fn FigureCard(
    /// Short and unique on the page, for tests: the card is `figure-{id}`.
    id: &'static str,
    /// Heading, and the stem of exported files.
    #[prop(into)]
    title: String,
    /// What is shown now.
    #[prop(into)]
    chart: Signal<Arc<Chart>>,
    /// The spec that made it.
    spec: Arc<AnalysisSpec>,
    /// The cell of a matrix that the pointer is on: cards that share it show the same cell.
    #[prop(optional)]
    hovered: Option<RwSignal<Option<[usize; 2]>>>,
    /// Controls that change the figure.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    let (status, set_status) = signal(String::new());
    let (state, set_state) = signal("loading");
    let place = RwSignal::new(None::<Place>);
    let hovered = hovered.unwrap_or_else(|| RwSignal::new(None));
    draw_and_follow(node, chart, place, set_state, set_status);
    let pointed = move |x: i32, y: i32| {
        let corner = node.get_untracked().map(|element| element.get_bounding_client_rect());
        let cell = corner.and_then(|r| place.get_untracked()?.cell_at(f64::from(x) - r.left(), f64::from(y) - r.top()));
        if hovered.get_untracked() != cell {
            hovered.set(cell);
        }
    };

    let export = {
        let stem = file_stem(&title);
        move |format: Format| export(format, stem.clone(), node, chart.get_untracked(), Arc::clone(&spec), set_status)
    };
    let buttons = Format::ALL.map(|format| {
        let export = export.clone();
        // What is shown may change from a matrix to something else.
        let is_left_out = move || format == Format::Npy && chart.with(|c| !c.csv.is_matrix());
        view! {
            <button
                type="button"
                class="export"
                data-testid=format.test_id()
                title=format.help()
                hidden=is_left_out
                on:click=move |_| export(format)
            >
                {format.label()}
            </button>
        }
    });
    let number = unique();
    let (title_id, text_id) = (format!("figure-title-{number}"), format!("figure-text-{number}"));
    let group_label = format!("Export {title}");
    view! {
        <figure class="figure-card" aria-labelledby=title_id.clone() data-testid=format!("figure-{id}")>
            <div class="figure-head">
                <h3 id=title_id.clone()>{title}</h3>
                <div class="figure-export" role="group" aria-label=group_label>{buttons}</div>
            </div>
            {children.map(|children| view! { <div class="figure-controls">{children()}</div> })}
            <div class="figure-stage">
            <div
                class="figure-plot"
                on:pointermove=move |e| pointed(e.client_x(), e.client_y())
                on:pointerleave=move |_| hovered.set(None)
                class:square=move || chart.with(|c| c.figure.layout.square)
                role="img"
                aria-labelledby=title_id.clone()
                aria-describedby=text_id.clone()
                data-testid="plot"
                data-state=move || state.get()
                node_ref=node
            ></div>
            {tooltip(node, chart, place, hovered)}
            </div>
            <figcaption id=text_id>
                <span data-testid="figure-summary">{move || chart.with(|c| c.summary.clone())}</span>
                " "
                <span class="figure-note" data-testid="figure-note">{move || chart.with(|c| c.caption.clone())}</span>
            </figcaption>
            <p class="figure-status" role="status">{move || status.get()}</p>
        </figure>
    }
}

/// What is under the pointer, beside the cell, which is framed.
fn tooltip(
    node: NodeRef<html::Div>,
    chart: Signal<Arc<Chart>>,
    place: RwSignal<Option<Place>>,
    hovered: RwSignal<Option<[usize; 2]>>,
) -> impl IntoView {
    let rectangle = move || {
        let [row, column] = hovered.get()?;
        place.with(|place| place.map(|place| place.rectangle([row, column])))
    };
    Effect::new(move || {
        let cell = rectangle();
        if let Some(element) = node.get() {
            engine::frame(&element.into(), cell);
        }
    });
    let words = move || {
        let [row, column] = hovered.get()?;
        chart.with(|chart| {
            let map = matrix_of(&chart.figure)?;
            let value = map.z.get(row * map.columns.len() + column).copied()?;
            Some((map.rows.get(row)?.clone(), map.columns.get(column)?.clone(), number::significant(value, 4)))
        })
    };
    move || {
        let ([x, y, width, height], (row, column, value)) = rectangle().zip(words())?;
        let (wide, tall) = node.get_untracked().map_or((0, 0), |e| (e.client_width(), e.client_height()));
        // Away from the nearer borders.
        let (right, low) = (x > f64::from(wide) / 2.0, y > f64::from(tall) / 2.0);
        let left = if right { x - 8.0 } else { x + width + 8.0 };
        let top = if low { y } else { y + height };
        let shift = format!("translate({}, {})", if right { "-100%" } else { "0" }, if low { "-100%" } else { "0" });
        Some(view! {
            <div class="figure-hover" data-testid="hover" aria-hidden="true" style:left=format!("{left:.0}px") style:top=format!("{top:.0}px") style:transform=shift>
                {row}
                <br />
                {column}
                <br />
                <b>{value}</b>
            </div>
        })
    }
}

/// What is on screen; dropping it undoes everything that was attached.
struct Attached {
    element: HtmlElement,
    observer: Option<ResizeObserver>,
    _resized: Closure<dyn FnMut()>,
    _theme: Vec<EventListener>,
}

impl Attached {
    fn new(element: HtmlElement, redraw: impl Fn() + Clone + 'static) -> Self {
        let (target, again) = (element.clone(), redraw.clone());
        let resized = Closure::new(move || match engine::is_outgrown(&target) {
            Some(true) => again(),
            Some(false) => {}
            None => engine::resize(&target),
        });
        let observer = ResizeObserver::new(resized.as_ref().unchecked_ref()).ok();
        if let Some(observer) = &observer {
            observer.observe(&element);
        }
        let mut theme = Vec::new();
        if let Some(window) = web_sys::window() {
            let redraw_now = redraw.clone();
            theme.push(EventListener::new(&window, THEME_EVENT, move |_| redraw_now()));
            if let Ok(Some(query)) = window.match_media("(prefers-color-scheme: dark)") {
                theme.push(EventListener::new(&query, "change", move |_| redraw()));
            }
        }
        Self { element, observer, _resized: resized, _theme: theme }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(observer) = &self.observer {
            observer.disconnect();
        }
        engine::purge(&self.element);
    }
}

fn draw_and_follow(
    node: NodeRef<html::Div>,
    chart: Signal<Arc<Chart>>,
    place: RwSignal<Option<Place>>,
    set_state: WriteSignal<&'static str>,
    set_status: WriteSignal<String>,
) {
    let attached = StoredValue::new_local(None::<Attached>);
    let theme = RwSignal::new(0u32);
    // Draws are asynchronous: the last one asked for wins.
    let latest = StoredValue::new(0u32);
    Effect::new(move || {
        let Some(element) = node.get() else { return };
        let element: HtmlElement = element.into();
        let chart = chart.get();
        theme.track();
        if attached.with_value(Option::is_none) {
            // The listener may outlive the signal by one event.
            let redraw = move || {
                theme.try_update(|n| *n = n.wrapping_add(1));
            };
            attached.set_value(Some(Attached::new(element.clone(), redraw)));
        }
        latest.update_value(|n| *n = n.wrapping_add(1));
        let mine = latest.get_value();
        spawn_local(async move {
            if latest.try_get_value() != Some(mine) {
                return;
            }
            let drawn = engine::draw(&element, &chart.figure).await;
            if latest.try_get_value() == Some(mine) {
                set_state.set(if drawn.is_ok() { "drawn" } else { "failed" });
                let (found, error) = drawn.map_or_else(|error| (None, error), |place| (place, String::new()));
                set_status.set(error);
                place.set(found);
            }
        });
    });
}

/// What a figure can be saved as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Svg,
    Csv,
    Npy,
    Spec,
}

impl Format {
    const ALL: [Self; 5] = [Self::Png, Self::Svg, Self::Csv, Self::Npy, Self::Spec];

    fn label(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Svg => "SVG",
            Self::Csv => "CSV",
            Self::Npy => "NPY",
            Self::Spec => "Spec",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Png => "Save the figure as an image (light colors, twice the size on screen)",
            Self::Svg => "Save the figure as vector graphics (light colors)",
            Self::Csv => "Save the numbers behind the figure",
            Self::Npy => "Save the matrix behind the figure for numpy",
            Self::Spec => "Save the analysis spec that made the figure",
        }
    }

    fn test_id(self) -> &'static str {
        match self {
            Self::Png => "export-png",
            Self::Svg => "export-svg",
            Self::Csv => "export-csv",
            Self::Npy => "export-npy",
            Self::Spec => "export-spec",
        }
    }
}

fn export(
    format: Format,
    stem: String,
    node: NodeRef<html::Div>,
    chart: Arc<Chart>,
    spec: Arc<AnalysisSpec>,
    set_status: WriteSignal<String>,
) {
    let element: Option<HtmlElement> = node.get_untracked().map(Into::into);
    spawn_local(async move {
        let (name, media_type) = match format {
            Format::Png => (format!("{stem}.png"), "image/png"),
            Format::Svg => (format!("{stem}.svg"), "image/svg+xml"),
            Format::Csv => (format!("{stem}.csv"), "text/csv;charset=utf-8"),
            Format::Npy => (format!("{stem}.npy"), "application/octet-stream"),
            Format::Spec => (format!("{stem}.spec.json"), "application/json"),
        };
        let bytes = match format {
            Format::Png => picture(element, &chart, "png").await,
            Format::Svg => picture(element, &chart, "svg").await,
            Format::Csv => Ok(chart.csv.text().into_bytes()),
            Format::Npy => chart.csv.npy().ok_or_else(|| "the numbers of this figure are no matrix".into()),
            Format::Spec => serde_json::to_vec_pretty(&*spec).map_err(|e| e.to_string()),
        };
        let saved = bytes.and_then(|bytes| download(&name, media_type, &bytes));
        // The card may be gone by now.
        drop(set_status.try_set(saved.map_or_else(|e| e, |()| format!("Saved {name}."))));
    });
}

async fn picture(element: Option<HtmlElement>, chart: &Chart, format: &str) -> Result<Vec<u8>, String> {
    let element = element.ok_or("the figure is not on the page")?;
    bytes_of_data_url(&engine::image(&element, &chart.figure, format).await?)
}

fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
