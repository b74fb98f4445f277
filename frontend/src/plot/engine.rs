//! Figures into elements: matrices as SVG of our own, everything else by Plotly, which is loaded on first use and talked to nowhere else.

use std::cell::RefCell;

use js_sys::{Array, Float64Array, Function, JSON, Object, Promise, Reflect};
use wasm_bindgen::Clamped;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{CanvasRenderingContext2d, Element, HtmlCanvasElement, HtmlElement, HtmlImageElement, HtmlScriptElement, ImageData};

use super::json::Parts;
use super::matrix::{self, Drawing, Place, matrix_of};
use super::{Figure, Heatmap, Palette};

/// Where the site has the strict bundle, relative to the page.
const SCRIPT: &str = "plotly.js";

thread_local! {
    static LOADING: RefCell<Option<Promise>> = const { RefCell::new(None) };
}

/// Loads the plot library ahead of the first figure and draws a line with it where nobody sees it, because the browser compiles it while
/// it draws for the first time; what goes wrong is said by that figure.
pub(crate) fn preload() {
    leptos::task::spawn_local(async { drop(draw_unseen().await) });
}

async fn draw_unseen() -> Result<(), String> {
    let is_first = LOADING.with(|loading| loading.borrow().is_none());
    let plotly = plotly().await?;
    if !is_first {
        return Ok(());
    }
    gloo::timers::future::TimeoutFuture::new(0).await;
    let element = document().and_then(|d| d.create_element("div").ok()).ok_or("the page has no document")?;
    let parse = |text: &str| JSON::parse(text).map_err(|e| text_of(&e));
    let data = parse(r#"[{"y":[0,1],"name":"a"},{"y":[1,0],"name":"b"}]"#)?;
    let layout = parse(r#"{"width":400,"height":300,"showlegend":true,"xaxis":{"title":{"text":"x"}},"yaxis":{"title":{"text":"y"}}}"#)?;
    settle(call(&plotly, "react", &Array::of4(&element, &data, &layout, &config()?))?).await?;
    drop(call(&plotly, "purge", &Array::of1(&element)));
    Ok(())
}

/// On an element with a matrix: the size that it was drawn for.
const DRAWN_FOR: &str = "data-drawn-for";

/// Draws the figure into the element, in place of what was drawn there before; returns where the cells of a matrix are.
pub(super) async fn draw(element: &HtmlElement, figure: &Figure) -> Result<Option<Place>, String> {
    if let Some(map) = matrix_of(figure) {
        gloo::timers::future::TimeoutFuture::new(0).await;
        if !element.is_connected() {
            return Ok(None);
        }
        let figure = figure.fitting(element.client_width());
        let drawing = matrix_drawing(element, &figure, map, &palette_of(element))?;
        element.set_inner_html(&drawing.svg);
        element.set_attribute(DRAWN_FOR, &size_text(element)).map_err(|e| text_of(&e))?;
        return Ok(Some(drawing.place));
    }
    let plotly = plotly().await?;
    if !element.is_connected() {
        return Ok(None);
    }
    // Reading a large result, describing it and drawing it are three tasks, between which the page can answer.
    gloo::timers::future::TimeoutFuture::new(0).await;
    let (data, layout) = objects(&figure.fitting(element.client_width()).parts(&palette_of(element)))?;
    let arguments = Array::of4(element, &data, &layout, &config()?);
    gloo::timers::future::TimeoutFuture::new(0).await;
    if !element.is_connected() {
        return Ok(None);
    }
    settle(call(&plotly, "react", &arguments)?).await?;
    Ok(None)
}

fn size_text(element: &HtmlElement) -> String {
    format!("{} x {}", element.client_width(), element.client_height())
}

/// Whether the matrix in the element was drawn for another size; `None` when there is no matrix.
pub(super) fn is_outgrown(element: &HtmlElement) -> Option<bool> {
    element.get_attribute(DRAWN_FOR).map(|size| element.client_width() > 0 && size != size_text(element))
}

fn matrix_drawing(element: &HtmlElement, figure: &Figure, map: &Heatmap, palette: &Palette) -> Result<Drawing, String> {
    let pixels = matrix::pixels(figure, map, palette);
    let url = cells(&pixels, map.columns.len(), map.rows.len()).map_err(|e| text_of(&e))?;
    let size = [element.client_width().max(200), element.client_height().max(200)].map(f64::from);
    Ok(matrix::draw(figure, map, palette, size, &url))
}

/// The cells as an image, one pixel each.
fn cells(pixels: &[u8], columns: usize, rows: usize) -> Result<String, JsValue> {
    let side = |n: usize| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    let (canvas, context) = canvas(side(columns), side(rows))?;
    if !pixels.is_empty() {
        let image = ImageData::new_with_u8_clamped_array_and_sh(Clamped(pixels), side(columns), side(rows))?;
        context.put_image_data(&image, 0.0, 0.0)?;
    }
    canvas.to_data_url()
}

fn canvas(width: u32, height: u32) -> Result<(HtmlCanvasElement, CanvasRenderingContext2d), JsValue> {
    let canvas: HtmlCanvasElement = document().ok_or("no document")?.create_element("canvas")?.unchecked_into();
    canvas.set_width(width);
    canvas.set_height(height);
    let context: CanvasRenderingContext2d = canvas.get_context("2d")?.ok_or("no canvas")?.unchecked_into();
    Ok((canvas, context))
}

/// Frames a cell, or none.
pub(super) fn frame(element: &HtmlElement, cell: Option<[f64; 4]>) {
    let Ok(Some(frame)) = element.query_selector(".hovered") else { return };
    let visible = if cell.is_some() { "visible" } else { "hidden" };
    let mut all = vec![("visibility", visible.to_owned()), ("stroke", palette_of(element).text)];
    if let Some([x, y, width, height]) = cell {
        all.extend([("x", x), ("y", y), ("width", width), ("height", height)].map(|(name, v)| (name, format!("{v:.1}"))));
    }
    for (name, value) in all {
        frame.set_attribute(name, &value).ok();
    }
}

/// A matrix on white paper as a `data:` address.
async fn matrix_image(element: &HtmlElement, figure: &Figure, map: &Heatmap, format: &str) -> Result<String, String> {
    let svg = matrix_drawing(element, figure, map, &print_palette(element)?)?.svg;
    let url = format!("data:image/svg+xml,{}", String::from(js_sys::encode_uri_component(&svg)));
    if format == "svg" {
        return Ok(url);
    }
    let drawn = async {
        let image = HtmlImageElement::new()?;
        image.set_src(&url);
        JsFuture::from(image.decode()).await?;
        let (width, height) = (2 * image.natural_width(), 2 * image.natural_height());
        let (canvas, context) = canvas(width, height)?;
        context.draw_image_with_html_image_element_and_dw_and_dh(&image, 0.0, 0.0, f64::from(width), f64::from(height))?;
        canvas.to_data_url()
    };
    drawn.await.map_err(|e| text_of(&e))
}

/// Renders the figure in print colors (those of the light theme) and returns a `data:` address.
pub(super) async fn image(element: &HtmlElement, figure: &Figure, format: &str) -> Result<String, String> {
    if let Some(map) = matrix_of(figure) {
        return matrix_image(element, figure, map, format).await;
    }
    let plotly = plotly().await?;
    let (data, layout) = objects(&figure.parts(&print_palette(element)?))?;
    let (width, height) = (element.client_width().max(300), element.client_height().max(200));
    let source = Object::new();
    set(&source, "data", &data)?;
    set(&source, "layout", &layout)?;
    let options = JSON::parse(&serde_json::json!({ "format": format, "width": width, "height": height, "scale": 2 }).to_string());
    let options = options.map_err(|e| text_of(&e))?;
    let url = settle(call(&plotly, "toImage", &Array::of2(&source, &options))?).await?;
    url.as_string().ok_or_else(|| "the plot library gave no image".into())
}

/// Fits the drawing to the size of its element.
pub(super) fn resize(element: &HtmlElement) {
    if let Some(plots) = loaded().and_then(|plotly| Reflect::get(&plotly, &"Plots".into()).ok())
        && element.client_width() > 0
    {
        // It rejects when the element was hidden or purged meanwhile: then there is nothing to fit.
        drop(call(plots.unchecked_ref(), "resize", &Array::of1(element)).map(|promise| ignore_rejection(&promise)));
    }
}

/// Removes the drawing and what Plotly keeps for it.
pub(super) fn purge(element: &HtmlElement) {
    if let Some(plotly) = loaded() {
        // Purging an element that was never drawn into is refused; nothing is lost.
        drop(call(&plotly, "purge", &Array::of1(element)));
    }
}

async fn plotly() -> Result<Object, String> {
    if let Some(plotly) = loaded() {
        return Ok(plotly);
    }
    let promise = LOADING.with(|loading| loading.borrow_mut().get_or_insert_with(inject).clone());
    if JsFuture::from(promise).await.is_err() {
        LOADING.with(|loading| loading.borrow_mut().take());
        return Err("The plot library did not load: check the connection to the server and reload the page. The tables and CSV are complete without it.".into());
    }
    loaded().ok_or_else(|| "The plot library loaded but is not usable in this browser.".into())
}

fn loaded() -> Option<Object> {
    let value = Reflect::get(&js_sys::global(), &"Plotly".into()).ok()?;
    value.is_object().then(|| value.unchecked_into())
}

fn inject() -> Promise {
    Promise::new(&mut |resolve: Function, reject: Function| {
        let script = document().and_then(|d| {
            let script: HtmlScriptElement = d.create_element("script").ok()?.unchecked_into();
            script.set_src(SCRIPT);
            script.set_onload(Some(&resolve));
            script.set_onerror(Some(&reject));
            d.head()?.append_child(&script).ok()
        });
        if script.is_none() {
            drop(reject.call0(&JsValue::NULL));
        }
    })
}

fn objects(parts: &Parts<'_>) -> Result<(Array, JsValue), String> {
    let parse = |value: &serde_json::Value| JSON::parse(&value.to_string()).map_err(|e| text_of(&e));
    let data: Array = parse(&parts.data)?.unchecked_into();
    for buffer in &parts.buffers {
        let Ok(index) = u32::try_from(buffer.trace) else { continue };
        set(data.get(index).unchecked_ref(), buffer.key, &Float64Array::from(buffer.values))?;
    }
    Ok((data, parse(&parts.layout)?))
}

fn config() -> Result<JsValue, String> {
    JSON::parse(r#"{"displayModeBar":false,"displaylogo":false,"responsive":false,"doubleClick":"reset"}"#).map_err(|e| text_of(&e))
}

fn palette_of(element: &Element) -> Palette {
    let style = web_sys::window().and_then(|w| w.get_computed_style(element).ok().flatten());
    Palette::read(|name| style.as_ref().and_then(|s| s.get_property_value(name).ok()).unwrap_or_default())
}

/// The light palette, whatever the page shows: figures go into documents on white paper.
fn print_palette(element: &Element) -> Result<Palette, String> {
    let probe = document().and_then(|d| d.create_element("span").ok()).ok_or("the page has no document")?;
    probe.set_attribute("data-theme", "light").and_then(|()| element.append_child(&probe)).map_err(|e| text_of(&e))?;
    let palette = palette_of(&probe);
    probe.remove();
    Ok(palette)
}

fn document() -> Option<web_sys::Document> {
    web_sys::window()?.document()
}

fn call(object: &Object, method: &str, arguments: &Array) -> Result<JsValue, String> {
    let function = Reflect::get(object, &method.into()).map_err(|e| text_of(&e))?;
    let function: &Function = function.dyn_ref().ok_or_else(|| format!("the plot library has no {method}"))?;
    function.apply(object, arguments).map_err(|e| text_of(&e))
}

async fn settle(value: JsValue) -> Result<JsValue, String> {
    JsFuture::from(Promise::resolve(&value)).await.map_err(|e| text_of(&e))
}

fn ignore_rejection(value: &JsValue) {
    let promise = Promise::resolve(value);
    leptos::task::spawn_local(async move {
        drop(JsFuture::from(promise).await);
    });
}

fn set(object: &Object, key: &str, value: &JsValue) -> Result<(), String> {
    Reflect::set(object, &key.into(), value).map(|_| ()).map_err(|e| text_of(&e))
}

fn text_of(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(|| "the plot could not be drawn".into(), |e| String::from(e.message()))
}
